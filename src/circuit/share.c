/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/share.h"

#include "base/memory.h"
#include "base/random.h"
#include "circuit/exec_priv.h"
#include "circuit/mix.h"

#include <stdlib.h>
#include <string.h>

static uint64_t row_hash(const uint32_t *input, const int64_t *weight, size_t count)
{
    uint64_t sum = 0;
    for (size_t k = 0; k < count; k++) sum += (uint64_t)weight[k] * random_mix(input[k] * RANDOM_STEP);
    return sum < -sum ? sum : -sum;
}

static int by_hash(const void *a, const void *b)
{
    const share_neuron *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

void share_sort(share_neuron *list, size_t count)
{
    qsort(list, count, sizeof *list, by_hash);
}

/* The same for look-ups of equal sums with the same cells and table. */
static uint64_t look_up_hash(const circuit_layer *l, size_t o, uint64_t hash)
{
    const int32_t *t = circuit_table(l, o);
    hash = random_mix(hash ^ (l->unit != 0 ? l->shift[o] : (uint64_t)l->offset[o]));
    for (size_t x = 0; x < l->cells; x++) hash = random_mix(hash ^ (uint64_t)t[x]);
    return hash;
}

annulus_status share_list_neurons(const circuit_layer *l, uint32_t layer, int equal, share_neuron *out)
{
    linear_view *view = NULL;
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        out[o] = (share_neuron){row_hash(input, weight, count), layer, (uint32_t)o};
        if (equal && out[o].hash != SHARE_NO_WEIGHTS) out[o].hash = look_up_hash(l, o, out[o].hash);
    }
    linear_view_destroy(view);
    return ANNULUS_OK;
}

/* Whether a neuron of layer j has the sums of one of layer i, or its look-up; of another one, if they are the same
 * layer. */
static annulus_status have_equal(const circuit *c, size_t i, size_t j, int look_up, int *have)
{
    const circuit_layer *a = &c->layers[i], *b = &c->layers[j];
    const size_t all = a->out + (i == j ? 0 : b->out);
    void *p;
    TRY(mem_create(all, sizeof(share_neuron), "shared rotations", &p));
    share_neuron *list = p;
    annulus_status st = share_list_neurons(a, 0, look_up, list);
    if (st == ANNULUS_OK && i != j) st = share_list_neurons(b, 1, look_up, list + a->out);
    if (st == ANNULUS_OK) share_sort(list, all);
    *have = 0;
    for (size_t k = 1; k < all; k++)
        *have |= list[k].hash != SHARE_NO_WEIGHTS && list[k].hash == list[k - 1].hash &&
                 (i == j || list[k].layer != list[k - 1].layer);
    mem_free(p);
    return st;
}

annulus_status circuit_could_share(const circuit *c, unsigned char *could)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        int have = 0;
        const circuit_layer *l = &c->layers[i];
        if (share_allowed(l)) TRY(have_equal(c, i, i, 0, &have));
        for (size_t j = i + 1; share_allowed(l) && !have && j < c->layers_count; j++)
            if (share_fits(c, i, j)) TRY(have_equal(c, i, j, 0, &have));
        could[i] = (unsigned char)have;
    }
    return ANNULUS_OK;
}

/* How the neurons of a layer share rotations. */
typedef struct sharing {
    uint32_t *as;     /* (out) the first neuron with the same sums, or itself */
    uint32_t *place;  /* (out) which of its values */
    uint32_t *number; /* (out) of those that rotate, from now on */
    uint32_t *count;  /* (out) values of those */
    int *mirrored;    /* (out) sums opposite to those of the first */
} sharing;

/* Whether b reads the cell that a reads, or the one that lies opposite in the table, at every sum. Where all sums are
 * multiples of the step, it does not matter where in a cell they lie. */
static int same_cells(const circuit_layer *l, int rounds, uint32_t a, uint32_t b, int sign)
{
    const int64_t x = l->offset[a], y = l->offset[b], step = l->step;
    if (rounds) return sign > 0 ? x == y : x + y == (int64_t)l->cells * step - 1;
    const int64_t first = exec_floor_div(x, step), second = exec_floor_div(y, step);
    return sign > 0 ? first == second : first + second == (int64_t)l->cells - 1;
}

/* Whether b, of the sums of a, looks up what a does: one ciphertext, whose noise both have. */
static int same_look_up(const circuit_layer *l, uint32_t a, uint32_t b)
{
    return (l->unit != 0 ? l->shift[a] == l->shift[b] : l->offset[a] == l->offset[b]) &&
           memcmp(circuit_table(l, a), circuit_table(l, b), l->cells * sizeof *l->table) == 0;
}

