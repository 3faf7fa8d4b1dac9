/* SPDX-License-Identifier: Apache-2.0 */
/* Tables side by side in one rotation, with toy keys: every cell of every table, for all extension factors, key bits a
 * step and ways to share the work out; what the rotation and its modulus switch add. */
#include "tfhe_fixture.h"

#include "math/torus.h"
#include "optimizer/noise.h"
#include "tfhe/bootstrap.h"

#include <math.h>

#define UNIT (UINT64_C(1) << 54)

static uint64_t entry_of(uint32_t slot, uint32_t cell)
{
    return (uint64_t)(((3 + 2 * slot) * cell + 7 * slot + cell * cell / 5) % 101) * UNIT - 50 * UNIT;
}

static lut *table_create(uint32_t N, uint32_t EF, uint32_t price, uint32_t cells, uint32_t slot_bits)
{
    lut *t;
    uint64_t *entries = calloc((size_t)cells << slot_bits, sizeof *entries);
    for (uint32_t s = 0; s < 1u << slot_bits; s++)
        for (uint32_t c = 0; c < cells; c++) entries[s * cells + c] = entry_of(s, c);
    assert_ok(lut_create_slots(N, EF, entries, cells, slot_bits, &t));
    assert_ok(lut_set_price(t, price));
    free(entries);
    return t;
}

/* All cells, those of the other half of the torus too, read by `slots` tables at once: within half a unit of the
 * entries. */
static void every_cell(const fixture *f, const lut *t, uint32_t cells, unsigned threads)
{
    const size_t words = lwe_words(&f->secret->params), slots = (size_t)1 << t->slot_bits;
    uint64_t *message = calloc(2 * cells, 8), *out = calloc(2 * cells * slots * words, 8);
    bootstrap_job *jobs = calloc(2 * cells, sizeof *jobs);
    uint32_t offsets[1u << TFHE_MAX_SLOT_BITS];
    for (uint32_t s = 0; s < slots; s++) offsets[s] = s * t->EF;
    for (uint32_t c = 0; c < 2 * cells; c++) message[c] = lut_encode(cells, c);
    uint64_t *in = fixture_encrypt(f, message, 2 * cells);
    for (uint32_t c = 0; c < 2 * cells; c++)
        jobs[c] = (bootstrap_job){.in = in + c * words, .table = t, .out = out + c * slots * words};
    assert_ok(bootstrap_batch(f->eval, NULL, jobs, 2 * cells, offsets, slots, threads));
    for (uint32_t c = 0; c < 2 * cells; c++)
        for (uint32_t s = 0; s < slots; s++) {
            const uint64_t entry = entry_of(s, c % cells), want = c < cells ? entry : -entry;
            const double error = torus_to_double(lwe_phase(f->secret, jobs[c].out + s * words) - want);
            assert_true(fabs(error) < ldexp(1, -11));
        }
    free(message), free(in), free(out), free(jobs);
}

/* False alarm: 10 kinds of at most 62 look-ups, each wrong with less than 2^-60 by the formulas of noise.h. */
static void test_every_cell(void **state)
{
    (void)state;
    const struct {
        uint32_t N, k, g, EF, price, cells, slot_bits;
    } kinds[] = {{1024, 1, 1, 1, 0, 16, 1}, {1024, 1, 1, 1, 0, 13, 2}, {1024, 1, 2, 1, 0, 16, 2},
                 {1024, 2, 3, 1, 0, 8, 3},  {1024, 1, 1, 2, 0, 24, 1}, {512, 2, 1, 4, 0, 16, 2},
                 {512, 1, 1, 8, 9, 8, 3},   {256, 1, 1, 16, 0, 8, 4},  {256, 2, 1, 32, 4, 31, 2},
                 {256, 1, 1, 2, 0, 4, 2}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const tfhe_params p = quiet_toy(kinds[i].k, kinds[i].N, kinds[i].g),
                          slotted = tfhe_slotted(&p, kinds[i].slot_bits);
        const double phase = noise_keyswitch(&p) + noise_modulus_switch(&slotted, kinds[i].EF, kinds[i].price);
        fixture f;
        assert_true(noise_failure_log2(phase + noise_fresh(&p), 0.25 / kinds[i].cells) < -60);
        fixture_create(&f, &p);
        lut *t = table_create(kinds[i].N, kinds[i].EF, kinds[i].price, kinds[i].cells, kinds[i].slot_bits);
        for (unsigned threads = 1; threads <= 3; threads += 2) every_cell(&f, t, kinds[i].cells, threads);
        lut_destroy(t);
        fixture_destroy(&f);
    }
}

