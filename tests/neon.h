/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of tests/check_neon share: a program of its own, so that it can be cross-compiled and run under an
 * emulator without the libraries of the tests. It stops at the first error. */
#ifndef TESTS_NEON_H
#define TESTS_NEON_H

#include "base/memory.h"

#include <stdint.h>

void must(annulus_status st);
void *array(size_t count); /* of zeroed words of 8 bytes; mem_free */
void expect(const char *what, size_t N, double worst, double bound);
/* neon_bootstrap.c */
void test_look_ups(uint32_t k, uint32_t N, uint32_t bg, uint32_t g, uint32_t EF);
void print_transform_noise(unsigned keys); /* mean over so many, of table noise's sets */
#endif
