/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of packed answers. */
#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/answers_priv.h"

/* ---- secret ----------------------------------------------------------------------------------------------------- */

static annulus_status secret_allocate(const tfhe_answers *p, answers_secret **out)
{
    void *key, *P = NULL;
    TRY(mem_create(1, sizeof(answers_secret), "secret key", &key));
    const annulus_status st = mem_create(tfhe_answers_dim(p), sizeof(uint64_t), "secret key", &P);
    *(answers_secret *)key = (answers_secret){.params = *p, .P = P};
    if (st == ANNULUS_OK)
        *out = key;
    else
        answers_secret_destroy(key);
    return st;
}

annulus_status answers_secret_create(const tfhe_answers *p, answers_secret **out)
{
    seed256 seed;
    answers_secret *key = NULL;
    stream *random = NULL;
    TRY(random_seed(&seed));
    annulus_status st = secret_allocate(p, &key);
    if (st == ANNULUS_OK) st = stream_create(&seed, RANDOM_SECRET, 0, &random);
    if (st == ANNULUS_OK) st = stream_bits(random, key->P, tfhe_answers_dim(p));
    stream_destroy(random);
    mem_wipe(&seed, sizeof seed);
    if (st == ANNULUS_OK)
        *out = key;
    else
        answers_secret_destroy(key);
    return st;
}

void answers_secret_destroy(answers_secret *key)
{
    if (key == NULL) return;
    mem_wipe_free(key->P, key->P == NULL ? 0 : tfhe_answers_dim(&key->params) * sizeof *key->P);
    mem_wipe_free(key, sizeof *key);
}

void answers_secret_write(writer *w, const answers_secret *key)
{
    secret_bits_write(w, key->P, tfhe_answers_dim(&key->params));
}

annulus_status answers_secret_read(reader *r, const tfhe_answers *p, answers_secret **out)
{
    answers_secret *key = NULL;
    TRY(secret_allocate(p, &key));
    const annulus_status st = secret_bits_read(r, key->P, tfhe_answers_dim(p));
    if (st == ANNULUS_OK)
        *out = key;
    else
        answers_secret_destroy(key);
    return st;
}

/* ---- seeded ----------------------------------------------------------------------------------------------------- */

/* The bodies of the second keyswitch are behind those of the first. */
static annulus_status seeded_allocate(const tfhe_families *f, seeded_answers_key **out)
{
    const tfhe_answers *a = &f->answers;
    void *key, *body = NULL;
    TRY(mem_create(1, sizeof(seeded_answers_key), "key of answers", &key));
    const annulus_status st = mem_create(tfhe_answers_seeded_bytes(f), 1, "key of answers", &body);
    seeded_answers_key *k = key;
    *k = (seeded_answers_key){.answers = *a, .keyswitch = tfhe_answers_params(f), .body = body};
    if (st == ANNULUS_OK) k->sent = k->body + tfhe_big_dim(&k->keyswitch) * a->l * a->N;
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_answers_key_destroy(key);
    return st;
}

void seeded_answers_key_destroy(seeded_answers_key *key)
{
    if (key == NULL) return;
    mem_free(key->body);
    mem_free(key);
}

typedef struct keygen {
    const secret_key *from;
    const answers_secret *packed, *sent; /* under which answers are packed, and sent */
    seeded_answers_key *out;
    seed256 noise_seed;
    key_worker *workers;
} keygen;

void answers_multiply_add(uint32_t *b, const uint32_t *A, const uint64_t *P, size_t N)
{
    for (size_t i = 0; i < N; i++) {
        const uint32_t mask = -(uint32_t)P[i];
        for (size_t j = 0; j < N - i; j++) b[i + j] += A[j] & mask;
        for (size_t j = N - i; j < N; j++) b[i + j - N] -= A[j] & mask;
    }
}

annulus_status answers_zero(key_worker *w, const answers_secret *key, uint32_t bound, uint32_t *b)
{
    const size_t N = key->params.N, dim = tfhe_answers_dim(&key->params);
    w->tmp.used = 0;
    uint32_t *mask = scratch_take(&w->tmp, dim * sizeof *mask);
    uint64_t *noise = scratch_take(&w->tmp, N * sizeof *noise);
    TRY(stream_u32s(w->mask, mask, dim));
    TRY(stream_tuniform(w->noise, bound, noise, N));
    for (size_t x = 0; x < N; x++) b[x] = (uint32_t)noise[x];
    for (size_t c = 0; c < dim; c += N) answers_multiply_add(b, mask + c, key->P + c, N);
    mem_wipe(noise, N * sizeof *noise);
    return ANNULUS_OK;
}

/* Rows of big key bit i: GLWE encryptions of the constants S_i 2^(32 - b j) modulo 2^32 under the key that answers are
 * packed under; behind the bits the rows of that key's polynomials. */
