/* SPDX-License-Identifier: Apache-2.0 */
/* Waves: elementwise operators between the sums of a layer and their Quant, as one function that is evaluated and held
 * against the waves, whatever operators it is written in. */
#include "onnx/onnx_priv.h"

#include <math.h>
#include <string.h>

#define STEPS_MAX 32u
#define OPERANDS_MAX 3u
#define OFFSETS_MAX 16u
#define POINTS 512u      /* of a period, even */
#define TOLERANCE 2e-5   /* of the amplitude: constants are single precision */
#define NEAR_JUMP 1e-4   /* periods: there a square, or the edge of a clipped one, may have either value */
#define FIRST_POINT 0.37 /* of 1/POINTS: jumps of plain constants lie elsewhere */

typedef enum operation {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_MOD,
    OP_MIN,
    OP_MAX,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_WHERE,
    OP_CLIP,
    OP_ABS,
    OP_NEG,
    OP_FLOOR,
    OP_CEIL,
    OP_ROUND,
    OP_SIGN,
    OP_SIN,
    OP_COS,
    OP_RELU,
    OP_COPY,
    OP_SHAPE /* the values stay */
} operation;

static const struct {
    const char *name;
    operation op;
    size_t operands;
    int repeats; /* a periodic function may come of it */
} known[] = {{"Add", OP_ADD, 2, 0},
             {"Sub", OP_SUB, 2, 0},
             {"Mul", OP_MUL, 2, 0},
             {"Div", OP_DIV, 2, 0},
             {"Mod", OP_MOD, 2, 1},
             {"Min", OP_MIN, 2, 0},
             {"Max", OP_MAX, 2, 0},
             {"Less", OP_LESS, 2, 0},
             {"LessOrEqual", OP_LESS_EQUAL, 2, 0},
             {"Greater", OP_GREATER, 2, 0},
             {"GreaterOrEqual", OP_GREATER_EQUAL, 2, 0},
             {"Where", OP_WHERE, 3, 0},
             {"Clip", OP_CLIP, 3, 0},
             {"Abs", OP_ABS, 1, 0},
             {"Neg", OP_NEG, 1, 0},
             {"Floor", OP_FLOOR, 1, 1},
             {"Ceil", OP_CEIL, 1, 1},
             {"Round", OP_ROUND, 1, 1},
             {"Sign", OP_SIGN, 1, 0},
             {"Sin", OP_SIN, 1, 1},
             {"Cos", OP_COS, 1, 1},
             {"Relu", OP_RELU, 1, 0},
             {"Identity", OP_COPY, 1, 0},
             {"Reshape", OP_SHAPE, 1, 0},
             {"Unsqueeze", OP_SHAPE, 1, 0},
             {"Flatten", OP_SHAPE, 1, 0}};

/* A value of the program, or a constant: one number, or one for each offset. */
typedef struct operand {
    size_t value;
    const onnx_constant *constant; /* NULL: the value */
} operand;

typedef struct step {
    operation op;
    operand in[OPERANDS_MAX];
    const char *name; /* of its result, value number of the step + 1 */
    int deep;         /* of shape (batch, neurons, 1 or offsets), else (batch, neurons or all) */
    int wide;         /* one for each offset */
} step;

/* Values that come of the sums, value 0. */
typedef struct program {
    const char *source;
    size_t features; /* neurons */
    step steps[STEPS_MAX];
    size_t count;
    size_t offsets; /* 1 until a constant has more */
    size_t result;
    int repeats;
} program;

/* ---- reading the program ---------------------------------------------------------------------------------------- */

static int value_find(const program *p, const char *name, size_t *out)
{
    if (strcmp(name, p->source) == 0) {
        *out = 0;
        return 1;
    }
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(name, p->steps[i].name) == 0) {
            *out = i + 1;
            return 1;
        }
    return 0;
}

