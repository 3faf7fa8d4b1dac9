/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the trainer: prepared data, model, one step, folding. Only train*.c and its tests include this. */
#ifndef TRAIN_TRAIN_PRIV_H
#define TRAIN_TRAIN_PRIV_H

#include "base/bytes.h"
#include "base/memory.h"
#include "nn/gather.h"
#include "nn/sums.h"
#include "train/train.h"
#include <string.h>

/* Rows of a batch that one work item handles. Fixed, so that sums do not depend on the number of threads. */
#define TRAIN_ROWS ((size_t)32)
/* Values of a layer of a folded network that are held at once, where it has convolutions. */
#define TRAIN_HELD_VALUES ((size_t)1 << 25)
/* Weight rows of one work item. */
#define TRAIN_CHANNELS ((size_t)16)
/* Samples of one work item when a folded network is evaluated. */
#define TRAIN_BLOCK ((size_t)256)
/* Samples from which the final mean and variance of every pre-activation are taken. */
#define TRAIN_STATISTICS ((size_t)10000)
/* Accuracy, or part of the targets' variance, that the noise of the scores may cost. */
#define TRAIN_SCORE_LOSS 5e-4
/* Of the loss, the part that goes to a teacher's scores, and the temperature at which they are compared. */
#define TRAIN_TEACHER_SHARE 0.8f
#define TRAIN_TEACHER_TEMPERATURE 2.0f
/* A teacher trains for as many epochs as the network, and no more than these. */
#define TRAIN_TEACHER_EPOCHS 30u
/* Added to a variance before the root, as everybody does (Ioffe and Szegedy 2015). */
#define TRAIN_EPSILON 1e-5f

/* xoshiro256** (Blackman and Vigna 2018), filled by SplitMix64 from a key and two counters. Not for secrets. */
typedef struct train_random {
    uint64_t s[4];
} train_random;
void train_random_init(train_random *r, uint64_t key, uint64_t a, uint64_t b);
uint64_t train_random_u64(train_random *r);
/* Uniform in [0, bound), bound >= 1. */
uint64_t train_random_below(train_random *r, uint64_t bound);
/* Sum of four 16-bit uniforms scaled to mean 0 and variance 1: near enough to a normal, within 3.47 deviations. */
float train_random_bell(train_random *r);

typedef struct train_data {
    size_t count, features, outputs, channels, height, width; /* height 0: no image */
    size_t train, held;   /* order[0..train) trains, order[train..train+held) validates */
    size_t *order;        /* (count) */
    double *shift, *gain; /* (features), float32 values */
    quantizer input;
    uint8_t *q;     /* (count,features) integer - lo */
    int32_t lo;     /* least integer of the input quantizer */
    uint8_t *still; /* (features) 1: the quantized column never changes */
    const int32_t *label;
    float *target;           /* (count,outputs) standardised, of labels 0 or 1; NULL for classes */
    int binary;              /* targets are labels */
    double *t_mean, *t_gain; /* (outputs) y = t*t_gain + t_mean */
} train_data;
annulus_status train_data_create(const dataset *d, const train_options *o, uint64_t key, train_data *out)
    __attribute__((warn_unused_result));
void train_data_destroy(train_data *t);
/* Whether any target differs between samples that are held out. */
int train_held_varies(const train_data *t);
/* Least integer of a quantizer of inputs, and q (features) of the sample x by t's input, lo, shift and gain. */
int32_t train_data_least(const quantizer *input);
void train_data_quantize(const train_data *t, const float *x, uint8_t *q);

typedef struct train_span {
    size_t first, count;
} train_span;

typedef struct param { /* one tensor and Adam's state */
    size_t n;
    float *x, *g, *m, *v;
} param;

/* A convolution is a dense layer that is applied at several places, each a row to it: out are its channels, in the taps
 * of a window, and statistics are those of a channel over batch and places. A row follows that of the place before in
 * the same sample, so that values are numbered (place, channel), those of offsets last; so are the inputs. */
