/* SPDX-License-Identifier: Apache-2.0 */
/* Blind rotations of batches and by teams against one written out of place, word for word, at toy dimensions and for
 * random exponents of every valuation; batches of look-ups against single ones. */
#include "tfhe_fixture.h"

#include "accumulator.h"
#include "base/cpu.h"
#include "math/torus.h"
#include "optimizer/noise.h"
#include "tfhe/lwe.h"
#include <math.h>

#define BATCH 9u

static uint64_t seed = 5;

static tfhe_params toy(uint32_t k, uint32_t l)
{
    return (tfhe_params){.n = 16,
                         .k = k,
                         .N = 256,
                         .pbs_l = l,
                         .pbs_lb = (l + 1) / 2,
                         .pbs_bg = 16,
                         .pbs_group = 1,
                         .ks_l = 4,
                         .ks_b = 4,
                         .lwe_noise = 2,
                         .glwe_noise = 8};
}

typedef struct inputs {
    uint32_t EF;
    lut *table[BATCH];
    uint32_t *exponents; /* (BATCH, n+1) */
} inputs;

/* Exponents zero, or of a valuation from 0 to beyond log2 EF, each as likely; bodies any. */
static void inputs_create(const tfhe_params *p, uint32_t EF, inputs *in)
{
    const unsigned log2_w = 1 + (unsigned)__builtin_ctz(EF * p->N), kinds = (unsigned)__builtin_ctz(EF) + 3;
    uint64_t *entries = calloc(p->N, 8);
    *in = (inputs){.EF = EF, .exponents = calloc(BATCH * (p->n + 1), 4)};
    for (size_t q = 0; q < BATCH; q++) {
        for (size_t i = 0; i < p->N; i++) entries[i] = test_random(&seed);
        assert_ok(lut_create_padded(p->N, EF, entries, p->N, 0, &in->table[q]));
        for (size_t i = 0; i <= p->n; i++) {
            const unsigned kind = (unsigned)(test_random(&seed) % kinds);
            const uint32_t any = (uint32_t)test_random(&seed) & ((UINT32_C(1) << log2_w) - 1);
            const uint32_t odd = (any | 1) << kind & ((UINT32_C(1) << log2_w) - 1);
            in->exponents[q * (p->n + 1) + i] = i == p->n ? any : kind + 1 == kinds ? 0 : odd;
        }
    }
    free(entries);
}

static void inputs_destroy(inputs *in)
{
    for (size_t q = 0; q < BATCH; q++) lut_destroy(in->table[q]);
    free(in->exponents);
}

/* One step on all parts, new ones beside the old. */
static void plain_step(const eval_key *key, uint32_t EF, size_t i, uint32_t a, uint64_t *acc, uint64_t *next,
                       double *digits)
{
    const tfhe_params *p = &key->params;
    const fft_gadget g = pbs_gadget(p);
    const size_t words = rotation_words(p);
    for (uint32_t t = 0; t < EF; t++) {
        const uint32_t s = (t - a) & (EF - 1);
        uint64_t *part = next + t * words;
        memcpy(part, acc + t * words, words * sizeof *part);
        fft_digits_take(key->plan, &g, digits, acc + s * words, (a + s - t) / EF, part);
        fft_digits_apply(key->plan, &g, digits, 1, &part, key->bsk + i * key->bsk_row, NULL);
    }
    memcpy(acc, next, EF * words * sizeof *acc);
}

/* Where an exponent stands in the order of bootstrap_priv.h; 0 if it moves nothing. */
static uint32_t rank_of(uint32_t EF, uint32_t a)
{
    if (a == 0) return 0;
    uint32_t v = 0;
    while (a % 2 == 0 && (EF >> v) > 1) a /= 2, v++;
    const uint32_t length = EF >> v, rest = a % length;
    return 1 + v * EF + (length < ROTATION_LONG ? 0 : rest < length - rest ? rest : length - rest);
}

/* acc (EF, rotation_words): all parts kept up. */
static void plain_rotate(const eval_key *key, const inputs *in, size_t q, uint64_t *acc)
{
    const tfhe_params *p = &key->params;
    const size_t words = rotation_words(p), glwe = (p->k + 1) * p->N, steps = in->EF * p->N;
    const uint32_t *a = in->exponents + q * (p->n + 1);
    uint64_t *next = calloc(in->EF * words, 8), *first = calloc(in->EF * glwe, 8);
    scratch tmp;
    assert_ok(scratch_create(blind_rotate_scratch(p), &tmp));
    double *digits = scratch_take(&tmp, blind_rotate_scratch(p));
    for (size_t x = 0; x < steps; x++) {
        const size_t at = (x + a[p->n]) % (2 * steps);
        const uint64_t value = in->table[q]->v[at % steps];
        first[x % in->EF * glwe + p->k * p->N + x / in->EF] = at < steps ? value : -value;
    }
    for (size_t t = 0; t < in->EF; t++) accumulator_pack(p, acc + t * words, first + t * glwe);
    for (uint32_t rank = 1; rank <= 7 * in->EF; rank++)
        for (size_t i = 0; i < p->n; i++)
            if (rank_of(in->EF, a[i]) == rank) plain_step(key, in->EF, i, a[i], acc, next, digits);
    scratch_destroy(&tmp);
    free(next), free(first);
}

