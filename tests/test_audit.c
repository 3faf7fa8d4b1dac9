/* SPDX-License-Identifier: Apache-2.0 */
#include "counted_seed.h"
#include "nn_fixture.h"

#include "circuit/audit_priv.h"
#include <math.h>

#define SAMPLES 4u

typedef struct keys {
    secret_key_set *secret;
    eval_key_set *eval;
} keys;

static void keys_create(keys *k, const circuit *c)
{
    seeded_eval_key_set *seeded = NULL;
    drawn = 0;
    assert_ok(secret_key_set_create(&c->choice.families, &k->secret));
    assert_ok(seeded_eval_key_set_create(&c->choice.families, k->secret, 0, NULL, &seeded));
    assert_ok(eval_key_set_create(seeded, 0, NULL, &k->eval));
    seeded_eval_key_set_destroy(seeded);
}

static void keys_destroy(keys *k)
{
    secret_key_set_destroy(k->secret);
    eval_key_set_destroy(k->eval);
}

/* A circuit of three layers whose look-ups err one time in about 20, and its samples. */
typedef struct subject {
    network *n;
    circuit *c;
    int32_t *q;
} subject;

static void subject_create(subject *s, network *n, const size_t features)
{
    uint64_t seed = 9;
    float *x = random_inputs(&seed, 500, features);
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 5;
    o.log2_error = log2(0.05);
    o.share_ways = 0;
    s->n = n;
    s->c = NULL;
    assert_ok(network_lower(n, x, 500, &o, &s->c));
    s->q = quantize_all(s->c, x, SAMPLES);
    free(x);
}

static void subject_destroy(subject *s)
{
    free(s->q);
    circuit_destroy(s->c);
    network_destroy(s->n);
}

static audit *audit_of(const subject *s, const keys *k, const audit_model *model)
{
    const seed256 seed = {{4}};
    const size_t outputs = circuit_last(s->c)->out;
    double *clear = malloc(3 * SAMPLES * outputs * 8);
    audit *a = NULL;
    assert_ok(audit_create(s->c, model, k->eval, k->secret, s->q, SAMPLES, &seed, 0, NULL, clear,
                           clear + SAMPLES * outputs, clear + 2 * SAMPLES * outputs, &a));
    free(clear);
    return a;
}

/* The model is accepted (false alarm 1e-6), with errors to be seen: about 16 of 80 look-ups, none with probability
 * below 1e-6. That the sums of the next layer are right behind them says that the cells are those that the look-ups
 * read. A model whose deviations are an eighth of the true ones is rejected where it is wrong and nowhere else. */
static void test_model_is_accepted_and_falsified(void **state)
{
    (void)state;
    uint64_t seed = 5;
    const size_t widths[] = {24, 12, 8, 5};
    subject s;
    keys k;
    audit_model model, wrong;
    subject_create(&s, random_network(&seed, widths, 3, ACTIVATION_RELU, 4), 24);
    keys_create(&k, s.c);
    audit_model_init(s.c, &model);
    audit *a = audit_of(&s, &k, &model);
    assert_false(a->rejected);
    assert_int_equal(a->tests, 2 * (6 + 6 + 4));
    const audit_run *r = &a->encrypted;
    assert_true(r->layers[0].errors.errors + r->layers[1].errors.errors > 0);
    assert_true(r->first.found && r->first.expected_cell != r->first.cell);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(r->layers[i].errors.look_ups, SAMPLES * widths[i + 1]);
        assert_int_equal(r->layers[i].phase.count, SAMPLES * widths[i + 1]);
        assert_true(fabs(log2(r->layers[i].phase.measured / r->layers[i].phase.predicted)) < 1);
        assert_true(r->layers[i].sum.measured < r->layers[i].phase.measured);
    }
    assert_int_equal(r->layers[2].phase.count, SAMPLES * widths[3]);
    for (size_t i = 0; i < 2; i++) { /* beyond with probability 1e-6 */
        const audit_run *run = i == 0 ? &a->simulated : &a->encrypted;
        assert_false(run->beyond.found);
        assert_true(run->largest.found && run->largest.layer == 2 && run->largest.ratio > 0);
        assert_true(run->largest.ratio <= a->most_ratio);
        assert_true(fabs(run->largest.ratio * run->largest.deviation / fabs(run->largest.noise) - 1) < 1e-12);
    }
    /* 20 values: 1e-6/20 of a normal number's tails lie beyond 5.4513 */
    assert_true(fabs(a->most_ratio / exp2(AUDIT_TOLERANCE) - 5.4513) < 1e-3);
    assert_true(r->layers[2].phase.predicted > 1.5 * r->layers[2].sum.predicted); /* packing adds most of the noise */
    audit_destroy(a);
    wrong = model;
    wrong.fresh /= 64, wrong.look_up[0] /= 64, wrong.look_up[1] /= 64, wrong.phase[0] /= 64;
    a = audit_of(&s, &k, &wrong);
    assert_true(a->rejected);
    for (size_t i = 0; i < 2; i++) {
        r = i == 0 ? &a->simulated : &a->encrypted;
        for (size_t l = 0; l < 3; l++) assert_true(r->layers[l].sum.log_p < a->log_alarm);
        assert_true(r->layers[0].phase.log_p < a->log_alarm);
        assert_true(r->layers[1].phase.log_p > a->log_alarm && r->layers[1].errors.log_p > a->log_alarm);
    }
    audit_destroy(a);
    keys_destroy(&k);
    subject_destroy(&s);
}

