/* SPDX-License-Identifier: Apache-2.0 */
/* bench_noise_training [--json FILE] TRAINING-IMAGES TRAINING-LABELS TEST-IMAGES TEST-LABELS: what training with
 * look-ups that err brings: networks of the demo's shape trained without noise, with the default noise, and with the
 * error probability and rounding that they are then compiled with; and networks of waves, trained without noise, with
 * the default noise on phases, and with that which they are compiled for. Both by error probability and by the noise,
 * in periods of the torus, that goes with it in a table of 2^BOTH_BITS cells and in half a period of a wave
 * (docs/training-waves.md). Accuracy on all test images, simulated. */
#include "evaluated.h"
#include "optimizer/noise.h"
#include "table.h"

#define EPOCHS 10u
#define CALIBRATION 10000u
#define WAVES 64u
#define OFFSETS 4u
#define WAVE_NOISE 0.03125 /* the default */
#define BOTH_BITS 4u

static const double errors[] = {0.01, 0.05, 0.1, 0.2, 0.3};
static const unsigned roundings[] = {5, 4, 3};
static const double log2_noises[] = {-6, -5.5, -5, -4.5, -4};

static const table_column columns[] = {
    {"activation", "activation", 10, TABLE_TEXT},
    {"rounding_bits", "rounding bits", 13, 0},
    {"p_error", "p_error", 7, 2},
    {"log2_phase_noise", "log2 of phases", 14, 1},
    {"seconds", "predicted s", 11, 3},
    {"plain", "no noise %", 10, 2},
    {"phase_noise", "default %", 9, 2},
    {"aware", "noise-aware %", 13, 2},
};

typedef struct images {
    annulus_dataset *training, *calibration, *test;
} images;

/* index_noise: in cells; it and error: 0 for none. */
static annulus_model *trained(const images *d, double phase_noise, double error, double index_noise, unsigned rounding)
{
    annulus_model *m;
    annulus_train_options o;
    annulus_train_options_init(&o);
    o.epochs = EPOCHS;
    if (phase_noise >= 0) o.phase_noise = phase_noise;
    o.target_error = error;
    o.index_noise = index_noise;
    if (error > 0 || index_noise > 0) o.rounding_bits = rounding;
    must(annulus_train(d->training, &o, NULL, NULL, NULL, &m));
    return m;
}

/* Accuracy in per cent, simulated at the compiled parameters. */
static double compiled(const images *d, const annulus_model *m, const annulus_compile_options *o, double *seconds)
{
    annulus_circuit *c;
    must(annulus_compile(m, d->calibration, o, &c));
    const double score = evaluated(c, d->test, ANNULUS_SIMULATE).score;
    *seconds = annulus_circuit_seconds(c, 0);
    annulus_circuit_destroy(c);
    return 100 * score;
}

static double simulated(const images *d, const annulus_model *m, double error, unsigned rounding, double *seconds)
{
    annulus_compile_options o;
    annulus_compile_options_init(&o);
    o.log2_error = log2(error);
    o.rounding_bits = rounding;
    return compiled(d, m, &o, seconds);
}

/* By a noise in periods or, unless it is 0, an error probability. */
static annulus_model *trained_waves(const images *d, double phase_noise, double error)
{
    annulus_model *m;
    annulus_train_options o;
    annulus_train_options_init(&o);
    o.hidden[0] = WAVES, o.hidden_count = 1;
    o.activation = "trapezoid", o.offsets = OFFSETS;
    o.layer_weight_bits[0] = 8, o.layer_weight_bits[1] = 4;
    o.epochs = EPOCHS;
    if (error > 0)
        o.target_error = error, o.rounding_bits = BOTH_BITS;
    else
        o.phase_noise = phase_noise;
    must(annulus_train(d->training, &o, NULL, NULL, NULL, &m));
    return m;
}

/* With phases that have the noise asked for at most. */
static double simulated_waves(const images *d, const annulus_model *m, double phase_noise, double *seconds)
{
    annulus_compile_options o;
    annulus_compile_options_init(&o);
    o.phase_noise = phase_noise;
    return compiled(d, m, &o, seconds);
}

