/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/bootstrap.h"

/* The multiple of 2^(shift+v), v in [0, most], of least price/16 * 2^-v + (error in steps of 2^shift)^2. Times
 * 2^(2*shift) both terms are integers below 2^55: shift >= 10, shift + most <= 27. */
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

/* Of sorted fractions of a step of `unit`, the first of them 0, each is to be rounded down, or up from a bound on: the
 * bound for which the errors' variance is least, of bounds that are as good the lowest if `low`, else the highest.
 * count times the sum of squares and the square of the sum are below 2^61: unit <= 2^27, count <= 8. */
static uint32_t least_variance_bound(const uint32_t *sorted, size_t count, uint32_t unit, uint32_t low)
{
    int64_t sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum -= sorted[i], squares += (int64_t)sorted[i] * sorted[i];
    int64_t least = (int64_t)count * squares - sum * sum;
    uint32_t bound = unit;
    for (size_t i = count - 1; i > 0; i--) { /* this one up: -f becomes unit - f */
        sum += unit;
        squares += (int64_t)unit * ((int64_t)unit - 2 * (int64_t)sorted[i]);
        const int64_t now = (int64_t)count * squares - sum * sum;
        if (now < least + low) least = now, bound = sorted[i];
    }
    return bound;
}

/* Exponents of the patterns of g mask elements, in units of 2^shift; returns the sum of their errors. A pattern's sum
 * is rounded once, whichever way makes the errors over all patterns, the empty one's 0 included, differ least from
 * their mean: what the body is given is their mean. The fractions of a pattern and of its complement add up to the same
 * modulo 1, so that two bounds are always as good, and to prefer one would shift the phase by what depends on the key:
 * the last bit of an element, too small to matter elsewhere, chooses. */
static int64_t group_rounded(const uint32_t *in, unsigned g, unsigned shift, uint32_t mask, uint32_t *out)
{
    const size_t count = (size_t)1 << g;
    const uint32_t unit = UINT32_C(1) << shift;
    uint32_t sum[1u << TFHE_MAX_GROUP] = {0}, sorted[1u << TFHE_MAX_GROUP] = {0};
    for (size_t s = 1, at; s < count; s++) {
        sum[s] = sum[s & (s - 1)] + in[__builtin_ctzll(s)];
        const uint32_t fraction = sum[s] & (unit - 1);
        for (at = s; sorted[at - 1] > fraction; at--) sorted[at] = sorted[at - 1];
        sorted[at] = fraction;
    }
    const uint32_t bound = least_variance_bound(sorted, count, unit, in[0] & 1);
    int64_t drift = 0;
    for (size_t s = 1; s < count; s++) {
        const uint32_t y = (sum[s] >> shift) + ((sum[s] & (unit - 1)) >= bound);
        drift += (int32_t)((y << shift) - sum[s]);
        out[s - 1] = y & mask;
    }
    return drift;
}

/* Centered (ePrint 2025/809), from modulus 2^32: the rounding drift sum r_i s_i has the mean sum r_i / 2, that of a
 * group the mean of its patterns' errors, which goes into the body; 2^g times the body keeps its lower bits. The body
 * is truncated, as the tables expect (bootstrap.h). */
void modulus_switch_centered(const tfhe_params *p, uint32_t EF, uint32_t price, const uint32_t *in, uint32_t *out)
{
    const unsigned log2_EF = (unsigned)__builtin_ctz(EF), log2_w = 1 + (unsigned)__builtin_ctz(p->N) + log2_EF;
    REQUIRE(p->pbs_group == 1 || (EF == 1 && price == 0));
    const unsigned shift = 32 - log2_w, most = price == 0 ? 0 : log2_EF; /* no grid errs less than the finest */
    const uint32_t mask = (UINT32_C(1) << log2_w) - 1;
    const unsigned g = p->pbs_group;
    int64_t drift = 0;
    for (size_t i = 0; g == 1 && i < p->n; i++) {
        const uint32_t y = mask_rounded(in[i], shift, most, price);
        drift += (int32_t)(y - in[i]);
        out[i] = y >> shift;
    }
    for (size_t i = 0; g > 1 && i < tfhe_steps(p); i++)
        drift += group_rounded(in + i * g, g, shift, mask, out + i * tfhe_step_patterns(p));
    const uint64_t body = ((uint64_t)in[p->n] << g) + (uint64_t)drift;
    out[tfhe_exponents(p) - 1] = (uint32_t)(body >> (shift + g)) & mask;
}
