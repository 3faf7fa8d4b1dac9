/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/top_1.h"

#include "base/memory.h"
#include "nn/distinct.h"
#include "nn/pair_tree.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAMPLES 2000u     /* at most, evenly among those given */
#define COARSEST_BITS 12u /* of the first layer's cells */

/* ---- the network so far ----------------------------------------------------------------------------------------- */

/* *out is destroyed by the caller, also after a failure. */
static annulus_status network_begin(const network *n, size_t more, network **out)
{
    if (n->layers_count + more > NETWORK_MAX_LAYERS)
        return fail(ANNULUS_ERR_INPUT, "answers that are the label alone take %zu layers behind %zu, %u are possible",
                    more, n->layers_count, NETWORK_MAX_LAYERS);
    TRY(network_frame(n, n->layers_count + more, out));
    (*out)->task = NETWORK_TOP_1;
    (*out)->argmax = 0;
    for (size_t i = 0; i < n->layers_count; i++) TRY(dense_layer_copy(&n->layers[i], &(*out)->layers[i]));
    return ANNULUS_OK;
}

/* ---- scores ----------------------------------------------------------------------------------------------------- */

/* Largest scores of samples lie between least and most; those of one class at most `widest` apart. */
typedef struct score_range {
    double least, most, widest;
} score_range;

static annulus_status scores_measure(const network *n, const float *x, size_t count, score_range *out)
{
    const size_t c = n->layers[n->layers_count - 1].out, taken = count < SAMPLES ? count : SAMPLES;
    void *p;
    TRY(mem_create(3 * c, sizeof(double), "scores", &p));
    double *score = p, *lo = score + c, *hi = lo + c;
    annulus_status st = ANNULUS_OK;
    *out = (score_range){INFINITY, -INFINITY, 0};
    for (size_t o = 0; o < c; o++) lo[o] = INFINITY, hi[o] = -INFINITY;
    for (size_t k = 0; st == ANNULUS_OK && k < taken; k++) {
        double most = -INFINITY;
        st = network_apply(n, x + k * count / taken * n->inputs, score);
        for (size_t o = 0; st == ANNULUS_OK && o < c; o++) {
            most = fmax(most, score[o]);
            lo[o] = fmin(lo[o], score[o]);
            hi[o] = fmax(hi[o], score[o]);
        }
        out->least = fmin(out->least, most);
        out->most = fmax(out->most, most);
    }
    for (size_t o = 0; o < c; o++) out->widest = fmax(out->widest, hi[o] - lo[o]);
    mem_free(p);
    if (st == ANNULUS_OK && !(out->most > out->least))
        st = fail(ANNULUS_ERR_INPUT, "the largest score is the same on all %zu samples: give real, different ones",
                  taken);
    return st;
}

/* The layer of scores, quantized: *unit of its values. */
static void scores_quantize(dense_layer *l, const score_range *r, unsigned bits, double margin, double *unit)
{
    const double span = (r->most - r->least) * (1 + 2 * margin), lo = r->least - margin * (r->most - r->least);
    *unit = span / (exp2(bits) - 1);
    for (size_t o = 0; o < l->out; o++) l->bias[o] -= lo;
    l->out_q = (quantizer){.scale = *unit, .bits = bits};
    l->rounding_bits = l->compares = bits;
    while (l->rounding_bits < COARSEST_BITS && exp2(l->rounding_bits) * *unit < (1 + 2 * margin) * r->widest)
        l->rounding_bits++;
    l->noise = 0;
}

/* ---- layers behind ---------------------------------------------------------------------------------------------- */

/* Layer i, (out, in) weights W over `count` sources from `first` on; all neurons are of one channel. */
static annulus_status layer_make(network *n, size_t i, const int32_t *W, size_t out, size_t in, size_t first,
                                 size_t count, const char *op)
{
    circuit_linear linear = {0};
    dense_layer *l = &n->layers[i];
    TRY(linear_dense(W, out, in, &linear));
    TRY(gathered_layer_create(in, out, &linear, l));
    l->sources_count = count;
    for (size_t k = 0; k < count; k++) l->sources[k] = (uint32_t)(first + k);
    for (size_t o = 0; o < out; o++) l->w_scale[o] = 1;
    l->rounding_bits = NETWORK_UNROUNDED;
    l->proven = 1;
    (void)snprintf(l->op, sizeof l->op, "%s", op);
    return ANNULUS_OK;
}

