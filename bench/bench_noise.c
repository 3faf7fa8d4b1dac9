/* SPDX-License-Identifier: Apache-2.0 */
/* Standard deviations after keyswitch, modulus switch and bootstrap against the formulas, over ten parameter sets.
 * Prints the largest difference of log2 standard deviation. A deviation from m samples has itself a relative deviation
 * of 1/sqrt(2m): with the 400 samples of a bootstrap 0.3 bit is 6 of them, a false alarm in 10^8 for each of 30
 * figures. */
#include "bench.h"

#include "optimizer/noise.h"
#include "optimizer/security.h"

#define BOOTSTRAPS 400u
#define KEYSWITCHES 1500u

typedef struct set {
    uint32_t n, k, N, l, bg, ks_l, ks_b, EF;
} set;

static const set sets[] = {
    {918, 1, 2048, 1, 23, 4, 4, 1}, {800, 1, 2048, 2, 16, 8, 2, 1}, {800, 3, 512, 1, 23, 4, 4, 1},
    {800, 6, 256, 1, 23, 4, 4, 1},  {800, 3, 512, 2, 16, 4, 4, 1},  {800, 6, 256, 2, 16, 4, 4, 1},
    {700, 1, 2048, 1, 23, 5, 3, 4}, {700, 3, 512, 1, 23, 5, 3, 4},  {750, 1, 2048, 1, 23, 5, 3, 8},
    {750, 3, 512, 2, 16, 5, 3, 8},
};

/* About zero, not about their mean: a shift that one key gives to all its errors counts. */
static double log2_deviation(const double *x, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += x[i] * x[i] / (double)count;
    return log2(square) / 2;
}

static double compare(const char *what, double measured, double variance)
{
    const double predicted = log2(variance) / 2;
    fprintf(stderr, "  %-14s measured 2^%.3f predicted 2^%.3f difference %+.3f bit\n", what, measured, predicted,
            measured - predicted);
    return fabs(measured - predicted);
}

/* Errors of the keyswitch and of the modulus switch. */
static double small_errors(const bench_keys *keys, const tfhe_params *p, uint32_t EF)
{
    const size_t words = bootstrap_small_words(p);
    uint64_t *message = room(KEYSWITCHES, 8);
    for (size_t i = 0; i < KEYSWITCHES; i++) message[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t *in = bench_encrypt(keys, message, KEYSWITCHES);
    const uint64_t **list = room(KEYSWITCHES, sizeof *list);
    uint32_t *out = room(KEYSWITCHES * words, 4), *exponent = room(p->n + 1, 4);
    double *switched = room(KEYSWITCHES, 8), *rounded = room(KEYSWITCHES, 8);
    for (size_t i = 0; i < KEYSWITCHES; i++) list[i] = in + i * lwe_words(p);
    must(keyswitch_batch(keys->eval, list, KEYSWITCHES, out));
    const double steps = 2.0 * EF * p->N;
    for (size_t i = 0; i < KEYSWITCHES; i++) {
        const uint64_t phase = lwe_phase(keys->secret, list[i]);
        const uint64_t small = (uint64_t)lwe_small_phase(keys->secret, out + i * words) << 32;
        switched[i] = torus_to_double(small - phase);
        modulus_switch_centered(p, EF, out + i * words, exponent);
        const double at = ((double)bench_step(keys->secret, EF, exponent) + 0.5) / steps;
        rounded[i] = remainder(at - (double)small * 0x1p-64, 1.0);
    }
    double worst = compare("keyswitch", log2_deviation(switched, KEYSWITCHES), noise_keyswitch(p));
    worst = fmax(worst, compare("modulus switch", log2_deviation(rounded, KEYSWITCHES), noise_modulus_switch(p, EF)));
    free(message), free(in), free(list), free(out), free(exponent), free(switched), free(rounded);
    return worst;
}

static double bootstrap_errors(const bench_keys *keys, const tfhe_params *p, uint32_t EF)
{
    const uint64_t entries[2] = {UINT64_C(1) << 61, UINT64_C(1) << 61}, message[1] = {UINT64_C(1) << 62};
    const uint32_t offsets[1] = {0};
    lut *table;
    must(lut_create_padded(p->N, EF, entries, 2, 0, &table));
    uint64_t *messages = room(BOOTSTRAPS, 8), *out = room(BOOTSTRAPS * lwe_words(p), 8);
    for (size_t i = 0; i < BOOTSTRAPS; i++) messages[i] = message[0];
    uint64_t *in = bench_encrypt(keys, messages, BOOTSTRAPS);
    bootstrap_job *jobs = room(BOOTSTRAPS, sizeof *jobs);
    double *error = room(BOOTSTRAPS, 8);
    for (size_t i = 0; i < BOOTSTRAPS; i++)
        jobs[i] = (bootstrap_job){in + i * lwe_words(p), table, out + i * lwe_words(p)};
    must(bootstrap_batch(keys->eval, jobs, BOOTSTRAPS, offsets, 1, 0));
    for (size_t i = 0; i < BOOTSTRAPS; i++)
        error[i] = torus_to_double(lwe_phase(keys->secret, jobs[i].out) - entries[0]);
    const double worst = compare("bootstrap", log2_deviation(error, BOOTSTRAPS), noise_blind_rotate(p));
    free(messages), free(out), free(in), free(jobs), free(error);
    lut_destroy(table);
    return worst;
}

int main(void)
{
    double worst = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const set *s = &sets[i];
        tfhe_params p = {
            .n = s->n, .k = s->k, .N = s->N, .pbs_l = s->l, .pbs_bg = s->bg, .ks_l = s->ks_l, .ks_b = s->ks_b};
        p.lwe_noise = security_tuniform_bound(p.n, 32, SECURITY_128);
        p.glwe_noise = security_tuniform_bound((double)tfhe_big_dim(&p), 64, SECURITY_128);
        fprintf(stderr, "n=%u k=%u N=%u l=%u Bg=2^%u keyswitch l=%u B=2^%u EF=%u\n", s->n, s->k, s->N, s->l, s->bg,
                s->ks_l, s->ks_b, s->EF);
        bench_keys keys;
        bench_keys_create(&p, &keys);
        worst = fmax(worst, small_errors(&keys, &p, s->EF));
        worst = fmax(worst, bootstrap_errors(&keys, &p, s->EF));
        bench_keys_destroy(&keys);
    }
    printf("%.3f\n", worst);
    return 0;
}
