/* SPDX-License-Identifier: Apache-2.0 */
/* Forward transform of the vector kernels (fft_kernels_impl.h): first passes, which take digits, passes over blocks and
 * groups in registers; included by fft_kernels_impl.h alone. */
#ifndef MATH_FFT_FORWARD_IMPL_H
#define MATH_FFT_FORWARD_IMPL_H

#include "math/fft_stages_impl.h"

/* Radix-4 pass over the blocks of m points of first..end; t: roots of the block at `first`. */
ALWAYS void forward_pass4(double *v, size_t first, size_t end, size_t m, const double *t)
{
    const size_t h = m / 4;
    for (size_t b = first; b < end; b += m, t += 6) {
        vd w[6];
        spread_roots(w, t, 6);
        for (size_t j = b; j < b + h; j += LANES) {
            cv x[4];
#pragma GCC unroll 4
            for (size_t q = 0; q < 4; q++) x[q] = cv_load(v, j + q * h);
            radix4(&x[0], &x[1], &x[2], &x[3], w);
#pragma GCC unroll 4
            for (size_t q = 0; q < 4; q++) cv_store(v, j + q * h, x[q]);
        }
    }
}

/* All passes over blocks of most >= m > least points in first..end. */
static void forward_passes(const fft_plan *plan, double *v, size_t first, size_t end, size_t most, size_t least)
{
    const double *t = plan->forward_scalars + 6;
    size_t blocks = outer_radix(plan->M);
    for (size_t m = plan->M / blocks; m > least; t += 6 * blocks, m /= 4, blocks *= 4)
        if (m <= most) forward_pass4(v, first, end, m, t + 6 * (first >> __builtin_ctzll(m)));
}

/* The passes that no block holds, of all rows of digits. */
static void forward_outer(const fft_plan *plan, double *v, const fft_middle *m)
{
    const size_t top = plan->M / outer_radix(plan->M), block = block_points(plan->M);
    for (size_t r = 0; block < top && r < m->count * m->rows; r++)
        forward_passes(plan, v + r * m->stride, 0, plan->M, top, block);
}

/* Group g in place; its constants at rows and columns. */
ALWAYS void forward_group(double *v, size_t g, const double *rows, const double *columns)
{
    cv x[LANES];
    vd w[FORWARD_WORDS];
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) x[i] = cv_load(v, g + i * LANES);
    spread_roots(w, rows, FORWARD_WORDS);
    forward_stage(x, w);
    transpose(x);
    load_roots(w, columns, FORWARD_WORDS);
    forward_stage(x, w);
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) cv_store(v, g + i * LANES, x[i]);
}

/* All behind the first pass. */
static void forward_rest(const fft_plan *plan, double *v)
{
    const double *rows = plan->forward_rows, *columns = plan->forward_vectors;
    forward_passes(plan, v, 0, plan->M, plan->M, GROUP);
    for (size_t g = 0; g < plan->M; g += GROUP, rows += FORWARD_WORDS, columns += FORWARD_WORDS * LANES)
        forward_group(v, g, rows, columns);
}

ALWAYS void forward_first(cv *x, size_t radix, const vd *w)
{
    if (radix == 4)
        radix4(&x[0], &x[1], &x[2], &x[3], w);
    else
        radix2(&x[0], &x[1], w);
}

static void forward(const fft_plan *plan, double *v)
{
    const size_t M = plan->M;
    if (outer_radix(M) == 4) {
        forward_pass4(v, 0, M, M, plan->forward_scalars);
    } else {
        vd w[2];
        spread_roots(w, plan->forward_scalars, 2);
        for (size_t j = 0; j < M / 2; j += LANES) {
            cv x[2] = {cv_load(v, j), cv_load(v, j + M / 2)};
            radix2(&x[0], &x[1], w);
            cv_store(v, j, x[0]);
            cv_store(v, j + M / 2, x[1]);
        }
    }
    forward_rest(plan, v);
}

/* Where the words of X^a p lie that a first pass takes at position j: segment i is read at from[i] + (start[i] + j),
 * all its bits flipped by flip[i], and offset[i] is added: the digit's offset, and 1 where a flip stands for a minus.
 */
typedef struct rotation {
    const uint64_t *from[8];
    size_t start[8]; /* modulo 2^64: start + j is what lies in the polynomial */
    uint64_t flip[8], offset[8];
} rotation;

/* Word j of segment i less q[j], or, with q NULL, the word alone, not flipped. */
ALWAYS vi rotated_difference(const rotation *r, size_t i, size_t j, const uint64_t *q, size_t at)
{
    const vi x = vi_load(r->from[i] + (r->start[i] + j));
    if (q == NULL) return vi_add(x, vi_set1(r->offset[i]));
    return vi_add(vi_sub(vi_xor(x, vi_set1(r->flip[i])), vi_load(q + at)), vi_set1(r->offset[i]));
}

ALWAYS void first_store(double *v, cv *x, size_t j, size_t h, const vd *w, size_t radix)
{
    forward_first(x, radix, w);
#pragma GCC unroll 4
    for (size_t i = 0; i < radix; i++) cv_store(v, j + i * h, x[i]);
}

