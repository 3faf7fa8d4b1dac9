/* SPDX-License-Identifier: Apache-2.0 */
/* The search as a whole: requests checked, one family or two, a probability for a whole inference shared out. */
#include "optimizer/optimizer_priv.h"

#include <math.h>
#include <string.h>

#define LOG2_ONE_PERCENT 0.014355
#define PAIR_STARTS 5u /* bounds at which pairs are looked for */

/* The bound at which any set stays within the global probability: what the layers of their own bounds leave, shared out
 * among the look-ups of the others. NaN: they leave nothing; 0: there are no others. */
static double safe_bound(const optimizer_request *q)
{
    const double all = log1p(-exp2(q->log2_error)); /* natural log of P(no failure) */
    double own = 0, others = 0;
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *layer = &q->layers[i];
        if (layer->phase_std > 0) continue;
        if (layer->log2_error < 0)
            own += (double)layer->count * log1p(-exp2(layer->log2_error));
        else
            others += (double)layer->count;
    }
    if (others == 0) return own < all ? NAN : 0;
    return own <= all ? NAN : log2(-expm1((all - own) / others)) - 1e-9; /* rounding of these sums */
}

static void predict_set(const optimizer_request *q, const candidate *c, double log2_p, optimizer_result *out)
{
    optimizer_predict(q, &c->families, c->layers, out);
    out->log2_error = log2_p;
}

static void predict_best(const search *s, double log2_p, optimizer_result *out)
{
    predict_set(s->request, &s->best, log2_p, out);
}

/* The largest failure of a layer without its own bound. */
static double largest_failure(const optimizer_request *q, const optimizer_result *r)
{
    double most = -INFINITY;
    for (size_t i = 0; i < q->layers_count; i++)
        if (!(q->layers[i].log2_error < 0 || q->layers[i].phase_std > 0)) most = fmax(most, r->layers[i].log2_failure);
    return most;
}

/* Looks only for what is better than this in what is minimized. */
static void limit(search *s, double seconds, double bytes)
{
    if (s->request->minimize == MINIMIZE_SECONDS)
        s->limit_seconds = seconds;
    else
        s->limit_bytes = bytes;
}

/* search_best for one family. Of a global probability downward from it, which no look-up may exceed: between a set's
 * largest failure and the bound it was found at the search finds that set again, so the next bound to try is 1 % below
 * it. What is found at the safe bound serves at all. *log2_p: the bound. */
static annulus_status best_single(const optimizer_request *q, search_space *space, search *s, double *log2_p)
{
    optimizer_result r;
    *log2_p = q->log2_error;
    if (q->target == ERROR_PER_LOOKUP) {
        search_begin(s, q, space, *log2_p);
        return search_best(s, search_single);
    }
    const double least = safe_bound(q);
    search_begin(s, q, space, least);
    TRY(search_best(s, search_single));
    const double enough = 1 + 1e-12, seconds = s->found ? s->best.seconds * enough : INFINITY,
                 bytes = s->found ? s->best.bytes * enough : INFINITY;
    for (;; *log2_p = fmax(least, fmin(largest_failure(q, &r), *log2_p) - LOG2_ONE_PERCENT)) {
        search_begin(s, q, space, *log2_p);
        limit(s, seconds, bytes);
        TRY(search_best(s, search_single));
        if (!s->found) return ANNULUS_OK;
        predict_best(s, *log2_p, &r);
        if (r.log2_global_failure <= q->log2_error || *log2_p <= least) return ANNULUS_OK;
    }
}

annulus_status optimizer_find(const optimizer_request *q, search_space *space, int *found, optimizer_result *out)
{
    search s;
    double log2_p;
    TRY(best_single(q, space, &s, &log2_p));
    TRY(search_near(&s, search_single));
    *found = s.found;
    if (s.found) predict_best(&s, log2_p, out);
    return ANNULUS_OK;
}