typedef struct team {
    const eval_key *key;
    const rotation *r;
    size_t count;
    const uint32_t *needed;
    size_t needed_count;
    scratch tmp[5];
    unsigned members; /* that came */
} team;

static void rotate_member(void *context, const parallel_member *me)
{
    team *t = context;
    if (me->member == 0) t->members = me->members;
    blind_rotate(t->key, t->r, t->count, t->needed, t->needed_count, me, &t->tmp[me->member]);
}

/* The first `count` inputs, by this many members: every part that a needed coefficient lies in is the plain one. */
static void check_rotation(const eval_key *key, const inputs *in, const uint64_t *plain, size_t count, unsigned members,
                           const uint32_t *needed, size_t needed_count)
{
    const tfhe_params *p = &key->params;
    const size_t part = rotation_words(p), words = in->EF * part;
    uint64_t *acc = calloc(count * words, 8);
    rotation r[BATCH];
    for (size_t q = 0; q < count; q++)
        r[q] = (rotation){in->table[q], in->exponents + q * (p->n + 1), acc + q * words, NULL};
    team t = {.key = key, .r = r, .count = count, .needed = needed, .needed_count = needed_count};
    for (unsigned m = 0; m < members; m++) {
        assert_ok(scratch_create(blind_rotate_scratch(p), &t.tmp[m]));
    }
    parallel_team(members, rotate_member, &t);
    assert_in_range(t.members, 1, members);
    for (size_t q = 0; q < count; q++)
        for (size_t i = 0; i < needed_count; i++) {
            const size_t at = q * words + needed[i] % in->EF * part;
            assert_memory_equal(acc + at, plain + at, part * sizeof *acc);
        }
    for (unsigned m = 0; m < members; m++) scratch_destroy(&t.tmp[m]);
    free(acc);
}

static void check_factor(const eval_key *key, uint32_t EF)
{
    const tfhe_params *p = &key->params;
    const size_t words = EF * rotation_words(p);
    const uint32_t offset[3] = {0, EF * p->N / 3, EF * p->N - 1};
    uint64_t *plain = calloc(BATCH * words, 8);
    inputs in;
    inputs_create(p, EF, &in);
    for (size_t q = 0; q < BATCH; q++) plain_rotate(key, &in, q, plain + q * words);
    for (size_t count = 1; count <= BATCH; count++) check_rotation(key, &in, plain, count, 1, offset, 1 + count % 3);
    for (unsigned members = 2; members <= 5; members++) {
        check_rotation(key, &in, plain, 1, members, offset, 1);
        check_rotation(key, &in, plain, 1, members, offset, 3);
        check_rotation(key, &in, plain, members, members, offset, 2);
    }
    inputs_destroy(&in);
    free(plain);
}

static void test_batches_and_teams(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= 3; k += 2) {
        const tfhe_params p = toy(k, k == 1 ? 2 : 1);
        fixture f;
        fixture_create(&f, &p);
        for (uint32_t EF = 1; EF <= TFHE_MAX_EF; EF *= 2) check_factor(f.eval, EF);
        fixture_destroy(&f);
    }
}

/* Batches of many sizes on many threads give the words of single look-ups on one. */
static void check_lookups(const fixture *f, uint32_t EF)
{
    enum { MOST = 33 };
    static const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, MOST};
    const tfhe_params *p = &f->secret->params;
    const uint32_t offsets[2] = {EF * p->N / 4 + EF / 2, 0};
    uint64_t message[MOST], entries[16];
    for (size_t i = 0; i < 16; i++) entries[i] = test_random(&seed);
    for (size_t i = 0; i < MOST; i++) message[i] = test_random(&seed);
    lut *table;
    assert_ok(lut_create_padded(p->N, EF, entries, 16, 0, &table));
    uint64_t *in = fixture_encrypt(f, message, MOST);
    free(fixture_check_batches(f, table, in, offsets, counts, sizeof counts / sizeof *counts, 5));
    free(in);
    lut_destroy(table);
}

