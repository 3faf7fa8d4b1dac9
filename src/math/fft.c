/* SPDX-License-Identifier: Apache-2.0 */
#include "math/fft.h"

#include "math/fft_priv.h"
#include <math.h>
#include <string.h>

#define MOST_LEAD 128u
#define LIMB_BITS 22u /* N * 2^22 <= 2^38: exact in double precision after rounding */

const fft_kernels *fft_kernels_for(cpu_level level)
{
    switch (level) {
#if !defined(ANNULUS_PORTABLE) && defined(__x86_64__)
    case CPU_AVX512:
        return cpu_adds_beside_products() ? &fft_kernels_avx512add : &fft_kernels_avx512;
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

size_t fft_kernels_all(const fft_kernels *out[FFT_VARIANTS])
{
    size_t count = 0;
    out[count++] = &fft_kernels_ref;
#if !defined(ANNULUS_PORTABLE) && defined(__x86_64__)
    if (cpu_level_has(CPU_AVX2)) out[count++] = &fft_kernels_avx2;
    if (cpu_level_has(CPU_AVX512)) out[count++] = &fft_kernels_avx512;
    if (cpu_level_has(CPU_AVX512)) out[count++] = &fft_kernels_avx512add;
#elif !defined(ANNULUS_PORTABLE) && defined(__aarch64__)
    out[count++] = &fft_kernels_neon;
#endif
    return count;
}

static void roots_fill(fft_plan *plan)
{
    const long double half_turn = 3.14159265358979323846264338327950288L;
    for (size_t x = 0; x < 2 * plan->N; x++) {
        double *root = plan->roots + 2 * ((x & 3) * plan->M + x / 4);
        root[0] = (double)cosl(half_turn * (long double)x / (long double)plan->N);
        root[1] = (double)sinl(half_turn * (long double)x / (long double)plan->N);
    }
}

annulus_status fft_plan_create_with(size_t N, const fft_kernels *kernels, fft_plan **out)
{
    if (N < FFT_MIN_N || N > FFT_MAX_N || (N & (N - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT, "ring degree N = %zu: must be a power of two from %u to %u", N, FFT_MIN_N,
                    FFT_MAX_N);
    void *p;
    TRY(mem_create(1, ROUND_UP(sizeof(fft_plan)) + (4 * N + kernels->tables_words(N / 2)) * sizeof(double), "FFT plan",
                   &p));
    fft_plan *plan = p;
    *plan = (fft_plan){.N = N, .M = N / 2, .kernels = kernels};
    plan->roots = (double *)(void *)((unsigned char *)p + ROUND_UP(sizeof(fft_plan)));
    roots_fill(plan);
    plan->forward_scalars = plan->roots + 4 * N;
    kernels->tables_fill(plan);
    *out = plan;
    return ANNULUS_OK;
}

const char *fft_kernels_name(void)
{
    return fft_kernels_for(cpu_level_get())->name;
}

annulus_status fft_plan_create(size_t N, fft_plan **out)
{
    return fft_plan_create_with(N, fft_kernels_for(cpu_level_get()), out);
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

void fft_words_add(const fft_plan *plan, uint64_t *c, const double *v)
{
    for (size_t j = 0; j < plan->M; j++) {
        const double *point = v + fft_at(plan->kernels, j);
        c[j] += torus_word(point[0]);
        c[j + plan->M] += torus_word(point[plan->kernels->lanes]);
    }
}

void fft_inverse_add_torus(const fft_plan *plan, uint64_t *c, fourier in)
{
    plan->kernels->inverse(plan, in.v);
    fft_words_add(plan, c, in.v);
}

/* The nearest integer to |x| < 2^51, ties to even. */
static inline uint64_t nearest(double x)
{
    const double shifter = 0x1.8p52;
    uint64_t bits, zero;
    x += shifter;
    memcpy(&bits, &x, sizeof bits);
    memcpy(&zero, &shifter, sizeof zero);
    return bits - zero;
}

static inline void halves_join(size_t lanes, uint64_t *last, const double *high, const double *low)
{
    for (size_t i = 0; i < lanes; i++) *(last - i) = (nearest(high[i]) << 32) + nearest(low[i]);
}

void fft_inverse_halves_reversed(const fft_plan *plan, uint64_t *c, fourier high, fourier low)
{
    const size_t lanes = plan->kernels->lanes, M = plan->M;
    uint64_t *last = c + 2 * M - 1;
    plan->kernels->inverse(plan, high.v);
    plan->kernels->inverse(plan, low.v);
    for (size_t j = 0; j < M; j += lanes) {
        const size_t at = fft_at(plan->kernels, j);
        if (lanes == 8) { /* vectors */
            halves_join(8, last - j, high.v + at, low.v + at);
            halves_join(8, last - j - M, high.v + at + 8, low.v + at + 8);
        } else {
            halves_join(lanes, last - j, high.v + at, low.v + at);
            halves_join(lanes, last - j - M, high.v + at + lanes, low.v + at + lanes);
        }
    }
}

void fft_mul_add(const fft_plan *plan, fourier acc, fourier a, fourier b)
{
    plan->kernels->mul_add(plan->M, acc.v, a.v, b.v);
}

void fft_dot(const fft_plan *plan, fourier out, fourier a, size_t a_stride, fourier b, size_t b_stride, size_t count)
{
    plan->kernels->dot(plan->M, out.v, a.v, a_stride, b.v, b_stride, count);
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
            c[j] += nearest(point[0]) << shift;
            c[j + M] += nearest(point[plan->kernels->lanes]) << shift;
        }
    }
    tmp->used = mark;
}

void fft_decompose(const fft_plan *plan, double *out, const uint64_t *p, uint32_t a, const uint64_t *q, unsigned bg,
                   unsigned l)
{
    const size_t words = fft_words(plan->N);
    a &= (uint32_t)(2 * plan->N - 1);
    plan->kernels->first_pass(plan, out, words, p, a, q, bg, l, fft_digit_offset(bg, l));
    for (unsigned j = 0; j < l; j++) plan->kernels->forward_rest(plan, out + j * words);
}

size_t fft_matrix_words(size_t N, size_t rows, size_t columns)
{
    return fft_words(N) * rows * columns;
}

/* Doubles from one row of digits to the next, beginning with room for the lead. Not a multiple of a page: the rows'
 * groups, read together, would fall into one set of the cache. */
static size_t row_words(size_t N)
{
    return fft_words(N) + MOST_LEAD;
}

size_t fft_gadget_rows(const fft_gadget *g)
{
    return (g->columns - 1) * g->l + g->lb;
}

/* A product's coefficient is a sum of rows*N digits, of at most B/2, times words of a key, which look random: at most
 * B sqrt(rows N)/(4 sqrt(3)) its deviation is, or of 2*members such sums. 27 of those, FFT_SUM_MOST, are below 2 to
 * this. */
static unsigned sum_bits(size_t N, const fft_gadget *g, size_t members)
{
    const size_t terms = fft_gadget_rows(g) * N * (members == 0 ? 1 : 2 * members);
    return g->bg + 2 + (65 - (unsigned)__builtin_clzll(terms - 1)) / 2;
}

int fft_narrow_fits(size_t N, const fft_gadget *g, size_t members)
{
    return g->bg * g->l <= FFT_NARROW_MOST && sum_bits(N, g, members) <= 31;
}

size_t fft_accumulator_words(size_t N, const fft_gadget *g)
{
    return g->narrow ? N / 2 + FFT_NARROW_PAD : N;
}

void fft_narrow_close(size_t N, uint64_t *p)
{
    memcpy(p + N / 2, p, FFT_NARROW_PAD * sizeof *p);
}

/* The b for which sums scaled by 2^b are below 2^63. All words of an accumulator are multiples of 2^-b then, and ties
 * of the gadget's rounding (to -B/2) shift each coefficient by half of that: for a b from the largest sum of any key, 2
 * or 3 less, that added as much noise as the transform has. */
static unsigned product_bits(const fft_plan *plan, const fft_gadget *g, size_t members)
{
    const unsigned used = sum_bits(plan->N, g, members);
    if (!plan->kernels->scaled_products || used > 63) return 0;
    return g->narrow ? 32 : 63 - used;
}

static void product_scale(const fft_plan *plan, const fft_gadget *g, size_t members, fourier in)
{
    const double scale = (double)(UINT64_C(1) << product_bits(plan, g, members));
    for (size_t i = 0; i < plan->N; i++) in.v[i] *= scale;
}

void fft_matrix_pack(const fft_plan *plan, double *matrix, const fft_gadget *g, size_t r, size_t c, fourier in)
{
    product_scale(plan, g, 0, in);
    plan->kernels->matrix_pack(plan, matrix, fft_gadget_rows(g), g->columns, r, c, in.v);
}

size_t fft_digits_words(size_t N, const fft_gadget *g)
{
    return fft_gadget_rows(g) * row_words(N);
}

void fft_digits_take(const fft_plan *plan, const fft_gadget *g, double *digits, const uint64_t *from, uint32_t a,
                     const uint64_t *base)
{
    const size_t N = plan->N, stride = row_words(N);
    double *v = digits + MOST_LEAD;
    a &= (uint32_t)(2 * N - 1);
    if (g->narrow) {
        plan->kernels->narrow_first(plan, g, v, stride, from, a, base);
        return;
    }
    for (size_t c = 0; c < g->columns; c++, v += g->l * stride) {
        const unsigned l = c + 1 == g->columns ? g->lb : g->l;
        plan->kernels->first_pass(plan, v, stride, from + c * N, a, base == NULL ? NULL : base + c * N, g->bg, l,
                                  fft_digit_offset(g->bg, l));
    }
}

static fft_middle middle_of(const fft_plan *plan, const fft_gadget *g, size_t count, const double *matrix,
                            const double *next)
{
    return (fft_middle){.count = count,
                        .rows = fft_gadget_rows(g),
                        .columns = g->columns,
                        .stride = row_words(plan->N),
                        .matrix = matrix,
                        .next = next};
}

static void products_add(const fft_plan *plan, const fft_gadget *g, const fft_middle *m, double *digits,
                         uint64_t *const *acc, unsigned bits)
{
    const fft_kernels *kernels = plan->kernels;
    const size_t words = fft_accumulator_words(plan->N, g);
    for (size_t q = 0; q < m->count; q++)
        for (size_t c = 0; c < m->columns; c++) {
            double *v = digits + MOST_LEAD + (q * m->rows + c) * m->stride - kernels->lead;
            if (g->narrow)
                kernels->narrow_add(plan, v, acc[q] + c * words);
            else
                kernels->last_add(plan, v, acc[q] + c * words, bits);
        }
}

void fft_digits_apply(const fft_plan *plan, const fft_gadget *g, double *digits, size_t count, uint64_t *const *acc,
                      const double *matrix, const double *next)
{
    const fft_middle m = middle_of(plan, g, count, matrix, next);
    plan->kernels->middle(plan, digits + MOST_LEAD, &m);
    products_add(plan, g, &m, digits, acc, product_bits(plan, g, 0));
}

void fft_bundle_pack(const fft_plan *plan, double *bundle, size_t members, const fft_gadget *g, size_t j, size_t r,
                     size_t c, fourier in)
{
    product_scale(plan, g, members, in);
    plan->kernels->bundle_pack(plan, bundle, members, fft_gadget_rows(g), g->columns, j, r, c, in.v);
}

void fft_bundle_apply(const fft_plan *plan, const fft_gadget *g, double *digits, size_t count, uint64_t *const *acc,
                      const double *bundle, size_t members, const uint32_t *const *exponents, int ahead)
{
    fft_middle m = middle_of(plan, g, count, bundle, ahead ? bundle : NULL);
    m.members = members;
    m.exponents = exponents;
    plan->kernels->bundle(plan, digits + MOST_LEAD, &m);
    products_add(plan, g, &m, digits, acc, product_bits(plan, g, members));
}
