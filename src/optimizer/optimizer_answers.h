/* SPDX-License-Identifier: Apache-2.0 */
/* How answers are packed: the fewest bytes that noise, time and key allow. */
#ifndef OPTIMIZER_ANSWERS_H
#define OPTIMIZER_ANSWERS_H

#include "optimizer/noise.h"
#include "optimizer/security.h"

typedef struct answers_request {
    uint32_t family; /* whose big key they are under */
    size_t count;    /* answers of an inference, >= 1 */
    security_level level;
    double variance;   /* torus: that packing may add to each */
    double log2_wrong; /* of the probability that one is taken for another turn's (multiples.h) at most */
    double seconds;    /* of one core that packing may take, predicted */
    double key_bytes;  /* that its key may have, seeded, */
    double memory;     /* and expanded */
} answers_request;

/* The packing of an inference's answers in the fewest bytes within these bounds, of those that of the least time, to 3
 * % of what is allowed, and of those that of the smallest key: over N = 1..TFHE_ANSWERS_N, the smallest k N >= 450 of
 * each noise up to 4096 for either key, gadgets of bases 2^5 to 2^15, of which that of least noise, the multiples of
 * each number of parts that allow most, and all widths of words. bits = 0: none has fewer bytes than the ciphertexts
 * themselves. */
tfhe_answers optimizer_answers(const tfhe_families *f, const answers_request *q);
#endif
