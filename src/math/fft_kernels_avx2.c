/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 + FMA: two radix-2 levels a pass (radix 4), the last two levels inside registers. Values inside a group of 16
 * come out transposed against the reference: an order of the plan's own. */
#include "math/fft_priv.h"

#include <immintrin.h>

typedef __m256d v4;
typedef __m256i i4;

/* (a, b) <- (a + r b, a - r b) */
#define BUTTERFLY(ar, ai, br, bi, rr, ri)                                                                              \
    do {                                                                                                               \
        const v4 u_ = _mm256_fnmadd_pd(ri, bi, _mm256_fmadd_pd(rr, br, ar));                                           \
        const v4 w_ = _mm256_fmadd_pd(ri, br, _mm256_fmadd_pd(rr, bi, ai));                                            \
        br = _mm256_fmsub_pd(two, ar, u_);                                                                             \
        bi = _mm256_fmsub_pd(two, ai, w_);                                                                             \
        ar = u_;                                                                                                       \
        ai = w_;                                                                                                       \
    } while (0)
/* (a, b) <- (a + i r b, a - i r b) */
#define BUTTERFLY_I(ar, ai, br, bi, rr, ri)                                                                            \
    do {                                                                                                               \
        const v4 u_ = _mm256_fnmadd_pd(rr, bi, _mm256_fnmadd_pd(ri, br, ar));                                          \
        const v4 w_ = _mm256_fmadd_pd(rr, br, _mm256_fnmadd_pd(ri, bi, ai));                                           \
        br = _mm256_fmsub_pd(two, ar, u_);                                                                             \
        bi = _mm256_fmsub_pd(two, ai, w_);                                                                             \
        ar = u_;                                                                                                       \
        ai = w_;                                                                                                       \
    } while (0)
/* (a, b) <- (a + b, conj(r) (a - b)) */
#define INVERSE(ar, ai, br, bi, rr, ri)                                                                                \
    do {                                                                                                               \
        const v4 s_ = _mm256_sub_pd(ar, br), q_ = _mm256_sub_pd(ai, bi);                                               \
        ar = _mm256_add_pd(ar, br);                                                                                    \
        ai = _mm256_add_pd(ai, bi);                                                                                    \
        br = _mm256_fmadd_pd(ri, q_, _mm256_mul_pd(rr, s_));                                                           \
        bi = _mm256_fnmadd_pd(ri, s_, _mm256_mul_pd(rr, q_));                                                          \
    } while (0)
/* (a, b) <- (a + b, conj(i r) (a - b)) */
#define INVERSE_I(ar, ai, br, bi, rr, ri)                                                                              \
    do {                                                                                                               \
        const v4 s_ = _mm256_sub_pd(ar, br), q_ = _mm256_sub_pd(ai, bi);                                               \
        ar = _mm256_add_pd(ar, br);                                                                                    \
        ai = _mm256_add_pd(ai, bi);                                                                                    \
        br = _mm256_fnmadd_pd(ri, s_, _mm256_mul_pd(rr, q_));                                                          \
        bi = _mm256_fnmsub_pd(rr, s_, _mm256_mul_pd(ri, q_));                                                          \
    } while (0)

static inline void transpose(v4 x[4])
{
    const v4 a = _mm256_unpacklo_pd(x[0], x[1]), b = _mm256_unpackhi_pd(x[0], x[1]);
    const v4 c = _mm256_unpacklo_pd(x[2], x[3]), d = _mm256_unpackhi_pd(x[2], x[3]);
    x[0] = _mm256_permute2f128_pd(a, c, 0x20);
    x[1] = _mm256_permute2f128_pd(b, d, 0x20);
    x[2] = _mm256_permute2f128_pd(a, c, 0x31);
    x[3] = _mm256_permute2f128_pd(b, d, 0x31);
}

static void forward_radix2(const fft_plan *plan, double *re, double *im)
{
    const size_t h = plan->M / 2;
    const v4 two = _mm256_set1_pd(2), rr = _mm256_set1_pd(plan->root[0]), ri = _mm256_set1_pd(plan->root[1]);
    for (size_t j = 0; j < h; j += 4) {
        v4 ar = _mm256_load_pd(re + j), ai = _mm256_load_pd(im + j);
        v4 br = _mm256_load_pd(re + j + h), bi = _mm256_load_pd(im + j + h);
        BUTTERFLY(ar, ai, br, bi, rr, ri);
        _mm256_store_pd(re + j, ar);
        _mm256_store_pd(im + j, ai);
        _mm256_store_pd(re + j + h, br);
        _mm256_store_pd(im + j + h, bi);
    }
}

