/* SPDX-License-Identifier: Apache-2.0 */
/* Samples with several labels: thresholds, which are folded into the biases of the scores, so that a sample has the
 * labels whose scores are above 0. */
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct scored {
    double score;
    int has;
} scored;

static int falling(const void *a, const void *b)
{
    const scored *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

/* Half-way between the scores where the F1 measure of a label is best over the samples s (count), which are sorted; the
 * largest such score. */
static double best_cut(scored *s, size_t count)
{
    double best = -1, cut = 0, all = 0, both = 0;
    for (size_t k = 0; k < count; k++) all += s[k].has;
    qsort(s, count, sizeof *s, falling);
    for (size_t k = 0; k < count; k++) {
        both += s[k].has;
        const double below = k + 1 < count ? s[k + 1].score : s[k].score - 1, f1 = 2 * both / (all + (double)(k + 1));
        if (below == s[k].score || f1 <= best) continue;
        best = f1;
        cut = 0.5 * (s[k].score + below);
    }
    return cut;
}

/* Of the held-out samples or, without any, of the others. */
static annulus_status best_cuts(const network *n, const train_data *t, unsigned threads, double *cut)
{
    const size_t count = t->held > 0 ? t->held : t->train, *order = t->held > 0 ? t->order + t->train : t->order;
    const size_t most = train_held_samples(n);
    void *p, *q = NULL;
    TRY(mem_create(count * t->outputs, sizeof(double), "scores", &p));
    double *y = p;
    annulus_status st = mem_create(count, sizeof(scored), "scores", &q);
    for (size_t k = 0; st == ANNULUS_OK && k < count; k += most)
        st = train_outputs(n, t, order + k, count - k < most ? count - k : most, threads, 0, y + k * t->outputs);
    for (size_t o = 0; st == ANNULUS_OK && o < t->outputs; o++) {
        scored *s = q;
        for (size_t k = 0; k < count; k++)
            s[k] = (scored){y[k * t->outputs + o], t->target[order[k] * t->outputs + o] > 0};
        cut[o] = best_cut(s, count);
    }
    mem_free(p), mem_free(q);
    return st;
}

annulus_status train_thresholds_check(const train_data *t, const train_options *o)
{
    if (o->thresholds_count == 0 && !o->thresholds_best) return ANNULUS_OK;
    if (!t->binary) return fail(ANNULUS_ERR_INPUT, "thresholds are for data of several labels a sample");
    if (!o->thresholds_best && o->thresholds_count != t->outputs)
        return fail(ANNULUS_ERR_INPUT, "%zu thresholds for %zu labels: give one for each", o->thresholds_count,
                    t->outputs);
    for (size_t i = 0; i < o->thresholds_count; i++)
        if (!(o->thresholds[i] > 0 && o->thresholds[i] < 1))
            return fail(ANNULUS_ERR_INPUT, "a threshold of %g: above 0 and below 1 is possible", o->thresholds[i]);
    return ANNULUS_OK;
}

annulus_status train_thresholds(const train_data *t, const train_options *o, network *n)
{
    void *p;
    dense_layer *last = &n->layers[n->layers_count - 1];
    if (o->thresholds_count == 0 && !o->thresholds_best) return ANNULUS_OK;
    TRY(mem_create(t->outputs, sizeof(double), "thresholds", &p));
    double *cut = p;
    annulus_status st = ANNULUS_OK;
    if (o->thresholds_best)
        st = best_cuts(n, t, o->threads, cut);
    else
        for (size_t k = 0; k < t->outputs; k++) cut[k] = log(o->thresholds[k] / (1 - o->thresholds[k]));
    for (size_t k = 0; st == ANNULUS_OK && k < t->outputs; k++) last->bias[k] = (double)(float)(last->bias[k] - cut[k]);
    if (st == ANNULUS_OK && o->thresholds_in != NULL) memcpy(o->thresholds_in, cut, t->outputs * sizeof *cut);
    mem_free(cut);
    return st;
}

void train_thresholds_out(const train_options *o, train_model *m)
{
    train_layer *last = &m->layer[m->layers - 1];
    for (size_t k = 0; o->thresholds_in != NULL && k < last->out; k++) last->beta.x[k] += (float)o->thresholds_in[k];
}
