/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/measure.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "math/matrix.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/packed.h"

#include <stdlib.h>
#include <string.h>

#define BATCH ROTATION_MOST
/* Runs of what is measured: as many as take less than ENOUGH seconds, at least FEWEST. */
#define ROUNDS 7u
#define FEWEST 3u
#define ENOUGH 0.5
/* Words of a ciphertext (k*N+1), and how many of them circuit/exec_encrypted.c multiplies at a time. */
#define WORDS 2049u
#define COLUMNS 256u

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of at most CROWD_RUNS values. */
static double median(const double *values, size_t count)
{
    double sorted[CROWD_RUNS];
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, ascending);
    return sorted[count / 2];
}

static annulus_status seconds_by(clockid_t clock, annulus_status (*run)(void *context), void *context, double *seconds)
{
    const double start = clock_seconds(clock);
    TRY(run(context));
    *seconds = clock_seconds(clock) - start;
    return ANNULUS_OK;
}

static double deadline(double limit)
{
    return clock_seconds(CLOCK_MONOTONIC) + limit;
}

/* Median seconds of the thread's computing, after a call that brings the data into the caches; of that one if it was
 * long, or none began before the deadline. */
static annulus_status median_of(annulus_status (*run)(void *context), void *context, double end, double *seconds)
{
    double times[ROUNDS], sum = 0;
    size_t count = 0;
    TRY(seconds_by(CLOCK_THREAD_CPUTIME_ID, run, context, seconds));
    if (*seconds > ENOUGH) return ANNULUS_OK;
    while (count < ROUNDS && (count < FEWEST || sum < ENOUGH) && clock_seconds(CLOCK_MONOTONIC) < end) {
        TRY(seconds_by(CLOCK_THREAD_CPUTIME_ID, run, context, &times[count]));
        sum += times[count++];
    }
    if (count > 0) *seconds = median(times, count);
    return ANNULUS_OK;
}

/* Words that look random (splitmix64). */
static void fill(uint64_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t x = (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        words[i] = x ^ x >> 27;
    }
}

/* A key and a batch of ciphertexts for it, all random words. */
typedef struct subject {
    eval_key *key;
    uint64_t *in, *out; /* (BATCH, lwe_words) */
    uint32_t *small;    /* (BATCH, bootstrap_small_words) */
    lut *table;
    size_t count; /* of the batch */
    bootstrap_job jobs[BATCH];
} subject;

static void subject_clear(subject *s)
{
    eval_key_destroy(s->key);
    mem_free(s->in);
    mem_free(s->out);
    mem_free(s->small);
    lut_destroy(s->table);
}

static annulus_status key_fill(const tfhe_params *p, eval_key **out)
{
    seeded_eval_key *seeded;
    TRY(seeded_eval_key_allocate(p, &seeded));
    fill(seeded->bsk, tfhe_bsk_seeded_bytes(p) / sizeof *seeded->bsk);
    annulus_status st = seeded_switching_key_allocate(p, &seeded->own);
    if (st == ANNULUS_OK) st = eval_key_create(seeded, 1, NULL, out);
    seeded_eval_key_destroy(seeded);
    return st;
}

static annulus_status subject_fill(const tfhe_params *p, size_t count, subject *s)
{
    REQUIRE(count >= 1 && count <= BATCH);
    const size_t words = lwe_words(p);
    const uint64_t entries[2] = {UINT64_C(1) << 61, UINT64_C(1) << 62};
    void *q;
    s->count = count;
    TRY(key_fill(p, &s->key));
    TRY(mem_create(BATCH * words, sizeof(uint64_t), "measurement", &q));
    s->in = q;
    TRY(mem_create(BATCH * words, sizeof(uint64_t), "measurement", &q));
    s->out = q;
    TRY(mem_create(BATCH * bootstrap_small_words(p), sizeof(uint32_t), "measurement", &q));
    s->small = q;
    TRY(lut_create_padded(p->N, 1, entries, 2, 0, &s->table));
    fill(s->in, BATCH * words);
    for (size_t i = 0; i < BATCH; i++)
        s->jobs[i] = (bootstrap_job){.in = s->in + i * words, .table = s->table, .out = s->out + i * words};
    return ANNULUS_OK;
}

static annulus_status run_keyswitches(void *context)
{
    const subject *s = context;
    const uint64_t *in[BATCH];
    for (size_t i = 0; i < BATCH; i++) in[i] = s->jobs[i].in;
    return keyswitch_batch(eval_key_switching(s->key), in, s->count, s->small);
}

static annulus_status run_bootstraps(void *context)
{
    const subject *s = context;
    const uint32_t offset = 0;
    return bootstrap_batch(s->key, NULL, s->jobs, s->count, &offset, 1, 1);
}

annulus_status measure_step(const tfhe_params *p, size_t count, double limit, double *seconds)
{
    subject s = {0};
    double whole = 0, keyswitch = 0;
    annulus_status st = subject_fill(p, count, &s);
    const double end = deadline(limit);
    if (st == ANNULUS_OK) st = median_of(run_keyswitches, &s, end, &keyswitch);
    if (st == ANNULUS_OK) st = median_of(run_bootstraps, &s, end, &whole);
    if (st == ANNULUS_OK) *seconds = (whole - keyswitch) / ((double)count * (double)tfhe_steps(p));
    subject_clear(&s);
    return st;
}

