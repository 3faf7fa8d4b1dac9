/* SPDX-License-Identifier: Apache-2.0 */
/* What split look-ups read and err. The noise of a sum moves the reads of all levels and of the last rotation by as
 * many cells; besides, the phase of level i has its own, 2^(i+1) cells of which are the torus. A read that is off by a
 * whole number of turns is right: so far no noise goes that counts here. */
#include "circuit/exec_priv.h"
#include "optimizer/noise.h"
#include "tfhe/split.h"

#define STEPS 32 /* of a deviation */
#define ENDS 8.5

double exec_split_moved(const circuit_layer *l, const uint32_t *low)
{
    double bits = 0;
    for (uint32_t i = 0; i < l->split; i++) bits += low[i] & (1u << i);
    return exec_split_beside(l) - bits;
}

size_t exec_split_part(const circuit_layer *l, int64_t high, int *negated)
{
    const int64_t parts = l->cells >> l->split, part = ((high % (2 * parts)) + 2 * parts) % (2 * parts);
    *negated = part >= parts;
    return (size_t)(part - (*negated ? parts : 0));
}

void exec_split_answer(const circuit_layer *l, size_t o, int64_t high, const uint32_t *low, exec_seen *seen,
                       uint64_t *value, double *rest)
{
    const uint32_t last = low[l->split - 1];
    seen->cell = high * (INT64_C(1) << l->split) + last;
    seen->apart = 0;
    for (uint32_t i = 0; i < l->split; i++) seen->apart |= low[i] != (last & ((2u << i) - 1));
    *rest = 0;
    if (!seen->apart) {
        *value = (uint64_t)exec_look_up(l, o, seen->cell);
        return;
    }
    int negated;
    const size_t part = exec_split_part(l, high, &negated);
    uint32_t entries[1u << SPLIT_MAX_LOW];
    for (size_t x = 0; x < (size_t)1 << l->split; x++)
        entries[x] = (uint32_t)(circuit_table(l, o)[(part << l->split) + x] + CIRCUIT_MAX_VALUE);
    const double read = ldexp((double)split_read(l->split, entries, low), -(int)l->split) - CIRCUIT_MAX_VALUE;
    const double answer = negated ? (double)circuit_mid2(l, o) - read : read;
    *value = (uint64_t)(int64_t)floor(answer);
    *rest = answer - floor(answer);
}

double exec_level_noise(const circuit *c)
{
    const tfhe_params *low = &c->choice.families.of[TFHE_LOW];
    return noise_keyswitch(low) + noise_low_switch(low);
}

void exec_split_variances(const circuit *c, size_t i, size_t table, double *out)
{
    const circuit_layer *l = &c->layers[i];
    const tfhe_families *f = &c->choice.families;
    const uint32_t high = l->cells >> l->split;
    const double merged = noise_merge(&f->of[TFHE_HIGH], f->merge.l, f->merge.bg, high);
    uint32_t entries[CIRCUIT_MAX_CELLS];
    split_amplified amplified[CIRCUIT_MAX_CELLS / 2];
    circuit_split_entries(l, table, entries);
    split_amplifies(l->split, entries, l->cells, amplified);
    for (uint32_t h = 0; h < high; h++)
        out[h] = noise_split(&f->of[TFHE_LOW], &f->of[TFHE_HIGH], &amplified[h], merged);
}

void exec_split_extremes(const circuit *c, size_t i, double *least, double *most)
{
    const circuit_layer *l = &c->layers[i];
    double variance[CIRCUIT_MAX_CELLS / 2];
    *least = INFINITY, *most = 0;
    for (size_t t = 0; t < l->tables; t++) {
        exec_split_variances(c, i, t, variance);
        for (uint32_t h = 0; h < l->cells >> l->split; h++)
            *least = fmin(*least, variance[h]), *most = fmax(*most, variance[h]);
    }
}

/* P(noise of this deviation goes further down, or up). */
static double leaves(double down, double up, double deviation)
{
    return 0.5 * (erfc(down / deviation / M_SQRT2) + erfc(up / deviation / M_SQRT2));
}

double exec_split_error(const circuit_layer *l, double place, double sum, double level, double last)
{
    const double turn = 2.0 * l->cells, beside = exec_split_beside(l);
    double error = 0;
    for (int z = (int)(-ENDS * STEPS); z <= (int)(ENDS * STEPS); z++) {
        const double of = (double)z / STEPS, at = place + turn * sqrt(sum) * of;
        double right = log1p(-fmin(1, leaves(at + beside, 1 - at + beside, turn * sqrt(last))));
        for (uint32_t i = 0; i < l->split; i++)
            right += log1p(-fmin(1, leaves(at, 1 - at, ldexp(sqrt(level), (int)i + 1))));
        error -= exp(-of * of / 2) / (STEPS * sqrt(2 * M_PI)) * expm1(right);
    }
    return error;
}
