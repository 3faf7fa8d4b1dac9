/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/deploy_priv.h"
#include "onnx/onnx_model.h"
#include "train/train.h"

#include <string.h>

_Static_assert(ANNULUS_MAX_HIDDEN == TRAIN_MAX_HIDDEN, "public and internal limits agree");

void annulus_train_options_init(annulus_train_options *o)
{
    train_options t;
    train_options_init(&t);
    *o = (annulus_train_options){.hidden_count = t.hidden_count,
                                 .activation = activation_name(t.act),
                                 .offsets = t.offsets,
                                 .rise = t.rise,
                                 .weight_bits = t.weight_bits,
                                 .activation_bits = t.activation_bits,
                                 .input_bits = t.input_bits,
                                 .epochs = t.epochs,
                                 .batch = t.batch,
                                 .learning_rate = t.learning_rate,
                                 .validation = t.validation,
                                 .phase_noise = t.phase_noise,
                                 .value_noise = t.value_noise,
                                 .distill_count = t.distill_count,
                                 .shift = t.shift,
                                 .flip = t.flip,
                                 .seed = t.seed,
                                 .threads = t.threads};
    memcpy(o->hidden, t.hidden, sizeof o->hidden);
    memcpy(o->distill, t.distill, sizeof o->distill);
}

static annulus_status options_convert(const annulus_train_options *o, train_options *t)
{
    train_options_init(t);
    if (o->hidden_count > TRAIN_MAX_HIDDEN)
        return fail(ANNULUS_ERR_INPUT, "%zu hidden layers: at most %u are possible", o->hidden_count, TRAIN_MAX_HIDDEN);
    TRY(activation_parse(o->activation, &t->act));
    memcpy(t->hidden, o->hidden, sizeof t->hidden);
    t->hidden_count = o->hidden_count;
    memcpy(t->distill, o->distill, sizeof t->distill);
    t->distill_count = o->distill_count;
    t->offsets = o->offsets;
    t->rise = o->rise;
    t->weight_bits = o->weight_bits;
    memcpy(t->layer_weight_bits, o->layer_weight_bits, sizeof t->layer_weight_bits);
    t->activation_bits = o->activation_bits;
    t->input_bits = o->input_bits;
    t->epochs = o->epochs;
    t->batch = o->batch;
    t->learning_rate = o->learning_rate;
    t->validation = o->validation;
    t->phase_noise = o->phase_noise;
    t->value_noise = o->value_noise;
    t->shift = o->shift;
    t->flip = o->flip;
    t->seed = o->seed;
    t->threads = o->threads;
    return ANNULUS_OK;
}

typedef struct reporting {
    void (*report)(void *context, const annulus_epoch *epoch);
    void *context;
} reporting;

static void report_epoch(void *context, const train_epoch *e)
{
    const reporting *r = context;
    const annulus_epoch epoch = {
        .epoch = e->epoch, .epochs = e->epochs, .loss = e->loss, .validation = e->validation, .seconds = e->seconds};
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

annulus_status annulus_train(const annulus_dataset *d, const annulus_train_options *options,
                             void (*report)(void *context, const annulus_epoch *epoch), void *context,
                             const annulus_progress *progress, annulus_model **out)
{
    train_options t;
    network *n = NULL;
    reporting r = {.report = report, .context = context};
    TRY(options_convert(options, &t));
    const size_t outputs = d->d->label != NULL ? d->d->classes : d->d->targets;
    if (options->class_names != NULL && options->class_names_count != outputs)
        return fail(ANNULUS_ERR_INPUT, "%zu class names for %zu classes: give one for each", options->class_names_count,
                    outputs);
    annulus_status st = train_network(d->d, &t, report == NULL ? NULL : report_epoch, &r, progress, &n);
    if (st == ANNULUS_OK && options->class_names != NULL) {
        st = network_set_labels(n, options->class_names, options->class_names_count);
        if (st != ANNULUS_OK) network_destroy(n);
    }
    return wrap(st, n, out);
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

annulus_task annulus_model_task(const annulus_model *m)
{
    return m->n->task == NETWORK_CLASSIFICATION ? ANNULUS_CLASSIFICATION : ANNULUS_REGRESSION;
}

void annulus_model_destroy(annulus_model *m)
{
    if (m == NULL) return;
    network_destroy(m->n);
    mem_free(m);
}
