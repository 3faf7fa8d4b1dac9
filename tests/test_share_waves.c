/* SPDX-License-Identifier: Apache-2.0 */
/* Waves on the same sums that are shifts of each other share rotations. */
#include "native_fixture.h"

#include "circuit/circuit_text.h"
#include "circuit/share.h"
#include "math/torus.h"
#include "nn/gather.h"
#include "roles.h"

#define INPUTS 6u
#define NEURONS 5u
#define OUTPUTS 3u
#define SAMPLES 60u
#define STEP (1.0 / 7) /* of values about 0 */

/* Of each branch: parts of a period by which its phases lie behind those of the first, and values of a rotation. */
typedef struct branch {
    double behind;
    size_t offsets;
} branch;

/* centred: about 0. apart: bounds on noise, and so rotations, differ. */
enum { TOGETHER = 0, APART = 1, CENTRED = 2 };

/* Branches of the stairs of the same sums, all phases in the middle of a step; returns how many values they have. */
static size_t fill_branches(network *n, uint64_t seed, const branch *of, size_t count, unsigned ways)
{
    size_t values = 0;
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    for (size_t i = 0; i < count; i++) {
        dense_layer *d = &n->layers[i];
        assert_ok(dense_layer_create(INPUTS, NEURONS, d));
        random_weights(&seed, d, 4 * 5.0 / 16);
        d->act = ACTIVATION_WAVE, d->own = stairs(), d->offsets = of[i].offsets, d->sources_count = 1;
        d->noise = ways & APART ? 0.01 + 0.001 * (double)i : 0x1p-10;
        d->out_q = (quantizer){.scale = 2.0 / 15, .bits = 4};
        if (ways & CENTRED) d->own.count--, d->out_q = (quantizer){.scale = STEP, .bits = 4, .is_signed = 1};
        if (i > 0) memcpy(d->W, n->layers[0].W, INPUTS * NEURONS * sizeof *d->W);
        for (size_t o = 0; o < NEURONS; o++)
            d->bias[o] = (double)(float)((2 * (double)(o + 3) + 1) / 32 + of[i].behind);
        values += dense_layer_values(d);
    }
    return values;
}

/* And scores of all their values, by some seeds the last first. */
static network *branches_of(uint64_t seed, const branch *of, size_t count, unsigned ways)
{
    network *n = NULL;
    const int turned = seed % 2 == 0;
    assert_ok(network_create(INPUTS, count + 1, &n));
    const size_t values = fill_branches(n, seed, of, count, ways);
    dense_layer *last = &n->layers[count];
    assert_ok(dense_layer_create(values, OUTPUTS, last));
    random_weights(&seed, last, 0.5);
    for (size_t i = 0; i < count; i++) last->sources[i] = (uint32_t)(turned ? count - i : i + 1);
    last->sources_count = count;
    assert_ok(network_set_labels(n, NULL, OUTPUTS));
    assert_ok(network_check(n));
    return n;
}

typedef struct shared {
    unsigned ways;
    branch of[4];
    size_t count, layers, rotations; /* of the circuit */
    uint32_t offsets[2], at[2][4];   /* of its first layers */
} shared;

static const shared cases[] = {
    {TOGETHER, {{0, 1}, {0.25, 1}}, 2, 2, 5, {2}, {{0, 128}}},
    {TOGETHER, {{0.25, 1}, {0, 1}}, 2, 2, 5, {2}, {{0, 384}}},
    {TOGETHER, {{0, 2}, {0.125, 2}}, 2, 2, 5, {4}, {{0, 128, 64, 192}}},
    {TOGETHER, {{0, 2}, {0.25, 1}}, 2, 2, 5, {2}, {{0, 128}}}, /* the last is a value of the first */
    {TOGETHER, {{0, 1}, {0.25, 1}, {0.75, 1}, {0.875, 1}}, 4, 3, 10, {3, 1}, {{0, 128, 448}, {0}}}, /* one opposite */
    {TOGETHER, {{0, 1}, {0.5, 1}}, 2, 3, 10, {1, 1}, {{0}, {0}}},
    {TOGETHER, {{0, 1}, {0.25 + 0x1p-14, 1}}, 2, 3, 10, {1, 1}, {{0}, {0}}}, /* no whole cells */
    {TOGETHER, {{0, 1}, {0.25 + 0x1p-16, 1}}, 2, 2, 5, {2}, {{0, 128}}},     /* next to them */
    {CENTRED, {{0, 1}, {0.5, 1}}, 2, 2, 5, {1}, {{0}}},                      /* the opposite */
    {CENTRED, {{0, 1}, {0.25, 1}, {0.75, 1}, {0.875, 1}}, 4, 2, 5, {3}, {{0, 128, 448}}},
    {CENTRED, {{0.5, 2}, {0.125, 2}}, 2, 2, 5, {4}, {{0, 128, 320, 448}}},
};
#define CASES (sizeof cases / sizeof *cases)

