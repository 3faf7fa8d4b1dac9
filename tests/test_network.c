/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixture.h"

#include <math.h>

static void test_quantizer(void **state)
{
    (void)state;
    const quantizer u = {.scale = 0.5, .bits = 2}, s = {.scale = 1, .bits = 3, .is_signed = 1, .narrow = 1};
    const quantizer z = {.scale = 1, .bits = 2, .zero = 1};
    int32_t lo, hi;
    quantizer_range(&s, &lo, &hi);
    assert_true(lo == -3 && hi == 3);
    assert_int_equal(quantizer_integer(&u, 0.25), 1); /* half up */
    assert_int_equal(quantizer_integer(&u, 0.2499), 0);
    assert_int_equal(quantizer_integer(&u, -7), 0);
    assert_int_equal(quantizer_integer(&u, 7), 3);
    assert_int_equal(quantizer_integer(&s, -0.5), 0);
    assert_int_equal(quantizer_integer(&s, -1e30), -3);
    assert_int_equal(quantizer_integer(&z, -5), -1);
    assert_int_equal(quantizer_integer(&z, 5), 2);
}

static void test_activations(void **state)
{
    (void)state;
    activation a = ACTIVATION_IDENTITY;
    for (int i = ACTIVATION_IDENTITY; i <= ACTIVATION_SQUARE; i++) {
        assert_ok(activation_parse(activation_name((activation)i), &a));
        assert_int_equal(a, i);
    }
    assert_refused(activation_parse("gelu", &a), "use relu, sigmoid, tanh, identity, triangle");
    assert_true(activation_apply(ACTIVATION_RELU, 0, -1) == 0 && activation_apply(ACTIVATION_RELU, 0, 2) == 2);
    assert_true(fabs(activation_apply(ACTIVATION_SIGMOID, 0, 0) - 0.5) < 1e-15);
    assert_true(activation_apply(ACTIVATION_TRIANGLE, 0, 3) == 1 && activation_apply(ACTIVATION_SQUARE, 0, 7.25) == 1);
    for (int i = ACTIVATION_TRIANGLE; i <= ACTIVATION_SQUARE; i++)
        for (double u = -1.99; u < 2; u += 0.17) {
            const double y = activation_apply((activation)i, 0.125, u);
            assert_true(fabs(y) <= 1 && fabs(y + activation_apply((activation)i, 0.125, u + 0.5)) < 1e-13);
        }
    assert_true(fabs(activation_apply(ACTIVATION_TRAPEZOID, 0.25, 0.0625) - 0.5) < 1e-15);
    assert_true(activation_apply(ACTIVATION_TRAPEZOID, 0.25, 0.125) == 1);
}

/* One neuron, u = 0.05*(2*x) + 0.1 = 0.2 at x = 1, read at 0.2 and 0.45: triangle 0.2 and -0.8. */
static void test_offsets(void **state)
{
    (void)state;
    network *n = NULL;
    assert_ok(network_create(1, 2, &n));
    n->input = (quantizer){.scale = 1, .bits = 3};
    assert_ok(dense_layer_create(1, 1, &n->layers[0]));
    assert_ok(dense_layer_create(2, 1, &n->layers[1]));
    n->layers[0].W[0] = 2, n->layers[0].w_scale[0] = 0.05, n->layers[0].bias[0] = 0.1;
    n->layers[0].act = ACTIVATION_TRIANGLE, n->layers[0].offsets = 2;
    n->layers[0].out_q = (quantizer){.scale = 0.1, .bits = 5, .is_signed = 1};
    n->layers[1].W[0] = 3, n->layers[1].W[1] = 1, n->layers[1].w_scale[0] = 1;
    n->layers[0].weight_bits = n->layers[1].weight_bits = 3;
    assert_ok(network_set_labels(n, NULL, 1));
    assert_ok(network_check(n));
    double y;
    assert_ok(network_apply(n, (float[]){1.0f}, &y));
    assert_true(fabs(y - (3 * 0.2 - 0.8)) < 1e-12);
    n->layers[0].offsets = 17;
    assert_refused(network_check(n), "17 offsets of triangle, 1 to 16");
    n->layers[0].offsets = 2, n->layers[0].act = ACTIVATION_TANH;
    assert_refused(network_check(n), "2 offsets of tanh, 1 to 1");
    n->layers[0].act = ACTIVATION_TRAPEZOID;
    assert_refused(network_check(n), "a rise of 0");
    n->layers[0].rise = 0.25, n->layers[1].noise = -1;
    assert_refused(network_check(n), "layer 2: the noise is negative");
    network_destroy(n);
}

/* 2-2-1 by hand: inputs 1.0 and 0.5 are integers 4 and 2; layer 1 gives relu(0.1*(3*1 - 0.5) + 0.2) = 0.45 -> 0.4 and
 * relu(0.1*(-1*1) + 0) = 0; output 0.5*(2*0.4) - 1 = -0.6. */
static void test_apply(void **state)
{
    (void)state;
    network *n = NULL;
    assert_ok(network_create(2, 2, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    assert_ok(dense_layer_create(2, 2, &n->layers[0]));
    assert_ok(dense_layer_create(2, 1, &n->layers[1]));
    memcpy(n->layers[0].W, (int32_t[]){3, -1, -1, 0}, 16);
    memcpy(n->layers[1].W, (int32_t[]){2, 3}, 8);
    n->layers[0].w_scale[0] = n->layers[0].w_scale[1] = 0.1;
    n->layers[0].bias[0] = 0.2;
    n->layers[1].w_scale[0] = 0.5, n->layers[1].bias[0] = -1;
    n->layers[0].act = ACTIVATION_RELU;
    n->layers[0].out_q = (quantizer){.scale = 0.2, .bits = 3};
    n->layers[0].weight_bits = n->layers[1].weight_bits = 3;
    assert_refused(network_check(n), "no labels");
    assert_ok(network_set_labels(n, (const char *[]){"price"}, 1));
    assert_refused(network_set_labels(n, NULL, 2), "2 labels for 1 outputs");
    assert_ok(network_check(n));
    double y;
    assert_ok(network_apply(n, (float[]){1.0f, 0.5f}, &y));
    assert_true(fabs(y + 0.6) < 1e-12);

    n->layers[0].W[0] = 5;
    assert_refused(network_check(n), "weight 5 does not fit 3 bits");
    n->layers[0].W[0] = 3, n->layers[0].w_scale[1] = 0;
    assert_refused(network_check(n), "neuron 2");
    n->layers[0].w_scale[1] = 0.1, n->layers[1].act = ACTIVATION_TANH;
    assert_refused(network_check(n), "last layer");
    n->layers[1].act = ACTIVATION_IDENTITY, n->layers[0].out_q.bits = 17;
    assert_refused(network_check(n), "activation of layer 1: 17 bits");
    network_destroy(n);
    n = NULL;
    assert_refused(network_create(0, 1, &n), "inputs");
    assert_null(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quantizer), cmocka_unit_test(test_activations),
                                       cmocka_unit_test(test_offsets), cmocka_unit_test(test_apply)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
