/* SPDX-License-Identifier: Apache-2.0 */
/* How much noise the scores of a trained network bear. Of a classification each sample counts by the lead m of the true
 * score over the best other one: with noise of deviation s on both it is answered right with probability
 * Phi(m/(s*sqrt(2))), the other scores left out; of labels each score y by Phi(+-y/s). */
#include "train/train_priv.h"

#include <math.h>

static double lead(const double *y, size_t outputs, size_t label)
{
    double best = -INFINITY;
    for (size_t o = 0; o < outputs; o++)
        if (o != label && y[o] > best) best = y[o];
    return y[label] - best;
}

static double right(const double *leads, size_t count, double deviation)
{
    double sum = 0;
    for (size_t k = 0; k < count; k++) sum += 0.5 * erfc(-leads[k] / (2 * deviation));
    return sum / (double)count;
}

/* The largest deviation at which TRAIN_SCORE_LOSS of the samples are lost, within a part in 2^10. Sought from above:
 * few samples near the border make the loss at small deviations go up and down. */
static double of_leads(const double *leads, size_t count)
{
    double widest = 0;
    for (size_t k = 0; k < count; k++) widest = fmax(widest, fabs(leads[k]));
    if (!(widest > 0)) return 0;
    const double least = right(leads, count, 1e-9 * widest) - TRAIN_SCORE_LOSS;
    double high = widest, low = widest / 1.25;
    while (low > 1e-6 * widest && right(leads, count, low) < least) high = low, low /= 1.25;
    while (high - low > 0x1p-10 * high) {
        const double middle = (low + high) / 2;
        if (right(leads, count, middle) >= least)
            low = middle;
        else
            high = middle;
    }
    return low;
}

annulus_status train_score_noise(network *net, const train_data *t, unsigned threads, uint64_t noise)
{
    const size_t *order = t->held > 0 ? t->order + t->train : t->order, count = t->held > 0 ? t->held : t->train;
    dense_layer *last = &net->layers[net->layers_count - 1];
    void *p;
    if (t->target != NULL && !t->binary) {
        last->noise = INFINITY;
        for (size_t o = 0; o < t->outputs; o++) last->noise = fmin(last->noise, sqrt(TRAIN_SCORE_LOSS) * t->t_gain[o]);
        return ANNULUS_OK;
    }
    TRY(mem_create(count * t->outputs, sizeof(double), "scores", &p));
    double *y = p;
    annulus_status st = ANNULUS_OK;
    const size_t held = train_held_samples(net), most = held < TRAIN_STATISTICS ? held : TRAIN_STATISTICS;
    for (size_t k = 0; st == ANNULUS_OK && k < count; k += most) /* a part at a time: inputs as doubles */
        st = train_outputs(net, t, order + k, count - k < most ? count - k : most, threads, noise + k,
                           y + k * t->outputs);
    for (size_t k = 0; st == ANNULUS_OK && !t->binary && k < count; k++)
        y[k] = lead(y + k * t->outputs, t->outputs, (size_t)t->label[order[k]]);
    for (size_t k = 0; st == ANNULUS_OK && t->binary && k < count * t->outputs; k++)
        y[k] *= M_SQRT2 * (t->target[order[k / t->outputs] * t->outputs + k % t->outputs] > 0 ? 1 : -1);
    if (st == ANNULUS_OK) last->noise = (double)(float)of_leads(y, t->binary ? count * t->outputs : count);
    mem_free(y);
    return st;
}
