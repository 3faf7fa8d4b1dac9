/* SPDX-License-Identifier: Apache-2.0 */
/* bench_linear CIRCUIT SECONDS: share of the linear layers, on all cores, in the SECONDS that an encrypted inference of
 * the circuit takes. Layer by layer on stderr: milliseconds; multiply-adds of words a nanosecond; GB/s of ciphertexts,
 * each read and each written once; and what is the least that the layer could take, by what these threads read from
 * memory and by what the kernel does in the caches, over what it takes. */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"
#include "deploy/deploy_priv.h"

#include "bench.h"
#include "math/matrix.h"
#include "peak.h"

#define REPEATS 5

typedef struct layer_run {
    const circuit_layer *l;
    linear_rows sources[CIRCUIT_MAX_LAYERS];
    uint64_t *out;
    unsigned char *room;
    size_t words, columns, room_bytes;
} layer_run;

static annulus_status columns(void *context, size_t item, unsigned worker)
{
    const layer_run *r = context;
    const size_t first = item * r->columns, left = r->words - first;
    linear_add(&r->l->linear, r->sources, r->l->sources_count, r->words, r->out, r->words, first,
               left < r->columns ? left : r->columns, r->room + worker * r->room_bytes);
    return ANNULUS_OK;
}

/* What the machine does at most, on all threads. */
typedef struct ceilings {
    double bytes, products; /* a second: read from memory; of words with weights of one limb, in the caches */
} ceilings;

#define KERNEL_ROWS 32u
#define KERNEL_TURNS 2000u

static annulus_status kernel_turns(void *context, size_t item, unsigned worker)
{
    static _Thread_local uint64_t x[MATRIX_CHUNK * MATRIX_COLUMNS], y[KERNEL_ROWS * MATRIX_COLUMNS];
    const int32_t *W = context;
    (void)item, (void)worker;
    for (size_t k = 0; k < KERNEL_TURNS; k++)
        matrix_mul_add_u64(y, MATRIX_COLUMNS, W, KERNEL_ROWS, MATRIX_CHUNK, x, MATRIX_COLUMNS, MATRIX_COLUMNS);
    return ANNULUS_OK;
}

static ceilings measure(void)
{
    static int32_t W[KERNEL_ROWS * MATRIX_CHUNK];
    const unsigned threads = parallel_threads(0);
    double seconds[REPEATS];
    for (size_t i = 0; i < KERNEL_ROWS * MATRIX_CHUNK; i++) W[i] = (int32_t)(i % 1023) - 511;
    for (size_t k = 0; k < REPEATS; k++) {
        const double start = bench_seconds();
        must(parallel_for(threads, threads, kernel_turns, W));
        seconds[k] = bench_seconds() - start;
    }
    const double products = (double)KERNEL_TURNS * KERNEL_ROWS * MATRIX_CHUNK * MATRIX_COLUMNS * threads;
    return (ceilings){.bytes = peak_read((size_t)256 << 20, threads, CLOCK_MONOTONIC, 0.4),
                      .products = products / bench_median(seconds, REPEATS)};
}

/* Products of words with limbs of weights. */
static double limb_products(const circuit_linear *l, size_t words)
{
    double all = 0;
    for (size_t k = 0; k < l->blocks_count; k++) {
        const linear_block *b = &l->blocks[k];
        all += (double)(b->rows * b->taps * matrix_weight_limbs(b->W, b->rows * b->taps)) * (double)b->places;
    }
    return all * (double)words;
}

static void report(const circuit_layer *l, size_t words, double seconds, const ceilings *most)
{
    const double bytes = 8.0 * (double)((l->in + l->out) * words), products = limb_products(&l->linear, words);
    const double least = fmax(bytes / most->bytes, products / most->products);
    fprintf(stderr, "  %-10s %-24s %9.3f ms %7.2f %7.2f GB/s %5.0f %% %s\n", l->name, l->op, 1e3 * seconds,
            linear_products(&l->linear) * (double)words / seconds * 1e-9, 1e-9 * bytes / seconds, 100 * least / seconds,
            bytes / most->bytes > products / most->products ? "memory" : "products");
}

/* Median seconds of layer i on ciphertexts of random words. */
static double layer_seconds(const circuit *c, size_t i, const ceilings *most)
{
    const circuit_layer *l = &c->layers[i];
    layer_run r = {.l = l,
                   .words = lwe_words(&c->choice.families.of[circuit_source(c, i)]),
                   .room_bytes = linear_room(&l->linear)};
    r.columns = linear_columns(&l->linear, r.words, parallel_threads(0));
    double seconds[REPEATS];
    void *p, *values;
    must(mem_create(l->in * r.words, sizeof(uint64_t), "ciphertexts", &values));
    for (size_t k = 0; k < l->in * r.words; k++) ((uint64_t *)values)[k] = k * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t k = 0, at = 0; k < l->sources_count; k++) {
        r.sources[k] = (linear_rows){(uint64_t *)values + at * r.words, circuit_source_values(c, l->sources[k])};
        at += r.sources[k].count;
    }
    must(mem_create(l->out * r.words, sizeof(uint64_t), "ciphertexts", &p));
    r.out = p;
    must(mem_create(parallel_threads(0), r.room_bytes, "linear layer", &p));
    r.room = p;
    for (size_t k = 0; k < REPEATS; k++) {
        const double start = bench_seconds();
        must(parallel_for((r.words + r.columns - 1) / r.columns, 0, columns, &r));
        seconds[k] = bench_seconds() - start;
    }
    mem_free(values), mem_free(r.out), mem_free(r.room);
    const double median = bench_median(seconds, REPEATS);
    report(l, r.words, median, most);
    return median;
}

int main(int argc, char **argv)
{
    annulus_circuit *c = NULL;
    double all = 0;
    if (argc != 3) return 2;
    must(annulus_circuit_read(argv[1], &c));
    const ceilings most = measure();
    fprintf(stderr, "  %u threads: %.1f GB/s read from memory, %.2f products a ns in the caches\n", parallel_threads(0),
            1e-9 * most.bytes, 1e-9 * most.products);
    for (size_t i = 0; i < c->c->layers_count; i++) all += layer_seconds(c->c, i, &most);
    printf("%.3f\n", 100 * all / strtod(argv[2], NULL));
    annulus_circuit_destroy(c);
    return 0;
}
