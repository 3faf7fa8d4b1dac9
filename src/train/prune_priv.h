/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRAIN_PRUNE_PRIV_H
#define TRAIN_PRUNE_PRIV_H

#include "train/prune.h"
#include "train/train_priv.h"

/* Of the neurons, or channels, of one hidden layer. */
typedef struct prune_worth {
    double *worth; /* (neurons) of all their look-ups: the least goes first */
    double *mean;  /* (neurons*offsets) mean value */
} prune_worth;
/* out (hidden layers), their arrays provided; o: with n as its `from`. */
annulus_status prune_worth_find(const network *n, const train_data *t, const train_options *o, prune_by by,
                                uint64_t key, prune_worth *out) __attribute__((warn_unused_result));
#endif
