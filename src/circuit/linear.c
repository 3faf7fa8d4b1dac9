/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/linear.h"

#include "base/memory.h"
#include "math/matrix.h"
#include "optimizer/batches.h"

#include <stdlib.h>
#include <string.h>

annulus_status linear_create(size_t blocks, circuit_linear *out)
{
    void *p;
    TRY(mem_create(blocks, sizeof(linear_block), "linear layer", &p));
    *out = (circuit_linear){.blocks_count = blocks, .blocks = p};
    return ANNULUS_OK;
}

static void block_clear(linear_block *b)
{
    mem_free(b->W);
    mem_free(b->from);
    mem_free(b->to);
    *b = (linear_block){0};
}

annulus_status linear_block_create(size_t rows, size_t taps, size_t places, linear_block *out)
{
    void *W, *from = NULL, *to = NULL;
    size_t weights, inputs, outputs;
    if (__builtin_mul_overflow(rows, taps, &weights) || __builtin_mul_overflow(places, taps, &inputs) ||
        __builtin_mul_overflow(places, rows, &outputs))
        return fail(ANNULUS_ERR_MEMORY, "%zu x %zu weights at %zu places do not fit in memory", rows, taps, places);
    TRY(mem_create(weights, sizeof(int32_t), "linear layer", &W));
    annulus_status st = mem_create(inputs, sizeof(uint32_t), "linear layer", &from);
    if (st == ANNULUS_OK) st = mem_create(outputs, sizeof(uint32_t), "linear layer", &to);
    *out = (linear_block){.rows = rows, .taps = taps, .places = places, .W = W, .from = from, .to = to};
    if (st != ANNULUS_OK) block_clear(out);
    return st;
}

annulus_status linear_dense(const int32_t *W, size_t out, size_t in, circuit_linear *l)
{
    TRY(linear_create(1, l));
    linear_block *b = &l->blocks[0];
    const annulus_status st = linear_block_create(out, in, 1, b);
    if (st != ANNULUS_OK) {
        linear_clear(l);
        return st;
    }
    memcpy(b->W, W, out * in * sizeof *W);
    for (size_t i = 0; i < in; i++) b->from[i] = (uint32_t)i;
    for (size_t o = 0; o < out; o++) b->to[o] = (uint32_t)o;
    return ANNULUS_OK;
}

annulus_status linear_copy(const circuit_linear *l, circuit_linear *out)
{
    TRY(linear_create(l->blocks_count, out));
    for (size_t i = 0; i < l->blocks_count; i++) {
        const linear_block *a = &l->blocks[i];
        linear_block *b = &out->blocks[i];
        const annulus_status st = linear_block_create(a->rows, a->taps, a->places, b);
        if (st != ANNULUS_OK) {
            linear_clear(out);
            return st;
        }
        memcpy(b->W, a->W, a->rows * a->taps * sizeof *a->W);
        memcpy(b->from, a->from, a->places * a->taps * sizeof *a->from);
        memcpy(b->to, a->to, a->places * a->rows * sizeof *a->to);
    }
    return ANNULUS_OK;
}

static int same_block(const linear_block *a, const linear_block *b)
{
    return a->rows == b->rows && a->taps == b->taps && a->places == b->places &&
           memcmp(a->W, b->W, a->rows * a->taps * sizeof *a->W) == 0 &&
           memcmp(a->from, b->from, a->places * a->taps * sizeof *a->from) == 0 &&
           memcmp(a->to, b->to, a->places * a->rows * sizeof *a->to) == 0;
}

int linear_same(const circuit_linear *a, const circuit_linear *b)
{
    int same = a->blocks_count == b->blocks_count;
    for (size_t i = 0; same && i < a->blocks_count; i++) same = same_block(&a->blocks[i], &b->blocks[i]);
    return same;
}

void linear_clear(circuit_linear *l)
{
    for (size_t i = 0; i < l->blocks_count; i++) block_clear(&l->blocks[i]);
    mem_free(l->blocks);
    *l = (circuit_linear){0};
}

void linear_write(writer *w, const circuit_linear *l)
{
    write_u32(w, (uint32_t)l->blocks_count);
    for (size_t i = 0; i < l->blocks_count; i++) {
        const linear_block *b = &l->blocks[i];
        write_u32(w, (uint32_t)b->rows);
        write_u32(w, (uint32_t)b->taps);
        write_u32(w, (uint32_t)b->places);
        write_bytes(w, b->W, b->rows * b->taps * sizeof *b->W);
        write_u32s(w, b->from, b->places * b->taps);
        write_u32s(w, b->to, b->places * b->rows);
    }
}

/* Three counts and as many words as they say. */
#define BLOCK_LEAST_BYTES 24u

