/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wrappers of AArch64 NEON for fft_kernels_impl.h: vd is LANES doubles, vi LANES 64-bit words. */
#ifndef MATH_SIMD_F64_NEON_H
#define MATH_SIMD_F64_NEON_H

#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 2u
#define LOG2_LANES 1u

typedef float64x2_t vd;
typedef uint64x2_t vi;

static inline vd vd_load(const double *p)
{
    return vld1q_f64(p);
}
static inline void vd_store(double *p, vd a)
{
    vst1q_f64(p, a);
}
static inline vd vd_set1(double x)
{
    return vdupq_n_f64(x);
}
static inline vd vd_add(vd a, vd b)
{
    return vaddq_f64(a, b);
}
static inline vd vd_sub(vd a, vd b)
{
    return vsubq_f64(a, b);
}
static inline vd vd_mul(vd a, vd b)
{
    return vmulq_f64(a, b);
}
/* c + a*b */
static inline vd vd_fma(vd a, vd b, vd c)
{
    return vfmaq_f64(c, a, b);
}
/* c - a*b */
static inline vd vd_fnma(vd a, vd b, vd c)
{
    return vfmsq_f64(c, a, b);
}
/* a*b - c */
static inline vd vd_fms(vd a, vd b, vd c)
{
    return vfmaq_f64(vnegq_f64(c), a, b);
}
static inline vi vi_load(const uint64_t *p)
{
    return vld1q_u64(p);
}
static inline void vi_store(uint64_t *p, vi a)
{
    vst1q_u64(p, a);
}
static inline vi vi_set1(uint64_t x)
{
    return vdupq_n_u64(x);
}
static inline vi vi_add(vi a, vi b)
{
    return vaddq_u64(a, b);
}
static inline vi vi_sub(vi a, vi b)
{
    return vsubq_u64(a, b);
}
static inline vi vi_xor(vi a, vi b)
{
    return veorq_u64(a, b);
}

/* The word q[0] before p[0], the sign of the former changed where before is all ones, of the latter where it is zero;
 * count is 1. */
static inline vi vi_join_signed(const uint64_t *q, const uint64_t *p, size_t count, uint64_t before)
{
    (void)count;
    const vi x = vcombine_u64(vld1_u64(q), vld1_u64(p));
    const vi flip = vcombine_u64(vdup_n_u64(before), vdup_n_u64(~before));
    return vi_sub(vi_xor(x, flip), flip);
}

/* Bits [shift, shift + bg) of y, a balanced digit plus 2^(bg-1), as the double of the digit. */
typedef struct digit_form {
    int64x2_t up, down;
} digit_form;
static inline digit_form digit_form_make(unsigned shift, unsigned bg)
{
    return (digit_form){vdupq_n_s64((int64_t)(64 - bg - shift)), vdupq_n_s64(-(int64_t)(64 - bg))};
}
static inline vd vd_digit(vi y, digit_form f)
{
    /* flipping the upper bit of the field takes 2^(bg-1) away in two's complement */
    const vi up = veorq_u64(vshlq_u64(y, f.up), vdupq_n_u64(UINT64_C(1) << 63));
    return vcvtq_f64_s64(vshlq_s64(vreinterpretq_s64_u64(up), f.down));
}
/* The same for the uppermost digit, whose offset is left out of y: bits [shift, 64) as a signed number. */
#define TOP_DIGIT_BIAS UINT64_C(0)
static inline vd vd_top_digit(vi y, digit_form f)
{
    return vcvtq_f64_s64(vshlq_s64(vreinterpretq_s64_u64(y), f.down));
}

/* Torus words of values that are scaled by 2^bits, below 2^63: as integers, of which a shift leaves the fraction. */
#define SCALED_PRODUCTS 1
typedef struct word_form {
    int64x2_t up;
} word_form;
static inline word_form word_form_make(unsigned bits)
{
    return (word_form){vdupq_n_s64((int64_t)(64 - bits))};
}
static inline vi vi_word(vd x, word_form f)
{
    return vshlq_u64(vreinterpretq_u64_s64(vcvtnq_s64_f64(x)), f.up);
}

/* Two 32-bit words a lane, of narrow accumulators. */
static inline vi vi_add32(vi a, vi b)
{
    return vreinterpretq_u64_u32(vaddq_u32(vreinterpretq_u32_u64(a), vreinterpretq_u32_u64(b)));
}
static inline vi vi_sub32(vi a, vi b)
{
    return vreinterpretq_u64_u32(vsubq_u32(vreinterpretq_u32_u64(a), vreinterpretq_u32_u64(b)));
}
/* (y and mask) or exponent, as a double */
static inline vd vd_field(vi y, vi mask, vi exponent)
{
    return vreinterpretq_f64_u64(vorrq_u64(vandq_u64(y, mask), exponent));
}
/* i^(t+1) in the lanes below n, i^t in the others. */
typedef struct powers_of_i {
    vi turned, minus;
} powers_of_i;
static inline powers_of_i powers_of_i_make(ptrdiff_t n, unsigned t)
{
    static const uint64_t minus[5] = {0, UINT32_MAX, UINT64_MAX, ~(uint64_t)UINT32_MAX,
                                      0}; /* lower halves: real parts */
    const vi before = vcltq_s64(vcombine_s64(vdup_n_s64(0), vdup_n_s64(1)), vdupq_n_s64(n));
    const vi change = vandq_u64(before, vi_set1(minus[t] ^ minus[t + 1]));
    return (powers_of_i){vi_xor(before, vi_set1(0 - (uint64_t)(t & 1))), vi_xor(change, vi_set1(minus[t]))};
}
static inline vi vi_times_i(vi x, powers_of_i p)
{
    const vi other = vreinterpretq_u64_u32(vrev64q_u32(vreinterpretq_u32_u64(x)));
    return vi_sub32(vi_xor(vbslq_u64(p.turned, other, x), p.minus), p.minus);
}
/* The words of values scaled by 2^32, real parts below. */
static inline vi vi_words(vd re, vd im)
{
    return vsliq_n_u64(vreinterpretq_u64_s64(vcvtnq_s64_f64(re)), vreinterpretq_u64_s64(vcvtnq_s64_f64(im)), 32);
}

static inline void vd_transpose(vd a[2])
{
    const vd t = vzip1q_f64(a[0], a[1]);
    a[1] = vzip2q_f64(a[0], a[1]);
    a[0] = t;
}
#endif
