/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/packed.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"

#include <string.h>

static size_t polys(const tfhe_params *p, size_t count)
{
    return (count + p->N - 1) / p->N;
}

/* Mask (k,N) of ciphertext g. */
static annulus_status mask_take(const tfhe_params *p, stream *s, const seed256 *seed, size_t g, uint64_t *mask)
{
    TRY(stream_restart(s, seed, RANDOM_MASK, g));
    return stream_u64s(s, mask, tfhe_big_dim(p));
}

/* ---- encryption ------------------------------------------------------------------------------------------------- */

typedef struct encryption {
    const secret_key *key;
    const seed256 *mask_seed;
    fft_plan *plan;
    double *s_hat;        /* (k, fft_words) transforms of the key polynomials: secret */
    uint64_t *mask, *sum; /* (k,N); (N) */
    stream *masks, *noise;
    scratch tmp;
} encryption;

static annulus_status encryption_init(encryption *e)
{
    const tfhe_params *p = &e->key->params;
    seed256 noise_seed;
    void *q;
    TRY(fft_plan_create(p->N, &e->plan));
    TRY(secret_key_transforms(e->key, e->plan, &e->s_hat));
    TRY(mem_create(tfhe_big_dim(p) + p->N, sizeof(uint64_t), "ciphertext", &q));
    e->mask = q;
    e->sum = e->mask + tfhe_big_dim(p);
    TRY(scratch_create(poly_mul_binary_scratch(p->N), &e->tmp));
    TRY(stream_create(e->mask_seed, RANDOM_MASK, 0, &e->masks));
    annulus_status st = random_seed(&noise_seed);
    if (st == ANNULUS_OK) st = stream_create(&noise_seed, RANDOM_NOISE, 0, &e->noise);
    mem_wipe(&noise_seed, sizeof noise_seed);
    return st;
}

static void encryption_clear(encryption *e)
{
    const tfhe_params *p = &e->key->params;
    secret_key_transforms_destroy(e->key, e->s_hat);
    mem_wipe_free(e->mask, e->mask == NULL ? 0 : (tfhe_big_dim(p) + p->N) * sizeof(uint64_t));
    scratch_destroy(&e->tmp);
    stream_destroy(e->masks);
    stream_destroy(e->noise);
    fft_plan_destroy(e->plan);
}

/* sum <- sum_c A_c S_c + E */
static annulus_status zero_body(encryption *e, size_t g)
{
    const tfhe_params *p = &e->key->params;
    TRY(mask_take(p, e->masks, e->mask_seed, g, e->mask));
    TRY(stream_tuniform(e->noise, p->glwe_noise, e->sum, p->N));
    for (size_t c = 0; c < p->k; c++)
        poly_mul_binary_add(e->plan, e->sum, e->mask + c * p->N, (fourier){e->s_hat + c * fft_words(p->N)}, &e->tmp);
    return ANNULUS_OK;
}

annulus_status packed_encrypt_seeded(const secret_key *key, const seed256 *mask_seed, const uint64_t *message,
                                     size_t count, uint64_t *body)
{
    const size_t N = key->params.N;
    encryption e = {.key = key, .mask_seed = mask_seed};
    annulus_status st = encryption_init(&e);
    for (size_t g = 0; st == ANNULUS_OK && g < polys(&key->params, count); g++) {
        st = zero_body(&e, g);
        const size_t first = g * N, end = count - first < N ? count : first + N;
        for (size_t i = first; st == ANNULUS_OK && i < end; i++) body[i] = message[i] + e.sum[i - first];
    }
    encryption_clear(&e);
    return st;
}

/* ---- every value by itself -------------------------------------------------------------------------------------- */

typedef struct expansion {
    const tfhe_params *p;
    const uint64_t *masks, *body; /* (polys,k,N); (count) */
    uint64_t *out;
} expansion;

/* Coefficient i of b - sum_c A_c S_c is b_i minus the inner product of S with A_c[i-j] for j <= i, -A_c[N+i-j] beyond.
 */
static annulus_status expand_one(void *context, size_t at, unsigned worker)
{
    (void)worker;
    const expansion *e = context;
    const size_t N = e->p->N, dim = tfhe_big_dim(e->p), i = at % N;
    uint64_t *out = e->out + at * (dim + 1);
    for (size_t c = 0; c < e->p->k; c++) {
        const uint64_t *a = e->masks + (at / N) * dim + c * N;
        for (size_t j = 0; j <= i; j++) out[c * N + j] = a[i - j];
        for (size_t j = i + 1; j < N; j++) out[c * N + j] = -a[N + i - j];
    }
    out[dim] = e->body[at];
    return ANNULUS_OK;
}

