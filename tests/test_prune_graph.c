/* SPDX-License-Identifier: Apache-2.0 */
/* Pruning of averages, values of several offsets, residual additions and convolutions in groups. */
#include "train_fixture.h"

#include "nn/plain.h"
#include "train/prune_priv.h"

#include <string.h>

#define SAMPLES 400u
#define WIDTH 3u /* layers that a test looks into */

typedef struct shape {
    size_t channels;
    activation act;
    size_t offsets, conv_count, hidden;
    train_convolution conv[4];
    size_t sets, steps; /* of what goes together, and of all of them */
} shape;

static const shape shapes[] = {
    /* averages in front of a convolution, a dense layer and the scores */
    {1, ACTIVATION_RELU, 1, 2, 5, {{4, 3, 1, 0, 0, 0, 2, 0}, {6, 2, 1, 0, 0, 0, TRAIN_POOL_ALL, 0}}, 3, 15},
    {2, ACTIVATION_TANH, 1, 1, 0, {{5, 3, 1, 1, 0, 0, 4, 0}}, 1, 5},
    /* several offsets in front of convolutions, averages and dense layers */
    {1, ACTIVATION_TRIANGLE, 3, 2, 5, {{3, 3, 2, 0, 0, 0, 0, 0}, {4, 2, 1, 1, 0, 0, 0, 0}}, 3, 12},
    {1, ACTIVATION_SINE, 2, 2, 0, {{3, 3, 1, 0, 0, 0, 2, 0}, {4, 2, 1, 0, 0, 0, TRAIN_POOL_ALL, 0}}, 2, 7},
    /* added values: once, twice, averaged behind, with one value a channel, and of waves */
    {1, ACTIVATION_RELU, 1, 2, 5, {{4, 3, 1, 1, 0, 0, 0, 0}, {4, 3, 1, 1, 0, 1, 0, 0}}, 2, 9},
    {2,
     ACTIVATION_RELU,
     1,
     4,
     0,
     {{4, 4, 2, 1, 0, 0, 0, 0},
      {4, 3, 1, 1, 0, 1, 0, 0},
      {4, 1, 1, 0, 0, 1, 2, 0},
      {6, 3, 1, 1, 0, 0, TRAIN_POOL_ALL, 0}},
     2,
     10},
    {1,
     ACTIVATION_TRIANGLE,
     2,
     3,
     4,
     {{4, 3, 2, 1, 0, 0, 0, 0}, {4, 3, 1, 1, 0, 1, 0, 0}, {6, 3, 2, 1, 0, 0, 0, 0}},
     3,
     14},
    /* groups of several channels, each channel by itself, groups that give one, and groups of what is added */
    {1, ACTIVATION_RELU, 1, 2, 4, {{6, 3, 2, 0, 0, 0, 0, 0}, {8, 3, 1, 1, 2, 0, 0, 0}}, 3, 3 + 4 + 4},
    {1,
     ACTIVATION_TANH,
     1,
     3,
     0,
     {{4, 3, 2, 0, 0, 0, 0, 0}, {8, 3, 1, 1, 4, 0, 0, 0}, {5, 1, 1, 0, 0, 0, 2, 0}},
     2,
     4 + 5},
    {2, ACTIVATION_RELU, 1, 2, 4, {{6, 3, 2, 0, 2, 0, 0, 0}, {3, 3, 1, 1, 3, 0, 0, 0}}, 2, 1 + 4},
    {2,
     ACTIVATION_SINE,
     2,
     3,
     5,
     {{4, 3, 2, 0, 0, 0, 0, 0}, {4, 3, 1, 1, 2, 1, 0, 0}, {4, 3, 1, 1, 4, 1, TRAIN_POOL_ALL, 0}},
     2,
     2 + 5},
};
#define SHAPES (sizeof shapes / sizeof *shapes)

static train_options options_of(const shape *s)
{
    train_options o = small();
    memcpy(o.conv, s->conv, sizeof s->conv);
    o.conv_count = s->conv_count, o.hidden[0] = s->hidden, o.hidden_count = s->hidden > 0;
    o.act = s->act, o.offsets = s->offsets, o.threads = 1, o.batch = 48, o.epochs = 1;
    o.phase_noise = activation_is_wave(s->act) ? 0.01 : 0.1;
    if (activation_is_wave(s->act)) o.weight_bits = o.activation_bits = 8;
    return o;
}

static network *trained(const dataset *d, const train_options *o)
{
    network *n = NULL;
    assert_ok(train_network(d, o, NULL, NULL, NULL, &n));
    return n;
}

