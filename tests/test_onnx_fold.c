/* SPDX-License-Identifier: Apache-2.0 */
#include "onnx_fixture.h"

#include <math.h>

#define LIST(...)                                                                                                      \
    (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[])                                                  \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define DIMS(...)                                                                                                      \
    (sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t)), (size_t[])                                                     \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

/* What the newest node makes of constants; the graph lives until fold_end. */
typedef struct folding {
    onnx_builder b;
    onnx_graph g;
} folding;

static void fold_begin(folding *f)
{
    *f = (folding){.g = {0}};
    graph_begin(&f->b);
}

static annulus_status fold(folding *f, const onnx_constant **out)
{
    Onnx__NodeProto *node = f->b.graph.node[f->b.graph.n_node - 1];
    onnx_graph_clear(&f->g);
    assert_ok(onnx_graph_init(&f->g, &f->b.graph, 1000));
    const onnx_operator *op = onnx_operator_find(node);
    assert_non_null(op);
    assert_non_null(op->fold);
    TRY(op->fold(&f->g, node));
    return onnx_graph_find(&f->g, node->output[0], out);
}

static void fold_end(folding *f)
{
    onnx_graph_clear(&f->g);
    scratch_destroy(&f->b.mem);
}

static void assert_dims(const onnx_constant *c, size_t rank, const size_t *dims)
{
    assert_int_equal(c->rank, rank);
    for (size_t d = 0; d < rank; d++) assert_int_equal(c->dims[d], dims[d]);
}

static Onnx__NodeProto *add(folding *f, const char *op, char *a, char *b)
{
    char *const in[] = {a, b};
    return node_of(&f->b, op, b == NULL ? 1 : 2, in);
}

/* Every permutation of every shape of up to 4 dimensions of 1 to 3. */
static void transposes(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t trial = 0; trial < 300; trial++) {
        folding f;
        const onnx_constant *y;
        size_t dims[4], perm[4], rank = 1 + test_random(&seed) % 4;
        fold_begin(&f);
        for (size_t d = 0; d < rank; d++) dims[d] = 1 + test_random(&seed) % 3, perm[d] = d;
        for (size_t d = rank; d-- > 1;) {
            const size_t e = test_random(&seed) % (d + 1), kept = perm[d];
            perm[d] = perm[e];
            perm[e] = kept;
        }
        builder_ints(&f.b, add(&f, "Transpose", counted(&f.b, 0, rank, dims), NULL), "perm", perm, rank);
        assert_ok(fold(&f, &y));
        for (size_t o = 0; o < y->count; o++) {
            size_t at[4], left = o, from = 0;
            for (size_t d = rank; d-- > 0; left /= y->dims[d]) at[perm[d]] = left % y->dims[d];
            for (size_t d = 0; d < rank; d++) from = from * dims[d] + at[d];
            assert_true(y->f[o] == (float)from);
        }
        fold_end(&f);
    }
}

/* Slices against a walk from start to end, of all kinds of ends. */
static void slices(void **state)
{
    (void)state;
    static const int64_t far[] = {INT64_MIN, INT64_MIN + 1, INT32_MIN, INT32_MAX, INT64_MAX};
    uint64_t seed = 2;
    size_t kept = 0;
    for (size_t trial = 0; trial < 3000; trial++) {
        folding f;
        const onnx_constant *y;
        const int64_t size = 1 + (int64_t)(test_random(&seed) % 6);
        int64_t v[3];
        for (size_t i = 0; i < 3; i++)
            v[i] = test_random(&seed) % 6 == 0 ? far[test_random(&seed) % 5] : (int64_t)(test_random(&seed) % 17) - 8;
        fold_begin(&f);
        char *const in[] = {counted(&f.b, 0, DIMS((size_t)size, 2)), integers(&f.b, 1, &v[0]), integers(&f.b, 1, &v[1]),
                            integers(&f.b, LIST(0)), integers(&f.b, 1, &v[2])};
        (void)node_of(&f.b, "Slice", 5, in);
        double start = (double)v[0], end = (double)v[1];
        const double step = (double)v[2], most = step < 0 ? (double)size - 1 : (double)size;
        start = fmin(fmax(start < 0 ? start + (double)size : start, step < 0 ? -1 : 0), most);
        end = fmin(fmax(end < 0 ? end + (double)size : end, step < 0 ? -1 : 0), most);
        size_t count = 0;
        for (double at = start; step != 0 && (step > 0 ? at < end : at > end); at += step) count++;
        const annulus_status st = fold(&f, &y);
        assert_true((st == ANNULUS_OK) == (count > 0));
        if (st == ANNULUS_OK) {
            assert_dims(y, DIMS(count, 2));
            for (size_t i = 0; i < count; i++) assert_true(y->f[2 * i] == 2 * (float)(start + (double)i * step));
            kept++;
        }
        fold_end(&f);
    }
    assert_true(kept > 500 && kept < 2500);
}