/* Positions first..end of the l digits' Fourier polynomials, `stride` doubles apart; form: of every level. */
ALWAYS void rotated_range(const fft_plan *plan, double *v, size_t stride, const rotation *r, const uint64_t *q,
                          size_t first, size_t end, const digit_form *form, unsigned l, size_t radix)
{
    const size_t M = plan->M, h = M / radix;
    vd w[6];
    spread_roots(w, plan->forward_scalars, radix == 4 ? 6 : 2);
    for (size_t j = first; j < end; j += LANES) {
        cv x[4];
        vi y[8];
#pragma GCC unroll 4
        for (size_t i = 0; i < radix; i++) {
            y[i] = rotated_difference(r, i, j, q, i * h + j);
            y[radix + i] = rotated_difference(r, radix + i, j, q, M + i * h + j);
            x[i] = (cv){vd_top_digit(y[i], form[0]), vd_top_digit(y[radix + i], form[0])};
        }
        first_store(v, x, j, h, w, radix);
        for (unsigned level = 1; level < l; level++) {
#pragma GCC unroll 4
            for (size_t i = 0; i < radix; i++)
                x[i] = (cv){vd_digit(y[i], form[level]), vd_digit(y[radix + i], form[level])};
            first_store(v + level * stride, x, j, h, w, radix);
        }
    }
}

static void rotation_sign(rotation *r, size_t i, uint64_t flip, uint64_t offset)
{
    r->flip[i] = flip;
    r->offset[i] = offset - flip;
}

/* The 2*radix segments of h words are read in order from word N - s on; in segment s/h the sign changes, and reading
 * goes on at word 0. */
ALWAYS void rotated_pass(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint32_t a,
                         const uint64_t *q, uint64_t offset, const digit_form *form, unsigned l, size_t radix)
{
    const size_t N = plan->N, h = plan->M / radix, s = a & (N - 1), turn = s / h, rest = s % h;
    const uint64_t before = a >= N ? 0 : UINT64_MAX, behind = ~before; /* X^N = -1 */
    rotation r;
    for (size_t i = 0; i < 2 * radix; i++) {
        r.from[i] = p;
        r.start[i] = i <= turn ? N - s + i * h : i * h - s;
        rotation_sign(&r, i, i <= turn ? before : behind, offset);
    }
    size_t end = rest / LANES * LANES;
    rotated_range(plan, v, stride, &r, q, 0, end, form, l, radix);
    if (end != rest) { /* the vector with the change of sign */
        uint64_t edge[LANES] __attribute__((aligned(64)));
        vi_store(edge, vi_join_signed(p + N - (rest - end), p, rest - end, before));
        rotation_sign(&r, turn, 0, offset);
        r.from[turn] = edge;
        r.start[turn] = (size_t)0 - end;
        rotated_range(plan, v, stride, &r, q, end, end + LANES, form, l, radix);
        r.from[turn] = p;
        end += LANES;
    }
    r.start[turn] = (size_t)0 - rest;
    rotation_sign(&r, turn, behind, offset);
    rotated_range(plan, v, stride, &r, q, end, h, form, l, radix);
}

/* The words as they are. */
ALWAYS void plain_pass(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint64_t offset,
                       const digit_form *form, unsigned l, size_t radix)
{
    const size_t h = plan->M / radix;
    rotation r;
    for (size_t i = 0; i < 2 * radix; i++) {
        r.from[i] = p;
        r.start[i] = i * h;
        rotation_sign(&r, i, 0, offset);
    }
    rotated_range(plan, v, stride, &r, NULL, 0, h, form, l, radix);
}

ALWAYS void any_pass(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint32_t a, const uint64_t *q,
                     uint64_t offset, const digit_form *form, unsigned l, size_t radix)
{
    if (q == NULL)
        plain_pass(plan, v, stride, p, offset, form, l, radix);
    else
        rotated_pass(plan, v, stride, p, a, q, offset, form, l, radix);
}

static void first_levels(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint32_t a,
                         const uint64_t *q, unsigned bg, unsigned l, uint64_t offset)
{
    digit_form form[52];
    for (unsigned level = 0; level < l; level++) form[level] = digit_form_make(64 - bg * (level + 1), bg);
    if (outer_radix(plan->M) == 4)
        any_pass(plan, v, stride, p, a, q, offset, form, l, 4);
    else
        any_pass(plan, v, stride, p, a, q, offset, form, l, 2);
}

static void first_pass(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint32_t a, const uint64_t *q,
                       unsigned bg, unsigned l, uint64_t offset)
{
    const digit_form form = digit_form_make(64 - bg, bg);
    offset += TOP_DIGIT_BIAS - (UINT64_C(1) << 63);
    if (l > 1)
        first_levels(plan, v, stride, p, a, q, bg, l, offset);
    else if (outer_radix(plan->M) == 4)
        any_pass(plan, v, stride, p, a, q, offset, &form, 1, 4);
    else
        any_pass(plan, v, stride, p, a, q, offset, &form, 1, 2);
}
#endif
