/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes that choose and order values. */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static annulus_status numbers_create(size_t count, uint32_t **out)
{
    void *p;
    TRY(mem_create(count, sizeof(uint32_t), "values", &p));
    *out = p;
    return ANNULUS_OK;
}

/* An axis of the model, batch included, as one of a sample. */
static annulus_status axis_of(const Onnx__NodeProto *node, const onnx_tensor *x, int64_t axis, size_t *out)
{
    const int64_t rank = (int64_t)x->rank + 1, from = axis < 0 ? axis + rank : axis;
    if (from < 1 || from >= rank)
        return onnx_node_fail(node, "axis %lld is that of the batch, or not there", (long long)axis);
    *out = (size_t)from - 1;
    return ANNULUS_OK;
}

/* Dimensions of x as the model has them: dims (x->rank + 1), the batch, 1, first. */
static void model_dims(const onnx_tensor *x, size_t dims[ONNX_RANK_MAX + 1])
{
    dims[0] = 1;
    memcpy(dims + 1, x->dims, x->rank * sizeof *dims);
}

/* Those of a sample, of a model's; at least one. */
static annulus_status sample_dims(const Onnx__NodeProto *node, size_t rank, const size_t *dims, size_t *to_rank,
                                  size_t to[ONNX_RANK_MAX])
{
    if (rank == 0 || dims[0] != 1) return onnx_node_fail(node, "a reshape must keep the batch, which stays first");
    to[0] = 1;
    memcpy(to, dims + 1, (rank - 1) * sizeof *dims);
    *to_rank = rank == 1 ? 1 : rank - 1;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_reshape(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    size_t rank = 2, own[ONNX_RANK_MAX + 1], dims[ONNX_RANK_MAX] = {1, x->count};
    int64_t axis;
    model_dims(x, own);
    if (node->op_type[0] == 'F') {
        TRY(onnx_node_int(node, "axis", 1, &axis));
        if (axis != 1) return onnx_node_fail(node, "axis is %lld: only 1 is supported", (long long)axis);
    } else if (node->op_type[0] == 'I') { /* Identity */
        rank = x->rank + 1;
        memcpy(dims, own, sizeof dims);
    } else if (node->op_type[0] == 'S') {
        TRY(onnx_squeeze_parse(t->g, node, 1, x->rank + 1, own, &rank, dims));
    } else if (node->op_type[0] == 'R') {
        TRY(onnx_reshape_parse(t->g, node, x->rank + 1, own, &rank, dims));
    } else {
        TRY(onnx_unsqueeze_parse(t->g, node, 1, x->rank + 1, own, &rank, dims));
    }
    TRY(onnx_tensor_copy(t, x, y));
    return sample_dims(node, rank, dims, &y->rank, y->dims);
}

/* Number of the value of x behind each of y, axis d of which is axis perm[d] of x. */
static void permute(const onnx_tensor *x, const size_t *perm, const size_t *dims, uint32_t *from)
{
    size_t stride[ONNX_RANK_MAX], all = 1;
    for (size_t d = x->rank; d-- > 0; all *= x->dims[d]) stride[d] = all;
    for (size_t o = 0; o < x->count; o++) {
        size_t left = o, at = 0;
        for (size_t d = x->rank; d-- > 0; left /= dims[d]) at += left % dims[d] * stride[perm[d]];
        from[o] = (uint32_t)at;
    }
}

annulus_status onnx_tensor_transpose(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    int64_t perm[ONNX_RANK_MAX + 1];
    size_t of[ONNX_RANK_MAX], dims[ONNX_RANK_MAX];
    unsigned seen = 0;
    uint32_t *from;
    for (size_t d = 0; d <= x->rank; d++) perm[d] = (int64_t)(x->rank - d);
    TRY(onnx_node_ints(node, "perm", x->rank + 1, perm));
    for (size_t d = 1; d <= x->rank; d++) {
        if (perm[0] != 0 || perm[d] < 1 || perm[d] > (int64_t)x->rank || (seen >> perm[d] & 1) != 0)
            return onnx_node_fail(node, "its perm must keep the batch first, and each axis once");
        seen |= 1u << perm[d];
        of[d - 1] = (size_t)perm[d] - 1;
        dims[d - 1] = x->dims[of[d - 1]];
    }
    TRY(numbers_create(x->count, &from));
    permute(x, of, dims, from);
    const annulus_status st = onnx_tensor_choose(t, node, x, from, x->rank, dims, y);
    mem_free(from);
    return st;
}

typedef enum beyond { NOTHING_THERE, EDGE, REFLECTION } beyond; /* what stands beyond the ends of an axis */

/* Value of an axis of `size` that stands at i; -1: none. */
static int64_t value_at(int64_t i, int64_t size, beyond ends)
{
    const int64_t period = size == 1 ? 1 : 2 * (size - 1);
    if (i >= 0 && i < size) return i;
    if (ends == NOTHING_THERE) return -1;
    if (ends == EDGE) return i < 0 ? 0 : size - 1;
    i = (i % period + period) % period;
    return i < size ? i : period - i;
}

/* Values first[d] + i*step[d] of axis d. */
static annulus_status window(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const int64_t *first,
                             const int64_t *step, const size_t *dims, beyond ends, double padding, onnx_tensor *y)
{
    size_t count = 1;
    uint32_t *from;
    for (size_t d = 0; d < x->rank; d++) {
        if (dims[d] == 0 || dims[d] > 65536 || (count *= dims[d]) > 65536)
            return onnx_node_fail(node, "it leaves no value, or more than 65536");
    }
    TRY(numbers_create(count, &from));
    for (size_t o = 0; o < count; o++) {
        size_t left = o, stride = 1, at = 0;
        int inside = 1;
        for (size_t d = x->rank; d-- > 0; left /= dims[d]) {
            const int64_t i = value_at(first[d] + (int64_t)(left % dims[d]) * step[d], (int64_t)x->dims[d], ends);
            inside &= i >= 0;
            at += inside ? (size_t)i * stride : 0;
            stride *= x->dims[d];
        }
        from[o] = inside ? (uint32_t)at : LINEAR_NOTHING;
    }
    const annulus_status st = onnx_tensor_choose(t, node, x, from, x->rank, dims, y);
    for (size_t o = 0; st == ANNULUS_OK && o < count && padding != 0; o++) {
        y->stage = ONNX_LINEAR;
        if (from[o] == LINEAR_NOTHING) y->bias[o] = padding;
    }
    mem_free(from);
    return st;
}

static annulus_status padding_mode(const Onnx__NodeProto *node, beyond *ends)
{
    char mode[16] = "constant";
    TRY(onnx_node_text(node, "mode", mode, sizeof mode));
    *ends = strcmp(mode, "edge") == 0 ? EDGE : strcmp(mode, "reflect") == 0 ? REFLECTION : NOTHING_THERE;
    if (*ends != NOTHING_THERE || strcmp(mode, "constant") == 0) return ANNULUS_OK;
    return onnx_node_fail(node, "mode \"%s\" is not supported: constant, edge and reflect are", mode);
}

/* What is padded before and behind axis d of the model, or of axes that input 3 names. */
static annulus_status paddings(onnx_net *t, const Onnx__NodeProto *node, size_t rank, int64_t *before, int64_t *behind)
{
    const onnx_constant *k, *axes = NULL;
    TRY(onnx_node_constant(t->g, node, 1, &k));
    if (node->n_input > 3 && node->input[3][0] != 0) TRY(onnx_node_constant(t->g, node, 3, &axes));
    const size_t count = axes == NULL ? rank : axes->count;
    if (k->i == NULL || k->count != 2 * count || (axes != NULL && axes->i == NULL))
        return onnx_node_fail(node, "its pads must be %zu integers, two for each axis", 2 * count);
    for (size_t i = 0; i < count; i++) {
        size_t d = i;
        if (axes != NULL) TRY(onnx_axis(node, axes->i[i], rank, &d));
        before[d] = k->i[i];
        behind[d] = k->i[count + i];
        if (before[d] < -65536 || behind[d] < -65536 || before[d] > 65536 || behind[d] > 65536)
            return onnx_node_fail(node, "a padding of %lld and %lld is not supported", (long long)before[d],
                                  (long long)behind[d]);
    }
    if (before[0] == 0 && behind[0] == 0) return ANNULUS_OK;
    return onnx_node_fail(node, "the pads of the batch must be 0");
}

annulus_status onnx_tensor_pad(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    const onnx_constant *value = NULL;
    beyond ends;
    size_t dims[ONNX_RANK_MAX];
    int64_t before[ONNX_RANK_MAX + 1] = {0}, behind[ONNX_RANK_MAX + 1] = {0}, step[ONNX_RANK_MAX];
    TRY(padding_mode(node, &ends));
    TRY(paddings(t, node, x->rank + 1, before, behind));
    if (node->n_input > 2 && node->input[2][0] != 0) TRY(onnx_node_constant(t->g, node, 2, &value));
    if (value != NULL && value->count != 1) return onnx_node_fail(node, "one number can be padded");
    for (size_t d = 0; d < x->rank; d++) {
        const int64_t size = (int64_t)x->dims[d] + before[d + 1] + behind[d + 1];
        before[d + 1] = -before[d + 1];
        step[d] = 1;
        dims[d] = size < 0 ? 0 : (size_t)size;
    }
    return window(t, node, x, before + 1, step, dims, ends, value == NULL ? 0 : (double)value->f[0], y);
}

annulus_status onnx_tensor_slice(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    size_t own[ONNX_RANK_MAX + 1], count[ONNX_RANK_MAX + 1];
    int64_t first[ONNX_RANK_MAX + 1], step[ONNX_RANK_MAX + 1];
    model_dims(x, own);
    TRY(onnx_slice_parse(t->g, node, 1, x->rank + 1, own, first, step, count));
    return window(t, node, x, first + 1, step + 1, count + 1, NOTHING_THERE, 0, y);
}

/* Outputs of part x of y, which begins at `first` of axis `axis`. */
static void place_part(const onnx_tensor *y, const onnx_tensor *x, size_t axis, size_t first, uint32_t *map)
{
    size_t inner = 1;
    for (size_t d = axis + 1; d < x->rank; d++) inner *= x->dims[d];
    for (size_t o = 0; o < x->count; o++) {
        const size_t at = o / inner % x->dims[axis], outer = o / inner / x->dims[axis];
        map[o] = (uint32_t)((outer * y->dims[axis] + first + at) * inner + o % inner);
    }
}

/* Adds x, a copy that is used up, as the part of y from `first` on. */
static annulus_status join_part(const onnx_net *t, onnx_tensor *y, onnx_tensor *x, size_t axis, size_t first)
{
    circuit_linear both = {0};
    uint32_t *map;
    TRY(onnx_tensor_join_sources(t, y, x));
    TRY(numbers_create(x->count, &map));
    place_part(y, x, axis, first, map);
    gather_rename_outputs(&x->linear, map);
    for (size_t o = 0; o < x->count; o++) {
        y->scale[map[o]] = x->scale[o];
        y->bias[map[o]] = x->bias[o];
        y->lo[map[o]] = x->lo[o];
        y->hi[map[o]] = x->hi[o];
    }
    mem_free(map);
    TRY(gather_join(&y->linear, &x->linear, &both));
    y->linear = both;
    y->bounded |= x->bounded;
    if (x->stage == ONNX_LINEAR) y->stage = ONNX_LINEAR;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_stack(const onnx_net *t, onnx_tensor *parts, size_t count, onnx_tensor *y)
{
    size_t all = 0, first = 0;
    for (size_t i = 0; i < count; i++) all += parts[i].count;
    y->stage = ONNX_QUANTIZED;
    TRY(onnx_tensor_create(y, 1, &all));
    for (size_t i = 0; i < count; i++) {
        parts[i].rank = 1;
        parts[i].dims[0] = parts[i].count;
        TRY(join_part(t, y, &parts[i], 0, first));
        first += parts[i].count;
    }
    return ANNULUS_OK;
}

/* The tensor that input i names fits y along all other axes. */
static annulus_status part_find(const onnx_net *t, const Onnx__NodeProto *node, size_t i, size_t axis,
                                const onnx_tensor *y, const onnx_tensor **out)
{
    const onnx_tensor *x = onnx_tensor_find(t, node->input[i]);
    if (x == NULL) return onnx_node_fail(node, "input %zu is a constant, which cannot be concatenated", i);
    if (x->stage != ONNX_QUANTIZED && x->stage != ONNX_LINEAR)
        return onnx_node_fail(node, "input %zu is not quantized: put a Quant node in front of it", i);
    int fits = x->rank == y->rank;
    for (size_t d = 0; d < x->rank && fits; d++) fits = d == axis || x->dims[d] == y->dims[d];
    if (!fits) return onnx_node_fail(node, "input %zu has another shape", i);
    *out = x;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_concat(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    int64_t at = 1;
    size_t axis = 0, first = 0;
    TRY(onnx_node_int(node, "axis", 1, &at));
    TRY(axis_of(node, x, at, &axis));
    onnx_tensor made = {.name = y->name, .stage = ONNX_QUANTIZED, .rank = x->rank, .count = 1};
    memcpy(made.dims, x->dims, sizeof made.dims);
    made.dims[axis] = 0;
    for (size_t i = 0; i < node->n_input; i++) {
        const onnx_tensor *part = NULL;
        TRY(part_find(t, node, i, axis, x, &part));
        made.dims[axis] += part->dims[axis];
    }
    for (size_t d = 0; d < made.rank; d++)
        if ((made.count *= made.dims[d]) > 65536) return onnx_node_fail(node, "more than 65536 values a sample");
    annulus_status st = onnx_tensor_create(&made, made.rank, made.dims);
    for (size_t i = 0; st == ANNULUS_OK && i < node->n_input; i++) {
        const onnx_tensor *part = onnx_tensor_find(t, node->input[i]);
        onnx_tensor copy = {.name = y->name};
        st = onnx_tensor_copy(t, part, &copy);
        if (st == ANNULUS_OK) st = join_part(t, &made, &copy, axis, first);
        onnx_tensor_clear(&copy);
        first += part->dims[axis];
    }
    onnx_tensor_name(&made, "concat");
    *y = made;
    return st;
}
