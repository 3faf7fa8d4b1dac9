/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

#include <stdlib.h>
#include <string.h>

static cpu_level detected(void)
{
#if defined(__x86_64__) && !defined(ANNULUS_PORTABLE)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return CPU_AVX2;
#endif
    return CPU_REF;
}

cpu_level cpu_level_get(void)
{
    const char *forced = getenv("ANNULUS_CPU");
    if (forced != NULL && strcmp(forced, "ref") == 0) return CPU_REF;
    return detected();
}

const char *cpu_level_name(cpu_level level)
{
    return level == CPU_AVX2 ? "avx2" : "ref";
}
