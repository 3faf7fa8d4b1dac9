/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"
#include "train_steps.h"

#include "nn/lower.h"
#include "train/prune_priv.h"
#include "train/train_noise.h"

/* Sums in the middle of their cells leave them with the probability asked for: of 200,000 each, 5 deviations of the
 * binomial are left to chance, 6e-7 each. */
static void errs_as_often(void **state)
{
    (void)state;
    static const double errors[] = {0.01, 0.05, 0.1, 0.2, 0.3};
    enum { OUT = 100, ROWS = 2000 };
    float range[2 * OUT], cell[OUT], z[OUT];
    for (size_t k = 0; k < OUT; k++) cell[k] = 0.05f + 0.001f * (float)k;
    for (size_t e = 0; e < 5; e++) {
        train_options o = small();
        train_layer l[2] = {{.out = OUT, .range = range, .cell = cell}, {.last = 1}};
        train_model m = {.layers = 2, .layer = l};
        train_random r;
        size_t missed = 0;
        o.target_error = errors[e];
        assert_ok(train_noise_init(&m, NULL, &o));
        for (size_t k = 0; k < OUT; k++) range[2 * k] = -3, range[2 * k + 1] = 4;
        train_random_init(&r, 7, e, 0);
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t k = 0; k < OUT; k++) z[k] = 0.5f + cell[k] * ((float)(i % 21) - 10);
            train_noise_row(l, &r, z);
            for (size_t k = 0; k < OUT; k++) {
                const float off = (z[k] - 0.5f) / cell[k] - ((float)(i % 21) - 10);
                assert_true(fabsf(off - roundf(off)) < 1e-3f);
                missed += fabsf(off) > 0.5f;
            }
        }
        const double p = errors[e], n = (double)OUT * ROWS, deviation = sqrt(p * (1 - p) * n);
        assert_true(fabs((double)missed - p * n) < 5 * deviation);
    }
}

/* Cells while training are about those that the network is compiled with. */
static void cells_of_the_circuit(void **state)
{
    (void)state;
    dataset *d = rings(51, 2000);
    train_options o = small();
    o.target_error = 0.1, o.rounding_bits = 4, o.epochs = 10, o.hidden_count = 1, o.weight_bits = 6;
    o.input_bits = 6;
    train_data t;
    train_model m;
    network *n = NULL;
    circuit *c = NULL;
    lower_options lower;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 1, &m));
    train_steps(&m, &t, 28, 0.01);
    assert_ok(train_fold(&m, &t, &n));
    lower_options_init(&lower);
    lower.rounding_bits = 4, lower.families_most = 1;
    assert_ok(network_lower(n, d->x, d->count, &lower, &c));
    train_noise_cells(&m, 0);
    for (size_t k = 0; k < 16; k++) {
        const train_layer *l = &m.layer[0];
        const double step = (double)(l->cell[k] / (l->inv[k] * l->scale[k] * m.input_unit));
        assert_true(step > 0.75 * (double)c->layers[0].step && step < 1.35 * (double)c->layers[0].step);
    }
    circuit_destroy(c);
    network_destroy(n);
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

/* A deviation in cells is the noise of the probability that it errs with, and on the phases of waves that which leaves
 * half of a cell, of 2^bits over half a period, as often. */
static void one_noise_for_both_kinds(void **state)
{
    (void)state;
    static const double errors[] = {0.001, 0.01, 0.1, 0.3, 0.9};
    for (size_t e = 0; e < 5; e++)
        for (unsigned bits = 1; bits <= 12; bits++) {
            const double cells = train_error_noise(errors[e]), s = train_phase_noise(cells, bits);
            const double half = 0.25 / (double)(1u << bits);
            assert_true(fabs(1 - erf(half / (M_SQRT2 * s)) - errors[e]) < 1e-9);
            assert_true(fabs(erfc(0.5 / (M_SQRT2 * cells)) - errors[e]) < 1e-9);
        }
}

