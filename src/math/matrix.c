/* SPDX-License-Identifier: Apache-2.0 */
#include "math/matrix.h"

#include "base/memory.h"
#include "math/matrix_priv.h"

#include <stdatomic.h>

static void mul_add_u64_ref(uint64_t *Y, size_t ldy, const int32_t *W, size_t ldw, size_t O, size_t C, unsigned limbs,
                            const uint64_t *const *X, size_t at, size_t D)
{
    (void)limbs;
    for (size_t o = 0; o < O; o++)
        for (size_t c = 0; c < C; c++) {
            const uint64_t w = (uint64_t)(int64_t)W[o * ldw + c];
            for (size_t d = 0; d < D && X[c] != NULL; d++) Y[o * ldy + d] += w * X[c][at + d];
        }
}

static void mul_add_few_u64_ref(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *const *X,
                                size_t at, size_t D)
{
    mul_add_u64_ref(Y, ldy, W, C, O, C, WEIGHT_LIMBS, X, at, D);
}

/* The word of row `odd` (0 or 1) of a pair, column `i` of the panel. */
static uint32_t panel_word(const int16_t *pair, size_t odd, size_t i)
{
    const int16_t *lo = pair + 2 * i + odd;
    return ((uint32_t)lo[2 * PANEL_COLUMNS] << 16) + (uint32_t)*lo;
}

static void mul_sub_u32_ref(uint32_t *Y, size_t ldy, const int16_t *digits, size_t ldd, size_t B, const int16_t *panels,
                            size_t pairs, size_t W)
{
    for (size_t w = 0; w < W; w++) {
        const int16_t *panel = panels + w / PANEL_COLUMNS * pairs * PANEL_STEP;
        for (size_t r = 0; r < 2 * pairs; r++) {
            const uint32_t word = panel_word(panel + r / 2 * PANEL_STEP, r % 2, w % PANEL_COLUMNS);
            for (size_t b = 0; b < B; b++) Y[b * ldy + w] -= (uint32_t)digits[b * ldd + r] * word;
        }
    }
}

const matrix_kernels matrix_kernels_ref = {.name = "ref",
                                           .mul_add_u64 = mul_add_u64_ref,
                                           .mul_add_few_u64 = mul_add_few_u64_ref,
                                           .mul_sub_u32 = mul_sub_u32_ref};

const matrix_kernels *matrix_kernels_for(cpu_level level)
{
#if !defined(ANNULUS_PORTABLE) && defined(__x86_64__)
    if (level == CPU_AVX512) return cpu_has_vnni(level) ? &matrix_kernels_avx512vnni : &matrix_kernels_avx512;
    if (level == CPU_AVX2) return cpu_has_vnni(level) ? &matrix_kernels_avxvnni : &matrix_kernels_avx2;
#elif !defined(ANNULUS_PORTABLE) && defined(__aarch64__)
    if (level == CPU_NEON) return &matrix_kernels_neon;
#endif
    (void)level;
    return &matrix_kernels_ref;
}

size_t matrix_kernels_all(const matrix_kernels *out[MATRIX_VARIANTS])
{
    size_t count = 0;
    out[count++] = &matrix_kernels_ref;
#if !defined(ANNULUS_PORTABLE) && defined(__x86_64__)
    if (cpu_level_has(CPU_AVX2)) out[count++] = &matrix_kernels_avx2;
    if (cpu_has_vnni(CPU_AVX2)) out[count++] = &matrix_kernels_avxvnni;
    if (cpu_level_has(CPU_AVX512)) out[count++] = &matrix_kernels_avx512;
    if (cpu_has_vnni(CPU_AVX512)) out[count++] = &matrix_kernels_avx512vnni;
#elif !defined(ANNULUS_PORTABLE) && defined(__aarch64__)
    out[count++] = &matrix_kernels_neon;
#endif
    return count;
}

/* At the first call; threads that come at once choose the same. */
static _Atomic(const matrix_kernels *) chosen;

void matrix_kernels_choose(void)
{
    atomic_store_explicit(&chosen, NULL, memory_order_relaxed);
}

