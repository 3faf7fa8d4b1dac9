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

/* The layer without the neurons that go. */
static annulus_status shrink_layer(dense_layer *l, const uint32_t *as, uint32_t *number, uint32_t *channel)
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
    for (size_t k = 0, at = 0; k < l->own.vary * l->out; k++)
        if (as[k % l->out] == k % l->out) l->vary[at++] = l->vary[k];
    l->out = out;
    return linear_keep(&l->linear, as, number);
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
    linear_trim(&l->linear);
}

annulus_status pass_remove(network *n, size_t layer, pass_fate *fate, size_t *removed)
{
    dense_layer *l = &n->layers[layer];
    const size_t out = l->out;
    size_t first[NETWORK_MAX_LAYERS], most_in = 0;
    void *p;
    for (size_t i = layer + 1; i < n->layers_count; i++) {
        first[i] = network_first_input(n, i, layer + 1);
        most_in = n->layers[i].in > most_in ? n->layers[i].in : most_in;
    }
    TRY(mem_create(2 * out + most_in, sizeof(uint32_t), "neurons", &p));
    uint32_t *number = p, *channel = number + out, *at = channel + out;
    annulus_status st = linear_settle(&l->linear, fate->as);
    *removed = 0;
    for (size_t o = 0; st == ANNULUS_OK && o < out; o++) *removed += fate->as[o] != o;
    if (st == ANNULUS_OK && *removed > 0) {
        st = shrink_layer(l, fate->as, number, channel);
        for (size_t i = layer + 1; i < n->layers_count; i++) {
            const values v = {fate,       number,        first[i], out * l->offsets, l->out * l->offsets,
                              l->offsets, l->out_q.scale};
            if (first[i] != SIZE_MAX) read_layer(&n->layers[i], &v, at);
        }
    }
    mem_free(number);
    return st;
}
