/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and averages over axes. */
#include "onnx/onnx_tensor.h"

#include <stdio.h>
#include <string.h>

/* Axis d of a sample is added up. */
static int is_reduced(unsigned axes, size_t d)
{
    return (axes >> d & 1) != 0;
}

/* Row-major number in x of `index`, which counts along the axes of a sample that are reduced, or along the others. */
static size_t number_along(const onnx_tensor *x, unsigned axes, int reduced, size_t index)
{
    size_t at = 0, stride = 1;
    for (size_t d = x->rank; d-- > 0; stride *= x->dims[d]) {
        if (is_reduced(axes, d) != reduced) continue;
        at += index % x->dims[d] * stride;
        index /= x->dims[d];
    }
    return at;
}

static annulus_status sums_of(const onnx_tensor *x, unsigned axes, size_t taps, circuit_linear *out)
{
    TRY(linear_create(1, out));
    linear_block *b = &out->blocks[0];
    TRY(linear_block_create(1, taps, x->count / taps, b));
    for (size_t k = 0; k < taps; k++) b->W[k] = 1;
    for (size_t o = 0; o < b->places; o++) {
        const size_t first = number_along(x, axes, 0, o);
        for (size_t k = 0; k < taps; k++) b->from[o * taps + k] = (uint32_t)(first + number_along(x, axes, 1, k));
        b->to[o] = (uint32_t)o;
    }
    return ANNULUS_OK;
}

/* The axes of a sample that are reduced, a bit each. */
static annulus_status axes_of(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, unsigned *axes)
{
    int given;
    int64_t nothing = 0;
    TRY(onnx_node_int(node, "noop_with_empty_axes", 0, &nothing));
    TRY(onnx_node_axes(t->g, node, x->rank + 1, axes, &given));
    if ((*axes & 1) != 0 || (*axes == 0 && nothing == 0))
        return onnx_node_fail(node, "its axes must be named, without that of the batch");
    *axes >>= 1;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_reduce(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    const int mean = strcmp(node->op_type, "ReduceMean") == 0;
    unsigned axes;
    int64_t keep;
    size_t taps = 1, rank = 0, dims[ONNX_RANK_MAX], used;
    char name[32];
    circuit_linear outer = {0};
    TRY(axes_of(t, node, x, &axes));
    TRY(onnx_node_int(node, "keepdims", 1, &keep));
    used = (size_t)snprintf(name, sizeof name, "%s", mean ? "average" : "sum");
    for (size_t d = 0; d < x->rank; d++) {
        if (is_reduced(axes, d) && used < sizeof name)
            used += (size_t)snprintf(name + used, sizeof name - used, "%s%zu", taps == 1 ? " " : "x", x->dims[d]);
        if (is_reduced(axes, d)) taps *= x->dims[d];
        if (!is_reduced(axes, d) || keep != 0) dims[rank++] = is_reduced(axes, d) ? 1 : x->dims[d];
    }
    if (rank == 0) dims[rank++] = 1;
    annulus_status st = sums_of(x, axes, taps, &outer);
    if (st == ANNULUS_OK)
        st = onnx_tensor_apply(t, node, x, &outer, rank, dims, name, y);
    else
        linear_clear(&outer);
    for (size_t o = 0; st == ANNULUS_OK && mean && o < y->count; o++) {
        y->scale[o] /= (double)taps;
        y->bias[o] /= (double)taps;
    }
    return st;
}
