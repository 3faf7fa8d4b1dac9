/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are the label alone: the network, the circuit and its simulation give 1 for the largest quantized score,
 * the first of equals. */
#include "nn_fixture.h"

#include "circuit/exec.h"
#include "nn/auto_rounding.h"
#include "nn/top_1.h"
#include <math.h>
#include <string.h>

#define SAMPLES 300u

static network *classifier(uint64_t *seed, size_t classes)
{
    const size_t widths[] = {5, 6, classes};
    return random_network(seed, widths, 2, ACTIVATION_RELU, 3);
}

/* Takes the mean score of each class off, so that more than one is answered. */
static void balance(network *n, const float *x)
{
    double score[32], mean[32] = {0};
    const dense_layer *last = &n->layers[n->layers_count - 1];
    for (size_t i = 0; i < SAMPLES; i++) {
        assert_ok(network_apply(n, x + i * n->inputs, score));
        for (size_t o = 0; o < last->out; o++) mean[o] += score[o] / SAMPLES;
    }
    for (size_t o = 0; o < last->out; o++) last->bias[o] -= mean[o];
}

/* The first of the largest scores, cut into the steps that the quantized layer of `made` has. */
static size_t expected(const network *n, const network *made, const float *x)
{
    const dense_layer *q = &made->layers[n->layers_count - 1];
    double score[TOP_1_MOST_CLASSES];
    size_t best = 0;
    assert_ok(network_apply(n, x, score));
    for (size_t o = 0; o < q->out; o++) {
        score[o] = quantizer_integer(&q->out_q, score[o] - n->layers[n->layers_count - 1].bias[o] + q->bias[o]);
        if (score[o] > score[best]) best = o;
    }
    return best;
}

static void assert_one_hot(const double *y, size_t classes, size_t answer)
{
    for (size_t o = 0; o < classes; o++) assert_true(y[o] == (o == answer));
}

static void test_networks(void **state)
{
    (void)state;
    static const size_t classes[] = {2, 3, 4, 7, 10, 17};
    uint64_t seed = 11;
    size_t ties = 0;
    for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
        network *n = classifier(&seed, classes[k]), *made = NULL;
        float *x = random_inputs(&seed, SAMPLES, n->inputs);
        size_t answers[32] = {0};
        balance(n, x);
        assert_ok(network_top_1(n, x, SAMPLES, 4 + (unsigned)k % 3, 0.1, &made));
        for (size_t i = 0; i < SAMPLES; i++) {
            double y[32], score[32];
            const size_t want = expected(n, made, x + i * n->inputs);
            assert_ok(network_apply(made, x + i * n->inputs, y));
            assert_one_hot(y, classes[k], want);
            assert_ok(network_apply(n, x + i * n->inputs, score));
            ties += exec_answer(score, classes[k]) != want;
            answers[want]++;
        }
        size_t answered = 0;
        for (size_t o = 0; o < classes[k]; o++) answered += answers[o] > 0;
        assert_true(answered > 1);
        assert_int_equal(made->task, NETWORK_TOP_1);
        network_destroy(made);
        network_destroy(n);
        free(x);
    }
    assert_true(ties < SAMPLES * 2); /* of six networks */
}

