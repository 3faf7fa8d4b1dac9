/* SPDX-License-Identifier: Apache-2.0 */
/* Models that are no chain of dense layers: every value on the way from the input to the scores is a tensor, known as
 * linear expressions of values that were quantized. A Quant makes a layer of the network. For onnx*.c only. */
#ifndef ONNX_ONNX_TENSOR_H
#define ONNX_ONNX_TENSOR_H

#include "nn/gather.h"
#include "onnx/onnx_priv.h"

/* Value o is act(scale[o]*(W x)[o] + bias[o]), x the real values of the sources; of raw tensors feature o of the input.
 */
struct onnx_tensor {
    const char *name; /* borrowed from the model */
    onnx_stage stage; /* ONNX_QUANTIZED: as a Quant made them, perhaps in another order; ONNX_LINEAR: sums of those */
    size_t rank, dims[ONNX_RANK_MAX], count; /* of one sample, row-major */
    uint32_t sources[NETWORK_MAX_LAYERS];    /* as in dense_layer */
    size_t sources_count, in;
    circuit_linear linear;
    double *scale, *bias; /* (count) */
    double *lo, *hi;      /* (count) (W x)[o] lies between them */
    int bounded;          /* they are tighter than what the sources' own ranges give */
    int proven;           /* of ACTIVATED: as dense_layer has it */
    activation act;
    double rise, amplitude; /* of ACTIVATED: real value = amplitude*act(...) */
    function own;           /* of a layer's own program */
    double *vary;           /* (own.vary,count) as dense_layer has it; of others than ACTIVATED NULL */
    size_t offsets;         /* of ACTIVATED waves: values of each sum; 0: one. The shape is that of the sums */
    int flat;               /* of ACTIVATED waves: what is quantized has one dimension */
    gather_windows pool;    /* the largest values of these windows are meant, to be found behind the Quant; channels 0:
                               none, the values themselves */
    size_t pool_rank, pool_dims[3];
    char op[64];                    /* for people */
    uint32_t from[LINEAR_RANK_MAX]; /* for people: dimensions of the source, as the first operator takes it */
};

struct onnx_net {
    onnx_graph *g;
    network *n;           /* has room for NETWORK_MAX_LAYERS; layers_count is set at the end */
    size_t layers;        /* made so far */
    onnx_tensor *tensors; /* (nodes + 1) */
    size_t count;
    const onnx_tensor *raw; /* the newest that is not quantized: the network's shifts and gains are its own */
    unsigned char *taken;   /* (nodes) 1: seen already, as a part of a wave */
    size_t budget;          /* words that lists of inputs and outputs may still take */
};

/* NULL: no tensor has this name. */
const onnx_tensor *onnx_tensor_find(const onnx_net *t, const char *name);
/* Shape, scales of 1, biases and bounds of 0, of a tensor whose name is set; cleared by the caller, also after a
 * failure. */
annulus_status onnx_tensor_create(onnx_tensor *y, size_t rank, const size_t *dims) __attribute__((warn_unused_result));
void onnx_tensor_clear(onnx_tensor *x);
annulus_status onnx_tensor_copy(onnx_net *t, const onnx_tensor *x, onnx_tensor *y) __attribute__((warn_unused_result));
/* y, sums c, <- what the function makes of them: its constants. */
annulus_status onnx_tensor_vary(onnx_net *t, const onnx_chain *c, const onnx_function *f, onnx_tensor *y)
    __attribute__((warn_unused_result));
/* y (rank, dims) <- outer of x, which is taken over. Values of x that one output takes must have one scale. op: what it
 * is called. */
annulus_status onnx_tensor_apply(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, circuit_linear *outer,
                                 size_t rank, const size_t *dims, const char *op, onnx_tensor *y)
    __attribute__((warn_unused_result));
/* Output o of y (rank, dims) is value from[o] of x, or 0. */
annulus_status onnx_tensor_choose(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const uint32_t *from,
                                  size_t rank, const size_t *dims, onnx_tensor *y) __attribute__((warn_unused_result));
/* y <- the sources of both; x is a copy of what it was, over the sources of y, with the same order for any that follow.
 */
annulus_status onnx_tensor_join_sources(const onnx_net *t, onnx_tensor *y, onnx_tensor *x)
    __attribute__((warn_unused_result));
/* y <- the parts (count) one behind the other, as one dimension; they are used up. */
annulus_status onnx_tensor_stack(const onnx_net *t, onnx_tensor *parts, size_t count, onnx_tensor *y)
    __attribute__((warn_unused_result));
