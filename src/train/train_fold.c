/* SPDX-License-Identifier: Apache-2.0 */
/* From the trained model to a quantized network: batch normalisation becomes scales and biases, with the mean and
 * variance of many samples in place of one batch. Sums are of whole numbers in double precision, hence exact. */
#include "train/train_priv.h"

#include "base/parallel.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

typedef struct values {
    size_t count, width;
    double *x; /* (count,width) whole numbers */
} values;

typedef struct product {
    const values *in;
    size_t out;
    const double *W;           /* (out,width), or that of the block */
    const linear_block *block; /* of a convolution; NULL: dense */
    double *y;                 /* (count,out) */
} product;

static size_t fewer(size_t a, size_t b)
{
    return a < b ? a : b;
}

static annulus_status values_create(size_t count, size_t width, values *out)
{
    void *p;
    if (width > SIZE_MAX / (count + 1)) return fail(ANNULUS_ERR_INPUT, "training data: sizes overflow");
    TRY(mem_create(count * width, sizeof(double), "activations", &p));
    *out = (values){.count = count, .width = width, .x = p};
    return ANNULUS_OK;
}

static annulus_status values_load(const train_data *t, const size_t *order, size_t count, values *out)
{
    TRY(values_create(count, t->features, out));
    for (size_t i = 0; i < count; i++)
        for (size_t f = 0; f < t->features; f++) out->x[i * t->features + f] = t->q[order[i] * t->features + f] + t->lo;
    return ANNULUS_OK;
}

/* Samples [first, first + count) through the block: a product of the windows of each. */
static annulus_status gathered_samples(const product *p, size_t first, size_t count)
{
    const linear_block *b = p->block;
    const size_t taps = b->places * b->taps, sums = b->places * b->rows;
    void *room;
    TRY(mem_create(taps + sums, sizeof(double), "windows", &room));
    double *window = room, *sum = window + taps;
    for (size_t i = first; i < first + count; i++) {
        const double *x = p->in->x + i * p->in->width;
        for (size_t k = 0; k < taps; k++) window[k] = b->from[k] == LINEAR_NOTHING ? 0 : x[b->from[k]];
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)b->places, (blasint)b->rows, (blasint)b->taps,
                    1.0, window, (blasint)b->taps, p->W, (blasint)b->taps, 0.0, sum, (blasint)b->rows);
        for (size_t k = 0; k < sums; k++) p->y[i * p->out + b->to[k]] = sum[k];
    }
    mem_free(room);
    return ANNULUS_OK;
}

static annulus_status product_block(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const product *p = context;
    const size_t first = item * TRAIN_BLOCK, left = p->in->count - first,
                 count = left < TRAIN_BLOCK ? left : TRAIN_BLOCK;
    if (p->block != NULL) return gathered_samples(p, first, count);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)count, (blasint)p->out, (blasint)p->in->width, 1.0,
                p->in->x + first * p->in->width, (blasint)p->in->width, p->W, (blasint)p->in->width, 0.0,
                p->y + first * p->out, (blasint)p->out);
    return ANNULUS_OK;
}

/* sums <- in W^T. */
static annulus_status accumulate(const values *in, const dense_layer *d, unsigned threads, values *sums)
{
    void *W;
    const linear_block *b = d->W == NULL ? d->linear.blocks : NULL; /* training makes single ones */
    const size_t weights = b != NULL ? b->rows * b->taps : d->in * d->out;
    TRY(mem_create(weights, sizeof(double), "weights", &W));
    for (size_t i = 0; i < weights; i++) ((double *)W)[i] = b != NULL ? b->W[i] : d->W[i];
    annulus_status st = values_create(in->count, d->out, sums);
    if (st == ANNULUS_OK) {
        product p = {.in = in, .out = d->out, .W = W, .block = b, .y = sums->x};
        st = parallel_for((in->count + TRAIN_BLOCK - 1) / TRAIN_BLOCK, threads, product_block, &p);
    }
    mem_free(W);
    return st;
}

