/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"

typedef struct keygen {
    const secret_key *from, *into;
    seeded_switching_key *out;
    seed256 noise_seed;
    key_worker *workers;
} keygen;

annulus_status seeded_switching_key_allocate(const tfhe_params *p, seeded_switching_key **out)
{
    void *key, *body = NULL;
    TRY(mem_create(1, sizeof(seeded_switching_key), "keyswitching key", &key));
    const annulus_status st = mem_create(tfhe_ksk_seeded_bytes(p), 1, "keyswitching key", &body);
    *(seeded_switching_key *)key = (seeded_switching_key){.params = *p, .body = body};
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_switching_key_destroy(key);
    return st;
}

void seeded_switching_key_destroy(seeded_switching_key *key)
{
    if (key == NULL) return;
    mem_free(key->body);
    mem_free(key);
}

/* Rows of big key bit i: LWE encryptions of S_i 2^(32 - ks_b j) modulo 2^32 under s. */
static annulus_status rows_create(void *context, size_t i, unsigned worker)
{
    const keygen *g = context;
    const tfhe_params *p = &g->out->params;
    key_worker *w = &g->workers[worker];
    w->tmp.used = 0;
    const size_t words = (size_t)p->n * p->ks_l;
    uint32_t *mask = scratch_take(&w->tmp, words * sizeof *mask);
    uint64_t *noise = scratch_take(&w->tmp, p->ks_l * sizeof *noise);
    TRY(stream_restart(w->mask, &g->out->mask_seed, RANDOM_MASK, i));
    TRY(stream_restart(w->noise, &g->noise_seed, RANDOM_NOISE, i));
    TRY(stream_u32s(w->mask, mask, words));
    TRY(stream_tuniform(w->noise, p->lwe_noise, noise, p->ks_l));
    for (size_t j = 0; j < p->ks_l; j++) {
        uint32_t b = (uint32_t)noise[j] + ((uint32_t)g->from->S[i] << (32 - p->ks_b * (j + 1)));
        for (size_t x = 0; x < p->n; x++) b += mask[j * p->n + x] & -(uint32_t)g->into->s[x];
        g->out->body[i * p->ks_l + j] = b;
    }
    mem_wipe(noise, p->ks_l * sizeof *noise);
    return ANNULUS_OK;
}

annulus_status seeded_switching_key_create(const tfhe_params *params, const secret_key *from, const secret_key *into,
                                           unsigned threads, const annulus_progress *progress,
                                           seeded_switching_key **out)
{
    const unsigned workers = parallel_threads(threads);
    const size_t bytes =
        ROUND_UP((size_t)params->n * params->ks_l * sizeof(uint32_t)) + ROUND_UP(params->ks_l * sizeof(uint64_t));
    keygen g = {.from = from, .into = into};
    REQUIRE(params->ks_l > 0 && from->params.k == params->k && from->params.N == params->N);
    REQUIRE(into->params.n == params->n && into->params.lwe_noise == params->lwe_noise);
    TRY(seeded_switching_key_allocate(params, &g.out));
    annulus_status st = random_seed(&g.out->mask_seed);
    if (st == ANNULUS_OK) st = random_seed(&g.noise_seed);
    if (st == ANNULUS_OK) st = key_workers_create(workers, &g.out->mask_seed, &g.noise_seed, bytes, &g.workers);
    if (st == ANNULUS_OK) st = progress_report(progress, "keyswitching key", 0, 1);
    if (st == ANNULUS_OK) st = parallel_for(tfhe_big_dim(params), threads, rows_create, &g);
    if (st == ANNULUS_OK) st = progress_report(progress, "keyswitching key", 1, 1);
    key_workers_destroy(g.workers, workers);
    mem_wipe(&g.noise_seed, sizeof g.noise_seed);
    if (st == ANNULUS_OK)
        *out = g.out;
    else
        seeded_switching_key_destroy(g.out);
    return st;
}

void seeded_switching_key_write(writer *w, const seeded_switching_key *key)
{
    write_bytes(w, key->mask_seed.b, sizeof key->mask_seed.b);
    write_u32s(w, key->body, tfhe_ksk_seeded_bytes(&key->params) / sizeof *key->body);
}

annulus_status seeded_switching_key_read(reader *r, const tfhe_params *params, seeded_switching_key **out)
{
    seed256 seed;
    seeded_switching_key *key = NULL;
    const size_t want = tfhe_ksk_seeded_bytes(params);
    TRY(seeded_key_begin(r, "keyswitching key", want, &seed));
    TRY(seeded_switching_key_allocate(params, &key));
    key->mask_seed = seed;
    const annulus_status st = read_u32s(r, key->body, want / sizeof *key->body);
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_switching_key_destroy(key);
    return st;
}
