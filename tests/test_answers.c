/* SPDX-License-Identifier: Apache-2.0 */
/* Packed answers: their bytes to the bit, phases and noise, files of their keys, and how packings are chosen. */
#include "key_set_fixture.h"

#include "math/torus.h"
#include "optimizer/cost.h"
#include "optimizer/multiples.h"
#include "optimizer/optimizer_answers.h"
#include "tfhe/answers_priv.h"
#include <math.h>

/* Little noise; the parameters of answers are set by each test. */
static const tfhe_families toys = {
    .count = 2,
    .of = {TOY_SET(18, 1, 256, 1, 1, 16, 1, 2, 8, .ks_l = 0), TOY_SET(18, 3, 256, 1, 1, 16, 1, 2, 8, .ks_l = 0)}};

static tfhe_families toys_with(tfhe_answers a)
{
    tfhe_families f = toys;
    f.answers = a;
    assert_ok(tfhe_families_check(&f));
    return f;
}

#define ONE_PART .parts = 1, .multiple = {1}

/* Squared, of the parts from the multiples of x. */
static double distance(const tfhe_answers *a, const uint32_t *part, uint32_t x)
{
    double sum = 0;
    for (uint32_t t = 0; t < a->parts; t++)
        sum += pow(torus_to_double((uint64_t)(part[t] - a->multiple[t] * x) << 32), 2);
    return sum;
}

/* Words of 3 bits, the least significant bit first, no gaps: masks 1 2, 3 4 of two ciphertexts of N = 2 under the key
 * 1, 1 and bodies 5 6, 7: phases 5 - (1 - 2), 6 - (2 + 1), 7 - (3 - 4) modulo 8. */
static void test_bytes(void **state)
{
    (void)state;
    uint64_t P[2] = {1, 1}, phase[3];
    const answers_secret key = {.params = {.k = 1, .N = 2, .l = 1, .b = 1, .bits = 3, .body_bits = 3, ONE_PART},
                                .P = P};
    const unsigned words[] = {1, 2, 5, 6, 3, 4, 7};
    uint8_t bytes[3] = {0};
    for (size_t i = 0; i < 21; i++) bytes[i / 8] |= (uint8_t)((words[i / 3] >> i % 3 & 1) << i % 8);
    assert_int_equal(answers_bytes(&key.params, 3), 3);
    assert_ok(answers_phases(&key, bytes, 3, phase));
    assert_int_equal(phase[0] >> 61, 6);
    assert_int_equal(phase[1] >> 61, 3);
    assert_int_equal(phase[2] >> 61, 0);
    assert_int_equal((phase[0] | phase[1] | phase[2]) << 3, 0);
    assert_int_equal(answers_bytes(&key.params, 1), 2); /* 9 bits */
    const tfhe_answers whole = {.k = 50, .N = 16, .bits = 12, .body_bits = 12, ONE_PART};
    assert_int_equal(answers_bytes(&whole, 10), 1215);
    assert_int_equal(answers_bytes(&whole, 17), (2 * 800 + 17) * 12 / 8 + 1);
    /* 5 answers of 3 coefficients in each ciphertext, under the key that they are sent under */
    const tfhe_answers parts = {
        .k = 90, .N = 16, .sent_k = 50, .bits = 7, .body_bits = 4, .parts = 3, .multiple = {1, 2, 4}};
    assert_int_equal(answers_bytes(&parts, 10), (2 * 800 * 7 + 30 * 4) / 8);
    assert_int_equal(answers_bytes(&parts, 11), (3 * 800 * 7 + 33 * 4 + 4) / 8);
}

/* Bodies of 2 bits behind masks of 3, the multiples 1 and 2 of one answer: mask 1 2 under the key 1, 1 as above, so
 * that bodies 3 and 1 of 4 are phases 6 - (1 - 2) = 7 and 2 - (2 + 1) = 7 of 8. A phase of 7/8 - 1/8 x has multiples
 * 7/8 - x/8 and 6/8 - 2x/8: the nearest is 5 times as far along (1, 2) as (0, 1/8) is, that is, 2/5 of an eighth beyond
 * 7/8. */
