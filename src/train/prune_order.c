/* SPDX-License-Identifier: Apache-2.0 */
/* Neurons and channels in the order in which they go, those that are tied together. */
#include "train/prune_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct unit {
    double worth;
    size_t number;
} unit;

static int by_worth(const void *a, const void *b)
{
    const unit *x = a, *y = b;
    if (x->worth != y->worth) return x->worth < y->worth ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_step(const void *a, const void *b)
{
    const prune_step *x = a, *y = b;
    if (x->worth != y->worth) return x->worth < y->worth ? -1 : 1;
    if (x->layer != y->layer) return x->layer < y->layer ? -1 : 1;
    return x->units[0] < y->units[0] ? -1 : x->units[0] > y->units[0];
}

/* Adds what the channels of layer i are worth, over the norm of the layer's, to the units that they are of. */
static void add_worth(const network_ties *t, size_t i, size_t channels, const double *worth, unit *units)
{
    double square = 0;
    for (size_t c = 0; c < channels; c++) square += worth[c] * worth[c];
    const double norm = square > 0 ? sqrt(square) : 1;
    for (size_t c = 0; c < channels; c++) units[c / (channels / t->units[i])].worth += worth[c] / norm;
}

/* Steps of the set of layer `set`: the k-th of them takes the k-th unit by worth of every range. */
static void list_steps(const network *n, size_t set, const prune_worth *worth, prune_order *o, unit *units, size_t *at)
{
    const network_ties *t = &o->ties;
    const size_t count = t->units[set], ranges = t->ranges[set], each = count / ranges;
    size_t look_ups = 0;
    for (size_t u = 0; u < count; u++) units[u] = (unit){0, u};
    for (size_t i = set; i + 1 < n->layers_count; i++) {
        if (t->set[i] != set) continue;
        add_worth(t, i, dense_layer_neurons(&n->layers[i]), worth[i].worth, units);
        look_ups += n->layers[i].out / count * ranges;
    }
    for (size_t r = 0; r < ranges; r++) qsort(units + r * each, each, sizeof *units, by_worth);
    for (size_t k = 0; k < each; k++) {
        prune_step *s = &o->steps[o->count++];
        *s = (prune_step){.layer = set, .units = o->units + *at, .look_ups = look_ups};
        for (size_t r = 0; r < ranges; r++) {
            s->worth += units[r * each + k].worth / (double)look_ups;
            o->units[(*at)++] = units[r * each + k].number;
        }
    }
}

annulus_status prune_order_create(const network *n, const prune_worth *worth, prune_order *out)
{
    size_t all = 0, at = 0;
    void *p;
    *out = (prune_order){.count = 0};
    network_ties_find(n, &out->ties);
    for (size_t i = 0; i + 1 < n->layers_count; i++)
        if (out->ties.set[i] == i) all += out->ties.units[i];
    TRY(mem_create(all, sizeof *out->steps, "order of neurons", &p));
    out->steps = p;
    TRY(mem_create(all, sizeof *out->units, "order of neurons", &p));
    out->units = p;
    TRY(mem_create(all, sizeof(unit), "order of neurons", &p));
    for (size_t i = 0; i + 1 < n->layers_count; i++)
        if (out->ties.set[i] == i) list_steps(n, i, worth, out, p, &at);
    mem_free(p);
    qsort(out->steps, out->count, sizeof *out->steps, by_step);
    return ANNULUS_OK;
}

void prune_order_clear(prune_order *o)
{
    mem_free(o->steps), mem_free(o->units);
    *o = (prune_order){.count = 0};
}

annulus_status prune_mask(const prune_order *o, const prune_step *s, const prune_worth *worth, network *n)
{
    const network_ties *t = &o->ties;
    for (size_t i = s->layer; i + 1 < n->layers_count; i++) {
        if (t->set[i] != s->layer) continue;
        const size_t run = dense_layer_neurons(&n->layers[i]) / t->units[i], offsets = n->layers[i].offsets;
        for (size_t r = 0; r < t->ranges[i]; r++)
            for (size_t c = s->units[r] * run; c < (s->units[r] + 1) * run; c++)
                TRY(network_mask(n, i, c, worth[i].mean + c * offsets));
    }
    return ANNULUS_OK;
}
