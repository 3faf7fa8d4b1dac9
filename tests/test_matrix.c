/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/cpu.h"
#include "math/matrix_priv.h"
#include <stdlib.h>

static const matrix_kernels *variants[MATRIX_VARIANTS];

/* Weights at the ends and inside of what one, two, three and four limbs hold. */
static int32_t weight(unsigned wide, uint64_t *seed)
{
    static const int32_t most[4] = {511, 511 * 1025, 511 * 1025 * 1024 + 511, INT32_MAX};
    const uint64_t r = test_random(seed);
    if (r % 8 == 0) return most[wide];
    if (r % 8 == 1) return -most[wide];
    return (int32_t)((int64_t)(r >> 20) % most[wide]) * (r % 8 < 5 ? 1 : -1);
}

/* Y += W X by the tiles of one variant. */
static void gather(const matrix_kernels *k, uint64_t *Y, size_t ldy, const int32_t *W, size_t O, size_t C,
                   const uint64_t *X, size_t ldx, size_t D)
{
    const unsigned limbs = matrix_weight_limbs(W, O * C);
    for (size_t d = 0; d < D; d += MATRIX_COLUMNS)
        for (size_t c = 0; c < C; c += MATRIX_CHUNK) {
            const size_t rows = C - c < MATRIX_CHUNK ? C - c : MATRIX_CHUNK;
            const uint64_t *x[MATRIX_CHUNK];
            for (size_t i = 0; i < rows; i++) x[i] = X + (c + i) * ldx;
            k->mul_add_u64(Y + d, ldy, W + c, C, O, rows, limbs, x, d, D - d < MATRIX_COLUMNS ? D - d : MATRIX_COLUMNS);
        }
}

static void test_mul_add_u64(void **state)
{
    (void)state;
    uint64_t seed = 1;
    const size_t shapes[][3] = {{1, 1, 1},    {2, 3, 8},  {3, 5, 17},    {7, 20, 130},
                                {8, 64, 257}, {1, 9, 64}, {17, 300, 70}, {9, 127, 5}};
    for (size_t v = 0; v < matrix_kernels_all(variants); v++)
        for (size_t s = 0; s < 4 * (sizeof shapes / sizeof *shapes); s++) {
            const unsigned wide = (unsigned)(s % 4);
            const size_t O = shapes[s / 4][0], C = shapes[s / 4][1], D = shapes[s / 4][2], ldx = D + 3, ldy = D + 1;
            int32_t *W = calloc(O * C, sizeof *W);
            uint64_t *X = calloc(C * ldx, 8), *Y = calloc(O * ldy, 8), *want = calloc(O * ldy, 8);
            for (size_t i = 0; i < O * C; i++) W[i] = weight(wide, &seed);
            if (wide == 3 && O * C > 1) W[0] = INT32_MIN, W[1] = INT32_MAX;
            for (size_t i = 0; i < C * ldx; i++) X[i] = test_random(&seed);
            for (size_t i = 0; i < O * ldy; i++) Y[i] = want[i] = test_random(&seed);
            for (size_t o = 0; o < O; o++)
                for (size_t c = 0; c < C; c++)
                    for (size_t d = 0; d < D; d++)
                        want[o * ldy + d] += (uint64_t)(int64_t)W[o * C + c] * X[c * ldx + d];
            gather(variants[v], Y, ldy, W, O, C, X, ldx, D);
            assert_memory_equal(want, Y, O * ldy * 8); /* the word behind each row is untouched */
            free(W), free(X), free(Y), free(want);
        }
}

/* Few outputs, of rows anywhere, some of them missing, as the reference has them: every variant, weights of any width,
 * with and without rows behind. */
static void test_few(void **state)
{
    (void)state;
    uint64_t seed = 6;
    const size_t shapes[][2] = {{1, 1}, {1, 130}, {2, 64}, {3, 9}, {4, 2049}, {5, 8}, {9, 67}, {130, 200}};
    for (size_t v = 0; v < matrix_kernels_all(variants); v++)
        for (size_t s = 0; s < 4 * (sizeof shapes / sizeof *shapes); s++)
            for (size_t O = 1; O <= MATRIX_FEW; O++) {
                const size_t C = shapes[s / 4][0], D = shapes[s / 4][1], at = s % 3, ldx = D + at, ldy = D + 1;
                int32_t *W = calloc(O * C, sizeof *W);
                uint64_t *X = calloc(C * ldx, 8), *Y = calloc(O * ldy, 8), *want = calloc(O * ldy, 8);
                const uint64_t **rows = calloc(C + MATRIX_ROWS, sizeof *rows);
                for (size_t i = 0; i < O * C; i++) W[i] = weight((unsigned)(s % 4), &seed);
                for (size_t i = 0; i < C * ldx; i++) X[i] = test_random(&seed);
                for (size_t i = 0; i < O * ldy; i++) Y[i] = want[i] = test_random(&seed);
                for (size_t c = 0; c < C + MATRIX_ROWS; c++)
                    if (test_random(&seed) % 4 != 0) rows[c] = X + test_random(&seed) % C * ldx;
                matrix_kernels_ref.mul_add_u64(want, ldy, W, C, O, C, 4, rows, at, D);
                variants[v]->mul_add_few_u64(Y, ldy, W, O, C, rows, at, D);
                assert_memory_equal(want, Y, O * ldy * 8); /* the word behind each row is untouched */
                free(W), free(X), free(Y), free(want), free(rows);
            }
}

