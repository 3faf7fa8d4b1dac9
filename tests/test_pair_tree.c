/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/pair_tree.h"
#include "testing.h"
#include "testing_random.h"

#include <stdlib.h>

#define VALUES 48u

static int32_t larger(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

/* What the nodes are, for these values. */
static int32_t *all_nodes(const pair_tree *t, const int32_t *x)
{
    int32_t *v = malloc((t->values + t->steps_count) * sizeof *v);
    for (size_t i = 0; i < t->values; i++) v[i] = x[i];
    for (size_t i = 0; i < t->steps_count; i++) v[t->values + i] = larger(v[t->steps[i].kept], v[t->steps[i].other]);
    return v;
}

/* Windows of `kernel` values, `stride` apart; checks each and returns the steps that they take together. */
static size_t windows(size_t kernel, size_t stride, uint32_t *levels)
{
    pair_tree t = {.values = VALUES};
    uint32_t out[VALUES];
    int32_t x[VALUES];
    uint64_t seed = 3;
    size_t count = 0;
    for (size_t i = 0; i < VALUES; i++) x[i] = (int32_t)(test_random(&seed) % 1000);
    for (size_t first = 0; first + kernel <= VALUES; first += stride) {
        uint32_t nodes[VALUES], at[VALUES];
        for (size_t k = 0; k < kernel; k++) nodes[k] = at[k] = (uint32_t)(first + k);
        assert_ok(pair_tree_join(&t, nodes, at, kernel, &out[count++]));
    }
    int32_t *v = all_nodes(&t, x);
    for (size_t w = 0; w < count; w++) {
        int32_t most = 0;
        for (size_t k = 0; k < kernel; k++) most = larger(most, x[w * stride + k]);
        assert_int_equal(v[out[w]], most);
        assert_true(pair_tree_level(&t, out[w]) <= t.levels);
        assert_true(pair_tree_leaf(&t, out[w]) >= w * stride && pair_tree_leaf(&t, out[w]) < w * stride + kernel);
    }
    for (size_t i = 0; i < t.steps_count; i++) {
        const pair_step *s = &t.steps[i];
        const uint32_t a = pair_tree_level(&t, s->kept), b = pair_tree_level(&t, s->other);
        assert_int_equal(s->level, 1 + (a > b ? a : b));
        assert_true(s->terms <= s->level);
    }
    const size_t steps = t.steps_count;
    *levels = t.levels;
    free(v);
    pair_tree_clear(&t);
    return steps;
}

static void test_windows(void **state)
{
    (void)state;
    uint32_t levels;
    for (size_t kernel = 1; kernel <= 13; kernel++)
        for (size_t stride = 1; stride <= 5; stride++) {
            const size_t steps = windows(kernel, stride, &levels), count = (VALUES - kernel) / stride + 1;
            uint32_t least = 0;
            while ((size_t)1 << least < kernel) least++;
            assert_true(steps <= count * (kernel - 1) && levels >= least && levels <= least + 1);
        }
    assert_int_equal(windows(2, 2, &levels), 24);
    assert_int_equal(windows(2, 1, &levels), 47);
    assert_int_equal(levels, 1);
    assert_int_equal(windows(3, 1, &levels), 24 + 46); /* the pairs from even places on are of two windows each */
    assert_int_equal(windows(VALUES, 1, &levels), 47);
    assert_int_equal(levels, 6);
}

/* The result begins with the value, or the node, of fewest look-ups. */
static void test_terms(void **state)
{
    (void)state;
    pair_tree t = {.values = 5};
    uint32_t nodes[] = {0, 1, 2, 3, 4}, at[] = {0, 1, 2, 3, 4}, out;
    assert_ok(pair_tree_join(&t, nodes, at, 5, &out));
    assert_int_equal(t.steps_count, 4);
    assert_int_equal(pair_tree_leaf(&t, out), 4);
    assert_int_equal(t.steps[out - 5].terms, 1);
    assert_int_equal(t.levels, 3);
    pair_tree_clear(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows), cmocka_unit_test(test_terms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
