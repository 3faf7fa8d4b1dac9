/* SPDX-License-Identifier: Apache-2.0 */
/* Torus-native layers of a model's own functions. */
#include "native_fixture.h"

#include "math/torus.h"
#include "nn/wave.h"
#include "roles.h"

/* A wave of no name, about 1, of integers from 0 to 15: where phases are in the middle of what it makes even, the clear
 * circuit is the network bit for bit and so is the encrypted run: noise of 2^-8 at most, 8 deviations, changes no
 * value. 54 look-ups and 9 scores beyond 8 deviations: a false alarm has probability below 2^-43. */
static void test_own_wave_is_the_network(void **state)
{
    (void)state;
    enum { COUNT = 3, INPUTS = 8, SCORES = 3 };
    uint64_t seed = 32;
    const size_t widths[] = {INPUTS, 6, 5, SCORES};
    const layer_error exact = {"output", -40};
    network *n = wave_network(&seed, widths, 3, ACTIVATION_WAVE, 4, 4);
    for (size_t i = 0; i < 2; i++) {
        dense_layer *d = &n->layers[i];
        d->own = stairs();
        d->out_q = (quantizer){.scale = 2.0 / 15, .bits = 4};
        for (size_t o = 0; o < d->out; o++) {
            d->w_scale[o] = i == 0 ? 4 * 5.0 / 16 : 7.5 * 3.0 / 16;
            d->bias[o] = (2 * (double)(test_random(&seed) % 16) + 1) / 32;
        }
    }
    float *x = random_inputs(&seed, 100, INPUTS);
    lower_options o;
    lower_options_init(&o);
    o.phase_noise = 0x1p-10, o.output_bits = 16;
    o.layer_errors = &exact, o.layer_errors_count = 1;
    circuit *c = lowered(n, x, 100, &o);
    int32_t *q = quantize_all(c, x, 100);
    double clear[100 * SCORES], got[SCORES], want[SCORES];
    exec_stats stats = {0};
    assert_ok(exec_clear(c, q, 100, 2, clear, &stats));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(c->layers[i].mid2, 15);
        assert_true(c->layers[i].unit != 0 && c->choice.layers[i].phase_std < 0x1p-8);
        assert_string_equal(c->layers[i].activation, "wave");
    }
    for (size_t i = 0; i < 100; i++) {
        exec_values(c, clear + SCORES * i, got);
        assert_ok(network_apply(n, x + INPUTS * i, want));
        for (size_t k = 0; k < SCORES; k++) assert_true(fabs(got[k] - want[k]) < 1e-9);
    }
    encrypted_is_clear(c, q, COUNT, clear);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Quantized, a function is antiperiodic only if its centre is half an integer and nothing is cut off. */
static void test_what_is_antiperiodic(void **state)
{
    (void)state;
    const struct {
        double centre;
        quantizer q;
        int32_t mid2; /* INT32_MAX: it is not */
    } of[] = {{0, {.scale = 0.125, .bits = 5, .is_signed = 1}, 0},
              {0, {.scale = 0.125, .bits = 4, .is_signed = 1}, INT32_MAX},
              {1, {.scale = 0.125, .bits = 5}, 16},
              {1, {.scale = 2.0 / 15, .bits = 4}, 15},
              {1, {.scale = 0.13, .bits = 4}, INT32_MAX},
              {1.02, {.scale = 0.125, .bits = 5}, INT32_MAX},
              {1, {.scale = 0.0625, .bits = 4}, INT32_MAX},
              {0.5, {.scale = 0.125, .bits = 4, .is_signed = 1}, INT32_MAX},
              {0.5, {.scale = 0.125, .bits = 5, .is_signed = 1}, 8},
              {0.5, {.scale = 0.25, .bits = 4, .is_signed = 1, .zero = -1}, 4},
              {0, {.scale = 3, .bits = 4, .is_signed = 1}, INT32_MAX}, /* constant */
              {0, {.scale = 0x1p-15, .bits = 16, .is_signed = 1}, 0},
              {0, {.scale = 0.125, .bits = 4}, INT32_MAX}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const function f = two_sines(of[i].centre);
        int32_t mid2 = INT32_MAX;
        assert_int_equal(wave_is_antiperiodic(&f, &of[i].q, &mid2), of[i].mid2 != INT32_MAX);
        assert_int_equal(mid2, of[i].mid2);
    }
    function off = two_sines(0); /* a second harmonic of 1/20 */
    off.steps[2].in[1].constant = 2;
    off.steps[4].in[1].constant = 20;
    const quantizer q = of[0].q;
    int32_t mid2;
    assert_false(wave_is_antiperiodic(&off, &q, &mid2));
}

