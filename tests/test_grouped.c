/* SPDX-License-Identifier: Apache-2.0 */
/* Blind rotations of 2 and 3 key bits a step: exponents against all roundings there are, rotations word for word
 * against single products, noise against the formulas. Statistical bounds are 5.5 standard deviations of the statistic
 * and more, and there are 8: a false alarm of less than 4*10^-7 in all. */
#include "tfhe_fixture.h"

#include "accumulator.h"
#include "math/torus.h"
#include "optimizer/noise.h"
#include <math.h>

#define MOST 33u

static uint64_t seed = 8;

static tfhe_params toy(uint32_t g, uint32_t k, uint32_t l)
{
    return (tfhe_params){.n = 18,
                         .k = k,
                         .N = 256,
                         .pbs_l = l,
                         .pbs_lb = (l + 1) / 2,
                         .pbs_bg = 16,
                         .pbs_group = g,
                         .ks_l = 4,
                         .ks_b = 4,
                         .lwe_noise = 2,
                         .glwe_noise = 8};
}

/* --- modulus switch ---------------------------------------------------------------------------------------------- */

/* 2^g times the variance of errors, times 2^g: integers. */
static int64_t spread(const int64_t *error, size_t count)
{
    int64_t sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) sum += error[i], squares += error[i] * error[i];
    return (int64_t)count * squares - sum * sum;
}

/* Every exponent of a group is its sum rounded down or up, and no choice of directions has less variance. Returns the
 * sum of the errors. */
static int64_t check_group(const uint32_t *in, const uint32_t *out, unsigned g, unsigned shift)
{
    const size_t count = (size_t)1 << g;
    const int64_t unit = INT64_C(1) << shift, steps = INT64_C(1) << (32 - shift);
    int64_t down[8] = {0}, error[8] = {0}, got[8] = {0}, sum = 0;
    for (size_t s = 1; s < count; s++) {
        uint32_t total = 0;
        for (size_t b = 0; b < g; b++) total += s >> b & 1 ? in[b] : 0;
        down[s] = -(int64_t)(total & (unit - 1));
        got[s] = down[s] + (((int64_t)out[s - 1] - (total >> shift)) & (steps - 1)) * unit;
        assert_true(got[s] == down[s] || got[s] == down[s] + unit);
        sum += got[s];
    }
    for (size_t up = 0; up < (size_t)1 << (count - 1); up++) {
        for (size_t s = 1; s < count; s++) error[s] = down[s] + (up >> (s - 1) & 1 ? unit : 0);
        assert_true(spread(got, count) <= spread(error, count));
    }
    return sum;
}

static void test_exponents(void **state)
{
    (void)state;
    static const uint32_t degrees[] = {256, 2048, 65536};
    for (size_t d = 0; d < 3; d++)
        for (uint32_t g = 2; g <= 3; g++) {
            const tfhe_params p = {.n = 600, .k = 1, .N = degrees[d], .pbs_group = g};
            const unsigned shift = 32 - 1 - (unsigned)__builtin_ctz(p.N);
            uint32_t in[601], out[1401];
            assert_true(tfhe_exponents(&p) <= 1401);
            for (size_t i = 0; i <= p.n; i++) in[i] = (uint32_t)test_random(&seed);
            for (size_t i = 0; i < 120; i++) in[i] &= UINT32_MAX << (shift - i % 3); /* steps, halves, quarters */
            for (size_t i = 120; i < 150; i++) in[i] = (uint32_t)(i - 135);          /* both sides of zero */
            modulus_switch_centered(&p, 1, 0, in, out);
            int64_t drift = 0;
            for (size_t i = 0; i < tfhe_steps(&p); i++)
                drift += check_group(in + i * g, out + i * tfhe_step_patterns(&p), g, shift);
            const uint64_t body = ((uint64_t)in[p.n] << g) + (uint64_t)drift; /* 2^g times that and the mean */
            assert_int_equal(out[tfhe_exponents(&p) - 1], body >> (shift + g) & (2 * p.N - 1));
        }
}

/* --- rotation ---------------------------------------------------------------------------------------------------- */

typedef struct inputs {
    lut *table[MOST];
    uint32_t *exponents; /* (MOST, tfhe_exponents) */
} inputs;

/* Exponents zero, one time in four, or any; those of the first step and of every seventh all zero for some. */
static void inputs_create(const tfhe_params *p, inputs *in)
{
    const size_t words = tfhe_exponents(p), patterns = tfhe_step_patterns(p);
    uint64_t entries[64];
    in->exponents = calloc(MOST * words, 4);
    for (size_t q = 0; q < MOST; q++) {
        for (size_t i = 0; i < 64; i++) entries[i] = test_random(&seed);
        assert_ok(lut_create_padded(p->N, 1, entries, 64, 0, &in->table[q]));
        for (size_t i = 0; i < words; i++) {
            const int none = i + 1 < words && i / patterns % 7 == 0 && q % 3 == 0;
            if (none || test_random(&seed) % 4 == 0) continue;
            in->exponents[q * words + i] = (uint32_t)(test_random(&seed) % (2 * p->N));
        }
    }
}

