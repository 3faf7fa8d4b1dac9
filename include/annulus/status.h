/* SPDX-License-Identifier: Apache-2.0 */
/* Result of every public function that can fail. The message of the last failure on the calling thread
 * (what, where and what to do about it) is annulus_error_message(). */
#ifndef ANNULUS_STATUS_H
#define ANNULUS_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ANNULUS_API __attribute__((visibility("default")))
#define ANNULUS_MUST_USE __attribute__((warn_unused_result))
#else
#define ANNULUS_API
#define ANNULUS_MUST_USE
#endif

typedef enum annulus_status {
    ANNULUS_OK = 0,
    ANNULUS_ERR_INPUT,      /* a file or value from outside is not what it must be */
    ANNULUS_ERR_IO,         /* the operating system refused to read or write */
    ANNULUS_ERR_MEMORY,     /* not enough memory */
    ANNULUS_ERR_RANDOM,     /* no randomness from the operating system */
    ANNULUS_ERR_INFEASIBLE, /* no parameters or no network satisfy the request */
    ANNULUS_ERR_CANCELLED   /* the progress callback asked to stop */
} annulus_status;

/* Message of the last failure on this thread, never NULL; valid until the next call on this thread. */
ANNULUS_API const char *annulus_error_message(void);

/* Short constant name of a status, e.g. "input". */
ANNULUS_API const char *annulus_status_name(annulus_status status);

#ifdef __cplusplus
}
#endif
#endif
