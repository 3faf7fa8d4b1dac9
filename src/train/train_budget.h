/* SPDX-License-Identifier: Apache-2.0 */
/* Training within the seconds that an encrypted inference may take. */
#ifndef TRAIN_TRAIN_BUDGET_H
#define TRAIN_TRAIN_BUDGET_H

#include "nn/lower.h"
#include "train/train.h"
#include "train/train_noise.h"

/* Of the seconds, where neurons are chosen before training moves weights and ranges. */
#define TRAIN_HEADROOM 0.97

typedef struct train_budget {
    double seconds;         /* predicted for one inference of the compiled network, at most */
    unsigned threads;       /* that the prediction is for; 0: all cores */
    unsigned rounding_bits; /* that it will be compiled with, 1..12; 0: chosen */
    int noise_given;        /* of waves alone: 1: phases have the phase_noise of the options at most; 0: chosen */
} train_budget;

typedef struct train_choice {
    double error;                                  /* probability with which a look-up errs; of waves alone 0 */
    unsigned rounding_bits;                        /* of waves alone 0 */
    size_t hidden[TRAIN_MAX_HIDDEN], hidden_count; /* neurons, or channels */
    double seconds;                                /* predicted for the network, compiled so */
    /* Of waves alone: what each layer was trained for at last, and what the compiled network has; noise_count 0 of
     * others. rounds: of training for it. */
    train_layer_noise trained[TRAIN_MAX_HIDDEN + 1], predicted[TRAIN_MAX_HIDDEN + 1];
    size_t noise_count;
    unsigned rounds;
} train_choice;

/* As train_network, with at most the hidden neurons and channels of the options, and look-ups that err as they will
 * when compiled. Chosen are, in this order: as many neurons as fit when look-ups of 6 bits err with probability 0.3;
 * then, by bisection, the bits, 6 to 8, and the probability, 0.3 to 0.001, that read sums with the least error and fit.
 * options->target_error and budget->rounding_bits are kept if they are given. Sizes are found on a network of one
 * epoch; if the trained network is slower, neurons are removed from it, with a quarter of the epochs again. Predictions
 * are those of circuits compiled by default otherwise, on at most 2,000 samples.
 *
 * Of networks of waves alone a bound on the noise of phases is chosen in place of bits and probability: as many neurons
 * as fit at 2^-6.5 periods, then 2^-7 if that fits. The network is trained for what the circuit of the network of one
 * epoch is predicted to have in each layer (train_noise.h), and compiled; neurons are removed if it is slower, and as
 * long as what it was trained for and what it is predicted to have differ by more than 7 % in a layer it goes on for
 * the latter, with a quarter of the epochs, three times at most. Its layers carry what is predicted in the end.
 * options->value_noise must be 0.
 *
 * options->from must be NULL. ANNULUS_ERR_INFEASIBLE: not even one neuron a layer fits; the message has
 * the seconds that do. */
annulus_status train_within(const dataset *data, const train_options *options, const train_budget *budget,
                            train_report report, void *context, const annulus_progress *progress, train_choice *choice,
                            network **out) __attribute__((warn_unused_result));
/* Predicted seconds of an inference of n, compiled by o with the first samples of the data, on some threads (0: all
 * cores). */
annulus_status train_predict(const network *n, const dataset *data, const lower_options *o, unsigned threads,
                             double *seconds) __attribute__((warn_unused_result));
#endif
