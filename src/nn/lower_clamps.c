/* SPDX-License-Identifier: Apache-2.0 */
/* Clamped functions as waves: the function on half a period, its mirror image on the other, both ends level. */
#include "base/memory.h"
#include "nn/lower_priv.h"
#include "nn/pass.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define POINTS 8192  /* of a range, between which the ramp is looked for */
#define ROOM 1.01    /* half periods: cells at either end, which sums are rounded to */
#define GAIN 0.95    /* of the range, that half a period must be below */
#define OWN_STEPS 16 /* of a wave, besides the function's own */

/* A layer's function on the sums that its inputs can have, in units of the real sums. */
typedef struct clamp {
    function f;
    double lo, hi;     /* range of the sums of all neurons */
    double from, to;   /* the ramp: level below and above */
    int32_t low, high; /* integers there */
    double half;       /* period that keeps every sum on the right plateau, at least */
    double unit;       /* what one unit of the integer sums adds to the real ones */
    int fits;
} clamp;

/* Least and largest real sum of layer i, whose sources have the ranges of their quantizers. */
static annulus_status sums_range(const network *n, size_t i, clamp *k)
{
    const dense_layer *d = &n->layers[i];
    int32_t factors[NETWORK_MAX_LAYERS];
    int64_t *lo, *hi;
    linear_view *view = NULL;
    size_t at = 0;
    void *p;
    TRY(network_factors(n, i, factors, &k->unit));
    TRY(mem_create(2 * d->in, sizeof(int64_t), "ranges", &p));
    lo = p, hi = lo + d->in;
    for (size_t s = 0; s < d->sources_count; s++) {
        const quantizer *q = d->sources[s] == 0 ? &n->input : &n->layers[d->sources[s] - 1].out_q;
        int32_t least, most;
        quantizer_range(q, &least, &most);
        for (size_t v = network_source_values(n, d->sources[s]); v > 0; v--, at++)
            lo[at] = (int64_t)factors[s] * (least - q->zero), hi[at] = (int64_t)factors[s] * (most - q->zero);
    }
    const annulus_status st = linear_view_create(&d->linear, d->in, d->out, &view);
    k->lo = INFINITY, k->hi = -INFINITY;
    for (size_t o = 0; st == ANNULUS_OK && o < d->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        int64_t first = 0, last = 0;
        for (size_t t = linear_view_row(view, o, &input, &weight); t > 0; t--) {
            const int64_t w = weight[t - 1];
            first += w * (w > 0 ? lo : hi)[input[t - 1]];
            last += w * (w > 0 ? hi : lo)[input[t - 1]];
        }
        const double constant = d->constant == NULL ? 0 : d->constant[o];
        k->lo = fmin(k->lo, d->w_scale[o] * ((double)first * k->unit + constant) + d->bias[o]);
        k->hi = fmax(k->hi, d->w_scale[o] * ((double)last * k->unit + constant) + d->bias[o]);
    }
    linear_view_destroy(view);
    mem_free(p);
    k->unit *= d->w_scale[0];
    return st;
}

/* The ramp, wider by a point at either end, and the half period: of a sum beyond it the point half a period away must
 * be level at the other end. */
static void find_ramp(const quantizer *q, clamp *k)
{
    const double apart = (k->hi - k->lo) / POINTS;
    int below = 0, above = POINTS;
    k->low = quantizer_integer(q, function_apply(&k->f, k->lo));
    k->high = quantizer_integer(q, function_apply(&k->f, k->hi));
    while (below < POINTS && quantizer_integer(q, function_apply(&k->f, k->lo + (below + 1) * apart)) == k->low)
        below++;
    while (above > 0 && quantizer_integer(q, function_apply(&k->f, k->lo + (above - 1) * apart)) == k->high) above--;
    k->from = k->lo + below * apart, k->to = k->lo + above * apart;
    k->half = ROOM * fmax(k->to - k->lo, k->hi - k->from);
    k->fits = below < above && k->half < GAIN * (k->hi - k->lo);
}

