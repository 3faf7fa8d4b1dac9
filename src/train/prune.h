/* SPDX-License-Identifier: Apache-2.0 */
/* Structured pruning: whole hidden neurons and channels removed, then fine-tuning. */
#ifndef TRAIN_PRUNE_H
#define TRAIN_PRUNE_H

#include "nn/lower.h"
#include "train/train.h"

/* What a neuron is worth, from at most 10,000 training samples:
 * norm: root of the sum of squares of its weights, times their scale;
 * activation: variance of what it adds to each sum that it goes into, in a convolution by each tap, over the variance
 * of that sum, of scores and of phases, in periods, as it is; added up over the sums of all layers that take it;
 * taylor: mean over samples of (g*(a - mean of a))^2, a its value, or values, and g the gradient of the sample's loss
 * there: what replacing a by its mean changes, to first order (Molchanov et al., "Importance Estimation for Neural
 * Network Pruning", CVPR 2019, equation 8, about the mean in place of 0). */
typedef enum prune_by { PRUNE_BY_NORM, PRUNE_BY_ACTIVATION, PRUNE_BY_TAYLOR } prune_by;
annulus_status prune_by_parse(const char *name, prune_by *out) __attribute__((warn_unused_result));

/* One of share, look_ups and seconds is given. */
typedef struct prune_options {
    double share;    /* of every hidden layer's neurons, or channels, to remove, [0,1), rounded half up, those that go
                        only together (nn/ties.h) counting as one; negative: not given */
    size_t look_ups; /* that are left at most, over all layers, one neuron or channel in each at least; of waves each
                        counts once, whatever its offsets; 0: not given */
    double seconds;  /* predicted for an inference of what is left, compiled by `lower`, at most; 0: not given */
    unsigned threads_seconds;   /* that the prediction is for; 0: all cores */
    const lower_options *lower; /* for seconds, borrowed */
    prune_by by;
    double phase_noise;  /* that layers of waves bear from then on, in periods, [0, 1/4]; negative: each its own */
    train_options train; /* fine-tuning (epochs 0: none), and the split of the data; its `from` is not looked at; a
                            teacher is trained once, as for the first epochs */
} prune_options;
void prune_options_init(prune_options *o); /* nothing given, activation, 10 epochs at a rate of 0.001 */

typedef struct prune_report {
    size_t look_ups_before, look_ups; /* of hidden layers */
    size_t idle;                      /* neurons and channels that gave the same value always, or that nobody read */
    double before, removed, after;    /* validation as train_epoch has it: of the network given, of what was left of it,
                                         and after fine-tuning */
    double seconds;                   /* predicted at the end, where seconds were asked for; else 0 */
    unsigned rounds; /* of further removal, as fine-tuning had moved the seconds beyond those asked for */
} prune_report;

/* *out: a network with fewer hidden neurons, and channels of convolutions. Those of least worth, by layer for a share
 * and over all layers (worth of a look-up, over the root of the sum of squares of the layer's) for look_ups and
 * seconds, those that go together by the sum of theirs, are masked at the mean of their value, and removed by
 * network_shrink. Fine-tuning moves ranges and with them the seconds: while they are too many, at most three times,
 * more go, to 0.97 of the seconds, 0.97^2, ..., with a quarter of the epochs each time; a fourth time to the seconds,
 * without fine-tuning. It changes no count of look-ups. report (may be NULL) is filled when the status is ANNULUS_OK.
 * ANNULUS_ERR_INPUT: a layer would vanish; data and network do not belong together. ANNULUS_ERR_INFEASIBLE: seconds
 * that one neuron a layer exceeds, or that only networks of one constant answer keep; sums that take more than
 * accumulator_bits.
 */
annulus_status prune_network(const network *n, const dataset *data, const prune_options *options, train_report epoch,
                             void *context, const annulus_progress *progress, prune_report *report, network **out)
    __attribute__((warn_unused_result));
#endif
