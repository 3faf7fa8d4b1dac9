/* SPDX-License-Identifier: Apache-2.0 */
/* Every FFT and matrix kernel of NEON against the reference, then look-ups (neon_bootstrap.c). */
#include "math/fft.h"
#include "math/fft_priv.h"
#include "math/matrix_priv.h"
#include "neon.h"
#include "testing_random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void must(annulus_status st)
{
    if (st == ANNULUS_OK) return;
    fprintf(stderr, "%s\n", annulus_error_message());
    exit(1);
}

void *array(size_t count)
{
    void *p;
    must(mem_create(count, 8, "test", &p));
    return p;
}

static double worst_difference(const uint64_t *a, const uint64_t *b, size_t n)
{
    double worst = 0;
    for (size_t j = 0; j < n; j++) worst = fmax(worst, fabs((double)(int64_t)(a[j] - b[j]) * 0x1p-64));
    return worst;
}

void expect(const char *what, size_t N, double worst, double bound)
{
    if (worst <= bound) return;
    fprintf(stderr, "%s at N = %zu: %g apart, %g allowed\n", what, N, worst, bound);
    exit(1);
}

/* Of each N made once: their roots of unity take the emulator longer than all products. */
typedef struct plans {
    size_t N;
    fft_plan *ref, *neon;
} plans;

/* out <- q + the digits of X^a p - q times the matrix of `key`; l rows and one column. */
static void step(const fft_plan *plan, size_t N, const fft_gadget *g, uint32_t a, const uint64_t *p, const uint64_t *q,
                 const uint64_t *key, uint64_t *out)
{
    double *digits = array(fft_digits_words(N, g));
    fourier entry = {array(fft_words(N))};
    double *matrix = array(fft_matrix_words(N, g->l, 1));
    for (unsigned j = 0; j < g->l; j++) {
        fft_forward_torus(plan, entry, key + j * N);
        fft_matrix_pack(plan, matrix, g, j, 0, entry);
    }
    memcpy(out, q, fft_accumulator_words(N, g) * sizeof *out);
    fft_digits_take(plan, g, digits, p, a, q);
    fft_digits_apply(plan, g, digits, 1, &out, matrix, NULL);
    mem_free(entry.v), mem_free(matrix), mem_free(digits);
}

/* Coefficients of a narrow polynomial in place of it, whose last words are the first again. */
static void widen(size_t N, uint64_t *p)
{
    expect("last words", N, memcmp(p, p + N / 2, FFT_NARROW_PAD * sizeof *p) != 0, 0);
    for (size_t j = N / 2; j-- > 0;) p[j + N / 2] = fft_narrow_word(N, p, j + N / 2), p[j] = fft_narrow_word(N, p, j);
}

static void test_steps(const plans *of, unsigned most_l, unsigned rounds, int narrow, uint64_t *seed)
{
    const size_t N = of->N;
    uint64_t *p = array(N), *q = array(N), *key = array(4 * N), *want = array(N), *got = array(N);
    for (unsigned l = 1; l <= most_l; l++)
        for (unsigned round = 0; round < rounds; round++) {
            const fft_gadget g = {.columns = 1, .bg = l == 1 ? 23 : narrow ? 9 : 12, .l = l, .lb = l, .narrow = narrow};
            if (narrow && !fft_narrow_fits(N, &g, 0)) continue;
            const uint32_t edges[3] = {(uint32_t)N, 1, (uint32_t)(2 * N - 1)};
            const uint32_t a = round < 3 ? edges[round] : (uint32_t)(test_random(seed) % (2 * N));
            for (size_t j = 0; j < N; j++) p[j] = test_random(seed), q[j] = test_random(seed);
            for (size_t j = 0; j < l * N; j++) key[j] = test_random(seed);
            if (narrow) fft_narrow_close(N, p), fft_narrow_close(N, q);
            step(of->ref, N, &g, a, p, q, key, want);
            step(of->neon, N, &g, a, p, q, key, got);
            if (narrow) widen(N, want), widen(N, got);
            expect(narrow ? "narrow step" : "step", N, worst_difference(want, got, N),
                   sqrt((double)(l * N)) * ldexp(1.0, (int)g.bg - 47) / 12 + 0x1p-50 + (narrow ? 0x1p-32 : 0));
        }
    mem_free(p), mem_free(q), mem_free(key), mem_free(want), mem_free(got);
}

/* out <- q + the digits of q times the combination of the bundle of `key`; l rows and one column. */
static void bundle_step(const fft_plan *plan, size_t N, unsigned l, int narrow, size_t members, const uint32_t *e,
                        const uint64_t *q, const uint64_t *key, uint64_t *out)
{
    const fft_gadget g = {.columns = 1, .bg = 12, .l = l, .lb = l, .narrow = narrow};
    double *digits = array(fft_digits_words(N, &g)), *bundle = array(members * fft_matrix_words(N, l, 1));
    fourier entry = {array(fft_words(N))};
    for (size_t i = 0; i < members * l; i++) {
        fft_forward_torus(plan, entry, key + i * N);
        fft_bundle_pack(plan, bundle, members, &g, i / l, i % l, 0, entry);
    }
    memcpy(out, q, fft_accumulator_words(N, &g) * sizeof *out);
    fft_digits_take(plan, &g, digits, out, 0, NULL);
    fft_bundle_apply(plan, &g, digits, 1, &out, bundle, members, &e, 0);
    mem_free(entry.v), mem_free(bundle), mem_free(digits);
}

