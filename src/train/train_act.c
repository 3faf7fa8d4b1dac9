/* SPDX-License-Identifier: Apache-2.0 */
/* Activations of classic layers and what their gradients are. That of sign is its clipped identity, the
 * straight-through estimator of Hubara et al., "Binarized Neural Networks", NIPS 2016, section 1.3: 1 within [-1, 1], 0
 * beyond. That of a table is the slope between two of its entries, the nearest one and that next to it. */
#include "train/train_priv.h"

#include <math.h>

#define SPREAD 16.0 /* of 0: where a function's sign is looked for */
#define STEPS 2048
#define APART 1e-3 /* of the points between which the slope of a function is measured */

int train_any_waves(const train_options *o)
{
    const size_t hidden = o->conv_count + o->hidden_count;
    int any = hidden == 0 && activation_is_wave(o->act);
    for (size_t i = 0; i < hidden; i++) any |= activation_is_wave(train_activation_of(o, i).act);
    return any;
}

int train_all_waves(const train_options *o)
{
    const size_t hidden = o->conv_count + o->hidden_count;
    int all = hidden > 0 || activation_is_wave(o->act);
    for (size_t i = 0; i < hidden; i++) all &= activation_is_wave(train_activation_of(o, i).act);
    return all;
}

int train_act_signed(const train_activation *a)
{
    if (a->act != ACTIVATION_FUNCTION)
        return a->act != ACTIVATION_RELU && a->act != ACTIVATION_SIGMOID && a->act != ACTIVATION_SOFTPLUS &&
               a->act != ACTIVATION_HARD_SIGMOID;
    for (size_t i = 0; i < a->own->entries; i++)
        if (a->own->table[i] < 0) return 1;
    for (int i = -STEPS; i <= STEPS; i++)
        if (function_apply(a->own, SPREAD * i / STEPS) < 0) return 1;
    return 0;
}

int train_act_bounded(activation a)
{
    return a == ACTIVATION_SIGMOID || a == ACTIVATION_TANH || a == ACTIVATION_HARD_SIGMOID ||
           a == ACTIVATION_HARD_TANH || a == ACTIVATION_SIGN;
}

static float logistic(float u)
{
    return 1 / (1 + expf(-u));
}

float train_act(const train_layer *l, float u)
{
    switch (l->act) {
    case ACTIVATION_RELU:
        return u > 0 ? u : 0;
    case ACTIVATION_SIGMOID:
        return logistic(u);
    case ACTIVATION_TANH:
        return tanhf(u);
    case ACTIVATION_LEAKY_RELU:
        return u < 0 ? l->rise * u : u;
    case ACTIVATION_ELU:
        return u < 0 ? expm1f(u) : u;
    case ACTIVATION_GELU:
        return 0.5f * u * erfcf(-u * (float)M_SQRT1_2);
    case ACTIVATION_SILU:
        return u / (1 + expf(-u));
    case ACTIVATION_SOFTPLUS:
        return fmaxf(u, 0) + log1pf(expf(-fabsf(u)));
    case ACTIVATION_HARD_SIGMOID:
        return fminf(fmaxf(u / 6 + 0.5f, 0), 1);
    case ACTIVATION_HARD_TANH:
        return fminf(fmaxf(u, -1), 1);
    case ACTIVATION_HARD_SILU:
        return u * fminf(fmaxf(u / 6 + 0.5f, 0), 1);
    case ACTIVATION_SIGN:
        return (float)((u > 0) - (u < 0));
    case ACTIVATION_FUNCTION: {
        const double v = function_apply(l->own, (double)u);
        return isnan(v) ? -INFINITY : (float)v; /* the least value, as look-ups have it */
    }
    default:
        return u;
    }
}

float train_function_slope(const function *f, float u)
{
    const double x = (double)u, width = function_entry_width(f), apart = width > 0 ? width : APART;
    const double slope = (function_apply(f, x + apart / 2) - function_apply(f, x - apart / 2)) / apart;
    return isfinite(slope) ? (float)slope : 0; /* where it is no number, or none beside */
}

float train_act_slope(const train_layer *l, float u, float v)
{
    switch (l->act) {
    case ACTIVATION_RELU:
        return v > 0 ? 1 : 0;
    case ACTIVATION_SIGMOID:
        return v * (1 - v);
    case ACTIVATION_TANH:
        return 1 - v * v;
    case ACTIVATION_LEAKY_RELU:
        return u < 0 ? l->rise : 1;
    case ACTIVATION_ELU:
        return u < 0 ? v + 1 : 1;
    case ACTIVATION_GELU:
        return 0.5f * (1 + erff(u * (float)M_SQRT1_2)) + u * 0.39894228f * expf(-0.5f * u * u);
    case ACTIVATION_SILU: {
        const float s = logistic(u);
        return s * (1 + u * (1 - s));
    }
    case ACTIVATION_SOFTPLUS:
        return logistic(u);
    case ACTIVATION_HARD_SIGMOID:
        return fabsf(u) < 3 ? 1.0f / 6 : 0;
    case ACTIVATION_HARD_TANH:
    case ACTIVATION_SIGN:
        return fabsf(u) <= 1 ? 1 : 0;
    case ACTIVATION_HARD_SILU:
        return fabsf(u) < 3 ? u / 3 + 0.5f : u > 0 ? 1 : 0;
    case ACTIVATION_FUNCTION:
        return train_function_slope(l->own, u);
    default:
        return 1;
    }
}
