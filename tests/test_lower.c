/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixture.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "circuit/extend.h"
#include <math.h>

/* Without rounding the circuit is the network: equal scores on every input, for every activation. */
static void test_same_meaning(void **state)
{
    (void)state;
    uint64_t seed = 1;
    const size_t widths[] = {9, 7, 6, 4};
    for (int act = ACTIVATION_IDENTITY; act <= ACTIVATION_TANH; act++) {
        network *n = random_network(&seed, widths, 3, (activation)act, 3);
        float *x = random_inputs(&seed, 300, 9);
        lower_options o;
        lower_options_init(&o);
        o.ranges_measured = 0;
        o.rounding_bits = 0;
        o.log2_error = -10;
        circuit *c = NULL;
        assert_ok(network_lower(n, x, 0, &o, &c));
        int32_t *q = quantize_all(c, x, 300);
        double acc[300 * 4], got[4], want[4];
        exec_stats stats = {0};
        assert_ok(exec_clear(c, q, 300, 2, acc, &stats));
        for (size_t i = 0; i < 300; i++) {
            exec_values(c, acc + 4 * i, got);
            assert_ok(network_apply(n, x + 9 * i, want));
            for (size_t k = 0; k < 4; k++) assert_true(fabs(got[k] - want[k]) < 1e-9);
        }
        for (size_t l = 0; l < 3; l++) assert_int_equal(stats.out_of_range[l], 0); /* proven */
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

static void test_rounding_and_ranges(void **state)
{
    (void)state;
    uint64_t seed = 2;
    const size_t widths[] = {40, 8, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 4);
    float *x = random_inputs(&seed, 500, 40);
    lower_options o;
    lower_options_init(&o);
    for (unsigned bits = 2; bits <= 7; bits++) {
        o.rounding_bits = bits;
        o.log2_error = -5;
        circuit *c = NULL;
        assert_ok(network_lower(n, x, 500, &o, &c));
        const circuit_layer *l = &c->layers[0];
        assert_in_range(l->cells, 2, 1u << bits);
        for (size_t k = 0; k < l->out; k++) {
            assert_true(l->proven_lo[k] <= l->lo[k] && l->lo[k] <= l->measured_lo[k]);
            assert_true(l->measured_hi[k] <= l->hi[k] && l->hi[k] <= l->proven_hi[k]);
            assert_true(circuit_range_fits(c, l, k));
        }
        const circuit_layer *scores = circuit_last(c); /* no score that inputs can reach leaves half a period */
        for (size_t k = 0; k < scores->out; k++) {
            assert_true(2 * (scores->proven_lo[k] + scores->offset[k]) > -scores->period);
            assert_true(2 * (scores->proven_hi[k] + scores->offset[k]) < scores->period);
        }
        circuit_destroy(c);
    }
    free(x);
    network_destroy(n);
}

/* Layers have roundings of their own, the others that of all. */
static void test_layer_roundings(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const size_t widths[] = {40, 8, 8, 3};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 4);
    float *x = random_inputs(&seed, 200, 40);
    const layer_rounding own[] = {{"layer 2", 3, 0}, {"layer 1", 0, 0}, {"layer 1", 13, 0}, {"output", 2, 0}};
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.log2_error = -5, o.rounding_bits = 5;
    o.layer_roundings = own, o.layer_roundings_count = 1;
    assert_ok(network_lower(n, x, 200, &o, &c));
    assert_in_range(c->layers[0].cells, 17, 32);
    assert_in_range(c->layers[1].cells, 5, 8);
    circuit_destroy(c);
    o.layer_roundings_count = 2;
    assert_ok(network_lower(n, x, 200, &o, &c));
    assert_int_equal(c->layers[0].step, 1);
    assert_in_range(c->layers[1].cells, 5, 8);
    circuit_destroy(c);
    c = NULL;
    o.layer_roundings_count = 3;
    assert_refused(network_lower(n, x, 200, &o, &c), "rounding to 13 bits");
    o.layer_roundings = own + 3, o.layer_roundings_count = 1;
    assert_refused(network_lower(n, x, 200, &o, &c), "rounding of output: no such layer, there are layer 1, layer 2");
    const layer_rounding twice[] = {{"layer 1", 3, 0}, {"layer 1", 4, 0}};
    o.layer_roundings = twice, o.layer_roundings_count = 2;
    assert_refused(network_lower(n, x, 200, &o, &c), "two roundings of layer 1");
    o.layer_roundings_count = 1, o.rounding_bits = 0, o.shared_output = 1, o.log2_error = -128;
    o.method = ROUNDING_APPROXIMATE;
    assert_refused(network_lower(n, x, 200, &o, &c), "rounding of layer 1 to 3 bits is approximate");
    const layer_rounding behind[] = {{"layer 2", 2, ROUNDING_APPROXIMATE}};
    o.layer_roundings = behind, o.rounding_bits = 5, o.method = ROUNDING_UNSAID;
    assert_refused(network_lower(n, x, 200, &o, &c), "rounding of layer 2 to 2 bits is approximate");
    assert_null(c);
    free(x);
    network_destroy(n);
}

/* Own bounds reach their layers; results for others to see are the exact integers whatever the noise. */
static void test_errors(void **state)
{
    (void)state;
    uint64_t seed = 4;
    const size_t widths[] = {4, 5, 4, 3};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 2);
    float *x = random_inputs(&seed, 100, 4);
    const layer_error own[] = {{"output", -30}, {"layer 2", -20}, {"layer 4", -20}};
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = 3, o.log2_error = -8;
    o.layer_errors = own, o.layer_errors_count = 2;
    assert_ok(network_lower(n, x, 100, &o, &c));
    const double want[] = {-8, -20, -30};
    for (size_t i = 0; i < 3; i++) {
        assert_true(circuit_bound(c, &c->layers[i]) == want[i]);
        assert_true(c->choice.layers[i].log2_failure <= want[i]);
    }
    assert_true(circuit_largest_bound(c) == -8 && !circuit_shared_output(c));
    circuit_destroy(c);
    c = NULL;
    o.layer_errors_count = 3;
    assert_refused(network_lower(n, x, 100, &o, &c), "of layer 4: no such layer, there are layer 1, layer 2, output");
    const layer_error twice[] = {{"layer 1", -9}, {"layer 1", -10}}, certain = {"layer 1", 0};
    o.layer_errors = twice, o.layer_errors_count = 2;
    assert_refused(network_lower(n, x, 100, &o, &c), "two error probabilities of layer 1");
    o.layer_errors = &certain, o.layer_errors_count = 1;
    assert_refused(network_lower(n, x, 100, &o, &c), "error probability 2^0 of layer 1");

    o.layer_errors_count = 0, o.shared_output = 1, o.method = ROUNDING_APPROXIMATE;
    assert_refused(network_lower(n, x, 100, &o, &c), "rounding to 3 bits is approximate");
    o.rounding_bits = 0;
    assert_refused(network_lower(n, x, 100, &o, &c), "at most 2^-128");
    o.log2_error = -128, o.layer_errors = own, o.layer_errors_count = 1;
    assert_refused(network_lower(n, x, 100, &o, &c), "at most 2^-128");
    o.layer_errors_count = 0, o.target = ERROR_GLOBAL;
    assert_refused(network_lower(n, x, 100, &o, &c), "at most 2^-128");
    o.target = ERROR_PER_LOOKUP;
    assert_ok(network_lower(n, x, 100, &o, &c));
    assert_true(circuit_shared_output(c));
    c->choice.families.of[0].ks_l--; /* as a file might have it, by which look-ups fail more often than it states */
    assert_ok(circuit_predict(c));
    assert_true(circuit_largest_bound(c) == -128 && !circuit_shared_output(c));
    c->choice.families.of[0].ks_l++;
    assert_ok(circuit_predict(c));
    assert_true(circuit_shared_output(c));
    int32_t *q = quantize_all(c, x, 100);
    double clear[300], noisy[300];
    const seed256 noise = {{6}};
    exec_stats stats = {0};
    assert_ok(exec_clear(c, q, 100, 1, clear, &stats));
    assert_ok(exec_simulate(c, q, 100, &noise, 1, noisy, &stats));
    assert_true(memcmp(clear, noisy, sizeof clear) != 0); /* there is noise */
    for (size_t i = 0; i < 300; i += 3) {
        exec_values(c, clear + i, clear + i);
        exec_values(c, noisy + i, noisy + i);
    }
    assert_memory_equal(clear, noisy, sizeof clear);
    circuit_destroy(c);
    free(q), free(x);
    network_destroy(n);
}

