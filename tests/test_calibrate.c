/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/clock.h"
#include "optimizer/calibrate.h"
#include "tfhe/measure.h"
#include <math.h>

#define SAMPLES 13u
#define SINGLES 7u /* of them, first, of one key bit */

/* Steps as the model says that they last. */
static void model_steps(const cost_model *m, cost_sample out[SAMPLES])
{
    static const uint32_t rings[SAMPLES][6] = {{1, 1024, 1, 1, 20, 1}, {1, 2048, 1, 1, 23, 1}, {1, 2048, 1, 1, 28, 1},
                                               {1, 2048, 2, 2, 15, 1}, {2, 1024, 2, 1, 15, 1}, {3, 512, 1, 1, 18, 1},
                                               {1, 4096, 1, 1, 22, 1}, {1, 2048, 1, 1, 23, 2}, {2, 1024, 1, 1, 23, 2},
                                               {3, 512, 1, 1, 18, 2},  {1, 2048, 1, 1, 23, 3}, {1, 2048, 2, 2, 15, 3},
                                               {3, 512, 1, 1, 18, 3}};
    for (size_t i = 0; i < SAMPLES; i++) {
        const uint32_t *r = rings[i];
        out[i].p = (tfhe_params){
            .n = 240, .k = r[0], .N = r[1], .pbs_l = r[2], .pbs_lb = r[3], .pbs_bg = r[4], .pbs_group = r[5]};
        out[i].seconds = cost_model_step(m, &out[i].p);
    }
}

static int near(double a, double b, double relative)
{
    return fabs(a - b) <= relative * fabs(b) + 1e-12;
}

static void test_recovers(void **state)
{
    (void)state;
    static const cost_model models[] = {
        {.fft = 0.0538, .multiply = 0.125, .linear = 0.0936, .combine = {0, 0, 0.075, 0.083}},
        {.fft = 1.5, .multiply = 0.5, .linear = 0.2, .wide = 0.4, .combine = {0, 0, 2, 1}},
        {.fft = 0.02, .multiply = 0, .linear = 0.3, .combine = {0, 0, 0.01, 0}}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const cost_model known = models[i];
        cost_model got = {.keyswitch = 5, .layer = 7};
        cost_sample samples[SAMPLES];
        double worst = 1;
        model_steps(&known, samples);
        assert_ok(cost_model_fit(samples, SAMPLES, &got, &worst));
        assert_true(near(got.fft, known.fft, 1e-6) && near(got.multiply, known.multiply, 1e-6) &&
                    near(got.linear, known.linear, 1e-6) && fabs(got.wide - known.wide) < 1e-7);
        for (uint32_t g = 2; g <= TFHE_MAX_GROUP; g++) assert_true(fabs(got.combine[g] - known.combine[g]) < 1e-7);
        assert_true(worst < 1e-8 && got.keyswitch == 5 && got.layer == 7);
    }
}

static double squares(const cost_model *m, const cost_sample *samples)
{
    double sum = 0;
    for (size_t i = 0; i < SINGLES; i++) sum += pow(cost_model_step(m, &samples[i].p) / samples[i].seconds - 1, 2);
    return sum;
}

