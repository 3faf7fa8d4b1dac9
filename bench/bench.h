/* SPDX-License-Identifier: Apache-2.0 */
/* What the benchmarks share: they stop at the first error, talk to stderr, and print figures to stdout. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "base/status.h"
#include "math/torus.h"
#include "optimizer/security.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/packed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline void must(annulus_status st)
{
    if (st == ANNULUS_OK) return;
    fprintf(stderr, "bench: %s\n", annulus_error_message());
    exit(1);
}

static inline void *room(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) exit(1);
    return p;
}

static inline double bench_clock(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline double bench_seconds(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

/* What the calling thread computed: for one-core figures, which other work on the machine then disturbs less. */
static inline double bench_cpu_seconds(void)
{
    return bench_clock(CLOCK_THREAD_CPUTIME_ID);
}

static inline int bench_ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts x. */
static inline double bench_median(double *x, size_t count)
{
    qsort(x, count, sizeof *x, bench_ascending);
    return x[count / 2];
}

typedef struct bench_keys {
    secret_key *secret;
    eval_key *eval;
} bench_keys;

static inline void bench_keys_create(const tfhe_params *p, bench_keys *out)
{
    seeded_eval_key *seeded = NULL;
    must(secret_key_create(p, &out->secret));
    must(seeded_eval_key_create(out->secret, 0, NULL, &seeded));
    must(eval_key_create(seeded, 0, NULL, &out->eval));
    seeded_eval_key_destroy(seeded);
}

static inline void bench_keys_destroy(bench_keys *k)
{
    secret_key_destroy(k->secret);
    eval_key_destroy(k->eval);
}

/* With the least noise that is secure. */
static inline tfhe_params bench_secure(tfhe_params p)
{
    p.lwe_noise = security_tuniform_bound(p.n, 32, SECURITY_128);
    p.glwe_noise = security_tuniform_bound((double)tfhe_big_dim(&p), 64, SECURITY_128);
    return p;
}

/* n=918, k=1, N=2048, l=1, keyswitch 4 x 2^4: the peer's default set for 4 bits at 2^-128, by which the figures of one
 * bootstrap are stated. */
static inline tfhe_params bench_standard(void)
{
    return bench_secure((tfhe_params){
        .n = 918, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 1, .ks_l = 4, .ks_b = 4});
}

/* (count, lwe_words) fresh encryptions. */
static inline uint64_t *bench_encrypt(const bench_keys *k, const uint64_t *message, size_t count)
{
    seed256 seed;
    const tfhe_params *p = &k->secret->params;
    uint64_t *body = room(count, 8), *ct = room(count * lwe_words(p), 8);
    must(random_seed(&seed));
    must(packed_encrypt_seeded(k->secret, &seed, message, count, body));
    must(packed_expand(p, &seed, body, count, 0, ct));
    free(body);
    return ct;
}

/* One value on half the torus and inputs in its middle: right at the phase noise of the smallest rings too. */
#define BENCH_VALUE (UINT64_C(1) << 61)
#define BENCH_INPUT (UINT64_C(1) << 62)
static inline lut *bench_lut(uint32_t N, uint32_t EF)
{
    const uint64_t entries[2] = {BENCH_VALUE, BENCH_VALUE};
    lut *table;
    must(lut_create_padded(N, EF, entries, 2, 0, &table));
    return table;
}

/* Look-ups of one table. */
typedef struct bench_batch {
    size_t count;
    uint64_t *in, *out; /* (count, lwe_words) */
    bootstrap_job *jobs;
} bench_batch;

/* Of fresh encryptions of messages (count); NULL: all BENCH_INPUT. */
static inline void bench_batch_create(const bench_keys *k, const lut *table, const uint64_t *messages, size_t count,
                                      bench_batch *b)
{
    const size_t words = lwe_words(&k->secret->params);
    uint64_t *same = room(count, 8);
    for (size_t i = 0; i < count; i++) same[i] = BENCH_INPUT;
    *b = (bench_batch){.count = count,
                       .in = bench_encrypt(k, messages != NULL ? messages : same, count),
                       .out = room(count * words, 8),
                       .jobs = room(count, sizeof *b->jobs)};
    for (size_t i = 0; i < count; i++)
        b->jobs[i] = (bootstrap_job){.in = b->in + i * words, .table = table, .out = b->out + i * words};
    free(same);
}

static inline void bench_batch_destroy(bench_batch *b)
{
    free(b->in), free(b->out), free(b->jobs);
}

/* What output i is off by the value that it stands for, in turns. */
static inline double bench_error(const bench_keys *k, const bench_batch *b, size_t i, uint64_t wanted)
{
    return torus_to_double(lwe_phase(k->secret, b->jobs[i].out) - wanted);
}