/* Of neurons with equal look-ups, or, to share rotations, with equal or opposite sums. */
static void find_firsts(const circuit_layer *l, int equal, const share_neuron *list, linear_view *view, int64_t *weight,
                        sharing *s)
{
    const int rounds = circuit_rounds(l);
    const uint32_t most = equal ? UINT32_MAX : CIRCUIT_MAX_OFFSETS;
    for (size_t first = 0, next; first < l->out; first = next) {
        for (next = first + 1; next < l->out && list[next].hash == list[first].hash; next++)
            for (size_t k = first; k < next; k++) {
                const uint32_t a = list[k].number, b = list[next].number;
                if (list[k].hash == SHARE_NO_WEIGHTS || s->as[a] != a || s->count[a] == most) continue;
                if (equal ? !same_look_up(l, a, b)
                          : !same_cells(l, rounds, a, b, 1) && !same_cells(l, rounds, a, b, -1))
                    continue;
                const int sign = linear_rows_compare(view, a, b, weight);
                if (sign == 0 || (equal ? sign < 0 : !same_cells(l, rounds, a, b, sign))) continue;
                s->as[b] = a;
                s->mirrored[b] = sign < 0;
                s->count[a]++;
                break;
            }
    }
}

static annulus_status find_sharing(const circuit_layer *l, int equal, sharing *s)
{
    linear_view *view = NULL;
    void *p;
    TRY(mem_create(l->out * sizeof(share_neuron) + l->in * sizeof(int64_t), 1, "shared rotations", &p));
    share_neuron *list = p;
    annulus_status st = share_list_neurons(l, 0, 0, list);
    if (st == ANNULUS_OK) st = linear_view_create(&l->linear, l->in, l->out, &view);
    if (st == ANNULUS_OK) {
        share_sort(list, l->out);
        find_firsts(l, equal, list, view, (int64_t *)(void *)(list + l->out), s);
        st = linear_settle(&l->linear, s->as);
        for (size_t o = 0; o < l->out; o++) /* those that were not to rotate, and do, look up what they did */
            if (s->as[o] == o) s->mirrored[o] = 0;
    }
    linear_view_destroy(view);
    mem_free(p);
    return st;
}

/* Numbers of rotations and values; returns the rotations. Equal look-ups give one value. */
static size_t number_values(size_t out, int equal, sharing *s, uint32_t *most)
{
    size_t rotations = 0;
    *most = 1;
    for (size_t o = 0; o < out; o++) {
        s->count[o] = 0;
        if (s->as[o] == o) s->number[o] = (uint32_t)rotations++;
    }
    for (size_t o = 0; o < out; o++) { /* the first of all comes first: it is the least */
        s->place[o] = equal ? 0 : s->count[s->as[o]]++;
        if (s->count[s->as[o]] > *most) *most = s->count[s->as[o]];
    }
    return rotations;
}

static void mirror(const circuit_layer *l, size_t o, int32_t *table)
{
    const int32_t *from = circuit_table(l, o);
    for (size_t x = 0; x < l->cells; x++) table[x] = from[l->cells - 1 - x];
}

/* The layer with its tables, and those of mirrored neurons the other way round. */
static annulus_status mixed_layer(const circuit_layer *l, const sharing *s, size_t rotations, uint32_t most,
                                  circuit_layer *made)
{
    size_t tables = l->tables;
    for (size_t o = 0; o < l->out; o++) tables += s->as[o] != o && s->mirrored[o];
    TRY(share_layer_like(l, rotations, most, 0, tables, made));
    memcpy(made->table, l->table, l->tables * l->cells * sizeof *l->table);
    tables = l->tables;
    for (size_t o = 0; o < l->out; o++) {
        const size_t first = (size_t)s->number[s->as[o]] * most;
        uint32_t t = l->table_of[o];
        if (s->as[o] == o) {
            share_neuron_copy(l, o, made, s->number[o]);
            for (uint32_t j = 0; j < most; j++) made->table_of[first + j] = t; /* where there are fewer, again */
        } else if (s->mirrored[o]) {
            mirror(l, o, made->table + tables * l->cells);
            t = (uint32_t)tables++;
        }
        made->table_of[first + s->place[o]] = t;
    }
    return ANNULUS_OK;
}

/* As few slots as tables that are no shifts of each other need. */
static void narrow_slots(circuit_layer *l)
{
    uint32_t base[CIRCUIT_MAX_OFFSETS], most = 1;
    for (size_t t = 0; t < l->tables; t++) {
        const uint32_t slots = mix_slots(l, l->table + t * circuit_table_entries(l), base);
        most = slots > most ? slots : most;
    }
    while (l->slot_bits > 1 && 1u << (l->slot_bits - 1) >= most) l->slot_bits--;
}

