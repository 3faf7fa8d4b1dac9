/* SPDX-License-Identifier: Apache-2.0 */
/* The linear part of a layer: small integer matrices, each applied at many places.
 *
 * Meaning: y = 0; for every block, place p, row r, tap t: y[to[p,r]] += W[r,t] x[from[p,t]], with x[LINEAR_NOTHING] =
 * 0.
 *
 *   dense             one block with one place that takes all inputs
 *   convolution       a block for each group of channels, a place for each position; padding is LINEAR_NOTHING
 *   sum, average      one row of ones, a place for each channel and window
 *   addition          the blocks of both terms
 *   choice of inputs  concatenation, slices, padding, permutations: other numbers in `from` */
#ifndef CIRCUIT_LINEAR_H
#define CIRCUIT_LINEAR_H

#include "base/bytes.h"
#include <stddef.h>
#include <stdint.h>

#define LINEAR_NOTHING UINT32_MAX
#define LINEAR_MAX_WEIGHT (1 << 16)
#define LINEAR_MAX_BLOCKS 65536u

typedef struct linear_block {
    size_t rows, taps, places; /* at least 1 */
    int32_t *W;                /* (rows,taps) in [-LINEAR_MAX_WEIGHT, LINEAR_MAX_WEIGHT] */
    uint32_t *from;            /* (places,taps) inputs, or LINEAR_NOTHING; one may occur more than once */
    uint32_t *to;              /* (places,rows) outputs, each at most once */
} linear_block;

/* Owns its blocks. */
typedef struct circuit_linear {
    size_t blocks_count;
    linear_block *blocks;
} circuit_linear;

/* Dimensions for people, of the tensor that a layer takes, where it takes one, and of its sums, 0 behind the last:
 * (channels, height, width), (channels, length) or (values); all 0: not known. Compilation may have taken out values
 * that nothing reads. */
#define LINEAR_RANK_MAX 3
typedef struct linear_shape {
    uint32_t in[LINEAR_RANK_MAX], out[LINEAR_RANK_MAX];
} linear_shape;
/* dims <- those of a tensor, or not known if there are too many or one is too large. */
void linear_shape_set(const size_t *from, size_t rank, uint32_t dims[LINEAR_RANK_MAX]);
/* Whether they are known, and such that `values` may be left; their product, or 0. */
size_t linear_shape_values(const uint32_t dims[LINEAR_RANK_MAX], size_t values);

annulus_status linear_create(size_t blocks, circuit_linear *out) __attribute__((warn_unused_result)); /* all zero */
annulus_status linear_block_create(size_t rows, size_t taps, size_t places, linear_block *out)
    __attribute__((warn_unused_result)); /* zeros */
/* These leave nothing behind if they fail; W (out,in) is copied. */
annulus_status linear_dense(const int32_t *W, size_t out, size_t in, circuit_linear *l)
    __attribute__((warn_unused_result));
annulus_status linear_copy(const circuit_linear *l, circuit_linear *out) __attribute__((warn_unused_result));
int linear_same(const circuit_linear *a, const circuit_linear *b); /* 1: block for block */
void linear_clear(circuit_linear *l);                              /* frees the blocks */

void linear_write(writer *w, const circuit_linear *l);
/* Of `in` inputs and `out` outputs; every field is checked, and what is allocated is no more than the file holds. *l is
 * cleared by the caller, also after a failure. */
annulus_status linear_read(reader *r, size_t in, size_t out, circuit_linear *l) __attribute__((warn_unused_result));
/* Numbers and weights are in range and no block has an output twice; fails with the number of the block. */
annulus_status linear_check(const circuit_linear *l, size_t in, size_t out) __attribute__((warn_unused_result));

/* Whether a row has a weight for the tap. */
static inline int linear_tap_counts(const linear_block *b, size_t tap)
{
    for (size_t r = 0; r < b->rows; r++)
        if (b->W[r * b->taps + tap] != 0) return 1;
    return 0;
}
/* as (out): where as[o] is not o, output o is to go. Outputs stay where others need their row and their place; and one
 * that a block gives does, if none would. */
annulus_status linear_settle(const circuit_linear *l, uint32_t *as) __attribute__((warn_unused_result));
/* Without the rows and places of the outputs that go, as settled; number (out): that which those have that stay. */
annulus_status linear_keep(circuit_linear *l, const uint32_t *as, const uint32_t *number)
    __attribute__((warn_unused_result));
/* Taps without a weight or an input go, and so do blocks without taps; one tap at least stays. */
void linear_trim(circuit_linear *l);

/* Values of one layer: `count` rows, one behind the other; x NULL: all 0. */
typedef struct linear_rows {
    const uint64_t *x;
    size_t count;
} linear_rows;
/* Bytes of room that linear_add needs. */
size_t linear_room(const circuit_linear *l);
/* Ciphertext words that one of so many workers takes at a time: BATCHES_COLUMNS; of layers all of whose blocks have at
 * most MATRIX_FEW rows an equal share, since what bounds them, memory, is read fastest where rows go on for long. */
size_t linear_columns(const circuit_linear *l, size_t words, unsigned workers);
/* y += L x modulo 2^64 for words [at, at + D) of each row: inputs are the rows of the sources, one source behind the
 * other, ldx words each; y rows of ldy words, written from word `at` on. Cannot fail. */
void linear_add(const circuit_linear *l, const linear_rows *sources, size_t sources_count, size_t ldx, uint64_t *y,
                size_t ldy, size_t at, size_t D, void *room);
/* The largest absolute value of a weight; 0 without any. */
int32_t linear_largest_weight(const circuit_linear *l);
/* Products of a weight and an input. */
double linear_products(const circuit_linear *l);

/* Two-norms (out) of the outputs' weights. */
annulus_status linear_norms(const circuit_linear *l, size_t in, size_t out, double *norm)
    __attribute__((warn_unused_result));

/* One output's weights, those on the same input added up. Made for one thread; borrows l. */
typedef struct linear_view linear_view;
annulus_status linear_view_create(const circuit_linear *l, size_t in, size_t out, linear_view **view)
    __attribute__((warn_unused_result));
void linear_view_destroy(linear_view *view);
/* The output's inputs and their weights, none of them 0; returns how many. They are the view's, until the next call. */
size_t linear_view_row(linear_view *view, size_t output, const uint32_t **input, const int64_t **weight);
/* 1: the weights of output b are those of a; -1: the opposite; 0: neither. room (in): zeros before and afterwards. */
int linear_rows_compare(linear_view *view, size_t a, size_t b, int64_t *room);
#endif
