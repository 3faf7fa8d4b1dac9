/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "nn/gather.h"
#include <stdlib.h>
#include <string.h>

static size_t below(uint64_t *seed, size_t most) /* 1 to most */
{
    return 1 + (size_t)(test_random(seed) % most);
}

/* y (out) <- l x */
static void apply(const circuit_linear *l, const uint64_t *x, size_t in, uint64_t *y, size_t out)
{
    const linear_rows rows = {.x = x, .count = in};
    void *room = malloc(linear_room(l));
    memset(y, 0, out * sizeof *y);
    linear_add(l, &rows, 1, 1, y, 1, 0, 1, room);
    free(room);
}

static void random_values(uint64_t *seed, uint64_t *x, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = test_random(seed) % 101 - 50;
}

static void random_weights(uint64_t *seed, int32_t *W, size_t count)
{
    for (size_t i = 0; i < count; i++) W[i] = (int32_t)(test_random(seed) % 15) - 7;
}

/* Windows that fit. */
static gather_windows random_windows(uint64_t *seed, size_t channels, size_t most)
{
    for (;;) {
        gather_windows g = {.channels = channels};
        size_t count[2];
        for (size_t d = 0; d < 2; d++) {
            g.size[d] = below(seed, most), g.kernel[d] = below(seed, 3), g.stride[d] = below(seed, 3);
            g.dilation[d] = below(seed, 2), g.pad[d] = below(seed, 3) - 1, g.pad[d + 2] = below(seed, 3) - 1;
        }
        if (test_random(seed) % 4 == 0) g.size[0] = g.kernel[0] = 1, g.pad[0] = g.pad[2] = 0; /* one dimension */
        if (gather_count(&g, count) == ANNULUS_OK) return g;
    }
}

/* Value of the padded tensor. */
static int64_t padded(const gather_windows *g, const uint64_t *x, size_t c, size_t y, size_t z)
{
    const int64_t i = (int64_t)y - (int64_t)g->pad[0], j = (int64_t)z - (int64_t)g->pad[1];
    if (i < 0 || j < 0 || i >= (int64_t)g->size[0] || j >= (int64_t)g->size[1]) return 0;
    return (int64_t)x[(c * g->size[0] + (size_t)i) * g->size[1] + (size_t)j];
}

/* Against the definition of ONNX' Conv. */
static void test_convolution(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t run = 0; run < 300; run++) {
        const size_t groups = below(&seed, 3), C = groups * below(&seed, 3), R = groups * below(&seed, 3);
        const gather_windows g = random_windows(&seed, C, 6);
        size_t n[2];
        assert_ok(gather_count(&g, n));
        const size_t in = C * g.size[0] * g.size[1], out = R * n[0] * n[1], part = C / groups;
        const size_t taps = part * g.kernel[0] * g.kernel[1];
        int32_t *W = malloc(R * taps * sizeof *W);
        uint64_t *x = malloc(in * 8), *y = malloc(out * 8);
        circuit_linear l = {0};
        random_weights(&seed, W, R * taps);
        random_values(&seed, x, in);
        assert_ok(gather_convolution(&g, W, R, groups, &l));
        assert_ok(linear_check(&l, in, out));
        apply(&l, x, in, y, out);
        for (size_t r = 0; r < R; r++)
            for (size_t i = 0; i < n[0]; i++)
                for (size_t j = 0; j < n[1]; j++) {
                    int64_t sum = 0;
                    for (size_t c = 0; c < part; c++)
                        for (size_t a = 0; a < g.kernel[0]; a++)
                            for (size_t b = 0; b < g.kernel[1]; b++)
                                sum += W[((r * part + c) * g.kernel[0] + a) * g.kernel[1] + b] *
                                       padded(&g, x, r / (R / groups) * part + c, i * g.stride[0] + a * g.dilation[0],
                                              j * g.stride[1] + b * g.dilation[1]);
                    assert_int_equal((int64_t)y[(r * n[0] + i) * n[1] + j], sum);
                }
        linear_clear(&l);
        free(W), free(x), free(y);
    }
}

/* Sums are the convolution of each channel with ones; a choice moves values. */
static void test_sums_and_choice(void **state)
{
    (void)state;
    uint64_t seed = 2, x[3 * 36], got[3 * 81], want[3 * 81];
    int32_t ones[3 * 9];
    for (size_t i = 0; i < 27; i++) ones[i] = 1;
    for (size_t run = 0; run < 50; run++) {
        const gather_windows g = random_windows(&seed, 3, 6);
        size_t n[2];
        assert_ok(gather_count(&g, n));
        const size_t in = 3 * g.size[0] * g.size[1], out = 3 * n[0] * n[1];
        circuit_linear sums = {0}, convolution = {0};
        random_values(&seed, x, in);
        assert_ok(gather_sums(&g, &sums));
        assert_ok(gather_convolution(&g, ones, 3, 3, &convolution));
        apply(&sums, x, in, got, out);
        apply(&convolution, x, in, want, out);
        assert_memory_equal(want, got, out * 8);
        linear_clear(&sums), linear_clear(&convolution);
    }
    const uint32_t from[] = {4, LINEAR_NOTHING, 4, 0};
    circuit_linear choice = {0};
    assert_ok(gather_choice(from, 4, -3, &choice));
    apply(&choice, x, 5, got, 4);
    assert_true(got[0] == 0 - 3 * x[4] && got[1] == 0 && got[2] == got[0] && got[3] == 0 - 3 * x[0]);
    linear_clear(&choice);
}