static void test_refusals(void **state)
{
    (void)state;
    uint64_t seed = 3;
    const size_t widths[] = {40, 8, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 6);
    float *x = random_inputs(&seed, 100, 40);
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    assert_refused(network_lower(n, x, 31, &o, &c), "31 calibration samples are too few");
    o.rounding_bits = 13;
    assert_refused(network_lower(n, x, 100, &o, &c), "rounding to 13 bits");
    o.rounding_bits = 0, o.ranges_measured = 0;
    assert_refused(network_lower(n, x, 100, &o, &c), "round to at most 12 bits");
    lower_options_init(&o);
    o.rounding_bits = 12, o.log2_error = -128, o.families_most = 1; /* two could split look-ups */
    assert_int_equal(network_lower(n, x, 100, &o, &c), ANNULUS_ERR_INFEASIBLE);
    assert_refused(network_lower(n, x, 100, &o, &c), "layer 1");
    lower_options_init(&o);
    x[41] = NAN;
    assert_refused(network_lower(n, x, 100, &o, &c), "calibration sample 2: feature 2 is not a finite number");
    for (size_t i = 40; i < 4000; i++) x[i] = x[i % 40];
    assert_refused(network_lower(n, x, 100, &o, &c), "the data are constant, and cannot measure ranges");
    for (size_t i = 0; i < 4000; i++) x[i] = i / 40 % 2 == 0 ? 1 : 0.5f; /* two of fifty each */
    assert_refused(network_lower(n, x, 100, &o, &c), "100 calibration samples, of which only 2 differ");
    free(x);
    x = random_inputs(&seed, 100, 40);
    memset(n->layers[0].W, 0, 8 * 40 * sizeof *n->layers[0].W);
    assert_refused(network_lower(n, x, 100, &o, &c), "or the network is untrained");
    assert_null(c);
    free(x);
    network_destroy(n);
}

