/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups whose every accumulator counts: of values on a grid. */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OFF_GRID 1e-3 /* grid steps: constants and scales are single precision */

double onnx_tensor_least(const onnx_tensor *x, size_t o)
{
    return x->scale[o] * x->lo[o] + x->bias[o];
}

double onnx_tensor_most(const onnx_tensor *x, size_t o)
{
    return x->scale[o] * x->hi[o] + x->bias[o];
}

void onnx_tensor_bound(onnx_tensor *x, size_t o, double least, double most)
{
    x->lo[o] = (least - x->bias[o]) / x->scale[o];
    x->hi[o] = (most - x->bias[o]) / x->scale[o];
    x->bounded = 1;
}

/* The largest number that all weights, times the factors (in) of their inputs, are multiples of; 1 without weights. */
static int64_t common_weight(const onnx_tensor *x, const int32_t *factor)
{
    int64_t common = 0;
    for (size_t k = 0; k < x->linear.blocks_count; k++) {
        const linear_block *b = &x->linear.blocks[k];
        for (size_t i = 0; i < b->places * b->taps && common != 1; i++)
            for (size_t r = 0; b->from[i] != LINEAR_NOTHING && r < b->rows; r++)
                common = common_divisor((int64_t)labs(b->W[r * b->taps + i % b->taps]) * factor[b->from[i]], common);
    }
    return common == 0 ? 1 : common;
}

annulus_status onnx_tensor_grid(const onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, double *grid)
{
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit;
    void *p;
    for (size_t o = 1; o < x->count; o++)
        if (x->scale[o] != x->scale[0])
            return onnx_node_fail(node, "it takes values of different scales: put a Quant node in front of it");
    if (!network_common_unit(t->n, x->sources, x->sources_count, factors, &unit))
        return onnx_node_fail(node,
                              "it takes values of scales in no ratio of integers up to %d: quantize them with one",
                              NETWORK_MAX_FACTOR);
    TRY(mem_create(x->in, sizeof(int32_t), "factors", &p));
    int32_t *factor = p;
    for (size_t k = 0, at = 0; k < x->sources_count; k++)
        for (size_t m = network_source_values(t->n, x->sources[k]); m > 0; m--) factor[at++] = factors[k];
    const double step = unit * (double)common_weight(x, factor) * x->scale[0];
    mem_free(p);
    for (size_t o = 0; o < x->count; o++)
        if (fabs(x->bias[o] / step - rint(x->bias[o] / step)) > OFF_GRID)
            return onnx_node_fail(node,
                                  "a constant of %.9g is no multiple of %.9g, as the values are: put a Quant node "
                                  "in front of it",
                                  x->bias[o], step);
    *grid = step;
    return ANNULUS_OK;
}

annulus_status onnx_tensor_counter(const Onnx__NodeProto *node, double scale, double most, quantizer *out)
{
    *out = (quantizer){.scale = scale, .bits = 1};
    while (out->bits <= 16 && exp2(out->bits) - 1 < most) out->bits++;
    if (out->bits <= 16) return ANNULUS_OK;
    return onnx_node_fail(
        node, "it gives integers up to %.0f, 65535 are possible: put a Quant node of fewer bits in front of it", most);
}

annulus_status onnx_tensor_exact(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *x, activation act,
                                 double amplitude, const quantizer *q, const char *op, onnx_tensor *y)
{
    x->stage = ONNX_ACTIVATED;
    x->act = act;
    x->amplitude = amplitude;
    x->proven = act != ACTIVATION_STEP; /* which is flat beyond both ends of any range */
    x->op[0] = 0;
    onnx_tensor_name(x, op);
    return onnx_tensor_look_up(t, node, x, q, y);
}

annulus_status onnx_tensor_positive(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *x, const char *op,
                                    onnx_tensor *y)
{
    double grid, most = 0;
    quantizer q;
    TRY(onnx_tensor_grid(t, node, x, &grid));
    const double scale = x->scale[0];
    for (size_t o = 0; o < x->count; o++) {
        most = fmax(most, onnx_tensor_most(x, o));
        x->scale[o] = 1;
        x->bias[o] /= scale;
    }
    TRY(onnx_tensor_counter(node, grid / scale, floor(most / grid + 0.5), &q));
    x->rank = 2; /* one channel: one table for all */
    x->dims[0] = 1;
    x->dims[1] = x->count;
    TRY(onnx_tensor_exact(t, node, x, ACTIVATION_RELU, scale, &q, op, y));
    y->rank = 1;
    y->dims[0] = y->count;
    return ANNULUS_OK;
}
