/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"

#include <string.h>

void annulus_input_destroy(annulus_input *x)
{
    if (x == NULL) return;
    mem_free(x->seeds);
    mem_free(x->body);
    mem_free(x);
}

void annulus_output_destroy(annulus_output *y)
{
    if (y == NULL) return;
    mem_free(y->answers);
    mem_free(y);
}

size_t annulus_input_count(const annulus_input *x)
{
    return x->count;
}

size_t annulus_output_count(const annulus_output *y)
{
    return y->count;
}

static annulus_status input_create(const binding *of, size_t count, size_t features, uint32_t bits, annulus_input **out)
{
    void *p, *seeds = NULL, *body = NULL;
    TRY(object_create(sizeof **out, &p));
    annulus_status st = mem_create(count, sizeof(seed256), "mask seeds", &seeds);
    if (st == ANNULUS_OK) st = mem_create(count * features, sizeof(uint64_t), "ciphertexts", &body);
    *(annulus_input *)p =
        (annulus_input){.of = *of, .count = count, .features = features, .bits = bits, .seeds = seeds, .body = body};
    if (st == ANNULUS_OK)
        *out = p;
    else
        annulus_input_destroy(p);
    return st;
}

static annulus_status derive_seeds(annulus_input *x)
{
    for (size_t i = 0; i < x->count; i++) TRY(random_derive(&x->seed, RANDOM_SAMPLE, i, &x->seeds[i]));
    return ANNULUS_OK;
}

annulus_status output_create(const binding *of, size_t count, size_t outputs, size_t bytes, annulus_output **out)
{
    void *p, *answers = NULL;
    TRY(object_create(sizeof **out, &p));
    const annulus_status st = mem_create(count, bytes, "answers", &answers);
    *(annulus_output *)p =
        (annulus_output){.of = *of, .count = count, .outputs = outputs, .bytes = bytes, .answers = answers};
    if (st == ANNULUS_OK)
        *out = p;
    else
        annulus_output_destroy(p);
    return st;
}

static annulus_status encrypt_samples(const annulus_client_key *k, const circuit *c, const dataset *d, int saturate,
                                      annulus_input *x)
{
    const size_t features = c->input.features;
    void *p, *q = NULL;
    TRY(mem_create(features, sizeof(int32_t), "sample", &p));
    annulus_status st = mem_create(features, sizeof(uint64_t), "sample", &q);
    if (st == ANNULUS_OK) st = random_seed(&x->seed);
    if (st == ANNULUS_OK) st = derive_seeds(x);
    for (size_t i = 0; st == ANNULUS_OK && i < d->count; i++) {
        st = circuit_quantize(c, d->x + i * features, saturate, p);
        if (st != ANNULUS_OK) {
            st = fail_prefix(st, "sample %zu", i + 1);
            break;
        }
        exec_encode(c, p, q);
        st = packed_encrypt_seeded(k->secret->of[c->layers[0].family], &x->seeds[i], q, features,
                                   x->body + i * features);
        if (st == ANNULUS_OK) packed_round(x->body + i * features, features, x->bits);
    }
    mem_wipe_free(p, features * sizeof(int32_t));
    mem_wipe_free(q, q == NULL ? 0 : features * sizeof(uint64_t));
    return st;
}

annulus_status annulus_encrypt(const annulus_client_key *k, const annulus_circuit *c, const annulus_dataset *d,
                               int saturate, annulus_input **out)
{
    annulus_input *x = NULL;
    TRY(binding_check_circuit(&k->of, c->c, "the client key"));
    TRY(features_check("data", d->d, "circuit", c->c->input.features));
    if (!secret_key_set_fits(k->secret, &c->c->choice.families))
        return fail(ANNULUS_ERR_INPUT, "the key has other dimensions than the circuit: make it again");
    TRY(input_create(&k->of, d->d->count, d->d->features, c->c->input_bits, &x));
    const annulus_status st = encrypt_samples(k, c->c, d->d, saturate, x);
    if (st == ANNULUS_OK)
        *out = x;
    else
        annulus_input_destroy(x);
    return st;
}

annulus_status annulus_input_write(const annulus_input *x, const char *path)
{
    writer w;
    writer_init(&w, 0);
    binding_write(&w, &x->of);
    write_u32(&w, (uint32_t)x->features);
    write_u32(&w, x->bits);
    write_bytes(&w, &x->seed, sizeof x->seed);
    write_u64(&w, x->count);
    for (size_t i = 0; i < x->count * x->features; i++) {
        const uint64_t high = x->body[i] >> (64 - x->bits);
        write_bytes(&w, &high, x->bits / 8); /* little-endian, as all files (base/bytes.c) */
    }
    const annulus_status st = container_write(path, CONTAINER_INPUT, &w);
    writer_clear(&w);
    return st;
}

