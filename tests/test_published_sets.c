/* SPDX-License-Identifier: Apache-2.0 */
/* The library's search, given the published model, finds every published Gaussian set at 2^-128 exactly. */
#include "testing.h"

#include "published_search.h"

static void test_sets(void **state)
{
    (void)state;
    unsigned sets, found;
    assert_true(published_count(PUBLISHED_CSV, PUBLISHED_COSTS, &sets, &found));
    assert_int_equal(sets, PUBLISHED_SETS);
    assert_int_equal(found, PUBLISHED_SETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
