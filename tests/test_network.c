/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixture.h"

#include "base/memory.h"
#include "nn/sums.h"
#include <float.h>
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
    assert_true(quantizer_integer(&u, NAN) == 0 && quantizer_integer(&s, NAN) == -3); /* the least */
    const quantizer two = {.scale = 0.5, .bits = 1, .is_signed = 1, .narrow = 1};
    quantizer_range(&two, &lo, &hi);
    assert_true(lo == -1 && hi == 1);
    assert_true(quantizer_integer(&two, 0) == 1 && quantizer_integer(&two, -1e-300) == -1); /* half up */
    assert_true(quantizer_integer(&two, 9) == 1 && quantizer_integer(&two, -9) == -1);
    assert_int_equal(quantizer_integer(&two, (double)NAN), -1);
}

static void test_activations(void **state)
{
    (void)state;
    activation a = ACTIVATION_IDENTITY;
    for (int i = ACTIVATION_IDENTITY; i < ACTIVATION_FUNCTION; i++) {
        assert_ok(activation_parse(activation_name((activation)i), &a));
        assert_int_equal(a, i);
    }
    assert_refused(activation_parse("swish", &a), "use one of identity, relu, sigmoid, tanh, triangle");
    assert_refused(activation_parse("function", &a), "unknown activation");
    assert_true(activation_apply(ACTIVATION_RELU, 0, -1) == 0 && activation_apply(ACTIVATION_RELU, 0, 2) == 2);
    assert_true(fabs(activation_apply(ACTIVATION_SIGMOID, 0, 0) - 0.5) < 1e-15);
    assert_true(activation_apply(ACTIVATION_TRIANGLE, 0, 3) == 1 && activation_apply(ACTIVATION_SQUARE, 0, 7.25) == 1);
    for (int i = ACTIVATION_TRIANGLE; i <= ACTIVATION_SQUARE; i++)
        for (double u = -1.99; u < 2; u += 0.17) {
            const double y = activation_apply((activation)i, 0.125, u);
            assert_true(fabs(y) <= 1 && fabs(y + activation_apply((activation)i, 0.125, u + 0.5)) < 1e-13);
        }
    assert_true(fabs(activation_apply(ACTIVATION_TRAPEZOID, 0.25, 0.0625) - 0.5) < 1e-15);
    assert_true(activation_apply(ACTIVATION_STEP, 0, 0) == 1 && activation_apply(ACTIVATION_STEP, 0, -0.001) == 0);
    assert_true(activation_apply(ACTIVATION_QUADRATIC, 0, -1.5) == 2.25);
    assert_true(activation_apply(ACTIVATION_NEAR_ZERO, 0, -0.49) == 1 &&
                activation_apply(ACTIVATION_NEAR_ZERO, 0, 0.5) == 0);
    for (activation i = ACTIVATION_STEP; i <= ACTIVATION_NEAR_ZERO; i++) { /* of models only, not of training */
        assert_false(activation_is_wave(i));
        assert_refused(activation_parse(activation_name(i), &a), "unknown activation");
    }
    assert_true(activation_apply(ACTIVATION_TRAPEZOID, 0.25, 0.125) == 1);
}

