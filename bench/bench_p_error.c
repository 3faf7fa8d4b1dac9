/* SPDX-License-Identifier: Apache-2.0 */
/* bench_p_error [--json FILE] (NAME MODEL TRAINING-IMAGES TEST-IMAGES TEST-LABELS)...: what an error probability of the
 * look-ups brings and costs: each network compiled with five of them, predicted and measured seconds of an image on all
 * cores, accuracy in clear and simulated on all test images, and encrypted on the first ENCRYPTED of them. */
#include "deploy/deploy_priv.h"
#include "evaluated.h"
#include "table.h"

#define CALIBRATION 10000u
#define ENCRYPTED 100u

static const struct {
    const char *text;
    double log2;
} levels[] = {{"2^-128", -128}, {"2^-40", -40}, {"0.001", -9.965784}, {"0.01", -6.643856}, {"0.1", -3.321928}};

static const table_column columns[] = {
    {"network", "network", 7, TABLE_TEXT},
    {"p_error", "p_error", 7, TABLE_TEXT},
    {"parameters", "n, k x N, l x log2 Bg, keyswitch", 36, TABLE_TEXT},
    {"predicted_seconds", "predicted s", 11, 3},
    {"seconds", "seconds", 7, 3},
    {"accuracy_clear", "clear %", 7, 2},
    {"accuracy_simulated", "simulated %", 11, 2},
    {"agree", "agree of 100", 12, 0},
    {"accuracy_encrypted", "encrypted %", 11, 0},
};

static void row(const bench_table *t, const char *name, size_t level, const annulus_model *m,
                const annulus_dataset *calibration, const annulus_dataset *test)
{
    char parameters[64];
    annulus_circuit *c;
    annulus_compile_options o;
    annulus_compile_options_init(&o);
    o.log2_error = levels[level].log2;
    must(annulus_compile(m, calibration, &o, &c));
    annulus_dataset *few = first_samples(test, ENCRYPTED);
    const annulus_evaluation clear = evaluated(c, test, ANNULUS_CLEAR),
                             simulated = evaluated(c, test, ANNULUS_SIMULATE);
    const annulus_evaluation encrypted = evaluated(c, few, ANNULUS_ENCRYPTED);
    bench_params_text(&c->c->choice.families.of[0], parameters);
    table_row(t, name, levels[level].text, parameters, annulus_circuit_seconds(c, 0), encrypted.seconds,
              100 * clear.score, 100 * simulated.score, (double)(ENCRYPTED - encrypted.mismatches),
              100 * encrypted.score);
    annulus_dataset_destroy(few);
    annulus_circuit_destroy(c);
}

static void rows(const bench_table *t, char **arguments)
{
    annulus_model *m;
    annulus_dataset *training, *test;
    must(annulus_model_read(arguments[1], &m));
    must(annulus_dataset_read_idx(arguments[2], NULL, &training));
    annulus_dataset *calibration = first_samples(training, CALIBRATION);
    must(annulus_dataset_read_idx(arguments[3], arguments[4], &test));
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) row(t, arguments[0], i, m, calibration, test);
    annulus_dataset_destroy(training);
    annulus_dataset_destroy(calibration);
    annulus_dataset_destroy(test);
    annulus_model_destroy(m);
}

int main(int argc, char **argv)
{
    const int json = argc > 2 && strcmp(argv[1], "--json") == 0;
    const int first = json ? 3 : 1;
    bench_table t;
    if (argc == first || (argc - first) % 5 != 0) {
        fprintf(stderr, "usage: %s [--json FILE] (NAME MODEL TRAINING-IMAGES TEST-IMAGES TEST-LABELS)...\n", argv[0]);
        return 2;
    }
    table_begin(&t, stdout, "Error probability of the look-ups, latency and accuracy", columns,
                sizeof columns / sizeof *columns);
    for (int i = first; i < argc; i += 5) rows(&t, argv + i);
    table_end(&t, json ? argv[2] : NULL);
    return 0;
}
