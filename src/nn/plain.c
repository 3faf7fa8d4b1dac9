/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/plain.h"

#include "base/memory.h"
#include "nn/known.h"
#include "nn/shrink.h"
#include <string.h>

#define MOST_KERNEL 32u
#define UNKNOWN_BITS 16u /* gathered_layer_create */

/* Values of a layer, or the inputs, as images; channels 0: they are none. */
typedef struct shape {
    size_t channels, size[2], offsets;
    size_t dense; /* 1: neurons, as channels of one place */
} shape;

/* The least signed narrow bits, `bits` at least, that hold the weights. */
static unsigned bits_of(const int32_t *W, size_t count, unsigned bits)
{
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
    if (l->weight_bits == UNKNOWN_BITS) l->weight_bits = bits_of(W, l->in * l->out, 2);
    linear_clear(&l->linear);
    mem_free(l->channel);
    l->channel = NULL;
    l->W = W;
    l->sources_count = 0;
    return ANNULUS_OK;
}

int network_adds(const network *n, size_t i, size_t *adds)
{
    uint32_t own[NETWORK_MAX_LAYERS], other[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, own);
    *adds = 0;
    if (own[0] != i) return 0;
    if (count == 1) return 1;
    if (own[1] == 0 || own[1] > i || network_sources(n, own[1], other) != count - 1) return 0;
    *adds = i - own[1];
    return memcmp(own + 1, other, (count - 1) * sizeof *own) == 0;
}

/* Sources in descending order. */
static annulus_status order_sources(const network *n, dense_layer *l)
{
    size_t first[NETWORK_MAX_LAYERS + 1], at = 0;
    uint32_t *map;
    void *p;
    if (l->sources_count < 2) return ANNULUS_OK;
    TRY(mem_create(l->in, sizeof *map, "sources", &p));
    map = p;
    for (size_t k = 0; k < l->sources_count; k++) {
        first[l->sources[k]] = at;
        at += network_source_values(n, l->sources[k]);
    }
    for (size_t k = 1; k < l->sources_count; k++)
        for (size_t m = k; m > 0 && l->sources[m] > l->sources[m - 1]; m--) {
            const uint32_t larger = l->sources[m];
            l->sources[m] = l->sources[m - 1], l->sources[m - 1] = larger;
        }
    at = 0;
    for (size_t k = 0; k < l->sources_count; k++) {
        const size_t values = network_source_values(n, l->sources[k]);
        for (size_t v = 0; v < values; v++) map[first[l->sources[k]] + v] = (uint32_t)at++;
    }
    gather_rename_inputs(&l->linear, map);
    mem_free(map);
    return ANNULUS_OK;
}

/* A layer that is compared with shapes it might have. */
typedef struct unknown {
    const dense_layer *l;
    linear_view *view;
    int64_t *weight; /* (in) zeros between two calls */
    uint8_t *seen;   /* (taps) room */
    size_t taps;     /* at most */
    int cut;         /* 1: its blocks do not tell the windows: on a small image each place may have a block of its own,
                        of the taps that lie inside */
} unknown;

/* Row r of the block, of which the lists are known: its weights, 1 if they are the same at all places and for all
 * values, `each`, that one tap adds up. */
static int read_row(const unknown *u, linear_block *b, size_t r, size_t each)
{
    int32_t *W = b->W + r * b->taps;
    int same = 1;
    memset(u->seen, 0, b->taps);
    for (size_t q = 0; same && q < b->places; q++) {
        const uint32_t *input, *from = b->from + q * b->taps;
        const int64_t *weight;
        const size_t count = linear_view_row(u->view, b->to[q * b->rows + r], &input, &weight);
        size_t left = count;
        for (size_t k = 0; k < count; k++) u->weight[input[k]] = weight[k];
        for (size_t t = 0; t < b->taps; t++) {
            if (from[t] == LINEAR_NOTHING) continue;
            const int64_t w = u->weight[from[t]];
            left -= w != 0;
            if (!u->seen[t] && w >= -LINEAR_MAX_WEIGHT && w <= LINEAR_MAX_WEIGHT) W[t] = (int32_t)w, u->seen[t] = 1;
            same &= W[t] == w;
        }
        same &= left == 0;
        for (size_t k = 0; k < count; k++) u->weight[input[k]] = 0;
    }
    for (size_t t = 0; same && t < b->taps; t++) same = W[t] == W[t - t % each];
    return same;
}

