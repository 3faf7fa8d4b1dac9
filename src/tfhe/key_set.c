/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/key_set.h"

#include "base/memory.h"

static annulus_status count_read(reader *r, uint32_t *out)
{
    TRY(read_u32(r, out));
    if (*out == 0 || *out > TFHE_MAX_FAMILIES)
        return read_fail(r, "keys of %u families, 1 to %u are possible", *out, TFHE_MAX_FAMILIES);
    return ANNULUS_OK;
}

/* ---- secret ----------------------------------------------------------------------------------------------------- */

annulus_status secret_key_set_create(const tfhe_families *f, secret_key_set **out)
{
    void *p;
    TRY(mem_create(1, sizeof(secret_key_set), "secret keys", &p));
    secret_key_set *set = p;
    annulus_status st = ANNULUS_OK;
    for (; st == ANNULUS_OK && set->count < f->count; set->count++) {
        const uint32_t i = set->count;
        st = i == TFHE_LOW && f->merge.l > 0 ? secret_key_create_beside(&f->of[i], set->of[TFHE_HIGH], &set->of[i])
                                             : secret_key_create(&f->of[i], &set->of[i]);
    }
    if (st == ANNULUS_OK && f->answers.bits > 0) st = answers_secret_create(&f->answers, &set->answers);
    if (st == ANNULUS_OK)
        *out = set;
    else
        secret_key_set_destroy(set);
    return st;
}

void secret_key_set_destroy(secret_key_set *set)
{
    if (set == NULL) return;
    for (uint32_t i = 0; i < TFHE_MAX_FAMILIES; i++) secret_key_destroy(set->of[i]);
    answers_secret_destroy(set->answers);
    mem_free(set);
}

static int one_big_key(const secret_key_set *set)
{
    const secret_key *high = set->of[TFHE_HIGH], *low = set->of[TFHE_LOW];
    uint64_t differ = 0;
    for (size_t i = 0; i < tfhe_big_dim(&high->params); i++) differ |= high->S[i] ^ low->S[i];
    return differ == 0;
}

int secret_key_set_fits(const secret_key_set *set, const tfhe_families *f)
{
    int fits = set->count == f->count;
    for (uint32_t i = 0; fits && i < f->count; i++) fits = tfhe_params_equal(&set->of[i]->params, &f->of[i]);
    if (fits && f->merge.l > 0) fits = one_big_key(set);
    if (f->answers.bits == 0) return fits && set->answers == NULL;
    return fits && set->answers != NULL && tfhe_answers_equal(&set->answers->params, &f->answers);
}

void secret_key_set_write(writer *w, const secret_key_set *set)
{
    write_u32(w, set->count);
    for (uint32_t i = 0; i < set->count; i++) secret_key_write(w, set->of[i]);
    const tfhe_answers none = {0};
    tfhe_answers_write(w, set->answers == NULL ? &none : &set->answers->params);
    if (set->answers != NULL) answers_secret_write(w, set->answers);
}

static annulus_status secret_answers_read(reader *r, answers_secret **out)
{
    tfhe_answers p;
    TRY(tfhe_answers_read(r, &p));
    return p.bits == 0 ? ANNULUS_OK : answers_secret_read(r, &p, out);
}

annulus_status secret_key_set_read(reader *r, secret_key_set **out)
{
    uint32_t count = 0;
    void *p;
    TRY(count_read(r, &count));
    TRY(mem_create(1, sizeof(secret_key_set), "secret keys", &p));
    secret_key_set *set = p;
    annulus_status st = ANNULUS_OK;
    for (; st == ANNULUS_OK && set->count < count; set->count++) st = secret_key_read(r, &set->of[set->count]);
    if (st == ANNULUS_OK) st = secret_answers_read(r, &set->answers);
    if (st == ANNULUS_OK)
        *out = set;
    else
        secret_key_set_destroy(set);
    return st;
}

/* ---- seeded ----------------------------------------------------------------------------------------------------- */

static annulus_status seeded_fill(const secret_key_set *secret, unsigned threads, const annulus_progress *progress,
                                  seeded_eval_key_set *set)
{
    const tfhe_families *f = &set->families;
    for (uint32_t i = 0; i < f->count; i++) {
        TRY(seeded_eval_key_create(secret->of[i], threads, progress, &set->of[i]));
        if (f->into[i].l == 0) continue;
        const uint32_t other = tfhe_other_family(i);
        const tfhe_params p = tfhe_switch_params(f, other, i);
        TRY(seeded_switching_key_create(&p, secret->of[other], secret->of[i], threads, progress, &set->into[i]));
    }
    if (f->merge.l > 0)
        TRY(seeded_merge_key_create(secret->of[TFHE_HIGH], f->merge.l, f->merge.bg, threads, &set->merge));
    if (f->answers.bits == 0) return ANNULUS_OK;
    return seeded_answers_key_create(f, secret->of[f->answers.family], secret->answers, threads, progress,
                                     &set->answers);
}

