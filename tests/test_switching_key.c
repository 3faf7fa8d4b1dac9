/* SPDX-License-Identifier: Apache-2.0 */
/* Keyswitching keys between families: noise, look-ups of ciphertexts under another key, files of the keys of a set. */
#include "key_set_fixture.h"

#include "math/torus.h"
#include "optimizer/noise.h"
#include "tfhe/bootstrap_priv.h"
#include <math.h>

/* Little noise, so that every look-up is certain (failure below 2^-100); family 1 takes none of its own ciphertexts. */
static const tfhe_families toys = {.count = 2,
                                   .of = {TOY_SET(18, 3, 256, 2, 2, 16, 1, 2, 8, .ks_l = 4, .ks_b = 4),
                                          TOY_SET(24, 1, 512, 2, 1, 16, 3, 2, 8, .ks_l = 0)},
                                   .into = {{.l = 5, .b = 3}, {.l = 7, .b = 2}}};

/* Mean square of what 1,024 keyswitches add, over its prediction: Gaussian given the key, relative deviation 4.4 % of
 * the squares and 1.2 % of the key's noises (sqrt(4/5) over the root of at least 6,000 rows). 6 times both together and
 * 3 % for the weight of the big key, which its seed fixes, is the window of 31 %: a false alarm of 2*10^-9 each, of
 * which there are 2. Into family 1 the noise is the key's for the most part, into family 0 that of the rounding. */
static void check_noise(const tfhe_families *f, uint32_t from, uint32_t into)
{
    enum { COUNT = 1024, TOGETHER = 64 };
    const tfhe_params p = tfhe_switch_params(f, from, into);
    const size_t words = lwe_words(&f->of[from]), small = bootstrap_small_words(&f->of[into]);
    const seed256 seeds[2] = {{{11}}, {{12}}};
    const uint64_t *list[TOGETHER];
    secret_key *a = NULL, *b = NULL;
    seeded_switching_key *seeded = NULL;
    switching_key *key = NULL;
    uint64_t *in = calloc(TOGETHER * words, 8), seed = 3 + from;
    uint32_t *out = calloc(TOGETHER * small, 4);
    double square = 0;
    assert_ok(secret_key_create_seeded(&f->of[from], &seeds[0], &a));
    assert_ok(secret_key_create_seeded(&f->of[into], &seeds[1], &b));
    assert_ok(seeded_switching_key_create(&p, a, b, 0, NULL, &seeded));
    assert_ok(switching_key_create(seeded, 0, &key));
    for (size_t i = 0; i < TOGETHER; i++) list[i] = in + i * words;
    for (size_t done = 0; done < COUNT; done += TOGETHER) {
        for (size_t i = 0; i < TOGETHER * words; i++) in[i] = test_random(&seed);
        assert_ok(keyswitch_batch(key, list, TOGETHER, out));
        for (size_t i = 0; i < TOGETHER; i++) {
            const uint64_t phase = (uint64_t)lwe_small_phase(b, out + i * small) << 32;
            square += pow(torus_to_double(phase - lwe_phase(a, list[i])), 2) / COUNT;
        }
    }
    assert_true(fabs(square / noise_keyswitch(&p) - 1) < 0.31);
    /* and nothing else would do: not the families' own keyswitches, nor the gadget the other way round */
    tfhe_params others[] = {f->of[from], f->of[into], tfhe_switch_params(f, into, from)};
    for (size_t i = 0; i < 3; i++) assert_true(fabs(log2(noise_keyswitch(&others[i]) / noise_keyswitch(&p))) > 1);
    free(in), free(out);
    secret_key_destroy(a), secret_key_destroy(b);
    seeded_switching_key_destroy(seeded), switching_key_destroy(key);
}

static void test_noise(void **state)
{
    (void)state;
    tfhe_families f = {.count = 2,
                       .of = {{.n = 700, .k = 3, .N = 512, .ks_l = 2, .ks_b = 4, .lwe_noise = 16},
                              {.n = 850, .k = 1, .N = 2048, .ks_l = 4, .ks_b = 5, .lwe_noise = 17}},
                       .into = {{.l = 5, .b = 2}, {.l = 4, .b = 3}}};
    for (size_t i = 0; i < 2; i++) {
        f.of[i].pbs_l = f.of[i].pbs_lb = f.of[i].pbs_bg = f.of[i].pbs_group = 1;
        f.of[i].glwe_noise = 20;
    }
    check_noise(&f, 0, 1);
    check_noise(&f, 1, 0);
}

