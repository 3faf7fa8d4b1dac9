/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/noise.h"

#include "optimizer/multiples.h"

#include <math.h>

/* FFT noise: fit of tfhe-rs (noise_formulas/secure_noise.rs), 53-bit mantissa against a 64-bit torus: 11 bits lost. */
#define FFT_SCALE 0.00705
#define FFT_POWER_L 1.01827
#define FFT_POWER_K 1.22003
#define FFT_POWER_N 2.22003
#define LOST_BITS 11.0

/* The transform's part of a step of several key bits against that of the products it stands for, between what rings of
 * k = 1..3 measure (docs/performance.md). */
#define FFT_GROUPED 1.3
/* Variance about their mean of the errors of a group's patterns, in squared steps, when their sums are rounded as
 * modulus_switch.c does: mean over uniform mask elements, 5/128 and an integral over 300^3 midpoints. */
static const double group_square[TFHE_MAX_GROUP + 1] = {0, 1 / 48.0, 5 / 128.0, 0.053426};

double noise_tuniform(unsigned bound, unsigned logq)
{
    return (ldexp(1.0, (int)(2 * bound + 1)) + 1.0) / 6.0 * exp2(-2.0 * logq);
}

double noise_keyswitch_general(double big_dim, unsigned b, unsigned l, double key_variance, unsigned logq_in,
                               unsigned logq_out)
{
    const double B2 = exp2(2.0 * b), in2 = exp2(-2.0 * logq_in), out2 = exp2(-2.0 * logq_out);
    return l * big_dim * key_variance * (B2 + 2) / 12 + big_dim * (in2 / 48 + exp2(-2.0 * b * l) / 24) - in2 / 12 +
           (logq_out < logq_in ? out2 / 12 : in2 / 12);
}

/* Variance of what decomposition leaves out of masks, times the ring's key. */
static double left_out_of_masks(double n, unsigned k, double N, unsigned bg, unsigned l)
{
    return n * 0.5 * k * N * (exp2(-128.0) / 48 + exp2(-2.0 * bg * l) / 24);
}

static double transform_part(double n, unsigned k, double N, unsigned bg, double rows)
{
    return n * FFT_SCALE * exp2(2 * LOST_BITS + 2.0 * bg - 128.0) * pow(rows, FFT_POWER_L) * pow(k, FFT_POWER_K) *
           pow(N, FFT_POWER_N);
}

/* As published, where lb = l; the body's digits add to the products as one more mask's do, but their rounding is not
 * multiplied by a key. */
static void blind_rotate_parts(double n, unsigned k, double N, unsigned bg, unsigned l, unsigned lb,
                               double key_variance, double parts[3])
{
    const double q2 = exp2(-128.0), B2 = exp2(2.0 * bg), B2lb = exp2(-2.0 * bg * lb);
    const double rows = k * l + lb;
    parts[0] = transform_part(n, k, N, bg, rows);
    parts[1] = n * rows * N * key_variance * (B2 + 2) / 12;
    parts[2] = n * (B2lb / 24 - q2 / 24) + left_out_of_masks(n, k, N, bg, l);
}

double noise_blind_rotate_general(double n, unsigned k, double N, unsigned bg, unsigned l, double key_variance)
{
    double parts[3];
    blind_rotate_parts(n, k, N, bg, l, l, key_variance, parts);
    return parts[0] + parts[1] + parts[2];
}

double noise_transform_general(double n, unsigned k, double N, unsigned bg, unsigned l)
{
    return transform_part(n, k, N, bg, (k + 1.0) * l);
}

double noise_modulus_switch_centered(double n, double two_N, unsigned logq)
{
    return n * (1 / (48 * two_N * two_N) + exp2(-2.0 * logq) / 24);
}

double noise_modulus_switch_standard(double n, double two_N, unsigned logq)
{
    const double w2 = 1 / (two_N * two_N), q2 = exp2(-2.0 * logq);
    return n * (q2 / 48 + w2 / 24) - q2 / 12 + w2 / 12;
}

double noise_rounded(unsigned bits)
{
    return bits == 64 ? 0 : exp2(-2.0 * bits) / 12;
}

double noise_fresh(const tfhe_params *p)
{
    return noise_tuniform(p->glwe_noise, 64);
}

/* Second moment of the most significant digit beyond the (B^2 + 2)/12 of the others: our digits are those of the
 * magnitude (tfhe/keyswitch.c), u = B |x| in [0, B/2), and the lower ones reach from -B/2/(B - 1), so that the digit is
 * B/2 for the last B/2/(B - 1) of it. */
