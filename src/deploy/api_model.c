/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/memory.h"
#include "deploy/api_noise.h"
#include "deploy/deploy_priv.h"
#include "deploy/host_costs.h"
#include "nn/plain.h"
#include "nn/sums.h"
#include "onnx/onnx_model.h"
#include "train/prune.h"
#include "train/train_budget.h"
#include "train/train_text.h"

#include <math.h>
#include <string.h>

_Static_assert(ANNULUS_MAX_HIDDEN == TRAIN_MAX_HIDDEN && ANNULUS_MAX_WIDTH == TRAIN_MAX_WIDTH &&
                   ANNULUS_MAX_CHANNELS == TRAIN_MAX_CHANNELS && ANNULUS_MAX_KERNEL == TRAIN_MAX_KERNEL,
               "public and internal limits agree");

/* What bits are unless they are given. */
#define CLASSIC_BITS 4u
#define WAVE_BITS 8u

void annulus_train_options_init(annulus_train_options *o)
{
    train_options t;
    train_options_init(&t);
    *o = (annulus_train_options){.hidden_count = t.hidden_count,
                                 .activation = activation_name(t.act),
                                 .offsets = t.offsets,
                                 .rise = t.rise,
                                 .input_bits = t.input_bits,
                                 .epochs = t.epochs,
                                 .batch = t.batch,
                                 .learning_rate = t.learning_rate,
                                 .validation = t.validation,
                                 .phase_noise = -1,
                                 .value_noise = t.value_noise,
                                 .spread = t.spread,
                                 .distill_count = t.distill_count,
                                 .shift = t.shift,
                                 .flip = t.flip,
                                 .dropout = t.dropout,
                                 .optimizer = (annulus_optimizer)t.optimizer,
                                 .schedule = (annulus_schedule)t.schedule,
                                 .momentum = t.momentum,
                                 .target_error = t.target_error,
                                 .index_noise = t.index_noise,
                                 .rounding_bits = t.rounding_bits,
                                 .accumulator_bits = t.accumulator_bits,
                                 .accumulator_masks = t.accumulator_masks,
                                 .sparsity = t.sparsity,
                                 .seed = t.seed,
                                 .threads = t.threads};
    memcpy(o->hidden, t.hidden, sizeof o->hidden);
    memcpy(o->distill, t.distill, sizeof o->distill);
}

static train_convolution convolution(const annulus_convolution *c)
{
    return (train_convolution){.channels = c->channels,
                               .kernel = c->kernel,
                               .stride = c->stride,
                               .padding = c->padding,
                               .groups = c->groups,
                               .add = c->add,
                               .pool = c->pool == ANNULUS_POOL_ALL ? TRAIN_POOL_ALL : c->pool,
                               .sums = c->sums};
}

/* Of weights and values, unless told. */
static unsigned bits_for(activation act)
{
    return activation_is_wave(act) ? WAVE_BITS : CLASSIC_BITS;
}

/* Layers, activations and bits; activations point into f. */
static annulus_status shape_convert(const annulus_train_options *o, train_functions *f, train_options *t)
{
    if (o->network != NULL) {
        TRY(train_network_read(o->network, f, t));
    } else {
        TRY(train_activations_read(o->activation, f, t));
        memcpy(t->layer_weight_bits, o->layer_weight_bits, sizeof t->layer_weight_bits);
        for (size_t i = 0; i < t->layer_acts_count; i++)
            t->layer_acts[i].bits = o->layer_activation_bits[i] > 0 ? o->layer_activation_bits[i] : o->activation_bits;
        t->input_bits = o->input_bits;
    }
    t->weight_bits = o->weight_bits > 0 ? o->weight_bits : bits_for(t->act);
    t->activation_bits = o->activation_bits > 0 ? o->activation_bits : bits_for(t->act);
    if (t->input_bits == 0) t->input_bits = CLASSIC_BITS;
    for (size_t i = 0; i < t->layer_acts_count; i++) {
        const activation act = t->layer_acts[i].act;
        if (t->layer_acts[i].bits == 0) t->layer_acts[i].bits = act == ACTIVATION_SIGN ? 2 : bits_for(act);
        if (o->weight_bits == 0 && t->layer_weight_bits[i] == 0) t->layer_weight_bits[i] = bits_for(act);
        if (o->weight_bits == 0 && t->layer_weight_bits[i + 1] == 0 && i + 1 == t->layer_acts_count)
            t->layer_weight_bits[i + 1] = bits_for(act); /* of the scores */
    }
    return ANNULUS_OK;
}