/* Messages of 16 cells from one family into the other by a table of its ring, and back by one of the first. */
static void test_look_ups(void **state)
{
    (void)state;
    enum { CELLS = 16 };
    const uint32_t offset = 0;
    keys k;
    lut *tables[2];
    uint64_t message[CELLS], entries[CELLS], *ct[3];
    bootstrap_job jobs[CELLS];
    keys_create(&toys, &k);
    assert_null(eval_key_switching(k.eval->of[1]));
    assert_non_null(eval_key_switching(k.eval->of[0]));
    for (uint32_t c = 0; c < CELLS; c++) {
        message[c] = lut_encode(CELLS, c);
        entries[c] = lut_encode(CELLS, (5 * c + 3) % CELLS);
    }
    const fixture first = {.secret = k.secret->of[0]};
    ct[0] = fixture_encrypt(&first, message, CELLS);
    for (size_t t = 0; t < 2; t++) {
        const uint32_t from = t == 0 ? 0 : 1, into = 1 - from;
        const size_t in = lwe_words(&toys.of[from]), out = lwe_words(&toys.of[into]);
        assert_ok(lut_create_padded(toys.of[into].N, 1, entries, CELLS, 0, &tables[t]));
        ct[t + 1] = calloc(CELLS * out, 8);
        for (size_t c = 0; c < CELLS; c++)
            jobs[c] = (bootstrap_job){.in = ct[t] + c * in, .table = tables[t], .out = ct[t + 1] + c * out};
        const switching_key *via = eval_key_set_switching(k.eval, from, into);
        assert_ok(bootstrap_batch(k.eval->of[into], via, jobs, CELLS, &offset, 1, 2));
        for (uint32_t c = 0; c < CELLS; c++) {
            const uint32_t once = (5 * c + 3) % CELLS, want = t == 0 ? once : (5 * once + 3) % CELLS;
            const uint64_t error = lwe_phase(k.secret->of[into], jobs[c].out) - lut_encode(CELLS, want);
            assert_true(fabs(torus_to_double(error)) < 0x1p-9);
        }
        lut_destroy(tables[t]);
    }
    for (size_t i = 0; i < 3; i++) free(ct[i]);
    keys_destroy(&k);
}

/* NULL is the key of its own: the same words, from ciphertexts of any of the rotations' shapes. */
static void test_own_by_name(void **state)
{
    (void)state;
    const uint32_t offset = 0;
    const uint64_t entries[4] = {UINT64_C(1) << 60, UINT64_C(3) << 60, UINT64_C(5) << 59, 7},
                   message = lut_encode(4, 2);
    keys k;
    lut *table = NULL;
    keys_create(&toys, &k);
    const eval_key *key = k.eval->of[0];
    const size_t words = lwe_words(&toys.of[0]);
    assert_ok(lut_create_padded(toys.of[0].N, 4, entries, 4, 0, &table));
    const fixture first = {.secret = k.secret->of[0]};
    uint64_t *in = fixture_encrypt(&first, &message, 1), *out = calloc(2 * words, 8);
    const bootstrap_job jobs[2] = {{.in = in, .table = table, .out = out},
                                   {.in = in, .table = table, .out = out + words}};
    assert_ok(bootstrap_batch(key, NULL, &jobs[0], 1, &offset, 1, 1));
    assert_ok(bootstrap_batch(key, eval_key_set_switching(k.eval, 0, 0), &jobs[1], 1, &offset, 1, 2));
    assert_memory_equal(out, out + words, words * 8);
    free(in), free(out);
    lut_destroy(table);
    keys_destroy(&k);
}

static void test_secret_files(void **state)
{
    (void)state;
    keys k;
    secret_key_set *back = NULL;
    writer w;
    keys_create(&toys, &k);
    writer_init(&w, 1);
    secret_key_set_write(&w, k.secret);
    assert_ok(w.status);
    for (size_t len = 0; len < w.len; len += 7) {
        reader cut = {.p = w.p, .len = len, .name = "client.key"};
        assert_refused(secret_key_set_read(&cut, &back), "client.key");
        assert_null(back);
    }
    reader r = {.p = w.p, .len = w.len, .name = "client.key"};
    assert_ok(secret_key_set_read(&r, &back));
    assert_ok(read_end(&r));
    assert_true(secret_key_set_fits(back, &toys));
    for (uint32_t i = 0; i < 2; i++)
        assert_memory_equal(back->of[i]->S, k.secret->of[i]->S, tfhe_big_dim(&toys.of[i]) * 8);
    tfhe_families other = toys;
    other.of[0] = toys.of[1], other.of[1] = toys.of[0];
    assert_false(secret_key_set_fits(back, &other));
    other = toys;
    other.count = 1;
    assert_false(secret_key_set_fits(back, &other));
    secret_key_set_destroy(back);
    back = NULL;
    static const uint8_t counts[] = {0, 3};
    for (size_t i = 0; i < 2; i++) {
        w.p[0] = counts[i];
        r.pos = 0;
        assert_refused(secret_key_set_read(&r, &back), "families, 1 to 2 are possible");
        assert_null(back);
    }
    writer_clear(&w);
    keys_destroy(&k);
}