static annulus_status bound_set(dense_layer *l, double lo, double hi)
{
    void *p;
    TRY(mem_create(2 * l->out, sizeof(double), "bounds", &p));
    l->bound = p;
    for (size_t o = 0; o < l->out; o++) l->bound[o] = lo, l->bound[l->out + o] = hi;
    return ANNULUS_OK;
}

/* The tree on c quantized scores, which are source `scores`; its look-ups of level k are source scores + k. */
typedef struct tree {
    pair_tree pairs;
    uint32_t root;
    size_t scores, before[NETWORK_MAX_LAYERS + 1]; /* values of sources from `scores` to that of a level */
    uint32_t *at;                                  /* (steps) number in its level */
} tree;

static annulus_status tree_make(size_t c, size_t scores, tree *t)
{
    uint32_t nodes[TOP_1_MOST_CLASSES], at[TOP_1_MOST_CLASSES];
    void *p;
    *t = (tree){.pairs = {.values = c}, .scores = scores};
    for (size_t o = 0; o < c; o++) nodes[o] = at[o] = (uint32_t)o;
    TRY(pair_tree_join(&t->pairs, nodes, at, c, &t->root));
    TRY(mem_create(t->pairs.steps_count, sizeof(uint32_t), "largest score", &p));
    t->at = p;
    t->before[1] = c;
    for (uint32_t level = 1; level <= t->pairs.levels; level++) {
        size_t count = 0;
        for (size_t i = 0; i < t->pairs.steps_count; i++)
            if (t->pairs.steps[i].level == level) t->at[i] = (uint32_t)count++;
        t->before[level + 1] = t->before[level] + count;
    }
    return ANNULUS_OK;
}

/* row <- row + weight * node */
static void node_add(const tree *t, uint32_t node, int32_t weight, int32_t *row)
{
    for (; node >= t->pairs.values; node = t->pairs.steps[node - t->pairs.values].kept) {
        const size_t i = node - t->pairs.values;
        row[t->before[t->pairs.steps[i].level] + t->at[i]] += weight;
    }
    row[node] += weight;
}

/* relu(other - kept) for each step of a level. */
static annulus_status level_make(network *n, const tree *t, uint32_t level, unsigned bits, double unit)
{
    const size_t in = t->before[level], out = t->before[level + 1] - in, i = t->scores + level - 1;
    void *p;
    TRY(mem_create(out * in, sizeof(int32_t), "weights", &p));
    int32_t *W = p;
    for (size_t k = 0; k < t->pairs.steps_count; k++) {
        if (t->pairs.steps[k].level != level) continue;
        node_add(t, t->pairs.steps[k].other, 1, W + t->at[k] * in);
        node_add(t, t->pairs.steps[k].kept, -1, W + t->at[k] * in);
    }
    annulus_status st = layer_make(n, i, W, out, in, t->scores, level, "largest score");
    const double most = (exp2(bits) - 1) * unit;
    n->layers[i].act = ACTIVATION_RELU;
    n->layers[i].out_q = (quantizer){.scale = unit, .bits = bits};
    n->layers[i].compares = bits;
    if (st == ANNULUS_OK) st = bound_set(&n->layers[i], -most, most);
    mem_free(p);
    return st;
}

/* Whether each score is the largest: score - largest + unit/2 >= 0. */
static annulus_status reached_make(network *n, const tree *t, size_t i, unsigned bits, double unit)
{
    const size_t c = t->pairs.values, in = t->before[t->pairs.levels + 1];
    void *p;
    TRY(mem_create(c * in, sizeof(int32_t), "weights", &p));
    int32_t *W = p;
    for (size_t o = 0; o < c; o++) {
        node_add(t, t->root, -1, W + o * in);
        node_add(t, (uint32_t)o, 1, W + o * in);
    }
    annulus_status st = layer_make(n, i, W, c, in, t->scores, t->pairs.levels + 1, "is largest");
    n->layers[i].act = ACTIVATION_STEP;
    n->layers[i].out_q = (quantizer){.scale = 1, .bits = 1};
    n->layers[i].compares = bits;
    for (size_t o = 0; st == ANNULUS_OK && o < c; o++) n->layers[i].bias[o] = unit / 2;
    if (st == ANNULUS_OK) st = bound_set(&n->layers[i], -(exp2(bits) - 1) * unit, 0);
    mem_free(p);
    return st;
}

