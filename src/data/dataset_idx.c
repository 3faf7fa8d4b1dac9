/* SPDX-License-Identifier: Apache-2.0 */
/* IDX: 00 00 type dims, then dims big-endian 32-bit sizes, then the data (LeCun's MNIST files). */
#include "data/dataset_priv.h"

#include "base/memory.h"

#include <stdio.h>

#define IDX_UNSIGNED_BYTE 0x08
#define IDX_CHUNK ((size_t)1 << 20)

typedef struct idx_file {
    size_t rank, dims[4], count; /* count: product of dims */
    uint8_t *data;
} idx_file;

static annulus_status idx_header(gz_input *g, size_t rank_min, size_t rank_max, idx_file *f)
{
    uint8_t h[4 * 4];
    size_t got;
    TRY(gz_input_read(g, h, 4, &got));
    if (got < 4 || h[0] != 0 || h[1] != 0)
        return fail(ANNULUS_ERR_INPUT, "not an IDX file: it must begin with two zero bytes, a type and a rank");
    if (h[2] != IDX_UNSIGNED_BYTE)
        return fail(ANNULUS_ERR_INPUT, "IDX data type 0x%02x is not supported: only unsigned bytes (0x08) are", h[2]);
    f->rank = h[3];
    if (f->rank < rank_min || f->rank > rank_max)
        return fail(ANNULUS_ERR_INPUT, "%zu dimensions found, %zu to %zu expected: are images and labels exchanged?",
                    f->rank, rank_min, rank_max);
    TRY(gz_input_read(g, h, 4 * f->rank, &got));
    if (got < 4 * f->rank) return fail(ANNULUS_ERR_INPUT, "the file ends inside the IDX header; copy it again");
    f->count = 1;
    for (size_t i = 0; i < f->rank; i++) {
        const uint8_t *d = h + 4 * i;
        f->dims[i] = (size_t)d[0] << 24 | (size_t)d[1] << 16 | (size_t)d[2] << 8 | d[3];
        if (f->dims[i] == 0) return fail(ANNULUS_ERR_INPUT, "dimension %zu is 0: the file holds no data", i);
        if (__builtin_mul_overflow(f->count, f->dims[i], &f->count) || f->count > DATASET_BYTES_MAX / sizeof(float))
            return fail(ANNULUS_ERR_INPUT, "the header announces more than %zu MiB: split the file",
                        DATASET_BYTES_MAX >> 20);
    }
    return ANNULUS_OK;
}

static annulus_status idx_body(gz_input *g, idx_file *f)
{
    size_t have = 0, capacity = 0;
    void *p = NULL;
    annulus_status st = ANNULUS_OK;
    while (st == ANNULUS_OK && have < f->count) { /* memory follows the data that exist, not the header */
        size_t want = f->count - have < IDX_CHUNK ? f->count - have : IDX_CHUNK, got = 0;
        st = array_reserve(&p, &capacity, have + want, 1, "the values");
        if (st == ANNULUS_OK) st = gz_input_read(g, (uint8_t *)p + have, want, &got);
        if (st == ANNULUS_OK && got < want)
            st = fail(ANNULUS_ERR_INPUT, "%zu values announced, the file ends after %zu; copy it again", f->count,
                      have + got);
        have += got;
    }
    uint8_t extra;
    size_t got = 0;
    if (st == ANNULUS_OK) st = gz_input_read(g, &extra, 1, &got);
    if (st == ANNULUS_OK && got != 0) st = fail(ANNULUS_ERR_INPUT, "bytes follow the %zu values announced", f->count);
    if (st == ANNULUS_OK)
        f->data = p;
    else
        mem_free(p);
    return st;
}

