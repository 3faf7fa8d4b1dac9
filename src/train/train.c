/* SPDX-License-Identifier: Apache-2.0 */
/* The training loop. */
#include "train/train_priv.h"

#include "base/clock.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

#define BATCH_MAX 65536u

void train_options_init(train_options *o)
{
    *o = (train_options){.hidden = {92, 32},
                         .hidden_count = 2,
                         .act = ACTIVATION_RELU,
                         .offsets = 1,
                         .rise = 0.25,
                         .weight_bits = 4,
                         .activation_bits = 4,
                         .input_bits = 4,
                         .epochs = 30,
                         .batch = 128,
                         .learning_rate = 0.003,
                         .validation = 0.1,
                         .phase_noise = 0.1,
                         .spread = 0.15,
                         .rounding_bits = 5,
                         .momentum = 0.9,
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

static annulus_status activation_check(const train_activation *a)
{
    if (activation_is_wave(a->act) && (!(a->rise > 0) || a->rise > 0.5))
        return fail(ANNULUS_ERR_INPUT, "training options: rise is %g, (0, 0.5] is possible", a->rise);
    if (a->act == ACTIVATION_LEAKY_RELU) TRY(range_check("rise (the slope of leaky_relu)", a->rise, 0, 1));
    if (a->offsets > 1 && !activation_is_wave(a->act))
        return fail(ANNULUS_ERR_INPUT, "training options: %zu offsets of %s: they are of waves alone", a->offsets,
                    activation_name(a->act));
    TRY(range_check("offsets", (double)a->offsets, 1, 16));
    return range_check("activation_bits", a->bits, 1, 8);
}

static annulus_status activations_check(const train_options *o)
{
    const size_t hidden = o->conv_count + o->hidden_count;
    if (o->layer_acts_count != 0 && o->layer_acts_count != hidden)
        return fail(ANNULUS_ERR_INPUT, "training options: %zu activations for %zu hidden layers", o->layer_acts_count,
                    hidden);
    for (size_t i = 0; i < hidden || i == 0; i++) {
        const train_activation a = train_activation_of(o, i);
        TRY(activation_check(&a));
    }
    if (o->offsets == 1 || train_any_waves(o)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "training options: %zu offsets: they are of waves, no layer has any", o->offsets);
}

static annulus_status wave_options_check(const train_options *o)
{
    const int waves = train_any_waves(o);
    TRY(range_check("value_noise", o->value_noise, 0, 1));
    if (o->value_noise > 0 && !waves)
        return fail(ANNULUS_ERR_INPUT, "training options: value_noise is of waves, no layer has any");
    if (train_all_waves(o) && (o->accumulator_bits > 0 || o->sparsity > 0))
        return fail(ANNULUS_ERR_INPUT,
                    "training options: accumulator_bits and sparsity are for networks with a hidden layer that has no "
                    "waves");
    TRY(range_check("spread", o->spread, 0.01, 1));
    return range_check("phase_noise", o->phase_noise, 0, waves ? 0.25 : 10);
}

static annulus_status errors_check(const train_options *o)
{
    if ((o->target_error != 0) + (o->index_noise != 0) + (o->noise_of != NULL) > 1)
        return fail(ANNULUS_ERR_INPUT, "training options: one of target_error, index_noise and noise_of is possible");
    if (o->target_error != 0) TRY(range_check("target_error", o->target_error, 0.001, 0.9));
    if (o->index_noise != 0) TRY(range_check("index_noise", o->index_noise, 1e-6, 8));
    return range_check("rounding_bits", o->rounding_bits, 1, 12);
}

static annulus_status convolutions_check(const train_options *o)
{
    TRY(range_check("the number of convolutions", (double)o->conv_count, 0, TRAIN_MAX_HIDDEN));
    for (size_t i = 0; i < o->conv_count; i++) {
        const train_convolution *c = &o->conv[i];
        TRY(range_check("the channels of a convolution", (double)c->channels, 1, TRAIN_MAX_CHANNELS));
        TRY(range_check("the kernel of a convolution", (double)c->kernel, 1, TRAIN_MAX_KERNEL));
        TRY(range_check("the stride of a convolution", (double)c->stride, 1, TRAIN_MAX_KERNEL));
        TRY(range_check("the padding of a convolution, less than its kernel,", (double)c->padding, 0,
                        (double)(c->kernel - 1)));
        TRY(range_check("the groups of a convolution", (double)c->groups, 0, TRAIN_MAX_CHANNELS));
        if (c->pool != TRAIN_POOL_ALL)
            TRY(range_check("the windows of averages", (double)c->pool, 0, TRAIN_MAX_KERNEL));
    }
    return ANNULUS_OK;
}

static annulus_status dropout_check(const train_options *o)
{
    const size_t layers = o->conv_count + o->hidden_count + 1;
    if (o->layer_dropout_count != 0 && o->layer_dropout_count != layers)
        return fail(ANNULUS_ERR_INPUT,
                    "dropout of %zu layers, the network has %zu: give one number, or one for each layer and the scores",
                    o->layer_dropout_count, layers);
    for (size_t i = 0; i < o->layer_dropout_count; i++)
        TRY(range_check("the dropout of a layer", o->layer_dropout[i], 0, 0.9));
    return range_check("dropout", o->dropout, 0, 0.9);
}

static annulus_status clip_check(const train_options *o)
{
    if (o->clip_percentile != 0) TRY(range_check("clip_percentile", o->clip_percentile, 50, 100));
    if (o->clip_inputs != 0) TRY(range_check("clip_inputs", o->clip_inputs, 50, 100));
    if (!o->clip_learned || (o->accumulator_bits == 0 && o->sparsity == 0)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "training options: clip_learned leaves no scale of the weights to accumulator_bits and sparsity");
}

static annulus_status layers_check(const train_options *o)
{
    TRY(convolutions_check(o));
    TRY(range_check("the number of hidden layers", (double)o->hidden_count, 0,
                    (double)(TRAIN_MAX_HIDDEN - o->conv_count)));
    for (size_t i = 0; i < o->hidden_count; i++)
        TRY(range_check("the width of a hidden layer", (double)o->hidden[i], 1, TRAIN_MAX_WIDTH));
    return activations_check(o);
}

static annulus_status options_check(const train_options *o)
{
    TRY(layers_check(o));
    TRY(range_check("the number of layers of the teacher", (double)o->distill_count, 0, TRAIN_MAX_HIDDEN));
    for (size_t i = 0; i < o->distill_count; i++)
        TRY(range_check("the width of a layer of the teacher", (double)o->distill[i], 1, TRAIN_MAX_WIDTH));
    TRY(train_teacher_check(o));
    if (o->teacher != NULL) TRY(layers_check(o->teacher));
    TRY(range_check("weight_bits", o->weight_bits, 1, TRAIN_WEIGHT_BITS));
    for (size_t i = 0; i <= o->conv_count + o->hidden_count; i++)
        if (o->layer_weight_bits[i] > 0)
            TRY(range_check("weight_bits of a layer", o->layer_weight_bits[i], 1, TRAIN_WEIGHT_BITS));
    TRY(range_check("input_bits", o->input_bits, 1, 8));
    TRY(range_check("epochs", o->epochs, 1, 100000));
    TRY(range_check("batch", (double)o->batch, 2, BATCH_MAX));
    TRY(range_check("learning_rate", o->learning_rate, 1e-8, 10));
    TRY(range_check("validation", o->validation, 0, 0.5));
    TRY(wave_options_check(o));
    TRY(range_check("weight_decay", o->weight_decay, 0, 1));
    TRY(dropout_check(o));
    TRY(range_check("outlier", o->outlier, 0, 100));
    TRY(clip_check(o));
    TRY(errors_check(o));
    TRY(range_check("accumulator_bits", o->accumulator_bits, 0, 31));
    if (!(o->sparsity >= 0) || o->sparsity >= 1)
        return fail(ANNULUS_ERR_INPUT, "training options: sparsity is %g, [0, 1) is possible", o->sparsity);
    TRY(range_check("momentum", o->momentum, 0, 0.999));
    if ((unsigned)o->optimizer > TRAIN_SGD || (unsigned)o->schedule > TRAIN_ONE_CYCLE)
        return fail(ANNULUS_ERR_INPUT, "training options: no such optimizer or schedule");
    if (o->patience > 0 && !(o->validation > 0))
        return fail(ANNULUS_ERR_INPUT, "training options: patience needs a validation set to see what is better");
    return range_check("shift", o->shift, 0, 64);
}

typedef struct loop {
    const train_options *o;
    const dataset *set;
    train_data *t;
    train_model *m, *teacher; /* teacher: NULL for none */
    train_tutor *tutor;       /* NULL: none */
    train_report report;
    void *context;
    const annulus_progress *progress;
    uint64_t key, step;
    size_t steps;        /* of one epoch */
    size_t *first_order; /* (count) of the samples, before any epoch */
    train_best best;
    train_epoch *history; /* (epochs) as reported */
    uint8_t digest[SHA256_BYTES];
} loop;

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

static annulus_status diverged(const loop *l, unsigned epoch)
{
    return fail(ANNULUS_ERR_INPUT, "training diverged in epoch %u: lower the learning rate (%g)", epoch,
                l->o->learning_rate);
}

/* Whether parameters and scales are still those of a network. */
static int holds(const train_model *m)
{
    for (size_t i = 0; i < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        const float step = l->last || train_has_waves(l) ? 1 : train_step_scale(l);
        if (!(step > 0) || !isfinite(step)) return 0;
        for (size_t o = 0; o < l->out; o++)
            if (!(l->scale[o] > 0) || !isfinite(l->scale[o]) || !isfinite(l->beta.x[o]) ||
                (!l->last && !isfinite(l->gamma.x[o])))
                return 0;
    }
    return 1;
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
        /* same rows and salt: teachers see the images moved alike */
        if (l->teacher != NULL) TRY(train_forward(l->teacher, &source, l->m->batch, 16 + l->step, &part));
        if (l->tutor != NULL) TRY(train_tutor_score(l->tutor, &source, l->m->batch, l->key, 16 + l->step));
        train_bound_at(l->m, (double)l->step / (double)(l->steps * l->o->epochs));
        TRY(train_weights_quantize(l->m));
        TRY(train_forward(l->m, &source, l->m->batch, 16 + l->step, &part));
        if (!isfinite(part)) return diverged(l, epoch + 1);
        TRY(train_backward(l->m, l->m->batch));
        train_noise_follow(l->m, l->m->batch);
        TRY(train_wave_follow(l->m, l->m->batch));
        train_clip_follow(l->m, l->m->batch);
        const double rate = train_rate(l->o, l->step++, l->steps * l->o->epochs);
        TRY(l->o->optimizer == TRAIN_SGD ? train_sgd(l->m, rate, l->o->momentum, l->o->weight_decay)
                                         : train_adam(l->m, rate, l->o->weight_decay, l->step));
        *loss += part / (double)l->steps;
    }
    return ANNULUS_OK;
}

/* The order of the samples after so many epochs: each shuffles that of the one before. */
static void order_after(const loop *l, unsigned epochs)
{
    memcpy(l->t->order, l->first_order, l->t->count * sizeof *l->first_order);
    for (unsigned e = 0; e < epochs; e++) shuffle(l, e);
}

/* Whether `done` epochs are enough: none of the last ones was better. */
static int enough(const loop *l, unsigned done)
{
    return l->o->patience > 0 && l->best.epoch > 0 && done - l->best.epoch >= l->o->patience;
}

static annulus_status score_epoch(loop *l, train_epoch *report)
{
    network *n = NULL;
    TRY(train_fold(l->m, l->t, &n));
    const annulus_status st = train_score(n, l->t, l->o->threads, l->key, &report->validation);
    network_destroy(n);
    return st;
}

/* What follows the steps of an epoch. */
static annulus_status end_epoch(loop *l, double start, train_epoch *report)
{
    train_bound_at(l->m, (double)report->epoch / (double)l->o->epochs);
    TRY(train_weights_quantize(l->m));
    if (!holds(l->m)) return diverged(l, report->epoch);
    if (l->report != NULL || l->o->patience > 0) TRY(score_epoch(l, report));
    const int better = l->best.epoch == 0 || report->validation > l->best.score;
    report->best = l->o->patience > 0 && train_bound_settled(l->m) && better;
    if (report->best) train_best_store(l->m, report->epoch, report->validation, &l->best);
    report->seconds = clock_seconds(CLOCK_MONOTONIC) - start;
    l->history[report->epoch - 1] = *report;
    if (l->o->checkpoint != NULL)
        TRY(train_checkpoint_write(l->o->checkpoint, l->digest, l->history, report->epoch, l->m, &l->best));
    if (l->report != NULL) l->report(l->context, report);
    return ANNULUS_OK;
}

/* Where the teacher's scores are made batch by batch, those of the samples as they are tell it from others. */
static annulus_status digest(loop *l)
{
    float *scores = NULL;
    if (l->tutor == NULL) return train_digest(l->m, l->t, l->o, l->digest);
    TRY(train_taught(l->tutor->n, l->set, l->t, l->o->threads, &scores));
    l->m->taught = scores;
    const annulus_status st = train_digest(l->m, l->t, l->o, l->digest);
    l->m->taught = NULL;
    mem_free(scores);
    return st;
}

static annulus_status run_epochs(loop *l, network **out)
{
    const train_source start_from = {.data = l->t, .order = l->t->order, .shift = l->o->shift, .flip = l->o->flip};
    unsigned done = 0;
    if (l->o->from == NULL) TRY(train_wave_start(l->m, &start_from, l->m->batch));
    TRY(train_clip_start(l->m, &start_from, l->m->batch));
    TRY(train_clip_learn(l->m));
    if (l->o->patience > 0) TRY(train_best_create(l->m, &l->best));
    if (l->o->checkpoint != NULL) {
        TRY(digest(l));
        TRY(train_checkpoint_read(l->o->checkpoint, l->digest, l->o, l->history, &done, l->m, &l->best));
        order_after(l, done);
        l->step = done * l->steps;
        for (unsigned e = 0; e < done && l->report != NULL; e++) l->report(l->context, &l->history[e]);
    }
    while (done < l->o->epochs && !enough(l, done)) {
        const double start = clock_seconds(CLOCK_MONOTONIC);
        train_epoch report = {.epoch = done + 1, .epochs = l->o->epochs, .validation = NAN};
        TRY(run_epoch(l, done++, &report.loss));
        TRY(end_epoch(l, start, &report));
    }
    if (l->best.epoch > 0) {
        train_best_restore(&l->best, l->m);
        order_after(l, l->best.epoch);
    }
    train_bound_at(l->m, 1);
    TRY(train_weights_quantize(l->m));
    network *n = NULL;
    TRY(train_fold(l->m, l->t, &n));
    annulus_status st = train_thresholds(l->t, l->o, n);
    if (st == ANNULUS_OK && l->m->layer[l->m->layers - 1].common)
        st = train_score_noise(n, l->t, l->o->threads, l->key);
    if (st == ANNULUS_OK) st = progress_report(l->progress, "training", 1, 1);
    if (st == ANNULUS_OK)
        *out = n;
    else
        network_destroy(n);
    return st;
}

/* Trains a network of real weights. */
static annulus_status train_teacher(const loop *l, train_model *out)
{
    train_options o;
    loop t = *l;
    train_model m;
    double loss;
    train_teacher_options(l->o, &o);
    annulus_status st = train_model_create(t.t, &o, t.key, 0, &m);
    if (st != ANNULUS_OK) return fail_prefix(st, "the teacher");
    t.o = &o, t.m = &m;
    t.steps = t.t->train / m.batch;
    for (unsigned e = 0; st == ANNULUS_OK && e < o.epochs; e++) st = run_epoch(&t, e, &loss);
    order_after(l, 0);
    if (st == ANNULUS_OK) st = train_weights_quantize(&m);
    m.still = NULL; /* it may outlive the data */
    if (st == ANNULUS_OK)
        *out = m;
    else
        train_model_destroy(&m);
    return st;
}

/* Has a network that is trained first, or was before, teach l->m. */
static annulus_status learn_from_trained(loop *l, train_model *teacher)
{
    if (teacher->layers == 0) TRY(train_teacher(l, teacher));
    REQUIRE(teacher->batch == l->m->batch && teacher->layer[teacher->layers - 1].out == l->t->outputs);
    l->teacher = teacher;
    l->m->soft = teacher->layer[teacher->layers - 1].u;
    return ANNULUS_OK;
}

static annulus_status allocate(loop *l)
{
    void *order, *history;
    TRY(mem_create(l->t->count, sizeof *l->first_order, "order of samples", &order));
    l->first_order = memcpy(order, l->t->order, l->t->count * sizeof *l->first_order);
    TRY(mem_create(l->o->epochs, sizeof *l->history, "reports", &history));
    l->history = history;
    return ANNULUS_OK;
}

/* Has a network that there is teach l->m; *tutor and *taught are the caller's in every case. */
static annulus_status learn_from_given(loop *l, const network *n, train_tutor *tutor, float **taught)
{
    if (!train_moves(l->t, l->o->shift, l->o->flip)) {
        TRY(train_taught(n, l->set, l->t, l->o->threads, taught));
        l->m->taught = *taught;
        return ANNULUS_OK;
    }
    TRY(train_tutor_create(n, l->set, l->t, l->m->batch, l->o->threads, tutor));
    l->tutor = tutor;
    l->m->soft = tutor->soft;
    return ANNULUS_OK;
}

static annulus_status run_model(loop *l, network **out)
{
    train_model m, teacher = {0};
    train_tutor tutor = {0};
    float *taught = NULL;
    TRY(train_thresholds_check(l->t, l->o));
    TRY(train_model_create(l->t, l->o, l->key, 1, &m));
    l->m = &m;
    l->steps = l->t->train / m.batch; /* the last, short batch of an epoch is left out; epochs are shuffled anew */
    annulus_status st = ANNULUS_OK;
    if (train_has_teacher(l->o)) st = learn_from_trained(l, l->o->kept != NULL ? l->o->kept : &teacher);
    if (l->o->taught_by != NULL) st = learn_from_given(l, l->o->taught_by, &tutor, &taught); /* never both */
    if (st == ANNULUS_OK) st = run_epochs(l, out);
    train_model_destroy(&teacher);
    train_model_destroy(&m);
    train_tutor_clear(&tutor);
    mem_free(taught);
    mem_free(l->best.x);
    return st;
}

static annulus_status run(loop *l, network **out)
{
    network *n = NULL;
    annulus_status st = allocate(l);
    if (st == ANNULUS_OK) st = run_model(l, &n);
    mem_free(l->first_order), mem_free(l->history);
    const char *const *names = (const char *const *)(l->o->from != NULL      ? l->o->from->labels
                                                     : l->set->label != NULL ? l->set->class_names
                                                                             : l->set->target_names);
    if (st == ANNULUS_OK && names != NULL) st = network_set_labels(n, names, l->t->outputs);
    if (st == ANNULUS_OK) st = network_check(n);
    if (st == ANNULUS_OK) st = train_bound_check(n, l->o->accumulator_bits);
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
    train_options own;
    loop l = {.o = &own, .set = data, .t = &t, .report = report, .context = context, .progress = progress};
    TRY(train_from_options(data, options, &own));
    if (own.layer_acts_count > 0) own.act = own.layer_acts[0].act;
    TRY(options_check(&own));
    TRY(train_key(own.seed, &l.key));
    TRY(train_data_create(data, &own, l.key, &t));
    train_blas_begin();
    const annulus_status st = run(&l, out);
    train_blas_end();
    train_data_destroy(&t);
    return st;
}
