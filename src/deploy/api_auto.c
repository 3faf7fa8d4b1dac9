/* SPDX-License-Identifier: Apache-2.0 */
/* Classic or torus-native: both are trained shortly at widths whose circuits take the same predicted seconds, and
 * compared on samples that neither saw, simulated with the noise of their parameters. */
#include "base/memory.h"
#include "deploy/deploy_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HELD_EVERY 5u   /* one sample in so many is kept to compare by */
#define TRIES 6u        /* widths of a candidate that are trained */
#define SLACK 0.05      /* of the seconds, that are taken for equal */
#define LEAST_EPOCHS 3u /* of a short training */
#define SHORTER 4u      /* than the whole: a short training */
#define CALIBRATION ((size_t)2000)
#define CLASSIC_LOG2_ERROR -6.643856189774724 /* log2(0.01): the best trade of relu networks that err */
/* Of torus-native candidates: docs/training-waves.md, What was tried. */
#define NATIVE_NOISE 0.011
#define NATIVE_OFFSETS 4u
#define NATIVE_LAST_BITS 4u

typedef struct candidate {
    annulus_train_options o;
    annulus_auto_candidate best; /* of the tries so far; seconds INFINITY: none compiled */
} candidate;

typedef struct comparison {
    const annulus_train_options *options;
    annulus_dataset *train, *held, *calibration;
    annulus_compile_options compile;
    double budget; /* seconds; 0: not known yet */
    const annulus_progress *progress;
} comparison;

/* The samples that are held back, or the others. */
static annulus_status part_of(const annulus_dataset *d, uint64_t seed, int held, annulus_dataset **out)
{
    void *p;
    dataset *made = NULL;
    size_t count = 0;
    TRY(mem_create(d->d->count, sizeof(size_t), "samples", &p));
    size_t *index = p;
    for (size_t i = 0; i < d->d->count; i++)
        if ((random_mix(seed ^ random_mix(i)) % HELD_EVERY == 0) == (held != 0)) index[count++] = i;
    const annulus_status st = count == 0 ? fail(ANNULUS_ERR_INPUT, "too few samples to compare networks by")
                                         : dataset_choose(d->d, index, count, &made);
    mem_free(index);
    return dataset_wrap(st, made, out);
}

/* A multiple of step. */
static size_t scaled(size_t width, double factor, size_t step, size_t most)
{
    const double w = floor((double)width * factor / (double)step + 0.5), top = (double)(most / step);
    return step * (size_t)fmin(fmax(w, 1), top);
}

/* What the channels of each convolution are multiples of: its own groups, those of the one that takes them, and what
 * those that are added to them need. */
static void channel_steps(const annulus_train_options *o, size_t step[ANNULUS_MAX_HIDDEN])
{
    for (size_t i = 0; i < o->conv_count; i++) step[i] = o->conv[i].groups > 1 ? o->conv[i].groups : 1;
    for (size_t i = 1; i < o->conv_count; i++)
        step[i - 1] = common_multiple(step[i - 1], o->conv[i].groups > 1 ? o->conv[i].groups : 1);
    for (size_t pass = 0; pass < o->conv_count; pass++)
        for (size_t i = 0; i < o->conv_count; i++) {
            if (o->conv[i].add == 0) continue;
            size_t *other = &step[i - o->conv[i].add];
            step[i] = *other = common_multiple(step[i], *other);
        }
}

/* Those of the options, which a training has found to fit, times the factor. */
static void set_widths(const comparison *c, double factor, annulus_train_options *o)
{
    size_t step[ANNULUS_MAX_HIDDEN];
    channel_steps(c->options, step);
    for (size_t i = 0; i < o->hidden_count; i++)
        o->hidden[i] = scaled(c->options->hidden[i], factor, 1, ANNULUS_MAX_WIDTH);
    for (size_t i = 0; i < o->conv_count; i++)
        o->conv[i].channels = scaled(c->options->conv[i].channels, factor, step[i], ANNULUS_MAX_CHANNELS);
}

