/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"

#include "nn/plain.h"
#include "train/prune_priv.h"

#include <string.h>

#define SAMPLES 400u

/* 4 channels of 7 x 7, 6 of 3 x 3 with stride and padding, 8 neurons. */
static train_options convolutions(activation act)
{
    train_options o = small();
    o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1};
    o.conv[1] = (train_convolution){.channels = 6, .kernel = 4, .stride = 2, .padding = 1};
    o.conv_count = 2;
    o.hidden[0] = 8, o.hidden_count = 1;
    o.act = act, o.threads = 1, o.batch = 48;
    o.phase_noise = activation_is_wave(act) ? 0.01 : 0.1;
    if (activation_is_wave(act)) o.weight_bits = o.activation_bits = 8;
    o.epochs = 3;
    return o;
}

static network *trained(const dataset *d, const train_options *o)
{
    network *n = NULL;
    assert_ok(train_network(d, o, NULL, NULL, NULL, &n));
    return n;
}

static const int32_t *weights(const dense_layer *l, size_t *count)
{
    const linear_block *b = l->linear.blocks;
    *count = l->W != NULL ? l->in * l->out : b->rows * b->taps;
    return l->W != NULL ? l->W : b->W;
}

/* A model made from a network folds to the same one up to single precision. */
static void from_is_the_network(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 3; a++) {
        dataset *d = lines(3, SAMPLES, 1);
        train_options o = convolutions(acts[a]), own;
        network *n = trained(d, &o), *plain = NULL, *back = NULL;
        train_data t;
        train_model m;
        assert_ok(network_plain(n, (const size_t[]){1, LINES_SIDE, LINES_SIDE}, &plain));
        o.from = plain, o.conv_count = 0, o.hidden[0] = 5; /* the last two not looked at */
        assert_ok(train_from_options(d, &o, &own));
        assert_true(own.conv_count == 2 && own.hidden_count == 1 && own.conv[1].channels == 6 && own.hidden[0] == 8);
        assert_true(own.conv[1].kernel == 4 && own.conv[1].stride == 2 && own.conv[1].padding == 1);
        assert_ok(train_data_create(d, &own, 5, &t));
        assert_ok(train_model_create(&t, &own, 5, 1, &m));
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_fold(&m, &t, &back));
        for (size_t l = 0; l < n->layers_count; l++) {
            const dense_layer *x = &n->layers[l], *y = &back->layers[l];
            size_t count, other;
            const int32_t *W = weights(x, &count), *V = weights(y, &other);
            assert_int_equal(count, other);
            assert_memory_equal(W, V, count * sizeof *W);
            for (size_t i = 0; i < x->out; i++) {
                assert_true(fabs(x->w_scale[i] - y->w_scale[i]) < 1e-4 * x->w_scale[i]);
                assert_true(fabs(x->bias[i] - y->bias[i]) < 1e-4 * (1 + fabs(x->bias[i])));
            }
        }
        train_model_destroy(&m);
        train_data_destroy(&t);
        network_destroy(n), network_destroy(plain), network_destroy(back);
        drop(d);
    }
}

