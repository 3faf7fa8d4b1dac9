/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of roots of the vector kernels, in the order in which fft_kernels_impl.h reads them; included by it alone.
 * Angles are in long double, so that every root is the nearest double. */
#ifndef MATH_FFT_TABLES_IMPL_H
#define MATH_FFT_TABLES_IMPL_H

#include "math/fft_priv.h"

#define GROUP ((size_t)LANES * LANES)
/* Constants of a radix-LANES stage: forward, and inverse rows. */
#define FORWARD_WORDS (LANES == 8 ? 10u : LANES == 4 ? 6u : 2u)
#define INVERSE_WORDS (LANES == 8 ? 14u : LANES == 4 ? 6u : 2u)
#define TURN (2 * 3.14159265358979323846264338327950288L)

/* Radix of the first forward and last inverse pass. */
static size_t outer_radix(size_t M)
{
    return ((unsigned)__builtin_ctzll(M) - 2 * LOG2_LANES) % 2 == 0 ? 4 : 2;
}

/* Points of a block whose passes, products and passes back stay in the innermost cache. */
static size_t block_points(size_t M)
{
    size_t points = M / outer_radix(M);
    while (points > 256) points /= 4;
    return points;
}

/* Angle theta of block b of the 2^depth blocks modulo x^m - exp(i theta) (fft_priv.h). */
static long double block_angle(unsigned depth, size_t b)
{
    long double theta = TURN / 4;
    for (unsigned d = depth; d > 0; d--) theta = theta / 2 + (long double)(b >> (d - 1) & 1) * (TURN / 2);
    return theta;
}

/* w[stride*i]: constant i of the radix-LANES stage of a block of angle theta. */
static void forward_stage_fill(double *w, size_t stride, long double theta)
{
    double c[10];
    if (LANES == 2)
        root2_fill(c, theta / 2);
    else
        root4_fill(c, theta / 4);
    if (LANES == 8) {
        root2_fill(c + 6, theta / 8);
        root2_fill(c + 8, theta / 8 + TURN / 8);
    }
    for (size_t i = 0; i < FORWARD_WORDS; i++) w[stride * i] = c[i];
}

/* Doubles before the constants of the groups' rows; of all scalars. */
static size_t forward_rows_offset(size_t M)
{
    size_t words = 6;
    for (size_t m = M / outer_radix(M); m > GROUP; m /= 4) words += 6 * (M / m);
    return words;
}

static size_t forward_scalars(size_t M)
{
    return (forward_rows_offset(M) + M / GROUP * FORWARD_WORDS + 7) / 8 * 8;
}

static void forward_fill(size_t M, double *scalars, double *vectors)
{
    unsigned depth = outer_radix(M) == 4 ? 2 : 1;
    double *w = scalars;
    if (outer_radix(M) == 2)
        root2_fill(w, TURN / 8);
    else
        root4_fill(w, TURN / 16);
    w += 6;
    for (size_t m = M / outer_radix(M); m > GROUP; m /= 4, depth += 2)
        for (size_t b = 0; b < M / m; b++, w += 6) root4_fill(w, block_angle(depth, b) / 4);
    for (size_t g = 0; g < M / GROUP; g++, w += FORWARD_WORDS) {
        forward_stage_fill(w, 1, block_angle(depth, g));
        for (size_t lane = 0; lane < LANES; lane++)
            forward_stage_fill(vectors + g * FORWARD_WORDS * LANES + lane, LANES,
                               block_angle(depth + LOG2_LANES, LANES * g + lane));
    }
}

/* Vectors of roots of an inverse radix-4 butterfly of blocks of 4h points at positions j.. . */
static void inverse_root4_fill(double *w, size_t h, size_t j)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        double c[6];
        root4_fill(c, -TURN * (long double)(j + lane) / (4.0L * (long double)h));
        for (size_t i = 0; i < 6; i++) w[LANES * i + lane] = c[i];
    }
}

