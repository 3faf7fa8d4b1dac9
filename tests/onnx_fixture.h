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

static inline Onnx__NodeProto *node_of(onnx_builder *b, const char *op, size_t count, char *const *inputs)
{
    return builder_node(b, op, b->graph.n_node, count, inputs);
}
#endif
