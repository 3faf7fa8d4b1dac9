/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wrappers of AVX2 and FMA for fft_kernels_impl.h: vd is LANES doubles, vi LANES 64-bit words. */
#ifndef MATH_SIMD_F64_AVX2_H
#define MATH_SIMD_F64_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 4u
#define LOG2_LANES 2u

typedef __m256d vd;
typedef __m256i vi;

static inline vd vd_load(const double *p)
{
    return _mm256_load_pd(p);
}
static inline void vd_store(double *p, vd a)
{
    _mm256_store_pd(p, a);
}
static inline vd vd_set1(double x)
{
    return _mm256_set1_pd(x);
}
static inline vd vd_add(vd a, vd b)
{
    return _mm256_add_pd(a, b);
}
static inline vd vd_sub(vd a, vd b)
{
    return _mm256_sub_pd(a, b);
}
static inline vd vd_mul(vd a, vd b)
{
    return _mm256_mul_pd(a, b);
}
/* c + a*b */
static inline vd vd_fma(vd a, vd b, vd c)
{
    return _mm256_fmadd_pd(a, b, c);
}
/* c - a*b */
static inline vd vd_fnma(vd a, vd b, vd c)
{
    return _mm256_fnmadd_pd(a, b, c);
}
/* a*b - c */
static inline vd vd_fms(vd a, vd b, vd c)
{
    return _mm256_fmsub_pd(a, b, c);
}
static inline vi vi_load(const uint64_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
static inline void vi_store(uint64_t *p, vi a)
{
    _mm256_storeu_si256((__m256i *)(void *)p, a);
}
static inline vi vi_set1(uint64_t x)
{
    return _mm256_set1_epi64x((long long)x);
}
static inline vi vi_add(vi a, vi b)
{
    return _mm256_add_epi64(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return _mm256_sub_epi64(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return _mm256_xor_si256(a, b);
}

/* The words q[0..count) before p[0..LANES-count), the sign of the former changed where before is all ones, of the
 * latter where it is zero; count in [1, LANES). Nothing else is read. */
static inline vi vi_join_signed(const uint64_t *q, const uint64_t *p, size_t count, uint64_t before)
{
    const vi k = _mm256_cmpgt_epi64(vi_set1(count), _mm256_set_epi64x(3, 2, 1, 0));
    const vi rest = _mm256_xor_si256(k, vi_set1(UINT64_MAX));
    const vi x = _mm256_or_si256(_mm256_maskload_epi64((const long long *)q, k),
                                 _mm256_maskload_epi64((const long long *)p - count, rest));
    const vi flip = _mm256_blendv_epi8(vi_set1(~before), vi_set1(before), k);
    return vi_sub(vi_xor(x, flip), flip);
}

/* Bits [shift, shift + bg) of y, a balanced digit plus 2^(bg-1), as the double of the digit: in the mantissa of 2^52 a
 * number below 2^52 is the double 2^52 + number. */
typedef struct digit_form {
    __m128i down;
    vi mask;
    vd minus;
} digit_form;
static inline digit_form digit_form_make(unsigned shift, unsigned bg)
{
    return (digit_form){_mm_cvtsi32_si128((int)shift), vi_set1((UINT64_C(1) << bg) - 1),
                        vd_set1(0x1p52 + (double)(UINT64_C(1) << (bg - 1)))};
}
static inline vd in_mantissa(vi digit, vd minus)
{
    return vd_sub(_mm256_castsi256_pd(_mm256_or_si256(digit, _mm256_castpd_si256(vd_set1(0x1p52)))), minus);
}
static inline vd vd_digit(vi y, digit_form f)
{
    return in_mantissa(_mm256_and_si256(_mm256_srl_epi64(y, f.down), f.mask), f.minus);
}
/* The same for the uppermost digit, which a shift alone cuts out; its offset stays in y. */
#define TOP_DIGIT_BIAS (UINT64_C(1) << 63)
static inline vd vd_top_digit(vi y, digit_form f)
{
    return in_mantissa(_mm256_srl_epi64(y, f.down), f.minus);
}

/* Torus words of values that are not scaled (bits is 0): with 3 added to what is left of them above the nearest integer
 * the fraction is the mantissa's low 51 bits, and what lies above is shifted out. */
#define SCALED_PRODUCTS 0
typedef struct word_form {
    vd shifter, whole;
} word_form;
static inline word_form word_form_make(unsigned bits)
{
    (void)bits;
    return (word_form){vd_set1(0x1.8p52), vd_set1(0x1.8p52 + 3)};
}
static inline vi vi_word(vd x, word_form f)
{
    const vd fraction = vd_sub(x, vd_sub(vd_add(x, f.shifter), f.whole));
    return _mm256_slli_epi64(_mm256_castpd_si256(fraction), 13);
}

/* Two 32-bit words a lane, of narrow accumulators. */
static inline vi vi_add32(vi a, vi b)
{
    return _mm256_add_epi32(a, b);
}
static inline vi vi_sub32(vi a, vi b)
{
    return _mm256_sub_epi32(a, b);
}
/* (y and mask) or exponent, as a double */
static inline vd vd_field(vi y, vi mask, vi exponent)
{
    return _mm256_castsi256_pd(_mm256_or_si256(_mm256_and_si256(y, mask), exponent));
}
/* i^(t+1) in the lanes below n, i^t in the others: bytes in their order or halves exchanged, then 1 or -1. */
typedef struct powers_of_i {
    vi order, sign;
} powers_of_i;
static inline powers_of_i powers_of_i_make(ptrdiff_t n, unsigned t)
{
    static const uint64_t minus[5] = {0, UINT32_MAX, UINT64_MAX, ~(uint64_t)UINT32_MAX,
                                      0}; /* lower halves: real parts */
    const vi order = _mm256_set_epi64x(0x0f0e0d0c0b0a0908, 0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x0706050403020100);
    const vi before = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_set_epi64x(3, 2, 1, 0));
    const vi turned = vi_xor(before, vi_set1(0 - (uint64_t)(t & 1)));
    const vi change = _mm256_and_si256(before, vi_set1(minus[t] ^ minus[t + 1]));
    return (powers_of_i){vi_xor(order, _mm256_and_si256(turned, _mm256_set1_epi8(4))),
                         _mm256_or_si256(vi_xor(change, vi_set1(minus[t])), _mm256_set1_epi32(1))};
}
static inline vi vi_times_i(vi x, powers_of_i p)
{
    return _mm256_sign_epi32(_mm256_shuffle_epi8(x, p.order), p.sign);
}
/* What is left of x above the nearest integer, in units of 2^-32: 3*2^19 more has it in the mantissa's low half. */
static inline vi low_words(vd x)
{
    return _mm256_castpd_si256(vd_sub(x, vd_sub(vd_add(x, vd_set1(0x1.8p52)), vd_set1(0x1.8p52 + 0x1.8p20))));
}
/* The words of values, real parts below. */
static inline vi vi_words(vd re, vd im)
{
    return _mm256_blend_epi32(low_words(re), _mm256_slli_epi64(low_words(im), 32), 0xaa);
}

static inline void vd_transpose(vd a[4])
{
    const vd t0 = _mm256_unpacklo_pd(a[0], a[1]), t1 = _mm256_unpackhi_pd(a[0], a[1]);
    const vd t2 = _mm256_unpacklo_pd(a[2], a[3]), t3 = _mm256_unpackhi_pd(a[2], a[3]);
    a[0] = _mm256_permute2f128_pd(t0, t2, 0x20);
    a[1] = _mm256_permute2f128_pd(t1, t3, 0x20);
    a[2] = _mm256_permute2f128_pd(t0, t2, 0x31);
    a[3] = _mm256_permute2f128_pd(t1, t3, 0x31);
}
#endif
