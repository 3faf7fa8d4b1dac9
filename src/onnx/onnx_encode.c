/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_model.h"
#include "onnx/onnx_priv.h"

#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUANT_DOMAIN "qonnx.custom_op.general"
#define OPSET 13
#define IR_VERSION 7
#define NAME_BYTES 40
#define RANK_MAX 5
#define NODE_BYTES ((size_t)16384) /* room for the messages and names around one layer's or input's nodes */
#define STEP_BYTES ((size_t)4096)  /* the same of one step of a function */

/* The messages live in one scratch block that is given back at the end. */
typedef struct builder {
    scratch mem;
    Onnx__GraphProto graph;
    size_t nodes_max, tensors_max;
    const char *value;                             /* name of the current value */
    int spatial;                                   /* it has channels, rows and columns */
    const char *values[NETWORK_MAX_LAYERS + 1];    /* names of the input and of the layers' values, quantized */
    const dense_layer *of[NETWORK_MAX_LAYERS + 1]; /* that gave them; NULL: the input */
} builder;

static void *take(builder *b, size_t bytes)
{
    void *p = scratch_take(&b->mem, bytes);
    memset(p, 0, bytes);
    return p;
}

static char *name_of(builder *b, const char *what, size_t index)
{
    char *name = take(b, NAME_BYTES);
    (void)snprintf(name, NAME_BYTES, "%s_%zu", what, index);
    return name;
}

/* A new initializer of `rank` dimensions. Its data, count elements of `size` bytes, are to be filled. */
static void *initializer(builder *b, char *name, int32_t type, size_t size, size_t rank, const size_t *dims)
{
    Onnx__TensorProto *t = take(b, sizeof *t);
    onnx__tensor_proto__init(t);
    t->name = name;
    t->has_data_type = 1;
    t->data_type = (int32_t)type;
    t->n_dims = rank;
    t->dims = take(b, RANK_MAX * sizeof *t->dims);
    t->has_raw_data = 1;
    t->raw_data.len = size;
    for (size_t i = 0; i < rank; i++) {
        t->dims[i] = (int64_t)dims[i];
        t->raw_data.len *= dims[i];
    }
    t->raw_data.data = take(b, t->raw_data.len);
    REQUIRE(b->graph.n_initializer < b->tensors_max);
    b->graph.initializer[b->graph.n_initializer++] = t;
    return t->raw_data.data;
}

/* Floats (rows) or (rows,columns); columns 0: one dimension; rows 0: a scalar. */
static float *tensor(builder *b, char *name, size_t rows, size_t columns)
{
    const size_t dims[] = {rows, columns};
    return initializer(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof(float),
                       rows == 0      ? 0
                       : columns == 0 ? 1
                                      : 2,
                       dims);
}

static float *floats(builder *b, char *name, size_t rank, const size_t *dims)
{
    return initializer(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof(float), rank, dims);
}

static char *scalar(builder *b, const char *what, size_t index, double v)
{
    char *name = name_of(b, what, index);
    *tensor(b, name, 0, 0) = (float)v;
    return name;
}

static Onnx__NodeProto *node(builder *b, const char *op, size_t index, size_t inputs, char *const *input)
{
    Onnx__NodeProto *n = take(b, sizeof *n);
    onnx__node_proto__init(n);
    n->op_type = (char *)(uintptr_t)op; /* protobuf-c has no const strings; packing does not write */
    n->name = name_of(b, op, index);
    n->n_input = inputs;
    n->input = take(b, inputs * sizeof *n->input);
    memcpy(n->input, input, inputs * sizeof *n->input);
    n->n_output = 1;
    n->output = take(b, sizeof *n->output);
    n->output[0] = name_of(b, "value", b->graph.n_node);
    n->attribute = take(b, 4 * sizeof *n->attribute);
    REQUIRE(b->graph.n_node < b->nodes_max);
    b->graph.node[b->graph.n_node++] = n;
    return n;
}

static Onnx__AttributeProto *attribute(builder *b, Onnx__NodeProto *n, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = take(b, sizeof *a);
    onnx__attribute_proto__init(a);
    a->name = (char *)(uintptr_t)name;
    a->has_type = 1;
    a->type = type;
    n->attribute[n->n_attribute++] = a;
    return a;
}

static void attribute_int(builder *b, Onnx__NodeProto *n, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    a->has_i = 1;
    a->i = v;
}

