/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 40
#define RANK_MAX 5

void *builder_take(onnx_builder *b, size_t bytes)
{
    void *p = scratch_take(&b->mem, bytes);
    memset(p, 0, bytes);
    return p;
}

char *builder_name(onnx_builder *b, const char *what, size_t index)
{
    char *name = builder_take(b, NAME_BYTES);
    (void)snprintf(name, NAME_BYTES, "%s_%zu", what, index);
    return name;
}

/* A new initializer of `rank` dimensions. Its data, elements of `size` bytes, are to be filled. */
static void *initializer(onnx_builder *b, char *name, int32_t type, size_t size, size_t rank, const size_t *dims)
{
    Onnx__TensorProto *t = builder_take(b, sizeof *t);
    onnx__tensor_proto__init(t);
    t->name = name;
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = rank;
    t->dims = builder_take(b, RANK_MAX * sizeof *t->dims);
    t->has_raw_data = 1;
    t->raw_data.len = size;
    for (size_t i = 0; i < rank; i++) {
        t->dims[i] = (int64_t)dims[i];
        t->raw_data.len *= dims[i];
    }
    t->raw_data.data = builder_take(b, t->raw_data.len);
    REQUIRE(b->graph.n_initializer < b->room.tensors);
    b->graph.initializer[b->graph.n_initializer++] = t;
    return t->raw_data.data;
}

float *builder_floats(onnx_builder *b, char *name, size_t rank, const size_t *dims)
{
    return initializer(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, sizeof(float), rank, dims);
}

int64_t *builder_integers(onnx_builder *b, char *name, size_t rank, const size_t *dims)
{
    return initializer(b, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, sizeof(int64_t), rank, dims);
}

char *builder_scalar(onnx_builder *b, const char *what, size_t index, double v)
{
    char *name = builder_name(b, what, index);
    *builder_floats(b, name, 0, NULL) = (float)v;
    return name;
}

Onnx__NodeProto *builder_node(onnx_builder *b, const char *op, size_t index, size_t inputs, char *const *input)
{
    Onnx__NodeProto *n = builder_take(b, sizeof *n);
    onnx__node_proto__init(n);
    n->op_type = (char *)(uintptr_t)op; /* protobuf-c has no const strings; packing does not write */
    n->name = builder_name(b, op, index);
    n->n_input = inputs;
    n->input = builder_take(b, inputs * sizeof *n->input);
    memcpy(n->input, input, inputs * sizeof *n->input);
    n->n_output = 1;
    n->output = builder_take(b, sizeof *n->output);
    n->output[0] = builder_name(b, "value", b->graph.n_node);
    n->attribute = builder_take(b, 4 * sizeof *n->attribute);
    REQUIRE(b->graph.n_node < b->room.nodes);
    b->graph.node[b->graph.n_node++] = n;
    return n;
}

static Onnx__AttributeProto *attribute(onnx_builder *b, Onnx__NodeProto *n, const char *name,
                                       Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = builder_take(b, sizeof *a);
    onnx__attribute_proto__init(a);
    a->name = (char *)(uintptr_t)name;
    a->has_type = 1;
    a->type = type;
    n->attribute[n->n_attribute++] = a;
    return a;
}

void builder_int(onnx_builder *b, Onnx__NodeProto *n, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    a->has_i = 1;
    a->i = v;
}

void builder_float(onnx_builder *b, Onnx__NodeProto *n, const char *name, double v)
{
    Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    a->has_f = 1;
    a->f = (float)v;
}

void builder_ints(onnx_builder *b, Onnx__NodeProto *n, const char *name, const size_t *v, size_t count)
{
    Onnx__AttributeProto *a = attribute(b, n, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = count;
    a->ints = builder_take(b, count * sizeof *a->ints);
    for (size_t i = 0; i < count; i++) a->ints[i] = (int64_t)v[i];
}

char *builder_quant(onnx_builder *b, size_t index, char *input, char *scale, const quantizer *q)
{
    static const char mode[] = "HALF_UP";
    if (quantizer_is_bipolar(q)) {
        char *const both[2] = {input, scale};
        Onnx__NodeProto *n = builder_node(b, "BipolarQuant", index, 2, both);
        n->domain = (char *)(uintptr_t)ONNX_QUANT_DOMAIN;
        return n->output[0];
    }
    char *const inputs[4] = {input, scale, builder_scalar(b, "zero_point", index, q->zero),
                             builder_scalar(b, "bits", index, q->bits)};
    Onnx__NodeProto *n = builder_node(b, "Quant", index, 4, inputs);
    n->domain = (char *)(uintptr_t)ONNX_QUANT_DOMAIN;
    builder_int(b, n, "signed", q->is_signed);
    builder_int(b, n, "narrow", q->narrow);
    Onnx__AttributeProto *a = attribute(b, n, "rounding_mode", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    a->has_s = 1;
    a->s = (ProtobufCBinaryData){.len = sizeof mode - 1, .data = (uint8_t *)(uintptr_t)mode};
    return n->output[0];
}

annulus_status onnx_narrow(double v, const char *what, size_t index, float *out)
{
    *out = (float)v;
    if (isfinite(*out) && (v == 0 || *out != 0.0f)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s %zu is %g: ONNX carries single precision", what, index, v);
}

char *builder_apply(onnx_builder *b, const char *op, char *x, char *y)
{
    char *const inputs[2] = {x, y};
    return builder_node(b, op, b->graph.n_node, y == NULL ? 1 : 2, inputs)->output[0];
}

char *builder_number(onnx_builder *b, double v)
{
    return builder_scalar(b, "number", b->graph.n_initializer, v);
}

char *builder_reshape(onnx_builder *b, char *x, size_t rank, const size_t *dims)
{
    const size_t length = rank + 1;
    char *name = builder_name(b, "shape", b->graph.n_initializer);
    int64_t *shape = builder_integers(b, name, 1, &length);
    shape[0] = 0; /* the batch as it is */
    for (size_t d = 0; d < rank; d++) shape[d + 1] = (int64_t)dims[d];
    return builder_apply(b, "Reshape", x, name);
}
