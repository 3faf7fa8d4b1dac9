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
