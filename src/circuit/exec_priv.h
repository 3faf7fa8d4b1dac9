/* SPDX-License-Identifier: Apache-2.0 */
/* What the executions share; for exec_*.c only. */
#ifndef CIRCUIT_EXEC_PRIV_H
#define CIRCUIT_EXEC_PRIV_H

#include "base/parallel.h"
#include "circuit/exec.h"
#include "optimizer/batches.h"

#include <math.h>

/* Value v at any cell number of its neuron, antiperiodic outside [0, cells) (circuit.h). */
static inline int64_t exec_look_up(const circuit_layer *l, size_t v, int64_t cell)
{
    const int32_t *t = circuit_value_table(l, v);
    const int64_t period = 2 * (int64_t)l->cells;
    if (l->unit != 0) cell += l->at[v % l->offsets];
    const int64_t c = ((cell % period) + period) % period;
    return c < l->cells ? t[c] : circuit_value_mid2(l, v) - t[c - l->cells];
}

/* y (offsets, apart by stride) <- the answers of neuron o at this cell. */
static inline void exec_answers(const circuit_layer *l, size_t o, int64_t cell, uint64_t *y, size_t stride)
{
    for (uint32_t j = 0; j < l->offsets; j++) y[j * stride] = (uint64_t)exec_look_up(l, o * l->offsets + j, cell);
}

/* floor(a / b), b > 0 */
static inline int64_t exec_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Cell, in [0, 2*cells), of a phase of a torus-native layer. */
static inline int64_t exec_phase_cell(const circuit_layer *l, uint64_t phase)
{
    return (int64_t)((phase + (UINT64_C(1) << 31)) >> (63 - (unsigned)__builtin_ctz(l->cells)));
}

static inline uint64_t exec_phase(const circuit_layer *l, size_t o, int64_t acc)
{
    return (uint64_t)acc * l->unit + l->shift[o];
}

/* Cell of an accumulator of a hidden layer. */
static inline int64_t exec_cell(const circuit_layer *l, size_t o, int64_t acc)
{
    return l->unit != 0 ? exec_phase_cell(l, exec_phase(l, o, acc)) : exec_floor_div(acc + l->offset[o], l->step);
}

/* Where the phase of a sum lies, in cells, of layers that are not of waves. Of a bit it is the middle of a cell, unless
 * bits below it were read wrong. */
static inline double exec_place(const circuit_layer *l, size_t o, int64_t acc)
{
    if (circuit_is_bit(l)) return ldexp((double)exec_phase(l, o, acc), -63);
    return ((double)(acc + l->offset[o]) + 0.5 * circuit_half_units(l)) / (double)l->step;
}

/* Steps of the rotation that a cell of this layer has; 0 where these are whole, so that borders of cells lie on steps.
 */
static inline double exec_cell_steps(const circuit *c, const circuit_layer *l)
{
    if (lut_border(l->cells) == 0) return 0;
    return (double)((uint64_t)l->EF * c->choice.families.of[l->family].N >> l->slot_bits) / l->cells;
}

/* Where a table of so many steps a cell has the lower border of a cell, in cells: on the step nearest to it. */
static inline double exec_border(double cell_steps, int64_t cell)
{
    return cell_steps > 0 ? floor((double)cell * cell_steps + 0.5) / cell_steps : (double)cell;
}

/* Cell that it reads at a place: that of the middle of the step there. */
static inline int64_t exec_read(double cell_steps, double place)
{
    return (int64_t)floor(cell_steps > 0 ? (floor(place * cell_steps) + 0.5) / cell_steps : place);
}

/* Counts where a sum of layer i lies, but of torus-native layers, which have no range; an output's noise is in turns of
 * the torus, 0 of a look-up's. Returns the periods that an output is away from the middle one. */
static inline double exec_count_sum(const circuit *c, size_t i, size_t o, int64_t acc, double noise, exec_stats *s)
{
    const circuit_layer *l = &c->layers[i];
    if (l->unit != 0) return 0;
    const int outside = acc < l->lo[o] || acc > l->hi[o];
    s->out_of_range[i] += (unsigned)outside;
    if (l->cells == 0) {
        const double away = floor((double)(acc + l->offset[o]) / (double)l->period + noise + 0.5);
        s->wrapped[i] += away != 0;
        return away;
    }
    if (!outside) return 0;
    const int64_t cell = exec_floor_div(acc + l->offset[o], l->step);
    if (!c->saturates && cell >= 0 && cell < l->cells) return 0;
    const int64_t end = !c->saturates ? (cell < 0 ? 0 : l->cells - 1)
                                      : exec_floor_div((acc < l->lo[o] ? l->lo[o] : l->hi[o]) + l->offset[o], l->step);
    int all = 1;
    for (size_t v = o * l->offsets; v < (o + 1) * l->offsets; v++)
        all &= exec_look_up(l, v, cell) == exec_look_up(l, v, end);
    (all ? s->saturated : s->wrapped)[i]++;
    return 0;
}

/* Samples that clear and simulated runs take through a layer together, one a column. */
#define EXEC_BATCH 64u

/* The lowest place for so much that none of `count` blocks has. */
typedef struct exec_block {
    size_t at, size;
} exec_block;
size_t exec_lowest(const exec_block *taken, size_t count, size_t size);