/* Stops if an output of a batch of BENCH_INPUT through bench_lut is not BENCH_VALUE, and clears them all: the next run
 * has to write them. */
static inline void bench_check(const bench_keys *k, bench_batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (fabs(bench_error(k, b, i, BENCH_VALUE)) > 0.0625) { /* nearer to another value than to this one */
            fprintf(stderr, "bench: look-up %zu of a batch is wrong\n", i);
            exit(1);
        }
    memset(b->out, 0, b->count * lwe_words(&k->secret->params) * sizeof *b->out);
}

/* Runs jobs that extract coefficient 0, all of them together; returns seconds: of computing with one thread, else of
 * the clock. */
static inline double bench_bootstrap(const eval_key *key, const bootstrap_job *jobs, size_t count, unsigned threads)
{
    const uint32_t offsets[1] = {0};
    const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    const double start = bench_clock(clock);
    must(bootstrap_batch(key, NULL, jobs, count, offsets, 1, threads));
    return bench_clock(clock) - start;
}

/* "n, k x N, levels of masks and body x log2 Bg, keyswitch levels x log2 base" in short; n/g if g > 1. */
static inline void bench_params_text(const tfhe_params *p, char text[64])
{
    char group[8] = "";
    if (p->pbs_group > 1) (void)snprintf(group, sizeof group, "/%u", p->pbs_group % 10);
    (void)snprintf(text, 64, "%u%s, %ux%u, %u/%ux%u, %ux%u", p->n, group, p->k, p->N, p->pbs_l, p->pbs_lb, p->pbs_bg,
                   p->ks_l, p->ks_b);
}

/* Floating-point operations of one external product, counted as everyone does: 5 M log2 M a complex FFT of M = N/2
 * points, 8 a complex multiply-add; rotation, decomposition and conversion count nothing. */
static inline double external_product_flops(const tfhe_params *p)
{
    const double M = p->N / 2.0, k1 = p->k + 1.0, rows = (double)tfhe_ggsw_rows(p);
    return (rows + k1) * 5 * M * log2(M) + rows * k1 * M * 8;
}

/* Keys of a family in memory. */
static inline double bench_key_megabytes(const tfhe_params *p)
{
    return 1e-6 * (double)(tfhe_bsk_memory_bytes(p) + tfhe_ksk_memory_bytes(p));
}

/* Times that a key row is expected to be read where `batch` ciphertexts are rotated together (blind_rotate): once for
 * each valuation v, capped, that one of them has, and from ROTATION_LONG parts EF/2^v on once for each of the EF/2^v/4
 * classes of exponents that move the parts alike. Shares of the valuations: of mask elements all over the torus. */
static inline double bench_row_reads(const tfhe_params *p, uint32_t EF, uint32_t price, double batch)
{
    enum { ELEMENTS = 4096 };
    const tfhe_params many = {.n = ELEMENTS, .k = 1, .N = p->N, .pbs_group = 1};
    if (p->pbs_group > 1) return 1;
    uint32_t *mask = room(ELEMENTS + 1, 4), *exponents = room(ELEMENTS + 1, 4);
    double share[8] = {0}, reads = 0;
    for (uint32_t i = 0; i < ELEMENTS; i++) mask[i] = i * UINT32_C(0x9e3779b1);
    modulus_switch_centered(&many, EF, price, mask, exponents);
    for (size_t i = 0; i < ELEMENTS; i++)
        if (exponents[i] != 0) share[__builtin_ctz(exponents[i] | EF)] += 1.0 / ELEMENTS;
    for (unsigned v = 0; EF >> v != 0; v++) {
        const double classes = EF >> v < ROTATION_LONG ? 1 : EF >> v >> 2;
        reads += classes * (1 - pow(1 - share[v] / classes, batch));
    }
    free(mask), free(exponents);
    return reads;
}

/* Bytes of the keys that are expected to be read for each of `count` look-ups run together: an item of a batch reads
 * the keyswitching key once, those rotated together the rotation's rows (bench_row_reads). */
static inline double bench_key_bytes(const tfhe_params *p, uint32_t EF, uint32_t price, size_t count, unsigned threads)
{
    const double each = ceil((double)count / threads), group = fmin(each, KEYSWITCH_GROUP);
    const double batch = fmin(group, (double)rotation_batch(p, EF));
    return bench_row_reads(p, EF, price, batch) * (double)tfhe_bsk_memory_bytes(p) / batch +
           (double)tfhe_ksk_memory_bytes(p) / group;
}
#endif
