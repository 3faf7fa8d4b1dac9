/* SPDX-License-Identifier: Apache-2.0 */
/* Scales in ratios of integers, or near them. */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define SAME 1e-6 /* relative, of scales that were rounded to single precision */
#define STEPS 40  /* of a continued fraction, at most */

/* The fraction of the least numbers in [lo, hi], 0 < lo < hi < 2^31. */
static void simplest(double lo, double hi, int64_t *p, int64_t *q)
{
    int64_t whole[STEPS];
    size_t n = 0;
    while (n + 1 < STEPS && ceil(lo) > hi) {
        whole[n] = (int64_t)floor(lo);
        const double f = (double)whole[n++], least = 1 / (hi - f);
        hi = 1 / (lo - f);
        lo = least;
    }
    *p = (int64_t)ceil(lo);
    *q = 1;
    while (n-- > 0) {
        const int64_t numerator = whole[n] * *p + *q;
        *q = *p;
        *p = numerator;
    }
}

int onnx_ratio_find(double a, double b, int near, int32_t *p, int32_t *q, int *exact)
{
    const double ratio = a / b;
    int64_t over, under;
    *exact = 1;
    for (*q = 1; *q <= NETWORK_MAX_FACTOR; ++*q) {
        const double whole = rint(ratio * *q);
        if (!(whole >= 1 && whole <= NETWORK_MAX_FACTOR && fabs(ratio * *q - whole) <= SAME * whole)) continue;
        *p = (int32_t)whole;
        return 1;
    }
    if (!near || !(ratio >= 1.0 / ONNX_MOST_RATIO && ratio <= ONNX_MOST_RATIO)) return 0;
    const double times = fmax(ratio, 1 / ratio);
    if (fabs(times - rint(times)) <= SAME * times) { /* exact, though not the least numbers that are near */
        *p = ratio > 1 ? (int32_t)rint(times) : 1;
        *q = ratio > 1 ? 1 : (int32_t)rint(times);
        return 1;
    }
    simplest(ratio * (1 - ONNX_NEAR), ratio * (1 + ONNX_NEAR), &over, &under);
    *exact = fabs((double)over / (double)under / ratio - 1) <= SAME;
    *p = (int32_t)over;
    *q = (int32_t)under;
    return 1;
}

/* by (count), unless NULL <- integers near scale/unit: 0, one of them is not so near. */
static int multiples(const double *scale, size_t count, double unit, double tolerance, int32_t *by)
{
    for (size_t o = 0; o < count; o++) {
        const double times = scale[o] / unit, whole = rint(times);
        if (!(whole <= LINEAR_MAX_WEIGHT && fabs(times - whole) <= tolerance * times)) return 0;
        if (by != NULL) by[o] = (int32_t)whole;
    }
    return 1;
}

/* The largest part of the least, of up to so many, that all are about multiples of. */
static int find_unit(const double *scale, size_t count, int32_t parts, double tolerance, int32_t *by, double *unit)
{
    double least = scale[0];
    for (size_t o = 0; o < count; o++) least = fmin(least, scale[o]);
    for (int32_t k = 1; k <= parts; k++) {
        *unit = least / k;
        if (multiples(scale, count, *unit, tolerance, by)) return 1;
    }
    return 0;
}

int onnx_unit_find(const double *scale, size_t count, int32_t *by, double *unit, int *exact)
{
    *exact = find_unit(scale, count, NETWORK_MAX_FACTOR, SAME, by, unit);
    return *exact || find_unit(scale, count, ONNX_MOST_PARTS, ONNX_NEAR, by, unit);
}

int onnx_wave_scales(const double *scale, size_t count, int64_t most)
{
    double largest = scale[0], unit;
    for (size_t o = 0; o < count; o++) largest = fmax(largest, scale[o]);
    if (!find_unit(scale, count, ONNX_WAVE_FACTOR, SAME, NULL, &unit)) return 0;
    const double factor = rint(largest / unit);
    return factor == 1 || (factor <= ONNX_WAVE_FACTOR && factor * (double)most <= INT16_MAX);
}

/* ---- sources of layers ------------------------------------------------------------------------------------------ */

typedef struct meeting {
    network *n;
    uint32_t group[NETWORK_MAX_LAYERS + 1]; /* of each source: the first of those that it meets, one way or another */
    unsigned char fixed[NETWORK_MAX_LAYERS + 1]; /* exact look-ups count on its scale */
} meeting;

static double *scale_at(network *n, size_t source)
{
    return source == 0 ? &n->input.scale : &n->layers[source - 1].out_q.scale;
}

static void find_groups(meeting *m)
{
    for (uint32_t s = 0; s <= m->n->layers_count; s++) m->group[s] = s;
    for (size_t i = 0; i < m->n->layers_count; i++) {
        const dense_layer *l = &m->n->layers[i];
        const int exact = l->proven || l->act == ACTIVATION_STEP;
        if (exact) m->fixed[i + 1] = 1;
        for (size_t k = 0; k < l->sources_count; k++) {
            const uint32_t from = m->group[l->sources[k]], to = m->group[l->sources[0]];
            m->fixed[l->sources[k]] |= (unsigned char)exact;
            for (uint32_t s = 0; s <= m->n->layers_count; s++)
                if (m->group[s] == from) m->group[s] = to;
        }
    }
}

/* Whether all layers that take values of the group have a common unit. */
static int has_units(const meeting *m, uint32_t group)
{
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit;
    for (size_t i = 0; i < m->n->layers_count; i++) {
        const dense_layer *l = &m->n->layers[i];
        if (m->group[l->sources[0]] != group) continue;
        if (!network_common_unit(m->n, l->sources, l->sources_count, factors, &unit)) return 0;
    }
    return 1;
}

/* Sets the scales of a group to multiples of the unit, those that are fixed as they are; 0: they are not so near. */
static int settle(meeting *m, uint32_t group, double unit, double tolerance)
{
    for (int change = 0; change < 2; change++)
        for (size_t s = 0; s < m->n->layers_count; s++) {
            double *scale = scale_at(m->n, s);
            const double whole = rint(*scale / unit), off = fabs(*scale / unit - whole);
            if (m->group[s] != group) continue;
            if (!(whole >= 1 && whole <= NETWORK_MAX_FACTOR && off <= (m->fixed[s] ? SAME : tolerance) * whole))
                return 0;
            if (!change || off <= SAME * whole) continue;
            *scale = whole * unit;
            if (s > 0) onnx_name_append(m->n->layers[s - 1].op, sizeof m->n->layers[s - 1].op, "~");
        }
    return 1;
}

void onnx_scales_meet(network *n)
{
    meeting m = {.n = n};
    int changed = 0;
    find_groups(&m);
    for (uint32_t g = 0; g < n->layers_count; g++) {
        size_t anchor = g;
        if (m.group[g] != g || has_units(&m, g)) continue;
        for (size_t s = 0; s < n->layers_count; s++)
            if (m.group[s] == g && m.fixed[s] && !m.fixed[anchor]) anchor = s;
        int done = 0;
        for (double near = ONNX_NEAR; near <= ONNX_NEAR_SOURCES && !done; near *= 2)
            for (int32_t parts = 1; parts <= NETWORK_MAX_FACTOR && !done; parts++)
                done = settle(&m, g, *scale_at(n, anchor) / parts, near);
        changed |= done;
    }
    for (size_t i = 0; changed && i < n->layers_count; i++) { /* they counted on the scales */
        mem_free(n->layers[i].bound);
        n->layers[i].bound = NULL;
    }
}
