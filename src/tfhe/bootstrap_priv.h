/* SPDX-License-Identifier: Apache-2.0 */
/* Batch steps of bootstrapping; for the files of this folder and their tests. */
#ifndef TFHE_BOOTSTRAP_PRIV_H
#define TFHE_BOOTSTRAP_PRIV_H

#include "tfhe/bootstrap.h"
#include "tfhe/keys_priv.h"

#define BOOTSTRAP_BATCH 8u /* ciphertexts that share one pass over the keys */

size_t keyswitch_scratch(const tfhe_params *p);
void keyswitch_apply(const eval_key *key, const uint64_t *const *in, size_t count, uint32_t *out, scratch *tmp);

/* EF = 1, `count` <= BOOTSTRAP_BATCH ciphertexts, each key row read once: acc[q] (k+1, N), exponents[q] (n+1). */
void blind_rotate_batch(const eval_key *key, uint64_t *const *acc, const lut *const *tables,
                        const uint32_t *const *exponents, size_t count, scratch *tmp);
#endif
