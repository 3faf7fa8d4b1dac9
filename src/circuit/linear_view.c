/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "circuit/linear.h"

#include <math.h>

/* Row `row` of block `block` at place `place` adds to an output. */
typedef struct part {
    uint32_t block, place, row;
} part;

struct linear_view {
    const circuit_linear *l;
    size_t *first;   /* (out + 1) number of an output's first part */
    part *parts;     /* ordered by output */
    uint32_t *at;    /* (in) place of an input in the row at hand, from 1; 0: none */
    uint32_t *input; /* (most) */
    int64_t *weight; /* (most) */
};

/* first[o + 1] <- parts of output o, most <- taps of those of the output that has most. */
static void count_parts(const circuit_linear *l, size_t out, size_t *first, size_t *taps, size_t *most)
{
    for (size_t i = 0; i < l->blocks_count; i++) {
        const linear_block *b = &l->blocks[i];
        for (size_t k = 0; k < b->places * b->rows; k++) {
            first[b->to[k] + 1]++;
            taps[b->to[k]] += b->taps;
        }
    }
    *most = 0;
    for (size_t o = 0; o < out; o++) {
        *most = taps[o] > *most ? taps[o] : *most;
        first[o + 1] += first[o];
    }
}

/* next (out): number of the next part of each output. */
static void list_parts(const circuit_linear *l, size_t *next, part *parts)
{
    for (size_t i = 0; i < l->blocks_count; i++) {
        const linear_block *b = &l->blocks[i];
        for (size_t k = 0; k < b->places * b->rows; k++)
            parts[next[b->to[k]]++] = (part){(uint32_t)i, (uint32_t)(k / b->rows), (uint32_t)(k % b->rows)};
    }
}

static annulus_status view_init(linear_view *v, size_t in, size_t out, size_t *next)
{
    void *p;
    size_t most;
    TRY(mem_create(out + 1, sizeof(size_t), "linear layer", &p));
    v->first = p;
    count_parts(v->l, out, v->first, next, &most);
    TRY(mem_create(v->first[out], sizeof(part), "linear layer", &p));
    v->parts = p;
    TRY(mem_create(in, sizeof(uint32_t), "linear layer", &p));
    v->at = p;
    TRY(mem_create(most, sizeof(uint32_t), "linear layer", &p));
    v->input = p;
    TRY(mem_create(most, sizeof(int64_t), "linear layer", &p));
    v->weight = p;
    for (size_t o = 0; o < out; o++) next[o] = v->first[o];
    list_parts(v->l, next, v->parts);
    return ANNULUS_OK;
}

annulus_status linear_view_create(const circuit_linear *l, size_t in, size_t out, linear_view **view)
{
    void *v, *next = NULL;
    TRY(mem_create(1, sizeof(linear_view), "linear layer", &v));
    ((linear_view *)v)->l = l;
    annulus_status st = mem_create(out, sizeof(size_t), "linear layer", &next);
    if (st == ANNULUS_OK) st = view_init(v, in, out, next);
    mem_free(next);
    if (st == ANNULUS_OK)
        *view = v;
    else
        linear_view_destroy(v);
    return st;
}

void linear_view_destroy(linear_view *v)
{
    if (v == NULL) return;
    void *const parts[] = {v->first, v->parts, v->at, v->input, v->weight};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mem_free(parts[i]);
    mem_free(v);
}

size_t linear_view_row(linear_view *v, size_t output, const uint32_t **input, const int64_t **weight)
{
    size_t count = 0, kept = 0;
    for (size_t k = v->first[output]; k < v->first[output + 1]; k++) {
        const part *q = &v->parts[k];
        const linear_block *b = &v->l->blocks[q->block];
        const int32_t *w = b->W + q->row * b->taps;
        const uint32_t *from = b->from + q->place * b->taps;
        for (size_t t = 0; t < b->taps; t++) {
            if (from[t] == LINEAR_NOTHING || w[t] == 0) continue;
            if (v->at[from[t]] == 0) {
                v->input[count] = from[t];
                v->weight[count] = 0;
                v->at[from[t]] = (uint32_t)++count;
            }
            v->weight[v->at[from[t]] - 1] += w[t];
        }
    }
    for (size_t i = 0; i < count; i++) {
        v->at[v->input[i]] = 0;
        if (v->weight[i] == 0) continue;
        v->input[kept] = v->input[i];
        v->weight[kept++] = v->weight[i];
    }
    *input = v->input;
    *weight = v->weight;
    return kept;
}

int linear_rows_compare(linear_view *view, size_t a, size_t b, int64_t *room)
{
    const uint32_t *input;
    const int64_t *w;
    const size_t own = linear_view_row(view, a, &input, &w);
    for (size_t k = 0; k < own; k++) room[input[k]] = w[k];
    const size_t count = linear_view_row(view, b, &input, &w);
    int same = count == own, opposite = same;
    for (size_t k = 0; k < count; k++) {
        same &= room[input[k]] == w[k];
        opposite &= room[input[k]] == -w[k];
    }
    (void)linear_view_row(view, a, &input, &w);
    for (size_t k = 0; k < own; k++) room[input[k]] = 0;
    return same ? 1 : opposite ? -1 : 0;
}

annulus_status linear_norms(const circuit_linear *l, size_t in, size_t out, double *norm)
{
    linear_view *view = NULL;
    TRY(linear_view_create(l, in, out, &view));
    for (size_t o = 0; o < out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        double square = 0;
        const size_t count = linear_view_row(view, o, &input, &weight);
        for (size_t k = 0; k < count; k++) square += (double)weight[k] * (double)weight[k];
        norm[o] = sqrt(square);
    }
    linear_view_destroy(view);
    return ANNULUS_OK;
}
