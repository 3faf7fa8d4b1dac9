/* SPDX-License-Identifier: Apache-2.0 */
/* Inverse transform of the vector kernels (fft_kernels_impl.h): groups in registers, passes over blocks, and the last
 * pass with the twist and the sum into the accumulator; included by fft_kernels_impl.h alone. */
#ifndef MATH_FFT_INVERSE_IMPL_H
#define MATH_FFT_INVERSE_IMPL_H

#include "math/fft_stages_impl.h"

#define LEAD (2 * GROUP) /* the products of a group are stored over the group of digits before, which has been read */

ALWAYS void inverse_group(const fft_plan *plan, cv x[LANES], double *v, size_t g)
{
    inverse_columns(x, plan->inverse_table);
    transpose(x);
    inverse_rows(x, plan->inverse_table + 8);
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) cv_store(v, g + i * LANES, x[i]);
}

/* All passes that make blocks of most >= 4h > least points in first..end. */
static void inverse_passes(const fft_plan *plan, double *v, size_t first, size_t end, size_t most, size_t least)
{
    const double *table = plan->inverse_table + 8 + INVERSE_WORDS * LANES;
    for (size_t h = GROUP; 4 * h <= most; table += 6 * h, h *= 4)
        for (size_t b = first; 4 * h > least && b < end; b += 4 * h) {
            const double *t = table;
            for (size_t j = b; j < b + h; j += LANES, t += 6 * LANES) {
                cv x[4];
                vd w[6];
                load_roots(w, t, 6);
#pragma GCC unroll 4
                for (size_t q = 0; q < 4; q++) x[q] = cv_load(v, j + q * h);
                inverse4(&x[0], &x[1], &x[2], &x[3], w);
#pragma GCC unroll 4
                for (size_t q = 0; q < 4; q++) cv_store(v, j + q * h, x[q]);
            }
        }
}

/* The passes back that no block holds, of all columns of products. */
static void inverse_outer(const fft_plan *plan, double *v, const fft_middle *m)
{
    const size_t M = plan->M, top = M / outer_radix(M), block = block_points(M);
    for (size_t q = 0; block < top && q < m->count; q++)
        for (size_t c = 0; c < m->columns; c++)
            inverse_passes(plan, v + (q * m->rows + c) * m->stride - LEAD, 0, M, top, block);
}

/* All sums before all stores, whose addresses agree with the loads' in the low bits. */
ALWAYS void accumulate(const fft_plan *plan, uint64_t *acc, size_t j, const cv *x, const vd *factor, word_form form,
                       size_t radix)
{
    const size_t h = plan->M / radix;
    vi sum[8];
#pragma GCC unroll 4
    for (size_t q = 0; q < radix; q++) {
        const vi re = vi_word(value_of(x[q].re, factor[q]), form);
        const vi im = vi_word(value_of(x[q].im, factor[q]), form);
        sum[q] = vi_add(vi_load(acc + j + q * h), re);
        sum[radix + q] = vi_add(vi_load(acc + plan->M + j + q * h), im);
    }
#pragma GCC unroll 8
    for (size_t q = 0; q < 2 * radix; q++) vi_store(acc + j + q * h, sum[q]);
}

/* The same for a narrow accumulator. */
ALWAYS void accumulate_narrow(const fft_plan *plan, uint64_t *acc, size_t j, const cv *x, const vd *factor,
                              size_t radix)
{
    const size_t h = plan->M / radix;
    vi sum[4];
#pragma GCC unroll 4
    for (size_t q = 0; q < radix; q++)
        sum[q] =
            vi_add32(vi_load(acc + j + q * h), vi_words(value_of(x[q].re, factor[q]), value_of(x[q].im, factor[q])));
#pragma GCC unroll 4
    for (size_t q = 0; q < radix; q++) vi_store(acc + j + q * h, sum[q]);
    if (j < FFT_NARROW_PAD) vi_store(acc + plan->M + j, sum[0]);
}

