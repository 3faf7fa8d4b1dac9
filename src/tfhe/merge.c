/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/merge_priv.h"
#include "tfhe/lwe.h"

#include <string.h>

/* Steps of i times the power, modulo 2 N. */
void merge_turn(size_t N, unsigned level, const uint64_t *p, uint64_t *out)
{
    const size_t power = ((size_t)1 << level) + 1;
    for (size_t i = 0, at = 0; i < N; i++, at = (at + power) & (2 * N - 1)) out[at & (N - 1)] = at < N ? p[i] : -p[i];
}

static size_t glwe_bytes(const tfhe_params *p)
{
    return ROUND_UP((size_t)(p->k + 1) * p->N * sizeof(uint64_t));
}

size_t merge_scratch_bytes(const tfhe_params *p, uint32_t l, uint32_t bg, size_t count)
{
    const fft_gadget gadget = merge_gadget_of(p, l, bg);
    return (2 + merge_log2(count)) * glwe_bytes(p) + ROUND_UP(fft_digits_words(p->N, &gadget) * sizeof(double));
}

size_t merge_scratch(const merge_key *key, size_t count)
{
    return merge_scratch_bytes(&key->params, key->gadget.l, key->gadget.bg, count);
}

/* A word over N, to the nearest: the multiple of 2^64/N by which the division is not unique vanishes when the levels
 * have doubled it log2 N times. */
static uint64_t share(const merge_key *key, uint64_t x)
{
    return (x + key->params.N / 2) >> key->log2_N;
}

/* The ciphertext whose coefficient 0 is extracted as in/N. */
static void embed(const merge_key *key, const uint64_t *in, uint64_t *out)
{
    const size_t N = key->params.N, k = key->params.k;
    for (size_t c = 0; c < k; c++, in += N, out += N) {
        out[0] = share(key, in[0]);
        for (size_t x = 1; x < N; x++) out[N - x] = -share(key, in[x]);
    }
    memset(out, 0, N * sizeof *out);
    out[0] = share(key, in[0]);
}

/* out <- out + from(X^(2^level + 1)), switched back to the key; from may be out. */
static void turn_add(const merge_key *key, unsigned level, const uint64_t *from, uint64_t *out, scratch *tmp)
{
    const tfhe_params *p = &key->params;
    const size_t mark = tmp->used, N = p->N;
    uint64_t *turned = scratch_take(tmp, glwe_bytes(p));
    double *digits = scratch_take(tmp, fft_digits_words(N, &key->gadget) * sizeof *digits);
    for (size_t c = 0; c <= p->k; c++) merge_turn(N, level, from + c * N, turned + c * N);
    for (size_t x = 0; x < N; x++) out[p->k * N + x] += turned[p->k * N + x];
    fft_digits_take(key->plan, &key->gadget, digits, turned, 0, NULL);
    fft_digits_apply(key->plan, &key->gadget, digits, 1, &out, key->rows + (level - 1) * key->matrix, NULL);
    tmp->used = mark;
}

/* even <- even + X^shift odd, odd <- even - X^shift odd. */
static void cross(const tfhe_params *p, size_t shift, uint64_t *even, uint64_t *odd, uint64_t *tmp)
{
    const size_t N = p->N;
    for (size_t c = 0; c <= p->k; c++, even += N, odd += N) {
        for (size_t x = 0; x < shift; x++) tmp[x] = -odd[N - shift + x];
        memcpy(tmp + shift, odd, (N - shift) * sizeof *tmp);
        for (size_t x = 0; x < N; x++) {
            odd[x] = even[x] - tmp[x];
            even[x] += tmp[x];
        }
    }
}

/* Merges in[0], in[stride], ..., 2^level of them. */
static void node_apply(const merge_key *key, const uint64_t *in, size_t stride, unsigned level, uint64_t *out,
                       scratch *tmp)
{
    const tfhe_params *p = &key->params;
    if (level == 0) {
        embed(key, in, out);
        return;
    }
    const size_t mark = tmp->used;
    uint64_t *odd = scratch_take(tmp, glwe_bytes(p));
    node_apply(key, in, 2 * stride, level - 1, out, tmp);
    node_apply(key, in + stride * lwe_words(p), 2 * stride, level - 1, odd, tmp);
    const size_t inner = tmp->used;
    cross(p, p->N >> level, out, odd, scratch_take(tmp, p->N * sizeof *odd));
    tmp->used = inner;
    turn_add(key, level, odd, out, tmp);
    tmp->used = mark;
}

void merge_apply(const merge_key *key, const uint64_t *in, size_t count, uint64_t *out, scratch *tmp)
{
    REQUIRE(count >= 1 && count <= key->params.N && (count & (count - 1)) == 0);
    node_apply(key, in, 1, merge_log2(count), out, tmp);
    for (unsigned level = merge_log2(count) + 1; level <= key->log2_N; level++) turn_add(key, level, out, out, tmp);
}
