/* SPDX-License-Identifier: Apache-2.0 */
/* Quantization-aware training of fully connected and convolutional networks. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "base/progress.h"
#include "circuit/circuit.h"
#include "data/dataset.h"
#include "nn/network.h"

#define TRAIN_MAX_HIDDEN 16u
#define TRAIN_MAX_WIDTH 8192u
#define TRAIN_MAX_CHANNELS 1024u
#define TRAIN_WEIGHT_BITS 16u /* at most, as in networks */
#define TRAIN_MAX_KERNEL 32u  /* of windows, and their stride */

/* 2-D, square: windows of kernel*kernel values, `stride` apart, `padding` zeros around each channel. */
typedef struct train_convolution {
    size_t channels, kernel, stride, padding;
    size_t groups; /* of channels, those before and its own, that are apart; 0 or 1: one */
    size_t add;    /* to its values those of the convolution so many before are added, of the same shape; 0: none */
    size_t pool;   /* the next layer takes averages of windows of pool*pool of these values; 0 or 1: the values */
    int sums;      /* 1: in their place sums */
} train_convolution;
#define TRAIN_POOL_ALL SIZE_MAX /* as pool: of each channel one average */

typedef struct train_activation {
    activation act;
    double rise;         /* as in train_options */
    const function *own; /* of a layer's own program, borrowed */
    unsigned bits;       /* 1..8; of 1 where values are negative, -1 and 1 times a scale, else 0 and 1 */
    size_t offsets;      /* of waves 1..16; 0: that of train_options */
} train_activation;

typedef enum train_optimizer { TRAIN_ADAM, TRAIN_SGD } train_optimizer;
typedef enum train_schedule { TRAIN_COSINE, TRAIN_ONE_CYCLE } train_schedule;

typedef struct train_options {
    size_t hidden[TRAIN_MAX_HIDDEN];
    size_t hidden_count;
    size_t hidden_add[TRAIN_MAX_HIDDEN]; /* (hidden_count) to a hidden layer's values those of the one so many before,
                                            no convolution, are added, of the same width; 0: none */
    train_convolution conv[TRAIN_MAX_HIDDEN]; /* (conv_count) layers in front of the hidden ones, of images */
    size_t conv_count;                        /* 0: none; with hidden_count at most TRAIN_MAX_HIDDEN */
    activation act;
    train_activation layer_acts[TRAIN_MAX_HIDDEN]; /* (layer_acts_count) of each hidden layer, the convolutions first */
    size_t layer_acts_count;                       /* 0: act, rise and activation_bits for all of them */
    size_t offsets;                                /* waves: values of one look-up, 1..16 */
    double rise; /* of a trapezoid, (0, 1/2]; square learns by the slope of that trapezoid; of leaky_relu, [0, 1] */
    unsigned weight_bits;                             /* 1..TRAIN_WEIGHT_BITS */
    unsigned activation_bits, input_bits;             /* 1..8 each */
    unsigned layer_weight_bits[TRAIN_MAX_HIDDEN + 1]; /* of one layer; 0: weight_bits */
    unsigned epochs;
    size_t batch;
    double learning_rate; /* at its highest */
    train_optimizer optimizer;
    train_schedule schedule;
    double momentum;   /* of TRAIN_SGD, [0, 0.999] */
    unsigned patience; /* epochs without a better validation after which training ends, with the best one's network; 0:
                          all epochs, with the last one's */
    const double *class_weights; /* (class_weights_count) what a sample of each class counts in the loss, up to a
                                    factor; borrowed; NULL: all the same */
    size_t class_weights_count;
    int classes_balanced;     /* 1: classes count the same, however many samples they have */
    const double *thresholds; /* (thresholds_count) of labels: probabilities above which a sample has them; borrowed;
                                 NULL: 1/2 */
    size_t thresholds_count;
    int thresholds_best;    /* 1: in their place those of the best F1 measure on held-out samples */
    double *thresholds_in;  /* (outputs) what the biases of the scores of `from` are less for its thresholds: training
                               goes on without, and leaves here what those of its network are less; NULL: nothing, and
                               nowhere */
    const char *checkpoint; /* file that keeps where training stands after every epoch, and that it goes on from if it
                               is there, to the same network as one that was never interrupted; the caller removes it;
                               NULL: none */
    double validation;      /* fraction held out, [0, 0.5] */
    double phase_noise;     /* training noise on accumulators, as a fraction of their standard deviation; of waves on
                               their phases, in periods; with waves [0, 1/4], else [0, 10]; 0: none */
    double value_noise;     /* waves: training noise on the values that the last layer takes, [0, 1] */
    double spread;          /* waves: standard deviation of a new network's phases, in periods, [0.01, 1] */
    double target_error;    /* in place of phase_noise where there are no waves: probability with which a look-up errs,
                               [0.001, 0.9]; 0: none */
    double index_noise;     /* the same as a standard deviation in cells, (0, 8]; 0: none */
    unsigned rounding_bits; /* that the network will be compiled with, 1..12, with either */
    double weight_decay;    /* decoupled (AdamW), [0, 1] */
    double clip_percentile; /* values and weights are clipped at this percentile of their magnitudes that are not 0,
                               [50, 100]; 0: values where it is learnt, weights by the better of two rules */
    double clip_inputs; /* inputs are clipped at this percentile of their magnitudes, of columns about their means, that
                           are not 0, [50, 100]; 0: pixels not, columns at 3 deviations */
    int clip_learned;   /* 1: scales of weights are learnt, from where they would be otherwise; without accumulator_bits
                           and sparsity */
    int power_of_two;   /* 1: scales of inputs, values and weights are powers of two */
    double outlier; /* penalty on pre-activations beyond 3 standard deviations: keeps accumulators narrow; 0: none */
    size_t distill[TRAIN_MAX_HIDDEN];    /* relu layers of a teacher of real weights, trained first, whose scores the
                                            network learns beside the targets (Hinton et al. 2015) */
    size_t distill_count;                /* 0: none */
    const struct train_options *teacher; /* in place of those layers its convolutions, hidden layers and activations,
                                            not waves; the rest is not looked at; borrowed; NULL: none */
    const network *taught_by; /* in place of a teacher that is trained: any network of these scores, which sees the
                                 samples as the network does, moved or not; borrowed; NULL: none */
    struct train_model *kept; /* zeros: where a teacher that is trained is left, for the caller to destroy; or one that
                                 was left by training with the same data and batch, and is taken; NULL: none is kept */
    unsigned shift;           /* images: random shift of up to this many pixels */
    int flip;                 /* images: 1: mirrored left to right at random */
    double dropout; /* probability with which a value that a dense layer takes, but the first layer, is lost in
                       a step, [0, 0.9] */
    double layer_dropout[TRAIN_MAX_HIDDEN + 1]; /* (layer_dropout_count) in its place of each layer, the scores last,
                                                   the first layer's inputs, too; of what a convolution takes of another
                                                   whole channels */
    size_t layer_dropout_count;                 /* 0: dropout; else all layers */
    unsigned accumulator_bits; /* no sum of a neuron takes more than 2^accumulator_bits values, 1..31, waves and
                                  scores behind them apart; 0: no bound */
    int accumulator_masks;     /* how: 0: by projection, 1: by keeping few weights of each neuron */
    double sparsity; /* part of each neuron's weights that becomes 0, [0,1): the smallest; of waves, and scores
                        behind them, none; 0: none */
    uint64_t seed;   /* same seed, same bytes */
    unsigned threads;
    int noise_kept; /* with `from`: 1: each of its layers of waves has the noise that it bears, if that is known */
    /* In place of any other noise, borrowed: a circuit of a network of the same shape; each layer has the noise that is
     * predicted of it (train_noise.h). NULL: none. */
    const circuit *noise_of;
    const network *from; /* to go on from, borrowed: its layers, bits, activations and input quantizer are kept, what is
                            said of them above not looked at; NULL: a new network */
} train_options;
void train_options_init(train_options *o);

