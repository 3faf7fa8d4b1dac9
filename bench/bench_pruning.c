/* SPDX-License-Identifier: Apache-2.0 */
/* bench_pruning [--json FILE] [--svg FILE] MODEL TRAINING-IMAGES TRAINING-LABELS TEST-IMAGES TEST-LABELS: what removing
 * neurons costs and brings: a network of HIDDEN neurons, read from MODEL or trained and written there, pruned by 0, 10,
 * ..., 90 % and fine-tuned; accuracy on all test images in clear and simulated at the compiled parameters, and seconds
 * of an encrypted image, one at a time on all cores. */
#include "base/chart.h"
#include "evaluated.h"
#include "table.h"

#include <unistd.h>

#define HIDDEN 392u
#define EPOCHS 10u
#define FINE_EPOCHS 5u
#define STEPS 10u
#define CALIBRATION 10000u
#define ENCRYPTED 10u
#define LOG2_ERROR (-6.643856) /* 0.01 */

static const table_column columns[] = {
    {"removed", "removed %", 9, 0},
    {"look_ups", "look-ups", 8, 0},
    {"accuracy_before_tuning", "untuned %", 9, 2},
    {"accuracy_clear", "clear %", 7, 2},
    {"accuracy_simulated", "simulated %", 11, 2},
    {"seconds", "seconds", 7, 3},
    {"predicted_seconds", "predicted s", 11, 3},
    {"tuning_seconds", "tuning s", 8, 0},
};

typedef struct sweep {
    annulus_dataset *training, *calibration, *test, *few;
    bench_table table;
    double removed[STEPS], accuracy[STEPS], seconds[STEPS];
} sweep;

static annulus_model *base(const sweep *s, const char *path)
{
    annulus_model *m = NULL;
    annulus_train_options o;
    if (access(path, F_OK) == 0) {
        must(annulus_model_read(path, &m));
        return m;
    }
    annulus_train_options_init(&o);
    o.hidden[0] = HIDDEN, o.hidden_count = 1, o.epochs = EPOCHS;
    must(annulus_train(s->training, &o, NULL, NULL, NULL, &m));
    must(annulus_model_write(m, path));
    return m;
}

static annulus_circuit *compiled(const sweep *s, const annulus_model *m)
{
    annulus_circuit *c;
    annulus_compile_options o;
    annulus_compile_options_init(&o);
    o.log2_error = LOG2_ERROR;
    must(annulus_compile(m, s->calibration, &o, &c));
    return c;
}

static double score(const sweep *s, const annulus_model *m)
{
    annulus_circuit *c = compiled(s, m);
    const double found = evaluated(c, s->test, ANNULUS_CLEAR).score;
    annulus_circuit_destroy(c);
    return found;
}

static void step(sweep *s, const annulus_model *m, size_t i)
{
    annulus_model *plain, *tuned;
    annulus_prune_report r;
    annulus_prune_options o;
    annulus_prune_options_init(&o);
    o.percent = 100.0 * (double)i / STEPS;
    o.train.epochs = 0;
    must(annulus_prune(m, s->training, &o, NULL, NULL, NULL, NULL, &plain));
    o.train.epochs = FINE_EPOCHS;
    const double start = bench_seconds();
    must(annulus_prune(m, s->training, &o, NULL, NULL, NULL, &r, &tuned));
    const double spent = bench_seconds() - start;
    annulus_circuit *c = compiled(s, tuned);
    const annulus_evaluation encrypted = evaluated(c, s->few, ANNULUS_ENCRYPTED);
    s->removed[i] = o.percent;
    s->accuracy[i] = 100 * evaluated(c, s->test, ANNULUS_SIMULATE).score;
    s->seconds[i] = encrypted.seconds;
    table_row(&s->table, o.percent, (double)r.look_ups, 100 * score(s, plain),
              100 * evaluated(c, s->test, ANNULUS_CLEAR).score, s->accuracy[i], s->seconds[i],
              annulus_circuit_seconds(c, 0), spent);
    annulus_circuit_destroy(c);
    annulus_model_destroy(plain), annulus_model_destroy(tuned);
}

int main(int argc, char **argv)
{
    const char *json = NULL, *svg = NULL;
    int first = 1;
    for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2) {
        if (strcmp(argv[first], "--json") == 0) json = argv[first + 1];
        if (strcmp(argv[first], "--svg") == 0) svg = argv[first + 1];
    }
    if (argc - first != 5) {
        fprintf(stderr,
                "usage: %s [--json FILE] [--svg FILE] MODEL TRAINING-IMAGES TRAINING-LABELS TEST-IMAGES "
                "TEST-LABELS\n",
                argv[0]);
        return 2;
    }
    sweep s = {0};
    char **data = argv + first + 1;
    must(annulus_dataset_read_idx(data[0], data[1], &s.training));
    s.calibration = first_samples(s.training, CALIBRATION);
    must(annulus_dataset_read_idx(data[2], data[3], &s.test));
    s.few = first_samples(s.test, ENCRYPTED);
    annulus_model *m = base(&s, argv[first]);
    table_begin(&s.table, stdout, "Neurons removed, accuracy and latency, p_error 0.01", columns,
                sizeof columns / sizeof *columns);
    for (size_t i = 0; i < STEPS; i++) step(&s, m, i);
    table_end(&s.table, json);
    const chart_line lines[] = {{"accuracy, simulated, %", s.accuracy}, {"seconds of an encrypted image", s.seconds}};
    if (svg != NULL)
        must(chart_write(svg, "MNIST, 392 hidden neurons: structured pruning", "neurons removed, %", s.removed, STEPS,
                         lines, 2));
    annulus_model_destroy(m);
    annulus_dataset_destroy(s.training), annulus_dataset_destroy(s.calibration);
    annulus_dataset_destroy(s.test), annulus_dataset_destroy(s.few);
    return 0;
}
