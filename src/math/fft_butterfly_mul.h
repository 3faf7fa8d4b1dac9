/* SPDX-License-Identifier: Apache-2.0 */
/* Butterflies for processors that add beside their fused products: complex products by the roots, then additions.
 * Roots are stored as radix 2: r; radix 4: r, r^2, r^3 (real and imaginary part each). */
#ifndef MATH_FFT_BUTTERFLY_MUL_H
#define MATH_FFT_BUTTERFLY_MUL_H

#include <math.h>

typedef struct cv { /* LANES complex numbers */
    vd re, im;
} cv;

static void root2_fill(double w[2], long double angle)
{
    w[0] = (double)cosl(angle);
    w[1] = (double)sinl(angle);
}

static void root4_fill(double w[6], long double angle)
{
    for (int k = 0; k < 3; k++) root2_fill(w + 2 * k, (long double)(k + 1) * angle);
}

/* r b */
static inline cv turned(cv b, const vd r[2])
{
    return (cv){vd_fnma(r[1], b.im, vd_mul(r[0], b.re)), vd_fma(r[1], b.re, vd_mul(r[0], b.im))};
}
/* (a, b) <- (a + z, a - z) */
static inline void sum_difference(cv *a, cv *b, cv z)
{
    const cv x = *a;
    *a = (cv){vd_add(x.re, z.re), vd_add(x.im, z.im)};
    *b = (cv){vd_sub(x.re, z.re), vd_sub(x.im, z.im)};
}
/* (a, b) <- (a + i z, a - i z) */
static inline void sum_difference_i(cv *a, cv *b, cv z)
{
    const cv x = *a;
    *a = (cv){vd_sub(x.re, z.im), vd_add(x.im, z.re)};
    *b = (cv){vd_add(x.re, z.im), vd_sub(x.im, z.re)};
}
/* (a, b) <- (a + r b, a - r b), the latter as 2a - (a + r b): 6 fused products. */
static inline void fused_sum_difference(cv *a, cv *b, const vd r[2])
{
    const cv x = *a, y = *b;
    const vd two = vd_set1(2);
    *a = (cv){vd_fnma(r[1], y.im, vd_fma(r[0], y.re, x.re)), vd_fma(r[1], y.re, vd_fma(r[0], y.im, x.im))};
    *b = (cv){vd_fms(two, x.re, a->re), vd_fms(two, x.im, a->im)};
}
/* (a, b) <- (a + r b, a - r b) */
static inline void radix2(cv *a, cv *b, const vd w[2])
{
    sum_difference(a, b, turned(*b, w));
}
/* (a, b) <- (a + i r b, a - i r b) */
static inline void radix2_i(cv *a, cv *b, const vd w[2])
{
    sum_difference_i(a, b, turned(*b, w));
}
/* With u = a + r^2 c, v = a - r^2 c, x = r b + r^3 d, y = r b - r^3 d:
 * (a, b, c, d) <- (u + x, u - x, v + i y, v - i y). 16 products, 8 additions. */
static inline void radix4(cv *a, cv *b, cv *c, cv *d, const vd w[6])
{
    cv u = *a, v = *c, x = turned(*b, w), y = *d;
    fused_sum_difference(&u, &v, w + 2);
    fused_sum_difference(&x, &y, w + 4);
    *a = u;
    sum_difference(a, b, x);
    *c = v;
    sum_difference_i(c, d, y);
}

/* Roots of a radix-4 butterfly r whose inputs carry the factor `scale` exp(i twist) too: the four products. */
#define LAST4_WORDS 8u
#define FACTORS 0 /* outputs of the last pass lack no factor */
static void twisted4_fill(double w[LAST4_WORDS], long double twist, long double root, long double scale)
{
    for (int k = 0; k < 4; k++) {
        w[2 * k] = (double)(scale * cosl(twist + (long double)k * root));
        w[2 * k + 1] = (double)(scale * sinl(twist + (long double)k * root));
    }
}
static inline void twisted4(cv *a, cv *b, cv *c, cv *d, const vd w[LAST4_WORDS])
{
    cv u = turned(*a, w), v = *c, x = turned(*b, w + 2), y = *d;
    fused_sum_difference(&u, &v, w + 4);
    fused_sum_difference(&x, &y, w + 6);
    *a = u;
    sum_difference(a, b, x);
    *c = v;
    sum_difference_i(c, d, y);
}
/* exp(-i pi q/8) x, q = 1..3. */
static inline cv turned_eighth(cv x, unsigned q)
{
    static const double cosine[4] = {1, 0.92387953251128675613, 0.70710678118654752440, 0.38268343236508977173};
    const vd c = vd_set1(cosine[q]), s = vd_set1(cosine[4 - q]);
    if (q == 2) return (cv){vd_mul(vd_add(x.re, x.im), c), vd_mul(vd_sub(x.im, x.re), c)};
    return (cv){vd_fma(x.re, c, vd_mul(x.im, s)), vd_fnma(x.re, s, vd_mul(x.im, c))};
}
static inline vd factor_of(const vd w[LAST4_WORDS], unsigned q)
{
    (void)q;
    return w[0];
}
/* x: the scale is in the roots. */
static inline vd value_of(vd x, vd w)
{
    (void)w;
    return x;
}
#endif