typedef struct train_layer {
    size_t in, out, values; /* in: weights of a neuron; values: places*out*offsets */
    size_t places, takes;   /* of a dense layer 1 and in; takes: values that arrive of a sample */
    size_t groups;          /* of channels and neurons, 1 of a dense layer */
    gather_windows windows; /* of a convolution, over what arrives */
    uint32_t *from;         /* (places,kernel) place that each tap takes, or LINEAR_NOTHING; NULL: dense */
    float *dw;              /* (chunks,out,in) convolution: gradients of one chunk */
    gather_windows average; /* of the values before, that arrive; channels 0: as they are */
    int summed;             /* what arrives are sums of these windows, not averages */
    float drop;             /* probability with which a value that arrives is lost */
    float *x, *dx, *mask;   /* (batch,takes) what arrives, gradients there, factors of dropout; NULL: as it was given */
    size_t adds;            /* so many layers back are values that are added to its own for those behind; 0: none */
    float *sum, *dsum;      /* (batch,values) with them, and gradients there; NULL: no such */
    int last;
    param w, gamma, beta, step;   /* step: logarithm of the activation scale; last layer: beta is the bias */
    float *wq;                    /* (out,in) quantized weights as reals */
    float *scale;                 /* (out) of the integers behind each row of wq */
    float *kept;                  /* (out) scales that stay; NULL: made anew from the weights in every step */
    float ball;                   /* most that the magnitudes of a row's integers sum up to; 0: anything */
    float *range;                 /* (out,2) least and largest normalised sum so far, with target_error */
    float *cell;                  /* (out) of its look-up, in deviations of the sum */
    size_t keep, keep_last;       /* most weights of a row that are not 0: now, and in the end */
    float *z, *noisy, *u, *v, *y; /* (batch*places,out) normalised; with noise; affine; activation; quantized */
    float *dz;                    /* (batch*places,out) gradient at the linear output */
    float *mean, *inv;            /* (out) of the batch: mean and 1/deviation */
    float *gain;                  /* (out) gamma, or near it such that gain*inv*scale is a power of two */
    param log_scale;              /* (out) learnt, of `scale`; of a common one the first */
    int learns, learnt;           /* 1: it is to be, and has begun to */
    float clip;                   /* part of the values and weights that are not clipped; 0: learnt, and by rule */
    int power_of_two;             /* scales are */
    float *mean_d, *mean_dz;      /* (out) batch means of the gradient at `z`, and of that times z */
    float *part;                  /* (chunks,4*out+1) partial sums of one chunk */
    unsigned bits;                /* weights; 0: real weights (gradient check) */
    int common;                   /* 1: one step of the weights in the layer, `unit`: before waves and behind them */
    float unit;
    size_t group;    /* first layer of those that take the same values, and so have units in a ratio of integers */
    size_t offsets;  /* waves: values of one neuron */
    float rise;      /* of a trapezoid or leaky_relu */
    float *dy;       /* (batch,values) waves: gradient at y */
    float *center;   /* (groups,in) waves: what the inputs are counted from, about their means */
    double *sums;    /* (train_wave_means) waves: of the inputs */
    float *base;     /* (out) waves: the sum of wq*center */
    float *wide;     /* (out) waves: deviation of what arrives, along the direction of the row of w */
    float *inv_norm; /* (out) waves: 1 over the two-norm of the row of w and over `wide` */
    activation act;
    const function *own; /* of a layer's own program, borrowed */
    int32_t lo, hi;      /* of the activation quantizer; lo = hi = 0: none (gradient check) */
    int two;             /* 1: of one signed bit, lo and hi alone */
    float top;           /* waves: integer that 1 would be: hi, or of powers of two hi + 1 */
    /* Standard deviations of the noise: on what its look-ups read, of waves in periods, of others in deviations of the
     * sum or, where cells is not 0, in cells; on its values, in their integers; of scores (out) on each besides, NULL:
     * none. */
    float noise, value_noise, *score_noise;
    float cells; /* of its widest range, with the margins; 0: sums are read as they are */
} train_layer;