static circuit *lowered_branches(const network *n, const float *x)
{
    const layer_error exact = {"output", -40};
    lower_options o;
    lower_options_init(&o);
    o.output_bits = 16, o.layer_errors = &exact, o.layer_errors_count = 1;
    return lowered(n, x, SAMPLES, &o);
}

/* Scores are those of layers that do not share, encrypted ones, too: noise of 2^-8 at most, 8 deviations from a border
 * of the stairs, changes no value. At most 45 look-ups and 6 scores beyond 8 deviations: a false alarm has probability
 * below 2^-43. Frees all. */
static void same_scores(network *n, network *apart, circuit *c, float *x)
{
    circuit *other = lowered_branches(apart, x);
    int32_t *q = quantize_all(c, x, SAMPLES);
    double got[SAMPLES * OUTPUTS], want[SAMPLES * OUTPUTS];
    assert_int_equal(other->layers_count, apart->layers_count);
    for (size_t i = 0; i + 1 < c->layers_count; i++) assert_true(c->choice.layers[i].phase_std < 0x1p-8);
    assert_ok(exec_clear(c, q, SAMPLES, 2, got, NULL));
    assert_ok(exec_clear(other, q, SAMPLES, 2, want, NULL));
    assert_memory_equal(got, want, sizeof got);
    encrypted_is_clear(c, q, 2, want);
    circuit_destroy(c);
    circuit_destroy(other);
    network_destroy(n);
    network_destroy(apart);
    free(q), free(x);
}

static void test_shares(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2 * CASES; k++) {
        const shared *s = &cases[k / 2];
        uint64_t seed = k;
        network *n = branches_of(seed, s->of, s->count, s->ways),
                *apart = branches_of(seed, s->of, s->count, s->ways | APART);
        float *x = random_inputs(&seed, SAMPLES, INPUTS);
        circuit *c = lowered_branches(n, x);
        size_t rotations = 0;
        assert_int_equal(c->layers_count, s->layers);
        for (size_t i = 0; i + 1 < s->layers; i++) {
            const circuit_layer *l = &c->layers[i];
            rotations += l->out;
            assert_int_equal(l->offsets, s->offsets[i]);
            assert_memory_equal(l->at, s->at[i], l->offsets * sizeof *l->at);
        }
        assert_int_equal(rotations, s->rotations);
        assert_int_equal(c->passes.rotations, s->count * NEURONS - rotations);
        same_scores(n, apart, c, x);
    }
}

/* The branches as one layer, the neurons of each behind those of the one before. */
static network *stacked(const network *of)
{
    network *n = NULL;
    const dense_layer *first = &of->layers[0], *scores = &of->layers[of->layers_count - 1];
    const size_t branches = of->layers_count - 1;
    assert_ok(network_create(INPUTS, 2, &n));
    n->input = of->input;
    dense_layer *d = &n->layers[0], *last = &n->layers[1];
    assert_ok(dense_layer_create(INPUTS, branches * NEURONS, d));
    d->weight_bits = first->weight_bits, d->act = first->act, d->own = first->own, d->offsets = first->offsets;
    d->noise = first->noise, d->out_q = first->out_q;
    for (size_t i = 0; i < branches; i++) {
        const dense_layer *b = &of->layers[i];
        memcpy(d->W + i * NEURONS * INPUTS, b->W, NEURONS * INPUTS * sizeof *d->W);
        memcpy(d->w_scale + i * NEURONS, b->w_scale, NEURONS * sizeof *d->w_scale);
        memcpy(d->bias + i * NEURONS, b->bias, NEURONS * sizeof *d->bias);
    }
    assert_ok(dense_layer_create(scores->in, OUTPUTS, last));
    last->weight_bits = scores->weight_bits;
    memcpy(last->W, scores->W, scores->in * OUTPUTS * sizeof *last->W);
    memcpy(last->w_scale, scores->w_scale, OUTPUTS * sizeof *last->w_scale);
    memcpy(last->bias, scores->bias, OUTPUTS * sizeof *last->bias);
    assert_ok(network_set_labels(n, NULL, OUTPUTS));
    assert_ok(network_check(n));
    return n;
}

