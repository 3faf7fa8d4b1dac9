/* SPDX-License-Identifier: Apache-2.0 */
/* Whether layers share rotations, tables are narrower than their ranges, and cells are powers of two, so that look-ups
 * may be split: where the objective falls by it. */
#include "circuit/extend.h"
#include "circuit/latency.h"
#include "nn/lower_priv.h"

#define PADDED_FROM 16u /* cells, of layers that may be given a power of two */

/* How a network is lowered. */
typedef struct plan {
    unsigned char ways[CIRCUIT_MAX_LAYERS];   /* share_way of layers that share rotations */
    unsigned char padded[CIRCUIT_MAX_LAYERS]; /* layers that have powers of two as cells */
    unsigned char other[CIRCUIT_MAX_LAYERS];  /* exact layers of other cells; found once */
    int found;
    int extend;      /* whether tables may be narrower than their ranges */
    size_t extended; /* layers where they are, of the last circuit that was made so */
    size_t tried, planned;
} plan;

static void find_other(const circuit *c, const lower_options *options, plan *p)
{
    p->found = 1;
    if (options->minimize != MINIMIZE_SECONDS || options->families_most < 2) return;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        p->other[i] = l->cells >= PADDED_FROM && l->unit == 0 && !circuit_rounds(l) && (l->cells & (l->cells - 1)) != 0;
    }
}

/* The circuit that p says; could (layers_count, or NULL): layers that could share rotations in one where none
 * does. helps, unless NULL: what does where there are no parameters. Without a digest. */
static annulus_status lower_plan(const network *n, const float *calibration, size_t count, const lower_options *options,
                                 plan *p, unsigned char *could, remedies *helps, circuit **out)
{
    circuit *c = NULL;
    lower_units units = {0};
    int again = 1;
    size_t tables = 0, rotations = 0, equal = 0, waves = 0;
    annulus_status st = ANNULUS_OK;
    p->extended = 0;
    for (size_t i = 0; i < n->layers_count; i++) {
        units.of[i].whole =
            p->ways[i] == SHARE_MIXED || p->ways[i] == SHARE_BOTH || (p->ways[i] == SHARE_NOT && p->padded[i]);
        units.of[i].lean = p->ways[i] != SHARE_NOT;
    }
    while (st == ANNULUS_OK && again) {
        circuit_destroy(c);
        c = NULL;
        st = lower_once(n, calibration, count, options, &units, &c);
        if (st == ANNULUS_OK) st = lower_units_plan(&units, c, &again);
    }
    if (st == ANNULUS_OK && !p->found) find_other(c, options, p);
    if (st == ANNULUS_OK && could != NULL) st = circuit_could_share(c, could);
    if (st == ANNULUS_OK) st = circuit_share_rotations(c, p->ways, &rotations);
    if (st == ANNULUS_OK) st = circuit_share_look_ups(c, &equal);
    if (st == ANNULUS_OK) st = circuit_share_waves(c, &waves);
    if (st == ANNULUS_OK && p->extend) st = circuit_extend(c, &p->extended);
    if (st == ANNULUS_OK) st = lower_exact(c);
    if (st == ANNULUS_OK) st = circuit_share_tables(c, &tables);
    if (st == ANNULUS_OK) {
        c->passes.tables = (uint32_t)tables;
        c->passes.rotations = (uint32_t)(equal + rotations + waves);
        st = circuit_choose_parameters(c, options->minimize, options->families_most, options->threads,
                                       options->shared_output ? CIRCUIT_SHARED_LOG2_ERROR : 0, helps);
    }
    if (st == ANNULUS_OK)
        *out = c;
    else
        circuit_destroy(c);
    return st;
}

double lower_objective(const circuit *c, const lower_options *o)
{
    return o->minimize == MINIMIZE_SECONDS ? circuit_seconds(c, o->threads, NULL)
           : o->minimize == MINIMIZE_KEY   ? c->choice.key_bytes
                                           : c->choice.memory_bytes;
}

#define WHOLE 1.01 /* so much dearer may tables be that span their ranges, since those leave room beyond */

