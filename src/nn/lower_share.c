/* SPDX-License-Identifier: Apache-2.0 */
/* Whether layers share rotations: those by which the objective falls. */
#include "circuit/share.h"
#include "nn/lower_priv.h"

/* The circuit in which the wanted layers (layers_count) share rotations; could (layers_count, or NULL): those that
 * could in one without any wanted. Without a digest. */
static annulus_status lower_sharing(const network *n, const float *calibration, size_t count,
                                    const lower_options *options, const unsigned char *wanted, unsigned char *could,
                                    circuit **out)
{
    circuit *c = NULL;
    lower_units units = {0};
    int again = 1;
    size_t tables = 0, rotations = 0;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; i < n->layers_count; i++) units.of[i].whole = wanted[i];
    while (st == ANNULUS_OK && again) {
        circuit_destroy(c);
        c = NULL;
        st = lower_once(n, calibration, count, options, &units, &c);
        if (st == ANNULUS_OK) st = lower_units_plan(&units, c, &again);
    }
    if (st == ANNULUS_OK && could != NULL) st = circuit_could_share(c, could);
    if (st == ANNULUS_OK) st = circuit_share_rotations(c, wanted, &rotations);
    if (st == ANNULUS_OK) st = lower_exact(c);
    if (st == ANNULUS_OK) st = circuit_share_tables(c, &tables);
    if (st == ANNULUS_OK) {
        c->passes.tables = (uint32_t)tables;
        c->passes.rotations = (uint32_t)rotations;
        st = circuit_choose_parameters(c, options->minimize, options->families_most);
    }
    if (st == ANNULUS_OK)
        *out = c;
    else
        circuit_destroy(c);
    return st;
}

static double objective(const circuit *c, search_objective minimize)
{
    return minimize == MINIMIZE_SECONDS ? c->choice.seconds
           : minimize == MINIMIZE_KEY   ? c->choice.key_bytes
                                        : c->choice.memory_bytes;
}

annulus_status lower_best(const network *n, const float *calibration, size_t count, const lower_options *options,
                          circuit **out)
{
    circuit *best = NULL;
    unsigned char could[CIRCUIT_MAX_LAYERS] = {0}, wanted[CIRCUIT_MAX_LAYERS] = {0};
    TRY(lower_options_check(n, count, options));
    annulus_status st =
        lower_sharing(n, calibration, count, options, wanted, options->rotations_apart ? NULL : could, &best);
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < n->layers_count; i++) {
        circuit *c = NULL;
        if (!could[i]) continue;
        wanted[i] = 1;
        st = lower_sharing(n, calibration, count, options, wanted, NULL, &c);
        const int better = st == ANNULUS_OK && objective(c, options->minimize) < objective(best, options->minimize);
        if (better) {
            circuit_destroy(best);
            best = c;
            continue;
        }
        circuit_destroy(c);
        wanted[i] = 0;
        if (st == ANNULUS_ERR_INFEASIBLE || st == ANNULUS_ERR_INPUT) st = ANNULUS_OK; /* without, there is a circuit */
    }
    if (st == ANNULUS_OK) st = circuit_digest(best);
    if (st == ANNULUS_OK)
        *out = best;
    else
        circuit_destroy(best);
    return st;
}
