/* SPDX-License-Identifier: Apache-2.0 */
/* Products with weights, and averages of windows. */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Scale of the weights of each of `rows` outputs, `taps` each, that of output o at o*step; one a row. */
static annulus_status row_scales(const Onnx__NodeProto *node, const onnx_constant *w, size_t rows, size_t taps,
                                 size_t step, size_t next, double *scale)
{
    for (size_t o = 0; o < rows; o++) {
        scale[o] = (double)w->q_scale[o * step];
        for (size_t i = 0; i < taps; i++)
            if (w->q_scale[o * step + i * next] != w->q_scale[o * step])
                return onnx_node_fail(
                    node, "the weights of output %zu have several scales: one for each output is possible", o);
    }
    return ANNULUS_OK;
}

/* Input `at` of the node, x being the other one. */
static annulus_status weights_of(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, size_t at,
                                 const onnx_constant **w)
{
    if (onnx_tensor_find(t, node->input[1 - at]) != x)
        return onnx_node_fail(node, "the weights must be its second input");
    TRY(onnx_node_constant(t->g, node, at, w));
    if ((*w)->q == NULL)
        return onnx_node_fail(node, "the weights are not quantized: put a Quant node behind \"%.60s\"", (*w)->name);
    return ANNULUS_OK;
}

/* Values of y, `each` of a channel or neuron one behind the other, times its scale (channels); plus beta times the
 * third input, if there is one. */
static annulus_status scale_channels(onnx_net *t, const Onnx__NodeProto *node, const double *scale, double beta,
                                     size_t channels, size_t each, onnx_tensor *y)
{
    const onnx_constant *k = NULL;
    if (node->n_input > 2 && node->input[2][0] != 0) {
        TRY(onnx_node_constant(t->g, node, 2, &k));
        if (k->count != 1 && k->count != channels)
            return onnx_node_fail(node, "%zu biases for %zu outputs", k->count, channels);
    }
    for (size_t o = 0; o < y->count; o++) {
        const size_t c = o / each % channels;
        y->scale[o] *= scale[c];
        y->bias[o] = y->bias[o] * scale[c] + (k == NULL ? 0 : beta * (double)k->f[k->count == 1 ? 0 : c]);
    }
    return ANNULUS_OK;
}

/* W (out,in) at each of `places`, in values of it, `each` of which lie between two that it takes, and that it makes. */
static annulus_status repeated(const int32_t *W, size_t out, size_t in, size_t places, size_t each, circuit_linear *l)
{
    TRY(linear_create(1, l));
    linear_block *b = &l->blocks[0];
    TRY(linear_block_create(out, in, places, b));
    memcpy(b->W, W, out * in * sizeof *W);
    for (size_t p = 0; p < places; p++) {
        const size_t first = p / each, at = p % each;
        for (size_t i = 0; i < in; i++) b->from[p * in + i] = (uint32_t)((first * in + i) * each + at);
        for (size_t o = 0; o < out; o++) b->to[p * out + o] = (uint32_t)((first * out + o) * each + at);
    }
    return ANNULUS_OK;
}

/* Gemm and MatMul, of the last axis: weights (out,in), or (in,out) if not transposed; of a MatMul with weights (out,in)
 * in front, of the last axis but one. */
