/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that are narrower than the range of their sums: a function that is constant at both ends, a clamp, goes on as
 * a trapezoid wave does, up to a constant, so that sums on its plateaus read the right entry beyond the table, too. */
#ifndef CIRCUIT_EXTEND_H
#define CIRCUIT_EXTEND_H

#include "circuit/circuit.h"

/* Of a circuit that has no parameters and no layers of bits yet: every layer of padded look-ups of one value each gets
 * as few cells as its ranges need (docs/torus-native.md), those with common sources together; steps stay, and so does
 * the value of every sum within its range, of circuits that saturate within its proven range, and, of layers that
 * round, in the cell beside it. *layers: how many of them read beyond their tables now. */
annulus_status circuit_extend(circuit *c, size_t *layers) __attribute__((warn_unused_result));
/* Whether all sums of neuron o's range, of a layer of c of padded look-ups, lie in its table, or beyond and are
 * answered by the end next to them; of circuits that saturate, where a rotation gives one value, all of its proven
 * range, too. */
int circuit_range_fits(const circuit *c, const circuit_layer *l, size_t o);
/* Whether sums within the range of some neuron lie beyond its table. */
int circuit_is_extended(const circuit_layer *l);
#endif
