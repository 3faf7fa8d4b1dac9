/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: status plus one message per thread; REQUIRE for the caller's bugs, ASSERT for ours. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "annulus/status.h"

#define STATUS_MESSAGE_BYTES 1024 /* with the NUL; what is longer is cut */

/* Sets the calling thread's message (printf format, one line: control characters become '?') and returns `code`. */
annulus_status fail(annulus_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

/* Puts "prefix: " before the message already set, e.g. the file's name; returns `code`. */
annulus_status fail_prefix(annulus_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));

#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        annulus_status try_status_ = (expr);                                                                           \
        if (try_status_ != ANNULUS_OK) return try_status_;                                                             \
    } while (0)

void require_failed(const char *condition, const char *file, int line) __attribute__((noreturn, cold));
#define REQUIRE(cond) ((cond) ? (void)0 : require_failed(#cond, __FILE__, __LINE__))
#ifdef NDEBUG
#define ASSERT(cond) ((void)sizeof(cond))
#else
#define ASSERT(cond) REQUIRE(cond)
#endif
#endif