/* In place of what a file of the network says, if anything is said. */
static annulus_status dropout_convert(const annulus_train_options *o, train_options *t)
{
    if (o->layer_dropout_count > TRAIN_MAX_HIDDEN + 1)
        return fail(ANNULUS_ERR_INPUT, "dropout of %zu layers: at most %u are possible", o->layer_dropout_count,
                    TRAIN_MAX_HIDDEN + 1);
    t->dropout = o->dropout;
    if (o->layer_dropout_count == 0 && o->dropout == 0) return ANNULUS_OK;
    memcpy(t->layer_dropout, o->layer_dropout, sizeof t->layer_dropout);
    t->layer_dropout_count = o->layer_dropout_count;
    return ANNULUS_OK;
}

/* from: that training goes on from, NULL for a new network. */
static annulus_status options_convert(const annulus_train_options *o, const network *from, train_functions *f,
                                      train_options *t)
{
    train_options_init(t);
    if (from != NULL && o->clip_inputs > 0)
        return fail(ANNULUS_ERR_INPUT, "clip_inputs: a network that there is has its input quantizer: leave it out");
    if (o->hidden_count > TRAIN_MAX_HIDDEN || o->conv_count > TRAIN_MAX_HIDDEN - o->hidden_count)
        return fail(ANNULUS_ERR_INPUT, "%zu convolutions and %zu hidden layers: at most %u together are possible",
                    o->conv_count, o->hidden_count, TRAIN_MAX_HIDDEN);
    memcpy(t->hidden, o->hidden, sizeof t->hidden);
    memcpy(t->hidden_add, o->hidden_add, sizeof t->hidden_add);
    t->hidden_count = o->hidden_count;
    t->conv_count = o->conv_count;
    for (size_t i = 0; i < o->conv_count; i++) t->conv[i] = convolution(&o->conv[i]);
    memcpy(t->distill, o->distill, sizeof t->distill);
    t->distill_count = o->distill_count;
    t->offsets = o->offsets;
    t->rise = o->rise;
    TRY(shape_convert(o, f, t));
    t->clip_percentile = o->clip_percentile;
    t->clip_inputs = o->clip_inputs;
    t->clip_learned = o->clip_learned;
    t->power_of_two = o->power_of_two;
    t->epochs = o->epochs;
    t->batch = o->batch;
    t->learning_rate = o->learning_rate;
    t->validation = o->validation;
    TRY(noise_options(o, from, t));
    t->spread = o->spread;
    t->shift = o->shift;
    t->flip = o->flip;
    TRY(dropout_convert(o, t));
    t->optimizer = (train_optimizer)o->optimizer;
    t->schedule = (train_schedule)o->schedule;
    t->momentum = o->momentum;
    t->patience = o->patience;
    t->class_weights = o->class_weights;
    t->class_weights_count = o->class_weights_count;
    t->classes_balanced = o->classes_balanced;
    t->thresholds = o->thresholds;
    t->thresholds_count = o->thresholds_count;
    t->thresholds_best = o->thresholds_best;
    t->checkpoint = o->checkpoint;
    t->accumulator_bits = o->accumulator_bits;
    t->accumulator_masks = o->accumulator_masks;
    t->sparsity = o->sparsity;
    t->seed = o->seed;
    t->threads = o->threads;
    t->from = from;
    return ANNULUS_OK;
}

