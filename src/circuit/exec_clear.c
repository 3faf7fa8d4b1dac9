/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"

#include <string.h>

typedef struct clear_run {
    const circuit *c;
    const int32_t *x;
    double *out;
    exec_stats *stats; /* per worker */
    exec_store store;
    uint64_t *memory; /* per worker: values (store rows, EXEC_BATCH), and room */
    size_t count, room;
    const annulus_progress *progress;
} clear_run;

void exec_store_init(const circuit *c, exec_store *out)
{
    *out = (exec_store){.rows = c->input.features};
    for (size_t i = 0; i < c->layers_count; i++) {
        uint32_t sources[CIRCUIT_MAX_LAYERS + 1];
        exec_block taken[CIRCUIT_MAX_LAYERS + 1];
        const size_t live = exec_taken(c, i, sources), rows = circuit_values(&c->layers[i]);
        for (size_t k = 0; k < live; k++)
            taken[k] = (exec_block){out->first[sources[k]], circuit_source_values(c, sources[k])};
        const size_t at = exec_lowest(taken, live, rows);
        out->first[i + 1] = at;
        if (at + rows > out->rows) out->rows = at + rows;
    }
}

void exec_sources(const circuit *c, const exec_store *s, size_t i, const uint64_t *x, size_t words, linear_rows *out)
{
    for (size_t k = 0; k < c->layers[i].sources_count; k++) {
        const uint32_t source = c->layers[i].sources[k];
        out[k] = (linear_rows){.x = x + s->first[source] * words, .count = circuit_source_values(c, source)};
    }
}

size_t exec_room(const circuit *c)
{
    size_t most = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        const size_t room = linear_room(&c->layers[i].linear);
        most = room > most ? room : most;
    }
    return most;
}

void exec_linear(const circuit *c, const exec_store *s, size_t i, uint64_t *x, size_t count, void *room)
{
    const circuit_layer *l = &c->layers[i];
    linear_rows sources[CIRCUIT_MAX_LAYERS];
    uint64_t *y = x + s->first[i + 1] * EXEC_BATCH;
    exec_sources(c, s, i, x, EXEC_BATCH, sources);
    memset(y, 0, l->out * EXEC_BATCH * sizeof *y);
    linear_add(&l->linear, sources, l->sources_count, EXEC_BATCH, y, EXEC_BATCH, 0, count, room);
}

void exec_columns(const circuit *c, const exec_store *s, const int32_t *samples, size_t count, uint64_t *x)
{
    const size_t features = c->input.features;
    uint64_t *y = x + s->first[0] * EXEC_BATCH;
    for (size_t i = 0; i < features; i++)
        for (size_t b = 0; b < count; b++) y[i * EXEC_BATCH + b] = (uint64_t)(int64_t)samples[b * features + i];
}

void exec_clear_look_up(const circuit_layer *l, size_t o, int64_t acc, int32_t *y)
{
    const int64_t cell = exec_cell(l, o, acc);
    for (uint32_t j = 0; j < l->offsets; j++) y[j] = (int32_t)exec_look_up(l, o * l->offsets + j, cell);
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

/* The answers to sums x (out, EXEC_BATCH) of layer i, in their place or as the run's output; of the last neuron first,
 * as one may give several values. */
static void clear_look_ups(const clear_run *run, size_t i, size_t first, size_t count, uint64_t *x, exec_stats *stats)
{
    const circuit_layer *l = &run->c->layers[i];
    for (size_t o = l->out; o-- > 0;)
        for (size_t b = 0; b < count; b++) {
            const int64_t sum = (int64_t)x[o * EXEC_BATCH + b];
            (void)exec_count_sum(run->c, i, o, sum, 0, stats);
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
    const size_t words = run->store.rows * EXEC_BATCH;
    if (worker == 0) TRY(progress_report(run->progress, "clear samples", first, run->count));
    uint64_t *x = run->memory + worker * (words + run->room);
    exec_columns(run->c, &run->store, run->x + first * run->c->input.features, count, x);
    for (size_t i = 0; i < run->c->layers_count; i++) {
        exec_linear(run->c, &run->store, i, x, count, x + words);
        clear_look_ups(run, i, first, count, x + run->store.first[i + 1] * EXEC_BATCH, &run->stats[worker]);
    }
    return ANNULUS_OK;
}

annulus_status exec_clear_reported(const circuit *c, const int32_t *x, size_t count, unsigned threads,
                                   const annulus_progress *progress, double *out, exec_stats *stats)
{
    const unsigned workers = parallel_threads(threads);
    clear_run run = {
        .c = c, .x = x, .out = out, .count = count, .room = exec_room(c) / sizeof(uint64_t), .progress = progress};
    void *memory;
    exec_store_init(c, &run.store);
    TRY(mem_create(workers, (run.store.rows * EXEC_BATCH + run.room) * sizeof(uint64_t), "activations", &memory));
    run.memory = memory;
    annulus_status st = exec_stats_create(workers, &run.stats);
    if (st == ANNULUS_OK) {
        st = parallel_for((count + EXEC_BATCH - 1) / EXEC_BATCH, threads, clear_batch, &run);
        exec_stats_merge(st == ANNULUS_OK ? stats : NULL, run.stats, workers);
    }
    mem_free(memory);
    return st;
}

annulus_status exec_clear(const circuit *c, const int32_t *x, size_t count, unsigned threads, double *out,
                          exec_stats *stats)
{
    return exec_clear_reported(c, x, count, threads, NULL, out, stats);
}