/* *out (count/N rounded up, k,N), for the caller to free. */
static annulus_status masks_create(const tfhe_params *p, const seed256 *seed, size_t count, uint64_t **out)
{
    const size_t dim = tfhe_big_dim(p);
    stream *s = NULL;
    void *q;
    TRY(mem_create(polys(p, count), dim * sizeof(uint64_t), "ciphertext masks", &q));
    annulus_status st = stream_create(seed, RANDOM_MASK, 0, &s);
    for (size_t g = 0; st == ANNULUS_OK && g < polys(p, count); g++)
        st = mask_take(p, s, seed, g, (uint64_t *)q + g * dim);
    stream_destroy(s);
    if (st == ANNULUS_OK)
        *out = q;
    else
        mem_free(q);
    return st;
}

annulus_status packed_expand(const tfhe_params *p, const seed256 *mask_seed, const uint64_t *body, size_t count,
                             unsigned threads, uint64_t *out)
{
    uint64_t *masks;
    TRY(masks_create(p, mask_seed, count, &masks));
    expansion e = {.p = p, .masks = masks, .body = body, .out = out};
    const annulus_status st = parallel_for(count, threads, expand_one, &e);
    mem_free(masks);
    return st;
}

/* ---- sums ------------------------------------------------------------------------------------------------------- */

struct packed_weights {
    tfhe_params p;
    fft_plan *plan;
    size_t rows, count;
    int32_t *W;  /* (rows,count), for the bodies */
    double *hat; /* (rows, polys, fft_words) */
};

typedef struct transforms {
    packed_weights *w;
    int64_t *poly; /* (workers,N) */
} transforms;

static annulus_status transform_row(void *context, size_t row, unsigned worker)
{
    const transforms *t = context;
    packed_weights *w = t->w;
    const size_t N = w->p.N, all = polys(&w->p, w->count);
    int64_t *poly = t->poly + worker * N;
    for (size_t g = 0; g < all; g++) {
        memset(poly, 0, N * sizeof *poly);
        for (size_t i = g * N; i < w->count && i < (g + 1) * N; i++) poly[N - 1 - i % N] = w->W[row * w->count + i];
        fft_forward_i64(w->plan, (fourier){w->hat + (row * all + g) * fft_words(N)}, poly);
    }
    return ANNULUS_OK;
}

int packed_weights_fit(const int32_t *W, size_t rows, size_t count)
{
    for (size_t r = 0; r < rows; r++) {
        double square = 0;
        for (size_t i = 0; i < count; i++) square += (double)W[r * count + i] * W[r * count + i];
        if (square > PACKED_NORM_MOST * PACKED_NORM_MOST) return 0;
    }
    return 1;
}

static annulus_status weights_fill(packed_weights *w, const int32_t *W, unsigned threads)
{
    const size_t all = polys(&w->p, w->count), words = fft_words(w->p.N);
    void *q;
    if (all > SIZE_MAX / words / sizeof(double)) return fail(ANNULUS_ERR_MEMORY, "packed weights: sizes overflow");
    TRY(fft_plan_create(w->p.N, &w->plan));
    TRY(mem_create(w->rows, w->count * sizeof(int32_t), "weights", &q));
    w->W = memcpy(q, W, w->rows * w->count * sizeof(int32_t));
    TRY(mem_create(w->rows, all * words * sizeof(double), "packed weights", &q));
    w->hat = q;
    TRY(mem_create(parallel_threads(threads), w->p.N * sizeof(int64_t), "packed weights", &q));
    transforms t = {.w = w, .poly = q};
    const annulus_status st = parallel_for(w->rows, threads, transform_row, &t);
    mem_free(q);
    return st;
}

annulus_status packed_weights_create(const tfhe_params *p, const int32_t *W, size_t rows, size_t count,
                                     unsigned threads, packed_weights **out)
{
    void *q;
    TRY(mem_create(1, sizeof(packed_weights), "packed weights", &q));
    packed_weights *w = q;
    *w = (packed_weights){.p = *p, .rows = rows, .count = count};
    const annulus_status st = weights_fill(w, W, threads);
    if (st == ANNULUS_OK)
        *out = w;
    else
        packed_weights_destroy(w);
    return st;
}