typedef struct train_model {
    size_t layers, batch; /* most rows of a step */
    train_layer *layer;
    float *x, *t;         /* (batch,in) inputs; (batch,outputs) regression targets */
    int32_t *label;       /* (batch) */
    const float *soft;    /* (batch,outputs) scores of a teacher for this batch, borrowed; NULL: none */
    const float *taught;  /* (count,outputs) those of one for all samples, borrowed; NULL: none */
    float *class_weight;  /* (outputs) in the loss, of labels where a sample has them; NULL: all 1 */
    int classes;          /* 1: softmax cross-entropy, 0: mean of squares or, of labels, logistic losses */
    int labels;           /* 1: sigmoid cross-entropy of each, their mean */
    double *loss;         /* (chunks) */
    const uint8_t *still; /* (in) of the prepared data, borrowed: columns whose weights stay 0 */
    float outlier;
    float spread;     /* of the phases of new waves, periods */
    int quiet;        /* 1: no noise in the forward pass */
    float input_unit; /* real value of an integer of the inputs */
    unsigned threads;
    float *room; /* (threads,room_each) windows of convolutions */
    size_t room_each;
    uint64_t key;
} train_model;

/* Chunks of `rows` samples, the samples of one, and the layer's rows of them: those of all their places. */
static inline size_t train_chunks(size_t rows)
{
    return (rows + TRAIN_ROWS - 1) / TRAIN_ROWS;
}
static inline train_span train_samples(size_t rows, size_t chunk)
{
    const size_t first = chunk * TRAIN_ROWS, left = rows - first;
    return (train_span){first, left < TRAIN_ROWS ? left : TRAIN_ROWS};
}
static inline train_span train_rows(const train_layer *l, size_t rows, size_t chunk)
{
    const train_span samples = train_samples(rows, chunk);
    return (train_span){samples.first * l->places, samples.count * l->places};
}

/* Sums of one chunk, and sum k of all chunks in their order. */
static inline float *train_part(const train_layer *l, size_t chunk)
{
    return l->part + chunk * (4 * l->out + 1);
}
static inline double train_sum_parts(const train_layer *l, size_t chunks, size_t k)
{
    double sum = 0;
    for (size_t c = 0; c < chunks; c++) sum += (double)train_part(l, c)[k];
    return sum;
}

annulus_status train_model_create(const train_data *t, const train_options *o, uint64_t key, int quantized,
                                  train_model *out) __attribute__((warn_unused_result));
void train_model_destroy(train_model *m);
/* One scale of the weights, `unit`, that is made anew in every step. */
static inline int train_has_unit(const train_layer *l)
{
    return l->common && (l->kept == NULL || l->learnt);
}
/* wq from w. */
annulus_status train_weights_quantize(train_model *m) __attribute__((warn_unused_result));
/* Scale of row o, its weights or those of them that are kept being w. */
float train_row_scale(const train_layer *l, size_t o, const float *w);
/* Scale that `bits` narrow signed bits take for the n weights w: the better of the extreme and the clip that suits a
 * normal distribution, or the percentile `clip`, unless it is 0; of 1 bit their mean magnitude (Rastegari et al.,
 * "XNOR-Net", ECCV 2016, section 3.1); 1 when all are 0. */
float train_weight_scale(const float *w, size_t n, unsigned bits, float clip);

/* x without its fraction, 0 where no int holds it, as when training diverges: by its exponent, as compilers make no
 * vectors of comparisons of numbers here. */
static inline int train_whole(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits &= 0u - ((bits & 0x7fffffff) < 0x4f000000); /* below 2^31 */
    memcpy(&x, &bits, sizeof bits);
    return (int)x;
}

/* floor(x + 1/2) for |x| < 2^31, exactly: as quantizer_integer rounds, in instructions that every processor has for
 * vectors. */
static inline float train_round(float x)
{
    const int i = train_whole(x), below = i - (x < (float)i);
    return (float)(below + (x - (float)below >= 0.5f));
}

/* Where the rows of a step come from: x, t and label of the model are filled per chunk. Rows order[first..first+rows).
 */
