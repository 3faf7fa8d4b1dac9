/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cpu.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[CPU_LEVELS] = {"ref", "avx2", "avx512", "neon"};

/* What ANNULUS_CPU can say. additions: what cpu_adds_beside_products says then; -1: of the processor. */
typedef struct choice {
    const char *name;
    cpu_level level;
    int additions;
} choice;
static const choice choices[] = {
    {"ref", CPU_REF, -1},           {"avx2", CPU_AVX2, -1},       {"avx512", CPU_AVX512, -1},
    {"avx512fused", CPU_AVX512, 0}, {"avx512add", CPU_AVX512, 1}, {"neon", CPU_NEON, -1},
};

int cpu_level_has(cpu_level level)
{
    if (level == CPU_REF) return 1;
#if defined(ANNULUS_PORTABLE)
    return 0;
#elif defined(__x86_64__)
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (level == CPU_AVX512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return level == CPU_AVX2 && avx2;
#elif defined(__aarch64__)
    return level == CPU_NEON;
#else
    return 0;
#endif
}

int cpu_has_vnni(cpu_level level)
{
    if (!cpu_level_has(level)) return 0;
#if defined(__x86_64__)
    unsigned a, b, c, d; /* AVX-VNNI: leaf 7, subleaf 1, EAX bit 4 (Intel SDM, CPUID); clang 14 has no name for it */
    if (level == CPU_AVX512) return __builtin_cpu_supports("avx512vnni") != 0;
    if (level == CPU_AVX2) return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1) != 0;
#endif
    return 0;
}

/* NULL: nothing that is here. */
static const choice *forced(void)
{
    const char *name = getenv("ANNULUS_CPU");
    for (size_t i = 0; name != NULL && i < sizeof choices / sizeof *choices; i++)
        if (strcmp(name, choices[i].name) == 0 && cpu_level_has(choices[i].level)) return &choices[i];
    return NULL;
}

int cpu_adds_beside_products(void)
{
    const choice *own = forced();
    if (own != NULL && own->additions >= 0) return own->additions;
#if defined(__x86_64__)
    unsigned a, b, c, d; /* CPUID leaf 0: the vendor's name in EBX, EDX, ECX */
    if (!__get_cpuid(0, &a, &b, &c, &d)) return 0;
    const unsigned vendor[3] = {b, d, c};
    return memcmp(vendor, "AuthenticAMD", sizeof vendor) == 0 || memcmp(vendor, "HygonGenuine", sizeof vendor) == 0;
#else
    return 0;
#endif
}

cpu_level cpu_level_get(void)
{
    static const cpu_level widest_first[] = {CPU_NEON, CPU_AVX512, CPU_AVX2};
    const choice *own = forced();
    if (own != NULL) return own->level;
    for (unsigned i = 0; i < sizeof widest_first / sizeof *widest_first; i++)
        if (cpu_level_has(widest_first[i])) return widest_first[i];
    return CPU_REF;
}

const char *cpu_level_name(cpu_level level)
{
    return names[level];
}

size_t cpu_variants(const char *out[CPU_VARIANTS])
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (cpu_level_has(choices[i].level) && (choices[i].level != CPU_AVX512 || choices[i].additions >= 0))
            out[count++] = choices[i].name;
    return count;
}

static int is_plausible(unsigned long long bytes)
{
    return bytes >= 64u << 10 && bytes <= 64u << 20;
}

/* First word of the file, "" without one. */
static void word_of(const char *folder, unsigned index, const char *name, char word[32])
{
    char path[256];
    word[0] = '\0';
    (void)snprintf(path, sizeof path, "%s/index%u/%s", folder, index, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) return;
    if (fscanf(f, "%31s", word) != 1) word[0] = '\0';
    (void)fclose(f);
}

size_t cpu_cache_read(const char *folder)
{
    for (unsigned i = 0; i < 8; i++) {
        char level[32], type[32], size[32], *unit;
        word_of(folder, i, "level", level);
        word_of(folder, i, "type", type);
        if (strcmp(level, "2") != 0 || strcmp(type, "Instruction") == 0) continue;
        word_of(folder, i, "size", size);
        const unsigned long long count = strtoull(size, &unit, 10);
        const unsigned shift = *unit == 'K' ? 10 : *unit == 'M' ? 20 : 0;
        if (count <= 64u << 20 && is_plausible(count << shift)) return (size_t)(count << shift);
    }
    return 0;
}

static size_t system_cache(void)
{
#if defined(_SC_LEVEL2_CACHE_SIZE)
    const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
    if (bytes > 0 && is_plausible((unsigned long long)bytes)) return (size_t)bytes;
#endif
    const size_t read = cpu_cache_read("/sys/devices/system/cpu/cpu0/cache");
    return read != 0 ? read : (size_t)1 << 20;
}

size_t cpu_cache_bytes(void)
{
    static _Atomic size_t found; /* once; threads that come at once find the same */
    const char *forced = getenv("ANNULUS_CACHE");
    const unsigned long long bytes = forced == NULL ? 0 : strtoull(forced, NULL, 10);
    if (is_plausible(bytes)) return (size_t)bytes;
    size_t own = atomic_load_explicit(&found, memory_order_relaxed);
    if (own == 0) {
        own = system_cache();
        atomic_store_explicit(&found, own, memory_order_relaxed);
    }
    return own;
}
