/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs of a few nodes for tests of the reader. */
#ifndef TESTS_ONNX_FIXTURE_H
#define TESTS_ONNX_FIXTURE_H

#include "testing.h"

#include "onnx/onnx_builder.h"
#include "onnx/onnx_priv.h"

static inline void graph_begin(onnx_builder *b)
{
    *b = (onnx_builder){.room = {.nodes = 200, .tensors = 400, .bytes = (size_t)4 << 20}};
    onnx__graph_proto__init(&b->graph);
    assert_ok(scratch_create(b->room.bytes, &b->mem));
    b->graph.node = builder_take(b, b->room.nodes * sizeof *b->graph.node);
    b->graph.initializer = builder_take(b, b->room.tensors * sizeof *b->graph.initializer);
}

/* Names of constants: floats, which are first, first + 1, ..., and integers. */
static inline char *counted(onnx_builder *b, float first, size_t rank, const size_t *dims)
{
    char *name = builder_name(b, "counted", b->graph.n_initializer);
    float *f = builder_floats(b, name, rank, dims);
    size_t count = 1;
    for (size_t d = 0; d < rank; d++) count *= dims[d];
    for (size_t i = 0; i < count; i++) f[i] = first + (float)i;
    return name;
}

static inline char *integers(onnx_builder *b, size_t count, const int64_t *v)
{
    char *name = builder_name(b, "integers", b->graph.n_initializer);
    memcpy(builder_integers(b, name, 1, &count), v, count * sizeof *v);
    return name;
}

/* The model of the graph: floats (batch, dims) named "x" to the output named; bytes are the builder's. */
static inline uint8_t *graph_pack(onnx_builder *b, size_t rank, const size_t *dims, char *output, size_t *len)
{
    Onnx__ModelProto m = ONNX__MODEL_PROTO__INIT;
    Onnx__ValueInfoProto *ends = builder_take(b, 2 * sizeof *ends), **lists = builder_take(b, 2 * sizeof *lists);
    Onnx__TypeProto *type = builder_take(b, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = builder_take(b, sizeof *tensor);
    Onnx__TensorShapeProto *shape = builder_take(b, sizeof *shape);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    tensor->has_elem_type = 1;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    shape->n_dim = rank + 1;
    shape->dim = builder_take(b, (rank + 1) * sizeof *shape->dim);
    for (size_t d = 0; d <= rank; d++) {
        shape->dim[d] = builder_take(b, sizeof **shape->dim);
        onnx__tensor_shape_proto__dimension__init(shape->dim[d]);
        shape->dim[d]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        shape->dim[d]->dim_value = d == 0 ? 1 : (int64_t)dims[d - 1];
    }
    for (size_t i = 0; i < 2; i++) {
        onnx__value_info_proto__init(&ends[i]);
        lists[i] = &ends[i];
    }
    ends[0].name = (char *)(uintptr_t) "x";
    ends[0].type = type;
    ends[1].name = output;
    b->graph.n_input = b->graph.n_output = 1;
    b->graph.input = &lists[0];
    b->graph.output = &lists[1];
    m.graph = &b->graph;
    *len = onnx__model_proto__get_packed_size(&m);
    uint8_t *bytes = builder_take(b, *len);
    (void)onnx__model_proto__pack(&m, bytes);
    return bytes;
}

static inline Onnx__NodeProto *node_of(onnx_builder *b, const char *op, size_t count, char *const *inputs)
{
    return builder_node(b, op, b->graph.n_node, count, inputs);
}
#endif
