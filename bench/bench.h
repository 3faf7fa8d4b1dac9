/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks share: they stop at the first error, talk to stderr, and print figures to stdout. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/status.h"
#include "math/torus.h"
#include "tfhe/bootstrap.h"
#include "tfhe/lwe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline void must(annulus_status st)
{
    if (st == ANNULUS_OK) return;
    fprintf(stderr, "bench: %s\n", annulus_error_message());
    exit(1);
}

static inline void *room(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) exit(1);
    return p;
}

static inline double bench_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench_keys {
    secret_key *secret;
    eval_key *eval;
} bench_keys;

static inline void bench_keys_create(const tfhe_params *p, bench_keys *out)
{
    seeded_eval_key *seeded = NULL;
    must(secret_key_create(p, &out->secret));
    must(seeded_eval_key_create(out->secret, 0, NULL, &seeded));
    must(eval_key_create(seeded, 0, NULL, &out->eval));
    seeded_eval_key_destroy(seeded);
}

static inline void bench_keys_destroy(bench_keys *k)
{
    secret_key_destroy(k->secret);
    eval_key_destroy(k->eval);
}

/* (count, lwe_words) fresh encryptions. */
static inline uint64_t *bench_encrypt(const bench_keys *k, const uint64_t *message, size_t count)
{
    seed256 seed;
    const tfhe_params *p = &k->secret->params;
    uint64_t *body = room(count, 8), *ct = room(count * lwe_words(p), 8);
    must(random_seed(&seed));
    must(lwe_encrypt_seeded(k->secret, &seed, message, count, body));
    must(lwe_expand(p, &seed, body, count, 0, ct));
    free(body);
    return ct;
}

/* Step in [0, 2*EF*N) at which the rotation by these exponents (n+1) ends. */
static inline uint32_t bench_step(const secret_key *secret, uint32_t EF, const uint32_t *exponents)
{
    const tfhe_params *p = &secret->params;
    uint32_t step = exponents[p->n];
    for (size_t j = 0; j < p->n; j++) step -= exponents[j] * (uint32_t)secret->s[j];
    return step & (2 * EF * p->N - 1);
}
#endif
