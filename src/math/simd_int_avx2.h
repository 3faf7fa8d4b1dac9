/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 under matrix_kernels_impl.h (meanings there). The including file defines SIMD_DOT(sum, x, m): sum + x_0 m_0 +
 * x_1 m_1 in every 32-bit lane. */
#ifndef MATH_SIMD_INT_AVX2_H
#define MATH_SIMD_INT_AVX2_H

#include "math/matrix.h"

#include <immintrin.h>
#include <stdint.h>

#define SIMD_LANES 8u
#define SIMD_ROWS 4u

typedef __m256i simd_x, simd_pair;
typedef struct simd_sums {
    __m256i a, b;
} simd_sums;

static inline simd_x simd_load(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

static inline void simd_store(void *p, simd_x x)
{
    _mm256_storeu_si256((__m256i *)p, x);
}

static inline simd_pair simd_pair_load(const int16_t *p)
{
    int32_t both;
    __builtin_memcpy(&both, p, sizeof both);
    return _mm256_set1_epi32(both);
}

static inline simd_sums simd_zero(void)
{
    return (simd_sums){_mm256_setzero_si256(), _mm256_setzero_si256()};
}

static inline simd_sums simd_step32(simd_sums s, simd_x x0, simd_x x1, simd_pair m)
{
    return (simd_sums){SIMD_DOT(s.a, x0, m), SIMD_DOT(s.b, x1, m)};
}

static inline simd_sums simd_step64(simd_sums s, simd_x x0, simd_x x1, simd_pair m)
{
    return simd_step32(s, x0, x1, m);
}

static inline void simd_sub32(uint32_t *y, simd_sums s)
{
    const __m256i sum = _mm256_add_epi32(s.a, _mm256_slli_epi32(s.b, 16));
    simd_store(y, _mm256_sub_epi32(simd_load(y), sum));
}

/* 128-bit lane i of the first half: word 2i, limbs of both rows in turn; of the second half: word 2i + 1. */
static inline void simd_pack64(int16_t *out, const uint64_t *x0, const uint64_t *x1)
{
    const __m256i balance = _mm256_set1_epi16(INT16_MIN);
    const __m256i a = _mm256_xor_si256(_mm256_add_epi64(simd_load(x0), balance), balance);
    const __m256i b = _mm256_xor_si256(_mm256_add_epi64(simd_load(x1), balance), balance);
    simd_store(out, _mm256_unpacklo_epi16(a, b));
    simd_store(out + 16, _mm256_unpackhi_epi16(a, b));
}

/* Lanes 0,1 | 2,3 of every four: s_0 + s_1 2^16 | s_2 + s_3 2^16, as 64-bit integers. */
static inline __m256i simd_join(__m256i s)
{
    const __m256i low = _mm256_mul_epi32(s, _mm256_set1_epi64x(1));
    const __m256i high = _mm256_mul_epi32(_mm256_srli_epi64(s, 32), _mm256_set1_epi64x(1 << 16));
    return _mm256_add_epi64(low, high);
}

static inline void simd_add64(uint64_t *y, simd_sums s, unsigned shift)
{
    const __m256i a = simd_join(s.a), b = simd_join(s.b);
    const __m256i low = _mm256_unpacklo_epi64(a, b), high = _mm256_unpackhi_epi64(a, b);
    const __m256i sum = _mm256_add_epi64(low, _mm256_slli_epi64(high, 32));
    const __m256i moved = _mm256_sll_epi64(sum, _mm_cvtsi32_si128((int)shift));
    simd_store(y, _mm256_add_epi64(simd_load(y), moved));
}

/* A word is a signed half and 2^32 times another, each of which takes one product; three would be taken of a weight of
 * 64 bits. */
#define SIMD_ADD_ROWS
static inline __attribute__((always_inline)) size_t simd_add_rows(size_t rows, uint64_t *restrict y,
                                                                  const uint64_t *const *x, const uint64_t *w, size_t D)
{
    const __m256i half = _mm256_set1_epi64x(INT64_C(1) << 31);
    __m256i m[MATRIX_ROWS];
    size_t i = 0;
    for (size_t k = 0; k < rows; k++) m[k] = _mm256_set1_epi64x((int64_t)w[k]);
    for (; i + 4 <= D; i += 4) {
        __m256i low = simd_load(y + i), high = _mm256_setzero_si256();
        for (size_t k = 0; k < rows; k++) {
            const __m256i v = simd_load(x[k] + i), upper = _mm256_srli_epi64(_mm256_add_epi64(v, half), 32);
            low = _mm256_add_epi64(low, _mm256_mul_epi32(v, m[k]));
            high = _mm256_add_epi64(high, _mm256_mul_epu32(upper, m[k]));
        }
        simd_store(y + i, _mm256_add_epi64(low, _mm256_slli_epi64(high, 32)));
    }
    return i;
}
#endif
