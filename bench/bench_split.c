/* SPDX-License-Identifier: Apache-2.0 */
/* Keyswitch and bootstrap of fewer look-ups than a number of threads divides, on two threads against one, interleaved,
 * by the clock: one at EF = 16, whose rotation both threads share, and three at EF = 4, of which they share the last.
 * Prints the ratio of the medians of the first. As for bench_threads, the gain of a loop of multiply-adds is printed
 * beside. */
#include "peak.h"

#include "bench.h"

#define ROUNDS 7u

static double gain(const bench_keys *keys, uint32_t EF, size_t count, double *peak_gain)
{
    lut *table = bench_lut(keys->secret->params.N, EF);
    bench_batch batch;
    bench_batch_create(keys, table, NULL, count, &batch);
    double time[3][ROUNDS], peak[3][ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        for (unsigned threads = 1; threads <= 2; threads++) {
            const double start = bench_seconds();
            (void)bench_bootstrap(keys->eval, batch.jobs, count, threads);
            time[threads][i] = bench_seconds() - start;
            bench_check(keys, &batch);
            peak[threads][i] = peak_flops(cpu_level_get(), threads, CLOCK_MONOTONIC, 0.03);
        }
    const double one = bench_median(time[1], ROUNDS), two = bench_median(time[2], ROUNDS);
    *peak_gain = bench_median(peak[2], ROUNDS) / bench_median(peak[1], ROUNDS);
    fprintf(stderr, "%zu at EF = %u: one thread %.1f ms, two %.1f ms, gain %.3f; multiply-adds alone %.3f\n", count, EF,
            1e3 * one, 1e3 * two, one / two, *peak_gain);
    bench_batch_destroy(&batch);
    lut_destroy(table);
    return one / two;
}

int main(void)
{
    const tfhe_params p = bench_standard();
    bench_keys keys;
    double peak;
    bench_keys_create(&p, &keys);
    const double alone = gain(&keys, 16, 1, &peak);
    (void)gain(&keys, 4, 3, &peak);
    printf("%.3f\n", alone);
    bench_keys_destroy(&keys);
    return 0;
}