static void describe(const annulus_train_options *o, const annulus_circuit *c, annulus_auto_candidate *out)
{
    memcpy(out->hidden, o->hidden, sizeof out->hidden);
    for (size_t i = 0; i < o->conv_count; i++) out->channels[i] = o->conv[i].channels;
    out->activation = o->activation;
    out->rotations = circuit_rotations_before(c->c, c->c->layers_count);
    out->seconds = annulus_circuit_seconds(c, o->threads);
}

/* Whether it was tried at these widths. */
static int has_widths(const annulus_auto_candidate *k, const annulus_train_options *o)
{
    int same = memcmp(k->hidden, o->hidden, sizeof k->hidden) == 0;
    for (size_t i = 0; i < o->conv_count; i++) same &= k->channels[i] == o->conv[i].channels;
    return same;
}

static void keep_why(annulus_auto_candidate *k)
{
    (void)snprintf(k->why, sizeof k->why, "%s", annulus_error_message());
}

/* Trains, compiles and simulates: *out; seconds INFINITY: there are no parameters. */
static annulus_status try_width(comparison *c, const annulus_train_options *o, annulus_auto_candidate *out)
{
    annulus_model *m = NULL;
    annulus_circuit *made = NULL;
    annulus_evaluation e;
    *out = (annulus_auto_candidate){.seconds = INFINITY};
    TRY(annulus_train(c->train, o, NULL, NULL, c->progress, &m));
    annulus_status st = annulus_compile(m, c->calibration, &c->compile, &made);
    if (st == ANNULUS_OK) describe(o, made, out);
    if (st == ANNULUS_OK)
        st = annulus_evaluate(made, c->held, ANNULUS_SIMULATE, o->seed, o->threads, c->progress, NULL, &e);
    if (st == ANNULUS_OK) out->score = e.score;
    annulus_circuit_destroy(made);
    annulus_model_destroy(m);
    if (st != ANNULUS_ERR_INFEASIBLE) return st;
    keep_why(out);
    return ANNULUS_OK;
}

/* Whether a suits the budget better than b: both within it, the one of more seconds, else the one of fewer. */
static int suits(const comparison *c, const annulus_auto_candidate *a, const annulus_auto_candidate *b)
{
    const double most = c->budget * (1 + SLACK);
    if (a->seconds > most || b->seconds > most) return a->seconds < b->seconds;
    return a->seconds > b->seconds;
}

/* Widths that were tried. */
typedef struct point {
    double factor; /* of the widths given */
    annulus_auto_candidate made;
} point;

/* Where the seconds are looked for next: on the line between two widths on either side of them, but not near its ends;
 * with one alone they are taken to go as widths. */
static double next_factor(const point *below, const point *above, const point *now, double budget)
{
    if (below->factor == 0 || isinf(above->factor)) return now->factor * budget / now->made.seconds;
    const double part = (budget - below->made.seconds) / (above->made.seconds - below->made.seconds);
    return below->factor + fmin(fmax(part, 0.1), 0.9) * (above->factor - below->factor);
}

/* From a first try at the widths given to the widths that the budget allows. */
static annulus_status fit_budget(comparison *c, candidate *k)
{
    point below = {0}, above = {.factor = INFINITY}, now = {1, k->best};
    for (unsigned t = 1; t < TRIES && isfinite(now.made.seconds); t++) {
        if (fabs(now.made.seconds / c->budget - 1) <= SLACK) break;
        annulus_train_options o = k->o;
        *(now.made.seconds > c->budget ? &above : &below) = now;
        now.factor = next_factor(&below, &above, &now, c->budget);
        set_widths(c, now.factor, &o);
        if (has_widths(&below.made, &o) || has_widths(&above.made, &o)) break;
        TRY(try_width(c, &o, &now.made));
        if (suits(c, &now.made, &k->best)) k->best = now.made;
    }
    k->best.fits = k->best.seconds <= c->budget * (1 + SLACK);
    return ANNULUS_OK;
}

