/* SPDX-License-Identifier: Apache-2.0 */
/* Linear operations on tensors as circuit_linear (circuit/linear.h): tensors are row-major, (channels, height, width);
 * one dimension is a height of 1. Everything here makes new linear parts, owned by the caller. */
#ifndef NN_GATHER_H
#define NN_GATHER_H

#include "circuit/linear.h"

/* Windows over (channels, size[0], size[1]). */
typedef struct gather_windows {
    size_t channels, size[2], kernel[2], stride[2], dilation[2];
    size_t pad[4]; /* zeros before in both dimensions, and behind */
} gather_windows;
/* Windows in both dimensions; ANNULUS_ERR_INPUT: there is none, or a number is 0 or too large. */
annulus_status gather_count(const gather_windows *g, size_t count[2]) __attribute__((warn_unused_result));
/* ANNULUS_ERR_INPUT: so many windows of `taps` values and with `rows` outputs each list more of either than memory is
 * taken for, 2^26. */
annulus_status gather_listed_check(size_t windows, size_t taps, size_t rows) __attribute__((warn_unused_result));
/* What a layer over such windows is called: "conv 5x5 stride 2 pad 1 dilation 2", "conv 5" of one dimension; strides of
 * 1, or of what is no convolution as wide as the kernel, no padding and dilations of 1 are left out. `one`: one
 * dimension. */
void gather_name(const gather_windows *g, const char *what, int one, char *out, size_t size);
/* W (rows, channels/groups, kernel[0], kernel[1]); outputs (rows, count[0], count[1]). groups divides both. */
annulus_status gather_convolution(const gather_windows *g, const int32_t *W, size_t rows, size_t groups,
                                  circuit_linear *out) __attribute__((warn_unused_result));
/* Sums of windows, outputs (channels, count[0], count[1]). */
annulus_status gather_sums(const gather_windows *g, circuit_linear *out) __attribute__((warn_unused_result));
/* Output i is `weight` times input from[i], or 0 for LINEAR_NOTHING. */
annulus_status gather_choice(const uint32_t *from, size_t count, int32_t weight, circuit_linear *out)
    __attribute__((warn_unused_result));
/* outer(inner(x)), `middle` values between them. Blocks are kept together where all places of one agree in which
 * weights its inputs were made with. ANNULUS_ERR_INPUT: a weight beyond LINEAR_MAX_WEIGHT. */
annulus_status gather_compose(const circuit_linear *outer, const circuit_linear *inner, size_t middle,
                              circuit_linear *out) __attribute__((warn_unused_result));
/* a(x) + b(x): the blocks of both, which are moved. */
annulus_status gather_join(circuit_linear *a, circuit_linear *b, circuit_linear *out)
    __attribute__((warn_unused_result));
/* Numbers of inputs, or outputs, from now on: map[number]. */
void gather_rename_inputs(circuit_linear *l, const uint32_t *map);
void gather_rename_outputs(circuit_linear *l, const uint32_t *map);
#endif
