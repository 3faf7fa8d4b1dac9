/* SPDX-License-Identifier: Apache-2.0 */
/* Products with a combination of matrices (fft_priv.h, bundle) of the vector kernels; included by fft_kernels_impl.h
 * alone.
 *
 * Values are those at exp(i pi x/N), and point l of vector i of group g has x = 1 + 4 reversed(g LANES^2 + l LANES + i)
 * over the bits of M (fft_stages_impl.h): a part of the lane plus 4 times a part of the vector. X^e is the product of
 * one vector a lane's part, kept for all groups, and one root, no gather; an entry of the combination is made in
 * registers and multiplied there, and the matrices lie in the order in which they are read. What is read of them for
 * one vector of points stays in the innermost cache for all ciphertexts. */
#ifndef MATH_FFT_COMBINE_IMPL_H
#define MATH_FFT_COMBINE_IMPL_H

#include "math/fft_forward_impl.h"
#include "math/fft_inverse_impl.h"
#include <string.h>

#define AHEAD 16384u /* bytes from what is read of a bundle to what is fetched */
/* One vector alone waits for the memory; where what it reads for LANES points is longer than this, the processor
 * fetches it sooner by itself. */
#define ALONE_MOST 2048u

/* The low `bits` bits of x in reverse. */
ALWAYS size_t reversed(size_t x, unsigned bits)
{
    size_t y = 0;
    for (unsigned i = 0; i < bits; i++) y |= (x >> i & 1) << (bits - 1 - i);
    return y;
}

/* What the products of one call share. */
typedef struct bundle_work {
    double lane[FFT_BUNDLE_SETS][FFT_BUNDLE_MOST][2 * LANES] __attribute__((aligned(64)));
    size_t vector[LANES]; /* x/4 of the part of vector i, less that of the group */
    unsigned group_bits;
    const char *ahead;
    size_t lines; /* fetched from there before every column of a vector of points */
} bundle_work;

static void bundle_work_init(const fft_plan *plan, const fft_middle *m, bundle_work *work)
{
    const size_t N = plan->N, M = plan->M;
    work->group_bits = (unsigned)__builtin_ctzll(M / GROUP);
    for (size_t i = 0; i < LANES; i++) work->vector[i] = M / LANES * reversed(i, LOG2_LANES);
    for (size_t q = 0; q < m->count; q++)
        for (size_t j = 0; j < m->members; j++)
            for (size_t l = 0; l < LANES; l++) {
                const size_t x = m->exponents[q][j] * (1 + 4 * (M / GROUP) * reversed(l, LOG2_LANES)) & (2 * N - 1);
                const double *root = fft_root(plan, x);
                work->lane[q][j][l] = root[0];
                work->lane[q][j][LANES + l] = root[1];
            }
    const size_t column = 2 * LANES * sizeof(double) * m->rows * m->members;
    work->ahead = (const char *)m->matrix + AHEAD;
    work->lines = m->next == NULL ? 0 : (column / 64 + m->count - 1) / m->count;
    if (m->count == 1 && column * m->columns > ALONE_MOST) work->lines = 0;
}

/* f[j] <- X^e_j - 1 at a vector of points whose part is x/4. */
ALWAYS void monomials(const fft_plan *plan, cv *f, double lane[][2 * LANES], const uint32_t *e, size_t x,
                      size_t members)
{
#pragma GCC unroll 8
    for (size_t j = 0; j < members; j++) {
        const double *root = plan->roots + 2 * (e[j] * x & (plan->M - 1));
        const vd c = vd_set1(root[0]), s = vd_set1(root[1]), re = vd_load(lane[j]), im = vd_load(lane[j] + LANES);
        f[j] = (cv){vd_fma(re, c, vd_fnma(im, s, vd_set1(-1))), vd_fma(re, s, vd_mul(im, c))};
    }
}

/* Entry of the combination from the members' entries, one after another. */
ALWAYS cv combined(const cv *f, const double *matrix, size_t members)
{
    cv sum = cv_mul(f[0], cv_load(matrix, 0));
#pragma GCC unroll 8
    for (size_t j = 1; j < members; j++) sum = cv_mul_add(f[j], cv_load(matrix, j * LANES), sum);
    return sum;
}

