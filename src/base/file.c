/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/memory.h"
#include "base/random.h"
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

static annulus_status read_open(int fd, const char *path, uint64_t size, size_t limit, uint8_t **out, size_t *len)
{
    if (size > limit)
        return fail(ANNULUS_ERR_INPUT, "%s: %llu bytes, at most %zu are accepted here", path, (unsigned long long)size,
                    limit);
    void *p;
    TRY(mem_create((size_t)size, 1, path, &p));
    const annulus_status st = read_all(fd, path, p, (size_t)size);
    if (st != ANNULUS_OK) {
        mem_wipe_free(p, (size_t)size); /* may hold part of a key */
        return st;
    }
    *out = p;
    *len = (size_t)size;
    return ANNULUS_OK;
}

/* A regular file's descriptor and size. */
static annulus_status open_regular(const char *path, int *out, uint64_t *size)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block before it is refused */
    if (fd < 0) return fail(ANNULUS_ERR_IO, "%s: cannot open: %s", path, strerror(errno));
    annulus_status st = ANNULUS_OK;
    if (fstat(fd, &info) != 0)
        st = fail(ANNULUS_ERR_IO, "%s: cannot read: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        st = fail(ANNULUS_ERR_INPUT, "%s: not a regular file; name a file", path);
    if (st != ANNULUS_OK) {
        (void)close(fd);
        return st;
    }
    *out = fd;
    *size = (uint64_t)info.st_size;
    return ANNULUS_OK;
}

annulus_status file_head(const char *path, void *out, size_t n, size_t *got, uint64_t *size)
{
    int fd = -1;
    uint64_t whole = 0;
    TRY(open_regular(path, &fd, &whole));
    const size_t want = whole < n ? (size_t)whole : n;
    const annulus_status st = read_all(fd, path, out, want);
    (void)close(fd);
    if (st != ANNULUS_OK) return st;
    *got = want;
    *size = whole;
    return ANNULUS_OK;
}

annulus_status file_read(const char *path, size_t limit, uint8_t **out, size_t *len)
{
    int fd = -1;
    uint64_t size = 0;
    TRY(open_regular(path, &fd, &size));
    const annulus_status st = read_open(fd, path, size, limit, out, len);
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

#define LINK_BYTES 64

/* A file without a name in the target's folder, which is gone with a process that is killed; link: what it is known by.
 * -1 where there is no such. */
static int unnamed_open(const char *path, unsigned mode, char link[LINK_BYTES])
{
    char folder[4096] = ".";
    const char *slash = strrchr(path, '/');
    const size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (len >= sizeof folder) return -1;
    memcpy(folder, path, len);
    if (len > 0) folder[len] = 0;
    const int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, (mode_t)mode);
    (void)snprintf(link, LINK_BYTES, "/proc/self/fd/%d", fd);
    if (fd < 0 || access(link, F_OK) == 0) return fd;
    (void)close(fd);
    return -1;
}

/* A file beside the target, "target.8 hex digits": that without a name, or, *fd < 0, a new one. */
static annulus_status temporary_name(const char *path, const char *link, unsigned mode, char *temporary, size_t size,
                                     int *fd)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        uint32_t word = 0;
        TRY(random_os(&word, sizeof word));
        const int n = snprintf(temporary, size, "%s.%08x", path, word);
        if (n < 0 || (size_t)n >= size) return fail(ANNULUS_ERR_IO, "%s: the path is too long", path);
        if (*fd >= 0 && linkat(AT_FDCWD, link, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) == 0) return ANNULUS_OK;
        if (*fd < 0) {
            *fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
            if (*fd >= 0) return ANNULUS_OK;
        }
        if (errno != EEXIST) break;
    }
    return fail(ANNULUS_ERR_IO, "%s: cannot write there: %s", path, strerror(errno));
}

static annulus_status replace(const char *path, const void *p, size_t len, unsigned mode)
{
    char temporary[4096], link[LINK_BYTES];
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return fail(ANNULUS_ERR_IO, "%s: cannot write: it exists and is no regular file; name a file", path);
    int fd = unnamed_open(path, mode, link), beside = fd < 0;
    if (beside) TRY(temporary_name(path, link, mode, temporary, sizeof temporary, &fd));

    annulus_status st = ANNULUS_OK;
    int bad = write_all(fd, p, len) != 0 || fsync(fd) != 0;
    int error = errno;
    if (!bad && !beside) st = temporary_name(path, link, mode, temporary, sizeof temporary, &fd), beside = 1;
    if (close(fd) != 0 && !bad) bad = 1, error = errno;
    if (st != ANNULUS_OK) return st;
    if (!bad && rename(temporary, path) == 0) return ANNULUS_OK;
    if (!bad) error = errno;
    if (beside) (void)unlink(temporary);
    return fail(ANNULUS_ERR_IO, "%s: cannot write: %s", path, strerror(error));
}

annulus_status file_write(const char *path, const void *p, size_t len, unsigned mode)
{
    struct stat info;
    const int link = lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
    char *target = link ? realpath(path, NULL) : NULL;
    if (link && target == NULL)
        return fail(ANNULUS_ERR_IO, "%s: cannot write: a link to a file that is not there; name that file", path);
    const annulus_status st = replace(target == NULL ? path : target, p, len, mode);
    free(target);
    return st;
}
