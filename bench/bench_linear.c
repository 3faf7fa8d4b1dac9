/* SPDX-License-Identifier: Apache-2.0 */
/* bench_linear CIRCUIT SECONDS: share of the linear layers, on all cores, in the SECONDS that an encrypted inference of
 * the circuit takes. Layer by layer on stderr: milliseconds and multiply-adds a nanosecond. */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"
#include "deploy/deploy_priv.h"

#include "bench.h"

#define REPEATS 5

typedef struct layer_run {
    const circuit_layer *l;
    linear_rows sources[CIRCUIT_MAX_LAYERS];
    uint64_t *out;
    unsigned char *room;
    size_t words, room_bytes;
} layer_run;

static annulus_status columns(void *context, size_t item, unsigned worker)
{
    const layer_run *r = context;
    const size_t first = item * EXEC_COLUMNS, left = r->words - first;
    linear_add(&r->l->linear, r->sources, r->l->sources_count, r->words, r->out, r->words, first,
               left < EXEC_COLUMNS ? left : EXEC_COLUMNS, r->room + worker * r->room_bytes);
    return ANNULUS_OK;
}

/* Median seconds of layer i on ciphertexts of random words. */
static double layer_seconds(const circuit *c, size_t i)
{
    const circuit_layer *l = &c->layers[i];
    layer_run r = {.l = l,
                   .words = lwe_words(&c->choice.families.of[circuit_source(c, i)]),
                   .room_bytes = linear_room(&l->linear)};
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
        must(parallel_for((r.words + EXEC_COLUMNS - 1) / EXEC_COLUMNS, 0, columns, &r));
        seconds[k] = bench_seconds() - start;
    }
    mem_free(values), mem_free(r.out), mem_free(r.room);
    const double median = bench_median(seconds, REPEATS);
    fprintf(stderr, "  %-10s %-20s %9.3f ms %6.2f\n", l->name, l->op, 1e3 * median,
            linear_products(&l->linear) * (double)r.words / median * 1e-9);
    return median;
}

int main(int argc, char **argv)
{
    annulus_circuit *c = NULL;
    double all = 0;
    if (argc != 3) return 2;
    must(annulus_circuit_read(argv[1], &c));
    for (size_t i = 0; i < c->c->layers_count; i++) all += layer_seconds(c->c, i);
    printf("%.3f\n", 100 * all / strtod(argv[2], NULL));
    annulus_circuit_destroy(c);
    return 0;
}