/* Neurons without weights have no noise, equal and opposite ones share it: neither counts, and the rest is accepted
 * (false alarm 1e-6). */
static void test_neurons_that_do_not_count(void **state)
{
    (void)state;
    uint64_t seed = 6;
    const size_t widths[] = {12, 10, 6, 4};
    network *n = random_network(&seed, widths, 3, ACTIVATION_RELU, 4);
    int32_t *W = n->layers[0].W;
    for (size_t i = 0; i < 12; i++) W[2 * 12 + i] = 0, W[5 * 12 + i] = W[12 + i], W[7 * 12 + i] = -W[3 * 12 + i];
    n->layers[0].bias[2] = 0.3;
    for (size_t o = 0; o < 6; o++) n->layers[1].W[o * 10 + 5] = n->layers[1].W[o * 10 + 7] = 0;
    n->layers[1].W[4 * 10 + 1] = n->layers[1].W[4 * 10 + 5] = 1; /* takes two of one kind */
    subject s;
    keys k;
    audit_model model;
    audit_expected *e = NULL;
    subject_create(&s, n, 12);
    audit_model_init(s.c, &model);
    assert_ok(audit_expect(s.c, &model, &e));
    static const unsigned char counts[] = {1, 1, 0, 1, 1, 0, 1, 0, 1, 1}, next[] = {1, 1, 1, 1, 0, 1};
    assert_memory_equal(e[0].counts, counts, 10);
    assert_memory_equal(e[1].counts, next, 6);
    assert_true(e[0].sum[2] == 0);
    assert_true(e[0].sums.square >= 7 && e[0].sums.largest <= 7);
    for (size_t o = 0; o < 6; o++) { /* variances leave out the neuron without noise */
        double norm2 = 0;
        for (size_t i = 0; i < 10; i++) norm2 += i == 2 ? 0 : pow(n->layers[1].W[o * 10 + i], 2);
        assert_true(fabs(e[1].sum[o] / (norm2 * model.look_up[0]) - 1) < 1e-12);
    }
    audit_expected_destroy(e, 3);
    keys_create(&k, s.c);
    audit *a = audit_of(&s, &k, &model);
    assert_false(a->rejected);
    assert_int_equal(a->encrypted.layers[0].sum.count, SAMPLES * 7);
    assert_int_equal(a->encrypted.layers[0].errors.look_ups, SAMPLES * 10);
    audit_destroy(a);
    keys_destroy(&k);
    subject_destroy(&s);
}

typedef struct watched {
    const circuit *c;
    size_t seen;
    int exact;
} watched;

