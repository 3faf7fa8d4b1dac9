/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a circuit: those of each of its families, and the keyswitching keys between them, or the merging key of
 * families with one big key. */
#ifndef TFHE_KEY_SET_H
#define TFHE_KEY_SET_H

#include "tfhe/answers.h"
#include "tfhe/merge.h"

typedef struct secret_key_set {
    uint32_t count;
    secret_key *of[TFHE_MAX_FAMILIES]; /* (count) */
    answers_secret *answers;           /* NULL: they are not packed */
} secret_key_set;
annulus_status secret_key_set_create(const tfhe_families *f, secret_key_set **out)
    __attribute__((warn_unused_result));                                    /* OS randomness */
void secret_key_set_destroy(secret_key_set *set);                           /* wipes; NULL allowed */
int secret_key_set_fits(const secret_key_set *set, const tfhe_families *f); /* all that f asks for */
void secret_key_set_write(writer *w, const secret_key_set *set);
annulus_status secret_key_set_read(reader *r, secret_key_set **out) __attribute__((warn_unused_result));

typedef struct seeded_eval_key_set {
    tfhe_families families;
    seeded_eval_key *of[TFHE_MAX_FAMILIES];        /* (families.count) */
    seeded_switching_key *into[TFHE_MAX_FAMILIES]; /* as families.into; NULL: none */
    seeded_merge_key *merge;                       /* NULL: no split look-ups */
    seeded_answers_key *answers;                   /* NULL: they are not packed */
} seeded_eval_key_set;
/* Whatever f asks for. secret must fit f, else REQUIRE fails. */
annulus_status seeded_eval_key_set_create(const tfhe_families *f, const secret_key_set *secret, unsigned threads,
                                          const annulus_progress *progress, seeded_eval_key_set **out)
    __attribute__((warn_unused_result));
void seeded_eval_key_set_destroy(seeded_eval_key_set *set);
void seeded_eval_key_set_write(writer *w, const seeded_eval_key_set *set);
annulus_status seeded_eval_key_set_read(reader *r, seeded_eval_key_set **out) __attribute__((warn_unused_result));

/* Expanded: immutable, shared between threads. */
typedef struct eval_key_set {
    tfhe_families families;
    eval_key *of[TFHE_MAX_FAMILIES];
    switching_key *into[TFHE_MAX_FAMILIES];
    merge_key *merge;
    answers_key *answers;
} eval_key_set;
annulus_status eval_key_set_create(const seeded_eval_key_set *seeded, unsigned threads,
                                   const annulus_progress *progress, eval_key_set **out)
    __attribute__((warn_unused_result));
void eval_key_set_destroy(eval_key_set *set);
/* From the big key of one family into the small key of another or the same; borrowed, NULL: there is none. Of families
 * with one big key each has its own. */
const switching_key *eval_key_set_switching(const eval_key_set *set, uint32_t from, uint32_t into);
#endif