static int is_deep(const program *p, size_t value)
{
    return value > 0 && p->steps[value - 1].deep;
}

static int is_wide(const program *p, size_t value)
{
    return value > 0 && p->steps[value - 1].wide;
}

/* Whether a step of this depth can take the constant; more than one number, along the last axis, sets the offsets. */
static int constant_fits(program *p, const onnx_constant *k, int deep, int *wide)
{
    if (k->rank > (deep ? 3u : 2u)) return 0;
    if (k->count == 1) return 1;
    if (!deep || k->rank == 0 || k->dims[k->rank - 1] != k->count || k->count > OFFSETS_MAX) return 0;
    if (p->offsets != 1 && p->offsets != k->count) return 0;
    p->offsets = k->count;
    *wide = 1;
    return 1;
}

static int axis_is(const onnx_constant *k, size_t i, int64_t size)
{
    return k->i[i] == size || k->i[i] == -1;
}

/* Reshape, Unsqueeze or Flatten of value in[0]: to (batch, neurons, 1), or back to (batch, all). *fits 0: neither. */
static annulus_status shape_step(onnx_chain *c, const program *p, const Onnx__NodeProto *node, step *s, int *fits)
{
    const int deep = is_deep(p, s->in[0].value);
    const size_t all = p->features * (s->wide ? p->offsets : 1);
    int64_t axis = 1;
    *fits = 0;
    if (strcmp(node->op_type, "Flatten") == 0) {
        TRY(onnx_node_int(node, "axis", 1, &axis));
        *fits = axis == 1;
        return ANNULUS_OK;
    }
    const onnx_constant *k;
    TRY(onnx_node_constant(c->g, node, 1, &k));
    if (k->i == NULL) return ANNULUS_OK;
    if (node->op_type[0] == 'U') {
        s->deep = 1;
        *fits = !deep && !s->wide && k->count == 1 && (k->i[0] == 2 || k->i[0] == -1);
        return ANNULUS_OK;
    }
    const int batch = k->count > 0 && k->i[0] >= -1 && k->i[0] <= 1;
    const int flat = batch && k->count == 2 && axis_is(k, 1, (int64_t)all) && k->i[0] + k->i[1] != -2;
    s->deep = batch && k->count == 3 && axis_is(k, 1, (int64_t)p->features) && k->i[2] == 1 && k->i[0] + k->i[1] != -2;
    *fits = s->deep ? !s->wide : flat;
    return ANNULUS_OK;
}

/* The operands of a node of which at least one is a value. *fits 0: not part of a program. */
static annulus_status operands_read(onnx_chain *c, program *p, const Onnx__NodeProto *node, size_t count, step *s,
                                    int *fits)
{
    *fits = 1;
    for (size_t i = 0; i < count; i++)
        if (value_find(p, node->input[i], &s->in[i].value)) s->deep |= is_deep(p, s->in[i].value);
    for (size_t i = 0, values = 0; i < count && *fits; i++) {
        if (value_find(p, node->input[i], &s->in[i].value)) {
            const int wide = is_wide(p, s->in[i].value), same = s->deep || values++ == 0 || wide == s->wide;
            *fits = is_deep(p, s->in[i].value) == s->deep && same;
            s->wide |= wide;
            continue;
        }
        TRY(onnx_graph_find(c->g, node->input[i], &s->in[i].constant));
        *fits = s->in[i].constant != NULL && constant_fits(p, s->in[i].constant, s->deep, &s->wide);
    }
    return ANNULUS_OK;
}

