/* A quantized network and its clear meaning in real numbers. */
#ifndef NN_NETWORK_H
#define NN_NETWORK_H

#include "base/divisor.h"
#include "nn/activation.h"
#include "nn/gather.h"
#include <stddef.h>
#include <stdint.h>

/* y = (clamp(floor(x/scale + 1/2) + zero, lo, hi) - zero)*scale with lo, hi from bits, is_signed, narrow: QONNX Quant
 * with rounding HALF_UP. Of one signed narrow bit, which this leaves the value 0 alone, y = scale for x >= 0 and else
 * -scale: the nearer of two values, and of the middle the upper one as well (QONNX BipolarQuant); zero is 0. */
typedef struct quantizer {
    double scale;
    int32_t zero;
    unsigned bits; /* 1..16; 0: no quantizer */
    int is_signed, narrow;
} quantizer;
static inline int quantizer_is_bipolar(const quantizer *q)
{
    return q->bits == 1 && q->is_signed && q->narrow;
}
void quantizer_range(const quantizer *q, int32_t *lo, int32_t *hi);
/* The integer clamp(...) - zero. */
int32_t quantizer_integer(const quantizer *q, double x);

#define NETWORK_MAX_LAYERS 32u
#define NETWORK_UNROUNDED 13u

/* x: the real values of the sources, one source behind the other. u = w_scale * (W x) + bias; y[o*offsets + j] =
 * quantize(act(u[o] + j/(2*offsets))), j < offsets: values that one bootstrap of a wave gives together. Waves read u in
 * periods, and have one w_scale a layer. The last layer has act identity and out_q.bits 0. */
typedef struct dense_layer {
    size_t in, out; /* out: neurons */
    int32_t *W;     /* (out,in) integers of weight_bits bits */
    unsigned weight_bits;
    double *w_scale; /* (out) */
    double *bias;    /* (out) real */
    activation act;
    double rise;    /* of a trapezoid or leaky_relu */
    function own;   /* where activation_is_own, else empty; constants vary of ACTIVATION_FUNCTION alone */
    double *vary;   /* (own.vary,out) constants that each neuron has its own of, as that says; NULL: none */
    size_t offsets; /* 1..16, 1 unless act is a wave */
    double noise;   /* standard deviation that the network was trained to bear: of u before a wave, of the scores in
                       the last layer; 0: not known */
    quantizer out_q;
    /* Layers that are not dense, as convolutions, or that take other values than those of the layer before. */
    circuit_linear linear; /* in place of W, which is NULL: linear.h */
    uint32_t *channel; /* (out) outputs of one have the same w_scale, bias and constants, and will have one range and
                          table; NULL: each is its own */
    int proven;    /* 1: its range is the proven one, whatever is asked for: beyond it, it would mean something else */
    double *bound; /* (2,out) W x, with its constant, lies between them, by what the values are that it is the sums of;
                      tighter than interval arithmetic on the sources; NULL: not known */
    uint32_t sources[NETWORK_MAX_LAYERS]; /* (sources_count) 0: the network's input, s: layer s - 1; each once */
    size_t sources_count;                 /* 0: the layer before, or of the first the input */
    unsigned rounding_bits; /* of its look-ups, where any are rounded and it is not named: 1..12, or NETWORK_UNROUNDED;
                               0: as the others */
    unsigned compares;      /* not 0: it quantizes or compares scores of so many bits (top_1.h) */
    /* What training knows of such a layer, so that it can be written: the values of its sources, channels followed by
     * offsets, are added up and averaged, then windows are taken of them; the weights of each tap stand once for each
     * of the values that it adds up. Groups of channels have a block each. */
    gather_windows windows; /* of a convolution, as gather_convolution makes it; channels 0: dense, or not known */
    gather_windows average; /* as wide as they are apart, no padding; channels 0: none */
    int known;              /* 1: these say what the layer is, even if both have no channels */
    char op[64];            /* for people: "conv 3x3 stride 2"; empty: dense */
    linear_shape shape;     /* for people */
    /* Of simplified networks (pass.h), which no file holds. */
    double *constant; /* (out) real, added to W x; NULL: zeros */
    uint32_t
        number; /* for people: that it had before others went, from 1; 0: the one behind that of the layer before */
} dense_layer;
static inline size_t dense_layer_values(const dense_layer *l) /* that the next layer takes */
{
    return l->out * l->offsets;
}

