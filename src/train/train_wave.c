/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of waves. A row of weights is a direction times a gain (Salimans and Kingma, "Weight normalization", 2016,
 * equations 2 and 3), so that gain and direction are learnt apart and yet fold into one matrix with one step, which is
 * what the circuit multiplies by; inputs are counted from their means (there, section 4). The gain is a deviation of
 * phases: the direction is divided by the deviation of what arrives along it, without which phases spread while
 * directions are learnt. Forward it is one that follows the batches, so that what is trained is what runs; gradients
 * are those of a division by the batch's own (Ioffe, "Batch renormalization", 2017, section 3). Noise is common to the
 * values of a neuron, as one bootstrap gives them. */
#include "train/train_priv.h"

#include "base/parallel.h"

#include <math.h>
#include <string.h>

#define FOLLOW 0.02f         /* part of the way that a center goes to the mean of a batch */
#define FOLLOW_WIDE 0.1f     /* and a deviation to that of a batch */
#define LEAST_VARIANCE 1e-12 /* of phases, below which there is nothing to divide by */

typedef struct wave_pass {
    train_model *m;
    size_t layer, rows;
    uint64_t salt;
} wave_pass;

/* floorf for |x| < 2^31, in instructions that every processor has for vectors. */
static inline float floor_of(float x)
{
    const int i = train_whole(x);
    return (float)(i - (x < (float)i));
}

static inline float triangle(float u)
{
    const float side = u - floor_of(u + 0.5f);
    return 1 - 4 * (side < 0 ? -side : side);
}

static inline float clamped(float x)
{
    x = x < -1 ? -1 : x;
    return x > 1 ? 1 : x;
}

/* Of a trapezoid: steep on the edges, whose widths together are 1/steep of a period, falling on the second half. */
static inline float edge_slope(float u, float steep)
{
    const float t = u - 0.25f, side = t - floor_of(t + 0.5f), height = 1 - 4 * (side < 0 ? -side : side);
    const float slope = side < 0 ? 4 * steep : -4 * steep;
    return steep * (height < 0 ? -height : height) < 1 ? slope : 0;
}

/* v <- the wave at u (n); both may be the same. One loop for each wave, so that compilers can use vectors. */
static void wave_row(const train_layer *l, const float *u, float *v, size_t n)
{
    const float steep = 1 / (2 * l->rise);
    switch (l->act) {
    case ACTIVATION_TRAPEZOID:
        for (size_t k = 0; k < n; k++) v[k] = clamped(steep * triangle(u[k] - 0.25f));
        break;
    case ACTIVATION_SINE:
        for (size_t k = 0; k < n; k++) v[k] = sinf(6.2831853f * (u[k] - floor_of(u[k])));
        break;
    case ACTIVATION_SQUARE:
        for (size_t k = 0; k < n; k++) v[k] = u[k] - floor_of(u[k]) < 0.5f ? 1.0f : -1.0f;
        break;
    case ACTIVATION_WAVE:
        for (size_t k = 0; k < n; k++) v[k] = (float)function_apply(l->own, (double)u[k]);
        break;
    default:
        for (size_t k = 0; k < n; k++) v[k] = triangle(u[k]);
    }
}

static void slope_row(const train_layer *l, const float *u, float *v, size_t n)
{
    const float steep = 1 / (2 * l->rise);
    switch (l->act) {
    case ACTIVATION_SINE:
        for (size_t k = 0; k < n; k++) v[k] = 6.2831853f * cosf(6.2831853f * (u[k] - floor_of(u[k])));
        break;
    case ACTIVATION_TRIANGLE:
        for (size_t k = 0; k < n; k++) v[k] = u[k] - floor_of(u[k] + 0.5f) < 0 ? 4.0f : -4.0f;
        break;
    case ACTIVATION_WAVE:
        for (size_t k = 0; k < n; k++) v[k] = train_function_slope(l->own, u[k]);
        break;
    default:
        for (size_t k = 0; k < n; k++) v[k] = edge_slope(u[k], steep);
    }
}

float train_wave(const train_layer *l, float u)
{
    wave_row(l, &u, &u, 1);
    return u;
}

float train_wave_slope(const train_layer *l, float u)
{
    slope_row(l, &u, &u, 1);
    return u;
}

/* at (neurons,offsets) <- the phases u (neurons), each moved by its parts of half a period. */
static void spread_offsets(const train_layer *l, const float *u, float *at)
{
    for (size_t j = 0; j < l->offsets; j++) {
        const float move = 0.5f * (float)j / (float)l->offsets;
        for (size_t o = 0; o < l->out; o++) at[o * l->offsets + j] = u[o] + move;
    }
}

