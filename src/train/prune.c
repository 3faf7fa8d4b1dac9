/* SPDX-License-Identifier: Apache-2.0 */
#include "train/prune_priv.h"
#include "train/train_budget.h"

#include <math.h>
#include <stdio.h>

#define ROUNDS 3u /* of removal after fine-tuning */

void prune_options_init(prune_options *o)
{
    *o = (prune_options){.share = -1, .by = PRUNE_BY_ACTIVATION, .phase_noise = -1};
    train_options_init(&o->train);
    o->train.epochs = 10;
    o->train.learning_rate = 0.001;
}

typedef struct pruning {
    const network *n;
    const dataset *data;
    const prune_options *o;
    const annulus_progress *progress;
    const train_data *t;
    train_model *kept;     /* teacher of fine-tuning */
    double *thresholds_in; /* the network's */
    uint64_t key;
    size_t hidden; /* layers */
    prune_worth worth[TRAIN_MAX_HIDDEN];
    void *memory; /* of worth */
    prune_order order;
} pruning;

static size_t share_of(double share, size_t steps)
{
    return (size_t)floor(share * (double)steps + 0.5);
}

/* What of set `set` must stay: look-ups of one step. */
static size_t least_look_ups(const network *n, const network_ties *t, size_t set)
{
    size_t sum = 0;
    for (size_t i = set; i + 1 < n->layers_count; i++)
        if (t->set[i] == set) sum += n->layers[i].out / ties_steps(t, i);
    return sum;
}

static annulus_status vanishes(const network *n, const network_ties *t, size_t i, double share)
{
    const dense_layer *l = &n->layers[i];
    const size_t neurons = dense_layer_neurons(l), together = neurons / ties_steps(t, i);
    char tied[64] = "";
    if (together > 1) (void)snprintf(tied, sizeof tied, ", of which %zu go at a time,", together);
    return fail(ANNULUS_ERR_INPUT, "layer %zu of %zu %s%s would vanish at %g %%: remove fewer", i + 1, neurons,
                l->W != NULL || l->windows.channels == 0 ? "neurons" : "channels", tied, 100 * share);
}

static size_t waves(const network *n)
{
    size_t count = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++) count += activation_is_wave(n->layers[i].act) != 0;
    return count;
}

/* Of no epochs. Thresholds of an outer training are that one's to apply. */
static annulus_status untuned_check(const train_options *o)
{
    const int thresholds = o->thresholds_in == NULL && (o->thresholds_count > 0 || o->thresholds_best);
    if (o->sparsity > 0 || o->power_of_two || thresholds)
        return fail(ANNULUS_ERR_INPUT, "%s training: allow epochs of fine-tuning",
                    o->sparsity > 0   ? "sparsity takes"
                    : o->power_of_two ? "power_of_two takes"
                                      : "thresholds take");
    if (o->checkpoint == NULL) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "a checkpoint is of fine-tuning, 0 epochs have none: leave it out");
}

static annulus_status options_check(const network *n, const prune_options *o)
{
    const size_t hidden = n->layers_count - 1;
    network_ties t;
    size_t least = 0;
    network_ties_find(n, &t);
    for (size_t i = 0; i < hidden; i++)
        if (t.set[i] == i) least += least_look_ups(n, &t, i);
    if ((o->share >= 0) + (o->look_ups > 0) + (o->seconds > 0) != 1)
        return fail(ANNULUS_ERR_INPUT, "pruning needs one of neurons, look-ups and seconds");
    if (o->share >= 1) return fail(ANNULUS_ERR_INPUT, "%g %% of the neurons: [0, 100) is possible", 100 * o->share);
    if (o->phase_noise > 0.25 && waves(n) > 0)
        return fail(ANNULUS_ERR_INPUT, "a phase noise of %g periods: [0, 0.25] is possible", o->phase_noise);
    if (o->train.epochs == 0) TRY(untuned_check(&o->train));
    if (hidden == 0) return fail(ANNULUS_ERR_INPUT, "the network has no hidden layer: there is nothing to prune");
    if (o->look_ups > 0 && o->look_ups < least)
        return fail(ANNULUS_ERR_INPUT, "%zu look-ups in %zu hidden layers: a layer would vanish, %zu are needed",
                    o->look_ups, hidden, least);
    for (size_t i = 0; o->share >= 0 && i < hidden; i++)
        if (share_of(o->share, ties_steps(&t, i)) >= ties_steps(&t, i)) return vanishes(n, &t, i, o->share);
    return ANNULUS_OK;
}