/* *found: the layer is one of this shape, *out. */
static annulus_status compare(const unknown *u, const known_shape *k, circuit_linear *out, int *found)
{
    *found = 0;
    annulus_status st = known_linear(k, out);
    if (st == ANNULUS_OK) *found = 1;
    for (size_t i = 0; i < out->blocks_count; i++)
        for (size_t r = 0; *found && r < out->blocks[i].rows; r++)
            *found = out->blocks[i].taps <= u->taps && read_row(u, &out->blocks[i], r, known_each(k));
    if (!*found) linear_clear(out);
    return st;
}

/* Windows of kernel*kernel as below. */
static annulus_status find_strides(const unknown *u, known_shape *k, const size_t size[2], size_t kernel,
                                   circuit_linear *out, int *found)
{
    const size_t channels = k->channels * k->offsets, places = u->l->out / k->rows;
    size_t count[2];
    for (size_t stride = 1; !*found && stride <= MOST_KERNEL; stride++)
        for (size_t pad = 0; !*found && pad < kernel; pad++) {
            k->windows = (gather_windows){.channels = channels,
                                          .size = {size[0], size[1]},
                                          .kernel = {kernel, kernel},
                                          .stride = {stride, stride},
                                          .dilation = {1, 1},
                                          .pad = {pad, pad, pad, pad}};
            if (gather_count(&k->windows, count) != ANNULUS_OK || count[0] * count[1] != places) continue;
            TRY(compare(u, k, out, found));
        }
    return ANNULUS_OK;
}

/* Windows by which the layer is a convolution of what arrives, (channels,size), if it is one. */
static annulus_status find_windows(const unknown *u, known_shape *k, const size_t size[2], circuit_linear *out,
                                   int *found)
{
    const circuit_linear *l = &u->l->linear;
    const size_t channels = k->channels * k->offsets, least = size[0] < size[1] ? size[0] : size[1];
    size_t kernel = 1;
    for (size_t groups = u->cut ? channels : 0; !*found && groups > 0; groups--) {
        if (channels % groups != 0 || k->rows % groups != 0) continue;
        k->groups = groups;
        for (size_t side = 2; !*found && side <= 2 * least && side <= MOST_KERNEL; side++)
            TRY(find_strides(u, k, size, side, out, found));
    }
    if (u->cut || channels % l->blocks_count != 0 || k->rows % l->blocks_count != 0) return ANNULUS_OK;
    k->groups = l->blocks_count;
    const size_t each = channels / k->groups * known_each(k), taps = l->blocks[0].taps;
    while (kernel < MOST_KERNEL && each * kernel * kernel < taps) kernel++;
    return each * kernel * kernel == taps ? find_strides(u, k, size, kernel, out, found) : ANNULUS_OK;
}

/* Averages of windows of height*width, or none of 1. */
static annulus_status find_behind(const unknown *u, const shape *before, size_t height, size_t width, int conv,
                                  known_shape *k, circuit_linear *out, int *found)
{
    size_t size[2] = {before->size[0], before->size[1]};
    k->average = k->windows = (gather_windows){.channels = 0};
    if (height * width > 1) {
        k->average = (gather_windows){.channels = k->channels * k->offsets,
                                      .size = {size[0], size[1]},
                                      .kernel = {height, width},
                                      .stride = {height, width},
                                      .dilation = {1, 1}};
        TRY(gather_count(&k->average, size));
    }
    return conv ? find_windows(u, k, size, out, found) : compare(u, k, out, found);
}

