/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of a block of memory (/proc/self/smaps). */
#ifndef TESTS_SMAPS_H
#define TESTS_SMAPS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct smaps_block {
    int has_flags;    /* the kernel names flags at all */
    int huge_wanted;  /* flag hg of all mappings of the block: MADV_HUGEPAGE */
    size_t huge, all; /* bytes of mappings that overlap it: in huge pages, and in memory */
} smaps_block;

/* Of the bytes from p on, in mappings of any size: `huge` and `all` count whole mappings. */
static inline smaps_block smaps_of(const void *p, size_t bytes)
{
    smaps_block b = {.huge_wanted = 1};
    const uintptr_t first = (uintptr_t)p, past = first + bytes;
    char line[512];
    int inside = 0;
    FILE *f = fopen("/proc/self/smaps", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        unsigned long from, to;
        size_t kilobytes;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) inside = from < past && first < to;
        if (!inside) continue;
        if (sscanf(line, "Rss: %zu kB", &kilobytes) == 1) b.all += kilobytes << 10;
        if (sscanf(line, "AnonHugePages: %zu kB", &kilobytes) == 1) b.huge += kilobytes << 10;
        if (strncmp(line, "VmFlags:", 8) != 0) continue;
        b.has_flags = 1;
        b.huge_wanted &= strstr(line, " hg") != NULL;
    }
    if (f != NULL) (void)fclose(f);
    b.huge_wanted &= b.has_flags;
    return b;
}
#endif
