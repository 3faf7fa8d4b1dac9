/* SPDX-License-Identifier: Apache-2.0 */
/* Index errors of look-ups against the Gaussian law at sets that the search finds: of each of the first SETS, LOOK_UPS
 * encrypted and 20,000 simulated (script/bench error-law has all precisions and families). Seeds are fixed: with the
 * same kernels every run is the same. A new draw, by other kernels, leaves one of the 40 exact intervals with
 * probability 10^-6 each, 4*10^-5 in all. Of 500 look-ups a deviation that is 1.4 times the law's is seen with
 * probability 0.99, of p_error 0.3 one of 0.74, too. */
#include "testing.h"

#include "binomial.h"
#include "error_law.h"

#define SIMULATED 20000u
#define CONFIDENCE (1 - 1e-6)

/* n = 20, q = 1/2: P(X <= 5) = 21700/2^20 = 0.0207, P(X <= 6) = 60460/2^20. n = 1000, q = 0.001: P(X = 0) = 0.999^1000
 * = 0.3677. */
static void test_intervals(void **state)
{
    (void)state;
    const binomial_interval half = binomial_interval_of(20, 0.5, 0.5, 0.95);
    assert_true(half.low == 6 && half.high == 14);
    assert_true(fabs(half.alarm - 2 * 21700 * 0x1p-20) < 1e-9);
    const binomial_interval rare = binomial_interval_of(1000, 0.001, 0.999, 0.9),
                            never = binomial_interval_of(1000, 1e-300, 1, 0.999);
    assert_true(rare.low == 0 && rare.high == 3); /* P(X >= 3) = 0.0802, P(X >= 4) = 0.0189 */
    assert_true(fabs(rare.alarm - 0.0189) < 1e-4);
    assert_true(never.low == 0 && never.high == 0 && never.alarm < 1e-290);
    /* P(X > 3) = 0.9 at 0.0066685 */
    assert_true(fabs(binomial_seen(1000, 0.001, &rare, 0.9) - 0.0066685) < 1e-7);
}

/* At half windows of one deviation: 0.6827 of a Gaussian within one, 0.9973 within three. */
static void test_law(void **state)
{
    (void)state;
    law_set s = {.bits = 3};
    s.r.layers[0].phase_std = 1 / 32.0;
    const law_rates r = law_predict(&s);
    assert_true(fabs(r.q[LAW_RIGHT] - 0.682689492) < 1e-9);
    assert_true(fabs(r.q[LAW_ABOVE] - (0.997300204 - 0.682689492) / 2) < 1e-9 && r.q[LAW_BELOW] == r.q[LAW_ABOVE]);
    assert_true(fabs(r.q[LAW_FURTHER] - 0.002699796) < 1e-9);
    for (size_t d = 0; d < LAW_KINDS; d++) assert_true(fabs(r.q[d] + r.c[d] - 1) < 1e-15);
}

static int follows(const law_counts *c, size_t count, const law_rates *rates)
{
    int inside = 1;
    for (size_t d = 0; d < LAW_KINDS; d++) {
        const double x = (double)c->of[d];
        const binomial_interval i = binomial_interval_of((double)count, rates->q[d], rates->c[d], CONFIDENCE);
        if (x < i.low || x > i.high) {
            print_message("kind %zu: %.0f of %zu, interval %.0f to %.0f\n", d, x, count, i.low, i.high);
            inside = 0;
        }
    }
    return inside;
}

static const struct {
    unsigned bits;
    double p_error;
} sets[] = {{2, 0.3}, {2, 0.03}, {4, 0.3}, {4, 0.03}, {5, 0.03}};
#define ALL (sizeof sets / sizeof *sets)

static void searched(size_t i, law_set *s)
{
    assert_true(law_search(LAW_SMALL, sets[i].bits, log2(sets[i].p_error), s));
    assert_true(law_params(s)->k >= 3 && law_params(s)->N <= 512);
    assert_true(s->r.layers[0].log2_failure <= log2(sets[i].p_error));
    assert_true(law_tells(s));
}

/* The sets have several key bits a step, most of their noise from the look-up before, and an extension factor with a
 * price. */
static void test_sets(void **state)
{
    (void)state;
    size_t grouped = 0, inputs = 0, extended = 0;
    for (size_t i = 0; i < ALL; i++) {
        law_set s;
        searched(i, &s);
        const layer_choice *c = &s.r.layers[0];
        grouped += law_params(&s)->pbs_group > 1;
        inputs += LAW_NORM * LAW_NORM * noise_blind_rotate(law_params(&s)) > 0.5 * c->phase_std * c->phase_std;
        extended += c->EF > 1 && c->price > 0;
    }
    assert_true(grouped > 0 && inputs > 0 && extended > 0);
}

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETS; i++) {
        law_set s;
        law_counts encrypted = {.strange = 0}, simulated = {.strange = 0};
        searched(i, &s);
        const law_rates rates = law_predict(&s);
        assert_true(fabs(log2(rates.c[LAW_RIGHT]) - s.r.layers[0].log2_failure) < 1e-9);
        assert_ok(law_encrypted(&s, i, LOOK_UPS, LOOK_UPS / 5, 0, &encrypted));
        assert_true(follows(&encrypted, LOOK_UPS, &rates));
        assert_int_equal(encrypted.strange, 0);
        assert_ok(law_simulated(&s, i, SIMULATED, &simulated));
        assert_true(follows(&simulated, SIMULATED, &rates));
        assert_int_equal(simulated.strange, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_law),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
