/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow accumulators. A neuron whose integer weights have the sum of magnitudes S takes reach*S + 1 values at most,
 * reach the largest less the least input, so that S <= (2^B - 1)/reach holds it to B bits. Integer weights beyond are
 * projected onto that L1 ball in every step, the gradient going straight through (Colbert et al., "A2Q:
 * Accumulator-Aware Quantization with Guaranteed Overflow Avoidance", ICCV 2023). Look-ups take their window of sums
 * wherever it lies, so that the bound is already the wider one that zero-centred weights win for accumulators about 0
 * (A2Q+, Colbert et al., ICML 2024, section 3.1). Or each neuron keeps its k largest weights, k times the largest
 * weight within the ball, chosen anew in every step while k falls (Zhu and Gupta, "To prune, or not to prune", 2017,
 * equation 1). Weights of one bit keep their magnitudes: their sums fit, or are refused. Layers of waves, and scores
 * behind them, have no accumulator: their sums are read modulo a period. */
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

/* k has fallen to its last value after this part of the training. */
#define TRAIN_FALL 0.5
/* Of the largest magnitude: what others may lose by projection before the grid becomes coarser. Less leaves too few
 * weights where the ball is wide, more is worse where it is narrow. */
#define MOST_FALL 0.25f

/* The largest less the least value of the input, 0, or of a layer, counted from 1. */
static int64_t source_reach(const train_model *m, const train_data *t, uint32_t source)
{
    int32_t lo, hi;
    if (source > 0) return (int64_t)m->layer[source - 1].hi - m->layer[source - 1].lo;
    quantizer_range(&t->input, &lo, &hi);
    return (int64_t)hi - lo;
}

/* Weights of -1 and 1 stay as they are: whether the sums of so many fit, reach being that of one. */
static annulus_status one_bit_fits(const train_layer *l, size_t i, unsigned bits, int64_t reach)
{
    unsigned needed = 1;
    while ((INT64_C(1) << needed) <= reach * (int64_t)l->in) needed++;
    if (needed <= bits) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "layer %zu: its %zu weights of 1 bit are -1 and 1, whose sums need %u bits of accumulator, not %u: "
                "allow as many, or give the weights 2 bits or more, of which some can be 0",
                i + 1, l->in, needed, bits);
}

static annulus_status bound_layer(const train_model *m, const train_data *t, const train_options *o, size_t i)
{
    train_layer *l = &m->layer[i];
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = train_sources(m, i, sources);
    const int64_t added = (int64_t)(count * train_fold_values(l));
    int64_t reach = 0; /* of the widest of them */
    for (size_t k = 0; k < count; k++) {
        const int64_t own = source_reach(m, t, sources[k]);
        reach = own > reach ? own : reach;
    }
    const int64_t ball = ((INT64_C(1) << o->accumulator_bits) - 1) / reach / added;
    if (l->bits == 1) return one_bit_fits(l, i, o->accumulator_bits, reach * added);
    const int64_t kept = ball / ((1 << (l->bits - 1)) - 1);
    if (ball < 1)
        return fail(
            ANNULUS_ERR_INPUT,
            "layer %zu: no weight fits %u bits of accumulator, inputs alone take %d values: allow more bits, or "
            "give its inputs fewer",
            i + 1, o->accumulator_bits, (int)(reach * added + 1));
    if (!o->accumulator_masks) {
        l->ball = (float)ball;
        return ANNULUS_OK;
    }
    if (kept < 1)
        return fail(
            ANNULUS_ERR_INPUT,
            "layer %zu: no weight of %u bits fits %u bits of accumulator by itself: project, allow more bits, or "
            "give the weights fewer",
            i + 1, l->bits, o->accumulator_bits);
    l->keep_last = (size_t)kept < l->keep_last ? (size_t)kept : l->keep_last;
    return ANNULUS_OK;
}

annulus_status train_bound_init(train_model *m, const train_data *t, const train_options *o)
{
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        l->ball = 0;
        l->keep = l->keep_last = l->in;
        if (l->common) continue; /* words of the torus, whose sums may go around it */
        if (l->bits == 1 && o->sparsity > 0)
            return fail(ANNULUS_ERR_INPUT,
                        "layer %zu: weights of 1 bit are -1 and 1, and sparsity makes some of them 0: give it 2 bits "
                        "or more",
                        i + 1);
        l->keep_last = (size_t)fmax(1, floor((1 - o->sparsity) * (double)l->in + 0.5));
        if (o->accumulator_bits > 0) TRY(bound_layer(m, t, o, i));
    }
    return ANNULUS_OK;
}

