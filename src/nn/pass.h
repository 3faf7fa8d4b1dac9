/* SPDX-License-Identifier: Apache-2.0 */
/* Passes: what takes parts out of a network and leaves its meaning as it is. Each holds for all inputs that the input
 * quantizer can give, by interval arithmetic over the integers, not for data; of a network without rounding every
 * integer behind a look-up stays what it was, and scores up to the rounding of doubles. */
#ifndef NN_PASS_H
#define NN_PASS_H

#include "nn/network.h"

/* A copy that owns all it holds, for passes: every layer gathered, its sources, channels and number given. */
annulus_status pass_copy(const network *n, network **out) __attribute__((warn_unused_result));

/* Each works on such a copy, in place, for which network_check holds before and afterwards; the last layer keeps its
 * outputs, any other one neuron at least, and the first its inputs. *count: what it took out. A failure,
 * ANNULUS_ERR_MEMORY, leaves a network that is fit for network_destroy alone. */
typedef annulus_status pass(network *n, size_t *count);
pass pass_dead;     /* neurons whose values no weight but 0 takes */
pass pass_constant; /* neurons whose values are the same for every input: they go into the constants of their readers */
pass pass_equal;    /* neurons that another one of their layer is equal to, in all but its number: one is read twice */
pass pass_layers;   /* whole layers that are constant, or that no weight but 0 takes, where the readers have others */

typedef struct pass_counts {
    size_t dead, constant, equal, layers;
} pass_counts;
/* All of them on a copy until they find no more. */
annulus_status network_simplify(const network *n, network **out, pass_counts *counts)
    __attribute__((warn_unused_result));
#endif
