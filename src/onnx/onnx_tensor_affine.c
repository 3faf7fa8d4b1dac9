/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise nodes on tensors: constants, sums of two tensors, activations, Quant. */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAME 1e-6 /* relative, of scales that were rounded to single precision */

/* Value o <- value*by + term, of the network's input or of y; by finite, of the input not 0. What is no scale is left
 * to the weights: sign[o]. */
static void affine(onnx_net *t, onnx_tensor *y, size_t o, double by, double term, int32_t *sign)
{
    if (y->stage == ONNX_RAW) {
        t->n->gain[o] *= by;
        t->n->shift[o] -= term / t->n->gain[o];
        return;
    }
    sign[o] = (by > 0) - (by < 0);
    if (by != 0) y->scale[o] *= fabs(by);
    y->bias[o] = y->bias[o] * by + term;
}

static annulus_status stage_check(const Onnx__NodeProto *node, const onnx_tensor *x)
{
    if (x->stage != ONNX_ACTIVATED) return ANNULUS_OK;
    return onnx_node_fail(node, "arithmetic behind an activation: " ONNX_FUNCTION ", or put one in between");
}

/* The same of all values: factor[index] and term[index] with index(o) of either constant, NULL: 1 and 0. */
static annulus_status affine_all(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *y, const double *by,
                                 const double *term)
{
    void *p;
    TRY(mem_create(y->count, sizeof(int32_t), "signs", &p));
    int32_t *sign = p;
    annulus_status st = ANNULUS_OK;
    for (size_t o = 0; st == ANNULUS_OK && o < y->count; o++) {
        if (!isfinite(by[o]) || !isfinite(term[o]))
            st = onnx_node_fail(node, "a factor or constant is not finite");
        else if (by[o] == 0 && y->stage == ONNX_RAW)
            st = onnx_node_fail(node, "a factor of the input is 0: leave those values out of the input");
        else
            affine(t, y, o, by[o], term[o], sign);
    }
    if (st == ANNULUS_OK && y->stage != ONNX_RAW) {
        y->stage = ONNX_LINEAR;
        st = onnx_tensor_multiply(node, y, sign);
    }
    mem_free(sign);
    return st;
}

/* left: of Sub, the constant comes first. */
static annulus_status with_constant(onnx_net *t, const Onnx__NodeProto *node, const onnx_constant *k, int left,
                                    onnx_tensor *y)
{
    const char op = node->op_type[0]; /* Add, Sub, Mul or Div */
    void *p;
    TRY(onnx_tensor_broadcast(node, y, k));
    TRY(mem_create(2 * y->count, sizeof(double), "factors", &p));
    double *by = p, *term = by + y->count;
    for (size_t o = 0; o < y->count; o++) {
        const double v = (double)k->f[onnx_tensor_index(y, k, o)];
        by[o] = op == 'M' ? v : op == 'D' ? 1 / v : left ? -1 : 1;
        term[o] = op == 'A' || left ? v : op == 'S' ? -v : 0;
    }
    const annulus_status st = affine_all(t, node, y, by, term);
    mem_free(by);
    return st;
}

/* Factors (count) of both, and the scale of their sum in y; *rounded: some are near ones. */
static annulus_status common_scales(const Onnx__NodeProto *node, onnx_tensor *y, const onnx_tensor *x, int32_t sign,
                                    int near, int32_t *of_y, int32_t *of_x, int *rounded)
{
    for (size_t o = 0; o < y->count; o++) {
        int32_t p, q;
        int exact;
        if (!onnx_ratio_find(y->scale[o], x->scale[o], near, &p, &q, &exact))
            return onnx_node_fail(node,
                                  "its inputs have scales %.9g and %.9g, in no ratio of integers up to %d: put a Quant "
                                  "behind each of them",
                                  y->scale[o], x->scale[o], near ? (int)ONNX_MOST_RATIO : NETWORK_MAX_FACTOR);
        of_y[o] = p;
        of_x[o] = sign * q;
        *rounded |= !exact;
        y->scale[o] /= p;
        y->bias[o] += sign * x->bias[o];
    }
    return ANNULUS_OK;
}