void train_bound_at(train_model *m, double at)
{
    const double above = at < TRAIN_FALL ? pow(1 - at / TRAIN_FALL, 3) : 0;
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        l->keep = l->keep_last + (size_t)ceil(above * (double)(l->in - l->keep_last));
    }
}

int train_bound_settled(const train_model *m)
{
    for (size_t i = 0; i < m->layers; i++)
        if (m->layer[i].keep > m->layer[i].keep_last) return 0;
    return 1;
}

/* q <- the at most `keep` largest of w, 0 elsewhere; equal ones stay or go together. */
static void mask(const float *w, size_t n, size_t keep, float *q)
{
    const float threshold = train_threshold(w, n, keep);
    for (size_t i = 0; i < n; i++) q[i] = fabsf(w[i]) <= threshold ? 0 : w[i];
}

/* A row of weights w on the grid of `scale`, magnitudes cut at `most` steps. */
typedef struct row {
    const float *w;
    size_t n;
    float scale, most, coarser;
} row;

/* Magnitude of weight i in steps, less fall, where weights, not magnitudes, are rounded half up. */
static inline float fallen(const row *r, float inv, size_t i, float fall)
{
    float a = fabsf(r->w[i]) * inv;
    a = (a > r->most ? r->most : a) - fall;
    a = a > 0 ? a : 0;
    return fabsf(train_round(r->w[i] < 0 ? -a : a));
}

static float sum_fallen(const row *r, float fall)
{
    const float inv = 1.0f / r->scale;
    float sum = 0;
    for (size_t i = 0; i < r->n; i++) sum += fallen(r, inv, i, fall);
    return sum;
}

/* By how much all magnitudes fall (Duchi et al., "Efficient projections onto the l1-ball", 2008), the least, up to a
 * 4096th, at which the rounded ones sum up to no more than ball. */
static float least_fall(const row *r, float ball)
{
    float lo = 0, hi = r->most; /* hi is enough: nothing is left */
    if (sum_fallen(r, 0) <= ball) return 0;
    while (hi - lo > r->most / 4096) {
        const float middle = 0.5f * (lo + hi);
        if (sum_fallen(r, middle) <= ball)
            hi = middle;
        else
            lo = middle;
    }
    return hi;
}

/* Of coarser and coarser grids the first on which magnitudes fall by no more than a share of
 * the largest (*fall: by how much): the larger weights keep their proportions. */
static float choose_grid(row r, float ball, float *fall)
{
    for (;; r.scale *= r.coarser) {
        *fall = least_fall(&r, ball);
        if (*fall <= MOST_FALL * r.most) return r.scale;
    }
}

void train_bound_row(train_layer *l, size_t o)
{
    float *q = l->wq + o * l->in, fall = 0;
    const float *w = l->w.x + o * l->in;
    if (l->keep < l->in)
        mask(w, l->in, l->keep, q);
    else
        memcpy(q, w, l->in * sizeof *q);
    row r = {q, l->in, train_row_scale(l, o, q), (float)((1 << (l->bits - 1)) - 1),
             l->last && l->power_of_two ? 2 : (float)M_SQRT2};
    if (l->ball > 0) r.scale = choose_grid(r, l->ball, &fall);
    const float inv = 1.0f / r.scale;
    for (size_t i = 0; i < l->in; i++) q[i] = copysignf(r.scale * fallen(&r, inv, i, fall), q[i]);
    l->scale[o] = r.scale;
}

int train_bounds(const train_layer *l)
{
    return l->ball > 0 || l->keep < l->in;
}

/* Whether what arrives at layer i is summed up as words of the torus. */
static int is_native(const network *n, size_t i)
{
    return activation_is_wave(n->layers[i].act) ||
           (i > 0 && i + 1 == n->layers_count && activation_is_wave(n->layers[i - 1].act));
}

annulus_status train_bound_check(const network *n, unsigned bits)
{
    for (size_t i = 0; bits > 0 && i < n->layers_count; i++) {
        if (is_native(n, i)) continue;
        const layer_sums s = network_sums(n, i);
        if (s.bits > bits)
            return fail(ANNULUS_ERR_INFEASIBLE, "layer %zu has an accumulator of %u bits, %u were asked for", i + 1,
                        s.bits, bits);
    }
    return ANNULUS_OK;
}
