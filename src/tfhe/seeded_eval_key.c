/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"

#define SLICE 64u /* GGSWs between two progress reports */

typedef struct keygen {
    const secret_key *key;
    seeded_eval_key *out;
    seed256 noise_seed;
    fft_plan *plan;
    double *s_hat; /* (k, fft_words) transforms of the key polynomials: secret */
    key_worker *workers;
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

static size_t worker_scratch(const tfhe_params *p)
{
    return ROUND_UP(p->N * sizeof(uint64_t)) + poly_mul_binary_scratch(p->N);
}

/* body <- sum_c A_c S_c + E: the body of a GLWE encryption of zero, masks and noise from the streams of `index`. */
static annulus_status glwe_zero_body(const keygen *g, key_worker *w, uint64_t index, uint64_t *body)
{
    const tfhe_params *p = &g->key->params;
    const size_t mark = w->tmp.used;
    uint64_t *mask = scratch_take(&w->tmp, p->N * sizeof *mask);
    TRY(stream_restart(w->mask, &g->out->mask_seed, RANDOM_MASK, index));
    TRY(stream_restart(w->noise, &g->noise_seed, RANDOM_NOISE, index));
    TRY(stream_tuniform(w->noise, p->glwe_noise, body, p->N));
    for (size_t c = 0; c < p->k; c++) {
        TRY(stream_u64s(w->mask, mask, p->N));
        poly_mul_binary_add(g->plan, body, mask, (fourier){g->s_hat + c * fft_words(p->N)}, &w->tmp);
    }
    w->tmp.used = mark;
    return ANNULUS_OK;
}

/* GGSW of selector t: row (r,j) encrypts -t g_j S_r in the body (the same phase as adding t g_j to mask r, and it keeps
 * the masks seeded), row (k,j) encrypts t g_j. No branch on the key bits. */
static annulus_status ggsw_create(void *context, size_t item, unsigned worker)
{
    const keygen *g = context;
    const size_t i = g->first + item;
    const tfhe_params *p = &g->key->params;
    key_worker *w = &g->workers[worker];
    w->tmp.used = 0;
    const uint64_t selected = secret_key_selector(g->key, i);
    for (size_t r = 0; r <= p->k; r++)
        for (size_t j = 0; j < ggsw_levels(p, r); j++) {
            const uint64_t index = bsk_stream_index(p, i, r, j);
            uint64_t *body = g->out->bsk + index * p->N;
            TRY(glwe_zero_body(g, w, index, body));
            const uint64_t step = (UINT64_C(1) << (64 - p->pbs_bg * (j + 1))) & selected;
            if (r == p->k)
                body[0] += step;
            else
                for (size_t x = 0; x < p->N; x++) body[x] -= step & -g->key->S[r * p->N + x];
        }
    return ANNULUS_OK;
}

static annulus_status keygen_init(keygen *g, unsigned workers)
{
    const tfhe_params *p = &g->key->params;
    void *q;
    TRY(random_seed(&g->out->mask_seed));
    TRY(random_seed(&g->noise_seed));
    TRY(fft_plan_create(p->N, &g->plan));
    TRY(mem_create(p->k * fft_words(p->N), sizeof(double), "key transforms", &q));
    g->s_hat = q;
    for (size_t c = 0; c < p->k; c++)
        fft_forward_i64(g->plan, (fourier){g->s_hat + c * fft_words(p->N)}, (const int64_t *)g->key->S + c * p->N);
    return key_workers_create(workers, &g->out->mask_seed, &g->noise_seed, worker_scratch(p), &g->workers);
}

static void keygen_clear(keygen *g, unsigned workers)
{
    key_workers_destroy(g->workers, workers);
    mem_wipe_free(g->s_hat, g->s_hat == NULL ? 0 : g->key->params.k * fft_words(g->key->params.N) * sizeof(double));
    fft_plan_destroy(g->plan);
    mem_wipe(&g->noise_seed, sizeof g->noise_seed);
}

annulus_status seeded_eval_key_create(const secret_key *key, unsigned threads, const annulus_progress *progress,
                                      seeded_eval_key **out)
{
    const tfhe_params *p = &key->params;
    const unsigned workers = parallel_threads(threads);
    keygen g = {.key = key};
    TRY(seeded_eval_key_allocate(p, &g.out));
    annulus_status st = keygen_init(&g, workers);
    const size_t ggsws = tfhe_steps(p) * tfhe_step_patterns(p);
    for (g.first = 0; st == ANNULUS_OK && g.first < ggsws; g.first += SLICE) {
        const size_t left = ggsws - g.first;
        st = progress_report(progress, "bootstrapping key", g.first, ggsws);
        if (st == ANNULUS_OK) st = parallel_for(left < SLICE ? left : SLICE, threads, ggsw_create, &g);
    }
    keygen_clear(&g, workers);
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
    TRY(read_bytes(r, seed.b, sizeof seed.b));
    const size_t want = tfhe_bsk_seeded_bytes(params);
    if (want > r->len - r->pos)
        return read_fail(r, "a bootstrapping key of these parameters has %zu bytes, %zu are left; copy it again", want,
                         r->len - r->pos);
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
