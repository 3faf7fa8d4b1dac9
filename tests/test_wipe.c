/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are overwritten before their memory is given back: every free() of the library (linked with --wrap=free and
 * --wrap=stream_bits) is searched for the key, in each form that it takes in memory, over the whole life of a key. 64
 * bits of a random key stand in other memory with probability below 2^-40 per run. */
#include "testing.h"

#include "base/memory.h"
#include "deploy/deploy_priv.h"
#include "math/fft.h"
#include "toy_set.h"
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMS 16
#define PATTERN_MAX 512

typedef struct pattern {
    const char *what;
    size_t len;
    unsigned char bytes[PATTERN_MAX];
} pattern;
static pattern patterns[FORMS];
static size_t patterns_count;
static atomic_int watching, found[FORMS], freed;

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    if (p != NULL && atomic_load(&watching)) {
        const size_t size = malloc_usable_size(p);
        atomic_fetch_add(&freed, 1);
        for (size_t i = 0; i < patterns_count; i++)
            if (memmem(p, size, patterns[i].bytes, patterns[i].len) != NULL) atomic_fetch_add(&found[i], 1);
    }
    __real_free(p);
}

static void watch(const char *what, const void *p, size_t len)
{
    assert_true(patterns_count < FORMS && len <= PATTERN_MAX);
    pattern *q = &patterns[patterns_count++];
    q->what = what, q->len = len;
    memcpy(q->bytes, p, len);
}

static void watch_bits(const char *words, const char *bytes, const uint64_t *bits)
{
    unsigned char packed[64];
    for (size_t i = 0; i < sizeof packed; i++) packed[i] = (unsigned char)bits[i];
    watch(words, bits, 64 * sizeof *bits);
    watch(bytes, packed, sizeof packed);
}

static void nothing_was_left(void)
{
    atomic_store(&watching, 0);
    assert_true(atomic_load(&freed) > 0);
    for (size_t i = 0; i < patterns_count; i++) {
        if (atomic_load(&found[i]) == 0) continue;
        print_error("%s: in %d freed blocks\n", patterns[i].what, atomic_load(&found[i]));
        assert_int_equal(atomic_load(&found[i]), 0);
    }
}

static void watch_transform(const tfhe_params *p, const uint64_t *S)
{
    fft_plan *plan = NULL;
    void *f = NULL;
    assert_ok(fft_plan_create(p->N, &plan));
    assert_ok(mem_create(fft_words(p->N), sizeof(double), "transform", &f));
    fft_forward_i64(plan, (fourier){f}, (const int64_t *)S);
    watch("transform of the big key", f, 64 * sizeof(double));
    mem_free(f);
    fft_plan_destroy(plan);
}

/* A second family, so that a key is switched into another's. */
static const tfhe_families toys = {.count = 2,
                                   .of = {TOY_SET(600, 1, 1024, 1, 1, 8, 1, 10, 20, .ks_l = 2, .ks_b = 4),
                                          TOY_SET(90, 2, 256, 1, 1, 8, 3, 10, 20, .ks_l = 0)},
                                   .into = {{.l = 2, .b = 4}, {.l = 3, .b = 2}},
                                   .answers = {.k = 30,
                                               .N = 16,
                                               .l = 2,
                                               .b = 4,
                                               .noise = 10,
                                               .sent_k = 29,
                                               .sent_l = 10,
                                               .sent_noise = 10,
                                               .bits = 12,
                                               .body_bits = 10,
                                               .parts = 2,
                                               .multiple = {1, 3}}};

static int packing_seen;
/* The key that answers are packed under, which key generation draws and gives to nobody. */
annulus_status __real_stream_bits(stream *s, uint64_t *out, size_t count);
annulus_status __wrap_stream_bits(stream *s, uint64_t *out, size_t count);
annulus_status __wrap_stream_bits(stream *s, uint64_t *out, size_t count)
{
    const annulus_status st = __real_stream_bits(s, out, count);
    if (count == (size_t)toys.answers.k * toys.answers.N && atomic_load(&watching) && !packing_seen) {
        watch_bits("key of packing", "key of packing, a byte a bit", out);
        packing_seen = 1;
    }
    return st;
}

static int stop_late(void *context, const char *what, size_t done, size_t total)
{
    (void)context, (void)what;
    return total > 1 && 2 * done > total;
}

