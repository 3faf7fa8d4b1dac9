/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/memory.h"
#include "onnx/onnx_tensor.h"

#include <math.h>

static double unit_random(uint64_t *seed)
{
    return (double)(test_random(seed) >> 11) * 0x1p-53;
}

static int is_near(double a, double b)
{
    return fabs(a / b - 1) <= ONNX_NEAR * (1 + 1e-9);
}

/* The fraction is near, and none of smaller numbers is. */
static void ratios(void **state)
{
    (void)state;
    uint64_t seed = 1;
    int32_t p, q;
    int exact;
    for (size_t i = 0; i < 20000; i++) {
        const double ratio = exp2(24 * unit_random(&seed) - 12);
        assert_true(onnx_ratio_find(ratio, 1, 1, &p, &q, &exact));
        assert_true(is_near((double)p / q, ratio));
        for (int32_t k = 1; k < q && !exact; k++) assert_false(is_near(rint(ratio * k) / k, ratio) && ratio * k > 0.5);
    }
    for (int32_t a = 1; a <= NETWORK_MAX_FACTOR; a++)
        for (int32_t b = 1; b <= NETWORK_MAX_FACTOR; b++) {
            const int32_t divisor = (int32_t)common_divisor(a, b);
            assert_true(onnx_ratio_find(0.1f * (float)a, 0.1f * (float)b, 0, &p, &q, &exact) && exact);
            assert_true(p == a / divisor && q == b / divisor);
        }
    assert_false(onnx_ratio_find(65.5, 1, 0, &p, &q, &exact));
    assert_true(onnx_ratio_find(128, 1, 1, &p, &q, &exact) && p == 128 && q == 1 && exact);
    assert_true(onnx_ratio_find(0.5, 0.317, 1, &p, &q, &exact) && !exact);
    assert_false(onnx_ratio_find(1, 5000, 1, &p, &q, &exact));
    assert_false(onnx_ratio_find(INFINITY, 1, 1, &p, &q, &exact));
    assert_false(onnx_ratio_find(INFINITY, INFINITY, 1, &p, &q, &exact));
}

static void units(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (size_t i = 0; i < 2000; i++) {
        const size_t count = 1 + test_random(&seed) % 6;
        double scale[6], unit, least = INFINITY;
        int32_t by[6];
        int exact;
        for (size_t k = 0; k < count; k++) {
            scale[k] = i % 2 ? exp2(5 * unit_random(&seed)) : 0.3 * (double)(1 + test_random(&seed) % 64);
            least = fmin(least, scale[k]);
        }
        assert_true(onnx_unit_find(scale, count, by, &unit, &exact));
        assert_true(i % 2 || exact);
        for (size_t k = 0; k < count; k++)
            assert_true(fabs(by[k] * unit / scale[k] - 1) <= (exact ? 1.1e-6 : ONNX_NEAR * 1.01));
        for (int32_t parts = 1; parts < rint(least / unit); parts++) { /* a larger unit is not so near */
            int near = 1;
            for (size_t k = 0; k < count; k++)
                near &= is_near(rint(scale[k] / least * parts) * least / parts, scale[k] * (1 - 1e-8));
            assert_false(near && !exact);
        }
    }
    double far[] = {1, 1e6}, unit;
    int32_t by[2];
    int exact;
    assert_false(onnx_unit_find(far, 2, by, &unit, &exact));
}

/* Two layers of the input and one that takes both. */
static network *branched(double first, double second)
{
    network *n;
    assert_ok(network_create(2, 3, &n));
    n->input = (quantizer){.scale = 0.7, .bits = 3};
    for (size_t i = 0; i < 3; i++) {
        dense_layer *l = &n->layers[i];
        circuit_linear linear;
        const size_t in = i < 2 ? 2 : 4;
        assert_ok(linear_dense((int32_t[]){1, 2, 3, 4}, 1, in, &linear));
        assert_ok(gathered_layer_create(in, i < 2 ? 2 : 1, &linear, l));
        l->sources_count = i < 2 ? 1 : 2;
        if (i == 2) l->sources[0] = 1, l->sources[1] = 2;
        l->out_q = (quantizer){.scale = i == 0 ? first : second, .bits = i == 2 ? 0 : 3};
        void *p;
        assert_ok(mem_create(2 * l->out, sizeof(double), "bounds", &p));
        l->bound = p;
        (void)snprintf(l->op, sizeof l->op, "dense");
    }
    return n;
}

static void sources(void **state)
{
    (void)state;
    uint64_t seed = 3;
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit;
    for (size_t i = 0; i < 300; i++) {
        const double first = 0.1 + unit_random(&seed), second = first * (0.3 + 3 * unit_random(&seed));
        network *n = branched(first, second);
        const uint32_t both[] = {1, 2};
        const size_t fixed = i % 3; /* of layer: none, the first, the second */
        if (fixed > 0) n->layers[fixed - 1].proven = 1;
        const int fits = network_common_unit(n, both, 2, factors, &unit);
        onnx_scales_meet(n);
        const double made[] = {n->layers[0].out_q.scale, n->layers[1].out_q.scale};
        assert_true(network_common_unit(n, both, 2, factors, &unit));
        for (size_t k = 0; k < 2; k++)
            assert_true(fabs(made[k] / (k == 0 ? first : second) - 1) <= ONNX_NEAR_SOURCES * 1.02);
        assert_true(fits || (made[0] == first) != (made[1] == second));
        assert_true(n->input.scale == 0.7);
        if (fixed > 0) assert_true(made[fixed - 1] == (fixed == 1 ? first : second));
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(n->layers[k].op, made[k] == (k == 0 ? first : second) ? "dense" : "dense ~");
        assert_true((n->layers[2].bound == NULL) == !fits);
        network_destroy(n);
    }
    network *n = branched(0.5, 0.317); /* what counts exactly stays, both: no unit is found */
    n->layers[0].proven = n->layers[1].proven = 1;
    onnx_scales_meet(n);
    assert_true(n->layers[0].out_q.scale == 0.5 && n->layers[1].out_q.scale == 0.317 && n->layers[2].bound != NULL);
    network_destroy(n);
    n = branched(0.5, 0.5 * 2 / 0.03); /* more than 64 times */
    onnx_scales_meet(n);
    assert_true(n->layers[1].out_q.scale == 0.5 * 2 / 0.03);
    network_destroy(n);
}

/* One scale whatever the weights are, else factors up to 4 that leave weights of 16 bits. */
static void waves(void **state)
{
    (void)state;
    const double one[] = {0.1, 0.1, 0.1}, twos[] = {0.1, (double)0.2f, (double)0.4f}, thirds[] = {0.75, 0.5, 1},
                 wide[] = {0.1, 0.5}, odd[] = {0.1, 0.15, 0.225};
    assert_true(onnx_wave_scales(one, 3, 65536));
    assert_true(onnx_wave_scales(twos, 3, 8191));
    assert_false(onnx_wave_scales(twos, 3, 8192));
    assert_true(onnx_wave_scales(thirds, 3, 8));
    assert_false(onnx_wave_scales(wide, 2, 8));
    assert_false(onnx_wave_scales(odd, 3, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ratios), cmocka_unit_test(units), cmocka_unit_test(sources),
                                       cmocka_unit_test(waves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
