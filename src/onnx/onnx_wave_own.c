/* SPDX-License-Identifier: Apache-2.0 */
/* Waves that have no name. Candidates for the period come from the operators that repeat; the function itself, as its
 * Quant has it, decides. */
#include "onnx/onnx_program.h"

#include "nn/wave.h"

#include <math.h>
#include <stdlib.h>

#define TIMES_MOST 16 /* of an operator's period: sums of several repeat after a multiple */
#define PARTS_MOST 4  /* of one: products repeat sooner */
#define PLAIN_MOST 64 /* denominator of a period that is plain */
#define PLAIN 1e-6    /* relative: single precision moves a plain period by less */
#define POINTS 512u
#define FIRST_POINT 0.37 /* of 1/POINTS: jumps of plain constants lie elsewhere */
#define NEAR_BORDER 1e-4 /* periods: so far from where another integer begins rounding may decide */

/* A value is slope*u and something periodic; NAN: or it is not known to be. */
typedef struct rise {
    const onnx_program *p;
    double slope[FUNCTION_MAX_STEPS + 1];
    double period[FUNCTION_MAX_STEPS]; /* (count) of operators that repeat, in u */
    size_t count;
} rise;

static double slope_of(const rise *r, const onnx_operand *o)
{
    return o->is_number || o->constant != NULL ? 0 : r->slope[o->value];
}

static double constant_of(const onnx_operand *o)
{
    return o->is_number ? o->number : o->constant != NULL ? (double)o->constant->f[0] : NAN;
}

static void found(rise *r, double period)
{
    if (isfinite(period) && period > 0) r->period[r->count++] = period;
}

/* Of a product or quotient of values whose slopes are a and b. */
static double product_slope(const onnx_step *s, double a, double b)
{
    const double left = constant_of(&s->in[0]), right = constant_of(&s->in[1]);
    if (s->op == FUNCTION_MUL && !isnan(left)) return left * b;
    if (!isnan(right)) return s->op == FUNCTION_MUL ? a * right : a / right;
    return a == 0 && b == 0 ? 0 : NAN;
}

static double step_slope(rise *r, const onnx_step *s)
{
    const double a = slope_of(r, &s->in[0]), b = slope_of(r, &s->in[1]);
    switch (s->op) {
    case FUNCTION_COPY:
        return a;
    case FUNCTION_NEG:
        return -a;
    case FUNCTION_ADD:
        return a + b;
    case FUNCTION_SUB:
        return a - b;
    case FUNCTION_MUL:
    case FUNCTION_DIV:
        return product_slope(s, a, b);
    case FUNCTION_FLOOR:
    case FUNCTION_CEIL:
    case FUNCTION_ROUND:
        found(r, 1 / fabs(a));
        return a;
    case FUNCTION_SIN:
    case FUNCTION_COS:
        found(r, 2 * M_PI / fabs(a));
        return 0;
    case FUNCTION_MOD:
        found(r, fabs(constant_of(&s->in[1]) / a));
        return 0;
    default:
        break;
    }
    int level = 1;
    for (size_t k = 0; k < function_operators[s->op].inputs; k++) level &= slope_of(r, &s->in[k]) == 0;
    return level ? 0 : NAN;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The plain number, or multiple of pi, that is nearest to a period, or the period itself. */
static double plain(double period)
{
    static const double units[] = {1, M_PI};
    for (int d = 1; d <= PLAIN_MOST; d++)
        for (size_t k = 0; k < 2; k++) {
            const double near = rint(period / units[k] * d) / d * units[k];
            if (fabs(near - period) <= PLAIN * period) return near;
        }
    return period;
}

/* Whether the program is g, of period 1, at u/period, around many periods, and at its offsets. */
static int repeats(const onnx_program *p, const function *g, double period, const quantizer *q)
{
    static const double turns[] = {0, -1, 1, -2, 5, -37, 300};
    for (size_t t = 0; t < sizeof turns / sizeof *turns; t++)
        for (size_t i = 0; i < POINTS * p->offsets; i++) {
            const double at = ((double)(i / p->offsets) + FIRST_POINT) / POINTS;
            const size_t j = i % p->offsets;
            const int32_t got = quantizer_integer(q, onnx_program_apply(p, period * (at + turns[t]), j));
            int32_t lo, hi;
            wave_integers(g, q, at + 0.5 * (double)j / (double)p->offsets, NEAR_BORDER, &lo, &hi);
            if (got < lo || got > hi) return 0;
        }
    return 1;
}

static int fits(const onnx_program *p, const function *f, double period, const quantizer *q, size_t count, function *g)
{
    int32_t mid2;
    *g = *f;
    if (period != 1) function_stretch(f, period, g);
    for (size_t k = 0; k < count; k++)
        if (!wave_is_antiperiodic(g, &q[k], &mid2) || !repeats(p, g, period, &q[k])) return 0;
    return 1;
}

int onnx_wave_find(const onnx_program *p, const function *f, const quantizer *q, size_t count, onnx_function *out)
{
    rise r = {.p = p, .slope = {1}};
    double candidates[FUNCTION_MAX_STEPS * (TIMES_MOST + PARTS_MOST)];
    size_t made = 0;
    if (f->count == FUNCTION_MAX_STEPS) return 0;
    for (size_t i = 0; i < p->result; i++) r.slope[i + 1] = step_slope(&r, &p->steps[i]);
    for (size_t i = 0; i < r.count; i++) {
        for (int k = 1; k <= TIMES_MOST; k++) candidates[made++] = r.period[i] * k;
        for (int k = 2; k <= PARTS_MOST; k++) candidates[made++] = r.period[i] / k;
    }
    qsort(candidates, made, sizeof *candidates, by_size);
    for (size_t i = 0; i < made; i++) {
        if (i > 0 && candidates[i] == candidates[i - 1]) continue;
        const double periods[] = {plain(candidates[i]), candidates[i]};
        for (size_t k = 0; k < (periods[0] == periods[1] ? 1u : 2u); k++) {
            *out = (onnx_function){.act = ACTIVATION_WAVE, .period = periods[k], .amplitude = 1};
            if (fits(p, f, periods[k], q, count, &out->f)) return 1;
        }
    }
    return 0;
}
