/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "nn/shrink.h"

#include <math.h>

#define INPUTS 5u
#define SAMPLES 200u

static const activation acts[] = {
    ACTIVATION_IDENTITY,  ACTIVATION_RELU, ACTIVATION_SIGMOID,  ACTIVATION_TANH,         ACTIVATION_TRIANGLE,
    ACTIVATION_TRAPEZOID, ACTIVATION_SINE, ACTIVATION_SQUARE,   ACTIVATION_LEAKY_RELU,   ACTIVATION_ELU,
    ACTIVATION_GELU,      ACTIVATION_SILU, ACTIVATION_SOFTPLUS, ACTIVATION_HARD_SIGMOID, ACTIVATION_HARD_TANH,
    ACTIVATION_HARD_SILU, ACTIVATION_SIGN, ACTIVATION_FUNCTION};
#define ACTS (sizeof acts / sizeof *acts)

/* Layers of random widths, scales and biases of single precision, as files hold them. In the last two the scales of
 * what arrives and of the weights are powers of two and the biases few bits, so that sums are exact: scores are equal
 * bit for bit if and only if the integers behind them stand for the same. */
static network *random_layers(uint64_t *seed, activation act, size_t layers, size_t offsets)
{
    network *n = NULL;
    size_t width = INPUTS;
    assert_ok(network_create(INPUTS, layers, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    for (size_t i = 0; i < layers; i++) {
        dense_layer *l = &n->layers[i];
        const int last = i + 1 == layers;
        assert_ok(dense_layer_create(width, last ? 3 : 4 + test_random(seed) % 12, l));
        l->weight_bits = 4;
        for (size_t k = 0; k < l->in * l->out; k++) l->W[k] = (int32_t)(test_random(seed) % 15) - 7;
        const float common = (float)(0.02 + 0.1 * test_unit(seed));
        for (size_t o = 0; o < l->out; o++) {
            const float scale = (float)(0.02 + 0.2 * test_unit(seed)), bias = (float)(2 * test_unit(seed) - 1);
            l->w_scale[o] = last ? 0.125 : activation_is_wave(act) ? (double)common : (double)scale;
            l->bias[o] = last ? (double)(test_random(seed) % 64) / 16 : (double)bias;
        }
        if (last) break;
        l->act = act, l->offsets = offsets, l->rise = 0.25;
        if (act == ACTIVATION_FUNCTION)
            assert_ok(function_points(4, (double[]){-1, 0, 0.5, 2}, (double[]){0, 1, -1, 0.5}, &l->own));
        const int is_signed = act != ACTIVATION_RELU && act != ACTIVATION_SIGMOID;
        l->out_q = (quantizer){.scale = 0.25, .bits = 3, .is_signed = is_signed, .narrow = is_signed};
        if (i + 2 < layers) l->out_q.scale = (double)(float)(0.1 + 0.3 * test_unit(seed));
        width = dense_layer_values(l);
    }
    assert_ok(network_set_labels(n, NULL, 3));
    assert_ok(network_check(n));
    return n;
}

/* Masks about half of the hidden neurons, one at least; all but one of a layer at most. Returns how many. */
static size_t mask_some(uint64_t *seed, network *n)
{
    size_t masked = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++)
        for (size_t o = 1; o < n->layers[i].out; o++) {
            if (o > 1 && test_random(seed) % 2 == 0) continue;
            double value[16];
            for (size_t j = 0; j < 16; j++) value[j] = (double)(test_random(seed) % 16) / 8 - 0.5; /* few bits */
            assert_ok(network_mask(n, i, o, value));
            masked++;
        }
    return masked;
}

static void assert_same_scores(const network *a, const network *b, const float *x, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        double ya[3], yb[3];
        assert_ok(network_apply(a, x + k * INPUTS, ya));
        assert_ok(network_apply(b, x + k * INPUTS, yb));
        for (size_t o = 0; o < 3; o++) assert_true(ya[o] == yb[o]); /* 0 has two signs */
    }
}