static void test_evaluation_files(void **state)
{
    (void)state;
    keys k;
    seeded_eval_key_set *back = NULL;
    writer w, again;
    keys_create(&toys, &k);
    writer_init(&w, 0), writer_init(&again, 0);
    seeded_eval_key_set_write(&w, k.seeded);
    assert_ok(w.status);
    size_t want = 4 + 2 * (TFHE_PARAMS_BYTES + 8) + 8 + TFHE_ANSWERS_BYTES; /* every key has a seed and its bodies */
    for (uint32_t into = 0; into < 2; into++) {
        want += 32 + tfhe_bsk_seeded_bytes(&toys.of[into]);
        for (uint32_t from = 0; from < 2; from++) {
            const tfhe_params p = tfhe_switch_params(&toys, from, into);
            if (p.ks_l > 0) want += 32 + (size_t)p.k * p.N * p.ks_l * 4;
        }
    }
    assert_int_equal(w.len, want);
    for (size_t len = 0; len < w.len; len += 997) {
        reader cut = {.p = w.p, .len = len, .name = "server.eval"};
        assert_refused(seeded_eval_key_set_read(&cut, &back), "server.eval");
        assert_null(back);
    }
    reader r = {.p = w.p, .len = w.len, .name = "server.eval"};
    assert_ok(seeded_eval_key_set_read(&r, &back));
    assert_ok(read_end(&r));
    assert_true(tfhe_families_equal(&back->families, &toys));
    seeded_eval_key_set_write(&again, back);
    assert_int_equal(w.len, again.len);
    assert_memory_equal(w.p, again.p, w.len);
    seeded_eval_key_set_destroy(back);
    back = NULL;
    w.p[4 + TFHE_PARAMS_BYTES] = 31; /* levels of the conversion into family 1 */
    r.pos = 0;
    assert_refused(seeded_eval_key_set_read(&r, &back), "keyswitch from the other family into family 1");
    w.p[4 + TFHE_PARAMS_BYTES] = 10; /* possible, but not with these keys behind */
    r.pos = 0;
    assert_refused(seeded_eval_key_set_read(&r, &back), "copy it again");
    assert_null(back);
    writer_clear(&w), writer_clear(&again);
    keys_destroy(&k);
}

static tfhe_families split_toys(void)
{
    tfhe_families f = {.count = 2, .of = {toys.of[0], toys.of[0]}, .merge = {3, 12}};
    f.of[TFHE_LOW].n = 24, f.of[TFHE_LOW].pbs_group = 2;
    return f;
}

/* One big key, written and read again with the merging key; another one is refused. */
static void test_one_big_key(void **state)
{
    (void)state;
    const tfhe_families f = split_toys();
    secret_key_set *again = NULL;
    seeded_eval_key_set *back = NULL;
    writer w;
    keys k;
    keys_create(&f, &k);
    const size_t bytes = tfhe_big_dim(&f.of[0]) * sizeof(uint64_t);
    assert_memory_equal(k.secret->of[TFHE_HIGH]->S, k.secret->of[TFHE_LOW]->S, bytes);
    assert_non_null(k.eval->merge);
    writer_init(&w, 0);
    secret_key_set_write(&w, k.secret);
    reader r = {.p = w.p, .len = w.len, .name = "keys"};
    assert_ok(secret_key_set_read(&r, &again));
    assert_true(secret_key_set_fits(again, &f));
    again->of[TFHE_LOW]->S[5] ^= 1;
    assert_false(secret_key_set_fits(again, &f));
    secret_key_set_destroy(again);
    writer_clear(&w);
    writer_init(&w, 0);
    seeded_eval_key_set_write(&w, k.seeded);
    reader of = {.p = w.p, .len = w.len, .name = "keys"}, cut = {.p = w.p, .len = w.len - 1, .name = "keys"};
    assert_refused(seeded_eval_key_set_read(&cut, &back), "keys");
    assert_ok(seeded_eval_key_set_read(&of, &back));
    assert_ok(read_end(&of));
    assert_non_null(back->merge);
    seeded_eval_key_set_destroy(back);
    writer_clear(&w);
    keys_destroy(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_noise),
                                       cmocka_unit_test(test_look_ups),
                                       cmocka_unit_test(test_own_by_name),
                                       cmocka_unit_test(test_secret_files),
                                       cmocka_unit_test(test_evaluation_files),
                                       cmocka_unit_test(test_one_big_key)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
