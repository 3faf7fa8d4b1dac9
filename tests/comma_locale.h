/* SPDX-License-Identifier: Apache-2.0 */
/* A locale with decimal commas, as German has: its numbers alone, in a file of the C library's (glibc's) that is made
 * for the occasion, so that none need be installed. */
#ifndef TESTS_COMMA_LOCALE_H
#define TESTS_COMMA_LOCALE_H

#include "testing.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Magic number of the category, fields and where each is: decimal point, mark of thousands and their groups, the first
 * two as wide characters, and the encoding. */
static const struct comma_numbers {
    uint32_t magic, fields, at[6];
    char point[2], thousands[2], groups[4];
    uint32_t wide_point, wide_thousands;
    char encoding[6];
} comma_numbers = {0x20031114, 6, {32, 34, 36, 40, 44, 48}, ",", ".", "\3\3", ',', '.', "UTF-8"};

static void comma_locale_begin(void)
{
    char folder[] = "/tmp/annulus-locale-XXXXXX", inner[64], path[96], number[8];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(inner, sizeof inner, "%s/comma", folder);
    (void)snprintf(path, sizeof path, "%s/LC_NUMERIC", inner);
    assert_int_equal(mkdir(inner, 0700), 0);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(&comma_numbers, 1, 54, f), 54);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    const char *set = setlocale(LC_NUMERIC, "comma");
    (void)unsetenv("LOCPATH");
    (void)unlink(path), (void)rmdir(inner), (void)rmdir(folder);
    assert_non_null(set);
    (void)snprintf(number, sizeof number, "%.1f", 1.5);
    assert_string_equal(number, "1,5");
}

static void comma_locale_end(void)
{
    assert_non_null(setlocale(LC_NUMERIC, "C"));
}

#endif
