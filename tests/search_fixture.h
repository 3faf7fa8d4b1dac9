/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the parameter search share. */
#ifndef TESTS_SEARCH_FIXTURE_H
#define TESTS_SEARCH_FIXTURE_H

#include "optimizer/optimizer_priv.h"

#include <math.h>

static inline lookup_layer hidden(double bits, double norm, size_t count)
{
    return (lookup_layer){
        .name = "hidden", .half_window = exp2(-bits - 2), .two_norm = norm, .cells = exp2(bits), .count = count};
}

/* p with the base of the rotation's gadget that the model allows and that gives it the least noise. */
static inline tfhe_params quietest_base(const search_model *m, tfhe_params p)
{
    double least = INFINITY;
    tfhe_params best = p;
    for (p.pbs_bg = m->pbs.b_first; p.pbs_bg <= 30 && p.pbs_bg * p.pbs_l <= 52; p.pbs_bg++)
        if (noise_blind_rotate(&p) < least) least = noise_blind_rotate(&p), best = p;
    return best;
}
#endif
