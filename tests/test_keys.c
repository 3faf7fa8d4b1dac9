/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe_fixture.h"

static const tfhe_params tiny = {.n = 12,
                                 .k = 2,
                                 .N = 256,
                                 .pbs_l = 2,
                                 .pbs_lb = 1,
                                 .pbs_bg = 8,
                                 .pbs_group = 1,
                                 .ks_l = 3,
                                 .ks_b = 4,
                                 .lwe_noise = 3,
                                 .glwe_noise = 20};

static void test_secret_key(void **state)
{
    (void)state;
    const seed256 seed = {{1}}, other = {{2}};
    secret_key *a, *b, *c, *d = NULL;
    assert_ok(secret_key_create_seeded(&tiny, &seed, &a));
    assert_ok(secret_key_create_seeded(&tiny, &seed, &b));
    assert_ok(secret_key_create_seeded(&tiny, &other, &c));
    assert_memory_equal(a->S, b->S, 512 * 8);
    assert_memory_not_equal(a->S, c->S, 512 * 8);
    size_t ones = 0;
    for (size_t i = 0; i < 512; i++) {
        assert_true(a->S[i] <= 1);
        ones += a->S[i];
    }
    assert_in_range(ones, 180, 332); /* 256 +- 6.7 standard deviations: false alarm below 2e-11, fixed seed */

    writer w;
    writer_init(&w, 1);
    secret_key_write(&w, a);
    assert_ok(w.status);
    for (size_t len = 0; len < w.len; len += 13) {
        reader cut = {.p = w.p, .len = len, .name = "secret"};
        assert_refused(secret_key_read(&cut, &d), "secret");
        assert_null(d);
    }
    reader r = {.p = w.p, .len = w.len, .name = "secret"};
    assert_ok(secret_key_read(&r, &d));
    assert_memory_equal(a->s, d->s, 12 * 8);
    assert_memory_equal(a->S, d->S, 512 * 8);
    secret_key_destroy(d);
    d = NULL;
    w.p[w.len - 1] = 2;
    r.pos = 0;
    assert_refused(secret_key_read(&r, &d), "neither 0 nor 1");
    assert_null(d);
    writer_clear(&w);
    secret_key_destroy(a), secret_key_destroy(b), secret_key_destroy(c);
    secret_key_destroy(NULL);
}

static void check_eval_key_file(uint32_t g)
{
    const seed256 seed = {{3}};
    tfhe_params p = tiny;
    p.pbs_group = g;
    secret_key *secret;
    seeded_eval_key *a, *b = NULL;
    assert_ok(secret_key_create_seeded(&p, &seed, &secret));
    assert_ok(seeded_eval_key_create(secret, 1, NULL, &a));
    writer w, again;
    writer_init(&w, 0), writer_init(&again, 0);
    seeded_eval_key_write(&w, a);
    assert_ok(w.status);
    assert_int_equal(w.len, 64 + tfhe_bsk_seeded_bytes(&p) + tfhe_ksk_seeded_bytes(&p));
    for (size_t len = 0; len < w.len; len += 4097) {
        reader cut = {.p = w.p, .len = len, .name = "server.eval"};
        assert_refused(seeded_eval_key_read(&cut, &p, &b), "server.eval");
        assert_null(b);
    }
    reader r = {.p = w.p, .len = w.len, .name = "server.eval"};
    assert_ok(seeded_eval_key_read(&r, &p, &b));
    seeded_eval_key_write(&again, b);
    assert_int_equal(w.len, again.len);
    assert_memory_equal(w.p, again.p, w.len);
    writer_clear(&w), writer_clear(&again);
    seeded_eval_key_destroy(a), seeded_eval_key_destroy(b), secret_key_destroy(secret);
}

static void test_eval_key_file(void **state)
{
    (void)state;
    for (uint32_t g = 1; g <= TFHE_MAX_GROUP; g++) check_eval_key_file(g);
}

/* Fresh encryptions: noise of TUniform(20) over 4,096 draws. The mean square of x^2 has relative standard deviation
 * sqrt(4/5)/sqrt(4096) = 1.4 %: a 10 % window is 7 of them (false alarm below 1e-11). */
static void test_fresh_noise(void **state)
{
    (void)state;
    fixture f;
    fixture_create(&f, &tiny);
    uint64_t message[4096];
    uint64_t random = 5;
    for (size_t i = 0; i < 4096; i++) message[i] = test_random(&random);
    uint64_t *ct = fixture_encrypt(&f, message, 4096);
    double square = 0;
    for (size_t i = 0; i < 4096; i++) {
        const int64_t e = (int64_t)(lwe_phase(f.secret, ct + i * lwe_words(&tiny)) - message[i]);
        assert_true(e >= -(1 << 20) && e <= 1 << 20);
        square += (double)e * (double)e / 4096;
    }
    const double want = (0x1p41 + 1) / 6;
    assert_true(square > 0.9 * want && square < 1.1 * want);
    free(ct);
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_secret_key), cmocka_unit_test(test_eval_key_file),
                                       cmocka_unit_test(test_fresh_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
