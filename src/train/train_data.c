/* SPDX-License-Identifier: Apache-2.0 */
/* Data for training: kind of input, its quantizer, the split, standardised targets. */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#define PIXELS_MOST ((size_t)1 << 22) /* that a percentile is taken of */
#define TABLE_REACH 3.0               /* deviations of a column about its mean that its quantizer spans */

static annulus_status check_values(const dataset *d)
{
    for (size_t i = 0; i < d->count * d->features; i++)
        if (!isfinite(d->x[i]))
            return fail(ANNULUS_ERR_INPUT,
                        "training data: sample %zu, feature %zu is not a finite number; remove the sample",
                        i / d->features, i % d->features);
    return ANNULUS_OK;
}

static annulus_status check_classes(const dataset *d)
{
    if (d->classes < 2) return fail(ANNULUS_ERR_INPUT, "training data: one class only; give samples of two or more");
    int mixed = 0;
    for (size_t i = 0; i < d->count; i++) {
        if (d->label[i] < 0 || (size_t)d->label[i] >= d->classes)
            return fail(ANNULUS_ERR_INPUT, "training data: label %d of sample %zu is outside 0..%zu", (int)d->label[i],
                        i, d->classes - 1);
        mixed |= d->label[i] != d->label[0];
    }
    if (!mixed)
        return fail(ANNULUS_ERR_INPUT, "training data: all samples are of one class; give samples of two or more");
    return ANNULUS_OK;
}

static annulus_status check_targets(const dataset *d)
{
    for (size_t i = 0; i < d->count * d->targets; i++)
        if (!isfinite(d->y[i]) || (d->binary && d->y[i] != 0 && d->y[i] != 1))
            return fail(ANNULUS_ERR_INPUT,
                        "training data: target %zu of sample %zu is not a finite number, or as a label not 0 or 1",
                        i % d->targets, i / d->targets);
    return ANNULUS_OK;
}

static annulus_status check_data(const dataset *d)
{
    if (d == NULL || d->count == 0 || d->features == 0 || d->x == NULL)
        return fail(ANNULUS_ERR_INPUT, "training data: empty; give at least 8 samples");
    TRY(check_values(d));
    if (d->label != NULL) return check_classes(d);
    if (d->y != NULL && d->targets > 0) return check_targets(d);
    return fail(ANNULUS_ERR_INPUT,
                "training data: neither labels nor targets; give the labels of the images, or name the label column");
}

/* 1 for pixels; *top receives the largest value. */
static int is_image(const dataset *d, float *top)
{
    float lo = d->x[0], hi = d->x[0];
    int whole = 1;
    for (size_t i = 0; i < d->count * d->features; i++) {
        const float x = d->x[i];
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
        whole &= x == truncf(x);
    }
    *top = hi;
    if (lo < 0 || hi > 255) return 0;
    if (d->height > 0) return 1;
    return whole && hi > 127 && d->features >= 64;
}

/* Mean and deviation of column f of x (count,columns). */
static void column_moments(const float *x, size_t count, size_t columns, size_t f, double *mean, double *deviation)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < count; i++) sum += (double)x[i * columns + f];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++) {
        const double e = (double)x[i * columns + f] - *mean;
        square += e * e;
    }
    *deviation = sqrt(square / (double)count);
}

static int column_still(const float *x, size_t count, size_t columns, size_t f)
{
    for (size_t i = 1; i < count; i++)
        if (x[i * columns + f] != x[f]) return 0;
    return 1;
}

static void normalise_columns(const dataset *d, train_data *t)
{
    for (size_t f = 0; f < d->features; f++) {
        double mean = (double)d->x[f], deviation = 1;
        if (!column_still(d->x, d->count, d->features, f))
            column_moments(d->x, d->count, d->features, f, &mean, &deviation);
        const float gain = (float)(1 / deviation);
        t->shift[f] = (double)(float)mean;
        t->gain[f] = isnormal(gain) ? (double)gain : 1.0;
    }
}

/* Gains such that what clips is beyond the percentile of each column. */
static annulus_status clip_columns(const dataset *d, double percentile, train_data *t)
{
    void *p;
    TRY(mem_create(d->count, sizeof(float), "a column", &p));
    float *x = p;
    for (size_t f = 0; f < d->features; f++) {
        for (size_t i = 0; i < d->count; i++) x[i] = (float)((double)d->x[i * d->features + f] - t->shift[f]);
        const float top = train_percentile(x, d->count, (float)(percentile / 100));
        const float gain = (float)TABLE_REACH / top;
        if (isnormal(gain)) t->gain[f] = (double)gain;
    }
    mem_free(x);
    return ANNULUS_OK;
}

