/* SPDX-License-Identifier: Apache-2.0 */
/* Regression of several targets of very different units, of tables and of images. */
#include "train_fixture.h"
#include "train_steps.h"

#include "onnx/onnx_model.h"
#include "train/prune.h"
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

/* Sum and difference of two features; with a side, of the brightness of the left and the upper half of pictures. */
static dataset *targets_of(uint64_t seed, size_t count, size_t side)
{
    dataset *d = data_create(count, side > 0 ? side * side : 2, 0);
    void *p;
    mem_free(d->y);
    assert_ok(mem_create(2 * count, sizeof(float), "targets", &p));
    d->y = p, d->targets = 2;
    d->height = d->width = side, d->channels = side > 0;
    for (size_t i = 0; i < count; i++) {
        const double a = unit(&seed), b = unit(&seed);
        float *x = d->x + i * d->features;
        if (side == 0) x[0] = (float)a, x[1] = (float)b;
        for (size_t k = 0; k < side * side; k++)
            x[k] = (float)floor(30 * unit(&seed) + 110 * (k % side < side / 2 ? a : 1) +
                                110 * (k < side * side / 2 ? b : 1));
        d->y[2 * i] = (float)(1000 * (a - b));
        d->y[2 * i + 1] = (float)(a + b);
    }
    return d;
}

static void gradients_are_differences(void **state)
{
    (void)state;
    dataset *d = targets_of(3, 70, 0);
    train_options o = small();
    train_data t;
    train_model m;
    o.act = ACTIVATION_TANH, o.phase_noise = 0, o.validation = 0, o.batch = 70;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 0, &m));
    train_gradients(&m, &t);
    for (size_t l = 0; l < m.layers; l++)
        for (size_t i = 0; i < 12; i++) {
            param *p = i % 2 ? &m.layer[l].w : &m.layer[l].beta;
            const float g = p->g[i * 5 % p->n];
            const double slope = train_slope(&m, &p->x[i * 5 % p->n], 0.002f);
            assert_true(fabs(slope - (double)g) < 0.02 * fabs(slope) + 3e-4); /* of float32 sums */
        }
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

/* R^2 of a target. */
static double determination(const network *n, const dataset *d, size_t o)
{
    double mean = 0, off = 0, spread = 0, y[2];
    for (size_t i = 0; i < d->count; i++) mean += (double)d->y[2 * i + o] / (double)d->count;
    for (size_t i = 0; i < d->count; i++) {
        const double truth = (double)d->y[2 * i + o];
        assert_ok(network_apply(n, d->x + d->features * i, y));
        off += (y[o] - truth) * (y[o] - truth);
        spread += (truth - mean) * (truth - mean);
    }
    return 1 - off / spread;
}

/* Both are learned, whatever their units; written, read, gone on from, pruned. */
static void learns_both(void **state)
{
    (void)state;
    static char *names[] = {"difference", "sum"};
    for (size_t side = 0; side <= 8; side += 8) {
        dataset *d = targets_of(7, side == 0 ? 1200 : 900, side);
        train_options o = small();
        network *n = NULL, *same = NULL, *more = NULL, *less = NULL;
        double validation = 0;
        prune_options p;
        uint8_t *bytes = NULL;
        size_t len = 0;
        d->target_names = names;
        o.input_bits = 6, o.weight_bits = o.activation_bits = 5;
        if (side > 0) {
            o.conv[0] = (train_convolution){.channels = 4, .kernel = 4, .stride = 4};
            o.conv_count = 1, o.hidden_count = 1;
        }
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.9 && n->task == NETWORK_REGRESSION);
        assert_string_equal(n->labels[1], "sum");
        for (size_t k = 0; k < 2; k++) assert_true(determination(n, d, k) > 0.9);
        assert_ok(onnx_model_encode(n, &bytes, &len));
        assert_ok(onnx_model_decode(bytes, len, "model", &same));
        for (size_t k = 0; k < 2; k++) assert_true(determination(same, d, k) == determination(n, d, k));
        o.from = n, o.epochs = 2, o.learning_rate = 1e-3;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.9);
        prune_options_init(&p);
        p.train = o, p.train.epochs = 4, p.share = 0.25;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &less));
        for (size_t k = 0; k < 2; k++) assert_true(determination(less, d, k) > 0.7);
        network_destroy(n), network_destroy(same), network_destroy(more), network_destroy(less);
        mem_free(bytes);
        d->target_names = NULL;
        drop(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_differences), cmocka_unit_test(learns_both)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
