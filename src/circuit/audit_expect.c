/* SPDX-License-Identifier: Apache-2.0 */
/* What the noise model says of a circuit's neurons. */
#include "base/memory.h"
#include "base/random.h"
#include "circuit/audit_priv.h"
#include "circuit/exec_priv.h"
#include "circuit/mix.h"

#include <math.h>
#include <string.h>

void audit_model_init(const circuit *c, audit_model *out)
{
    *out = (audit_model){.fresh = circuit_input_noise(c)};
    for (size_t i = 0; i < c->layers_count; i++) {
        if (c->layers[i].cells == 0) continue;
        out->least[i] = 1;
        out->look_up[i] = noise_blind_rotate(&c->choice.families.of[c->layers[i].family]);
        out->phase[i] = circuit_switch_noise(c, i);
        if (c->layers[i].split == 0) continue;
        exec_split_extremes(c, i, &out->least[i], &out->look_up[i]);
        out->least[i] /= out->look_up[i];
        out->level = exec_level_noise(c);
    }
}

/* A layer's weights by input: those of input i are [first[i], first[i + 1]). */
typedef struct columns {
    size_t *first; /* (in + 1) */
    uint32_t *output;
    double *weight;
} columns;

static void columns_clear(columns *w)
{
    mem_free(w->first);
    mem_free(w->output);
    mem_free(w->weight);
}

/* first must be the ends of the columns before: they become their starts. */
static void fill_columns(const circuit_layer *l, linear_view *view, columns *w)
{
    for (size_t o = l->out; o-- > 0;) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        for (size_t k = 0; k < count; k++) {
            const size_t at = --w->first[input[k] + 1];
            w->output[at] = (uint32_t)o;
            w->weight[at] = (double)weight[k];
        }
    }
}

static annulus_status columns_create(const circuit_layer *l, linear_view *view, columns *w)
{
    const uint32_t *input;
    const int64_t *weight;
    void *p;
    TRY(mem_create(l->in + 2, sizeof(size_t), "predicted noise", &p));
    w->first = p;
    for (size_t o = 0; o < l->out; o++) {
        const size_t count = linear_view_row(view, o, &input, &weight);
        for (size_t k = 0; k < count; k++) w->first[input[k] + 1]++;
    }
    for (size_t i = 0; i < l->in; i++) w->first[i + 1] += w->first[i];
    w->first[l->in + 1] = w->first[l->in];
    TRY(mem_create(w->first[l->in] + 1, sizeof(uint32_t), "predicted noise", &p));
    w->output = p;
    TRY(mem_create(w->first[l->in] + 1, sizeof(double), "predicted noise", &p));
    w->weight = p;
    fill_columns(l, view, w);
    memmove(w->first, w->first + 1, (l->in + 1) * sizeof *w->first);
    return ANNULUS_OK;
}

/* What is known of a value: inputs of the circuit first, then the values of the layers. */
typedef struct value {
    double variance; /* torus, at most; of mixed layers of a coefficient (mix.h); 0: no noise */
    double least;    /* at least, over that */
    size_t group;    /* value of the first neuron of its layer with the same masks */
    size_t neuron;   /* value of the first of its rotation */
} value;

/* Of neurons with equal weights on noisy inputs the same number, and with opposite ones: a sum of random multiples, the
 * same for two others with probability 2^-63. */
static uint64_t mask_hash(const value *in, const uint32_t *input, const int64_t *weight, size_t count)
{
    uint64_t sum = 0;
    for (size_t k = 0; k < count; k++)
        if (in[input[k]].variance > 0) sum += (uint64_t)weight[k] * random_mix(input[k] * RANDOM_STEP);
    return sum < -sum ? sum : -sum;
}

/* Room for one layer. */
typedef struct room {
    value *in;        /* (in) */
    uint64_t *hash;   /* (out) of the masks */
    size_t *taken;    /* (values of all) neuron of a group whose values a sum takes, + 1; 0: none */
    double *together; /* (out) covariances of a sum with those of the layer */
    const circuit *c;
    const mixes *mixes;
    size_t layer;
    mix_share *spread; /* (in) zeros */
    uint32_t *touched; /* (in) */
} room;

