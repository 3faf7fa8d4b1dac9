/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRAIN_PRUNE_PRIV_H
#define TRAIN_PRUNE_PRIV_H

#include "nn/shrink.h"
#include "nn/ties.h"
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

/* What goes at a time. */
typedef struct prune_step {
    size_t layer;        /* the first of those that lose channels */
    const size_t *units; /* one of each range of the set (ties.h) */
    size_t look_ups;     /* of all that goes: of a neuron 1, of a channel the places of its layer */
    double worth;        /* of one look-up: worth of the channels, each over the norm of its layer's, added up */
} prune_step;
typedef struct prune_order {
    network_ties ties;
    size_t count;
    prune_step *steps; /* (count) the least worth first */
    size_t *units;     /* of the steps */
} prune_order;
/* worth (hidden layers). *out is cleared by the caller, also after a failure. */
annulus_status prune_order_create(const network *n, const prune_worth *worth, prune_order *out)
    __attribute__((warn_unused_result));
void prune_order_clear(prune_order *o);
/* Masks all that goes with the step. */
annulus_status prune_mask(const prune_order *o, const prune_step *s, const prune_worth *worth, network *n)
    __attribute__((warn_unused_result));
#endif
