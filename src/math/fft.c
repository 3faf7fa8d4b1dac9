/* SPDX-License-Identifier: Apache-2.0 */
#include "math/fft.h"

#include "math/fft_priv.h"
#include <math.h>
#include <string.h>

#define LIMB_BITS 22u /* N * 2^22 <= 2^38: exact in double precision after rounding */

const fft_kernels *fft_kernels_for(cpu_level level)
{
    switch (level) {
#if !defined(ANNULUS_PORTABLE) && defined(__x86_64__)
    case CPU_AVX512:
        return &fft_kernels_avx512;
    case CPU_AVX2:
        return &fft_kernels_avx2;
#endif
#if !defined(ANNULUS_PORTABLE) && defined(__aarch64__)
    case CPU_NEON:
        return &fft_kernels_neon;
#endif
    default:
        return &fft_kernels_ref;
    }
}

annulus_status fft_plan_create_at(size_t N, cpu_level level, fft_plan **out)
{
    if (N < FFT_MIN_N || N > FFT_MAX_N || (N & (N - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT, "ring degree N = %zu: must be a power of two from %u to %u", N, FFT_MIN_N,
                    FFT_MAX_N);
    const fft_kernels *kernels = fft_kernels_for(level);
    void *p;
    TRY(mem_create(1, ROUND_UP(sizeof(fft_plan)) + kernels->tables_words(N / 2) * sizeof(double), "FFT plan", &p));
    fft_plan *plan = p;
    *plan = (fft_plan){.N = N, .M = N / 2, .kernels = kernels};
    plan->forward_scalars = (double *)(void *)((unsigned char *)p + ROUND_UP(sizeof(fft_plan)));
    kernels->tables_fill(plan);
    *out = plan;
    return ANNULUS_OK;
}

annulus_status fft_plan_create(size_t N, fft_plan **out)
{
    return fft_plan_create_at(N, cpu_level_get(), out);
}

void fft_plan_destroy(fft_plan *plan)
{
    mem_free(plan);
}

size_t fft_plan_N(const fft_plan *plan)
{
    return plan->N;
}

size_t fft_words(size_t N)
{
    return N;
}

static void forward_scaled(const fft_plan *plan, fourier out, const int64_t *c, double scale)
{
    const fft_kernels *kernels = plan->kernels;
    for (size_t j = 0; j < plan->M; j++) {
        double *point = out.v + fft_at(kernels, j);
        point[0] = (double)c[j] * scale;
        point[kernels->lanes] = (double)c[j + plan->M] * scale;
    }
    kernels->forward(plan, out.v);
}

void fft_forward_i64(const fft_plan *plan, fourier out, const int64_t *c)
{
    forward_scaled(plan, out, c, 1.0);
}

void fft_forward_torus(const fft_plan *plan, fourier out, const uint64_t *c)
{
    forward_scaled(plan, out, (const int64_t *)c, 0x1p-64);
}

/* The nearest word to a torus value of any size below 2^52. */
static uint64_t torus_word(double x)
{
    x -= rint(x); /* exact */
    const double high = rint(x * 0x1p32);
    return ((uint64_t)(int64_t)high << 32) + (uint64_t)(int64_t)rint((x * 0x1p32 - high) * 0x1p32);
}

void fft_words_add(const fft_plan *plan, uint64_t *out, const uint64_t *base, const double *v)
{
    for (size_t j = 0; j < plan->M; j++) {
        const double *point = v + fft_at(plan->kernels, j);
        out[j] = base[j] + torus_word(point[0]);
        out[j + plan->M] = base[j + plan->M] + torus_word(point[plan->kernels->lanes]);
    }
}

void fft_inverse_add_torus(const fft_plan *plan, uint64_t *c, fourier in)
{
    plan->kernels->inverse(plan, in.v);
    fft_words_add(plan, c, c, in.v);
}

void fft_mul_add(const fft_plan *plan, fourier acc, fourier a, fourier b)
{
    plan->kernels->mul_add(plan->M, acc.v, a.v, b.v);
}

void fft_zero(const fft_plan *plan, fourier acc)
{
    memset(acc.v, 0, plan->N * sizeof(double));
}

size_t poly_mul_binary_scratch(size_t N)
{
    return 2 * ROUND_UP(fft_words(N) * sizeof(double)) + ROUND_UP(N * sizeof(int64_t));
}

void poly_mul_binary_add(const fft_plan *plan, uint64_t *c, const uint64_t *a, fourier s_hat, scratch *tmp)
{
    const size_t N = plan->N, M = plan->M, mark = tmp->used;
    const fourier x = {scratch_take(tmp, fft_words(N) * sizeof(double))};
    const fourier y = {scratch_take(tmp, fft_words(N) * sizeof(double))};
    int64_t *limb = scratch_take(tmp, N * sizeof *limb);
    for (unsigned shift = 0; shift < 64; shift += LIMB_BITS) {
        for (size_t j = 0; j < N; j++) limb[j] = (int64_t)(a[j] >> shift & ((UINT64_C(1) << LIMB_BITS) - 1));
        fft_forward_i64(plan, x, limb);
        fft_zero(plan, y);
        fft_mul_add(plan, y, x, s_hat);
        plan->kernels->inverse(plan, y.v);
        for (size_t j = 0; j < M; j++) {
            const double *point = y.v + fft_at(plan->kernels, j);
            c[j] += (uint64_t)(int64_t)rint(point[0]) << shift;
            c[j + M] += (uint64_t)(int64_t)rint(point[plan->kernels->lanes]) << shift;
        }
    }
    tmp->used = mark;
}

/* With this added, bits [64-bg*j, 64-bg*(j-1)) of the sum are digit j plus B/2: half a last step rounds, B/2 at every
 * level balances (the carries are the sum's own). */
static uint64_t digit_offset(unsigned bg, unsigned l)
{
    uint64_t offset = bg * l == 64 ? 0 : UINT64_C(1) << (63 - bg * l);
    for (unsigned j = 1; j <= l; j++) offset += UINT64_C(1) << (64 - bg * j + bg - 1);
    return offset;
}

size_t fft_rotate_decompose_scratch(size_t N)
{
    return ROUND_UP(N * sizeof(uint64_t));
}

void fft_rotate_decompose(const fft_plan *plan, fourier *out, const uint64_t *p, uint32_t a, const uint64_t *q,
                          unsigned bg, unsigned l, scratch *tmp)
{
    const size_t mark = tmp->used;
    a &= (uint32_t)(2 * plan->N - 1);
    if (l == 1) {
        plan->kernels->forward_rotated(plan, out[0].v, p, a, q, bg);
        return;
    }
    uint64_t *y = scratch_take(tmp, plan->N * sizeof *y);
    plan->kernels->rotate_difference(plan->N, y, p, a, q, digit_offset(bg, l));
    for (unsigned j = 0; j < l; j++) plan->kernels->forward_digits(plan, out[j].v, y, 64 - bg * (j + 1), bg);
    tmp->used = mark;
}

size_t fft_column_words(size_t N, size_t rows)
{
    return N * rows;
}

void fft_column_pack(const fft_plan *plan, double *column, size_t rows, size_t r, fourier in)
{
    plan->kernels->column_pack(plan, column, rows, r, in.v);
}

size_t fft_column_add_scratch(size_t N)
{
    return ROUND_UP(fft_words(N) * sizeof(double));
}

void fft_column_add(const fft_plan *plan, uint64_t *out, const uint64_t *base, const fourier *d, const double *column,
                    size_t rows, scratch *tmp)
{
    const size_t mark = tmp->used;
    double *sum = scratch_take(tmp, fft_words(plan->N) * sizeof *sum);
    plan->kernels->column_add(plan, sum, out, base, d, column, rows);
    tmp->used = mark;
}
