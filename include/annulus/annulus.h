/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypted neural-network inference: train, compile, and the separate roles of client and server.
 *
 * Every function that returns annulus_status leaves its outputs untouched on failure and describes the failure in
 * annulus_error_message(). Objects made here are owned by the caller and given back with their _destroy, which accepts
 * NULL. Objects are immutable after they are made and may be shared between threads. `threads` 0 means all cores;
 * `progress` may be NULL. */
#ifndef ANNULUS_ANNULUS_H
#define ANNULUS_ANNULUS_H

#include "annulus/progress.h"
#include "annulus/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "major.minor.patch" of the library. */
ANNULUS_API const char *annulus_version(void);

typedef struct annulus_dataset annulus_dataset;               /* samples, with labels or targets or without */
typedef struct annulus_model annulus_model;                   /* quantized network, an ONNX file */
typedef struct annulus_circuit annulus_circuit;               /* what runs encrypted, with its parameters */
typedef struct annulus_client_key annulus_client_key;         /* secret: encrypts and decrypts */
typedef struct annulus_evaluation_key annulus_evaluation_key; /* public: runs circuits */
typedef struct annulus_input annulus_input;                   /* encrypted samples */
typedef struct annulus_output annulus_output;                 /* encrypted answers */

/* ---- data ------------------------------------------------------------------------------------------------------- */

/* Multi-label: a sample has any number of the labels, those whose scores are above 0. */
typedef enum annulus_task {
    ANNULUS_CLASSIFICATION = 0,
    ANNULUS_REGRESSION = 1,
    ANNULUS_UNLABELED = 2,
    ANNULUS_MULTI_LABEL = 3
} annulus_task;

/* CSV with one header line, plain or gzip. label: column name, NULL for the last one; ignored when unlabeled; of
 * multi-label data the names of the labels' columns, which hold 0 and 1, with commas in between, NULL: those of
 * `classes`; so of several targets of a regression. classes: a circuit gives the order of the class names, and names
 * and order of the labels' or targets' columns, unless its own are numbers alone: other ones in `label` are refused; a
 * table of as many columns as it takes features has no labels where label is NULL; NULL: class names are sorted as
 * found. */
ANNULUS_API annulus_status annulus_dataset_read_csv(const char *path, annulus_task task, const char *label,
                                                    const annulus_circuit *classes,
                                                    annulus_dataset **out) ANNULUS_MUST_USE;
/* IDX images, (N,H,W) or (N,C,H,W), and labels (NULL: none) of unsigned bytes, plain or gzip. */
ANNULUS_API annulus_status annulus_dataset_read_idx(const char *images, const char *labels,
                                                    annulus_dataset **out) ANNULUS_MUST_USE;
/* The images, and a CSV table with a line for each, in their order, of targets (ANNULUS_REGRESSION) or of labels
 * (ANNULUS_MULTI_LABEL). label: columns that are, with commas in between, NULL: those of `classes`, or all. */
ANNULUS_API annulus_status annulus_dataset_read_images(const char *images, const char *table, annulus_task task,
                                                       const char *label, const annulus_circuit *classes,
                                                       annulus_dataset **out) ANNULUS_MUST_USE;
/* Samples first .. first+count-1 as a new data set. */
ANNULUS_API annulus_status annulus_dataset_slice(const annulus_dataset *d, size_t first, size_t count,
                                                 annulus_dataset **out) ANNULUS_MUST_USE;
ANNULUS_API void annulus_dataset_destroy(annulus_dataset *d);
ANNULUS_API size_t annulus_dataset_count(const annulus_dataset *d);
ANNULUS_API size_t annulus_dataset_features(const annulus_dataset *d);
/* Height and width of images, 0 for tables; of a sample of several channels, which follow one another. */
ANNULUS_API void annulus_dataset_shape(const annulus_dataset *d, size_t *height, size_t *width);
/* (features) raw values of one sample, borrowed. */
ANNULUS_API const float *annulus_dataset_sample(const annulus_dataset *d, size_t index);
/* Class index of one sample, -1 without labels. */
ANNULUS_API int annulus_dataset_label(const annulus_dataset *d, size_t index);

/* ---- models ----------------------------------------------------------------------------------------------------- */

#define ANNULUS_MAX_HIDDEN 16     /* layers */
#define ANNULUS_MAX_WIDTH 8192    /* neurons of a layer */
#define ANNULUS_MAX_CHANNELS 1024 /* of a convolution */
#define ANNULUS_MAX_KERNEL 32     /* of windows, and their stride */

typedef enum annulus_optimizer { ANNULUS_ADAM = 0, ANNULUS_SGD = 1 } annulus_optimizer;
/* Of the learning rate: warm-up over a twentieth and half a cosine, or up over three tenths and down. */
typedef enum annulus_schedule { ANNULUS_COSINE = 0, ANNULUS_ONE_CYCLE = 1 } annulus_schedule;

/* 2-D, square: windows of kernel*kernel values, `stride` apart, `padding` zeros (less than kernel) around a channel. */
typedef struct annulus_convolution {
    size_t channels, kernel, stride, padding; /* 1..ANNULUS_MAX_CHANNELS, 1..ANNULUS_MAX_KERNEL both */
    size_t groups;                            /* of channels, those before and its own, that are apart; 0 or 1: one */
    size_t add;  /* to its values those of the convolution so many before are added, of the same shape; 0: none */
    size_t pool; /* the next layer takes averages of windows of pool*pool of these values; 0 or 1: the values */
    int sums;    /* 1: in their place sums */
} annulus_convolution;
#define ANNULUS_POOL_ALL ((size_t)-1) /* as pool: of each channel one average */

