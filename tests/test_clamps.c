/* SPDX-License-Identifier: Apache-2.0 */
/* Clamped functions as waves. */
#include "wave_fixture.h"

#include "circuit/audit.h"
#include "math/torus.h"
#include "roles.h"

#define SAMPLES 64

static lower_options options_of(double phase_noise)
{
    lower_options o;
    lower_options_init(&o);
    o.families_most = 1, o.phase_noise = phase_noise, o.wrap_clamps = 1;
    return o;
}

/* 1.5 in [-0.3, 0.4), 1 above and -1 below it: the mirror image of integers from 0 on is below 0. */
static function hat(void)
{
    function f = {.count = 4};
    f.steps[0] = (function_step){FUNCTION_LESS, {fixture_value(0), fixture_constant(0.4)}};
    f.steps[1] = (function_step){FUNCTION_WHERE, {fixture_value(1), fixture_constant(1.5), fixture_constant(1)}};
    f.steps[2] = (function_step){FUNCTION_LESS, {fixture_value(0), fixture_constant(-0.3)}};
    f.steps[3] = (function_step){FUNCTION_WHERE, {fixture_value(3), fixture_constant(-1), fixture_value(2)}};
    return f;
}

/* A layer of this act of 5 neurons with weights of one scale, about the middle of whose sums the
 * function changes; 3 scores. */
static network *clamp_network(uint64_t *seed, activation act, double w_scale, size_t inputs)
{
    const size_t widths[] = {inputs, 5, 3};
    network *n = wave_network(seed, widths, 2, ACTIVATION_TRIANGLE, 1, 4);
    dense_layer *d = &n->layers[0];
    d->act = act;
    if (act == ACTIVATION_FUNCTION) {
        d->own = (function){.count = 1};
        d->own.steps[0] =
            (function_step){FUNCTION_CLIP, {fixture_value(0), fixture_constant(-0.25), fixture_constant(0.5)}};
    }
    const int is_signed = act != ACTIVATION_RELU && act != ACTIVATION_HARD_SIGMOID;
    d->out_q = (quantizer){
        .scale = act == ACTIVATION_RELU ? 0.25 : 1.0 / 7, .bits = 3 + (unsigned)is_signed, .is_signed = is_signed};
    for (size_t o = 0; o < d->out; o++) {
        double middle = 0;
        for (size_t i = 0; i < inputs; i++) middle += d->W[o * inputs + i] * 3.5 * 0.25;
        d->w_scale[o] = w_scale;
        d->bias[o] = -w_scale * middle + 0.2 * test_unit(seed);
    }
    return n;
}

static circuit *lowered(const network *n, const float *x, const lower_options *o)
{
    circuit *c = NULL;
    assert_ok(network_lower(n, x, SAMPLES, o, &c));
    return c;
}

/* Every sum that a neuron can have, at noise 0: the integer is that of the function itself, without any wrapping, in
 * the middle of the cell that the sum lies in, and of the sum where the function is level around it. */
static void all_sums(const circuit_layer *l, const dense_layer *d, double unit, size_t *wrapped)
{
    const double period = d->w_scale[0] * unit / l->real_scale[0];
    for (size_t o = 0; o < l->out; o++) {
        int32_t ends[2];
        for (int64_t acc = l->proven_lo[o]; acc <= l->proven_hi[o]; acc++) {
            int32_t y;
            exec_clear_look_up(l, o, acc, &y);
            const double u = d->w_scale[o] * unit * (double)acc + d->bias[o];
            const uint64_t phase = (uint64_t)acc * l->unit + l->shift[o];
            const double cell = (double)((phase + (UINT64_C(1) << 31)) >> 55);
            const double turns = rint((u / period * 512 - 0.5 - cell) / 512),
                         at = (cell + 0.5 + 512 * turns) / 512 * period;
            assert_true(fabs(at - u) < 0.51 * period / 512);
            assert_int_equal(y, quantizer_integer(&d->out_q, dense_layer_act(d, o, at)));
            for (int side = 0; side < 2; side++)
                ends[side] = quantizer_integer(&d->out_q, dense_layer_act(d, o, u + (side ? 1 : -1) * period / 512));
            if (ends[0] == ends[1] && activation_is_monotone(d->act))
                assert_int_equal(y, quantizer_integer(&d->out_q, dense_layer_act(d, o, u)));
            *wrapped += turns != 0;
        }
    }
}

