/* SPDX-License-Identifier: Apache-2.0 */
/* How likely it is that sums lie beyond what calibration has met. */
#ifndef CIRCUIT_UNSEEN_H
#define CIRCUIT_UNSEEN_H

#include "circuit/circuit.h"

/* Bound on the probability that one more sample exceeds the largest of `samples` >= 2 by more than `margin` >= 0 times
 * what they span, all drawn alike and independently of a law whose tail is no heavier than an exponential one (the
 * logarithm of P(X > x) is concave in x: normal, uniform, exponential laws, and sums of such):
 *
 *     n/(n+1) Gamma(n) Gamma(2+margin) / Gamma(n+1+margin)
 *
 * With n order statistics U < W of uniform numbers for P(X > x) at both ends of the span, concavity has P(X > beyond)
 * <= U (U/W)^margin, of which this is the mean; exponential laws attain it. margin = 0: 1/(n+1), whatever the law. */
double unseen_probability(size_t samples, double margin);

/* Of a layer, by the number of calibration samples and the ranges that it was given; 0 where ranges are proven, and of
 * torus-native layers, which have none. A side that is proven counts 0, that of a neuron whose sums were all the same
 * has no margin. */
typedef struct unseen {
    double range;    /* probability that a sum of a new sample leaves its range, at most, mean of the neurons */
    double measured; /* that it leaves what was measured, without the margin, whatever the law */
    double any;      /* that a new sample has a sum in this layer that leaves its range, at most */
} unseen;
unseen circuit_unseen(const circuit *c, size_t layer);
#endif