typedef struct annulus_train_options {
    size_t hidden[ANNULUS_MAX_HIDDEN]; /* neurons of the hidden layers, 1..ANNULUS_MAX_WIDTH */
    size_t hidden_count;
    size_t hidden_add[ANNULUS_MAX_HIDDEN];        /* to the values of a hidden layer those of the one so many before, no
                                                     convolution, are added, of the same width; 0: none */
    annulus_convolution conv[ANNULUS_MAX_HIDDEN]; /* in front of the hidden layers, of images */
    size_t conv_count;                            /* with hidden_count at most ANNULUS_MAX_HIDDEN */
    const char *network;    /* text file of layers, activations and bits (docs/networks.md), borrowed: in place of
                               hidden, conv, activation, offsets, rise and bits; NULL: none */
    const char *activation; /* of all hidden layers or, with commas, of each, the convolutions first: "relu",
                               "leaky_relu", "leaky_relu=SLOPE" below 0 (else 1/8), "elu", "gelu", "silu", "softplus",
                               "sigmoid", "tanh", "hard_sigmoid", "hard_tanh", "hard_silu", "sign", "identity",
                               "table=FILE" of points x,y a line, "entries=FILE" of up to 256 lines y or x,y; waves:
                               "triangle", "trapezoid", "trapezoid=RISE", "sine", "square" */
    size_t offsets;         /* waves: values of one look-up, 1..16 */
    double rise;            /* waves: of a trapezoid, (0, 1/2] */
    const char *const *class_names; /* names of the outputs, borrowed; NULL: those of the data */
    size_t class_names_count;
    unsigned weight_bits;                               /* 1..16; 0: 4, waves 8 */
    unsigned activation_bits, input_bits;               /* 1..8; 0: 4, of the first with waves 8, with sign 2 */
    unsigned layer_weight_bits[ANNULUS_MAX_HIDDEN + 1]; /* of one layer; 0: weight_bits */
    unsigned layer_activation_bits[ANNULUS_MAX_HIDDEN]; /* of one hidden layer; 0: activation_bits */
    double clip_percentile; /* values and weights are clipped at this percentile of those that are not 0, [50, 100]; 0:
                               values where it is learnt, weights by rule */
    double clip_inputs;     /* inputs at this percentile, [50, 100]; 0: pixels nowhere, columns at 3 deviations */
    int clip_learned;       /* 1: scales of weights are learnt too; without accumulator_bits and sparsity */
    int power_of_two;       /* 1: scales of inputs, values and weights are powers of two */
    unsigned epochs;        /* 1..100,000 */
    size_t batch;           /* samples of a step, 2 or more */
    double learning_rate;   /* 1e-8..10 */
    double validation;      /* part of the samples that is held out for it, [0, 1/2] */
    double phase_noise;     /* on accumulators, in their deviations; of waves on phases, in periods; below 0: 0.1, with
                               waves 1/32, or what each layer of waves of `from` bears; NaN: refused */
    double value_noise;     /* waves: on the values that the last layer takes, whose amplitude is 1 */
    double spread;          /* waves: standard deviation of the phases of a new network, in periods, [0.01, 1] */
    size_t distill[ANNULUS_MAX_HIDDEN]; /* hidden layers of a float relu network, trained first as a teacher */
    size_t distill_count;               /* 0: none */
    const char *distill_network; /* in place of them text file of the teacher's layers and activations, whose bits
                                    are not looked at, borrowed; NULL: none */
    const annulus_model *distill_model; /* in place of a teacher that is trained: any model of these scores, borrowed;
                                           NULL: none */
    unsigned shift;                     /* images: random shift in pixels, 0..64 */
    int flip;                           /* images: 1: mirrored left to right at random */
    double dropout; /* probability with which a value that a dense layer takes, but the first layer, is lost in a step,
                       [0, 0.9] */
    double layer_dropout[ANNULUS_MAX_HIDDEN + 1]; /* (layer_dropout_count) in its place of each layer, the scores last,
                                                     the first layer's inputs, too; of what a convolution takes of
                                                     another whole channels */
    size_t layer_dropout_count;                   /* 0: dropout; else all layers */
    annulus_optimizer optimizer;
    annulus_schedule schedule;
    double momentum;             /* of ANNULUS_SGD, [0, 0.999] */
    unsigned patience;           /* epochs without a better validation after which training ends, with the best one's
                                    model; 0: all epochs, with the last one's */
    const double *class_weights; /* (class_weights_count) of a sample in the loss, up to a factor, without
                                    classes_balanced; borrowed; NULL: all 1 */
    size_t class_weights_count;  /* of labels: what samples that have them count, for those without 1 */
    const double *thresholds;    /* (thresholds_count) of labels: probabilities above which a sample has them, (0,1);
                                    borrowed; NULL: 1/2. They go into the biases: a sample has the labels whose scores
                                    are above 0. Of `from`, and a model to prune, those of before stay in them */
    size_t thresholds_count;
    int thresholds_best;  /* 1: in their place those of the best F1 measure on the validation set */
    int classes_balanced; /* 1: classes count the same, however many samples they have */
    const char
        *checkpoint;     /* file that keeps where training stands after every epoch, and that it goes on from if it is
                            there, to the same model as without an interruption; the caller removes it; NULL: none */
    double target_error; /* in place of phase_noise, which waves beside tables may have beside it: look-ups err while
                            training with this probability, [0.001, 0.9]; 0: not. Of waves, unless phase_noise is given,
                            phases have the noise that errs so in 2^rounding_bits cells over half a period */
    double index_noise;  /* the same by the standard deviation of the noise, in cells, [1e-6, 8]; 0: not */
    unsigned rounding_bits;    /* that the model will be compiled with, 1..12; with either */
    unsigned accumulator_bits; /* no neuron's sum takes more than 2^accumulator_bits values, 1..31; 0: no bound */
    int accumulator_masks;     /* how: 0: weights projected onto the L1 ball of the bound, 1: few weights a neuron */
    double sparsity;           /* part of each neuron's weights that becomes 0, [0,1) */
    uint64_t seed;             /* same seed, same bytes */
    unsigned threads;
    /* In place of any other noise, borrowed: a circuit of a model of the same layers, widths and activations; each
     * layer has the noise that is predicted of it (annulus_circuit_noise). NULL: none. */
    const annulus_circuit *noise_of;
    const annulus_model *from; /* to go on from, borrowed: it gives layers, activations, bits and names; NULL: none */
} annulus_train_options;
ANNULUS_API void annulus_train_options_init(annulus_train_options *o);

