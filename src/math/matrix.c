/* SPDX-License-Identifier: Apache-2.0 */
#include "math/matrix.h"

#include "base/cpu.h"
#include "math/matrix_priv.h"

static void mul_add_u64_ref(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X,
                            size_t ldx, size_t D)
{
    for (size_t o = 0; o < O; o++)
        for (size_t c = 0; c < C; c++) {
            const uint64_t w = (uint64_t)(int64_t)W[o * C + c];
            for (size_t d = 0; d < D; d++) Y[o * ldy + d] += w * X[c * ldx + d];
        }
}

static void mul_sub_u32_ref(uint32_t *Y, size_t ldy, const int32_t *digits, size_t B, size_t R, const uint32_t *K,
                            size_t ldk, size_t W)
{
    for (size_t b = 0; b < B; b++)
        for (size_t r = 0; r < R; r++) {
            const uint32_t digit = (uint32_t)digits[b * R + r];
            for (size_t w = 0; w < W; w++) Y[b * ldy + w] -= digit * K[r * ldk + w];
        }
}

const matrix_kernels matrix_kernels_ref = {.mul_add_u64 = mul_add_u64_ref, .mul_sub_u32 = mul_sub_u32_ref};

static const matrix_kernels *kernels(void)
{
#ifndef ANNULUS_PORTABLE
    if (cpu_level_get() != CPU_REF) return &matrix_kernels_avx2;
#endif
    return &matrix_kernels_ref;
}

void matrix_mul_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X, size_t ldx,
                        size_t D)
{
    kernels()->mul_add_u64(Y, ldy, W, O, C, X, ldx, D);
}

void matrix_mul_sub_u32(uint32_t *Y, size_t ldy, const int32_t *digits, size_t B, size_t R, const uint32_t *K,
                        size_t ldk, size_t W)
{
    kernels()->mul_sub_u32(Y, ldy, digits, B, R, K, ldk, W);
}
