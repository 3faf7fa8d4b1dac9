/* SPDX-License-Identifier: Apache-2.0 */
/* How long work tells its caller how far it is. */
#ifndef ANNULUS_PROGRESS_H
#define ANNULUS_PROGRESS_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
typedef struct annulus_progress {
    /* `done` of `total` units of `what`; a value other than 0 asks to stop. Called from one thread at a time. */
    int (*report)(void *context, const char *what, size_t done, size_t total);
    void *context;
} annulus_progress;
#ifdef __cplusplus
}
#endif
#endif
