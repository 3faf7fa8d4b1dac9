/* SPDX-License-Identifier: Apache-2.0 */
/* Extension factor and price: expected cost and error against what the modulus switch and the rotation do. Statistical
 * bounds are 6 standard deviations of the statistic, of which there are about 100, three with 160 samples only: a false
 * alarm of less than 2*10^-6 in all. Masks and secret keys come from fixed seeds, noise and evaluation keys do not. */
#include "tfhe_fixture.h"

#include "optimizer/optimizer.h"
#include <math.h>

static void test_closed_forms(void **state)
{
    (void)state;
    for (uint32_t EF = 1; EF <= TFHE_MAX_EF; EF *= 2) {
        const extension e = extension_expected(EF, 0);
        assert_true(fabs(e.products - (2.0 * EF + 1.0 / EF) / 3) < 1e-12);
        assert_true(fabs(e.square - 1 / 12.0) < 1e-12);
        for (uint32_t price = 0; price < TFHE_MAX_PRICE && EF > 1; price++) {
            const extension low = extension_expected(EF, price), high = extension_expected(EF, price + 1);
            assert_true(high.products < low.products && high.square > low.square);
        }
    }
    const extension two =
        extension_expected(2, 16); /* odd from 3/4 to 5/4: moves 2 parts for a quarter of the period */
    assert_true(fabs(two.products - 1.25) < 1e-12);
    assert_true(fabs(two.square - (2 * 27.0 / 64 + 2 / 64.0) / 6) < 1e-12);
    /* The first price of no table, at which no odd exponent is left: EF/2 at an eighth of the price. */
    for (uint32_t EF = 4; EF <= TFHE_MAX_EF; EF *= 2) {
        const extension e = extension_expected(EF, TFHE_MAX_PRICE + 1), half = extension_expected(EF / 2, 4);
        assert_true(fabs(e.products - half.products) < 1e-12);
        assert_true(fabs(e.square - 4 * half.square) < 1e-12);
    }
}

/* Products and squared errors of 400,000 uniform elements; N = 65536, so that a zero exponent is rare. */
static void test_expectations(void **state)
{
    (void)state;
    const tfhe_params p = {.n = 4000, .N = 65536, .pbs_group = 1};
    uint32_t *in = calloc(p.n + 1, 4), *out = calloc(p.n + 1, 4);
    uint64_t seed = 2;
    for (uint32_t EF = 2; EF <= TFHE_MAX_EF; EF *= 2)
        for (uint32_t price = 0; price <= TFHE_MAX_PRICE; price += 5) {
            const double step = 0x1p32 / (2.0 * EF * p.N), count = 100.0 * p.n;
            double products = 0, products2 = 0, square = 0, square2 = 0;
            for (size_t i = 0; i < 100; i++) {
                for (size_t j = 0; j < p.n; j++) in[j] = (uint32_t)test_random(&seed);
                modulus_switch_centered(&p, EF, price, in, out);
                for (size_t j = 0; j < p.n; j++) {
                    const double moved = out[j] == 0 ? 0 : EF >> __builtin_ctz(out[j] | EF);
                    const double e = pow((int32_t)(out[j] * (uint32_t)step - in[j]) / step, 2);
                    products += moved / count, products2 += moved * moved / count;
                    square += e / count, square2 += e * e / count;
                }
            }
            const extension e = extension_expected(EF, price);
            const double most = 6 * sqrt((products2 - products * products) / count) + 0.5 / p.N;
            assert_true(fabs(products - e.products) < most);
            assert_true(fabs(square - e.square) < 6 * sqrt((square2 - square * square) / count));
        }
    free(in), free(out);
}

/* Search: cheapest first, every pair more exact than those before it, up to the most exact of all; found by bisection
 * as by trying one after another. */
