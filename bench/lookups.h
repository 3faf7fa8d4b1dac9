/* SPDX-License-Identifier: Apache-2.0 */
/* Padded look-ups of some bits at the parameters that the search finds, timed through bootstrap_batch. */
#ifndef BENCH_LOOKUPS_H
#define BENCH_LOOKUPS_H

#include "bench.h"
#include "optimizer/noise.h"
#include "optimizer/optimizer.h"

typedef struct lookups {
    optimizer_result chosen;
    uint32_t cells;
    extension e;
    bench_keys keys;
    lut *table;
    bench_batch batch; /* of as many look-ups as fit */
} lookups;

/* Parameters for p-bit look-ups (2^bits cells and a padding bit) whose inputs are sums of this two-norm over outputs of
 * look-ups; group: as in optimizer_request. */
static inline annulus_status lookups_try(unsigned bits, double two_norm, double log2_error, uint32_t group,
                                         optimizer_result *out)
{
    const double cells = exp2(bits);
    const lookup_layer layer = {
        .name = "look-up", .half_window = 1 / (4 * cells), .two_norm = two_norm, .cells = cells, .count = 1};
    const optimizer_request request = {.layers = &layer,
                                       .layers_count = 1,
                                       .target = ERROR_PER_LOOKUP,
                                       .log2_error = log2_error,
                                       .level = SECURITY_128,
                                       .group = group};
    return optimizer_search(&request, out);
}

static inline optimizer_result lookups_search_group(unsigned bits, double two_norm, double log2_error, uint32_t group)
{
    optimizer_result r;
    must(lookups_try(bits, two_norm, log2_error, group, &r));
    return r;
}

static inline optimizer_result lookups_search(unsigned bits, double two_norm, double log2_error)
{
    return lookups_search_group(bits, two_norm, log2_error, 0);
}

static inline uint32_t lookups_entry(uint32_t cells, uint32_t cell)
{
    return (5 * cell + 3) % cells;
}

/* Keys, table and `count` look-ups of fresh encryptions. */
static inline void lookups_create(const optimizer_result *chosen, unsigned bits, size_t count, lookups *l)
{
    const tfhe_params *p = &chosen->families.of[0];
    *l = (lookups){.chosen = *chosen, .cells = UINT32_C(1) << bits};
    l->e = extension_expected(chosen->layers[0].EF, chosen->layers[0].price);
    bench_keys_create(p, &l->keys);
    uint64_t *entries = room(l->cells, 8), *messages = room(count, 8);
    for (uint32_t c = 0; c < l->cells; c++) entries[c] = lut_encode(l->cells, lookups_entry(l->cells, c));
    for (size_t i = 0; i < count; i++) messages[i] = lut_encode(l->cells, (uint32_t)i % l->cells);
    must(lut_create_padded(p->N, l->e.EF, entries, l->cells, 0, &l->table));
    must(lut_set_price(l->table, l->e.price));
    bench_batch_create(&l->keys, l->table, messages, count, &l->batch);
    free(entries), free(messages);
}

static inline void lookups_destroy(lookups *l)
{
    lut_destroy(l->table);
    bench_batch_destroy(&l->batch);
    bench_keys_destroy(&l->keys);
}

/* Seconds of keyswitch and bootstrap of the first `count` together. */
static inline double lookups_seconds(lookups *l, size_t count, unsigned threads)
{
    return bench_bootstrap(l->keys.eval, l->batch.jobs, count, threads);
}

/* Standard deviation about zero of the errors of those of `count` outputs (lwe_words each) that are right. Stops if
 * more are wrong than a quarter (at any p_error measured here a chance below 2^-40 for 16 look-ups and more, and one
 * look-up may be wrong), so that no time of wrong answers is taken. */
static inline double lookups_deviation(const secret_key *secret, uint32_t cells, const uint64_t *out, size_t count)
{
    double square = 0;
    size_t right = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t wanted = lut_encode(cells, lookups_entry(cells, (uint32_t)i % cells));
        const double error = torus_to_double(lwe_phase(secret, out + i * lwe_words(&secret->params)) - wanted);
        if (fabs(error) < 0.25 / cells) square += error * error, right++;
    }
    if (count - right > 1 + count / 4) {
        fprintf(stderr, "bench: %zu of %zu look-ups are wrong\n", count - right, count);
        exit(1);
    }
    return sqrt(square / (double)right);
}

static inline double lookups_check(const lookups *l, size_t count)
{
    return lookups_deviation(l->keys.secret, l->cells, l->batch.out, count);
}

static inline void lookups_print(const optimizer_result *r, const char *what)
{
    const tfhe_params *p = &r->families.of[0];
    const layer_choice *c = &r->layers[0];
    fprintf(stderr,
            "%s: n=%u k=%u N=%u l=%u/%u Bg=2^%u g=%u keyswitch l=%u B=2^%u EF=%u price=%u/16 (%.2f products) failure "
            "2^%.2f predicted %.2f ms\n",
            what, p->n, p->k, p->N, p->pbs_l, p->pbs_lb, p->pbs_bg, p->pbs_group, p->ks_l, p->ks_b, c->EF, c->price,
            extension_expected(c->EF, c->price).products, c->log2_failure, 1e3 * c->seconds);
}

/* Look-ups of a round on one core: a full batch, but about `seconds` at most. Runs one look-up. */
static inline size_t lookups_batch(lookups *l, double seconds)
{
    const double one = lookups_seconds(l, 1, 1);
    size_t count = l->batch.count;
    while (count > 1 && one * (double)count > seconds) count--;
    return count;
}
#endif
