/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/random.h"
#include "math/fft.h"
#include "math/fft_priv.h"
#include <math.h>
#include <stdlib.h>

/* Variants that the processor can run: the reference first. */
static const fft_kernels *variants[FFT_VARIANTS];

static void *array(size_t count, size_t size)
{
    void *p;
    assert_ok(mem_create(count, size, "test", &p));
    return p;
}

/* c = a*b modulo X^N + 1 and 2^64, the schoolbook way. */
static void schoolbook(size_t N, uint64_t *c, const uint64_t *a, const uint64_t *b)
{
    memset(c, 0, N * sizeof *c);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            if (i + j < N)
                c[i + j] += a[i] * b[j];
            else
                c[i + j - N] -= a[i] * b[j];
}

static double worst_difference(const uint64_t *a, const uint64_t *b, size_t n)
{
    double worst = 0;
    for (size_t j = 0; j < n; j++) worst = fmax(worst, fabs((double)(int64_t)(a[j] - b[j]) * 0x1p-64));
    return worst;
}

/* Digits times a torus polynomial against the schoolbook: |error| below sqrt(N) * 2^22 * 2^-53 * log2(N) * 4. */
static void test_product(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 256; N <= 2048; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            int64_t *a = array(N, 8);
            uint64_t *b = array(N, 8), *want = array(N, 8), *got = array(N, 8);
            for (size_t j = 0; j < N; j++) {
                a[j] = (int64_t)(test_random(&seed) >> 41) - (1 << 22);
                b[j] = test_random(&seed);
            }
            fourier x = {array(fft_words(N), 8)}, y = {array(fft_words(N), 8)}, z = {array(fft_words(N), 8)};
            fft_forward_i64(plan, x, a);
            fft_forward_torus(plan, y, b);
            fft_mul_add(plan, z, x, y);
            fft_inverse_add_torus(plan, got, z);
            schoolbook(N, want, (const uint64_t *)a, b);
            const double bound = sqrt((double)N) * 0x1p-31 * log2((double)N) * 4;
            assert_true(worst_difference(want, got, N) < bound);
            assert_true(worst_difference(want, got, N) > 0); /* the bound is not vacuous: double precision rounds */
            for (size_t i = 0; i < 3; i++) mem_free((double *[]){x.v, y.v, z.v}[i]);
            mem_free(a), mem_free(b), mem_free(want), mem_free(got);
            fft_plan_destroy(plan);
        }
}

/* Every size: the inverse of the forward transform is the identity (error below 2^-50 of the torus). */
static void test_round_trip(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = FFT_MIN_N; N <= FFT_MAX_N; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            uint64_t *a = array(N, 8), *b = array(N, 8);
            for (size_t j = 0; j < N; j++) a[j] = test_random(&seed);
            fourier x = {array(fft_words(N), 8)};
            fft_forward_torus(plan, x, a);
            fft_inverse_add_torus(plan, b, x);
            assert_true(worst_difference(a, b, N) < 0x1p-48);
            mem_free(x.v), mem_free(a), mem_free(b);
            fft_plan_destroy(plan);
        }
}

static void test_binary_product_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 256; N <= 2048; N *= 2) {
            fft_plan *plan;
            scratch tmp;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            assert_ok(scratch_create(poly_mul_binary_scratch(N), &tmp));
            uint64_t *a = array(N, 8), *s = array(N, 8), *want = array(N, 8), *got = array(N, 8);
            for (size_t j = 0; j < N; j++) {
                a[j] = test_random(&seed);
                s[j] = test_random(&seed) & 1;
            }
            fourier s_hat = {array(fft_words(N), 8)};
            fft_forward_i64(plan, s_hat, (const int64_t *)s);
            poly_mul_binary_add(plan, got, a, s_hat, &tmp);
            schoolbook(N, want, a, s);
            assert_memory_equal(want, got, N * 8);
            assert_int_equal(tmp.used, 0);
            mem_free(a), mem_free(s), mem_free(want), mem_free(got), mem_free(s_hat.v);
            scratch_destroy(&tmp);
            fft_plan_destroy(plan);
        }
}

