/* A quantized fully connected network and its clear meaning in real numbers. */
#ifndef NN_NETWORK_H
#define NN_NETWORK_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

/* The waves, from triangle on, are antiperiodic of period 1: act(u + 1/2) = -act(u), amplitude 1.
 * triangle: 1 - 4*|u - floor(u + 1/2)|; sine: sin(2*pi*u); square: 1 on [0,1/2), -1 on [1/2,1);
 * trapezoid of rise R in (0,1/2]: triangle(u - 1/4)/(2R) clamped to [-1,1], an edge of width R about 0. */
typedef enum activation {
    ACTIVATION_IDENTITY,
    ACTIVATION_RELU,
    ACTIVATION_SIGMOID,
    ACTIVATION_TANH,
    ACTIVATION_TRIANGLE,
    ACTIVATION_TRAPEZOID,
    ACTIVATION_SINE,
    ACTIVATION_SQUARE
} activation;
const char *activation_name(activation a);
annulus_status activation_parse(const char *name, activation *out) __attribute__((warn_unused_result));
int activation_is_wave(activation a);
double activation_apply(activation a, double rise, double x); /* rise: of a trapezoid */

/* y = (clamp(floor(x/scale + 1/2) + zero, lo, hi) - zero)*scale with lo, hi from bits, is_signed, narrow: QONNX Quant
 * with rounding HALF_UP. */
typedef struct quantizer {
    double scale;
    int32_t zero;
    unsigned bits; /* 1..16; 0: no quantizer */
    int is_signed, narrow;
} quantizer;
void quantizer_range(const quantizer *q, int32_t *lo, int32_t *hi);
/* The integer clamp(...) - zero. */
int32_t quantizer_integer(const quantizer *q, double x);

/* u = w_scale * (W x) + bias; y[o*offsets + j] = quantize(act(u[o] + j/(2*offsets))), j < offsets: values that one
 * bootstrap of a wave gives together. Waves read u in periods, and have one w_scale a layer. The last layer has act
 * identity and out_q.bits 0. */
typedef struct dense_layer {
    size_t in, out; /* out: neurons */
    int32_t *W;     /* (out,in) integers of weight_bits bits */
    unsigned weight_bits;
    double *w_scale; /* (out) */
    double *bias;    /* (out) real */
    activation act;
    double rise;    /* of a trapezoid */
    size_t offsets; /* 1..16, 1 unless act is a wave */
    double noise;   /* standard deviation that the network was trained to bear: of u before a wave, of the scores in
                       the last layer; 0: not known */
    quantizer out_q;
} dense_layer;
static inline size_t dense_layer_values(const dense_layer *l) /* that the next layer takes */
{
    return l->out * l->offsets;
}

typedef enum network_task { NETWORK_CLASSIFICATION = 0, NETWORK_REGRESSION = 1 } network_task;

typedef struct network {
    size_t inputs;
    double *shift, *gain; /* (inputs) x' = (x - shift)*gain before the input quantizer */
    quantizer input;
    size_t layers_count;
    dense_layer *layers;
    network_task task;
    char **labels; /* (outputs), never NULL */
} network;

annulus_status network_create(size_t inputs, size_t layers, network **out) __attribute__((warn_unused_result));
annulus_status dense_layer_create(size_t in, size_t out, dense_layer *layer) __attribute__((warn_unused_result));
/* Labels "0".."outputs-1" when names is NULL. */
annulus_status network_set_labels(network *n, const char *const *names, size_t count)
    __attribute__((warn_unused_result));
void network_destroy(network *n);
/* Shapes chain, scales are positive and finite, weights fit their bits. */
annulus_status network_check(const network *n) __attribute__((warn_unused_result));
/* Real outputs of one raw sample x (inputs) -> y (outputs): the definition, slow and plain. */
annulus_status network_apply(const network *n, const float *x, double *y) __attribute__((warn_unused_result));
#endif