/* Gives x, whose scales are about multiples of some number, that one as its scale; else leaves it as it is. */
annulus_status onnx_tensor_one_scale(const Onnx__NodeProto *node, onnx_tensor *x) __attribute__((warn_unused_result));
/* Sums times integers by[o]; their weights and bounds, not their scales and biases. What becomes 0 gets the scale of
 * others. */
annulus_status onnx_tensor_multiply(const Onnx__NodeProto *node, onnx_tensor *x, const int32_t *by)
    __attribute__((warn_unused_result));
/* Index into constant k of the element that numpy's broadcasting pairs with element o of x; a constant may have a batch
 * dimension of 1. */
annulus_status onnx_tensor_broadcast(const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_constant *k)
    __attribute__((warn_unused_result));
int onnx_tensor_takes(const onnx_tensor *x, const onnx_constant *k); /* whether it fits */
size_t onnx_tensor_index(const onnx_tensor *x, const onnx_constant *k, size_t o);
/* dims (rank) <- the shape that values of dims and k are broadcast to, if onnx_tensor_broadcast finds that they fit. */
void onnx_tensor_widen(const onnx_constant *k, size_t rank, size_t *dims);
/* Adds to what people read, cut off at its size. */
void onnx_name_append(char *name, size_t size, const char *op);
void onnx_tensor_name(onnx_tensor *x, const char *op); /* to x->op */

/* Raw, of the shape of `input`. */
annulus_status onnx_tensor_input(const onnx_tensor *input, onnx_tensor *y) __attribute__((warn_unused_result));
/* A layer of the network that has the sums, or activations, x; x loses its linear part. */
annulus_status onnx_tensor_layer(onnx_net *t, onnx_tensor *x, dense_layer *l) __attribute__((warn_unused_result));
/* y <- the look-ups of sums x, quantized by q: a layer. Its values are q.scale times integers, times x->amplitude. */
annulus_status onnx_tensor_look_up(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const quantizer *q,
                                   onnx_tensor *y) __attribute__((warn_unused_result));
/* y <- y + sign*x, of one shape; x is used up. near: their scales may be rounded to a ratio of integers (onnx_scale.c);
 * else that is refused. */
annulus_status onnx_tensor_add(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, onnx_tensor *y, onnx_tensor *x)
    __attribute__((warn_unused_result));
annulus_status onnx_tensor_add_near(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, onnx_tensor *y,
                                    onnx_tensor *x) __attribute__((warn_unused_result));

/* Of a node whose first tensor among its inputs is x: y, whose name is set. Listed in onnx_chain.c. */
onnx_tensor_fn onnx_tensor_affine, onnx_tensor_normalise, onnx_tensor_gemm, onnx_tensor_conv, onnx_tensor_average,
    onnx_tensor_max_pool, onnx_tensor_max, onnx_tensor_activation, onnx_tensor_quant, onnx_tensor_concat,
    onnx_tensor_pad, onnx_tensor_transpose, onnx_tensor_reshape, onnx_tensor_slice, onnx_tensor_compare,
    onnx_tensor_where, onnx_tensor_square, onnx_tensor_mul, onnx_tensor_argmax, onnx_tensor_cast, onnx_tensor_reduce,
    onnx_tensor_sum;

/* ---- onnx_scale.c ----
 * Values that are added up count in one unit, so that their scales must be multiples of one number. Where no integers
 * up to NETWORK_MAX_FACTOR are, the scales are rounded to the least integers that are near: relative error ONNX_NEAR.
 */
#define ONNX_NEAR 0x1p-10
#define ONNX_MOST_RATIO 4096.0
#define ONNX_MOST_PARTS 512 /* 1/(2*ONNX_NEAR): there any scale is near */
/* p : q = a : b; 0: there is no such ratio. *exact 0: it is a near one. */
int onnx_ratio_find(double a, double b, int near, int32_t *p, int32_t *q, int *exact);
/* scale (count) <- about by (count) times *unit; 0: there are no such integers. */
int onnx_unit_find(const double *scale, size_t count, int32_t *by, double *unit, int *exact);
/* Whether the weights of a wave, of these scales and `most` at most, have one scale or could: by factors that are
 * exact, up to ONNX_WAVE_FACTOR, as integers multiply the noise of values, and leave weights that files hold. */
#define ONNX_WAVE_FACTOR 4
int onnx_wave_scales(const double *scale, size_t count, int64_t most);
/* Where a layer takes values of several quantizers, whose scales have no common unit, they become multiples of one by
 * factors up to NETWORK_MAX_FACTOR: the nearest of errors 2^-10, 2^-9, ... ONNX_NEAR_SOURCES that some have; but
 * for those that exact look-ups make or take. Those changed have a ~ in their layers' names. */
#define ONNX_NEAR_SOURCES 0x1p-6 /* mostly far less */
void onnx_scales_meet(network *n);

