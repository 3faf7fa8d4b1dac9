/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness: operating-system entropy that fails closed, and AES-128-CTR streams from OpenSSL.
 * A stream's key and counter are the first 32 bytes of SHA-256("annulus/1" | purpose | seed | index): streams of
 * different purpose or index are independent, so that masks, noise and secrets never share one. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct seed256 {
    uint8_t b[32];
} seed256;

typedef enum random_purpose {
    RANDOM_SECRET = 1,
    RANDOM_MASK = 2,
    RANDOM_NOISE = 3,
    RANDOM_SIMULATION = 4,
    RANDOM_TRAINING = 5,
    RANDOM_SAMPLE = 6
} random_purpose;

/* Entropy from the operating system or ANNULUS_ERR_RANDOM; never falls back. */
annulus_status random_os(void *out, size_t len) __attribute__((warn_unused_result));
annulus_status random_seed(seed256 *out) __attribute__((warn_unused_result));

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): another word for every one, that looks random; not for secrets. */
#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)
static inline uint64_t random_mix(uint64_t z)
{
    z += RANDOM_STEP;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Another seed: what a stream of this purpose and index would begin with. Seeds of different ones are independent. */
annulus_status random_derive(const seed256 *seed, random_purpose purpose, uint64_t index, seed256 *out)
    __attribute__((warn_unused_result));

typedef struct stream stream; /* one thread at a time */
annulus_status stream_create(const seed256 *seed, random_purpose purpose, uint64_t index, stream **out)
    __attribute__((warn_unused_result));
/* Same object, restarted at another (purpose, index) of a seed: no allocation. After a failure it gives
 * nothing until a restart succeeds. */
annulus_status stream_restart(stream *s, const seed256 *seed, random_purpose purpose, uint64_t index)
    __attribute__((warn_unused_result));
void stream_destroy(stream *s); /* wipes */
annulus_status stream_bytes(stream *s, void *out, size_t len) __attribute__((warn_unused_result));
annulus_status stream_u64s(stream *s, uint64_t *out, size_t n) __attribute__((warn_unused_result));
annulus_status stream_u32s(stream *s, uint32_t *out, size_t n) __attribute__((warn_unused_result));
/* n secret bits, one a word (0 or 1). */
annulus_status stream_bits(stream *s, uint64_t *out, size_t n) __attribute__((warn_unused_result));
/* TUniform(bound): integers in [-2^bound, 2^bound], constant time (tfhe-rs noise distribution): bound+2 random bits x
 * give (x>>1) + (x&1) - 2^bound. bound <= 62. As two's complement words. */
annulus_status stream_tuniform(stream *s, unsigned bound, uint64_t *out, size_t n) __attribute__((warn_unused_result));
/* n standard normal doubles (not for secrets: variable time): exact in law up to rounding, but for what lies beyond
 * sqrt(2 ln 2^53) = 8.57 deviations, probability 1e-17, which is left out. */
annulus_status stream_normal_vartime(stream *s, double *out, size_t n) __attribute__((warn_unused_result));
#endif