static void test_front(void **state)
{
    (void)state;
    static extension_front f;
    double variance[EXTENSION_MAX_FRONT];
    const extension_window whole = {.most = 1};
    extension_front_init(&f);
    assert_true(f.count > 80 && f.at[0].EF == 1 && f.at[0].products == 1);
    assert_true(f.at[f.count - 1].EF == TFHE_MAX_EF && f.at[f.count - 1].price == 0);
    for (uint32_t n = 450; n <= 1300; n += 425) {
        const tfhe_params p = {.n = n, .k = 1, .N = 1024, .pbs_group = 1};
        extension_front_vary(&f, &p, variance);
        for (size_t i = 0; i < f.count; i++) {
            const double v = noise_modulus_switch(&p, f.at[i].EF, f.at[i].price);
            assert_true(variance[i] == v);
            assert_true(i == 0 || (f.at[i].products > f.at[i - 1].products && v < variance[i - 1]));
            assert_int_equal(extension_front_find(&f, f.count, variance, p.N, &whole, v, 1), i);
            assert_int_equal(extension_front_find(&f, f.count, variance, p.N, &whole, v * 0.999999, 1), i + 1);
            size_t at = extension_front_find(&f, f.count, variance, p.N, &whole, v, 8192);
            assert_true(at >= i && f.at[at].EF >= 8 && (at == i || f.at[at - 1].EF < 8));
            /* Of a window of 1.5 deviations of this pair, where borders take a quarter of one at EF = 8. */
            const double most = 1.5 * sqrt(v), rest = 0.5 * v;
            const extension_window part = {.most = most, .border = 0.25 * sqrt(v) * 8 * p.N};
            at = extension_front_find(&f, f.count, variance, p.N, &part, most * most - rest, 1024);
            for (size_t e = 0; e < f.count; e++) {
                const double left = most - part.border / ((double)f.at[e].EF * p.N);
                const int fits = left > 0 && sqrt(rest + variance[e]) <= left;
                assert_true(e < at ? !fits : e > at || fits);
            }
        }
        assert_int_equal(extension_front_find(&f, f.count, variance, p.N, &whole, INFINITY, 1), 0);
        assert_int_equal(extension_front_find(&f, f.count, variance, p.N, &whole, -1, 1), f.count);
        assert_int_equal(extension_front_find(&f, f.count, variance, p.N, &whole, INFINITY, 65536), f.count);
    }
}

typedef struct moments {
    double count, mean, square, beyond; /* beyond one standard deviation of the law */
} moments;

static void note(moments *m, double error, double deviation)
{
    m->count++;
    m->mean += error;
    m->square += error * error;
    m->beyond += fabs(error) > deviation;
}

/* Errors of that variance, of mean zero and Gaussian: 6 standard deviations of each statistic. */
static void follows(const moments *m, double variance)
{
    const double n = m->count, tail = erfc(1 / M_SQRT2);
    assert_true(fabs(m->mean / n) < 6 * sqrt(variance / n));
    assert_true(fabs(m->square / n / variance - 1) < 6 * sqrt(2 / n));
    assert_true(fabs(m->beyond / n - tail) < 6 * sqrt(tail * (1 - tail) / n) + 0.01); /* a sum of 150 terms */
}

static const tfhe_params toy = {.n = 150,
                                .k = 1,
                                .N = 256,
                                .pbs_l = 2,
                                .pbs_lb = 2,
                                .pbs_bg = 16,
                                .pbs_group = 1,
                                .ks_l = 4,
                                .ks_b = 6,
                                .lwe_noise = 4,
                                .glwe_noise = 8};

/* Phases of real small ciphertexts before and after the switch. */
static void test_switched_phase(void **state)
{
    (void)state;
    static const uint32_t pairs[][2] = {{1, 0}, {2, 20}, {4, 0}, {4, 12}, {8, 25}, {16, 9}, {16, 31}, {32, 21}};
    enum { COUNT = 4000 };
    fixture f;
    fixture_create(&f, &toy);
    const size_t words = bootstrap_small_words(&toy);
    uint64_t *message = calloc(COUNT, 8), seed = 3;
    for (size_t i = 0; i < COUNT; i++) message[i] = test_random(&seed);
    uint64_t *in = fixture_encrypt(&f, message, COUNT);
    const uint64_t **list = calloc(COUNT, sizeof *list);
    uint32_t *small = calloc(COUNT * words, 4), *exponents = calloc(toy.n + 1, 4);
    for (size_t i = 0; i < COUNT; i++) list[i] = in + i * lwe_words(&toy);
    assert_ok(keyswitch_batch(eval_key_switching(f.eval), list, COUNT, small));
    for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        const uint32_t EF = pairs[k][0], price = pairs[k][1];
        const double steps = 2.0 * EF * toy.N, variance = noise_modulus_switch(&toy, EF, price);
        moments m = {0};
        for (size_t i = 0; i < COUNT; i++) {
            modulus_switch_centered(&toy, EF, price, small + i * words, exponents);
            const double at = (lwe_rotation_step(f.secret, EF, 0, exponents) + 0.5) / steps;
            note(&m, remainder(at - lwe_small_phase(f.secret, small + i * words) * 0x1p-32, 1), sqrt(variance));
        }
        follows(&m, variance);
    }
    free(message), free(in), free(list), free(small), free(exponents);
    fixture_destroy(&f);
}

