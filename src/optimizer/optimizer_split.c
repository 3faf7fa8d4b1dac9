/* SPDX-License-Identifier: Apache-2.0 */
/* The search for split look-ups: pairs of families of one ring, the low one and the high one, which also rotates whole
 * look-ups; of each what it takes at least, with the quietest other, before the pairs. */
#include "optimizer/optimizer_split.h"

#include "base/memory.h"
#include "optimizer/optimizer_priv.h"
#include "tfhe/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MERGE_MOST 6u
#define MERGE_SHARE (1 / 16.0)
#define MOST_BITS 16u

typedef struct merge_gadget {
    uint32_t l, bg;
    double variance, seconds;
} merge_gadget;

/* A layer with its low bits, 0 of whole look-ups and outputs. */
typedef struct part {
    const lookup_layer *layer;
    uint32_t low_bits;
    double bound;                 /* largest variance of the last phase */
    double level[SPLIT_MAX_LOW];  /* of those of the levels */
    double square[SPLIT_MAX_LOW]; /* of what the levels' phases are of its sums */
    double slots, steps;          /* tables of the last rotation, and its steps at least */
    double sums;                  /* variance of its sums by the families at hand */
} part;

/* A point as one of the two families: seconds of its look-ups at least, with the quietest other. */
typedef struct side {
    size_t point;
    double seconds;
} side;

typedef struct finder {
    search *s;
    point *points; /* of the ring at hand, by seconds of a rotation */
    size_t points_count;
    double *coarse;     /* (points_count): variance of the switch of a low phase */
    side *lows, *highs; /* (points_count) at most */
    merge_gadget merge[MERGE_MOST];
    double merged;                                     /* least variance of a merge */
    double kappa[OPTIMIZER_MAX_LAYERS][SPLIT_MAX_LOW]; /* of a layer's rotations, by its low bits less one */
    part parts[OPTIMIZER_MAX_LAYERS];                  /* look-ups that say the most about a set first, then outputs */
    double low_rotations;
    split_amplified amplified;    /* of the outputs of any layer */
    uint32_t least, most, spread; /* high parts of split look-ups, fewest and most; the most low bits */
    double linear, fresh;         /* seconds of linear layers and combinations of waves; variance of encryptions */
} finder;

/* ---- what is predicted ------------------------------------------------------------------------------------------ */

static double merge_seconds(const tfhe_params *p, uint32_t l, double high)
{
    tfhe_params step = *p;
    step.pbs_l = l, step.pbs_lb = 1, step.pbs_group = 1;
    return (high - 1 + log2(p->N / high)) * cost_step(&step);
}

static double combine_seconds(const tfhe_params *p, uint32_t low_bits, double high)
{
    return cost_weight(p) * cost_linear_weights((size_t)high, split_waves(low_bits), 1);
}

double split_choose_seconds(const tfhe_families *f, double cells, uint32_t low_bits)
{
    const tfhe_params *p = &f->of[TFHE_HIGH];
    const double high = ldexp(cells, -(int)low_bits);
    return merge_seconds(p, f->merge.l, high) + combine_seconds(p, low_bits, high);
}

static double whole_seconds(const tfhe_families *f, double cells, const layer_choice *c)
{
    const tfhe_params *low = &f->of[TFHE_LOW], *high = &f->of[TFHE_HIGH];
    return c->split * (cost_keyswitch(low) + cost_blind_rotate(low, 1, 0)) + cost_keyswitch(high) +
           cost_blind_rotate(high, c->EF, c->price) + split_choose_seconds(f, cells, c->split);
}

double split_last_window(double half_window, double cells, uint32_t low_bits)
{
    return half_window + (exp2(low_bits) - 1) / (4 * cells);
}

static double level_window(const lookup_layer *l, uint32_t i)
{
    return l->half_window * ldexp(l->cells, -(int)i);
}

double split_output_variance(const tfhe_families *f, const lookup_layer *l, uint32_t low_bits)
{
    const uint32_t high = (uint32_t)l->cells >> low_bits;
    return noise_split(&f->of[TFHE_LOW], &f->of[TFHE_HIGH], &l->amplified[low_bits - 1],
                       noise_merge(&f->of[TFHE_HIGH], f->merge.l, f->merge.bg, high));
}

