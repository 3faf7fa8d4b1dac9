/* SPDX-License-Identifier: Apache-2.0 */
/* Teachers: networks of real weights that are trained first, or ones that there are. The scores of the latter are those
 * of the samples as they are in the data, made once, also where the network sees its images moved. */
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

typedef struct lesson {
    const network *n;
    const dataset *d;
    double *y; /* (count,outputs) */
} lesson;

static annulus_status apply_block(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const lesson *l = context;
    const size_t outputs = l->n->layers[l->n->layers_count - 1].out, first = item * TRAIN_BLOCK,
                 left = l->d->count - first, count = left < TRAIN_BLOCK ? left : TRAIN_BLOCK;
    for (size_t i = first; i < first + count; i++)
        TRY(network_apply(l->n, l->d->x + i * l->d->features, l->y + i * outputs));
    return ANNULUS_OK;
}

/* Scores of samples in the order of the data, many at once. */
static annulus_status outputs_of(const network *n, const dataset *d, const train_data *t, unsigned threads, double *y)
{
    train_options o;
    train_data own;
    train_options_init(&o);
    o.from = n, o.validation = 0;
    TRY(train_data_create(d, &o, 1, &own));
    for (size_t i = 0; i < d->count; i++) own.order[i] = i;
    const size_t most = train_held_samples(n) < d->count ? train_held_samples(n) : d->count;
    annulus_status st = ANNULUS_OK;
    for (size_t k = 0; st == ANNULUS_OK && k < d->count; k += most)
        st = train_outputs(n, &own, own.order + k, d->count - k < most ? d->count - k : most, threads, 0,
                           y + k * t->outputs);
    train_data_destroy(&own);
    return st;
}

annulus_status train_taught(const network *n, const dataset *d, const train_data *t, unsigned threads, float **out)
{
    const size_t count = d->count * t->outputs;
    void *p, *q = NULL;
    annulus_status st = network_check(n);
    if (st == ANNULUS_OK) st = train_from_fits(n, d);
    if (st == ANNULUS_OK && n->layers[n->layers_count - 1].out != t->outputs)
        st = fail(ANNULUS_ERR_INPUT, "%zu scores, the network to train has %zu", n->layers[n->layers_count - 1].out,
                  t->outputs);
    if (st != ANNULUS_OK) return fail_prefix(st, "the teacher");
    TRY(mem_create(count, sizeof(double), "scores of the teacher", &p));
    lesson l = {.n = n, .d = d, .y = p};
    st = mem_create(count, sizeof(float), "scores of the teacher", &q);
    if (st == ANNULUS_OK)
        st = scales_agree(n) ? outputs_of(n, d, t, threads, l.y)
                             : parallel_for((d->count + TRAIN_BLOCK - 1) / TRAIN_BLOCK, threads, apply_block, &l);
    const int real = t->target != NULL && !t->binary; /* standardised */
    for (size_t i = 0; st == ANNULUS_OK && i < count; i++) {
        const size_t c = i % t->outputs;
        ((float *)q)[i] = (float)(real ? (l.y[i] - t->t_mean[c]) / t->t_gain[c] : l.y[i]);
    }
    mem_free(p);
    if (st == ANNULUS_OK)
        *out = q;
    else
        mem_free(q);
    return st;
}
