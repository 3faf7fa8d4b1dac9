/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/answers.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "tfhe/answers_priv.h"
#include "tfhe/bootstrap_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

/* Bits of ciphertexts that hold `count` answers. */
static size_t bits_of(const tfhe_answers *p, size_t ciphertexts, size_t count)
{
    return ciphertexts * tfhe_answers_dim(p) * p->bits + count * p->parts * p->body_bits;
}

size_t answers_bytes(const tfhe_answers *p, size_t count)
{
    return (bits_of(p, tfhe_answers_groups(p, count), count) + 7) / 8;
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
    uint32_t *rows; /* (total, words): every part switched by itself, in the constant coefficient */
    uint32_t *room; /* (workers, room_words): a ciphertext under either key */
    uint8_t *out;
    size_t count, total, words, each;
} packing;

/* out (each, words) <- the multiples that parts `first` on are, a part a row. */
static void multiply(const packing *p, size_t first, size_t count, size_t words, uint64_t *out)
{
    const tfhe_answers *a = &p->key->answers;
    for (size_t q = 0; q < count; q++) {
        const uint64_t *in = p->in + (first + q) / a->parts * words;
        const uint64_t by = a->multiple[(first + q) % a->parts];
        for (size_t i = 0; i < words; i++) out[q * words + i] = by * in[i];
    }
}

static annulus_status switch_some(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const packing *p = context;
    const size_t words = tfhe_big_dim(&p->key->keyswitch->params) + 1, first = item * p->each;
    const size_t left = p->total - first, count = left < p->each ? left : p->each;
    const uint64_t *in[KEYSWITCH_GROUP];
    void *multiples;
    TRY(mem_create(count * words, sizeof(uint64_t), "answers", &multiples));
    multiply(p, first, count, words, multiples);
    for (size_t q = 0; q < count; q++) in[q] = (uint64_t *)multiples + q * words;
    const annulus_status st = keyswitch_batch(p->key->keyswitch, in, count, p->rows + first * p->words);
    mem_free(multiples);
    return st;
}

void answers_add_turned(uint32_t *sum, const uint32_t *row, size_t polys, size_t N, size_t shift)
{
    const uint32_t sign = -(uint32_t)(shift >= N);
    const size_t by = shift & (N - 1);
    for (size_t c = 0; c < polys; c++, sum += N, row += N) {
        for (size_t i = 0; i < N - by; i++) sum[i + by] += (row[i] ^ sign) - sign;
        for (size_t i = N - by; i < N; i++) sum[i + by - N] -= (row[i] ^ sign) - sign;
    }
}

/* sum (k+1,N) <- a ciphertext of `count` rows, whose bodies end with their constant coefficients. */
static void pack_rows(const packing *p, uint32_t *rows, size_t count, uint32_t *sum)
{
    const tfhe_answers *a = &p->key->answers;
    const size_t N = a->N, dim = (size_t)a->k * N;
    memset(sum, 0, (dim + N) * sizeof *sum);
    for (size_t j = 0; j < count; j++) {
        uint32_t *row = rows + j * p->words;
        const uint32_t constant = row[dim + N - 1];
        memmove(row + dim + 1, row + dim, (N - 1) * sizeof *row);
        row[dim] = constant;
        answers_add_turned(sum, row, a->k + 1, N, j);
    }
}

void answers_drift(const int32_t *error, size_t N, int64_t *drift)
{
    int64_t total = 0, before = 0;
    for (size_t i = 0; i < N; i++) total += error[i];
    for (size_t i = 0; i < N; i++) {
        before += error[i];
        drift[i] += 2 * before - total;
    }
}

/* `word`, of which 2^32 are 1, to the nearest of `bits`. */
static uint32_t rounded(uint32_t word, unsigned bits)
{
    const unsigned shift = 32 - bits;
    const uint32_t value = (uint32_t)(((uint64_t)word + ((UINT64_C(1) << shift) >> 1)) >> shift);
    return bits == 32 ? value : value & ((UINT32_C(1) << bits) - 1);
}

/* Half of what the rounding of the masks adds to the product with a key of ones goes into the bodies. */
static void switch_words(const tfhe_answers *a, const uint32_t *sum, size_t parts, uint8_t *out, size_t at)
{
    const size_t N = a->N, dim = tfhe_answers_dim(a);
    int64_t drift[TFHE_ANSWERS_N] = {0};
    int32_t error[TFHE_ANSWERS_N];
    for (size_t i = 0; i < dim; i++, at += a->bits) {
        const uint32_t word = rounded(sum[i], a->bits);
        word_put(out, at, a->bits, word);
        error[i % N] = (int32_t)((uint32_t)((uint64_t)word << (32 - a->bits)) - sum[i]);
        if (i % N == N - 1) answers_drift(error, N, drift);
    }
    for (size_t j = 0; j < parts; j++, at += a->body_bits)
        word_put(out, at, a->body_bits, rounded(sum[dim + j] + (uint32_t)(drift[j] >> 1), a->body_bits));
}

