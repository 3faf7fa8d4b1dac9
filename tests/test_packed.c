/* SPDX-License-Identifier: Apache-2.0 */
/* Packed inputs: their phases, every value by itself, and sums that equal those of the values word for word, of rows in
 * as few products as they allow. */
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

/* Nearest multiples, halves upwards. Errors are within half a unit and have its mean square, 1/12: that of 3,000 has a
 * relative deviation of sqrt(4/5/3000) = 1.6 %, and is beyond 10 % by chance once in 10^9. */
static void test_round(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    uint64_t seed = 8, words[COUNT], kept[COUNT], few[] = {127, 128, 129, UINT64_MAX - 127, UINT64_MAX - 128};
    for (size_t i = 0; i < COUNT; i++) words[i] = kept[i] = test_random(&seed);
    packed_round(kept, COUNT, 64);
    assert_memory_equal(kept, words, sizeof words);
    for (unsigned bits = 8; bits < 64; bits += 8) {
        double squares = 0;
        memcpy(kept, words, sizeof words);
        packed_round(kept, COUNT, bits);
        for (size_t i = 0; i < COUNT; i++) {
            const double units = (double)(int64_t)(kept[i] - words[i]) / exp2(64 - bits);
            assert_true(kept[i] << bits == 0 && fabs(units) <= 0.5);
            squares += units * units;
        }
        assert_true(fabs(12 * squares / COUNT - 1) < 0.1);
    }
    packed_round(few, 5, 56);
    assert_true(few[0] == 0 && few[1] == 256 && few[2] == 256 && few[3] == 0 && few[4] == UINT64_MAX - 255);
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

/* W (rows,count), given in a random order. */
static packed_rows *rows_of(uint64_t *seed, const tfhe_params *p, const int32_t *W, size_t rows, size_t count)
{
    packed_rows *r = NULL;
    uint32_t *input = calloc(count, sizeof *input);
    int64_t *weight = calloc(count, sizeof *weight);
    assert_ok(packed_rows_create(p, rows, count, &r));
    for (size_t o = 0; o < rows; o++) {
        const size_t turn = o % 2 == 0 ? 0 : test_random(seed) % count;
        for (size_t i = 0; i < count; i++) {
            const size_t at = (i + turn) % count;
            input[i] = (uint32_t)at + 3; /* counted from the third on */
            weight[i] = W[o * count + at];
        }
        assert_ok(packed_rows_add(r, input, weight, count, 3));
    }
    free(input), free(weight);
    return r;
}

/* Returns what they work on. */
static packed_size compare(uint64_t *seed, const tfhe_params *p, const int32_t *W, size_t rows, size_t count)
{
    packed x = packed_create(seed, p, count);
    const size_t words = lwe_words(p);
    uint64_t *sums = calloc(rows * words, 8), *want = calloc(rows * words, 8);
    packed_weights *w = NULL;
    packed_rows *of = rows_of(seed, p, W, rows, count);
    const packed_size size = packed_rows_size(of);
    assert_true(packed_rows_fit(of) && size.rows == rows);
    assert_ok(packed_weights_create(of, 2, &w));
    matrix_mul_add_u64(want, words, W, rows, count, x.values, words, words);
    for (unsigned threads = 1; threads <= 2; threads++) {
        memset(sums, 0xff, rows * words * 8);
        assert_ok(packed_sums(w, &x.masks, x.body, threads, sums));
        assert_memory_equal(sums, want, rows * words * 8);
    }
    packed_weights_destroy(w);
    packed_destroy(&x);
    free(sums), free(want);
    return size;
}

static void sums_are_those_of_values(uint64_t *seed, const tfhe_params *p, size_t rows, size_t count, unsigned bits,
                                     int alike)
{
    int32_t *W = calloc(rows * count, sizeof *W);
    for (size_t i = 0; i < rows * count; i++)
        W[i] = (int32_t)(test_random(seed) % (1u << bits)) - (alike ? 0 : 1 << (bits - 1));
    (void)compare(seed, p, W, rows, count);
    free(W);
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

/* A row's weights are moved by `by` values. */
static void translate(int32_t *W, size_t count, size_t row, size_t from, size_t by)
{
    for (size_t i = by; i < count; i++) W[row * count + i] = W[from * count + i - by];
}

/* Random patterns on two ciphertexts, each moved to other places in a random order of rows, beside rows that are alike,
 * that have no weights, and that lie in other ciphertexts or across their border: as many groups as there are patterns
 * and kinds of border. */
static void test_translates(void **state)
{
    (void)state;
    enum { COUNT = 700, ROWS = 24, N = 256 }; /* ciphertexts of 256, 256 and 188 values */
    uint64_t seed = 3;
    int32_t *W = calloc((size_t)ROWS * COUNT, sizeof *W);
    for (unsigned factor = 1; factor <= 1000; factor += 333) {
        memset(W, 0, (size_t)ROWS * COUNT * sizeof *W);
        const int32_t f = (int32_t)factor;
        for (size_t i = 0; i < 40; i++) { /* row 0: inputs 0 to 39 of ciphertexts 0 and 2; row 8: 100 to 139 of 1 */
            W[i] = f * ((int32_t)(test_random(&seed) % 31) - 15);
            W[2 * N + i] = f * ((int32_t)(test_random(&seed) % 31) - 15);
            W[8 * COUNT + N + 100 + i] = f * ((int32_t)(test_random(&seed) % 31) - 15);
        }
        W[0] = W[2 * N + 39] = W[8 * COUNT + N + 100] = W[8 * COUNT + N + 139] = f;
        W[1] = -f, W[2] = 2 * f; /* no other factor */
        W[8 * COUNT + N + 101] = -f;
        for (size_t row = 1; row < 7; row++) translate(W, COUNT, row, 0, 1 + test_random(&seed) % 148);
        translate(W, COUNT, 7, 0, 148); /* up to the last value */
        for (size_t row = 9; row < 14; row++) translate(W, COUNT, row, 8, test_random(&seed) % 116);
        translate(W, COUNT, 14, 8, 0);
        translate(W, COUNT, 15, 8, 116);             /* up to the end of ciphertext 1 */
        translate(W, COUNT, 16, 8, 117);             /* one beyond */
        translate(W, COUNT, 17, 8, 140);             /* from the last but 15 of it */
        translate(W, COUNT, 18, 8, 2 * N - N - 100); /* in ciphertext 2 */
        translate(W, COUNT, 19, 8, 2 * N - N - 90);
        for (size_t i = 0; i < COUNT; i++) W[20 * COUNT + i] = -W[i]; /* others: rows 21 and 22 have none */
        W[23 * COUNT + 5] = f;
        const packed_size size = compare(&seed, &toy, W, ROWS, COUNT);
        assert_int_equal(size.groups, 8); /* of rows 0, 8, 16, 17, 18, 20, 21, 23 */
        assert_int_equal(size.polys, 2 + 1 + 2 + 2 + 1 + 2 + 0 + 1);
        assert_int_equal(size.ciphertexts, 3);
    }
    free(W);
}

/* A convolution: one group a channel inside one ciphertext, and one a border where there is padding. */
static void test_convolution(void **state)
{
    (void)state;
    enum { SIDE = 14, TAPS = 3, CHANNELS = 2 };
    uint64_t seed = 4;
    for (int padding = 0; padding <= 1; padding++) {
        const int places = SIDE - TAPS + 1 + 2 * padding;
        const size_t rows = (size_t)(CHANNELS * places * places), count = SIDE * SIDE;
        int32_t w[CHANNELS][TAPS][TAPS], *W = calloc(rows * count, sizeof *W);
        for (size_t i = 0; i < CHANNELS * TAPS * TAPS; i++) (&w[0][0][0])[i] = 1 + (int32_t)(test_random(&seed) % 7);
        w[0][1][1] = -1, w[1][1][1] = -2;
        w[0][0][1] = w[0][1][0] = w[0][1][2] = w[0][2][1] = 1; /* in every border's window: no other factor */
        w[1][0][1] = w[1][1][0] = w[1][1][2] = w[1][2][1] = 1;
        for (int o = 0; o < (int)rows; o++)
            for (int t = 0; t < TAPS * TAPS; t++) {
                const int y = o / places % places + t / TAPS - padding, x = o % places + t % TAPS - padding;
                if (x >= 0 && y >= 0 && x < SIDE && y < SIDE)
                    W[(size_t)o * count + (size_t)(y * SIDE + x)] = w[o / places / places][t / TAPS][t % TAPS];
            }
        const packed_size size = compare(&seed, &toy, W, rows, count);
        assert_int_equal(size.groups, CHANNELS * (padding ? 9 : 1));
        assert_int_equal(size.weights, CHANNELS * (padding ? 9 + 4 * 6 + 4 * 4 : 9));
        free(W);
    }
}

/* Whether one row of two weights fits. */
static int fits(uint64_t *seed, int32_t a, int32_t b)
{
    const int32_t W[2] = {a, b};
    packed_rows *r = rows_of(seed, &toy, W, 1, 2);
    const int fit = packed_rows_fit(r);
    packed_rows_destroy(r);
    return fit;
}

/* Of the weights without their common factor. */
static void test_norms(void **state)
{
    (void)state;
    uint64_t seed = 5;
    assert_false(fits(&seed, 4096, -9095));
    assert_true(fits(&seed, 4096, -7093) && sqrt(4096.0 * 4096 + 7093.0 * 7093) < PACKED_NORM_MOST);
    assert_true(fits(&seed, 4096, 0) && fits(&seed, 40000, -60000) && fits(&seed, INT32_MIN, 0));
    const int32_t W[2] = {1 << 14, 1 << 15}; /* huge factors are exact, too */
    for (size_t rows = 1; rows <= 2; rows++) assert_int_equal(compare(&seed, &toy, W, rows, 2 / rows).groups, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round),       cmocka_unit_test(test_phases),
                                       cmocka_unit_test(test_sums),        cmocka_unit_test(test_translates),
                                       cmocka_unit_test(test_convolution), cmocka_unit_test(test_norms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
