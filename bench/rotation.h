/* SPDX-License-Identifier: Apache-2.0 */
/* Blind rotations of a batch on one core: what the figures of one bootstrap are measured on. */
#ifndef BENCH_ROTATION_H
#define BENCH_ROTATION_H

#include "bench.h"

typedef struct rotations {
    tfhe_params params;
    bench_keys keys;
    lut *table;
    size_t count;
    uint64_t *in;        /* (count, lwe_words) */
    uint32_t *exponents; /* (count, tfhe_exponents) */
    rotation r[ROTATION_MOST];
    scratch tmp;
} rotations;

/* Seconds of one batch, per ciphertext. */
static inline double rotation_seconds(rotations *r)
{
    const uint32_t needed[1] = {0};
    const double start = bench_cpu_seconds();
    blind_rotate(r->keys.eval, r->r, r->count, needed, 1, &parallel_alone, &r->tmp);
    return (bench_cpu_seconds() - start) / (double)r->count;
}

/* Stops unless every rotation gave the value of the table. */
static inline void rotation_check(const rotations *r)
{
    uint64_t *out = room(lwe_words(&r->params), 8);
    for (size_t q = 0; q < r->count; q++) {
        sample_extract(&r->params, r->table->EF, r->r[q].acc, 0, out);
        if (fabs(torus_to_double(lwe_phase(r->keys.secret, out) - BENCH_VALUE)) < 1.0 / 16) continue;
        fprintf(stderr, "bench: rotation %zu of a batch is wrong\n", q);
        exit(1);
    }
    free(out);
}

static inline void rotation_create(const tfhe_params *p, uint32_t EF, size_t count, rotations *r)
{
    const size_t small = bootstrap_small_words(p), words = (size_t)EF * (p->k + 1) * p->N;
    uint64_t message[ROTATION_MOST];
    const uint64_t *in[ROTATION_MOST];
    uint32_t *switched = room(count * small, 4);
    *r = (rotations){.params = *p, .count = count};
    bench_keys_create(p, &r->keys);
    r->table = bench_lut(p->N, EF);
    for (size_t q = 0; q < count; q++) message[q] = BENCH_INPUT;
    r->in = bench_encrypt(&r->keys, message, count);
    for (size_t q = 0; q < count; q++) in[q] = r->in + q * lwe_words(p);
    r->exponents = room(count * tfhe_exponents(p), 4);
    must(keyswitch_batch(eval_key_switching(r->keys.eval), in, count, switched));
    for (size_t q = 0; q < count; q++) {
        void *acc;
        uint32_t *exponents = r->exponents + q * tfhe_exponents(p);
        must(mem_create(words, sizeof(uint64_t), "accumulator", &acc));
        modulus_switch_centered(p, EF, 0, switched + q * small, exponents);
        r->r[q] = (rotation){.table = r->table, .exponents = exponents, .acc = acc};
    }
    must(scratch_create(blind_rotate_scratch(p), &r->tmp));
    free(switched);
    (void)rotation_seconds(r);
    rotation_check(r);
}

static inline void rotation_destroy(rotations *r)
{
    for (size_t q = 0; q < r->count; q++) mem_free(r->r[q].acc);
    scratch_destroy(&r->tmp);
    lut_destroy(r->table);
    free(r->in), free(r->exponents);
    bench_keys_destroy(&r->keys);
}
#endif
