/* SPDX-License-Identifier: Apache-2.0 */
/* For processors that add beside their fused products. */
#include "math/simd_f64_avx512.h"

#include "math/fft_butterfly_mul.h"

#define FFT_KERNELS fft_kernels_avx512add
#define FFT_NAME "avx512add"
#include "math/fft_kernels_impl.h"
