/* SPDX-License-Identifier: Apache-2.0 */
#include "nn_fixture.h"

#include "circuit/exec.h"
#include "nn/auto_rounding.h"
#include <math.h>

#define SAMPLES 600u

typedef struct fixture {
    network *n;
    float *x;
    lower_options o;
} fixture;

static fixture fixture_make(uint64_t seed, network_task task)
{
    static const size_t widths[] = {30, 8, 6, 3};
    fixture f = {.n = random_network(&seed, widths, 3, ACTIVATION_RELU, 4)};
    f.n->task = task;
    f.x = random_inputs(&seed, SAMPLES, 30);
    lower_options_init(&f.o);
    f.o.log2_error = -7, f.o.rounding_bits = 0, f.o.families_most = 1;
    return f;
}

static void fixture_clear(fixture *f)
{
    free(f->x);
    network_destroy(f->n);
}

/* What the definition says, from the network's own values and one simulation. */
static double loss_of(const fixture *f, const circuit *c, const int32_t *label)
{
    const seed256 seed = {{0}};
    int32_t *q = quantize_all(c, f->x, SAMPLES);
    double *got = malloc(SAMPLES * 3 * sizeof *got), want[SAMPLES][3], mean[3] = {0};
    double lost = 0, error = 0, spread = 0;
    assert_ok(exec_simulate(c, q, SAMPLES, &seed, 1, got, NULL));
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t a = 0, b = 0;
        exec_values(c, got + 3 * i, got + 3 * i);
        assert_ok(network_apply(f->n, f->x + 30 * i, want[i]));
        for (size_t k = 0; k < 3; k++) {
            if (want[i][k] > want[i][a]) a = k;
            if (got[3 * i + k] > got[3 * i + b]) b = k;
            mean[k] += want[i][k] / SAMPLES;
        }
        lost += label == NULL ? a != b : ((int32_t)a == label[i]) - ((int32_t)b == label[i]);
    }
    for (size_t i = 0; i < 3 * SAMPLES; i++) {
        const double w = want[i / 3][i % 3];
        error += (got[i] - w) * (got[i] - w);
        spread += (w - mean[i % 3]) * (w - mean[i % 3]);
    }
    free(q), free(got);
    return f->n->task == NETWORK_REGRESSION ? 100 * error / spread : 100 * lost / SAMPLES;
}

static unsigned bits_of(const circuit_layer *l)
{
    unsigned bits = 1;
    while (1u << bits < l->cells) bits++;
    return bits;
}

/* The circuit of these widths; NULL: no parameters. */
static circuit *lower_widths(const fixture *f, unsigned first, unsigned second)
{
    const layer_rounding widths[] = {{.layer = "layer 1", .bits = first}, {.layer = "layer 2", .bits = second}};
    lower_options o = f->o;
    circuit *c = NULL;
    o.layer_roundings = widths, o.layer_roundings_count = 2;
    const annulus_status st = network_lower(f->n, f->x, SAMPLES, &o, &c);
    assert_true(st == ANNULUS_OK || st == ANNULUS_ERR_INFEASIBLE);
    return c;
}

/* The answer keeps the budget, its report is true, and one bit less anywhere breaks it or saves nothing. */
static void check(const fixture *f, double budget, const int32_t *label)
{
    const rounding_goal goal = {.budget = budget, .label = label, .threads = 1};
    rounding_report r;
    circuit *c = NULL;
    assert_ok(network_lower_auto(f->n, f->x, SAMPLES, &f->o, &goal, &r, &c));
    assert_true(r.loss <= budget && fabs(r.loss - loss_of(f, c, label)) < 1e-9);
    assert_true(r.samples == SAMPLES && r.trials >= 2);
    const unsigned w[] = {bits_of(&c->layers[0]), bits_of(&c->layers[1])};
    for (unsigned i = 0; i < 2; i++) {
        if (w[i] == 1) continue;
        circuit *less = lower_widths(f, w[0] - (i == 0), w[1] - (i == 1));
        if (less == NULL) continue;
        assert_true(loss_of(f, less, label) > budget || less->choice.seconds > 0.999 * c->choice.seconds);
        circuit_destroy(less);
    }
    circuit *same = lower_widths(f, w[0], w[1]);
    assert_memory_equal(same->digest, c->digest, sizeof c->digest);
    circuit_destroy(same);
    circuit_destroy(c);
}

static void test_goals(void **state)
{
    (void)state;
    fixture f = fixture_make(11, NETWORK_CLASSIFICATION);
    int32_t label[SAMPLES];
    for (size_t i = 0; i < SAMPLES; i++) { /* mostly what the network answers */
        double y[3];
        assert_ok(network_apply(f.n, f.x + 30 * i, y));
        label[i] = i % 10 == 0 ? (int32_t)(i % 3) : y[1] > y[0] && y[1] >= y[2] ? 1 : y[2] > y[0] ? 2 : 0;
    }
    check(&f, 3, NULL);
    check(&f, 8, NULL);
    check(&f, 0.5, label);
    fixture_clear(&f);
    f = fixture_make(12, NETWORK_REGRESSION);
    check(&f, 2, NULL);
    check(&f, 0.2, NULL);
    fixture_clear(&f);
}

