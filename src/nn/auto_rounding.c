/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/auto_rounding.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec.h"
#include "circuit/latency.h"
#include "nn/distinct.h"
#include "nn/lower_priv.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_SAMPLES 1e9 /* that are asked for */
#define LEAST_GAIN 0.001 /* of the seconds: a bit that saves less stays */

/* families_most of options is that of the trial at hand. */
typedef struct tuning {
    const network *n;
    const float *x;
    size_t count, outputs, hidden; /* samples, outputs, layers whose rounding is chosen */
    lower_options options;
    const rounding_goal *goal;
    double *want, *got; /* (count, outputs) of the network and of the circuit tried */
    int32_t *q;         /* (count, inputs): every circuit quantizes alike */
    int quantized;
    char (*names)[32];        /* (hidden) */
    rounding_method *allowed; /* (hidden) auto: approximate or exact */
    layer_rounding *named;    /* (hidden + others) those of a trial, and behind them what else the options name */
    size_t others;
    size_t trials, planned;
} tuning;

/* Of the layers whose rounding is chosen. */
typedef struct rounding {
    unsigned bits;
    rounding_method method;
} rounding;

typedef struct trial {
    rounding of[NETWORK_MAX_LAYERS];
    circuit *c;     /* NULL: there are no parameters */
    double seconds; /* predicted; INFINITY without parameters */
    double loss, standard_error;
} trial;

static void classification_loss(const tuning *t, trial *out)
{
    double lost = 0, changed = 0;
    for (size_t i = 0; i < t->count; i++) {
        const size_t a = exec_answer(t->want + i * t->outputs, t->outputs),
                     b = exec_answer(t->got + i * t->outputs, t->outputs);
        const int32_t *label = t->goal->label;
        changed += a != b;
        lost += label == NULL ? a != b : ((int32_t)a == label[i]) - ((int32_t)b == label[i]);
    }
    out->loss = 100 * lost / (double)t->count;
    out->standard_error = 100 * sqrt(changed) / (double)t->count;
}

/* Labels that change. */
static void labels_loss(const tuning *t, trial *out)
{
    double changed = 0;
    const double all = (double)(t->count * t->outputs);
    for (size_t k = 0; k < t->count * t->outputs; k++) changed += (t->want[k] > 0) != (t->got[k] > 0);
    out->loss = 100 * changed / all;
    out->standard_error = 100 * sqrt(changed) / all;
}

static void regression_loss(const tuning *t, trial *out)
{
    double error = 0, spread = 0;
    for (size_t o = 0; o < t->outputs; o++) {
        double mean = 0;
        for (size_t i = 0; i < t->count; i++) mean += t->want[i * t->outputs + o] / (double)t->count;
        for (size_t i = 0; i < t->count; i++) {
            const double want = t->want[i * t->outputs + o], got = t->got[i * t->outputs + o];
            error += (got - want) * (got - want);
            spread += (want - mean) * (want - mean);
        }
    }
    out->loss = spread > 0 ? 100 * error / spread : error > 0 ? INFINITY : 0;
    out->standard_error = 0;
}

static annulus_status simulate(tuning *t, trial *out)
{
    const seed256 seed = {{0}};
    for (size_t i = 0; !t->quantized && i < t->count; i++)
        TRY(circuit_quantize(out->c, t->x + i * t->n->inputs, 1, t->q + i * t->n->inputs));
    t->quantized = 1;
    TRY(exec_simulate(out->c, t->q, t->count, &seed, t->goal->threads, t->got, NULL));
    for (size_t i = 0; i < t->count; i++) exec_values(out->c, t->got + i * t->outputs, t->got + i * t->outputs);
    if (t->n->task == NETWORK_CLASSIFICATION || t->n->task == NETWORK_TOP_1)
        classification_loss(t, out);
    else if (t->n->task == NETWORK_MULTI_LABEL)
        labels_loss(t, out);
    else
        regression_loss(t, out);
    return ANNULUS_OK;
}

