/* Network -> circuit: ranges, rounding, fused tables, parameters. */
#ifndef NN_LOWER_H
#define NN_LOWER_H

#include "base/progress.h"
#include "circuit/circuit.h"
#include "circuit/share.h"
#include "nn/network.h"

/* log2 of the error probability of each look-up of one layer (of each score, of "output"). */
typedef struct layer_error {
    const char *layer; /* "layer 1", ..., "output"; borrowed */
    double log2_error;
} layer_error;

/* How accumulators are rounded (docs/rounding.md): read from wide cells, whatever their noise; or their low bits taken
 * off first, a look-up a bit. */
typedef enum rounding_method {
    ROUNDING_UNSAID,
    ROUNDING_APPROXIMATE,
    ROUNDING_EXACT,
    ROUNDING_AUTO /* of network_lower_auto alone */
} rounding_method;

/* Rounding of one layer of look-ups: at most 2^bits cells, bits in [1, 12]; 0: none. */
typedef struct layer_rounding {
    const char *layer; /* "layer 1", ...; borrowed */
    unsigned bits;
    rounding_method method; /* unsaid: that of the others */
} layer_rounding;

#define LOWER_MAX_PHASE_NOISE 0.25
#define LOWER_SHARE_ANY (1u << SHARE_MIXED | 1u << SHARE_SLOTS | 1u << SHARE_BOTH)

#define LOWER_MOST_ROUNDING 12u /* bits */

typedef struct lower_options {
    int ranges_measured; /* 1: measured range widened by margin; 0: proven */
    int saturate; /* 1: tables have the cells that all sums beyond measured ranges need to get the value of their end */
    double margin;          /* fraction of the measured width added at each side, default 0.1 */
    unsigned rounding_bits; /* cells <= 2^rounding_bits, 1..12; 0: no rounding (one cell per accumulator value) */
    const layer_rounding *layer_roundings; /* (layer_roundings_count) of the layers that have their own; borrowed */
    size_t layer_roundings_count;
    rounding_method
        method;           /* of the layers that have none of their own; unsaid: approximate, exact with shared_output */
    unsigned output_bits; /* resolution of decrypted scores: half a cell of range/2^output_bits is held with p_error;
                             the   scores themselves never wrap: their period spans the proven range */
    error_target target;
    double log2_error;
    const layer_error *layer_errors; /* (layer_errors_count) of the layers that have their own; borrowed */
    size_t layer_errors_count;
    double
        phase_noise;   /* bound on the standard deviation of the phases of torus-native look-ups, in periods, at most
                          LOWER_MAX_PHASE_NOISE; 0: what each layer was trained to bear, or 2^-5 if that is not known */
    int wrap_clamps;   /* 1: functions that are level at both ends may be waves, where that is predicted to be better;
                          needs a phase_noise */
    int shared_output; /* 1: scores may be shown to others: no approximate rounding, scores exact, every failure <=
                          2^-128 */
    security_level level;
    search_objective minimize;
    unsigned top_1_bits;    /* answers are the label alone, found among scores of 2^bits values (top_1.h), 1..10; 0: the
                               network's, of one that asks for it by itself with TOP_1_BITS */
    unsigned share_ways;    /* by which look-ups on one sum may share rotations: bits 1 << share_way; 0: none does */
    int tables_whole;       /* 1: tables span the whole range, even where a narrower one is right by its continuation */
    uint32_t families_most; /* families of keys: 1, or 2 where they pay, which takes the search longer */
    unsigned threads;       /* of an inference, whose predicted seconds are minimized; 0: all */
    const annulus_progress *progress; /* borrowed; NULL: none */
    int compiles_remedies; /* 1: where there are no parameters, what helps is tried and timed by compiling with it,
                              which takes as long as that; 0: by the circuit at hand */
} lower_options;
/* What holds of a layer. */
layer_rounding lower_rounding(const lower_options *o, const char *layer);
void lower_options_init(lower_options *o); /* measured, 0.1, 5, 6, per look-up 2^-40, 128, seconds, any, 2 */

/* calibration (count, inputs) raw samples; refused when fewer than 32 of them differ (measured ranges and answers that
 * are the label alone; distinct.h) or when a measured layer is constant;
 * an unknown layer in layer_errors or layer_roundings is ANNULUS_ERR_INPUT and lists the layers.
 * The table entry of a cell is the quantized activation at the cell's middle value. Exact rounding adds layers "layer 1
 * b0", "layer 1 b1", ... before the layer, one for each bit that goes (ANNULUS_ERR_INFEASIBLE: more layers than
 * CIRCUIT_MAX_LAYERS, or accumulators of more than LINEAR_MAX_WEIGHT values).
 *
 * Layers of waves become torus-native: no range, no rounding, 256 cells over half a period. Scores behind them keep to
 * a bound on their standard deviation instead of output_bits and the error probability, unless layer_errors has one of
 * "output": the noise that the network states for its last layer, or that of values with a deviation of 1/16 of their
 * amplitude. ANNULUS_ERR_INPUT as well: a quantizer that cuts off a part of a wave, an error probability or a rounding
 * for a torus-native layer, waves with shared_output. */
annulus_status network_lower(const network *n, const float *calibration, size_t count, const lower_options *options,
                             circuit **out) __attribute__((warn_unused_result));
#endif