static annulus_status add_tensor(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, int near, onnx_tensor *y,
                                 onnx_tensor *x)
{
    int rounded = 0;
    void *p;
    circuit_linear both = {0};
    if (y->rank != x->rank || memcmp(y->dims, x->dims, y->rank * sizeof *y->dims) != 0)
        return onnx_node_fail(node, "its inputs have different shapes");
    if (y->stage == ONNX_RAW || x->stage == ONNX_RAW)
        return onnx_node_fail(node, "an input is not quantized: put a Quant node in front of it");
    TRY(stage_check(node, x));
    TRY(onnx_tensor_join_sources(t, y, x));
    TRY(mem_create(2 * y->count, sizeof(int32_t), "factors", &p));
    int32_t *factors = p;
    annulus_status st = common_scales(node, y, x, sign, near, factors, factors + y->count, &rounded);
    if (st == ANNULUS_OK) st = onnx_tensor_multiply(node, y, factors);
    if (st == ANNULUS_OK) st = onnx_tensor_multiply(node, x, factors + y->count);
    if (st == ANNULUS_OK) st = gather_join(&y->linear, &x->linear, &both);
    if (st == ANNULUS_OK) y->linear = both;
    for (size_t o = 0; o < y->count; o++) y->lo[o] += x->lo[o], y->hi[o] += x->hi[o];
    y->bounded |= x->bounded;
    y->stage = ONNX_LINEAR;
    onnx_tensor_name(y, rounded ? "~ +" : "+");
    onnx_tensor_name(y, x->op[0] == 0 ? "values" : x->op);
    mem_free(factors);
    return st;
}

annulus_status onnx_tensor_add(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, onnx_tensor *y, onnx_tensor *x)
{
    return add_tensor(t, node, sign, 0, y, x);
}

annulus_status onnx_tensor_add_near(onnx_net *t, const Onnx__NodeProto *node, int32_t sign, onnx_tensor *y,
                                    onnx_tensor *x)
{
    return add_tensor(t, node, sign, 1, y, x);
}

annulus_status onnx_tensor_affine(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    const char op = node->op_type[0];
    const size_t first = onnx_tensor_find(t, node->input[0]) == x ? 0 : 1;
    const onnx_tensor *other = onnx_tensor_find(t, node->input[1 - first]);
    const onnx_constant *k;
    if (other != NULL && op == 'M') return onnx_tensor_mul(t, node, x, y);
    if (other != NULL && op == 'D')
        return onnx_node_fail(node, "a quotient of two encrypted values is not supported: only one by constants");
    TRY(stage_check(node, x));
    size_t dims[ONNX_RANK_MAX];
    memcpy(dims, x->dims, sizeof dims);
    if (other == NULL) {
        if (first != 0 && op == 'D')
            return onnx_node_fail(node, "a constant over encrypted values: put a Quant behind it, for one look-up");
        TRY(onnx_node_constant(t->g, node, 1 - first, &k));
        onnx_tensor_widen(k, x->rank, dims);
        const int same = memcmp(dims, x->dims, x->rank * sizeof *dims) == 0;
        TRY(same ? onnx_tensor_copy(t, x, y) : onnx_tensor_expand(t, node, x, x->rank, dims, y));
        return with_constant(t, node, k, first != 0 && op == 'S', y);
    }
    TRY(onnx_tensor_common_shape(node, other, x->rank, dims));
    TRY(onnx_tensor_expand(t, node, x, x->rank, dims, y));
    onnx_tensor copy = {.name = y->name};
    annulus_status st = onnx_tensor_expand(t, node, other, x->rank, dims, &copy);
    if (st == ANNULUS_OK) st = onnx_tensor_add_near(t, node, op == 'S' ? -1 : 1, y, &copy);
    onnx_tensor_clear(&copy);
    return st;
}

annulus_status onnx_tensor_normalise(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    onnx_normal b;
    void *p;
    TRY(stage_check(node, x));
    TRY(onnx_normal_parse(t->g, node, x->dims[0], &b));
    TRY(onnx_tensor_copy(t, x, y));
    TRY(mem_create(2 * y->count, sizeof(double), "factors", &p));
    double *by = p, *term = by + y->count;
    for (size_t o = 0; o < y->count; o++) {
        const size_t c = o / (y->count / y->dims[0]);
        by[o] = onnx_normal_gain(&b, c);
        term[o] = onnx_normal_term(&b, c);
    }
    const annulus_status st = affine_all(t, node, y, by, term);
    mem_free(by);
    return st;
}

