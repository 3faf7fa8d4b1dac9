/* SPDX-License-Identifier: Apache-2.0 */
/* What the reader merges, bit for bit: random graphs whose numbers are multiples of powers of two, so that every sum is
 * exact, are evaluated node by node as they are built. */
#include "onnx_fixture.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "nn/lower.h"
#include "nn/plain.h"
#include "onnx/onnx_model.h"

#include <math.h>

#define SAMPLES 4u
#define MOST 256u

/* A value of the model and what it is in each sample. */
typedef struct value {
    char *name;
    size_t rank, dims[3], count;
    double v[SAMPLES][MOST];
} value;

typedef struct random_graph {
    onnx_builder b;
    uint64_t seed;
    size_t rank, dims[3]; /* of the input */
    float x[SAMPLES][MOST];
} random_graph;

static size_t below(random_graph *g, size_t n)
{
    return (size_t)(test_random(&g->seed) % n);
}

/* 2^k, k from -most to most. */
static double power(random_graph *g, int most)
{
    return ldexp(1, (int)below(g, (size_t)(2 * most + 1)) - most);
}

/* A multiple of 1/16 within [-1, 1]. */
static double number(random_graph *g)
{
    return ((double)below(g, 33) - 16) / 16;
}

static value shaped(char *name, size_t rank, const size_t *dims)
{
    value y = {.name = name, .rank = rank, .count = 1};
    for (size_t d = 0; d < rank; d++) y.count *= y.dims[d] = dims[d];
    assert_true(y.count <= MOST);
    return y;
}

static char *floats(random_graph *g, size_t rank, const size_t *dims, const double *v)
{
    char *name = builder_name(&g->b, "floats", g->b.graph.n_initializer);
    float *f = builder_floats(&g->b, name, rank, dims);
    size_t count = 1;
    for (size_t d = 0; d < rank; d++) count *= dims[d];
    for (size_t i = 0; i < count; i++) {
        f[i] = (float)v[i];
        assert_true((double)f[i] == v[i]);
    }
    return name;
}

static value quantized(random_graph *g, const value *x, double scale, unsigned bits, int is_signed)
{
    const quantizer q = {.scale = scale, .bits = bits, .is_signed = is_signed};
    value y = *x;
    y.name = builder_quant(&g->b, g->b.graph.n_node, x->name, builder_number(&g->b, scale), &q);
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < y.count; i++) y.v[s][i] = quantizer_integer(&q, x->v[s][i]) * scale;
    return y;
}

static value graph_input(random_graph *g, uint64_t seed, size_t rank, const size_t *dims)
{
    *g = (random_graph){.seed = seed, .rank = rank};
    graph_begin(&g->b);
    value x = shaped((char *)(uintptr_t) "x", rank, dims);
    memcpy(g->dims, dims, rank * sizeof *dims);
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < x.count; i++) x.v[s][i] = g->x[s][i] = (float)(4 * number(g));
    return quantized(g, &x, 0.25, 3, 1);
}

/* Weights (rows,taps), a scale for each row, behind a Quant; w <- their values. */
static char *weights(random_graph *g, size_t rank, const size_t *dims, double *w)
{
    const quantizer q = {.scale = 1, .bits = 3, .is_signed = 1};
    const size_t ones[4] = {dims[0], 1, 1, 1};
    double scale[MOST];
    size_t taps = 1;
    for (size_t d = 1; d < rank; d++) taps *= dims[d];
    for (size_t r = 0; r < dims[0]; r++) {
        scale[r] = 0.25 * power(g, 2);
        for (size_t t = 0; t < taps; t++) w[r * taps + t] = ((double)below(g, 7) - 3) * scale[r];
    }
    char *const carrier = floats(g, rank, dims, w);
    return builder_quant(&g->b, g->b.graph.n_node, carrier, floats(g, rank, ones, scale), &q);
}