/* Outputs of `count` look-ups at `offsets`, sum of squared errors over their number. */
static double output_variance(const fixture *f, const lut *t, const uint32_t *offsets, size_t each, size_t count)
{
    const size_t words = lwe_words(&f->secret->params);
    const uint32_t cells = 4;
    double sum = 0;
    uint64_t *message = calloc(count, 8), *out = calloc(count * each * words, 8);
    bootstrap_job *jobs = calloc(count, sizeof *jobs);
    for (size_t i = 0; i < count; i++) message[i] = lut_encode(cells, (uint32_t)i % cells);
    uint64_t *in = fixture_encrypt(f, message, count);
    for (size_t i = 0; i < count; i++)
        jobs[i] = (bootstrap_job){.in = in + i * words, .table = t, .out = out + i * each * words};
    assert_ok(bootstrap_batch(f->eval, NULL, jobs, count, offsets, each, 0));
    for (size_t i = 0; i < count; i++)
        for (uint32_t s = 0; s < each; s++) {
            const uint64_t want = entry_of(s, (uint32_t)i % cells);
            sum += pow(torus_to_double(lwe_phase(f->secret, jobs[i].out + s * words) - want), 2);
        }
    free(message), free(in), free(out), free(jobs);
    return sum / (double)(count * each);
}

/* The outputs' noise is that of look-ups in one table, by the same key: 1600 of each, whose variances' ratio deviates
 * 0.05 by chance; false alarm below 1e-8. And that of the formula, from which single keys differ by some tenths. */
static void test_output_noise(void **state)
{
    (void)state;
    const uint32_t groups[] = {1, 2, 1}, factors[] = {1, 1, 4};
    for (size_t i = 0; i < 3; i++) {
        tfhe_params p = quiet_toy(1, 512, groups[i]);
        p.n = 60, p.glwe_noise = 22;
        fixture f;
        fixture_create(&f, &p);
        lut *slots = table_create(p.N, factors[i], 0, 4, 2), *one = table_create(p.N, factors[i], 0, 4, 0);
        const uint32_t offsets[] = {0, factors[i], 2 * factors[i], 3 * factors[i]};
        const double together = output_variance(&f, slots, offsets, 4, 400);
        const double apart = output_variance(&f, one, offsets, 1, 1600);
        assert_true(fabs(together / apart - 1) < 0.3);
        assert_true(fabs(log2(together / noise_blind_rotate(&p))) < 1);
        lut_destroy(slots), lut_destroy(one);
        fixture_destroy(&f);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    const uint64_t entries[32] = {0};
    lut *t = NULL;
    assert_int_equal(lut_create_slots(1024, 1, entries, 1, TFHE_MAX_SLOT_BITS + 1, &t), ANNULUS_ERR_INPUT);
    assert_int_equal(lut_create_slots(256, 1, entries, 129, 1, &t), ANNULUS_ERR_INPUT);
    assert_int_equal(lut_create_slots(256, 1, entries, 0, 1, &t), ANNULUS_ERR_INPUT);
    assert_int_equal(lut_create_slots(256, 3, entries, 4, 1, &t), ANNULUS_ERR_INPUT);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell), cmocka_unit_test(test_output_noise),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
