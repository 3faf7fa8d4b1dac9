/* SPDX-License-Identifier: Apache-2.0 */
/* Keyswitch and bootstrap of a batch of 64 on two threads against one, interleaved, by the clock; prints the ratio of
 * the medians. Where two processors of the system are one core's, a loop of multiply-adds gains little by the second as
 * well: its gain is printed beside. */
#include "peak.h"

#include "bench.h"

#define ROUNDS 15u
#define COUNT 64u

int main(void)
{
    const tfhe_params p = bench_standard();
    const cpu_level level = cpu_level_get();
    bench_keys keys;
    bench_batch batch;
    bench_keys_create(&p, &keys);
    lut *table = bench_lut(p.N, 1);
    bench_batch_create(&keys, table, NULL, COUNT, &batch);
    double time[3][ROUNDS], peak[3][ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++)
        for (unsigned threads = 1; threads <= 2; threads++) {
            const double start = bench_seconds();
            (void)bench_bootstrap(keys.eval, batch.jobs, COUNT, threads);
            time[threads][i] = bench_seconds() - start;
            bench_check(&keys, &batch);
            peak[threads][i] = peak_flops(level, threads, CLOCK_MONOTONIC, 0.03);
        }
    const double one = bench_median(time[1], ROUNDS), two = bench_median(time[2], ROUNDS);
    fprintf(stderr, "batch of %u: one thread %.1f ms, two %.1f ms; multiply-adds alone gain %.3f (medians of %u)\n",
            COUNT, 1e3 * one, 1e3 * two, bench_median(peak[2], ROUNDS) / bench_median(peak[1], ROUNDS), ROUNDS);
    printf("%.3f\n", one / two);
    bench_batch_destroy(&batch);
    lut_destroy(table);
    bench_keys_destroy(&keys);
    return 0;
}
