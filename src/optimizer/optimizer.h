/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter search: the best secure families of keys, one or two, and per look-up layer its family, extension factor
 * and price. */
#ifndef OPTIMIZER_OPTIMIZER_H
#define OPTIMIZER_OPTIMIZER_H

#include "optimizer/cost.h"
#include "optimizer/noise.h"
#include "optimizer/security.h"
#include "tfhe/split.h"

#define OPTIMIZER_MAX_LAYERS 64u

/* One layer of look-ups (or, with count 0 look-ups and is_output 1, values that are decrypted). */
typedef struct lookup_layer {
    const char *name;   /* for messages; borrowed */
    double half_window; /* largest phase error that still hits the right cell, fraction of the torus: 1/(4*cells)
                           padded. Of cells that are no power of two less lut_border steps of their rotation, which the
                           search counts */
    double two_norm;    /* largest two-norm of integer weights over bootstrapped inputs, 0 if none */
    /* With a share q of the noise of bootstraps that coefficients of one accumulator have in common (noise_common) the
     * square of two_norm is q*common more; 0 where values have rotations of their own. */
    double common;
    double fresh_two_norm; /* the same over freshly encrypted inputs */
    double cells;          /* number of cells of the table: EF*N/2^slot_bits must be >= 2*cells */
    uint32_t slot_bits;    /* log2 of the tables that its rotations turn together (tfhe/bootstrap.h) */
    size_t count;          /* look-ups (1 per neuron), or decrypted values; >= 1 */
    double weights;        /* of the linear layer before them: as many as take its time (cost.h), 0 if none */
    int is_output;         /* decrypted, not bootstrapped: no keyswitch and modulus-switch noise */
    double log2_error;     /* log2 of the layer's own bound on the failure of one look-up; 0: the request's */
    /* Bounds on standard deviations, fractions of the torus; 0: not asked for. */
    double phase_std;  /* of the deciding phase, in place of every error probability; excludes log2_error */
    double output_std; /* of what its look-ups' bootstraps add to their outputs, besides the other; not of outputs */
    uint32_t compares; /* not 0: its cells are those of scores of so many bits that are compared, which no rounding
                          and no weights change */
    /* Split look-ups (tfhe/split.h), whose sums lie on cells, a power of two: */
    uint32_t split_most;                      /* low bits that may be read by rotations of their own; 0: none */
    split_amplified amplified[SPLIT_MAX_LOW]; /* by s low bits, [s - 1]: the bound of its tables */
} lookup_layer;

/* Where a layer's inputs come from. Groups: of values that one family has; 0: that of the circuit's inputs, which layer
 * 0 gives as well. Layers that give values of another group take those of it or all of one group before, and the first
 * of them does. */
typedef struct layer_link {
    uint32_t source;     /* one of its sources: 0 the circuit's inputs, s: layer s - 1 */
    uint32_t from, into; /* groups of the values that it takes and gives; the same of outputs */
} layer_link;

typedef enum error_target { ERROR_PER_LOOKUP, ERROR_GLOBAL } error_target;

/* What the sets are compared by. Bytes: of the evaluation key as it is sent, seeded; and of the expanded one with the
 * accumulator of the largest rotation. */
typedef enum search_objective { MINIMIZE_SECONDS, MINIMIZE_KEY, MINIMIZE_MEMORY } search_objective;

typedef struct optimizer_request {
    const lookup_layer *layers;
    size_t layers_count;
    error_target target;
    double log2_error; /* log2 of p_error (per look-up) or of global_p_error (whole inference) */
    security_level level;
    uint32_t group;      /* key bits a step of the rotation; 0: the best of 1 to 3, more than 1 if every EF is 1 */
    uint32_t group_most; /* at most so many; 0: any */
    search_objective minimize;
    uint32_t families_most;  /* 0 or 1: one family; 2: two where they pay */
    const layer_link *links; /* (layers_count), or NULL: each layer takes the values of the one before */
    unsigned threads; /* MINIMIZE_SECONDS: those of an inference on so many, in its batches; 0: one, in large ones */
    double log2_error_most; /* that a remedy may name, where outputs must keep their bits as well; 0: any below 1 */
    struct remedies *helps; /* where there is no set: filled in with what helps; NULL: that is not looked for */
} optimizer_request;

/* The link of layer i, given that of the layer before (any if i = 0). */
layer_link optimizer_link(const optimizer_request *q, size_t i, const layer_link *before);

