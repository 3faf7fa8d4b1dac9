/* SPDX-License-Identifier: Apache-2.0 */
/* Hidden neurons made constant, and constant ones removed. */
#ifndef NN_SHRINK_H
#define NN_SHRINK_H

#include "nn/network.h"

/* A copy that owns all it holds. */
annulus_status network_copy(const network *n, network **out) __attribute__((warn_unused_result));

/* Weights 0 for a hidden neuron, and the bias at which it gives the values that are nearest to value (offsets), in
 * squares, of those that it can give. Else the network stays as it is. */
void network_mask(network *n, size_t layer, size_t neuron, const double *value);

/* A copy without the hidden neurons whose values are the same for every input of the layer's quantizer range, or that
 * no neuron of the next layer reads; one stays in each layer. What a removed neuron gave goes into the biases of the
 * next layer: for every sum of it that is possible or that a table with rounding reads in place of one, each hidden
 * neuron gives the same integers as before, by network_apply's formula and by the one that tables are filled with. This
 * is checked, neuron by neuron; biases, and weight scales where a bias alone does not do, are single precision numbers
 * that are chosen for it. Scores of the last layer keep their integer sums up to a constant and get a bias rounded to
 * single precision. *removed (may be NULL): neurons. ANNULUS_ERR_INFEASIBLE if no such bias is found. */
annulus_status network_shrink(const network *n, network **out, size_t *removed) __attribute__((warn_unused_result));
#endif