typedef struct annulus_epoch {
    unsigned epoch, epochs;
    double loss, validation; /* validation: accuracy or R^2; NaN without a validation set, or R^2 of one whose targets
                                are all the same, which patience does not take */
    double seconds;          /* of this epoch alone */
    int best;                /* with patience: the best so far */
} annulus_epoch;
/* What was reported, as CSV (epoch, loss, validation, seconds) and as a learning curve in SVG; where a training follows
 * another (annulus_train_within), epochs are numbered through. */
ANNULUS_API annulus_status annulus_epochs_write_csv(const annulus_epoch *epochs, size_t count,
                                                    const char *path) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_epochs_write_svg(const annulus_epoch *epochs, size_t count,
                                                    const char *path) ANNULUS_MUST_USE;

/* report may be NULL. */
ANNULUS_API annulus_status annulus_train(const annulus_dataset *d, const annulus_train_options *options,
                                         void (*report)(void *context, const annulus_epoch *epoch), void *context,
                                         const annulus_progress *progress, annulus_model **out) ANNULUS_MUST_USE;
/* One kind of network as annulus_train_auto tried it. */
typedef struct annulus_auto_candidate {
    size_t hidden[ANNULUS_MAX_HIDDEN], channels[ANNULUS_MAX_HIDDEN]; /* widths, of convolutions their channels */
    const char *activation;                                          /* static */
    size_t rotations;
    double seconds; /* predicted of an inference; INFINITY: no parameters were found */
    double score;   /* simulated, of samples that it was not trained with: accuracy or R^2 */
    int fits;       /* 1: within the seconds and 5 %; others are not chosen */
    char why[512];  /* not empty: why it cannot be had at the widths given, to be read as a message */
} annulus_auto_candidate;
typedef struct annulus_auto_report {
    annulus_auto_candidate classic, native;
    double budget;     /* seconds that both were sized to */
    int native_chosen; /* 1: the torus-native one is what was trained */
    double seconds;    /* predicted for what was trained, which may be more: the short trainings alone were held to the
                          budget; compiled with what follows; INFINITY: no parameters */
    double log2_error;
    unsigned rounding_bits; /* 0 where torus-native */
    double phase_noise;     /* 0 where classic */
} annulus_auto_report;
/* annulus_train with the activation chosen: relu tables or torus-native trapezoids, whichever is simulated better after
 * short trainings (a quarter of the epochs, at least 3) of four fifths of the samples, at widths that take the same
 * predicted seconds, within 5 % where widths allow; one that takes longer at all that were tried is left out. The
 * widths of the options are where both start; seconds: of both; 0: those of the dearer one at these widths. Relu
 * networks are compiled with target_error, or 0.01 without, and rounding_bits, trapezoids are trained for a noise of
 * 0.011 periods with the offsets of the options, or 4 if these are 1. A kind that cannot be such a network is left out.
 * found may be NULL. ANNULUS_ERR_INPUT as well: options that fit one kind only, or a network that neither can be.
 * ANNULUS_ERR_INFEASIBLE: both take longer; the message has their seconds. */
ANNULUS_API annulus_status annulus_train_auto(const annulus_dataset *d, const annulus_train_options *options,
                                              double seconds, void (*report)(void *context, const annulus_epoch *epoch),
                                              void *context, const annulus_progress *progress,
                                              annulus_auto_report *found, annulus_model **out) ANNULUS_MUST_USE;

/* What the parameters of a circuit are predicted to do to one layer: standard deviations, of the neuron with most
 * noise. */
typedef struct annulus_layer_noise {
    char name[32]; /* as annulus_inspect gives it */
    int waves;
    double phase;  /* on what its look-ups read: of waves in periods, of others in cells; of "output" on the scores, in
                      their units */
    double error;  /* of other look-ups than waves: probability with which that reads another cell than the sum's */
    double values; /* on its values, in their integers, where the scores take them; 0 of others */
} annulus_layer_noise;

