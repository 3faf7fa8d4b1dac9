/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_program.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define OFFSETS_MAX 16u
#define QUANTS_MOST 4u /* that take one wave of no name */

static int value_find(const onnx_program *p, const char *name, size_t *out)
{
    if (strcmp(name, p->source) == 0) {
        *out = 0;
        return 1;
    }
    for (size_t i = 0; i < p->count; i++)
        if (p->steps[i].name != NULL && strcmp(name, p->steps[i].name) == 0) {
            *out = i + 1;
            return 1;
        }
    return 0;
}

static int is_deep(const onnx_program *p, size_t value)
{
    return value > 0 && p->steps[value - 1].deep;
}

static int is_wide(const onnx_program *p, size_t value)
{
    return value > 0 && p->steps[value - 1].wide;
}

static int is_flat(const onnx_program *p, size_t value)
{
    return value > 0 && p->steps[value - 1].flat;
}

static int is_whole(const onnx_program *p, size_t value)
{
    return value > 0 && p->steps[value - 1].whole;
}

/* Whether the step can take the constant, its operand o. More than one number are one for each neuron or, of a deep
 * one, along the axis behind that of the channels: those set the offsets. */
static int constant_fits(onnx_program *p, onnx_step *s, onnx_operand *o)
{
    const onnx_constant *k = o->constant;
    if (k->rank > p->rank + (s->deep ? 2 : 1)) return 0;
    if (k->count == 1) return 1;
    if (!s->deep) return o->varies = onnx_program_takes(p, k, s->flat);
    if (k->rank < p->rank || k->dims[k->rank - p->rank] != k->count || k->count > OFFSETS_MAX) return 0;
    if (p->offsets != 1 && p->offsets != k->count) return 0;
    p->offsets = k->count;
    s->wide = 1;
    return 1;
}

/* Whether a shape is (batch, first, middle unless it is 0, the dimensions of a channel), one of them open at most. */
static int shape_is(const onnx_program *p, const onnx_constant *k, size_t first, size_t middle)
{
    const size_t before = middle > 0 ? 3 : 2;
    size_t open = 0;
    if (k->count != before + p->rank - 1 || k->i[0] < -1 || k->i[0] > 1) return 0;
    for (size_t d = 1; d < k->count; d++) {
        const size_t size = d == 1 ? first : d < before ? middle : p->dims[d - before + 1];
        if (k->i[d] != (int64_t)size && k->i[d] != -1) return 0;
    }
    for (size_t d = 0; d < k->count; d++) open += k->i[d] == -1;
    return open <= 1;
}

/* Reshape, Unsqueeze or Flatten of value in[0]: to an axis of 1 behind the channels, or back. *fits 0: neither. */
static annulus_status shape_step(onnx_chain *c, const onnx_program *p, const Onnx__NodeProto *node, onnx_step *s,
                                 int *fits)
{
    const int deep = is_deep(p, s->in[0].value);
    const size_t wide = s->wide ? p->offsets : 1, all = p->features * wide;
    int64_t axis = 1;
    *fits = 0;
    s->deep = 0;
    if (strcmp(node->op_type, "Flatten") == 0) {
        TRY(onnx_node_int(node, "axis", 1, &axis));
        *fits = axis == 1;
        s->flat = p->rank > 1;
        return ANNULUS_OK;
    }
    const onnx_constant *k = NULL;
    if (node->n_input > 1) TRY(onnx_node_at(node, onnx_graph_find(c->g, node->input[1], &k)));
    if (k == NULL || k->i == NULL) return ANNULUS_OK;
    if (node->op_type[0] == 'U') {
        s->deep = 1;
        *fits = !deep && !s->wide && !s->flat && k->count == 1 && (k->i[0] == 2 || (k->i[0] == -1 && p->rank == 1));
        return ANNULUS_OK;
    }
    const onnx_program line = {.rank = 1};
    s->deep = !s->wide && shape_is(p, k, p->dims[0], 1);
    s->flat = p->rank > 1 && shape_is(&line, k, all, 0);
    *fits = s->deep || s->flat || shape_is(p, k, p->dims[0] * wide, 0);
    return ANNULUS_OK;
}