/* *best <- the circuit that p says, if there is one whose objective is below `share` of the best one's. */
static annulus_status try_plan(const network *n, const float *calibration, size_t count, const lower_options *options,
                               plan *p, double share, circuit **best, int *better)
{
    circuit *c = NULL;
    *better = 0;
    TRY(progress_report(options->progress, "compiling", p->tried++, p->planned));
    const annulus_status st = lower_plan(n, calibration, count, options, p, NULL, NULL, &c);
    if (st == ANNULUS_ERR_INFEASIBLE || st == ANNULUS_ERR_INPUT) return ANNULUS_OK; /* without, there is a circuit */
    TRY(st);
    *better = lower_objective(c, options) < share * lower_objective(*best, options);
    circuit_destroy(*better ? *best : c);
    if (*better) *best = c;
    return ANNULUS_OK;
}

/* Gives the layers of other cells powers of two. Returns whether there are any. */
static int pad(plan *p)
{
    int any = 0;
    for (size_t i = 0; i < CIRCUIT_MAX_LAYERS; i++) p->padded[i] = p->other[i], any |= p->other[i];
    return any;
}

/* The first circuit: where no parameters hold that of as few cells as there may be, one whose look-ups may be split,
 * which is searched for by seconds alone. */
static annulus_status lower_first(const network *n, const float *calibration, size_t count,
                                  const lower_options *options, plan *p, unsigned char *could, remedies *helps,
                                  circuit **out)
{
    lower_options o = *options;
    annulus_status st = lower_plan(n, calibration, count, &o, p, could, helps, out);
    if (st == ANNULUS_ERR_INFEASIBLE && o.minimize != MINIMIZE_SECONDS) {
        o.minimize = MINIMIZE_SECONDS, p->found = 0;
        st = lower_plan(n, calibration, count, &o, p, could, helps, out);
    }
    if (st != ANNULUS_ERR_INFEASIBLE || !pad(p)) return st;
    p->extend = 0; /* or tables would be narrower again */
    return lower_plan(n, calibration, count, &o, p, could, helps, out);
}

/* With the first circuit, those that are compared with it, at most. */
static size_t count_plans(const network *n, const lower_options *options, const plan *p, const unsigned char *could)
{
    size_t plans = 1, any = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++)
        for (unsigned char way = SHARE_MIXED; could[i] && way <= SHARE_BOTH; way++)
            plans += options->share_ways >> way & 1;
    for (size_t i = 0; i < CIRCUIT_MAX_LAYERS; i++) any |= p->other[i];
    return plans + (p->extend != 0) + any;
}

annulus_status lower_best(const network *n, const float *calibration, size_t count, const lower_options *options,
                          remedies *helps, circuit **out)
{
    circuit *best = NULL;
    unsigned char could[CIRCUIT_MAX_LAYERS] = {0};
    plan p = {.extend = !options->tables_whole};
    int better;
    helps->count = 0, helps->missing[0] = '\0';
    TRY(lower_options_check(n, calibration, count, options));
    TRY(progress_report(options->progress, "compiling", p.tried++, 1));
    annulus_status st =
        lower_first(n, calibration, count, options, &p, options->share_ways == 0 ? NULL : could, helps, &best);
    size_t extended = p.extended;
    p.planned = count_plans(n, options, &p, could);
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < n->layers_count; i++) {
        if (!could[i]) continue;
        unsigned char way = SHARE_NOT;
        for (unsigned char next = SHARE_MIXED; st == ANNULUS_OK && next <= SHARE_BOTH; next++) {
            if ((options->share_ways >> next & 1) == 0) continue;
            p.ways[i] = next;
            st = try_plan(n, calibration, count, options, &p, 1, &best, &better);
            if (better) way = next, extended = p.extended;
        }
        p.ways[i] = way;
    }
    p.extend = 0;
    if (st == ANNULUS_OK && extended > 0) st = try_plan(n, calibration, count, options, &p, WHOLE, &best, &better);
    if (st == ANNULUS_OK && pad(&p)) st = try_plan(n, calibration, count, options, &p, 1, &best, &better);
    if (st == ANNULUS_OK) st = circuit_digest(best);
    if (st == ANNULUS_OK)
        *out = best;
    else
        circuit_destroy(best);
    return st;
}