static uint64_t ramp(void *context, double u)
{
    (void)context;
    return (uint64_t)(u * 0x1p62); /* a quarter of the phase, so that its antiperiodic half is told apart */
}

/* The ramp, in all slots. */
static lut *ramps(uint32_t EF, uint32_t slot_bits)
{
    const uint32_t steps = EF * toy.N >> slot_bits;
    lut *t;
    if (slot_bits == 0) {
        assert_ok(lut_create_antiperiodic(toy.N, EF, ramp, NULL, &t));
        return t;
    }
    uint64_t *entries = calloc((size_t)steps << slot_bits, 8);
    for (uint32_t j = 0; j < steps << slot_bits; j++)
        entries[j] = ramp(NULL, ((double)(j % steps) + 0.5) / (2.0 * steps));
    assert_ok(lut_create_slots(toy.N, EF, entries, steps, slot_bits, &t));
    free(entries);
    return t;
}

/* Look-ups in a table that gives the phase itself, alone or in slots: every one reads the step that its exponents lead
 * to, and the steps lie about the messages as keyswitch and modulus switch say. */
static void test_look_ups(void **state)
{
    (void)state;
    static const uint32_t kinds[][3] = {{4, 12, 0}, {8, 20, 0}, {16, 21, 0}, {1, 0, 2}, {4, 12, 1}, {16, 21, 3}};
    enum { COUNT = 160 };
    fixture f;
    fixture_create(&f, &toy);
    const size_t words = lwe_words(&toy), small_words = bootstrap_small_words(&toy);
    uint64_t *message = calloc(COUNT, 8), *out = calloc(2 * COUNT * words, 8), seed = 4;
    uint32_t *small = calloc(COUNT * small_words, 4), *exponents = calloc(toy.n + 1, 4);
    const uint64_t **list = calloc(COUNT, sizeof *list);
    bootstrap_job *jobs = calloc(COUNT, sizeof *jobs);
    for (size_t i = 0; i < COUNT; i++) message[i] = UINT64_C(1) << 60 | test_random(&seed) >> 2; /* inside the half */
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const uint32_t EF = kinds[k][0], price = kinds[k][1], slots = kinds[k][2], steps = EF * toy.N >> slots;
        const uint32_t further_by = slots > 0 ? 0 : steps / 4 + 1, offsets[2] = {0, slots > 0 ? EF : further_by};
        const tfhe_params slotted = tfhe_slotted(&toy, slots);
        const double variance = noise_modulus_switch(&slotted, EF, price) + noise_keyswitch(&toy);
        moments m = {0};
        lut *table = ramps(EF, slots);
        assert_ok(lut_set_price(table, price));
        uint64_t *in = fixture_encrypt(&f, message, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            list[i] = in + i * words;
            jobs[i] = (bootstrap_job){.in = list[i], .table = table, .out = out + 2 * i * words};
        }
        assert_ok(bootstrap_batch(f.eval, NULL, jobs, COUNT, offsets, 2, 0));
        assert_ok(keyswitch_batch(eval_key_switching(f.eval), list, COUNT, small));
        for (size_t i = 0; i < COUNT; i++) {
            const double u = (double)lwe_phase(f.secret, jobs[i].out) * 0x1p-62;
            const double further = (double)lwe_phase(f.secret, jobs[i].out + words) * 0x1p-62;
            modulus_switch_centered(&slotted, EF, price, small + i * small_words, exponents);
            const uint32_t step = lwe_rotation_step(f.secret, EF, slots, exponents);
            assert_int_equal((uint32_t)floor(u * 2 * steps), step);
            assert_int_equal((uint32_t)floor(further * 2 * steps), step + further_by);
            note(&m, u - (double)message[i] * 0x1p-64, sqrt(variance));
        }
        follows(&m, variance);
        free(in);
        lut_destroy(table);
    }
    free(message), free(out), free(small), free(exponents), free(list), free(jobs);
    fixture_destroy(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_closed_forms), cmocka_unit_test(test_expectations),
                                       cmocka_unit_test(test_front), cmocka_unit_test(test_switched_phase),
                                       cmocka_unit_test(test_look_ups)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
