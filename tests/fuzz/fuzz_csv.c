/* SPDX-License-Identifier: Apache-2.0 */
/* One byte of options, then a CSV file, plain or gzip. */
#include "fuzz.h"

#include "data/dataset.h"
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const csv_task tasks[] = {CSV_CLASSIFICATION, CSV_REGRESSION, CSV_UNLABELED, CSV_MULTI_LABEL};
    static const char *const classes[] = {"good", "stop", "watch"};
    dataset *d = NULL, *part = NULL;
    if (size == 0) return 0;
    csv_options o = {.task = tasks[data[0] & 3], .label = data[0] & 64 ? "state" : data[0] & 32 ? "a,b" : NULL};
    o.targets_only = (data[0] & 16) != 0 && (data[0] & 1) != 0;
    o.unlabeled_columns = (data[0] & 16) != 0 && (data[0] & 1) == 0 ? 3 : 0;
    if (data[0] & 128) o.class_names = classes, o.class_names_count = 3;
    if (dataset_read_csv(fuzz_file(0, data + 1, size - 1), &o, &d) != ANNULUS_OK) return 0;
    fuzz_accepted++;
    const int labeled =
        o.task == CSV_CLASSIFICATION && (d->label != NULL || o.label != NULL || o.unlabeled_columns != d->features);
    REQUIRE(d->count > 0 && (d->features > 0) == !o.targets_only && (d->label != NULL) == labeled);
    for (size_t i = 0; i < d->count * d->features; i++) REQUIRE(isfinite(d->x[i]));
    for (size_t i = 0; d->binary && i < d->count * d->targets; i++) REQUIRE(d->y[i] == 0 || d->y[i] == 1);
    for (size_t i = 0; d->label != NULL && i < d->count; i++)
        REQUIRE(d->label[i] >= 0 && (size_t)d->label[i] < d->classes && d->class_names[d->label[i]] != NULL);
    if (!o.targets_only && dataset_slice(d, d->count - 1, 1, &part) == ANNULUS_OK)
        REQUIRE(part->x[0] == d->x[(d->count - 1) * d->features]);
    dataset_destroy(part);
    dataset_destroy(d);
    return 0;
}