/* Variance of a sum, 0 without a noisy input, at most and at least; *shared: it takes values of two neurons of one
 * group. */
static double sum_variance(const room *m, const uint32_t *input, const int64_t *weight, size_t count, double *least,
                           int *shared)
{
    double sum = 0;
    *least = 0;
    const size_t listed = mixes_spread(m->c, m->mixes, m->layer, input, weight, count, m->spread, m->touched);
    *shared = 0;
    for (size_t k = 0; k < count; k++) {
        const value *v = &m->in[input[k]];
        if (v->variance == 0) continue;
        *shared |= m->taken[v->group] != 0 && m->taken[v->group] != v->neuron + 1;
        m->taken[v->group] = v->neuron + 1;
        const double square = (double)weight[k] * m->spread[input[k]].weight * v->variance;
        sum += square, *least += square * v->least;
    }
    for (size_t k = 0; k < listed; k++) m->spread[m->touched[k]] = (mix_share){.listed = 0};
    for (size_t k = 0; k < count; k++) m->taken[m->in[input[k]].group] = 0;
    return sum;
}

/* Row sums of |C| bound its eigenvalues. */
static void find_dependence(const circuit_layer *l, linear_view *view, const columns *w, const room *m,
                            audit_expected *e)
{
    e->sums = e->phases = (audit_dependence){.largest = 1};
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        double sums = 1, phases = 1;
        if (!e->counts[o]) continue;
        memset(m->together, 0, l->out * sizeof *m->together);
        const size_t count = linear_view_row(view, o, &input, &weight);
        const size_t listed = mixes_spread(m->c, m->mixes, m->layer, input, weight, count, m->spread, m->touched);
        for (size_t k = 0; k < listed; k++) {
            const uint32_t from = m->touched[k];
            for (size_t at = w->first[from]; at < w->first[from + 1]; at++)
                m->together[w->output[at]] += m->spread[from].weight * w->weight[at] * m->in[from].variance;
            m->spread[from] = (mix_share){.listed = 0};
        }
        e->sums.square += 1, e->phases.square += 1;
        for (size_t p = 0; p < l->out; p++) {
            if (p == o || !e->counts[p]) continue;
            const double v = m->together[p];
            const double s = v * v / (e->sum_least[o] * e->sum_least[p]);
            const double t = v * v / (e->phase_least[o] * e->phase_least[p]);
            sums += sqrt(s), phases += sqrt(t);
            e->sums.square += s, e->phases.square += t;
        }
        e->sums.largest = fmax(e->sums.largest, sums);
        e->phases.largest = fmax(e->phases.largest, phases);
    }
}

static void find_split_errors(const circuit_layer *l, const audit_model *model, double phase, size_t o,
                              audit_expected *e)
{
    const double at = exec_split_place(l, o), most = exp2(2 * AUDIT_TOLERANCE);
    const double sums[] = {e->sum_least[o] / most, e->sum[o], e->sum[o] * most}, factor[] = {1 / most, 1, most};
    for (size_t i = 0; i < 3; i++)
        e->errors[3 * o + i] =
            sums[i] > 0 ? exec_split_error(l, at, sums[i], factor[i] * model->level, factor[i] * phase) : 0;
}

/* Sums and groups of layer i, whose values begin at `first`: their values, at out. */
static void find_sums(const circuit_layer *l, linear_view *view, const room *m, const audit_model *model, size_t i,
                      size_t first, value *out, audit_expected *e)
{
    const double phase = model->phase[i];
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        int shared;
        size_t group = 0;
        const size_t count = linear_view_row(view, o, &input, &weight);
        m->hash[o] = mask_hash(m->in, input, weight, count);
        while (m->hash[group] != m->hash[o]) group++;
        e->sum[o] = sum_variance(m, input, weight, count, &e->sum_least[o], &shared);
        e->phase[o] = e->sum[o] + phase;
        e->phase_least[o] = e->sum_least[o] + phase;
        if (l->split > 0) find_split_errors(l, model, phase, o, e);
        e->counts[o] = e->sum[o] > 0 && !shared && group == o;
        e->counted += e->counts[o];
        for (size_t j = 0; j < l->offsets; j++)
            out[o * l->offsets + j] = (value){.variance = exec_noisy_value(l, o, e->sum[o] > 0) ? model->look_up[i] : 0,
                                              .least = model->least[i],
                                              .group = first + group * l->offsets,
                                              .neuron = first + o * l->offsets};
    }
}