/* Whether what the operator gives is of the type of its operand i. */
static int has_type(function_op op, size_t i)
{
    const int compares = op >= FUNCTION_LESS && op <= FUNCTION_GREATER_EQUAL;
    return !compares && (op == FUNCTION_POW ? i == 0 : op != FUNCTION_WHERE || i > 0);
}

/* The operands of a node of which at least one is a value. *fits 0: not part of a program. */
static annulus_status operands_read(onnx_chain *c, onnx_program *p, const Onnx__NodeProto *node, size_t count,
                                    onnx_step *s, int *fits)
{
    *fits = 1;
    for (size_t i = 0; i < count; i++)
        if (value_find(p, node->input[i], &s->in[i].value)) {
            s->deep |= is_deep(p, s->in[i].value);
            s->flat |= is_flat(p, s->in[i].value);
        }
    for (size_t i = 0, values = 0; i < count && *fits; i++) {
        if (value_find(p, node->input[i], &s->in[i].value)) {
            const int wide = is_wide(p, s->in[i].value), same = s->deep || values++ == 0 || wide == s->wide;
            *fits = is_deep(p, s->in[i].value) == s->deep && is_flat(p, s->in[i].value) == s->flat && same;
            s->wide |= wide;
            if (has_type(s->op, i)) s->whole |= is_whole(p, s->in[i].value);
            continue;
        }
        if (node->input[i][0] == 0) continue; /* left out */
        TRY(onnx_graph_find(c->g, node->input[i], &s->in[i].constant));
        if (has_type(s->op, i)) s->whole |= s->in[i].constant != NULL && s->in[i].constant->i != NULL;
        *fits = s->in[i].constant != NULL && constant_fits(p, s, &s->in[i]);
    }
    for (size_t i = 0; i < count; i++) *fits &= !s->in[i].varies || !s->wide;
    return ANNULUS_OK;
}

static onnx_operand number(double v)
{
    return (onnx_operand){.is_number = 1, .number = v};
}

/* Attributes as operands, and what they are if they are left out. */
static annulus_status attributes_read(const Onnx__NodeProto *node, onnx_step *s)
{
    const function_operator *k = &function_operators[s->op];
    for (size_t i = 0; i < 2 && k->attribute[i] != NULL; i++) {
        float v;
        TRY(onnx_node_float(node, k->attribute[i], (float)k->missing[i], &v));
        s->in[k->inputs + i] = number((double)v);
    }
    return ANNULUS_OK;
}

/* Bounds of a Clip that are no inputs are attributes, as before opset 11, or the ends of single precision. */
static annulus_status bounds_fill(const Onnx__NodeProto *node, onnx_step *s)
{
    for (size_t i = 1; i < 3; i++) {
        float v;
        if (i < node->n_input && node->input[i][0] != 0) continue;
        TRY(onnx_node_float(node, i == 1 ? "min" : "max", i == 1 ? -FLT_MAX : FLT_MAX, &v));
        s->in[i] = number((double)v);
    }
    return ANNULUS_OK;
}

static size_t append(onnx_program *p, const onnx_step *like, function_op op, onnx_operand a, onnx_operand b)
{
    p->steps[p->count] =
        (onnx_step){.op = op, .in = {a, b}, .deep = like->deep, .wide = like->wide, .flat = like->flat};
    return ++p->count;
}

static onnx_operand value(size_t v)
{
    return (onnx_operand){.value = v};
}

/* Integers are cut off towards 0: the newest step is one more, which has its name. */
static void cut_off(onnx_program *p)
{
    onnx_step *s = &p->steps[p->count - 1];
    const size_t last = append(p, s, FUNCTION_CAST, value(p->count), value(p->count));
    p->steps[last - 1].name = s->name;
    p->steps[last - 1].whole = 1;
    s->name = NULL;
}

