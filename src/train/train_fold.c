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
    const dense_layer *layer;
    double *const *W; /* of the layer, or of each of its blocks */
    double *y;        /* (count,out) zeros */
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

/* Sample i through block k: a product of its windows; room for taps and sums of all places. */
static void gathered_sample(const product *p, size_t i, size_t k, double *room)
{
    const linear_block *b = &p->layer->linear.blocks[k];
    const size_t taps = b->places * b->taps, sums = b->places * b->rows;
    const double *x = p->in->x + i * p->in->width;
    double *sum = room + taps;
    for (size_t t = 0; t < taps; t++) room[t] = b->from[t] == LINEAR_NOTHING ? 0 : x[b->from[t]];
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)b->places, (blasint)b->rows, (blasint)b->taps, 1.0,
                room, (blasint)b->taps, p->W[k], (blasint)b->taps, 0.0, sum, (blasint)b->rows);
    for (size_t t = 0; t < sums; t++) p->y[i * p->out + b->to[t]] += sum[t];
}

static annulus_status gathered_samples(const product *p, size_t first, size_t count)
{
    const circuit_linear *l = &p->layer->linear;
    size_t most = 0;
    void *room;
    for (size_t k = 0; k < l->blocks_count; k++) {
        const size_t need = l->blocks[k].places * (l->blocks[k].taps + l->blocks[k].rows);
        most = need > most ? need : most;
    }
    TRY(mem_create(most, sizeof(double), "windows", &room));
    for (size_t i = first; i < first + count; i++)
        for (size_t k = 0; k < l->blocks_count; k++) gathered_sample(p, i, k, room);
    mem_free(room);
    return ANNULUS_OK;
}

static annulus_status product_block(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const product *p = context;
    const size_t first = item * TRAIN_BLOCK, left = p->in->count - first,
                 count = left < TRAIN_BLOCK ? left : TRAIN_BLOCK;
    if (p->layer->W == NULL) return gathered_samples(p, first, count);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)count, (blasint)p->out, (blasint)p->in->width, 1.0,
                p->in->x + first * p->in->width, (blasint)p->in->width, p->W[0], (blasint)p->in->width, 0.0,
                p->y + first * p->out, (blasint)p->out);
    return ANNULUS_OK;
}

/* Weights of the layer, or of each of its blocks, as real numbers; freed by the caller, in one. */
static annulus_status real_weights(const dense_layer *d, double ***out)
{
    const size_t blocks = d->W != NULL ? 1 : d->linear.blocks_count;
    size_t all = d->W != NULL ? d->in * d->out : 0;
    void *p;
    for (size_t k = 0; d->W == NULL && k < blocks; k++) all += d->linear.blocks[k].rows * d->linear.blocks[k].taps;
    TRY(mem_create(blocks + all, sizeof(double), "weights", &p));
    double **W = p, *next = (double *)p + blocks;
    for (size_t k = 0; k < blocks; k++) {
        const linear_block *b = d->W != NULL ? NULL : &d->linear.blocks[k];
        const size_t count = b != NULL ? b->rows * b->taps : all;
        W[k] = next;
        for (size_t i = 0; i < count; i++) *next++ = b != NULL ? b->W[i] : d->W[i];
    }
    *out = W;
    return ANNULUS_OK;
}

/* sums <- in W^T. */
static annulus_status accumulate(const values *in, const dense_layer *d, unsigned threads, values *sums)
{
    double **W;
    TRY(real_weights(d, &W));
    annulus_status st = values_create(in->count, d->out, sums);
    if (st == ANNULUS_OK) {
        product p = {.in = in, .out = d->out, .layer = d, .W = W, .y = sums->x};
        st = parallel_for((in->count + TRAIN_BLOCK - 1) / TRAIN_BLOCK, threads, product_block, &p);
    }
    mem_free(W);
    return st;
}

/* Values of the network's input and of its layers, those that are still to be taken. */
typedef struct held {
    values of[NETWORK_MAX_LAYERS + 1];
} held;

