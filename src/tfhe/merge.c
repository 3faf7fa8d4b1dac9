/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/merge.h"

#include "base/parallel.h"
#include "tfhe/keys_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

struct merge_key {
    tfhe_params params;
    unsigned log2_N;
    fft_gadget gadget; /* the body's one row is zero: it needs no key */
    fft_plan *plan;
    size_t matrix; /* doubles of a level */
    double *rows;  /* (log2 N, matrix): level - 1 */
};

typedef struct keygen {
    const secret_key *key;
    merge_key *out;
    seed256 mask_seed, noise_seed;
    double *s_hat; /* (k, fft_words) transforms of the key polynomials: secret */
    key_worker *workers;
} keygen;

static unsigned log2_of(size_t x)
{
    return (unsigned)__builtin_ctzll(x);
}

static fft_gadget gadget_of(const tfhe_params *p, uint32_t l, uint32_t bg)
{
    return (fft_gadget){.columns = p->k + 1, .bg = bg, .l = l, .lb = 1};
}

static size_t matrix_words(const tfhe_params *p, uint32_t l)
{
    return fft_matrix_words(p->N, (size_t)p->k * l + 1, p->k + 1);
}

/* out <- p(X^(2^level + 1)), N words. */
static void turn(size_t N, unsigned level, const uint64_t *p, uint64_t *out)
{
    const size_t power = ((size_t)1 << level) + 1;
    for (size_t i = 0; i < N; i++) {
        const size_t at = i * power & (2 * N - 1);
        out[at & (N - 1)] = at < N ? p[i] : -p[i];
    }
}

static size_t keygen_scratch(const tfhe_params *p)
{
    return 3 * ROUND_UP(p->N * sizeof(uint64_t)) + ROUND_UP(fft_words(p->N) * sizeof(double)) +
           poly_mul_binary_scratch(p->N);
}

/* Row (r, j) of a level: GLWE encryption of -g_j S_r(X^(2^level + 1)); turned: that polynomial. */
static annulus_status row_create(const keygen *g, key_worker *w, unsigned level, size_t r, size_t j,
                                 const uint64_t *turned)
{
    const tfhe_params *p = &g->key->params;
    const merge_key *out = g->out;
    const size_t row = r * out->gadget.l + j, rows = fft_gadget_rows(&out->gadget), mark = w->tmp.used;
    double *matrix = out->rows + (level - 1) * out->matrix;
    uint64_t *body = scratch_take(&w->tmp, p->N * sizeof *body), *mask = scratch_take(&w->tmp, p->N * sizeof *mask);
    const fourier f = {scratch_take(&w->tmp, fft_words(p->N) * sizeof(double))};
    const uint64_t index = level * rows + row, step = UINT64_C(1) << (64 - out->gadget.bg * (j + 1));
    TRY(stream_restart(w->mask, &g->mask_seed, RANDOM_MASK, index));
    TRY(stream_restart(w->noise, &g->noise_seed, RANDOM_NOISE, index));
    TRY(stream_tuniform(w->noise, p->glwe_noise, body, p->N));
    for (size_t c = 0; c < p->k; c++) {
        TRY(stream_u64s(w->mask, mask, p->N));
        poly_mul_binary_add(out->plan, body, mask, (fourier){g->s_hat + c * fft_words(p->N)}, &w->tmp);
        fft_forward_torus(out->plan, f, mask);
        fft_matrix_pack(out->plan, matrix, rows, p->k + 1, row, c, f);
    }
    for (size_t x = 0; x < p->N; x++) body[x] -= step * turned[x];
    fft_forward_torus(out->plan, f, body);
    fft_matrix_pack(out->plan, matrix, rows, p->k + 1, row, p->k, f);
    w->tmp.used = mark;
    return ANNULUS_OK;
}

static annulus_status level_create(void *context, size_t item, unsigned worker)
{
    const keygen *g = context;
    const tfhe_params *p = &g->key->params;
    key_worker *w = &g->workers[worker];
    w->tmp.used = 0;
    uint64_t *turned = scratch_take(&w->tmp, p->N * sizeof *turned);
    const unsigned level = (unsigned)item + 1;
    for (size_t r = 0; r < p->k; r++) {
        turn(p->N, level, g->key->S + r * p->N, turned);
        for (size_t j = 0; j < g->out->gadget.l; j++) TRY(row_create(g, w, level, r, j, turned));
    }
    return ANNULUS_OK;
}