static annulus_status product(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_gemm *g,
                              onnx_tensor *y)
{
    const onnx_constant *w;
    circuit_linear outer = {0};
    const int left = node->op_type[0] == 'M' && onnx_tensor_find(t, node->input[0]) == NULL;
    const int transposed = g->transposed || left, sign = (g->alpha > 0) - (g->alpha < 0);
    if (left && x->rank == 1)
        return onnx_node_fail(node, "weights in front of one axis add up samples: they must be its second input");
    const size_t axis = x->rank - 1 - (size_t)left, in = x->dims[axis], places = x->count / in;
    const size_t each = left ? x->dims[x->rank - 1] : 1;
    size_t dims[ONNX_RANK_MAX];
    void *p;
    TRY(weights_of(t, node, x, left ? 0 : 1, &w));
    if (x->rank != 1 && node->op_type[0] == 'G')
        return onnx_node_fail(node, "its input has %zu dimensions: flatten it first", x->rank);
    if (w->rank != 2 || w->dims[transposed ? 1 : 0] != in)
        return onnx_node_fail(node, "weights of %zu dimensions do not fit %zu features", w->rank, in);
    const size_t out = w->count / in;
    if (places > 65536 / out) return onnx_node_fail(node, "it makes more than 65536 values");
    TRY(mem_create(out, sizeof(double) + in * sizeof(int32_t), "weights", &p));
    double *scale = p;
    int32_t *W = (int32_t *)(void *)(scale + out);
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++) W[o * in + i] = sign * w->q[transposed ? o * in + i : i * out + o];
    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = out;
    annulus_status st = row_scales(node, w, out, in, transposed ? in : 1, transposed ? 1 : out, scale);
    for (size_t o = 0; sign != 0 && o < out; o++) scale[o] *= fabs(g->alpha);
    if (st == ANNULUS_OK) st = repeated(W, out, in, places, each, &outer);
    if (st == ANNULUS_OK) st = onnx_tensor_apply(t, node, x, &outer, x->rank, dims, "dense", y);
    if (st == ANNULUS_OK) st = scale_channels(t, node, scale, g->beta, out, each, y);
    linear_clear(&outer);
    mem_free(p);
    return st;
}

annulus_status onnx_tensor_gemm(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    onnx_gemm g = {.alpha = 1, .beta = 1};
    const onnx_tensor *other = onnx_tensor_find(t, node->input[1]);
    if (other != NULL && onnx_tensor_find(t, node->input[0]) == x && node->op_type[0] == 'M')
        return onnx_tensor_matmul(t, node, x, other, y);
    if (node->op_type[0] == 'G') TRY(onnx_gemm_parse(node, &g));
    return product(t, node, x, &g, y);
}

#define LARGEST 65536

/* Numbers of an attribute for each of `rank` dimensions, `first` behind the ones of a missing first dimension. */
static annulus_status sizes(const Onnx__NodeProto *node, const char *name, size_t rank, int64_t least, size_t out[2])
{
    int64_t v[2] = {1, 1};
    TRY(onnx_node_ints(node, name, rank, v));
    out[0] = 1;
    for (size_t d = 0; d < rank; d++) {
        if (v[d] < least || v[d] > LARGEST)
            return onnx_node_fail(node, "attribute %s has %lld, %lld to %d are possible", name, (long long)v[d],
                                  (long long)least, LARGEST);
        out[2 - rank + d] = (size_t)v[d];
    }
    return ANNULUS_OK;
}

/* Padding by auto_pad SAME: as many windows as values over the stride. */
static void same_padding(gather_windows *g, int upper)
{
    for (size_t d = 0; d < 2; d++) {
        const size_t count = (g->size[d] + g->stride[d] - 1) / g->stride[d];
        const size_t reach = (count - 1) * g->stride[d] + g->dilation[d] * (g->kernel[d] - 1) + 1;
        const size_t all = reach > g->size[d] ? reach - g->size[d] : 0;
        g->pad[d] = upper ? all / 2 : all - all / 2;
        g->pad[d + 2] = all - g->pad[d];
    }
}

/* Windows over x (channels, one or two dimensions); the kernel is known. */
static annulus_status windows_of(const Onnx__NodeProto *node, const onnx_tensor *x, gather_windows *g)
{
    const size_t rank = x->rank - 1;
    int64_t pads[4] = {0};
    char mode[16] = "NOTSET";
    g->channels = x->dims[0];
    g->size[0] = rank == 2 ? x->dims[1] : 1;
    g->size[1] = x->dims[rank];
    TRY(sizes(node, "strides", rank, 1, g->stride));
    TRY(sizes(node, "dilations", rank, 1, g->dilation));
    TRY(onnx_node_ints(node, "pads", 2 * rank, pads));
    TRY(onnx_node_text(node, "auto_pad", mode, sizeof mode));
    const int same = strncmp(mode, "SAME_", 5) == 0;
    if (!same && strcmp(mode, "NOTSET") != 0 && strcmp(mode, "VALID") != 0)
        return onnx_node_fail(node, "auto_pad \"%s\" is not supported", mode);
    for (size_t i = 0; i < 2 * rank; i++)
        if (pads[i] < 0 || pads[i] > LARGEST)
            return onnx_node_fail(node, "a padding of %lld is not supported", (long long)pads[i]);
    for (size_t d = 0; d < rank && strcmp(mode, "NOTSET") == 0; d++) {
        g->pad[2 - rank + d] = (size_t)pads[d];
        g->pad[4 - rank + d] = (size_t)pads[rank + d];
    }
    if (same) same_padding(g, strcmp(mode, "SAME_UPPER") == 0);
    return ANNULUS_OK;
}

