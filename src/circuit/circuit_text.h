/* SPDX-License-Identifier: Apache-2.0 */
/* A circuit as text for people: the whole integer program, without parameters and predictions. */
#ifndef CIRCUIT_CIRCUIT_TEXT_H
#define CIRCUIT_CIRCUIT_TEXT_H

#include "circuit/circuit.h"
#include <stdio.h>

/* For instance
 *
 *     input = 12 integers in [-8, 7], 0.25 each
 *     layer 1 = linear(input)  # 12 -> 18 sums, conv 3
 *       matrix 1: 2 x 6 at 9 places
 *         row 1: 1 -2 0 3 1 1
 *         row 2: ...
 *         place 1: 0..2 6..8 -> 0 9    (inputs of the matrix, outputs that its rows are added to)
 *     ...
 *     layer 1 = look-up(layer 1)  # relu, 2 tables of 32 cells, step 4
 *       table 1: 0*17 1 1 2 ...
 *       neurons 0..8: table 1, offset 64, sums in [-60, 50], proven [-98, 70], measured [-52, 41] on 500 samples
 *
 * Numbers count from 0, inputs over all sources; a..b+s: every s-th from a to b; -: none, a zero; v*n: n times v. Sums
 * are in the range that the table was made for; proven: by the weights; measured: on the calibration samples. */
void circuit_print(FILE *f, const circuit *c);
#endif