static annulus_status idx_read(const char *path, size_t rank_min, size_t rank_max, idx_file *f)
{
    gz_input *g = NULL;
    annulus_status st = gz_input_create(path, &g);
    if (st == ANNULUS_OK) st = idx_header(g, rank_min, rank_max, f);
    if (st == ANNULUS_OK) st = idx_body(g, f);
    if (st == ANNULUS_OK)
        st = gz_input_close(g);
    else
        gz_input_destroy(g);
    return st == ANNULUS_OK ? st : fail_prefix(st, "%s", path);
}

static annulus_status idx_pixels(dataset *d, const idx_file *f)
{
    void *p;
    d->count = f->dims[0];
    d->features = f->count / f->dims[0];
    if (f->rank >= 3) {
        d->channels = f->rank == 4 ? f->dims[1] : 1;
        d->height = f->dims[f->rank - 2];
        d->width = f->dims[f->rank - 1];
    }
    TRY(mem_create(f->count, sizeof(float), "samples", &p));
    d->x = p;
    for (size_t i = 0; i < f->count; i++) d->x[i] = f->data[i];
    return ANNULUS_OK;
}

static annulus_status idx_labels(dataset *d, const idx_file *f)
{
    void *p;
    size_t classes = 0;
    TRY(mem_create(f->count, sizeof(int32_t), "labels", &p));
    d->label = p;
    for (size_t i = 0; i < f->count; i++) {
        d->label[i] = f->data[i];
        if (f->data[i] >= classes) classes = (size_t)f->data[i] + 1;
    }
    TRY(mem_create(classes, sizeof(char *), "class names", &p));
    d->class_names = p;
    d->classes = classes;
    for (size_t i = 0; i < classes; i++) {
        char name[24];
        const int len = snprintf(name, sizeof name, "%zu", i);
        TRY(string_copy(name, (size_t)len, &d->class_names[i]));
    }
    return ANNULUS_OK;
}

static annulus_status idx_assemble(const char *images, const char *labels, idx_file *image, idx_file *label, dataset *d)
{
    TRY(idx_read(images, 2, 4, image));
    if (labels != NULL) {
        TRY(idx_read(labels, 1, 1, label));
        if (label->count != image->dims[0])
            return fail(ANNULUS_ERR_INPUT, "%s holds %zu labels, %s holds %zu samples: take files that belong together",
                        labels, label->count, images, image->dims[0]);
    }
    TRY(idx_pixels(d, image));
    return labels == NULL ? ANNULUS_OK : idx_labels(d, label);
}

annulus_status dataset_read_idx(const char *images, const char *labels, dataset **out)
{
    void *p;
    TRY(mem_create(1, sizeof(dataset), "a data set", &p));
    dataset *d = p;
    idx_file image = {0}, label = {0};
    const annulus_status st = idx_assemble(images, labels, &image, &label, d);
    mem_free(image.data);
    mem_free(label.data);
    if (st == ANNULUS_OK)
        *out = d;
    else
        dataset_destroy(d);
    return st;
}

/* What the table says of the samples of d, which it goes with line by line. */
static annulus_status take_targets(const char *images, const char *table, dataset *t, dataset *d)
{
    if (t->count != d->count)
        return fail(ANNULUS_ERR_INPUT,
                    "%s has %zu lines behind its header, %s holds %zu samples: give a line for each, in their order",
                    table, t->count, images, d->count);
    d->y = t->y, d->targets = t->targets, d->target_names = t->target_names, d->binary = t->binary;
    t->y = NULL, t->targets = 0, t->target_names = NULL;
    return ANNULUS_OK;
}

annulus_status dataset_read_idx_csv(const char *images, const char *table, const csv_options *options, dataset **out)
{
    csv_options own = *options;
    dataset *d = NULL, *t = NULL;
    own.targets_only = 1;
    TRY(dataset_read_idx(images, NULL, &d));
    annulus_status st = dataset_read_csv(table, &own, &t);
    if (st == ANNULUS_OK) st = take_targets(images, table, t, d);
    dataset_destroy(t);
    if (st == ANNULUS_OK)
        *out = d;
    else
        dataset_destroy(d);
    return st;
}
