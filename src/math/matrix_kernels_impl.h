/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of the integer matrix kernels, written once over the wrappers of a simd_int_<set>.h, which defines:
 *
 *   SIMD_LANES, SIMD_ROWS   32-bit lanes of a vector; multiplier rows whose sums fit the registers
 *   simd_x, simd_pair       vector of 16-bit limbs of two rows; one multiplier for each of the two
 *   simd_sums               what two vectors add up to, for one row of multipliers
 *   simd_load, simd_pair_load, simd_zero
 *   simd_step32, simd_sub32 two rows of SIMD_LANES words modulo 2^32 as lo pairs and hi pairs; y -= sums
 *   simd_pack64             two rows of SIMD_LANES / 2 words as balanced limbs of 16 bits: 4 * SIMD_LANES int16_t
 *   simd_step64, simd_add64 the same for these; y += sums * 2^shift
 *   simd_add_rows           with SIMD_ADD_ROWS: y (D) += the sum of w x over MATRIX_ROWS rows or fewer, modulo 2^64, as
 *                           far as vectors reach; w: of 32 bits, sign extended; returns how far
 *
 * Sums of limbs live in 32 bits. Modulo 2^32 nothing can be lost; the lower limbs of a 64-bit word have sums that must
 * be exact, which CHUNK rows of weights below 2^(WEIGHT_BITS - 1) are: 126 * 2^9 * 2^15 < 2^31. */
#include "math/matrix_priv.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define CHUNK MATRIX_CHUNK
#define GROUP (SIMD_LANES / 2) /* 64-bit words of two vectors */
#define COLUMNS MATRIX_COLUMNS

typedef simd_sums step(simd_sums s, simd_x x0, simd_x x1, simd_pair m);

/* s[b] <- sum over pairs of rows: x0 at x, x1 at x + second, the next pair `stride` further; multipliers (rows, ldm).
 */
INLINE void tile(simd_sums s[SIMD_ROWS], size_t rows, step *add, const int16_t *x, size_t second, size_t stride,
                 size_t pairs, const int16_t *multipliers, size_t ldm)
{
    const int16_t *m[SIMD_ROWS];
    for (size_t b = 0; b < rows; b++) {
        s[b] = simd_zero();
        m[b] = multipliers + b * ldm;
    }
    for (size_t r = 0; r < pairs; r++, x += stride) {
        const simd_x x0 = simd_load(x), x1 = simd_load(x + second);
        for (size_t b = 0; b < rows; b++) s[b] = add(s[b], x0, x1, simd_pair_load(m[b] + 2 * r));
    }
}

typedef struct panel {
    const int16_t *v, *digits;
    size_t pairs, ldd;
} panel;

INLINE void rows32(size_t rows, uint32_t *Y, size_t ldy, size_t columns, const panel *p)
{
    simd_sums s[SIMD_ROWS];
    tile(s, rows, simd_step32, p->v, 2 * PANEL_COLUMNS, PANEL_STEP, p->pairs, p->digits, p->ldd);
    for (size_t b = 0; b < rows; b++) {
        uint32_t y[SIMD_LANES];
        if (columns == SIMD_LANES) {
            simd_sub32(Y + b * ldy, s[b]);
            continue;
        }
        memcpy(y, Y + b * ldy, columns * sizeof *y);
        simd_sub32(y, s[b]);
        memcpy(Y + b * ldy, y, columns * sizeof *y);
    }
}

static void any_rows32(uint32_t *Y, size_t ldy, size_t B, size_t columns, panel p)
{
    for (; B >= SIMD_ROWS; B -= SIMD_ROWS, Y += SIMD_ROWS * ldy, p.digits += SIMD_ROWS * p.ldd)
        rows32(SIMD_ROWS, Y, ldy, columns, &p);
    for (; B >= 2; B -= 2, Y += 2 * ldy, p.digits += 2 * p.ldd) rows32(2, Y, ldy, columns, &p);
    if (B > 0) rows32(1, Y, ldy, columns, &p);
}

