/* SPDX-License-Identifier: Apache-2.0 */
/* A step of the blind rotation at k=3, N=512, l=1 against one at k=1, N=2048, l=1, in batches on one core, interleaved;
 * prints the ratio of the medians. */
#include "rotation.h"

#define ROUNDS 31u

int main(void)
{
    const tfhe_params large = bench_standard();
    const tfhe_params small = bench_secure((tfhe_params){
        .n = 600, .k = 3, .N = 512, .pbs_l = 1, .pbs_lb = 1, .pbs_bg = 18, .pbs_group = 1, .ks_l = 3, .ks_b = 3});
    rotations r, s;
    rotation_create(&large, 1, rotation_batch(&large, 1), &r);
    rotation_create(&small, 1, rotation_batch(&small, 1), &s);
    double a[ROUNDS], b[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        a[i] = rotation_seconds(&s) / small.n;
        b[i] = rotation_seconds(&r) / large.n;
    }
    const double ours = bench_median(a, ROUNDS), standard = bench_median(b, ROUNDS);
    fprintf(stderr, "a step: k=3 N=512 %.3f us, k=1 N=2048 %.3f us (medians of %u, batches of %zu and %zu)\n",
            1e6 * ours, 1e6 * standard, ROUNDS, s.count, r.count);
    printf("%.3f\n", ours / standard);
    rotation_destroy(&r);
    rotation_destroy(&s);
    return 0;
}
