/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/audit.h"

#include "base/memory.h"
#include "circuit/audit_priv.h"
#include "circuit/exec_priv.h"

#include <math.h>

/* Sums of one layer of one run. */
typedef struct tally {
    double sum2, phase2;   /* of squared noise, torus */
    double sum_z, phase_z; /* of squared noise over variance, the most */
    double sum_y, phase_y; /* over the least */
    double sum_v, phase_v; /* of predicted variances */
    double least, most;    /* errors expected at the ends of the tolerance */
    uint64_t count;
} tally;

typedef struct watch {
    const circuit *c;
    const audit_expected *expected;
    double most_ratio;
    audit_run *run;
    exec_stats stats;
    tally layers[CIRCUIT_MAX_LAYERS];
} watch;

static int earlier(const exec_seen *s, int found, size_t sample, size_t layer, size_t neuron)
{
    if (!found || s->sample != sample) return !found || s->sample < sample;
    if (s->layer != layer) return s->layer < layer;
    return s->neuron < neuron;
}

/* Not of waves, of which a look-up nearly always reads another cell. */
static void see_errors(watch *v, const exec_seen *s, tally *t, const audit_expected *x)
{
    const circuit_layer *l = &v->c->layers[s->layer];
    audit_errors *e = &v->run->layers[s->layer].errors;
    const int64_t clear = exec_cell(l, s->neuron, s->acc);
    const double most = exp2(AUDIT_TOLERANCE), deviation = sqrt(x->phase[s->neuron]);
    const double least = sqrt(x->phase_least[s->neuron]);
    const int wrong = s->cell != clear || s->apart;
    e->look_ups++;
    e->errors += (unsigned)wrong;
    const audit_divergence *first = &v->run->first;
    if (wrong && earlier(s, first->found, first->sample, first->layer, first->neuron))
        v->run->first = (audit_divergence){.found = 1,
                                           .sample = s->sample,
                                           .layer = s->layer,
                                           .neuron = s->neuron,
                                           .expected = s->acc,
                                           .got = (double)s->acc + s->noise / exec_unit(l),
                                           .expected_cell = clear,
                                           .cell = s->cell};
    if (!x->counts[s->neuron]) return;
    e->count++;
    e->counted += (unsigned)wrong;
    if (l->split > 0) {
        const double *p = x->errors + 3 * s->neuron;
        t->least += p[0], e->predicted += p[1], t->most += p[2];
        return;
    }
    e->predicted += audit_error_probability(v->c, l, s->neuron, s->acc, deviation);
    const double few = audit_error_probability(v->c, l, s->neuron, s->acc, least / most);
    const double many = audit_error_probability(v->c, l, s->neuron, s->acc, deviation * most);
    t->least += fmin(few, many), t->most += fmax(few, many); /* a sum beyond a border errs less with more noise */
}

/* Smaller deviations, of neurons without masks, are those of rounding. */
#define LEAST_DEVIATION 0x1p-40

/* Of waves and outputs. */
static void see_noise(watch *v, const exec_seen *s, double variance)
{
    audit_extreme *largest = &v->run->largest, *beyond = &v->run->beyond;
    const double deviation = fmax(sqrt(variance), LEAST_DEVIATION);
    const audit_extreme now = {.found = 1,
                               .sample = s->sample,
                               .layer = s->layer,
                               .neuron = s->neuron,
                               .noise = s->noise,
                               .deviation = deviation,
                               .ratio = fabs(s->noise) / deviation};
    if (!largest->found || now.ratio > largest->ratio) *largest = now;
    if (now.ratio > v->most_ratio && earlier(s, beyond->found, beyond->sample, beyond->layer, beyond->neuron))
        *beyond = now;
}

static void see(void *context, const exec_seen *s)
{
    watch *v = context;
    const audit_expected *x = &v->expected[s->layer];
    tally *t = &v->layers[s->layer];
    const double sum = x->sum[s->neuron], phase = x->phase[s->neuron];
    const double sum2 = s->sum_noise * s->sum_noise, phase2 = s->noise * s->noise;
    const int counts = x->counts[s->neuron];
    const circuit_layer *l = &v->c->layers[s->layer];
    (void)exec_count_sum(v->c, s->layer, s->neuron, s->acc, l->cells == 0 ? s->noise : 0, &v->stats);
    if (l->cells != 0 && !circuit_is_wave(l))
        see_errors(v, s, t, x);
    else
        see_noise(v, s, phase);
    if (!counts) return;
    t->count++;
    t->sum_v += sum, t->sum2 += sum2, t->sum_z += sum2 / sum, t->sum_y += sum2 / x->sum_least[s->neuron];
    t->phase_v += phase, t->phase2 += phase2, t->phase_z += phase2 / phase;
    t->phase_y += phase2 / x->phase_least[s->neuron];
}

static audit_noise noise_of(uint64_t count, double square, double variance, double log_p)
{
    return (audit_noise){.count = count,
                         .measured = sqrt(square / (double)count), /* NaN without values */
                         .predicted = sqrt(variance / (double)count),
                         .log_p = count == 0 ? 0 : log_p};
}

