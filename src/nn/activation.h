/* SPDX-License-Identifier: Apache-2.0 */
/* What a neuron makes of its sum. */
#ifndef NN_ACTIVATION_H
#define NN_ACTIVATION_H

#include "nn/function.h"

/* The waves, from triangle to square, are antiperiodic of period 1: act(u + 1/2) = -act(u), amplitude 1.
 * triangle: 1 - 4*|u - floor(u + 1/2)|; sine: sin(2*pi*u); square: 1 on [0,1/2), -1 on [1/2,1);
 * trapezoid of rise R in (0,1/2]: triangle(u - 1/4)/(2R) clamped to [-1,1], an edge of width R about 0.
 * leaky_relu of rise R in [0,1]: u, below 0 R*u; elu: u, below 0 exp(u) - 1; gelu: u*(1 + erf(u/sqrt(2)))/2;
 * silu: u/(1 + exp(-u)); softplus: log(1 + exp(u)); hard_sigmoid: u/6 + 1/2 clamped to [0,1]; hard_tanh: u clamped to
 * [-1,1]; hard_silu: u*hard_sigmoid(u); sign: -1, 0 or 1; function: a program that the layer has; wave: one whose
 * quantized values are antiperiodic of period 1 about a centre (wave.h); padded_wave: a function that could be one
 * but for the weights in front of it, or the values that others take (docs/torus-native.md). Of models only: step: 1
 * for u >= 0, else 0; quadratic: u^2; near_zero: 1 for |u| < 1/2, else 0. */
typedef enum activation {
    ACTIVATION_IDENTITY,
    ACTIVATION_RELU,
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH,
    ACTIVATION_TRIANGLE,
    ACTIVATION_TRAPEZOID,
    ACTIVATION_SINE,
    ACTIVATION_SQUARE,
    ACTIVATION_LEAKY_RELU,
    ACTIVATION_ELU,
    ACTIVATION_GELU,
    ACTIVATION_SILU,
    ACTIVATION_SOFTPLUS,
    ACTIVATION_HARD_SIGMOID,
    ACTIVATION_HARD_TANH,
    ACTIVATION_HARD_SILU,
    ACTIVATION_SIGN,
    ACTIVATION_FUNCTION,
    ACTIVATION_WAVE,
    ACTIVATION_PADDED_WAVE,
    ACTIVATION_STEP,
    ACTIVATION_QUADRATIC,
    ACTIVATION_NEAR_ZERO
} activation;
const char *activation_name(activation a);
/* Any before ACTIVATION_FUNCTION. */
annulus_status activation_parse(const char *name, activation *out) __attribute__((warn_unused_result));
int activation_is_wave(activation a);
/* Whether the layer has the program. */
static inline int activation_is_own(activation a)
{
    return a == ACTIVATION_FUNCTION || a == ACTIVATION_WAVE || a == ACTIVATION_PADDED_WAVE;
}
int activation_is_monotone(activation a);
/* rise: of a trapezoid or leaky_relu. Not of a layer's own program. */
double activation_apply(activation a, double rise, double x);
/* The same as a program, of all before ACTIVATION_FUNCTION but waves. */
void activation_function(activation a, double rise, function *out);
/* The activation that f is, at points within 100 of 0 up to the rounding of constants to single precision, and its
 * rise; ACTIVATION_FUNCTION if there is none. */
activation activation_find(const function *f, double *rise);
#endif