void split_predict(const tfhe_families *f, const lookup_layer *l, double sums, layer_choice *c)
{
    const tfhe_params *low = &f->of[TFHE_LOW], *high = &f->of[TFHE_HIGH];
    const double level = noise_keyswitch(low) + noise_low_switch(low);
    const double last =
        sums + noise_keyswitch(high) + noise_modulus_switch(high, c->EF, c->price) + c->split * noise_blind_rotate(low);
    double failure = exp2(noise_failure_log2(last, split_last_window(l->half_window, l->cells, c->split)));
    for (uint32_t i = 0; i < c->split; i++) {
        const double scale = ldexp(l->cells, -(int)i);
        failure += exp2(noise_failure_log2(level + scale * scale * sums, level_window(l, i)));
    }
    c->phase_std = sqrt(last);
    c->log2_failure = failure < 1 ? log2(failure) : 0;
    c->output_std = sqrt(split_output_variance(f, l, c->split));
    c->seconds += (double)l->count * whole_seconds(f, l->cells, c);
}

/* ---- the search ------------------------------------------------------------------------------------------------- */

static void merge_gadgets(finder *f, const tfhe_params *p)
{
    f->merged = INFINITY;
    for (uint32_t l = 1; l <= MERGE_MOST; l++) {
        merge_gadget *g = &f->merge[l - 1];
        *g = (merge_gadget){.l = l, .variance = INFINITY};
        for (uint32_t bg = 1; bg * l <= 52 && bg <= 30; bg++) {
            const double v = noise_merge(p, l, bg, f->least);
            if (v < g->variance) g->variance = v, g->bg = bg;
        }
        f->merged = fmin(f->merged, g->variance);
        for (size_t i = 0; i < f->s->request->layers_count; i++) {
            const part *a = &f->parts[i];
            if (a->low_bits == 0) continue;
            g->seconds += (double)a->layer->count * merge_seconds(p, l, ldexp(a->layer->cells, -(int)a->low_bits));
        }
    }
}

static const merge_gadget *merge_choose(const finder *f, double variance)
{
    size_t l = 0;
    while (l + 1 < MERGE_MOST && f->merge[l].variance > MERGE_SHARE * variance) l++;
    return &f->merge[l];
}

/* The first, which is the fastest, keyswitch of low phases that all levels of all layers bear; NULL: none. */
static const gadget *low_switch(const finder *f, size_t low)
{
    const point *a = &f->points[low];
    double room = INFINITY;
    for (size_t k = 0; k < f->s->request->layers_count; k++)
        for (uint32_t i = 0; i < f->parts[k].low_bits; i++)
            room = fmin(room, f->parts[k].level[i] - f->parts[k].square[i] * f->parts[k].sums);
    room -= f->coarse[low];
    for (size_t k = 0; k < a->cell->switches_count; k++)
        if (a->cell->switches[k].variance <= room) return &a->cell->switches[k];
    return NULL;
}

/* Seconds of all last rotations with this keyswitch and the fastest extensions, `limit` or more if they are not below.
 * choice: of the front. */
static double last_seconds(const finder *f, const point *b, const gadget *g, double low_noise, double limit,
                           size_t *choice)
{
    const extension_front *front = b->front;
    double seconds = f->s->look_ups * (g->seconds + b->rotate * front->at[0].products);
    for (size_t k = 0; k < f->s->order_count && seconds < limit; k++) {
        const part *a = &f->parts[k];
        const double room = a->bound - a->sums - a->low_bits * low_noise - g->variance;
        const size_t e = extension_front_find(front, front->count, b->variance, b->p.N, &f->s->window[f->s->order[k]],
                                              room / (a->slots * a->slots), a->steps);
        if (e == front->count) return INFINITY;
        choice[k] = e;
        seconds += (double)a->layer->count * b->rotate * (front->at[e].products - front->at[0].products);
    }
    return seconds;
}

/* The keyswitch of the last rotations that is fastest with its extensions; NULL: none is below the limit, to which its
 * seconds are set. */
static const gadget *last_switch(const finder *f, const point *b, double low_noise, double *limit, size_t *choice)
{
    size_t some[OPTIMIZER_MAX_LAYERS];
    const gadget *chosen = NULL;
    for (size_t k = 0; k < b->cell->switches_count; k++) {
        const gadget *g = &b->cell->switches[k];
        if (f->s->look_ups * (g->seconds + b->rotate * b->front->at[0].products) >= *limit) break;
        const double seconds = last_seconds(f, b, g, low_noise, *limit, some);
        if (!(seconds < *limit)) continue;
        chosen = g, *limit = seconds;
        memcpy(choice, some, f->s->order_count * sizeof *some);
    }
    return chosen;
}

