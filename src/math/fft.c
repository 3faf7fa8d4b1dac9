/* SPDX-License-Identifier: Apache-2.0 */
#include "math/fft.h"

#include "math/fft_priv.h"
#include <math.h>
#include <string.h>

#define STRIDE_PAD 24u /* doubles: three cache lines keep real and imaginary parts in different cache sets */
#define LIMB_BITS 22u  /* N * 2^22 <= 2^38: exact in double precision after rounding */

static const fft_kernels *kernels_for(cpu_level level)
{
#ifndef ANNULUS_PORTABLE
    if (level == CPU_AVX2 || level == CPU_AVX512) return &fft_kernels_avx2;
#endif
    (void)level;
    return &fft_kernels_ref;
}

/* Angles of the roots by level: theta of a node is halved for its left child and halved plus pi for its right one. */
static void make_roots(fft_plan *plan, double *theta, double *next)
{
    theta[0] = M_PI / 2;
    size_t blocks = 1;
    for (size_t m = plan->M; m > 1; m /= 2) {
        double *r = plan->root + 2 * (blocks - 1);
        for (size_t b = 0; b < blocks; b++) {
            r[2 * b] = cos(theta[b] / 2);
            r[2 * b + 1] = sin(theta[b] / 2);
            next[2 * b] = theta[b] / 2;
            next[2 * b + 1] = theta[b] / 2 + M_PI;
        }
        blocks *= 2;
        double *swap = theta;
        theta = next;
        next = swap;
    }
}

static const double *root_at(const fft_plan *plan, size_t blocks, size_t b)
{
    return plan->root + 2 * (blocks - 1 + b);
}

/* Radix-4 passes: block b of a level takes its own root and its left child's (the right child's is i times that). */
static void make_roots4(fft_plan *plan)
{
    const unsigned levels = (unsigned)__builtin_ctzll(plan->M);
    size_t blocks = levels % 2 == 0 ? 1 : 2; /* odd: one radix-2 pass first */
    double *t = plan->root4;
    for (; plan->M / blocks > 4; blocks *= 4)
        for (size_t b = 0; b < blocks; b++, t += 4) {
            memcpy(t, root_at(plan, blocks, b), 2 * sizeof *t);
            memcpy(t + 2, root_at(plan, 2 * blocks, 2 * b), 2 * sizeof *t);
        }
    for (size_t g = 0; g < blocks / 4; g++)
        for (size_t j = 0; j < 4; j++)
            for (size_t part = 0; part < 2; part++) {
                plan->last[16 * g + 4 * part + j] = root_at(plan, blocks, 4 * g + j)[part];
                plan->last[16 * g + 8 + 4 * part + j] = root_at(plan, 2 * blocks, 2 * (4 * g + j))[part];
            }
}

