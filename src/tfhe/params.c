/* SPDX-License-Identifier: Apache-2.0 */
#include "tfhe/params.h"

#include "base/divisor.h"
#include "math/fft.h"

#include <string.h>

#define PARAMETERS (TFHE_PARAMS_BYTES / 4)

static annulus_status in_range(const char *name, uint32_t value, uint32_t least, uint32_t most)
{
    if (value >= least && value <= most) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "parameter %s = %u is outside [%u, %u]", name, value, least, most);
}

/* l = b = 0: no keyswitch. */
static annulus_status keyswitch_check(uint32_t l, uint32_t b)
{
    if (l == 0 && b == 0) return ANNULUS_OK;
    TRY(in_range("ks_b", b, 1, 15)); /* digits in 16 bits */
    return in_range("ks_l", l, 1, 32 / b);
}

int tfhe_narrow(const tfhe_params *p)
{
    const fft_gadget g = {.columns = p->k + 1, .bg = p->pbs_bg, .l = p->pbs_l, .lb = p->pbs_lb};
    return fft_narrow_fits(p->N, &g, p->pbs_group == 1 ? 0 : tfhe_step_patterns(p));
}

annulus_status tfhe_params_check(const tfhe_params *p)
{
    TRY(in_range("n", p->n, 1, 4096));
    TRY(in_range("k", p->k, 1, 6));
    TRY(in_range("N", p->N, 256, 65536));
    if ((p->N & (p->N - 1)) != 0) return fail(ANNULUS_ERR_INPUT, "parameter N = %u is not a power of two", p->N);
    TRY(in_range("pbs_bg", p->pbs_bg, 1, 30));
    TRY(in_range("pbs_l", p->pbs_l, 1, 52 / p->pbs_bg));
    TRY(in_range("pbs_lb", p->pbs_lb, 1, p->pbs_l));
    TRY(keyswitch_check(p->ks_l, p->ks_b));
    TRY(in_range("lwe_noise", p->lwe_noise, 0, 30));
    TRY(in_range("glwe_noise", p->glwe_noise, 0, 62));
    TRY(in_range("pbs_group", p->pbs_group, 1, TFHE_MAX_GROUP));
    if (p->n % p->pbs_group == 0) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "parameter pbs_group = %u does not divide n = %u", p->pbs_group, p->n);
}

void tfhe_params_write(writer *w, const tfhe_params *p)
{
    const uint32_t v[PARAMETERS] = {p->n,    p->k,    p->N,         p->pbs_l,      p->pbs_lb,   p->pbs_bg,
                                    p->ks_l, p->ks_b, p->lwe_noise, p->glwe_noise, p->pbs_group};
    write_u32s(w, v, PARAMETERS);
}

annulus_status tfhe_params_read(reader *r, tfhe_params *out)
{
    uint32_t v[PARAMETERS] = {0};
    TRY(read_u32s(r, v, PARAMETERS));
    const tfhe_params p = {.n = v[0],
                           .k = v[1],
                           .N = v[2],
                           .pbs_l = v[3],
                           .pbs_lb = v[4],
                           .pbs_bg = v[5],
                           .ks_l = v[6],
                           .ks_b = v[7],
                           .lwe_noise = v[8],
                           .glwe_noise = v[9],
                           .pbs_group = v[10]};
    const annulus_status st = tfhe_params_check(&p);
    if (st != ANNULUS_OK) return fail_prefix(st, "%s", r->name);
    *out = p;
    return ANNULUS_OK;
}

int tfhe_params_equal(const tfhe_params *a, const tfhe_params *b)
{
    return a->n == b->n && a->k == b->k && a->N == b->N && a->pbs_l == b->pbs_l && a->pbs_lb == b->pbs_lb &&
           a->pbs_bg == b->pbs_bg && a->ks_l == b->ks_l && a->ks_b == b->ks_b && a->lwe_noise == b->lwe_noise &&
           a->glwe_noise == b->glwe_noise && a->pbs_group == b->pbs_group;
}

size_t tfhe_bsk_seeded_bytes(const tfhe_params *p)
{
    return tfhe_steps(p) * tfhe_step_patterns(p) * tfhe_ggsw_rows(p) * p->N * sizeof(uint64_t);
}

size_t tfhe_ksk_seeded_bytes(const tfhe_params *p)
{
    return tfhe_big_dim(p) * p->ks_l * sizeof(uint32_t);
}

size_t tfhe_bsk_memory_bytes(const tfhe_params *p)
{
    return tfhe_bsk_seeded_bytes(p) * (p->k + 1);
}

size_t tfhe_ksk_memory_bytes(const tfhe_params *p)
{
    return tfhe_ksk_seeded_bytes(p) * (((size_t)p->n + 16) / 16 * 16);
}

