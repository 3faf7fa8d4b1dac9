/* SPDX-License-Identifier: Apache-2.0 */
/* What passes share; for pass*.c and their tests only. */
#ifndef NN_PASS_PRIV_H
#define NN_PASS_PRIV_H

#include "nn/pass.h"

/* ---- pass_remove.c ---- */
#define PASS_CONSTANT UINT32_MAX
/* What becomes of a layer's neurons. */
typedef struct pass_fate {
    uint32_t *as;   /* (out) itself: it stays; an earlier one that stays: its readers take that one; PASS_CONSTANT */
    int32_t *emits; /* (out*offsets) integers of the values of constant ones */
} pass_fate;
annulus_status pass_fate_create(const dense_layer *l, pass_fate *out)
    __attribute__((warn_unused_result)); /* all stay */
void pass_fate_clear(pass_fate *f);
/* Takes out what `fate` lets go of a hidden layer; of its matrices whole rows and places, so that neurons stay where
 * others of both do. *removed: neurons. fate is changed to what was done. */
annulus_status pass_remove(network *n, size_t layer, pass_fate *fate, size_t *removed)
    __attribute__((warn_unused_result));

/* ---- pass_bounds.c ---- */
/* Least and largest integer of every value of every source, one source behind the other. */
typedef struct pass_bounds {
    size_t first[NETWORK_MAX_LAYERS + 1]; /* of a source */
    int64_t *lo, *hi;
} pass_bounds;
annulus_status pass_bounds_create(const network *n, pass_bounds *out) __attribute__((warn_unused_result));
void pass_bounds_clear(pass_bounds *b);
#endif
