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

/* Layers that take each other's values: 8 bits that may be split by up to two, 3 bits that may not, scores. */
static void layers_of(lookup_layer l[3], uint32_t most)
{
    const uint32_t entries[256] = {1, 2, 3, 5, 8}; /* small differences */
    l[0] = (lookup_layer){.name = "wide", .half_window = 1 / 1024.0, .fresh_two_norm = 12, .cells = 256, .count = 40};
    l[1] = (lookup_layer){.name = "narrow", .half_window = 1 / 32.0, .two_norm = 20, .cells = 8, .count = 20};
    l[2] = (lookup_layer){.name = "scores", .half_window = 1 / 256.0, .two_norm = 15, .count = 10, .is_output = 1};
    l[0].split_most = most;
    for (uint32_t s = 1; s <= SPLIT_MAX_LOW; s++) {
        uint32_t squares[128];
        split_squares(s, entries, 256, squares);
        l[0].amplified[s - 1] = squares[0];
    }
}

/* One ring, every bound held by the formulas alone, fewer seconds than whole look-ups; not with one family, nor where
 * the key is minimized. */
static void test_layers(void **state)
{
    (void)state;
    lookup_layer l[3];
    optimizer_result whole, split, again;
    for (int global = 0; global < 2; global++) {
        optimizer_request q = {.layers = l,
                               .layers_count = 3,
                               .target = global ? ERROR_GLOBAL : ERROR_PER_LOOKUP,
                               .log2_error = global ? -34 : -40,
                               .level = SECURITY_128,
                               .families_most = 2};
        layers_of(l, 0);
        assert_ok(optimizer_search(&q, &whole));
        layers_of(l, 2);
        assert_ok(optimizer_search(&q, &split));
        const tfhe_families *f = &split.families;
        assert_ok(tfhe_families_check(f));
        assert_true(f->merge.l > 0 && secure(&f->of[0], q.level) && secure(&f->of[1], q.level));
        assert_true(split.seconds < 0.98 * whole.seconds &&
                    split.key_bytes > (double)merge_seeded_bytes(&f->of[0], f->merge.l));
        assert_true(split.layers[0].split == 1 || split.layers[0].split == 2);
        assert_true(split.layers[1].split == 0 && split.layers[2].split == 0);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(split.layers[i].family, TFHE_HIGH);
            assert_true(split.layers[i].log2_failure <= (global ? split.log2_error : q.log2_error));
        }
        assert_true(!global || split.log2_global_failure <= -34);
        const uint32_t s = split.layers[0].split;
        const double merged = noise_merge(&f->of[0], f->merge.l, f->merge.bg, 256u >> s);
        const double out = noise_split(&f->of[1], &f->of[0], l[0].amplified[s - 1], merged);
        assert_true(fabs(split.layers[0].output_std / sqrt(out) - 1) < 1e-12);
        assert_true(fabs(split.layers[2].phase_std / sqrt(225 * out) - 1) < 1e-12);
        const double sums = 144 * noise_fresh(&f->of[0]);
        double p =
            exp2(noise_failure_log2(sums + noise_keyswitch(&f->of[0]) + s * noise_blind_rotate(&f->of[1]) +
                                        noise_modulus_switch(&f->of[0], split.layers[0].EF, split.layers[0].price),
                                    exp2(s) / 1024));
        for (uint32_t i = 0; i < s; i++)
            p += exp2(noise_failure_log2(noise_keyswitch(&f->of[1]) + noise_low_switch(&f->of[1]) +
                                             sums * pow(256 / exp2(i), 2),
                                         exp2(-2.0 - i)));
        assert_true(fabs(log2(p) - split.layers[0].log2_failure) < 1e-6);
        q.families_most = 1;
        assert_ok(optimizer_search(&q, &again));
        assert_int_equal(again.families.merge.l, 0);
        q.families_most = 2, q.minimize = MINIMIZE_KEY;
        assert_ok(optimizer_search(&q, &again));
        assert_int_equal(again.families.merge.l, 0);
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
                                       cmocka_unit_test(test_saves), cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
