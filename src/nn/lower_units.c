/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that take the same values read them in the same units, so their accumulators have one window: that of the
 * widest. Those of narrower layers are multiplied by an integer to fill it: by their step, if each accumulator can have
 * a cell of its own. How wide they are shows when the layers are lowered, so that this is done again with the windows
 * that were found, until all fit. */
#include "nn/lower_priv.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define MOST_PASSES 16u
#define SAME 1e-6 /* relative */

int lower_common_phase(const double *phase, size_t count, int32_t *whole, double *unit, size_t *off)
{
    *off = 0;
    for (int32_t q = 1; q <= NETWORK_MAX_FACTOR; q++) { /* of the first layer */
        int fits = 1;
        *unit = phase[0] / q;
        for (size_t i = 0; i < count && fits; i++) {
            const double times = rint(phase[i] / *unit);
            fits = times >= 1 && times <= NETWORK_MAX_FACTOR && fabs(phase[i] / *unit - times) <= SAME * times;
            if (fits)
                whole[i] = (int32_t)times;
            else
                *off = i;
        }
        if (fits) return 1;
    }
    return 0;
}

/* Multipliers of the torus-native layers of a group, whose units are multiples of one: scales that were rounded to
 * single precision apart. */
static annulus_status share_phase(const network *n, const circuit *c, lower_units *u, size_t group)
{
    double phase[CIRCUIT_MAX_LAYERS], unit;
    size_t of[CIRCUIT_MAX_LAYERS], count = 0, off;
    int32_t whole[CIRCUIT_MAX_LAYERS];
    for (size_t i = 0; i < u->layers; i++) {
        int32_t factors[NETWORK_MAX_LAYERS];
        if (u->of[i].group != group) continue;
        TRY(network_factors(n, i, factors, &phase[count]));
        phase[count] *= n->layers[i].w_scale[0];
        of[count++] = i;
    }
    if (lower_common_phase(phase, count, whole, &unit, &off)) {
        for (size_t i = 0; i < count; i++)
            u->of[of[i]].multiplier = whole[i], u->of[of[i]].phase = unit, u->of[of[i]].grouped = 0;
        return ANNULUS_OK;
    }
    return fail(ANNULUS_ERR_INPUT,
                "%s and %s are torus-native and take the same values with weights whose scales, %g and %g periods, are "
                "in no ratio of integers up to %d",
                c->layers[group].name, c->layers[of[off]].name, phase[0], phase[off], NETWORK_MAX_FACTOR);
}

annulus_status lower_units_init(const network *n, const circuit *c, lower_units *u)
{
    size_t group[NETWORK_MAX_LAYERS];
    u->layers = c->layers_count;
    lower_find_groups(n, group);
    for (size_t i = 0; i < u->layers; i++)
        u->of[i] = (lower_unit){.group = group[i], .multiplier = 1, .whole = u->of[i].whole, .lean = u->of[i].lean};
    for (size_t i = 0; i < u->layers; i++)
        for (size_t j = 0; j < u->layers; j++) u->of[i].grouped |= i != j && u->of[i].group == u->of[j].group;
    for (size_t i = 0; i < u->layers; i++)
        for (size_t j = 0; j < i; j++)
            if (u->of[i].group == u->of[j].group &&
                activation_is_wave(n->layers[i].act) != activation_is_wave(n->layers[j].act))
                return fail(ANNULUS_ERR_INPUT, "%s and %s take the same values, and one of them alone is torus-native",
                            c->layers[j].name, c->layers[i].name);
    for (size_t i = 0; i < u->layers; i++)
        if (u->of[i].group == i && u->of[i].grouped && activation_is_wave(n->layers[i].act))
            TRY(share_phase(n, c, u, i));
    return ANNULUS_OK;
}

void lower_units_need(lower_unit *u, int64_t window)
{
    const int64_t need = (window + u->multiplier - 1) / u->multiplier;
    if (need > u->need) u->need = need;
}

/* Of a layer beside wider ones: the window grows by a part of this to be a multiple of its step. */
#define LEAST_CELLS 16

static int64_t cells_of(const lower_unit *v)
{
    return v->need > LEAST_CELLS ? v->need : LEAST_CELLS;
}

/* log2 of the fewest cells, at most 2^bits, that have room for an accumulator each; bits: none. */
static unsigned whole_bits(const lower_unit *v, int64_t half)
{
    for (unsigned bits = 1; bits < v->bits; bits++)
        if (cells_of(v) <= INT64_C(1) << bits && half >> bits <= v->most_multiplier) return bits;
    return v->bits;
}

/* The step of a layer whose every accumulator has its own cell: the divisor of the window that leaves it the widest
 * cells. Those of even ones are narrower by a unit (circuit_half_window). */
