/* SPDX-License-Identifier: Apache-2.0 */
/* The multiples of its phase that an answer is sent as (tfhe/answers.h). Phases whose parts have independent Gaussian
 * noise are points of the line x m modulo 1 plus that noise; seen along the line, its turns are a lattice, Z^T
 * projected orthogonally to m, of dimension T - 1 and covolume 1/|m|. The phase is taken for one of another turn where
 * the noise is nearer to another point of that lattice than to 0. */
#ifndef OPTIMIZER_MULTIPLES_H
#define OPTIMIZER_MULTIPLES_H

#include "tfhe/params.h"

/* log2 of a bound on the probability of that, parts of this variance: the sum over all points that can be neighbours.
 */
double multiples_wrong_log2(const tfhe_answers *a, double variance);

/* Of the sets of `parts` multiples in the table the one that allows parts most variance, if the phase is to have
 * `variance` at most and the bound above 2^log2_wrong: that variance; *a gets parts and multiples. */
double multiples_choose(uint32_t parts, double variance, double log2_wrong, tfhe_answers *a);
#endif
