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

/* Phase b - <a,S>, constant time in S. */
uint64_t lwe_phase(const secret_key *key, const uint64_t *ct);
/* Phase of a small-key ciphertext at 2^32: a (n), body at [n]. Debugging and noise measurement. */
uint32_t lwe_small_phase(const secret_key *key, const uint32_t *ct);
/* Step in [0, 2*EF*N/2^slot_bits) at which the rotation by these exponents (tfhe_exponents) ends. Constant time in the
 * key. */
uint32_t lwe_rotation_step(const secret_key *key, uint32_t EF, uint32_t slot_bits, const uint32_t *exponents);
#endif
