/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include "base/memory.h"
#include <math.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian and copied as they are");

annulus_status bytes_sha256(const void *p, size_t len, uint8_t out[SHA256_BYTES])
{
    unsigned n = 0;
    if (EVP_Digest(p, len, out, &n, EVP_sha256(), NULL) == 1 && n == SHA256_BYTES) return ANNULUS_OK;
    return fail(ANNULUS_ERR_MEMORY, "SHA-256 of the cryptography library failed");
}

annulus_status read_fail(const reader *r, const char *format, ...)
{
    char text[384];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(ANNULUS_ERR_INPUT, "%s: byte %zu: %s", r->name, r->pos, text);
}

annulus_status read_bytes(reader *r, void *out, size_t n)
{
    if (n > r->len - r->pos)
        return read_fail(r, "the file ends early: %zu bytes wanted, %zu left; copy it again", n, r->len - r->pos);
    if (n > 0) memcpy(out, r->p + r->pos, n);
    r->pos += n;
    return ANNULUS_OK;
}

annulus_status read_u8(reader *r, uint8_t *out)
{
    return read_bytes(r, out, sizeof *out);
}

annulus_status read_u32(reader *r, uint32_t *out)
{
    return read_bytes(r, out, sizeof *out);
}

annulus_status read_u64(reader *r, uint64_t *out)
{
    return read_bytes(r, out, sizeof *out);
}

annulus_status read_i64(reader *r, int64_t *out)
{
    return read_bytes(r, out, sizeof *out);
}

annulus_status read_f64(reader *r, double *out)
{
    double v = 0;
    TRY(read_bytes(r, &v, sizeof v));
    if (!isfinite(v)) return read_fail(r, "a number is not finite");
    *out = v;
    return ANNULUS_OK;
}

annulus_status read_holds(const reader *r, size_t n, size_t item)
{
    if (n <= (r->len - r->pos) / item) return ANNULUS_OK;
    return read_fail(r, "the file ends early: %zu items of %zu bytes wanted; copy it again", n, item);
}

static annulus_status read_array(reader *r, void *out, size_t n, size_t item)
{
    TRY(read_holds(r, n, item));
    return read_bytes(r, out, n * item);
}

annulus_status read_u64s(reader *r, uint64_t *out, size_t n)
{
    return read_array(r, out, n, sizeof *out);
}

annulus_status read_u32s(reader *r, uint32_t *out, size_t n)
{
    return read_array(r, out, n, sizeof *out);
}

annulus_status read_count(reader *r, size_t item, size_t *out)
{
    uint64_t n = 0;
    TRY(read_u64(r, &n));
    if (n > (r->len - r->pos) / (item == 0 ? 1 : item))
        return read_fail(r, "a count of %llu items is more than the file holds", (unsigned long long)n);
    *out = (size_t)n;
    return ANNULUS_OK;
}

int text_is_plain(const char *s)
{
    static const uint32_t least[4] = {0, 0x80, 0x800, 0x10000};
    for (const uint8_t *p = (const uint8_t *)s; *p != 0;) {
        const uint8_t head = *p++;
        const int more = head < 0x80 ? 0 : head >> 5 == 6 ? 1 : head >> 4 == 14 ? 2 : head >> 3 == 30 ? 3 : -1;
        if (more < 0) return 0;
        uint32_t c = more == 0 ? head : head & (0x3fu >> more);
        for (int k = 0; k < more; k++, p++) {
            if (*p >> 6 != 2) return 0;
            c = c << 6 | (*p & 0x3fu);
        }
        if (c < least[more] || c > 0x10ffff || c >> 11 == 0x1b || c < 0x20 || (c >= 0x7f && c < 0xa0)) return 0;
    }
    return 1;
}

int text_is_number(const char *s, size_t n)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", n);
    return strcmp(s, number) == 0;
}

int text_is_name(const char *s, const char *name, size_t n)
{
    return strcmp(s, name) == 0 || text_is_number(s, n);
}

annulus_status read_string(reader *r, char **out)
{
    uint32_t n = 0;
    TRY(read_u32(r, &n));
    if (n > r->len - r->pos) return read_fail(r, "a text of %u bytes is longer than the file", n);
    if (memchr(r->p + r->pos, 0, n) != NULL) return read_fail(r, "a text contains a NUL byte");
    void *s;
    TRY(mem_create((size_t)n + 1, 1, "text", &s));
    memcpy(s, r->p + r->pos, n);
    r->pos += n;
    *out = s;
    return ANNULUS_OK;
}

annulus_status read_end(const reader *r)
{
    if (r->pos != r->len) return read_fail(r, "%zu bytes too many at the end", r->len - r->pos);
    return ANNULUS_OK;
}

void writer_init(writer *w, int secret)
{
    *w = (writer){.secret = secret, .status = ANNULUS_OK};
}

void writer_clear(writer *w)
{
    if (w->secret) mem_wipe(w->p, w->cap);
    mem_free(w->p);
    *w = (writer){0};
}

static void writer_grow(writer *w, size_t n)
{
    if (n <= w->cap - w->len) return;
    size_t cap = w->cap < 4096 ? 4096 : w->cap;
    while (cap - w->len < n) {
        if (cap > SIZE_MAX / 2) {
            w->status = fail(ANNULUS_ERR_MEMORY, "an output of more than %zu bytes does not fit in memory", w->len);
            return;
        }
        cap *= 2;
    }
    uint8_t *p = malloc(cap);
    if (p == NULL) {
        w->status = fail(ANNULUS_ERR_MEMORY, "no memory for an output of %zu bytes", cap);
        return;
    }
    if (w->len > 0) memcpy(p, w->p, w->len);
    if (w->secret) mem_wipe(w->p, w->cap);
    free(w->p);
    w->p = p;
    w->cap = cap;
}

void write_bytes(writer *w, const void *p, size_t n)
{
    if (w->status != ANNULUS_OK || n == 0) return;
    writer_grow(w, n);
    if (w->status != ANNULUS_OK) return;
    memcpy(w->p + w->len, p, n);
    w->len += n;
}

void write_u8(writer *w, uint8_t v)
{
    write_bytes(w, &v, sizeof v);
}

void write_u32(writer *w, uint32_t v)
{
    write_bytes(w, &v, sizeof v);
}

void write_u64(writer *w, uint64_t v)
{
    write_bytes(w, &v, sizeof v);
}

void write_i64(writer *w, int64_t v)
{
    write_bytes(w, &v, sizeof v);
}

void write_f64(writer *w, double v)
{
    write_bytes(w, &v, sizeof v);
}

void write_u64s(writer *w, const uint64_t *p, size_t n)
{
    write_bytes(w, p, n * sizeof *p);
}

void write_u32s(writer *w, const uint32_t *p, size_t n)
{
    write_bytes(w, p, n * sizeof *p);
}

void write_string(writer *w, const char *s)
{
    const size_t n = strlen(s);
    write_u32(w, (uint32_t)n);
    write_bytes(w, s, n);
}
