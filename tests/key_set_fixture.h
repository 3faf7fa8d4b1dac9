/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of families for tests. */
#ifndef TESTS_KEY_SET_FIXTURE_H
#define TESTS_KEY_SET_FIXTURE_H

#include "tfhe_fixture.h"

#include "tfhe/key_set.h"

typedef struct keys {
    secret_key_set *secret;
    seeded_eval_key_set *seeded;
    eval_key_set *eval;
} keys;

static inline void keys_create(const tfhe_families *f, keys *k)
{
    assert_ok(tfhe_families_check(f));
    assert_ok(secret_key_set_create(f, &k->secret));
    assert_ok(seeded_eval_key_set_create(f, k->secret, 2, NULL, &k->seeded));
    assert_ok(eval_key_set_create(k->seeded, 2, NULL, &k->eval));
}

static inline void keys_destroy(keys *k)
{
    secret_key_set_destroy(k->secret);
    seeded_eval_key_set_destroy(k->seeded);
    eval_key_set_destroy(k->eval);
}
#endif
