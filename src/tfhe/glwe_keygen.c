/* SPDX-License-Identifier: Apache-2.0 */
/* What all keys of GLWE ciphertexts are made with. */
#include "base/memory.h"
#include "tfhe/keys_priv.h"

annulus_status secret_key_transforms(const secret_key *key, const fft_plan *plan, double **out)
{
    const tfhe_params *p = &key->params;
    void *q;
    TRY(mem_create(p->k * fft_words(p->N), sizeof(double), "key transforms", &q));
    *out = q;
    for (size_t c = 0; c < p->k; c++)
        fft_forward_i64(plan, (fourier){*out + c * fft_words(p->N)}, (const int64_t *)key->S + c * p->N);
    return ANNULUS_OK;
}

void secret_key_transforms_destroy(const secret_key *key, double *s_hat)
{
    mem_wipe_free(s_hat, s_hat == NULL ? 0 : key->params.k * fft_words(key->params.N) * sizeof(double));
}

annulus_status glwe_keygen_init(glwe_keygen *g, unsigned workers, size_t more)
{
    const tfhe_params *p = &g->key->params;
    const size_t bytes = more + ROUND_UP(p->N * sizeof(uint64_t)) + poly_mul_binary_scratch(p->N);
    TRY(random_seed(g->mask_seed));
    TRY(random_seed(&g->noise_seed));
    TRY(fft_plan_create(p->N, &g->plan));
    TRY(secret_key_transforms(g->key, g->plan, &g->s_hat));
    return key_workers_create(workers, g->mask_seed, &g->noise_seed, bytes, &g->workers);
}

void glwe_keygen_clear(glwe_keygen *g, unsigned workers)
{
    key_workers_destroy(g->workers, workers);
    secret_key_transforms_destroy(g->key, g->s_hat);
    fft_plan_destroy(g->plan);
    mem_wipe(&g->noise_seed, sizeof g->noise_seed);
}

annulus_status glwe_zero_body(const glwe_keygen *g, key_worker *w, uint64_t index, uint64_t *body)
{
    const tfhe_params *p = &g->key->params;
    const size_t mark = w->tmp.used;
    uint64_t *mask = scratch_take(&w->tmp, p->N * sizeof *mask);
    TRY(stream_restart(w->mask, g->mask_seed, RANDOM_MASK, index));
    TRY(stream_restart(w->noise, &g->noise_seed, RANDOM_NOISE, index));
    TRY(stream_tuniform(w->noise, p->glwe_noise, body, p->N));
    for (size_t c = 0; c < p->k; c++) {
        TRY(stream_u64s(w->mask, mask, p->N));
        poly_mul_binary_add(g->plan, body, mask, (fourier){g->s_hat + c * fft_words(p->N)}, &w->tmp);
    }
    w->tmp.used = mark;
    return ANNULUS_OK;
}
