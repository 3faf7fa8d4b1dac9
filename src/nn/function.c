/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/function.h"

#include <math.h>
#include <string.h>

#define SELU_ALPHA 1.67326319217681884765625
#define SELU_GAMMA 1.05070102214813232421875

const function_operator function_operators[FUNCTION_OPS] = {
    [FUNCTION_ADD] = {"Add", 2, {0}, {0}},
    [FUNCTION_SUB] = {"Sub", 2, {0}, {0}},
    [FUNCTION_MUL] = {"Mul", 2, {0}, {0}},
    [FUNCTION_DIV] = {"Div", 2, {0}, {0}},
    [FUNCTION_MOD] = {"Mod", 2, {0}, {0}},
    [FUNCTION_POW] = {"Pow", 2, {0}, {0}},
    [FUNCTION_MIN] = {"Min", 2, {0}, {0}},
    [FUNCTION_MAX] = {"Max", 2, {0}, {0}},
    [FUNCTION_LESS] = {"Less", 2, {0}, {0}},
    [FUNCTION_LESS_EQUAL] = {"LessOrEqual", 2, {0}, {0}},
    [FUNCTION_GREATER] = {"Greater", 2, {0}, {0}},
    [FUNCTION_GREATER_EQUAL] = {"GreaterOrEqual", 2, {0}, {0}},
    [FUNCTION_WHERE] = {"Where", 3, {0}, {0}},
    [FUNCTION_CLIP] = {"Clip", 3, {0}, {0}},
    [FUNCTION_PRELU] = {"PRelu", 2, {0}, {0}},
    [FUNCTION_ABS] = {"Abs", 1, {0}, {0}},
    [FUNCTION_NEG] = {"Neg", 1, {0}, {0}},
    [FUNCTION_FLOOR] = {"Floor", 1, {0}, {0}},
    [FUNCTION_CEIL] = {"Ceil", 1, {0}, {0}},
    [FUNCTION_ROUND] = {"Round", 1, {0}, {0}},
    [FUNCTION_SIGN] = {"Sign", 1, {0}, {0}},
    [FUNCTION_SIN] = {"Sin", 1, {0}, {0}},
    [FUNCTION_COS] = {"Cos", 1, {0}, {0}},
    [FUNCTION_ATAN] = {"Atan", 1, {0}, {0}},
    [FUNCTION_ERF] = {"Erf", 1, {0}, {0}},
    [FUNCTION_EXP] = {"Exp", 1, {0}, {0}},
    [FUNCTION_LOG] = {"Log", 1, {0}, {0}},
    [FUNCTION_SQRT] = {"Sqrt", 1, {0}, {0}},
    [FUNCTION_RECIPROCAL] = {"Reciprocal", 1, {0}, {0}},
    [FUNCTION_SIGMOID] = {"Sigmoid", 1, {0}, {0}},
    [FUNCTION_TANH] = {"Tanh", 1, {0}, {0}},
    [FUNCTION_SOFTPLUS] = {"Softplus", 1, {0}, {0}},
    [FUNCTION_SOFTSIGN] = {"Softsign", 1, {0}, {0}},
    [FUNCTION_RELU] = {"Relu", 1, {0}, {0}},
    [FUNCTION_LEAKY_RELU] = {"LeakyRelu", 1, {"alpha"}, {0.01}},
    [FUNCTION_ELU] = {"Elu", 1, {"alpha"}, {1}},
    [FUNCTION_CELU] = {"Celu", 1, {"alpha"}, {1}},
    [FUNCTION_SELU] = {"Selu", 1, {"alpha", "gamma"}, {SELU_ALPHA, SELU_GAMMA}},
    [FUNCTION_HARD_SIGMOID] = {"HardSigmoid", 1, {"alpha", "beta"}, {0.2, 0.5}},
    [FUNCTION_THRESHOLDED] = {"ThresholdedRelu", 1, {"alpha"}, {1}},
    [FUNCTION_CAST] = {"Cast", 1, {0}, {0}},
    [FUNCTION_GATHER] = {"Gather", 1, {0}, {0}},
    [FUNCTION_COPY] = {"Identity", 1, {0}, {0}},
};

static double apply_two(function_op op, const double *x)
{
    switch (op) {
    case FUNCTION_ADD:
        return x[0] + x[1];
    case FUNCTION_SUB:
        return x[0] - x[1];
    case FUNCTION_MUL:
        return x[0] * x[1];
    case FUNCTION_DIV:
        return x[0] / x[1];
    case FUNCTION_MOD:
        return fmod(x[0], x[1]);
    case FUNCTION_POW:
        return pow(x[0], x[1]);
    case FUNCTION_MIN:
        return fmin(x[0], x[1]);
    case FUNCTION_MAX:
        return fmax(x[0], x[1]);
    case FUNCTION_LESS:
        return x[0] < x[1];
    case FUNCTION_LESS_EQUAL:
        return x[0] <= x[1];
    case FUNCTION_GREATER:
        return x[0] > x[1];
    case FUNCTION_GREATER_EQUAL:
        return x[0] >= x[1];
    case FUNCTION_WHERE:
        return x[0] != 0 ? x[1] : x[2];
    case FUNCTION_CLIP:
        return fmin(fmax(x[0], x[1]), x[2]);
    default:
        return x[0];
    }
}

