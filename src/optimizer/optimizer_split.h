/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of split look-ups (tfhe/split.h): the two families, gadgets and low bits that take the fewest seconds. */
#ifndef OPTIMIZER_OPTIMIZER_SPLIT_H
#define OPTIMIZER_OPTIMIZER_SPLIT_H

#include "base/status.h"
#include "optimizer/security.h"
#include "tfhe/params.h"

typedef struct split_request {
    uint32_t bits;       /* of the message, [2, 16] */
    uint32_t entry_bits; /* of the entries, [1, 16] */
    double two_norm;     /* of the sums of split look-ups of the same kind that are looked up, >= 0 */
    double log2_error;   /* log2 of the largest failure probability of a look-up: of all its rotations together */
    security_level level;
} split_request;

typedef struct split_choice {
    tfhe_params low, high; /* of one k, N and glwe_noise; each with a keyswitch of its own */
    uint32_t low_bits, EF, price;
    uint32_t merge_l, merge_bg;
    double output_std;   /* predicted at most, whatever the table's entries of so many bits */
    double log2_failure; /* predicted */
    double seconds;      /* predicted, one core, in large batches */
} split_choice;

/* The fastest by the search for split look-ups of optimizer_search, at all low bits. ANNULUS_ERR_INPUT: a request
 * outside its ranges; ANNULUS_ERR_INFEASIBLE: no set keeps to the probability; ANNULUS_ERR_MEMORY. */
annulus_status optimizer_split(const split_request *request, split_choice *out) __attribute__((warn_unused_result));
/* Seconds of a look-up by the sets of `c`, one core, in large batches. */
double split_seconds(uint32_t bits, const split_choice *c);
/* Of making the table that the low bits choose, of one look-up. */
double split_choose_seconds(const tfhe_families *f, double cells, uint32_t low_bits);
/* Half window of the last phase, of half a high part, in fractions of the torus: half_window is that of a cell, which
 * sums may lie aside of the middle of. */
double split_last_window(double half_window, double cells, uint32_t low_bits);
#endif