/* The shape of a layer of windows, or of neurons, over `sources` images. */
static annulus_status find_shape(const unknown *u, const shape *before, int averages, int conv, known_shape *k,
                                 circuit_linear *out, int *found)
{
    const size_t *size = before->size, least = size[0] < size[1] ? size[0] : size[1];
    k->channels = before->channels, k->offsets = before->offsets, k->places = size[0] * size[1];
    k->groups = 1;
    *found = 0;
    if (averages && k->places > 1) TRY(find_behind(u, before, size[0], size[1], conv, k, out, found));
    for (size_t side = least < MOST_KERNEL ? least : MOST_KERNEL; averages && !*found && side > 1; side--)
        if (side != size[0] || side != size[1]) TRY(find_behind(u, before, side, side, conv, k, out, found));
    return *found ? ANNULUS_OK : find_behind(u, before, 1, 1, conv, k, out, found);
}

static annulus_status unknown_create(const dense_layer *l, unknown *u)
{
    void *p;
    *u = (unknown){.l = l, .taps = l->linear.blocks[0].taps};
    if (u->taps < 4 * l->in) u->taps = 4 * l->in; /* windows of up to twice the image's sides */
    TRY(mem_create(l->in, sizeof *u->weight, "weights", &p));
    u->weight = p;
    TRY(mem_create(u->taps, sizeof *u->seen, "weights", &p));
    u->seen = p;
    return linear_view_create(&l->linear, l->in, l->out, &u->view);
}

static void unknown_clear(unknown *u)
{
    linear_view_destroy(u->view);
    mem_free(u->weight), mem_free(u->seen);
}

/* Outputs of a channel have one scale, bias and function. */
static int one_function(const dense_layer *l, size_t places)
{
    for (size_t o = 0; o < l->out; o++)
        if (!dense_layer_alike(l, o, o - o % places)) return 0;
    return 1;
}

/* Where find_shape found the layer to be k: what training knows of it. */
static void take_shape(const known_shape *k, circuit_linear *linear, dense_layer *l)
{
    const size_t places = l->out / k->rows;
    linear_clear(&l->linear);
    l->linear = *linear;
    l->known = 1;
    l->windows = k->windows, l->average = k->average;
    const int said = l->weight_bits != UNKNOWN_BITS;
    if (!said) l->weight_bits = 2;
    for (size_t i = 0; !said && i < linear->blocks_count; i++) {
        const linear_block *b = &linear->blocks[i];
        l->weight_bits = bits_of(b->W, b->rows * b->taps, l->weight_bits);
    }
    for (size_t o = 0; o < l->out; o++) l->channel[o] = (uint32_t)(o / places);
}

/* Channels of a layer of a file. */
static size_t channels_of(const dense_layer *l)
{
    size_t channels = 0;
    for (size_t o = 0; o < l->out; o++) channels += l->channel == NULL || l->channel[o] == o;
    return channels;
}

/* All values of its sources are images of one shape, of[] that of each source. */
static int alike(const uint32_t *sources, size_t count, const shape *of)
{
    for (size_t k = 0; k < count; k++)
        if (memcmp(&of[sources[k]], &of[sources[0]], sizeof *of) != 0) return 0;
    return of[sources[0]].channels > 0;
}

/* Whether the values of layer i are added to others. */
static int is_added(const network *n, size_t i)
{
    for (size_t k = i + 1; k < n->layers_count; k++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        const size_t count = network_sources(n, k, sources);
        for (size_t s = 0; count > 1 && s < count; s++)
            if (sources[s] == i + 1) return 1;
    }
    return 0;
}

/* The first of the layers that are dense up to the scores: they have one place and no groups, and none of them is added
 * to one before. */
static size_t first_dense(const network *n)
{
    size_t first = 0;
    for (size_t i = 0; i < n->layers_count; i++) {
        const dense_layer *l = &n->layers[i];
        if (l->W == NULL && (l->linear.blocks_count != 1 || l->linear.blocks[0].places > 1)) first = i + 1;
    }
    for (size_t pass = 0; pass < n->layers_count; pass++)
        for (size_t i = 0; i < n->layers_count; i++) {
            uint32_t sources[NETWORK_MAX_LAYERS];
            const size_t count = network_sources(n, i, sources);
            size_t least = sources[0], most = sources[0];
            for (size_t k = 1; k < count; k++) {
                least = sources[k] < least ? sources[k] : least;
                most = sources[k] > most ? sources[k] : most;
            }
            if (least <= first && most > first && count > 1) first = most;
        }
    return first;
}

