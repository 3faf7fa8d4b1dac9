/* SPDX-License-Identifier: Apache-2.0 */
/* Values that torus-native layers and others take: a layer that is looked up twice. */
#include "native_fixture.h"

#include "roles.h"

#define INPUTS 6u
#define NEURONS 5u
#define OUTPUTS 3u
#define SAMPLES 40u

#define OFFSETS 2u

/* Layers of stairs, or relu: the second takes the values of the first, the third those of both. It is the scores or, if
 * the second has relu or the third is to have it, scores follow. All phases lie in the middle of a step. */
static network *residual(uint64_t seed, int relu)
{
    const size_t layers = relu == 0 ? 3 : 4;
    size_t values[3] = {INPUTS, 0, 0};
    network *n = NULL;
    assert_ok(network_create(INPUTS, layers, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    for (size_t i = 0; i < layers; i++) {
        dense_layer *d = &n->layers[i];
        const int last = i + 1 == layers, stairway = !last && (relu == 0 || (int)i != relu);
        assert_ok(dense_layer_create(i == 2 ? values[0] + values[1]
                                            : values[i == 0   ? 0
                                                     : i == 1 ? 0
                                                              : 2],
                                     last ? OUTPUTS : NEURONS, d));
        random_weights(&seed, d, last ? 0.5 : i == 0 ? 4 * 5.0 / 16 : 7.5 * 3.0 / 16);
        for (size_t o = 0; o < d->out; o++) d->bias[o] = (2 * (double)(test_random(&seed) % 16) + 1) / 32;
        if (i == 2) d->sources[0] = 1, d->sources[1] = 2, d->sources_count = 2;
        if (last) continue;
        d->out_q = (quantizer){.scale = 2.0 / 15, .bits = 4};
        d->act = stairway ? ACTIVATION_WAVE : ACTIVATION_RELU;
        if (stairway) d->own = stairs(), d->offsets = OFFSETS, d->noise = 0x1p-10;
        values[i] = dense_layer_values(d);
    }
    assert_ok(network_set_labels(n, NULL, OUTPUTS));
    assert_ok(network_check(n));
    return n;
}

static circuit *lowered_exactly(const network *n, const float *x)
{
    const layer_error exact = {"output", -40};
    lower_options o;
    lower_options_init(&o);
    o.log2_error = -40, o.output_bits = 16, o.ranges_measured = 0, o.rounding_bits = 0;
    o.layer_errors = &exact, o.layer_errors_count = 1;
    return lowered(n, x, SAMPLES, &o);
}

/* The circuit is the network bit for bit, and so is an encrypted run: noise of 2^-8 at most, 8 deviations, changes no
 * value, nor do look-ups that fail with 2^-40. At most 60 look-ups and 9 scores: a false alarm has probability below
 * 2^-33. */
static void test_is_the_network(void **state)
{
    (void)state;
    for (int relu = 0; relu < 3; relu++) {
        uint64_t seed = 7;
        network *n = residual((uint64_t)relu, relu);
        float *x = random_inputs(&seed, SAMPLES, INPUTS);
        circuit *c = lowered_exactly(n, x);
        int32_t *q = quantize_all(c, x, SAMPLES);
        double clear[SAMPLES * OUTPUTS], got[OUTPUTS], want[OUTPUTS];
        assert_int_equal(c->layers_count, n->layers_count + 1);
        assert_string_equal(c->layers[0].name, "layer 1");
        assert_string_equal(c->layers[1].name, "layer 1");
        assert_string_equal(c->layers[2].name, "layer 2");
        assert_ok(exec_clear(c, q, SAMPLES, 2, clear, NULL));
        for (size_t k = 0; k < SAMPLES; k++) {
            exec_values(c, clear + OUTPUTS * k, got);
            assert_ok(network_apply(n, x + INPUTS * k, want));
            for (size_t o = 0; o < OUTPUTS; o++) assert_true(fabs(got[o] - want[o]) < 1e-9);
        }
        encrypted_is_clear(c, q, 3, clear);
        circuit_destroy(c);
        network_destroy(n);
        free(q), free(x);
    }
}

/* Phases of the first two layers, and what the second ones differ by. */
typedef struct watched {
    double noise[SAMPLES][NEURONS];
    size_t equal, other;
} watched;

static void watch(void *context, const exec_seen *seen)
{
    watched *w = context;
    if (seen->layer == 0) w->noise[seen->sample][seen->neuron] = seen->noise;
    if (seen->layer == 1) *(seen->noise == w->noise[seen->sample][seen->neuron] ? &w->equal : &w->other) += 1;
}

/* Both rotate by the same ciphertexts: simulated errors of their phases are the same, too. */
static void test_simulated_alike(void **state)
{
    (void)state;
    uint64_t seed = 7;
    const seed256 random = {.b = {3}};
    network *n = residual(0, 0);
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    circuit *c = lowered_exactly(n, x);
    int32_t *q = quantize_all(c, x, SAMPLES);
    double out[SAMPLES * OUTPUTS];
    watched w = {.equal = 0};
    const exec_observer observer = {.seen = watch, .context = &w};
    assert_ok(exec_simulate_observed(c, q, SAMPLES, &random, 1, &observer, NULL, out, NULL));
    assert_int_equal(w.equal, SAMPLES * NEURONS);
    assert_int_equal(w.other, 0);
    circuit_destroy(c);
    network_destroy(n);
    free(q), free(x);
}

/* The input has one unit. */
static void test_input_is_refused(void **state)
{
    (void)state;
    uint64_t seed = 7;
    network *n = residual(0, 0);
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    n->layers[1].act = ACTIVATION_RELU, n->layers[1].own = (function){.count = 0}, n->layers[1].offsets = 1;
    n->layers[1].sources[0] = 0, n->layers[1].sources_count = 1, n->layers[1].in = INPUTS;
    n->layers[2].in = (OFFSETS + 1) * NEURONS;
    assert_ok(network_check(n));
    assert_refused(network_lower(n, x, SAMPLES, &o, &c), "take the same values, and one of them alone is torus-native");
    network_destroy(n);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_is_the_network), cmocka_unit_test(test_simulated_alike),
                                       cmocka_unit_test(test_input_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