/* The circuit rounded so, if there are parameters, what it costs and loses. out->c is the caller's. */
static annulus_status try_roundings(tuning *t, const rounding *of, trial *out)
{
    lower_options options = t->options;
    *out = (trial){.seconds = INFINITY, .loss = INFINITY};
    for (size_t i = 0; i < t->hidden; i++) {
        out->of[i] = of[i];
        t->named[i] = (layer_rounding){t->names[i], of[i].bits, of[i].method};
    }
    if (options.method == ROUNDING_AUTO) options.method = ROUNDING_UNSAID;
    options.compiles_remedies = 0; /* they name no widths */
    options.progress = NULL;       /* trials are counted here */
    options.layer_roundings = t->named;
    options.layer_roundings_count = t->hidden + t->others;
    if (t->trials == t->planned) t->planned++;
    TRY(progress_report(t->goal->progress, "rounding", t->trials++, t->planned));
    const annulus_status st = network_lower(t->n, t->x, t->count, &options, &out->c);
    if (st == ANNULUS_ERR_INFEASIBLE) return ANNULUS_OK;
    if (st != ANNULUS_OK) return st;
    out->seconds = circuit_seconds(out->c, t->options.threads, NULL);
    return simulate(t, out);
}

static void keep(trial *kept, trial *other)
{
    circuit_destroy(kept->c);
    *kept = *other;
    other->c = NULL;
}

/* The method of a layer where those that may be exact are, or are not. */
static rounding_method method_of(const tuning *t, size_t i, int exact)
{
    return t->allowed[i] != ROUNDING_AUTO ? t->allowed[i] : exact ? ROUNDING_EXACT : ROUNDING_APPROXIMATE;
}

/* The smallest width of all layers that is within the budget; wider ones are tried while there are parameters. Exact
 * rounding to few bits makes more layers than a circuit holds, so that there may be none before a wider one. */
static annulus_status same_width(tuning *t, int exact, trial *best)
{
    double least = INFINITY;
    rounding of[NETWORK_MAX_LAYERS];
    unsigned at = 0;
    int none = 0, any_exact = 0;
    for (size_t i = 0; i < t->hidden; i++) any_exact |= method_of(t, i, exact) == ROUNDING_EXACT;
    for (unsigned bits = 1; bits <= LOWER_MOST_ROUNDING && (!none || (any_exact && at == 0)); bits++) {
        trial now;
        for (size_t i = 0; i < t->hidden; i++) of[i] = (rounding){bits, method_of(t, i, exact)};
        const annulus_status st = try_roundings(t, of, &now);
        none = st == ANNULUS_OK && now.c == NULL;
        if (now.c != NULL && (at == 0 || now.loss < least)) least = now.loss, at = bits;
        if (st == ANNULUS_OK && now.loss <= t->goal->budget) {
            *best = now;
            return ANNULUS_OK;
        }
        circuit_destroy(now.c);
        if (st != ANNULUS_OK) return st;
    }
    if (at == 0) /* the message is that of the last search */
        return any_exact ? fail_prefix(ANNULUS_ERR_INFEASIBLE, "exact rounding to no width is possible; to %u bits",
                                       LOWER_MOST_ROUNDING)
                         : ANNULUS_ERR_INFEASIBLE;
    return fail(
        ANNULUS_ERR_INPUT,
        "no rounding loses at most %g %% on the %zu calibration samples: the least loss is %.3g %%, at %u bits%s; "
        "allow more, or a smaller error probability",
        t->goal->budget, t->count, least, at, none ? ", and wider look-ups have no parameters" : "");
}

/* Takes the trial if it is within the budget and faster than *better. */
static annulus_status try_better(tuning *t, const rounding *of, trial *better)
{
    trial now;
    const annulus_status st = try_roundings(t, of, &now);
    if (st == ANNULUS_OK && now.loss <= t->goal->budget && now.seconds < better->seconds) keep(better, &now);
    circuit_destroy(now.c);
    return st;
}

/* One bit less, or approximate instead of exact rounding, in the layer where it saves most; *found 0: nowhere. */
static annulus_status narrow(tuning *t, trial *best, int *found)
{
    trial better = {.seconds = best->seconds * (1 - LEAST_GAIN)};
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < t->hidden; i++) {
        rounding of[NETWORK_MAX_LAYERS];
        memcpy(of, best->of, sizeof of);
        of[i].bits--;
        if (!t->goal->keep_widths && of[i].bits > 0) st = try_better(t, of, &better);
        of[i] = (rounding){best->of[i].bits, ROUNDING_APPROXIMATE};
        if (st == ANNULUS_OK && t->allowed[i] == ROUNDING_AUTO && best->of[i].method == ROUNDING_EXACT)
            st = try_better(t, of, &better);
    }
    *found = better.c != NULL;
    if (st == ANNULUS_OK && *found) keep(best, &better);
    circuit_destroy(better.c);
    return st;
}

