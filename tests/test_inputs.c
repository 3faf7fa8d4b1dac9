/* SPDX-License-Identifier: Apache-2.0 */
/* Files of encrypted samples: bytes a value, seeds of masks, and files that say what they do not hold. */
#include "testing.h"

#include "base/file.h"
#include "base/memory.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERHEAD 152u /* frame 56, binding 48, features 8, seed 32, count 8 */

static char folder[64], path[96];

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/annulus-inputs-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    (void)snprintf(path, sizeof path, "%s/x", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static const uint64_t features_of[] = {1, 3, 6, 784};

static size_t file_bytes(void)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (size_t)info.st_size;
}

/* A network of `features` inputs, its circuit and a client key. */
static void make(size_t features, annulus_dataset **d, annulus_circuit **c, annulus_client_key **client)
{
    uint64_t seed = features;
    annulus_train_options t;
    annulus_compile_options o;
    annulus_model *m;
    annulus_evaluation_key *evaluation;
    FILE *f = fopen(path, "w");
    for (size_t k = 0; k < features; k++) fprintf(f, "f%zu,", k);
    fprintf(f, "kind\n");
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < features; k++) fprintf(f, "%u,", (unsigned)(test_random(&seed) % 100));
        fprintf(f, "%d\n", i % 2);
    }
    (void)fclose(f);
    annulus_train_options_init(&t);
    annulus_compile_options_init(&o);
    t.hidden_count = 1, t.hidden[0] = 2, t.batch = 32, t.epochs = 1;
    o.rounding_bits = 2, o.log2_error = -5;
    assert_ok(annulus_dataset_read_csv(path, ANNULUS_CLASSIFICATION, NULL, NULL, d));
    assert_ok(annulus_train(*d, &t, NULL, NULL, NULL, &m));
    assert_ok(annulus_compile(m, *d, &o, c));
    assert_ok(annulus_keygen(*c, 0, NULL, client, &evaluation));
    annulus_evaluation_key_destroy(evaluation);
    annulus_model_destroy(m);
}

/* As many bytes a value as the circuit says, here at most 6, and 152 a file: at most 10 a value from 38 values on,
 * however few a sample has. */
static void test_bytes_a_value(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof features_of / sizeof *features_of; k++) {
        const size_t features = features_of[k];
        annulus_dataset *d, *few;
        annulus_circuit *c;
        annulus_client_key *client;
        make(features, &d, &c, &client);
        for (size_t count = 1; count <= 100; count += 33) {
            annulus_input *x, *back;
            assert_ok(annulus_dataset_slice(d, 0, count, &few));
            assert_ok(annulus_encrypt(client, c, few, 0, &x));
            assert_ok(annulus_input_write(x, path));
            assert_true(c->c->input_bits <= 48 && c->c->input_bits % 8 == 0);
            assert_int_equal(file_bytes(), OVERHEAD + c->c->input_bits / 8 * count * features);
            if (count * features >= 38) assert_true(file_bytes() <= 10 * count * features);
            assert_ok(annulus_input_read(path, &back));
            assert_memory_equal(back->seeds, x->seeds, count * sizeof *x->seeds);
            assert_memory_equal(back->body, x->body, count * features * 8);
            annulus_input_destroy(back);
            annulus_input_destroy(x);
            annulus_dataset_destroy(few);
        }
        annulus_client_key_destroy(client);
        annulus_circuit_destroy(c);
        annulus_dataset_destroy(d);
    }
}

static int order(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(seed256));
}

/* No two samples have one seed, in a file or in two of the same samples and key (a false alarm has probability below
 * 2^-240); and none is the file's, or what another purpose makes of it. */