static annulus_status step_read(onnx_chain *c, program *p, const Onnx__NodeProto *node, int *fits)
{
    size_t k = 0;
    const size_t count = sizeof known / sizeof *known;
    const char *domain = node->domain == NULL ? "" : node->domain;
    while (k < count && strcmp(node->op_type, known[k].name) != 0) k++;
    *fits = k < count && p->count < STEPS_MAX && node->n_output == 1 && (domain[0] == 0 || domain[0] == 'a');
    if (!*fits) return ANNULUS_OK;
    step s = {.op = known[k].op, .name = node->output[0]};
    *fits = s.op == OP_SHAPE || node->n_input == known[k].operands;
    if (*fits) TRY(operands_read(c, p, node, known[k].operands, &s, fits));
    if (*fits && s.op == OP_SHAPE) {
        s.deep = 0;
        TRY(shape_step(c, p, node, &s, fits));
    }
    if (*fits && s.op == OP_MOD) {
        int64_t fmod_asked = 0;
        TRY(onnx_node_int(node, "fmod", 0, &fmod_asked));
        *fits = fmod_asked == 1; /* of floats no other is allowed */
    }
    p->repeats |= known[k].repeats;
    if (*fits) p->steps[p->count++] = s;
    return ANNULUS_OK;
}

/* From node `first` to the Quant of what comes of the current value; *end its number, 0: no such program. */
static annulus_status program_read(onnx_chain *c, size_t first, program *p, size_t *end)
{
    *p = (program){.source = c->value, .features = c->features, .offsets = 1};
    *end = 0;
    for (size_t n = first; n < c->g->g->n_node; n++) {
        const Onnx__NodeProto *node = c->g->g->node[n];
        const onnx_operator *op = onnx_operator_find(node);
        int uses = 0, fits = 1;
        size_t value = 0;
        for (size_t i = 0; i < node->n_input && !uses; i++) uses = value_find(p, node->input[i], &value);
        if (!uses && op->fold == NULL) return ANNULUS_OK;
        if (!uses) {
            if (!c->taken[n]) TRY(op->fold(c->g, node));
            c->taken[n] = 1;
            continue;
        }
        if (op->quant_domain) {
            p->result = value;
            if (value > 0 && strcmp(node->input[0], p->steps[value - 1].name) == 0 && !is_deep(p, value) &&
                is_wide(p, value) == (p->offsets > 1) && p->repeats)
                *end = n;
            return ANNULUS_OK;
        }
        TRY(step_read(c, p, node, &fits));
        if (!fits) return ANNULUS_OK;
    }
    return ANNULUS_OK;
}

/* ---- what it computes ------------------------------------------------------------------------------------------- */

static double apply(operation op, const double *x)
{
    switch (op) {
    case OP_ADD:
        return x[0] + x[1];
    case OP_SUB:
        return x[0] - x[1];
    case OP_MUL:
        return x[0] * x[1];
    case OP_DIV:
        return x[0] / x[1];
    case OP_MOD:
        return fmod(x[0], x[1]);
    case OP_MIN:
        return fmin(x[0], x[1]);
    case OP_MAX:
        return fmax(x[0], x[1]);
    case OP_LESS:
        return x[0] < x[1];
    case OP_LESS_EQUAL:
        return x[0] <= x[1];
    case OP_GREATER:
        return x[0] > x[1];
    case OP_GREATER_EQUAL:
        return x[0] >= x[1];
    case OP_WHERE:
        return x[0] != 0 ? x[1] : x[2];
    case OP_CLIP:
        return fmin(fmax(x[0], x[1]), x[2]);
    case OP_ABS:
        return fabs(x[0]);
    case OP_NEG:
        return -x[0];
    case OP_FLOOR:
        return floor(x[0]);
    case OP_CEIL:
        return ceil(x[0]);
    case OP_ROUND:
        return rint(x[0]);
    case OP_SIGN:
        return (x[0] > 0) - (x[0] < 0);
    case OP_SIN:
        return sin(x[0]);
    case OP_COS:
        return cos(x[0]);
    case OP_RELU:
        return fmax(x[0], 0);
    case OP_COPY:
    case OP_SHAPE:
        break;
    }
    return x[0];
}

