/* SPDX-License-Identifier: Apache-2.0 */
/* Sets by the seconds of an inference in the batches that it has: the search compares sets in large ones, where nothing
 * waits for keys. So the best by that of each kind, of one family for each ring, key bits and levels of a step, are
 * compared again. */
#include "optimizer/batches.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "optimizer/optimizer_priv.h"

#include <math.h>

#define WITHIN 1.5 /* of the seconds in large batches: slower sets are not compared again */
#define KINDS 3u

typedef struct ranking {
    const optimizer_request *q;
    search_space *space;
    ranked *of;
    size_t count;
} ranking;

static void add(ranking *x, const search *s, double log2_p)
{
    optimizer_result r;
    if (!s->found) return;
    optimizer_predict(x->q, &s->best.families, s->best.layers, &r);
    x->of[x->count++] =
        (ranked){.set = s->best, .log2_p = log2_p, .seconds = batches_seconds(x->q, &r), .key_bytes = r.key_bytes};
}

/* Seconds in large batches on one core that an inference may take in its own on all threads if no worker waits. */
static double shared_out(const ranking *x, double seconds)
{
    const unsigned workers = parallel_threads(x->q->threads);
    return seconds * workers / cost_crowd(workers, parallel_threads(0));
}

/* In large batches no set takes less than the fastest of these; the best of them takes hardly more in its own. */
static int is_settled(const ranking *x)
{
    double least = INFINITY, large = INFINITY;
    for (size_t i = 0; i < x->count; i++) {
        least = fmin(least, x->of[i].seconds);
        large = fmin(large, x->of[i].set.seconds);
    }
    return shared_out(x, least) <= x->space->model->near * large;
}

/* With at most so many key bits a step; *one: the best of one family. */
static annulus_status add_kinds(ranking *x, uint32_t group_most, search *one, double *log2_one)
{
    search_kinds k;
    optimizer_request q = *x->q;
    q.group_most = group_most;
    TRY(search_kinds_find(&q, x->space, &k));
    add(x, &k.one, k.log2_one);
    add(x, &k.two, k.log2_two);
    add(x, &k.split, k.log2_split);
    *one = k.one;
    *log2_one = k.log2_one;
    return ANNULUS_OK;
}

/* One family of each ring, key bits and levels, by the bound of the best, `one`; where it may be better than the sets
 * at hand. */
static annulus_status add_classes(ranking *x, const search *one, double log2_p)
{
    search_space *space = x->space;
    search base;
    search_begin(&base, x->q, space, log2_p);
    base.goal = FASTEST;
    base.limit_seconds = WITHIN * one->best.seconds;
    for (size_t i = 0; i < x->count; i++)
        base.limit_seconds = fmin(base.limit_seconds, shared_out(x, x->of[i].seconds) * (1 + 1e-9));
    base.check_global = x->q->target == ERROR_GLOBAL;
    for (size_t i = 0; i < space->rings_count; i++)
        for (uint32_t g = 1; g <= space->model->group_last; g++)
            for (unsigned l = 1; search_may_group(&base, g) && l <= space->model->pbs.l_last; l++) {
                search s = base;
                s.ring = &space->rings[i], s.group = g, s.levels = l;
                TRY(search_single(&s));
                add(x, &s, log2_p);
            }
    return ANNULUS_OK;
}

/* Families more than one have to pay. */
static double weighed(const ranking *x, const ranked *a)
{
    return a->set.families.count > 1 ? a->seconds / x->space->model->pays : a->seconds;
}

/* Of near-ties the smallest key. */
static const ranked *best_of(const ranking *x)
{
    const ranked *best = NULL;
    double least = INFINITY;
    for (size_t i = 0; i < x->count; i++) least = fmin(least, weighed(x, &x->of[i]));
    for (size_t i = 0; i < x->count; i++) {
        const ranked *a = &x->of[i];
        if (weighed(x, a) <= least * x->space->model->near && (best == NULL || a->key_bytes < best->key_bytes))
            best = a;
    }
    return best;
}

static annulus_status fill(ranking *x)
{
    const uint32_t most = x->space->model->group_last;
    search one, some;
    double log2_one, log2_some;
    TRY(add_kinds(x, most, &one, &log2_one));
    if (is_settled(x)) return ANNULUS_OK;
    for (uint32_t g = most; one.found && x->q->group == 0 && --g > 0;) TRY(add_kinds(x, g, &some, &log2_some));
    return one.found ? add_classes(x, &one, log2_one) : ANNULUS_OK;
}

annulus_status search_rank(const optimizer_request *q, search_space *space, int *found, ranked *out)
{
    ranking x = {.q = q, .space = space};
    const search_model *m = space->model;
    const size_t most = m->group_last * (KINDS + space->rings_count * m->pbs.l_last);
    void *p;
    TRY(mem_create(most, sizeof *x.of, "parameter search", &p));
    x.of = p;
    const annulus_status st = fill(&x);
    const ranked *best = st == ANNULUS_OK ? best_of(&x) : NULL;
    *found = best != NULL;
    if (best != NULL) *out = *best;
    mem_free(x.of);
    return st;
}
