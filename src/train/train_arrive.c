/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer takes of the values before it: the sum with those of an earlier layer (He et al., "Deep residual
 * learning", 2016), averages of windows, and dropout (Srivastava et al. 2014, section 10, scaled while training). What
 * a convolution takes of another loses whole channels: values next to a lost one would tell what it was (Tompson et
 * al., "Efficient object localization using convolutional networks", CVPR 2015, section 3.2). */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

annulus_status train_added_shape(const train_options *o, size_t i, train_layer *l)
{
    const size_t hidden = i - o->conv_count;
    l->adds = o->hidden_add[hidden];
    if (l->adds == 0 || (l->adds <= hidden && (l - l->adds)->out == l->out)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "layer %zu: the values added to its %zu neurons must be of a dense layer before with as many: %zu "
                "before is none",
                i + 1, l->out, l->adds);
}

annulus_status train_arrive_create(size_t batch, train_layer *l)
{
    void *p;
    if (l->adds > 0) {
        TRY(mem_create(batch * l->values, sizeof(float), "sums of layers", &p));
        l->sum = p;
        TRY(mem_create(batch * l->values, sizeof(float), "gradients of sums", &p));
        l->dsum = p;
    }
    if (l->average.channels == 0 && l->drop == 0) return ANNULUS_OK;
    TRY(mem_create(batch * l->takes, sizeof(float), "values taken", &p));
    l->x = p;
    TRY(mem_create(batch * l->takes, sizeof(float), "gradients of values taken", &p));
    l->dx = p;
    if (l->drop == 0) return ANNULUS_OK;
    TRY(mem_create(batch * l->takes, sizeof(float), "values dropped", &p));
    l->mask = p;
    return ANNULUS_OK;
}

static const float *given(const train_layer *l)
{
    return l->sum != NULL ? l->sum : l->y;
}

const float *train_arriving(const train_model *m, size_t layer)
{
    const train_layer *l = &m->layer[layer];
    return l->x != NULL ? l->x : layer == 0 ? m->x : given(&l[-1]);
}

static float *gradient(const train_layer *l)
{
    return train_has_waves(l) ? l->dy : l->dz;
}

float *train_arriving_gradient(const train_model *m, size_t layer)
{
    const train_layer *l = &m->layer[layer];
    return layer == 0 ? NULL : l->dx != NULL ? l->dx : gradient(&l[-1]);
}

void train_average(const train_layer *l, int back, float *wide, float *narrow)
{
    const gather_windows *g = &l->average;
    const size_t columns = g->size[1] / g->kernel[1], rows = g->size[0] / g->kernel[0], n = g->channels;
    const float part = 1.0f / (float)train_fold_parts(l);
    if (back)
        memset(wide, 0, g->size[0] * g->size[1] * n * sizeof *wide);
    else
        memset(narrow, 0, rows * columns * n * sizeof *narrow);
    for (size_t p = 0; p < rows * columns; p++)
        for (size_t i = 0; i < g->kernel[0]; i++)
            for (size_t j = 0; j < g->kernel[1]; j++) {
                const size_t y = p / columns * g->kernel[0] + i, x = p % columns * g->kernel[1] + j;
                float *a = wide + (y * g->size[1] + x) * n, *b = narrow + p * n;
                for (size_t c = 0; back && c < n; c++) a[c] = part * b[c];
                for (size_t c = 0; !back && c < n; c++) b[c] += part * a[c];
            }
}

/* A fresh mask of count values, of which those `apart` have one factor. */
static void draw_mask(float drop, train_random *r, size_t apart, size_t count, float *mask)
{
    const uint64_t limit = (uint64_t)((double)drop * 0x1p32);
    for (size_t k = 0; k < apart; k++) mask[k] = train_random_u64(r) >> 32 < limit ? 0.0f : 1.0f / (1 - drop);
    for (size_t k = apart; k < count; k++) mask[k] = mask[k - apart];
}

/* x of the samples, after a fresh mask. */
static void drop_values(const train_model *m, size_t layer, size_t chunk, train_span samples, uint64_t salt)
{
    const train_layer *l = &m->layer[layer];
    const size_t end = (samples.first + samples.count) * l->takes,
                 apart = layer > 0 && l->from != NULL ? l->windows.channels : l->takes;
    train_random r;
    train_random_init(&r, m->key, salt, 0x300000000u + (layer << 24) + chunk);
    for (size_t k = samples.first * l->takes; k < end; k += l->takes)
        draw_mask(l->drop, &r, apart, l->takes, l->mask + k);
    for (size_t k = samples.first * l->takes; k < end; k++) l->x[k] *= l->mask[k];
}

void train_arrive(const train_model *m, size_t layer, size_t chunk, train_span samples, uint64_t salt)
{
    const train_layer *l = &m->layer[layer];
    if (layer == 0) {
        if (l->x == NULL) return;
        memcpy(l->x + samples.first * l->takes, m->x + samples.first * l->takes,
               samples.count * l->takes * sizeof *l->x);
        drop_values(m, layer, chunk, samples, salt);
        return;
    }
    const size_t first = samples.first, end = first + samples.count, values = l[-1].values;
    if (l[-1].adds > 0) {
        const float *other = given(&l[-1] - l[-1].adds);
        for (size_t k = first * values; k < end * values; k++) l[-1].sum[k] = l[-1].y[k] + other[k];
    }
    if (l->x == NULL) return;
    const float *x = given(&l[-1]);
    if (l->average.channels > 0)
        for (size_t i = first; i < end; i++)
            train_average(l, 0, (float *)(uintptr_t)x + i * values, l->x + i * l->takes);
    else
        memcpy(l->x + first * l->takes, x + first * l->takes, samples.count * l->takes * sizeof *x);
    if (l->mask != NULL) drop_values(m, layer, chunk, samples, salt);
}

void train_arrive_back(const train_model *m, size_t layer, train_span samples)
{
    const train_layer *l = &m->layer[layer];
    if (layer == 0) return;
    const size_t first = samples.first, end = first + samples.count, values = l[-1].values;
    float *d = gradient(&l[-1]);
    for (size_t k = first * l->takes; l->mask != NULL && k < end * l->takes; k++) l->dx[k] *= l->mask[k];
    if (l->average.channels > 0)
        for (size_t i = first; i < end; i++) train_average(l, 1, d + i * values, l->dx + i * l->takes);
    else if (l->dx != NULL)
        memcpy(d + first * values, l->dx + first * values, samples.count * values * sizeof *d);
    for (size_t c = layer; c < m->layers; c++) /* that add the values of layer - 1 to theirs */
        if (m->layer[c].adds > 0 && c - m->layer[c].adds == layer - 1)
            for (size_t k = first * values; k < end * values; k++) d[k] += m->layer[c].dsum[k];
    if (l[-1].adds > 0) memcpy(l[-1].dsum + first * values, d + first * values, samples.count * values * sizeof *d);
}

size_t train_sources(const train_model *m, size_t layer, uint32_t sources[NETWORK_MAX_LAYERS])
{
    size_t count = 0, at = layer;
    if (layer == 0) {
        sources[0] = 0;
        return 1;
    }
    for (;; at -= m->layer[at - 1].adds) {
        sources[count++] = (uint32_t)at;
        if (m->layer[at - 1].adds == 0) return count;
    }
}

void train_share_steps(train_model *m)
{
    for (size_t i = 0; i < m->layers; i++)
        if (m->layer[i].adds > 0) m->layer[i].step.x[0] = m->layer[i - m->layer[i].adds].step.x[0];
}

void train_join_steps(train_model *m)
{
    for (size_t i = m->layers; i-- > 0;) {
        train_layer *l = &m->layer[i];
        if (l->adds == 0) continue;
        m->layer[i - l->adds].step.g[0] += l->step.g[0];
        l->step.g[0] = 0;
    }
}

static int share_source(const train_model *m, size_t i, size_t j)
{
    uint32_t a[NETWORK_MAX_LAYERS], b[NETWORK_MAX_LAYERS];
    const size_t count = train_sources(m, i, a), other = train_sources(m, j, b);
    return network_sources_meet(a, count, b, other);
}

/* Values that are added must be multiples of one scale. */
static annulus_status added_check(const train_model *m, size_t i)
{
    const train_layer *l = &m->layer[i], *other = l - l->adds;
    const int waves = train_has_waves(l);
    if (l->adds == 0) return ANNULUS_OK;
    if (l->offsets == other->offsets && waves == train_has_waves(other) &&
        (!waves || (l->hi == other->hi && l->top == other->top)))
        return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "layer %zu adds values of a layer with other offsets or bits, or waves and others: both "
                "must be alike",
                i + 1);
}

