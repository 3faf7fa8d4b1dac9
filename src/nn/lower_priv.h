/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the lowering; for lower*.c only. */
#ifndef NN_LOWER_PRIV_H
#define NN_LOWER_PRIV_H

#include "nn/lower.h"
#include "nn/wave.h"

/* ---- lower.c ---- */
/* *made: n as it is to be lowered, where that is not n itself: what network_top_1 makes of it if answers are to be the
 * label alone, and what lower_twins and lower_plain_waves do; destroyed by the caller. Else NULL. */
annulus_status lower_answers(const network *n, const float *calibration, size_t count, const lower_options *options,
                             network **made) __attribute__((warn_unused_result));

/* ---- lower_options.c ---- */
/* Every layer of c, named already, that an option names exists, and has what it is given; error probabilities are set.
 */
annulus_status lower_named_options(const network *n, const lower_options *o, circuit *c)
    __attribute__((warn_unused_result));

/* ---- lower_linear.c ---- */
/* Weights of layer i, whose sources are set, over the integers of its sources, unless `whole` without a factor that
 * they and the constants have in common, times `multiplier`; *unit: real value of W x = 1. */
annulus_status lower_linear(const network *n, size_t i, int32_t multiplier, int whole, circuit_layer *l, double *unit)
    __attribute__((warn_unused_result));
int32_t lower_most_multiplier(const circuit_layer *l); /* that its weights still bear */
/* Narrows proven ranges to the bounds that d knows of its sums; unit and multiplier: those of lower_linear. */
void lower_bounds(const dense_layer *d, double unit, int32_t multiplier, circuit_layer *l);
/* Neurons of one channel get the ranges of all of them together, and one table. */
annulus_status lower_share_ranges(const dense_layer *d, circuit_layer *l) __attribute__((warn_unused_result));
/* up (out): 1 for outputs whose channel's first one has a negative weight on its first input, so that opposite sums lie
 * in their tables as in a mirror. */
annulus_status lower_lean(const dense_layer *d, const circuit_layer *l, unsigned char *up)
    __attribute__((warn_unused_result));
annulus_status lower_tables(const dense_layer *d, circuit_layer *l) __attribute__((warn_unused_result));

/* The least power of two that is not below x >= 1. */
static inline int64_t lower_power_of_two(int64_t x)
{
    int64_t power = 1;
    while (power < x) power *= 2;
    return power;
}

/* ---- lower_constant.c: sums W x + constant, of which the circuit has W x ---- */
/* (out) constants in accumulator units; NULL: the layer has none. */
annulus_status lower_constants(const dense_layer *d, double unit, int64_t **out) __attribute__((warn_unused_result));
/* Ranges of W x become those of the sums. constant NULL: zeros. */
void lower_add_constants(circuit_layer *l, const int64_t *constant);
/* An encoding of the sums becomes one of W x: the same phase, cell and value of each. */
void lower_take_constants(circuit_layer *l, const int64_t *constant);

/* ---- lower_units.c ---- */
typedef struct lower_unit {
    size_t group;  /* number of the first layer of those with the same units */
    int grouped;   /* there are others */
    int whole;     /* cells are to be a power of two */
    int lean;      /* ranges of opposite sums lie opposite each other in their tables; so they do if it is whole */
    unsigned bits; /* of its rounding; 0: none */
    int exact;     /* rounding: its step is a power of two */
    int shifts;    /* so it is that of its function's changes; its multiplier, too, is one then */
    int64_t need;  /* half window that its accumulators ask for, before the multiplier */
    int32_t multiplier, most_multiplier;
    int64_t half_window, step; /* that it is given; 0: not known yet */
    double base;               /* what a sum of 1 is before the multiplier, without w_scale */
    int aligned;               /* every accumulator is a multiple of the step: one a cell, in its middle */
    double phase; /* of torus-native layers that take the same values, which have a multiplier for it: what one unit of
                     theirs moves the phase by, periods; 0: of others */
} lower_unit;
typedef struct lower_units {
    size_t layers;
    unsigned passes;
    lower_unit of[CIRCUIT_MAX_LAYERS];
} lower_units;
/* Names and sources of the layers are set, and who is whole or lean. */
/* Integers up to NETWORK_MAX_FACTOR in whose ratio the phases (count) are, and the largest unit, periods, of which they
 * are these multiples; 0: there are none, and *off is a layer that does not fit the first. */
