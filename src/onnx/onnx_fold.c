/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx/onnx_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A weight within this distance of the grid of its Quant is on the grid: carriers are single precision. */
#define GRID_TOLERANCE 1e-3
#define QUANT_BITS_MAX 16

annulus_status onnx_node_fail(const Onnx__NodeProto *node, const char *format, ...)
{
    char text[900];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *name = node->name != NULL && node->name[0] != 0 ? node->name
                       : node->n_output > 0                     ? node->output[0]
                                                                : "";
    return fail(ANNULUS_ERR_INPUT, "node \"%.60s\" (%.40s): %s", name, node->op_type == NULL ? "" : node->op_type,
                text);
}

annulus_status onnx_node_at(const Onnx__NodeProto *node, annulus_status st)
{
    return st == ANNULUS_OK ? st : fail_prefix(st, "node \"%.60s\"", node->name == NULL ? "" : node->name);
}

const Onnx__AttributeProto *onnx_node_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t k = 0; k < node->n_attribute; k++)
        if (node->attribute[k]->name != NULL && strcmp(node->attribute[k]->name, name) == 0) return node->attribute[k];
    return NULL;
}

annulus_status onnx_node_int(const Onnx__NodeProto *node, const char *name, int64_t missing, int64_t *out)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, name);
    if (a != NULL && (a->has_f || a->has_s || (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT)))
        return onnx_node_fail(node, "attribute %s is not an integer", name);
    *out = a == NULL ? missing : a->i; /* absent in the file means 0 */
    return ANNULUS_OK;
}

annulus_status onnx_node_float(const Onnx__NodeProto *node, const char *name, float missing, float *out)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, name);
    if (a != NULL && (a->has_i || a->has_s || !isfinite(a->f) ||
                      (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT)))
        return onnx_node_fail(node, "attribute %s is not a finite number", name);
    *out = a == NULL ? missing : a->f;
    return ANNULUS_OK;
}

annulus_status onnx_node_ints(const Onnx__NodeProto *node, const char *name, size_t count, int64_t *out)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, name);
    if (a == NULL) return ANNULUS_OK;
    if (a->n_ints != count || (a->has_type && a->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS))
        return onnx_node_fail(node, "attribute %s has %zu integers, %zu are needed", name, a->n_ints, count);
    for (size_t i = 0; i < count; i++) out[i] = a->ints[i];
    return ANNULUS_OK;
}

annulus_status onnx_node_text(const Onnx__NodeProto *node, const char *name, char *out, size_t size)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, name);
    if (a == NULL) return ANNULUS_OK;
    if (!a->has_s || a->s.len >= size) return onnx_node_fail(node, "attribute %s is no text, or too long", name);
    memset(out, 0, size);
    for (size_t i = 0; i < a->s.len; i++) out[i] = (char)a->s.data[i];
    return ANNULUS_OK;
}

annulus_status onnx_node_constant(onnx_graph *g, const Onnx__NodeProto *node, size_t index, const onnx_constant **out)
{
    if (index >= node->n_input) return onnx_node_fail(node, "input %zu is missing", index);
    TRY(onnx_node_at(node, onnx_graph_find(g, node->input[index], out)));
    if (*out == NULL) return onnx_node_fail(node, "input %zu, \"%.60s\", is not a constant", index, node->input[index]);
    return ANNULUS_OK;
}

static annulus_status flag(const Onnx__NodeProto *node, const char *name, int64_t missing, int *out)
{
    int64_t v = 0;
    TRY(onnx_node_int(node, name, missing, &v));
    if (v != 0 && v != 1) return onnx_node_fail(node, "attribute %s is %lld, not 0 or 1", name, (long long)v);
    *out = (int)v;
    return ANNULUS_OK;
}