static void attribute_float(builder *b, Onnx__NodeProto *n, const char *name, double v)
{
    Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = 1;
    a->f = (float)v;
}

static void attribute_ints(builder *b, Onnx__NodeProto *n, const char *name, const size_t *v, size_t count)
{
    Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = count;
    a->ints = take(b, count * sizeof *a->ints);
    for (size_t i = 0; i < count; i++) a->ints[i] = (int64_t)v[i];
}

/* Quant of `input` with the scale named; returns the output's name. */
static char *quant(builder *b, size_t index, char *input, char *scale, const quantizer *q)
{
    static const char mode[] = "HALF_UP";
    char *const inputs[4] = {input, scale, scalar(b, "zero_point", index, q->zero), scalar(b, "bits", index, q->bits)};
    Onnx__NodeProto *n = node(b, "Quant", index, 4, inputs);
    n->domain = (char *)(uintptr_t)QUANT_DOMAIN;
    attribute_int(b, n, "signed", q->is_signed);
    attribute_int(b, n, "narrow", q->narrow);
    Onnx__AttributeProto *a = attribute(b, n, "rounding_mode", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = 1;
    a->s = (ProtobufCBinaryData){.len = sizeof mode - 1, .data = (uint8_t *)(uintptr_t)mode};
    return n->output[0];
}

static annulus_status narrow_float(double v, const char *what, size_t index, float *out)
{
    *out = (float)v;
    if (isfinite(*out) && (v == 0 || *out != 0.0f)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s %zu is %g: ONNX carries single precision", what, index, v);
}

static annulus_status encode_input(builder *b, const network *n)
{
    const double *side[2] = {n->shift, n->gain};
    static const char *const op[2] = {"Sub", "Mul"}, *const what[2] = {"shift", "gain"};
    for (size_t s = 0; s < 2; s++) {
        char *name = name_of(b, what[s], 0);
        float *x = tensor(b, name, n->inputs, 0);
        for (size_t i = 0; i < n->inputs; i++) TRY(narrow_float(side[s][i], what[s], i, &x[i]));
        char *const inputs[2] = {(char *)(uintptr_t)b->value, name};
        b->value = node(b, op[s], 0, 2, inputs)->output[0];
    }
    float scale;
    TRY(narrow_float(n->input.scale, "input scale", 0, &scale));
    b->value = quant(b, 0, (char *)(uintptr_t)b->value, scalar(b, "scale", 0, (double)scale), &n->input);
    return ANNULUS_OK;
}

static char *apply(builder *b, const char *op, char *x, char *y)
{
    char *const inputs[2] = {x, y};
    return node(b, op, b->graph.n_node, y == NULL ? 1 : 2, inputs)->output[0];
}

static char *number(builder *b, double v)
{
    return scalar(b, "number", b->graph.n_initializer, v);
}

/* x as (batch, dims). */
static char *reshape(builder *b, char *x, size_t rank, const size_t *dims)
{
    const size_t length = rank + 1;
    char *name = name_of(b, "shape", b->graph.n_initializer);
    int64_t *shape = initializer(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, sizeof *shape, 1, &length);
    shape[0] = 0; /* the batch as it is */
    for (size_t d = 0; d < rank; d++) shape[d + 1] = (int64_t)dims[d];
    return apply(b, "Reshape", x, name);
}

static int is_conv(const dense_layer *l)
{
    return l != NULL && l->windows.channels > 0;
}

/* Averages of the current value. */
static char *average(builder *b, const gather_windows *g)
{
    char *const x[1] = {(char *)(uintptr_t)b->value};
    const int all = g->kernel[0] == g->size[0] && g->kernel[1] == g->size[1];
    Onnx__NodeProto *n = node(b, all ? "GlobalAveragePool" : "AveragePool", b->graph.n_node, 1, x);
    if (!all) {
        attribute_ints(b, n, "kernel_shape", g->kernel, 2);
        attribute_ints(b, n, "strides", g->stride, 2);
    }
    return n->output[0];
}

/* The current value <- what layer i takes: sources added up, averages, as channels, rows and columns or flat. */
static void encode_arriving(builder *b, const network *n, size_t i)
{
    const dense_layer *l = &n->layers[i];
    const gather_windows *g = &l->windows;
    const size_t dims[3] = {g->channels, g->size[0], g->size[1]};
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    b->value = b->values[sources[0]];
    b->spatial = is_conv(b->of[sources[0]]);
    for (size_t k = 1; k < count; k++)
        b->value = apply(b, "Add", (char *)(uintptr_t)b->value, (char *)(uintptr_t)b->values[sources[k]]);
    if (l->average.channels > 0) b->value = average(b, &l->average);
    if (is_conv(l) && !b->spatial) b->value = reshape(b, (char *)(uintptr_t)b->value, 3, dims);
    if (!is_conv(l) && b->spatial) b->value = apply(b, "Flatten", (char *)(uintptr_t)b->value, NULL);
}

/* Weights of a layer: rows of taps, each with one scale and bias, those of its outputs from row*places on. The matrices
 * of a network have every tap `each` times, once for each value that is added up in front of it. */
typedef struct rows {
    size_t rows, taps, places, each;
    double parts;  /* values of one average */
    unsigned bits; /* at least */
} rows;

static rows rows_of(const dense_layer *l)
{
    const linear_block *k = l->linear.blocks;
    if (l->W != NULL) return (rows){l->out, l->in, 1, 1, 1, l->weight_bits < 2 ? 2 : l->weight_bits};
    const gather_windows *g = &l->average;
    const size_t parts = g->channels > 0 ? g->kernel[0] * g->kernel[1] : 1,
                 each = parts * (l->sources_count > 0 ? l->sources_count : 1);
    return (rows){k->rows * l->linear.blocks_count, k->taps / each, k->places, each, (double)parts, 2};
}

static int32_t weight(const dense_layer *l, const rows *r, size_t o, size_t tap)
{
    if (l->W != NULL) return l->W[o * l->in + tap];
    const linear_block *k = &l->linear.blocks[o / l->linear.blocks[0].rows];
    return k->W[o % k->rows * k->taps + tap * r->each];
}

/* The signed Quant that holds every weight, narrow where its least value is absent. */
static quantizer weight_quantizer(const dense_layer *l, const rows *r)
{
    quantizer q = {.scale = 1, .bits = r->bits, .is_signed = 1, .narrow = 1};
    int32_t least = 0, most = 0;
    for (size_t i = 0; i < r->rows * r->taps; i++) {
        const int32_t w = weight(l, r, i / r->taps, i % r->taps);
        least = w < least ? w : least;
        most = w > most ? w : most;
    }
    /* +2^(bits-1) is allowed in a network */
    while (most >= (int32_t)1 << (q.bits - 1) || least < -((int32_t)1 << (q.bits - 1))) q.bits++;
    q.narrow = least > -((int32_t)1 << (q.bits - 1));
    return q;
}

/* Conv or Gemm of the current value, which is shaped for it. */
static annulus_status encode_linear(builder *b, const dense_layer *l, size_t index)
{
    const rows r = rows_of(l);
    const gather_windows *g = &l->windows;
    const int conv = is_conv(l);
    const size_t groups = l->W == NULL ? l->linear.blocks_count : 1;
    char *weights = name_of(b, "weights", index), *scales = name_of(b, "weight_scales", index),
         *bias = name_of(b, "bias", index);
    const size_t dims[4] = {r.rows, conv ? g->channels / groups : r.taps, g->kernel[0], g->kernel[1]},
                 ones[4] = {r.rows, 1, 1, 1};
    float *w = floats(b, weights, conv ? 4 : 2, dims), *s = floats(b, scales, conv ? 4 : 2, ones),
          *c = tensor(b, bias, r.rows, 0);
    const quantizer q = weight_quantizer(l, &r);
    for (size_t o = 0; o < r.rows; o++) {
        TRY(narrow_float(l->w_scale[o * r.places] * r.parts, "weight scale", o, &s[o]));
        TRY(narrow_float(l->bias[o * r.places], "bias", o, &c[o]));
        for (size_t i = 0; i < r.taps; i++) w[o * r.taps + i] = s[o] * (float)weight(l, &r, o, i);
    }
    char *const inputs[3] = {(char *)(uintptr_t)b->value, quant(b, 1000 + index, weights, scales, &q), bias};
    Onnx__NodeProto *n = node(b, conv ? "Conv" : "Gemm", index, 3, inputs);
    if (conv) {
        attribute_ints(b, n, "kernel_shape", g->kernel, 2);
        attribute_ints(b, n, "strides", g->stride, 2);
        attribute_ints(b, n, "pads", g->pad, 4);
        if (groups > 1) attribute_int(b, n, "group", (int64_t)groups);
    } else {
        attribute_int(b, n, "transB", 1);
    }
    b->value = n->output[0];
    b->spatial = conv;
    return ANNULUS_OK;
}

/* 1 - 4*|u - floor(u + 1/2)| */
static char *triangle(builder *b, char *u)
{
    char *nearest = apply(b, "Floor", apply(b, "Add", u, number(b, 0.5)), NULL);
    char *distance = apply(b, "Abs", apply(b, "Sub", u, nearest), NULL);
    return apply(b, "Sub", number(b, 1), apply(b, "Mul", distance, number(b, 4)));
}

static char *wave(builder *b, const dense_layer *l, char *u)
{
    if (l->act == ACTIVATION_TRIANGLE) return triangle(b, u);
    if (l->act == ACTIVATION_SINE) return apply(b, "Sin", apply(b, "Mul", u, number(b, 2 * M_PI)), NULL);
    if (l->act == ACTIVATION_TRAPEZOID) {
        char *steep = apply(b, "Div", triangle(b, apply(b, "Sub", u, number(b, 0.25))), number(b, 2 * l->rise));
        char *const inputs[3] = {steep, number(b, -1), number(b, 1)};
        return node(b, "Clip", b->graph.n_node, 3, inputs)->output[0];
    }
    char *part = apply(b, "Sub", u, apply(b, "Floor", u, NULL));
    char *const inputs[3] = {apply(b, "Less", part, number(b, 0.5)), number(b, 1), number(b, -1)};
    return node(b, "Where", b->graph.n_node, 3, inputs)->output[0];
}

/* act(u + j/(2*offsets)) of each neuron, or channel and place, j along an axis of its own behind neurons or channels.
 */
static annulus_status encode_wave(builder *b, const dense_layer *l)
{
    char *u = (char *)(uintptr_t)b->value;
    size_t deep[4] = {l->out, 1, 1, 1}, dims[5] = {1, 1, l->offsets, 1, 1}, flat[3] = {dense_layer_values(l), 1, 1};
    const size_t rank = is_conv(l) ? 3 : 1;
    if (is_conv(l)) {
        TRY(gather_count(&l->windows, deep + 2));
        deep[0] = l->out / (deep[2] * deep[3]);
        flat[0] = deep[0] * l->offsets, flat[1] = deep[2], flat[2] = deep[3];
    }
    if (l->offsets > 1) {
        char *name = name_of(b, "offsets", b->graph.n_initializer);
        float *f = initializer(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof *f, rank + 2, dims);
        for (size_t j = 0; j < l->offsets; j++) f[j] = (float)(0.5 * (double)j / (double)l->offsets);
        u = apply(b, "Add", reshape(b, u, rank + 1, deep), name);
    }
    u = wave(b, l, u);
    b->value = l->offsets > 1 ? reshape(b, u, rank, flat) : u;
    return ANNULUS_OK;
}

/* The activation of a layer as a program; of waves and identity none. */
static function function_of(const dense_layer *l)
{
    function f = {.count = 0};
    if (l->act == ACTIVATION_FUNCTION)
        f = l->own;
    else if (!activation_is_wave(l->act) && l->act != ACTIVATION_IDENTITY)
        activation_function(l->act, l->rise, &f);
    return f;
}

/* A node for each step. */
static void encode_function(builder *b, const function *f)
{
    char *value[FUNCTION_MAX_STEPS + 1] = {(char *)(uintptr_t)b->value};
    for (size_t i = 0; i < f->count; i++) {
        const function_step *s = &f->steps[i];
        const function_operator *op = &function_operators[s->op];
        char *inputs[FUNCTION_MAX_OPERANDS];
        for (size_t k = 0; k < op->inputs; k++)
            inputs[k] = s->in[k].is_constant ? number(b, s->in[k].constant) : value[s->in[k].value];
        Onnx__NodeProto *n = node(b, op->name, b->graph.n_node, op->inputs, inputs);
        for (size_t k = 0; k < 2 && op->attribute[k] != NULL; k++)
            attribute_float(b, n, op->attribute[k], s->in[op->inputs + k].constant);
        if (s->op == FUNCTION_MOD) attribute_int(b, n, "fmod", 1);
        value[i + 1] = n->output[0];
    }
    b->value = value[f->count];
}

static annulus_status encode_layer(builder *b, const network *net, size_t index)
{
    const dense_layer *l = &net->layers[index - 1];
    encode_arriving(b, net, index - 1);
    TRY(encode_linear(b, l, index));
    if (index == net->layers_count) return ANNULUS_OK;
    const function f = function_of(l);
    encode_function(b, &f);
    if (activation_is_wave(l->act)) TRY(encode_wave(b, l));
    float scale;
    TRY(narrow_float(l->out_q.scale, "activation scale of layer", index, &scale));
    b->value = quant(b, index, (char *)(uintptr_t)b->value, scalar(b, "scale", index, (double)scale), &l->out_q);
    b->values[index] = b->value;
    b->of[index] = l;
    return ANNULUS_OK;
}

/* Float tensor ("batch", width). */
static Onnx__ValueInfoProto *value_info(builder *b, const char *name, size_t width)
{
    Onnx__ValueInfoProto *v = take(b, sizeof *v);
    Onnx__TypeProto *type = take(b, sizeof *type);
    Onnx__TypeProto__Tensor *t = take(b, sizeof *t);
    Onnx__TensorShapeProto *shape = take(b, sizeof *shape);
    Onnx__TensorShapeProto__Dimension *dim = take(b, 2 * sizeof *dim);
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(shape);
    onnx__tensor_shape_proto__dimension__init(&dim[0]);
    onnx__tensor_shape_proto__dimension__init(&dim[1]);
    dim[0].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    dim[0].dim_param = (char *)(uintptr_t) "batch";
    dim[1].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    dim[1].dim_value = (int64_t)width;
    shape->n_dim = 2;
    shape->dim = take(b, 2 * sizeof *shape->dim);
    shape->dim[0] = &dim[0];
    shape->dim[1] = &dim[1];
    t->has_elem_type = 1;
    t->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    v->name = (char *)(uintptr_t)name;
    v->type = type;
    return v;
}

static Onnx__OperatorSetIdProto *opset(builder *b, const char *domain, int64_t version)
{
    Onnx__OperatorSetIdProto *o = take(b, sizeof *o);
    onnx__operator_set_id_proto__init(o);
    o->domain = (char *)(uintptr_t)domain;
    o->has_version = 1;
    o->version = version;
    return o;
}

static Onnx__StringStringEntryProto *entry(builder *b, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *e = take(b, sizeof *e);
    onnx__string_string_entry_proto__init(e);
    e->key = (char *)(uintptr_t)key;
    e->value = (char *)(uintptr_t)value;
    return e;
}

static annulus_status encode_graph(builder *b, const network *n)
{
    onnx__graph_proto__init(&b->graph);
    b->graph.name = (char *)(uintptr_t) "annulus";
    b->nodes_max = 4 + (18 + NETWORK_MAX_LAYERS) * n->layers_count;
    b->tensors_max = 5 + 18 * n->layers_count;
    for (size_t i = 0; i < n->layers_count; i++) {
        const function f = function_of(&n->layers[i]);
        b->nodes_max += f.count;
        b->tensors_max += FUNCTION_MAX_OPERANDS * f.count;
    }
    b->graph.node = take(b, b->nodes_max * sizeof *b->graph.node);
    b->graph.initializer = take(b, b->tensors_max * sizeof *b->graph.initializer);
    b->value = "x";
    TRY(encode_input(b, n));
    b->values[0] = b->value;
    for (size_t i = 1; i <= n->layers_count; i++) TRY(encode_layer(b, n, i));
    if (n->argmax) {
        char *const scores = (char *)(uintptr_t)b->value;
        Onnx__NodeProto *largest = node(b, "ArgMax", 0, 1, &scores);
        attribute_int(b, largest, "axis", 1);
        attribute_int(b, largest, "keepdims", 0);
        b->value = largest->output[0];
    }
    b->graph.n_input = b->graph.n_output = 1;
    b->graph.input = take(b, sizeof *b->graph.input);
    b->graph.output = take(b, sizeof *b->graph.output);
    b->graph.input[0] = value_info(b, "x", n->inputs);
    b->graph.output[0] = value_info(b, b->value, n->layers[n->layers_count - 1].out);
    if (n->argmax) { /* integers, one a sample */
        b->graph.output[0]->type->tensor_type->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
        b->graph.output[0]->type->tensor_type->shape->n_dim = 1;
    }
    return ANNULUS_OK;
}

/* What metadata_props hold, as JSON. */
typedef struct metadata {
    char *labels, *noise; /* noise NULL: not known of any layer */
} metadata;

static annulus_status pack(builder *b, const network *n, const metadata *text, uint8_t **out, size_t *len)
{
    Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
    Onnx__OperatorSetIdProto *sets[2] = {opset(b, "", OPSET), opset(b, QUANT_DOMAIN, 1)};
    Onnx__StringStringEntryProto *meta[3] = {entry(b, "annulus.task", network_task_name(n->task)),
                                             entry(b, "annulus.labels", text->labels),
                                             text->noise == NULL ? NULL : entry(b, "annulus.noise", text->noise)};
    m.has_ir_version = 1;
    m.ir_version = IR_VERSION;
    m.producer_name = (char *)(uintptr_t) "annulus";
    m.graph = &b->graph;
    m.n_opset_import = 2;
    m.opset_import = sets;
    m.n_metadata_props = text->noise == NULL ? 2 : 3;
    m.metadata_props = meta;
    void *p;
    *len = onnx__model_proto__get_packed_size(&m);
    TRY(mem_create(*len, 1, "ONNX file", &p));
    (void)onnx__model_proto__pack(&m, p);
    *out = p;
    return ANNULUS_OK;
}

static annulus_status labels_json(const network *n, char **out)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n->layers[n->layers_count - 1].out; i++) {
        json_t *name = json_string(n->labels[i]); /* NULL when it is not UTF-8 */
        if (name == NULL || json_array_append_new(list, name) != 0) {
            json_decref(list);
            return fail(ANNULUS_ERR_INPUT, "label %zu is not valid UTF-8: an ONNX file cannot hold it", i);
        }
    }
    *out = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return *out != NULL ? ANNULUS_OK : fail(ANNULUS_ERR_MEMORY, "no memory for the labels");
}