static void mul_sub_u32(uint32_t *Y, size_t ldy, const int16_t *digits, size_t ldd, size_t B, const int16_t *panels,
                        size_t pairs, size_t W)
{
    for (size_t w = 0; w < W; w += PANEL_COLUMNS, panels += pairs * PANEL_STEP)
        for (size_t i = 0; i < PANEL_COLUMNS && w + i < W; i += SIMD_LANES) {
            const size_t left = W - w - i;
            const panel p = {.v = panels + 2 * i, .digits = digits, .pairs = pairs, .ldd = ldd};
            any_rows32(Y + w + i, ldy, B, left < SIMD_LANES ? left : SIMD_LANES, p);
        }
}

/* CHUNK rows of COLUMNS words of X and what they are multiplied with. */
typedef struct chunk {
    size_t rows, pairs, columns, groups;
    int16_t *limbs;   /* (groups, pairs, 4 SIMD_LANES) */
    int16_t *weights; /* (SIMD_ROWS, CHUNK): limb `limb` of the weights */
    unsigned limb;
} chunk;

/* Limbs of rows x0, x1 for pair r. */
static void pack_pair(const chunk *c, size_t r, const uint64_t *x0, const uint64_t *x1)
{
    for (size_t g = 0; g < c->groups; g++) {
        const size_t left = c->columns - g * GROUP;
        int16_t *out = c->limbs + (g * c->pairs + r) * 4 * SIMD_LANES;
        uint64_t last[2][GROUP] = {{0}};
        if (left >= GROUP) {
            simd_pack64(out, x0 + g * GROUP, x1 + g * GROUP);
            continue;
        }
        memcpy(last[0], x0 + g * GROUP, left * sizeof **last);
        memcpy(last[1], x1 + g * GROUP, left * sizeof **last);
        simd_pack64(out, last[0], last[1]);
    }
}

static void pack(chunk *c, const uint64_t *const *X, size_t at)
{
    static const uint64_t zeros[COLUMNS] = {0};
    for (size_t r = 0; r < c->pairs; r++) {
        const uint64_t *x0 = X[2 * r], *x1 = 2 * r + 1 < c->rows ? X[2 * r + 1] : NULL;
        pack_pair(c, r, x0 == NULL ? zeros : x0 + at, x1 == NULL ? zeros : x1 + at);
    }
}

/* Balanced limb of WEIGHT_BITS bits, or all of the weight if there is but one. */
static void weights(const chunk *c, unsigned limbs, const int32_t *W, size_t ldw, size_t rows)
{
    const int64_t half = 1 << (WEIGHT_BITS - 1), mask = (1 << WEIGHT_BITS) - 1;
    int64_t balance = 0;
    for (unsigned i = 0; i < WEIGHT_LIMBS; i++) balance += half << (WEIGHT_BITS * i);
    for (size_t o = 0; o < rows; o++) {
        int16_t *out = c->weights + o * CHUNK;
        const int32_t *w = W + o * ldw;
        if (limbs == 1)
            for (size_t i = 0; i < c->rows; i++) out[i] = (int16_t)w[i];
        else
            for (size_t i = 0; i < c->rows; i++)
                out[i] = (int16_t)(((w[i] + balance) >> (WEIGHT_BITS * c->limb) & mask) - half);
    }
}

INLINE void rows64(size_t rows, uint64_t *Y, size_t ldy, const chunk *c)
{
    for (size_t g = 0; g < c->groups; g++, Y += GROUP) {
        const size_t left = c->columns - g * GROUP;
        simd_sums s[SIMD_ROWS];
        tile(s, rows, simd_step64, c->limbs + g * c->pairs * 4 * SIMD_LANES, 2 * SIMD_LANES, 4 * SIMD_LANES, c->pairs,
             c->weights, CHUNK);
        for (size_t o = 0; o < rows; o++) {
            uint64_t y[GROUP];
            if (left >= GROUP) {
                simd_add64(Y + o * ldy, s[o], WEIGHT_BITS * c->limb);
                continue;
            }
            memcpy(y, Y + o * ldy, left * sizeof *y);
            simd_add64(y, s[o], WEIGHT_BITS * c->limb);
            memcpy(Y + o * ldy, y, left * sizeof *y);
        }
    }
}