/* What a neuron with sum u gives, before the quantizer. */
double dense_layer_act(const dense_layer *l, size_t neuron, double u);
/* The activation as a program; of waves that have a name without steps, which is the identity. */
function dense_layer_program(const dense_layer *l);
/* Whether two neurons make the same of the same W x. */
int dense_layer_alike(const dense_layer *l, size_t a, size_t b);
/* Neurons, of layers that have channels those. */
size_t dense_layer_neurons(const dense_layer *l);

/* Multi-label: a sample has the labels whose scores are above 0. */
typedef enum network_task {
    NETWORK_CLASSIFICATION = 0,
    NETWORK_REGRESSION = 1,
    NETWORK_MULTI_LABEL = 2,
    NETWORK_TOP_1 = 3
} network_task;
const char *network_task_name(network_task t);

typedef struct network {
    size_t inputs;
    double *shift, *gain; /* (inputs) x' = (x - shift)*gain before the input quantizer */
    quantizer input;
    size_t layers_count;
    dense_layer *layers;
    network_task task;
    int argmax;    /* 1: the number of the largest score is asked for: network_top_1 (top_1.h) is to make it */
    char **labels; /* (outputs), never NULL */
} network;

annulus_status network_create(size_t inputs, size_t layers, network **out) __attribute__((warn_unused_result));
/* Inputs, their quantizer and what is asked for, with this many empty layers, without labels. */
annulus_status network_frame(const network *n, size_t layers, network **out) __attribute__((warn_unused_result));
/* Those of n, if it has any. */
annulus_status network_copy_labels(const network *n, network *to) __attribute__((warn_unused_result));
/* Copies own all they hold; of a layer *to is cleared by the caller, also after a failure. */
annulus_status network_copy(const network *n, network **out) __attribute__((warn_unused_result));
annulus_status dense_layer_copy(const dense_layer *from, dense_layer *to) __attribute__((warn_unused_result));
void dense_layer_clear(dense_layer *l); /* frees what it has */
annulus_status dense_layer_create(size_t in, size_t out, dense_layer *layer) __attribute__((warn_unused_result));
/* Takes the linear part over, also when it fails; channels are all 0. */
annulus_status gathered_layer_create(size_t in, size_t out, circuit_linear *linear, dense_layer *layer)
    __attribute__((warn_unused_result));
/* Refuses names (count) of outputs that are no plain text (base/bytes.h) or twice the same, by which JSON would lose an
 * answer. ANNULUS_ERR_MEMORY. */
annulus_status network_labels_check(const char *const *names, size_t count) __attribute__((warn_unused_result));
/* Labels "0".."outputs-1" when names is NULL. */
annulus_status network_set_labels(network *n, const char *const *names, size_t count)
    __attribute__((warn_unused_result));
void network_destroy(network *n);
/* Sources of layer i; returns how many. */
size_t network_sources(const network *n, size_t i, uint32_t sources[NETWORK_MAX_LAYERS]);
/* Whether two layers of these sources take values of one. */
int network_sources_meet(const uint32_t *a, size_t of_a, const uint32_t *b, size_t of_b);
/* Inputs of layer i before the values of a source; SIZE_MAX: it does not take that one. */
size_t network_first_input(const network *n, size_t i, size_t source);
/* read (values of the source): 1 where a weight other than 0 takes it. */
void network_find_read(const network *n, size_t source, unsigned char *read);
/* Of layer i for people, from 1. */
size_t network_number(const network *n, size_t i);
/* Values of a source, 0: the network's input. */
size_t network_source_values(const network *n, size_t source);
/* Whether all layers are dense and take the values of the layer before alone. */
int network_is_dense(const network *n);
/* Integers by which layer i multiplies the integers of its sources, in their order, so that all are multiples of one
 * real number, *unit. ANNULUS_ERR_INPUT: the scales of the sources are in no ratio of integers up to
 * NETWORK_MAX_FACTOR. */
#define NETWORK_MAX_FACTOR 64
annulus_status network_factors(const network *n, size_t i, int32_t factors[NETWORK_MAX_LAYERS], double *unit)
    __attribute__((warn_unused_result));
/* The same of any sources; 0: there is no such number. */
int network_common_unit(const network *n, const uint32_t *sources, size_t count, int32_t factors[NETWORK_MAX_LAYERS],
                        double *unit);
/* Shapes fit, scales are positive and finite, weights fit their bits, every layer is on the way to the scores. */
annulus_status network_check(const network *n) __attribute__((warn_unused_result));
/* Real outputs of one raw sample x (inputs) -> y (outputs): the definition, slow and plain. */
annulus_status network_apply(const network *n, const float *x, double *y) __attribute__((warn_unused_result));
#endif