/* Two families that pay at a bound of the layers without their own, if s.found. */
typedef struct pair_found {
    search s;
    double log2_p;
} pair_found;

/* global: those that keep to the global probability alone; only: NULL, or the families but for their keyswitches.
 * Better than `than`, if there is one. */
static annulus_status pair_at(const search *one, double log2_p, int global, const tfhe_families *only,
                              const search *than, pair_found *out)
{
    const double pays = one->space->model->pays;
    search_begin(&out->s, one->request, one->space, log2_p);
    out->s.only = only;
    out->s.check_global = global;
    if (one->found) limit(&out->s, pays * one->best.seconds, pays * one->best.bytes);
    if (than != NULL && than->found) limit(&out->s, than->best.seconds, than->best.bytes);
    TRY(search_best(&out->s, search_pairs));
    out->s.only = NULL;
    out->log2_p = log2_p;
    return ANNULUS_OK;
}

/* The largest bound, to 1 %, up to which the families found keep to the global probability, by halves. */
static annulus_status raise_pair(const search *one, pair_found *best)
{
    const tfhe_families only = best->s.best.families;
    double least = best->log2_p, most = one->request->log2_error;
    while (most - least > LOG2_ONE_PERCENT) {
        const double middle = (least + most) / 2;
        pair_found f;
        TRY(pair_at(one, middle, 1, &only, NULL, &f));
        if (f.s.found)
            least = middle, *best = f;
        else
            most = middle;
    }
    return ANNULUS_OK;
}

/* Two families that keep to the global probability and pay, given the best of one: those that are best half-way, in
 * log2, from the safe bound to `most` (at the safe one, if these break it), at their largest bound; then those that are
 * better at any of PAIR_STARTS bounds from the larger of that and `most` down to the safe one, at theirs. Where none is
 * better, whatever its failures, none is at lower bounds. */
static annulus_status best_global_pair(const search *one, double safe, double most, pair_found *best)
{
    pair_found next;
    optimizer_result r = {.log2_global_failure = INFINITY};
    TRY(pair_at(one, (safe + most) / 2, 0, NULL, NULL, best));
    if (best->s.found) predict_best(&best->s, best->log2_p, &r);
    if (r.log2_global_failure > one->request->log2_error) TRY(pair_at(one, safe, 0, NULL, NULL, best));
    if (best->s.found) TRY(raise_pair(one, best));
    const double top = best->s.found ? fmax(most, best->log2_p) : most;
    for (unsigned i = PAIR_STARTS; i-- > 0;) {
        TRY(pair_at(one, safe + i * (top - safe) / (PAIR_STARTS - 1), 1, NULL, &best->s, &next));
        if (!next.s.found && next.s.refused == 0) break;
        if (!next.s.found) continue;
        *best = next;
        TRY(raise_pair(one, best));
    }
    return ANNULUS_OK;
}

/* Two families that pay, given the best of one. */
static annulus_status best_pair(const search *one, search *s, double *log2_p)
{
    const optimizer_request *q = one->request;
    const double safe = q->target == ERROR_GLOBAL ? safe_bound(q) : 0;
    pair_found best;
    if (safe < 0)
        TRY(best_global_pair(one, safe, one->found ? *log2_p : safe, &best));
    else /* no layer shares the global one */
        TRY(pair_at(one, *log2_p, 0, NULL, NULL, &best));
    *s = best.s;
    *log2_p = best.log2_p;
    return search_near(s, search_pairs);
}

/* Whether a second family has anything to do. */
static int pairs_differ(const search *s)
{
    return s->groups_count > 1;
}

static int may_split(const optimizer_request *q)
{
    int may = 0;
    for (size_t i = 0; i < q->layers_count; i++) may |= q->layers[i].split_most > 0;
    return may && q->families_most > 1 && q->minimize == MINIMIZE_SECONDS;
}

/* The best split look-ups below `limit` seconds at a bound of the layers without their own; *holds: there are some, and
 * they keep to the request. */
