/* SPDX-License-Identifier: Apache-2.0 */
/* Two families at hand: their keyswitches, and which does the look-ups of each layer. */
#include "optimizer/optimizer_couple.h"

#include <math.h>
#include <string.h>

#define TRANSITIONS COUPLE_TRANSITIONS

/* Gadgets [lo, hi) that a transition may take, hi = 0: it may not happen. Where lo > 0 it does: sets without it are
 * those of another node. */
typedef struct node {
    uint8_t lo[TRANSITIONS], hi[TRANSITIONS];
} node;

typedef struct solution {
    uint8_t family[OPTIMIZER_MAX_LAYERS], extension[OPTIMIZER_MAX_LAYERS];
    uint8_t first[TRANSITIONS], last[TRANSITIONS]; /* gadgets used; first > last: none */
    double seconds;
} solution;

typedef struct solver {
    const couple *c;
    const search *s;
    const layer_classes *classes;
    search_goal goal;
    double limit_seconds, limit_bytes;
    const double *before; /* (layers + 1) */
    int found;
    solution best;
} solver;

/* One look-up of each class by each transition, negative seconds: not known yet. */
typedef cheapest_lookup lookup_table[OPTIMIZER_MAX_LAYERS][TRANSITIONS];

static void lookup_table_clear(lookup_table at, size_t count)
{
    for (size_t k = 0; k < count; k++)
        for (size_t t = 0; t < TRANSITIONS; t++) at[k][t].seconds = -1;
}

/* room: what the variance of the sums leaves of the bound. */
static cheapest_lookup cheapest(const layer_class *l, const point *to, const gadget *switches, size_t lo, size_t hi,
                                double room, double limit)
{
    const double slots = l->slots;
    cheapest_lookup best = {.seconds = limit};
    const extension_front *f = to->front;
    const double least = to->rotate * f->at[0].products;
    size_t count = f->count; /* a slower keyswitch pays with a cheaper rotation alone */
    const double most = room - slots * slots * to->variance[count - 1];
    if (lo == hi || switches[hi - 1].variance > most) return best;
    while (switches[lo].variance > most) lo++;
    for (size_t k = lo; k < hi && count > 0 && switches[k].seconds + least < best.seconds; k++) {
        const double left = (room - switches[k].variance) / (slots * slots); /* by one slot */
        if (to->variance[count - 1] > left) continue;
        const size_t e = extension_front_find(f, count, to->variance, to->p.N, &l->window, left, 2 * l->cells * slots);
        if (e == count) continue;
        const double seconds = switches[k].seconds + to->rotate * f->at[e].products;
        count = e;
        if (seconds < best.seconds)
            best = (cheapest_lookup){.seconds = seconds, .gadget = (uint8_t)k, .extension = (uint8_t)e};
    }
    return best;
}

cheapest_lookup couple_cheapest(const layer_class *l, const point *to, const gadget *switches, size_t lo, size_t hi,
                                double noise, double fresh, double limit)
{
    const double room = l->bound - noise - l->fresh_two_norm * l->fresh_two_norm * fresh;
    if (l->is_output) return (cheapest_lookup){.seconds = room >= 0 ? 0 : limit};
    if (to->noise > l->output) return (cheapest_lookup){.seconds = limit};
    return cheapest(l, to, switches, lo, hi, room, limit);
}

static int is_own(size_t t)
{
    return t / 2 == t % 2;
}

/* A look-up of a class by a transition. */
static cheapest_lookup look_up(const couple *c, const layer_class *l, const node *n, size_t t)
{
    const point *from = &c->at[t / 2];
    const double noise = (l->square + from->common * l->common) * from->noise;
    return couple_cheapest(l, &c->at[t % 2], c->switches[t], n->lo[t], n->hi[t], noise, from->ring->fresh, INFINITY);
}

static void note_gadget(solution *a, size_t t, uint8_t index)
{
    if (index < a->first[t] || a->first[t] > a->last[t]) a->first[t] = index;
    if (index > a->last[t]) a->last[t] = index;
}

/* Of the groups of values: what layers take that give or take them, at least. */
typedef struct group_seconds {
    double within[2];          /* by its family: of layers that take its values, and of all behind those */
    double enter[TRANSITIONS]; /* of layers that give its values and take those of the group before */
    uint8_t best[2];           /* its family, by that of the group before */
} group_seconds;

static double lesser(const double of[2])
{
    return of[1] < of[0] ? of[1] : of[0];
}

/* Adds a layer, of which a look-up takes so many seconds by each transition that it may make; all behind it are there.
 * Returns the group whose `within` grew, or none. */
