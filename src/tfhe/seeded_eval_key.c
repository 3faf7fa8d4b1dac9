/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"

#define SLICE 64u /* GGSWs between two progress reports */

typedef struct keygen {
    glwe_keygen glwe;
    seeded_eval_key *out;
    size_t first; /* GGSW of item 0 */
} keygen;

annulus_status seeded_eval_key_allocate(const tfhe_params *p, seeded_eval_key **out)
{
    void *key, *bsk = NULL;
    TRY(mem_create(1, sizeof(seeded_eval_key), "evaluation key", &key));
    const annulus_status st = mem_create(tfhe_bsk_seeded_bytes(p), 1, "bootstrapping key", &bsk);
    *(seeded_eval_key *)key = (seeded_eval_key){.params = *p, .bsk = bsk};
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_eval_key_destroy(key);
    return st;
}

void seeded_eval_key_destroy(seeded_eval_key *key)
{
    if (key == NULL) return;
    mem_free(key->bsk);
    seeded_switching_key_destroy(key->own);
    mem_free(key);
}

const tfhe_params *seeded_eval_key_params(const seeded_eval_key *key)
{
    return &key->params;
}

/* GGSW of selector t: row (r,j) encrypts -t g_j S_r in the body (the same phase as adding t g_j to mask r, and it keeps
 * the masks seeded), row (k,j) encrypts t g_j. No branch on the key bits. */
static annulus_status ggsw_create(void *context, size_t item, unsigned worker)
{
    const keygen *g = context;
    const size_t i = g->first + item;
    const secret_key *key = g->glwe.key;
    const tfhe_params *p = &key->params;
    key_worker *w = &g->glwe.workers[worker];
    w->tmp.used = 0;
    const uint64_t selected = secret_key_selector(key, i);
    for (size_t r = 0; r <= p->k; r++)
        for (size_t j = 0; j < ggsw_levels(p, r); j++) {
            const uint64_t index = bsk_stream_index(p, i, r, j);
            uint64_t *body = g->out->bsk + index * p->N;
            TRY(glwe_zero_body(&g->glwe, w, index, body));
            const uint64_t step = (UINT64_C(1) << (64 - p->pbs_bg * (j + 1))) & selected;
            if (r == p->k)
                body[0] += step;
            else
                for (size_t x = 0; x < p->N; x++) body[x] -= step & -key->S[r * p->N + x];
        }
    return ANNULUS_OK;
}

annulus_status seeded_eval_key_create(const secret_key *key, unsigned threads, const annulus_progress *progress,
                                      seeded_eval_key **out)
{
    const tfhe_params *p = &key->params;
    const unsigned workers = parallel_threads(threads);
    keygen g = {.glwe.key = key};
    TRY(seeded_eval_key_allocate(p, &g.out));
    g.glwe.mask_seed = &g.out->mask_seed;
    annulus_status st = glwe_keygen_init(&g.glwe, workers, 0);
    const size_t ggsws = tfhe_steps(p) * tfhe_step_patterns(p);
    for (g.first = 0; st == ANNULUS_OK && g.first < ggsws; g.first += SLICE) {
        const size_t left = ggsws - g.first;
        st = progress_report(progress, "bootstrapping key", g.first, ggsws);
        if (st == ANNULUS_OK) st = parallel_for(left < SLICE ? left : SLICE, threads, ggsw_create, &g);
    }
    glwe_keygen_clear(&g.glwe, workers);
    if (st == ANNULUS_OK && p->ks_l > 0) st = seeded_switching_key_create(p, key, key, threads, progress, &g.out->own);
    if (st == ANNULUS_OK) {
        *out = g.out;
        return st;
    }
    mem_wipe(g.out->bsk, tfhe_bsk_seeded_bytes(p)); /* a row that failed half-way is bare noise */
    seeded_eval_key_destroy(g.out);
    return st;
}

void seeded_eval_key_write(writer *w, const seeded_eval_key *key)
{
    write_bytes(w, key->mask_seed.b, sizeof key->mask_seed.b);
    write_u64s(w, key->bsk, tfhe_bsk_seeded_bytes(&key->params) / sizeof *key->bsk);
    if (key->own != NULL) seeded_switching_key_write(w, key->own);
}

annulus_status seeded_eval_key_read(reader *r, const tfhe_params *params, seeded_eval_key **out)
{
    seed256 seed;
    seeded_eval_key *key = NULL;
    const size_t want = tfhe_bsk_seeded_bytes(params);
    TRY(seeded_key_begin(r, "bootstrapping key", want, &seed));
    TRY(seeded_eval_key_allocate(params, &key));
    key->mask_seed = seed;
    annulus_status st = read_u64s(r, key->bsk, want / sizeof *key->bsk);
    if (st == ANNULUS_OK && params->ks_l > 0) st = seeded_switching_key_read(r, params, &key->own);
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_eval_key_destroy(key);
    return st;
}