static annulus_status split_at(const optimizer_request *q, search_space *space, double log2_p, double limit, search *s,
                               int *holds)
{
    optimizer_result r;
    search_begin(s, q, space, log2_p);
    s->goal = FASTEST;
    s->limit_seconds = limit;
    TRY(search_split(s));
    *holds = s->found;
    if (!s->found || q->target == ERROR_PER_LOOKUP) return ANNULUS_OK;
    predict_best(s, log2_p, &r);
    *holds = r.log2_global_failure <= q->log2_error;
    return ANNULUS_OK;
}

/* Split look-ups where they pay, given the best without. Of a global probability those of the largest bound, to 1 %, at
 * which the fastest hold it, by halves. */
static annulus_status best_split(const search *whole, search *s, double *log2_p)
{
    const optimizer_request *q = whole->request;
    search_space *space = whole->space;
    const double safe = q->target == ERROR_GLOBAL ? safe_bound(q) : 0;
    double limit = whole->found ? space->model->pays * whole->best.seconds : INFINITY;
    double least = safe < 0 ? safe : q->log2_error, most = q->log2_error;
    search split;
    int holds;
    TRY(split_at(q, space, least, limit, &split, &holds));
    for (;;) {
        if (holds) *s = split, *log2_p = least, limit = split.best.seconds * (1 + 1e-12);
        if (most - least <= LOG2_ONE_PERCENT) return ANNULUS_OK;
        const double middle = (least + most) / 2;
        TRY(split_at(q, space, middle, limit, &split, &holds));
        *(split.found && !holds ? &most : &least) = middle;
    }
}

annulus_status search_kinds_find(const optimizer_request *q, search_space *space, search_kinds *k)
{
    TRY(best_single(q, space, &k->one, &k->log2_one));
    k->two.found = k->split.found = 0;
    k->log2_two = k->log2_split = k->log2_one;
    if (q->families_most > 1 && pairs_differ(&k->one)) TRY(best_pair(&k->one, &k->two, &k->log2_two));
    TRY(search_near(&k->one, search_single));
    if (may_split(q)) TRY(best_split(k->two.found ? &k->two : &k->one, &k->split, &k->log2_split));
    return ANNULUS_OK;
}

/* The best set and its bound. */
static annulus_status find(const optimizer_request *q, search_space *space, int *found, candidate *out, double *log2_p)
{
    search_kinds k;
    ranked r;
    if (q->threads > 0 && q->minimize == MINIMIZE_SECONDS) {
        TRY(search_rank(q, space, found, &r));
        if (*found) *out = r.set, *log2_p = r.log2_p;
        return ANNULUS_OK;
    }
    TRY(search_kinds_find(q, space, &k));
    const search *s = k.split.found ? &k.split : k.two.found ? &k.two : &k.one;
    *found = s->found;
    *out = s->best;
    *log2_p = k.split.found ? k.log2_split : k.two.found ? k.log2_two : k.log2_one;
    return ANNULUS_OK;
}

annulus_status optimizer_best(const optimizer_request *q, search_space *space, int *found, optimizer_result *out)
{
    candidate c;
    double log2_p;
    TRY(find(q, space, found, &c, &log2_p));
    if (*found) predict_set(q, &c, log2_p, out);
    return ANNULUS_OK;
}

/* Whether there is a family at this bound of the layers without their own. */
static int any_family(const optimizer_request *q, search_space *space, double log2_p)
{
    search s;
    size_t layer;
    int output;
    double variance;
    search_begin(&s, q, space, log2_p);
    return search_nearest(&s, 1, &layer, &output, &variance) <= 1;
}

