/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/lwe.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"
#include <string.h>

/* <a, s> for binary s in words 0/1: masks instead of products or branches. */
static uint64_t inner_product(const uint64_t *a, const uint64_t *s, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += a[i] & -s[i];
    return sum;
}

uint64_t lwe_phase(const secret_key *key, const uint64_t *ct)
{
    const size_t dim = tfhe_big_dim(&key->params);
    return ct[dim] - inner_product(ct, key->S, dim);
}

uint32_t lwe_small_phase(const secret_key *key, const uint32_t *ct)
{
    uint32_t phase = ct[key->params.n];
    for (size_t i = 0; i < key->params.n; i++) phase -= ct[i] & -(uint32_t)key->s[i];
    return phase;
}

static annulus_status encrypt_with(const secret_key *key, const seed256 *mask_seed, stream *masks, stream *noise,
                                   uint64_t *mask, const uint64_t *message, size_t count, uint64_t *body)
{
    const size_t dim = tfhe_big_dim(&key->params);
    uint64_t error = 0; /* secret: with it a ciphertext gives an equation of the key */
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < count; i++) {
        st = stream_restart(masks, mask_seed, RANDOM_MASK, i);
        if (st == ANNULUS_OK) st = stream_u64s(masks, mask, dim);
        if (st == ANNULUS_OK) st = stream_tuniform(noise, key->params.glwe_noise, &error, 1);
        if (st == ANNULUS_OK) body[i] = message[i] + error + inner_product(mask, key->S, dim);
    }
    mem_wipe(&error, sizeof error);
    return st;
}

annulus_status lwe_encrypt_seeded(const secret_key *key, const seed256 *mask_seed, const uint64_t *message,
                                  size_t count, uint64_t *body)
{
    seed256 noise_seed;
    stream *masks = NULL, *noise = NULL;
    void *mask;
    TRY(mem_create(tfhe_big_dim(&key->params), sizeof(uint64_t), "ciphertext mask", &mask));
    annulus_status st = random_seed(&noise_seed);
    if (st == ANNULUS_OK) st = stream_create(mask_seed, RANDOM_MASK, 0, &masks);
    if (st == ANNULUS_OK) st = stream_create(&noise_seed, RANDOM_NOISE, 0, &noise);
    if (st == ANNULUS_OK) st = encrypt_with(key, mask_seed, masks, noise, mask, message, count, body);
    stream_destroy(masks);
    stream_destroy(noise);
    mem_wipe(&noise_seed, sizeof noise_seed);
    mem_free(mask);
    return st;
}

typedef struct expansion {
    const tfhe_params *params;
    const seed256 *seed;
    const uint64_t *body;
    uint64_t *out;
    stream **streams; /* one per worker */
} expansion;

static annulus_status expand_one(void *context, size_t i, unsigned worker)
{
    const expansion *e = context;
    const size_t dim = tfhe_big_dim(e->params);
    uint64_t *ct = e->out + i * (dim + 1);
    TRY(stream_restart(e->streams[worker], e->seed, RANDOM_MASK, i));
    TRY(stream_u64s(e->streams[worker], ct, dim));
    ct[dim] = e->body[i];
    return ANNULUS_OK;
}

annulus_status lwe_expand(const tfhe_params *p, const seed256 *mask_seed, const uint64_t *body, size_t count,
                          unsigned threads, uint64_t *out)
{
    const unsigned workers = parallel_threads(threads);
    void *streams;
    TRY(mem_create(workers, sizeof(stream *), "mask streams", &streams));
    expansion e = {.params = p, .seed = mask_seed, .body = body, .out = out, .streams = streams};
    annulus_status st = ANNULUS_OK;
    for (unsigned i = 0; st == ANNULUS_OK && i < workers; i++)
        st = stream_create(mask_seed, RANDOM_MASK, 0, &e.streams[i]);
    if (st == ANNULUS_OK) st = parallel_for(count, threads, expand_one, &e);
    for (unsigned i = 0; i < workers; i++) stream_destroy(e.streams[i]);
    mem_free(streams);
    return st;
}

uint32_t lwe_rotation_step(const secret_key *key, uint32_t EF, const uint32_t *exponents)
{
    const tfhe_params *p = &key->params;
    uint32_t step = exponents[tfhe_exponents(p) - 1];
    for (size_t i = 0; i < tfhe_steps(p) * tfhe_step_patterns(p); i++)
        step -= exponents[i] & (uint32_t)secret_key_selector(key, i);
    return step & (2 * EF * p->N - 1);
}
