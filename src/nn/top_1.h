/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that are the label alone: layers of look-ups behind the scores. */
#ifndef NN_TOP_1_H
#define NN_TOP_1_H

#include "nn/network.h"

#define TOP_1_BITS 6u /* where none are asked for */
#define TOP_1_MOST_BITS 10u
#define TOP_1_MOST_CLASSES 256u

/* A copy of classifier n whose outputs are 1 for the class with the largest score and 0 for the others. x (count,
 * inputs): raw samples, of which 32 differ (distinct.h). Behind the scores, c of them:
 *   quantized   score - lo over a unit, cut off to 0 .. 2^bits - 1: lo and the unit span the largest scores that the
 *               samples have, widened by `margin` of the span at each side; those below count as 0 (c look-ups)
 *   largest     a tree of max(a, b) = b + relu(a - b) (c - 1)
 *   reached     1 where a quantized score is the largest, 0 elsewhere (c)
 *   answer      1 for the first of these, 0 for the others (c)
 * Of two classes the last three are one comparison. Equal quantized scores: the lower number. All but the first of
 * these layers are exact: they have a cell for each accumulator. ANNULUS_ERR_INPUT: no classifier, one class or too
 * many, more layers than a network may have, or samples whose scores are all the same. */
annulus_status network_top_1(const network *n, const float *x, size_t count, unsigned bits, double margin,
                             network **out) __attribute__((warn_unused_result));
#endif
