/* SPDX-License-Identifier: Apache-2.0 */
#include "annulus/annulus.h"
#include "deploy/host_costs.h"
#include "optimizer/calibrate.h"

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
    char *text = st != ANNULUS_OK ? NULL : json ? costs_json(costs, path) : host_costs_text(&key, &m, error, path);
    json_decref(costs);
    TRY(st);
    if (text == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the costs");
    *out = text;
    return ANNULUS_OK;
}