static annulus_status candidates_init(comparison *c, double budget, candidate both[2])
{
    const annulus_train_options *o = c->options;
    const size_t layers = o->conv_count + o->hidden_count;
    if (o->conv_count > ANNULUS_MAX_HIDDEN || layers > ANNULUS_MAX_HIDDEN)
        return fail(ANNULUS_ERR_INPUT, "activation auto: at most %d layers are possible", ANNULUS_MAX_HIDDEN);
    if (layers == 0) return fail(ANNULUS_ERR_INPUT, "activation auto: the network has no hidden layer");
    if (o->from != NULL || o->network != NULL)
        return fail(ANNULUS_ERR_INPUT, "activation auto: a model or file names the activations itself");
    if (o->phase_noise >= 0 || o->index_noise > 0 || o->noise_of != NULL)
        return fail(ANNULUS_ERR_INPUT, "activation auto: a noise means another thing to either kind; leave it out");
    if (o->accumulator_bits > 0 || o->sparsity > 0)
        return fail(ANNULUS_ERR_INPUT, "activation auto: accumulator_bits and sparsity are of classic networks");
    if (!(budget >= 0) || !isfinite(budget)) return fail(ANNULUS_ERR_INPUT, "a budget of %g seconds", budget);
    for (size_t k = 0; k < 2; k++) {
        both[k] = (candidate){.o = *o, .best = {.seconds = INFINITY}};
        annulus_train_options *own = &both[k].o;
        own->patience = 0, own->validation = 0, own->checkpoint = NULL;
        own->epochs = o->epochs / SHORTER > LEAST_EPOCHS ? o->epochs / SHORTER
                      : o->epochs < LEAST_EPOCHS         ? o->epochs
                                                         : LEAST_EPOCHS;
        own->activation = k == 0 ? "relu" : "trapezoid";
    }
    both[0].o.offsets = 1, both[0].o.value_noise = 0;
    both[1].o.target_error = 0;
    both[1].o.phase_noise = NATIVE_NOISE;
    both[1].o.offsets = o->offsets > 1 ? o->offsets : NATIVE_OFFSETS;
    if (o->weight_bits == 0 && o->layer_weight_bits[layers] == 0)
        both[1].o.layer_weight_bits[layers] = NATIVE_LAST_BITS;
    annulus_compile_options_init(&c->compile);
    c->compile.log2_error = o->target_error > 0 ? log2(o->target_error) : CLASSIC_LOG2_ERROR;
    c->compile.rounding_bits = o->rounding_bits;
    c->budget = budget;
    return ANNULUS_OK;
}

/* try_width at the widths given. What one kind cannot be the other may; the message of the first if neither can. */
static annulus_status try_kinds(comparison *c, candidate both[2])
{
    annulus_status first = ANNULUS_ERR_INFEASIBLE;
    for (size_t k = 0; k < 2; k++) {
        const annulus_status st = try_width(c, &both[k].o, &both[k].best);
        if (st == ANNULUS_OK) continue;
        if (st != ANNULUS_ERR_INPUT) return st;
        keep_why(&both[k].best);
        if (k == 0) first = st;
    }
    if (isfinite(both[0].best.seconds) || isfinite(both[1].best.seconds)) return ANNULUS_OK;
    return fail(first, "%s", both[0].best.why);
}

#define PACE_ROOM 32u
/* How long a candidate takes, in words at room. */
static const char *pace(const annulus_auto_candidate *k, char room[PACE_ROOM])
{
    if (isinf(k->seconds)) return "cannot be";
    (void)snprintf(room, PACE_ROOM, "take %.3g s", k->seconds);
    return room;
}