static annulus_status block_read(reader *r, linear_block *b)
{
    uint32_t rows = 0, taps = 0, places = 0;
    TRY(read_u32(r, &rows));
    TRY(read_u32(r, &taps));
    TRY(read_u32(r, &places));
    const uint64_t room = (r->len - r->pos) / sizeof(uint32_t);
    if (rows == 0 || taps == 0 || places == 0 || (uint64_t)rows * taps > room || (uint64_t)places * taps > room ||
        (uint64_t)places * rows > room)
        return read_fail(r, "%u x %u weights at %u places are cut off", rows, taps, places);
    TRY(linear_block_create(rows, taps, places, b));
    TRY(read_u32s(r, (uint32_t *)b->W, b->rows * b->taps));
    TRY(read_u32s(r, b->from, b->places * b->taps));
    return read_u32s(r, b->to, b->places * b->rows);
}

annulus_status linear_read(reader *r, size_t in, size_t out, circuit_linear *l)
{
    uint32_t blocks = 0;
    TRY(read_u32(r, &blocks));
    if (blocks > LINEAR_MAX_BLOCKS || blocks > (r->len - r->pos) / BLOCK_LEAST_BYTES)
        return read_fail(r, "%u blocks of weights", blocks);
    TRY(linear_create(blocks, l));
    for (size_t i = 0; i < blocks; i++) TRY(block_read(r, &l->blocks[i]));
    const annulus_status st = linear_check(l, in, out);
    return st == ANNULUS_OK ? st : fail_prefix(st, "%s", r->name);
}

static int numbers_fit(const uint32_t *number, size_t count, size_t most, int nothing)
{
    for (size_t i = 0; i < count; i++)
        if (number[i] >= most && !(nothing && number[i] == LINEAR_NOTHING)) return 0;
    return 1;
}

annulus_status linear_check(const circuit_linear *l, size_t in, size_t out)
{
    void *p;
    TRY(mem_create(out, sizeof(uint32_t), "linear layer", &p));
    uint32_t *seen = p; /* number of the last block that has the output, from 1 */
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < l->blocks_count; i++) {
        const linear_block *b = &l->blocks[i];
        const size_t outputs = b->places * b->rows;
        for (size_t k = 0; st == ANNULUS_OK && k < b->rows * b->taps; k++)
            if (b->W[k] < -LINEAR_MAX_WEIGHT || b->W[k] > LINEAR_MAX_WEIGHT)
                st = fail(ANNULUS_ERR_INPUT, "block %zu: weight %zu is %d, outside [%d, %d]", i + 1, k + 1, b->W[k],
                          -LINEAR_MAX_WEIGHT, LINEAR_MAX_WEIGHT);
        if (st == ANNULUS_OK &&
            (!numbers_fit(b->from, b->places * b->taps, in, 1) || !numbers_fit(b->to, outputs, out, 0)))
            st = fail(ANNULUS_ERR_INPUT, "block %zu takes an input or gives an output that there is not", i + 1);
        for (size_t k = 0; st == ANNULUS_OK && k < outputs; k++) {
            if (seen[b->to[k]] == i + 1)
                st = fail(ANNULUS_ERR_INPUT, "block %zu gives output %u twice", i + 1, b->to[k] + 1);
            seen[b->to[k]] = (uint32_t)(i + 1);
        }
    }
    mem_free(seen);
    return st;
}

int32_t linear_largest_weight(const circuit_linear *l)
{
    int32_t most = 0;
    for (size_t k = 0; k < l->blocks_count; k++)
        for (size_t i = 0; i < l->blocks[k].rows * l->blocks[k].taps; i++) {
            const int32_t size = abs(l->blocks[k].W[i]);
            most = size > most ? size : most;
        }
    return most;
}

double linear_products(const circuit_linear *l)
{
    double products = 0;
    for (size_t i = 0; i < l->blocks_count; i++)
        products += (double)l->blocks[i].rows * (double)l->blocks[i].taps * (double)l->blocks[i].places;
    return products;
}

static int has_few(const linear_block *b)
{
    return b->rows <= MATRIX_FEW;
}

size_t linear_columns(const circuit_linear *l, size_t words, unsigned workers)
{
    for (size_t i = 0; i < l->blocks_count; i++)
        if (!has_few(&l->blocks[i])) return BATCHES_COLUMNS;
    const size_t share = (words + workers - 1) / workers;
    return (share + 7) / 8 * 8; /* words of a cache line */
}

/* Pointers to a block's inputs and the next place's first, and sums of rows that lie apart. */
static size_t pointers_bytes(const linear_block *b)
{
    return ROUND_UP((b->taps + MATRIX_ROWS) * sizeof(uint64_t *));
}

