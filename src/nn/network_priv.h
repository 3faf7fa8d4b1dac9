/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the graph of layers; for network*.c only. */
#ifndef NN_NETWORK_PRIV_H
#define NN_NETWORK_PRIV_H

#include "nn/network.h"

/* Sources of layer i are before it and different; *width: their values together. */
annulus_status network_sources_check(const network *n, size_t i, size_t *width) __attribute__((warn_unused_result));
/* Every layer but the last is the source of a later one. */
annulus_status network_uses_check(const network *n) __attribute__((warn_unused_result));
#endif
