/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"
#include "math/matrix.h"

#include <string.h>

typedef struct clear_run {
    const circuit *c;
    const int32_t *x;
    double *out;
    exec_stats *stats; /* per worker */
    uint64_t *memory;  /* per worker: values and sums, (widest, EXEC_BATCH) each */
    size_t count, widest;
} clear_run;

void exec_linear(const circuit_layer *l, const uint64_t *x, size_t count, uint64_t *acc)
{
    memset(acc, 0, l->out * EXEC_BATCH * sizeof *acc);
    matrix_mul_add_u64(acc, EXEC_BATCH, l->W, l->out, l->in, x, EXEC_BATCH, count);
}

void exec_columns(const circuit *c, const int32_t *samples, size_t count, uint64_t *x)
{
    const size_t features = c->input.features;
    for (size_t i = 0; i < features; i++)
        for (size_t b = 0; b < count; b++) x[i * EXEC_BATCH + b] = (uint64_t)(int64_t)samples[b * features + i];
}

void exec_clear_look_up(const circuit_layer *l, size_t o, int64_t acc, int32_t *y)
{
    const int64_t cell = exec_cell(l, o, acc);
    for (uint32_t j = 0; j < l->offsets; j++) y[j] = (int32_t)exec_look_up(l, o, cell + circuit_offset(l, j));
}

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
            into->saturated[i] += workers[w].saturated[i];
            into->wrapped[i] += workers[w].wrapped[i];
            into->index_errors[i] += workers[w].index_errors[i];
            into->errors_expected[i] += workers[w].errors_expected[i];
            into->failures[i] += workers[w].failures[i];
            into->phase_square[i] += workers[w].phase_square[i];
        }
    for (unsigned w = 0; into != NULL && w < count; w++) {
        into->samples_erred += workers[w].samples_erred;
        into->samples_failed += workers[w].samples_failed;
    }
    mem_free(workers);
}

/* The answers to sums of layer i, as the next layer's values or the run's output. */
static void clear_look_ups(const clear_run *run, size_t i, size_t first, size_t count, const uint64_t *acc, uint64_t *x,
                           exec_stats *stats)
{
    const circuit_layer *l = &run->c->layers[i];
    for (size_t o = 0; o < l->out; o++)
        for (size_t b = 0; b < count; b++) {
            const int64_t sum = (int64_t)acc[o * EXEC_BATCH + b];
            (void)exec_count_sum(l, i, o, sum, 0, stats);
            if (l->cells != 0)
                exec_answers(l, o, exec_cell(l, o, sum), x + o * l->offsets * EXEC_BATCH + b, EXEC_BATCH);
            else
                run->out[(first + b) * l->out + o] = (double)sum;
        }
}

static annulus_status clear_batch(void *context, size_t batch, unsigned worker)
{
    const clear_run *run = context;
    const size_t first = batch * EXEC_BATCH, left = run->count - first, count = left < EXEC_BATCH ? left : EXEC_BATCH;
    uint64_t *x = run->memory + worker * 2 * run->widest * EXEC_BATCH, *acc = x + run->widest * EXEC_BATCH;
    exec_columns(run->c, run->x + first * run->c->input.features, count, x);
    for (size_t i = 0; i < run->c->layers_count; i++) {
        exec_linear(&run->c->layers[i], x, count, acc);
        clear_look_ups(run, i, first, count, acc, x, &run->stats[worker]);
    }
    return ANNULUS_OK;
}

annulus_status exec_clear(const circuit *c, const int32_t *x, size_t count, unsigned threads, double *out,
                          exec_stats *stats)
{
    const unsigned workers = parallel_threads(threads);
    clear_run run = {.c = c, .x = x, .out = out, .count = count, .widest = exec_widest(c)};
    void *memory;
    TRY(mem_create(workers, 2 * run.widest * EXEC_BATCH * sizeof(uint64_t), "activations", &memory));
    run.memory = memory;
    annulus_status st = exec_stats_create(workers, &run.stats);
    if (st == ANNULUS_OK) {
        st = parallel_for((count + EXEC_BATCH - 1) / EXEC_BATCH, threads, clear_batch, &run);
        exec_stats_merge(st == ANNULUS_OK ? stats : NULL, run.stats, workers);
    }
    mem_free(memory);
    return st;
}