/* Whole numbers behind the quantizer of a hidden layer, in place of its sums; unit: real value of one input unit; noise
 * of the layer's deviation on the phases of waves, unless r is NULL. */
static annulus_status activate(const dense_layer *d, double unit, train_random *r, values *v)
{
    values next;
    TRY(values_create(v->count, dense_layer_values(d), &next));
    for (size_t i = 0; i < v->count; i++)
        for (size_t o = 0; o < d->out; o++) {
            double u = d->w_scale[o] * (v->x[i * d->out + o] * unit) + d->bias[o];
            if (r != NULL && activation_is_wave(d->act)) u += d->noise * (double)train_random_bell(r);
            double *y = next.x + i * next.width + o * d->offsets;
            for (size_t j = 0; j < d->offsets; j++) {
                const double x = u + 0.5 * (double)j / (double)d->offsets;
                y[j] = quantizer_integer(&d->out_q, dense_layer_act(d, x));
            }
        }
    mem_free(v->x);
    *v = next;
    return ANNULUS_OK;
}

/* The outputs [o*places, (o + 1)*places) of channel o. */
static void moments(const values *sums, size_t o, size_t places, double *mean, double *variance)
{
    const double count = (double)(sums->count * places);
    double sum = 0, square = 0;
    for (size_t i = 0; i < sums->count; i++)
        for (size_t p = 0; p < places; p++) sum += sums->x[i * sums->width + o * places + p];
    *mean = sum / count;
    for (size_t i = 0; i < sums->count; i++)
        for (size_t p = 0; p < places; p++) {
            const double e = sums->x[i * sums->width + o * places + p] - *mean;
            square += e * e;
        }
    *variance = square / count;
}

/* Integer weights of channel o. */
static int32_t *weights_of(const train_layer *l, const dense_layer *d, size_t o)
{
    return (d->W == NULL ? d->linear.blocks[0].W : d->W) + o * l->in;
}

/* Integer weights, and w_scale the scale of each channel. */
static void whole_weights(const train_layer *l, const train_layer *before, dense_layer *d)
{
    d->weight_bits = l->bits;
    for (size_t o = 0; o < l->out; o++) {
        const float s = l->scale[o];
        int32_t *W = weights_of(l, d, o);
        for (size_t p = 0; p < l->places; p++) d->w_scale[o * l->places + p] = (double)s;
        for (size_t i = 0; i < l->in; i++) {
            const size_t at = d->W == NULL || before == NULL ? i : train_conv_number(before, i);
            W[at] = (int32_t)lrintf(l->wq[o * l->in + i] / s);
        }
    }
}

/* A negative gain turns into negated weights; one that vanishes into none. */
static void set_affine(const train_layer *l, dense_layer *d, size_t o, double gain, double bias)
{
    const float scale = (float)fabs(gain);
    int32_t *W = weights_of(l, d, o);
    if (!isnormal(scale))
        memset(W, 0, l->in * sizeof *W);
    else if (gain < 0)
        for (size_t i = 0; i < l->in; i++) W[i] = -W[i];
    for (size_t p = o * l->places; p < (o + 1) * l->places; p++) {
        d->w_scale[p] = isnormal(scale) ? (double)scale : 1.0;
        d->bias[p] = (double)(float)bias;
    }
}

static quantizer out_quantizer(const train_layer *l, double scale)
{
    const int is_signed = l->lo < 0;
    return (quantizer){.scale = scale,
                       .is_signed = is_signed,
                       .narrow = is_signed,
                       .bits = (unsigned)lrint(log2((double)(l->hi + 1))) + (unsigned)is_signed};
}

static void fold_waves(const train_layer *l, double noise, dense_layer *d)
{
    d->act = l->act;
    d->rise = l->act == ACTIVATION_TRAPEZOID ? (double)l->rise : 0;
    d->offsets = l->offsets;
    d->noise = noise;
    d->out_q = out_quantizer(l, (double)(1.0f / (float)(l->hi + (l->power_of_two != 0))));
    for (size_t p = 0; p < d->out; p++) d->bias[p] = (double)(l->beta.x[p / l->places] - l->base[p / l->places]);
}