static annulus_status allocate(const tfhe_params *p, uint32_t l, uint32_t bg, merge_key **out)
{
    void *key, *rows = NULL;
    TRY(mem_create(1, sizeof(merge_key), "merging key", &key));
    merge_key *k = key;
    *k =
        (merge_key){.params = *p, .log2_N = log2_of(p->N), .gadget = gadget_of(p, l, bg), .matrix = matrix_words(p, l)};
    annulus_status st = fft_plan_create(p->N, &k->plan);
    if (st == ANNULUS_OK) st = mem_create(k->log2_N * k->matrix, sizeof(double), "merging key", &rows);
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

static annulus_status keygen_init(keygen *g, unsigned workers)
{
    const tfhe_params *p = &g->key->params;
    void *q;
    TRY(random_seed(&g->mask_seed));
    TRY(random_seed(&g->noise_seed));
    TRY(mem_create(p->k * fft_words(p->N), sizeof(double), "key transforms", &q));
    g->s_hat = q;
    for (size_t c = 0; c < p->k; c++)
        fft_forward_i64(g->out->plan, (fourier){g->s_hat + c * fft_words(p->N)}, (const int64_t *)g->key->S + c * p->N);
    return key_workers_create(workers, &g->mask_seed, &g->noise_seed, keygen_scratch(p), &g->workers);
}

annulus_status merge_key_create(const secret_key *key, uint32_t l, uint32_t bg, unsigned threads, merge_key **out)
{
    REQUIRE(l >= 1 && bg >= 1 && bg <= 30 && l * bg <= 52);
    const tfhe_params *p = &key->params;
    const unsigned workers = parallel_threads(threads);
    keygen g = {.key = key};
    TRY(allocate(p, l, bg, &g.out));
    annulus_status st = keygen_init(&g, workers);
    if (st == ANNULUS_OK) st = parallel_for(g.out->log2_N, threads, level_create, &g);
    key_workers_destroy(g.workers, workers);
    mem_wipe_free(g.s_hat, g.s_hat == NULL ? 0 : p->k * fft_words(p->N) * sizeof(double));
    mem_wipe(&g.noise_seed, sizeof g.noise_seed);
    if (st == ANNULUS_OK)
        *out = g.out;
    else
        merge_key_destroy(g.out);
    return st;
}

static size_t glwe_bytes(const tfhe_params *p)
{
    return ROUND_UP((size_t)(p->k + 1) * p->N * sizeof(uint64_t));
}

size_t merge_scratch(const merge_key *key, size_t count)
{
    const tfhe_params *p = &key->params;
    return (2 + log2_of(count)) * glwe_bytes(p) + ROUND_UP(fft_digits_words(p->N, &key->gadget) * sizeof(double));
}

/* A word over N, to the nearest: the multiple of 2^64/N by which the division is not unique vanishes when the levels
 * have doubled it log2 N times. */
static uint64_t share(const merge_key *key, uint64_t x)
{
    return (x + key->params.N / 2) >> key->log2_N;
}

/* The ciphertext whose coefficient 0 is extracted as in/N. */
static void embed(const merge_key *key, const uint64_t *in, uint64_t *out)
{
    const size_t N = key->params.N, k = key->params.k;
    for (size_t c = 0; c < k; c++, in += N, out += N) {
        out[0] = share(key, in[0]);
        for (size_t x = 1; x < N; x++) out[N - x] = -share(key, in[x]);
    }
    memset(out, 0, N * sizeof *out);
    out[0] = share(key, in[0]);
}

/* out <- out + from(X^(2^level + 1)), switched back to the key; from may be out. */
static void turn_add(const merge_key *key, unsigned level, const uint64_t *from, uint64_t *out, scratch *tmp)
{
    const tfhe_params *p = &key->params;
    const size_t mark = tmp->used, N = p->N;
    uint64_t *turned = scratch_take(tmp, glwe_bytes(p));
    double *digits = scratch_take(tmp, fft_digits_words(N, &key->gadget) * sizeof *digits);
    for (size_t c = 0; c <= p->k; c++) turn(N, level, from + c * N, turned + c * N);
    for (size_t x = 0; x < N; x++) out[p->k * N + x] += turned[p->k * N + x];
    fft_digits_take(key->plan, &key->gadget, digits, turned, 0, NULL);
    fft_digits_apply(key->plan, &key->gadget, digits, 1, &out, key->rows + (level - 1) * key->matrix, NULL);
    tmp->used = mark;
}

/* even <- even + X^shift odd, odd <- even - X^shift odd. */
static void cross(const tfhe_params *p, size_t shift, uint64_t *even, uint64_t *odd, uint64_t *tmp)
{
    const size_t N = p->N;
    for (size_t c = 0; c <= p->k; c++, even += N, odd += N) {
        for (size_t x = 0; x < shift; x++) tmp[x] = -odd[N - shift + x];
        memcpy(tmp + shift, odd, (N - shift) * sizeof *tmp);
        for (size_t x = 0; x < N; x++) {
            odd[x] = even[x] - tmp[x];
            even[x] += tmp[x];
        }
    }
}

/* Merges in[0], in[stride], ..., 2^level of them. */
static void node_apply(const merge_key *key, const uint64_t *in, size_t stride, unsigned level, uint64_t *out,
                       scratch *tmp)
{
    const tfhe_params *p = &key->params;
    if (level == 0) {
        embed(key, in, out);
        return;
    }
    const size_t mark = tmp->used;
    uint64_t *odd = scratch_take(tmp, glwe_bytes(p));
    node_apply(key, in, 2 * stride, level - 1, out, tmp);
    node_apply(key, in + stride * lwe_words(p), 2 * stride, level - 1, odd, tmp);
    const size_t inner = tmp->used;
    cross(p, p->N >> level, out, odd, scratch_take(tmp, p->N * sizeof *odd));
    tmp->used = inner;
    turn_add(key, level, odd, out, tmp);
    tmp->used = mark;
}

void merge_apply(const merge_key *key, const uint64_t *in, size_t count, uint64_t *out, scratch *tmp)
{
    REQUIRE(count >= 1 && count <= key->params.N && (count & (count - 1)) == 0);
    node_apply(key, in, 1, log2_of(count), out, tmp);
    for (unsigned level = log2_of(count) + 1; level <= key->log2_N; level++) turn_add(key, level, out, out, tmp);
}