/* Functions of activations, and the layers of a teacher. */
typedef struct shapes {
    train_functions own, teachers;
    train_options teacher;
} shapes;

static annulus_status teacher_convert(const annulus_train_options *o, shapes *s, train_options *t)
{
    t->taught_by = o->distill_model == NULL ? NULL : o->distill_model->n;
    if (o->distill_network == NULL) return ANNULUS_OK;
    train_options_init(&s->teacher);
    TRY(train_network_read(o->distill_network, &s->teachers, &s->teacher));
    for (size_t i = 0; i < s->teacher.layer_acts_count; i++)
        if (s->teacher.layer_acts[i].bits == 0) s->teacher.layer_acts[i].bits = CLASSIC_BITS;
    t->teacher = &s->teacher;
    return ANNULUS_OK;
}

typedef struct reporting {
    void (*report)(void *context, const annulus_epoch *epoch);
    void *context;
} reporting;

static void report_epoch(void *context, const train_epoch *e)
{
    const reporting *r = context;
    const annulus_epoch epoch = {.epoch = e->epoch,
                                 .epochs = e->epochs,
                                 .loss = e->loss,
                                 .validation = e->validation,
                                 .seconds = e->seconds,
                                 .best = e->best};
    r->report(r->context, &epoch);
}

static annulus_status wrap(annulus_status st, network *n, annulus_model **out)
{
    void *p;
    if (st != ANNULUS_OK) return st;
    st = object_create(sizeof **out, &p);
    if (st != ANNULUS_OK) {
        network_destroy(n);
        return st;
    }
    *out = p;
    (*out)->n = n;
    return ANNULUS_OK;
}

/* The network of m, convolutions and dense layers of these images known as such; m may be NULL. */
static annulus_status plain_network(const annulus_model *m, const annulus_dataset *d, network **out)
{
    *out = NULL;
    if (m == NULL) return ANNULUS_OK;
    const size_t size[3] = {d->d->channels, d->d->height, d->d->width};
    return network_plain(m->n, size, out);
}

/* Names that a model's file must not have, or that its own data would not have, are refused before hours of training.
 */
static annulus_status names_check(const annulus_train_options *o, const dataset *d, size_t outputs)
{
    const char *const *names = o->class_names;
    const char *const *own = (const char *const *)(d->label != NULL ? d->class_names : d->target_names);
    if (names != NULL && o->class_names_count != outputs)
        return fail(ANNULUS_ERR_INPUT, "%zu class names for %zu classes: give one for each", o->class_names_count,
                    outputs);
    if (names == NULL && o->from == NULL) names = own;
    if (names != NULL) TRY(network_labels_check(names, outputs));
    for (size_t i = 0; names != NULL && d->binary && i < outputs; i++)
        if (strchr(names[i], ';') != NULL)
            return fail(ANNULUS_ERR_INPUT,
                        "label %zu: \"%.60s\" has a semicolon, which separates labels in answers: "
                        "change it",
                        i + 1, names[i]);
    for (size_t i = 0; o->from == NULL && o->class_names != NULL && own != NULL && i < outputs; i++)
        if (!text_is_name(own[i], names[i], i))
            return fail(ANNULUS_ERR_INPUT,
                        "output %zu is %.60s in the data, which no other name fits: rename it there, or number what is "
                        "to have names from 0",
                        i + 1, own[i]);
    return ANNULUS_OK;
}

/* Within the budget, unless it is NULL. */
static annulus_status train_model(const annulus_dataset *d, const annulus_train_options *options,
                                  const train_options *t, const train_budget *budget, reporting *r,
                                  const annulus_progress *progress, train_choice *choice, network **out)
{
    network *n = NULL;
    const size_t outputs = t->from != NULL       ? t->from->layers[t->from->layers_count - 1].out
                           : d->d->label != NULL ? d->d->classes
                                                 : d->d->targets;
    TRY(names_check(options, d->d, outputs));
    const train_report report = r->report == NULL ? NULL : report_epoch;
    if (budget != NULL)
        TRY(train_within(d->d, t, budget, report, r, progress, choice, &n));
    else
        TRY(train_network(d->d, t, report, r, progress, &n));
    annulus_status st = ANNULUS_OK;
    if (options->class_names != NULL) st = network_set_labels(n, options->class_names, options->class_names_count);
    if (st == ANNULUS_OK)
        *out = n;
    else
        network_destroy(n);
    return st;
}