static const matrix_kernels *kernels(void)
{
    const matrix_kernels *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (k == NULL) {
        k = matrix_kernels_for(cpu_level_get());
        atomic_store_explicit(&chosen, k, memory_order_relaxed);
    }
    return k;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void matrix_gather_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, unsigned limbs,
                           const uint64_t *const *X, size_t at, size_t D)
{
    if (O <= MATRIX_FEW) {
        kernels()->mul_add_few_u64(Y, ldy, W, O, C, X, at, D);
        return;
    }
    for (size_t d = 0; d < D; d += MATRIX_COLUMNS)
        for (size_t c = 0; c < C; c += MATRIX_CHUNK)
            kernels()->mul_add_u64(Y + d, ldy, W + c, C, O, least(C - c, MATRIX_CHUNK), limbs, X + c, at + d,
                                   least(D - d, MATRIX_COLUMNS));
}

void matrix_mul_add_u64(uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C, const uint64_t *X, size_t ldx,
                        size_t D)
{
    const uint64_t *rows[MATRIX_CHUNK];
    const unsigned limbs = matrix_weight_limbs(W, O * C);
    for (size_t d = 0; d < D; d += MATRIX_COLUMNS)
        for (size_t c = 0; c < C; c += MATRIX_CHUNK) {
            const size_t count = least(C - c, MATRIX_CHUNK);
            for (size_t i = 0; i < count; i++) rows[i] = X + (c + i) * ldx;
            kernels()->mul_add_u64(Y + d, ldy, W + c, C, O, count, limbs, rows, d, least(D - d, MATRIX_COLUMNS));
        }
}

/* 511, 511 * 1025, ... and their negations. */
unsigned matrix_weight_limbs(const int32_t *W, size_t count)
{
    int32_t lowest = 0, most = 0;
    for (size_t i = 0; i < count; i++) {
        lowest = W[i] < lowest ? W[i] : lowest;
        most = W[i] > most ? W[i] : most;
    }
    int32_t bound = 0;
    for (unsigned limbs = 1; limbs < WEIGHT_LIMBS; limbs++) {
        bound = (bound << WEIGHT_BITS) + (1 << (WEIGHT_BITS - 1)) - 1;
        if (lowest >= -bound && most <= bound) return limbs;
    }
    return WEIGHT_LIMBS;
}

static size_t panels_of(const matrix_u32 *K)
{
    return (K->W + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
}

/* Pairs of rows in block m. */
static size_t pairs_of(const matrix_u32 *K, size_t m)
{
    const size_t left = K->R - m * K->block;
    return left < K->block ? (left + 1) / 2 : K->block / 2;
}

static int16_t *block_at(const matrix_u32 *K, size_t m)
{
    return K->v + m * (K->block / 2) * panels_of(K) * PANEL_STEP;
}

annulus_status matrix_u32_create(size_t R, size_t W, size_t block, matrix_u32 **out)
{
    void *p, *v;
    TRY(mem_create(1, sizeof(matrix_u32), "matrix", &p));
    matrix_u32 *K = p;
    *K = (matrix_u32){.R = R, .W = W, .block = block};
    const annulus_status st =
        mem_create((R + 1) / 2 * panels_of(K), PANEL_STEP * sizeof(int16_t), "matrix of words modulo 2^32", &v);
    K->v = v;
    if (st == ANNULUS_OK)
        *out = K;
    else
        matrix_u32_destroy(K);
    return st;
}

void matrix_u32_destroy(matrix_u32 *K)
{
    if (K != NULL) mem_free(K->v);
    mem_free(K);
}

size_t matrix_u32_blocks(const matrix_u32 *K)
{
    return (K->R + K->block - 1) / K->block;
}

void matrix_u32_set(matrix_u32 *K, size_t r, const uint32_t *row)
{
    const size_t m = r / K->block, pairs = pairs_of(K, m), at = r % K->block;
    int16_t *block = block_at(K, m) + at / 2 * PANEL_STEP + at % 2;
    for (size_t w = 0; w < K->W; w++) {
        int16_t *lo = block + w / PANEL_COLUMNS * pairs * PANEL_STEP + 2 * (w % PANEL_COLUMNS);
        const uint32_t balanced = (row[w] + UINT32_C(0x8000)) ^ UINT32_C(0x8000); /* lo + 2^15 carries into hi */
        lo[0] = (int16_t)(uint16_t)balanced;
        lo[2 * PANEL_COLUMNS] = (int16_t)(uint16_t)(balanced >> 16);
    }
}

void matrix_u32_mul_sub(uint32_t *Y, size_t ldy, const int16_t *digits, size_t B, const matrix_u32 *K, size_t m)
{
    kernels()->mul_sub_u32(Y, ldy, digits, K->block, B, block_at(K, m), pairs_of(K, m), K->W);
}
