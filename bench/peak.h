/* SPDX-License-Identifier: Apache-2.0 */
/* What the processor can do at most: multiply-adds and reads, on one thread or several at once. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include "base/cpu.h"
#include <stddef.h>
#include <time.h>

/* Independent fused multiply-adds in registers for about `seconds` on each of `threads`: floating-point operations a
 * second, all threads together (two an element). ref: what the portable build has (on x86-64 a multiplication and an
 * addition of two elements, no fused instruction). The level must be one that the processor has. Time is what this
 * clock of each thread says: CLOCK_THREAD_CPUTIME_ID beside bench_cpu_seconds, else CLOCK_MONOTONIC. */
double peak_flops(cpu_level level, unsigned threads, clockid_t clock, double seconds);
/* Reads blocks of `bytes` (a thread's own, once touched) again and again: bytes a second, all threads together. */
double peak_read(size_t bytes, unsigned threads, clockid_t clock, double seconds);
#endif
