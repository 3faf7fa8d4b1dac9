/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixture.h"

#include "roles.h"
#include <math.h>

/* No rounding, p_error 2^-40, outputs resolved to a whole unit: the encrypted answer is the clear one, exactly. 3
 * samples of 10 look-ups and 3 outputs: a false alarm has probability below 2^-33. */
static void test_encrypted_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 4;
    const size_t widths[] = {8, 6, 4, 3};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 2);
    float *x = random_inputs(&seed, 200, 8);
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0;
    o.rounding_bits = 0;
    o.output_bits = 7;
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    assert_true(circuit_last(c)->period <= 128);
    int32_t *q = quantize_all(c, x, 200);
    double clear[3 * 3], got[3];
    assert_ok(exec_clear(c, q, 3, 1, clear, NULL));
    roles r;
    roles_create(&r, c);
    for (size_t i = 0; i < 3; i++) {
        run_encrypted(&r, c, q + i * 8, got);
        for (size_t k = 0; k < 3; k++) assert_true(rint(got[k]) == clear[3 * i + k]);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Inputs far beyond the calibration data: scores leave the measured range many times over, and decrypt to what they
 * are. */
static void test_scores_do_not_wrap(void **state)
{
    (void)state;
    uint64_t seed = 6;
    const size_t widths[] = {8, 3};
    network *n = random_network(&seed, widths, 1, ACTIVATION_IDENTITY, 4);
    float *x = random_inputs(&seed, 200, 8);
    for (size_t i = 0; i < 200 * 8; i++) { /* feature 0 moves by a unit, those that count for nothing as they like */
        const size_t feature = i % 8, sample = i / 8;
        if (feature > 0 && feature < 6) x[i] = 0;
        if (feature == 0) x[i] = sample % 2 == 0 ? 0.25f : 0;
    }
    n->layers[0].W[0] = 1;
    for (size_t o = 0; o < 3; o++) n->layers[0].W[8 * o + 6] = n->layers[0].W[8 * o + 7] = 0;
    lower_options o;
    lower_options_init(&o);
    o.output_bits = 8;
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    const circuit_layer *l = circuit_last(c);
    double clear[3], got[3];
    int32_t most[8], *q = most;
    exec_stats stats = {0};
    for (size_t i = 0; i < 8; i++) most[i] = weights_of(l)[i] > 0 ? c->input.hi : c->input.lo;
    assert_ok(exec_clear(c, q, 1, 1, clear, &stats));
    assert_true(clear[0] == (double)l->proven_hi[0]);
    assert_true(clear[0] > 3 * (double)(l->hi[0] - l->lo[0] + 1));
    assert_true(stats.out_of_range[0] > 0); /* counted */
    roles r;
    roles_create(&r, c);
    run_encrypted(&r, c, q, got);
    for (size_t k = 0; k < 3; k++) assert_true(rint(got[k]) == clear[k]);
    roles_destroy(&r);
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* The price of a layer reaches its tables. */
static void test_price_reaches_tables(void **state)
{
    (void)state;
    uint64_t seed = 4;
    const size_t widths[] = {8, 6, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 2);
    float *x = random_inputs(&seed, 200, 8);
    lower_options o;
    lower_options_init(&o);
    circuit *c = NULL;
    exec_plan *plan = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    c->layers[0].EF = 2;
    c->layers[0].price = TFHE_MAX_PRICE + 1;
    assert_refused(exec_plan_create(c, &plan), "price 32 at extension factor 2");
    assert_null(plan);
    c->layers[0].price = TFHE_MAX_PRICE;
    assert_ok(exec_plan_create(c, &plan));
    exec_plan_destroy(plan);
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

typedef struct stopping {
    size_t reports, stop;
} stopping;

static int stop_at(void *context, const char *what, size_t done, size_t total)
{
    stopping *s = context;
    (void)what;
    assert_true(done < total);
    return ++s->reports == s->stop;
}

/* Runs of 2000 samples that report as they go, and stop where they are told to. */
static void stop_runs(const circuit *c, const int32_t *q, const seed256 *seed, double *out)
{
    stopping s = {0};
    const annulus_progress progress = {stop_at, &s};
    exec_stats stats = {0};
    const exec_stats none = {0};
    assert_ok(exec_clear_reported(c, q, 2000, 1, &progress, out, NULL));
    assert_int_equal(s.reports, (2000 + 63) / 64);
    s = (stopping){.stop = 3};
    assert_int_equal(exec_clear_reported(c, q, 2000, 1, &progress, out, &stats), ANNULUS_ERR_CANCELLED);
    assert_int_equal(s.reports, 3);
    s = (stopping){.stop = 5};
    assert_int_equal(exec_simulate_observed(c, q, 2000, seed, 1, NULL, &progress, out, &stats), ANNULUS_ERR_CANCELLED);
    assert_int_equal(s.reports, 5);
    assert_memory_equal(&stats, &none, sizeof stats); /* nothing is counted */
}

/* Simulation with a noise that matters: of W look-ups at cell centres and all other phases, the share of index errors
 * of the first layer lies within 6 standard errors of the Gaussian law averaged over the positions met (false alarm
 * 2e-9). */
static void test_simulation_law(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const size_t widths[] = {24, 16, 5};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 4);
    float *x = random_inputs(&seed, 2000, 24);
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 5;
    o.log2_error = log2(0.05);
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 2000, &o, &c));
    c->layers[0].EF = 2; /* nearly the noise of EF = 1; at price 0 a quarter of it */
    c->layers[0].price = TFHE_MAX_PRICE;
    int32_t *q = quantize_all(c, x, 2000);
    double *a = malloc(2000 * 5 * 8), *b = malloc(2000 * 5 * 8);
    exec_stats stats = {0}, again = {0};
    const seed256 s = {{1}}, other = {{2}};
    stop_runs(c, q, &s, a);
    assert_ok(exec_simulate(c, q, 2000, &s, 1, a, &stats));
    assert_ok(exec_simulate(c, q, 2000, &s, 2, b, &again));
    assert_memory_equal(a, b, 2000 * 5 * 8); /* any number of threads */
    assert_int_equal(stats.index_errors[0], again.index_errors[0]);
    assert_ok(exec_simulate(c, q, 77, &s, 3, b, NULL));
    assert_memory_equal(a, b, 77 * 5 * 8); /* and of samples behind */
    assert_ok(exec_simulate(c, q, 2000, &other, 2, b, NULL));
    assert_memory_not_equal(a, b, 2000 * 5 * 8);

    const circuit_layer *l = &c->layers[0];
    double mean = 0, variance = 0;
    for (size_t i = 0; i < 2000; i++)
        for (size_t k = 0; k < l->out; k++) {
            double acc = 0, norm2 = 0;
            for (size_t f = 0; f < 24; f++) {
                acc += weights_of(l)[k * 24 + f] * q[i * 24 + f];
                norm2 += weights_of(l)[k * 24 + f] * weights_of(l)[k * 24 + f];
            }
            const double sigma =
                2 * l->cells * sqrt(norm2 * noise_fresh(circuit_inputs(c)) + circuit_switch_noise(c, 0));
            const double at = (acc + (double)l->offset[k] + 0.5) / (double)l->step, f = at - floor(at);
            const double wrong = 0.5 * erfc(f / sigma / M_SQRT2) + 0.5 * erfc((1 - f) / sigma / M_SQRT2);
            mean += wrong;
            variance += wrong * (1 - wrong);
        }
    assert_true(mean > 100);
    assert_true(fabs((double)stats.index_errors[0] - mean) < 6 * sqrt(variance));
    assert_true(fabs(stats.errors_expected[0] / mean - 1) < 2e-4); /* as exact as its table */
    free(a), free(b), free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Where a look-up's cell lies and what it is answered, written as circuit.h has it: 0 in the table, 1 beyond and
 * answered by the end next to it, 2 beyond and answered by another entry. */
static int kind_of(const circuit_layer *l, size_t o, int64_t acc)
{
    const double cell = floor((double)(acc + l->offset[o]) / (double)l->step), C = l->cells;
    if (cell >= 0 && cell < C) return 0;
    const int32_t *t = circuit_table(l, o), end = cell < 0 ? t[0] : t[l->cells - 1];
    const double m = cell - 2 * C * floor(cell / (2 * C));
    return (m < C ? t[(size_t)m] : t[0] + t[l->cells - 1] - t[(size_t)(m - C)]) == end ? 1 : 2;
}

/* Ranges of narrow data, inputs far beyond them: the counts are those of the definition, clear and simulated, for
 * neurons whose tables are flat at their ends and others; scores outside a period that is too small are counted, and
 * simulated as they decrypt. */
static void test_counts_beyond_ranges(void **state)
{
    (void)state;
    enum { COUNT = 150 };
    uint64_t seed = 11;
    const size_t widths[] = {8, 6, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 4);
    float *x = random_inputs(&seed, 200, 8), *wide = random_inputs(&seed, COUNT, 8);
    for (size_t i = 0; i < 200 * 8; i++) x[i] = 0.7f + x[i] / 5;
    lower_options o;
    lower_options_init(&o);
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    int32_t *q = quantize_all(c, wide, COUNT);
    double clear[COUNT * 3], got[COUNT * 3];
    circuit_layer *l = &c->layers[0], *last = &c->layers[1];
    uint64_t outside = 0, kinds[3] = {0}, away = 0;
    for (size_t i = 0; i < COUNT; i++)
        for (size_t k = 0; k < l->out; k++) {
            int64_t acc = 0;
            for (size_t f = 0; f < l->in; f++) acc += weights_of(l)[k * l->in + f] * q[i * l->in + f];
            outside += acc < l->lo[k] || acc > l->hi[k];
            kinds[kind_of(l, k, acc)]++;
        }
    last->period = 16;
    exec_stats stats = {0}, simulated = {0};
    const seed256 s = {{1}};
    assert_ok(exec_clear(c, q, COUNT, 2, clear, &stats));
    assert_ok(exec_simulate(c, q, COUNT, &s, 2, got, &simulated));
    for (size_t i = 0; i < COUNT * 3; i++) {
        const double place = clear[i] + (double)last->offset[i % 3];
        away += place < -8 || place >= 8;
        assert_true(got[i] + (double)last->offset[i % 3] >= -8 && got[i] + (double)last->offset[i % 3] < 8);
    }
    assert_true(kinds[1] > 0 && kinds[2] > 0 && outside > kinds[1] + kinds[2] && away > 0 && away < COUNT * 3);
    for (size_t run = 0; run < 2; run++) {
        const exec_stats *r = run == 0 ? &stats : &simulated;
        assert_int_equal(r->out_of_range[0], outside);
        assert_int_equal(r->saturated[0], kinds[1]);
        assert_int_equal(r->wrapped[0], kinds[2]);
        assert_int_equal(r->saturated[1], 0);
    }
    assert_int_equal(stats.wrapped[1], away);
    assert_true(simulated.wrapped[1] > 0);
    free(q), free(x), free(wide);
    circuit_destroy(c);
    network_destroy(n);
}

/* A weight of 1 or -1 on `fan` inputs of its own for each neuron: noise of all look-ups is independent. */
static void separate_weights(dense_layer *d, size_t fan)
{
    for (size_t o = 0; o < d->out; o++)
        for (size_t i = 0; i < d->in; i++) d->W[o * d->in + i] = i / fan != o ? 0 : i % 2 == 0 ? 1 : -1;
}

/* Compiled for an inference that fails with probability 0.3 at most: the share of simulated samples with a failure is
 * the predicted one, and so are the failures of each layer, within 6 standard errors (false alarm below 1e-6 of all,
 * by Chernoff's bound); a slightly other set of parameters fails the test. Of tables without rounding a failure is an
 * index error. The noise of the look-ups is independent and of one norm a layer, so that the prediction is exact. */
static void test_global_failure(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    uint64_t seed = 12;
    const size_t widths[] = {64, 32, 16, 8};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 2);
    n->layers[0].out_q.scale = n->layers[1].out_q.scale = 0.02; /* every value of 3 bits occurs */
    separate_weights(&n->layers[0], 2);
    separate_weights(&n->layers[1], 2);
    separate_weights(&n->layers[2], 2);
    float *x = random_inputs(&seed, COUNT, 64);
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 0, o.output_bits = 12;
    o.target = ERROR_GLOBAL, o.log2_error = log2(0.3);
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    for (size_t i = 0; i < 2; i++) /* a table of one entry would add no noise */
        for (size_t k = 0; k < c->layers[i].out; k++) c->layers[i].table[k * c->layers[i].cells] += 8;
    const double predicted = exp2(c->choice.log2_global_failure);
    assert_true(predicted > 0.2 && predicted <= 0.3);
    int32_t *q = quantize_all(c, x, COUNT);
    double *out = malloc(COUNT * 8 * 8);
    exec_stats stats = {0}, other = {0};
    const seed256 s = {{5}};
    assert_ok(exec_simulate(c, q, COUNT, &s, 2, out, &stats));
    const double error = sqrt(predicted * (1 - predicted) / COUNT);
    assert_true(fabs((double)stats.samples_failed / COUNT - predicted) < 6 * error);
    assert_true(stats.samples_erred <= stats.samples_failed && stats.samples_erred > 0);
    for (size_t i = 0; i < 3; i++) {
        const double most = (double)c->layers[i].out * COUNT * exp2(c->choice.layers[i].log2_failure);
        assert_true(most > 200 && fabs((double)stats.failures[i] - most) < 6 * sqrt(most));
        if (i == 2) continue;
        const double expected = stats.errors_expected[i]; /* fewer than failures where one border of a cell is nearer */
        const int even = (c->layers[i].cells & (c->layers[i].cells - 1)) == 0;
        if (even) assert_int_equal(stats.index_errors[i], stats.failures[i]);
        assert_true(fabs((double)stats.index_errors[i] - expected) < 6 * sqrt(expected));
        assert_true(expected / most < 1 + 2e-4 && expected / most > (even ? 1 - 2e-4 : 0.5));
    }
    c->choice.families.of[0].ks_l--; /* the test sees other parameters */
    assert_ok(exec_simulate(c, q, COUNT, &s, 2, out, &other));
    assert_true(fabs((double)other.samples_failed / COUNT - predicted) > 12 * error);
    free(q), free(x), free(out);
    circuit_destroy(c);
    network_destroy(n);
}

