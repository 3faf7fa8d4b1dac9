/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_budget_priv.h"

#include "circuit/latency.h"
#include "optimizer/noise.h"
#include "train/prune.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNGS_MOST 12u

static const double errors[] = {0.3, 0.1, 0.01, 0.001};
static const unsigned bits[] = {6, 7, 8};

/* A way to compile; the deviation with which it reads a sum, over the range of the table. */
typedef struct rung {
    double error, reads;
    unsigned rounding_bits;
} rung;

typedef struct search {
    const dataset *data;
    const train_options *o;
    const train_budget *budget;
    const annulus_progress *progress;
    rung rungs[RUNGS_MOST]; /* the best first, the last one the cheapest */
    size_t count;
} search;

static int by_reading(const void *a, const void *b)
{
    const rung *x = a, *y = b;
    return x->reads < y->reads ? -1 : x->reads > y->reads;
}

/* Within a cell a sum is anywhere: 1/12 of a cell's square beside that of the noise. */
static void add_rung(search *s, unsigned rounding_bits, double error)
{
    const double sigma = 0.5 / noise_kappa(log2(error)); /* in cells: 2 Q(1/(2 sigma)) = error (docs/rounding.md) */
    s->rungs[s->count++] = (rung){error, sqrt(1.0 / 12 + sigma * sigma) * exp2(-(double)rounding_bits), rounding_bits};
}

static void list_rungs(search *s)
{
    const unsigned given = s->budget->rounding_bits;
    for (size_t b = 0; b < (given > 0 ? 1 : sizeof bits / sizeof *bits); b++)
        for (size_t e = 0; e < (s->o->target_error > 0 ? 1 : sizeof errors / sizeof *errors); e++)
            add_rung(s, given > 0 ? given : bits[b], s->o->target_error > 0 ? s->o->target_error : errors[e]);
    qsort(s->rungs, s->count, sizeof *s->rungs, by_reading);
}

static lower_options lowering(const rung *r)
{
    lower_options l;
    lower_options_init(&l);
    l.log2_error = log2(r->error), l.rounding_bits = r->rounding_bits;
    return l;
}

annulus_status train_predict(const network *n, const dataset *data, const lower_options *o, unsigned threads,
                             double *seconds)
{
    circuit *c = NULL;
    TRY(network_lower(n, data->x, data->count < TRAIN_CALIBRATION ? data->count : TRAIN_CALIBRATION, o, &c));
    *seconds = circuit_seconds(c, threads, NULL);
    circuit_destroy(c);
    return ANNULUS_OK;
}

/* Whether rung k fits; one for which there are no parameters does not. */
static annulus_status rung_fits(const search *s, const network *n, size_t k, double *seconds, int *fits)
{
    const lower_options l = lowering(&s->rungs[k]);
    const annulus_status st = train_predict(n, s->data, &l, s->budget->threads, seconds);
    *fits = st == ANNULUS_OK && *seconds <= s->budget->seconds;
    return st == ANNULUS_ERR_INFEASIBLE && k + 1 < s->count ? ANNULUS_OK : st;
}

/* The best rung that fits and its seconds, by bisection: better ones take longer. *at is their count if none does, and
 * *seconds those of the last one. */
static annulus_status best_rung(const search *s, const network *n, size_t *at, double *seconds)
{
    size_t low = 0, high = s->count - 1; /* from high on they fit */
    double last;
    int fits;
    TRY(rung_fits(s, n, s->count - 1, seconds, &fits));
    *at = s->count;
    if (!fits) return ANNULUS_OK;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        TRY(progress_report(s->progress, "trying parameters", s->count - (high - low), s->count));
        TRY(rung_fits(s, n, middle, &last, &fits));
        if (fits)
            high = middle, *seconds = last;
        else
            low = middle + 1;
    }
    *at = high;
    return progress_report(s->progress, "trying parameters", 1, 1);
}

/* What is left of n when as many neurons go as the cheapest rung needs; epochs of fine-tuning. */
static annulus_status fewer_neurons(const search *s, const network *n, double seconds, unsigned epochs,
                                    train_report report, void *context, network **out)
{
    prune_options p;
    const lower_options l = lowering(&s->rungs[s->count - 1]);
    prune_options_init(&p);
    p.seconds = seconds;
    p.threads_seconds = s->budget->threads;
    p.lower = &l;
    p.train = *s->o;
    p.train.checkpoint = NULL;
    p.train.epochs = epochs;
    p.train.learning_rate /= 3;
    p.train.target_error = s->rungs[s->count - 1].error;
    p.train.rounding_bits = s->rungs[s->count - 1].rounding_bits;
    return prune_network(n, s->data, &p, report, context, s->progress, NULL, out);
}

