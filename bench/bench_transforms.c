/* SPDX-License-Identifier: Apache-2.0 */
/* bench_transforms [--json FILE]: the negacyclic transforms of N coefficients as a step of the blind rotation takes
 * them, on one core, beside FFTW's complex FFT of size N/2 (double, out of place, FFTW_PATIENT for at most 5 s);
 * interleaved medians. Forward: with rotation, difference and digit. Inverse: with the product by one polynomial of the
 * key and the addition to an accumulator, as the difference of a whole step of one polynomial and its forward part. */
#include "bench.h"
#include "math/fft.h"
#include "table.h"

#include <fftw3.h>

#define ROUNDS 15u
#define EACH 2e-3 /* seconds of one measurement */

static const table_column columns[] = {
    {"N", "N", 6, 0},
    {"forward_us", "forward us", 11, 3},
    {"inverse_us", "inverse us", 11, 3},
    {"fftw_us", "FFTW us", 10, 3},
    {"forward_ratio", "forward/FFTW", 13, 2},
    {"inverse_ratio", "inverse/FFTW", 13, 2},
    {"forward_gflops", "fwd Gflop/s", 12, 1},
    {"inverse_gflops", "inv Gflop/s", 12, 1},
};

static const fft_gadget gadget = {.columns = 1, .bg = 23, .l = 1, .lb = 1};

typedef struct transform {
    size_t N;
    fft_plan *plan;
    uint64_t *from, *to;                /* accumulators */
    double *spectrum, *digits, *matrix; /* matrix: of a key, one polynomial */
    fftw_complex *x, *y;
    fftw_plan theirs;
} transform;

static void *aligned(size_t count)
{
    void *p;
    must(mem_create(count, 8, "vector", &p));
    return p;
}

static void transform_create(size_t N, transform *t)
{
    *t = (transform){.N = N,
                     .from = aligned(N),
                     .to = aligned(N),
                     .spectrum = aligned(fft_words(N)),
                     .digits = aligned(fft_digits_words(N, &gadget)),
                     .matrix = aligned(fft_matrix_words(N, 1, 1))};
    must(fft_plan_create(N, &t->plan));
    for (size_t i = 0; i < N; i++) t->from[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    fft_forward_torus(t->plan, (fourier){t->spectrum}, t->from);
    fft_matrix_pack(t->plan, t->matrix, &gadget, 0, 0, (fourier){t->spectrum});
    t->x = fftw_alloc_complex(N / 2), t->y = fftw_alloc_complex(N / 2);
    t->theirs = fftw_plan_dft_1d((int)(N / 2), t->x, t->y, FFTW_FORWARD, FFTW_PATIENT);
    for (size_t i = 0; i < N / 2; i++) t->x[i][0] = (double)i, t->x[i][1] = 1;
}

static void transform_destroy(transform *t)
{
    fft_plan_destroy(t->plan);
    fftw_destroy_plan(t->theirs);
    fftw_free(t->x), fftw_free(t->y);
    mem_free(t->from), mem_free(t->to), mem_free(t->spectrum), mem_free(t->digits), mem_free(t->matrix);
}

enum { FORWARD, STEP, THEIRS, KINDS };

static double seconds_each(transform *t, int kind, size_t count)
{
    const double start = bench_cpu_seconds();
    for (size_t i = 0; i < count; i++) {
        const uint32_t a = (uint32_t)(97 * i % (2 * t->N));
        if (kind == FORWARD)
            fft_decompose(t->plan, t->spectrum, t->from, a, t->from, gadget.bg, 1);
        else if (kind == THEIRS)
            fftw_execute(t->theirs);
        else {
            fft_digits_take(t->plan, &gadget, t->digits, t->from, a, t->to);
            fft_digits_apply(t->plan, &gadget, t->digits, 1, &t->to, t->matrix, NULL);
        }
    }
    return (bench_cpu_seconds() - start) / (double)count;
}

static void row(const bench_table *out, size_t N)
{
    transform t;
    double time[KINDS][ROUNDS], us[KINDS];
    size_t count[KINDS];
    transform_create(N, &t);
    for (int kind = 0; kind < KINDS; kind++) {
        (void)seconds_each(&t, kind, 10);
        count[kind] = (size_t)(EACH / seconds_each(&t, kind, 20)) + 1;
    }
    for (size_t i = 0; i < ROUNDS; i++)
        for (int kind = 0; kind < KINDS; kind++) time[kind][i] = seconds_each(&t, kind, count[kind]);
    for (int kind = 0; kind < KINDS; kind++) us[kind] = 1e6 * bench_median(time[kind], ROUNDS);
    const double M = (double)N / 2, inverse = us[STEP] - us[FORWARD];
    table_row(out, (double)N, us[FORWARD], inverse, us[THEIRS], us[FORWARD] / us[THEIRS], inverse / us[THEIRS],
              5e-3 * M * log2(M) / us[FORWARD], (5 * M * log2(M) + 8 * M) * 1e-3 / inverse);
    transform_destroy(&t);
}

int main(int argc, char **argv)
{
    const char *path = table_path(argc, argv);
    bench_table t;
    fftw_set_timelimit(5);
    table_begin(&t, stdout, "Transforms of N coefficients, one core", columns, sizeof columns / sizeof *columns);
    for (size_t N = FFT_MIN_N; N <= FFT_MAX_N; N *= 2) row(&t, N);
    table_end(&t, path);
    return 0;
}