static value dense(random_graph *g, const value *x, size_t out)
{
    double w[MOST], bias[MOST];
    value y = shaped(NULL, 1, &out);
    for (size_t o = 0; o < out; o++) bias[o] = number(g);
    char *const in[] = {x->name, weights(g, 2, (size_t[]){out, x->count}, w), floats(g, 1, &out, bias)};
    Onnx__NodeProto *node = node_of(&g->b, "Gemm", 3, in);
    builder_int(&g->b, node, "transB", 1);
    y.name = node->output[0];
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t o = 0; o < out; o++) {
            y.v[s][o] = bias[o];
            for (size_t i = 0; i < x->count; i++) y.v[s][o] += w[o * x->count + i] * x->v[s][i];
        }
    return y;
}

/* A kernel of two by two, without padding, of x (channels, height, width). */
static value conv(random_graph *g, const value *x, size_t out)
{
    const size_t in = x->dims[0], H = x->dims[1] - 1, W = x->dims[2] - 1;
    double w[MOST];
    value y = shaped(NULL, 3, (size_t[]){out, H, W});
    char *const inputs[] = {x->name, weights(g, 4, (size_t[]){out, in, 2, 2}, w)};
    y.name = node_of(&g->b, "Conv", 2, inputs)->output[0];
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t o = 0; o < y.count; o++)
            for (size_t k = 0; k < in * 4; k++) {
                const size_t row = o / W % H + k / 2 % 2, column = o % W + k % 2;
                y.v[s][o] += w[o / W / H * in * 4 + k] * x->v[s][(k / 4 * (H + 1) + row) * (W + 1) + column];
            }
    return y;
}

/* Averages of two by two of x (channels, 2*H, 2*W). */
static value average(random_graph *g, const value *x)
{
    const size_t H = x->dims[1] / 2, W = x->dims[2] / 2;
    value y = shaped(NULL, 3, (size_t[]){x->dims[0], H, W});
    Onnx__NodeProto *node = node_of(&g->b, "AveragePool", 1, &x->name);
    builder_ints(&g->b, node, "kernel_shape", (size_t[]){2, 2}, 2);
    builder_ints(&g->b, node, "strides", (size_t[]){2, 2}, 2);
    y.name = node->output[0];
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t o = 0; o < y.count; o++)
            for (size_t k = 0; k < 4; k++)
                y.v[s][o] += x->v[s][((o / W / H) * 2 * H + 2 * (o / W % H) + k / 2) * 2 * W + 2 * (o % W) + k % 2] / 4;
    return y;
}

static value transposed(random_graph *g, const value *x)
{
    value y = shaped(NULL, 3, (size_t[]){x->dims[2], x->dims[0], x->dims[1]});
    Onnx__NodeProto *node = node_of(&g->b, "Transpose", 1, &x->name);
    builder_ints(&g->b, node, "perm", (size_t[]){0, 3, 1, 2}, 4);
    y.name = node->output[0];
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < x->count; i++)
            y.v[s][i % x->dims[2] * (x->count / x->dims[2]) + i / x->dims[2]] = x->v[s][i];
    return y;
}

static value flat(random_graph *g, const value *x)
{
    value y = *x;
    y.name = builder_apply(&g->b, "Flatten", x->name, NULL);
    y.rank = 1;
    y.dims[0] = y.count;
    return y;
}

/* One constant, one for each channel, or one for each value, that x is added to, multiplied with and so on. */
static value affine(random_graph *g, const value *x, int zeros)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};
    const size_t op = below(g, 4), kind = below(g, 3), each = x->count / x->dims[0];
    const int left = op < 3 && below(g, 2) == 0; /* the constant comes first */
    size_t dims[3] = {1, 1, 1};
    double k[MOST];
    value y = *x;
    for (size_t d = 0; d < x->rank; d++) dims[d] = kind == 2 || (kind == 1 && d == 0) ? x->dims[d] : 1;
    for (size_t i = 0; i < x->count; i++) {
        const double sign = below(g, 2) == 0 ? -1 : 1;
        k[i] = op < 2 ? number(g) : zeros && op == 2 && below(g, 4) == 0 ? 0 : sign * power(g, 1);
    }
    char *name = floats(g, x->rank, dims, k);
    y.name = builder_apply(&g->b, ops[op], left ? name : x->name, left ? x->name : name);
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < y.count; i++) {
            const double c = k[kind == 2 ? i : kind == 1 ? i / each : 0], u = x->v[s][i];
            y.v[s][i] = op == 0 ? u + c : op == 1 ? (left ? c - u : u - c) : op == 2 ? u * c : u / c;
        }
    return y;
}

