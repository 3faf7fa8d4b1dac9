/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "default_set.h"
#include "optimizer/security.h"
#include <math.h>

/* Points of the published curves: dimension, 128-bit and 132-bit curve. */
static void test_points(void **state)
{
    (void)state;
    const double points[][3] = {{450, -8.888, -8.544},   {630, -13.513, -13.024},  {742, -16.391, -15.812},
                                {918, -20.914, -20.193}, {1024, -23.638, -22.832}, {2048, -49.951, -48.320},
                                {2600, -62, -62}};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        assert_true(fabs(security_log2_std(points[i][0], 64, SECURITY_128) - points[i][1]) < 6e-4);
        assert_true(fabs(security_log2_std(points[i][0], 64, SECURITY_132) - points[i][2]) < 6e-4);
    }
    assert_true(isinf(security_log2_std(449, 64, SECURITY_128)));
    assert_true(security_log2_std(4000, 32, SECURITY_128) == -30);
}

/* TUniform bounds are the smallest on the curve (B = 15 for the big key of 2048). */
static void test_bounds(void **state)
{
    (void)state;
    assert_int_equal(security_tuniform_bound(2048, 64, SECURITY_128), 15);
    assert_int_equal(security_tuniform_bound(5000, 64, SECURITY_128), 3);
    for (unsigned n = 450; n < 2500; n += 17) {
        const unsigned B = security_tuniform_bound(n, 64, SECURITY_128);
        const double std = 0.5 * log2((exp2(2.0 * B + 1) + 1) / 6) - 64;
        assert_true(std >= security_log2_std(n, 64, SECURITY_128));
        assert_true(std - 1 < security_log2_std(n, 64, SECURITY_128));
    }
}

static void test_check(void **state)
{
    (void)state;
    tfhe_params p = default_set;
    assert_ok(security_check(&p, SECURITY_132));
    p.lwe_noise = 10;
    assert_refused(security_check(&p, SECURITY_128), "LWE dimension 918");
    p.lwe_noise = 13, p.glwe_noise = 14;
    assert_refused(security_check(&p, SECURITY_128), "GLWE dimension 2048");
    p.n = 449, p.lwe_noise = 30;
    assert_refused(security_check(&p, SECURITY_128), "449");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_points), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_check)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