static annulus_status rows_create(void *context, size_t i, unsigned worker)
{
    const keygen *g = context;
    const tfhe_answers *a = &g->out->answers;
    key_worker *w = &g->workers[worker];
    const size_t big = tfhe_big_dim(&g->from->params);
    TRY(stream_restart(w->mask, &g->out->mask_seed, RANDOM_MASK, i));
    TRY(stream_restart(w->noise, &g->noise_seed, RANDOM_NOISE, i));
    if (i >= big) return answers_sent_rows(g->out, g->packed, g->sent, i - big, w);
    for (size_t j = 0; j < a->l; j++) {
        uint32_t *b = g->out->body + (i * a->l + j) * a->N;
        TRY(answers_zero(w, g->packed, a->noise, b));
        b[0] += (uint32_t)g->from->S[i] << (32 - a->b * (j + 1));
    }
    return ANNULUS_OK;
}

/* The key that answers are packed under, if it is not the one that they are sent under. */
static annulus_status packed_secret_create(const tfhe_answers *a, answers_secret **out)
{
    tfhe_answers p = *a;
    p.sent_k = p.sent_l = p.sent_noise = 0;
    return answers_secret_create(&p, out);
}

static annulus_status rows_create_all(keygen *g, unsigned threads, const annulus_progress *progress)
{
    const tfhe_answers *a = &g->out->answers;
    const unsigned workers = parallel_threads(threads);
    const size_t masks = (size_t)(a->k > a->sent_k ? a->k : a->sent_k) * a->N;
    const size_t bytes = ROUND_UP(masks * sizeof(uint32_t)) + ROUND_UP(a->N * sizeof(uint64_t));
    TRY(random_seed(&g->out->mask_seed));
    TRY(random_seed(&g->noise_seed));
    TRY(key_workers_create(workers, &g->out->mask_seed, &g->noise_seed, bytes, &g->workers));
    annulus_status st = progress_report(progress, "key of answers", 0, 1);
    if (st == ANNULUS_OK)
        st = parallel_for(tfhe_big_dim(&g->from->params) + (a->sent_k > 0 ? a->k : 0), threads, rows_create, g);
    if (st == ANNULUS_OK) st = progress_report(progress, "key of answers", 1, 1);
    key_workers_destroy(g->workers, workers);
    return st;
}

annulus_status seeded_answers_key_create(const tfhe_families *f, const secret_key *from, const answers_secret *into,
                                         unsigned threads, const annulus_progress *progress, seeded_answers_key **out)
{
    const tfhe_answers *a = &f->answers;
    answers_secret *packed = NULL;
    keygen g = {.from = from, .packed = into, .sent = into};
    REQUIRE(a->bits > 0 && tfhe_params_equal(&from->params, &f->of[a->family]));
    REQUIRE(tfhe_answers_equal(&into->params, a));
    TRY(seeded_allocate(f, &g.out));
    annulus_status st = ANNULUS_OK;
    if (a->sent_k > 0) {
        st = packed_secret_create(a, &packed);
        g.packed = packed;
    }
    if (st == ANNULUS_OK) st = rows_create_all(&g, threads, progress);
    answers_secret_destroy(packed);
    mem_wipe(&g.noise_seed, sizeof g.noise_seed);
    if (st == ANNULUS_OK)
        *out = g.out;
    else
        seeded_answers_key_destroy(g.out);
    return st;
}

void seeded_answers_key_write(writer *w, const seeded_answers_key *key)
{
    write_bytes(w, key->mask_seed.b, sizeof key->mask_seed.b);
    const tfhe_answers *a = &key->answers;
    write_u32s(w, key->body, (tfhe_big_dim(&key->keyswitch) * a->l + a->k * a->sent_l) * a->N);
}

annulus_status seeded_answers_key_read(reader *r, const tfhe_families *f, seeded_answers_key **out)
{
    seed256 seed;
    seeded_answers_key *key = NULL;
    const size_t want = tfhe_answers_seeded_bytes(f);
    TRY(seeded_key_begin(r, "key of answers", want, &seed));
    TRY(seeded_allocate(f, &key));
    key->mask_seed = seed;
    const annulus_status st = read_u32s(r, key->body, want / sizeof *key->body);
    if (st == ANNULUS_OK)
        *out = key;
    else
        seeded_answers_key_destroy(key);
    return st;
}

/* ---- expanded --------------------------------------------------------------------------------------------------- */

/* The body's constant coefficient is the last word, to which a keyswitch adds what it switches. */
annulus_status answers_key_create(const seeded_answers_key *seeded, unsigned threads, answers_key **out)
{
    void *p;
    TRY(mem_create(1, sizeof(answers_key), "key of answers", &p));
    answers_key *key = p;
    key->answers = seeded->answers;
    annulus_status st = switching_key_expand(&seeded->keyswitch, &seeded->mask_seed, seeded->body, seeded->answers.N,
                                             threads, &key->keyswitch);
    if (st == ANNULUS_OK && seeded->answers.sent_k > 0) st = answers_sent_expand(seeded, &key->sent);
    if (st == ANNULUS_OK)
        *out = key;
    else
        answers_key_destroy(key);
    return st;
}

void answers_key_destroy(answers_key *key)
{
    if (key == NULL) return;
    switching_key_destroy(key->keyswitch);
    mem_free(key->sent);
    mem_free(key);
}