static void test_exact(void **state)
{
    (void)state;
    uint64_t seed = 5;
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    size_t varied = 0;
    for (size_t round = 0; round < 400; round++) {
        const activation act = acts[round % ACTS];
        const size_t layers = 2 + round / ACTS % 3;
        network *n = random_layers(&seed, act, layers, activation_is_wave(act) ? 1 + round / ACTS % 2 : 1),
                *small = NULL, *again = NULL;
        size_t removed, more;
        uint64_t own = seed;
        if (round % 4 == 1) varied += network_vary(&own, n);
        const size_t masked = mask_some(&seed, n);
        assert_ok(network_shrink(n, &small, &removed));
        assert_true(removed >= masked);
        assert_ok(network_check(small));
        assert_same_scores(n, small, x, SAMPLES);
        assert_ok(network_shrink(small, &again, &more)); /* nothing is left to remove */
        assert_int_equal(more, 0);
        network_destroy(again);
        (void)mask_some(&seed, small); /* twice */
        again = NULL;
        assert_ok(network_shrink(small, &again, NULL));
        assert_same_scores(small, again, x, SAMPLES);
        network_destroy(again), network_destroy(small), network_destroy(n);
    }
    assert_true(varied > 10);
    free(x);
}

/* A bias forced into single precision alone would move a border of the next activation now and then: here it lies on
 * one. 0.1f*(3 + x) + bias crosses 0.5 at x = 2 by less than a bit of single precision. */
static void test_borders(void **state)
{
    (void)state;
    uint64_t seed = 77;
    size_t moved = 0;
    for (size_t round = 0; round < 300; round++) {
        network *n = NULL, *small = NULL;
        assert_ok(network_create(1, 3, &n));
        n->input = (quantizer){.scale = 1, .bits = 8};
        const size_t widths[] = {1, 2, 1, 1};
        for (size_t i = 0; i < 3; i++) {
            dense_layer *l = &n->layers[i];
            assert_ok(dense_layer_create(widths[i], widths[i + 1], l));
            l->weight_bits = 4;
            for (size_t k = 0; k < l->in * l->out; k++) l->W[k] = 1;
            for (size_t o = 0; o < l->out; o++) l->w_scale[o] = 1;
            l->act = i == 2 ? ACTIVATION_IDENTITY : ACTIVATION_RELU;
            if (i < 2) l->out_q = (quantizer){.scale = 1, .bits = 8};
        }
        const float scale = (float)(0.5 + test_unit(&seed));
        const double value = 5 + (double)(test_random(&seed) % 200), at = (double)(test_random(&seed) % 200);
        assert_ok(network_mask(n, 0, 1, &value));
        dense_layer *middle = &n->layers[1];
        middle->w_scale[0] = (double)scale;
        /* the sum at + value lies on a border up to single precision */
        middle->bias[0] = (double)(float)(floor((double)scale * (at + value)) + 0.5 - (double)scale * (at + value));
        assert_ok(network_set_labels(n, NULL, 1));
        assert_ok(network_shrink(n, &small, NULL));
        for (int k = 0; k < 256; k++) {
            const float x = (float)k;
            double a, b;
            assert_ok(network_apply(n, &x, &a));
            assert_ok(network_apply(small, &x, &b));
            assert_true(a == b);
        }
        const float plain = (float)(middle->bias[0] + middle->w_scale[0] * value);
        moved += small->layers[1].bias[0] != (double)plain || small->layers[1].w_scale[0] != (double)scale;
        network_destroy(small), network_destroy(n);
    }
    assert_true(moved > 0); /* rounding the bias to nearest would have been wrong */
}

/* Circuits of the masked and the shrunk network: the same values, sums up to a constant. Neurons that were constant by
 * themselves may be the widest of their layer, which gives the rounding its step: those networks are left out. */
