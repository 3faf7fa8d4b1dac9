/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"

static void test_all_runs_agree(void **state)
{
    (void)state;
    size_t look_ups = 0, shared = 0, pairs = 0, slotted = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const graph_result r = graph_run(seed);
        if (!r.network || !r.simulated || !r.encrypted)
            fprintf(stderr, "network of seed %llu\n", (unsigned long long)seed);
        assert_true(r.network);
        assert_true(r.simulated);
        assert_true(r.encrypted);
        look_ups += r.look_ups, shared += r.shared, pairs += r.pairs, slotted += r.slotted;
    }
    assert_true(look_ups > 800 && shared > 10 && pairs > 20 && slotted > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_runs_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