static annulus_status noise_json(const network *n, char **out)
{
    int known = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < n->layers_count; i++) {
        known |= n->layers[i].noise > 0;
        (void)json_array_append_new(list, json_real(n->layers[i].noise));
    }
    if (known) *out = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return !known || *out != NULL ? ANNULUS_OK : fail(ANNULUS_ERR_MEMORY, "no memory for the noise of the layers");
}

static size_t builder_bytes(const network *n)
{
    size_t bytes = 5 * NODE_BYTES + 4 * n->inputs * sizeof(float);
    for (size_t i = 0; i < n->layers_count; i++) {
        const rows r = rows_of(&n->layers[i]);
        const function f = function_of(&n->layers[i]);
        bytes += NODE_BYTES + f.count * STEP_BYTES + (r.rows * r.taps + 2 * r.rows) * sizeof(float);
    }
    return bytes;
}

/* Dense layers of one source and layers as training makes them. */
static annulus_status writable(const network *n)
{
    for (size_t i = 0; i < n->layers_count; i++) {
        const dense_layer *l = &n->layers[i];
        uint32_t sources[NETWORK_MAX_LAYERS];
        const int chained = network_sources(n, i, sources) == 1 && sources[0] == i;
        if (l->known || (chained && (l->W != NULL || l->windows.channels > 0))) continue;
        return fail(ANNULUS_ERR_INPUT,
                    "layer %zu is neither dense nor a convolution that was trained here, or has branches: the network "
                    "cannot be written",
                    i + 1);
    }
    return ANNULUS_OK;
}

annulus_status onnx_model_encode(const network *n, uint8_t **out, size_t *len)
{
    TRY(writable(n));
    builder b = {.value = NULL};
    metadata text = {NULL, NULL};
    TRY(network_check(n));
    annulus_status st = labels_json(n, &text.labels);
    if (st == ANNULUS_OK) st = noise_json(n, &text.noise);
    if (st == ANNULUS_OK) st = scratch_create(builder_bytes(n), &b.mem);
    if (st == ANNULUS_OK) st = encode_graph(&b, n);
    if (st == ANNULUS_OK) st = pack(&b, n, &text, out, len);
    scratch_destroy(&b.mem);
    free(text.labels), free(text.noise);
    return st;
}

annulus_status onnx_model_write(const char *path, const network *n)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    TRY(onnx_model_encode(n, &bytes, &len));
    const annulus_status st = file_write(path, bytes, len, 0644);
    mem_free(bytes);
    return st;
}
