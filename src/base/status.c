/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[STATUS_MESSAGE_BYTES];

const char *annulus_error_message(void)
{
    return message;
}

const char *annulus_status_name(annulus_status status)
{
    switch (status) {
    case ANNULUS_OK:
        return "ok";
    case ANNULUS_ERR_INPUT:
        return "input";
    case ANNULUS_ERR_IO:
        return "io";
    case ANNULUS_ERR_MEMORY:
        return "memory";
    case ANNULUS_ERR_RANDOM:
        return "random";
    case ANNULUS_ERR_INFEASIBLE:
        return "infeasible";
    case ANNULUS_ERR_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}

/* Names and cells from files stand in messages: a line break or an escape sequence in them, of UTF-8's U+0080 to U+009F
 * too, must not reach a terminal. */
static void make_printable(char *s)
{
    for (unsigned char *c = (unsigned char *)s; *c != 0; c++) {
        if (*c < 0x20 || *c == 0x7f) *c = '?';
        if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) c[0] = c[1] = '?';
    }
}

annulus_status fail(annulus_status code, const char *format, ...)
{
    char text[STATUS_MESSAGE_BYTES]; /* the arguments may point into the old message */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    make_printable(text);
    memcpy(message, text, sizeof text);
    return code;
}

annulus_status fail_prefix(annulus_status code, const char *format, ...)
{
    char prefix[STATUS_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);

    const size_t head = strlen(prefix);
    char text[2 * STATUS_MESSAGE_BYTES + 4];
    memcpy(text, prefix, head);
    memcpy(text + head, ": ", 2);
    memcpy(text + head + 2, message, strlen(message) + 1);
    text[STATUS_MESSAGE_BYTES - 1] = '\0';
    make_printable(text);
    memcpy(message, text, STATUS_MESSAGE_BYTES);
    return code;
}

/* The caller broke a contract: continuing could corrupt memory or reveal a secret, so the process ends here. */
void require_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "annulus: contract violated: %s (%s:%d)\n", condition, file, line);
    abort();
}