static inline const group_seconds *add_layer(const class_layer *l, const double weight[2],
                                             const double one[TRANSITIONS], group_seconds *groups)
{
    group_seconds *into = &groups[l->into], *from = &groups[l->from];
    if (into == from) {
        for (size_t f = 0; f < 2; f++) into->within[f] += l->weights * weight[f] + l->count * one[3 * f];
        return into;
    }
    for (size_t t = 0; t < TRANSITIONS; t++) into->enter[t] += l->weights * weight[t / 2] + l->count * one[t];
    if (!l->gives) return NULL;
    for (size_t f = 0; f < 2; f++) {
        const double sum[2] = {into->enter[2 * f] + into->within[0], into->enter[2 * f + 1] + into->within[1]};
        into->best[f] = sum[1] < sum[0];
        from->within[f] += lesser(sum);
    }
    return from;
}

void couple_before(const layer_classes *classes, const couple_rows rows, const double weight[2], double *before)
{
    before[0] = 0;
    for (size_t i = 0; i < classes->layers_count; i++) {
        const class_layer *l = &classes->layers[i];
        double one = INFINITY;
        for (size_t t = 0; t < TRANSITIONS; t++) one = rows[t][l->class] < one ? rows[t][l->class] : one;
        before[i + 1] = before[i] + l->count * one + l->weights * lesser(weight);
    }
}

double couple_bound(const layer_classes *classes, const couple_rows rows, const double weight[2], const double *before,
                    double limit)
{
    group_seconds groups[OPTIMIZER_MAX_LAYERS];
    memset(groups, 0, classes->layers_count * sizeof *groups);
    for (size_t i = classes->layers_count; i-- > 0;) {
        const class_layer *l = &classes->layers[i];
        const double one[TRANSITIONS] = {rows[0][l->class], rows[1][l->class], rows[2][l->class], rows[3][l->class]};
        const group_seconds *g = add_layer(l, weight, one, groups);
        if (g != NULL && lesser(g->within) + before[i] >= limit) return INFINITY;
    }
    return lesser(groups[0].within);
}

/* Seconds of a look-up of layer i by each transition that it may make. */
static void look_up_all(const solver *v, const node *n, lookup_table at, size_t i, double one[TRANSITIONS])
{
    const class_layer *l = &v->classes->layers[i];
    const size_t k = l->class;
    for (size_t t = 0; t < TRANSITIONS; t++) {
        if (l->into == l->from && !is_own(t)) continue;
        if (at[k][t].seconds < 0) at[k][t] = look_up(v->c, &v->classes->of[k], n, t);
        one[t] = at[k][t].seconds;
    }
}

/* The fastest families for the groups where each layer may take its own gadget: from the last layer on, by the family
 * of the group before. */
static double assign(const solver *v, const node *n, lookup_table at, solution *a)
{
    const optimizer_request *q = v->s->request;
    const double weight[2] = {v->c->at[0].ring->weight, v->c->at[1].ring->weight};
    group_seconds groups[OPTIMIZER_MAX_LAYERS];
    uint8_t family[OPTIMIZER_MAX_LAYERS];
    memset(groups, 0, v->s->groups_count * sizeof *groups);
    for (size_t i = q->layers_count; i-- > 0;) {
        double one[TRANSITIONS] = {0};
        look_up_all(v, n, at, i, one);
        const group_seconds *g = add_layer(&v->classes->layers[i], weight, one, groups);
        if (g != NULL && lesser(g->within) + v->before[i] >= v->limit_seconds) return INFINITY;
    }
    family[0] = groups[0].within[1] < groups[0].within[0];
    *a = (solution){.first = {1, 1, 1, 1}, .seconds = groups[0].within[family[0]]};
    for (size_t i = 0; i < q->layers_count; i++) {
        const class_layer *l = &v->classes->layers[i];
        if (l->gives && l->into != l->from) family[l->into] = groups[l->into].best[family[l->from]];
        const size_t t = 2u * family[l->from] + family[l->into];
        const cheapest_lookup *one = &at[l->class][t];
        a->family[i] = family[l->into];
        a->extension[i] = one->extension;
        if (!q->layers[i].is_output) note_gadget(a, t, one->gadget);
    }
    return a->seconds;
}

/* Of a family's own keyswitch that nothing uses the smallest is made. */
static double switch_bytes(const couple *c, size_t t, size_t index)
{
    return c->level_bytes[t] * c->switches[t][index].l;
}

static double least_bytes(const couple *c, const node *n)
{
    double bytes = c->at[0].bytes + c->at[1].bytes;
    for (size_t t = 0; t < TRANSITIONS; t++)
        if (is_own(t) || n->lo[t] > 0) bytes += switch_bytes(c, t, n->lo[t]);
    return bytes;
}

static double solution_bytes(const solver *v, const solution *a)
{
    const optimizer_request *q = v->s->request;
    double bytes = v->c->at[0].bytes + v->c->at[1].bytes, rotation = 0;
    for (size_t t = 0; t < TRANSITIONS; t++)
        if (is_own(t) || a->first[t] <= a->last[t])
            bytes += switch_bytes(v->c, t, a->first[t] <= a->last[t] ? a->first[t] : 0);
    for (size_t i = 0; i < q->layers_count; i++) {
        const point *p = &v->c->at[a->family[i]];
        if (!q->layers[i].is_output)
            rotation = fmax(rotation, search_rotation_bytes(q->minimize, &p->p, p->front->at[a->extension[i]].EF));
    }
    return bytes + rotation;
}

