/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NN_SHRINK_PRIV_H
#define NN_SHRINK_PRIV_H

#include "nn/shrink.h"

/* The layers that take values of a hidden neuron, or channel, take them no more; their biases, of single precision,
 * take up value (offsets) as it adds to their sums, in a convolution on average over the places. */
annulus_status shrink_leave_unread(network *n, size_t layer, size_t neuron, const double *value)
    __attribute__((warn_unused_result));
/* A copy without the neurons and channels of hidden layers that no layer takes, as they are tied (ties.h); one at least
 * stays in each layer. */
annulus_status shrink_unread(const network *n, network **out, size_t *removed) __attribute__((warn_unused_result));
#endif
