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

#include "math/fft_tables_impl.h"
#include <string.h>

#define ALWAYS static inline __attribute__((always_inline))

/* --- stages ------------------------------------------------------------------------------------------------------ */

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

/* --- forward ----------------------------------------------------------------------------------------------------- */

static void forward_pass4(double *v, size_t M, size_t m, const double *t)
{
    const size_t h = m / 4;
    for (size_t b = 0; b < M; b += m, t += 6) {
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

static void forward_groups(const fft_plan *plan, double *v, const double *rows)
{
    const double *columns = plan->forward_vectors;
    for (size_t g = 0; g < plan->M; g += GROUP, rows += FORWARD_WORDS, columns += FORWARD_WORDS * LANES) {
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
}

/* All behind the first pass. */
static void forward_rest(const fft_plan *plan, double *v)
{
    const size_t M = plan->M;
    const double *t = plan->forward_scalars + 6;
    for (size_t m = M / outer_radix(M); m > GROUP; m /= 4) {
        forward_pass4(v, M, m, t);
        t += 6 * (M / m);
    }
    forward_groups(plan, v, t);
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
        forward_pass4(v, M, M, plan->forward_scalars);
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

/* The first pass on digits of N words that already carry their offset. */
ALWAYS void digits_pass(const fft_plan *plan, double *v, const uint64_t *y, digit_form form, size_t radix)
{
    const size_t M = plan->M, h = M / radix;
    vd w[6];
    spread_roots(w, plan->forward_scalars, radix == 4 ? 6 : 2);
    for (size_t j = 0; j < h; j += LANES) {
        cv x[4];
#pragma GCC unroll 4
        for (size_t q = 0; q < radix; q++)
            x[q] = (cv){vd_digit(vi_load(y + j + q * h), form), vd_digit(vi_load(y + M + j + q * h), form)};
        forward_first(x, radix, w);
#pragma GCC unroll 4
        for (size_t q = 0; q < radix; q++) cv_store(v, j + q * h, x[q]);
    }
}

static void forward_digits(const fft_plan *plan, double *v, const uint64_t *y, unsigned shift, unsigned bg)
{
    const digit_form form = digit_form_make(shift, bg);
    if (outer_radix(plan->M) == 4)
        digits_pass(plan, v, y, form, 4);
    else
        digits_pass(plan, v, y, form, 2);
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

ALWAYS vd rotated_digit(const rotation *r, size_t i, size_t j, const uint64_t *q, digit_form form)
{
    const vi x = vi_xor(vi_load(r->from[i] + (r->start[i] + j)), vi_set1(r->flip[i]));
    return vd_top_digit(vi_add(vi_sub(x, vi_load(q)), vi_set1(r->offset[i])), form);
}

ALWAYS void rotated_range(const fft_plan *plan, double *v, const rotation *r, const uint64_t *q, size_t first,
                          size_t end, digit_form form, size_t radix)
{
    const size_t M = plan->M, h = M / radix;
    vd w[6];
    spread_roots(w, plan->forward_scalars, radix == 4 ? 6 : 2);
    for (size_t j = first; j < end; j += LANES) {
        cv x[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < radix; i++)
            x[i] = (cv){rotated_digit(r, i, j, q + i * h + j, form),
                        rotated_digit(r, radix + i, j, q + M + i * h + j, form)};
        forward_first(x, radix, w);
#pragma GCC unroll 4
        for (size_t i = 0; i < radix; i++) cv_store(v, j + i * h, x[i]);
    }
}

static void rotation_sign(rotation *r, size_t i, uint64_t flip, uint64_t offset)
{
    r->flip[i] = flip;
    r->offset[i] = offset - flip;
}

/* The 2*radix segments of h words are read in order from word N - s on; in segment s/h the sign changes, and reading
 * goes on at word 0. */
ALWAYS void rotated_pass(const fft_plan *plan, double *v, const uint64_t *p, uint32_t a, const uint64_t *q, unsigned bg,
                         size_t radix)
{
    const size_t N = plan->N, h = plan->M / radix, s = a & (N - 1), turn = s / h, rest = s % h;
    const uint64_t before = a >= N ? 0 : UINT64_MAX, behind = ~before; /* X^N = -1 */
    const uint64_t offset = (UINT64_C(1) << (63 - bg)) + TOP_DIGIT_BIAS;
    const digit_form form = digit_form_make(64 - bg, bg);
    rotation r;
    for (size_t i = 0; i < 2 * radix; i++) {
        r.from[i] = p;
        r.start[i] = i <= turn ? N - s + i * h : i * h - s;
        rotation_sign(&r, i, i <= turn ? before : behind, offset);
    }
    size_t end = rest / LANES * LANES;
    rotated_range(plan, v, &r, q, 0, end, form, radix);
    r.start[turn] = (size_t)0 - rest;
    if (end != rest) { /* the vector with the change of sign, put together word by word */
        uint64_t edge[LANES];
        for (size_t i = 0; i < LANES; i++)
            edge[i] =
                end + i < rest ? (p[N - rest + end + i] ^ before) - before : (p[end + i - rest] ^ behind) - behind;
        rotation_sign(&r, turn, 0, offset);
        r.from[turn] = edge;
        r.start[turn] = (size_t)0 - end;
        rotated_range(plan, v, &r, q, end, end + LANES, form, radix);
        r.from[turn] = p;
        r.start[turn] = (size_t)0 - rest;
        end += LANES;
    }
    rotation_sign(&r, turn, behind, offset);
    rotated_range(plan, v, &r, q, end, h, form, radix);
}

static void forward_rotated(const fft_plan *plan, double *v, const uint64_t *p, uint32_t a, const uint64_t *q,
                            unsigned bg)
{
    if (outer_radix(plan->M) == 4)
        rotated_pass(plan, v, p, a, q, bg, 4);
    else
        rotated_pass(plan, v, p, a, q, bg, 2);
    forward_rest(plan, v);
}

static void difference_run(uint64_t *y, const uint64_t *shifted, const uint64_t *q, size_t n, uint64_t flip,
                           uint64_t offset)
{
    const vi f = vi_set1(flip), o = vi_set1(offset - flip);
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        vi_store(y + j, vi_add(vi_sub(vi_xor(vi_load(shifted + j), f), vi_load(q + j)), o));
    for (; j < n; j++) y[j] = ((shifted[j] ^ flip) - flip) - q[j] + offset;
}

static void rotate_difference(size_t N, uint64_t *y, const uint64_t *p, uint32_t a, const uint64_t *q, uint64_t offset)
{
    const uint64_t flip = a >= N ? UINT64_MAX : 0; /* X^N = -1 */
    const size_t s = a & (N - 1);
    difference_run(y, p + N - s, q, s, ~flip, offset);
    difference_run(y + s, p, q + s, N - s, flip, offset);
}

/* --- inverse ----------------------------------------------------------------------------------------------------- */

ALWAYS void inverse_group(const fft_plan *plan, cv x[LANES], double *v, size_t g)
{
    inverse_columns(x, plan->inverse_table);
    transpose(x);
    inverse_rows(x, plan->inverse_table + 8);
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) cv_store(v, g + i * LANES, x[i]);
}

/* Returns the table of the last pass. */
static const double *inverse_passes(const fft_plan *plan, double *v)
{
    const size_t M = plan->M, top = M / outer_radix(M);
    const double *table = plan->inverse_table + 8 + INVERSE_WORDS * LANES;
    for (size_t h = GROUP; 4 * h <= top; h *= 4) {
        for (size_t b = 0; b < M; b += 4 * h) {
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
        table += 6 * h;
    }
    return table;
}

/* Words of torus values: with 3 added the fraction is the mantissa's low 51 bits, and what lies above is shifted out.
 * All sums before all stores, whose addresses agree with the loads' in the low bits. */
ALWAYS void accumulate(const fft_plan *plan, uint64_t *out, const uint64_t *base, size_t j, const cv *x,
                       const vd *factor, size_t radix)
{
    const size_t h = plan->M / radix;
    vi sum[8];
#pragma GCC unroll 4
    for (size_t q = 0; q < radix; q++) {
        const vi re = vi_shifted_bits(fraction_of(x[q].re, factor[q]), 13);
        const vi im = vi_shifted_bits(fraction_of(x[q].im, factor[q]), 13);
        sum[q] = vi_add(vi_load(base + j + q * h), re);
        sum[radix + q] = vi_add(vi_load(base + plan->M + j + q * h), im);
    }
#pragma GCC unroll 8
    for (size_t q = 0; q < 2 * radix; q++) vi_store(out + j + q * h, sum[q]);
}

/* In place where out is NULL, else onto base. */
ALWAYS void finish(const fft_plan *plan, double *v, uint64_t *out, const uint64_t *base, size_t j, const cv *x,
                   const vd *factor, size_t radix)
{
    const size_t h = plan->M / radix;
    if (out != NULL) {
        accumulate(plan, out, base, j, x, factor, radix);
        return;
    }
#pragma GCC unroll 4
    for (size_t q = 0; q < radix; q++)
        cv_store(v, j + q * h, (cv){value_of(x[q].re, factor[q]), value_of(x[q].im, factor[q])});
}

/* Last pass of radix 4: the twist of position j goes into the roots, that of j + qM/4 is exp(-i pi q/8) times it and
 * done behind. */
ALWAYS void last4(const fft_plan *plan, double *v, const double *t, uint64_t *out, const uint64_t *base)
{
    const size_t h = plan->M / 4;
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
        finish(plan, v, out, base, j, x, factor, 4);
    }
}

/* Of radix 2: roots, then for both outputs the twist's parts (last2_fill). */
ALWAYS void last2(const fft_plan *plan, double *v, const double *t, uint64_t *out, const uint64_t *base)
{
    const size_t h = plan->M / 2;
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
        finish(plan, v, out, base, j, x, factor, 2);
    }
}

/* All behind the groups. */
ALWAYS void inverse_rest(const fft_plan *plan, double *v, uint64_t *out, const uint64_t *base)
{
    const double *t = inverse_passes(plan, v);
    if (outer_radix(plan->M) == 4)
        last4(plan, v, t, out, base);
    else
        last2(plan, v, t, out, base);
}

static void inverse(const fft_plan *plan, double *v)
{
    for (size_t g = 0; g < plan->M; g += GROUP) {
        cv x[LANES];
#pragma GCC unroll 8
        for (size_t i = 0; i < LANES; i++) x[i] = cv_load(v, g + i * LANES);
        inverse_group(plan, x, v, g);
    }
    inverse_rest(plan, v, NULL, NULL);
}

/* sum + x y */
ALWAYS cv cv_mul_add(cv x, cv y, cv sum)
{
    return (cv){vd_fnma(x.im, y.im, vd_fma(x.re, y.re, sum.re)), vd_fma(x.im, y.re, vd_fma(x.re, y.im, sum.im))};
}

/* Entry i of a row of a column; the next group's, `ahead` doubles behind it, is asked for. */
ALWAYS cv entry_load(const double *row, size_t i, size_t ahead)
{
    const double *entry = row + 2 * i * LANES;
    __builtin_prefetch(entry + ahead);
    if (LANES == 8) __builtin_prefetch(entry + ahead + LANES);
    return cv_load(entry, 0);
}

/* x <- sum of d[r] times the rows' entries of group g. */
ALWAYS void group_product(cv x[LANES], const fourier *d, const double *row, size_t rows, size_t g)
{
    const size_t ahead = 2 * GROUP * rows;
#pragma GCC unroll 8
    for (size_t i = 0; i < LANES; i++) {
        const cv a = cv_load(d[0].v, g + i * LANES), e = entry_load(row, i, ahead);
        x[i] = (cv){vd_fnma(a.im, e.im, vd_mul(a.re, e.re)), vd_fma(a.im, e.re, vd_mul(a.re, e.im))};
    }
    for (size_t r = 1; r < rows; r++) {
        row += 2 * GROUP;
#pragma GCC unroll 8
        for (size_t i = 0; i < LANES; i++)
            x[i] = cv_mul_add(cv_load(d[r].v, g + i * LANES), entry_load(row, i, ahead), x[i]);
    }
}

static void column_add(const fft_plan *plan, double *v, uint64_t *out, const uint64_t *base, const fourier *d,
                       const double *column, size_t rows)
{
    for (size_t g = 0; g < plan->M; g += GROUP, column += 2 * GROUP * rows) {
        cv x[LANES];
        group_product(x, d, column, rows, g);
        inverse_group(plan, x, v, g);
    }
    inverse_rest(plan, v, out, base);
}

static void column_pack(const fft_plan *plan, double *column, size_t rows, size_t r, const double *in)
{
    for (size_t g = 0; g < plan->M / GROUP; g++)
        memcpy(column + (g * rows + r) * 2 * GROUP, in + 2 * GROUP * g, 2 * GROUP * sizeof *in);
}

static void mul_add(size_t M, double *acc, const double *a, const double *b)
{
    for (size_t j = 0; j < M; j += LANES) cv_store(acc, j, cv_mul_add(cv_load(a, j), cv_load(b, j), cv_load(acc, j)));
}

const fft_kernels FFT_KERNELS = {
    .name = FFT_NAME,
    .lanes = LANES,
    .tables_words = tables_words,
    .tables_fill = tables_fill,
    .forward = forward,
    .inverse = inverse,
    .forward_digits = forward_digits,
    .forward_rotated = forward_rotated,
    .rotate_difference = rotate_difference,
    .mul_add = mul_add,
    .column_pack = column_pack,
    .column_add = column_add,
};
#endif
