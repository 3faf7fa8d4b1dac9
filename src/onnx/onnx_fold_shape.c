/* SPDX-License-Identifier: Apache-2.0 */
/* Constants of constants: their order and shape, their type. What went through a Quant stays quantized. */
#include "onnx/onnx_priv.h"

#include <math.h>
#include <string.h>

/* y <- a constant of this shape, of the type of x. */
static annulus_status made_like(onnx_graph *g, const Onnx__NodeProto *node, const onnx_constant *x, size_t rank,
                                const size_t *dims, onnx_constant **y)
{
    onnx_constant shape = {.rank = rank, .count = 1};
    if (rank > ONNX_RANK_MAX) return onnx_node_fail(node, "more than %d dimensions are not supported", ONNX_RANK_MAX);
    for (size_t d = 0; d < rank; d++)
        if (dims[d] == 0 || __builtin_mul_overflow(shape.count, shape.dims[d] = dims[d], &shape.count))
            return onnx_node_fail(node, "it makes no value, or more than memory holds");
    TRY(onnx_graph_add(g, node->output[0], &shape, y));
    if (x->i != NULL) TRY(onnx_constant_integers(g, *y));
    if (x->q == NULL) return ANNULUS_OK;
    TRY(onnx_constant_quantized(g, *y));
    (*y)->q_bits = x->q_bits;
    return ANNULUS_OK;
}

static void put(onnx_constant *y, size_t to, const onnx_constant *x, size_t from)
{
    y->f[to] = x->f[from];
    if (y->i != NULL) y->i[to] = x->i[from];
    if (y->q == NULL) return;
    y->q[to] = x->q[from];
    y->q_scale[to] = x->q_scale[from];
}

/* y at coordinates c <- x at base + the sum of c[d]*stride[d]. */
static void put_strided(onnx_constant *y, const onnx_constant *x, int64_t base, const int64_t *stride)
{
    for (size_t o = 0; o < y->count; o++) {
        int64_t at = base;
        for (size_t d = y->rank, left = o; d-- > 0; left /= y->dims[d]) at += (int64_t)(left % y->dims[d]) * stride[d];
        put(y, o, x, (size_t)at);
    }
}

static void strides_of(const onnx_constant *x, int64_t *stride)
{
    int64_t all = 1;
    for (size_t d = x->rank; d-- > 0; all *= (int64_t)x->dims[d]) stride[d] = all;
}

annulus_status onnx_fold_transpose(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x;
    onnx_constant *y;
    int64_t perm[ONNX_RANK_MAX], own[ONNX_RANK_MAX], stride[ONNX_RANK_MAX];
    size_t dims[ONNX_RANK_MAX];
    unsigned seen = 0;
    TRY(onnx_node_constant(g, node, 0, &x));
    for (size_t d = 0; d < x->rank; d++) perm[d] = (int64_t)(x->rank - 1 - d);
    TRY(onnx_node_ints(node, "perm", x->rank, perm));
    strides_of(x, own);
    for (size_t d = 0; d < x->rank; d++) {
        if (perm[d] < 0 || perm[d] >= (int64_t)x->rank || (seen >> perm[d] & 1) != 0)
            return onnx_node_fail(node, "its perm must name each axis once");
        seen |= 1u << perm[d];
        dims[d] = x->dims[perm[d]];
        stride[d] = own[perm[d]];
    }
    TRY(made_like(g, node, x, x->rank, dims, &y));
    put_strided(y, x, 0, stride);
    return ANNULUS_OK;
}

annulus_status onnx_fold_slice(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x;
    onnx_constant *y;
    int64_t first[ONNX_RANK_MAX], step[ONNX_RANK_MAX], stride[ONNX_RANK_MAX], base = 0;
    size_t count[ONNX_RANK_MAX];
    TRY(onnx_node_constant(g, node, 0, &x));
    TRY(onnx_slice_parse(g, node, 0, x->rank, x->dims, first, step, count));
    strides_of(x, stride);
    for (size_t d = 0; d < x->rank; d++) {
        base += first[d] * stride[d];
        stride[d] *= step[d];
    }
    TRY(made_like(g, node, x, x->rank, count, &y));
    put_strided(y, x, base, stride);
    return ANNULUS_OK;
}

