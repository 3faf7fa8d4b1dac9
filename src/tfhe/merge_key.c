/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parallel.h"
#include "tfhe/keys_priv.h"
#include "tfhe/merge_priv.h"

struct seeded_merge_key {
    tfhe_params params;
    uint32_t l, bg;
    seed256 mask_seed;
    uint64_t *body; /* (log2 N, k*l, N): row (r, j) of level - 1 */
};

typedef struct keygen {
    glwe_keygen glwe;
    seeded_merge_key *out;
} keygen;

typedef struct expansion {
    const seeded_merge_key *in;
    merge_key *out;
    key_worker *workers;
} expansion;

static size_t rows_of(const tfhe_params *p, uint32_t l)
{
    return (size_t)p->k * l;
}

size_t merge_seeded_bytes(const tfhe_params *p, uint32_t l)
{
    return merge_log2(p->N) * rows_of(p, l) * p->N * sizeof(uint64_t);
}

size_t merge_memory_bytes(const tfhe_params *p, uint32_t l)
{
    return merge_log2(p->N) * fft_matrix_words(p->N, rows_of(p, l) + 1, p->k + 1) * sizeof(double);
}

static annulus_status seeded_allocate(const tfhe_params *p, uint32_t l, uint32_t bg, seeded_merge_key **out)
{
    void *key, *body = NULL;
    REQUIRE(l >= 1 && bg >= 1 && bg <= 30 && l * bg <= 52);
    TRY(mem_create(1, sizeof(seeded_merge_key), "merging key", &key));
    const annulus_status st = mem_create(merge_seeded_bytes(p, l), 1, "merging key", &body);
    *(seeded_merge_key *)key = (seeded_merge_key){.params = *p, .l = l, .bg = bg, .body = body};
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_merge_key_destroy(key);
    return st;
}

void seeded_merge_key_destroy(seeded_merge_key *key)
{
    if (key == NULL) return;
    mem_free(key->body);
    mem_free(key);
}

/* Body of row (r, j) of a level: GLWE encryption of -g_j S_r(X^(2^level + 1)); turned: that polynomial. */
static annulus_status row_create(const keygen *g, key_worker *w, uint64_t index, size_t j, const uint64_t *turned)
{
    const tfhe_params *p = &g->out->params;
    uint64_t *body = g->out->body + index * p->N;
    const uint64_t step = UINT64_C(1) << (64 - g->out->bg * (j + 1));
    TRY(glwe_zero_body(&g->glwe, w, index, body));
    for (size_t x = 0; x < p->N; x++) body[x] -= step * turned[x];
    return ANNULUS_OK;
}

static annulus_status level_create(void *context, size_t item, unsigned worker)
{
    const keygen *g = context;
    const tfhe_params *p = &g->out->params;
    const uint32_t l = g->out->l;
    key_worker *w = &g->glwe.workers[worker];
    w->tmp.used = 0;
    uint64_t *turned = scratch_take(&w->tmp, p->N * sizeof *turned);
    for (size_t r = 0; r < p->k; r++) {
        merge_turn(p->N, (unsigned)item + 1, g->glwe.key->S + r * p->N, turned);
        for (size_t j = 0; j < l; j++) TRY(row_create(g, w, item * rows_of(p, l) + r * l + j, j, turned));
    }
    return ANNULUS_OK;
}

annulus_status seeded_merge_key_create(const secret_key *key, uint32_t l, uint32_t bg, unsigned threads,
                                       seeded_merge_key **out)
{
    const tfhe_params *p = &key->params;
    const unsigned workers = parallel_threads(threads);
    keygen g = {.glwe.key = key};
    TRY(seeded_allocate(p, l, bg, &g.out));
    g.glwe.mask_seed = &g.out->mask_seed;
    annulus_status st = glwe_keygen_init(&g.glwe, workers, ROUND_UP(p->N * sizeof(uint64_t)));
    if (st == ANNULUS_OK) st = parallel_for(merge_log2(p->N), threads, level_create, &g);
    glwe_keygen_clear(&g.glwe, workers);
    if (st == ANNULUS_OK) {
        *out = g.out;
        return st;
    }
    mem_wipe(g.out->body, merge_seeded_bytes(p, l)); /* a row that failed half-way is bare noise */
    seeded_merge_key_destroy(g.out);
    return st;
}

