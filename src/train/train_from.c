/* SPDX-License-Identifier: Apache-2.0 */
/* Training that goes on from a network. Batch normalisation gets the moments of what the network sums up over the
 * training data, so that it does nothing at the start; of waves the gains are the norms of their rows, and biases take
 * up what inputs are counted from. Rows of weights keep the scales that they have, or take the nearest power of two. */
#include "base/bytes.h"
#include "nn/plain.h"
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

#define SAME 1e-6             /* relative, of scales that were rounded to single precision */
#define WAVE_NORM 1.41421356f /* of a row of weights, about as in a new network; it sets how fast directions turn */

/* Integer weights of a layer, row for row: of a dense one or of each group of channels. */
static const int32_t *weights_of(const dense_layer *d, size_t group, size_t *count)
{
    if (d->W != NULL) {
        *count = d->out * d->in;
        return d->W;
    }
    const linear_block *b = &d->linear.blocks[group];
    *count = b->rows * b->taps;
    return b->W;
}

static annulus_status weights_fit(const dense_layer *d, size_t i)
{
    const int32_t most = d->weight_bits == 1 ? 1 : (int32_t)(1 << (d->weight_bits - 1)) - 1;
    for (size_t g = 0; g < (d->W != NULL ? 1 : d->linear.blocks_count); g++) {
        size_t count;
        const int32_t *W = weights_of(d, g, &count);
        for (size_t k = 0; k < count; k++)
            if (W[k] < -most || W[k] > most)
                return fail(ANNULUS_ERR_INPUT,
                            "layer %zu: weight %d of %u bits: narrow ones, -%d to %d, can be trained", i + 1, W[k],
                            d->weight_bits, most, most);
    }
    return ANNULUS_OK;
}

static annulus_status layer_fits(const dense_layer *d, size_t i, int last)
{
    TRY(weights_fit(d, i));
    if (last) return ANNULUS_OK;
    if (d->vary != NULL)
        return fail(ANNULUS_ERR_INPUT,
                    "layer %zu: constants of its function differ from neuron to neuron: layers of one function for all "
                    "neurons can be trained or pruned",
                    i + 1);
    const quantizer *q = &d->out_q;
    if (q->bits > 8 || q->zero != 0 || q->is_signed != q->narrow)
        return fail(ANNULUS_ERR_INPUT,
                    "layer %zu: activations of 1 to 8 bits, unsigned or narrow signed, zero point 0, can be trained",
                    i + 1);
    const double top = q->bits == 1 ? 1 : (double)(1 << (q->bits - 1)) - 1;
    const int whole = fabs(q->scale * top - 1) <= SAME || (q->bits > 1 && fabs(q->scale * (top + 1) - 1) <= SAME);
    if (activation_is_wave(d->act) && (!q->is_signed || !whole))
        return fail(ANNULUS_ERR_INPUT,
                    "layer %zu: values of %s whose amplitude is the largest integer of the quantizer, or that plus 1, "
                    "can be trained",
                    i + 1, activation_name(d->act));
    return ANNULUS_OK;
}

/* Class i of the data is output i of the network, by its name or, in IDX files, its number. */
static annulus_status classes_fit(const network *n, const dataset *d, size_t outputs)
{
    if (d->classes > outputs)
        return fail(ANNULUS_ERR_INPUT, "the data have %zu classes, the network %zu", d->classes, outputs);
    for (size_t i = 0; d->class_names != NULL && i < d->classes; i++) {
        if (!text_is_name(d->class_names[i], n->labels[i], i))
            return fail(ANNULUS_ERR_INPUT, "class %zu is %s in the data and %s in the network: give the same classes",
                        i + 1, d->class_names[i], n->labels[i]);
    }
    return ANNULUS_OK;
}

annulus_status train_from_fits(const network *n, const dataset *d)
{
    const size_t outputs = n->layers[n->layers_count - 1].out;
    if (d->features != n->inputs)
        return fail(ANNULUS_ERR_INPUT, "the data have %zu features, the network takes %zu", d->features, n->inputs);
    const network_task task = d->label != NULL ? NETWORK_CLASSIFICATION
                              : d->binary      ? NETWORK_MULTI_LABEL
                                               : NETWORK_REGRESSION;
    if (task != n->task)
        return fail(ANNULUS_ERR_INPUT, "the data are for %s, the network for %s", network_task_name(task),
                    network_task_name(n->task));
    return d->label != NULL ? classes_fit(n, d, outputs) : dataset_targets_check(d, "network", n->labels, outputs, 1);
}

