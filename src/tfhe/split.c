/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/split.h"

#include "base/parallel.h"
#include "math/matrix.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

typedef struct batch {
    const split_keys *keys;
    const split_job *jobs;
    size_t count, items;
    scratch *workers;
} batch;

/* What a worker has of its item, rows of lwe_words. */
typedef struct work {
    const tfhe_params *low, *high;
    const split_job *jobs;
    size_t count, words, waves;
    uint64_t *in;    /* (count): an input times the scale of a level; at last without its low bits */
    uint64_t *wave;  /* (count, waves): extracted waves at their scales */
    uint64_t *shift; /* (count, low_bits): what takes the bits off */
    uint64_t *start; /* (count, k+1, N): chosen tables */
    scratch *tmp;
} work;

/* Exponents of the inputs at hand by a key, (count, tfhe_exponents), of a level of low bits or of the chosen tables
 * (NULL). */
static uint32_t *exponents_take(const work *w, const eval_key *key, const uint32_t *level)
{
    const split_table *t = w->jobs[0].table;
    const tfhe_params *p = &key->params, low = tfhe_slotted(p, SPLIT_SLOT_BITS);
    const uint64_t *in[KEYSWITCH_GROUP];
    uint32_t *exponents = scratch_take(w->tmp, w->count * tfhe_exponents(p) * sizeof *exponents);
    uint32_t *small = scratch_take(w->tmp, w->count * bootstrap_small_words(p) * sizeof *small);
    for (size_t q = 0; q < w->count; q++) in[q] = w->in + q * w->words;
    keyswitch_apply(key->own, in, w->count, small, w->tmp);
    for (size_t q = 0; q < w->count; q++) {
        const uint32_t *from = small + q * bootstrap_small_words(p);
        uint32_t *to = exponents + q * tfhe_exponents(p);
        if (level != NULL)
            modulus_switch_centered(&low, 1, 0, from, to);
        else
            modulus_switch_centered(p, t->high.EF, t->high.price, from, to);
        if (w->jobs[q].exponents == NULL) continue;
        const size_t before = (level != NULL ? *level : t->low_bits) * tfhe_exponents(w->low);
        memcpy(w->jobs[q].exponents + before, to, tfhe_exponents(p) * sizeof *to);
    }
    return exponents;
}

static void wave_extract(const work *w, size_t q, uint32_t i, const uint64_t *acc)
{
    const uint32_t shifts = UINT32_C(1) << i;
    uint64_t *wave = w->wave + (q * w->waves + SPLIT_DIGITS * (size_t)(shifts - 1)) * w->words;
    for (uint32_t c = 0; c < shifts; c++)
        for (uint32_t j = 0; j < SPLIT_DIGITS; j++, wave += w->words)
            sample_extract(w->low, 1, acc, (w->low->N >> i) * c + j, wave);
    sample_extract(w->low, 1, acc, SPLIT_DIGITS, w->shift + (q * w->jobs[q].table->low_bits + i) * w->words);
}

/* Rotations of all inputs at hand, in turns: by a level of low bits, or of the chosen tables (NULL). */
static void rotate(const work *w, const eval_key *key, const uint32_t *exponents, const uint32_t *level)
{
    const tfhe_params *p = &key->params;
    const uint32_t EF = level == NULL ? w->jobs[0].table->high.EF : 1, needed = 0;
    const size_t glwe = (size_t)(p->k + 1) * p->N, part = rotation_words(p), mark = w->tmp->used;
    const size_t together = least(rotation_batch(p, EF), w->count);
    uint64_t *acc = scratch_take(w->tmp, together * EF * part * sizeof *acc);
    rotation r[ROTATION_MOST];
    for (size_t first = 0, n; first < w->count; first += n) {
        n = least(together, w->count - first);
        for (size_t i = 0; i < n; i++) {
            const size_t q = first + i;
            const split_table *t = w->jobs[q].table;
            r[i] = (rotation){.table = level == NULL ? &t->high : t->low[*level],
                              .exponents = exponents + q * tfhe_exponents(p),
                              .acc = acc + i * EF * part,
                              .start = level == NULL ? w->start + q * glwe : NULL};
        }
        blind_rotate(key, r, n, &needed, 1, &parallel_alone, w->tmp);
        for (size_t i = 0; i < n; i++) {
            if (level == NULL)
                sample_extract(p, EF, r[i].acc, 0, w->jobs[first + i].out);
            else
                wave_extract(w, first + i, *level, r[i].acc);
        }
    }
    w->tmp->used = mark;
}

