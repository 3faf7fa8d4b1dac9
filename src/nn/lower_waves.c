/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include <stdio.h>

static int share_source(const network *n, size_t i, size_t j)
{
    uint32_t a[NETWORK_MAX_LAYERS], b[NETWORK_MAX_LAYERS];
    const size_t of_a = network_sources(n, i, a), of_b = network_sources(n, j, b);
    return network_sources_meet(a, of_a, b, of_b);
}

void lower_find_groups(const network *n, size_t *group)
{
    for (size_t i = 0; i < n->layers_count; i++) {
        group[i] = i;
        for (size_t j = 0; j < i; j++) {
            const size_t from = group[i], into = group[j];
            if (from == into || !share_source(n, i, j)) continue;
            const size_t low = into < from ? into : from, high = into + from - low;
            for (size_t k = 0; k <= i; k++)
                if (group[k] == high) group[k] = low;
        }
    }
}

/* Whether the weights of layer i, in units of its own, bear this multiplier. */
static annulus_status bears(const network *n, size_t i, int32_t multiplier, int *does)
{
    circuit_layer l = {.in = n->layers[i].in, .out = n->layers[i].out};
    double unit;
    (void)snprintf(l.name, sizeof l.name, "layer %zu", network_number(n, i));
    l.sources_count = network_sources(n, i, l.sources);
    const annulus_status st = lower_linear(n, i, 1, 1, &l, &unit);
    *does = st == ANNULUS_OK && multiplier <= lower_most_multiplier(&l);
    linear_clear(&l.linear);
    return st;
}

/* Whether the layers of a group are waves that have one unit, which their weights bear. */
static annulus_status has_unit(const network *n, const size_t *group, size_t first, int *has)
{
    double phase[NETWORK_MAX_LAYERS], unit;
    int32_t whole[NETWORK_MAX_LAYERS], factors[NETWORK_MAX_LAYERS];
    size_t of[NETWORK_MAX_LAYERS], count = 0, off;
    *has = 1;
    for (size_t i = first; i < n->layers_count; i++) {
        if (group[i] != first) continue;
        *has &= activation_is_wave(n->layers[i].act);
        TRY(network_factors(n, i, factors, &phase[count]));
        phase[count] *= n->layers[i].w_scale[0];
        of[count++] = i;
    }
    if (count == 1 || !*has) return ANNULUS_OK;
    *has = lower_common_phase(phase, count, whole, &unit, &off);
    for (size_t k = 0; k < count && *has; k++) TRY(bears(n, of[k], whole[k], has));
    return ANNULUS_OK;
}

annulus_status lower_plain_waves(const network *n, const lower_options *options, network **made)
{
    size_t group[NETWORK_MAX_LAYERS];
    unsigned char plain[NETWORK_MAX_LAYERS] = {0};
    int any = 0;
    *made = NULL;
    lower_find_groups(n, group);
    for (size_t i = 0; i + 1 < n->layers_count; i++) {
        int native = !options->shared_output;
        if (n->layers[i].act != ACTIVATION_WAVE || n->layers[i].offsets > 1) continue;
        if (native) TRY(has_unit(n, group, group[i], &native));
        plain[i] = !native;
        any |= plain[i];
    }
    if (!any) return ANNULUS_OK;
    TRY(network_copy(n, made));
    for (size_t i = 0; i < n->layers_count; i++)
        if (plain[i]) (*made)->layers[i].act = ACTIVATION_PADDED_WAVE;
    return ANNULUS_OK;
}
