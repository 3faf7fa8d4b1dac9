/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "deploy/deploy_priv.h"

#include <math.h>
#include <string.h>

typedef struct evaluation {
    const annulus_circuit *c;
    const annulus_dataset *d;
    size_t count, features, outputs;
    int32_t *q;             /* (count,features) */
    double *clear, *values; /* (count,outputs) */
} evaluation;

size_t annulus_argmax(const double *values, size_t count)
{
    return exec_answer(values, count);
}

/* R^2: 1 - residual sum of squares / total sum of squares. */
static annulus_target_score target_score(const dataset *d, const double *values, size_t o)
{
    double residual = 0, total = 0, mean = 0;
    for (size_t i = 0; i < d->count; i++) mean += (double)d->y[i * d->targets + o] / (double)d->count;
    for (size_t i = 0; i < d->count; i++) {
        const double y = (double)d->y[i * d->targets + o], e = y - values[i * d->targets + o];
        residual += e * e;
        total += (y - mean) * (y - mean);
    }
    return (annulus_target_score){.rmse = sqrt(residual / (double)d->count),
                                  .r2 = total > 0 ? 1 - residual / total : NAN};
}

/* Mean over the targets that vary: their units may be of any size. */
static double determination(const evaluation *e)
{
    double sum = 0;
    size_t vary = 0;
    for (size_t o = 0; o < e->outputs; o++) {
        const double r2 = target_score(e->d->d, e->values, o).r2;
        if (isnan(r2)) continue;
        sum += r2;
        vary++;
    }
    return vary > 0 ? sum / (double)vary : NAN;
}

/* Class i of the data is output i of the circuit, by its name or its number; all classes are those of a circuit whose
 * outputs have no names. */
static annulus_status classes_check(const circuit *c, const dataset *d)
{
    for (size_t i = 0; d->class_names != NULL && i < d->classes; i++) {
        const int unnamed = d->classes == circuit_last(c)->out && text_is_number(c->labels[i], i);
        if (unnamed || text_is_name(d->class_names[i], c->labels[i], i)) continue;
        return fail(ANNULUS_ERR_INPUT,
                    "class %zu is %.60s in the data and %.60s in the circuit: read the data with the circuit's classes",
                    i + 1, d->class_names[i], c->labels[i]);
    }
    return ANNULUS_OK;
}

/* Classes, targets or labels of the data, if they have any, are what the circuit answers. */
static annulus_status truth_check(const circuit *c, const dataset *d)
{
    if (circuit_classifies(c)) return classes_check(c, d);
    if (d->y == NULL) return ANNULUS_OK;
    if (d->binary != (c->task == CIRCUIT_MULTI_LABEL))
        return fail(ANNULUS_ERR_INPUT, "the data have %s, the circuit %s: give it its own",
                    d->binary ? "labels" : "targets", d->binary ? "targets" : "labels");
    return dataset_targets_check(d, "circuit", c->labels, circuit_last(c)->out, 1);
}

annulus_status annulus_score_targets(const annulus_circuit *c, const annulus_dataset *d, const double *values,
                                     annulus_target_score *out)
{
    const size_t outputs = circuit_last(c->c)->out;
    if (c->c->task != CIRCUIT_REGRESSION || d->d->y == NULL)
        return fail(ANNULUS_ERR_INPUT, "scores of targets: circuit or data are of no regression");
    TRY(truth_check(c->c, d->d));
    for (size_t o = 0; o < outputs; o++) out[o] = target_score(d->d, values, o);
    return ANNULUS_OK;
}

/* Mean accuracy of the labels, and how many samples get others than in clear. */
static void compare_labels(const evaluation *e, annulus_evaluation *r)
{
    const float *y = e->d->d->y;
    size_t right = 0;
    for (size_t i = 0; i < e->count; i++) {
        int differs = 0;
        for (size_t o = 0; o < e->outputs; o++) {
            const size_t at = i * e->outputs + o;
            differs |= (e->values[at] > 0) != (e->clear[at] > 0);
            right += y != NULL && (e->values[at] > 0) == (y[at] > 0);
            r->largest_error = fmax(r->largest_error, fabs(e->values[at] - e->clear[at]));
        }
        r->mismatches += differs != 0;
    }
    r->score = y != NULL ? (double)right / (double)(e->count * e->outputs) : NAN;
}

