/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the evaluation keys; for the files of this folder only. */
#ifndef TFHE_KEYS_PRIV_H
#define TFHE_KEYS_PRIV_H

#include "math/fft.h"
#include "math/matrix.h"
#include "tfhe/keys.h"

#define KEYSWITCH_BLOCK 128u /* big coefficients whose key rows are taken at a time; divides k*N */

struct seeded_eval_key {
    tfhe_params params;
    seed256 mask_seed;
    uint64_t *bsk; /* (n/g, 2^g-1, tfhe_ggsw_rows, N) bodies: GGSW i, component r, level j */
    uint32_t *ksk; /* (k*N, ks_l) bodies modulo 2^32 */
};

struct eval_key {
    tfhe_params params;
    fft_plan *plan;
    double *bsk;      /* (n/g, bsk_row) Fourier GGSWs, a matrix each of rows (r,j), columns c (fft_matrix_pack), or a
                         bundle of a step's (fft_bundle_pack) if g > 1 */
    size_t bsk_row;   /* doubles of one step */
    matrix_u32 *ksk;  /* (k*N*ks_l, n+1) masks, body at [n]; blocks of KEYSWITCH_BLOCK coefficients */
    size_t small;     /* words of a small ciphertext's row: n+1 rounded up to 16 */
    size_t exponents; /* words of a row of exponents: tfhe_exponents rounded up to 16 */
};

/* Levels of row r of a GGSW: of a mask, or of the body, the last one. */
static inline size_t ggsw_levels(const tfhe_params *p, size_t r)
{
    return r == p->k ? p->pbs_lb : p->pbs_l;
}
/* Mask stream of row (r,j) of GGSW i, and of all levels of keyswitch row i. */
static inline uint64_t bsk_stream_index(const tfhe_params *p, size_t i, size_t r, size_t j)
{
    return i * tfhe_ggsw_rows(p) + r * p->pbs_l + j;
}
static inline uint64_t ksk_stream_index(size_t i)
{
    return UINT64_C(1) << 63 | i;
}
/* All ones if the key bits of the step of GGSW i are the pattern that it stands for, else 0; constant time. */
uint64_t secret_key_selector(const secret_key *key, size_t i);
/* Noiseless zero-filled key for `p`, arrays allocated. */
annulus_status seeded_eval_key_allocate(const tfhe_params *p, seeded_eval_key **out)
    __attribute__((warn_unused_result));
#endif
