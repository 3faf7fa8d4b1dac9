/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "nn/gather.h"

#include <string.h>

#define MOST_LISTED ((size_t)1 << 26) /* inputs of all places */

/* How values in the middle are made: value v by parts [first[v], first[v + 1]). */
typedef struct part {
    uint32_t block, place, row;
} part;
typedef struct maker {
    const circuit_linear *inner;
    size_t *first; /* (middle + 1) */
    part *parts;
} maker;

static annulus_status maker_init(maker *m, size_t middle)
{
    const circuit_linear *l = m->inner;
    void *p;
    TRY(mem_create(middle + 2, sizeof(size_t), "linear layer", &p));
    m->first = p;
    for (size_t k = 0; k < l->blocks_count; k++)
        for (size_t i = 0; i < l->blocks[k].places * l->blocks[k].rows; i++) m->first[l->blocks[k].to[i] + 2]++;
    for (size_t v = 0; v < middle; v++) m->first[v + 2] += m->first[v + 1];
    TRY(mem_create(m->first[middle + 1] + 1, sizeof(part), "linear layer", &p));
    m->parts = p;
    for (size_t k = 0; k < l->blocks_count; k++)
        for (size_t i = 0; i < l->blocks[k].places * l->blocks[k].rows; i++)
            m->parts[m->first[l->blocks[k].to[i] + 1]++] =
                (part){(uint32_t)k, (uint32_t)(i / l->blocks[k].rows), (uint32_t)(i % l->blocks[k].rows)};
    return ANNULUS_OK;
}

/* Parts of the value that tap t takes at place p; returns how many. */
static size_t parts_of(const maker *m, const linear_block *b, size_t p, size_t t, const part **out)
{
    const uint32_t v = b->from[p * b->taps + t];
    if (v == LINEAR_NOTHING) return 0;
    *out = m->parts + m->first[v];
    return m->first[v + 1] - m->first[v];
}

/* Whether the values at places p and q of a block were made with the same weights; where one takes nothing they agree
 * only if `lax`. */
static int same_weights(const maker *m, const linear_block *b, size_t p, size_t q, int lax)
{
    for (size_t t = 0; t < b->taps; t++) {
        const part *x = NULL, *y = NULL;
        const size_t count = parts_of(m, b, p, t, &x), other = parts_of(m, b, q, t, &y);
        if (lax && (count == 0 || other == 0)) continue;
        if (count != other) return 0;
        for (size_t i = 0; i < count; i++)
            if (x[i].block != y[i].block || x[i].row != y[i].row) return 0;
    }
    return 1;
}

/* The place of class `class`, from place `first` on, that takes most values which are made. */
static size_t fullest(const maker *m, const linear_block *b, const size_t *class, size_t first)
{
    size_t best = first, most = 0;
    for (size_t p = first; p < b->places; p++) {
        size_t count = 0;
        if (class[p] != class[first]) continue;
        const part *x;
        for (size_t t = 0; t < b->taps; t++) count += parts_of(m, b, p, t, &x) > 0;
        if (count > most) most = count, best = p;
    }
    return best;
}

/* class[p] <- the first place whose values were made with the same weights as those of p. */
static void classify(const maker *m, const linear_block *b, size_t *class)
{
    for (size_t p = 0; p < b->places; p++) class[p] = 0;
    const size_t model = fullest(m, b, class, 0);
    const part *x;
    int all = 1;
    for (size_t p = 0; p < b->places && all; p++) all = same_weights(m, b, p, model, 1);
    for (size_t t = 0; t < b->taps && all; t++) /* the model must know all weights */
        for (size_t p = 0; p < b->places && all; p++)
            all = parts_of(m, b, p, t, &x) == 0 || parts_of(m, b, model, t, &x) > 0;
    for (size_t p = 0; p < b->places && !all; p++) {
        class[p] = p;
        for (size_t q = 0; q < p && class[p] == p; q++)
            if (class[q] == q && same_weights(m, b, p, q, 0)) class[p] = q;
    }
}

