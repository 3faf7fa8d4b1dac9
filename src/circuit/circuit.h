/* The integer program that runs under encryption: linear layers over integers, each but the last followed by one table
 * look-up per neuron. Clear, simulated and encrypted runs share this one meaning.
 *
 * The inputs of a layer are the values of its sources, one source behind the other: the circuit's input or earlier
 * layers. Every layer but the last is the source of a later one, and all that take values of one source have one torus
 * word of an accumulator unit, in which the values are encoded.
 *
 * Meaning of a hidden layer, neuron o with table t = table[table_of[o]], integer inputs x:
 *   acc  = sum_i W[o,i] x[i]                                  (exact integers; W: linear.h)
 *   cell = floor((acc + offset[o]) / step)                    (step > 1 is rounding, unless all acc are multiples of
 * it) y[o] = t[cell] for 0 <= cell < cells. Outside that range the look-up is antiperiodic around mid2[o]/2, mid2[o] =
 * t[0] + t[cells-1]: with c = cell mod 2*cells, y = t[c] if c < cells, else mid2[o] - t[c-cells]. For tables that are
 * flat at both ends (every clamped quantizer) that is saturation. exec_stats counts such events and tells apart which
 * are. Under encryption: phase = (acc + offset[o] + 1/2) / (2*cells*step) of the torus; table entries are stored
 * centered, (2*table - mid2)/2 units of the next layer, and the next layer adds the constant back.
 * Exact rounding: low_bits = s > 0 layers before take the s low bits off, so that acc + offset is a multiple of step =
 * 2^s plus step/2, and phase = (acc + offset) / (2*cells*step), the middle of the cell. Each of these layers is
 * torus-native with one cell and a failure probability: its sum is the accumulator without the bits below, times the
 * word that has the bit at hand as its highest, and its shift brings that to 1/4 or 3/4 of the torus.
 * Split look-ups: split = s > 0 rotations read the s low bits of a cell, and one more the rest (tfhe/split.h); cells
 * are then a power of two and all sums in the middle of theirs, which circuit_may_split says. A torus-native layer
 * (unit != 0) has no range, padding or rounding; its accumulators wrap by design. In words mod 2^64: phase = acc*unit +
 * shift[o] cell  = (phase + 2^31) >> (63 - log2 cells)               (2^31: the keyswitch rounds to 2^32) y[o*offsets +
 * j] = T(cell + at[j]), j < offsets, all of one rotation; T(c) = table[c], T(c + cells) = mid2 - T(c) for 0
 * <= c < cells, of period 2*cells. Under encryption the phase is this word; entries are stored as (2*table - mid2)/2
 * units of the next layer. A layer of several tables on one accumulator (unit 0, offsets > 1) gives y[o*offsets + j] =
 * table[table_of[o*offsets + j]][cell], all of one rotation, of one table of which the others are shifts or sums
 * (mix.h; cells a power of two); or, with slot_bits > 0, table[table_of[o]][j][cell], of a rotation of `offsets`
 * tables side by side, in as many of 2^slot_bits slots (tfhe/bootstrap.h), or, where there are fewer slots, in one with
 * those that they are shifts of (mix.h; cells a power of two). Last layer: acc only
 * (decrypted): phase = (acc + offset[o]) / period of the torus in [-1/2, 1/2); value = real_scale[o]*acc +
 * real_bias[o]. */
#ifndef CIRCUIT_CIRCUIT_H
#define CIRCUIT_CIRCUIT_H

#include "base/bytes.h"
#include "circuit/linear.h"
#include "optimizer/remedies.h"
#include "tfhe/packed.h"
#include <math.h>
#include <stdint.h>

#define CIRCUIT_MAX_LAYERS 64u
#define CIRCUIT_MAX_WIDTH 65536u
#define CIRCUIT_MAX_CELLS 4096u
#define CIRCUIT_MAX_OUTPUT_BITS 32u
#define CIRCUIT_MAX_OFFSETS 16u
#define CIRCUIT_MAX_VALUE (1 << 16) /* of inputs and look-ups, at most */
#define CIRCUIT_SHARED_LOG2_ERROR (-128)

