/* SPDX-License-Identifier: Apache-2.0 */
/* Stages of the vector kernels in registers: small transforms of rows of vectors and the transpose between them;
 * included by fft_kernels_impl.h alone. */
#ifndef MATH_FFT_STAGES_IMPL_H
#define MATH_FFT_STAGES_IMPL_H

#include "math/fft_tables_impl.h"

#define ALWAYS static inline __attribute__((always_inline))

ALWAYS void load_roots(vd *w, const double *t, size_t count)
{
#pragma GCC unroll 14
    for (size_t i = 0; i < count; i++) w[i] = vd_load(t + LANES * i);
}

ALWAYS void spread_roots(vd *w, const double *t, size_t count)
{
#pragma GCC unroll 14
    for (size_t i = 0; i < count; i++) w[i] = vd_set1(t[i]);
}

/* The points j.. of a polynomial: LANES real parts, then LANES imaginary parts. */
ALWAYS cv cv_load(const double *v, size_t j)
{
    return (cv){vd_load(v + 2 * j), vd_load(v + 2 * j + LANES)};
}

ALWAYS void cv_store(double *v, size_t j, cv x)
{
    vd_store(v + 2 * j, x.re);
    vd_store(v + 2 * j + LANES, x.im);
}

ALWAYS cv cv_mul(cv x, cv y)
{
    return (cv){vd_fnma(x.im, y.im, vd_mul(x.re, y.re)), vd_fma(x.im, y.re, vd_mul(x.re, y.im))};
}

/* sum + x y */
ALWAYS cv cv_mul_add(cv x, cv y, cv sum)
{
    return (cv){vd_fnma(x.im, y.im, vd_fma(x.re, y.re, sum.re)), vd_fma(x.im, y.re, vd_fma(x.re, y.im, sum.im))};
}

/* (a, b) <- (a + b, a - b) */
ALWAYS void plain2(cv *a, cv *b)
{
    const cv x = *a, y = *b;
    *a = (cv){vd_add(x.re, y.re), vd_add(x.im, y.im)};
    *b = (cv){vd_sub(x.re, y.re), vd_sub(x.im, y.im)};
}

/* radix4 of root 1 */
ALWAYS void plain4(cv *a, cv *b, cv *c, cv *d)
{
    plain2(a, c);
    plain2(b, d);
    const cv v = *c, y = *d;
    plain2(a, b);
    *c = (cv){vd_sub(v.re, y.im), vd_add(v.im, y.re)};
    *d = (cv){vd_add(v.re, y.im), vd_sub(v.im, y.re)};
}

/* Blocks come in the order 0, 2, 1, 3 of their residues modulo 4, and the butterfly gives positions 0, 2, 3, 1: x0, x2,
 * x1, x3 go in, and (x1, x2, x3) <- (x3, x2, x1) puts what comes out in order. */
ALWAYS void positions(cv *x1, cv *x3)
{
    const cv last = *x1;
    *x1 = *x3;
    *x3 = last;
}

ALWAYS void inverse4(cv *x0, cv *x1, cv *x2, cv *x3, const vd w[6])
{
    radix4(x0, x2, x1, x3, w);
    positions(x1, x3);
}

ALWAYS void inverse4_plain(cv *x0, cv *x1, cv *x2, cv *x3)
{
    plain4(x0, x2, x1, x3);
    positions(x1, x3);
}

/* inverse4 with its inputs turned by the twist, its outputs by exp(-i pi q/8); output q lacks factor_of(w, q). */
ALWAYS void inverse4_twisted(cv x[4], const vd w[LAST4_WORDS])
{
    cv a = x[0], b = x[2], c = x[1], d = x[3];
    twisted4(&a, &b, &c, &d, w);
    x[0] = a;
    x[1] = turned_eighth(d, 1);
    x[2] = turned_eighth(b, 2);
    x[3] = turned_eighth(c, 3);
}

#if LANES == 8
ALWAYS void forward_stage(cv x[8], const vd w[10])
{
    radix4(&x[0], &x[2], &x[4], &x[6], w);
    radix4(&x[1], &x[3], &x[5], &x[7], w);
    radix2(&x[0], &x[1], w + 6);
    radix2_i(&x[2], &x[3], w + 6);
    radix2(&x[4], &x[5], w + 8);
    radix2_i(&x[6], &x[7], w + 8);
}
ALWAYS void inverse_columns(cv x[8], const double *roots)
{
    vd w[6];
    for (size_t i = 0; i < 8; i += 2) plain2(&x[i], &x[i + 1]);
    inverse4_plain(&x[0], &x[2], &x[4], &x[6]);
    spread_roots(w, roots, 6);
    inverse4(&x[1], &x[3], &x[5], &x[7], w);
}
ALWAYS void inverse_rows(cv x[8], const double *roots)
{
    vd w[6];
    load_roots(w, roots, 2);
    for (size_t i = 0; i < 8; i += 2) radix2(&x[i], &x[i + 1], w);
    load_roots(w, roots + 2 * LANES, 6);
    inverse4(&x[0], &x[2], &x[4], &x[6], w);
    load_roots(w, roots + 8 * LANES, 6);
    inverse4(&x[1], &x[3], &x[5], &x[7], w);
}
#elif LANES == 4
ALWAYS void forward_stage(cv x[4], const vd w[6])
{
    radix4(&x[0], &x[1], &x[2], &x[3], w);
}
ALWAYS void inverse_columns(cv x[4], const double *roots)
{
    (void)roots;
    inverse4_plain(&x[0], &x[1], &x[2], &x[3]);
}
ALWAYS void inverse_rows(cv x[4], const double *roots)
{
    vd w[6];
    load_roots(w, roots, 6);
    inverse4(&x[0], &x[1], &x[2], &x[3], w);
}
#else
ALWAYS void forward_stage(cv x[2], const vd w[2])
{
    radix2(&x[0], &x[1], w);
}
ALWAYS void inverse_columns(cv x[2], const double *roots)
{
    (void)roots;
    plain2(&x[0], &x[1]);
}
ALWAYS void inverse_rows(cv x[2], const double *roots)
{
    vd w[2];
    load_roots(w, roots, 2);
    radix2(&x[0], &x[1], w);
}
#endif

ALWAYS void transpose(cv x[LANES])
{
    vd t[LANES];
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) t[i] = x[i].re;
    vd_transpose(t);
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) x[i].re = t[i], t[i] = x[i].im;
    vd_transpose(t);
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) x[i].im = t[i];
}
#endif
