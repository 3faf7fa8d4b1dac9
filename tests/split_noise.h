/* SPDX-License-Identifier: Apache-2.0 */
/* Noise of split look-ups of all cells in turn. */
#ifndef TESTS_SPLIT_NOISE_H
#define TESTS_SPLIT_NOISE_H

#include "testing.h"

#include "optimizer/noise.h"
#include "tfhe/split.h"

#define SPLIT_NOISE_PARTS 64u

/* Variance of outputs, mean of all high parts, of which there are at most SPLIT_NOISE_PARTS; merged: noise_merge. */
static inline double split_mean_noise(const tfhe_params *low, const tfhe_params *high, uint32_t low_bits,
                                      const uint32_t *entries, uint32_t cells, double merged)
{
    split_amplified of[SPLIT_NOISE_PARTS];
    const uint32_t parts = cells >> low_bits;
    double sum = 0;
    assert_true(parts <= SPLIT_NOISE_PARTS);
    split_amplifies(low_bits, entries, cells, of);
    for (uint32_t h = 0; h < parts; h++) sum += noise_split(low, high, &of[h], merged);
    return sum / parts;
}
#endif
