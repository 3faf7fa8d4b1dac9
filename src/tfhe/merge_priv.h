/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the merging key; for merge*.c only. */
#ifndef TFHE_MERGE_PRIV_H
#define TFHE_MERGE_PRIV_H

#include "math/fft.h"
#include "tfhe/merge.h"

struct merge_key {
    tfhe_params params;
    unsigned log2_N;
    fft_gadget gadget; /* the body's one row is zero: it needs no key */
    fft_plan *plan;
    size_t matrix; /* doubles of a level */
    double *rows;  /* (log2 N, matrix): level - 1 */
};

static inline fft_gadget merge_gadget_of(const tfhe_params *p, uint32_t l, uint32_t bg)
{
    return (fft_gadget){.columns = p->k + 1, .bg = bg, .l = l, .lb = 1};
}
static inline unsigned merge_log2(size_t x)
{
    return (unsigned)__builtin_ctzll(x);
}
/* out <- p(X^(2^level + 1)), N words each, apart. */
void merge_turn(size_t N, unsigned level, const uint64_t *p, uint64_t *out);
#endif