/* Identity, Reshape, Flatten, Squeeze, Unsqueeze. */
annulus_status onnx_fold_reshape(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x;
    onnx_constant *y;
    size_t rank = 2, dims[ONNX_RANK_MAX] = {1, 1}, end = 0;
    int64_t axis;
    TRY(onnx_node_constant(g, node, 0, &x));
    if (node->op_type[0] == 'F') {
        TRY(onnx_node_int(node, "axis", 1, &axis));
        if (axis != (int64_t)x->rank) TRY(onnx_axis(node, axis, x->rank, &end));
        if (axis == (int64_t)x->rank) end = x->rank;
        for (size_t d = 0; d < x->rank; d++) dims[d >= end] *= x->dims[d];
    } else if (node->op_type[0] == 'I') {
        rank = x->rank;
        memcpy(dims, x->dims, sizeof dims);
    } else if (node->op_type[0] == 'R') {
        TRY(onnx_reshape_parse(g, node, x->rank, x->dims, &rank, dims));
    } else if (node->op_type[0] == 'S') {
        TRY(onnx_squeeze_parse(g, node, 0, x->rank, x->dims, &rank, dims));
    } else {
        TRY(onnx_unsqueeze_parse(g, node, 0, x->rank, x->dims, &rank, dims));
    }
    TRY(made_like(g, node, x, rank, dims, &y));
    for (size_t o = 0; o < y->count; o++) put(y, o, x, o);
    return ANNULUS_OK;
}

annulus_status onnx_fold_concat(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x, *part;
    onnx_constant *y, like = {0};
    int64_t at = 0;
    size_t axis = 0, inner = 1, first = 0;
    TRY(onnx_node_int(node, "axis", 1, &at)); /* missing only before opset 4 */
    TRY(onnx_node_constant(g, node, 0, &x));
    TRY(onnx_axis(node, at, x->rank, &axis));
    like = *x;
    like.dims[axis] = 0;
    for (size_t i = 0; i < node->n_input; i++) {
        TRY(onnx_node_constant(g, node, i, &part));
        int fits = part->rank == x->rank && (part->i == NULL) == (x->i == NULL);
        for (size_t d = 0; d < x->rank && fits; d++) fits = d == axis || part->dims[d] == x->dims[d];
        if (!fits || __builtin_add_overflow(like.dims[axis], part->dims[axis], &like.dims[axis]))
            return onnx_node_fail(node, "input %zu has another shape or type", i);
        if (part->q == NULL) like.q = NULL;
        if (part->q_bits > like.q_bits) like.q_bits = part->q_bits;
    }
    TRY(made_like(g, node, &like, x->rank, like.dims, &y));
    for (size_t d = axis + 1; d < x->rank; d++) inner *= x->dims[d];
    for (size_t i = 0; i < node->n_input; i++) {
        TRY(onnx_node_constant(g, node, i, &part));
        const size_t own = part->dims[axis] * inner;
        for (size_t o = 0; o < part->count; o++) put(y, (o / own * y->dims[axis] + first) * inner + o % own, part, o);
        first += part->dims[axis];
    }
    return ANNULUS_OK;
}

annulus_status onnx_fold_gather(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x, *k;
    onnx_constant *y;
    int64_t at = 0;
    size_t axis = 0, rank = 0, dims[2 * ONNX_RANK_MAX], inner = 1;
    TRY(onnx_node_int(node, "axis", 0, &at));
    TRY(onnx_node_constant(g, node, 0, &x));
    TRY(onnx_node_constant(g, node, 1, &k));
    TRY(onnx_axis(node, at, x->rank, &axis));
    if (k->i == NULL) return onnx_node_fail(node, "its indices must be integers");
    const int64_t size = (int64_t)x->dims[axis];
    for (size_t j = 0; j < k->count; j++)
        if (k->i[j] < -size || k->i[j] >= size)
            return onnx_node_fail(node, "index %lld of %lld values is not there", (long long)k->i[j], (long long)size);
    for (size_t d = 0; d < axis; d++) dims[rank++] = x->dims[d];
    for (size_t d = 0; d < k->rank; d++) dims[rank++] = k->dims[d];
    for (size_t d = axis + 1; d < x->rank; d++) inner *= dims[rank++] = x->dims[d];
    TRY(made_like(g, node, x, rank, dims, &y));
    for (size_t o = 0; o < y->count; o++) {
        const int64_t j = k->i[o / inner % k->count];
        put(y, o, x, (o / inner / k->count * x->dims[axis] + (size_t)(j < 0 ? j + size : j)) * inner + o % inner);
    }
    return ANNULUS_OK;
}

