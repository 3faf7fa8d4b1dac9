/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/pass_priv.h"

static void find_constant(const dense_layer *l, const int64_t *lo, const int64_t *hi, pass_fate *fate)
{
    for (size_t o = 0; o < l->out; o++) {
        int constant = 1;
        for (size_t j = 0; j < l->offsets; j++) {
            constant &= lo[o * l->offsets + j] == hi[o * l->offsets + j];
            fate->emits[o * l->offsets + j] = (int32_t)lo[o * l->offsets + j];
        }
        if (constant) fate->as[o] = PASS_CONSTANT;
    }
}

/* Sums stay what they were, so that one look at the ranges does for all layers. */
annulus_status pass_constant(network *n, size_t *count)
{
    pass_bounds b;
    annulus_status st = ANNULUS_OK;
    *count = 0;
    TRY(pass_bounds_create(n, &b));
    for (size_t i = 0; st == ANNULUS_OK && i + 1 < n->layers_count; i++) {
        pass_fate fate;
        size_t removed = 0;
        st = pass_fate_create(&n->layers[i], &fate);
        if (st != ANNULUS_OK) break;
        find_constant(&n->layers[i], b.lo + b.first[i + 1], b.hi + b.first[i + 1], &fate);
        st = pass_remove(n, i, &fate, &removed);
        pass_fate_clear(&fate);
        *count += removed;
    }
    pass_bounds_clear(&b);
    return st;
}
