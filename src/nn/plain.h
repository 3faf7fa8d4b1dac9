/* SPDX-License-Identifier: Apache-2.0 */
/* Layers of a network that was read, known again as what training makes. */
#ifndef NN_PLAIN_H
#define NN_PLAIN_H

#include "nn/network.h"

/* A copy in which every layer that takes all values of the layer before once, with a matrix of its own, has W, and
 * every convolution in one group, of square windows and equal padding over the values of the layer before, has its
 * windows and channels numbered from 0. size: channels, height and width of the inputs, of which height 0 says that
 * they are no images. Other layers stay as they are. */
annulus_status network_plain(const network *n, const size_t size[3], network **out) __attribute__((warn_unused_result));
#endif
