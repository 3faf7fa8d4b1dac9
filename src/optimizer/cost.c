/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/cost.h"

#include "optimizer/extension.h"
#include <math.h>

/* Least-squares fit of relative errors to 22 rings and gadgets measured on one Zen 4 core with the AVX-512 kernels in
 * batches (docs/performance.md): within 3.5 % of each. A rotation with EF > 1 took its expected products times such a
 * step, within 3 % up to EF = 16 and 7 % at 32. `combine`: what a step of g bits took beyond one of a single bit on 12
 * rings and gadgets, 0.066 to 0.091 ns (g = 2) and 0.076 to 0.101 ns (g = 3): within 7 % of such a step. `keyswitch`:
 * with VNNI. `layer`: 64 outputs of 256 inputs, with VNNI. */
const cost_model cost_model_shipped = {.fft = 0.0538,
                                       .multiply = 0.125,
                                       .linear = 0.0936,
                                       .combine = {0, 0, 0.075, 0.083},
                                       .keyswitch = 0.0212,
                                       .layer = 0.0515};

static cost_model used;
static const cost_model *current = &cost_model_shipped;

static int usable(double v)
{
    return isfinite(v) && v >= 0;
}

int cost_model_check(const cost_model *m)
{
    int all = usable(m->fft) && usable(m->multiply) && usable(m->linear) && usable(m->keyswitch) && usable(m->layer);
    for (size_t g = 2; g <= TFHE_MAX_GROUP; g++) all = all && usable(m->combine[g]);
    return all && m->fft + m->multiply > 0 && m->keyswitch > 0 && m->layer > 0;
}

void cost_model_use(const cost_model *m)
{
    REQUIRE(m == NULL || cost_model_check(m));
    if (m != NULL) used = *m;
    current = m != NULL ? &used : &cost_model_shipped;
}

const cost_model *cost_model_current(void)
{
    return current;
}

cost_counts cost_step_counts(const tfhe_params *p)
{
    const double k1 = p->k + 1, N = p->N, rows = (double)tfhe_ggsw_rows(p);
    return (cost_counts){.fft = (rows + k1) * N * log2(N),
                         .multiply = rows * k1 * N,
                         .linear = k1 * N,
                         .combine = p->pbs_group == 1 ? 0 : (double)tfhe_step_patterns(p) * (rows * k1 + 1) * N};
}

double cost_keyswitch(const tfhe_params *p)
{
    return 1e-9 * current->keyswitch * (double)tfhe_big_dim(p) * p->ks_l * (p->n + 1);
}

double cost_model_step(const cost_model *m, const tfhe_params *p)
{
    const cost_counts c = cost_step_counts(p);
    return 1e-9 *
           (m->fft * c.fft + m->multiply * c.multiply + m->linear * c.linear + m->combine[p->pbs_group] * c.combine);
}

double cost_step(const tfhe_params *p)
{
    return cost_model_step(current, p);
}

double cost_blind_rotate(const tfhe_params *p, uint32_t EF, uint32_t price)
{
    return (double)tfhe_steps(p) * cost_step(p) * extension_expected(EF, price).products;
}

double cost_weight(const tfhe_params *p)
{
    return 1e-9 * current->layer * (double)(tfhe_big_dim(p) + 1);
}
