/* SPDX-License-Identifier: Apache-2.0 */
/* Products, comparisons and choices of encrypted values, exact: a*b = floor((a + b)^2/4) - floor((a - b)^2/4) of
 * integers, and c*d = relu(d - lo + R*(c - 1)) + lo*c where c is 0 or 1 and d in [lo, lo + R]. */
#include "onnx/onnx_tensor.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

#define NEAR 1e-3 /* grid steps */

annulus_status onnx_tensor_operand(const onnx_net *t, const Onnx__NodeProto *node, size_t i, onnx_input *out)
{
    *out = (onnx_input){.x = onnx_tensor_find(t, node->input[i])};
    return out->x != NULL ? ANNULUS_OK : onnx_node_constant(t->g, node, i, &out->k);
}

int onnx_tensor_feeds_quants(const onnx_net *t, const Onnx__NodeProto *node)
{
    const Onnx__GraphProto *g = t->g->g;
    int quants = 1;
    for (size_t n = 0; n < g->n_node; n++)
        for (size_t i = 0; i < g->node[n]->n_input; i++)
            if (strcmp(g->node[n]->input[i], node->output[0]) == 0)
                quants &= onnx_operator_find(g->node[n])->quant_domain != 0;
    return quants;
}

annulus_status onnx_tensor_common_shape(const Onnx__NodeProto *node, const onnx_tensor *x, size_t rank, size_t *dims)
{
    int fits = x->rank == rank;
    for (size_t d = 0; fits && d < rank; d++) {
        fits = dims[d] == x->dims[d] || dims[d] == 1 || x->dims[d] == 1;
        if (dims[d] == 1) dims[d] = x->dims[d];
    }
    return fits ? ANNULUS_OK : onnx_node_fail(node, "its inputs have different shapes");
}

annulus_status onnx_tensor_expand(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, size_t rank,
                                  const size_t *dims, onnx_tensor *y)
{
    size_t count = 1;
    void *p;
    if (x->stage != ONNX_QUANTIZED && x->stage != ONNX_LINEAR)
        return onnx_node_fail(node, "its input is not quantized: put a Quant node in front of it");
    if (memcmp(x->dims, dims, rank * sizeof *dims) == 0) return onnx_tensor_copy(t, x, y);
    for (size_t d = 0; d < rank; d++)
        if ((count *= dims[d]) > 65536) return onnx_node_fail(node, "it makes more than 65536 values");
    TRY(mem_create(count, sizeof(uint32_t), "values", &p));
    uint32_t *from = p;
    for (size_t o = 0; o < count; o++) {
        size_t left = o, at = 0, stride = 1;
        for (size_t d = rank; d-- > 0; left /= dims[d], stride *= x->dims[d])
            at += x->dims[d] == 1 ? 0 : left % dims[d] * stride;
        from[o] = (uint32_t)at;
    }
    const annulus_status st = onnx_tensor_choose(t, node, x, from, rank, dims, y);
    mem_free(p);
    return st;
}

/* x times an integer other than 0. */
static annulus_status times(const Onnx__NodeProto *node, int32_t by, onnx_tensor *x)
{
    void *p;
    TRY(mem_create(x->count, sizeof(int32_t), "factors", &p));
    for (size_t o = 0; o < x->count; o++) {
        ((int32_t *)p)[o] = by;
        x->bias[o] *= by;
    }
    const annulus_status st = onnx_tensor_multiply(node, x, p);
    mem_free(p);
    return st;
}

/* y <- y + sign*k */
static annulus_status add_constant(const Onnx__NodeProto *node, const onnx_constant *k, int sign, onnx_tensor *y)
{
    TRY(onnx_tensor_broadcast(node, y, k));
    for (size_t o = 0; o < y->count; o++) y->bias[o] += sign * (double)k->f[onnx_tensor_index(y, k, o)];
    y->stage = ONNX_LINEAR;
    return ANNULUS_OK;
}

