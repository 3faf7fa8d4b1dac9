/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/optimizer_split.h"

#include "base/memory.h"
#include "optimizer/optimizer_priv.h"
#include "tfhe/split.h"

#include <math.h>
#include <stdlib.h>

#define MERGE_MOST 6u
#define MERGE_SHARE (1 / 16.0)

typedef struct merge_gadget {
    uint32_t l, bg;
    double variance, seconds;
} merge_gadget;

typedef struct finder {
    const split_request *request;
    search_space *space;
    point *points; /* of the ring at hand, by seconds of a rotation */
    size_t points_count;
    double *coarse; /* (points_count): variance of the switch of a low phase */
    merge_gadget merge[MERGE_MOST];
    uint32_t low_bits;
    double amplified, kappa, linear; /* linear: seconds of the combinations of waves */
    int found;
    split_choice best;
} finder;

static double merge_seconds(const tfhe_params *p, uint32_t l, double high)
{
    tfhe_params step = *p;
    step.pbs_l = l, step.pbs_lb = 1, step.pbs_group = 1;
    return (high - 1 + log2(p->N / high)) * cost_step(&step);
}

static double linear_seconds(const tfhe_params *p, uint32_t low_bits, double high)
{
    return cost_weight(p) * cost_linear_weights((size_t)high, split_waves(low_bits), 1);
}

double split_seconds(uint32_t bits, const split_choice *c)
{
    const double high = exp2(bits - c->low_bits);
    return c->low_bits * (cost_keyswitch(&c->low) + cost_blind_rotate(&c->low, 1, 0)) + cost_keyswitch(&c->high) +
           cost_blind_rotate(&c->high, c->EF, c->price) + merge_seconds(&c->high, c->merge_l, high) +
           linear_seconds(&c->high, c->low_bits, high);
}

static void merge_gadgets(finder *f, const tfhe_params *p, uint32_t high)
{
    for (uint32_t l = 1; l <= MERGE_MOST; l++) {
        merge_gadget *g = &f->merge[l - 1];
        *g = (merge_gadget){.l = l, .variance = INFINITY, .seconds = merge_seconds(p, l, high)};
        for (uint32_t bg = 1; bg * l <= 52 && bg <= 30; bg++) {
            const double v = noise_merge(p, l, bg, high);
            if (v < g->variance) g->variance = v, g->bg = bg;
        }
    }
}

static const merge_gadget *merge_choose(const finder *f, double variance)
{
    size_t l = 0;
    while (l + 1 < MERGE_MOST && f->merge[l].variance > MERGE_SHARE * variance) l++;
    return &f->merge[l];
}

/* The first, which is the fastest, keyswitch of low phases that all levels bear; NULL: none. */
static const gadget *low_switch(const finder *f, size_t low, double sums)
{
    const point *a = &f->points[low];
    const double cells = exp2(f->request->bits);
    double room = INFINITY;
    for (uint32_t i = 0; i < f->low_bits; i++) {
        const double most = exp2(-2.0 - i) / f->kappa, scale = cells * exp2(-(double)i);
        room = fmin(room, most * most - scale * scale * sums - f->coarse[low]);
    }
    for (size_t k = 0; k < a->cell->switches_count; k++)
        if (a->cell->switches[k].variance <= room) return &a->cell->switches[k];
    return NULL;
}

/* The fastest keyswitch and extension of the high phase, below `limit` seconds. */
static double high_choose(const finder *f, const point *b, double room, double limit, const gadget **chosen, size_t *at)
{
    const extension_front *front = b->front;
    const double steps = 2 * exp2(f->request->bits - f->low_bits);
    *chosen = NULL;
    for (size_t k = 0; k < b->cell->switches_count; k++) {
        const gadget *g = &b->cell->switches[k];
        if (g->seconds + b->rotate * front->at[0].products >= limit) break;
        const size_t e = extension_front_find(front, front->count, b->variance, b->p.N, room - g->variance, steps);
        if (e == front->count || g->seconds + b->rotate * front->at[e].products >= limit) continue;
        limit = g->seconds + b->rotate * front->at[e].products;
        *chosen = g, *at = e;
    }
    return limit;
}

static double failure_log2(const finder *f, const split_choice *c, double sums)
{
    const double cells = exp2(f->request->bits), low = noise_keyswitch(&c->low) + noise_low_switch(&c->low);
    const double high = noise_keyswitch(&c->high) + noise_modulus_switch(&c->high, c->EF, c->price) + sums +
                        c->low_bits * noise_blind_rotate(&c->low);
    double p = exp2(noise_failure_log2(high, exp2(c->low_bits) / (4 * cells)));
    for (uint32_t i = 0; i < c->low_bits; i++) {
        const double scale = cells * exp2(-(double)i);
        p += exp2(noise_failure_log2(low + scale * scale * sums, exp2(-2.0 - i)));
    }
    return log2(p);
}

