/* SPDX-License-Identifier: Apache-2.0 */
/* The specification: plain C, radix 2. */
#include "math/fft_priv.h"

#include <math.h>

static void forward(const fft_plan *plan, double *re, double *im)
{
    const size_t M = plan->M;
    const double *w = plan->root;
    for (size_t m = M; m > 1; m /= 2) {
        const size_t h = m / 2;
        for (size_t b = 0; b < M; b += m, w += 2) {
            for (size_t j = b; j < b + h; j++) {
                const double x = w[0] * re[j + h] - w[1] * im[j + h];
                const double y = w[0] * im[j + h] + w[1] * re[j + h];
                re[j + h] = re[j] - x;
                im[j + h] = im[j] - y;
                re[j] += x;
                im[j] += y;
            }
        }
    }
}

static void inverse(const fft_plan *plan, double *re, double *im)
{
    const size_t M = plan->M;
    for (size_t m = 2; m <= M; m *= 2) {
        const size_t h = m / 2;
        const double *w = plan->root + 2 * (M / m - 1);
        for (size_t b = 0; b < M; b += m, w += 2) {
            for (size_t j = b; j < b + h; j++) {
                const double x = re[j] - re[j + h], y = im[j] - im[j + h];
                re[j] += re[j + h];
                im[j] += im[j + h];
                re[j + h] = w[0] * x + w[1] * y;
                im[j + h] = w[0] * y - w[1] * x;
            }
        }
    }
}

static void digits(size_t M, double *const *out, size_t stride, const uint64_t *y, unsigned bg, unsigned l)
{
    const uint64_t mask = (UINT64_C(1) << bg) - 1;
    const int64_t half = INT64_C(1) << (bg - 1);
    for (unsigned i = 0; i < l; i++) {
        const unsigned shift = 64 - bg * (i + 1);
        double *re = out[i], *im = out[i] + stride;
        for (size_t j = 0; j < M; j++) {
            re[j] = (double)((int64_t)(y[j] >> shift & mask) - half);
            im[j] = (double)((int64_t)(y[j + M] >> shift & mask) - half);
        }
    }
}

static void rotate_difference(size_t N, uint64_t *y, const uint64_t *p, uint32_t a, const uint64_t *q, uint64_t offset)
{
    const uint64_t flip = a >= N ? UINT64_MAX : 0; /* X^N = -1 */
    const size_t s = a & (N - 1);
    for (size_t j = 0; j < s; j++) y[j] = ((p[N - s + j] ^ ~flip) - ~flip) - q[j] + offset;
    for (size_t j = s; j < N; j++) y[j] = ((p[j - s] ^ flip) - flip) - q[j] + offset;
}

static uint64_t torus_word(double x)
{
    x -= rint(x); /* exact: |x| < 2^52 */
    const double high = rint(x * 0x1p32);
    return ((uint64_t)(int64_t)high << 32) + (uint64_t)(int64_t)rint((x * 0x1p32 - high) * 0x1p32);
}

static void torus_add(size_t M, uint64_t *c, const double *re, const double *im, double scale)
{
    for (size_t j = 0; j < M; j++) {
        c[j] += torus_word(re[j] * scale);
        c[j + M] += torus_word(im[j] * scale);
    }
}

static void mul_add(size_t M, size_t stride, double *acc, const double *a, const double *b)
{
    for (size_t j = 0; j < M; j++) {
        const double ar = a[j], ai = a[j + stride], br = b[j], bi = b[j + stride];
        acc[j] += ar * br - ai * bi;
        acc[j + stride] += ar * bi + ai * br;
    }
}

static void row_mul(size_t M, size_t stride, const fourier *out, const fourier *d, const double *row, size_t rows,
                    size_t cols)
{
    for (size_t j = 0; j < M; j++) {
        for (size_t c = 0; c < cols; c++) {
            const double *entry = row + (j / 4 * cols + c) * rows * 8 + j % 4;
            double x = 0, y = 0;
            for (size_t r = 0; r < rows; r++, entry += 8) {
                const double dr = d[r].v[j], di = d[r].v[j + stride];
                x += dr * entry[0] - di * entry[4];
                y += dr * entry[4] + di * entry[0];
            }
            out[c].v[j] = x;
            out[c].v[j + stride] = y;
        }
    }
}

const fft_kernels fft_kernels_ref = {
    .name = "ref",
    .forward = forward,
    .inverse = inverse,
    .digits = digits,
    .rotate_difference = rotate_difference,
    .torus_add = torus_add,
    .mul_add = mul_add,
    .row_mul = row_mul,
};
