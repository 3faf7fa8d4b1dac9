/* SPDX-License-Identifier: Apache-2.0 */
/* Exact rounding (docs/rounding.md): the low bits of an accumulator are taken off one after another, each by a look-up
 * of one cell, before the table is read at the middle of its cells. */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "nn/gather.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Sum of neuron p <- -weight times its values of the `count` layers of bits behind the other inputs. */
static annulus_status minus_bits(const circuit_layer *l, uint32_t count, int32_t weight, circuit_linear *out)
{
    linear_block *b;
    TRY(linear_create(1, out));
    b = &out->blocks[0];
    const annulus_status st = linear_block_create(1, count, l->out, b);
    if (st != ANNULUS_OK) {
        linear_clear(out);
        return st;
    }
    for (uint32_t k = 0; k < count; k++) b->W[k] = -weight;
    for (size_t p = 0; p < l->out; p++) {
        b->to[p] = (uint32_t)p;
        for (uint32_t k = 0; k < count; k++) b->from[p * count + k] = (uint32_t)(l->in + k * l->out + p);
    }
    return ANNULUS_OK;
}

/* *linear with those besides, if there are any. */
static annulus_status join_bits(const circuit_layer *l, uint32_t count, int32_t weight, circuit_linear *linear)
{
    circuit_linear bits, both;
    if (count == 0) return ANNULUS_OK;
    TRY(minus_bits(l, count, weight, &bits));
    const annulus_status st = gather_join(linear, &bits, &both);
    linear_clear(&bits);
    if (st == ANNULUS_OK) *linear = both;
    return st;
}

/* Units that bring bit k of an accumulator of l to half the torus. */
static int32_t factor_of(const circuit_layer *l, uint32_t k)
{
    return (int32_t)(l->cells << (l->low_bits - k));
}

/* Sums of l times the factor of bit k, but for whole turns of the torus. */
static annulus_status bit_sums(const circuit_layer *l, uint32_t k, circuit_linear *out)
{
    const int32_t turn = 2 << k, factor = factor_of(l, k);
    TRY(linear_copy(&l->linear, out));
    for (size_t i = 0; i < out->blocks_count; i++) {
        const linear_block *b = &out->blocks[i];
        for (size_t w = 0; w < b->rows * b->taps; w++) {
            const int32_t least = ((b->W[w] % turn) + turn) % turn;
            b->W[w] = (least > turn / 2 ? least - turn : least) * factor;
        }
    }
    return join_bits(l, k, factor, out);
}

static void copy_ranges(const circuit_layer *from, circuit_layer *l)
{
    int64_t *const to[] = {l->proven_lo, l->proven_hi, l->measured_lo, l->measured_hi, l->lo, l->hi};
    const int64_t *const of[] = {from->proven_lo,   from->proven_hi, from->measured_lo,
                                 from->measured_hi, from->lo,        from->hi};
    for (size_t i = 0; i < 6; i++) memcpy(to[i], of[i], l->out * sizeof(int64_t));
    memcpy(l->real_scale, from->real_scale, l->out * sizeof(double));
    memcpy(l->real_bias, from->real_bias, l->out * sizeof(double));
}

/* Takes the values that layer `of` takes, and those of the `count` layers that begin at layer `first`. */
static void take_bits(circuit_layer *l, const circuit_layer *of, size_t first, uint32_t count)
{
    l->in = of->in + count * of->out;
    l->sources_count = of->sources_count + count;
    memcpy(l->sources, of->sources, of->sources_count * sizeof *l->sources);
    for (uint32_t k = 0; k < count; k++) l->sources[of->sources_count + k] = (uint32_t)(first + k + 1);
}

