/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes from the input to the scores, each turned into a part of the network. */
#include "onnx/onnx_priv.h"
#include "onnx/onnx_tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static dense_layer *layer_at(const onnx_chain *c)
{
    return &c->n->layers[c->layers - 1];
}

/* The constant among a node's two inputs; *left: it comes first. */
static annulus_status other_input(onnx_chain *c, const Onnx__NodeProto *node, int *left, const onnx_constant **out)
{
    *left = strcmp(node->input[0], c->value) != 0;
    if (*left && node->op_type[0] == 'D')
        return onnx_node_fail(node, "a constant over encrypted values: put a Quant behind it, for one look-up");
    return onnx_node_constant(c->g, node, !*left, out);
}

/* The current value as a tensor, for its shape. */
static onnx_tensor shape_of(const onnx_chain *c)
{
    onnx_tensor x = {.rank = c->rank, .dims = {c->features}, .count = c->features};
    if (c->rank > 1) memcpy(x.dims, c->dims, sizeof x.dims);
    return x;
}

static annulus_status stage_check(onnx_chain *c, const Onnx__NodeProto *node)
{
    if (c->stage == ONNX_RAW || c->stage == ONNX_LINEAR) return ANNULUS_OK;
    c->graph = c->stage == ONNX_QUANTIZED;
    if (c->stage == ONNX_QUANTIZED)
        return onnx_node_fail(
            node, "arithmetic behind a Quant: it may stand before the first Quant or right behind Gemm and MatMul");
    return onnx_node_fail(node, "arithmetic behind an activation: " ONNX_FUNCTION);
}

static annulus_status multiply(onnx_chain *c, const Onnx__NodeProto *node, size_t f, double by)
{
    if (!isfinite(by)) return onnx_node_fail(node, "a factor is not finite");
    if (c->stage == ONNX_RAW) {
        if (by == 0) return onnx_node_fail(node, "a factor of the input is 0: leave those values out of the input");
        c->n->gain[f] *= by;
        return ANNULUS_OK;
    }
    dense_layer *l = layer_at(c);
    for (size_t i = 0; by <= 0 && i < l->in; i++) l->W[f * l->in + i] *= by < 0 ? -1 : 0;
    if (by != 0) l->w_scale[f] *= fabs(by);
    l->bias[f] *= by;
    return ANNULUS_OK;
}

static void add(onnx_chain *c, size_t f, double term)
{
    if (c->stage == ONNX_RAW)
        c->n->shift[f] -= term / c->n->gain[f];
    else
        layer_at(c)->bias[f] += term;
}

static annulus_status chain_affine(onnx_chain *c, const Onnx__NodeProto *node)
{
    const char op = node->op_type[0]; /* Add, Sub, Mul or Div */
    const onnx_constant *k;
    int left;
    TRY(stage_check(c, node));
    TRY(other_input(c, node, &left, &k));
    left = left && op == 'S'; /* the constant minus the value */
    const onnx_tensor x = shape_of(c);
    TRY(onnx_tensor_broadcast(node, &x, k));
    for (size_t f = 0; f < c->features; f++) {
        const double v = (double)k->f[onnx_tensor_index(&x, k, f)];
        if (op == 'M' || op == 'D' || left) TRY(multiply(c, node, f, op == 'M' ? v : op == 'D' ? 1 / v : -1));
        if (op == 'A' || op == 'S') add(c, f, op == 'A' || left ? v : -v);
    }
    return ANNULUS_OK;
}

static annulus_status chain_normalise(onnx_chain *c, const Onnx__NodeProto *node)
{
    onnx_normal b;
    c->graph = c->stage == ONNX_QUANTIZED;
    if (c->stage == ONNX_ACTIVATED) return stage_check(c, node);
    if (c->stage != ONNX_LINEAR) return onnx_node_fail(node, "it must stand behind Gemm or MatMul");
    TRY(onnx_normal_parse(c->g, node, c->features, &b));
    for (size_t f = 0; f < c->features; f++) {
        add(c, f, -(double)b.k[2]->f[f]);
        TRY(multiply(c, node, f, onnx_normal_gain(&b, f)));
        add(c, f, (double)b.k[1]->f[f]);
    }
    return ANNULUS_OK;
}

static annulus_status copy_weights(const onnx_chain *c, const Onnx__NodeProto *node, const onnx_constant *w,
                                   int transposed, dense_layer *l)
{
    for (size_t o = 0; o < l->out; o++) {
        const size_t first = transposed ? o * l->in : o;
        l->w_scale[o] = (double)w->q_scale[first];
        for (size_t i = 0; i < l->in; i++) {
            const size_t at = transposed ? o * l->in + i : i * l->out + o;
            if (w->q_scale[at] != w->q_scale[first])
                return onnx_node_fail(
                    node, "the weights of output %zu have several scales: one for each output is possible", o);
            l->W[o * l->in + i] = w->q[at];
        }
    }
    for (size_t o = 0; o < l->out; o++) l->w_scale[o] *= c->amplitude;
    l->weight_bits = w->q_bits;
    return ANNULUS_OK;
}

