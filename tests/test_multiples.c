/* SPDX-License-Identifier: Apache-2.0 */
/* Multiples of a phase: how often noise takes it for another turn's, and which are chosen. */
#include "testing.h"
#include "testing_random.h"

#include "math/torus.h"
#include "optimizer/multiples.h"
#include "optimizer/noise.h"
#include "tfhe/answers_priv.h"
#include <math.h>

static double normal(uint64_t *seed)
{
    const double u = ((double)(test_random(seed) >> 11) + 0.5) * 0x1p-53,
                 v = (double)(test_random(seed) >> 11) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static tfhe_answers answers_of(const uint32_t *multiple)
{
    tfhe_answers a = {.k = 1, .N = 8, .l = 1, .b = 5, .bits = 8, .body_bits = 8};
    for (; a.parts < TFHE_ANSWERS_PARTS && multiple[a.parts] > 0; a.parts++) a.multiple[a.parts] = multiple[a.parts];
    assert_ok(tfhe_answers_check(&a));
    return a;
}

enum { TRIES = 20000 };

/* Of TRIES phases with noise of this deviation in each part the share that is joined to one of another turn, and the
 * mean square of what the others are off, over that of the parts by |m|^2. */
static double wrong_share(const tfhe_answers *a, double deviation, double *square)
{
    uint64_t seed = 91;
    size_t wrong = 0;
    *square = 0;
    for (int i = 0; i < TRIES; i++) {
        const uint64_t x = test_random(&seed);
        double along = 0;
        uint32_t part[TFHE_ANSWERS_PARTS];
        for (uint32_t t = 0; t < a->parts; t++) {
            const double noise = deviation * normal(&seed);
            part[t] = (uint32_t)((a->multiple[t] * x + torus_from_double(noise)) >> 32);
            along += a->multiple[t] * noise;
        }
        const double off = torus_to_double(answers_join(a, part) - x), right = along / tfhe_answers_square(a);
        if (fabs(off - right) > 1e-6)
            wrong++;
        else
            *square += off * off;
    }
    *square /= (double)(TRIES - wrong) * deviation * deviation / tfhe_answers_square(a);
    return (double)wrong / TRIES;
}

/* The bound is a sum over neighbours: no less than the share, and no more than 1.6 times it where it is 1 to 5 %. Both
 * sides leave 5 standard deviations of a share of 1 % or more, 7 % of it: a false alarm of 6e-7 for each of the sets.
 * Squares of what is right are those of a Gaussian less its outermost part, within 5 %: 5 deviations of 1 %. */
static void test_wrong(void **state)
{
    (void)state;
    static const uint32_t sets[][TFHE_ANSWERS_PARTS] = {
        {3, 4}, {1, 2, 4}, {1, 2, 4, 7}, {1, 1, 2, 2, 3}, {1, 6, 10, 12, 14, 33}, {12, 21, 28, 32, 55, 69, 79, 82}};
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        const tfhe_answers a = answers_of(sets[s]);
        double low = 0, high = 1, square;
        for (int i = 0; i < 40; i++) {
            const double middle = (low + high) / 2;
            if (multiples_wrong_log2(&a, middle * middle) < log2(0.03))
                low = middle;
            else
                high = middle;
        }
        const double share = wrong_share(&a, low, &square);
        if (share > 0.03 * 1.2 || share < 0.03 / 1.6 || fabs(square - 1) > 0.05)
            print_error("set %zu: share %.4f, squares %.3f\n", s, share, square);
        assert_true(share <= 0.03 * 1.2 && share >= 0.03 / 1.6 && fabs(square - 1) <= 0.05);
    }
}

/* Two parts: turns are points of a line 1/|m| apart, so that the bound is that of the two next ones and of all others,
 * which it counts as of half a period or as what they are. One part has one turn. */
