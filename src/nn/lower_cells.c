/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of padded look-ups (docs/rounding.md): how many cells, how wide, and what they hold. */
#include "nn/lower_priv.h"

#include <inttypes.h>
#include <math.h>
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

/* Cells of this step, at least `least` for the widest range; where sums beyond saturate half the torus, for them to lie
 * behind the other end of it, those that approximate rounding reads in the cell beside, too. */
static int64_t saturating_cells(const circuit_layer *l, const lower_options *options, int rounds, int64_t step,
                                int64_t least)
{
    const int64_t far = options->saturate && options->ranges_measured ? farthest(l) : 0;
    const int64_t cells = far > 0 ? (far + step - 1) / step + (rounds && step > 1) : 0;
    return cells > least ? cells : least;
}

/* Whether no cell of this step has two values, given as many cells. */
static int loses_nothing(const lower_grid *g, int64_t step)
{
    return g->apart != 1 && g->apart % step == 0;
}

static int64_t range_cells(const lower_grid *g, const circuit_layer *l, int64_t step)
{
    const int64_t span = lower_widest_span(l->lo, l->hi, l->out);
    return loses_nothing(g, step) ? lower_grid_cells(g, l, step) : (span + step - 1) / step;
}

#define FEW_CELLS 32 /* of tables where a bit less saves no more than the look-up that takes it off (rounding.md) */

/* The next divisor from this one on of what changes are apart, found as one or by the other factor, of which there are
 * fewer; or one beyond `end`. */
static int64_t next_divisor(const lower_grid *g, int64_t step, int64_t end)
{
    if (step > end || step > g->apart) return end + 1;
    if (end - step < g->apart / step) {
        while (step <= end && g->apart % step != 0) step++;
        return step;
    }
    for (int64_t times = g->apart / step; times > 0; times--)
        if (g->apart % times == 0) return g->apart / times;
    return end + 1;
}

/* The least step up to `end` of which one change alone, of every neuron, needs no more than `most` cells, which become
 * fewer the larger it is; beyond `end`: there is none. */
static int64_t step_of_one_change(const lower_grid *g, const circuit_layer *l, int64_t most, int64_t step, int64_t end)
{
    if (lower_grid_cells(g, l, end) > most) return end + 1;
    while (step < end) {
        const int64_t middle = step + (end - step) / 2;
        if (lower_grid_cells(g, l, middle) > most)
            step = middle + 1;
        else
            end = middle;
    }
    return end;
}

/* The least step from this one on, up to `end`, that loses nothing within `most` cells; beyond `end`: there is none. */
static int64_t lossless_step(const lower_grid *g, const circuit_layer *l, int64_t most, int64_t step, int64_t end)
{
    if (g->apart == 1) return end + 1;
    if (g->apart == 0) return step_of_one_change(g, l, most, step, end);
    step = next_divisor(g, step, end);
    while (step <= end && lower_grid_cells(g, l, step) > most) step = next_divisor(g, step + 1, end);
    return step;
}

/* The least step that `most` cells allow, or one up to twice as large that loses nothing. Exact: a power of two, and of
 * those that lose nothing the least that leaves FEW_CELLS or fewer. */
static int64_t choose_step(const lower_grid *g, const circuit_layer *l, int64_t most, int exact)
{
    const int64_t span = lower_widest_span(l->lo, l->hi, l->out), need = (span + most - 1) / most;
    const int64_t least = exact ? lower_power_of_two(need) : need, end = 2 * least;
    int64_t step = exact ? least : lossless_step(g, l, most, least, end);
    while (exact && step <= end && !(loses_nothing(g, step) && lower_grid_cells(g, l, step) <= most)) step *= 2;
    if (step > end) return least;
    while (exact && lower_grid_cells(g, l, step) > FEW_CELLS && loses_nothing(g, 2 * step)) step *= 2;
    return step;
}

/* Of a layer whose window and step are those of others. */
static void take_window(const lower_options *options, lower_unit *u, int exact, lower_grid *g, circuit_layer *l)
{
    l->step = u->step;
    l->cells = (uint32_t)(u->half_window / u->step);
    if (exact && !u->aligned) l->low_bits = (uint32_t)__builtin_ctzll((uint64_t)l->step);
    const int64_t own = range_cells(g, l, l->step),
                  all = saturating_cells(l, options, !exact && !u->aligned, l->step, own);
    const int64_t span = lower_widest_span(l->lo, l->hi, l->out);
    lower_units_need(u, options->saturate || (loses_nothing(g, l->step) && !u->aligned) ? all * l->step : span);
    if (own > l->cells) g->apart = 1; /* the window grows for the next time */
}

/* Whether steps that are powers of two lose nothing, as far as `step` needs them. */
static int changes_shift(const lower_grid *g, int64_t step)
{
    return step > 1 && loses_nothing(g, lower_power_of_two(step));
}