annulus_status train_group(train_model *m)
{
    for (size_t i = 0; i < m->layers; i++) TRY(added_check(m, i));
    for (size_t i = 0; i < m->layers; i++) m->layer[i].group = i;
    for (size_t i = 0; i < m->layers; i++)
        for (size_t j = 0; j < i; j++) {
            const size_t from = m->layer[i].group, into = m->layer[j].group;
            const int waves = train_has_waves(&m->layer[i]), other = train_has_waves(&m->layer[j]);
            if (!waves || !other || from == into || !share_source(m, i, j)) continue; /* else nn/lower_twins.c */
            for (size_t k = 0; k < m->layers; k++)
                if (m->layer[k].group == from) m->layer[k].group = into;
        }
    return ANNULUS_OK;
}

/* Real value of a unit of the integer sums of a layer. */
static float sum_unit(const train_layer *l)
{
    return l->unit / (float)train_fold_parts(l);
}

void train_share_units(train_model *m)
{
    for (size_t g = 0; g < m->layers; g++) {
        float most = 0, least = INFINITY;
        size_t members = 0;
        for (size_t i = g; i < m->layers; i++) {
            if (m->layer[i].group != g || (m->layer[i].kept != NULL && !m->layer[i].learnt)) continue;
            most = fmaxf(most, sum_unit(&m->layer[i]));
            least = fminf(least, sum_unit(&m->layer[i]));
            members++;
        }
        const float unit = fminf(most, 2 * least);
        for (size_t i = g; members > 1 && i < m->layers; i++) {
            train_layer *l = &m->layer[i];
            if (l->group == g) l->unit = fmaxf(rintf(sum_unit(l) / unit), 1) * unit * (float)train_fold_parts(l);
        }
    }
}
