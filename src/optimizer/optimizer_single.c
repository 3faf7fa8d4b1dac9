/* SPDX-License-Identifier: Apache-2.0 */
/* The search for one family, what both searches share, and how near the best family comes where there is none. */
#include "optimizer/optimizer_priv.h"

#include <math.h>
#include <string.h>

void search_begin(search *s, const optimizer_request *q, search_space *space, double log2_p)
{
    double weight[OPTIMIZER_MAX_LAYERS];
    const double kappa = log2_p < 0 ? noise_kappa(log2_p) : 0;
    *s = (search){.request = q, .space = space, .limit_seconds = INFINITY, .limit_bytes = INFINITY, .log2_p = log2_p};
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *layer = &q->layers[i];
        const double own = layer->log2_error < 0 ? noise_kappa(layer->log2_error) : kappa;
        const double most = layer->phase_std > 0 ? layer->phase_std : layer->half_window / own;
        const int borders = !layer->is_output && !(layer->phase_std > 0);
        s->bound[i] = most * most;
        s->window[i].most = most / layer_slots(layer);
        s->window[i].border = borders ? lut_border((uint32_t)layer->cells) / (2 * own) : 0;
        s->output[i] = layer->output_std > 0 ? layer->output_std * layer->output_std : INFINITY;
        s->weights += layer->weights;
        s->links[i] = optimizer_link(q, i, &s->links[i == 0 ? 0 : i - 1]);
        if (s->links[i].into >= s->groups_count) s->groups_count = s->links[i].into + 1;
        weight[i] = layer->is_output ? -1 : (double)layer->count / most;
        s->look_ups += layer->is_output ? 0 : (double)layer->count;
        s->order_count += !layer->is_output;
        size_t at = i;
        for (; at > 0 && weight[s->order[at - 1]] < weight[i]; at--) s->order[at] = s->order[at - 1];
        s->order[at] = i;
    }
}

static int holds_global(const search *s, const candidate *c)
{
    optimizer_result r;
    optimizer_predict(s->request, &c->families, c->layers, &r);
    return r.log2_global_failure <= s->request->log2_error;
}

void search_take(search *s, const candidate *c)
{
    if (s->check_global && !holds_global(s, c)) {
        s->refused++;
        return;
    }
    s->found = 1;
    s->best = *c;
    if (s->goal == FASTEST)
        s->limit_seconds = c->seconds;
    else
        s->limit_bytes = c->bytes;
}

annulus_status search_best(search *s, annulus_status (*all)(search *))
{
    s->goal = s->request->minimize == MINIMIZE_SECONDS ? FASTEST : SMALLEST;
    return all(s);
}

annulus_status search_near(search *s, annulus_status (*all)(search *))
{
    const double near = s->space->model->near;
    if (!s->found || near <= 1) return ANNULUS_OK;
    s->check_global = s->request->target == ERROR_GLOBAL;
    if (s->request->minimize == MINIMIZE_SECONDS) {
        s->goal = SMALLEST_NEAR;
        s->limit_seconds = s->best.seconds * near;
        s->limit_bytes = s->best.bytes;
    } else {
        s->goal = FASTEST;
        s->limit_seconds = s->best.seconds;
        s->limit_bytes = s->best.bytes * near;
    }
    return all(s);
}

static double sums_variance(const lookup_layer *layer, const point *a)
{
    return layer_square(layer, a->common) * a->noise + layer->fresh_two_norm * layer->fresh_two_norm * a->ring->fresh;
}

/* Of the exactest keyswitch and modulus switch. */
static double least_variance(const lookup_layer *layer, const point *a)
{
    const double slots = layer_slots(layer);
    return a->cell->switches[a->cell->switches_count - 1].variance + slots * slots * a->variance[a->front->count - 1];
}

/* Outputs, deviations of the bootstraps, and each look-up with the exactest keyswitch and modulus switch. */
static int fits(const search *s, const point *a)
{
    if (a->cell->switches_count == 0) return 0;
    for (size_t i = 0; i < s->request->layers_count; i++) {
        const lookup_layer *layer = &s->request->layers[i];
        const double v = sums_variance(layer, a) + (layer->is_output ? 0 : least_variance(layer, a));
        if (v > s->bound[i] || (!layer->is_output && a->noise > s->output[i])) return 0;
    }
    return 1;
}

