/* SPDX-License-Identifier: Apache-2.0 */
/* For check_onnx: with a path as its only argument, writes the model of seed 1 there and exits; with the name of an
 * activation besides, one of that wave; with "conv" behind it, one of convolutions. "read" and a path: says in JSON
 * what its first layer is, and what its activation gives at -4.5, -4.125, ..., 4.5. */
#include "onnx_fixture.h"
#include "wave_fixture.h"

#include "base/memory.h"
#include "nn/gather.h"
#include "onnx/onnx_model.h"

#include <stdlib.h>
#include <unistd.h>

static network *model(uint64_t seed, activation act)
{
    const size_t widths[] = {5, 7, 4, 3};
    network *n = random_network(&seed, widths, 3, act, 4);
    for (size_t i = 0; i < n->inputs; i++)
        n->shift[i] = (float)test_unit(&seed), n->gain[i] = (float)(1 + test_unit(&seed));
    for (size_t l = 0; l < n->layers_count; l++) {
        dense_layer *d = &n->layers[l];
        d->out_q.scale = (float)d->out_q.scale;
        d->rise = d->act == ACTIVATION_LEAKY_RELU ? (float)test_unit(&seed) : 0;
        if (d->act == ACTIVATION_FUNCTION)
            assert_ok(function_points(3, (double[]){-1, 0.1f, 2}, (double[]){test_unit(&seed), -1, 0.5}, &d->own));
        for (size_t o = 0; o < d->out; o++) d->w_scale[o] = (float)d->w_scale[o], d->bias[o] = (float)d->bias[o];
    }
    return n;
}

/* Numbers of a model that single precision holds. */
static network *wave_model(uint64_t seed, activation act, size_t offsets)
{
    const size_t widths[] = {5, 7, 4, 3};
    network *n = wave_network(&seed, widths, 3, act, offsets, 4);
    n->input.scale = 0.25;
    for (size_t l = 0; l < n->layers_count; l++) {
        dense_layer *d = &n->layers[l];
        d->out_q.scale = (float)d->out_q.scale;
        d->rise = l + 1 < n->layers_count && act == ACTIVATION_TRAPEZOID ? (float)(0.02 + 0.48 * test_unit(&seed)) : 0;
        d->noise = l == 1 ? 0 : test_unit(&seed) / 8;
        for (size_t o = 0; o < d->out; o++) d->w_scale[o] = (float)d->w_scale[o], d->bias[o] = (float)d->bias[o];
    }
    return n;
}

/* One convolution of `rows` channels, all its numbers held by single precision. */
static void convolution(uint64_t *seed, const gather_windows *g, size_t rows, dense_layer *d)
{
    const size_t taps = g->channels * g->kernel[0] * g->kernel[1];
    size_t count[2];
    circuit_linear linear;
    int32_t *W = malloc(rows * taps * sizeof *W);
    for (size_t i = 0; i < rows * taps; i++) W[i] = (int32_t)(test_random(seed) % 15) - 7;
    assert_ok(gather_count(g, count));
    assert_ok(gather_convolution(g, W, rows, 1, &linear));
    assert_ok(gathered_layer_create(g->channels * g->size[0] * g->size[1], rows * count[0] * count[1], &linear, d));
    d->windows = *g;
    for (size_t o = 0; o < d->out; o++) {
        const size_t each = count[0] * count[1], first = o - o % each;
        d->channel[o] = (uint32_t)first;
        d->w_scale[o] = o == first ? (float)(0.1 + test_unit(seed)) : d->w_scale[first];
        d->bias[o] = o == first ? (float)(test_unit(seed) - 0.5) : d->bias[first];
    }
    free(W);
}

