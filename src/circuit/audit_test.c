/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "circuit/audit_priv.h"
#include "circuit/exec_priv.h"

#include <math.h>
#include <string.h>

void audit_model_init(const circuit *c, audit_model *out)
{
    *out = (audit_model){.fresh = noise_fresh(circuit_inputs(c))};
    for (size_t i = 0; i < c->layers_count; i++) {
        if (c->layers[i].cells == 0) continue;
        out->look_up[i] = noise_blind_rotate(&c->choice.families.of[c->layers[i].family]);
        out->phase[i] = circuit_switch_noise(c, i);
    }
}

/* Whether neurons o and p have the same weights on noisy inputs, up to sign. */
static int same_masks(const circuit_layer *l, const unsigned char *noisy, size_t o, size_t p)
{
    const int32_t *a = l->W + o * l->in, *b = l->W + p * l->in;
    int equal = 1, opposite = 1;
    for (size_t i = 0; i < l->in && (equal || opposite); i++) {
        equal &= !noisy[i] || a[i] == b[i];
        opposite &= !noisy[i] || a[i] == -b[i];
    }
    return equal || opposite;
}

/* group[o]: the first neuron with the weights of o up to sign. */
static void find_groups(const circuit_layer *l, const unsigned char *noisy, size_t *group)
{
    for (size_t o = 0; o < l->out; o++) {
        size_t p = 0;
        while (p < o && !(group[p] == p && same_masks(l, noisy, o, p))) p++;
        group[o] = p;
    }
}

/* Variance of sum o, 0 without a noisy input; *shared: it takes values of two neurons of one group. group, taken: (in),
 * numbers of neurons of the layer before, which give `offsets` values each; taken is room. */
static double sum_variance(const circuit_layer *l, size_t o, const unsigned char *noisy, const size_t *group,
                           size_t offsets, double variance, size_t *taken, int *shared)
{
    double sum = 0;
    *shared = 0;
    memset(taken, 0, l->in * sizeof *taken);
    for (size_t i = 0; i < l->in; i++) {
        const double w = l->W[o * l->in + i];
        if (w == 0 || !noisy[i]) continue;
        const size_t neuron = i / offsets + 1;
        *shared |= taken[group[i]] != 0 && taken[group[i]] != neuron;
        taken[group[i]] = neuron;
        sum += w * w * variance;
    }
    return sum;
}

static double covariance(const circuit_layer *l, const unsigned char *noisy, double variance, size_t o, size_t p)
{
    const int32_t *a = l->W + o * l->in, *b = l->W + p * l->in;
    double sum = 0;
    for (size_t i = 0; i < l->in; i++) sum += noisy[i] ? (double)a[i] * b[i] : 0;
    return sum * variance;
}

/* Row sums of |C| bound its eigenvalues. */
static void find_dependence(const circuit_layer *l, const unsigned char *noisy, double variance, audit_expected *e)
{
    e->sums = e->phases = (audit_dependence){.largest = 1};
    for (size_t o = 0; o < l->out; o++) {
        double sums = 1, phases = 1;
        if (!e->counts[o]) continue;
        e->sums.square += 1, e->phases.square += 1;
        for (size_t p = 0; p < l->out; p++) {
            if (p == o || !e->counts[p]) continue;
            const double v = covariance(l, noisy, variance, o, p);
            const double s = v * v / (e->sum[o] * e->sum[p]), t = v * v / (e->phase[o] * e->phase[p]);
            sums += sqrt(s), phases += sqrt(t);
            e->sums.square += s, e->phases.square += t;
        }
        e->sums.largest = fmax(e->sums.largest, sums);
        e->phases.largest = fmax(e->phases.largest, phases);
    }
}

/* noisy (in): inputs with noise, groups of them in group, `offsets` of a neuron; on return those of the layer's
 * values. */