static void solve_node(solver *v, const node *n);

/* Both halves of a transition's gadgets, the second begins with `second`. */
static void solve_halves(solver *v, const node *n, size_t t, uint8_t second)
{
    node half = *n;
    half.lo[t] = second;
    solve_node(v, &half);
    half = *n;
    half.hi[t] = second;
    solve_node(v, &half);
}

/* The sets of the node with fewer bytes than the solution: gadgets of fewer levels, or a transition that does not
 * happen.
 */
static void solve_smaller(solver *v, const node *n, const solution *a)
{
    size_t most = TRANSITIONS;
    for (size_t t = 0; t < TRANSITIONS; t++)
        if (a->first[t] <= a->last[t] && a->first[t] > n->lo[t] &&
            (most == TRANSITIONS || switch_bytes(v->c, t, a->first[t]) > switch_bytes(v->c, most, a->first[most])))
            most = t;
    if (most < TRANSITIONS) {
        solve_halves(v, n, most, (uint8_t)((n->lo[most] + a->first[most] + 1) / 2));
        return;
    }
    for (size_t t = 0; t < TRANSITIONS; t++) {
        if (is_own(t) || n->lo[t] > 0 || a->first[t] > a->last[t]) continue;
        node without = *n;
        without.hi[t] = 0;
        solve_node(v, &without);
    }
}

/* Branch and bound: a solution whose layers agree on the gadget of each transition is a set; else the gadgets of one
 * are parted between those that they want. */
static void solve_node(solver *v, const node *n)
{
    lookup_table at;
    solution a;
    const double bytes = least_bytes(v->c, n);
    if (v->goal == SMALLEST ? bytes >= v->limit_bytes : bytes > v->limit_bytes) return;
    lookup_table_clear(at, v->classes->count);
    if (!(assign(v, n, at, &a) < v->limit_seconds)) return;
    size_t widest = 0;
    for (size_t t = 1; t < TRANSITIONS; t++)
        if (a.last[t] - a.first[t] > a.last[widest] - a.first[widest]) widest = t;
    if (a.last[widest] > a.first[widest]) {
        solve_halves(v, n, widest, (uint8_t)((a.first[widest] + a.last[widest] + 1) / 2));
        return;
    }
    const double whole = solution_bytes(v, &a);
    if (v->goal == SMALLEST ? whole < v->limit_bytes : whole <= v->limit_bytes) {
        v->found = 1;
        v->best = a;
        if (v->goal != SMALLEST) {
            v->limit_seconds = a.seconds;
            return;
        }
        v->limit_bytes = whole;
    }
    solve_smaller(v, n, &a);
}

/* The first layer's family becomes family 0. */
static void write_candidate(const solver *v, candidate *out)
{
    const optimizer_request *q = v->s->request;
    const solution *a = &v->best;
    const size_t swap = a->family[0];
    *out = (candidate){.families.count = 2, .seconds = a->seconds, .bytes = solution_bytes(v, a)};
    for (size_t t = 0; t < TRANSITIONS; t++) {
        const int used = a->first[t] <= a->last[t];
        const gadget *g = &v->c->switches[t][used ? a->first[t] : 0];
        const size_t into = (t % 2) ^ swap;
        if (is_own(t)) {
            out->families.of[into] = v->c->at[t % 2].p;
            out->families.of[into].ks_l = g->l;
            out->families.of[into].ks_b = g->b;
        } else if (used) {
            out->families.into[into].l = g->l;
            out->families.into[into].b = g->b;
        }
    }
    for (size_t i = 0; i < q->layers_count; i++) {
        const extension *e = &v->c->at[a->family[i]].front->at[a->extension[i]];
        out->layers[i].family = (uint32_t)(a->family[i] ^ swap);
        if (q->layers[i].is_output) continue;
        out->layers[i].EF = e->EF;
        out->layers[i].price = e->price;
    }
}

int couple_solve(const search *s, const layer_classes *classes, const couple *c, const double *before, candidate *out)
{
    solver v = {.c = c,
                .s = s,
                .classes = classes,
                .goal = s->goal,
                .limit_seconds = s->limit_seconds,
                .limit_bytes = s->goal == SMALLEST_NEAR ? INFINITY : s->limit_bytes,
                .before = before};
    node all = {0};
    for (size_t t = 0; t < TRANSITIONS; t++) all.hi[t] = (uint8_t)c->switches_count[t];
    solve_node(&v, &all);
    if (!v.found) return 0;
    write_candidate(&v, out);
    return 1;
}