annulus_status onnx_tensor_activation(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    if (x->stage != ONNX_LINEAR && x->stage != ONNX_QUANTIZED)
        return onnx_node_fail(node, "it must stand behind a linear operator or a Quant");
    TRY(onnx_tensor_copy(t, x, y));
    y->act = node->op_type[0] == 'R' ? ACTIVATION_RELU : node->op_type[0] == 'S' ? ACTIVATION_SIGMOID : ACTIVATION_TANH;
    y->amplitude = 1;
    y->stage = ONNX_ACTIVATED;
    return ANNULUS_OK;
}

/* Outputs of one channel with one scale, bias and function are one for the look-ups: numbered by the first of them. */
static void find_channels(const onnx_tensor *x, dense_layer *l)
{
    const size_t each = x->rank < 2 ? 1 : x->count / x->dims[0];
    for (size_t o = 0; o < x->count; o++) {
        size_t first = o - o % each;
        while (!dense_layer_alike(l, first, o)) first++;
        l->channel[o] = (uint32_t)first;
    }
}

/* The layer that x is the sums of; x keeps nothing. */
annulus_status onnx_tensor_layer(onnx_net *t, onnx_tensor *x, dense_layer *l)
{
    void *p;
    TRY(gathered_layer_create(x->in, x->count, &x->linear, l));
    t->layers++;
    memcpy(l->w_scale, x->scale, x->count * sizeof *x->scale);
    memcpy(l->bias, x->bias, x->count * sizeof *x->bias);
    memcpy(l->sources, x->sources, sizeof l->sources);
    l->sources_count = x->sources_count;
    l->act = x->stage == ONNX_ACTIVATED ? x->act : ACTIVATION_IDENTITY;
    l->rise = x->rise;
    l->proven = x->stage == ONNX_ACTIVATED && x->proven;
    if (activation_is_own(l->act)) {
        l->own = x->own;
        l->vary = x->vary, x->vary = NULL;
    }
    (void)snprintf(l->op, sizeof l->op, "%s", x->op[0] == 0 ? "values" : x->op);
    memcpy(l->shape.in, x->from, sizeof l->shape.in);
    linear_shape_set(x->dims, x->rank, l->shape.out);
    find_channels(x, l);
    if (!x->bounded) return ANNULUS_OK;
    TRY(mem_create(2 * x->count, sizeof(double), "bounds", &p));
    l->bound = p;
    memcpy(l->bound, x->lo, x->count * sizeof *x->lo);
    memcpy(l->bound + x->count, x->hi, x->count * sizeof *x->hi);
    return ANNULUS_OK;
}

static annulus_status quantizer_of(onnx_net *t, const Onnx__NodeProto *node, quantizer *out)
{
    onnx_quant q;
    TRY(onnx_quant_parse(t->g, node, &q));
    for (size_t i = 1; i < q.scale->count; i++)
        if (q.scale->f[i] != q.scale->f[0])
            return onnx_node_fail(node, "activations with a scale for each channel are not supported: use one scale");
    *out = (quantizer){
        .scale = (double)q.scale->f[0], .zero = q.zero, .bits = q.bits, .is_signed = q.is_signed, .narrow = q.narrow};
    return ANNULUS_OK;
}

/* Ends of what x becomes when it is looked up; those of q where the activation is not monotone. */
static void look_up_range(const onnx_tensor *x, const quantizer *q, size_t o, double *lo, double *hi)
{
    const double a = x->scale[o] * x->lo[o] + x->bias[o], b = x->scale[o] * x->hi[o] + x->bias[o];
    int32_t least, most;
    quantizer_range(q, &least, &most);
    const int known = onnx_tensor_rises(x);
    const activation act = x->stage == ONNX_ACTIVATED ? x->act : ACTIVATION_IDENTITY;
    *lo = (known ? quantizer_integer(q, activation_apply(act, x->rise, a)) : least - q->zero) * q->scale;
    *hi = (known ? quantizer_integer(q, activation_apply(act, x->rise, b)) : most - q->zero) * q->scale;
}