/* With variances that are powers of four, and gains of 0 among them. */
static value normalised(random_graph *g, const value *x)
{
    double k[4][MOST];
    char *in[5] = {x->name};
    value y = *x;
    for (size_t c = 0; c < x->dims[0]; c++) {
        k[0][c] = (below(g, 2) == 0 ? -1 : 1) * (below(g, 4) == 0 ? 0 : power(g, 1));
        k[1][c] = number(g);
        k[2][c] = number(g);
        k[3][c] = power(g, 1);
        k[3][c] *= k[3][c];
    }
    for (size_t i = 0; i < 4; i++) in[i + 1] = floats(g, 1, x->dims, k[i]);
    Onnx__NodeProto *node = node_of(&g->b, "BatchNormalization", 5, in);
    builder_float(&g->b, node, "epsilon", 0);
    y.name = node->output[0];
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < y.count; i++) {
            const size_t c = i / (y.count / y.dims[0]);
            y.v[s][i] = (x->v[s][i] - k[2][c]) / sqrt(k[3][c]) * k[0][c] + k[1][c];
        }
    return y;
}

static value sum(random_graph *g, const value *a, const value *b, int minus)
{
    value y = *a;
    y.name = builder_apply(&g->b, minus ? "Sub" : "Add", a->name, b->name);
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < y.count; i++) y.v[s][i] += minus ? -b->v[s][i] : b->v[s][i];
    return y;
}

/* The network of the model. */
static network *read_graph(random_graph *g, const value *y)
{
    network *n = NULL;
    size_t len;
    const uint8_t *bytes = graph_pack(&g->b, g->rank, g->dims, y->name, &len);
    assert_ok(onnx_model_decode(bytes, len, "random", &n));
    scratch_destroy(&g->b.mem);
    return n;
}

/* It has `layers` layers and gives what the nodes give, to the last bit. */
static void check_network(const random_graph *g, const network *n, const value *y, size_t layers)
{
    double got[MOST];
    assert_int_equal(n->layers_count, layers);
    for (size_t i = 0; i < layers; i++) assert_null(strchr(n->layers[i].op, '~'));
    for (size_t s = 0; s < SAMPLES; s++) {
        assert_ok(network_apply(n, g->x[s], got));
        for (size_t i = 0; i < y->count; i++) assert_true(got[i] == y->v[s][i]);
    }
}

static void check(random_graph *g, const value *y, size_t layers)
{
    network *n = read_graph(g, y);
    check_network(g, n, y, layers);
    network_destroy(n);
}

/* Constants and normalisations behind one layer become its scales, weights and biases, in chains and in graphs. */
static void constants_fold(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_graph g;
        value x = graph_input(&g, seed, seed % 2 ? 3 : 1, seed % 2 ? (size_t[]){2, 4, 3} : (size_t[]){5});
        x = seed % 2 ? conv(&g, &x, 3) : dense(&g, &x, 4);
        for (size_t k = 2 + below(&g, 4); k > 0; k--) {
            if (below(&g, 3) == 0)
                x = normalised(&g, &x);
            else if (seed % 2 || below(&g, 2) == 0)
                x = affine(&g, &x, 1);
        }
        check(&g, &x, 1);
    }
}

/* Two linear operators, and three, become one matrix. */
static void linear_operators_merge(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_graph g;
        value x = graph_input(&g, seed, 3, (size_t[]){2, 4, 4});
        const size_t first = below(&g, 3), second = below(&g, 3);
        x = first == 0 ? transposed(&g, &x) : first == 1 ? average(&g, &x) : conv(&g, &x, 2);
        if (second == 0 && x.dims[1] > 1 && x.dims[2] > 1) x = conv(&g, &x, 2);
        if (second == 1) x = transposed(&g, &x);
        x = flat(&g, &x);
        x = dense(&g, &x, 3);
        if (below(&g, 2) == 0) x = dense(&g, &x, 2);
        check(&g, &x, 1);
    }
}

