/* SPDX-License-Identifier: Apache-2.0 */
/* Circuits of torus-native networks for tests. */
#ifndef TESTS_NATIVE_FIXTURE_H
#define TESTS_NATIVE_FIXTURE_H

#include "wave_fixture.h"

/* In one family of keys: the search is short. */
static inline circuit *lowered(const network *n, const float *x, size_t count, const lower_options *options)
{
    circuit *c = NULL;
    lower_options o = *options;
    o.families_most = 1;
    assert_ok(network_lower(n, x, count, &o, &c));
    return c;
}

/* A padded layer, a torus-native one and a padded one, and scores: every kind of neighbour. */
static inline network *mixed_network(uint64_t *seed)
{
    const size_t widths[] = {8, 6, 5, 4, 3};
    network *n = wave_network(seed, widths, 4, ACTIVATION_SINE, 1, 4);
    for (size_t i = 0; i < 4; i += 2) {
        dense_layer *d = &n->layers[i];
        d->act = ACTIVATION_TANH;
        d->out_q = (quantizer){.scale = 0.1, .bits = 3, .is_signed = 1};
        for (size_t o = 0; o < d->out; o++) d->w_scale[o] *= 1 + 0.2 * test_unit(seed), d->bias[o] /= 4;
    }
    for (size_t o = 0; o < 5; o++) n->layers[1].w_scale[o] = 0.13;
    assert_ok(network_check(n));
    return n;
}
#endif
