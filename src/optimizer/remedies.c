/* SPDX-License-Identifier: Apache-2.0 */
/* Each remedy by itself, as small as it can be, tried. */
#include "optimizer/remedies.h"
#include "optimizer/batches.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_REMEDIES 3u
#define REMEDY_TEXT 160u
#define LEAST_WEIGHTS 1e-6
#define WEIGHTS_STEP 1.01
#define DEVIATION_STEPS 4.0 /* in a factor of 2 */
#define ANY_DEVIATION 0.99

typedef struct changed_request {
    optimizer_request q;
    lookup_layer layers[OPTIMIZER_MAX_LAYERS];
} changed_request;

static double layer_bits(const lookup_layer *layer)
{
    return log2(1 / (4 * layer->half_window));
}

static double layer_norm(const lookup_layer *layer)
{
    return fmax(layer->two_norm, layer->fresh_two_norm);
}

/* Its own probability is what it asks for; one for a whole inference binds it as well and is raised first. */
static int has_own_error(const optimizer_request *q, const lookup_layer *layer)
{
    return q->target == ERROR_PER_LOOKUP && layer->log2_error < 0;
}

static double larger_deviation(double std, int strength)
{
    return (floor(DEVIATION_STEPS * log2(std)) + strength) / DEVIATION_STEPS;
}

/* The remedy at a strength of 1, 2, ... */
static double remedy_value(remedy_kind kind, const optimizer_request *q, const lookup_layer *culprit, int strength)
{
    switch (kind) {
    case FEWER_BITS:
        return ceil(layer_bits(culprit) - 1e-9) - strength;
    case FEWER_OUTPUT_BITS:
    case FEWER_TOP_1_BITS:
        return strength;
    case LARGER_ERROR:
        return floor(has_own_error(q, culprit) ? culprit->log2_error : q->log2_error) + strength;
    case LARGER_PHASE:
        return larger_deviation(culprit->phase_std, strength);
    case LARGER_OUTPUT:
        return larger_deviation(culprit->output_std, strength);
    default:
        return layer_norm(culprit) * pow(WEIGHTS_STEP, -strength);
    }
}

/* Whether rounding may change a layer. */
static int rounds(const lookup_layer *layer)
{
    return !layer->is_output && layer->compares == 0 && !(layer->phase_std > 0);
}

/* Whether rounding to so many bits does. */
static int has_more_bits(const lookup_layer *layer, double value)
{
    return rounds(layer) && layer->half_window < exp2(-value - 2);
}

static void widen(lookup_layer *layer, double half_window, double cells)
{
    layer->half_window = half_window;
    layer->cells = cells;
    layer->split_most = 0; /* its sums may lie anywhere in their cells */
}

static void change_layer(remedy_kind kind, double value, lookup_layer *layer)
{
    if (kind == FEWER_BITS && has_more_bits(layer, value))
        widen(layer, exp2(-value - 2), fmin(layer->cells, exp2(value)));
    if (kind == FEWER_OUTPUT_BITS && layer->is_output) layer->half_window *= exp2(value);
    if (kind == FEWER_TOP_1_BITS && layer->compares > 0)
        widen(layer, layer->half_window * exp2(value), ceil(layer->cells * exp2(-value)));
    if (kind == SMALLER_WEIGHTS && layer->compares == 0) {
        if (layer->two_norm > value) layer->common *= value / layer->two_norm * value / layer->two_norm;
        layer->two_norm = fmin(layer->two_norm, value);
        layer->fresh_two_norm = fmin(layer->fresh_two_norm, value);
    }
}

static void copy_request(const optimizer_request *q, changed_request *out)
{
    out->q = *q;
    out->q.layers = out->layers;
    memcpy(out->layers, q->layers, q->layers_count * sizeof *q->layers);
}

static void change(remedy_kind kind, double value, const optimizer_request *q, const lookup_layer *culprit,
                   changed_request *out)
{
    copy_request(q, out);
    if (kind == LARGER_ERROR)
        *(has_own_error(q, culprit) ? &out->layers[culprit - q->layers].log2_error : &out->q.log2_error) = value;
    if (kind == LARGER_PHASE) out->layers[culprit - q->layers].phase_std = exp2(value);
    if (kind == LARGER_OUTPUT) out->layers[culprit - q->layers].output_std = exp2(value);
    for (size_t i = 0; i < q->layers_count; i++) change_layer(kind, value, &out->layers[i]);
}