static const shared within[] = {
    {TOGETHER, {{0, 1}, {0.25, 1}, {0.375, 1}}, 3, 2, 5, {3}, {{0, 128, 192}}},
    {TOGETHER, {{0.25, 1}, {0, 1}}, 2, 2, 5, {2}, {{0, 384}}},
    {TOGETHER, {{0, 2}, {0.125, 2}}, 2, 2, 5, {4}, {{0, 128, 64, 192}}},
    {TOGETHER, {{0, 2}, {0.25, 2}}, 2, 2, 10, {2}, {{0, 128}}},      /* its second would be opposite */
    {TOGETHER, {{0, 1}, {0.5, 1}}, 2, 2, 10, {1}, {{0}}},            /* opposite */
    {TOGETHER, {{0, 1}, {0.5, 1}, {0.25, 1}}, 3, 2, 15, {1}, {{0}}}, /* more values */
    {TOGETHER, {{0, 1}, {0.25 + 0x1p-14, 1}}, 2, 2, 10, {1}, {{0}}}, /* no whole cells */
    {TOGETHER, {{0.5, 1}, {0.5, 1}}, 2, 2, 5, {1}, {{0}}},           /* the same */
    {CENTRED, {{0, 2}, {0.25, 2}}, 2, 2, 5, {2}, {{0, 128}}},
    {CENTRED, {{0, 1}, {0.5, 1}, {0.25, 1}}, 3, 2, 5, {2}, {{0, 128}}},
};

/* Neurons of one layer share rotations as those of branches do. */
static void test_within(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof within / sizeof *within; k++) {
        const shared *s = &within[k];
        uint64_t seed = 2 * k + 1;
        network *apart = branches_of(seed, s->of, s->count, s->ways | APART),
                *n = branches_of(seed, s->of, s->count, s->ways);
        network *one = stacked(n);
        float *x = random_inputs(&seed, SAMPLES, INPUTS);
        circuit *c = lowered_branches(one, x);
        assert_int_equal(c->layers_count, 2);
        assert_int_equal(c->layers[0].out, s->rotations);
        assert_int_equal(c->layers[0].offsets, s->offsets[0]);
        assert_memory_equal(c->layers[0].at, s->at[0], s->offsets[0] * sizeof *s->at[0]);
        assert_int_equal(c->passes.rotations, s->count * NEURONS - s->rotations);
        network_destroy(n);
        same_scores(one, apart, c, x);
    }
}

/* Two branches, the second the opposite of the first, a convolution of their values whose one weight is of a channel
 * for each branch, or of one channel of both, and scores. */
