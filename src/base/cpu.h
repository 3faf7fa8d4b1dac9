/* SPDX-License-Identifier: Apache-2.0 */
/* Instruction sets that kernels may use, found once. ANNULUS_CPU=ref|avx2 forces a lower one. */
#ifndef BASE_CPU_H
#define BASE_CPU_H
typedef enum cpu_level { CPU_REF = 0, CPU_AVX2 = 1 } cpu_level;
cpu_level cpu_level_get(void);
const char *cpu_level_name(cpu_level level);
#endif
