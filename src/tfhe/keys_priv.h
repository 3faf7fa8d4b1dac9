/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the evaluation keys; for the files of this folder only. */
#ifndef TFHE_KEYS_PRIV_H
#define TFHE_KEYS_PRIV_H

#include "base/memory.h"
#include "math/fft.h"
#include "math/matrix.h"
#include "tfhe/keys.h"

/* Big coefficients whose key rows are taken at a time; divides k*N. With 512 rows, where there are few levels, sums are
 * read and written less often, and digits are in the first-level cache still. */
static inline size_t keyswitch_block(const tfhe_params *p)
{
    size_t block = 128;
    while (2 * block * p->ks_l <= 512 && tfhe_big_dim(p) % (2 * block) == 0) block *= 2;
    return block;
}

struct seeded_switching_key {
    tfhe_params params;
    seed256 mask_seed;
    uint32_t *body; /* (k*N, ks_l) modulo 2^32 */
};

struct seeded_eval_key {
    tfhe_params params;
    seed256 mask_seed;
    uint64_t *bsk;             /* (n/g, 2^g-1, tfhe_ggsw_rows, N) bodies: GGSW i, component r, level j */
    seeded_switching_key *own; /* NULL if ks_l = 0 */
};

struct switching_key {
    tfhe_params params;
    matrix_u32 *rows; /* (k*N*ks_l, n+1) masks, body at [n]; blocks of keyswitch_block coefficients */
};

struct eval_key {
    tfhe_params params;
    fft_plan *plan;
    double *bsk;        /* (n/g, bsk_row) Fourier GGSWs, a matrix each of rows (r,j), columns c (fft_matrix_pack), or a
                           bundle of a step's (fft_bundle_pack) if g > 1 */
    size_t bsk_row;     /* doubles of one step */
    switching_key *own; /* NULL if ks_l = 0 */
    size_t small;       /* words of a small ciphertext's row: n+1 rounded up to 16 */
    size_t exponents;   /* words of a row of exponents: tfhe_exponents rounded up to 16 */
};

/* Levels of row r of a GGSW: of a mask, or of the body, the last one. */
static inline size_t ggsw_levels(const tfhe_params *p, size_t r)
{
    return r == p->k ? p->pbs_lb : p->pbs_l;
}
/* Mask stream of row (r,j) of GGSW i. */
static inline uint64_t bsk_stream_index(const tfhe_params *p, size_t i, size_t r, size_t j)
{
    return i * tfhe_ggsw_rows(p) + r * p->pbs_l + j;
}
/* All ones if the key bits of the step of GGSW i are the pattern that it stands for, else 0; constant time. */
uint64_t secret_key_selector(const secret_key *key, size_t i);
/* Noiseless zero-filled keys for `p`, arrays allocated, without a keyswitching key of their own. */
annulus_status seeded_eval_key_allocate(const tfhe_params *p, seeded_eval_key **out)
    __attribute__((warn_unused_result));
annulus_status seeded_switching_key_allocate(const tfhe_params *p, seeded_switching_key **out)
    __attribute__((warn_unused_result));
/* From bodies (k*N, ks_l, coefficients) modulo 2^32, of which a row's constant coefficient goes last, behind
 * n + 1 - coefficients masks of the stream of its big coefficient. */
annulus_status switching_key_expand(const tfhe_params *p, const seed256 *mask_seed, const uint32_t *body,
                                    size_t coefficients, unsigned threads, switching_key **out)
    __attribute__((warn_unused_result));
/* Secret bits (n), words 0/1, as they are kept: a byte each. */
void secret_bits_write(writer *w, const uint64_t *bits, size_t n);
annulus_status secret_bits_read(reader *r, uint64_t *bits, size_t n) __attribute__((warn_unused_result));

/* What one worker of key generation or expansion owns. */
typedef struct key_worker {
    stream *mask, *noise;
    scratch tmp;
} key_worker;
/* count of them with `bytes` of scratch each; noise_seed NULL: without noise. Wiped when destroyed. */
annulus_status key_workers_create(unsigned count, const seed256 *mask_seed, const seed256 *noise_seed, size_t bytes,
                                  key_worker **out) __attribute__((warn_unused_result));
void key_workers_destroy(key_worker *workers, unsigned count);

/* *out <- (k, fft_words) transforms of the key polynomials: secret; NULL if that failed. */
annulus_status secret_key_transforms(const secret_key *key, const fft_plan *plan, double **out)
    __attribute__((warn_unused_result));
void secret_key_transforms_destroy(const secret_key *key, double *s_hat);

/* Generation of GLWE ciphertexts; key and mask_seed are set before. */
typedef struct glwe_keygen {
    const secret_key *key;
    seed256 *mask_seed; /* of what is generated: drawn by init */
    seed256 noise_seed;
    fft_plan *plan;
    double *s_hat; /* secret_key_transforms */
    key_worker *workers;
} glwe_keygen;
/* more: bytes of scratch that a worker takes beside glwe_zero_body. Cleared by the caller after a failure too. */
annulus_status glwe_keygen_init(glwe_keygen *g, unsigned workers, size_t more) __attribute__((warn_unused_result));
void glwe_keygen_clear(glwe_keygen *g, unsigned workers);
/* body (N) <- sum_c A_c S_c + E: of a GLWE encryption of zero, masks and noise from the streams of `index`. */
annulus_status glwe_zero_body(const glwe_keygen *g, key_worker *w, uint64_t index, uint64_t *body)
    __attribute__((warn_unused_result));

/* Begins a seeded key that goes on with `bytes` bytes: what is left must hold them. */
annulus_status seeded_key_begin(reader *r, const char *what, size_t bytes, seed256 *mask_seed)
    __attribute__((warn_unused_result));
#endif