typedef struct train_source {
    const train_data *data;
    const size_t *order;
    size_t first;
    unsigned shift;
    int flip;
} train_source;
/* How a picture is moved, drawn anew for every sample and step; of samples that are none, or stay, all 0. */
typedef struct train_move {
    int dy, dx, mirror;
} train_move;
static inline int train_moves(const train_data *t, unsigned shift, int flip)
{
    return (shift > 0 || flip) && t->height > 0;
}
/* Of the samples of a chunk (samples.count), by the key of the model and the salt of the step. */
void train_moves_draw(const train_source *s, train_span samples, uint64_t key, uint64_t salt, train_move *out);
/* Pixel of a channel that comes to (row, column); SIZE_MAX: none does. */
static inline size_t train_moved_from(const train_data *t, train_move m, size_t row, size_t column)
{
    const int height = (int)t->height, width = (int)t->width, r = (int)row - m.dy, c = (int)column - m.dx;
    if (r < 0 || r >= height || c < 0 || c >= width) return SIZE_MAX;
    return (size_t)(r * width + (m.mirror ? width - 1 - c : c));
}
/* Loss of `rows` samples; source NULL: m->x and the targets are already there. `salt` seeds shift and noise. */
annulus_status train_forward(train_model *m, const train_source *source, size_t rows, uint64_t salt, double *loss)
    __attribute__((warn_unused_result));
/* Gradients of everything after train_forward. */
annulus_status train_backward(train_model *m, size_t rows) __attribute__((warn_unused_result));

/* Convolutions (train_conv.c). Averages behind convolution i - 1, in front of layer i, of which `takes` is changed;
 * shape of convolution i, of which those are known. */
annulus_status train_average_shape(const train_options *o, size_t i, train_layer *l)
    __attribute__((warn_unused_result));
annulus_status train_conv_shape(const train_data *t, const train_options *o, size_t i, train_layer *l)
    __attribute__((warn_unused_result));
/* from, dw. */
annulus_status train_conv_create(size_t batch, train_layer *l) __attribute__((warn_unused_result));
/* Floats that one worker needs. */
size_t train_conv_room(const train_layer *l);
/* z of the samples. */
void train_conv_forward(const train_model *m, size_t layer, train_span samples, unsigned worker);
/* From dz of the samples: dw (out,in), and dx, NULL: not wanted, (batch,takes) at what arrives. */
void train_conv_backward(const train_model *m, size_t layer, train_span samples, unsigned worker, float *dw, float *dx);

/* What layers take (train_arrive.c): sum, dsum, x, dx, mask. */
annulus_status train_arrive_create(size_t batch, train_layer *l) __attribute__((warn_unused_result));
/* adds of hidden layer i, no convolution. */
annulus_status train_added_shape(const train_options *o, size_t i, train_layer *l) __attribute__((warn_unused_result));
/* (batch,takes), and gradients there; those of the inputs are NULL. */
const float *train_arriving(const train_model *m, size_t layer);
float *train_arriving_gradient(const train_model *m, size_t layer);
/* Of the samples of a chunk: what arrives at a layer; from the gradient there that of the layer before. */
void train_arrive(const train_model *m, size_t layer, size_t chunk, train_span samples, uint64_t salt);
void train_arrive_back(const train_model *m, size_t layer, train_span samples);
/* Values of a sample (place, channel): `wide` are those that l averages, or adds up, to `narrow`, or, back, the
 * gradients there. */
void train_average(const train_layer *l, int back, float *wide, float *narrow);
/* Whose values add up to what arrives at a layer, as in dense_layer. Returns how many. */
size_t train_sources(const train_model *m, size_t layer, uint32_t sources[NETWORK_MAX_LAYERS]);
/* group of layers of waves, which have steps in a ratio of small integers; others have one of their own. */
annulus_status train_group(train_model *m) __attribute__((warn_unused_result));
/* unit of the layers of a group: multiples of one, as large as it can be while no layer's weights become twice as
 * coarse as they would be: noise of the values grows with the integers that they are multiplied by. */