size_t packed_weights_memory(const tfhe_params *p, size_t rows, size_t count)
{
    return mem_bytes(rows * count * sizeof(int32_t)) +
           mem_bytes(rows * polys(p, count) * fft_words(p->N) * sizeof(double));
}

void packed_weights_destroy(packed_weights *w)
{
    if (w == NULL) return;
    fft_plan_destroy(w->plan);
    mem_free(w->W);
    mem_free(w->hat);
    mem_free(w);
}

/* A mask word is high*2^32 + low with low in [-2^31, 2^31): the products of each with the weights are whole numbers
 * that the transforms give to much less than 1/2, and so are their sums. */
typedef struct sums {
    const packed_weights *w;
    double *masks; /* (polys, k, 2, fft_words): high, low */
    const uint64_t *body;
    double *hat; /* (workers, 2, fft_words) */
    uint64_t *out;
} sums;

static annulus_status sum_row(void *context, size_t row, unsigned worker)
{
    const sums *s = context;
    const packed_weights *w = s->w;
    const size_t N = w->p.N, k = w->p.k, words = fft_words(N), all = polys(&w->p, w->count);
    const fourier part[2] = {{s->hat + 2 * worker * words}, {s->hat + (2 * worker + 1) * words}};
    uint64_t *out = s->out + row * (k * N + 1), body = 0;
    for (size_t c = 0; c < k; c++) {
        for (size_t h = 0; h < 2; h++)
            fft_dot(w->plan, part[h], (fourier){s->masks + (c * 2 + h) * words}, 2 * k * words,
                    (fourier){w->hat + row * all * words}, words, all);
        fft_inverse_halves_reversed(w->plan, out + c * N, part[0], part[1]);
    }
    for (size_t i = 0; i < w->count; i++) body += (uint64_t)(int64_t)w->W[row * w->count + i] * s->body[i];
    out[k * N] = body;
    return ANNULUS_OK;
}

/* parts (2,N): room */
static void transform_mask(const sums *s, size_t index, const uint64_t *mask, int64_t *parts)
{
    const size_t N = s->w->p.N, words = fft_words(N);
    for (size_t j = 0; j < N; j++) {
        const int64_t low = (int32_t)(uint32_t)mask[j];
        parts[j] = (int64_t)(mask[j] - (uint64_t)low) / (INT64_C(1) << 32);
        parts[N + j] = low;
    }
    for (size_t part = 0; part < 2; part++)
        fft_forward_i64(s->w->plan, (fourier){s->masks + (index * 2 + part) * words}, parts + part * N);
}

static annulus_status transform_masks(const sums *s, const seed256 *seed)
{
    const packed_weights *w = s->w;
    uint64_t *mask;
    void *parts;
    TRY(masks_create(&w->p, seed, w->count, &mask));
    const annulus_status st = mem_create(2 * w->p.N, sizeof(int64_t), "ciphertext masks", &parts);
    for (size_t i = 0; st == ANNULUS_OK && i < polys(&w->p, w->count) * w->p.k; i++)
        transform_mask(s, i, mask + i * w->p.N, parts);
    mem_free(parts);
    mem_free(mask);
    return st;
}

annulus_status packed_sums(const packed_weights *w, const seed256 *mask_seed, const uint64_t *body, unsigned threads,
                           uint64_t *out)
{
    const size_t bytes = 2 * fft_words(w->p.N) * sizeof(double);
    sums s = {.w = w, .body = body, .out = out};
    void *masks, *hat = NULL;
    TRY(mem_create(polys(&w->p, w->count) * w->p.k, bytes, "transforms of masks", &masks));
    s.masks = masks;
    annulus_status st = mem_create(parallel_threads(threads), bytes, "sums", &hat);
    s.hat = hat;
    if (st == ANNULUS_OK) st = transform_masks(&s, mask_seed);
    if (st == ANNULUS_OK) st = parallel_for(w->rows, threads, sum_row, &s);
    mem_free(masks);
    mem_free(hat);
    return st;
}

size_t packed_sums_memory(const tfhe_params *p, size_t count, unsigned threads)
{
    const size_t bytes = 2 * fft_words(p->N) * sizeof(double), all = polys(p, count);
    const size_t masks = mem_bytes(all * tfhe_big_dim(p) * sizeof(uint64_t)) + mem_bytes(2 * p->N * sizeof(int64_t));
    return mem_bytes(all * p->k * bytes) + mem_bytes(parallel_threads(threads) * bytes) + masks;
}