/* Layer 1, with weights of this scale, beside layer 0, and scores that take the values of both. */
static void side_by_side(uint64_t *seed, dense_layer d[3], double scale)
{
    const uint32_t first[] = {0}, both[] = {1, 2};
    dense_layer_clear(&d[1]);
    dense_layer_clear(&d[2]);
    assert_ok(dense_layer_create(6, 4, &d[1]));
    assert_ok(dense_layer_create(8, 3, &d[2]));
    random_weights(seed, &d[1], scale);
    random_weights(seed, &d[2], 0.1);
    memcpy(d[1].sources, first, sizeof first), d[1].sources_count = 1;
    memcpy(d[2].sources, both, sizeof both), d[2].sources_count = 2;
}

/* Where a torus-native layer would be refused, a wave of no name is a function with padding: beside classic layers that
 * take the same values, or waves in units of no plain ratio, and for answers that others may see. */
static void test_own_wave_with_padding(void **state)
{
    (void)state;
    enum { CLASSIC, RATIO, ALONE, SHOWN, WAYS };
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t seed = 33;
        const size_t widths[] = {6, 4, 4, 3};
        network *n = wave_network(&seed, widths, 3, ACTIVATION_WAVE, 1, 4);
        dense_layer *d = n->layers;
        side_by_side(&seed, d, way == RATIO ? 0.0171234 : d[0].w_scale[0]);
        d[1].act = way == CLASSIC ? ACTIVATION_RELU : ACTIVATION_WAVE;
        if (way != CLASSIC) d[1].own = two_sines(0);
        d[1].out_q = d[0].out_q;
        float *x = random_inputs(&seed, 100, 6);
        lower_options o;
        lower_options_init(&o);
        if (way == SHOWN) o.shared_output = 1, o.rounding_bits = 0, o.log2_error = -128;
        for (size_t k = 0; k < d[1].in * d[1].out; k++) d[1].W[k] = d[1].W[k] / 2 * 2; /* of one factor */
        circuit *c = lowered(n, x, 100, &o);
        for (size_t i = 0; way == ALONE && i < 2; i++) /* in the common unit, too, sums turn as those of the network */
            for (size_t k = 0; k < 24; k++) {
                const double turn = d[i].W[k] * d[i].w_scale[0] * 0.25;
                const uint64_t word = (uint64_t)(int64_t)weights_of(&c->layers[i])[k] * c->layers[i].unit;
                assert_true(fabs(torus_to_double(word - torus_from_double(turn))) < 0x1p-50);
            }
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(circuit_is_wave(&c->layers[i]), way == ALONE);
            if (way == SHOWN) assert_string_equal(c->layers[i].activation, "padded_wave");
        }
        circuit_destroy(c);
        free(x);
        network_destroy(n);
    }
}

/* Weights of 2000 have no room for the common unit of layers whose scales are 64 times each other's: waves of no name
 * get padded tables, others are refused; of half the ratio they are torus-native, and can be read from a file. */
static void test_common_unit_of_wide_weights(void **state)
{
    (void)state;
    enum { OWN, NAMED, HALF, WAYS };
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t seed = 34;
        const size_t widths[] = {6, 4, 4, 3};
        network *n = wave_network(&seed, widths, 3, way == OWN ? ACTIVATION_WAVE : ACTIVATION_TRIANGLE, 1, 4);
        dense_layer *d = n->layers;
        side_by_side(&seed, d, d[0].w_scale[0] / (way == HALF ? 32 : 64));
        d[0].weight_bits = 12, d[0].W[7] = 2000;
        d[1].act = d[0].act, d[1].rise = d[0].rise, d[1].own = d[0].own, d[1].out_q = d[0].out_q;
        assert_ok(network_check(n));
        float *x = random_inputs(&seed, 100, 6);
        lower_options o;
        circuit *c = NULL;
        lower_options_init(&o);
        o.families_most = 1;
        if (way == NAMED) {
            assert_refused(network_lower(n, x, 100, &o, &c),
                           "layer 1 shares values with other torus-native layers, and a common unit takes its weights "
                           "times 64, beyond 65536: give these layers weights of scales in a smaller ratio");
            assert_null(c);
        } else {
            writer w;
            circuit *back = NULL;
            c = lowered(n, x, 100, &o);
            for (size_t i = 0; i < 2; i++) assert_int_equal(circuit_is_wave(&c->layers[i]), way == HALF);
            if (way == HALF) assert_int_equal(weights_of(&c->layers[0])[7], 64000);
            writer_init(&w, 0);
            circuit_write(&w, c);
            reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
            assert_ok(circuit_read(&r, &back));
            writer_clear(&w);
            circuit_destroy(back);
            circuit_destroy(c);
        }
        free(x);
        network_destroy(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_wave_is_the_network), cmocka_unit_test(test_what_is_antiperiodic),
        cmocka_unit_test(test_own_wave_with_padding), cmocka_unit_test(test_common_unit_of_wide_weights)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