void train_share_units(train_model *m);
/* Layers whose values are added up have one scale: to all of them the first one's, or of gradients their sum to it. */
void train_share_steps(train_model *m);
void train_join_steps(train_model *m);

/* Linear parts of a network (train_fold_linear.c). Layer i with weights 0, sources and windows. */
annulus_status train_fold_layer(const train_model *m, size_t i, dense_layer *d) __attribute__((warn_unused_result));
/* Integer weights and w_scale. */
void train_fold_weights(const train_model *m, size_t i, dense_layer *d);
/* Row o of the weights; a tap stands in it once for each value that it adds up. */
int32_t *train_fold_row(const train_layer *l, const dense_layer *d, size_t o, size_t *taps);
/* Values of one average or sum, and by how much it is less than their sum. */
size_t train_fold_values(const train_layer *l);
double train_fold_parts(const train_layer *l);

/* Teachers (train_teacher.c). One that is to be trained, with those options. */
int train_has_teacher(const train_options *o);
annulus_status train_teacher_check(const train_options *o) __attribute__((warn_unused_result));
void train_teacher_options(const train_options *o, train_options *out);
/* Scores (count,outputs) of n for the samples as they are, of regressions standardised, freed by the caller. */
annulus_status train_taught(const network *n, const dataset *d, const train_data *t, unsigned threads, float **out)
    __attribute__((warn_unused_result));
/* A teacher that there is, beside a network that sees its samples moved: its scores are made batch by batch. */
typedef struct train_tutor {
    const network *n; /* borrowed, as are the others */
    const dataset *d;
    const train_data *t; /* of the network that is trained */
    unsigned threads;
    train_move *moves; /* (batch) */
    float *soft;       /* (batch,outputs) */
} train_tutor;
annulus_status train_tutor_create(const network *n, const dataset *d, const train_data *t, size_t batch,
                                  unsigned threads, train_tutor *out) __attribute__((warn_unused_result));
void train_tutor_clear(train_tutor *u);
/* soft, of the rows as train_forward moves them with this key and salt. */
annulus_status train_tutor_score(train_tutor *u, const train_source *s, size_t rows, uint64_t key, uint64_t salt)
    __attribute__((warn_unused_result));

/* Number among the taps of layer i of a network, before each is spread over its parts, of weight k of a row. */
size_t train_conv_tap(const train_model *m, size_t i, size_t k);

/* Options with the shape of o->from, which fits the data; *out = *o without it. */
annulus_status train_from_options(const dataset *d, const train_options *o, train_options *out)
    __attribute__((warn_unused_result));
/* Features, task and classes are those of the data. */
annulus_status train_from_fits(const network *n, const dataset *d) __attribute__((warn_unused_result));
void train_from_input(const network *n, train_data *t);
void train_from_shape(const network *n, size_t i, train_layer *l);
/* The same function as the network's, up to single precision. */
annulus_status train_from_fill(const network *n, const train_data *t, train_model *m)
    __attribute__((warn_unused_result));

/* What accumulators allow (train_bound.c). */
annulus_status train_bound_init(train_model *m, const train_data *t, const train_options *o)
    __attribute__((warn_unused_result));
void train_bound_at(train_model *m, double at); /* at: part of the training that is done, [0,1] */
int train_bounds(const train_layer *l);
/* Row o of wq and its scale from w, within the bounds. */
void train_bound_row(train_layer *l, size_t o);
/* Every sum of n is within bits (0: any), but those of waves and of scores behind them. */
annulus_status train_bound_check(const network *n, unsigned bits) __attribute__((warn_unused_result));

/* Noise in the forward pass (train_noise.c), of all layers. t: of targets, for the noise of scores. */
annulus_status train_noise_init(train_model *m, const train_data *t, const train_options *o)
    __attribute__((warn_unused_result));
/* As train_noise_init sets it, from what a circuit of the same shape is predicted to have (train_noise_of.c). */
annulus_status train_noise_take(train_model *m, const train_data *t, const circuit *c)
    __attribute__((warn_unused_result));
