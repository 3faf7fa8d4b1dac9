/* SPDX-License-Identifier: Apache-2.0 */
/* Keys for tests: a secret key from a fixed seed; evaluation keys take fresh masks and noise. */
#ifndef TESTS_TFHE_FIXTURE_H
#define TESTS_TFHE_FIXTURE_H

#include "testing.h"

#include "tfhe/bootstrap.h"
#include "tfhe/packed.h"
#include <stdlib.h>

typedef struct fixture {
    secret_key *secret;
    eval_key *eval;
} fixture;

static inline void fixture_create(fixture *f, const tfhe_params *p)
{
    const seed256 seed = {{7}};
    seeded_eval_key *seeded = NULL;
    assert_ok(secret_key_create_seeded(p, &seed, &f->secret));
    assert_ok(seeded_eval_key_create(f->secret, 0, NULL, &seeded));
    assert_ok(eval_key_create(seeded, 0, NULL, &f->eval));
    seeded_eval_key_destroy(seeded);
}

static inline void fixture_destroy(fixture *f)
{
    secret_key_destroy(f->secret);
    eval_key_destroy(f->eval);
}

/* count fresh big-key ciphertexts of torus words; free() them. */
static inline uint64_t *fixture_encrypt(const fixture *f, const uint64_t *message, size_t count)
{
    const tfhe_params *p = &f->secret->params;
    seed256 seed;
    uint64_t *body = calloc(count, 8), *ct = calloc(count * lwe_words(p), 8);
    assert_ok(random_seed(&seed));
    assert_ok(packed_encrypt_seeded(f->secret, &seed, message, count, body));
    assert_ok(packed_expand(p, &seed, body, count, 0, ct));
    free(body);
    return ct;
}
#endif
