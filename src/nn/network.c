/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/network.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "nn/network_priv.h"
#include "nn/wave.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WIDTH 65536u
#define MAX_OFFSETS 16u

double dense_layer_act(const dense_layer *l, size_t neuron, double u)
{
    double vary[FUNCTION_MAX_VARY];
    if (!activation_is_own(l->act)) return activation_apply(l->act, l->rise, u);
    for (size_t v = 0; v < l->own.vary; v++) vary[v] = l->vary[v * l->out + neuron];
    return function_apply_vary(&l->own, vary, u);
}

int dense_layer_alike(const dense_layer *l, size_t a, size_t b)
{
    int alike = l->w_scale[a] == l->w_scale[b] && l->bias[a] == l->bias[b];
    for (size_t v = 0; v < l->own.vary && alike; v++) alike = l->vary[v * l->out + a] == l->vary[v * l->out + b];
    return alike;
}

function dense_layer_program(const dense_layer *l)
{
    function f = {.count = 0};
    if (activation_is_own(l->act))
        f = l->own;
    else if (!activation_is_wave(l->act) && l->act != ACTIVATION_IDENTITY)
        activation_function(l->act, l->rise, &f);
    return f;
}

void quantizer_range(const quantizer *q, int32_t *lo, int32_t *hi)
{
    const int32_t values = (int32_t)1 << q->bits;
    if (quantizer_is_bipolar(q)) {
        *lo = -1;
        *hi = 1;
    } else if (q->is_signed) {
        *lo = -values / 2 + (q->narrow ? 1 : 0);
        *hi = values / 2 - 1;
    } else {
        *lo = 0;
        *hi = values - 1 - (q->narrow ? 1 : 0);
    }
}

int32_t quantizer_integer(const quantizer *q, double x)
{
    int32_t lo, hi;
    if (quantizer_is_bipolar(q)) return x >= 0 ? 1 : -1;
    quantizer_range(q, &lo, &hi);
    const double v = floor(x / q->scale + 0.5) + q->zero;
    return (int32_t)fmin(fmax(v, lo), hi) - q->zero;
}

annulus_status dense_layer_create(size_t in, size_t out, dense_layer *layer)
{
    void *W = NULL, *scale = NULL, *bias = NULL;
    annulus_status st = mem_create(in * out, sizeof(int32_t), "weights", &W);
    if (st == ANNULUS_OK) st = mem_create(out, sizeof(double), "weight scales", &scale);
    if (st == ANNULUS_OK) st = mem_create(out, sizeof(double), "biases", &bias);
    if (st != ANNULUS_OK) {
        mem_free(W), mem_free(scale), mem_free(bias);
        return st;
    }
    *layer = (dense_layer){.in = in, .out = out, .W = W, .w_scale = scale, .bias = bias, .offsets = 1};
    return ANNULUS_OK;
}

annulus_status gathered_layer_create(size_t in, size_t out, circuit_linear *linear, dense_layer *layer)
{
    void *scale = NULL, *bias = NULL, *channel = NULL;
    annulus_status st = mem_create(out, sizeof(double), "weight scales", &scale);
    if (st == ANNULUS_OK) st = mem_create(out, sizeof(double), "biases", &bias);
    if (st == ANNULUS_OK) st = mem_create(out, sizeof(uint32_t), "channels", &channel);
    if (st != ANNULUS_OK) {
        mem_free(scale), mem_free(bias), mem_free(channel);
        linear_clear(linear);
        return st;
    }
    *layer = (dense_layer){.in = in,
                           .out = out,
                           .w_scale = scale,
                           .bias = bias,
                           .offsets = 1,
                           .linear = *linear,
                           .channel = channel,
                           .weight_bits = 16};
    *linear = (circuit_linear){0};
    return ANNULUS_OK;
}

annulus_status network_create(size_t inputs, size_t layers, network **out)
{
    if (inputs == 0 || inputs > MAX_WIDTH || layers == 0 || layers > NETWORK_MAX_LAYERS)
        return fail(ANNULUS_ERR_INPUT, "a network of %zu inputs and %zu layers: 1 to %u inputs and 1 to %u layers",
                    inputs, layers, MAX_WIDTH, NETWORK_MAX_LAYERS);
    void *n, *q = NULL;
    TRY(mem_create(1, sizeof(network), "network", &n));
    network *net = n;
    annulus_status st = mem_create(layers, sizeof(dense_layer), "layers", &q);
    net->layers = q;
    net->inputs = inputs;
    net->layers_count = st == ANNULUS_OK ? layers : 0;
    if (st == ANNULUS_OK) st = mem_create(inputs, sizeof(double), "input shift", &q);
    net->shift = st == ANNULUS_OK ? q : NULL;
    if (st == ANNULUS_OK) st = mem_create(inputs, sizeof(double), "input gain", &q);
    net->gain = st == ANNULUS_OK ? q : NULL;
    if (st != ANNULUS_OK) {
        network_destroy(net);
        return st;
    }
    for (size_t i = 0; i < inputs; i++) net->gain[i] = 1;
    *out = net;
    return ANNULUS_OK;
}