annulus_status train_take_widths(const dataset *data, const network *n, train_options *o)
{
    train_options shape, given = *o;
    given.from = n;
    TRY(train_from_options(data, &given, &shape));
    memcpy(o->conv, shape.conv, sizeof o->conv);
    memcpy(o->hidden, shape.hidden, sizeof o->hidden);
    return ANNULUS_OK;
}

train_options train_probe_options(const train_options *o)
{
    train_options quick = *o;
    quick.epochs = 1, quick.patience = 0, quick.checkpoint = NULL;
    quick.distill_count = 0, quick.teacher = NULL, quick.taught_by = NULL;
    return quick;
}

/* Options of the training proper: neurons and look-ups as a network of one epoch needs them. */
static annulus_status plan(const search *s, train_options *o)
{
    const train_options quick = train_probe_options(s->o);
    network *probe = NULL, *small = NULL;
    size_t at;
    double seconds;
    TRY(train_network(s->data, &quick, NULL, NULL, s->progress, &probe));
    annulus_status st = best_rung(s, probe, &at, &seconds);
    if (st == ANNULUS_OK && at == s->count)
        st = fewer_neurons(s, probe, TRAIN_HEADROOM * s->budget->seconds, 0, NULL, NULL, &small);
    if (st == ANNULUS_OK && small != NULL) st = train_take_widths(s->data, small, o);
    if (st == ANNULUS_OK) {
        const rung *r = &s->rungs[at < s->count ? at : s->count - 1];
        o->target_error = r->error, o->rounding_bits = r->rounding_bits;
    }
    network_destroy(probe), network_destroy(small);
    return st;
}

/* Removes neurons from *n, if it takes that, so that it fits at *at: pruning settles what fine-tuning moves. */
static annulus_status settle(const search *s, train_report report, void *context, network **n, size_t *at,
                             double *seconds)
{
    const unsigned epochs = s->o->epochs / 4 > 0 ? s->o->epochs / 4 : 1;
    network *small = NULL;
    TRY(best_rung(s, *n, at, seconds));
    if (*at < s->count) return ANNULUS_OK;
    TRY(fewer_neurons(s, *n, TRAIN_HEADROOM * s->budget->seconds, epochs, report, context, &small));
    network_destroy(*n);
    *n = small;
    TRY(best_rung(s, *n, at, seconds));
    REQUIRE(*at < s->count);
    return ANNULUS_OK;
}

static annulus_status budget_check(const train_options *o, const train_budget *b)
{
    if (!(b->seconds > 0) || !isfinite(b->seconds))
        return fail(ANNULUS_ERR_INPUT, "training within %g s: a positive number is needed", b->seconds);
    if (b->rounding_bits > 12)
        return fail(ANNULUS_ERR_INPUT, "training options: rounding_bits is %u, 1 to 12 are possible", b->rounding_bits);
    if (o->from != NULL)
        return fail(ANNULUS_ERR_INPUT, "training within seconds chooses the layers: prune a network that there is");
    if (train_all_waves(o)) return ANNULUS_OK;
    if (o->index_noise > 0 || (b->noise_given && o->target_error == 0 && !train_any_waves(o)))
        return fail(
            ANNULUS_ERR_INPUT,
            "training within seconds chooses how often look-ups err: give target_error in place of another noise");
    return ANNULUS_OK;
}

static annulus_status within(search *s, train_report report, void *context, train_choice *choice, network **out)
{
    train_options o = *s->o;
    network *n = NULL;
    size_t at;
    double seconds;
    list_rungs(s);
    TRY(plan(s, &o));
    TRY(train_network(s->data, &o, report, context, s->progress, &n));
    const annulus_status st = settle(s, report, context, &n, &at, &seconds);
    if (st != ANNULUS_OK) {
        network_destroy(n);
        return st;
    }
    *choice = (train_choice){.error = s->rungs[at].error,
                             .rounding_bits = s->rungs[at].rounding_bits,
                             .hidden_count = n->layers_count - 1,
                             .seconds = seconds};
    for (size_t i = 0; i < choice->hidden_count; i++) choice->hidden[i] = dense_layer_neurons(&n->layers[i]);
    *out = n;
    return ANNULUS_OK;
}

annulus_status train_within(const dataset *data, const train_options *options, const train_budget *budget,
                            train_report report, void *context, const annulus_progress *progress, train_choice *choice,
                            network **out)
{
    train_model kept = {0};
    train_options o = *options;
    search s = {.data = data, .o = &o, .budget = budget, .progress = progress};
    void *thresholds;
    TRY(budget_check(options, budget));
    TRY(mem_create(data->targets > 0 ? data->targets : 1, sizeof(double), "thresholds", &thresholds));
    if (o.kept == NULL) o.kept = &kept;
    o.thresholds_in = thresholds;
    const annulus_status st = train_all_waves(options)
                                  ? train_within_waves(data, &o, budget, report, context, progress, choice, out)
                                  : within(&s, report, context, choice, out);
    train_model_destroy(&kept);
    mem_free(thresholds);
    return st;
}
