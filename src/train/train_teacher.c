/* SPDX-License-Identifier: Apache-2.0 */
/* Teachers: networks of real weights that are trained first, or ones that there are. Both see the samples as the
 * network does that is trained: the scores of the latter are made once, or, where pictures are moved, batch by batch.
 */
#include "train/train_priv.h"

#include "base/parallel.h"

#include <math.h>
#include <string.h>

#define ALIKE 1e-6 /* relative, of scales */

int train_has_teacher(const train_options *o)
{
    return o->distill_count > 0 || o->teacher != NULL;
}

annulus_status train_teacher_check(const train_options *o)
{
    if (o->distill_count > 0 && o->teacher != NULL)
        return fail(ANNULUS_ERR_INPUT, "training options: the layers of two teachers; give one");
    if (train_has_teacher(o) && o->taught_by != NULL)
        return fail(ANNULUS_ERR_INPUT, "training options: a teacher to train and one that there is; give one");
    if (o->teacher != NULL && train_any_waves(o->teacher))
        return fail(ANNULUS_ERR_INPUT, "the teacher has waves: give it other activations, of real weights");
    return ANNULUS_OK;
}

void train_teacher_options(const train_options *o, train_options *out)
{
    const train_options *like = o->teacher;
    *out = *o;
    out->layer_acts_count = out->conv_count = 0;
    out->act = ACTIVATION_RELU;
    memcpy(out->hidden, o->distill, sizeof out->hidden);
    memset(out->hidden_add, 0, sizeof out->hidden_add);
    out->hidden_count = o->distill_count;
    if (like != NULL) {
        memcpy(out->hidden, like->hidden, sizeof out->hidden);
        memcpy(out->hidden_add, like->hidden_add, sizeof out->hidden_add);
        memcpy(out->conv, like->conv, sizeof out->conv);
        memcpy(out->layer_acts, like->layer_acts, sizeof out->layer_acts);
        out->hidden_count = like->hidden_count, out->conv_count = like->conv_count;
        out->layer_acts_count = like->layer_acts_count, out->act = like->act;
    }
    out->from = NULL;
    out->phase_noise = out->value_noise = out->outlier = out->target_error = out->index_noise = out->sparsity = 0;
    out->noise_of = NULL;
    out->noise_kept = 0;
    out->layer_dropout_count = 0;
    out->accumulator_bits = 0;
    out->epochs = o->epochs < TRAIN_TEACHER_EPOCHS ? o->epochs : TRAIN_TEACHER_EPOCHS;
}

/* Whether the sources of each layer have one scale, so that train_outputs knows the network. */
static int scales_agree(const network *n)
{
    int agree = 1;
    for (size_t i = 0; i < n->layers_count; i++) {
        uint32_t s[NETWORK_MAX_LAYERS];
        const size_t count = network_sources(n, i, s);
        const double first = s[0] == 0 ? n->input.scale : n->layers[s[0] - 1].out_q.scale;
        for (size_t k = 1; k < count; k++)
            agree &= fabs((s[k] == 0 ? n->input.scale : n->layers[s[k] - 1].out_q.scale) - first) <= ALIKE * first;
    }
    return agree && n->input.bits <= 8;
}

/* Scores of some samples. */
typedef struct lesson {
    const network *n;
    const dataset *d;
    const train_data *t;
    const size_t *samples;   /* (count) NULL: those of the data, in order */
    const train_move *moves; /* (count) NULL: none */
    size_t count, each;      /* each: of a work item */
    int together;            /* several samples at once */
    float *y;                /* (count,outputs) */
} lesson;

/* x (features) <- sample i in the units of the data; 0 of the network that is trained, where nothing arrives. */
static void take(const lesson *l, size_t i, float *x)
{
    const train_data *t = l->t;
    const float *sample = l->d->x + (l->samples != NULL ? l->samples[i] : i) * t->features;
    const size_t pixels = t->height * t->width;
    if (l->moves == NULL) memcpy(x, sample, t->features * sizeof *x);
    for (size_t f = 0; l->moves != NULL && f < t->features; f++) {
        const size_t pixel = f % pixels;
        const size_t from = train_moved_from(t, l->moves[i], pixel / t->width, pixel % t->width);
        x[f] = from != SIZE_MAX ? sample[f - pixel + from] : (float)t->shift[f];
    }
}

