/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of waves: neurons, the noise that is trained for and the noise of the parameters that the trained network
 * is compiled to are to agree. Weights decide the parameters and what these do to the sums, so that it is found in
 * rounds. */
#include "train/train_budget_priv.h"

#include "circuit/latency.h"
#include "train/prune.h"
#include "train/train_priv.h"

#include <math.h>

#define ROUNDS 3u /* of going on for another noise, or with fewer neurons */
#define AGREE 0.1 /* log2 of a ratio of deviations, at most */
#define CHOICES 2u

/* Bounds on the noise of phases that are tried, the best first: docs/training-waves.md, How much noise? */
static const double choices[CHOICES] = {0x1p-7, 0.011048543456039806}; /* 2^-6.5 */

typedef struct search {
    const dataset *data;
    const train_options *o;
    const train_budget *budget;
    train_report report;
    void *context;
    const annulus_progress *progress;
    double noises[CHOICES];
    size_t count, at;
    network *n;
    circuit *c; /* of n */
    double seconds, goal;
    int fits;
    train_layer_noise trained[TRAIN_MAX_HIDDEN + 1], predicted[TRAIN_MAX_HIDDEN + 1]; /* predicted: of c */
    size_t layers;
} search;

/* phase_noise 0: what the layers carry. */
static annulus_status compile(search *s, double phase_noise)
{
    lower_options l;
    lower_options_init(&l);
    l.phase_noise = phase_noise;
    circuit_destroy(s->c);
    s->c = NULL;
    const size_t count = s->data->count < TRAIN_CALIBRATION ? s->data->count : TRAIN_CALIBRATION;
    TRY(network_lower(s->n, s->data->x, count, &l, &s->c));
    s->seconds = circuit_seconds(s->c, s->budget->threads, NULL);
    s->fits = s->seconds <= s->budget->seconds;
    return train_noise_of(s->c, s->predicted, &s->layers);
}

/* At the best bound from the present one on that fits, or the last. If it fits the layers carry what is predicted, and
 * the circuit is that of a network which does. */
static annulus_status fit(search *s)
{
    for (s->fits = 0; !s->fits; s->at++) {
        const annulus_status st = compile(s, s->noises[s->at]);
        const int last = s->at + 1 == s->count;
        if (st != ANNULUS_OK && (st != ANNULUS_ERR_INFEASIBLE || last)) return st;
        if (last || s->fits) break;
    }
    if (!s->fits) return ANNULUS_OK;
    for (size_t i = 0; i + 1 < s->layers; i++) s->n->layers[i].noise = s->predicted[i].phase * (1 + 0x1p-20);
    return compile(s, 0);
}

static void take_network(search *s, network *n)
{
    network_destroy(s->n);
    s->n = n;
}

/* As many neurons go as it takes. */
static annulus_status shrink(search *s)
{
    network *small = NULL;
    lower_options l;
    prune_options p;
    lower_options_init(&l);
    prune_options_init(&p);
    l.phase_noise = s->noises[s->at];
    p.seconds = s->goal *= TRAIN_HEADROOM;
    p.threads_seconds = s->budget->threads;
    p.lower = &l;
    p.train = *s->o;
    p.train.checkpoint = NULL;
    p.train.epochs = 0;
    TRY(prune_network(s->n, s->data, &p, NULL, NULL, s->progress, NULL, &small));
    take_network(s, small);
    return compile(s, s->noises[s->at]);
}

/* The network that training for the noise of the circuit gives. */
static annulus_status train(search *s, const train_options *o)
{
    train_options own = *o;
    network *n = NULL;
    own.noise_of = s->c;
    for (size_t i = 0; i < s->layers; i++) s->trained[i] = s->predicted[i];
    TRY(train_network(s->data, &own, s->report, s->context, s->progress, &n));
    take_network(s, n);
    return ANNULUS_OK;
}

static int apart(double a, double b)
{
    return a != b && !(fabs(log2(a / b)) <= AGREE);
}

static int agree(const search *s)
{
    int all = 1;
    for (size_t i = 0; i + 1 < s->layers; i++)
        all &=
            !apart(s->trained[i].phase, s->predicted[i].phase) && !apart(s->trained[i].values, s->predicted[i].values);
    return all;
}

/* The widths of a network of one epoch that fits, and the network trained for its noise. */
static annulus_status begin(search *s)
{
    const train_options quick = train_probe_options(s->o);
    train_options own = *s->o;
    TRY(train_network(s->data, &quick, NULL, NULL, s->progress, &s->n));
    TRY(fit(s));
    if (!s->fits) {
        TRY(shrink(s));
        TRY(train_take_widths(s->data, s->n, &own));
    }
    return train(s, &own);
}

/* Rounds until it fits and the noise agrees. Scores keep their bound, up to which they are trained with noise: measured
 * anew, on few samples, it would change the parameters again and again. */
static annulus_status settle(search *s, unsigned *rounds)
{
    train_options own = *s->o;
    own.epochs = own.epochs / 4 > 0 ? own.epochs / 4 : 1;
    own.learning_rate /= 3;
    own.checkpoint = NULL;
    TRY(fit(s));
    for (*rounds = 0; *rounds < ROUNDS && !(s->fits && agree(s)); ++*rounds) {
        if (!s->fits) TRY(shrink(s));
        network *const from = s->n;
        own.from = from;
        s->n = NULL;
        const annulus_status st = train(s, &own);
        if (st == ANNULUS_OK) s->n->layers[s->layers - 1].noise = from->layers[s->layers - 1].noise;
        network_destroy(from);
        TRY(st);
        TRY(fit(s));
    }
    if (s->fits) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INFEASIBLE, "the trained network takes %.3g s, %.3g were asked for: allow so much",
                s->seconds, s->budget->seconds);
}

static annulus_status run(search *s, train_choice *choice)
{
    unsigned rounds;
    TRY(begin(s));
    TRY(settle(s, &rounds));
    *choice = (train_choice){
        .hidden_count = s->n->layers_count - 1, .seconds = s->seconds, .noise_count = s->layers, .rounds = rounds};
    for (size_t i = 0; i < choice->hidden_count; i++) choice->hidden[i] = dense_layer_neurons(&s->n->layers[i]);
    for (size_t i = 0; i < s->layers; i++) choice->trained[i] = s->trained[i], choice->predicted[i] = s->predicted[i];
    return ANNULUS_OK;
}

annulus_status train_within_waves(const dataset *data, const train_options *options, const train_budget *budget,
                                  train_report report, void *context, const annulus_progress *progress,
                                  train_choice *choice, network **out)
{
    train_options o = *options;
    search s = {.data = data,
                .o = &o,
                .budget = budget,
                .report = report,
                .context = context,
                .progress = progress,
                .noises = {options->phase_noise},
                .count = 1,
                .goal = budget->seconds};
    if (options->value_noise > 0)
        return fail(ANNULUS_ERR_INPUT, "training within seconds finds the noise on values itself: leave it out");
    if (!budget->noise_given)
        for (s.count = 0; s.count < CHOICES; s.count++) s.noises[s.count] = choices[s.count];
    o.target_error = o.index_noise = 0; /* of waves: noise on phases */
    o.phase_noise = s.noises[s.count - 1];
    const annulus_status st = run(&s, choice);
    circuit_destroy(s.c);
    if (st == ANNULUS_OK)
        *out = s.n;
    else
        network_destroy(s.n);
    return st;
}
