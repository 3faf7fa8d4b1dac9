/* SPDX-License-Identifier: Apache-2.0 */
/* bench_precisions [--json FILE]: padded look-ups for each precision, p_error and two-norm at the parameters that the
 * search finds, whole or split as is faster: one ciphertext alone on one core, batches on all cores. */
#include "base/parallel.h"
#include "peak.h"
#include "split_lookups.h"
#include "table.h"

#define MOST_BITS 8u
#define MOST_ROUNDS 5u
#define ROOM 64u  /* look-ups at most */
#define ALONE 0.3 /* seconds for one ciphertext alone, at least one run */
#define BATCH 0.8 /* seconds for batches, at least one run */
#define ROUND 2.5 /* seconds of one batch run at most */

static const table_column columns[] = {
    {"bits", "bits", 4, 0},
    {"log2_p_error", "log2 p", 7, 2},
    {"two_norm", "norm", 4, 0},
    {"parameters", "n, k x N, l x log2 Bg, keyswitch, EF (price); low bits: of their n, ...", 72, TABLE_TEXT},
    {"alone_ms", "alone ms", 8, 2},
    {"model_ms", "model ms", 8, 2},
    {"all_cores_per_second", "all/s", 7, 1},
    {"share_of_peak", "of peak", 7, 3},
    {"key_megabytes", "key MB", 7, 1},
    {"key_megabytes_read", "read MB", 7, 1},
    {"noise_log2", "noise", 7, 2},
    {"noise_predicted_log2", "formula", 7, 2},
    {"samples", "of", 4, 0},
};

static double alone(faster_lookups *l)
{
    double time[MOST_ROUNDS], total = 0;
    size_t rounds = 0;
    do total += time[rounds++] = faster_seconds(l, 1, 1);
    while (rounds < MOST_ROUNDS && total < ALONE);
    return bench_median(time, rounds);
}

/* Operations of a look-up's rotations; the keyswitches of polynomials of a merge are external products as well. */
static double operations(const faster_lookups *l)
{
    if (!l->is_split) {
        const tfhe_params *p = &l->whole.chosen.families.of[0];
        return (double)tfhe_steps(p) * l->whole.e.products * external_product_flops(p);
    }
    const split_choice *c = &l->split.chosen;
    const double high = l->split.cells >> c->low_bits;
    tfhe_params merge = c->high;
    merge.pbs_l = c->merge_l, merge.pbs_lb = 1;
    return c->low_bits * (double)tfhe_steps(&c->low) * external_product_flops(&c->low) +
           (double)tfhe_steps(&c->high) * extension_expected(c->EF, c->price).products *
               external_product_flops(&c->high) +
           (high - 1 + log2(c->high.N / high)) * external_product_flops(&merge);
}

/* Seconds a look-up on all cores, and the share of the processor's peak, measured in turns, that its arithmetic is. */
static double together(faster_lookups *l, size_t count, unsigned threads, double *share)
{
    double time[MOST_ROUNDS], peak[MOST_ROUNDS], total = 0;
    size_t rounds = 0;
    do {
        time[rounds] = faster_seconds(l, count, threads) / (double)count;
        peak[rounds] = peak_flops(cpu_level_get(), threads, CLOCK_MONOTONIC, 0.02);
        total += time[rounds++] * (double)count;
    } while (rounds < MOST_ROUNDS && total < BATCH);
    const double seconds = bench_median(time, rounds);
    *share = operations(l) / seconds / bench_median(peak, rounds);
    return seconds;
}

/* Keys, and what is read of them for each of `count` look-ups, MB; parameters in words. */
static double keys(const faster_lookups *l, size_t count, unsigned threads, double *read, char text[160])
{
    char high[64], low[64];
    if (!l->is_split) {
        const tfhe_params *p = &l->whole.chosen.families.of[0];
        bench_params_text(p, high);
        (void)snprintf(text, 160, "%s, %u (%u)", high, l->whole.e.EF, l->whole.e.price);
        *read = 1e-6 * bench_key_bytes(p, l->whole.e.EF, l->whole.e.price, count, threads);
        return bench_key_megabytes(p);
    }
    const split_choice *c = &l->split.chosen;
    bench_params_text(&c->high, high);
    bench_params_text(&c->low, low);
    (void)snprintf(text, 160, "%s, %u (%u); %u: %s", high, c->EF, c->price, c->low_bits, low);
    *read = 1e-6 * (bench_key_bytes(&c->high, c->EF, c->price, count, threads) +
                    c->low_bits * bench_key_bytes(&c->low, 1, 0, count, threads));
    return bench_key_megabytes(&c->high) + bench_key_megabytes(&c->low);
}

static void row(const bench_table *t, unsigned bits, double log2_error, double two_norm, unsigned threads)
{
    faster_lookups l;
    char parameters[160];
    double share, read;
    faster_create(bits, two_norm, log2_error, ROOM, &l);
    (void)faster_seconds(&l, 1, 1);
    const double one = alone(&l);
    size_t count = (size_t)(ROUND * threads / one);
    if (count < threads) count = threads;
    if (count > ROOM) count = ROOM;
    const double each = together(&l, count, threads, &share);
    const double all = keys(&l, count, threads, &read, parameters);
    table_row(t, (double)bits, log2_error, two_norm, parameters, 1e3 * one, 1e3 * faster_model(&l), 1 / each, share,
              all, read, log2(faster_check(&l, count)), log2(faster_noise(&l)), (double)count);
    faster_destroy(&l);
}

int main(int argc, char **argv)
{
    static const double log2_error[] = {-6.643856, -40, -128}, norm[] = {1, 16};
    const char *path = table_path(argc, argv);
    const unsigned threads = parallel_threads(0);
    bench_table t;
    table_begin(&t, stdout, "Look-ups by precision, p_error and two-norm", columns, sizeof columns / sizeof *columns);
    for (unsigned bits = 1; bits <= MOST_BITS; bits++)
        for (size_t e = 0; e < 3; e++)
            for (size_t i = 0; i < 2; i++) row(&t, bits, log2_error[e], norm[i], threads);
    table_end(&t, path);
    return 0;
}
