/* SPDX-License-Identifier: Apache-2.0 */
/* What hidden neurons, and channels of convolutions, are worth. */
#include "train/prune_priv.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define ROWS ((size_t)1000)     /* of one batch */
#define ROWS_CONV ((size_t)100) /* the same with convolutions, which take more memory */
#define MOST_OFFSETS 16u

annulus_status prune_by_parse(const char *name, prune_by *out)
{
    static const char *const names[] = {"norm", "activation", "taylor"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (prune_by)i;
            return ANNULUS_OK;
        }
    return fail(ANNULUS_ERR_INPUT, "pruning by %s: norm, activation or taylor", name);
}

/* A layer, one that takes its values, and sums over the samples so far. */
typedef struct reading {
    size_t layer, next;
    size_t places;   /* of the layer's values as they arrive there */
    double *sum;     /* what neurons add: where it is_single (out,offsets) their values, else (out,out of next) */
    double *product; /* and (out,offsets,offsets) products of two of these, else squares as sum */
} reading;

#define MOST_READINGS (TRAIN_MAX_HIDDEN * (TRAIN_MAX_HIDDEN + 1) / 2)

typedef struct sums {
    double *value[TRAIN_MAX_HIDDEN];  /* (out,offsets) over places */
    double *taylor[TRAIN_MAX_HIDDEN]; /* (out) */
    reading of[MOST_READINGS];
    size_t count;
} sums;

/* Room of one batch: gradients at a layer's values, what arrives of it at the one that takes them, gradients there,
 * what they are at the layer's values, and what a neuron adds to the sums. */
typedef struct room {
    float *gradient, *arrived, *arrived_gradient, *spread, *added;
} room;

static void add_values(const train_layer *l, size_t rows, double *value)
{
    const size_t each = l->out * l->offsets;
    for (size_t i = 0; i < rows * l->places; i++)
        for (size_t k = 0; k < each; k++) value[k] += (double)l->y[i * each + k];
}

/* Whether what a neuron adds to a sum is one value of each of its offsets times a weight: a tap of a convolution is
 * looked at by itself. */
static int is_single(const train_layer *next, const reading *g)
{
    return next->from != NULL || g->places == 1;
}

/* The layer's values as they arrive, without those of others. */
static const float *arriving(const train_model *m, const reading *g, const room *r)
{
    const train_layer *l = &m->layer[g->layer], *next = &m->layer[g->next];
    if (next->average.channels == 0) return l->y;
    for (size_t i = 0; i < m->batch; i++) train_average(next, 0, l->y + i * l->values, r->arrived + i * next->takes);
    return r->arrived;
}

static void add_moments(const train_layer *l, const float *y, size_t count, const reading *g)
{
    const size_t n = l->offsets;
    for (size_t i = 0; i < count; i++)
        for (size_t o = 0; o < l->out; o++, y += n)
            for (size_t j = 0; j < n; j++) {
                g->sum[o * n + j] += (double)y[j];
                for (size_t k = 0; k < n; k++) g->product[(o * n + j) * n + k] += (double)y[j] * (double)y[k];
            }
}

static void add_reads(const train_model *m, const reading *g, const room *r)
{
    const train_layer *l = &m->layer[g->layer], *next = &m->layer[g->next];
    const size_t rows = m->batch, n = l->offsets, out = next->out;
    const float *y = arriving(m, g, r);
    if (is_single(next, g)) {
        add_moments(l, y, rows * g->places, g);
        return;
    }
    for (size_t o = 0; o < l->out; o++) {
        for (size_t p = 0; p < g->places; p++) {
            const size_t at = (p * l->out + o) * n;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)out, (blasint)n, 1.0f, y + at,
                        (blasint)next->takes, next->wq + at, (blasint)next->takes, p > 0 ? 1.0f : 0.0f, r->added,
                        (blasint)out);
        }
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < out; k++) {
                const double added = (double)r->added[i * out + k];
                g->sum[o * out + k] += added;
                g->product[o * out + k] += added * added;
            }
    }
}

/* Gradients of the mean loss at what arrives at a layer, after train_backward. */
static void arrived_gradients(const train_model *m, size_t layer, float *g)
{
    const train_layer *l = &m->layer[layer];
    if (l->from != NULL) {
        train_conv_backward(m, layer, (train_span){0, m->batch}, 0, l->dw, g);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m->batch, (blasint)l->takes, (blasint)l->out, 1.0f,
                l->dz, (blasint)l->out, l->wq, (blasint)l->takes, 0.0f, g, (blasint)l->takes);
}

