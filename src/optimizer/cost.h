/* SPDX-License-Identifier: Apache-2.0 */
/* What an inference costs: seconds of one core, with EF = 1 rotations in batches, from the constants of a model. */
#ifndef OPTIMIZER_COST_H
#define OPTIMIZER_COST_H

#include "tfhe/params.h"

/* Nanoseconds of one core (docs/performance.md, Costs). */
typedef struct cost_model {
    double fft;                         /* per (rows + k+1) N log2 N: the transforms of a step */
    double multiply;                    /* per rows (k+1) N: the product with a GGSW */
    double linear;                      /* per (k+1) N: rotation, digits, accumulation */
    double combine[TFHE_MAX_GROUP + 1]; /* [g], g > 1: per (rows (k+1) + 1) N and pattern: of GGSWs and monomials */
    double keyswitch;                   /* per kN l (n+1) */
    double layer;                       /* per weight and word, kN+1, of the ciphertexts of a linear layer */
} cost_model;

/* Fitted to one machine: what everything uses until cost_model_use. */
extern const cost_model cost_model_shipped;
/* 1 if every constant is finite, none is negative, and steps, keyswitches and linear layers cost something. */
int cost_model_check(const cost_model *m);
/* The model that searches and predictions of this process use from now on, copied; NULL: the shipped one. Called before
 * them, not beside. cost_model_check must hold. */
void cost_model_use(const cost_model *m);
const cost_model *cost_model_current(void);

/* What the constants of a step are multiplied with. */
typedef struct cost_counts {
    double fft, multiply, linear, combine;
} cost_counts;
cost_counts cost_step_counts(const tfhe_params *p);
double cost_model_step(const cost_model *m, const tfhe_params *p); /* cost_step by model m */

/* Seconds, by the current model: one keyswitch, one step of g key bits at EF = 1 (an external product, for g > 1 by a
 * combination of GGSWs), one blind rotation, which takes n/g times the expected number of them (extension.h), and one
 * weight of a linear layer, of at most 10 bits. */
double cost_keyswitch(const tfhe_params *p);
double cost_step(const tfhe_params *p);
double cost_blind_rotate(const tfhe_params *p, uint32_t EF, uint32_t price);
double cost_weight(const tfhe_params *p);
#endif
