/* SPDX-License-Identifier: Apache-2.0 */
/* What exhaustive searches of tests share. */
#ifndef TESTS_SEARCH_FIXTURE_H
#define TESTS_SEARCH_FIXTURE_H

#include "optimizer/optimizer_priv.h"

#include <math.h>

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