/* Operators that are several steps: of s, whose operand is known. */
static annulus_status composite_read(const Onnx__NodeProto *node, onnx_program *p, const onnx_step *s)
{
    const onnx_operand x = s->in[0];
    size_t last;
    if (strcmp(node->op_type, "HardSwish") == 0) {
        last = append(p, s, FUNCTION_HARD_SIGMOID, x, number((double)(1.0f / 6)));
        p->steps[last - 1].in[2] = number(0.5);
        last = append(p, s, FUNCTION_MUL, x, value(last));
    } else if (strcmp(node->op_type, "Mish") == 0) {
        last = append(p, s, FUNCTION_SOFTPLUS, x, x);
        last = append(p, s, FUNCTION_TANH, value(last), x);
        last = append(p, s, FUNCTION_MUL, x, value(last));
    } else {
        char mode[8] = "none";
        TRY(onnx_node_text(node, "approximate", mode, sizeof mode));
        if (strcmp(mode, "tanh") == 0) {
            last = append(p, s, FUNCTION_MUL, x, x);
            last = append(p, s, FUNCTION_MUL, value(last), number(0.044715));
            last = append(p, s, FUNCTION_ADD, value(last), number(1));
            last = append(p, s, FUNCTION_MUL, value(last), x);
            last = append(p, s, FUNCTION_MUL, value(last), number(0.7978845608028654)); /* sqrt(2/pi) */
            last = append(p, s, FUNCTION_TANH, value(last), x);
        } else {
            last = append(p, s, FUNCTION_MUL, x, number((double)(float)M_SQRT1_2));
            last = append(p, s, FUNCTION_ERF, value(last), x);
        }
        last = append(p, s, FUNCTION_ADD, value(last), number(1));
        last = append(p, s, FUNCTION_MUL, x, value(last));
        last = append(p, s, FUNCTION_MUL, value(last), number(0.5));
    }
    p->steps[last - 1].name = node->output[0];
    return ANNULUS_OK;
}

/* A normalisation of channels: its gains and its terms, which each neuron has its own of. *fits 0: of others. */
static annulus_status normal_read(onnx_chain *c, onnx_program *p, const Onnx__NodeProto *node, onnx_step *s, int *fits)
{
    *fits = value_find(p, node->input[0], &s->in[0].value);
    const size_t x = s->in[0].value;
    s->flat = is_flat(p, x);
    *fits &= !is_deep(p, x) && !is_wide(p, x);
    for (size_t i = 1; i < 5 && *fits; i++) {
        const onnx_constant *k = NULL;
        TRY(onnx_node_at(node, onnx_graph_find(c->g, node->input[i], &k)));
        *fits = k != NULL && k->count == (s->flat ? p->features : p->dims[0]);
    }
    if (!*fits) return ANNULUS_OK;
    const size_t product = append(p, s, FUNCTION_MUL, s->in[0], (onnx_operand){.normal = node, .varies = 1}),
                 sum =
                     append(p, s, FUNCTION_ADD, value(product), (onnx_operand){.normal = node, .adds = 1, .varies = 1});
    p->steps[sum - 1].name = s->name;
    return ANNULUS_OK;
}

/* Bounds that each neuron has its own of are a largest and a smallest value. */
static void append_clip(onnx_program *p, const onnx_step *s)
{
    const size_t above = append(p, s, FUNCTION_MAX, s->in[0], s->in[1]),
                 within = append(p, s, FUNCTION_MIN, value(above), s->in[2]);
    p->steps[within - 1].name = s->name;
}

static int is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0) return 1;
    return 0;
}

#define COMPOSITE_STEPS 9u /* at most */

/* Cast to a whole number or a float, or Gather from a constant table, the only one of the program: its operand. *fits
 * 0: another. */
