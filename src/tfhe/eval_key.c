/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/keys_priv.h"

#include <string.h>

typedef struct expansion {
    const seeded_eval_key *in;
    eval_key *out;
    key_worker *workers;
} expansion;

static annulus_status eval_key_allocate(const tfhe_params *p, eval_key **out)
{
    void *key, *bsk = NULL;
    TRY(mem_create(1, sizeof(eval_key), "evaluation key", &key));
    eval_key *k = key;
    k->params = *p;
    k->bsk_row = tfhe_step_patterns(p) * fft_matrix_words(p->N, tfhe_ggsw_rows(p), p->k + 1);
    k->small = bootstrap_small_words(p);
    k->exponents = (tfhe_exponents(p) + 15) / 16 * 16;
    annulus_status st = fft_plan_create(p->N, &k->plan);
    if (st == ANNULUS_OK) st = mem_create(tfhe_steps(p) * k->bsk_row, sizeof(double), "bootstrapping key", &bsk);
    k->bsk = bsk;
    if (st == ANNULUS_OK)
        *out = k;
    else
        eval_key_destroy(k);
    return st;
}

void eval_key_destroy(eval_key *key)
{
    if (key == NULL) return;
    fft_plan_destroy(key->plan);
    mem_free(key->bsk);
    switching_key_destroy(key->own);
    mem_free(key);
}

const tfhe_params *eval_key_params(const eval_key *key)
{
    return &key->params;
}

const switching_key *eval_key_switching(const eval_key *key)
{
    return key->own;
}

/* Entry (row, c) of GGSW i <- f. */
static void ggsw_pack(eval_key *key, size_t i, size_t row, size_t c, fourier f)
{
    const tfhe_params *p = &key->params;
    const fft_gadget g = pbs_gadget(p);
    const size_t patterns = tfhe_step_patterns(p);
    double *step = key->bsk + i / patterns * key->bsk_row;
    if (patterns == 1)
        fft_matrix_pack(key->plan, step, &g, row, c, f);
    else
        fft_bundle_pack(key->plan, step, patterns, &g, i % patterns, row, c, f);
}

static annulus_status ggsw_expand(void *context, size_t i, unsigned worker)
{
    const expansion *e = context;
    const tfhe_params *p = &e->in->params;
    key_worker *w = &e->workers[worker];
    w->tmp.used = 0;
    uint64_t *mask = scratch_take(&w->tmp, p->N * sizeof *mask);
    const fourier f = {scratch_take(&w->tmp, fft_words(p->N) * sizeof(double))};
    for (size_t r = 0; r <= p->k; r++)
        for (size_t j = 0; j < ggsw_levels(p, r); j++) {
            const uint64_t index = bsk_stream_index(p, i, r, j);
            TRY(stream_restart(w->mask, &e->in->mask_seed, RANDOM_MASK, index));
            for (size_t c = 0; c <= p->k; c++) {
                const uint64_t *poly = e->in->bsk + index * p->N;
                if (c < p->k) {
                    TRY(stream_u64s(w->mask, mask, p->N));
                    poly = mask;
                }
                fft_forward_torus(e->out->plan, f, poly);
                ggsw_pack(e->out, i, r * p->pbs_l + j, c, f);
            }
        }
    return ANNULUS_OK;
}

annulus_status eval_key_create(const seeded_eval_key *seeded, unsigned threads, const annulus_progress *progress,
                               eval_key **out)
{
    const tfhe_params *p = &seeded->params;
    const unsigned workers = parallel_threads(threads);
    const size_t bytes = ROUND_UP(p->N * sizeof(uint64_t)) + ROUND_UP(fft_words(p->N) * sizeof(double));
    expansion e = {.in = seeded};
    TRY(eval_key_allocate(p, &e.out));
    annulus_status st = key_workers_create(workers, &seeded->mask_seed, NULL, bytes, &e.workers);
    if (st == ANNULUS_OK) st = progress_report(progress, "expanding keys", 0, 2);
    if (st == ANNULUS_OK) st = parallel_for(tfhe_steps(p) * tfhe_step_patterns(p), threads, ggsw_expand, &e);
    if (st == ANNULUS_OK) st = progress_report(progress, "expanding keys", 1, 2);
    if (st == ANNULUS_OK && seeded->own != NULL) st = switching_key_create(seeded->own, threads, &e.out->own);
    if (st == ANNULUS_OK) st = progress_report(progress, "expanding keys", 2, 2);
    key_workers_destroy(e.workers, workers);
    if (st == ANNULUS_OK)
        *out = e.out;
    else
        eval_key_destroy(e.out);
    return st;
}
