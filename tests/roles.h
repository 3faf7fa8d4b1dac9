/* SPDX-License-Identifier: Apache-2.0 */
/* Keys made for a circuit, and encrypted inferences by them. */
#ifndef TESTS_ROLES_H
#define TESTS_ROLES_H

#include "testing.h"

#include "circuit/exec.h"
#include <math.h>
#include <stdlib.h>

typedef struct roles {
    secret_key_set *secret;
    eval_key_set *eval;
    exec_plan *plan;
    exec_memory *memory; /* of one sample */
} roles;

static inline void roles_create(roles *r, const circuit *c)
{
    seeded_eval_key_set *seeded = NULL;
    assert_ok(secret_key_set_create(&c->choice.families, &r->secret));
    assert_ok(seeded_eval_key_set_create(&c->choice.families, r->secret, 0, NULL, &seeded));
    assert_ok(eval_key_set_create(seeded, 0, NULL, &r->eval));
    assert_ok(exec_plan_create(c, &r->plan));
    assert_ok(exec_memory_create(c, 1, &r->memory));
    seeded_eval_key_set_destroy(seeded);
}

static inline void roles_destroy(roles *r)
{
    secret_key_set_destroy(r->secret);
    eval_key_set_destroy(r->eval);
    exec_plan_destroy(r->plan);
    exec_memory_destroy(r->memory);
}

/* acc (outputs) <- accumulators of the last layer for one sample q (features). */
static inline void run_encrypted(const roles *r, const circuit *c, const int32_t *q, double *acc)
{
    const secret_key *first = r->secret->of[c->layers[0].family];
    const size_t features = c->input.features, outputs = circuit_last(c)->out;
    const size_t words_out = lwe_words(circuit_outputs(c));
    uint64_t *message = malloc(features * 8), *body = malloc(features * 8), *phase = malloc(outputs * 8);
    uint64_t *out = malloc(outputs * words_out * 8);
    uint8_t *sent = malloc(exec_answer_bytes(c));
    seed256 seed;
    assert_ok(random_seed(&seed));
    exec_encode(c, q, message);
    assert_ok(packed_encrypt_seeded(first, &seed, message, features, body));
    const exec_inputs in = {.mask_seed = &seed, .body = body};
    assert_ok(exec_encrypted(r->plan, r->eval, r->memory, &in, 1, out, 0, NULL, NULL));
    assert_ok(exec_pack_answers(c, r->eval, out, 1, 0, sent));
    assert_ok(exec_answer_phases(c, r->secret, sent, phase));
    exec_decode(c, phase, acc);
    free(message), free(body), free(phase), free(out), free(sent);
}

/* With keys of their own, encrypted runs of samples q (count, features) give the scores `clear` (count, outputs). */
static inline void encrypted_is_clear(const circuit *c, const int32_t *q, size_t count, const double *clear)
{
    const size_t outputs = circuit_last(c)->out;
    double *got = malloc(outputs * sizeof *got);
    roles r;
    roles_create(&r, c);
    for (size_t i = 0; i < count; i++) {
        run_encrypted(&r, c, q + c->input.features * i, got);
        for (size_t o = 0; o < outputs; o++) assert_true(rint(got[o]) == clear[outputs * i + o]);
    }
    roles_destroy(&r);
    free(got);
}
#endif
