/* SPDX-License-Identifier: Apache-2.0 */
/* Share of the processor's multiply-add peak, at the widest instruction set that the kernels use, that blind rotation
 * in batches reaches on one core (flops counted as external_product_flops says), measured in turns; prints the ratio
 * of the medians. */
#include "peak.h"
#include "rotation.h"

#define ROUNDS 31u

int main(void)
{
    const tfhe_params p = bench_standard();
    const cpu_level level = cpu_level_get();
    const double flops = p.n * external_product_flops(&p);
    rotations r;
    rotation_create(&p, 1, rotation_batch(&p, 1), &r);
    double rate[ROUNDS], peak[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        rate[i] = flops / rotation_seconds(&r);
        peak[i] = peak_flops(level, 1, CLOCK_THREAD_CPUTIME_ID, 0.03);
    }
    const double a = bench_median(rate, ROUNDS), b = bench_median(peak, ROUNDS);
    fprintf(stderr, "blind rotation %.1f Gflop/s of %.1f (%s multiply-adds; medians of %u)\n", 1e-9 * a, 1e-9 * b,
            cpu_level_name(level), ROUNDS);
    printf("%.3f\n", a / b);
    rotation_destroy(&r);
    return 0;
}