annulus_status onnx_fold_shape_of(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, const size_t *dims)
{
    int64_t start = 0, end = 0;
    TRY(onnx_node_int(node, "start", 0, &start));
    TRY(onnx_node_int(node, "end", INT64_MAX, &end));
    const int64_t all = (int64_t)rank, numbers[] = {start, end};
    size_t ends[2];
    for (size_t i = 0; i < 2; i++) {
        const int64_t v = numbers[i] < -all ? 0 : numbers[i] < 0 ? numbers[i] + all : numbers[i];
        ends[i] = (size_t)(v > all ? all : v);
    }
    if (ends[0] >= ends[1]) return onnx_node_fail(node, "it gives no number of the %zu dimensions", rank);
    const onnx_constant like = {.rank = 1, .dims = {ends[1] - ends[0]}, .count = ends[1] - ends[0]};
    onnx_constant *y;
    TRY(onnx_graph_add(g, node->output[0], &like, &y));
    TRY(onnx_constant_integers(g, y));
    for (size_t d = 0; d < y->count; d++) {
        y->i[d] = (int64_t)dims[ends[0] + d];
        y->f[d] = (float)y->i[d];
    }
    return ANNULUS_OK;
}

annulus_status onnx_fold_shape(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x;
    TRY(onnx_node_constant(g, node, 0, &x));
    return onnx_fold_shape_of(g, node, x->rank, x->dims);
}

annulus_status onnx_fold_cast(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x;
    onnx_constant *y;
    int64_t to = 0;
    TRY(onnx_node_constant(g, node, 0, &x));
    TRY(onnx_node_int(node, "to", 0, &to));
    const int whole = to == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 || to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    if (!whole && to != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT && to != ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE)
        return onnx_node_fail(node,
                              "a cast of a constant to type %lld is not supported: to FLOAT (1), INT32 (6), "
                              "INT64 (7) and DOUBLE (11) only",
                              (long long)to);
    const int narrow = to == ONNX__TENSOR_PROTO__DATA_TYPE__INT32;
    const double most = narrow ? 0x1p31 : 0x1p63;
    TRY(onnx_graph_add(g, node->output[0], x, &y));
    if (whole) TRY(onnx_constant_integers(g, y));
    for (size_t o = 0; o < x->count; o++) {
        const double v = whole ? trunc((double)x->f[o]) : (double)x->f[o];
        const int fits = x->i == NULL ? v >= -most && v < most : !narrow || x->i[o] == (int32_t)x->i[o];
        if (whole && !fits) return onnx_node_fail(node, "element %zu, %g, is no such integer", o, (double)x->f[o]);
        if (whole) y->i[o] = x->i != NULL ? x->i[o] : (int64_t)v;
        y->f[o] = (float)v;
    }
    return ANNULUS_OK;
}

annulus_status onnx_fold_filled(onnx_graph *g, const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, "value");
    const onnx_constant *k;
    size_t dims[ONNX_RANK_MAX];
    TRY(onnx_node_constant(g, node, 0, &k));
    if (k->i == NULL || k->count > ONNX_RANK_MAX)
        return onnx_node_fail(node, "its shape must be at most %d integers", ONNX_RANK_MAX);
    for (size_t d = 0; d < k->count; d++) {
        if (k->i[d] < 1) return onnx_node_fail(node, "dimension %zu is %lld", d, (long long)k->i[d]);
        dims[d] = (size_t)k->i[d];
    }
    if (a != NULL && a->t == NULL) return onnx_node_fail(node, "its value must be a tensor of one element");
    TRY(onnx_node_at(node, a == NULL ? onnx_graph_add_scalar(g, node->output[0], 0, NULL)
                                     : onnx_graph_add_tensor(g, node->output[0], a->t)));
    return onnx_graph_repeat(g, node, k->count, dims);
}
