/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include "math/torus.h"
#include <math.h>

#define PHASE_NOISE 0x1p-5 /* what networks bear at little loss (docs/torus-native.md) */
#define VALUE_NOISE 0x1p-4 /* of the amplitude; half of what PHASE_NOISE makes of a triangle */

annulus_status lower_native_encode(const dense_layer *d, double phase, const lower_options *options, circuit_layer *l)
{
    l->cells = LOWER_NATIVE_CELLS;
    l->step = 1;
    l->offsets = (uint32_t)d->offsets;
    circuit_spread(l);
    l->unit = 2 * torus_from_double(phase / 2);
    l->noise = options->phase_noise > 0 ? options->phase_noise : d->noise > 0 ? d->noise : PHASE_NOISE;
    if (l->unit == 0)
        return fail(ANNULUS_ERR_INPUT, "%s: its weights move the phase by whole periods: every look-up reads its bias",
                    l->name);
    if (l->noise <= LOWER_MAX_PHASE_NOISE) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s: a noise of %g periods: at most %g are possible", l->name, l->noise,
                LOWER_MAX_PHASE_NOISE);
}

/* Values of the two halves of the period must differ by their sign alone, about a centre; of waves that have a name a
 * unit more or less comes from rounding halves up and from the one value that signed integers have more below 0. */
static annulus_status find_centre(const dense_layer *d, circuit_layer *l)
{
    int32_t lo = INT32_MAX, hi = INT32_MIN;
    if (d->act == ACTIVATION_WAVE && wave_is_antiperiodic(&d->own, &d->out_q, &l->mid2)) return ANNULUS_OK;
    for (size_t c = 0; c < l->cells && d->act != ACTIVATION_WAVE; c++) {
        const double a = dense_layer_act(d, 0, wave_middle(c));
        const int32_t sum = l->table[c] + quantizer_integer(&d->out_q, -a);
        lo = sum < lo ? sum : lo;
        hi = sum > hi ? sum : hi;
    }
    if (lo > hi || hi - lo > 2)
        return fail(ANNULUS_ERR_INPUT,
                    "%s: the quantizer behind %s cuts off a part of the wave, which is no longer antiperiodic: it must "
                    "be signed",
                    l->name, l->activation);
    l->mid2 = (lo + hi) / 2;
    return ANNULUS_OK;
}

annulus_status lower_native_fill(const dense_layer *d, circuit_layer *l)
{
    for (size_t c = 0; c < l->cells; c++)
        l->table[c] = quantizer_integer(&d->out_q, dense_layer_act(d, 0, wave_middle(c)));
    TRY(find_centre(d, l));
    for (size_t o = 0; o < l->out; o++) l->shift[o] = torus_from_double(d->bias[o]);
    return ANNULUS_OK;
}

/* Least and greatest of what a neuron contributes to a sum by its values, with weights w (offsets), over all cells. */
static void neuron_range(const circuit_layer *before, size_t neuron, const int64_t *w, int64_t *lo, int64_t *hi)
{
    const int32_t *table = circuit_table(before, neuron);
    int64_t mirror = 0;
    *lo = INT64_MAX, *hi = INT64_MIN;
    for (uint32_t j = 0; j < before->offsets; j++) mirror += w[j] * before->mid2;
    for (size_t c = 0; c < before->cells; c++) {
        int64_t sum = 0;
        for (uint32_t j = 0; j < before->offsets; j++) {
            const size_t at = c + before->at[j];
            sum += w[j] * (at < before->cells ? table[at] : before->mid2 - table[at - before->cells]);
        }
        const int64_t other = mirror - sum; /* half a period on */
        *lo = sum < *lo ? sum : *lo, *lo = other < *lo ? other : *lo;
        *hi = sum > *hi ? sum : *hi, *hi = other > *hi ? other : *hi;
    }
}

static void sum_range(const circuit_layer *before, const int64_t *w, int64_t *lo, int64_t *hi)
{
    *lo = *hi = 0;
    for (size_t h = 0; h < before->out; h++) {
        const int64_t *own = w + h * before->offsets;
        int64_t least, most;
        int any = 0;
        for (uint32_t j = 0; j < before->offsets; j++) any |= own[j] != 0;
        if (!any) continue;
        neuron_range(before, h, own, &least, &most);
        *lo += least;
        *hi += most;
    }
}

annulus_status lower_native_ranges(const circuit_layer *before, circuit_layer *l)
{
    linear_view *view = NULL;
    void *w;
    TRY(mem_create(l->in, sizeof(int64_t), "weights", &w));
    const annulus_status st = linear_view_create(&l->linear, l->in, l->out, &view);
    for (size_t o = 0; st == ANNULUS_OK && o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        for (size_t i = 0; i < count; i++) ((int64_t *)w)[input[i]] = weight[i];
        sum_range(before, w, &l->proven_lo[o], &l->proven_hi[o]);
        for (size_t i = 0; i < count; i++) ((int64_t *)w)[input[i]] = 0;
    }
    linear_view_destroy(view);
    mem_free(w);
    return st;
}

/* Noise of the values of a source: 0 of those that are not torus-native. */
static double value_noise(const circuit *c, size_t source)
{
    const circuit_layer *l = source == 0 ? NULL : &c->layers[source - 1];
    double amplitude = 0;
    if (l == NULL || l->unit == 0) return 0;
    for (size_t k = 0; k < l->cells; k++) amplitude = fmax(amplitude, fabs(l->table[k] - l->mid2 / 2.0));
    return VALUE_NOISE * amplitude;
}

/* Two-norms of a score's weights, and of the noise that they bring to it. noise (sources): of values. */
static void score_norms(const circuit *c, const circuit_layer *l, const double *noise, linear_view *view, size_t o,
                        double *norm, double *brought)
{
    const uint32_t *input;
    const int64_t *weight;
    const size_t count = linear_view_row(view, o, &input, &weight);
    double square = 0, all = 0;
    for (size_t k = 0, first = 0; k < l->sources_count; k++) { /* root by root: of one source to the last bit */
        const size_t end = first + circuit_source_values(c, l->sources[k]);
        double own = 0, one;
        for (size_t i = 0; i < count; i++)
            if (input[i] >= first && input[i] < end) own += (double)weight[i] * (double)weight[i];
        square += own;
        one = sqrt(own) * noise[k];
        all += one * one;
        first = end;
    }
    *norm = sqrt(square);
    *brought = sqrt(all);
}

annulus_status lower_native_score_noise(const dense_layer *d, const circuit *c, const circuit_layer *l, double *out)
{
    double noise[CIRCUIT_MAX_LAYERS], most = 0, scaled = 0, value = 0;
    linear_view *view = NULL;
    int any = 0;
    *out = 0;
    for (size_t k = 0; k < l->sources_count; k++) {
        noise[k] = value_noise(c, l->sources[k]);
        any |= l->sources[k] != 0 && c->layers[l->sources[k] - 1].unit != 0;
    }
    if (!any) return ANNULUS_OK;
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    for (size_t o = 0; o < l->out; o++) {
        double norm, brought;
        score_norms(c, l, noise, view, o, &norm, &brought);
        most = fmax(most, norm);
        scaled = fmax(scaled, l->real_scale[o] * norm);
        value = fmax(value, brought);
    }
    linear_view_destroy(view);
    *out = value == 0 ? VALUE_NOISE : d->noise > 0 ? most * (d->noise / scaled) : value;
    return ANNULUS_OK;
}