/* r->gradient <- gradients at the values of a layer: those of all that read them. */
static void value_gradients(const train_model *m, size_t layer, const sums *s, const room *r)
{
    const train_layer *l = &m->layer[layer];
    const size_t all = m->batch * l->values;
    memset(r->gradient, 0, all * sizeof *r->gradient);
    for (size_t k = 0; k < s->count; k++) {
        const train_layer *next = &m->layer[s->of[k].next];
        const float *at = r->arrived_gradient;
        if (s->of[k].layer != layer) continue;
        arrived_gradients(m, s->of[k].next, r->arrived_gradient);
        if (next->average.channels > 0) {
            for (size_t i = 0; i < m->batch; i++)
                train_average(next, 1, r->spread + i * l->values, r->arrived_gradient + i * next->takes);
            at = r->spread;
        }
        for (size_t i = 0; i < all; i++) r->gradient[i] += at[i];
    }
}

static void add_taylor(const train_model *m, size_t layer, const room *r, const sums *s)
{
    const train_layer *l = &m->layer[layer];
    const size_t n = l->offsets, each = l->out * n, rows = m->batch * l->places;
    value_gradients(m, layer, s, r);
    for (size_t o = 0; o < l->out; o++) {
        double mean[MOST_OFFSETS] = {0};
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < n; j++) mean[j] += (double)l->y[i * each + o * n + j] / (double)rows;
        for (size_t i = 0; i < m->batch; i++) {
            double change = 0;
            for (size_t p = i * l->places; p < (i + 1) * l->places; p++)
                for (size_t j = 0; j < n; j++) {
                    const size_t at = p * each + o * n + j;
                    change += ((double)l->y[at] - mean[j]) * (double)r->gradient[at] * (double)m->batch;
                }
            s->taylor[layer][o] += change * change;
        }
    }
}

static double by_norm(const dense_layer *d, const train_layer *l, size_t o)
{
    size_t taps;
    const int32_t *W = train_fold_row(l, d, o, &taps);
    double square = 0;
    for (size_t i = 0; i < taps; i += taps / l->in) square += (double)W[i] * W[i];
    return d->w_scale[o * l->places] * train_fold_parts(l) * sqrt(square);
}

static double variance(double sum, double square, double seen)
{
    return fmax(square / seen - sum / seen * (sum / seen), 0);
}

/* What the sums are measured by: those of a hidden layer by their deviation, which the model keeps as gamma; scores
 * count equally, and so do phases. */
static double unit_of(const train_layer *l, size_t k)
{
    return l->last || train_has_waves(l) ? 1 : (double)l->gamma.x[k];
}

/* Weight of value `channel` of what arrives for row k, in tap t of a convolution's window. */
static double weight_at(const train_layer *next, size_t k, size_t t, size_t channel)
{
    if (next->from == NULL) return (double)next->wq[k * next->in + channel];
    const size_t channels = next->windows.channels / next->groups;
    if (channel / channels != k / (next->out / next->groups)) return 0;
    return (double)next->wq[k * next->in + t * channels + channel % channels];
}

/* Variance of what the values of neuron o add to row k by tap t, of `seen` places of samples. */
static double tap_variance(const train_layer *l, const train_layer *next, const reading *g, double seen, size_t o,
                           size_t k, size_t t)
{
    const size_t n = l->offsets;
    double w[MOST_OFFSETS], sum = 0, square = 0;
    for (size_t j = 0; j < n; j++) w[j] = weight_at(next, k, t, o * n + j);
    for (size_t j = 0; j < n; j++) {
        sum += w[j] * g->sum[o * n + j];
        for (size_t i = 0; i < n; i++) square += w[j] * w[i] * g->product[(o * n + j) * n + i];
    }
    return variance(sum, square, seen);
}

static double by_activation(const train_model *m, const reading *g, double seen, size_t o)
{
    const train_layer *l = &m->layer[g->layer], *next = &m->layer[g->next];
    const size_t taps = next->from == NULL ? 1 : next->windows.kernel[0] * next->windows.kernel[1];
    double worth = 0;
    for (size_t k = 0; k < next->out; k++) {
        const size_t at = o * next->out + k;
        double moved = 0;
        for (size_t t = 0; is_single(next, g) && t < taps; t++)
            moved += tap_variance(l, next, g, seen * (double)g->places, o, k, t);
        if (!is_single(next, g)) moved = variance(g->sum[at], g->product[at], seen);
        worth += moved / (unit_of(next, k) * unit_of(next, k));
    }
    return worth;
}

static annulus_status pass(train_model *m, const train_data *t, size_t count, prune_by by, const room *r, const sums *s)
{
    for (size_t first = 0; first + m->batch <= count; first += m->batch) {
        double loss;
        const train_source source = {.data = t, .order = t->order, .first = first};
        TRY(train_forward(m, &source, m->batch, 0, &loss));
        if (by == PRUNE_BY_TAYLOR) TRY(train_backward(m, m->batch));
        for (size_t i = 0; i + 1 < m->layers; i++) {
            add_values(&m->layer[i], m->batch, s->value[i]);
            if (by == PRUNE_BY_TAYLOR) add_taylor(m, i, r, s);
        }
        for (size_t k = 0; by == PRUNE_BY_ACTIVATION && k < s->count; k++) add_reads(m, &s->of[k], r);
    }
    return ANNULUS_OK;
}