/* Encrypted scores against 400 simulations of the same sample: every score within 7 predicted standard deviations of
 * the simulated mean plus the mean's own error (15 scores, false alarm below 1e-9 for a Gaussian score). */
static void test_encrypted_follows_simulation(void **state)
{
    (void)state;
    uint64_t seed = 6;
    const size_t widths[] = {24, 16, 5};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 3);
    float *x = random_inputs(&seed, 500, 24);
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 5;
    o.log2_error = log2(0.01);
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 500, &o, &c));
    int32_t *q = quantize_all(c, x, 3);
    roles r;
    roles_create(&r, c);
    const seed256 s = {{3}};
    for (size_t i = 0; i < 3; i++) {
        int32_t *copies = malloc(400 * 24 * sizeof *copies);
        double *scores = malloc(400 * 5 * 8), got[5];
        for (size_t k = 0; k < 400; k++) memcpy(copies + 24 * k, q + 24 * i, 24 * sizeof *q);
        assert_ok(exec_simulate(c, copies, 400, &s, 2, scores, NULL));
        run_encrypted(&r, c, q + 24 * i, got);
        for (size_t k = 0; k < 5; k++) {
            double mean = 0, square = 0;
            for (size_t m = 0; m < 400; m++) mean += scores[5 * m + k] / 400;
            for (size_t m = 0; m < 400; m++) square += pow(scores[5 * m + k] - mean, 2) / 399;
            assert_true(fabs(got[k] - mean) < 7 * sqrt(square));
        }
        free(copies), free(scores);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Batches of every fill against sums and tables worked out one by one. */
static void test_clear_is_its_meaning(void **state)
{
    (void)state;
    uint64_t seed = 8;
    const size_t widths[] = {9, 7, 5, 3};
    network *n = random_network(&seed, widths, 3, ACTIVATION_TANH, 4);
    float *x = random_inputs(&seed, 200, 9);
    lower_options o;
    lower_options_init(&o);
    circuit *c = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    int32_t *q = quantize_all(c, x, 200);
    double *got = malloc(200 * 3 * 8);
    const size_t counts[] = {1, 63, 64, 65, 200};
    for (size_t i = 0; i < 5; i++) {
        assert_ok(exec_clear(c, q, counts[i], 2, got, NULL));
        for (size_t s = 0; s < counts[i]; s++) {
            int64_t v[9], acc[9];
            for (size_t k = 0; k < 9; k++) v[k] = q[9 * s + k];
            for (size_t m = 0; m < 3; m++) {
                const circuit_layer *l = &c->layers[m];
                for (size_t k = 0; k < l->out; k++) {
                    acc[k] = 0;
                    for (size_t f = 0; f < l->in; f++) acc[k] += weights_of(l)[k * l->in + f] * v[f];
                }
                for (size_t k = 0; k < l->out && l->cells != 0; k++) {
                    const double cell = floor((double)(acc[k] + l->offset[k]) / (double)l->step);
                    assert_true(cell >= 0 && cell < l->cells);
                    v[k] = l->table[k * l->cells + (size_t)cell];
                }
            }
            for (size_t k = 0; k < 3; k++) assert_true(got[3 * s + k] == (double)acc[k]);
        }
    }
    free(got), free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Sums of 40 bits decrypt to what they are, though a unit of theirs is a rounded word. */
static void test_wide_sums(void **state)
{
    (void)state;
    const int64_t period = INT64_C(1506703962135);
    int64_t offset[] = {12345, 0, -67890};
    circuit_layer l = {.in = 1, .out = 3, .step = 1, .period = period, .offset = offset};
    const circuit c = {.layers_count = 1, .layers = &l};
    for (int64_t i = -4; i <= 4; i++) {
        const int64_t at = i * (period / 9);
        uint64_t phase[3];
        double got[3];
        for (size_t o = 0; o < 3; o++) phase[o] = (uint64_t)(at + offset[o]) * exec_unit_word(&l);
        exec_decode(&c, phase, got);
        for (size_t o = 0; o < 3; o++) assert_true(fabs(got[o] - (double)at) < 0.01);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_clear_is_its_meaning),
                                       cmocka_unit_test(test_encrypted_is_exact),
                                       cmocka_unit_test(test_scores_do_not_wrap),
                                       cmocka_unit_test(test_price_reaches_tables),
                                       cmocka_unit_test(test_simulation_law),
                                       cmocka_unit_test(test_counts_beyond_ranges),
                                       cmocka_unit_test(test_global_failure),
                                       cmocka_unit_test(test_encrypted_follows_simulation),
                                       cmocka_unit_test(test_wide_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
