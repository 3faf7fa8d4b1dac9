/* SPDX-License-Identifier: Apache-2.0 */
/* Values that torus-native layers and others take, in units of their own each: their layer is looked up twice. */
#include "nn/lower_priv.h"

#include <string.h>

/* Which sources, 0 the input, s layer s - 1, layers read that are tied to others: in groups of waves that must be
 * torus-native, and of others. */
typedef struct readers {
    unsigned char wave[NETWORK_MAX_LAYERS + 1], other[NETWORK_MAX_LAYERS + 1];
} readers;

static int has_both(const readers *r, size_t source)
{
    return r->wave[source] && r->other[source];
}

/* Others may have padding (lower_plain_waves). */
static int must_be_native(const dense_layer *d)
{
    return activation_is_wave(d->act) && (d->act != ACTIVATION_WAVE || d->offsets > 1);
}

static void find_readers(const network *n, readers *r)
{
    unsigned char waves[NETWORK_MAX_LAYERS] = {0}, others[NETWORK_MAX_LAYERS] = {0};
    size_t group[NETWORK_MAX_LAYERS];
    *r = (readers){.wave = {0}};
    lower_find_groups(n, group);
    for (size_t i = 0; i < n->layers_count; i++) {
        waves[group[i]] |= must_be_native(&n->layers[i]) != 0;
        others[group[i]] |= activation_is_wave(n->layers[i].act) == 0;
    }
    for (size_t i = 0; i < n->layers_count; i++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        const size_t count = waves[group[i]] && others[group[i]] ? network_sources(n, i, sources) : 0;
        unsigned char *by = activation_is_wave(n->layers[i].act) ? r->wave : r->other;
        for (size_t k = 0; k < count; k++) by[sources[k]] = 1;
    }
}

/* Layer i of n as layers of `made` from `at` on, which are numbered by `places` (sources) so far. */
static annulus_status place_layer(const network *n, size_t i, const readers *r, const uint32_t *places, size_t twins,
                                  size_t at, network *made)
{
    const int wave = activation_is_wave(n->layers[i].act);
    for (size_t t = 0; t <= twins; t++) {
        dense_layer *l = &made->layers[at + t];
        TRY(dense_layer_copy(&n->layers[i], l));
        l->number = (uint32_t)network_number(n, i);
        l->sources_count = network_sources(n, i, l->sources);
        for (size_t k = 0; k < l->sources_count; k++) {
            const uint32_t s = l->sources[k];
            l->sources[k] = places[s] + (!wave && has_both(r, s) ? 1 : 0);
        }
    }
    return ANNULUS_OK;
}

annulus_status lower_twins(const network *n, network **made)
{
    readers r;
    uint32_t places[NETWORK_MAX_LAYERS + 1] = {0};
    size_t twins = 0, at = 0;
    *made = NULL;
    find_readers(n, &r);
    for (size_t s = 1; s < n->layers_count; s++) twins += has_both(&r, s) != 0;
    if (twins == 0 || has_both(&r, 0) || n->layers_count + twins > NETWORK_MAX_LAYERS) return ANNULUS_OK;
    TRY(network_frame(n, n->layers_count + twins, made));
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++) {
        const size_t own = has_both(&r, i + 1) != 0;
        st = place_layer(n, i, &r, places, own, at, *made);
        places[i + 1] = (uint32_t)at + 1;
        at += 1 + own;
    }
    if (st == ANNULUS_OK) st = network_copy_labels(n, *made);
    if (st == ANNULUS_OK) return ANNULUS_OK;
    network_destroy(*made);
    *made = NULL;
    return st;
}
