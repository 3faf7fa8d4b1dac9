/* SPDX-License-Identifier: Apache-2.0 */
/* What hidden neurons are worth. */
#include "train/prune_priv.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define ROWS ((size_t)1000) /* of one batch */

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
    double *value, *square, *taylor; /* (out) */
} sums;

static void add_values(const train_layer *l, size_t rows, const sums *s)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t o = 0; o < l->out; o++) {
            const double y = (double)l->y[i * l->out + o];
            s->value[o] += y;
            s->square[o] += y * y;
        }
}

/* g: room for (rows, out) gradients of the mean loss. */
static void add_taylor(const train_layer *l, size_t rows, float *g, const sums *s)
{
    const train_layer *next = l + 1;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)rows, (blasint)l->out, (blasint)next->out, 1.0f,
                next->dz, (blasint)next->out, next->wq, (blasint)l->out, 0.0f, g, (blasint)l->out);
    for (size_t o = 0; o < l->out; o++) {
        double mean = 0;
        for (size_t i = 0; i < rows; i++) mean += (double)l->y[i * l->out + o] / (double)rows;
        for (size_t i = 0; i < rows; i++) {
            const double change = ((double)l->y[i * l->out + o] - mean) * (double)g[i * l->out + o] * (double)rows;
            s->taylor[o] += change * change;
        }
    }
}

static void by_norm(const dense_layer *d, double *worth)
{
    for (size_t o = 0; o < d->out; o++) {
        double square = 0;
        for (size_t i = 0; i < d->in; i++) square += (double)d->W[o * d->in + i] * d->W[o * d->in + i];
        worth[o] = d->w_scale[o] * sqrt(square);
    }
}

/* The last layer's sums count equally; a hidden layer's by their deviation, which the model keeps as gamma. */
static void by_activation(const train_layer *l, const double *variance, double *worth)
{
    const train_layer *next = l + 1;
    for (size_t o = 0; o < l->out; o++) {
        worth[o] = 0;
        for (size_t k = 0; k < next->out; k++) {
            const double w = (double)next->wq[k * next->in + o], deviation = next->last ? 1 : (double)next->gamma.x[k];
            worth[o] += variance[o] * w * w / (deviation * deviation);
        }
    }
}

static annulus_status pass(train_model *m, const train_data *t, size_t count, int gradients, float *g, const sums *s)
{
    for (size_t first = 0; first + m->batch <= count; first += m->batch) {
        double loss;
        const train_source source = {.data = t, .order = t->order, .first = first};
        TRY(train_forward(m, &source, m->batch, 0, &loss));
        if (gradients) TRY(train_backward(m, m->batch));
        for (size_t i = 0; i + 1 < m->layers; i++) {
            add_values(&m->layer[i], m->batch, &s[i]);
            if (gradients) add_taylor(&m->layer[i], m->batch, g, &s[i]);
        }
    }
    return ANNULUS_OK;
}

static void finish(const network *n, const train_model *m, prune_by by, double seen, const sums *s, prune_worth *out)
{
    for (size_t i = 0; i + 1 < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        for (size_t o = 0; o < l->out; o++) {
            out[i].mean[o] = s[i].value[o] / seen;
            s[i].square[o] = fmax(s[i].square[o] / seen - out[i].mean[o] * out[i].mean[o], 0);
            out[i].worth[o] = s[i].taylor[o] / seen;
        }
        if (by == PRUNE_BY_NORM) by_norm(&n->layers[i], out[i].worth);
        if (by == PRUNE_BY_ACTIVATION) by_activation(l, s[i].square, out[i].worth);
    }
}

annulus_status prune_worth_find(const network *n, const train_data *t, const train_options *o, prune_by by,
                                uint64_t key, prune_worth *out)
{
    train_model m;
    train_options quiet = *o;
    void *memory = NULL, *g = NULL;
    sums s[TRAIN_MAX_HIDDEN];
    size_t all = 0, widest = 0;
    quiet.phase_noise = 0, quiet.outlier = 0, quiet.shift = 0, quiet.batch = ROWS;
    TRY(train_model_create(t, &quiet, key, 1, &m));
    for (size_t i = 0; i + 1 < m.layers; i++) {
        all += m.layer[i].out;
        widest = m.layer[i].out > widest ? m.layer[i].out : widest;
    }
    annulus_status st = mem_create(3 * all, sizeof(double), "worth of neurons", &memory);
    if (st == ANNULUS_OK) st = mem_create(m.batch * widest, sizeof(float), "gradients", &g);
    double *at = memory;
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < m.layers; at += 3 * m.layer[i++].out)
        s[i] = (sums){at, at + m.layer[i].out, at + 2 * m.layer[i].out};
    if (st == ANNULUS_OK) st = train_weights_quantize(&m);
    const size_t count = t->train < TRAIN_STATISTICS ? t->train : TRAIN_STATISTICS;
    if (st == ANNULUS_OK) st = pass(&m, t, count, by == PRUNE_BY_TAYLOR, g, s);
    if (st == ANNULUS_OK) finish(n, &m, by, (double)(count / m.batch * m.batch), s, out);
    mem_free(memory), mem_free(g);
    train_model_destroy(&m);
    return st;
}
