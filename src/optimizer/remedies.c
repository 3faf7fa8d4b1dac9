/* SPDX-License-Identifier: Apache-2.0 */
/* What to change in a request that no set satisfies: each remedy by itself, as small as it can be, tried. */
#include "optimizer/optimizer_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_REMEDIES 3u
#define LEAST_WEIGHTS 1e-6
#define WEIGHTS_STEP 1.01

typedef enum remedy_kind { FEWER_BITS, FEWER_OUTPUT_BITS, LARGER_ERROR, SMALLER_WEIGHTS } remedy_kind;

typedef struct changed_request {
    optimizer_request q;
    lookup_layer layers[OPTIMIZER_MAX_LAYERS];
} changed_request;

typedef struct remedy {
    char text[96];
    double seconds;
} remedy;

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

/* The remedy at a strength of 1, 2, ...: bits (as --rounding-bits caps all look-ups), bits of the outputs, log2 of the
 * probability, the cap of every two-norm. */
static double remedy_value(remedy_kind kind, const optimizer_request *q, const lookup_layer *culprit, int strength)
{
    switch (kind) {
    case FEWER_BITS:
        return ceil(layer_bits(culprit) - 1e-9) - strength;
    case FEWER_OUTPUT_BITS:
        return strength;
    case LARGER_ERROR:
        return floor(has_own_error(q, culprit) ? culprit->log2_error : q->log2_error) + strength;
    default:
        return layer_norm(culprit) * pow(WEIGHTS_STEP, -strength);
    }
}

static void change_layer(remedy_kind kind, double value, lookup_layer *layer)
{
    if (kind == FEWER_BITS && !layer->is_output) {
        layer->half_window = fmax(layer->half_window, exp2(-value - 2));
        layer->cells = fmin(layer->cells, exp2(value));
    }
    if (kind == FEWER_OUTPUT_BITS && layer->is_output) layer->half_window *= exp2(value);
    if (kind == SMALLER_WEIGHTS) {
        layer->two_norm = fmin(layer->two_norm, value);
        layer->fresh_two_norm = fmin(layer->fresh_two_norm, value);
    }
}

static void change(remedy_kind kind, double value, const optimizer_request *q, const lookup_layer *culprit,
                   changed_request *out)
{
    out->q = *q;
    out->q.layers = out->layers;
    memcpy(out->layers, q->layers, q->layers_count * sizeof *q->layers);
    if (kind == LARGER_ERROR)
        *(has_own_error(q, culprit) ? &out->layers[culprit - q->layers].log2_error : &out->q.log2_error) = value;
    for (size_t i = 0; i < q->layers_count; i++) change_layer(kind, value, &out->layers[i]);
}

static int strongest(remedy_kind kind, const optimizer_request *q, const lookup_layer *culprit)
{
    switch (kind) {
    case FEWER_BITS:
        return culprit->is_output ? 0 : (int)remedy_value(kind, q, culprit, 1); /* 1 bit is left */
    case FEWER_OUTPUT_BITS:
        return culprit->is_output ? (int)floor(layer_bits(culprit)) : 0;
    case LARGER_ERROR:
        return (int)-remedy_value(kind, q, culprit, 1); /* 2^-1 is left */
    default:
        return layer_norm(culprit) == 0 ? 0 : (int)(-log(LEAST_WEIGHTS) / log(WEIGHTS_STEP));
    }
}

/* The least strength that is enough, 0 for none: what is enough stays so when it grows. */
static int least_strength(remedy_kind kind, const optimizer_request *q, const lookup_layer *culprit)
{
    changed_request r;
    int low = 0, high = strongest(kind, q, culprit);
    if (high < 1) return 0;
    change(kind, remedy_value(kind, q, culprit, high), q, culprit, &r);
    if (!optimizer_feasible(&r.q)) return 0;
    while (high - low > 1) {
        const int middle = low + (high - low) / 2;
        change(kind, remedy_value(kind, q, culprit, middle), q, culprit, &r);
        *(optimizer_feasible(&r.q) ? &high : &low) = middle;
    }
    return high;
}

static int remedy_find(remedy_kind kind, const optimizer_request *q, const lookup_layer *culprit, remedy *out)
{
    changed_request r;
    optimizer_result result;
    const int strength = least_strength(kind, q, culprit);
    if (strength == 0) return 0;
    const double value = remedy_value(kind, q, culprit, strength);
    change(kind, value, q, culprit, &r);
    if (!optimizer_find(&r.q, &result)) return 0;
    out->seconds = result.seconds;
    if (kind == FEWER_BITS)
        (void)snprintf(out->text, sizeof out->text, "rounding to %.0f bits", value);
    else if (kind == FEWER_OUTPUT_BITS)
        (void)snprintf(out->text, sizeof out->text, "output bits fewer by %.0f", value);
    else if (kind == LARGER_ERROR)
        (void)snprintf(out->text, sizeof out->text, "%sp-error 2^%.0f%s%s", q->target == ERROR_GLOBAL ? "global-" : "",
                       value, has_own_error(q, culprit) ? " of " : "", has_own_error(q, culprit) ? culprit->name : "");
    else
        (void)snprintf(out->text, sizeof out->text, "weights %.3g times as large (two-norm %.6g)",
                       value / layer_norm(culprit), value);
    return 1;
}

annulus_status remedies_fail(const optimizer_request *q)
{
    static const remedy_kind kinds[] = {FEWER_BITS, FEWER_OUTPUT_BITS, LARGER_ERROR, SMALLER_WEIGHTS};
    const shortfall missing = optimizer_shortfall(q);
    const lookup_layer *culprit = &q->layers[missing.layer];
    remedy found[MAX_REMEDIES];
    char text[MAX_REMEDIES * (sizeof found[0].text + 24)] = "";
    size_t count = 0, at = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) { /* by insertion: fastest first */
        remedy r;
        if (!remedy_find(kinds[k], q, culprit, &r)) continue;
        size_t i = count++;
        for (; i > 0 && found[i - 1].seconds > r.seconds; i--) found[i] = found[i - 1];
        found[i] = r;
    }
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s (%.3g s)", i == 0 ? "" : ", or ", found[i].text,
                               found[i].seconds);
    return fail(ANNULUS_ERR_INFEASIBLE,
                "no secure parameters exist: %s asks for %.1f bits at two-norm %.1f with error probability 2^%.1f, the "
                "best reachable is 2^%.1f; %s%s",
                culprit->name, layer_bits(culprit), layer_norm(culprit), missing.log2_error, missing.log2_reach,
                count == 0 ? "no change of bits, p-error or weights by itself is enough" : "what helps: ", text);
}