static void finish(const network *n, const train_model *m, prune_by by, double seen, const sums *s, prune_worth *out)
{
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        for (size_t k = 0; k < l->out * l->offsets; k++) out[i].mean[k] = s->value[i][k] / (seen * (double)l->places);
        for (size_t o = 0; o < l->out; o++) {
            out[i].worth[o] = by == PRUNE_BY_NORM     ? by_norm(&n->layers[i], l, o)
                              : by == PRUNE_BY_TAYLOR ? s->taylor[i][o] / seen
                                                      : 0;
            for (size_t k = 0; by == PRUNE_BY_ACTIVATION && k < s->count; k++)
                if (s->of[k].layer == i) out[i].worth[o] += by_activation(m, &s->of[k], seen, o);
        }
    }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void list_readings(const train_model *m, sums *s)
{
    s->count = 0;
    for (size_t j = 1; j < m->layers; j++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        const size_t count = train_sources(m, j, sources);
        for (size_t k = 0; k < count; k++) {
            const train_layer *l = &m->layer[sources[k] - 1];
            s->of[s->count++] =
                (reading){.layer = sources[k] - 1, .next = j, .places = m->layer[j].takes / (l->out * l->offsets)};
        }
    }
}

/* Doubles of the sums and products of a reading. */
static size_t sums_of(const train_model *m, const reading *g, size_t *products)
{
    const train_layer *l = &m->layer[g->layer], *next = &m->layer[g->next];
    const int single = is_single(next, g);
    *products = l->out * (single ? l->offsets * l->offsets : next->out);
    return l->out * (single ? l->offsets : next->out);
}

static annulus_status allocate_floats(const train_model *m, room *r, void **floats)
{
    size_t values = 0, takes = 0, out = 0;
    for (size_t i = 0; i < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        values = larger(values, l->last ? 0 : l->values);
        takes = larger(takes, i == 0 ? 0 : l->takes);
        out = larger(out, l->out);
    }
    TRY(mem_create(m->batch * (2 * values + 2 * takes + out), sizeof(float), "worth of neurons", floats));
    r->gradient = *floats;
    r->spread = r->gradient + m->batch * values;
    r->arrived = r->spread + m->batch * values;
    r->arrived_gradient = r->arrived + m->batch * takes;
    r->added = r->arrived_gradient + m->batch * takes;
    return ANNULUS_OK;
}

/* *memory and *floats: to be freed. */
static annulus_status allocate(const train_model *m, sums *s, room *r, void **memory, void **floats)
{
    size_t all = 0, products;
    list_readings(m, s);
    for (size_t i = 0; i + 1 < m->layers; i++) all += m->layer[i].out * (m->layer[i].offsets + 1);
    for (size_t k = 0; k < s->count; k++) {
        all += sums_of(m, &s->of[k], &products);
        all += products;
    }
    TRY(mem_create(all, sizeof(double), "worth of neurons", memory));
    double *at = *memory;
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        s->value[i] = at, s->taylor[i] = at + l->out * l->offsets;
        at += l->out * (l->offsets + 1);
    }
    for (size_t k = 0; k < s->count; k++) {
        s->of[k].sum = at;
        s->of[k].product = at + sums_of(m, &s->of[k], &products);
        at = s->of[k].product + products;
    }
    return allocate_floats(m, r, floats);
}

annulus_status prune_worth_find(const network *n, const train_data *t, const train_options *o, prune_by by,
                                uint64_t key, prune_worth *out)
{
    train_model m;
    train_options quiet = *o;
    void *memory = NULL, *floats = NULL;
    sums s;
    room r;
    quiet.phase_noise = 0, quiet.value_noise = 0, quiet.outlier = 0, quiet.shift = 0, quiet.dropout = 0;
    quiet.layer_dropout_count = 0, quiet.noise_kept = 0, quiet.target_error = 0, quiet.index_noise = 0;
    quiet.batch = o->conv_count > 0 ? ROWS_CONV : ROWS;
    TRY(train_model_create(t, &quiet, key, 1, &m));
    annulus_status st = allocate(&m, &s, &r, &memory, &floats);
    if (st == ANNULUS_OK) st = train_weights_quantize(&m);
    const size_t count = t->train < TRAIN_STATISTICS ? t->train : TRAIN_STATISTICS;
    if (st == ANNULUS_OK) st = pass(&m, t, count, by, &r, &s);
    if (st == ANNULUS_OK) finish(n, &m, by, (double)(count / m.batch * m.batch), &s, out);
    mem_free(memory), mem_free(floats);
    train_model_destroy(&m);
    return st;
}