/* y (count,outputs); x (features) and q (count,features): room. */
static annulus_status scores_together(const lesson *l, size_t first, size_t count, float *x, uint8_t *q, double *y)
{
    const network *n = l->n;
    const train_data own = {.features = n->inputs,
                            .shift = n->shift,
                            .gain = n->gain,
                            .input = n->input,
                            .q = q,
                            .lo = train_data_least(&n->input)};
    size_t order[TRAIN_BLOCK];
    for (size_t i = 0; i < count; i++) {
        take(l, first + i, x);
        train_data_quantize(&own, x, q + i * own.features);
        order[i] = i;
    }
    return train_outputs(n, &own, order, count, 1, 0, y);
}

static annulus_status scores_one_by_one(const lesson *l, size_t first, size_t count, float *x, double *y)
{
    for (size_t i = 0; i < count; i++) {
        take(l, first + i, x);
        TRY(network_apply(l->n, x, y + i * l->t->outputs));
    }
    return ANNULUS_OK;
}

static annulus_status score_item(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const lesson *l = context;
    const train_data *t = l->t;
    const size_t first = item * l->each, left = l->count - first, count = left < l->each ? left : l->each;
    const int real = t->target != NULL && !t->binary; /* standardised */
    void *p;
    TRY(mem_create(count * t->outputs * sizeof(double) + t->features * (sizeof(float) + count), 1,
                   "samples of the teacher", &p));
    double *y = p;
    float *x = (float *)(y + count * t->outputs);
    const annulus_status st = l->together ? scores_together(l, first, count, x, (uint8_t *)(x + t->features), y)
                                          : scores_one_by_one(l, first, count, x, y);
    for (size_t i = 0; st == ANNULUS_OK && i < count * t->outputs; i++) {
        const size_t c = i % t->outputs;
        l->y[first * t->outputs + i] = (float)(real ? (y[i] - t->t_mean[c]) / t->t_gain[c] : y[i]);
    }
    mem_free(p);
    return st;
}

/* The scores do not depend on how the samples are shared out: sums are exact. */
static annulus_status score(lesson *l, unsigned threads)
{
    const size_t workers = parallel_threads(threads), held = train_held_samples(l->n) / workers;
    l->together = scales_agree(l->n);
    l->each = (l->count + workers - 1) / workers;
    if (l->each > TRAIN_BLOCK) l->each = TRAIN_BLOCK;
    if (l->each > held) l->each = held > 0 ? held : 1;
    return parallel_for((l->count + l->each - 1) / l->each, threads, score_item, l);
}

static annulus_status teacher_fits(const network *n, const dataset *d, const train_data *t)
{
    annulus_status st = network_check(n);
    if (st == ANNULUS_OK) st = train_from_fits(n, d);
    if (st == ANNULUS_OK && n->layers[n->layers_count - 1].out != t->outputs)
        st = fail(ANNULUS_ERR_INPUT, "%zu scores, the network to train has %zu", n->layers[n->layers_count - 1].out,
                  t->outputs);
    return st == ANNULUS_OK ? st : fail_prefix(st, "the teacher");
}

annulus_status train_taught(const network *n, const dataset *d, const train_data *t, unsigned threads, float **out)
{
    void *p;
    TRY(teacher_fits(n, d, t));
    TRY(mem_create(d->count * t->outputs, sizeof(float), "scores of the teacher", &p));
    lesson l = {.n = n, .d = d, .t = t, .count = d->count, .y = p};
    const annulus_status st = score(&l, threads);
    if (st == ANNULUS_OK)
        *out = p;
    else
        mem_free(p);
    return st;
}

annulus_status train_tutor_create(const network *n, const dataset *d, const train_data *t, size_t batch,
                                  unsigned threads, train_tutor *out)
{
    void *moves, *soft;
    TRY(teacher_fits(n, d, t));
    TRY(mem_create(batch, sizeof(train_move), "moves of samples", &moves));
    const annulus_status st = mem_create(batch * t->outputs, sizeof(float), "scores of the teacher", &soft);
    if (st == ANNULUS_OK)
        *out = (train_tutor){.n = n, .d = d, .t = t, .threads = threads, .moves = moves, .soft = soft};
    else
        mem_free(moves);
    return st;
}

void train_tutor_clear(train_tutor *u)
{
    mem_free(u->moves), mem_free(u->soft);
    *u = (train_tutor){0};
}

annulus_status train_tutor_score(train_tutor *u, const train_source *s, size_t rows, uint64_t key, uint64_t salt)
{
    for (size_t chunk = 0; chunk < train_chunks(rows); chunk++) {
        const train_span samples = train_samples(rows, chunk);
        train_moves_draw(s, samples, key, salt, u->moves + samples.first);
    }
    lesson l = {.n = u->n,
                .d = u->d,
                .t = u->t,
                .samples = s->order + s->first,
                .moves = u->moves,
                .count = rows,
                .y = u->soft};
    return score(&l, u->threads);
}
