/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/optimizer.h"

#include <math.h>

/* Least-squares fit to five rings measured on one Zen 4 core with the AVX2 kernels in batches of 8
 * (docs/performance.md); within 4 % of each. `extended` by eight pairs of EF and price from 2 to 32 at k=1, N=2048,
 * l=1.
 */
static const struct {
    double fft;       /* ns per (rows + k+1) N log2 N: the transforms of a step */
    double multiply;  /* ns per rows (k+1) N: the product with a GGSW */
    double linear;    /* ns per (k+1) N: rotation, digits, accumulation */
    double extended;  /* steps a mask element beyond its products at EF > 1, where each rotation reads the key itself */
    double keyswitch; /* ns per kN l (n+1) */
} model = {.fft = 0.0649, .multiply = 0.186, .linear = 0.454, .extended = 0.5, .keyswitch = 0.053};

double cost_keyswitch(const tfhe_params *p)
{
    return 1e-9 * model.keyswitch * (double)tfhe_big_dim(p) * p->ks_l * (p->n + 1);
}

double cost_step(const tfhe_params *p)
{
    const double k1 = p->k + 1, N = p->N, rows = (double)tfhe_ggsw_rows(p);
    return 1e-9 * N * (model.fft * (rows + k1) * log2(N) + model.multiply * rows * k1 + model.linear * k1);
}

double cost_extension(const extension *e)
{
    return e->EF == 1 ? e->products : e->products + model.extended;
}

double cost_blind_rotate(const tfhe_params *p, uint32_t EF, uint32_t price)
{
    const extension e = extension_expected(EF, price);
    return p->n * cost_step(p) * cost_extension(&e);
}
