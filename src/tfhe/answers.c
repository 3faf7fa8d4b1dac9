/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/answers.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/answers_priv.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

/* Ciphertexts of `count` answers. */
static size_t groups(const tfhe_answers *p, size_t count)
{
    return (count + p->N - 1) / p->N;
}

size_t answers_bytes(const tfhe_answers *p, size_t count)
{
    return ((groups(p, count) * tfhe_answers_dim(p) + count) * p->bits + 7) / 8;
}

/* ---- words of few bits ------------------------------------------------------------------------------------------ */

/* Bytes that two ciphertexts share are written by one thread. */
static void word_put(uint8_t *bytes, size_t at, unsigned bits, uint32_t word)
{
    for (unsigned done = 0; done < bits;) {
        const size_t place = at + done;
        bytes[place / 8] |= (uint8_t)(word >> done << place % 8);
        done += 8 - (unsigned)(place % 8);
    }
}

static uint32_t word_get(const uint8_t *bytes, size_t at, unsigned bits)
{
    uint32_t word = 0;
    for (unsigned done = 0; done < bits;) {
        const size_t place = at + done;
        word |= (uint32_t)(bytes[place / 8] >> place % 8) << done;
        done += 8 - (unsigned)(place % 8);
    }
    return bits == 32 ? word : word & ((UINT32_C(1) << bits) - 1);
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

typedef struct packing {
    const answers_key *key;
    const uint64_t *in;
    uint32_t *rows; /* (total, words): every answer switched by itself, in the constant coefficient */
    size_t total, words, each;
} packing;

static annulus_status switch_some(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const packing *p = context;
    const size_t words = tfhe_big_dim(&p->key->keyswitch->params) + 1, first = item * p->each;
    const size_t left = p->total - first, count = left < p->each ? left : p->each;
    const uint64_t *in[KEYSWITCH_GROUP];
    for (size_t q = 0; q < count; q++) in[q] = p->in + (first + q) * words;
    return keyswitch_batch(p->key->keyswitch, in, count, p->rows + first * p->words);
}

/* sum (N) += X^shift poly */
static void add_rotated(uint32_t *sum, const uint32_t *poly, size_t N, size_t shift)
{
    for (size_t i = 0; i < N - shift; i++) sum[i + shift] += poly[i];
    for (size_t i = N - shift; i < N; i++) sum[i + shift - N] -= poly[i];
}

/* sum (k+1,N) <- a ciphertext of `count` rows, whose bodies end with their constant coefficients. */
static void pack_rows(const packing *p, uint32_t *rows, size_t count, uint32_t *sum)
{
    const tfhe_answers *a = &p->key->answers;
    const size_t N = a->N, dim = tfhe_answers_dim(a);
    memset(sum, 0, (dim + N) * sizeof *sum);
    for (size_t j = 0; j < count; j++) {
        uint32_t *row = rows + j * p->words;
        const uint32_t constant = row[dim + N - 1];
        memmove(row + dim + 1, row + dim, (N - 1) * sizeof *row);
        row[dim] = constant;
        for (size_t c = 0; c <= a->k; c++) add_rotated(sum + c * N, row + c * N, N, j);
    }
}

/* Centered (ePrint 2025/809): half of what the rounding of the masks adds to the product with a key of ones goes into
 * the bodies. Coefficient j of A P is sum_(i <= j) A_i P_(j-i) - sum_(i > j) A_i P_(N+j-i). */
static void switch_words(const tfhe_answers *a, const uint32_t *sum, size_t count, uint8_t *out, size_t at)
{
    const size_t N = a->N, dim = tfhe_answers_dim(a);
    const unsigned shift = 32 - a->bits;
    int64_t drift[TFHE_ANSWERS_N] = {0}; /* of body j */
    for (size_t c = 0; c < a->k; c++) {
        int64_t prefix[TFHE_ANSWERS_N], total = 0;
        for (size_t i = 0; i < N; i++) {
            const uint32_t word = sum[c * N + i];
            const uint32_t rounded = (uint32_t)(((uint64_t)word + ((UINT64_C(1) << shift) >> 1)) >> shift);
            word_put(out, at, a->bits, a->bits == 32 ? rounded : rounded & ((UINT32_C(1) << a->bits) - 1));
            at += a->bits;
            total += (int32_t)((rounded << shift) - word);
            prefix[i] = total;
        }
        for (size_t j = 0; j < N; j++) drift[j] += 2 * prefix[j] - total;
    }
    for (size_t j = 0; j < count; j++) {
        const uint64_t twice = 2 * (uint64_t)sum[dim + j] + (uint64_t)drift[j] + (UINT64_C(1) << shift);
        word_put(out, at, a->bits, (uint32_t)(twice >> (shift + 1) & ((UINT64_C(1) << a->bits) - 1)));
        at += a->bits;
    }
}

size_t answers_each(size_t total, unsigned threads)
{
    const unsigned workers = parallel_threads(threads);
    const size_t each = parallel_busiest(total, workers);
    return each < KEYSWITCH_GROUP ? each : KEYSWITCH_GROUP;
}

/* One sample, whose answers were switched. */
static void pack_sample(const packing *p, uint32_t *rows, size_t count, uint32_t *sum, uint8_t *out)
{
    const tfhe_answers *a = &p->key->answers;
    memset(out, 0, answers_bytes(a, count));
    for (size_t g = 0; g < groups(a, count); g++) {
        const size_t left = count - g * a->N, taken = left < a->N ? left : a->N;
        pack_rows(p, rows + g * a->N * p->words, taken, sum);
        switch_words(a, sum, taken, out, g * (tfhe_answers_dim(a) + a->N) * a->bits);
    }
}

annulus_status answers_pack(const answers_key *key, const uint64_t *in, size_t count, size_t samples, unsigned threads,
                            uint8_t *out)
{
    const tfhe_answers *a = &key->answers;
    packing p = {.key = key,
                 .in = in,
                 .total = count * samples,
                 .words = bootstrap_small_words(&key->keyswitch->params),
                 .each = answers_each(count * samples, threads)};
    void *rows, *sum = NULL;
    TRY(mem_create(p.total * p.words, sizeof(uint32_t), "answers", &rows));
    p.rows = rows;
    annulus_status st = mem_create(tfhe_answers_dim(a) + a->N, sizeof(uint32_t), "answers", &sum);
    if (st == ANNULUS_OK) st = parallel_for((p.total + p.each - 1) / p.each, threads, switch_some, &p);
    for (size_t s = 0; st == ANNULUS_OK && s < samples; s++)
        pack_sample(&p, p.rows + s * count * p.words, count, sum, out + s * answers_bytes(a, count));
    mem_free(sum);
    mem_free(rows);
    return st;
}

size_t answers_pack_memory(const tfhe_families *f, size_t count, size_t samples, unsigned threads)
{
    const tfhe_params p = tfhe_answers_params(f);
    return mem_bytes(count * samples * bootstrap_small_words(&p) * sizeof(uint32_t)) +
           mem_bytes((p.n + 1) * sizeof(uint32_t)) + parallel_threads(threads) * mem_bytes(keyswitch_scratch(&p));
}

/* ---- decryption ------------------------------------------------------------------------------------------------- */

/* Phases of `count` answers of one ciphertext at bit `at`. mask, sum (N): room. */
static void phases_of(const answers_secret *key, const uint8_t *in, size_t at, size_t count, uint32_t *mask,
                      uint32_t *sum, uint64_t *phase)
{
    const tfhe_answers *a = &key->params;
    const size_t N = a->N;
    memset(sum, 0, N * sizeof *sum);
    for (size_t c = 0; c < a->k; c++) {
        for (size_t i = 0; i < N; i++, at += a->bits) mask[i] = word_get(in, at, a->bits);
        answers_multiply_add(sum, mask, key->P + c * N, N);
    }
    for (size_t j = 0; j < count; j++, at += a->bits)
        phase[j] = (uint64_t)(word_get(in, at, a->bits) - sum[j]) << (64 - a->bits);
}

annulus_status answers_phases(const answers_secret *key, const uint8_t *in, size_t count, uint64_t *phase)
{
    const tfhe_answers *a = &key->params;
    const size_t N = a->N;
    void *room;
    TRY(mem_create(2 * N, sizeof(uint32_t), "answers", &room));
    uint32_t *mask = room, *sum = mask + N;
    for (size_t g = 0; g < groups(a, count); g++) {
        const size_t left = count - g * N, at = g * (tfhe_answers_dim(a) + N) * a->bits;
        phases_of(key, in, at, left < N ? left : N, mask, sum, phase + g * N);
    }
    mem_wipe_free(room, 2 * N * sizeof(uint32_t));
    return ANNULUS_OK;
}