static void level_apply(const work *w, const eval_key *key, uint32_t i)
{
    const size_t mark = w->tmp->used;
    const uint64_t scale = w->jobs[0].table->cells >> i;
    for (size_t q = 0; q < w->count; q++)
        for (size_t x = 0; x < w->words; x++) w->in[q * w->words + x] = scale * w->jobs[q].in[x];
    rotate(w, key, exponents_take(w, key, &i), &i);
    w->tmp->used = mark;
}

/* The input without its low bits. */
static void shift_apply(const work *w, size_t q)
{
    const uint32_t low_bits = w->jobs[q].table->low_bits;
    uint64_t *to = w->in + q * w->words;
    memcpy(to, w->jobs[q].in, w->words * sizeof *to);
    for (uint32_t i = 0; i < low_bits; i++) {
        const uint64_t *shift = w->shift + (q * low_bits + i) * w->words;
        for (size_t x = 0; x < w->words; x++) to[x] += shift[x];
    }
}

/* p <- p (1 + X + .. + X^(length-1)), N words. */
static void spread(size_t N, size_t length, uint64_t *p, uint64_t *tmp)
{
    uint64_t sum = p[0];
    for (size_t i = 1; i < length; i++) sum -= p[N - i];
    for (size_t i = 0; i < N; i++) {
        tmp[i] = sum; /* of p[i], .., p[i - length + 1] */
        if (i + 1 == N) break;
        const size_t out = i + 1 + N - length;
        sum += p[i + 1] + (out < N ? p[out] : -p[out - N]);
    }
    memcpy(p, tmp, N * sizeof *p);
}

/* The table of the high part that the waves choose. */
static void table_choose(const work *w, const merge_key *merge, size_t q)
{
    const split_table *t = w->jobs[q].table;
    const size_t mark = w->tmp->used, high = t->cells >> t->low_bits, N = w->high->N;
    uint64_t *entry = scratch_take(w->tmp, high * w->words * sizeof *entry);
    uint64_t *start = w->start + q * (w->high->k + 1) * N;
    memset(entry, 0, high * w->words * sizeof *entry);
    for (size_t h = 0; h < high; h++) entry[(h + 1) * w->words - 1] = t->middle[h];
    matrix_mul_add_u64(entry, w->words, t->weights, high, w->waves, w->wave + q * w->waves * w->words, w->words,
                       w->words);
    merge_apply(merge, entry, high, start, w->tmp);
    for (size_t c = 0; c <= w->high->k; c++) spread(N, N / high, start + c * N, entry);
    w->tmp->used = mark;
}

static size_t work_words(const tfhe_params *p, uint32_t low_bits, size_t count)
{
    return count * ((1 + split_waves(low_bits) + low_bits) * lwe_words(p) + (size_t)(p->k + 1) * p->N);
}

static size_t rotate_scratch(const tfhe_params *p, uint32_t EF, size_t count)
{
    return ROUND_UP(count * tfhe_exponents(p) * sizeof(uint32_t)) +
           ROUND_UP(count * bootstrap_small_words(p) * sizeof(uint32_t)) + keyswitch_scratch(p) +
           ROUND_UP(least(rotation_batch(p, EF), count) * EF * rotation_words(p) * sizeof(uint64_t)) +
           blind_rotate_scratch(p);
}

/* Of a worker whose largest item has `count` jobs; merge: merge_scratch of `high` ciphertexts. */
static size_t worker_scratch(const tfhe_params *low, const tfhe_params *high, const split_table *t, size_t merge,
                             size_t count)
{
    const size_t words = (t->cells >> t->low_bits) * lwe_words(high);
    const size_t first = rotate_scratch(low, 1, count), last = rotate_scratch(high, t->high.EF, count);
    const size_t most = first > last ? first : last, choose = ROUND_UP(words * sizeof(uint64_t)) + merge;
    return ROUND_UP(work_words(high, t->low_bits, count) * sizeof(uint64_t)) + (most > choose ? most : choose);
}