static void broadcasting(void **state)
{
    (void)state;
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Pow"};
    uint64_t seed = 3;
    for (size_t trial = 0; trial < 200; trial++) {
        folding f;
        const onnx_constant *y;
        size_t dims[2][3];
        for (size_t d = 0; d < 3; d++) {
            dims[0][d] = dims[1][d] = 1 + test_random(&seed) % 3;
            if (test_random(&seed) % 3 == 0) dims[test_random(&seed) % 2][d] = 1;
        }
        const size_t drop = test_random(&seed) % 3, op = trial % 5; /* leading dimensions that one has not */
        fold_begin(&f);
        char *a = counted(&f.b, 0, 3, dims[0]), *b = counted(&f.b, op >= 3, 3 - drop, dims[1] + drop);
        (void)add(&f, ops[op], a, b);
        assert_ok(fold(&f, &y));
        for (size_t o = 0; o < y->count; o++) {
            size_t at[3], p = 0, q = 0, left = o;
            for (size_t d = 3; d-- > 0; left /= y->dims[d]) at[d] = left % y->dims[d];
            for (size_t d = 0; d < 3; d++) p = p * dims[0][d] + (dims[0][d] == 1 ? 0 : at[d]);
            for (size_t d = drop; d < 3; d++) q = q * dims[1][d] + (dims[1][d] == 1 ? 0 : at[d]);
            const double u = (double)p, v = (double)q + (op >= 3);
            const double want[] = {u + v, u - v, u * v, u / v, pow(u, v)};
            assert_true(y->f[o] == (float)want[op]);
        }
        fold_end(&f);
    }
}

static void expect(char *const *in, size_t count, folding *f, const char *op, size_t dims_count, const size_t *dims,
                   const float *values)
{
    const onnx_constant *y;
    (void)node_of(&f->b, op, count, in);
    assert_ok(fold(f, &y));
    assert_dims(y, dims_count, dims);
    for (size_t o = 0; o < y->count; o++) {
        assert_true(y->f[o] == values[o]);
        assert_true(y->i == NULL || y->i[o] == (int64_t)values[o]);
    }
}

static void known_results(void **state)
{
    (void)state;
    folding f;
    const onnx_constant *y;
    fold_begin(&f);
    char *m = counted(&f.b, 0, DIMS(2, 3)), *whole = integers(&f.b, LIST(-7, 2, 3));
    const float six[] = {0, 1, 2, 3, 4, 5};
    expect((char *[]){m, integers(&f.b, LIST(0, -1, 1))}, 2, &f, "Reshape", DIMS(2, 3, 1), six);
    expect((char *[]){m, integers(&f.b, LIST(-1, 0))}, 2, &f, "Unsqueeze", DIMS(1, 2, 3, 1), six);
    expect((char *[]){m}, 1, &f, "Flatten", DIMS(2, 3), six);
    expect((char *[]){m}, 1, &f, "Shape", DIMS(2), (float[]){2, 3});
    expect((char *[]){m}, 1, &f, "Identity", DIMS(2, 3), six);
    m = counted(&f.b, 0, DIMS(3, 2));
    expect((char *[]){m, integers(&f.b, LIST(2, -3))}, 2, &f, "Gather", DIMS(2, 2), (float[]){4, 5, 0, 1});
    expect((char *[]){whole, integers(&f.b, LIST(2))}, 2, &f, "Div", DIMS(3), (float[]){-3, 1, 1});
    expect((char *[]){whole, integers(&f.b, LIST(2))}, 2, &f, "Pow", DIMS(3), (float[]){49, 4, 9});
    expect((char *[]){whole}, 1, &f, "Neg", DIMS(3), (float[]){7, -2, -3});
    expect((char *[]){builder_number(&f.b, 2.25)}, 1, &f, "Sqrt", 0, NULL, (float[]){1.5});
    expect((char *[]){integers(&f.b, LIST(2, 1))}, 1, &f, "ConstantOfShape", DIMS(2, 1), (float[]){0, 0});
    builder_int(&f.b, add(&f, "Cast", builder_number(&f.b, -2.75), NULL), "to", 7);
    assert_ok(fold(&f, &y));
    assert_true(y->i != NULL && y->i[0] == -2 && y->f[0] == -2);
    builder_int(&f.b, add(&f, "Cast", integers(&f.b, LIST(INT64_MAX, INT64_MIN)), NULL), "to", 7);
    assert_ok(fold(&f, &y));
    assert_true(y->i[0] == INT64_MAX && y->i[1] == INT64_MIN);
    builder_int(&f.b, add(&f, "Cast", integers(&f.b, LIST(INT32_MAX, INT32_MIN)), NULL), "to", 6);
    assert_ok(fold(&f, &y));
    assert_true(y->i[0] == INT32_MAX && y->i[1] == INT32_MIN);
    builder_int(&f.b, add(&f, "Concat", whole, whole), "axis", -1);
    assert_ok(fold(&f, &y));
    assert_dims(y, DIMS(6));
    assert_true(y->i[3] == -7 && y->i[5] == 3);
    m = counted(&f.b, 0, DIMS(2, 3));
    expect((char *[]){m, m}, 2, &f, "Concat", DIMS(2, 6), (float[]){0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5});
    fold_end(&f);
}

