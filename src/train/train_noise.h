/* SPDX-License-Identifier: Apache-2.0 */
/* Noise that networks are trained for, in the units of one kind or the other. */
#ifndef TRAIN_TRAIN_NOISE_H
#define TRAIN_TRAIN_NOISE_H

#include "circuit/circuit.h"
#include "train/train.h"

/* Standard deviations of a layer of a network, as the parameters of a circuit of it predict them, of its neuron with
 * most noise. */
typedef struct train_layer_noise {
    char name[32];
    int waves;
    double phase;  /* on what its look-ups read: of waves in periods, of others in cells, of scores in score units */
    double values; /* on its values, in their integers, where the scores take them; 0 of others */
    double
        range; /* of others than waves: cells of the widest measured range with its margins; INFINITY: a cell a sum */
    double error; /* of others than waves: probability that a sum is read from another cell than its own */
    size_t layer; /* of the circuit */
} train_layer_noise;

/* out (TRAIN_MAX_HIDDEN + 1): hidden layers, in order, and the scores; *count of them. What noise of values adds to the
 * phases that they arrive at is part of those. ANNULUS_ERR_INPUT: answers are labels alone, or too many layers. */
annulus_status train_noise_of(const circuit *c, train_layer_noise *out, size_t *count)
    __attribute__((warn_unused_result));

/* A padded table of 2^rounding_bits cells spans half of the torus, as half a period of a wave does: on phases, in
 * periods, the noise of this many cells. */
double train_phase_noise(double index_noise, unsigned rounding_bits);
/* Deviation, in cells, of noise that leaves half a cell with this probability, in (0,1): 1 - erf(1/(2 sqrt2 s)). */
double train_error_noise(double error);
#endif