/* Of waves rotations, each of which gives several values. */
static size_t look_ups(const network *n)
{
    size_t sum = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++) sum += n->layers[i].out;
    return sum;
}

static annulus_status allocate(pruning *p)
{
    size_t all = 0;
    for (size_t i = 0; i < p->hidden; i++) all += dense_layer_neurons(&p->n->layers[i]) * (1 + p->n->layers[i].offsets);
    TRY(mem_create(all, sizeof(double), "worth of neurons", &p->memory));
    double *at = p->memory;
    for (size_t i = 0; i < p->hidden; i++) {
        const size_t neurons = dense_layer_neurons(&p->n->layers[i]);
        p->worth[i] = (prune_worth){at, at + neurons};
        at += neurons * (1 + p->n->layers[i].offsets);
    }
    return ANNULUS_OK;
}

static void bear(double phase_noise, network *n)
{
    for (size_t i = 0; phase_noise >= 0 && i + 1 < n->layers_count; i++)
        if (activation_is_wave(n->layers[i].act)) n->layers[i].noise = (double)(float)phase_noise;
}

/* A copy without the steps of least worth, as long as they are no more than `most`, and more than `keep` look-ups are
 * left; of each set at most `of`, by its first layer (hidden), NULL: all but one. */
static annulus_status remove_least(const pruning *p, size_t most, size_t keep, const size_t *of, network **out)
{
    const network_ties *t = &p->order.ties;
    size_t gone[TRAIN_MAX_HIDDEN] = {0}, left = look_ups(p->n);
    network *masked = NULL;
    TRY(network_copy(p->n, &masked));
    annulus_status st = ANNULUS_OK;
    for (size_t k = 0; st == ANNULUS_OK && k < p->order.count && most > 0 && left > keep; k++) {
        const prune_step *s = &p->order.steps[k];
        if (gone[s->layer] == (of != NULL ? of[s->layer] : ties_steps(t, s->layer) - 1)) continue;
        st = prune_mask(&p->order, s, p->worth, masked);
        gone[s->layer]++;
        left -= s->look_ups;
        most--;
    }
    network *small = NULL;
    if (st == ANNULUS_OK) st = network_shrink(masked, &small, NULL);
    network_destroy(masked);
    if (st == ANNULUS_OK) bear(p->o->phase_noise, small);
    if (st == ANNULUS_OK && activation_is_wave(small->layers[small->layers_count - 2].act))
        st = train_score_noise(small, p->t, p->o->train.threads, p->key);
    if (st == ANNULUS_OK)
        *out = small;
    else
        network_destroy(small);
    return st;
}

static annulus_status predict(const pruning *p, const network *n, double *seconds)
{
    return train_predict(n, p->data, p->o->lower, p->o->threads_seconds, seconds);
}

/* What is left with `keep` neurons, and its seconds; *out NULL and no seconds where that is too little to compile:
 * every answer the same. */
static annulus_status try_size(const pruning *p, size_t keep, size_t step, network **out, double *seconds)
{
    network *n = NULL;
    TRY(progress_report(p->progress, "trying sizes", step, 12));
    TRY(remove_least(p, p->order.count - keep, 0, NULL, &n));
    const annulus_status st = predict(p, n, seconds);
    *out = st == ANNULUS_OK ? n : NULL;
    if (st != ANNULUS_OK) network_destroy(n);
    if (st == ANNULUS_ERR_INPUT) *seconds = 0;
    return st == ANNULUS_ERR_INPUT ? ANNULUS_OK : st;
}