static void refuse(char *const *in, size_t count, folding *f, const char *op, const char *text)
{
    const onnx_constant *y;
    (void)node_of(&f->b, op, count, in);
    assert_refused(fold(f, &y), text);
}

static void hostile_shapes(void **state)
{
    (void)state;
    folding f;
    const onnx_constant *y;
    const int64_t far = (int64_t)1 << 62;
    fold_begin(&f);
    char *m = counted(&f.b, 0, DIMS(2, 3)), *axis = integers(&f.b, LIST(0)), *number = builder_number(&f.b, 2);
    char *row = counted(&f.b, 0, DIMS(1, 60000)), *column = counted(&f.b, 0, DIMS(60000, 1));
    refuse((char *[]){m, integers(&f.b, LIST(far, 4))}, 2, &f, "Reshape", "must keep them");
    refuse((char *[]){m, integers(&f.b, LIST(-1, -1))}, 2, &f, "Reshape", "must keep them");
    refuse((char *[]){m, integers(&f.b, LIST(4, -1))}, 2, &f, "Reshape", "must keep them");
    refuse((char *[]){m, integers(&f.b, LIST(2, 3, 0))}, 2, &f, "Reshape", "must keep them");
    refuse((char *[]){m, integers(&f.b, LIST(INT64_MIN))}, 2, &f, "Reshape", "must keep them");
    refuse((char *[]){m, number}, 2, &f, "Reshape", "must keep them");
    refuse((char *[]){m, integers(&f.b, LIST(0))}, 2, &f, "Squeeze", "not of size 1");
    refuse((char *[]){m, integers(&f.b, LIST(3, 3))}, 2, &f, "Unsqueeze", "named twice");
    refuse((char *[]){m, integers(&f.b, LIST(0, 1, 2, 3, 4, 5, 6))}, 2, &f, "Unsqueeze", "1 to 6 are possible");
    refuse((char *[]){m, integers(&f.b, LIST(INT64_MIN))}, 2, &f, "Unsqueeze", "is not there");
    refuse((char *[]){m, integers(&f.b, LIST(2))}, 2, &f, "Gather", "is not there");
    refuse((char *[]){m, integers(&f.b, LIST(INT64_MIN))}, 2, &f, "Gather", "is not there");
    refuse((char *[]){integers(&f.b, LIST(far, far))}, 1, &f, "ConstantOfShape", "more values than memory holds");
    refuse((char *[]){integers(&f.b, LIST(far))}, 1, &f, "ConstantOfShape", "far more memory than its file");
    refuse((char *[]){integers(&f.b, LIST(3, 0))}, 1, &f, "ConstantOfShape", "dimension 1 is 0");
    refuse((char *[]){row, column}, 2, &f, "Add", "far more memory than its file");
    refuse((char *[]){m, row}, 2, &f, "Mul", "do not fit");
    refuse((char *[]){m, axis}, 2, &f, "Add", "an integer and a float");
    refuse((char *[]){axis, axis}, 2, &f, "Div", "no integer of 64 bits");
    refuse((char *[]){integers(&f.b, LIST(10)), integers(&f.b, LIST(far))}, 2, &f, "Pow", "no integer of 64 bits");
    refuse((char *[]){integers(&f.b, LIST(INT64_MIN))}, 1, &f, "Neg", "no integer of 64 bits");
    refuse((char *[]){number, builder_number(&f.b, 0)}, 2, &f, "Div", "not a finite number");
    refuse((char *[]){builder_number(&f.b, -1)}, 1, &f, "Sqrt", "not a finite number");
    builder_ints(&f.b, add(&f, "Transpose", m, NULL), "perm", (size_t[]){1, 1}, 2);
    assert_refused(fold(&f, &y), "each axis once");
    builder_int(&f.b, add(&f, "Concat", m, row), "axis", 0);
    assert_refused(fold(&f, &y), "another shape or type");
    builder_int(&f.b, add(&f, "Concat", m, m), "axis", 2);
    assert_refused(fold(&f, &y), "is not there");
    builder_int(&f.b, add(&f, "Cast", m, NULL), "to", 9);
    assert_refused(fold(&f, &y), "a cast of a constant to type 9");
    builder_int(&f.b, add(&f, "Cast", builder_number(&f.b, 3e9), NULL), "to", 6);
    assert_refused(fold(&f, &y), "is no such integer");
    builder_int(&f.b, add(&f, "Cast", builder_number(&f.b, 0x1p63), NULL), "to", 7);
    assert_refused(fold(&f, &y), "is no such integer");
    for (int64_t sign = -1; sign <= 1; sign += 2) {
        const int64_t beyond = sign * ((int64_t)INT32_MAX + (sign > 0 ? 1 : 2));
        builder_int(&f.b, add(&f, "Cast", integers(&f.b, 1, &beyond), NULL), "to", 6);
        assert_refused(fold(&f, &y), "is no such integer");
    }
    builder_int(&f.b, add(&f, "Shape", m, NULL), "start", 5);
    assert_refused(fold(&f, &y), "gives no number");
    fold_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(transposes), cmocka_unit_test(slices),
                                       cmocka_unit_test(broadcasting), cmocka_unit_test(known_results),
                                       cmocka_unit_test(hostile_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
