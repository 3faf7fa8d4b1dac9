/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/mix.h"

#include "base/memory.h"
#include "optimizer/noise.h"

#include <math.h>

/* Twice the entry of a table at a cell in [0, 2*cells), less the centre: antiperiodic. */
static int64_t centered(const circuit_layer *l, const int32_t *t, uint32_t cell)
{
    const int64_t mid2 = (int64_t)t[0] + t[l->cells - 1];
    return cell < l->cells ? 2 * (int64_t)t[cell] - mid2 : mid2 - 2 * (int64_t)t[cell - l->cells];
}

/* Whether a table is `base` as many cells on as *by, in [0, 2*cells), the least that do: the first place of t in base,
 * by what of it remains matched behind each cell (Knuth, Morris, Pratt). */
static int is_shifted(const circuit_layer *l, const int32_t *base, const int32_t *t, uint32_t *by)
{
    const uint32_t cells = l->cells, period = 2 * cells;
    uint16_t again[CIRCUIT_MAX_CELLS + 1]; /* of that many cells, those at the end that are as the first ones */
    again[0] = again[1] = 0;
    for (uint32_t c = 1, k = 0; c < cells; c++) {
        while (k > 0 && t[c] != t[k]) k = again[k];
        k += t[c] == t[k];
        again[c + 1] = (uint16_t)k;
    }
    for (uint32_t c = 0, k = 0; c < period + cells - 1; c++) {
        const int64_t at = centered(l, base, c % period);
        while (k > 0 && centered(l, t, k) != at) k = again[k];
        k += centered(l, t, k) == at;
        if (k < cells) continue;
        *by = c + 1 - cells;
        return 1;
    }
    return 0;
}

uint32_t mix_slots(const circuit_layer *l, const int32_t *list, uint32_t base[CIRCUIT_MAX_OFFSETS])
{
    const int shifts = (l->cells & (l->cells - 1)) == 0;
    uint32_t count = 0, by;
    for (uint32_t j = 0; j < l->offsets; j++) {
        uint32_t s = 0;
        while (s < count && !(shifts && is_shifted(l, list + base[s] * l->cells, list + j * l->cells, &by))) s++;
        if (s == count) base[count++] = j;
    }
    return count;
}

static size_t count_jumps(const circuit_layer *l, size_t v)
{
    const int32_t *t = circuit_value_table(l, v);
    size_t count = 0;
    for (uint32_t b = 1; b < l->cells; b++) count += t[b] != t[b - 1];
    return count;
}

/* The first value of neuron o that is not constant, if all the others are shifts of it, and so of each other; SIZE_MAX:
 * there is none. */
static size_t find_base(const circuit_layer *l, size_t o)
{
    size_t base = o * l->offsets;
    const size_t end = base + l->offsets;
    uint32_t by;
    while (base < end && count_jumps(l, base) == 0) base++;
    for (size_t v = o * l->offsets; base < end && v < end; v++)
        if (v != base && !is_shifted(l, circuit_value_table(l, base), circuit_value_table(l, v), &by)) return SIZE_MAX;
    return base < end ? base : SIZE_MAX;
}

/* The term of value v: the slot of the table that it is a shift of, and as far on. */
static bootstrap_term slot_term(const circuit_layer *l, size_t v, uint32_t steps, uint32_t EF)
{
    const int32_t *list = circuit_value_table(l, v - v % l->offsets);
    uint32_t base[CIRCUIT_MAX_OFFSETS], by = 0, s = 0;
    (void)mix_slots(l, list, base);
    while (!is_shifted(l, list + base[s] * l->cells, circuit_value_table(l, v), &by)) s++;
    const uint32_t on = by % l->cells * steps;
    return (bootstrap_term){.offset = ((on / EF << l->slot_bits) + s) * EF + on % EF, .weight = by < l->cells ? 1 : -1};
}

/* Terms of value v; returns how many. */
static size_t list_terms(const circuit_layer *l, size_t base, size_t v, uint32_t steps, bootstrap_term *terms)
{
    const int32_t *t = circuit_value_table(l, v);
    size_t count = 0;
    uint32_t by;
    if (base != SIZE_MAX) {
        (void)is_shifted(l, circuit_value_table(l, base), t, &by);
        terms[0] = (bootstrap_term){.offset = by % l->cells * steps, .weight = by < l->cells ? 1 : -1};
        return 1;
    }
    for (uint32_t b = 1; b < l->cells; b++)
        if (t[b] != t[b - 1])
            terms[count++] = (bootstrap_term){.offset = (l->cells - b) * steps, .weight = t[b - 1] - t[b]};
    return count;
}