static int strongest(remedy_kind kind, const optimizer_request *q, const lookup_layer *culprit)
{
    const int has_error = !(culprit->phase_std > 0), compares = culprit->compares > 0;
    const double most = q->log2_error_most < 0 ? q->log2_error_most : -1; /* of LARGER_ERROR */
    switch (kind) {
    case FEWER_BITS: /* 1 bit is left */
        return culprit->is_output || compares || !has_error ? 0 : (int)remedy_value(kind, q, culprit, 1);
    case FEWER_OUTPUT_BITS:
        return culprit->is_output && has_error && q->log2_error_most == 0 ? (int)floor(layer_bits(culprit)) : 0;
    case FEWER_TOP_1_BITS:
        return compares ? (int)culprit->compares - 1 : 0;
    case LARGER_ERROR: /* 2^-1 is left, so is it of deviations */
        return has_error ? (int)(most - remedy_value(kind, q, culprit, 0)) : 0;
    case LARGER_PHASE:
        return has_error ? 0 : (int)(-DEVIATION_STEPS * remedy_value(kind, q, culprit, (int)DEVIATION_STEPS));
    case LARGER_OUTPUT:
        return culprit->output_std > 0 ? (int)(-DEVIATION_STEPS * remedy_value(kind, q, culprit, (int)DEVIATION_STEPS))
                                       : 0;
    default:
        return layer_norm(culprit) == 0 || compares ? 0 : (int)(-log(LEAST_WEIGHTS) / log(WEIGHTS_STEP));
    }
}

/* The least strength that is enough, 0 for none: what is enough stays so when it grows. */
static annulus_status least_strength(remedy_kind kind, const optimizer_request *q, search_space *space,
                                     const lookup_layer *culprit, int *strength)
{
    changed_request r;
    int low = 0, high = strongest(kind, q, culprit), enough = 0;
    *strength = 0;
    if (high < 1) return ANNULUS_OK;
    change(kind, remedy_value(kind, q, culprit, high), q, culprit, &r);
    TRY(optimizer_feasible(&r.q, space, &enough));
    if (!enough) return ANNULUS_OK;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        change(kind, remedy_value(kind, q, culprit, middle), q, culprit, &r);
        TRY(optimizer_feasible(&r.q, space, &enough));
        *(enough ? &high : &low) = middle;
    }
    *strength = high;
    return ANNULUS_OK;
}

/* Behind text: the layers that have more bits, unless all look-ups do; layers of one name once. */
static void name_layers(const remedies *r, double value, char *text, size_t room)
{
    const char *last = "";
    size_t at = strlen(text), others = 0, named = 0, more = 0;
    for (size_t i = 0; i < r->layers_count; i++) others += r->bits[i] >= 0 && !(r->bits[i] > value);
    for (size_t i = 0; others > 0 && i < r->layers_count; i++) {
        if (!(r->bits[i] > value) || strcmp(r->names[i], last) == 0) continue;
        last = r->names[i];
        if (more > 0 || at + strlen(last) + sizeof " and 64 more" + 4 > room)
            more++;
        else
            at += (size_t)snprintf(text + at, room - at, "%s%s", named++ == 0 ? " of " : ", ", last);
    }
    if (more > 0) (void)snprintf(text + at, room - at, " and %zu more", more);
}

static void describe(const remedies *all, const remedy *r, char *text, size_t room)
{
    const char *name = all->names[all->layer];
    switch (r->kind) {
    case FEWER_BITS:
        (void)snprintf(text, room, "rounding to %.0f bits", r->value);
        name_layers(all, r->value, text, room);
        break;
    case FEWER_OUTPUT_BITS:
        (void)snprintf(text, room, "output bits fewer by %.0f", r->value);
        break;
    case FEWER_TOP_1_BITS:
        (void)snprintf(text, room, "top-1 bits fewer by %.0f", r->value);
        break;
    case LARGER_ERROR:
        (void)snprintf(text, room, "%sp-error 2^%.0f%s%s", all->global && !all->own ? "global-" : "", r->value,
                       all->own ? " of " : "", all->own ? name : "");
        break;
    case LARGER_PHASE:
        (void)snprintf(text, room, "phase-noise 2^%.2f", r->value);
        break;
    case LARGER_OUTPUT:
        (void)snprintf(text, room, "a deviation of 2^%.2f of its bootstraps", r->value);
        break;
    default:
        (void)snprintf(text, room, "weights %.3g times as large (two-norm %.6g)", r->value / all->norm, r->value);
    }
}

static annulus_status remedy_find(remedy_kind kind, const optimizer_request *q, search_space *space,
                                  const lookup_layer *culprit, int *found, remedy *out)
{
    changed_request r;
    int strength = 0;
    *found = 0;
    TRY(least_strength(kind, q, space, culprit, &strength));
    if (strength == 0) return ANNULUS_OK;
    out->kind = kind;
    out->value = remedy_value(kind, q, culprit, strength);
    change(kind, out->value, q, culprit, &r);
    TRY(optimizer_best(&r.q, space, found, &out->set));
    if (*found) out->seconds = q->threads > 0 ? batches_seconds(&r.q, &out->set) : out->set.seconds;
    return ANNULUS_OK;
}

