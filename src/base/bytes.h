/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian reader and writer over memory. A reader never goes past its end; every failure names the source and
 * the byte offset. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u
annulus_status bytes_sha256(const void *p, size_t len, uint8_t out[SHA256_BYTES]) __attribute__((warn_unused_result));

/* Whether a text can stand in JSON and on a terminal: well-formed UTF-8 (shortest forms of code points other than
 * surrogates) without control characters (below U+0020, U+007F to U+009F). */
int text_is_plain(const char *s);
/* s is n, in decimal. */
int text_is_number(const char *s, size_t n);
/* s is the name, or stands for it by its number n. */
int text_is_name(const char *s, const char *name, size_t n);

typedef struct reader {
    const uint8_t *p;
    size_t len, pos;
    const char *name; /* what is read, for messages; borrowed */
} reader;

annulus_status read_fail(const reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3), warn_unused_result));
annulus_status read_u8(reader *r, uint8_t *out) __attribute__((warn_unused_result));
annulus_status read_u32(reader *r, uint32_t *out) __attribute__((warn_unused_result));
annulus_status read_u64(reader *r, uint64_t *out) __attribute__((warn_unused_result));
annulus_status read_i64(reader *r, int64_t *out) __attribute__((warn_unused_result));
annulus_status read_f64(reader *r, double *out) __attribute__((warn_unused_result)); /* refuses NaN and infinity */
annulus_status read_bytes(reader *r, void *out, size_t n) __attribute__((warn_unused_result));
/* n more items of so many bytes are there, as is to be known before memory is taken for them. */
annulus_status read_holds(const reader *r, size_t n, size_t item) __attribute__((warn_unused_result));
annulus_status read_u64s(reader *r, uint64_t *out, size_t n) __attribute__((warn_unused_result));
annulus_status read_u32s(reader *r, uint32_t *out, size_t n) __attribute__((warn_unused_result));
/* A u64 count of items of `item` bytes each: refused when the rest of the input cannot hold them. */
annulus_status read_count(reader *r, size_t item, size_t *out) __attribute__((warn_unused_result));
/* u32 length and bytes; a fresh NUL-terminated string, free with mem_free. Embedded NUL is refused. */
annulus_status read_string(reader *r, char **out) __attribute__((warn_unused_result));
/* Fails when bytes are left. */
annulus_status read_end(const reader *r) __attribute__((warn_unused_result));

typedef struct writer {
    uint8_t *p;
    size_t len, cap;
    annulus_status status; /* first failure sticks; later writes do nothing */
    int secret;            /* wipe on growth and destroy */
} writer;
void writer_init(writer *w, int secret);
void writer_clear(writer *w);
void write_u8(writer *w, uint8_t v);
void write_u32(writer *w, uint32_t v);
void write_u64(writer *w, uint64_t v);
void write_i64(writer *w, int64_t v);
void write_f64(writer *w, double v);
void write_bytes(writer *w, const void *p, size_t n);
void write_u64s(writer *w, const uint64_t *p, size_t n);
void write_u32s(writer *w, const uint32_t *p, size_t n);
void write_string(writer *w, const char *s);
#endif