static double evaluate(const program *p, double u, size_t offset)
{
    double value[STEPS_MAX + 1] = {u};
    for (size_t i = 0; i < p->count; i++) {
        double x[OPERANDS_MAX] = {0};
        for (size_t k = 0; k < OPERANDS_MAX; k++) {
            const onnx_constant *c = p->steps[i].in[k].constant;
            x[k] = c == NULL ? value[p->steps[i].in[k].value] : (double)c->f[c->count == 1 ? 0 : offset];
        }
        value[i + 1] = apply(p->steps[i].op, x);
    }
    return value[p->result];
}

/* ---- which wave it is ------------------------------------------------------------------------------------------- */

static double point(double period, size_t i)
{
    return period * ((double)i + FIRST_POINT) / POINTS;
}

/* Whether f(u) = amplitude * wave(u/period + shift) around many periods, and the others the same, further by their
 * part of half a period; beside jumps either value may be had. */
static int is_wave(const program *p, const onnx_wave *w)
{
    static const double turns[] = {0, -1, 1, -2, 5, -37, 300};
    for (size_t t = 0; t < sizeof turns / sizeof *turns; t++)
        for (size_t i = 0; i < POINTS; i++)
            for (size_t j = 0; j < p->offsets; j++) {
                const double u = point(w->period, i) + turns[t] * w->period;
                const double at = u / w->period + w->shift + 0.5 * (double)j / (double)p->offsets;
                const double got = evaluate(p, u, j) / w->amplitude;
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
static double crossing(const program *p, double period, size_t i)
{
    double below = point(period, i) - period / POINTS, above = point(period, i);
    for (size_t k = 0; k < 60; k++) {
        const double middle = (below + above) / 2;
        *(evaluate(p, middle, 0) < 0 ? &below : &above) = middle;
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
static int fit(const program *p, double period, onnx_wave *w)
{
    double f[POINTS], slope = 0;
    size_t rises = 0;
    for (size_t i = 0; i < POINTS; i++) {
        f[i] = evaluate(p, point(period, i), 0);
        if (!isfinite(f[i])) return 0;
    }
    for (size_t i = 0; i < POINTS; i++) {
        const double before = f[(i + POINTS - 1) % POINTS];
        slope = fmax(slope, fabs(f[i] - before) * POINTS);
        if (before < 0 && f[i] >= 0) rises = i + 1;
    }
    if (rises == 0) return 0;
    const double zero = crossing(p, period, rises - 1);
    const double amplitude = nearest_float(evaluate(p, period * (zero + 0.25), 0));
    static const activation waves[] = {ACTIVATION_TRIANGLE, ACTIVATION_SINE, ACTIVATION_SQUARE, ACTIVATION_TRAPEZOID};
    for (size_t k = 0; amplitude > 0 && k < sizeof waves / sizeof *waves; k++) {
        *w = (onnx_wave){.act = waves[k], .period = period, .amplitude = amplitude};
        w->shift = plain(-zero - (w->act == ACTIVATION_TRIANGLE ? 0.25 : 0));
        if (w->act == ACTIVATION_TRAPEZOID) w->rise = nearest_float(2 * amplitude / slope);
        if (is_wave(p, w)) return 1;
    }
    return 0;
}

annulus_status onnx_wave_find(onnx_chain *c, size_t first, onnx_wave *out, int *found)
{
    static const double periods[] = {1, 2 * M_PI, 2, 4, 0.5};
    program p;
    size_t end;
    *found = 0;
    TRY(program_read(c, first, &p, &end));
    if (end == 0) return ANNULUS_OK;
    for (size_t k = 0; k < sizeof periods / sizeof *periods && !*found; k++) *found = fit(&p, periods[k], out);
    if (!*found) return ANNULUS_OK;
    out->offsets = p.offsets;
    out->value = p.steps[p.result - 1].name;
    for (size_t n = first; n < end; n++) c->taken[n] = 1;
    return ANNULUS_OK;
}
