/* SPDX-License-Identifier: Apache-2.0 */
/* Two families at hand (optimizer_couple.c), for the search through all of them (optimizer_pair.c). */
#ifndef OPTIMIZER_OPTIMIZER_COUPLE_H
#define OPTIMIZER_OPTIMIZER_COUPLE_H

#include "optimizer/optimizer_priv.h"

#define COUPLE_TRANSITIONS 4u /* from family t/2 into t%2 */

/* What a layer asks of its look-ups; `count`: those of all layers that ask it. square: of two_norm. */
typedef struct layer_class {
    double bound, output, square, common, fresh_two_norm, cells, slots, count;
    extension_window window; /* of one slot, whose whole is the bound */
    int is_output;
} layer_class;

/* A layer, its class and its groups of values; gives: it is the first that gives those of `into`. */
typedef struct class_layer {
    double count, weights;
    uint8_t class, from, into, gives;
} class_layer;

typedef struct layer_classes {
    size_t count, layers_count;
    layer_class of[OPTIMIZER_MAX_LAYERS];
    class_layer layers[OPTIMIZER_MAX_LAYERS];
} layer_classes;

typedef struct couple {
    point at[2];
    const gadget *switches[COUPLE_TRANSITIONS];
    size_t switches_count[COUPLE_TRANSITIONS];
    double level_bytes[COUPLE_TRANSITIONS]; /* of a level of the keyswitch, by the objective */
} couple;

/* Variance of its sums at least, of values of at least this variance. */
static inline double class_least(const layer_class *l, double noise)
{
    return (l->common < 0 ? l->square + l->common / 2 : l->square) * noise;
}

/* The fastest look-up of a class by `to` with a keyswitch of [lo, hi), `limit` seconds if none is below; noise, fresh:
 * variances of sums of bootstrapped values and of fresh values that it takes. Of outputs 0 seconds if their bound is
 * kept. */
typedef struct cheapest_lookup {
    double seconds;
    uint8_t gadget, extension;
} cheapest_lookup;
cheapest_lookup couple_cheapest(const layer_class *l, const point *to, const gadget *switches, size_t lo, size_t hi,
                                double noise, double fresh, double limit);

/* By transition (classes): seconds of a look-up, at least; of outputs by a family's own alone. */
typedef const double *couple_rows[COUPLE_TRANSITIONS];

/* before (layers + 1): what the layers before each take at least; weight: seconds of a weight of a linear layer by each
 * family. */
void couple_before(const layer_classes *classes, const couple_rows rows, const double weight[2], double *before);
/* Seconds of two families at least, INFINITY from `limit` on; before: as above, or 0. */
double couple_bound(const layer_classes *classes, const couple_rows rows, const double weight[2], const double *before,
                    double limit);
/* The best set of two families by the goal and within the limits of s, of SMALLEST_NEAR the fastest; 0: there is none.
 */
int couple_solve(const search *s, const layer_classes *classes, const couple *c, const double *before, candidate *out);
#endif
