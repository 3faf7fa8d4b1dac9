/* SPDX-License-Identifier: Apache-2.0 */
/* Forward pass of one batch. Work is cut into chunks of TRAIN_ROWS rows: partial sums of a chunk go to the layer's
 * `part` and are added in order, so that the result is the same for any number of threads. */
#include "train/train_priv.h"

#include "base/parallel.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

#define OUTLIER_FROM 3.0f /* deviations */

typedef struct pass {
    train_model *m;
    const train_source *source; /* NULL: the batch is in place */
    size_t layer, rows;
    uint64_t salt;
} pass;

/* How far apart channels and pixels of a sample of the batch lie: convolutions take channels last. */
typedef struct layout {
    size_t channel, pixel;
} layout;

/* x <- a channel q of a picture, moved, 0 where nothing arrives. */
static void moved(const train_data *t, const uint8_t *q, train_move m, size_t pixel, float *x)
{
    const float scale = (float)t->input.scale;
    for (size_t r = 0; r < t->height; r++)
        for (size_t c = 0; c < t->width; c++, x += pixel) {
            const size_t from = train_moved_from(t, m, r, c);
            *x = from != SIZE_MAX ? scale * (float)(q[from] + t->lo) : 0.0f;
        }
}

void train_moves_draw(const train_source *s, train_span samples, uint64_t key, uint64_t salt, train_move *out)
{
    const uint64_t places = 2 * s->shift + 1;
    train_random r;
    train_random_init(&r, key, salt, 0x100000000u + samples.first / TRAIN_ROWS);
    for (size_t i = 0; i < samples.count; i++) {
        out[i] = (train_move){0};
        if (!train_moves(s->data, s->shift, s->flip)) continue;
        out[i].dy = (int)train_random_below(&r, places) - (int)s->shift;
        out[i].dx = (int)train_random_below(&r, places) - (int)s->shift;
        out[i].mirror = s->flip && (train_random_u64(&r) >> 63) != 0;
    }
}

static void fetch(const pass *p, size_t chunk)
{
    const train_source *s = p->source;
    const train_data *t = s->data;
    const train_span rows = train_samples(p->rows, chunk);
    const float scale = (float)t->input.scale;
    const size_t pixels = t->height * t->width;
    const layout at = p->m->layer[0].from != NULL ? (layout){1, t->channels} : (layout){pixels, 1};
    const int in_order = at.pixel == 1 && !train_moves(t, s->shift, s->flip);
    train_move moves[TRAIN_ROWS];
    train_moves_draw(s, rows, p->m->key, p->salt, moves);
    for (size_t i = rows.first; i < rows.first + rows.count; i++) {
        const size_t sample = s->order[s->first + i];
        const uint8_t *q = t->q + sample * t->features;
        float *x = p->m->x + i * t->features;
        for (size_t f = 0; in_order && f < t->features; f++) x[f] = scale * (float)(q[f] + t->lo);
        for (size_t c = 0; !in_order && c < t->channels; c++)
            moved(t, q + c * pixels, moves[i - rows.first], at.pixel, x + c * at.channel);
        if (t->target == NULL)
            p->m->label[i] = t->label[sample];
        else
            memcpy(p->m->t + i * t->outputs, t->target + sample * t->outputs, t->outputs * sizeof(float));
    }
}

/* z <- x W^T, and the sums of z of this chunk. */
static annulus_status linear_chunk(void *context, size_t chunk, unsigned worker)
{
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk), samples = train_samples(p->rows, chunk);
    float *z = l->z + rows.first * l->out, *sum = train_part(l, chunk);
    if (p->layer == 0 && p->source != NULL) fetch(p, chunk);
    train_arrive(p->m, p->layer, chunk, samples, p->salt);
    if (l->from != NULL)
        train_conv_forward(p->m, p->layer, samples, worker);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)rows.count, (blasint)l->out, (blasint)l->in, 1.0f,
                    train_arriving(p->m, p->layer) + rows.first * l->in, (blasint)l->in, l->wq, (blasint)l->in, 0.0f, z,
                    (blasint)l->out);
    if (train_has_waves(l)) return ANNULUS_OK;
    memset(sum, 0, l->out * sizeof *sum);
    for (size_t i = 0; i < rows.count; i++)
        for (size_t o = 0; o < l->out; o++) sum[o] += z[i * l->out + o];
    return ANNULUS_OK;
}

/* The squares of z about the batch mean, summed over this chunk. */
static annulus_status square_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    const float *z = l->z + rows.first * l->out;
    float *square = train_part(l, chunk);
    memset(square, 0, l->out * sizeof *square);
    for (size_t i = 0; i < rows.count; i++)
        for (size_t o = 0; o < l->out; o++) {
            const float e = z[i * l->out + o] - l->mean[o];
            square[o] += e * e;
        }
    return ANNULUS_OK;
}

