/* SPDX-License-Identifier: Apache-2.0 */
/* Noise of a compiled circuit, for training. Phases: what the search predicts for the layer (optimizer/noise.h), noise
 * of the values that arrive there included; so it is injected whole, on the phases. On the way to the scores it is the
 * values that have it, since it grows with the integers that they are multiplied by, which training changes; what
 * packing adds to the scores comes besides. */
#include "base/memory.h"
#include "train/train_noise.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MARGIN 0.1          /* to each side of a measured range, as while training */
#define ENOUGH ((size_t)32) /* samples that ranges are measured by */

/* Cells of the widest range that the calibration samples met, or, of too few of them, that was proven. */
static double range_cells(const circuit *c, const circuit_layer *l)
{
    const int met = c->calibration_count >= ENOUGH;
    const int64_t *lo = met ? l->measured_lo : l->lo, *hi = met ? l->measured_hi : l->hi;
    double widest = 0;
    if (l->step == 1) return INFINITY;
    for (size_t o = 0; o < l->out; o++) widest = fmax(widest, (double)(hi[o] - lo[o]));
    return fmax(widest * (met ? 1 + 2 * MARGIN : 1) / (double)l->step, 1);
}

static void look_up_noise(const circuit *c, size_t i, train_layer_noise *out)
{
    const circuit_layer *l = &c->layers[i];
    const layer_choice *k = &c->choice.layers[i];
    out->waves = circuit_is_wave(l);
    out->phase = k->phase_std;
    if (out->waves) return;
    /* of split look-ups several phases decide */
    out->phase = l->split > 0 ? 0.5 / noise_kappa(k->log2_failure) : 2 * l->cells * k->phase_std;
    out->error = exp2(k->log2_failure);
    out->range = range_cells(c, l);
}

/* Variance on the torus of what reaches the scores besides the noise of the values that they take. */
static double beside_values(const circuit *c)
{
    const circuit_layer *l = circuit_last(c);
    const tfhe_answers *a = &c->choice.families.answers;
    const double all = c->choice.layers[c->layers_count - 1].phase_std;
    if (l->sources_count == 1 && l->sources[0] == 0) return all * all;
    return a->bits > 0 ? noise_answers(&c->choice.families, (double)tfhe_answers_together(a, l->out)) : 0;
}

/* Of the values that the scores take, those of several sources added up, in integers, each an accumulator unit at
 * weight 1: what makes the rest of the largest predicted noise. */
static annulus_status value_noise(const circuit *c, double *out)
{
    const circuit_layer *l = circuit_last(c);
    const double all = c->choice.layers[c->layers_count - 1].phase_std, rest = fmax(all * all - beside_values(c), 0);
    double most = 0;
    void *p;
    TRY(mem_create(l->out, sizeof(double), "two-norms", &p));
    double *norm = p;
    const annulus_status st = linear_norms(&l->linear, l->in, l->out, norm);
    for (size_t o = 0; st == ANNULUS_OK && o < l->out; o++) most = fmax(most, norm[o]);
    mem_free(norm);
    *out = most > 0 ? sqrt(rest * (double)l->sources_count) * (double)l->period / most : 0;
    return st;
}

annulus_status train_noise_of(const circuit *c, train_layer_noise *out, size_t *count)
{
    const circuit_layer *last = circuit_last(c);
    size_t n = 0;
    double scale = 0;
    if (c->task == CIRCUIT_TOP_1)
        return fail(ANNULUS_ERR_INPUT, "the circuit answers the label alone: compile it with its scores");
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        if (circuit_is_bit(&c->layers[i])) continue;
        if (n > 0 && strcmp(out[n - 1].name, c->layers[i].name) == 0) { /* a layer that is there twice */
            if (c->choice.layers[i].phase_std > out[n - 1].phase) look_up_noise(c, i, &out[n - 1]);
            continue;
        }
        if (n == TRAIN_MAX_HIDDEN)
            return fail(ANNULUS_ERR_INPUT, "a circuit of more than %u hidden layers", TRAIN_MAX_HIDDEN);
        out[n] = (train_layer_noise){.layer = i};
        memcpy(out[n].name, c->layers[i].name, sizeof out[n].name);
        look_up_noise(c, i, &out[n++]);
    }
    if (n > 0) TRY(value_noise(c, &out[n - 1].values));
    for (size_t o = 0; o < last->out; o++) scale = fmax(scale, fabs(last->real_scale[o]));
    out[n] =
        (train_layer_noise){.layer = c->layers_count - 1,
                            .phase = c->choice.layers[c->layers_count - 1].phase_std * (double)last->period * scale};
    memcpy(out[n].name, last->name, sizeof out[n].name);
    *count = n + 1;
    return ANNULUS_OK;
}

