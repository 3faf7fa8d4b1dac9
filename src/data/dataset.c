/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset_priv.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <string.h>

void strings_destroy(char **s, size_t count)
{
    for (size_t i = 0; s != NULL && i < count; i++) mem_free(s[i]);
    mem_free(s);
}

void dataset_destroy(dataset *d)
{
    if (d == NULL) return;
    strings_destroy(d->class_names, d->classes);
    strings_destroy(d->feature_names, d->features);
    strings_destroy(d->target_names, d->targets);
    mem_free(d->x);
    mem_free(d->label);
    mem_free(d->y);
    mem_free(d);
}

annulus_status array_reserve(void **p, size_t *capacity, size_t need, size_t size, const char *what)
{
    if (need <= *capacity) return ANNULUS_OK;
    size_t n = *capacity < 64 ? 64 : *capacity * 2;
    if (n < need) n = need;
    if (need > DATASET_BYTES_MAX / size)
        return fail(ANNULUS_ERR_INPUT, "%s take more than %zu MiB: split the file", what, DATASET_BYTES_MAX >> 20);
    void *q;
    TRY(mem_create(n, size, what, &q));
    if (*p != NULL) memcpy(q, *p, *capacity * size);
    mem_free(*p);
    *p = q;
    *capacity = n;
    return ANNULUS_OK;
}

annulus_status string_copy(const char *s, size_t len, char **out)
{
    void *p;
    TRY(mem_create(len + 1, 1, "a name", &p));
    memcpy(p, s, len);
    *out = p;
    return ANNULUS_OK;
}

annulus_status strings_copy(char *const *s, size_t count, char **out[])
{
    *out = NULL;
    if (s == NULL) return ANNULUS_OK;
    void *p;
    TRY(mem_create(count, sizeof(char *), "a list of names", &p));
    char **copy = p;
    for (size_t i = 0; i < count; i++) {
        const annulus_status st = string_copy(s[i], strlen(s[i]), &copy[i]);
        if (st != ANNULUS_OK) {
            strings_destroy(copy, count);
            return st;
        }
    }
    *out = copy;
    return ANNULUS_OK;
}

static annulus_status copy_block(const void *from, size_t count, size_t size, const char *what, void **out)
{
    *out = NULL;
    if (from == NULL) return ANNULUS_OK;
    TRY(mem_create(count, size, what, out));
    if (count > 0) memcpy(*out, from, count * size);
    return ANNULUS_OK;
}

static annulus_status slice_into(const dataset *d, size_t first, size_t count, dataset *s)
{
    void *p;
    TRY(copy_block(d->x + first * d->features, count * d->features, sizeof *d->x, "samples", &p));
    s->x = p;
    TRY(copy_block(d->label == NULL ? NULL : d->label + first, count, sizeof *d->label, "labels", &p));
    s->label = p;
    TRY(copy_block(d->y == NULL ? NULL : d->y + first * d->targets, count * d->targets, sizeof *d->y, "targets", &p));
    s->y = p;
    TRY(strings_copy(d->class_names, d->classes, &s->class_names));
    TRY(strings_copy(d->feature_names, d->features, &s->feature_names));
    return strings_copy(d->target_names, d->targets, &s->target_names);
}

annulus_status dataset_choose(const dataset *d, const size_t *index, size_t count, dataset **out)
{
    dataset *s = NULL;
    TRY(dataset_slice(d, 0, count, &s)); /* names and memory */
    for (size_t i = 0; i < count; i++) {
        memcpy(s->x + i * d->features, d->x + index[i] * d->features, d->features * sizeof *d->x);
        if (d->label != NULL) s->label[i] = d->label[index[i]];
        if (d->y != NULL) memcpy(s->y + i * d->targets, d->y + index[i] * d->targets, d->targets * sizeof *d->y);
    }
    *out = s;
    return ANNULUS_OK;
}

annulus_status dataset_slice(const dataset *d, size_t first, size_t count, dataset **out)
{
    if (count == 0 || first > d->count || count > d->count - first)
        return fail(ANNULUS_ERR_INPUT,
                    "samples %zu to %zu asked for, the set has %zu: ask for at least one that exists", first,
                    first + count, d->count);
    void *p;
    TRY(mem_create(1, sizeof(dataset), "a data set", &p));
    dataset *s = p;
    s->count = count;
    s->features = d->features;
    s->classes = d->classes;
    s->targets = d->targets;
    s->binary = d->binary;
    s->channels = d->channels;
    s->height = d->height;
    s->width = d->width;
    const annulus_status st = slice_into(d, first, count, s);
    if (st == ANNULUS_OK)
        *out = s;
    else
        dataset_destroy(s);
    return st;
}

annulus_status dataset_targets_check(const dataset *d, const char *taker, char *const *names, size_t count, int ordered)
{
    if (d->y == NULL) return ANNULUS_OK;
    if (d->targets != count)
        return fail(ANNULUS_ERR_INPUT, "the data have %zu labels or targets, the %s %zu: give it its own", d->targets,
                    taker, count);
    for (size_t i = 0; d->target_names != NULL && i < count; i++) {
        const size_t first = ordered ? i : 0, end = ordered ? i + 1 : count;
        size_t at = first;
        while (at < end && strcmp(d->target_names[at], names[i]) != 0) at++;
        if (at == end && !text_is_number(names[i], i))
            return fail(ANNULUS_ERR_INPUT, "label %zu of the %s is %.60s, the data have %.60s%s: name the same ones%s",
                        i + 1, taker, names[i], d->target_names[first], end - first > 1 ? ", ..." : "",
                        ordered ? " in the same order" : "");
    }
    return ANNULUS_OK;
}