annulus_status optimizer_feasible(const optimizer_request *q, search_space *space, int *feasible)
{
    search s;
    optimizer_result r;
    const double safe = q->target == ERROR_GLOBAL ? safe_bound(q) : q->log2_error;
    *feasible = !isnan(safe) && any_family(q, space, safe);
    if (*feasible || isnan(safe)) return ANNULUS_OK;
    if (q->target == ERROR_GLOBAL && any_family(q, space, q->log2_error)) TRY(optimizer_find(q, space, feasible, &r));
    if (*feasible || !may_split(q)) return ANNULUS_OK;
    return split_at(q, space, safe < 0 ? safe : q->log2_error, INFINITY, &s, feasible);
}

/* log2 of the failure of an inference by the best family at this bound of the layers without their own; INFINITY: there
 * is none. */
static annulus_status global_at(const optimizer_request *q, search_space *space, double log2_p, double *out)
{
    search s;
    optimizer_result r = {.log2_global_failure = INFINITY};
    search_begin(&s, q, space, log2_p);
    TRY(search_best(&s, search_single));
    if (s.found) predict_best(&s, log2_p, &r);
    *out = r.log2_global_failure;
    return ANNULUS_OK;
}

#define REACH_STEP 0.05 /* of log2, to which what split look-ups reach is found */

/* What split look-ups reach, whose layer asks for too much; as it is where they reach nothing. */
static annulus_status split_reach(const optimizer_request *q, search_space *space, shortfall *f)
{
    lookup_layer layers[OPTIMIZER_MAX_LAYERS];
    optimizer_request r = *q;
    const int own = q->layers[f->layer].log2_error < 0, global = q->target == ERROR_GLOBAL;
    double *bound = own ? &layers[f->layer].log2_error : &r.log2_error;
    int feasible;
    if (own && global) return ANNULUS_OK;
    memcpy(layers, q->layers, q->layers_count * sizeof *layers);
    r.layers = layers;
    double least = own ? q->layers[f->layer].log2_error : q->log2_error, most = -REACH_STEP;
    *bound = most;
    TRY(optimizer_feasible(&r, space, &feasible));
    if (!feasible) return ANNULUS_OK;
    while (most - least > REACH_STEP) {
        *bound = (least + most) / 2;
        TRY(optimizer_feasible(&r, space, &feasible));
        *(feasible ? &most : &least) = *bound;
    }
    *bound = most;
    f->shared = global;
    f->global = most;
    f->reach = global ? safe_bound(&r) : most;
    return ANNULUS_OK;
}

#define REACH_ROUNDING 1e-6 /* of log2, between a bound and the failure that just keeps to it */

annulus_status optimizer_shortfall(const optimizer_request *q, search_space *space, shortfall *out)
{
    search s;
    shortfall f = {0};
    int output = 0;
    double variance = 0;
    const double log2_p = q->target == ERROR_GLOBAL ? safe_bound(q) : q->log2_error;
    search_begin(&s, q, space, log2_p);
    (void)search_nearest(&s, 0, &f.layer, &output, &variance);
    const lookup_layer *layer = &q->layers[f.layer];
    f.kind = output ? SHORT_OF_OUTPUT : layer->phase_std > 0 ? SHORT_OF_PHASE : SHORT_OF_ERROR;
    if (f.kind == SHORT_OF_ERROR) {
        f.wanted = layer->log2_error < 0 ? layer->log2_error : log2_p;
        f.reach = noise_failure_log2(variance, layer->half_window);
        if (q->target == ERROR_GLOBAL && !(layer->log2_error < 0)) {
            TRY(global_at(q, space, fmin(f.reach + REACH_ROUNDING, -REACH_ROUNDING), &f.global));
            f.shared = isfinite(f.global);
        }
        if (may_split(q)) TRY(split_reach(q, space, &f));
    } else {
        f.wanted = log2(output ? layer->output_std : layer->phase_std);
        f.reach = log2(variance) / 2;
    }
    *out = f;
    return ANNULUS_OK;
}

static annulus_status check_error(const char *name, double log2_error)
{
    if (log2_error < 0 && log2_error >= -512) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "error probability 2^%g%s%s: must be in [2^-512, 1)", log2_error,
                name[0] == '\0' ? "" : " of ", name);
}