static annulus_status apply_one(void *context, size_t i, unsigned worker)
{
    (void)worker;
    const tuning *t = context;
    return network_apply(t->n, t->x + i * t->n->inputs, t->want + i * t->outputs);
}

static int is_named(const lower_options *o, const char *layer)
{
    int named = 0;
    for (size_t i = 0; i < o->layer_roundings_count; i++) named |= strcmp(o->layer_roundings[i].layer, layer) == 0;
    return named;
}

/* Whether the layer's rounding is chosen here: not that of scores that are compared, unless it is named. */
static int is_tuned(const tuning *t, size_t i, char name[32])
{
    const dense_layer *l = &t->n->layers[i];
    (void)snprintf(name, 32, "layer %zu", network_number(t->n, i));
    return !activation_is_wave(l->act) && (l->rounding_bits == 0 || is_named(&t->options, name));
}

/* Names of layers that are none, or not rounded, stay among the roundings: network_lower refuses them. */
static annulus_status name_roundings(tuning *t)
{
    const lower_options *o = &t->options;
    size_t waves = 0;
    for (size_t i = 0; i + 1 < t->n->layers_count; i++) {
        waves += activation_is_wave(t->n->layers[i].act) != 0;
        t->hidden += is_tuned(t, i, t->names[t->hidden]) != 0;
    }
    if (t->hidden == 0 && waves > 0)
        return fail(ANNULUS_ERR_INPUT, "every layer of look-ups is torus-native, and not rounded: ask for no rounding");
    for (size_t k = 0; k < o->layer_roundings_count; k++) {
        const layer_rounding *own = &o->layer_roundings[k];
        int tuned = 0;
        for (size_t i = 0; i < t->hidden; i++) tuned |= strcmp(own->layer, t->names[i]) == 0;
        for (size_t j = 0; tuned && j < k; j++)
            if (strcmp(own->layer, o->layer_roundings[j].layer) == 0)
                return fail(ANNULUS_ERR_INPUT, "two roundings of %s", own->layer);
        if (!tuned) t->named[t->hidden + t->others++] = (layer_rounding){own->layer, own->bits, ROUNDING_UNSAID};
    }
    for (size_t i = 0; i < t->hidden; i++) t->allowed[i] = lower_rounding(o, t->names[i]).method;
    return ANNULUS_OK;
}

static annulus_status tuning_init(tuning *t)
{
    const size_t layers = t->n->layers_count;
    void *p;
    TRY(mem_create(2 * t->count * t->outputs, sizeof(double), "values", &p));
    t->want = p;
    t->got = t->want + t->count * t->outputs;
    TRY(mem_create(t->count * t->n->inputs, sizeof(int32_t), "samples", &p));
    t->q = p;
    TRY(mem_create(layers, sizeof *t->names + sizeof *t->allowed, "layers", &p));
    t->names = p;
    t->allowed = (rounding_method *)(void *)(t->names + layers);
    TRY(mem_create(layers + t->options.layer_roundings_count, sizeof *t->named, "layers", &p));
    t->named = p;
    TRY(name_roundings(t));
    t->planned = 6 + 3 * t->hidden;
    return parallel_for(t->count, t->goal->threads, apply_one, t);
}

/* The best of what begins with one width for all, exact where that may be, or not. */
static annulus_status free_widths(tuning *t, int exact, trial *best)
{
    int found = 1;
    TRY(same_width(t, exact, best));
    while (found) TRY(narrow(t, best, &found));
    return ANNULUS_OK;
}

/* Where methods are to be chosen the better of both beginnings. A failure of the one does not matter if the other is
 * within the budget. */
static annulus_status both_widths(tuning *t, trial *best)
{
    trial exact = {0};
    const annulus_status approximate_st = free_widths(t, 0, best);
    if (approximate_st != ANNULUS_OK && approximate_st != ANNULUS_ERR_INPUT && approximate_st != ANNULUS_ERR_INFEASIBLE)
        return approximate_st;
    const annulus_status st = free_widths(t, 1, &exact);
    if (st == ANNULUS_OK && (best->c == NULL || exact.seconds < best->seconds)) keep(best, &exact);
    circuit_destroy(exact.c);
    if (st == ANNULUS_ERR_INPUT || st == ANNULUS_ERR_INFEASIBLE) return best->c != NULL ? ANNULUS_OK : st;
    return st;
}