static void inputs_destroy(inputs *in)
{
    for (size_t q = 0; q < MOST; q++) lut_destroy(in->table[q]);
    free(in->exponents);
}

/* One step after the other, all of them. */
static void plain_rotate(const eval_key *key, const inputs *in, size_t q, uint64_t *acc, double *digits)
{
    const tfhe_params *p = &key->params;
    const fft_gadget g = pbs_gadget(p);
    const size_t patterns = tfhe_step_patterns(p);
    const uint32_t *e = in->exponents + q * tfhe_exponents(p), body = e[tfhe_exponents(p) - 1];
    uint64_t *first = calloc((p->k + 1) * p->N, 8);
    for (size_t x = 0; x < p->N; x++) {
        const size_t at = (x + body) % (2 * p->N);
        first[p->k * p->N + x] = at < p->N ? in->table[q]->v[at] : -in->table[q]->v[at - p->N];
    }
    accumulator_pack(p, acc, first);
    free(first);
    for (size_t i = 0; i < tfhe_steps(p); i++, e += patterns) {
        fft_digits_take(key->plan, &g, digits, acc, 0, NULL);
        fft_bundle_apply(key->plan, &g, digits, 1, &acc, key->bsk + i * key->bsk_row, patterns, &e, 0);
    }
}

typedef struct team {
    const eval_key *key;
    const rotation *r;
    size_t count;
    scratch tmp[3];
} team;

static void rotate_member(void *context, const parallel_member *me)
{
    team *t = context;
    const uint32_t needed[1] = {0};
    blind_rotate(t->key, t->r, t->count, needed, 1, me, &t->tmp[me->member]);
}

static void check_rotation(const eval_key *key, const inputs *in, const uint64_t *plain, size_t count, unsigned members)
{
    const tfhe_params *p = &key->params;
    const size_t words = rotation_words(p);
    uint64_t *acc = calloc(count * words, 8);
    rotation r[MOST];
    team t = {.key = key, .r = r, .count = count};
    for (size_t q = 0; q < count; q++)
        r[q] = (rotation){in->table[q], in->exponents + q * tfhe_exponents(p), acc + q * words, NULL};
    for (unsigned m = 0; m < members; m++) {
        assert_ok(scratch_create(blind_rotate_scratch(p), &t.tmp[m]));
    }
    parallel_team(members, rotate_member, &t);
    assert_memory_equal(acc, plain, count * words * sizeof *acc);
    for (unsigned m = 0; m < members; m++) scratch_destroy(&t.tmp[m]);
    free(acc);
}

static void test_batches_and_teams(void **state)
{
    (void)state;
    for (uint32_t g = 2; g <= 3; g++)
        for (uint32_t k = 1; k <= 6; k++) {
            const tfhe_params p = toy(g, k, k % 2 + 1);
            const size_t words = rotation_words(&p);
            uint64_t *plain = calloc(MOST * words, 8);
            fixture f;
            inputs in;
            scratch tmp;
            fixture_create(&f, &p);
            inputs_create(&p, &in);
            assert_ok(scratch_create(blind_rotate_scratch(&p), &tmp));
            double *digits = scratch_take(&tmp, blind_rotate_scratch(&p));
            for (size_t q = 0; q < MOST; q++) plain_rotate(f.eval, &in, q, plain + q * words, digits);
            for (size_t count = 1; count <= 9; count++)
                for (unsigned members = 1; members <= 3; members++) check_rotation(f.eval, &in, plain, count, members);
            check_rotation(f.eval, &in, plain, ROTATION_MOST, 2);
            scratch_destroy(&tmp);
            inputs_destroy(&in);
            fixture_destroy(&f);
            free(plain);
        }
}

/* Batches on several threads decode, and are the words of single look-ups. */
static void check_lookups(const fixture *f)
{
    static const size_t counts[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, MOST};
    const tfhe_params *p = &f->secret->params;
    const size_t words = lwe_words(p);
    const uint32_t offsets[2] = {0, p->N / 4};
    uint64_t message[MOST], entries[8];
    for (size_t i = 0; i < 8; i++) entries[i] = (i * 5 + 3) % 8 << 60;
    for (size_t i = 0; i < MOST; i++) message[i] = lut_encode(8, i % 8);
    lut *table;
    assert_ok(lut_create_padded(p->N, 1, entries, 8, 0, &table));
    uint64_t *in = fixture_encrypt(f, message, MOST);
    uint64_t *out = fixture_check_batches(f, table, in, offsets, counts, sizeof counts / sizeof *counts, 3);
    for (size_t i = 0; i < MOST; i++) {
        const uint64_t first = entries[i % 8], second = i % 8 < 6 ? entries[i % 8 + 2] : -entries[i % 8 - 6];
        assert_true(fabs(torus_to_double(lwe_phase(f->secret, out + 2 * i * words) - first)) < 0x1p-9);
        assert_true(fabs(torus_to_double(lwe_phase(f->secret, out + (2 * i + 1) * words) - second)) < 0x1p-9);
    }
    free(in), free(out);
    lut_destroy(table);
}

