/* SPDX-License-Identifier: Apache-2.0 */
/* Toy dimensions with little noise, so that every answer is certain: the failure probability of one look-up here is
 * below 2^-100 by the formulas of optimizer/noise.h, far less than the number of look-ups tested. */
#include "tfhe_fixture.h"

#include "default_set.h"
#include "math/torus.h"
#include <math.h>

static tfhe_params toy(uint32_t k, uint32_t N)
{
    return (tfhe_params){.n = 18,
                         .k = k,
                         .N = N,
                         .pbs_l = 2,
                         .pbs_lb = 2,
                         .pbs_bg = 16,
                         .pbs_group = 1,
                         .ks_l = 4,
                         .ks_b = 4,
                         .lwe_noise = 2,
                         .glwe_noise = 8};
}

/* Looks `cells` messages up and expects entries[m]; EF as given. */
static void look_up_all(const fixture *f, uint32_t EF, uint32_t cells, int is_signed, uint32_t offset)
{
    const tfhe_params *p = &f->secret->params;
    const uint32_t steps = EF * p->N, offsets[2] = {offset, 0};
    uint64_t *message = calloc(cells, 8), *entries = calloc(cells, 8);
    for (uint32_t c = 0; c < cells; c++) {
        message[c] = lut_encode(cells, c);
        entries[c] = (uint64_t)((c * 37 + 11) % 64) << 57;
    }
    lut *table;
    assert_ok(lut_create_padded(p->N, EF, entries, cells, is_signed, &table));
    uint64_t *in = fixture_encrypt(f, message, cells), *out = calloc(2 * cells * lwe_words(p), 8);
    bootstrap_job *jobs = calloc(cells, sizeof *jobs);
    for (uint32_t c = 0; c < cells; c++)
        jobs[c] = (bootstrap_job){.in = in + c * lwe_words(p), .table = table, .out = out + 2 * c * lwe_words(p)};
    assert_ok(bootstrap_batch(f->eval, NULL, jobs, cells, offsets, 2, 0));
    for (uint32_t c = 0; c < cells; c++) {
        const uint32_t at = (2 * c + 1) * steps / (2 * cells) + offset; /* step of the centre, then the offset */
        const uint32_t moved = at % steps * cells / steps;
        const uint64_t sign = at >= steps ? UINT64_MAX : 0;
        const uint32_t want[2] = {moved, c};
        for (size_t i = 0; i < 2; i++) {
            const uint32_t entry = is_signed ? (want[i] + cells - cells / 2) % cells : want[i];
            const uint64_t value = i == 0 ? (entries[entry] ^ sign) - sign : entries[entry];
            const uint64_t error = lwe_phase(f->secret, jobs[c].out + i * lwe_words(p)) - value;
            assert_true(fabs(torus_to_double(error)) < 0x1p-9);
        }
    }
    free(in), free(out), free(jobs), free(message), free(entries);
    lut_destroy(table);
}

static void test_every_ring(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6 * TFHE_MAX_GROUP; i++) {
        const uint32_t k = 1 + i % 6;
        tfhe_params p = toy(k, k % 2 == 0 ? 256 : 512);
        p.pbs_group = 1 + i / 6;
        fixture f;
        fixture_create(&f, &p);
        look_up_all(&f, 1, 16, 0, 0);
        look_up_all(&f, 1, 16, 1, 0);
        look_up_all(&f, 1, 13, 1, p.N / 4); /* a count that is no power of two */
        fixture_destroy(&f);
    }
}

static void test_extension(void **state)
{
    (void)state;
    const tfhe_params p = toy(1, 256);
    fixture f;
    fixture_create(&f, &p);
    for (uint32_t EF = 1; EF <= 32; EF *= 2) {
        look_up_all(&f, EF, 16, 0, 0);
        look_up_all(&f, EF, 8 * EF, 0, EF * p.N / 4);
        look_up_all(&f, EF, 16, 1, EF * p.N / 2 + EF / 2); /* an offset in another part than coefficient 0 */
    }
    fixture_destroy(&f);
}

/* The largest ring; the keyswitch of its 65536 words has a deviation of about 100 of the 131072 steps. */
static void test_large_ring(void **state)
{
    (void)state;
    tfhe_params p = toy(1, 65536);
    p.n = 6;
    fixture f;
    fixture_create(&f, &p);
    look_up_all(&f, 1, 32, 0, 4096);
    look_up_all(&f, 2, 20, 1, 0);
    fixture_destroy(&f);
    p.pbs_group = 3;
    fixture_create(&f, &p);
    look_up_all(&f, 1, 32, 0, 4096);
    fixture_destroy(&f);
}

static uint64_t sine(void *context, double u)
{
    return torus_from_double(sin(2 * M_PI * u) * *(const double *)context);
}

