/* SPDX-License-Identifier: Apache-2.0 */
/* Answers as they are sent. */
#include "base/memory.h"
#include "circuit/exec_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

size_t exec_answer_bytes(const circuit *c)
{
    const tfhe_answers *a = &c->choice.families.answers;
    const size_t count = circuit_last(c)->out;
    return a->bits > 0 ? answers_bytes(a, count) : count * lwe_words(circuit_outputs(c)) * sizeof(uint64_t);
}

annulus_status exec_pack_answers(const circuit *c, const eval_key_set *keys, const uint64_t *sums, size_t samples,
                                 unsigned threads, uint8_t *out)
{
    if (keys->answers != NULL) return answers_pack(keys->answers, sums, circuit_last(c)->out, samples, threads, out);
    memcpy(out, sums, samples * exec_answer_bytes(c)); /* little-endian, as all files (base/bytes.c) */
    return ANNULUS_OK;
}

void exec_packing_noise(const circuit *c, double *variance)
{
    const tfhe_answers *a = &c->choice.families.answers;
    const size_t each = tfhe_answers_each(a), count = circuit_last(c)->out;
    for (size_t first = 0; first < count; first += each) {
        const size_t end = count - first < each ? count : first + each;
        size_t masked = 0;
        for (size_t o = first; o < end; o++) masked += variance[o] > 0;
        const double noise = noise_answers(&c->choice.families, (double)(masked * a->parts));
        for (size_t o = first; o < end; o++) variance[o] = noise;
    }
}

annulus_status exec_answer_phases(const circuit *c, const secret_key_set *secrets, const uint8_t *in, uint64_t *phase)
{
    const size_t count = circuit_last(c)->out, words = lwe_words(circuit_outputs(c));
    void *ct;
    if (secrets->answers != NULL) return answers_phases(secrets->answers, in, count, phase);
    TRY(mem_create(words, sizeof(uint64_t), "ciphertext", &ct));
    for (size_t o = 0; o < count; o++) {
        memcpy(ct, in + o * words * sizeof(uint64_t), words * sizeof(uint64_t));
        phase[o] = lwe_phase(secrets->of[circuit_last(c)->family], ct);
    }
    mem_free(ct);
    return ANNULUS_OK;
}