int lower_common_phase(const double *phase, size_t count, int32_t *whole, double *unit, size_t *off);
annulus_status lower_units_init(const network *n, const circuit *c, lower_units *u) __attribute__((warn_unused_result));
/* A layer's accumulators, multiplied, ask for this half window. */
void lower_units_need(lower_unit *u, int64_t window);
/* After a lowering: *again 0 if all layers fit their windows, else larger ones for the next. */
annulus_status lower_units_plan(lower_units *u, const circuit *c, int *again) __attribute__((warn_unused_result));

/* The real value of sum acc of neuron o: as before the multiplier, since functions may jump just where sums are. */
static inline double lower_real(const dense_layer *d, const lower_unit *u, const circuit_layer *l, size_t o, double acc)
{
    return d->w_scale[o] * u->base * (acc / u->multiplier) + l->real_bias[o];
}

/* ---- lower_grid.c ---- */
#define LOWER_LEVEL INT64_MIN
typedef struct lower_grid {
    int64_t *first; /* (out) a sum whose value is not that of the one below; LOWER_LEVEL: there is none */
    int64_t *own;  /* (out) the neuron's function changes at multiples of this from `first` alone; 1: anywhere; 0: there
                      alone */
    int64_t apart; /* the same of all neurons together */
} lower_grid;
/* Over the ranges of l, whose sums are multiples of `unit`. */
annulus_status lower_grid_create(const dense_layer *d, const circuit_layer *l, const lower_unit *u, lower_grid *out)
    __attribute__((warn_unused_result));
/* Whether all changes of neuron o can lie on borders of cells. */
int lower_grid_holds(const lower_grid *g, size_t o, int64_t step);
void lower_grid_clear(lower_grid *g); /* also after a failure of lower_grid_create, of one that was zeros */
/* Cells of this step that the widest range takes, if changes lie on their borders where all of a neuron can. */
int64_t lower_grid_cells(const lower_grid *g, const circuit_layer *l, int64_t step);
/* The nearest offset of neuron o to this one, of which its range lies in the table, that has all changes on borders of
 * cells; this one, if there is none, as there may not be in a table of less than lower_grid_cells. */
int64_t lower_grid_offset(const lower_grid *g, const circuit_layer *l, size_t o, int64_t offset);

/* ---- lower_cells.c ---- */
/* Cells and step of a layer of padded look-ups whose ranges are known, and what its units have to know of them. *grid:
 * that of its function, of which apart is 1 where rounding is not to take notice; the caller's to clear, also after a
 * failure. */
annulus_status lower_cells(const dense_layer *d, const lower_options *options, lower_unit *u, circuit_layer *l,
                           lower_grid *grid) __attribute__((warn_unused_result));
/* Offsets and tables. up (out): 1 for ranges that are to lie half a unit above the middle, if they lie half a unit off
 * it; else below. */
void lower_fill(const dense_layer *d, const lower_options *options, const lower_unit *u, const lower_grid *grid,
                const unsigned char *up, circuit_layer *l);
/* Of the widest of n ranges. */
static inline int64_t lower_widest_span(const int64_t *lo, const int64_t *hi, size_t n)
{
    int64_t most = 1;
    for (size_t o = 0; o < n; o++)
        if (hi[o] - lo[o] + 1 > most) most = hi[o] - lo[o] + 1;
    return most;
}

/* ---- lower_exact.c ---- */
/* Before every layer with low_bits, as many layers that take them off, and its offset and range as the lowest units of
 * its cells have them. ANNULUS_ERR_INFEASIBLE: too many layers, or a window wider than LINEAR_MAX_WEIGHT. */
annulus_status lower_exact(circuit *c) __attribute__((warn_unused_result));

/* ---- lower.c ---- */
annulus_status lower_options_check(const network *n, const float *calibration, size_t count, const lower_options *o)
    __attribute__((warn_unused_result));