/* Ranges of 2^35 and more take no longer than others: steps that lose nothing are not looked for one by one, and
 * neither is a window that is a multiple of them. */
static void test_wide_sums(void **state)
{
    (void)state;
    uint64_t seed = 8;
    const size_t widths[] = {64, 2, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 16);
    float *x = random_inputs(&seed, 64, 64);
    n->input = (quantizer){.scale = 0x1p-15, .bits = 16};
    for (size_t o = 0; o < 2; o++) n->layers[0].w_scale[o] = 0x1p-15, n->layers[0].bias[o] = 0;
    for (unsigned out_bits = 1; out_bits <= 4; out_bits += 3)
        for (unsigned bits = 1; bits <= 6; bits += 5) {
            n->layers[0].out_q = (quantizer){.scale = 1, .bits = out_bits};
            circuit *c = NULL;
            lower_options o;
            lower_options_init(&o);
            o.ranges_measured = 0, o.rounding_bits = bits, o.log2_error = -7, o.output_bits = 4;
            assert_ok(network_lower(n, x, 0, &o, &c));
            const circuit_layer *l = &c->layers[0];
            const int64_t span = l->hi[0] - l->lo[0] > l->hi[1] - l->lo[1] ? l->hi[0] - l->lo[0] : l->hi[1] - l->lo[1];
            const int64_t least = (span + (1 << bits)) >> bits;
            assert_true(span >= INT64_C(1) << 35 && l->cells <= 1u << bits);
            if (out_bits == 4) /* changes are 2^30 apart */
                assert_true(l->step == least ||
                            (l->step <= 2 * least && l->step > 1 && (INT64_C(1) << 30) % l->step == 0));
            else
                assert_true(l->step >= least && l->step <= 2 * least);
            circuit_destroy(c);
        }
    network_destroy(n);
    free(x);
}

/* Scores for others to see are exact: where they have too many values, fewer output bits would not help. */
static void test_too_many_scores(void **state)
{
    (void)state;
    uint64_t seed = 10;
    const size_t widths[] = {4, 8, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 16);
    float *x = random_inputs(&seed, 64, 4);
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    for (size_t i = 0; i < 4 * 8; i++) n->layers[0].W[i] = i % 3 == 0 ? -2 : 3;
    n->layers[0].out_q = (quantizer){.scale = 0x1p-15, .bits = 16};
    o.ranges_measured = 0, o.rounding_bits = 0, o.shared_output = 1, o.log2_error = -128, o.output_bits = 1;
    assert_refused(network_lower(n, x, 64, &o, &c), "train with fewer bits of weights and values");
    assert_null(c);
    free(x);
    network_destroy(n);
}

