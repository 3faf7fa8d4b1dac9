/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/shrink_priv.h"

#include "base/memory.h"
#include <math.h>
#include <string.h>

#define PHASES 1024u     /* tried for the bias of a masked neuron */
#define NO_SCALE 0x1p-60 /* a table that rounds reads sums other than 0: they count for nothing either */
#define BIAS_ULPS 4      /* of single precision, to either side */
#define SCALE_ULPS 2

static int32_t integer_at(const dense_layer *l, size_t neuron, double u, size_t offset)
{
    const double at = u + 0.5 * (double)offset / (double)l->offsets;
    return quantizer_integer(&l->out_q, dense_layer_act(l, neuron, at));
}

/* Where a monotone activation gives y, or comes as near as it does. */
static double inverse(activation a, double y)
{
    const double least = 1e-6;
    if (a == ACTIVATION_SIGMOID) {
        const double p = fmin(fmax(y, least), 1 - least);
        return log(p / (1 - p));
    }
    return a == ACTIVATION_TANH ? atanh(fmin(fmax(y, least - 1), 1 - least)) : y;
}

/* Where the integer comes nearest to the value, over a stretch that is ever sparser away from 0. */
static double nearest_bias(const dense_layer *l, size_t neuron, double value)
{
    const double reach = 8 + 2 * fabs(value) / (l->rise > 0 ? l->rise : 1);
    double best = 0, least = INFINITY;
    for (size_t k = 0; k < PHASES; k++) {
        const double s = (2.0 * (double)k + 1) / PHASES - 1, u = reach * s * s * s;
        const double off = fabs(integer_at(l, neuron, u, 0) * l->out_q.scale - value);
        if (off < least) least = off, best = u;
    }
    return best;
}

/* Whether a bias cannot stand exactly for constants that arrive at layer i: a wave changes at so many sums that some
 * are nearer to a border than single precision is. */
static int before_waves(const network *n, size_t layer)
{
    return activation_is_wave(n->layers[layer + 1].act);
}

annulus_status network_mask(network *n, size_t layer, size_t neuron, const double *value)
{
    dense_layer *l = &n->layers[layer];
    if (!network_is_dense(n) || activation_is_wave(l->act) || before_waves(n, layer))
        return shrink_leave_unread(n, layer, neuron, value);
    memset(l->W + neuron * l->in, 0, l->in * sizeof *l->W);
    l->bias[neuron] = l->act <= ACTIVATION_TANH ? inverse(l->act, quantizer_integer(&l->out_q, *value) * l->out_q.scale)
                                                : nearest_bias(l, neuron, *value);
    l->bias[neuron] = (double)(float)l->bias[neuron];
    l->w_scale[neuron] = NO_SCALE;
    /* scores are real numbers: a constant that moved into their biases later would be rounded again */
    return layer + 2 == n->layers_count ? shrink_leave_unread(n, layer, neuron, value) : ANNULUS_OK;
}

/* What arrives at a layer: integers of one quantizer, `unit` each. */
typedef struct arriving {
    int32_t lo, hi;
    double unit;
} arriving;

static arriving arrive(const network *n, size_t layer)
{
    const quantizer *q = layer == 0 ? &n->input : &n->layers[layer - 1].out_q;
    arriving a = {.unit = q->scale};
    quantizer_range(q, &a.lo, &a.hi);
    a.lo -= q->zero, a.hi -= q->zero;
    return a;
}

/* Least and largest sum of a neuron over the inputs that stay (gone NULL: all). */
static void sum_range(const dense_layer *l, size_t o, const arriving *a, const uint8_t *gone, int64_t *lo, int64_t *hi)
{
    *lo = *hi = 0;
    for (size_t i = 0; i < l->in; i++) {
        const int64_t w = gone != NULL && gone[i] ? 0 : l->W[o * l->in + i];
        *lo += w * (w > 0 ? a->lo : a->hi);
        *hi += w * (w > 0 ? a->hi : a->lo);
    }
}

/* Widest range of sums in the layer: a table that rounds reads a sum at the middle of its cell, at most half of this
 * away, also from the sum's range. */
static int64_t widest(const dense_layer *l, const arriving *a)
{
    int64_t most = 0;
    for (size_t o = 0; o < l->out; o++) {
        int64_t lo, hi;
        sum_range(l, o, a, NULL, &lo, &hi);
        most = hi - lo > most ? hi - lo : most;
    }
    return most;
}

static int is_constant(const dense_layer *l, size_t o, const arriving *a)
{
    int64_t lo, hi;
    sum_range(l, o, a, NULL, &lo, &hi);
    if (lo == hi) return 1;
    if (activation_is_wave(l->act)) return 0;
    const int32_t first = integer_at(l, o, l->w_scale[o] * ((double)lo * a->unit) + l->bias[o], 0);
    const int64_t from = activation_is_monotone(l->act) ? 2 * hi : 2 * lo + 1; /* in halves, as tables read sums */
    for (int64_t x = from; x <= 2 * hi; x++)
        if (integer_at(l, o, l->w_scale[o] * (0.5 * (double)x * a->unit) + l->bias[o], 0) != first) return 0;
    return 1;
}