static void inverse_root2_fill(double *w, size_t h, size_t j)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        double c[2];
        root2_fill(c, -TURN * (long double)(j + lane) / (2.0L * (long double)h));
        for (size_t i = 0; i < 2; i++) w[LANES * i + lane] = c[i];
    }
}

/* Roots and, for both outputs, cosine and sine of pi j/2M, with the scale where value_of has no factor. */
static void last2_fill(double *w, size_t M, size_t j)
{
    inverse_root2_fill(w, M / 2, j);
    for (size_t q = 0; q < 2; q++)
        for (size_t lane = 0; lane < LANES; lane++) {
            const long double angle = TURN / 4 * (long double)(j + q * (M / 2) + lane) / (long double)M;
            const long double scale = FACTORS ? 1 : 1 / (long double)M;
            w[(2 + 2 * q) * LANES + lane] = (double)(cosl(angle) * scale);
            w[(3 + 2 * q) * LANES + lane] = (double)(sinl(angle) * scale);
        }
}

/* Twist exp(-i pi j/2M)/M of the position and root exp(-2 pi i j/M): fft_butterfly_*.h. */
static void last4_fill(double *w, size_t M, size_t j)
{
    for (size_t lane = 0; lane < LANES; lane++) {
        double c[LAST4_WORDS];
        const long double angle = -TURN / 4 * (long double)(j + lane) / (long double)M;
        twisted4_fill(c, angle, 4 * angle, 1.0L / (long double)M);
        for (size_t i = 0; i < LAST4_WORDS; i++) w[LANES * i + lane] = c[i];
    }
}

/* Doubles before the table of the last pass; of all. */
static size_t inverse_last_offset(size_t M)
{
    size_t vectors = INVERSE_WORDS;
    for (size_t m = 4 * GROUP; m <= M / outer_radix(M); m *= 4) vectors += 6 * (m / 4 / LANES);
    return 8 + vectors * LANES;
}

static size_t inverse_words(size_t M)
{
    const size_t radix = outer_radix(M);
    return inverse_last_offset(M) + (radix == 4 ? LAST4_WORDS : 6) * (M / radix);
}

static void inverse_fill(size_t M, double *w)
{
    root4_fill(w, -TURN / 8); /* columns of LANES = 8 */
    w += 8;
    if (LANES == 2) inverse_root2_fill(w, LANES, 0);
    if (LANES == 4) inverse_root4_fill(w, LANES, 0);
    if (LANES == 8) {
        inverse_root2_fill(w, LANES, 0);
        inverse_root4_fill(w + 2 * LANES, 2 * LANES, 0);
        inverse_root4_fill(w + 8 * LANES, 2 * LANES, LANES);
    }
    w += INVERSE_WORDS * LANES;
    const size_t radix = outer_radix(M), top = M / radix;
    for (size_t h = GROUP; 4 * h <= top; h *= 4)
        for (size_t j = 0; j < h; j += LANES, w += 6 * LANES) inverse_root4_fill(w, h, j);
    for (size_t j = 0; j < top; j += LANES)
        if (radix == 4) {
            last4_fill(w, M, j);
            w += LAST4_WORDS * LANES;
        } else {
            last2_fill(w, M, j);
            w += 6 * LANES;
        }
}

static size_t tables_words(size_t M)
{
    return forward_scalars(M) + M / GROUP * FORWARD_WORDS * LANES + inverse_words(M);
}

static void tables_fill(fft_plan *plan)
{
    const size_t M = plan->M;
    plan->forward_vectors = plan->forward_scalars + forward_scalars(M);
    plan->forward_rows = plan->forward_scalars + forward_rows_offset(M);
    plan->inverse_table = plan->forward_vectors + M / GROUP * FORWARD_WORDS * LANES;
    plan->inverse_last = plan->inverse_table + inverse_last_offset(M);
    forward_fill(M, plan->forward_scalars, plan->forward_vectors);
    inverse_fill(M, plan->inverse_table);
}
#endif