/* A smaller budget never gets a cheaper circuit that the larger one would have refused. */
static void test_budgets(void **state)
{
    (void)state;
    fixture f = fixture_make(13, NETWORK_REGRESSION);
    double before = INFINITY;
    for (double budget = 0.25; budget < 20; budget *= 4) {
        const rounding_goal goal = {.budget = budget, .threads = 1};
        circuit *c = NULL;
        assert_ok(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, NULL, &c));
        assert_true(c->choice.seconds <= before);
        before = c->choice.seconds;
        circuit_destroy(c);
    }
    fixture_clear(&f);
}

static circuit *chosen(const fixture *f, rounding_method method, double budget)
{
    const rounding_goal goal = {.budget = budget, .threads = 1};
    lower_options o = f->o;
    circuit *c = NULL;
    o.method = method;
    return network_lower_auto(f->n, f->x, SAMPLES, &o, &goal, NULL, &c) == ANNULUS_OK ? c : NULL;
}

/* Methods by search: no slower than either alone. */
static void test_methods(void **state)
{
    (void)state;
    fixture f = fixture_make(15, NETWORK_REGRESSION);
    f.o.log2_error = -20;
    for (double budget = 0.5; budget < 20; budget *= 6) {
        circuit *approximate = chosen(&f, ROUNDING_APPROXIMATE, budget), *exact = chosen(&f, ROUNDING_EXACT, budget);
        circuit *either = chosen(&f, ROUNDING_AUTO, budget);
        assert_true(approximate != NULL && exact != NULL && either != NULL);
        assert_true(loss_of(&f, either, NULL) <= budget);
        assert_true(either->choice.seconds <= approximate->choice.seconds &&
                    either->choice.seconds <= exact->choice.seconds);
        for (size_t i = 0; i + 1 < exact->layers_count; i++)
            assert_true(exact->layers[i].step == 1 || exact->layers[i].low_bits > 0);
        circuit_destroy(approximate);
        circuit_destroy(exact);
        circuit_destroy(either);
    }
    fixture_clear(&f);
}

static size_t exact_layers(const circuit *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->layers_count; i++) count += c->layers[i].low_bits > 0;
    return count;
}

/* Of widths that are given: approximate where that is within the budget, exact where only that is. */
static void test_given_widths(void **state)
{
    (void)state;
    fixture f = fixture_make(16, NETWORK_REGRESSION);
    const layer_rounding own[] = {{"layer 1", 5, ROUNDING_AUTO}, {"layer 2", 5, ROUNDING_AUTO}};
    rounding_goal goal = {.budget = 100, .threads = 1, .keep_widths = 1};
    double loss[2];
    f.o.log2_error = -20, f.o.layer_roundings = own, f.o.layer_roundings_count = 2;
    for (size_t exact = 0; exact < 2; exact++) {
        fixture same = f;
        const layer_rounding all[] = {{"layer 1", 5, exact ? ROUNDING_EXACT : ROUNDING_APPROXIMATE},
                                      {"layer 2", 5, exact ? ROUNDING_EXACT : ROUNDING_APPROXIMATE}};
        circuit *c = NULL;
        same.o.layer_roundings = all;
        assert_ok(network_lower(same.n, same.x, SAMPLES, &same.o, &c));
        loss[exact] = loss_of(&f, c, NULL);
        assert_int_equal(exact_layers(c), exact ? 2 : 0);
        circuit_destroy(c);
    }
    assert_true(loss[1] < loss[0]); /* both have grids of their own; no noise near borders */
    for (size_t exact = 0; exact < 2; exact++) {
        rounding_report r;
        circuit *c = NULL;
        goal.budget = loss[exact];
        assert_ok(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c));
        assert_true(r.loss <= loss[exact] && (exact ? exact_layers(c) > 0 : exact_layers(c) == 0));
        circuit_destroy(c);
    }
    circuit *c = NULL;
    goal.budget = loss[1] / 2;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, NULL, &c),
                   "rounding to these widths loses at least");
    assert_refused(network_lower(f.n, f.x, SAMPLES, &f.o, &c), "a method of rounding that is to be chosen");
    assert_null(c);
    fixture_clear(&f);
}