/* The sources before layer `next` whose values it or a later layer takes, in order; returns how many. */
size_t exec_taken(const circuit *c, size_t next, uint32_t sources[CIRCUIT_MAX_LAYERS + 1]);
/* Where the values of each source lie in a run's memory, in rows; those that no later layer needs make room. */
typedef struct exec_store {
    size_t first[CIRCUIT_MAX_LAYERS + 1], rows;
} exec_store;
void exec_store_init(const circuit *c, exec_store *out);
/* Sources of layer i: rows of `words` words in memory x. */
void exec_sources(const circuit *c, const exec_store *s, size_t i, const uint64_t *x, size_t words, linear_rows *out);
/* Bytes of room that the linear part of any layer needs. */
size_t exec_room(const circuit *c);
/* x (store rows, EXEC_BATCH): rows of layer i's values <- W x of its sources, the first `count` columns: signed words,
 * exact. */
void exec_linear(const circuit *c, const exec_store *s, size_t i, uint64_t *x, size_t count, void *room);
/* Rows of the inputs <- `count` samples (count, features). */
void exec_columns(const circuit *c, const exec_store *s, const int32_t *samples, size_t count, uint64_t *x);

/* Whether a look-up's outputs, or the value, have noise if its sum has: a table of its centre alone is stored as zeros,
 * which no rotation changes; so are tables side by side if all of them are. Of mixed layers whether its coefficients
 * have: the rest is the gram's (mix.h). */
static inline unsigned char exec_noisy_value(const circuit_layer *l, size_t o, unsigned char noisy_sum)
{
    unsigned char varies = l->cells == 0 || circuit_is_mixed(l);
    for (size_t j = 0; l->cells != 0 && j < circuit_slots_used(l); j++) {
        const size_t v = o * l->offsets + j;
        const int32_t *t = circuit_value_table(l, v);
        for (size_t x = 0; x < l->cells; x++) varies |= 2 * (int64_t)t[x] != circuit_value_mid2(l, v);
    }
    return noisy_sum && varies;
}

/* Words of a ciphertext of a source's values, which those of the sums of the layers that take them have as well. */
size_t exec_words(const circuit *c, size_t source);
size_t exec_memory_samples(const exec_memory *m);
/* Sums of a hidden layer, (samples, out, exec_words of its sources); values of a source, (samples, values, exec_words)
 */
uint64_t *exec_memory_sums(const exec_memory *m, size_t layer);
uint64_t *exec_memory_values(const exec_memory *m, size_t source);
/* Whether the values that hidden layer `layer` takes outlast its look-ups. */
int exec_memory_outlast(const circuit *c, const exec_memory *m, size_t layer);

/* Number of values of the sources before this one. */
static inline size_t exec_values_before(const circuit *c, size_t source)
{
    size_t count = 0;
    for (size_t s = 0; s < source; s++) count += circuit_source_values(c, s);
    return count;
}

/* Of the values between layers, and sums. */
static inline size_t exec_widest(const circuit *c)
{
    size_t widest = c->input.features;
    for (size_t i = 0; i < c->layers_count; i++) {
        const size_t values = circuit_values(&c->layers[i]);
        widest = values > widest ? values : widest;
    }
    return widest;
}

/* variance (outputs) <- what packing adds to each answer, of circuits that pack them; in: those of the sums, of which
 * those that are 0 have no mask. */
void exec_packing_noise(const circuit *c, double *variance);

/* ---- split look-ups: exec_split.c ---- */
/* Cells between the middle of a high part and that of the cells at its ends. */
static inline double exec_split_beside(const circuit_layer *l)
{
    return ldexp(1, (int)l->split - 1) - 0.5;
}
/* Cells by which the phase of the last rotation is moved where level i reads low[i] in [0, 2^(i+1)). */
double exec_split_moved(const circuit_layer *l, const uint32_t *low);
/* The high part of the table that any number of one stands for, and whether its entries are negated. */
size_t exec_split_part(const circuit_layer *l, int64_t high, int *negated);
/* What neuron o looks up there, and in the last rotation the part `high`, any number: *value + *rest, which is in [0,
 * 1) and 0 unless the levels read parts of different cells. Sets cell and apart. */
void exec_split_answer(const circuit_layer *l, size_t o, int64_t high, const uint32_t *low, exec_seen *seen,
                       uint64_t *value, double *rest);
/* Where in its cell every sum of neuron o lies, in [0, 1): they are multiples of the step, or, behind bits that are
 * taken off, in the middle whatever the offset. */
static inline double exec_split_place(const circuit_layer *l, size_t o)
{
    const double place = exec_place(l, o, 0);
    return l->low_bits > 0 ? 0.5 : place - floor(place);
}
/* Variances on the torus: of a level's phase without that of the sum; out (cells/2^split): of the outputs of a table of
 * layer i, by the high part; of all its tables' the least and the most. */
double exec_level_noise(const circuit *c);
void exec_split_variances(const circuit *c, size_t i, size_t table, double *out);
void exec_split_extremes(const circuit *c, size_t i, double *least, double *most);
/* Probability that some rotation reads a part that is not the sum's, which lies `place` in [0, 1) of a cell above the
 * cell's lower end. Variances: of the sum, and what each level and the last phase have besides. */
double exec_split_error(const circuit_layer *l, double place, double sum, double level, double last);
/* Exponents of the look-ups of split layer i at these sums (out, exec_words), which are done for them: (out,
 * exec_split_words), as split_job has them. */
size_t exec_split_words(const circuit *c, size_t i);
annulus_status exec_split_exponents(const exec_plan *plan, const eval_key_set *keys, size_t i, const uint64_t *sums,
                                    unsigned threads, uint32_t *exponents) __attribute__((warn_unused_result));

/* Per-worker sums of events, added to the caller's at the end. */
annulus_status exec_stats_create(unsigned workers, exec_stats **out) __attribute__((warn_unused_result));
void exec_stats_merge(exec_stats *into, exec_stats *workers, unsigned count); /* frees workers */
#endif