/* y, a tensor, <- y + sign*b in the shape that both are broadcast to. */
static annulus_status add_operand(onnx_net *t, const Onnx__NodeProto *node, const onnx_input *b, int sign,
                                  onnx_tensor *y)
{
    if (b->k != NULL) return add_constant(node, b->k, sign, y);
    onnx_tensor copy = {.name = y->name};
    annulus_status st = onnx_tensor_expand(t, node, b->x, y->rank, y->dims, &copy);
    if (st == ANNULUS_OK) st = onnx_tensor_add(t, node, sign, y, &copy);
    onnx_tensor_clear(&copy);
    return st;
}

/* y (rank, dims) <- a - b, of which at least one is a tensor. */
static annulus_status difference(onnx_net *t, const Onnx__NodeProto *node, const onnx_input *a, const onnx_input *b,
                                 size_t rank, const size_t *dims, onnx_tensor *y)
{
    if (a->k == NULL) {
        TRY(onnx_tensor_expand(t, node, a->x, rank, dims, y));
        return add_operand(t, node, b, -1, y);
    }
    TRY(onnx_tensor_expand(t, node, b->x, rank, dims, y));
    TRY(times(node, -1, y));
    return add_operand(t, node, a, 1, y);
}

annulus_status onnx_tensor_shape_of(const Onnx__NodeProto *node, const onnx_input *in, size_t count, size_t *rank,
                                    size_t dims[ONNX_RANK_MAX])
{
    *rank = 0;
    for (size_t i = 0; i < count; i++) {
        if (in[i].k != NULL) continue;
        if (*rank == 0) memcpy(dims, in[i].x->dims, sizeof in[i].x->dims);
        if (*rank == 0) *rank = in[i].x->rank;
        TRY(onnx_tensor_common_shape(node, in[i].x, *rank, dims));
    }
    for (size_t i = 0; i < count; i++)
        if (in[i].k != NULL) onnx_tensor_widen(in[i].k, *rank, dims);
    return ANNULUS_OK;
}

annulus_status onnx_tensor_sum(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    onnx_input in[ONNX_INPUTS_MAX];
    size_t rank = 0, dims[ONNX_RANK_MAX], first = 0;
    for (size_t i = 0; i < node->n_input; i++) TRY(onnx_tensor_operand(t, node, i, &in[i]));
    TRY(onnx_tensor_shape_of(node, in, node->n_input, &rank, dims));
    while (in[first].x != x) first++;
    TRY(onnx_tensor_expand(t, node, x, rank, dims, y));
    for (size_t i = 0; i < node->n_input; i++) {
        if (i == first) continue;
        if (in[i].k != NULL) {
            TRY(add_constant(node, in[i].k, 1, y));
            continue;
        }
        onnx_tensor copy = {.name = y->name};
        annulus_status st = onnx_tensor_expand(t, node, in[i].x, rank, dims, &copy);
        if (st == ANNULUS_OK) st = onnx_tensor_add_near(t, node, 1, y, &copy);
        onnx_tensor_clear(&copy);
        TRY(st);
    }
    return ANNULUS_OK;
}

/* x <- integers: its values over the grid step, which is *grid. */
static annulus_status to_integers(const onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *x, double *grid)
{
    TRY(onnx_tensor_grid(t, node, x, grid));
    for (size_t o = 0; o < x->count; o++) x->scale[o] /= *grid, x->bias[o] /= *grid;
    return ANNULUS_OK;
}

static void range_of(const onnx_tensor *x, double *least, double *most)
{
    *least = INFINITY, *most = -INFINITY;
    for (size_t o = 0; o < x->count; o++) {
        *least = fmin(*least, onnx_tensor_least(x, o));
        *most = fmax(*most, onnx_tensor_most(x, o));
    }
}

static int is_flag(const onnx_tensor *integers)
{
    double least, most;
    range_of(integers, &least, &most);
    return least > -NEAR && most < 1 + NEAR;
}

/* ---- comparisons ------------------------------------------------------------------------------------------------ */

/* Zeros where there is no grid for all: between two multiples of each value's own step. */
static void leave_zero(const onnx_net *t, int strict, onnx_tensor *u)
{
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit;
    if (!network_common_unit(t->n, u->sources, u->sources_count, factors, &unit)) return;
    for (size_t o = 0; o < u->count; o++) {
        const double step = unit * u->scale[o], whole = rint(u->bias[o] / step);
        if (fabs(u->bias[o] / step - whole) <= NEAR) u->bias[o] = (whole + (strict ? -0.5 : 0.5)) * step;
    }
}