/* The integer that q makes of the last value, of one signed bit -1 or 1. */
static size_t append_integers(function *w, const quantizer *q)
{
    const int two = quantizer_is_bipolar(q);
    int32_t lo, hi;
    quantizer_range(q, &lo, &hi);
    size_t y = two ? function_append(w, FUNCTION_GREATER_EQUAL, function_value(w->count), function_constant(0),
                                     function_constant(0))
                   : function_append(w, FUNCTION_DIV, function_value(w->count), function_constant(q->scale),
                                     function_constant(0));
    if (two) y = function_append(w, FUNCTION_MUL, function_value(y), function_constant(2), function_constant(0));
    y = function_append(w, FUNCTION_ADD, function_value(y), function_constant(two ? -1 : 0.5), function_constant(0));
    if (two) return y;
    y = function_append(w, FUNCTION_FLOOR, function_value(y), function_constant(0), function_constant(0));
    return function_append(w, FUNCTION_CLIP, function_value(y), function_constant(lo - q->zero),
                           function_constant(hi - q->zero));
}

/* Of u in periods: q(f) on the half period about the ramp, low + high less that on the other. */
static function wave_of(const clamp *k, const quantizer *q, double period)
{
    const double start = (k->from + k->to - period / 2) / 2;
    function w = {0};
    const size_t turned =
        function_append(&w, FUNCTION_SUB, function_value(0), function_constant(start / period), function_constant(0));
    const size_t whole =
        function_append(&w, FUNCTION_FLOOR, function_value(turned), function_constant(0), function_constant(0));
    const size_t part =
        function_append(&w, FUNCTION_SUB, function_value(turned), function_value(whole), function_constant(0));
    const size_t second =
        function_append(&w, FUNCTION_GREATER_EQUAL, function_value(part), function_constant(0.5), function_constant(0));
    const size_t moved =
        function_append(&w, FUNCTION_MUL, function_value(second), function_constant(0.5), function_constant(0));
    size_t u = function_append(&w, FUNCTION_SUB, function_value(part), function_value(moved), function_constant(0));
    u = function_append(&w, FUNCTION_MUL, function_value(u), function_constant(period), function_constant(0));
    u = function_append(&w, FUNCTION_ADD, function_value(u), function_constant(start), function_constant(0));
    (void)function_append(&w, FUNCTION_CLIP, function_value(u), function_constant(k->lo), function_constant(k->hi));
    function_chain(&w, &k->f);
    size_t y = append_integers(&w, q);
    const size_t mirror =
        function_append(&w, FUNCTION_SUB, function_constant(k->low + k->high), function_value(y), function_constant(0));
    y = function_append(&w, FUNCTION_WHERE, function_value(second), function_value(mirror), function_value(y));
    (void)function_append(&w, FUNCTION_MUL, function_value(y), function_constant(q->scale), function_constant(0));
    return w;
}

static int is_named(const lower_options *o, const network *n, size_t i)
{
    char name[32];
    int named = 0;
    (void)snprintf(name, sizeof name, "layer %zu", network_number(n, i));
    for (size_t k = 0; k < o->layer_errors_count; k++) named |= strcmp(o->layer_errors[k].layer, name) == 0;
    for (size_t k = 0; k < o->layer_roundings_count; k++) named |= strcmp(o->layer_roundings[k].layer, name) == 0;
    return named;
}