annulus_status lower_cells(const dense_layer *d, const lower_options *options, lower_unit *u, circuit_layer *l,
                           lower_grid *grid)
{
    const layer_rounding r = rounding_of(d, options, l->name);
    const int64_t span = lower_widest_span(l->lo, l->hi, l->out), most = r.bits == 0 ? span : INT64_C(1) << r.bits;
    const int exact = r.bits != 0 && r.method == ROUNDING_EXACT;
    u->exact = exact;
    u->most_multiplier = lower_most_multiplier(l) * u->multiplier;
    /* look-ups that are to share rotations lie as that needs them */
    if (exact || !(u->whole || u->lean)) TRY(lower_grid_create(d, l, u, grid));
    if (u->half_window != 0) {
        u->exact |= u->shifts;
        take_window(options, u, exact, grid, l);
        return ANNULUS_OK;
    }
    l->step = choose_step(grid, l, most, exact);
    if (exact) l->low_bits = (uint32_t)__builtin_ctzll((uint64_t)l->step);
    if (r.bits != 0 && changes_shift(grid, (span + most - 1) / most)) u->exact = u->shifts = 1;
    int64_t cells = saturating_cells(l, options, !exact, l->step, range_cells(grid, l, l->step));
    u->bits = r.bits;
    while (r.bits != 0 && INT64_C(1) << u->bits < cells) u->bits++;
    lower_units_need(u, options->saturate || loses_nothing(grid, l->step) ? cells * l->step : span);
    if (u->whole) cells = lower_power_of_two(cells);
    if (cells > CIRCUIT_MAX_CELLS && options->saturate)
        return fail(ANNULUS_ERR_INFEASIBLE,
                    "%s needs %" PRId64 " cells for all sums beyond their ranges to saturate, tables hold %u: round to "
                    "fewer bits, or ask for likely ranges",
                    l->name, cells, CIRCUIT_MAX_CELLS);
    if (cells > CIRCUIT_MAX_CELLS)
        return fail(ANNULUS_ERR_INFEASIBLE,
                    "%s asks for %.1f bits, accumulators of %" PRId64
                    " values, where tables hold %u at any error probability" LOWER_ROUND,
                    l->name, log2((double)span), span, CIRCUIT_MAX_CELLS);
    l->cells = cells < 2 ? 2 : (uint32_t)cells;
    return ANNULUS_OK;
}

/* The range of each neuron in the middle of its table, or as near to it as the function's changes allow. */
static void place_range(const lower_unit *u, const lower_grid *g, size_t o, int up, circuit_layer *l)
{
    const int64_t window = (int64_t)l->cells * l->step;
    l->offset[o] = (window - (l->hi[o] - l->lo[o] + 1) + up) / 2 - l->lo[o];
    if (u->aligned)
        l->offset[o] += (l->step - 1) / 2 - (l->offset[o] + l->lo[o]) % l->step;
    else
        l->offset[o] = lower_grid_offset(g, l, o, l->offset[o]);
}

static int64_t within(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* The sum that the entry of cell c stands for: the mean of those that it has. Where changes lie on borders, that
 * next to it of those that the neuron can have within its range, if there is any: beside them they may lie anywhere. */
static double sum_of(const lower_unit *u, const lower_grid *g, const circuit_layer *l, size_t o, int64_t c)
{
    const int64_t first = c * l->step - l->offset[o], last = first + l->step - 1;
    const double mean = (double)first + (u->aligned ? (double)((l->step - 1) / 2) : (double)(l->step - 1) / 2);
    if (u->aligned || !lower_grid_holds(g, o, l->step) || last < l->lo[o] || first > l->hi[o]) return mean;
    const int64_t unit = u->multiplier; /* sums of the range are lo and multiples of it more */
    const int64_t from = first > l->lo[o] ? first - l->lo[o] : 0, to = (last < l->hi[o] ? last : l->hi[o]) - l->lo[o];
    const double least = (double)(l->lo[o] + (from + unit - 1) / unit * unit),
                 most = (double)(l->lo[o] + to / unit * unit);
    if (least > most) return mean;
    const double next = least + floor((mean - least) / (double)unit + 0.5) * (double)unit;
    return next < least ? least : next > most ? most : next;
}

void lower_fill(const dense_layer *d, const lower_options *options, const lower_unit *u, const lower_grid *grid,
                const unsigned char *up, circuit_layer *l)
{
    const int saturates = options->saturate && options->ranges_measured;
    l->grid = grid->apart == 0 ? l->step : grid->apart > 1 ? grid->apart : 0;
    for (size_t o = 0; o < l->out; o++) {
        place_range(u, grid, o, up[o], l);
        const int64_t first = saturates ? (l->lo[o] + l->offset[o]) / l->step : 0;
        const int64_t last = saturates ? (l->hi[o] + l->offset[o]) / l->step : l->cells - 1;
        for (size_t c = 0; c < l->cells; c++) { /* neurons with one table write the same */
            const double acc = sum_of(u, grid, l, o, within((int64_t)c, first, last));
            const double real = lower_real(d, u, l, o, acc);
            l->table[l->table_of[o] * l->cells + c] = quantizer_integer(&d->out_q, dense_layer_act(d, o, real));
        }
    }
}