annulus_status annulus_score_labels(const annulus_circuit *c, const annulus_dataset *d, const double *values,
                                    annulus_label_score *out)
{
    const size_t outputs = circuit_last(c->c)->out;
    if (c->c->task != CIRCUIT_MULTI_LABEL || d->d->y == NULL)
        return fail(ANNULUS_ERR_INPUT, "scores of labels: circuit or data are not multi-label");
    TRY(truth_check(c->c, d->d));
    for (size_t o = 0; o < outputs; o++) {
        size_t both = 0, right = 0;
        annulus_label_score s = {0};
        for (size_t i = 0; i < d->d->count; i++) {
            const int has = d->d->y[i * outputs + o] > 0, got = values[i * outputs + o] > 0;
            s.has += (size_t)has, s.answered += (size_t)got;
            both += (size_t)(has && got), right += has == got;
        }
        s.accuracy = (double)right / (double)d->d->count;
        s.f1 = s.has + s.answered == 0 ? 1 : 2.0 * (double)both / (double)(s.has + s.answered);
        out[o] = s;
    }
    return ANNULUS_OK;
}

static void compare(const evaluation *e, annulus_evaluation *r)
{
    size_t right = 0;
    if (e->c->c->task == CIRCUIT_MULTI_LABEL) {
        compare_labels(e, r);
        return;
    }
    for (size_t i = 0; i < e->count; i++) {
        const double *v = e->values + i * e->outputs, *w = e->clear + i * e->outputs;
        const size_t answer = annulus_argmax(v, e->outputs);
        r->mismatches += answer != annulus_argmax(w, e->outputs);
        for (size_t o = 0; o < e->outputs; o++) r->largest_error = fmax(r->largest_error, fabs(v[o] - w[o]));
        if (e->d->d->label != NULL) right += answer == (size_t)e->d->d->label[i];
    }
    r->score = NAN;
    if (circuit_classifies(e->c->c) && e->d->d->label != NULL) r->score = (double)right / (double)e->count;
    if (e->c->c->task == CIRCUIT_REGRESSION) {
        r->mismatches = 0;
        if (e->d->d->y != NULL) r->score = determination(e);
    }
}

annulus_status features_check(const char *data, const dataset *d, const char *taker, size_t takes)
{
    if (d->features == takes) return ANNULUS_OK;
    const int labels = d->height == 0 && d->features > takes;
    return fail(ANNULUS_ERR_INPUT, "the %s have %zu features, the %s takes %zu%s", data, d->features, taker, takes,
                labels ? ": columns of classes and targets are none if they are named as labels" : "");
}

annulus_status samples_check(const circuit *c, const dataset *d)
{
    const size_t outputs = circuit_last(c)->out;
    TRY(features_check("data", d, "circuit", c->input.features));
    if (circuit_classifies(c) && d->label != NULL && d->classes > outputs)
        return fail(ANNULUS_ERR_INPUT,
                    "the data have %zu classes, the circuit tells %zu apart: take data of its classes", d->classes,
                    outputs);
    return ANNULUS_OK;
}

typedef struct quantization {
    const circuit *c;
    const dataset *d;
    int32_t *q;
} quantization;

static annulus_status quantize_one(void *context, size_t i, unsigned worker)
{
    (void)worker;
    const quantization *z = context;
    const size_t features = z->c->input.features;
    const annulus_status st = circuit_quantize(z->c, z->d->x + i * features, 1, z->q + i * features);
    return st == ANNULUS_OK ? st : fail_prefix(st, "sample %zu", i + 1);
}

annulus_status samples_quantize(const circuit *c, const dataset *d, unsigned threads, int32_t *q)
{
    quantization z = {.c = c, .d = d, .q = q};
    return parallel_for(d->count, threads, quantize_one, &z);
}

static void to_values(const evaluation *e, double *acc)
{
    for (size_t i = 0; i < e->count; i++) exec_values(e->c->c, acc + i * e->outputs, acc + i * e->outputs);
}

/* Keys are made for the occasion and forgotten; only the server's part is timed. */
static annulus_status run_encrypted(evaluation *e, unsigned threads, const annulus_progress *progress, double *seconds)
{
    annulus_client_key *client = NULL;
    annulus_evaluation_key *key = NULL;
    annulus_input *x = NULL;
    annulus_output *y = NULL;
    const annulus_run_options alone = {.threads = threads, .together = 1};
    void *times;
    TRY(mem_create(e->count, sizeof(double), "times", &times));
    annulus_status st = annulus_keygen(e->c, threads, progress, &client, &key);
    if (st == ANNULUS_OK) st = annulus_encrypt(client, e->c, e->d, 1, &x);
    if (st == ANNULUS_OK) st = annulus_run(e->c, key, x, &alone, progress, times, &y);
    if (st == ANNULUS_OK) st = annulus_decrypt(client, e->c, y, e->values);
    for (size_t i = 0; i < e->count; i++) *seconds += ((double *)times)[i];
    annulus_client_key_destroy(client);
    annulus_evaluation_key_destroy(key);
    annulus_input_destroy(x);
    annulus_output_destroy(y);
    mem_free(times);
    return st;
}