static network *convolved(uint64_t seed, int channels, unsigned ways)
{
    static const branch both[] = {{0, 1}, {0.5, 1}};
    const int32_t W[2] = {3, -2};
    const size_t places = channels ? NEURONS : 2 * NEURONS;
    const gather_windows windows = {
        .channels = channels ? 2 : 1, .size = {1, places}, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    network *n = NULL;
    circuit_linear l = {0};
    assert_ok(network_create(INPUTS, 4, &n));
    const size_t values = fill_branches(n, seed, both, 2, ways);
    dense_layer *d = &n->layers[2], *last = &n->layers[3];
    assert_ok(gather_convolution(&windows, W, 1, 1, &l));
    assert_ok(gathered_layer_create(values, places, &l, d));
    d->sources[0] = 1, d->sources[1] = 2, d->sources_count = 2;
    d->act = ACTIVATION_WAVE, d->own = n->layers[0].own, d->out_q = n->layers[0].out_q, d->noise = 0x1p-9;
    for (size_t o = 0; o < places; o++) d->w_scale[o] = 5.0 / 16 / STEP, d->bias[o] = 3.0 / 32;
    assert_ok(dense_layer_create(places, OUTPUTS, last));
    random_weights(&seed, last, 0.5);
    last->sources[0] = 3, last->sources_count = 1;
    assert_ok(network_set_labels(n, NULL, OUTPUTS));
    assert_ok(network_check(n));
    return n;
}

/* The sign of a value goes into the weights on it, unless other values share them. */
static void test_convolved(void **state)
{
    (void)state;
    for (int channels = 0; channels < 2; channels++) {
        uint64_t seed = 70;
        network *n = convolved(seed, channels, CENTRED), *apart = convolved(seed, channels, CENTRED | APART);
        float *x = random_inputs(&seed, SAMPLES, INPUTS);
        circuit *c = lowered_branches(n, x);
        assert_int_equal(c->layers_count, channels ? 3 : 4);
        assert_int_equal(c->passes.rotations, channels ? NEURONS : 0);
        same_scores(n, apart, c, x);
    }
}

/* What the second branch has in common with the first: but one weight; but one bias; all in another order; one sum;
 * none; all with another table; all, by a function of phases ahead. */
static void change(network *n, size_t way)
{
    dense_layer *d = &n->layers[1];
    const size_t row = INPUTS * sizeof *d->W;
    if (way == 0) d->W[INPUTS * NEURONS - 1] ^= 2;
    if (way == 1) d->bias[NEURONS - 1] += 1.0 / 16;
    for (size_t o = 0; way == 2 && o < NEURONS; o++) {
        memcpy(d->W + (NEURONS - 1 - o) * INPUTS, n->layers[0].W + o * INPUTS, row);
        d->bias[NEURONS - 1 - o] = n->layers[0].bias[o] + 0.25;
    }
    for (size_t o = 0; (way == 3 || way == 4) && o < NEURONS - (way == 3); o++)
        d->W[o * INPUTS] = -d->W[o * INPUTS], d->W[o * INPUTS + 1] += d->W[o * INPUTS] < 0 ? 1 : -1;
    if (way == 6) {
        memmove(d->own.steps + 1, d->own.steps, 6 * sizeof *d->own.steps);
        for (size_t k = 1; k < 7; k++)
            for (size_t i = 0; i < 2; i++) d->own.steps[k].in[i].value++;
        d->own.steps[0] = (function_step){FUNCTION_ADD, {fixture_value(0), fixture_constant(0.25)}};
        d->own.count = 7;
        memcpy(d->bias, n->layers[0].bias, NEURONS * sizeof *d->bias);
    }
    if (way != 5) return;
    d->own.count = 7; /* half as high */
    d->own.steps[5] = (function_step){FUNCTION_MUL, {fixture_value(5), fixture_constant(0.5)}};
    d->own.steps[6] = (function_step){FUNCTION_ADD, {fixture_value(6), fixture_constant(1)}};
}

static void test_in_part(void **state)
{
    (void)state;
    static const branch both[] = {{0, 1}, {0.25, 1}};
    static const size_t common[] = {NEURONS - 1, NEURONS - 1, NEURONS, 1, 0, 0, NEURONS};
    for (size_t way = 0; way < sizeof common / sizeof *common; way++) {
        uint64_t seed = 50;
        network *n = branches_of(seed, both, 2, 0), *apart = branches_of(seed, both, 2, 1);
        float *x = random_inputs(&seed, SAMPLES, INPUTS);
        change(n, way), change(apart, way);
        circuit *c = lowered_branches(n, x);
        assert_int_equal(c->passes.rotations, common[way]);
        assert_int_equal(c->layers_count, common[way] > 0 ? 2 : 3);
        assert_int_equal(c->layers[0].out, common[way] > 0 ? 2 * NEURONS - common[way] : NEURONS);
        same_scores(n, apart, c, x);
    }
}

/* Files hold the places of values, which are checked. */
static void test_files(void **state)
{
    (void)state;
    static const branch both[] = {{0.25, 1}, {0, 1}};
    static const uint32_t bad[] = {0, 256, 512, UINT32_MAX};
    uint64_t seed = 51;
    network *n = branches_of(seed, both, 2, 0);
    float *x = random_inputs(&seed, SAMPLES, INPUTS);
    circuit *c = lowered_branches(n, x), *back = NULL;
    for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
        const int good = i == sizeof bad / sizeof *bad;
        writer w;
        c->layers[0].at[1] = good ? 384 : bad[i];
        writer_init(&w, 0);
        circuit_write(&w, c);
        reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
        if (good) {
            assert_ok(circuit_read(&r, &back));
            assert_memory_equal(back->layers[0].at, c->layers[0].at, sizeof back->layers[0].at);
            circuit_destroy(back);
        } else {
            assert_refused(circuit_read(&r, &back), "value 2 of layer layer 1 lies at cell");
        }
        writer_clear(&w);
    }
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    circuit_print(f, c);
    (void)fclose(f);
    assert_non_null(strstr(text, "2 values each, of cells ahead by 0, 384\n"));
    free(text);
    circuit_destroy(c);
    network_destroy(n);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares), cmocka_unit_test(test_within),
                                       cmocka_unit_test(test_convolved), cmocka_unit_test(test_in_part),
                                       cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
