/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512 under matrix_kernels_impl.h (meanings there). The including file defines SIMD_DOT(sum, x, m): sum + x_0 m_0 +
 * x_1 m_1 in every 32-bit lane. */
#ifndef MATH_SIMD_INT_AVX512_H
#define MATH_SIMD_INT_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define SIMD_LANES 16u
#define SIMD_ROWS 8u

typedef __m512i simd_x, simd_pair;
typedef struct simd_sums {
    __m512i a, b;
} simd_sums;

static inline simd_x simd_load(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline simd_pair simd_pair_load(const int16_t *p)
{
    int32_t both;
    __builtin_memcpy(&both, p, sizeof both);
    return _mm512_set1_epi32(both);
}

static inline simd_sums simd_zero(void)
{
    return (simd_sums){_mm512_setzero_si512(), _mm512_setzero_si512()};
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
    const __m512i sum = _mm512_add_epi32(s.a, _mm512_slli_epi32(s.b, 16));
    _mm512_storeu_si512(y, _mm512_sub_epi32(_mm512_loadu_si512(y), sum));
}

/* 128-bit lane i of the first half: word 2i, limbs of both rows in turn; of the second half: word 2i + 1. */
static inline void simd_pack64(int16_t *out, const uint64_t *x0, const uint64_t *x1)
{
    const __m512i balance = _mm512_set1_epi16(INT16_MIN);
    const __m512i a = _mm512_xor_si512(_mm512_add_epi64(_mm512_loadu_si512(x0), balance), balance);
    const __m512i b = _mm512_xor_si512(_mm512_add_epi64(_mm512_loadu_si512(x1), balance), balance);
    _mm512_storeu_si512(out, _mm512_unpacklo_epi16(a, b));
    _mm512_storeu_si512(out + 32, _mm512_unpackhi_epi16(a, b));
}

/* Lanes 0,1 | 2,3 of every four: s_0 + s_1 2^16 | s_2 + s_3 2^16, as 64-bit integers. */
static inline __m512i simd_join(__m512i s)
{
    const __m512i low = _mm512_mul_epi32(s, _mm512_set1_epi64(1));
    const __m512i high = _mm512_mul_epi32(_mm512_srli_epi64(s, 32), _mm512_set1_epi64(1 << 16));
    return _mm512_add_epi64(low, high);
}

static inline void simd_add64(uint64_t *y, simd_sums s, unsigned shift)
{
    const __m512i a = simd_join(s.a), b = simd_join(s.b);
    const __m512i low = _mm512_unpacklo_epi64(a, b), high = _mm512_unpackhi_epi64(a, b);
    const __m512i sum = _mm512_add_epi64(low, _mm512_slli_epi64(high, 32));
    const __m512i moved = _mm512_sll_epi64(sum, _mm_cvtsi32_si128((int)shift));
    _mm512_storeu_si512(y, _mm512_add_epi64(_mm512_loadu_si512(y), moved));
}
#endif