static void test_lookups(void **state)
{
    (void)state;
    const tfhe_params p = toy(1, 1);
    fixture f;
    fixture_create(&f, &p);
    for (uint32_t EF = 1; EF <= 16; EF *= 4) check_lookups(&f, EF);
    fixture_destroy(&f);
}

/* What a matrix of 64-bit accumulators is of one of narrow ones: its scale. */
static double wide_scale(const fft_plan *plan, const fft_gadget *wide, const fft_gadget *narrow)
{
    const size_t N = fft_plan_N(plan), rows = fft_gadget_rows(wide), words = fft_matrix_words(N, rows, wide->columns);
    const fft_gadget *gadgets[2] = {wide, narrow};
    double value[2] = {0};
    scratch tmp;
    assert_ok(scratch_create((words + N) * sizeof(double), &tmp));
    double *matrix = scratch_take(&tmp, words * sizeof *matrix);
    const fourier one = {scratch_take(&tmp, N * sizeof *matrix)};
    for (size_t i = 0; i < 2; i++) {
        for (size_t x = 0; x < N; x++) one.v[x] = 1;
        fft_matrix_pack(plan, matrix, gadgets[i], 0, 0, one);
        value[i] = matrix[0];
    }
    scratch_destroy(&tmp);
    return value[0] / value[1];
}

/* acc (k+1, N) <- rotation by the exponents `a`, in words of 64 bits. */
static void wide_rotate(const eval_key *key, const lut *table, const uint32_t *a, uint64_t *acc)
{
    const tfhe_params *p = &key->params;
    const fft_gadget narrow = pbs_gadget(p);
    fft_gadget wide = narrow;
    wide.narrow = 0;
    const double scale = wide_scale(key->plan, &wide, &narrow);
    const size_t words = fft_matrix_words(p->N, fft_gadget_rows(&wide), wide.columns);
    scratch tmp;
    assert_ok(scratch_create((words + fft_digits_words(p->N, &wide) + 8) * sizeof(double), &tmp));
    double *matrix = scratch_take(&tmp, words * sizeof *matrix);
    double *digits = scratch_take(&tmp, fft_digits_words(p->N, &wide) * sizeof *digits);
    memset(acc, 0, (p->k + 1) * p->N * sizeof *acc);
    for (size_t x = 0; x < p->N; x++) {
        const size_t at = (x + a[p->n]) % (2 * p->N);
        acc[p->k * p->N + x] = at < p->N ? table->v[at] : -table->v[at - p->N];
    }
    for (size_t i = 0; i < p->n; i++) {
        for (size_t x = 0; x < words; x++) matrix[x] = scale * key->bsk[i * key->bsk_row + x];
        fft_digits_take(key->plan, &wide, digits, acc, a[i], acc);
        fft_digits_apply(key->plan, &wide, digits, 1, &acc, matrix, NULL);
    }
    scratch_destroy(&tmp);
}

/* Rotations in words of 32 and of 64 bits: phases that are the table's to 2^-10, 12 and more standard deviations, and
 * not the same words. */
static void check_widths(uint32_t k, uint32_t l, uint32_t bg)
{
    tfhe_params p = toy(k, l);
    p.pbs_bg = bg, p.pbs_lb = l;
    fixture f;
    inputs in;
    fixture_create(&f, &p);
    inputs_create(&p, 1, &in);
    assert_true(tfhe_narrow(&p) && 12 * sqrt(noise_blind_rotate(&p)) < 0x1p-10);
    const size_t words = (p.k + 1) * p.N;
    uint64_t *narrow = calloc(words, 8), *wide = calloc(words, 8), out[2][4096];
    scratch tmp;
    assert_ok(scratch_create(blind_rotate_scratch(&p), &tmp));
    for (size_t q = 0; q < BATCH; q++) {
        const rotation r = {in.table[q], in.exponents + q * (p.n + 1), narrow, NULL};
        const uint32_t needed = 0, step = lwe_rotation_step(f.secret, 1, 0, r.exponents);
        const uint64_t value = step < p.N ? r.table->v[step] : -r.table->v[step - p.N];
        tfhe_params as_wide = p;
        as_wide.pbs_l = 52 / bg;
        blind_rotate(f.eval, &r, 1, &needed, 1, &parallel_alone, &tmp);
        wide_rotate(f.eval, r.table, r.exponents, wide);
        sample_extract(&p, 1, narrow, 0, out[0]);
        sample_extract(&as_wide, 1, wide, 0, out[1]);
        for (size_t i = 0; i < 2; i++)
            assert_true(fabs(torus_to_double(lwe_phase(f.secret, out[i]) - value)) < 0x1p-10);
        assert_memory_not_equal(out[0], out[1], lwe_words(&p) * sizeof *out[0]);
    }
    scratch_destroy(&tmp);
    free(narrow), free(wide);
    inputs_destroy(&in);
    fixture_destroy(&f);
}

