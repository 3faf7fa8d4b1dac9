/* SPDX-License-Identifier: Apache-2.0 */
/* A phase from multiples of it that have noise: the nearest point of the closed line (m_1 x, ..., m_T x) modulo 1, of
 * variance 1/|m|^2 of theirs. The line passes the torus |m| times; which time is found by trying all: what is nearest
 * to the parts in each coordinate changes where a part is half a period from m_t x, so both sides of all these x are
 * all there is. Integers without branches: constant time in the phases. */
#include "tfhe/answers_priv.h"

/* Between x where coordinates change that are worth a look, 2^-20 of a period: a point nearer to two of them has a
 * coordinate that is half a period off, and is not the nearest. */
#define ASIDE (UINT32_C(1) << 12)

typedef struct joined {
    uint32_t x;    /* on the line, torus 2^32 */
    int64_t far;   /* squared distance of the line there, times 2^40 */
    double beyond; /* from x to the nearest point, times 2^32 */
} joined;

static joined consider(const tfhe_answers *a, double square, const uint32_t *part, uint32_t x)
{
    double distance = 0, along = 0;
    for (uint32_t t = 0; t < a->parts; t++) {
        const double rest = (double)(int32_t)(part[t] - a->multiple[t] * x);
        distance += rest * rest;
        along += a->multiple[t] * rest;
    }
    return (joined){x, (int64_t)((distance - along * along / square) * 0x1p-24), along / square};
}

uint64_t answers_join(const tfhe_answers *a, const uint32_t *part)
{
    const double square = tfhe_answers_square(a);
    joined best = consider(a, square, part, 0);
    for (uint32_t t = 0; t < a->parts; t++)
        for (uint32_t i = 0; i < 2 * a->multiple[t]; i++) {
            const double turn = (i / 2 + 0.5) * 0x1p32, at = ((double)part[t] + turn) / a->multiple[t];
            const uint32_t x = (uint32_t)(int64_t)at + (i % 2 == 0 ? ASIDE : -ASIDE);
            const joined next = consider(a, square, part, x);
            const uint64_t nearer = (uint64_t)((next.far - best.far) >> 63);
            const uint64_t keep = ~nearer;
            best.x = (uint32_t)((next.x & nearer) | (best.x & keep));
            best.far = (int64_t)(((uint64_t)next.far & nearer) | ((uint64_t)best.far & keep));
        }
    best = consider(a, square, part, best.x);
    return ((uint64_t)best.x << 32) + (uint64_t)(int64_t)(best.beyond * 0x1p32);
}