static void test_all_sums(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_HARD_TANH, ACTIVATION_RELU, ACTIVATION_HARD_SIGMOID,
                                      ACTIVATION_SIGN,      ACTIVATION_TANH, ACTIVATION_FUNCTION,
                                      ACTIVATION_IDENTITY};
    size_t wrapped = 0, factor = 0;
    uint64_t seed = 41;
    for (size_t a = 0; a <= sizeof acts / sizeof *acts; a++)
        for (size_t wide = 0; wide < 2; wide++) {
            const activation act = acts[a % (sizeof acts / sizeof *acts)];
            network *n = clamp_network(&seed, act, (wide ? 0.4 : 0.1) * (act == ACTIVATION_HARD_SIGMOID ? 3 : 1), 10);
            if (a == sizeof acts / sizeof *acts) /* the first once more */
                n->layers[0].out_q = (quantizer){.scale = 0.5, .bits = 1, .is_signed = 1, .narrow = 1};
            float *x = random_inputs(&seed, SAMPLES, 10);
            lower_options o = options_of(0x1p-6);
            circuit *c = lowered(n, x, &o);
            const circuit_layer *l = &c->layers[0];
            assert_true(circuit_is_wave(l) && l->noise == 0x1p-6 && circuit_last(c)->noise > 0);
            all_sums(l, &n->layers[0], 0.25, &wrapped);
            factor += l->mid2 != 0;
            o.wrap_clamps = 0;
            circuit *padded = lowered(n, x, &o);
            assert_true(padded->layers[0].unit == 0 && padded->choice.seconds > c->choice.seconds);
            circuit_destroy(padded);
            circuit_destroy(c);
            free(x);
            network_destroy(n);
        }
    assert_true(wrapped > 100 && factor > 4);
}

/* Where no parameters hold them padded, they are waves. */
static void test_waves_alone(void **state)
{
    (void)state;
    uint64_t seed = 43;
    network *n = clamp_network(&seed, ACTIVATION_HARD_TANH, 0.1, 40);
    float *x = random_inputs(&seed, SAMPLES, 40);
    lower_options o = options_of(0x1p-6);
    circuit *c = NULL;
    o.rounding_bits = 0, o.log2_error = -500, o.ranges_measured = 0, o.wrap_clamps = 0;
    assert_int_equal(network_lower(n, x, SAMPLES, &o, &c), ANNULUS_ERR_INFEASIBLE);
    o.wrap_clamps = 1;
    c = lowered(n, x, &o);
    assert_true(circuit_is_wave(&c->layers[0]));
    circuit_destroy(c);
    free(x);
    network_destroy(n);
}

/* At the parameters that are chosen the encrypted run follows the model (false alarm 1e-6). */
static void test_encrypted(void **state)
{
    (void)state;
    enum { INPUTS = 10, COUNT = 6 };
    uint64_t seed = 42;
    network *n = clamp_network(&seed, ACTIVATION_HARD_TANH, 0.2, INPUTS);
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    const lower_options o = options_of(0x1p-6);
    circuit *c = lowered(n, x, &o);
    int32_t *q = quantize_all(c, x, COUNT);
    double out[3][COUNT * 3];
    const seed256 noise = {{7}};
    audit_model model;
    audit *a = NULL;
    roles r;
    roles_create(&r, c);
    audit_model_init(c, &model);
    assert_ok(audit_create(c, &model, r.eval, r.secret, q, COUNT, &noise, 0, NULL, out[0], out[1], out[2], &a));
    assert_int_equal(a->rejected, 0);
    assert_true(circuit_is_wave(&c->layers[0]));
    audit_destroy(a);
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* A second layer on the inputs of the first, of the same weights or others, and scores of both. */
static network *beside(uint64_t *seed, activation act, int same_sums)
{
    network *n = clamp_network(seed, ACTIVATION_HARD_TANH, 0.2, 10), *made = NULL;
    const uint32_t both[] = {1, 2};
    assert_ok(network_create(10, 3, &made));
    made->input = n->input;
    dense_layer *d = made->layers;
    assert_ok(dense_layer_copy(&n->layers[0], &d[0]));
    assert_ok(dense_layer_copy(&n->layers[0], &d[1]));
    assert_ok(dense_layer_create(10, 3, &d[2]));
    random_weights(seed, &d[2], 0.1);
    d[1].act = act;
    if (!same_sums) random_weights(seed, &d[1], act == ACTIVATION_TRIANGLE ? 0.031 : 0.3);
    if (act == ACTIVATION_TRIANGLE) d[1].out_q = (quantizer){.scale = 1.0 / 7, .bits = 4, .is_signed = 1, .narrow = 1};
    d[1].sources[0] = 0, d[1].sources_count = 1;
    memcpy(d[2].sources, both, sizeof both), d[2].sources_count = 2;
    assert_ok(network_set_labels(made, NULL, 3));
    network_destroy(n);
    return made;
}

/* Several functions of one sum, and next to torus-native layers: all are waves, of one unit. */
static void test_beside(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_SIGN, ACTIVATION_TRIANGLE, ACTIVATION_HARD_TANH};
    for (size_t a = 0; a < 3; a++) {
        uint64_t seed = 43 + a;
        network *n = beside(&seed, acts[a], acts[a] == ACTIVATION_SIGN);
        float *x = random_inputs(&seed, SAMPLES, 10);
        const lower_options o = options_of(0x1p-6);
        circuit *c = lowered(n, x, &o);
        assert_true(circuit_is_wave(&c->layers[0]) && circuit_is_wave(&c->layers[1]));
        assert_true(c->layers[0].unit == c->layers[1].unit);
        size_t wrapped = 0;
        for (size_t i = 0; i < 2; i++) {
            const dense_layer *d = &n->layers[i];
            size_t k = 0;
            while (d->W[k] == 0) k++;
            const int32_t times = c->layers[i].linear.blocks[0].W[k] / d->W[k];
            if (!activation_is_wave(d->act)) all_sums(&c->layers[i], d, 0.25 / times, &wrapped);
        }
        circuit_destroy(c);
        free(x);
        network_destroy(n);
    }
}

