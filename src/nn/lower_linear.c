/* SPDX-License-Identifier: Apache-2.0 */
/* Integer weights of a circuit's layer, and what neurons of one channel share. */
#include "nn/lower_priv.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* factor (in) of each input. Weights on inputs of several factors cannot be shared by all places. */
static annulus_status scale_weights(const circuit_layer *l, const int32_t *factor)
{
    for (size_t k = 0; k < l->linear.blocks_count; k++) {
        const linear_block *b = &l->linear.blocks[k];
        for (size_t t = 0; t < b->taps; t++) {
            int32_t by = 0;
            for (size_t p = 0; p < b->places; p++) {
                const uint32_t from = b->from[p * b->taps + t];
                if (from == LINEAR_NOTHING) continue;
                if (by != 0 && by != factor[from])
                    return fail(ANNULUS_ERR_INPUT,
                                "%s: one weight meets values of different scales at different places: quantize its "
                                "sources with one scale",
                                l->name);
                by = factor[from];
            }
            for (size_t r = 0; r < b->rows; r++) {
                const int64_t w = (int64_t)b->W[r * b->taps + t] * by;
                if (w < -LINEAR_MAX_WEIGHT || w > LINEAR_MAX_WEIGHT)
                    return fail(ANNULUS_ERR_INPUT, "%s: a weight of %lld, at most %d are possible", l->name,
                                (long long)w, LINEAR_MAX_WEIGHT);
                b->W[r * b->taps + t] = (int32_t)w;
            }
        }
    }
    return ANNULUS_OK;
}

/* Divides all weights by the largest number that they are multiples of, and the constants of d in units; returns it. */
static int32_t take_common_factor(const dense_layer *d, double unit, const circuit_layer *l)
{
    int32_t common = 0;
    for (size_t k = 0; k < l->linear.blocks_count && common != 1; k++) {
        const linear_block *b = &l->linear.blocks[k];
        for (size_t w = 0; w < b->rows * b->taps && common != 1; w++)
            common = (int32_t)common_divisor(common, abs(b->W[w]));
    }
    for (size_t o = 0; d->constant != NULL && o < d->out && common > 1; o++)
        common = (int32_t)common_divisor(common, llabs(llrint(d->constant[o] / unit)) % common);
    for (size_t k = 0; k < l->linear.blocks_count && common > 1; k++)
        for (size_t w = 0; w < l->linear.blocks[k].rows * l->linear.blocks[k].taps; w++)
            l->linear.blocks[k].W[w] /= common;
    return common > 1 ? common : 1;
}

annulus_status lower_linear(const network *n, size_t i, int32_t multiplier, int whole, circuit_layer *l, double *unit)
{
    const dense_layer *d = &n->layers[i];
    int32_t factors[NETWORK_MAX_LAYERS];
    void *p;
    TRY(d->W != NULL ? linear_dense(d->W, d->out, d->in, &l->linear) : linear_copy(&d->linear, &l->linear));
    TRY(network_factors(n, i, factors, unit));
    TRY(mem_create(l->in, sizeof(int32_t), "weights", &p));
    int32_t *factor = p;
    for (size_t k = 0, at = 0; k < l->sources_count; k++)
        for (size_t m = network_source_values(n, l->sources[k]); m > 0; m--) factor[at++] = factors[k];
    const annulus_status st = scale_weights(l, factor);
    mem_free(factor);
    TRY(st);
    if (!whole) *unit *= take_common_factor(d, *unit, l);
    if (multiplier > lower_most_multiplier(l)) /* of torus-native layers alone: others have what their weights bear */
        return fail(ANNULUS_ERR_INPUT,
                    "%s shares values with other torus-native layers, and a common unit takes its weights times %d, "
                    "beyond %d: give these layers weights of scales in a smaller ratio, or of fewer bits",
                    l->name, multiplier, LINEAR_MAX_WEIGHT);
    for (size_t k = 0; k < l->linear.blocks_count; k++)
        for (size_t w = 0; w < l->linear.blocks[k].rows * l->linear.blocks[k].taps; w++)
            l->linear.blocks[k].W[w] *= multiplier;
    return ANNULUS_OK;
}

