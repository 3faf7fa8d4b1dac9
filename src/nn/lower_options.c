/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include "nn/distinct.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void lower_options_init(lower_options *o)
{
    *o = (lower_options){.ranges_measured = 1,
                         .margin = 0.1,
                         .rounding_bits = 5,
                         .output_bits = 6,
                         .target = ERROR_PER_LOOKUP,
                         .log2_error = -40,
                         .level = SECURITY_128,
                         .share_ways = LOWER_SHARE_ANY,
                         .families_most = TFHE_MAX_FAMILIES};
}

layer_rounding lower_rounding(const lower_options *o, const char *layer)
{
    layer_rounding r = {.layer = layer, .bits = o->rounding_bits, .method = o->method};
    for (size_t i = 0; i < o->layer_roundings_count; i++) {
        const layer_rounding *own = &o->layer_roundings[i];
        if (strcmp(own->layer, layer) != 0) continue;
        r.bits = own->bits;
        if (own->method != ROUNDING_UNSAID) r.method = own->method;
    }
    if (r.method == ROUNDING_UNSAID) r.method = o->shared_output ? ROUNDING_EXACT : ROUNDING_APPROXIMATE;
    return r;
}

static int rounds_auto(const lower_options *o)
{
    int any = o->rounding_bits != 0 && lower_rounding(o, "").method == ROUNDING_AUTO;
    for (size_t i = 0; i < o->layer_roundings_count; i++) {
        const layer_rounding r = lower_rounding(o, o->layer_roundings[i].layer);
        any |= r.bits != 0 && r.method == ROUNDING_AUTO;
    }
    return any;
}

/* Approximate rounding depends on noise. */
static annulus_status shared_rounding_check(const lower_options *o)
{
    static const char why[] = "is approximate, which results for others to see cannot be: round exactly, or to 0, none";
    for (size_t i = 0; i < o->layer_roundings_count; i++) {
        const layer_rounding r = lower_rounding(o, o->layer_roundings[i].layer);
        if (r.bits != 0 && r.method == ROUNDING_APPROXIMATE)
            return fail(ANNULUS_ERR_INPUT, "rounding of %.40s to %u bits %s", o->layer_roundings[i].layer, r.bits, why);
    }
    if (o->rounding_bits == 0 || lower_rounding(o, "").method != ROUNDING_APPROXIMATE) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "rounding to %u bits %s", o->rounding_bits, why);
}

static annulus_status phase_noise_check(const lower_options *o)
{
    if (o->phase_noise >= 0 && o->phase_noise <= LOWER_MAX_PHASE_NOISE) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "a phase noise of %g periods: above 0 and at most %g are possible", o->phase_noise,
                LOWER_MAX_PHASE_NOISE);
}

annulus_status lower_options_check(const network *n, const float *calibration, size_t count, const lower_options *o)
{
    unsigned most_bits = o->rounding_bits;
    for (size_t i = 0; i < o->layer_roundings_count; i++)
        if (o->layer_roundings[i].bits > most_bits) most_bits = o->layer_roundings[i].bits;
    if (most_bits > LOWER_MOST_ROUNDING)
        return fail(ANNULUS_ERR_INPUT, "rounding to %u bits: 1 to %u, or 0 for none", most_bits, LOWER_MOST_ROUNDING);
    if (o->output_bits < 1 || o->output_bits > 24)
        return fail(ANNULUS_ERR_INPUT, "%u output bits: 1 to 24 are possible", o->output_bits);
    if (!(o->margin >= 0) || o->margin > 10)
        return fail(ANNULUS_ERR_INPUT, "margin %g: 0 to 10 are possible", o->margin);
    if (rounds_auto(o))
        return fail(ANNULUS_ERR_INPUT, "a method of rounding that is to be chosen: round approximately or exactly");
    if (o->shared_output) TRY(shared_rounding_check(o));
    double most = o->target == ERROR_PER_LOOKUP ? o->log2_error : 0;
    for (size_t i = 0; i < o->layer_errors_count; i++) most = fmax(most, o->layer_errors[i].log2_error);
    if (o->shared_output && !(most <= CIRCUIT_SHARED_LOG2_ERROR))
        return fail(ANNULUS_ERR_INPUT,
                    "results for others to see need error probabilities of a look-up of at most 2^%d",
                    CIRCUIT_SHARED_LOG2_ERROR);
    TRY(phase_noise_check(o));
    if (o->wrap_clamps && (o->phase_noise == 0 || o->shared_output))
        return fail(ANNULUS_ERR_INPUT,
                    "clamped functions that wrap are read with noise: give a phase noise, and none of "
                    "their answers to others");
    TRY(network_check(n));
    if (o->ranges_measured)
        TRY(distinct_check(n, calibration, count, DISTINCT_LEAST, "measure ranges", ", or ask for proven ranges"));
    for (size_t i = 0; o->shared_output && i < n->layers_count; i++)
        if (activation_is_wave(n->layers[i].act))
            return fail(ANNULUS_ERR_INPUT,
                        "layer %zu: the answers of a torus-native layer depend on noise, which results for others to "
                        "see must not",
                        i + 1);
    return ANNULUS_OK;
}

/* The layer of this name, hidden or any; else what there is. */
static annulus_status find_layer(const circuit *c, const char *what, const char *name, int hidden, circuit_layer **out)
{
    const size_t count = c->layers_count - (hidden ? 1 : 0);
    char names[CIRCUIT_MAX_LAYERS * 12] = "";
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(c->layers[i].name, name) == 0) {
            *out = &c->layers[i];
            return ANNULUS_OK;
        }
        if (at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i == 0 ? "" : ", ", c->layers[i].name);
    }
    return fail(ANNULUS_ERR_INPUT, "%s of %.40s: no such layer, there are %s", what, name, names);
}

static annulus_status refuse_native(const network *n, const circuit *c, const circuit_layer *l, const char *what)
{
    if (!activation_is_wave(n->layers[l - c->layers].act)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s of %s, which is torus-native: it has a phase noise instead", what, l->name);
}

static annulus_status assign_errors(const network *n, const lower_options *o, circuit *c)
{
    for (size_t e = 0; e < o->layer_errors_count; e++) {
        const layer_error *own = &o->layer_errors[e];
        circuit_layer *l = NULL;
        TRY(find_layer(c, "error probability", own->layer, 0, &l));
        TRY(refuse_native(n, c, l, "error probability"));
        if (l->log2_error != 0) return fail(ANNULUS_ERR_INPUT, "two error probabilities of %s", own->layer);
        if (!(own->log2_error < 0) || own->log2_error < -512)
            return fail(ANNULUS_ERR_INPUT, "error probability 2^%g of %s: must be in [2^-512, 1)", own->log2_error,
                        own->layer);
        l->log2_error = own->log2_error;
    }
    return ANNULUS_OK;
}

/* Every layer that has its own rounding exists, and has one. */
static annulus_status check_roundings(const network *n, const lower_options *o, const circuit *c)
{
    for (size_t e = 0; e < o->layer_roundings_count; e++) {
        circuit_layer *l = NULL;
        TRY(find_layer(c, "rounding", o->layer_roundings[e].layer, 1, &l));
        TRY(refuse_native(n, c, l, "rounding"));
        for (size_t k = 0; k < e; k++)
            if (strcmp(o->layer_roundings[k].layer, l->name) == 0)
                return fail(ANNULUS_ERR_INPUT, "two roundings of %s", l->name);
    }
    return ANNULUS_OK;
}

annulus_status lower_named_options(const network *n, const lower_options *o, circuit *c)
{
    TRY(assign_errors(n, o, c));
    return check_roundings(n, o, c);
}
