/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop. */
#include "train/train_priv.h"

#include "base/clock.h"
#include "base/parallel.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define LAYERS_WIDTH_MAX 8192u
#define BATCH_MAX 65536u

void train_options_init(train_options *o)
{
    *o = (train_options){.hidden = {92, 32},
                         .hidden_count = 2,
                         .act = ACTIVATION_RELU,
                         .offsets = 1,
                         .rise = 0.25,
                         .input_bits = 4,
                         .epochs = 30,
                         .batch = 128,
                         .learning_rate = 0.003,
                         .validation = 0.1,
                         .phase_noise = -1,
                         .weight_decay = 0.01,
                         .outlier = 0.0,
                         .shift = 0,
                         .seed = 1};
}

static annulus_status range_check(const char *what, double value, double least, double most)
{
    if (value >= least && value <= most) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "training options: %s is %g, %g to %g are possible", what, value, least, most);
}

/* Options with every default in place. */
static train_options settled(const train_options *o)
{
    train_options s = *o;
    const int wave = activation_is_wave(s.act);
    if (s.weight_bits == 0) s.weight_bits = wave ? 8 : 4;
    if (s.activation_bits == 0) s.activation_bits = wave ? 8 : 4;
    if (s.phase_noise < 0) s.phase_noise = wave ? 0.03125 : 0.1;
    return s;
}

static annulus_status wave_options_check(const train_options *o)
{
    TRY(range_check("offsets", (double)o->offsets, 1, activation_is_wave(o->act) ? 16 : 1));
    if (!(o->rise > 0)) return fail(ANNULUS_ERR_INPUT, "training options: rise is %g, (0, 0.5] is possible", o->rise);
    TRY(range_check("rise", o->rise, 0, 0.5));
    TRY(range_check("value_noise", o->value_noise, 0, activation_is_wave(o->act) ? 1 : 0));
    return range_check("phase_noise", o->phase_noise, 0, activation_is_wave(o->act) ? 0.25 : 10);
}

static annulus_status options_check(const train_options *o)
{
    TRY(range_check("the number of hidden layers", (double)o->hidden_count, 0, TRAIN_MAX_HIDDEN));
    for (size_t i = 0; i < o->hidden_count; i++)
        TRY(range_check("the width of a hidden layer", (double)o->hidden[i], 1, LAYERS_WIDTH_MAX));
    TRY(range_check("the number of layers of the teacher", (double)o->distill_count, 0, TRAIN_MAX_HIDDEN));
    for (size_t i = 0; i < o->distill_count; i++)
        TRY(range_check("the width of a layer of the teacher", (double)o->distill[i], 1, LAYERS_WIDTH_MAX));
    TRY(range_check("weight_bits", o->weight_bits, 2, 8));
    for (size_t i = 0; i <= o->hidden_count; i++)
        if (o->layer_weight_bits[i] > 0) TRY(range_check("weight_bits of a layer", o->layer_weight_bits[i], 2, 8));
    const int is_signed = o->act == ACTIVATION_TANH || o->act == ACTIVATION_IDENTITY || activation_is_wave(o->act);
    TRY(range_check(is_signed ? "activation_bits (of a signed activation)" : "activation_bits", o->activation_bits,
                    is_signed ? 2 : 1, 8));
    TRY(range_check("input_bits", o->input_bits, 1, 8));
    TRY(range_check("epochs", o->epochs, 1, 100000));
    TRY(range_check("batch", (double)o->batch, 2, BATCH_MAX));
    TRY(range_check("learning_rate", o->learning_rate, 1e-8, 10));
    TRY(range_check("validation", o->validation, 0, 0.5));
    TRY(wave_options_check(o));
    TRY(range_check("weight_decay", o->weight_decay, 0, 1));
    TRY(range_check("outlier", o->outlier, 0, 100));
    return range_check("shift", o->shift, 0, 64);
}

typedef struct loop {
    const train_options *o;
    const dataset *set;
    train_data *t;
    train_model *m, *teacher; /* teacher: NULL for none */
    train_report report;
    void *context;
    const annulus_progress *progress;
    uint64_t key, step;
    size_t steps; /* of one epoch */
} loop;

/* Rate of a step: linear warm-up over the first twentieth, then half a cosine down to a hundredth. */
static double rate_at(const loop *l)
{
    const double total = (double)(l->steps * l->o->epochs), at = (double)l->step / total, warm = 0.05;
    if (at < warm) return l->o->learning_rate * (at + 1 / total) / (warm + 1 / total);
    return l->o->learning_rate * (0.01 + 0.99 * 0.5 * (1 + cos(M_PI * (at - warm) / (1 - warm))));
}

static void shuffle(const loop *l, unsigned epoch)
{
    train_random r;
    train_random_init(&r, l->key, 3, epoch);
    for (size_t i = l->t->train - 1; i > 0; i--) {
        const size_t j = (size_t)train_random_below(&r, i + 1), swap = l->t->order[i];
        l->t->order[i] = l->t->order[j];
        l->t->order[j] = swap;
    }
}

