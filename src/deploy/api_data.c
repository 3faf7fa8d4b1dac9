/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/deploy_priv.h"

annulus_status dataset_wrap(annulus_status st, dataset *d, annulus_dataset **out)
{
    void *p;
    if (st != ANNULUS_OK) return st;
    st = object_create(sizeof **out, &p);
    if (st != ANNULUS_OK) {
        dataset_destroy(d);
        return st;
    }
    *out = p;
    (*out)->d = d;
    return ANNULUS_OK;
}

static csv_options csv_options_of(annulus_task task, const char *label, const annulus_circuit *classes)
{
    csv_options o = {.task = task == ANNULUS_CLASSIFICATION ? CSV_CLASSIFICATION
                             : task == ANNULUS_REGRESSION   ? CSV_REGRESSION
                             : task == ANNULUS_MULTI_LABEL  ? CSV_MULTI_LABEL
                                                            : CSV_UNLABELED,
                     .label = label};
    if (classes != NULL) {
        o.class_names = (const char *const *)classes->c->labels;
        o.class_names_count = circuit_last(classes->c)->out;
        o.unlabeled_columns = classes->c->input.features;
    }
    return o;
}

annulus_status annulus_dataset_read_csv(const char *path, annulus_task task, const char *label,
                                        const annulus_circuit *classes, annulus_dataset **out)
{
    dataset *d = NULL;
    const csv_options o = csv_options_of(task, label, classes);
    const annulus_status st = dataset_read_csv(path, &o, &d);
    return dataset_wrap(st, d, out);
}

annulus_status annulus_dataset_read_idx(const char *images, const char *labels, annulus_dataset **out)
{
    dataset *d = NULL;
    const annulus_status st = dataset_read_idx(images, labels, &d);
    return dataset_wrap(st, d, out);
}

annulus_status annulus_dataset_read_images(const char *images, const char *table, annulus_task task, const char *label,
                                           const annulus_circuit *classes, annulus_dataset **out)
{
    dataset *d = NULL;
    const csv_options o = csv_options_of(task, label, classes);
    if (task != ANNULUS_REGRESSION && task != ANNULUS_MULTI_LABEL)
        return fail(
            ANNULUS_ERR_INPUT,
            "%s: tables beside images are for regression and several labels a sample; classes come as labels in "
            "IDX, without names of columns",
            table);
    const annulus_status st = dataset_read_idx_csv(images, table, &o, &d);
    return dataset_wrap(st, d, out);
}

annulus_status annulus_dataset_slice(const annulus_dataset *d, size_t first, size_t count, annulus_dataset **out)
{
    dataset *s = NULL;
    const annulus_status st = dataset_slice(d->d, first, count, &s);
    return dataset_wrap(st, s, out);
}

void annulus_dataset_destroy(annulus_dataset *d)
{
    if (d == NULL) return;
    dataset_destroy(d->d);
    mem_free(d);
}

size_t annulus_dataset_count(const annulus_dataset *d)
{
    return d->d->count;
}

size_t annulus_dataset_features(const annulus_dataset *d)
{
    return d->d->features;
}

void annulus_dataset_shape(const annulus_dataset *d, size_t *height, size_t *width)
{
    *height = d->d->height;
    *width = d->d->width;
}

const float *annulus_dataset_sample(const annulus_dataset *d, size_t index)
{
    REQUIRE(index < d->d->count);
    return d->d->x + index * d->d->features;
}

int annulus_dataset_label(const annulus_dataset *d, size_t index)
{
    REQUIRE(index < d->d->count);
    return d->d->label == NULL ? -1 : d->d->label[index];
}
