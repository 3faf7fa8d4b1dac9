/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/bootstrap.h"

/* The multiple of 2^(shift+v), v in [0, most], of least price/16 * 2^-v + (error in steps of 2^shift)^2. Times
 * 2^(2*shift) both terms are integers below 2^46: shift >= 10, shift + most <= 23. */
static uint32_t mask_rounded(uint32_t x, unsigned shift, unsigned most, uint32_t price)
{
    uint64_t least = UINT64_MAX;
    uint32_t best = 0;
    for (unsigned v = 0; v <= most; v++) {
        const uint32_t grid = UINT32_C(1) << (shift + v), y = (x + grid / 2) & -grid;
        const int64_t e = (int32_t)(y - x);
        const uint64_t loss = (uint64_t)(e * e) + ((uint64_t)price << (2 * shift - 4 - v));
        if (loss < least) least = loss, best = y;
    }
    return best;
}

/* tfhe.md 2.6, from modulus 2^32: the rounding drift sum r_i s_i has the mean sum r_i / 2, which goes into the body;
 * twice the body keeps its half bit. The body is truncated, as the tables expect (bootstrap.h). */
void modulus_switch_centered(const tfhe_params *p, uint32_t EF, uint32_t price, const uint32_t *in, uint32_t *out)
{
    const unsigned log2_EF = (unsigned)__builtin_ctz(EF), log2_w = 1 + (unsigned)__builtin_ctz(p->N) + log2_EF;
    const unsigned shift = 32 - log2_w, most = price == 0 ? 0 : log2_EF; /* no grid errs less than the finest */
    const uint32_t mask = (UINT32_C(1) << log2_w) - 1;
    int64_t drift = 0;
    for (size_t i = 0; i < p->n; i++) {
        const uint32_t y = mask_rounded(in[i], shift, most, price);
        drift += (int32_t)(y - in[i]);
        out[i] = y >> shift;
    }
    const uint64_t twice = 2 * (uint64_t)in[p->n] + (uint64_t)drift;
    out[p->n] = (uint32_t)(twice >> (shift + 1)) & mask;
}
