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

/* Sums over the samples so far, of one layer. */
typedef struct sums {
    double *value;         /* (out*offsets) over places */
    double *read, *square; /* (out,out of the next) of what a neuron adds to the sums of the layer behind it; where that
                              is_single the first of a row are those of its values */
    double *taylor;        /* (out) */
} sums;

/* Room of one batch: gradients at a layer's values, and what a neuron adds to the sums of the next layer. */
typedef struct room {
    float *gradient, *added;
} room;

static void add_values(const train_layer *l, size_t rows, const sums *s)
{
    const size_t each = l->out * l->offsets;
    for (size_t i = 0; i < rows * l->places; i++)
        for (size_t k = 0; k < each; k++) s->value[k] += (double)l->y[i * each + k];
}

/* Whether what a neuron adds to a sum is one value times a weight. */
static int is_single(const train_layer *l)
{
    return l[1].from != NULL || l->values == l->out;
}

static void add_moments(const train_layer *l, size_t rows, const sums *s)
{
    for (size_t i = 0; i < rows * l->places; i++)
        for (size_t o = 0; o < l->out; o++) {
            const double y = (double)l->y[i * l->out + o];
            s->read[o * l[1].out] += y;
            s->square[o * l[1].out] += y * y;
        }
}

static void add_reads(const train_model *m, size_t layer, const room *r, const sums *s)
{
    const train_layer *l = &m->layer[layer], *next = l + 1;
    const size_t rows = m->batch, n = l->offsets, out = next->out;
    if (is_single(l)) {
        add_moments(l, rows, s);
        return;
    }
    for (size_t o = 0; o < l->out; o++) {
        for (size_t p = 0; p < l->places; p++) {
            const size_t at = (p * l->out + o) * n;
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows, (blasint)out, (blasint)n, 1.0f,
                        l->y + at, (blasint)l->values, next->wq + at, (blasint)l->values, p > 0 ? 1.0f : 0.0f, r->added,
                        (blasint)out);
        }
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < out; k++) {
                const double added = (double)r->added[i * out + k];
                s->read[o * out + k] += added;
                s->square[o * out + k] += added * added;
            }
    }
}

/* Gradients of the mean loss at the values of a layer, after train_backward. */
static void value_gradients(const train_model *m, size_t layer, float *g)
{
    const train_layer *l = &m->layer[layer], *next = l + 1;
    if (next->from != NULL) {
        train_conv_backward(m, layer + 1, (train_span){0, m->batch}, 0, next->dw, g);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)m->batch, (blasint)l->values, (blasint)next->out,
                1.0f, next->dz, (blasint)next->out, next->wq, (blasint)l->values, 0.0f, g, (blasint)l->values);
}

static void add_taylor(const train_model *m, size_t layer, const room *r, const sums *s)
{
    const train_layer *l = &m->layer[layer];
    const size_t n = l->offsets, each = l->out * n, rows = m->batch * l->places;
    value_gradients(m, layer, r->gradient);
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
            s->taylor[o] += change * change;
        }
    }
}

static double by_norm(const dense_layer *d, const train_layer *l, size_t o)
{
    const int32_t *W = (d->W != NULL ? d->W : d->linear.blocks[0].W) + o * l->in;
    double square = 0;
    for (size_t i = 0; i < l->in; i++) square += (double)W[i] * W[i];
    return d->w_scale[o * l->places] * sqrt(square);
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

/* Squares of the weights by which a layer takes channel, or value, o of what arrives. */
static double taken(const train_model *m, size_t i, size_t o)
{
    const train_layer *l = &m->layer[i];
    const int conv = l->from != NULL;
    const size_t area = l->windows.kernel[0] * l->windows.kernel[1];
    double sum = 0;
    for (size_t k = 0; k < l->out; k++)
        for (size_t w = conv ? 0 : o; w < (conv ? l->in : o + 1); w++) {
            if (conv && train_conv_tap(m, i, w) / area != o) continue;
            const double weight = (double)l->wq[k * l->in + w] / unit_of(l, k);
            sum += weight * weight;
        }
    return sum;
}

static double by_activation(const train_model *m, size_t i, const sums *s, double seen, size_t o)
{
    const train_layer *l = &m->layer[i], *next = l + 1;
    const double *read = s->read + o * next->out, *square = s->square + o * next->out;
    double worth = 0;
    if (is_single(l)) return variance(*read, *square, seen * (double)l->places) * taken(m, i + 1, o);
    for (size_t k = 0; k < next->out; k++)
        worth += variance(read[k], square[k], seen) / (unit_of(next, k) * unit_of(next, k));
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
            add_values(&m->layer[i], m->batch, &s[i]);
            if (by == PRUNE_BY_ACTIVATION) add_reads(m, i, r, &s[i]);
            if (by == PRUNE_BY_TAYLOR) add_taylor(m, i, r, &s[i]);
        }
    }
    return ANNULUS_OK;
}

static void finish(const network *n, const train_model *m, prune_by by, double seen, const sums *s, prune_worth *out)
{
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        for (size_t k = 0; k < l->out * l->offsets; k++) out[i].mean[k] = s[i].value[k] / (seen * (double)l->places);
        for (size_t o = 0; o < l->out; o++)
            out[i].worth[o] = by == PRUNE_BY_NORM         ? by_norm(&n->layers[i], l, o)
                              : by == PRUNE_BY_ACTIVATION ? by_activation(m, i, &s[i], seen, o)
                                                          : s[i].taylor[o] / seen;
    }
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* *memory and *floats: to be freed. */
static annulus_status allocate(const train_model *m, sums *s, room *r, void **memory, void **floats)
{
    size_t all = 0, gradient = 0, added = 0;
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        all += l->out * (l->offsets + 2 * l[1].out + 1);
        gradient = larger(gradient, m->batch * l->values);
        added = larger(added, m->batch * l[1].out);
    }
    TRY(mem_create(all, sizeof(double), "worth of neurons", memory));
    TRY(mem_create(gradient + added, sizeof(float), "worth of neurons", floats));
    r->gradient = *floats, r->added = r->gradient + gradient;
    double *at = *memory;
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        const size_t reads = l->out * l[1].out;
        s[i].value = at, s[i].read = at + l->out * l->offsets;
        s[i].square = s[i].read + reads, s[i].taylor = s[i].square + reads;
        at = s[i].taylor + l->out;
    }
    return ANNULUS_OK;
}

annulus_status prune_worth_find(const network *n, const train_data *t, const train_options *o, prune_by by,
                                uint64_t key, prune_worth *out)
{
    train_model m;
    train_options quiet = *o;
    void *memory = NULL, *floats = NULL;
    sums s[TRAIN_MAX_HIDDEN];
    room r;
    quiet.phase_noise = 0, quiet.value_noise = 0, quiet.outlier = 0, quiet.shift = 0, quiet.dropout = 0;
    quiet.batch = o->conv_count > 0 ? ROWS_CONV : ROWS;
    TRY(train_model_create(t, &quiet, key, 1, &m));
    annulus_status st = allocate(&m, s, &r, &memory, &floats);
    if (st == ANNULUS_OK) st = train_weights_quantize(&m);
    const size_t count = t->train < TRAIN_STATISTICS ? t->train : TRAIN_STATISTICS;
    if (st == ANNULUS_OK) st = pass(&m, t, count, by, &r, s);
    if (st == ANNULUS_OK) finish(n, &m, by, (double)(count / m.batch * m.batch), s, out);
    mem_free(memory), mem_free(floats);
    train_model_destroy(&m);
    return st;
}
