/* Quantization-aware training of fully connected networks. */
#ifndef TRAIN_TRAIN_H
#define TRAIN_TRAIN_H

#include "base/progress.h"
#include "data/dataset.h"
#include "nn/network.h"

#define TRAIN_MAX_HIDDEN 16u

typedef struct train_options {
    size_t hidden[TRAIN_MAX_HIDDEN];
    size_t hidden_count;
    activation act;
    unsigned weight_bits, activation_bits, input_bits; /* 2..8, 1..8, 1..8 */
    unsigned epochs;
    size_t batch;
    double learning_rate;        /* Adam, cosine schedule */
    double validation;           /* fraction held out, [0, 0.5] */
    double phase_noise;          /* training noise on accumulators, as a fraction of their standard deviation; 0: none */
    unsigned shift;              /* images: random shift of up to this many pixels */
    uint64_t seed;               /* same seed, same bytes */
    unsigned threads;
} train_options;
void train_options_init(train_options *o);

typedef struct train_epoch {
    unsigned epoch, epochs;
    double loss;       /* mean training loss */
    double validation; /* accuracy (classification) or R^2 (regression) of the quantized network, NaN without a set */
    double seconds;
} train_epoch;
typedef void (*train_report)(void *context, const train_epoch *e);

annulus_status train_network(const dataset *data, const train_options *options, train_report report, void *context,
                             const annulus_progress *progress, network **out) __attribute__((warn_unused_result));
#endif