size_t answers_together(size_t total, unsigned threads)
{
    const unsigned workers = parallel_threads(threads);
    const size_t each = parallel_busiest(total, workers);
    return each < KEYSWITCH_GROUP ? each : KEYSWITCH_GROUP;
}

/* Words of both ciphertexts of a worker. */
static size_t room_words(const tfhe_answers *a)
{
    return (size_t)(a->k + 1 + (a->sent_k > 0 ? a->sent_k + 1 : 0)) * a->N;
}

/* One sample, whose answers were switched. */
static annulus_status pack_sample(void *context, size_t sample, unsigned worker)
{
    const packing *p = context;
    const tfhe_answers *a = &p->key->answers;
    const size_t each = tfhe_answers_each(a);
    uint8_t *out = p->out + sample * answers_bytes(a, p->count);
    uint32_t *rows = p->rows + sample * p->count * a->parts * p->words;
    uint32_t *sum = p->room + worker * room_words(a), *sent = a->sent_k == 0 ? sum : sum + (a->k + 1) * a->N;
    memset(out, 0, answers_bytes(a, p->count));
    for (size_t g = 0; g < tfhe_answers_groups(a, p->count); g++) {
        const size_t parts = tfhe_answers_together(a, p->count - g * each);
        pack_rows(p, rows + g * each * a->parts * p->words, parts, sum);
        if (a->sent_k > 0) answers_sent_apply(p->key, sum, sent);
        switch_words(a, sent, parts, out, bits_of(a, g, g * each));
    }
    return ANNULUS_OK;
}

annulus_status answers_pack(const answers_key *key, const uint64_t *in, size_t count, size_t samples, unsigned threads,
                            uint8_t *out)
{
    const tfhe_answers *a = &key->answers;
    const size_t total = count * a->parts * samples;
    packing p = {.key = key,
                 .in = in,
                 .out = out,
                 .count = count,
                 .total = total,
                 .words = bootstrap_small_words(&key->keyswitch->params),
                 .each = answers_together(total, threads)};
    const unsigned workers = parallel_threads(threads);
    void *rows, *rooms = NULL;
    TRY(mem_create(total * p.words, sizeof(uint32_t), "answers", &rows));
    p.rows = rows;
    annulus_status st = mem_create(workers * room_words(a), sizeof(uint32_t), "answers", &rooms);
    p.room = rooms;
    if (st == ANNULUS_OK) st = parallel_for((total + p.each - 1) / p.each, threads, switch_some, &p);
    if (st == ANNULUS_OK) st = parallel_for(samples, threads, pack_sample, &p);
    mem_free(rooms);
    mem_free(rows);
    return st;
}

size_t answers_pack_memory(const tfhe_families *f, size_t count, size_t samples, unsigned threads)
{
    const tfhe_params p = tfhe_answers_params(f);
    const tfhe_answers *a = &f->answers;
    const unsigned workers = parallel_threads(threads);
    const size_t total = count * a->parts * samples, words = tfhe_big_dim(&p) + 1;
    const size_t switching =
        mem_bytes(answers_together(total, threads) * words * sizeof(uint64_t)) + mem_bytes(keyswitch_scratch(&p));
    return mem_bytes(total * bootstrap_small_words(&p) * sizeof(uint32_t)) +
           mem_bytes(workers * room_words(a) * sizeof(uint32_t)) + workers * switching;
}

/* ---- decryption ------------------------------------------------------------------------------------------------- */

/* Phases of `count` answers of one ciphertext at bit `at`. mask, sum (N): room. */
static void phases_of(const answers_secret *key, const uint8_t *in, size_t at, size_t count, uint32_t *mask,
                      uint32_t *sum, uint64_t *phase)
{
    const tfhe_answers *a = &key->params;
    const size_t N = a->N;
    memset(sum, 0, N * sizeof *sum);
    for (size_t c = 0; c < tfhe_answers_k(a); c++) {
        for (size_t i = 0; i < N; i++, at += a->bits) mask[i] = word_get(in, at, a->bits) << (32 - a->bits);
        answers_multiply_add(sum, mask, key->P + c * N, N);
    }
    for (size_t j = 0; j < count * a->parts; j++, at += a->body_bits)
        sum[j] = (word_get(in, at, a->body_bits) << (32 - a->body_bits)) - sum[j];
    for (size_t j = 0; j < count; j++) phase[j] = answers_join(a, sum + j * a->parts);
}

annulus_status answers_phases(const answers_secret *key, const uint8_t *in, size_t count, uint64_t *phase)
{
    const tfhe_answers *a = &key->params;
    const size_t N = a->N, each = tfhe_answers_each(a);
    void *room;
    TRY(mem_create(2 * N, sizeof(uint32_t), "answers", &room));
    uint32_t *mask = room, *sum = mask + N;
    for (size_t g = 0; g < tfhe_answers_groups(a, count); g++) {
        const size_t left = count - g * each;
        phases_of(key, in, bits_of(a, g, g * each), left < each ? left : each, mask, sum, phase + g * each);
    }
    mem_wipe_free(room, 2 * N * sizeof(uint32_t));
    return ANNULUS_OK;
}
