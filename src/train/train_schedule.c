/* SPDX-License-Identifier: Apache-2.0 */
/* Learning rates, descent with momentum, and weights of the classes. */
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

typedef struct sgd_job {
    param *p;
    float rate, momentum, decay;
} sgd_job;
#define SGD_BLOCK ((size_t)8192)

static annulus_status sgd_block(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const sgd_job *j = context;
    const size_t first = item * SGD_BLOCK, end = first + SGD_BLOCK < j->p->n ? first + SGD_BLOCK : j->p->n;
    for (size_t i = first; i < end; i++) {
        j->p->m[i] = j->momentum * j->p->m[i] + j->p->g[i] + j->decay * j->p->x[i];
        j->p->x[i] -= j->rate * j->p->m[i];
    }
    return ANNULUS_OK;
}

annulus_status train_sgd(train_model *m, double rate, double momentum, double decay)
{
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        param *const all[] = {&l->w, &l->gamma, &l->beta, &l->step};
        for (size_t k = 0; k < 4; k++) {
            if (l->last && (k == 1 || k == 3)) continue;
            sgd_job j = {all[k], (float)rate, (float)momentum, k == 0 ? (float)decay : 0};
            TRY(parallel_for((all[k]->n + SGD_BLOCK - 1) / SGD_BLOCK, m->threads, sgd_block, &j));
        }
    }
    return ANNULUS_OK;
}

/* Their mean over the training samples is 1. Balanced: one over the number of the class's samples. */
annulus_status train_class_weights(const train_data *t, const train_options *o, float *weight)
{
    double seen[2] = {0, 0}; /* samples, and by their weights */
    if (t->target != NULL) return fail(ANNULUS_ERR_INPUT, "class weights are for classification");
    if (!o->classes_balanced && o->class_weights_count != t->outputs)
        return fail(ANNULUS_ERR_INPUT, "%zu class weights for %zu classes: give one for each", o->class_weights_count,
                    t->outputs);
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
