/* SPDX-License-Identifier: Apache-2.0 */
/* Waves are known by their values: a program is evaluated and held against them. */
#include "onnx/onnx_program.h"

#include <math.h>

#define POINTS 512u      /* of a period, even */
#define TOLERANCE 2e-5   /* of the amplitude: constants are single precision */
#define NEAR_JUMP 1e-4   /* periods: there a square, or the edge of a clipped one, may have either value */
#define FIRST_POINT 0.37 /* of 1/POINTS: jumps of plain constants lie elsewhere */

static double point(double period, size_t i)
{
    return period * ((double)i + FIRST_POINT) / POINTS;
}

/* Whether f(u) = amplitude * wave(u/period + shift) around many periods, and the others the same, further by their
 * part of half a period; beside jumps either value may be had. */
static int is_wave(const onnx_program *p, const onnx_function *w)
{
    static const double turns[] = {0, -1, 1, -2, 5, -37, 300};
    for (size_t t = 0; t < sizeof turns / sizeof *turns; t++)
        for (size_t i = 0; i < POINTS; i++)
            for (size_t j = 0; j < p->offsets; j++) {
                const double u = point(w->period, i) + turns[t] * w->period;
                const double at = u / w->period + w->shift + 0.5 * (double)j / (double)p->offsets;
                const double got = onnx_program_apply(p, u, j) / w->amplitude;
                const double a = activation_apply(w->act, w->rise, at - NEAR_JUMP),
                             b = activation_apply(w->act, w->rise, at + NEAR_JUMP);
                const double slack = w->act == ACTIVATION_SQUARE ? TOLERANCE : TOLERANCE + (fabs(turns[t]) > 2) * 1e-4;
                const double want = activation_apply(w->act, w->rise, at);
                const int jumps = w->act == ACTIVATION_SQUARE && a != b;
                if (!(fabs(got - want) <= slack || (jumps && fabs(fabs(got) - 1) <= TOLERANCE))) return 0;
            }
    return 1;
}

/* Where f rises through 0 between points i - 1 and i, in periods. */
static double crossing(const onnx_program *p, double period, size_t i)
{
    double below = point(period, i) - period / POINTS, above = point(period, i);
    for (size_t k = 0; k < 60; k++) {
        const double middle = (below + above) / 2;
        *(onnx_program_apply(p, middle, 0) < 0 ? &below : &above) = middle;
    }
    return above / period;
}

/* The nearest of the plain fractions of a period, in [0, 1), or the number itself. */
static double plain(double x)
{
    const double nearest = rint(64 * x) / 64, near = fabs(x - nearest) < 1e-6 ? nearest : x;
    return near - floor(near);
}

static double nearest_float(double x)
{
    return (double)(float)x;
}

/* A wave is known by where it rises through 0, the value a quarter period later, and its largest slope. */
static int fit(const onnx_program *p, double period, onnx_function *w)
{
    double f[POINTS], slope = 0;
    size_t rises = 0;
    for (size_t i = 0; i < POINTS; i++) {
        f[i] = onnx_program_apply(p, point(period, i), 0);
        if (!isfinite(f[i])) return 0;
    }
    for (size_t i = 0; i < POINTS; i++) {
        const double before = f[(i + POINTS - 1) % POINTS];
        slope = fmax(slope, fabs(f[i] - before) * POINTS);
        if (before < 0 && f[i] >= 0) rises = i + 1;
    }
    if (rises == 0) return 0;
    const double zero = crossing(p, period, rises - 1);
    const double amplitude = nearest_float(onnx_program_apply(p, period * (zero + 0.25), 0));
    static const activation waves[] = {ACTIVATION_TRIANGLE, ACTIVATION_SINE, ACTIVATION_SQUARE, ACTIVATION_TRAPEZOID};
    for (size_t k = 0; amplitude > 0 && k < sizeof waves / sizeof *waves; k++) {
        *w = (onnx_function){.act = waves[k], .period = period, .amplitude = amplitude};
        w->shift = plain(-zero - (w->act == ACTIVATION_TRIANGLE ? 0.25 : 0));
        if (w->act == ACTIVATION_TRAPEZOID) w->rise = nearest_float(2 * amplitude / slope);
        if (is_wave(p, w)) return 1;
    }
    return 0;
}

int onnx_wave_fit(const onnx_program *p, onnx_function *out)
{
    static const double periods[] = {1, 2 * M_PI, 2, 4, 0.5};
    for (size_t k = 0; p->repeats && k < sizeof periods / sizeof *periods; k++)
        if (fit(p, periods[k], out)) return 1;
    return 0;
}