/* The most neurons that may stay, by bisection: more of them take longer. */
static annulus_status remove_until_fast(const pruning *p, network **out)
{
    size_t few = 0, many = p->order.count + 1, step = 0; /* few is fast enough, many is not */
    network *best = NULL, *n = NULL;
    double seconds, slow;
    for (size_t i = 0; i < p->hidden; i++) few += p->order.ties.set[i] == i;
    TRY(remove_least(p, 0, 0, NULL, &n)); /* with the noise that it is to bear */
    const annulus_status whole = predict(p, n, &slow);
    if (whole == ANNULUS_OK && slow <= p->o->seconds) {
        *out = n;
        return ANNULUS_OK;
    }
    network_destroy(n);
    TRY(whole);
    TRY(try_size(p, few, step, &best, &seconds));
    if (seconds > p->o->seconds) {
        network_destroy(best);
        return fail(ANNULUS_ERR_INFEASIBLE, "one neuron a hidden layer takes %.3g s already: allow more than that",
                    seconds);
    }
    while (few + 1 < many) {
        const size_t keep = few + (many - few) / 2;
        const annulus_status st = try_size(p, keep, ++step, &n, &seconds);
        if (st != ANNULUS_OK) {
            network_destroy(best);
            return st;
        }
        if (seconds > p->o->seconds) {
            many = keep, slow = seconds;
            network_destroy(n);
            continue;
        }
        few = keep;
        network_destroy(best);
        best = n;
    }
    *out = best;
    if (best != NULL) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INFEASIBLE, "%zu neurons give one answer always, %zu take %.3g s: allow more than that",
                few, many > p->order.count ? p->order.count : many, slow);
}

static annulus_status choose(const pruning *p, network **out)
{
    size_t of[TRAIN_MAX_HIDDEN];
    if (p->o->seconds > 0) return remove_until_fast(p, out);
    if (p->o->look_ups > 0) return remove_least(p, p->order.count, p->o->look_ups, NULL, out);
    for (size_t i = 0; i < p->hidden; i++) of[i] = share_of(p->o->share, ties_steps(&p->order.ties, i));
    return remove_least(p, p->order.count, 0, of, out);
}

static annulus_status idle_neurons(const network *n, size_t *out)
{
    network *rest = NULL;
    TRY(network_shrink(n, &rest, out));
    network_destroy(rest);
    return ANNULUS_OK;
}

/* Ranks, removes and scores, on data prepared for n. */
static annulus_status prune_prepared(pruning *p, const train_options *o, prune_report *r, network **out)
{
    network *small = NULL;
    const train_data *t = p->t;
    TRY(allocate(p));
    TRY(prune_worth_find(p->n, t, o, p->o->by, p->key, p->worth));
    TRY(prune_order_create(p->n, p->worth, &p->order));
    TRY(idle_neurons(p->n, &r->idle));
    TRY(train_score(p->n, t, o->threads, 0, &r->before));
    TRY(choose(p, &small));
    const annulus_status st = train_score(small, t, o->threads, 0, &r->removed);
    if (st == ANNULUS_OK)
        *out = small;
    else
        network_destroy(small);
    return st;
}

static annulus_status shrink(pruning *p, prune_report *r, network **out)
{
    train_options o;
    train_data t;
    train_options given = p->o->train;
    given.from = p->n;
    given.thresholds_in = p->thresholds_in;
    TRY(train_from_options(p->data, &given, &o));
    TRY(options_check(p->n, p->o));
    o.power_of_two = 0; /* of the network as it is */
    TRY(train_key(o.seed, &p->key));
    TRY(train_data_create(p->data, &o, p->key, &t));
    p->t = &t;
    train_blas_begin();
    const annulus_status st = prune_prepared(p, &o, r, out);
    train_blas_end();
    mem_free(p->memory), prune_order_clear(&p->order);
    train_data_destroy(&t);
    return st;
}

/* The last epoch's score on its way to the caller. */
typedef struct listening {
    train_report report;
    void *context;
    int all; /* the last epoch's network is taken, not the best one's */
    double validation;
} listening;