static double apply_smooth(function_op op, double x)
{
    switch (op) {
    case FUNCTION_SIN:
        return sin(x);
    case FUNCTION_COS:
        return cos(x);
    case FUNCTION_ATAN:
        return atan(x);
    case FUNCTION_ERF:
        return erf(x);
    case FUNCTION_EXP:
        return exp(x);
    case FUNCTION_LOG:
        return log(x);
    case FUNCTION_SQRT:
        return sqrt(x);
    case FUNCTION_RECIPROCAL:
        return 1 / x;
    case FUNCTION_SIGMOID:
        return 1 / (1 + exp(-x));
    case FUNCTION_TANH:
        return tanh(x);
    case FUNCTION_SOFTPLUS:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    case FUNCTION_SOFTSIGN:
        return x / (1 + fabs(x));
    default:
        return x;
    }
}

static double apply_pieces(function_op op, const double *x)
{
    switch (op) {
    case FUNCTION_ABS:
        return fabs(x[0]);
    case FUNCTION_NEG:
        return -x[0];
    case FUNCTION_FLOOR:
        return floor(x[0]);
    case FUNCTION_CEIL:
        return ceil(x[0]);
    case FUNCTION_ROUND:
        return rint(x[0]);
    case FUNCTION_SIGN:
        return (x[0] > 0) - (x[0] < 0);
    case FUNCTION_RELU:
        return fmax(x[0], 0);
    case FUNCTION_PRELU:
    case FUNCTION_LEAKY_RELU:
        return x[0] < 0 ? x[1] * x[0] : x[0];
    case FUNCTION_ELU:
        return x[0] < 0 ? x[1] * expm1(x[0]) : x[0];
    case FUNCTION_CELU:
        return fmax(x[0], 0) + fmin(x[1] * expm1(x[0] / x[1]), 0);
    case FUNCTION_SELU:
        return x[2] * (x[0] < 0 ? x[1] * expm1(x[0]) : x[0]);
    case FUNCTION_HARD_SIGMOID:
        return fmin(fmax(x[1] * x[0] + x[2], 0), 1);
    case FUNCTION_CAST:
        return trunc(x[0]);
    case FUNCTION_THRESHOLDED:
        return x[0] > x[1] ? x[0] : 0;
    default:
        return x[0];
    }
}

double function_op_apply(function_op op, const double *x)
{
    if (op < FUNCTION_PRELU) return apply_two(op, x);
    return op >= FUNCTION_SIN && op < FUNCTION_RELU ? apply_smooth(op, x[0]) : apply_pieces(op, x);
}

double function_apply_vary(const function *f, const double *vary, double x)
{
    double value[FUNCTION_MAX_STEPS + 1];
    value[0] = x;
    for (size_t i = 0; i < f->count; i++) {
        double in[FUNCTION_MAX_OPERANDS];
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) {
            const function_operand *o = &f->steps[i].in[k];
            in[k] = o->is_constant ? o->constant : o->varies ? vary[o->value] : value[o->value];
        }
        value[i + 1] = f->steps[i].op == FUNCTION_GATHER ? function_gather(f->table, f->entries, in[0])
                                                         : function_op_apply(f->steps[i].op, in);
    }
    return value[f->count];
}

double function_apply(const function *f, double x)
{
    return function_apply_vary(f, NULL, x);
}

double function_gather(const float *table, size_t entries, double index)
{
    const double at = index < 0 ? index + (double)entries : index;
    return at >= 0 && at < (double)entries ? (double)table[(size_t)at] : NAN;
}

size_t function_append(function *f, function_op op, function_operand a, function_operand b, function_operand c)
{
    f->steps[f->count++] = (function_step){op, {a, b, c}};
    return f->count;
}

void function_chain(function *out, const function *f)
{
    const size_t before = out->count;
    for (size_t i = 0; i < f->count; i++) {
        function_step *s = &out->steps[out->count++];
        *s = f->steps[i];
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) s->in[k].value += s->in[k].is_constant ? 0 : before;
    }
    if (f->entries == 0) return;
    out->entries = f->entries;
    memcpy(out->table, f->table, sizeof f->table);
}

void function_stretch(const function *f, double by, function *out)
{
    function g = {0};
    (void)function_append(&g, FUNCTION_MUL, function_value(0), function_constant((double)(float)by),
                          function_constant(0));
    function_chain(&g, f);
    *out = g;
}

