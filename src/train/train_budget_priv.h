/* SPDX-License-Identifier: Apache-2.0 */
/* Of train_budget*.c. */
#ifndef TRAIN_TRAIN_BUDGET_PRIV_H
#define TRAIN_TRAIN_BUDGET_PRIV_H

#include "train/train_budget.h"

/* Samples that circuits are compiled by. */
#define TRAIN_CALIBRATION ((size_t)2000)

/* o's neurons and channels become those of n. */
annulus_status train_take_widths(const dataset *data, const network *n, train_options *o)
    __attribute__((warn_unused_result));
/* Of a network of one epoch, without a teacher. */
train_options train_probe_options(const train_options *o);
/* train_within, of networks of waves alone. */
annulus_status train_within_waves(const dataset *data, const train_options *options, const train_budget *budget,
                                  train_report report, void *context, const annulus_progress *progress,
                                  train_choice *choice, network **out) __attribute__((warn_unused_result));
#endif