/* The layer of bit k, at first + k. Its values are 0 and 2^k. */
static annulus_status bit_layer(const circuit_layer *of, size_t first, uint32_t k, circuit_layer *l)
{
    *l = (circuit_layer){.out = of->out, .cells = 1, .step = 1, .mid2 = 1 << k, .log2_error = of->log2_error};
    l->unit = exec_unit_word(of);
    (void)snprintf(l->name, sizeof l->name, "%.19s b%u", of->name, k);
    (void)snprintf(l->activation, sizeof l->activation, "bit");
    memcpy(l->op, of->op, sizeof l->op);
    memcpy(l->shape.out, of->shape.out, sizeof l->shape.out);
    take_bits(l, of, first, k);
    TRY(circuit_layer_create(l));
    copy_ranges(of, l);
    for (size_t o = 0; o < l->out; o++) l->shift[o] = ((uint64_t)of->offset[o] << (63 - k)) + (UINT64_C(1) << 62);
    return bit_sums(of, k, &l->linear);
}

/* The look-up itself, behind layers of bits from `first` on: its sums are the lowest of their cells. */
static annulus_status whole_cells(size_t first, circuit_layer *l)
{
    const circuit_layer before = *l;
    TRY(join_bits(&before, l->low_bits, 1, &l->linear));
    take_bits(l, &before, first, l->low_bits);
    memset(l->shape.in, 0, sizeof l->shape.in);
    int64_t *const ends[] = {l->lo, l->hi, l->proven_lo, l->proven_hi};
    for (size_t o = 0; o < l->out; o++) {
        const uint64_t below = (uint64_t)l->step - 1;
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
            ends[k][o] = (int64_t)((uint64_t)(ends[k][o] + l->offset[o]) & ~below) - l->offset[o];
        l->offset[o] += l->step / 2;
    }
    return ANNULUS_OK;
}

static annulus_status check_sizes(const circuit *c, size_t *layers)
{
    *layers = c->layers_count;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const int64_t window = (int64_t)l->cells * l->step;
        *layers += l->low_bits;
        if (l->low_bits > 0 && window > LINEAR_MAX_WEIGHT)
            return fail(ANNULUS_ERR_INFEASIBLE,
                        "%s: exact rounding of accumulators of %" PRId64
                        " values, at most %d are possible: round it approximately, or train with fewer bits of weights "
                        "and values",
                        l->name, window, LINEAR_MAX_WEIGHT);
    }
    if (*layers <= CIRCUIT_MAX_LAYERS) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INFEASIBLE,
                "exact rounding makes %zu layers, at most %u are possible: round some approximately, or to more bits",
                *layers, CIRCUIT_MAX_LAYERS);
}

/* The circuit has its layers at the end of its room: each moves to its place, behind its layers of bits. */
static annulus_status expand(circuit *c, size_t count)
{
    uint32_t number[CIRCUIT_MAX_LAYERS + 1] = {0}; /* of each source */
    for (size_t i = 0, at = 0; i < count; i++) {
        circuit_layer *l = &c->layers[c->layers_count - count + i];
        const size_t first = at;
        for (size_t k = 0; k < l->sources_count; k++) l->sources[k] = number[l->sources[k]];
        for (uint32_t k = 0; k < l->low_bits; k++) TRY(bit_layer(l, first, k, &c->layers[at++]));
        if (l->low_bits > 0) TRY(whole_cells(first, l));
        if (l != &c->layers[at]) {
            c->layers[at] = *l;
            *l = (circuit_layer){0};
        }
        number[i + 1] = (uint32_t)++at;
    }
    return ANNULUS_OK;
}

annulus_status lower_exact(circuit *c)
{
    const size_t count = c->layers_count;
    size_t layers;
    void *p;
    TRY(check_sizes(c, &layers));
    if (layers == count) return ANNULUS_OK;
    TRY(mem_create(layers, sizeof(circuit_layer), "circuit", &p));
    memcpy((circuit_layer *)p + layers - count, c->layers, count * sizeof(circuit_layer));
    mem_free(c->layers);
    c->layers = p;
    c->layers_count = layers;
    return expand(c, count);
}
