/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "tfhe/bootstrap.h"

static annulus_status allocate(uint32_t N, uint32_t EF, lut **out)
{
    if (EF == 0 || EF > TFHE_MAX_EF || (EF & (EF - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT, "extension factor %u: must be a power of two from 1 to %u", EF, TFHE_MAX_EF);
    if (N < 256 || N > 65536 || (N & (N - 1)) != 0)
        return fail(ANNULUS_ERR_INPUT, "ring degree N = %u: must be a power of two from 256 to 65536", N);
    void *p;
    TRY(mem_create(ROUND_UP(sizeof(lut)) + (size_t)EF * N * sizeof(uint64_t), 1, "look-up table", &p));
    *out = p;
    **out = (lut){.EF = EF, .N = N, .v = (uint64_t *)(void *)((unsigned char *)p + ROUND_UP(sizeof(lut)))};
    return ANNULUS_OK;
}

annulus_status lut_create_antiperiodic(uint32_t N, uint32_t EF, uint64_t (*f)(void *context, double u), void *context,
                                       lut **out)
{
    lut *t = NULL;
    TRY(allocate(N, EF, &t));
    const size_t steps = (size_t)EF * N;
    for (size_t j = 0; j < steps; j++) t->v[j] = f(context, ((double)j + 0.5) / (2.0 * (double)steps));
    *out = t;
    return ANNULUS_OK;
}

static annulus_status check_cells(uint32_t cells, uint64_t steps)
{
    if (cells == 0 || cells > steps)
        return fail(ANNULUS_ERR_INPUT, "a table of %u cells needs EF*N of at least as many, got %llu", cells,
                    (unsigned long long)steps);
    return ANNULUS_OK;
}

/* The cell under the middle of step j of half the torus. */
static uint64_t cell_at(uint64_t j, uint32_t cells, uint64_t steps)
{
    return (2 * j + 1) * cells / (2 * steps);
}

annulus_status lut_create_padded(uint32_t N, uint32_t EF, const uint64_t *entries, uint32_t cells, int is_signed,
                                 lut **out)
{
    const uint64_t steps = (uint64_t)EF * N;
    lut *t = NULL;
    TRY(check_cells(cells, steps));
    TRY(allocate(N, EF, &t));
    for (uint64_t j = 0; j < steps; j++) {
        const uint64_t c = cell_at(j, cells, steps);
        t->v[j] = entries[is_signed ? (c + cells - cells / 2) % cells : c];
    }
    *out = t;
    return ANNULUS_OK;
}

annulus_status lut_create_slots(uint32_t N, uint32_t EF, const uint64_t *entries, uint32_t cells, uint32_t slot_bits,
                                lut **out)
{
    if (slot_bits > TFHE_MAX_SLOT_BITS)
        return fail(ANNULUS_ERR_INPUT, "a table of 2^%u slots: at most 2^%u are possible", slot_bits,
                    TFHE_MAX_SLOT_BITS);
    const uint64_t steps = (uint64_t)EF * N >> slot_bits;
    lut *t = NULL;
    TRY(check_cells(cells, steps));
    TRY(allocate(N, EF, &t));
    t->slot_bits = slot_bits;
    for (uint64_t j = 0; j < steps; j++)
        for (uint64_t s = 0; s < UINT64_C(1) << slot_bits; s++)
            t->v[(j << slot_bits) + s] = entries[s * cells + cell_at(j, cells, steps)];
    *out = t;
    return ANNULUS_OK;
}

annulus_status lut_set_price(lut *t, uint32_t price)
{
    if (price > TFHE_MAX_PRICE || (price != 0 && t->EF == 1))
        return fail(ANNULUS_ERR_INPUT, "price %u at extension factor %u: must be 0 to %u, and 0 at factor 1", price,
                    t->EF, TFHE_MAX_PRICE);
    t->price = price;
    return ANNULUS_OK;
}

double lut_border(uint32_t cells)
{
    const uint32_t odd = cells == 0 ? 1 : cells >> __builtin_ctz(cells); /* borders are i/odd behind a step, i < odd */
    return (1 - 1.0 / odd) / 2;
}

void lut_destroy(lut *t)
{
    mem_free(t);
}

uint64_t lut_encode(uint32_t cells, uint32_t c)
{
    return (uint64_t)((((unsigned __int128)(2 * (uint64_t)c + 1)) << 62) / cells);
}
