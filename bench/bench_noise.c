/* SPDX-License-Identifier: Apache-2.0 */
/* bench_noise [--json FILE]: standard deviations after keyswitch, modulus switch and bootstrap against the formulas,
 * over fourteen parameter sets. Prints the largest difference of log2 standard deviation. A deviation from m samples
 * has itself a relative deviation of 1/sqrt(2m): with the 400 samples of a bootstrap 0.3 bit is 6 of them, a false
 * alarm in 10^8 for each of 42 figures. */
#include "bench.h"

#include "optimizer/noise.h"
#include "table.h"

#define BOOTSTRAPS 400u
#define KEYSWITCHES 1500u

typedef struct set {
    uint32_t n, k, N, l, lb, bg, ks_l, ks_b, EF, price, g;
} set;

static const set sets[] = {
    {918, 1, 2048, 1, 1, 23, 4, 4, 1, 0, 1}, {800, 1, 2048, 2, 2, 16, 8, 2, 1, 0, 1},
    {800, 3, 512, 1, 1, 23, 4, 4, 1, 0, 1},  {800, 6, 256, 1, 1, 23, 4, 4, 1, 0, 1},
    {800, 3, 512, 2, 2, 16, 4, 4, 1, 0, 1},  {800, 6, 256, 2, 2, 16, 4, 4, 1, 0, 1},
    {700, 1, 2048, 1, 1, 23, 5, 3, 4, 0, 1}, {700, 3, 512, 1, 1, 23, 5, 3, 4, 12, 1},
    {750, 1, 2048, 1, 1, 23, 5, 3, 8, 9, 1}, {750, 3, 512, 2, 2, 16, 5, 3, 8, 0, 1},
    {800, 1, 2048, 2, 1, 20, 8, 2, 1, 0, 1}, {750, 3, 512, 2, 1, 18, 5, 3, 4, 0, 1},
    {918, 1, 2048, 1, 1, 23, 4, 4, 1, 0, 2}, {786, 2, 1024, 1, 1, 23, 5, 3, 1, 0, 3},
};

/* About zero, not about their mean: a shift that one key gives to all its errors counts. */
static double log2_deviation(const double *x, size_t count)
{
    double square = 0;
    for (size_t i = 0; i < count; i++) square += x[i] * x[i] / (double)count;
    return log2(square) / 2;
}

static const table_column columns[] = {
    {"parameters", "n/g, k x N, l x log2 Bg, keyswitch, EF (price)", 43, TABLE_TEXT},
    {"step", "after", 14, TABLE_TEXT},
    {"measured_log2", "measured", 8, 3},
    {"predicted_log2", "formula", 8, 3},
    {"difference_bits", "bit", 7, 3},
};

typedef struct report {
    bench_table out;
    char name[96]; /* of the set at hand */
    double worst;
} report;

static void compare(report *r, const char *what, double measured, double variance)
{
    const double predicted = log2(variance) / 2;
    table_row(&r->out, r->name, what, measured, predicted, measured - predicted);
    r->worst = fmax(r->worst, fabs(measured - predicted));
}

/* Errors of the keyswitch and of the modulus switch. */
static void small_errors(report *r, const bench_keys *keys, const tfhe_params *p, uint32_t EF, uint32_t price)
{
    const size_t words = bootstrap_small_words(p);
    uint64_t *message = room(KEYSWITCHES, 8);
    for (size_t i = 0; i < KEYSWITCHES; i++) message[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t *in = bench_encrypt(keys, message, KEYSWITCHES);
    const uint64_t **list = room(KEYSWITCHES, sizeof *list);
    uint32_t *out = room(KEYSWITCHES * words, 4), *exponent = room(tfhe_exponents(p), 4);
    double *switched = room(KEYSWITCHES, 8), *rounded = room(KEYSWITCHES, 8);
    for (size_t i = 0; i < KEYSWITCHES; i++) list[i] = in + i * lwe_words(p);
    must(keyswitch_batch(eval_key_switching(keys->eval), list, KEYSWITCHES, out));
    const double steps = 2.0 * EF * p->N;
    for (size_t i = 0; i < KEYSWITCHES; i++) {
        const uint64_t phase = lwe_phase(keys->secret, list[i]);
        const uint64_t small = (uint64_t)lwe_small_phase(keys->secret, out + i * words) << 32;
        switched[i] = torus_to_double(small - phase);
        modulus_switch_centered(p, EF, price, out + i * words, exponent);
        const double at = ((double)lwe_rotation_step(keys->secret, EF, 0, exponent) + 0.5) / steps;
        rounded[i] = remainder(at - (double)small * 0x1p-64, 1.0);
    }
    compare(r, "keyswitch", log2_deviation(switched, KEYSWITCHES), noise_keyswitch(p));
    compare(r, "modulus switch", log2_deviation(rounded, KEYSWITCHES), noise_modulus_switch(p, EF, price));
    free(message), free(in), free(list), free(out), free(exponent), free(switched), free(rounded);
}

static void bootstrap_errors(report *r, const bench_keys *keys, const tfhe_params *p, uint32_t EF, uint32_t price)
{
    lut *table = bench_lut(p->N, EF);
    bench_batch batch;
    double *error = room(BOOTSTRAPS, 8);
    must(lut_set_price(table, price));
    bench_batch_create(keys, table, NULL, BOOTSTRAPS, &batch);
    (void)bench_bootstrap(keys->eval, batch.jobs, BOOTSTRAPS, 0);
    for (size_t i = 0; i < BOOTSTRAPS; i++) error[i] = bench_error(keys, &batch, i, BENCH_VALUE);
    compare(r, "bootstrap", log2_deviation(error, BOOTSTRAPS), noise_blind_rotate(p));
    bench_batch_destroy(&batch);
    free(error);
    lut_destroy(table);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    report r = {.worst = 0};
    table_begin(&r.out, stderr, "Noise: log2 of standard deviations", columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const set *s = &sets[i];
        const tfhe_params p = bench_secure((tfhe_params){.n = s->n,
                                                         .k = s->k,
                                                         .N = s->N,
                                                         .pbs_l = s->l,
                                                         .pbs_lb = s->lb,
                                                         .pbs_bg = s->bg,
                                                         .pbs_group = s->g,
                                                         .ks_l = s->ks_l,
                                                         .ks_b = s->ks_b});
        char set_text[64];
        bench_params_text(&p, set_text);
        (void)snprintf(r.name, sizeof r.name, "%s, %u (%u)", set_text, s->EF, s->price);
        bench_keys keys;
        bench_keys_create(&p, &keys);
        small_errors(&r, &keys, &p, s->EF, s->price);
        bootstrap_errors(&r, &keys, &p, s->EF, s->price);
        bench_keys_destroy(&keys);
    }
    table_end(&r.out, path);
    printf("%.3f\n", r.worst);
    return 0;
}