/* Variance of the sums of every layer, from that of the values; 0: outputs or bootstraps exceed their bounds. rotation:
 * of the high family, of which coefficients have this share in common. */
static int sums_fit(finder *f, double values, double rotation, double common)
{
    for (size_t k = 0; k < f->s->request->layers_count; k++) {
        part *a = &f->parts[k];
        const lookup_layer *l = a->layer;
        a->sums = l->two_norm * l->two_norm * values + common * fmax(0, l->common) * rotation +
                  l->fresh_two_norm * l->fresh_two_norm * f->fresh;
        if (a->sums > a->bound) return 0;
        if (!l->is_output && (a->low_bits > 0 ? values : rotation) > f->s->output[f->s->order[k]]) return 0;
    }
    return 1;
}

static void take(finder *f, const point *a, const point *b, const merge_gadget *m, const gadget *first,
                 const gadget *second, const size_t *choice, double seconds)
{
    search *s = f->s;
    candidate c = {.families = {.count = 2, .of = {b->p, a->p}, .merge = {m->l, m->bg}}, .seconds = seconds};
    tfhe_params *high = &c.families.of[TFHE_HIGH], *low = &c.families.of[TFHE_LOW];
    low->ks_l = first->l, low->ks_b = first->b;
    high->ks_l = second->l, high->ks_b = second->b;
    for (size_t k = 0; k < s->order_count; k++)
        c.layers[s->order[k]] = (layer_choice){.family = TFHE_HIGH,
                                               .split = f->parts[k].low_bits,
                                               .EF = b->front->at[choice[k]].EF,
                                               .price = b->front->at[choice[k]].price};
    c.bytes = a->bytes + b->bytes + search_ksk_bytes(s->request->minimize, low) +
              search_ksk_bytes(s->request->minimize, high) + (double)merge_seeded_bytes(high, m->l);
    if (c.bytes <= s->limit_bytes) search_take(s, &c);
}

/* Variance of the outputs by the low family. */
static double amplified(const finder *f, const point *a)
{
    return split_amplification(&f->amplified, a->common) * a->noise;
}

static void try_pair(finder *f, size_t low, const point *b)
{
    const point *a = &f->points[low];
    size_t choice[OPTIMIZER_MAX_LAYERS];
    const double rotations = b->noise + amplified(f, a);
    const merge_gadget *merge = merge_choose(f, rotations);
    if (!sums_fit(f, rotations + merge->variance, b->noise, b->common)) return;
    const gadget *first = low_switch(f, low);
    if (first == NULL) return;
    const double others = f->low_rotations * (a->rotate + first->seconds) + merge->seconds + f->linear;
    double limit = f->s->limit_seconds - others;
    const gadget *second = last_switch(f, b, a->noise, &limit, choice);
    if (second != NULL) take(f, a, b, merge, first, second, choice, limit + others);
}

/* Points that may be the low family. */
static size_t lows_fill(finder *f)
{
    double high = INFINITY;
    size_t count = 0;
    for (size_t i = 0; i < f->points_count; i++) high = fmin(high, f->points[i].noise);
    for (size_t i = 0; i < f->points_count; i++) {
        const point *a = &f->points[i];
        if (f->low_rotations * a->rotate + f->linear >= f->s->limit_seconds) break;
        if (!sums_fit(f, high + amplified(f, a) + f->merged, high, 0)) continue;
        const gadget *first = low_switch(f, i);
        if (first != NULL) f->lows[count++] = (side){i, f->low_rotations * (a->rotate + first->seconds)};
    }
    return count;
}

/* Points that may be the high one with one of the low ones, which takes least seconds and noise of them all; the limit
 * is what is left to it. */
static size_t highs_fill(finder *f, size_t lows, double limit)
{
    size_t count = 0, choice[OPTIMIZER_MAX_LAYERS];
    double low = INFINITY, outputs = INFINITY;
    for (size_t i = 0; i < lows; i++) {
        const point *a = &f->points[f->lows[i].point];
        low = fmin(low, a->noise), outputs = fmin(outputs, amplified(f, a));
    }
    for (size_t i = 0; i < f->points_count; i++) {
        const point *b = &f->points[i];
        double seconds = limit;
        if (f->s->look_ups * b->rotate * b->front->at[0].products >= limit) continue;
        if (!sums_fit(f, b->noise + outputs + f->merged, b->noise, b->common)) continue;
        if (last_switch(f, b, low, &seconds, choice) != NULL) f->highs[count++] = (side){i, seconds};
    }
    return count;
}

