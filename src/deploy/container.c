/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/container.h"

#include "base/file.h"
#include "base/memory.h"
#include <string.h>

#define HEAD_BYTES 24u /* magic 8, version 4, kind 4, length 8 */
#define HASH_BYTES SHA256_BYTES

static const char magic[8] = "ANNULUS";

static const struct {
    const char *name, *how;
    uint64_t largest; /* bytes of a file; client keys of the largest parameters have 800 kB */
} kinds[] = {[CONTAINER_CIRCUIT] = {"circuit", "annulus compile makes it", UINT64_C(1) << 32},
             [CONTAINER_CLIENT_KEY] = {"client key (secret)", "annulus keygen --client makes it", 1 << 20},
             [CONTAINER_EVALUATION_KEY] = {"evaluation key", "annulus keygen --evaluation makes it", UINT64_C(1) << 36},
             [CONTAINER_INPUT] = {"encrypted input", "annulus encrypt makes it", UINT64_C(1) << 36},
             [CONTAINER_OUTPUT] = {"encrypted output", "annulus run makes it", UINT64_C(1) << 36},
             [CONTAINER_CHECKPOINT] = {"checkpoint", "annulus run --checkpoint makes it", UINT64_C(1) << 36}};

const char *container_kind_name(container_kind kind)
{
    return kinds[kind].name;
}

annulus_status container_write(const char *path, container_kind kind, const writer *body)
{
    const int secret = kind == CONTAINER_CLIENT_KEY;
    writer w;
    uint8_t digest[HASH_BYTES];
    TRY(body->status);
    writer_init(&w, secret);
    write_bytes(&w, magic, sizeof magic);
    write_u32(&w, CONTAINER_VERSION);
    write_u32(&w, (uint32_t)kind);
    write_u64(&w, body->len);
    write_bytes(&w, body->p, body->len);
    annulus_status st = w.status;
    if (st == ANNULUS_OK) st = bytes_sha256(w.p, w.len, digest);
    if (st == ANNULUS_OK) {
        write_bytes(&w, digest, sizeof digest);
        st = w.status;
    }
    if (st == ANNULUS_OK) st = file_write(path, w.p, w.len, secret ? 0600 : 0644);
    writer_clear(&w);
    return st;
}

/* What to do about a file that is not what was written. */
static const char *mend(container_kind kind)
{
    return kind == CONTAINER_CHECKPOINT ? "remove it to start anew" : "copy it again";
}

/* The first HEAD_BYTES of a file of `size` bytes. */
static annulus_status head_check(const char *path, const uint8_t *head, size_t got, uint64_t size, container_kind *out)
{
    uint32_t version = 0, kind = 0;
    uint64_t length = 0;
    reader r = {.p = head, .len = got, .pos = sizeof magic, .name = path};
    if (got < HEAD_BYTES || size < HEAD_BYTES + HASH_BYTES || memcmp(head, magic, sizeof magic) != 0)
        return fail(ANNULUS_ERR_INPUT, "%s: not a file of annulus (no circuit, key or ciphertext)", path);
    TRY(read_u32(&r, &version));
    TRY(read_u32(&r, &kind));
    TRY(read_u64(&r, &length));
    if (version != CONTAINER_VERSION)
        return fail(ANNULUS_ERR_INPUT, "%s: format version %u, this program reads %u; make the file again", path,
                    version, CONTAINER_VERSION);
    if (kind < CONTAINER_CIRCUIT || kind > CONTAINER_CHECKPOINT)
        return fail(ANNULUS_ERR_INPUT, "%s: kind %u is unknown; make the file again", path, kind);
    if (length != size - HEAD_BYTES - HASH_BYTES)
        return fail(ANNULUS_ERR_INPUT, "%s: the file is cut off or has bytes too many; %s", path, mend(kind));
    if (size > kinds[kind].largest)
        return fail(ANNULUS_ERR_INPUT, "%s: %llu bytes are too many for a file of kind %s; make the file again", path,
                    (unsigned long long)size, kinds[kind].name);
    *out = (container_kind)kind;
    return ANNULUS_OK;
}

static annulus_status frame_check(const char *path, container *c)
{
    uint8_t digest[HASH_BYTES];
    TRY(head_check(path, c->bytes, c->len, c->len, &c->kind));
    TRY(bytes_sha256(c->bytes, c->len - HASH_BYTES, digest));
    if (memcmp(digest, c->bytes + c->len - HASH_BYTES, HASH_BYTES) != 0)
        return fail(ANNULUS_ERR_INPUT, "%s: the file is damaged (its check sum is wrong); %s", path, mend(c->kind));
    c->body = (reader){.p = c->bytes + HEAD_BYTES, .len = c->len - HEAD_BYTES - HASH_BYTES, .name = path};
    return ANNULUS_OK;
}

/* The head is judged before memory is taken for the rest. */
annulus_status container_open(const char *path, container *out)
{
    container c = {0};
    uint8_t head[HEAD_BYTES] = {0};
    size_t got = 0;
    uint64_t size = 0;
    TRY(file_head(path, head, sizeof head, &got, &size));
    TRY(head_check(path, head, got, size, &c.kind));
    TRY(file_read(path, (size_t)size, &c.bytes, &c.len));
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
