/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/keys_priv.h"
#include "tfhe/packed_priv.h"

#include <string.h>

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
    for (size_t g = 0; st == ANNULUS_OK && g < packed_ciphertexts(&key->params, count); g++) {
        st = zero_body(&e, g);
        const size_t first = g * N, end = count - first < N ? count : first + N;
        for (size_t i = first; st == ANNULUS_OK && i < end; i++) body[i] = message[i] + e.sum[i - first];
    }
    encryption_clear(&e);
    return st;
}

void packed_round(uint64_t *body, size_t count, unsigned bits)
{
    const uint64_t unit = UINT64_C(1) << (64 - bits);
    for (size_t i = 0; bits < 64 && i < count; i++) body[i] = (body[i] + unit / 2) & -unit;
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
    TRY(mem_create(packed_ciphertexts(p, count), dim * sizeof(uint64_t), "ciphertext masks", &q));
    annulus_status st = stream_create(seed, RANDOM_MASK, 0, &s);
    for (size_t g = 0; st == ANNULUS_OK && g < packed_ciphertexts(p, count); g++)
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
    packed_rows *of;
    fft_plan *plan;
    double *hat; /* (polys, fft_words) */
};

typedef struct transforms {
    packed_weights *w;
    int64_t *room; /* (workers,N) */
} transforms;

static annulus_status transform_poly(void *context, size_t number, unsigned worker)
{
    const transforms *t = context;
    const packed_rows *r = t->w->of;
    const size_t N = r->p.N;
    int64_t *poly = t->room + worker * N;
    memset(poly, 0, N * sizeof *poly);
    for (size_t i = r->polys[number].first; i < r->polys[number + 1].first; i++)
        poly[N - 1 - r->weights[i].at] = r->weights[i].weight;
    fft_forward_i64(t->w->plan, (fourier){t->w->hat + number * fft_words(N)}, poly);
    return ANNULUS_OK;
}

static annulus_status weights_fill(packed_weights *w, unsigned threads)
{
    const size_t words = fft_words(w->of->p.N), polys = w->of->size.polys;
    void *q;
    if (polys > SIZE_MAX / words / sizeof(double)) return fail(ANNULUS_ERR_MEMORY, "packed weights: sizes overflow");
    TRY(packed_rows_finish(w->of));
    TRY(fft_plan_create(w->of->p.N, &w->plan));
    TRY(mem_create(polys, words * sizeof(double), "packed weights", &q));
    w->hat = q;
    TRY(mem_create(parallel_threads(threads), w->of->p.N * sizeof(int64_t), "packed weights", &q));
    transforms t = {.w = w, .room = q};
    const annulus_status st = parallel_for(polys, threads, transform_poly, &t);
    mem_free(q);
    return st;
}

annulus_status packed_weights_create(packed_rows *rows, unsigned threads, packed_weights **out)
{
    void *q;
    annulus_status st = mem_create(1, sizeof(packed_weights), "packed weights", &q);
    if (st != ANNULUS_OK) {
        packed_rows_destroy(rows);
        return st;
    }
    packed_weights *w = q;
    w->of = rows;
    st = weights_fill(w, threads);
    if (st == ANNULUS_OK)
        *out = w;
    else
        packed_weights_destroy(w);
    return st;
}

size_t packed_weights_memory(const tfhe_params *p, const packed_size *size)
{
    return packed_rows_memory(size) + mem_bytes(size->polys * fft_words(p->N) * sizeof(double));
}

void packed_weights_destroy(packed_weights *w)
{
    if (w == NULL) return;
    packed_rows_destroy(w->of);
    fft_plan_destroy(w->plan);
    mem_free(w->hat);
    mem_free(w);
}

/* A mask word is high*2^32 + low with low in [-2^31, 2^31): the products of each with the weights are whole numbers
 * that the transforms give to much less than 1/2, and so are their sums. */
typedef struct sums {
    const packed_weights *w;
    double *masks; /* (ciphertexts, k, 2, fft_words): high, low */
    const uint64_t *body;
    double *hat; /* (workers, 2, fft_words) */
    uint64_t *out;
} sums;

/* Of the row of the group that has its inputs `shift` coefficients before the head. */
static uint64_t sum_body(const sums *s, const packed_group *group, size_t shift)
{
    const packed_rows *r = s->w->of;
    uint64_t sum = 0;
    for (const packed_poly *q = r->polys + group->poly; q < r->polys + group[1].poly; q++) {
        const size_t before = (size_t)q->ciphertext * r->p.N;
        for (size_t i = q->first; i < q[1].first; i++)
            sum += (uint64_t)(int64_t)r->weights[i].weight * s->body[before + r->weights[i].at - shift];
    }
    return sum * group->factor;
}

