/* The three executions of a circuit. */
#ifndef CIRCUIT_EXEC_H
#define CIRCUIT_EXEC_H

#include "base/progress.h"
#include "circuit/circuit.h"
#include "math/torus.h"
#include "tfhe/key_set.h"
#include "tfhe/packed.h"

/* Torus fraction of one accumulator unit of a layer. */
static inline double exec_unit(const circuit_layer *l)
{
    if (l->unit != 0) return torus_to_double(l->unit);
    return 1.0 / (double)circuit_window(l);
}

/* Torus word of one accumulator unit, even so that half units are words too. */
static inline uint64_t exec_unit_word(const circuit_layer *l)
{
    return l->unit != 0 ? l->unit : torus_from_double(exec_unit(l) / 2) * 2;
}

/* Events of a run, of each layer over all samples. Torus-native layers have no range: what wraps there is no event. */
typedef struct exec_stats {
    uint64_t out_of_range[CIRCUIT_MAX_LAYERS]; /* look-ups (or output values) outside their range [lo, hi] */
    uint64_t saturated[CIRCUIT_MAX_LAYERS];    /* of these look-ups: beyond the table, answered by its end next to them;
                                                  of circuits that saturate: answered as the end of the range is */
    uint64_t wrapped[CIRCUIT_MAX_LAYERS]; /* of these look-ups: those answered by another entry; output values outside
                                             the period, which decrypt to others */
    /* simulation */
    uint64_t index_errors[CIRCUIT_MAX_LAYERS];  /* look-ups that hit another cell than the clear one of the same
                                                   accumulator; those of waves do not count */
    double errors_expected[CIRCUIT_MAX_LAYERS]; /* of the accumulators that were met; the same for any number of threads
                                                   up to rounding */
    uint64_t failures[CIRCUIT_MAX_LAYERS];   /* noise beyond half a cell (of an output: half of period/2^output_bits),
                                                what choice.layers[].log2_failure predicts at most; of split
                                                look-ups beyond the half window of a rotation; not of waves */
    double phase_square[CIRCUIT_MAX_LAYERS]; /* sum of the squared noise of the phases that look-ups of waves read,
                                                torus */
    uint64_t samples_erred, samples_failed;  /* samples with an index error, with a failure */
} exec_stats;

/* x (count, features) integers, out (count, outputs) accumulators of the last layer. stats may be NULL, else added to.
 */
annulus_status exec_clear(const circuit *c, const int32_t *x, size_t count, unsigned threads, double *out,
                          exec_stats *stats) __attribute__((warn_unused_result));
/* The same; reports samples, from the calling thread. */
annulus_status exec_clear_reported(const circuit *c, const int32_t *x, size_t count, unsigned threads,
                                   const annulus_progress *progress, double *out, exec_stats *stats)
    __attribute__((warn_unused_result));
/* The clear look-up of neuron o of a hidden layer: y (offsets). */
void exec_clear_look_up(const circuit_layer *l, size_t o, int64_t acc, int32_t *y);
/* The noise of the compiled parameters: every look-up output carries the noise of its bootstrap into the next layer,
 * every look-up's phase gets keyswitch and modulus-switch noise, one for all values of a rotation; outputs get that of
 * packing and are reduced by their period as decryption does it. Sample s draws for layer i from stream (seed,
 * RANDOM_SIMULATION, CIRCUIT_MAX_LAYERS*s + i): results depend on neither threads nor the other samples. Normal numbers
 * follow their law up to 8.5 deviations and end there (stream_normal_vartime): of p_error below 2^-55 nothing is seen.
 */
annulus_status exec_simulate(const circuit *c, const int32_t *x, size_t count, const seed256 *seed, unsigned threads,
                             double *out, exec_stats *stats) __attribute__((warn_unused_result));

