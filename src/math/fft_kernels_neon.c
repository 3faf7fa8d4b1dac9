/* SPDX-License-Identifier: Apache-2.0 */
#include "math/simd_f64_neon.h"

#include "math/fft_butterfly_mul.h"

#define FFT_KERNELS fft_kernels_neon
#define FFT_NAME "neon"
#include "math/fft_kernels_impl.h"
