/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/optimizer_priv.h"

#include <math.h>
#include <string.h>

#define MAX_GADGETS 128 /* 64 levels, bodies of as many or one less */
#define LOG2_ONE_PERCENT 0.014355

const search_model search_model_shipped = {
    .n = {450, 1300, 2},
    .k_last = 6,
    .group_last = TFHE_MAX_GROUP,
    .N = {256, 4096},
    .kN = {512, 4096},
    .pbs = {.l_last = 6, .b_first = 2, .b_last = 30, .bits = 52},
    .ks = {.l_last = 24, .b_first = 1, .b_last = 15, .bits = 32},
    .front_init = extension_front_init,
    .front_vary = extension_front_vary,
    .blind_rotate = noise_blind_rotate,
    .keyswitch = noise_keyswitch,
    .cost_keyswitch = cost_keyswitch,
    .cost_step = cost_step,
    .cost_weight = cost_weight,
};

/* A decomposition and what it costs: `variance` per key bit (bootstrap) or in all (keyswitch); lb: bootstrap alone. */
typedef struct gadget {
    unsigned l, lb, b;
    double variance, seconds;
} gadget;

typedef struct search {
    const optimizer_request *request;
    const search_model *model;
    double look_ups, weights;
    double linear;                      /* seconds of all weights at the ring being tried */
    double bound[OPTIMIZER_MAX_LAYERS]; /* largest variance of the deciding phase */
    int found;
    tfhe_params best;
    layer_choice best_layers[OPTIMIZER_MAX_LAYERS]; /* family, EF and price */
    double best_seconds;
    int any;                   /* stop at the first set */
    extension_front fronts[2]; /* at the n being tried: for single key bits; for groups, of EF = 1 alone */
    /* When nothing is found: the set whose worst layer comes nearest. */
    double nearest_ratio, nearest_variance;
    size_t nearest_layer;
} search;

/* For each number of levels of masks and body the base of least noise; only those that lower the noise are kept, in the
 * order of their cost: it grows with the rows. The noise of a number of levels is convex in the base: a term grows with
 * it, the other falls. */
static size_t bootstrap_gadgets(const search_model *m, tfhe_params p, gadget *out)
{
    size_t count = 0;
    p.n = 1;
    for (p.pbs_l = 1; p.pbs_l <= m->pbs.l_last; p.pbs_l++)
        for (p.pbs_lb = p.pbs_l == 1 ? 1 : p.pbs_l - 1; p.pbs_lb <= p.pbs_l; p.pbs_lb++) {
            gadget g = {.l = p.pbs_l, .lb = p.pbs_lb, .variance = INFINITY};
            for (p.pbs_bg = m->pbs.b_first; p.pbs_bg * p.pbs_l <= m->pbs.bits && p.pbs_bg <= m->pbs.b_last;
                 p.pbs_bg++) {
                const double v = m->blind_rotate(&p);
                if (v > g.variance) break;
                if (v < g.variance) g.variance = v, g.b = p.pbs_bg;
            }
            if (count > 0 && g.variance >= out[count - 1].variance) continue;
            out[count++] = g;
        }
    return count;
}

static size_t keyswitch_gadgets(const search_model *m, tfhe_params p, gadget *out)
{
    size_t count = 0;
    for (p.ks_l = 1; p.ks_l <= m->ks.l_last; p.ks_l++) {
        gadget g = {.l = p.ks_l, .variance = INFINITY};
        for (p.ks_b = m->ks.b_first; p.ks_b * p.ks_l <= m->ks.bits && p.ks_b <= m->ks.b_last; p.ks_b++) {
            const double v = m->keyswitch(&p);
            if (v > g.variance) break;
            if (v < g.variance) g.variance = v, g.b = p.ks_b;
        }
        if (count > 0 && g.variance >= out[count - 1].variance) continue;
        p.ks_b = g.b;
        g.seconds = m->cost_keyswitch(&p);
        out[count++] = g;
    }
    return count;
}

static void note_nearest(search *s, size_t layer, double variance)
{
    const double ratio = variance / s->bound[layer];
    if (s->found || ratio >= s->nearest_ratio) return;
    s->nearest_ratio = ratio;
    s->nearest_variance = variance;
    s->nearest_layer = layer;
}

