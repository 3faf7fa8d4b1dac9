/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wrappers of AVX-512 (F, DQ) for fft_kernels_impl.h: vd is LANES doubles, vi LANES 64-bit words. Every vector
 * operation of the few ports costs the same here, so products are fused wherever they can be. */
#ifndef MATH_SIMD_F64_AVX512_H
#define MATH_SIMD_F64_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 8u
#define LOG2_LANES 3u

typedef __m512d vd;
typedef __m512i vi;

static inline vd vd_load(const double *p)
{
    return _mm512_load_pd(p);
}
static inline void vd_store(double *p, vd a)
{
    _mm512_store_pd(p, a);
}
static inline vd vd_set1(double x)
{
    return _mm512_set1_pd(x);
}
static inline vd vd_add(vd a, vd b)
{
    return _mm512_add_pd(a, b);
}
static inline vd vd_sub(vd a, vd b)
{
    return _mm512_sub_pd(a, b);
}
static inline vd vd_mul(vd a, vd b)
{
    return _mm512_mul_pd(a, b);
}
/* c + a*b */
static inline vd vd_fma(vd a, vd b, vd c)
{
    return _mm512_fmadd_pd(a, b, c);
}
/* c - a*b */
static inline vd vd_fnma(vd a, vd b, vd c)
{
    return _mm512_fnmadd_pd(a, b, c);
}
/* a*b - c */
static inline vd vd_fms(vd a, vd b, vd c)
{
    return _mm512_fmsub_pd(a, b, c);
}
static inline vi vi_load(const uint64_t *p)
{
    return _mm512_loadu_si512(p);
}
static inline void vi_store(uint64_t *p, vi a)
{
    _mm512_storeu_si512(p, a);
}
static inline vi vi_set1(uint64_t x)
{
    return _mm512_set1_epi64((long long)x);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm512_add_epi64(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm512_sub_epi64(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return _mm512_xor_si512(a, b);
}

/* The words q[0..count) before p[0..LANES-count), the sign of the former changed where before is all ones, of the
 * latter where it is zero; count in [1, LANES). Nothing else is read. */
static inline vi vi_join_signed(const uint64_t *q, const uint64_t *p, size_t count, uint64_t before)
{
    const __mmask8 k = (__mmask8)((1u << count) - 1), rest = (__mmask8)~k;
    const vi x = _mm512_mask_loadu_epi64(_mm512_maskz_loadu_epi64(k, q), rest, p - count);
    const vi flip = _mm512_mask_blend_epi64(k, vi_set1(~before), vi_set1(before));
    return vi_sub(vi_xor(x, flip), flip);
}

/* Bits [shift, shift + bg) of y, a balanced digit plus 2^(bg-1), as the double of the digit. */
typedef struct digit_form {
    __m128i up, down;
} digit_form;
static inline digit_form digit_form_make(unsigned shift, unsigned bg)
{
    return (digit_form){_mm_cvtsi32_si128((int)(64 - bg - shift)), _mm_cvtsi32_si128((int)(64 - bg))};
}
static inline vd vd_digit(vi y, digit_form f)
{
    /* flipping the upper bit of the field takes 2^(bg-1) away in two's complement */
    const vi up = _mm512_xor_si512(_mm512_sll_epi64(y, f.up), _mm512_set1_epi64(INT64_MIN));
    return _mm512_cvtepi64_pd(_mm512_sra_epi64(up, f.down));
}
/* The same for the uppermost digit, whose offset is left out of y: bits [shift, 64) as a signed number. */
#define TOP_DIGIT_BIAS UINT64_C(0)
static inline vd vd_top_digit(vi y, digit_form f)
{
    return _mm512_cvtepi64_pd(_mm512_sra_epi64(y, f.down));
}

/* Torus words of values that are scaled by 2^bits, below 2^63: as integers, of which a shift leaves the fraction. */
#define SCALED_PRODUCTS 1
typedef struct word_form {
    __m128i up;
} word_form;
static inline word_form word_form_make(unsigned bits)
{
    return (word_form){_mm_cvtsi32_si128((int)(64 - bits))};
}
static inline vi vi_word(vd x, word_form f)
{
    return _mm512_sll_epi64(_mm512_cvtpd_epi64(x), f.up);
}

/* Two 32-bit words a lane, of narrow accumulators. */
static inline vi vi_add32(vi a, vi b)
{
    return _mm512_add_epi32(a, b);
}
static inline vi vi_sub32(vi a, vi b)
{
    return _mm512_sub_epi32(a, b);
}
/* (y and mask) or exponent, as a double */
static inline vd vd_field(vi y, vi mask, vi exponent)
{
    return _mm512_castsi512_pd(_mm512_ternarylogic_epi64(y, mask, exponent, 0xea));
}
/* i^(t+1) in the lanes below n, i^t in the others. */
typedef struct powers_of_i {
    __mmask16 turned, minus;
} powers_of_i;
static inline powers_of_i powers_of_i_make(ptrdiff_t n, unsigned t)
{
    static const uint16_t minus[5] = {0, 0x5555, 0xffff, 0xaaaa, 0}; /* lower halves: real parts */
    const unsigned count = n < 0 ? 0 : n < 8 ? (unsigned)n : 8, before = (1u << 2 * count) - 1;
    return (powers_of_i){(__mmask16)((0 - (t & 1)) ^ before),
                         (__mmask16)(minus[t] ^ ((minus[t] ^ minus[t + 1]) & before))};
}
static inline vi vi_times_i(vi x, powers_of_i p)
{
    x = _mm512_mask_shuffle_epi32(x, p.turned, x, (_MM_PERM_ENUM)0xb1);
    return _mm512_mask_sub_epi32(x, p.minus, _mm512_setzero_si512(), x);
}
/* The words of values scaled by 2^32, real parts below. */
static inline vi vi_words(vd re, vd im)
{
    return _mm512_mask_shuffle_epi32(_mm512_cvtpd_epi64(re), 0xaaaa, _mm512_cvtpd_epi64(im), (_MM_PERM_ENUM)0xa0);
}

static inline void vd_transpose(vd a[8])
{
    vd t[8], u[8];
    for (size_t i = 0; i < 4; i++) {
        t[2 * i] = _mm512_unpacklo_pd(a[2 * i], a[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_pd(a[2 * i], a[2 * i + 1]);
    }
    for (size_t i = 0; i < 2; i++)
        for (size_t h = 0; h < 2; h++) {
            u[4 * i + h] = _mm512_shuffle_f64x2(t[4 * i + h], t[4 * i + 2 + h], 0x88);
            u[4 * i + 2 + h] = _mm512_shuffle_f64x2(t[4 * i + h], t[4 * i + 2 + h], 0xdd);
        }
    for (size_t i = 0; i < 4; i++) {
        a[i] = _mm512_shuffle_f64x2(u[i], u[i + 4], 0x88);
        a[i + 4] = _mm512_shuffle_f64x2(u[i], u[i + 4], 0xdd);
    }
}
#endif