/* cell of a layer whose inv is that of the batch. */
void train_noise_cells(train_model *m, size_t layer);
/* z (out) as the look-ups read it. */
void train_noise_row(const train_layer *l, train_random *r, float *z);
void train_noise_follow(train_model *m, size_t rows);

int train_bound_settled(const train_model *m); /* as in the end */

double train_rate(const train_options *o, uint64_t step, uint64_t steps);
/* t: number of the step, from 1. */
annulus_status train_adam(train_model *m, double rate, double decay, uint64_t t) __attribute__((warn_unused_result));
annulus_status train_sgd(train_model *m, double rate, double momentum, double decay)
    __attribute__((warn_unused_result));
annulus_status train_class_weights(const train_data *t, const train_options *o, float *weight)
    __attribute__((warn_unused_result));

/* Parameters of the epoch of the best validation. */
typedef struct train_best {
    float *x; /* NULL: not kept */
    unsigned epoch;
    double score;
} train_best;
annulus_status train_best_create(const train_model *m, train_best *out) __attribute__((warn_unused_result));
void train_best_store(const train_model *m, unsigned epoch, double score, train_best *b);
void train_best_restore(const train_best *b, train_model *m);
#define TRAIN_CHECKPOINT_MARK "annulus-training"
#define TRAIN_CHECKPOINT_VERSION 4u
/* Of all that decides where training from the model's present parameters leads. */
annulus_status train_digest(const train_model *m, const train_data *t, const train_options *o,
                            uint8_t out[SHA256_BYTES]) __attribute__((warn_unused_result));
annulus_status train_checkpoint_write(const char *path, const uint8_t digest[SHA256_BYTES], const train_epoch *history,
                                      unsigned epochs, const train_model *m, const train_best *best)
    __attribute__((warn_unused_result));
/* *epochs: that are done, 0 if there is no such file; history (o->epochs): what was reported of them. */
annulus_status train_checkpoint_read(const char *path, const uint8_t digest[SHA256_BYTES], const train_options *o,
                                     train_epoch *history, unsigned *epochs, train_model *m, train_best *best)
    __attribute__((warn_unused_result));

/* Of hidden layer i. */
static inline train_activation train_activation_of(const train_options *o, size_t i)
{
    train_activation a = {.act = o->act, .rise = o->rise, .bits = o->activation_bits};
    if (o->layer_acts_count > 0) a = o->layer_acts[i];
    if (a.offsets == 0) a.offsets = activation_is_wave(a.act) ? o->offsets : 1;
    return a;
}
/* Whether some hidden layers, or all of them, are of waves; without any: whether the activation is one. */
int train_any_waves(const train_options *o);
int train_all_waves(const train_options *o);

/* Clipping and powers of two (train_clip.c). The nearest by its logarithm, of a positive number. */
float train_power_of_two(float x);
/* The least magnitude that no more than `most` of those of x (n) exceed. */
float train_threshold(const float *x, size_t n, size_t most);
/* The least magnitude that no more than 1 - part of those of x (n) that are not 0 exceed. */
float train_percentile(const float *x, size_t n, float part);
void train_clip_follow(train_model *m, size_t rows);
annulus_status train_clip_start(train_model *m, const train_source *source, size_t rows)
    __attribute__((warn_unused_result));
/* Of weights whose scales are learnt: where they begin; from the gradients at wq in w.g, of rows first..first+count,
 * those at the weights, and of the scales of the rows; those of a common scale from those of its rows. */
annulus_status train_clip_learn(train_model *m) __attribute__((warn_unused_result));
void train_clip_gradients(train_layer *l, size_t first, size_t count);
void train_clip_join(train_layer *l);
float train_step_scale(const train_layer *l); /* of the values */
void train_gains(train_layer *l);             /* gain, inv and scale being those of the batch */

/* Thresholds of labels (train_labels.c). */
annulus_status train_thresholds_check(const train_data *t, const train_options *o) __attribute__((warn_unused_result));
/* n's scores less what they are compared with. */
annulus_status train_thresholds(const train_data *t, const train_options *o, network *n)
    __attribute__((warn_unused_result));