/* Shape of what windows make. */
static annulus_status windows_shape(const Onnx__NodeProto *node, const onnx_tensor *x, const gather_windows *g,
                                    size_t channels, size_t dims[3])
{
    size_t count[2];
    TRY(onnx_node_at(node, gather_count(g, count)));
    dims[0] = channels;
    dims[1] = x->rank == 3 ? count[0] : count[1];
    dims[2] = count[1];
    return ANNULUS_OK;
}

static void windows_name(const onnx_tensor *x, const char *what, const gather_windows *g, char *out, size_t size)
{
    gather_name(g, what, x->rank != 3, out, size);
}

static annulus_status spatial_check(const Onnx__NodeProto *node, const onnx_tensor *x)
{
    if (x->rank == 2 || x->rank == 3) return ANNULUS_OK;
    return onnx_node_fail(node, "its input has %zu dimensions: channels and one or two more are supported", x->rank);
}

annulus_status onnx_tensor_conv(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    const onnx_constant *w;
    int64_t group;
    size_t dims[3], kernel[2] = {1, 1};
    gather_windows g = {.channels = 0};
    circuit_linear outer = {0};
    char name[64];
    void *p;
    TRY(spatial_check(node, x));
    TRY(weights_of(t, node, x, 1, &w));
    TRY(onnx_node_int(node, "group", 1, &group));
    if (group < 1 || (uint64_t)group > x->dims[0] || x->dims[0] % (size_t)group != 0 || w->rank != x->rank + 1 ||
        w->dims[1] != x->dims[0] / (size_t)group || w->dims[0] % (size_t)group != 0)
        return onnx_node_fail(node, "its weights do not fit %zu channels in %lld groups", x->dims[0], (long long)group);
    g.kernel[0] = x->rank == 3 ? w->dims[2] : 1;
    g.kernel[1] = w->dims[w->rank - 1];
    kernel[0] = g.kernel[2 - (x->rank - 1)];
    kernel[1] = g.kernel[1];
    int64_t given[2] = {(int64_t)kernel[0], (int64_t)kernel[1]};
    TRY(onnx_node_ints(node, "kernel_shape", x->rank - 1, given));
    if (given[0] != (int64_t)kernel[0] || (x->rank == 3 && given[1] != (int64_t)kernel[1]))
        return onnx_node_fail(node, "its kernel_shape is not that of its weights");
    TRY(windows_of(node, x, &g));
    TRY(windows_shape(node, x, &g, w->dims[0], dims));
    TRY(mem_create(w->dims[0], sizeof(double), "weights", &p));
    windows_name(x, "conv", &g, name, sizeof name);
    const size_t taps = w->count / w->dims[0];
    annulus_status st = row_scales(node, w, w->dims[0], taps, taps, 1, p);
    if (st == ANNULUS_OK) st = onnx_node_at(node, gather_convolution(&g, w->q, w->dims[0], (size_t)group, &outer));
    if (st == ANNULUS_OK) st = onnx_tensor_apply(t, node, x, &outer, x->rank, dims, name, y);
    if (st == ANNULUS_OK) st = scale_channels(t, node, p, 1, dims[0], y->count / dims[0], y);
    linear_clear(&outer);
    mem_free(p);
    return st;
}

/* Values that window `at` of dimension d has: of `within`, padding before included. */
static size_t reached(const gather_windows *g, size_t d, size_t at, size_t within)
{
    size_t count = 0;
    for (size_t k = 0; k < g->kernel[d]; k++) count += at * g->stride[d] + k * g->dilation[d] < within;
    return count;
}

/* Values over the number of those that the window of each has: those that are no padding, or all but for what ceil_mode
 * adds behind. */