static void same_layers(const network *a, const network *b)
{
    same_linear_parts(a, b);
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_true(x->known == y->known);
        for (size_t o = 0; o < x->out; o++) {
            assert_true(fabs(x->w_scale[o] - y->w_scale[o]) < 1e-4 * x->w_scale[o]);
            assert_true(fabs(x->bias[o] - y->bias[o]) < 1e-4 * (1 + fabs(x->bias[o])));
        }
    }
}

/* A model made from a network folds to the same one up to single precision. */
static void from_is_the_network(void **state)
{
    (void)state;
    for (size_t k = 0; k < SHAPES; k++) {
        dataset *d = lines(3, 120, shapes[k].channels);
        train_options o = options_of(&shapes[k]), own;
        network *n = trained(d, &o), *plain = NULL, *back = NULL;
        train_data t;
        train_model m;
        assert_ok(network_plain(n, (const size_t[]){shapes[k].channels, LINES_SIDE, LINES_SIDE}, &plain));
        same_layers(n, plain);
        o.from = plain, o.conv_count = 0, o.hidden[0] = 77; /* the last two not looked at */
        assert_ok(train_from_options(d, &o, &own));
        assert_int_equal(own.conv_count, shapes[k].conv_count);
        for (size_t i = 0; i < own.conv_count; i++) {
            const train_convolution *a = &own.conv[i], *b = &shapes[k].conv[i];
            assert_true(a->add == b->add && a->groups == (b->groups > 0 ? b->groups : 1) && a->padding == b->padding);
            assert_true(a->pool == b->pool || a->pool == TRAIN_POOL_ALL);
        }
        assert_ok(train_data_create(d, &own, 5, &t));
        assert_ok(train_model_create(&t, &own, 5, 1, &m));
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_fold(&m, &t, &back));
        same_layers(n, back);
        train_model_destroy(&m);
        train_data_destroy(&t);
        network_destroy(n), network_destroy(plain), network_destroy(back);
        drop(d);
    }
}

/* Masks some of what may go, at random, all but one step of each set at most. Returns channels. */
static size_t mask_some(uint64_t *seed, const shape *s, network *n)
{
    static double worth[TRAIN_MAX_HIDDEN][64], mean[TRAIN_MAX_HIDDEN][64];
    prune_worth w[TRAIN_MAX_HIDDEN];
    prune_order order;
    size_t left[TRAIN_MAX_HIDDEN], sets = 0, steps = 0, masked = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++) {
        w[i] = (prune_worth){worth[i], mean[i]};
        for (size_t k = 0; k < 64; k++) worth[i][k] = unit(seed), mean[i][k] = unit(seed) - 0.3;
    }
    assert_ok(prune_order_create(n, w, &order));
    for (size_t i = 0; i + 1 < n->layers_count; i++) {
        left[i] = ties_steps(&order.ties, i);
        if (order.ties.set[i] == i) sets++, steps += left[i];
    }
    assert_int_equal(order.count, steps);
    if (s != NULL) assert_true(sets == s->sets && steps == s->steps);
    for (size_t k = 0; k < order.count; k++) {
        const size_t set = order.steps[k].layer;
        if (left[set] == 1 || test_random(seed) % 2 == 0) continue;
        left[set]--;
        assert_ok(prune_mask(&order, &order.steps[k], w, n));
        for (size_t i = set; i + 1 < n->layers_count; i++)
            if (order.ties.set[i] == set) masked += dense_layer_neurons(&n->layers[i]) / ties_steps(&order.ties, i);
    }
    prune_order_clear(&order);
    return masked;
}

static void assert_same_scores(const network *a, const network *b, const dataset *d, size_t count)
{
    for (size_t k = 0; k < count; k++) {
        double ya[2], yb[2];
        assert_ok(network_apply(a, d->x + k * d->features, ya));
        assert_ok(network_apply(b, d->x + k * d->features, yb));
        for (size_t o = 0; o < 2; o++) assert_true(ya[o] == yb[o]);
    }
}

/* The masked network and the one without its masked channels agree bit for bit; what is left can be trained on, and
 * masked again. */