typedef struct circuit_layer {
    char name[32];
    size_t in, out;
    uint32_t sources[CIRCUIT_MAX_LAYERS]; /* (sources_count) 0: the circuit's input, s: layer s - 1; each once */
    size_t sources_count;
    circuit_linear linear;
    double *real_scale, *real_bias;     /* (out) real value of an accumulator = real_scale*acc + real_bias */
    int64_t *proven_lo, *proven_hi;     /* (out) interval arithmetic */
    int64_t *measured_lo, *measured_hi; /* (out) on the calibration data */
    int64_t *lo, *hi;                   /* (out) range that the encoding was made for (circuit_range_fits) */
    /* hidden layers */
    uint32_t cells;     /* table entries; 0 for the output layer */
    int64_t step;       /* accumulator units of a cell; 1 of torus-native layers */
    int64_t grid;       /* of padded look-ups: sums by which all changes of their functions, before rounding, are apart
                           at least, and multiples of; cells of a divisor lose nothing; 0: not known, or none */
    int64_t *offset;    /* (out) */
    size_t tables;      /* distinct ones, or lists of `offsets` of them if slot_bits > 0; 1 of torus-native layers */
    uint32_t *table_of; /* (out) number of a neuron's table, or list; (out*offsets) of a value's, if mixed */
    int32_t *table;     /* (tables,cells), or (tables,offsets,cells), integer inputs of later layers */
    uint64_t unit;      /* torus word of an accumulator unit, even, of torus-native layers; 0 of others */
    uint64_t *shift;    /* (out) torus words, of torus-native layers */
    uint32_t offsets;   /* values that a rotation gives, 1 to CIRCUIT_MAX_OFFSETS */
    uint32_t at[CIRCUIT_MAX_OFFSETS]; /* (offsets) of torus-native layers: cells between the looked up one and that of
                                         value j, below 2*cells, no two half a period apart or the same */
    int32_t mid2;       /* of torus-native layers: twice the centre that the table is antiperiodic about */
    uint32_t low_bits;  /* that layers before have taken off its sums: step = 2^low_bits; 0: none */
    uint32_t slot_bits; /* log2 of the slots of the tables that rotate, not 0: at least as many as mix_slots says */
    uint32_t split;     /* low bits of a cell that rotations of TFHE_LOW read; 0: whole look-ups */
    uint32_t EF, price; /* of its look-ups (tfhe/bootstrap.h) */
    uint32_t compares;  /* not 0: its cells are those of compared scores of so many bits (nn/top_1.h); no file has it */
    uint32_t family;    /* that does its look-ups; of outputs, whose they are: that of the last look-ups */
    /* output layer */
    int64_t period;       /* accumulator units of the whole torus */
    uint32_t output_bits; /* values are held to half of period/2^output_bits with p_error */
    char activation[16];  /* for people: "relu", ... */
    char op[64];          /* for people: "conv 3x3 stride 2", ... */
    linear_shape shape;   /* for people; linear_shape_values of in and out */
    double log2_error;    /* own bound on the failure of a look-up or output, 0: that of choice.log2_error */
    double noise;         /* bound on the standard deviation, fraction of the torus, in place of a failure's: of the
                             phases of waves' look-ups (> 0), of scores behind them; 0: a failure's */
    packed_size packed;   /* products by which it takes the circuit's inputs (intake.h); 0: one by one, or none */
} circuit_layer;

/* Multi-label: a sample has the labels whose scores are above 0. */
/* top-1: classification whose outputs are 1 for the label and 0 for the others, and say nothing else. */
typedef enum circuit_task {
    CIRCUIT_CLASSIFICATION = 0,
    CIRCUIT_REGRESSION = 1,
    CIRCUIT_MULTI_LABEL = 2,
    CIRCUIT_TOP_1 = 3
} circuit_task;

typedef struct circuit_input {
    size_t features;
    double *shift, *gain; /* (features) x' = (x - shift)*gain */
    double scale;         /* q = floor(x'/scale + 1/2), refused or clamped outside [lo,hi] */
    int32_t lo, hi;       /* integer inputs of the first layer */
} circuit_input;

/* What compilation took out (nn/pass.h), and tables that were those of other neurons of the layer: for people. */
typedef struct circuit_passes {
    uint32_t constant, dead, equal; /* neurons */
    uint32_t layers, tables;
    uint32_t rotations; /* of look-ups that have those of others now (share.h) */
} circuit_passes;

