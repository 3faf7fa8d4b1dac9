/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/ties.h"

static size_t divisor(size_t a, size_t b)
{
    return (size_t)common_divisor((int64_t)a, (int64_t)b);
}

static void unite(network_ties *t, size_t layers, size_t a, size_t b)
{
    const size_t from = t->set[a] > t->set[b] ? t->set[a] : t->set[b], to = t->set[a] + t->set[b] - from;
    for (size_t i = 0; i < layers; i++)
        if (t->set[i] == from) t->set[i] = to;
}

static void tie_sources(const network *n, size_t i, network_ties *t)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    const size_t count = network_sources(n, i, sources);
    for (size_t k = 1; n->layers[i].known && k < count; k++) unite(t, n->layers_count, sources[0] - 1, sources[k] - 1);
}

/* Layer i, a convolution in groups. */
static void tie_groups(const network *n, size_t i, network_ties *t)
{
    const dense_layer *l = &n->layers[i];
    const size_t groups = l->linear.blocks_count, own = dense_layer_neurons(l);
    uint32_t sources[NETWORK_MAX_LAYERS];
    (void)network_sources(n, i, sources);
    if (sources[0] == 0) { /* the input stays */
        t->ranges[i] = common_multiple(t->ranges[i], groups);
        return;
    }
    const size_t before = sources[0] - 1, taken = dense_layer_neurons(&n->layers[before]);
    if (taken % groups == 0 && taken / groups > 1 && own / groups > 1) {
        t->ranges[before] = common_multiple(t->ranges[before], groups);
        t->ranges[i] = common_multiple(t->ranges[i], groups);
        return;
    }
    t->units[i] = divisor(t->units[i], groups);
    unite(t, n->layers_count, before, i);
}

void network_ties_find(const network *n, network_ties *out)
{
    network_ties own = {{0}, {0}, {0}};
    const size_t layers = n->layers_count;
    for (size_t i = 0; i < layers; i++) {
        own.set[i] = i;
        own.units[i] = dense_layer_neurons(&n->layers[i]);
        own.ranges[i] = 1;
    }
    for (size_t i = 0; i < layers; i++) {
        const dense_layer *l = &n->layers[i];
        tie_sources(n, i, &own);
        if (l->W == NULL && l->windows.channels > 0 && l->linear.blocks_count > 1) tie_groups(n, i, &own);
    }
    *out = own;
    for (size_t i = 0; i < layers; i++)
        for (size_t k = 0; k < layers; k++) {
            if (own.set[k] != own.set[i]) continue;
            out->units[i] = divisor(out->units[i], own.units[k]);
            out->ranges[i] = common_multiple(out->ranges[i], own.ranges[k]);
        }
    for (size_t i = 0; i < layers; i++)
        if (out->units[i] % out->ranges[i] != 0) out->ranges[i] = out->units[i];
}
