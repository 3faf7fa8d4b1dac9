/* SPDX-License-Identifier: Apache-2.0 */
/* One blind rotation in a batch on one core against 4*n complex transforms of size 1024 by FFTW (double, out of place,
 * FFTW_PATIENT), interleaved. FFTW's planner measures, and finds plans of different speed from one time to the next: a
 * ratio of medians for each of several plans; prints the median of these. */
#include "rotation.h"

#include <fftw3.h>

#define PLANS 5u
#define ROUNDS 15u
#define SIZE 1024

/* Against a plan made anew. */
static double ratio(rotations *r, fftw_complex *x, fftw_complex *y)
{
    double ours[ROUNDS], theirs[ROUNDS];
    fftw_cleanup(); /* what it knows of the plan before */
    const fftw_plan plan = fftw_plan_dft_1d(SIZE, x, y, FFTW_FORWARD, FFTW_PATIENT);
    for (size_t i = 0; i < SIZE; i++) x[i][0] = (double)i, x[i][1] = 1;
    for (size_t i = 0; i < ROUNDS; i++) {
        ours[i] = rotation_seconds(r);
        const double start = bench_cpu_seconds();
        for (size_t t = 0; t < (size_t)4 * r->params.n; t++) fftw_execute(plan);
        theirs[i] = bench_cpu_seconds() - start;
    }
    fftw_destroy_plan(plan);
    const double a = bench_median(ours, ROUNDS), b = bench_median(theirs, ROUNDS);
    fprintf(stderr,
            "one blind rotation in batches of %zu %.2f ms, %u transforms by FFTW %.2f ms (medians of %u): %.3f\n",
            r->count, 1e3 * a, 4 * r->params.n, 1e3 * b, ROUNDS, a / b);
    return a / b;
}

int main(void)
{
    const tfhe_params p = bench_standard();
    rotations r;
    double ratios[PLANS];
    rotation_create(&p, 1, rotation_batch(&p, 1), &r);
    fftw_complex *x = fftw_alloc_complex(SIZE), *y = fftw_alloc_complex(SIZE);
    for (size_t i = 0; i < PLANS; i++) ratios[i] = ratio(&r, x, y);
    printf("%.3f\n", bench_median(ratios, PLANS));
    fprintf(stderr, "of %u plans %.3f to %.3f\n", PLANS, ratios[0], ratios[PLANS - 1]);
    fftw_free(x), fftw_free(y);
    rotation_destroy(&r);
    return 0;
}