static int64_t digit_slow(uint64_t x, unsigned bg, unsigned l, unsigned level)
{
    __int128 rest = (__int128)(((x >> (63 - bg * l)) + 1) >> 1); /* nearest multiple of 2^(64-bg*l) */
    int64_t digit = 0;
    for (unsigned j = l; j >= level; j--) {
        digit = (int64_t)(rest & (((__int128)1 << bg) - 1));
        rest >>= bg;
        if (digit >= (int64_t)1 << (bg - 1)) {
            digit -= (int64_t)1 << bg;
            rest += 1;
        }
    }
    return digit;
}

/* Digits of X^a p - p through the transform and back equal the balanced decomposition of a slow oracle. */
static void test_rotate_decompose(void **state)
{
    (void)state;
    uint64_t seed = 4;
    const struct {
        unsigned bg, l;
    } gadgets[] = {{23, 1}, {16, 2}, {12, 3}, {8, 6}};
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t g = 0; g < 4; g++)
            for (unsigned round = 0; round < 24; round++) {
                const size_t N = (size_t)256 << round % 3;
                fft_plan *plan;
                assert_ok(fft_plan_create_with(N, variants[v], &plan));
                uint64_t *p = array(N, 8), *other = array(N, 8), *q = round % 2 == 0 ? p : other;
                for (size_t j = 0; j < N; j++) {
                    p[j] = test_random(&seed);
                    other[j] = test_random(&seed);
                }
                const uint32_t edges[6] = {
                    0, (uint32_t)N, 1, (uint32_t)(2 * N - 1), (uint32_t)(N - 8), (uint32_t)N / 8};
                const uint32_t a = round < 6 ? edges[round] : (uint32_t)(test_random(&seed) % (2 * N));
                double *out = array(gadgets[g].l * fft_words(N), 8);
                fft_decompose(plan, out, p, a, q, gadgets[g].bg, gadgets[g].l);
                for (unsigned j = 0; j < gadgets[g].l; j++) {
                    double *level = out + j * fft_words(N);
                    plan->kernels->inverse(plan, level);
                    for (size_t i = 0; i < N; i++) {
                        const size_t from = (i + 2 * N - a) % (2 * N);
                        const uint64_t rotated = from < N ? p[from] : -p[from - N];
                        const int64_t want = digit_slow(rotated - q[i], gadgets[g].bg, gadgets[g].l, j + 1);
                        const double *point = level + fft_at(plan->kernels, i % (N / 2));
                        assert_true(llrint(point[i < N / 2 ? 0 : plan->kernels->lanes]) == want);
                    }
                }
                mem_free(out), mem_free(p), mem_free(other);
                fft_plan_destroy(plan);
            }
}

typedef struct product_case {
    fft_gadget g;
    size_t count;
    int in_place;
} product_case;

/* Column c of the digits of X^a from - base times the matrix, each product and the inverse transform on its own, added
 * to out. */
static void slow_column(const fft_plan *plan, const fft_gadget *g, const uint64_t *from, uint32_t a,
                        const uint64_t *base, const uint64_t *matrix, size_t c, uint64_t *out)
{
    const size_t N = fft_plan_N(plan), masks = (g->columns - 1) * g->l;
    const fourier entry = {array(fft_words(N), 8)}, sum = {array(fft_words(N), 8)};
    double *digits = array(g->l * fft_words(N), 8);
    for (size_t r = 0; r < fft_gadget_rows(g); r++) {
        const size_t poly = r / g->l * N;
        if (r % g->l == 0) fft_decompose(plan, digits, from + poly, a, base + poly, g->bg, r < masks ? g->l : g->lb);
        fft_forward_torus(plan, entry, matrix + (r * g->columns + c) * N);
        fft_mul_add(plan, sum, (fourier){digits + r % g->l * fft_words(N)}, entry);
    }
    fft_inverse_add_torus(plan, out, sum);
    mem_free(entry.v), mem_free(sum.v), mem_free(digits);
}

/* External products against slow ones: rounding of some 2^-51 of the sum's standard deviation sqrt(rows N) 2^bg/12, 16
 * times that allowed, and the words' 2^-51. */