static int64_t exact_step(const lower_unit *v, int64_t half)
{
    int64_t best = 1;
    for (int64_t step = 2; step <= half / cells_of(v) && step <= v->most_multiplier; step++)
        if (half % step == 0 && step - (step % 2 == 0) > best - (best % 2 == 0)) best = step;
    return best;
}

/* The window, widened to a multiple of an odd step for each layer without rounding that is narrower than another, by
 * falling need, each a multiple of the one before. */
static int64_t exact_window(const lower_units *u, const circuit *c, size_t group, int64_t half)
{
    int64_t step = 1;
    for (int64_t last = INT64_MAX;;) {
        const lower_unit *next = NULL;
        for (size_t i = 0; i < u->layers; i++) {
            const lower_unit *v = &u->of[i];
            if (v->group == group && c->layers[i].cells != 0 && v->need < last &&
                (next == NULL || v->need > next->need))
                next = v;
        }
        if (next == NULL) break;
        last = next->need;
        const int64_t times = half / step / cells_of(next);
        if (times > 1) step *= times - (times % 2 == 0);
    }
    return (half + step - 1) / step * step;
}

/* The half window of a group: what the widest asks for, and a whole number of steps; a power of two if one member's
 * cells are to be one, so that all steps are, too, and all members' cells. */
static int64_t group_window(lower_units *u, const circuit *c, size_t group)
{
    unsigned most_bits = 0;
    int whole = 0, lean = 0;
    int64_t half = 2;
    int exact_rounding = 0;
    for (size_t i = 0; i < u->layers; i++) {
        if (u->of[i].group != group) continue;
        if (u->of[i].need > half) half = u->of[i].need;
        if (u->of[i].bits > most_bits) most_bits = u->of[i].bits;
        exact_rounding |= u->of[i].exact;
        whole |= u->of[i].whole;
        lean |= u->of[i].lean;
    }
    for (size_t i = 0; i < u->layers; i++) {
        u->of[i].whole |= u->of[i].group == group && whole;
        u->of[i].lean |= u->of[i].group == group && lean;
    }
    if (whole) return lower_power_of_two(half > INT64_C(1) << most_bits ? half : INT64_C(1) << most_bits);
    if (most_bits == 0) return exact_window(u, c, group, half);
    const int64_t step = (half + (INT64_C(1) << most_bits) - 1) >> most_bits;
    return (exact_rounding ? lower_power_of_two(step) : step) << most_bits;
}

/* Step and multiplier of a layer with this half window. */
static void plan_unit(lower_unit *v, int output, int64_t half)
{
    const int64_t fits = half / (v->need > 0 ? v->need : 1), most = v->most_multiplier;
    v->half_window = half;
    v->multiplier = (int32_t)(fits < most ? fits : most);
    if (v->shifts) v->multiplier = (int32_t)(lower_power_of_two(v->multiplier + 1) / 2);
    v->step = output ? 1 : v->bits == 0 ? exact_step(v, half) : half >> whole_bits(v, half);
    v->aligned = !output && v->step <= v->multiplier;
    if (v->aligned) v->multiplier = (int32_t)v->step;
}

static annulus_status plan_group(lower_units *u, const circuit *c, size_t group)
{
    const int64_t half = group_window(u, c, group);
    for (size_t i = 0; i < u->layers; i++) {
        lower_unit *v = &u->of[i];
        if (v->group != group) continue;
        plan_unit(v, c->layers[i].cells == 0, half);
        const int64_t cells = half / v->step;
        if (c->layers[i].cells != 0 && cells > CIRCUIT_MAX_CELLS)
            return fail(ANNULUS_ERR_INFEASIBLE,
                        "%s takes the values of a layer whose accumulators have a window of %" PRId64
                        " values, %.1f bits, where tables hold %u at any error probability" LOWER_ROUND,
                        c->layers[i].name, half, log2((double)half), CIRCUIT_MAX_CELLS);
    }
    return ANNULUS_OK;
}

annulus_status lower_units_plan(lower_units *u, const circuit *c, int *again)
{
    *again = 0;
    for (size_t i = 0; i < u->layers; i++)
        *again |= u->of[i].grouped && u->of[i].need * u->of[i].multiplier > u->of[i].half_window;
    if (!*again) return ANNULUS_OK;
    if (++u->passes > MOST_PASSES)
        return fail(ANNULUS_ERR_INFEASIBLE, "the ranges of layers that take the same values do not settle");
    for (size_t i = 0; i < u->layers; i++)
        if (u->of[i].grouped && u->of[i].group == i) TRY(plan_group(u, c, i));
    return ANNULUS_OK;
}
