/* SPDX-License-Identifier: Apache-2.0 */
/* How many samples there are once repeated ones count once. */
#include "nn_fixture.h"

#include "nn/distinct.h"
#include <math.h>

/* Numbers of one sample's integers are the same as long as they quantize alike. */
static void test_counts(void **state)
{
    (void)state;
    uint64_t seed = 8;
    network *n = random_network(&seed, (const size_t[]){3, 2}, 1, ACTIVATION_RELU, 3);
    float x[3 * 64];
    size_t found = 9;
    for (size_t i = 0; i < 64; i++) { /* (i % 8, i / 8, 0) units of 0.25 */
        x[3 * i] = 0.25f * (float)(i % 8);
        x[3 * i + 1] = 0.25f * (float)(i / 8);
        x[3 * i + 2] = 0;
    }
    assert_ok(distinct_count(n, x, 0, 10, &found));
    assert_int_equal(found, 0);
    for (size_t count = 1; count <= 64; count++) {
        assert_ok(distinct_count(n, x, count, 1000, &found));
        assert_int_equal(found, count);
    }
    assert_ok(distinct_count(n, x, 64, 17, &found));
    assert_int_equal(found, 17);
    for (size_t i = 0; i < 64; i++) x[3 * i + 1] += i % 2 ? 0.1f : -0.1f; /* of less than half a unit */
    assert_ok(distinct_count(n, x, 64, 64, &found));
    assert_int_equal(found, 64);
    for (size_t i = 0; i < 64; i++) x[3 * i] = i % 2 ? INFINITY : NAN, x[3 * i + 2] = i % 2 ? -1 : 0;
    assert_ok(distinct_count(n, x, 64, 64, &found));
    assert_int_equal(found, 8); /* by the second number alone: what is not finite, or too small, is the least */
    n->gain[1] = 0;
    assert_ok(distinct_count(n, x, 64, 64, &found));
    assert_int_equal(found, 1);
    network_destroy(n);
}

/* As many as are asked for, or half of all inputs: of one number of 3 bits there are 8. */
static void test_checks(void **state)
{
    (void)state;
    uint64_t seed = 8;
    network *n = random_network(&seed, (const size_t[]){1, 2}, 1, ACTIVATION_RELU, 3);
    const float x[] = {0, 0.25f, 0.5f, 0.5f, 0.75f, 0, 0, 0};
    assert_ok(distinct_check(n, x, 8, 32, "do it", ""));
    assert_ok(distinct_check(n, x, 5, 4, "do it", ""));
    assert_refused(distinct_check(n, x, 3, 32, "do it", " or not"),
                   "3 calibration samples are too few to do it: give at least 4 or not");
    assert_refused(distinct_check(n, x, 4, 32, "do it", ""), "4 calibration samples, of which only 3 differ");
    assert_refused(distinct_check(n, x + 5, 3, 2, "do it", ""), "all 3 calibration samples are the same");
    assert_ok(distinct_check(n, x, 4, 3, "do it", ""));
    n->input.bits = 16;
    assert_refused(distinct_check(n, x, 8, 5, "do it", ""), "give at least 5 different ones");
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts), cmocka_unit_test(test_checks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