void train_wave_weights(train_layer *l)
{
    for (size_t o = 0; o < l->out; o++) {
        const float *w = l->w.x + o * l->in;
        double square = 0;
        for (size_t i = 0; i < l->in; i++) square += (double)w[i] * (double)w[i];
        l->inv_norm[o] = (float)(1 / (sqrt(square + 1e-20) * (double)l->wide[o]));
        const float gain = l->gamma.x[o] * l->inv_norm[o];
        for (size_t i = 0; i < l->in; i++) l->wq[o * l->in + i] = gain * w[i];
    }
}

/* (in) what the inputs of neuron o are counted from. */
static float *center_of(const train_layer *l, size_t o)
{
    return l->center + o / (l->out / l->groups) * l->in;
}

void train_wave_base(train_layer *l)
{
    for (size_t o = 0; o < l->out; o++) {
        const float *center = center_of(l, o);
        double sum = 0;
        for (size_t i = 0; i < l->in; i++) sum += (double)l->wq[o * l->in + i] * (double)center[i];
        l->base[o] = (float)sum;
    }
}

static void quantize_row(const train_layer *l, const float *v, float *y, size_t n)
{
    const float lo = (float)l->lo, hi = (float)l->hi, top = l->top;
    for (size_t k = 0; l->two && k < n; k++) y[k] = v[k] >= 0 ? 1.0f : -1.0f;
    if (l->two) return;
    for (size_t k = 0; k < n; k++) {
        float q = train_round(v[k] * top);
        q = q < lo ? lo : q;
        y[k] = (q > hi ? hi : q) / top;
    }
}

static annulus_status forward_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const wave_pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    const size_t first = rows.first, end = rows.first + rows.count, values = l->out * l->offsets;
    const float noise = p->m->quiet ? 0 : l->noise;
    const float value_noise = p->m->quiet || l->hi == 0 ? 0 : l->value_noise / l->top;
    train_random r;
    train_random_init(&r, p->m->key, p->salt, 0x200000000u + (p->layer << 24) + chunk);
    for (size_t i = first; i < end; i++) {
        const float *z = l->z + i * l->out;
        float *u = l->u + i * l->out, *v = l->v + i * values, *y = l->y + i * values;
        for (size_t o = 0; o < l->out; o++) {
            u[o] = z[o] - l->base[o] + l->beta.x[o];
            if (noise > 0) u[o] += noise * train_random_bell(&r);
        }
        spread_offsets(l, u, v);
        wave_row(l, v, v, values);
        if (l->hi > 0)
            quantize_row(l, v, y, values);
        else
            memcpy(y, v, values * sizeof *y);
        for (size_t k = 0; value_noise > 0 && k < values; k++) y[k] += value_noise * train_random_bell(&r);
    }
    return ANNULUS_OK;
}

annulus_status train_wave_forward(train_model *m, size_t layer, size_t rows, uint64_t salt)
{
    wave_pass p = {.m = m, .layer = layer, .rows = rows, .salt = salt};
    return parallel_for(train_chunks(rows), m->threads, forward_chunk, &p);
}

static annulus_status backward_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const wave_pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    const size_t first = rows.first, end = rows.first + rows.count, values = l->out * l->offsets;
    float *beta = train_part(l, chunk), *along = beta + l->out;
    memset(beta, 0, 2 * l->out * sizeof *beta);
    for (size_t i = first; i < end; i++) {
        const float *dy = l->dy + i * values;
        float *slope = l->v + i * values, *dz = l->dz + i * l->out; /* nobody reads v again */
        spread_offsets(l, l->u + i * l->out, slope);
        slope_row(l, slope, slope, values);
        for (size_t k = 0; k < values; k++) slope[k] *= dy[k];
        for (size_t o = 0; o < l->out; o++) {
            float du = 0;
            for (size_t j = 0; j < l->offsets; j++) du += slope[o * l->offsets + j];
            dz[o] = du;
            beta[o] += du;
            along[o] += du * (l->z[i * l->out + o] - l->base[o]);
        }
    }
    return ANNULUS_OK;
}