static annulus_status input_body_read(reader *r, annulus_input **out)
{
    binding of;
    seed256 seed;
    uint32_t features = 0, bits = 0;
    size_t count = 0;
    TRY(binding_read(r, &of));
    TRY(read_u32(r, &features));
    TRY(read_u32(r, &bits));
    TRY(read_bytes(r, &seed, sizeof seed));
    if (features == 0 || features > CIRCUIT_MAX_WIDTH || bits == 0 || bits > 64 || bits % 8 != 0)
        return read_fail(r, "%u features a sample, of %u bits each", features, bits);
    TRY(read_count(r, (size_t)features * (bits / 8), &count));
    if (count == 0) return read_fail(r, "the file has no samples");
    TRY(input_create(&of, count, features, bits, out));
    (*out)->seed = seed;
    TRY(derive_seeds(*out));
    for (size_t i = 0; i < count * features; i++) {
        TRY(read_bytes(r, &(*out)->body[i], bits / 8));
        (*out)->body[i] <<= 64 - bits;
    }
    return read_end(r);
}

annulus_status annulus_input_read(const char *path, annulus_input **out)
{
    container file;
    annulus_input *x = NULL;
    TRY(container_read(path, CONTAINER_INPUT, &file));
    const annulus_status st = input_body_read(&file.body, &x);
    container_clear(&file);
    if (st == ANNULUS_OK)
        *out = x;
    else
        annulus_input_destroy(x);
    return st;
}

annulus_status annulus_output_write(const annulus_output *y, const char *path)
{
    writer w;
    writer_init(&w, 0);
    binding_write(&w, &y->of);
    write_u64(&w, y->outputs);
    write_u64(&w, y->bytes);
    write_u64(&w, y->count);
    write_bytes(&w, y->answers, y->count * y->bytes);
    const annulus_status st = container_write(path, CONTAINER_OUTPUT, &w);
    writer_clear(&w);
    return st;
}

#define MOST_BYTES ((6 * 65536 + 1) * sizeof(uint64_t)) /* of an answer: a ciphertext of the largest ring */

static annulus_status output_body_read(reader *r, annulus_output **out)
{
    binding of;
    uint64_t outputs = 0, bytes = 0;
    size_t count = 0;
    TRY(binding_read(r, &of));
    TRY(read_u64(r, &outputs));
    TRY(read_u64(r, &bytes));
    if (outputs == 0 || outputs > CIRCUIT_MAX_WIDTH || outputs > 8 * bytes || bytes > outputs * MOST_BYTES)
        return read_fail(r, "%llu outputs in %llu bytes", (unsigned long long)outputs, (unsigned long long)bytes);
    TRY(read_count(r, (size_t)bytes, &count));
    if (count == 0) return read_fail(r, "the file has no answers");
    TRY(output_create(&of, count, (size_t)outputs, (size_t)bytes, out));
    TRY(read_bytes(r, (*out)->answers, count * (size_t)bytes));
    return read_end(r);
}

annulus_status annulus_output_read(const char *path, annulus_output **out)
{
    container file;
    annulus_output *y = NULL;
    TRY(container_read(path, CONTAINER_OUTPUT, &file));
    const annulus_status st = output_body_read(&file.body, &y);
    container_clear(&file);
    if (st == ANNULUS_OK)
        *out = y;
    else
        annulus_output_destroy(y);
    return st;
}

annulus_status annulus_decrypt(const annulus_client_key *k, const annulus_circuit *c, const annulus_output *y,
                               double *values)
{
    TRY(binding_check_circuit(&k->of, c->c, "the client key"));
    TRY(binding_check_circuit(&y->of, c->c, "the encrypted output"));
    TRY(binding_check_key(&k->of, "the client key", &y->of, "the encrypted output"));
    if (!secret_key_set_fits(k->secret, &c->c->choice.families) || y->bytes != exec_answer_bytes(c->c) ||
        y->outputs != circuit_last(c->c)->out)
        return fail(ANNULUS_ERR_INPUT, "the key or the output has other dimensions than the circuit: make them again");
    void *p;
    TRY(mem_create((2 + y->count) * y->outputs, sizeof(uint64_t), "answers", &p));
    uint64_t *phase = p;
    double *acc = (double *)(phase + y->outputs), *of_all = acc + y->outputs;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; i < y->count; i++) {
        st = exec_answer_phases(c->c, k->secret, y->answers + i * y->bytes, phase);
        if (st != ANNULUS_OK) break;
        exec_decode(c->c, phase, acc);
        exec_values(c->c, acc, of_all + i * y->outputs);
    }
    if (st == ANNULUS_OK) memcpy(values, of_all, y->count * y->outputs * sizeof *values);
    mem_wipe_free(p, (2 + y->count) * y->outputs * sizeof(uint64_t));
    return st;
}
