/* SPDX-License-Identifier: Apache-2.0 */
/* Merging LWE ciphertexts under the big key into one GLWE ciphertext under the key that it is made of: halves of the
 * list are merged, one of them shifted, by an automorphism X -> X^(2^level + 1) that doubles what is wanted and removes
 * the rest (Chen, Dai, Kim and Song, Efficient homomorphic conversion between (ring) LWE ciphertexts, ACNS 2021,
 * algorithms 2 and 3). */
#ifndef TFHE_MERGE_H
#define TFHE_MERGE_H

#include "base/memory.h"
#include "tfhe/keys.h"

/* GLWE keyswitching keys of all log2 N automorphisms: bodies only, coefficient domain; masks come from a
 * seed. They encrypt the big key's automorphisms under itself: circular security, as of every such key. */
typedef struct seeded_merge_key seeded_merge_key;
/* l levels of base 2^bg, l >= 1, l*bg <= 52, bg <= 30, else REQUIRE fails. Noise of the key's own glwe_noise. */
annulus_status seeded_merge_key_create(const secret_key *key, uint32_t l, uint32_t bg, unsigned threads,
                                       seeded_merge_key **out) __attribute__((warn_unused_result));
void seeded_merge_key_destroy(seeded_merge_key *key); /* NULL allowed */
/* Without parameters and gadget, which the reader is told; they were checked. */
void seeded_merge_key_write(writer *w, const seeded_merge_key *key);
annulus_status seeded_merge_key_read(reader *r, const tfhe_params *params, uint32_t l, uint32_t bg,
                                     seeded_merge_key **out) __attribute__((warn_unused_result));

/* Expanded, in Fourier form: immutable, shared between threads. */
typedef struct merge_key merge_key;
annulus_status merge_key_create(const seeded_merge_key *seeded, unsigned threads, merge_key **out)
    __attribute__((warn_unused_result));
void merge_key_destroy(merge_key *key); /* NULL allowed */
/* Bytes of both. */
size_t merge_seeded_bytes(const tfhe_params *p, uint32_t l);
size_t merge_memory_bytes(const tfhe_params *p, uint32_t l);

/* out (k+1, N): coefficient m*N/count of its phase is that of in[m], count words lwe_words apart; the others are 0.
 * count: a power of two, at most N. Noise: noise_merge of optimizer/noise.h. Timing is of public data alone. Cannot
 * fail. tmp: merge_scratch bytes, rewound on return. */
size_t merge_scratch(const merge_key *key, size_t count);
size_t merge_scratch_bytes(const tfhe_params *p, uint32_t l, uint32_t bg, size_t count); /* of a key of l levels */
void merge_apply(const merge_key *key, const uint64_t *in, size_t count, uint64_t *out, scratch *tmp);
#endif