annulus_status onnx_tensor_compare(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    const quantizer flags = {.scale = 1, .bits = 1};
    const int equal = node->op_type[0] == 'E', less = node->op_type[0] == 'L';
    const int strict = strstr(node->op_type, "OrEqual") == NULL;
    onnx_input in[2];
    size_t rank = 0, dims[ONNX_RANK_MAX];
    double grid = 0;
    (void)x;
    for (size_t i = 0; i < 2; i++) TRY(onnx_tensor_operand(t, node, i, &in[i]));
    TRY(onnx_tensor_shape_of(node, in, 2, &rank, dims));
    onnx_tensor u = {.name = y->name};
    annulus_status st = difference(t, node, &in[less], &in[1 - less], rank, dims, &u);
    if (st == ANNULUS_OK && equal) st = to_integers(t, node, &u, &grid);
    if (st == ANNULUS_OK && !equal && to_integers(t, node, &u, &grid) == ANNULUS_OK) /* between two integers */
        for (size_t o = 0; o < u.count; o++) u.bias[o] = rint(u.bias[o]) + (strict ? -0.5 : 0.5);
    if (st == ANNULUS_OK && !equal && grid == 0) leave_zero(t, strict, &u);
    if (grid > 0) u.rank = 2, u.dims[0] = 1, u.dims[1] = u.count; /* one table for all */
    if (st == ANNULUS_OK)
        st = onnx_tensor_exact(t, node, &u, equal ? ACTIVATION_NEAR_ZERO : ACTIVATION_STEP, 1, &flags, "compare", y);
    onnx_tensor_clear(&u);
    y->rank = rank;
    memcpy(y->dims, dims, rank * sizeof *dims);
    return st;
}

annulus_status onnx_tensor_cast(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    int64_t to = 0;
    TRY(onnx_node_int(node, "to", 0, &to));
    if (!onnx_is_float(to))
        return onnx_node_fail(node, "a cast to type %lld is not supported: only to floats", (long long)to);
    return onnx_tensor_copy(t, x, y);
}

/* ---- products --------------------------------------------------------------------------------------------------- */

/* The bounds of y from those of its factors. */
static void product_bounds(onnx_tensor *y, const double *a, const double *b)
{
    for (size_t o = 0; o < y->count; o++) {
        const double p[] = {a[2 * o] * b[2 * o], a[2 * o] * b[2 * o + 1], a[2 * o + 1] * b[2 * o],
                            a[2 * o + 1] * b[2 * o + 1]};
        onnx_tensor_bound(y, o, fmin(fmin(p[0], p[1]), fmin(p[2], p[3])), fmax(fmax(p[0], p[1]), fmax(p[2], p[3])));
    }
}

/* y <- c * d * amplitude of integers, c 0 or 1; both are used up. */
static annulus_status masked(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *c, onnx_tensor *d, double amplitude,
                             onnx_tensor *y)
{
    double least, most;
    onnx_tensor more = {.name = y->name};
    range_of(d, &least, &most);
    const double reach = fmax(rint(most - least), 1), base = rint(least);
    if (reach > LINEAR_MAX_WEIGHT || fabs(base) > LINEAR_MAX_WEIGHT)
        return onnx_node_fail(node, "its input takes %.0f values: put a Quant node of fewer bits in front of it",
                              reach);
    annulus_status st = onnx_tensor_copy(t, c, &more);
    if (st == ANNULUS_OK) st = times(node, (int32_t)reach, c);
    if (st == ANNULUS_OK) st = onnx_tensor_add(t, node, 1, d, c);
    for (size_t o = 0; st == ANNULUS_OK && o < d->count; o++) d->bias[o] -= base + reach;
    if (st == ANNULUS_OK) st = onnx_tensor_positive(t, node, d, "product", y);
    for (size_t o = 0; st == ANNULUS_OK && o < y->count; o++) {
        onnx_tensor_bound(y, o, 0, reach);
        y->scale[o] *= amplitude;
        more.scale[o] *= amplitude;
        more.bias[o] *= amplitude;
    }
    more.rank = 1;
    more.dims[0] = more.count;
    if (st == ANNULUS_OK && base != 0) st = times(node, (int32_t)base, &more);
    if (st == ANNULUS_OK && base != 0) st = onnx_tensor_add(t, node, 1, y, &more);
    onnx_tensor_clear(&more);
    return st;
}

