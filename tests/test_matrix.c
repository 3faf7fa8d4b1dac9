/* SPDX-License-Identifier: Apache-2.0 */
#include "testing.h"

#include "base/cpu.h"
#include "math/matrix_priv.h"
#include <stdlib.h>

static const matrix_kernels *const variants[] = {
    &matrix_kernels_ref,
#ifndef ANNULUS_PORTABLE
    &matrix_kernels_avx2,
#endif
};

static size_t variants_count(void)
{
    return cpu_level_has(CPU_AVX2) ? 2 : 1;
}

static void test_mul_add_u64(void **state)
{
    (void)state;
    uint64_t seed = 1;
    const size_t shapes[][3] = {{1, 1, 1}, {2, 3, 8}, {3, 5, 17}, {7, 20, 130}, {8, 64, 257}, {1, 9, 64}};
    for (size_t v = 0; v < variants_count(); v++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const size_t O = shapes[s][0], C = shapes[s][1], D = shapes[s][2], ldx = D + 3, ldy = D + 1;
            int32_t *W = calloc(O * C, sizeof *W);
            uint64_t *X = calloc(C * ldx, 8), *Y = calloc(O * ldy, 8), *want = calloc(O * ldy, 8);
            for (size_t i = 0; i < O * C; i++) W[i] = (int32_t)(test_random(&seed) >> (i % 3 == 0 ? 32 : 58));
            if (O * C > 1) W[0] = INT32_MIN, W[1] = INT32_MAX;
            for (size_t i = 0; i < C * ldx; i++) X[i] = test_random(&seed);
            for (size_t i = 0; i < O * ldy; i++) Y[i] = want[i] = test_random(&seed);
            for (size_t o = 0; o < O; o++)
                for (size_t c = 0; c < C; c++)
                    for (size_t d = 0; d < D; d++)
                        want[o * ldy + d] += (uint64_t)(int64_t)W[o * C + c] * X[c * ldx + d];
            variants[v]->mul_add_u64(Y, ldy, W, O, C, X, ldx, D);
            assert_memory_equal(want, Y, O * ldy * 8); /* the word behind each row is untouched */
            free(W), free(X), free(Y), free(want);
        }
}

static void test_mul_sub_u32(void **state)
{
    (void)state;
    uint64_t seed = 2;
    const size_t shapes[][3] = {{1, 1, 1}, {2, 3, 16}, {5, 9, 37}, {8, 128, 600}, {4, 7, 48}};
    for (size_t v = 0; v < variants_count(); v++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            const size_t B = shapes[s][0], R = shapes[s][1], W = shapes[s][2], ldk = W + 5, ldy = W + 2;
            int32_t *digits = calloc(B * R, sizeof *digits);
            uint32_t *K = calloc(R * ldk, 4), *Y = calloc(B * ldy, 4), *want = calloc(B * ldy, 4);
            for (size_t i = 0; i < B * R; i++) digits[i] = (int32_t)(test_random(&seed) % 33) - 16;
            for (size_t i = 0; i < R * ldk; i++) K[i] = (uint32_t)test_random(&seed);
            for (size_t i = 0; i < B * ldy; i++) Y[i] = want[i] = (uint32_t)test_random(&seed);
            for (size_t b = 0; b < B; b++)
                for (size_t r = 0; r < R; r++)
                    for (size_t w = 0; w < W; w++) want[b * ldy + w] -= (uint32_t)digits[b * R + r] * K[r * ldk + w];
            variants[v]->mul_sub_u32(Y, ldy, digits, B, R, K, ldk, W);
            assert_memory_equal(want, Y, B * ldy * 4);
            free(digits), free(K), free(Y), free(want);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mul_add_u64), cmocka_unit_test(test_mul_sub_u32)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
