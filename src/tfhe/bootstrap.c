/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/bootstrap.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/bootstrap_priv.h"

typedef struct batch {
    const eval_key *key;
    const bootstrap_job *jobs;
    size_t count, chunk; /* chunk <= BOOTSTRAP_BATCH jobs an item */
    uint32_t EF, price;
    const uint32_t *offsets;
    size_t offsets_count;
    scratch *workers;
} batch;

static size_t chunk_scratch(const tfhe_params *p, uint32_t EF, size_t chunk)
{
    const size_t acc = ROUND_UP((size_t)EF * (p->k + 1) * p->N * sizeof(uint64_t));
    const size_t small = ROUND_UP(chunk * bootstrap_small_words(p) * sizeof(uint32_t));
    return (EF == 1 ? chunk : 1) * acc + 2 * small + keyswitch_scratch(p) + blind_rotate_scratch(p, EF);
}

static void extract_all(const batch *b, const bootstrap_job *job, const uint64_t *acc)
{
    const tfhe_params *p = &b->key->params;
    for (size_t i = 0; i < b->offsets_count; i++)
        sample_extract(p, b->EF, acc, b->offsets[i], job->out + i * (tfhe_big_dim(p) + 1));
}

static void rotate_together(const batch *b, const bootstrap_job *jobs, size_t count, const uint32_t *exponents,
                            scratch *tmp)
{
    const tfhe_params *p = &b->key->params;
    uint64_t *acc[BOOTSTRAP_BATCH];
    const uint32_t *a[BOOTSTRAP_BATCH];
    const lut *tables[BOOTSTRAP_BATCH];
    for (size_t q = 0; q < count; q++) {
        acc[q] = scratch_take(tmp, (size_t)(p->k + 1) * p->N * sizeof *acc[q]);
        a[q] = exponents + q * b->key->small;
        tables[q] = jobs[q].table;
    }
    blind_rotate_batch(b->key, acc, tables, a, count, tmp);
    for (size_t q = 0; q < count; q++) extract_all(b, &jobs[q], acc[q]);
}

static void rotate_extended(const batch *b, const bootstrap_job *jobs, size_t count, const uint32_t *exponents,
                            scratch *tmp)
{
    const tfhe_params *p = &b->key->params;
    uint64_t *acc = scratch_take(tmp, (size_t)b->EF * (p->k + 1) * p->N * sizeof *acc);
    for (size_t q = 0; q < count; q++) {
        blind_rotate(b->key, acc, jobs[q].table, exponents + q * b->key->small, b->offsets, b->offsets_count, tmp);
        extract_all(b, &jobs[q], acc);
    }
}

static annulus_status chunk_apply(void *context, size_t item, unsigned worker)
{
    const batch *b = context;
    const tfhe_params *p = &b->key->params;
    scratch *tmp = &b->workers[worker];
    tmp->used = 0;
    const size_t first = item * b->chunk, left = b->count - first;
    const size_t count = left < b->chunk ? left : b->chunk;
    const bootstrap_job *jobs = b->jobs + first;
    const uint64_t *in[BOOTSTRAP_BATCH];
    for (size_t q = 0; q < count; q++) in[q] = jobs[q].in;

    uint32_t *small = scratch_take(tmp, b->chunk * b->key->small * sizeof *small);
    uint32_t *exponents = scratch_take(tmp, b->chunk * b->key->small * sizeof *exponents);
    keyswitch_apply(b->key, in, count, small, tmp);
    for (size_t q = 0; q < count; q++)
        modulus_switch_centered(p, b->EF, b->price, small + q * b->key->small, exponents + q * b->key->small);
    if (b->EF == 1)
        rotate_together(b, jobs, count, exponents, tmp);
    else
        rotate_extended(b, jobs, count, exponents, tmp);
    return ANNULUS_OK;
}

annulus_status bootstrap_batch(const eval_key *key, const bootstrap_job *jobs, size_t count, const uint32_t *offsets,
                               size_t offsets_count, unsigned threads)
{
    if (count == 0) return ANNULUS_OK;
    const tfhe_params *p = &key->params;
    const uint32_t EF = jobs[0].table->EF, price = jobs[0].table->price;
    REQUIRE(offsets_count >= 1);
    for (size_t i = 0; i < count; i++)
        REQUIRE(jobs[i].table->EF == EF && jobs[i].table->price == price && jobs[i].table->N == p->N);
    for (size_t i = 0; i < offsets_count; i++) REQUIRE(offsets[i] < (uint64_t)EF * p->N);

    const unsigned workers = parallel_threads(threads);
    const size_t even = (count + workers - 1) / workers; /* small layers still use every worker */
    const size_t chunk = even < BOOTSTRAP_BATCH ? even : BOOTSTRAP_BATCH;
    void *q;
    TRY(mem_create(workers, sizeof(scratch), "bootstrap workers", &q));
    batch b = {.key = key,
               .jobs = jobs,
               .count = count,
               .chunk = chunk,
               .EF = EF,
               .price = price,
               .offsets = offsets,
               .offsets_count = offsets_count,
               .workers = q};
    annulus_status st = ANNULUS_OK;
    for (unsigned i = 0; st == ANNULUS_OK && i < workers; i++)
        st = scratch_create(chunk_scratch(p, EF, chunk), &b.workers[i]);
    if (st == ANNULUS_OK) st = parallel_for((count + chunk - 1) / chunk, threads, chunk_apply, &b);
    for (unsigned i = 0; i < workers; i++) scratch_destroy(&b.workers[i]);
    mem_free(b.workers);
    return st;
}
