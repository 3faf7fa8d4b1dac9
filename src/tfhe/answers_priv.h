/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the keys of answers; for answers*.c only. */
#ifndef TFHE_ANSWERS_PRIV_H
#define TFHE_ANSWERS_PRIV_H

#include "tfhe/answers.h"
#include "tfhe/keys_priv.h"

struct seeded_answers_key {
    tfhe_answers answers;
    tfhe_params keyswitch; /* tfhe_answers_params */
    seed256 mask_seed;
    uint32_t *body; /* (big k*N, l, N) modulo 2^32 */
};

struct answers_key {
    tfhe_answers answers;
    switching_key *keyswitch; /* rows: masks (k,N), body coefficients 1 to N-1, then 0 */
};

/* b (N) += A P modulo X^N + 1 and 2^32: A (N), P (N) words 0/1. Constant time in P. */
void answers_multiply_add(uint32_t *b, const uint32_t *A, const uint64_t *P, size_t N);
#endif