static double top_digit_excess(double B)
{
    return (B - 2) * (B - 1) / 12 + B * B / (4 * (B - 1)) - (B * B + 2) / 12;
}

double noise_keyswitch(const tfhe_params *p)
{
    const double dim = (double)tfhe_big_dim(p), key = noise_tuniform(p->lwe_noise, 32);
    return noise_keyswitch_general(dim, p->ks_b, p->ks_l, key, 64, 32) + dim * key * top_digit_excess(exp2(p->ks_b));
}

double noise_packing_left_out(const tfhe_families *f)
{
    const tfhe_params p = tfhe_answers_params(f);
    return noise_keyswitch_general((double)tfhe_big_dim(&p), p.ks_b, p.ks_l, 0, 64, 32);
}

double noise_packing_key(const tfhe_families *f)
{
    const tfhe_params p = tfhe_answers_params(f);
    return noise_keyswitch(&p) - noise_packing_left_out(f);
}

double noise_word(unsigned bits)
{
    return bits == 32 ? 0 : noise_rounded(bits);
}

/* Digits of the nonadjacent form: the least significant one of `levels` is not 0 in a half of all words, another in
 * half of those where the one below is 0. Of what is left out of a word s - 1/2 stays, of variance 1/4. */
double noise_sent_word(unsigned levels, unsigned bound)
{
    const double digits = levels / 3.0 + (1 - pow(-0.5, levels)) / 9;
    return digits * noise_tuniform(bound, 32) + noise_word(levels) / 4;
}

/* Of the words that are sent; of one of a mask that is rounded s - 1/2 is left, too. */
static double words_part(const tfhe_answers *a)
{
    return (double)tfhe_answers_dim(a) * noise_word(a->bits) / 4 + noise_word(a->body_bits);
}

static double sent_part(const tfhe_answers *a)
{
    return a->sent_k == 0 ? 0 : (double)a->k * a->N * noise_sent_word(a->sent_l, a->sent_noise);
}

/* The roundings of two coefficients have in common what a key has with itself, turned: of mean zero over keys, with a
 * deviation of 1/sqrt(dim). So many of these are left for the parts of an answer, as bounds far out meet what a key has
 * most of: of 400 random keys all but a hundredth were within, at 2^-44 and at 2^-132. */
#define KEY_DEVIATIONS 3.0

double noise_answers_words(const tfhe_answers *a)
{
    const double common = a->parts == 1 ? 0 : KEY_DEVIATIONS / sqrt((double)tfhe_answers_dim(a));
    return (1 + common) * words_part(a);
}

/* The digits of every part of a ciphertext multiply the noises of all coefficients of the key; what they leave out is
 * of the part's own. */
double noise_answers_part(const tfhe_families *f, double together)
{
    const multiples_common c = multiples_in_common(&f->answers);
    return together * c.key.most * noise_packing_key(f) + c.left.most * noise_packing_left_out(f) +
           sent_part(&f->answers) + noise_answers_words(&f->answers);
}

double noise_answers(const tfhe_families *f, double together)
{
    const multiples_common c = multiples_in_common(&f->answers);
    const double part = together * c.key.along * noise_packing_key(f) + c.left.along * noise_packing_left_out(f) +
                        sent_part(&f->answers) + words_part(&f->answers);
    return part / tfhe_answers_square(&f->answers);
}

/* Of a mask element s - 1/2 is left, of variance 1/4, of a group the error of its pattern less their mean; the body's
 * own truncation is uniform. */
double noise_extension(const tfhe_params *p, const extension *e)
{
    const double w = 2.0 * e->EF * p->N, g = p->pbs_group;
    const double square = g == 1 ? p->n * e->square / 4 : p->n / g * group_square[p->pbs_group];
    return (square + 1 / 12.0) / (w * w) + p->n * 0x1p-64 / 24;
}

double noise_modulus_switch(const tfhe_params *p, uint32_t EF, uint32_t price)
{
    const extension e = extension_expected(EF, price);
    return noise_extension(p, &e);
}

/* A step of g bits multiplies by 2^g - 1 GGSWs times X^e - 1: twice the noise of key and transform of each. The
 * rounding of its digits stays, twice, unless all bits are 0; that of a single bit stays where it is 1. Words of narrow
 * accumulators are rounded to u = 2^-32 by every step, and what the gadget leaves out of multiples of u, D of which are
 * a last digit, up to and with one of the middles, has the variance (D^2 + 2) u^2/12, not D^2 u^2/12. */