/* Seconds with this keyswitch and the fastest extensions, INFINITY if they are not below `limit` or a bound is not
 * kept. extension: of the front, of each layer of look-ups. */
static double seconds_below(const search *s, const point *a, const gadget *keyswitch, double limit, size_t *choice)
{
    const extension *const at = a->front->at;
    double seconds = s->weights * a->ring->weight + s->look_ups * (keyswitch->seconds + a->rotate * at[0].products);
    for (size_t o = 0; o < s->order_count; o++) {
        if (seconds >= limit) return INFINITY;
        const size_t i = s->order[o];
        const lookup_layer *layer = &s->request->layers[i];
        const double room = s->bound[i] - sums_variance(layer, a) - keyswitch->variance, slots = layer_slots(layer);
        const size_t e = extension_front_find(a->front, a->front->count, a->variance, a->p.N, &s->window[i],
                                              room / (slots * slots), 2 * layer->cells * slots);
        if (e == a->front->count) return INFINITY;
        choice[i] = e;
        seconds += (double)layer->count * a->rotate * (at[e].products - at[0].products);
    }
    return seconds < limit ? seconds : INFINITY;
}

static double keys_bytes(const search *s, const point *a, const gadget *keyswitch)
{
    tfhe_params p = a->p;
    p.ks_l = keyswitch->l;
    p.ks_b = keyswitch->b;
    return a->bytes + search_ksk_bytes(s->request->minimize, &p);
}

static double largest_rotation(const search *s, const point *a, const size_t *choice)
{
    double most = 0;
    for (size_t o = 0; o < s->order_count; o++)
        most = fmax(most, search_rotation_bytes(s->request->minimize, &a->p, a->front->at[choice[s->order[o]]].EF));
    return most;
}

static void take(search *s, const point *a, const gadget *keyswitch, const size_t *choice, double seconds, double bytes)
{
    candidate c = {.families = {.count = 1, .of[0] = a->p}, .seconds = seconds, .bytes = bytes};
    c.families.of[0].ks_l = keyswitch->l;
    c.families.of[0].ks_b = keyswitch->b;
    for (size_t o = 0; o < s->order_count; o++) {
        const size_t i = s->order[o];
        c.layers[i].EF = a->front->at[choice[i]].EF;
        c.layers[i].price = a->front->at[choice[i]].price;
    }
    search_take(s, &c);
}

/* The keyswitch that is fastest within the limits. */
static void try_fastest(search *s, const point *a)
{
    size_t choice[OPTIMIZER_MAX_LAYERS], best[OPTIMIZER_MAX_LAYERS] = {0};
    const gadget *chosen = NULL;
    double seconds = s->limit_seconds, bytes = 0;
    for (size_t k = 0; k < a->cell->switches_count; k++) {
        const gadget *keyswitch = &a->cell->switches[k];
        const double t = seconds_below(s, a, keyswitch, seconds, choice);
        if (!(t < seconds)) continue;
        const double b = keys_bytes(s, a, keyswitch) + largest_rotation(s, a, choice);
        if (s->goal == FASTEST && b > s->limit_bytes) continue;
        chosen = keyswitch, seconds = t, bytes = b;
        memcpy(best, choice, sizeof best);
    }
    if (chosen != NULL && (s->goal == FASTEST || bytes < s->limit_bytes)) take(s, a, chosen, best, seconds, bytes);
}

static void try_smallest(search *s, const point *a)
{
    size_t choice[OPTIMIZER_MAX_LAYERS];
    for (size_t k = 0; k < a->cell->switches_count; k++) {
        const gadget *keyswitch = &a->cell->switches[k];
        double bytes = keys_bytes(s, a, keyswitch);
        if (bytes >= s->limit_bytes) return;
        const double seconds = seconds_below(s, a, keyswitch, INFINITY, choice);
        if (isinf(seconds)) continue;
        bytes += largest_rotation(s, a, choice);
        if (bytes < s->limit_bytes) take(s, a, keyswitch, choice, seconds, bytes);
    }
}

