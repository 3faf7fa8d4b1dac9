/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "tfhe/bootstrap_priv.h"

#include <string.h>

_Static_assert(ROTATION_TOGETHER <= FFT_BUNDLE_SETS, "sets of digits of a bundle");

size_t blind_rotate_grouped_scratch(const tfhe_params *p)
{
    const fft_gadget g = pbs_gadget(p);
    return ROUND_UP(rotation_products(p) * fft_digits_words(p->N, &g) * sizeof(double));
}

typedef struct walk {
    const eval_key *key;
    fft_gadget gadget;
    double *digits; /* (most, set) */
    size_t set, most;
} walk;

/* Products of step i for `count` <= most ciphertexts. */
static void products_add(const walk *w, const rotation *const *moved, size_t count, size_t i, int ahead)
{
    const tfhe_params *p = &w->key->params;
    const size_t patterns = tfhe_step_patterns(p);
    const uint32_t *exponents[FFT_BUNDLE_SETS];
    uint32_t moves[FFT_BUNDLE_SETS][FFT_BUNDLE_MOST]; /* in coefficients */
    uint64_t *acc[FFT_BUNDLE_SETS];
    for (size_t q = 0; q < count; q++) {
        acc[q] = moved[q]->acc;
        for (size_t s = 0; s < patterns; s++)
            moves[q][s] = moved[q]->exponents[i * patterns + s] << moved[q]->table->slot_bits;
        exponents[q] = moves[q];
        fft_digits_take(w->key->plan, &w->gadget, w->digits + q * w->set, acc[q], 0, NULL);
    }
    fft_bundle_apply(w->key->plan, &w->gadget, w->digits, count, acc, w->key->bsk + i * w->key->bsk_row, patterns,
                     exponents, ahead);
}

/* The ciphertexts of r that step i moves, in turns of about one size. */
static void step_apply(const walk *w, const rotation *r, size_t count, size_t i)
{
    static const uint32_t zero[FFT_BUNDLE_MOST];
    const tfhe_params *p = &w->key->params;
    const size_t patterns = tfhe_step_patterns(p);
    const rotation *moved[ROTATION_MOST];
    size_t moves = 0;
    for (size_t q = 0; q < count; q++)
        if (memcmp(r[q].exponents + i * patterns, zero, patterns * sizeof *zero) != 0) moved[moves++] = &r[q];
    const size_t turns = (moves + w->most - 1) / w->most;
    for (size_t t = 0; t < turns; t++) {
        const size_t from = moves * t / turns, past = moves * (t + 1) / turns;
        products_add(w, moved + from, past - from, i, t == 0);
    }
}

void blind_rotate_grouped(const eval_key *key, const rotation *r, size_t count, const parallel_member *me, scratch *tmp)
{
    const tfhe_params *p = &key->params;
    const size_t mark = tmp->used;
    const size_t first = count * me->member / me->members, past = count * (me->member + 1) / me->members;
    walk w = {.key = key, .gadget = pbs_gadget(p), .most = rotation_products(p)};
    w.set = fft_digits_words(p->N, &w.gadget);
    w.digits = scratch_take(tmp, w.most * w.set * sizeof *w.digits);
    for (size_t q = first; q < past; q++) rotation_init(p, &r[q], 0);
    for (size_t i = 0; i < tfhe_steps(p); i++) step_apply(&w, r + first, past - first, i);
    tmp->used = mark;
    parallel_wait(me);
}
