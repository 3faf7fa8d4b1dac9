/* SPDX-License-Identifier: Apache-2.0 */
/* constant_time [leak|noise]: runs every path that takes a secret (SECURITY.md, Constant time) with key bits, messages
 * and drawn noise marked as unknown to valgrind, which then reports every branch and every address that depends on one:
 * the method of ctgrind. Linked with --wrap=stream_tuniform and --wrap=stream_bits. With an argument one branch more,
 * on a bit of the key or on noise, for the test of the test. Exit 1: a path failed. */
#include "tfhe/answers.h"
#include "tfhe/key_set.h"
#include "tfhe/lwe.h"
#include "tfhe/packed.h"
#include "toy_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

#define COUNT 300u /* of inputs, more than a polynomial has coefficients */
#define ANSWERS 30u

static int leak_noise;
static volatile int seen;

annulus_status __real_stream_tuniform(stream *s, unsigned bits, uint64_t *out, size_t count);
annulus_status __wrap_stream_tuniform(stream *s, unsigned bits, uint64_t *out, size_t count);
annulus_status __wrap_stream_tuniform(stream *s, unsigned bits, uint64_t *out, size_t count)
{
    const annulus_status st = __real_stream_tuniform(s, bits, out, count);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(out, count * sizeof *out);
    if (leak_noise && (out[0] & 1)) seen = 1;
    return st;
}

/* Keys that nobody gives away, too. */
annulus_status __real_stream_bits(stream *s, uint64_t *out, size_t count);
annulus_status __wrap_stream_bits(stream *s, uint64_t *out, size_t count);
annulus_status __wrap_stream_bits(stream *s, uint64_t *out, size_t count)
{
    const annulus_status st = __real_stream_bits(s, out, count);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(out, count * sizeof *out);
    return st;
}

static void check(annulus_status st, const char *what)
{
    if (st == ANNULUS_OK) return;
    fprintf(stderr, "%s: %s\n", what, annulus_error_message());
    exit(1);
}

static void hide(const secret_key *key)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(key->s, key->params.n * sizeof *key->s);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(key->S, tfhe_big_dim(&key->params) * sizeof *key->S);
}

static void make_keys(const tfhe_families *f, const secret_key_set *keys)
{
    for (uint32_t i = 0; i < f->count; i++) {
        seeded_eval_key *key;
        check(seeded_eval_key_create(keys->of[i], 1, NULL, &key), "evaluation key");
        seeded_eval_key_destroy(key);
    }
    seeded_merge_key *merge;
    check(seeded_merge_key_create(keys->of[0], f->merge.l, f->merge.bg, 1, &merge), "merging key");
    seeded_merge_key_destroy(merge);
    seeded_answers_key *answers;
    check(seeded_answers_key_create(f, keys->of[0], keys->answers, 1, NULL, &answers), "answers key");
    seeded_answers_key_destroy(answers);
}

/* Ciphertexts are public, phases secret; nothing looks at the latter here. */
static void encrypt_and_decrypt(const tfhe_families *f, const secret_key_set *keys)
{
    const tfhe_params *p = &f->of[0];
    seed256 seed;
    static uint64_t message[COUNT], body[COUNT], phase[ANSWERS];
    uint64_t *expanded = calloc((size_t)COUNT * (tfhe_big_dim(p) + 1), sizeof *expanded);
    uint8_t *packed = calloc(1, answers_bytes(&f->answers, ANSWERS));
    if (expanded == NULL || packed == NULL) exit(1);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(message, sizeof message);
    check(random_seed(&seed), "seed");
    check(packed_encrypt_seeded(keys->of[0], &seed, message, COUNT, body), "encryption");
    packed_round(body, COUNT, 24);
    (void)VALGRIND_MAKE_MEM_DEFINED(body, sizeof body);
    check(packed_expand(p, &seed, body, COUNT, 1, expanded), "expansion");
    phase[0] = lwe_phase(keys->of[0], expanded);
    check(answers_phases(keys->answers, packed, ANSWERS, phase), "decryption");
    free(expanded);
    free(packed);
}

int main(int argc, char **argv)
{
    tfhe_params own = TOY_SET(12, 1, 256, 2, 1, 8, 3, 3, 10, .ks_l = 2, .ks_b = 4), other = own;
    other.n = 10, other.pbs_group = 1;
    const tfhe_families f = {.count = 2,
                             .of = {own, other},
                             .merge = {2, 10},
                             .answers = {.family = 0,
                                         .k = 4,
                                         .N = 16,
                                         .l = 2,
                                         .b = 4,
                                         .noise = 3,
                                         .sent_k = 3,
                                         .sent_l = 10,
                                         .sent_noise = 4,
                                         .bits = 12,
                                         .body_bits = 9,
                                         .parts = 3,
                                         .multiple = {1, 2, 4}}};
    secret_key_set *keys;
    check(tfhe_families_check(&f), "parameters");
    check(secret_key_set_create(&f, &keys), "secret keys");
    hide(keys->of[0]), hide(keys->of[1]);
    (void)VALGRIND_MAKE_MEM_UNDEFINED(keys->answers->P, tfhe_answers_dim(&f.answers) * sizeof *keys->answers->P);
    leak_noise = argc > 1 && strcmp(argv[1], "noise") == 0;
    if (argc > 1 && !leak_noise && (keys->of[0]->S[0] & 1)) seen = 1;
    make_keys(&f, keys);
    encrypt_and_decrypt(&f, keys);
    writer w;
    writer_init(&w, 1);
    secret_key_set_write(&w, keys);
    writer_clear(&w);
    secret_key_set_destroy(keys);
    return 0;
}
