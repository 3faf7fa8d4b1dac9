/* SPDX-License-Identifier: Apache-2.0 */
/* Published parameter sets of tfhe-rs (KS-PBS order): the failure formula against their documented log2 p_fail. Sets of
 * the hardware accelerator (HPU) state their target: they must reach it. */
#include "testing.h"

#include "published.h"

/* It documents -129.153, its r_sigma of 13.18 is -129.358. */
#define CONTRADICTS_ITSELF "V1_0_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128"

static void test_published(void **state)
{
    (void)state;
    FILE *f = fopen(PUBLISHED_CSV, "r");
    assert_non_null(f);
    char line[512];
    assert_non_null(fgets(line, sizeof line, f));
    size_t rows = 0, targets = 0, drift = 0, contradictions = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        row r;
        assert_int_equal(row_parse(line, &r), 17);
        rows++;
        const double ours = recomputed(&r), expected = row_expected(&r);
        if (row_is_target(&r)) {
            targets++;
            if (ours > expected) print_error("%s: %.3f, target %.3f\n", r.name, ours, expected);
            assert_true(ours <= expected);
            continue;
        }
        drift += r.r_sigma > 0;
        if (fabs(expected - r.published) > 0.001) {
            contradictions++;
            assert_string_equal(r.name, CONTRADICTS_ITSELF);
        }
        if (fabs(ours - expected) > 0.001) print_error("%s: %.4f against %.4f\n", r.name, ours, expected);
        assert_true(fabs(ours - expected) < 0.001);
    }
    fclose(f);
    assert_int_equal(rows, 212);
    assert_int_equal(targets, 6);
    assert_int_equal(drift, 76);
    assert_int_equal(contradictions, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