/* With errors of up to 10 % no model near by fits better, among those of constants that are not negative. */
static void test_least_squares(void **state)
{
    (void)state;
    uint64_t seed = 3;
    cost_model known = cost_model_shipped;
    known.linear = 0; /* often held at 0 */
    for (size_t round = 0; round < 50; round++) {
        cost_sample samples[SAMPLES];
        cost_model got = cost_model_shipped;
        double worst = 0, largest = 0;
        model_steps(&known, samples);
        for (size_t i = 0; i < SAMPLES; i++)
            samples[i].seconds *= 0.9 + 0.2 * (double)(test_random(&seed) % 1000) / 1000;
        assert_ok(cost_model_fit(samples, SAMPLES, &got, &worst));
        assert_true(cost_model_check(&got));
        const double least = squares(&got, samples);
        for (size_t i = 0; i < 81; i++) {
            cost_model other = got;
            double *const c[4] = {&other.fft, &other.multiply, &other.linear, &other.wide};
            for (size_t j = 0, way = i; j < 4; j++, way /= 3) *c[j] = fmax(*c[j] + ((double)(way % 3) - 1) * 1e-4, 0);
            assert_true(squares(&other, samples) >= least * (1 - 1e-9));
        }
        for (size_t i = 0; i < SAMPLES; i++)
            largest = fmax(largest, fabs(cost_model_step(&got, &samples[i].p) / samples[i].seconds - 1));
        assert_true(near(worst, largest, 1e-9) && worst > 0);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    cost_sample samples[SAMPLES];
    cost_model got = cost_model_shipped;
    double worst = 9;
    model_steps(&cost_model_shipped, samples);
    assert_refused(cost_model_fit(samples, 10, &got, &worst), "do not determine");    /* none of 3 bits */
    assert_refused(cost_model_fit(samples + 4, 9, &got, &worst), "do not determine"); /* three of one bit */
    samples[3].seconds = NAN;
    assert_refused(cost_model_fit(samples, SAMPLES, &got, &worst), "do not determine");
    assert_memory_equal(&got, &cost_model_shipped, sizeof got);
    assert_true(worst == 9);
}

static int stop(void *context, const char *what, size_t done, size_t total)
{
    (void)what;
    size_t *reports = context;
    ++*reports;
    return total == 28 && done == 1;
}

/* Small steps, and a calibration that is stopped on its way: what times there are is the machine's affair. */
static void test_measures(void **state)
{
    (void)state;
    tfhe_params p = {.n = 12, .k = 1, .N = 256, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 20, .ks_l = 2, .ks_b = 4};
    double seconds = 0, crowded = 0;
    for (p.pbs_group = 1; p.pbs_group <= TFHE_MAX_GROUP; p.pbs_group++) {
        for (size_t count = 1; count <= 32; count += 31) {
            assert_ok(measure_step(&p, count, 1, &seconds));
            assert_true(seconds > 0 && seconds < 1);
        }
    }
    p.pbs_group = 1;
    assert_ok(measure_keyswitch(&p, 5, 1, &seconds));
    assert_true(seconds > 0 && seconds < 1);
    assert_ok(measure_linear(3, 130, 1, &seconds));
    assert_true(seconds > 0 && seconds < 1e-1);
    assert_ok(measure_expand(1, &seconds));
    assert_true(seconds > 0 && seconds < 1e-3);
    crowd_probe *probe;
    assert_ok(crowd_probe_create(&p, 3, &probe));
    for (size_t i = 0; i < CROWD_RUNS; i++) assert_ok(crowd_probe_run(probe));
    crowd_probe_seconds(probe, &seconds, &crowded);
    crowd_probe_destroy(probe);
    assert_true(seconds > 0 && seconds < 1 && crowded > 0 && crowded < 10);
}

static double computing(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Without time a measurement is its first run, which else is one of four at least. */
static void test_limit(void **state)
{
    (void)state;
    double seconds = 0, one = INFINITY, all = INFINITY;
    for (size_t i = 0; i < 3; i++) { /* the quietest of three */
        double start = computing();
        assert_ok(measure_expand(0, &seconds));
        assert_true(seconds > 0);
        one = fmin(one, computing() - start);
        start = computing();
        assert_ok(measure_expand(60, &seconds));
        all = fmin(all, computing() - start);
    }
    assert_true(one < 0.7 * all);
}

/* Without time there are costs all the same, one run and one round each. */
static void test_no_budget(void **state)
{
    (void)state;
    cost_model got = {0};
    double worst = -1;
    assert_ok(cost_model_measure(NULL, 0, &got, &worst));
    assert_true(cost_model_check(&got) && worst >= 0);
}

static void test_stops(void **state)
{
    (void)state;
    size_t reports = 0;
    cost_model got = cost_model_shipped;
    double worst = 9;
    const annulus_progress progress = {.report = stop, .context = &reports};
    assert_int_equal(cost_model_measure(&progress, COST_BUDGET, &got, &worst), ANNULUS_ERR_CANCELLED);
    assert_int_equal(reports, 2);
    assert_memory_equal(&got, &cost_model_shipped, sizeof got);
    assert_true(worst == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recovers), cmocka_unit_test(test_least_squares),
                                       cmocka_unit_test(test_refuses),  cmocka_unit_test(test_measures),
                                       cmocka_unit_test(test_limit),    cmocka_unit_test(test_no_budget),
                                       cmocka_unit_test(test_stops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
