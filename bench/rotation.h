/* SPDX-License-Identifier: Apache-2.0 */
/* Blind rotations of one full batch on one core, EF = 1: what the figures of one bootstrap are measured on. */
#ifndef BENCH_ROTATION_H
#define BENCH_ROTATION_H

#include "bench.h"

/* One value on half the torus and inputs in its middle: right at the phase noise of the smallest rings too. */
#define ROTATION_VALUE (UINT64_C(1) << 61)
#define ROTATION_INPUT (UINT64_C(1) << 62)

typedef struct rotation {
    tfhe_params params;
    bench_keys keys;
    lut *table;
    uint64_t *in; /* (BOOTSTRAP_BATCH, lwe_words) */
    uint64_t *acc[BOOTSTRAP_BATCH];
    const lut *tables[BOOTSTRAP_BATCH];
    uint32_t *exponents[BOOTSTRAP_BATCH];
    scratch tmp;
} rotation;

/* Seconds of one batch, per ciphertext. */
static inline double rotation_seconds(rotation *r)
{
    const double start = bench_cpu_seconds();
    blind_rotate_batch(r->keys.eval, r->acc, r->tables, (const uint32_t *const *)r->exponents, BOOTSTRAP_BATCH,
                       &r->tmp);
    return (bench_cpu_seconds() - start) / BOOTSTRAP_BATCH;
}

/* Stops unless every rotation gave the value of the table. */
static inline void rotation_check(const rotation *r)
{
    uint64_t *out = room(lwe_words(&r->params), 8);
    for (uint32_t q = 0; q < BOOTSTRAP_BATCH; q++) {
        sample_extract(&r->params, 1, r->acc[q], 0, out);
        if (fabs(torus_to_double(lwe_phase(r->keys.secret, out) - ROTATION_VALUE)) < 1.0 / 16) continue;
        fprintf(stderr, "bench: rotation %u of a batch is wrong\n", q);
        exit(1);
    }
    free(out);
}

static inline void rotation_create(const tfhe_params *p, rotation *r)
{
    const size_t small = bootstrap_small_words(p), words = (size_t)(p->k + 1) * p->N;
    const uint64_t entry[2] = {ROTATION_VALUE, ROTATION_VALUE};
    uint64_t message[BOOTSTRAP_BATCH];
    const uint64_t *in[BOOTSTRAP_BATCH];
    uint32_t *switched = room(BOOTSTRAP_BATCH * small, 4);
    *r = (rotation){.params = *p};
    bench_keys_create(p, &r->keys);
    must(lut_create_padded(p->N, 1, entry, 2, 0, &r->table));
    for (size_t q = 0; q < BOOTSTRAP_BATCH; q++) message[q] = ROTATION_INPUT;
    r->in = bench_encrypt(&r->keys, message, BOOTSTRAP_BATCH);
    for (size_t q = 0; q < BOOTSTRAP_BATCH; q++) in[q] = r->in + q * lwe_words(p);
    must(keyswitch_batch(r->keys.eval, in, BOOTSTRAP_BATCH, switched));
    for (size_t q = 0; q < BOOTSTRAP_BATCH; q++) {
        void *acc;
        must(mem_create(words, sizeof(uint64_t), "accumulator", &acc));
        r->acc[q] = acc;
        r->tables[q] = r->table;
        r->exponents[q] = room(p->n + 1, 4);
        modulus_switch_centered(p, 1, 0, switched + q * small, r->exponents[q]);
    }
    must(scratch_create(blind_rotate_scratch(p, 1), &r->tmp));
    free(switched);
    (void)rotation_seconds(r);
    rotation_check(r);
}

static inline void rotation_destroy(rotation *r)
{
    for (size_t q = 0; q < BOOTSTRAP_BATCH; q++) mem_free(r->acc[q]), free(r->exponents[q]);
    scratch_destroy(&r->tmp);
    lut_destroy(r->table);
    free(r->in);
    bench_keys_destroy(&r->keys);
}
#endif