static void try_ring(finder *f, const space_ring *r)
{
    search *s = f->s;
    if (f->most > r->p.N || r->p.N >> f->spread < SPLIT_SLOTS) return;
    merge_gadgets(f, &r->p);
    f->fresh = r->fresh;
    f->linear = s->weights * r->weight;
    for (size_t k = 0; k < s->order_count; k++) {
        const part *a = &f->parts[k];
        if (a->low_bits > 0)
            f->linear += (double)a->layer->count *
                         combine_seconds(&r->p, a->low_bits, ldexp(a->layer->cells, -(int)a->low_bits));
    }
    const double least = f->linear + f->merge[0].seconds;
    const size_t lows = lows_fill(f);
    if (lows == 0) return;
    double fastest = INFINITY;
    for (size_t a = 0; a < lows; a++) fastest = fmin(fastest, f->lows[a].seconds);
    const size_t highs = highs_fill(f, lows, s->limit_seconds - (fastest + least));
    for (size_t a = 0; a < lows; a++)
        for (size_t b = 0; b < highs; b++)
            if (f->highs[b].seconds < s->limit_seconds - (f->lows[a].seconds + least))
                try_pair(f, f->lows[a].point, &f->points[f->highs[b].point]);
}

static int faster_first(const void *a, const void *b)
{
    const double x = ((const point *)a)->rotate, y = ((const point *)b)->rotate;
    return (x > y) - (x < y);
}

static void points_take(finder *f, space_ring *r)
{
    search_space *x = f->s->space;
    f->points_count = 0;
    for (size_t n = 0; n < x->ns_count; n++)
        for (uint32_t g = 1; g <= x->model->group_last; g++) {
            if ((x->ns[n].groups >> g & 1) == 0 || !search_may_group(f->s, g)) continue;
            for (size_t k = 0; k < r->rotations_count[g]; k++)
                f->points[f->points_count++] = search_space_point(x, r, n, g, k, f->s->request->minimize);
        }
    qsort(f->points, f->points_count, sizeof *f->points, faster_first);
    for (size_t i = 0; i < f->points_count; i++) f->coarse[i] = noise_low_switch(&f->points[i].p);
}

/* Each of a look-up's rotations has its share of the failures. */
static void kappas_fill(finder *f)
{
    for (size_t i = 0; i < f->s->request->layers_count; i++) {
        const lookup_layer *l = &f->s->request->layers[i];
        const double log2_p = l->log2_error < 0 ? l->log2_error : f->s->log2_p;
        for (uint32_t s = 1; s <= l->split_most; s++) f->kappa[i][s - 1] = noise_kappa(log2_p - log2(s + 1.0));
    }
}

/* Largest variance of layer i within a window. */
static double part_bound(const finder *f, size_t i, double window, uint32_t low_bits)
{
    const double most = window / f->kappa[i][low_bits - 1];
    return most * most;
}

/* Parts of look-ups of more than `bits` bits, which are split so as to have so many left if they may. Returns whether
 * one of them then has `bits` left or the most low bits. */
static int parts_of(finder *f, uint32_t bits)
{
    search *s = f->s;
    int any = 0;
    f->amplified = (split_amplified){0};
    f->low_rotations = 0;
    f->least = UINT32_MAX, f->most = f->spread = 0;
    for (size_t k = 0; k < s->request->layers_count; k++) {
        const size_t i = s->order[k];
        const lookup_layer *l = &s->request->layers[i];
        part *a = &f->parts[k];
        *a = (part){.layer = l, .bound = s->bound[i], .slots = layer_slots(l)};
        a->steps = a->slots * 2 * l->cells;
        if (l->split_most == 0 || l->cells <= exp2(bits)) continue;
        const uint32_t wanted = (uint32_t)ilogb(l->cells) - bits;
        a->low_bits = wanted < l->split_most ? wanted : l->split_most;
        any |= wanted <= l->split_most;
        a->steps = a->slots * ldexp(l->cells, 1 - (int)a->low_bits);
        a->bound = part_bound(f, i, split_last_window(l->half_window, l->cells, a->low_bits), a->low_bits);
        for (uint32_t j = 0; j < a->low_bits; j++) {
            const double scale = ldexp(l->cells, -(int)j);
            a->level[j] = part_bound(f, i, level_window(l, j), a->low_bits);
            a->square[j] = scale * scale;
        }
        const uint32_t high = (uint32_t)l->cells >> a->low_bits;
        f->least = high < f->least ? high : f->least;
        f->most = high > f->most ? high : f->most;
        f->spread = a->low_bits > f->spread ? a->low_bits : f->spread;
        f->amplified = split_amplified_both(f->amplified, l->amplified[a->low_bits - 1]);
        f->low_rotations += (double)l->count * a->low_bits;
    }
    return any;
}

