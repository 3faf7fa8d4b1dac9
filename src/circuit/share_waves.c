/* SPDX-License-Identifier: Apache-2.0 */
/* Waves on one sum that are shifts of each other: values of one rotation, at places of its table. */
#include "base/memory.h"
#include "circuit/share.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Shifts are taken as whole cells where they are off by this part of the bound on the phases' noise at most. */
#define NEAR (1.0 / 32)
#define LEAST 0x1p-20 /* periods: how a model's numbers of 24 bits may be rounded */

/* Layer b as part of layer a: their neurons, those of b behind those of a. */
typedef struct joint {
    const circuit_layer *a, *b;
    share_neuron *list;     /* (all) by hash */
    uint32_t *as;           /* (all) the neuron of a with the same sums, its values `behind` cells on, or itself */
    uint32_t *number;       /* (all) of those that rotate */
    uint32_t *map;          /* (values of a, values of b) their numbers */
    int64_t *room;          /* (in) zeros */
    size_t all, out;        /* out: that rotate */
    uint32_t table, behind; /* cells: of b's table behind a's, of all that b reads */
    share_places places;
    uint32_t of_a[CIRCUIT_MAX_OFFSETS], of_b[CIRCUIT_MAX_OFFSETS]; /* numbers of places */
    circuit_linear linear;
} joint;

static unsigned cell_bits(const circuit_layer *l)
{
    return 63 - (unsigned)__builtin_ctz(l->cells);
}

static int64_t entry(const circuit_layer *l, uint32_t cell)
{
    cell %= 2 * l->cells;
    return cell < l->cells ? l->table[cell] : (int64_t)l->mid2 - l->table[cell - l->cells];
}

/* Sets the cells by which b's table lies behind a's. Returns whether there are such. */
static int table_behind(joint *q)
{
    for (uint32_t d = 0; d < 2 * q->a->cells; d++) {
        uint32_t c = 0;
        while (c < q->a->cells && entry(q->a, c + d) == q->b->table[c]) c++;
        if (c < q->a->cells) continue;
        q->table = d;
        return 1;
    }
    return 0;
}

int share_place(size_t cells, uint32_t at, share_places *p, uint32_t *number)
{
    for (*number = 0; *number < p->count; (*number)++) {
        if (p->at[*number] == at) return 1;
        if (p->at[*number] % cells == at % cells) {
            *number |= SHARE_OPPOSITE;
            return p->opposites;
        }
    }
    if (p->count == CIRCUIT_MAX_OFFSETS) return 0;
    p->at[p->count++] = at;
    return 1;
}

static int find_places(joint *q)
{
    int room = 1;
    q->places.count = 0;
    for (uint32_t j = 0; room && j < q->a->offsets; j++)
        room = share_place(q->a->cells, q->a->at[j], &q->places, &q->of_a[j]);
    for (uint32_t j = 0; room && j < q->b->offsets; j++)
        room = share_place(q->a->cells, (q->b->at[j] + q->behind) % (2 * q->a->cells), &q->places, &q->of_b[j]);
    return room;
}

int share_cells_behind(const circuit_layer *l, uint64_t shift, uint32_t *cells)
{
    const uint64_t half = UINT64_C(1) << (cell_bits(l) - 1), whole = (shift + half) >> cell_bits(l);
    const double off = ldexp(fabs((double)(int64_t)(shift - (whole << cell_bits(l)))), -64);
    *cells = (uint32_t)whole % (2 * l->cells);
    return off <= fmax(NEAR * l->noise, LEAST);
}

/* Of neurons x of a and y of b, whose hashes are equal. found: there are some before. */
static int fits(joint *q, linear_view *view, size_t x, size_t y, int found)
{
    uint32_t cells;
    if (!share_cells_behind(q->a, q->b->shift[y - q->a->out] - q->a->shift[x], &cells)) return 0;
    cells = (cells + q->table) % (2 * q->a->cells);
    if (found && cells != q->behind) return 0;
    if (linear_rows_compare(view, x, y, q->room) != 1) return 0;
    q->behind = cells;
    return found || find_places(q);
}

/* Neurons of b with the sums of one of a. Returns whether there are any. */
static int find_equal(joint *q, linear_view *view)
{
    int found = 0;
    for (size_t k = 0; k < q->all; k++) q->as[k] = (uint32_t)k;
    for (size_t first = 0, next; first < q->all; first = next) {
        const share_neuron *x = &q->list[first];
        for (next = first + 1; next < q->all && q->list[next].hash == x->hash; next++)
            if (x->layer == 0 && q->list[next].layer == 1 && x->hash != SHARE_NO_WEIGHTS) {
                const size_t y = q->a->out + q->list[next].number;
                if (!fits(q, view, x->number, y, found)) continue;
                q->as[y] = x->number;
                found = 1;
            }
    }
    return found;
}

