/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "optimizer/noise.h"
#include "optimizer/optimizer.h"
#include "optimizer/optimizer_split.h"
#include "tfhe/split.h"
#include <math.h>

static const split_request requests[] = {{6, 6, 9, -128, SECURITY_128}, {8, 8, 17, -128, SECURITY_128},
                                         {8, 8, 16, -40, SECURITY_128}, {5, 8, 1, -20, SECURITY_128},
                                         {10, 4, 4, -40, SECURITY_128}, {7, 7, 16, -40, SECURITY_132}};
#define REQUESTS (sizeof requests / sizeof *requests)

/* Failure of one look-up by the formulas alone: of each level's phase and of the high one. */
static double failure_of(const split_request *q, const split_choice *c)
{
    const double cells = exp2(q->bits);
    const double merged = noise_merge(&c->high, c->merge_l, c->merge_bg, 1u << (q->bits - c->low_bits));
    const uint32_t amplified = split_amplified_most(c->low_bits, q->entry_bits);
    const double sums = q->two_norm * q->two_norm * noise_split(&c->low, &c->high, amplified, merged);
    double p = exp2(noise_failure_log2(noise_keyswitch(&c->high) + noise_modulus_switch(&c->high, c->EF, c->price) +
                                           sums + c->low_bits * noise_blind_rotate(&c->low),
                                       exp2(c->low_bits) / cells / 4));
    for (uint32_t i = 0; i < c->low_bits; i++)
        p += exp2(noise_failure_log2(
            noise_keyswitch(&c->low) + noise_low_switch(&c->low) + sums * pow(cells / exp2(i), 2), exp2(-2.0 - i)));
    return log2(p);
}

static int secure(const tfhe_params *p, security_level level)
{
    return p->lwe_noise == security_tuniform_bound(p->n, 32, level) &&
           p->glwe_noise == security_tuniform_bound((double)tfhe_big_dim(p), 64, level);
}

static void test_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        const split_request *q = &requests[i];
        split_choice c;
        assert_ok(optimizer_split(q, &c));
        assert_ok(tfhe_params_check(&c.low));
        assert_ok(tfhe_params_check(&c.high));
        assert_true(secure(&c.low, q->level) && secure(&c.high, q->level));
        assert_true(c.low.k == c.high.k && c.low.N == c.high.N);
        assert_true(c.EF == 1 || c.high.pbs_group == 1);
        assert_true(c.log2_failure <= q->log2_error);
        assert_true(fabs(failure_of(q, &c) - c.log2_failure) < 1e-6);
        assert_true(fabs(split_seconds(q->bits, &c) - c.seconds) < 1e-9 * c.seconds);
        split_table *t; /* of any entries of so many bits the amplification counted on */
        uint32_t entries[1024];
        for (uint32_t m = 0; m < 1u << q->bits; m++) entries[m] = (m % 3 == 1 ? 1u << q->entry_bits : 1u) - 1;
        assert_ok(
            split_table_create(c.high.N, c.EF, c.price, c.low_bits, entries, 1u << q->bits, UINT64_C(1) << 40, 0, &t));
        assert_true(t->amplified <= split_amplified_most(c.low_bits, q->entry_bits));
        split_table_destroy(t);
    }
}

/* What is one step cheaper in one place breaks the bound or is not one: fewer levels of either keyswitch at any base,
 * the next smaller n of either family, and the next cheaper extension. */
static void test_cheaper_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < REQUESTS; i++) {
        const split_request *q = &requests[i];
        split_choice c;
        assert_ok(optimizer_split(q, &c));
        for (int side = 0; side < 2; side++) {
            split_choice less = c;
            tfhe_params *p = side == 0 ? &less.low : &less.high;
            p->ks_l--;
            for (p->ks_b = 1; p->ks_l > 0 && p->ks_b * p->ks_l <= 32 && p->ks_b <= 15; p->ks_b++)
                assert_true(failure_of(q, &less) > q->log2_error - log2(c.low_bits + 1.0));
            less = c;
            p->n -= 40 / p->pbs_group * p->pbs_group; /* a step of TUniform is 39 to 40 in n */
            p->lwe_noise = security_tuniform_bound(p->n, 32, q->level);
            if (p->n >= 450) assert_true(failure_of(q, &less) > q->log2_error - log2(c.low_bits + 1.0));
        }
        extension_front f;
        extension_front_init(&f);
        for (size_t e = 0; c.high.pbs_group == 1 && e < f.count; e++) {
            if (f.at[e].products >= extension_expected(c.EF, c.price).products) break;
            split_choice less = c;
            less.EF = f.at[e].EF, less.price = f.at[e].price;
            assert_true(failure_of(q, &less) > q->log2_error - log2(c.low_bits + 1.0));
        }
    }
}

/* Where they pay: against a whole look-up at the same request. */
static void test_saves(void **state)
{
    (void)state;
    const double most[] = {0.8, 0.4, 0.5};
    for (size_t i = 0; i < 3; i++) {
        const double cells = exp2(requests[i].bits);
        const lookup_layer layer = {.name = "look-up",
                                    .half_window = 1 / (4 * cells),
                                    .two_norm = requests[i].two_norm,
                                    .cells = cells,
                                    .count = 1};
        const optimizer_request whole = {
            .layers = &layer, .layers_count = 1, .log2_error = requests[i].log2_error, .level = SECURITY_128};
        optimizer_result r;
        split_choice c;
        assert_ok(optimizer_search(&whole, &r));
        assert_ok(optimizer_split(&requests[i], &c));
        assert_true(c.seconds < most[i] * r.seconds);
    }
}

static void test_refused(void **state)
{
    (void)state;
    split_choice c;
    const split_request wrong[] = {{1, 4, 1, -40, SECURITY_128}, {17, 4, 1, -40, SECURITY_128},
                                   {8, 0, 1, -40, SECURITY_128}, {8, 17, 1, -40, SECURITY_128},
                                   {8, 8, 1, 0, SECURITY_128},   {8, 8, 1, -513, SECURITY_128},
                                   {8, 8, -1, -40, SECURITY_128}};
    const char *const says[] = {"2 to 16", "2 to 16", "1 to 16", "1 to 16", "probability", "probability", "two-norm"};
    for (size_t i = 0; i < 7; i++) assert_refused(optimizer_split(&wrong[i], &c), says[i]);
    const split_request hard = {16, 16, 1e6, -128, SECURITY_128};
    assert_int_equal(optimizer_split(&hard, &c), ANNULUS_ERR_INFEASIBLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds), cmocka_unit_test(test_cheaper_fails),
                                       cmocka_unit_test(test_saves), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
