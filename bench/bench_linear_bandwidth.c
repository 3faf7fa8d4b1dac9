/* SPDX-License-Identifier: Apache-2.0 */
/* bench_linear_bandwidth [THREADS]: linear layers on big-key ciphertexts of 2,049 words, more than the caches hold,
 * that memory bounds. Bytes of ciphertexts that they must move, each read and each written once, over what as many
 * threads read from memory meanwhile, in percent, on one core and on all, or on THREADS: the least on stdout, all on
 * stderr. Products and reads take turns. */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/linear.h"

#include "bench.h"
#include "peak.h"

#define REPEATS 5u
#define WORDS 2049u
#define READ_BYTES ((size_t)128 << 20)
#define READ_SECONDS 0.05

typedef struct layer {
    const char *name;
    size_t in, out;
    circuit_linear linear;
} layer;

/* neurons (out) of all inputs, of weights within +-7 */
static layer dense(const char *name, size_t in, size_t out)
{
    layer l = {.name = name, .in = in, .out = out};
    int32_t *W = room(in * out, sizeof *W);
    for (size_t i = 0; i < in * out; i++) W[i] = (int32_t)(i * 7919 % 15) - 7;
    must(linear_dense(W, out, in, &l.linear));
    free(W);
    return l;
}

/* Sums of `taps` values, each of which is in one sum, `apart` numbers from one another. */
static layer sums(const char *name, size_t in, size_t taps, size_t apart)
{
    layer l = {.name = name, .in = in, .out = in / taps};
    must(linear_create(1, &l.linear));
    linear_block *b = l.linear.blocks;
    must(linear_block_create(1, taps, l.out, b));
    for (size_t t = 0; t < taps; t++) b->W[t] = 1;
    for (size_t p = 0; p < l.out; p++) {
        b->to[p] = (uint32_t)p;
        for (size_t t = 0; t < taps; t++)
            b->from[p * taps + t] = (uint32_t)(p / apart * apart * taps + p % apart + t * apart);
    }
    return l;
}

typedef struct run {
    const layer *l;
    linear_rows in;
    uint64_t *out;
    unsigned char *room;
    size_t columns, room_bytes;
} run;

static annulus_status columns(void *context, size_t item, unsigned worker)
{
    const run *r = context;
    const size_t first = item * r->columns, left = WORDS - first;
    linear_add(&r->l->linear, &r->in, 1, WORDS, r->out, WORDS, first, left < r->columns ? left : r->columns,
               r->room + worker * r->room_bytes);
    return ANNULUS_OK;
}

/* One thread's computing time, which other work on the machine disturbs less. */
static clockid_t clock_of(unsigned threads)
{
    return threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
}

static double once(run *r, unsigned threads)
{
    const clockid_t clock = clock_of(threads);
    const double start = bench_clock(clock);
    must(parallel_for((WORDS + r->columns - 1) / r->columns, threads, columns, r));
    return bench_clock(clock) - start;
}

/* Percent of what these threads read. */
static double share(const layer *l, unsigned threads)
{
    double seconds[REPEATS], read[REPEATS];
    void *x, *y, *room;
    must(mem_create(l->in * WORDS, sizeof(uint64_t), "ciphertexts", &x));
    must(mem_create(l->out * WORDS, sizeof(uint64_t), "ciphertexts", &y));
    run r = {.l = l, .in = {x, l->in}, .out = y, .room_bytes = linear_room(&l->linear)};
    must(mem_create(threads, r.room_bytes, "linear layer", &room));
    r.room = room;
    r.columns = linear_columns(&l->linear, WORDS, threads);
    for (size_t k = 0; k < l->in * WORDS; k++) ((uint64_t *)x)[k] = k * UINT64_C(0x9e3779b97f4a7c15);
    (void)once(&r, threads);
    for (size_t k = 0; k < REPEATS; k++) {
        read[k] = peak_read(READ_BYTES, threads, clock_of(threads), READ_SECONDS);
        seconds[k] = once(&r, threads);
    }
    mem_free(x), mem_free(y), mem_free(room);
    const double bytes = 8.0 * (double)(l->in + l->out) * WORDS, median = bench_median(seconds, REPEATS);
    const double most = bench_median(read, REPEATS), percent = 100 * bytes / median / most;
    fprintf(stderr, "  %-36s %u thread%s %8.2f ms %6.2f of %6.2f GB/s %5.0f %%\n", l->name, threads,
            threads > 1 ? "s" : " ", 1e3 * median, 1e-9 * bytes / median, 1e-9 * most, percent);
    return percent;
}

int main(int argc, char **argv)
{
    const unsigned only = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0, cores = parallel_threads(0);
    layer of[] = {dense("dense, 4,096 to 1", 4096, 1), dense("dense, 4,096 to 2", 4096, 2),
                  sums("averages of 64 values", 8192, 64, 1), sums("averages of 2x2 values", 8192, 4, 1),
                  sums("additions", 8192, 2, 4096)};
    double least = INFINITY;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        if (only > 0)
            least = fmin(least, share(&of[i], only));
        else
            least = fmin(least, fmin(share(&of[i], 1), share(&of[i], cores)));
        linear_clear(&of[i].linear);
    }
    printf("%.1f\n", least);
    return 0;
}