static annulus_status linear(onnx_chain *c, const Onnx__NodeProto *node, int transposed)
{
    const onnx_constant *w;
    if (c->stage != ONNX_QUANTIZED)
        return onnx_node_fail(node, "its input is not quantized: put a Quant node in front of it");
    if (strcmp(node->input[0], c->value) != 0) return onnx_node_fail(node, "the weights must be its second input");
    TRY(onnx_node_constant(c->g, node, 1, &w));
    if (w->rank != 2 || w->dims[transposed ? 1 : 0] != c->features)
        return onnx_node_fail(node, "weights of %zu dimensions do not fit %zu features", w->rank, c->features);
    if (w->q == NULL)
        return onnx_node_fail(node, "the weights are not quantized: put a Quant node behind \"%.60s\"", w->name);
    c->graph = w->q_bits > 16; /* of unsigned weights, which graphs hold as they are */
    if (c->graph) return onnx_node_fail(node, "weights of %u bits with their sign, at most 16 are possible", w->q_bits);
    dense_layer *l = &c->n->layers[c->layers];
    TRY(dense_layer_create(c->features, w->dims[transposed ? 0 : 1], l));
    c->layers++;
    TRY(copy_weights(c, node, w, transposed, l));
    c->features = l->out;
    c->stage = ONNX_LINEAR;
    c->rank = 1;
    return ANNULUS_OK;
}

static annulus_status chain_matmul(onnx_chain *c, const Onnx__NodeProto *node)
{
    c->graph = c->rank != 1;
    if (c->rank != 1) return onnx_node_fail(node, "its input has %zu dimensions: flatten it first", c->rank);
    return linear(c, node, 0);
}

static annulus_status chain_gemm(onnx_chain *c, const Onnx__NodeProto *node)
{
    onnx_gemm g;
    TRY(onnx_gemm_parse(node, &g));
    if (c->rank != 1) return onnx_node_fail(node, "its input has %zu dimensions: flatten it first", c->rank);
    TRY(linear(c, node, g.transposed));
    for (size_t f = 0; g.alpha != 1 && f < c->features; f++) TRY(multiply(c, node, f, g.alpha));
    if (node->n_input < 3 || node->input[2][0] == 0) return ANNULUS_OK;
    const onnx_constant *k;
    TRY(onnx_node_constant(c->g, node, 2, &k));
    const onnx_tensor x = shape_of(c);
    TRY(onnx_tensor_broadcast(node, &x, k));
    for (size_t f = 0; f < c->features; f++) add(c, f, g.beta * (double)k->f[onnx_tensor_index(&x, k, f)]);
    return ANNULUS_OK;
}

static annulus_status chain_activation(onnx_chain *c, const Onnx__NodeProto *node)
{
    c->graph = c->stage == ONNX_QUANTIZED;
    if (c->stage != ONNX_LINEAR) return onnx_node_fail(node, "it must stand behind Gemm or MatMul");
    layer_at(c)->act = node->op_type[0] == 'R'   ? ACTIVATION_RELU
                       : node->op_type[0] == 'S' ? ACTIVATION_SIGMOID
                                                 : ACTIVATION_TANH;
    c->amplitude = 1;
    c->stage = ONNX_ACTIVATED;
    return ANNULUS_OK;
}

static annulus_status chain_unfit(onnx_chain *c, const Onnx__NodeProto *node)
{
    c->graph = c->stage == ONNX_QUANTIZED || onnx_operator_find(node)->tensor != NULL;
    return onnx_node_fail(node, "it is read as a part of a function of \"%.60s\" only: " ONNX_FUNCTION, c->value);
}

static annulus_status chain_quant(onnx_chain *c, const Onnx__NodeProto *node)
{
    onnx_quant q;
    if (strcmp(node->input[0], c->value) != 0)
        return onnx_node_fail(node, "its first input must be the value to quantize");
    c->graph = c->stage == ONNX_QUANTIZED;
    if (c->stage == ONNX_QUANTIZED) return onnx_node_fail(node, "its input is quantized already");
    TRY(onnx_quant_parse(c->g, node, &q));
    for (size_t i = 1; i < q.scale->count; i++)
        if (q.scale->f[i] != q.scale->f[0])
            return onnx_node_fail(node, "activations with a scale for each channel are not supported: use one scale");
    if (c->stage != ONNX_ACTIVATED) c->amplitude = 1;
    const quantizer made = {.scale = (double)q.scale->f[0] / c->amplitude,
                            .zero = q.zero,
                            .bits = q.bits,
                            .is_signed = q.is_signed,
                            .narrow = q.narrow};
    if (c->stage == ONNX_RAW)
        c->n->input = made;
    else
        layer_at(c)->out_q = made;
    c->stage = ONNX_QUANTIZED;
    return ANNULUS_OK;
}

