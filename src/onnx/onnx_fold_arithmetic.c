/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic of constants, with numpy's broadcasting: floats in single precision, integers in 64 bits. */
#include "onnx/onnx_priv.h"

#include <math.h>
#include <string.h>

/* Add, Sub, Mul, Div, Pow, Neg or Sqrt, known by two letters. */
static float real(const char *op, float x, float y)
{
    const double a = (double)x, b = (double)y;
    switch (op[0]) {
    case 'A':
        return (float)(a + b);
    case 'M':
        return (float)(a * b);
    case 'D':
        return (float)(a / b);
    case 'P':
        return (float)pow(a, b);
    case 'N':
        return -x;
    default:
        return op[1] == 'u' ? (float)(a - b) : sqrtf(x);
    }
}

/* 0: beyond 64 bits. */
static int power(int64_t a, int64_t b, int64_t *out)
{
    *out = 1;
    if (b < 0) return 0;
    if (a == 0 || a == 1 || a == -1) b = b == 0 ? 0 : 2 - b % 2;
    for (int64_t k = 0; k < b; k++)
        if (__builtin_mul_overflow(*out, a, out)) return 0;
    return 1;
}

/* 0: no integer of 64 bits. Quotients are cut off towards 0. */
static int whole(const char *op, int64_t a, int64_t b, int64_t *out)
{
    switch (op[0]) {
    case 'A':
        return !__builtin_add_overflow(a, b, out);
    case 'M':
        return !__builtin_mul_overflow(a, b, out);
    case 'N':
        return !__builtin_sub_overflow(0, a, out);
    case 'P':
        return power(a, b, out);
    case 'D':
        if (b == 0 || (b == -1 && a == INT64_MIN)) return 0;
        *out = a / b;
        return 1;
    default:
        return op[1] == 'u' && !__builtin_sub_overflow(a, b, out);
    }
}

/* The shape that both are broadcast to. */
static annulus_status common_shape(const Onnx__NodeProto *node, const onnx_constant *a, const onnx_constant *b,
                                   onnx_constant *like)
{
    *like = (onnx_constant){.rank = a->rank > b->rank ? a->rank : b->rank, .count = 1};
    for (size_t d = 0; d < like->rank; d++) { /* from the last on */
        const size_t p = d < a->rank ? a->dims[a->rank - 1 - d] : 1, q = d < b->rank ? b->dims[b->rank - 1 - d] : 1;
        if (p != q && p != 1 && q != 1) return onnx_node_fail(node, "its constants have shapes that do not fit");
        size_t *to = &like->dims[like->rank - 1 - d];
        if (__builtin_mul_overflow(like->count, *to = p == 1 ? q : p, &like->count))
            return onnx_node_fail(node, "it makes more values than memory holds");
    }
    return ANNULUS_OK;
}

annulus_status onnx_fold_arithmetic(onnx_graph *g, const Onnx__NodeProto *node)
{
    const char *op = node->op_type;
    const onnx_constant *a, *b;
    onnx_constant like, *y;
    TRY(onnx_node_constant(g, node, 0, &a));
    b = a;
    if (node->n_input > 1) TRY(onnx_node_constant(g, node, 1, &b));
    if (op[0] != 'P' && (a->i == NULL) != (b->i == NULL))
        return onnx_node_fail(node, "an integer and a float: put a Cast behind one of them");
    const int integers = a->i != NULL && b->i != NULL;
    if (a->i != NULL && (!integers || (op[0] == 'S' && op[1] == 'q')))
        return onnx_node_fail(node, "it is supported of floats only: put a Cast in front of it");
    TRY(common_shape(node, a, b, &like));
    TRY(onnx_graph_add(g, node->output[0], &like, &y));
    if (integers) TRY(onnx_constant_integers(g, y));
    for (size_t o = 0; o < y->count; o++) {
        const size_t p = onnx_constant_paired(y, a, o), q = onnx_constant_paired(y, b, o);
        if (integers && !whole(op, a->i[p], b->i[q], &y->i[o]))
            return onnx_node_fail(node, "element %zu is no integer of 64 bits", o);
        y->f[o] = integers ? (float)y->i[o] : real(op, a->f[p], b->f[q]);
        if (!isfinite(y->f[o])) return onnx_node_fail(node, "element %zu is not a finite number", o);
    }
    return ANNULUS_OK;
}
