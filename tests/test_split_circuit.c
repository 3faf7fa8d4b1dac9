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
    o.share_ways = 0;
    o.tables_whole = 1;
    o.output_bits = 7;
    assert_ok(network_lower(n, *x, 200, &o, &c));
    network_destroy(n);
    return c;
}

/* The same program in these families, one layer split by so many low bits, the others whole, with the predictions and
 * the digest of its file; c is destroyed. */
static circuit *layer_split(circuit *c, const split_choice *p, size_t layer, uint32_t low_bits)
{
    circuit *out = NULL;
    writer w;
    c->choice.families = (tfhe_families){.count = 2, .of = {p->high, p->low}, .merge = {p->merge_l, p->merge_bg}};
    for (size_t i = 0; i < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        l->family = TFHE_HIGH;
        l->EF = l->cells == 0 ? 0 : p->EF;
        l->price = l->cells == 0 ? 0 : p->price;
        if (l->cells != 0 && i == layer) pad_cells(l);
        l->split = i == layer ? low_bits : 0;
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

/* The first layer. */
static circuit *circuit_split(circuit *c, const split_choice *p, uint32_t low_bits)
{
    return layer_split(c, p, 0, low_bits);
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

/* A circuit of one split look-up of 6 bits a sample, and scores; noise of both small keys so much larger that some of
 * them fail. */
static circuit *noisy_circuit(size_t neurons, uint32_t low_bits, uint32_t noise, float **x)
{
    const size_t widths[] = {8, neurons, OUTPUTS};
    split_choice p = choice_of(6, -20);
    p.low.lwe_noise += noise, p.high.lwe_noise += noise;
    return circuit_split(exact_circuit(widths, 2, 2, 6, x), &p, low_bits);
}

/* Index errors of 8000 simulated look-ups of a layer of one neuron, each with a probability of its own law
 * (exec_split_error) that is the same for all: within the interval that holds such a number but for 1e-6 of all seeds,
 * which is fixed here. Failures are as many: a sum lies in the middle of its cell. x: 200 samples. */
static void errs_as_expected(const circuit *c, size_t layer, const float *x)
{
    const size_t features = c->input.features;
    const seed256 seed = {{9}};
    exec_stats stats = {0};
    double *out = malloc(8000 * OUTPUTS * 8);
    int32_t *q = quantize_all(c, x, 200), *all = malloc(8000 * features * sizeof *all);
    for (size_t i = 0; i < 8000 * features; i++) all[i] = q[i % (200 * features)];
    assert_ok(exec_simulate(c, all, 8000, &seed, 2, out, &stats));
    const double expected = stats.errors_expected[layer], each = expected / 8000;
    const binomial_interval law = binomial_interval_of(8000, each, 1 - each, 1 - 1e-6);
    print_message("%u low bits: %llu index errors of 8000, %.1f expected\n", c->layers[layer].split,
                  (unsigned long long)stats.index_errors[layer], expected);
    assert_true(law.alarm <= 1e-6 && expected > 80 && expected < 4000);
    assert_true((double)stats.index_errors[layer] >= law.low && (double)stats.index_errors[layer] <= law.high);
    assert_int_equal(stats.failures[layer], stats.index_errors[layer]);
    assert_true(expected <= 8000 * exp2(c->choice.layers[layer].log2_failure) * 1.001);
    free(q), free(all), free(out);
}

static void test_error_law(void **state)
{
    (void)state;
    for (uint32_t s = 1; s <= 3; s++) {
        float *x;
        circuit *c = noisy_circuit(1, s, s < 3 ? 2 : 1, &x);
        errs_as_expected(c, 0, x);
        circuit_destroy(c);
        free(x);
    }
}

/* Look-ups of 6 bits, behind those that take two bits off sums of 253 values; returns their layer. noise: as above. */
static size_t noisy_rounded(size_t neurons, uint32_t noise, float **x, circuit **out)
{
    static const int32_t W[] = {-3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1};
    const size_t widths[] = {13, neurons, OUTPUTS};
    uint64_t seed = 6;
    size_t layer = 0;
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 3);
    split_choice p = choice_of(6, -20);
    circuit *c = NULL;
    lower_options o;
    for (size_t i = 0; i < 13 * neurons; i++) n->layers[0].W[i] = W[(i + i / 13) % 13]; /* each its own sums */
    *x = random_inputs(&seed, 200, widths[0]);
    lower_options_init(&o);
    o.rounding_bits = 6, o.method = ROUNDING_EXACT, o.ranges_measured = 0, o.families_most = 1, o.share_ways = 0;
    o.tables_whole = 1, o.output_bits = 7;
    assert_ok(network_lower(n, *x, 200, &o, &c));
    while (c->layers[layer].low_bits == 0) layer++;
    const circuit_layer *l = &c->layers[layer];
    assert_true(l->low_bits == 2 && l->cells == 64);
    for (size_t k = 0; k < neurons; k++) /* so that 0 is not where the lowest of a cell is */
        assert_int_not_equal((l->offset[k] - l->step / 2) % l->step, 0);
    p.low.lwe_noise += noise, p.high.lwe_noise += noise;
    *out = layer_split(c, &p, layer, 2);
    network_destroy(n);
    return layer;
}

static void test_error_law_exact_rounding(void **state)
{
    (void)state;
    float *x;
    circuit *c;
    const size_t layer = noisy_rounded(1, 2, &x, &c);
    errs_as_expected(c, layer, x);
    circuit_destroy(c);
    free(x);
}

static audit *audit_of(const circuit *c, const roles *keys, const int32_t *q, const audit_model *model, size_t samples)
{
    const seed256 seed = {{4}};
    double *values = malloc(3 * samples * OUTPUTS * 8);
    audit *a = NULL;
    assert_ok(audit_create(c, model, keys->eval, keys->secret, q, samples, &seed, 0, NULL, values,
                           values + samples * OUTPUTS, values + 2 * samples * OUTPUTS, &a));
    free(values);
    return a;
}

/* Accepted (false alarm 1e-6) though look-ups err, levels apart or together; an eighth of the deviation of what is
 * looked up, and of the last phase, is rejected where it is read. */
static void test_audit(void **state)
{
    (void)state;
    float *x;
    audit_model model, wrong;
    roles keys;
    circuit *c = noisy_circuit(8, 2, 2, &x);
    int32_t *q = quantize_all(c, x, 8);
    roles_create(&keys, c);
    audit_model_init(c, &model);
    assert_true(model.least[0] < 1 && model.least[0] > 0 && model.level > 0);
    audit *a = audit_of(c, &keys, q, &model, 8);
    print_message("%llu errors of %llu look-ups, %.1f expected of %llu\n",
                  (unsigned long long)a->encrypted.layers[0].errors.errors,
                  (unsigned long long)a->encrypted.layers[0].errors.look_ups, a->encrypted.layers[0].errors.predicted,
                  (unsigned long long)a->encrypted.layers[0].errors.count);
    assert_false(a->rejected);
    assert_true(a->simulated.layers[0].errors.errors > 0 && a->encrypted.layers[0].errors.errors > 0);
    audit_destroy(a);
    wrong = model;
    wrong.look_up[0] /= 64, wrong.phase[0] /= 64;
    a = audit_of(c, &keys, q, &wrong, 8);
    for (size_t run = 0; run < 2; run++) {
        const audit_run *of = run == 0 ? &a->simulated : &a->encrypted;
        assert_true(of->layers[0].phase.log_p < a->log_alarm && of->layers[0].sum.log_p >= a->log_alarm);
        assert_true(of->layers[1].sum.log_p < a->log_alarm);
    }
    audit_destroy(a);
    roles_destroy(&keys);
    circuit_destroy(c);
    free(x), free(q);
}

/* Accepted behind exact rounding, too, where sums lie in the middle of their cells. */
static void test_audit_exact_rounding(void **state)
{
    (void)state;
    float *x;
    circuit *c;
    audit_model model;
    roles keys;
    const size_t layer = noisy_rounded(8, 1, &x, &c);
    int32_t *q = quantize_all(c, x, 8);
    roles_create(&keys, c);
    audit_model_init(c, &model);
    audit *a = audit_of(c, &keys, q, &model, 8);
    assert_false(a->rejected);
    const audit_errors *e = &a->encrypted.layers[layer].errors;
    assert_true(e->count == 64 && e->predicted > 0 && e->predicted < 16);
    audit_destroy(a);
    roles_destroy(&keys);
    circuit_destroy(c);
    free(x), free(q);
}

static void test_files(void **state)
{
    (void)state;
    const size_t widths[] = {8, 4, 3, OUTPUTS};
    const split_choice p = choice_of(6, -30);
    float *x;
    circuit *back = NULL, *c = circuit_split(exact_circuit(widths, 3, 2, 6, &x), &p, 2);
    writer w, again;
    writer_init(&w, 0), writer_init(&again, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_ok(circuit_read(&r, &back));
    circuit_write(&again, back);
    assert_int_equal(w.len, again.len);
    assert_memory_equal(w.p, again.p, w.len);
    assert_true(back->layers[0].split == 2 && back->choice.layers[0].split == 2);
    assert_true(tfhe_families_equal(&back->choice.families, &c->choice.families));
    assert_int_equal(circuit_rotations_before(back, 3), 3 * 4 + 3);
    assert_true(circuit_switches(back, 0, 0) && circuit_switches(back, 1, 1) && !circuit_switches(back, 0, 1));
    circuit_destroy(back);
    writer_clear(&w), writer_clear(&again);

    tfhe_families *f = &c->choice.families;
    const tfhe_families kept = *f;
    circuit_layer *l = &c->layers[0];
    for (uint32_t wrong = 5; wrong != 0; wrong = wrong == 5 ? 0x80000002u : 0) {
        l->split = wrong;
        refused_as(c, "cannot be split by");
    }
    l->split = 2;
    f->merge.l = f->merge.bg = 0;
    refused_as(c, "the look-ups of layer layer 1 are split, without a merging key");
    f->merge.l = 9, f->merge.bg = 9;
    refused_as(c, "merge_l = 9");
    *f = kept;
    f->of[TFHE_LOW].ks_l = f->of[TFHE_LOW].ks_b = 0;
    refused_as(c, "each with a keyswitch of its own");
    *f = kept;
    f->of[TFHE_LOW].lwe_noise -= 2;
    refused_as(c, "below 128-bit security");
    *f = kept;
    l->family = TFHE_LOW;
    refused_as(c, "is of family 2, which reads low bits");
    l->family = TFHE_HIGH;
    c->layers[1].split = 1; /* of 15 cells or fewer, no power of two */
    assert_true((c->layers[1].cells & (c->layers[1].cells - 1)) != 0);
    refused_as(c, "the look-ups of layer layer 2 cannot be split by 1 low bits");
    c->layers[1].split = 0;
    c->layers[2].split = 1;
    refused_as(c, "the encoding of output layer output is out of range");
    c->layers[2].split = 0;
    circuit_destroy(c);
    free(x);
}

/* A network whose sums have 7 to 9 bits. */
static network *wide_network(uint64_t seed)
{
    const size_t widths[] = {24, 14, OUTPUTS};
    return random_network(&seed, widths, 2, ACTIVATION_RELU, 3);
}

static circuit *lowered(const network *n, const float *x, uint32_t families, search_objective minimize)
{
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 0;
    o.families_most = families;
    o.minimize = minimize;
    o.log2_error = -60;
    o.threads = 1;
    o.output_bits = 11; /* scores to the unit */
    assert_ok(network_lower(n, x, 200, &o, &c));
    return c;
}

/* Chosen where fewer seconds are predicted, and where they are what is minimized; the same integers. Keys and circuit
 * through files, and an answer by them; memory and seconds as of what runs. */
static void test_chosen(void **state)
{
    (void)state;
    uint64_t seed = 11;
    network *n = wide_network(7);
    float *x = random_inputs(&seed, 200, 24);
    circuit *c = lowered(n, x, 2, MINIMIZE_SECONDS), *whole = lowered(n, x, 1, MINIMIZE_SECONDS),
            *small = lowered(n, x, 2, MINIMIZE_KEY);
    double clear[OUTPUTS], other[OUTPUTS], values[OUTPUTS], layers[2];
    assert_true(c->layers[0].split > 0 && c->choice.families.merge.l > 0);
    assert_true(whole->choice.families.merge.l == 0 && small->choice.families.merge.l == 0);
    assert_true(circuit_seconds(c, 1, NULL) < 0.98 * circuit_seconds(whole, 1, NULL));
    assert_true(c->choice.layers[0].log2_failure <= -60 && c->choice.layers[1].log2_failure <= -60);
    int32_t *q = quantize_all(c, x, 1);
    assert_ok(exec_clear(c, q, 1, 1, clear, NULL));
    assert_ok(exec_clear(whole, q, 1, 1, other, NULL));
    assert_memory_equal(clear, other, sizeof clear);
    const double seconds = circuit_seconds(c, 1, layers);
    assert_true(seconds > c->choice.seconds / 2 && seconds < 2 * c->choice.seconds && layers[0] > layers[1]);

    dataset d = {.count = 1, .features = 24, .x = x};
    const annulus_dataset samples = {&d};
    annulus_circuit made = {c}, *read = NULL;
    annulus_client_key *client = NULL, *client_read = NULL;
    annulus_evaluation_key *evaluation = NULL, *evaluation_read = NULL;
    annulus_input *in = NULL;
    annulus_output *y = NULL;
    char path[] = "annulus-split-XXXXXX", *text = NULL, *json = NULL;
    assert_true(close(mkstemp(path)) == 0);
    assert_ok(annulus_circuit_write(&made, path));
    assert_ok(annulus_circuit_read(path, &read));
    assert_ok(annulus_inspect(path, 0, &text));
    assert_ok(annulus_inspect(path, 1, &json));
    assert_ok(annulus_keygen(read, 0, NULL, &client, &evaluation));
    assert_ok(annulus_client_key_write(client, path));
    assert_ok(annulus_client_key_read(path, &client_read));
    assert_ok(annulus_evaluation_key_write(evaluation, path));
    assert_ok(annulus_evaluation_key_read(path, read, 0, NULL, &evaluation_read));
    assert_ok(annulus_encrypt(client_read, read, &samples, 0, &in));
    assert_ok(annulus_run(read, evaluation_read, in, NULL, NULL, NULL, &y));
    assert_ok(annulus_decrypt(client_read, read, y, values));
    exec_values(c, clear, clear);
    for (size_t i = 0; i < OUTPUTS; i++) assert_true(fabs(values[i] - clear[i]) <= 1e-9 * fabs(clear[i]));
    assert_int_equal(unlink(path), 0);
    assert_non_null(strstr(text, "\nsplit       layer 1: low bits "));
    assert_non_null(strstr(text, "families 1 and 2 have one big key"));
    assert_non_null(strstr(json, "\"merge\": {"));
    const double window = 1 / 2048.0 * exp2(c->layers[0].split) * 512 / c->layers[0].cells; /* half a high part */
    assert_true(fabs(circuit_last_window(c, &c->layers[0]) / window - 1) < 1e-9);
    assert_true(c->choice.layers[0].phase_std <= window / noise_kappa(-60 - log2(c->layers[0].split + 1.0)));
    annulus_text_destroy(text), annulus_text_destroy(json);
    annulus_output_destroy(y), annulus_input_destroy(in);
    annulus_client_key_destroy(client), annulus_client_key_destroy(client_read);
    annulus_evaluation_key_destroy(evaluation), annulus_evaluation_key_destroy(evaluation_read);
    annulus_circuit_destroy(read);
    network_destroy(n);
    circuit_destroy(c), circuit_destroy(whole), circuit_destroy(small);
    free(x), free(q);
}

/* Where no parameters hold whole look-ups, split ones are looked for; what is said where these do not hold either. */
static void test_split_alone(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const size_t widths[] = {300, 6, OUTPUTS};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 3);
    float *x = random_inputs(&seed, 200, widths[0]);
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 0, o.log2_error = -128, o.threads = 1, o.families_most = 1;
    assert_refused(network_lower(n, x, 200, &o, &c), "no secure parameters exist: layer 1 asks for ");
    assert_null(strstr(annulus_error_message(), "split"));
    o.families_most = 2;
    assert_ok(network_lower(n, x, 200, &o, &c));
    assert_true(c->layers[0].split > 0 && c->choice.layers[0].log2_failure <= -128);
    circuit_destroy(c);
    o.minimize = MINIMIZE_KEY; /* whatever is minimized */
    c = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    assert_true(c->layers[0].split > 0);
    circuit_destroy(c);
    o.minimize = MINIMIZE_SECONDS;
    c = NULL;
    o.log2_error = -512; /* what is said to be reachable is, and what is said to help does */
    assert_refused(network_lower(n, x, 200, &o, &c), "no secure parameters exist: layer 1 asks for ");
    assert_null(c);
    double reach = 0, helps = 0;
    const char *at = strstr(annulus_error_message(), "the best reachable is 2^");
    assert_true(at != NULL && sscanf(at, "the best reachable is 2^%lf", &reach) == 1);
    at = strstr(at, "p-error 2^");
    assert_true(at != NULL && sscanf(at, "p-error 2^%lf (", &helps) == 1);
    assert_true(reach < -128 && helps >= reach && helps <= reach + 1.1);
    o.log2_error = helps;
    assert_ok(network_lower(n, x, 200, &o, &c));
    circuit_destroy(c);
    c = NULL;
    o.log2_error = reach - 1;
    assert_int_equal(network_lower(n, x, 200, &o, &c), ANNULUS_ERR_INFEASIBLE);

    o.log2_error = -128, o.output_bits = 24; /* scores are what is too much, not split look-ups */
    unsigned fewer = 0;
    assert_refused(network_lower(n, x, 200, &o, &c), "no secure parameters exist: output asks for ");
    at = strstr(annulus_error_message(), "output bits fewer by ");
    assert_true(at != NULL && sscanf(at, "output bits fewer by %u (", &fewer) == 1);
    o.output_bits -= fewer;
    assert_ok(network_lower(n, x, 200, &o, &c));
    circuit_destroy(c);
    network_destroy(n);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_executions),
                                       cmocka_unit_test(test_error_law),
                                       cmocka_unit_test(test_error_law_exact_rounding),
                                       cmocka_unit_test(test_audit),
                                       cmocka_unit_test(test_audit_exact_rounding),
                                       cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_chosen),
                                       cmocka_unit_test(test_split_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
