/* SPDX-License-Identifier: Apache-2.0 */
/* The vector kernels of the negacyclic FFT, one source for every instruction set. The including file has defined LANES,
 * LOG2_LANES, FFT_KERNELS (name of the table) and FFT_NAME, the wrappers of simd_f64_*.h and one set of butterflies.
 *
 * Forward (fft_priv.h: the tree of roots): radix-4 passes over memory, the first of them, of radix 2 where the number
 * of levels is odd, fused with the gadget decomposition; then groups of LANES*LANES points in registers: a radix-LANES
 * stage between the registers (rows), a transpose, a radix-LANES stage again (columns). The values stay transposed.
 * Inverse: columns, transpose, rows, radix-4 passes. Every butterfly multiplies first (decimation in time over the
 * powers of exp(-2 pi i/M)), which saves the additions of a mirrored forward transform; what that leaves, the twist
 * exp(-i pi j/2M)/M of coefficient j, is one product in the last pass and fused with the sum into the accumulator. */
#ifndef MATH_FFT_KERNELS_IMPL_H
#define MATH_FFT_KERNELS_IMPL_H

#include "math/fft_combine_impl.h"
#include "math/fft_forward_impl.h"
#include "math/fft_inverse_impl.h"
#include "math/fft_narrow_impl.h"
#include <string.h>

/* x <- sum of the rows of digits, `stride` doubles apart, times the rows' entries of group g. */
ALWAYS void group_product(cv x[LANES], const double *d, size_t stride, const double *row, size_t rows, size_t g)
{
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) x[i] = cv_mul(cv_load(d, g + i * LANES), cv_load(row, i * LANES));
    for (size_t r = 1; r < rows; r++) {
        row += 2 * GROUP;
        d += stride;
#pragma GCC unroll 8
        for (size_t i = 0; i < LANES; i++) x[i] = cv_mul_add(cv_load(d, g + i * LANES), cv_load(row, i * LANES), x[i]);
    }
}

/* Points b..b+block of the rows v: what is left of their forward transforms, the products, and the inverse transforms
 * within the block. `lines` cache lines from `next` on are asked for before every column of a group. */
ALWAYS void block_products(const fft_plan *plan, double *v, const fft_middle *m, const double *matrix, size_t b,
                           size_t block, const char *next, size_t lines)
{
    const double *w = plan->forward_rows + b / GROUP * FORWARD_WORDS;
    const double *wv = plan->forward_vectors + b / GROUP * FORWARD_WORDS * LANES;
    double *sum = v - LEAD;
    for (size_t r = 0; block > GROUP && r < m->rows; r++)
        forward_passes(plan, v + r * m->stride, b, b + block, block, GROUP);
    for (size_t g = b; g < b + block; g += GROUP, w += FORWARD_WORDS, wv += FORWARD_WORDS * LANES) {
        for (size_t r = 0; r < m->rows; r++) forward_group(v + r * m->stride, g, w, wv);
        for (size_t c = 0; c < m->columns; c++, matrix += 2 * GROUP * m->rows) {
            cv x[LANES];
            for (size_t i = 0; i < lines; i++, next += 64) __builtin_prefetch(next, 0, 2);
            group_product(x, v, m->stride, matrix, m->rows, g);
            inverse_group(plan, x, sum + c * m->stride, g);
        }
    }
    for (size_t c = 0; block > GROUP && c < m->columns; c++)
        inverse_passes(plan, sum + c * m->stride, b, b + block, block, 0);
}

/* Block by block, for one vector after the other, so that a block of the matrix is fetched once. */
static void middle(const fft_plan *plan, double *v, const fft_middle *m)
{
    const size_t M = plan->M, block = block_points(M), whole = m->rows * m->stride;
    const size_t lines = m->next == NULL ? 0 : (GROUP / 4 * m->rows + m->count - 1) / m->count;
    const char *next = (const char *)(m->next == NULL ? m->matrix : m->next);
    forward_outer(plan, v, m);
    for (size_t b = 0; b < M; b += block)
        for (size_t q = 0; q < m->count; q++, next += 64 * lines * m->columns * (block / GROUP))
            block_products(plan, v + q * whole, m, m->matrix + 2 * b * m->rows * m->columns, b, block, next, lines);
    inverse_outer(plan, v, m);
}

static void matrix_pack(const fft_plan *plan, double *matrix, size_t rows, size_t columns, size_t r, size_t c,
                        const double *in)
{
    for (size_t g = 0; g < plan->M / GROUP; g++)
        memcpy(matrix + ((g * columns + c) * rows + r) * 2 * GROUP, in + 2 * GROUP * g, 2 * GROUP * sizeof *in);
}

static void mul_add(size_t M, double *acc, const double *a, const double *b)
{
    for (size_t j = 0; j < M; j += LANES) cv_store(acc, j, cv_mul_add(cv_load(a, j), cv_load(b, j), cv_load(acc, j)));
}

static void dot(size_t M, double *out, const double *a, size_t a_stride, const double *b, size_t b_stride, size_t count)
{
    for (size_t j = 0; j < M; j += LANES) {
        cv sum = cv_mul(cv_load(a, j), cv_load(b, j));
        for (size_t i = 1; i < count; i++)
            sum = cv_mul_add(cv_load(a + i * a_stride, j), cv_load(b + i * b_stride, j), sum);
        cv_store(out, j, sum);
    }
}

const fft_kernels FFT_KERNELS = {
    .name = FFT_NAME,
    .lanes = LANES,
    .tables_words = tables_words,
    .tables_fill = tables_fill,
    .forward = forward,
    .inverse = inverse,
    .forward_rest = forward_rest,
    .first_pass = first_pass,
    .mul_add = mul_add,
    .dot = dot,
    .lead = LEAD,
    .matrix_pack = matrix_pack,
    .middle = middle,
    .bundle_pack = bundle_pack,
    .bundle = bundle,
    .scaled_products = SCALED_PRODUCTS,
    .last_add = last_add,
    .narrow_first = narrow_first,
    .narrow_add = narrow_add,
};
#endif