size_t split_memory(const tfhe_families *f, uint32_t cells, uint32_t low_bits, uint32_t EF, size_t count,
                    unsigned threads)
{
    const tfhe_params *high = &f->of[TFHE_HIGH];
    const bootstrap_share share = bootstrap_share_of(high, 1, count, threads);
    const split_table t = {.cells = cells, .low_bits = low_bits, .high = {.EF = EF}};
    const size_t merge = merge_scratch_bytes(high, f->merge.l, f->merge.bg, cells >> low_bits);
    return share.active * worker_scratch(&f->of[TFHE_LOW], high, &t, merge, share.group);
}

static annulus_status item_apply(void *context, size_t item, unsigned worker)
{
    const batch *b = context;
    const size_t first = b->count * item / b->items;
    const split_table *t = b->jobs[0].table;
    work w = {.low = &b->keys->low->params,
              .high = &b->keys->high->params,
              .jobs = b->jobs + first,
              .count = b->count * (item + 1) / b->items - first,
              .words = lwe_words(&b->keys->high->params),
              .waves = split_waves(t->low_bits),
              .tmp = &b->workers[worker]};
    w.tmp->used = 0;
    w.in = scratch_take(w.tmp, work_words(w.high, t->low_bits, w.count) * sizeof *w.in);
    w.wave = w.in + w.count * w.words;
    w.shift = w.wave + w.count * w.waves * w.words;
    w.start = w.shift + w.count * t->low_bits * w.words;
    for (uint32_t i = 0; i < t->low_bits; i++) level_apply(&w, b->keys->low, i);
    for (size_t q = 0; q < w.count; q++) {
        shift_apply(&w, q);
        table_choose(&w, b->keys->merge, q);
    }
    rotate(&w, b->keys->high, exponents_take(&w, b->keys->high, NULL), NULL);
    return ANNULUS_OK;
}

static void check(const split_keys *keys, const split_job *jobs, size_t count)
{
    const tfhe_params *low = &keys->low->params, *high = &keys->high->params;
    const split_table *t = jobs[0].table;
    REQUIRE(low->k == high->k && low->N == high->N && keys->low->own != NULL && keys->high->own != NULL);
    REQUIRE(high->pbs_group == 1 || t->high.EF == 1);
    REQUIRE(t->cells >> t->low_bits <= high->N && high->N >> t->low_bits >= SPLIT_SLOTS);
    for (size_t i = 0; i < count; i++) {
        const split_table *own = jobs[i].table;
        REQUIRE(own->cells == t->cells && own->low_bits == t->low_bits && own->high.N == high->N);
        REQUIRE(own->high.EF == t->high.EF && own->high.price == t->high.price);
    }
}

annulus_status split_batch(const split_keys *keys, const split_job *jobs, size_t count, unsigned threads)
{
    if (count == 0) return ANNULUS_OK;
    check(keys, jobs, count);
    const bootstrap_share share = bootstrap_share_of(&keys->high->params, 1, count, threads); /* no team */
    batch b = {.keys = keys, .jobs = jobs, .count = count, .items = share.items};
    void *q;
    TRY(mem_create(share.active, sizeof(scratch), "look-up workers", &q));
    b.workers = q;
    const split_table *t = jobs[0].table;
    const size_t bytes = worker_scratch(&keys->low->params, &keys->high->params, t,
                                        merge_scratch(keys->merge, t->cells >> t->low_bits), share.group);
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < share.active; i++) st = scratch_create_apart(bytes, &b.workers[i]);
    if (st == ANNULUS_OK) st = parallel_for(b.items, share.active, item_apply, &b);
    for (size_t i = 0; i < share.active; i++) scratch_destroy(&b.workers[i]);
    mem_free(b.workers);
    return st;
}
