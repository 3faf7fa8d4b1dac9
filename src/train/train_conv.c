/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions: where their windows take values from, in the trainer and in the network. */
#include "train/train_priv.h"

#include <stdio.h>
#include <string.h>

#define MOST_VALUES 65536u /* of a layer, as in a network */

annulus_status train_conv_shape(const train_data *t, const train_options *o, size_t i, train_layer *l)
{
    const train_convolution *c = &o->conv[i];
    size_t count[2];
    if (t->height == 0)
        return fail(ANNULUS_ERR_INPUT, "convolutions are for images: give files of IDX format, or no convolutions");
    l->windows = (gather_windows){.channels = 1,
                                  .size = {t->height, t->width},
                                  .kernel = {c->kernel, c->kernel},
                                  .stride = {c->stride, c->stride},
                                  .dilation = {1, 1},
                                  .pad = {c->padding, c->padding, c->padding, c->padding}};
    if (i > 0) {
        l->windows.channels = l[-1].out * l[-1].offsets;
        TRY(gather_count(&l[-1].windows, l->windows.size));
    }
    const annulus_status st = gather_count(&l->windows, count);
    if (st != ANNULUS_OK) return fail_prefix(st, "convolution %zu", i + 1);
    l->places = count[0] * count[1];
    l->in = l->windows.channels * c->kernel * c->kernel;
    if (l->places > MOST_VALUES / l->out)
        return fail(ANNULUS_ERR_INPUT, "convolution %zu gives %zu channels of %zu values: %u values are possible",
                    i + 1, l->out, l->places, MOST_VALUES);
    return ANNULUS_OK;
}

size_t train_conv_number(const train_layer *l, size_t i)
{
    const size_t j = i % l->offsets, neuron = i / l->offsets;
    return (neuron % l->out * l->places + neuron / l->out) * l->offsets + j;
}

size_t train_conv_tap(const train_model *m, size_t i, size_t k)
{
    return m->layer[i].from != NULL || i == 0 ? k : train_conv_number(&m->layer[i - 1], k);
}

/* The convolution with weights 0. */
static annulus_status convolution(const train_layer *l, circuit_linear *out)
{
    void *W;
    TRY(mem_create(l->w.n, sizeof(int32_t), "weights", &W));
    const annulus_status st = gather_convolution(&l->windows, W, l->out, 1, out);
    mem_free(W);
    return st;
}

annulus_status train_conv_create(size_t batch, train_layer *l)
{
    const size_t chunks = train_chunks(batch), channels = l->windows.channels, each = l->takes / channels,
                 cells = batch * l->places;
    circuit_linear of_network = {0};
    void *p;
    if (cells > SIZE_MAX / l->in / 8) return fail(ANNULUS_ERR_INPUT, "training options: batch is too large");
    const annulus_status st = convolution(l, &of_network);
    if (st == ANNULUS_OK) {
        l->from = of_network.blocks[0].from;
        of_network.blocks[0].from = NULL;
        for (size_t i = 0; i < l->places * l->in; i++)
            if (l->from[i] != LINEAR_NOTHING) l->from[i] = (uint32_t)(l->from[i] % each * channels + l->from[i] / each);
    }
    linear_clear(&of_network);
    TRY(st);
    TRY(mem_create(cells * l->in, sizeof(float), "windows", &p));
    l->patch = p;
    TRY(mem_create(cells * l->in, sizeof(float), "window gradients", &p));
    l->dpatch = p;
    TRY(mem_create(chunks * l->w.n, sizeof(float), "weight gradients", &p));
    l->dw = p;
    return ANNULUS_OK;
}

const float *train_inputs(const train_model *m, size_t layer)
{
    const train_layer *l = &m->layer[layer];
    return l->from != NULL ? l->patch : layer == 0 ? m->x : l[-1].y;
}

void train_conv_gather(const train_model *m, size_t layer, size_t first, size_t count)
{
    const train_layer *l = &m->layer[layer];
    const float *x = layer == 0 ? m->x : l[-1].y;
    const size_t each = l->places * l->in;
    for (size_t i = first; i < first + count; i++) {
        const float *from = x + i * l->takes;
        float *to = l->patch + i * each;
        for (size_t k = 0; k < each; k++) to[k] = l->from[k] == LINEAR_NOTHING ? 0.0f : from[l->from[k]];
    }
}

void train_conv_scatter(const train_layer *l, size_t first, size_t count, float *before)
{
    const size_t each = l->places * l->in;
    memset(before + first * l->takes, 0, count * l->takes * sizeof *before);
    for (size_t i = first; i < first + count; i++) {
        const float *from = l->dpatch + i * each;
        float *to = before + i * l->takes;
        for (size_t k = 0; k < each; k++)
            if (l->from[k] != LINEAR_NOTHING) to[l->from[k]] += from[k];
    }
}

/* Values behind waves of several offsets are numbered with the offsets last. */
static annulus_status rename_offsets(const train_layer *l, size_t offsets, circuit_linear *linear)
{
    const size_t each = l->takes / l->windows.channels;
    void *p;
    if (offsets == 1) return ANNULUS_OK;
    TRY(mem_create(l->takes, sizeof(uint32_t), "numbers", &p));
    uint32_t *map = p;
    for (size_t i = 0; i < l->takes; i++) {
        const size_t channel = i / each, place = i % each;
        map[i] = (uint32_t)((channel / offsets * each + place) * offsets + channel % offsets);
    }
    gather_rename_inputs(linear, map);
    mem_free(map);
    return ANNULUS_OK;
}

annulus_status train_conv_fold(const train_layer *l, const train_layer *before, dense_layer *d)
{
    circuit_linear linear = {0};
    TRY(convolution(l, &linear));
    const annulus_status st = rename_offsets(l, before == NULL ? 1 : before->offsets, &linear);
    if (st != ANNULUS_OK) {
        linear_clear(&linear);
        return st;
    }
    TRY(gathered_layer_create(l->takes, l->out * l->places, &linear, d));
    d->windows = l->windows;
    for (size_t o = 0; o < d->out; o++) d->channel[o] = (uint32_t)(o / l->places);
    (void)snprintf(d->op, sizeof d->op, "conv %zux%zu", l->windows.kernel[0], l->windows.kernel[1]);
    return ANNULUS_OK;
}