static annulus_status expect_layer(const circuit_layer *l, size_t offsets, double variance, double phase,
                                   unsigned char *noisy, size_t *group, audit_expected *e)
{
    void *p;
    e->out = l->out;
    TRY(mem_create(l->out, 2 * sizeof(double) + 1, "predicted noise", &p));
    e->sum = p, e->phase = e->sum + l->out, e->counts = (unsigned char *)(e->phase + l->out);
    TRY(mem_create((l->in + l->out) * sizeof(size_t) + l->out, 1, "predicted noise", &p));
    size_t *groups = p, *taken = groups + l->out;
    unsigned char *next = (unsigned char *)(taken + l->in);
    find_groups(l, noisy, groups);
    for (size_t o = 0; o < l->out; o++) {
        int shared;
        e->sum[o] = sum_variance(l, o, noisy, group, offsets, variance, taken, &shared);
        e->phase[o] = e->sum[o] + phase;
        const unsigned char masked = exec_noisy(l, o, noisy);
        next[o] = exec_noisy_value(l, o, masked);
        e->counts[o] = masked && !shared && groups[o] == o;
        e->counted += e->counts[o];
    }
    find_dependence(l, noisy, variance, e);
    for (size_t i = 0; i < circuit_values(l); i++) noisy[i] = next[i / l->offsets], group[i] = groups[i / l->offsets];
    mem_free(p);
    return ANNULUS_OK;
}

annulus_status audit_expect(const circuit *c, const audit_model *model, audit_expected **out)
{
    const size_t widest = exec_widest(c);
    void *p, *q = NULL;
    TRY(mem_create(c->layers_count, sizeof(audit_expected), "predicted noise", &p));
    audit_expected *e = p;
    annulus_status st = mem_create(widest, sizeof(size_t) + 1, "predicted noise", &q);
    size_t *group = q;
    unsigned char *noisy = q == NULL ? NULL : (unsigned char *)(group + widest);
    for (size_t i = 0; st == ANNULUS_OK && i < c->input.features; i++) noisy[i] = 1, group[i] = i;
    for (size_t i = 0; st == ANNULUS_OK && i < c->layers_count; i++)
        st = expect_layer(&c->layers[i], i == 0 ? 1 : c->layers[i - 1].offsets,
                          i == 0 ? model->fresh : model->look_up[i - 1], model->phase[i], noisy, group, &e[i]);
    mem_free(q);
    if (st == ANNULUS_OK)
        *out = e;
    else
        audit_expected_destroy(e, c->layers_count);
    return st;
}

void audit_expected_destroy(audit_expected *e, size_t layers)
{
    for (size_t i = 0; e != NULL && i < layers; i++) mem_free(e[i].sum);
    mem_free(e);
}

double audit_variance_log_p(double z, double counted, double samples, const audit_dependence *d)
{
    const double mean = counted * samples, norm = sqrt(d->square * samples), ratio = exp2(2 * AUDIT_TOLERANCE);
    double t = 0;
    if (z / ratio > mean) {
        const double root = (sqrt(norm * norm + 2 * d->largest * (z / ratio - mean)) - norm) / (2 * d->largest);
        t = root * root;
    } else if (z * ratio < mean)
        t = pow((mean - z * ratio) / (2 * norm), 2);
    return fmin(0, M_LN2 - t);
}

/* log of Chernoff's bound: `part` of n draws, where `p` of them was expected. */
static double chernoff(double n, double part, double p)
{
    if (part <= 0) return n * log1p(-p);
    if (part >= 1) return n * log(p);
    return -n * (part * log(part / p) + (1 - part) * log((1 - part) / (1 - p)));
}

double audit_errors_log_p(double look_ups, double errors, double least, double most, double largest)
{
    if (look_ups <= 0) return 0;
    double log_p = 0;
    if (errors > most) /* most may be 0: then no error at all is explained */
        log_p = most > 0 ? fmin(chernoff(look_ups / largest, errors / look_ups, most / look_ups), log(most / errors))
                         : -INFINITY;
    else if (errors < least)
        log_p = chernoff(look_ups / largest, errors / look_ups, least / look_ups);
    return fmin(0, log_p + 2 * M_LN2);
}

double audit_error_probability(const circuit_layer *l, size_t o, int64_t acc, double deviation)
{
    const int64_t at = acc + l->offset[o], below = at - exec_floor_div(at, l->step) * l->step;
    const double unit = exec_unit(l), down = ((double)below + 0.5) * unit,
                 up = ((double)(l->step - below) - 0.5) * unit;
    return 0.5 * (erfc(down / deviation / M_SQRT2) + erfc(up / deviation / M_SQRT2));
}
