/* SPDX-License-Identifier: Apache-2.0 */
/* base/random.h without a cryptography library, for keys of programs that are cross-compiled: masks, noise and secrets
 * from SplitMix64. Nothing here is secret or secure. */
#include "base/random.h"

#include "base/memory.h"
#include "testing_random.h"

#include <string.h>

struct stream {
    uint64_t state;
};

annulus_status random_seed(seed256 *out)
{
    static uint64_t state = 17;
    for (size_t i = 0; i < sizeof out->b; i++) out->b[i] = (uint8_t)test_random(&state);
    return ANNULUS_OK;
}

annulus_status stream_restart(stream *s, const seed256 *seed, random_purpose purpose, uint64_t index)
{
    s->state = random_mix(index) + (uint64_t)purpose;
    for (size_t i = 0; i < sizeof seed->b; i++) s->state = random_mix(s->state) + seed->b[i];
    return ANNULUS_OK;
}

annulus_status stream_create(const seed256 *seed, random_purpose purpose, uint64_t index, stream **out)
{
    void *p;
    TRY(mem_create(1, sizeof(stream), "random stream", &p));
    *out = p;
    return stream_restart(*out, seed, purpose, index);
}

void stream_destroy(stream *s)
{
    mem_free(s);
}

annulus_status stream_bytes(stream *s, void *out, size_t len)
{
    uint8_t *p = out;
    while (len > 0) {
        const uint64_t word = test_random(&s->state);
        const size_t n = len < sizeof word ? len : sizeof word;
        memcpy(p, &word, n);
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
    for (size_t i = 0; i < n; i++) out[i] = test_random(&s->state) & 1;
    return ANNULUS_OK;
}

annulus_status stream_tuniform(stream *s, unsigned bound, uint64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t x = test_random(&s->state) >> (62 - bound);
        out[i] = (x >> 1) + (x & 1) - (UINT64_C(1) << bound);
    }
    return ANNULUS_OK;
}
