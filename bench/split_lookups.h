/* SPDX-License-Identifier: Apache-2.0 */
/* Split look-ups of some bits at the parameters that the search finds, timed through split_batch, as lookups.h has
 * whole ones. */
#ifndef BENCH_SPLIT_LOOKUPS_H
#define BENCH_SPLIT_LOOKUPS_H

#include "lookups.h"
#include "optimizer/optimizer_split.h"
#include "tfhe/split.h"

typedef struct split_lookups {
    split_choice chosen;
    uint32_t cells;
    bench_keys low, high;
    merge_key *merge;
    split_keys keys;
    split_table *table;
    uint64_t *in, *out;
    split_job *jobs;
} split_lookups;

/* As lookups_search; the table's entries have as many bits as its cells. */
static inline split_choice split_lookups_search(unsigned bits, double two_norm, double log2_error)
{
    const split_request request = {
        .bits = bits, .entry_bits = bits, .two_norm = two_norm, .log2_error = log2_error, .level = SECURITY_128};
    split_choice c;
    must(optimizer_split(&request, &c));
    return c;
}

static inline void split_lookups_keys(const split_choice *c, split_lookups *l)
{
    seeded_eval_key *seeded = NULL;
    bench_keys_create(&c->high, &l->high);
    must(secret_key_create_beside(&c->low, l->high.secret, &l->low.secret));
    must(seeded_eval_key_create(l->low.secret, 0, NULL, &seeded));
    must(eval_key_create(seeded, 0, NULL, &l->low.eval));
    seeded_eval_key_destroy(seeded);
    seeded_merge_key *merge;
    must(seeded_merge_key_create(l->high.secret, c->merge_l, c->merge_bg, 0, &merge));
    must(merge_key_create(merge, 0, &l->merge));
    seeded_merge_key_destroy(merge);
    l->keys = (split_keys){.low = l->low.eval, .high = l->high.eval, .merge = l->merge};
}

/* Keys, table and `count` jobs on fresh encryptions, of the entries of lookups.h. */
static inline void split_lookups_create(const split_choice *c, unsigned bits, size_t count, split_lookups *l)
{
    const size_t words = lwe_words(&c->high);
    const uint64_t unit = UINT64_C(1) << (63 - bits);
    *l = (split_lookups){.chosen = *c, .cells = UINT32_C(1) << bits};
    split_lookups_keys(c, l);
    uint32_t *entries = room(l->cells, sizeof *entries);
    uint64_t *messages = room(count, 8);
    for (uint32_t m = 0; m < l->cells; m++) entries[m] = lookups_entry(l->cells, m);
    for (size_t i = 0; i < count; i++) messages[i] = lut_encode(l->cells, (uint32_t)i % l->cells);
    must(split_table_create(c->high.N, c->EF, c->price, c->low_bits, entries, l->cells, unit, unit / 2, &l->table));
    l->in = bench_encrypt(&l->high, messages, count);
    l->out = room(count * words, 8);
    l->jobs = room(count, sizeof *l->jobs);
    for (size_t i = 0; i < count; i++)
        l->jobs[i] = (split_job){.in = l->in + i * words, .table = l->table, .out = l->out + i * words};
    free(entries), free(messages);
}

static inline void split_lookups_destroy(split_lookups *l)
{
    split_table_destroy(l->table);
    free(l->in), free(l->out), free(l->jobs);
    merge_key_destroy(l->merge);
    bench_keys_destroy(&l->low);
    bench_keys_destroy(&l->high);
}

/* Seconds of the first `count` jobs together: of computing with one thread, else of the clock. */
static inline double split_lookups_seconds(const split_lookups *l, size_t count, unsigned threads)
{
    const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    const double start = bench_clock(clock);
    must(split_batch(&l->keys, l->jobs, count, threads));
    return bench_clock(clock) - start;
}

/* As lookups_check. */
static inline double split_lookups_check(const split_lookups *l, size_t count)
{
    return lookups_deviation(l->high.secret, l->cells, l->out, count);
}

/* What is predicted of this table. */
static inline double split_lookups_noise(const split_lookups *l)
{
    const split_choice *c = &l->chosen;
    const double merged = noise_merge(&c->high, c->merge_l, c->merge_bg, l->cells >> c->low_bits);
    return sqrt(noise_split(&c->low, &c->high, &l->table->amplified, merged));
}

static inline void split_lookups_print(const split_choice *c, const char *what)
{
    char low[64], high[64];
    bench_params_text(&c->low, low);
    bench_params_text(&c->high, high);
    fprintf(
        stderr,
        "%s: split, %u low bits; low %s; high %s, EF=%u price=%u/16; merge %u x 2^%u; failure 2^%.2f predicted %.2f "
        "ms\n",
        what, c->low_bits, low, high, c->EF, c->price, c->merge_l, c->merge_bg, c->log2_failure, 1e3 * c->seconds);
}
/* Whole or split, which the model says is faster. */
typedef struct faster_lookups {
    int is_split;
    lookups whole;
    split_lookups split;
} faster_lookups;

static inline void faster_create(unsigned bits, double two_norm, double log2_error, size_t count, faster_lookups *l)
{
    const optimizer_result whole = lookups_search(bits, two_norm, log2_error);
    l->is_split = 0;
    if (bits > 1) {
        const split_choice split = split_lookups_search(bits, two_norm, log2_error);
        l->is_split = split.seconds < whole.seconds;
        if (l->is_split) split_lookups_create(&split, bits, count, &l->split);
    }
    if (!l->is_split) lookups_create(&whole, bits, count, &l->whole);
}

static inline void faster_destroy(faster_lookups *l)
{
    if (l->is_split)
        split_lookups_destroy(&l->split);
    else
        lookups_destroy(&l->whole);
}

static inline double faster_seconds(faster_lookups *l, size_t count, unsigned threads)
{
    return l->is_split ? split_lookups_seconds(&l->split, count, threads) : lookups_seconds(&l->whole, count, threads);
}

static inline double faster_check(const faster_lookups *l, size_t count)
{
    return l->is_split ? split_lookups_check(&l->split, count) : lookups_check(&l->whole, count);
}

static inline double faster_noise(const faster_lookups *l)
{
    return l->is_split ? split_lookups_noise(&l->split) : sqrt(noise_blind_rotate(&l->whole.chosen.families.of[0]));
}

static inline double faster_model(const faster_lookups *l)
{
    return l->is_split ? l->split.chosen.seconds : l->whole.chosen.seconds;
}

static inline void faster_print(const faster_lookups *l, const char *what)
{
    if (l->is_split)
        split_lookups_print(&l->split.chosen, what);
    else
        lookups_print(&l->whole.chosen, what);
}
#endif
