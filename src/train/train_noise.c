/* SPDX-License-Identifier: Apache-2.0 */
/* Noise in the forward pass. Look-ups that err: a neuron's sum is read at the middle of the cell that it falls into
 * with noise, cells as compiling makes them from measured ranges, noise of a deviation in cells, or that misses half a
 * cell with the probability asked for. Ranges are those of the batches so far, the older ones slowly forgotten. The
 * gradient goes straight through. */
#include "optimizer/noise.h"
#include "train/train_noise.h"
#include "train/train_priv.h"

#include <math.h>

#define MARGIN 0.1f      /* to each side of a range, as compiling adds it */
#define FORGET 0.999f    /* of a range, a step */
#define FIRST_RANGE 1.0f /* deviations to each side, before there was a batch */

/* Where train_random_bell leaves [-x, x] with probability p: the sum of four uniforms exceeds s in [2, 4] with
 * probability ((4-s)^4 - 4*max(3-s, 0)^4)/24, s = 2 + x/sqrt(3). */
static double bell_limit(double p)
{
    double lo = 2, hi = 4;
    for (int i = 0; i < 50; i++) {
        const double s = 0.5 * (lo + hi), tail = (pow(4 - s, 4) - 4 * pow(fmax(3 - s, 0), 4)) / 24;
        if (2 * tail > p)
            lo = s;
        else
            hi = s;
    }
    return sqrt(3) * (hi - 2);
}

static void layer_noise(const train_options *o, size_t i, int before_scores, train_layer *l)
{
    l->noise = (float)o->phase_noise;
    if (train_has_waves(l)) {
        if (o->noise_kept && o->from != NULL && o->from->layers[i].noise > 0)
            l->noise = (float)o->from->layers[i].noise;
        l->value_noise = before_scores ? (float)o->value_noise * l->top : 0;
    } else if (o->target_error > 0 || o->index_noise > 0) {
        l->cells = (float)((1u << o->rounding_bits) - 1);
        l->noise = (float)(o->index_noise > 0 ? o->index_noise : 0.5 / bell_limit(o->target_error));
    }
}

annulus_status train_noise_init(train_model *m, const train_data *t, const train_options *o)
{
    for (size_t i = 0; i + 1 < m->layers; i++) {
        train_layer *l = &m->layer[i];
        layer_noise(o, i, i + 2 == m->layers, l);
        for (size_t k = 0; k < l->out; k++) l->range[2 * k] = -FIRST_RANGE, l->range[2 * k + 1] = FIRST_RANGE;
    }
    return o->noise_of != NULL ? train_noise_take(m, t, o->noise_of) : ANNULUS_OK;
}

double train_phase_noise(double index_noise, unsigned rounding_bits)
{
    return 0.5 * ldexp(index_noise, -(int)rounding_bits);
}

double train_error_noise(double error)
{
    return 0.5 / noise_kappa(log2(error));
}

void train_noise_cells(train_model *m, size_t layer)
{
    const train_layer *l = &m->layer[layer];
    const float value = layer == 0                ? m->input_unit
                        : train_has_waves(&l[-1]) ? 1 / l[-1].top
                                                  : train_step_scale(&l[-1]),
                unit = value / (float)train_fold_parts(l);
    float widest = 0;
    for (size_t o = 0; o < l->out; o++) { /* in integers */
        const float span = (l->range[2 * o + 1] - l->range[2 * o]) / (l->inv[o] * l->scale[o] * unit);
        widest = span > widest ? span : widest;
    }
    const float step = fmaxf(widest * (1 + 2 * MARGIN) / l->cells, 1);
    for (size_t o = 0; o < l->out; o++) l->cell[o] = step * l->inv[o] * l->scale[o] * unit;
}

void train_noise_row(const train_layer *l, train_random *r, float *z)
{
    for (size_t o = 0; o < l->out; o++) {
        const float middle = 0.5f * (l->range[2 * o] + l->range[2 * o + 1]), cell = l->cell[o];
        const float at = (z[o] - middle) / cell + l->noise * train_random_bell(r);
        z[o] = middle + cell * floorf(at + 0.5f);
    }
}

void train_noise_follow(train_model *m, size_t rows)
{
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        if (!(l->cells > 0)) continue;
        for (size_t o = 0; o < l->out; o++) l->range[2 * o] *= FORGET, l->range[2 * o + 1] *= FORGET;
        for (size_t k = 0; k < rows * l->places; k++)
            for (size_t o = 0; o < l->out; o++) {
                const float z = l->z[k * l->out + o];
                if (z < l->range[2 * o]) l->range[2 * o] = z;
                if (z > l->range[2 * o + 1]) l->range[2 * o + 1] = z;
            }
    }
}
