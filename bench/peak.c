/* SPDX-License-Identifier: Apache-2.0 */
#include "peak.h"

#include "base/parallel.h"
#include "bench.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define CHAINS 12u   /* 2 units x latency 4 need 8 */
#define ROUNDS 4096u /* of each chain in one call */

/* CHAINS independent chains x <- x*a + b, kept in registers; returns their sum so that none is dropped. */
#define CHAINS_KERNEL(name, attributes, type, set, step, sum)                                                          \
    attributes static double name(double start)                                                                        \
    {                                                                                                                  \
        const type a = set(0.999999), b = set(1e-7);                                                                   \
        type x0 = set(start), x1 = set(start + 1), x2 = set(start + 2), x3 = set(start + 3), x4 = set(start + 4),      \
             x5 = set(start + 5), x6 = set(start + 6), x7 = set(start + 7), x8 = set(start + 8), x9 = set(start + 9),  \
             x10 = set(start + 10), x11 = set(start + 11);                                                             \
        for (size_t i = 0; i < ROUNDS; i++) {                                                                          \
            x0 = step(x0, a, b), x1 = step(x1, a, b), x2 = step(x2, a, b), x3 = step(x3, a, b);                        \
            x4 = step(x4, a, b), x5 = step(x5, a, b), x6 = step(x6, a, b), x7 = step(x7, a, b);                        \
            x8 = step(x8, a, b), x9 = step(x9, a, b), x10 = step(x10, a, b), x11 = step(x11, a, b);                    \
        }                                                                                                              \
        return sum(x0) + sum(x1) + sum(x2) + sum(x3) + sum(x4) + sum(x5) + sum(x6) + sum(x7) + sum(x8) + sum(x9) +     \
               sum(x10) + sum(x11);                                                                                    \
    }

typedef double pair __attribute__((vector_size(16)));
#define PAIR_SET(x) ((pair){(x), (x)})
#define PAIR_STEP(x, a, b) ((x) * (a) + (b))
#define PAIR_SUM(x) ((x)[0] + (x)[1])
CHAINS_KERNEL(chains_ref, , pair, PAIR_SET, PAIR_STEP, PAIR_SUM)

#if defined(__x86_64__)
#define AVX2_SUM(x) _mm256_cvtsd_f64(x)
CHAINS_KERNEL(chains_avx2, __attribute__((target("avx2,fma"))), __m256d, _mm256_set1_pd, _mm256_fmadd_pd, AVX2_SUM)
#define AVX512_SUM(x) _mm512_cvtsd_f64(x)
CHAINS_KERNEL(chains_avx512, __attribute__((target("avx512f"))), __m512d, _mm512_set1_pd, _mm512_fmadd_pd, AVX512_SUM)
#elif defined(__aarch64__)
#define NEON_STEP(x, a, b) vfmaq_f64(b, x, a)
#define NEON_SUM(x) vgetq_lane_f64(x, 0)
CHAINS_KERNEL(chains_neon, , float64x2_t, vdupq_n_f64, NEON_STEP, NEON_SUM)
#endif

typedef struct chains {
    double (*run)(double start);
    unsigned lanes;
} chains;

static chains chains_of(cpu_level level)
{
#if defined(__x86_64__)
    if (level == CPU_AVX512) return (chains){chains_avx512, 8};
    if (level == CPU_AVX2) return (chains){chains_avx2, 4};
#elif defined(__aarch64__)
    if (level == CPU_NEON) return (chains){chains_neon, 2};
#endif
    (void)level;
    return (chains){chains_ref, 2};
}

typedef struct work {
    chains chains;
    uint64_t **block; /* (threads): one of each thread */
    size_t bytes;
    double seconds;
    clockid_t clock;
    double *rate; /* (threads) */
    volatile double sink;
} work;

static annulus_status multiply_add(void *context, size_t index, unsigned worker)
{
    work *w = context;
    const double start = bench_clock(w->clock);
    double now, sum = 0;
    size_t calls = 0;
    (void)worker;
    do {
        for (unsigned i = 0; i < 8; i++) sum += w->chains.run((double)index);
        calls += 8;
        now = bench_clock(w->clock);
    } while (now - start < w->seconds);
    w->rate[index] = 2.0 * w->chains.lanes * CHAINS * ROUNDS * (double)calls / (now - start);
    w->sink = sum;
    return ANNULUS_OK;
}

typedef uint64_t words __attribute__((vector_size(16)));

static annulus_status read_block(void *context, size_t index, unsigned worker)
{
    work *w = context;
    const words *v = (const words *)(const void *)w->block[index];
    const size_t count = w->bytes / sizeof *v;
    const double start = bench_clock(w->clock);
    double now;
    size_t passes = 0;
    words a = {0}, b = {0}, c = {0}, d = {0};
    (void)worker;
    do {
        for (size_t i = 0; i < count; i += 4) a ^= v[i], b ^= v[i + 1], c ^= v[i + 2], d ^= v[i + 3];
        passes++;
        now = bench_clock(w->clock);
    } while (now - start < w->seconds);
    w->rate[index] = (double)w->bytes * (double)passes / (now - start);
    a ^= b ^ c ^ d;
    w->sink = (double)(a[0] ^ a[1]);
    return ANNULUS_OK;
}

static double all_rates(work *w, unsigned threads, parallel_fn fn)
{
    double total = 0;
    w->rate = room(threads, sizeof *w->rate);
    must(parallel_for(threads, threads, fn, w));
    for (unsigned i = 0; i < threads; i++) total += w->rate[i];
    free(w->rate);
    return total;
}

double peak_flops(cpu_level level, unsigned threads, clockid_t clock, double seconds)
{
    work w = {.chains = chains_of(level), .seconds = seconds, .clock = clock};
    return all_rates(&w, threads, multiply_add);
}

double peak_read(size_t bytes, unsigned threads, clockid_t clock, double seconds)
{
    work w = {.bytes = bytes / 128 * 128, .seconds = seconds, .clock = clock, .block = room(threads, sizeof *w.block)};
    for (unsigned i = 0; i < threads; i++) {
        void *block;
        must(mem_create(w.bytes, 1, "block to read", &block));
        memset(block, (int)i + 1, w.bytes); /* else every page is the same page of zeros */
        w.block[i] = block;
    }
    const double rate = all_rates(&w, threads, read_block);
    for (unsigned i = 0; i < threads; i++) mem_free(w.block[i]);
    free(w.block);
    return rate;
}
