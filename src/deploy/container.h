/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of every file: "ANNULUS\0", format version, kind, length of the body, body, SHA-256 of all before it. */
#ifndef DEPLOY_CONTAINER_H
#define DEPLOY_CONTAINER_H

#include "base/bytes.h"

#define CONTAINER_VERSION 16u /* the format; of all kinds together, and of what their bodies hold */

typedef enum container_kind {
    CONTAINER_CIRCUIT = 1,
    CONTAINER_CLIENT_KEY = 2,
    CONTAINER_EVALUATION_KEY = 3,
    CONTAINER_INPUT = 4,
    CONTAINER_OUTPUT = 5,
    CONTAINER_CHECKPOINT = 6
} container_kind;

const char *container_kind_name(container_kind kind);

/* Writes the body collected in `body` (its status is honoured) to `path`: 0600 for client keys, 0644 otherwise. */
annulus_status container_write(const char *path, container_kind kind, const writer *body)
    __attribute__((warn_unused_result));

/* A file in memory whose frame was checked; `body` borrows from it. Clear wipes client keys. */
typedef struct container {
    uint8_t *bytes;
    size_t len;
    container_kind kind;
    reader body;
} container;
/* Any kind. */
annulus_status container_open(const char *path, container *out) __attribute__((warn_unused_result));
/* The kind that is wanted, else a message that says what the file is and what to pass instead. */
annulus_status container_read(const char *path, container_kind kind, container *out)
    __attribute__((warn_unused_result));
void container_clear(container *c);
#endif