#define SQUARES_MOST 32768u /* pairs: two look-ups each */

/* y <- a * b * amplitude of integers, by squares; both are used up. */
static annulus_status by_squares(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *a, onnx_tensor *b,
                                 double amplitude, onnx_tensor *y)
{
    onnx_tensor parts[] = {{.name = y->name}, {.name = y->name}}, both = {.name = y->name}, squares = {.name = y->name},
                behind = {.name = y->name};
    const size_t each = a->count;
    double least, most;
    quantizer q;
    void *p = NULL;
    if (each > SQUARES_MOST)
        return onnx_node_fail(node,
                              "it multiplies %zu pairs of encrypted values, at most %u are possible where no factor is "
                              "0 or 1: cut its inputs into parts by Slice, and join the products",
                              each, SQUARES_MOST);
    annulus_status st = onnx_tensor_copy(t, a, &parts[0]);
    if (st == ANNULUS_OK) st = onnx_tensor_copy(t, b, &parts[1]);
    if (st == ANNULUS_OK) st = onnx_tensor_add(t, node, 1, &parts[0], b);
    if (st == ANNULUS_OK) st = times(node, -1, &parts[1]);
    if (st == ANNULUS_OK) st = onnx_tensor_add(t, node, 1, &parts[1], a);
    if (st == ANNULUS_OK) st = onnx_tensor_stack(t, parts, 2, &both);
    if (st == ANNULUS_OK) range_of(&both, &least, &most);
    if (st == ANNULUS_OK) st = onnx_tensor_counter(node, 4, floor(fmax(least * least, most * most) / 4 + NEAR), &q);
    both.rank = 2; /* two channels */
    both.dims[0] = 2;
    both.dims[1] = each;
    if (st == ANNULUS_OK)
        st = onnx_tensor_exact(t, node, &both, ACTIVATION_QUADRATIC, amplitude / 4, &q, "product", &squares);
    if (st == ANNULUS_OK) st = mem_create(2 * each, sizeof(uint32_t), "values", &p);
    for (size_t o = 0; st == ANNULUS_OK && o < 2 * each; o++) ((uint32_t *)p)[o] = (uint32_t)o;
    if (st == ANNULUS_OK) st = onnx_tensor_choose(t, node, &squares, p, 1, &each, y);
    if (st == ANNULUS_OK) st = onnx_tensor_choose(t, node, &squares, (uint32_t *)p + each, 1, &each, &behind);
    if (st == ANNULUS_OK) st = onnx_tensor_add(t, node, -1, y, &behind);
    onnx_tensor *const all[] = {&parts[0], &parts[1], &both, &squares, &behind};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) onnx_tensor_clear(all[i]);
    mem_free(p);
    return st;
}

/* Real bounds (count,2) of the values of x. */
static void bounds_of(const onnx_tensor *x, double *out)
{
    for (size_t o = 0; o < x->count; o++) out[2 * o] = onnx_tensor_least(x, o), out[2 * o + 1] = onnx_tensor_most(x, o);
}

annulus_status onnx_tensor_product(onnx_net *t, const Onnx__NodeProto *node, onnx_tensor *a, onnx_tensor *b,
                                   onnx_tensor *y)
{
    double of_a, of_b;
    const size_t rank = a->rank;
    size_t dims[ONNX_RANK_MAX];
    void *p;
    memcpy(dims, a->dims, sizeof dims);
    TRY(mem_create(4 * a->count, sizeof(double), "bounds", &p));
    double *ends = p;
    bounds_of(a, ends);
    bounds_of(b, ends + 2 * a->count);
    annulus_status st = to_integers(t, node, a, &of_a);
    if (st == ANNULUS_OK) st = to_integers(t, node, b, &of_b);
    if (st == ANNULUS_OK)
        st = is_flag(a)   ? masked(t, node, a, b, of_a * of_b, y)
             : is_flag(b) ? masked(t, node, b, a, of_a * of_b, y)
                          : by_squares(t, node, a, b, of_a * of_b, y);
    if (st == ANNULUS_OK) product_bounds(y, ends, ends + 2 * y->count);
    mem_free(p);
    y->stage = ONNX_LINEAR;
    y->rank = rank;
    memcpy(y->dims, dims, sizeof dims);
    y->op[0] = 0;
    return st;
}