static void test_circuits(void **state)
{
    (void)state;
    uint64_t seed = 9;
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    size_t compared = 0;
    for (size_t round = 0; round < 24; round++) {
        network *n = random_layers(&seed, acts[round % 4], 2 + round / 4 % 2, 1), *small = NULL;
        size_t removed;
        circuit *a = NULL, *b = NULL;
        lower_options o;
        const size_t masked = mask_some(&seed, n);
        assert_ok(network_shrink(n, &small, &removed));
        lower_options_init(&o);
        o.ranges_measured = round % 2 == 0, o.rounding_bits = round < 8 ? 0 : 3;
        o.log2_error = -10, o.families_most = 1;
        const annulus_status st = network_lower(n, x, SAMPLES, &o, &a);
        if (st != ANNULUS_OK) /* constant on all samples: so is the other */
            assert_refused(network_lower(small, x, SAMPLES, &o, &b), "the same value");
        if (st != ANNULUS_OK || removed > masked) {
            circuit_destroy(a), network_destroy(small), network_destroy(n);
            continue;
        }
        compared++;
        assert_ok(network_lower(small, x, SAMPLES, &o, &b));
        int32_t *q = quantize_all(a, x, SAMPLES);
        double sums[2][SAMPLES * 3], ya[3], yb[3];
        assert_ok(exec_clear(a, q, SAMPLES, 1, sums[0], NULL));
        assert_ok(exec_clear(b, q, SAMPLES, 1, sums[1], NULL));
        for (size_t k = 0; k < SAMPLES; k++) {
            exec_values(a, sums[0] + 3 * k, ya);
            exec_values(b, sums[1] + 3 * k, yb);
            for (size_t i = 0; i < 3; i++) {
                assert_true(ya[i] == yb[i]);
                assert_true(sums[0][3 * k + i] - sums[1][3 * k + i] == sums[0][i] - sums[1][i]);
            }
        }
        free(q);
        circuit_destroy(a), circuit_destroy(b);
        network_destroy(small), network_destroy(n);
    }
    assert_true(compared >= 12);
    free(x);
}

static void test_constants(void **state)
{
    (void)state;
    uint64_t seed = 21;
    size_t removed;
    network *n = random_layers(&seed, ACTIVATION_RELU, 3, 1), *small = NULL;
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    n->layers[0].bias[1] = -1000;                                                              /* never positive */
    n->layers[0].bias[2] = 1000;                                                               /* always clipped */
    for (size_t o = 0; o < n->layers[1].out; o++) n->layers[1].W[o * n->layers[1].in + 3] = 0; /* not read */
    const size_t width = n->layers[0].out;
    assert_ok(network_shrink(n, &small, &removed));
    assert_true(removed >= 3 && small->layers[0].out <= width - 3);
    assert_same_scores(n, small, x, SAMPLES);
    network_destroy(small);
    for (size_t o = 0; o < width; o++) assert_ok(network_mask(n, 0, o, (double[]){0.5}));
    assert_ok(network_shrink(n, &small, &removed)); /* one stays though all are constant */
    assert_int_equal(small->layers[0].out, 1);
    assert_same_scores(n, small, x, SAMPLES);
    network_destroy(small), network_destroy(n);
    free(x);
}

/* Channels of a hidden layer that some output takes. */
static size_t channels_of(const dense_layer *l)
{
    return dense_layer_neurons(l);
}

/* Convolutions, sums, residual additions and concatenations: the masked network and the one without its masked channels
 * agree bit for bit, and so do those that go because nobody takes them any more. */
static void test_graphs(void **state)
{
    (void)state;
    uint64_t seed = 41;
    size_t changed = 0, varied = 0;
    for (size_t round = 0; round < 300; round++) {
        network *n = random_graph(&seed), *small = NULL, *again = NULL, *copy = NULL;
        float *x = random_inputs(&seed, SAMPLES, n->inputs);
        size_t removed, more, masked = 0, left = 0, all = 0;
        uint64_t own = seed;
        if (round % 3 == 0) varied += network_vary(&own, n);
        assert_ok(network_copy(n, &copy));
        for (size_t i = 0; i + 1 < n->layers_count; i++) {
            const size_t channels = channels_of(&n->layers[i]);
            all += channels;
            for (size_t c = 1; c < channels; c++) {
                const double value = (double)(test_random(&seed) % 5) / 4;
                if (test_random(&seed) % 2 == 0) continue;
                assert_ok(network_mask(n, i, c, &value));
                masked++;
            }
        }
        assert_ok(network_shrink(n, &small, &removed));
        assert_true(removed >= masked);
        assert_ok(network_check(small));
        for (size_t i = 0; i + 1 < n->layers_count; i++) left += channels_of(&small->layers[i]);
        assert_int_equal(left, all - removed);
        for (size_t k = 0; k < SAMPLES; k++) {
            double before[3], a[3], b[3];
            assert_ok(network_apply(copy, x + k * n->inputs, before));
            assert_ok(network_apply(n, x + k * n->inputs, a));
            assert_ok(network_apply(small, x + k * n->inputs, b));
            for (size_t o = 0; o < 3; o++) assert_true(a[o] == b[o]);
            changed += memcmp(before, a, sizeof a) != 0;
        }
        assert_ok(network_shrink(small, &again, &more)); /* nothing is left to remove */
        assert_int_equal(more, 0);
        network_destroy(n), network_destroy(small), network_destroy(again), network_destroy(copy);
        free(x);
    }
    assert_true(changed > 1000 && varied > 100); /* masks do something */
}