typedef struct circuit {
    circuit_input input;
    size_t layers_count;
    circuit_layer *layers;
    circuit_task task;
    char **labels; /* (outputs) names of the classes or targets, never NULL */
    size_t calibration_count;
    int ranges_measured; /* 0 proven, 1 measured */
    int saturates; /* 1: of look-ups, sums beyond lo..hi that are within the proven range have the value of the end
                      next to them; 0: the continuation of the table */
    error_target target;
    double log2_error; /* asked for */
    security_level level;
    circuit_passes passes;
    optimizer_result choice; /* parameters and predictions */
    uint32_t input_bits;     /* of a packed input's body that are kept, a multiple of 8; 64 until circuit_predict */
    int inputs_packed;       /* no layer takes inputs one by one (intake.h); 0 until circuit_predict */
    uint8_t digest[32];      /* SHA-256 of everything that is written; binds keys and ciphertexts to the circuit */
} circuit;

/* All zero, but input_bits. */
annulus_status circuit_create(size_t layers, circuit **out) __attribute__((warn_unused_result));
/* Allocates the arrays of one layer whose in, out, cells (0 for the last layer), tables and unit are set, linear apart;
 * offsets of 0 become 1. Tables of 0 become 1 if unit is not 0, else one for each neuron. */
annulus_status circuit_layer_create(circuit_layer *layer) __attribute__((warn_unused_result));
/* Those that hidden layers have besides, of a layer whose cells were not known then. */
annulus_status circuit_tables_create(circuit_layer *layer) __attribute__((warn_unused_result));
void circuit_layer_clear(circuit_layer *layer); /* frees what it holds */
void circuit_destroy(circuit *c);
void circuit_write(writer *w, const circuit *c);
/* Validates every field, recomputes nothing but the digest; parameters are checked against the security curve. */
annulus_status circuit_read(reader *r, circuit **out) __attribute__((warn_unused_result));
annulus_status circuit_digest(circuit *c) __attribute__((warn_unused_result)); /* sets c->digest */
/* Torus-native layers are of two kinds. Of waves: what they answer depends on noise by design, whose deviation is
 * bounded. Of bits (exact rounding): one cell, and a failure probability. */
static inline int circuit_is_wave(const circuit_layer *l)
{
    return l->unit != 0 && l->cells > 1;
}
static inline int circuit_is_bit(const circuit_layer *l)
{
    return l->unit != 0 && l->cells == 1;
}
/* Half units that a look-up's phase is above its sum and offset, of layers that are not torus-native. */
static inline int circuit_half_units(const circuit_layer *l)
{
    return l->cells != 0 && l->low_bits == 0;
}
/* Values of a layer whose tables have the same entries have one, and tables that no value has go. *shared: of the
 * former. */
annulus_status circuit_share_tables(circuit *c, size_t *shared) __attribute__((warn_unused_result));
/* The layers as the optimizer sees them; out has layers_count entries. */
annulus_status circuit_lookup_layers(const circuit *c, lookup_layer *out) __attribute__((warn_unused_result));
/* Most low bits by which a layer's look-ups may be split; 0: whole ones only. */
uint32_t circuit_may_split(const circuit_layer *l);
/* entries (cells) <- those of a table as split tables have them, CIRCUIT_MAX_VALUE more than the layer's. */
void circuit_split_entries(const circuit_layer *l, size_t table, uint32_t *entries);
/* Sets choice to what its families promise for these layers, their families, EF and prices; log2_error stays. Then
 * chooses how inputs are taken (intake.h), and input_bits: the fewest whole bytes with which rounding adds at most
 * 2^-16 to the variance of the phases of any layer that takes inputs. */
annulus_status circuit_predict(circuit *c) __attribute__((warn_unused_result));
/* Which values are of one family (out has layers_count entries): those that one layer takes, inputs and the values of
 * layer 0, and as many more as it takes for each group to follow one other. */
void circuit_links(const circuit *c, layer_link *out);
/* Runs the search on circuit_lookup_layers, of families_most families at most; stores choice, and family, split, EF
 * and price of each layer; keyswitches that no look-up needs are left out of the families. Then packs the answers
 * (optimizer_answers) in what is left of their bound on noise, a fiftieth of the seconds or half a millisecond each,
 * and a key of an eighth of the others, sent and expanded, or 1 and 24 MB; not at all where that is not less. threads:
 * of an inference, whose seconds are minimized (0: all). log2_error_most: as of optimizer_request.
 * ANNULUS_ERR_INFEASIBLE: helps, unless NULL, is what would help, with circuit_seconds; the choice is then of no use.
 */
annulus_status circuit_choose_parameters(circuit *c, search_objective minimize, uint32_t families_most,
                                         unsigned threads, double log2_error_most, remedies *helps)
    __attribute__((warn_unused_result));