annulus_status measure_keyswitch(const tfhe_params *p, size_t count, double limit, double *seconds)
{
    subject s = {0};
    double whole = 0;
    annulus_status st = subject_fill(p, count, &s);
    if (st == ANNULUS_OK) st = median_of(run_keyswitches, &s, deadline(limit), &whole);
    if (st == ANNULUS_OK) *seconds = whole / (double)count;
    subject_clear(&s);
    return st;
}

typedef struct product {
    size_t outputs, inputs;
    uint64_t *in, *out; /* (inputs, WORDS), (outputs, WORDS) */
    int32_t *weights;   /* (outputs, inputs) */
} product;

static annulus_status run_product(void *context)
{
    const product *m = context;
    memset(m->out, 0, m->outputs * WORDS * sizeof *m->out);
    for (size_t first = 0; first < WORDS; first += COLUMNS)
        matrix_mul_add_u64(m->out + first, WORDS, m->weights, m->outputs, m->inputs, m->in + first, WORDS,
                           WORDS - first < COLUMNS ? WORDS - first : COLUMNS);
    return ANNULUS_OK;
}

annulus_status measure_linear(size_t outputs, size_t inputs, double limit, double *seconds)
{
    const size_t in = inputs * WORDS, out = outputs * WORDS, weights = outputs * inputs;
    double whole = 0;
    void *q;
    TRY(mem_create(in + out + weights, sizeof(uint64_t), "measurement", &q));
    uint64_t *words = q;
    product m = {.outputs = outputs,
                 .inputs = inputs,
                 .in = words,
                 .out = words + in,
                 .weights = (int32_t *)(void *)(words + in + out)};
    fill(m.in, in);
    for (size_t i = 0; i < weights; i++) m.weights[i] = (int32_t)(i % 15) - 7;
    const annulus_status st = median_of(run_product, &m, deadline(limit), &whole);
    mem_free(q);
    if (st == ANNULUS_OK) *seconds = whole / WORDS;
    return st;
}

#define EXPANDED 6000u /* ciphertexts: 98 MB, beyond most caches */
typedef struct expansion {
    tfhe_params p;
    seed256 seed;
    uint64_t *body, *out; /* (EXPANDED), (EXPANDED, lwe_words) */
} expansion;

static annulus_status run_expansion(void *context)
{
    const expansion *e = context;
    return packed_expand(&e->p, &e->seed, e->body, EXPANDED, 1, e->out);
}

annulus_status measure_expand(double limit, double *seconds)
{
    expansion e = {.p = {.k = 1, .N = 2048}};
    double whole = 0;
    void *q;
    TRY(mem_create(EXPANDED * (1 + lwe_words(&e.p)), sizeof(uint64_t), "measurement", &q));
    e.body = q, e.out = e.body + EXPANDED;
    const annulus_status st = median_of(run_expansion, &e, deadline(limit), &whole);
    mem_free(q);
    if (st == ANNULUS_OK) *seconds = whole / ((double)EXPANDED * (double)tfhe_big_dim(&e.p));
    return st;
}

struct crowd_probe {
    subject one;
    size_t all; /* ciphertexts of all cores together */
    bootstrap_job *jobs;
    uint64_t *out; /* (all, lwe_words) */
    size_t runs;
    double alone[CROWD_RUNS], crowded[CROWD_RUNS];
};

static annulus_status run_crowd(void *context)
{
    const crowd_probe *c = context;
    const uint32_t offset = 0;
    return bootstrap_batch(c->one.key, NULL, c->jobs, c->all, &offset, 1, 0);
}

static annulus_status crowd_fill(const tfhe_params *p, size_t count, crowd_probe *c)
{
    const size_t words = lwe_words(p);
    double unused;
    void *q;
    TRY(subject_fill(p, count, &c->one));
    c->all = count * parallel_threads(0);
    TRY(mem_create(c->all, sizeof(bootstrap_job), "measurement", &q));
    c->jobs = q;
    TRY(mem_create(c->all * words, sizeof(uint64_t), "measurement", &q));
    c->out = q;
    for (size_t i = 0; i < c->all; i++) {
        c->jobs[i] = c->one.jobs[i % count];
        c->jobs[i].out = c->out + i * words;
    }
    return seconds_by(CLOCK_MONOTONIC, run_crowd, c, &unused);
}

annulus_status crowd_probe_create(const tfhe_params *p, size_t count, crowd_probe **out)
{
    void *q;
    TRY(mem_create(1, sizeof(crowd_probe), "measurement", &q));
    const annulus_status st = crowd_fill(p, count, q);
    if (st == ANNULUS_OK)
        *out = q;
    else
        crowd_probe_destroy(q);
    return st;
}

void crowd_probe_destroy(crowd_probe *c)
{
    if (c == NULL) return;
    subject_clear(&c->one);
    mem_free(c->jobs);
    mem_free(c->out);
    mem_free(c);
}

annulus_status crowd_probe_run(crowd_probe *c)
{
    REQUIRE(c->runs < CROWD_RUNS);
    double one = 0, every = 0;
    TRY(seconds_by(CLOCK_THREAD_CPUTIME_ID, run_bootstraps, &c->one, &one));
    every = one;
    if (parallel_threads(0) > 1) TRY(seconds_by(CLOCK_MONOTONIC, run_crowd, c, &every));
    c->alone[c->runs] = one / (double)c->one.count;
    c->crowded[c->runs++] = every / (double)c->one.count;
    return ANNULUS_OK;
}

void crowd_probe_seconds(const crowd_probe *c, double *alone, double *crowded)
{
    *alone = median(c->alone, c->runs);
    *crowded = median(c->crowded, c->runs);
}
