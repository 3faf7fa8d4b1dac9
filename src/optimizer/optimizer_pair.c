/* SPDX-License-Identifier: Apache-2.0 */
/* The search for two families: all pairs of families but for keyswitches, by lower bounds of what each layer takes.
 *
 * A layer by a family takes the least with the least noise in its inputs and a keyswitch from the smallest ring: the
 * first bound of pairs of configurations, families of every n, is the sum over layers of the lesser of both. The second
 * is that of couple_bound, which knows what families a layer takes from and gives to, and with it the size of the ring
 * that the keyswitch starts from: by the tables of configurations for that size, with the noise of the family's own
 * outputs where the inputs come from no less noisy ones, else with the least of all. The most promising go first: by
 * tables of these two for no less noise than the other has, of any n of both, of one n of either and any of the other,
 * and of each two n. */
#include "base/memory.h"
#include "optimizer/optimizer_couple.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Ring, key bits a step and gadget: one family for each n that these key bits have. */
typedef struct config {
    size_t ring, rotation;
    uint32_t g;
    double least_bytes;        /* of the bootstrapping key */
    double quietest, noisiest; /* variance of a bootstrap's output */
} config;

typedef struct site { /* a family: a configuration and an n */
    double noise, bytes;
    int wanted;
} site;

typedef struct promise { /* two configurations, or two sites of two, and a lower bound of what is minimized */
    double least;
    uint32_t a, b;
} promise;

/* Of a table, noise of the inputs: that of the family's own outputs, or the least of all. */
typedef enum table_kind { NOISE_OWN, NOISE_LEAST, TABLE_KINDS } table_kind;