static annulus_status check_deviations(const lookup_layer *layer)
{
    const double given[] = {layer->phase_std, layer->output_std};
    for (size_t i = 0; i < 2; i++)
        if (!(given[i] >= 0 && given[i] < 1))
            return fail(ANNULUS_ERR_INPUT, "deviation %g of %s: must be in (0, 1), in fractions of the torus", given[i],
                        layer->name);
    if (layer->phase_std > 0 && layer->log2_error != 0)
        return fail(ANNULUS_ERR_INPUT, "%s has both an error probability and a deviation of its phase: give one",
                    layer->name);
    if (layer->output_std > 0 && layer->is_output)
        return fail(ANNULUS_ERR_INPUT, "%s has a deviation of bootstraps but is decrypted: give one of its phase",
                    layer->name);
    return ANNULUS_OK;
}

/* What the layers of their own bounds fail with in an inference is more than it may, by whichever does most. */
static annulus_status own_bounds_exceed(const optimizer_request *q)
{
    double all = 0, most = 0; /* natural logs of P(no failure) */
    const char *name = "";
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *layer = &q->layers[i];
        if (layer->phase_std > 0 || !(layer->log2_error < 0)) continue;
        const double own = (double)layer->count * log1p(-exp2(layer->log2_error));
        all += own;
        if (own < most) most = own, name = layer->name;
    }
    return fail(ANNULUS_ERR_INPUT,
                "the error probabilities of the layers by themselves exceed 2^%.1f for an inference: they come to "
                "2^%.1f, that of %s alone to 2^%.1f; lower theirs",
                q->log2_error, log2(-expm1(all)), name, log2(-expm1(most)));
}

static annulus_status check_request(const optimizer_request *q)
{
    REQUIRE(q->layers_count >= 1 && q->layers_count <= OPTIMIZER_MAX_LAYERS);
    for (size_t i = 0; i < q->layers_count; i++) REQUIRE(q->layers[i].count >= 1);
    REQUIRE(q->group <= TFHE_MAX_GROUP && q->families_most <= TFHE_MAX_FAMILIES);
    TRY(check_error("", q->log2_error));
    for (size_t i = 0; i < q->layers_count; i++) {
        if (q->layers[i].log2_error != 0) TRY(check_error(q->layers[i].name, q->layers[i].log2_error));
        TRY(check_deviations(&q->layers[i]));
    }
    return q->target == ERROR_GLOBAL && isnan(safe_bound(q)) ? own_bounds_exceed(q) : ANNULUS_OK;
}

annulus_status optimizer_search_model(const optimizer_request *request, const search_model *model,
                                      optimizer_result *out)
{
    search_space *space;
    candidate c = {.seconds = 0};
    double log2_p = 0;
    int found = 0;
    TRY(search_space_create(model, request->level, request->families_most > 1, &space));
    annulus_status st = find(request, space, &found, &c, &log2_p);
    search_space_destroy(space);
    if (st == ANNULUS_OK && !found) st = fail(ANNULUS_ERR_INFEASIBLE, "no set of the model keeps to the bounds");
    if (st != ANNULUS_OK) return st;
    *out = (optimizer_result){.families = c.families, .log2_error = log2_p, .seconds = c.seconds};
    for (size_t i = 0; i < request->layers_count; i++) out->layers[i] = c.layers[i];
    return ANNULUS_OK;
}

annulus_status optimizer_search(const optimizer_request *request, optimizer_result *out)
{
    search_space *space;
    int found = 0;
    TRY(check_request(request));
    TRY(search_space_create(&search_model_shipped, request->level, 1, &space));
    annulus_status st = optimizer_best(request, space, &found, out);
    if (st == ANNULUS_OK && !found) st = remedies_fail(request, space);
    search_space_destroy(space);
    return st;
}
