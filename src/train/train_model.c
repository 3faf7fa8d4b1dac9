/* SPDX-License-Identifier: Apache-2.0 */
/* The model's memory, weight quantizer, and the trainer's random numbers. */
#include "train/train_priv.h"

#include "base/parallel.h"
#include "base/random.h"

#include <math.h>
#include <string.h>

annulus_status train_key(uint64_t seed, uint64_t *out)
{
    seed256 s = {{0}};
    for (unsigned i = 0; i < 8; i++) s.b[i] = (uint8_t)(seed >> (8 * i));
    stream *r = NULL;
    TRY(stream_create(&s, RANDOM_TRAINING, 0, &r));
    uint64_t key = 0;
    const annulus_status st = stream_u64s(r, &key, 1);
    stream_destroy(r);
    if (st == ANNULUS_OK) *out = key;
    return st;
}

static uint64_t splitmix(uint64_t *state)
{
    const uint64_t z = random_mix(*state);
    *state += RANDOM_STEP;
    return z;
}

void train_random_init(train_random *r, uint64_t key, uint64_t a, uint64_t b)
{
    uint64_t state = key;
    state = splitmix(&state) ^ a;
    state = splitmix(&state) ^ b;
    for (unsigned i = 0; i < 4; i++) r->s[i] = splitmix(&state);
}

uint64_t train_random_u64(train_random *r)
{
    uint64_t *s = r->s;
    const uint64_t x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

uint64_t train_random_below(train_random *r, uint64_t bound)
{
    const uint64_t reject = (0 - bound) % bound; /* 2^64 mod bound */
    uint64_t x;
    do x = train_random_u64(r);
    while (x < reject);
    return x % bound;
}

float train_random_bell(train_random *r)
{
    const uint64_t x = train_random_u64(r);
    const int sum = (int)(x & 0xffff) + (int)(x >> 16 & 0xffff) + (int)(x >> 32 & 0xffff) + (int)(x >> 48);
    return ((float)sum - 131070.0f) * 2.6429e-5f; /* sqrt(3)/65536 */
}

static annulus_status floats_create(size_t n, const char *what, float **out)
{
    void *p;
    TRY(mem_create(n, sizeof(float), what, &p));
    *out = p;
    return ANNULUS_OK;
}

static annulus_status param_create(size_t n, param *out)
{
    out->n = n;
    TRY(floats_create(n, "weights", &out->x));
    TRY(floats_create(n, "gradients", &out->g));
    TRY(floats_create(n, "first moments", &out->m));
    return floats_create(n, "second moments", &out->v);
}

static void param_destroy(param *p)
{
    mem_free(p->x);
    mem_free(p->g);
    mem_free(p->m);
    mem_free(p->v);
}

static annulus_status room_create(train_model *m)
{
    const unsigned workers = parallel_threads(m->threads);
    for (size_t i = 0; i < m->layers; i++) {
        const size_t room = m->layer[i].from != NULL ? train_conv_room(&m->layer[i]) : 0;
        if (room > m->room_each) m->room_each = room;
    }
    return m->room_each == 0 ? ANNULUS_OK : floats_create(workers * m->room_each, "windows", &m->room);
}

static annulus_status layer_create(size_t batch, train_layer *l)
{
    const size_t cells = batch * l->places * l->out, many = batch * l->values;
    const size_t chunks = train_chunks(batch);
    if (l->in > SIZE_MAX / l->out || l->values > SIZE_MAX / batch / 8)
        return fail(ANNULUS_ERR_INPUT, "training options: a layer of %zu by %zu does not fit", l->out, l->in);
    TRY(param_create(l->in * l->out, &l->w));
    TRY(param_create(l->out, &l->gamma));
    TRY(param_create(l->out, &l->beta));
    TRY(param_create(1, &l->step));
    if (l->learns) TRY(param_create(l->out, &l->log_scale));
    TRY(floats_create(l->in * l->out, "quantized weights", &l->wq));
    TRY(floats_create(l->out, "weight scales", &l->scale));
    TRY(floats_create(2 * l->out, "ranges", &l->range));
    TRY(floats_create(l->out, "cells", &l->cell));
    TRY(floats_create(cells, "activations", &l->z));
    TRY(floats_create(cells, "activations", &l->noisy));
    TRY(floats_create(cells, "activations", &l->u));
    TRY(floats_create(many, "activations", &l->v));
    TRY(floats_create(many, "activations", &l->y));
    TRY(floats_create(cells, "activation gradients", &l->dz));
    if (train_has_waves(l)) {
        TRY(floats_create(many, "activation gradients", &l->dy));
        void *sums;
        TRY(mem_create(train_wave_means(l, batch), sizeof *l->sums, "sums of inputs", &sums));
        l->sums = sums;
        TRY(floats_create(l->groups * l->in, "centers", &l->center));
        TRY(floats_create(l->out, "centers", &l->base));
        TRY(floats_create(l->out, "norms", &l->inv_norm));
        TRY(floats_create(l->out, "deviations", &l->wide));
        for (size_t o = 0; o < l->out; o++) l->wide[o] = 1;
    }
    TRY(floats_create(l->out, "batch means", &l->mean));
    TRY(floats_create(l->out, "batch deviations", &l->inv));
    TRY(floats_create(l->out, "gains", &l->gain));
    TRY(floats_create(l->out, "gradient means", &l->mean_d));
    TRY(floats_create(l->out, "gradient means", &l->mean_dz));
    TRY(floats_create(chunks * (4 * l->out + 1), "partial sums", &l->part));
    TRY(train_arrive_create(batch, l));
    return l->windows.channels > 0 ? train_conv_create(batch, l) : ANNULUS_OK;
}

static void layer_destroy(train_layer *l)
{
    param_destroy(&l->w);
    param_destroy(&l->gamma);
    param_destroy(&l->beta);
    param_destroy(&l->step);
    param_destroy(&l->log_scale);
    float *const all[] = {l->wq,     l->z,       l->noisy, l->u,    l->v,      l->y,    l->scale,
                          l->kept,   l->range,   l->cell,  l->dz,   l->mean,   l->inv,  l->gain,
                          l->mean_d, l->mean_dz, l->part,  l->dy,   l->center, l->base, l->inv_norm,
                          l->wide,   l->x,       l->dx,    l->mask, l->sum,    l->dsum, l->dw};
    mem_free(l->score_noise);
    mem_free(l->from);
    mem_free(l->sums);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) mem_free(all[i]);
}