/* Branches of other scales are added, and channels of several go into one sum. */
static void scales_merge(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_graph g;
        const value in = graph_input(&g, seed, 3, (size_t[]){2, 3, 3});
        value x = conv(&g, &in, 3);
        for (size_t k = 1 + below(&g, 3); k > 0; k--) {
            value other = conv(&g, &in, 3);
            if (below(&g, 2) == 0) other = affine(&g, &other, 0);
            x = sum(&g, &x, &other, below(&g, 2) == 0);
        }
        if (below(&g, 2) == 0) x = normalised(&g, &x);
        if (below(&g, 2) == 0) x = conv(&g, &x, 2);
        check(&g, &x, 1);
    }
}

/* A channel that is 0 has the scale of the others, 67/64 times as large as its own was: nothing is rounded. */
static void zeros_merge(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        random_graph g;
        const value in = graph_input(&g, seed, 3, (size_t[]){2, 4, 4});
        value x = conv(&g, &in, 3);
        double k[] = {67.0 / 64, 67.0 / 64, 67.0 / 64};
        k[seed % 3] = 0;
        x.name = builder_apply(&g.b, "Mul", x.name, floats(&g, 3, (size_t[]){3, 1, 1}, k));
        for (size_t s = 0; s < SAMPLES; s++)
            for (size_t i = 0; i < x.count; i++) x.v[s][i] *= k[i / (x.count / 3)];
        x = conv(&g, &x, 2);
        check(&g, &x, 1);
    }
}

/* A slope below 0: one number, one for each channel, or one for each value. */
static value slopes(random_graph *g, const value *x)
{
    const size_t kind = below(g, 3), each = x->count / x->dims[0];
    size_t dims[3] = {1, 1, 1};
    double k[MOST];
    value y = *x;
    for (size_t d = 0; d < x->rank; d++) dims[d] = kind == 2 || (kind == 1 && d == 0) ? x->dims[d] : 1;
    for (size_t i = 0; i < x->count; i++) k[i] = number(g);
    y.name = builder_apply(&g->b, "PRelu", x->name, floats(g, x->rank, dims, k));
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < y.count; i++)
            if (x->v[s][i] < 0) y.v[s][i] *= k[kind == 2 ? i : kind == 1 ? i / each : 0];
    return y;
}

static value positive(random_graph *g, const value *x)
{
    value y = *x;
    y.name = builder_apply(&g->b, "Relu", x->name, NULL);
    for (size_t s = 0; s < SAMPLES; s++)
        for (size_t i = 0; i < y.count; i++) y.v[s][i] = fmax(x->v[s][i], 0);
    return y;
}

/* Written and read again it has the same functions and constants. Returns whether it is written in the same bytes then:
 * constants that differ within a channel make a convolution another one, or none that files hold. */
static int written(const random_graph *g, const network *n, const value *y)
{
    const size_t size[3] = {g->dims[0], g->rank == 3 ? g->dims[1] : 0, g->rank == 3 ? g->dims[2] : 0};
    network *plain = NULL, *again = NULL, *plain_again = NULL;
    uint8_t *bytes[2] = {NULL, NULL};
    size_t len[2];
    int same = 0;
    assert_ok(network_plain(n, size, &plain));
    const annulus_status st = onnx_model_encode(plain, &bytes[0], &len[0]);
    if (st != ANNULUS_OK) assert_refused(st, "neither dense nor a convolution");
    if (st == ANNULUS_OK) {
        assert_ok(onnx_model_decode(bytes[0], len[0], "written", &again));
        check_network(g, again, y, n->layers_count);
        const dense_layer *a = &n->layers[0], *b = &again->layers[0];
        assert_true(a->act == b->act && a->own.vary == b->own.vary && a->own.count == b->own.count);
        if (a->vary != NULL) assert_memory_equal(a->vary, b->vary, a->own.vary * a->out * sizeof *a->vary);
        assert_ok(network_plain(again, size, &plain_again));
        assert_ok(onnx_model_encode(plain_again, &bytes[1], &len[1]));
        same = len[0] == len[1] && memcmp(bytes[0], bytes[1], len[0]) == 0;
        assert_true(same || (g->rank == 3 && plain->layers[0].windows.kernel[0] != 2));
    }
    mem_free(bytes[0]), mem_free(bytes[1]);
    network_destroy(plain), network_destroy(again), network_destroy(plain_again);
    return same;
}

