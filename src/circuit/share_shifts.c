/* SPDX-License-Identifier: Apache-2.0 */
/* Waves of one layer on the same sums, whose phases differ: values of one rotation, at places of its table. */
#include "base/memory.h"
#include "circuit/share.h"

#include <string.h>

typedef struct shifts {
    const circuit_layer *l;
    share_neuron *list; /* (out) by hash */
    int64_t *room;      /* (in) zeros */
    uint32_t *as;       /* (out) the first neuron with the same sums whose values these are, or itself */
    uint32_t *behind;   /* (out) cells by which it reads behind that */
    uint32_t *number;   /* (out) of those that rotate */
    uint32_t *map;      /* (values) numbers of theirs */
    size_t out;         /* that rotate */
    share_places places;
} shifts;

/* The place of value j of neuron o. Returns whether there is one. */
static int place_of(shifts *q, size_t o, uint32_t j, uint32_t *number)
{
    return share_place(q->l->cells, (q->l->at[j] + q->behind[o]) % (2 * q->l->cells), &q->places, number);
}

/* Places for all values of neuron o, or none of them. Returns whether there are. */
static int takes_places(shifts *q, size_t o)
{
    const share_places before = q->places;
    uint32_t number;
    int room = 1;
    for (uint32_t j = 0; room && j < q->l->offsets; j++) room = place_of(q, o, j, &number);
    if (!room) q->places = before;
    return room;
}

/* as and behind. Returns whether there is a neuron that goes. */
static int find_shifts(shifts *q, linear_view *view)
{
    int found = 0;
    for (size_t o = 0; o < q->l->out; o++) q->as[o] = (uint32_t)o;
    (void)takes_places(q, 0); /* those that every neuron has */
    for (size_t first = 0, next; first < q->l->out; first = next) {
        const share_neuron *x = &q->list[first];
        for (next = first + 1; next < q->l->out && q->list[next].hash == x->hash; next++) {
            const uint32_t y = q->list[next].number;
            if (x->hash == SHARE_NO_WEIGHTS || linear_rows_compare(view, x->number, y, q->room) != 1) continue;
            if (share_cells_behind(q->l, q->l->shift[y] - q->l->shift[x->number], &q->behind[y]) && takes_places(q, y))
                q->as[y] = x->number, found = 1;
            else
                q->behind[y] = 0;
        }
    }
    return found;
}

/* Once it is settled who goes: places of theirs alone, those that every neuron has first. */
static void settle_places(shifts *q)
{
    q->places.count = 0;
    for (size_t o = 0; o < q->l->out; o++)
        if (q->as[o] == o) q->behind[o] = 0;
    (void)takes_places(q, q->as[0]);
    for (size_t o = 0; o < q->l->out; o++) (void)takes_places(q, o);
}

/* Numbers of what rotates and of values. Returns whether values are no more than before. */
static int number_all(shifts *q)
{
    const size_t before = circuit_values(q->l), each = q->l->offsets;
    q->out = 0;
    for (size_t o = 0; o < q->l->out; o++)
        if (q->as[o] == o) q->number[o] = (uint32_t)q->out++;
    const size_t values = q->out * q->places.count;
    if (q->out == q->l->out || values > before) return 0;
    for (size_t v = 0; v < before; v++) {
        uint32_t number;
        (void)place_of(q, v / each, (uint32_t)(v % each), &number);
        q->map[v] = q->number[q->as[v / each]] * q->places.count + number;
    }
    return 1;
}

static annulus_status shifted_layer(const shifts *q, circuit_layer *made)
{
    TRY(share_layer_like(q->l, q->out, q->places.count, 0, 1, made));
    memcpy(made->table, q->l->table, q->l->cells * sizeof *made->table);
    memcpy(made->at, q->places.at, sizeof made->at);
    for (size_t o = 0; o < q->l->out; o++)
        if (q->as[o] == o) share_neuron_copy(q->l, o, made, q->number[o]);
    TRY(linear_copy(&q->l->linear, &made->linear));
    return linear_keep(&made->linear, q->as, q->number);
}

/* *may: 0 if readers cannot take opposite values. */
static annulus_status try_shifts(circuit *c, size_t i, shifts *q, size_t *saved, int *may)
{
    const share_wires w = {.into = (uint32_t)i + 1, .gone = UINT32_MAX, .map = q->map};
    circuit_layer made = {.in = 0};
    linear_view *view = NULL;
    TRY(share_list_neurons(q->l, 0, 0, q->list));
    share_sort(q->list, q->l->out);
    TRY(linear_view_create(&q->l->linear, q->l->in, q->l->out, &view));
    const int found = find_shifts(q, view);
    linear_view_destroy(view);
    if (!found) return ANNULUS_OK;
    TRY(linear_settle(&q->l->linear, q->as));
    settle_places(q);
    if (!number_all(q)) return ANNULUS_OK;
    TRY(share_may_rewire(c, &w, may));
    if (!*may) return ANNULUS_OK;
    annulus_status st = shifted_layer(q, &made);
    if (st == ANNULUS_OK) st = share_rewire(c, i, q->map, q->out * q->places.count);
    if (st != ANNULUS_OK) {
        circuit_layer_clear(&made);
        return st;
    }
    *saved += q->l->out - q->out;
    circuit_layer_clear(&c->layers[i]);
    c->layers[i] = made;
    return ANNULUS_OK;
}

static annulus_status with_opposites(circuit *c, size_t i, int opposites, size_t *saved, int *may)
{
    const circuit_layer *l = &c->layers[i];
    shifts q = {.l = l, .places = {.opposites = opposites}};
    *may = 1;
    void *p, *list, *room;
    TRY(mem_create(3 * l->out + circuit_values(l), sizeof(uint32_t), "shared rotations", &p));
    q.as = p, q.behind = q.as + l->out, q.number = q.behind + l->out, q.map = q.number + l->out;
    annulus_status st = mem_create(l->out, sizeof(share_neuron), "shared rotations", &list);
    if (st == ANNULUS_OK) q.list = list, st = mem_create(l->in, sizeof(int64_t), "shared rotations", &room);
    if (st == ANNULUS_OK) q.room = room, st = try_shifts(c, i, &q, saved, may);
    mem_free(q.room);
    mem_free(q.list);
    mem_free(q.as);
    return st;
}

annulus_status share_shifts(circuit *c, size_t i, size_t *saved)
{
    int may = 0;
    if (c->layers[i].mid2 == 0) TRY(with_opposites(c, i, 1, saved, &may));
    return may ? ANNULUS_OK : with_opposites(c, i, 0, saved, &may);
}
