/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by src/onnx: the parsed graph, its constants, and the chain of layers that is being built. */
#ifndef ONNX_ONNX_PRIV_H
#define ONNX_ONNX_PRIV_H

#include "nn/network.h"
#include "onnx.pb-c.h"
#include <math.h>

#define ONNX_FILE_MAX ((size_t)256 << 20)
#define ONNX_RANK_MAX 8
#define ONNX_NODES_MAX 2000u
#define ONNX_INITIALIZERS_MAX 10000u
#define ONNX_INPUTS_MAX 64u /* of a node */

/* ---- onnx_scan.c ---- */
/* A parsed model; refuses git-LFS pointers, nesting deeper than 64 and input that would take more memory than about
 * eight times its size. Free with onnx_scan_destroy. */
annulus_status onnx_scan(const uint8_t *bytes, size_t len, Onnx__ModelProto **out) __attribute__((warn_unused_result));
void onnx_scan_destroy(Onnx__ModelProto *m);

/* ---- onnx_live.c ---- */
/* *out <- g with those nodes alone that its output depends on, in their order; the list of them, out->node, is freed by
 * the caller, also after a failure, the nodes are g's. Refuses nodes without operator or output, which nodes of *out
 * have, and other than one output. */
annulus_status onnx_live_graph(const Onnx__GraphProto *g, Onnx__GraphProto *out) __attribute__((warn_unused_result));
/* Whether a node takes a value of this name. */
int onnx_graph_takes(const Onnx__GraphProto *g, const char *name);

/* ---- onnx_constant.c ---- */
typedef struct onnx_constant {
    const char *name; /* borrowed from the model */
    size_t rank, dims[ONNX_RANK_MAX], count;
    float *f;        /* (count) values, finite */
    int64_t *i;      /* (count) the same for integer types, else NULL */
    int32_t *q;      /* (count) f = q*q_scale when it went through a Quant, else NULL */
    float *q_scale;  /* (count) */
    unsigned q_bits; /* signed bits that hold every q */
} onnx_constant;

typedef struct onnx_graph {
    const Onnx__GraphProto *g;
    onnx_constant *constants; /* (capacity): initializers in use and values computed from constants */
    size_t count, capacity;
    size_t budget; /* bytes that constants may still take */
} onnx_graph;

annulus_status onnx_graph_init(onnx_graph *g, const Onnx__GraphProto *proto, size_t file_len)
    __attribute__((warn_unused_result));
void onnx_graph_clear(onnx_graph *g);
int onnx_graph_is_initializer(const onnx_graph *g, const char *name);
/* *out = NULL when no constant has this name. */
annulus_status onnx_graph_find(onnx_graph *g, const char *name, const onnx_constant **out)
    __attribute__((warn_unused_result));
/* A new constant of the shape of `like`; lives as long as g. */
annulus_status onnx_graph_add(onnx_graph *g, const char *name, const onnx_constant *like, onnx_constant **out)
    __attribute__((warn_unused_result));
annulus_status onnx_graph_add_tensor(onnx_graph *g, const char *name, const Onnx__TensorProto *t)
    __attribute__((warn_unused_result));
annulus_status onnx_graph_add_scalar(onnx_graph *g, const char *name, float f, const int64_t *i)
    __attribute__((warn_unused_result));
/* The newest constant, of one element, made one of this shape, each element the same; fails in the name of the node. */
annulus_status onnx_graph_repeat(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, const size_t *dims)
    __attribute__((warn_unused_result));
/* Room for i; for q and q_scale. */
annulus_status onnx_constant_integers(onnx_graph *g, onnx_constant *c) __attribute__((warn_unused_result));
/* Index into s of the element that numpy's broadcasting pairs with element e of x, whose shape s broadcasts to. */
size_t onnx_constant_paired(const onnx_constant *x, const onnx_constant *s, size_t e);
annulus_status onnx_constant_quantized(onnx_graph *g, onnx_constant *c) __attribute__((warn_unused_result));

/* ---- onnx_opset.c ---- */
/* ANNULUS_ERR_INPUT: a node that is not read as its operator set means it, or one of a model in training. */
annulus_status onnx_opset_check(const Onnx__NodeProto *node) __attribute__((warn_unused_result));

