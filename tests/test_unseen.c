/* SPDX-License-Identifier: Apache-2.0 */
/* Sums beyond what calibration has met: the bound of order statistics, of known laws and of circuits. */
#include "nn_fixture.h"

#include "circuit/exec.h"
#include "circuit/unseen.h"
#include <math.h>

static int near(double a, double b)
{
    return fabs(a / b - 1) < 1e-9;
}

/* The Gamma functions of whole margins are products. */
static void test_formula(void **state)
{
    (void)state;
    for (size_t samples = 2; samples < 1000000; samples = samples * 3 + 1) {
        const double n = (double)samples;
        assert_true(near(unseen_probability(samples, 0), 1 / (n + 1)));
        assert_true(near(unseen_probability(samples, 1), 2 / ((n + 1) * (n + 1))));
        assert_true(near(unseen_probability(samples, 2), 6 / ((n + 1) * (n + 1) * (n + 2))));
        assert_true(unseen_probability(samples, 0.1) < unseen_probability(samples, 0));
    }
    for (double margin = 0.01; margin < 20; margin *= 1.5) { /* between two ways to the same */
        const double a = unseen_probability(99999, margin), b = unseen_probability(100001, margin);
        assert_true(fabs((a / b - 1) / ((1 + margin) * 2e-5) - 1) < 0.05);
    }
    assert_true(unseen_probability(SIZE_MAX, 1e300) >= 0 && unseen_probability(2, 1e300) < 1e-3);
}

enum { EXPONENTIAL, NORMAL, UNIFORM, LAWS };

static double normal(uint64_t *seed)
{
    return sqrt(-2 * log(1 - test_unit(seed))) * cos(2 * M_PI * test_unit(seed));
}

static double draw(int law, uint64_t *seed)
{
    if (law == NORMAL) return normal(seed);
    return law == EXPONENTIAL ? -log(1 - test_unit(seed)) : test_unit(seed);
}

/* P(X > x) */
static double above(int law, double x)
{
    if (law == NORMAL) return 0.5 * erfc(x / M_SQRT2);
    return law == EXPONENTIAL ? exp(-x) : fmax(1 - x, 0);
}

/* Mean, over calibrations of 40 samples, of the probability that another is beyond: exponential laws attain the bound,
 * others keep it, and without a margin all attain it. Six standard errors of 20,000 calibrations: false alarm 2e-9 each
 * way, the seed fixed. */
static void test_laws(void **state)
{
    (void)state;
    enum { DRAWS = 20000, COUNT = 40 };
    static const double margins[] = {0, 0.1, 0.5};
    uint64_t seed = 11;
    for (int law = 0; law < LAWS; law++)
        for (size_t m = 0; m < sizeof margins / sizeof *margins; m++) {
            const double bound = unseen_probability(COUNT, margins[m]);
            double sum = 0, square = 0;
            for (size_t i = 0; i < DRAWS; i++) {
                double lo = INFINITY, hi = -INFINITY;
                for (size_t k = 0; k < COUNT; k++) {
                    const double x = draw(law, &seed);
                    lo = fmin(lo, x), hi = fmax(hi, x);
                }
                const double p = above(law, hi + margins[m] * (hi - lo));
                sum += p, square += p * p;
            }
            const double mean = sum / DRAWS, error = 6 * sqrt((square / DRAWS - mean * mean) / DRAWS);
            assert_true(mean <= bound + error);
            if (law == EXPONENTIAL || margins[m] == 0) assert_true(mean >= bound - error);
        }
}

static circuit *calibrated(const network *n, uint64_t *seed, size_t count, int measured, double margin)
{
    float *x = random_inputs(seed, count, n->inputs);
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.ranges_measured = measured, o.margin = margin, o.families_most = 1;
    assert_ok(network_lower(n, x, count, &o, &c));
    free(x);
    return c;
}

/* By hand: 99 samples, a sum at each end of 2 neurons, one of which has a proven end and one a margin of its span. */
static void test_ends(void **state)
{
    (void)state;
    uint64_t seed = 3;
    network *n = random_network(&seed, (const size_t[]){6, 2, 2}, 2, ACTIVATION_RELU, 3);
    circuit *c = calibrated(n, &seed, 40, 1, 0.1);
    circuit_layer *l = &c->layers[0];
    c->calibration_count = 99;
    l->proven_lo[0] = l->lo[0] = -10, l->measured_lo[0] = -5, l->measured_hi[0] = 5, l->hi[0] = 15,
    l->proven_hi[0] = 40;
    l->proven_lo[1] = -90, l->measured_lo[1] = l->lo[1] = 7, l->measured_hi[1] = l->hi[1] = 7, l->proven_hi[1] = 90;
    unseen u = circuit_unseen(c, 0);
    assert_true(near(u.measured, 3 * 0.01 / 2));
    assert_true(near(u.any, 0.01 + 0.01 + 2.0 / 10000) && near(u.range, u.any / 2));
    c->calibration_count = 2; /* 2/3 of one neuron, of the other as much as 2/9: of both together surely */
    l->measured_hi[0] = l->hi[0] = 5;
    u = circuit_unseen(c, 0);
    assert_true(near(u.range, 0.5) && u.any == 1);
    c->ranges_measured = 0;
    u = circuit_unseen(c, 0);
    assert_true(u.range == 0 && u.measured == 0 && u.any == 0);
    circuit_destroy(c);
    network_destroy(n);
}

/* Sums of new samples beyond the ranges of 12 calibrations by 40 samples: without a margin about as many as the bound
 * has (sums are integers: ties make them fewer), with one fewer than it has. Fixed seeds: the numbers are the same
 * always; over all seeds 12*400*6 sums have standard errors of below 12 %. */
static void test_circuits(void **state)
{
    (void)state;
    enum { CALIBRATIONS = 12, SAMPLES = 400 };
    static const double margins[] = {0, 0.1};
    uint64_t seed = 5;
    network *n = random_network(&seed, (const size_t[]){12, 6, 2}, 2, ACTIVATION_RELU, 4);
    for (size_t m = 0; m < 2; m++) {
        double found = 0, expected = 0, measured = 0;
        for (size_t i = 0; i < CALIBRATIONS; i++) {
            circuit *c = calibrated(n, &seed, 40, 1, margins[m]);
            float *x = random_inputs(&seed, SAMPLES, 12);
            int32_t *q = quantize_all(c, x, SAMPLES);
            double out[SAMPLES * 2];
            exec_stats stats = {0};
            assert_ok(exec_clear(c, q, SAMPLES, 1, out, &stats));
            const unseen u = circuit_unseen(c, 0);
            found += (double)stats.out_of_range[0] / (SAMPLES * 6.0 * CALIBRATIONS);
            expected += u.range / CALIBRATIONS, measured += u.measured / CALIBRATIONS;
            free(q), free(x);
            circuit_destroy(c);
        }
        assert_true(near(measured, 2.0 / 41));
        assert_true(found < expected && expected <= measured);
        if (margins[m] == 0) assert_true(near(expected, measured) && found > 0.4 * expected);
        if (margins[m] > 0) assert_true(expected < 0.8 * measured && found > 0);
    }
    circuit *c = calibrated(n, &seed, 40, 0, 0);
    for (size_t i = 0; i < 2; i++) assert_true(circuit_unseen(c, i).any == 0);
    circuit_destroy(c);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formula), cmocka_unit_test(test_laws),
                                       cmocka_unit_test(test_ends), cmocka_unit_test(test_circuits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