annulus_status seeded_eval_key_set_create(const tfhe_families *f, const secret_key_set *secret, unsigned threads,
                                          const annulus_progress *progress, seeded_eval_key_set **out)
{
    void *p;
    REQUIRE(secret_key_set_fits(secret, f));
    TRY(mem_create(1, sizeof(seeded_eval_key_set), "evaluation keys", &p));
    seeded_eval_key_set *set = p;
    set->families = *f;
    const annulus_status st = seeded_fill(secret, threads, progress, set);
    if (st == ANNULUS_OK)
        *out = set;
    else
        seeded_eval_key_set_destroy(set);
    return st;
}

void seeded_eval_key_set_destroy(seeded_eval_key_set *set)
{
    if (set == NULL) return;
    for (uint32_t i = 0; i < TFHE_MAX_FAMILIES; i++) {
        seeded_eval_key_destroy(set->of[i]);
        seeded_switching_key_destroy(set->into[i]);
    }
    seeded_merge_key_destroy(set->merge);
    seeded_answers_key_destroy(set->answers);
    mem_free(set);
}

void seeded_eval_key_set_write(writer *w, const seeded_eval_key_set *set)
{
    const tfhe_families *f = &set->families;
    tfhe_families_write(w, f);
    for (uint32_t i = 0; i < f->count; i++) {
        seeded_eval_key_write(w, set->of[i]);
        if (f->into[i].l > 0) seeded_switching_key_write(w, set->into[i]);
    }
    if (f->merge.l > 0) seeded_merge_key_write(w, set->merge);
    if (f->answers.bits > 0) seeded_answers_key_write(w, set->answers);
}

static annulus_status seeded_fill_from(reader *r, seeded_eval_key_set *set)
{
    const tfhe_families *f = &set->families;
    for (uint32_t i = 0; i < f->count; i++) {
        TRY(seeded_eval_key_read(r, &f->of[i], &set->of[i]));
        if (f->into[i].l == 0) continue;
        const tfhe_params p = tfhe_switch_params(f, tfhe_other_family(i), i);
        TRY(seeded_switching_key_read(r, &p, &set->into[i]));
    }
    if (f->merge.l > 0) TRY(seeded_merge_key_read(r, &f->of[TFHE_HIGH], f->merge.l, f->merge.bg, &set->merge));
    return f->answers.bits == 0 ? ANNULUS_OK : seeded_answers_key_read(r, f, &set->answers);
}

annulus_status seeded_eval_key_set_read(reader *r, seeded_eval_key_set **out)
{
    tfhe_families f;
    void *p;
    TRY(tfhe_families_read(r, &f));
    TRY(mem_create(1, sizeof(seeded_eval_key_set), "evaluation keys", &p));
    seeded_eval_key_set *set = p;
    set->families = f;
    const annulus_status st = seeded_fill_from(r, set);
    if (st == ANNULUS_OK)
        *out = set;
    else
        seeded_eval_key_set_destroy(set);
    return st;
}

/* ---- expanded --------------------------------------------------------------------------------------------------- */

static annulus_status expand(const seeded_eval_key_set *seeded, unsigned threads, const annulus_progress *progress,
                             eval_key_set *set)
{
    for (uint32_t i = 0; i < seeded->families.count; i++) {
        TRY(eval_key_create(seeded->of[i], threads, progress, &set->of[i]));
        if (seeded->into[i] != NULL) TRY(switching_key_create(seeded->into[i], threads, &set->into[i]));
    }
    if (seeded->merge != NULL) TRY(merge_key_create(seeded->merge, threads, &set->merge));
    return seeded->answers == NULL ? ANNULUS_OK : answers_key_create(seeded->answers, threads, &set->answers);
}

annulus_status eval_key_set_create(const seeded_eval_key_set *seeded, unsigned threads,
                                   const annulus_progress *progress, eval_key_set **out)
{
    void *p;
    TRY(mem_create(1, sizeof(eval_key_set), "evaluation keys", &p));
    eval_key_set *set = p;
    set->families = seeded->families;
    const annulus_status st = expand(seeded, threads, progress, set);
    if (st == ANNULUS_OK)
        *out = set;
    else
        eval_key_set_destroy(set);
    return st;
}

void eval_key_set_destroy(eval_key_set *set)
{
    if (set == NULL) return;
    for (uint32_t i = 0; i < TFHE_MAX_FAMILIES; i++) {
        eval_key_destroy(set->of[i]);
        switching_key_destroy(set->into[i]);
    }
    merge_key_destroy(set->merge);
    answers_key_destroy(set->answers);
    mem_free(set);
}

const switching_key *eval_key_set_switching(const eval_key_set *set, uint32_t from, uint32_t into)
{
    return from == into ? eval_key_switching(set->of[into]) : set->into[into];
}
