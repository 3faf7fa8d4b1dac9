/* SPDX-License-Identifier: Apache-2.0 */
/* A graph that is being written, node by node. For onnx*.c only. */
#ifndef ONNX_ONNX_BUILDER_H
#define ONNX_ONNX_BUILDER_H

#include "base/memory.h"
#include "nn/network.h"
#include "onnx.pb-c.h"

#define ONNX_QUANT_DOMAIN "qonnx.custom_op.general"
#define ONNX_NODE_BYTES ((size_t)16384) /* messages and names around one layer's or input's nodes */

/* What nodes take at most. */
typedef struct onnx_room {
    size_t nodes, tensors, bytes;
} onnx_room;

/* The messages live in one scratch block that is given back at the end. */
typedef struct onnx_builder {
    scratch mem;
    Onnx__GraphProto graph;
    onnx_room room;
    char *value;                          /* name of the current value */
    char *values[NETWORK_MAX_LAYERS + 1]; /* names of the input and of the layers' values, quantized */
} onnx_builder;

void *builder_take(onnx_builder *b, size_t bytes); /* zeros */
char *builder_name(onnx_builder *b, const char *what, size_t index);
/* A new initializer of `rank` dimensions, at most 5, to be filled. */
float *builder_floats(onnx_builder *b, char *name, size_t rank, const size_t *dims);
int64_t *builder_integers(onnx_builder *b, char *name, size_t rank, const size_t *dims);
/* Names of initializers of one number; those of builder_number count by themselves. */
char *builder_scalar(onnx_builder *b, const char *what, size_t index, double v);
char *builder_number(onnx_builder *b, double v);

/* Room for four attributes. */
Onnx__NodeProto *builder_node(onnx_builder *b, const char *op, size_t index, size_t inputs, char *const *input);
void builder_int(onnx_builder *b, Onnx__NodeProto *n, const char *name, int64_t v);
void builder_float(onnx_builder *b, Onnx__NodeProto *n, const char *name, double v);
void builder_ints(onnx_builder *b, Onnx__NodeProto *n, const char *name, const size_t *v, size_t count);

/* Names of outputs: of an operator on x and, unless it is NULL, y; of x as (batch, dims); of a Quant of `input` with
 * the scale named. */
char *builder_apply(onnx_builder *b, const char *op, char *x, char *y);
char *builder_reshape(onnx_builder *b, char *x, size_t rank, const size_t *dims);
char *builder_quant(onnx_builder *b, size_t index, char *input, char *scale, const quantizer *q);

/* ANNULUS_ERR_INPUT: v is beyond single precision. */
annulus_status onnx_narrow(double v, const char *what, size_t index, float *out) __attribute__((warn_unused_result));

/* ---- onnx_encode_layer.c ---- */
onnx_room onnx_layer_room(const dense_layer *l);
/* Bits that a reader finds the layer's weights to have. */
unsigned onnx_layer_weight_bits(const dense_layer *l);
/* Layer `index`, from 1: from the values of its sources to its own. */
annulus_status onnx_layer_encode(onnx_builder *b, const network *n, size_t index) __attribute__((warn_unused_result));
#endif
