/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"

#include "nn/plain.h"

#include <math.h>

#define SIDE 6u
#define SAMPLES 20u

static void fill(uint64_t *seed, dense_layer *d, size_t places, int last)
{
    for (size_t o = 0; o < d->out; o++) {
        d->w_scale[o] = o % places > 0 ? d->w_scale[o - 1] : 0.05 + 0.1 * test_unit(seed);
        d->bias[o] = o % places > 0 ? d->bias[o - 1] : test_unit(seed) - 0.4;
        if (d->channel != NULL) d->channel[o] = (uint32_t)(places > 1 ? o - o % places : o); /* as a file is read */
    }
    if (!last) d->act = ACTIVATION_RELU, d->out_q = (quantizer){.scale = 0.25, .bits = 3};
    d->sources_count = 1;
}

/* Two convolutions, the second with stride 2 and padding 1, a dense layer whose inputs stand in another order, scores;
 * all as lists of inputs. */
static network *lists(uint64_t *seed)
{
    const gather_windows w[2] = {
        {.channels = 1, .size = {SIDE, SIDE}, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}},
        {.channels = 3, .size = {4, 4}, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}, .pad = {1, 1, 1, 1}}};
    const size_t rows[] = {3, 2, 5, 2}, places[] = {16, 9, 1, 1}, taps[] = {9, 12, 18, 5};
    network *n = NULL;
    int32_t W[90];
    assert_ok(network_create(SIDE * SIDE, 4, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    for (size_t i = 0, in = SIDE * SIDE; i < 4; in = rows[i] * places[i], i++) {
        circuit_linear l = {0};
        for (size_t k = 0; k < rows[i] * taps[i]; k++) W[k] = (int32_t)(test_random(seed) % 7) - 3;
        if (i < 2)
            assert_ok(gather_convolution(&w[i], W, rows[i], 1, &l));
        else
            assert_ok(linear_dense(W, rows[i], in, &l));
        for (size_t t = 0; i == 2 && t < 18; t++) l.blocks[0].from[t] = (uint32_t)(t * 5 % 18);
        assert_ok(gathered_layer_create(in, rows[i] * places[i], &l, &n->layers[i]));
        fill(seed, &n->layers[i], places[i], i == 3);
        n->layers[i].sources[0] = (uint32_t)i;
    }
    assert_ok(network_set_labels(n, NULL, 2));
    assert_ok(network_check(n));
    return n;
}

static void same_scores(uint64_t *seed, const network *a, const network *b)
{
    float *x = random_inputs(seed, SAMPLES, a->inputs);
    for (size_t k = 0; k < SAMPLES; k++) {
        double ya[2], yb[2];
        assert_ok(network_apply(a, x + k * a->inputs, ya));
        assert_ok(network_apply(b, x + k * a->inputs, yb));
        for (size_t o = 0; o < 2; o++) assert_true(fabs(ya[o] - yb[o]) < 1e-12); /* sums in another order */
    }
    free(x);
}

static void known_again(void **state)
{
    (void)state;
    uint64_t seed = 3;
    network *n = lists(&seed), *plain = NULL;
    assert_ok(network_plain(n, (const size_t[]){1, SIDE, SIDE}, &plain));
    assert_ok(network_check(plain));
    const gather_windows *g = &plain->layers[1].windows;
    assert_true(plain->layers[0].windows.channels == 1 && plain->layers[0].windows.kernel[0] == 3);
    assert_true(g->channels == 3 && g->kernel[1] == 2 && g->stride[0] == 2 && g->pad[0] == 1 && g->pad[3] == 1);
    assert_true(plain->layers[1].channel[9] == 1 && dense_layer_neurons(&plain->layers[1]) == 2);
    assert_true(plain->layers[2].W != NULL && plain->layers[3].W != NULL && plain->layers[2].weight_bits == 3);
    for (size_t o = 0; o < 5; o++)
        for (size_t t = 0; t < 18; t++)
            assert_int_equal(plain->layers[2].W[o * 18 + t * 5 % 18], n->layers[2].linear.blocks[0].W[o * 18 + t]);
    same_scores(&seed, n, plain);
    network_destroy(plain), network_destroy(n);
}

/* Functions of each channel's own are kept; where values of one channel have several, it is none. */
static void functions_kept(void **state)
{
    (void)state;
    uint64_t seed = 6;
    network *n = lists(&seed), *plain = NULL;
    assert_int_equal(network_vary(&seed, n), 3);
    assert_ok(network_plain(n, (const size_t[]){1, SIDE, SIDE}, &plain));
    assert_ok(network_check(plain));
    assert_true(plain->layers[0].windows.channels == 1 && plain->layers[1].windows.channels == 3);
    same_scores(&seed, n, plain);
    network_destroy(plain);
    for (size_t o = 0; o < n->layers[1].out; o++) n->layers[1].channel[o] = (uint32_t)o;
    n->layers[1].vary[3] += 0.5;
    assert_ok(network_plain(n, (const size_t[]){1, SIDE, SIDE}, &plain));
    assert_true(plain->layers[0].windows.channels == 1 && plain->layers[1].windows.channels == 0);
    same_scores(&seed, n, plain);
    network_destroy(plain), network_destroy(n);
}

/* Without images, at another window, with an input taken twice or outputs of one channel: as they were. */
static void left_alone(void **state)
{
    (void)state;
    uint64_t seed = 4;
    network *n = lists(&seed), *plain = NULL;
    assert_ok(network_plain(n, (const size_t[]){1, 0, 0}, &plain));
    assert_true(plain->layers[0].windows.channels == 0 && plain->layers[1].windows.channels == 0);
    assert_true(plain->layers[0].W == NULL && plain->layers[2].W != NULL);
    network_destroy(plain);
    uint32_t *from = n->layers[0].linear.blocks[0].from;
    const uint32_t first = from[0];
    from[0] = from[1];
    n->layers[2].linear.blocks[0].from[1] = 0; /* as tap 0 */
    n->layers[3].channel[1] = 0, n->layers[3].w_scale[1] = n->layers[3].w_scale[0];
    n->layers[3].bias[1] = n->layers[3].bias[0];
    assert_ok(network_plain(n, (const size_t[]){1, SIDE, SIDE}, &plain));
    for (size_t i = 0; i < 4; i++) assert_true(plain->layers[i].windows.channels == 0 && plain->layers[i].W == NULL);
    same_scores(&seed, n, plain);
    network_destroy(plain);
    from[0] = first;
    n->layers[0].bias[3] += 1; /* one channel's outputs differ */
    n->layers[0].channel[3] = 3;
    assert_ok(network_plain(n, (const size_t[]){1, SIDE, SIDE}, &plain));
    assert_int_equal(plain->layers[0].windows.channels, 0);
    network_destroy(plain), network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_again), cmocka_unit_test(functions_kept),
                                       cmocka_unit_test(left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