_Static_assert(ANNULUS_MAX_LAYERS == CIRCUIT_MAX_LAYERS, "layers of a circuit");
_Static_assert(sizeof((annulus_layer_counts){0}.name) == sizeof((circuit_layer){0}.name), "name of a layer");

static void count_events(const circuit *c, size_t samples, const exec_stats *s, int simulated, annulus_evaluation *r)
{
    r->layers_count = c->layers_count;
    r->samples_erred = s->samples_erred, r->samples_failed = s->samples_failed;
    r->failure = exp2(c->choice.log2_global_failure);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *own = &c->layers[i];
        const uint64_t sums = (uint64_t)samples * own->out;
        const size_t values = own->cells == 0 ? own->out : circuit_layer_look_ups(own);
        annulus_layer_counts *l = &r->layers[i];
        *l = (annulus_layer_counts){.is_output = c->layers[i].cells == 0,
                                    .torus_native = circuit_is_wave(&c->layers[i]),
                                    .look_ups = (uint64_t)samples * values,
                                    .sums = sums,
                                    .out_of_range = s->out_of_range[i],
                                    .saturated = s->saturated[i],
                                    .wrapped = s->wrapped[i],
                                    .index_errors = s->index_errors[i],
                                    .index_errors_expected = s->errors_expected[i],
                                    .failures = s->failures[i]};
        if (simulated && l->torus_native) {
            l->phase_std = sqrt(s->phase_square[i] / (double)sums);
            l->phase_std_expected = c->choice.layers[i].phase_std;
        } else if (simulated)
            l->failures_expected = (double)sums * exp2(c->choice.layers[i].log2_failure);
        memcpy(l->name, c->layers[i].name, sizeof l->name);
        r->out_of_range += s->out_of_range[i];
    }
}

static annulus_status evaluate(evaluation *e, annulus_mode mode, uint64_t seed, unsigned threads,
                               const annulus_progress *progress, annulus_evaluation *r)
{
    exec_stats stats = {0};
    double seconds = 0;
    seed256 s = {{0}};
    memcpy(s.b, &seed, sizeof seed);
    TRY(samples_quantize(e->c->c, e->d->d, threads, e->q));
    double start = clock_seconds(CLOCK_MONOTONIC);
    TRY(exec_clear_reported(e->c->c, e->q, e->count, threads, progress, e->clear, &stats));
    if (mode == ANNULUS_CLEAR) seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    to_values(e, e->clear);
    if (mode == ANNULUS_CLEAR) memcpy(e->values, e->clear, e->count * e->outputs * sizeof(double));
    if (mode == ANNULUS_SIMULATE) {
        memset(&stats, 0, sizeof stats);
        start = clock_seconds(CLOCK_MONOTONIC);
        TRY(exec_simulate_observed(e->c->c, e->q, e->count, &s, threads, NULL, progress, e->values, &stats));
        seconds = clock_seconds(CLOCK_MONOTONIC) - start;
        to_values(e, e->values);
    }
    if (mode == ANNULUS_ENCRYPTED) TRY(run_encrypted(e, threads, progress, &seconds));
    *r = (annulus_evaluation){.count = e->count, .seconds = seconds / (double)e->count};
    count_events(e->c->c, e->count, &stats, mode == ANNULUS_SIMULATE, r);
    compare(e, r);
    return ANNULUS_OK;
}

annulus_status annulus_evaluate(const annulus_circuit *c, const annulus_dataset *d, annulus_mode mode, uint64_t seed,
                                unsigned threads, const annulus_progress *progress, double *values,
                                annulus_evaluation *out)
{
    evaluation e = {
        .c = c, .d = d, .count = d->d->count, .features = c->c->input.features, .outputs = circuit_last(c->c)->out};
    void *q, *clear = NULL, *mine = NULL;
    TRY(samples_check(c->c, d->d));
    TRY(truth_check(c->c, d->d));
    TRY(mem_create(e.count * e.features, sizeof(int32_t), "samples", &q));
    annulus_status st = mem_create(e.count * e.outputs, sizeof(double), "values", &clear);
    if (st == ANNULUS_OK) st = mem_create(e.count * e.outputs, sizeof(double), "values", &mine);
    e.q = q, e.clear = clear, e.values = mine;
    annulus_evaluation result = {0};
    if (st == ANNULUS_OK) st = evaluate(&e, mode, seed, threads, progress, &result);
    if (st == ANNULUS_OK) {
        *out = result;
        if (values != NULL) memcpy(values, e.values, e.count * e.outputs * sizeof(double));
    }
    mem_free(q), mem_free(clear), mem_free(mine);
    return st;
}