static annulus_status convert_and_train(const annulus_dataset *d, const annulus_train_options *options,
                                        const train_budget *budget, reporting r, const annulus_progress *progress,
                                        train_choice *choice, annulus_model **out)
{
    train_options t;
    void *p;
    network *n = NULL, *from;
    TRY(mem_create(1, sizeof(shapes), "activations", &p));
    shapes *s = p;
    annulus_status st = plain_network(options->from, d, &from);
    if (st == ANNULUS_OK) st = options_convert(options, from, &s->own, &t);
    if (st == ANNULUS_OK) st = teacher_convert(options, s, &t);
    if (st == ANNULUS_OK) st = train_model(d, options, &t, budget, &r, progress, choice, &n);
    network_destroy(from);
    mem_free(s);
    return wrap(st, n, out);
}

annulus_status annulus_train(const annulus_dataset *d, const annulus_train_options *options,
                             void (*report)(void *context, const annulus_epoch *epoch), void *context,
                             const annulus_progress *progress, annulus_model **out)
{
    return convert_and_train(d, options, NULL, (reporting){report, context}, progress, NULL, out);
}

annulus_status annulus_train_within(const annulus_dataset *d, const annulus_train_options *options,
                                    const annulus_budget *budget,
                                    void (*report)(void *context, const annulus_epoch *epoch), void *context,
                                    const annulus_progress *progress, annulus_choice *choice, annulus_model **out)
{
    train_choice c;
    const train_budget b = {.seconds = budget->seconds,
                            .threads = options->threads,
                            .rounding_bits = budget->rounding_bits,
                            .noise_given =
                                options->phase_noise >= 0 || options->target_error > 0 || options->index_noise > 0};
    if (options->phase_noise == 0)
        return fail(ANNULUS_ERR_INPUT,
                    "training within seconds: no parameters are without noise: give a phase noise above 0, or none");
    host_costs_load();
    TRY(convert_and_train(d, options, &b, (reporting){report, context}, progress, &c, out));
    *choice = (annulus_choice){.log2_error = c.error > 0 ? log2(c.error) : 0,
                               .rounding_bits = c.rounding_bits,
                               .hidden_count = c.hidden_count,
                               .seconds = c.seconds};
    memcpy(choice->hidden, c.hidden, sizeof choice->hidden);
    choice->noise_count = c.noise_count, choice->rounds = c.rounds;
    for (size_t i = 0; i < c.noise_count; i++)
        choice->trained[i] = noise_public(&c.trained[i]), choice->predicted[i] = noise_public(&c.predicted[i]);
    return ANNULUS_OK;
}

_Static_assert((int)ANNULUS_ADAM == TRAIN_ADAM && (int)ANNULUS_SGD == TRAIN_SGD &&
                   (int)ANNULUS_COSINE == TRAIN_COSINE && (int)ANNULUS_ONE_CYCLE == TRAIN_ONE_CYCLE,
               "the same numbers");
_Static_assert((int)ANNULUS_BY_NORM == PRUNE_BY_NORM && (int)ANNULUS_BY_ACTIVATION == PRUNE_BY_ACTIVATION &&
                   (int)ANNULUS_BY_TAYLOR == PRUNE_BY_TAYLOR,
               "the same numbers");

void annulus_prune_options_init(annulus_prune_options *o)
{
    prune_options p;
    prune_options_init(&p);
    *o = (annulus_prune_options){.percent = -1, .by = (annulus_prune_by)p.by};
    annulus_train_options_init(&o->train);
    o->train.epochs = p.train.epochs;
    o->train.learning_rate = p.train.learning_rate;
}