/* The scores of a model that goes on from a network as they were before. */
void train_thresholds_out(const train_options *o, train_model *m);

/* Activations (train_act.c), waves apart. */
int train_act_signed(const train_activation *a); /* its values' quantizer; of waves, too */
int train_act_bounded(activation a);             /* its values, by 1 */
float train_act(const train_layer *l, float u);
/* v: of u. */
float train_act_slope(const train_layer *l, float u, float v);
float train_function_slope(const function *f, float u);

/* Waves (train_wave.c). The phase of a neuron is u = wq (x - center) + beta with wq = gamma * w/(|w| wide), quantized
 * by a common step of the layer that the circuit can keep. center and wide follow the batches. */
static inline int train_has_waves(const train_layer *l)
{
    return activation_is_wave(l->act);
}
float train_wave(const train_layer *l, float u);
/* Slope of the wave at u; of square that of the trapezoid of the same rise. */
float train_wave_slope(const train_layer *l, float u);
/* wq, not yet quantized, inv_norm. */
void train_wave_weights(train_layer *l);
void train_wave_base(train_layer *l);
/* center, wide and gamma of all layers of waves from one batch: phases of standard deviation m->spread about 0. */
annulus_status train_wave_start(train_model *m, const train_source *source, size_t rows)
    __attribute__((warn_unused_result));
/* center and wide of all layers of waves from one batch of a model that counts from 0 and has wide 1; beta and gamma
 * take them up. */
annulus_status train_wave_center(train_model *m, const train_source *source, size_t rows)
    __attribute__((warn_unused_result));
/* z of the layer -> u, v, y. */
annulus_status train_wave_forward(train_model *m, size_t layer, size_t rows, uint64_t salt)
    __attribute__((warn_unused_result));
/* dy of the layer -> dz, the gradient of beta. */
annulus_status train_wave_backward(train_model *m, size_t layer, size_t rows) __attribute__((warn_unused_result));
/* w.g of the rows first..first+count: of what arrives on entry, of what it is about center on return. */
void train_wave_counted(train_layer *l, size_t first, size_t count);
/* w.g of the rows first..first+count: gradient at wq on entry, at w on return; gamma.g. */
void train_wave_gradients(train_layer *l, size_t first, size_t count);
/* Doubles of room for the sums of a layer's inputs. */
size_t train_wave_means(const train_layer *l, size_t batch);
/* center of the layers behind waves and wide follow the batch, whose gradients have been taken. */
annulus_status train_wave_follow(train_model *m, size_t rows) __attribute__((warn_unused_result));
/* Folds statistics and batch normalisation into a new network. */
annulus_status train_fold(const train_model *m, const train_data *t, network **out) __attribute__((warn_unused_result));
/* Outputs (count,outputs) of `net` for the prepared samples order[0..count): network_apply, with exact sums; with the
 * layers' noise on the phases of waves, drawn from key `noise` unless it is 0. */
annulus_status train_outputs(const network *net, const train_data *t, const size_t *order, size_t count,
                             unsigned threads, uint64_t noise, double *y) __attribute__((warn_unused_result));
/* Most samples that train_outputs takes at once for reasons of memory: of dense networks any. */
size_t train_held_samples(const network *net);
/* Accuracy or R^2 on the held-out samples, noise as above; NaN without any. */
annulus_status train_score(const network *net, const train_data *t, unsigned threads, uint64_t noise, double *out)
    __attribute__((warn_unused_result));
/* The noise of the last layer of `net`: TRAIN_SCORE_LOSS lost on the held-out samples, or, without any, on the others.
 */
annulus_status train_score_noise(network *net, const train_data *t, unsigned threads, uint64_t noise)
    __attribute__((warn_unused_result));
/* The key that all randomness of a seed comes from. */
annulus_status train_key(uint64_t seed, uint64_t *out) __attribute__((warn_unused_result));
/* Between them OpenBLAS takes one thread a call, in every thread of the process; what it took before it takes again
 * when the last of those that are at work is done (train_blas.c). */
void train_blas_begin(void);
void train_blas_end(void);
#endif