static void listen(void *context, const train_epoch *e)
{
    listening *l = context;
    if (l->all || e->best) l->validation = e->validation;
    if (l->report != NULL) l->report(l->context, e);
}

/* Trains *n for some epochs. */
static annulus_status fine_tune(const pruning *p, unsigned epochs, const char *checkpoint, listening *l, network **n)
{
    network *tuned = NULL;
    train_options o = p->o->train;
    o.from = *n;
    o.epochs = epochs;
    o.checkpoint = checkpoint;
    o.kept = p->kept;
    o.thresholds_in = p->thresholds_in;
    o.noise_kept = 1; /* which it has by now */
    TRY(train_network(p->data, &o, listen, l, p->progress, &tuned));
    network_destroy(*n);
    *n = tuned;
    return ANNULUS_OK;
}

/* Removes more of *n until it keeps to the seconds, with a quarter of the epochs each time; after ROUNDS of them, or
 * where no less is possible, with none. */
static annulus_status settle(const pruning *p, listening *l, prune_report *r, network **n)
{
    const prune_options *o = p->o;
    prune_options less = *o;
    TRY(predict(p, *n, &r->seconds));
    for (unsigned k = 0; r->seconds > o->seconds; k++) {
        pruning more = {.n = *n,
                        .data = p->data,
                        .o = &less,
                        .progress = p->progress,
                        .thresholds_in = p->thresholds_in,
                        .hidden = p->hidden};
        prune_report round = {0};
        network *small = NULL;
        less.seconds = k < ROUNDS ? TRAIN_HEADROOM * less.seconds : o->seconds;
        const annulus_status st = shrink(&more, &round, &small);
        if (st == ANNULUS_ERR_INFEASIBLE && k < ROUNDS) {
            k = ROUNDS - 1;
            continue;
        }
        TRY(st);
        network_destroy(*n);
        *n = small;
        l->validation = round.removed;
        if (k < ROUNDS) TRY(fine_tune(p, (o->train.epochs + 3) / 4, NULL, l, n));
        r->rounds++;
        TRY(predict(p, *n, &r->seconds));
    }
    return ANNULUS_OK;
}

/* Removes, fine-tunes and settles. */
static annulus_status prune_and_tune(pruning *p, listening *l, prune_report *r, network **out)
{
    const train_options *o = &p->o->train;
    network *small = NULL;
    TRY(shrink(p, r, &small));
    l->validation = r->removed;
    annulus_status st = ANNULUS_OK;
    if (o->epochs > 0) st = fine_tune(p, o->epochs, o->checkpoint, l, &small);
    if (st == ANNULUS_OK && p->o->seconds > 0) st = settle(p, l, r, &small);
    if (st == ANNULUS_OK) st = train_bound_check(small, o->accumulator_bits); /* also without fine-tuning */
    if (st != ANNULUS_OK) {
        network_destroy(small);
        return st;
    }
    r->look_ups = look_ups(small);
    r->after = l->validation;
    *out = small;
    return ANNULUS_OK;
}

annulus_status prune_network(const network *n, const dataset *data, const prune_options *options, train_report epoch,
                             void *context, const annulus_progress *progress, prune_report *report, network **out)
{
    train_model kept = {0};
    void *thresholds = NULL;
    if (options->train.thresholds_in == NULL)
        TRY(mem_create(n->layers[n->layers_count - 1].out, sizeof(double), "thresholds", &thresholds));
    pruning p = {.n = n,
                 .data = data,
                 .o = options,
                 .progress = progress,
                 .kept = options->train.kept != NULL ? options->train.kept : &kept,
                 .thresholds_in = thresholds != NULL ? thresholds : options->train.thresholds_in,
                 .hidden = n->layers_count - 1};
    listening l = {.report = epoch, .context = context, .all = options->train.patience == 0};
    prune_report r = {.look_ups_before = look_ups(n)};
    const annulus_status st = prune_and_tune(&p, &l, &r, out);
    train_model_destroy(&kept);
    mem_free(thresholds);
    if (st == ANNULUS_OK && report != NULL) *report = r;
    return st;
}