/* What an inference may take. */
typedef struct annulus_budget {
    double seconds;         /* predicted for the compiled model, on train_options.threads of this host, at most */
    unsigned rounding_bits; /* that it will be compiled with, 1..12; 0: chosen */
} annulus_budget;
typedef struct annulus_choice {
    double log2_error;                               /* to compile with; of waves alone 0: nothing is to be said */
    unsigned rounding_bits;                          /* to compile with; of waves alone 0 */
    size_t hidden[ANNULUS_MAX_HIDDEN], hidden_count; /* neurons */
    double seconds;                                  /* predicted, compiled so and by default otherwise */
    /* Of waves alone, the hidden layers and the scores: what the model was trained for at last, and what it is
     * predicted to have, compiled so; noise_count 0 of others. rounds: in which it went on for another noise. */
    annulus_layer_noise trained[ANNULUS_MAX_HIDDEN + 1], predicted[ANNULUS_MAX_HIDDEN + 1];
    size_t noise_count;
    unsigned rounds;
} annulus_choice;
/* As annulus_train, with as many of the hidden neurons as the seconds allow, then with look-ups as precise as they
 * allow; options->target_error, or of waves the noise on phases, is kept if it is given. Of waves the noise that is
 * trained for and that of the parameters agree, or three rounds of training have not made them. options->from must be
 * NULL. ANNULUS_ERR_INFEASIBLE: not even one neuron a layer fits; the message says what does. */