static void divide(const gather_windows *g, const circuit_linear *sums, int all, const size_t more[2], onnx_tensor *y)
{
    const linear_block *b = &sums->blocks[0];
    size_t windows[2], within[2];
    for (size_t d = 0; d < 2; d++) {
        within[d] = g->size[d] + g->pad[d] + g->pad[d + 2];
        windows[d] = (within[d] - g->dilation[d] * (g->kernel[d] - 1) - 1) / g->stride[d] + 1;
        within[d] -= more[d];
    }
    for (size_t o = 0; o < b->places; o++) {
        size_t count =
            all ? reached(g, 0, o / windows[1] % windows[0], within[0]) * reached(g, 1, o % windows[1], within[1]) : 0;
        for (size_t k = 0; k < b->taps && !all; k++) count += b->from[o * b->taps + k] != LINEAR_NOTHING;
        if (count == 0) continue;
        y->scale[o] /= (double)count;
        y->bias[o] /= (double)count;
    }
}

/* A ReduceMax over all dimensions but the batch and the channels; *flat: without them. */
static annulus_status reduction_check(onnx_graph *g, const Onnx__NodeProto *node, const onnx_tensor *x, int *flat)
{
    unsigned axes;
    int given;
    int64_t keep;
    TRY(onnx_node_axes(g, node, x->rank + 1, &axes, &given));
    TRY(onnx_node_int(node, "keepdims", 1, &keep));
    if (axes != (1u << (x->rank + 1)) - 4)
        return onnx_node_fail(node, "its axes must be all but those of the batch and the channels");
    *flat = keep == 0;
    return ANNULUS_OK;
}

/* Padding behind, so that windows that begin inside reach all values. */
static void round_up(gather_windows *g, size_t more[2])
{
    for (size_t d = 0; d < 2; d++) {
        const size_t reach = g->dilation[d] * (g->kernel[d] - 1) + 1, room = g->size[d] + g->pad[d] + g->pad[d + 2];
        if (reach > room) continue;
        const size_t left = (room - reach) % g->stride[d], last = room - reach - left + g->stride[d];
        if (left != 0 && last < g->size[d] + g->pad[d]) more[d] = g->stride[d] - left;
        g->pad[d + 2] += more[d];
    }
}

annulus_status onnx_tensor_windows(const onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x,
                                   gather_windows *g, size_t dims[3], int *flat, size_t more[2])
{
    const int reduced = node->op_type[0] == 'R', global = reduced || node->op_type[0] == 'G';
    int64_t ceil_mode = 0;
    *flat = 0;
    more[0] = more[1] = 0;
    *g = (gather_windows){.stride = {1, 1}, .dilation = {1, 1}};
    TRY(spatial_check(node, x));
    if (reduced) TRY(reduction_check(t->g, node, x, flat));
    if (global) {
        g->channels = x->dims[0];
        g->size[0] = g->kernel[0] = x->rank == 3 ? x->dims[1] : 1;
        g->size[1] = g->kernel[1] = x->dims[x->rank - 1];
    } else {
        TRY(onnx_node_int(node, "ceil_mode", 0, &ceil_mode));
        TRY(sizes(node, "kernel_shape", x->rank - 1, 1, g->kernel));
        TRY(windows_of(node, x, g));
        if (ceil_mode != 0) round_up(g, more);
    }
    return windows_shape(node, x, g, x->dims[0], dims);
}

annulus_status onnx_tensor_average(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    int flat = 0;
    int64_t all = 0;
    size_t dims[3], more[2];
    gather_windows g;
    circuit_linear sums = {0}, outer = {0};
    char name[64];
    TRY(onnx_node_int(node, "count_include_pad", 0, &all));
    TRY(onnx_tensor_windows(t, node, x, &g, dims, &flat, more));
    windows_name(x, "average", &g, name, sizeof name);
    annulus_status st = onnx_node_at(node, gather_sums(&g, &sums));
    if (st == ANNULUS_OK) st = linear_copy(&sums, &outer);
    if (st == ANNULUS_OK) st = onnx_tensor_apply(t, node, x, &outer, x->rank, dims, name, y);
    if (st == ANNULUS_OK) divide(&g, &sums, all != 0, more, y);
    linear_clear(&sums);
    linear_clear(&outer);
    return st;
}
