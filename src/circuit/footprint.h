/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory an encrypted run will take. */
#ifndef CIRCUIT_FOOTPRINT_H
#define CIRCUIT_FOOTPRINT_H

#include "circuit/circuit.h"

/* What the process has resident before it holds anything of a circuit: code, libraries, stacks. */
#define FOOTPRINT_PROCESS ((size_t)10 << 20)

/* Bytes of a run of `samples` samples by one process that reads its files, runs and writes the answers, as
 * exec_encrypted and the file formats take them (mem_bytes). */
typedef struct footprint {
    size_t circuit; /* the integer program: weights, lists, tables, ranges */
    size_t keys;    /* the evaluation key, expanded, and as it was sent */
    size_t tables;  /* look-up tables in torus words, constants, transforms of packed weights */
    size_t samples; /* packed inputs and answers */
    size_t values;  /* ciphertexts between layers, and sums of the answers */
    size_t work;    /* rooms of workers and copies, at most */
    size_t peak; /* most at any moment, reading the key and writing the answers among them, with the process itself */
} footprint;

/* together: samples that are run together, 0: as exec_together says. threads 0: all. kept: 1 with a checkpoint, whose
 * file is built in memory. */
footprint circuit_footprint(const circuit *c, size_t samples, size_t together, unsigned threads, int kept);
#endif
