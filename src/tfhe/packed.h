/* SPDX-License-Identifier: Apache-2.0 */
/* Many values in few GLWE ciphertexts, one a coefficient, and linear maps of them (Chillotti et al., J. Cryptology
 * 2020, sample extraction).
 *
 * Value i is coefficient i mod N of ciphertext i/N. The product with a polynomial that has weight i at coefficient
 * N-1 - i mod N has their sum of products at coefficient N-1, and at N-1-d the sum of the values d coefficients before;
 * each is extracted: an LWE ciphertext under the big key.
 * Masks come from a seed, and only the bodies of coefficients in use are kept: 8 bytes a value, or as many of their
 * high bits as are needed. */
#ifndef TFHE_PACKED_H
#define TFHE_PACKED_H

#include "tfhe/lwe.h"

/* body (count) <- encryptions of torus words (count), count >= 1; masks of ciphertext g from stream g of mask_seed,
 * noise from operating-system entropy. Constant time in key and message. A mask seed is never used for two different
 * sets of messages. */
annulus_status packed_encrypt_seeded(const secret_key *key, const seed256 *mask_seed, const uint64_t *message,
                                     size_t count, uint64_t *body) __attribute__((warn_unused_result));
/* Bodies (count) become the nearest multiples of 2^(64 - bits), bits in [1, 64]: an error each, of about uniform law,
 * whose variance on the torus is noise_rounded of optimizer/noise.h. */
void packed_round(uint64_t *body, size_t count, unsigned bits);
/* out (count, lwe_words): every value by itself. */
annulus_status packed_expand(const tfhe_params *p, const seed256 *mask_seed, const uint64_t *body, size_t count,
                             unsigned threads, uint64_t *out) __attribute__((warn_unused_result));

/* Rows of whole numbers, given one by one, for `count` packed values under the big keys of params, of which k and N
 * count. Rows that are translates of each other, all inputs of one moved by as many coefficients and none into another
 * ciphertext, are coefficients of one product: they make a group, as the places of a convolution's channel do but for
 * its borders. What the weights of a group have in common is a factor of its sums. Takes 4 bytes a weight of a group, 8
 * a row. */
typedef struct packed_rows packed_rows;
/* rows, count >= 1 */
annulus_status packed_rows_create(const tfhe_params *p, size_t rows, size_t count, packed_rows **out)
    __attribute__((warn_unused_result));
void packed_rows_destroy(packed_rows *r); /* NULL allowed */
/* The next row: input (taken), each at most once, in any order, counted from `first`; those that are none of the values
 * and weights of 0 are left out. */
annulus_status packed_rows_add(packed_rows *r, const uint32_t *input, const int64_t *weight, size_t taken, size_t first)
    __attribute__((warn_unused_result));
/* Largest two-norm of a row's weights without their common factor: products of the transforms were then at most 2^-5.3
 * off on all rings, where 1/2 would be wrong, and of masks from a seed stay far below 2^51. */
#define PACKED_NORM_MOST 8192.0
/* Whether all rows so far have at most that. */
int packed_rows_fit(const packed_rows *r);

/* What sums of packed values work on. */
typedef struct packed_size {
    size_t rows, ciphertexts;
    size_t groups;  /* of rows: a product each */
    size_t polys;   /* pairs of a group and a ciphertext that it takes: transforms of weights */
    size_t weights; /* of all groups, none of them 0 */
} packed_size;
packed_size packed_rows_size(const packed_rows *r);

/* The rows, all given, with the transforms of their weights. Immutable and shared between threads. */
typedef struct packed_weights packed_weights;
/* Takes over the rows, which fit, also if it fails. */
annulus_status packed_weights_create(packed_rows *rows, unsigned threads, packed_weights **out)
    __attribute__((warn_unused_result));
/* Bytes that they take. */
size_t packed_weights_memory(const tfhe_params *p, const packed_size *size);
void packed_weights_destroy(packed_weights *w); /* NULL allowed */
/* out (rows, lwe_words) <- W times the values, as of packed_expand, exactly. */
annulus_status packed_sums(const packed_weights *w, const seed256 *mask_seed, const uint64_t *body, unsigned threads,
                           uint64_t *out) __attribute__((warn_unused_result));
/* Bytes that packed_sums takes for its work. */
size_t packed_sums_memory(const tfhe_params *p, size_t count, unsigned threads);
#endif
