/* SPDX-License-Identifier: Apache-2.0 */
/* Aligned allocation, wiping, and the scratch arena of hot paths. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include "base/status.h"
#include <stddef.h>

#define MEM_ALIGN ((size_t)64)
#define ROUND_UP(bytes) (((size_t)(bytes) + MEM_ALIGN - 1) & ~(MEM_ALIGN - 1))

/* count*size bytes, zeroed, 64-byte aligned (blocks of 2 MiB and more are offered huge pages); the product is checked
 * for overflow. `what` names the object in the message. *out is NULL on failure. Free with mem_free. */
annulus_status mem_create(size_t count, size_t size, const char *what, void **out) __attribute__((warn_unused_result));
void mem_free(void *p);
/* What a block of so many bytes takes, at most SIZE_MAX/4: rounded up to whole lines, or to whole huge pages. */
size_t mem_bytes(size_t bytes);
/* Overwrites and then frees; p may be NULL. */
void mem_wipe_free(void *p, size_t bytes);
/* Overwrites in a way that the compiler keeps. */
void mem_wipe(void *p, size_t bytes);
/* Bytes that this process may still take: what the machine has available, at most the limit on its addresses
 * (RLIMIT_AS); SIZE_MAX if the system does not say. Limits of a container are not looked at. */
size_t mem_available(void);

/* Bump allocator over one block; one per thread. */
typedef struct scratch {
    unsigned char *base;
    size_t size, used;
} scratch;
annulus_status scratch_create(size_t bytes, scratch *out) __attribute__((warn_unused_result));
/* Of workers that rotate side by side. SCRATCH_APART bytes behind the block are nobody's and take addresses, not
 * memory: where loads go by constant strides, as from one row of digits to the next, processors fetch lines some dozen
 * strides past the last row, and took those of the worker whose block came next away from it all the time, which made
 * rotations of small batches a quarter slower on two cores (docs/performance.md). */
#define SCRATCH_APART ((size_t)1 << 20)
annulus_status scratch_create_apart(size_t bytes, scratch *out) __attribute__((warn_unused_result));
void scratch_destroy(scratch *s); /* wipes */
/* 64-byte aligned, not zeroed; overflow is a REQUIRE (our bug: a *_scratch() sum is wrong). Rewind by restoring used.
 */
void *scratch_take(scratch *s, size_t bytes);
#endif