static void test_bundles(const plans *of, int narrow, uint64_t *seed)
{
    const size_t N = of->N;
    uint64_t *q = array(N), *key = array(14 * N), *want = array(N), *got = array(N);
    for (size_t members = 3; members <= 7; members += 4)
        for (unsigned l = 1; l <= 2; l++) {
            uint32_t e[FFT_BUNDLE_MOST];
            for (size_t j = 0; j < members; j++) e[j] = (uint32_t)(test_random(seed) % (2 * N));
            for (size_t j = 0; j < N; j++) q[j] = test_random(seed);
            for (size_t j = 0; j < members * l * N; j++) key[j] = test_random(seed);
            if (narrow) fft_narrow_close(N, q);
            bundle_step(of->ref, N, l, narrow, members, e, q, key, want);
            bundle_step(of->neon, N, l, narrow, members, e, q, key, got);
            if (narrow) widen(N, want), widen(N, got);
            expect(narrow ? "narrow bundle" : "bundle", N, worst_difference(want, got, N),
                   sqrt((double)(2 * members * l * N)) * 0x1p-35 / 12 + 0x1p-50 + (narrow ? 0x1p-32 : 0));
        }
    mem_free(q), mem_free(key), mem_free(want), mem_free(got);
}

static void test_round_trip(const plans *of, uint64_t *seed)
{
    const size_t N = of->N;
    uint64_t *a = array(N), *b = array(N);
    const fourier x = {array(fft_words(N))};
    for (size_t j = 0; j < N; j++) a[j] = test_random(seed);
    fft_forward_torus(of->neon, x, a);
    fft_inverse_add_torus(of->neon, b, x);
    expect("round trip", N, worst_difference(a, b, N), 0x1p-48);
    mem_free(a), mem_free(b), mem_free(x.v);
}

static void test_transforms(size_t N, uint64_t *seed)
{
    plans of = {.N = N};
    must(fft_plan_create_with(N, &fft_kernels_ref, &of.ref));
    must(fft_plan_create_with(N, &fft_kernels_neon, &of.neon));
    test_round_trip(&of, seed);
    for (int narrow = 0; narrow <= 1; narrow++) {
        test_steps(&of, N <= 4096 ? 3 : 2, N <= 4096 ? 6 : 1, narrow, seed);
        if (N <= 16384) test_bundles(&of, narrow, seed);
    }
    fft_plan_destroy(of.ref);
    fft_plan_destroy(of.neon);
}

static void test_matrices(uint64_t *seed)
{
    enum { B = 5, R = 37, W = 41 };
    const matrix_kernels *neon = matrix_kernels_for(CPU_NEON);
    matrix_u32 *K;
    int32_t weights[B * R];
    int16_t digits[B][R + 1];
    uint32_t row[W], y32[2][B * W] = {{0}};
    uint64_t words[R * W], y64[2][B * W] = {{0}};
    const uint64_t *rows[R];
    must(matrix_u32_create(R, W, R + 1, &K));
    for (size_t r = 0; r < R; r++) {
        for (size_t w = 0; w < W; w++) words[r * W + w] = test_random(seed), row[w] = (uint32_t)words[r * W + w];
        matrix_u32_set(K, r, row);
        rows[r] = words + r * W;
        for (size_t b = 0; b < B; b++) digits[b][r] = (int16_t)((int)(test_random(seed) % 33) - 16);
    }
    for (size_t b = 0; b < B; b++) digits[b][R] = 1;
    matrix_kernels_ref.mul_sub_u32(y32[0], W, digits[0], R + 1, B, K->v, (R + 1) / 2, W);
    neon->mul_sub_u32(y32[1], W, digits[0], R + 1, B, K->v, (R + 1) / 2, W);
    expect("keyswitch product", R, memcmp(y32[0], y32[1], sizeof *y32) != 0, 0);
    for (unsigned shift = 32; shift <= 56; shift += 8) {
        for (size_t i = 0; i < B * R; i++) weights[i] = (int32_t)((int64_t)test_random(seed) >> shift);
        const unsigned limbs = matrix_weight_limbs(weights, B * R);
        matrix_kernels_ref.mul_add_u64(y64[0], W, weights, R, B, R, limbs, rows, 0, W);
        neon->mul_add_u64(y64[1], W, weights, R, B, R, limbs, rows, 0, W);
        expect("linear product", R, memcmp(y64[0], y64[1], sizeof *y64) != 0, 0);
    }
    matrix_u32_destroy(K);
}

/* --noise KEYS: only the noise of the transform, for docs/performance.md. */
int main(int argc, char **argv)
{
    uint64_t seed = 11;
    if (fft_kernels_for(CPU_NEON) == &fft_kernels_ref || matrix_kernels_for(CPU_NEON) == &matrix_kernels_ref) {
        fprintf(stderr, "this build has no NEON kernels\n");
        return 1;
    }
    if (argc == 3 && strcmp(argv[1], "--noise") == 0) {
        print_transform_noise((unsigned)strtoul(argv[2], NULL, 10));
        return 0;
    }
    for (size_t N = FFT_MIN_N; N <= FFT_MAX_N; N *= 2) test_transforms(N, &seed);
    test_matrices(&seed);
    for (uint32_t bg = 10; bg <= 16; bg += 6) { /* narrow accumulators and others */
        test_look_ups(1, 512, bg, 1, 1);
        test_look_ups(2, 256, bg, 3, 1);
        test_look_ups(1, 256, bg, 1, 4);
    }
    puts("NEON kernels and look-ups agree with the reference");
    return 0;
}
