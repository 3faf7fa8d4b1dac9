/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of an inference cost: seconds of one core, from the constants of a model. */
#ifndef OPTIMIZER_COST_H
#define OPTIMIZER_COST_H

#include "tfhe/packed.h"

#define COST_BATCH 32u /* ciphertexts of a large batch */

/* Nanoseconds of one core (docs/performance.md, Costs). */
typedef struct cost_model {
    double fft;                         /* per (rows + k+1) N log2 N: the transforms of a step */
    double multiply;                    /* per rows (k+1) N: the product with a GGSW */
    double linear;                      /* per (k+1) N: rotation, digits, accumulation */
    double wide;                        /* per (k+1) N where words have 64 bits, not 32 (tfhe_narrow), besides */
    double combine[TFHE_MAX_GROUP + 1]; /* [g], g > 1: per (rows (k+1) + 1) N and pattern: of GGSWs and monomials */
    double read;                        /* per byte of bootstrapping key: what one ciphertext alone waits for it */
    double read_all;                    /* per byte of both keys: what a batch waits longer if all cores read them */
    double keyswitch, keyswitch_read;   /* per kN l (n+1): a ciphertext in a large batch; reading the key, for one */
    /* per word, kN+1, of the ciphertexts of a linear layer and limb of its weights (but `input`): */
    double layer, input, output; /* a weight, an input, an output and MATRIX_CHUNK of its inputs */
    double expand;               /* per word, kN, of a packed value: expanding it and fetching it for the first layer */
    double crowd; /* not ns: time of a worker's part while all cores work over that while the others rest, >= 1 */
} cost_model;

/* Fitted to one machine: what everything uses until cost_model_use. */
extern const cost_model cost_model_shipped;
#define COST_MOST 1e6 /* of a constant: beyond, predicted seconds could overflow */
/* 1 if every constant is from 0 to COST_MOST, and steps, keyswitches and linear layers cost something. */
int cost_model_check(const cost_model *m);
/* The model that searches and predictions of this process use from now on, copied; NULL: the shipped one. Called before
 * them, not beside. cost_model_check must hold. */
void cost_model_use(const cost_model *m);
const cost_model *cost_model_current(void);

/* What the constants of a step are multiplied with. */
typedef struct cost_counts {
    double fft, multiply, linear, wide, combine;
} cost_counts;
cost_counts cost_step_counts(const tfhe_params *p);
double cost_model_step(const cost_model *m, const tfhe_params *p); /* cost_step by model m */
/* The constant `read` by which a step of a ciphertext alone takes `seconds`, the other constants those of m. */
double cost_model_read(const cost_model *m, const tfhe_params *p, double seconds);

/* Seconds, by the current model, in large batches, by which the search compares sets: one keyswitch, one step of g key
 * bits at EF = 1 (an external product, for g > 1 by a combination of GGSWs), one blind rotation, which takes n/g times
 * the expected number of them (extension.h), and one weight of a linear layer, of at most 10 bits. */
double cost_keyswitch(const tfhe_params *p);
double cost_step(const tfhe_params *p);
double cost_blind_rotate(const tfhe_params *p, uint32_t EF, uint32_t price);
double cost_weight(const tfhe_params *p);

/* Seconds of `count` ciphertexts, a mean perhaps with a fraction, that are keyswitched, or rotated, together: in one
 * reading of the key, which takes its time however few they are. */
double cost_keyswitches(const tfhe_params *p, double count);
double cost_rotations(const tfhe_params *p, uint32_t EF, uint32_t price, double count);
/* Weights that take as long as a linear layer (out, in) whose weights have so many limbs (matrix_weight_limbs). */
double cost_linear_weights(size_t out, size_t in, unsigned limbs);
/* Weights that take as long as expanding a packed value. */
double cost_expand_weights(void);
/* A ciphertext of answers into the key that they are sent under. */
double cost_sent(const tfhe_answers *a);
/* Seconds of sums of packed inputs. */
double cost_packed(const tfhe_params *p, const packed_size *size);
/* If `threads` of `all` cores work at once: factor on the time of a worker, between 1 and `crowd`; seconds that a batch
 * waits longer for the keys, between 0 and what `read_all` says. */
double cost_crowd(unsigned threads, unsigned all);
double cost_crowd_reads(const tfhe_params *p, unsigned threads, unsigned all);
#endif
