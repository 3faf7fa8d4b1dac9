/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks of waves for tests. */
#ifndef TESTS_WAVE_FIXTURE_H
#define TESTS_WAVE_FIXTURE_H

#include "nn_fixture.h"

#include <math.h>

static inline void random_weights(uint64_t *seed, dense_layer *d, double w_scale)
{
    d->weight_bits = 4;
    for (size_t i = 0; i < d->in * d->out; i++) d->W[i] = (int32_t)(test_random(seed) % 15) - 7;
    for (size_t o = 0; o < d->out; o++) {
        d->w_scale[o] = w_scale;
        d->bias[o] = test_unit(seed) - 0.5;
    }
}

static inline function_operand fixture_value(size_t v)
{
    return (function_operand){.value = v};
}

static inline function_operand fixture_constant(double v)
{
    return (function_operand){.is_constant = 1, .constant = (double)(float)v};
}

/* centre + sin(2 pi u) + sin(6 pi u)/3, of amplitude 2 sqrt(2)/3. */
static inline function two_sines(double centre)
{
    function f = {.count = 6};
    f.steps[0] = (function_step){FUNCTION_MUL, {fixture_value(0), fixture_constant(2 * M_PI)}};
    f.steps[1] = (function_step){FUNCTION_SIN, {fixture_value(1)}};
    f.steps[2] = (function_step){FUNCTION_MUL, {fixture_value(1), fixture_constant(3)}};
    f.steps[3] = (function_step){FUNCTION_SIN, {fixture_value(3)}};
    f.steps[4] = (function_step){FUNCTION_DIV, {fixture_value(4), fixture_constant(3)}};
    f.steps[5] = (function_step){FUNCTION_ADD, {fixture_value(2), fixture_value(5)}};
    if (centre != 0) f.steps[f.count++] = (function_step){FUNCTION_ADD, {fixture_value(6), fixture_constant(centre)}};
    return f;
}

/* 1 + sin(2 pi (floor(16 u) + 1/2)/16): even for 1/16 of a period each. */
static inline function stairs(void)
{
    function f = {.count = 6};
    f.steps[0] = (function_step){FUNCTION_MUL, {fixture_value(0), fixture_constant(16)}};
    f.steps[1] = (function_step){FUNCTION_FLOOR, {fixture_value(1)}};
    f.steps[2] = (function_step){FUNCTION_ADD, {fixture_value(2), fixture_constant(0.5)}};
    f.steps[3] = (function_step){FUNCTION_MUL, {fixture_value(3), fixture_constant(M_PI / 8)}};
    f.steps[4] = (function_step){FUNCTION_SIN, {fixture_value(4)}};
    f.steps[5] = (function_step){FUNCTION_ADD, {fixture_value(5), fixture_constant(1)}};
    return f;
}

/* As random_network with weights of 4 bits; hidden layers have a wave, phases that spread over about 0.15 periods, and
 * values of `bits` bits. */
static inline network *wave_network(uint64_t *seed, const size_t *widths, size_t layers, activation act, size_t offsets,
                                    unsigned bits)
{
    network *n = NULL;
    double variance = 0.26; /* of the inputs of random_inputs, 1/3 of a triangle's values; 18.7 of the weights */
    size_t in = widths[0];
    assert_ok(network_create(widths[0], layers, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    for (size_t k = 0; k < layers; k++) {
        dense_layer *d = &n->layers[k];
        assert_ok(dense_layer_create(in, widths[k + 1], d));
        random_weights(seed, d, 0.15 / sqrt((double)in * variance * 18.7));
        if (k + 1 == layers) break;
        d->act = act;
        d->rise = 0.25;
        if (act == ACTIVATION_WAVE) d->own = two_sines(0);
        d->offsets = offsets;
        d->out_q = (quantizer){.scale = 2.0 / ((1 << bits) - 2), .bits = bits, .is_signed = 1, .narrow = 1};
        in = dense_layer_values(d);
        variance = 1.0 / 3;
    }
    assert_ok(network_set_labels(n, NULL, widths[layers]));
    assert_ok(network_check(n));
    return n;
}
#endif
