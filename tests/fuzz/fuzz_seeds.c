/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_seeds FOLDER: writes the part of the corpus that this library's own writers make (see make_corpus). */
#include "families_fixture.h"
#include "random_networks.h"
#include "share_fixture.h"
#include "toy_set.h"
#include "wave_fixture.h"

#include "fuzz_training.h"

#include "base/file.h"
#include "base/memory.h"
#include "deploy/deploy_priv.h"
#include "onnx/onnx_model.h"
#include <stdlib.h>
#include <unistd.h>

#define HEAD_BYTES 24u
#define HASH_BYTES 32u

/* The second is another, with a conversion and without a keyswitch of its own. */
static const tfhe_families toys = {.count = 2,
                                   .of = {TOY_SET(2, 1, 256, 1, 1, 8, 1, 10, 20, .ks_l = 2, .ks_b = 4),
                                          TOY_SET(1, 2, 256, 1, 1, 8, 1, 10, 20, .ks_l = 0)},
                                   .into = {[1] = {.l = 1, .b = 4}}};

static void check(annulus_status st)
{
    if (st == ANNULUS_OK) return;
    fprintf(stderr, "fuzz_seeds: %s\n", annulus_error_message());
    exit(1);
}

static void seed_write(const char *folder, const char *name, uint8_t kind, const uint8_t *p, size_t len)
{
    char path[4096];
    writer w;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    writer_init(&w, 0);
    write_u8(&w, kind);
    write_bytes(&w, p, len);
    check(w.status);
    check(file_write(path, w.p, w.len, 0644));
    writer_clear(&w);
}

/* From a file of ours: its body as a seed of its kind, or the whole as kind 0. */
static void seed_from_file(const char *folder, const char *name, uint8_t kind, const char *path)
{
    uint8_t *p = NULL;
    size_t len = 0;
    check(file_read(path, 1u << 20, &p, &len));
    if (kind == 0)
        seed_write(folder, name, 0, p, len);
    else
        seed_write(folder, name, kind, p + HEAD_BYTES, len - HEAD_BYTES - HASH_BYTES);
    mem_free(p);
}

static void circuits(const char *folder, const char *path)
{
    uint64_t seed = 7;
    const tfhe_families both = two_families();
    static const size_t widths[] = {4, 3, 2, 2};
    for (size_t layers = 1; layers <= 3; layers++) {
        network *n = random_network(&seed, widths, layers, layers == 3 ? ACTIVATION_RELU : ACTIVATION_SIGMOID, 3);
        float *x = random_inputs(&seed, 50, 4);
        lower_options o;
        char name[32];
        lower_options_init(&o);
        o.rounding_bits = 3;
        o.log2_error = -7;
        annulus_circuit c = {0};
        check(network_lower(n, x, 50, &o, &c.c));
        if (layers == 3) c.c = circuit_in_families(c.c, &both, 4096);
        check(annulus_circuit_write(&c, path));
        (void)snprintf(name, sizeof name, "ok-circuit-%zu", layers);
        seed_from_file(folder, name, 1, path);
        if (layers == 1) seed_from_file(folder, "ok-whole", 0, path);
        circuit_destroy(c.c);
        network_destroy(n);
        free(x);
    }
}

/* The seed `name` of a network lowered by `count` samples that the random numbers give; takes the network over. */
static void lowered(const char *folder, const char *path, const char *name, network *n, uint64_t *seed, size_t count,
                    const lower_options *o)
{
    float *x = random_inputs(seed, count, n->inputs);
    annulus_circuit c = {0};
    check(network_lower(n, x, count, o, &c.c));
    check(annulus_circuit_write(&c, path));
    seed_from_file(folder, name, 1, path);
    circuit_destroy(c.c);
    network_destroy(n);
    free(x);
}

/* With convolutions, branches and shared tables. */
static void branched_circuits(const char *folder, const char *path)
{
    for (uint64_t k = 0; k < 3; k++) {
        uint64_t seed = 20 + k;
        network *n = random_graph(&seed);
        lower_options o;
        char name[32];
        lower_options_init(&o);
        o.ranges_measured = 0, o.rounding_bits = 2, o.log2_error = -7;
        (void)snprintf(name, sizeof name, "ok-circuit-branched-%u", (unsigned)k);
        lowered(folder, path, name, n, &seed, 40, &o);
    }
}