size_t linear_room(const circuit_linear *l)
{
    size_t most = 0;
    for (size_t i = 0; i < l->blocks_count; i++) {
        const linear_block *b = &l->blocks[i];
        const size_t bytes = pointers_bytes(b) + b->rows * MATRIX_COLUMNS * sizeof(uint64_t);
        most = bytes > most ? bytes : most;
    }
    return ROUND_UP(most);
}

static const uint64_t *row_of(const linear_rows *sources, size_t count, size_t ldx, size_t number)
{
    for (size_t s = 0; s < count; s++) {
        if (number < sources[s].count) return sources[s].x == NULL ? NULL : sources[s].x + number * ldx;
        number -= sources[s].count;
    }
    return NULL;
}

/* Distance of a place's outputs if they are evenly spaced and increasing, else 0. */
static size_t spacing(const uint32_t *to, size_t rows)
{
    const size_t step = rows == 1 || to[1] > to[0] ? rows == 1 ? 1 : to[1] - to[0] : 0;
    for (size_t r = 1; r < rows && step != 0; r++)
        if ((size_t)to[r] != to[r - 1] + step) return 0;
    return step;
}

/* The outputs of one place; rows (taps) are its inputs. */
static void place_add(const linear_block *b, unsigned limbs, const uint64_t *const *rows, const uint32_t *to,
                      uint64_t *y, size_t ldy, size_t at, size_t D, uint64_t *apart)
{
    const size_t step = spacing(to, b->rows);
    if (step != 0) {
        matrix_gather_add_u64(y + to[0] * ldy + at, step * ldy, b->W, b->rows, b->taps, limbs, rows, at, D);
        return;
    }
    for (size_t d = 0; d < D; d += MATRIX_COLUMNS) {
        const size_t columns = D - d < MATRIX_COLUMNS ? D - d : MATRIX_COLUMNS;
        memset(apart, 0, b->rows * MATRIX_COLUMNS * sizeof *apart);
        matrix_gather_add_u64(apart, MATRIX_COLUMNS, b->W, b->rows, b->taps, limbs, rows, at + d, columns);
        for (size_t r = 0; r < b->rows; r++)
            for (size_t i = 0; i < columns; i++) y[to[r] * ldy + at + d + i] += apart[r * MATRIX_COLUMNS + i];
    }
}

/* rows (taps + MATRIX_ROWS) <- inputs of place p, and the first of the place behind; returns whether p has some. */
static int list_rows(const linear_block *b, size_t p, const linear_rows *sources, size_t count, size_t ldx,
                     const uint64_t **rows)
{
    const size_t behind = (b->places - p) * b->taps;
    int any = 0;
    for (size_t t = 0; t < b->taps + MATRIX_ROWS; t++) {
        const uint32_t from = t < behind ? b->from[p * b->taps + t] : LINEAR_NOTHING;
        rows[t] = from == LINEAR_NOTHING ? NULL : row_of(sources, count, ldx, from);
        any |= t < b->taps && rows[t] != NULL;
    }
    return any;
}

void linear_add(const circuit_linear *l, const linear_rows *sources, size_t sources_count, size_t ldx, uint64_t *y,
                size_t ldy, size_t at, size_t D, void *room)
{
    for (size_t i = 0; i < l->blocks_count; i++) {
        const linear_block *b = &l->blocks[i];
        const unsigned limbs = matrix_weight_limbs(b->W, b->rows * b->taps);
        const uint64_t **rows = room;
        uint64_t *apart = (uint64_t *)(void *)((unsigned char *)room + pointers_bytes(b));
        for (size_t p = 0; p < b->places; p++)
            if (list_rows(b, p, sources, sources_count, ldx, rows))
                place_add(b, limbs, rows, b->to + p * b->rows, y, ldy, at, D, apart);
    }
}

void linear_shape_set(const size_t *from, size_t rank, uint32_t dims[LINEAR_RANK_MAX])
{
    int fits = rank <= LINEAR_RANK_MAX;
    for (size_t d = 0; fits && d < rank; d++) fits = from[d] <= UINT16_MAX + 1u;
    for (size_t d = 0; d < LINEAR_RANK_MAX; d++) dims[d] = fits && d < rank ? (uint32_t)from[d] : 0;
}

size_t linear_shape_values(const uint32_t dims[LINEAR_RANK_MAX], size_t values)
{
    size_t all = 1, rank = 0;
    for (; rank < LINEAR_RANK_MAX && dims[rank] != 0; rank++) {
        if (dims[rank] > UINT16_MAX + 1u) return 0; /* products of three fit */
        all *= dims[rank];
    }
    for (size_t d = rank; d < LINEAR_RANK_MAX; d++)
        if (dims[d] != 0) return 0;
    return rank > 0 && all >= values ? all : 0;
}