/* out <- the sum of the products of a group's weights with half h of the ciphertexts' mask polynomials c. */
static void sum_product(const sums *s, const packed_group *group, size_t c, size_t h, fourier out)
{
    const packed_rows *r = s->w->of;
    const size_t k = r->p.k, words = fft_words(r->p.N), count = group[1].poly - group->poly;
    const packed_poly *q = r->polys + group->poly;
    double *masks = s->masks + (c * 2 + h) * words, *hat = s->w->hat + group->poly * words;
    size_t run = 1; /* ciphertexts that follow each other */
    while (run < count && q[run].ciphertext == q->ciphertext + run) run++;
    fft_dot(s->w->plan, out, (fourier){masks + q->ciphertext * 2 * k * words}, 2 * k * words, (fourier){hat}, words,
            run);
    for (size_t i = run; i < count; i++)
        fft_mul_add(s->w->plan, out, (fourier){masks + q[i].ciphertext * 2 * k * words}, (fourier){hat + i * words});
}

/* The head of a group. */
static annulus_status sum_head(void *context, size_t number, unsigned worker)
{
    const sums *s = context;
    const packed_rows *r = s->w->of;
    const packed_group *group = &r->groups[number];
    const size_t N = r->p.N, k = r->p.k, words = fft_words(N);
    const fourier part[2] = {{s->hat + 2 * worker * words}, {s->hat + (2 * worker + 1) * words}};
    uint64_t *out = s->out + group->head * (k * N + 1);
    if (group->poly == group[1].poly) { /* without weights */
        memset(out, 0, (k * N + 1) * sizeof *out);
        return ANNULUS_OK;
    }
    for (size_t c = 0; c < k; c++) {
        for (size_t h = 0; h < 2; h++) sum_product(s, group, c, h, part[h]);
        fft_inverse_halves_reversed(s->w->plan, out + c * N, part[0], part[1]);
    }
    for (size_t j = 0; group->factor != 1 && j < k * N; j++) out[j] *= group->factor;
    out[k * N] = sum_body(s, group, 0);
    return ANNULUS_OK;
}

/* Another row, of the head's polynomials: coefficient N-1-j of polynomial c is word j there. */
static annulus_status sum_row(void *context, size_t row, unsigned worker)
{
    (void)worker;
    const sums *s = context;
    const packed_rows *r = s->w->of;
    const packed_group *group = &r->groups[r->rows[row].group];
    const size_t N = r->p.N, dim = r->p.k * N, shift = (size_t)r->rows[row].shift;
    const uint64_t *head = s->out + group->head * (dim + 1);
    uint64_t *out = s->out + row * (dim + 1);
    if (row == group->head) return ANNULUS_OK;
    for (size_t c = 0; c < dim; c += N) {
        memcpy(out + c, head + c + shift, (N - shift) * sizeof *out);
        for (size_t j = 0; j < shift; j++) out[c + N - shift + j] = -head[c + j];
    }
    out[dim] = sum_body(s, group, shift);
    return ANNULUS_OK;
}

/* parts (2,N): room */
static void transform_mask(const sums *s, size_t index, const uint64_t *mask, int64_t *parts)
{
    const size_t N = s->w->of->p.N, words = fft_words(N);
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
    const packed_rows *r = s->w->of;
    uint64_t *mask;
    void *parts;
    TRY(masks_create(&r->p, seed, r->count, &mask));
    const annulus_status st = mem_create(2 * r->p.N, sizeof(int64_t), "ciphertext masks", &parts);
    for (size_t i = 0; st == ANNULUS_OK && i < r->size.ciphertexts * r->p.k; i++)
        transform_mask(s, i, mask + i * r->p.N, parts);
    mem_free(parts);
    mem_free(mask);
    return st;
}

annulus_status packed_sums(const packed_weights *w, const seed256 *mask_seed, const uint64_t *body, unsigned threads,
                           uint64_t *out)
{
    const packed_rows *r = w->of;
    const size_t bytes = 2 * fft_words(r->p.N) * sizeof(double);
    sums s = {.w = w, .body = body, .out = out};
    void *masks, *hat = NULL;
    TRY(mem_create(r->size.ciphertexts * r->p.k, bytes, "transforms of masks", &masks));
    s.masks = masks;
    annulus_status st = mem_create(parallel_threads(threads), bytes, "sums", &hat);
    s.hat = hat;
    if (st == ANNULUS_OK) st = transform_masks(&s, mask_seed);
    if (st == ANNULUS_OK) st = parallel_for(r->size.groups, threads, sum_head, &s);
    if (st == ANNULUS_OK && r->size.groups < r->size.rows) st = parallel_for(r->size.rows, threads, sum_row, &s);
    mem_free(masks);
    mem_free(hat);
    return st;
}

size_t packed_sums_memory(const tfhe_params *p, size_t count, unsigned threads)
{
    const size_t bytes = 2 * fft_words(p->N) * sizeof(double), all = packed_ciphertexts(p, count);
    const size_t masks = mem_bytes(all * tfhe_big_dim(p) * sizeof(uint64_t)) + mem_bytes(2 * p->N * sizeof(int64_t));
    return mem_bytes(all * p->k * bytes) + mem_bytes(parallel_threads(threads) * bytes) + masks;
}
