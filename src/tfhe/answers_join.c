/* SPDX-License-Identifier: Apache-2.0 */
/* A phase from multiples of it that have noise: the nearest point of the closed line (m_1 x, ..., m_T x) modulo 1, of
 * variance 1/|m|^2 of theirs. The line passes the torus |m| times; which time is found by trying all: what is nearest
 * to the parts in each coordinate changes where a part is half a period from m_t x, so both sides of all these x are
 * all there is. No branches, no divisions: constant time in the phases. */
#include "tfhe/answers_priv.h"

/* To each side of where a coordinate changes, 2^-28 of a period: far more than what is rounded here, and less than any
 * stretch between two changes in which the nearest point could lie. */
#define ASIDE 16u

typedef struct joined {
    uint32_t x;    /* on the line, torus 2^32 */
    int64_t far;   /* squared distance of the line there, times 2^40 */
    double beyond; /* from x to the nearest point, times 2^32 */
} joined;

static joined consider(const tfhe_answers *a, double inverse, const uint32_t *part, uint32_t x)
{
    double distance = 0, along = 0;
    for (uint32_t t = 0; t < a->parts; t++) {
        const double rest = (double)(int32_t)(part[t] - a->multiple[t] * x);
        distance += rest * rest;
        along += a->multiple[t] * rest;
    }
    return (joined){x, (int64_t)((distance - along * along * inverse) * 0x1p-24), along * inverse};
}

uint64_t answers_join(const tfhe_answers *a, const uint32_t *part)
{
    const double inverse = 1 / tfhe_answers_square(a); /* public */
    joined best = consider(a, inverse, part, 0);
    for (uint32_t t = 0; t < a->parts; t++) {
        const double step = 1.0 / a->multiple[t];
        for (uint32_t i = 0; i < 2 * a->multiple[t]; i++) {
            const double at = ((double)part[t] + (i / 2 + 0.5) * 0x1p32) * step;
            const uint32_t x = (uint32_t)(int64_t)at + (i % 2 == 0 ? ASIDE : -ASIDE);
            const joined next = consider(a, inverse, part, x);
            const uint64_t nearer = (uint64_t)((next.far - best.far) >> 63);
            const uint64_t keep = ~nearer;
            best.x = (uint32_t)((next.x & nearer) | (best.x & keep));
            best.far = (int64_t)(((uint64_t)next.far & nearer) | ((uint64_t)best.far & keep));
        }
    }
    best = consider(a, inverse, part, best.x);
    return ((uint64_t)best.x << 32) + (uint64_t)(int64_t)(best.beyond * 0x1p32);
}