static void rotate_parts(const tfhe_params *p, double *fft, double *key, double *body, double *masks)
{
    const double g = p->pbs_group, patterns = exp2(g) - 1, narrow = tfhe_narrow(p) ? exp2(-64) / 12 : 0;
    const double dim = (double)tfhe_big_dim(p) / 2;
    double parts[3];
    blind_rotate_parts(p->n, p->k, p->N, p->pbs_bg, p->pbs_l, p->pbs_lb, noise_fresh(p), parts);
    *fft = NOISE_TRANSFORM * parts[0];
    *key = parts[1];
    *masks = left_out_of_masks(p->n, p->k, p->N, p->pbs_bg, p->pbs_l);
    *body = parts[2] - *masks;
    *masks += narrow * p->n * dim;
    if (p->pbs_group > 1) {
        const double left_out = 4 * patterns / (patterns + 1) / g;
        *fft *= FFT_GROUPED * 2 * patterns / g;
        *key *= 2 * patterns / g;
        *body *= left_out, *masks *= left_out;
    }
    *body += narrow * (double)tfhe_steps(p);
    *masks += narrow * (double)tfhe_steps(p) * dim;
}

void noise_blind_rotate_parts(const tfhe_params *p, double *fft, double *key, double *decomposition)
{
    double body, masks;
    rotate_parts(p, fft, key, &body, &masks);
    *decomposition = body + masks;
}

double noise_blind_rotate(const tfhe_params *p)
{
    double fft, key, decomposition;
    noise_blind_rotate_parts(p, &fft, &key, &decomposition);
    return fft + key + decomposition;
}

/* Half of the variance of errors in masks, what is left out of them and all but one of k N/2 + 1 of the transform's:
 * the key they are multiplied by is (1 + X + .. + X^(N-1))/2 and a rest of coefficients +-1/2. */
double noise_common(const tfhe_params *p)
{
    double fft, key, body, masks;
    rotate_parts(p, &fft, &key, &body, &masks);
    return (fft + masks) / 2 / (fft + key + body + masks);
}

/* A level of a merge adds the noise v of a keyswitch of masks, the products of a step of the rotation without the
 * body's digits, which each level behind it doubles where the coefficient is wanted: of the N/2^r coefficients in a
 * lattice that r levels leave, spread over N/high neighbours, one or more lie within each. The division by N rounds
 * words. */
double noise_merge(const tfhe_params *p, uint32_t l, uint32_t bg, uint32_t high)
{
    const double dim = (double)tfhe_big_dim(p), N = p->N;
    double parts[3], sum = 0;
    blind_rotate_parts(1, p->k, N, bg, l, 0, noise_fresh(p), parts);
    const double v = NOISE_TRANSFORM * parts[0] + parts[1] + dim * exp2(-2.0 * bg * l) / 24;
    for (double r = 1; r < N; r *= 2) sum += r * r * fmax(1, N / high / r);
    return sum * v + N * N * exp2(-128.0) / 12 * (1 + dim / 2);
}

double noise_low_switch(const tfhe_params *low)
{
    const tfhe_params slotted = tfhe_slotted(low, SPLIT_SLOT_BITS);
    return noise_modulus_switch(&slotted, 1, 0);
}

double noise_split(const tfhe_params *low, const tfhe_params *high, const split_amplified *amplified, double merged)
{
    const double times = split_amplification(amplified, noise_common(low));
    return noise_blind_rotate(high) + times * noise_blind_rotate(low) + merged;
}

/* log2 erfc(x): the library function where it is accurate, the asymptotic series (Abramowitz and Stegun 7.1.23) beyond.
 */
static double log2_erfc(double x)
{
    if (x < 8) return log2(erfc(x));
    double sum = 1, term = 1;
    for (int i = 1; i <= 12; i++) {
        term *= -(2 * i - 1) / (2 * x * x);
        sum += term;
    }
    return -x * x / M_LN2 + log2(sum / (x * sqrt(M_PI)));
}

double noise_failure_log2(double variance, double half_window)
{
    if (variance <= 0) return -INFINITY;
    return log2_erfc(half_window / sqrt(2 * variance));
}

double noise_kappa(double log2_p)
{
    double low = 0, high = 64;
    for (int i = 0; i < 80; i++) {
        const double middle = (low + high) / 2;
        if (log2_erfc(middle / M_SQRT2) > log2_p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}
