/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"

#include <string.h>

void annulus_client_key_destroy(annulus_client_key *k)
{
    if (k == NULL) return;
    secret_key_set_destroy(k->secret);
    mem_free(k);
}

void annulus_evaluation_key_destroy(annulus_evaluation_key *k)
{
    if (k == NULL) return;
    seeded_eval_key_set_destroy(k->seeded);
    eval_key_set_destroy(k->expanded);
    mem_free(k);
}

static annulus_status keygen(const circuit *c, unsigned threads, const annulus_progress *progress,
                             annulus_client_key *client, annulus_evaluation_key *evaluation)
{
    memcpy(client->of.circuit, c->digest, sizeof client->of.circuit);
    TRY(random_os(client->of.key, sizeof client->of.key));
    evaluation->of = client->of;
    TRY(secret_key_set_create(&c->choice.families, &client->secret));
    TRY(seeded_eval_key_set_create(&c->choice.families, client->secret, threads, progress, &evaluation->seeded));
    return eval_key_set_create(evaluation->seeded, threads, progress, &evaluation->expanded);
}

annulus_status annulus_keygen(const annulus_circuit *c, unsigned threads, const annulus_progress *progress,
                              annulus_client_key **client, annulus_evaluation_key **evaluation)
{
    void *a, *b = NULL;
    TRY(object_create(sizeof **client, &a));
    annulus_status st = object_create(sizeof **evaluation, &b);
    if (st == ANNULUS_OK) st = keygen(c->c, threads, progress, a, b);
    if (st == ANNULUS_OK) {
        *client = a;
        *evaluation = b;
        return st;
    }
    annulus_client_key_destroy(a);
    annulus_evaluation_key_destroy(b);
    return st;
}

annulus_status annulus_client_key_write(const annulus_client_key *k, const char *path)
{
    writer w;
    writer_init(&w, 1);
    binding_write(&w, &k->of);
    secret_key_set_write(&w, k->secret);
    const annulus_status st = container_write(path, CONTAINER_CLIENT_KEY, &w);
    writer_clear(&w);
    return st;
}

annulus_status annulus_evaluation_key_write(const annulus_evaluation_key *k, const char *path)
{
    writer w;
    writer_init(&w, 0);
    binding_write(&w, &k->of);
    seeded_eval_key_set_write(&w, k->seeded);
    const annulus_status st = container_write(path, CONTAINER_EVALUATION_KEY, &w);
    writer_clear(&w);
    return st;
}

annulus_status annulus_client_key_read(const char *path, annulus_client_key **out)
{
    container file;
    void *p;
    TRY(object_create(sizeof **out, &p));
    annulus_client_key *k = p;
    annulus_status st = container_read(path, CONTAINER_CLIENT_KEY, &file);
    if (st == ANNULUS_OK) {
        st = binding_read(&file.body, &k->of);
        if (st == ANNULUS_OK) st = secret_key_set_read(&file.body, &k->secret);
        if (st == ANNULUS_OK) st = read_end(&file.body);
        container_clear(&file);
    }
    if (st == ANNULUS_OK)
        *out = k;
    else
        annulus_client_key_destroy(k);
    return st;
}

annulus_status evaluation_key_check(const binding *of, const tfhe_families *f, const circuit *c)
{
    TRY(binding_check_circuit(of, c, "the evaluation key"));
    if (tfhe_families_equal(f, &c->choice.families)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "the evaluation key has other dimensions than the circuit: make it again");
}

annulus_status annulus_evaluation_key_read(const char *path, const annulus_circuit *c, unsigned threads,
                                           const annulus_progress *progress, annulus_evaluation_key **out)
{
    container file;
    void *p;
    TRY(object_create(sizeof **out, &p));
    annulus_evaluation_key *k = p;
    annulus_status st = container_read(path, CONTAINER_EVALUATION_KEY, &file);
    if (st == ANNULUS_OK) {
        st = binding_read(&file.body, &k->of);
        if (st == ANNULUS_OK) st = seeded_eval_key_set_read(&file.body, &k->seeded);
        if (st == ANNULUS_OK) st = read_end(&file.body);
        container_clear(&file);
    }
    if (st == ANNULUS_OK && c != NULL && evaluation_key_check(&k->of, &k->seeded->families, c->c) != ANNULUS_OK)
        st = fail_prefix(ANNULUS_ERR_INPUT, "%s", path);
    if (st == ANNULUS_OK) st = eval_key_set_create(k->seeded, threads, progress, &k->expanded);
    if (st == ANNULUS_OK)
        *out = k;
    else
        annulus_evaluation_key_destroy(k);
    return st;
}
