/* SPDX-License-Identifier: Apache-2.0 */
/* bench_split_lookups [--json FILE]: look-ups of 5 to 10 bits, whole and split, each at the parameters that the search
 * finds for the failure probability and two-norm, in turns in batches on one core. */
#include "split_lookups.h"
#include "table.h"

#define ROUNDS 7u
#define BATCH 0.5   /* seconds of a round of one side, at least one look-up */
#define SAMPLES 96u /* outputs for the noise */

static const struct {
    const char *name;
    double log2_p, two_norm;
} requests[] = {{"2^-40, 16", -40, 16}, {"2^-128, 9", -128, 9}, {"2^-128, 17", -128, 17}};

static const table_column columns[] = {
    {"bits", "bits", 4, 0},
    {"request", "p_error, two-norm", 17, TABLE_TEXT},
    {"whole_model_ms", "whole: model ms", 15, 2},
    {"whole_ms", "ms", 6, 2},
    {"low", "split: low family", 28, TABLE_TEXT},
    {"high", "high family, EF (price)", 34, TABLE_TEXT},
    {"low_bits", "low bits", 8, 0},
    {"model_ms", "model ms", 8, 2},
    {"ms", "ms", 6, 2},
    {"ratio", "ratio", 6, 3},
    {"key_mb", "key MB", 6, 0},
    {"noise_log2", "noise", 7, 2},
    {"noise_predicted_log2", "formula", 7, 2},
};

static size_t batch_of(double one)
{
    const size_t most = (size_t)(BATCH / one);
    return most < 1 ? 1 : least(most, KEYSWITCH_GROUP);
}

/* Median milliseconds of both, in turns; whole NULL: there is none. */
static void measure(lookups *whole, const split_lookups *split, double *whole_ms, double *split_ms)
{
    double a[ROUNDS], b[ROUNDS];
    const size_t splits = batch_of(split_lookups_seconds(split, 1, 1));
    const size_t wholes = whole == NULL ? 0 : batch_of(lookups_seconds(whole, 1, 1));
    for (size_t round = 0; round < ROUNDS; round++) {
        b[round] = 1e3 * split_lookups_seconds(split, splits, 1) / (double)splits;
        if (whole != NULL) a[round] = 1e3 * lookups_seconds(whole, wholes, 1) / (double)wholes;
    }
    *split_ms = bench_median(b, ROUNDS);
    *whole_ms = whole == NULL ? NAN : bench_median(a, ROUNDS);
    if (whole != NULL) (void)lookups_check(whole, wholes);
}

static void run(const bench_table *out, unsigned bits, size_t request)
{
    const double log2_p = requests[request].log2_p, norm = requests[request].two_norm;
    optimizer_result found;
    const int is_whole = lookups_try(bits, norm, log2_p, 0, &found) == ANNULUS_OK;
    const split_choice c = split_lookups_search(bits, norm, log2_p);
    lookups whole;
    split_lookups split;
    char low[64], set[64], high[96];
    double whole_ms, split_ms;
    if (is_whole) lookups_create(&found, bits, KEYSWITCH_GROUP, &whole);
    split_lookups_create(&c, bits, SAMPLES, &split);
    measure(is_whole ? &whole : NULL, &split, &whole_ms, &split_ms);
    (void)split_lookups_seconds(&split, SAMPLES, 0);
    bench_params_text(&c.low, low);
    bench_params_text(&c.high, set);
    (void)snprintf(high, sizeof high, "%s, %u (%u)", set, c.EF, c.price);
    table_row(out, (double)bits, requests[request].name, is_whole ? 1e3 * found.seconds : NAN, whole_ms, low, high,
              (double)c.low_bits, 1e3 * c.seconds, split_ms, split_ms / whole_ms,
              bench_key_megabytes(&c.low) + bench_key_megabytes(&c.high), /* the merging key is some more */

              log2(split_lookups_check(&split, SAMPLES)), log2(split_lookups_noise(&split)));
    split_lookups_destroy(&split);
    if (is_whole) lookups_destroy(&whole);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    bench_table out;
    table_begin(&out, stdout, "Whole and split look-ups", columns, sizeof columns / sizeof *columns);
    for (unsigned bits = 5; bits <= 10; bits++)
        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) run(&out, bits, i);
    table_end(&out, path);
    return 0;
}
