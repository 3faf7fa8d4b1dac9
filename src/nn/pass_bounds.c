/* SPDX-License-Identifier: Apache-2.0 */
/* Which integers the values of a network can be. */
#include "base/memory.h"
#include "nn/pass_priv.h"

#include <math.h>
#include <string.h>

#define MOST_SUMS 4096 /* of a neuron whose activation is not monotone: beyond, its quantizer's range is taken */

/* Integers that value `offset` of a neuron is at this sum, by the formula of network_apply and by that which tables are
 * filled with; w_scale*unit is rounded in the latter. */
static void widen_at(const dense_layer *l, size_t o, size_t offset, double unit, double sum, int64_t *lo, int64_t *hi)
{
    const double turn = 0.5 * (double)offset / (double)l->offsets, k = l->constant == NULL ? 0 : l->constant[o];
    const double u[] = {l->w_scale[o] * (sum * unit + k) + l->bias[o],
                        (l->w_scale[o] * unit) * (sum + rint(k / unit)) + l->bias[o]};
    for (size_t i = 0; i < 2; i++) {
        const int32_t y = quantizer_integer(&l->out_q, dense_layer_act(l, o, u[i] + turn));
        *lo = y < *lo ? y : *lo;
        *hi = y > *hi ? y : *hi;
    }
}

/* Range of value `offset` of neuron o whose integer sums are in [first, last]. */
static void value_range(const dense_layer *l, size_t o, size_t offset, double unit, int64_t first, int64_t last,
                        int64_t *lo, int64_t *hi)
{
    int32_t least, most;
    *lo = INT64_MAX, *hi = INT64_MIN;
    widen_at(l, o, offset, unit, (double)first, lo, hi);
    widen_at(l, o, offset, unit, (double)last, lo, hi);
    if (activation_is_monotone(l->act) || first == last) return;
    quantizer_range(&l->out_q, &least, &most);
    least -= l->out_q.zero, most -= l->out_q.zero; /* it cuts off there */
    if (last - first >= MOST_SUMS) *lo = least, *hi = most;
    for (int64_t s = first + 1; s < last && (*lo > least || *hi < most); s++)
        widen_at(l, o, offset, unit, (double)s, lo, hi);
}

/* Of layer i, whose sources are known; lo, hi (in): room for the ranges of its inputs, times their factors. */
static annulus_status layer_bounds(const network *n, size_t i, const pass_bounds *b, int64_t *lo, int64_t *hi)
{
    const dense_layer *l = &n->layers[i];
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit;
    linear_view *view = NULL;
    size_t at = 0;
    TRY(network_factors(n, i, factors, &unit));
    for (size_t k = 0; k < l->sources_count; k++) {
        const size_t count = network_source_values(n, l->sources[k]), first = b->first[l->sources[k]];
        for (size_t v = 0; v < count; v++, at++) {
            lo[at] = b->lo[first + v] * factors[k];
            hi[at] = b->hi[first + v] * factors[k];
        }
    }
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        int64_t first = 0, last = 0;
        for (size_t k = 0; k < count; k++) {
            first += weight[k] * (weight[k] > 0 ? lo : hi)[input[k]];
            last += weight[k] * (weight[k] > 0 ? hi : lo)[input[k]];
        }
        for (size_t j = 0; j < l->offsets; j++) {
            const size_t value = b->first[i + 1] + o * l->offsets + j;
            value_range(l, o, j, unit, first, last, &b->lo[value], &b->hi[value]);
        }
    }
    linear_view_destroy(view);
    return ANNULUS_OK;
}

annulus_status pass_bounds_create(const network *n, pass_bounds *out)
{
    size_t all = 0, most = 0;
    int32_t lo, hi;
    void *p;
    for (size_t s = 0; s < n->layers_count; s++) { /* the last layer's are scores */
        out->first[s] = all;
        all += network_source_values(n, s);
    }
    for (size_t i = 0; i < n->layers_count; i++) most = n->layers[i].in > most ? n->layers[i].in : most;
    TRY(mem_create(2 * (all + most), sizeof(int64_t), "ranges", &p));
    out->lo = p, out->hi = out->lo + all;
    quantizer_range(&n->input, &lo, &hi);
    for (size_t i = 0; i < n->inputs; i++) out->lo[i] = lo - n->input.zero, out->hi[i] = hi - n->input.zero;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < n->layers_count; i++)
        st = layer_bounds(n, i, out, out->hi + all, out->hi + all + most);
    if (st != ANNULUS_OK) pass_bounds_clear(out);
    return st;
}

void pass_bounds_clear(pass_bounds *b)
{
    mem_free(b->lo);
    *b = (pass_bounds){.lo = NULL};
}
