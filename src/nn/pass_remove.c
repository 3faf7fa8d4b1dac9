/* SPDX-License-Identifier: Apache-2.0 */
/* Neurons out of a layer, and their values out of those that read it. */
#include "base/memory.h"
#include "nn/pass_priv.h"

#include <string.h>

annulus_status pass_fate_create(const dense_layer *l, pass_fate *out)
{
    void *p;
    TRY(mem_create(l->out, sizeof(uint32_t) + l->offsets * sizeof(int32_t), "neurons", &p));
    out->as = p, out->emits = (int32_t *)(out->as + l->out);
    for (size_t o = 0; o < l->out; o++) out->as[o] = (uint32_t)o;
    return ANNULUS_OK;
}

void pass_fate_clear(pass_fate *f)
{
    mem_free(f->as);
    *f = (pass_fate){.as = NULL};
}

size_t pass_first_input(const network *n, size_t i, size_t s)
{
    const dense_layer *l = &n->layers[i];
    size_t first = 0;
    for (size_t k = 0; k < l->sources_count; k++) {
        if (l->sources[k] == s) return first;
        first += network_source_values(n, l->sources[k]);
    }
    return SIZE_MAX;
}

/* stays (rows, then places) <- whether any output of each stays. */
static void find_stays(const linear_block *b, const uint32_t *as, unsigned char *stays)
{
    memset(stays, 0, b->rows + b->places);
    for (size_t p = 0; p < b->places; p++)
        for (size_t r = 0; r < b->rows; r++) {
            const uint32_t o = b->to[p * b->rows + r];
            if (as[o] == o) stays[r] = stays[b->rows + p] = 1;
        }
}

/* Outputs stay where their row and their place do, which others need; and one, if none does. */
static void settle(const dense_layer *l, uint32_t *as, unsigned char *stays)
{
    size_t staying = 0;
    const uint32_t one = l->linear.blocks_count == 0 ? 0 : l->linear.blocks[0].to[0];
    for (size_t o = 0; o < l->out; o++) staying += as[o] == o;
    if (staying == 0) as[one] = one;
    for (int again = 1; again;) {
        again = 0;
        for (size_t k = 0; k < l->linear.blocks_count; k++) {
            const linear_block *b = &l->linear.blocks[k];
            find_stays(b, as, stays);
            for (size_t p = 0; p < b->places; p++)
                for (size_t r = 0; r < b->rows; r++) {
                    const uint32_t o = b->to[p * b->rows + r];
                    if (as[o] == o || !stays[r] || !stays[b->rows + p]) continue;
                    as[o] = o;
                    again = 1;
                }
        }
    }
}

static void drop_block(circuit_linear *l, size_t k)
{
    linear_block *b = &l->blocks[k];
    mem_free(b->W);
    mem_free(b->from);
    mem_free(b->to);
    memmove(b, b + 1, (l->blocks_count - k - 1) * sizeof *b);
    l->blocks[--l->blocks_count] = (linear_block){0};
}

/* Rows and places without outputs that stay go; number (out): the new ones. */
static void shrink_block(linear_block *b, const uint32_t *as, const uint32_t *number, unsigned char *stays)
{
    size_t rows = 0, places = 0;
    find_stays(b, as, stays);
    for (size_t r = 0; r < b->rows; r++)
        if (stays[r]) memmove(b->W + rows++ * b->taps, b->W + r * b->taps, b->taps * sizeof *b->W);
    for (size_t p = 0; p < b->places; p++) {
        if (!stays[b->rows + p]) continue;
        size_t at = places * rows;
        for (size_t r = 0; r < b->rows; r++)
            if (stays[r]) b->to[at++] = number[b->to[p * b->rows + r]];
        memmove(b->from + places++ * b->taps, b->from + p * b->taps, b->taps * sizeof *b->from);
    }
    b->rows = rows, b->places = places;
}

/* The layer without the neurons that go. */
static void shrink_layer(dense_layer *l, const uint32_t *as, uint32_t *number, uint32_t *channel, unsigned char *stays)
{
    size_t out = 0;
    for (size_t o = 0; o < l->out; o++) channel[o] = UINT32_MAX;
    for (size_t o = 0; o < l->out; o++) {
        if (as[o] != o) continue;
        if (channel[l->channel[o]] == UINT32_MAX) channel[l->channel[o]] = (uint32_t)out;
        number[o] = (uint32_t)out;
        l->channel[out] = channel[l->channel[o]];
        l->w_scale[out] = l->w_scale[o];
        l->bias[out] = l->bias[o];
        l->constant[out++] = l->constant[o];
    }
    for (size_t k = 0, at = 0; l->bound != NULL && k < 2 * l->out; k++)
        if (as[k % l->out] == k % l->out) l->bound[at++] = l->bound[k];
    for (size_t k = l->linear.blocks_count; k-- > 0;) {
        linear_block *b = &l->linear.blocks[k];
        shrink_block(b, as, number, stays);
        if (b->rows == 0 && l->linear.blocks_count > 1) drop_block(&l->linear, k);
    }
    l->out = out;
}

