/* SPDX-License-Identifier: Apache-2.0 */
#define SIMD_DOT(sum, x, m) _mm256_add_epi32(sum, _mm256_madd_epi16(x, m))
#include "math/simd_int_avx2.h"

#include "math/matrix_kernels_impl.h"

const matrix_kernels matrix_kernels_avx2 = {
    .name = "avx2", .mul_add_u64 = mul_add_u64, .mul_add_few_u64 = mul_add_few_u64, .mul_sub_u32 = mul_sub_u32};
