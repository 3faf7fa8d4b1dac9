/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets in memory: features as floats, with class labels or real targets. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct dataset {
    size_t count, features;
    float *x;                       /* (count,features) raw values */
    size_t classes;                 /* classification: number of classes, else 0 */
    int32_t *label;                 /* (count) class index, or NULL */
    char **class_names;             /* (classes) */
    size_t targets;                 /* regression: targets per sample, else 0 */
    float *y;                       /* (count,targets), or NULL */
    int binary;                     /* 1: targets are labels that a sample has, 1, or has not, 0 */
    char **feature_names;           /* (features) or NULL */
    char **target_names;            /* (targets) or NULL */
    size_t channels, height, width; /* images: samples (channels,height,width), else 0 */
} dataset;
void dataset_destroy(dataset *d);

typedef enum csv_task { CSV_CLASSIFICATION, CSV_REGRESSION, CSV_UNLABELED, CSV_MULTI_LABEL } csv_task;
typedef struct csv_options {
    csv_task task;
    const char *label;              /* column name, or NULL: the last column (ignored when unlabeled); of multi-label
                                       data and of several targets names with commas in between, or NULL: class_names,
                                       of a target alone unless it is a number; cells of labels are 0 or 1 */
    const char *const *class_names; /* of a circuit: classes in its order, or NULL: sorted as found; labels and targets
                                       that `label` names are these, unless all are numbers, and come in their order */
    size_t class_names_count;
    size_t unlabeled_columns; /* a table of so many has no labels, unless `label` names them; 0: of any number has */
    int targets_only; /* of regression and multi-label data: 1: there are no features, columns that are no targets are
                         not looked at; without label and class_names all are targets */
} csv_options;
/* One header line, then numbers; plain or gzip. A bad cell is named by line, column and content; NaN, infinity, ragged
 * lines, unknown classes, empty files and samples in place of the header are refused. */
annulus_status dataset_read_csv(const char *path, const csv_options *options, dataset **out)
    __attribute__((warn_unused_result));
/* IDX images (N,H,W) or (N,C,H,W), or (N,F), of unsigned bytes and labels (N), plain or gzip; labels NULL: none. */
annulus_status dataset_read_idx(const char *images, const char *labels, dataset **out)
    __attribute__((warn_unused_result));
/* IDX images with targets or labels of each from a table, line by line: options of regression or multi-label data. */
annulus_status dataset_read_idx_csv(const char *images, const char *table, const csv_options *options, dataset **out)
    __attribute__((warn_unused_result));
/* Samples index[0], index[1], ..., below d->count, as a new set that owns copies. */
annulus_status dataset_choose(const dataset *d, const size_t *index, size_t count, dataset **out)
    __attribute__((warn_unused_result));
/* Samples first..first+count-1 as a new set that owns copies. */
annulus_status dataset_slice(const dataset *d, size_t first, size_t count, dataset **out)
    __attribute__((warn_unused_result));
/* The targets or labels of the data, if they have any, are those of what they are for, "circuit", by its names (count),
 * unless these are numbers alone; else a message with the remedy. ordered: in their order, too. */
annulus_status dataset_targets_check(const dataset *d, const char *taker, char *const *names, size_t count, int ordered)
    __attribute__((warn_unused_result));
#endif
