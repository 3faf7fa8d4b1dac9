/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/plain.h"

#include "base/memory.h"
#include "nn/shrink.h"
#include <string.h>

/* Values of a layer, or the inputs, as images; channels 0: they are none. */
typedef struct shape {
    size_t channels, size[2];
} shape;

static int takes_the_layer_before(const network *n, size_t i)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    return network_sources(n, i, sources) == 1 && sources[0] == i;
}

/* The least signed narrow bits that hold the weights. */
static unsigned bits_of(const int32_t *W, size_t count)
{
    unsigned bits = 2;
    for (size_t k = 0; k < count; k++)
        while (W[k] >= (int32_t)1 << (bits - 1) || -W[k] >= (int32_t)1 << (bits - 1)) bits++;
    return bits;
}

/* The only block of a layer without W, if each of its outputs is a channel of its own. */
static int has_own_rows(const dense_layer *l, const linear_block *b)
{
    for (size_t r = 0; r < b->rows; r++)
        if (l->channel != NULL && l->channel[b->to[r]] != b->to[r]) return 0;
    return b->places == 1 && b->rows == l->out && b->taps <= l->in;
}

/* Turns the layer into a matrix, if its block is one. */
static annulus_status make_dense(dense_layer *l)
{
    const linear_block *b = l->linear.blocks;
    void *p, *seen;
    if (!has_own_rows(l, b)) return ANNULUS_OK;
    TRY(mem_create(l->in * l->out, sizeof *l->W, "weights", &p));
    annulus_status st = mem_create(l->in, 1, "weights", &seen);
    int32_t *W = p;
    int once = 1;
    for (size_t t = 0; st == ANNULUS_OK && t < b->taps; t++) {
        const uint32_t from = b->from[t];
        if (from == LINEAR_NOTHING) continue;
        once &= !((uint8_t *)seen)[from];
        ((uint8_t *)seen)[from] = 1;
        for (size_t r = 0; r < b->rows; r++) W[b->to[r] * l->in + from] = b->W[r * b->taps + t];
    }
    if (st == ANNULUS_OK) mem_free(seen);
    if (st != ANNULUS_OK || !once) {
        mem_free(W);
        return st;
    }
    l->weight_bits = bits_of(W, l->in * l->out);
    linear_clear(&l->linear);
    mem_free(l->channel);
    l->channel = NULL;
    l->W = W;
    l->sources_count = 0;
    return ANNULUS_OK;
}

/* Whether the block is what gather_convolution makes of these windows. */
static annulus_status is_convolution(const gather_windows *g, const linear_block *b, int *same)
{
    circuit_linear l = {0};
    *same = 0;
    annulus_status st = gather_convolution(g, b->W, b->rows, 1, &l);
    if (st == ANNULUS_OK) {
        const linear_block *c = l.blocks;
        *same = c->taps == b->taps && c->places == b->places &&
                memcmp(c->from, b->from, b->places * b->taps * sizeof *b->from) == 0 &&
                memcmp(c->to, b->to, b->places * b->rows * sizeof *b->to) == 0;
    }
    linear_clear(&l);
    return st;
}

#define MOST_KERNEL 32u

/* Windows by which the layer is a convolution of `before`, if it is one: *found. */
static annulus_status find_windows(const dense_layer *l, const shape *before, gather_windows *g, int *found)
{
    const linear_block *b = l->linear.blocks;
    size_t kernel = 1, count[2];
    *found = 0;
    if (before->channels == 0 || b->rows * b->places != l->out) return ANNULUS_OK;
    while (kernel < MOST_KERNEL && before->channels * kernel * kernel < b->taps) kernel++;
    if (before->channels * kernel * kernel != b->taps) return ANNULUS_OK;
    for (size_t stride = 1; !*found && stride <= MOST_KERNEL; stride++)
        for (size_t pad = 0; !*found && pad < kernel; pad++) {
            *g = (gather_windows){.channels = before->channels,
                                  .size = {before->size[0], before->size[1]},
                                  .kernel = {kernel, kernel},
                                  .stride = {stride, stride},
                                  .dilation = {1, 1},
                                  .pad = {pad, pad, pad, pad}};
            if (gather_count(g, count) != ANNULUS_OK || count[0] * count[1] != b->places) continue;
            TRY(is_convolution(g, b, found));
        }
    return ANNULUS_OK;
}

/* Outputs of a channel have one scale and bias. */
static int one_affine(const dense_layer *l, size_t places)
{
    for (size_t o = 0; o < l->out; o++)
        if (l->w_scale[o] != l->w_scale[o - o % places] || l->bias[o] != l->bias[o - o % places]) return 0;
    return 1;
}

static annulus_status know_layer(dense_layer *l, shape *now)
{
    const shape before = *now;
    const linear_block *b = l->linear.blocks;
    gather_windows g;
    int found;
    *now = (shape){0};
    if (l->W != NULL || l->linear.blocks_count != 1) return ANNULUS_OK;
    if (b->places == 1) return make_dense(l);
    TRY(find_windows(l, &before, &g, &found));
    if (!found || !one_affine(l, b->places)) return ANNULUS_OK;
    l->weight_bits = bits_of(b->W, b->rows * b->taps);
    for (size_t o = 0; o < l->out; o++) l->channel[o] = (uint32_t)(o / b->places);
    l->windows = g;
    l->sources_count = 0;
    if (l->offsets == 1) now->channels = b->rows;
    return gather_count(&g, now->size);
}

annulus_status network_plain(const network *n, const size_t size[3], network **out)
{
    network *c = NULL;
    shape now = {size[0], {size[1], size[2]}};
    if (size[0] * size[1] * size[2] != n->inputs || size[1] == 0) now.channels = 0;
    TRY(network_copy(n, &c));
    for (size_t i = 0; i < c->layers_count; i++) {
        annulus_status st = ANNULUS_OK;
        if (takes_the_layer_before(c, i))
            st = know_layer(&c->layers[i], &now);
        else
            now.channels = 0;
        if (st == ANNULUS_OK) continue;
        network_destroy(c);
        return st;
    }
    *out = c;
    return ANNULUS_OK;
}