/* Sums of z about base, and of its squares. */
static annulus_status moments_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const wave_pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    float *sum = train_part(l, chunk), *square = sum + l->out;
    memset(sum, 0, 2 * l->out * sizeof *sum);
    for (size_t i = rows.first; i < rows.first + rows.count; i++)
        for (size_t o = 0; o < l->out; o++) {
            const float e = l->z[i * l->out + o] - l->base[o];
            sum[o] += e;
            square[o] += e * e;
        }
    return ANNULUS_OK;
}

/* mean of z, and inv: 1 over its deviation, or 0 where it has none. */
static annulus_status moments(wave_pass *p)
{
    const train_layer *l = &p->m->layer[p->layer];
    const size_t chunks = train_chunks(p->rows);
    const double all = (double)(p->rows * l->places);
    TRY(parallel_for(chunks, p->m->threads, moments_chunk, p));
    for (size_t o = 0; o < l->out; o++) {
        const double mean = train_sum_parts(l, chunks, o) / all;
        const double variance = train_sum_parts(l, chunks, l->out + o) / all - mean * mean;
        l->mean[o] = l->base[o] + (float)mean;
        l->inv[o] = variance > LEAST_VARIANCE ? (float)(1 / sqrt(variance)) : 0;
    }
    return ANNULUS_OK;
}

/* wide of neuron o as a batch has it, along its quantized row, however coarse that is; what it was where that is 0. */
static float width_of(const train_layer *l, size_t o)
{
    const float *w = l->wq + o * l->in;
    double square = 0;
    for (size_t i = 0; i < l->in; i++) square += (double)w[i] * (double)w[i];
    if (l->inv[o] == 0 || square == 0) return l->wide[o];
    return (float)sqrt(1 / ((double)l->inv[o] * (double)l->inv[o] * square) + (double)TRAIN_EPSILON);
}

/* Whether the gain multiplies sums of neuron o that vary. */
static int has_gain(const train_layer *l, size_t o)
{
    return l->inv[o] > 0 && l->gamma.x[o] != 0;
}

/* dz -> what is left of it as the deviation of z is divided by. */
static annulus_status divided_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const wave_pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    for (size_t i = rows.first; i < rows.first + rows.count; i++)
        for (size_t o = 0; o < l->out; o++)
            l->dz[i * l->out + o] -= l->mean_dz[o] * l->inv[o] * (l->z[i * l->out + o] - l->mean[o]);
    return ANNULUS_OK;
}

annulus_status train_wave_backward(train_model *m, size_t layer, size_t rows)
{
    const size_t chunks = train_chunks(rows);
    const train_layer *l = &m->layer[layer];
    wave_pass p = {.m = m, .layer = layer, .rows = rows};
    TRY(parallel_for(chunks, m->threads, backward_chunk, &p));
    for (size_t o = 0; o < l->out; o++) {
        l->beta.g[o] = (float)train_sum_parts(l, chunks, o);
        /* times z about base, not yet over its deviation */
        l->mean_dz[o] = (float)train_sum_parts(l, chunks, l->out + o);
    }
    TRY(moments(&p));
    for (size_t o = 0; o < l->out; o++) {
        if (has_gain(l, o)) l->gamma.g[o] = l->mean_dz[o] / l->gamma.x[o];
        l->mean_dz[o] *= l->inv[o] / (float)(rows * l->places);
    }
    return parallel_for(chunks, m->threads, divided_chunk, &p);
}

void train_wave_counted(train_layer *l, size_t first, size_t count)
{
    for (size_t o = first; o < first + count; o++) {
        const float *center = center_of(l, o);
        for (size_t i = 0; i < l->in; i++) l->w.g[o * l->in + i] -= l->beta.g[o] * center[i];
    }
}

void train_wave_gradients(train_layer *l, size_t first, size_t count)
{
    for (size_t o = first; o < first + count; o++) {
        const float *w = l->w.x + o * l->in;
        float *g = l->w.g + o * l->in;
        double along = 0;
        for (size_t i = 0; i < l->in; i++) along += (double)g[i] * (double)w[i] * (double)l->inv_norm[o];
        if (!has_gain(l, o)) l->gamma.g[o] = (float)along;
        const float gain = l->gamma.x[o] * l->inv_norm[o], part = (float)along * l->inv_norm[o];
        for (size_t i = 0; i < l->in; i++) g[i] = gain * (g[i] - part * w[i]);
    }
}

/* Columns of the inputs that have a mean of their own: of a convolution its channels. */
static size_t columns_of(const train_layer *l)
{
    return l->windows.channels > 0 ? l->windows.channels : l->in;
}