static void held_clear(held *h)
{
    for (size_t i = 0; i <= NETWORK_MAX_LAYERS; i++) mem_free(h->of[i].x);
}

/* The values of several sources, one source behind the other. */
static annulus_status joined(const uint32_t *sources, size_t count, size_t width, const held *h, values *out)
{
    const size_t samples = h->of[sources[0]].count;
    TRY(values_create(samples, width, out));
    for (size_t k = 0, at = 0; k < count; at += h->of[sources[k++]].width) {
        const values *v = &h->of[sources[k]];
        for (size_t s = 0; s < samples; s++)
            memcpy(out->x + s * width + at, v->x + s * v->width, v->width * sizeof *v->x);
    }
    return ANNULUS_OK;
}

/* Drops the values that no layer of the network behind i takes. */
static void drop_values(const network *n, size_t i, held *h)
{
    int wanted[NETWORK_MAX_LAYERS + 1] = {0};
    for (size_t k = i + 1; k < n->layers_count; k++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        for (size_t c = network_sources(n, k, sources); c-- > 0;) wanted[sources[c]] = 1;
    }
    for (size_t k = 0; k <= i; k++) {
        if (wanted[k]) continue;
        mem_free(h->of[k].x);
        h->of[k] = (values){0};
    }
}

static annulus_status sum_layer(const network *n, size_t i, const held *h, unsigned threads, values *sums)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    values in = {0};
    if (count == 1) return accumulate(&h->of[sources[0]], &n->layers[i], threads, sums);
    annulus_status st = joined(sources, count, n->layers[i].in, h, &in);
    if (st == ANNULUS_OK) st = accumulate(&in, &n->layers[i], threads, sums);
    mem_free(in.x);
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
                y[j] = quantizer_integer(&d->out_q, dense_layer_act(d, o, x));
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

/* A negative gain turns into negated weights; one that vanishes into none. */
static void set_affine(const train_layer *l, dense_layer *d, size_t o, double gain, double bias)
{
    const double parts = (double)train_fold_values(l); /* files have averages */
    const float scale = (float)(fabs(gain) * parts);
    size_t taps;
    int32_t *W = train_fold_row(l, d, o, &taps);
    if (!isnormal(scale))
        memset(W, 0, taps * sizeof *W);
    else if (gain < 0)
        for (size_t i = 0; i < taps; i++) W[i] = -W[i];
    for (size_t p = o * l->places; p < (o + 1) * l->places; p++) {
        d->w_scale[p] = isnormal(scale) ? (double)scale / parts : 1.0;
        d->bias[p] = (double)(float)bias;
    }
}

static quantizer out_quantizer(const train_layer *l, double scale)
{
    const int is_signed = l->lo < 0;
    return (quantizer){.scale = scale,
                       .is_signed = is_signed,
                       .narrow = is_signed,
                       .bits = l->two ? 1 : (unsigned)lrint(log2((double)(l->hi + 1))) + (unsigned)is_signed};
}