static void watch_exact(void *context, const exec_seen *seen)
{
    watched *w = context;
    const circuit_layer *l = &w->c->layers[seen->layer];
    w->seen++;
    if (l->cells != 0)
        w->exact &= seen->cell == (int64_t)floor((double)(seen->acc + l->offset[seen->neuron]) / (double)l->step);
    w->exact &= fabs(seen->sum_noise) < 0x1p-8 && fabs(seen->noise) < 0x1p-4;
}

/* With look-ups that do not fail (2^-40 each, 12 of them) the observer sees the clear accumulators, and the answers are
 * the clear ones. */
static void test_observed_run_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 4;
    const size_t widths[] = {8, 6, 3};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 2);
    float *x = random_inputs(&seed, 200, 8);
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0;
    o.rounding_bits = 0;
    o.output_bits = 7;
    circuit *c = NULL;
    exec_plan *plan = NULL;
    assert_ok(network_lower(n, x, 200, &o, &c));
    int32_t *q = quantize_all(c, x, 2);
    double clear[2 * 3], got[3];
    keys k;
    keys_create(&k, c);
    assert_ok(exec_plan_create(c, &plan));
    assert_ok(exec_clear(c, q, 2, 1, clear, NULL));
    for (size_t i = 0; i < 2; i++) {
        watched w = {.c = c, .exact = 1};
        const exec_observer observer = {.seen = watch_exact, .context = &w};
        assert_ok(exec_encrypted_observed(c, plan, k.eval, k.secret, q + 8 * i, i, 1, &observer, NULL, got));
        assert_int_equal(w.seen, 6 + 3);
        assert_true(w.exact);
        for (size_t m = 0; m < 3; m++) assert_true(rint(got[m]) == clear[3 * i + m]);
    }
    exec_plan_destroy(plan);
    keys_destroy(&k);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

static void watch_last(void *context, const exec_seen *seen)
{
    double *noise = context; /* (3) of the output's sums */
    if (seen->layer == 1) noise[seen->neuron] = seen->sum_noise;
}

/* A table of one entry adds no noise, encrypted, simulated and expected alike, however noisy what it reads. */
static void test_constant_tables(void **state)
{
    (void)state;
    uint64_t seed = 6;
    const size_t widths[] = {8, 6, 3};
    subject s;
    keys k;
    exec_plan *plan = NULL;
    double got[3], encrypted[3], simulated[3];
    subject_create(&s, random_network(&seed, widths, 2, ACTIVATION_RELU, 2), 8);
    circuit_layer *first = &s.c->layers[0], *last = &s.c->layers[1];
    assert_int_equal(first->tables, first->out);
    for (size_t o = 0; o < 5; o++)
        for (size_t x = 0; x < first->cells; x++) first->table[o * first->cells + x] = 3;
    for (size_t i = 0; i < 6; i++) { /* of tables of one entry, of the other alone, of all */
        weights_of(last)[i] = i < 5;
        weights_of(last)[6 + i] = i == 5;
        weights_of(last)[12 + i] = 1;
    }
    keys_create(&k, s.c);
    assert_ok(exec_plan_create(s.c, &plan));
    const exec_observer see_encrypted = {watch_last, encrypted}, see_simulated = {watch_last, simulated};
    const seed256 noise = {{8}};
    assert_ok(exec_encrypted_observed(s.c, plan, k.eval, k.secret, s.q, 0, 1, &see_encrypted, NULL, got));
    assert_ok(exec_simulate_observed(s.c, s.q, 1, &noise, 1, &see_simulated, NULL, got, NULL));
    assert_true(encrypted[0] == 0 && simulated[0] == 0);
    assert_true(encrypted[1] != 0 && encrypted[1] == encrypted[2]);
    assert_true(simulated[1] != 0 && simulated[1] == simulated[2]);
    audit_model model;
    audit_expected *expected = NULL;
    audit_model_init(s.c, &model);
    assert_ok(audit_expect(s.c, &model, &expected));
    assert_true(expected[1].sum[0] == 0 && expected[1].sum[1] == model.look_up[0]);
    assert_true(expected[1].sum[2] == model.look_up[0]);
    assert_true(expected[0].counts[0] && !expected[1].counts[0] && expected[1].counts[1]);
    audit_expected_destroy(expected, 2);
    exec_plan_destroy(plan);
    keys_destroy(&k);
    subject_destroy(&s);
}

