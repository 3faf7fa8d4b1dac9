/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of one batch. Quantizers pass the gradient straight through where they do not clip (Bengio et al. 2013);
 * the activation scale is learnt (Esser et al., "Learned step size quantization", ICLR 2020, section 2.1, as a
 * logarithm); batch normalisation as in Ioffe and Szegedy 2015, section 3. */
#include "train/train_priv.h"

#include "base/parallel.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define OUTLIER_FROM 3.0f /* deviations, as in the forward pass */

typedef struct pass {
    train_model *m;
    size_t layer, rows;
} pass;

/* One row of d: gradient at y on entry, at the normalised accumulator on return; sums are added to part. */
static float through_row(const pass *p, const train_layer *l, size_t row, float scale, float *d, float *part)
{
    const size_t n = l->out;
    const float *z = l->z + row * n, *noisy = l->noisy + row * n, *u = l->u + row * n, *v = l->v + row * n,
                *y = l->y + row * n;
    const float half = l->two ? 1.0f : 0.5f, lo = ((float)l->lo - half) * scale, hi = ((float)l->hi + half) * scale;
    const float pull = 2.0f * p->m->outlier / (float)(p->rows * l->places);
    float *mean_d = part, *mean_dz = part + n, *gamma = part + 2 * n, *beta = part + 3 * n, step = 0;
    for (size_t o = 0; o < n; o++) {
        float dv = d[o];
        if (l->hi > 0) {
            const int clipped = v[o] < lo || v[o] >= hi;
            step += dv * (clipped ? y[o] : y[o] - v[o]);
            dv = clipped ? 0.0f : dv;
        }
        const float du = dv == 0 ? 0 : dv * train_act_slope(l, u[o], v[o]), beyond = fabsf(z[o]) - OUTLIER_FROM;
        gamma[o] += du * noisy[o];
        beta[o] += du;
        d[o] = du * l->gain[o] + (beyond > 0 ? pull * copysignf(beyond, z[o]) : 0.0f);
        mean_d[o] += d[o];
        mean_dz[o] += d[o] * z[o];
    }
    return step;
}

/* dz of this chunk: from the gradient at y to the gradient at the normalised accumulator. */
static annulus_status through_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    const size_t first = rows.first, end = rows.first + rows.count;
    const float scale = train_step_scale(l);
    float *part = train_part(l, chunk);
    memset(part, 0, (4 * l->out + 1) * sizeof *part);
    if (l->last) {
        for (size_t i = first; i < end; i++)
            for (size_t o = 0; o < l->out; o++) part[3 * l->out + o] += l->dz[i * l->out + o];
        return ANNULUS_OK;
    }
    for (size_t i = first; i < end; i++) part[4 * l->out] += through_row(p, l, i, scale, l->dz + i * l->out, part);
    return ANNULUS_OK;
}

static float sum_parts(const train_layer *l, size_t chunks, size_t at)
{
    return (float)train_sum_parts(l, chunks, at);
}

static void reduce(const pass *p, size_t chunks)
{
    const train_layer *l = &p->m->layer[p->layer];
    for (size_t o = 0; o < l->out; o++) {
        l->mean_d[o] = sum_parts(l, chunks, o) / (float)(p->rows * l->places);
        l->mean_dz[o] = sum_parts(l, chunks, l->out + o) / (float)(p->rows * l->places);
        l->gamma.g[o] = sum_parts(l, chunks, 2 * l->out + o);
        l->beta.g[o] = sum_parts(l, chunks, 3 * l->out + o);
    }
    l->step.g[0] = l->clip > 0 ? 0 : sum_parts(l, chunks, 4 * l->out);
}

/* dz of this chunk through batch normalisation, then the gradient at the layer's input and, of a convolution, its
 * part of the weights'. */
static annulus_status linear_chunk(void *context, size_t chunk, unsigned worker)
{
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk), samples = train_samples(p->rows, chunk);
    const size_t first = rows.first, count = rows.count, end = first + count;
    float *dx = train_arriving_gradient(p->m, p->layer);
    for (size_t i = first; !l->last && !train_has_waves(l) && i < end; i++)
        for (size_t o = 0; o < l->out; o++) {
            float *d = l->dz + i * l->out + o;
            *d = l->inv[o] * (*d - l->mean_d[o] - l->z[i * l->out + o] * l->mean_dz[o]);
        }
    if (l->from != NULL)
        train_conv_backward(p->m, p->layer, samples, worker, l->dw + chunk * l->w.n, dx);
    else if (dx != NULL)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)count, (blasint)l->in, (blasint)l->out, 1.0f,
                    l->dz + first * l->out, (blasint)l->out, l->wq, (blasint)l->in, 0.0f, dx + first * l->in,
                    (blasint)l->in);
    train_arrive_back(p->m, p->layer, samples);
    return ANNULUS_OK;
}

/* Gradients of `count` weights of a convolution from number `at` on. */
static void sum_chunks(const train_layer *l, size_t chunks, size_t at, size_t count)
{
    memcpy(l->w.g + at, l->dw + at, count * sizeof(float));
    for (size_t c = 1; c < chunks; c++)
        for (size_t i = at; i < at + count; i++) l->w.g[i] += l->dw[c * l->w.n + i];
}

/* Gradients of TRAIN_CHANNELS rows of the weights. */
static annulus_status weights_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const size_t first = chunk * TRAIN_CHANNELS,
                 count = first + TRAIN_CHANNELS < l->out ? TRAIN_CHANNELS : l->out - first;
    float *g = l->w.g + first * l->in;
    if (l->from != NULL)
        sum_chunks(l, train_chunks(p->rows), first * l->in, count * l->in);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)count, (blasint)l->in, (blasint)p->rows, 1.0f,
                    l->dz + first, (blasint)l->out, train_arriving(p->m, p->layer), (blasint)l->in, 0.0f, g,
                    (blasint)l->in);
    for (size_t i = 0; p->layer == 0 && l->from == NULL && i < l->in; i++)
        for (size_t o = 0; p->m->still[i] && o < count; o++) g[o * l->in + i] = 0.0f;
    if (train_has_waves(l)) train_wave_counted(&p->m->layer[p->layer], first, count);
    train_clip_gradients(&p->m->layer[p->layer], first, count);
    if (train_has_waves(l)) train_wave_gradients(&p->m->layer[p->layer], first, count);
    return ANNULUS_OK;
}

annulus_status train_backward(train_model *m, size_t rows)
{
    const size_t chunks = train_chunks(rows);
    pass p = {.m = m, .rows = rows};
    for (p.layer = m->layers; p.layer-- > 0;) {
        if (train_has_waves(&m->layer[p.layer])) {
            TRY(train_wave_backward(m, p.layer, rows));
        } else {
            TRY(parallel_for(chunks, m->threads, through_chunk, &p));
            reduce(&p, chunks);
        }
        TRY(parallel_for(chunks, m->threads, linear_chunk, &p));
        const size_t blocks = (m->layer[p.layer].out + TRAIN_CHANNELS - 1) / TRAIN_CHANNELS;
        TRY(parallel_for(blocks, m->threads, weights_chunk, &p));
        if (m->layer[p.layer].learnt && train_has_unit(&m->layer[p.layer])) train_clip_join(&m->layer[p.layer]);
    }
    train_join_steps(m);
    return ANNULUS_OK;
}