/* mean <- sum of the chunks' first parts over the rows of the layer. */
static void reduce(const pass *p, size_t chunks, float *mean)
{
    const train_layer *l = &p->m->layer[p->layer];
    for (size_t o = 0; o < l->out; o++)
        mean[o] = (float)(train_sum_parts(l, chunks, o) / (double)(p->rows * l->places));
}

static void quantize_row(const train_layer *l, float scale, const float *v, float *y)
{
    const float inv = 1.0f / scale, lo = (float)l->lo, hi = (float)l->hi;
    for (size_t o = 0; l->two && o < l->out; o++) y[o] = v[o] >= 0 ? scale : -scale;
    for (size_t o = 0; !l->two && o < l->out; o++) {
        float k = v[o] * inv;
        k = k > hi ? hi : k;
        k = k < lo ? lo : k;
        y[o] = scale * train_round(k);
    }
}

/* z -> normalised, noisy, affine, activation, quantized. The chunk's penalty goes to loss. */
static annulus_status activate_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    const float scale = train_step_scale(l);
    double penalty = 0;
    train_random r;
    train_random_init(&r, p->m->key, p->salt, 0x200000000u + (p->layer << 24) + chunk);
    for (size_t i = rows.first; i < rows.first + rows.count; i++) {
        float *z = l->z + i * l->out, *noisy = l->noisy + i * l->out, *u = l->u + i * l->out, *v = l->v + i * l->out;
        for (size_t o = 0; o < l->out; o++) {
            z[o] = (z[o] - l->mean[o]) * l->inv[o];
            noisy[o] = z[o];
            const float beyond = fabsf(z[o]) - OUTLIER_FROM;
            if (beyond > 0) penalty += (double)(beyond * beyond);
        }
        if (l->cells > 0 && !p->m->quiet)
            train_noise_row(l, &r, noisy);
        else if (l->noise > 0 && !p->m->quiet)
            for (size_t o = 0; o < l->out; o++) noisy[o] += l->noise * train_random_bell(&r);
        for (size_t o = 0; o < l->out; o++) u[o] = l->gain[o] * noisy[o] + l->beta.x[o];
        for (size_t o = 0; o < l->out; o++) v[o] = train_act(l, u[o]);
        if (l->hi > 0)
            quantize_row(l, scale, v, l->y + i * l->out);
        else
            memcpy(l->y + i * l->out, v, l->out * sizeof *v);
        for (size_t o = 0; l->value_noise > 0 && !p->m->quiet && o < l->out; o++)
            l->y[i * l->out + o] += l->value_noise * scale * train_random_bell(&r);
    }
    p->m->loss[chunk] += (double)p->m->outlier * penalty / (double)(p->rows * l->places);
    return ANNULUS_OK;
}

/* Cross-entropy of the scores u; its gradient per row. */
static double softmax_loss(size_t classes, const float *u, int32_t label, float weight, float *d)
{
    float top = u[0], sum = 0;
    for (size_t o = 1; o < classes; o++) top = u[o] > top ? u[o] : top;
    for (size_t o = 0; o < classes; o++) sum += d[o] = expf(u[o] - top);
    for (size_t o = 0; o < classes; o++) d[o] *= weight / sum;
    d[label] -= weight;
    return (double)(logf(sum) + top - u[label]);
}

static void softmax(size_t n, const float *u, float *p)
{
    float top = u[0], sum = 0;
    for (size_t o = 1; o < n; o++) top = u[o] > top ? u[o] : top;
    for (size_t o = 0; o < n; o++) sum += p[o] = expf((u[o] - top) / TRAIN_TEACHER_TEMPERATURE);
    for (size_t o = 0; o < n; o++) p[o] /= sum;
}

/* Mixes the loss of a row and its gradient d with those against the teacher's softened scores (Hinton, Vinyals and
 * Dean, "Distilling the knowledge in a neural network", 2015, section 2). p, q (classes): scratch. */
static double teacher_loss(size_t classes, const float *u, const float *soft, float weight, double loss, float *d,
                           float *p, float *q)
{
    const float share = TRAIN_TEACHER_SHARE, t = TRAIN_TEACHER_TEMPERATURE;
    double cross = 0;
    softmax(classes, u, p);
    softmax(classes, soft, q);
    for (size_t o = 0; o < classes; o++) {
        cross -= (double)(q[o] * logf(p[o] + 1e-20f));
        d[o] = (1 - share) * d[o] + share * t * weight * (p[o] - q[o]);
    }
    return (double)(1 - share) * loss + (double)(share * t * t) * cross;
}

