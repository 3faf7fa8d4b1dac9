/* SPDX-License-Identifier: Apache-2.0 */
/* The search for two families: all pairs of families but for keyswitches, by lower bounds of what each layer takes.
 *
 * any: a layer by a family, at least: with the noise of the quietest family's outputs in its inputs, and a keyswitch
 * from the smallest ring.
 * own: with the noise of the family's own outputs. The less noisy of two families has no better inputs than its own, so
 * that a pair takes at least the sum over layers of the lesser of any (of the noisier one) and own (of the other).
 * Pairs of configurations, families of every n, go by the least of any over n; the most promising first. */
#include "base/memory.h"
#include "optimizer/optimizer_couple.h"

#include <math.h>
#include <stdlib.h>

/* Ring, key bits a step and gadget: one family for each n that these key bits have. */
typedef struct config {
    size_t ring, rotation;
    uint32_t g;
    double least_bytes; /* of the bootstrapping key */
} config;

typedef struct site { /* a family: a configuration and an n */
    double noise, bytes;
    int wanted, has_own;
} site;

typedef struct promise { /* two configurations, or two sites of two, and a lower bound of what is minimized, and of
                            seconds */
    double least, seconds;
    uint32_t a, b;
} promise;

typedef struct pairs {
    search *s;
    layer_classes classes;
    size_t ns_most, ns_count[TFHE_MAX_GROUP + 1], *ns[TFHE_MAX_GROUP + 1]; /* indices into the space's */
    size_t configs_count, smallest_ring;
    double quietest; /* least variance of a bootstrap's output */
    config *configs;
    site *sites;               /* (configs, ns_most) */
    double *least, *any, *own; /* (configs, classes); (configs, ns_most, classes) twice */
    promise *queue;            /* of pairs of configurations */
    promise *sites_queue;      /* of a pair's pairs of sites */
    size_t queue_count;
} pairs;

static layer_classes classes_of(const search *s)
{
    layer_classes x = {0};
    for (size_t o = 0; o < s->request->layers_count; o++) {
        const size_t i = s->order[o];
        const lookup_layer *l = &s->request->layers[i];
        const layer_class c = {.bound = s->bound[i],
                               .output = s->output[i],
                               .two_norm = l->two_norm,
                               .fresh_two_norm = l->fresh_two_norm,
                               .cells = l->cells,
                               .slots = layer_slots(l),
                               .is_output = l->is_output};
        size_t k = 0;
        while (k < x.count &&
               !(x.of[k].bound == c.bound && x.of[k].output == c.output && x.of[k].two_norm == c.two_norm &&
                 x.of[k].fresh_two_norm == c.fresh_two_norm && x.of[k].cells == c.cells && x.of[k].slots == c.slots &&
                 x.of[k].is_output == c.is_output))
            k++;
        if (k == x.count) x.of[x.count++] = c;
        x.of[k].count += (double)l->count;
        x.at[i] = k;
    }
    return x;
}

static point site_point(const pairs *x, size_t config_index, size_t n)
{
    const config *c = &x->configs[config_index];
    search_space *space = x->s->space;
    return search_space_point(space, search_space_ring(space, c->ring), x->ns[c->g][n], c->g, c->rotation,
                              x->s->request->minimize);
}

/* (classes): what all layers of a class take at least. */
static void class_bounds(const pairs *x, const point *a, size_t n, int own, double *out)
{
    search_space *space = x->s->space;
    const space_cell *cell = search_space_cell(space, search_space_ring(space, x->smallest_ring), n);
    for (size_t k = 0; k < x->classes.count; k++) {
        const layer_class *c = &x->classes.of[k];
        const double noise = c->two_norm * c->two_norm * (own || c->is_output ? a->noise : x->quietest);
        if (c->is_output)
            out[k] = noise + c->fresh_two_norm * c->fresh_two_norm * a->ring->fresh <= c->bound ? 0 : INFINITY;
        else if (a->noise > c->output)
            out[k] = INFINITY;
        else
            out[k] = c->count *
                     couple_cheapest(a, cell->switches, 0, cell->switches_count, c->slots, c->bound - noise, c->cells)
                         .seconds;
    }
}

static const double *own_bounds(pairs *x, size_t config_index, size_t n)
{
    const size_t at = config_index * x->ns_most + n;
    double *own = x->own + at * x->classes.count;
    if (x->sites[at].has_own) return own;
    const point a = site_point(x, config_index, n);
    class_bounds(x, &a, x->ns[x->configs[config_index].g][n], 1, own);
    x->sites[at].has_own = 1;
    return own;
}

/* Sum over classes of the lesser, from `sum` on; some value >= limit once it is as much. */
static double bound_sum(const double *a, const double *b, size_t count, double sum, double limit)
{
    for (size_t k = 0; k < count && sum < limit; k++) sum += a[k] < b[k] ? a[k] : b[k];
    return sum;
}

static double weights_seconds(const pairs *x, const config *a, const config *b)
{
    const space_ring *rings = x->s->space->rings;
    return x->s->weights * fmin(rings[a->ring].weight, rings[b->ring].weight);
}

