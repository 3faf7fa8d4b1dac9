/* SPDX-License-Identifier: Apache-2.0 */
/* Networks in words: activations by name, and text files of a line a layer (docs/networks.md). */
#ifndef TRAIN_TRAIN_TEXT_H
#define TRAIN_TRAIN_TEXT_H

#include "train/train.h"

/* Functions of activations that are tables; activations point into it. */
typedef struct train_functions {
    function of[TRAIN_MAX_HIDDEN];
} train_functions;

/* "NAME", "leaky_relu=SLOPE", "trapezoid=RISE", "table=FILE", a CSV file of points (function_points), or
 * "entries=FILE", one of entries (function_entries); bits and offsets are left alone. rise: of a trapezoid without its
 * own. */
annulus_status train_activation_read(const char *text, double rise, function *table, train_activation *out)
    __attribute__((warn_unused_result));
/* One of those for all hidden layers or, with commas, one for each: layer_acts; act, if there is no hidden layer, too.
 */
annulus_status train_activations_read(const char *list, train_functions *f, train_options *o)
    __attribute__((warn_unused_result));
/* Layers, activations and bits from a text of `len` bytes; of bits that are left out 0. name: of the file, in errors,
 * which give the line. */
annulus_status train_network_text(const char *text, size_t len, const char *name, train_functions *f, train_options *o)
    __attribute__((warn_unused_result));
annulus_status train_network_read(const char *path, train_functions *f, train_options *o)
    __attribute__((warn_unused_result));
#endif