static annulus_status chain_identity(onnx_chain *c, const Onnx__NodeProto *node)
{
    (void)c, (void)node;
    return ANNULUS_OK;
}

static annulus_status chain_argmax(onnx_chain *c, const Onnx__NodeProto *node)
{
    if (c->stage != ONNX_LINEAR) return onnx_node_fail(node, "it must stand behind the scores, a Gemm or MatMul");
    c->n->argmax = 1;
    return onnx_argmax_parse(c->g, node);
}

static annulus_status chain_flatten(onnx_chain *c, const Onnx__NodeProto *node)
{
    int64_t axis;
    TRY(onnx_node_int(node, "axis", 1, &axis));
    if (axis != 1) return onnx_node_fail(node, "axis is %lld: only 1 is supported", (long long)axis);
    c->rank = 1;
    return ANNULUS_OK;
}

static annulus_status chain_reshape(onnx_chain *c, const Onnx__NodeProto *node)
{
    const onnx_constant *shape;
    TRY(onnx_node_constant(c->g, node, 1, &shape));
    const int64_t *s = shape->i;
    const int fits = s != NULL && shape->count == 2 && (s[1] == -1 || s[1] == (int64_t)c->features) &&
                     (s[0] == -1 || s[0] == 0 || s[0] == 1) && s[0] + s[1] != -2;
    c->graph = c->stage == ONNX_QUANTIZED || c->stage == ONNX_RAW;
    if (!fits) return onnx_node_fail(node, "only a reshape to (batch, %zu) is supported", c->features);
    c->rank = 1;
    return ANNULUS_OK;
}