/* Where rotations are read: `steps` a cell, of EF parts in turn, each of `degree` places of as many slots. */
typedef struct reading {
    uint32_t steps, EF, slot_bits;
    double degree;
} reading;

/* Of two values that are one term each; slots of one place count as one. */
static void terms_covariance(const reading *r, const bootstrap_term *a, const bootstrap_term *b, double *gram,
                             double *near)
{
    const double product = (double)a->weight * b->weight;
    const double apart = (double)(a->offset / r->EF >> r->slot_bits) - (double)(b->offset / r->EF >> r->slot_bits);
    *gram = a->offset == b->offset ? product : 0;
    *near = ((a->offset ^ b->offset) & (r->EF - 1)) == 0 ? product * (1 - 2 * fabs(apart) / r->degree) : 0;
}

/* Of values v and w, sums of steps, which all count as of one part. 1 - 2 d/N is the mean over the ring of the product
 * of two signs that change d apart: what sums have in common is that of their centered tables. */
static void steps_covariance(const circuit_layer *l, size_t v, size_t w, double *gram, double *near)
{
    const int32_t *s = circuit_value_table(l, v), *t = circuit_value_table(l, w);
    *gram = 0, *near = (double)centered(l, s, 0) * (double)centered(l, t, 0) / l->cells;
    for (uint32_t c = 1; c < l->cells; c++) {
        *gram += ((double)s[c] - s[c - 1]) * ((double)t[c] - t[c - 1]);
        *near += (double)centered(l, s, c) * (double)centered(l, t, c) / l->cells;
    }
}

static size_t count_terms(const circuit_layer *l, int *shifts, int *steps)
{
    size_t terms = 0;
    *shifts = *steps = 0;
    if (!circuit_is_mixed(l)) {
        *shifts = 1;
        return circuit_values(l);
    }
    for (size_t o = 0; o < l->out; o++) {
        const int shift = find_base(l, o) != SIZE_MAX;
        *shifts |= shift, *steps |= !shift;
        for (size_t v = o * l->offsets; v < (o + 1) * l->offsets; v++) terms += shift ? 1 : count_jumps(l, v);
    }
    return terms;
}

size_t mix_bytes(const circuit_layer *l, size_t *tables, int *step)
{
    int shifts;
    const size_t terms = count_terms(l, &shifts, step), values = circuit_values(l);
    *tables = shifts ? l->tables : 0;
    return l->out * sizeof(uint32_t) + mem_bytes(values * sizeof(bootstrap_value)) +
           mem_bytes(terms * sizeof(bootstrap_term)) + mem_bytes(values * l->offsets * 2 * sizeof(double));
}

/* Terms of value v of a neuron; returns how many. */
static size_t value_terms(const circuit_layer *l, size_t base, size_t v, const reading *r, bootstrap_term *terms)
{
    if (circuit_is_mixed(l)) return list_terms(l, base, v, r->steps, terms);
    if (mix_of(l))
        *terms = slot_term(l, v, r->steps, r->EF);
    else
        *terms = (bootstrap_term){.offset = circuit_coefficient(l, (uint32_t)(v % l->offsets), r->steps, r->EF),
                                  .weight = 1};
    return 1;
}

static void fill(const circuit_layer *l, const reading *r, mix *m)
{
    bootstrap_term *next = m->terms;
    const size_t V = l->offsets;
    for (size_t o = 0; o < l->out; o++) {
        const size_t base = circuit_is_mixed(l) ? find_base(l, o) : SIZE_MAX;
        m->rotated[o] = !circuit_is_mixed(l) ? l->table_of[o] : base == SIZE_MAX ? MIX_STEP : l->table_of[base];
        for (size_t v = o * V; v < (o + 1) * V; v++) {
            m->values[v] = (bootstrap_value){.terms = next, .count = value_terms(l, base, v, r, next)};
            next += m->values[v].count;
        }
        for (size_t a = 0; a < V; a++)
            for (size_t b = 0; b < V; b++) {
                const size_t at = (o * V + a) * V + b, v = o * V + a, w = o * V + b;
                if (m->rotated[o] == MIX_STEP)
                    steps_covariance(l, v, w, &m->gram[at], &m->near[at]);
                else
                    terms_covariance(r, m->values[v].terms, m->values[w].terms, &m->gram[at], &m->near[at]);
            }
    }
}