void seeded_merge_key_write(writer *w, const seeded_merge_key *key)
{
    write_bytes(w, key->mask_seed.b, sizeof key->mask_seed.b);
    write_u64s(w, key->body, merge_seeded_bytes(&key->params, key->l) / sizeof *key->body);
}

annulus_status seeded_merge_key_read(reader *r, const tfhe_params *params, uint32_t l, uint32_t bg,
                                     seeded_merge_key **out)
{
    seed256 seed;
    seeded_merge_key *key = NULL;
    const size_t want = merge_seeded_bytes(params, l);
    TRY(seeded_key_begin(r, "merging key", want, &seed));
    TRY(seeded_allocate(params, l, bg, &key));
    key->mask_seed = seed;
    const annulus_status st = read_u64s(r, key->body, want / sizeof *key->body);
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_merge_key_destroy(key);
    return st;
}

static annulus_status level_expand(void *context, size_t item, unsigned worker)
{
    const expansion *e = context;
    const merge_key *out = e->out;
    const tfhe_params *p = &out->params;
    key_worker *w = &e->workers[worker];
    const size_t rows = rows_of(p, e->in->l);
    w->tmp.used = 0;
    uint64_t *mask = scratch_take(&w->tmp, p->N * sizeof *mask);
    const fourier f = {scratch_take(&w->tmp, fft_words(p->N) * sizeof(double))};
    for (size_t row = 0; row < rows; row++) {
        const uint64_t index = item * rows + row;
        TRY(stream_restart(w->mask, &e->in->mask_seed, RANDOM_MASK, index));
        for (size_t c = 0; c <= p->k; c++) {
            if (c < p->k) TRY(stream_u64s(w->mask, mask, p->N));
            fft_forward_torus(out->plan, f, c < p->k ? mask : e->in->body + index * p->N);
            fft_matrix_pack(out->plan, out->rows + item * out->matrix, &out->gadget, row, c, f);
        }
    }
    return ANNULUS_OK;
}

static annulus_status allocate(const seeded_merge_key *seeded, merge_key **out)
{
    const tfhe_params *p = &seeded->params;
    void *key, *rows = NULL;
    TRY(mem_create(1, sizeof(merge_key), "merging key", &key));
    merge_key *k = key;
    *k = (merge_key){.params = *p,
                     .log2_N = merge_log2(p->N),
                     .gadget = merge_gadget_of(p, seeded->l, seeded->bg),
                     .matrix = fft_matrix_words(p->N, rows_of(p, seeded->l) + 1, p->k + 1)};
    annulus_status st = fft_plan_create(p->N, &k->plan);
    if (st == ANNULUS_OK) st = mem_create(merge_memory_bytes(p, seeded->l), 1, "merging key", &rows);
    k->rows = rows;
    if (st == ANNULUS_OK)
        *out = k;
    else
        merge_key_destroy(k);
    return st;
}

void merge_key_destroy(merge_key *key)
{
    if (key == NULL) return;
    fft_plan_destroy(key->plan);
    mem_free(key->rows);
    mem_free(key);
}

annulus_status merge_key_create(const seeded_merge_key *seeded, unsigned threads, merge_key **out)
{
    const tfhe_params *p = &seeded->params;
    const unsigned workers = parallel_threads(threads);
    const size_t bytes = ROUND_UP(p->N * sizeof(uint64_t)) + ROUND_UP(fft_words(p->N) * sizeof(double));
    expansion e = {.in = seeded};
    TRY(allocate(seeded, &e.out));
    annulus_status st = key_workers_create(workers, &seeded->mask_seed, NULL, bytes, &e.workers);
    if (st == ANNULUS_OK) st = parallel_for(merge_log2(p->N), threads, level_expand, &e);
    key_workers_destroy(e.workers, workers);
    if (st == ANNULUS_OK)
        *out = e.out;
    else
        merge_key_destroy(e.out);
    return st;
}