static void test_seeds(void **state)
{
    (void)state;
    annulus_dataset *d;
    annulus_circuit *c;
    annulus_client_key *client;
    annulus_input *x, *y;
    seed256 all[203];
    make(1, &d, &c, &client);
    assert_ok(annulus_encrypt(client, c, d, 0, &x));
    assert_ok(annulus_encrypt(client, c, d, 0, &y));
    memcpy(all, x->seeds, 100 * sizeof *all);
    memcpy(all + 100, y->seeds, 100 * sizeof *all);
    all[200] = x->seed, all[201] = y->seed;
    assert_ok(random_derive(&x->seed, RANDOM_MASK, 0, &all[202]));
    qsort(all, 203, sizeof *all, order);
    for (size_t i = 1; i < 203; i++) assert_memory_not_equal(&all[i - 1], &all[i], sizeof *all);
    annulus_input_destroy(x);
    annulus_input_destroy(y);
    annulus_client_key_destroy(client);
    annulus_circuit_destroy(c);
    annulus_dataset_destroy(d);
}

static void put(uint32_t features, uint32_t bits, uint64_t count, size_t seed_bytes, size_t body_bytes)
{
    const binding of = {{1}, {2}};
    writer w;
    writer_init(&w, 0);
    binding_write(&w, &of);
    write_u32(&w, features);
    write_u32(&w, bits);
    for (size_t i = 0; i < seed_bytes; i++) write_u8(&w, 7);
    write_u64(&w, count);
    for (size_t i = 0; i < body_bytes; i++) write_u8(&w, (uint8_t)i);
    assert_ok(container_write(path, CONTAINER_INPUT, &w));
    writer_clear(&w);
}

static void test_refusals(void **state)
{
    (void)state;
    annulus_input *x = NULL;
    put(3, 64, 2, 32, 48);
    assert_ok(annulus_input_read(path, &x)); /* the form of a right one */
    assert_true(annulus_input_count(x) == 2 && x->features == 3);
    annulus_input_destroy(x);
    put(3, 40, 2, 32, 30);
    assert_ok(annulus_input_read(path, &x)); /* words lie at the high end */
    assert_true(x->bits == 40 && x->body[0] == UINT64_C(0x0403020100000000) &&
                x->body[1] == UINT64_C(0x0908070605000000));
    annulus_input_destroy(x);
    x = NULL;
    put(3, 40, 2, 32, 31);
    assert_refused(annulus_input_read(path, &x), path);
    for (uint32_t bits = 0; bits <= 72; bits += 36) {
        put(1, bits, 1, 32, 8);
        assert_refused(annulus_input_read(path, &x), "1 features a sample, of ");
    }
    put(3, 64, 2, 32, 47);
    assert_refused(annulus_input_read(path, &x), path);
    put(3, 64, 2, 32, 49);
    assert_refused(annulus_input_read(path, &x), path);
    put(3, 64, 0, 32, 0);
    assert_refused(annulus_input_read(path, &x), "the file has no samples");
    put(0, 64, 1, 32, 0);
    assert_refused(annulus_input_read(path, &x), "0 features a sample");
    put(UINT32_MAX, 64, 8, 32, 64);
    assert_refused(annulus_input_read(path, &x), "features a sample");
    put(1, 64, UINT64_MAX, 32, 64);
    assert_refused(annulus_input_read(path, &x), path);
    put(2, 64, UINT64_MAX / 16 + 1, 32, 64); /* times 16 it is 0 */
    assert_refused(annulus_input_read(path, &x), path);
    put(1, 64, 1, 20, 0);
    assert_refused(annulus_input_read(path, &x), path);
    assert_null(x);
}

/* A file of the version before. */
static void test_version(void **state)
{
    (void)state;
    annulus_input *x = NULL;
    uint8_t *bytes, digest[SHA256_BYTES];
    size_t len;
    put(3, 64, 2, 32, 48);
    assert_ok(file_read(path, 1 << 20, &bytes, &len));
    bytes[8]--;
    assert_ok(bytes_sha256(bytes, len - SHA256_BYTES, digest));
    memcpy(bytes + len - SHA256_BYTES, digest, SHA256_BYTES);
    assert_ok(file_write(path, bytes, len, 0644));
    assert_refused(annulus_input_read(path, &x), "make the file again");
    mem_free(bytes);
    assert_null(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes_a_value), cmocka_unit_test(test_seeds),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_version)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
