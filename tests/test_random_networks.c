/* SPDX-License-Identifier: Apache-2.0 */
#include "random_runs.h"

static void test_all_runs_agree(void **state)
{
    (void)state;
    size_t look_ups = 0, shared = 0, pairs = 0, slotted = 0, waves = 0, spread = 0, measured = 0, labels = 0,
           largest = 0, varied = 0;
    for (uint64_t seed = 1; seed <= 80; seed++) {
        const graph_result r = graph_run(seed);
        if (!r.network || !r.simulated || !r.encrypted)
            fprintf(stderr, "network of seed %llu\n", (unsigned long long)seed);
        assert_true(r.network);
        assert_true(r.simulated);
        assert_true(r.encrypted);
        look_ups += r.look_ups, shared += r.shared, pairs += r.pairs, slotted += r.slotted;
        varied += r.varied;
        waves += r.waves, measured += (size_t)r.measured, labels += (size_t)r.labels, largest += r.largest;
        spread += graph_kind_of(seed) == GRAPH_WAVES && r.rotations < r.look_ups;
    }
    assert_true(look_ups > 1600 && shared > 20 && pairs > 40 && slotted > 4);
    assert_true(varied > 10);
    assert_true(waves > 15 && spread > 5 && measured > 4 && labels > 3 && largest > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_runs_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