/* Where values of an activation without bounds are clipped at first, in deviations of a normal one: of two values,
 * where half of it, or its magnitude, has the least error. */
static float first_clip(const train_layer *l)
{
    return l->two ? 0.8f : l->hi == 1 && l->lo == 0 ? 1.2f : 2.5f;
}

/* Weights uniform with variance 2/in (He et al. 2015), of sums as of averages, none for columns that never change;
 * scale such that bounded activations fill the range. */
static void layer_init(train_layer *l, const uint8_t *still, train_random *r)
{
    const float parts = (float)(l->summed ? train_fold_values(l) : 1),
                bound = sqrtf((l->last ? 3.0f : 6.0f) / (float)l->in) / parts;
    for (size_t o = 0; o < l->out; o++)
        for (size_t i = 0; i < l->in; i++) {
            const float u = (float)(train_random_u64(r) >> 40) * 0x1p-23f - 1.0f;
            l->w.x[o * l->in + i] = still != NULL && still[i] ? 0.0f : bound * u;
        }
    for (size_t o = 0; o < l->out; o++) l->gamma.x[o] = 1.0f;
    if (l->hi > 0) l->step.x[0] = logf((train_act_bounded(l->act) ? 1.0f : first_clip(l)) / (float)l->hi);
}

static double dropout_of(const train_options *o, size_t i)
{
    if (o->layer_dropout_count > 0) return o->layer_dropout[i];
    return i > 0 && i >= o->conv_count ? o->dropout : 0;
}

