/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of padded look-ups (docs/rounding.md): how many cells, how wide, and what they hold. */
#include "nn/lower_priv.h"

#include <inttypes.h>
#include <string.h>

static layer_rounding rounding_of(const dense_layer *d, const lower_options *o, const char *layer)
{
    layer_rounding r = lower_rounding(o, layer);
    int any = o->rounding_bits != 0, named = 0;
    for (size_t i = 0; i < o->layer_roundings_count; i++) {
        any |= o->layer_roundings[i].bits != 0;
        named |= strcmp(o->layer_roundings[i].layer, layer) == 0;
    }
    if (d->rounding_bits != 0 && any && !named) r.bits = d->rounding_bits == NETWORK_UNROUNDED ? 0 : d->rounding_bits;
    return r;
}

/* The farthest that a possible sum lies from the other end of its range, of neurons that have sums beyond it. */
static int64_t farthest(const circuit_layer *l)
{
    int64_t most = 0;
    for (size_t o = 0; o < l->out; o++) {
        const int64_t below = l->hi[o] - l->proven_lo[o], above = l->proven_hi[o] - l->lo[o];
        if (l->proven_lo[o] >= l->lo[o] && l->proven_hi[o] <= l->hi[o]) continue;
        if (below > most) most = below;
        if (above > most) most = above;
    }
    return most;
}

/* Cells of this step for the widest range; where sums beyond saturate half the torus, for them to lie behind the other
 * end of it, those that approximate rounding reads in the cell beside, too. */
static int64_t cells_of(const circuit_layer *l, const lower_options *options, int rounds, int64_t step)
{
    const int64_t far = options->saturate && options->ranges_measured ? farthest(l) : 0;
    const int64_t least = (lower_widest_span(l->lo, l->hi, l->out) + step - 1) / step;
    const int64_t saturating = far > 0 ? (far + step - 1) / step + (rounds && step > 1) : 0;
    return saturating > least ? saturating : least;
}

/* Of a layer whose window and step are those of others. */
static void take_window(const lower_options *options, lower_unit *u, int exact, circuit_layer *l)
{
    l->step = u->step;
    l->cells = (uint32_t)(u->half_window / u->step);
    if (exact && !u->aligned) l->low_bits = (uint32_t)__builtin_ctzll((uint64_t)l->step);
    lower_units_need(u, options->saturate ? cells_of(l, options, !exact && !u->aligned, l->step) * l->step
                                          : lower_widest_span(l->lo, l->hi, l->out));
}

annulus_status lower_cells(const dense_layer *d, const lower_options *options, lower_unit *u, circuit_layer *l)
{
    const layer_rounding r = rounding_of(d, options, l->name);
    const int64_t span = lower_widest_span(l->lo, l->hi, l->out), most = r.bits == 0 ? span : INT64_C(1) << r.bits;
    const int exact = r.bits != 0 && r.method == ROUNDING_EXACT;
    u->exact = exact;
    u->most_multiplier = lower_most_multiplier(l) * u->multiplier;
    if (u->half_window != 0) {
        take_window(options, u, exact, l);
        return ANNULUS_OK;
    }
    l->step = (span + most - 1) / most;
    if (exact) l->step = lower_power_of_two(l->step), l->low_bits = (uint32_t)__builtin_ctzll((uint64_t)l->step);
    int64_t cells = cells_of(l, options, !exact, l->step);
    u->bits = r.bits;
    while (r.bits != 0 && INT64_C(1) << u->bits < cells) u->bits++;
    lower_units_need(u, options->saturate ? cells * l->step : span);
    if (u->whole) cells = lower_power_of_two(cells);
    if (cells > CIRCUIT_MAX_CELLS && options->saturate)
        return fail(ANNULUS_ERR_INFEASIBLE,
                    "%s needs %" PRId64 " cells for all sums beyond their ranges to saturate, tables hold %u: round to "
                    "fewer bits, or ask for likely ranges",
                    l->name, cells, CIRCUIT_MAX_CELLS);
    if (cells > CIRCUIT_MAX_CELLS)
        return fail(ANNULUS_ERR_INPUT,
                    "%s has accumulators of %" PRId64 " values, tables hold %u: round to at most 12 bits", l->name,
                    span, CIRCUIT_MAX_CELLS);
    l->cells = cells < 2 ? 2 : (uint32_t)cells;
    return ANNULUS_OK;
}

/* The range of each neuron in the middle of its table. */
static void place_range(const lower_unit *u, size_t o, int up, circuit_layer *l)
{
    const int64_t window = (int64_t)l->cells * l->step;
    l->offset[o] = (window - (l->hi[o] - l->lo[o] + 1) + up) / 2 - l->lo[o];
    if (u->aligned) l->offset[o] += (l->step - 1) / 2 - (l->offset[o] + l->lo[o]) % l->step;
}

static int64_t within(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

void lower_fill(const dense_layer *d, const lower_options *options, const lower_unit *u, const unsigned char *up,
                circuit_layer *l)
{
    /* the mean of what a cell has, from its first sum on */
    const double mean = u->aligned ? (double)((l->step - 1) / 2) : (double)(l->step - 1) / 2;
    const int saturates = options->saturate && options->ranges_measured;
    for (size_t o = 0; o < l->out; o++) {
        place_range(u, o, up[o], l);
        const int64_t first = saturates ? (l->lo[o] + l->offset[o]) / l->step : 0;
        const int64_t last = saturates ? (l->hi[o] + l->offset[o]) / l->step : l->cells - 1;
        for (size_t c = 0; c < l->cells; c++) { /* neurons with one table write the same */
            const double acc = (double)(within((int64_t)c, first, last) * l->step - l->offset[o]) + mean;
            const double real = l->real_scale[o] * acc + l->real_bias[o];
            l->table[l->table_of[o] * l->cells + c] = quantizer_integer(&d->out_q, dense_layer_act(d, real));
        }
    }
}
