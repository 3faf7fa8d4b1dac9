/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

/* What the deviations on what is read are in. */
static const char *unit_of(const annulus_layer_noise *n, int last)
{
    return last ? "of a score" : n->waves ? "periods" : "cells";
}

void noise_chosen(const annulus_choice *k, noise_report *r)
{
    *r = (noise_report){.count = k->noise_count, .has_predicted = 1};
    for (size_t i = 0; i < k->noise_count; i++) r->trained[i] = k->trained[i], r->predicted[i] = k->predicted[i];
}

void print_noise(const noise_report *r)
{
    fprintf(stderr, "%-9s %12s", "noise on", "trained for");
    if (r->has_predicted) fprintf(stderr, " %12s", "predicted");
    fprintf(stderr, " %-10s %9s\n", "", "values");
    for (size_t i = 0; i < r->count; i++) {
        const annulus_layer_noise *t = &r->trained[i];
        fprintf(stderr, "%-9s %12.4g", t->name, t->phase);
        if (r->has_predicted) fprintf(stderr, " %12.4g", r->predicted[i].phase);
        fprintf(stderr, " %-10s", unit_of(t, i + 1 == r->count));
        if (t->values > 0) fprintf(stderr, " %9.4g", t->values);
        if (t->values > 0 && r->has_predicted) fprintf(stderr, " trained, %.4g predicted", r->predicted[i].values);
        if (t->error > 0) fprintf(stderr, "  p_error %.3g", t->error);
        fprintf(stderr, "\n");
    }
}

json_t *noise_json(const noise_report *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->count; i++) {
        const annulus_layer_noise *t = &r->trained[i], *p = &r->predicted[i];
        json_t *o = json_object();
        (void)json_object_set_new(o, "layer", json_string(t->name));
        (void)json_object_set_new(o, "unit", json_string(i + 1 == r->count ? "score" : t->waves ? "period" : "cell"));
        (void)json_object_set_new(o, "trained", json_real(t->phase));
        if (r->has_predicted) (void)json_object_set_new(o, "predicted", json_real(p->phase));
        if (t->error > 0) (void)json_object_set_new(o, "p_error", json_real(t->error));
        if (t->values > 0) (void)json_object_set_new(o, "values_trained", json_real(t->values));
        if (t->values > 0 && r->has_predicted) (void)json_object_set_new(o, "values_predicted", json_real(p->values));
        (void)json_array_append_new(list, o);
    }
    return list;
}
