/* SPDX-License-Identifier: Apache-2.0 */
/* Two layers become one. */
#include "base/memory.h"
#include "circuit/share.h"

#include <string.h>

static int same_units(const circuit_layer *a, const circuit_layer *b)
{
    return a->unit == b->unit && (a->unit != 0 || circuit_window(a) == circuit_window(b));
}

int share_fits(const circuit *c, size_t i, size_t j)
{
    return share_allowed(&c->layers[i]) && share_allowed(&c->layers[j]) && share_is_like(c, i, j);
}

int share_encodes_alike(const circuit *c, size_t i, size_t j)
{
    const circuit_layer *a = &c->layers[i], *b = &c->layers[j];
    if (j + 1 >= c->layers_count || a->unit != b->unit) return 0;
    if (a->sources_count != b->sources_count ||
        memcmp(a->sources, b->sources, a->sources_count * sizeof *a->sources) != 0)
        return 0;
    return a->cells == b->cells && a->step == b->step && a->low_bits == b->low_bits && a->log2_error == b->log2_error &&
           a->noise == b->noise && a->mid2 == b->mid2 &&
           same_units(&c->layers[circuit_first_use(c, i + 1)], &c->layers[circuit_first_use(c, j + 1)]);
}

int share_is_like(const circuit *c, size_t i, size_t j)
{
    const circuit_layer *a = &c->layers[i], *b = &c->layers[j];
    return a->offsets == 1 && b->offsets == 1 && a->out + b->out <= CIRCUIT_MAX_WIDTH && share_encodes_alike(c, i, j);
}

/* Number of the first input of source s in reader l, whose sources are the new ones. */
static size_t first_of(const circuit *c, const circuit_layer *l, const share_wires *w, uint32_t s)
{
    size_t first = 0;
    for (size_t k = 0; k < l->sources_count && l->sources[k] != s; k++)
        first += l->sources[k] == w->into ? w->width : circuit_source_values(c, l->sources[k]);
    return first;
}

static int is_rewired(const circuit_layer *l, const share_wires *w)
{
    int has = 0;
    for (size_t k = 0; k < l->sources_count; k++) has |= l->sources[k] == w->into || l->sources[k] == w->gone;
    return has;
}

/* map (old->in): what the inputs of a reader become, whose sources were those of `old` and are those of l. */
static void map_inputs(const circuit *c, const circuit_layer *old, const circuit_layer *l, const share_wires *w,
                       uint32_t *map)
{
    size_t at = 0;
    for (size_t k = 0; k < old->sources_count; k++) {
        const uint32_t s = old->sources[k];
        const int gone = s == w->gone;
        const uint32_t *own = gone ? w->gone_map : s == w->into ? w->map : NULL;
        const uint32_t first = (uint32_t)first_of(c, l, w, gone ? w->into : s);
        const size_t count = circuit_source_values(c, s);
        for (size_t v = 0; v < count; v++) map[at++] = first + (own == NULL ? (uint32_t)v : own[v]);
    }
}

/* What map says of the sign of the inputs of a tap: 0 or SHARE_OPPOSITE; *both: some stay, others change. */
static uint32_t sign_of_tap(const linear_block *b, size_t tap, const uint32_t *map, int *both)
{
    uint32_t sign = 0;
    int any = 0;
    for (size_t p = 0; p < b->places; p++) {
        const uint32_t from = b->from[p * b->taps + tap];
        if (from == LINEAR_NOTHING) continue;
        *both |= any && (map[from] & SHARE_OPPOSITE) != sign;
        sign = map[from] & SHARE_OPPOSITE;
        any = 1;
    }
    return sign;
}

static int may_take(const circuit_layer *l, const uint32_t *map)
{
    int both = 0;
    for (size_t k = 0; k < l->linear.blocks_count; k++)
        for (size_t t = 0; t < l->linear.blocks[k].taps; t++) (void)sign_of_tap(&l->linear.blocks[k], t, map, &both);
    return !both;
}