/* What is missing: where it is not what look-ups ask for that may be split, these are left out, or they would be named
 * for what whole ones reach. */
static annulus_status find_shortfall(const optimizer_request *q, search_space *space, shortfall *out)
{
    changed_request others;
    int splits = 0, enough = 0;
    copy_request(q, &others);
    for (size_t i = 0; i < q->layers_count; i++) {
        lookup_layer *layer = &others.layers[i];
        if (layer->split_most == 0) continue;
        layer->log2_error = 0, layer->phase_std = ANY_DEVIATION, layer->split_most = 0;
        splits = 1;
    }
    if (splits) TRY(optimizer_feasible(&others.q, space, &enough));
    return optimizer_shortfall(splits && !enough ? &others.q : q, space, out);
}

static void describe_shortfall(const optimizer_request *q, const shortfall *f, char *text, size_t room)
{
    const lookup_layer *culprit = &q->layers[f->layer];
    const double norm = layer_norm(culprit);
    const char *one = culprit->is_output ? "value" : "look-up";
    char bits[32] = "one bit"; /* of one cell: in which half of the torus it is */
    if (culprit->cells != 1) (void)snprintf(bits, sizeof bits, "%.1f bits", layer_bits(culprit));
    if (f->shared)
        (void)snprintf(text, room,
                       "%s asks for %s at two-norm %.1f with error probability 2^%.1f an inference, 2^%.1f a %s, the "
                       "best reachable is 2^%.1f an inference, 2^%.1f a %s",
                       culprit->name, bits, norm, q->log2_error, f->wanted, one, f->global, f->reach, one);
    else if (f->kind == SHORT_OF_ERROR)
        (void)snprintf(text, room,
                       "%s asks for %s at two-norm %.1f with error probability 2^%.1f, the best reachable is 2^%.1f",
                       culprit->name, bits, norm, f->wanted, f->reach);
    else
        (void)snprintf(text, room,
                       "%s asks for a deviation of 2^%.2f of its %s at two-norm %.1f, the best reachable is 2^%.2f",
                       culprit->name, f->wanted, f->kind == SHORT_OF_PHASE ? "phase" : "bootstraps", norm, f->reach);
}

annulus_status remedies_say(const remedies *r)
{
    const remedy *order[REMEDIES_MOST];
    char text[MAX_REMEDIES * (REMEDY_TEXT + 24)] = "";
    size_t at = 0;
    for (size_t k = 0; k < r->count; k++) { /* by insertion */
        size_t i = k;
        for (; i > 0 && order[i - 1]->seconds > r->of[k].seconds; i--) order[i] = order[i - 1];
        order[i] = &r->of[k];
    }
    for (size_t i = 0; i < r->count && i < MAX_REMEDIES; i++) {
        char one[REMEDY_TEXT];
        describe(r, order[i], one, sizeof one);
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s (%.3g s)", i == 0 ? "" : ", or ", one,
                               order[i]->seconds);
    }
    if (r->count == 0)
        return fail(ANNULUS_ERR_INFEASIBLE,
                    "no secure parameters exist: %s; no change of bits, p-error or weights by itself is enough",
                    r->missing);
    return fail(ANNULUS_ERR_INFEASIBLE, "no secure parameters exist: %s; what helps: %s, by %s costs", r->missing, text,
                cost_model_current() == &cost_model_shipped ? "the shipped" : "this host's");
}

static void list_layers(const optimizer_request *q, size_t culprit, remedies *out)
{
    out->layer = culprit;
    out->norm = layer_norm(&q->layers[culprit]);
    out->own = has_own_error(q, &q->layers[culprit]);
    out->global = q->target == ERROR_GLOBAL;
    out->layers_count = q->layers_count;
    out->count = 0;
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *l = &q->layers[i];
        (void)snprintf(out->names[i], sizeof out->names[i], "%s", l->name);
        out->bits[i] = l->is_output ? -1 : rounds(l) ? layer_bits(l) : 0;
    }
}

annulus_status remedies_fail(const optimizer_request *q, search_space *space)
{
    shortfall missing;
    remedies *out = q->helps;
    char what[sizeof out->missing];
    TRY(find_shortfall(q, space, &missing));
    describe_shortfall(q, &missing, what, sizeof what);
    if (out == NULL) return fail(ANNULUS_ERR_INFEASIBLE, "no secure parameters exist: %s", what);
    memcpy(out->missing, what, sizeof what);
    list_layers(q, missing.layer, out);
    for (unsigned k = FEWER_BITS; k <= SMALLER_WEIGHTS; k++) {
        int helps = 0;
        TRY(remedy_find((remedy_kind)k, q, space, &q->layers[missing.layer], &helps, &out->of[out->count]));
        out->count += helps != 0;
    }
    return remedies_say(out);
}
