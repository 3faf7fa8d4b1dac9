/* SPDX-License-Identifier: Apache-2.0 */
/* Noise formulas, one per operation: variances on the torus (period 1), as tfhe-rs documents
 * them (core_crypto/commons/noise_formulas) but for what noise.c says. */
#ifndef OPTIMIZER_NOISE_H
#define OPTIMIZER_NOISE_H

#include "optimizer/extension.h"
#include "tfhe/params.h"
#include "tfhe/split.h"

double noise_tuniform(unsigned bound, unsigned logq); /* (2^(2B+1)+1)/6 / q^2 */
double noise_fresh(const tfhe_params *p);             /* big-key encryption */
double noise_rounded(unsigned bits);                  /* words to the nearest of 2^bits, [1, 64]; 64: none */
double noise_keyswitch(const tfhe_params *p);         /* additive part, kN -> n at 2^32 */
double noise_blind_rotate(const tfhe_params *p);      /* output of a bootstrap, independent of EF */
/* Centered modulus switch to 2*EF*N, body rounding included; EF = 1 if pbs_group > 1. */
double noise_modulus_switch(const tfhe_params *p, uint32_t EF, uint32_t price);
double noise_extension(const tfhe_params *p, const extension *e); /* the same of an extension_expected at hand */
/* Answers (tfhe/answers.h). What the packing keyswitch adds to a part for each part with masks that shares its
 * ciphertext, and what its digits leave out; what the second keyswitch adds for each word of the key that answers are
 * packed under; what a word of 32 bits to the nearest of 2^bits has; what all words that are sent add to a part, with
 * what few keys exceed. All of that of `together` parts in a ciphertext: the most that a combination of an answer's
 * parts with squares of sum 1 has, and what the answer has that is joined from them, on average over keys. */
double noise_packing_key(const tfhe_families *f);
double noise_packing_left_out(const tfhe_families *f);
double noise_sent_word(unsigned levels, unsigned bound);
double noise_word(unsigned bits);
double noise_answers_words(const tfhe_answers *a);
double noise_answers_part(const tfhe_families *f, double together);
double noise_answers(const tfhe_families *f, double together);
/* Variance of our transform's rounding over that of the published fit (noise_blind_rotate_general): between what its
 * variants measure, 0.3 bit of a deviation or less from each (docs/performance.md, Noise of the transform). */
#define NOISE_TRANSFORM 1.25
/* The three parts of noise_blind_rotate: FFT, key, decomposition. */
void noise_blind_rotate_parts(const tfhe_params *p, double *fft, double *key, double *decomposition);

/* Coefficients i and j of one part of an accumulator, i <= j < N, have this share of noise_blind_rotate, in [0, 1/2],
 * in common, times 1 - 2 (j - i)/N; those of other parts have none. */
double noise_common(const tfhe_params *p);

/* Split look-ups (tfhe/split.h). What merging ciphertexts by a key of l levels of base 2^bg adds to a coefficient of
 * the table of `high` cells that is made of them; what the switch of a low phase adds to it; and the output: of
 * rotations of the families `high` and `low`, of which the latter are amplified, and a merge that adds `merged`. */
double noise_merge(const tfhe_params *p, uint32_t l, uint32_t bg, uint32_t high);
double noise_low_switch(const tfhe_params *low);
double noise_split(const tfhe_params *low, const tfhe_params *high, const split_amplified *amplified, double merged);

/* Variants that take free variances and moduli: the published sets are recomputed with these. Blind rotation has the
 * FFT term of tfhe-rs here; noise_blind_rotate has that of our own transform. */
double noise_keyswitch_general(double big_dim, unsigned b, unsigned l, double key_variance, unsigned logq_in,
                               unsigned logq_out);
double noise_blind_rotate_general(double n, unsigned k, double N, unsigned bg, unsigned l, double key_variance);
double noise_transform_general(double n, unsigned k, double N, unsigned bg, unsigned l); /* that term alone */
double noise_modulus_switch_centered(double n, double two_N, unsigned logq); /* without body rounding, as published */
double noise_modulus_switch_standard(double n, double two_N, unsigned logq);

/* P(|e| > half_window) for a centered Gaussian of this variance, and its log2 (accurate down to 2^-1000). */
double noise_failure_log2(double variance, double half_window);
/* Number of standard deviations kappa with erfc(kappa/sqrt 2) = p, p in (0,1); log2_p < 0. */
double noise_kappa(double log2_p);
#endif
