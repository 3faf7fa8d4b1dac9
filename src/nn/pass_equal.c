/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/random.h"
#include "nn/pass_priv.h"

#include <stdlib.h>

/* A neuron's weights, in a sum that does not depend on their order. */
typedef struct neuron {
    uint64_t hash;
    uint32_t number;
} neuron;

static int by_hash(const void *a, const void *b)
{
    const neuron *x = a, *y = b;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static int same_function(const dense_layer *l, uint32_t a, uint32_t b)
{
    return dense_layer_alike(l, a, b) && l->constant[a] == l->constant[b];
}

/* all (out) in the order of their hashes: each that is equal to one before it goes. */
static void find_equal(const dense_layer *l, linear_view *view, const neuron *all, int64_t *weight, uint32_t *as)
{
    for (size_t first = 0, next; first < l->out; first = next) {
        for (next = first + 1; next < l->out && all[next].hash == all[first].hash; next++)
            for (size_t k = first; k < next; k++) {
                const uint32_t a = all[k].number, b = all[next].number;
                if (as[a] != a || !same_function(l, a, b) || linear_rows_compare(view, a, b, weight) != 1) continue;
                as[b] = a;
                break;
            }
    }
}

static annulus_status layer_equal(const dense_layer *l, uint32_t *as)
{
    linear_view *view = NULL;
    void *p;
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    const annulus_status st = mem_create(l->out * sizeof(neuron) + l->in * sizeof(int64_t), 1, "neurons", &p);
    if (st == ANNULUS_OK) {
        neuron *all = p;
        for (size_t o = 0; o < l->out; o++) {
            const uint32_t *input;
            const int64_t *w;
            const size_t count = linear_view_row(view, o, &input, &w);
            all[o] = (neuron){.number = (uint32_t)o};
            for (size_t k = 0; k < count; k++) all[o].hash += random_mix(random_mix(input[k]) ^ (uint64_t)w[k]);
        }
        qsort(all, l->out, sizeof *all, by_hash);
        find_equal(l, view, all, (int64_t *)(void *)(all + l->out), as);
        mem_free(p);
    }
    linear_view_destroy(view);
    return st;
}

/* First layers first: equal neurons make their readers equal. */
annulus_status pass_equal(network *n, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i + 1 < n->layers_count; i++) {
        pass_fate fate;
        size_t removed = 0;
        TRY(pass_fate_create(&n->layers[i], &fate));
        annulus_status st = layer_equal(&n->layers[i], fate.as);
        if (st == ANNULUS_OK) st = pass_remove(n, i, &fate, &removed);
        pass_fate_clear(&fate);
        TRY(st);
        *count += removed;
    }
    return ANNULUS_OK;
}
