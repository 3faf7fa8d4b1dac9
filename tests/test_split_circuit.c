/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits whose look-ups are split: chosen, three executions, errors, audit, files, roles. Unless said, look-ups fail
 * with probability below 2^-35 each, and there are fewer than 512 with keys of the day: what is asserted of answers
 * fails with probability below 2^-26 in the whole test. */
#include "nn_fixture.h"

#include "binomial.h"
#include "circuit/audit.h"
#include "circuit/footprint.h"
#include "circuit/latency.h"
#include "data/dataset.h"
#include "deploy/deploy_priv.h"
#include "optimizer/optimizer_split.h"
#include "roles.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

#define OUTPUTS 3u

/* Cells become a power of two; the table goes on as it ends. */
static void pad_cells(circuit_layer *l)
{
    uint32_t cells = 4;
    while (cells < l->cells) cells *= 2;
    int32_t *table = malloc(l->tables * cells * sizeof *table);
    for (size_t t = 0; t < l->tables; t++)
        for (uint32_t x = 0; x < cells; x++)
            table[t * cells + x] = l->table[t * l->cells + (x < l->cells ? x : l->cells - 1)];
    free(l->table);
    l->table = table;
    l->cells = cells;
}

/* Of exact look-ups, one family. */
static circuit *exact_circuit(const size_t *widths, size_t layers, unsigned bits, uint64_t seed, float **x)
{
    circuit *c = NULL;
    lower_options o;
    network *n = random_network(&seed, widths, layers, ACTIVATION_RELU, bits);
    *x = random_inputs(&seed, 200, widths[0]);
    lower_options_init(&o);
    o.rounding_bits = 0;
    o.ranges_measured = 0;
    o.families_most = 1;
    o.rotations_apart = 1;
    o.output_bits = 7;
    assert_ok(network_lower(n, *x, 200, &o, &c));
    network_destroy(n);
    return c;
}

/* The same program in these families, the first layer split by so many low bits, the others whole, with the predictions
 * and the digest of its file; c is destroyed. */
static circuit *circuit_split(circuit *c, const split_choice *p, uint32_t low_bits)
{
    circuit *out = NULL;
    writer w;
    c->choice.families =
        (tfhe_families){.count = 2, .of = {p->high, p->low}, .merge = {p->merge_l, p->merge_bg}};
    for (size_t i = 0; i < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        l->family = TFHE_HIGH;
        l->EF = l->cells == 0 ? 0 : p->EF;
        l->price = l->cells == 0 ? 0 : p->price;
        if (l->cells != 0 && i == 0) pad_cells(l);
        l->split = i == 0 ? low_bits : 0;
    }
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "split"};
    assert_ok(circuit_read(&r, &out));
    assert_ok(read_end(&r));
    writer_clear(&w);
    circuit_destroy(c);
    return out;
}

static split_choice choice_of(unsigned bits, double log2_error)
{
    const split_request q = {bits, 5, 12, log2_error, SECURITY_128};
    split_choice p;
    assert_ok(optimizer_split(&q, &p));
    return p;
}

static void executions_agree(const circuit *c, const int32_t *q, size_t encrypted)
{
    const size_t outputs = circuit_last(c)->out;
    double *clear = malloc(200 * outputs * 8), *simulated = malloc(200 * outputs * 8), got[OUTPUTS];
    const seed256 seed = {{3}};
    exec_stats stats = {0};
    roles keys;
    for (size_t i = 0; i < c->layers_count; i++) assert_true(c->choice.layers[i].log2_failure < -35);
    assert_ok(exec_clear(c, q, 200, 1, clear, NULL));
    assert_ok(exec_simulate(c, q, 200, &seed, 2, simulated, &stats));
    for (size_t i = 0; i < c->layers_count; i++) assert_int_equal(stats.index_errors[i] + stats.failures[i], 0);
    for (size_t i = 0; i < 200 * outputs; i++) assert_true(rint(simulated[i]) == clear[i]);
    roles_create(&keys, c);
    for (size_t i = 0; i < encrypted; i++) {
        run_encrypted(&keys, c, q + i * c->input.features, got);
        for (size_t o = 0; o < outputs; o++) assert_true(rint(got[o]) == clear[i * outputs + o]);
    }
    roles_destroy(&keys);
    free(clear), free(simulated);
}

/* 5 to 8 bits, 1 to 3 of them low. */
static void test_executions(void **state)
{
    (void)state;
    static const size_t features[] = {4, 8, 18, 30};
    for (uint32_t bits = 5; bits <= 8; bits++) {
        const size_t widths[] = {features[bits - 5], 5, 3, OUTPUTS};
        const split_choice p = choice_of(8, -40);
        float *x;
        circuit *c = exact_circuit(widths, 3, 2, bits, &x);
        c = circuit_split(c, &p, bits == 5 ? 1 : bits - 5);
        assert_int_equal(c->layers[0].cells, 1u << bits);
        int32_t *q = quantize_all(c, x, 200);
        executions_agree(c, q, 2);
        circuit_destroy(c);
        free(x), free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_executions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
