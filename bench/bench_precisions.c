/* SPDX-License-Identifier: Apache-2.0 */
/* bench_precisions [--json FILE]: keyswitch and bootstrap of padded look-ups for each precision, p_error and two-norm
 * at the parameters that the search finds: one ciphertext alone on one core, batches on all cores. */
#include "base/parallel.h"
#include "lookups.h"
#include "peak.h"
#include "table.h"

#define MOST_BITS 8u
#define MOST_ROUNDS 5u
#define ALONE 0.3 /* seconds for one ciphertext alone, at least one run */
#define BATCH 0.8 /* seconds for batches, at least one run */
#define ROUND 2.5 /* seconds of one batch run at most */

static const table_column columns[] = {
    {"bits", "bits", 4, 0},
    {"log2_p_error", "log2 p", 7, 2},
    {"two_norm", "norm", 4, 0},
    {"parameters", "n, k x N, l x log2 Bg, keyswitch, EF (price)", 41, TABLE_TEXT},
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

static double alone(lookups *l)
{
    double time[MOST_ROUNDS], total = 0;
    size_t rounds = 0;
    do total += time[rounds++] = lookups_seconds(l, 1, 1);
    while (rounds < MOST_ROUNDS && total < ALONE);
    return bench_median(time, rounds);
}

/* Seconds a look-up on all cores, and the share of the processor's peak, measured in turns, that its arithmetic is. */
static double together(lookups *l, size_t count, unsigned threads, double *share)
{
    const tfhe_params *p = &l->chosen.families.of[0];
    double time[MOST_ROUNDS], peak[MOST_ROUNDS], total = 0;
    size_t rounds = 0;
    do {
        time[rounds] = lookups_seconds(l, count, threads) / (double)count;
        peak[rounds] = peak_flops(cpu_level_get(), threads, CLOCK_MONOTONIC, 0.02);
        total += time[rounds++] * (double)count;
    } while (rounds < MOST_ROUNDS && total < BATCH);
    const double seconds = bench_median(time, rounds);
    *share = (double)tfhe_steps(p) * l->e.products * external_product_flops(p) / seconds / bench_median(peak, rounds);
    return seconds;
}

static void row(const bench_table *t, unsigned bits, double log2_error, double two_norm, unsigned threads)
{
    const optimizer_result chosen = lookups_search(bits, two_norm, log2_error);
    const tfhe_params *p = &chosen.families.of[0];
    lookups l;
    char set[64], parameters[96];
    double share;
    lookups_create(&chosen, bits, 64, &l);
    (void)lookups_seconds(&l, 1, 1);
    const double one = alone(&l);
    size_t count = (size_t)(ROUND * threads / one);
    if (count < threads) count = threads;
    if (count > l.room) count = l.room;
    const double each = together(&l, count, threads, &share);
    bench_params_text(p, set);
    (void)snprintf(parameters, sizeof parameters, "%s, %u (%u)", set, l.e.EF, l.e.price);
    const double keys = 1e-6 * (double)(tfhe_bsk_memory_bytes(p) + tfhe_ksk_memory_bytes(p));
    table_row(t, (double)bits, log2_error, two_norm, parameters, 1e3 * one, 1e3 * chosen.seconds, 1 / each, share, keys,
              1e-6 * bench_key_bytes(p, l.e.EF, count, threads), log2(lookups_check(&l, count)),
              log2(noise_blind_rotate(p)) / 2, (double)count);
    lookups_destroy(&l);
}

int main(int argc, char **argv)
{
    static const double log2_error[] = {-6.643856, -40, -128}, norm[] = {1, 16};
    const char *path = table_path(argc, argv);
    const unsigned threads = parallel_threads(0);
    bench_table t;
    table_begin(&t, stdout, "Keyswitch and bootstrap by precision, p_error and two-norm", columns,
                sizeof columns / sizeof *columns);
    for (unsigned bits = 1; bits <= MOST_BITS; bits++)
        for (size_t e = 0; e < 3; e++)
            for (size_t i = 0; i < 2; i++) row(&t, bits, log2_error[e], norm[i], threads);
    table_end(&t, path);
    return 0;
}
