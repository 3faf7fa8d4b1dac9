/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions in the trainer: windows are gathered sample by sample in front of each product, in both directions,
 * which keeps them in the cache. Values are numbered (place, channel), weights (neuron, place in the window, channel).
 */
#include "train/train_priv.h"

#include <cblas.h>
#include <string.h>

#define MOST_VALUES 65536u   /* of a layer, as in a network */
#define ROWS_TOGETHER 512u   /* windows of one product: fewer do not keep BLAS busy */
#define MOST_ROOM (1u << 19) /* floats of the windows of one product, unless one sample has more */

/* Channels, rows and columns that layer l, a convolution, gives to those behind it. */
static annulus_status given_size(const train_layer *l, gather_windows *next)
{
    next->channels = l->out * l->offsets;
    return gather_count(&l->windows, next->size);
}

static annulus_status channels_check(const train_layer *l, size_t i)
{
    if (l->windows.channels % l->groups == 0 && l->out % l->groups == 0) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "convolution %zu: %zu groups divide the %zu channels that it takes and the %zu that it gives only with "
                "a rest",
                i + 1, l->groups, l->windows.channels, l->out);
}

static annulus_status added_check(const train_layer *l, size_t i)
{
    const train_layer *other = l - l->adds;
    if (l->adds == 0) return ANNULUS_OK;
    if (l->adds <= i && other->out == l->out && other->places == l->places) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "convolution %zu: the values added to its %zu channels of %zu must be of a convolution before with as "
                "many: %zu before is none",
                i + 1, l->out, l->places, l->adds);
}

annulus_status train_average_shape(const train_options *o, size_t i, train_layer *l)
{
    const size_t side = o->conv[i - 1].pool;
    size_t count[2];
    if (side <= 1) return ANNULUS_OK;
    TRY(given_size(&l[-1], &l->average));
    for (size_t d = 0; d < 2; d++) {
        l->average.kernel[d] = l->average.stride[d] = side == TRAIN_POOL_ALL ? l->average.size[d] : side;
        l->average.dilation[d] = 1;
    }
    const annulus_status st = gather_count(&l->average, count);
    if (st != ANNULUS_OK) return fail_prefix(st, "averages or sums behind convolution %zu", i);
    l->takes = l->average.channels * count[0] * count[1];
    l->summed = o->conv[i - 1].sums;
    return ANNULUS_OK;
}

annulus_status train_conv_shape(const train_data *t, const train_options *o, size_t i, train_layer *l)
{
    const train_convolution *c = &o->conv[i];
    size_t count[2];
    if (t->height == 0)
        return fail(ANNULUS_ERR_INPUT, "convolutions are for images: give files of IDX format, or no convolutions");
    l->windows = (gather_windows){.channels = t->channels,
                                  .size = {t->height, t->width},
                                  .kernel = {c->kernel, c->kernel},
                                  .stride = {c->stride, c->stride},
                                  .dilation = {1, 1},
                                  .pad = {c->padding, c->padding, c->padding, c->padding}};
    if (i > 0) TRY(given_size(&l[-1], &l->windows));
    if (l->average.channels > 0) TRY(gather_count(&l->average, l->windows.size));
    const annulus_status st = gather_count(&l->windows, count);
    if (st != ANNULUS_OK) return fail_prefix(st, "convolution %zu", i + 1);
    l->places = count[0] * count[1];
    l->groups = c->groups > 1 ? c->groups : 1;
    l->adds = c->add;
    TRY(channels_check(l, i));
    TRY(added_check(l, i));
    l->in = l->windows.channels / l->groups * c->kernel * c->kernel;
    if (l->places > MOST_VALUES / l->out || l->offsets > MOST_VALUES / l->out / l->places)
        return fail(ANNULUS_ERR_INPUT, "convolution %zu gives %zu channels of %zu values: %u values are possible",
                    i + 1, l->out * l->offsets, l->places, MOST_VALUES);
    return ANNULUS_OK;
}

/* Samples whose windows one product takes. */
static size_t together(const train_layer *l)
{
    const size_t each = l->places * l->groups * l->in, by_rows = ROWS_TOGETHER / l->places, by_room = MOST_ROOM / each;
    const size_t most = by_rows < by_room ? by_rows : by_room;
    return most < 1 ? 1 : most < TRAIN_ROWS ? most : TRAIN_ROWS;
}

size_t train_conv_room(const train_layer *l)
{
    return 2 * together(l) * l->places * l->groups * l->in;
}

