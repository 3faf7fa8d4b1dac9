/* SPDX-License-Identifier: Apache-2.0 */
/* Every number of bits: the trainer's integers are those of the file that is written, and of the circuit. */
#include "train_fixture.h"
#include "train_steps.h"

#include "circuit/exec.h"
#include "nn/lower.h"
#include "onnx/onnx_model.h"

#include <math.h>
#include <stdlib.h>

#define SAMPLES ((size_t)64)
#define FEATURES ((size_t)5)
#define BORDER 1e-4 /* steps of a value: nearer to a border single precision may round to either side */

/* Features of any size and sign, of which the class is one. */
static dataset *scattered(uint64_t seed)
{
    dataset *d = data_create(SAMPLES, FEATURES, 2);
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t f = 0; f < FEATURES; f++)
            d->x[i * FEATURES + f] = (float)((unit(&seed) + unit(&seed) + unit(&seed) - 1) * (double)(f + 1));
        d->label[i] = (int32_t)(i & 1);
    }
    return d;
}

static train_options of_bits(activation act, unsigned input, unsigned weight, unsigned value)
{
    train_options o;
    train_options_init(&o);
    o.hidden[0] = 6, o.hidden[1] = 4;
    o.act = act;
    o.input_bits = input, o.weight_bits = weight, o.activation_bits = value;
    o.layer_weight_bits[1] = weight > 8 ? weight : weight % 8 + 1; /* per layer */
    o.layer_acts_count = 2;
    for (size_t i = 0; i < 2; i++) o.layer_acts[i] = (train_activation){.act = act, .rise = 0.25, .bits = value};
    o.layer_acts[1].bits = 9 - value;
    o.phase_noise = 0, o.validation = 0, o.batch = SAMPLES, o.threads = 1;
    return o;
}

/* The network's integer of value v of layer l, where it is not near a border, is what the trainer quantized it to. */
static void same_integer(const train_layer *l, const dense_layer *d, double u, float y)
{
    const double v = dense_layer_act(d, 0, u), near = BORDER * d->out_q.scale;
    const double got = (double)y / d->out_q.scale;
    const int32_t lo = quantizer_integer(&d->out_q, v - near), hi = quantizer_integer(&d->out_q, v + near);
    assert_true(fabs(got - rint(got)) < 1e-3);
    assert_true(rint(got) >= lo && rint(got) <= hi);
    if (l->two) assert_true(fabs(rint(got)) == 1);
}

/* Every value of the forward pass from those before it, by the network. */
static void forward_is_network(const train_model *m, const train_data *t, const network *n)
{
    for (size_t k = 0; k < SAMPLES; k++) {
        const float *x = m->x + k * FEATURES;
        double unit_of = t->input.scale;
        for (size_t i = 0; i < m->layers; i++) {
            const train_layer *l = &m->layer[i];
            const dense_layer *d = &n->layers[i];
            for (size_t o = 0; o < l->out; o++) {
                double sum = 0;
                for (size_t f = 0; f < l->in; f++) sum += d->W[o * l->in + f] * rint((double)x[f] / unit_of);
                const double u = d->w_scale[o] * (sum * unit_of) + d->bias[o];
                if (l->last)
                    assert_true(fabs(u - (double)l->u[k * l->out + o]) < 1e-3 * (1 + fabs(u)));
                else
                    same_integer(l, d, u, l->y[k * l->out + o]);
            }
            x = l->y + k * l->values;
            unit_of = d->out_q.scale;
        }
    }
}

/* Answers of the trainer and of network n to data that it has not seen. */
static void same_answers(const network *n, const dataset *fresh, const train_options *options)
{
    train_options o = *options;
    train_data t;
    double y[2], all[2 * SAMPLES];
    o.from = n;
    assert_ok(train_data_create(fresh, &o, 7, &t));
    assert_ok(train_outputs(n, &t, t.order, SAMPLES, 1, 0, all));
    for (size_t k = 0; k < SAMPLES; k++) {
        assert_ok(network_apply(n, fresh->x + t.order[k] * FEATURES, y));
        for (size_t c = 0; c < 2; c++) assert_true(fabs(y[c] - all[2 * k + c]) < 1e-9 * (1 + fabs(y[c])));
    }
    train_data_destroy(&t);
}

/* Scores of the circuit, a cell for each sum. Returns whether there are parameters for tables of so many cells. */
static int circuit_is_network(const network *n, const dataset *fresh)
{
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = 0, o.ranges_measured = 0, o.log2_error = -5, o.families_most = 1;
    const annulus_status st = network_lower(n, fresh->x, SAMPLES, &o, &c);
    if (st == ANNULUS_ERR_INFEASIBLE) return 0;
    assert_ok(st);
    const circuit_layer *last = &c->layers[c->layers_count - 1];
    int32_t *q = calloc(SAMPLES * FEATURES, sizeof *q);
    double y[2], out[2 * SAMPLES];
    for (size_t k = 0; k < SAMPLES; k++) assert_ok(circuit_quantize(c, fresh->x + k * FEATURES, 1, q + k * FEATURES));
    assert_ok(exec_clear(c, q, SAMPLES, 1, out, NULL));
    for (size_t k = 0; k < SAMPLES; k++) {
        assert_ok(network_apply(n, fresh->x + k * FEATURES, y));
        for (size_t o2 = 0; o2 < 2; o2++) {
            const double real = last->real_scale[o2] * out[2 * k + o2] + last->real_bias[o2];
            assert_true(fabs(real - y[o2]) < 1e-6 * (1 + fabs(y[o2])));
        }
    }
    free(q);
    circuit_destroy(c);
    return 1;
}

