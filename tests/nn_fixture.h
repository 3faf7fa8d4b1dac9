/* SPDX-License-Identifier: Apache-2.0 */
/* Random networks and data for tests. */
#ifndef TESTS_NN_FIXTURE_H
#define TESTS_NN_FIXTURE_H

#include "testing.h"

#include "nn/lower.h"
#include <stdlib.h>

static inline double test_unit(uint64_t *seed)
{
    return (double)(test_random(seed) >> 11) * 0x1p-53;
}

/* Weights (out,in) of a dense layer. */
static inline int32_t *weights_of(const circuit_layer *l)
{
    return l->linear.blocks[0].W;
}

/* widths[0] inputs, then one layer per further width; weights of `bits` bits, inputs and activations of 3 bits. */
static inline network *random_network(uint64_t *seed, const size_t *widths, size_t layers, activation act,
                                      unsigned bits)
{
    network *n = NULL;
    assert_ok(network_create(widths[0], layers, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    for (size_t l = 0; l < layers; l++) {
        dense_layer *d = &n->layers[l];
        assert_ok(dense_layer_create(widths[l], widths[l + 1], d));
        const int last = l + 1 == layers;
        const int32_t most = (int32_t)(1 << (bits - 1)) - 1;
        d->weight_bits = bits;
        d->act = last ? ACTIVATION_IDENTITY : act;
        if (!last) d->out_q = (quantizer){.scale = 0.2, .bits = 3, .is_signed = act > ACTIVATION_SIGMOID || act == 0};
        for (size_t i = 0; i < d->in * d->out; i++)
            d->W[i] = (int32_t)(test_random(seed) % (uint64_t)(2 * most + 1)) - most;
        for (size_t o = 0; o < d->out; o++) {
            d->w_scale[o] = 0.1 + 0.1 * test_unit(seed);
            d->bias[o] = test_unit(seed) - 0.5;
        }
    }
    assert_ok(network_set_labels(n, NULL, widths[layers]));
    assert_ok(network_check(n));
    return n;
}

static inline float *random_inputs(uint64_t *seed, size_t count, size_t features)
{
    float *x = malloc(count * features * sizeof *x);
    for (size_t i = 0; i < count * features; i++) x[i] = (float)(1.75 * test_unit(seed));
    return x;
}

static inline int32_t *quantize_all(const circuit *c, const float *x, size_t count)
{
    int32_t *q = malloc(count * c->input.features * sizeof *q);
    for (size_t i = 0; i < count; i++)
        assert_ok(circuit_quantize(c, x + i * c->input.features, 0, q + i * c->input.features));
    return q;
}

/* Writes the circuit and expects it refused with the text. */
static inline void refused_as(const circuit *c, const char *text)
{
    circuit *back = NULL;
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
    assert_refused(circuit_read(&r, &back), text);
    assert_null(back);
    writer_clear(&w);
}
#endif
