/* SPDX-License-Identifier: Apache-2.0 */
/* Which channels of a network that training made can go only together. Layers whose values are added up lose the same
 * channels. A convolution in groups keeps groups of one size: where each group takes and gives several channels, as
 * many go from every group, of what it takes and of what it gives by themselves; else whole groups go, with all that
 * they take and give. */
#ifndef NN_TIES_H
#define NN_TIES_H

#include "nn/network.h"

typedef struct network_ties {
    size_t set[NETWORK_MAX_LAYERS];    /* of each hidden layer: the first of those that lose channels with it */
    size_t units[NETWORK_MAX_LAYERS];  /* of each: the channels of a layer are so many runs of one length, one run of
                                          every layer of the set is a unit */
    size_t ranges[NETWORK_MAX_LAYERS]; /* of each: the units are so many runs of one length, and what goes at a time is
                                          one unit of every run; divides units */
} network_ties;
void network_ties_find(const network *n, network_ties *out);
/* What can go from the set of a layer, one behind the other: at least one of them stays. */
static inline size_t ties_steps(const network_ties *t, size_t layer)
{
    return t->units[layer] / t->ranges[layer];
}
#endif