/* A file that is a client key, named where another file is wanted, or damaged. */
static void misuse(const char *path)
{
    annulus_model *m = NULL;
    annulus_circuit *c = NULL;
    annulus_client_key *k = NULL;
    assert_refused(annulus_model_read(path, &m), "not an ONNX model");
    assert_refused(annulus_circuit_read(path, &c), "client key");
    FILE *f = fopen(path, "r+b");
    assert_int_equal(fseek(f, 1000, SEEK_SET), 0);
    assert_int_equal(fputc(7, f), 7); /* no bit */
    (void)fclose(f);
    assert_refused(annulus_client_key_read(path, &k), "damaged");
    assert_int_equal(truncate(path, 1500), 0);
    assert_refused(annulus_client_key_read(path, &k), "cut off");
}

static void secrets_create(secret_key_set *set)
{
    static const seed256 seeds[] = {{{41}}, {{43}}};
    set->count = toys.count;
    for (uint32_t i = 0; i < toys.count; i++) assert_ok(secret_key_create_seeded(&toys.of[i], &seeds[i], &set->of[i]));
    uint64_t seed = 44;
    assert_ok(answers_secret_create(&toys.answers, &set->answers));
    for (size_t i = 0; i < tfhe_answers_dim(&toys.answers); i++) set->answers->P[i] = test_random(&seed) & 1;
}

static void secrets_destroy(secret_key_set *set)
{
    for (uint32_t i = 0; i < toys.count; i++) secret_key_destroy(set->of[i]);
    answers_secret_destroy(set->answers);
}

static void use(const secret_key_set *mine, const secret_key_set *read)
{
    const seed256 mask_seed = {{42}};
    uint64_t message[3] = {1, 2, 3}, body[3];
    for (uint32_t i = 0; i < toys.count; i++) {
        uint64_t *ct = calloc(3 * lwe_words(&toys.of[i]), sizeof *ct);
        assert_ok(packed_encrypt_seeded(read->of[i], &mask_seed, message, 3, body));
        assert_ok(packed_expand(&toys.of[i], &mask_seed, body, 3, 1, ct));
        assert_true(lwe_phase(mine->of[i], ct) - message[0] + (1u << 20) <= 2u << 20);
        __real_free(ct);
    }
    uint8_t *sent = calloc(1, answers_bytes(&toys.answers, 3));
    assert_ok(answers_phases(read->answers, sent, 3, body));
    assert_int_equal(body[0] | body[1] | body[2], 0);
    __real_free(sent);
}

static void test_life_of_a_key(void **state)
{
    (void)state;
    char folder[] = "annulus-wipe-XXXXXX", path[64];
    const annulus_progress stop = {.report = stop_late};
    secret_key_set secrets = {0};
    annulus_client_key key = {.secret = &secrets}, *back = NULL;
    seeded_eval_key_set *evaluation = NULL;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/key", folder);
    secrets_create(&secrets);
    for (uint32_t i = 0; i < toys.count; i++) {
        watch_bits("small key", "small key, a byte a bit", secrets.of[i]->s);
        watch_bits("big key", "big key, a byte a bit", secrets.of[i]->S);
        watch_transform(&toys.of[i], secrets.of[i]->S);
    }
    watch_bits("answers' key", "answers' key, a byte a bit", secrets.answers->P);
    secrets_destroy(&secrets);

    atomic_store(&watching, 1);
    secrets_create(&secrets);
    assert_ok(annulus_client_key_write(&key, path));
    assert_ok(annulus_client_key_read(path, &back));
    assert_ok(seeded_eval_key_set_create(&toys, &secrets, 2, NULL, &evaluation));
    assert_true(packing_seen);
    seeded_eval_key_set_destroy(evaluation);
    evaluation = NULL;
    assert_int_equal(seeded_eval_key_set_create(&toys, &secrets, 2, &stop, &evaluation), ANNULUS_ERR_CANCELLED);
    assert_null(evaluation);
    use(&secrets, back->secret);
    annulus_client_key_destroy(back);
    secrets_destroy(&secrets);
    misuse(path);
    nothing_was_left();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* The watch itself: a block with the key in it that is freed as it is. */
static void test_watch_sees(void **state)
{
    (void)state;
    const int before = atomic_load(&found[0]);
    void *p = NULL;
    assert_ok(mem_create(4096, 1, "block", &p));
    memcpy((unsigned char *)p + 100, patterns[0].bytes, patterns[0].len);
    atomic_store(&watching, 1);
    mem_free(p);
    atomic_store(&watching, 0);
    assert_int_equal(atomic_load(&found[0]), before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_life_of_a_key), cmocka_unit_test(test_watch_sees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