static void external_case(fft_plan *plan, const product_case *t, uint64_t *seed)
{
    const fft_gadget *g = &t->g;
    const size_t N = fft_plan_N(plan), rows = fft_gadget_rows(g), words = g->columns * N;
    const double bound = sqrt((double)(rows * N)) * ldexp(1.0, (int)g->bg - 47) / 12 + 0x1p-50;
    double *packed = array(fft_matrix_words(N, rows, g->columns), 8),
           *digits = array(t->count * fft_digits_words(N, g), 8);
    uint64_t *matrix = array(rows * words, 8), *from = array(t->count * words, 8), *acc = array(t->count * words, 8),
             *want = array(t->count * words, 8), *part[8];
    for (size_t i = 0; i < rows * words; i++) matrix[i] = test_random(seed);
    for (size_t i = 0; i < t->count * words; i++) from[i] = test_random(seed), want[i] = acc[i] = test_random(seed);
    const fourier entry = {array(fft_words(N), 8)};
    for (size_t i = 0; i < rows * g->columns; i++) {
        fft_forward_torus(plan, entry, matrix + i * N);
        fft_matrix_pack(plan, packed, g, i / g->columns, i % g->columns, entry);
    }
    for (size_t q = 0; q < t->count; q++) {
        part[q] = acc + q * words;
        const uint64_t *source = t->in_place ? part[q] : from + q * words;
        const uint32_t a = (uint32_t)(test_random(seed) % (2 * N));
        fft_digits_take(plan, g, digits + q * fft_digits_words(N, g), source, a, part[q]);
        for (size_t c = 0; c < g->columns; c++)
            slow_column(plan, g, source, a, part[q], matrix, c, want + q * words + c * N);
    }
    fft_digits_apply(plan, g, digits, t->count, part, packed, t->in_place ? NULL : packed);
    assert_true(worst_difference(acc, want, t->count * words) < bound);
    mem_free(packed), mem_free(digits), mem_free(matrix), mem_free(from), mem_free(acc), mem_free(want);
    mem_free(entry.v);
}

static void test_external_products(void **state)
{
    (void)state;
    static const product_case cases[] = {
        {{2, 23, 1, 1, 0}, 1, 1}, {{2, 16, 2, 1, 0}, 3, 0}, {{4, 18, 1, 1, 0}, 8, 1},
        {{3, 12, 3, 3, 0}, 2, 0}, {{7, 8, 4, 2, 0}, 1, 1},
    };
    uint64_t seed = 5;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 256; N <= 8192; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            for (size_t i = 0; i < (N <= 2048 ? sizeof cases / sizeof *cases : 2); i++)
                external_case(plan, &cases[i], &seed);
            fft_plan_destroy(plan);
        }
}

typedef struct bundle_case {
    fft_gadget g;
    size_t members, count;
} bundle_case;

/* sum += (X^e - 1) p */
static void add_difference(size_t N, uint64_t *sum, const uint64_t *p, uint32_t e)
{
    for (size_t i = 0; i < N; i++) {
        const size_t to = (i + e) % (2 * N);
        sum[to % N] += to < N ? p[i] : -p[i];
        sum[i] -= p[i];
    }
}

/* Products with combinations against slow ones with matrices combined in the coefficients: as external_case, of sums of
 * 2*members entries. The first vector's exponents are 0, the second's edges. */
static void bundle_products(fft_plan *plan, const bundle_case *t, uint64_t *seed)
{
    const fft_gadget *g = &t->g;
    const size_t N = fft_plan_N(plan), rows = fft_gadget_rows(g), words = g->columns * N, entries = rows * g->columns;
    const double bound = sqrt((double)(2 * t->members * rows * N)) * ldexp(1.0, (int)g->bg - 47) / 12 + 0x1p-50;
    double *packed = array(t->members * fft_matrix_words(N, rows, g->columns), 8),
           *digits = array(t->count * fft_digits_words(N, g), 8);
    uint64_t *matrices = array(t->members * entries * N, 8), *combined = array(entries * N, 8),
             *acc = array(t->count * words, 8), *want = array(t->count * words, 8), *zero = array(words, 8), *part[8];
    uint32_t e[8][FFT_BUNDLE_MOST];
    const uint32_t *exponents[8];
    const fourier entry = {array(fft_words(N), 8)};
    for (size_t i = 0; i < t->members * entries; i++) {
        for (size_t x = 0; x < N; x++) matrices[i * N + x] = test_random(seed);
        fft_forward_torus(plan, entry, matrices + i * N);
        fft_bundle_pack(plan, packed, t->members, g, i / entries, i % entries / g->columns, i % g->columns, entry);
    }
    for (size_t i = 0; i < t->count * words; i++) want[i] = acc[i] = test_random(seed);
    for (size_t q = 0; q < t->count; q++) {
        const uint32_t edges[FFT_BUNDLE_MOST] = {1, (uint32_t)N, (uint32_t)(2 * N - 1), 2, 0, (uint32_t)N - 1, 4};
        for (size_t j = 0; j < t->members; j++)
            e[q][j] = q == 0 ? 0 : q == 1 ? edges[j] : (uint32_t)(test_random(seed) % (2 * N));
        part[q] = acc + q * words;
        exponents[q] = e[q];
        fft_digits_take(plan, g, digits + q * fft_digits_words(N, g), part[q], 0, NULL);
        memset(combined, 0, entries * N * sizeof *combined);
        for (size_t i = 0; i < t->members * entries; i++)
            add_difference(N, combined + i % entries * N, matrices + i * N, e[q][i / entries]);
        for (size_t c = 0; c < g->columns; c++)
            slow_column(plan, g, part[q], 0, zero, combined, c, want + q * words + c * N);
    }
    fft_bundle_apply(plan, g, digits, t->count, part, packed, t->members, exponents, t->count > 1);
    assert_true(worst_difference(acc, want, t->count * words) < bound);
    assert_memory_equal(acc, want, words * sizeof *acc); /* nothing was added */
    mem_free(packed), mem_free(digits), mem_free(matrices), mem_free(combined), mem_free(acc), mem_free(want);
    mem_free(zero), mem_free(entry.v);
}

