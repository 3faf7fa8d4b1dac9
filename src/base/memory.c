/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

size_t mem_bytes(size_t bytes)
{
    const size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : MEM_ALIGN;
    return bytes == 0 ? align : (bytes + align - 1) / align * align;
}

annulus_status mem_create(size_t count, size_t size, const char *what, void **out)
{
    *out = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 4)
        return fail(ANNULUS_ERR_MEMORY, "%s of %zu x %zu bytes does not fit in memory", what, count, size);

    const int huge = bytes >= HUGE_PAGE;
    const size_t align = huge ? HUGE_PAGE : MEM_ALIGN, padded = mem_bytes(bytes);
    void *p = aligned_alloc(align, padded);
    if (p == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
    if (huge) (void)madvise(p, padded, MADV_HUGEPAGE); /* an offer only: the kernel may decline */
    memset(p, 0, padded);
    *out = p;
    return ANNULUS_OK;
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

annulus_status scratch_create(size_t bytes, scratch *out)
{
    void *p;
    TRY(mem_create(bytes, 1, "working memory", &p));
    *out = (scratch){.base = p, .size = bytes, .used = 0};
    return ANNULUS_OK;
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