static void inverse_radix2(const fft_plan *plan, double *re, double *im)
{
    const size_t h = plan->M / 2;
    const v4 rr = _mm256_set1_pd(plan->root[0]), ri = _mm256_set1_pd(plan->root[1]);
    for (size_t j = 0; j < h; j += 4) {
        v4 ar = _mm256_load_pd(re + j), ai = _mm256_load_pd(im + j);
        v4 br = _mm256_load_pd(re + j + h), bi = _mm256_load_pd(im + j + h);
        INVERSE(ar, ai, br, bi, rr, ri);
        _mm256_store_pd(re + j, ar);
        _mm256_store_pd(im + j, ai);
        _mm256_store_pd(re + j + h, br);
        _mm256_store_pd(im + j + h, bi);
    }
}

static inline void forward_block(double *R, double *I, size_t q, const double *t)
{
    const v4 two = _mm256_set1_pd(2);
    const v4 r1 = _mm256_broadcast_sd(t), i1 = _mm256_broadcast_sd(t + 1);
    const v4 r2 = _mm256_broadcast_sd(t + 2), i2 = _mm256_broadcast_sd(t + 3);
    for (size_t j = 0; j < q; j += 4) {
        v4 a0 = _mm256_load_pd(R + j), a1 = _mm256_load_pd(R + j + q), a2 = _mm256_load_pd(R + j + 2 * q),
           a3 = _mm256_load_pd(R + j + 3 * q);
        v4 b0 = _mm256_load_pd(I + j), b1 = _mm256_load_pd(I + j + q), b2 = _mm256_load_pd(I + j + 2 * q),
           b3 = _mm256_load_pd(I + j + 3 * q);
        BUTTERFLY(a0, b0, a2, b2, r1, i1);
        BUTTERFLY(a1, b1, a3, b3, r1, i1);
        BUTTERFLY(a0, b0, a1, b1, r2, i2);
        BUTTERFLY_I(a2, b2, a3, b3, r2, i2);
        _mm256_store_pd(R + j, a0);
        _mm256_store_pd(I + j, b0);
        _mm256_store_pd(R + j + q, a1);
        _mm256_store_pd(I + j + q, b1);
        _mm256_store_pd(R + j + 2 * q, a2);
        _mm256_store_pd(I + j + 2 * q, b2);
        _mm256_store_pd(R + j + 3 * q, a3);
        _mm256_store_pd(I + j + 3 * q, b3);
    }
}

static inline void inverse_block(double *R, double *I, size_t q, const double *t)
{
    const v4 r1 = _mm256_broadcast_sd(t), i1 = _mm256_broadcast_sd(t + 1);
    const v4 r2 = _mm256_broadcast_sd(t + 2), i2 = _mm256_broadcast_sd(t + 3);
    for (size_t j = 0; j < q; j += 4) {
        v4 a0 = _mm256_load_pd(R + j), a1 = _mm256_load_pd(R + j + q), a2 = _mm256_load_pd(R + j + 2 * q),
           a3 = _mm256_load_pd(R + j + 3 * q);
        v4 b0 = _mm256_load_pd(I + j), b1 = _mm256_load_pd(I + j + q), b2 = _mm256_load_pd(I + j + 2 * q),
           b3 = _mm256_load_pd(I + j + 3 * q);
        INVERSE(a0, b0, a1, b1, r2, i2);
        INVERSE_I(a2, b2, a3, b3, r2, i2);
        INVERSE(a0, b0, a2, b2, r1, i1);
        INVERSE(a1, b1, a3, b3, r1, i1);
        _mm256_store_pd(R + j, a0);
        _mm256_store_pd(I + j, b0);
        _mm256_store_pd(R + j + q, a1);
        _mm256_store_pd(I + j + q, b1);
        _mm256_store_pd(R + j + 2 * q, a2);
        _mm256_store_pd(I + j + 2 * q, b2);
        _mm256_store_pd(R + j + 3 * q, a3);
        _mm256_store_pd(I + j + 3 * q, b3);
    }
}

/* The last two levels of four neighbouring blocks of 4 points: point p of the four blocks in one register. */
static void forward_last(const fft_plan *plan, double *re, double *im)
{
    const v4 two = _mm256_set1_pd(2);
    const double *t = plan->last;
    for (size_t j = 0; j < plan->M; j += 16, t += 16) {
        v4 a[4], b[4];
        for (size_t i = 0; i < 4; i++) {
            a[i] = _mm256_load_pd(re + j + 4 * i);
            b[i] = _mm256_load_pd(im + j + 4 * i);
        }
        transpose(a);
        transpose(b);
        const v4 r1 = _mm256_load_pd(t), i1 = _mm256_load_pd(t + 4), r2 = _mm256_load_pd(t + 8),
                 i2 = _mm256_load_pd(t + 12);
        BUTTERFLY(a[0], b[0], a[2], b[2], r1, i1);
        BUTTERFLY(a[1], b[1], a[3], b[3], r1, i1);
        BUTTERFLY(a[0], b[0], a[1], b[1], r2, i2);
        BUTTERFLY_I(a[2], b[2], a[3], b[3], r2, i2);
        for (size_t i = 0; i < 4; i++) {
            _mm256_store_pd(re + j + 4 * i, a[i]);
            _mm256_store_pd(im + j + 4 * i, b[i]);
        }
    }
}

