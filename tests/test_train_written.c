/* SPDX-License-Identifier: Apache-2.0 */
/* What was trained is what is read again from its ONNX file, and what its circuit computes. */
#include "train_fixture.h"

#include "circuit/exec.h"
#include "nn/lower.h"
#include "nn/plain.h"
#include "onnx/onnx_model.h"
#include "train/train.h"

#include <math.h>

#define SIDE 8
#define COUNT 60

static dataset *pictures(size_t channels)
{
    dataset *d = data_create(COUNT, channels * SIDE * SIDE, 3);
    uint64_t seed = 3;
    d->channels = channels, d->height = d->width = SIDE;
    for (size_t i = 0; i < COUNT * d->features; i++) d->x[i] = (float)(test_random(&seed) % 256);
    for (size_t i = 0; i < COUNT; i++) d->label[i] = (int32_t)(i % 3);
    return d;
}

typedef struct shape {
    size_t channels;
    activation act;
    size_t offsets, conv_count, hidden;
    train_convolution conv[4];
} shape;

static const shape shapes[] = {
    /* plain */
    {1, ACTIVATION_RELU, 1, 1, 4, {{.channels = 2, .kernel = 3, .stride = 2, .padding = 1}}},
    /* offsets in front of convolutions, averages and dense layers */
    {3,
     ACTIVATION_TRIANGLE,
     4,
     2,
     4,
     {{.channels = 2, .kernel = 2, .stride = 2}, {.channels = 3, .kernel = 3, .stride = 1}}},
    {1, ACTIVATION_SINE, 3, 1, 0, {{.channels = 2, .kernel = 3, .stride = 2, .pool = 3}}},
    {1, ACTIVATION_TRAPEZOID, 2, 1, 0, {{.channels = 2, .kernel = 3, .stride = 2}}},
    /* groups, values added twice, averages of both kinds */
    {2,
     ACTIVATION_TANH,
     1,
     4,
     0,
     {{.channels = 4, .kernel = 3, .stride = 1, .padding = 1},
      {.channels = 4, .kernel = 3, .stride = 1, .padding = 1, .groups = 2, .add = 1},
      {.channels = 4, .kernel = 1, .stride = 1, .groups = 4, .add = 1, .pool = 2},
      {.channels = 6, .kernel = 3, .stride = 1, .padding = 1, .pool = TRAIN_POOL_ALL}}},
    {3,
     ACTIVATION_SINE,
     2,
     3,
     5,
     {{.channels = 4, .kernel = 2, .stride = 2},
      {.channels = 4, .kernel = 3, .stride = 1, .padding = 1, .groups = 2, .add = 1},
      {.channels = 4, .kernel = 3, .stride = 1, .padding = 2, .groups = 4}}}};

/* The clear run of the circuit: of classic layers the network's scores, exactly; of waves as near as tables of 512
 * cells a period bring them. */
static void circuit_is_network(const network *n, const dataset *d, int waves)
{
    lower_options o;
    circuit *c = NULL;
    double acc[3], want[3], off = 0, all = 0;
    int32_t *q = calloc(d->features, sizeof *q);
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 0;
    assert_ok(network_lower(n, d->x, COUNT, &o, &c));
    const circuit_layer *last = circuit_last(c);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ok(circuit_quantize(c, d->x + i * d->features, 0, q));
        assert_ok(exec_clear(c, q, 1, 1, acc, NULL));
        assert_ok(network_apply(n, d->x + i * d->features, want));
        for (size_t k = 0; k < 3; k++) {
            const double got = last->real_scale[k] * acc[k] + last->real_bias[k];
            if (!waves) assert_true(fabs(got - want[k]) <= 1e-9 * (1 + fabs(want[k])));
            off += (got - want[k]) * (got - want[k]);
            all += (want[k] - want[0]) * (want[k] - want[0]);
        }
    }
    assert_true(off <= 2e-3 * all);
    free(q);
    circuit_destroy(c);
}

/* The layers of the file are known again as what they were. */
static void same_layers(const network *a, const network *b)
{
    same_linear_parts(a, b);
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_memory_equal(&x->average, &y->average, sizeof x->average);
        assert_memory_equal(&x->windows, &y->windows, sizeof x->windows);
    }
}

/* Scores, and so integers, are the same; one in 10^9 may be read with another scale in its last bit. */
static void comes_back(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        const shape *s = &shapes[k];
        dataset *d = pictures(s->channels);
        network *a = NULL, *b = NULL, *plain = NULL;
        uint8_t *bytes = NULL;
        size_t len = 0;
        double x[3], y[3];
        train_options o = small();
        memcpy(o.conv, s->conv, sizeof s->conv);
        o.conv_count = s->conv_count, o.hidden[0] = s->hidden, o.hidden_count = s->hidden > 0;
        o.act = s->act, o.offsets = s->offsets, o.epochs = 2, o.batch = 20, o.phase_noise = 0.01, o.validation = 0;
        o.weight_bits = o.activation_bits = activation_is_wave(s->act) ? 8 : 2;
        if (!activation_is_wave(s->act)) o.input_bits = 1;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &a));
        assert_ok(onnx_model_encode(a, &bytes, &len));
        assert_ok(onnx_model_decode(bytes, len, "model", &b));
        assert_int_equal(a->layers_count, b->layers_count);
        for (size_t l = 0; l < a->layers_count; l++) {
            assert_int_equal(a->layers[l].out, b->layers[l].out);
            assert_int_equal(a->layers[l].offsets, b->layers[l].offsets);
        }
        for (size_t i = 0; i < COUNT; i++) {
            assert_ok(network_apply(a, d->x + i * d->features, x));
            assert_ok(network_apply(b, d->x + i * d->features, y));
            for (size_t c = 0; c < 3; c++) assert_true(fabs(x[c] - y[c]) <= 1e-9 * (1 + fabs(x[c])));
        }
        circuit_is_network(b, d, activation_is_wave(s->act));
        assert_ok(network_plain(b, (const size_t[]){s->channels, SIDE, SIDE}, &plain));
        same_layers(a, plain);
        mem_free(bytes);
        network_destroy(a), network_destroy(b), network_destroy(plain);
        drop(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
