/* SPDX-License-Identifier: Apache-2.0 */
#include "annulus/annulus.h"
#include "deploy/host_costs.h"
#include "optimizer/calibrate.h"

#include <stdio.h>
#include <stdlib.h>

static void line(FILE *f, const char *name, double ns, const char *unit)
{
    fprintf(f, "  %-10s %8.4f ns  %s\n", name, ns, unit);
}

/* malloc'ed, NULL without memory. */
static char *costs_text(const host_key *key, const cost_model *m, double error, const char *path)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (f == NULL) return NULL;
    fprintf(f, "costs of %s, kernels %s, one core\n", key->processor, key->kernels);
    line(f, "fft", m->fft, "a step: per (rows + k+1) N log2 N");
    line(f, "multiply", m->multiply, "a step: per rows (k+1) N");
    line(f, "linear", m->linear, "a step: per (k+1) N");
    line(f, "combine_2", m->combine[2], "a step of 2 key bits: per pattern and (rows (k+1) + 1) N");
    line(f, "combine_3", m->combine[3], "a step of 3 key bits: the same");
    line(f, "read", m->read, "a batch: per byte of bootstrapping key");
    line(f, "read_all", m->read_all, "a batch while all cores read: per byte of both keys, besides");
    line(f, "keyswitch", m->keyswitch, "per kN l (n+1)");
    line(f, "ks_read", m->keyswitch_read, "a batch: per kN l (n+1)");
    line(f, "layer", m->layer, "a linear layer: per weight and kN+1");
    line(f, "input", m->input, "a linear layer: per input and kN+1");
    line(f, "output", m->output, "a linear layer: per output, 126 inputs and kN+1");
    line(f, "expand", m->expand, "seeded inputs: per input and kN, with their way from memory");
    fprintf(f, "all cores at once take %.3f times as long as one alone\n", m->crowd);
    fprintf(f, "the fit is within %.1f %% of every step measured\nwritten to %s\n", 100 * error, path);
    if (fclose(f) == 0) return out;
    free(out);
    return NULL;
}

static char *costs_json(json_t *costs, const char *path)
{
    (void)json_object_set_new(costs, "file", json_string(path));
    return json_dumps(costs, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
}

annulus_status annulus_calibrate(const annulus_progress *progress, int json, char **out)
{
    char path[HOST_PATH_BYTES];
    host_key key;
    cost_model m;
    double error;
    host_key_init(&key);
    TRY(host_costs_path(&key, 1, path)); /* before the work, not after it */
    TRY(cost_model_measure(progress, COST_BUDGET, &m, &error));
    json_t *costs = host_costs_json(&key, &m, error);
    if (costs == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the costs");
    annulus_status st = host_costs_write(path, costs);
    if (st == ANNULUS_OK) st = host_costs_adopt(path, &key);
    char *text = st != ANNULUS_OK ? NULL : json ? costs_json(costs, path) : costs_text(&key, &m, error, path);
    json_decref(costs);
    TRY(st);
    if (text == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the costs");
    *out = text;
    return ANNULUS_OK;
}