/* What packing adds to the answers. noise (out): room. */
static void expect_packing(const circuit *c, audit_expected *e, double *noise)
{
    memcpy(noise, e->sum, e->out * sizeof *noise);
    exec_packing_noise(c, noise);
    for (size_t o = 0; o < e->out; o++) e->phase[o] += noise[o], e->phase_least[o] += noise[o];
}

/* values: of all, those before the layer are known. */
static annulus_status expect_layer(const circuit *c, size_t i, const audit_model *model, value *values, room *m,
                                   audit_expected *e)
{
    const circuit_layer *l = &c->layers[i];
    const size_t first = exec_values_before(c, i + 1);
    linear_view *view = NULL;
    columns w = {0};
    void *p;
    size_t at = 0;
    e->out = l->out;
    const size_t reals = l->split > 0 ? 7 : 4;
    TRY(mem_create(l->out, reals * sizeof(double) + 1, "predicted noise", &p));
    e->sum = p, e->phase = e->sum + l->out, e->sum_least = e->phase + l->out, e->phase_least = e->sum_least + l->out;
    e->errors = l->split > 0 ? e->phase_least + l->out : NULL;
    e->counts = (unsigned char *)(e->sum + reals * l->out);
    TRY(mem_create(l->in * (sizeof(value) + sizeof(mix_share) + sizeof(uint32_t)) + l->out * 2 * sizeof(double), 1,
                   "predicted noise", &p));
    m->in = p, m->hash = (uint64_t *)(void *)(m->in + l->in), m->together = (double *)(m->hash + l->out);
    m->spread = (mix_share *)(void *)(m->together + l->out), m->touched = (uint32_t *)(m->spread + l->in);
    m->layer = i;
    for (size_t k = 0; k < l->sources_count; k++) {
        const size_t count = circuit_source_values(c, l->sources[k]);
        memcpy(m->in + at, values + exec_values_before(c, l->sources[k]), count * sizeof *values);
        at += count;
    }
    annulus_status st = linear_view_create(&l->linear, l->in, l->out, &view);
    if (st == ANNULUS_OK) st = columns_create(l, view, &w);
    if (st == ANNULUS_OK) find_sums(l, view, m, model, i, first, values + first, e);
    if (st == ANNULUS_OK && l->cells == 0 && c->choice.families.answers.bits > 0) expect_packing(c, e, m->together);
    if (st == ANNULUS_OK) find_dependence(l, view, &w, m, e);
    columns_clear(&w);
    linear_view_destroy(view);
    mem_free(p);
    return st;
}

annulus_status audit_expect(const circuit *c, const audit_model *model, audit_expected **out)
{
    const size_t all = exec_values_before(c, c->layers_count + 1);
    void *p, *q = NULL;
    TRY(mem_create(c->layers_count, sizeof(audit_expected), "predicted noise", &p));
    audit_expected *e = p;
    annulus_status st = mem_create(all, sizeof(value) + sizeof(size_t), "predicted noise", &q);
    value *values = q;
    mixes shared = {.of = {NULL}};
    room m = {.taken = (size_t *)(void *)(values + all), .c = c, .mixes = &shared};
    if (st == ANNULUS_OK) st = mixes_create(c, &shared);
    for (size_t i = 0; st == ANNULUS_OK && i < c->input.features; i++) values[i] = (value){model->fresh, 1, i, i};
    for (size_t i = 0; st == ANNULUS_OK && i < c->layers_count; i++) st = expect_layer(c, i, model, values, &m, &e[i]);
    mem_free(q);
    mixes_clear(&shared);
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
