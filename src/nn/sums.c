/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/sums.h"

#include <stdlib.h>

int64_t network_reach(const network *n, size_t layer)
{
    int32_t lo, hi;
    quantizer_range(layer == 0 ? &n->input : &n->layers[layer - 1].out_q, &lo, &hi);
    return (int64_t)hi - lo;
}

layer_sums network_sums(const network *n, size_t layer)
{
    const dense_layer *l = &n->layers[layer];
    const int64_t reach = network_reach(n, layer);
    layer_sums s = {.values = 1, .weights = l->in * l->out};
    for (size_t o = 0; o < l->out; o++) {
        int64_t sum = 0;
        for (size_t i = 0; i < l->in; i++) {
            sum += abs(l->W[o * l->in + i]);
            s.nonzero += l->W[o * l->in + i] != 0;
        }
        s.values = reach * sum + 1 > s.values ? reach * sum + 1 : s.values;
    }
    while (s.bits < 62 && INT64_C(1) << s.bits < s.values) s.bits++;
    return s;
}
