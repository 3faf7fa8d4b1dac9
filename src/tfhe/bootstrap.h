/* SPDX-License-Identifier: Apache-2.0 */
/* Programmable bootstrapping: keyswitch into 2^32, centered modulus switch to 2*EF*N, sorted extended blind rotation,
 * sample extraction (Lee and Yoon, PKC 2023; Bergerat et al., ePrint 2025/2214). */
#ifndef TFHE_BOOTSTRAP_H
#define TFHE_BOOTSTRAP_H

#include "base/memory.h"
#include "tfhe/keys.h"

/* A table over the whole torus with T(u+1/2) = -T(u) in 2*EF*N steps: v[j] is the value on [j, j+1)/(2*EF*N), j < EF*N,
 * a noiseless torus word. The modulus switch truncates, so that steps and cells have the same boundaries.
 *
 * Slots: 2^slot_bits tables side by side, which one rotation turns together (PBSmanyLUT: Chillotti, Ligier, Orfila,
 * Tap, ASIACRYPT 2021). The torus then has 2*EF*N/2^slot_bits steps, and step j of the table in slot s is
 * v[j*2^slot_bits + s]. The modulus switch is that of a ring of N/2^slot_bits (tfhe_slotted), and what it adds to the
 * phase grows with the step; what the rotation adds to the outputs does not change. */
typedef struct lut {
    uint32_t EF;    /* extension factor, power of two in [1, 32] */
    uint32_t price; /* of its modulus switch, lut_set_price; 0 if never set */
    uint32_t N;
    uint32_t slot_bits; /* log2 of the slots, [0, TFHE_MAX_SLOT_BITS] */
    uint64_t *v;        /* (EF*N), index j of the extended ring */
} lut;

/* f(context, u) at the middle u = (j + 1/2)/(2*EF*N) of every step in [0,1/2): a torus word; continued
 * antiperiodically. Torus-native tables (torus_native: no padding bit). */
annulus_status lut_create_antiperiodic(uint32_t N, uint32_t EF, uint64_t (*f)(void *context, double u), void *context,
                                       lut **out) __attribute__((warn_unused_result));
/* Padded table of `cells` entries (any count in [1, EF*N]), cell c covers phases [c, c+1)/(2*cells); a message is
 * encoded at the cell's centre: lut_encode(cells, m). A phase in the other half of the torus gives the negation.
 * entries: torus words. For signed inputs m in [-cells/2, cells/2): is_signed = 1 and entry of m at (m mod cells):
 * two's complement order, the input still encoded as lut_encode(cells, m + cells/2). */
annulus_status lut_create_padded(uint32_t N, uint32_t EF, const uint64_t *entries, uint32_t cells, int is_signed,
                                 lut **out) __attribute__((warn_unused_result));
/* 2^slot_bits such tables, entries (2^slot_bits, cells), in slots of one: cells in [1, EF*N/2^slot_bits]. Slot s is the
 * coefficient at the offset s*EF. */
annulus_status lut_create_slots(uint32_t N, uint32_t EF, const uint64_t *entries, uint32_t cells, uint32_t slot_bits,
                                lut **out) __attribute__((warn_unused_result));
/* The table's modulus switch rounds each mask element to a multiple of 2^v steps of 1/(2*EF*N), v in [0, log2 EF], such
 * that price/16 * 2^-v + e^2 is least, e the error in steps: the rotation then pays EF/2^v external products for it, so
 * that a higher price makes look-ups cheaper and their phases noisier (optimizer/extension.h). price in
 * [0, TFHE_MAX_PRICE], and 0 with EF = 1; 0 rounds to the nearest step, and from 32 on no odd step would be left, which
 * EF/2 does as well. */
annulus_status lut_set_price(lut *t, uint32_t price) __attribute__((warn_unused_result));
void lut_destroy(lut *t);
/* Borders of cells lie on the step nearest to where `cells` equal ones have them: how far that is at most, in steps. 0
 * of a power of two. */
double lut_border(uint32_t cells);
/* Torus word of the centre of cell c: (c + 1/2)/(2*cells). */
uint64_t lut_encode(uint32_t cells, uint32_t c);

/* Several values of one rotation: each is a sum of weights times coefficients, whose noises are not independent
 * (noise_common of optimizer/noise.h). */