/* The same for all pixels of up to so many values. */
static float clip_pixels(const dataset *d, double percentile)
{
    const size_t all = d->count * d->features;
    const float top = train_percentile(d->x, all < PIXELS_MOST ? all : PIXELS_MOST, (float)(percentile / 100));
    return top > 0 ? top : 1;
}

static annulus_status choose_input(const dataset *d, const train_options *o, train_data *t)
{
    float top;
    const int image = o->from == NULL && is_image(d, &top);
    if (o->from != NULL) {
        train_from_input(o->from, t);
    } else if (image) {
        const int32_t hi = (1 << o->input_bits) - 1;
        t->input = (quantizer){.scale = (double)(1.0f / (float)hi), .bits = o->input_bits};
        const float most = o->clip_inputs > 0 ? clip_pixels(d, o->clip_inputs) : top <= 1 ? 1 : 255;
        for (size_t f = 0; f < d->features; f++) t->gain[f] = (double)(1.0f / most);
    } else if (o->input_bits == 1) {
        if (o->clip_inputs > 0)
            return fail(ANNULUS_ERR_INPUT, "clip_inputs: of columns of 1 bit, which have two values, nothing is cut "
                                           "off: leave it out");
        t->input = (quantizer){.scale = 1, .bits = 1};
        normalise_columns(d, t);
        for (size_t f = 0; f < d->features; f++) {
            t->gain[f] = (double)(float)(t->gain[f] / (2 * TABLE_REACH));
            t->shift[f] = (double)(float)(t->shift[f] - 0.5 / t->gain[f]);
        }
    } else {
        const int32_t hi = (1 << (o->input_bits - 1)) - 1;
        t->input = (quantizer){
            .scale = (double)((float)TABLE_REACH / (float)hi), .bits = o->input_bits, .is_signed = 1, .narrow = 1};
        normalise_columns(d, t);
        if (o->clip_inputs > 0) TRY(clip_columns(d, o->clip_inputs, t));
    }
    if (o->power_of_two) t->input.scale = (double)train_power_of_two((float)t->input.scale);
    if ((image || (o->from != NULL && !t->input.is_signed)) && d->height > 0) {
        t->channels = d->channels;
        t->height = d->height;
        t->width = d->width;
    }
    return ANNULUS_OK;
}

int32_t train_data_least(const quantizer *input)
{
    int32_t lo, hi;
    quantizer_range(input, &lo, &hi);
    return lo - input->zero;
}

void train_data_quantize(const train_data *t, const float *x, uint8_t *q)
{
    for (size_t f = 0; f < t->features; f++)
        q[f] = (uint8_t)(quantizer_integer(&t->input, ((double)x[f] - t->shift[f]) * t->gain[f]) - t->lo);
}

static void quantize_inputs(const dataset *d, train_data *t)
{
    t->lo = train_data_least(&t->input);
    for (size_t i = 0; i < d->count; i++) train_data_quantize(t, d->x + i * d->features, t->q + i * d->features);
    for (size_t f = 0; f < d->features; f++) {
        t->still[f] = 1;
        for (size_t i = 1; i < d->count && t->still[f]; i++) t->still[f] = t->q[i * d->features + f] == t->q[f];
    }
}

static annulus_status still_target(const dataset *d, size_t j)
{
    return fail(ANNULUS_ERR_INPUT, "training data: %s %zu%s%.60s never changes; there is nothing to learn",
                d->binary ? "label" : "target", j + 1, d->target_names != NULL ? ", " : "",
                d->target_names != NULL ? d->target_names[j] : "");
}

/* Labels of several a sample stay 0 and 1. */
static annulus_status copy_labels(const dataset *d, train_data *t)
{
    for (size_t j = 0; j < d->targets; j++) {
        t->t_gain[j] = 1;
        if (column_still(d->y, d->count, d->targets, j)) return still_target(d, j);
    }
    memcpy(t->target, d->y, d->count * d->targets * sizeof *d->y);
    return ANNULUS_OK;
}

static annulus_status standardise_targets(const dataset *d, train_data *t)
{
    if (d->binary) return copy_labels(d, t);
    for (size_t j = 0; j < d->targets; j++) {
        column_moments(d->y, d->count, d->targets, j, &t->t_mean[j], &t->t_gain[j]);
        if (column_still(d->y, d->count, d->targets, j) || !(t->t_gain[j] > 0)) return still_target(d, j);
        for (size_t i = 0; i < d->count; i++)
            t->target[i * d->targets + j] = (float)(((double)d->y[i * d->targets + j] - t->t_mean[j]) / t->t_gain[j]);
    }
    return ANNULUS_OK;
}