/* Names of given widths are those of layers, each once, whatever is chosen besides. */
static void test_names(void **state)
{
    (void)state;
    fixture f = fixture_make(16, NETWORK_REGRESSION);
    const layer_rounding own[] = {{"layer 1", 5, ROUNDING_AUTO},
                                  {"layer 2", 5, ROUNDING_EXACT},
                                  {"layer 1", 4, ROUNDING_AUTO},
                                  {"layer 3", 5, ROUNDING_UNSAID}};
    const layer_rounding unknown[] = {own[0], own[3]};
    const rounding_goal goal = {.budget = 100, .threads = 1, .keep_widths = 1};
    circuit *c = NULL;
    f.o.log2_error = -20, f.o.layer_roundings = own, f.o.layer_roundings_count = 3;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, NULL, &c), "two roundings of layer 1");
    f.o.layer_roundings = unknown, f.o.layer_roundings_count = 2;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, NULL, &c),
                   "rounding of layer 3: no such layer, there are layer 1, layer 2");
    assert_null(c);
    f.o.layer_roundings = own, f.o.method = ROUNDING_AUTO;
    assert_ok(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, NULL, &c));
    assert_int_equal(exact_layers(c), 1);
    circuit_destroy(c);
    fixture_clear(&f);
}

/* Exact rounding of deep networks to few bits makes more layers than a circuit holds, to more bits it does not. */
static void test_deep(void **state)
{
    (void)state;
    uint64_t seed = 17;
    static const size_t widths[] = {4, 4, 4, 4, 4, 4, 4, 4};
    fixture f = {.n = random_network(&seed, widths, 7, ACTIVATION_TANH, 8), .x = random_inputs(&seed, SAMPLES, 4)};
    const rounding_goal goal = {.budget = 60, .threads = 1};
    circuit *c = NULL;
    lower_options_init(&f.o);
    f.n->task = NETWORK_REGRESSION;
    for (size_t l = 0; l < 7; l++)
        for (size_t o = 0; o < 4; o++) f.n->layers[l].w_scale[o] /= 10;
    f.o.log2_error = -3, f.o.rounding_bits = 1, f.o.families_most = 1, f.o.method = ROUNDING_EXACT;
    assert_refused(network_lower(f.n, f.x, SAMPLES, &f.o, &c), "exact rounding makes ");
    f.o.rounding_bits = 0;
    assert_ok(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, NULL, &c));
    assert_true(exact_layers(c) > 0);
    circuit_destroy(c);
    fixture_clear(&f);
}

static void test_refusals(void **state)
{
    (void)state;
    fixture f = fixture_make(14, NETWORK_CLASSIFICATION);
    rounding_goal goal = {.budget = 0, .threads = 1};
    rounding_report r = {.trials = 77};
    circuit *c = NULL;
    f.o.log2_error = -1; /* so much noise that some answer changes whatever the width */
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), "no rounding loses at most 0 %");
    goal.budget = NAN;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), "must be 0 or more");
    goal.budget = 1;
    assert_refused(network_lower_auto(f.n, f.x, 0, &f.o, &goal, &r, &c), "0 calibration samples are too few");
    f.o.ranges_measured = 0; /* an answer of 99 is more than 1 % */
    assert_refused(network_lower_auto(f.n, f.x, 99, &f.o, &goal, &r, &c),
                   "99 calibration samples are too few to choose the rounding: give at least 100");
    goal.budget = 0.1;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), "give at least 1000");
    goal.budget = 60;
    assert_refused(network_lower_auto(f.n, f.x, 31, &f.o, &goal, &r, &c), "give at least 32");
    f.n->task = NETWORK_REGRESSION, goal.budget = 0.1;
    assert_refused(network_lower_auto(f.n, f.x, 31, &f.o, &goal, &r, &c), "give at least 32");
    f.n->task = NETWORK_MULTI_LABEL; /* 3 answers a sample */
    assert_refused(network_lower_auto(f.n, f.x, 333, &f.o, &goal, &r, &c), "give at least 334");
    f.n->task = NETWORK_CLASSIFICATION, goal.budget = 1;
    float *two = malloc(SAMPLES * 30 * sizeof *two);
    for (size_t i = 0; i < SAMPLES * 30; i++) two[i] = f.x[i % 60];
    assert_refused(network_lower_auto(f.n, two, SAMPLES, &f.o, &goal, &r, &c), "of which only 2 differ");
    free(two);
    f.o.ranges_measured = 1;
    f.o.shared_output = 1, f.o.method = ROUNDING_AUTO;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), "are rounded exactly or not at all");
    f.o.shared_output = 0, f.o.method = ROUNDING_UNSAID, f.o.log2_error = -512, f.n->layers[1].W[0] = 1 << 14,
    f.n->layers[1].weight_bits = 16;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), "wider look-ups have no parameters");
    f.n->layers[0].W[0] = 1 << 14, f.n->layers[0].weight_bits = 16, f.o.output_bits = 24;
    assert_int_equal(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), ANNULUS_ERR_INFEASIBLE);
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c), "output");
    f.o.method = ROUNDING_EXACT;
    assert_refused(network_lower_auto(f.n, f.x, SAMPLES, &f.o, &goal, &r, &c),
                   "exact rounding to no width is possible; to 12 bits: layer 1: exact rounding of accumulators of ");
    assert_null(c);
    assert_int_equal(r.trials, 77);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_goals),   cmocka_unit_test(test_budgets),
                                       cmocka_unit_test(test_methods), cmocka_unit_test(test_given_widths),
                                       cmocka_unit_test(test_names),   cmocka_unit_test(test_deep),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