annulus_status share_may_rewire(const circuit *c, const share_wires *w, int *may)
{
    *may = 1;
    for (size_t r = w->into; *may && r < c->layers_count; r++) {
        const circuit_layer *l = &c->layers[r];
        void *map;
        if (!is_rewired(l, w)) continue;
        TRY(mem_create(l->in, sizeof(uint32_t), "inputs", &map));
        map_inputs(c, l, l, w, map); /* signs do not depend on the new sources */
        *may = may_take(l, map);
        mem_free(map);
    }
    return ANNULUS_OK;
}

static void rewire_block(linear_block *b, const uint32_t *map)
{
    int both = 0;
    for (size_t t = 0; t < b->taps; t++) {
        const int turned = sign_of_tap(b, t, map, &both) != 0;
        for (size_t r = 0; turned && r < b->rows; r++) b->W[r * b->taps + t] *= -1;
    }
    for (size_t m = 0; m < b->places * b->taps; m++)
        if (b->from[m] != LINEAR_NOTHING) b->from[m] = map[b->from[m]] & ~SHARE_OPPOSITE;
}

static annulus_status rewire(const circuit *c, circuit_layer *l, const share_wires *w)
{
    const circuit_layer old = *l;
    int has = 0;
    void *map;
    if (!is_rewired(l, w)) return ANNULUS_OK;
    TRY(mem_create(old.in, sizeof(uint32_t), "inputs", &map));
    l->sources_count = l->in = 0;
    for (size_t k = 0; k < old.sources_count; k++) {
        const int one = old.sources[k] == w->into || old.sources[k] == w->gone;
        if (one && has) continue;
        has |= one;
        l->sources[l->sources_count++] = one ? w->into : old.sources[k];
        l->in += one ? w->width : circuit_source_values(c, old.sources[k]);
    }
    map_inputs(c, &old, l, w, map);
    for (size_t k = 0; k < l->linear.blocks_count; k++) rewire_block(&l->linear.blocks[k], map);
    mem_free(map);
    return ANNULUS_OK;
}

/* All layers behind layer i. */
static annulus_status rewire_readers(circuit *c, size_t i, const share_wires *w)
{
    for (size_t r = i + 1; r < c->layers_count; r++) TRY(rewire(c, &c->layers[r], w));
    return ANNULUS_OK;
}

annulus_status share_rewire(circuit *c, size_t i, const uint32_t *map, size_t width)
{
    const share_wires w = {.into = (uint32_t)i + 1, .gone = UINT32_MAX, .map = map, .width = width};
    return rewire_readers(c, i, &w);
}

annulus_status share_layer_like(const circuit_layer *l, size_t out, uint32_t offsets, uint32_t slot_bits, size_t tables,
                                circuit_layer *made)
{
    *made = *l;
    made->out = out, made->offsets = offsets, made->slot_bits = slot_bits, made->tables = tables;
    made->linear = (circuit_linear){0};
    made->real_scale = made->real_bias = NULL;
    made->proven_lo = made->proven_hi = made->measured_lo = made->measured_hi = made->lo = made->hi = NULL;
    made->offset = NULL;
    made->table_of = NULL, made->table = NULL, made->shift = NULL;
    return circuit_layer_create(made);
}

void share_neuron_copy(const circuit_layer *l, size_t from, circuit_layer *made, size_t to)
{
    made->real_scale[to] = l->real_scale[from], made->real_bias[to] = l->real_bias[from];
    made->proven_lo[to] = l->proven_lo[from], made->proven_hi[to] = l->proven_hi[from];
    made->measured_lo[to] = l->measured_lo[from], made->measured_hi[to] = l->measured_hi[from];
    made->lo[to] = l->lo[from], made->hi[to] = l->hi[from];
    made->offset[to] = l->offset[from];
    if (l->unit != 0) made->shift[to] = l->shift[from];
}

void share_activation(const circuit_layer *l, circuit_layer *made)
{
    if (strcmp(l->activation, made->activation) != 0) memcpy(made->activation, "several", sizeof "several");
}

