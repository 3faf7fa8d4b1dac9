/* SPDX-License-Identifier: Apache-2.0 */
/* One bootstrap (keyswitch included) on one core against 4*n complex transforms of size 1024 by FFTW, interleaved;
 * prints the ratio of the medians. */
#include "bench.h"

#include <fftw3.h>

#define ROUNDS 31u

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    const tfhe_params p = {
        .n = 918, .k = 1, .N = 2048, .pbs_l = 1, .pbs_bg = 23, .ks_l = 4, .ks_b = 4, .lwe_noise = 13, .glwe_noise = 17};
    bench_keys keys;
    lut *table;
    uint64_t entries[16], message[1] = {lut_encode(16, 5)};
    const uint32_t offsets[1] = {0};
    for (uint32_t c = 0; c < 16; c++) entries[c] = lut_encode(16, c);
    bench_keys_create(&p, &keys);
    must(lut_create_padded(p.N, 1, entries, 16, 0, &table));
    uint64_t *in = bench_encrypt(&keys, message, 1), *out = room(lwe_words(&p), 8);
    const bootstrap_job job = {in, table, out};
    fftw_complex *x = fftw_alloc_complex(1024), *y = fftw_alloc_complex(1024);
    const fftw_plan plan = fftw_plan_dft_1d(1024, x, y, FFTW_FORWARD, FFTW_PATIENT);
    for (size_t i = 0; i < 1024; i++) x[i][0] = (double)i, x[i][1] = 1;
    double ours[ROUNDS], theirs[ROUNDS];
    for (size_t r = 0; r < ROUNDS; r++) {
        double start = bench_seconds();
        must(bootstrap_batch(keys.eval, &job, 1, offsets, 1, 1));
        ours[r] = bench_seconds() - start;
        start = bench_seconds();
        for (size_t i = 0; i < (size_t)4 * p.n; i++) fftw_execute(plan);
        theirs[r] = bench_seconds() - start;
    }
    qsort(ours, ROUNDS, sizeof *ours, ascending);
    qsort(theirs, ROUNDS, sizeof *theirs, ascending);
    fprintf(stderr, "one bootstrap %.2f ms, %u transforms by FFTW %.2f ms (medians of %u)\n", 1e3 * ours[ROUNDS / 2],
            4 * p.n, 1e3 * theirs[ROUNDS / 2], ROUNDS);
    printf("%.3f\n", ours[ROUNDS / 2] / theirs[ROUNDS / 2]);
    fftw_destroy_plan(plan);
    fftw_free(x), fftw_free(y), free(in), free(out);
    lut_destroy(table);
    bench_keys_destroy(&keys);
    return 0;
}
