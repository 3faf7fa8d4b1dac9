/* SPDX-License-Identifier: Apache-2.0 */
/* Variants of the integer matrix kernels; for matrix*.c and their tests only. Contracts: matrix.h. */
#ifndef MATH_MATRIX_PRIV_H
#define MATH_MATRIX_PRIV_H

#include "math/matrix.h"

typedef struct matrix_kernels {
    void (*mul_add_u64)(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X, size_t ldx,
                        size_t D);
    void (*mul_sub_u32)(uint32_t *Y, size_t ldy, const int32_t *digits, size_t B, size_t R, const uint32_t *K,
                        size_t ldk, size_t W);
} matrix_kernels;
extern const matrix_kernels matrix_kernels_ref;
#ifndef ANNULUS_PORTABLE
extern const matrix_kernels matrix_kernels_avx2;
#endif
#endif