static int within(const search *s, double seconds, double bytes)
{
    return seconds < s->limit_seconds && (s->goal == FASTEST ? bytes <= s->limit_bytes : bytes < s->limit_bytes);
}

static int by_promise(const void *a, const void *b)
{
    const promise *x = a, *y = b;
    if (x->least != y->least) return x->least < y->least ? -1 : 1;
    return x->a != y->a ? (x->a < y->a ? -1 : 1) : (x->b > y->b) - (x->b < y->b);
}

/* Whether the search may take a family, but for its keyswitch. */
static int wanted(const search *s, const tfhe_params *p)
{
    for (size_t f = 0; s->only != NULL && f < s->only->count; f++) {
        tfhe_params of = s->only->of[f];
        of.ks_l = p->ks_l, of.ks_b = p->ks_b;
        if (tfhe_params_equal(&of, p)) return 1;
    }
    return s->only == NULL;
}

/* The sites of the next configuration and their bounds, and the configuration if any site is wanted. */
static void config_add(pairs *x, size_t ring, uint32_t g, size_t rotation)
{
    const size_t at = x->configs_count, classes = x->classes.count;
    double *least = x->least + at * classes;
    size_t wants = 0;
    x->configs[at] = (config){.ring = ring, .rotation = rotation, .g = g, .least_bytes = INFINITY};
    for (size_t c = 0; c < classes; c++) least[c] = INFINITY;
    for (size_t n = 0; n < x->ns_count[g]; n++) {
        const point a = site_point(x, at, n);
        double *any = x->any + (at * x->ns_most + n) * classes;
        site *of = &x->sites[at * x->ns_most + n];
        *of = (site){.noise = a.noise, .bytes = a.bytes, .wanted = wanted(x->s, &a.p)};
        if (!of->wanted) continue;
        class_bounds(x, &a, x->ns[g][n], 0, any);
        for (size_t c = 0; c < classes; c++) least[c] = fmin(least[c], any[c]);
        x->configs[at].least_bytes = fmin(x->configs[at].least_bytes, a.bytes);
        wants = 1;
    }
    x->configs_count += wants;
}

static void configs_fill(pairs *x)
{
    search_space *space = x->s->space;
    const uint32_t only = x->s->request->group;
    for (size_t r = 0; r < space->rings_count; r++)
        for (uint32_t g = 1; g <= space->model->group_last; g++) {
            if ((only != 0 && only != g) || x->ns_count[g] == 0) continue;
            const size_t rotations = search_space_ring(space, r)->rotations_count[g];
            for (size_t k = 0; k < rotations; k++) config_add(x, r, g, k);
        }
}

static void queue_fill(pairs *x)
{
    const search *s = x->s;
    const size_t classes = x->classes.count;
    x->queue_count = 0;
    for (uint32_t a = 0; a < x->configs_count; a++)
        for (uint32_t b = a; b < x->configs_count; b++) {
            const double bytes = x->configs[a].least_bytes + x->configs[b].least_bytes;
            double seconds = weights_seconds(x, &x->configs[a], &x->configs[b]);
            if (!within(s, seconds, bytes)) continue;
            seconds = bound_sum(x->least + a * classes, x->least + b * classes, classes, seconds, s->limit_seconds);
            if (!within(s, seconds, bytes)) continue;
            x->queue[x->queue_count++] = (promise){s->goal == FASTEST ? seconds : bytes, seconds, a, b};
        }
    qsort(x->queue, x->queue_count, sizeof *x->queue, by_promise);
}

/* least: lower bounds of seconds of the classes by a and by b, and the sum of them all. */
static void try_sites(pairs *x, const config *a, size_t na, const config *b, size_t nb, const double *const least[2],
                      double sum)
{
    search *s = x->s;
    const size_t at[2] = {(size_t)(a - x->configs), (size_t)(b - x->configs)};
    couple c = {.at = {site_point(x, at[0], na), site_point(x, at[1], nb)}};
    const size_t n[2] = {x->ns[a->g][na], x->ns[b->g][nb]};
    candidate found;
    for (size_t t = 0; t < COUPLE_TRANSITIONS; t++) {
        const config *from = t / 2 == 0 ? a : b;
        const space_cell *cell = search_space_cell(s->space, search_space_ring(s->space, from->ring), n[t % 2]);
        tfhe_params level = c.at[t % 2].p;
        level.k = c.at[t / 2].p.k;
        level.N = c.at[t / 2].p.N;
        level.ks_l = 1;
        c.switches[t] = cell->switches;
        c.switches_count[t] = cell->switches_count;
        c.level_bytes[t] = search_ksk_bytes(s->request->minimize, &level);
    }
    if (!couple_solve(s, &x->classes, &c, least, sum, &found)) return;
    if (s->goal != SMALLEST_NEAR || found.bytes < s->limit_bytes) search_take(s, &found);
}

