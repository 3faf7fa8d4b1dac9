/* SPDX-License-Identifier: Apache-2.0 */
/* How long an encrypted inference will take. */
#ifndef CIRCUIT_LATENCY_H
#define CIRCUIT_LATENCY_H

#include "circuit/circuit.h"

/* Seconds of one inference on `threads` threads (0: all; at most as many as there are cores), by the current cost
 * model: sums of packed inputs or their expansion, linear layers and look-ups as exec_encrypted shares them out among
 * workers that nothing else holds up. layers (layers_count): of each layer, the first with the expansion; or NULL. */
double circuit_seconds(const circuit *c, unsigned threads, double *layers);
#endif
