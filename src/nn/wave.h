/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that torus-native tables hold: antiperiodic once they are quantized. */
#ifndef NN_WAVE_H
#define NN_WAVE_H

#include "nn/network.h"

#define WAVE_CELLS 256u /* of half a period, in tables */

/* The middle of cell c of 2*WAVE_CELLS, in periods. */
static inline double wave_middle(size_t c)
{
    return ((double)c + 0.5) / (2.0 * WAVE_CELLS);
}
/* Least and greatest integer of f at u and near it, `near` on either side: where a jump, or a border between two
 * integers, is that close, rounding decides. */
void wave_integers(const function *f, const quantizer *q, double u, double near, int32_t *lo, int32_t *hi);
/* Whether the integers of f are those of a wave of period 1: at the middles of all cells, and as many points beside
 * them, f(u) + f(u + 1/2) is one integer, and f is not constant. *mid2: that integer, as it was if they are not. */
int wave_is_antiperiodic(const function *f, const quantizer *q, int32_t *mid2);
#endif