enum { IN_PLACE, WIDE, NARROW };

/* In place, or onto an accumulator. */
ALWAYS void finish(const fft_plan *plan, double *v, uint64_t *acc, size_t j, const cv *x, const vd *factor,
                   word_form form, size_t radix, int onto)
{
    const size_t h = plan->M / radix;
    if (onto == WIDE) accumulate(plan, acc, j, x, factor, form, radix);
    if (onto == NARROW) accumulate_narrow(plan, acc, j, x, factor, radix);
#pragma GCC unroll 4
    for (size_t q = 0; onto == IN_PLACE && q < radix; q++)
        cv_store(v, j + q * h, (cv){value_of(x[q].re, factor[q]), value_of(x[q].im, factor[q])});
}

/* Last pass of radix 4: the twist of position j goes into the roots, that of j + qM/4 is exp(-i pi q/8) times it and
 * done behind. */
ALWAYS void last4(const fft_plan *plan, double *v, uint64_t *acc, word_form form, int onto)
{
    const size_t h = plan->M / 4;
    const double *t = plan->inverse_last;
    for (size_t j = 0; j < h; j += LANES, t += LAST4_WORDS * LANES) {
        cv x[4];
        vd w[LAST4_WORDS], factor[4];
        load_roots(w, t, LAST4_WORDS);
#pragma GCC unroll 4
        for (size_t q = 0; q < 4; q++) {
            x[q] = cv_load(v, j + q * h);
            factor[q] = factor_of(w, (unsigned)q);
        }
        inverse4_twisted(x, w);
        finish(plan, v, acc, j, x, factor, form, 4, onto);
    }
}

/* Of radix 2: roots, then for both outputs the twist's parts (last2_fill). */
ALWAYS void last2(const fft_plan *plan, double *v, uint64_t *acc, word_form form, int onto)
{
    const size_t h = plan->M / 2;
    const double *t = plan->inverse_last;
    const vd scale = vd_set1(1.0 / (double)plan->M), factor[2] = {scale, scale};
    for (size_t j = 0; j < h; j += LANES, t += 6 * LANES) {
        cv x[2] = {cv_load(v, j), cv_load(v, j + h)};
        vd w[6];
        load_roots(w, t, 6);
        radix2(&x[0], &x[1], w);
#pragma GCC unroll 2
        for (size_t q = 0; q < 2; q++) {
            const cv y = x[q];
            const vd c = w[2 + 2 * q], s = w[3 + 2 * q];
            x[q] = (cv){vd_fma(y.re, c, vd_mul(y.im, s)), vd_fnma(y.re, s, vd_mul(y.im, c))};
        }
        finish(plan, v, acc, j, x, factor, form, 2, onto);
    }
}

ALWAYS void inverse_last(const fft_plan *plan, double *v, uint64_t *acc, unsigned bits, int onto)
{
    const word_form form = word_form_make(bits);
    if (outer_radix(plan->M) == 4)
        last4(plan, v, acc, form, onto);
    else
        last2(plan, v, acc, form, onto);
}

static void inverse(const fft_plan *plan, double *v)
{
    const size_t M = plan->M;
    for (size_t g = 0; g < M; g += GROUP) {
        cv x[LANES];
#pragma GCC unroll 8
        for (size_t i = 0; i < LANES; i++) x[i] = cv_load(v, g + i * LANES);
        inverse_group(plan, x, v, g);
    }
    inverse_passes(plan, v, 0, M, M / outer_radix(M), 0);
    inverse_last(plan, v, NULL, 0, IN_PLACE);
}

static void last_add(const fft_plan *plan, double *v, uint64_t *acc, unsigned bits)
{
    inverse_last(plan, v, acc, bits, WIDE);
}

static void narrow_add(const fft_plan *plan, double *v, uint64_t *acc)
{
    inverse_last(plan, v, acc, 0, NARROW);
}
#endif
