/* SPDX-License-Identifier: Apache-2.0 */
/* Linear parts of a folded network. Values of the trainer are numbered (place, channel, offset), those of a network
 * (channel, place, offset), taps of the layers here (channel, offset, place). */
#include "nn/known.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whether the layer has a matrix of its own, rather than one applied through lists. */
static int is_plain(const train_model *m, size_t i)
{
    const train_layer *l = &m->layer[i], *before = l - 1;
    if (l->from != NULL) return 0;
    if (i == 0 || before->adds > 0) return i == 0;
    return before->from == NULL || (l->average.channels == 0 && before->offsets == 1);
}

size_t train_fold_values(const train_layer *l)
{
    return l->average.channels == 0 ? 1 : l->average.kernel[0] * l->average.kernel[1];
}

double train_fold_parts(const train_layer *l)
{
    return l->summed ? 1 : (double)train_fold_values(l);
}

static known_shape shape_of(const train_model *m, size_t i, size_t sources)
{
    const train_layer *l = &m->layer[i], *before = l - 1;
    known_shape k = {.sources = sources, .offsets = 1, .average = l->average, .windows = l->windows};
    k.rows = l->out, k.groups = l->groups;
    k.channels = i == 0 ? l->windows.channels : before->out;
    k.places = i == 0 ? l->windows.size[0] * l->windows.size[1] : before->places;
    if (i > 0) k.offsets = before->offsets;
    return k;
}

/* What such a convolution is, for people. */
static void name_layer(const train_layer *l, const known_shape *s, dense_layer *d)
{
    const gather_windows *in = l->average.channels != 0 ? &l->average : &l->windows;
    const size_t from[] = {s->channels * s->offsets, in->size[0], in->size[1]};
    size_t count[2];
    char average[24] = "", conv[40];
    if (in == &l->average) gather_name(in, "average", 0, average, sizeof average);
    gather_name(&l->windows, "conv", 0, conv, sizeof conv);
    (void)snprintf(d->op, sizeof d->op, "%s%s%s", average, in == &l->average ? " " : "", conv);
    linear_shape_set(from, 3, d->shape.in);
    if (gather_count(&l->windows, count) != ANNULUS_OK) return;
    const size_t to[] = {l->out, count[0], count[1]};
    linear_shape_set(to, 3, d->shape.out);
}

annulus_status train_fold_layer(const train_model *m, size_t i, dense_layer *d)
{
    const train_layer *l = &m->layer[i];
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = train_sources(m, i, sources);
    const known_shape shape = shape_of(m, i, count);
    circuit_linear linear = {0};
    if (is_plain(m, i)) return dense_layer_create(l->in, l->out, d);
    const annulus_status st = known_linear(&shape, &linear);
    if (st != ANNULUS_OK) linear_clear(&linear);
    TRY(st);
    TRY(gathered_layer_create(count * shape.channels * shape.places * shape.offsets, l->out * l->places, &linear, d));
    d->windows = l->windows;
    d->average = l->average;
    d->known = 1;
    memcpy(d->sources, sources, count * sizeof *sources);
    d->sources_count = count;
    for (size_t o = 0; o < d->out; o++) d->channel[o] = (uint32_t)(o / l->places);
    if (l->from != NULL) name_layer(l, &shape, d);
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
    const double parts = (double)train_fold_values(l); /* files have averages, whose scale is of single precision */
    d->weight_bits = l->bits;
    for (size_t o = 0; o < l->out; o++) {
        size_t taps;
        int32_t *W = train_fold_row(l, d, o, &taps);
        const size_t each = taps / l->in;
        const float scale = (float)((double)l->scale[o] * parts / train_fold_parts(l));
        for (size_t p = 0; p < l->places; p++) d->w_scale[o * l->places + p] = (double)scale / parts;
        for (size_t k = 0; k < l->in; k++)
            for (size_t s = 0; s < each; s++)
                W[train_conv_tap(m, i, k) * each + s] = (int32_t)lrintf(l->wq[o * l->in + k] / l->scale[o]);
    }
}
