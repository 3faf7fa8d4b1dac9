/* SPDX-License-Identifier: Apache-2.0 */
/* Keys for tests: a secret key from a fixed seed; evaluation keys take fresh masks and noise. */
#ifndef TESTS_TFHE_FIXTURE_H
#define TESTS_TFHE_FIXTURE_H

#include "testing.h"
#include "toy_set.h"

#include "tfhe/bootstrap.h"
#include "tfhe/packed.h"
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    secret_key *secret;
    eval_key *eval;
} fixture;

/* Dimensions so small and noise so little that a phase deviates 0.7 steps of its rotation: where its half window has 8
 * of them, one in 2^100 is wrong by the formulas of noise.h. */
static inline tfhe_params quiet_toy(uint32_t k, uint32_t N, uint32_t g)
{
    return (tfhe_params){.n = 18,
                         .k = k,
                         .N = N,
                         .pbs_l = 3,
                         .pbs_lb = 3,
                         .pbs_bg = 12,
                         .pbs_group = g,
                         .ks_l = 6,
                         .ks_b = 4,
                         .lwe_noise = 2,
                         .glwe_noise = 8};
}

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

/* (most,2,lwe_words) words of look-ups one by one, at two offsets, of ciphertexts in (most,lwe_words); free() them.
 * Batches of each of the counts, the last of them `most`, on 1 to `threads` threads give the same. */
static inline uint64_t *fixture_check_batches(const fixture *f, const lut *table, const uint64_t *in,
                                              const uint32_t offsets[2], const size_t *counts, size_t counts_count,
                                              unsigned threads)
{
    const size_t words = lwe_words(&f->secret->params), most = counts[counts_count - 1];
    uint64_t *single = calloc(2 * most * words, 8), *out = calloc(2 * most * words, 8);
    bootstrap_job *jobs = calloc(most, sizeof *jobs);
    for (size_t i = 0; i < most; i++) {
        jobs[i] = (bootstrap_job){.in = in + i * words, .table = table, .out = single + 2 * i * words};
        assert_ok(bootstrap_batch(f->eval, NULL, &jobs[i], 1, offsets, 2, 1));
        jobs[i].out = out + 2 * i * words;
    }
    for (size_t c = 0; c < counts_count; c++)
        for (unsigned t = 1; t <= threads; t++) {
            memset(out, 0, 2 * most * words * sizeof *out);
            assert_ok(bootstrap_batch(f->eval, NULL, jobs, counts[c], offsets, 2, t));
            assert_memory_equal(out, single, 2 * counts[c] * words * sizeof *out);
        }
    free(out), free(jobs);
    return single;
}
#endif