/* What the simulated or encrypted run saw at one neuron. */
typedef struct exec_seen {
    size_t layer, neuron, sample;
    int64_t acc;      /* clear sum of the run's own inputs of this layer */
    double sum_noise; /* torus: of the encrypted sum */
    double noise;     /* torus: of the phase that the look-up reads, with keyswitch and modulus switch, of a split one
                         its last rotation; of an output of the answer that is sent */
    int64_t cell;     /* of the table, as exec_clear counts them (torus-native: in [0, 2*cells)); 0 for an output */
    int apart;        /* of a split look-up: its levels read parts of different cells, whatever cell says */
} exec_seen;
typedef struct exec_observer {
    void (*seen)(void *context, const exec_seen *seen);
    void *context;
} exec_observer;
/* The observer (NULL: none) sees every neuron; threads must be 1 with it. progress: of samples, from
 * the calling thread; may be NULL. Else as exec_simulate. */
annulus_status exec_simulate_observed(const circuit *c, const int32_t *x, size_t count, const seed256 *seed,
                                      unsigned threads, const exec_observer *observer, const annulus_progress *progress,
                                      double *out, exec_stats *stats) __attribute__((warn_unused_result));

/* Tables in torus words and the constants of each layer, made once per circuit and shared. */
typedef struct exec_plan exec_plan;
annulus_status exec_plan_create(const circuit *c, exec_plan **out) __attribute__((warn_unused_result)); /* borrows c */
void exec_plan_destroy(exec_plan *plan);
/* Torus words that encode integer inputs: out (features). */
void exec_encode(const circuit *c, const int32_t *q, uint64_t *out);
/* One sample as it is sent: packed under the big key of circuit_inputs (tfhe/packed.h). */
typedef struct exec_inputs {
    const seed256 *mask_seed;
    const uint64_t *body; /* (features) */
} exec_inputs;
/* Memory for the ciphertexts of up to `samples` samples that are run together, of all layers: one block, taken and
 * written to before the run, so that what it has not can be said at the beginning. Values that no later layer takes
 * leave their place to others. */
typedef struct exec_memory exec_memory;
annulus_status exec_memory_create(const circuit *c, size_t samples, exec_memory **out)
    __attribute__((warn_unused_result));
void exec_memory_destroy(exec_memory *m);
size_t exec_memory_bytes(const circuit *c, size_t samples);
#define EXEC_MOST_TOGETHER 32u
/* How many of `samples` to run together, so that the look-ups of every layer fill the batches that share a pass over
 * the keys, in at most 256 MiB or one by one. threads 0: all. */
size_t exec_together(const circuit *c, size_t samples, unsigned threads);
/* That, if `together` is 0, else this, of as many as there are. */
static inline size_t exec_group(const circuit *c, size_t samples, size_t together, unsigned threads)
{
    if (together == 0) return exec_together(c, samples, threads);
    return together < samples ? together : samples;
}
/* Ciphertexts of one source, of all samples of a run, one behind the other. */
typedef struct exec_ciphertexts {
    const uint64_t *ct;
    size_t words; /* of all */
} exec_ciphertexts;
/* Sees the ciphertexts of a run, from the calling thread: those (samples, out, lwe_words of its source) of a layer's
 * sums before its look-ups, and the values that layer `next` and those behind it take, sources in order (exec_live);
 * these again when the progress callback asks to stop in layer `next`, unless its look-ups have begun to write over
 * them (none of next 0). Any may be NULL; a failure ends the run. */
typedef struct exec_tap {
    annulus_status (*sums)(void *context, size_t layer, const uint64_t *sums, unsigned threads);
    annulus_status (*values)(void *context, size_t next, const exec_ciphertexts *live, size_t count);
    annulus_status (*stopped)(void *context, size_t next, const exec_ciphertexts *live, size_t count);
    void *context;
} exec_tap;
/* The sources before layer `next` whose values it or a later layer takes as ciphertexts of their own, in order; returns
 * how many. */
