/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as they are sent: big-key ciphertexts packed into few GLWE ciphertexts of a small ring (Chillotti et al.,
 * J. Cryptology 2020, public functional keyswitch), under a key that is short as words of few bits allow it to be:
 *
 * - An answer takes `parts` coefficients, multiples of its phase. Together they tell it |m| times as precisely as each
 *   is, so that a few bits each do (answers_join.c), where the masks that all answers share want to be short.
 * - Packed under a key of k polynomials, ciphertexts are switched into one of sent_k (answers_sent.c): the noise of the
 *   first keyswitch grows with the coefficients that share a ciphertext, that of the second does not.
 * - Words are switched from 2^32 to 2^bits in the masks, 2^body_bits in the bodies, centered (ePrint 2025/809).
 *
 * Ciphertext g holds answers g*e to g*e + e - 1, e = tfhe_answers_each, answer a part t in coefficient (a mod e) parts
 * + t. As bytes, one ciphertext behind the other, each its mask words and a body for every part that it holds: the
 * least significant bit first, without gaps; the last byte is filled up with zeros. */
#ifndef TFHE_ANSWERS_H
#define TFHE_ANSWERS_H

#include "tfhe/keys.h"

/* P: tfhe_answers_dim words 0/1, the key that answers are sent under. */
typedef struct answers_secret {
    tfhe_answers params;
    uint64_t *P;
} answers_secret;
/* p: packed; OS randomness. */
annulus_status answers_secret_create(const tfhe_answers *p, answers_secret **out) __attribute__((warn_unused_result));
void answers_secret_destroy(answers_secret *key); /* wipes; NULL allowed */
/* Without the parameters, which the reader is told; they were checked. */
void answers_secret_write(writer *w, const answers_secret *key);
annulus_status answers_secret_read(reader *r, const tfhe_answers *p, answers_secret **out)
    __attribute__((warn_unused_result));

/* Packing keyswitching key from the big key of families.of[families.answers.family], and the key into what answers are
 * sent under, if that is another than they are packed under, which nobody keeps: bodies only; masks come from a seed.
 */
typedef struct seeded_answers_key seeded_answers_key;
/* from, into: of these dimensions, else REQUIRE fails. */
annulus_status seeded_answers_key_create(const tfhe_families *f, const secret_key *from, const answers_secret *into,
                                         unsigned threads, const annulus_progress *progress, seeded_answers_key **out)
    __attribute__((warn_unused_result));
void seeded_answers_key_destroy(seeded_answers_key *key); /* NULL allowed */
void seeded_answers_key_write(writer *w, const seeded_answers_key *key);
annulus_status seeded_answers_key_read(reader *r, const tfhe_families *f, seeded_answers_key **out)
    __attribute__((warn_unused_result));

/* Expanded: immutable, shared between threads. */
typedef struct answers_key answers_key;
annulus_status answers_key_create(const seeded_answers_key *seeded, unsigned threads, answers_key **out)
    __attribute__((warn_unused_result));
void answers_key_destroy(answers_key *key); /* NULL allowed */

/* Bytes of `count` answers. */
size_t answers_bytes(const tfhe_answers *p, size_t count);
/* out (samples, answers_bytes) <- in (samples, count, lwe_words), count >= 1, samples >= 1: each sample by itself. The
 * same bytes for any number of threads and samples. Noise: noise_answers (optimizer/noise.h). Timing depends on
 * ciphertexts (public) alone. */
annulus_status answers_pack(const answers_key *key, const uint64_t *in, size_t count, size_t samples, unsigned threads,
                            uint8_t *out) __attribute__((warn_unused_result));
/* Parts that a worker switches together: as many for every one, at most KEYSWITCH_GROUP. threads 0: all. */
size_t answers_together(size_t total, unsigned threads);
/* Bytes that it takes for its work. */
size_t answers_pack_memory(const tfhe_families *f, size_t count, size_t samples, unsigned threads);
/* phase (count) <- phases on the torus 2^64 of the answers at in (answers_bytes). Constant time in the key. */
annulus_status answers_phases(const answers_secret *key, const uint8_t *in, size_t count, uint64_t *phase)
    __attribute__((warn_unused_result));
#endif
