/* SPDX-License-Identifier: Apache-2.0 */
/* Where quantizers clip, and which scales they may have: percentiles in place of learnt steps, scales of weights that
 * are learnt as those of values are (Esser et al., "Learned step size quantization", ICLR 2020, section 2.1, as
 * logarithms, without its factor of the gradient, which Adam would undo), and powers of two. */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#define FOLLOW 0.02f              /* part of the way that a scale goes to what a batch asks for */
#define VALUES_MOST (size_t)65536 /* of a batch that are looked at */

float train_power_of_two(float x)
{
    return exp2f(rintf(log2f(x)));
}

static uint32_t magnitude_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffu;
}

/* Magnitudes are ordered as their bits are. */
float train_threshold(const float *x, size_t n, size_t most)
{
    uint32_t lo = 0, hi = 0x7f800000u;
    while (lo < hi) {
        const uint32_t middle = lo + (hi - lo) / 2;
        size_t above = 0;
        for (size_t i = 0; i < n; i++) above += magnitude_bits(x[i]) > middle;
        if (above <= most)
            hi = middle;
        else
            lo = middle + 1;
    }
    float magnitude;
    memcpy(&magnitude, &lo, sizeof magnitude);
    return magnitude;
}

float train_percentile(const float *x, size_t n, float part)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) used += magnitude_bits(x[i]) > 0;
    return train_threshold(x, n, (size_t)((1 - (double)part) * (double)used));
}

/* The activation scale of layer l goes a share of the way to the percentile of the batch. */
static void follow(train_layer *l, size_t rows, float share)
{
    const size_t all = rows * l->places * l->out;
    const float top = train_percentile(l->v, all < VALUES_MOST ? all : VALUES_MOST, l->clip) / (float)l->hi;
    if (top > 1e-20f) l->step.x[0] += share * (logf(top) - l->step.x[0]);
}

static int clips(const train_layer *l)
{
    return l->clip > 0 && l->hi > 0 && !train_has_waves(l);
}

void train_clip_follow(train_model *m, size_t rows)
{
    for (size_t i = 0; i + 1 < m->layers; i++)
        if (clips(&m->layer[i])) follow(&m->layer[i], rows, FOLLOW);
}

annulus_status train_clip_start(train_model *m, const train_source *source, size_t rows)
{
    double loss;
    for (size_t i = 0; i + 1 < m->layers; i++) {
        if (!clips(&m->layer[i])) continue;
        TRY(train_weights_quantize(m));
        TRY(train_forward(m, source, rows, 1, &loss));
        follow(&m->layer[i], rows, 1);
    }
    return ANNULUS_OK;
}

annulus_status train_clip_learn(train_model *m)
{
    TRY(train_weights_quantize(m));
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        for (size_t o = 0; l->learns && o < l->out; o++) l->log_scale.x[o] = logf(l->scale[o]);
        l->learnt = l->learns;
    }
    return ANNULUS_OK;
}

/* Of row o: the derivative of wq by the logarithm of its scale is wq where it clips, else wq less the weight, as if
 * rounding added a constant; of one bit it is wq. */
static void row_gradients(train_layer *l, size_t o)
{
    const float *w = l->w.x + o * l->in, *q = l->wq + o * l->in;
    const float gain = train_has_waves(l) ? l->gamma.x[o] * l->inv_norm[o] : 1;
    const float most = ((float)((1 << (l->bits - 1)) - 1) + 0.5f) * l->scale[o];
    float *g = l->w.g + o * l->in;
    double sum = 0;
    for (size_t i = 0; i < l->in; i++) {
        const float x = gain * w[i];
        const int clipped = l->bits > 1 && fabsf(x) >= most;
        sum += (double)g[i] * (double)(clipped || l->bits == 1 ? q[i] : q[i] - x);
        if (clipped) g[i] = 0;
    }
    l->log_scale.g[o] = (float)sum;
}

void train_clip_gradients(train_layer *l, size_t first, size_t count)
{
    for (size_t o = first; l->learnt && o < first + count; o++) row_gradients(l, o);
}

void train_clip_join(train_layer *l)
{
    double sum = 0;
    for (size_t o = 0; o < l->out; o++) sum += (double)l->log_scale.g[o];
    memset(l->log_scale.g, 0, l->out * sizeof *l->log_scale.g);
    l->log_scale.g[0] = (float)sum;
}

float train_step_scale(const train_layer *l)
{
    const float scale = expf(l->step.x[0]);
    return l->power_of_two ? train_power_of_two(scale) : scale;
}

void train_gains(train_layer *l)
{
    for (size_t o = 0; o < l->out; o++) {
        const float gamma = l->gamma.x[o], unit = l->inv[o] * l->scale[o];
        const int snaps = l->power_of_two && isnormal(gamma * unit);
        l->gain[o] = snaps ? copysignf(train_power_of_two(fabsf(gamma * unit)) / unit, gamma) : gamma;
    }
}