/* Shape of the product of (..,m,k) and (..,k,n), and how many pairs of values it multiplies. */
static annulus_status matmul_shape(const Onnx__NodeProto *node, const onnx_tensor *a, const onnx_tensor *b,
                                   size_t *dims, size_t *pairs)
{
    const size_t rank = a->rank, inner = a->dims[rank - 1];
    if (rank < 2 || b->rank != rank || b->dims[rank - 2] != inner)
        return onnx_node_fail(node, "its inputs do not fit: matrices of one sample are needed, (m,k) and (k,n)");
    dims[rank - 2] = a->dims[rank - 2];
    dims[rank - 1] = b->dims[rank - 1];
    for (size_t d = 0; d + 2 < rank; d++) {
        dims[d] = a->dims[d] == 1 ? b->dims[d] : a->dims[d];
        if (b->dims[d] != dims[d] && b->dims[d] != 1) return onnx_node_fail(node, "its inputs have different shapes");
    }
    *pairs = inner;
    for (size_t d = 0; d < rank; d++)
        if ((*pairs *= dims[d]) > 65536)
            return onnx_node_fail(node, "it multiplies more than 65536 pairs of encrypted values: cut its inputs into "
                                        "parts by Slice, and join the products");
    return ANNULUS_OK;
}

/* Number of matrix `index` of dims, the last two aside, in x, which is broadcast. */
static size_t matrix_of(const onnx_tensor *x, const size_t *dims, size_t index)
{
    size_t at = 0, step = 1;
    for (size_t d = x->rank - 2; d-- > 0; index /= dims[d], step *= x->dims[d])
        at += x->dims[d] == 1 ? 0 : index % dims[d] * step;
    return at;
}

/* The pairs (count) of each output, one behind the other. */
static void matmul_pairs(const onnx_tensor *a, const onnx_tensor *b, const size_t *dims, size_t count, uint32_t *of_a,
                         uint32_t *of_b)
{
    const size_t m = dims[a->rank - 2], n = dims[a->rank - 1], inner = a->dims[a->rank - 1];
    for (size_t i = 0; i < count; i++) {
        const size_t k = i % inner, o = i / inner, matrix = o / n / m;
        of_a[i] = (uint32_t)((matrix_of(a, dims, matrix) * m + o / n % m) * inner + k);
        of_b[i] = (uint32_t)((matrix_of(b, dims, matrix) * inner + k) * n + o % n);
    }
}

annulus_status onnx_tensor_matmul(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, const onnx_tensor *by,
                                  onnx_tensor *y)
{
    onnx_tensor a = {.name = y->name}, b = {.name = y->name}, products = {.name = y->name};
    size_t dims[ONNX_RANK_MAX], pairs;
    circuit_linear sums = {0};
    void *p;
    TRY(matmul_shape(node, x, by, dims, &pairs));
    TRY(mem_create(2 * pairs, sizeof(uint32_t), "products", &p));
    uint32_t *of_a = p, *of_b = of_a + pairs;
    const size_t inner = x->dims[x->rank - 1];
    matmul_pairs(x, by, dims, pairs, of_a, of_b);
    annulus_status st = onnx_tensor_choose(t, node, x, of_a, 1, &pairs, &a);
    if (st == ANNULUS_OK) st = onnx_tensor_choose(t, node, by, of_b, 1, &pairs, &b);
    if (st == ANNULUS_OK) st = onnx_tensor_product(t, node, &a, &b, &products);
    if (st == ANNULUS_OK)
        st = gather_sums(&(gather_windows){.channels = 1,
                                           .size = {pairs / inner, inner},
                                           .kernel = {1, inner},
                                           .stride = {1, 1},
                                           .dilation = {1, 1}},
                         &sums);
    if (st == ANNULUS_OK)
        st = onnx_tensor_apply(t, node, &products, &sums, x->rank, dims, "products", y);
    else
        linear_clear(&sums);
    onnx_tensor_clear(&a);
    onnx_tensor_clear(&b);
    onnx_tensor_clear(&products);
    mem_free(of_a);
    return st;
}