int32_t lower_most_multiplier(const circuit_layer *l)
{
    const int32_t most = linear_largest_weight(&l->linear);
    return LINEAR_MAX_WEIGHT / (most > 1 ? most : 1);
}

#define OFF_GRID 1e-3 /* units: bounds are real numbers, of scales that single precision may have rounded */

void lower_bounds(const dense_layer *d, double unit, int32_t multiplier, circuit_layer *l)
{
    for (size_t o = 0; d->bound != NULL && o < l->out; o++) {
        const double lo = d->bound[o] / (unit * multiplier), hi = d->bound[l->out + o] / (unit * multiplier);
        const double least = multiplier * ceil(lo - OFF_GRID - 2e-6 * fabs(lo)),
                     most = multiplier * floor(hi + OFF_GRID + 2e-6 * fabs(hi));
        if (least > (double)l->proven_lo[o] && least <= (double)l->proven_hi[o]) l->proven_lo[o] = (int64_t)least;
        if (most < (double)l->proven_hi[o] && most >= (double)l->proven_lo[o]) l->proven_hi[o] = (int64_t)most;
    }
}

/* The least of lo and the largest of hi within each channel, for all its neurons; room (2, out). */
static void widen_channels(const uint32_t *channel, size_t out, int64_t *lo, int64_t *hi, int64_t *room)
{
    int64_t *least = room, *most = room + out;
    for (size_t o = 0; o < out; o++) least[o] = INT64_MAX, most[o] = INT64_MIN;
    for (size_t o = 0; o < out; o++) {
        const uint32_t k = channel[o];
        if (lo[o] < least[k]) least[k] = lo[o];
        if (hi[o] > most[k]) most[k] = hi[o];
    }
    for (size_t o = 0; o < out; o++) lo[o] = least[channel[o]], hi[o] = most[channel[o]];
}

annulus_status lower_share_ranges(const dense_layer *d, circuit_layer *l)
{
    void *p;
    if (d->channel == NULL) return ANNULUS_OK;
    TRY(mem_create(2 * l->out, sizeof(int64_t), "ranges", &p));
    widen_channels(d->channel, l->out, l->proven_lo, l->proven_hi, p);
    widen_channels(d->channel, l->out, l->measured_lo, l->measured_hi, p);
    mem_free(p);
    return ANNULUS_OK;
}

annulus_status lower_tables(const dense_layer *d, circuit_layer *l)
{
    void *p;
    size_t tables = 0;
    if (d->channel == NULL) return circuit_tables_create(l);
    TRY(mem_create(l->out, sizeof(uint32_t), "look-up tables", &p));
    uint32_t *number = p; /* of the table of a channel, + 1 */
    for (size_t o = 0; o < l->out; o++)
        if (number[d->channel[o]] == 0) number[d->channel[o]] = (uint32_t)++tables;
    l->tables = tables;
    const annulus_status st = circuit_tables_create(l);
    for (size_t o = 0; st == ANNULUS_OK && o < l->out; o++) l->table_of[o] = number[d->channel[o]] - 1;
    mem_free(number);
    return st;
}

annulus_status lower_lean(const dense_layer *d, const circuit_layer *l, unsigned char *up)
{
    linear_view *view = NULL;
    void *p;
    TRY(mem_create(l->out, sizeof(uint32_t), "channels", &p));
    uint32_t *first = p; /* output of a channel, + 1 */
    const annulus_status st = linear_view_create(&l->linear, l->in, l->out, &view);
    for (size_t o = 0; st == ANNULUS_OK && o < l->out; o++) {
        const uint32_t *input, channel = d->channel == NULL ? (uint32_t)o : d->channel[o];
        const int64_t *weight;
        if (first[channel] != 0) {
            up[o] = up[first[channel] - 1];
            continue;
        }
        first[channel] = (uint32_t)o + 1;
        const size_t count = linear_view_row(view, o, &input, &weight);
        uint32_t least = LINEAR_NOTHING;
        for (size_t k = 0; k < count; k++)
            if (input[k] < least) least = input[k], up[o] = weight[k] < 0;
    }
    linear_view_destroy(view);
    mem_free(first);
    return st;
}
