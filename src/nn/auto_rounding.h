/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding widths by search: those of least predicted seconds that keep the answers. */
#ifndef NN_AUTO_ROUNDING_H
#define NN_AUTO_ROUNDING_H

#include "base/progress.h"
#include "nn/lower.h"

/* What must be kept, over the calibration samples simulated at the compiled parameters. Loss, in per cent: with labels
 * the network's accuracy less the circuit's; without, the samples that the circuit answers otherwise than the network;
 * regression: the variance of the circuit's values about the network's over that of the network's, all outputs. */
typedef struct rounding_goal {
    double budget;        /* largest loss, >= 0 */
    const int32_t *label; /* (count) class indices of the samples, or NULL; ignored for regression; borrowed */
    unsigned threads;
    const annulus_progress *progress; /* may be NULL */
    int keep_widths; /* 1: those of the options; the method alone is chosen, of the layers where it is auto */
} rounding_goal;

typedef struct rounding_report {
    double loss, standard_error; /* per cent; the error of the loss by the choice of the samples, 0 for regression */
    size_t samples, trials;      /* simulated; circuits that were tried */
} rounding_report;

/* As network_lower, with the width of every layer chosen (options->rounding_bits and layer_roundings must be 0), but of
 * those that have their own (rounding_bits of a dense_layer), which get the method of the options, approximate where
 * that is auto; with keep_widths the layers that are named are like others. Of the samples 32 must differ (distinct.h),
 * and as many that one answer of them is within the budget. First the smallest width, the same for all layers, within
 * the budget; then, layer by layer, one bit less where that costs the fewest seconds and stays within it, until nothing
 * does; all in one family of keys. In the end more are allowed, if the options do, and taken if the budget is still
 * kept. Where the method is auto this is done beginning with approximate rounding, and again with exact, of which a
 * layer may become approximate in place of one bit less; the faster is taken. report may be NULL. ANNULUS_ERR_INPUT:
 * nothing keeps the budget (the message has the least loss), or shared outputs whose rounding is not exact. */
annulus_status network_lower_auto(const network *n, const float *calibration, size_t count,
                                  const lower_options *options, const rounding_goal *goal, rounding_report *report,
                                  circuit **out) __attribute__((warn_unused_result));
#endif