/* Tries one complete parameter set; rotate: seconds of a rotation by the cost of its extension. */
static void try_set(search *s, const tfhe_params *p, double v_rotate, double v_keyswitch, double rotate,
                    double keyswitch)
{
    const extension_front *f = &s->fronts[p->pbs_group > 1];
    size_t choice[OPTIMIZER_MAX_LAYERS];
    /* at least; raised layer by layer */
    double seconds = s->linear + s->look_ups * (keyswitch + rotate * f->at[0].products);
    double worst = 0, worst_variance = 0;
    size_t worst_layer = 0;
    int feasible = 1;
    for (size_t i = 0; i < s->request->layers_count; i++) {
        if (s->found && (!feasible || seconds >= s->best_seconds)) return;
        const lookup_layer *layer = &s->request->layers[i];
        double v = layer->two_norm * layer->two_norm * v_rotate +
                   layer->fresh_two_norm * layer->fresh_two_norm * noise_fresh(p);
        if (!layer->is_output) {
            v += v_keyswitch;
            choice[i] = extension_front_find(f, p, s->bound[i] - v, 2 * layer->cells);
            v += f->variance[choice[i] == f->count ? f->count - 1 : choice[i]];
            if (choice[i] != f->count)
                seconds += (double)layer->count * rotate * (f->at[choice[i]].products - f->at[0].products);
        }
        if (layer->is_output ? v > s->bound[i] : choice[i] == f->count) feasible = 0;
        if (v / s->bound[i] > worst) worst = v / s->bound[i], worst_layer = i, worst_variance = v;
    }
    if (!feasible && p->pbs_group == 1) note_nearest(s, worst_layer, worst_variance);
    if (!feasible || (s->found && seconds >= s->best_seconds)) return;
    s->found = 1;
    s->best = *p;
    s->best_seconds = seconds;
    for (size_t i = 0; i < s->request->layers_count; i++) {
        if (s->request->layers[i].is_output) continue;
        s->best_layers[i] = (layer_choice){.EF = f->at[choice[i]].EF, .price = f->at[choice[i]].price};
    }
}

/* The modulus switch to the finest exponents errs too much for a set to be found, or to come nearer. */
static int hopeless(const search *s)
{
    const double least = s->fronts[0].variance[s->fronts[0].count - 1];
    double ratio = 0;
    for (size_t i = 0; i < s->request->layers_count; i++)
        if (!s->request->layers[i].is_output) ratio = fmax(ratio, least / s->bound[i]);
    return ratio > 1 && (s->found || ratio >= s->nearest_ratio);
}

typedef struct gadgets {
    size_t count;
    gadget at[MAX_GADGETS];
} gadgets;

/* All sets of this ring, n and g. */
static void try_gadgets(search *s, tfhe_params p, const gadgets *rotations, const gadgets *switches)
{
    for (size_t r = 0; r < rotations->count; r++) {
        const gadget *rotation = &rotations->at[r];
        p.pbs_l = rotation->l;
        p.pbs_lb = rotation->lb;
        p.pbs_bg = rotation->b;
        const double rotate = (double)tfhe_steps(&p) * s->model->cost_step(&p);
        for (size_t k = 0; k < switches->count; k++) {
            p.ks_l = switches->at[k].l;
            p.ks_b = switches->at[k].b;
            try_set(s, &p, p.n * rotation->variance, switches->at[k].variance, rotate, switches->at[k].seconds);
        }
    }
}

/* Seconds of a key bit in all look-ups, at least. */
static double least_seconds(const search *s, tfhe_params p)
{
    double least = INFINITY;
    p.pbs_l = p.pbs_lb = 1;
    for (p.pbs_group = 1; p.pbs_group <= s->model->group_last; p.pbs_group++)
        least = fmin(least, s->model->cost_step(&p) / p.pbs_group);
    return s->look_ups * s->fronts[0].at[0].products * least;
}

/* Of sets that cost the same the first one stays: that of the smaller n, then g. */
static void try_ring(search *s, tfhe_params p)
{
    const search_model *m = s->model;
    const uint32_t only = s->request->group;
    gadgets rotations[TFHE_MAX_GROUP + 1], switches;
    p.glwe_noise = security_tuniform_bound((double)tfhe_big_dim(&p), 64, s->request->level);
    for (p.pbs_group = 1; p.pbs_group <= m->group_last; p.pbs_group++)
        rotations[p.pbs_group].count = bootstrap_gadgets(m, p, rotations[p.pbs_group].at);
    const double least = least_seconds(s, p);
    s->linear = s->weights * m->cost_weight(&p);
    for (p.n = m->n.first; p.n <= m->n.last; p.n += m->n.step) {
        if (s->found && (s->any || s->linear + p.n * least >= s->best_seconds)) break;
        p.pbs_group = 1;
        m->front_vary(&s->fronts[0], &p);
        if (hopeless(s)) continue;
        p.lwe_noise = security_tuniform_bound(p.n, 32, s->request->level);
        switches.count = keyswitch_gadgets(m, p, switches.at);
        for (; p.pbs_group <= m->group_last; p.pbs_group++) {
            if (p.n % p.pbs_group != 0 || (only != 0 && only != p.pbs_group)) continue;
            if (p.pbs_group > 1) m->front_vary(&s->fronts[1], &p);
            try_gadgets(s, p, &rotations[p.pbs_group], &switches);
        }
    }
}

