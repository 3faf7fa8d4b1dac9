/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static annulus_status read_all(int fd, const char *path, uint8_t *p, size_t len)
{
    size_t done = 0;
    while (done < len) {
        const ssize_t got = read(fd, p + done, len - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail(ANNULUS_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0) return fail(ANNULUS_ERR_IO, "%s: the file shrank while it was read; try again", path);
        done += (size_t)got;
    }
    return ANNULUS_OK;
}

static annulus_status read_open(int fd, const char *path, size_t limit, uint8_t **out, size_t *len)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return fail(ANNULUS_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode)) return fail(ANNULUS_ERR_INPUT, "%s: not a regular file; name a file", path);
    if ((uint64_t)info.st_size > limit)
        return fail(ANNULUS_ERR_INPUT, "%s: %lld bytes, at most %zu are accepted here", path, (long long)info.st_size,
                    limit);
    void *p;
    TRY(mem_create((size_t)info.st_size, 1, path, &p));
    const annulus_status st = read_all(fd, path, p, (size_t)info.st_size);
    if (st != ANNULUS_OK) {
        mem_wipe_free(p, (size_t)info.st_size); /* may hold part of a key */
        return st;
    }
    *out = p;
    *len = (size_t)info.st_size;
    return ANNULUS_OK;
}

annulus_status file_read(const char *path, size_t limit, uint8_t **out, size_t *len)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block before it is refused */
    if (fd < 0) return fail(ANNULUS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    const annulus_status st = read_open(fd, path, limit, out, len);
    (void)close(fd);
    return st;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
    while (len > 0) {
        const ssize_t put = write(fd, p, len);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return -1;
        p += put;
        len -= (size_t)put;
    }
    return 0;
}

annulus_status file_write(const char *path, const void *p, size_t len, unsigned mode)
{
    char temporary[4096];
    const int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temporary) return fail(ANNULUS_ERR_IO, "%s: the path is too long", path);
    const int fd = mkostemp(temporary, O_CLOEXEC); /* created 0600 */
    if (fd < 0) return fail(ANNULUS_ERR_IO, "%s: cannot write there: %s", path, strerror(errno));

    int bad = write_all(fd, p, len) != 0 || fchmod(fd, (mode_t)mode) != 0 || fsync(fd) != 0;
    const int wrote = errno;
    if (close(fd) != 0 && !bad) bad = 1;
    if (!bad && rename(temporary, path) == 0) return ANNULUS_OK;
    const int error = bad ? wrote : errno;
    (void)unlink(temporary);
    return fail(ANNULUS_ERR_IO, "%s: cannot write: %s", path, strerror(error));
}
