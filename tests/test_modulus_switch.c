/* SPDX-License-Identifier: Apache-2.0 */
/* The rule by which exponents are rounded, against all exponents there are near by; what it does to noise and cost is
 * in test_extension.c. */
#include "testing.h"

#include "tfhe/bootstrap.h"
#include <math.h>
#include <stdlib.h>

static tfhe_params small(uint32_t n, uint32_t N)
{
    return (tfhe_params){
        .n = n, .k = 1, .N = N, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 8, .pbs_group = 1, .ks_l = 2, .ks_b = 4};
}

/* What exponent m loses for an element at x steps; doubles hold it exactly: for the m
 * tried here x - m has at most 24 bits. */
static double loss(double x, int64_t m, uint32_t EF, uint32_t price)
{
    uint32_t parts = EF;
    for (int64_t rest = m; parts > 1 && rest % 2 == 0; rest /= 2) parts /= 2;
    return price / 16.0 * parts / EF + (x - (double)m) * (x - (double)m);
}

/* No exponent within EF steps loses less; at price 0, of two that lose as much the larger is taken. */
static void obeys(double x, uint32_t got, uint32_t EF, uint32_t price, int64_t w)
{
    int64_t m = got;
    if ((double)m < x - (double)w / 2) m += w; /* rounded up to the whole turn, which is 0 */
    const double least = loss(x, m, EF, price);
    assert_true(fabs((double)m - x) <= EF / 2.0);
    for (int64_t j = (int64_t)x - EF; j <= (int64_t)x + EF + 1; j++) {
        assert_true(loss(x, j, EF, price) >= least);
        if (j > m) assert_true(loss(x, j, EF, price) > least || price > 0);
    }
}

static void test_rule(void **state)
{
    (void)state;
    static const uint32_t prices[] = {0, 1, 7, 16, 21, 26, 31}, degrees[] = {256, 2048, 65536};
    uint32_t *in = calloc(2001, 4), *out = calloc(2001, 4);
    uint64_t seed = 1;
    for (size_t d = 0; d < 3; d++)
        for (uint32_t EF = 1; EF <= TFHE_MAX_EF; EF *= 2)
            for (size_t i = 0; i < (EF == 1 ? 1 : 7); i++) {
                const tfhe_params p = small(2000, degrees[d]);
                const int64_t w = 2 * (int64_t)EF * p.N;
                const double step = 0x1p32 / (double)w;
                for (size_t k = 0; k <= p.n; k++) in[k] = (uint32_t)test_random(&seed);
                for (size_t k = 0; k < 200; k++) in[k] &= 0xffff8000u << (k % 8); /* steps, halves, quarters, ... */
                for (size_t k = 0; k < 20; k++) in[k] = (uint32_t)(k - 10);       /* both sides of zero */
                modulus_switch_centered(&p, EF, prices[i], in, out);
                __int128 twice = 2 * (__int128)in[p.n];
                for (size_t k = 0; k < p.n; k++) {
                    assert_true(out[k] < w);
                    obeys(in[k] / step, out[k], EF, prices[i], w);
                    twice += (int32_t)(out[k] * (uint32_t)step - in[k]);
                }
                twice = (twice % (INT64_C(1) << 33) + (INT64_C(1) << 33)) % (INT64_C(1) << 33);
                assert_int_equal(out[p.n], (uint32_t)(twice / (int64_t)(2 * step))); /* body and half of the drift */
            }
    free(in), free(out);
}

/* Ties at EF = 2, N = 256: 2^22 a step. At price 16 exponent 1 loses 1 + (x-1)^2, exponent 0 loses 1/2 + x^2. */
static void test_ties(void **state)
{
    (void)state;
    const tfhe_params p = small(6, 256);
    const uint32_t quarter = UINT32_C(1) << 20;
    const uint32_t in[7] = {3 * quarter - 1, 3 * quarter, 2 * quarter - 1, 2 * quarter, 5 * quarter, 5 * quarter + 1};
    const uint32_t nearest[6] = {1, 1, 0, 1, 1, 1}, priced[6] = {0, 1, 0, 0, 1, 2};
    uint32_t out[7];
    modulus_switch_centered(&p, 2, 0, in, out);
    assert_memory_equal(out, nearest, sizeof nearest);
    modulus_switch_centered(&p, 2, 16, in, out);
    assert_memory_equal(out, priced, sizeof priced);
}

static void test_refusals(void **state)
{
    (void)state;
    const uint64_t entry = 0;
    lut *one = NULL, *four = NULL;
    assert_ok(lut_create_padded(256, 1, &entry, 1, 0, &one));
    assert_ok(lut_create_padded(256, 4, &entry, 1, 0, &four));
    assert_int_equal(four->price, 0);
    assert_ok(lut_set_price(one, 0));
    assert_ok(lut_set_price(four, TFHE_MAX_PRICE));
    assert_refused(lut_set_price(one, 1), "price 1 at extension factor 1");
    assert_refused(lut_set_price(four, TFHE_MAX_PRICE + 1), "price 32 at extension factor 4");
    assert_int_equal(one->price, 0);
    assert_int_equal(four->price, TFHE_MAX_PRICE);
    lut_destroy(one), lut_destroy(four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rule), cmocka_unit_test(test_ties),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