/* ---- onnx_fold.c: nodes whose inputs are all constant, and attributes ---- */
annulus_status onnx_node_fail(const Onnx__NodeProto *node, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
/* st; the message of a failure gets the node's name in front. */
annulus_status onnx_node_at(const Onnx__NodeProto *node, annulus_status st) __attribute__((warn_unused_result));
/* NULL: it has none of this name. */
const Onnx__AttributeProto *onnx_node_attribute(const Onnx__NodeProto *node, const char *name);
annulus_status onnx_node_int(const Onnx__NodeProto *node, const char *name, int64_t missing, int64_t *out)
    __attribute__((warn_unused_result));
annulus_status onnx_node_float(const Onnx__NodeProto *node, const char *name, float missing, float *out)
    __attribute__((warn_unused_result));
/* `count` integers; out stays as it is if the attribute is missing. */
annulus_status onnx_node_ints(const Onnx__NodeProto *node, const char *name, size_t count, int64_t *out)
    __attribute__((warn_unused_result));
/* Text of less than `size` bytes; out stays as it is if the attribute is missing. */
annulus_status onnx_node_text(const Onnx__NodeProto *node, const char *name, char *out, size_t size)
    __attribute__((warn_unused_result));
/* The constant that input `index` names; refused when the input is missing or not constant. */
annulus_status onnx_node_constant(onnx_graph *g, const Onnx__NodeProto *node, size_t index, const onnx_constant **out)
    __attribute__((warn_unused_result));

/* Whether a Cast to this type leaves a number as it is. */
static inline int onnx_is_float(int64_t type)
{
    return type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16 ||
           type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE;
}

/* Attributes of a Gemm, which must take its first input as it is: alpha times the product plus beta times the third. */
typedef struct onnx_gemm {
    int transposed; /* the weights */
    double alpha, beta;
} onnx_gemm;
annulus_status onnx_gemm_parse(const Onnx__NodeProto *node, onnx_gemm *out) __attribute__((warn_unused_result));

/* ANNULUS_ERR_INPUT: an ArgMax that does not give the label of a classifier, the first of equals. */
annulus_status onnx_argmax_parse(const onnx_graph *g, const Onnx__NodeProto *node) __attribute__((warn_unused_result));

/* A BatchNormalization: value of a channel times its gain, plus its term. */
typedef struct onnx_normal {
    const onnx_constant *k[4]; /* (channels) scale, bias, mean, variance */
    double epsilon;
} onnx_normal;
annulus_status onnx_normal_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t channels, onnx_normal *out)
    __attribute__((warn_unused_result));
static inline double onnx_normal_gain(const onnx_normal *b, size_t channel)
{
    return (double)b->k[0]->f[channel] / sqrt((double)b->k[3]->f[channel] + b->epsilon);
}
static inline double onnx_normal_term(const onnx_normal *b, size_t channel)
{
    return (double)b->k[1]->f[channel] - (double)b->k[2]->f[channel] * onnx_normal_gain(b, channel);
}

typedef struct onnx_quant {
    const onnx_constant *scale;
    int32_t zero;
    unsigned bits;
    int is_signed, narrow, half_even;
} onnx_quant;
int onnx_is_bipolar(const Onnx__NodeProto *node); /* one bit, -1 and 1 */
annulus_status onnx_quant_parse(onnx_graph *g, const Onnx__NodeProto *node, onnx_quant *out)
    __attribute__((warn_unused_result));

typedef annulus_status onnx_fold_fn(onnx_graph *g, const Onnx__NodeProto *node);
onnx_fold_fn onnx_fold_quant, onnx_fold_constant;

/* ---- onnx_shape.c: of `rank` dimensions, of tensors the batch's, 1, is the first; `kept` of them stay as they are
 * ---- All are ANNULUS_ERR_INPUT for what the node asks in vain; counts and products are those that the dimensions
 * allow. */
annulus_status onnx_axis(const Onnx__NodeProto *node, int64_t axis, size_t rank, size_t *out)
    __attribute__((warn_unused_result));
/* Axes that input 1 names, or the attribute, a bit each; *given 0: neither is there. */
annulus_status onnx_node_axes(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, unsigned *mask, int *given)
    __attribute__((warn_unused_result));
/* Shape that a Reshape's input 1 asks for. */
annulus_status onnx_reshape_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, const size_t *dims,
                                  size_t *to_rank, size_t to[ONNX_RANK_MAX]) __attribute__((warn_unused_result));
annulus_status onnx_squeeze_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t kept, size_t rank,
                                  const size_t *dims, size_t *to_rank, size_t to[ONNX_RANK_MAX])
    __attribute__((warn_unused_result));
annulus_status onnx_unsqueeze_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t kept, size_t rank,
                                    const size_t *dims, size_t *to_rank, size_t to[ONNX_RANK_MAX])
    __attribute__((warn_unused_result));
/* (rank) each: values first + i*step, i < count, of every axis; all of them are there. */
annulus_status onnx_slice_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t kept, size_t rank,
                                const size_t *dims, int64_t *first, int64_t *step, size_t *count)
    __attribute__((warn_unused_result));