annulus_status mix_create(const circuit_layer *l, uint32_t steps, uint32_t EF, mix **out)
{
    const size_t values = circuit_values(l);
    void *p;
    TRY(mem_create(1, sizeof(mix), "shared rotations", &p));
    mix *m = p;
    const size_t terms = count_terms(l, &m->shifts, &m->steps);
    annulus_status st = mem_create(l->out, sizeof *m->rotated, "shared rotations", &p);
    if (st == ANNULUS_OK) m->rotated = p, st = mem_create(values, sizeof *m->values, "shared rotations", &p);
    if (st == ANNULUS_OK) m->values = p, st = mem_create(terms + 1, sizeof *m->terms, "shared rotations", &p);
    if (st == ANNULUS_OK)
        m->terms = p, st = mem_create(values * l->offsets, 2 * sizeof *m->gram, "shared rotations", &p);
    if (st != ANNULUS_OK) {
        mix_destroy(m);
        return st;
    }
    m->gram = p;
    m->near = m->gram + values * l->offsets;
    const reading r = {.steps = steps, .EF = EF, .slot_bits = l->slot_bits, .degree = (double)steps * l->cells / EF};
    fill(l, &r, m);
    *out = m;
    return ANNULUS_OK;
}

void mix_destroy(mix *m)
{
    if (m == NULL) return;
    mem_free(m->rotated);
    mem_free(m->values);
    mem_free(m->terms);
    mem_free(m->gram);
    mem_free(m);
}

annulus_status mixes_create(const circuit *c, mixes *out)
{
    *out = (mixes){.of = {NULL}};
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        if (l->cells == 0 || l->offsets == 1) continue;
        const tfhe_params *p = &c->choice.families.of[l->family];
        uint32_t steps = 1, EF = 1;
        if (l->EF > 0) {
            EF = l->EF, steps = circuit_cell_steps(l, p->N);
            out->common[i] = noise_common(p);
        }
        const annulus_status st = mix_create(l, steps, EF, &out->of[i]);
        if (st == ANNULUS_OK) continue;
        mixes_clear(out);
        return st;
    }
    return ANNULUS_OK;
}

void mixes_clear(mixes *m)
{
    for (size_t i = 0; i < CIRCUIT_MAX_LAYERS; i++) mix_destroy(m->of[i]);
    *m = (mixes){.of = {NULL}};
}

/* Layer whose value input `at` of layer i is; *value: its number there. SIZE_MAX: an input of the circuit. */
static size_t maker_of(const circuit *c, size_t i, size_t at, size_t *value)
{
    const circuit_layer *l = &c->layers[i];
    size_t k = 0;
    for (; at >= circuit_source_values(c, l->sources[k]); k++) at -= circuit_source_values(c, l->sources[k]);
    *value = at;
    return l->sources[k] == 0 ? SIZE_MAX : l->sources[k] - 1;
}

size_t mixes_spread(const circuit *c, const mixes *m, size_t i, const uint32_t *input, const int64_t *weight,
                    size_t count, mix_share *spread, uint32_t *touched)
{
    size_t listed = 0;
    for (size_t k = 0; k < count; k++) {
        size_t value;
        const size_t from = maker_of(c, i, input[k], &value);
        const mix *of = from == SIZE_MAX ? NULL : m->of[from];
        const size_t V = of == NULL ? 1 : c->layers[from].offsets, first = input[k] - (of == NULL ? 0 : value % V);
        for (size_t j = 0; j < V; j++) {
            const double g = of == NULL ? 1 : mixes_covariance(m, from, V, value / V, value % V, j);
            if (g == 0) continue;
            if (!spread[first + j].listed) touched[listed++] = (uint32_t)(first + j);
            spread[first + j].listed = 1;
            spread[first + j].weight += g * (double)weight[k];
        }
    }
    return listed;
}
