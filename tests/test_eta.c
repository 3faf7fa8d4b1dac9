/* SPDX-License-Identifier: Apache-2.0 */
/* What the line of progress says, by a clock that the test sets. */
#include "testing.h"

#include "cli/cli_eta.h"

#include <string.h>

static void test_left(void **state)
{
    (void)state;
    eta e = {0};
    eta_report(&e, 0, 400, 1000);
    assert_true(eta_left(&e, -1) < 0);      /* nothing is known yet */
    assert_true(eta_left(&e, 0.25) == 100); /* but what is given */
    eta_report(&e, 100, 400, 1010);
    assert_true(eta_left(&e, 0.25) == 30); /* 300 at 10 a second, which counts from now on */
    eta_report(&e, 200, 400, 1060);
    assert_true(eta_left(&e, -1) == 60); /* slower meanwhile */
    eta_report(&e, 400, 400, 1070);
    assert_true(eta_left(&e, -1) == 0);
    eta_report(&e, 50, 400, 2000); /* other work as long, which went on at 50 */
    assert_true(eta_left(&e, -1) < 0);
    eta_report(&e, 150, 400, 2020);
    assert_true(eta_left(&e, -1) == 50);
    eta_report(&e, 150, 300, 3000); /* of another length */
    assert_true(eta_left(&e, -1) < 0 && e.start == 3000 && e.first == 150);
}

/* A run of layers predicted at 2 and 6 seconds on a machine three times slower: the time left of the second is right
 * before anything of it is done. */
static void test_layers(void **state)
{
    (void)state;
    eta run = {0}, layer = {0};
    char text[160];
    eta_report(&layer, 0, 2000000, 0);
    eta_report(&run, 0, 8000000, 0);
    eta_line(text, sizeof text, "layer 1", &layer, &run);
    assert_string_equal(text, "layer 1: 0 %, 2 s left; run: 0 %, 8 s left");
    eta_report(&layer, 1000000, 2000000, 3);
    eta_report(&run, 1000000, 8000000, 3);
    eta_line(text, sizeof text, "layer 1", &layer, &run);
    assert_string_equal(text, "layer 1: 50 %, 3 s left; run: 12 %, 21 s left");
    eta_report(&layer, 2000000, 2000000, 6);
    eta_report(&run, 2000000, 8000000, 6);
    eta_report(&layer, 0, 6000000, 6);
    eta_line(text, sizeof text, "layer 2", &layer, &run);
    assert_string_equal(text, "layer 2: 0 %, 18 s left; run: 25 %, 18 s left");
    eta_report(&layer, 3000000, 6000000, 9); /* faster than predicted by the first */
    eta_report(&run, 5000000, 8000000, 9);
    eta_line(text, sizeof text, "layer 2", &layer, &run);
    assert_string_equal(text, "layer 2: 50 %, 3 s left; run: 62 %, 5 s left");
}

static void test_line(void **state)
{
    (void)state;
    eta e = {0}, run = {0};
    char text[160];
    eta_report(&e, 0, 64, 5);
    eta_line(text, sizeof text, "bootstrapping key", &e, NULL);
    assert_string_equal(text, "bootstrapping key: 0 %");
    eta_report(&e, 16, 64, 7);
    eta_line(text, sizeof text, "bootstrapping key", &e, NULL);
    assert_string_equal(text, "bootstrapping key: 25 %, 6 s left");
    eta_report(&run, 0, 64, 7);
    for (size_t size = 1; size < 60; size++) { /* cut off, and ended */
        memset(text, 'x', sizeof text);
        eta_line(text, size, "bootstrapping key", &e, &run);
        assert_true(strlen(text) < size);
    }
    eta_report(&e, 0, 0, 8);
    eta_line(text, sizeof text, "nothing", &e, NULL);
    assert_string_equal(text, "nothing: 100 %, 0 s left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_left), cmocka_unit_test(test_layers),
                                       cmocka_unit_test(test_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
