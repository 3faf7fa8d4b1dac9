/* SPDX-License-Identifier: Apache-2.0 */
/* Secret key; evaluation and keyswitching keys, seeded (storage form) and expanded (memory only, for bootstrapping in
 * Fourier form). */
#ifndef TFHE_KEYS_H
#define TFHE_KEYS_H

#include "base/bytes.h"
#include "base/progress.h"
#include "base/random.h"
#include "tfhe/params.h"

/* s: n words 0/1; S: k*N words 0/1 (key polynomials one after another = the big LWE key after sample extraction). */
typedef struct secret_key {
    tfhe_params params;
    uint64_t *s; /* (n) */
    uint64_t *S; /* (k,N) */
} secret_key;

annulus_status secret_key_create(const tfhe_params *p, secret_key **out)
    __attribute__((warn_unused_result)); /* OS randomness */
/* Tests only: everything derived from `seed`. */
annulus_status secret_key_create_seeded(const tfhe_params *p, const seed256 *seed, secret_key **out)
    __attribute__((warn_unused_result));
/* A key of parameters p with a small key of its own and the big key of `ring`, of the same k, N and glwe_noise, else
 * REQUIRE fails: ciphertexts under that big key are then of both families. OS randomness. */
annulus_status secret_key_create_beside(const tfhe_params *p, const secret_key *ring, secret_key **out)
    __attribute__((warn_unused_result));
void secret_key_destroy(secret_key *key); /* wipes; NULL allowed */
void secret_key_write(writer *w, const secret_key *key);
annulus_status secret_key_read(reader *r, secret_key **out) __attribute__((warn_unused_result));

/* Bodies only, coefficient domain; masks come from a seed. The keyswitching key of its own is part of it unless params
 * say ks_l = 0. */
typedef struct seeded_eval_key seeded_eval_key;
annulus_status seeded_eval_key_create(const secret_key *key, unsigned threads, const annulus_progress *progress,
                                      seeded_eval_key **out) __attribute__((warn_unused_result));
void seeded_eval_key_destroy(seeded_eval_key *key);
/* Without the parameters, which the reader is told; they were checked. */
void seeded_eval_key_write(writer *w, const seeded_eval_key *key);
annulus_status seeded_eval_key_read(reader *r, const tfhe_params *params, seeded_eval_key **out)
    __attribute__((warn_unused_result));
const tfhe_params *seeded_eval_key_params(const seeded_eval_key *key);

/* Expanded: immutable, shared between threads. */
typedef struct eval_key eval_key;
annulus_status eval_key_create(const seeded_eval_key *seeded, unsigned threads, const annulus_progress *progress,
                               eval_key **out) __attribute__((warn_unused_result));
void eval_key_destroy(eval_key *key);
const tfhe_params *eval_key_params(const eval_key *key);

/* Keyswitching key: takes ciphertexts under a big key into a small key, of the same family or of another. params
 * (tfhe_switch_params): k and N of the big key, n and lwe_noise of the small one, ks_l >= 1 and ks_b of its gadget. */
typedef struct seeded_switching_key seeded_switching_key;
/* from: whose big key, into: whose small key; may be one; both of these dimensions, else REQUIRE fails. */
annulus_status seeded_switching_key_create(const tfhe_params *params, const secret_key *from, const secret_key *into,
                                           unsigned threads, const annulus_progress *progress,
                                           seeded_switching_key **out) __attribute__((warn_unused_result));
void seeded_switching_key_destroy(seeded_switching_key *key);
/* Without the parameters, as above. */
void seeded_switching_key_write(writer *w, const seeded_switching_key *key);
annulus_status seeded_switching_key_read(reader *r, const tfhe_params *params, seeded_switching_key **out)
    __attribute__((warn_unused_result));

/* Expanded: immutable, shared between threads. */
typedef struct switching_key switching_key;
annulus_status switching_key_create(const seeded_switching_key *seeded, unsigned threads, switching_key **out)
    __attribute__((warn_unused_result));
void switching_key_destroy(switching_key *key);
/* That of its own, borrowed; NULL if ks_l = 0. */
const switching_key *eval_key_switching(const eval_key *key);
#endif
