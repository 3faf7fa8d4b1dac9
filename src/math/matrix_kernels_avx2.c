/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 has no 64-bit product: with the weights made non-negative, w*x is two 32x32 products, the upper one shifted once
 * at the end; the shift of the weights is taken back with the column sums of X. */
#include "math/matrix_priv.h"

#include <immintrin.h>

typedef __m256i i4;

#define COLUMNS 64u /* words of X per panel: C rows of one panel stay in the second-level cache */

static inline i4 load(const void *p)
{
    return _mm256_loadu_si256((const i4 *)p);
}

static inline void add_to(uint64_t *y, i4 low, i4 high, i4 minus)
{
    const i4 sum = _mm256_sub_epi64(_mm256_add_epi64(low, _mm256_slli_epi64(high, 32)), minus);
    _mm256_storeu_si256((i4 *)(void *)y, _mm256_add_epi64(load(y), sum));
}

/* Rows o, o+1 of W against 8 words of every row of X. `least` <= every weight; column: least * sum_c X[c]. */
static void tile(uint64_t *const y[2], const int32_t *const w[2], size_t C, const uint64_t *X, size_t ldx,
                 int32_t least, const i4 column[2])
{
    i4 low[2][2], high[2][2];
    for (size_t o = 0; o < 2; o++)
        for (size_t h = 0; h < 2; h++) low[o][h] = high[o][h] = _mm256_setzero_si256();
    for (size_t c = 0; c < C; c++) {
        const i4 x0 = load(X + c * ldx), x1 = load(X + c * ldx + 4);
        const i4 z0 = _mm256_srli_epi64(x0, 32), z1 = _mm256_srli_epi64(x1, 32);
        for (size_t o = 0; o < 2; o++) {
            const i4 b = _mm256_set1_epi64x((long long)(uint32_t)((uint32_t)w[o][c] - (uint32_t)least));
            low[o][0] = _mm256_add_epi64(low[o][0], _mm256_mul_epu32(x0, b));
            low[o][1] = _mm256_add_epi64(low[o][1], _mm256_mul_epu32(x1, b));
            high[o][0] = _mm256_add_epi64(high[o][0], _mm256_mul_epu32(z0, b));
            high[o][1] = _mm256_add_epi64(high[o][1], _mm256_mul_epu32(z1, b));
        }
    }
    for (size_t o = 0; o < 2 && y[o] != NULL; o++) {
        add_to(y[o], low[o][0], high[o][0], column[0]);
        add_to(y[o] + 4, low[o][1], high[o][1], column[1]);
    }
}

/* -least * sum_c X[c] for 8 words. */
static void column_sums(i4 column[2], const uint64_t *X, size_t ldx, size_t C, int32_t least)
{
    uint64_t sum[8] = {0};
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < 8; i++) sum[i] += X[c * ldx + i];
    for (size_t i = 0; i < 8; i++) sum[i] *= (uint64_t) - (int64_t)least;
    column[0] = load(sum);
    column[1] = load(sum + 4);
}

static void mul_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X, size_t ldx,
                        size_t D)
{
    int32_t least = 0;
    for (size_t i = 0; i < O * C; i++) least = W[i] < least ? W[i] : least;
    const size_t whole = D / 8 * 8;
    for (size_t panel = 0; panel < whole; panel += COLUMNS) {
        const size_t end = panel + COLUMNS < whole ? panel + COLUMNS : whole;
        i4 column[COLUMNS / 8][2];
        for (size_t d = panel; d < end; d += 8) column_sums(column[(d - panel) / 8], X + d, ldx, C, least);
        for (size_t o = 0; o < O; o += 2) {
            const int pair = o + 1 < O;
            const int32_t *const w[2] = {W + o * C, pair ? W + (o + 1) * C : W + o * C};
            for (size_t d = panel; d < end; d += 8) {
                uint64_t *const y[2] = {Y + o * ldy + d, pair ? Y + (o + 1) * ldy + d : NULL};
                tile(y, w, C, X + d, ldx, least, column[(d - panel) / 8]);
            }
        }
    }
    if (whole < D) matrix_kernels_ref.mul_add_u64(Y + whole, ldy, W, O, C, X + whole, ldx, D - whole);
}

/* 4 ciphertexts against 16 words of every key row. */
static void keyswitch_tile(uint32_t *Y, size_t ldy, const int32_t *digits, size_t B, size_t R, const uint32_t *K,
                           size_t ldk)
{
    i4 sum[4][2];
    for (size_t b = 0; b < 4; b++) sum[b][0] = sum[b][1] = _mm256_setzero_si256();
    for (size_t r = 0; r < R; r++) {
        const i4 k0 = load(K + r * ldk), k1 = load(K + r * ldk + 8);
        for (size_t b = 0; b < 4; b++) {
            const i4 d = _mm256_set1_epi32(digits[(b < B ? b : 0) * R + r]);
            sum[b][0] = _mm256_add_epi32(sum[b][0], _mm256_mullo_epi32(d, k0));
            sum[b][1] = _mm256_add_epi32(sum[b][1], _mm256_mullo_epi32(d, k1));
        }
    }
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < 2; h++) {
            i4 *y = (i4 *)(void *)(Y + b * ldy + 8 * h);
            _mm256_storeu_si256(y, _mm256_sub_epi32(load(y), sum[b][h]));
        }
}

static void mul_sub_u32(uint32_t *Y, size_t ldy, const int32_t *digits, size_t B, size_t R, const uint32_t *K,
                        size_t ldk, size_t W)
{
    const size_t whole = W / 16 * 16;
    for (size_t w = 0; w < whole; w += 16)
        for (size_t b = 0; b < B; b += 4)
            keyswitch_tile(Y + b * ldy + w, ldy, digits + b * R, B - b < 4 ? B - b : 4, R, K + w, ldk);
    if (whole < W) matrix_kernels_ref.mul_sub_u32(Y + whole, ldy, digits, B, R, K + whole, ldk, W - whole);
}

const matrix_kernels matrix_kernels_avx2 = {.mul_add_u64 = mul_add_u64, .mul_sub_u32 = mul_sub_u32};
