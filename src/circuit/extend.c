/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/extend.h"

#include "base/divisor.h"
#include "base/memory.h"
#include "circuit/exec_priv.h"

#include <string.h>

/* Cells that must be read right, of all neurons with one table. */
typedef struct reach {
    int64_t first, last;
    int64_t low, high; /* how many at either end have its entry; of a constant table all */
    int64_t start;     /* cell that becomes the first of the table */
} reach;

static int is_constant(const reach *r)
{
    return r->low == r->last - r->first + 1;
}

/* The table with `cells` entries has the ramp and both plateaus, at least a cell of each; it is right for as many cells
 * below the ramp as it has cells of plateaus, since below the table its upper one is met mirrored, and as many above.
 */
static int64_t cells_needed(const reach *r)
{
    const int64_t ramp = r->last - r->first + 1 - r->low - r->high, wider = r->low > r->high ? r->low : r->high;
    if (is_constant(r)) return 2;
    return ramp + (wider > 2 ? wider : 2);
}

static int64_t within(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* What is left of each plateau is in the middle of what is possible, or the reach in the middle of the table. */
static int64_t first_cell(const reach *r, int64_t before, int64_t cells)
{
    const int64_t width = r->last - r->first + 1, plateaus = cells - (width - r->low - r->high);
    if (is_constant(r) || cells >= width) return within(r->first - (cells - width) / 2, 0, before - cells);
    const int64_t least = plateaus - r->high > 1 ? plateaus - r->high : 1;
    const int64_t most = plateaus - 1 < r->low ? plateaus - 1 : r->low;
    return r->first + r->low - (least + most) / 2;
}

/* Beyond its ends a table has their entries; sums that need no more than the cell beside it find them there. */
static int32_t entry(const circuit_layer *l, size_t t, int64_t cell)
{
    return l->table[t * l->cells + (size_t)within(cell, 0, (int64_t)l->cells - 1)];
}

static void find_plateaus(const circuit_layer *l, size_t t, reach *r)
{
    r->low = r->high = 1;
    while (r->first + r->low <= r->last && entry(l, t, r->first + r->low) == entry(l, t, r->first)) r->low++;
    while (r->last - r->high >= r->first && entry(l, t, r->last - r->high) == entry(l, t, r->last)) r->high++;
}

/* The sums of neuron o that must be read right. */
static void sums_of(const circuit *c, const circuit_layer *l, size_t o, int64_t *lo, int64_t *hi)
{
    *lo = l->lo[o], *hi = l->hi[o];
    if (!c->saturates || l->offsets > 1) return;
    if (l->proven_lo[o] < *lo) *lo = l->proven_lo[o];
    if (l->proven_hi[o] > *hi) *hi = l->proven_hi[o];
}

/* of (tables) */
static void find_reaches(const circuit *c, const circuit_layer *l, reach *of)
{
    const int64_t beside = circuit_rounds(l);
    for (size_t t = 0; t < l->tables; t++) of[t] = (reach){.first = INT64_MAX, .last = INT64_MIN};
    for (size_t o = 0; o < l->out; o++) {
        reach *r = &of[l->table_of[o]];
        int64_t lo, hi;
        sums_of(c, l, o, &lo, &hi);
        const int64_t first = exec_floor_div(lo + l->offset[o], l->step) - beside;
        const int64_t last = exec_floor_div(hi + l->offset[o], l->step) + beside;
        if (first < r->first) r->first = first;
        if (last > r->last) r->last = last;
    }
    for (size_t t = 0; t < l->tables; t++) {
        if (of[t].first > of[t].last) of[t].first = of[t].last = 0; /* a table that no neuron has */
        find_plateaus(l, t, &of[t]);
    }
}

static void narrow(circuit_layer *l, uint32_t cells, reach *of)
{
    for (size_t t = 0; t < l->tables; t++) {
        int32_t made[CIRCUIT_MAX_CELLS];
        of[t].start = first_cell(&of[t], l->cells, cells);
        for (uint32_t x = 0; x < cells; x++) made[x] = entry(l, t, of[t].start + x);
        /* entries of this and of later tables lie behind */
        memcpy(l->table + t * cells, made, cells * sizeof *made);
    }
    for (size_t o = 0; o < l->out; o++) l->offset[o] -= of[l->table_of[o]].start * l->step;
    l->cells = cells;
}

/* Layers whose accumulators have one window. */
typedef struct group {
    size_t count;
    circuit_layer *of[CIRCUIT_MAX_LAYERS];
    reach *reaches[CIRCUIT_MAX_LAYERS];
} group;

static int takes_one_of(const circuit_layer *a, const circuit_layer *b)
{
    for (size_t k = 0; k < a->sources_count; k++)
        for (size_t m = 0; m < b->sources_count; m++)
            if (a->sources[k] == b->sources[m]) return 1;
    return 0;
}

/* Layer i and all that are tied to it by common sources; marks them in `done`. */
static void collect(circuit *c, size_t i, unsigned char *done, group *g)
{
    g->count = 0;
    g->of[g->count++] = &c->layers[i];
    done[i] = 1;
    for (size_t k = 0; k < g->count; k++)
        for (size_t j = 0; j < c->layers_count; j++)
            if (!done[j] && takes_one_of(&c->layers[j], g->of[k])) {
                g->of[g->count++] = &c->layers[j];
                done[j] = 1;
            }
}

static int could_narrow(const group *g)
{
    int could = 1;
    for (size_t k = 0; k < g->count; k++) could &= g->of[k]->cells > 2 && g->of[k]->unit == 0 && g->of[k]->offsets == 1;
    return could;
}

/* Half the window that all layers of the group need, a multiple of all their steps; INT64_MAX: more than they have. */
static int64_t half_window(const group *g)
{
    const int64_t most = circuit_window(g->of[0]) / 2;
    int64_t steps = 1, need = 0;
    for (size_t k = 0; k < g->count; k++) {
        const circuit_layer *l = g->of[k];
        const int64_t times = l->step / common_divisor(steps, l->step);
        if (times > most / steps) return INT64_MAX;
        steps *= times;
        for (size_t t = 0; t < l->tables; t++) {
            const int64_t own = cells_needed(&g->reaches[k][t]) * l->step;
            need = own > need ? own : need;
        }
    }
    return (need + steps - 1) / steps * steps;
}

static annulus_status extend_group(const circuit *c, group *g, size_t *layers)
{
    size_t tables = 0;
    void *p;
    for (size_t k = 0; k < g->count; k++) tables += g->of[k]->tables;
    TRY(mem_create(tables, sizeof(reach), "look-up tables", &p));
    tables = 0;
    for (size_t k = 0; k < g->count; k++) {
        g->reaches[k] = (reach *)p + tables;
        tables += g->of[k]->tables;
        find_reaches(c, g->of[k], g->reaches[k]);
    }
    const int64_t half = half_window(g), now = circuit_window(g->of[0]) / 2;
    for (size_t k = 0; half < now && k < g->count; k++) {
        narrow(g->of[k], (uint32_t)(half / g->of[k]->step), g->reaches[k]);
        *layers += circuit_is_extended(g->of[k]) != 0;
    }
    mem_free(p);
    return ANNULUS_OK;
}

annulus_status circuit_extend(circuit *c, size_t *layers)
{
    unsigned char done[CIRCUIT_MAX_LAYERS] = {0};
    group g;
    *layers = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        if (done[i]) continue;
        collect(c, i, done, &g);
        if (could_narrow(&g)) TRY(extend_group(c, &g, layers));
    }
    return ANNULUS_OK;
}