/* Numbers of what rotates and of values. Returns whether values are at most twice as many as before. */
static int number_all(joint *q)
{
    const size_t of_a = circuit_values(q->a), before = of_a + circuit_values(q->b);
    q->out = 0;
    for (size_t k = 0; k < q->all; k++)
        if (q->as[k] == k) q->number[k] = (uint32_t)q->out++;
    if (q->out == q->all || q->out * q->places.count > 2 * before || q->out * q->places.count > CIRCUIT_MAX_WIDTH)
        return 0;
    for (size_t v = 0; v < of_a; v++)
        q->map[v] = q->number[v / q->a->offsets] * q->places.count + q->of_a[v % q->a->offsets];
    for (size_t v = 0; v < before - of_a; v++)
        q->map[of_a + v] =
            q->number[q->as[q->a->out + v / q->b->offsets]] * q->places.count + q->of_b[v % q->b->offsets];
    return 1;
}

/* Without a linear part. */
static annulus_status joint_layer(const joint *q, circuit_layer *made)
{
    TRY(share_layer_like(q->a, q->out, q->places.count, 0, 1, made));
    memcpy(made->table, q->a->table, q->a->cells * sizeof *made->table);
    memcpy(made->at, q->places.at, sizeof made->at);
    const uint64_t ahead = (uint64_t)(q->behind - q->table) << cell_bits(q->a); /* so that b reads at those places */
    for (size_t k = 0; k < q->all; k++) {
        const int first = k < q->a->out;
        if (q->as[k] != k) continue;
        share_neuron_copy(first ? q->a : q->b, first ? k : k - q->a->out, made, q->number[k]);
        if (!first) made->shift[q->number[k]] -= ahead;
    }
    share_activation(q->b, made);
    return ANNULUS_OK;
}

static annulus_status join(circuit *c, size_t i, size_t j, joint *q)
{
    circuit_layer made = {.in = 0};
    annulus_status st = joint_layer(q, &made);
    if (st == ANNULUS_OK) st = share_join(c, i, j, q->map, q->map + circuit_values(q->a), q->out * q->places.count);
    if (st == ANNULUS_OK) st = linear_keep(&q->linear, q->as, q->number);
    if (st != ANNULUS_OK) {
        circuit_layer_clear(&made);
        return st;
    }
    made.linear = q->linear;
    q->linear = (circuit_linear){0};
    circuit_layer_clear(&c->layers[i]);
    c->layers[i] = made;
    return ANNULUS_OK;
}

/* Layer j as part of layer i, where they have sums in common. *may: 0 if readers cannot take opposite values. */
static annulus_status try_join(circuit *c, size_t i, size_t j, joint *q, size_t *saved, int *may)
{
    linear_view *view = NULL;
    const share_wires w = {
        .into = (uint32_t)i + 1, .gone = (uint32_t)j + 1, .map = q->map, .gone_map = q->map + circuit_values(q->a)};
    TRY(share_list_neurons(q->a, 0, 0, q->list));
    TRY(share_list_neurons(q->b, 1, 0, q->list + q->a->out));
    share_sort(q->list, q->all);
    TRY(share_both_linear(&q->a->linear, &q->b->linear, q->a->out, &q->linear));
    TRY(linear_view_create(&q->linear, q->a->in, q->all, &view));
    const int found = find_equal(q, view);
    linear_view_destroy(view);
    if (!found) return ANNULUS_OK;
    TRY(linear_settle(&q->linear, q->as));
    if (!number_all(q)) return ANNULUS_OK;
    TRY(share_may_rewire(c, &w, may));
    if (!*may) return ANNULUS_OK;
    *saved += q->all - q->out;
    return join(c, i, j, q);
}

static annulus_status try_layers(circuit *c, size_t i, size_t j, int opposites, size_t *saved, int *may)
{
    joint q = {.a = &c->layers[i], .b = &c->layers[j], .places = {.opposites = opposites}};
    *may = 1;
    void *p, *list, *room;
    q.all = q.a->out + q.b->out;
    if (!share_encodes_alike(c, i, j) || !table_behind(&q)) return ANNULUS_OK;
    const size_t values = circuit_values(q.a) + circuit_values(q.b);
    TRY(mem_create(2 * q.all + values, sizeof(uint32_t), "shared rotations", &p));
    q.as = p, q.number = q.as + q.all, q.map = q.number + q.all;
    annulus_status st = mem_create(q.all, sizeof(share_neuron), "shared rotations", &list);
    if (st == ANNULUS_OK) q.list = list, st = mem_create(q.a->in, sizeof(int64_t), "shared rotations", &room);
    if (st == ANNULUS_OK) q.room = room, st = try_join(c, i, j, &q, saved, may);
    linear_clear(&q.linear);
    mem_free(q.room);
    mem_free(q.list);
    mem_free(q.as);
    return st;
}

annulus_status circuit_share_waves(circuit *c, size_t *saved)
{
    *saved = 0;
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        if (circuit_is_wave(&c->layers[i])) TRY(share_shifts(c, i, saved));
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        for (size_t j = i + 1; circuit_is_wave(&c->layers[i]) && j + 1 < c->layers_count;) {
            const size_t layers = c->layers_count;
            int may = 0;
            if (c->layers[i].mid2 == 0) TRY(try_layers(c, i, j, 1, saved, &may));
            if (!may) TRY(try_layers(c, i, j, 0, saved, &may));
            j += c->layers_count == layers; /* else another one is layer j */
        }
    return ANNULUS_OK;
}