static void test_lattice(void **state)
{
    (void)state;
    const tfhe_answers two = answers_of((const uint32_t[TFHE_ANSWERS_PARTS]){3, 4}),
                       one = answers_of((const uint32_t[8]){1});
    const double variance = 0x1p-12, next = noise_failure_log2(variance, 0.1);
    assert_true(fabs(multiples_wrong_log2(&two, variance) - next) < 1e-3);
    assert_true(isinf(multiples_wrong_log2(&one, variance)) && multiples_wrong_log2(&one, variance) < 0);
    /* the face-centred lattice of 1, 1, 1, 1 projected: 8 points of norm 3/4, 6 of norm 1 */
    const tfhe_answers four = answers_of((const uint32_t[TFHE_ANSWERS_PARTS]){1, 1, 1, 1});
    const double near = exp2(noise_failure_log2(variance, sqrt(0.75) / 2)),
                 far = exp2(noise_failure_log2(variance, 0.5));
    const double bound = exp2(multiples_wrong_log2(&four, variance));
    assert_true(fabs(bound / (4 * near + 3 * far + 7 * far) - 1) < 1e-6);
}

/* What is chosen is a set that keys may have, keeps both bounds, and allows more the more parts there are. */
static void test_choice(void **state)
{
    (void)state;
    static const double wrong[] = {-132, -44, -20};
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; w++)
        for (double deviation = 0x1p-16; deviation < 0x1p-4; deviation *= 4) {
            const double variance = deviation * deviation;
            double before = 0;
            for (uint32_t parts = 1; parts <= TFHE_ANSWERS_PARTS; parts++) {
                tfhe_answers a = {0};
                const double allowed = multiples_choose(parts, variance, wrong[w], &a);
                const tfhe_answers set = answers_of(a.multiple);
                assert_int_equal(a.parts, parts);
                assert_int_equal(set.parts, parts);
                assert_true(allowed <= variance * tfhe_answers_square(&set));
                assert_true(multiples_wrong_log2(&set, allowed) <= wrong[w]);
                if (parts == 1) assert_true(allowed == variance);
                assert_true(allowed >= 0.8 * before);
                before = allowed;
            }
            if (deviation < 0x1p-10) assert_true(before > 1000 * variance);
        }
}

/* Nothing of one part; of two equal ones all of what is left out, and half of the key's: the digits of one part in two
 * meet those of the other. Of 1, 3 the correlation of sawtooths is 1/3, of 1, 2 -1/4, and 1/2 at most. */
static void test_common(void **state)
{
    (void)state;
    const uint32_t sets[][TFHE_ANSWERS_PARTS] = {{1}, {1, 1}, {1, 3}, {1, 2}};
    const double left[][2] = {{1, 1}, {2, 2}, {1.2, 4 / 3.0}, {0.8, 1.5}};
    const double key[][2] = {{1, 1}, {1.5, 1.5}, {1.1, 7 / 6.0}, {0.9, 1.25}};
    for (size_t i = 0; i < 4; i++) {
        tfhe_answers a = answers_of(sets[i]);
        a.b = 15;
        const multiples_common c = multiples_in_common(&a);
        assert_true(fabs(c.left.along - left[i][0]) < 1e-12 && fabs(c.left.most - left[i][1]) < 1e-12);
        assert_true(fabs(c.key.along - key[i][0]) < 1e-4 && fabs(c.key.most - key[i][1]) < 1e-4);
    }
    for (uint32_t parts = 1; parts <= TFHE_ANSWERS_PARTS; parts++) {
        tfhe_answers a = {0};
        (void)multiples_choose(parts, 0x1p-20, -44, &a);
        a.b = 10;
        const multiples_common c = multiples_in_common(&a);
        assert_true(c.left.along <= c.left.most + 1e-12 && c.key.along <= c.key.most + 1e-12 && c.key.most >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wrong), cmocka_unit_test(test_lattice),
                                       cmocka_unit_test(test_common), cmocka_unit_test(test_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
