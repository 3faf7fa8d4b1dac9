/* SPDX-License-Identifier: Apache-2.0 */
/* Split look-ups: the low bits of a message are read by rotations of their own, of coarse phases, and the rest by one
 * rotation of a table that they choose. A look-up of h + s bits then costs one of h bits and s of about one bit
 * (docs/performance.md, Larger look-ups).
 *
 * Message m of `cells` = 2^(h+s) stands at (m + 1/2)/(2 cells) of the torus, as for a padded table (lut_encode).
 *
 * Level i < s: cells/2^i times the input has the phase (m mod 2^(i+1) + 1/2)/2^(i+1). One rotation of a square wave
 * gives all its shifts f(i,c) = +-1, c < 2^i: + where (m + c) mod 2^(i+1) < 2^i. These span the functions of
 * m mod 2^(i+1) that change sign with bit i, so that those of all levels, with 1, span all functions of m mod 2^s.
 *
 * Slots: each wave is extracted at SPLIT_DIGITS scales, 2^bits apart, and f(i,0) at the scale that takes bit i off the
 * input: slots of one table (bootstrap.h).
 *
 * Table: the entry of (high, low) is middle(high) + sum over (i,c) of D(high; i,c) f(i,c)(low), D in digits of the
 * scales: for each high part a small integer combination of the waves. They are merged into one GLWE ciphertext
 * (merge.h), whose coefficients are the table that the low bits choose. The input without its low bits rotates it. */
#ifndef TFHE_SPLIT_H
#define TFHE_SPLIT_H

#include "tfhe/bootstrap.h"
#include "tfhe/merge.h"

#define SPLIT_MAX_LOW 4u
#define SPLIT_DIGITS 3u
#define SPLIT_SLOT_BITS 2u
#define SPLIT_SLOTS (1u << SPLIT_SLOT_BITS) /* the digits, and one that takes the bit off */

/* Borrowed. low and high: of families with one big key (secret_key_create_beside), each with a keyswitching key of its
 * own; merge: of that big key. */
typedef struct split_keys {
    const eval_key *low, *high;
    const merge_key *merge;
} split_keys;

/* What the variance of a low rotation is multiplied by in an output: with a share q of it that coefficients have in
 * common (noise_common) squares + q*common. Of several the bound for q <= 1/2 that is met at both ends. */
typedef struct split_amplified {
    double squares, common;
} split_amplified;

static inline double split_amplification(const split_amplified *a, double common)
{
    return a->squares + common * a->common;
}

typedef struct split_table {
    uint32_t cells, low_bits;
    uint32_t bits;             /* log2 of the base of the digits */
    split_amplified amplified; /* by any high part */
    lut high;                  /* EF, price and N of the last rotation; no entries */
    lut *low[SPLIT_MAX_LOW];
    int32_t *weights; /* (cells/2^low_bits, split_waves): digits of D, most significant first, of (i,c) in turn */
    uint64_t *middle; /* (cells/2^low_bits) */
} split_table;

/* Extracted waves at their scales, all levels together. */
static inline size_t split_waves(uint32_t low_bits)
{
    return SPLIT_DIGITS * (((size_t)1 << low_bits) - 1);
}
/* Entry m is base + unit*entries[m]; cells a power of two, 2^low_bits < cells; low_bits in [1, SPLIT_MAX_LOW]; EF and
 * price as in lut; entries at most 2^24. The last low_bits bits of `unit` do not count. Owned by the caller. */
annulus_status split_table_create(uint32_t N, uint32_t EF, uint32_t price, uint32_t low_bits, const uint32_t *entries,
                                  uint32_t cells, uint64_t unit, uint64_t base, split_table **out)
    __attribute__((warn_unused_result));
void split_table_destroy(split_table *t); /* NULL allowed */
/* out (cells/2^low_bits) <- what each high part amplifies: sums of squares of its digits, and what those of one
 * rotation have in common. Entries, cells and low_bits as above. */
void split_amplifies(uint32_t low_bits, const uint32_t *entries, uint32_t cells, split_amplified *out);
/* The bound of a and b. */
split_amplified split_amplified_both(split_amplified a, split_amplified b);
/* 2^low_bits times what is looked up where level i reads low[i] in [0, 2^(i+1)), which all of one m mod 2^low_bits do
 * unless noise is too large; entries (2^low_bits): of the high part. */
int64_t split_read(uint32_t low_bits, const uint32_t *entries, const uint32_t *low);
/* The bound of all tables whose entries have so many bits. */
split_amplified split_amplified_most(uint32_t low_bits, uint32_t entry_bits);

typedef struct split_job {
    const uint64_t *in;       /* lwe_words */
    const split_table *table; /* all jobs of one batch have tables of one cells, low_bits, EF and price */
    uint64_t *out;            /* lwe_words; must not alias in */
    uint32_t *exponents;      /* NULL, or where those of its rotations go: (low_bits, tfhe_exponents) of the low ones,
                                 (tfhe_exponents) of the last */
} split_job;

/* Runs `count` jobs on `threads` workers (0: all), each with jobs of its own. The outputs are the same words for any
 * number of threads. Their noise: noise_split of optimizer/noise.h. Timing depends on ciphertexts (public), never on
 * secrets. */
annulus_status split_batch(const split_keys *keys, const split_job *jobs, size_t count, unsigned threads)
    __attribute__((warn_unused_result));
/* Bytes that it takes for its work on `count` jobs of such tables, beyond jobs, ciphertexts and keys. */
size_t split_memory(const tfhe_families *f, uint32_t cells, uint32_t low_bits, uint32_t EF, size_t count,
                    unsigned threads);
/* Of a table. */
size_t split_table_memory(uint32_t N, uint32_t cells, uint32_t low_bits);
#endif