/* Of two sites: the bounds of the classes by each. */
static void site_bounds(pairs *x, uint32_t ia, uint32_t na, uint32_t ib, uint32_t nb, const double *least[2])
{
    const size_t at = ia * x->ns_most + na, bt = ib * x->ns_most + nb, classes = x->classes.count;
    const int less = x->sites[at].noise < x->sites[bt].noise;
    least[0] = less ? own_bounds(x, ia, na) : x->any + at * classes;
    least[1] = less ? x->any + bt * classes : own_bounds(x, ib, nb);
}

/* Two configurations: all pairs of n, the most promising first. */
static void try_configs(pairs *x, uint32_t ia, uint32_t ib)
{
    search *s = x->s;
    const config *a = &x->configs[ia], *b = &x->configs[ib];
    const size_t classes = x->classes.count, row_a = ia * x->ns_most, row_b = ib * x->ns_most;
    const double weights = weights_seconds(x, a, b);
    const double *least[2];
    size_t count = 0;
    for (uint32_t na = 0; na < x->ns_count[a->g]; na++)
        for (uint32_t nb = ia == ib ? na + 1 : 0; nb < x->ns_count[b->g]; nb++) {
            if (!x->sites[row_a + na].wanted || !x->sites[row_b + nb].wanted) continue;
            const double bytes = x->sites[row_a + na].bytes + x->sites[row_b + nb].bytes;
            double seconds = bound_sum(x->any + (row_a + na) * classes, x->any + (row_b + nb) * classes, classes,
                                       weights, s->limit_seconds);
            if (!within(s, seconds, bytes)) continue;
            site_bounds(x, ia, na, ib, nb, least);
            seconds = bound_sum(least[0], least[1], classes, weights, s->limit_seconds);
            if (!within(s, seconds, bytes)) continue;
            x->sites_queue[count++] = (promise){s->goal == FASTEST ? seconds : bytes, seconds, na, nb};
        }
    qsort(x->sites_queue, count, sizeof *x->sites_queue, by_promise);
    for (size_t i = 0; i < count; i++) {
        const promise *p = &x->sites_queue[i];
        if (p->least >= (s->goal == FASTEST ? s->limit_seconds : s->limit_bytes)) return;
        site_bounds(x, ia, p->a, ib, p->b, least);
        try_sites(x, a, p->a, b, p->b, least, p->seconds);
    }
}

static annulus_status pairs_create(pairs *x)
{
    search_space *space = x->s->space;
    size_t configs = 0;
    void *p = NULL;
    x->classes = classes_of(x->s);
    x->quietest = INFINITY;
    TRY(mem_create((size_t)space->model->group_last * space->ns_count, sizeof(size_t), "parameter search", &p));
    for (uint32_t g = 1; g <= space->model->group_last; g++) {
        x->ns[g] = (size_t *)p + (g - 1) * space->ns_count;
        for (size_t n = 0; n < space->ns_count; n++)
            if ((space->ns[n].groups >> g & 1) != 0) x->ns[g][x->ns_count[g]++] = n;
        if (x->ns_count[g] > x->ns_most) x->ns_most = x->ns_count[g];
    }
    for (size_t r = 0; r < space->rings_count; r++) {
        const space_ring *ring = search_space_ring(space, r);
        if (tfhe_big_dim(&ring->p) < tfhe_big_dim(&space->rings[x->smallest_ring].p)) x->smallest_ring = r;
        for (uint32_t g = 1; g <= space->model->group_last; g++) {
            configs += ring->rotations_count[g];
            for (size_t k = 0; k < ring->rotations_count[g]; k++)
                x->quietest = fmin(x->quietest, space->model->n.first * ring->rotations[g][k].variance);
        }
    }
    const size_t sites = configs * x->ns_most, classes = x->classes.count;
    TRY(mem_create(configs, sizeof *x->configs, "parameter search", &p));
    x->configs = p;
    TRY(mem_create(sites, sizeof *x->sites, "parameter search", &p));
    x->sites = p;
    TRY(mem_create((configs + 2 * sites) * classes, sizeof(double), "parameter search", &p));
    x->least = p;
    x->any = x->least + configs * classes;
    x->own = x->any + sites * classes;
    TRY(mem_create(configs * (configs + 1) / 2 + x->ns_most * x->ns_most, sizeof *x->queue, "parameter search", &p));
    x->queue = p;
    x->sites_queue = x->queue + configs * (configs + 1) / 2;
    return ANNULUS_OK;
}

static void pairs_destroy(pairs *x)
{
    mem_free(x->ns[1]);
    mem_free(x->configs);
    mem_free(x->sites);
    mem_free(x->least);
    mem_free(x->queue);
}

annulus_status search_pairs(search *s)
{
    pairs x = {.s = s};
    const annulus_status st = pairs_create(&x);
    if (st == ANNULUS_OK) {
        configs_fill(&x);
        queue_fill(&x);
    }
    for (size_t i = 0; st == ANNULUS_OK && i < x.queue_count; i++) {
        const promise *p = &x.queue[i];
        if (p->least >= (s->goal == FASTEST ? s->limit_seconds : s->limit_bytes)) break;
        try_configs(&x, p->a, p->b);
    }
    pairs_destroy(&x);
    return st;
}