/* Values, or with `sums` what they are made of, of layer i for a sample. */
static void values_of(const network *n, size_t i, int sums, const float *x, double *y)
{
    network head = *n;
    dense_layer layers[4];
    memcpy(layers, n->layers, 4 * sizeof *layers);
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

/* By the definitions: a channel before a convolution, by its variance and the weights that take it over the deviation
 * of their sums; before the dense layer, by what its 9 places add to each sum. */
static void worth_by_definition(void **state)
{
    (void)state;
    dataset *d = lines(5, SAMPLES, 1);
    train_options o = convolutions(ACTIVATION_RELU), own;
    train_data t;
    o.validation = 0;
    network *n = trained(d, &o);
    static double y[4 * SAMPLES * 49], u[6 * SAMPLES * 9], v[SAMPLES * 54], h[8 * SAMPLES], added[SAMPLES];
    double one[6 * 49], worth[3][8], mean[3][8];
    for (size_t i = 0; i < SAMPLES; i++) {
        const float *x = d->x + i * d->features;
        values_of(n, 0, 0, x, one);
        for (size_t k = 0; k < 4 * 49; k++) y[(k / 49 * SAMPLES + i) * 49 + k % 49] = one[k];
        values_of(n, 1, 1, x, one);
        for (size_t k = 0; k < 54; k++) u[(k / 9 * SAMPLES + i) * 9 + k % 9] = one[k];
        values_of(n, 1, 0, x, v + i * 54);
        values_of(n, 2, 1, x, one);
        for (size_t k = 0; k < 8; k++) h[k * SAMPLES + i] = one[k];
    }
    o.from = n;
    prune_worth w[3] = {{worth[0], mean[0]}, {worth[1], mean[1]}, {worth[2], mean[2]}};
    assert_ok(train_from_options(d, &o, &own));
    assert_ok(train_data_create(d, &own, 5, &t));
    assert_ok(prune_worth_find(n, &t, &own, PRUNE_BY_ACTIVATION, 5, w));
    const linear_block *b = n->layers[1].linear.blocks;
    for (size_t c = 0; c < 4; c++) {
        double squares = 0, sum = 0;
        for (size_t k = 0; k < 6; k++)
            for (size_t tap = c * 16; tap < (c + 1) * 16; tap++)
                squares += pow(n->layers[1].w_scale[k * 9] * b->W[k * b->taps + tap], 2) /
                           variance_of(u + k * SAMPLES * 9, SAMPLES * 9);
        for (size_t k = 0; k < SAMPLES * 49; k++) sum += y[c * SAMPLES * 49 + k];
        const double expected = squares * variance_of(y + c * SAMPLES * 49, SAMPLES * 49);
        assert_true(fabs(worth[0][c] - expected) < 0.1 * expected); /* batches of 100 have moments of their own */
        assert_true(fabs(mean[0][c] - sum / (SAMPLES * 49)) < 0.05 * sum / (SAMPLES * 49));
    }
    const dense_layer *next = &n->layers[2];
    for (size_t c = 0; c < 6; c++) {
        double expected = 0;
        for (size_t k = 0; k < 8; k++) {
            for (size_t i = 0; i < SAMPLES; i++) {
                added[i] = 0;
                for (size_t p = c * 9; p < (c + 1) * 9; p++)
                    added[i] += next->w_scale[k] * next->W[k * 54 + p] * v[i * 54 + p];
            }
            expected += variance_of(added, SAMPLES) / variance_of(h + k * SAMPLES, SAMPLES);
        }
        assert_true(fabs(worth[1][c] - expected) < 0.1 * expected + 1e-9);
    }
    train_data_destroy(&t);
    network_destroy(n);
    drop(d);
}

/* Channels that nothing takes are worth nothing by what they do, and go first; what is left keeps its weights. */
static void worth_nothing(void **state)
{
    (void)state;
    dataset *d = lines(7, SAMPLES, 1);
    train_options o = convolutions(ACTIVATION_RELU);
    network *n = trained(d, &o);
    linear_block *b = &n->layers[1].linear.blocks[0];
    for (size_t k = 0; k < 6; k++) memset(b->W + k * b->taps + 16, 0, 16 * sizeof *b->W); /* channel 1 */
    for (size_t k = 0; k < 8; k++)
        memset(n->layers[2].W + k * 54 + 27, 0, 9 * sizeof(int32_t)); /* channel 3 of the second */
    for (int by = PRUNE_BY_ACTIVATION; by <= PRUNE_BY_TAYLOR; by++) {
        prune_options p;
        prune_report r;
        network *less = NULL;
        prune_options_init(&p);
        p.train.epochs = 0, p.train.threads = 1, p.train.batch = 48, p.look_ups = 4 * 49 + 6 * 9 + 8 - 49 - 9;
        p.by = (prune_by)by;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &less));
        assert_true(r.look_ups_before == 258 && r.look_ups <= 200 && r.idle == 2);
        assert_true(less->layers[0].out == 3 * 49 && less->layers[1].windows.channels == 3);
        assert_true(r.removed == r.before); /* what went did nothing */
        const dense_layer *first = &less->layers[0];
        for (size_t c = 0; c < 3; c++)
            assert_memory_equal(first->linear.blocks[0].W + 9 * c, n->layers[0].linear.blocks[0].W + 9 * (c + (c > 0)),
                                9 * sizeof(int32_t));
        network_destroy(less);
    }
    network_destroy(n);
    drop(d);
}

/* Channels and neurons go, classic and of waves; fine-tuning goes on from what is left; twice. */
static void pruned(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 2; a++) {
        dataset *d = lines(9, 2 * SAMPLES, 1);
        train_options o = convolutions(acts[a]);
        prune_options p;
        prune_report r;
        o.epochs = 10;
        network *n = trained(d, &o), *half = NULL, *less = NULL;
        prune_options_init(&p);
        p.train = o, p.train.epochs = 6, p.share = 0.5;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &half));
        assert_true(r.look_ups_before == 4 * 49 + 6 * 9 + 8 && r.look_ups == 2 * 49 + 3 * 9 + 4);
        assert_true(half->layers[1].windows.channels == 2 && half->layers[2].in == 27 && half->layers[3].in == 4);
        assert_true(r.before > 0.95 && r.after > 0.9 && share_right(half, d) > 0.9);
        p.share = -1, p.look_ups = 100, p.by = PRUNE_BY_TAYLOR;
        assert_ok(prune_network(half, d, &p, NULL, NULL, NULL, &r, &less));
        assert_true(r.look_ups <= 100 && less->layers[0].out == 49);
        network_destroy(n), network_destroy(half), network_destroy(less);
        drop(d);
    }
}

static void refusals(void **state)
{
    (void)state;
    dataset *d = lines(11, 200, 1);
    train_options o = convolutions(ACTIVATION_RELU);
    prune_options p;
    o.epochs = 1;
    network *n = trained(d, &o), *less = NULL;
    prune_options_init(&p);
    p.train.epochs = 0, p.share = 0.9;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less), "layer 1 of 4 channels would vanish");
    p.share = -1, p.look_ups = 58;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less), "would vanish, 59 are needed");
    p.look_ups = 100;
    n->layers[1].windows.channels = 0, n->layers[1].known = 0;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less), "layer 2 is neither dense nor");
    assert_null(less);
    network_destroy(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_is_the_network), cmocka_unit_test(worth_by_definition),
                                       cmocka_unit_test(worth_nothing), cmocka_unit_test(pruned),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
