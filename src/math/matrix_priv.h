/* SPDX-License-Identifier: Apache-2.0 */
/* Variants of the integer matrix kernels; for matrix*.c and their tests only. Contracts: matrix.h. */
#ifndef MATH_MATRIX_PRIV_H
#define MATH_MATRIX_PRIV_H

#include "base/cpu.h"
#include "math/matrix.h"

/* A word is hi * 2^16 + lo modulo 2^32 with lo and hi in [-2^15, 2^15). A panel holds 16 columns of one block, for each
 * pair of rows (2i, 2i+1): the 16 lo pairs, then the 16 hi pairs. An odd last row is paired with zeros. */
#define PANEL_COLUMNS 16u
#define PANEL_STEP (4 * PANEL_COLUMNS) /* int16_t of one pair of rows: two rows, two halves */

/* Bits of a limb of the weights of matrix_mul_add_u64, and limbs at most. */
#define WEIGHT_BITS 10u
#define WEIGHT_LIMBS 4u

struct matrix_u32 {
    size_t R, W, block;
    int16_t *v; /* (blocks, panels, pairs of the block, PANEL_STEP) */
};

typedef struct matrix_kernels {
    const char *name;
    /* One tile of matrix_gather_add_u64: W (O, ldw), of which C <= MATRIX_CHUNK columns, weights of `limbs` limbs; D <=
     * MATRIX_COLUMNS words of the rows X (C), NULL a row of zeros, from word `at` of each. */
    void (*mul_add_u64)(uint64_t *Y, size_t ldy, const int32_t *W, size_t ldw, size_t O, size_t C, unsigned limbs,
                        const uint64_t *const *X, size_t at, size_t D);
    /* matrix_gather_add_u64 of O <= MATRIX_FEW, W (O, C). */
    void (*mul_add_few_u64)(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *const *X,
                            size_t at, size_t D);
    /* One block of matrix_u32_mul_sub: panels (ceil(W/16), pairs, PANEL_STEP), digits (B, ldd), ldd >= 2 pairs. */
    void (*mul_sub_u32)(uint32_t *Y, size_t ldy, const int16_t *digits, size_t ldd, size_t B, const int16_t *panels,
                        size_t pairs, size_t W);
} matrix_kernels;
extern const matrix_kernels matrix_kernels_ref;
#ifndef ANNULUS_PORTABLE
#if defined(__x86_64__)
extern const matrix_kernels matrix_kernels_avx2, matrix_kernels_avxvnni;
extern const matrix_kernels matrix_kernels_avx512, matrix_kernels_avx512vnni;
#elif defined(__aarch64__)
extern const matrix_kernels matrix_kernels_neon;
#endif
#endif

/* The best that the processor has of that level, which it must have. */
const matrix_kernels *matrix_kernels_for(cpu_level level);
/* Has the next product choose anew, for tests and benchmarks that change ANNULUS_CPU; nothing else computes meanwhile.
 */
void matrix_kernels_choose(void);
/* All that the processor has; returns how many. */
#define MATRIX_VARIANTS 5u
size_t matrix_kernels_all(const matrix_kernels *out[MATRIX_VARIANTS]);
#endif