static void any_rows64(uint64_t *Y, size_t ldy, chunk *c, unsigned limbs, const int32_t *W, size_t ldw, size_t O)
{
    for (size_t o = 0; o < O;) {
        const size_t left = O - o, rows = left >= SIMD_ROWS ? SIMD_ROWS : left >= 2 ? 2 : 1;
        for (c->limb = 0; c->limb < limbs; c->limb++) {
            weights(c, limbs, W + o * ldw, ldw, rows);
            if (rows == SIMD_ROWS)
                rows64(SIMD_ROWS, Y + o * ldy, ldy, c);
            else if (rows == 2)
                rows64(2, Y + o * ldy, ldy, c);
            else
                rows64(1, Y + o * ldy, ldy, c);
        }
        o += rows;
    }
}

static void mul_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t ldw, size_t O, size_t C, unsigned limbs,
                        const uint64_t *const *X, size_t at, size_t D)
{
    int16_t packed[COLUMNS / GROUP * (CHUNK / 2) * 4 * SIMD_LANES] __attribute__((aligned(64)));
    int16_t narrow[SIMD_ROWS * CHUNK] __attribute__((aligned(64))) = {0};
    chunk c = {.limbs = packed, .weights = narrow, .rows = C, .pairs = (C + 1) / 2, .columns = D};
    c.groups = (D + GROUP - 1) / GROUP;
    pack(&c, X, at);
    any_rows64(Y, ldy, &c, limbs, W, ldw, O);
}

/* ---- few outputs ------------------------------------------------------------------------------------------------- */

#define BLOCK 64u /* words of MATRIX_ROWS rows that are in the first-level cache at a time */

/* Rows that are added at once, and those to be fetched meanwhile. */
typedef struct few {
    const uint64_t *x[MATRIX_ROWS], *next[MATRIX_ROWS];
    size_t column[MATRIX_ROWS], rows;
} few;

/* Of X (C), from row c on, those that are there, and the first of them again; returns the row behind them. */
static size_t take_rows(few *f, const uint64_t *const *X, size_t c, size_t C, size_t at)
{
    for (f->rows = 0; c < C && f->rows < MATRIX_ROWS; c++)
        if (X[c] != NULL) f->x[f->rows] = X[c] + at, f->column[f->rows++] = c;
    for (size_t k = f->rows; k < MATRIX_ROWS; k++) f->x[k] = f->x[0];
    for (size_t k = 0; k < MATRIX_ROWS; k++) f->next[k] = X[c + k] == NULL ? NULL : X[c + k] + at;
    return c;
}

/* Into the second-level cache: rows lie a power of two apart but for a word, and the first level holds few of those. */
static void fetch(const few *f, size_t d, size_t D)
{
    for (size_t k = 0; k < MATRIX_ROWS; k++)
        for (size_t i = 0; f->next[k] != NULL && i < D; i += 8) __builtin_prefetch(f->next[k] + d + i, 0, 2);
}

INLINE void add_rows(size_t rows, uint64_t *restrict y, const few *f, const int32_t *W, size_t d, size_t D)
{
    const uint64_t *x[MATRIX_ROWS];
    uint64_t w[MATRIX_ROWS];
    size_t i = 0;
    for (size_t k = 0; k < rows; k++) {
        x[k] = f->x[k] + d;
        w[k] = k < f->rows ? (uint64_t)(int64_t)W[f->column[k]] : 0;
    }
#ifdef SIMD_ADD_ROWS
    i = simd_add_rows(rows, y, x, w, D);
#endif
    for (; i < D; i++) {
        uint64_t sum = y[i];
        for (size_t k = 0; k < rows; k++) sum += w[k] * x[k][i];
        y[i] = sum;
    }
}

static void mul_add_few_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *const *X,
                            size_t at, size_t D)
{
    few f = {.rows = 0};
    for (size_t c = 0; c < C;) {
        c = take_rows(&f, X, c, C, at);
        for (size_t d = 0; d < D; d += BLOCK) {
            const size_t columns = D - d < BLOCK ? D - d : BLOCK;
            fetch(&f, d, columns);
            for (size_t o = 0; o < O; o++) {
                uint64_t *y = Y + o * ldy + d;
                if (f.rows > 2)
                    add_rows(MATRIX_ROWS, y, &f, W + o * C, d, columns);
                else if (f.rows > 0)
                    add_rows(2, y, &f, W + o * C, d, columns);
            }
        }
    }
}