static void fold_waves(const train_layer *l, dense_layer *d)
{
    d->act = l->act;
    if (l->act == ACTIVATION_WAVE) d->own = *l->own;
    d->rise = l->act == ACTIVATION_TRAPEZOID ? (double)l->rise : 0;
    d->offsets = l->offsets;
    d->noise = (double)l->noise;
    d->out_q = out_quantizer(l, (double)(1.0f / l->top));
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
        const double taken = scale * train_fold_parts(l); /* of averages, as while training */
        if (l->power_of_two && isnormal((float)(gain * taken)))
            gain = copysign((double)train_power_of_two((float)fabs(gain * taken)) / taken, gain);
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

/* Batch normalisation of hidden layer i, whose integers are there; *next: its values. */
static annulus_status fold_normalised(const train_model *m, size_t i, const held *h, double unit, network *n,
                                      values *next)
{
    const train_layer *l = &m->layer[i];
    dense_layer *d = &n->layers[i];
    TRY(sum_layer(n, i, h, m->threads, next));
    fold_hidden(l, next, unit, d);
    for (size_t o = 0; o < d->out; o++) /* signs may have changed: the sums follow */
        for (size_t k = 0; l->gamma.x[o / l->places] < 0 && k < next->count; k++) next->x[k * d->out + o] *= -1;
    return activate(d, unit, NULL, next);
}

/* Whether a layer behind i is normalised, whose statistics are of the values so far. */
static int normalised_behind(const train_model *m, size_t i)
{
    int any = 0;
    for (size_t k = i + 1; k + 1 < m->layers; k++) any |= !train_has_waves(&m->layer[k]);
    return any;
}

static annulus_status fold_layers(const train_model *m, const train_data *t, held *h, network *n)
{
    double unit = t->input.scale;
    for (size_t i = 0; i < m->layers; i++) TRY(train_fold_layer(m, i, &n->layers[i]));
    for (size_t i = 0; i < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        dense_layer *d = &n->layers[i];
        train_fold_weights(m, i, d);
        if (l->last) {
            fold_last(l, t, d);
        } else if (train_has_waves(l)) {
            fold_waves(l, d);
            if (!normalised_behind(m, i)) continue;
            TRY(sum_layer(n, i, h, m->threads, &h->of[i + 1]));
            TRY(activate(d, unit, NULL, &h->of[i + 1]));
            drop_values(n, i, h);
            unit = d->out_q.scale;
        } else {
            TRY(fold_normalised(m, i, h, unit, n, &h->of[i + 1]));
            drop_values(n, i, h);
            unit = d->out_q.scale;
        }
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
    held h = {0};
    TRY(network_create(t->features, m->layers, &n));
    memcpy(n->shift, t->shift, t->features * sizeof *n->shift);
    memcpy(n->gain, t->gain, t->features * sizeof *n->gain);
    n->input = t->input;
    n->task = t->target == NULL ? NETWORK_CLASSIFICATION : t->binary ? NETWORK_MULTI_LABEL : NETWORK_REGRESSION;
    annulus_status st = values_load(t, t->order, statistics(m, t), &h.of[0]);
    if (st == ANNULUS_OK) st = fold_layers(m, t, &h, n);
    if (st == ANNULUS_OK) st = network_set_labels(n, NULL, t->outputs);
    held_clear(&h);
    if (st == ANNULUS_OK)
        *out = n;
    else
        network_destroy(n);
    return st;
}

/* Real value of an integer that layer i takes: its sources have one scale. */
static double unit_of(const network *net, size_t i)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    (void)network_sources(net, i, sources);
    return sources[0] == 0 ? net->input.scale : net->layers[sources[0] - 1].out_q.scale;
}

annulus_status train_outputs(const network *net, const train_data *t, const size_t *order, size_t count,
                             unsigned threads, uint64_t noise, double *y)
{
    const size_t last = net->layers_count - 1;
    const dense_layer *d = &net->layers[last];
    held h = {0};
    train_random r;
    train_random_init(&r, noise, 4, 0);
    annulus_status st = values_load(t, order, count, &h.of[0]);
    for (size_t i = 0; st == ANNULUS_OK && i <= last; i++) {
        st = sum_layer(net, i, &h, threads, &h.of[i + 1]);
        if (st == ANNULUS_OK && i < last)
            st = activate(&net->layers[i], unit_of(net, i), noise == 0 ? NULL : &r, &h.of[i + 1]);
        drop_values(net, i, &h);
    }
    for (size_t k = 0; st == ANNULUS_OK && k < count; k++)
        for (size_t o = 0; o < d->out; o++)
            y[k * d->out + o] = d->w_scale[o] * (h.of[last + 1].x[k * d->out + o] * unit_of(net, last)) + d->bias[o];
    held_clear(&h);
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

/* Coefficient of determination over all targets, each in units of its deviation in the training data; NaN where none
 * varies. */
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
    return train_held_varies(t) ? 1 - off / spread : NAN;
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