static double lookup_bound(const optimizer_request *q, size_t layer, double log2_p)
{
    return q->layers[layer].log2_error < 0 ? q->layers[layer].log2_error : log2_p;
}

/* log2_p: of the layers without their own. */
static void search_all(search *s, double log2_p)
{
    for (size_t i = 0; i < s->request->layers_count; i++) {
        const double most = s->request->layers[i].half_window / noise_kappa(lookup_bound(s->request, i, log2_p));
        s->bound[i] = most * most;
    }
    s->found = 0;
    s->nearest_ratio = INFINITY;
    const search_model *m = s->model;
    for (uint32_t k = 1; k <= m->k_last; k++)
        for (uint32_t N = m->N.first; N <= m->N.last; N *= 2)
            if (k * N >= m->kN.first && k * N <= m->kN.last && !(s->any && s->found))
                try_ring(s, (tfhe_params){.k = k, .N = N});
}

/* One layer's deciding noise, failure and seconds, whose inputs are outputs of family `from`. */
static void predict_layer(const lookup_layer *layer, const tfhe_families *f, uint32_t from, layer_choice *c)
{
    const tfhe_params *source = &f->of[from], *p = &f->of[c->family];
    const tfhe_params keyswitch = tfhe_switch_params(f, from, c->family);
    c->seconds = layer->weights * cost_weight(source);
    double v = layer->two_norm * layer->two_norm * noise_blind_rotate(source) +
               layer->fresh_two_norm * layer->fresh_two_norm * noise_fresh(source);
    if (!layer->is_output) {
        v += noise_keyswitch(&keyswitch) + noise_modulus_switch(p, c->EF, c->price);
        c->seconds += (double)layer->count * (cost_keyswitch(&keyswitch) + cost_blind_rotate(p, c->EF, c->price));
    }
    c->phase_std = sqrt(v);
    c->log2_failure = noise_failure_log2(v, layer->half_window);
}

void optimizer_predict(const optimizer_request *request, const tfhe_families *families, const layer_choice *layers,
                       optimizer_result *out)
{
    const size_t count = request->layers_count;
    layer_choice chosen[OPTIMIZER_MAX_LAYERS] = {0};
    double log_right = 0; /* natural log of P(no failure) */
    for (size_t i = 0; i < count; i++)
        chosen[i] =
            (layer_choice){.family = request->layers[i].is_output && i > 0 ? chosen[i - 1].family : layers[i].family,
                           .EF = request->layers[i].is_output ? 0 : layers[i].EF,
                           .price = request->layers[i].is_output ? 0 : layers[i].price};
    *out = (optimizer_result){.families = *families, .log2_error = request->log2_error};
    for (size_t i = 0; i < count; i++) {
        const lookup_layer *layer = &request->layers[i];
        layer_choice *c = &out->layers[i];
        *c = chosen[i];
        predict_layer(layer, families, chosen[i == 0 ? 0 : i - 1].family, c);
        log_right += (double)layer->count * log1p(-fmin(exp2(c->log2_failure), 1 - 1e-16));
        out->seconds += c->seconds;
    }
    /* Where every term underflows, the sum of the probabilities is the probability of the union. */
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++) most = fmax(most, out->layers[i].log2_failure);
    for (size_t i = 0; i < count; i++)
        sum += (double)request->layers[i].count * exp2(out->layers[i].log2_failure - most);
    out->log2_global_failure = most + log2(sum) > -40 ? log2(-expm1(log_right)) : most + log2(sum);
}

static void predict_best(const search *s, optimizer_result *out)
{
    const tfhe_families one = {.count = 1, .of[0] = s->best};
    optimizer_predict(s->request, &one, s->best_layers, out);
}

double global_from_lookup_log2(double log2_p, double count)
{
    return log2(-expm1(count * log1p(-exp2(log2_p))));
}

double lookup_from_global_log2(double log2_global, double count)
{
    return log2(-expm1(log1p(-exp2(log2_global)) / count));
}

/* The bound at which any set stays within the global probability: what the layers of their own bounds leave, shared out
 * among the look-ups of the others. NaN: they leave nothing; 0: there are no others. */