/* ---- onnx_fold_shape.c, onnx_fold_arithmetic.c ---- */
onnx_fold_fn onnx_fold_transpose, onnx_fold_slice, onnx_fold_reshape, onnx_fold_concat, onnx_fold_gather,
    onnx_fold_shape, onnx_fold_cast, onnx_fold_filled, onnx_fold_arithmetic;
/* A Shape of these dimensions. */
annulus_status onnx_fold_shape_of(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, const size_t *dims)
    __attribute__((warn_unused_result));

/* ---- onnx_chain.c: nodes on the way from the input to the scores ---- */
typedef enum onnx_stage { ONNX_RAW, ONNX_QUANTIZED, ONNX_LINEAR, ONNX_ACTIVATED } onnx_stage;
typedef struct onnx_chain {
    onnx_graph *g;
    network *n;        /* has room for every layer; layers_count is set at the end */
    size_t layers;     /* begun so far */
    const char *value; /* name of the current value */
    onnx_stage stage;
    size_t rank, dims[ONNX_RANK_MAX], features; /* of one sample */
    double amplitude;     /* of the wave that the Quant to come, or the last one, is behind; else 1 */
    unsigned char *taken; /* (nodes) 1: seen already, as a part of a wave or a constant on the way */
    int graph;            /* the node at hand may be read in a graph of tensors */
} onnx_chain;

typedef annulus_status (*onnx_chain_fn)(onnx_chain *c, const Onnx__NodeProto *node);
/* ---- onnx_tensor.h ---- */
typedef struct onnx_net onnx_net;
typedef struct onnx_tensor onnx_tensor;
typedef annulus_status onnx_tensor_fn(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y);
typedef struct onnx_operator {
    const char *name;
    int quant_domain; /* in one of the QONNX domains instead of ONNX's own */
    size_t inputs_min, inputs_max;
    onnx_chain_fn chain;    /* NULL: not on the chain */
    onnx_fold_fn *fold;     /* NULL: not among constants */
    onnx_tensor_fn *tensor; /* in models that are no chain; NULL: not there */
} onnx_operator;
/* ---- onnx_program.c: element-wise operators between sums and their Quant ---- */
/* What failures say of it. */
#define ONNX_FUNCTION                                                                                                  \
    "what stands between sums and their Quant must be element-wise operators, with constants of one number, or one "   \
    "for each channel or value"
/* A constant that each neuron has its own of: that element of a constant which broadcasting gives it, or what a
 * normalisation multiplies its channel by, or adds to it. */
typedef struct onnx_vary {
    const onnx_constant *constant; /* NULL: of the normalisation */
    const Onnx__NodeProto *normal;
    int adds;
    int flat; /* of shape (batch, all) where channels have dimensions */
} onnx_vary;
/* amplitude*act(u/period + shift) of sums u and, for `offsets` > 1, its values at shift + j/(2*offsets) as dense_layer
 * has them; of other than waves act(u). Of ACTIVATION_WAVE act is f, the amplitude 1 and the shift 0. */
typedef struct onnx_function {
    activation act;                        /* ACTIVATION_FUNCTION, ACTIVATION_WAVE: f, which is none by name */
    double rise, period, amplitude, shift; /* amplitude > 0, shift in [0,1) */
    size_t offsets;
    function f;
    onnx_vary vary[FUNCTION_MAX_VARY]; /* (f.vary) */
    int flat;                          /* what the Quant takes has one dimension, the sums more */
    const char *value; /* that the Quant takes; values of one channel, or neuron, and offset follow one another */
} onnx_function;
/* Of what nodes from `first` on make of the current value, sums of a layer, up to a Quant; *found 0: no function, or
 * one whose node `first` the chain reads by itself. one_scale: of the sums' weights, without which waves are
 * ACTIVATION_PADDED_WAVE. Marks its nodes as taken; folds constants on the way. */
annulus_status onnx_function_find(onnx_chain *c, size_t first, int one_scale, onnx_function *out, int *found)
    __attribute__((warn_unused_result));
/* *out <- the constants of the neurons, (f->f.vary,c->features), which the caller frees; NULL if there are none. c: as
 * the function was found. */
annulus_status onnx_function_vary(const onnx_chain *c, const onnx_function *f, double **out)
    __attribute__((warn_unused_result));

/* NULL when the operator or its domain is unknown. */
const onnx_operator *onnx_operator_find(const Onnx__NodeProto *node);
annulus_status onnx_operator_unknown(const Onnx__NodeProto *node) __attribute__((warn_unused_result));
#endif
