/* SPDX-License-Identifier: Apache-2.0 */
/* Whether samples are enough to decide by: repeated ones count once. */
#ifndef NN_DISTINCT_H
#define NN_DISTINCT_H

#include "nn/network.h"

#define DISTINCT_LEAST 32u

/* *out: how many of the samples x (count, inputs) differ in the integers that the network's input quantizer makes of
 * them, counted up to `most` (by a hash: two that differ are taken for one with probability 2^-64). Numbers that are
 * not finite count as the least. */
annulus_status distinct_count(const network *n, const float *x, size_t count, size_t most, size_t *out)
    __attribute__((warn_unused_result));
/* ANNULUS_ERR_INPUT: fewer than `least` of the samples differ, where inputs of the network have twice as many values
 * or more; else fewer than half of these. purpose: "measure ranges"; remedy: " or ...", "" or what else helps. */
annulus_status distinct_check(const network *n, const float *x, size_t count, size_t least, const char *purpose,
                              const char *remedy) __attribute__((warn_unused_result));
#endif
