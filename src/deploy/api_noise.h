/* SPDX-License-Identifier: Apache-2.0 */
/* Noise that networks are trained for, from public options. */
#ifndef DEPLOY_API_NOISE_H
#define DEPLOY_API_NOISE_H

#include "annulus/annulus.h"
#include "train/train_noise.h"

/* Sets the noise of t, which has all that o says of layers; from: that training goes on from, or NULL. */
annulus_status noise_options(const annulus_train_options *o, const network *from, train_options *t)
    __attribute__((warn_unused_result));
annulus_layer_noise noise_public(const train_layer_noise *n);
#endif