/* One lowering, with the windows that are known; *out: made, without parameters. */
annulus_status lower_once(const network *n, const float *calibration, size_t count, const lower_options *options,
                          lower_units *units, circuit **out) __attribute__((warn_unused_result));

/* ---- lower_share.c ---- */
double lower_objective(const circuit *c, const lower_options *o);
/* As network_lower, of a network whose answers are what is asked for. *helps: what does where there are no parameters;
 * none where it fails by anything else. */
annulus_status lower_best(const network *n, const float *calibration, size_t count, const lower_options *options,
                          remedies *helps, circuit **out) __attribute__((warn_unused_result));

/* ---- lower_remedies.c ---- */
#define LOWER_ROUND ": round to at most 12 bits" /* end of what is said of tables that are too large */
/* Of such a failure, the last one: ANNULUS_ERR_INFEASIBLE with the widest rounding that compiles instead. */
annulus_status lower_rounding_helps(const network *n, const float *calibration, size_t count,
                                    const lower_options *options) __attribute__((warn_unused_result));
/* ANNULUS_ERR_INFEASIBLE with what is missing of n and what helps, each compiled with these options but for it: those
 * that do not help go, and seconds are those of the circuits, where an option says it. */
annulus_status lower_remedies(const network *n, const float *calibration, size_t count, const lower_options *options,
                              remedies *r) __attribute__((warn_unused_result));

/* ---- lower_waves.c ---- */
/* Waves of no name, of one offset, become functions, with padding, where a torus-native layer is refused: for answers
 * that others may see, beside layers without waves that take the same values, or other waves in units that are in no
 * ratio of small integers. *made: a copy of n with that, destroyed by the caller; NULL: none does. */
annulus_status lower_plain_waves(const network *n, const lower_options *options, network **made)
    __attribute__((warn_unused_result));

/* group (layers) <- the first layer of those that are tied by common sources. */
void lower_find_groups(const network *n, size_t *group);

/* ---- lower_twins.c ---- */
/* *made: a copy of n, destroyed by the caller, in which layers whose values waves that must be torus-native take, and
 * others as well, are there twice, under one number, since these read them in units of their own: the first for the
 * waves, the second for the others. NULL: there are none, or the input is taken so, or the layers would be too many. */
annulus_status lower_twins(const network *n, network **made) __attribute__((warn_unused_result));

/* ---- lower_clamps.c ---- */
/* *made: a copy of n, destroyed by the caller, in which layers of one weight scale with functions that are level at
 * both ends of what their sums can be are waves, of the least period that keeps all sums on the plateaus they are on;
 * layers that take the same values all are, or none. NULL: there are none. */
annulus_status lower_clamps(const network *n, const lower_options *options, network **made)
    __attribute__((warn_unused_result));

/* ---- lower_native.c ---- */
#define LOWER_NATIVE_CELLS WAVE_CELLS /* at most N of the smallest ring; entries are off by 1/1024 period at most */

/* Encoding of a layer of waves before circuit_layer_create: cells, unit, offsets and the bound on its noise. phase:
 * that one unit of its sums moves, periods. */
annulus_status lower_native_encode(const dense_layer *d, double phase, const lower_options *options, circuit_layer *l)
    __attribute__((warn_unused_result));
/* Its shifts and its table. */
annulus_status lower_native_fill(const dense_layer *d, circuit_layer *l) __attribute__((warn_unused_result));
/* Proven ranges of l behind the torus-native look-ups of `before`: the values of one neuron come from one phase, and do
 * not reach all their ends together. */
annulus_status lower_native_ranges(const circuit_layer *before, circuit_layer *l) __attribute__((warn_unused_result));
/* Bound on the noise of scores l of c, of whose sources any is torus-native, in accumulator units: what d was trained
 * to bear, else that of torus-native values whose own noise has a deviation of 2^-4 of their amplitude. 0: none is. */
annulus_status lower_native_score_noise(const dense_layer *d, const circuit *c, const circuit_layer *l, double *out)
    __attribute__((warn_unused_result));
#endif