/* Several tables a rotation, of one or side by side. */
static void sharing_circuits(const char *folder, const char *path)
{
    for (unsigned way = SHARE_MIXED; way <= SHARE_SLOTS; way++) {
        uint64_t seed = 8;
        network *n = network_of(&seed, THREE);
        lower_options o;
        lower_options_init(&o);
        o.ranges_measured = 0, o.rounding_bits = 3, o.log2_error = -7, o.share_ways = 1u << way;
        lowered(folder, path, way == SHARE_MIXED ? "ok-circuit-sharing" : "ok-circuit-slots", n, &seed, 50, &o);
    }
}

static void native_circuit(const char *folder, const char *path)
{
    uint64_t seed = 8;
    static const size_t widths[] = {4, 3, 2};
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 2, 4);
    lower_options o;
    lower_options_init(&o);
    lowered(folder, path, "ok-circuit-native", n, &seed, 50, &o);
}

static void exact_circuit(const char *folder, const char *path)
{
    uint64_t seed = 9;
    static const size_t widths[] = {4, 3, 2};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 4);
    lower_options o;
    lower_options_init(&o);
    o.method = ROUNDING_EXACT, o.rounding_bits = 3, o.families_most = 1;
    lowered(folder, path, "ok-circuit-exact", n, &seed, 50, &o);
}

/* Of split look-ups. */
static void split_circuit(const char *folder, const char *path)
{
    uint64_t seed = 11;
    static const size_t widths[] = {24, 2, 2};
    network *n = random_network(&seed, widths, 2, ACTIVATION_RELU, 3);
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 0, o.log2_error = -60;
    lowered(folder, path, "ok-circuit-split", n, &seed, 50, &o);
}

static void evaluation_key(const char *folder, const char *path, const char *name, const tfhe_families *f,
                           const secret_key_set *secret)
{
    annulus_evaluation_key evaluation = {.of.key = "name of the key"};
    check(seeded_eval_key_set_create(f, secret, 1, NULL, &evaluation.seeded));
    check(annulus_evaluation_key_write(&evaluation, path));
    seed_from_file(folder, name, 3, path);
    seeded_eval_key_set_destroy(evaluation.seeded);
}

static void split_keys_of(const char *folder, const char *path)
{
    tfhe_families f = {.count = 2, .of = {toys.of[0], toys.of[0]}, .merge = {1, 10}};
    const seed256 seed = {{3}};
    secret_key_set secret = {.count = 2};
    f.of[TFHE_LOW].n = 1;
    check(secret_key_create_seeded(&f.of[TFHE_HIGH], &seed, &secret.of[TFHE_HIGH]));
    check(secret_key_create_beside(&f.of[TFHE_LOW], secret.of[TFHE_HIGH], &secret.of[TFHE_LOW]));
    evaluation_key(folder, path, "ok-evaluation-key-split", &f, &secret);
    for (uint32_t i = 0; i < 2; i++) secret_key_destroy(secret.of[i]);
}

/* Of the first `count` of the toys. */
static void keys(const char *folder, const char *path, uint32_t count)
{
    char name[64];
    tfhe_families f = toys;
    uint64_t P[6] = {1, 0, 1, 1, 0, 1};
    answers_secret answers = {.P = P};
    f.count = count;
    if (count > 1)
        f.answers = (tfhe_answers){.family = 1,
                                   .k = 3,
                                   .N = 2,
                                   .l = 2,
                                   .b = 4,
                                   .noise = 2,
                                   .sent_k = 2,
                                   .sent_l = 5,
                                   .sent_noise = 3,
                                   .bits = 9,
                                   .body_bits = 7,
                                   .parts = 2,
                                   .multiple = {1, 3}};
    answers.params = f.answers;
    const seed256 seed = {{3}};
    secret_key_set secret = {.count = count, .answers = count > 1 ? &answers : NULL};
    annulus_client_key client = {.of.key = "name of the key", .secret = &secret};
    for (uint32_t i = 0; i < count; i++) check(secret_key_create_seeded(&f.of[i], &seed, &secret.of[i]));
    check(annulus_client_key_write(&client, path));
    (void)snprintf(name, sizeof name, "ok-client-key-%u", count);
    seed_from_file(folder, name, 2, path);
    (void)snprintf(name, sizeof name, "ok-evaluation-key-%u", count);
    evaluation_key(folder, path, name, &f, &secret);
    for (uint32_t i = 0; i < count; i++) secret_key_destroy(secret.of[i]);
}