static annulus_status run_epoch(loop *l, unsigned epoch, double *loss)
{
    shuffle(l, epoch);
    *loss = 0;
    for (size_t s = 0; s < l->steps; s++) {
        double part;
        const train_source source = {
            .data = l->t, .order = l->t->order, .first = s * l->m->batch, .shift = l->o->shift, .flip = l->o->flip};
        TRY(progress_report(l->progress, "training", epoch * l->steps + s, l->o->epochs * l->steps));
        /* same rows and salt: the teacher sees the images moved alike */
        if (l->teacher != NULL) TRY(train_forward(l->teacher, &source, l->m->batch, 16 + l->step, &part));
        TRY(train_weights_quantize(l->m));
        TRY(train_forward(l->m, &source, l->m->batch, 16 + l->step, &part));
        if (!isfinite(part))
            return fail(ANNULUS_ERR_INPUT, "training diverged in epoch %u: lower the learning rate (%g)", epoch + 1,
                        l->o->learning_rate);
        TRY(train_backward(l->m, l->m->batch));
        train_wave_follow(l->m, l->m->batch);
        const double rate = rate_at(l);
        TRY(train_adam(l->m, rate, l->o->weight_decay, ++l->step));
        *loss += part / (double)l->steps;
    }
    return ANNULUS_OK;
}

static annulus_status run_epochs(loop *l, network **out)
{
    const train_source start_from = {.data = l->t, .order = l->t->order, .shift = l->o->shift, .flip = l->o->flip};
    TRY(train_wave_start(l->m, &start_from, l->m->batch));
    for (unsigned e = 0; e < l->o->epochs; e++) {
        const double start = clock_seconds(CLOCK_MONOTONIC);
        train_epoch report = {.epoch = e + 1, .epochs = l->o->epochs};
        TRY(run_epoch(l, e, &report.loss));
        TRY(train_weights_quantize(l->m));
        const int last = e + 1 == l->o->epochs;
        if (!last && l->report == NULL) continue;
        network *n = NULL;
        TRY(train_fold(l->m, l->t, &n));
        annulus_status st = train_score(n, l->t, l->o->threads, l->key, &report.validation);
        if (st == ANNULUS_OK && last && activation_is_wave(l->o->act))
            st = train_score_noise(n, l->t, l->o->threads, l->key);
        report.seconds = clock_seconds(CLOCK_MONOTONIC) - start;
        if (st == ANNULUS_OK && l->report != NULL) l->report(l->context, &report);
        if (st == ANNULUS_OK && last)
            *out = n;
        else
            network_destroy(n);
        TRY(st);
    }
    return progress_report(l->progress, "training", 1, 1);
}

/* Trains a network of real weights for l->teacher, which the caller destroys in every case. */
static annulus_status teach(const loop *l, train_model *teacher)
{
    train_options o = *l->o;
    loop t = *l;
    double loss;
    memcpy(o.hidden, o.distill, sizeof o.hidden);
    o.hidden_count = o.distill_count;
    o.act = ACTIVATION_RELU;
    o.phase_noise = o.value_noise = o.outlier = 0;
    o.epochs = o.epochs < TRAIN_TEACHER_EPOCHS ? o.epochs : TRAIN_TEACHER_EPOCHS;
    TRY(train_model_create(t.t, &o, t.key, 0, teacher));
    t.o = &o, t.m = teacher, t.report = NULL;
    t.steps = t.t->train / teacher->batch;
    for (unsigned e = 0; e < o.epochs; e++) TRY(run_epoch(&t, e, &loss));
    return train_weights_quantize(teacher);
}

static annulus_status run_model(loop *l, network **out)
{
    train_model teacher = {0};
    annulus_status st = l->o->distill_count > 0 ? teach(l, &teacher) : ANNULUS_OK;
    if (st == ANNULUS_OK && l->o->distill_count > 0) {
        l->teacher = &teacher;
        l->m->soft = teacher.layer[teacher.layers - 1].u;
    }
    if (st == ANNULUS_OK) st = run_epochs(l, out);
    train_model_destroy(&teacher);
    return st;
}

static annulus_status run(loop *l, network **out)
{
    network *n = NULL;
    train_model m;
    TRY(train_model_create(l->t, l->o, l->key, 1, &m));
    l->m = &m;
    l->steps = l->t->train / m.batch; /* the last, short batch of an epoch is left out; epochs are shuffled anew */
    annulus_status st = run_model(l, &n);
    train_model_destroy(&m);
    const char *const *names =
        (const char *const *)(l->set->label != NULL ? l->set->class_names : l->set->target_names);
    if (st == ANNULUS_OK && names != NULL) st = network_set_labels(n, names, l->t->outputs);
    if (st == ANNULUS_OK) st = network_check(n);
    if (st == ANNULUS_OK)
        *out = n;
    else
        network_destroy(n);
    return st;
}

annulus_status train_network(const dataset *data, const train_options *options, train_report report, void *context,
                             const annulus_progress *progress, network **out)
{
    train_data t;
    const train_options o = settled(options);
    loop l = {.o = &o, .set = data, .t = &t, .report = report, .context = context, .progress = progress};
    TRY(options_check(&o));
    TRY(train_key(o.seed, &l.key));
    TRY(train_data_create(data, &o, l.key, &t));
    const int blas_threads = openblas_get_num_threads();
    openblas_set_num_threads(1);
    const annulus_status st = run(&l, out);
    openblas_set_num_threads(blas_threads);
    train_data_destroy(&t);
    return st;
}
