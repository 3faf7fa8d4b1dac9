/* SPDX-License-Identifier: Apache-2.0 */
/* Linear parts of layers as training makes them: values of convolutions added up and averaged, then windows or a
 * matrix.
 */
#ifndef NN_KNOWN_H
#define NN_KNOWN_H

#include "nn/network.h"

typedef struct known_shape {
    size_t sources;                   /* whose values, alike in shape, are added up */
    size_t channels, places, offsets; /* of each source: its values are numbered (channel, place, offset) */
    gather_windows average;           /* of (channels, offset) over the places; channels 0: none */
    gather_windows windows;           /* over what arrives; channels 0: a matrix takes all of it */
    size_t rows, groups;              /* channels, in groups, or neurons, in one */
} known_shape;
/* Values that one tap adds up. */
size_t known_each(const known_shape *k);
/* With weights 0, a block for each group. Taps are numbered (channel, offset, place that arrives); each stands once for
 * every value that it adds up, one source behind the other. Owned by the caller, who clears it also after a failure. */
annulus_status known_linear(const known_shape *k, circuit_linear *out) __attribute__((warn_unused_result));
#endif
