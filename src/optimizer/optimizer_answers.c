/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/optimizer_answers.h"

#include "optimizer/cost.h"
#include "optimizer/multiples.h"
#include "tfhe/answers.h"
#include "tfhe/lwe.h"

#include <math.h>

#define DIM_FIRST 450u
#define DIM_LAST 4096u
#define BASE_FIRST 5u /* multiples_in_common */
#define BASE_LAST 15u
#define NOISES 32u  /* of TUniform */
#define GADGETS 64u /* more than there are of these bases */

/* A gadget of the packing keyswitch: what each part that shares a ciphertext adds times the variance of the key's
 * noise, and what the digits leave out. */
typedef struct packing_gadget {
    uint32_t l, b;
    double each, left_out;
} packing_gadget;

typedef struct answers_search {
    const answers_request *q;
    tfhe_families f; /* with the candidate at hand */
    packing_gadget gadgets[GADGETS];
    size_t gadgets_count;
    double seconds;
    tfhe_answers multiples[TFHE_ANSWERS_PARTS + 1]; /* of each number of parts, whose */
    double variance[TFHE_ANSWERS_PARTS + 1];        /* is this at most */
    double left_most[TFHE_ANSWERS_PARTS + 1];       /* multiples_common; of every base: */
    double key_most[TFHE_ANSWERS_PARTS + 1][BASE_LAST + 1];
    uint32_t dim[NOISES];    /* the least that is secure with noise B; 0: none up to DIM_LAST */
    uint32_t levels[NOISES]; /* of the second keyswitch, of its least noise, */
    double sent[NOISES];     /* which this is, of each word of the key that answers are packed under */
    tfhe_answers best;
    size_t bytes, key_bytes; /* of the best */
} answers_search;

static void gadgets_init(answers_search *s)
{
    for (uint32_t b = BASE_FIRST; b <= BASE_LAST; b++)
        for (uint32_t l = 1; l <= 32 / b && s->gadgets_count < GADGETS; l++) {
            s->f.answers = (tfhe_answers){.family = s->q->family, .k = 1, .N = 1, .l = l, .b = b, .noise = 0};
            packing_gadget *g = &s->gadgets[s->gadgets_count++];
            *g = (packing_gadget){.l = l,
                                  .b = b,
                                  .each = noise_packing_key(&s->f) / noise_tuniform(0, 32),
                                  .left_out = noise_packing_left_out(&s->f)};
        }
}

static void noises_init(answers_search *s)
{
    uint32_t dim = DIM_LAST;
    for (uint32_t noise = 0; noise < NOISES; noise++) {
        while (dim >= DIM_FIRST && security_tuniform_bound(dim, 32, s->q->level) <= noise) dim--;
        s->dim[noise] = dim == DIM_LAST ? 0 : dim + 1;
        s->sent[noise] = INFINITY;
        for (uint32_t l = 1; l <= 32; l++) {
            const double each = noise_sent_word(l, noise);
            if (each >= s->sent[noise]) continue;
            s->sent[noise] = each;
            s->levels[noise] = l;
        }
    }
}

static double seconds_of(const answers_search *s)
{
    const tfhe_answers *a = &s->f.answers;
    const tfhe_params p = tfhe_answers_params(&s->f);
    return (double)(s->q->count * a->parts) * cost_keyswitch(&p) +
           (double)tfhe_answers_groups(a, s->q->count) * cost_sent(a);
}

/* Takes the candidate, but for the bits of its words, which `left` is left for, if it is better. A bit more in the
 * masks may spare some in the bodies. */
static void consider_words(answers_search *s, double left)
{
    tfhe_answers *a = &s->f.answers;
    const size_t key = tfhe_answers_seeded_bytes(&s->f);
    const double least = log2((double)tfhe_answers_dim(a) / (48 * left)) / 2; /* bits for the masks alone */
    if ((double)key > s->q->key_bytes || (double)tfhe_answers_memory_bytes(&s->f) > s->q->memory) return;
    if (!(left >= 0) || seconds_of(s) > s->seconds) return;
    for (uint32_t bits = least > 1 ? (uint32_t)fmin(least, 31) : 1, more = 0; bits <= 32 && more < 3; bits++) {
        a->bits = a->body_bits = bits;
        if (noise_answers_words(a) > left) continue;
        more++;
        while (a->body_bits > 1 && noise_answers_words(a) <= left) a->body_bits--;
        if (noise_answers_words(a) > left) a->body_bits++;
        const size_t bytes = answers_bytes(a, s->q->count);
        if (bytes > s->bytes || (bytes == s->bytes && key >= s->key_bytes)) continue;
        s->best = *a;
        s->bytes = bytes;
        s->key_bytes = key;
    }
}

/* A packing keyswitch into the least secure dimension of noise B. */
typedef struct packing_choice {
    uint32_t k; /* 0: none is within time and memory */
    const packing_gadget *gadget;
    double variance;
} packing_choice;

