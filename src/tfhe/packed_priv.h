/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of whole numbers by groups; for packed*.c only. */
#ifndef TFHE_PACKED_PRIV_H
#define TFHE_PACKED_PRIV_H

#include "tfhe/packed.h"

/* Of a value's coefficient, without the common factor. */
typedef struct packed_weight {
    uint16_t at;
    int16_t weight;
} packed_weight;

/* Weights of a group on one ciphertext, [first, that of the next), by coefficient. */
typedef struct packed_poly {
    uint32_t ciphertext;
    size_t first;
} packed_poly;

/* Polynomials [poly, that of the next), by ciphertext. While rows are added, weights are those of the first row, and
 * head is the row that has its inputs most coefficients behind; then they are those of the head. */
typedef struct packed_group {
    size_t poly, head;
    uint64_t factor;
    int32_t behind;
} packed_group;

/* A row and its group: coefficients, while rows are added, that its inputs are behind the group's first row; then that
 * they are before the head. */
typedef struct packed_row {
    uint32_t group;
    int32_t shift;
} packed_row;

struct packed_rows {
    tfhe_params p;
    size_t count, added;
    int fit;
    packed_size size;
    packed_row *rows; /* (size.rows) */
    /* (size + 1), the last without anything, in room for so many */
    packed_group *groups;
    packed_poly *polys;
    packed_weight *weights; /* (size) */
    size_t groups_room, polys_room, weights_room;
    /* until the rows are finished */
    uint32_t *table; /* (table_size, a power of two) number of a group, from 1, near its hash */
    size_t table_size;
    struct packed_tap *taps; /* (count) of the row at hand */
};

static inline size_t packed_ciphertexts(const tfhe_params *p, size_t count)
{
    return (count + p->N - 1) / p->N;
}
/* All rows are there: moves the weights to those of the heads, and gives back what is not needed any more. */
annulus_status packed_rows_finish(packed_rows *r) __attribute__((warn_unused_result));
/* Bytes that they take then. */
size_t packed_rows_memory(const packed_size *size);
#endif
