/* SPDX-License-Identifier: Apache-2.0 */
/* NEON of AArch64 under matrix_kernels_impl.h (meanings there). There is no product of pairs, and a 32-bit product is
 * worth two 16-bit ones: words modulo 2^32 are put together again, for all the rows that they are multiplied with. */
#ifndef MATH_SIMD_INT_NEON_H
#define MATH_SIMD_INT_NEON_H

#include <arm_neon.h>
#include <stdint.h>

#define SIMD_LANES 4u
#define SIMD_ROWS 8u

typedef int16x8_t simd_x;
typedef int16x4_t simd_pair;
typedef struct simd_sums {
    int32x4_t a, b; /* b: of simd_step64 only */
} simd_sums;

static inline simd_x simd_load(const int16_t *p)
{
    return vld1q_s16(p);
}

static inline simd_pair simd_pair_load(const int16_t *p)
{
    int32_t both;
    __builtin_memcpy(&both, p, sizeof both);
    return vreinterpret_s16_s32(vdup_n_s32(both));
}

static inline simd_sums simd_zero(void)
{
    return (simd_sums){vdupq_n_s32(0), vdupq_n_s32(0)};
}

/* hi * 2^16 + lo: the upper half of the word that both fill loses one where lo is negative. */
static inline int32x4_t simd_word(int16x8_t filled)
{
    const int32x4_t w = vreinterpretq_s32_s16(filled);
    return vsubq_s32(w, vshlq_n_s32(vandq_s32(w, vdupq_n_s32(0x8000)), 1));
}

static inline simd_sums simd_step32(simd_sums s, simd_x lo, simd_x hi, simd_pair m)
{
    const int32x4_t d = vmovl_s16(m);
    s.a = vmlaq_laneq_s32(s.a, simd_word(vtrn1q_s16(lo, hi)), d, 0);
    s.a = vmlaq_laneq_s32(s.a, simd_word(vtrn2q_s16(lo, hi)), d, 1);
    return s;
}

static inline void simd_sub32(uint32_t *y, simd_sums s)
{
    vst1q_u32(y, vsubq_u32(vld1q_u32(y), vreinterpretq_u32_s32(s.a)));
}

/* Limbs of a word in the first row, then those in the second. */
static inline void simd_pack64(int16_t *out, const uint64_t *x0, const uint64_t *x1)
{
    const uint64x2_t balance = vreinterpretq_u64_u16(vdupq_n_u16(0x8000));
    const uint64x2_t a = veorq_u64(vaddq_u64(vld1q_u64(x0), balance), balance);
    const uint64x2_t b = veorq_u64(vaddq_u64(vld1q_u64(x1), balance), balance);
    vst1q_s16(out, vreinterpretq_s16_u64(vzip1q_u64(a, b)));
    vst1q_s16(out + 8, vreinterpretq_s16_u64(vzip2q_u64(a, b)));
}

static inline simd_sums simd_step64(simd_sums s, simd_x x0, simd_x x1, simd_pair m)
{
    s.a = vmlal_lane_s16(s.a, vget_low_s16(x0), m, 0);
    s.b = vmlal_lane_s16(s.b, vget_low_s16(x1), m, 0);
    s.a = vmlal_high_lane_s16(s.a, x0, m, 1);
    s.b = vmlal_high_lane_s16(s.b, x1, m, 1);
    return s;
}

static inline void simd_add64(uint64_t *y, simd_sums s, unsigned shift)
{
    const int32x4_t even = vuzp1q_s32(s.a, s.b), odd = vuzp2q_s32(s.a, s.b); /* limbs 0,2 | 1,3 of two words */
    const int64x2_t a = vaddq_s64(vmovl_s32(vget_low_s32(even)), vshll_n_s32(vget_low_s32(odd), 16));
    const int64x2_t b = vaddq_s64(vmovl_high_s32(even), vshll_high_n_s32(odd, 16));
    const int64x2_t sum = vaddq_s64(vzip1q_s64(a, b), vshlq_n_s64(vzip2q_s64(a, b), 32));
    const uint64x2_t moved = vreinterpretq_u64_s64(vshlq_s64(sum, vdupq_n_s64((int64_t)shift)));
    vst1q_u64(y, vaddq_u64(vld1q_u64(y), moved));
}
#endif