typedef struct train_epoch {
    unsigned epoch, epochs;
    double loss;       /* mean training loss */
    double validation; /* accuracy (classification) or R^2 (regression) of the quantized network; NaN without a set, or
                          R^2 of targets that are all the same */
    double seconds;
    int best; /* with patience: of all so far */
} train_epoch;
typedef void (*train_report)(void *context, const train_epoch *e);

/* Classic layers: linear -> batch normalisation -> activation -> quantizer, the last one linear with a bias. Weights
 * are narrow signed integers, of 1 bit -1 and 1, one scale a channel; activations are unsigned after those that give
 * nothing below 0, narrow signed after the others. Images (height*width = features and values in 0..255; also 64 and
 * more columns of whole numbers 0..255 that pass 127) get shift 0, gain 1/255 (1 when no value passes 1) and an
 * unsigned input quantizer; anything else is a table: shift = mean, gain = 1/deviation, signed quantizer that clamps at
 * 3 deviations. Columns that never change get weights 0. Batch normalisation is folded into w_scale and bias; every
 * scale, bias, shift and gain is a float32 value. Waves: linear with one step of the weights in a layer -> wave ->
 * signed narrow quantizer. The network's layers carry the noise that they bear: phase_noise, and for the scores the
 * standard deviation that costs 0.05 points of accuracy (5e-4 of the targets' variance) on held-out samples, measured
 * after training. The network depends on data and options alone, not on `threads`. Lowers OpenBLAS to one thread a call
 * while it runs, in one or several threads at once. Refuses options out of range and data that cannot be learnt from;
 * *out is untouched on failure. */
annulus_status train_network(const dataset *data, const train_options *options, train_report report, void *context,
                             const annulus_progress *progress, network **out) __attribute__((warn_unused_result));
#endif