static void try_pair(finder *f, size_t low, const point *b)
{
    const point *a = &f->points[low];
    const double rotations = b->noise + f->amplified * a->noise;
    const merge_gadget *merge = merge_choose(f, rotations);
    const double variance = rotations + merge->variance, half = exp2(f->low_bits - 2.0 - f->request->bits) / f->kappa;
    const double sums = f->request->two_norm * f->request->two_norm * variance;
    const gadget *first = low_switch(f, low, sums), *second;
    if (first == NULL) return;
    const double others = f->low_bits * (a->rotate + first->seconds) + merge->seconds + f->linear;
    const double room = half * half - sums - f->low_bits * a->noise;
    size_t e = 0;
    const double seconds = high_choose(f, b, room, f->best.seconds - others, &second, &e) + others;
    if (second == NULL) return;
    f->found = 1;
    f->best = (split_choice){.low = a->p,
                             .high = b->p,
                             .low_bits = f->low_bits,
                             .EF = b->front->at[e].EF,
                             .price = b->front->at[e].price,
                             .merge_l = merge->l,
                             .merge_bg = merge->bg,
                             .output_std = sqrt(variance),
                             .seconds = seconds};
    f->best.low.ks_l = first->l, f->best.low.ks_b = first->b;
    f->best.high.ks_l = second->l, f->best.high.ks_b = second->b;
    f->best.log2_failure = failure_log2(f, &f->best, sums);
}

static void try_ring(finder *f, const space_ring *r)
{
    const double high = exp2(f->request->bits - f->low_bits);
    if (high > r->p.N || r->p.N >> f->low_bits < SPLIT_SLOTS) return;
    merge_gadgets(f, &r->p, (uint32_t)high);
    f->linear = linear_seconds(&r->p, f->low_bits, high);
    for (size_t a = 0; a < f->points_count; a++) {
        const double low = f->low_bits * f->points[a].rotate;
        if (low >= f->best.seconds) break;
        for (size_t b = 0;
             b < f->points_count && low + f->points[b].rotate * f->points[b].front->at[0].products < f->best.seconds;
             b++)
            try_pair(f, a, &f->points[b]);
    }
}

static int faster_first(const void *a, const void *b)
{
    const double x = ((const point *)a)->rotate, y = ((const point *)b)->rotate;
    return (x > y) - (x < y);
}

static void points_take(finder *f, space_ring *r)
{
    f->points_count = 0;
    for (size_t n = 0; n < f->space->ns_count; n++)
        for (uint32_t g = 1; g <= f->space->model->group_last; g++)
            for (size_t k = 0; (f->space->ns[n].groups >> g & 1) != 0 && k < r->rotations_count[g]; k++)
                f->points[f->points_count++] = search_space_point(f->space, r, n, g, k, MINIMIZE_SECONDS);
    qsort(f->points, f->points_count, sizeof *f->points, faster_first);
    for (size_t i = 0; i < f->points_count; i++) f->coarse[i] = noise_low_switch(&f->points[i].p);
}

static annulus_status find(finder *f)
{
    const search_model *m = f->space->model;
    const size_t most = f->space->ns_count * m->group_last * 2 * m->pbs.l_last;
    void *p;
    TRY(mem_create(most, sizeof *f->points, "parameter search", &p));
    f->points = p;
    TRY(mem_create(most, sizeof *f->coarse, "parameter search", &p));
    f->coarse = p;
    for (size_t i = 0; i < f->space->rings_count; i++) {
        space_ring *r = search_space_ring(f->space, i);
        points_take(f, r);
        for (f->low_bits = 1; f->low_bits <= SPLIT_MAX_LOW && f->low_bits < f->request->bits; f->low_bits++) {
            f->amplified = split_amplified_most(f->low_bits, f->request->entry_bits);
            f->kappa = noise_kappa(f->request->log2_error - log2(f->low_bits + 1.0));
            try_ring(f, r);
        }
    }
    return ANNULUS_OK;
}

static annulus_status check(const split_request *q)
{
    if (q->bits < 2 || q->bits > 16 || q->entry_bits < 1 || q->entry_bits > 16)
        return fail(ANNULUS_ERR_INPUT, "split look-ups of %u bits to %u bits: 2 to 16, to 1 to 16", q->bits,
                    q->entry_bits);
    if (!(q->log2_error < 0 && q->log2_error >= -512) || !(q->two_norm >= 0))
        return fail(ANNULUS_ERR_INPUT, "error probability 2^%g: must be in [2^-512, 1); two-norm %g: at least 0",
                    q->log2_error, q->two_norm);
    return ANNULUS_OK;
}

annulus_status optimizer_split(const split_request *request, split_choice *out)
{
    finder f = {.request = request, .best.seconds = INFINITY};
    TRY(check(request));
    TRY(search_space_create(&search_model_shipped, request->level, 0, &f.space));
    annulus_status st = find(&f);
    mem_free(f.points);
    mem_free(f.coarse);
    search_space_destroy(f.space);
    if (st == ANNULUS_OK && !f.found)
        st = fail(ANNULUS_ERR_INFEASIBLE, "no split look-up of %u bits at two-norm %g fails with 2^%.1f or less",
                  request->bits, request->two_norm, request->log2_error);
    if (st == ANNULUS_OK) *out = f.best;
    return st;
}