/* Pow with exponent 2, or Mul of a value with itself: a square for the Quant to come, else of values on a grid. */
annulus_status onnx_tensor_square(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    double grid, least, most;
    quantizer q;
    if (node->op_type[0] == 'P') {
        const onnx_constant *k;
        if (onnx_tensor_find(t, node->input[0]) != x)
            return onnx_node_fail(node, "its exponent must be the constant 2");
        TRY(onnx_node_constant(t->g, node, 1, &k));
        if (k->count != 1 || k->f[0] != 2) return onnx_node_fail(node, "its exponent must be the constant 2");
    }
    onnx_tensor u = {.name = y->name};
    annulus_status st = onnx_tensor_expand(t, node, x, x->rank, x->dims, &u);
    if (st == ANNULUS_OK && onnx_tensor_feeds_quants(t, node)) {
        *y = u;
        y->stage = ONNX_ACTIVATED;
        y->act = ACTIVATION_QUADRATIC;
        y->amplitude = 1;
        return ANNULUS_OK;
    }
    if (st == ANNULUS_OK) st = to_integers(t, node, &u, &grid);
    if (st == ANNULUS_OK) range_of(&u, &least, &most);
    if (st == ANNULUS_OK) st = onnx_tensor_counter(node, 1, fmax(least * least, most * most), &q);
    if (st == ANNULUS_OK) st = onnx_tensor_exact(t, node, &u, ACTIVATION_QUADRATIC, grid * grid, &q, "square", y);
    onnx_tensor_clear(&u);
    return st;
}

/* ---- Where ------------------------------------------------------------------------------------------------------ */

/* y <- c * (a - b) of constants a and b; c is 0 or 1. */
static annulus_status choose_constant(const Onnx__NodeProto *node, const onnx_input *in, onnx_tensor *c)
{
    void *p;
    TRY(onnx_tensor_broadcast(node, c, in[1].k));
    TRY(onnx_tensor_broadcast(node, c, in[2].k));
    TRY(mem_create(c->count, sizeof(int32_t), "signs", &p));
    for (size_t o = 0; o < c->count; o++) {
        const double a = (double)in[1].k->f[onnx_tensor_index(c, in[1].k, o)],
                     b = (double)in[2].k->f[onnx_tensor_index(c, in[2].k, o)];
        if (a != b) c->scale[o] *= fabs(a - b);
        c->bias[o] *= a - b;
        ((int32_t *)p)[o] = (a > b) - (a < b);
    }
    const annulus_status st = onnx_tensor_multiply(node, c, p);
    mem_free(p);
    return st;
}

/* y <- in[2] + c*(in[1] - in[2]); c, integers 0 and 1 in the shape of all, is used up. */
static annulus_status choose(onnx_net *t, const Onnx__NodeProto *node, const onnx_input *in, onnx_tensor *c,
                             onnx_tensor *y)
{
    if (in[1].k != NULL && in[2].k != NULL) {
        TRY(choose_constant(node, in, c));
        *y = *c;
        *c = (onnx_tensor){.name = y->name};
    } else {
        onnx_tensor d = {.name = y->name};
        annulus_status st = difference(t, node, &in[1], &in[2], c->rank, c->dims, &d);
        if (st == ANNULUS_OK) st = onnx_tensor_product(t, node, c, &d, y);
        onnx_tensor_clear(&d);
        TRY(st);
    }
    TRY(add_operand(t, node, &in[2], 1, y));
    y->op[0] = 0;
    return ANNULUS_OK;
}

