/* SPDX-License-Identifier: Apache-2.0 */
/* How long work tells its caller how far it is. */
#ifndef ANNULUS_PROGRESS_H
#define ANNULUS_PROGRESS_H
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
/* annulus_run, and what runs circuits encrypted, report a layer by its name and behind each such report the whole run
 * by this one, both in microseconds as predicted (annulus_circuit_seconds); the whole also between samples. */
#define ANNULUS_PROGRESS_RUN "run"

typedef struct annulus_progress {
    /* `done` of `total` units of `what`; a value other than 0 asks to stop. Called from one thread at a time. */
    int (*report)(void *context, const char *what, size_t done, size_t total);
    void *context;
} annulus_progress;
#ifdef __cplusplus
}
#endif
#endif