/* Values that are added up at layer i have one scale. */
static annulus_status scales_fit(const network *n, size_t i)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    for (size_t k = 1; k < count; k++) {
        const double first = n->layers[sources[0] - 1].out_q.scale, other = n->layers[sources[k] - 1].out_q.scale;
        if (fabs(other - first) > SAME * first)
            return fail(ANNULUS_ERR_INPUT,
                        "layer %zu adds up values of scales %.9g and %.9g: those of one scale can be trained", i + 1,
                        first, other);
    }
    return ANNULUS_OK;
}

/* Convolutions, which may add up and average, then dense layers, which may add up. */
static annulus_status layers_fit(const network *n)
{
    int dense = 0;
    for (size_t i = 0; i < n->layers_count; i++) {
        const dense_layer *d = &n->layers[i];
        const int conv = d->W == NULL && d->windows.channels > 0;
        size_t adds;
        if (!network_adds(n, i, &adds) || (d->W == NULL && !d->known) || (conv && dense))
            return fail(ANNULUS_ERR_INPUT,
                        "layer %zu is neither dense nor a convolution in front of dense layers, or has branches that "
                        "are no residual additions: it cannot be trained",
                        i + 1);
        TRY(scales_fit(n, i));
        dense |= !conv;
    }
    return dense ? ANNULUS_OK : fail(ANNULUS_ERR_INPUT, "the scores are those of a convolution: it cannot be trained");
}

/* Of hidden layer i, and what the layer behind it does with its values. */
static void take_shape(const network *n, size_t i, train_options *out)
{
    const dense_layer *d = &n->layers[i];
    const gather_windows *g = &d->windows, *average = &n->layers[i + 1].average;
    if (g->channels == 0) {
        (void)network_adds(n, i + 1, &out->hidden_add[out->hidden_count]);
        out->hidden[out->hidden_count++] = d->out;
        return;
    }
    train_convolution *c = &out->conv[out->conv_count++];
    *c = (train_convolution){.channels = dense_layer_neurons(d),
                             .kernel = g->kernel[0],
                             .stride = g->stride[0],
                             .padding = g->pad[0],
                             .groups = d->linear.blocks_count};
    (void)network_adds(n, i + 1, &c->add);
    const int all = average->kernel[0] == average->size[0] && average->kernel[1] == average->size[1];
    if (average->channels > 0) c->pool = all ? TRAIN_POOL_ALL : average->kernel[0];
}

annulus_status train_from_options(const dataset *d, const train_options *o, train_options *out)
{
    const network *n = o->from;
    *out = *o;
    if (n == NULL) return ANNULUS_OK;
    TRY(network_check(n));
    TRY(train_from_fits(n, d));
    TRY(layers_fit(n));
    if (n->input.bits > 8) return fail(ANNULUS_ERR_INPUT, "inputs of %u bits: 1 to 8 can be trained", n->input.bits);
    if (n->layers_count - 1 > TRAIN_MAX_HIDDEN)
        return fail(ANNULUS_ERR_INPUT, "%zu hidden layers: at most %u can be trained", n->layers_count - 1,
                    TRAIN_MAX_HIDDEN);
    out->hidden_count = out->conv_count = out->layer_acts_count = 0;
    out->input_bits = n->input.bits;
    for (size_t i = 0; i < n->layers_count; i++) {
        const int last = i + 1 == n->layers_count;
        TRY(layer_fits(&n->layers[i], i, last));
        if (last) break;
        take_shape(n, i, out);
        const dense_layer *l = &n->layers[i];
        const int has_rise = l->act == ACTIVATION_TRAPEZOID || l->act == ACTIVATION_LEAKY_RELU;
        const activation act = l->act == ACTIVATION_PADDED_WAVE ? ACTIVATION_FUNCTION : l->act;
        out->layer_acts[i] = (train_activation){act, has_rise ? l->rise : o->rise, &l->own, l->out_q.bits, l->offsets};
        out->layer_acts_count = i + 1;
    }
    out->act = out->layer_acts_count > 0 ? out->layer_acts[0].act : n->layers[0].act;
    out->weight_bits = n->layers[0].weight_bits;
    return ANNULUS_OK;
}

void train_from_input(const network *n, train_data *t)
{
    t->input = n->input;
    memcpy(t->shift, n->shift, n->inputs * sizeof *t->shift);
    memcpy(t->gain, n->gain, n->inputs * sizeof *t->gain);
}

void train_from_shape(const network *n, size_t i, train_layer *l)
{
    const dense_layer *d = &n->layers[i];
    l->bits = d->weight_bits;
    if (l->last) return;
    quantizer_range(&d->out_q, &l->lo, &l->hi);
    l->two = quantizer_is_bipolar(&d->out_q);
    l->top = (float)(l->power_of_two && !l->two ? l->hi + 1 : lrint(1 / d->out_q.scale));
}

