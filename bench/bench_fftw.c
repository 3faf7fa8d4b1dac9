/* SPDX-License-Identifier: Apache-2.0 */
/* One blind rotation in a batch on one core against 4*n complex transforms of size 1024 by FFTW (double, out of place,
 * FFTW_PATIENT), interleaved; prints the ratio of the medians. */
#include "rotation.h"

#include <fftw3.h>

#define ROUNDS 31u

int main(void)
{
    const tfhe_params p = bench_standard();
    rotations r;
    rotation_create(&p, 1, rotation_batch(&p, 1), &r);
    fftw_complex *x = fftw_alloc_complex(1024), *y = fftw_alloc_complex(1024);
    const fftw_plan plan = fftw_plan_dft_1d(1024, x, y, FFTW_FORWARD, FFTW_PATIENT);
    for (size_t i = 0; i < 1024; i++) x[i][0] = (double)i, x[i][1] = 1;
    double ours[ROUNDS], theirs[ROUNDS];
    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = rotation_seconds(&r);
        const double start = bench_cpu_seconds();
        for (size_t t = 0; t < (size_t)4 * p.n; t++) fftw_execute(plan);
        theirs[i] = bench_cpu_seconds() - start;
    }
    const double a = bench_median(ours, ROUNDS), b = bench_median(theirs, ROUNDS);
    fprintf(stderr, "one blind rotation in batches of %zu %.2f ms, %u transforms by FFTW %.2f ms (medians of %u)\n",
            r.count, 1e3 * a, 4 * p.n, 1e3 * b, ROUNDS);
    printf("%.3f\n", a / b);
    fftw_destroy_plan(plan);
    fftw_free(x), fftw_free(y);
    rotation_destroy(&r);
    return 0;
}
