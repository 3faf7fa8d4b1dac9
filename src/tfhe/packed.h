/* SPDX-License-Identifier: Apache-2.0 */
/* Many values in few GLWE ciphertexts, one a coefficient, and linear maps of them (torus_native study, "the first
 * layer, packed"; Chillotti et al., J. Cryptology 2020, sample extraction).
 *
 * Value i is coefficient i mod N of ciphertext i/N. The product with a polynomial that has weight i at coefficient
 * N-1 - i mod N has their sum of products at coefficient N-1, which is extracted: an LWE ciphertext under the big key.
 * Masks come from a seed, and only the bodies of coefficients in use are kept: 8 bytes a value. */
#ifndef TFHE_PACKED_H
#define TFHE_PACKED_H

#include "tfhe/lwe.h"

/* body (count) <- encryptions of torus words (count), count >= 1; masks of ciphertext g from stream g of mask_seed,
 * noise from operating-system entropy. Constant time in key and message. A mask seed is never used for two different
 * sets of messages. */
annulus_status packed_encrypt_seeded(const secret_key *key, const seed256 *mask_seed, const uint64_t *message,
                                     size_t count, uint64_t *body) __attribute__((warn_unused_result));
/* out (count, lwe_words): every value by itself. */
annulus_status packed_expand(const tfhe_params *p, const seed256 *mask_seed, const uint64_t *body, size_t count,
                             unsigned threads, uint64_t *out) __attribute__((warn_unused_result));

/* An integer matrix (rows, count) for packed values under the big keys of params, of which k and N count. Immutable and
 * shared between threads; takes 8 bytes an entry, count rounded up to N, and the weights. */
typedef struct packed_weights packed_weights;
/* Largest two-norm of a row: products of the transforms were then at most 2^-5.3 off on all rings, where 1/2 would be
 * wrong, and of masks from a seed stay far below 2^51. */
#define PACKED_NORM_MOST 8192.0
int packed_weights_fit(const int32_t *W, size_t rows, size_t count);
annulus_status packed_weights_create(const tfhe_params *p, const int32_t *W, size_t rows, size_t count,
                                     unsigned threads, packed_weights **out) __attribute__((warn_unused_result));
/* Bytes that they take. */
size_t packed_weights_memory(const tfhe_params *p, size_t rows, size_t count);
void packed_weights_destroy(packed_weights *w); /* NULL allowed */
/* out (rows, lwe_words) <- W times the values, as of packed_expand, exactly. */
annulus_status packed_sums(const packed_weights *w, const seed256 *mask_seed, const uint64_t *body, unsigned threads,
                           uint64_t *out) __attribute__((warn_unused_result));
/* Bytes that packed_sums takes for its work. */
size_t packed_sums_memory(const tfhe_params *p, size_t count, unsigned threads);
#endif
