/* SPDX-License-Identifier: Apache-2.0 */
/* What coefficients of one accumulator have in common of their noise (noise_common): sums and alternating sums of
 * coefficients of one part, of neighbours too, and of coefficients of several parts. */
#include "tfhe_fixture.h"

#include "math/torus.h"
#include "optimizer/noise.h"
#include "tfhe/bootstrap.h"

#include <math.h>

#define CELLS 4u
#define TERMS 16u
#define LOOK_UPS 60u
#define KEYS 16u
/* So little that the first step, whose digits are those of the table, errs as others do. */
#define HEIGHT (UINT64_C(1) << 54)

enum { SUM, ALTERNATING, NEIGHBOURS, PARTS, SUMS };

typedef struct kind {
    uint32_t N, k, l, bg, glwe_noise, group, EF;
    double least, most; /* of the share in common */
} kind;

/* Whole spacings of the ring and half of one: a phase in the middle of a cell keeps half a spacing away from where the
 * table changes. */
static void terms_of(const kind *s, int sum, bootstrap_term *out)
{
    for (uint32_t j = 0; j < TERMS; j++) {
        const uint32_t place = s->N / 64 + (sum == NEIGHBOURS ? j % 4 : j * (s->N / 32));
        const uint32_t part = sum == PARTS ? j % s->EF : 0;
        out[j] = (bootstrap_term){.offset = place * s->EF + part, .weight = sum == ALTERNATING && j % 2 == 1 ? -1 : 1};
    }
}

/* Variance of a sum by the formulas, in that of a coefficient. */
static double expected(const kind *s, double common, const bootstrap_term *t)
{
    double sum = 0;
    for (size_t i = 0; i < TERMS; i++)
        for (size_t j = 0; j < TERMS; j++) {
            const double product = (double)t[i].weight * t[j].weight;
            const double apart = fabs((double)t[i].offset - (double)t[j].offset) / s->EF / s->N;
            if (t[i].offset == t[j].offset) sum += (1 - common) * product;
            if (t[i].offset % s->EF == t[j].offset % s->EF) sum += common * (1 - 2 * apart) * product;
        }
    return sum;
}

static double clear(const kind *s, uint32_t cell, const bootstrap_term *t)
{
    const double steps = (double)s->EF * s->N, at = (cell + 0.5) * steps / CELLS;
    double sum = 0;
    for (size_t i = 0; i < TERMS; i++) sum += t[i].weight * (at + t[i].offset < steps ? 1 : -1);
    return sum;
}

/* Adds the squared errors of the sums of LOOK_UPS look-ups by new keys. */
static void measure(const kind *s, const tfhe_params *p, uint8_t seed, bootstrap_term terms[SUMS][TERMS],
                    double square[SUMS])
{
    const size_t words = lwe_words(p);
    const uint64_t height = HEIGHT;
    const seed256 own = {{seed}};
    seeded_eval_key *seeded;
    fixture f;
    lut *table;
    bootstrap_value values[SUMS];
    uint32_t offsets[64];
    uint64_t message[LOOK_UPS], *out = calloc(LOOK_UPS * SUMS * words, 8);
    bootstrap_job jobs[LOOK_UPS];
    assert_ok(secret_key_create_seeded(p, &own, &f.secret));
    assert_ok(seeded_eval_key_create(f.secret, 0, NULL, &seeded));
    assert_ok(eval_key_create(seeded, 0, NULL, &f.eval));
    seeded_eval_key_destroy(seeded);
    assert_ok(lut_create_padded(p->N, s->EF, &height, 1, 0, &table));
    for (uint32_t e = 0; e < s->EF; e++) offsets[e] = e;
    for (size_t v = 0; v < SUMS; v++) values[v] = (bootstrap_value){.terms = terms[v], .count = TERMS};
    for (uint32_t i = 0; i < LOOK_UPS; i++) message[i] = lut_encode(CELLS, i % CELLS);
    uint64_t *in = fixture_encrypt(&f, message, LOOK_UPS);
    for (size_t i = 0; i < LOOK_UPS; i++)
        jobs[i] = (bootstrap_job){.in = in + i * words,
                                  .table = table,
                                  .out = out + i * SUMS * words,
                                  .values = values,
                                  .values_count = SUMS};
    assert_ok(bootstrap_batch(f.eval, NULL, jobs, LOOK_UPS, offsets, s->EF, 0));
    for (uint32_t i = 0; i < LOOK_UPS; i++)
        for (size_t v = 0; v < SUMS; v++) {
            const uint64_t want = (uint64_t)(int64_t)clear(s, i % CELLS, terms[v]) * HEIGHT;
            const double error = torus_to_double(lwe_phase(f.secret, jobs[i].out + v * words) - want);
            square[v] += error * error;
        }
    free(in), free(out);
    lut_destroy(table);
    fixture_destroy(&f);
}

/* Where masks' rounding is most of the noise, narrow words and steps of several key bits too, or the transform's, and
 * where nothing is in common: 960 look-ups by 16 keys, within 0.4 bit of a deviation. The mean of 960 squares is off
 * by 0.25 bit with less than 2^-37 (Chernoff); few steps, the first without masks, and 16 small keys of as few bits are
 * 0.15 bit below the formulas. */
static void test_sums(void **state)
{
    (void)state;
    const kind kinds[] = {{1024, 1, 1, 16, 8, 1, 1, 0.45, 0.5}, {1024, 1, 2, 8, 8, 1, 4, 0.45, 0.5},
                          {512, 3, 1, 12, 8, 2, 1, 0.45, 0.5},  {1024, 1, 3, 12, 25, 1, 2, 0, 0.01},
                          {1024, 1, 1, 23, 17, 1, 2, 0.2, 0.4}, {1024, 1, 1, 26, 8, 1, 2, 0.49, 0.5}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const kind *s = &kinds[i];
        tfhe_params p = quiet_toy(s->k, s->N, s->group);
        p.n = 36, p.pbs_l = p.pbs_lb = s->l, p.pbs_bg = s->bg, p.glwe_noise = s->glwe_noise;
        bootstrap_term terms[SUMS][TERMS];
        double square[SUMS] = {0};
        const double common = noise_common(&p);
        if (!(common >= s->least && common <= s->most)) print_error("kind %zu: %.3f in common\n", i, common);
        assert_true(common >= s->least && common <= s->most);
        for (int v = 0; v < SUMS; v++) terms_of(s, v, terms[v]);
        for (uint8_t seed = 1; seed <= KEYS; seed++) measure(s, &p, seed, terms, square);
        for (int v = 0; v < SUMS; v++) {
            const double want = expected(s, common, terms[v]) * noise_blind_rotate(&p);
            const double bits = log2(square[v] / (LOOK_UPS * KEYS) / want) / 2;
            if (fabs(bits) >= 0.4) print_error("kind %zu, sum %d: %.3f bit\n", i, v, bits);
            assert_true(fabs(bits) < 0.4);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
