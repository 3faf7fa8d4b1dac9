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
    uint32_t
        *sent; /* (k, sent_l, N) bodies of encryptions of the polynomials of the key that answers are packed under
                  times 2^(31 - j), under that which they are sent under; behind body, of no rows if it is the same */
};

struct answers_key {
    tfhe_answers answers;
    switching_key *keyswitch; /* rows: masks (k,N), body coefficients 1 to N-1, then 0 */
    uint32_t *sent;           /* (k, sent_l, sent_k + 1, N); NULL if it is the same */
};

/* b (N) += A P modulo X^N + 1 and 2^32: A (N), P (N) words 0/1. Constant time in P. */
void answers_multiply_add(uint32_t *b, const uint32_t *A, const uint64_t *P, size_t N);
/* drift (N) += twice half of the product of what rounding added to the words of a mask, error (N), with a key of ones:
 * coefficient j of A P is sum_(i <= j) A_i P_(j-i) - sum_(i > j) A_i P_(N+j-i). */
void answers_drift(const int32_t *error, size_t N, int64_t *drift);

/* sum (polys,N) += X^shift row (polys,N), shift < 2 N. */
void answers_add_turned(uint32_t *sum, const uint32_t *row, size_t polys, size_t N, size_t shift);
/* b (N) <- the body of an encryption of 0 with noise TUniform(bound), its masks and noise the next of the worker's
 * streams; the worker has room for the key's dimension in words of 4 bytes, and N of 8. */
annulus_status answers_zero(key_worker *w, const answers_secret *key, uint32_t bound, uint32_t *b)
    __attribute__((warn_unused_result));

/* The keyswitch into the key that answers are sent under (answers_sent.c). Rows of polynomial c of `packed`, by a
 * worker at the start of its streams for them. */
annulus_status answers_sent_rows(const seeded_answers_key *key, const answers_secret *packed,
                                 const answers_secret *sent, size_t c, key_worker *w)
    __attribute__((warn_unused_result));
annulus_status answers_sent_expand(const seeded_answers_key *seeded, uint32_t **out)
    __attribute__((warn_unused_result));
/* out (sent_k+1,N) <- in (k+1,N) */
void answers_sent_apply(const answers_key *key, const uint32_t *in, uint32_t *out);

/* The phase on the torus 2^64 whose multiples are nearest to part (parts), torus 2^32 (answers_join.c). */
uint64_t answers_join(const tfhe_answers *a, const uint32_t *part);
#endif
