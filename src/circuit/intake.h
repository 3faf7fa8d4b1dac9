/* SPDX-License-Identifier: Apache-2.0 */
/* How the layers take the circuit's inputs, which come packed (tfhe/packed.h): as products of ciphertexts that hold
 * many of them, to the same words, or one by one. */
#ifndef CIRCUIT_INTAKE_H
#define CIRCUIT_INTAKE_H

#include "circuit/circuit.h"

/* Most bytes that products take (packed_weights_memory), of all layers that may have them: the first come first. */
#define INTAKE_MEMORY_MOST ((size_t)256 << 20)

typedef struct intake {
    packed_size size; /* of the products; 0 of layers that take inputs one by one, or none */
    double weights;   /* of a linear layer that take as long as this one's linear part (cost.h), without expansion */
} intake;

/* layers (layers_count) <- what is predicted to be fastest under the big key of p, of which k and N count: products
 * where they are exact (PACKED_NORM_MOST), fit in memory and take no longer, and in all layers that may have them where
 * that spares the expansion of the inputs and takes no longer in all. *by_value: some layer takes inputs one by one. */
annulus_status intake_choose(const circuit *c, const tfhe_params *p, intake *layers, int *by_value)
    __attribute__((warn_unused_result));
/* Sets what the circuit says of that, under its own parameters. */
annulus_status intake_set(circuit *c) __attribute__((warn_unused_result));
/* The products of layer i, which has some. */
annulus_status intake_products(const circuit *c, size_t i, packed_weights **out) __attribute__((warn_unused_result));
/* Weights of a linear layer that take as long as what layer i does with single ciphertexts: all of its places, but for
 * those that take inputs only where `packed`. */
double intake_linear_weights(const circuit *c, size_t i, int packed);
/* Seconds of the products of one layer on so many workers, by the current cost model. */
double intake_seconds(const tfhe_params *p, const packed_size *size, unsigned workers);
#endif