static int is_read(const dense_layer *next, size_t first, size_t count)
{
    for (size_t o = 0; o < next->out; o++)
        for (size_t i = first; i < first + count; i++)
            if (next->W[o * next->in + i] != 0) return 1;
    return 0;
}

/* Values (out*offsets) of a hidden layer: gone, and then the integer that each of them is. One neuron stays. */
static void find_gone(const network *n, size_t layer, uint8_t *gone, int32_t *emits)
{
    const dense_layer *l = &n->layers[layer];
    const arriving a = arrive(n, layer);
    size_t left = l->out;
    for (size_t o = 0; o < l->out && left > 1; o++) {
        const int constant = !before_waves(n, layer) && is_constant(l, o, &a);
        if (!constant && is_read(&n->layers[layer + 1], o * l->offsets, l->offsets)) continue;
        int64_t lo, hi;
        sum_range(l, o, &a, NULL, &lo, &hi);
        for (size_t j = 0; j < l->offsets; j++) {
            gone[o * l->offsets + j] = 1;
            emits[o * l->offsets + j] = integer_at(l, o, l->w_scale[o] * ((double)lo * a.unit) + l->bias[o], j);
        }
        left--;
    }
}

/* A neuron, no wave, before: sums x + constant, scale and bias; after: sums x, scale and bias of single precision. */
typedef struct fold {
    const dense_layer *l;
    size_t neuron;
    double unit, constant, scale, bias, new_scale, new_bias;
} fold;

/* The same integers at sum x, by network_apply's formula and by that of the tables. */
static int agree_at(const fold *f, double x, int32_t *integer)
{
    const double before[2] = {f->scale * ((x + f->constant) * f->unit) + f->bias,
                              (f->scale * f->unit) * (x + f->constant) + f->bias};
    const double after[2] = {f->new_scale * (x * f->unit) + f->new_bias, (f->new_scale * f->unit) * x + f->new_bias};
    *integer = integer_at(f->l, f->neuron, before[0], 0);
    return integer_at(f->l, f->neuron, before[1], 0) == *integer &&
           integer_at(f->l, f->neuron, after[0], 0) == *integer && integer_at(f->l, f->neuron, after[1], 0) == *integer;
}

/* At lo, lo + 1/2, ..., hi, given in halves: what agrees at both ends of a stretch on one integer agrees within it. */
static int agree_between(const fold *f, int64_t lo, int64_t hi)
{
    int32_t a, b;
    if (!agree_at(f, 0.5 * (double)lo, &a) || !agree_at(f, 0.5 * (double)hi, &b)) return 0;
    if (!activation_is_monotone(f->l->act)) {
        for (int64_t x = lo + 1; x < hi; x++)
            if (!agree_at(f, 0.5 * (double)x, &a)) return 0;
        return 1;
    }
    if (a == b || hi - lo < 2) return 1;
    const int64_t middle = lo + (hi - lo) / 2;
    return agree_between(f, lo, middle) && agree_between(f, middle, hi);
}

static float moved(float x, int ulps)
{
    for (; ulps > 0; ulps--) x = nextafterf(x, INFINITY);
    for (; ulps < 0; ulps++) x = nextafterf(x, -INFINITY);
    return x;
}

/* 0, 1, -1, 2, -2, ... */
static int alternate(int k)
{
    return k % 2 == 0 ? -k / 2 : (k + 1) / 2;
}

static annulus_status fold_constant(fold *f, int64_t lo, int64_t hi, size_t layer, size_t o)
{
    const float bias = (float)(f->bias + f->scale * (f->constant * f->unit));
    for (int s = 0; s < 2 * SCALE_ULPS + 1; s++)
        for (int b = 0; b < 2 * BIAS_ULPS + 1; b++) {
            f->new_scale = s == 0 ? f->scale : (double)moved((float)f->scale, alternate(s));
            f->new_bias = (double)moved(bias, alternate(b));
            if (agree_between(f, 2 * lo, 2 * hi)) return ANNULUS_OK;
        }
    return fail(ANNULUS_ERR_INFEASIBLE,
                "layer %zu, neuron %zu: no bias of single precision stands exactly for the removed neurons before it; "
                "remove others",
                layer + 1, o + 1);
}

