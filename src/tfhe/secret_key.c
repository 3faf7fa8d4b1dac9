/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "tfhe/keys_priv.h"

#include <string.h>

static annulus_status allocate(const tfhe_params *p, secret_key **out)
{
    void *key, *s = NULL, *S = NULL;
    TRY(tfhe_params_check(p));
    TRY(mem_create(1, sizeof(secret_key), "secret key", &key));
    annulus_status st = mem_create(p->n, sizeof(uint64_t), "secret key", &s);
    if (st == ANNULUS_OK) st = mem_create(tfhe_big_dim(p), sizeof(uint64_t), "secret key", &S);
    *(secret_key *)key = (secret_key){.params = *p, .s = s, .S = S};
    if (st == ANNULUS_OK)
        *out = key;
    else
        secret_key_destroy(key);
    return st;
}

annulus_status secret_key_create_seeded(const tfhe_params *p, const seed256 *seed, secret_key **out)
{
    secret_key *key = NULL;
    stream *random = NULL;
    TRY(allocate(p, &key));
    annulus_status st = stream_create(seed, RANDOM_SECRET, 0, &random);
    if (st == ANNULUS_OK) st = stream_bits(random, key->s, p->n);
    if (st == ANNULUS_OK) st = stream_bits(random, key->S, tfhe_big_dim(p));
    stream_destroy(random);
    if (st == ANNULUS_OK)
        *out = key;
    else
        secret_key_destroy(key);
    return st;
}

annulus_status secret_key_create(const tfhe_params *p, secret_key **out)
{
    seed256 seed;
    TRY(random_seed(&seed));
    const annulus_status st = secret_key_create_seeded(p, &seed, out);
    mem_wipe(&seed, sizeof seed);
    return st;
}

annulus_status secret_key_create_beside(const tfhe_params *p, const secret_key *ring, secret_key **out)
{
    secret_key *key;
    REQUIRE(p->k == ring->params.k && p->N == ring->params.N && p->glwe_noise == ring->params.glwe_noise);
    TRY(secret_key_create(p, &key));
    memcpy(key->S, ring->S, tfhe_big_dim(p) * sizeof *key->S);
    *out = key;
    return ANNULUS_OK;
}

void secret_key_destroy(secret_key *key)
{
    if (key == NULL) return;
    mem_wipe_free(key->s, key->s == NULL ? 0 : key->params.n * sizeof *key->s);
    mem_wipe_free(key->S, key->S == NULL ? 0 : tfhe_big_dim(&key->params) * sizeof *key->S);
    mem_wipe_free(key, sizeof *key);
}

/* One byte a bit: the file is small and reading needs no secret-dependent branch but the final check. */
void secret_bits_write(writer *w, const uint64_t *bits, size_t n)
{
    for (size_t i = 0; i < n; i++) write_u8(w, (uint8_t)bits[i]);
}

annulus_status secret_bits_read(reader *r, uint64_t *bits, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t b = 0;
        TRY(read_u8(r, &b));
        bits[i] = b;
        all |= b;
    }
    if (all > 1) return read_fail(r, "a bit of the secret key is neither 0 nor 1: the file is damaged");
    return ANNULUS_OK;
}

void secret_key_write(writer *w, const secret_key *key)
{
    tfhe_params_write(w, &key->params);
    secret_bits_write(w, key->s, key->params.n);
    secret_bits_write(w, key->S, tfhe_big_dim(&key->params));
}

annulus_status secret_key_read(reader *r, secret_key **out)
{
    tfhe_params p;
    secret_key *key = NULL;
    TRY(tfhe_params_read(r, &p));
    TRY(allocate(&p, &key));
    annulus_status st = secret_bits_read(r, key->s, p.n);
    if (st == ANNULUS_OK) st = secret_bits_read(r, key->S, tfhe_big_dim(&p));
    if (st == ANNULUS_OK)
        *out = key;
    else
        secret_key_destroy(key);
    return st;
}

uint64_t secret_key_selector(const secret_key *key, size_t i)
{
    const tfhe_params *p = &key->params;
    const size_t step = i / tfhe_step_patterns(p), pattern = i % tfhe_step_patterns(p) + 1;
    uint64_t differ = 0;
    for (size_t b = 0; b < p->pbs_group; b++) differ |= key->s[step * p->pbs_group + b] ^ (pattern >> b & 1);
    return differ - 1;
}
