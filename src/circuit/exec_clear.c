/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"

typedef struct clear_run {
    const circuit *c;
    const int32_t *x;
    double *out;
    exec_stats *stats; /* per worker */
    unsigned char *memory;
    size_t worker_bytes, widest;
} clear_run;

annulus_status exec_stats_create(unsigned workers, exec_stats **out)
{
    void *p;
    TRY(mem_create(workers, sizeof(exec_stats), "run statistics", &p));
    *out = p;
    return ANNULUS_OK;
}

void exec_stats_merge(exec_stats *into, exec_stats *workers, unsigned count)
{
    for (unsigned w = 0; into != NULL && w < count; w++)
        for (size_t i = 0; i < CIRCUIT_MAX_LAYERS; i++) {
            into->out_of_range[i] += workers[w].out_of_range[i];
            into->index_errors[i] += workers[w].index_errors[i];
        }
    mem_free(workers);
}

static annulus_status clear_one(void *context, size_t sample, unsigned worker)
{
    const clear_run *run = context;
    const circuit *c = run->c;
    int64_t *acc = (int64_t *)(void *)(run->memory + worker * run->worker_bytes);
    int32_t *next = (int32_t *)(void *)(acc + run->widest);
    const int32_t *x = run->x + sample * c->input.features;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        exec_linear(l, x, acc);
        for (size_t o = 0; o < l->out; o++) {
            run->stats[worker].out_of_range[i] += acc[o] < l->lo[o] || acc[o] > l->hi[o];
            if (l->cells != 0)
                next[o] = exec_look_up(l, o, exec_floor_div(acc[o] + l->offset[o], l->step));
            else
                run->out[sample * l->out + o] = (double)acc[o];
        }
        x = next;
    }
    return ANNULUS_OK;
}

annulus_status exec_clear(const circuit *c, const int32_t *x, size_t count, unsigned threads, double *out,
                          exec_stats *stats)
{
    const unsigned workers = parallel_threads(threads);
    clear_run run = {.c = c, .x = x, .out = out, .widest = exec_widest(c)};
    run.worker_bytes = ROUND_UP(run.widest * (sizeof(int64_t) + sizeof(int32_t)));
    void *memory;
    TRY(mem_create(workers, run.worker_bytes, "activations", &memory));
    run.memory = memory;
    annulus_status st = exec_stats_create(workers, &run.stats);
    if (st == ANNULUS_OK) {
        st = parallel_for(count, threads, clear_one, &run);
        exec_stats_merge(st == ANNULUS_OK ? stats : NULL, run.stats, workers);
    }
    mem_free(memory);
    return st;
}
