/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of a network that was read, known again as what training makes. */
#ifndef NN_PLAIN_H
#define NN_PLAIN_H

#include "nn/network.h"

/* A copy in which every layer that takes all values of the layer before once, with a matrix of its own, has W; and
 * every convolution of square windows and equal padding, in any groups, and every layer of neurons behind one, or
 * behind neurons that are added up, is `known`, with what it adds up and averages, sources as network_adds has them,
 * channels numbered from 0. What averages may be is as much as possible: of all places, else 32 x 32 down to 2 x 2.
 * size: channels, height and width of the inputs, of which height 0 says that they are no images. Other layers stay as
 * they are, up to the order of their sources. weight_bits of layers that were not dense stay unless they are 16, which
 * become the fewest narrow ones. */
annulus_status network_plain(const network *n, const size_t size[3], network **out) __attribute__((warn_unused_result));

/* Whether layer i takes the values of layer i - 1 and, if it takes others, those that arrive at a layer before it:
 * *adds, the layers between those two that give them, 0: none. Sources are in descending order. */
int network_adds(const network *n, size_t i, size_t *adds);
#endif