size_t exec_live(const circuit *c, size_t next, uint32_t sources[CIRCUIT_MAX_LAYERS + 1]);
/* Words of their ciphertexts together, of a sample. */
size_t exec_live_words(const circuit *c, size_t next);
/* Units of progress of a sample, predicted microseconds of each layer on so many threads: layers (layers_count), or
 * NULL; returns their sum. */
size_t exec_units(const circuit *c, unsigned threads, size_t *layers);
/* A run of `together` of `samples` samples, `before` of which are done: a progress callback, context exec_part, that
 * reports the whole of them. */
typedef struct exec_part {
    const annulus_progress *progress; /* may be NULL */
    size_t samples, before, together;
} exec_part;
int exec_report_part(void *context, const char *what, size_t done, size_t total);
/* Inputs in (samples) -> out (samples, outputs, lwe_words of circuit_outputs), layer by layer, all samples together, to
 * the words that each alone would give. The memory is the circuit's, for as many samples or more; the keys' families
 * must be the circuit's; tap may be NULL. progress: of each layer and of the samples together
 * (ANNULUS_PROGRESS_RUN). */
annulus_status exec_encrypted(const exec_plan *plan, const eval_key_set *keys, const exec_memory *memory,
                              const exec_inputs *in, size_t samples, uint64_t *out, unsigned threads,
                              const exec_tap *tap, const annulus_progress *progress)
    __attribute__((warn_unused_result));
/* From layer `first` >= 1 on; values: the ciphertexts of exec_live(first), (samples, values) of one source behind the
 * other. in: as there. */
annulus_status exec_encrypted_from(const exec_plan *plan, const eval_key_set *keys, const exec_memory *memory,
                                   size_t first, const exec_inputs *in, const uint64_t *values, size_t samples,
                                   uint64_t *out, unsigned threads, const exec_tap *tap,
                                   const annulus_progress *progress) __attribute__((warn_unused_result));
/* Bytes of the answers of a sample as they are sent: packed (tfhe/answers.h), or the ciphertexts' words, little-endian.
 */
size_t exec_answer_bytes(const circuit *c);
/* out (samples, exec_answer_bytes) <- the ciphertexts of exec_encrypted. keys: as there. */
annulus_status exec_pack_answers(const circuit *c, const eval_key_set *keys, const uint64_t *sums, size_t samples,
                                 unsigned threads, uint8_t *out) __attribute__((warn_unused_result));
/* phase (outputs) <- phases of the answers at in (exec_answer_bytes). secrets must fit the circuit's families. */
annulus_status exec_answer_phases(const circuit *c, const secret_key_set *secrets, const uint8_t *in, uint64_t *phase)
    __attribute__((warn_unused_result));
/* For debugging, by who holds the secrets: encrypts sample q (features), runs it, and shows every neuron to the
 * observer (from the calling thread, sample number `sample`). Cells are those that the look-ups used: the sums are
 * switched a second time, which gives the same words. Sums are held against those of the values that the run itself
 * looked up, so that an error is seen where it happens only. out (outputs): as exec_decode gives them. */
annulus_status exec_encrypted_observed(const circuit *c, const exec_plan *plan, const eval_key_set *keys,
                                       const secret_key_set *secrets, const int32_t *q, size_t sample, unsigned threads,
                                       const exec_observer *observer, const annulus_progress *progress, double *out)
    __attribute__((warn_unused_result));
/* Accumulators (real: with noise) of the last layer from decrypted phases (outputs). */
void exec_decode(const circuit *c, const uint64_t *phase, double *acc);
/* Real values: scores or predictions, value = real_scale*acc + real_bias. Where output_bits resolve one unit of acc it
 * is rounded to the integer it was, so that nothing of the noise is left. */
void exec_values(const circuit *c, const double *acc, double *values);
/* Index of the largest of `count` >= 1 values, the first of equals: the answer of a classifier. */
static inline size_t exec_answer(const double *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i] > values[best]) best = i;
    return best;
}
#endif