/* Mean cross-entropy of the labels; its gradient per row. soft: scores of a teacher or NULL. */
static double labels_loss(size_t labels, const float *u, const float *truth, const float *soft, const float *positive,
                          float weight, float *d)
{
    double loss = 0;
    for (size_t o = 0; o < labels; o++) {
        const float taught = soft != NULL ? 1 / (1 + expf(-soft[o])) : 0,
                    share = soft != NULL ? TRAIN_TEACHER_SHARE : 0;
        const float want = truth[o] + share * (taught - truth[o]), p = 1 / (1 + expf(-u[o]));
        const float own = weight * (positive != NULL && truth[o] > 0 ? positive[o] : 1) / (float)labels;
        d[o] = own * (p - want);
        loss += (double)(own * (fmaxf(u[o], 0) - u[o] * want + log1pf(expf(-fabsf(u[o])))));
    }
    return loss;
}

/* Scores of a teacher for row i of the batch; NULL: there is none. */
static const float *taught(const pass *p, size_t i)
{
    const size_t outputs = p->m->layer[p->layer].out;
    if (p->m->taught != NULL && p->source != NULL)
        return p->m->taught + p->source->order[p->source->first + i] * outputs;
    return p->m->soft == NULL ? NULL : p->m->soft + i * outputs;
}

/* Scores, loss and its gradient at the scores. */
static annulus_status loss_chunk(void *context, size_t chunk, unsigned worker)
{
    (void)worker;
    const pass *p = context;
    const train_layer *l = &p->m->layer[p->layer];
    const train_span rows = train_rows(l, p->rows, chunk);
    const float weight = 1.0f / (float)p->rows;
    const int noisy = l->score_noise != NULL && !p->m->quiet;
    double loss = 0;
    train_random r;
    train_random_init(&r, p->m->key, p->salt, 0x200000000u + (p->layer << 24) + chunk);
    for (size_t i = rows.first; i < rows.first + rows.count; i++) {
        float *u = l->u + i * l->out, *d = l->dz + i * l->out;
        const float *soft = taught(p, i);
        for (size_t o = 0; o < l->out; o++) u[o] = l->z[i * l->out + o] + l->beta.x[o];
        for (size_t o = 0; noisy && o < l->out; o++) u[o] += l->score_noise[o] * train_random_bell(&r);
        if (p->m->classes) {
            const float own = p->m->class_weight != NULL ? weight * p->m->class_weight[p->m->label[i]] : weight;
            double row = softmax_loss(l->out, u, p->m->label[i], own, d);
            if (soft != NULL)
                row = teacher_loss(l->out, u, soft, own, row, d, l->noisy + i * l->out, l->v + i * l->out);
            loss += row * (double)own;
            continue;
        }
        if (p->m->labels) {
            loss += labels_loss(l->out, u, p->m->t + i * l->out, soft, p->m->class_weight, weight, d);
            continue;
        }
        for (size_t o = 0; o < l->out; o++) {
            const float truth = p->m->t[i * l->out + o], share = soft != NULL ? TRAIN_TEACHER_SHARE : 0;
            const float e = u[o] - (soft != NULL ? truth + share * (soft[o] - truth) : truth);
            d[o] = 2.0f * e * weight / (float)l->out;
            loss += (double)(e * e) * (double)weight / (double)l->out;
        }
    }
    p->m->loss[chunk] += loss;
    return ANNULUS_OK;
}

annulus_status train_forward(train_model *m, const train_source *source, size_t rows, uint64_t salt, double *loss)
{
    const size_t chunks = train_chunks(rows);
    pass p = {.m = m, .source = source, .rows = rows, .salt = salt};
    memset(m->loss, 0, chunks * sizeof *m->loss);
    for (p.layer = 0; p.layer < m->layers; p.layer++) {
        const train_layer *l = &m->layer[p.layer];
        TRY(parallel_for(chunks, m->threads, linear_chunk, &p));
        if (l->last) {
            TRY(parallel_for(chunks, m->threads, loss_chunk, &p));
            break;
        }
        if (train_has_waves(l)) {
            TRY(train_wave_forward(m, p.layer, rows, salt));
            continue;
        }
        reduce(&p, chunks, l->mean);
        TRY(parallel_for(chunks, m->threads, square_chunk, &p));
        reduce(&p, chunks, l->inv);
        for (size_t o = 0; o < l->out; o++) l->inv[o] = 1.0f / sqrtf(l->inv[o] + TRAIN_EPSILON);
        train_gains(&m->layer[p.layer]);
        if (l->cells > 0) train_noise_cells(m, p.layer);
        TRY(parallel_for(chunks, m->threads, activate_chunk, &p));
    }
    *loss = 0;
    for (size_t c = 0; c < chunks; c++) *loss += m->loss[c];
    return ANNULUS_OK;
}
