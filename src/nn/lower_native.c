/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include "math/torus.h"
#include <math.h>

#define PHASE_NOISE 0x1p-5 /* torus_native.md 3: what networks bear at little loss */
#define VALUE_NOISE 0x1p-4 /* of the amplitude; half of what PHASE_NOISE makes of a triangle (torus_native.md 6) */

annulus_status lower_native_encode(const dense_layer *d, double scale, const lower_options *options, circuit_layer *l)
{
    l->cells = LOWER_NATIVE_CELLS;
    l->step = 1;
    l->offsets = (uint32_t)d->offsets;
    l->unit = 2 * torus_from_double(d->w_scale[0] * scale / 2);
    l->noise = options->phase_noise > 0 ? options->phase_noise : d->noise > 0 ? d->noise : PHASE_NOISE;
    if (l->unit == 0)
        return fail(ANNULUS_ERR_INPUT, "%s: its weights move the phase by whole periods: every look-up reads its bias",
                    l->name);
    if (l->noise <= LOWER_MAX_PHASE_NOISE) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s: a noise of %g periods: at most %g are possible", l->name, l->noise,
                LOWER_MAX_PHASE_NOISE);
}

/* Values of the two halves of the period must differ by their sign alone, about a centre; a unit more or less comes
 * from rounding halves up and from the one value that signed integers have more below 0. */
annulus_status lower_native_fill(const dense_layer *d, circuit_layer *l)
{
    int32_t lo = INT32_MAX, hi = INT32_MIN;
    for (size_t c = 0; c < l->cells; c++) {
        const double u = ((double)c + 0.5) / (2.0 * l->cells), a = activation_apply(d->act, d->rise, u);
        l->table[c] = quantizer_integer(&d->out_q, a);
        const int32_t sum = l->table[c] + quantizer_integer(&d->out_q, -a);
        lo = sum < lo ? sum : lo;
        hi = sum > hi ? sum : hi;
    }
    if (hi - lo > 2)
        return fail(ANNULUS_ERR_INPUT,
                    "%s: the quantizer behind %s cuts off a part of the wave, which is no longer antiperiodic: it must "
                    "be signed",
                    l->name, l->activation);
    l->mid2 = (lo + hi) / 2;
    for (size_t o = 0; o < l->out; o++) l->shift[o] = torus_from_double(d->bias[o]);
    return ANNULUS_OK;
}

/* Least and greatest of what neuron h contributes to sum o, over all cells. */
static void neuron_range(const circuit_layer *before, const circuit_layer *l, size_t o, size_t h, int64_t *lo,
                         int64_t *hi)
{
    const int32_t *w = l->W + o * l->in + h * before->offsets;
    int64_t mirror = 0;
    *lo = INT64_MAX, *hi = INT64_MIN;
    for (uint32_t j = 0; j < before->offsets; j++) mirror += (int64_t)w[j] * before->mid2;
    for (size_t c = 0; c < before->cells; c++) {
        int64_t sum = 0;
        for (uint32_t j = 0; j < before->offsets; j++) {
            const size_t at = c + circuit_offset(before, j);
            sum += (int64_t)w[j] *
                   (at < before->cells ? before->table[at] : before->mid2 - before->table[at - before->cells]);
        }
        const int64_t other = mirror - sum; /* half a period on */
        *lo = sum < *lo ? sum : *lo, *lo = other < *lo ? other : *lo;
        *hi = sum > *hi ? sum : *hi, *hi = other > *hi ? other : *hi;
    }
}

void lower_native_ranges(const circuit_layer *before, circuit_layer *l)
{
    for (size_t o = 0; o < l->out; o++) {
        l->proven_lo[o] = l->proven_hi[o] = 0;
        for (size_t h = 0; h < before->out; h++) {
            int64_t lo, hi;
            neuron_range(before, l, o, h, &lo, &hi);
            l->proven_lo[o] += lo;
            l->proven_hi[o] += hi;
        }
    }
}

double lower_native_score_noise(const dense_layer *d, const circuit_layer *before, const circuit_layer *l)
{
    double most = 0, scaled = 0, amplitude = 0;
    for (size_t o = 0; o < l->out; o++) {
        double square = 0;
        for (size_t i = 0; i < l->in; i++) square += (double)l->W[o * l->in + i] * l->W[o * l->in + i];
        most = fmax(most, sqrt(square));
        scaled = fmax(scaled, l->real_scale[o] * sqrt(square));
    }
    for (size_t c = 0; c < before->cells; c++) amplitude = fmax(amplitude, fabs(before->table[c] - before->mid2 / 2.0));
    if (most == 0 || amplitude == 0) return VALUE_NOISE;
    return most * (d->noise > 0 ? d->noise / scaled : VALUE_NOISE * amplitude);
}
