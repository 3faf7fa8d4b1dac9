/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs out of a linear part. */
#include "base/memory.h"
#include "circuit/linear.h"

#include <string.h>

/* stays (rows, then places) <- whether any output of each stays. */
static void find_stays(const linear_block *b, const uint32_t *as, unsigned char *stays)
{
    memset(stays, 0, b->rows + b->places);
    for (size_t p = 0; p < b->places; p++)
        for (size_t r = 0; r < b->rows; r++) {
            const uint32_t o = b->to[p * b->rows + r];
            if (as[o] == o) stays[r] = stays[b->rows + p] = 1;
        }
}

/* Room for the rows and places of any block. */
static annulus_status stays_create(const circuit_linear *l, unsigned char **out)
{
    size_t most = 1;
    void *p;
    for (size_t k = 0; k < l->blocks_count; k++) {
        const size_t size = l->blocks[k].rows + l->blocks[k].places;
        most = size > most ? size : most;
    }
    TRY(mem_create(most, 1, "linear layer", &p));
    *out = p;
    return ANNULUS_OK;
}

annulus_status linear_settle(const circuit_linear *l, uint32_t *as)
{
    size_t staying = 0;
    unsigned char *stays;
    TRY(stays_create(l, &stays));
    for (size_t k = 0; k < l->blocks_count; k++) {
        const linear_block *b = &l->blocks[k];
        for (size_t m = 0; m < b->places * b->rows; m++) staying += as[b->to[m]] == b->to[m];
    }
    const uint32_t one = l->blocks_count == 0 ? 0 : l->blocks[0].to[0];
    if (staying == 0) as[one] = one;
    for (int again = 1; again;) {
        again = 0;
        for (size_t k = 0; k < l->blocks_count; k++) {
            const linear_block *b = &l->blocks[k];
            find_stays(b, as, stays);
            for (size_t p = 0; p < b->places; p++)
                for (size_t r = 0; r < b->rows; r++) {
                    const uint32_t o = b->to[p * b->rows + r];
                    if (as[o] == o || !stays[r] || !stays[b->rows + p]) continue;
                    as[o] = o;
                    again = 1;
                }
        }
    }
    mem_free(stays);
    return ANNULUS_OK;
}

static void drop_block(circuit_linear *l, size_t k)
{
    linear_block *b = &l->blocks[k];
    mem_free(b->W);
    mem_free(b->from);
    mem_free(b->to);
    memmove(b, b + 1, (l->blocks_count - k - 1) * sizeof *b);
    l->blocks[--l->blocks_count] = (linear_block){0};
}

static void shrink_block(linear_block *b, const uint32_t *as, const uint32_t *number, unsigned char *stays)
{
    size_t rows = 0, places = 0;
    find_stays(b, as, stays);
    for (size_t r = 0; r < b->rows; r++)
        if (stays[r]) memmove(b->W + rows++ * b->taps, b->W + r * b->taps, b->taps * sizeof *b->W);
    for (size_t p = 0; p < b->places; p++) {
        if (!stays[b->rows + p]) continue;
        size_t at = places * rows;
        for (size_t r = 0; r < b->rows; r++)
            if (stays[r]) b->to[at++] = number[b->to[p * b->rows + r]];
        memmove(b->from + places++ * b->taps, b->from + p * b->taps, b->taps * sizeof *b->from);
    }
    b->rows = rows, b->places = places;
}

annulus_status linear_keep(circuit_linear *l, const uint32_t *as, const uint32_t *number)
{
    unsigned char *stays;
    TRY(stays_create(l, &stays));
    for (size_t k = l->blocks_count; k-- > 0;) {
        shrink_block(&l->blocks[k], as, number, stays);
        if (l->blocks[k].rows == 0 && l->blocks_count > 1) drop_block(l, k);
    }
    mem_free(stays);
    return ANNULUS_OK;
}

static void trim_block(linear_block *b, int last)
{
    size_t taps = 0;
    for (size_t t = 0; t < b->taps; t++) {
        const int weight = linear_tap_counts(b, t);
        int input = 0;
        for (size_t p = 0; p < b->places && !input; p++) input = b->from[p * b->taps + t] != LINEAR_NOTHING;
        if (!(weight && input) && !(last && taps == 0 && t + 1 == b->taps)) continue;
        for (size_t r = 0; r < b->rows; r++) b->W[r * b->taps + taps] = b->W[r * b->taps + t];
        for (size_t p = 0; p < b->places; p++) b->from[p * b->taps + taps] = b->from[p * b->taps + t];
        taps++;
    }
    for (size_t r = 1; r < b->rows; r++) memmove(b->W + r * taps, b->W + r * b->taps, taps * sizeof *b->W);
    for (size_t p = 1; p < b->places; p++) memmove(b->from + p * taps, b->from + p * b->taps, taps * sizeof *b->from);
    b->taps = taps;
}

void linear_trim(circuit_linear *l)
{
    for (size_t k = l->blocks_count; k-- > 0;) {
        trim_block(&l->blocks[k], l->blocks_count == 1);
        if (l->blocks[k].taps == 0) drop_block(l, k);
    }
}
