/* SPDX-License-Identifier: Apache-2.0 */
/* Instruction sets that kernels may use. ANNULUS_CPU=ref|avx2|avx512|neon forces one that the processor has,
 * avx512fused and avx512add the same as avx512 but for what cpu_adds_beside_products says; another name is ignored. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stddef.h>

typedef enum cpu_level { CPU_REF = 0, CPU_AVX2 = 1, CPU_AVX512 = 2, CPU_NEON = 3 } cpu_level;
#define CPU_LEVELS 4u
/* avx2 includes FMA; avx512 is F, DQ, VL, BW and includes avx2; neon is that of AArch64. */
int cpu_level_has(cpu_level level);
/* Sums of products of 16-bit pairs in one instruction at the width of avx512 (AVX512_VNNI) or avx2 (AVX-VNNI). */
int cpu_has_vnni(cpu_level level);
/* Whether additions have ports of their own, so that products and sums run side by side (AMD from Zen on) rather than
 * every operation costing the same; what ANNULUS_CPU says, if it does. */
int cpu_adds_beside_products(void);
/* The widest that the processor has and this build holds. */
cpu_level cpu_level_get(void);
const char *cpu_level_name(cpu_level level);
/* The names for ANNULUS_CPU under which kernels differ here, the reference first; returns their number. */
#define CPU_VARIANTS 5u
size_t cpu_variants(const char *out[CPU_VARIANTS]);
/* Bytes of a core's second-level cache, in [64 KiB, 64 MiB]: what ANNULUS_CACHE says, else what the C library or the
 * kernel does; 1 MiB if none of them names such a size. */
size_t cpu_cache_bytes(void);
/* The same from a folder of the form of /sys/devices/system/cpu/cpu0/cache; 0 if it names none. */
size_t cpu_cache_read(const char *folder);
/* Lets a core that waits for another do so quietly. */
static inline void cpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
#endif