static void removal_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 31;
    size_t changed = 0;
    for (size_t k = 0; k < SHAPES; k++) {
        dataset *d = lines(5, 120, shapes[k].channels);
        train_options o = options_of(&shapes[k]), own;
        network *n = trained(d, &o);
        for (size_t round = 0; round < 12; round++) {
            network *masked = NULL, *small = NULL, *twice = NULL;
            size_t removed, more, left = 0, all = 0;
            assert_ok(network_copy(n, &masked));
            const size_t count = mask_some(&seed, &shapes[k], masked);
            assert_ok(network_shrink(masked, &small, &removed));
            assert_true(removed >= count);
            assert_ok(network_check(small));
            for (size_t i = 0; i + 1 < n->layers_count; i++) {
                all += dense_layer_neurons(&n->layers[i]);
                left += dense_layer_neurons(&small->layers[i]);
            }
            assert_int_equal(left, all - removed);
            assert_same_scores(masked, small, d, 6);
            double y[2], z[2];
            assert_ok(network_apply(n, d->x, y));
            assert_ok(network_apply(small, d->x, z));
            changed += memcmp(y, z, sizeof y) != 0;
            o.from = small;
            assert_ok(train_from_options(d, &o, &own));
            assert_ok(network_plain(small, (const size_t[]){shapes[k].channels, LINES_SIDE, LINES_SIDE}, &twice));
            same_layers(small, twice);
            network_destroy(masked), network_destroy(twice);
            (void)mask_some(&seed, NULL, small);
            assert_ok(network_shrink(small, &twice, &more));
            assert_same_scores(small, twice, d, 6);
            network_destroy(small), network_destroy(twice);
        }
        network_destroy(n);
        drop(d);
    }
    assert_true(changed > 100); /* of 132: masks do something */
}

/* Values, or with `sums` what they are made of, of layer i for a sample. */
static void values_of(const network *n, size_t i, int sums, const float *x, double *y)
{
    network head = *n;
    dense_layer layers[WIDTH];
    memcpy(layers, n->layers, WIDTH * sizeof *layers);
    head.layers = layers, head.layers_count = i + 1;
    if (sums) layers[i].act = ACTIVATION_IDENTITY, layers[i].out_q.bits = 0;
    assert_ok(network_apply(&head, x, y));
}

static double variance_of(const double *y, size_t count)
{
    double sum = 0, square = 0;
    for (size_t k = 0; k < count; k++) sum += y[k], square += y[k] * y[k];
    return square / (double)count - sum / (double)count * (sum / (double)count);
}

#define PLACES 16u

/* By the definitions: a channel in front of a convolution in two groups that it is added behind, and of averages in
 * front of the scores; the convolution's own channels. */
static void worth_by_definition(void **state)
{
    (void)state;
    dataset *d = lines(5, SAMPLES, 1);
    const shape of = {1, ACTIVATION_RELU, 1, 2, 0, {{4, 3, 2, 0, 0, 0, 0, 0}, {4, 3, 1, 1, 2, 1, TRAIN_POOL_ALL, 0}}, 0,
                      0};
    train_options o = options_of(&of), own;
    train_data t;
    o.validation = 0, o.epochs = 4;
    network *n = trained(d, &o);
    static double y[2][4][SAMPLES * PLACES], u[4][SAMPLES * PLACES], average[2][4][SAMPLES], g[2][SAMPLES];
    double one[4 * PLACES], worth[2][4], mean[2][4], score[2];
    for (size_t i = 0; i < SAMPLES; i++) {
        const float *x = d->x + i * d->features;
        for (size_t l = 0; l < 2; l++) {
            values_of(n, l, 0, x, one);
            for (size_t k = 0; k < 4 * PLACES; k++) {
                y[l][k / PLACES][i * PLACES + k % PLACES] = one[k];
                average[l][k / PLACES][i] += one[k] / PLACES;
            }
        }
        values_of(n, 1, 1, x, one);
        for (size_t k = 0; k < 4 * PLACES; k++) u[k / PLACES][i * PLACES + k % PLACES] = one[k];
        assert_ok(network_apply(n, x, score));
        g[1][i] = 1 / (1 + exp(score[0] - score[1])) - d->label[i];
        g[0][i] = -g[1][i];
    }
    o.from = n;
    prune_worth w[2] = {{worth[0], mean[0]}, {worth[1], mean[1]}};
    assert_ok(train_from_options(d, &o, &own));
    assert_ok(train_data_create(d, &own, 5, &t));
    assert_ok(prune_worth_find(n, &t, &own, PRUNE_BY_ACTIVATION, 5, w));
    const dense_layer *scores = &n->layers[2], *second = &n->layers[1];
    for (size_t c = 0; c < 4; c++)
        for (size_t l = 0; l < 2; l++) {
            double expected = 0, sum = 0;
            for (size_t k = 0; k < 2; k++) { /* 16 places of 2 sources a tap */
                const double by = scores->w_scale[k] * PLACES * scores->linear.blocks[0].W[(k * 4 + c) * 2 * PLACES];
                expected += by * by * variance_of(average[l][c], SAMPLES);
            }
            for (size_t k = 0; l == 0 && k < 18; k++) { /* two rows of nine taps, of one group */
                const linear_block *b = &second->linear.blocks[c / 2];
                const size_t row = k / 9, channel = c / 2 * 2 + row;
                const double by = second->w_scale[channel * PLACES] * b->W[row * b->taps + c % 2 * 9 + k % 9];
                expected +=
                    by * by * variance_of(y[0][c], SAMPLES * PLACES) / variance_of(u[channel], SAMPLES * PLACES);
            }
            for (size_t k = 0; k < SAMPLES * PLACES; k++) sum += y[l][c][k];
            assert_true(fabs(worth[l][c] - expected) < 0.1 * expected + 1e-9); /* batches have moments of their own */
            assert_true(fabs(mean[l][c] - sum / (SAMPLES * PLACES)) < 0.05 * sum / (SAMPLES * PLACES) + 1e-9);
        }
    assert_ok(prune_worth_find(n, &t, &own, PRUNE_BY_TAYLOR, 5, w));
    for (size_t c = 0; c < 4; c++) {
        double expected = 0;
        const double middle = mean[1][c];
        for (size_t i = 0; i < SAMPLES; i++) {
            double slope = 0;
            for (size_t k = 0; k < 2; k++)
                slope += g[k][i] * scores->w_scale[k] * PLACES * scores->linear.blocks[0].W[(k * 4 + c) * 2 * PLACES];
            expected += slope * slope * (average[1][c][i] - middle) * (average[1][c][i] - middle) / SAMPLES;
        }
        assert_true(fabs(worth[1][c] - expected) < 0.1 * expected + 1e-9);
    }
    train_data_destroy(&t);
    network_destroy(n);
    drop(d);
}