/* 35 inputs, two convolutions, the second with stride and padding, a dense layer and 3 scores. */
static network *conv_model(uint64_t seed, activation act)
{
    const gather_windows first = {
        .channels = 1, .size = {5, 7}, .kernel = {2, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    const gather_windows second = {
        .channels = 3, .size = {4, 5}, .kernel = {3, 3}, .stride = {2, 1}, .dilation = {1, 1}, .pad = {1, 0, 1, 2}};
    const size_t widths[] = {2 * 2 * 5, 4, 3};
    network *n, *dense = random_network(&seed, widths, 2, ACTIVATION_RELU, 4);
    assert_ok(network_create(35, 4, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    n->shift[3] = 0.5;
    convolution(&seed, &first, 3, &n->layers[0]);
    convolution(&seed, &second, 2, &n->layers[1]);
    for (size_t l = 0; l < 2; l++) {
        dense_layer *d = &n->layers[2 + l];
        n->layers[l].act = act;
        n->layers[l].out_q = (quantizer){.scale = 0.5, .bits = 4, .is_signed = 1, .narrow = 1};
        *d = dense->layers[l]; /* moved */
        d->out_q.scale = (float)d->out_q.scale;
        for (size_t o = 0; o < d->out; o++) {
            d->w_scale[o] = (float)(activation_is_wave(act) && l == 0 ? d->w_scale[0] : d->w_scale[o]);
            d->bias[o] = (float)d->bias[o];
        }
    }
    for (size_t l = 0; activation_is_wave(act) && l < 2; l++)
        for (size_t o = 0; o < n->layers[l].out; o++) n->layers[l].w_scale[o] = n->layers[l].w_scale[0];
    n->layers[2].act = act;
    for (size_t l = 0; l < 4; l++) n->layers[l].rise = act == ACTIVATION_TRAPEZOID && l < 3 ? 0.25 : 0;
    memset(dense->layers, 0, 2 * sizeof *dense->layers);
    dense->layers[1].out = widths[2]; /* as many labels */
    network_destroy(dense);
    assert_ok(network_set_labels(n, NULL, 3));
    assert_ok(network_check(n));
    return n;
}

/* Convolutions come back as they were; dense layers behind them are written as one matrix and read as its block. */
static void convolutions_come_back_equal(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 16; seed++) {
        network *a = conv_model(seed, (activation)(seed % 8)), *b = NULL;
        uint8_t *bytes = NULL;
        size_t len = 0;
        a->layers[0].weight_bits = 7, a->layers[2].weight_bits = 6; /* more than the weights need */
        assert_ok(onnx_model_encode(a, &bytes, &len));
        assert_ok(onnx_model_decode(bytes, len, "model", &b));
        assert_int_equal(b->layers_count, 4);
        for (size_t l = 0; l < 4; l++) {
            const dense_layer *x = &a->layers[l], *y = &b->layers[l];
            const linear_block *q = y->linear.blocks;
            circuit_linear own = x->linear;
            if (x->W != NULL) assert_ok(linear_dense(x->W, x->out, x->in, &own));
            const linear_block *p = own.blocks;
            assert_int_equal(y->linear.blocks_count, 1);
            assert_int_equal(x->weight_bits, y->weight_bits);
            assert_true(x->in == y->in && x->out == y->out && x->act == y->act && x->rise == y->rise);
            assert_true(p->rows == q->rows && p->taps == q->taps && p->places == q->places);
            assert_memory_equal(p->W, q->W, p->rows * p->taps * sizeof *p->W);
            assert_memory_equal(p->from, q->from, p->places * p->taps * sizeof *p->from);
            assert_memory_equal(p->to, q->to, p->places * p->rows * sizeof *p->to);
            assert_memory_equal(&x->out_q, &y->out_q, sizeof x->out_q);
            assert_memory_equal(x->w_scale, y->w_scale, x->out * sizeof *x->w_scale);
            assert_memory_equal(x->bias, y->bias, x->out * sizeof *x->bias);
            if (x->channel != NULL) assert_memory_equal(x->channel, y->channel, x->out * sizeof *x->channel);
            if (x->W != NULL) linear_clear(&own);
        }
        mem_free(bytes);
        network_destroy(a);
        network_destroy(b);
    }
}

static void assert_same(const network *a, const network *b)
{
    assert_int_equal(a->inputs, b->inputs);
    assert_int_equal(a->layers_count, b->layers_count);
    assert_int_equal(a->task, b->task);
    assert_memory_equal(&a->input, &b->input, sizeof a->input);
    assert_memory_equal(a->shift, b->shift, a->inputs * sizeof *a->shift);
    assert_memory_equal(a->gain, b->gain, a->inputs * sizeof *a->gain);
    for (size_t l = 0; l < a->layers_count; l++) {
        const dense_layer *x = &a->layers[l], *y = &b->layers[l];
        assert_int_equal(x->in, y->in);
        assert_int_equal(x->out, y->out);
        assert_int_equal(x->act, y->act);
        assert_int_equal(x->offsets, y->offsets);
        for (double u = -5; activation_is_own(x->act) && u < 5; u += 0.125)
            assert_true(dense_layer_act(x, 0, u) == dense_layer_act(y, 0, u));
        assert_true(x->rise == y->rise && x->noise == y->noise);
        assert_int_equal(x->weight_bits, y->weight_bits);
        assert_memory_equal(&x->out_q, &y->out_q, sizeof x->out_q);
        assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
        assert_memory_equal(x->w_scale, y->w_scale, x->out * sizeof *x->w_scale);
        assert_memory_equal(x->bias, y->bias, x->out * sizeof *x->bias);
    }
    for (size_t o = 0; o < a->layers[a->layers_count - 1].out; o++) assert_string_equal(a->labels[o], b->labels[o]);
}

static const activation kinds[] = {
    ACTIVATION_IDENTITY,  ACTIVATION_RELU, ACTIVATION_SIGMOID,    ACTIVATION_TANH,         ACTIVATION_ELU,
    ACTIVATION_GELU,      ACTIVATION_SILU, ACTIVATION_SOFTPLUS,   ACTIVATION_HARD_SIGMOID, ACTIVATION_HARD_TANH,
    ACTIVATION_HARD_SILU, ACTIVATION_SIGN, ACTIVATION_LEAKY_RELU, ACTIVATION_FUNCTION};
#define KINDS (sizeof kinds / sizeof *kinds)

static void comes_back_equal(void **state)
{
    (void)state;
    static const char *const names[] = {"a b", "caf\xc3\xa9", "\"quoted\""};
    for (uint64_t seed = 0; seed < 40; seed++) {
        network *a = model(seed, kinds[seed % KINDS]), *b = NULL;
        uint8_t *bytes = NULL;
        size_t len = 0;
        a->task = seed % 3 == 0 ? NETWORK_REGRESSION : NETWORK_CLASSIFICATION;
        for (size_t i = 0; seed % 4 == 1 && i < 28; i++) a->layers[1].W[i] = i % 3 == 0 ? -1 : 1;
        if (seed % 4 == 1) a->layers[1].weight_bits = 1;
        if (seed % 2) assert_ok(network_set_labels(a, names, 3));
        assert_ok(onnx_model_encode(a, &bytes, &len));
        assert_ok(onnx_model_decode(bytes, len, "model", &b));
        assert_same(a, b);
        mem_free(bytes);
        network_destroy(a);
        network_destroy(b);
    }
}

/* What is a truth value or an integer on the way is cast to a number again, as ONNX has it: quotients are none of
 * integers. */
static void casts_are_written(void **state)
{
    (void)state;
    const function_operand none = function_constant(0);
    for (size_t whole = 0; whole < 3; whole++) {
        network *a = model(4, ACTIVATION_TANH), *b = NULL;
        function *f = &a->layers[0].own;
        uint8_t *bytes = NULL;
        size_t len = 0, casts = 0;
        a->layers[0].act = ACTIVATION_FUNCTION;
        *f = (function){0};
        (void)function_append(f, whole ? FUNCTION_ABS : FUNCTION_TANH, function_value(0), none, none);
        if (whole)
            (void)function_append(f, FUNCTION_CAST, function_value(1), none, none);
        else
            (void)function_append(f, FUNCTION_GREATER, function_value(1), function_constant(0.25), none);
        if (whole == 2)
            (void)function_append(f, FUNCTION_DIV, function_value(2), function_constant(2), none);
        else
            (void)function_append(f, FUNCTION_COPY, function_value(2), none, none);
        (void)function_append(f, FUNCTION_SUB, function_value(3), function_constant(0.5), none);
        assert_ok(onnx_model_encode(a, &bytes, &len));
        for (size_t i = 2; i + 4 < len; i++) casts += bytes[i - 2] == 0x22 && memcmp(bytes + i, "Cast", 4) == 0;
        assert_int_equal(casts, whole == 0 ? 1 : 2);
        assert_ok(onnx_model_decode(bytes, len, "model", &b));
        assert_int_equal(b->layers[0].act, ACTIVATION_FUNCTION);
        for (int i = -9; i <= 9; i++)
            assert_true(dense_layer_act(&a->layers[0], 0, 0.2 * i) == dense_layer_act(&b->layers[0], 0, 0.2 * i));
        mem_free(bytes);
        network_destroy(a);
        network_destroy(b);
    }
}

/* What metadata say of the bits of weights: a list for the layers, of numbers that can be, and no fewer than they take.
 */
static void bits_of_weights(void **state)
{
    (void)state;
    static const char *const lists[] = {"[0,1,0]", "[9,1,0]", "[\"1,0]", "[1,1,0]", "[0,110]"};
    network *a = model(3, ACTIVATION_RELU), *b = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    for (size_t i = 0; i < 28; i++) a->layers[1].W[i] = i % 3 == 0 ? -1 : 1;
    a->layers[1].weight_bits = 1;
    assert_ok(onnx_model_encode(a, &bytes, &len));
    uint8_t *at = memmem(bytes, len, lists[0], 7);
    assert_non_null(at);
    for (size_t k = 0; k < 5; k++) {
        memcpy(at, lists[k], 7);
        if (k == 0 || k == 1 || k == 3) { /* weights of 4 bits are not of one */
            assert_ok(onnx_model_decode(bytes, len, "model", &b));
            assert_int_equal(b->layers[0].weight_bits, k == 1 ? 9 : a->layers[0].weight_bits);
            assert_int_equal(b->layers[1].weight_bits, 1);
            network_destroy(b);
        } else {
            assert_refused(onnx_model_decode(bytes, len, "model", &b), "list of 3 whole numbers from 0 to 15");
        }
    }
    mem_free(bytes);
    network_destroy(a);
}

/* Values of one signed bit are behind a BipolarQuant; weights behind one are -1 and 1. */
static void bipolar(void **state)
{
    (void)state;
    const quantizer two = {.scale = 0.5, .bits = 1, .is_signed = 1, .narrow = 1}, in = {.scale = 1, .bits = 3};
    network *a = model(3, ACTIVATION_TANH), *b = NULL;
    uint8_t *bytes = NULL;
    size_t len = 0;
    a->layers[0].out_q = a->layers[1].out_q = two;
    assert_ok(onnx_model_encode(a, &bytes, &len));
    assert_non_null(memmem(bytes, len, "BipolarQuant", 12));
    assert_ok(onnx_model_decode(bytes, len, "model", &b));
    assert_same(a, b);
    mem_free(bytes);
    network_destroy(a), network_destroy(b), b = NULL;

    onnx_builder g;
    const size_t dims[2] = {4, 3};
    graph_begin(&g);
    char *x = builder_quant(&g, 0, (char *)(uintptr_t) "x", builder_number(&g, 1), &in);
    char *weights = builder_quant(&g, 1, counted(&g, -5, 2, dims), builder_number(&g, 0.25), &two);
    char *y = builder_apply(&g, "MatMul", x, weights);
    bytes = graph_pack(&g, 1, dims, y, &len);
    assert_ok(onnx_model_decode(bytes, len, "model", &b));
    for (size_t o = 0; o < 3; o++)
        for (size_t i = 0; i < 4; i++) assert_int_equal(b->layers[0].W[o * 4 + i], i * 3 + o >= 5 ? 1 : -1);
    assert_true(b->layers[0].w_scale[0] == 0.25);
    network_destroy(b);
    scratch_destroy(&g.mem);
}

static void waves_come_back_equal(void **state)
{
    (void)state;
    static const size_t offsets[] = {1, 4, 3, 2, 16};
    for (uint64_t seed = 0; seed < 40; seed++) {
        const activation act = seed % 5 == 4 ? ACTIVATION_WAVE : (activation)(ACTIVATION_TRIANGLE + seed % 5);
        network *a = wave_model(seed, act, offsets[seed / 5 % 5]), *b = NULL;
        uint8_t *bytes = NULL;
        size_t len = 0;
        assert_ok(onnx_model_encode(a, &bytes, &len));
        assert_ok(onnx_model_decode(bytes, len, "model", &b));
        assert_same(a, b);
        mem_free(bytes);
        network_destroy(a);
        network_destroy(b);
    }
}

/* Every truncation and thousands of damaged copies: refused, or a network that passes its check; never anything else.
 */
static void damage(const network *a, size_t copies)
{
    network *b;
    uint8_t *bytes = NULL, *copy;
    size_t len = 0;
    uint64_t seed = 77;
    assert_ok(onnx_model_encode(a, &bytes, &len));
    copy = malloc(len);
    for (size_t cut = 0; cut < len; cut++) {
        b = NULL;
        memcpy(copy, bytes, len);
        if (onnx_model_decode(copy, cut, "model", &b) == ANNULUS_OK) assert_ok(network_check(b));
        network_destroy(b);
    }
    size_t refused = 0;
    for (size_t i = 0; i < copies; i++) {
        memcpy(copy, bytes, len);
        for (uint64_t k = 1 + test_random(&seed) % 3; k > 0; k--)
            copy[test_random(&seed) % len] = (uint8_t)test_random(&seed);
        b = NULL;
        if (onnx_model_decode(copy, len, "model", &b) == ANNULUS_OK)
            assert_ok(network_check(b));
        else
            refused++;
        network_destroy(b);
    }
    assert_true(refused > copies / 4);
    free(copy);
    mem_free(bytes);
}

static void damage_is_survived(void **state)
{
    (void)state;
    network *a = model(1, ACTIVATION_RELU), *b = wave_model(1, ACTIVATION_TRAPEZOID, 2);
    damage(a, 20000);
    damage(b, 1000);
    network_destroy(a);
    network_destroy(b);
}

static void refusals(void **state)
{
    (void)state;
    network *n = NULL;
    static const char lfs[] = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
    assert_refused(onnx_model_decode((const uint8_t *)lfs, sizeof lfs - 1, "m.onnx", &n),
                   "m.onnx: this is a git-LFS pointer");
    assert_refused(onnx_model_decode((const uint8_t *)"", 0, "m.onnx", &n), "empty");
    assert_refused(onnx_model_decode((const uint8_t *)"hello, world", 12, "m.onnx", &n), "not an ONNX model");
    uint8_t *deep = malloc(4000); /* graph in graph in ...: field 7 of the model, then node, attribute, graph */
    size_t at = 4000;
    for (size_t depth = 0; at > 40 && depth < 300; depth++) {
        const size_t inner = 4000 - at;
        deep[--at] = (uint8_t)(inner >> 7);
        deep[--at] = (uint8_t)(inner | 0x80);
        deep[--at] = depth % 3 == 0 ? 0x32 : depth % 3 == 1 ? 0x2a : 0x0a;
    }
    const size_t inner = 4000 - at;
    deep[--at] = (uint8_t)(inner >> 7);
    deep[--at] = (uint8_t)(inner | 0x80);
    deep[--at] = 0x3a;
    assert_int_not_equal(onnx_model_decode(deep + at, 4000 - at, "deep", &n), ANNULUS_OK);
    free(deep);
    network *a = model(2, ACTIVATION_TANH);
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_ok(onnx_model_encode(a, &bytes, &len));
    for (size_t i = 0; i + 4 < len; i++)
        if (memcmp(bytes + i, "Tanh", 4) == 0 && bytes[i - 2] == 0x22) memcpy(bytes + i, "Tahn", 4);
    assert_refused(onnx_model_decode(bytes, len, "m.onnx", &n), "operator not supported");
    assert_refused(onnx_model_decode(bytes, len, "m.onnx", &n),
                   "ThresholdedRelu, Transpose, Unsqueeze, Where, Quant, IntQuant, BipolarQuant");
    mem_free(bytes);
    a->layers[1].w_scale[2] = 1e-60;
    bytes = NULL;
    assert_refused(onnx_model_encode(a, &bytes, &len), "single precision");
    assert_null(bytes);
    network_destroy(a);
    assert_null(n);
}

static int describe(const char *path)
{
    network *n = NULL;
    if (onnx_model_read(path, &n) != ANNULUS_OK) {
        fprintf(stderr, "%s\n", annulus_error_message());
        return 1;
    }
    const dense_layer *l = &n->layers[0];
    printf("{\"act\": \"%s\", \"rise\": %.17g, \"offsets\": %zu, \"weight_scale\": %.17g, \"bias\": %.17g, "
           "\"quantizer_scale\": %.17g, \"next_weight_scale\": %.17g, \"values\": [",
           activation_name(l->act), l->rise, l->offsets, l->w_scale[0], l->bias[0], l->out_q.scale,
           n->layers[1].w_scale[0]);
    for (int i = -12; i <= 12; i++) printf("%s%.17g", i == -12 ? "" : ", ", dense_layer_act(l, 0, 0.375 * i));
    printf("], \"last\": [");
    for (int i = -12; i <= 12; i++) printf("%s%.17g", i == -12 ? "" : ", ", dense_layer_act(l, l->out - 1, 0.375 * i));
    printf("]}\n");
    network_destroy(n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "read") == 0) return describe(argv[2]);
    if (argc >= 2) {
        activation act = ACTIVATION_SIGMOID;
        if (argc >= 3) assert_ok(activation_parse(argv[2], &act));
        network *n = argc == 4                              ? conv_model(1, act)
                     : argc == 3 && activation_is_wave(act) ? wave_model(1, act, 4)
                                                            : model(1, act);
        const annulus_status st = onnx_model_write(argv[1], n);
        network_destroy(n);
        return st == ANNULUS_OK ? 0 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_equal),      cmocka_unit_test(casts_are_written),
        cmocka_unit_test(bits_of_weights),       cmocka_unit_test(bipolar),
        cmocka_unit_test(waves_come_back_equal), cmocka_unit_test(convolutions_come_back_equal),
        cmocka_unit_test(damage_is_survived),    cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
