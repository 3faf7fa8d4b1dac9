/* SPDX-License-Identifier: Apache-2.0 */
/* First passes of narrow accumulators (fft.h) of the vector kernels; included by fft_kernels_impl.h alone.
 *
 * A word of such a polynomial holds z_j (fft_priv.h), and X^M = i: position j of X^(tM + s) z is i^t z_(j-s), or
 * i^(t+1) z_(j-s+M) where j < s. A vector takes its lanes from LANES words that follow each other, as the first ones
 * lie behind the last again; what powers of i they take is the same for all polynomials. No branch depends on the
 * exponent. */
#ifndef MATH_FFT_NARROW_IMPL_H
#define MATH_FFT_NARROW_IMPL_H

#include "math/fft_forward_impl.h"
#include <string.h>

_Static_assert(LANES <= FFT_NARROW_PAD, "a vector past the end");

/* Of a level: what cuts a digit plus B/2 out of a lower half, as the mantissa of a number of which `minus` leaves the
 * digit; and out of an upper one. */
typedef struct narrow_level {
    vi mask, exponent;
    vd minus;
    digit_form high;
} narrow_level;

typedef struct narrow_form {
    vi offset[2]; /* of masks and of the body */
    narrow_level level[FFT_NARROW_MOST];
} narrow_form;

static vi narrow_offsets(unsigned bg, unsigned l)
{
    uint64_t words[LANES] __attribute__((aligned(64)));
    for (size_t j = 0; j < LANES; j++) {
        const uint32_t low = fft_narrow_offset(bg, l, j);
        words[j] = (((uint64_t)low << 32) + TOP_DIGIT_BIAS - (UINT64_C(1) << 63)) | low;
    }
    return vi_load(words);
}

ALWAYS narrow_level narrow_level_make(unsigned bg, unsigned level)
{
    const unsigned shift = 32 - bg * (level + 1);
    const double first = (double)(UINT64_C(1) << (52 - shift)); /* the field begins with its units */
    uint64_t bits;
    memcpy(&bits, &first, sizeof bits);
    return (narrow_level){.mask = vi_set1(((UINT64_C(1) << bg) - 1) << shift),
                          .exponent = vi_set1(bits),
                          .minus = vd_set1(first + (double)(UINT64_C(1) << (bg - 1))),
                          .high = digit_form_make(32 + shift, bg)};
}

/* The l digits of the vectors y of position j. */
ALWAYS void narrow_store(const fft_plan *plan, double *v, size_t stride, const vi *y, size_t j, const vd *w,
                         const narrow_level *form, unsigned l, size_t radix)
{
    for (unsigned level = 0; level < l; level++) {
        const narrow_level *f = &form[level];
        cv x[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < radix; i++) {
            const vd low = vd_sub(vd_field(y[i], f->mask, f->exponent), f->minus);
            x[i] = (cv){low, level == 0 ? vd_top_digit(y[i], f->high) : vd_digit(y[i], f->high)};
        }
        first_store(v + level * stride, x, j, plan->M / radix, w, radix);
    }
}

/* All polynomials; one: l and lb are 1; base NULL where plain. */
ALWAYS void narrow_pass(const fft_plan *plan, const fft_gadget *g, double *v, size_t stride, const uint64_t *from,
                        uint32_t a, const uint64_t *base, const narrow_form *form, size_t radix, int one, int plain)
{
    const size_t M = plan->M, h = M / radix, s = a & (M - 1), words = M + FFT_NARROW_PAD, columns = g->columns;
    const unsigned t = a >> __builtin_ctzll(M), l = one ? 1 : g->l;
    vd w[6];
    spread_roots(w, plan->forward_scalars, radix == 4 ? 6 : 2);
    for (size_t j = 0; j < h; j += LANES) {
        powers_of_i turn[4];
        const uint64_t *x[4];
#pragma GCC unroll 4
        for (size_t i = 0; i < radix; i++) {
            const size_t at = i * h + j;
            if (!plain) turn[i] = powers_of_i_make((ptrdiff_t)s - (ptrdiff_t)at, t);
            x[i] = from + ((at - s) & (M - 1));
        }
        for (size_t c = 0; c < columns; c++) {
            const int body = c + 1 == columns;
            vi y[4];
#pragma GCC unroll 4
            for (size_t i = 0; i < radix; i++) {
                y[i] = vi_load(x[i] + c * words);
                vi rest = form->offset[one ? 0 : body];
                if (!plain) {
                    y[i] = vi_times_i(y[i], turn[i]);
                    rest = vi_sub32(rest, vi_load(base + c * words + i * h + j));
                }
                y[i] = vi_add32(rest, y[i]);
            }
            narrow_store(plan, v + c * l * stride, stride, y, j, w, form->level, one ? 1 : body ? g->lb : l, radix);
        }
    }
}

ALWAYS void narrow_passes(const fft_plan *plan, const fft_gadget *g, double *v, size_t stride, const uint64_t *from,
                          uint32_t a, const uint64_t *base, size_t radix, int one)
{
    narrow_form form = {.offset = {narrow_offsets(g->bg, g->l), narrow_offsets(g->bg, g->lb)}};
    for (unsigned level = 0; level < (one ? 1 : g->l); level++) form.level[level] = narrow_level_make(g->bg, level);
    if (base == NULL)
        narrow_pass(plan, g, v, stride, from, 0, base, &form, radix, one, 1);
    else
        narrow_pass(plan, g, v, stride, from, a, base, &form, radix, one, 0);
}

static void narrow_levels(const fft_plan *plan, const fft_gadget *g, double *v, size_t stride, const uint64_t *from,
                          uint32_t a, const uint64_t *base)
{
    if (outer_radix(plan->M) == 4)
        narrow_passes(plan, g, v, stride, from, a, base, 4, 0);
    else
        narrow_passes(plan, g, v, stride, from, a, base, 2, 0);
}

static void narrow_first(const fft_plan *plan, const fft_gadget *g, double *v, size_t stride, const uint64_t *from,
                         uint32_t a, const uint64_t *base)
{
    if (g->l > 1)
        narrow_levels(plan, g, v, stride, from, a, base);
    else if (outer_radix(plan->M) == 4)
        narrow_passes(plan, g, v, stride, from, a, base, 4, 1);
    else
        narrow_passes(plan, g, v, stride, from, a, base, 2, 1);
}
#endif
