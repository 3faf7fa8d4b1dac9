/* SPDX-License-Identifier: Apache-2.0 */
/* What the lowering of torus-native layers adds; for lower*.c only. */
#ifndef NN_LOWER_PRIV_H
#define NN_LOWER_PRIV_H

#include "nn/lower.h"

#define LOWER_NATIVE_CELLS 256u /* at most N of the smallest ring; table entries are off by 1/1024 period at most */

/* Encoding of a layer of waves before circuit_layer_create: cells, unit, offsets and the bound on its noise. scale:
 * real value of one unit of its inputs. */
annulus_status lower_native_encode(const dense_layer *d, double scale, const lower_options *options, circuit_layer *l)
    __attribute__((warn_unused_result));
/* Its shifts and its table. */
annulus_status lower_native_fill(const dense_layer *d, circuit_layer *l) __attribute__((warn_unused_result));
/* Proven ranges of l behind the torus-native look-ups of `before`: the values of one neuron come from one phase, and do
 * not reach all their ends together. */
void lower_native_ranges(const circuit_layer *before, circuit_layer *l);
/* Bound on the noise of scores behind the torus-native look-ups of `before`, in accumulator units: what d was trained
 * to bear, else that of values whose own noise has a deviation of 2^-4 of their amplitude. */
double lower_native_score_noise(const dense_layer *d, const circuit_layer *before, const circuit_layer *l);
#endif
