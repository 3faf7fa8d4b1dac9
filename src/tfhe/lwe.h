/* SPDX-License-Identifier: Apache-2.0 */
/* LWE ciphertexts under the big key: k*N mask words and one body, phase = b - <a,S>, torus 2^64. */
#ifndef TFHE_LWE_H
#define TFHE_LWE_H

#include "tfhe/keys.h"

/* words of one big-key ciphertext */
static inline size_t lwe_words(const tfhe_params *p)
{
    return tfhe_big_dim(p) + 1;
}

/* count fresh encryptions of torus words; bodies (count) only, masks from mask_seed with stream index i.
 * Noise comes from operating-system entropy. A mask seed is never used for two different sets of messages. */
annulus_status lwe_encrypt_seeded(const secret_key *key, const seed256 *mask_seed, const uint64_t *message,
                                  size_t count, uint64_t *body) __attribute__((warn_unused_result));
/* out (count, lwe_words): masks from the seed and bodies. */
annulus_status lwe_expand(const tfhe_params *p, const seed256 *mask_seed, const uint64_t *body, size_t count,
                          unsigned threads, uint64_t *out) __attribute__((warn_unused_result));
/* Phase b - <a,S>, constant time in S. */
uint64_t lwe_phase(const secret_key *key, const uint64_t *ct);
/* Phase of a small-key ciphertext at 2^32: a (n), body at [n]. Debugging and noise measurement. */
uint32_t lwe_small_phase(const secret_key *key, const uint32_t *ct);
/* Step in [0, 2*EF*N) at which the rotation by these exponents (tfhe_exponents) ends. Constant time in the key. */
uint32_t lwe_rotation_step(const secret_key *key, uint32_t EF, const uint32_t *exponents);
#endif
