/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel table and plan of the negacyclic FFT; for fft*.c and their tests only.
 *
 * A real polynomial c of degree < N is the complex polynomial z_j = c_j + i*c_(j+M) of degree < M = N/2 modulo x^M - i.
 * The forward transform splits x^m - e^(i t) into x^(m/2) - e^(i t/2) and x^(m/2) + e^(i t/2) down to degree 1: the
 * twist is merged into the roots and the values come out in the order of the tree. */
#ifndef MATH_FFT_PRIV_H
#define MATH_FFT_PRIV_H

#include "base/cpu.h"
#include "math/fft.h"

typedef struct fft_kernels {
    const char *name;
    /* In place, unscaled. */
    void (*forward)(const fft_plan *plan, double *re, double *im);
    void (*inverse)(const fft_plan *plan, double *re, double *im);
    /* out_j <- digit j (most significant first) of the N words of `y`, which already carry the rounding offset. */
    void (*digits)(size_t M, double *const *out, size_t stride, const uint64_t *y, unsigned bg, unsigned l);
    /* y_j <- (X^a p - q)_j + offset, a in [0, 2N). */
    void (*rotate_difference)(size_t N, uint64_t *y, const uint64_t *p, uint32_t a, const uint64_t *q, uint64_t offset);
    /* c += round(2^64 * frac(scale * (re | im))). */
    void (*torus_add)(size_t M, uint64_t *c, const double *re, const double *im, double scale);
    /* acc += a*b over M complex values. */
    void (*mul_add)(size_t M, size_t stride, double *acc, const double *a, const double *b);
    /* out[c] <- sum_r d[r]*row[r,c]; layout of `row`: fft_row_pack. */
    void (*row_mul)(size_t M, size_t stride, const fourier *out, const fourier *d, const double *row, size_t rows,
                    size_t cols);
} fft_kernels;

extern const fft_kernels fft_kernels_ref;
#ifndef ANNULUS_PORTABLE
extern const fft_kernels fft_kernels_avx2;
#endif

struct fft_plan {
    size_t N, M, stride;
    const fft_kernels *kernels;
    /* Roots of the radix-2 tree: level v (blocks of m = M >> v points) has 2^v roots (cos, sin) from root[2*(2^v - 1)].
     */
    double *root;
    /* The same roots ordered for the radix-4 passes of the vector kernels: 4 doubles per block and pass. */
    double *root4;
    /* Last pass (blocks of 4 points) of the vector kernels: 16 doubles per 4 blocks. */
    double *last;
};

/* A plan with the kernels of one instruction set, for tests; the level must be one that the processor has. */
annulus_status fft_plan_create_at(size_t N, cpu_level level, fft_plan **out) __attribute__((warn_unused_result));
#endif
