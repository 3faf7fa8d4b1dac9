/* SPDX-License-Identifier: Apache-2.0 */
/* Butterflies for processors whose additions cost as much as fused products: a root r = c (1 + i t) is applied as
 * 1 + i t, and its cosine c where the result is added (Linzer and Feig, Implementation of efficient FFT algorithms on
 * fused multiply-add architectures, IEEE Trans. Signal Processing 41, 1993). Roots are stored as radix 2: t, c;
 * radix 4: t of r, r^2, r^3, then c of r, c of r^2, and the ratio of the cosines of r^3 and r. */
#ifndef MATH_FFT_BUTTERFLY_TAN_H
#define MATH_FFT_BUTTERFLY_TAN_H

#include <math.h>

typedef struct cv { /* LANES complex numbers */
    vd re, im;
} cv;

static void root2_fill(double w[2], long double angle)
{
    w[0] = (double)tanl(angle);
    w[1] = (double)cosl(angle);
}

static void root4_fill(double w[6], long double angle)
{
    for (int k = 0; k < 3; k++) w[k] = (double)tanl((long double)(k + 1) * angle);
    w[3] = (double)cosl(angle);
    w[4] = (double)cosl(2 * angle);
    w[5] = (double)(cosl(3 * angle) / cosl(angle));
}

/* (1 + i t) b */
static inline cv turned(cv b, vd t)
{
    return (cv){vd_fnma(t, b.im, b.re), vd_fma(t, b.re, b.im)};
}
/* (a, b) <- (a + c z, a - c z) */
static inline void sum_difference(cv *a, cv *b, cv z, vd c)
{
    const cv x = *a;
    *a = (cv){vd_fma(c, z.re, x.re), vd_fma(c, z.im, x.im)};
    *b = (cv){vd_fnma(c, z.re, x.re), vd_fnma(c, z.im, x.im)};
}
/* (a, b) <- (a + i c z, a - i c z) */
static inline void sum_difference_i(cv *a, cv *b, cv z, vd c)
{
    const cv x = *a;
    *a = (cv){vd_fnma(c, z.im, x.re), vd_fma(c, z.re, x.im)};
    *b = (cv){vd_fma(c, z.im, x.re), vd_fnma(c, z.re, x.im)};
}
/* (a, b) <- (a + r b, a - r b) */
static inline void radix2(cv *a, cv *b, const vd w[2])
{
    sum_difference(a, b, turned(*b, w[0]), w[1]);
}
/* (a, b) <- (a + i r b, a - i r b) */
static inline void radix2_i(cv *a, cv *b, const vd w[2])
{
    sum_difference_i(a, b, turned(*b, w[0]), w[1]);
}
/* With u = a + r^2 c, v = a - r^2 c, x = r b + r^3 d, y = r b - r^3 d:
 * (a, b, c, d) <- (u + x, u - x, v + i y, v - i y). 22 fused products. */
static inline void radix4(cv *a, cv *b, cv *c, cv *d, const vd w[6])
{
    cv u = *a, v, x = turned(*b, w[0]), y;
    sum_difference(&u, &v, turned(*c, w[1]), w[4]);
    sum_difference(&x, &y, turned(*d, w[2]), w[5]);
    *a = u;
    sum_difference(a, b, x, w[3]);
    *c = v;
    sum_difference_i(c, d, y, w[3]);
}

/* Roots of a radix-4 butterfly r whose inputs carry the factor `scale` exp(i twist) too: tangents of the four, cosines
 * of the second and fourth over those of the first and third, of the third over the first, and the first's with the
 * scale; times those of pi/8 and pi/4 for the outputs. */
#define LAST4_WORDS 10u
#define FACTORS 1 /* outputs of the last pass lack a factor */
static void twisted4_fill(double w[LAST4_WORDS], long double twist, long double root, long double scale)
{
    const long double eighth = 0.39269908169872415480783042290993786L, one = cosl(twist);
    for (int k = 0; k < 4; k++) w[k] = (double)tanl(twist + (long double)k * root);
    w[4] = (double)(cosl(twist + 2 * root) / one);
    w[5] = (double)(cosl(twist + 3 * root) / cosl(twist + root));
    w[6] = (double)(cosl(twist + root) / one);
    w[7] = (double)(one * scale);
    w[8] = (double)(one * scale * cosl(eighth));
    w[9] = (double)(one * scale * cosl(2 * eighth));
}
/* radix4 but for the factor w[7] of all outputs. */
static inline void twisted4(cv *a, cv *b, cv *c, cv *d, const vd w[LAST4_WORDS])
{
    cv u = turned(*a, w[0]), v, x = turned(*b, w[1]), y;
    sum_difference(&u, &v, turned(*c, w[2]), w[4]);
    sum_difference(&x, &y, turned(*d, w[3]), w[5]);
    *a = u;
    sum_difference(a, b, x, w[6]);
    *c = v;
    sum_difference_i(c, d, y, w[6]);
}
/* exp(-i pi q/8) x, q = 1..3, but for a factor: w[8], w[9], w[8]; of q = 0 it is w[7]. */
static inline cv turned_eighth(cv x, unsigned q)
{
    if (q == 1) return turned(x, vd_set1(-0.41421356237309504880));
    if (q == 2) return (cv){vd_add(x.re, x.im), vd_sub(x.im, x.re)};
    const vd t = vd_set1(0.41421356237309504880); /* exp(-3 i pi/8) = -i exp(i pi/8) */
    return (cv){vd_fma(t, x.re, x.im), vd_fms(t, x.im, x.re)};
}
static inline vd factor_of(const vd w[LAST4_WORDS], unsigned q)
{
    return q == 0 ? w[7] : q == 2 ? w[9] : w[8];
}
/* w x */
static inline vd value_of(vd x, vd w)
{
    return vd_mul(x, w);
}
#endif