static void test_bundles(void **state)
{
    (void)state;
    static const bundle_case cases[] = {
        {{2, 23, 1, 1, 0}, 3, 3}, {{2, 16, 2, 1, 0}, 7, 8}, {{4, 18, 1, 1, 0}, 3, 8},
        {{3, 12, 3, 3, 0}, 7, 2}, {{7, 8, 2, 1, 0}, 7, 3},
    };
    uint64_t seed = 6;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 256; N <= 8192; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            for (size_t i = 0; i < (N <= 1024 ? sizeof cases / sizeof *cases : 2); i++)
                bundle_products(plan, &cases[i], &seed);
            fft_plan_destroy(plan);
        }
}

/* wide (polys, N) <- narrow polynomials, whose last words must be the first again; down: and 2^-64 at odd places, so
 * that what is in the middle less it goes down there, as it does from narrow words. */
static void widen(size_t N, size_t polys, const uint64_t *narrow, uint64_t *wide, int down)
{
    for (size_t c = 0; c < polys; c++, narrow += N / 2 + FFT_NARROW_PAD, wide += N) {
        for (size_t i = 0; i < N; i++) wide[i] = fft_narrow_word(N, narrow, i) + (down ? i & 1 : 0);
        assert_memory_equal(narrow, narrow + N / 2, FFT_NARROW_PAD * sizeof *narrow);
    }
}

/* Random words, some multiples of 2^-bits, some in the middle between two. */
static void narrow_random(size_t N, size_t polys, unsigned bits, uint64_t *p, uint64_t *seed)
{
    const uint64_t halves = UINT64_C(1) << 32 | 1, middle = halves << (31 - bits), rest = 2 * middle - halves;
    for (; polys > 0; polys--, p += N / 2 + FFT_NARROW_PAD) {
        for (size_t j = 0; j < N / 2; j++) {
            p[j] = test_random(seed);
            if (j % 4 < 2) p[j] &= ~rest;
            if (j % 4 == 1) p[j] |= middle;
        }
        fft_narrow_close(N, p);
    }
}

/* Products of narrow accumulators, with a matrix (members 0) or a bundle, against those of the same words in 64 bits:
 * bounds of external_case and bundle_products, and the words' 2^-33. */