annulus_status annulus_prune(const annulus_model *m, const annulus_dataset *d, const annulus_prune_options *options,
                             void (*epoch)(void *context, const annulus_epoch *epoch), void *context,
                             const annulus_progress *progress, annulus_prune_report *pruned, annulus_model **out)
{
    prune_options p;
    prune_report report;
    lower_options lower;
    annulus_compile_options compile;
    void *memory = NULL, *room;
    network *n = NULL, *plain = NULL;
    reporting r = {.report = epoch, .context = context};
    prune_options_init(&p);
    if (m == NULL) return fail(ANNULUS_ERR_INPUT, "there is no model to prune: train one, or read its file");
    if ((unsigned)options->by > ANNULUS_BY_TAYLOR)
        return fail(ANNULUS_ERR_INPUT, "pruning by %d: norm, activation or taylor", (int)options->by);
    if (options->train.noise_of != NULL)
        return fail(ANNULUS_ERR_INPUT, "the noise of a circuit is that of the layers before pruning: train afterwards");
    TRY(mem_create(1, sizeof(shapes), "activations", &room));
    shapes *s = room;
    annulus_status st = plain_network(m, d, &plain);
    if (st == ANNULUS_OK) st = options_convert(&options->train, plain, &s->own, &p.train);
    if (st == ANNULUS_OK) st = teacher_convert(&options->train, s, &p.train);
    p.share = options->percent < 0 ? -1 : options->percent / 100;
    p.look_ups = options->look_ups;
    p.seconds = options->seconds;
    p.by = (prune_by)options->by;
    p.phase_noise = p.train.noise_kept ? -1 : p.train.phase_noise;
    p.threads_seconds = options->train.threads;
    p.lower = &lower;
    annulus_compile_options_init(&compile);
    if (st == ANNULUS_OK && p.seconds > 0)
        st = compile_lowering(m, d, options->compile != NULL ? options->compile : &compile, &lower, &memory);
    if (st == ANNULUS_OK)
        st = prune_network(plain, d->d, &p, epoch == NULL ? NULL : report_epoch, &r, progress, &report, &n);
    mem_free(memory), mem_free(s);
    network_destroy(plain);
    TRY(wrap(st, n, out));
    if (pruned != NULL)
        *pruned = (annulus_prune_report){report.look_ups_before, report.look_ups, report.idle,    report.before,
                                         report.removed,         report.after,    report.seconds, report.rounds};
    return ANNULUS_OK;
}

annulus_status annulus_model_read(const char *path, annulus_model **out)
{
    network *n = NULL;
    const annulus_status st = onnx_model_read(path, &n);
    return wrap(st, n, out);
}

annulus_status annulus_model_write(const annulus_model *m, const char *path)
{
    return onnx_model_write(path, m->n);
}

size_t annulus_model_features(const annulus_model *m)
{
    return m->n->inputs;
}

size_t annulus_model_layers(const annulus_model *m)
{
    return m->n->layers_count;
}

annulus_layer_sums annulus_model_sums(const annulus_model *m, size_t layer)
{
    REQUIRE(layer < m->n->layers_count);
    const layer_sums s = network_sums(m->n, layer);
    return (annulus_layer_sums){.inputs = m->n->layers[layer].in,
                                .neurons = m->n->layers[layer].out,
                                .values = (uint64_t)s.values,
                                .bits = s.bits,
                                .weights = s.weights,
                                .nonzero = s.nonzero};
}

annulus_task annulus_model_task(const annulus_model *m)
{
    return m->n->task == NETWORK_CLASSIFICATION ? ANNULUS_CLASSIFICATION
           : m->n->task == NETWORK_REGRESSION   ? ANNULUS_REGRESSION
                                                : ANNULUS_MULTI_LABEL;
}

void annulus_model_destroy(annulus_model *m)
{
    if (m == NULL) return;
    network_destroy(m->n);
    mem_free(m);
}