/* Quantizes one raw sample. saturate 0: a value outside the range is ANNULUS_ERR_INPUT naming the feature and the
 * range; NaN is always refused. */
annulus_status circuit_quantize(const circuit *c, const float *x, int saturate, int32_t *q)
    __attribute__((warn_unused_result));
/* Whether the answer is one label. */
static inline int circuit_classifies(const circuit *c)
{
    return c->task == CIRCUIT_CLASSIFICATION || c->task == CIRCUIT_TOP_1;
}
/* Values that later layers take. */
static inline size_t circuit_values(const circuit_layer *l)
{
    return l->out * l->offsets;
}
/* Sets `at` of a torus-native layer: half a period in equal parts. */
static inline void circuit_spread(circuit_layer *l)
{
    for (uint32_t j = 0; j < l->offsets; j++) l->at[j] = (2 * j * l->cells + l->offsets) / (2 * l->offsets);
}
/* Steps of a cell in a rotation by a ring of degree N: whole, where values are read at places of the table. */
static inline uint32_t circuit_cell_steps(const circuit_layer *l, uint32_t N)
{
    return (l->EF * N >> l->slot_bits) / l->cells;
}
/* Coefficient of value j of a rotation, of as many steps a cell and parts, by tables that have a slot each or a wave
 * that is read at several places; not of those that values share (mix.h). */
static inline uint32_t circuit_coefficient(const circuit_layer *l, uint32_t j, uint32_t steps, uint32_t EF)
{
    return l->slot_bits > 0 ? j * EF : l->at[j] * steps;
}
/* Whether several tables are read by a rotation of one (mix.h). */
static inline int circuit_is_mixed(const circuit_layer *l)
{
    return l->unit == 0 && l->offsets > 1 && l->slot_bits == 0;
}
/* Whether values share slots: fewer tables than values rotate side by side, and others are read as their shifts. */
static inline int circuit_shifts_slots(const circuit_layer *l)
{
    return l->slot_bits > 0 && l->offsets > 1u << l->slot_bits;
}
/* Tables side by side that one number stands for. */
static inline size_t circuit_slots_used(const circuit_layer *l)
{
    return l->slot_bits > 0 ? l->offsets : 1;
}
/* Entries of those. */
static inline size_t circuit_table_entries(const circuit_layer *l)
{
    return circuit_slots_used(l) * l->cells;
}
/* Entries of table_of. */
static inline size_t circuit_tabled(const circuit_layer *l)
{
    return circuit_is_mixed(l) ? circuit_values(l) : l->out;
}
/* The table of value v, which of torus-native layers is read at[v % offsets] cells on. */
static inline const int32_t *circuit_value_table(const circuit_layer *l, size_t v)
{
    const size_t slot = l->slot_bits > 0 ? v % l->offsets : 0;
    return l->table + l->table_of[circuit_is_mixed(l) ? v : v / l->offsets] * circuit_table_entries(l) +
           slot * l->cells;
}
/* Twice its centre. */
static inline int64_t circuit_value_mid2(const circuit_layer *l, size_t v)
{
    const int32_t *t = circuit_value_table(l, v);
    return l->unit != 0 ? l->mid2 : (int64_t)t[0] + t[l->cells - 1];
}
/* Of the first value of neuron o. */
static inline const int32_t *circuit_table(const circuit_layer *l, size_t o)
{
    return circuit_value_table(l, o * l->offsets);
}
static inline int64_t circuit_mid2(const circuit_layer *l, size_t o)
{
    return circuit_value_mid2(l, o * l->offsets);
}
/* Whether output_bits resolve one unit of the accumulators: decrypted scores are the integers they were. */
static inline int circuit_exact_output(const circuit *c)
{
    const circuit_layer *l = &c->layers[c->layers_count - 1];
    return INT64_C(1) << l->output_bits >= l->period;
}
/* Noise, as a fraction of the torus, beyond which a look-up or an output of the layer fails: half a cell; less half a
 * unit where every accumulator is a multiple of an even step, since none of them then lies in the middle of a cell. */
double circuit_half_window(const circuit_layer *l);
/* How much nearer borders of its tables' cells may lie, as these are on steps of the rotation that its parameters have
 * (lut_border): fraction of the torus; 0 of outputs and of cells that are a power of two. */