size_t train_wave_means(const train_layer *l, size_t batch)
{
    return columns_of(l) * (l->windows.channels > 0 ? train_chunks(batch) : 1);
}

/* Sums of the columns over a chunk of samples, of a dense layer over all. */
static annulus_status sum_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const wave_pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span samples = l->from != NULL ? train_samples(p->rows, chunk) : (train_span){0, p->rows};
    const size_t n = columns_of(l), each = l->takes / n;
    const float *x = train_arriving(p->m, p->layer) + samples.first * l->takes;
    double *sum = l->sums + chunk * n;
    memset(sum, 0, n * sizeof *sum);
    for (size_t k = 0; k < samples.count * each; k++)
        for (size_t i = 0; i < n; i++) sum[i] += (double)x[k * n + i];
    return ANNULUS_OK;
}

/* center <- center + share*(mean of the layer's inputs - center). */
static annulus_status move_center(train_model *m, size_t layer, size_t rows, float share)
{
    const train_layer *l = &m->layer[layer];
    const size_t n = columns_of(l), chunks = l->from != NULL ? train_chunks(rows) : 1;
    const size_t channels = n / l->groups;
    wave_pass p = {.m = m, .layer = layer, .rows = rows};
    TRY(parallel_for(chunks, m->threads, sum_chunk, &p));
    for (size_t c = 1; c < chunks; c++)
        for (size_t i = 0; i < n; i++) l->sums[i] += l->sums[c * n + i];
    for (size_t i = 0; i < l->groups * l->in; i++) {
        const size_t column = l->from != NULL ? i / l->in * channels + i % channels : i;
        /* still: weights 0 */
        const int still = layer == 0 && l->from == NULL && m->still[i];
        const float mean = still ? 0.0f : (float)(l->sums[column] / (double)(rows * (l->takes / n)));
        l->center[i] += share * (mean - l->center[i]);
    }
    return ANNULUS_OK;
}

annulus_status train_wave_follow(train_model *m, size_t rows)
{
    for (size_t i = 1; i < m->layers; i++)
        if (train_has_waves(&m->layer[i])) TRY(move_center(m, i, rows, FOLLOW));
    for (size_t i = 0; i < m->layers; i++) {
        const train_layer *l = &m->layer[i];
        for (size_t o = 0; train_has_waves(l) && o < l->out; o++)
            l->wide[o] += FOLLOW_WIDE * (width_of(l, o) - l->wide[o]);
    }
    return ANNULUS_OK;
}

/* wide of layer i, which was 1, as the batch has it; the weights stay as they are. */
static annulus_status widen(train_model *m, size_t i, size_t rows)
{
    const train_layer *l = &m->layer[i];
    wave_pass p = {.m = m, .layer = i, .rows = rows};
    TRY(moments(&p));
    for (size_t o = 0; o < l->out; o++) {
        l->wide[o] = width_of(l, o);
        l->gamma.x[o] *= l->wide[o];
    }
    return ANNULUS_OK;
}

annulus_status train_wave_center(train_model *m, const train_source *source, size_t rows)
{
    float drop[TRAIN_MAX_HIDDEN + 1];
    double loss;
    m->quiet = 1;
    for (size_t i = 0; i < m->layers; i++) drop[i] = m->layer[i].drop, m->layer[i].drop = 0;
    annulus_status st = train_weights_quantize(m);
    if (st == ANNULUS_OK) st = train_forward(m, source, rows, 1, &loss);
    m->quiet = 0;
    for (size_t i = 0; i < m->layers; i++) m->layer[i].drop = drop[i];
    TRY(st);
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        if (!train_has_waves(l)) continue;
        TRY(move_center(m, i, rows, 1));
        TRY(widen(m, i, rows));
    }
    TRY(train_weights_quantize(m));
    for (size_t i = 0; i < m->layers; i++)
        for (size_t o = 0; train_has_waves(&m->layer[i]) && o < m->layer[i].out; o++)
            m->layer[i].beta.x[o] += m->layer[i].base[o];
    return ANNULUS_OK;
}

annulus_status train_wave_start(train_model *m, const train_source *source, size_t rows)
{
    double loss;
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        if (!train_has_waves(l)) continue;
        TRY(train_weights_quantize(m));
        TRY(train_forward(m, source, rows, 1, &loss));
        TRY(move_center(m, i, rows, 1));
        TRY(widen(m, i, rows));
        for (size_t o = 0; o < l->out; o++) l->gamma.x[o] = m->spread;
    }
    return ANNULUS_OK;
}