/* Whole torus, no padding bit; several outputs from one rotation. Phase errors here stay below 8 steps of 1/512. */
static void test_antiperiodic(void **state)
{
    (void)state;
    const tfhe_params p = toy(3, 256);
    double amplitude = 0.125;
    fixture f;
    lut *table;
    fixture_create(&f, &p);
    assert_ok(lut_create_antiperiodic(p.N, 1, sine, &amplitude, &table));
    uint64_t message[40];
    for (size_t i = 0; i < 40; i++) message[i] = torus_from_double((double)i / 40);
    uint64_t *in = fixture_encrypt(&f, message, 40), *out = calloc(160 * lwe_words(&p), 8);
    bootstrap_job jobs[40];
    const uint32_t offsets[4] = {0, p.N / 4, p.N / 2, 3 * p.N / 4};
    for (size_t i = 0; i < 40; i++)
        jobs[i] = (bootstrap_job){.in = in + i * lwe_words(&p), .table = table, .out = out + 4 * i * lwe_words(&p)};
    assert_ok(bootstrap_batch(f.eval, NULL, jobs, 40, offsets, 4, 2));
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < 4; j++) {
            const double got = torus_to_double(lwe_phase(f.secret, jobs[i].out + j * lwe_words(&p)));
            const double want = amplitude * sin(2 * M_PI * ((double)i / 40 + (double)j / 8));
            assert_true(fabs(got - want) < amplitude * 2 * M_PI * 8 / 512);
        }
    free(in), free(out);
    lut_destroy(table);
    fixture_destroy(&f);
}

/* Values are the sums of weights times the coefficients of the same rotation, word for word. */
static void test_values(void **state)
{
    (void)state;
    const tfhe_params p = toy(3, 256);
    const size_t words = lwe_words(&p);
    enum { EF = 4, COUNT = 5 };
    fixture f;
    lut *table;
    uint64_t entries[8], message[COUNT], want = 0;
    for (size_t i = 0; i < 8; i++) entries[i] = (uint64_t)i << 56;
    for (uint32_t i = 0; i < COUNT; i++) message[i] = lut_encode(8, i);
    fixture_create(&f, &p);
    assert_ok(lut_create_padded(p.N, EF, entries, 8, 0, &table));
    uint64_t *in = fixture_encrypt(&f, message, COUNT), *out = calloc((3 + 2) * COUNT * words, 8);
    const uint32_t offsets[3] = {8, 400, 1023};
    const bootstrap_term terms[3] = {{8, 3}, {1023, -7}, {400, 1}};
    const bootstrap_value values[2] = {{terms, 3}, {NULL, 0}};
    bootstrap_job jobs[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        jobs[i] = (bootstrap_job){.in = in + i * words, .table = table, .out = out + 3 * i * words};
    assert_ok(bootstrap_batch(f.eval, NULL, jobs, COUNT, offsets, 3, 2));
    uint64_t *mixed = out + 3 * COUNT * words;
    for (size_t i = 0; i < COUNT; i++)
        jobs[i] = (bootstrap_job){
            .in = in + i * words, .table = table, .out = mixed + 2 * i * words, .values = values, .values_count = 2};
    assert_ok(bootstrap_batch(f.eval, NULL, jobs, COUNT, offsets, 3, 2));
    for (size_t i = 0; i < COUNT; i++)
        for (size_t w = 0; w < words; w++) {
            const uint64_t *single = out + 3 * i * words + w;
            want = 3 * single[0] + single[words] - 7 * single[2 * words];
            assert_true(mixed[2 * i * words + w] == want);
            assert_true(mixed[(2 * i + 1) * words + w] == 0);
        }
    free(in), free(out);
    lut_destroy(table);
    fixture_destroy(&f);
}

static void test_secure_parameters(void **state)
{
    (void)state;
    const tfhe_params p = default_set;
    fixture f;
    fixture_create(&f, &p);
    const uint32_t cells = 16, offsets[1] = {0};
    uint64_t message[16], entries[16];
    for (uint32_t c = 0; c < cells; c++) {
        message[c] = lut_encode(cells, c);
        entries[c] = lut_encode(cells, (5 * c + 3) % cells);
    }
    lut *table;
    assert_ok(lut_create_padded(p.N, 1, entries, cells, 0, &table));
    uint64_t *in = fixture_encrypt(&f, message, cells), *out = calloc(cells * lwe_words(&p), 8);
    bootstrap_job jobs[16];
    for (size_t c = 0; c < cells; c++)
        jobs[c] = (bootstrap_job){.in = in + c * lwe_words(&p), .table = table, .out = out + c * lwe_words(&p)};
    assert_ok(bootstrap_batch(f.eval, NULL, jobs, cells, offsets, 1, 0));
    for (size_t c = 0; c < cells; c++) {
        const uint64_t error = lwe_phase(f.secret, jobs[c].out) - entries[c];
        assert_true(fabs(torus_to_double(error)) < 1.0 / 64); /* half a cell */
    }
    free(in), free(out);
    lut_destroy(table);
    fixture_destroy(&f);
}

static void test_refusals(void **state)
{
    (void)state;
    lut *table = NULL;
    const uint64_t entry = 0;
    assert_refused(lut_create_padded(256, 3, &entry, 1, 0, &table), "extension factor");
    assert_refused(lut_create_padded(256, 64, &entry, 1, 0, &table), "extension factor");
    assert_refused(lut_create_padded(300, 1, &entry, 1, 0, &table), "ring degree");
    assert_refused(lut_create_padded(256, 1, &entry, 257, 0, &table), "cells");
    assert_refused(lut_create_padded(256, 1, &entry, 0, 0, &table), "cells");
    assert_null(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_ring), cmocka_unit_test(test_large_ring),
        cmocka_unit_test(test_extension),  cmocka_unit_test(test_antiperiodic),
        cmocka_unit_test(test_values),     cmocka_unit_test(test_secure_parameters),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