/* A channel whose value is always v, in front of a convolution without padding: the masked network is the same one. */
static void test_constant_channel(void **state)
{
    (void)state;
    uint64_t seed = 43;
    const gather_windows
        first = {.channels = 1, .size = {5, 5}, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}},
        second = {.channels = 2, .size = {3, 3}, .kernel = {2, 2}, .stride = {1, 1}, .dilation = {1, 1}};
    int32_t W[2][18] = {{0}}, dense[8];
    circuit_linear l = {0};
    network *n = NULL, *small = NULL;
    void *p;
    for (size_t i = 0; i < 9; i++) W[0][i] = (int32_t)(test_random(&seed) % 7) - 3; /* the other channel's are 0 */
    for (size_t i = 0; i < 8; i++) W[1][i] = (int32_t)(test_random(&seed) % 7) - 3, dense[i] = (int32_t)i - 3;
    assert_ok(network_create(25, 3, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    assert_ok(gather_convolution(&first, W[0], 2, 1, &l));
    assert_ok(gathered_layer_create(25, 18, &l, &n->layers[0]));
    assert_ok(gather_convolution(&second, W[1], 1, 1, &l));
    assert_ok(gathered_layer_create(18, 4, &l, &n->layers[1]));
    assert_ok(dense_layer_create(4, 2, &n->layers[2]));
    memcpy(n->layers[2].W, dense, sizeof dense);
    n->layers[0].windows = first, n->layers[1].windows = second, n->layers[2].weight_bits = 4;
    for (size_t i = 0; i < 3; i++)
        for (size_t o = 0; o < n->layers[i].out; o++) {
            dense_layer *d = &n->layers[i];
            d->w_scale[o] = 0.25;
            if (i == 0) d->channel[o] = o >= 9;
            if (i == 0) d->bias[o] = o < 9 ? 0.5 : 1.25;
            if (i < 2) d->act = ACTIVATION_RELU, d->out_q = (quantizer){.scale = 0.25, .bits = 4};
        }
    assert_ok(network_set_labels(n, NULL, 2));
    assert_ok(network_check(n));
    assert_ok(mem_create(36, sizeof(double), "bounds", &p)); /* of the first layer, by output */
    n->layers[0].bound = p;
    for (size_t k = 0; k < 36; k++) n->layers[0].bound[k] = k < 18 ? -50.0 - (double)k : 50.0 + (double)k;
    assert_ok(mem_create(18, sizeof(double), "constants", &p));
    n->layers[0].constant = p;
    for (size_t k = 0; k < 9; k++) n->layers[0].constant[k] = 0.5 * (double)k;
    float *x = random_inputs(&seed, SAMPLES, 25);
    double before[SAMPLES][2], y[2];
    for (size_t k = 0; k < SAMPLES; k++) assert_ok(network_apply(n, x + 25 * k, before[k]));
    assert_ok(network_mask(n, 0, 1, (double[]){1.25}));
    assert_ok(network_shrink(n, &small, NULL));
    assert_true(small->layers[0].out == 9 && small->layers[1].in == 9 && small->layers[1].windows.channels == 1);
    assert_int_equal(small->layers[1].linear.blocks[0].taps, 4);
    assert_true(small->layers[0].bound[8] == -58 && small->layers[0].bound[9] == 68);
    assert_true(small->layers[0].constant[8] == 4);
    for (size_t k = 0; k < SAMPLES; k++) {
        assert_ok(network_apply(small, x + 25 * k, y));
        assert_memory_equal(y, before[k], sizeof y);
    }
    network_destroy(n), network_destroy(small);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exact),    cmocka_unit_test(test_borders),
                                       cmocka_unit_test(test_circuits), cmocka_unit_test(test_constants),
                                       cmocka_unit_test(test_graphs),   cmocka_unit_test(test_constant_channel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
