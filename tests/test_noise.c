/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "default_set.h"
#include "optimizer/noise.h"
#include <math.h>

static void test_failure(void **state)
{
    (void)state;
    /* kappa = sqrt(2) erfc^-1(p), and its inverse */
    const double table[][2] = {{log2(0.1), 1.645}, {log2(0.01), 2.576}, {-40, 7.144}, {-64, 9.155}, {-128, 13.109}};
    for (size_t i = 0; i < 5; i++) {
        const double kappa = noise_kappa(table[i][0]);
        assert_true(fabs(kappa - table[i][1]) < 6e-4);
        assert_true(fabs(noise_failure_log2(1 / (kappa * kappa), 1) - table[i][0]) < 1e-6);
    }
    assert_true(fabs(noise_failure_log2(1, noise_kappa(-1000)) + 1000) < 1e-5);
    /* the two branches of the complementary error function meet */
    assert_true(fabs(noise_failure_log2(0.5, 7.9999999) - noise_failure_log2(0.5, 8.0000001)) < 1e-5);
    assert_true(isinf(noise_failure_log2(0, 1)));
}

/* Standard deviations of the published default set by its formulas: pbs -14.83, ks -11.02, ms -9.87. */
static void test_default_set(void **state)
{
    (void)state;
    const tfhe_params p = default_set;
    const double published = noise_blind_rotate_general(p.n, p.k, p.N, p.pbs_bg, p.pbs_l, noise_fresh(&p));
    assert_true(fabs(log2(published) / 2 + 14.83) < 0.006);
    const double keyswitch = noise_keyswitch_general(2048, p.ks_b, p.ks_l, noise_tuniform(p.lwe_noise, 32), 64, 32);
    assert_true(fabs(log2(keyswitch) / 2 + 11.02) < 0.006);
    assert_true(noise_keyswitch(&p) > 1.001 * keyswitch && noise_keyswitch(&p) < 1.005 * keyswitch); /* top digit */
    assert_true(fabs(log2(noise_modulus_switch(&p, 1, 0)) / 2 + 9.87) < 0.012); /* body truncation included here */
    double fft, key, decomposition;
    noise_blind_rotate_parts(&p, &fft, &key, &decomposition);
    assert_true(fabs(fft + key + decomposition - noise_blind_rotate(&p)) < 1e-6 * noise_blind_rotate(&p));
    assert_true(fft > noise_blind_rotate(&p) - published); /* ours differs in this term only */
    fft -= noise_blind_rotate(&p) - published;
    assert_true(fabs(log2(fft) / 2 + 15.93) < 0.006); /* the parts of the -14.83 */
    assert_true(fabs(log2(key) / 2 + 15.66) < 0.006);
    assert_true(fabs(log2(decomposition) / 2 + 15.37) < 0.006);
    assert_true(noise_modulus_switch(&p, 4, 0) < noise_modulus_switch(&p, 1, 0) / 15.9);
}

/* Words of 32 bits add less than a hundredth of a bit, to sets whose gadgets leave the least bits out too. */
static void test_narrow(void **state)
{
    (void)state;
    static const uint32_t gadgets[][2] = {{1, 23}, {1, 18}, {2, 13}, {3, 9}, {2, 14}, {2, 16}};
    for (size_t i = 0; i < sizeof gadgets / sizeof *gadgets; i++)
        for (uint32_t g = 1; g <= 3; g++) {
            tfhe_params p = default_set;
            p.pbs_l = p.pbs_lb = gadgets[i][0], p.pbs_bg = gadgets[i][1], p.pbs_group = g, p.n = 900;
            const double factor = g == 1 ? 1 : 4 * (exp2(g) - 1) / exp2(g) / g, masks = p.k * p.N / 2.0;
            const double rounded = factor * p.n * masks * exp2(-2.0 * p.pbs_l * p.pbs_bg) / 24;
            double fft, key, decomposition;
            noise_blind_rotate_parts(&p, &fft, &key, &decomposition);
            const double added = decomposition / rounded - 1; /* the body's digits too, one of 1025 */
            /* 23 bits in steps of several key bits: sums could pass 2^31 */
            assert_int_equal(tfhe_narrow(&p), p.pbs_l * p.pbs_bg <= 27 && (g == 1 || p.pbs_bg < 23));
            assert_true(added > 0 && added < (p.pbs_l * p.pbs_bg == 27 ? 0.007 : 0.003));
            if (tfhe_narrow(&p) && p.pbs_l * p.pbs_bg == 27) assert_true(added > 0.003);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_failure), cmocka_unit_test(test_default_set),
                                       cmocka_unit_test(test_narrow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