typedef struct bootstrap_term {
    uint32_t offset; /* of the coefficient, below EF*N */
    int32_t weight;
} bootstrap_term;
typedef struct bootstrap_value {
    const bootstrap_term *terms;
    size_t count; /* 0: the value is 0, without noise */
} bootstrap_value;

typedef struct bootstrap_job {
    const uint64_t *in; /* big-key ciphertext, lwe_words of the key that it is under */
    const lut *table;   /* all jobs of one batch have tables of one EF, price and slot_bits; EF = 1 if pbs_group > 1 */
    uint64_t *out; /* offsets_count ciphertexts, or those of the values, lwe_words each, one after another; must not
                      alias in */
    const bootstrap_value *values; /* (values_count), in place of the coefficients at the offsets; NULL: those */
    size_t values_count;
} bootstrap_job;

/* Runs `count` jobs on `threads` workers (0: all). from: keyswitching key into the small key of `key`, for inputs under
 * the big key that it is from; NULL: those of `key` itself, which then has a keyswitching key of its own. offsets
 * (offsets_count >= 1, each < 2*EF*N): extracted coefficients: output i of a job is T(u + offsets[i]/(2*EF*N)), or
 * slots of its table, all from one rotation. The terms of a job that has values are at offsets that are congruent,
 * modulo EF, to one of these. With EF >= 4, jobs that would leave workers idle are shared by all workers instead; the
 * outputs are the same words for any number of threads. Memory: a worker holds 32 keyswitched ciphertexts and, in 3/2
 * of its second-level cache or as much as one of them needs, the accumulators (EF*(k+1)*N*8 bytes each, narrow ones
 * about half) of those that it rotates together. Timing depends on ciphertexts (public), never on secrets. */
annulus_status bootstrap_batch(const eval_key *key, const switching_key *from, const bootstrap_job *jobs, size_t count,
                               const uint32_t *offsets, size_t offsets_count, unsigned threads)
    __attribute__((warn_unused_result));

/* How bootstrap_batch shares `count` jobs out among workers. */
typedef struct bootstrap_share {
    unsigned active; /* workers that take items */
    size_t items;    /* as many for every active worker: count - shared jobs in items of equal size, to one job */
    size_t group;    /* jobs of the largest item, which are keyswitched together */
    size_t together; /* of those, ciphertexts that are rotated together: in turns of equal size */
    size_t shared;   /* jobs behind those: of a team */
} bootstrap_share;
bootstrap_share bootstrap_share_of(const tfhe_params *p, uint32_t EF, size_t count, unsigned threads);
/* Bytes that bootstrap_batch takes for its work on `count` jobs, beyond jobs, ciphertexts and keys; from: parameters of
 * the keyswitch. */
size_t bootstrap_memory(const tfhe_params *from, const tfhe_params *p, uint32_t EF, size_t count, unsigned threads);

/* The steps, for tests, measurement and benchmarks. */
/* in (count, lwe_words) -> out (count, n+1) at 2^32, row stride bootstrap_small_words. */
size_t bootstrap_small_words(const tfhe_params *p);
annulus_status keyswitch_batch(const switching_key *key, const uint64_t *const *in, size_t count, uint32_t *out)
    __attribute__((warn_unused_result));
/* Centered modulus switch of one small ciphertext (n+1) to exponents in [0, 2*EF*N): out (tfhe_exponents), body last.
 * EF and price as in lut; of two grids that lose as much the finer is taken, of two of its multiples the larger. With
 * g = pbs_group > 1 (EF = 1 and price 0, else REQUIRE fails) out is (n/g, 2^g-1) and the body: the sums of the mask
 * elements of every pattern of a step. N >= 16: that of tfhe_slotted. */
void modulus_switch_centered(const tfhe_params *p, uint32_t EF, uint32_t price, const uint32_t *in, uint32_t *out);
/* acc: accumulator of a rotation (bootstrap_priv.h), part j holds coefficients i*EF + j. out: lwe_words; c in [0,
 * EF*N). */
void sample_extract(const tfhe_params *p, uint32_t EF, const uint64_t *acc, uint32_t c, uint64_t *out);
/* out += weight times what sample_extract gives. */
void sample_extract_add(const tfhe_params *p, uint32_t EF, const uint64_t *acc, bootstrap_term term, uint64_t *out);
#endif
