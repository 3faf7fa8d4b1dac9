/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups on one accumulator by one rotation, of a circuit that has no parameters yet. */
#ifndef CIRCUIT_SHARE_H
#define CIRCUIT_SHARE_H

#include "circuit/circuit.h"

/* Neurons of one value with the same sums and cells, and tables of the same entries, become one: two would have the
 * same ciphertext, and what takes both more noise than is predicted. Layers with such neurons become one as below, and
 * may be of exact rounding, too. *saved: neurons. */
annulus_status circuit_share_look_ups(circuit *c, size_t *saved) __attribute__((warn_unused_result));
/* Layers of waves whose tables are shifts of each other become one where they have sums in common: a rotation of such a
 * sum has the values of both layers, equal ones once, and so opposite ones about 0: readers take these with the sign
 * changed, if the weights on them are shared with no values that stay. So do neurons of one layer with the same sums
 * and other phases. Shifts of phases become whole cells, by at most 1/32 of the bound on noise. *saved: rotations. */
annulus_status circuit_share_waves(circuit *c, size_t *saved) __attribute__((warn_unused_result));
/* could (layers): 1 for hidden layers with neurons that have the sums of an earlier one of theirs, or of a later layer
 * with the same sources, encoding and readers' units, up to sign; cells may have to become a power of two. */
annulus_status circuit_could_share(const circuit *c, unsigned char *could) __attribute__((warn_unused_result));
/* By a rotation of one table, of layers whose cells are a power of two (mix.h), of tables side by side, or, of such
 * cells, of those side by side of which the others are shifts. */
typedef enum share_way { SHARE_NOT = 0, SHARE_MIXED = 1, SHARE_SLOTS = 2, SHARE_BOTH = 3 } share_way;
/* ways (layers): share_way. In the layers that are to share: later layers as above become part of them, and neurons
 * with equal or opposite sums one rotation of several values, where that gives at most twice as many values as look-ups
 * before. The integers of all sums within their windows stay as they are. *saved: rotations. */
annulus_status circuit_share_rotations(circuit *c, const unsigned char *ways, size_t *saved)
    __attribute__((warn_unused_result));

/* ---- for the files of this header ---- */
/* A neuron's weights as a sum of random multiples, of opposite ones the same: the same for two others with probability
 * 2^-63. */
typedef struct share_neuron {
    uint64_t hash;
    uint32_t layer, number;
} share_neuron;
#define SHARE_NO_WEIGHTS 0u /* such a sum is a constant, and shares with none */
/* Those of l, as of that layer (l->out). equal: hashes are those of look-ups, not of sums. */
annulus_status share_list_neurons(const circuit_layer *l, uint32_t layer, int equal, share_neuron *out)
    __attribute__((warn_unused_result));
void share_sort(share_neuron *list, size_t count); /* by hash, layer and number */
/* Copies of the blocks of both; numbers of b's outputs grow by `first`. */
annulus_status share_both_linear(const circuit_linear *a, const circuit_linear *b, size_t first, circuit_linear *out)
    __attribute__((warn_unused_result));
/* Of values of one rotation, cells of the table, each once; opposites: those half a period on are these with the sign
 * changed. */
typedef struct share_places {
    int opposites;
    uint32_t count, at[CIRCUIT_MAX_OFFSETS];
} share_places;
/* In the number of a value, to which others below it are added: the value with the sign changed. */
#define SHARE_OPPOSITE UINT32_C(0x80000000)
/* *number <- that of the place, of a table of so many cells, or of the one half a period on. Returns whether there is
 * room for it, and no such one where opposites is 0: its noise would be the same. */
int share_place(size_t cells, uint32_t at, share_places *p, uint32_t *number);
/* Cells of l by which a phase that is `shift` further on reads behind. Returns whether they are whole. */
int share_cells_behind(const circuit_layer *l, uint64_t shift, uint32_t *cells);
/* In layer i of c, of waves, neurons with the same sums become values of one, where that gives no more values than
 * before (share_shifts.c). *saved grows by rotations. */
annulus_status share_shifts(circuit *c, size_t i, size_t *saved) __attribute__((warn_unused_result));
/* Whether a layer's look-ups could share rotations: hidden, not torus-native, one value each, no bits taken off. */
static inline int share_allowed(const circuit_layer *l)
{
    return l->cells != 0 && l->unit == 0 && l->offsets == 1 && l->low_bits == 0;
}
/* Whether layer j > i is hidden and has layer i's sources, unit, cells, step, centre and bits taken off, bound on
 * errors and units of readers. */
int share_encodes_alike(const circuit *c, size_t i, size_t j);
/* Whether, besides, it could become part of layer i: both of one value each; and both allowed. */
int share_is_like(const circuit *c, size_t i, size_t j);
int share_fits(const circuit *c, size_t i, size_t j);
/* What happens to the values of readers' sources: those of source `into` are map[v] of `width`, perhaps with
 * SHARE_OPPOSITE; those of `gone`, UINT32_MAX: none, become values of `into`, too: gone_map[v]. */
typedef struct share_wires {
    uint32_t into, gone;
    const uint32_t *map, *gone_map;
    size_t width;
} share_wires;
/* *may: whether readers can take values with the sign changed, each weight having such ones alone or none. */
annulus_status share_may_rewire(const circuit *c, const share_wires *w, int *may) __attribute__((warn_unused_result));
/* Readers of layers i and j < layers: of layer i alone, whose values will be `width`, those of i being map[v] and of j
 * gone_map[v]. Layer j goes; every number of a layer behind falls by one. */
annulus_status share_join(circuit *c, size_t i, size_t j, const uint32_t *map, const uint32_t *gone_map, size_t width)
    __attribute__((warn_unused_result));
/* Layer j becomes the last neurons of layer i, likewise. */
annulus_status share_merge(circuit *c, size_t i, size_t j) __attribute__((warn_unused_result));
/* Readers of layer i: its values will be `width`, old value v being map[v]. */
annulus_status share_rewire(circuit *c, size_t i, const uint32_t *map, size_t width)
    __attribute__((warn_unused_result));
/* A layer like l with `out` neurons of `offsets` values in slots, and `tables` tables or lists of them: arrays of
 * zeros, no linear part. */
annulus_status share_layer_like(const circuit_layer *l, size_t out, uint32_t offsets, uint32_t slot_bits, size_t tables,
                                circuit_layer *made) __attribute__((warn_unused_result));
/* What people read of a layer's function that is also that of l. */
void share_activation(const circuit_layer *l, circuit_layer *made);
/* Neuron `from` of l, but its tables, becomes neuron `to` of made. */
void share_neuron_copy(const circuit_layer *l, size_t from, circuit_layer *made, size_t to);
#endif
