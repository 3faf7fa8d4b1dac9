/* SPDX-License-Identifier: Apache-2.0 */
#include "math/simd_int_neon.h"

#include "math/matrix_kernels_impl.h"

const matrix_kernels matrix_kernels_neon = {
    .name = "neon", .mul_add_u64 = mul_add_u64, .mul_add_few_u64 = mul_add_few_u64, .mul_sub_u32 = mul_sub_u32};