/* Of least noise, for answers in these multiples. */
static packing_choice choose_packing(answers_search *s, uint32_t N, const tfhe_answers *multiples, uint32_t noise)
{
    packing_choice best = {.variance = INFINITY};
    const uint32_t parts = multiples->parts;
    const tfhe_answers ring = {.N = N, .parts = parts};
    const double together = (double)tfhe_answers_together(&ring, s->q->count);
    const uint32_t k = (s->dim[noise] + N - 1) / N;
    if (k == 0 || k * N > DIM_LAST) return best;
    for (size_t i = 0; i < s->gadgets_count; i++) {
        const packing_gadget *g = &s->gadgets[i];
        const double variance = s->key_most[parts][g->b] * together * g->each * noise_tuniform(noise, 32) +
                                s->left_most[parts] * g->left_out;
        if (variance >= best.variance) continue;
        s->f.answers = (tfhe_answers){
            .family = s->q->family, .k = k, .N = N, .l = g->l, .b = g->b, .noise = noise, .bits = 1, .parts = parts};
        if ((double)tfhe_answers_seeded_bytes(&s->f) > s->q->key_bytes) continue;
        if ((double)tfhe_answers_memory_bytes(&s->f) > s->q->memory || seconds_of(s) > s->seconds) continue;
        best = (packing_choice){.k = k, .gadget = g, .variance = variance};
    }
    return best;
}

/* Less than any packing of these has. */
static double least_bytes(const answers_search *s, uint32_t N, uint32_t parts, double variance)
{
    const tfhe_answers ring = {.N = N, .parts = parts};
    const double ciphertexts = (double)tfhe_answers_groups(&ring, s->q->count);
    uint32_t bits = 1;
    while (bits < 32 && DIM_FIRST * noise_word(bits) / 4 > variance) bits++;
    return (ciphertexts * DIM_FIRST * bits + (double)s->q->count * parts) / 8;
}

/* All packings of ring degree N of answers in these multiples, whose parts may have this variance. */
static void consider_ring(answers_search *s, uint32_t N, const tfhe_answers *multiples, double variance)
{
    packing_choice packings[NOISES];
    if (least_bytes(s, N, multiples->parts, variance) > (double)s->bytes) return;
    for (uint32_t noise = 0; noise < NOISES; noise++) packings[noise] = choose_packing(s, N, multiples, noise);
    for (uint32_t noise = 0; noise < NOISES; noise++) {
        const packing_choice *p = &packings[noise];
        tfhe_answers a = *multiples;
        a.family = s->q->family, a.N = N, a.bits = 32; /* there are answers */
        for (uint32_t sent = 0; p->k > 0 && p->variance < variance && sent <= NOISES; sent++) {
            a.k = p->k, a.l = p->gadget->l, a.b = p->gadget->b, a.noise = noise;
            const int another = sent < NOISES;
            if (another && (s->dim[sent] == 0 || sent <= noise)) continue;
            a.sent_k = another ? (s->dim[sent] + N - 1) / N : 0;
            a.sent_l = another ? s->levels[sent] : 0;
            a.sent_noise = another ? sent : 0;
            if (another && a.sent_k >= a.k) continue;
            s->f.answers = a;
            consider_words(s, variance - p->variance - (another ? p->k * N * s->sent[sent] : 0));
        }
    }
}

/* Relative; sums of variances are made in another order here than in noise.c. */
#define ROUNDING 1e-12

static void multiples_init(answers_search *s, uint32_t parts)
{
    const answers_request *q = s->q;
    tfhe_answers *a = &s->multiples[parts];
    s->variance[parts] = (1 - ROUNDING) * multiples_choose(parts, q->variance, q->log2_wrong, a);
    for (a->b = BASE_FIRST; a->b <= BASE_LAST; a->b++) {
        const multiples_common c = multiples_in_common(a);
        s->left_most[parts] = c.left.most;
        s->key_most[parts][a->b] = c.key.most;
    }
}

static void consider_all(answers_search *s)
{
    for (uint32_t parts = 1; parts <= TFHE_ANSWERS_PARTS; parts++)
        for (uint32_t N = TFHE_ANSWERS_N; N >= parts; N /= 2)
            consider_ring(s, N, &s->multiples[parts], s->variance[parts]);
}

/* The least time is found by halving. */
#define HALVINGS 5

tfhe_answers optimizer_answers(const tfhe_families *f, const answers_request *q)
{
    answers_search s = {.q = q,
                        .f = *f,
                        .seconds = q->seconds,
                        .bytes = q->count * lwe_words(&f->of[q->family]) * sizeof(uint64_t) - 1,
                        .key_bytes = SIZE_MAX};
    if (!(q->variance > 0)) return s.best;
    gadgets_init(&s);
    noises_init(&s);
    for (uint32_t parts = 1; parts <= TFHE_ANSWERS_PARTS; parts++) multiples_init(&s, parts);
    consider_all(&s);
    double least = 0, enough = q->seconds;
    for (int i = 0; s.best.bits > 0 && i < HALVINGS; i++) {
        answers_search faster = s;
        faster.key_bytes = SIZE_MAX;
        faster.seconds = (least + enough) / 2;
        faster.best.bits = 0;
        consider_all(&faster);
        if (faster.best.bits > 0) {
            s.best = faster.best;
            enough = faster.seconds;
        } else
            least = faster.seconds;
    }
    return s.best;
}