static shape neurons_of(const dense_layer *l)
{
    return (shape){.channels = l->out, .size = {1, 1}, .offsets = l->offsets, .dense = 1};
}

/* Makes the layer dense, if it can be, with its shape. */
static annulus_status know_dense(dense_layer *l, shape *of)
{
    TRY(make_dense(l));
    if (l->W != NULL) *of = neurons_of(l);
    return ANNULUS_OK;
}

/* of[]: shapes of the sources so far; sets that of layer i. first: of those that are dense. */
static annulus_status know_layer(network *n, size_t i, size_t first, shape *of)
{
    dense_layer *l = &n->layers[i];
    uint32_t sources[NETWORK_MAX_LAYERS];
    circuit_linear linear = {0};
    unknown u;
    size_t adds;
    int found = 0;
    of[i + 1] = (shape){.channels = 0};
    if (l->W != NULL) of[i + 1] = neurons_of(l);
    if (l->W != NULL || l->linear.blocks_count == 0) return ANNULUS_OK;
    TRY(order_sources(n, l));
    if (!network_adds(n, i, &adds)) return ANNULUS_OK;
    const linear_block *b = l->linear.blocks;
    const size_t count = network_sources(n, i, sources), rows = b->rows * l->linear.blocks_count;
    const int images = alike(sources, count, of), single = l->linear.blocks_count == 1;
    const int conv = b->places > 1 || !single || (i < first && is_added(n, i)), dense = of[sources[0]].dense != 0;
    if (!conv && count == 1 && (!images || dense)) return know_dense(l, &of[i + 1]);
    if (!images || (conv && dense)) return ANNULUS_OK;
    known_shape k = {.sources = count, .rows = rows};
    annulus_status st = unknown_create(l, &u);
    if (st == ANNULUS_OK && rows * b->places == l->out && (conv ? one_function(l, b->places) : has_own_rows(l, b)))
        st = find_shape(&u, &of[sources[0]], sources[0] > 0, conv, &k, &linear, &found);
    const size_t channels = channels_of(l);
    if (st == ANNULUS_OK && !found && !single && channels > 0 && l->out % channels == 0 &&
        one_function(l, l->out / channels)) {
        k.rows = channels, u.cut = 1;
        st = find_shape(&u, &of[sources[0]], sources[0] > 0, conv, &k, &linear, &found);
    }
    unknown_clear(&u);
    TRY(st);
    if (found && !conv && k.average.channels == 0 && count == 1 && k.offsets == 1) {
        linear_clear(&linear);
        return know_dense(l, &of[i + 1]);
    }
    if (!found) return ANNULUS_OK;
    take_shape(&k, &linear, l);
    if (count == 1) l->sources_count = 0;
    of[i + 1] = conv ? (shape){.channels = k.rows, .offsets = l->offsets} : neurons_of(l);
    if (!conv) return ANNULUS_OK;
    return gather_count(&k.windows, of[i + 1].size);
}

annulus_status network_plain(const network *n, const size_t size[3], network **out)
{
    network *c = NULL;
    shape of[NETWORK_MAX_LAYERS + 1] = {{.channels = size[0], .size = {size[1], size[2]}, .offsets = 1}};
    if (size[0] * size[1] * size[2] != n->inputs || size[1] == 0) of[0].channels = 0;
    TRY(network_copy(n, &c));
    const size_t first = first_dense(c);
    for (size_t i = 0; i < c->layers_count; i++) {
        const annulus_status st = know_layer(c, i, first, of);
        if (st == ANNULUS_OK) continue;
        network_destroy(c);
        return st;
    }
    *out = c;
    return ANNULUS_OK;
}