/* Of a network with a few steps behind it, on all samples at once, so that statistics are those of folding. */
static int bits_are(const dataset *d, const dataset *fresh, const train_options *o, int compile)
{
    train_data t;
    train_model m;
    network *n = NULL, *read = NULL;
    uint8_t *bytes = NULL;
    size_t len;
    double loss;
    assert_ok(train_data_create(d, o, 5, &t));
    assert_ok(train_model_create(&t, o, 5, 1, &m));
    const train_source source = {.data = &t, .order = t.order};
    assert_ok(train_wave_start(&m, &source, SAMPLES));
    for (uint64_t step = 0; step < 3; step++) {
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_forward(&m, &source, SAMPLES, step, &loss));
        assert_ok(train_backward(&m, SAMPLES));
        assert_ok(train_adam(&m, 0.01, 0.01, step + 1));
    }
    assert_ok(train_weights_quantize(&m));
    assert_ok(train_forward(&m, &source, SAMPLES, 3, &loss));
    assert_ok(train_fold(&m, &t, &n));
    assert_ok(network_check(n));
    forward_is_network(&m, &t, n);
    assert_ok(onnx_model_encode(n, &bytes, &len));
    assert_ok(onnx_model_decode(bytes, len, "model", &read));
    same_linear_parts(n, read);
    for (size_t i = 0; i < 2; i++) {
        const quantizer *a = &n->layers[i].out_q, *b = &read->layers[i].out_q;
        assert_int_equal(a->bits, o->layer_acts[i].bits);
        assert_true(a->bits == b->bits && a->is_signed == b->is_signed && a->narrow == b->narrow &&
                    a->scale == b->scale);
    }
    assert_true(read->input.bits == o->input_bits && read->input.is_signed == (o->input_bits > 1));
    same_answers(read, fresh, o);
    const int compiled = compile && circuit_is_network(read, fresh);
    mem_free(bytes);
    network_destroy(n), network_destroy(read);
    train_model_destroy(&m);
    train_data_destroy(&t);
    return compiled;
}

static void every_number_of_bits(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_SIGN, ACTIVATION_TRAPEZOID};
    dataset *d = scattered(3), *fresh = scattered(4);
    int compiled = 0;
    for (unsigned input = 1; input <= 8; input++)
        for (unsigned weight = 1; weight <= 8; weight++)
            for (unsigned value = 1; value <= 8; value++)
                for (size_t a = 0; a < 4; a++) {
                    const train_options o = of_bits(acts[a], input, weight, value);
                    const int few = input + weight + value < 8 && a == (input + weight + value) % 3;
                    compiled += bits_are(d, fresh, &o, few);
                }
    assert_true(compiled >= 30);
    drop(d), drop(fresh);
}

/* Weights that are as wide as files hold, of tables and of waves. */
static void wide_weights(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_GELU, ACTIVATION_TRAPEZOID, ACTIVATION_SINE};
    dataset *d = scattered(3), *fresh = scattered(4);
    for (unsigned weight = 9; weight <= TRAIN_WEIGHT_BITS; weight++)
        for (size_t a = 0; a < 3; a++) {
            const train_options o = of_bits(acts[a], 4, weight, 4);
            (void)bits_are(d, fresh, &o, 0);
        }
    drop(d), drop(fresh);
}

/* Inside or outside of a cross through the means: inputs of one bit tell. */
static dataset *quarters(uint64_t seed, size_t count)
{
    dataset *d = data_create(count, 2, 2);
    for (size_t i = 0; i < count; i++) {
        const double x = 40 * unit(&seed), y = unit(&seed) - 0.5;
        d->x[2 * i] = (float)x, d->x[2 * i + 1] = (float)y;
        d->label[i] = (x > 20) ^ (y > 0);
    }
    return d;
}

/* Weights, inputs and values of one bit learn; so does going on from the file, and its values stay -1 and 1, or 0 and
 * 1. */
static void one_bit_learns(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_SIGN, ACTIVATION_SQUARE};
    dataset *d = quarters(5, 1500);
    for (size_t a = 0; a < 4; a++) {
        train_options o = small();
        network *n = NULL, *more = NULL;
        double validation = 0;
        const int wave = activation_is_wave(acts[a]);
        o.act = acts[a], o.hidden_count = 1, o.hidden[0] = 24;
        o.input_bits = o.weight_bits = o.activation_bits = 1, o.layer_weight_bits[1] = 4;
        if (wave) o.phase_noise = 0.02;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.93);
        assert_true(n->input.bits == 1 && !n->input.is_signed && n->layers[0].out_q.bits == 1);
        assert_true(n->layers[0].out_q.is_signed == (acts[a] != ACTIVATION_RELU));
        o.from = n, o.epochs = 3, o.learning_rate = 0.001;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.93);
        assert_memory_equal(&more->layers[0].out_q.bits, &n->layers[0].out_q.bits, sizeof(unsigned));
        network_destroy(n), network_destroy(more);
    }
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_number_of_bits), cmocka_unit_test(wide_weights),
                                       cmocka_unit_test(one_bit_learns)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
