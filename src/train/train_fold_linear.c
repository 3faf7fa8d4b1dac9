/* SPDX-License-Identifier: Apache-2.0 */
/* Linear parts of a folded network. Values of the trainer are numbered (place, channel, offset), those of a network
 * (channel, place, offset), those of an ONNX file (channel, offset, place), as taps of the layers here are. */
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whether the layer has a matrix of its own, rather than one applied through lists. */
static int is_plain(const train_model *m, size_t i)
{
    const train_layer *l = &m->layer[i], *before = l - 1;
    if (l->from != NULL) return 0;
    return i == 0 || before->from == NULL || (l->average.channels == 0 && before->adds == 0 && before->offsets == 1);
}

static size_t area(const train_layer *l)
{
    return l->average.channels == 0 ? 1 : l->average.kernel[0] * l->average.kernel[1];
}

double train_fold_parts(const train_layer *l)
{
    return (double)area(l);
}

/* Values of the sources, one source behind the other, that add up to value `channel`, `place` of what arrives: `each`
 * of them. */
static void list_parts(const train_model *m, size_t i, const uint32_t *sources, size_t count, size_t channel,
                       size_t place, uint32_t *out)
{
    const train_layer *l = &m->layer[i], *b = l - 1;
    const gather_windows *g = &l->average;
    const size_t columns = g->channels == 0 ? 1 : g->size[1] / g->kernel[1];
    for (size_t k = 0, first = 0; k < count; first += m->layer[sources[k++] - 1].values)
        for (size_t a = 0; a < area(l); a++) {
            size_t at = place;
            if (g->channels > 0) {
                const size_t y = place / columns * g->kernel[0] + a / g->kernel[1];
                at = y * g->size[1] + place % columns * g->kernel[1] + a % g->kernel[1];
            }
            *out++ = (uint32_t)(first + (channel / b->offsets * b->places + at) * b->offsets + channel % b->offsets);
        }
}

/* block, whose taps are values that arrive, in terms of those that make them: parts (arriving, each). */
static annulus_status spread(const linear_block *block, const uint32_t *parts, size_t each, linear_block *out)
{
    TRY(linear_block_create(block->rows, block->taps * each, block->places, out));
    memcpy(out->to, block->to, block->places * block->rows * sizeof *block->to);
    for (size_t k = 0; k < block->places * block->taps; k++)
        for (size_t s = 0; s < each; s++)
            out->from[k * each + s] =
                block->from[k] == LINEAR_NOTHING ? LINEAR_NOTHING : parts[block->from[k] * each + s];
    return ANNULUS_OK;
}

static annulus_status spread_all(const circuit_linear *l, const uint32_t *parts, size_t each, circuit_linear *out)
{
    TRY(linear_create(l->blocks_count, out));
    for (size_t k = 0; k < l->blocks_count; k++) TRY(spread(&l->blocks[k], parts, each, &out->blocks[k]));
    return ANNULUS_OK;
}

/* With weights 0, over the values that arrive. */
static annulus_status over_arriving(const train_layer *l, circuit_linear *out)
{
    void *W;
    TRY(mem_create(l->w.n, sizeof(int32_t), "weights", &W));
    const annulus_status st = l->from != NULL ? gather_convolution(&l->windows, W, l->out, l->groups, out)
                                              : linear_dense(W, l->out, l->in, out);
    mem_free(W);
    return st;
}

static annulus_status over_sources(const train_model *m, size_t i, const uint32_t *sources, size_t count,
                                   circuit_linear *out)
{
    const train_layer *l = &m->layer[i];
    const size_t each = i == 0 ? 1 : area(l) * count, channels = i == 0 ? 1 : l[-1].out * l[-1].offsets,
                 places = l->takes / channels;
    circuit_linear arriving = {0};
    void *p;
    TRY(mem_create(l->takes * each, sizeof(uint32_t), "values taken", &p));
    uint32_t *parts = p;
    for (size_t v = 0; v < l->takes; v++) {
        if (i == 0)
            parts[v] = (uint32_t)v;
        else
            list_parts(m, i, sources, count, v / places, v % places, parts + v * each);
    }
    annulus_status st = over_arriving(l, &arriving);
    if (st == ANNULUS_OK) st = spread_all(&arriving, parts, each, out);
    if (st != ANNULUS_OK) linear_clear(out);
    linear_clear(&arriving);
    mem_free(p);
    return st;
}

annulus_status train_fold_layer(const train_model *m, size_t i, dense_layer *d)
{
    const train_layer *l = &m->layer[i];
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = train_sources(m, i, sources);
    circuit_linear linear = {0};
    size_t in = 0;
    if (is_plain(m, i)) return dense_layer_create(l->in, l->out, d);
    TRY(over_sources(m, i, sources, count, &linear));
    for (size_t k = 0; k < count; k++) in += i == 0 ? l->takes : m->layer[sources[k] - 1].values;
    TRY(gathered_layer_create(in, l->out * l->places, &linear, d));
    d->windows = l->windows;
    d->average = l->average;
    d->known = 1;
    memcpy(d->sources, sources, count * sizeof *sources);
    d->sources_count = count;
    for (size_t o = 0; o < d->out; o++) d->channel[o] = (uint32_t)(o / l->places);
    if (l->from != NULL)
        (void)snprintf(d->op, sizeof d->op, "conv %zux%zu", l->windows.kernel[0], l->windows.kernel[1]);
    return ANNULUS_OK;
}

size_t train_conv_tap(const train_model *m, size_t i, size_t k)
{
    const train_layer *l = &m->layer[i], *b = l - 1;
    if (l->from == NULL && (i == 0 || b->from == NULL)) return k;
    const size_t places =
                     l->from != NULL ? l->windows.kernel[0] * l->windows.kernel[1] : l->takes / (b->out * b->offsets),
                 channels = l->in / places;
    return k % channels * places + k / channels;
}

int32_t *train_fold_row(const train_layer *l, const dense_layer *d, size_t o, size_t *taps)
{
    if (d->W != NULL) {
        *taps = l->in;
        return d->W + o * l->in;
    }
    const linear_block *b = &d->linear.blocks[o / d->linear.blocks[0].rows];
    *taps = b->taps;
    return b->W + o % b->rows * b->taps;
}

void train_fold_weights(const train_model *m, size_t i, dense_layer *d)
{
    const train_layer *l = &m->layer[i];
    d->weight_bits = l->bits;
    for (size_t o = 0; o < l->out; o++) {
        size_t taps;
        int32_t *W = train_fold_row(l, d, o, &taps);
        const size_t each = taps / l->in;
        for (size_t p = 0; p < l->places; p++)
            d->w_scale[o * l->places + p] = (double)l->scale[o] / train_fold_parts(l);
        for (size_t k = 0; k < l->in; k++)
            for (size_t s = 0; s < each; s++)
                W[train_conv_tap(m, i, k) * each + s] = (int32_t)lrintf(l->wq[o * l->in + k] / l->scale[o]);
    }
}