/* |x| about the middle of the sums of 8 inputs, 5 neurons; bounded: it knows what scores they can have. */
static network *bent_network(uint64_t *seed, int bounded)
{
    void *p;
    const size_t widths[] = {8, 5, 3};
    network *n = random_network(seed, widths, 2, ACTIVATION_RELU, 4);
    dense_layer *d = &n->layers[0];
    d->act = ACTIVATION_FUNCTION;
    d->own = (function){.count = 1, .steps = {{.op = FUNCTION_ABS}}};
    d->out_q.scale = 1.0 / 7; /* of a sum that is 4 units off the middle */
    for (size_t o = 0; o < 5; o++) {
        for (size_t i = 0; i < 8; i++) d->W[o * 8 + i] = (int32_t)o + 1;
        for (size_t k = 0; k < 3; k++) n->layers[1].W[k * 5 + o] = (int32_t)k + 1;
        d->w_scale[o] = 1.0 / (double)(o + 1);
        d->bias[o] = -7;
    }
    if (bounded) {
        assert_ok(mem_create(2 * 3, sizeof(double), "bounds", &p));
        n->layers[1].bound = p;
        for (size_t k = 0; k < 3; k++) n->layers[1].bound[3 + k] = 5 * (double)(k + 1);
    }
    assert_ok(network_check(n));
    return n;
}

/* Beyond a likely range the table of |x| is read mirrored, and gives up to twice what it holds: the proven range of the
 * scores has that, and they do not wrap; of narrower tables, and beside exact rounding, too. Measured ranges saturate:
 * no such value is met, and the range is that of the table. */
static void check_mirrored_values(int bounded)
{
    uint64_t seed = 9;
    network *n = bent_network(&seed, bounded);
    float x[64 * 8], far[8 * 8];
    for (size_t i = 0; i < 64 * 8; i++) x[i] = test_random(&seed) % 2 ? 0.75F : 1;
    for (size_t i = 0; i < 8 * 8; i++) far[i] = (float)(i / 8) / 4; /* all inputs alike */
    for (int way = 0; way < 5; way++) {
        circuit *c = NULL;
        lower_options o;
        lower_options_init(&o);
        o.log2_error = -5, o.families_most = 1, o.output_bits = 4;
        o.tables_whole = way == 1;
        o.method = way == 2 ? ROUNDING_EXACT : ROUNDING_UNSAID;
        o.rounding_bits = way == 2 ? 3 : 5;
        o.saturate = way == 3, o.ranges_measured = way != 4;
        assert_ok(network_lower(n, x, 64, &o, &c));
        const circuit_layer *l = circuit_last(c);
        int32_t *q = quantize_all(c, far, 8);
        double acc[8 * 3];
        exec_stats stats = {0};
        assert_ok(exec_clear(c, q, 8, 1, acc, &stats));
        double most = 0;
        for (size_t i = 0; i < 8 * 3; i++) {
            assert_true(acc[i] >= (double)l->proven_lo[i % 3] && acc[i] <= (double)l->proven_hi[i % 3]);
            most = fmax(most, acc[i] / (double)(i % 3 + 1));
        }
        assert_int_equal(stats.wrapped[c->layers_count - 1], 0);
        if (way < 3)
            assert_true(most > 35 && stats.wrapped[c->layers_count - 2] > 0);
        else
            assert_true(most > 0 && most <= 35 && l->proven_hi[0] <= 35 && l->proven_lo[0] >= 0);
        circuit_destroy(c);
        free(q);
    }
    network_destroy(n);
}

static void test_mirrored_values(void **state)
{
    (void)state;
    check_mirrored_values(0);
    check_mirrored_values(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_meaning),    cmocka_unit_test(test_rounding_and_ranges),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_layer_roundings), cmocka_unit_test(test_wide_sums),
        cmocka_unit_test(test_mirrored_values), cmocka_unit_test(test_too_many_scores)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
