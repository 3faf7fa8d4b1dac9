/* SPDX-License-Identifier: Apache-2.0 */
/* Where the functions of a layer change: found by looking them up, not by their names or scales, so that shifts,
 * truncations and comparisons are all alike. */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include <stdlib.h>

#define DENSE_MOST (1 << 14) /* sums of a neuron that are looked up one by one, of functions that fall and rise */

/* Of one neuron, whose sums are multiples of `unit`. */
typedef struct search {
    const dense_layer *d;
    const lower_unit *u;
    const circuit_layer *l;
    size_t neuron;
    int64_t unit;
    int64_t first; /* LOWER_LEVEL: no change yet */
    int64_t apart;
} search;

static int32_t value_at(const search *s, int64_t k)
{
    const double acc = (double)(k * s->unit);
    const double real = lower_real(s->d, s->u, s->l, s->neuron, acc);
    return quantizer_integer(&s->d->out_q, dense_layer_act(s->d, s->neuron, real));
}

/* Changes between sums a and b, in units, whose values are at hand; no more of them once they are anywhere. */
static void find_changes(search *s, int64_t a, int64_t b, int32_t at_a, int32_t at_b)
{
    if (s->apart == 1 || a == b || (at_a == at_b && activation_is_monotone(s->d->act))) return;
    if (b - a > 1) {
        const int64_t middle = a + (b - a) / 2;
        const int32_t at = value_at(s, middle);
        find_changes(s, a, middle, at_a, at);
        find_changes(s, middle, b, at, at_b);
    } else if (at_a != at_b) {
        if (s->first == LOWER_LEVEL)
            s->first = b * s->unit;
        else
            s->apart = common_divisor(s->apart, b * s->unit - s->first);
    }
}

static void search_neuron(const dense_layer *d, const circuit_layer *l, const lower_unit *u, size_t o, lower_grid *g)
{
    const int64_t unit = u->multiplier;
    const int64_t lo = l->lo[o] / unit, hi = l->hi[o] / unit;
    search s = {.d = d, .u = u, .l = l, .neuron = o, .unit = unit, .first = LOWER_LEVEL};
    if (!activation_is_monotone(d->act) && hi - lo > DENSE_MOST)
        s.apart = 1;
    else
        find_changes(&s, lo, hi, value_at(&s, lo), value_at(&s, hi));
    g->first[o] = s.first;
    g->own[o] = s.apart;
}

annulus_status lower_grid_create(const dense_layer *d, const circuit_layer *l, const lower_unit *u, lower_grid *out)
{
    void *p;
    TRY(mem_create(2 * l->out, sizeof(int64_t), "look-up tables", &p));
    *out = (lower_grid){.first = p, .own = (int64_t *)p + l->out};
    for (size_t o = 0; o < l->out; o++) {
        if (d->channel != NULL && o > 0 && d->channel[o] == d->channel[o - 1])
            out->first[o] = out->first[o - 1], out->own[o] = out->own[o - 1];
        else
            search_neuron(d, l, u, o, out);
        out->apart = common_divisor(out->apart, out->own[o]);
    }
    return ANNULUS_OK;
}

void lower_grid_clear(lower_grid *g)
{
    mem_free(g->first);
    *g = (lower_grid){.apart = 1};
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int lower_grid_holds(const lower_grid *g, size_t o, int64_t step)
{
    return g->first != NULL && g->first[o] != LOWER_LEVEL && g->own[o] % step == 0;
}

int64_t lower_grid_cells(const lower_grid *g, const circuit_layer *l, int64_t step)
{
    int64_t most = 0;
    for (size_t o = 0; o < l->out; o++) {
        const int64_t first = lower_grid_holds(g, o, step) ? g->first[o] : l->lo[o];
        const int64_t cells = floor_div(l->hi[o] - first, step) - floor_div(l->lo[o] - first, step) + 1;
        if (cells > most) most = cells;
    }
    return most;
}

int64_t lower_grid_offset(const lower_grid *g, const circuit_layer *l, size_t o, int64_t offset)
{
    const int64_t window = (int64_t)l->cells * l->step;
    if (!lower_grid_holds(g, o, l->step)) return offset;
    const int64_t above = (((-g->first[o] - offset) % l->step) + l->step) % l->step; /* what is missing */
    int64_t moved = offset + (2 * above > l->step ? above - l->step : above);
    if (l->lo[o] + moved < 0) moved += l->step;
    if (l->hi[o] + moved >= window) moved -= l->step;
    return l->lo[o] + moved < 0 ? offset : moved;
}
