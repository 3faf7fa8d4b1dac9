/* SPDX-License-Identifier: Apache-2.0 */
/* Integer matrix kernels on ciphertext words (arithmetic modulo 2^64 or 2^32). */
#ifndef MATH_MATRIX_H
#define MATH_MATRIX_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* Y += W X modulo 2^64: W (O,C) row-major signed integers, X (C,D) words, Y (O,D) words, row strides ldx and ldy in
 * words; Y overlaps neither. X is read once; all weights within [-511, 511] is the fast case, wider ones cost two,
 * three or four times as much (19, 29, 32 bits): matrix_weight_limbs times. Uses about 80 KiB of stack. Cannot fail. */
void matrix_mul_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X, size_t ldx,
                        size_t D);
/* The same of rows that lie anywhere: words [at, at + D) of X (C pointers), NULL a row of zeros; limbs:
 * matrix_weight_limbs of all weights or more. Behind them X has MATRIX_ROWS pointers more, to rows that the next call
 * begins with, or NULL: products of at most MATRIX_FEW outputs, which memory bounds, have them fetched meanwhile. Those
 * cut no weights into limbs, read MATRIX_ROWS rows from end to end at a time, and are best where D is large. */
void matrix_gather_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, unsigned limbs,
                           const uint64_t *const *X, size_t at, size_t D);
/* Limbs, 1 to 4, that the vector kernels cut these weights into; the reference kernel cuts none. */
unsigned matrix_weight_limbs(const int32_t *W, size_t count);
#define MATRIX_FEW 4u
#define MATRIX_ROWS 4u
#define MATRIX_CHUNK 126u  /* rows of X that they take at a time, adding to all of Y each time */
#define MATRIX_COLUMNS 64u /* words of X whose limbs are in the second-level cache at a time */

/* A matrix (R,W) of words modulo 2^32 that batches of small integers are multiplied with, 4 bytes an entry, stored in
 * the order in which the product reads it: blocks of rows, multiplied one at a time, so that the caller makes the
 * integers of one block only. Immutable and shared once its rows are set. */
typedef struct matrix_u32 matrix_u32;
/* R and W >= 1; block: rows of one block, even, >= 2; all words 0. Owned by the caller. Fails without memory. */
annulus_status matrix_u32_create(size_t R, size_t W, size_t block, matrix_u32 **out)
    __attribute__((warn_unused_result));
void matrix_u32_destroy(matrix_u32 *K); /* NULL is fine */
/* Row r <- row (W). Threads may set different rows at once. */
void matrix_u32_set(matrix_u32 *K, size_t r, const uint32_t *row);
/* Y -= digits times block m of K: digits (B, block), those behind row R are not used but are read; Y (B,W), row stride
 * ldy in words, overlaps nothing. Any B; 32 make good use of one reading of K. Cannot fail. */
void matrix_u32_mul_sub(uint32_t *Y, size_t ldy, const int16_t *digits, size_t B, const matrix_u32 *K, size_t m);
/* Blocks of K. */
size_t matrix_u32_blocks(const matrix_u32 *K);
#endif
