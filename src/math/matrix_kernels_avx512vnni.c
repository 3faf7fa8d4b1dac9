/* SPDX-License-Identifier: Apache-2.0 */
#define SIMD_DOT(sum, x, m) _mm512_dpwssd_epi32(sum, x, m)
#include "math/simd_int_avx512.h"

#include "math/matrix_kernels_impl.h"

const matrix_kernels matrix_kernels_avx512vnni = {
    .name = "avx512vnni", .mul_add_u64 = mul_add_u64, .mul_add_few_u64 = mul_add_few_u64, .mul_sub_u32 = mul_sub_u32};