static annulus_status find(finder *f)
{
    search_space *x = f->s->space;
    const size_t most = x->ns_count * x->model->group_last * 2 * x->model->pbs.l_last;
    void *p;
    TRY(mem_create(most, sizeof *f->points, "parameter search", &p));
    f->points = p;
    TRY(mem_create(most, sizeof *f->coarse, "parameter search", &p));
    f->coarse = p;
    TRY(mem_create(2 * most, sizeof *f->lows, "parameter search", &p));
    f->lows = p;
    f->highs = f->lows + most;
    kappas_fill(f);
    for (size_t i = 0; i < x->rings_count; i++) {
        space_ring *r = search_space_ring(x, i);
        points_take(f, r);
        for (uint32_t bits = 1; bits < MOST_BITS; bits++)
            if (parts_of(f, bits)) try_ring(f, r);
    }
    return ANNULUS_OK;
}

annulus_status search_split(search *s)
{
    finder f = {.s = s};
    const annulus_status st = find(&f);
    mem_free(f.points);
    mem_free(f.coarse);
    mem_free(f.lows);
    return st;
}

/* ---- one kind of look-ups --------------------------------------------------------------------------------------- */

static tfhe_families families_of(const split_choice *c)
{
    return (tfhe_families){.count = 2, .of = {c->high, c->low}, .merge = {c->merge_l, c->merge_bg}};
}

double split_seconds(uint32_t bits, const split_choice *c)
{
    const tfhe_families f = families_of(c);
    const layer_choice one = {.split = c->low_bits, .EF = c->EF, .price = c->price};
    return whole_seconds(&f, exp2(bits), &one);
}

static annulus_status check(const split_request *q)
{
    if (q->bits < 2 || q->bits > MOST_BITS || q->entry_bits < 1 || q->entry_bits > 16)
        return fail(ANNULUS_ERR_INPUT, "split look-ups of %u bits to %u bits: 2 to 16, to 1 to 16", q->bits,
                    q->entry_bits);
    if (!(q->log2_error < 0 && q->log2_error >= -512) || !(q->two_norm >= 0))
        return fail(ANNULUS_ERR_INPUT, "error probability 2^%g: must be in [2^-512, 1); two-norm %g: at least 0",
                    q->log2_error, q->two_norm);
    return ANNULUS_OK;
}

annulus_status optimizer_split(const split_request *q, split_choice *out)
{
    search_space *space;
    search s;
    optimizer_result r;
    TRY(check(q));
    const double cells = exp2(q->bits);
    lookup_layer l = {.half_window = 1 / (4 * cells), .two_norm = q->two_norm, .cells = cells, .count = 1};
    l.split_most = q->bits - 1 < SPLIT_MAX_LOW ? q->bits - 1 : SPLIT_MAX_LOW;
    for (uint32_t i = 0; i < SPLIT_MAX_LOW; i++) l.amplified[i] = split_amplified_most(i + 1, q->entry_bits);
    const optimizer_request request = {
        .layers = &l, .layers_count = 1, .log2_error = q->log2_error, .level = q->level, .families_most = 2};
    TRY(search_space_create(&search_model_shipped, q->level, 0, &space));
    search_begin(&s, &request, space, q->log2_error);
    s.goal = FASTEST;
    annulus_status st = search_split(&s);
    search_space_destroy(space);
    if (st == ANNULUS_OK && !s.found)
        st = fail(ANNULUS_ERR_INFEASIBLE, "no split look-up of %u bits at two-norm %g fails with 2^%.1f or less",
                  q->bits, q->two_norm, q->log2_error);
    if (st != ANNULUS_OK) return st;
    const tfhe_families *f = &s.best.families;
    optimizer_predict(&request, f, s.best.layers, &r);
    *out = (split_choice){.low = f->of[TFHE_LOW],
                          .high = f->of[TFHE_HIGH],
                          .low_bits = r.layers[0].split,
                          .EF = r.layers[0].EF,
                          .price = r.layers[0].price,
                          .merge_l = f->merge.l,
                          .merge_bg = f->merge.bg,
                          .output_std = r.layers[0].output_std,
                          .log2_failure = r.layers[0].log2_failure,
                          .seconds = r.seconds};
    return ANNULUS_OK;
}