/* Row o of layer i without the inputs that are gone, whose constants go into the bias. */
static annulus_status shrink_row(const network *n, size_t i, size_t o, const uint8_t *gone, const int32_t *emits,
                                 int64_t beyond, dense_layer *to, size_t row)
{
    const dense_layer *l = &n->layers[i];
    const arriving a = arrive(n, i);
    int64_t constant = 0, lo, hi;
    size_t at = 0;
    for (size_t k = 0; k < l->in; k++) {
        const int32_t w = l->W[o * l->in + k];
        if (gone != NULL && gone[k])
            constant += (int64_t)w * emits[k];
        else
            to->W[row * to->in + at++] = w;
    }
    fold f = {l, o, a.unit, (double)constant, l->w_scale[o], l->bias[o], l->w_scale[o], l->bias[o]};
    if (constant != 0 && i + 1 == n->layers_count)
        f.new_bias = (double)(float)(f.bias + f.scale * (f.constant * f.unit));
    else if (constant != 0) {
        sum_range(l, o, &a, gone, &lo, &hi);
        TRY(fold_constant(&f, lo - beyond, hi + beyond, i, o));
    }
    to->w_scale[row] = f.new_scale;
    to->bias[row] = f.new_bias;
    return ANNULUS_OK;
}

/* gone_in, emits: of the values that arrive, NULL for the inputs; gone: of the layer's own values, NULL for the last.
 */
static annulus_status shrink_layer(const network *n, size_t i, const uint8_t *gone_in, const int32_t *emits,
                                   const uint8_t *gone, dense_layer *to)
{
    const dense_layer *l = &n->layers[i];
    size_t in = 0, out = 0, row = 0;
    for (size_t k = 0; k < l->in; k++) in += gone_in == NULL || !gone_in[k];
    for (size_t o = 0; o < l->out; o++) out += gone == NULL || !gone[o * l->offsets];
    TRY(dense_layer_create(in, out, to));
    const dense_layer arrays = *to;
    const arriving a = arrive(n, i);
    const int64_t beyond = (widest(l, &a) + 1) / 2;
    *to = *l;
    to->in = in, to->out = out, to->W = arrays.W, to->w_scale = arrays.w_scale, to->bias = arrays.bias;
    to->vary = to->bound = NULL; /* the sums lose constants */
    if (l->vary != NULL) {
        void *p;
        TRY(mem_create(l->own.vary * out, sizeof(double), "constants", &p));
        to->vary = p;
    }
    for (size_t o = 0; o < l->out; o++) {
        if (gone != NULL && gone[o * l->offsets]) continue;
        for (size_t v = 0; v < l->own.vary; v++) to->vary[v * out + row] = l->vary[v * l->out + o];
        TRY(shrink_row(n, i, o, gone_in, emits, beyond, to, row++));
    }
    return ANNULUS_OK;
}

typedef struct marks {
    uint8_t *gone;
    int32_t *emits;
} marks;

static annulus_status marks_create(size_t count, marks *out)
{
    void *gone, *emits;
    TRY(mem_create(count, sizeof(uint8_t), "removed neurons", &gone));
    const annulus_status st = mem_create(count, sizeof(int32_t), "removed neurons", &emits);
    if (st == ANNULUS_OK)
        *out = (marks){gone, emits};
    else
        mem_free(gone);
    return st;
}

static void marks_clear(marks *m)
{
    mem_free(m->gone), mem_free(m->emits);
    *m = (marks){0};
}

static annulus_status shrink_dense(const network *n, network **out, size_t *removed)
{
    network *c = NULL;
    marks before = {0}, own = {0};
    *removed = 0;
    annulus_status st = network_frame(n, n->layers_count, &c);
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++) {
        const dense_layer *l = &n->layers[i];
        const int hidden = i + 1 < n->layers_count;
        if (hidden) st = marks_create(dense_layer_values(l), &own);
        if (st == ANNULUS_OK && hidden) find_gone(n, i, own.gone, own.emits);
        if (st == ANNULUS_OK) st = shrink_layer(n, i, before.gone, before.emits, own.gone, &c->layers[i]);
        if (st == ANNULUS_OK) *removed += l->out - c->layers[i].out;
        marks_clear(&before);
        before = own;
        own = (marks){0};
    }
    marks_clear(&before);
    if (st == ANNULUS_OK) st = network_copy_labels(n, c);
    if (st == ANNULUS_OK)
        *out = c;
    else
        network_destroy(c);
    return st;
}

static annulus_status shrink_once(const network *n, network **out, size_t *removed)
{
    return network_is_dense(n) ? shrink_dense(n, out, removed) : shrink_unread(n, out, removed);
}

annulus_status network_shrink(const network *n, network **out, size_t *removed)
{
    network *now = NULL, *next = NULL;
    size_t all = 0, some;
    TRY(shrink_once(n, &now, &some));
    while (some > 0) { /* what nobody reads any more goes as well */
        all += some;
        const annulus_status st = shrink_once(now, &next, &some);
        network_destroy(now);
        TRY(st);
        now = next;
    }
    *out = now;
    if (removed != NULL) *removed = all;
    return ANNULUS_OK;
}
