/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include "base/memory.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define BLOCK_BYTES 4096u /* zeros that are encrypted into the key stream at a time */

#define NORMAL_PAIRS 64u /* normal numbers made together, by two */

struct stream {
    EVP_CIPHER_CTX *ctx;
    uint8_t block[BLOCK_BYTES];
    size_t used; /* bytes of block already given out */
    int failed;  /* to start: gives nothing */
};

annulus_status random_os(void *out, size_t len)
{
    uint8_t *p = out;
    size_t done = 0;
    while (done < len) {
        const ssize_t got = getrandom(p + done, len - done, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            mem_wipe(out, len);
            return fail(ANNULUS_ERR_RANDOM, "the operating system gives no randomness: %s", strerror(errno));
        }
        done += (size_t)got;
    }
    return ANNULUS_OK;
}

annulus_status random_seed(seed256 *out)
{
    return random_os(out->b, sizeof out->b);
}

/* SHA-256("annulus/1" | purpose | seed | index): 16 bytes of key, 16 of initial counter. */
static annulus_status derive(const seed256 *seed, random_purpose purpose, uint64_t index, uint8_t out[32])
{
    uint8_t text[9 + 1 + 32 + 8] = "annulus/1";
    text[9] = (uint8_t)purpose;
    memcpy(text + 10, seed->b, 32);
    memcpy(text + 42, &index, 8);
    unsigned len = 0;
    const int ok = EVP_Digest(text, sizeof text, out, &len, EVP_sha256(), NULL);
    mem_wipe(text, sizeof text);
    if (ok != 1 || len != 32) return fail(ANNULUS_ERR_RANDOM, "SHA-256 of the cryptography library failed");
    return ANNULUS_OK;
}

annulus_status random_derive(const seed256 *seed, random_purpose purpose, uint64_t index, seed256 *out)
{
    return derive(seed, purpose, index, out->b);
}

annulus_status stream_restart(stream *s, const seed256 *seed, random_purpose purpose, uint64_t index)
{
    uint8_t key[32];
    s->failed = 1;
    TRY(derive(seed, purpose, index, key));
    const int ok = EVP_EncryptInit_ex(s->ctx, EVP_aes_128_ctr(), NULL, key, key + 16);
    mem_wipe(key, sizeof key);
    if (ok != 1) return fail(ANNULUS_ERR_RANDOM, "AES-128-CTR of the cryptography library failed to start");
    s->used = BLOCK_BYTES;
    s->failed = 0;
    return ANNULUS_OK;
}

annulus_status stream_create(const seed256 *seed, random_purpose purpose, uint64_t index, stream **out)
{
    void *p;
    TRY(mem_create(1, sizeof(stream), "random stream", &p));
    stream *s = p;
    annulus_status st = ANNULUS_OK;
    s->ctx = EVP_CIPHER_CTX_new();
    if (s->ctx == NULL) st = fail(ANNULUS_ERR_MEMORY, "no memory for a random stream");
    if (st == ANNULUS_OK) st = stream_restart(s, seed, purpose, index);
    if (st == ANNULUS_OK)
        *out = s;
    else
        stream_destroy(s);
    return st;
}

void stream_destroy(stream *s)
{
    if (s == NULL) return;
    EVP_CIPHER_CTX_free(s->ctx); /* wipes the key schedule */
    mem_wipe_free(s, sizeof *s);
}

/* len <= INT_MAX; out may be large: the key stream is the encryption of zeros in place. */
static annulus_status generate(stream *s, uint8_t *out, size_t len)
{
    memset(out, 0, len);
    int put = 0;
    if (EVP_EncryptUpdate(s->ctx, out, &put, out, (int)len) != 1 || (size_t)put != len) {
        mem_wipe(out, len);
        return fail(ANNULUS_ERR_RANDOM, "AES-128-CTR of the cryptography library failed");
    }
    return ANNULUS_OK;
}

annulus_status stream_bytes(stream *s, void *out, size_t len)
{
    uint8_t *p = out;
    if (s->failed) return fail(ANNULUS_ERR_RANDOM, "a random stream was not started again");
    while (len > 0) {
        const size_t left = BLOCK_BYTES - s->used;
        if (left == 0 && len >= BLOCK_BYTES) { /* whole blocks straight into the caller's memory */
            const size_t most = (size_t)INT_MAX / BLOCK_BYTES * BLOCK_BYTES;
            const size_t n = len / BLOCK_BYTES * BLOCK_BYTES < most ? len / BLOCK_BYTES * BLOCK_BYTES : most;
            TRY(generate(s, p, n));
            p += n;
            len -= n;
            continue;
        }
        if (left == 0) {
            TRY(generate(s, s->block, BLOCK_BYTES));
            s->used = 0;
            continue;
        }
        const size_t n = len < left ? len : left;
        memcpy(p, s->block + s->used, n);
        mem_wipe(s->block + s->used, n);
        s->used += n;
        p += n;
        len -= n;
    }
    return ANNULUS_OK;
}

annulus_status stream_u64s(stream *s, uint64_t *out, size_t n)
{
    return stream_bytes(s, out, n * sizeof *out);
}

annulus_status stream_u32s(stream *s, uint32_t *out, size_t n)
{
    return stream_bytes(s, out, n * sizeof *out);
}

annulus_status stream_bits(stream *s, uint64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i += 64) {
        uint64_t word;
        TRY(stream_u64s(s, &word, 1));
        const size_t end = n - i < 64 ? n - i : 64;
        for (size_t j = 0; j < end; j++) out[i + j] = word >> j & 1;
        mem_wipe(&word, sizeof word);
    }
    return ANNULUS_OK;
}

annulus_status stream_tuniform(stream *s, unsigned bound, uint64_t *out, size_t n)
{
    REQUIRE(bound <= 62);
    TRY(stream_u64s(s, out, n));
    const unsigned shift = 62 - bound;
    for (size_t i = 0; i < n; i++) {
        const uint64_t x = out[i] >> shift; /* bound + 2 uniform bits */
        out[i] = (x >> 1) + (x & 1) - (UINT64_C(1) << bound);
    }
    return ANNULUS_OK;
}

/* Marsaglia's polar method needs rejection; Box-Muller does not, so that every draw costs the same words. */
annulus_status stream_normal_vartime(stream *s, double *out, size_t n)
{
    uint64_t w[2 * NORMAL_PAIRS];
    for (size_t i = 0; i < n; i += 2 * NORMAL_PAIRS) {
        const size_t left = (n - i + 1) / 2, pairs = left < NORMAL_PAIRS ? left : NORMAL_PAIRS;
        TRY(stream_u64s(s, w, 2 * pairs));
        for (size_t j = 0; j < pairs; j++) {
            const double u = ((double)(w[2 * j] >> 11) + 1.0) * 0x1p-53; /* (0, 1] */
            const double v = (double)(w[2 * j + 1] >> 11) * 0x1p-53;
            const double radius = sqrt(-2.0 * log(u)), angle = 2.0 * M_PI * v;
            out[i + 2 * j] = radius * cos(angle);
            if (i + 2 * j + 1 < n) out[i + 2 * j + 1] = radius * sin(angle);
        }
    }
    return ANNULUS_OK;
}