static void test_widths(void **state)
{
    (void)state;
    check_widths(1, 1, 20);
    check_widths(3, 1, 20);
    check_widths(2, 2, 10);
}

static void cache_set(size_t kilobytes)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%zu", kilobytes << 10);
    assert_int_equal(setenv("ANNULUS_CACHE", text, 1), 0);
    assert_int_equal(cpu_cache_bytes(), kilobytes << 10);
}

static size_t clamped(size_t x, size_t most)
{
    return x < 1 ? 1 : x > most ? most : x;
}

/* Accumulators in one and a half times the second-level cache, digits of one key bit in an eighth of it and of several
 * in a quarter, whatever size it has. */
static void check_batch_rule(size_t kilobytes)
{
    cache_set(kilobytes);
    for (uint32_t N = 256; N <= 65536; N *= 2)
        for (uint32_t g = 1; g <= 3; g++) {
            const tfhe_params p = {.k = 2, .N = N, .pbs_l = 2, .pbs_lb = 1, .pbs_bg = 16, .pbs_group = g};
            const size_t digits = 5 * N * 8;
            assert_int_equal(rotation_products(&p), clamped((kilobytes << 10) / (g == 1 ? 8 : 4) / digits, 8));
            for (uint32_t EF = 1; EF <= TFHE_MAX_EF; EF *= 2)
                assert_int_equal(rotation_batch(&p, EF), clamped((kilobytes << 10) * 3 / 2 / (EF * 3 * N * 8), 32));
        }
}

static void test_batch_rule(void **state)
{
    (void)state;
    for (size_t kilobytes = 64; kilobytes <= 65536; kilobytes *= 2) check_batch_rule(kilobytes);
    check_batch_rule(1280);
    const tfhe_params p = {.k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 23, .pbs_group = 1};
    const size_t batches[4] = {23, 32, 32, 32}, products[4] = {1, 2, 4, 8};
    for (size_t i = 0; i < 4; i++) { /* 256 KiB to 2 MiB */
        cache_set((size_t)256 << i);
        assert_int_equal(rotation_batch(&p, 1), batches[i]);
        assert_int_equal(rotation_products(&p), products[i]);
    }
    assert_int_equal(unsetenv("ANNULUS_CACHE"), 0);
}

/* The words do not depend on the batches that a cache of this size makes. */
static void test_any_cache(void **state)
{
    (void)state;
    const tfhe_params p = toy(1, 2);
    fixture f;
    fixture_create(&f, &p);
    const uint64_t message[1] = {lut_encode(16, 3)};
    uint64_t entries[16], *in = fixture_encrypt(&f, message, 1), *out[2];
    const uint32_t offsets[1] = {0};
    lut *table;
    for (size_t i = 0; i < 16; i++) entries[i] = test_random(&seed);
    assert_ok(lut_create_padded(p.N, 8, entries, 16, 0, &table));
    for (size_t i = 0; i < 2; i++) {
        enum { MOST = 12 };
        bootstrap_job jobs[MOST];
        cache_set(i == 0 ? 64 : 4096);
        out[i] = calloc(MOST * lwe_words(&p), 8);
        for (size_t q = 0; q < MOST; q++)
            jobs[q] = (bootstrap_job){.in = in, .table = table, .out = out[i] + q * lwe_words(&p)};
        assert_ok(bootstrap_batch(f.eval, NULL, jobs, MOST, offsets, 1, 2));
        for (size_t q = 0; q < MOST; q++) assert_memory_equal(jobs[q].out, out[0], lwe_words(&p) * sizeof *out[i]);
    }
    assert_int_equal(unsetenv("ANNULUS_CACHE"), 0);
    free(in), free(out[0]), free(out[1]);
    lut_destroy(table);
    fixture_destroy(&f);
}

static void nothing(void *context, const parallel_member *me)
{
    (void)context, (void)me;
}

/* OpenMP of LLVM 14 leaks where a team outgrows those before. */
static int start_largest_team(void **state)
{
    (void)state;
    parallel_team(5, nothing, NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_and_teams), cmocka_unit_test(test_lookups),   cmocka_unit_test(test_widths),
        cmocka_unit_test(test_batch_rule),        cmocka_unit_test(test_any_cache),
    };
    return cmocka_run_group_tests(tests, start_largest_team, NULL);
}
