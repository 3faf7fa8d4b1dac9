/* SPDX-License-Identifier: Apache-2.0 */
/* Negacyclic products in Z_{2^64}[X]/(X^N+1) through a complex FFT of M = N/2 points over the roots of x^M - i.
 * Fourier values are in the plan's own order (permuted) and never leave memory. */
#ifndef MATH_FFT_H
#define MATH_FFT_H

#include "base/memory.h"
#include <math.h>
#include <stdint.h>

#define FFT_MIN_N 256u
#define FFT_MAX_N 65536u

typedef struct fft_plan fft_plan; /* immutable, shared between threads */

/* One Fourier polynomial: N doubles, 64-byte aligned, in the plan's own layout. */
typedef struct fourier {
    double *v;
} fourier;

/* N a power of two in [FFT_MIN_N, FFT_MAX_N], else ANNULUS_ERR_INPUT. */
annulus_status fft_plan_create(size_t N, fft_plan **out) __attribute__((warn_unused_result));
void fft_plan_destroy(fft_plan *plan);
size_t fft_plan_N(const fft_plan *plan);
size_t fft_words(size_t N); /* doubles of one Fourier polynomial */
/* Name of the kernels that fft_plan_create takes, one of cpu_variants. */
const char *fft_kernels_name(void);

/* out <- FFT of N signed integers (|c| <= 2^31). c need not be aligned beyond 8 bytes. */
void fft_forward_i64(const fft_plan *plan, fourier out, const int64_t *c);
/* out <- FFT of N torus words read as signed, scaled by 2^-64 (key material). */
void fft_forward_torus(const fft_plan *plan, fourier out, const uint64_t *c);
/* c <- c + IFFT(in) in torus words (mod 2^64, nearest): `in` is scaled as torus (period 1). Destroys `in`. */
void fft_inverse_add_torus(const fft_plan *plan, uint64_t *c, fourier in);
/* c[N-1-j] <- h*2^32 + l modulo 2^64, h and l the nearest integers to coefficient j of IFFT(high) and IFFT(low), below
 * 2^51. Destroys both. */
void fft_inverse_halves_reversed(const fft_plan *plan, uint64_t *c, fourier high, fourier low);
/* acc += a*b, pointwise. */
void fft_mul_add(const fft_plan *plan, fourier acc, fourier a, fourier b);
/* out <- sum of a*b, pointwise, over `count` >= 1 pairs that follow a and b at a_stride and b_stride doubles. */
void fft_dot(const fft_plan *plan, fourier out, fourier a, size_t a_stride, fourier b, size_t b_stride, size_t count);
/* acc <- 0 */
void fft_zero(const fft_plan *plan, fourier acc);

/* c <- c + a*s exactly mod 2^64 with s binary (secret, words 0/1); constant time in a and s; through limbs and the FFT.
 * s_hat: fft_forward_i64 of s. tmp: poly_mul_binary_scratch(N). */
size_t poly_mul_binary_scratch(size_t N);
void poly_mul_binary_add(const fft_plan *plan, uint64_t *c, const uint64_t *a, fourier s_hat, scratch *tmp);

/* --- one external product, fused where the instruction set allows ------------------------------------------------ */

#define FFT_MAX_ROWS 364u /* 7 * 52 */

/* Gadget of an external product: columns = k+1 polynomials in and out, l levels of base 2^bg each (l*bg <= 52), but
 * lb <= l of the last one (its body); columns <= rows of the matrix <= FFT_MAX_ROWS. narrow: accumulators have words of
 * 32 bits. */
typedef struct fft_gadget {
    size_t columns;
    unsigned bg, l, lb;
    int narrow;
} fft_gadget;
size_t fft_gadget_rows(const fft_gadget *g);

/* A polynomial of an accumulator is N torus words; or, narrow, as the nearest multiples of 2^-32, N/2 + FFT_NARROW_PAD
 * words, of which word j holds coefficient j in its lower and j + N/2 in its upper half, the last ones the first
 * again. */
#define FFT_NARROW_PAD 8u
/* Bits of all levels of masks up to which an accumulator may be narrow: what its words round off adds half a percent of
 * the variance of the gadget's rounding then. */
