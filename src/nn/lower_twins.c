/* SPDX-License-Identifier: Apache-2.0 */
/* Values that torus-native layers and others take, in units of their own each: their layer is looked up twice. */
#include "nn/lower_priv.h"

#include <string.h>

/* Who reads what. Sources: 0 the input, s layer s - 1. */
typedef struct readers {
    size_t group[NETWORK_MAX_LAYERS];
    unsigned char mixed[NETWORK_MAX_LAYERS];    /* groups of waves that must be torus-native, and of others */
    unsigned char wave[NETWORK_MAX_LAYERS + 1]; /* sources that waves of such groups read, and that others do */
    unsigned char other[NETWORK_MAX_LAYERS + 1];
} readers;

/* Others may have padding (lower_plain_waves). */
static int must_be_native(const dense_layer *d)
{
    return activation_is_wave(d->act) && (d->act != ACTIVATION_WAVE || d->offsets > 1);
}

static void find_readers(const network *n, readers *r)
{
    unsigned char waves[NETWORK_MAX_LAYERS] = {0}, others[NETWORK_MAX_LAYERS] = {0};
    *r = (readers){.mixed = {0}};
    lower_find_groups(n, r->group);
    for (size_t i = 0; i < n->layers_count; i++) {
        waves[r->group[i]] |= must_be_native(&n->layers[i]) != 0;
        others[r->group[i]] |= activation_is_wave(n->layers[i].act) == 0;
    }
    for (size_t i = 0; i < n->layers_count; i++) r->mixed[i] = waves[i] && others[i];
    for (size_t i = 0; i < n->layers_count; i++) {
        uint32_t sources[NETWORK_MAX_LAYERS];
        const size_t count = r->mixed[r->group[i]] ? network_sources(n, i, sources) : 0;
        unsigned char *by = activation_is_wave(n->layers[i].act) ? r->wave : r->other;
        for (size_t k = 0; k < count; k++) by[sources[k]] = 1;
    }
}

/* Layer i of n as layers of `made` from `at` on, which are numbered by `places` (sources) so far. */
static annulus_status place_layer(const network *n, size_t i, const readers *r, const uint32_t *places, size_t twins,
                                  size_t at, network *made)
{
    const int apart = r->mixed[r->group[i]] && !activation_is_wave(n->layers[i].act);
    for (size_t t = 0; t <= twins; t++) {
        dense_layer *l = &made->layers[at + t];
        TRY(dense_layer_copy(&n->layers[i], l));
        l->number = (uint32_t)network_number(n, i);
        l->sources_count = network_sources(n, i, l->sources);
        for (size_t k = 0; k < l->sources_count; k++) {
            const uint32_t s = l->sources[k];
            l->sources[k] = places[s] + (apart && r->wave[s] && r->other[s] ? 1 : 0);
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
    for (size_t s = 1; s < n->layers_count; s++) twins += r.wave[s] && r.other[s];
    if (twins == 0 || (r.wave[0] && r.other[0]) || n->layers_count + twins > NETWORK_MAX_LAYERS) return ANNULUS_OK;
    TRY(network_frame(n, n->layers_count + twins, made));
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < n->layers_count; i++) {
        const size_t own = r.wave[i + 1] && r.other[i + 1];
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