double circuit_border(const circuit *c, const circuit_layer *l);
/* Half window of the deciding phase by its parameters: the above less the border's part; of split look-ups that of the
 * last rotation, half a high part, as much less. */
double circuit_last_window(const circuit *c, const circuit_layer *l);
/* Whether accumulators of several values may have one cell, or lie anywhere in it (approximate rounding); else all,
 * without the low bits that are taken off, are multiples of the step, in the middle of their cells. */
int circuit_rounds(const circuit_layer *l);
/* log2 of the bound that holds for each look-up (or output) of a layer. */
static inline double circuit_bound(const circuit *c, const circuit_layer *l)
{
    return l->log2_error < 0 ? l->log2_error : c->choice.log2_error;
}
/* Values of a source. */
static inline size_t circuit_source_values(const circuit *c, size_t source)
{
    return source == 0 ? c->input.features : circuit_values(&c->layers[source - 1]);
}
/* The first and the last layer that take values of a source; layers_count: none. */
size_t circuit_first_use(const circuit *c, size_t source);
size_t circuit_last_use(const circuit *c, size_t source);
/* Accumulator units of the whole torus, of layers that are not torus-native. */
static inline int64_t circuit_window(const circuit_layer *l)
{
    return l->cells == 0 ? l->period : 2 * (int64_t)l->cells * l->step;
}
/* Family whose big key the values of a source are under: inputs are fresh encryptions of that of layer 0. */
static inline uint32_t circuit_family(const circuit *c, size_t source)
{
    return c->layers[source == 0 ? 0 : source - 1].family;
}
/* That of the inputs of layer i, which is one. */
static inline uint32_t circuit_source(const circuit *c, size_t i)
{
    return circuit_family(c, c->layers[i].sources[0]);
}
/* Variance on the torus of an input as it is sent: its encryption's, and what rounding its body adds. */
double circuit_input_noise(const circuit *c);
/* Parameters that inputs are encrypted with, and those of the answers. */
static inline const tfhe_params *circuit_inputs(const circuit *c)
{
    return &c->choice.families.of[c->layers[0].family];
}
static inline const tfhe_params *circuit_outputs(const circuit *c)
{
    return &c->choice.families.of[c->layers[c->layers_count - 1].family];
}
/* Whether the look-ups of some layer switch from the big key of a family into the small key of one. */
int circuit_switches(const circuit *c, uint32_t from, uint32_t into);
/* Variance on the torus that the keyswitch and the modulus switch of hidden layer i add; of split look-ups those of the
 * last rotation, and what takes the low bits off. */
double circuit_switch_noise(const circuit *c, size_t i);
static inline size_t circuit_layer_rotations(const circuit_layer *l)
{
    return l->cells == 0 ? 0 : l->out * (l->split + 1);
}
/* Rotations of an inference, in the layers before `layer`: look-ups on one accumulator share one. */
static inline size_t circuit_rotations_before(const circuit *c, size_t layer)
{
    size_t count = 0;
    for (size_t i = 0; i < layer; i++) count += circuit_layer_rotations(&c->layers[i]);
    return count;
}
/* Values of a layer that differ: where some rotations give fewer of them than others, they give their first again. */
size_t circuit_layer_look_ups(const circuit_layer *l);
static inline size_t circuit_look_ups(const circuit *c) /* of an inference */
{
    size_t count = 0;
    for (size_t i = 0; i < c->layers_count; i++) count += circuit_layer_look_ups(&c->layers[i]);
    return count;
}
static inline size_t circuit_waves(const circuit *c) /* layers of waves */
{
    size_t count = 0;
    for (size_t i = 0; i < c->layers_count; i++) count += circuit_is_wave(&c->layers[i]) != 0;
    return count;
}
double circuit_largest_bound(const circuit *c); /* of all layers that have one on failures */
/* log2 of the failure of an inference all of whose look-ups and outputs fail with their bounds, log2_error of the
 * layers without their own; but those with a bound on noise. And the log2_error at which it is log2_global: 0: all have
 * their own, NAN: these exceed it. */
double circuit_global_error(const circuit *c, double log2_error);
double circuit_shared_error(const circuit *c, double log2_global);
/* Scores may be shown to others (SECURITY.md): exact, without approximate rounding or waves, bounds at most
 * CIRCUIT_SHARED_LOG2_ERROR. */
int circuit_shared_output(const circuit *c);
static inline const circuit_layer *circuit_last(const circuit *c)
{
    return &c->layers[c->layers_count - 1];
}
#endif