/* Rows anywhere, some of them missing, as the product of a matrix that has them. */
static void test_gather(void **state)
{
    (void)state;
    enum { O = 5, C = 140, D = 131, AT = 3, ROWS = 40 };
    uint64_t seed = 4, *X = calloc(C * D, 8), *from = calloc(ROWS * (D + AT), 8), got[O * D], want[O * D];
    const uint64_t *rows[C + MATRIX_ROWS] = {NULL};
    int32_t W[O * C];
    for (size_t i = 0; i < ROWS * (D + AT); i++) from[i] = test_random(&seed);
    for (size_t i = 0; i < O * C; i++) W[i] = weight(0, &seed);
    for (size_t i = 0; i < O * D; i++) got[i] = want[i] = test_random(&seed);
    for (size_t c = 0; c < C; c++) {
        rows[c] = c % 7 == 0 ? NULL : from + test_random(&seed) % ROWS * (D + AT);
        if (rows[c] != NULL) memcpy(X + c * D, rows[c] + AT, D * 8);
    }
    matrix_mul_add_u64(want, D, W, O, C, X, D, D);
    matrix_gather_add_u64(got, D, W, O, C, 1, rows, AT, D);
    assert_memory_equal(want, got, sizeof want);
    free(X), free(from);
}

/* Y -= digits K by every variant on a matrix of one block, digits at both ends among them. */
static void product_case(size_t B, size_t R, size_t W, uint64_t *seed)
{
    const size_t ldd = (R + 1) / 2 * 2, ldy = W + 2;
    int16_t *digits = calloc(B * ldd, sizeof *digits);
    uint32_t *rows = calloc(R * W, 4), *start = calloc(B * ldy, 4), *Y = calloc(B * ldy, 4), *want = calloc(B * ldy, 4);
    matrix_u32 *K = NULL;
    assert_ok(matrix_u32_create(R, W, ldd, &K));
    for (size_t i = 0; i < B * ldd; i++)
        digits[i] = (int16_t)(i % 5 == 0 ? 1 << 14 : i % 5 == 1 ? -(1 << 14) : (int)(test_random(seed) % 33) - 16);
    for (size_t i = 0; i < R * W; i++) rows[i] = i % 7 == 0 ? UINT32_C(0x7fff8000) : (uint32_t)test_random(seed);
    for (size_t r = 0; r < R; r++) matrix_u32_set(K, r, rows + r * W);
    for (size_t i = 0; i < B * ldy; i++) start[i] = want[i] = (uint32_t)test_random(seed);
    for (size_t b = 0; b < B; b++)
        for (size_t r = 0; r < R; r++)
            for (size_t w = 0; w < W; w++) want[b * ldy + w] -= (uint32_t)digits[b * ldd + r] * rows[r * W + w];
    for (size_t v = 0; v < matrix_kernels_all(variants); v++) {
        memcpy(Y, start, B * ldy * 4);
        variants[v]->mul_sub_u32(Y, ldy, digits, ldd, B, K->v, ldd / 2, W);
        assert_memory_equal(want, Y, B * ldy * 4); /* the words behind each row are untouched */
    }
    matrix_u32_destroy(K);
    free(digits), free(rows), free(start), free(Y), free(want);
}

static void test_mul_sub_u32(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (size_t B = 1; B <= 33; B++) product_case(B, 1 + 3 * B % 11, 1 + 7 * B % 67, &seed);
    product_case(8, 128, 600, &seed);
    product_case(32, 511, 49, &seed);
}

/* Blocks one after another, the last one short and odd. */
static void test_blocks(void **state)
{
    (void)state;
    enum { R = 21, W = 40, BLOCK = 8, B = 3 };
    uint64_t seed = 3;
    uint32_t row[W], Y[B][W] = {{0}}, want[B][W] = {{0}};
    matrix_u32 *K = NULL;
    assert_ok(matrix_u32_create(R, W, BLOCK, &K));
    assert_int_equal(matrix_u32_blocks(K), 3);
    int16_t digits[3][B][BLOCK] = {{{0}}};
    for (size_t r = 0; r < R; r++) {
        for (size_t w = 0; w < W; w++) row[w] = (uint32_t)test_random(&seed);
        matrix_u32_set(K, r, row);
        for (size_t b = 0; b < B; b++) {
            const int16_t digit = (int16_t)((int)(test_random(&seed) % 17) - 8);
            digits[r / BLOCK][b][r % BLOCK] = digit;
            for (size_t w = 0; w < W; w++) want[b][w] -= (uint32_t)digit * row[w];
        }
    }
    for (size_t m = 0; m < 3; m++) matrix_u32_mul_sub(Y[0], W, digits[m][0], B, K, m);
    assert_memory_equal(want, Y, sizeof Y);
    matrix_u32_destroy(K);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mul_add_u64), cmocka_unit_test(test_few),
                                       cmocka_unit_test(test_gather), cmocka_unit_test(test_mul_sub_u32),
                                       cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