/* The widths that the options give: all approximate if that is within the budget, else exact where it must be. */
static annulus_status given_widths(tuning *t, trial *best)
{
    double least = INFINITY;
    for (int exact = 0; exact < 2; exact++) {
        rounding of[NETWORK_MAX_LAYERS];
        for (size_t i = 0; i < t->hidden; i++)
            of[i] = (rounding){lower_rounding(&t->options, t->names[i]).bits, method_of(t, i, exact)};
        TRY(try_roundings(t, of, best));
        if (best->loss <= t->goal->budget) {
            int found = 1;
            while (found) TRY(narrow(t, best, &found));
            return ANNULUS_OK;
        }
        least = fmin(least, best->loss);
        circuit_destroy(best->c);
        best->c = NULL;
    }
    if (isinf(least)) return ANNULUS_ERR_INFEASIBLE; /* the message is that of the search */
    return fail(ANNULUS_ERR_INPUT,
                "rounding to these widths loses at least %.3g %% on the %zu calibration samples, %g %% are allowed: "
                "allow more, wider tables, or a smaller error probability",
                least, t->count, t->goal->budget);
}

static annulus_status tune(tuning *t, trial *best)
{
    const uint32_t most = t->options.families_most;
    int choice = 0;
    for (size_t i = 0; i < t->hidden; i++) choice |= t->allowed[i] == ROUNDING_AUTO;
    t->options.families_most = 1;
    if (t->goal->keep_widths)
        TRY(given_widths(t, best));
    else if (choice)
        TRY(both_widths(t, best));
    else
        TRY(free_widths(t, 0, best));
    t->options.families_most = most;
    if (most > 1) {
        trial more = {.seconds = best->seconds};
        TRY(try_better(t, best->of, &more));
        if (more.c != NULL) keep(best, &more);
    }
    return progress_report(t->goal->progress, "rounding", t->trials, t->trials);
}

/* Different samples that resolve the budget: one answer of so many is no more of them. A variance has no steps. */
static size_t least_samples(const network *n, const rounding_goal *goal)
{
    const double answers = n->task == NETWORK_MULTI_LABEL ? (double)n->layers[n->layers_count - 1].out : 1;
    if (n->task == NETWORK_REGRESSION || !(goal->budget > 0)) return DISTINCT_LEAST;
    return (size_t)fmin(fmax(ceil(100 / goal->budget / answers), DISTINCT_LEAST), MOST_SAMPLES);
}

/* What the options and the goal do not have. */
static annulus_status check_goal(const network *n, const float *x, size_t count, const lower_options *o,
                                 const rounding_goal *goal)
{
    if (!(goal->budget >= 0))
        return fail(ANNULUS_ERR_INPUT, "a loss of at most %g %%: must be 0 or more", goal->budget);
    if (o->shared_output && o->method != ROUNDING_UNSAID && o->method != ROUNDING_EXACT)
        return fail(ANNULUS_ERR_INPUT, "results for others to see are rounded exactly or not at all");
    TRY(network_check(n));
    return distinct_check(n, x, count, least_samples(n, goal), "choose the rounding",
                          ", or allow a larger loss than their answers resolve");
}

static annulus_status lower_tuned(const network *n, const float *calibration, size_t count,
                                  const lower_options *options, const rounding_goal *goal, rounding_report *report,
                                  circuit **out)
{
    tuning t = {.n = n,
                .x = calibration,
                .count = count,
                .outputs = n->layers[n->layers_count - 1].out,
                .options = *options,
                .goal = goal};
    trial best = {0};
    annulus_status st = tuning_init(&t);
    if (st == ANNULUS_OK) st = tune(&t, &best);
    mem_free(t.want);
    mem_free(t.q);
    mem_free(t.names);
    mem_free(t.named);
    if (st != ANNULUS_OK) {
        circuit_destroy(best.c);
        return st;
    }
    if (report != NULL) *report = (rounding_report){best.loss, best.standard_error, count, t.trials};
    *out = best.c;
    return ANNULUS_OK;
}

annulus_status network_lower_auto(const network *n, const float *calibration, size_t count,
                                  const lower_options *options, const rounding_goal *goal, rounding_report *report,
                                  circuit **out)
{
    network *made;
    REQUIRE(goal->keep_widths || (options->rounding_bits == 0 && options->layer_roundings_count == 0));
    TRY(check_goal(n, calibration, count, options, goal));
    TRY(lower_answers(n, calibration, count, options, &made));
    const annulus_status st = lower_tuned(made == NULL ? n : made, calibration, count, options, goal, report, out);
    network_destroy(made);
    return st;
}