annulus_status network_frame(const network *n, size_t layers, network **out)
{
    TRY(network_create(n->inputs, layers, out));
    memcpy((*out)->shift, n->shift, n->inputs * sizeof *n->shift);
    memcpy((*out)->gain, n->gain, n->inputs * sizeof *n->gain);
    (*out)->input = n->input;
    (*out)->task = n->task;
    (*out)->argmax = n->argmax;
    return ANNULUS_OK;
}

static annulus_status numbers_copy(const double *from, size_t count, double **to)
{
    void *p;
    if (from == NULL) return ANNULUS_OK;
    TRY(mem_create(count, sizeof(double), "layer", &p));
    memcpy(p, from, count * sizeof *from);
    *to = p;
    return ANNULUS_OK;
}

annulus_status dense_layer_copy(const dense_layer *from, dense_layer *to)
{
    const size_t out = from->out;
    dense_layer own;
    if (from->W != NULL) {
        TRY(dense_layer_create(from->in, out, &own));
        memcpy(own.W, from->W, from->in * out * sizeof *own.W);
    } else {
        circuit_linear linear;
        TRY(linear_copy(&from->linear, &linear));
        TRY(gathered_layer_create(from->in, out, &linear, &own));
        for (size_t o = 0; o < out; o++) own.channel[o] = from->channel == NULL ? (uint32_t)o : from->channel[o];
    }
    memcpy(own.w_scale, from->w_scale, out * sizeof *own.w_scale);
    memcpy(own.bias, from->bias, out * sizeof *own.bias);
    *to = *from;
    to->W = own.W, to->w_scale = own.w_scale, to->bias = own.bias, to->linear = own.linear, to->channel = own.channel;
    to->vary = to->bound = to->constant = NULL;
    TRY(numbers_copy(from->vary, from->own.vary * out, &to->vary));
    TRY(numbers_copy(from->bound, 2 * out, &to->bound));
    return numbers_copy(from->constant, out, &to->constant);
}

annulus_status network_copy(const network *n, network **out)
{
    network *c = NULL;
    TRY(network_frame(n, n->layers_count, &c));
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++)
        st = dense_layer_copy(&n->layers[i], &c->layers[i]);
    if (st == ANNULUS_OK) st = network_copy_labels(n, c);
    if (st == ANNULUS_OK)
        *out = c;
    else
        network_destroy(c);
    return st;
}

static size_t outputs_of(const network *n)
{
    return n->layers[n->layers_count - 1].out;
}

