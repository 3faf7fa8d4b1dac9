/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

size_t mem_bytes(size_t bytes)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : MEM_ALIGN;
    return bytes == 0 ? align : (bytes + align - 1) / align * align;
}

/* mem_create with `behind` more bytes after the block, whole lines, which nobody touches. */
static annulus_status block_create(size_t count, size_t size, size_t behind, const char *what, void **out)
{
    *out = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4)
        return fail(ANNULUS_ERR_MEMORY, "%s of %zu x %zu bytes does not fit in memory", what, count, size);

    const int huge = bytes >= HUGE_PAGE;
    const size_t align = huge ? HUGE_PAGE : MEM_ALIGN, padded = mem_bytes(bytes);
    void *p = aligned_alloc(align, padded + (behind + align - 1) / align * align);
    if (p == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
    if (huge) (void)madvise(p, padded, MADV_HUGEPAGE); /* an offer only: the kernel may decline */
    memset(p, 0, padded);
    *out = p;
    return ANNULUS_OK;
}

annulus_status mem_create(size_t count, size_t size, const char *what, void **out)
{
    return block_create(count, size, 0, what, out);
}

/* Bytes of MemAvailable, else SIZE_MAX; without memory of its own. */
static size_t machine_available(void)
{
    static const char field[] = "MemAvailable:";
    char text[1024] = {0};
    const int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return SIZE_MAX;
    const ssize_t got = read(fd, text, sizeof text - 1);
    (void)close(fd);
    const char *at = got > 0 ? strstr(text, field) : NULL;
    const unsigned long long kilobytes = at == NULL ? 0 : strtoull(at + sizeof field - 1, NULL, 10);
    return kilobytes == 0 || kilobytes > SIZE_MAX / 1024 ? SIZE_MAX : (size_t)kilobytes * 1024;
}

size_t mem_available(void)
{
    struct rlimit limit;
    const size_t machine = machine_available();
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= machine)
        return machine;
    return (size_t)limit.rlim_cur;
}

void mem_free(void *p)
{
    free(p);
}

void mem_wipe(void *p, size_t bytes)
{
    if (p != NULL) explicit_bzero(p, bytes);
}

void mem_wipe_free(void *p, size_t bytes)
{
    mem_wipe(p, bytes);
    free(p);
}

static annulus_status scratch_of(size_t bytes, size_t behind, scratch *out)
{
    void *p;
    TRY(block_create(bytes, 1, behind, "working memory", &p));
    *out = (scratch){.base = p, .size = bytes, .used = 0};
    return ANNULUS_OK;
}

annulus_status scratch_create(size_t bytes, scratch *out)
{
    return scratch_of(bytes, 0, out);
}

annulus_status scratch_create_apart(size_t bytes, scratch *out)
{
    return scratch_of(bytes, SCRATCH_APART, out);
}

void scratch_destroy(scratch *s)
{
    mem_wipe_free(s->base, s->size);
    *s = (scratch){0};
}

void *scratch_take(scratch *s, size_t bytes)
{
    const size_t need = ROUND_UP(bytes);
    REQUIRE(need >= bytes && need <= s->size - s->used);
    void *p = s->base + s->used;
    s->used += need;
    return p;
}