/* The blocks of both, which are moved; numbers of b's outputs grow by `first`. */
static annulus_status join_linear(circuit_linear *a, circuit_linear *b, size_t first, circuit_linear *out)
{
    TRY(linear_create(a->blocks_count + b->blocks_count, out));
    memcpy(out->blocks, a->blocks, a->blocks_count * sizeof *a->blocks);
    memcpy(out->blocks + a->blocks_count, b->blocks, b->blocks_count * sizeof *b->blocks);
    for (size_t k = a->blocks_count; k < out->blocks_count; k++)
        for (size_t m = 0; m < out->blocks[k].places * out->blocks[k].rows; m++)
            out->blocks[k].to[m] += (uint32_t)first;
    a->blocks_count = b->blocks_count = 0;
    return ANNULUS_OK;
}

annulus_status share_both_linear(const circuit_linear *a, const circuit_linear *b, size_t first, circuit_linear *out)
{
    circuit_linear x = {0}, y = {0};
    annulus_status st = linear_copy(a, &x);
    if (st == ANNULUS_OK) st = linear_copy(b, &y);
    if (st == ANNULUS_OK) st = join_linear(&x, &y, first, out);
    linear_clear(&x);
    linear_clear(&y);
    return st;
}

/* All neurons of both, without linear parts. */
static annulus_status merged_layer(const circuit_layer *a, const circuit_layer *b, circuit_layer *made)
{
    TRY(share_layer_like(a, a->out + b->out, 1, 0, a->tables + b->tables, made));
    memcpy(made->table, a->table, a->tables * a->cells * sizeof *a->table);
    memcpy(made->table + a->tables * a->cells, b->table, b->tables * b->cells * sizeof *b->table);
    for (size_t o = 0; o < made->out; o++) {
        const int first = o < a->out;
        share_neuron_copy(first ? a : b, first ? o : o - a->out, made, o);
        made->table_of[o] = first ? a->table_of[o] : (uint32_t)a->tables + b->table_of[o - a->out];
    }
    if (a->grid != b->grid) made->grid = 0;
    share_activation(b, made);
    return ANNULUS_OK;
}

static void remove_layer(circuit *c, size_t j)
{
    memmove(&c->layers[j], &c->layers[j + 1], (c->layers_count - j - 1) * sizeof *c->layers);
    c->layers[--c->layers_count] = (circuit_layer){.in = 0};
    for (size_t r = j; r < c->layers_count; r++)
        for (size_t k = 0; k < c->layers[r].sources_count; k++) c->layers[r].sources[k] -= c->layers[r].sources[k] > j;
}

annulus_status share_join(circuit *c, size_t i, size_t j, const uint32_t *map, const uint32_t *gone_map, size_t width)
{
    const share_wires w = {(uint32_t)i + 1, (uint32_t)j + 1, map, gone_map, width};
    TRY(rewire_readers(c, i, &w));
    circuit_layer_clear(&c->layers[j]);
    remove_layer(c, j);
    return ANNULUS_OK;
}

annulus_status share_merge(circuit *c, size_t i, size_t j)
{
    circuit_layer *a = &c->layers[i], *b = &c->layers[j], made = {.in = 0};
    const size_t out = a->out + b->out;
    void *p;
    TRY(mem_create(out, sizeof(uint32_t), "inputs", &p));
    uint32_t *map = p;
    for (size_t v = 0; v < out; v++) map[v] = (uint32_t)v;
    const share_wires w = {(uint32_t)i + 1, (uint32_t)j + 1, map, map + a->out, out};
    annulus_status st = rewire_readers(c, i, &w);
    mem_free(p);
    if (st == ANNULUS_OK) st = merged_layer(a, b, &made);
    if (st == ANNULUS_OK) st = join_linear(&a->linear, &b->linear, a->out, &made.linear);
    if (st != ANNULUS_OK) {
        circuit_layer_clear(&made);
        return st;
    }
    circuit_layer_clear(a);
    circuit_layer_clear(b);
    *a = made;
    remove_layer(c, j);
    return ANNULUS_OK;
}
