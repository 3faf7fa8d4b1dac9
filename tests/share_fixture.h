/* SPDX-License-Identifier: Apache-2.0 */
/* Networks whose layers have the same sums, for tests. */
#ifndef TESTS_SHARE_FIXTURE_H
#define TESTS_SHARE_FIXTURE_H

#include "nn_fixture.h"

#define INPUTS 6u
#define NEURONS 5u
#define OUTPUTS 3u

/* What two layers make of the same sums: relu and their identity; relu of them and of their opposites; relu of them and
 * of them shifted; three functions; relu of them and of them shifted, and another function. */
enum { IDENTITY, OPPOSITE, SHIFTED, THREE, KINDS, PAIRED = KINDS };

static inline void fill_dense(uint64_t *seed, dense_layer *d, int32_t most)
{
    d->weight_bits = 4;
    for (size_t k = 0; k < d->in * d->out; k++)
        d->W[k] = (int32_t)(test_random(seed) % (uint64_t)(2 * most + 1)) - most;
    for (size_t o = 0; o < d->out; o++) d->w_scale[o] = 0.5, d->bias[o] = 0.25;
}

/* Layers of NEURONS sums of the input each, one that takes the values of all of them, and scores. */
static inline network *network_of(uint64_t *seed, int kind)
{
    static const activation third[] = {ACTIVATION_RELU, ACTIVATION_IDENTITY, ACTIVATION_TANH};
    static const activation paired[] = {ACTIVATION_RELU, ACTIVATION_RELU, ACTIVATION_TANH};
    const size_t branches = kind == THREE || kind == PAIRED ? 3 : 2;
    network *n = NULL;
    assert_ok(network_create(INPUTS, branches + 2, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    for (size_t i = 0; i < branches; i++) {
        dense_layer *d = &n->layers[i];
        assert_ok(dense_layer_create(INPUTS, NEURONS, d));
        fill_dense(seed, d, 3);
        for (size_t k = 0; kind == PAIRED && k < d->in * d->out; k++) /* ranges with a ramp and both plateaus */
            d->W[k] = k % 2 == 0 ? 2 + (int32_t)(k / d->in >> k % d->in / 2 & 1) : -d->W[k - 1];
        for (size_t k = 0; i > 0 && k < d->in * d->out; k++)
            d->W[k] = kind == OPPOSITE ? -n->layers[0].W[k] : n->layers[0].W[k];
        d->act = kind == THREE ? third[i] : kind == IDENTITY && i > 0 ? ACTIVATION_IDENTITY : ACTIVATION_RELU;
        if (kind == PAIRED) d->act = paired[i];
        for (size_t o = 0; (kind == SHIFTED || kind == PAIRED) && o < d->out; o++) d->bias[o] -= i == 0 ? 1 : 0.5;
        d->out_q = (quantizer){.scale = 0.25, .bits = 4, .is_signed = d->act != ACTIVATION_RELU};
        d->sources[0] = 0, d->sources_count = 1;
    }
    dense_layer *both = &n->layers[branches], *last = both + 1;
    assert_ok(dense_layer_create(branches * NEURONS, NEURONS, both));
    fill_dense(seed, both, 1);
    both->act = ACTIVATION_RELU;
    both->out_q = (quantizer){.scale = 1, .bits = 3};
    for (size_t i = 0; i < branches; i++) both->sources[i] = (uint32_t)(branches - i); /* the other way round */
    both->sources_count = branches;
    assert_ok(dense_layer_create(NEURONS, OUTPUTS, last));
    fill_dense(seed, last, 2);
    assert_ok(network_set_labels(n, NULL, OUTPUTS));
    assert_ok(network_check(n));
    return n;
}
#endif
