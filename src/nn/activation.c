/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/activation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NEAR 100.0 /* functions are compared at points up to here, */
#define POINTS 801u
#define FAR 1e12 /* at rarer ones up to here, each FURTHER times the one before, */
#define FURTHER 1.05
#define BESIDE 1e-5 /* and beside every constant */
#define SAME 4e-7   /* relative to 1 + |x| */

static const char *const names[] = {"identity", "relu",         "sigmoid",    "tanh",      "triangle", "trapezoid",
                                    "sine",     "square",       "leaky_relu", "elu",       "gelu",     "silu",
                                    "softplus", "hard_sigmoid", "hard_tanh",  "hard_silu", "sign",     "function",
                                    "wave",     "padded_wave",  "step",       "quadratic", "near_zero"};

const char *activation_name(activation a)
{
    return names[a];
}

annulus_status activation_parse(const char *name, activation *out)
{
    char known[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < ACTIVATION_FUNCTION; i++) {
        if (strcmp(name, names[i]) == 0) {
            *out = (activation)i;
            return ANNULUS_OK;
        }
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", names[i]);
    }
    return fail(ANNULUS_ERR_INPUT, "unknown activation \"%.40s\": use one of %s", name, known);
}

int activation_is_wave(activation a)
{
    return (a >= ACTIVATION_TRIANGLE && a <= ACTIVATION_SQUARE) || a == ACTIVATION_WAVE;
}

int activation_is_monotone(activation a)
{
    return !activation_is_wave(a) && a != ACTIVATION_GELU && a != ACTIVATION_SILU && a != ACTIVATION_HARD_SILU &&
           a != ACTIVATION_FUNCTION && a != ACTIVATION_PADDED_WAVE && a != ACTIVATION_QUADRATIC &&
           a != ACTIVATION_NEAR_ZERO;
}

static double triangle(double u)
{
    return 1 - 4 * fabs(u - floor(u + 0.5));
}

static double wave(activation a, double rise, double x)
{
    switch (a) {
    case ACTIVATION_TRAPEZOID:
        return fmin(fmax(triangle(x - 0.25) / (2 * rise), -1), 1);
    case ACTIVATION_SINE:
        return sin(2 * M_PI * x);
    case ACTIVATION_SQUARE:
        return x - floor(x) < 0.5 ? 1 : -1;
    default:
        return triangle(x);
    }
}

double activation_apply(activation a, double rise, double x)
{
    if (activation_is_wave(a)) return wave(a, rise, x);
    switch (a) {
    case ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_LEAKY_RELU:
        return x < 0 ? rise * x : x;
    case ACTIVATION_ELU:
        return x < 0 ? expm1(x) : x;
    case ACTIVATION_GELU:
        return 0.5 * x * erfc(-x * M_SQRT1_2);
    case ACTIVATION_SILU:
        return x / (1 + exp(-x));
    case ACTIVATION_SOFTPLUS:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    case ACTIVATION_HARD_SIGMOID:
        return fmin(fmax(x / 6 + 0.5, 0), 1);
    case ACTIVATION_HARD_TANH:
        return fmin(fmax(x, -1), 1);
    case ACTIVATION_HARD_SILU:
        return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    case ACTIVATION_SIGN:
        return (x > 0) - (x < 0);
    case ACTIVATION_STEP:
        return x >= 0;
    case ACTIVATION_QUADRATIC:
        return x * x;
    case ACTIVATION_NEAR_ZERO:
        return fabs(x) < 0.5;
    default:
        return x;
    }
}

static function_operand value(size_t number)
{
    return (function_operand){.value = number};
}

static function_operand constant(double v)
{
    return (function_operand){.is_constant = 1, .constant = (double)(float)v};
}

#define STEP(...)                                                                                                      \
    (function_step)                                                                                                    \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