/* Layer i of the model is that of the circuit; *gone: its neurons that compiling took out. */
static annulus_status same_layer(const train_model *m, size_t i, const circuit *c, const train_layer_noise *n,
                                 size_t *gone)
{
    const train_layer *l = &m->layer[i];
    const circuit_layer *k = &c->layers[n->layer];
    const size_t out = l->out * l->places;
    char name[32];
    (void)snprintf(name, sizeof name, l->last ? "output" : "layer %zu", i + 1);
    if (strcmp(name, n->name) != 0)
        return fail(ANNULUS_ERR_INPUT, "%s of the network is not in the circuit, which has %s there", name, n->name);
    if (k->out > out || (l->last && k->out < out))
        return fail(ANNULUS_ERR_INPUT, "%s has %zu neurons in the circuit, %zu in the network", name, k->out, out);
    *gone += out - k->out;
    if (l->last) return ANNULUS_OK;
    if (strcmp(k->activation, activation_name(ACTIVATION_WAVE)) == 0 && !train_has_waves(l))
        return fail(
            ANNULUS_ERR_INPUT,
            "%s has look-ups that wrap in the circuit; those of %s cannot once it is trained, since each neuron "
            "has a scale of its own: compile without --wrap-clamps",
            name, activation_name(l->act));
    const int padded = strcmp(k->activation, activation_name(ACTIVATION_PADDED_WAVE)) == 0;
    if (strcmp(padded ? activation_name(ACTIVATION_FUNCTION) : k->activation, activation_name(l->act)) != 0 ||
        n->waves != train_has_waves(l))
        return fail(ANNULUS_ERR_INPUT, "%s has look-ups of %s in the circuit, of %s in the network", name,
                    k->activation, activation_name(l->act));
    /* neurons that share a rotation have more values of it */
    if (n->waves && (k->offsets < l->offsets || (k->offsets > l->offsets && k->out == out)))
        return fail(ANNULUS_ERR_INPUT, "%s has %u offsets in the circuit, %zu in the network", name, k->offsets,
                    l->offsets);
    return ANNULUS_OK;
}

static annulus_status same_shape(const train_model *m, size_t features, const circuit *c, const train_layer_noise *n,
                                 size_t count)
{
    size_t gone = 0;
    if (count != m->layers)
        return fail(ANNULUS_ERR_INPUT, "the circuit has %zu hidden layers, the network %zu", count - 1, m->layers - 1);
    if (c->input.features != features)
        return fail(ANNULUS_ERR_INPUT, "the circuit has %zu features, the data %zu", c->input.features, features);
    for (size_t i = 0; i < count; i++) TRY(same_layer(m, i, c, &n[i], &gone));
    const circuit_passes *p = &c->passes;
    const size_t taken = (size_t)p->constant + p->dead + p->equal + p->rotations;
    if (gone != taken)
        return fail(ANNULUS_ERR_INPUT,
                    "the circuit is of a network of other widths: %zu neurons less than this one, of which compiling "
                    "took out %zu",
                    gone, taken);
    return ANNULUS_OK;
}

static annulus_status take_scores(const circuit *c, const train_data *t, train_layer *l)
{
    const circuit_layer *k = circuit_last(c);
    const double torus = sqrt(beside_values(c)) * (double)k->period;
    void *p;
    TRY(mem_create(l->out, sizeof *l->score_noise, "noise of scores", &p));
    l->score_noise = p;
    for (size_t o = 0; o < l->out; o++) {
        const double gain = t->target != NULL && !t->binary ? t->t_gain[o] : 1;
        l->score_noise[o] = (float)(torus * fabs(k->real_scale[o]) / gain);
    }
    return ANNULUS_OK;
}

annulus_status train_noise_take(train_model *m, const train_data *t, const circuit *c)
{
    train_layer_noise n[TRAIN_MAX_HIDDEN + 1];
    size_t count;
    TRY(train_noise_of(c, n, &count));
    TRY(same_shape(m, t->features, c, n, count));
    for (size_t i = 0; i + 1 < count; i++) {
        train_layer *l = &m->layer[i];
        l->noise = (float)(n[i].phase * (1 + 0x1p-20)); /* so that the circuit keeps it as a bound */
        l->cells = n[i].waves ? 0 : (float)n[i].range;
        l->value_noise = (float)n[i].values;
    }
    return take_scores(c, t, &m->layer[count - 1]);
}