/* The points at `at` of all columns of set q, over what the group before has read. */
ALWAYS void vector_product(double *v, const fft_middle *m, const double *matrix, const cv *f, size_t at, size_t members,
                           const char *ahead, size_t lines)
{
    double *sum = v - LEAD;
    for (size_t c = 0; c < m->columns; c++) {
        for (size_t i = 0; i < lines; i++, ahead += 64) __builtin_prefetch(ahead, 0, 2);
        cv x = cv_mul(combined(f, matrix, members), cv_load(v, at));
        matrix += 2 * LANES * members;
        for (size_t r = 1; r < m->rows; r++, matrix += 2 * LANES * members)
            x = cv_mul_add(combined(f, matrix, members), cv_load(v + r * m->stride, at), x);
        cv_store(sum + c * m->stride, at, x);
    }
}

/* Group g of all sets: the rest of their forward transforms, the products, the first of the inverse ones. */
ALWAYS void bundle_group(const fft_plan *plan, double *v, const fft_middle *m, bundle_work *work, size_t g,
                         size_t members)
{
    const size_t whole = m->rows * m->stride, order = reversed(g, work->group_bits);
    const size_t entries = 2 * LANES * m->rows * m->columns * members;
    const double *rows = plan->forward_rows + g * FORWARD_WORDS;
    const double *columns = plan->forward_vectors + g * FORWARD_WORDS * LANES;
    for (size_t r = 0; r < m->count * m->rows; r++) forward_group(v + r * m->stride, g * GROUP, rows, columns);
    for (size_t i = 0; i < LANES; i++)
        for (size_t q = 0; q < m->count; q++) {
            cv f[FFT_BUNDLE_MOST];
            monomials(plan, f, work->lane[q], m->exponents[q], order + work->vector[i], members);
            vector_product(v + q * whole, m, m->matrix + (g * LANES + i) * entries, f, g * GROUP + i * LANES, members,
                           work->ahead, work->lines);
            work->ahead += 64 * work->lines * m->columns;
        }
    for (size_t q = 0; q < m->count; q++)
        for (size_t c = 0; c < m->columns; c++) {
            double *sum = v + q * whole + c * m->stride - LEAD;
            cv x[LANES];
#pragma GCC unroll 8
            for (size_t i = 0; i < LANES; i++) x[i] = cv_load(sum, g * GROUP + i * LANES);
            inverse_group(plan, x, sum, g * GROUP);
        }
}

ALWAYS void bundle_blocks(const fft_plan *plan, double *v, const fft_middle *m, size_t members)
{
    const size_t M = plan->M, block = block_points(M), whole = m->rows * m->stride;
    bundle_work work;
    bundle_work_init(plan, m, &work);
    for (size_t b = 0; b < M; b += block) {
        for (size_t r = 0; block > GROUP && r < m->count * m->rows; r++)
            forward_passes(plan, v + r * m->stride, b, b + block, block, GROUP);
        for (size_t g = b / GROUP; g < (b + block) / GROUP; g++) bundle_group(plan, v, m, &work, g, members);
        for (size_t q = 0; block > GROUP && q < m->count; q++)
            for (size_t c = 0; c < m->columns; c++)
                inverse_passes(plan, v + q * whole + c * m->stride - LEAD, b, b + block, block, 0);
    }
}

static void bundle3(const fft_plan *plan, double *v, const fft_middle *m)
{
    bundle_blocks(plan, v, m, 3);
}

static void bundle7(const fft_plan *plan, double *v, const fft_middle *m)
{
    bundle_blocks(plan, v, m, 7);
}

static void bundle(const fft_plan *plan, double *v, const fft_middle *m)
{
    forward_outer(plan, v, m);
    if (m->members == 3)
        bundle3(plan, v, m);
    else
        bundle7(plan, v, m);
    inverse_outer(plan, v, m);
}

static void bundle_pack(const fft_plan *plan, double *matrices, size_t members, size_t rows, size_t columns, size_t j,
                        size_t r, size_t c, const double *in)
{
    for (size_t i = 0; i < plan->M / LANES; i++)
        memcpy(matrices + (((i * columns + c) * rows + r) * members + j) * 2 * LANES, in + 2 * LANES * i,
               2 * LANES * sizeof *in);
}
#endif