/* Which place of what arrives, or none, each tap of each window takes. */
static void list_places(const train_layer *l, const size_t count[2])
{
    const gather_windows *g = &l->windows;
    uint32_t *from = l->from;
    for (size_t p = 0; p < l->places; p++)
        for (size_t i = 0; i < g->kernel[0]; i++)
            for (size_t j = 0; j < g->kernel[1]; j++) {
                const size_t y = p / count[1] * g->stride[0] + i - g->pad[0]; /* beyond every size before the first */
                const size_t x = p % count[1] * g->stride[1] + j - g->pad[1];
                *from++ = y < g->size[0] && x < g->size[1] ? (uint32_t)(y * g->size[1] + x) : LINEAR_NOTHING;
            }
}

annulus_status train_conv_create(size_t batch, train_layer *l)
{
    const size_t chunks = train_chunks(batch), area = l->windows.kernel[0] * l->windows.kernel[1];
    size_t count[2];
    void *p;
    TRY(gather_count(&l->windows, count));
    TRY(mem_create(l->places * area, sizeof *l->from, "windows", &p));
    l->from = p;
    list_places(l, count);
    TRY(mem_create(chunks * l->w.n, sizeof(float), "weight gradients", &p));
    l->dw = p;
    return ANNULUS_OK;
}

/* Windows of one sample x: (places, groups, taps, channels of a group). */
static void gather(const train_layer *l, const float *x, float *to)
{
    const size_t all = l->windows.channels, channels = all / l->groups, taps = l->in / channels;
    for (size_t p = 0; p < l->places; p++)
        for (size_t g = 0; g < l->groups; g++)
            for (size_t t = 0; t < taps; t++, to += channels) {
                const uint32_t from = l->from[p * taps + t];
                if (from == LINEAR_NOTHING)
                    memset(to, 0, channels * sizeof *to);
                else
                    for (size_t c = 0; c < channels; c++) to[c] = x[from * all + g * channels + c];
            }
}

/* dx of one sample <- gradients at its windows, added up. */
static void scatter(const train_layer *l, const float *from, float *dx)
{
    const size_t all = l->windows.channels, channels = all / l->groups, taps = l->in / channels;
    memset(dx, 0, l->takes * sizeof *dx);
    for (size_t p = 0; p < l->places; p++)
        for (size_t g = 0; g < l->groups; g++)
            for (size_t t = 0; t < taps; t++, from += channels) {
                const uint32_t to = l->from[p * taps + t];
                if (to == LINEAR_NOTHING) continue;
                for (size_t c = 0; c < channels; c++) dx[to * all + g * channels + c] += from[c];
            }
}

/* Samples [first, first + count) of at most so many. */
static size_t next_samples(const train_layer *l, const train_span *samples, size_t first)
{
    const size_t left = samples->first + samples->count - first, most = together(l);
    return left < most ? left : most;
}

void train_conv_forward(const train_model *m, size_t layer, train_span samples, unsigned worker)
{
    const train_layer *l = &m->layer[layer];
    const float *x = train_arriving(m, layer);
    float *room = m->room + worker * m->room_each;
    const size_t width = l->groups * l->in, rows = l->out / l->groups;
    for (size_t i = samples.first, n; i < samples.first + samples.count; i += n) {
        n = next_samples(l, &samples, i);
        for (size_t k = 0; k < n; k++) gather(l, x + (i + k) * l->takes, room + k * l->places * width);
        for (size_t g = 0; g < l->groups; g++)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)(n * l->places), (blasint)rows,
                        (blasint)l->in, 1.0f, room + g * l->in, (blasint)width, l->wq + g * rows * l->in,
                        (blasint)l->in, 0.0f, l->z + i * l->places * l->out + g * rows, (blasint)l->out);
    }
}

void train_conv_backward(const train_model *m, size_t layer, train_span samples, unsigned worker, float *dw, float *dx)
{
    const train_layer *l = &m->layer[layer];
    const float *x = train_arriving(m, layer);
    float *room = m->room + worker * m->room_each, *back = room + train_conv_room(l) / 2;
    const size_t width = l->groups * l->in, rows = l->out / l->groups;
    for (size_t i = samples.first, n; i < samples.first + samples.count; i += n) {
        n = next_samples(l, &samples, i);
        for (size_t k = 0; k < n; k++) gather(l, x + (i + k) * l->takes, room + k * l->places * width);
        for (size_t g = 0; g < l->groups; g++) {
            const float *dz = l->dz + i * l->places * l->out + g * rows;
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)rows, (blasint)l->in,
                        (blasint)(n * l->places), 1.0f, dz, (blasint)l->out, room + g * l->in, (blasint)width,
                        i == samples.first ? 0.0f : 1.0f, dw + g * rows * l->in, (blasint)l->in);
            if (dx == NULL) continue;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)(n * l->places), (blasint)l->in,
                        (blasint)rows, 1.0f, dz, (blasint)l->out, l->wq + g * rows * l->in, (blasint)l->in, 0.0f,
                        back + g * l->in, (blasint)width);
        }
        for (size_t k = 0; dx != NULL && k < n; k++) scatter(l, back + k * l->places * width, dx + (i + k) * l->takes);
    }
}
