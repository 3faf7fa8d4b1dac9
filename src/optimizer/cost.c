/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/optimizer.h"

#include <math.h>

/* Least-squares fit of relative errors to 22 rings and gadgets measured on one Zen 4 core with the AVX-512 kernels in
 * batches (docs/performance.md): within 3.5 % of each. A rotation with EF > 1 took its expected products times such a
 * step, within 3 % up to EF = 16 and 7 % at 32. `combine`: what a step of g bits took beyond one of a single bit on 12
 * rings and gadgets, 0.066 to 0.091 ns (g = 2) and 0.076 to 0.101 ns (g = 3): within 7 % of such a step. */
static const struct {
    double fft;                         /* ns per (rows + k+1) N log2 N: the transforms of a step */
    double multiply;                    /* ns per rows (k+1) N: the product with a GGSW */
    double linear;                      /* ns per (k+1) N: rotation, digits, accumulation */
    double combine[TFHE_MAX_GROUP + 1]; /* ns per (rows (k+1) + 1) N and pattern: of GGSWs with their monomials */
    double keyswitch;                   /* ns per kN l (n+1), with VNNI */
} model = {.fft = 0.0538, .multiply = 0.125, .linear = 0.0936, .combine = {0, 0, 0.075, 0.083}, .keyswitch = 0.0212};

double cost_keyswitch(const tfhe_params *p)
{
    return 1e-9 * model.keyswitch * (double)tfhe_big_dim(p) * p->ks_l * (p->n + 1);
}

double cost_step(const tfhe_params *p)
{
    const double k1 = p->k + 1, N = p->N, rows = (double)tfhe_ggsw_rows(p);
    const double combined = (double)tfhe_step_patterns(p) * (rows * k1 + 1);
    return 1e-9 * N *
           (model.fft * (rows + k1) * log2(N) + model.multiply * rows * k1 + model.linear * k1 +
            model.combine[p->pbs_group] * combined);
}

double cost_blind_rotate(const tfhe_params *p, uint32_t EF, uint32_t price)
{
    return (double)tfhe_steps(p) * cost_step(p) * extension_expected(EF, price).products;
}
