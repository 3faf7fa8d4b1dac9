/* SPDX-License-Identifier: Apache-2.0 */
/* Words of the discretized torus: u64 x stands for x/2^64 in [0,1). */
#ifndef MATH_TORUS_H
#define MATH_TORUS_H
#include <math.h>
#include <stdint.h>

/* Nearest word of a real number (any finite value, reduced modulo 1). */
static inline uint64_t torus_from_double(double x)
{
    x -= floor(x + 0.5); /* [-1/2, 1/2] */
    const double hi = rint(x * 0x1p32);
    return ((uint64_t)(int64_t)hi << 32) + (uint64_t)(int64_t)rint((x * 0x1p32 - hi) * 0x1p32);
}
/* Representative in [-1/2, 1/2). */
static inline double torus_to_double(uint64_t x)
{
    return (double)(int64_t)x * 0x1p-64;
}
#endif