static void inverse_last(const fft_plan *plan, double *re, double *im)
{
    const double *t = plan->last;
    for (size_t j = 0; j < plan->M; j += 16, t += 16) {
        v4 a[4], b[4];
        for (size_t i = 0; i < 4; i++) {
            a[i] = _mm256_load_pd(re + j + 4 * i);
            b[i] = _mm256_load_pd(im + j + 4 * i);
        }
        const v4 r1 = _mm256_load_pd(t), i1 = _mm256_load_pd(t + 4), r2 = _mm256_load_pd(t + 8),
                 i2 = _mm256_load_pd(t + 12);
        INVERSE(a[0], b[0], a[1], b[1], r2, i2);
        INVERSE_I(a[2], b[2], a[3], b[3], r2, i2);
        INVERSE(a[0], b[0], a[2], b[2], r1, i1);
        INVERSE(a[1], b[1], a[3], b[3], r1, i1);
        transpose(a);
        transpose(b);
        for (size_t i = 0; i < 4; i++) {
            _mm256_store_pd(re + j + 4 * i, a[i]);
            _mm256_store_pd(im + j + 4 * i, b[i]);
        }
    }
}

static void forward(const fft_plan *plan, double *re, double *im)
{
    const size_t M = plan->M;
    size_t m = M;
    if (__builtin_ctzll(M) % 2 != 0) {
        forward_radix2(plan, re, im);
        m = M / 2;
    }
    const double *t = plan->root4;
    for (; m > 4; m /= 4)
        for (size_t b = 0; b < M; b += m, t += 4) forward_block(re + b, im + b, m / 4, t);
    forward_last(plan, re, im);
}

static void inverse(const fft_plan *plan, double *re, double *im)
{
    const size_t M = plan->M;
    const int odd = __builtin_ctzll(M) % 2 != 0;
    const size_t top = odd ? M / 2 : M;
    inverse_last(plan, re, im);
    const double *end = plan->root4; /* behind the roots of the pass at hand */
    for (size_t m = top; m > 4; m /= 4) end += 4 * (M / m);
    for (size_t m = 16; m <= top; m *= 4) {
        end -= 4 * (M / m);
        const double *t = end;
        for (size_t b = 0; b < M; b += m, t += 4) inverse_block(re + b, im + b, m / 4, t);
    }
    if (odd) inverse_radix2(plan, re, im);
}

static void digits(size_t M, double *const *out, size_t stride, const uint64_t *y, unsigned bg, unsigned l)
{
    /* A digit below 2^52 in the mantissa of 2^52 is the double 2^52 + digit. */
    const v4 base = _mm256_set1_pd(0x1p52), minus = _mm256_set1_pd(0x1p52 + (double)(UINT64_C(1) << (bg - 1)));
    const i4 mask = _mm256_set1_epi64x((long long)((UINT64_C(1) << bg) - 1));
    for (unsigned i = 0; i < l; i++) {
        const __m128i shift = _mm_cvtsi32_si128((int)(64 - bg * (i + 1)));
        for (size_t part = 0; part < 2; part++) {
            double *o = out[i] + part * stride;
            const uint64_t *in = y + part * M;
            for (size_t j = 0; j < M; j += 4) {
                i4 d = _mm256_srl_epi64(_mm256_load_si256((const i4 *)(const void *)(in + j)), shift);
                d = _mm256_or_si256(_mm256_and_si256(d, mask), _mm256_castpd_si256(base));
                _mm256_store_pd(o + j, _mm256_sub_pd(_mm256_castsi256_pd(d), minus));
            }
        }
    }
}

static inline void difference_run(uint64_t *y, const uint64_t *shifted, const uint64_t *q, size_t n, uint64_t flip,
                                  uint64_t offset)
{
    const i4 f = _mm256_set1_epi64x((long long)flip), o = _mm256_set1_epi64x((long long)(offset - flip));
    size_t j = 0;
    for (; j + 4 <= n; j += 4) {
        const i4 s = _mm256_xor_si256(_mm256_loadu_si256((const i4 *)(const void *)(shifted + j)), f);
        const i4 m = _mm256_loadu_si256((const i4 *)(const void *)(q + j));
        _mm256_storeu_si256((i4 *)(void *)(y + j), _mm256_add_epi64(_mm256_sub_epi64(s, m), o));
    }
    for (; j < n; j++) y[j] = ((shifted[j] ^ flip) - flip) - q[j] + offset;
}