void activation_function(activation a, double rise, function *out)
{
    static const function_op plain[] = {[ACTIVATION_IDENTITY] = FUNCTION_COPY,     [ACTIVATION_RELU] = FUNCTION_RELU,
                                        [ACTIVATION_SIGMOID] = FUNCTION_SIGMOID,   [ACTIVATION_TANH] = FUNCTION_TANH,
                                        [ACTIVATION_SOFTPLUS] = FUNCTION_SOFTPLUS, [ACTIVATION_SIGN] = FUNCTION_SIGN};
    const function_step hard = STEP(FUNCTION_HARD_SIGMOID, {value(0), constant(1.0 / 6), constant(0.5)});
    function f = {.count = 1};
    if (a == ACTIVATION_LEAKY_RELU) {
        f.steps[0] = STEP(FUNCTION_LEAKY_RELU, {value(0), constant(rise)});
    } else if (a == ACTIVATION_ELU) {
        f.steps[0] = STEP(FUNCTION_ELU, {value(0), constant(1)});
    } else if (a == ACTIVATION_HARD_TANH) {
        f.steps[0] = STEP(FUNCTION_CLIP, {value(0), constant(-1), constant(1)});
    } else if (a == ACTIVATION_HARD_SIGMOID) {
        f.steps[0] = hard;
    } else if (a == ACTIVATION_SILU || a == ACTIVATION_HARD_SILU) {
        f.steps[0] = a == ACTIVATION_SILU ? STEP(FUNCTION_SIGMOID, {value(0)}) : hard;
        f.steps[1] = STEP(FUNCTION_MUL, {value(0), value(1)});
        f.count = 2;
    } else if (a == ACTIVATION_GELU) {
        f.steps[0] = STEP(FUNCTION_MUL, {value(0), constant(M_SQRT1_2)});
        f.steps[1] = STEP(FUNCTION_ERF, {value(1)});
        f.steps[2] = STEP(FUNCTION_ADD, {value(2), constant(1)});
        f.steps[3] = STEP(FUNCTION_MUL, {value(0), value(3)});
        f.steps[4] = STEP(FUNCTION_MUL, {value(4), constant(0.5)});
        f.count = 5;
    } else {
        f.steps[0] = STEP(plain[a], {value(0)});
    }
    *out = f;
}

static int is_same_at(const function *f, activation a, double rise, double x)
{
    const double y = function_apply(f, x);
    if (!isfinite(y) && fabs(x) > NEAR) return 1; /* an exponential on the way */
    return fabs(y - activation_apply(a, rise, x)) <= SAME * (1 + fabs(x));
}

static int is_same_beside(const function *f, activation a, double rise, double x)
{
    const double by = BESIDE * (1 + fabs(x));
    return is_same_at(f, a, rise, x - by) && is_same_at(f, a, rise, x) && is_same_at(f, a, rise, x + by);
}

static int is_same(const function *f, activation a, double rise)
{
    for (size_t i = 0; i < POINTS; i++) {
        const double t = 2.0 * (double)i / (POINTS - 1) - 1;
        if (!is_same_at(f, a, rise, NEAR * t * t * t)) return 0; /* closer about 0 */
    }
    for (double x = NEAR; x < FAR; x *= FURTHER)
        if (!is_same_at(f, a, rise, x) || !is_same_at(f, a, rise, -x)) return 0;
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) {
            const function_operand *o = &f->steps[i].in[k];
            if (o->is_constant && fabs(o->constant) < FAR && !is_same_beside(f, a, rise, o->constant)) return 0;
        }
    return 1;
}

activation activation_find(const function *f, double *rise)
{
    for (activation a = ACTIVATION_IDENTITY; a < ACTIVATION_FUNCTION; a++) {
        *rise = a == ACTIVATION_LEAKY_RELU ? (double)(float)-function_apply(f, -1) : 0;
        if (activation_is_wave(a) || !(*rise >= 0 && *rise <= 1)) continue;
        if (is_same(f, a, *rise)) return a;
    }
    *rise = 0;
    return ACTIVATION_FUNCTION;
}
