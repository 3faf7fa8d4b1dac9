/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "tfhe/bootstrap_priv.h"

#include <string.h>

static fft_gadget gadget_of(const tfhe_params *p)
{
    return (fft_gadget){.columns = p->k + 1, .bg = p->pbs_bg, .l = p->pbs_l, .lb = p->pbs_lb};
}

/* out <- minus + GGSW_i x (X^a from - minus); every pointer (k+1, N); out may be minus. */
static void external_product(const eval_key *key, size_t i, uint64_t *out, const uint64_t *from, uint32_t a,
                             const uint64_t *minus, scratch *tmp)
{
    const fft_gadget g = gadget_of(&key->params);
    const fft_product product = {.out = out, .from = from, .base = minus, .a = a};
    fft_external_products(key->plan, &g, &product, 1, key->bsk + i * key->bsk_row, key->bsk + (i + 1) * key->bsk_row,
                          tmp);
}

/* acc <- X^-body table in extended layout; masks zero. */
static void accumulator_init(const tfhe_params *p, uint64_t *acc, const lut *table, uint32_t body)
{
    const size_t EF = table->EF, steps = EF * p->N, part = (size_t)(p->k + 1) * p->N;
    for (size_t j = 0; j < EF; j++) {
        uint64_t *a = acc + j * part;
        memset(a, 0, p->k * p->N * sizeof *a);
        for (size_t i = 0; i < p->N; i++) {
            const size_t at = (i * EF + j + body) & (2 * steps - 1);
            a[p->k * p->N + i] = at < steps ? table->v[at] : -table->v[at - steps];
        }
    }
}

static unsigned valuation(uint32_t exponent, unsigned most)
{
    const unsigned v = exponent == 0 ? 32 : (unsigned)__builtin_ctz(exponent);
    return v < most ? v : most;
}

/* Key positions of non-zero exponents by increasing 2-adic valuation (capped at log2 EF); returns their number. CMUXes
 * commute, and once all that is left is divisible by 2^v, parts of different residue modulo 2^v no longer mix. */
static size_t sorted_order(const tfhe_params *p, uint32_t EF, const uint32_t *exponents, uint32_t *order)
{
    const unsigned most = (unsigned)__builtin_ctz(EF);
    size_t count = 0;
    for (unsigned v = 0; v <= most; v++)
        for (uint32_t i = 0; i < p->n; i++)
            if (exponents[i] != 0 && valuation(exponents[i], most) == v) order[count++] = i;
    return count;
}

/* One step of the extended rotation: part t of X^a acc is X^((a + s - t)/EF) times part s, s = t - a modulo EF. Parts
 * that a needed coefficient can no longer see are left as they are. `spare` takes the new parts, then they are swapped
 * in. */
static void extended_step(const eval_key *key, size_t i, uint32_t a, uint64_t **part, uint64_t **spare, uint32_t EF,
                          const uint8_t *seen, scratch *tmp)
{
    for (uint32_t t = 0; t < EF; t++) {
        if (!seen[t]) continue;
        const uint32_t s = (t - a) & (EF - 1);
        external_product(key, i, spare[t], part[s], (a + s - t) / EF, part[t], tmp);
    }
    for (uint32_t t = 0; t < EF; t++) {
        if (!seen[t]) continue;
        uint64_t *swap = part[t];
        part[t] = spare[t];
        spare[t] = swap;
    }
}

/* Parts whose residue modulo 2^v is that of a needed coefficient. */
static void mark_seen(uint8_t *seen, uint32_t EF, unsigned v, const uint32_t *needed, size_t needed_count)
{
    const uint32_t mask = (UINT32_C(1) << v) - 1;
    memset(seen, 0, EF);
    for (size_t i = 0; i < needed_count; i++)
        for (uint32_t t = needed[i] & mask; t < EF; t += mask + 1) seen[t] = 1;
}

size_t blind_rotate_scratch(const tfhe_params *p, uint32_t EF)
{
    const fft_gadget g = gadget_of(p);
    return ROUND_UP(EF * (size_t)(p->k + 1) * p->N * sizeof(uint64_t)) + ROUND_UP(p->n * sizeof(uint32_t)) +
           fft_external_products_scratch(p->N, &g, BOOTSTRAP_BATCH);
}

void blind_rotate(const eval_key *key, uint64_t *acc, const lut *table, const uint32_t *exponents,
                  const uint32_t *needed, size_t needed_count, scratch *tmp)
{
    const tfhe_params *p = &key->params;
    const uint32_t EF = table->EF;
    const size_t words = (size_t)(p->k + 1) * p->N, mark = tmp->used;
    uint64_t *extra = scratch_take(tmp, EF * words * sizeof *extra);
    uint32_t *order = scratch_take(tmp, p->n * sizeof *order);
    uint64_t *part[TFHE_MAX_EF], *spare[TFHE_MAX_EF];
    for (uint32_t t = 0; t < EF; t++) {
        part[t] = acc + t * words;
        spare[t] = extra + t * words;
    }
    accumulator_init(p, acc, table, exponents[p->n]);

    const unsigned most = (unsigned)__builtin_ctz(EF);
    const size_t count = sorted_order(p, EF, exponents, order);
    uint8_t seen[TFHE_MAX_EF];
    for (size_t i = 0; i < count; i++) {
        const uint32_t a = exponents[order[i]];
        mark_seen(seen, EF, valuation(a, most), needed, needed_count);
        extended_step(key, order[i], a, part, spare, EF, seen, tmp);
    }
    for (uint32_t t = 0; t < EF; t++)
        if (part[t] != acc + t * words) memcpy(acc + t * words, part[t], words * sizeof *acc);
    tmp->used = mark;
}

void blind_rotate_batch(const eval_key *key, uint64_t *const *acc, const lut *const *tables,
                        const uint32_t *const *exponents, size_t count, scratch *tmp)
{
    const tfhe_params *p = &key->params;
    const size_t mark = tmp->used;
    for (size_t q = 0; q < count; q++) accumulator_init(p, acc[q], tables[q], exponents[q][p->n]);
    const fft_gadget g = gadget_of(p);
    for (size_t i = 0; i < p->n; i++) {
        const double *row = key->bsk + i * key->bsk_row;
        fft_product products[BOOTSTRAP_BATCH];
        size_t together = 0;
        for (size_t q = 0; q < count; q++)
            if (exponents[q][i] != 0)
                products[together++] =
                    (fft_product){.out = acc[q], .from = acc[q], .base = acc[q], .a = exponents[q][i]};
        if (together != 0) fft_external_products(key->plan, &g, products, together, row, row + key->bsk_row, tmp);
    }
    tmp->used = mark;
}

void sample_extract(const tfhe_params *p, uint32_t EF, const uint64_t *acc, uint32_t c, uint64_t *out)
{
    const uint64_t *part = acc + (size_t)(c & (EF - 1)) * (p->k + 1) * p->N;
    const size_t at = c / EF, N = p->N;
    for (size_t i = 0; i < p->k; i++) {
        const uint64_t *a = part + i * N;
        for (size_t x = 0; x <= at; x++) out[i * N + x] = a[at - x];
        for (size_t x = at + 1; x < N; x++) out[i * N + x] = -a[N + at - x];
    }
    out[tfhe_big_dim(p)] = part[p->k * N + at];
}