#define FFT_NARROW_MOST 27u
/* Whether it may be, and sums up to FFT_SUM_MOST are below 2^31; members: of bundles, else 0. */
int fft_narrow_fits(size_t N, const fft_gadget *g, size_t members);
size_t fft_accumulator_words(size_t N, const fft_gadget *g); /* of one polynomial; a multiple of 8 */
/* Word j of a narrow polynomial, of coefficients j and j + N/2 to the nearest; and the last words, when all are set. */
static inline uint64_t fft_narrow_pair(uint64_t low, uint64_t high)
{
    const uint64_t half = UINT64_C(1) << 31;
    return (low + half) >> 32 | (high + half) >> 32 << 32;
}
void fft_narrow_close(size_t N, uint64_t *p);
/* Coefficient i of a narrow polynomial. */
static inline uint64_t fft_narrow_word(size_t N, const uint64_t *p, size_t i)
{
    return i < N / 2 ? p[i] << 32 : p[i - N / 2] >> 32 << 32;
}

/* A GGSW in Fourier form: rows x columns polynomials, fft_matrix_words doubles, 64-byte aligned, in a layout and a
 * scale of the plan's own for one gadget: filled by fft_matrix_pack with transforms by fft_forward_torus. Destroys
 * `in`. */
size_t fft_matrix_words(size_t N, size_t rows, size_t columns);
void fft_matrix_pack(const fft_plan *plan, double *matrix, const fft_gadget *g, size_t r, size_t c, fourier in);

/* External products in two steps, so that all that is read of an accumulator may be read before any of it is written.
 * First the digits of X^a*from - base (a in [0, 2N)), balanced base 2^bg, row r*l + j level j (most significant first)
 * of polynomial r; ties go to -B/2: digits are in [-B/2, B/2). What the last level rounds goes up from the middle
 * between two; in narrow accumulators, where that is frequent, from coefficients i of even i mod N/2 alone. from, base:
 * (columns, fft_accumulator_words); base NULL: nothing is subtracted, and a is 0. digits: fft_digits_words doubles,
 * 64-byte aligned. */
#define FFT_SUM_MOST(B, terms) (4.0 * (B)*sqrt(terms)) /* of terms = rows*N, times 2*members of a bundle */
size_t fft_digits_words(size_t N, const fft_gadget *g);
void fft_digits_take(const fft_plan *plan, const fft_gadget *g, double *digits, const uint64_t *from, uint32_t a,
                     const uint64_t *base);
/* Then acc[q] <- acc[q] + IFFT(digits x matrix) in torus words (to 2^-51 or, if that is more, 2^-62 times
 * FFT_SUM_MOST; narrow ones to 2^-33 besides), (columns, fft_accumulator_words) each, for `count` sets of digits, one
 * after another, which are destroyed; blocks of the matrix are fetched once for all. Sums must stay below FFT_SUM_MOST,
 * else words are wrong: a key's words look random, and for those that is 27 standard deviations, 2^-540, even of the
 * largest digits. `next`: the matrix needed after this one, fetched meanwhile (only addresses of it are taken), or
 * NULL. */
void fft_digits_apply(const fft_plan *plan, const fft_gadget *g, double *digits, size_t count, uint64_t *const *acc,
                      const double *matrix, const double *next);

/* --- one external product by a combination of matrices ----------------------------------------------------------- */

#define FFT_BUNDLE_MOST 7u
#define FFT_BUNDLE_SETS 8u /* of digits at a time */

/* A bundle is `members` = 3 or 7 matrices for one gadget, members*fft_matrix_words doubles, 64-byte aligned. Entry (r,
 * c) of matrix j <- in, which is destroyed. */
void fft_bundle_pack(const fft_plan *plan, double *bundle, size_t members, const fft_gadget *g, size_t j, size_t r,
                     size_t c, fourier in);
/* acc[q] <- acc[q] + IFFT(digits x sum over j of (X^exponents[q][j] - 1) matrix_j), exponents in [0, 2N): otherwise as
 * fft_digits_apply, count <= FFT_BUNDLE_SETS. The digits are those of acc itself (fft_digits_take with base NULL) for a
 * step of several key bits. Exponents of 0 add exactly nothing. ahead: what lies a little behind in memory, the next
 * bundle at the end, is fetched meanwhile. */
void fft_bundle_apply(const fft_plan *plan, const fft_gadget *g, double *digits, size_t count, uint64_t *const *acc,
                      const double *bundle, size_t members, const uint32_t *const *exponents, int ahead);

/* The digits of X^a*p - q alone, in the Fourier domain: out (l, N), level by level; p, q: N words. */
void fft_decompose(const fft_plan *plan, double *out, const uint64_t *p, uint32_t a, const uint64_t *q, unsigned bg,
                   unsigned l);
#endif