/* A cell is 32 steps of 512: half of one is 18 standard deviations of the phase. */
static void test_lookups(void **state)
{
    (void)state;
    for (uint32_t g = 2; g <= 3; g++)
        for (uint32_t k = 1; k <= 6; k++) {
            const tfhe_params p = toy(g, k, 2);
            fixture f;
            fixture_create(&f, &p);
            check_lookups(&f);
            fixture_destroy(&f);
        }
}

/* --- noise ------------------------------------------------------------------------------------------------------- */

/* Mean and mean square of errors of that variance and of a mean that depends on the key, of variance `fixed`: 6
 * deviations each, a false alarm of 2^-28. */
static void follows(const double *error, size_t count, double variance, double fixed)
{
    const double n = (double)count;
    double mean = 0, square = 0;
    for (size_t i = 0; i < count; i++) mean += error[i] / n, square += error[i] * error[i] / n;
    assert_true(fabs(mean) < 6 * sqrt(variance / n + fixed));
    assert_true(fabs(square / variance - 1) < 6 * sqrt(2 / n) + 36 * fixed / variance);
}

/* The switch alone, on uniform ciphertexts. */
static void test_switched_phase(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    double *error = calloc(COUNT, sizeof *error);
    for (uint32_t g = 2; g <= 3; g++) {
        tfhe_params p = toy(g, 1, 1);
        const seed256 from = {{(uint8_t)g}};
        secret_key *secret;
        uint32_t in[601], out[1401];
        p.n = 600;
        assert_ok(secret_key_create_seeded(&p, &from, &secret));
        for (size_t i = 0; i < COUNT; i++) {
            for (size_t j = 0; j <= p.n; j++) in[j] = (uint32_t)test_random(&seed);
            modulus_switch_centered(&p, 1, 0, in, out);
            const double at = (lwe_rotation_step(secret, 1, 0, out) + 0.5) / (2.0 * p.N);
            error[i] = remainder(at - lwe_small_phase(secret, in) * 0x1p-32, 1);
        }
        follows(error, COUNT, noise_modulus_switch(&p, 1, 0), 0);
        secret_key_destroy(secret);
    }
    free(error);
}

/* Outputs where nearly all noise is that of the key: 1600 bootstraps. The first step finds masks of zero and a body
 * whose digits are small, and adds a twentieth of the noise of the others; the table being constant, these digits are
 * the same in all bootstraps, and that noise is in part one of the key alone. */
static void test_outputs(void **state)
{
    (void)state;
    enum { COUNT = 1600 };
    double *error = calloc(COUNT, sizeof *error);
    for (uint32_t g = 2; g <= 3; g++) {
        tfhe_params p = toy(g, 1, 2);
        p.pbs_lb = 2;
        p.pbs_bg = 8;
        p.glwe_noise = 42;
        fixture f;
        lut *table;
        const uint32_t offsets[1] = {0};
        const uint64_t entry = UINT64_C(1) << 61;
        uint64_t *message = calloc(COUNT, 8), *out = calloc(COUNT * lwe_words(&p), 8);
        bootstrap_job *jobs = calloc(COUNT, sizeof *jobs);
        for (size_t i = 0; i < COUNT; i++) message[i] = UINT64_C(1) << 62;
        fixture_create(&f, &p);
        assert_ok(lut_create_padded(p.N, 1, &entry, 1, 0, &table));
        uint64_t *in = fixture_encrypt(&f, message, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            jobs[i] = (bootstrap_job){.in = in + i * lwe_words(&p), .table = table, .out = out + i * lwe_words(&p)};
        assert_ok(bootstrap_batch(f.eval, NULL, jobs, COUNT, offsets, 1, 0));
        for (size_t i = 0; i < COUNT; i++) error[i] = torus_to_double(lwe_phase(f.secret, jobs[i].out) - entry);
        double fft, key, decomposition;
        noise_blind_rotate_parts(&p, &fft, &key, &decomposition);
        assert_true(key > 0.99 * noise_blind_rotate(&p));
        const double step = key / (double)tfhe_steps(&p);
        follows(error, COUNT, key - 0.95 * step, 0.05 * step);
        free(message), free(out), free(jobs), free(in);
        lut_destroy(table);
        fixture_destroy(&f);
    }
    free(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exponents),      cmocka_unit_test(test_batches_and_teams), cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_switched_phase), cmocka_unit_test(test_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