/* Without rounding the circuit is that network, with it all layers but the quantized scores have a cell a value. */
static void test_circuits(void **state)
{
    (void)state;
    uint64_t seed = 4;
    network *n = classifier(&seed, 5), *made = NULL;
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    assert_ok(network_top_1(n, x, SAMPLES, 4, 0.1, &made));
    for (unsigned bits = 0; bits <= 3; bits += 3) {
        lower_options o;
        circuit *c = NULL;
        exec_stats stats = {0};
        double clear[SAMPLES * 5], other[SAMPLES * 5];
        const seed256 noise = {{7}};
        lower_options_init(&o);
        o.log2_error = -30, o.rounding_bits = bits, o.top_1_bits = 4, o.output_bits = 1;
        assert_ok(network_lower(n, x, SAMPLES, &o, &c));
        assert_int_equal(c->task, CIRCUIT_TOP_1);
        assert_true(circuit_exact_output(c));
        assert_int_equal(c->layers_count, made->layers_count);
        assert_int_equal(circuit_look_ups(c), 6 + 5 + 4 + 5 + 5);
        for (size_t i = 2; i + 1 < c->layers_count; i++) assert_false(circuit_rounds(&c->layers[i]));
        assert_true(bits == 0 || c->layers[0].cells <= 8);
        int32_t *q = quantize_all(c, x, SAMPLES);
        assert_ok(exec_clear(c, q, SAMPLES, 1, clear, NULL));
        assert_ok(exec_simulate(c, q, SAMPLES, &noise, 1, other, &stats));
        for (size_t i = 0; i < SAMPLES; i++) {
            double y[5], sum = 0;
            exec_values(c, clear + 5 * i, clear + 5 * i);
            exec_values(c, other + 5 * i, other + 5 * i);
            for (size_t k = 0; k < 5; k++) sum += other[5 * i + k];
            assert_true(sum == 1);
            assert_ok(network_apply(made, x + i * n->inputs, y));
            if (bits == 0) assert_memory_equal(y, clear + 5 * i, sizeof y);
            if (bits == 0) assert_memory_equal(y, other + 5 * i, sizeof y);
        }
        free(q);
        circuit_destroy(c);
    }
    network_destroy(made);
    network_destroy(n);
    free(x);
}

static size_t exact_layers(const circuit *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->layers_count; i++) count += c->layers[i].low_bits > 0;
    return count;
}

static const circuit_layer *layer_named(const circuit *c, const char *name)
{
    const circuit_layer *l = c->layers;
    while (strcmp(l->name, name) != 0) assert_true(++l < c->layers + c->layers_count);
    return l;
}

/* Rounding that is chosen leaves the comparisons alone; of a network that asks for its label itself. */
static void test_auto_rounding(void **state)
{
    (void)state;
    uint64_t seed = 9;
    network *n = classifier(&seed, 4);
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    const rounding_goal goal = {.budget = 10, .threads = 1}, wide = {.budget = 50, .threads = 1};
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.log2_error = -10, o.rounding_bits = 0;
    n->argmax = 1;
    assert_ok(network_lower_auto(n, x, SAMPLES, &o, &goal, NULL, &c));
    assert_int_equal(c->task, CIRCUIT_TOP_1);
    for (size_t i = 2; i + 1 < c->layers_count; i++) assert_false(circuit_rounds(&c->layers[i]));
    assert_int_equal(exact_layers(c), 0);
    circuit_destroy(c);
    o.method = ROUNDING_EXACT, o.top_1_bits = 3;
    assert_ok(network_lower_auto(n, x, SAMPLES, &o, &wide, NULL, &c));
    assert_true(layer_named(c, "layer 2")->low_bits > 0);
    assert_int_equal(exact_layers(c), 2);
    circuit_destroy(c);
    network_destroy(n);
    free(x);
}

/* Widths that are given, of the quantized scores too: theirs, and their method, which may be to be chosen. */
static void test_given_widths(void **state)
{
    (void)state;
    uint64_t seed = 9;
    network *n = classifier(&seed, 4);
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    static const rounding_method methods[] = {ROUNDING_EXACT, ROUNDING_APPROXIMATE, ROUNDING_AUTO};
    const rounding_goal goal = {.budget = 100, .threads = 1, .keep_widths = 1};
    for (size_t i = 0; i < 3; i++) {
        const layer_rounding own[] = {{"layer 1", 3, ROUNDING_AUTO}, {"layer 2", 3, methods[i]}};
        lower_options o;
        circuit *c = NULL;
        lower_options_init(&o);
        o.log2_error = -10, o.top_1_bits = 4, o.layer_roundings = own, o.layer_roundings_count = 2, o.families_most = 1;
        assert_ok(network_lower_auto(n, x, SAMPLES, &o, &goal, NULL, &c));
        const circuit_layer *scores = layer_named(c, "layer 2");
        assert_in_range(scores->cells, 5, 8);
        assert_int_equal(scores->low_bits > 0, methods[i] == ROUNDING_EXACT);
        assert_int_equal(exact_layers(c), methods[i] == ROUNDING_EXACT);
        circuit_destroy(c);
    }
    network_destroy(n);
    free(x);
}

