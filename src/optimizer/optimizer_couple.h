/* SPDX-License-Identifier: Apache-2.0 */
/* Two families at hand (optimizer_couple.c), for the search through all of them (optimizer_pair.c). */
#ifndef OPTIMIZER_OPTIMIZER_COUPLE_H
#define OPTIMIZER_OPTIMIZER_COUPLE_H

#include "optimizer/optimizer_priv.h"

#define COUPLE_TRANSITIONS 4u /* from family t/2 into t%2 */

/* What a layer asks of its look-ups; `count`: those of all layers that ask it. */
typedef struct layer_class {
    double bound, output, two_norm, fresh_two_norm, cells, slots, count;
    int is_output;
} layer_class;

typedef struct layer_classes {
    size_t count, at[OPTIMIZER_MAX_LAYERS]; /* of the layers */
    layer_class of[OPTIMIZER_MAX_LAYERS];
} layer_classes;

typedef struct couple {
    point at[2];
    const gadget *switches[COUPLE_TRANSITIONS];
    size_t switches_count[COUPLE_TRANSITIONS];
    double level_bytes[COUPLE_TRANSITIONS]; /* of a level of the keyswitch, by the objective */
} couple;

/* The fastest look-up by `to` with a keyswitch of [lo, hi), INFINITY seconds if there is none: room is what the
 * variance of the sums leaves of the bound. */
typedef struct cheapest_lookup {
    double seconds;
    uint8_t gadget, extension;
} cheapest_lookup;
cheapest_lookup couple_cheapest(const point *to, const gadget *switches, size_t lo, size_t hi, double slots,
                                double room, double cells);

/* The best set of two families by the goal and within the limits of s, of SMALLEST_NEAR the fastest; 0: there is none.
 * least (classes): lower bounds of the seconds of each class by either family; sum: of all, with the lesser of them. */
int couple_solve(const search *s, const layer_classes *classes, const couple *c, const double *const least[2],
                 double sum, candidate *out);
#endif