/* Cells of neuron o's sums lo to hi below its table, and above. */
static void beyond(const circuit_layer *l, size_t o, int64_t lo, int64_t hi, int64_t *below, int64_t *above)
{
    *below = -exec_floor_div(lo + l->offset[o], l->step);
    *above = exec_floor_div(hi + l->offset[o], l->step) - (int64_t)l->cells + 1;
}

int circuit_range_fits(const circuit *c, const circuit_layer *l, size_t o)
{
    const int32_t *t = circuit_table(l, o);
    const int64_t cells = l->cells;
    int64_t lo, hi, below, above, low = 1, high = 1;
    sums_of(c, l, o, &lo, &hi);
    beyond(l, o, lo, hi, &below, &above);
    if (below <= 0 && above <= 0) return 1;
    if (l->offsets > 1) return 0;
    while (low < cells && t[low] == t[0]) low++;
    while (high < cells && t[cells - 1 - high] == t[cells - 1]) high++;
    return low == cells || (below <= high && above <= low);
}

int circuit_is_extended(const circuit_layer *l)
{
    for (size_t o = 0; l->cells != 0 && l->unit == 0 && o < l->out; o++) {
        int64_t below, above;
        beyond(l, o, l->lo[o], l->hi[o], &below, &above);
        if (below > 0 || above > 0) return 1;
    }
    return 0;
}
