/* SPDX-License-Identifier: Apache-2.0 */
/* Sets by the seconds of an inference in the batches that it has: of all that the search compares, none takes fewer. */
#include "testing.h"

#include "base/parallel.h"
#include "optimizer/batches.h"
#include "optimizer/optimizer_priv.h"

#include <math.h>

#define NEAR (1.01 * (1 + 1e-9)) /* near-ties: the smallest key */
#define PAYS (1 / 0.98)          /* two families have to pay */

static lookup_layer hidden(double bits, double norm, size_t count)
{
    return (lookup_layer){.name = "hidden",
                          .half_window = exp2(-bits - 2),
                          .two_norm = norm,
                          .cells = exp2(bits),
                          .count = count,
                          .weights = 100.0 * (double)count};
}

/* The best of one family in large batches of each ring, key bits and levels of a step: at least `least` seconds, and
 * one of them as few as the set taken if that is of one family. Returns how many there are. */
static size_t all_slower(const optimizer_request *q, const optimizer_result *taken)
{
    search_space *space;
    size_t count = 0;
    int same = 0;
    const double seconds = batches_seconds(q, taken);
    assert_ok(search_space_create(&search_model_shipped, q->level, 1, &space));
    for (size_t i = 0; i < space->rings_count; i++)
        for (uint32_t g = 1; g <= TFHE_MAX_GROUP; g++)
            for (unsigned l = 1; l <= search_model_shipped.pbs.l_last; l++) {
                search s;
                optimizer_result r;
                search_begin(&s, q, space, taken->log2_error);
                s.check_global = q->target == ERROR_GLOBAL;
                s.ring = &space->rings[i], s.group = g, s.levels = l;
                assert_ok(search_single(&s));
                if (!s.found) continue;
                optimizer_predict(q, &s.best.families, s.best.layers, &r);
                assert_true(seconds <= batches_seconds(q, &r) * NEAR);
                same |= tfhe_params_equal(&r.families.of[0], &taken->families.of[0]);
                count++;
            }
    search_space_destroy(space);
    assert_true(same || taken->families.count > 1);
    return count;
}

/* No fixed number of key bits, families or large batches are better. */
static void none_better(optimizer_request q, const optimizer_result *taken)
{
    optimizer_result r;
    const optimizer_request given = q;
    const double seconds = batches_seconds(&q, taken), families = taken->families.count > 1 ? 1 : PAYS;
    for (q.families_most = 1; q.families_most <= given.families_most; q.families_most++)
        for (q.group = 0; q.group <= TFHE_MAX_GROUP; q.group++)
            for (int large = 0; large < 2; large++) {
                q.threads = large ? 0 : given.threads;
                if (optimizer_search(&q, &r) == ANNULUS_OK)
                    assert_true(seconds <= batches_seconds(&given, &r) * NEAR * families);
            }
}

static void test_single(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 3, 40};
    for (size_t i = 0; i < 3; i++)
        for (int global = 0; global < 2; global++) {
            const lookup_layer layers[] = {hidden(4, 6, counts[i]), hidden(3, 9, 2)};
            optimizer_request q = {.layers = layers,
                                   .layers_count = 2,
                                   .target = global ? ERROR_GLOBAL : ERROR_PER_LOOKUP,
                                   .log2_error = global ? -20 : -40,
                                   .level = SECURITY_128,
                                   .threads = 1};
            optimizer_result r;
            assert_ok(optimizer_search(&q, &r));
            assert_true(!global || r.log2_global_failure <= -20);
            if (!global) assert_true(r.layers[0].log2_failure <= -40 && r.layers[1].log2_failure <= -40);
            assert_true(all_slower(&q, &r) > 20);
        }
}

static void test_families(void **state)
{
    (void)state;
    for (size_t count = 2; count <= 200; count *= 100) {
        const lookup_layer layers[] = {hidden(2, 4, 3 * count), hidden(7, 6, 1)};
        const optimizer_request q = {.layers = layers,
                                     .layers_count = 2,
                                     .log2_error = -40,
                                     .level = SECURITY_128,
                                     .families_most = 2,
                                     .threads = 2};
        optimizer_result r;
        assert_ok(optimizer_search(&q, &r));
        none_better(q, &r);
    }
}

/* A few look-ups wait for the key, so that fewer key bits a step are better than in large batches; many do not. */
static void test_few(void **state)
{
    (void)state;
    for (size_t count = 1; count <= 10000; count *= 10000) {
        const lookup_layer layer = hidden(4, 8, count);
        optimizer_request q = {
            .layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128, .threads = 1};
        optimizer_result own, large;
        assert_ok(optimizer_search(&q, &own));
        q.threads = 0;
        assert_ok(optimizer_search(&q, &large));
        q.threads = 1;
        const double ratio = batches_seconds(&q, &own) / batches_seconds(&q, &large);
        if (count == 1)
            assert_true(ratio < 0.85 && own.families.of[0].pbs_group < large.families.of[0].pbs_group);
        else
            assert_true(ratio <= NEAR && ratio > 0.99);
        assert_true(own.seconds >= large.seconds / NEAR);
    }
}

/* By the parts: a layer of one look-up reads the keys once. */
static void test_parts(void **state)
{
    (void)state;
    lookup_layer layer = hidden(4, 8, 1);
    const optimizer_request q = {
        .layers = &layer, .layers_count = 1, .log2_error = -40, .level = SECURITY_128, .threads = 1};
    optimizer_result r;
    assert_ok(optimizer_search(&q, &r));
    const tfhe_params *p = &r.families.of[0];
    const double parts = cost_keyswitches(p, 1) + cost_rotations(p, r.layers[0].EF, r.layers[0].price, 1) +
                         layer.weights * cost_weight(p);
    assert_true(fabs(batches_seconds(&q, &r) / parts - 1) < 1e-9);
    assert_true(batches_seconds(&q, &r) > r.seconds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single), cmocka_unit_test(test_families),
                                       cmocka_unit_test(test_few), cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
