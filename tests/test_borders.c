/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in tables whose cells are no power of two, of which borders lie on whole steps of the rotation: what the
 * search, the simulation and the audit expect against the tables that rotations read. */
#include "binomial.h"
#include "counted_seed.h"
#include "roles.h"

#include "circuit/audit.h"
#include "circuit/exec.h"
#include "optimizer/optimizer.h"
#include <math.h>

/* A table that gives the number of the cell, and the number of steps of half the torus. */
typedef struct reading {
    lut *table;
    uint32_t slot_bits;
    uint64_t steps;
} reading;

static reading read_cells(uint32_t N, uint32_t EF, uint32_t cells, uint32_t slot_bits)
{
    reading r = {.slot_bits = slot_bits, .steps = (uint64_t)EF * N >> slot_bits};
    uint64_t *entries = malloc(sizeof *entries * (cells << slot_bits));
    for (uint32_t i = 0; i < cells << slot_bits; i++) entries[i] = i % cells;
    assert_ok(lut_create_slots(N, EF, entries, cells, slot_bits, &r.table));
    free(entries);
    return r;
}

static uint64_t cell_at(const reading *r, uint64_t step)
{
    return r->table->v[step << r->slot_bits];
}

/* Probability that a phase at this place, in steps, is read as of another cell; deviation in steps. */
static double wrong(const reading *r, double place, uint64_t cell, double deviation)
{
    uint64_t first = 0, last = r->steps;
    while (cell_at(r, first) != cell) first++;
    while (cell_at(r, last - 1) != cell) last--;
    return 0.5 *
           (erfc((place - (double)first) / deviation / M_SQRT2) + erfc(((double)last - place) / deviation / M_SQRT2));
}

/* The worst of all cells fails with the probability that was asked for, at most; and as predicted, which counts both of
 * its borders as the nearer one. Some sets have so few steps that a cell with borders in the ideal places would not. */
static void test_search(void **state)
{
    (void)state;
    static const double errors[] = {-2, -6.64, -40, -128};
    static const uint32_t cells[] = {3, 13, 29, 51, 103};
    size_t nearer = 0;
    for (size_t i = 0; i < 5 * 4; i++) {
        const double h = 1 / (4.0 * cells[i / 4]), asked = errors[i % 4];
        const lookup_layer l = {.name = "layer",
                                .half_window = h,
                                .two_norm = 4,
                                .cells = cells[i / 4],
                                .slot_bits = (uint32_t)i % 3 == 2,
                                .count = 10};
        const optimizer_request q = {.layers = &l, .layers_count = 1, .log2_error = asked, .level = SECURITY_128};
        optimizer_result r;
        assert_ok(optimizer_search(&q, &r));
        const layer_choice *c = &r.layers[0];
        const reading at = read_cells(r.families.of[0].N, c->EF, cells[i / 4], l.slot_bits);
        const double deviation = c->phase_std * 2 * (double)at.steps, half = (double)at.steps / cells[i / 4] / 2;
        double worst = 0;
        for (uint32_t x = 0; x < cells[i / 4]; x++) worst = fmax(worst, wrong(&at, (2 * x + 1) * half, x, deviation));
        assert_true(log2(worst) <= c->log2_failure + 1e-9 && c->log2_failure <= asked + 1e-9);
        assert_true(log2(worst) > c->log2_failure - 1);
        assert_true(log2(worst) > noise_failure_log2(c->phase_std * c->phase_std, h));
        const double less = half - lut_border(cells[i / 4]); /* the nearest border is so near */
        nearer += erfc(less / deviation / M_SQRT2) > 1.1 * erfc(half / deviation / M_SQRT2);
        lut_destroy(at.table);
    }
    assert_true(nearer > 10);
}

#define CELLS 13u
#define STEP 32u
#define SUMS (CELLS * STEP)

/* A look-up of each of the sums 0 to SUMS - 1, inputs themselves, in cells of STEP of them; then half of what they
 * answer. log2_error: of sums in the middle of cells. */
static circuit *circuit_of(double log2_error)
{
    circuit *c;
    void *p = calloc((size_t)SUMS * SUMS, sizeof(int32_t));
    int32_t *W = p;
    assert_ok(circuit_create(2, &c));
    c->input.features = SUMS;
    for (size_t i = 0; i < 2; i++) {
        circuit_layer *l = &c->layers[i];
        l->in = l->out = SUMS;
        l->cells = i == 0 ? CELLS : 0;
        l->step = i == 0 ? STEP : 1;
        l->period = i == 0 ? 0 : 64;
        l->output_bits = i == 0 ? 0 : 5;
        l->sources_count = 1;
        l->sources[0] = (uint32_t)i;
        assert_ok(circuit_layer_create(l));
        for (size_t o = 0; o < SUMS; o++) {
            W[o * SUMS + o] = 1;
            l->lo[o] = 0, l->hi[o] = i == 0 ? SUMS - 1 : CELLS - 1;
        }
        assert_ok(linear_dense(W, SUMS, SUMS, &l->linear));
        for (size_t x = 0; x < l->tables * l->cells; x++) l->table[x] = (int32_t)(x % CELLS);
    }
    free(p);
    c->log2_error = log2_error;
    c->level = SECURITY_128;
    assert_ok(circuit_choose_parameters(c, MINIMIZE_SECONDS, 1, 1, 0, NULL));
    return c;
}

