/* SPDX-License-Identifier: Apache-2.0 */
/* The noise of the transform by itself, of the kernels that ANNULUS_CPU says: of rotations under keys with hardly any
 * noise and gadgets that hardly round. The including file has must(status), which stops at an error. */
#ifndef TESTS_TRANSFORM_NOISE_H
#define TESTS_TRANSFORM_NOISE_H

#include "base/memory.h"
#include "math/torus.h"
#include "optimizer/noise.h"
#include "testing_random.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/lwe.h"

#define TRANSFORM_ROTATIONS 8u     /* a key */
#define TRANSFORM_COEFFICIENTS 32u /* of each */

typedef struct transform_set {
    uint32_t k, N, l, bg;
} transform_set;
/* What is fitted: two and three levels, rings of k = 1 to 3. */
static const transform_set transform_sets[] = {
    {1, 2048, 2, 16}, {1, 4096, 2, 18}, {2, 1024, 2, 16}, {3, 512, 2, 16}, {1, 2048, 3, 12}};
#define TRANSFORM_SETS (sizeof transform_sets / sizeof *transform_sets)

static inline tfhe_params transform_params(const transform_set *s)
{
    return (tfhe_params){.n = 128,
                         .k = s->k,
                         .N = s->N,
                         .pbs_l = s->l,
                         .pbs_lb = s->l,
                         .pbs_bg = s->bg,
                         .pbs_group = 1,
                         .lwe_noise = 0,
                         .glwe_noise = 0};
}

/* Mean square of the errors of rotations by random exponents under one key. */
static inline double transform_square(const secret_key *secret, const eval_key *key, uint64_t *seed)
{
    const tfhe_params *p = &secret->params;
    const uint64_t value = UINT64_C(1) << 61, entries[1] = {value};
    const uint32_t needed[1] = {0};
    const size_t exponents = tfhe_exponents(p), words = (size_t)(p->k + 1) * p->N;
    void *acc, *exponent, *out;
    rotation r[TRANSFORM_ROTATIONS];
    scratch tmp;
    lut *table;
    double squares = 0;
    must(lut_create_padded(p->N, 1, entries, 1, 0, &table));
    must(mem_create(TRANSFORM_ROTATIONS * words, 8, "accumulators", &acc));
    must(mem_create(TRANSFORM_ROTATIONS * exponents, 4, "exponents", &exponent));
    must(mem_create(lwe_words(p), 8, "output", &out));
    must(scratch_create(blind_rotate_scratch(p), &tmp));
    for (size_t q = 0; q < TRANSFORM_ROTATIONS; q++) {
        uint32_t *e = (uint32_t *)exponent + q * exponents;
        for (size_t i = 0; i < exponents; i++) e[i] = (uint32_t)test_random(seed) & (2 * p->N - 1);
        r[q] = (rotation){.table = table, .exponents = e, .acc = (uint64_t *)acc + q * words};
    }
    blind_rotate(key, r, TRANSFORM_ROTATIONS, needed, 1, &parallel_alone, &tmp);
    for (size_t i = 0; i < TRANSFORM_ROTATIONS * TRANSFORM_COEFFICIENTS; i++) {
        const rotation *of = &r[i / TRANSFORM_COEFFICIENTS];
        const uint32_t c = (uint32_t)test_random(seed) & (p->N - 1);
        const uint32_t at = (lwe_rotation_step(secret, 1, 0, of->exponents) + c) & (2 * p->N - 1);
        sample_extract(p, 1, of->acc, c, out);
        const double error = torus_to_double(lwe_phase(secret, out) - (at < p->N ? value : -value));
        squares += error * error / (TRANSFORM_ROTATIONS * TRANSFORM_COEFFICIENTS);
    }
    scratch_destroy(&tmp);
    mem_free(acc), mem_free(exponent), mem_free(out);
    lut_destroy(table);
    return squares;
}

/* Variance of the transform's part over that of the published fit, mean over `keys` keys. */
static inline double transform_factor(const transform_set *set, unsigned keys)
{
    const tfhe_params p = transform_params(set);
    double fft, key, decomposition, sum = 0;
    uint64_t seed = 1;
    noise_blind_rotate_parts(&p, &fft, &key, &decomposition);
    for (unsigned i = 0; i < keys; i++) {
        const seed256 key_seed = {{(uint8_t)i, 9}};
        secret_key *secret;
        seeded_eval_key *seeded;
        eval_key *eval;
        must(secret_key_create_seeded(&p, &key_seed, &secret));
        must(seeded_eval_key_create(secret, 0, NULL, &seeded));
        must(eval_key_create(seeded, 0, NULL, &eval));
        sum += (transform_square(secret, eval, &seed) - key - decomposition) / keys;
        eval_key_destroy(eval);
        seeded_eval_key_destroy(seeded);
        secret_key_destroy(secret);
    }
    return sum / (fft / NOISE_TRANSFORM);
}
#endif
