/* SPDX-License-Identifier: Apache-2.0 */
/* What the executions share; for exec_*.c only. */
#ifndef CIRCUIT_EXEC_PRIV_H
#define CIRCUIT_EXEC_PRIV_H

#include "base/parallel.h"
#include "circuit/exec.h"
#include "math/torus.h"

#include <math.h>

/* The table's answer for any cell number, antiperiodic outside [0, cells) (circuit.h). */
static inline int32_t exec_look_up(const circuit_layer *l, size_t o, int64_t cell)
{
    const int32_t *t = l->table + o * l->cells;
    const int64_t period = 2 * (int64_t)l->cells;
    const int64_t c = ((cell % period) + period) % period;
    return c < l->cells ? t[c] : t[0] + t[l->cells - 1] - t[c - l->cells];
}

/* floor(a / b), b > 0 */
static inline int64_t exec_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Counts where a sum of layer i lies; an output's noise is in turns of the torus, 0 of a look-up's. Returns the periods
 * that an output is away from the middle one. */
static inline double exec_count_sum(const circuit_layer *l, size_t i, size_t o, int64_t acc, double noise,
                                    exec_stats *s)
{
    const int outside = acc < l->lo[o] || acc > l->hi[o];
    s->out_of_range[i] += (unsigned)outside;
    if (l->cells == 0) {
        const double away = floor((double)(acc + l->offset[o]) / (double)l->period + noise + 0.5);
        s->wrapped[i] += away != 0;
        return away;
    }
    if (!outside) return 0;
    const int64_t cell = exec_floor_div(acc + l->offset[o], l->step);
    if (cell >= 0 && cell < l->cells) return 0;
    const int32_t end = l->table[o * l->cells + (cell < 0 ? 0 : l->cells - 1)];
    (exec_look_up(l, o, cell) == end ? s->saturated : s->wrapped)[i]++;
    return 0;
}

/* Samples that clear and simulated runs take through a layer together, one a column. */
#define EXEC_BATCH 64u

/* acc (out, EXEC_BATCH) <- W x for the first `count` columns of x (in, EXEC_BATCH): signed words, exact. */
void exec_linear(const circuit_layer *l, const uint64_t *x, size_t count, uint64_t *acc);
/* x (features, EXEC_BATCH) <- `count` samples (count, features). */
void exec_columns(const circuit *c, const int32_t *samples, size_t count, uint64_t *x);

/* Whether the ciphertext of sum o has noise, from which of the layer's inputs (in) have: one without a mask has none,
 * and neither keyswitch nor modulus switch adds any. */
static inline unsigned char exec_noisy(const circuit_layer *l, size_t o, const unsigned char *noisy)
{
    unsigned char any = 0;
    for (size_t i = 0; i < l->in; i++) any |= noisy[i] && l->W[o * l->in + i] != 0;
    return any;
}

/* Whether its look-up's output, or the value, has: a table of one entry is stored as zeros, which no rotation changes.
 */
static inline unsigned char exec_noisy_value(const circuit_layer *l, size_t o, unsigned char noisy_sum)
{
    unsigned char varies = l->cells == 0;
    for (size_t x = 1; x < l->cells; x++) varies |= l->table[o * l->cells + x] != l->table[o * l->cells];
    return noisy_sum && varies;
}

#define EXEC_COLUMNS 256u /* ciphertext words of a linear layer that one work item takes */

/* Look-ups between two reports of progress, at most: enough for every worker to share the passes over the keys, and of
 * the largest tables so few that a report comes every few seconds. */
static inline size_t exec_slice(uint32_t EF, unsigned threads)
{
    return (EF <= 8 ? 32 : 256 / EF) * (size_t)parallel_threads(threads);
}

static inline size_t exec_widest(const circuit *c)
{
    size_t widest = c->input.features;
    for (size_t i = 0; i < c->layers_count; i++) widest = c->layers[i].out > widest ? c->layers[i].out : widest;
    return widest;
}

/* Torus fraction of one accumulator unit of a layer. */
static inline double exec_unit(const circuit_layer *l)
{
    return l->cells == 0 ? 1.0 / (double)l->period : 1.0 / (2.0 * l->cells * (double)l->step);
}

/* Torus word of one accumulator unit, even so that half units are words too. */
static inline uint64_t exec_unit_word(const circuit_layer *l)
{
    return torus_from_double(exec_unit(l) / 2) * 2;
}

/* Per-worker sums of events, added to the caller's at the end. */
annulus_status exec_stats_create(unsigned workers, exec_stats **out) __attribute__((warn_unused_result));
void exec_stats_merge(exec_stats *into, exec_stats *workers, unsigned count); /* frees workers */
#endif
