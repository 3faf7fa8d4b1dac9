/* SPDX-License-Identifier: Apache-2.0 */
/* Files of circuits, keys and ciphertexts. The first byte modulo 6 is 0: the rest is a whole file; 1 to 5: the rest is
 * the body of a file of that kind, and gets a right frame and check sum, so that mutations reach the reader behind
 * them. */
#include "fuzz.h"

#include "base/memory.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_WORDS_MAX ((uint64_t)1 << 20)

static void describe(const char *path)
{
    for (int json = 0; json < 2; json++) {
        char *text = NULL;
        if (annulus_inspect(path, json, &text) == ANNULUS_OK) REQUIRE(text != NULL && text[0] != '\0');
        annulus_text_destroy(text);
        text = NULL;
        if (annulus_inspect_program(path, json, &text) == ANNULUS_OK) REQUIRE(text != NULL && text[0] != '\0');
        annulus_text_destroy(text);
    }
}

/* What a server does with a circuit from elsewhere. */
static void run_circuit(const circuit *c)
{
    const size_t outputs = circuit_last(c)->out;
    int32_t *q = calloc(c->input.features, sizeof *q);
    double *y = calloc(outputs, sizeof *y);
    float *x = calloc(c->input.features, sizeof *x);
    const seed256 seed = {{1}};
    exec_stats stats = {0};
    exec_plan *plan = NULL;
    REQUIRE(q != NULL && y != NULL && x != NULL);
    if (circuit_quantize(c, x, 1, q) == ANNULUS_OK)
        for (size_t i = 0; i < c->input.features; i++) REQUIRE(q[i] >= c->input.lo && q[i] <= c->input.hi);
    for (size_t i = 0; i < c->input.features; i++) q[i] = i % 2 == 0 ? c->input.lo : c->input.hi;
    if (exec_clear(c, q, 1, 1, y, &stats) != ANNULUS_OK) abort();
    exec_values(c, y, y);
    if (exec_simulate(c, q, 1, &seed, 1, y, &stats) != ANNULUS_OK) abort();
    uint64_t words = 0;
    for (size_t i = 0; i < c->layers_count; i++)
        words += (uint64_t)c->layers[i].EF * c->choice.families.of[c->layers[i].family].N * c->layers[i].out;
    if (words <= PLAN_WORDS_MAX && exec_plan_create(c, &plan) != ANNULUS_OK) abort();
    exec_plan_destroy(plan);
    free(q), free(y), free(x);
}

/* What was read is what a writer of it would write. */
static void round_trip(const circuit *c)
{
    writer w;
    circuit *again = NULL;
    writer_init(&w, 0);
    circuit_write(&w, c);
    reader r = {.p = w.p, .len = w.len, .name = "again"};
    if (w.status != ANNULUS_OK || circuit_read(&r, &again) != ANNULUS_OK) abort();
    REQUIRE(memcmp(c->digest, again->digest, sizeof c->digest) == 0);
    circuit_destroy(again);
    writer_clear(&w);
}

static void read_circuit(const char *path)
{
    annulus_circuit *c = NULL;
    if (annulus_circuit_read(path, &c) != ANNULUS_OK) return;
    fuzz_accepted++;
    for (size_t o = 0; o < annulus_circuit_outputs(c); o++) REQUIRE(annulus_circuit_label(c, o) != NULL);
    round_trip(c->c);
    run_circuit(c->c);
    annulus_circuit_destroy(c);
}

static void read_keys(const char *path)
{
    annulus_client_key *client = NULL;
    annulus_evaluation_key *evaluation = NULL;
    fuzz_accepted += annulus_client_key_read(path, &client) == ANNULUS_OK;
    fuzz_accepted += annulus_evaluation_key_read(path, NULL, 1, NULL, &evaluation) == ANNULUS_OK;
    annulus_client_key_destroy(client);
    annulus_evaluation_key_destroy(evaluation);
}

static void read_ciphertexts(const char *path)
{
    annulus_input *x = NULL;
    annulus_output *y = NULL;
    if (annulus_input_read(path, &x) == ANNULUS_OK) REQUIRE(annulus_input_count(x) > 0);
    if (annulus_output_read(path, &y) == ANNULUS_OK) REQUIRE(annulus_output_count(y) > 0);
    fuzz_accepted += x != NULL || y != NULL;
    annulus_input_destroy(x);
    annulus_output_destroy(y);
}

static const char *framed(uint32_t kind, const uint8_t *body, size_t len)
{
    writer w;
    uint8_t digest[32];
    unsigned n = 0;
    writer_init(&w, 0);
    write_bytes(&w, "ANNULUS", 8);
    write_u32(&w, CONTAINER_VERSION);
    write_u32(&w, kind);
    write_u64(&w, len);
    write_bytes(&w, body, len);
    REQUIRE(w.status == ANNULUS_OK && EVP_Digest(w.p, w.len, digest, &n, EVP_sha256(), NULL) == 1 && n == 32);
    write_bytes(&w, digest, sizeof digest);
    const char *path = fuzz_file(0, w.p, w.len);
    writer_clear(&w);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const uint32_t kind = data[0] % 6;
    const char *path = kind == 0 ? fuzz_file(0, data + 1, size - 1) : framed(kind, data + 1, size - 1);
    describe(path);
    if (kind == CONTAINER_CIRCUIT || kind == 0) read_circuit(path);
    if (kind == CONTAINER_CLIENT_KEY || kind == CONTAINER_EVALUATION_KEY || kind == 0) read_keys(path);
    if (kind == CONTAINER_INPUT || kind == CONTAINER_OUTPUT || kind == 0) read_ciphertexts(path);
    return 0;
}