static void rotate_difference(size_t N, uint64_t *y, const uint64_t *p, uint32_t a, const uint64_t *q, uint64_t offset)
{
    const uint64_t flip = a >= N ? UINT64_MAX : 0; /* X^N = -1 */
    const size_t s = a & (N - 1);
    difference_run(y, p + N - s, q, s, ~flip, offset);
    difference_run(y + s, p, q + s, N - s, flip, offset);
}

static void torus_add(size_t M, uint64_t *c, const double *re, const double *im, double scale)
{
    const v4 s = _mm256_set1_pd(scale), two32 = _mm256_set1_pd(0x1p32);
    const v4 magic = _mm256_set1_pd(0x1.8p52); /* its mantissa holds a small integer in two's complement */
    const i4 magic_bits = _mm256_castpd_si256(magic);
    for (size_t part = 0; part < 2; part++) {
        const double *in = part == 0 ? re : im;
        uint64_t *o = c + part * M;
        for (size_t j = 0; j < M; j += 4) {
            v4 x = _mm256_mul_pd(_mm256_load_pd(in + j), s);
            x = _mm256_sub_pd(x, _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
            x = _mm256_mul_pd(x, two32);
            const v4 high = _mm256_round_pd(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
            const v4 low = _mm256_mul_pd(_mm256_sub_pd(x, high), two32);
            const i4 h = _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(high, magic)), magic_bits);
            const i4 w = _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(low, magic)), magic_bits);
            i4 *q = (i4 *)(void *)(o + j);
            const i4 sum = _mm256_add_epi64(_mm256_slli_epi64(h, 32), w);
            _mm256_storeu_si256(q, _mm256_add_epi64(_mm256_loadu_si256(q), sum));
        }
    }
}

static void mul_add(size_t M, size_t stride, double *acc, const double *a, const double *b)
{
    for (size_t j = 0; j < M; j += 4) {
        const v4 ar = _mm256_load_pd(a + j), ai = _mm256_load_pd(a + stride + j);
        const v4 br = _mm256_load_pd(b + j), bi = _mm256_load_pd(b + stride + j);
        v4 x = _mm256_load_pd(acc + j), y = _mm256_load_pd(acc + stride + j);
        x = _mm256_fnmadd_pd(ai, bi, _mm256_fmadd_pd(ar, br, x));
        y = _mm256_fmadd_pd(ai, br, _mm256_fmadd_pd(ar, bi, y));
        _mm256_store_pd(acc + j, x);
        _mm256_store_pd(acc + stride + j, y);
    }
}

/* Two columns at a time share the loads of the digits. */
static inline void row_columns(size_t j, size_t stride, const fourier *out, const fourier *d, const double *row,
                               size_t rows, size_t columns)
{
    v4 x[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()}, y[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    for (size_t r = 0; r < rows; r++) {
        const v4 dr = _mm256_load_pd(d[r].v + j), di = _mm256_load_pd(d[r].v + stride + j);
        for (size_t c = 0; c < columns; c++) {
            const double *e = row + (c * rows + r) * 8;
            const v4 er = _mm256_load_pd(e), ei = _mm256_load_pd(e + 4);
            x[c] = _mm256_fnmadd_pd(di, ei, _mm256_fmadd_pd(dr, er, x[c]));
            y[c] = _mm256_fmadd_pd(di, er, _mm256_fmadd_pd(dr, ei, y[c]));
        }
    }
    for (size_t c = 0; c < columns; c++) {
        _mm256_store_pd(out[c].v + j, x[c]);
        _mm256_store_pd(out[c].v + stride + j, y[c]);
    }
}

static void row_mul(size_t M, size_t stride, const fourier *out, const fourier *d, const double *row, size_t rows,
                    size_t cols)
{
    for (size_t j = 0; j < M; j += 4) {
        size_t c = 0;
        for (; c + 2 <= cols; c += 2, row += 16 * rows) row_columns(j, stride, out + c, d, row, rows, 2);
        if (c < cols) {
            row_columns(j, stride, out + c, d, row, rows, 1);
            row += 8 * rows;
        }
    }
}

const fft_kernels fft_kernels_avx2 = {
    .name = "avx2",
    .forward = forward,
    .inverse = inverse,
    .digits = digits,
    .rotate_difference = rotate_difference,
    .torus_add = torus_add,
    .mul_add = mul_add,
    .row_mul = row_mul,
};
