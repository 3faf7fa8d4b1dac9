/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel table and plan of the negacyclic FFT; for fft*.c and their tests only.
 *
 * A real polynomial c of degree < N is the complex polynomial z_j = c_j + i*c_(j+M) of degree < M = N/2 modulo x^M - i.
 * The forward transform splits x^m - e^(i t) into x^(m/2) - e^(i t/2) and x^(m/2) + e^(i t/2) down to degree 1: the
 * twist is merged into the roots and the values come out in the order of the tree, or in another order of a variant's
 * own, which its inverse takes. */
#ifndef MATH_FFT_PRIV_H
#define MATH_FFT_PRIV_H

#include "base/cpu.h"
#include "math/fft.h"

/* A product of `count` vectors of rows with one matrix (fft_matrix_pack), columns <= rows; `next` is fetched meanwhile.
 * Or of vector q with the sum of (X^exponents[q][j] - 1) times matrix j of a bundle (fft_bundle_pack) of 3 or 7
 * members, count <= FFT_BUNDLE_SETS; what follows the matrices is fetched unless `next` is NULL. */
typedef struct fft_middle {
    size_t count, rows, columns, stride;
    const double *matrix, *next;
    size_t members;
    const uint32_t *const *exponents;
} fft_middle;

typedef struct fft_kernels {
    const char *name;
    /* Complex numbers that lie together: point j of a polynomial has its real part at 2*(j - j mod lanes) + j mod
     * lanes, its imaginary part `lanes` doubles behind. */
    size_t lanes;
    /* Doubles of the plan's tables for M points; fills them and sets the plan's pointers into them. */
    size_t (*tables_words)(size_t M);
    void (*tables_fill)(fft_plan *plan);
    /* In place; the inverse is scaled by 1/M. */
    void (*forward)(const fft_plan *plan, double *v);
    void (*inverse)(const fft_plan *plan, double *v);
    /* The forward transform in two parts: the first pass of the l digits of X^a p - q (a in [0, 2N)), or of p where q
     * is NULL and a 0, most significant first, each into N doubles, `stride` apart, and the rest, in place. `offset`
     * makes bits [64 - bg (j+1), 64 - bg j) of the difference digit j plus B/2. */
    void (*first_pass)(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint32_t a, const uint64_t *q,
                       unsigned bg, unsigned l, uint64_t offset);
    void (*forward_rest)(const fft_plan *plan, double *v);
    /* acc += a*b over M complex values. */
    void (*mul_add)(size_t M, double *acc, const double *a, const double *b);
    /* out <- sum of a*b over `count` >= 1 pairs, apart by a_stride and b_stride. */
    void (*dot)(size_t M, double *out, const double *a, size_t a_stride, const double *b, size_t b_stride,
                size_t count);
    /* Entry (r, c) of a matrix of rows x columns <- in. */
    void (*matrix_pack)(const fft_plan *plan, double *matrix, size_t rows, size_t columns, size_t r, size_t c,
                        const double *in);
    /* Of every vector q: the rest of the forward transforms of its rows, at v + (q*rows + r)*stride, the product with
     * the matrix, and the inverse transforms but for their last pass: column c ends at `lead` doubles before row c. */
    size_t lead;
    void (*middle)(const fft_plan *plan, double *v, const fft_middle *m);
    /* Entry (r, c) of matrix j of a bundle <- in. As middle, by a bundle. */
    void (*bundle_pack)(const fft_plan *plan, double *matrices, size_t members, size_t rows, size_t columns, size_t j,
                        size_t r, size_t c, const double *in);
    void (*bundle)(const fft_plan *plan, double *v, const fft_middle *m);
    /* acc <- acc + last pass of v, which is scaled by 2^bits where scaled_products is 1, bits in [0, 62], and by 1
     * where it is 0 and bits too. Scaled values are below 2^63: matrices and bundles are (fft.c). */
    int scaled_products;
    void (*last_add)(const fft_plan *plan, double *v, uint64_t *acc, unsigned bits);
    /* Of narrow accumulators (fft.h): the first passes of the digits of all their polynomials, of rows `stride` apart;
     * and last_add, of values scaled by 2^32 where scaled_products is 1. */
    void (*narrow_first)(const fft_plan *plan, const fft_gadget *g, double *v, size_t stride, const uint64_t *from,
                         uint32_t a, const uint64_t *base);
    void (*narrow_add)(const fft_plan *plan, double *v, uint64_t *acc);
} fft_kernels;

extern const fft_kernels fft_kernels_ref, fft_kernels_avx2, fft_kernels_avx512, fft_kernels_avx512add, fft_kernels_neon;
/* Kernels of a level; the reference ones where this build has none for it. */
const fft_kernels *fft_kernels_for(cpu_level level);
#define FFT_VARIANTS 4u
/* All that this build holds and the processor can run, the reference first; returns their number. */
size_t fft_kernels_all(const fft_kernels *out[FFT_VARIANTS]);

struct fft_plan {
    size_t N, M;
    const fft_kernels *kernels;
    double *roots; /* (4, N/2, 2): exp(i pi x/N) at [x mod 4, x div 4], x < 2N */
    double *forward_scalars, *forward_rows, *forward_vectors, *inverse_table, *inverse_last;
};

/* exp(i pi x/N), x < 2N. Point j of the tree is that of x = 1 + 4 (j with the bits of M in reverse). */
static inline const double *fft_root(const fft_plan *plan, size_t x)
{
    return plan->roots + 2 * ((x & 3) * plan->M + x / 4);
}

/* Index of the real part of point j. */
static inline size_t fft_at(const fft_kernels *kernels, size_t j)
{
    return 2 * (j & ~(kernels->lanes - 1)) + (j & (kernels->lanes - 1));
}
/* With this added, bits [64-bg*j, 64-bg*(j-1)) of the sum are digit j plus B/2: half a last step rounds, B/2 at every
 * level balances (the carries are the sum's own). */
static inline uint64_t fft_digit_offset(unsigned bg, unsigned l)
{
    uint64_t offset = bg * l == 64 ? 0 : UINT64_C(1) << (63 - bg * l);
    for (unsigned j = 1; j <= l; j++) offset += UINT64_C(1) << (64 - bg * j + bg - 1);
    return offset;
}

/* The same for both halves of word j of a narrow polynomial: what lies in the middle goes up and down in turns. Always
 * up would shift every coefficient of a mask by 2^-33, what the key adds up. */
static inline uint32_t fft_narrow_offset(unsigned bg, unsigned l, size_t j)
{
    return (uint32_t)(fft_digit_offset(bg, l) >> 32) - (uint32_t)(j & 1);
}
/* c <- c + the words nearest to the values v (period 1). */
void fft_words_add(const fft_plan *plan, uint64_t *c, const double *v);
/* A plan with given kernels, which the processor can run. */
annulus_status fft_plan_create_with(size_t N, const fft_kernels *kernels, fft_plan **out)
    __attribute__((warn_unused_result));
#endif