static annulus_status entry_step(onnx_chain *c, onnx_program *p, const Onnx__NodeProto *node, onnx_step *s, int *fits)
{
    const int gather = s->op == FUNCTION_GATHER;
    const onnx_constant *k = NULL;
    int64_t attribute;
    *fits = node->n_input == (gather ? 2 : 1) && value_find(p, node->input[gather], &s->in[0].value);
    if (!*fits) return ANNULUS_OK;
    s->deep = is_deep(p, s->in[0].value), s->wide = is_wide(p, s->in[0].value), s->flat = is_flat(p, s->in[0].value);
    TRY(onnx_node_int(node, gather ? "axis" : "to", 0, &attribute));
    if (!gather) {
        if (onnx_is_float(attribute)) s->op = FUNCTION_COPY;
        s->whole = s->op == FUNCTION_CAST;
        *fits = s->op == FUNCTION_COPY || attribute == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ||
                attribute == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
        return ANNULUS_OK;
    }
    TRY(onnx_graph_find(c->g, node->input[0], &k));
    *fits = attribute == 0 && k != NULL && k->f != NULL && k->rank == 1 && k->count >= 1 &&
            k->count <= FUNCTION_MAX_ENTRIES && (p->table == NULL || p->table == k);
    if (*fits) p->table = k, s->whole = k->i != NULL;
    return ANNULUS_OK;
}

static annulus_status step_read(onnx_chain *c, onnx_program *p, const Onnx__NodeProto *node, int *fits)
{
    static const char *const shapes[] = {"Reshape", "Unsqueeze", "Flatten"}, *const several[] = {"Gelu", "Mish",
                                                                                                 "HardSwish"};
    const char *domain = node->domain == NULL ? "" : node->domain;
    const int composite = is_one_of(node->op_type, several, 3), shape = is_one_of(node->op_type, shapes, 3),
              normal = strcmp(node->op_type, "BatchNormalization") == 0;
    onnx_step s = {.op = composite || shape || normal ? FUNCTION_COPY : FUNCTION_ADD, .name = node->output[0]};
    if (s.op != FUNCTION_COPY)
        while (s.op < FUNCTION_OPS && strcmp(node->op_type, function_operators[s.op].name) != 0) s.op++;
    *fits = s.op < FUNCTION_OPS && p->count + COMPOSITE_STEPS <= FUNCTION_MAX_STEPS &&
            (normal || node->n_output == 1) && (domain[0] == 0 || domain[0] == 'a');
    if (!*fits) return ANNULUS_OK;
    if (normal) return normal_read(c, p, node, &s, fits);
    if (s.op == FUNCTION_CAST || s.op == FUNCTION_GATHER) {
        TRY(entry_step(c, p, node, &s, fits));
        if (*fits) p->steps[p->count++] = s;
        return ANNULUS_OK;
    }
    const size_t inputs = s.op == FUNCTION_CLIP ? node->n_input : function_operators[s.op].inputs;
    *fits = shape || (node->n_input == inputs && inputs <= FUNCTION_MAX_OPERANDS);
    if (*fits) TRY(operands_read(c, p, node, inputs, &s, fits));
    if (*fits) TRY(attributes_read(node, &s));
    if (*fits && s.op == FUNCTION_CLIP) TRY(bounds_fill(node, &s));
    if (*fits && shape) TRY(shape_step(c, p, node, &s, fits));
    if (*fits && s.op == FUNCTION_MOD) {
        int64_t fmod_asked = 0;
        TRY(onnx_node_int(node, "fmod", 0, &fmod_asked));
        *fits = fmod_asked == 1; /* of floats no other is allowed */
    }
    p->repeats |= s.op == FUNCTION_MOD || s.op == FUNCTION_FLOOR || s.op == FUNCTION_CEIL || s.op == FUNCTION_ROUND ||
                  s.op == FUNCTION_SIN || s.op == FUNCTION_COS;
    if (*fits && composite) return composite_read(node, p, &s);
    if (!*fits) return ANNULUS_OK;
    if (s.op == FUNCTION_CLIP && (s.in[1].varies || s.in[2].varies)) {
        append_clip(p, &s);
        return ANNULUS_OK;
    }
    p->steps[p->count++] = s;
    if (s.whole && (s.op == FUNCTION_DIV || s.op == FUNCTION_POW)) cut_off(p);
    return ANNULUS_OK;
}