static void narrow_case(fft_plan *plan, const fft_gadget *g, size_t members, size_t count, uint64_t *seed)
{
    const size_t N = fft_plan_N(plan), rows = fft_gadget_rows(g), entries = rows * g->columns, all = members + !members;
    const size_t words = g->columns * fft_accumulator_words(N, g), polys = g->columns * count;
    const double terms = (double)(rows * N * (members == 0 ? 1 : 2 * members));
    const double bound = sqrt(terms) * ldexp(1.0, (int)g->bg - 47) / 12 + 0x1p-50 + 0x1.001p-33;
    double *packed = array(all * fft_matrix_words(N, rows, g->columns), 8);
    double *digits = array(count * fft_digits_words(N, g), 8);
    uint64_t *matrices = array(all * entries * N, 8), *combined = array(entries * N, 8), *acc = array(count * words, 8);
    uint64_t *from = array(count * words, 8), *wide = array(polys * N, 8), *base = array(polys * N, 8);
    uint64_t *want = array(polys * N, 8), *part[8];
    uint32_t e[8][FFT_BUNDLE_MOST];
    const uint32_t *exponents[8];
    const fourier entry = {array(fft_words(N), 8)};
    for (size_t i = 0; i < all * entries; i++) {
        for (size_t x = 0; x < N; x++) matrices[i * N + x] = test_random(seed);
        fft_forward_torus(plan, entry, matrices + i * N);
        if (members == 0)
            fft_matrix_pack(plan, packed, g, i / g->columns, i % g->columns, entry);
        else
            fft_bundle_pack(plan, packed, members, g, i / entries, i % entries / g->columns, i % g->columns, entry);
    }
    narrow_random(N, polys, g->bg * g->l, acc, seed);
    narrow_random(N, polys, g->bg * g->l, from, seed);
    widen(N, polys, acc, want, 0);
    widen(N, polys, members == 0 ? from : acc, wide, 0);
    for (size_t i = 0; i < polys * N; i++) base[i] = (members == 0 ? want[i] : 0) + (i & 1);
    for (size_t q = 0; q < count; q++) {
        const uint32_t edges[8] = {0, 1, (uint32_t)N, (uint32_t)(2 * N - 1), (uint32_t)N / 2, 3 * (uint32_t)N / 2 + 9};
        const uint32_t a = members > 0 ? 0 : q < 6 ? edges[q] : (uint32_t)(test_random(seed) % (2 * N));
        for (size_t j = 0; j < members; j++) e[q][j] = (uint32_t)(test_random(seed) % (2 * N));
        exponents[q] = e[q], part[q] = acc + q * words;
        fft_digits_take(plan, g, digits + q * fft_digits_words(N, g), members == 0 ? from + q * words : part[q], a,
                        members == 0 ? part[q] : NULL);
        memset(combined, 0, entries * N * sizeof *combined);
        for (size_t i = 0; i < members * entries; i++)
            add_difference(N, combined + i % entries * N, matrices + i * N, e[q][i / entries]);
        for (size_t c = 0; c < g->columns; c++)
            slow_column(plan, g, wide + q * g->columns * N, a, base + q * g->columns * N,
                        members == 0 ? matrices : combined, c, want + (q * g->columns + c) * N);
    }
    if (members == 0)
        fft_digits_apply(plan, g, digits, count, part, packed, NULL);
    else
        fft_bundle_apply(plan, g, digits, count, part, packed, members, exponents, 1);
    widen(N, polys, acc, wide, 0);
    assert_true(worst_difference(wide, want, polys * N) < bound);
    mem_free(packed), mem_free(digits), mem_free(matrices), mem_free(combined), mem_free(acc), mem_free(from);
    mem_free(wide), mem_free(base), mem_free(want), mem_free(entry.v);
}

static void test_narrow(void **state)
{
    (void)state;
    static const fft_gadget gadgets[] = {{2, 23, 1, 1, 1}, {4, 18, 1, 1, 1}, {3, 9, 3, 2, 1}, {7, 6, 2, 1, 1}};
    uint64_t seed = 11;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 256; N <= 4096; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            for (size_t i = 0; i < (N <= 1024 ? 4 : 2); i++)
                for (size_t members = 0; members <= 7; members += members == 0 ? 3 : 4)
                    if (fft_narrow_fits(N, &gadgets[i], members)) narrow_case(plan, &gadgets[i], members, 8, &seed);
            fft_plan_destroy(plan);
        }
}

#define FEW 24u /* coefficients that are not 0 */

/* Word for word, modulo 2^64: out += digits of `few` (columns, N), of which FEW coefficients a polynomial are not 0,
 * times the matrix (rows, columns, N). */
static void few_products(size_t N, const fft_gadget *g, const uint64_t *few, const uint64_t *matrix, uint64_t *out)
{
    for (size_t i = 0; i < g->columns * N; i++) {
        const unsigned levels = i / N + 1 < g->columns ? g->l : g->lb;
        for (unsigned j = 0; few[i] != 0 && j < levels; j++) {
            const uint64_t digit = (uint64_t)digit_slow(few[i], g->bg, levels, j + 1);
            for (size_t c = 0; c < g->columns; c++) {
                const uint64_t *entry = matrix + ((i / N * g->l + j) * g->columns + c) * N;
                for (size_t x = 0; x < N; x++) {
                    const size_t to = i % N + x;
                    out[c * N + to % N] += to < N ? digit * entry[x] : -(digit * entry[x]);
                }
            }
        }
    }
}