static void labels_destroy(char **labels, size_t count)
{
    for (size_t i = 0; labels != NULL && i < count; i++) mem_free(labels[i]);
    mem_free(labels);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

annulus_status network_labels_check(const char *const *names, size_t count)
{
    void *p;
    annulus_status st = ANNULUS_OK;
    TRY(mem_create(count, sizeof *names, "labels", &p));
    const char **sorted = p;
    for (size_t i = 0; st == ANNULUS_OK && i < count; i++) {
        sorted[i] = names[i];
        if (!text_is_plain(names[i]))
            st = fail(ANNULUS_ERR_INPUT,
                      "output %zu: name \"%.60s\" is not UTF-8, or has control characters: change it, or give class "
                      "names",
                      i + 1, names[i]);
    }
    if (st == ANNULUS_OK) qsort(sorted, count, sizeof *sorted, by_text);
    for (size_t i = 1; st == ANNULUS_OK && i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            st = fail(ANNULUS_ERR_INPUT, "two outputs have the name \"%.60s\": give each its own", sorted[i]);
    mem_free(p);
    return st;
}

annulus_status network_set_labels(network *n, const char *const *names, size_t count)
{
    void *labels;
    if (count != outputs_of(n))
        return fail(ANNULUS_ERR_INPUT, "%zu labels for %zu outputs of the network", count, outputs_of(n));
    TRY(mem_create(count, sizeof(char *), "labels", &labels));
    for (size_t i = 0; i < count; i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%zu", i);
        const char *name = names == NULL ? number : names[i];
        void *copy;
        const annulus_status st = mem_create(strlen(name) + 1, 1, "label", &copy);
        if (st != ANNULUS_OK) {
            labels_destroy(labels, count);
            return st;
        }
        memcpy(copy, name, strlen(name) + 1);
        ((char **)labels)[i] = copy;
    }
    labels_destroy(n->labels, count);
    n->labels = labels;
    return ANNULUS_OK;
}

annulus_status network_copy_labels(const network *n, network *to)
{
    return n->labels == NULL ? ANNULUS_OK : network_set_labels(to, (const char *const *)n->labels, outputs_of(n));
}

void dense_layer_clear(dense_layer *l)
{
    mem_free(l->W);
    mem_free(l->w_scale);
    mem_free(l->bias);
    mem_free(l->vary);
    mem_free(l->channel);
    mem_free(l->bound);
    mem_free(l->constant);
    linear_clear(&l->linear);
    *l = (dense_layer){.in = 0};
}

void network_destroy(network *n)
{
    if (n == NULL) return;
    if (n->layers_count > 0) labels_destroy(n->labels, outputs_of(n));
    for (size_t i = 0; i < n->layers_count; i++) dense_layer_clear(&n->layers[i]);
    mem_free(n->layers);
    mem_free(n->shift);
    mem_free(n->gain);
    mem_free(n);
}

static annulus_status quantizer_check(const quantizer *q, const char *what)
{
    int32_t lo, hi;
    if (q->bits < 1 || q->bits > 16) return fail(ANNULUS_ERR_INPUT, "%s: %u bits, 1 to 16 are possible", what, q->bits);
    if (!(q->scale > 0) || !isfinite(q->scale)) return fail(ANNULUS_ERR_INPUT, "%s: the scale is not positive", what);
    quantizer_range(q, &lo, &hi);
    if (lo >= hi) return fail(ANNULUS_ERR_INPUT, "%s: %u narrow bits leave a single value", what, q->bits);
    if (quantizer_is_bipolar(q) && q->zero != 0)
        return fail(ANNULUS_ERR_INPUT, "%s: one signed bit, -1 and 1, has no zero point, not %d", what, q->zero);
    if (lo - (int64_t)q->zero < -65536 || hi - (int64_t)q->zero > 65536) /* what a circuit holds */
        return fail(ANNULUS_ERR_INPUT, "%s: zero point %d puts integers beyond -65536..65536; choose one nearer to 0",
                    what, q->zero);
    return ANNULUS_OK;
}

const char *network_task_name(network_task t)
{
    static const char *const names[] = {"classification", "regression", "multi-label", "top-1"};
    return names[t];
}

/* The program, if the layer has one, and the constants of its neurons. */
static annulus_status function_own_check(const dense_layer *l, size_t index)
{
    const int own = activation_is_own(l->act);
    const annulus_status st = own ? function_check(&l->own) : ANNULUS_OK;
    if (st != ANNULUS_OK) return fail_prefix(st, "layer %zu", index + 1);
    if ((l->own.vary > 0) != (l->vary != NULL) || (l->own.vary > 0 && l->act != ACTIVATION_FUNCTION))
        return fail(ANNULUS_ERR_INPUT, "layer %zu: constants of each neuron's own without a function that takes them",
                    index + 1);
    for (size_t k = 0; k < l->own.vary * l->out; k++)
        if (!isfinite(l->vary[k]))
            return fail(ANNULUS_ERR_INPUT, "layer %zu, neuron %zu: a constant of its function is not finite", index + 1,
                        k % l->out + 1);
    return ANNULUS_OK;
}

static annulus_status wave_check(const dense_layer *l, size_t index)
{
    const int wave = activation_is_wave(l->act);
    if (!(l->noise >= 0) || !isfinite(l->noise))
        return fail(ANNULUS_ERR_INPUT, "layer %zu: the noise is negative or not finite", index + 1);
    if (l->offsets < 1 || l->offsets > (wave ? MAX_OFFSETS : 1))
        return fail(ANNULUS_ERR_INPUT, "layer %zu: %zu offsets of %s, 1 to %u are possible", index + 1, l->offsets,
                    activation_name(l->act), wave ? MAX_OFFSETS : 1);
    if (l->act == ACTIVATION_TRAPEZOID && (!(l->rise > 0) || l->rise > 0.5))
        return fail(ANNULUS_ERR_INPUT, "layer %zu: a rise of %g, (0, 1/2] is possible", index + 1, l->rise);
    if (l->act == ACTIVATION_LEAKY_RELU && !(l->rise >= 0 && l->rise <= 1))
        return fail(ANNULUS_ERR_INPUT, "layer %zu: a slope of %g below 0, [0, 1] is possible", index + 1, l->rise);
    TRY(function_own_check(l, index));
    for (size_t o = 1; wave && o < l->out; o++)
        if (l->w_scale[o] != l->w_scale[0])
            return fail(ANNULUS_ERR_INPUT, "layer %zu, neuron %zu: a weight scale of its own before %s: one a layer",
                        index + 1, o + 1, activation_name(l->act));
    return ANNULUS_OK;
}

static annulus_status gathered_check(const dense_layer *l, size_t index)
{
    if (l->W != NULL) return ANNULUS_OK;
    const annulus_status st = linear_check(&l->linear, l->in, l->out);
    if (st != ANNULUS_OK) return fail_prefix(st, "layer %zu", index + 1);
    void *p;
    TRY(mem_create(l->out, sizeof(size_t), "channels", &p));
    size_t *first = p, bad = l->out; /* the first output of each channel, + 1 */
    for (size_t o = 0; l->channel != NULL && o < l->out && bad == l->out; o++) {
        const uint32_t k = l->channel[o];
        if (k < l->out && first[k] == 0) first[k] = o + 1;
        if (k >= l->out || !dense_layer_alike(l, first[k] - 1, o)) bad = o;
    }
    mem_free(first);
    if (bad == l->out) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "layer %zu, output %zu: no channel, or not with the scale, bias and constants of its channel",
                index + 1, bad + 1);
}

static annulus_status layer_check(const dense_layer *l, size_t index, int last)
{
    char what[48];
    (void)snprintf(what, sizeof what, "activation of layer %zu", index + 1);
    if (l->weight_bits < 1 || l->weight_bits > 16)
        return fail(ANNULUS_ERR_INPUT, "layer %zu: weights of %u bits, 1 to 16 are possible", index + 1,
                    l->weight_bits);
    const int32_t most = (int32_t)1 << (l->weight_bits - 1);
    for (size_t i = 0; l->W != NULL && i < l->in * l->out; i++)
        if (l->W[i] < -most || l->W[i] > most)
            return fail(ANNULUS_ERR_INPUT, "layer %zu: weight %d does not fit %u bits", index + 1, l->W[i],
                        l->weight_bits);
    for (size_t o = 0; o < l->out; o++)
        if (!(l->w_scale[o] > 0) || !isfinite(l->w_scale[o]) || !isfinite(l->bias[o]))
            return fail(ANNULUS_ERR_INPUT,
                        "layer %zu, neuron %zu: the weight scale is not positive or the bias not finite", index + 1,
                        o + 1);
    for (size_t o = 0; l->bound != NULL && o < l->out; o++)
        if (!(l->bound[o] <= l->bound[l->out + o]) || !isfinite(l->bound[o]) || !isfinite(l->bound[l->out + o]))
            return fail(ANNULUS_ERR_INPUT, "layer %zu, neuron %zu: bounds of its sum in no order", index + 1, o + 1);
    TRY(wave_check(l, index));
    TRY(gathered_check(l, index));
    if (!last) TRY(quantizer_check(&l->out_q, what));
    int32_t mid2;
    if (!last && l->act == ACTIVATION_WAVE && !wave_is_antiperiodic(&l->own, &l->out_q, &mid2))
        return fail(ANNULUS_ERR_INPUT, "layer %zu: what the quantizer makes of its wave is not antiperiodic",
                    index + 1);
    if (!last) return ANNULUS_OK;
    if (l->act != ACTIVATION_IDENTITY || l->out_q.bits != 0)
        return fail(ANNULUS_ERR_INPUT, "the last layer has an activation or a quantizer: its sums are the scores");
    return ANNULUS_OK;
}

annulus_status network_check(const network *n)
{
    TRY(quantizer_check(&n->input, "input quantizer"));
    if (quantizer_is_bipolar(&n->input))
        return fail(ANNULUS_ERR_INPUT, "input quantizer: one signed bit, -1 and 1: for inputs use an unsigned one");
    for (size_t i = 0; i < n->inputs; i++)
        if (!isfinite(n->shift[i]) || !isfinite(n->gain[i]))
            return fail(ANNULUS_ERR_INPUT, "input %zu: shift or gain is not finite", i + 1);
    for (size_t i = 0; i < n->layers_count; i++) {
        const dense_layer *l = &n->layers[i];
        size_t width;
        TRY(network_sources_check(n, i, &width));
        if (l->in != width || l->out == 0 || l->out > MAX_WIDTH || l->offsets > MAX_WIDTH / l->out)
            return fail(ANNULUS_ERR_INPUT, "layer %zu takes %zu values and gives %zu, %zu arrive", i + 1, l->in, l->out,
                        width);
        TRY(layer_check(l, i, i + 1 == n->layers_count));
    }
    for (size_t i = 0; i < n->layers_count; i++) {
        int32_t factors[NETWORK_MAX_LAYERS];
        double unit;
        TRY(network_factors(n, i, factors, &unit));
    }
    TRY(network_uses_check(n));
    return n->labels == NULL ? fail(ANNULUS_ERR_INPUT, "the network has no labels") : ANNULUS_OK;
}
