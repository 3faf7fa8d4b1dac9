/* SPDX-License-Identifier: Apache-2.0 */
/* What to change in a request that no set satisfies. */
#ifndef OPTIMIZER_REMEDIES_H
#define OPTIMIZER_REMEDIES_H

#include "optimizer/optimizer.h"

typedef enum remedy_kind {
    FEWER_BITS,
    FEWER_OUTPUT_BITS,
    FEWER_TOP_1_BITS,
    LARGER_ERROR,
    LARGER_PHASE,
    LARGER_OUTPUT,
    SMALLER_WEIGHTS
} remedy_kind;

#define REMEDIES_MOST 7u

/* value: bits (as --rounding-bits caps all look-ups), bits of the outputs or of compared scores that go, log2 of the
 * probability or of the layer's deviation, the cap of every two-norm. */
typedef struct remedy {
    remedy_kind kind;
    double value, seconds; /* of an inference by the set */
    optimizer_result set;  /* that it is found to allow */
} remedy;

typedef struct remedies {
    char missing[320]; /* what is asked for and what is reachable */
    size_t layer;      /* that asks for too much */
    double norm;       /* its two-norm */
    int own, global;   /* its error probability is its own; others are of an inference */
    size_t layers_count;
    char names[OPTIMIZER_MAX_LAYERS][32];
    double bits[OPTIMIZER_MAX_LAYERS]; /* of look-ups; 0: that rounding does not change; -1: of outputs */
    size_t count;
    remedy of[REMEDIES_MOST];
} remedies;

/* ANNULUS_ERR_INFEASIBLE with what is missing and up to three remedies, fastest first. */
annulus_status remedies_say(const remedies *r) __attribute__((warn_unused_result));
#endif
