/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rates, steps of descent, and weights of the classes. */
#include "train/train_priv.h"

#include "base/parallel.h"

#include <math.h>

/* Half a cosine from 1 at 0 to `least` at 1. */
static double half_cosine(double at, double least)
{
    return least + (1 - least) * 0.5 * (1 + cos(M_PI * at));
}

/* cosine: linear warm-up over the first twentieth, then down to a hundredth. one-cycle: up from a 25th over three
 * tenths, then down to a 10,000th (Smith and Topin, "Super-Convergence", 2018; parts as in PyTorch's OneCycleLR). */
double train_rate(const train_options *o, uint64_t step, uint64_t steps)
{
    const double total = (double)steps, at = (double)step / total;
    if (o->schedule == TRAIN_ONE_CYCLE) {
        const double rise = 0.3;
        return o->learning_rate *
               (at < rise ? half_cosine(1 - at / rise, 1.0 / 25) : half_cosine((at - rise) / (1 - rise), 1e-4));
    }
    const double warm = 0.05;
    if (at < warm) return o->learning_rate * (at + 1 / total) / (warm + 1 / total);
    return o->learning_rate * half_cosine((at - warm) / (1 - warm), 0.01);
}

/* One step of a tensor, in blocks; decay: 0 but for weights. */
typedef struct update {
    param *p;
    float rate, decay;
    float momentum;   /* of sgd */
    float fix1, fix2; /* of Adam: what moments that begin at 0 lack */
} update;
#define UPDATE_BLOCK ((size_t)8192)

static size_t block_end(const update *u, size_t item)
{
    const size_t end = (item + 1) * UPDATE_BLOCK;
    return end < u->p->n ? end : u->p->n;
}

static annulus_status sgd_block(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const update *u = context;
    for (size_t i = item * UPDATE_BLOCK; i < block_end(u, item); i++) {
        u->p->m[i] = u->momentum * u->p->m[i] + u->p->g[i] + u->decay * u->p->x[i];
        u->p->x[i] -= u->rate * u->p->m[i];
    }
    return ANNULUS_OK;
}

static annulus_status adam_block(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const update *u = context;
    const size_t first = item * UPDATE_BLOCK, end = block_end(u, item);
    float *restrict x = u->p->x, *restrict m = u->p->m, *restrict v = u->p->v;
    const float *restrict g = u->p->g;
    for (size_t i = first; i < end; i++) {
        m[i] += 0.1f * (g[i] - m[i]);
        v[i] += 0.001f * (g[i] * g[i] - v[i]);
        x[i] -= u->rate * (m[i] * u->fix1) / (sqrtf(v[i] * u->fix2) + 1e-8f) + u->decay * x[i];
    }
    return ANNULUS_OK;
}

/* All tensors of the model, by the numbers in u. */
static annulus_status update_all(train_model *m, update u, parallel_fn block)
{
    const float decay = u.decay;
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        param *const all[] = {&l->w, &l->gamma, &l->beta, &l->step, &l->log_scale};
        for (size_t k = 0; k < 5; k++) {
            if ((l->last && (k == 1 || k == 3)) || (k == 4 && !l->learnt)) continue;
            u.p = all[k], u.decay = k == 0 ? decay : 0;
            TRY(parallel_for((u.p->n + UPDATE_BLOCK - 1) / UPDATE_BLOCK, m->threads, block, &u));
        }
    }
    return ANNULUS_OK;
}

annulus_status train_sgd(train_model *m, double rate, double momentum, double decay)
{
    return update_all(m, (update){.rate = (float)rate, .momentum = (float)momentum, .decay = (float)decay}, sgd_block);
}

annulus_status train_adam(train_model *m, double rate, double decay, uint64_t t)
{
    const update u = {.rate = (float)rate,
                      .decay = (float)(rate * decay),
                      .fix1 = (float)(1 / (1 - pow(0.9, (double)t))),
                      .fix2 = (float)(1 / (1 - pow(0.999, (double)t)))};
    return update_all(m, u, adam_block);
}

/* Balanced: samples without the label over those with it. */
static annulus_status label_weights(const train_data *t, const train_options *o, float *weight)
{
    for (size_t c = 0; c < t->outputs; c++) {
        double has = 0;
        for (size_t i = 0; i < t->train; i++) has += (double)t->target[t->order[i] * t->outputs + c];
        weight[c] = (float)(o->classes_balanced ? fmax((double)t->train - has, 1) / fmax(has, 1) : o->class_weights[c]);
        if (!(weight[c] >= 0) || !isfinite(weight[c]))
            return fail(ANNULUS_ERR_INPUT, "weight %g of a label: 0 and more is possible", (double)weight[c]);
    }
    return ANNULUS_OK;
}

/* Their mean over the training samples is 1. Balanced: one over the number of the class's samples. */
annulus_status train_class_weights(const train_data *t, const train_options *o, float *weight)
{
    double seen[2] = {0, 0}; /* samples, and by their weights */
    if (t->target != NULL && !t->binary)
        return fail(ANNULUS_ERR_INPUT, "class weights are for classification and labels");
    if (o->classes_balanced && o->class_weights_count > 0)
        return fail(ANNULUS_ERR_INPUT, "class weights are given, and balanced ones asked for: leave out one");
    if (!o->classes_balanced && o->class_weights_count != t->outputs)
        return fail(ANNULUS_ERR_INPUT, "%zu class weights for %zu classes: give one for each", o->class_weights_count,
                    t->outputs);
    if (t->binary) return label_weights(t, o, weight);
    for (size_t c = 0; c < t->outputs; c++) {
        size_t count = 0;
        for (size_t i = 0; i < t->train; i++) count += (size_t)t->label[t->order[i]] == c;
        const double w = o->classes_balanced ? 1.0 / (double)(count > 0 ? count : 1) : o->class_weights[c];
        if (!(w >= 0) || !isfinite(w)) return fail(ANNULUS_ERR_INPUT, "class weight %g: 0 and more is possible", w);
        weight[c] = (float)w;
        seen[0] += (double)count;
        seen[1] += w * (double)count;
    }
    if (!(seen[1] > 0)) return fail(ANNULUS_ERR_INPUT, "class weights: no sample counts");
    for (size_t c = 0; c < t->outputs; c++) weight[c] = (float)((double)weight[c] * seen[0] / seen[1]);
    return ANNULUS_OK;
}