static void test_two_parts(void **state)
{
    (void)state;
    uint64_t P[2] = {1, 1}, phase[1];
    const answers_secret key = {
        .params = {.k = 1, .N = 2, .l = 1, .b = 1, .bits = 3, .body_bits = 2, .parts = 2, .multiple = {1, 2}}, .P = P};
    const uint8_t bytes[2] = {1 | 2 << 3 | 3 << 6, 1};
    assert_int_equal(answers_bytes(&key.params, 1), 2);
    assert_ok(answers_phases(&key, bytes, 1, phase));
    assert_true(fabs(torus_to_double(phase[0] - torus_from_double((7 + 2 / 5.0) / 8))) < 1e-12);
}

/* Phases of parts with noise are joined into the nearest of all: no phase of a fine grid has multiples that are nearer
 * by more than the grid allows. Without noise it is the phase. */
static void test_join(void **state)
{
    (void)state;
    static const uint32_t sets[][TFHE_ANSWERS_PARTS] = {
        {1}, {3, 4}, {1, 2, 4}, {1, 1, 2, 2, 3}, {1, 6, 10, 12, 14, 33}, {12, 21, 28, 32, 55, 69, 79, 82}};
    enum { GRID = 1 << 16, TRIES = 60 };
    uint64_t seed = 77;
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        tfhe_answers a = {.N = 16};
        memcpy(a.multiple, sets[s], sizeof a.multiple);
        while (a.parts < TFHE_ANSWERS_PARTS && a.multiple[a.parts] > 0) a.parts++;
        for (int i = 0; i < TRIES; i++) {
            uint32_t part[TFHE_ANSWERS_PARTS];
            const uint64_t x = test_random(&seed);
            for (uint32_t t = 0; t < a.parts; t++) part[t] = (uint32_t)((a.multiple[t] * x) >> 32);
            assert_true(fabs(torus_to_double(answers_join(&a, part) - x)) < 0x1p-31);
            for (uint32_t t = 0; t < a.parts; t++) part[t] = (uint32_t)test_random(&seed);
            const double found = distance(&a, part, (uint32_t)(answers_join(&a, part) >> 32));
            double least = INFINITY;
            for (uint32_t g = 0; g < GRID; g++) least = fmin(least, distance(&a, part, g << 16));
            assert_true(found <= least + 1e-9);
        }
    }
}

#define THREE_PARTS .parts = 3, .multiple = {2, 3, 6}
#define ALIKE .parts = 4, .multiple = {1, 1, 3, 3}

/* Mean square over `rounds` of what packing adds to `count` uniform ciphertexts, over its prediction. */
static double noise_ratio(const tfhe_families *f, size_t count, size_t rounds)
{
    const size_t words = lwe_words(&f->of[f->answers.family]), bytes = answers_bytes(&f->answers, count);
    const double together = (double)tfhe_answers_together(&f->answers, count);
    uint64_t *in = calloc(count * words, 8), *phase = calloc(count, 8), seed = 5 + count;
    uint8_t *sent = calloc(2, bytes);
    double square = 0;
    keys k;
    keys_create(f, &k);
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count * words; i++) in[i] = test_random(&seed);
        memset(sent, 255, 2 * bytes);
        assert_ok(answers_pack(k.eval->answers, in, count, 1, 1, sent));
        assert_ok(answers_pack(k.eval->answers, in, count, 1, 3, sent + bytes));
        assert_memory_equal(sent, sent + bytes, bytes);
        assert_ok(answers_phases(k.secret->answers, sent, count, phase));
        for (size_t i = 0; i < count; i++)
            square += pow(torus_to_double(phase[i] - lwe_phase(k.secret->of[f->answers.family], in + i * words)), 2);
    }
    keys_destroy(&k);
    free(in), free(phase), free(sent);
    return square / (double)(count * rounds) / noise_answers(f, together);
}