static annulus_status layer_shape(const train_data *t, const train_options *o, size_t i, int quantized, train_layer *l)
{
    const size_t hidden = i - o->conv_count;
    l->last = i == o->conv_count + o->hidden_count;
    l->out = l->last ? t->outputs : i < o->conv_count ? o->conv[i].channels : o->hidden[hidden];
    const train_activation a = l->last ? (train_activation){.act = ACTIVATION_IDENTITY} : train_activation_of(o, i);
    l->act = a.act;
    l->own = a.own;
    const activation before = i > 0 ? l[-1].act : o->act;
    l->common = activation_is_wave(l->act) || (l->last && activation_is_wave(before));
    l->offsets = activation_is_wave(l->act) ? a.offsets : 1;
    l->rise = (float)a.rise;
    l->learns = quantized && o->clip_learned;
    l->clip = quantized ? (float)(o->clip_percentile / 100) : 0;
    l->power_of_two = quantized && o->power_of_two;
    l->takes = i == 0 ? t->features : l[-1].values;
    l->places = l->groups = 1;
    if (i > 0 && i <= o->conv_count) TRY(train_average_shape(o, i, l));
    l->in = l->takes;
    if (i < o->conv_count) TRY(train_conv_shape(t, o, i, l));
    if (i >= o->conv_count && !l->last) TRY(train_added_shape(o, i, l));
    if (quantized) l->drop = (float)dropout_of(o, i);
    l->values = l->places * l->out * l->offsets;
    l->bits = !quantized ? 0 : o->layer_weight_bits[i] > 0 ? o->layer_weight_bits[i] : o->weight_bits;
    if (o->from != NULL && quantized) train_from_shape(o->from, i, l);
    if (l->last || !quantized || o->from != NULL) return ANNULUS_OK;
    const int is_signed = train_act_signed(&a);
    const quantizer q = {.bits = a.bits, .is_signed = is_signed, .narrow = is_signed};
    quantizer_range(&q, &l->lo, &l->hi);
    l->two = quantizer_is_bipolar(&q);
    l->top = (float)(l->hi + (l->power_of_two && !l->two));
    return ANNULUS_OK;
}

static annulus_status model_fill(const train_data *t, const train_options *o, int quantized, train_model *m)
{
    const size_t chunks = train_chunks(m->batch);
    void *p;
    TRY(mem_create(m->layers, sizeof *m->layer, "training layers", &p));
    m->layer = p;
    TRY(mem_create(chunks, sizeof *m->loss, "losses", &p));
    m->loss = p;
    TRY(mem_create(m->batch, sizeof *m->label, "batch labels", &p));
    m->label = p;
    if (t->features > SIZE_MAX / m->batch) return fail(ANNULUS_ERR_INPUT, "training options: batch is too large");
    TRY(floats_create(m->batch * t->features, "batch", &m->x));
    TRY(floats_create(m->batch * t->outputs, "batch targets", &m->t));
    if (o->class_weights != NULL || o->classes_balanced) {
        TRY(floats_create(t->outputs, "class weights", &m->class_weight));
        TRY(train_class_weights(t, o, m->class_weight));
    }
    train_random r;
    train_random_init(&r, m->key, 2, 0);
    for (size_t i = 0; i < m->layers; i++) {
        TRY(layer_shape(t, o, i, quantized, &m->layer[i]));
        TRY(layer_create(m->batch, &m->layer[i]));
        layer_init(&m->layer[i], i == 0 && o->conv_count == 0 ? t->still : NULL, &r);
    }
    TRY(room_create(m));
    TRY(train_group(m));
    if (quantized) TRY(train_bound_init(m, t, o));
    TRY(train_noise_init(m, t, o));
    if (o->from == NULL) return ANNULUS_OK;
    TRY(train_from_fill(o->from, t, m));
    train_thresholds_out(o, m);
    return ANNULUS_OK;
}

annulus_status train_model_create(const train_data *t, const train_options *o, uint64_t key, int quantized,
                                  train_model *out)
{
    train_model m = {.layers = o->conv_count + o->hidden_count + 1,
                     .batch = o->batch < t->train ? o->batch : t->train,
                     .classes = t->target == NULL,
                     .labels = t->binary,
                     .still = t->still,
                     .spread = (float)o->spread,
                     .outlier = (float)o->outlier,
                     .input_unit = (float)t->input.scale,
                     .threads = o->threads,
                     .key = key};
    const annulus_status st = model_fill(t, o, quantized, &m);
    if (st == ANNULUS_OK)
        *out = m;
    else
        train_model_destroy(&m);
    return st;
}

