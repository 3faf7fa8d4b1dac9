/* SPDX-License-Identifier: Apache-2.0 */
/* Hidden neurons made constant, and constant ones removed. */
#ifndef NN_SHRINK_H
#define NN_SHRINK_H

#include "nn/network.h"

/* Makes a hidden neuron, or channel, one that network_shrink removes: weights 0, and the bias at which it gives the
 * value nearest to value[0] of those that it can give. Where layers are waves, or not all are dense: no layer takes it
 * any more, and biases of single precision take up value (offsets), as it adds to the sums behind it, in a convolution
 * on average over the places. Scores behind it
 * take up value so, too. Of channels that go only together (ties.h) all are to be masked, or none. */
annulus_status network_mask(network *n, size_t layer, size_t neuron, const double *value)
    __attribute__((warn_unused_result));

/* A copy without the hidden neurons, or channels, that no layer takes, tied ones (ties.h) where none of them is taken,
 * of groups as many as all of them can lose; and in networks of dense layers without those
 * whose values are the same for every input of the layer's quantizer range, but in front of waves, where no bias of
 * single precision would be exact; one stays in each layer. Nothing else changes where nothing is taken. What constant
 * neurons gave goes into the biases of the next layer: for every sum of it that is possible or that a table with
 * rounding reads in place of one, each hidden neuron gives the same integers as before, by network_apply's formula and
 * by the one that tables are filled with. This is checked, neuron by neuron; biases, and weight scales where a bias
 * alone does not do, are single precision numbers that are chosen for it. Scores of the last layer keep their integer
 * sums up to a constant and get a bias rounded to single precision. *removed (may be NULL): neurons and channels.
 * ANNULUS_ERR_INFEASIBLE if no such bias is found. */
annulus_status network_shrink(const network *n, network **out, size_t *removed) __attribute__((warn_unused_result));
#endif
