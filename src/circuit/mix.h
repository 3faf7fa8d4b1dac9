/* SPDX-License-Identifier: Apache-2.0 */
/* Several values of one rotation, and what noise they have in common: layers with offsets above 1.
 *
 * Several tables on one accumulator by the rotation of one, or of fewer side by side than there are values (mix_of):
 * layers with unit 0, without slots or with fewer slots than offsets, whose cells are a power of two (multi-value
 * bootstrapping: Carpov, Izabachene, Mollimard, CT-RSA 2019).
 *
 * T(u) is the rotated table, antiperiodic, of period 1; a value is a sum of weights times T(u + cell/(2*cells)), each a
 * coefficient of the one accumulator. Where all tables of a neuron are one of them shifted, by whole cells and up to
 * sign, T is that one, and a value one term. Else T is 1 in [0,1/2): -T(u + (cells - b)/(2*cells)) is 1 from cell b on
 * and -1 before, so that the value, 2*t - mid2 half units, is the sum of these over b with weights t[b] - t[b-1].
 * Side by side, tables that are shifts of each other have one slot, and a value is one term.
 *
 * Noise: a share q of the variance of a bootstrap (noise_common) coefficients of one part have in common, times
 * 1 - 2 d/N, d apart, and the rest each has for itself. Values of one neuron have the covariance
 * (1 - q) gram + q near, times the variance. */
#ifndef CIRCUIT_MIX_H
#define CIRCUIT_MIX_H

#include "circuit/circuit.h"
#include "tfhe/bootstrap.h"

#define MIX_STEP UINT32_MAX

typedef struct mix {
    uint32_t *rotated;       /* (out) number of the table that is T, or list of them; MIX_STEP: 1 in [0,1/2); of layers
                                that mix_of does not name it says nothing */
    bootstrap_value *values; /* (values) */
    bootstrap_term *terms;   /* of all values */
    double *gram, *near;     /* (out,offsets,offsets) */
    int shifts, steps;       /* whether some neuron rotates a table of the layer; whether some MIX_STEP's */
} mix;
/* Whether runs need one. */
static inline int mix_of(const circuit_layer *l)
{
    return circuit_is_mixed(l) || circuit_shifts_slots(l);
}
/* Slots that a list of `offsets` tables needs, if those that are shifts of each other have one; base (offsets): the
 * first table of each. Of cells that are no power of two: `offsets`. */
uint32_t mix_slots(const circuit_layer *l, const int32_t *list, uint32_t base[CIRCUIT_MAX_OFFSETS]);
/* Of a layer with offsets above 1. steps: of a rotation that extends tables by EF, in a cell. */
annulus_status mix_create(const circuit_layer *l, uint32_t steps, uint32_t EF, mix **out)
    __attribute__((warn_unused_result));
void mix_destroy(mix *m);
/* What a mix holds: bytes, and how many tables are rotated; *step: 1 if one of them is MIX_STEP's. */
size_t mix_bytes(const circuit_layer *l, size_t *tables, int *step);

/* Those of all layers of a circuit; NULL of layers with one value a rotation. common: the share q of each; before there
 * are parameters 0, and all coefficients count as of one part. */
typedef struct mixes {
    mix *of[CIRCUIT_MAX_LAYERS];
    double common[CIRCUIT_MAX_LAYERS];
} mixes;
annulus_status mixes_create(const circuit *c, mixes *out) __attribute__((warn_unused_result));
void mixes_clear(mixes *m);
/* Covariance of values a and b of neuron o of layer i, of `values` a rotation, in the variance of a coefficient. */
static inline double mixes_covariance(const mixes *m, size_t i, size_t values, size_t o, size_t a, size_t b)
{
    const size_t at = (o * values + a) * values + b;
    return (1 - m->common[i]) * m->of[i]->gram[at] + m->common[i] * m->of[i]->near[at];
}
/* spread (in): zeros <- covariances of the values that layer i takes with a sum of `count` weights on them, in the
 * variance of a coefficient of each. touched (in): numbers of those that were listed; returns how many. */
typedef struct mix_share {
    double weight;
    int listed;
} mix_share;
size_t mixes_spread(const circuit *c, const mixes *m, size_t i, const uint32_t *input, const int64_t *weight,
                    size_t count, mix_share *spread, uint32_t *touched);
#endif
