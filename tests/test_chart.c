/* SPDX-License-Identifier: Apache-2.0 */
#include "comma_locale.h"

#include "base/chart.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static size_t occurrences(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what)) n++;
    return n;
}

static char *written(const char *path, const double *x, size_t count, const chart_line *lines, size_t lines_count)
{
    uint8_t *bytes;
    size_t size;
    assert_ok(chart_write(path, "title", "x of it", x, count, lines, lines_count));
    assert_ok(file_read(path, (size_t)1 << 24, &bytes, &size));
    char *text = calloc(size + 1, 1);
    memcpy(text, bytes, size);
    mem_free(bytes);
    return text;
}

static void test_points(void **state)
{
    (void)state;
    char path[] = "/tmp/chart-test-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    const double x[] = {0, 10, 20, 30}, a[] = {1, 2, NAN, 5}, b[] = {0.5, 0.25, 0.1, 0};
    const chart_line lines[] = {{"first", a}, {"second", b}};
    char *text = written(path, x, 4, lines, 2);
    comma_locale_begin();
    char *same_text = written(path, x, 4, lines, 2);
    comma_locale_end();
    assert_string_equal(same_text, text);
    free(same_text);
    assert_int_equal(occurrences(text, "<polyline"), 2);
    assert_int_equal(occurrences(text, "<circle"), 7);                 /* one value is not finite */
    assert_non_null(strstr(text, "<circle cx=\"70.0\" cy=\"300.0\"")); /* (0, 1): left below */
    assert_non_null(strstr(text, "<circle cx=\"570.0\" cy=\"40.0\"")); /* (30, 5): right above */
    assert_non_null(strstr(text, ">x of it</text>"));
    assert_non_null(strstr(text, "</svg>\n"));
    free(text);
    /* ranges of nothing, and large and small numbers */
    const double big[] = {1e300, -1e300}, same[] = {3, 3}, none[] = {NAN, INFINITY}, tiny[] = {1e-9, 2e-9};
    const double *const all[] = {big, same, none, tiny};
    for (size_t i = 0; i < 4; i++) {
        const chart_line line = {"y", all[i]};
        text = written(path, x, 2, &line, 1);
        assert_int_equal(occurrences(text, "<circle"), all[i] == none ? 0 : 2);
        assert_null(strstr(text, "nan"));
        assert_null(strstr(text, "inf"));
        free(text);
    }
    double *many = calloc(5000, sizeof *many);
    for (size_t i = 0; i < 5000; i++) many[i] = (double)i;
    const chart_line line = {"y", many};
    text = written(path, many, 5000, &line, 1);
    assert_int_equal(occurrences(text, "<circle"), 0);
    free(text), free(many);
    unlink(path);
    assert_refused(chart_write("/absent/chart.svg", "t", "x", x, 4, lines, 2), "/absent/chart.svg");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_points)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
