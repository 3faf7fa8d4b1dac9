/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/api_noise.h"
#include "deploy/deploy_priv.h"

#include <string.h>

_Static_assert(sizeof((annulus_layer_noise *)0)->name == sizeof((train_layer_noise *)0)->name, "names fit");

/* Unless it is given: in deviations of a sum, and in periods. */
#define CLASSIC_NOISE 0.1
#define WAVE_NOISE 0x1p-5
#define WAVE_NOISE_MOST 0.25

/* Hidden layers of waves, *first of them the first; *hidden: of all. */
static size_t count_waves(const network *from, const train_options *t, size_t *hidden, size_t *first)
{
    size_t count = 0;
    *hidden = from != NULL ? from->layers_count - 1 : t->layer_acts_count;
    *first = 0;
    for (size_t i = *hidden; i-- > 0;) {
        if (!activation_is_wave(from != NULL ? from->layers[i].act : t->layer_acts[i].act)) continue;
        *first = i;
        count++;
    }
    return count;
}

/* What the network's first layer of waves bears, or, if it is not known, new ones do; else of classic sums. */
static double default_noise(const network *from, size_t waves, size_t first)
{
    if (waves == 0) return CLASSIC_NOISE;
    return from != NULL && from->layers[first].noise > 0 ? from->layers[first].noise : WAVE_NOISE;
}

annulus_status noise_options(const annulus_train_options *o, const network *from, train_options *t)
{
    size_t hidden, first;
    const size_t waves = count_waves(from, t, &hidden, &first);
    const int given = o->phase_noise >= 0, errs = o->target_error > 0 || o->index_noise > 0;
    t->target_error = o->target_error;
    t->index_noise = o->index_noise;
    t->rounding_bits = o->rounding_bits;
    t->value_noise = o->value_noise;
    t->phase_noise = given ? o->phase_noise : default_noise(from, waves, first);
    t->noise_of = o->noise_of != NULL ? o->noise_of->c : NULL;
    t->noise_kept = from != NULL && !given && !errs;
    if (isnan(o->phase_noise)) return fail(ANNULUS_ERR_INPUT, "phase_noise: %g", o->phase_noise);
    if (o->noise_of != NULL && (given || errs || o->value_noise > 0))
        return fail(ANNULUS_ERR_INPUT, "the circuit gives the noise of every layer: leave out any other");
    if (given && errs && (waves == 0 || waves == hidden))
        return fail(ANNULUS_ERR_INPUT,
                    "%s have one noise: give phase_noise or, in its place, target_error or index_noise",
                    waves == 0 ? "look-ups" : "waves");
    if (given || !errs || waves == 0) return ANNULUS_OK;
    const double cells = o->index_noise > 0 ? o->index_noise : train_error_noise(o->target_error);
    t->phase_noise = train_phase_noise(cells, o->rounding_bits);
    if (t->phase_noise <= WAVE_NOISE_MOST) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT,
                "noise of %.3g cells at %u rounding bits is %.3g periods of a wave: at most %g are possible", cells,
                o->rounding_bits, t->phase_noise, WAVE_NOISE_MOST);
}

annulus_layer_noise noise_public(const train_layer_noise *n)
{
    annulus_layer_noise out = {.waves = n->waves, .phase = n->phase, .error = n->error, .values = n->values};
    memcpy(out.name, n->name, sizeof out.name);
    return out;
}

annulus_status annulus_circuit_noise(const annulus_circuit *c, annulus_layer_noise *out, size_t *count)
{
    train_layer_noise n[TRAIN_MAX_HIDDEN + 1];
    TRY(train_noise_of(c->c, n, count));
    for (size_t i = 0; i < *count; i++) out[i] = noise_public(&n[i]);
    return ANNULUS_OK;
}
