/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "default_set.h"

static void test_round_trip(void **state)
{
    (void)state;
    writer w;
    tfhe_params back;
    writer_init(&w, 0);
    tfhe_params_write(&w, &default_set);
    assert_ok(w.status);
    for (size_t len = 0; len < w.len; len++) {
        reader cut = {.p = w.p, .len = len, .name = "key"};
        assert_refused(tfhe_params_read(&cut, &back), "key");
    }
    reader r = {.p = w.p, .len = w.len, .name = "key"};
    assert_ok(tfhe_params_read(&r, &back));
    assert_ok(read_end(&r));
    assert_true(tfhe_params_equal(&default_set, &back));
    writer_clear(&w);
}

static void test_refusals(void **state)
{
    (void)state;
    const struct {
        size_t field;
        uint32_t value;
        const char *says;
    } cases[] = {{0, 0, "parameter n"},   {0, 5000, "parameter n"}, {1, 7, "parameter k"}, {2, 1000, "power of two"},
                 {2, 128, "parameter N"}, {3, 3, "pbs_l"},          {4, 2, "pbs_lb"},      {4, 0, "pbs_lb"},
                 {5, 31, "pbs_bg"},       {6, 9, "ks_l"},           {7, 17, "ks_b"},       {8, 31, "lwe_noise"},
                 {9, 63, "glwe_noise"},   {10, 0, "pbs_group"},     {10, 4, "pbs_group"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tfhe_params p = default_set;
        memcpy((uint32_t *)&p + cases[i].field, &cases[i].value, 4);
        assert_refused(tfhe_params_check(&p), cases[i].says);
        assert_false(tfhe_params_equal(&p, &default_set));
    }
    assert_ok(tfhe_params_check(&default_set));
    tfhe_params grouped = default_set;
    for (grouped.pbs_group = 2; grouped.pbs_group <= 3; grouped.pbs_group++) {
        grouped.n = default_set.n;
        assert_ok(tfhe_params_check(&grouped));
        assert_false(tfhe_params_equal(&grouped, &default_set));
        grouped.n++;
        assert_refused(tfhe_params_check(&grouped), "does not divide n = 919");
    }
}

/* One keyswitch or none: both numbers or neither. */
static void test_no_keyswitch(void **state)
{
    (void)state;
    tfhe_params p = default_set;
    p.ks_l = 0;
    assert_refused(tfhe_params_check(&p), "ks_l");
    p.ks_b = 0;
    assert_ok(tfhe_params_check(&p));
    assert_int_equal(tfhe_ksk_seeded_bytes(&p), 0);
    p.ks_l = 1;
    assert_refused(tfhe_params_check(&p), "ks_b");
}

/* Of split look-ups: two families of one ring, each with a keyswitch of its own. */
static void test_merge(void **state)
{
    (void)state;
    tfhe_families f = {.count = 2, .of = {default_set, default_set}, .merge = {3, 9}}, back = {0};
    f.of[TFHE_LOW].n = 600;
    assert_ok(tfhe_families_check(&f));
    writer w;
    writer_init(&w, 0);
    tfhe_families_write(&w, &f);
    reader r = {.p = w.p, .len = w.len, .name = "families"};
    assert_ok(tfhe_families_read(&r, &back));
    assert_ok(read_end(&r));
    assert_true(tfhe_families_equal(&f, &back));
    back.merge.bg = 10;
    assert_false(tfhe_families_equal(&f, &back));
    back = f, back.merge.l = 4;
    assert_false(tfhe_families_equal(&f, &back));
    writer_clear(&w);
    for (int i = 0; i < 8; i++) {
        static const char *const says[] = {"merge_l = 6", "merge_bg = 0",        "merge_bg = 31",
                                           "merge_l = 0", "of two families",     "of two families",
                                           "one ring",    "keyswitch of its own"};
        tfhe_families wrong = f;
        if (i == 0) wrong.merge.l = 6;
        if (i == 1) wrong.merge.bg = 0;
        if (i == 2) wrong.merge.bg = 31, wrong.merge.l = 1;
        if (i == 3) wrong.merge.l = 0;
        if (i == 4) wrong.count = 1;
        if (i == 5) wrong.into[0].l = wrong.into[0].b = 2;
        if (i == 6) wrong.of[TFHE_LOW].glwe_noise--;
        if (i == 7) wrong.of[TFHE_LOW].ks_l = wrong.of[TFHE_LOW].ks_b = 0;
        assert_refused(tfhe_families_check(&wrong), says[i]);
    }
}

static void test_families(void **state)
{
    (void)state;
    tfhe_families f = {.count = 2, .of = {default_set, default_set}, .into = {{0, 0}, {5, 3}}}, back = {0};
    f.of[1].n = 700;
    f.of[1].k = 3;
    f.of[1].N = 512;
    assert_ok(tfhe_families_check(&f));
    const tfhe_params p = tfhe_switch_params(&f, 0, 1), none = tfhe_switch_params(&f, 1, 0);
    assert_true(p.k == 1 && p.N == 2048 && p.n == 700 && p.ks_l == 5 && p.ks_b == 3);
    assert_true(none.k == 3 && none.N == 512 && none.n == default_set.n && none.ks_l == 0);
    writer w;
    writer_init(&w, 0);
    tfhe_families_write(&w, &f);
    assert_ok(w.status);
    for (size_t len = 0; len < w.len; len++) {
        reader cut = {.p = w.p, .len = len, .name = "families"};
        assert_refused(tfhe_families_read(&cut, &back), "families");
    }
    reader r = {.p = w.p, .len = w.len, .name = "families"};
    assert_ok(tfhe_families_read(&r, &back));
    assert_ok(read_end(&r));
    assert_true(tfhe_families_equal(&f, &back));
    back.into[0].l = back.into[0].b = 2;
    assert_false(tfhe_families_equal(&f, &back));
    back = f;
    back.of[1].pbs_bg--;
    assert_false(tfhe_families_equal(&f, &back));
    back = f;
    back.count = 1;
    assert_false(tfhe_families_equal(&f, &back));
    writer_clear(&w);
    f.into[1].l = 11; /* 33 bits */
    assert_refused(tfhe_families_check(&f), "keyswitch from the other family into family 2: parameter ks_l = 11");
    f.into[1].l = 0;
    assert_refused(tfhe_families_check(&f), "parameter ks_l = 0");
    f.into[1].b = 0;
    assert_ok(tfhe_families_check(&f));
    f.of[1].n = 0;
    assert_refused(tfhe_families_check(&f), "family 2: parameter n = 0");
    f.count = 1;
    assert_ok(tfhe_families_check(&f));
    f.into[0].l = f.into[0].b = 1;
    assert_refused(tfhe_families_check(&f), "there is no other family");
    f.count = 0;
    assert_refused(tfhe_families_check(&f), "families");
    f.count = 3;
    assert_refused(tfhe_families_check(&f), "families");
}

/* Sizes of the published default set: 60 MB and 30 MB seeded; keyswitch half of 60 MB at 2^32. */
static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(tfhe_bsk_memory_bytes(&default_set), 60162048);
    assert_int_equal(tfhe_bsk_seeded_bytes(&default_set), 30081024);
    assert_int_equal(tfhe_ksk_seeded_bytes(&default_set), 2048 * 4 * 4);
    assert_int_equal(tfhe_ksk_memory_bytes(&default_set), 2048 * 4 * 4 * 928);
    assert_int_equal(tfhe_exponents(&default_set), 919);
    tfhe_params grouped = default_set;
    grouped.pbs_group = 2; /* 3 GGSWs for 2 bits */
    assert_int_equal(tfhe_bsk_memory_bytes(&grouped), 60162048 / 2 * 3);
    assert_int_equal(tfhe_exponents(&grouped), 459 * 3 + 1);
    grouped.pbs_group = 3; /* 7 for 3 */
    assert_int_equal(tfhe_bsk_seeded_bytes(&grouped), 30081024 / 3 * 7);
    assert_int_equal(tfhe_ksk_memory_bytes(&grouped), 2048 * 4 * 4 * 928);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_no_keyswitch), cmocka_unit_test(test_families),
                                       cmocka_unit_test(test_merge),        cmocka_unit_test(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