/* Of the scores that are the largest the first, and behind it the outputs. */
static annulus_status answer_make(network *n, size_t c, size_t i)
{
    void *p;
    TRY(mem_create(c * c, sizeof(int32_t), "weights", &p));
    int32_t *W = p;
    for (size_t o = 0; o < c; o++) {
        for (size_t k = 0; k < o; k++) W[o * c + k] = -1;
        W[o * c + o] = 1;
    }
    annulus_status st = layer_make(n, i, W, c, c, i, 1, "first");
    n->layers[i].act = ACTIVATION_STEP;
    n->layers[i].out_q = (quantizer){.scale = 1, .bits = 1};
    for (size_t o = 0; st == ANNULUS_OK && o < c; o++) n->layers[i].bias[o] = -0.5;
    memset(W, 0, c * c * sizeof *W);
    for (size_t o = 0; o < c; o++) W[o * c + o] = 1;
    if (st == ANNULUS_OK) st = layer_make(n, i + 1, W, c, c, i + 1, 1, "label");
    mem_free(p);
    return st;
}

/* Two classes: whether the first score is no smaller than the second; the outputs are that and what is left of 1. */
static annulus_status compare_make(network *n, size_t i, unsigned bits, double unit)
{
    static const int32_t difference[] = {1, -1};
    TRY(layer_make(n, i, difference, 1, 2, i, 1, "is largest"));
    n->layers[i].act = ACTIVATION_STEP;
    n->layers[i].out_q = (quantizer){.scale = 1, .bits = 1};
    n->layers[i].bias[0] = unit / 2;
    n->layers[i].compares = bits;
    TRY(layer_make(n, i + 1, difference, 2, 1, i + 1, 1, "label"));
    n->layers[i + 1].bias[1] = 1;
    n->layers[i + 1].channel[1] = 1;
    return ANNULUS_OK;
}

static annulus_status layers_make(network *n, const tree *t, size_t scores, unsigned bits, double unit)
{
    const uint32_t levels = t->pairs.levels;
    if (t->pairs.values == 2) return compare_make(n, scores, bits, unit);
    for (uint32_t level = 1; level <= levels; level++) TRY(level_make(n, t, level, bits, unit));
    TRY(reached_make(n, t, scores + levels, bits, unit));
    return answer_make(n, t->pairs.values, scores + levels + 1);
}

static annulus_status classifier_check(const network *n, const float *x, size_t count, unsigned bits)
{
    const size_t c = n->layers[n->layers_count - 1].out;
    if (n->task != NETWORK_CLASSIFICATION)
        return fail(ANNULUS_ERR_INPUT, "answers that are the label alone are for classification, not %s",
                    network_task_name(n->task));
    if (c < 2 || c > TOP_1_MOST_CLASSES)
        return fail(ANNULUS_ERR_INPUT, "answers that are the label alone: of 2 to %u classes, not %zu",
                    TOP_1_MOST_CLASSES, c);
    if (bits < 1 || bits > TOP_1_MOST_BITS)
        return fail(ANNULUS_ERR_INPUT, "scores of %u bits that are compared: 1 to %u are possible", bits,
                    TOP_1_MOST_BITS);
    return distinct_check(n, x, count, DISTINCT_LEAST, "measure the scores that are compared", "");
}

annulus_status network_top_1(const network *n, const float *x, size_t count, unsigned bits, double margin,
                             network **out)
{
    const size_t c = n->layers[n->layers_count - 1].out, scores = n->layers_count;
    score_range range;
    tree t;
    network *made = NULL;
    double unit = 0;
    TRY(network_check(n));
    TRY(classifier_check(n, x, count, bits));
    TRY(scores_measure(n, x, count, &range));
    annulus_status st = tree_make(c, scores, &t);
    if (st == ANNULUS_OK) st = network_begin(n, c == 2 ? 2 : t.pairs.levels + 3, &made);
    if (st == ANNULUS_OK) scores_quantize(&made->layers[scores - 1], &range, bits, margin, &unit);
    if (st == ANNULUS_OK) st = layers_make(made, &t, scores, bits, unit);
    if (st == ANNULUS_OK) st = network_set_labels(made, (const char *const *)n->labels, c);
    if (st == ANNULUS_OK) st = network_check(made);
    pair_tree_clear(&t.pairs);
    mem_free(t.at);
    if (st == ANNULUS_OK)
        *out = made;
    else
        network_destroy(made);
    return st;
}
