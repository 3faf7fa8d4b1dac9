/* SPDX-License-Identifier: Apache-2.0 */
/* What every test includes: cmocka and a small deterministic generator. */
#ifndef TESTS_TESTING_H
#define TESTS_TESTING_H

#include "testing_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* the library has a function of that name */

#define assert_ok(expr)                                                                                                \
    do {                                                                                                               \
        if ((expr) != ANNULUS_OK) {                                                                                    \
            print_error("%s: %s\n", #expr, annulus_error_message());                                                   \
            _fail(__FILE__, __LINE__);                                                                                 \
        }                                                                                                              \
    } while (0)
#define assert_refused(expr, text)                                                                                     \
    do {                                                                                                               \
        assert_int_not_equal((expr), ANNULUS_OK);                                                                      \
        if (strstr(annulus_error_message(), (text)) == NULL) {                                                         \
            print_error("message \"%s\" does not say \"%s\"\n", annulus_error_message(), (text));                      \
            _fail(__FILE__, __LINE__);                                                                                 \
        }                                                                                                              \
    } while (0)

#endif