/* Of a hidden layer of a copy; fits 0: it is no clamp, or none that may be a wave. */
static annulus_status find_clamp(const network *n, size_t i, const lower_options *options, clamp *k)
{
    const dense_layer *d = &n->layers[i];
    *k = (clamp){.fits = 0};
    if (activation_is_wave(d->act) || d->act >= ACTIVATION_STEP || d->proven || is_named(options, n, i))
        return ANNULUS_OK;
    for (size_t o = 1; o < d->out; o++)
        if (d->w_scale[o] != d->w_scale[0]) return ANNULUS_OK;
    k->f = dense_layer_program(d);
    if (k->f.vary > 0) return ANNULUS_OK; /* a ramp of each neuron's own */
    if (k->f.count + OWN_STEPS > FUNCTION_MAX_STEPS) return ANNULUS_OK;
    TRY(sums_range(n, i, k));
    if (k->hi > k->lo) find_ramp(&d->out_q, k);
    return ANNULUS_OK;
}

/* What one unit of the sums of a group's clamps moves the phase by: the most that all their half periods leave, in a
 * plain ratio to that of the group's first wave. 0: not all are clamps or waves. */
static annulus_status common_phase(const network *n, const size_t *group, size_t first, const clamp *k, double *out)
{
    double most = INFINITY, wave = 0;
    *out = 0;
    for (size_t i = first; i < n->layers_count; i++) {
        int32_t factors[NETWORK_MAX_LAYERS];
        double unit;
        if (group[i] != first) continue;
        if (i + 1 == n->layers_count || (!k[i].fits && !activation_is_wave(n->layers[i].act))) return ANNULUS_OK;
        if (k[i].fits) {
            most = fmin(most, k[i].unit / (2 * k[i].half));
            continue;
        }
        TRY(network_factors(n, i, factors, &unit));
        if (wave == 0) wave = unit * n->layers[i].w_scale[0];
    }
    if (wave == 0)
        *out = most;
    else
        *out = most >= wave ? wave * fmin(floor(most / wave), NETWORK_MAX_FACTOR) : wave / ceil(wave / most);
    return ANNULUS_OK;
}

/* Whether q makes antiperiodic integers of the wave: those of the mirrored half may leave its range. */
static int has_wave(const dense_layer *d, const clamp *k, double phase)
{
    const function own = wave_of(k, &d->out_q, k->unit / phase);
    int32_t mid2;
    return wave_is_antiperiodic(&own, &d->out_q, &mid2);
}

static void become_wave(dense_layer *d, const clamp *k, double phase)
{
    const double period = k->unit / phase;
    d->act = ACTIVATION_WAVE;
    d->own = wave_of(k, &d->out_q, period);
    for (size_t o = 0; o < d->out; o++) d->w_scale[o] /= period, d->bias[o] /= period;
}

/* Makes waves of the clamps of the group that begins at layer `first`, all or none; adds them to *waves. */
static annulus_status group_becomes(network *n, const size_t *group, size_t first, const clamp *k, size_t *waves)
{
    double phase;
    TRY(common_phase(n, group, first, k, &phase));
    if (phase <= 0) return ANNULUS_OK;
    for (size_t m = first; m < n->layers_count; m++)
        if (group[m] == first && k[m].fits && !has_wave(&n->layers[m], &k[m], phase)) return ANNULUS_OK;
    for (size_t m = first; m < n->layers_count; m++) {
        if (group[m] != first || !k[m].fits) continue;
        become_wave(&n->layers[m], &k[m], phase);
        ++*waves;
    }
    return ANNULUS_OK;
}

annulus_status lower_clamps(const network *n, const lower_options *options, network **made)
{
    size_t group[NETWORK_MAX_LAYERS], waves = 0;
    void *p;
    *made = NULL;
    TRY(mem_create(n->layers_count, sizeof(clamp), "functions", &p));
    clamp *k = p;
    network *c = NULL;
    annulus_status st = pass_copy(n, &c);
    if (st == ANNULUS_OK) lower_find_groups(c, group);
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < c->layers_count; i++) st = find_clamp(c, i, options, &k[i]);
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < c->layers_count; i++)
        if (group[i] == i) st = group_becomes(c, group, i, k, &waves);
    mem_free(k);
    if (st == ANNULUS_OK && waves > 0)
        *made = c;
    else
        network_destroy(c);
    return st;
}
