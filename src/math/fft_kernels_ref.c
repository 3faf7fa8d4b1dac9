/* SPDX-License-Identifier: Apache-2.0 */
/* The specification: plain C, radix 2. */
#include "math/fft_priv.h"

#include <math.h>
#include <string.h>

/* Roots of the tree in forward_scalars: level v (blocks of m = M >> v points) has 2^v roots (cos, sin) from 2*(2^v - 1)
 * on. The angle theta of a node is halved for its left child and halved plus pi for its right one. */
static size_t tables_words(size_t M)
{
    return 2 * M;
}

static void tables_fill(fft_plan *plan)
{
    const long double half_turn = 3.14159265358979323846264338327950288L;
    double *w = plan->forward_scalars;
    for (unsigned depth = 0; plan->M >> depth > 1; depth++)
        for (size_t b = 0; b < (size_t)1 << depth; b++, w += 2) {
            long double theta = half_turn / 2;
            for (unsigned d = depth; d > 0; d--) theta = theta / 2 + (long double)(b >> (d - 1) & 1) * half_turn;
            w[0] = (double)cosl(theta / 2);
            w[1] = (double)sinl(theta / 2);
        }
}

static void forward(const fft_plan *plan, double *v)
{
    const size_t M = plan->M;
    const double *w = plan->forward_scalars;
    for (size_t m = M; m > 1; m /= 2)
        for (size_t b = 0; b < M; b += m, w += 2)
            for (size_t j = b; j < b + m / 2; j++) {
                double *p = v + 2 * j, *q = p + m;
                const double x = w[0] * q[0] - w[1] * q[1], y = w[0] * q[1] + w[1] * q[0];
                q[0] = p[0] - x;
                q[1] = p[1] - y;
                p[0] += x;
                p[1] += y;
            }
}

static void inverse(const fft_plan *plan, double *v)
{
    const size_t M = plan->M;
    for (size_t m = 2; m <= M; m *= 2) {
        const double *w = plan->forward_scalars + 2 * (M / m - 1);
        for (size_t b = 0; b < M; b += m, w += 2)
            for (size_t j = b; j < b + m / 2; j++) {
                double *p = v + 2 * j, *q = p + m;
                const double x = p[0] - q[0], y = p[1] - q[1];
                p[0] += q[0];
                p[1] += q[1];
                q[0] = w[0] * x + w[1] * y;
                q[1] = w[0] * y - w[1] * x;
            }
    }
    const double inverse = 1 / (double)M; /* a power of two: exact, and no division by which values could be timed */
    for (size_t j = 0; j < 2 * M; j++) v[j] *= inverse;
}

/* Word c of X^a p. */
static uint64_t rotated(size_t N, const uint64_t *p, uint32_t a, size_t c)
{
    const size_t from = (c + 2 * N - a) & (2 * N - 1);
    return from < N ? p[from] : -p[from - N];
}

static void first_pass(const fft_plan *plan, double *v, size_t stride, const uint64_t *p, uint32_t a, const uint64_t *q,
                       unsigned bg, unsigned l, uint64_t offset)
{
    const size_t N = plan->N, M = plan->M;
    const uint64_t mask = (UINT64_C(1) << bg) - 1;
    const int64_t half = INT64_C(1) << (bg - 1);
    for (size_t c = 0; c < N; c++) {
        const uint64_t y = rotated(N, p, a, c) - (q == NULL ? 0 : q[c]) + offset;
        for (unsigned j = 0; j < l; j++)
            v[j * stride + (c < M ? 2 * c : 2 * (c - M) + 1)] =
                (double)((int64_t)(y >> (64 - bg * (j + 1)) & mask) - half);
    }
}

static void mul_add(size_t M, double *acc, const double *a, const double *b)
{
    for (size_t j = 0; j < 2 * M; j += 2) {
        acc[j] += a[j] * b[j] - a[j + 1] * b[j + 1];
        acc[j + 1] += a[j] * b[j + 1] + a[j + 1] * b[j];
    }
}

static void matrix_pack(const fft_plan *plan, double *matrix, size_t rows, size_t columns, size_t r, size_t c,
                        const double *in)
{
    (void)rows;
    memcpy(matrix + (r * columns + c) * plan->N, in, plan->N * sizeof *in);
}

/* Point by point, as the rows are overwritten. */
static void vector_product(const fft_plan *plan, double *v, const fft_middle *m)
{
    for (size_t r = 0; r < m->rows; r++) forward(plan, v + r * m->stride);
    for (size_t j = 0; j < plan->N; j += 2) {
        double x[FFT_MAX_ROWS][2];
        for (size_t r = 0; r < m->rows; r++) memcpy(x[r], v + r * m->stride + j, sizeof x[r]);
        for (size_t c = 0; c < m->columns; c++) {
            double sum[2] = {0, 0};
            for (size_t r = 0; r < m->rows; r++) mul_add(1, sum, x[r], m->matrix + (r * m->columns + c) * plan->N + j);
            memcpy(v + c * m->stride + j, sum, sizeof sum);
        }
    }
    for (size_t c = 0; c < m->columns; c++) inverse(plan, v + c * m->stride);
}

static void middle(const fft_plan *plan, double *v, const fft_middle *m)
{
    for (size_t q = 0; q < m->count; q++) vector_product(plan, v + q * m->rows * m->stride, m);
}

static void bundle_pack(const fft_plan *plan, double *matrices, size_t members, size_t rows, size_t columns, size_t j,
                        size_t r, size_t c, const double *in)
{
    (void)members;
    memcpy(matrices + ((j * rows + r) * columns + c) * plan->N, in, plan->N * sizeof *in);
}

