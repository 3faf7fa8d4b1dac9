/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/bootstrap.h"

#include "base/cpu.h"
#include "base/memory.h"
#include "tfhe/bootstrap_priv.h"

#include <string.h>

#define TEAM_EF 4u /* a team shares rotations from here on */

typedef struct batch {
    const eval_key *key;
    const switching_key *from;
    const bootstrap_job *jobs;
    size_t count, items; /* jobs that the workers take in items of at most KEYSWITCH_GROUP */
    size_t shared;       /* jobs behind those: for a team */
    size_t together;     /* ciphertexts of an item that are rotated together */
    uint32_t EF, price, slot_bits;
    const uint32_t *offsets;
    size_t offsets_count;
    scratch *workers;
    rotation *rotations; /* (shared) */
    uint32_t *exponents; /* (shared, key->exponents) */
} batch;

static size_t up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t accumulator_bytes(const tfhe_params *p, uint32_t EF)
{
    return EF * rotation_words(p) * sizeof(uint64_t);
}

size_t rotation_batch(const tfhe_params *p, uint32_t EF)
{
    const size_t fit = 3 * cpu_cache_bytes() / 2 / accumulator_bytes(p, EF);
    return fit == 0 ? 1 : least(fit, ROTATION_MOST);
}

size_t rotation_products(const tfhe_params *p)
{
    const fft_gadget g = pbs_gadget(p);
    const size_t bytes = cpu_cache_bytes() / (p->pbs_group > 1 ? 4 : 8);
    const size_t fit = bytes / (fft_gadget_rows(&g) * fft_words(p->N) * sizeof(double));
    return fit == 0 ? 1 : least(fit, ROTATION_TOGETHER);
}

static void exponents_of(const batch *b, const bootstrap_job *jobs, size_t count, uint32_t *small, uint32_t *exponents,
                         scratch *tmp)
{
    const tfhe_params slotted = tfhe_slotted(&b->key->params, b->slot_bits);
    const uint64_t *in[KEYSWITCH_GROUP];
    for (size_t q = 0; q < count; q++) in[q] = jobs[q].in;
    keyswitch_apply(b->from, in, count, small, tmp);
    for (size_t q = 0; q < count; q++)
        modulus_switch_centered(&slotted, b->EF, b->price, small + q * b->key->small,
                                exponents + q * b->key->exponents);
}

static void extract_all(const batch *b, const bootstrap_job *job, const uint64_t *acc)
{
    const tfhe_params *p = &b->key->params;
    const size_t words = tfhe_big_dim(p) + 1;
    for (size_t i = 0; job->values == NULL && i < b->offsets_count; i++)
        sample_extract(p, b->EF, acc, b->offsets[i], job->out + i * words);
    for (size_t i = 0; i < job->values_count; i++) {
        const bootstrap_value *v = &job->values[i];
        memset(job->out + i * words, 0, words * sizeof *job->out);
        for (size_t t = 0; t < v->count; t++) sample_extract_add(p, b->EF, acc, v->terms[t], job->out + i * words);
    }
}

/* Words of a row of exponents. */
static size_t exponents_words(const tfhe_params *p)
{
    return (tfhe_exponents(p) + 15) / 16 * 16;
}

/* Bytes of one worker. */
static size_t worker_scratch(const tfhe_params *from, const tfhe_params *p, uint32_t EF, const bootstrap_share *s)
{
    return ROUND_UP(s->group * bootstrap_small_words(p) * sizeof(uint32_t)) +
           ROUND_UP(s->group * exponents_words(p) * sizeof(uint32_t)) +
           s->together * ROUND_UP(accumulator_bytes(p, EF)) + keyswitch_scratch(from) + blind_rotate_scratch(p);
}

static size_t team_scratch(const tfhe_params *p, size_t shared)
{
    return ROUND_UP(shared * sizeof(rotation)) + ROUND_UP(shared * exponents_words(p) * sizeof(uint32_t));
}

size_t bootstrap_memory(const tfhe_params *from, const tfhe_params *p, uint32_t EF, size_t count, unsigned threads)
{
    const bootstrap_share share = bootstrap_share_of(p, EF, count, threads);
    return parallel_threads(threads) * worker_scratch(from, p, EF, &share) +
           (share.shared > 0 ? team_scratch(p, share.shared) : 0);
}

static annulus_status item_apply(void *context, size_t item, unsigned worker)
{
    const batch *b = context;
    const tfhe_params *p = &b->key->params;
    const size_t first = b->count * item / b->items, count = b->count * (item + 1) / b->items - first;
    const bootstrap_job *jobs = b->jobs + first;
    scratch *tmp = &b->workers[worker];
    tmp->used = 0;
    uint32_t *small = scratch_take(tmp, count * b->key->small * sizeof *small);
    uint32_t *exponents = scratch_take(tmp, count * b->key->exponents * sizeof *exponents);
    exponents_of(b, jobs, count, small, exponents, tmp);

    rotation r[ROTATION_MOST];
    for (size_t q = 0; q < b->together; q++) r[q].acc = scratch_take(tmp, accumulator_bytes(p, b->EF));
    const size_t turns = up(count, b->together);
    for (size_t i = 0; i < turns; i++) {
        const size_t from = count * i / turns, n = count * (i + 1) / turns - from;
        for (size_t q = 0; q < n; q++) {
            r[q].table = jobs[from + q].table;
            r[q].exponents = exponents + (from + q) * b->key->exponents;
            r[q].start = NULL;
        }
        blind_rotate(b->key, r, n, b->offsets, b->offsets_count, &parallel_alone, tmp);
        for (size_t q = 0; q < n; q++) extract_all(b, &jobs[from + q], r[q].acc);
    }
    return ANNULUS_OK;
}