static void trim_block(linear_block *b, int last)
{
    size_t taps = 0;
    for (size_t t = 0; t < b->taps; t++) {
        int weight = 0, input = 0;
        for (size_t r = 0; r < b->rows && !weight; r++) weight = b->W[r * b->taps + t] != 0;
        for (size_t p = 0; p < b->places && !input; p++) input = b->from[p * b->taps + t] != LINEAR_NOTHING;
        if (!(weight && input) && !(last && taps == 0 && t + 1 == b->taps)) continue;
        for (size_t r = 0; r < b->rows; r++) b->W[r * b->taps + taps] = b->W[r * b->taps + t];
        for (size_t p = 0; p < b->places; p++) b->from[p * b->taps + taps] = b->from[p * b->taps + t];
        taps++;
    }
    for (size_t r = 1; r < b->rows; r++) memmove(b->W + r * taps, b->W + r * b->taps, taps * sizeof *b->W);
    for (size_t p = 1; p < b->places; p++) memmove(b->from + p * taps, b->from + p * b->taps, taps * sizeof *b->from);
    b->taps = taps;
}

void pass_trim(circuit_linear *l)
{
    for (size_t k = l->blocks_count; k-- > 0;) {
        trim_block(&l->blocks[k], l->blocks_count == 1);
        if (l->blocks[k].taps == 0) drop_block(l, k);
    }
}

/* A removed layer's values as its readers see them. */
typedef struct values {
    const pass_fate *fate;
    const uint32_t *number;
    size_t first, before, after, offsets; /* inputs before the source, its values before and afterwards */
    double scale;
} values;

static void read_block(const linear_block *b, const values *v, double *constant)
{
    for (size_t p = 0; p < b->places; p++)
        for (size_t t = 0; t < b->taps; t++) {
            uint32_t *from = &b->from[p * b->taps + t];
            if (*from == LINEAR_NOTHING || *from < v->first) continue;
            if (*from >= v->first + v->before) {
                *from -= (uint32_t)(v->before - v->after);
                continue;
            }
            const size_t value = *from - v->first, o = value / v->offsets;
            if (v->fate->as[o] != PASS_CONSTANT) {
                *from = (uint32_t)(v->first + v->number[v->fate->as[o]] * v->offsets + value % v->offsets);
                continue;
            }
            *from = LINEAR_NOTHING;
            const double x = v->fate->emits[value] * v->scale;
            for (size_t r = 0; r < b->rows; r++) constant[b->to[p * b->rows + r]] += b->W[r * b->taps + t] * x;
        }
}

/* Taps that take the same inputs as an earlier one at all places join it, where their weights together are possible.
 * at (in): zeros. */
static void join_taps(linear_block *b, uint32_t *at)
{
    for (size_t t = 0; t < b->taps; t++) {
        const uint32_t from = b->from[t];
        if (from == LINEAR_NOTHING) continue;
        if (at[from] == 0) {
            at[from] = (uint32_t)t + 1;
            continue;
        }
        const size_t into = at[from] - 1;
        int same = 1;
        for (size_t p = 1; p < b->places && same; p++) same = b->from[p * b->taps + t] == b->from[p * b->taps + into];
        for (size_t r = 0; r < b->rows && same; r++) {
            const int32_t w = b->W[r * b->taps + t] + b->W[r * b->taps + into];
            same = w >= -LINEAR_MAX_WEIGHT && w <= LINEAR_MAX_WEIGHT;
        }
        for (size_t r = 0; r < b->rows && same; r++) {
            b->W[r * b->taps + into] += b->W[r * b->taps + t];
            b->W[r * b->taps + t] = 0;
        }
    }
    for (size_t t = 0; t < b->taps; t++)
        if (b->from[t] != LINEAR_NOTHING) at[b->from[t]] = 0;
}

static void read_layer(dense_layer *l, const values *v, uint32_t *at)
{
    l->in -= v->before - v->after;
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        read_block(&l->linear.blocks[k], v, l->constant);
        join_taps(&l->linear.blocks[k], at);
    }
    pass_trim(&l->linear);
}

/* Bytes of one block's rows and places, of all blocks the most. */
static size_t widest_block(const circuit_linear *l)
{
    size_t most = 0;
    for (size_t k = 0; k < l->blocks_count; k++) {
        const size_t size = l->blocks[k].rows + l->blocks[k].places;
        most = size > most ? size : most;
    }
    return most;
}

annulus_status pass_remove(network *n, size_t layer, pass_fate *fate, size_t *removed)
{
    dense_layer *l = &n->layers[layer];
    const size_t out = l->out;
    size_t first[NETWORK_MAX_LAYERS], most_in = 0;
    void *p;
    for (size_t i = layer + 1; i < n->layers_count; i++) {
        first[i] = pass_first_input(n, i, layer + 1);
        most_in = n->layers[i].in > most_in ? n->layers[i].in : most_in;
    }
    TRY(mem_create(2 * out + most_in, sizeof(uint32_t), "neurons", &p));
    uint32_t *number = p, *channel = number + out, *at = channel + out;
    const annulus_status st = mem_create(widest_block(&l->linear), 1, "neurons", &p);
    if (st != ANNULUS_OK) {
        mem_free(number);
        return st;
    }
    settle(l, fate->as, p);
    *removed = 0;
    for (size_t o = 0; o < out; o++) *removed += fate->as[o] != o;
    if (*removed > 0) {
        shrink_layer(l, fate->as, number, channel, p);
        for (size_t i = layer + 1; i < n->layers_count; i++) {
            const values v = {fate,       number,        first[i], out * l->offsets, l->out * l->offsets,
                              l->offsets, l->out_q.scale};
            if (first[i] != SIZE_MAX) read_layer(&n->layers[i], &v, at);
        }
    }
    mem_free(p);
    mem_free(number);
    return ANNULUS_OK;
}