/* sum <- the sum over the members of (X^e_j - 1) times their entries at point t, which lie `words` apart. Point t has
 * the root of t in reverse, fft_priv.h. */
static void combine(const fft_plan *plan, double sum[2], const fft_middle *m, const uint32_t *e, const double *entry,
                    size_t t)
{
    size_t x = 0;
    for (size_t bit = 1; bit < plan->M; bit *= 2) x = 2 * x + (t & bit ? 1 : 0);
    sum[0] = sum[1] = 0;
    for (size_t j = 0; j < m->members; j++) {
        const double *root = fft_root(plan, e[j] * (1 + 4 * x) & (2 * plan->N - 1));
        const double factor[2] = {root[0] - 1, root[1]};
        mul_add(1, sum, factor, entry + j * m->rows * m->columns * plan->N);
    }
}

/* The combination, then the product with it. */
static void bundle(const fft_plan *plan, double *v, const fft_middle *m)
{
    for (size_t q = 0; q < m->count; q++, v += m->rows * m->stride) {
        for (size_t r = 0; r < m->rows; r++) forward(plan, v + r * m->stride);
        for (size_t t = 0; t < plan->M; t++) {
            double x[FFT_MAX_ROWS][2];
            for (size_t r = 0; r < m->rows; r++) memcpy(x[r], v + r * m->stride + 2 * t, sizeof x[r]);
            for (size_t c = 0; c < m->columns; c++) {
                double sum[2] = {0, 0}, entry[2];
                for (size_t r = 0; r < m->rows; r++) {
                    combine(plan, entry, m, m->exponents[q], m->matrix + (r * m->columns + c) * plan->N + 2 * t, t);
                    mul_add(1, sum, x[r], entry);
                }
                memcpy(v + c * m->stride + 2 * t, sum, sizeof sum);
            }
        }
        for (size_t c = 0; c < m->columns; c++) inverse(plan, v + c * m->stride);
    }
}

static void last_add(const fft_plan *plan, double *v, uint64_t *acc, unsigned bits)
{
    (void)bits;
    fft_words_add(plan, acc, v);
}

/* Coefficient c of X^a p, narrow. */
static uint32_t narrow_rotated(size_t N, const uint64_t *p, uint32_t a, size_t c)
{
    const size_t from = (c + 2 * N - a) & (2 * N - 1);
    const uint32_t word = (uint32_t)(fft_narrow_word(N, p, from & (N - 1)) >> 32);
    return from < N ? word : -word;
}

static void narrow_first(const fft_plan *plan, const fft_gadget *g, double *v, size_t stride, const uint64_t *from,
                         uint32_t a, const uint64_t *base)
{
    const size_t N = plan->N, M = plan->M, words = fft_accumulator_words(N, g);
    const uint32_t mask = (UINT32_C(1) << g->bg) - 1;
    const int32_t half = INT32_C(1) << (g->bg - 1);
    for (size_t column = 0; column < g->columns; column++, v += g->l * stride, from += words) {
        const unsigned l = column + 1 == g->columns ? g->lb : g->l;
        const uint32_t offset[2] = {fft_narrow_offset(g->bg, l, 0), fft_narrow_offset(g->bg, l, 1)};
        for (size_t c = 0; c < N; c++) {
            uint32_t y = narrow_rotated(N, from, a, c) + offset[c & (M - 1) & 1];
            if (base != NULL) y -= narrow_rotated(N, base + column * words, 0, c);
            double *point = v + (c < M ? 2 * c : 2 * (c - M) + 1);
            for (unsigned j = 0; j < l; j++) point[j * stride] = (int32_t)(y >> (32 - g->bg * (j + 1)) & mask) - half;
        }
    }
}

/* The nearest multiple of 2^-32 to |x| < 2^51, as the bits of a sum that ends there. */
static uint32_t narrow_word(double x)
{
    const double whole = (x + 0x1.8p52) - 0x1.8p52, sum = (x - whole) + 0x1.8p20;
    uint64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return (uint32_t)bits;
}

static void narrow_add(const fft_plan *plan, double *v, uint64_t *acc)
{
    for (size_t j = 0; j < plan->M; j++) {
        const uint32_t low = (uint32_t)acc[j] + narrow_word(v[2 * j]);
        acc[j] = ((acc[j] >> 32) + narrow_word(v[2 * j + 1])) << 32 | low;
    }
    memcpy(acc + plan->M, acc, FFT_NARROW_PAD * sizeof *acc);
}

static void dot(size_t M, double *out, const double *a, size_t a_stride, const double *b, size_t b_stride, size_t count)
{
    memset(out, 0, 2 * M * sizeof *out);
    for (size_t i = 0; i < count; i++) mul_add(M, out, a + i * a_stride, b + i * b_stride);
}

const fft_kernels fft_kernels_ref = {
    .name = "ref",
    .lanes = 1,
    .tables_words = tables_words,
    .tables_fill = tables_fill,
    .forward = forward,
    .inverse = inverse,
    .forward_rest = forward,
    .first_pass = first_pass,
    .mul_add = mul_add,
    .dot = dot,
    .lead = 0,
    .matrix_pack = matrix_pack,
    .middle = middle,
    .bundle_pack = bundle_pack,
    .bundle = bundle,
    .scaled_products = 0,
    .last_add = last_add,
    .narrow_first = narrow_first,
    .narrow_add = narrow_add,
};
