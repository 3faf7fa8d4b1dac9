/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"

#include <string.h>

typedef struct expansion {
    const seed256 *mask_seed;
    const uint32_t *body; /* (k*N, ks_l, coefficients) */
    size_t coefficients;
    switching_key *out;
    key_worker *workers;
} expansion;

static annulus_status allocate(const tfhe_params *p, switching_key **out)
{
    void *key;
    TRY(mem_create(1, sizeof(switching_key), "keyswitching key", &key));
    switching_key *k = key;
    k->params = *p;
    const annulus_status st =
        matrix_u32_create(tfhe_big_dim(p) * p->ks_l, p->n + 1, keyswitch_block(p) * p->ks_l, &k->rows);
    if (st == ANNULUS_OK)
        *out = k;
    else
        switching_key_destroy(k);
    return st;
}

void switching_key_destroy(switching_key *key)
{
    if (key == NULL) return;
    matrix_u32_destroy(key->rows);
    mem_free(key);
}

static annulus_status rows_expand(void *context, size_t i, unsigned worker)
{
    const expansion *e = context;
    const tfhe_params *p = &e->out->params;
    key_worker *w = &e->workers[worker];
    const size_t masks = p->n + 1 - e->coefficients;
    w->tmp.used = 0;
    uint32_t *row = scratch_take(&w->tmp, (p->n + 1) * sizeof *row);
    TRY(stream_restart(w->mask, e->mask_seed, RANDOM_MASK, i));
    for (size_t j = 0; j < p->ks_l; j++) {
        const uint32_t *b = e->body + (i * p->ks_l + j) * e->coefficients;
        TRY(stream_u32s(w->mask, row, masks));
        memcpy(row + masks, b + 1, (e->coefficients - 1) * sizeof *b);
        row[p->n] = b[0];
        matrix_u32_set(e->out->rows, i * p->ks_l + j, row);
    }
    return ANNULUS_OK;
}

annulus_status switching_key_expand(const tfhe_params *p, const seed256 *mask_seed, const uint32_t *body,
                                    size_t coefficients, unsigned threads, switching_key **out)
{
    const unsigned workers = parallel_threads(threads);
    expansion e = {.mask_seed = mask_seed, .body = body, .coefficients = coefficients};
    TRY(allocate(p, &e.out));
    annulus_status st =
        key_workers_create(workers, mask_seed, NULL, ROUND_UP((p->n + 1) * sizeof(uint32_t)), &e.workers);
    if (st == ANNULUS_OK) st = parallel_for(tfhe_big_dim(p), threads, rows_expand, &e);
    key_workers_destroy(e.workers, workers);
    if (st == ANNULUS_OK)
        *out = e.out;
    else
        switching_key_destroy(e.out);
    return st;
}

annulus_status switching_key_create(const seeded_switching_key *seeded, unsigned threads, switching_key **out)
{
    return switching_key_expand(&seeded->params, &seeded->mask_seed, seeded->body, 1, threads, out);
}
