/* SPDX-License-Identifier: Apache-2.0 */
/* What the search minimizes and over which sets: the shipped model (optimizer.c), and that of published sets, which the
 * tests search with the same code; and what remedies.c asks of it. */
#ifndef OPTIMIZER_OPTIMIZER_PRIV_H
#define OPTIMIZER_OPTIMIZER_PRIV_H

#include "optimizer/optimizer.h"

typedef struct gadget_grid { /* l in [1, l_last], b in [b_first, b_last], b*l <= bits */
    uint32_t l_last, b_first, b_last, bits;
} gadget_grid;

typedef struct search_model {
    struct {
        uint32_t first, last, step;
    } n;
    uint32_t k_last;     /* from 1 */
    uint32_t group_last; /* key bits a step, from 1; at most TFHE_MAX_GROUP */
    struct {
        uint32_t first, last;
    } N, kN;             /* N: powers of two */
    gadget_grid pbs, ks; /* l_last <= 64 */
    void (*front_init)(extension_front *f);
    void (*front_vary)(extension_front *f, const tfhe_params *p);
    /* Variances on the torus; INFINITY: not a set of the model. blind_rotate is proportional to n. Key noise is
     * TUniform on the curve of the request in p (lwe_noise, glwe_noise); a model may take its own. */
    double (*blind_rotate)(const tfhe_params *p);
    double (*keyswitch)(const tfhe_params *p);
    /* Seconds, or another unit; cost_step times n/g is the blind rotation at EF = 1. Both must grow with the levels.
     * cost_weight: of a linear layer's weight, of the ring alone. */
    double (*cost_keyswitch)(const tfhe_params *p);
    double (*cost_step)(const tfhe_params *p);
    double (*cost_weight)(const tfhe_params *p);
} search_model;

extern const search_model search_model_shipped; /* that of optimizer_search */

/* The cheapest set of the model for the request, whose error is per look-up, and its cost; 0: there is none, *best and
 * *seconds are unspecified. */
int optimizer_search_model(const optimizer_request *request, const search_model *model, tfhe_params *best,
                           double *seconds);

/* Of the set that comes nearest: the layer that keeps it from being one, its bound, and what it reaches there. */
typedef struct shortfall {
    size_t layer;
    double log2_error, log2_reach;
} shortfall;

/* optimizer_search of a request that was checked: 1 if there is a set. out is untouched otherwise. */
int optimizer_find(const optimizer_request *q, optimizer_result *out);
/* Whether it finds one, sooner. */
int optimizer_feasible(const optimizer_request *q);
/* Of a request without a set. */
shortfall optimizer_shortfall(const optimizer_request *q);
/* ANNULUS_ERR_INFEASIBLE with what is missing and up to three remedies that optimizer_find confirms, fastest first. */
annulus_status remedies_fail(const optimizer_request *q) __attribute__((warn_unused_result));
#endif
