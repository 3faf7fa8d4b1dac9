/* SPDX-License-Identifier: Apache-2.0 */
/* Integer matrix kernels on ciphertext words (arithmetic modulo 2^64 or 2^32). */
#ifndef MATH_MATRIX_H
#define MATH_MATRIX_H

#include <stddef.h>
#include <stdint.h>

/* Y += W X: W (O,C) row-major signed integers, X (C,D) words, Y (O,D) words, row strides ldx and ldy in words.
 * Blocked so that X is streamed once per block of rows. */
void matrix_mul_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X, size_t ldx,
                        size_t D);
/* Y -= D_ K: digits D_ (B,R) small signed, K (R,W) words, Y (B,W) words: keyswitch of a batch of B ciphertexts. */
void matrix_mul_sub_u32(uint32_t *Y, size_t ldy, const int32_t *digits, size_t B, size_t R, const uint32_t *K,
                        size_t ldk, size_t W);
#endif