/* ROUND means half to even (QONNX). */
static annulus_status rounding(const Onnx__NodeProto *node, int *half_even)
{
    const Onnx__AttributeProto *a = onnx_node_attribute(node, "rounding_mode");
    char mode[16] = "ROUND";
    if (a != NULL) {
        const size_t len = a->has_s && a->s.len < sizeof mode ? a->s.len : sizeof mode - 1;
        memset(mode, 0, sizeof mode);
        if (a->has_s && len > 0) memcpy(mode, a->s.data, len);
    }
    *half_even = strcasecmp(mode, "ROUND") == 0 || strcasecmp(mode, "HALF_EVEN") == 0;
    if (!*half_even && strcasecmp(mode, "HALF_UP") != 0)
        return onnx_node_fail(node, "rounding mode \"%s\" is not supported: use HALF_UP or ROUND", mode);
    return ANNULUS_OK;
}

static annulus_status whole_scalar(onnx_graph *g, const Onnx__NodeProto *node, size_t index, const char *what,
                                   int32_t lo, int32_t hi, int32_t *out)
{
    const onnx_constant *c;
    TRY(onnx_node_constant(g, node, index, &c));
    for (size_t k = 0; k < c->count; k++)
        if (c->f[k] != c->f[0] || c->f[k] != rintf(c->f[k]) || c->f[k] < (float)lo || c->f[k] > (float)hi)
            return onnx_node_fail(node, "%s must be one integer from %d to %d, not %g", what, lo, hi, (double)c->f[k]);
    *out = (int32_t)c->f[0];
    return ANNULUS_OK;
}

annulus_status onnx_gemm_parse(const Onnx__NodeProto *node, onnx_gemm *out)
{
    float alpha, beta;
    int64_t trans_a, trans_b;
    TRY(onnx_node_float(node, "alpha", 1, &alpha));
    TRY(onnx_node_float(node, "beta", 1, &beta));
    TRY(onnx_node_int(node, "transA", 0, &trans_a));
    TRY(onnx_node_int(node, "transB", 0, &trans_b));
    if (!isfinite(alpha) || !isfinite(beta) || trans_a != 0)
        return onnx_node_fail(node, "alpha and beta must be finite and transA 0, not %g, %g and %lld", (double)alpha,
                              (double)beta, (long long)trans_a);
    *out = (onnx_gemm){.transposed = trans_b != 0, .alpha = (double)alpha, .beta = (double)beta};
    return ANNULUS_OK;
}

annulus_status onnx_argmax_parse(const onnx_graph *g, const Onnx__NodeProto *node)
{
    int64_t axis = 0, last = 0;
    TRY(onnx_node_int(node, "axis", 0, &axis));
    TRY(onnx_node_int(node, "select_last_index", 0, &last));
    if ((axis != 1 && axis != -1) || last != 0)
        return onnx_node_fail(node, "axis must be 1 and select_last_index 0, not %lld and %lld", (long long)axis,
                              (long long)last);
    if (strcmp(g->g->output[0]->name, node->output[0]) == 0) return ANNULUS_OK;
    return onnx_node_fail(node, "it is supported at the end of the model only, as its output");
}

annulus_status onnx_normal_parse(onnx_graph *g, const Onnx__NodeProto *node, size_t channels, onnx_normal *out)
{
    float epsilon;
    TRY(onnx_node_float(node, "epsilon", 1e-5f, &epsilon));
    out->epsilon = (double)epsilon;
    for (size_t i = 0; i < 4; i++) {
        TRY(onnx_node_constant(g, node, i + 1, &out->k[i]));
        if (out->k[i]->count != channels)
            return onnx_node_fail(node, "%zu values for %zu channels", out->k[i]->count, channels);
    }
    for (size_t c = 0; c < channels; c++)
        if (!((double)out->k[3]->f[c] + out->epsilon > 0))
            return onnx_node_fail(node, "variance %zu is not positive", c);
    return ANNULUS_OK;
}

int onnx_is_bipolar(const Onnx__NodeProto *node)
{
    return strcmp(node->op_type, "BipolarQuant") == 0;
}