/* Sums anywhere in their cells move by noise of the deviation asked for and by what reading the middle adds, 1/12 of a
 * square: of 200,000, 5 deviations of the sum of squares, whose kurtosis is below 3, are left to chance, 6e-7 each. */
static void noise_in_cells(void **state)
{
    (void)state;
    static const double noises[] = {0.1, 0.5, 2};
    enum { OUT = 100, ROWS = 2000 };
    float range[2 * OUT], cell[OUT], z[OUT], at[OUT];
    uint64_t seed = 9;
    for (size_t k = 0; k < OUT; k++) cell[k] = 0.05f + 0.001f * (float)k;
    for (size_t e = 0; e < 3; e++) {
        train_options o = small();
        train_layer l[2] = {{.out = OUT, .range = range, .cell = cell}, {.last = 1}};
        train_model m = {.layers = 2, .layer = l};
        train_random r;
        double square = 0;
        o.index_noise = noises[e];
        assert_ok(train_noise_init(&m, NULL, &o));
        assert_true(l[0].cells == 31);
        train_random_init(&r, 8, e, 0);
        for (size_t i = 0; i < ROWS; i++) {
            for (size_t k = 0; k < OUT; k++) z[k] = at[k] = cell[k] * (float)(20 * unit(&seed) - 10);
            train_noise_row(l, &r, z);
            for (size_t k = 0; k < OUT; k++) square += pow((double)((z[k] - at[k]) / cell[k]), 2);
        }
        const double n = (double)OUT * ROWS, expected = noises[e] * noises[e] + 1.0 / 12;
        assert_true(fabs(square / n - expected) < 5 * expected * sqrt(2 / n));
    }
}

static void learns_through_errors(void **state)
{
    (void)state;
    dataset *d = rings(52, 2000);
    train_options o = small();
    network *n = NULL;
    size_t right = 0;
    o.target_error = 0.2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    for (size_t i = 0; i < d->count; i++) {
        double y[2];
        assert_ok(network_apply(n, d->x + 3 * i, y));
        right += (y[1] > y[0]) == d->label[i];
    }
    assert_true((double)right > 0.97 * (double)d->count);
    network_destroy(n);
    n = NULL;
    o.target_error = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "target_error is 1, 0.001 to 0.9");
    o.target_error = 0.1, o.rounding_bits = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "rounding_bits is 0, 1 to 12");
    o.rounding_bits = 5, o.index_noise = 0.5;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "one of target_error, index_noise and noise_of");
    o.target_error = 0, o.index_noise = 9;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "index_noise is 9");
    assert_null(n);
    drop(d);
}

/* What training has of noise is no part of what a neuron is worth. */
static void worth_without_noise(void **state)
{
    (void)state;
    dataset *d = rings(16, 900);
    train_options o = small(), own;
    train_data t;
    network *n = NULL;
    double worth[3][16], mean[3][16];
    o.hidden_count = 1, o.epochs = 5;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    o.from = n, o.phase_noise = 0;
    for (int noise = 0; noise < 3; noise++) {
        prune_worth w = {worth[noise], mean[noise]};
        o.target_error = noise == 1 ? 0.5 : 0, o.index_noise = noise == 2 ? 2 : 0;
        assert_ok(train_from_options(d, &o, &own));
        assert_ok(train_data_create(d, &own, 5, &t));
        assert_ok(prune_worth_find(n, &t, &own, PRUNE_BY_ACTIVATION, 5, &w));
        assert_memory_equal(worth[noise], worth[0], sizeof worth[0]);
        assert_memory_equal(mean[noise], mean[0], sizeof mean[0]);
        train_data_destroy(&t);
    }
    network_destroy(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errs_as_often),         cmocka_unit_test(one_noise_for_both_kinds),
        cmocka_unit_test(noise_in_cells),        cmocka_unit_test(cells_of_the_circuit),
        cmocka_unit_test(learns_through_errors), cmocka_unit_test(worth_without_noise)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