/* Widens ends (y->count,2) to what the operand, broadcast to y, can be. */
static annulus_status widen(onnx_net *t, const Onnx__NodeProto *node, const onnx_input *in, const onnx_tensor *y,
                            double *ends)
{
    onnx_tensor copy = {.name = y->name};
    annulus_status st = ANNULUS_OK;
    if (in->k == NULL) st = onnx_tensor_expand(t, node, in->x, y->rank, y->dims, &copy);
    for (size_t o = 0; st == ANNULUS_OK && o < y->count; o++) {
        const double k = in->k == NULL ? 0 : (double)in->k->f[onnx_tensor_index(y, in->k, o)];
        ends[2 * o] = fmin(ends[2 * o], in->k == NULL ? onnx_tensor_least(&copy, o) : k);
        ends[2 * o + 1] = fmax(ends[2 * o + 1], in->k == NULL ? onnx_tensor_most(&copy, o) : k);
    }
    onnx_tensor_clear(&copy);
    return st;
}

annulus_status onnx_tensor_where(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    onnx_input in[3];
    size_t rank = 0, dims[ONNX_RANK_MAX];
    double grid = 0;
    void *p = NULL;
    (void)x;
    for (size_t i = 0; i < 3; i++) TRY(onnx_tensor_operand(t, node, i, &in[i]));
    if (in[0].k != NULL) return onnx_node_fail(node, "its condition must be a comparison of encrypted values");
    TRY(onnx_tensor_shape_of(node, in, 3, &rank, dims));
    onnx_tensor c = {.name = y->name};
    annulus_status st = onnx_tensor_expand(t, node, in[0].x, rank, dims, &c);
    if (st == ANNULUS_OK) st = to_integers(t, node, &c, &grid);
    if (st == ANNULUS_OK && (!is_flag(&c) || fabs(grid - 1) > NEAR))
        st = onnx_node_fail(node, "its condition must be a comparison, 0 or 1");
    if (st == ANNULUS_OK) st = choose(t, node, in, &c, y);
    onnx_tensor_clear(&c);
    if (st == ANNULUS_OK) st = mem_create(2 * y->count, sizeof(double), "bounds", &p);
    double *ends = p;
    for (size_t o = 0; st == ANNULUS_OK && o < y->count; o++) ends[2 * o] = INFINITY, ends[2 * o + 1] = -INFINITY;
    for (size_t i = 1; st == ANNULUS_OK && i < 3; i++) st = widen(t, node, &in[i], y, ends);
    for (size_t o = 0; st == ANNULUS_OK && o < y->count; o++) onnx_tensor_bound(y, o, ends[2 * o], ends[2 * o + 1]);
    mem_free(p);
    return st;
}

annulus_status onnx_tensor_mul(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    onnx_input in[2];
    size_t rank = 0, dims[ONNX_RANK_MAX];
    for (size_t i = 0; i < 2; i++) TRY(onnx_tensor_operand(t, node, i, &in[i]));
    if (in[0].x == in[1].x) return onnx_tensor_square(t, node, x, y);
    TRY(onnx_tensor_shape_of(node, in, 2, &rank, dims));
    onnx_tensor a = {.name = y->name}, b = {.name = y->name};
    annulus_status st = onnx_tensor_expand(t, node, in[0].x, rank, dims, &a);
    if (st == ANNULUS_OK) st = onnx_tensor_expand(t, node, in[1].x, rank, dims, &b);
    if (st == ANNULUS_OK) st = onnx_tensor_product(t, node, &a, &b, y);
    onnx_tensor_clear(&a);
    onnx_tensor_clear(&b);
    return st;
}

/* Of the scores; what finds it is made when the network is compiled. */
annulus_status onnx_tensor_argmax(onnx_net *t, const Onnx__NodeProto *node, const onnx_tensor *x, onnx_tensor *y)
{
    if (x->stage != ONNX_LINEAR || x->rank != 1)
        return onnx_node_fail(node,
                              "it must stand behind the scores, flattened sums of a linear operator without a Quant");
    TRY(onnx_argmax_parse(t->g, node));
    t->n->argmax = 1;
    return onnx_tensor_copy(t, x, y);
}