static void team_apply(void *context, const parallel_member *me)
{
    const batch *b = context;
    const bootstrap_job *jobs = b->jobs + b->count;
    scratch *tmp = &b->workers[me->member];
    uint32_t *small = scratch_take(tmp, b->key->small * sizeof *small);
    for (size_t q = me->member; q < b->shared; q += me->members)
        exponents_of(b, &jobs[q], 1, small, b->exponents + q * b->key->exponents, tmp);
    parallel_wait(me);
    for (size_t q = 0; q < b->shared; q += ROTATION_MOST)
        blind_rotate(b->key, b->rotations + q, least(b->shared - q, ROTATION_MOST), b->offsets, b->offsets_count, me,
                     tmp);
    for (size_t q = me->member; q < b->shared; q += me->members) extract_all(b, &jobs[q], b->rotations[q].acc);
}

static annulus_status team_run(batch *b, unsigned workers)
{
    const tfhe_params *p = &b->key->params;
    const size_t exponents = b->shared * b->key->exponents * sizeof(uint32_t);
    scratch own;
    TRY(scratch_create(team_scratch(p, b->shared), &own));
    b->rotations = scratch_take(&own, b->shared * sizeof *b->rotations);
    b->exponents = scratch_take(&own, exponents);
    for (unsigned i = 0; i < workers; i++) b->workers[i].used = 0;
    for (size_t q = 0; q < b->shared; q++)
        b->rotations[q] = (rotation){.table = b->jobs[b->count + q].table,
                                     .exponents = b->exponents + q * b->key->exponents,
                                     .acc = scratch_take(&b->workers[q], accumulator_bytes(p, b->EF))};
    parallel_team((unsigned)least(workers, b->shared * b->EF), team_apply, b);
    scratch_destroy(&own);
    return ANNULUS_OK;
}

/* Jobs left for a team when every worker has as many as the others: those that would make some wait for the time of a
 * rotation, if a team whose members work three quarters of theirs is done sooner. */
static size_t shared_jobs(size_t count, uint32_t EF, unsigned workers)
{
    const size_t rest = count % workers;
    return EF >= TEAM_EF && 4 * rest <= 3 * (size_t)workers ? rest : 0;
}

bootstrap_share bootstrap_share_of(const tfhe_params *p, uint32_t EF, size_t count, unsigned threads)
{
    const unsigned workers = parallel_threads(threads);
    bootstrap_share s = {.shared = shared_jobs(count, EF, workers), .group = 1};
    count -= s.shared;
    s.active = (unsigned)least(count, workers);
    if (s.active > 0) s.items = up(up(count, KEYSWITCH_GROUP), s.active) * s.active;
    if (s.items > 0) s.group = up(count, s.items);
    s.together = least(rotation_batch(p, EF), s.group);
    return s;
}

annulus_status bootstrap_batch(const eval_key *key, const switching_key *from, const bootstrap_job *jobs, size_t count,
                               const uint32_t *offsets, size_t offsets_count, unsigned threads)
{
    if (count == 0) return ANNULUS_OK;
    const tfhe_params *p = &key->params;
    const uint32_t EF = jobs[0].table->EF, price = jobs[0].table->price, slot_bits = jobs[0].table->slot_bits;
    if (from == NULL) from = key->own;
    REQUIRE(from != NULL && from->params.n == p->n);
    REQUIRE(offsets_count >= 1 && (EF == 1 || p->pbs_group == 1));
    for (size_t i = 0; i < count; i++)
        REQUIRE(jobs[i].table->EF == EF && jobs[i].table->price == price && jobs[i].table->slot_bits == slot_bits &&
                jobs[i].table->N == p->N);
    for (size_t i = 0; i < offsets_count; i++) REQUIRE(offsets[i] < 2 * (uint64_t)EF * p->N);

    const unsigned workers = parallel_threads(threads);
    const bootstrap_share share = bootstrap_share_of(p, EF, count, threads);
    batch b = {.key = key,
               .from = from,
               .jobs = jobs,
               .count = count - share.shared,
               .items = share.items,
               .shared = share.shared,
               .together = share.together,
               .EF = EF,
               .price = price,
               .slot_bits = slot_bits,
               .offsets = offsets,
               .offsets_count = offsets_count};

    void *q;
    TRY(mem_create(workers, sizeof(scratch), "bootstrap workers", &q));
    b.workers = q;
    annulus_status st = ANNULUS_OK;
    for (unsigned i = 0; st == ANNULUS_OK && i < workers; i++)
        st = scratch_create_apart(worker_scratch(&from->params, p, EF, &share), &b.workers[i]);
    if (st == ANNULUS_OK) st = parallel_for(b.items, workers, item_apply, &b);
    if (st == ANNULUS_OK && b.shared > 0) st = team_run(&b, workers);
    for (unsigned i = 0; i < workers; i++) scratch_destroy(&b.workers[i]);
    mem_free(b.workers);
    return st;
}