/* Any two operations one after the other, with values that nothing makes in the middle. */
static void test_compose(void **state)
{
    (void)state;
    uint64_t seed = 3, x[4 * 36], middle[512], want[4096], got[4096];
    size_t blocks = 0;
    for (size_t run = 0; run < 300; run++) {
        const gather_windows g = random_windows(&seed, 2, 6);
        size_t n[2], m[2];
        int32_t W[6 * 6 * 9];
        circuit_linear inner = {0}, outer = {0}, both = {0};
        random_weights(&seed, W, sizeof W / sizeof *W);
        assert_ok(gather_count(&g, n));
        const size_t in = 2 * g.size[0] * g.size[1], half = 2 * n[0] * n[1], width = 2 * half;
        if (test_random(&seed) % 2) {
            assert_ok(gather_sums(&g, &inner)); /* the second half of the middle is not made */
        } else {
            assert_ok(gather_convolution(&g, W, 4, 2, &inner));
        }
        gather_windows h = {.channels = 4,
                            .size = {n[0], n[1]},
                            .kernel = {below(&seed, n[0]), below(&seed, n[1])},
                            .stride = {below(&seed, 2), below(&seed, 2)},
                            .dilation = {1, 1}};
        h.pad[1] = h.pad[2] = test_random(&seed) % 2;
        assert_ok(gather_count(&h, m));
        if (h.kernel[0] * h.kernel[1] > 9) h.kernel[0] = h.kernel[1] = 1;
        assert_ok(gather_count(&h, m));
        size_t out = 6 * m[0] * m[1];
        if (run % 4 == 0) { /* of any values: places differ in what makes theirs */
            uint32_t from[64];
            out = below(&seed, 64);
            for (size_t i = 0; i < out; i++) from[i] = (uint32_t)(test_random(&seed) % width);
            assert_ok(gather_choice(from, out, 3, &outer));
        } else
            assert_ok(gather_convolution(&h, W, 6, test_random(&seed) % 2 ? 2 : 1, &outer));
        random_values(&seed, x, in);
        apply(&inner, x, in, middle, width);
        apply(&outer, middle, width, want, out);
        assert_ok(gather_compose(&outer, &inner, width, &both));
        assert_ok(linear_check(&both, in, out));
        apply(&both, x, in, got, out);
        assert_memory_equal(want, got, out * 8);
        blocks += both.blocks_count;
        linear_clear(&inner), linear_clear(&outer), linear_clear(&both);
    }
    assert_true(blocks < 1000); /* places stay together */
}

/* Rows of a view are the coefficients: taps on one input are added up. */
static void test_view(void **state)
{
    (void)state;
    uint64_t seed = 4, y[40];
    circuit_linear a = {0}, b = {0}, l = {0};
    int32_t W[2 * 9];
    const gather_windows g = {
        .channels = 1, .size = {4, 5}, .kernel = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}, .pad = {1, 1, 1, 1}};
    uint32_t same[40];
    linear_view *view = NULL;
    double norm[40];
    for (uint32_t i = 0; i < 40; i++) same[i] = i % 20;
    random_weights(&seed, W, 18);
    assert_ok(gather_convolution(&g, W, 2, 1, &a));
    assert_ok(gather_choice(same, 40, -W[4], &b)); /* cancels the middle of the first kernel */
    assert_ok(gather_join(&a, &b, &l));
    assert_ok(linear_view_create(&l, 20, 40, &view));
    assert_ok(linear_norms(&l, 20, 40, norm));
    for (size_t o = 0; o < 40; o++) {
        const uint32_t *input;
        const int64_t *weight;
        double square = 0;
        int64_t row[20] = {0};
        const size_t count = linear_view_row(view, o, &input, &weight);
        for (size_t k = 0; k < count; k++) {
            assert_true(weight[k] != 0 && row[input[k]] == 0);
            row[input[k]] = weight[k];
        }
        for (size_t i = 0; i < 20; i++) {
            uint64_t x[20] = {0};
            x[i] = 1;
            apply(&l, x, 20, y, 40);
            assert_int_equal((int64_t)y[o], row[i]);
            square += (double)row[i] * (double)row[i];
        }
        assert_true(norm[o] * norm[o] < square + 1e-9 && norm[o] * norm[o] > square - 1e-9);
        if (o < 20) assert_int_equal(row[o], 0);
    }
    linear_view_destroy(view);
    linear_clear(&l);
}

