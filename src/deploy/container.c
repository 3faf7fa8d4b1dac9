/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/container.h"

#include "base/file.h"
#include "base/memory.h"
#include <openssl/evp.h>
#include <string.h>

#define VERSION 1u
#define HEAD_BYTES 24u /* magic 8, version 4, kind 4, length 8 */
#define HASH_BYTES 32u
#define LARGEST ((size_t)1 << 36)

static const char magic[8] = "ANNULUS";

static const struct {
    const char *name, *how;
} kinds[] = {[CONTAINER_CIRCUIT] = {"circuit", "annulus compile makes it"},
             [CONTAINER_CLIENT_KEY] = {"client key (secret)", "annulus keygen --client makes it"},
             [CONTAINER_EVALUATION_KEY] = {"evaluation key", "annulus keygen --evaluation makes it"},
             [CONTAINER_INPUT] = {"encrypted input", "annulus encrypt makes it"},
             [CONTAINER_OUTPUT] = {"encrypted output", "annulus run makes it"}};

const char *container_kind_name(container_kind kind)
{
    return kinds[kind].name;
}

static annulus_status hash(const uint8_t *p, size_t len, uint8_t out[HASH_BYTES])
{
    unsigned n = 0;
    if (EVP_Digest(p, len, out, &n, EVP_sha256(), NULL) != 1 || n != HASH_BYTES)
        return fail(ANNULUS_ERR_MEMORY, "SHA-256 of the cryptography library failed");
    return ANNULUS_OK;
}

annulus_status container_write(const char *path, container_kind kind, const writer *body)
{
    const int secret = kind == CONTAINER_CLIENT_KEY;
    writer w;
    uint8_t digest[HASH_BYTES];
    TRY(body->status);
    writer_init(&w, secret);
    write_bytes(&w, magic, sizeof magic);
    write_u32(&w, VERSION);
    write_u32(&w, (uint32_t)kind);
    write_u64(&w, body->len);
    write_bytes(&w, body->p, body->len);
    annulus_status st = w.status;
    if (st == ANNULUS_OK) st = hash(w.p, w.len, digest);
    if (st == ANNULUS_OK) {
        write_bytes(&w, digest, sizeof digest);
        st = w.status;
    }
    if (st == ANNULUS_OK) st = file_write(path, w.p, w.len, secret ? 0600 : 0644);
    writer_clear(&w);
    return st;
}

static annulus_status frame_check(const char *path, container *c)
{
    uint32_t version = 0, kind = 0;
    uint64_t length = 0;
    uint8_t digest[HASH_BYTES];
    reader r = {.p = c->bytes, .len = c->len, .name = path};
    if (c->len < HEAD_BYTES + HASH_BYTES || memcmp(c->bytes, magic, sizeof magic) != 0)
        return fail(ANNULUS_ERR_INPUT, "%s: not a file of annulus (no circuit, key or ciphertext)", path);
    r.pos = sizeof magic;
    TRY(read_u32(&r, &version));
    TRY(read_u32(&r, &kind));
    TRY(read_u64(&r, &length));
    if (version != VERSION)
        return fail(ANNULUS_ERR_INPUT, "%s: format version %u, this program reads %u; make the file again", path,
                    version, VERSION);
    if (kind < CONTAINER_CIRCUIT || kind > CONTAINER_OUTPUT)
        return fail(ANNULUS_ERR_INPUT, "%s: kind %u is unknown; make the file again", path, kind);
    if (length != c->len - HEAD_BYTES - HASH_BYTES)
        return fail(ANNULUS_ERR_INPUT, "%s: the file is cut off or has bytes too many; copy it again", path);
    TRY(hash(c->bytes, c->len - HASH_BYTES, digest));
    if (memcmp(digest, c->bytes + c->len - HASH_BYTES, HASH_BYTES) != 0)
        return fail(ANNULUS_ERR_INPUT, "%s: the file is damaged (its check sum is wrong); copy it again", path);
    c->kind = (container_kind)kind;
    c->body = (reader){.p = c->bytes + HEAD_BYTES, .len = (size_t)length, .name = path};
    return ANNULUS_OK;
}

annulus_status container_open(const char *path, container *out)
{
    container c = {0};
    TRY(file_read(path, LARGEST, &c.bytes, &c.len));
    const annulus_status st = frame_check(path, &c);
    if (st == ANNULUS_OK)
        *out = c;
    else
        mem_wipe_free(c.bytes, c.len); /* it may be a damaged secret */
    return st;
}

annulus_status container_read(const char *path, container_kind kind, container *out)
{
    container c = {0};
    TRY(container_open(path, &c));
    if (c.kind != kind) {
        const container_kind is = c.kind;
        container_clear(&c);
        return fail(ANNULUS_ERR_INPUT, "%s: this is a file of kind %s; a file of kind %s is needed here (%s)", path,
                    kinds[is].name, kinds[kind].name, kinds[kind].how);
    }
    *out = c;
    return ANNULUS_OK;
}

void container_clear(container *c)
{
    if (c->kind == CONTAINER_CLIENT_KEY) mem_wipe(c->bytes, c->len);
    mem_free(c->bytes);
    *c = (container){0};
}