/* Deviation of the phases of its look-ups, in steps. */
static double deviation_of(const circuit *c, const reading *r)
{
    return 2 * (double)r->steps * sqrt(circuit_input_noise(c) + circuit_switch_noise(c, 0));
}

/* Probability that sum x is read as of another cell. */
static double sum_wrong(const reading *r, uint32_t x, double deviation)
{
    return wrong(r, (x + 0.5) * (double)r->steps / SUMS, x / STEP, deviation);
}

typedef struct tally {
    uint64_t wrong[SUMS]; /* by sums */
} tally;

static void count(void *context, const exec_seen *s)
{
    tally *t = context;
    if (s->layer == 0) t->wrong[s->acc] += s->cell != s->acc / STEP;
}

/* Simulated look-ups err as the table has it, sum by sum, in exact intervals (832, a new draw leaves one of them with
 * probability 10^-6 at most), and as their expectation says. With few steps a cell sums next to some borders are read
 * as of the next cell more often than not. */
#define SAMPLES 1000u
static void test_simulation(void **state)
{
    (void)state;
    const seed256 seed = {{3}};
    int32_t *q = malloc(sizeof *q * SAMPLES * SUMS);
    double *out = malloc(sizeof *out * SAMPLES * SUMS);
    for (size_t i = 0; i < (size_t)SAMPLES * SUMS; i++) q[i] = (int32_t)(i % SUMS);
    for (size_t e = 0; e < 2; e++) {
        circuit *c = circuit_of(e == 0 ? -1.7 : -10);
        const reading at = read_cells(circuit_inputs(c)->N, c->layers[0].EF, CELLS, 0);
        const double deviation = deviation_of(c, &at);
        exec_stats stats = {0};
        tally t = {0};
        const exec_observer observer = {count, &t};
        double expected = 0;
        size_t beyond = 0;
        assert_ok(exec_simulate_observed(c, q, SAMPLES, &seed, 2, &observer, NULL, out, &stats));
        for (uint32_t x = 0; x < SUMS; x++) {
            const double p = sum_wrong(&at, x, deviation);
            expected += SAMPLES * p;
            beyond += p > 0.5;
            const binomial_interval in = binomial_interval_of(SAMPLES, p, 1 - p, 1 - 1e-9);
            assert_true((double)t.wrong[x] >= in.low && (double)t.wrong[x] <= in.high);
        }
        assert_true(e > 0 || beyond > 0);
        assert_true(fabs(stats.errors_expected[0] / expected - 1) < 1e-3);
        lut_destroy(at.table);
        circuit_destroy(c);
    }
    free(q), free(out);
}

/* Encrypted look-ups of all sums, in all 2 runs of which errors are counted: the audit expects as many as the table
 * has it, and does not reject what it sees (false alarm 1e-6). Errors within 5 deviations of it, too. */
static void test_encrypted(void **state)
{
    (void)state;
    enum { RUNS = 2 };
    const seed256 seed = {{4}};
    int32_t q[RUNS * SUMS];
    double *out = malloc(sizeof *out * 3 * RUNS * SUMS);
    circuit *c = circuit_of(-1.7);
    const reading at = read_cells(circuit_inputs(c)->N, c->layers[0].EF, CELLS, 0);
    const double deviation = deviation_of(c, &at);
    double expected = 0, variance = 0;
    for (uint32_t i = 0; i < RUNS * SUMS; i++) {
        const double p = sum_wrong(&at, i % SUMS, deviation);
        q[i] = (int32_t)(i % SUMS);
        expected += p, variance += p * (1 - p);
    }
    roles r;
    audit_model model;
    audit *a = NULL;
    drawn = 0;
    roles_create(&r, c);
    audit_model_init(c, &model);
    assert_ok(audit_create(c, &model, r.eval, r.secret, q, RUNS, &seed, 0, NULL, out, out + RUNS * SUMS,
                           out + 2 * RUNS * SUMS, &a));
    const audit_errors *e = &a->encrypted.layers[0].errors;
    assert_false(a->rejected);
    assert_int_equal(e->count, RUNS * SUMS);
    assert_true(fabs(e->predicted / expected - 1) < 1e-6);
    assert_true(fabs((double)e->errors - expected) < 5 * sqrt(variance));
    audit_destroy(a);
    roles_destroy(&r);
    lut_destroy(at.table);
    circuit_destroy(c);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_search), cmocka_unit_test(test_simulation),
                                       cmocka_unit_test(test_encrypted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
