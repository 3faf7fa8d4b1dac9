/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned long fuzz_accepted;

const char *fuzz_file(unsigned slot, const uint8_t *data, size_t size)
{
    static int fd[FUZZ_FILES] = {-1, -1};
    static char path[FUZZ_FILES][40];
    REQUIRE(slot < FUZZ_FILES);
    if (fd[slot] < 0) {
        fd[slot] = memfd_create("fuzz", MFD_CLOEXEC);
        REQUIRE(fd[slot] >= 0);
        (void)snprintf(path[slot], sizeof path[slot], "/proc/self/fd/%d", fd[slot]);
    }
    REQUIRE(ftruncate(fd[slot], 0) == 0);
    REQUIRE(pwrite(fd[slot], data, size, 0) == (ssize_t)size);
    return path[slot];
}