/* Fills in the layers of a run from its tallies; counts the tests. */
static void conclude(const watch *v, size_t samples, audit *a)
{
    for (size_t i = 0; i < v->c->layers_count; i++) {
        const tally *t = &v->layers[i];
        const audit_expected *x = &v->expected[i];
        audit_layer *l = &v->run->layers[i];
        const double counted = (double)x->counted, runs = (double)samples;
        l->out_of_range = v->stats.out_of_range[i];
        l->saturated = v->stats.saturated[i];
        l->wrapped = v->stats.wrapped[i];
        l->sum =
            noise_of(t->count, t->sum2, t->sum_v, audit_variance_log_p(t->sum_y, t->sum_z, counted, runs, &x->sums));
        a->tests += t->count > 0 ? 2 : 0;
        const int output = v->c->layers[i].cells == 0;
        if (output && v->c->choice.families.answers.bits == 0) continue;
        l->phase = noise_of(t->count, t->phase2, t->phase_v,
                            audit_variance_log_p(t->phase_y, t->phase_z, counted, runs, &x->phases));
        a->tests += t->count > 0 ? 2 : 0;
        if (output || circuit_is_wave(&v->c->layers[i])) continue;
        l->errors.log_p = audit_errors_log_p((double)l->errors.count, (double)l->errors.counted, t->least, t->most,
                                             x->phases.largest);
        a->tests += t->count > 0 ? 2 : 0;
    }
}

static int rejects(const audit_run *run, size_t layers, double log_alarm)
{
    double least = 0;
    for (size_t i = 0; i < layers; i++) {
        const audit_layer *l = &run->layers[i];
        least = fmin(least, fmin(l->sum.log_p, fmin(l->phase.log_p, l->errors.log_p)));
    }
    return least < log_alarm;
}

typedef struct runs {
    const circuit *c;
    const eval_key_set *keys;
    const secret_key_set *secrets;
    const int32_t *q;
    size_t samples;
    const seed256 *seed;
    unsigned threads;
    const annulus_progress *progress;
} runs;

static annulus_status run_encrypted(const runs *r, const exec_observer *observer, double *out)
{
    const size_t features = r->c->input.features, outputs = circuit_last(r->c)->out;
    const size_t all = r->samples * exec_units(r->c, r->threads, NULL);
    exec_plan *plan = NULL;
    TRY(exec_plan_create(r->c, &plan));
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < r->samples; i++) {
        exec_part part = {r->progress, r->samples, i, 1};
        const annulus_progress progress = {exec_report_part, &part};
        st = exec_encrypted_observed(r->c, plan, r->keys, r->secrets, r->q + i * features, i, r->threads, observer,
                                     &progress, out + i * outputs);
    }
    if (st == ANNULUS_OK) st = progress_report(r->progress, ANNULUS_PROGRESS_RUN, all, all);
    exec_plan_destroy(plan);
    return st;
}

/* Deviations that the noise of waves and outputs has at most in a run, with probability 1 - AUDIT_FALSE_ALARM. */
static double most_ratio(const circuit *c, size_t samples)
{
    double count = 0;
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].cells == 0 || circuit_is_wave(&c->layers[i])) count += (double)c->layers[i].out;
    return noise_kappa(log2(AUDIT_FALSE_ALARM / (count * (double)samples))) * exp2(AUDIT_TOLERANCE);
}

static annulus_status run_all(const runs *r, const audit_expected *expected, double *clear, double *simulated,
                              double *encrypted, audit *a)
{
    a->most_ratio = most_ratio(r->c, r->samples);
    watch simulation = {.c = r->c, .expected = expected, .most_ratio = a->most_ratio, .run = &a->simulated};
    watch encryption = {.c = r->c, .expected = expected, .most_ratio = a->most_ratio, .run = &a->encrypted};
    const exec_observer of_simulation = {.seen = see, .context = &simulation};
    const exec_observer of_encryption = {.seen = see, .context = &encryption};
    a->samples = r->samples;
    TRY(exec_clear_reported(r->c, r->q, r->samples, r->threads, r->progress, clear, NULL));
    TRY(exec_simulate_observed(r->c, r->q, r->samples, r->seed, 1, &of_simulation, r->progress, simulated, NULL));
    TRY(run_encrypted(r, &of_encryption, encrypted));
    conclude(&simulation, r->samples, a);
    conclude(&encryption, r->samples, a);
    if (a->tests > 0) a->log_alarm = log(AUDIT_FALSE_ALARM / (double)a->tests) + M_LN2;
    a->rejected = rejects(&a->simulated, r->c->layers_count, a->log_alarm) ||
                  rejects(&a->encrypted, r->c->layers_count, a->log_alarm);
    return ANNULUS_OK;
}

annulus_status audit_create(const circuit *c, const audit_model *model, const eval_key_set *keys,
                            const secret_key_set *secrets, const int32_t *q, size_t samples, const seed256 *seed,
                            unsigned threads, const annulus_progress *progress, double *clear, double *simulated,
                            double *encrypted, audit **out)
{
    const runs r = {.c = c,
                    .keys = keys,
                    .secrets = secrets,
                    .q = q,
                    .samples = samples,
                    .seed = seed,
                    .threads = threads,
                    .progress = progress};
    audit_expected *expected = NULL;
    void *a;
    TRY(mem_create(1, sizeof(audit), "audit", &a));
    annulus_status st = audit_expect(c, model, &expected);
    if (st == ANNULUS_OK) st = run_all(&r, expected, clear, simulated, encrypted, a);
    audit_expected_destroy(expected, c->layers_count);
    if (st == ANNULUS_OK)
        *out = a;
    else
        audit_destroy(a);
    return st;
}

void audit_destroy(audit *a)
{
    mem_free(a);
}