/* Products with a matrix (members 0) or a bundle in large rings, where the schoolbook's take too long, of accumulators
 * whose digits are mostly 0: without any transform on the other side. Bound as of external_case and bundle_products. */
static void few_case(fft_plan *plan, const fft_gadget *g, size_t members, uint64_t *seed)
{
    const size_t N = fft_plan_N(plan), rows = fft_gadget_rows(g), entries = rows * g->columns, words = g->columns * N;
    const size_t all = members == 0 ? 1 : members, terms = rows * N * (members == 0 ? 1 : 2 * members);
    const double bound = sqrt((double)terms) * ldexp(1.0, (int)g->bg - 47) / 12 + 0x1p-50;
    double *packed = array(all * fft_matrix_words(N, rows, g->columns), 8), *digits = array(fft_digits_words(N, g), 8);
    uint64_t *matrices = array(all * entries * N, 8), *combined = array(entries * N, 8), *few = array(words, 8);
    uint64_t *acc = array(words, 8), *from = array(words, 8), *want = array(words, 8);
    const uint32_t a = (uint32_t)(test_random(seed) % (2 * N));
    uint32_t e[FFT_BUNDLE_MOST];
    const uint32_t *exponents = e;
    const fourier entry = {array(fft_words(N), 8)};
    for (size_t j = 0; j < FFT_BUNDLE_MOST; j++) e[j] = (uint32_t)(test_random(seed) % (2 * N));
    for (size_t i = 0; i < all * entries * N; i++) matrices[i] = test_random(seed);
    for (size_t i = 0; i < all * entries; i++) {
        const size_t r = i % entries / g->columns, c = i % g->columns;
        fft_forward_torus(plan, entry, matrices + i * N);
        if (members == 0)
            fft_matrix_pack(plan, packed, g, r, c, entry);
        else
            fft_bundle_pack(plan, packed, members, g, i / entries, r, c, entry);
        if (members > 0) add_difference(N, combined + i % entries * N, matrices + i * N, e[i / entries]);
    }
    for (size_t q = 0; q < g->columns; q++) {
        const size_t edges[4] = {0, N / 2 - 1, N / 2, N - 1};
        for (size_t i = 0; i < FEW; i++) few[q * N + (i < 4 ? edges[i] : test_random(seed) % N)] = test_random(seed);
    }
    for (size_t i = 0; i < words; i++) want[i] = acc[i] = members == 0 ? test_random(seed) : few[i];
    for (size_t i = 0; members == 0 && i < words; i++) { /* X^-a (acc + few) */
        const size_t at = (i % N + a) % (2 * N), y = i / N * N + at % N;
        from[i] = at < N ? acc[y] + few[y] : -(acc[y] + few[y]);
    }
    few_products(N, g, few, members == 0 ? matrices : combined, want);
    if (members == 0) {
        fft_digits_take(plan, g, digits, from, a, acc);
        fft_digits_apply(plan, g, digits, 1, &acc, packed, NULL);
    } else {
        fft_digits_take(plan, g, digits, acc, 0, NULL);
        fft_bundle_apply(plan, g, digits, 1, &acc, packed, members, &exponents, 0);
    }
    assert_true(worst_difference(acc, want, words) < bound);
    mem_free(packed), mem_free(digits), mem_free(matrices), mem_free(combined), mem_free(few), mem_free(acc);
    mem_free(from), mem_free(want), mem_free(entry.v);
}

static void test_large_rings(void **state)
{
    (void)state;
    static const fft_gadget gadgets[] = {{2, 23, 1, 1, 0}, {2, 16, 2, 1, 0}};
    uint64_t seed = 7;
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 16384; N <= FFT_MAX_N; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            for (size_t i = 0; i < sizeof gadgets / sizeof *gadgets; i++) {
                few_case(plan, &gadgets[i], 0, &seed);
                few_case(plan, &gadgets[i], i == 0 ? 7 : 3, &seed);
            }
            fft_plan_destroy(plan);
        }
}

/* Sums of 0.98 of the largest that are allowed: all digits -B/2, all entries equal, with `members` of a bundle that
 * X^N - 1 = -2 multiplies, or 0. Coefficient i is factor rows (B/2) entry (N - 2 (i+1)), exactly in words; rounding of
 * 2^-46 of the largest allowed. */
