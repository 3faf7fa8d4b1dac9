/* SPDX-License-Identifier: Apache-2.0 */
#include "math/simd_f64_avx512.h"

#include "math/fft_butterfly_tan.h"

#define FFT_KERNELS fft_kernels_avx512
#define FFT_NAME "avx512fused"
#include "math/fft_kernels_impl.h"