static void split(const train_options *o, uint64_t key, train_data *t)
{
    train_random r;
    train_random_init(&r, key, 1, 0);
    for (size_t i = 0; i < t->count; i++) t->order[i] = i;
    for (size_t i = t->count - 1; i > 0; i--) {
        const size_t j = (size_t)train_random_below(&r, i + 1), swap = t->order[i];
        t->order[i] = t->order[j];
        t->order[j] = swap;
    }
    t->held = (size_t)(o->validation * (double)t->count + 0.5);
    t->train = t->count - t->held;
}

static annulus_status allocate(const dataset *d, train_data *t)
{
    void *p;
#define NEW(field, n, what)                                                                                            \
    TRY(mem_create((n), sizeof *t->field, what, &p));                                                                  \
    t->field = p
    NEW(order, t->count, "training order");
    NEW(shift, t->features, "input shifts");
    NEW(gain, t->features, "input gains");
    NEW(still, t->features, "constant columns");
    if (t->count > SIZE_MAX / t->features) return fail(ANNULUS_ERR_INPUT, "training data: sizes overflow");
    NEW(q, t->count * t->features, "quantized inputs");
    NEW(t_mean, t->outputs, "target means");
    NEW(t_gain, t->outputs, "target deviations");
    if (d->label == NULL) {
        NEW(target, t->count * t->outputs, "targets");
    }
#undef NEW
    return ANNULUS_OK;
}

/* Options that would do nothing with these data, or another thing than they say. */
static annulus_status options_fit(const train_data *t, const train_options *o)
{
    if (t->train < 8)
        return fail(ANNULUS_ERR_INPUT, "training data: %zu samples are left to train on; give at least 8", t->train);
    if (o->patience > 0 && t->held == 0)
        return fail(ANNULUS_ERR_INPUT,
                    "patience: %g of %zu samples is none to validate on; hold out a larger part, or give more samples",
                    o->validation, t->count);
    if ((o->shift > 0 || o->flip) && t->height == 0)
        return fail(ANNULUS_ERR_INPUT,
                    "shift and flip move images: leave them out for tables, and for networks of signed inputs");
    return ANNULUS_OK;
}

int train_held_varies(const train_data *t)
{
    const size_t *held = t->order + t->train;
    for (size_t k = 1; k < t->held; k++)
        for (size_t o = 0; o < t->outputs; o++)
            if (t->target[held[k] * t->outputs + o] != t->target[held[0] * t->outputs + o]) return 1;
    return 0;
}

/* R^2 tells no epoch from another where what is held out does not vary. */
static annulus_status held_fits(const train_data *t, const train_options *o)
{
    if (o->patience == 0 || t->target == NULL || t->binary || train_held_varies(t)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "patience: the targets of all %zu samples to validate on are the same, R^2 says nothing of them; hold "
                "out a larger part, choose others by another seed, or leave out patience",
                t->held);
}

annulus_status train_data_create(const dataset *d, const train_options *o, uint64_t key, train_data *out)
{
    TRY(check_data(d));
    train_data t = {.count = d->count, .features = d->features, .label = d->label, .binary = d->binary};
    t.outputs = o->from != NULL    ? o->from->layers[o->from->layers_count - 1].out
                : d->label != NULL ? d->classes
                                   : d->targets;
    annulus_status st = allocate(d, &t);
    if (st == ANNULUS_OK) {
        split(o, key, &t);
        st = choose_input(d, o, &t);
    }
    if (st == ANNULUS_OK) st = options_fit(&t, o);
    if (st == ANNULUS_OK) quantize_inputs(d, &t);
    if (st == ANNULUS_OK && d->label == NULL) st = standardise_targets(d, &t);
    if (st == ANNULUS_OK) st = held_fits(&t, o);
    if (st == ANNULUS_OK)
        *out = t;
    else
        train_data_destroy(&t);
    return st;
}

void train_data_destroy(train_data *t)
{
    mem_free(t->order);
    mem_free(t->shift);
    mem_free(t->gain);
    mem_free(t->still);
    mem_free(t->q);
    mem_free(t->t_mean);
    mem_free(t->t_gain);
    mem_free(t->target);
    *t = (train_data){0};
}