/* The clear circuit has its scores. */
static void check_circuit(const random_graph *g, const network *n, const value *y)
{
    circuit *c = NULL;
    lower_options o;
    float x[SAMPLES * MOST];
    int32_t q[SAMPLES * MOST];
    double sums[SAMPLES * MOST], got[MOST];
    for (size_t s = 0; s < SAMPLES; s++) memcpy(x + s * n->inputs, g->x[s], n->inputs * sizeof *x);
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 0, o.log2_error = -1, o.families_most = 1;
    assert_ok(network_lower(n, x, SAMPLES, &o, &c));
    for (size_t s = 0; s < SAMPLES; s++) assert_ok(circuit_quantize(c, g->x[s], 1, q + s * n->inputs));
    assert_ok(exec_clear(c, q, SAMPLES, 1, sums, NULL));
    for (size_t s = 0; s < SAMPLES; s++) {
        exec_values(c, sums + s * y->count, got);
        for (size_t i = 0; i < y->count; i++) assert_true(got[i] == y->v[s][i]);
    }
    circuit_destroy(c);
}

/* Functions of each channel's or value's own: what stands up to the Quant is one layer, in chains and in graphs. */
static void functions_vary(void **state)
{
    (void)state;
    size_t varied = 0, files = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_graph g;
        value x = graph_input(&g, seed, seed % 2 ? 3 : 1, seed % 2 ? (size_t[]){2, 4, 3} : (size_t[]){5});
        x = seed % 2 ? conv(&g, &x, 3) : dense(&g, &x, 4);
        for (size_t k = 1 + below(&g, 4); k > 0; k--) {
            const size_t kind = below(&g, 4);
            x = kind == 0   ? normalised(&g, &x)
                : kind == 1 ? affine(&g, &x, 1)
                : kind == 2 ? slopes(&g, &x)
                            : positive(&g, &x);
        }
        x = slopes(&g, &x);
        if (seed % 4 == 1) x = flat(&g, &x);
        x = below(&g, 2) == 0 ? normalised(&g, &x) : affine(&g, &x, 1);
        x = quantized(&g, &x, 0.25 * power(&g, 1), 4, 1);
        if (seed % 4 == 3) x = flat(&g, &x);
        x = dense(&g, &x, 3);
        network *n = read_graph(&g, &x);
        const dense_layer *l = &n->layers[0];
        check_network(&g, n, &x, 2);
        const int same = written(&g, n, &x);
        varied += l->vary != NULL, files += same && l->vary != NULL;
        if (seed % 3 == 0) check_circuit(&g, n, &x);
        network_destroy(n);
    }
    assert_true(varied > 150 && files > 100);
}

/* All of it, with quantized values between. */
static void graphs(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        random_graph g;
        const value in = graph_input(&g, seed, 3, (size_t[]){2, 4, 4});
        value a = conv(&g, &in, 2), b = conv(&g, &in, 2);
        a = normalised(&g, &a);
        b = affine(&g, &b, 1);
        b = quantized(&g, &b, 0.25 * power(&g, 1), 3, 1);
        a = sum(&g, &a, &b, below(&g, 2) == 0);
        a = quantized(&g, &a, 0.25 * power(&g, 1), 4, 1);
        if (below(&g, 2) == 0) a = sum(&g, &a, &b, 1);
        a = below(&g, 2) == 0 ? conv(&g, &a, 2) : transposed(&g, &a);
        a = flat(&g, &a);
        a = dense(&g, &a, 3);
        a = affine(&g, &a, 1);
        check(&g, &a, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(constants_fold), cmocka_unit_test(linear_operators_merge),
                                       cmocka_unit_test(scales_merge),   cmocka_unit_test(zeros_merge),
                                       cmocka_unit_test(functions_vary), cmocka_unit_test(graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
