/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include <math.h>

annulus_status lower_constants(const dense_layer *d, double unit, int64_t **out)
{
    void *p;
    *out = NULL;
    if (d->constant == NULL) return ANNULUS_OK;
    TRY(mem_create(d->out, sizeof(int64_t), "constants", &p));
    *out = p;
    for (size_t o = 0; o < d->out; o++) (*out)[o] = (int64_t)rint(d->constant[o] / unit);
    return ANNULUS_OK;
}

static void move_ranges(circuit_layer *l, const int64_t *constant, int64_t sign)
{
    int64_t *const ranges[] = {l->proven_lo, l->proven_hi, l->measured_lo, l->measured_hi, l->lo, l->hi};
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++)
        for (size_t o = 0; o < l->out; o++) ranges[k][o] += sign * constant[o];
}

void lower_add_constants(circuit_layer *l, const int64_t *constant)
{
    if (constant != NULL) move_ranges(l, constant, 1);
}

void lower_take_constants(circuit_layer *l, const int64_t *constant)
{
    if (constant == NULL) return;
    move_ranges(l, constant, -1);
    for (size_t o = 0; o < l->out; o++) {
        l->real_bias[o] += l->real_scale[o] * (double)constant[o];
        if (l->unit != 0)
            l->shift[o] += (uint64_t)constant[o] * l->unit;
        else
            l->offset[o] += constant[o];
    }
}