annulus_status fft_plan_create_at(size_t N, cpu_level level, fft_plan **out)
{
    if (N < FFT_MIN_N || N > FFT_MAX_N || (N & (N - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT, "ring degree N = %zu: must be a power of two from %u to %u", N, FFT_MIN_N,
                    FFT_MAX_N);
    const size_t M = N / 2;
    void *p, *angles;
    TRY(mem_create(1, sizeof(fft_plan) + MEM_ALIGN + 8 * M * sizeof(double), "FFT plan", &p));
    const annulus_status st = mem_create(4 * M, sizeof(double), "FFT angles", &angles);
    if (st != ANNULUS_OK) {
        mem_free(p);
        return st;
    }
    fft_plan *plan = p;
    double *tables = (double *)((unsigned char *)p + ROUND_UP(sizeof(fft_plan)));
    *plan = (fft_plan){.N = N,
                       .M = M,
                       .stride = M + STRIDE_PAD,
                       .kernels = kernels_for(level),
                       .root = tables,
                       .last = tables + 2 * M,
                       .root4 = tables + 6 * M};
    make_roots(plan, angles, (double *)angles + 2 * M);
    make_roots4(plan);
    mem_free(angles);
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

size_t fft_stride(size_t N)
{
    return N / 2 + STRIDE_PAD;
}

size_t fft_words(size_t N)
{
    return 2 * fft_stride(N);
}

static void forward_scaled(const fft_plan *plan, fourier out, const int64_t *c, double scale)
{
    double *re = out.v, *im = out.v + plan->stride;
    for (size_t j = 0; j < plan->M; j++) {
        re[j] = (double)c[j] * scale;
        im[j] = (double)c[j + plan->M] * scale;
    }
    plan->kernels->forward(plan, re, im);
}

void fft_forward_i64(const fft_plan *plan, fourier out, const int64_t *c)
{
    forward_scaled(plan, out, c, 1.0);
}

void fft_forward_torus(const fft_plan *plan, fourier out, const uint64_t *c)
{
    forward_scaled(plan, out, (const int64_t *)c, 0x1p-64);
}

void fft_inverse_add_torus(const fft_plan *plan, uint64_t *c, fourier in)
{
    double *re = in.v, *im = in.v + plan->stride;
    plan->kernels->inverse(plan, re, im);
    plan->kernels->torus_add(plan->M, c, re, im, 1.0 / (double)plan->M);
}

void fft_mul_add(const fft_plan *plan, fourier acc, fourier a, fourier b)
{
    plan->kernels->mul_add(plan->M, plan->stride, acc.v, a.v, b.v);
}

void fft_zero(const fft_plan *plan, fourier acc)
{
    memset(acc.v, 0, 2 * plan->stride * sizeof(double));
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
    const double scale = 1.0 / (double)M;
    for (unsigned shift = 0; shift < 64; shift += LIMB_BITS) {
        for (size_t j = 0; j < N; j++) limb[j] = (int64_t)(a[j] >> shift & ((UINT64_C(1) << LIMB_BITS) - 1));
        fft_forward_i64(plan, x, limb);
        fft_zero(plan, y);
        fft_mul_add(plan, y, x, s_hat);
        double *re = y.v, *im = y.v + plan->stride;
        plan->kernels->inverse(plan, re, im);
        for (size_t j = 0; j < M; j++) {
            c[j] += (uint64_t)(int64_t)rint(re[j] * scale) << shift;
            c[j + M] += (uint64_t)(int64_t)rint(im[j] * scale) << shift;
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

static void digits_forward(const fft_plan *plan, fourier *out, const uint64_t *y, unsigned bg, unsigned l)
{
    double *parts[64] = {0};
    for (unsigned j = 0; j < l; j++) parts[j] = out[j].v;
    plan->kernels->digits(plan->M, parts, plan->stride, y, bg, l);
    for (unsigned j = 0; j < l; j++) plan->kernels->forward(plan, out[j].v, out[j].v + plan->stride);
}

size_t fft_rotate_decompose_scratch(size_t N)
{
    return ROUND_UP(N * sizeof(uint64_t));
}

void fft_rotate_decompose(const fft_plan *plan, fourier *out, const uint64_t *p, uint32_t a, const uint64_t *q,
                          unsigned bg, unsigned l, scratch *tmp)
{
    const size_t mark = tmp->used;
    uint64_t *y = scratch_take(tmp, plan->N * sizeof *y);
    plan->kernels->rotate_difference(plan->N, y, p, a & (uint32_t)(2 * plan->N - 1), q, digit_offset(bg, l));
    digits_forward(plan, out, y, bg, l);
    tmp->used = mark;
}

size_t fft_row_words(size_t N, size_t rows, size_t cols)
{
    return N * rows * cols;
}

void fft_row_pack(const fft_plan *plan, double *row, size_t rows, size_t cols, size_t r, size_t c, fourier in)
{
    for (size_t j = 0; j < plan->M; j++) {
        double *entry = row + ((j / 4 * cols + c) * rows + r) * 8 + j % 4;
        entry[0] = in.v[j];
        entry[4] = in.v[plan->stride + j];
    }
}

void fft_row_mul(const fft_plan *plan, fourier *out, const fourier *d, const double *row, size_t rows, size_t cols)
{
    plan->kernels->row_mul(plan->M, plan->stride, out, d, row, rows, cols);
}