/* The noise is the key's for the most part in the first two cases, that of the rounding of digits in the third, of the
 * words of masks in the fourth, of bodies in the fifth, of the key that answers are sent under in the sixth, of the
 * rounding for it in the seventh; the key's and that of the rounding of digits with much in common, 1.9 and 2.4 times
 * that of parts without, in the last two; full and part-filled ciphertexts; one part an answer and several. Given the
 * key the squares, 640 or more, are of a Gaussian: their mean deviates by 5.6 %; that of the key's noises of at least
 * 6,144 rows by 1.1 % (sqrt(4/5) over the root), and the weight of 768 key bits, which the third is proportional to,
 * by 3.6
 * %. The window of 45 % is more than six times the root of all three squares: a false alarm of 2*10^-9 each. */
static void test_noise(void **state)
{
    (void)state;
    const struct {
        tfhe_answers a;
        size_t count, rounds;
    } cases[] = {
        {{.family = 1, .k = 60, .N = 1, .l = 8, .b = 3, .noise = 16, .bits = 32, .body_bits = 32, ONE_PART}, 8, 80},
        {{.family = 1, .k = 4, .N = 16, .l = 8, .b = 2, .noise = 17, .bits = 24, .body_bits = 24, ONE_PART}, 16, 40},
        {{.family = 1, .k = 2, .N = 32, .l = 3, .b = 4, .noise = 1, .bits = 30, .body_bits = 30, ONE_PART}, 40, 20},
        {{.family = 1, .k = 40, .N = 8, .l = 8, .b = 3, .noise = 1, .bits = 9, .body_bits = 9, ONE_PART}, 20, 40},
        {{.family = 1, .k = 40, .N = 8, .l = 8, .b = 3, .noise = 1, .bits = 14, .body_bits = 8, THREE_PARTS}, 20, 40},
        {{.family = 1,
          .k = 30,
          .N = 8,
          .l = 8,
          .b = 3,
          .noise = 1,
          .sent_k = 25,
          .sent_l = 14,
          .sent_noise = 19,
          .bits = 14,
          .body_bits = 14,
          THREE_PARTS},
         20,
         40},
        {{.family = 1,
          .k = 48,
          .N = 16,
          .l = 8,
          .b = 3,
          .noise = 1,
          .sent_k = 10,
          .sent_l = 9,
          .sent_noise = 2,
          .bits = 14,
          .body_bits = 14,
          THREE_PARTS},
         20,
         40},
        {{.family = 1, .k = 4, .N = 16, .l = 3, .b = 5, .noise = 15, .bits = 24, .body_bits = 24, ALIKE}, 16, 40},
        {{.family = 1, .k = 2, .N = 32, .l = 3, .b = 4, .noise = 1, .bits = 30, .body_bits = 30, ALIKE}, 40, 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tfhe_families f = toys_with(cases[i].a);
        const double ratio = noise_ratio(&f, cases[i].count, cases[i].rounds);
        if (fabs(ratio - 1) >= 0.45) print_error("case %zu: variance %.3f of the prediction\n", i, ratio);
        assert_true(fabs(ratio - 1) < 0.45);
    }
}

/* The keyswitch into the key that answers are sent under, whose row of level j is nothing but a body of 4^j: digits -1,
 * 0 and 1 of the word, no two of which stand next to each other, as many on average as noise_sent_word says. */
static void test_signed_bits(void **state)
{
    (void)state;
    enum { LEVELS = 12, WORDS = 1 << LEVELS };
    uint32_t rows[2 * LEVELS] = {0};
    const answers_key key = {.answers = {.k = 1, .N = 1, .sent_k = 1, .sent_l = LEVELS}, .sent = rows};
    size_t count = 0;
    for (uint32_t j = 0; j < LEVELS; j++) rows[2 * j + 1] = UINT32_C(1) << 2 * j;
    for (uint32_t i = 0; i < WORDS; i++) {
        const uint32_t in[2] = {i << (32 - LEVELS), 0};
        uint32_t out[2], value = 0;
        int before = 0;
        answers_sent_apply(&key, in, out);
        int64_t sum = -(int64_t)(int32_t)out[1];
        for (uint32_t j = 0; j < LEVELS; j++) {
            const int digit = (sum & 3) == 3 ? -1 : (int)(sum & 3);
            assert_true(digit <= 1 && (digit == 0 || before == 0));
            value += (uint32_t)digit << (31 - j);
            count += digit != 0;
            before = digit;
            sum = (sum - digit) / 4;
        }
        assert_int_equal(sum, 0);
        assert_int_equal(value, in[0]);
    }
    const double each = (noise_sent_word(LEVELS, 20) - noise_word(LEVELS) / 4) / noise_tuniform(20, 32);
    assert_true(fabs((double)count / WORDS / each - 1) < 1e-3);
}

/* A packing that carries messages: the same as those of the ciphertexts, under the big key of either family. */
static void test_messages(void **state)
{
    (void)state;
    for (uint32_t family = 0; family < 2; family++) {
        const tfhe_families f = toys_with((tfhe_answers){.family = family,
                                                         .k = 29,
                                                         .N = 16,
                                                         .l = 5,
                                                         .b = 4,
                                                         .noise = 4,
                                                         .sent_k = family == 0 ? 0 : 28,
                                                         .sent_l = family == 0 ? 0 : 12,
                                                         .sent_noise = family == 0 ? 0 : 12,
                                                         .bits = family == 0 ? 12 : 9,
                                                         .body_bits = family == 0 ? 12 : 7,
                                                         .parts = family == 0 ? 1 : 3,
                                                         .multiple = {1, family == 0 ? 0 : 3, family == 0 ? 0 : 8}});
        enum { COUNT = 37 };
        uint64_t message[COUNT], phase[COUNT];
        uint8_t *sent = calloc(1, answers_bytes(&f.answers, COUNT));
        keys k;
        keys_create(&f, &k);
        for (size_t i = 0; i < COUNT; i++) message[i] = (uint64_t)i << 58;
        const fixture from = {.secret = k.secret->of[family]};
        uint64_t *ct = fixture_encrypt(&from, message, COUNT);
        assert_ok(answers_pack(k.eval->answers, ct, COUNT, 1, 2, sent));
        assert_ok(answers_phases(k.secret->answers, sent, COUNT, phase));
        for (size_t i = 0; i < COUNT; i++) assert_int_equal((phase[i] + (UINT64_C(1) << 57)) >> 58, i);
        /* several samples together as each alone */
        enum { EACH = 12, SAMPLES = 3 };
        const size_t bytes = answers_bytes(&f.answers, EACH), words = lwe_words(&f.of[family]);
        uint8_t *together = calloc(SAMPLES, bytes), *alone = calloc(1, bytes);
        assert_ok(answers_pack(k.eval->answers, ct, EACH, SAMPLES, 2, together));
        for (size_t s = 0; s < SAMPLES; s++) {
            assert_ok(answers_pack(k.eval->answers, ct + s * EACH * words, EACH, 1, 1, alone));
            assert_memory_equal(alone, together + s * bytes, bytes);
        }
        free(ct), free(sent), free(together), free(alone);
        keys_destroy(&k);
    }
}

/* Written and read again the keys are the same; cut off, or with other parameters, they are refused. */
static void test_files(void **state)
{
    (void)state;
    const tfhe_families f = toys_with((tfhe_answers){.family = 1,
                                                     .k = 4,
                                                     .N = 4,
                                                     .l = 2,
                                                     .b = 4,
                                                     .noise = 2,
                                                     .sent_k = 3,
                                                     .sent_l = 9,
                                                     .sent_noise = 3,
                                                     .bits = 11,
                                                     .body_bits = 10,
                                                     .parts = 2,
                                                     .multiple = {1, 4}});
    secret_key_set *secret = NULL;
    seeded_eval_key_set *seeded = NULL;
    keys k;
    writer w[3];
    keys_create(&f, &k);
    for (size_t i = 0; i < 3; i++) writer_init(&w[i], 0);
    secret_key_set_write(&w[0], k.secret);
    seeded_eval_key_set_write(&w[1], k.seeded);
    reader r = {.p = w[0].p, .len = w[0].len, .name = "keys"};
    assert_ok(secret_key_set_read(&r, &secret));
    assert_ok(read_end(&r));
    assert_true(secret_key_set_fits(secret, &f));
    assert_memory_equal(secret->answers->P, k.secret->answers->P, 12 * sizeof(uint64_t));
    assert_false(secret_key_set_fits(secret, &toys));
    r = (reader){.p = w[1].p, .len = w[1].len, .name = "keys"};
    assert_ok(seeded_eval_key_set_read(&r, &seeded));
    assert_ok(read_end(&r));
    seeded_eval_key_set_write(&w[2], seeded);
    assert_int_equal(w[1].len, w[2].len);
    assert_memory_equal(w[1].p, w[2].p, w[1].len);
    assert_int_equal(tfhe_answers_seeded_bytes(&f), (768 * 2 + 4 * 9) * 4 * 4);
    assert_int_equal(tfhe_answers_memory_bytes(&f), (768 * 2 * 32 + 4 * 9 * 4 * 4) * 4);
    assert_int_equal(tfhe_answers_seeded_bytes(&toys) + tfhe_answers_memory_bytes(&toys), 0);
    r = (reader){.p = w[1].p, .len = w[1].len - 1, .name = "keys"};
    seeded_eval_key_set *cut = NULL;
    assert_refused(seeded_eval_key_set_read(&r, &cut), "a key of answers of these parameters has 25152 bytes");
    w[0].p[w[0].len - 1] = 2;
    r = (reader){.p = w[0].p, .len = w[0].len, .name = "keys"};
    secret_key_set *damaged = NULL;
    assert_refused(secret_key_set_read(&r, &damaged), "neither 0 nor 1");
    for (size_t i = 0; i < 3; i++) writer_clear(&w[i]);
    secret_key_set_destroy(secret);
    seeded_eval_key_set_destroy(seeded);
    keys_destroy(&k);
}

static void test_parameters(void **state)
{
    (void)state;
#define GOOD .k = 58, .N = 16, .l = 4, .b = 4, .noise = 12, .bits = 13, .body_bits = 9
#define SENT GOOD, ONE_PART, .sent_k = 36
    const tfhe_answers good = {GOOD, ONE_PART};
    const struct {
        tfhe_answers a;
        const char *message;
    } bad[] = {
        {{.family = 2, .k = 58, .N = 16, .l = 4, .b = 4, .bits = 13}, "answers_family = 2"},
        {{.k = 58, .N = 12, .l = 4, .b = 4, .bits = 13}, "answers_N = 12 is not a power of two"},
        {{.k = 58, .N = 512, .l = 4, .b = 4, .bits = 13}, "answers_N = 512"},
        {{.k = 257, .N = 16, .l = 4, .b = 4, .bits = 13}, "answers_k = 257"},
        {{.k = 0, .N = 16, .l = 4, .b = 4, .bits = 13}, "answers_k = 0"},
        {{.k = 58, .N = 16, .l = 9, .b = 4, .bits = 13}, "answers_l = 9"},
        {{.k = 58, .N = 16, .l = 4, .b = 16, .bits = 13}, "answers_b = 16"},
        {{.k = 58, .N = 16, .l = 4, .b = 4, .noise = 31, .bits = 13}, "answers_noise = 31"},
        {{.k = 58, .N = 16, .l = 4, .b = 4, .bits = 33}, "answers_bits = 33"},
        {{.k = 58, .N = 16, .l = 4, .b = 4}, "answers_bits = 0"},
        {{.k = 58, .N = 16, .l = 4, .b = 4, .bits = 13, .body_bits = 14}, "answers_body_bits = 14"},
        {{GOOD, ONE_PART, .sent_k = 257}, "answers_sent_k = 257"},
        {{SENT}, "answers_sent_l = 0"},
        {{SENT, .sent_l = 33}, "answers_sent_l = 33"},
        {{SENT, .sent_l = 9, .sent_noise = 31}, "answers_sent_noise = 31"},
        {{GOOD, ONE_PART, .sent_l = 9}, "answers_sent_l = 9"},
        {{GOOD}, "answers_parts = 0"},
        {{GOOD, .parts = 9}, "answers_parts = 9"},
        {{.k = 58, .N = 2, .l = 4, .b = 4, .bits = 13, .body_bits = 9, .parts = 3}, "answers_parts = 3"},
        {{GOOD, .parts = 2, .multiple = {1}}, "answers_multiple = 0"},
        {{GOOD, .parts = 2, .multiple = {1, 2, 3}}, "answers_multiple = 3"},
        {{GOOD, .parts = 2, .multiple = {1, 4097}}, "answers_multiple = 4097"},
        {{.k = 58, .N = 16, .l = 4, .b = 2, .bits = 13, .body_bits = 9, .parts = 2, .multiple = {1, 3}},
         "answers_b = 2"},
        {{GOOD, .parts = 3, .multiple = {6, 10, 4}}, "the common divisor 2"},
        {{GOOD, .parts = 1, .multiple = {7}}, "the common divisor 7"},
    };
    const tfhe_answers sent = {SENT, .sent_l = 10, .sent_noise = 21};
    assert_ok(tfhe_answers_check(&good));
    assert_ok(security_check_answers(&good, SECURITY_128));
    assert_refused(security_check_answers(&good, SECURITY_132), "answers' dimension 928 with noise TUniform(12)");
    assert_ok(tfhe_answers_check(&sent));
    assert_ok(security_check_answers(&sent, SECURITY_128));
    assert_refused(security_check_answers(&(tfhe_answers){SENT, .sent_l = 10, .sent_noise = 20}, SECURITY_128),
                   "sent answers' dimension 576 with noise TUniform(20)");
    const tfhe_answers narrow = {.k = 28, .N = 16, .l = 4, .b = 4, .noise = 30, .bits = 13}, none = {0};
    assert_refused(security_check_answers(&narrow, SECURITY_128), "answers' dimension 448 is below 450");
    assert_ok(tfhe_answers_check(&none));
    assert_ok(security_check_answers(&none, SECURITY_128));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_refused(tfhe_answers_check(&bad[i].a), bad[i].message);
    tfhe_families f = {.count = 1, .of = {toys.of[0]}, .answers = good};
    assert_ok(tfhe_families_check(&f));
    f.answers.family = 1;
    assert_refused(tfhe_families_check(&f), "answers of family 2, there are 1");
}

static int within(const answers_request *q, const tfhe_families *f)
{
    const tfhe_params p = tfhe_answers_params(f);
    const tfhe_answers *a = &f->answers;
    const double together = (double)tfhe_answers_together(a, q->count);
    return noise_answers(f, together) <= q->variance &&
           multiples_wrong_log2(a, noise_answers_part(f, together)) <= q->log2_wrong &&
           (double)tfhe_answers_memory_bytes(f) <= q->memory && (double)tfhe_answers_seeded_bytes(f) <= q->key_bytes &&
           (double)(q->count * a->parts) * cost_keyswitch(&p) +
                   (double)tfhe_answers_groups(a, q->count) * cost_sent(a) <=
               q->seconds;
}

/* The fewest bytes of a sparse grid of packings, SIZE_MAX if none is within the bounds. */
static size_t fewest_bytes(const answers_request *q, tfhe_families f)
{
    size_t fewest = SIZE_MAX;
    for (uint32_t N = 1; N <= 256; N *= 4)
        for (uint32_t dim = 640; dim <= 1280; dim += 64)
            for (uint32_t b = 2; b <= 8; b += 2)
                for (uint32_t bits = 8; bits <= 20; bits++) {
                    const uint32_t noise = security_tuniform_bound(dim / N * N, 32, SECURITY_128);
                    f.answers = (tfhe_answers){.k = dim / N,
                                               .N = N,
                                               .l = 12 / b,
                                               .b = b,
                                               .noise = noise,
                                               .bits = bits,
                                               .body_bits = bits,
                                               ONE_PART};
                    const size_t bytes = answers_bytes(&f.answers, q->count);
                    if (bytes < fewest && within(q, &f)) fewest = bytes;
                }
    return fewest;
}

/* What is chosen is secure, within every bound, in no more bits than needed; of no more bytes where there is more room,
 * and of no more than any of a sparse grid. The last memory is less than a row of 450 words for each of the key. */
static void test_choice(void **state)
{
    (void)state;
    const tfhe_families big = {.count = 1, .of = {{.k = 1, .N = 2048}}};
    const size_t counts[] = {1, 10, 24, 300};
    for (size_t i = 0; i < 4; i++) {
        size_t before = 0;
        for (double memory = 64e6; memory > 1.5e6; memory /= 2) {
            const answers_request q = {.count = counts[i],
                                       .level = SECURITY_128,
                                       .variance = exp2(-20),
                                       .log2_wrong = -44,
                                       .seconds = 2e-3 * (double)counts[i],
                                       .key_bytes = memory / 4,
                                       .memory = memory};
            tfhe_families f = big;
            f.answers = optimizer_answers(&big, &q);
            const size_t bytes = f.answers.bits == 0 ? SIZE_MAX : answers_bytes(&f.answers, q.count);
            if (memory < 4e6 || memory > 20e6) assert_int_equal(bytes == SIZE_MAX, memory < 4e6);
            assert_true(bytes >= before && bytes <= fewest_bytes(&q, big));
            before = bytes;
            if (f.answers.bits == 0) continue;
            assert_ok(tfhe_answers_check(&f.answers));
            assert_ok(security_check_answers(&f.answers, SECURITY_128));
            assert_true(within(&q, &f));
            tfhe_families narrower[] = {f, f};
            narrower[0].answers.bits--;
            narrower[1].answers.body_bits--;
            assert_false(within(&q, &narrower[0]) && narrower[0].answers.bits >= f.answers.body_bits);
            assert_false(within(&q, &narrower[1]));
        }
    }
}

/* None where no noise, time or key is allowed. */
static void test_no_choice(void **state)
{
    (void)state;
    const tfhe_families big = {.count = 1, .of = {{.k = 1, .N = 2048}}};
    const answers_request all = {.count = 10,
                                 .level = SECURITY_132,
                                 .variance = exp2(-20),
                                 .log2_wrong = -44,
                                 .seconds = 1,
                                 .key_bytes = 1e9,
                                 .memory = 1e9};
    answers_request q[5] = {all, all, all, all, all};
    q[0].variance = -1e-9;
    q[1].variance = NAN;
    q[2].seconds = 1e-9;
    q[3].key_bytes = 100;
    q[4].memory = 100;
    assert_int_equal(security_check_answers(&(tfhe_answers){0}, SECURITY_132), ANNULUS_OK);
    const tfhe_answers a = optimizer_answers(&big, &all), none = {0};
    assert_ok(security_check_answers(&a, SECURITY_132));
    assert_true(a.bits > 0);
    for (size_t i = 0; i < 5; i++) {
        const tfhe_answers b = optimizer_answers(&big, &q[i]);
        assert_true(tfhe_answers_equal(&b, &none));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes),  cmocka_unit_test(test_two_parts),
                                       cmocka_unit_test(test_join),   cmocka_unit_test(test_signed_bits),
                                       cmocka_unit_test(test_noise),  cmocka_unit_test(test_messages),
                                       cmocka_unit_test(test_files),  cmocka_unit_test(test_parameters),
                                       cmocka_unit_test(test_choice), cmocka_unit_test(test_no_choice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
