/* SPDX-License-Identifier: Apache-2.0 */
/* From the key that answers are packed under into the shorter one that they are sent under: a GLWE keyswitch by digits
 * -1, 0 and 1, as a longer key lets more of them share a ciphertext, whose noise a shorter one would not bear. */
#include "base/memory.h"
#include "tfhe/answers_priv.h"

#include <string.h>

static size_t row_words(const tfhe_answers *a)
{
    return (size_t)(a->sent_k + 1) * a->N;
}

annulus_status answers_sent_rows(const seeded_answers_key *key, const answers_secret *packed,
                                 const answers_secret *sent, size_t c, key_worker *w)
{
    const tfhe_answers *a = &key->answers;
    const size_t N = a->N;
    for (size_t j = 0; j < a->sent_l; j++) {
        uint32_t *b = key->sent + (c * a->sent_l + j) * N;
        TRY(answers_zero(w, sent, a->sent_noise, b));
        for (size_t x = 0; x < N; x++) b[x] += (uint32_t)packed->P[c * N + x] << (31 - j);
    }
    return ANNULUS_OK;
}

annulus_status answers_sent_expand(const seeded_answers_key *seeded, uint32_t **out)
{
    const tfhe_answers *a = &seeded->answers;
    const size_t N = a->N, masks = (size_t)a->sent_k * N;
    void *rows;
    stream *mask = NULL;
    TRY(mem_create(a->k * a->sent_l * row_words(a), sizeof(uint32_t), "key of answers", &rows));
    annulus_status st = stream_create(&seeded->mask_seed, RANDOM_MASK, 0, &mask);
    for (size_t c = 0; st == ANNULUS_OK && c < a->k; c++) {
        st = stream_restart(mask, &seeded->mask_seed, RANDOM_MASK, tfhe_big_dim(&seeded->keyswitch) + c);
        for (size_t j = 0; st == ANNULUS_OK && j < a->sent_l; j++) {
            uint32_t *row = (uint32_t *)rows + (c * a->sent_l + j) * row_words(a);
            memcpy(row + masks, seeded->sent + (c * a->sent_l + j) * N, N * sizeof *row);
            st = stream_u32s(mask, row, masks);
        }
    }
    stream_destroy(mask);
    if (st == ANNULUS_OK)
        *out = rows;
    else
        mem_free(rows);
    return st;
}

/* Nonadjacent form of the magnitude to the nearest of `levels` bits, whose digits get its sign: of mean zero, a third
 * of them not 0. Bit j of *plus and *minus is the digit of 2^(j - levels). Returns what was left out. */
static int32_t signed_bits(uint32_t word, uint32_t levels, uint32_t *plus, uint32_t *minus)
{
    const uint32_t sign = -(word >> 31), unused = 32 - levels, half = unused == 0 ? 0 : UINT32_C(1) << (unused - 1);
    const uint64_t rounded = (((word ^ sign) - sign) + (uint64_t)half) >> unused;
    const uint64_t triple = rounded + (rounded >> 1), changed = (rounded >> 1) ^ triple;
    const uint32_t up = (uint32_t)(triple & changed), down = (uint32_t)((rounded >> 1) & changed);
    *plus = sign == 0 ? up : down;
    *minus = sign == 0 ? down : up;
    const uint32_t value = (uint32_t)(rounded << unused);
    return (int32_t)((sign == 0 ? value : -value) - word);
}

void answers_sent_apply(const answers_key *key, const uint32_t *in, uint32_t *out)
{
    const tfhe_answers *a = &key->answers;
    const size_t N = a->N, masks = (size_t)a->sent_k * N;
    int64_t drift[TFHE_ANSWERS_N] = {0};
    int32_t left_out[TFHE_ANSWERS_N];
    memset(out, 0, masks * sizeof *out);
    memcpy(out + masks, in + a->k * N, N * sizeof *out);
    for (size_t c = 0; c < a->k; c++) {
        const uint32_t *rows = key->sent + c * a->sent_l * row_words(a);
        for (size_t i = 0; i < N; i++) {
            uint32_t plus, minus;
            left_out[i] = signed_bits(in[c * N + i], a->sent_l, &plus, &minus);
            for (uint32_t left = plus | minus; left != 0; left &= left - 1) {
                const unsigned bit = (unsigned)__builtin_ctz(left);
                const size_t j = a->sent_l - 1 - bit, shift = i + (plus >> bit & 1) * N; /* subtracted */
                answers_add_turned(out, rows + j * row_words(a), a->sent_k + 1, N, shift);
            }
        }
        answers_drift(left_out, N, drift);
    }
    for (size_t j = 0; j < N; j++) out[masks + j] += (uint32_t)(drift[j] >> 1);
}