static void fold_hidden(const train_layer *l, const values *sums, double unit, dense_layer *d)
{
    d->act = l->act;
    d->rise = l->act == ACTIVATION_LEAKY_RELU ? (double)l->rise : 0;
    if (l->act == ACTIVATION_FUNCTION) d->own = *l->own;
    d->out_q = out_quantizer(l, (double)train_step_scale(l));
    for (size_t o = 0; o < l->out; o++) {
        double mean, variance;
        moments(sums, o, l->places, &mean, &variance);
        const double scale = d->w_scale[o * l->places], w = scale * unit;
        double gain = (double)l->gamma.x[o] / sqrt(w * w * variance + (double)TRAIN_EPSILON);
        if (l->power_of_two && isnormal((float)(gain * scale)))
            gain = copysign((double)train_power_of_two((float)fabs(gain * scale)) / scale, gain);
        set_affine(l, d, o, gain * scale, (double)l->beta.x[o] - gain * w * mean);
    }
}

static void fold_last(const train_layer *l, const train_data *t, dense_layer *d)
{
    for (size_t o = 0; o < l->out; o++) {
        const double gain = t->target == NULL ? 1 : t->t_gain[o], shift = t->target == NULL ? 0 : t->t_mean[o];
        set_affine(l, d, o, gain * d->w_scale[o], gain * (double)l->beta.x[o] + shift);
    }
}

static annulus_status fold_layers(const train_model *m, const train_data *t, values *x, network *n)
{
    double unit = t->input.scale;
    for (size_t i = 0; i < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        dense_layer *d = &n->layers[i];
        const train_layer *before = i == 0 ? NULL : l - 1;
        TRY(l->from != NULL ? train_conv_fold(l, before, d) : dense_layer_create(l->in, l->out, d));
        whole_weights(l, before, d);
        if (l->last) {
            fold_last(l, t, d);
            break;
        }
        if (train_has_waves(l)) {
            fold_waves(l, (double)m->noise, d);
            continue;
        }
        values sums = {0};
        const annulus_status st = accumulate(x, d, m->threads, &sums);
        if (st == ANNULUS_OK) {
            fold_hidden(l, &sums, unit, d);
            /* signs may have changed: the sums follow */
            for (size_t o = 0; o < d->out; o++)
                for (size_t k = 0; l->gamma.x[o / l->places] < 0 && k < sums.count; k++) sums.x[k * d->out + o] *= -1;
        }
        mem_free(x->x);
        *x = sums;
        TRY(st);
        TRY(activate(d, unit, NULL, x));
        unit = d->out_q.scale;
    }
    return ANNULUS_OK;
}

/* Samples for the statistics. */
static size_t statistics(const train_model *m, const train_data *t)
{
    size_t count = t->train < TRAIN_STATISTICS ? t->train : TRAIN_STATISTICS;
    for (size_t i = 0; i < m->layers; i++)
        if (m->layer[i].from != NULL) count = fewer(count, TRAIN_HELD_VALUES / m->layer[i].values);
    return count;
}

annulus_status train_fold(const train_model *m, const train_data *t, network **out)
{
    network *n = NULL;
    values x = {0};
    TRY(network_create(t->features, m->layers, &n));
    memcpy(n->shift, t->shift, t->features * sizeof *n->shift);
    memcpy(n->gain, t->gain, t->features * sizeof *n->gain);
    n->input = t->input;
    n->task = t->target == NULL ? NETWORK_CLASSIFICATION : t->binary ? NETWORK_MULTI_LABEL : NETWORK_REGRESSION;
    annulus_status st = values_load(t, t->order, statistics(m, t), &x);
    if (st == ANNULUS_OK) st = fold_layers(m, t, &x, n);
    if (st == ANNULUS_OK) st = network_set_labels(n, NULL, t->outputs);
    mem_free(x.x);
    if (st == ANNULUS_OK)
        *out = n;
    else
        network_destroy(n);
    return st;
}