typedef struct pairs {
    search *s;
    layer_classes classes;
    size_t ns_most, ns_count[TFHE_MAX_GROUP + 1], *ns[TFHE_MAX_GROUP + 1]; /* indices into the space's */
    size_t configs_count;
    size_t sizes_count, *sizes, *size_of; /* a ring of each k N, the least first; (rings): of which of them it is */
    double quietest;                      /* least variance of a bootstrap's output */
    config *configs;
    site *sites;   /* (configs, ns_most) */
    double *least; /* (configs, classes): seconds of all look-ups, at least */
    /* (configs, sizes, kinds): (classes) seconds of a look-up with a keyswitch from a ring of that size by any n, and
     * of NOISE_OWN from its own ring (ns_most, classes) by each; NULL: not needed yet. */
    double **tables;
    double *near[2][TABLE_KINDS]; /* (ns_most + 1, classes): of a pair's configurations, for the noise of the other */
    size_t *open[2];              /* (ns_most) n of a pair's configurations that with any of the other may be better */
    promise *queue;               /* of pairs of configurations */
    promise *sites_queue;         /* of a pair's pairs of sites */
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
                               .square = l->two_norm * l->two_norm,
                               .common = l->common,
                               .fresh_two_norm = l->fresh_two_norm,
                               .cells = l->cells,
                               .slots = layer_slots(l),
                               .window = s->window[i],
                               .is_output = l->is_output};
        size_t k = 0;
        while (k < x.count && !(x.of[k].bound == c.bound && x.of[k].output == c.output && x.of[k].square == c.square &&
                                x.of[k].common == c.common && x.of[k].fresh_two_norm == c.fresh_two_norm &&
                                x.of[k].cells == c.cells && x.of[k].slots == c.slots &&
                                x.of[k].window.border == c.window.border && x.of[k].is_output == c.is_output))
            k++;
        if (k == x.count) x.of[x.count++] = c;
        x.of[k].count += (double)l->count;
        x.layers[i].class = (uint8_t)k;
    }
    int given[OPTIMIZER_MAX_LAYERS] = {0};
    x.layers_count = s->request->layers_count;
    for (size_t i = 0; i < x.layers_count; i++) {
        class_layer *l = &x.layers[i];
        l->count = (double)s->request->layers[i].count;
        l->weights = s->request->layers[i].weights;
        l->from = (uint8_t)s->links[i].from;
        l->into = (uint8_t)s->links[i].into;
        l->gives = !given[l->into];
        given[l->into] = 1;
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

/* row (classes) <- seconds of a look-up by a site, which has the index n of the space, with a keyswitch from a ring,
 * where they are below. */
static void row_lower(const pairs *x, const point *a, size_t n, size_t from, double noise, double fresh, double *row)
{
    search_space *space = x->s->space;
    const space_cell *cell = search_space_cell(space, search_space_ring(space, from), n);
    for (size_t k = 0; k < x->classes.count; k++) {
        const layer_class *l = &x->classes.of[k];
        row[k] = couple_cheapest(l, a, cell->switches, 0, cell->switches_count, class_least(l, noise), fresh, row[k])
                     .seconds;
    }
}

/* row_lower by site n of a configuration, from a ring of this size; noise: of the inputs, of NOISE_OWN at least, as is
 * that of its own outputs. */
static void site_lower(const pairs *x, size_t config_index, size_t n, size_t size, table_kind kind, double noise,
                       double *row)
{
    const point a = site_point(x, config_index, n);
    const double fresh = search_space_ring(x->s->space, x->sizes[size])->fresh;
    if (kind == NOISE_OWN && noise < a.noise) noise = a.noise;
    row_lower(x, &a, x->ns[x->configs[config_index].g][n], x->sizes[size], noise, fresh, row);
}

/* any (classes): the least of all sites; rows (ns_most, classes): of each, or NULL. */
static void table_fill(const pairs *x, size_t config_index, size_t size, table_kind kind, double noise, double *any,
                       double *rows)
{
    const size_t classes = x->classes.count;
    for (size_t k = 0; k < classes; k++) any[k] = INFINITY;
    for (size_t n = 0; n < x->ns_count[x->configs[config_index].g]; n++) {
        if (!x->sites[config_index * x->ns_most + n].wanted) continue;
        double *row = rows == NULL ? any : rows + n * classes;
        for (size_t k = 0; rows != NULL && k < classes; k++) row[k] = INFINITY;
        site_lower(x, config_index, n, size, kind, noise, row);
        for (size_t k = 0; rows != NULL && k < classes; k++) any[k] = row[k] < any[k] ? row[k] : any[k];
    }
}

static annulus_status table_of(pairs *x, size_t config_index, size_t size, table_kind kind, const double **out)
{
    double **table = &x->tables[(config_index * x->sizes_count + size) * TABLE_KINDS + kind];
    const size_t classes = x->classes.count;
    if (*table == NULL) {
        const int rows = kind == NOISE_OWN && size == x->size_of[x->configs[config_index].ring];
        void *p;
        TRY(mem_create((rows ? x->ns_most + 1 : 1) * classes, sizeof(double), "parameter search", &p));
        *table = p;
        table_fill(x, config_index, size, kind, x->quietest, *table, rows ? *table + classes : NULL);
    }
    *out = *table;
    return ANNULUS_OK;
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

/* Whether the search may take a family, but for its keyswitch, or one of another n. */
static int wanted(const search *s, const tfhe_params *p, int any_n)
{
    for (size_t f = 0; s->only != NULL && f < s->only->count; f++) {
        tfhe_params of = s->only->of[f];
        of.ks_l = p->ks_l, of.ks_b = p->ks_b;
        if (any_n) of.n = p->n, of.lwe_noise = p->lwe_noise;
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
    x->configs[at] =
        (config){.ring = ring, .rotation = rotation, .g = g, .least_bytes = INFINITY, .quietest = INFINITY};
    config *c = &x->configs[at];
    for (size_t k = 0; k < classes; k++) least[k] = INFINITY;
    for (size_t n = 0; n < x->ns_count[g]; n++) {
        const point a = site_point(x, at, n);
        if (n == 0 && !wanted(x->s, &a.p, 1)) return;
        site *of = &x->sites[at * x->ns_most + n];
        *of = (site){.noise = a.noise, .bytes = a.bytes, .wanted = wanted(x->s, &a.p, 0)};
        if (!of->wanted) continue;
        row_lower(x, &a, x->ns[g][n], x->sizes[0], x->quietest, 0, least);
        c->least_bytes = fmin(c->least_bytes, a.bytes);
        c->quietest = fmin(c->quietest, a.noise);
        c->noisiest = fmax(c->noisiest, a.noise);
        wants = 1;
    }
    for (size_t k = 0; k < classes; k++) least[k] *= x->classes.of[k].count;
    x->configs_count += wants;
}

static void configs_fill(pairs *x)
{
    search_space *space = x->s->space;
    for (size_t r = 0; r < space->rings_count; r++)
        for (uint32_t g = 1; g <= space->model->group_last; g++) {
            if (!search_may_group(x->s, g) || x->ns_count[g] == 0) continue;
            const size_t rotations = search_space_ring(space, r)->rotations_count[g];
            for (size_t k = 0; k < rotations; k++) config_add(x, r, g, k);
        }
}

/* Two configurations and what is known of the look-ups between them: tables by transition and kind, NULL where no two
 * of their sites ask for it. */
typedef struct config_pair {
    size_t at[2];
    const double *table[COUPLE_TRANSITIONS][TABLE_KINDS];
    double weight[2], before[OPTIMIZER_MAX_LAYERS + 1]; /* couple_before of any sites, or 0 */
} config_pair;

static annulus_status config_pair_init(pairs *x, size_t ia, size_t ib, config_pair *out)
{
    *out = (config_pair){.at = {ia, ib}};
    for (size_t f = 0; f < 2; f++) out->weight[f] = x->s->space->rings[x->configs[out->at[f]].ring].weight;
    for (size_t t = 0; t < COUPLE_TRANSITIONS; t++) {
        const size_t to = out->at[t % 2], size = x->size_of[x->configs[out->at[t / 2]].ring];
        const config *a = &x->configs[out->at[t / 2]], *b = &x->configs[to];
        const int own = t / 2 == t % 2;
        if (own || a->noisiest >= b->quietest) TRY(table_of(x, to, size, NOISE_OWN, &out->table[t][NOISE_OWN]));
        if (!own && a->quietest < b->noisiest) TRY(table_of(x, to, size, NOISE_LEAST, &out->table[t][NOISE_LEAST]));
    }
    return ANNULUS_OK;
}

/* Of two sites, n[f] = ns_most: any of the configuration. */
static void pair_rows(const pairs *x, const config_pair *p, const size_t n[2], couple_rows rows)
{
    double quietest[2], noisiest[2];
    for (size_t f = 0; f < 2; f++) {
        const int any = n[f] == x->ns_most;
        const config *c = &x->configs[p->at[f]];
        const site *of = &x->sites[p->at[f] * x->ns_most + (any ? 0 : n[f])];
        quietest[f] = any ? c->quietest : of->noise;
        noisiest[f] = any ? c->noisiest : of->noise;
    }
    for (size_t t = 0; t < COUPLE_TRANSITIONS; t++) {
        const int own = t / 2 == t % 2 || quietest[t / 2] >= noisiest[t % 2];
        const size_t row = n[t % 2] == x->ns_most ? 0 : 1 + n[t % 2];
        rows[t] = p->table[t][own ? NOISE_OWN : NOISE_LEAST] + row * x->classes.count;
    }
}

static double pair_bound(const pairs *x, const config_pair *p, size_t na, size_t nb)
{
    const size_t n[2] = {na, nb};
    couple_rows rows;
    pair_rows(x, p, n, rows);
    return couple_bound(&x->classes, rows, p->weight, p->before, x->s->limit_seconds);
}

/* Where inputs counted with the noise of the family's own outputs or the least of all, they now do with no less than
 * the configuration they come from has; with the rows of each n, which pair_bound of sites needs. */
static void config_pair_refine(pairs *x, config_pair *p)
{
    const size_t any[2] = {x->ns_most, x->ns_most};
    couple_rows rows;
    for (size_t t = 1; t < COUPLE_TRANSITIONS - 1; t++)
        for (table_kind kind = NOISE_OWN; kind < TABLE_KINDS; kind++) {
            const config *from = &x->configs[p->at[t / 2]];
            double *near = x->near[t % 2][kind];
            if (p->table[t][kind] == NULL) continue;
            table_fill(x, p->at[t % 2], x->size_of[from->ring], kind, from->quietest, near, near + x->classes.count);
            p->table[t][kind] = near;
        }
    pair_rows(x, p, any, rows);
    couple_before(&x->classes, rows, p->weight, p->before);
}

/* By the first bound, and for the fastest also by the second. */
static annulus_status queue_fill(pairs *x)
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
            if (s->goal == FASTEST) {
                config_pair p;
                TRY(config_pair_init(x, a, b, &p));
                seconds = pair_bound(x, &p, x->ns_most, x->ns_most);
                if (!within(s, seconds, bytes)) continue;
            }
            x->queue[x->queue_count++] = (promise){s->goal == FASTEST ? seconds : bytes, a, b};
        }
    qsort(x->queue, x->queue_count, sizeof *x->queue, by_promise);
    return ANNULUS_OK;
}

static void try_sites(pairs *x, const config_pair *p, const size_t n[2])
{
    search *s = x->s;
    couple c = {.at = {site_point(x, p->at[0], n[0]), site_point(x, p->at[1], n[1])}};
    candidate found;
    for (size_t t = 0; t < COUPLE_TRANSITIONS; t++) {
        const config *from = &x->configs[p->at[t / 2]], *to = &x->configs[p->at[t % 2]];
        const space_cell *cell =
            search_space_cell(s->space, search_space_ring(s->space, from->ring), x->ns[to->g][n[t % 2]]);
        tfhe_params level = c.at[t % 2].p;
        level.k = c.at[t / 2].p.k;
        level.N = c.at[t / 2].p.N;
        level.ks_l = 1;
        c.switches[t] = cell->switches;
        c.switches_count[t] = cell->switches_count;
        c.level_bytes[t] = search_ksk_bytes(s->request->minimize, &level);
    }
    if (!couple_solve(s, &x->classes, &c, p->before, &found)) return;
    if (s->goal != SMALLEST_NEAR || found.bytes < s->limit_bytes) search_take(s, &found);
}

/* The n of configuration f of the pair that with any of the other may be better. */
static size_t open_fill(pairs *x, const config_pair *p, size_t f)
{
    size_t count = 0;
    for (size_t n = 0; n < x->ns_count[x->configs[p->at[f]].g]; n++) {
        const site *a = &x->sites[p->at[f] * x->ns_most + n];
        if (!a->wanted || !within(x->s, 0, a->bytes + x->configs[p->at[1 - f]].least_bytes)) continue;
        if (pair_bound(x, p, f == 0 ? n : x->ns_most, f == 0 ? x->ns_most : n) < x->s->limit_seconds)
            x->open[f][count++] = n;
    }
    return count;
}

/* The pairs of n that are open, the most promising first. Returns how many. */
static size_t sites_fill(pairs *x, const config_pair *p)
{
    const search *s = x->s;
    const size_t open[2] = {open_fill(x, p, 0), open_fill(x, p, 1)};
    size_t count = 0;
    for (size_t i = 0; i < open[0]; i++)
        for (size_t j = 0; j < open[1]; j++) {
            const size_t na = x->open[0][i], nb = x->open[1][j];
            const double bytes =
                x->sites[p->at[0] * x->ns_most + na].bytes + x->sites[p->at[1] * x->ns_most + nb].bytes;
            if ((p->at[0] == p->at[1] && nb <= na) || !within(s, 0, bytes)) continue;
            const double seconds = pair_bound(x, p, na, nb);
            if (!(seconds < s->limit_seconds)) continue;
            x->sites_queue[count++] = (promise){s->goal == FASTEST ? seconds : bytes, (uint32_t)na, (uint32_t)nb};
        }
    qsort(x->sites_queue, count, sizeof *x->sites_queue, by_promise);
    return count;
}

static annulus_status try_configs(pairs *x, uint32_t ia, uint32_t ib)
{
    const search *s = x->s;
    config_pair p;
    TRY(config_pair_init(x, ia, ib, &p));
    if (!(pair_bound(x, &p, x->ns_most, x->ns_most) < s->limit_seconds)) return ANNULUS_OK;
    config_pair_refine(x, &p);
    if (!(pair_bound(x, &p, x->ns_most, x->ns_most) < s->limit_seconds)) return ANNULUS_OK;
    const size_t count = sites_fill(x, &p);
    for (size_t i = 0; i < count; i++) {
        const promise *q = &x->sites_queue[i];
        const size_t n[2] = {q->a, q->b};
        if (q->least >= (s->goal == FASTEST ? s->limit_seconds : s->limit_bytes)) break;
        try_sites(x, &p, n);
    }
    return ANNULUS_OK;
}

/* Sizes of rings, the least first, and what of them bounds all. */
static void sizes_fill(pairs *x, size_t *configs)
{
    search_space *space = x->s->space;
    for (size_t r = 0; r < space->rings_count; r++) {
        const space_ring *ring = search_space_ring(space, r);
        const size_t dim = tfhe_big_dim(&ring->p);
        size_t at = x->sizes_count;
        while (at > 0 && tfhe_big_dim(&space->rings[x->sizes[at - 1]].p) > dim) at--;
        if (at == 0 || tfhe_big_dim(&space->rings[x->sizes[at - 1]].p) < dim) {
            memmove(x->sizes + at + 1, x->sizes + at, (x->sizes_count++ - at) * sizeof *x->sizes);
            x->sizes[at] = r;
        }
        for (uint32_t g = 1; g <= space->model->group_last; g++) {
            *configs += ring->rotations_count[g];
            for (size_t k = 0; k < ring->rotations_count[g]; k++)
                x->quietest = fmin(x->quietest, space->model->n.first * ring->rotations[g][k].variance);
        }
    }
    for (size_t r = 0; r < space->rings_count; r++)
        while (tfhe_big_dim(&space->rings[x->sizes[x->size_of[r]]].p) != tfhe_big_dim(&space->rings[r].p))
            x->size_of[r]++;
}

static annulus_status pairs_create(pairs *x)
{
    search_space *space = x->s->space;
    const size_t groups = space->model->group_last;
    size_t configs = 0;
    void *p = NULL;
    x->classes = classes_of(x->s);
    x->quietest = INFINITY;
    TRY(mem_create((groups + 2) * space->ns_count + 2 * space->rings_count, sizeof(size_t), "parameter search", &p));
    x->ns[1] = p;
    for (uint32_t g = 1; g <= groups; g++) {
        x->ns[g] = x->ns[1] + (g - 1) * space->ns_count;
        for (size_t n = 0; n < space->ns_count; n++)
            if ((space->ns[n].groups >> g & 1) != 0) x->ns[g][x->ns_count[g]++] = n;
        if (x->ns_count[g] > x->ns_most) x->ns_most = x->ns_count[g];
    }
    for (size_t f = 0; f < 2; f++) x->open[f] = x->ns[1] + (groups + f) * space->ns_count;
    x->sizes = x->ns[1] + (groups + 2) * space->ns_count;
    x->size_of = x->sizes + space->rings_count;
    sizes_fill(x, &configs);
    TRY(mem_create(configs, sizeof *x->configs, "parameter search", &p));
    x->configs = p;
    TRY(mem_create(configs * x->ns_most, sizeof *x->sites, "parameter search", &p));
    x->sites = p;
    const size_t table = (x->ns_most + 1) * x->classes.count;
    TRY(mem_create(configs * x->classes.count + 2 * TABLE_KINDS * table, sizeof(double), "parameter search", &p));
    x->least = p;
    for (size_t f = 0; f < 2 * TABLE_KINDS; f++)
        x->near[f / TABLE_KINDS][f % TABLE_KINDS] = x->least + configs * x->classes.count + f * table;
    TRY(mem_create(configs * x->sizes_count * TABLE_KINDS, sizeof *x->tables, "parameter search", &p));
    x->tables = p;
    TRY(mem_create(configs * (configs + 1) / 2 + x->ns_most * x->ns_most, sizeof *x->queue, "parameter search", &p));
    x->queue = p;
    x->sites_queue = x->queue + configs * (configs + 1) / 2;
    return ANNULUS_OK;
}

static void pairs_destroy(pairs *x)
{
    const size_t tables = x->tables == NULL ? 0 : x->configs_count * x->sizes_count * TABLE_KINDS;
    for (size_t i = 0; i < tables; i++) mem_free(x->tables[i]);
    mem_free(x->tables);
    mem_free(x->ns[1]);
    mem_free(x->configs);
    mem_free(x->sites);
    mem_free(x->least);
    mem_free(x->queue);
}

annulus_status search_pairs(search *s)
{
    pairs x = {.s = s};
    annulus_status st = pairs_create(&x);
    if (st == ANNULUS_OK) {
        configs_fill(&x);
        st = queue_fill(&x);
    }
    for (size_t i = 0; st == ANNULUS_OK && i < x.queue_count; i++) {
        const promise *p = &x.queue[i];
        if (p->least >= (s->goal == FASTEST ? s->limit_seconds : s->limit_bytes)) break;
        st = try_configs(&x, p->a, p->b);
    }
    pairs_destroy(&x);
    return st;
}
