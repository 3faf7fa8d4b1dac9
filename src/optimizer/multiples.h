/* SPDX-License-Identifier: Apache-2.0 */
/* The multiples of its phase that an answer is sent as (tfhe/answers.h). The parts are a point of the line x m modulo 1
 * plus Gaussian noise; seen along the line, its turns are a lattice, Z^T projected orthogonally to m, of dimension T -
 * 1 and covolume 1/|m|. The phase is taken for one of another turn where the noise is nearer to another point of that
 * lattice than to 0. */
#ifndef OPTIMIZER_MULTIPLES_H
#define OPTIMIZER_MULTIPLES_H

#include "tfhe/params.h"

/* log2 of a bound on the probability of that, noise of this variance at most in any direction: the sum over all points
 * that can be neighbours. */
double multiples_wrong_log2(const tfhe_answers *a, double variance);

/* What the packing keyswitch does to multiples of one phase has much in common: the digits of m x and n x, and what
 * they leave out, are sawtooths of x, which are correlated. So the noise of the joined phase has `along` times the
 * variance of parts without, and noise in no direction more than `most` times; `left`: of what the digits leave out,
 * `key`: of the key's noise, which parts next to each other meet as the parts next to them do. a: multiples and b; of
 * bases below 2^5 digits are no such sawtooths, and `along` is some 3 % too low at 2^4, 8 % at 2^3. */
typedef struct multiples_common {
    struct {
        double along, most;
    } left, key;
} multiples_common;
multiples_common multiples_in_common(const tfhe_answers *a);

/* Of the sets of `parts` multiples in the table the one that allows parts most variance, if the phase is to have
 * `variance` at most and the bound above 2^log2_wrong: that variance; *a gets parts and multiples. */
double multiples_choose(uint32_t parts, double variance, double log2_wrong, tfhe_answers *a);
#endif