static double safe_bound(const optimizer_request *q)
{
    const double all = log1p(-exp2(q->log2_error)); /* natural log of P(no failure) */
    double own = 0, others = 0;
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *layer = &q->layers[i];
        if (layer->log2_error < 0)
            own += (double)layer->count * log1p(-exp2(layer->log2_error));
        else
            others += (double)layer->count;
    }
    if (others == 0) return own < all ? NAN : 0;
    return own <= all ? NAN : log2(-expm1((all - own) / others)) - 1e-9; /* rounding of these sums */
}

/* Downward from the global bound itself, which no look-up may exceed: between a set's largest failure and the bound it
 * was found at the search finds that set again, so the next bound to try is 1 % below it. */
static void search_global(search *s, double least, optimizer_result *out)
{
    const optimizer_request *q = s->request;
    double log2_p = q->log2_error;
    for (;;) {
        search_all(s, log2_p);
        if (!s->found) return;
        predict_best(s, out);
        out->log2_error = log2_p;
        if (out->log2_global_failure <= q->log2_error || log2_p <= least) return;
        double most = -INFINITY;
        for (size_t i = 0; i < q->layers_count; i++)
            if (!(q->layers[i].log2_error < 0)) most = fmax(most, out->layers[i].log2_failure);
        log2_p = fmax(least, fmin(most, log2_p) - LOG2_ONE_PERCENT);
    }
}

static search search_of(const optimizer_request *request, const search_model *model)
{
    search s = {.request = request, .model = model};
    for (size_t i = 0; i < request->layers_count; i++) {
        if (!request->layers[i].is_output) s.look_ups += (double)request->layers[i].count;
        s.weights += request->layers[i].weights;
    }
    model->front_init(&s.fronts[0]);
    s.fronts[1] = (extension_front){.count = 1, .at[0] = extension_expected(1, 0)};
    return s;
}

int optimizer_find(const optimizer_request *q, optimizer_result *out)
{
    search s = search_of(q, &search_model_shipped);
    if (q->target == ERROR_GLOBAL) {
        optimizer_result r;
        search_global(&s, safe_bound(q), &r);
        if (s.found) *out = r;
        return s.found;
    }
    search_all(&s, q->log2_error);
    if (s.found) predict_best(&s, out);
    return s.found;
}

/* Whether there is a set at this bound of the layers without their own. */
static int any_set(search *s, const optimizer_request *q, double log2_p)
{
    *s = search_of(q, &search_model_shipped);
    s->any = 1;
    search_all(s, log2_p);
    return s->found;
}

int optimizer_feasible(const optimizer_request *q)
{
    search s;
    optimizer_result r;
    if (q->target == ERROR_PER_LOOKUP) return any_set(&s, q, q->log2_error);
    const double safe = safe_bound(q);
    if (isnan(safe) || !any_set(&s, q, q->log2_error)) return 0;
    return any_set(&s, q, safe) || optimizer_find(q, &r);
}

shortfall optimizer_shortfall(const optimizer_request *q)
{
    search s;
    const double log2_p = q->target == ERROR_GLOBAL ? safe_bound(q) : q->log2_error;
    (void)any_set(&s, q, log2_p);
    return (shortfall){s.nearest_layer, lookup_bound(q, s.nearest_layer, log2_p),
                       noise_failure_log2(s.nearest_variance, q->layers[s.nearest_layer].half_window)};
}

static annulus_status check_error(const char *name, double log2_error)
{
    if (log2_error < 0 && log2_error >= -512) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "error probability 2^%g%s%s: must be in [2^-512, 1)", log2_error,
                name[0] == '\0' ? "" : " of ", name);
}

int optimizer_search_model(const optimizer_request *request, const search_model *model, tfhe_params *best,
                           double *seconds)
{
    search s = search_of(request, model);
    search_all(&s, request->log2_error);
    *best = s.best;
    *seconds = s.best_seconds;
    return s.found;
}

annulus_status optimizer_search(const optimizer_request *request, optimizer_result *out)
{
    REQUIRE(request->layers_count >= 1 && request->layers_count <= OPTIMIZER_MAX_LAYERS);
    REQUIRE(request->group <= TFHE_MAX_GROUP);
    TRY(check_error("", request->log2_error));
    for (size_t i = 0; i < request->layers_count; i++)
        if (request->layers[i].log2_error != 0)
            TRY(check_error(request->layers[i].name, request->layers[i].log2_error));
    if (request->target == ERROR_GLOBAL && isnan(safe_bound(request)))
        return fail(ANNULUS_ERR_INPUT,
                    "the error probabilities of the layers by themselves exceed 2^%.1f for an inference: lower theirs",
                    request->log2_error);
    if (optimizer_find(request, out)) return ANNULUS_OK;
    return remedies_fail(request);
}
