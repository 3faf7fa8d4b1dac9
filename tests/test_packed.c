/* SPDX-License-Identifier: Apache-2.0 */
/* Packed inputs: their phases, every value by itself, and sums that equal those of the values word for word. */
#include "tfhe_fixture.h"

#include "base/memory.h"
#include "math/matrix.h"
#include "math/torus.h"
#include "tfhe/packed.h"

#include <math.h>

static const tfhe_params toy = {.n = 18,
                                .k = 3,
                                .N = 256,
                                .pbs_l = 1,
                                .pbs_lb = 1,
                                .pbs_bg = 20,
                                .pbs_group = 1,
                                .ks_l = 2,
                                .ks_b = 4,
                                .lwe_noise = 2,
                                .glwe_noise = 30};

typedef struct packed {
    secret_key *key;
    seed256 masks;
    size_t count;
    uint64_t *message, *body, *values; /* (count), (count), (count, lwe_words) */
} packed;

static packed packed_create(uint64_t *seed, const tfhe_params *p, size_t count)
{
    packed x = {.count = count, .message = calloc(count, 8), .body = calloc(count, 8)};
    const seed256 key_seed = {{(uint8_t)count}};
    x.values = calloc(count * lwe_words(p), 8);
    assert_ok(secret_key_create_seeded(p, &key_seed, &x.key));
    for (size_t i = 0; i < count; i++) x.message[i] = test_random(seed);
    assert_ok(random_seed(&x.masks));
    assert_ok(packed_encrypt_seeded(x.key, &x.masks, x.message, count, x.body));
    assert_ok(packed_expand(p, &x.masks, x.body, count, 2, x.values));
    return x;
}

static void packed_destroy(packed *x)
{
    secret_key_destroy(x->key);
    free(x->message), free(x->body), free(x->values);
}

/* TUniform(30) stays within 2^30 and has variance (2^62 + 2^30/2 + ...)/3: the mean square of 3,000 phases is Gaussian
 * with relative deviation sqrt(4/5/3000) = 1.6 %; beyond 10 % by chance once in 10^9. Ciphertexts of equal masks would
 * give their difference away, so the masks of all are compared. */
static void test_phases(void **state)
{
    (void)state;
    uint64_t seed = 1;
    packed x = packed_create(&seed, &toy, 3000);
    double square = 0;
    for (size_t i = 0; i < x.count; i++) {
        const double e = (double)(int64_t)(lwe_phase(x.key, x.values + i * lwe_words(&toy)) - x.message[i]);
        assert_true(fabs(e) <= 0x1p30);
        square += e * e;
    }
    assert_true(fabs(square / 3000 / (0x1p60 / 3) - 1) < 0.1);
    for (size_t g = 1; g < 3000 / toy.N; g++)
        assert_memory_not_equal(x.values, x.values + g * toy.N * lwe_words(&toy), 8 * tfhe_big_dim(&toy));
    packed_destroy(&x);
}

static void sums_are_those_of_values(uint64_t *seed, const tfhe_params *p, size_t rows, size_t count, unsigned bits,
                                     int alike)
{
    packed x = packed_create(seed, p, count);
    const size_t words = lwe_words(p);
    int32_t *W = calloc(rows * count, sizeof *W);
    uint64_t *sums = calloc(rows * words, 8), *want = calloc(rows * words, 8);
    packed_weights *w = NULL;
    for (size_t i = 0; i < rows * count; i++)
        W[i] = (int32_t)(test_random(seed) % (1u << bits)) - (alike ? 0 : 1 << (bits - 1));
    assert_true(packed_weights_fit(W, rows, count));
    assert_ok(packed_weights_create(p, W, rows, count, 2, &w));
    for (unsigned threads = 1; threads <= 2; threads++) {
        memset(sums, 0, rows * words * 8);
        assert_ok(packed_sums(w, &x.masks, x.body, threads, sums));
        memset(want, 0, rows * words * 8);
        matrix_mul_add_u64(want, words, W, rows, count, x.values, words, words);
        assert_memory_equal(sums, want, rows * words * 8);
    }
    packed_weights_destroy(w);
    packed_destroy(&x);
    free(W), free(sums), free(want);
}

/* Few and many values, small and large rings, weights up to the largest norm, and weights that are all alike: spectra
 * with a peak are where the transforms round the most. */
static void test_sums(void **state)
{
    (void)state;
    uint64_t seed = 2;
    const uint32_t rings[][2] = {{3, 256}, {3, 512}, {1, 2048}, {2, 1024}};
    for (size_t r = 0; r < sizeof rings / sizeof *rings; r++) {
        tfhe_params p = toy;
        p.k = rings[r][0], p.N = rings[r][1];
        sums_are_those_of_values(&seed, &p, 3, 1, 12, 0);
        sums_are_those_of_values(&seed, &p, 5, 100, 4, 0);
        sums_are_those_of_values(&seed, &p, 20, 784, 9, 0);
        sums_are_those_of_values(&seed, &p, 5, 784, 8, 1);
        sums_are_those_of_values(&seed, &p, 3, 2500, 8, 0);
    }
}

static void test_norms(void **state)
{
    (void)state;
    int32_t W[4] = {0, 0, 4096, -4096 - 5000};
    assert_false(packed_weights_fit(W, 2, 2));
    assert_true(packed_weights_fit(W, 1, 3));
    W[3] = -7000;
    assert_true(packed_weights_fit(W, 2, 2));
    assert_true(sqrt(4096.0 * 4096 + 7000.0 * 7000) < PACKED_NORM_MOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_phases), cmocka_unit_test(test_sums),
                                       cmocka_unit_test(test_norms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