static annulus_status compare(comparison *c, candidate both[2], annulus_auto_report *report)
{
    TRY(try_kinds(c, both));
    const double a = both[0].best.seconds, b = both[1].best.seconds;
    char a_room[PACE_ROOM], b_room[PACE_ROOM];
    if (c->budget == 0) c->budget = isfinite(a) && isfinite(b) ? fmax(a, b) : fmin(a, b);
    for (size_t k = 0; k < 2; k++) TRY(fit_budget(c, &both[k]));
    const annulus_auto_candidate *classic = &both[0].best, *native = &both[1].best;
    if (!classic->fits && !native->fits)
        return fail(
            ANNULUS_ERR_INFEASIBLE,
            "at the widths that were tried relu tables %s and trapezoids %s, %.3g s were asked for: allow more, "
            "or begin with narrower layers",
            pace(classic, a_room), pace(native, b_room), c->budget);
    *report = (annulus_auto_report){.classic = *classic, .native = *native, .budget = c->budget};
    report->native_chosen = !classic->fits || (native->fits && native->score >= classic->score);
    report->log2_error = c->compile.log2_error;
    report->rounding_bits = report->native_chosen ? 0 : c->compile.rounding_bits;
    report->phase_noise = report->native_chosen ? NATIVE_NOISE : 0;
    return ANNULUS_OK;
}

/* Seconds of the trained network, compiled as the candidates were. */
static annulus_status predict(const comparison *c, const annulus_model *m, double *seconds)
{
    annulus_circuit *made = NULL;
    const annulus_status st = annulus_compile(m, c->calibration, &c->compile, &made);
    *seconds = st == ANNULUS_OK ? annulus_circuit_seconds(made, c->options->threads) : INFINITY;
    annulus_circuit_destroy(made);
    return st == ANNULUS_ERR_INFEASIBLE ? ANNULUS_OK : st;
}

/* The whole training of the chosen candidate. */
static annulus_status train_chosen(const comparison *c, const annulus_dataset *d, annulus_auto_report *r,
                                   const candidate both[2], void (*report)(void *context, const annulus_epoch *epoch),
                                   void *context, annulus_model **out)
{
    const annulus_train_options *given = c->options;
    annulus_train_options o = both[r->native_chosen].o;
    const annulus_auto_candidate *k = r->native_chosen ? &r->native : &r->classic;
    o.patience = given->patience, o.validation = given->validation, o.checkpoint = given->checkpoint;
    o.epochs = given->epochs;
    memcpy(o.hidden, k->hidden, sizeof o.hidden);
    for (size_t i = 0; i < o.conv_count; i++) o.conv[i].channels = k->channels[i];
    annulus_model *m = NULL;
    TRY(annulus_train(d, &o, report, context, c->progress, &m));
    const annulus_status st = predict(c, m, &r->seconds);
    if (st == ANNULUS_OK)
        *out = m;
    else
        annulus_model_destroy(m);
    return st;
}

annulus_status annulus_train_auto(const annulus_dataset *d, const annulus_train_options *options, double seconds,
                                  void (*report)(void *context, const annulus_epoch *epoch), void *context,
                                  const annulus_progress *progress, annulus_auto_report *found, annulus_model **out)
{
    comparison c = {.options = options, .progress = progress};
    candidate both[2];
    annulus_auto_report r = {.budget = 0};
    annulus_status st = candidates_init(&c, seconds, both);
    if (st == ANNULUS_OK) st = part_of(d, options->seed, 0, &c.train);
    if (st == ANNULUS_OK) st = part_of(d, options->seed, 1, &c.held);
    if (st == ANNULUS_OK) {
        const size_t count = c.train->d->count < CALIBRATION ? c.train->d->count : CALIBRATION;
        st = annulus_dataset_slice(c.train, 0, count, &c.calibration);
    }
    if (st == ANNULUS_OK) st = compare(&c, both, &r);
    if (st == ANNULUS_OK) st = train_chosen(&c, d, &r, both, report, context, out);
    annulus_dataset_destroy(c.train);
    annulus_dataset_destroy(c.held);
    annulus_dataset_destroy(c.calibration);
    if (st == ANNULUS_OK && found != NULL) *found = r;
    return st;
}