static const onnx_operator operators[] = {
    {"Abs", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Add", 0, 2, 2, chain_affine, onnx_fold_arithmetic, onnx_tensor_affine},
    {"ArgMax", 0, 1, 1, chain_argmax, NULL, onnx_tensor_argmax},
    {"Atan", 0, 1, 1, chain_unfit, NULL, NULL},
    {"AveragePool", 0, 1, 1, NULL, NULL, onnx_tensor_average},
    {"BatchNormalization", 0, 5, 5, chain_normalise, NULL, onnx_tensor_normalise},
    {"Cast", 0, 1, 1, chain_unfit, onnx_fold_cast, onnx_tensor_cast},
    {"Ceil", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Celu", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Clip", 0, 1, 3, chain_unfit, NULL, NULL},
    {"Concat", 0, 1, ONNX_INPUTS_MAX, NULL, onnx_fold_concat, onnx_tensor_concat},
    {"Constant", 0, 0, 0, NULL, onnx_fold_constant, NULL},
    {"ConstantOfShape", 0, 1, 1, NULL, onnx_fold_filled, NULL},
    {"Conv", 0, 2, 3, NULL, NULL, onnx_tensor_conv},
    {"Cos", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Div", 0, 2, 2, chain_affine, onnx_fold_arithmetic, onnx_tensor_affine},
    {"Elu", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Equal", 0, 2, 2, chain_unfit, NULL, onnx_tensor_compare},
    {"Erf", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Exp", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Flatten", 0, 1, 1, chain_flatten, onnx_fold_reshape, onnx_tensor_reshape},
    {"Floor", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Gather", 0, 2, 2, NULL, onnx_fold_gather, NULL},
    {"Gelu", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Gemm", 0, 2, 3, chain_gemm, NULL, onnx_tensor_gemm},
    {"GlobalAveragePool", 0, 1, 1, NULL, NULL, onnx_tensor_average},
    {"GlobalMaxPool", 0, 1, 1, NULL, NULL, onnx_tensor_max_pool},
    {"Greater", 0, 2, 2, chain_unfit, NULL, onnx_tensor_compare},
    {"GreaterOrEqual", 0, 2, 2, chain_unfit, NULL, onnx_tensor_compare},
    {"HardSigmoid", 0, 1, 1, chain_unfit, NULL, NULL},
    {"HardSwish", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Identity", 0, 1, 1, chain_identity, onnx_fold_reshape, onnx_tensor_reshape},
    {"LeakyRelu", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Less", 0, 2, 2, chain_unfit, NULL, onnx_tensor_compare},
    {"LessOrEqual", 0, 2, 2, chain_unfit, NULL, onnx_tensor_compare},
    {"Log", 0, 1, 1, chain_unfit, NULL, NULL},
    {"MatMul", 0, 2, 2, chain_matmul, NULL, onnx_tensor_gemm},
    {"Max", 0, 1, 8, chain_unfit, NULL, onnx_tensor_max},
    {"MaxPool", 0, 1, 1, NULL, NULL, onnx_tensor_max_pool},
    {"Min", 0, 1, 8, chain_unfit, NULL, onnx_tensor_max},
    {"Mish", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Mod", 0, 2, 2, chain_unfit, NULL, NULL},
    {"Mul", 0, 2, 2, chain_affine, onnx_fold_arithmetic, onnx_tensor_affine},
    {"Neg", 0, 1, 1, chain_unfit, onnx_fold_arithmetic, NULL},
    {"PRelu", 0, 2, 2, chain_unfit, NULL, NULL},
    {"Pad", 0, 2, 4, NULL, NULL, onnx_tensor_pad},
    {"Pow", 0, 2, 2, chain_unfit, onnx_fold_arithmetic, onnx_tensor_square},
    {"Reciprocal", 0, 1, 1, chain_unfit, NULL, NULL},
    {"ReduceMax", 0, 1, 2, NULL, NULL, onnx_tensor_max_pool},
    {"ReduceMean", 0, 1, 2, NULL, NULL, onnx_tensor_reduce},
    {"ReduceSum", 0, 1, 2, NULL, NULL, onnx_tensor_reduce},
    {"Relu", 0, 1, 1, chain_activation, NULL, onnx_tensor_activation},
    {"Reshape", 0, 2, 2, chain_reshape, onnx_fold_reshape, onnx_tensor_reshape},
    {"Round", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Selu", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Shape", 0, 1, 1, NULL, onnx_fold_shape, NULL},
    {"Sigmoid", 0, 1, 1, chain_activation, NULL, onnx_tensor_activation},
    {"Sign", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Sin", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Slice", 0, 3, 5, NULL, onnx_fold_slice, onnx_tensor_slice},
    {"Softplus", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Softsign", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Sqrt", 0, 1, 1, chain_unfit, onnx_fold_arithmetic, NULL},
    {"Squeeze", 0, 1, 2, NULL, onnx_fold_reshape, onnx_tensor_reshape},
    {"Sub", 0, 2, 2, chain_affine, onnx_fold_arithmetic, onnx_tensor_affine},
    {"Sum", 0, 1, ONNX_INPUTS_MAX, NULL, NULL, onnx_tensor_sum},
    {"Tanh", 0, 1, 1, chain_activation, NULL, onnx_tensor_activation},
    {"ThresholdedRelu", 0, 1, 1, chain_unfit, NULL, NULL},
    {"Transpose", 0, 1, 1, NULL, onnx_fold_transpose, onnx_tensor_transpose},
    {"Unsqueeze", 0, 1, 2, chain_unfit, onnx_fold_reshape, onnx_tensor_reshape},
    {"Where", 0, 3, 3, chain_unfit, NULL, onnx_tensor_where},
    {"Quant", 1, 4, 4, chain_quant, onnx_fold_quant, onnx_tensor_quant},
    {"IntQuant", 1, 4, 4, chain_quant, onnx_fold_quant, onnx_tensor_quant},
    {"BipolarQuant", 1, 2, 2, chain_quant, onnx_fold_quant, onnx_tensor_quant},
};

static int quant_domain(const char *domain)
{
    static const char *const known[] = {"qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(domain, known[i]) == 0) return 1;
    return 0;
}

const onnx_operator *onnx_operator_find(const Onnx__NodeProto *node)
{
    const char *domain = node->domain == NULL ? "" : node->domain;
    const int quant = quant_domain(domain);
    if (!quant && domain[0] != 0 && strcmp(domain, "ai.onnx") != 0) return NULL;
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].quant_domain == quant && strcmp(operators[i].name, node->op_type) == 0) return &operators[i];
    return NULL;
}

annulus_status onnx_operator_unknown(const Onnx__NodeProto *node)
{
    char known[1000] = "";
    size_t used = 0;
    if (strcmp(node->op_type, "Dropout") == 0)
        return onnx_node_fail(node, "operator not supported: export the model in evaluation mode, which leaves it out");
    if (strstr(node->op_type, "Softmax") != NULL) /* LogSoftmax as well */
        return onnx_node_fail(node, "operator not supported: behind the scores it leaves them in their order, so drop "
                                    "it there");
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i == 0 ? "" : ", ", operators[i].name);
    return onnx_node_fail(node, "operator not supported in domain \"%.40s\". Known: %s",
                          node->domain == NULL ? "" : node->domain, known);
}
