/* SPDX-License-Identifier: Apache-2.0 */
/* How wide the integer sums of a network can get. */
#ifndef NN_SUMS_H
#define NN_SUMS_H

#include "nn/network.h"

typedef struct layer_sums {
    int64_t values; /* that the sum of the widest neuron can take at most: its largest less its least, plus 1 */
    unsigned bits;  /* that hold so many: the least B with values <= 2^B */
    size_t weights, nonzero;
} layer_sums;

/* Largest less least integer that arrives at a layer, by the quantizers before it and, where these have several scales,
 * their factors (network_factors). */
int64_t network_reach(const network *n, size_t layer);
/* Proven from the integer weights, for inputs anywhere in their quantizer's range; biases are no part of the sums. Of
 * layers that are not dense the widest rows of all blocks count together, those of groups of channels each by itself,
 * and every weight once. */
layer_sums network_sums(const network *n, size_t layer);
#endif
