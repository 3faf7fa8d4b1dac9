/* SPDX-License-Identifier: Apache-2.0 */
/* The noise model against what runs show, layer by layer: standard deviations of the encrypted sums and of the phases
 * that look-ups read, and numbers of look-ups that read another cell than the clear one.
 *
 * Look-ups of waves have no error that would count: of them the phases are tested. Nor have output values, which always
 * differ a little: of both the neuron of the largest noise over its deviation is named, and the first one, if any,
 * whose noise is beyond what all such values of the run together exceed with probability AUDIT_FALSE_ALARM.
 *
 * Which neurons count: those whose noise the model gives and no other shares. Left out are neurons without a weight on
 * a noisy input (their ciphertext has no mask), neurons with the weights of an earlier one up to sign (the same masks),
 * and those that take values of two such; values of one rotation count with what they have in common (mix.h). The rest
 * of a layer is correlated through common inputs; the tests know the correlations C of its sums or phases.
 *
 * Sums of values of split look-ups have variances between two that are known: they are held against the one for too
 * much noise and against the other for too little, with correlations of the greatest covariances and the least
 * variances.
 *
 * Tests. Variance: sum e^2/sigma^2 over neurons and samples is a weighted chi-square; Laurent and Massart, Annals of
 * Statistics 28 (2000), lemma 1: P(Z > E Z + 2 |C| sqrt(t) + 2 lambda t) <= exp(-t) and P(Z < E Z - 2 |C| sqrt(t)) <=
 * exp(-t), |C| the Frobenius norm and lambda >= the largest eigenvalue. Index errors: Chernoff's bound on the binomial
 * tail, look-ups and errors divided by lambda; and few errors against Markov's bound, whichever is smaller, times two.
 * Both are asked of the nearest deviations within AUDIT_TOLERANCE of the predicted ones: so exact is the model
 * (docs/figures.md, noise-model). The bounds hold for Gaussian noise, which sums of thousands of terms are very
 * nearly; that of few fresh ciphertexts is bounded, with lighter tails. */
#ifndef CIRCUIT_AUDIT_H
#define CIRCUIT_AUDIT_H

#include "circuit/exec.h"

#define AUDIT_TOLERANCE 0.3    /* log2 of the standard deviation */
#define AUDIT_FALSE_ALARM 1e-6 /* of all tests of an audit together, at most */

/* Variances on the torus that an audit predicts with. */
typedef struct audit_model {
    double fresh;                       /* of an encrypted input */
    double look_up[CIRCUIT_MAX_LAYERS]; /* of the output of a layer's look-ups, at most */
    double least[CIRCUIT_MAX_LAYERS];   /* at least, over that; 1 but of split look-ups, whose entries differ in it */
    double level;                       /* of a level's phase of split look-ups without that of its sum */
    double phase[CIRCUIT_MAX_LAYERS];   /* what keyswitch and modulus switch add before the layer's look-ups */
} audit_model;
void audit_model_init(const circuit *c, audit_model *out); /* optimizer/noise.h */

typedef struct audit_noise {
    uint64_t count;             /* values that count, all samples; 0: not tested */
    double measured, predicted; /* standard deviation, torus, at most; NaN without values */
    double log_p;               /* natural logarithm of the p-value's bound, two sides, at most 0 */
} audit_noise;

typedef struct audit_errors {
    uint64_t look_ups, errors; /* all neurons */
    uint64_t count, counted;   /* look-ups that count, and errors among them */
    double predicted;          /* errors expected among those that count */
    double log_p;
} audit_errors;

typedef struct audit_layer {
    audit_noise sum;   /* encrypted accumulators before the look-up; of the last layer: before they are packed */
    audit_noise phase; /* what the look-up reads; of the last layer: the answers, if they are packed */
    audit_errors errors;
    uint64_t out_of_range, saturated, wrapped; /* of all sums, as exec_stats counts them */
} audit_layer;

typedef struct audit_divergence {
    int found;
    size_t sample, layer, neuron; /* first in this order */
    int64_t expected;             /* clear accumulator of the run's own inputs */
    double got;                   /* the same with the noise that the look-up read */
    int64_t expected_cell, cell;
} audit_divergence;

/* Noise of one phase of a wave, or of one answer. */
typedef struct audit_extreme {
    int found;
    size_t sample, layer, neuron;
    double noise, deviation; /* torus; predicted, at most */
    double ratio;            /* of their sizes */
} audit_extreme;

/* One kind of run: simulated or encrypted. */
typedef struct audit_run {
    audit_layer layers[CIRCUIT_MAX_LAYERS];
    audit_divergence first; /* not of waves */
    audit_extreme largest;  /* ratio, of waves and outputs */
    audit_extreme beyond;   /* the first of them, in the order of divergences, with a ratio above audit.most_ratio */
} audit_run;

typedef struct audit {
    size_t samples, tests; /* one-sided tests of both runs */
    double most_ratio;     /* of Gaussian noise within the tolerance */
    double log_alarm;      /* a log_p below rejects: log(AUDIT_FALSE_ALARM / tests) + log 2, as each log_p is of two */
    int rejected;
    audit_run simulated, encrypted;
} audit;

/* q (samples, features): runs them simulated and encrypted with keys of the circuit's families. Out: clear, simulated
 * and encrypted accumulators of the last layer, (samples, outputs) each. */
annulus_status audit_create(const circuit *c, const audit_model *model, const eval_key_set *keys,
                            const secret_key_set *secrets, const int32_t *q, size_t samples, const seed256 *seed,
                            unsigned threads, const annulus_progress *progress, double *clear, double *simulated,
                            double *encrypted, audit **out) __attribute__((warn_unused_result));
void audit_destroy(audit *a);
#endif
