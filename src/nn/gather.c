/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/gather.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#define MOST ((size_t)1 << 20)        /* of any size: products of three fit */
#define MOST_LISTED ((size_t)1 << 26) /* inputs of all places */

annulus_status gather_listed_check(size_t windows, size_t taps, size_t rows)
{
    if (windows <= MOST_LISTED / taps && windows <= MOST_LISTED / rows) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%zu windows of %zu values and %zu outputs are too many", windows, taps, rows);
}

annulus_status gather_count(const gather_windows *g, size_t count[2])
{
    for (size_t d = 0; d < 2; d++) {
        if (g->size[d] == 0 || g->kernel[d] == 0 || g->stride[d] == 0 || g->dilation[d] == 0 || g->size[d] > MOST ||
            g->kernel[d] > MOST || g->stride[d] > MOST || g->dilation[d] > MOST || g->pad[d] > MOST ||
            g->pad[d + 2] > MOST)
            return fail(ANNULUS_ERR_INPUT, "a size, kernel, stride or dilation is 0 or too large");
        const size_t reach = g->dilation[d] * (g->kernel[d] - 1) + 1, room = g->size[d] + g->pad[d] + g->pad[d + 2];
        if (reach > room)
            return fail(ANNULUS_ERR_INPUT, "windows of %zu do not fit into %zu values, padding included", reach, room);
        count[d] = (room - reach) / g->stride[d] + 1;
    }
    return ANNULUS_OK;
}

/* Number of value (channel, y, x) of the padded tensor. */
static uint32_t input_at(const gather_windows *g, size_t channel, size_t y, size_t x)
{
    if (y < g->pad[0] || x < g->pad[1] || y - g->pad[0] >= g->size[0] || x - g->pad[1] >= g->size[1])
        return LINEAR_NOTHING;
    return (uint32_t)((channel * g->size[0] + y - g->pad[0]) * g->size[1] + x - g->pad[1]);
}

/* Inputs of the window at (y, x), of `channels` channels from `first` on. */
static void window_inputs(const gather_windows *g, size_t first, size_t channels, size_t y, size_t x, uint32_t *from)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < g->kernel[0]; i++)
            for (size_t j = 0; j < g->kernel[1]; j++)
                *from++ = input_at(g, first + c, y * g->stride[0] + i * g->dilation[0],
                                   x * g->stride[1] + j * g->dilation[1]);
}

annulus_status gather_convolution(const gather_windows *g, const int32_t *W, size_t rows, size_t groups,
                                  circuit_linear *out)
{
    size_t count[2];
    TRY(gather_count(g, count));
    if (groups == 0 || g->channels == 0 || g->channels > MOST || rows == 0 || rows > MOST ||
        g->channels % groups != 0 || rows % groups != 0)
        return fail(ANNULUS_ERR_INPUT, "%zu groups do not divide %zu and %zu channels", groups, g->channels, rows);
    const size_t channels = g->channels / groups, taps = channels * g->kernel[0] * g->kernel[1], R = rows / groups;
    const size_t places = count[0] * count[1];
    TRY(gather_listed_check(places, groups * taps, rows));
    TRY(linear_create(groups, out));
    for (size_t k = 0; k < groups; k++) {
        linear_block *b = &out->blocks[k];
        TRY(linear_block_create(R, taps, places, b));
        memcpy(b->W, W + k * R * taps, R * taps * sizeof *W);
        for (size_t p = 0; p < places; p++) {
            window_inputs(g, k * channels, channels, p / count[1], p % count[1], b->from + p * taps);
            for (size_t r = 0; r < R; r++) b->to[p * R + r] = (uint32_t)((k * R + r) * places + p);
        }
    }
    return ANNULUS_OK;
}