ANNULUS_API annulus_status annulus_train_within(const annulus_dataset *d, const annulus_train_options *options,
                                                const annulus_budget *budget,
                                                void (*report)(void *context, const annulus_epoch *epoch),
                                                void *context, const annulus_progress *progress, annulus_choice *choice,
                                                annulus_model **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_model_read(const char *path, annulus_model **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_model_write(const annulus_model *m, const char *path) ANNULUS_MUST_USE;
/* Of a sample that it takes. */
ANNULUS_API size_t annulus_model_features(const annulus_model *m);
ANNULUS_API size_t annulus_model_layers(const annulus_model *m);
typedef struct annulus_layer_sums {
    size_t inputs, neurons;
    uint64_t values; /* that the widest neuron's sum can take, over the whole range of its inputs, without the bias */
    unsigned bits;   /* the least that hold them */
    size_t weights, nonzero;
} annulus_layer_sums;
ANNULUS_API annulus_layer_sums annulus_model_sums(const annulus_model *m, size_t layer);
ANNULUS_API annulus_task annulus_model_task(const annulus_model *m);
ANNULUS_API void annulus_model_destroy(annulus_model *m);

/* ---- circuits --------------------------------------------------------------------------------------------------- */

/* Error probability of each look-up of one layer, or of each score of "output". */
typedef struct annulus_layer_error {
    const char *layer; /* as annulus_inspect names it, borrowed */
    double log2_error; /* in [-512, 0) */
} annulus_layer_error;

/* How sums are rounded (docs/rounding.md). Approximately: they are read from wide cells, by the noise of a sum near a
 * border from the one beyond. Exactly: their low bits are taken off first, each by a look-up, so that the answers are
 * those of a clear run. Auto (annulus_compile_auto alone): approximately where that keeps the budget. */
typedef enum annulus_rounding {
    ANNULUS_ROUND_DEFAULT = 0, /* of a layer: as the others; of all: approximately, with shared_output exactly */
    ANNULUS_ROUND_APPROXIMATE = 1,
    ANNULUS_ROUND_EXACT = 2,
    ANNULUS_ROUND_AUTO = 3
} annulus_rounding;

/* Rounding of the look-ups of one layer. */
typedef struct annulus_layer_rounding {
    const char *layer; /* as annulus_inspect names it, borrowed */
    unsigned bits;     /* tables of at most 2^bits cells, 1..12; 0: no rounding */
    annulus_rounding method;
} annulus_layer_rounding;

/* What the parameter search minimizes: predicted seconds of an inference; bytes of the evaluation key as written; bytes
 * that it takes in memory while it runs. Of parameters within 1 % of the fastest those of the smallest key are taken,
 * of those within 1 % of the fewest bytes the fastest. */
typedef enum annulus_objective { ANNULUS_SECONDS = 0, ANNULUS_KEY_SIZE = 1, ANNULUS_MEMORY = 2 } annulus_objective;

typedef struct annulus_compile_options {
    int proven_ranges; /* 1: worst case of the integer weights; 0: measured on the calibration data, with margin */
    int saturate;      /* of measured ranges, 1: every sum beyond gets the value of the end of its range, for tables
                          of more cells (docs/rounding.md); 0: sums far beyond, which are unlikely, another one */
    double margin;     /* fraction of the measured width added at each side */
    unsigned rounding_bits; /* tables of at most 2^bits cells, 1..12; 0: no rounding */
    const annulus_layer_rounding
        *layer_roundings; /* (layer_roundings_count) of the layers that have their own; borrowed */
    size_t layer_roundings_count;
    annulus_rounding rounding; /* of the layers that have none of their own */
    int keep_widths;           /* of annulus_compile_auto: 1: the widths are as given, methods alone are chosen */
    unsigned output_bits;     /* resolution of decrypted values, in their range, that the error probability holds for */
    double log2_error;        /* log2 of the error probability of a look-up or score, in [-512, 0); 0: -40 */
    double log2_global_error; /* of a whole inference, instead; 0: not asked for */
    const annulus_layer_error *layer_errors; /* (layer_errors_count) of the layers that have their own; borrowed */
    size_t layer_errors_count;
    int shared_output;  /* 1: scores may be shown to others (SECURITY.md): exact, rounded exactly if at all, log2_error
                           <= -128 */
    double phase_noise; /* of torus-native layers, those with waves: bound on the standard deviation of what they read,
                           in periods, at most 1/4; 0: what each was trained to bear, or 2^-5 where that is not known */
    int wrap_clamps;    /* 1: layers of one weight scale whose function is level at both ends may be torus-native, where
                           that is predicted to be better; needs a phase_noise */
    unsigned
        top_1_bits; /* classification: 1..10: answers are the label alone, found among scores that are compared
                       with 2^bits values; 0: the scores, but of models that end with ArgMax the label, by 6 bits */
    int security;   /* 128 or 132 */
    annulus_objective minimize;
    unsigned threads; /* of the inference whose predicted seconds are minimized; 0: all cores of this host */
    const annulus_progress *progress; /* of annulus_compile, borrowed; NULL: none */
} annulus_compile_options;
ANNULUS_API void annulus_compile_options_init(annulus_compile_options *o);
/* Error probabilities by name: "exact" 2^-40, "relaxed" 1e-3, "fast" 1e-2 of a look-up; "shared-output" 2^-128, exact
 * scores and, where rounding_bits is the default one, no rounding. Other names are ANNULUS_ERR_INPUT. */
ANNULUS_API annulus_status annulus_compile_options_preset(annulus_compile_options *o,
                                                          const char *name) ANNULUS_MUST_USE;

/* ANNULUS_ERR_INPUT: log2_error and log2_global_error both given (the message has the one that each means here), a
 * layer that does not exist, data with targets that are not the model's. ANNULUS_ERR_INFEASIBLE: no secure parameters;
 * the message says what is missing and what helps. */
ANNULUS_API annulus_status annulus_compile(const annulus_model *m, const annulus_dataset *calibration,
                                           const annulus_compile_options *options,
                                           annulus_circuit **out) ANNULUS_MUST_USE;

/* What choosing the rounding cost. Per cent, of the calibration samples, simulated with the circuit's noise. */
typedef struct annulus_rounding_report {
    double loss;           /* classification: accuracy lost against the network, or, without labels, answers changed;
                              regression: variance of the values about the network's, of that of the network's */
    double standard_error; /* of the loss, by the choice of the samples; 0 for regression */
    int labeled;           /* the loss is one of accuracy */
    size_t samples, trials;
} annulus_rounding_report;
/* As annulus_compile with rounding chosen, a width for each layer and, where `rounding` is auto, a method: the cheapest
 * found, in predicted seconds, whose loss is at most `budget` per cent; negative: 0.5 of accuracy, 2 of answers without
 * labels, 1 of variance. rounding_bits and layer_roundings of the options are not looked at, unless keep_widths: then
 * the method alone is chosen, of the layers where it is auto. report may be NULL. ANNULUS_ERR_INPUT as well: nothing is
 * within the budget. */
ANNULUS_API annulus_status annulus_compile_auto(const annulus_model *m, const annulus_dataset *calibration,
                                                const annulus_compile_options *options, double budget, unsigned threads,
                                                const annulus_progress *progress, annulus_rounding_report *report,
                                                annulus_circuit **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_circuit_read(const char *path, annulus_circuit **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_circuit_write(const annulus_circuit *c, const char *path) ANNULUS_MUST_USE;
ANNULUS_API void annulus_circuit_destroy(annulus_circuit *c);
ANNULUS_API size_t annulus_circuit_inputs(const annulus_circuit *c);
ANNULUS_API size_t annulus_circuit_outputs(const annulus_circuit *c);
ANNULUS_API annulus_task annulus_circuit_task(const annulus_circuit *c);
/* 1: classification whose answers are the label alone: the values are 1 for it and 0 for the others. */
ANNULUS_API int annulus_circuit_label_only(const annulus_circuit *c);
/* Name of an output, borrowed. */
ANNULUS_API const char *annulus_circuit_label(const annulus_circuit *c, size_t output);
/* Step of an output's values: noise moves them by half of it with the error probability at most. 0: a constant one. */
ANNULUS_API double annulus_circuit_resolution(const annulus_circuit *c, size_t output);
/* log2 of the largest error probability that a look-up or score was given; -INFINITY if all have bounds on their noise
 * instead. */
ANNULUS_API double annulus_circuit_log2_error(const annulus_circuit *c);
/* Probability, at most, that a sum of a sample like those of calibration leaves its measured range, and without the
 * margin, which may be NULL: of the layer where that is most likely (annulus_inspect has all). 0: ranges are proven. */
ANNULUS_API double annulus_circuit_out_of_range(const annulus_circuit *c, double *without_margin);
/* Number of torus-native layers: their answers depend on noise by design, and must not be shown to others.
 * *phase_noise: the largest bound on the standard deviation of what their look-ups read, in periods; 0 without any;
 * phase_noise may be NULL. */
ANNULUS_API size_t annulus_circuit_torus_native(const annulus_circuit *c, double *phase_noise);
/* Number of layers whose functions are waves and that have padded tables none the less: weights of several scales, or
 * other layers that take the same values in other units (docs/torus-native.md). */
ANNULUS_API size_t annulus_circuit_padded_waves(const annulus_circuit *c);
/* What compilation took out of the network, whose meaning is the same without: neurons whose values are the same for
 * every input, that nothing reads, or that are equal to another one of their layer; layers; tables that have the
 * entries of another one of their layer; and rotations of look-ups that share that of another one on the same sum. */
typedef struct annulus_passes {
    size_t constant, unread, equal, layers, tables, rotations;
} annulus_passes;
ANNULUS_API annulus_passes annulus_circuit_passes(const annulus_circuit *c);
/* out (ANNULUS_MAX_HIDDEN + 1): the hidden layers, without those that take bits off for exact rounding, and "output";
 * *count of them. ANNULUS_ERR_INPUT: it answers labels alone, or has more layers. */
ANNULUS_API annulus_status annulus_circuit_noise(const annulus_circuit *c, annulus_layer_noise *out,
                                                 size_t *count) ANNULUS_MUST_USE;
/* Whether its scores may be shown to others (SECURITY.md): exact, rounded exactly if at all, and failures at most
 * 2^-128. */
ANNULUS_API int annulus_circuit_shared_output(const annulus_circuit *c);

/* Predicted seconds of the server's part of one sample on `threads` threads (0: all cores; at most as many), by the
 * costs of annulus_calibrate or the shipped ones. */
ANNULUS_API double annulus_circuit_seconds(const annulus_circuit *c, unsigned threads);
#define ANNULUS_MAX_TOGETHER 32u
typedef struct annulus_run_options {
    unsigned threads; /* 0: all */
    /* Samples that are run together, layer by layer, at most ANNULUS_MAX_TOGETHER: each gets the answers that it would
     * get alone, and batches of look-ups share what they read of the keys. 0: as many as fill the batches in 256 MiB;
     * 1: one after the other, each as soon as possible. */
    size_t together;
    /* File that keeps where the run stands, after a finished layer unless writing it would take more than 1/20 of the
     * time since it was last written, and when the run is stopped; NULL: none. If it is there already the run goes on
     * from it, to the answers of one that was never interrupted; the file stays, for the caller to remove when the
     * answers are safe. It holds ciphertexts of the evaluation key's owner, no secret. */
    const char *checkpoint;
} annulus_run_options;
ANNULUS_API void annulus_run_options_init(annulus_run_options *o); /* all, 0, NULL */
/* Predicted bytes that a process has resident at most while it reads key and inputs of `samples` samples, runs them on
 * with these options, NULL: the defaults, and writes the answers; with a checkpoint that is there already, of a run
 * that goes on from it. */
ANNULUS_API size_t annulus_circuit_memory(const annulus_circuit *c, size_t samples, const annulus_run_options *o);
/* Bytes that this process may still take: what the machine has available, at most its limit on addresses; SIZE_MAX if
 * the system does not say. */
ANNULUS_API size_t annulus_memory_available(void);

/* What any file of annulus is, as text for people or as JSON; *out is freed with annulus_text_destroy. */
ANNULUS_API annulus_status annulus_inspect(const char *path, int json, char **out) ANNULUS_MUST_USE;
/* The integer program of a circuit file, whole: sources, weights, lists of inputs, tables, ranges. As annulus_inspect;
 * json: what that gives, with the ranges of every neuron's sums in arrays of each layer, proven_lo and proven_hi, and
 * of the calibration samples measured_lo and measured_hi. */
ANNULUS_API annulus_status annulus_inspect_program(const char *path, int json, char **out) ANNULUS_MUST_USE;
ANNULUS_API void annulus_text_destroy(char *text);
/* A circuit file as a page for a browser, written to the file `report` as a whole or not at all: a picture of the
 * graph, where the time goes, what annulus_inspect says of layers, parameters, keys and memory. It needs no other file
 * and runs no script. ANNULUS_ERR_INPUT: path is no circuit; ANNULUS_ERR_IO. */
ANNULUS_API annulus_status annulus_inspect_html(const char *path, const char *report) ANNULUS_MUST_USE;

/* The parameter search weighs look-ups and linear layers by what they cost. This measures the processor that it runs
 * on, at most 20 s, half of them on one core, best with nothing else running, and writes the costs to a file of the
 * processor, kernels and version, annulus/host-DIGEST.json in $XDG_CACHE_HOME or ~/.cache, from where annulus_compile,
 * annulus_circuit_read and annulus_inspect load them once a process; this process takes them from now on, so that no
 * other function may run meanwhile. *out: what was found, as text for people or as JSON; freed with
 * annulus_text_destroy. */
ANNULUS_API annulus_status annulus_calibrate(const annulus_progress *progress, int json, char **out) ANNULUS_MUST_USE;
/* 1: searches and predictions go by costs that were measured on this processor, with these kernels and this version of
 * the library; 0: by the shipped ones. *ignored, unless the pointer is NULL: why a file of costs is not used, one line,
 * borrowed; NULL if there is none or it is used. */
ANNULUS_API int annulus_costs_measured(const char **ignored);

/* Index of the largest of `count` >= 1 values, the first of equals: the answer of a classifier. */
ANNULUS_API size_t annulus_argmax(const double *values, size_t count);

/* ---- pruning ---------------------------------------------------------------------------------------------------- */

/* How annulus_prune chooses neurons: by the norm of their weights, by the variance of their values in the sums that
 * read them, or by what the loss would change to first order. */
typedef enum annulus_prune_by {
    ANNULUS_BY_NORM = 0,
    ANNULUS_BY_ACTIVATION = 1,
    ANNULUS_BY_TAYLOR = 2
} annulus_prune_by;
/* One of percent, look_ups and seconds is given. */
typedef struct annulus_prune_options {
    double percent;  /* of every hidden layer's neurons or channels to remove, [0,100); negative: not given */
    size_t look_ups; /* that are left at most in hidden layers, of waves rotations; 0: not given */
    double seconds;  /* of an inference of the compiled rest, predicted for train.threads, at most; 0: not given */
    const annulus_compile_options *compile; /* how it will be compiled, borrowed; NULL: by default */
    annulus_prune_by by;
    annulus_train_options train; /* fine-tuning, epochs 0: none, which takes no checkpoint; layers, bits and names are
                                    the model's; its phase_noise, if it is not negative, is what layers of waves bear
                                    from then on */
} annulus_prune_options;
ANNULUS_API void annulus_prune_options_init(annulus_prune_options *o);

typedef struct annulus_prune_report {
    size_t look_ups_before, look_ups; /* of hidden layers */
    size_t idle;                      /* neurons and channels that gave the same value always, or that nothing read */
    double before, removed, after;    /* accuracy or R^2 on the validation set, NaN without one: of the model, of what
                                         was left of it, and after fine-tuning */
    double seconds;                   /* predicted at the end, where seconds were asked for; else 0 */
    unsigned rounds; /* of further removal, as fine-tuning had moved the seconds beyond those asked for */
} annulus_prune_report;

/* A model with fewer hidden neurons, and channels of convolutions. Those removed are replaced by the mean of their
 * value, which goes into the biases behind them, without any other change of the model's integers; fine-tuning follows,
 * and where it moves the seconds beyond those asked for, further removal with a quarter of the epochs, at last without:
 * they hold at the end. epoch and pruned may be NULL. ANNULUS_ERR_INPUT: no model (NULL), a layer would vanish, or the
 * data do not belong to the model. ANNULUS_ERR_INFEASIBLE: seconds are out of reach. */
ANNULUS_API annulus_status annulus_prune(const annulus_model *m, const annulus_dataset *d,
                                         const annulus_prune_options *options,
                                         void (*epoch)(void *context, const annulus_epoch *epoch), void *context,
                                         const annulus_progress *progress, annulus_prune_report *pruned,
                                         annulus_model **out) ANNULUS_MUST_USE;

/* ---- evaluation without or with encryption, in one process ------------------------------------------------------ */

typedef enum annulus_mode { ANNULUS_CLEAR = 0, ANNULUS_SIMULATE = 1, ANNULUS_ENCRYPTED = 2 } annulus_mode;

#define ANNULUS_MAX_LAYERS 64

/* What became of the look-ups of one layer, or of the values of the last one, over all samples. Encrypted: what becomes
 * of them in the clear run of the same samples. */
typedef struct annulus_layer_counts {
    char name[32]; /* as annulus_inspect gives it */
    int is_output;
    int torus_native;      /* no range, no index errors: phase_std instead */
    uint64_t look_ups;     /* or values */
    uint64_t sums;         /* looked up, of look-ups of one rotation one; or values: what follows counts sums */
    uint64_t out_of_range; /* sums outside the range that was measured or proven */
    uint64_t saturated;    /* of these: beyond the table, answered by its end next to them */
    uint64_t wrapped;      /* of these: beyond the table, answered by another entry, as it goes on mirrored; of values:
                              outside their period, so that they decrypt to others */
    /* simulation, else 0 */
    uint64_t index_errors;        /* of which another cell was read than theirs */
    double index_errors_expected; /* by the noise model, of the sums that were met */
    uint64_t failures;            /* noise beyond half a cell, or beyond half a step of a value's output_bits */
    double failures_expected;     /* at most, from the failure probability that inspect gives of the layer */
    double phase_std;             /* torus-native: deviation of the noise of the phases that were read, in periods */
    double phase_std_expected;    /* as inspect predicts it */
} annulus_layer_counts;

typedef struct annulus_evaluation {
    size_t count;
    double score;         /* accuracy, of labels their mean, or R^2 for regression, of targets that vary their mean; NaN
                             without labels */
    size_t mismatches;    /* answers other than the clear run's; 0 for regression */
    double largest_error; /* largest difference of a value to the clear run's */
    uint64_t out_of_range; /* sums outside their ranges, of all layers */
    double seconds;        /* per sample; encrypted: the server's part */
    size_t layers_count;
    annulus_layer_counts layers[ANNULUS_MAX_LAYERS];
    size_t samples_erred, samples_failed; /* simulation: samples with an index error, with a failure; else 0 */
    double failure;                       /* probability that a sample has a failure, at most, as inspect gives it */
} annulus_evaluation;
/* seed: of the simulation. values: (count, outputs) or NULL. ANNULUS_ERR_INPUT as well: labels or targets of the data
 * are not those of the circuit, or come in another order (annulus_dataset_read_csv with the circuit orders them). */
ANNULUS_API annulus_status annulus_evaluate(const annulus_circuit *c, const annulus_dataset *d, annulus_mode mode,
                                            uint64_t seed, unsigned threads, const annulus_progress *progress,
                                            double *values, annulus_evaluation *out) ANNULUS_MUST_USE;

/* How one label of multi-label data is answered. */
typedef struct annulus_label_score {
    double accuracy;
    double f1;            /* 2*TP/(2*TP + FP + FN); 1 where no sample has or gets the label */
    size_t has, answered; /* samples with the label, and those that got it */
} annulus_label_score;
/* values: (count, outputs) of annulus_evaluate. out: (outputs). ANNULUS_ERR_INPUT: the circuit is not multi-label, or
 * the data have other labels or none. */
ANNULUS_API annulus_status annulus_score_labels(const annulus_circuit *c, const annulus_dataset *d,
                                                const double *values, annulus_label_score *out) ANNULUS_MUST_USE;

/* How well one target of a regression is met: root of the mean square of the errors, in its units, and R^2; NaN where
 * all samples have the same value. */
typedef struct annulus_target_score {
    double rmse, r2;
} annulus_target_score;
/* values: (count, outputs) of annulus_evaluate. out: (outputs). ANNULUS_ERR_INPUT: the circuit is of no regression, or
 * the data have other targets or none. */
ANNULUS_API annulus_status annulus_score_targets(const annulus_circuit *c, const annulus_dataset *d,
                                                 const double *values, annulus_target_score *out) ANNULUS_MUST_USE;

/* Runs the samples in clear, simulated and encrypted, with keys made for the occasion and never written, and holds what
 * it decrypts of every layer against the noise model: deviations of the encrypted sums and of the phases that look-ups
 * read, look-ups that read another cell than the clear one, the first neuron at which one did, and of waves and
 * output values that of the largest noise. *accepted: 0 when one of
 * these contradicts the model; by chance that happens with probability 10^-6 at most in the whole audit, for noise
 * within 0.3 bit of the predicted deviations. *report: JSON or a table for people, freed with annulus_text_destroy.
 * seed: of the simulation. */
ANNULUS_API annulus_status annulus_audit(const annulus_circuit *c, const annulus_dataset *d, uint64_t seed,
                                         unsigned threads, const annulus_progress *progress, int json, int *accepted,
                                         char **report) ANNULUS_MUST_USE;

/* ---- the roles -------------------------------------------------------------------------------------------------- */

ANNULUS_API annulus_status annulus_keygen(const annulus_circuit *c, unsigned threads, const annulus_progress *progress,
                                          annulus_client_key **client,
                                          annulus_evaluation_key **evaluation) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_client_key_read(const char *path, annulus_client_key **out) ANNULUS_MUST_USE;
/* The file is readable by its owner only. */
ANNULUS_API annulus_status annulus_client_key_write(const annulus_client_key *k, const char *path) ANNULUS_MUST_USE;
ANNULUS_API void annulus_client_key_destroy(annulus_client_key *k);
/* Reading expands the key for use: seconds, and memory of the unseeded key. c: the circuit that it is for, which a key
 * from elsewhere is held against before it takes that memory; NULL: any key is taken. */
ANNULUS_API annulus_status annulus_evaluation_key_read(const char *path, const annulus_circuit *c, unsigned threads,
                                                       const annulus_progress *progress,
                                                       annulus_evaluation_key **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_evaluation_key_write(const annulus_evaluation_key *k,
                                                        const char *path) ANNULUS_MUST_USE;
ANNULUS_API void annulus_evaluation_key_destroy(annulus_evaluation_key *k);

/* Encrypts all samples. saturate 0: values outside the circuit's range are refused. */
ANNULUS_API annulus_status annulus_encrypt(const annulus_client_key *k, const annulus_circuit *c,
                                           const annulus_dataset *d, int saturate,
                                           annulus_input **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_input_read(const char *path, annulus_input **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_input_write(const annulus_input *x, const char *path) ANNULUS_MUST_USE;
ANNULUS_API size_t annulus_input_count(const annulus_input *x);
ANNULUS_API void annulus_input_destroy(annulus_input *x);

/* The server's part: no secret. o NULL: defaults. seconds: (count) of each sample, an equal part of what those that ran
 * together took, 0 of those that a checkpoint had; or NULL. The memory between layers is taken at the beginning.
 * ANNULUS_ERR_INPUT as well: a checkpoint of another circuit, key or input. */
ANNULUS_API annulus_status annulus_run(const annulus_circuit *c, const annulus_evaluation_key *k,
                                       const annulus_input *x, const annulus_run_options *o,
                                       const annulus_progress *progress, double *seconds,
                                       annulus_output **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_output_read(const char *path, annulus_output **out) ANNULUS_MUST_USE;
ANNULUS_API annulus_status annulus_output_write(const annulus_output *y, const char *path) ANNULUS_MUST_USE;
ANNULUS_API size_t annulus_output_count(const annulus_output *y);
ANNULUS_API void annulus_output_destroy(annulus_output *y);

/* values: (count, outputs) scores or predictions. */
ANNULUS_API annulus_status annulus_decrypt(const annulus_client_key *k, const annulus_circuit *c,
                                           const annulus_output *y, double *values) ANNULUS_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