/* Weights of the composed block, by the parts of place `model`. */
static annulus_status compose_weights(const maker *m, const linear_block *b, size_t model, linear_block *out)
{
    for (size_t t = 0, at = 0; t < b->taps; t++) {
        const part *x = NULL;
        const size_t count = parts_of(m, b, model, t, &x);
        for (size_t i = 0; i < count; i++) {
            const linear_block *inner = &m->inner->blocks[x[i].block];
            for (size_t s = 0; s < inner->taps; s++, at++)
                for (size_t r = 0; r < b->rows; r++) {
                    const int64_t w = (int64_t)b->W[r * b->taps + t] * inner->W[x[i].row * inner->taps + s];
                    if (w < -LINEAR_MAX_WEIGHT || w > LINEAR_MAX_WEIGHT)
                        return fail(ANNULUS_ERR_INPUT,
                                    "two linear operations together have a weight of %lld: at most %d", (long long)w,
                                    LINEAR_MAX_WEIGHT);
                    out->W[r * out->taps + at] = (int32_t)w;
                }
        }
    }
    return ANNULUS_OK;
}

/* Inputs (taps of the composed block) of place p, laid out as those of `model`. */
static void compose_inputs(const maker *m, const linear_block *b, size_t model, size_t p, uint32_t *from)
{
    for (size_t t = 0; t < b->taps; t++) {
        const part *x = NULL, *y = NULL;
        const size_t count = parts_of(m, b, model, t, &x), own = parts_of(m, b, p, t, &y);
        for (size_t i = 0; i < count; i++) {
            const linear_block *inner = &m->inner->blocks[x[i].block];
            for (size_t s = 0; s < inner->taps; s++)
                *from++ = own == 0 ? LINEAR_NOTHING : inner->from[y[i].place * inner->taps + s];
        }
    }
}

/* The places of one class as a block; *made 0: they take nothing. */
static annulus_status compose_class(const maker *m, const linear_block *b, const size_t *class, size_t first,
                                    linear_block *out, int *made)
{
    const size_t model = fullest(m, b, class, first);
    size_t taps = 0, places = 0;
    for (size_t t = 0; t < b->taps; t++) {
        const part *x = NULL;
        const size_t count = parts_of(m, b, model, t, &x);
        for (size_t i = 0; i < count; i++) taps += m->inner->blocks[x[i].block].taps;
    }
    for (size_t p = first; p < b->places; p++) places += class[p] == class[first];
    *made = taps > 0;
    if (taps == 0) return ANNULUS_OK;
    if (places > MOST_LISTED / taps)
        return fail(ANNULUS_ERR_INPUT, "two linear operations together take %zu values at %zu places: too many", taps,
                    places);
    TRY(linear_block_create(b->rows, taps, places, out));
    TRY(compose_weights(m, b, model, out));
    for (size_t p = first, at = 0; p < b->places; p++) {
        if (class[p] != class[first]) continue;
        compose_inputs(m, b, model, p, out->from + at * taps);
        memcpy(out->to + at++ * b->rows, b->to + p * b->rows, b->rows * sizeof *b->to);
    }
    return ANNULUS_OK;
}

static annulus_status compose_block(const maker *m, const linear_block *b, circuit_linear *out)
{
    void *memory;
    TRY(mem_create(b->places, sizeof(size_t), "linear layer", &memory));
    size_t *class = memory;
    annulus_status st = ANNULUS_OK;
    classify(m, b, class);
    for (size_t p = 0; st == ANNULUS_OK && p < b->places; p++) {
        circuit_linear more = {0}, joined = {0};
        int made = 0;
        if (class[p] != p) continue;
        st = linear_create(1, &more);
        if (st == ANNULUS_OK) st = compose_class(m, b, class, p, &more.blocks[0], &made);
        if (st == ANNULUS_OK && made) {
            st = gather_join(out, &more, &joined);
            if (st == ANNULUS_OK) *out = joined;
        }
        linear_clear(&more);
    }
    mem_free(class);
    return st;
}

annulus_status gather_compose(const circuit_linear *outer, const circuit_linear *inner, size_t middle,
                              circuit_linear *out)
{
    maker m = {.inner = inner};
    *out = (circuit_linear){0};
    annulus_status st = maker_init(&m, middle);
    for (size_t k = 0; st == ANNULUS_OK && k < outer->blocks_count; k++) st = compose_block(&m, &outer->blocks[k], out);
    mem_free(m.first);
    mem_free(m.parts);
    if (st != ANNULUS_OK) linear_clear(out);
    return st;
}