typedef struct layer_choice {
    uint32_t family;     /* that does its look-ups; of outputs that of the values they are decrypted from */
    uint32_t split;      /* low bits that rotations of TFHE_LOW read; 0: whole look-ups */
    uint32_t EF, price;  /* 0 for outputs; of split look-ups those of the last rotation */
    double phase_std;    /* predicted standard deviation of the deciding phase; of split look-ups of the last */
    double output_std;   /* predicted, of its look-ups' outputs, at most; 0 for outputs */
    double log2_failure; /* predicted failure probability of one look-up: that a phase leaves its half window */
    double seconds;      /* predicted, one core, whole layer with its weights */
} layer_choice;

typedef struct optimizer_result {
    tfhe_families families;
    layer_choice layers[OPTIMIZER_MAX_LAYERS];
    double log2_error;          /* bound held for one look-up of the layers without their own */
    double log2_global_failure; /* of one inference, without the layers that have a phase_std */
    double seconds;             /* predicted, one core, one inference */
    double key_bytes;           /* of the evaluation key, seeded */
    double memory_bytes;        /* of the expanded one and the accumulator of the largest rotation */
} optimizer_result;

/* The best set whose every layer keeps to its bounds: a failure probability, or standard deviations. With ERROR_GLOBAL
 * the probability of the layers without their own is the largest (to 1 %) at which the failures of the set that is best
 * there, 1 - prod(1 - p) over all look-ups and outputs but those of layers with a phase_std, stay within log2_error.
 *
 * - One family: exact over k <= 6, N = 2^8..2^12, k N = 512..4096, n = 450, 452..1300, g, gadgets of least noise for
 *   their levels, and every EF and price; each layer's EF and price are the fastest that the keys allow.
 * - Two (families_most = 2): exact over all pairs of these, on the same grid, with every gadget of the up to four
 *   keyswitches; each group's family, each layer's EF and price are the fastest that the keys allow. Taken where the
 *   objective falls by more than 2 %, or where one is not enough. With ERROR_GLOBAL each pair counts at the largest
 *   probability, to 1 %, at which it keeps to the global one, and the best is looked for at six: half-way, in log2,
 *   between one that holds the global one whatever the set and that of one family, and five by equal steps down from
 *   the latter, or the first pair's if that is larger. A better pair would be better between two of these and not at
 *   the lower. Layers without their own have one probability: one for each kind of look-ups would save up to 7 % of
 *   circuits of few layers (tests/test_pairs.c).
 * - Split look-ups (families_most = 2, MINIMIZE_SECONDS, layers with split_most): two families of one ring, grid and
 *   gadgets as for one, of which the second reads low bits. For one number of bits that are left, look-ups of more have
 *   as many as that, or split_most low ones taken off; all others are whole. Exact but that values of any layer count
 *   with the noise of the layer that has most; each rotation of a look-up has the same share of its failures; the merge
 *   adds at most a sixteenth to the variance of the rotations if any gadget of six levels does. With ERROR_GLOBAL at
 *   the largest probability, to 1 %, by halves. Taken where seconds fall by more than 2 % below those of the better of
 *   the above, or where there is none.
 * - Threads (MINIMIZE_SECONDS): the above are the best in large batches on one core, where nothing waits for keys. Of
 *   them, of the same with at most 2 and 1 key bits a step, and of the best of one family for each ring, key bits and
 *   levels of a step that take at most 1.5 times as long as the best, the one of fewest batches_seconds (batches.h);
 *   two families and split look-ups where that falls by more than 2 %. With ERROR_GLOBAL the latter hold it at the
 *   probability of the best.
 * - Near-ties, but for split look-ups: of the sets within 1 % of the fastest, each with its fastest keyswitches, that
 *   of the smallest seeded key; of the sets within 1 % of the least bytes the fastest; with ERROR_GLOBAL of those that
 *   hold it.
 *
 * ANNULUS_ERR_INPUT: a probability outside [2^-512, 1), own bounds that alone exceed the global one, a deviation that
 * is negative or not below 1, or where it has no meaning. ANNULUS_ERR_INFEASIBLE names the layer, what it asks for
 * (bits, two-norm, probability or deviation), the best reachable and, with `helps`, what would help, as little of it as
 * one family, or split look-ups, need, with the seconds of the set that the search then takes (remedies.h).
 * ANNULUS_ERR_MEMORY. */
annulus_status optimizer_search(const optimizer_request *request, optimizer_result *out)
    __attribute__((warn_unused_result));
/* The same prediction for given families and, of each layer (layers_count), family, EF and price (ignored for outputs;
 * EF = 1 if pbs_group > 1). layers may be out->layers. The failure of a layer with a phase_std is the probability that
 * its phase leaves half_window. */
void optimizer_predict(const optimizer_request *request, const tfhe_families *families, const layer_choice *layers,
                       optimizer_result *out);

/* log2 of the failure of `count` look-ups, 1 - (1 - p)^count, and of the p that makes it. */
double global_from_lookup_log2(double log2_p, double count);
double lookup_from_global_log2(double log2_global, double count);
#endif