/* Half of what there is goes, by each measure; fine-tuning makes up for it; twice. */
static void pruned(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 2; a++) {
        dataset *d = lines(9, 2 * SAMPLES, 1);
        shape of = {1, acts[a], 1, 3, 0, {{8, 3, 2, 1, 0, 0, 0, 0}, {8, 3, 1, 1, 2, 1, 0, 0}, {8, 3, 1, 1, 0, 0, 0, 0}},
                    0, 0};
        of.conv[2].pool = TRAIN_POOL_ALL;
        if (a == 1) of.offsets = 2;
        train_options o = options_of(&of);
        prune_options p;
        prune_report r;
        o.epochs = 10;
        network *n = trained(d, &o), *half = NULL, *less = NULL;
        prune_options_init(&p);
        p.train = o, p.train.epochs = 8, p.share = 0.5, p.by = a == 0 ? PRUNE_BY_ACTIVATION : PRUNE_BY_TAYLOR;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &half));
        assert_true(r.look_ups_before == 3 * 8 * 25 && r.look_ups == 3 * 4 * 25);
        assert_true(half->layers[1].linear.blocks_count == 2 && half->layers[1].windows.channels == 4 * of.offsets);
        assert_true(half->layers[3].average.channels == 4 * of.offsets);
        assert_true(r.before > 0.9 && r.after > 0.85 && share_right(half, d) > 0.85);
        p.share = -1, p.look_ups = 200, p.by = PRUNE_BY_NORM;
        assert_ok(prune_network(half, d, &p, NULL, NULL, NULL, &r, &less));
        assert_true(r.look_ups <= 200 && r.look_ups >= 125); /* 100 go with a pair of the first two layers */
        network_destroy(n), network_destroy(half), network_destroy(less);
        drop(d);
    }
}

static void refusals(void **state)
{
    (void)state;
    dataset *d = lines(11, 200, 2);
    prune_options p;
    prune_options_init(&p);
    p.train.epochs = 0;
    network *n = NULL, *less = NULL;
    train_options o = options_of(&shapes[9]); /* of 6 and 3 channels, of which 2 groups keep all */
    n = trained(d, &o);
    p.share = 0.5;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less),
                   "layer 1 of 6 channels, of which 6 go at a time, would vanish at 50 %");
    p.share = -1, p.look_ups = 60;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less), "would vanish, 145 are needed");
    network_destroy(n);
    o = options_of(&shapes[5]);
    n = trained(d, &o);
    n->layers[1].out_q.scale *= 2;
    p.look_ups = 100;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less), "adds up values of scales");
    n->layers[1].out_q.scale /= 2, n->layers[3].sources[1] = 1, n->layers[3].sources[2] = 2;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less), "that are no residual additions");
    assert_null(less);
    network_destroy(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_is_the_network), cmocka_unit_test(removal_is_exact),
                                       cmocka_unit_test(worth_by_definition), cmocka_unit_test(pruned),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