void train_model_destroy(train_model *m)
{
    for (size_t i = 0; m->layer != NULL && i < m->layers; i++) layer_destroy(&m->layer[i]);
    mem_free(m->layer);
    mem_free(m->room);
    mem_free(m->loss);
    mem_free(m->label);
    mem_free(m->class_weight);
    mem_free(m->x);
    mem_free(m->t);
    *m = (train_model){0};
}

float train_weight_scale(const float *w, size_t n, unsigned bits, float part)
{
    /* Clip of the uniform quantizer of least error for a normal source, in deviations, half a step inside its outermost
     * level (Max 1960, table II), for 2..8 bits narrow; for more by integration. */
    static const float clip[TRAIN_WEIGHT_BITS + 1] = {0,    0,    1.22f, 1.95f, 2.5f,  3.0f, 3.4f, 3.8f, 4.2f,
                                                      4.3f, 4.5f, 4.75f, 5.0f,  5.25f, 5.5f, 5.7f, 5.95f};
    float top = 0;
    double square = 0, sum = 0;
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        const float a = fabsf(w[i]);
        top = a > top ? a : top;
        used += a > 0;
        sum += (double)a;
        square += (double)a * (double)a;
    }
    const float levels = (float)((1 << (bits - 1)) - 1);
    if (!(top > 1e-20f)) return 1.0f;
    if (bits == 1) return (float)(sum / (double)used);
    if (part > 0) return fmaxf(train_percentile(w, n, part), 1e-20f) / levels;
    const float fit = clip[bits] * (float)sqrt(square / (double)used);
    return (fit < top ? fit : top) / levels;
}

float train_row_scale(const train_layer *l, size_t o, const float *w)
{
    const float scale = l->learnt         ? expf(l->log_scale.x[o])
                        : l->kept != NULL ? l->kept[o]
                                          : train_weight_scale(w, l->in, l->bits, l->clip);
    return (l->last || train_has_waves(l)) && l->power_of_two ? train_power_of_two(scale) : scale;
}

static annulus_status quantize_rows(void *context, size_t item, unsigned worker)
{
    (void)worker;
    train_layer *l = context;
    const size_t first = item * TRAIN_CHANNELS, end = first + TRAIN_CHANNELS < l->out ? first + TRAIN_CHANNELS : l->out;
    const float hi = (float)((1 << (l->bits - 1)) - 1);
    for (size_t o = first; o < end; o++) {
        if (train_bounds(l)) {
            train_bound_row(l, o);
            continue;
        }
        const float *w = (train_has_waves(l) ? l->wq : l->w.x) + o * l->in;
        float *q = l->wq + o * l->in;
        const float s = train_has_unit(l) ? l->unit : train_row_scale(l, o, w), inv = 1.0f / s;
        l->scale[o] = s;
        for (size_t i = 0; l->bits == 1 && i < l->in; i++) q[i] = w[i] == 0 ? 0 : copysignf(s, w[i]);
        for (size_t i = 0; l->bits > 1 && i < l->in; i++) {
            float x = w[i] * inv;
            x = x > hi ? hi : x;
            x = x < -hi ? -hi : x;
            q[i] = s * train_round(x);
        }
    }
    return ANNULUS_OK;
}

annulus_status train_weights_quantize(train_model *m)
{
    train_share_steps(m);
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        if (train_has_waves(l))
            train_wave_weights(l);
        else if (l->bits == 0)
            memcpy(l->wq, l->w.x, l->w.n * sizeof(float));
        if (!train_has_unit(l) || l->bits == 0) continue;
        l->unit = l->learnt ? expf(l->log_scale.x[0])
                            : train_weight_scale(train_has_waves(l) ? l->wq : l->w.x, l->w.n, l->bits, l->clip);
        if (l->power_of_two) l->unit = train_power_of_two(l->unit);
    }
    train_share_units(m);
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        if (l->bits > 0)
            TRY(parallel_for((l->out + TRAIN_CHANNELS - 1) / TRAIN_CHANNELS, m->threads, quantize_rows, l));
        if (train_has_waves(l)) train_wave_base(l);
    }
    return ANNULUS_OK;
}
