/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/sums.h"

#include <stdlib.h>

int64_t network_reach(const network *n, size_t layer)
{
    uint32_t sources[NETWORK_MAX_LAYERS];
    int32_t factors[NETWORK_MAX_LAYERS];
    double unit;
    int64_t most = 0;
    const size_t count = network_sources(n, layer, sources);
    const int common = network_common_unit(n, sources, count, factors, &unit); /* as network_check has it */
    for (size_t k = 0; k < count; k++) {
        int32_t lo, hi;
        quantizer_range(sources[k] == 0 ? &n->input : &n->layers[sources[k] - 1].out_q, &lo, &hi);
        const int64_t reach = ((int64_t)hi - lo) * (common ? factors[k] : 1);
        most = reach > most ? reach : most;
    }
    return most;
}

/* The sum of absolute weights of the row that has most; weights and nonzero ones are counted. */
static int64_t widest_row(const int32_t *W, size_t rows, size_t taps, layer_sums *s)
{
    int64_t most = 0;
    for (size_t r = 0; r < rows; r++) {
        int64_t sum = 0;
        for (size_t t = 0; t < taps; t++) {
            sum += abs(W[r * taps + t]);
            s->nonzero += W[r * taps + t] != 0;
        }
        most = sum > most ? sum : most;
    }
    s->weights += rows * taps;
    return most;
}

layer_sums network_sums(const network *n, size_t layer)
{
    const dense_layer *l = &n->layers[layer];
    const int64_t reach = network_reach(n, layer);
    layer_sums s = {.values = 1};
    int64_t widest = l->W != NULL ? widest_row(l->W, l->out, l->in, &s) : 0;
    for (size_t b = 0; l->W == NULL && b < l->linear.blocks_count; b++) {
        const linear_block *block = &l->linear.blocks[b];
        const int64_t own = widest_row(block->W, block->rows, block->taps, &s);
        if (l->known || l->windows.channels > 0) /* groups */
            widest = own > widest ? own : widest;
        else
            widest += own;
    }
    s.values += reach * widest;
    while (s.bits < 62 && INT64_C(1) << s.bits < s.values) s.bits++;
    return s;
}
