/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of accumulators, wide or narrow as their parameters say, from the coefficients of their polynomials. */
#ifndef TESTS_ACCUMULATOR_H
#define TESTS_ACCUMULATOR_H

#include "tfhe/bootstrap_priv.h"

#include <string.h>

/* part (rotation_words) <- the polynomials of `from` (k+1, N). */
static inline void accumulator_pack(const tfhe_params *p, uint64_t *part, const uint64_t *from)
{
    const fft_gadget g = pbs_gadget(p);
    const size_t N = p->N;
    for (size_t c = 0; c <= p->k; c++, from += N, part += fft_accumulator_words(N, &g)) {
        for (size_t i = 0; i < N / 2 && g.narrow; i++) part[i] = fft_narrow_pair(from[i], from[i + N / 2]);
        if (g.narrow)
            memcpy(part + N / 2, part, FFT_NARROW_PAD * sizeof *part);
        else
            memcpy(part, from, N * sizeof *part);
    }
}
#endif