static void test_refusals(void **state)
{
    (void)state;
    gather_windows g = {.channels = 2, .size = {3, 3}, .kernel = {4, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    circuit_linear l = {0};
    size_t count[2];
    const int32_t W[64] = {0};
    assert_refused(gather_count(&g, count), "windows of 4 do not fit into 3 values");
    g.kernel[0] = 2, g.stride[1] = 0;
    assert_refused(gather_count(&g, count), "is 0 or too large");
    g.stride[1] = 1;
    assert_refused(gather_convolution(&g, W, 3, 2, &l), "2 groups do not divide 2 and 3 channels");
    g.size[0] = g.size[1] = 1 << 20;
    assert_refused(gather_sums(&g, &l), "are too many");
    g.size[0] = 1, g.size[1] = 2049; /* one channel's are not too many, nor one group's */
    g.kernel[0] = 1, g.kernel[1] = 1025;
    g.channels = 64;
    assert_refused(gather_sums(&g, &l), "65600 windows of 1025 values and 1 outputs are too many");
    assert_refused(gather_convolution(&g, W, 64, 64, &l), "1025 windows of 65600 values and 64 outputs are too many");
    assert_ok(linear_dense(W, 2, 3, &l));
    l.blocks[0].to[1] = 0;
    assert_refused(linear_check(&l, 3, 2), "block 1 gives output 1 twice");
    l.blocks[0].to[1] = 2;
    assert_refused(linear_check(&l, 3, 2), "takes an input or gives an output that there is not");
    l.blocks[0].to[1] = 1, l.blocks[0].from[2] = 3;
    assert_refused(linear_check(&l, 3, 2), "takes an input or gives an output that there is not");
    l.blocks[0].from[2] = LINEAR_NOTHING, l.blocks[0].W[3] = LINEAR_MAX_WEIGHT + 1;
    assert_refused(linear_check(&l, 3, 2), "weight 4 is 65537");
    linear_clear(&l);
}

static void test_names(void **state)
{
    (void)state;
    char text[64], small[12];
    gather_windows g = {.channels = 2, .size = {9, 9}, .kernel = {3, 5}, .stride = {1, 1}, .dilation = {1, 1}};
    gather_name(&g, "conv", 0, text, sizeof text);
    assert_string_equal(text, "conv 3x5");
    g.stride[0] = 2, g.pad[0] = g.pad[2] = 1, g.dilation[0] = g.dilation[1] = 2;
    gather_name(&g, "conv", 0, text, sizeof text);
    assert_string_equal(text, "conv 3x5 stride 2x1 pad 1x0 dilation 2");
    gather_name(&g, "conv", 1, text, sizeof text);
    assert_string_equal(text, "conv 5 dilation 2");
    g.pad[3] = 3;
    gather_name(&g, "conv", 0, text, sizeof text);
    assert_string_equal(text, "conv 3x5 stride 2x1 pad 1x0 to 1x3 dilation 2");
    gather_name(&g, "conv", 1, text, sizeof text);
    assert_string_equal(text, "conv 5 pad 0 to 3 dilation 2");
    gather_name(&g, "conv", 0, small, sizeof small); /* cut off, and ended */
    assert_string_equal(small, "conv 3x5 st");
    g = (gather_windows){.channels = 2, .size = {8, 8}, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}};
    gather_name(&g, "average", 0, text, sizeof text);
    assert_string_equal(text, "average 2x2");
    gather_name(&g, "conv", 0, text, sizeof text);
    assert_string_equal(text, "conv 2x2 stride 2");
}

static void test_shapes(void **state)
{
    (void)state;
    uint32_t dims[LINEAR_RANK_MAX];
    linear_shape_set((size_t[]){6, 14, 13}, 3, dims);
    assert_true(linear_shape_values(dims, 6 * 14 * 13) == 1092 && linear_shape_values(dims, 1000) == 1092);
    assert_int_equal(linear_shape_values(dims, 1093), 0); /* it has not so many */
    linear_shape_set((size_t[]){7}, 1, dims);
    assert_true(dims[0] == 7 && dims[1] == 0 && dims[2] == 0 && linear_shape_values(dims, 7) == 7);
    linear_shape_set((size_t[]){1, 2, 3, 4}, 4, dims);
    assert_int_equal(dims[0] | dims[1] | dims[2], 0);
    linear_shape_set((size_t[]){65537, 1}, 2, dims);
    assert_int_equal(dims[0] | dims[1] | dims[2], 0);
    assert_int_equal(linear_shape_values(dims, 0), 0);
    static const uint32_t bad[][LINEAR_RANK_MAX] = {{0, 1, 1}, {4, 0, 4}, {UINT32_MAX, UINT32_MAX, 1}, {1, 1, 65537}};
    for (size_t i = 0; i < 4; i++) assert_int_equal(linear_shape_values(bad[i], 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_convolution), cmocka_unit_test(test_sums_and_choice),
                                       cmocka_unit_test(test_compose),     cmocka_unit_test(test_view),
                                       cmocka_unit_test(test_names),       cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