annulus_status gather_sums(const gather_windows *g, circuit_linear *out)
{
    size_t count[2];
    TRY(gather_count(g, count));
    const size_t taps = g->kernel[0] * g->kernel[1], places = count[0] * count[1];
    TRY(gather_listed_check(g->channels * places, taps, 1));
    TRY(linear_create(1, out));
    linear_block *b = &out->blocks[0];
    TRY(linear_block_create(1, taps, g->channels * places, b));
    for (size_t t = 0; t < taps; t++) b->W[t] = 1;
    for (size_t q = 0; q < b->places; q++) {
        const size_t p = q % places;
        window_inputs(g, q / places, 1, p / count[1], p % count[1], b->from + q * taps);
        b->to[q] = (uint32_t)q;
    }
    return ANNULUS_OK;
}

annulus_status gather_choice(const uint32_t *from, size_t count, int32_t weight, circuit_linear *out)
{
    TRY(linear_create(1, out));
    linear_block *b = &out->blocks[0];
    TRY(linear_block_create(1, 1, count, b));
    b->W[0] = weight;
    memcpy(b->from, from, count * sizeof *from);
    for (size_t i = 0; i < count; i++) b->to[i] = (uint32_t)i;
    return ANNULUS_OK;
}

annulus_status gather_join(circuit_linear *a, circuit_linear *b, circuit_linear *out)
{
    TRY(linear_create(a->blocks_count + b->blocks_count, out));
    for (size_t k = 0; k < a->blocks_count; k++) out->blocks[k] = a->blocks[k];
    for (size_t k = 0; k < b->blocks_count; k++) out->blocks[a->blocks_count + k] = b->blocks[k];
    a->blocks_count = b->blocks_count = 0;
    linear_clear(a);
    linear_clear(b);
    return ANNULUS_OK;
}

void gather_rename_inputs(circuit_linear *l, const uint32_t *map)
{
    for (size_t k = 0; k < l->blocks_count; k++)
        for (size_t i = 0; i < l->blocks[k].places * l->blocks[k].taps; i++)
            if (l->blocks[k].from[i] != LINEAR_NOTHING) l->blocks[k].from[i] = map[l->blocks[k].from[i]];
}

void gather_rename_outputs(circuit_linear *l, const uint32_t *map)
{
    for (size_t k = 0; k < l->blocks_count; k++)
        for (size_t i = 0; i < l->blocks[k].places * l->blocks[k].rows; i++)
            l->blocks[k].to[i] = map[l->blocks[k].to[i]];
}

/* Behind what out has: " what 2", " what 2x1" where the dimensions differ. */
static void add_sizes(const char *what, const size_t sizes[2], int one, char *out, size_t size)
{
    const size_t len = strlen(out);
    if (one || sizes[0] == sizes[1])
        (void)snprintf(out + len, size - len, " %s %zu", what, sizes[1]);
    else
        (void)snprintf(out + len, size - len, " %s %zux%zu", what, sizes[0], sizes[1]);
}

void gather_name(const gather_windows *g, const char *what, int one, char *out, size_t size)
{
    const size_t first = one ? 1 : 0;
    int strides = 0, tiles = 1, pads = 0, dilations = 0, even = 1;
    for (size_t d = first; d < 2; d++) {
        strides |= g->stride[d] != 1;
        tiles &= g->stride[d] == g->kernel[d];
        pads |= g->pad[d] != 0 || g->pad[d + 2] != 0;
        even &= g->pad[d] == g->pad[d + 2];
        dilations |= g->dilation[d] != 1;
    }
    if (one)
        (void)snprintf(out, size, "%s %zu", what, g->kernel[1]);
    else
        (void)snprintf(out, size, "%s %zux%zu", what, g->kernel[0], g->kernel[1]);
    if (strides && !(tiles && strcmp(what, "conv") != 0)) add_sizes("stride", g->stride, one, out, size);
    if (pads) add_sizes("pad", g->pad, one, out, size);
    if (pads && !even) add_sizes("to", g->pad + 2, one, out, size);
    if (dilations) add_sizes("dilation", g->dilation, one, out, size);
}