annulus_status train_outputs(const network *net, const train_data *t, const size_t *order, size_t count,
                             unsigned threads, uint64_t noise, double *y)
{
    values x = {0}, sums;
    double unit = net->input.scale;
    train_random r;
    train_random_init(&r, noise, 4, 0);
    annulus_status st = values_load(t, order, count, &x);
    for (size_t i = 0; st == ANNULUS_OK && i < net->layers_count; i++) {
        const dense_layer *d = &net->layers[i];
        sums = (values){0};
        st = accumulate(&x, d, threads, &sums);
        mem_free(x.x);
        x = sums;
        if (st != ANNULUS_OK) break;
        if (i + 1 < net->layers_count) {
            st = activate(d, unit, noise == 0 ? NULL : &r, &x);
            unit = d->out_q.scale;
            continue;
        }
        for (size_t k = 0; k < count; k++)
            for (size_t o = 0; o < d->out; o++)
                y[k * d->out + o] = d->w_scale[o] * (x.x[k * d->out + o] * unit) + d->bias[o];
    }
    mem_free(x.x);
    return st;
}

size_t train_held_samples(const network *net)
{
    size_t count = SIZE_MAX;
    for (size_t i = 0; i < net->layers_count; i++)
        if (net->layers[i].W == NULL) count = fewer(count, TRAIN_HELD_VALUES / dense_layer_values(&net->layers[i]));
    return count;
}

static double accuracy(const train_data *t, const size_t *order, const double *y)
{
    size_t right = 0;
    for (size_t k = 0; k < t->held; k++) {
        size_t best = 0;
        for (size_t o = 1; o < t->outputs; o++)
            if (y[k * t->outputs + o] > y[k * t->outputs + best]) best = o;
        right += best == (size_t)t->label[order[k]];
    }
    return (double)right / (double)t->held;
}

/* Mean accuracy of the labels. */
static double labels_accuracy(const train_data *t, const size_t *order, const double *y)
{
    size_t right = 0;
    for (size_t k = 0; k < t->held; k++)
        for (size_t o = 0; o < t->outputs; o++)
            right += (y[k * t->outputs + o] > 0) == (t->target[order[k] * t->outputs + o] > 0);
    return (double)right / (double)(t->held * t->outputs);
}

/* Coefficient of determination over all targets, each in units of its deviation in the training data. */
static double determination(const train_data *t, const size_t *order, const double *y)
{
    double off = 0, spread = 0;
    for (size_t o = 0; o < t->outputs; o++) {
        double mean = 0;
        for (size_t k = 0; k < t->held; k++) mean += (double)t->target[order[k] * t->outputs + o] / (double)t->held;
        for (size_t k = 0; k < t->held; k++) {
            const double truth = (double)t->target[order[k] * t->outputs + o];
            const double e = (y[k * t->outputs + o] - t->t_mean[o]) / t->t_gain[o] - truth;
            off += e * e;
            spread += (truth - mean) * (truth - mean);
        }
    }
    return spread > 0 ? 1 - off / spread : NAN;
}

annulus_status train_score(const network *net, const train_data *t, unsigned threads, uint64_t noise, double *out)
{
    void *y;
    if (t->held == 0) {
        *out = NAN;
        return ANNULUS_OK;
    }
    const size_t *order = t->order + t->train;
    TRY(mem_create(t->held * t->outputs, sizeof(double), "validation answers", &y));
    const size_t most = train_held_samples(net);
    annulus_status st = ANNULUS_OK;
    for (size_t k = 0, count; st == ANNULUS_OK && k < t->held; k += count) {
        count = fewer(most, t->held - k);
        st = train_outputs(net, t, order + k, count, threads, noise == 0 ? 0 : noise + k, (double *)y + k * t->outputs);
    }
    if (st == ANNULUS_OK)
        *out = t->target == NULL ? accuracy(t, order, y)
               : t->binary       ? labels_accuracy(t, order, y)
                                 : determination(t, order, y);
    mem_free(y);
    return st;
}
