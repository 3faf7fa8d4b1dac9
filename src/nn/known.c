/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a network are numbered (channel, place, offset), taps as in an ONNX file (channel, offset, place). */
#include "nn/known.h"

#include "base/memory.h"
#include <string.h>

static size_t area(const known_shape *k)
{
    return k->average.channels == 0 ? 1 : k->average.kernel[0] * k->average.kernel[1];
}

size_t known_each(const known_shape *k)
{
    return k->sources * area(k);
}

/* Place of the source that is number a among those averaged at `place`. */
static size_t averaged(const gather_windows *g, size_t columns, size_t place, size_t a)
{
    const size_t y = place / columns * g->kernel[0] + a / g->kernel[1];
    return y * g->size[1] + place % columns * g->kernel[1] + a % g->kernel[1];
}

/* Values that add up to value `channel`, of all offsets, `place` of what arrives. */
static void list_parts(const known_shape *k, size_t columns, size_t channel, size_t place, uint32_t *out)
{
    const size_t values = k->channels * k->places * k->offsets;
    for (size_t s = 0; s < k->sources; s++)
        for (size_t a = 0; a < area(k); a++) {
            const size_t at = k->average.channels == 0 ? place : averaged(&k->average, columns, place, a);
            *out++ =
                (uint32_t)(s * values + (channel / k->offsets * k->places + at) * k->offsets + channel % k->offsets);
        }
}

/* block, whose taps are values that arrive, in terms of those that make them: parts (arriving, each). */
static annulus_status spread(const linear_block *block, const uint32_t *parts, size_t each, linear_block *out)
{
    TRY(linear_block_create(block->rows, block->taps * each, block->places, out));
    memcpy(out->to, block->to, block->places * block->rows * sizeof *block->to);
    for (size_t k = 0; k < block->places * block->taps; k++)
        for (size_t s = 0; s < each; s++)
            out->from[k * each + s] =
                block->from[k] == LINEAR_NOTHING ? LINEAR_NOTHING : parts[block->from[k] * each + s];
    return ANNULUS_OK;
}

static annulus_status spread_all(const circuit_linear *l, const uint32_t *parts, size_t each, circuit_linear *out)
{
    TRY(linear_create(l->blocks_count, out));
    for (size_t k = 0; k < l->blocks_count; k++) TRY(spread(&l->blocks[k], parts, each, &out->blocks[k]));
    return ANNULUS_OK;
}

/* Over the values that arrive. */
static annulus_status over_arriving(const known_shape *k, size_t arriving, circuit_linear *out)
{
    const gather_windows *g = &k->windows;
    const size_t taps = g->channels == 0 ? arriving : g->channels * g->kernel[0] * g->kernel[1];
    void *W;
    TRY(mem_create(k->rows * taps, sizeof(int32_t), "weights", &W));
    const annulus_status st =
        g->channels > 0 ? gather_convolution(g, W, k->rows, k->groups, out) : linear_dense(W, k->rows, taps, out);
    mem_free(W);
    return st;
}

annulus_status known_linear(const known_shape *k, circuit_linear *out)
{
    const size_t each = known_each(k), channels = k->channels * k->offsets;
    size_t count[2] = {1, k->places};
    circuit_linear arriving = {0};
    void *p;
    if (k->average.channels > 0) TRY(gather_count(&k->average, count));
    const size_t places = count[0] * count[1];
    TRY(mem_create(channels * places * each, sizeof(uint32_t), "values taken", &p));
    uint32_t *parts = p;
    for (size_t v = 0; v < channels * places; v++) list_parts(k, count[1], v / places, v % places, parts + v * each);
    annulus_status st = over_arriving(k, channels * places, &arriving);
    if (st == ANNULUS_OK) st = spread_all(&arriving, parts, each, out);
    linear_clear(&arriving);
    mem_free(p);
    return st;
}