annulus_status onnx_quant_parse(onnx_graph *g, const Onnx__NodeProto *node, onnx_quant *out)
{
    int32_t bits;
    onnx_quant q = {.is_signed = 1, .narrow = 1, .bits = 1};
    TRY(onnx_node_constant(g, node, 1, &q.scale));
    for (size_t k = 0; k < q.scale->count; k++)
        if (!(q.scale->f[k] > 0.0f)) return onnx_node_fail(node, "scale %g is not positive", (double)q.scale->f[k]);
    *out = q;
    if (onnx_is_bipolar(node)) return ANNULUS_OK;
    TRY(whole_scalar(g, node, 2, "the zero point", -65536, 65536, &q.zero));
    TRY(whole_scalar(g, node, 3, "the bit width", 1, QUANT_BITS_MAX, &bits));
    TRY(flag(node, "signed", 1, &q.is_signed));
    TRY(flag(node, "narrow", 0, &q.narrow));
    TRY(rounding(node, &q.half_even));
    q.bits = (unsigned)bits;
    if (bits == 1 && (q.is_signed || q.narrow))
        return onnx_node_fail(node, "one bit that is signed or narrow is not a valid Quant: use 2 bits for -1, 0, 1, "
                                    "or BipolarQuant for -1, 1");
    *out = q;
    return ANNULUS_OK;
}

static int broadcasts_to(const onnx_constant *x, const onnx_constant *s)
{
    if (s->rank > x->rank) return 0;
    for (size_t d = 0; d < s->rank; d++) {
        const size_t s_dim = s->dims[s->rank - 1 - d];
        if (s_dim != 1 && s_dim != x->dims[x->rank - 1 - d]) return 0;
    }
    return 1;
}

annulus_status onnx_fold_quant(onnx_graph *g, const Onnx__NodeProto *node)
{
    const onnx_constant *x;
    onnx_constant *y;
    onnx_quant q;
    TRY(onnx_node_constant(g, node, 0, &x));
    TRY(onnx_quant_parse(g, node, &q));
    const onnx_constant *s = q.scale;
    if (s->count != 1 && !broadcasts_to(x, s))
        return onnx_node_fail(node, "the shape of the scale does not fit the weights");
    const quantizer range = {.scale = 1, .bits = q.bits, .is_signed = q.is_signed, .narrow = q.narrow};
    int32_t lo, hi;
    quantizer_range(&range, &lo, &hi);
    TRY(onnx_graph_add(g, node->output[0], x, &y));
    TRY(onnx_constant_quantized(g, y));
    y->q_bits = q.is_signed && q.zero == 0 ? q.bits : 2;
    for (size_t e = 0; e < x->count; e++) {
        const double scale = s->f[s->count == 1 ? 0 : onnx_constant_paired(x, s, e)];
        const double t = x->f[e] / scale + q.zero;
        double k = rint(t);
        if (fabs(t - k) >= GRID_TOLERANCE && !q.half_even) k = floor(t + 0.5);
        k = onnx_is_bipolar(node) ? quantizer_integer(&range, t) : (k < lo ? lo : k > hi ? hi : k) - q.zero;
        y->q[e] = (int32_t)k;
        y->q_scale[e] = (float)scale;
        y->f[e] = (float)(k * scale);
        if (!isfinite(y->f[e])) return onnx_node_fail(node, "element %zu is beyond single precision", e);
        while (k < -ldexp(1, (int)y->q_bits - 1) || k > ldexp(1, (int)y->q_bits - 1) - 1) y->q_bits++;
    }
    return ANNULUS_OK;
}

annulus_status onnx_fold_constant(onnx_graph *g, const Onnx__NodeProto *node)
{
    const Onnx__AttributeProto *a = node->n_attribute == 1 ? node->attribute[0] : NULL;
    const char *name = a == NULL || a->name == NULL ? "" : a->name;
    annulus_status st;
    if (strcmp(name, "value") == 0 && a->t != NULL)
        st = onnx_graph_add_tensor(g, node->output[0], a->t);
    else if (strcmp(name, "value_float") == 0)
        st = onnx_graph_add_scalar(g, node->output[0], a->f, NULL);
    else if (strcmp(name, "value_int") == 0)
        st = onnx_graph_add_scalar(g, node->output[0], (float)a->i, &a->i);
    else
        return onnx_node_fail(node, "only the attributes value, value_float and value_int are supported");
    return onnx_node_at(node, st);
}