/* Whether the Quant takes the value, as sums are shaped. */
static int quant_takes(const onnx_program *p, const Onnx__NodeProto *node, size_t value)
{
    return value > 0 && strcmp(node->input[0], p->steps[value - 1].name) == 0 && !is_deep(p, value) &&
           is_wide(p, value) == (p->offsets > 1);
}

static annulus_status all_constant(onnx_chain *c, const Onnx__NodeProto *node, int *all)
{
    for (size_t i = 0; i < node->n_input && *all; i++) {
        const onnx_constant *k = NULL;
        if (node->input[i][0] == 0) continue;
        TRY(onnx_graph_find(c->g, node->input[i], &k));
        *all = k != NULL;
    }
    return ANNULUS_OK;
}

/* Whether another node takes a value of the program that is not its result. */
static int is_used_besides(const onnx_chain *c, const onnx_program *p)
{
    int used = 0;
    for (size_t n = 0; n < c->g->g->n_node; n++) {
        const Onnx__NodeProto *node = c->g->g->node[n];
        size_t value = 0;
        if (value_find(p, node->output[0], &value)) continue;
        for (size_t i = 0; i < node->n_input; i++)
            used |= value_find(p, node->input[i], &value) && value != 0 && value != p->result;
    }
    return used;
}

/* Leaves the steps that value `result` depends on, which becomes the last; 0, and all of them: the first is not among
 * them. */
static int keep_needed(onnx_program *p, size_t result)
{
    size_t number[FUNCTION_MAX_STEPS + 1] = {0}, count = 0;
    unsigned char needed[FUNCTION_MAX_STEPS + 1] = {0};
    needed[result] = 1;
    for (size_t v = result; v > 0; v--)
        for (size_t k = 0; needed[v] && k < function_operators[p->steps[v - 1].op].inputs; k++) {
            const onnx_operand *o = &p->steps[v - 1].in[k];
            if (onnx_operand_is_value(o)) needed[o->value] = 1;
        }
    if (!needed[1]) return 0;
    for (size_t v = 1; v <= result; v++) {
        if (!needed[v]) continue;
        onnx_step s = p->steps[v - 1];
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) s.in[k].value = number[s.in[k].value];
        p->steps[count++] = s;
        number[v] = count;
    }
    p->count = p->result = count;
    return 1;
}

/* Marks the nodes of the program among those from first to end as taken. */
static void take(onnx_chain *c, const onnx_program *p, size_t first, size_t end)
{
    size_t value;
    for (size_t n = first; n < end; n++)
        c->taken[n] |= (unsigned char)value_find(p, c->g->g->node[n]->output[0], &value);
}

/* From node `first` to the Quant of what comes of the current value, which alone takes values that the program makes on
 * the way; *end its number, 0: no such program. Folds constants on the way, and passes over nodes of other branches. */
