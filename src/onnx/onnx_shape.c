/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes, axes and slices that nodes name, of constants and of tensors alike. */
#include "onnx/onnx_priv.h"

#include <string.h>

annulus_status onnx_axis(const Onnx__NodeProto *node, int64_t axis, size_t rank, size_t *out)
{
    const int64_t all = (int64_t)rank, from = axis < 0 && axis >= -all ? axis + all : axis;
    if (from < 0 || from >= all)
        return onnx_node_fail(node, "axis %lld of %zu dimensions is not there", (long long)axis, rank);
    *out = (size_t)from;
    return ANNULUS_OK;
}

annulus_status onnx_node_axes(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, unsigned *mask, int *given)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, "axes");
    const onnx_constant *k = NULL;
    if (node->n_input > 1 && node->input[1][0] != 0) TRY(onnx_node_constant(g, node, 1, &k));
    if (k != NULL && k->i == NULL) return onnx_node_fail(node, "its axes must be integers");
    const size_t count = k != NULL ? k->count : a != NULL ? a->n_ints : 0;
    *given = k != NULL || a != NULL;
    *mask = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t axis = k != NULL ? k->i[i] : a->ints[i];
        size_t d = 0;
        TRY(onnx_axis(node, axis, rank, &d));
        if ((*mask >> d & 1) != 0) return onnx_node_fail(node, "axis %lld is named twice", (long long)axis);
        *mask |= 1u << d;
    }
    return ANNULUS_OK;
}

static annulus_status shape_fail(const Onnx__NodeProto *node, size_t count)
{
    return onnx_node_fail(node, "a reshape of %zu values must keep them: at most %d dimensions, of which one may be -1",
                          count, ONNX_RANK_MAX);
}

annulus_status onnx_reshape_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t rank, const size_t *dims,
                                  size_t *to_rank, size_t to[ONNX_RANK_MAX])
{
    const onnx_constant *k;
    size_t count = 1, known = 1, open = ONNX_RANK_MAX;
    TRY(onnx_node_constant(g, node, 1, &k));
    for (size_t d = 0; d < rank; d++) count *= dims[d];
    if (k->i == NULL || k->count > ONNX_RANK_MAX) return shape_fail(node, count);
    for (size_t d = 0; d < k->count; d++) {
        const int64_t v = k->i[d];
        if (v < -1 || (v == 0 && d >= rank) || (v == -1 && open != ONNX_RANK_MAX)) return shape_fail(node, count);
        to[d] = v == 0 ? dims[d] : v == -1 ? 1 : (size_t)v;
        if (v == -1) open = d;
        if (to[d] > count / known) return shape_fail(node, count);
        known *= to[d];
    }
    if (open == ONNX_RANK_MAX ? known != count : count % known != 0) return shape_fail(node, count);
    if (open != ONNX_RANK_MAX) to[open] = count / known;
    *to_rank = k->count;
    return ANNULUS_OK;
}

annulus_status onnx_squeeze_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t kept, size_t rank,
                                  const size_t *dims, size_t *to_rank, size_t to[ONNX_RANK_MAX])
{
    unsigned mask;
    int given;
    TRY(onnx_node_axes(g, node, rank, &mask, &given));
    for (size_t d = 0; d < rank && !given; d++) mask |= (unsigned)(d >= kept && dims[d] == 1) << d;
    *to_rank = 0;
    for (size_t d = 0; d < rank; d++) {
        const int drop = (mask >> d & 1) != 0;
        if (drop && (d < kept || dims[d] != 1))
            return onnx_node_fail(node, "axis %zu is that of the batch, or not of size 1", d);
        if (!drop) to[(*to_rank)++] = dims[d];
    }
    return ANNULUS_OK;
}

annulus_status onnx_unsqueeze_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t kept, size_t rank,
                                    const size_t *dims, size_t *to_rank, size_t to[ONNX_RANK_MAX])
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, "axes");
    const onnx_constant *k = NULL;
    unsigned mask;
    int given;
    if (node->n_input > 1 && node->input[1][0] != 0) TRY(onnx_node_constant(g, node, 1, &k));
    const size_t more = k != NULL ? k->count : a != NULL ? a->n_ints : 0;
    if (more == 0 || more > ONNX_RANK_MAX || rank + more > ONNX_RANK_MAX)
        return onnx_node_fail(node, "%zu more axes than %zu: 1 to %zu are possible", more, rank, ONNX_RANK_MAX - rank);
    TRY(onnx_node_axes(g, node, rank + more, &mask, &given));
    *to_rank = rank + more;
    for (size_t d = 0; d < *to_rank; d++) {
        const int made = (mask >> d & 1) != 0;
        if (made && d < kept) return onnx_node_fail(node, "axis %zu is that of the batch, which must stay first", d);
        to[d] = made ? 1 : *dims++;
    }
    return ANNULUS_OK;
}

/* One axis: numpy's start and stop, of values 0 to size - 1. */
static size_t slice_axis(int64_t size, int64_t *first, int64_t end, int64_t step)
{
    const int64_t least = step < 0 ? -1 : 0, most = step < 0 ? size - 1 : size;
    *first = *first < -size ? least : *first < 0 ? *first + size : *first > most ? most : *first;
    end = end < -size ? least : end < 0 ? end + size : end > most ? most : end;
    if (step > 0) return end > *first ? (size_t)((end - *first - 1) / step + 1) : 0;
    return *first > end ? (size_t)((*first - end - 1) / -step + 1) : 0;
}

annulus_status onnx_slice_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t kept, size_t rank,
                                const size_t *dims, int64_t *first, int64_t *step, size_t *count)
{
    const onnx_constant *k[4] = {NULL}; /* starts, ends, axes, steps */
    unsigned seen = 0;
    for (size_t i = 0; i < 4 && i + 1 < node->n_input; i++) {
        if (node->input[i + 1][0] == 0) continue;
        TRY(onnx_node_constant(g, node, i + 1, &k[i]));
        if (k[i]->i == NULL || k[0] == NULL || k[i]->count != k[0]->count)
            return onnx_node_fail(node, "its starts, ends, axes and steps must be as many integers");
    }
    if (k[0] == NULL || k[1] == NULL) return onnx_node_fail(node, "its starts and ends must be constants");
    for (size_t d = 0; d < rank; d++) first[d] = 0, step[d] = 1, count[d] = dims[d];
    for (size_t i = 0; i < k[0]->count; i++) {
        size_t d = 0;
        TRY(onnx_axis(node, k[2] == NULL ? (int64_t)i : k[2]->i[i], rank, &d));
        if (d < kept) return onnx_node_fail(node, "axis %zu is that of the batch", d);
        if ((seen >> d & 1) != 0) return onnx_node_fail(node, "axis %zu is named twice", d);
        seen |= 1u << d;
        const int64_t size = (int64_t)dims[d], by = k[3] == NULL ? 1 : k[3]->i[i];
        if (by == 0) return onnx_node_fail(node, "a step of 0 is not possible");
        step[d] = by > size ? size : by < -size ? -size : by; /* beyond them, one value is left, or none */
        first[d] = k[0]->i[i];
        count[d] = slice_axis(size, &first[d], k[1]->i[i], step[d]);
        if (count[d] == 0) return onnx_node_fail(node, "it leaves no value of axis %zu", d);
    }
    return ANNULUS_OK;
}
