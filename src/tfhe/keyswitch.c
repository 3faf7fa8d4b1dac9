/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "math/matrix.h"
#include "tfhe/bootstrap_priv.h"

#include <string.h>

size_t bootstrap_small_words(const tfhe_params *p)
{
    return ((size_t)p->n + 16) / 16 * 16;
}

size_t keyswitch_scratch(const tfhe_params *p)
{
    return ROUND_UP(KEYSWITCH_GROUP * keyswitch_block(p) * p->ks_l * sizeof(int16_t));
}

/* Balanced digits of coefficients first..first+rows-1, most significant level first: (rows, ks_l). Adding half of every
 * digit first makes truncation round and the digits balanced (as in fft.c), but in [-B/2, B/2 - 1]: of mean -1/2, which
 * for a small base is no longer small, and times a key's noises is one shift of all that this key switches. So the
 * magnitude is decomposed, and the digits get its sign: of mean zero, and of a second moment of (B^2 + 2)/12. */
static void digits_of(const tfhe_params *p, const uint64_t *ct, size_t first, size_t rows, int16_t *digits)
{
    const unsigned total = p->ks_b * p->ks_l;
    const uint64_t mask = (UINT64_C(1) << p->ks_b) - 1;
    const int32_t half = (int32_t)(UINT32_C(1) << (p->ks_b - 1));
    uint64_t offset = UINT64_C(1) << (63 - total);
    for (unsigned j = 1; j <= p->ks_l; j++) offset += UINT64_C(1) << (63 - p->ks_b * (j - 1));
    for (size_t i = 0; i < rows; i++) {
        const uint64_t sign = -(ct[first + i] >> 63);
        const uint64_t x = ((ct[first + i] ^ sign) - sign) + offset;
        for (unsigned j = 0; j < p->ks_l; j++) {
            const int32_t digit = (int32_t)(x >> (64 - p->ks_b * (j + 1)) & mask) - half;
            digits[i * p->ks_l + j] = (int16_t)((digit ^ (int32_t)sign) - (int32_t)sign);
        }
    }
}

static void keyswitch_group(const switching_key *key, const uint64_t *const *in, size_t count, uint32_t *out,
                            scratch *tmp)
{
    const tfhe_params *p = &key->params;
    const size_t dim = tfhe_big_dim(p), mark = tmp->used, coefficients = keyswitch_block(p),
                 block = coefficients * p->ks_l;
    const size_t small = bootstrap_small_words(p);
    int16_t *digits = scratch_take(tmp, KEYSWITCH_GROUP * block * sizeof *digits);
    memset(out, 0, count * small * sizeof *out);
    for (size_t q = 0; q < count; q++) out[q * small + p->n] = (uint32_t)((in[q][dim] + (UINT64_C(1) << 31)) >> 32);
    for (size_t m = 0; m < matrix_u32_blocks(key->rows); m++) {
        for (size_t q = 0; q < count; q++) digits_of(p, in[q], m * coefficients, coefficients, digits + q * block);
        matrix_u32_mul_sub(out, small, digits, count, key->rows, m);
    }
    tmp->used = mark;
}

void keyswitch_apply(const switching_key *key, const uint64_t *const *in, size_t count, uint32_t *out, scratch *tmp)
{
    for (size_t q = 0; q < count; q += KEYSWITCH_GROUP)
        keyswitch_group(key, in + q, count - q < KEYSWITCH_GROUP ? count - q : KEYSWITCH_GROUP,
                        out + q * bootstrap_small_words(&key->params), tmp);
}

annulus_status keyswitch_batch(const switching_key *key, const uint64_t *const *in, size_t count, uint32_t *out)
{
    scratch tmp;
    TRY(scratch_create(keyswitch_scratch(&key->params), &tmp));
    keyswitch_apply(key, in, count, out, &tmp);
    scratch_destroy(&tmp);
    return ANNULUS_OK;
}
