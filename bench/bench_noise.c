/* SPDX-License-Identifier: Apache-2.0 */
/* bench_noise [--json FILE]: standard deviations after keyswitch, modulus switch and bootstrap against the formulas,
 * over fourteen parameter sets, bootstraps by every variant of the kernels under the same key (the two others are the
 * same words by all, tests/test_variants.c), and the noise of the transform by itself against the published fit. Prints
 * the largest difference of log2 standard deviation. A deviation from m samples has itself a relative deviation of
 * 1/sqrt(2m): with the 512 outputs of 128 bootstraps 0.3 bit is 6 of them, a false alarm in 10^8 for each of 84
 * figures. */
#include "base/cpu.h"
#include "bench.h"
#include "math/matrix_priv.h"
#include "optimizer/noise.h"
#include "table.h"
#include "transform_noise.h"

#define BOOTSTRAPS 128u
#define OUTPUTS 4u /* of each: coefficients whose phases lie in the table's half too */
#define KEYSWITCHES 1500u
#define TRANSFORM_KEYS 16u

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

static const char *const variants[CPU_VARIANTS] = {"ref", "avx2", "avx512fused", "avx512add", "neon"};
static const table_column columns[] = {
    {"parameters", "n/g, k x N, l x log2 Bg, keyswitch, EF (price)", 43, TABLE_TEXT},
    {"step", "after", 17, TABLE_TEXT},
    {"measured_log2", "measured", 8, 3},
    {"predicted_log2", "formula", 8, 3},
    {"difference_bits", "bit", 7, 3},
    {"ref_bits", "ref", 7, 3},
    {"avx2_bits", "avx2", 7, 3},
    {"avx512fused_bits", "fused", 7, 3},
    {"avx512add_bits", "add", 7, 3},
    {"neon_bits", "neon", 7, 3},
};

typedef struct report {
    bench_table out;
    const char *here[CPU_VARIANTS]; /* (here_count) variants that the processor has */
    size_t here_count, own;         /* own: whose figures stand in front, of here */
    char name[96];                  /* of the set at hand */
    double worst;
} report;

static void use_variant(const report *r, size_t v)
{
    if (setenv("ANNULUS_CPU", r->here[v], 1) != 0) exit(1);
    matrix_kernels_choose();
}

/* measured of the own kernels, against a formula; bits (here_count): differences by every variant, NULL: the same. */
static void row(report *r, const char *what, double measured, double formula, double difference, const double *bits)
{
    double all[CPU_VARIANTS];
    for (size_t c = 0; c < CPU_VARIANTS; c++) {
        all[c] = NAN;
        for (size_t v = 0; bits != NULL && v < r->here_count; v++)
            if (strcmp(variants[c], r->here[v]) == 0) all[c] = bits[v];
    }
    table_row(&r->out, r->name, what, measured, formula, difference, all[0], all[1], all[2], all[3], all[4]);
}

static void compare(report *r, const char *what, double measured, double variance)
{
    const double predicted = log2(variance) / 2;
    row(r, what, measured, predicted, measured - predicted, NULL);
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

/* log2 of their deviation, by the kernels in use. */
static double bootstrap_deviation(const bench_keys *keys, const lut *table, const uint64_t *in)
{
    const tfhe_params *p = &keys->secret->params;
    const size_t words = lwe_words(p);
    const uint32_t part = table->EF * p->N / 16, offsets[OUTPUTS] = {0, part, 2 * part, 3 * part};
    uint64_t *out = room(BOOTSTRAPS * OUTPUTS * words, 8);
    double error[BOOTSTRAPS * OUTPUTS];
    bootstrap_job jobs[BOOTSTRAPS];
    for (size_t i = 0; i < BOOTSTRAPS; i++)
        jobs[i] = (bootstrap_job){.in = in + i * words, .table = table, .out = out + i * OUTPUTS * words};
    must(bootstrap_batch(keys->eval, NULL, jobs, BOOTSTRAPS, offsets, OUTPUTS, 0));
    for (size_t i = 0; i < BOOTSTRAPS * OUTPUTS; i++)
        error[i] = torus_to_double(lwe_phase(keys->secret, out + i * words) - BENCH_VALUE);
    free(out);
    return log2_deviation(error, BOOTSTRAPS * OUTPUTS);
}

static void set_rows(report *r, const tfhe_params *p, uint32_t EF, uint32_t price)
{
    const double formula = log2(noise_blind_rotate(p)) / 2;
    double measured[CPU_VARIANTS], bits[CPU_VARIANTS];
    uint64_t message[BOOTSTRAPS];
    bench_keys keys;
    seeded_eval_key *seeded;
    lut *table = bench_lut(p->N, EF);
    must(lut_set_price(table, price));
    must(secret_key_create(p, &keys.secret));
    must(seeded_eval_key_create(keys.secret, 0, NULL, &seeded));
    for (size_t i = 0; i < BOOTSTRAPS; i++) message[i] = BENCH_INPUT;
    uint64_t *in = bench_encrypt(&keys, message, BOOTSTRAPS);
    for (size_t v = 0; v < r->here_count; v++) {
        use_variant(r, v);
        must(eval_key_create(seeded, 0, NULL, &keys.eval));
        if (v == r->own) small_errors(r, &keys, p, EF, price);
        measured[v] = bootstrap_deviation(&keys, table, in);
        bits[v] = measured[v] - formula;
        r->worst = fmax(r->worst, fabs(bits[v]));
        eval_key_destroy(keys.eval);
    }
    row(r, "bootstrap", measured[r->own], formula, bits[r->own], bits);
    free(in);
    lut_destroy(table);
    seeded_eval_key_destroy(seeded);
    secret_key_destroy(keys.secret);
}

/* Factors of the transform's variance over the published fit, in the column of logarithms, beside the one in use; and
 * the one that the least and the largest of all differ from alike. Differences in bits of a deviation. */
static void transform_rows(report *r)
{
    double least = INFINITY, most = 0, factor[CPU_VARIANTS], bits[CPU_VARIANTS];
    for (size_t s = 0; s < TRANSFORM_SETS; s++) {
        const transform_set *t = &transform_sets[s];
        for (size_t v = 0; v < r->here_count; v++) {
            use_variant(r, v);
            factor[v] = transform_factor(t, TRANSFORM_KEYS);
            bits[v] = log2(factor[v] / NOISE_TRANSFORM) / 2;
            least = fmin(least, factor[v]);
            most = fmax(most, factor[v]);
        }
        (void)snprintf(r->name, sizeof r->name, "%ux%u, %ux%u", t->k, t->N, t->l, t->bg);
        row(r, "transform, factor", factor[r->own], NOISE_TRANSFORM, bits[r->own], bits);
    }
    const double fitted = sqrt(least * most);
    (void)snprintf(r->name, sizeof r->name, "all, from %.2f to %.2f", least, most);
    row(r, "transform, fitted", fitted, NOISE_TRANSFORM, log2(fitted / NOISE_TRANSFORM) / 2, NULL);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv), *own = fft_kernels_name();
    report r = {.worst = 0};
    r.here_count = cpu_variants(r.here);
    while (strcmp(r.here[r.own], own) != 0) r.own++;
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
        set_rows(&r, &p, s->EF, s->price);
    }
    transform_rows(&r);
    table_end(&r.out, path);
    printf("%.3f\n", r.worst);
    return 0;
}