static void ciphertexts(const char *folder, const char *path)
{
    seed256 seeds[2] = {{{1}}, {{2}}};
    uint64_t words[257] = {5, 6, 7, 8, 9, 10};
    annulus_input x = {.count = 2, .features = 3, .bits = 64, .seeds = seeds, .body = words};
    annulus_output y = {.count = 1, .outputs = 1, .bytes = sizeof words, .answers = (uint8_t *)words};
    check(annulus_input_write(&x, path));
    seed_from_file(folder, "ok-input", 4, path);
    check(annulus_output_write(&y, path));
    seed_from_file(folder, "ok-output", 5, path);
}

/* An activation that is a table of entries. */
static void table_model(const char *folder)
{
    static const size_t widths[] = {4, 3, 2};
    char path[4096];
    uint64_t seed = 5;
    uint8_t *p = NULL;
    size_t len = 0;
    network *n = random_network(&seed, widths, 2, ACTIVATION_FUNCTION, 3);
    check(function_entries(5, -1, 0.5, (double[]){0, 1, -1, 0.5, 2}, &n->layers[0].own));
    check(onnx_model_encode(n, &p, &len));
    (void)snprintf(path, sizeof path, "%s/ok-entries", folder);
    check(file_write(path, p, len, 0644));
    mem_free(p);
    network_destroy(n);
}

static void models(const char *folder)
{
    static const size_t widths[] = {3, 4, 2};
    uint64_t seed = 5;
    for (int act = ACTIVATION_IDENTITY; act <= ACTIVATION_WAVE; act++) {
        char path[4096];
        uint8_t *p = NULL;
        size_t len = 0;
        network *n = activation_is_wave((activation)act)
                         ? wave_network(&seed, widths, 2, (activation)act, act % 2 == 0 ? 1 : 4, 3)
                         : random_network(&seed, widths, 2, (activation)act, 3);
        if (act == ACTIVATION_FUNCTION)
            check(function_points(3, (double[]){-1, 0, 2}, (double[]){0, 1, 0.5}, &n->layers[0].own));
        check(onnx_model_encode(n, &p, &len));
        (void)snprintf(path, sizeof path, "%s/ok-%s", folder, activation_name((activation)act));
        check(file_write(path, p, len, 0644));
        mem_free(p);
        network_destroy(n);
    }
    table_model(folder);
}

/* What follows the digest of a checkpoint, without and with the best parameters. */
static void training(const char *folder, const char *path)
{
    for (int patience = 0; patience < 2; patience++) {
        small_training s = {.best = {.x = NULL}};
        uint8_t *p = NULL;
        size_t len = 0;
        char name[4096];
        check(small_training_create(patience, &s));
        for (unsigned e = 0; e < 2; e++)
            s.history[e] = (train_epoch){e + 1, TRAINING_EPOCHS, 0.5, 0.75, 0.01, patience};
        if (patience) train_best_store(&s.m, 2, 0.75, &s.best);
        check(train_checkpoint_write(path, s.digest, s.history, 2, &s.m, &s.best));
        check(file_read(path, 1 << 20, &p, &len));
        p[TRAINING_HEAD - 1] = (uint8_t)patience;
        (void)snprintf(name, sizeof name, "%s/ok-%s", folder, patience ? "best" : "plain");
        check(file_write(name, p + TRAINING_HEAD - 1, len - TRAINING_HEAD + 1 - SHA256_BYTES, 0644));
        mem_free(p);
        mem_free(s.best.x);
        train_model_destroy(&s.m);
        train_data_destroy(&s.t);
    }
}

int main(int argc, char **argv)
{
    char files[4000], onnx[4000], trainings[4000], path[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    (void)snprintf(files, sizeof files, "%.3900s/files", argv[1]);
    (void)snprintf(onnx, sizeof onnx, "%.3900s/onnx", argv[1]);
    (void)snprintf(trainings, sizeof trainings, "%.3900s/training", argv[1]);
    (void)snprintf(path, sizeof path, "%.3900s/whole", argv[1]);
    circuits(files, path);
    native_circuit(files, path);
    exact_circuit(files, path);
    branched_circuits(files, path);
    sharing_circuits(files, path);
    split_circuit(files, path);
    for (uint32_t count = 1; count <= 2; count++) keys(files, path, count);
    split_keys_of(files, path);
    ciphertexts(files, path);
    models(onnx);
    training(trainings, path);
    (void)unlink(path);
    return 0;
}
