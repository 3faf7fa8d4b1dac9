/* SPDX-License-Identifier: Apache-2.0 */
#include "math/simd_f64_avx2.h"

#include "math/fft_butterfly_mul.h"

#define FFT_KERNELS fft_kernels_avx2
#define FFT_NAME "avx2"
#include "math/fft_kernels_impl.h"