/* Values by the closed forms: gelu(1) is the normal distribution function at 1. */
static void test_activation_values(void **state)
{
    (void)state;
    static const struct {
        activation act;
        double at, value;
    } known[] = {{ACTIVATION_LEAKY_RELU, -2, -0.25},
                 {ACTIVATION_LEAKY_RELU, 3, 3},
                 {ACTIVATION_ELU, -1, -0.6321205588285577},
                 {ACTIVATION_GELU, 1, 0.8413447460685429},
                 {ACTIVATION_GELU, -0.5, -0.15426876936299344},
                 {ACTIVATION_SILU, 1, 0.7310585786300049},
                 {ACTIVATION_SOFTPLUS, 0, 0.6931471805599453},
                 {ACTIVATION_HARD_SIGMOID, 1.5, 0.75},
                 {ACTIVATION_HARD_TANH, -3, -1},
                 {ACTIVATION_HARD_SILU, -1.5, -0.375},
                 {ACTIVATION_SIGN, -0.1, -1},
                 {ACTIVATION_SIGN, 0, 0}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(fabs(activation_apply(known[i].act, 0.125, known[i].at) - known[i].value) < 1e-15);
    for (double u = -30; u < 0; u += 0.5) assert_true(activation_apply(ACTIVATION_GELU, 0, u) < 0);
    for (activation a = ACTIVATION_IDENTITY; a < ACTIVATION_FUNCTION; a++)
        for (double u = -9; activation_is_monotone(a) && u < 9; u += 0.01)
            assert_true(activation_apply(a, 0.125, u + 0.01) >= activation_apply(a, 0.125, u));
}

/* Every activation is found by the program of operators that stands for it, and a program that is none by itself. */
static void test_functions(void **state)
{
    (void)state;
    function f;
    double rise;
    for (activation a = ACTIVATION_IDENTITY; a < ACTIVATION_FUNCTION; a++) {
        if (activation_is_wave(a)) continue;
        activation_function(a, 0.3f, &f);
        assert_ok(function_check(&f));
        for (double u = -12; u < 12; u += 0.37)
            assert_true(fabs(function_apply(&f, u) - activation_apply(a, 0.3f, u)) < 1e-6);
        assert_int_equal(activation_find(&f, &rise), a);
        assert_true(rise == (a == ACTIVATION_LEAKY_RELU ? 0.3f : 0));
    }
    const double x[] = {-2, -0.5, 1, 1.5}, y[] = {1, -1, -1, 3};
    assert_ok(function_points(4, x, y, &f));
    static const double want[][2] = {{-9, 1}, {-2, 1}, {-1.25, 0}, {0, -1}, {1.25, 1}, {1.5, 3}, {70, 3}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_true(fabs(function_apply(&f, want[i][0]) - want[i][1]) < 1e-6);
    assert_int_equal(activation_find(&f, &rise), ACTIVATION_FUNCTION);
    assert_ok(function_points(2, (double[]){-1, 1}, (double[]){-1, 1}, &f));
    assert_int_equal(activation_find(&f, &rise), ACTIVATION_HARD_TANH);
    function clip = {.count = 1, .steps[0] = {FUNCTION_CLIP, {{0}, {.is_constant = 1}, {.is_constant = 1}}}};
    static const struct {
        double low, high;
        activation is;
    } clips[] = {{0, 128, ACTIVATION_FUNCTION},
                 {-128, 128, ACTIVATION_FUNCTION},
                 {0, 1e9, ACTIVATION_FUNCTION},
                 {0, FLT_MAX, ACTIVATION_RELU},
                 {-FLT_MAX, FLT_MAX, ACTIVATION_IDENTITY}};
    for (size_t i = 0; i < sizeof clips / sizeof *clips; i++) {
        clip.steps[0].in[1].constant = clips[i].low, clip.steps[0].in[2].constant = clips[i].high;
        assert_int_equal(activation_find(&clip, &rise), clips[i].is);
    }
    const function_operand limit = {.is_constant = 1, .constant = 200.0001}; /* a zero within a millionth of it */
    const function_operand last = {.is_constant = 1, .constant = 200.0002};
    const function hole = {.count = 6,
                           .steps = {{FUNCTION_RELU, {{0}}},
                                     {FUNCTION_LESS, {{0}, limit}},
                                     {FUNCTION_GREATER, {{0}, last}},
                                     {FUNCTION_MAX, {{.value = 2}, {.value = 3}}},
                                     {FUNCTION_MUL, {{.value = 1}, {.value = 4}}},
                                     {FUNCTION_COPY, {{.value = 5}}}}};
    assert_ok(function_check(&hole));
    assert_int_equal(activation_find(&hole, &rise), ACTIVATION_FUNCTION);
    assert_ok(function_points(2, (double[]){-1, 1}, (double[]){0.5, 0.5}, &f));
    assert_true(function_apply(&f, -5) == 0.5 && function_apply(&f, 5) == 0.5);
    assert_refused(function_points(2, (double[]){1, 1}, y, &f), "x must rise");
    assert_refused(function_points(1, x, y, &f), "1 points");
    f.steps[0].in[0] = (function_operand){.value = 1};
    assert_refused(function_check(&f), "no program");
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
    n->layers[0].out_q = (quantizer){.scale = 1, .bits = 1, .is_signed = 1, .narrow = 1};
    assert_ok(network_check(n));
    n->layers[0].out_q.zero = 1;
    assert_refused(network_check(n), "has no zero point, not 1");
    n->layers[0].out_q.zero = 0, n->input = n->layers[0].out_q;
    assert_refused(network_check(n), "for inputs use an unsigned one");
    network_destroy(n);
    n = NULL;
    assert_refused(network_create(0, 1, &n), "inputs");
    assert_null(n);
}

/* Two neurons of u = x - 2, in half units: slopes 1/4 and -1/2 below 0, then 1 more or less. A copy has its own. */
static void test_constants_of_neurons(void **state)
{
    (void)state;
    static const double want[][2] = {{1 - 0.5, -1 + 1}, {1 - 0.25, -1 + 0.5}, {1, -1}, {2, 0}};
    network *n = NULL, *copy = NULL;
    void *p;
    assert_ok(network_create(1, 2, &n));
    n->input = (quantizer){.scale = 1, .bits = 2};
    assert_ok(dense_layer_create(1, 2, &n->layers[0]));
    assert_ok(dense_layer_create(2, 2, &n->layers[1]));
    dense_layer *l = &n->layers[0];
    l->W[0] = l->W[1] = n->layers[1].W[0] = n->layers[1].W[3] = 1;
    l->weight_bits = n->layers[1].weight_bits = 2;
    for (size_t o = 0; o < 2; o++) l->w_scale[o] = n->layers[1].w_scale[o] = 1, l->bias[o] = -2;
    l->out_q = (quantizer){.scale = 0.25, .bits = 5, .is_signed = 1};
    l->act = ACTIVATION_FUNCTION;
    l->own = (function){.count = 2,
                        .steps = {{FUNCTION_PRELU, {{.value = 0}, {.varies = 1, .value = 1}}},
                                  {FUNCTION_ADD, {{.varies = 1, .value = 0}, {.value = 1}}}},
                        .vary = 2};
    assert_ok(network_set_labels(n, NULL, 2));
    assert_refused(network_check(n), "layer 1: constants of each neuron's own without a function");
    assert_ok(mem_create(4, sizeof(double), "constants", &p));
    l->vary = memcpy(p, (double[]){1, -1, 0.25, -0.5}, 4 * sizeof(double));
    assert_ok(network_check(n));
    assert_ok(network_copy(n, &copy));
    for (size_t k = 0; k < 4; k++) l->vary[k] = 100;
    for (size_t x = 0; x < 4; x++) {
        double y[2];
        assert_ok(network_apply(copy, (float[]){(float)x}, y));
        assert_memory_equal(y, want[x], sizeof y);
    }
    assert_true(dense_layer_alike(l, 0, 1) && !dense_layer_alike(&copy->layers[0], 0, 1));
    network_destroy(copy);
    l->vary[2] = (double)NAN;
    assert_refused(network_check(n), "layer 1, neuron 1: a constant of its function is not finite");
    l->vary[2] = 0, l->vary[1] = (double)INFINITY;
    assert_refused(network_check(n), "layer 1, neuron 2: a constant of its function is not finite");
    l->vary[1] = 0, l->own.steps[0].in[1].value = 2; /* there are two */
    assert_refused(network_check(n), "no program");
    l->own.steps[0].in[1].value = 1, l->own.vary = FUNCTION_MAX_VARY + 1;
    assert_refused(network_check(n), "no program");
    l->own.vary = 2, l->act = ACTIVATION_WAVE;
    assert_refused(network_check(n), "without a function that takes them");
    l->act = ACTIVATION_RELU;
    assert_refused(network_check(n), "without a function that takes them");
    network_destroy(n);
}

/* Of values of scales 0.5 and 1, of 3 bits each, the sum a + 2 b: 22 values, bound by those of the larger factor. */
static void test_sums_of_scales(void **state)
{
    (void)state;
    network *n = NULL;
    assert_ok(network_create(1, 3, &n));
    n->input = (quantizer){.scale = 1, .bits = 3};
    for (size_t i = 0; i < 3; i++) {
        dense_layer *d = &n->layers[i];
        assert_ok(dense_layer_create(i == 2 ? 2 : 1, 1, d));
        for (size_t k = 0; k < d->in; k++) d->W[k] = 1;
        d->w_scale[0] = 1;
        d->act = ACTIVATION_RELU, d->out_q = (quantizer){.scale = i == 0 ? 0.5 : 1, .bits = i == 2 ? 0 : 3};
    }
    n->layers[1].sources[0] = 0, n->layers[1].sources_count = 1;
    n->layers[2].sources[0] = 1, n->layers[2].sources[1] = 2, n->layers[2].sources_count = 2;
    const layer_sums s = network_sums(n, 2);
    assert_true(network_reach(n, 2) == 14 && s.values == 29 && s.bits == 5);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantizer),         cmocka_unit_test(test_activations),
        cmocka_unit_test(test_activation_values), cmocka_unit_test(test_functions),
        cmocka_unit_test(test_offsets),           cmocka_unit_test(test_apply),
        cmocka_unit_test(test_sums_of_scales),    cmocka_unit_test(test_constants_of_neurons)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