/* What is said of comparisons that no parameters hold: fewer bits of theirs, which are enough; rounding is none. */
static void test_infeasible(void **state)
{
    (void)state;
    uint64_t seed = 2;
    unsigned fewer = 0;
    network *n = classifier(&seed, 3);
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = 3, o.top_1_bits = 10, o.families_most = 1; /* two could split look-ups */
    assert_int_equal(network_lower(n, x, SAMPLES, &o, &c), ANNULUS_ERR_INFEASIBLE);
    const char *helps = strstr(annulus_error_message(), "what helps: ");
    assert_non_null(helps);
    assert_null(strstr(helps, "rounding"));
    assert_null(strstr(helps, "weights"));
    helps = strstr(helps, "top-1 bits fewer by ");
    assert_non_null(helps);
    assert_int_equal(sscanf(helps, "top-1 bits fewer by %u (", &fewer), 1);
    o.top_1_bits -= fewer;
    assert_ok(network_lower(n, x, SAMPLES, &o, &c));
    circuit_destroy(c);
    network_destroy(n);
    free(x);
}

static void test_refusals(void **state)
{
    (void)state;
    uint64_t seed = 2;
    network *n = classifier(&seed, 3), *one = classifier(&seed, 1), *made = NULL;
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    assert_refused(network_top_1(n, x, SAMPLES, 0, 0.1, &made), "scores of 0 bits");
    assert_refused(network_top_1(n, x, SAMPLES, 11, 0.1, &made), "1 to 10 are possible");
    assert_refused(network_top_1(n, x, 0, 5, 0.1, &made), "0 calibration samples are too few to measure the scores");
    assert_refused(network_top_1(n, x, 31, 5, 0.1, &made), "31 calibration samples are too few");
    lower_options o; /* proven ranges need no samples, scores do */
    circuit *c = NULL;
    lower_options_init(&o);
    o.ranges_measured = 0, o.top_1_bits = 5;
    assert_refused(network_lower(n, x, 2, &o, &c), "2 calibration samples are too few to measure the scores");
    float *two = malloc(34 * n->inputs * sizeof *two);
    for (size_t i = 0; i < 34 * n->inputs; i++) two[i] = x[i % (2 * n->inputs)];
    assert_refused(network_lower(n, two, 34, &o, &c), "34 calibration samples, of which only 2 differ");
    assert_null(c);
    free(two);
    network *flat = classifier(&seed, 3);
    for (size_t l = 0; l < flat->layers_count; l++)
        memset(flat->layers[l].W, 0, flat->layers[l].in * flat->layers[l].out * sizeof *flat->layers[l].W);
    assert_refused(network_top_1(flat, x, SAMPLES, 5, 0.1, &made), "the largest score is the same");
    network_destroy(flat);
    assert_refused(network_top_1(one, x, SAMPLES, 5, 0.1, &made), "of 2 to 256 classes, not 1");
    n->task = NETWORK_REGRESSION;
    assert_refused(network_top_1(n, x, SAMPLES, 5, 0.1, &made), "for classification, not regression");
    assert_null(made);
    network_destroy(n);
    network_destroy(one);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_networks),      cmocka_unit_test(test_circuits),
                                       cmocka_unit_test(test_auto_rounding), cmocka_unit_test(test_given_widths),
                                       cmocka_unit_test(test_infeasible),    cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