/* Mean and variance of u of the channels of layer i, over the samples that folding takes its statistics from and the
 * places. */
static annulus_status moments(const network *n, const train_data *t, size_t i, unsigned threads, size_t places,
                              double *mean, double *variance)
{
    network head = *n; /* its last sums are the u of layer i */
    head.layers_count = i + 1;
    head.input.scale = t->input.scale; /* which may have become a power of two */
    const size_t most = train_held_samples(&head), few = t->train < TRAIN_STATISTICS ? t->train : TRAIN_STATISTICS;
    const size_t count = few < most ? few : most, out = n->layers[i].out;
    const double all = (double)(count * places);
    void *memory;
    TRY(mem_create(count * out, sizeof(double), "activations", &memory));
    double *u = memory;
    const annulus_status st = train_outputs(&head, t, t->order, count, threads, 0, u);
    for (size_t c = 0; c < out / places; c++) {
        double sum = 0, square = 0;
        for (size_t k = 0; k < count; k++)
            for (size_t o = c * places; o < (c + 1) * places; o++) sum += u[k * out + o];
        mean[c] = sum / all;
        for (size_t k = 0; k < count; k++)
            for (size_t o = c * places; o < (c + 1) * places; o++)
                square += (u[k * out + o] - mean[c]) * (u[k * out + o] - mean[c]);
        variance[c] = square / all;
    }
    mem_free(memory);
    return st;
}

static annulus_status fill_hidden(const network *n, const train_data *t, size_t i, unsigned threads, train_layer *l)
{
    void *memory;
    TRY(mem_create(2 * l->out, sizeof(double), "moments", &memory));
    double *mean = memory, *variance = mean + l->out;
    const annulus_status st = moments(n, t, i, threads, l->places, mean, variance);
    for (size_t o = 0; o < l->out; o++) {
        l->gamma.x[o] = (float)sqrt(variance[o] + (double)TRAIN_EPSILON);
        l->beta.x[o] = (float)mean[o];
    }
    l->step.x[0] = (float)log(n->layers[i].out_q.scale);
    mem_free(memory);
    return st;
}

/* Row o from integers w (in): real weights or, of waves, direction and gain. */
static void fill_row(const dense_layer *d, const float *w, size_t o, train_layer *l)
{
    float *x = l->w.x + o * l->in;
    double square = 0;
    for (size_t k = 0; k < l->in; k++) square += (double)w[k] * (double)w[k];
    const float norm = (float)sqrt(square);
    const float factor = !train_has_waves(l) ? l->kept[o] : norm > 0 ? WAVE_NORM / norm : 0;
    for (size_t k = 0; k < l->in; k++) x[k] = factor * w[k];
    if (!train_has_waves(l)) return;
    l->gamma.x[o] = l->kept[o] * norm;
    l->beta.x[o] = (float)d->bias[o * l->places];
}

/* w (in): room. */
static void fill_layer(const network *n, const train_data *t, train_model *m, size_t i, float *w)
{
    const dense_layer *d = &n->layers[i];
    train_layer *l = &m->layer[i];
    const int real = l->last && t->target != NULL; /* targets are standardised */
    for (size_t o = 0; o < l->out; o++) {
        size_t taps;
        const int32_t *W = train_fold_row(l, d, o, &taps);
        const double scale = d->w_scale[o * l->places] * train_fold_parts(l);
        l->kept[o] = (float)(real ? scale / t->t_gain[o] : scale);
        for (size_t k = 0; k < l->in; k++) w[k] = (float)W[train_conv_tap(m, i, k) * (taps / l->in)];
        fill_row(d, w, o, l);
        if (l->last) l->beta.x[o] = (float)(real ? (d->bias[o] - t->t_mean[o]) / t->t_gain[o] : d->bias[o]);
    }
}

annulus_status train_from_fill(const network *n, const train_data *t, train_model *m)
{
    int any = 0;
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        void *kept, *w;
        any |= train_has_waves(l);
        TRY(mem_create(l->out, sizeof *l->kept, "weight scales", &kept));
        l->kept = kept;
        TRY(mem_create(l->in, sizeof(float), "weights", &w));
        fill_layer(n, t, m, i, w);
        mem_free(w);
        if (!l->last && !train_has_waves(l)) TRY(fill_hidden(n, t, i, m->threads, l));
    }
    const train_source source = {.data = t, .order = t->order};
    return any ? train_wave_center(m, &source, m->batch) : ANNULUS_OK;
}