static annulus_status program_read(onnx_chain *c, size_t first, onnx_program *p, size_t *end)
{
    *p = (onnx_program){.source = c->value, .features = c->features, .rank = c->rank, .dims = c->dims, .offsets = 1};
    if (c->rank == 1) p->dims = &c->features;
    *end = 0;
    for (size_t n = first; n < c->g->g->n_node; n++) {
        const Onnx__NodeProto *node = c->g->g->node[n];
        const onnx_operator *op = onnx_operator_find(node);
        int uses = 0, fits = 1;
        size_t value = 0;
        for (size_t i = 0; i < node->n_input && !uses; i++) uses = value_find(p, node->input[i], &value);
        if (!uses) {
            int foldable = op->fold != NULL && !c->taken[n];
            if (foldable) TRY(all_constant(c, node, &foldable));
            if (foldable) TRY(op->fold(c->g, node));
            if (foldable) c->taken[n] = 1;
            continue; /* or of another branch */
        }
        if (op->quant_domain) {
            if (!quant_takes(p, node, value) || !keep_needed(p, value)) continue;
            if (!is_used_besides(c, p)) *end = n;
            return ANNULUS_OK;
        }
        TRY(step_read(c, p, node, &fits));
        if (!fits && n == first)
            return ANNULUS_OK; /* elsewhere it is of another branch, or the value is used besides */
    }
    return ANNULUS_OK;
}

static double operand_at(const onnx_operand *o, const double *value, size_t offset)
{
    if (o->is_number) return o->number;
    return o->constant == NULL ? value[o->value] : (double)o->constant->f[o->constant->count == 1 ? 0 : offset];
}

double onnx_program_apply(const onnx_program *p, double u, size_t offset)
{
    double value[FUNCTION_MAX_STEPS + 1];
    value[0] = u;
    for (size_t i = 0; i < p->result; i++) {
        const onnx_step *s = &p->steps[i];
        const function_operator *of = &function_operators[s->op];
        const size_t operands = of->inputs + (of->attribute[0] != NULL) + (of->attribute[1] != NULL);
        double x[FUNCTION_MAX_OPERANDS];
        for (size_t k = 0; k < operands; k++) x[k] = operand_at(&s->in[k], value, offset);
        value[i + 1] = s->op == FUNCTION_GATHER ? function_gather(p->table->f, p->table->count, x[0])
                                                : function_op_apply(s->op, x);
    }
    return value[p->result];
}

/* What a constant of the model multiplies by, 1 if that is several numbers; 0: the operand is none. */
static double factor_of(const onnx_operand *o)
{
    return o->normal != NULL ? 1 : o->constant == NULL ? 0 : o->constant->count > 1 ? 1 : (double)o->constant->f[0];
}

/* Whether the chain of layers reads the node by itself: it only moves values or, the sums being used once, goes into
 * scale and bias. */
static int is_affine(const onnx_program *p)
{
    const onnx_step *s = &p->steps[0];
    size_t uses = 0;
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++) {
            const onnx_operand *o = &p->steps[i].in[k];
            const size_t inputs = function_operators[p->steps[i].op].inputs;
            uses += k < inputs && onnx_operand_is_value(o) && o->value == 0;
        }
    if (uses > 1) return 0;
    if (s->op == FUNCTION_COPY) return 1;
    const double first = factor_of(&s->in[0]), last = factor_of(&s->in[1]);
    if (s->op == FUNCTION_ADD || s->op == FUNCTION_SUB) return 1;
    return s->op == FUNCTION_MUL ? first != 0 || last != 0 : s->op == FUNCTION_DIV && last != 0;
}

/* A comparison of the sums and nothing else, which the graph of tensors reads to the last bit. */
static int only_compares(const onnx_program *p)
{
    size_t steps = 0;
    for (size_t i = 0; i < p->result; i++) steps += p->steps[i].op != FUNCTION_COPY;
    return steps == 1 && p->steps[0].op >= FUNCTION_LESS && p->steps[0].op <= FUNCTION_GREATER_EQUAL;
}