static void largest_products(fft_plan *plan, const fft_gadget *g, size_t members)
{
    const size_t N = fft_plan_N(plan), rows = fft_gadget_rows(g), all = members == 0 ? 1 : members;
    const size_t terms = rows * N * (members == 0 ? 1 : 2 * members);
    const double B = ldexp(1.0, (int)g->bg), most = FFT_SUM_MOST(B, (double)terms), bound = most * 0x1p-46;
    const uint64_t value = 0 - ((uint64_t)(0.98 * most / ((double)terms * B / 2) * 0x1p40) << 24);
    const uint64_t half_base = UINT64_C(1) << (g->bg - 1), factor = members == 0 ? 1 : 0 - 2 * (uint64_t)members;
    double *packed = array(all * fft_matrix_words(N, rows, g->columns), 8), *digits = array(fft_digits_words(N, g), 8);
    uint64_t *from = array(g->columns * N, 8), *acc = array(g->columns * N, 8), *want = array(g->columns * N, 8);
    uint64_t *entry = array(N, 8), digit = 0;
    uint32_t e[FFT_BUNDLE_MOST];
    const uint32_t *exponents = e;
    const fourier f = {array(fft_words(N), 8)};
    for (unsigned j = 1; j <= g->l; j++) digit -= half_base << (64 - g->bg * j);
    for (size_t i = 0; i < g->columns * N; i++) {
        from[i] = g->narrow ? fft_narrow_pair(digit, digit) : digit;
        want[i] = factor * rows * half_base * value * (uint64_t)(N - 2 * (i % N + 1));
    }
    for (size_t j = 0; j < FFT_BUNDLE_MOST; j++) e[j] = (uint32_t)N;
    for (size_t i = 0; i < N; i++) entry[i] = value;
    for (size_t i = 0; i < all * rows * g->columns; i++) {
        const size_t r = i / g->columns % rows, c = i % g->columns;
        fft_forward_torus(plan, f, entry);
        if (members == 0)
            fft_matrix_pack(plan, packed, g, r, c, f);
        else
            fft_bundle_pack(plan, packed, members, g, i / g->columns / rows, r, c, f);
    }
    fft_digits_take(plan, g, digits, from, 0, NULL);
    if (members == 0)
        fft_digits_apply(plan, g, digits, 1, &acc, packed, NULL);
    else
        fft_bundle_apply(plan, g, digits, 1, &acc, packed, members, &exponents, 0);
    if (g->narrow) widen(N, g->columns, acc, from, 0);
    assert_true(worst_difference(g->narrow ? from : acc, want, g->columns * N) < bound);
    mem_free(packed), mem_free(digits), mem_free(from), mem_free(acc), mem_free(want), mem_free(entry), mem_free(f.v);
}

static void test_largest_products(void **state)
{
    (void)state;
    static const fft_gadget gadgets[] = {{2, 23, 1, 1, 0}, {4, 18, 1, 1, 0}, {3, 12, 3, 3, 0}, {7, 8, 2, 2, 0},
                                         {2, 23, 1, 1, 1}, {4, 18, 1, 1, 1}, {7, 8, 2, 2, 1}};
    for (size_t v = 0, count = fft_kernels_all(variants); v < count; v++)
        for (size_t N = 256; N <= 2048; N *= 2) {
            fft_plan *plan;
            assert_ok(fft_plan_create_with(N, variants[v], &plan));
            for (size_t i = 0; i < sizeof gadgets / sizeof *gadgets; i++)
                for (size_t members = 0; members <= 7; members += members == 0 ? 3 : 4)
                    if (!gadgets[i].narrow || fft_narrow_fits(N, &gadgets[i], members))
                        largest_products(plan, &gadgets[i], members);
            fft_plan_destroy(plan);
        }
}

static void test_refusals(void **state)
{
    (void)state;
    fft_plan *plan = NULL;
    assert_refused(fft_plan_create(300, &plan), "power of two");
    assert_refused(fft_plan_create(128, &plan), "power of two");
    assert_refused(fft_plan_create(131072, &plan), "power of two");
    assert_null(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_binary_product_is_exact),
        cmocka_unit_test(test_rotate_decompose),
        cmocka_unit_test(test_external_products),
        cmocka_unit_test(test_bundles),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_large_rings),
        cmocka_unit_test(test_largest_products),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