/* Networks that were trained without noise and with the default. */
typedef struct models {
    annulus_model *plain, *usual;
} models;

/* aware is the row's own, destroyed here; log2_noise NAN: not given. */
static void classic_row(const images *d, const bench_table *t, const models *m, annulus_model *aware, unsigned rounding,
                        double error, double log2_noise)
{
    double seconds;
    const double without = simulated(d, m->plain, error, rounding, &seconds);
    const double with = simulated(d, m->usual, error, rounding, &seconds);
    const double adapted = simulated(d, aware, error, rounding, &seconds);
    table_row(t, "relu", (double)rounding, error, log2_noise, seconds, without, with, adapted);
    annulus_model_destroy(aware);
}

static void classic_rows(const images *d, const bench_table *t)
{
    const models m = {trained(d, 0, 0, 0, 0), trained(d, -1, 0, 0, 0)};
    for (size_t b = 0; b < sizeof roundings / sizeof *roundings; b++)
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
            classic_row(d, t, &m, trained(d, -1, errors[i], 0, roundings[b]), roundings[b], errors[i], NAN);
    for (size_t i = 0; i < sizeof log2_noises / sizeof *log2_noises; i++) {
        const double cells = exp2(log2_noises[i] + 1 + BOTH_BITS), error = erfc(0.5 / (M_SQRT2 * cells));
        classic_row(d, t, &m, trained(d, -1, 0, cells, BOTH_BITS), BOTH_BITS, error, log2_noises[i]);
    }
    annulus_model_destroy(m.plain), annulus_model_destroy(m.usual);
}

/* rounding and error NAN: not given. */
static void wave_row(const images *d, const bench_table *t, const models *m, annulus_model *aware, double rounding,
                     double error, double log2_noise)
{
    double seconds;
    const double noise = exp2(log2_noise), without = simulated_waves(d, m->plain, noise, &seconds);
    const double with = simulated_waves(d, m->usual, noise, &seconds);
    const double adapted = simulated_waves(d, aware, noise, &seconds);
    table_row(t, "trapezoid", rounding, error, log2_noise, seconds, without, with, adapted);
    annulus_model_destroy(aware);
}

static void wave_rows(const images *d, const bench_table *t)
{
    const models m = {trained_waves(d, 0, 0), trained_waves(d, WAVE_NOISE, 0)};
    for (size_t i = 0; i < sizeof log2_noises / sizeof *log2_noises; i++)
        wave_row(d, t, &m, trained_waves(d, exp2(log2_noises[i]), 0), NAN, NAN, log2_noises[i]);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        const double half = exp2(-2.0 - BOTH_BITS), noise = half / noise_kappa(log2(errors[i]));
        wave_row(d, t, &m, trained_waves(d, 0, errors[i]), BOTH_BITS, errors[i], log2(noise));
    }
    annulus_model_destroy(m.plain), annulus_model_destroy(m.usual);
}

int main(int argc, char **argv)
{
    const int json = argc > 2 && strcmp(argv[1], "--json") == 0, first = json ? 3 : 1;
    images d;
    bench_table t;
    if (argc - first != 4) {
        fprintf(stderr, "usage: %s [--json FILE] TRAINING-IMAGES TRAINING-LABELS TEST-IMAGES TEST-LABELS\n", argv[0]);
        return 2;
    }
    must(annulus_dataset_read_idx(argv[first], argv[first + 1], &d.training));
    d.calibration = first_samples(d.training, CALIBRATION);
    must(annulus_dataset_read_idx(argv[first + 2], argv[first + 3], &d.test));
    table_begin(&t, stdout, "Training with look-ups that err, accuracy simulated", columns,
                sizeof columns / sizeof *columns);
    classic_rows(&d, &t);
    wave_rows(&d, &t);
    table_end(&t, json ? argv[2] : NULL);
    annulus_dataset_destroy(d.training), annulus_dataset_destroy(d.calibration), annulus_dataset_destroy(d.test);
    return 0;
}
