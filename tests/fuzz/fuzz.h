/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target is: libFuzzer's entry, a count of inputs that were taken, and files in memory for parsers that
 * want a path. A target frees what it makes and aborts when a law does not hold. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Inputs that the parser took, so far: a corpus that is refused at its first byte tests nothing. */
extern unsigned long fuzz_accepted;

#define FUZZ_FILES 2u
/* Path of a regular file without a folder that holds these bytes until the next call for the same `slot`. */
const char *fuzz_file(unsigned slot, const uint8_t *data, size_t size);
#endif