annulus_status function_points(size_t count, const double *x, const double *y, function *out)
{
    if (count < 2 || count > FUNCTION_MAX_POINTS)
        return fail(ANNULUS_ERR_INPUT, "a table of %zu points: 2 to %u are possible", count, FUNCTION_MAX_POINTS);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i]) || !isfinite(y[i]) || fabs(x[i]) > 1e6 || fabs(y[i]) > 1e6 || (i > 0 && !(x[i] > x[i - 1])))
            return fail(ANNULUS_ERR_INPUT, "point %zu of a table, (%g, %g): x must rise, numbers be within 10^6", i + 1,
                        x[i], y[i]);
    function f = {0};
    size_t sum = 0;
    double first = y[0]; /* the pieces without their constants sum up to the rest */
    for (size_t i = 0; i + 1 < count; i++) {
        const double slope = (double)(float)((y[i + 1] - y[i]) / (x[i + 1] - x[i]));
        if (slope == 0) continue;
        first -= slope * x[i];
        const size_t piece =
            function_append(&f, FUNCTION_CLIP, function_value(0), function_constant(x[i]), function_constant(x[i + 1]));
        const size_t part =
            function_append(&f, FUNCTION_MUL, function_value(piece), function_constant(slope), function_constant(0));
        sum = sum == 0
                  ? part
                  : function_append(&f, FUNCTION_ADD, function_value(sum), function_value(part), function_constant(0));
    }
    if (sum == 0)
        sum = function_append(&f, FUNCTION_MUL, function_value(0), function_constant(0), function_constant(0));
    (void)function_append(&f, FUNCTION_ADD, function_value(sum), function_constant((double)(float)first),
                          function_constant(0));
    *out = f;
    return ANNULUS_OK;
}

annulus_status function_entries(size_t count, double first, double apart, const double *y, function *out)
{
    const double last = first + (double)(count - 1) * apart;
    if (count < 2 || count > FUNCTION_MAX_ENTRIES)
        return fail(ANNULUS_ERR_INPUT, "a table of %zu entries: 2 to %u are possible", count, FUNCTION_MAX_ENTRIES);
    if (!(apart > 0) || !(fabs(first) <= 1e6) || !(fabs(last) <= 1e6) || !isnormal((float)(1 / apart)))
        return fail(ANNULUS_ERR_INPUT, "entries of a table from %g, %g apart: they must rise, within 10^6", first,
                    apart);
    function f = {.entries = count};
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(y[i]) || fabs(y[i]) > 1e6)
            return fail(ANNULUS_ERR_INPUT, "entry %zu of a table, %g: a number within 10^6 is needed", i + 1, y[i]);
        f.table[i] = (float)y[i];
    }
    const function_operand none = function_constant(0);
    const double lo = (double)(float)first;
    size_t at = function_append(&f, FUNCTION_CLIP, function_value(0), function_constant(lo),
                                function_constant((double)(float)last));
    at = function_append(&f, FUNCTION_SUB, function_value(at), function_constant(lo), none);
    at = function_append(&f, FUNCTION_MUL, function_value(at), function_constant((double)(float)(1 / apart)), none);
    at = function_append(&f, FUNCTION_ADD, function_value(at), function_constant(0.5), none);
    at = function_append(&f, FUNCTION_FLOOR, function_value(at), none, none);
    at = function_append(&f, FUNCTION_CAST, function_value(at), none, none);
    (void)function_append(&f, FUNCTION_GATHER, function_value(at), none, none);
    *out = f;
    return ANNULUS_OK;
}

double function_entry_width(const function *f)
{
    double by = 1;
    for (size_t i = 0; f->entries > 0 && i < f->count; i++) {
        const function_step *s = &f->steps[i];
        if (s->op == FUNCTION_GATHER) return by > 0 && isfinite(by) ? 1 / by : 0;
        if ((s->op != FUNCTION_MUL && s->op != FUNCTION_DIV) || !s->in[1].is_constant) continue;
        by *= fabs(s->op == FUNCTION_MUL ? s->in[1].constant : 1 / s->in[1].constant);
    }
    return 0;
}

annulus_status function_check(const function *f)
{
    int fits = f->count <= FUNCTION_MAX_STEPS && f->entries <= FUNCTION_MAX_ENTRIES && f->vary <= FUNCTION_MAX_VARY;
    size_t gathers = 0;
    for (size_t i = 0; fits && i < f->entries; i++) fits = isfinite(f->table[i]);
    for (size_t i = 0; fits && i < f->count; i++) {
        fits = (unsigned)f->steps[i].op < FUNCTION_OPS;
        gathers += f->steps[i].op == FUNCTION_GATHER;
        for (size_t k = 0; fits && k < FUNCTION_MAX_OPERANDS; k++) {
            const function_operand *o = &f->steps[i].in[k];
            fits = o->is_constant ? isfinite(o->constant) != 0 : o->varies ? o->value < f->vary : o->value <= i;
        }
    }
    fits &= (gathers > 0) == (f->entries > 0);
    return fits ? ANNULUS_OK : fail(ANNULUS_ERR_INPUT, "a function is no program of operators");
}