/* Of two functions of one sum one can be no wave: neither becomes one, and the layer that takes both does. */
static void test_group_apart(void **state)
{
    (void)state;
    uint64_t seed = 47;
    network *two = beside(&seed, ACTIVATION_SIGN, 1), *n = NULL;
    const uint32_t both[] = {1, 2};
    assert_ok(network_create(10, 4, &n));
    n->input = two->input;
    dense_layer *d = n->layers;
    for (size_t i = 0; i < 2; i++) assert_ok(dense_layer_copy(&two->layers[i], &d[i]));
    d[1].act = ACTIVATION_FUNCTION, d[1].own = hat(), d[1].out_q = (quantizer){.scale = 0.25, .bits = 3};
    d[0].out_q.scale = 0.25;
    assert_ok(dense_layer_create(10, 5, &d[2]));
    random_weights(&seed, &d[2], 0.2);
    d[2].act = ACTIVATION_HARD_TANH, d[2].out_q = d[0].out_q;
    memcpy(d[2].sources, both, sizeof both), d[2].sources_count = 2;
    assert_ok(dense_layer_create(5, 3, &d[3]));
    random_weights(&seed, &d[3], 0.1);
    assert_ok(network_set_labels(n, NULL, 3));
    float *x = random_inputs(&seed, SAMPLES, 10);
    const lower_options o = options_of(0x1p-6);
    circuit *c = lowered(n, x, &o);
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        assert_int_equal(circuit_is_wave(&c->layers[i]), i + 2 == c->layers_count);
    circuit_destroy(c);
    free(x);
    network_destroy(n);
    network_destroy(two);
}

/* What stays with padding, and what is refused. */
static void test_others(void **state)
{
    (void)state;
    enum { SCALES, NAMED, NO_PLATEAU, HAT, BESIDE_SMOOTH, WAYS };
    const layer_rounding rounding = {.layer = "layer 1", .bits = 5};
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t seed = 50;
        network *n = way == BESIDE_SMOOTH
                         ? beside(&seed, ACTIVATION_IDENTITY, 0)
                         : clamp_network(&seed, ACTIVATION_HARD_TANH, way == NO_PLATEAU ? 0.02 : 0.2, 10);
        float *x = random_inputs(&seed, SAMPLES, 10);
        lower_options o = options_of(0x1p-6);
        if (way == SCALES) n->layers[0].w_scale[2] *= 1.25;
        if (way == NAMED) o.layer_roundings = &rounding, o.layer_roundings_count = 1;
        if (way == HAT)
            n->layers[0].act = ACTIVATION_FUNCTION, n->layers[0].own = hat(),
            n->layers[0].out_q = (quantizer){.scale = 0.25, .bits = 3};
        if (way == BESIDE_SMOOTH) n->layers[1].w_scale[0] *= 1.5;
        circuit *c = lowered(n, x, &o);
        assert_true(c->layers[0].unit == 0);
        circuit_destroy(c);
        c = NULL;
        o.phase_noise = 0;
        assert_refused(network_lower(n, x, SAMPLES, &o, &c), "give a phase noise");
        assert_null(c);
        free(x);
        network_destroy(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_sums),    cmocka_unit_test(test_waves_alone),
                                       cmocka_unit_test(test_encrypted),   cmocka_unit_test(test_beside),
                                       cmocka_unit_test(test_group_apart), cmocka_unit_test(test_others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