/* Equally correlated normal numbers, as far from the model as the tolerance allows: p-values below 1/20 come no more
 * often than that. 20,000 draws at each end; the bound leaves so much that a wrong alarm of this test has probability
 * below 1e-9 (1,000 expected at most, 1,200 allowed). */
static void test_variance_bound_holds(void **state)
{
    (void)state;
    enum { COUNT = 12, DRAWS = 20000 };
    const seed256 seed = {{7}};
    const double rho = 0.3, ends[] = {exp2(-AUDIT_TOLERANCE), exp2(AUDIT_TOLERANCE)};
    const audit_dependence d = {.square = COUNT + COUNT * (COUNT - 1) * rho * rho, .largest = 1 + (COUNT - 1) * rho};
    stream *s = NULL;
    assert_ok(stream_create(&seed, RANDOM_SIMULATION, 0, &s));
    for (size_t end = 0; end < 2; end++) {
        unsigned low = 0;
        for (size_t i = 0; i < DRAWS; i++) {
            double z = 0, v[2 * (COUNT + 1)];
            assert_ok(stream_normal_vartime(s, v, 2 * (COUNT + 1)));
            for (size_t sample = 0; sample < 2; sample++)
                for (size_t k = 0; k < COUNT; k++) {
                    const double *w = v + sample * (COUNT + 1);
                    z += pow(ends[end] * (sqrt(rho) * w[COUNT] + sqrt(1 - rho) * w[k]), 2);
                }
            low += audit_variance_log_p(z, z, COUNT, 2, &d) < log(0.05);
        }
        assert_true(low < 1200);
    }
    stream_destroy(s);
    assert_true(audit_variance_log_p(24, 24, 12, 2, &d) == 0);
    assert_true(audit_variance_log_p(24 * 30, 24 * 30, 12, 2, &d) < -40);
    assert_true(audit_variance_log_p(0, 0, 500, 10, &d) < -1000);
}

/* P(at least k) and P(at most k) of n draws of probability p. */
static void tails(unsigned n, double p, unsigned k, double *upper, double *lower)
{
    *upper = *lower = 0;
    for (unsigned i = 0; i <= n; i++) {
        const double term =
            exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) + (n - i) * log1p(-p));
        if (i >= k) *upper += term;
        if (i <= k) *lower += term;
    }
}

/* The bounds lie above the exact binomial tails, and not far. */
static void test_error_bound_holds(void **state)
{
    (void)state;
    const double p[] = {1e-9, 0.001, 0.1, 0.4};
    for (size_t i = 0; i < 4; i++)
        for (unsigned k = 0; k <= 200; k++) {
            double upper, lower;
            tails(200, p[i], k, &upper, &lower);
            const double got = audit_errors_log_p(200, k, 200 * p[i], 200 * p[i], 1);
            if (fmin(upper, lower) < 1e-290) continue;
            assert_true(got >= log(fmin(upper, lower)) - 1e-9);
            assert_true(got < log(fmin(upper, lower)) + 2 * M_LN2 + 4);
        }
    assert_true(audit_errors_log_p(0, 0, 0, 0, 1) == 0);
    assert_true(audit_errors_log_p(10, 0, 0, 0, 1) == 0);
    assert_true(isinf(audit_errors_log_p(10, 1, 0, 0, 1)));
    assert_true(audit_errors_log_p(1000, 1, 1e-10, 1e-10, 50) < -20); /* one error where none can be */
    assert_true(audit_errors_log_p(1000, 90, 50, 50, 50) == 0);       /* one cause for many */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_model_is_accepted_and_falsified),
                                       cmocka_unit_test(test_neurons_that_do_not_count),
                                       cmocka_unit_test(test_observed_run_is_exact),
                                       cmocka_unit_test(test_constant_tables),
                                       cmocka_unit_test(test_variance_bound_holds),
                                       cmocka_unit_test(test_error_bound_holds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
