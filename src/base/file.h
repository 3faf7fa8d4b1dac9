/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a limit; written to a temporary in the target's folder, flushed and renamed, or not at all. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* Reads at most `limit` bytes; a larger file is an error. *out is owned by the caller (mem_free). */
annulus_status file_read(const char *path, size_t limit, uint8_t **out, size_t *len)
    __attribute__((warn_unused_result));
/* The first bytes of a regular file: *got of at most n; *size is the whole file's. */
annulus_status file_head(const char *path, void *out, size_t n, size_t *got, uint64_t *size)
    __attribute__((warn_unused_result));
/* mode: permission bits, e.g. 0600 for secrets; the process's umask takes away from them. Replaces a regular file,
 * or the one that a symbolic link leads to, atomically, and nothing else (no directory, no device, no link to a file
 * that is not there); nothing is left behind on failure, nor by a process that is killed while it writes, where the
 * file system has files without names. */
annulus_status file_write(const char *path, const void *p, size_t len, unsigned mode)
    __attribute__((warn_unused_result));
#endif