/* Multiples with a common divisor are those of several phases. */
static annulus_status multiples_check(const tfhe_answers *a)
{
    uint32_t common = 0;
    TRY(in_range("answers_parts", a->parts, 1, a->N < TFHE_ANSWERS_PARTS ? a->N : TFHE_ANSWERS_PARTS));
    for (uint32_t t = 0; t < TFHE_ANSWERS_PARTS; t++) {
        const uint32_t used = t < a->parts;
        TRY(in_range("answers_multiple", a->multiple[t], used, used << 12));
        common = (uint32_t)common_divisor(common, a->multiple[t]);
    }
    return common == 1 ? ANNULUS_OK
                       : fail(ANNULUS_ERR_INPUT, "parameters answers_multiple have the common divisor %u", common);
}

annulus_status tfhe_answers_check(const tfhe_answers *a)
{
    const tfhe_answers none = {0};
    if (tfhe_answers_equal(a, &none)) return ANNULUS_OK;
    TRY(in_range("answers_family", a->family, 0, TFHE_MAX_FAMILIES - 1));
    TRY(in_range("answers_N", a->N, 1, TFHE_ANSWERS_N));
    if ((a->N & (a->N - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT, "parameter answers_N = %u is not a power of two", a->N);
    TRY(in_range("answers_k", a->k, 1, 4096 / a->N));
    TRY(in_range("answers_b", a->b, a->parts > 1 ? 3 : 1, 15)); /* what parts have in common is not known of less */
    TRY(in_range("answers_l", a->l, 1, 32 / a->b));
    TRY(in_range("answers_noise", a->noise, 0, 30));
    TRY(in_range("answers_sent_k", a->sent_k, 0, 4096 / a->N));
    TRY(in_range("answers_sent_l", a->sent_l, a->sent_k > 0, a->sent_k > 0 ? 32 : 0));
    TRY(in_range("answers_sent_noise", a->sent_noise, 0, a->sent_k > 0 ? 30 : 0));
    TRY(in_range("answers_bits", a->bits, 1, 32));
    TRY(in_range("answers_body_bits", a->body_bits, 1, a->bits));
    return multiples_check(a);
}

#define ANSWERS_FIELDS (TFHE_ANSWERS_BYTES / 4)

/* In the order that they are written in. */
static void answers_fields(const tfhe_answers *a, uint32_t *v)
{
    const uint32_t first[] = {a->family, a->k,      a->N,          a->l,    a->b,         a->noise,
                              a->sent_k, a->sent_l, a->sent_noise, a->bits, a->body_bits, a->parts};
    memcpy(v, first, sizeof first);
    memcpy(v + sizeof first / sizeof *first, a->multiple, sizeof a->multiple);
}

void tfhe_answers_write(writer *w, const tfhe_answers *a)
{
    uint32_t v[ANSWERS_FIELDS];
    answers_fields(a, v);
    write_u32s(w, v, ANSWERS_FIELDS);
}

annulus_status tfhe_answers_read(reader *r, tfhe_answers *out)
{
    uint32_t v[ANSWERS_FIELDS] = {0};
    TRY(read_u32s(r, v, ANSWERS_FIELDS));
    tfhe_answers a = {.family = v[0],
                      .k = v[1],
                      .N = v[2],
                      .l = v[3],
                      .b = v[4],
                      .noise = v[5],
                      .sent_k = v[6],
                      .sent_l = v[7],
                      .sent_noise = v[8],
                      .bits = v[9],
                      .body_bits = v[10],
                      .parts = v[11]};
    memcpy(a.multiple, v + 12, sizeof a.multiple);
    const annulus_status st = tfhe_answers_check(&a);
    if (st != ANNULUS_OK) return fail_prefix(st, "%s", r->name);
    *out = a;
    return ANNULUS_OK;
}

int tfhe_answers_equal(const tfhe_answers *a, const tfhe_answers *b)
{
    uint32_t v[2][ANSWERS_FIELDS];
    answers_fields(a, v[0]);
    answers_fields(b, v[1]);
    return memcmp(v[0], v[1], sizeof v[0]) == 0;
}

tfhe_params tfhe_answers_params(const tfhe_families *f)
{
    const tfhe_answers *a = &f->answers;
    tfhe_params p = f->of[a->family];
    p.n = (a->k + 1) * a->N - 1;
    p.ks_l = a->l;
    p.ks_b = a->b;
    p.lwe_noise = a->noise;
    return p;
}

size_t tfhe_answers_seeded_bytes(const tfhe_families *f)
{
    const tfhe_answers *a = &f->answers;
    if (a->bits == 0) return 0;
    const size_t rows = tfhe_big_dim(&f->of[a->family]) * a->l + (size_t)a->k * a->sent_l;
    return rows * a->N * sizeof(uint32_t);
}

size_t tfhe_answers_sent_memory_bytes(const tfhe_answers *a)
{
    return (size_t)a->k * a->sent_l * (a->sent_k + 1) * a->N * sizeof(uint32_t);
}

size_t tfhe_answers_memory_bytes(const tfhe_families *f)
{
    const tfhe_answers *a = &f->answers;
    if (a->bits == 0) return 0;
    const tfhe_params p = tfhe_answers_params(f);
    return tfhe_ksk_memory_bytes(&p) + tfhe_answers_sent_memory_bytes(a);
}

/* l = bg = 0: no split look-ups. */
static annulus_status merge_check(const tfhe_families *f)
{
    const tfhe_params *high = &f->of[TFHE_HIGH], *low = &f->of[TFHE_LOW];
    if (f->merge.l == 0 && f->merge.bg == 0) return ANNULUS_OK;
    TRY(in_range("merge_bg", f->merge.bg, 1, 30));
    TRY(in_range("merge_l", f->merge.l, 1, 52 / f->merge.bg));
    const int one_ring = f->count == 2 && low->k == high->k && low->N == high->N && low->glwe_noise == high->glwe_noise;
    if (one_ring && low->ks_l > 0 && high->ks_l > 0 && f->into[TFHE_HIGH].l == 0 && f->into[TFHE_LOW].l == 0)
        return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "a merging key is of two families with one ring, each with a keyswitch of its own");
}

annulus_status tfhe_families_check(const tfhe_families *f)
{
    TRY(in_range("families", f->count, 1, TFHE_MAX_FAMILIES));
    for (uint32_t i = 0; i < f->count; i++) {
        annulus_status st = tfhe_params_check(&f->of[i]);
        if (st != ANNULUS_OK) return fail_prefix(st, "family %u", i + 1);
        st = keyswitch_check(f->into[i].l, f->into[i].b);
        if (st == ANNULUS_OK && f->count == 1 && f->into[i].l != 0)
            st = fail(ANNULUS_ERR_INPUT, "there is no other family");
        if (st != ANNULUS_OK) return fail_prefix(st, "keyswitch from the other family into family %u", i + 1);
    }
    TRY(merge_check(f));
    TRY(tfhe_answers_check(&f->answers));
    if (f->answers.family >= f->count)
        return fail(ANNULUS_ERR_INPUT, "answers of family %u, there are %u", f->answers.family + 1, f->count);
    return ANNULUS_OK;
}

void tfhe_families_write(writer *w, const tfhe_families *f)
{
    write_u32(w, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        tfhe_params_write(w, &f->of[i]);
        write_u32(w, f->into[i].l);
        write_u32(w, f->into[i].b);
    }
    write_u32(w, f->merge.l);
    write_u32(w, f->merge.bg);
    tfhe_answers_write(w, &f->answers);
}

annulus_status tfhe_families_read(reader *r, tfhe_families *out)
{
    tfhe_families f = {0};
    TRY(read_u32(r, &f.count));
    for (uint32_t i = 0; i < f.count && i < TFHE_MAX_FAMILIES; i++) {
        TRY(tfhe_params_read(r, &f.of[i]));
        TRY(read_u32(r, &f.into[i].l));
        TRY(read_u32(r, &f.into[i].b));
    }
    TRY(read_u32(r, &f.merge.l));
    TRY(read_u32(r, &f.merge.bg));
    TRY(tfhe_answers_read(r, &f.answers));
    const annulus_status st = tfhe_families_check(&f);
    if (st != ANNULUS_OK) return fail_prefix(st, "%s", r->name);
    *out = f;
    return ANNULUS_OK;
}

int tfhe_families_equal(const tfhe_families *a, const tfhe_families *b)
{
    int equal = a->count == b->count && a->merge.l == b->merge.l && a->merge.bg == b->merge.bg &&
                tfhe_answers_equal(&a->answers, &b->answers);
    for (uint32_t i = 0; equal && i < a->count; i++)
        equal = tfhe_params_equal(&a->of[i], &b->of[i]) && a->into[i].l == b->into[i].l && a->into[i].b == b->into[i].b;
    return equal;
}

tfhe_params tfhe_switch_params(const tfhe_families *f, uint32_t from, uint32_t into)
{
    tfhe_params p = f->of[into];
    if (from == into) return p;
    p.k = f->of[from].k;
    p.N = f->of[from].N;
    p.ks_l = f->into[into].l;
    p.ks_b = f->into[into].b;
    return p;
}
