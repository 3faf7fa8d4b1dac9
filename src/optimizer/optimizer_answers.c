/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/optimizer_answers.h"

#include "optimizer/cost.h"
#include "tfhe/answers.h"
#include "tfhe/lwe.h"

#include <math.h>

#define DIM_FIRST 450u
#define DIM_LAST 4096u
#define BASE_LAST 8u

typedef struct answers_search {
    const answers_request *q;
    tfhe_families f; /* with the candidate at hand */
    tfhe_answers best;
    size_t bytes, key_bytes; /* of the best */
} answers_search;

/* The fewest bits that the variance allows; 0: not even 32 do. */
static int bits_set(answers_search *s, double together)
{
    tfhe_answers *a = &s->f.answers;
    a->bits = 32; /* nothing is rounded */
    const double left = s->q->variance - noise_answers(&s->f, together);
    if (!(left >= 0)) return 0;
    a->bits = 1;
    const double most = left / (noise_answers(&s->f, together) - s->q->variance + left); /* of the noise of one bit */
    if (most < 1) a->bits = (uint32_t)fmin(32, fmax(1, ceil(1 - log2(most) / 2 - 1e-9)));
    while (noise_answers(&s->f, together) > s->q->variance) a->bits++; /* which 2^-64 of that noise may call for */
    return 1;
}

/* Takes the candidate, but for its bits, if it is better. */
static void consider(answers_search *s)
{
    tfhe_answers *a = &s->f.answers;
    const double together = fmin(a->N, (double)s->q->count);
    const tfhe_params p = tfhe_answers_params(&s->f);
    const size_t key = tfhe_answers_seeded_bytes(&s->f);
    if ((double)key > s->q->key_bytes || (double)tfhe_ksk_memory_bytes(&p) > s->q->memory) return;
    if ((double)s->q->count * cost_keyswitch(&p) > s->q->seconds) return;
    if (!bits_set(s, together)) return;
    const size_t bytes = answers_bytes(a, s->q->count);
    if (bytes > s->bytes || (bytes == s->bytes && key >= s->key_bytes)) return;
    s->best = *a;
    s->bytes = bytes;
    s->key_bytes = key;
}

/* All gadgets of a ring; those of more levels than are of use for 32 bits are left to smaller bases. */
static void consider_ring(answers_search *s, uint32_t N, uint32_t k, uint32_t noise)
{
    for (uint32_t b = 1; b <= BASE_LAST; b++)
        for (uint32_t l = 1; l <= 32 / b; l++) {
            s->f.answers = (tfhe_answers){.family = s->q->family, .k = k, .N = N, .l = l, .b = b, .noise = noise};
            consider(s);
        }
}

tfhe_answers optimizer_answers(const tfhe_families *f, const answers_request *q)
{
    answers_search s = {.q = q,
                        .f = *f,
                        .bytes = q->count * lwe_words(&f->of[q->family]) * sizeof(uint64_t) - 1,
                        .key_bytes = SIZE_MAX};
    uint32_t dim = DIM_FIRST;
    for (uint32_t noise = security_tuniform_bound(DIM_FIRST, 32, q->level) + 1; noise-- > 0;) {
        while (dim <= DIM_LAST && security_tuniform_bound(dim, 32, q->level) > noise) dim++;
        for (uint32_t N = 1; N <= TFHE_ANSWERS_N; N *= 2) {
            const uint32_t k = (dim + N - 1) / N;
            if (k * N <= DIM_LAST) consider_ring(&s, N, k, noise);
        }
    }
    return s.best;
}
