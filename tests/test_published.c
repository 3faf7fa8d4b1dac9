/* SPDX-License-Identifier: Apache-2.0 */
/* Published parameter sets of tfhe-rs (KS-PBS order): the failure formula against their documented log2 p_fail. Sets of
 * the drift technique (releases 1.0 to 1.3) choose their own tail bound, which the table does not carry: for them the
 * centered formula, which superseded the technique, must be at least as good up to 0.5. Sets of the
 * hardware accelerator (HPU) state their target, not their probability, and use no FFT: they must only be near the
 * target or better. */
#include "testing.h"

#include "published.h"

static void test_published(void **state)
{
    (void)state;
    FILE *f = fopen(PUBLISHED_CSV, "r");
    assert_non_null(f);
    char line[512];
    assert_non_null(fgets(line, sizeof line, f));
    size_t rows = 0, exact = 0;
    double worst = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        row r;
        assert_int_equal(row_parse(line, &r), 16);
        rows++;
        const double difference = recomputed(&r) - r.published;
        if (row_one_sided(&r)) {
            if (difference > 0.5) print_error("%s: %.3f against %.3f\n", r.name, recomputed(&r), r.published);
            assert_true(difference < 0.5);
            continue;
        }
        exact++;
        if (fabs(difference) > 0.01) print_error("%s: %.3f against %.3f\n", r.name, recomputed(&r), r.published);
        worst = fmax(worst, fabs(difference));
    }
    fclose(f);
    assert_int_equal(rows, 212);
    assert_int_equal(exact, 130);
    assert_true(worst < 0.01);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