/* ---- onnx_tensor_linear.c ---- */
/* Windows of an AveragePool or MaxPool, of what is global (op_type G...) or a ReduceMax over all positions, and the
 * shape of what they make; *flat: without the dimensions of the positions; more: padding behind that is there only so
 * that windows reach all values (ceil_mode). */
annulus_status onnx_tensor_windows(const onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x,
                                   gather_windows *g, size_t dims[3], int *flat, size_t more[2])
    __attribute__((warn_unused_result));

/* ---- onnx_tensor_exact.c: look-ups whose every accumulator counts ---- */
/* The values of x are multiples of *grid, x->scale is one for all. ANNULUS_ERR_INPUT: they are not, with the remedy. */
annulus_status onnx_tensor_grid(const onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, double *grid)
    __attribute__((warn_unused_result));
/* y (x->count) <- x, a copy that is used up, where it is positive, else 0; exact. */
annulus_status onnx_tensor_positive(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *x, const char *op,
                                    onnx_tensor *y) __attribute__((warn_unused_result));
/* One look-up a value of sums x, used up, as amplitude*act, quantized by q. op: what it is called. */
annulus_status onnx_tensor_exact(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *x, activation act,
                                 double amplitude, const quantizer *q, const char *op, onnx_tensor *y)
    __attribute__((warn_unused_result));
/* The quantizer of integers from 0 to most, times scale. */
annulus_status onnx_tensor_counter(const Onnx__NodeProto *node, double scale, double most, quantizer *out)
    __attribute__((warn_unused_result));
/* Real bounds of value o of x. */
double onnx_tensor_least(const onnx_tensor *x, size_t o);
double onnx_tensor_most(const onnx_tensor *x, size_t o);
/* Sets the bounds of value o of x to these real ones. */
void onnx_tensor_bound(onnx_tensor *x, size_t o, double least, double most);

/* Whether a larger sum has no smaller activation. */
static inline int onnx_tensor_rises(const onnx_tensor *x)
{
    return x->stage != ONNX_ACTIVATED || activation_is_monotone(x->act);
}

/* ---- onnx_tensor_pair.c: of two encrypted values ---- */
/* An input of a node: a tensor, or a constant. */
typedef struct onnx_input {
    const onnx_tensor *x;
    const onnx_constant *k; /* NULL: the tensor */
} onnx_input;
annulus_status onnx_tensor_operand(const onnx_net *t, const Onnx__NodeProto *node, size_t i, onnx_input *out)
    __attribute__((warn_unused_result));
/* y <- a * b, exact; copies of one shape that are used up. */
annulus_status onnx_tensor_product(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *a, onnx_tensor *b,
                                   onnx_tensor *y) __attribute__((warn_unused_result));
/* y <- x times by, matrices of the last two axes, the others broadcast; exact. */
annulus_status onnx_tensor_matmul(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_tensor *by,
                                  onnx_tensor *y) __attribute__((warn_unused_result));
/* y <- x in this shape, to which it is broadcast. */
annulus_status onnx_tensor_expand(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, size_t rank,
                                  const size_t *dims, onnx_tensor *y) __attribute__((warn_unused_result));
/* dims (rank): widened to the shape that it and x are broadcast to. */
annulus_status onnx_tensor_common_shape(const Onnx__NodeProto *node, const onnx_tensor *x, size_t rank, size_t *dims)
    __attribute__((warn_unused_result));
/* dims (*rank): the shape that the operands (count), one of which is a tensor, are broadcast to. */
annulus_status onnx_tensor_shape_of(const Onnx__NodeProto *node, const onnx_input *in, size_t count, size_t *rank,
                                    size_t dims[ONNX_RANK_MAX]) __attribute__((warn_unused_result));
/* Whether Quants alone take the value that node makes. */
int onnx_tensor_feeds_quants(const onnx_net *t, const Onnx__NodeProto *node);

/* ---- onnx_tensor_max.c ---- */
/* y <- the largest values of the windows of x, quantized; takes x->pool. */
annulus_status onnx_tensor_pool(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_tensor *pool,
                                onnx_tensor *y) __attribute__((warn_unused_result));

/* ---- onnx_net.c ---- */
/* Whether the model, whose input is named, needs this reader. */
annulus_status onnx_net_needed(const onnx_graph *g, const char *input, int *needed) __attribute__((warn_unused_result));
/* n: with room for NETWORK_MAX_LAYERS layers; taken: (nodes) zeros; input: shape of the model's input, without the
 * batch. */
annulus_status onnx_net_read(onnx_graph *g, const onnx_tensor *input, unsigned char *taken, network *n)
    __attribute__((warn_unused_result));
#endif