static void try_point(search *s, const point *a)
{
    if (s->goal == FASTEST ? a->bytes > s->limit_bytes : a->bytes >= s->limit_bytes) return;
    if (s->weights * a->ring->weight + s->look_ups * a->rotate * a->front->at[0].products >= s->limit_seconds) return;
    if (!fits(s, a)) return;
    if (s->goal == SMALLEST)
        try_smallest(s, a);
    else
        try_fastest(s, a);
}

/* Seconds of a key bit in all look-ups, at least. */
static double least_seconds(const search *s, const space_ring *r)
{
    double least = INFINITY;
    tfhe_params p = r->p;
    p.pbs_l = p.pbs_lb = 1;
    for (p.pbs_group = 1; p.pbs_group <= s->space->model->group_last; p.pbs_group++)
        least = fmin(least, s->space->model->cost_step(&p) / p.pbs_group);
    return s->look_ups * s->space->fronts[0].at[0].products * least;
}

annulus_status search_single(search *s)
{
    search_space *x = s->space;
    for (size_t i = 0; i < x->rings_count; i++) {
        if (s->ring != NULL && s->ring != &x->rings[i]) continue;
        space_ring *r = search_space_ring(x, i);
        const double least = least_seconds(s, r), linear = s->weights * r->weight;
        for (size_t n = 0; n < x->ns_count && linear + x->ns[n].n * least < s->limit_seconds; n++)
            for (uint32_t g = 1; g <= x->model->group_last; g++) {
                if ((x->ns[n].groups >> g & 1) == 0 || !search_may_group(s, g)) continue;
                for (size_t k = 0; k < r->rotations_count[g]; k++) {
                    if (s->levels != 0 && s->levels != r->rotations[g][k].l) continue;
                    const point a = search_space_point(x, r, n, g, k, s->request->minimize);
                    try_point(s, &a);
                }
            }
    }
    return ANNULUS_OK;
}

/* The layer whose variance exceeds its bound the most, with the exactest keyswitch and modulus switch, which also has
 * the most steps. *variance: as of the whole window. */
static double worst_layer(const search *s, const point *a, size_t *layer, int *output, double *variance)
{
    const extension *finest = &a->front->at[a->front->count - 1];
    double worst = 0;
    for (size_t i = 0; i < s->request->layers_count; i++) {
        const lookup_layer *l = &s->request->layers[i];
        const extension_window *w = &s->window[i];
        const double steps = (double)finest->EF * a->p.N;
        const int few = !l->is_output && steps < 2 * l->cells * layer_slots(l);
        const double nearer = few ? 1 : w->most / (w->most - w->border / steps);
        const double v = nearer * nearer * (sums_variance(l, a) + (l->is_output ? 0 : least_variance(l, a)));
        double ratio = few ? INFINITY : v / s->bound[i];
        if (ratio > worst) worst = ratio, *layer = i, *output = 0, *variance = v;
        ratio = a->noise / s->output[i];
        if (!l->is_output && ratio > worst) worst = ratio, *layer = i, *output = 1, *variance = a->noise;
    }
    return worst;
}

double search_nearest(search *s, int any, size_t *layer, int *output, double *variance)
{
    search_space *x = s->space;
    const uint32_t g = s->request->group == 0 ? 1 : s->request->group; /* single key bits can have the least noise */
    double least = INFINITY;
    for (size_t i = 0; i < x->rings_count; i++) {
        space_ring *r = search_space_ring(x, i);
        for (size_t n = 0; n < x->ns_count; n++)
            for (size_t k = r->rotations_count[g]; (x->ns[n].groups >> g & 1) != 0 && k-- > 0;) {
                const point a = search_space_point(x, r, n, g, k, s->request->minimize);
                size_t at = 0;
                int of = 0;
                double v = 0;
                const double ratio = worst_layer(s, &a, &at, &of, &v);
                if (ratio >= least) continue;
                least = ratio, *layer = at, *output = of, *variance = v;
                if (any && ratio <= 1) return ratio;
            }
    }
    return least;
}
