/* SPDX-License-Identifier: Apache-2.0 */
/* Batch steps of bootstrapping; for the files of this folder, their tests and benchmarks. */
#ifndef TFHE_BOOTSTRAP_PRIV_H
#define TFHE_BOOTSTRAP_PRIV_H

#include "base/parallel.h"
#include "tfhe/bootstrap.h"
#include "tfhe/keys_priv.h"

#define KEYSWITCH_GROUP 32u /* ciphertexts that share one pass over the keyswitching key */
#define ROTATION_MOST 32u   /* ciphertexts that can share a walk over the bootstrapping key */
/* EF/2^v from which on exponents of valuation v are sorted further, by their distance from a multiple of EF: a step is
 * then so long that sharing its key row gains little, and a team finds the parts in the caches that it left them in. */
#define ROTATION_LONG 8u

size_t keyswitch_scratch(const tfhe_params *p);
void keyswitch_apply(const switching_key *key, const uint64_t *const *in, size_t count, uint32_t *out, scratch *tmp);

/* acc: extended accumulator, part j holds coefficients i*EF + j. exponents in [0, 2*EF*N/2^slot_bits), of any
 * valuations: in steps of the table, of which EF move a part's coefficients by as many as it has slots. */
typedef struct rotation {
    const lut *table;
    const uint32_t *exponents; /* (tfhe_exponents), body last */
    uint64_t *acc;             /* (EF, rotation_words) */
    const uint64_t *start; /* NULL: the table; else (k+1, N), of which every part of the accumulator is made: a table
                              that is encrypted; `table` has its EF, and no slots */
} rotation;

/* Ciphertexts to rotate together, in [1, ROTATION_MOST]: as many as have their accumulators in one and a half times the
 * second-level cache (cpu_cache_bytes), and one at least. A key row read once for all is worth some reads from the
 * cache behind (docs/performance.md). */
size_t rotation_batch(const tfhe_params *p, uint32_t EF);

/* Blind rotation of `count` in [1, ROTATION_MOST] ciphertexts by tables of one EF and slot_bits: acc <- the table
 * rotated by the body and by <exponents, s>, homomorphically. CMUXes commute: key rows are walked once for each 2-adic
 * valuation v of the exponents (capped at log2 EF), lowest first, each row for all ciphertexts that it moves
 * (ROTATION_LONG); once all that is left is divisible by 2^v, parts of different residue modulo 2^v no longer mix, and
 * those that `needed` (needed_count >= 1 coefficients that will be extracted) cannot see are left alone, of no further
 * meaning. Every member of the team calls it with the same arguments but its own tmp (blind_rotate_scratch bytes,
 * rewound on return); the results are the same words for any number of members and any batch. On return all members are
 * done. */
size_t blind_rotate_scratch(const tfhe_params *p);
void blind_rotate(const eval_key *key, const rotation *r, size_t count, const uint32_t *needed, size_t needed_count,
                  const parallel_member *me, scratch *tmp);
/* The same with pbs_group > 1, EF = 1: a step adds the product of the accumulator with the sum over the patterns of
 * (X^exponent - 1) times their GGSWs. Each member has ciphertexts of its own. */
size_t blind_rotate_grouped_scratch(const tfhe_params *p);
void blind_rotate_grouped(const eval_key *key, const rotation *r, size_t count, const parallel_member *me,
                          scratch *tmp);

/* Part j of the accumulator <- that of X^-body table; masks zero, or those of `start`. */
void rotation_init(const tfhe_params *p, const rotation *r, size_t j);

static inline fft_gadget pbs_gadget(const tfhe_params *p)
{
    return (fft_gadget){.columns = p->k + 1, .bg = p->pbs_bg, .l = p->pbs_l, .lb = p->pbs_lb, .narrow = tfhe_narrow(p)};
}

/* Words of a part of an accumulator: k+1 polynomials (math/fft.h), narrow ones where tfhe_narrow. */
static inline size_t rotation_words(const tfhe_params *p)
{
    const fft_gadget g = pbs_gadget(p);
    return g.columns * fft_accumulator_words(p->N, &g);
}

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

#define ROTATION_TOGETHER 8u /* products that share a fetch of the key row, at most */
/* Of those, as many as have their digits in an eighth of the second-level cache, or a quarter of it where a step takes
 * several key bits, of which there is more to fetch; one at least. More would share a fetch, but drive accumulators and
 * key rows out. A set of digits of N = 2048 is a first-level cache full by itself. */
size_t rotation_products(const tfhe_params *p);
#endif