/* The operand as a function's; more of them vary than a function has room for: *room 0. */
static function_operand operand_of(const onnx_step *s, const onnx_operand *o, onnx_function *out, int *room)
{
    if (onnx_operand_is_value(o)) return function_value(o->value);
    if (!o->varies) return function_constant(operand_at(o, NULL, 0));
    const onnx_vary made = {.constant = o->constant, .normal = o->normal, .adds = o->adds, .flat = s->flat};
    size_t v = 0;
    while (v < out->f.vary && (out->vary[v].constant != made.constant || out->vary[v].normal != made.normal ||
                               out->vary[v].adds != made.adds))
        v++;
    *room &= v < FUNCTION_MAX_VARY;
    if (v == out->f.vary && *room) out->vary[out->f.vary++] = made;
    return (function_operand){.varies = 1, .value = v};
}

/* out->f, of period 1; 0: there is no room for its constants. */
static int function_of(const onnx_program *p, onnx_function *out)
{
    int room = 1;
    *out = (onnx_function){.f = {.count = p->result}, .period = 1, .amplitude = 1};
    function *f = &out->f;
    for (size_t i = 0; i < p->result; i++) {
        if (p->steps[i].op == FUNCTION_GATHER) f->entries = p->table->count;
        f->steps[i].op = p->steps[i].op;
        for (size_t k = 0; k < FUNCTION_MAX_OPERANDS; k++)
            f->steps[i].in[k] = operand_of(&p->steps[i], &p->steps[i].in[k], out, &room);
    }
    if (f->entries > 0) memcpy(f->table, p->table->f, f->entries * sizeof *f->table);
    return room;
}

/* A wave that has no name, to each of the Quants that take the result, from node `end` on. */
static annulus_status wave_find(onnx_chain *c, const onnx_program *p, size_t end, onnx_function *out, int *found)
{
    quantizer q[QUANTS_MOST];
    size_t count = 0;
    const char *result = p->steps[p->result - 1].name;
    *found = 0;
    for (size_t n = end; p->repeats && n < c->g->g->n_node; n++) {
        const Onnx__NodeProto *node = c->g->g->node[n];
        onnx_quant own;
        if (!onnx_operator_find(node)->quant_domain || strcmp(node->input[0], result) != 0) continue;
        if (count == QUANTS_MOST) return ANNULUS_OK;
        TRY(onnx_quant_parse(c->g, node, &own));
        q[count++] = (quantizer){.scale = (double)own.scale->f[0],
                                 .zero = own.zero,
                                 .bits = own.bits,
                                 .is_signed = own.is_signed,
                                 .narrow = own.narrow};
    }
    onnx_function own;
    *found = count > 0 && function_of(p, &own) && onnx_wave_find(p, &own.f, q, count, out);
    return ANNULUS_OK;
}

annulus_status onnx_function_find(onnx_chain *c, size_t first, int one_scale, onnx_function *out, int *found)
{
    onnx_program p;
    size_t end;
    *found = 0;
    TRY(program_read(c, first, &p, &end));
    if (end == 0 || (onnx_program_varies(&p) && is_affine(&p))) return ANNULUS_OK;
    TRY(onnx_program_settle(c->g, &p));
    const int varies = onnx_program_varies(&p);
    int wave = !varies && onnx_wave_fit(&p, out);
    if (!wave && !varies) TRY(wave_find(c, &p, end, out, &wave));
    const int padded = wave && !one_scale && (p.offsets == 1 || out->act == ACTIVATION_WAVE);
    if (!wave || padded) {
        if (p.offsets != 1 || is_affine(&p) || only_compares(&p)) return ANNULUS_OK;
        if (!function_of(&p, out))
            return onnx_node_fail(
                c->g->g->node[first],
                "more than %u constants that differ from neuron to neuron stand up to the next Quant: "
                "put one in between",
                FUNCTION_MAX_VARY);
        out->act = padded   ? ACTIVATION_PADDED_WAVE
                   : varies ? ACTIVATION_FUNCTION
                            : activation_find(&out->f, &out->rise);
    }
    out->offsets = p.offsets;
    out->flat = is_flat(&p, p.result);
    out->value = p.steps[p.result - 1].name;
    *found = 1;
    take(c, &p, first, end);
    return ANNULUS_OK;
}