/* y <- values of a source of the shape of x, each its own, or `offsets` of them, which are channels. */
static annulus_status source_values(const onnx_tensor *x, uint32_t source, size_t offsets, double amplitude,
                                    onnx_tensor *y)
{
    const size_t places = x->count / x->dims[0];
    size_t dims[ONNX_RANK_MAX];
    void *p;
    memcpy(dims, x->dims, sizeof dims);
    dims[0] = (x->flat ? x->count : dims[0]) * offsets;
    y->stage = ONNX_QUANTIZED;
    y->sources[0] = source;
    y->sources_count = 1;
    y->in = x->count * offsets;
    TRY(onnx_tensor_create(y, x->flat ? 1 : x->rank, dims));
    linear_shape_set(y->dims, y->rank, y->from);
    for (size_t o = 0; o < y->count; o++) y->scale[o] = amplitude;
    TRY(mem_create(y->count, sizeof(uint32_t), "values", &p));
    uint32_t *from = p;
    for (size_t o = 0; o < y->count; o++) {
        const size_t channel = o / places / offsets, offset = o / places % offsets;
        from[o] = (uint32_t)((channel * places + o % places) * offsets + offset);
    }
    const annulus_status st = gather_choice(from, y->count, 1, &y->linear);
    mem_free(from);
    return st;
}

annulus_status onnx_tensor_look_up(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const quantizer *q,
                                   onnx_tensor *y)
{
    const double amplitude = x->stage == ONNX_ACTIVATED ? x->amplitude : 1;
    const size_t offsets = x->stage == ONNX_ACTIVATED && x->offsets > 1 ? x->offsets : 1;
    if (t->layers + 1 >= NETWORK_MAX_LAYERS)
        return onnx_node_fail(node, "more than %u layers of look-ups are not supported", NETWORK_MAX_LAYERS - 1);
    onnx_tensor sums = {.name = y->name};
    annulus_status st = onnx_tensor_copy(t, x, &sums);
    dense_layer *l = &t->n->layers[t->layers];
    if (st == ANNULUS_OK) st = onnx_tensor_layer(t, &sums, l);
    onnx_tensor_clear(&sums);
    TRY(st);
    l->out_q = *q;
    l->offsets = offsets;
    TRY(source_values(x, (uint32_t)t->layers, offsets, amplitude, y));
    const size_t places = x->count / x->dims[0];
    for (size_t o = 0; o < y->count; o++)
        look_up_range(x, q, o / places / offsets * places + o % places, &y->lo[o], &y->hi[o]);
    y->bounded = x->bounded;
    return ANNULUS_OK;
}

/* Whether every value of x is one of the quantizer's. */
static int changes_nothing(const onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const quantizer *q)
{
    double grid;
    int32_t least, most;
    int same = !quantizer_is_bipolar(q) && onnx_tensor_grid(t, node, x, &grid) == ANNULUS_OK &&
               fabs(grid / q->scale - rint(grid / q->scale)) < SAME && rint(grid / q->scale) >= 1;
    quantizer_range(q, &least, &most);
    for (size_t o = 0; same && o < x->count; o++)
        same = onnx_tensor_least(x, o) >= (least - q->zero - 0.5) * q->scale &&
               onnx_tensor_most(x, o) <= (most - q->zero + 0.5) * q->scale;
    return same;
}

/* The largest of sums that are quantized is the largest of them quantized. */
static annulus_status quantized_pool(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const quantizer *q,
                                     onnx_tensor *y)
{
    onnx_tensor values = {.name = y->name};
    annulus_status st = onnx_tensor_look_up(t, node, x, q, &values);
    if (st == ANNULUS_OK) st = onnx_tensor_pool(t, node, &values, x, y);
    onnx_tensor_clear(&values);
    return st;
}

annulus_status onnx_tensor_quant(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    quantizer q;
    int32_t least, most;
    if (onnx_tensor_find(t, node->input[0]) != x)
        return onnx_node_fail(node, "its first input must be the value to quantize");
    TRY(quantizer_of(t, node, &q));
    if (x->stage == ONNX_QUANTIZED && changes_nothing(t, node, x, &q)) return onnx_tensor_copy(t, x, y);
    if (x->stage == ONNX_QUANTIZED)
        return onnx_node_fail(node, "its input is quantized already, in another way: leave out one of the two");
    q.scale /= x->stage == ONNX_ACTIVATED ? x->amplitude : 1;
    if (x->pool.channels != 0) return quantized_pool(t, node, x, &q, y);
    if (x->stage != ONNX_RAW) return onnx_tensor_look_up(t, node, x, &q, y);
    if (t->n->input.bits != 0) return onnx_node_fail(node, "the input is quantized a second time");
    t->n->input = q;
    TRY(source_values(x, 0, 1, 1, y));
    quantizer_range(&q, &least, &most);
    for (size_t o = 0; o < y->count; o++) y->lo[o] = (least - q.zero) * q.scale, y->hi[o] = (most - q.zero) * q.scale;
    return ANNULUS_OK;
}