/* The layer with a list of tables for each rotation; where there are fewer than `most`, the first again. */
static annulus_status slotted_layer(const circuit_layer *l, const sharing *s, size_t rotations, uint32_t most,
                                    circuit_layer *made)
{
    uint32_t slot_bits = 1;
    while (1u << slot_bits < most) slot_bits++;
    TRY(share_layer_like(l, rotations, most, slot_bits, rotations, made));
    for (size_t o = 0; o < l->out; o++) {
        int32_t *list = made->table + (size_t)s->number[s->as[o]] * circuit_table_entries(made);
        if (s->as[o] == o) share_neuron_copy(l, o, made, s->number[o]);
        for (uint32_t j = s->place[o]; j < (s->as[o] == o ? most : s->place[o] + 1); j++) {
            if (s->mirrored[o])
                mirror(l, o, list + j * l->cells);
            else
                memcpy(list + j * l->cells, circuit_table(l, o), l->cells * sizeof *list);
        }
    }
    return ANNULUS_OK;
}

/* Neurons of layer i with the same sums share rotations; SHARE_NOT: equal look-ups are one. */
static annulus_status share_layer(circuit *c, size_t i, share_way way, sharing *s, size_t *saved)
{
    circuit_layer *l = &c->layers[i], made = {.in = 0};
    uint32_t most;
    TRY(find_sharing(l, way == SHARE_NOT, s));
    const size_t rotations = number_values(l->out, way == SHARE_NOT, s, &most);
    if (rotations == l->out || rotations * most > 2 * l->out || rotations * most > CIRCUIT_MAX_WIDTH) return ANNULUS_OK;
    annulus_status st = way == SHARE_NOT || way == SHARE_MIXED ? mixed_layer(l, s, rotations, most, &made)
                                                               : slotted_layer(l, s, rotations, most, &made);
    if (st == ANNULUS_OK && way == SHARE_BOTH) narrow_slots(&made);
    if (st == ANNULUS_OK) st = linear_keep(&l->linear, s->as, s->number);
    if (st != ANNULUS_OK) {
        circuit_layer_clear(&made);
        return st;
    }
    uint32_t *map = s->count; /* of values, from now on */
    for (size_t o = 0; o < l->out; o++) map[o] = s->number[s->as[o]] * most + s->place[o];
    *saved += l->out - rotations;
    st = share_rewire(c, i, map, rotations * most);
    made.linear = l->linear;
    l->linear = (circuit_linear){0};
    circuit_layer_clear(l);
    *l = made;
    return st;
}

static annulus_status share_in(circuit *c, size_t i, share_way way, size_t *saved)
{
    const size_t out = c->layers[i].out;
    void *p;
    TRY(mem_create(out, 4 * sizeof(uint32_t) + sizeof(int), "shared rotations", &p));
    sharing s = {.as = p};
    s.place = s.as + out, s.number = s.place + out, s.count = s.number + out;
    s.mirrored = (int *)(s.count + out);
    for (size_t o = 0; o < out; o++) s.as[o] = (uint32_t)o, s.count[o] = 1;
    const annulus_status st = share_layer(c, i, way, &s, saved);
    mem_free(p);
    return st;
}

annulus_status circuit_share_look_ups(circuit *c, size_t *saved)
{
    *saved = 0;
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        if (c->layers[i].offsets > 1) continue;
        for (size_t j = i + 1; j + 1 < c->layers_count; j++) {
            int have = 0;
            if (share_is_like(c, i, j)) TRY(have_equal(c, i, j, 1, &have));
            if (have) TRY(share_merge(c, i, j--));
        }
        TRY(share_in(c, i, SHARE_NOT, saved));
    }
    return ANNULUS_OK;
}

annulus_status circuit_share_rotations(circuit *c, const unsigned char *ways, size_t *saved)
{
    unsigned char left[CIRCUIT_MAX_LAYERS];
    memcpy(left, ways, c->layers_count);
    *saved = 0;
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        const share_way way = (share_way)left[i];
        if (way == SHARE_NOT) continue;
        for (size_t j = i + 1; j + 1 < c->layers_count; j++) {
            int have = 0;
            if (share_fits(c, i, j)) TRY(have_equal(c, i, j, 0, &have));
            if (!have) continue;
            memmove(left + j, left + j + 1, c->layers_count - j - 1);
            TRY(share_merge(c, i, j--));
        }
        const uint32_t cells = c->layers[i].cells;
        const int fits = way != SHARE_MIXED || (cells & (cells - 1)) == 0;
        if (share_allowed(&c->layers[i]) && fits) TRY(share_in(c, i, way, saved));
    }
    return ANNULUS_OK;
}
