/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODE_KEY = 0x300, SEED_KEY, ANSWERS_KEY };

typedef struct evaluate_command {
    data_options data;
    work_options work;
    const char *circuit;
    annulus_mode mode;
    size_t seed;
    int json, answers;
    annulus_label_score *labels;   /* (outputs) of multi-label data, else NULL */
    annulus_target_score *targets; /* (outputs) of a regression on data with targets, else NULL */
} evaluate_command;

static const char *const modes[] = {"clear", "simulate", "encrypted"};

static const struct argp_option entries[] = {
    {"mode", MODE_KEY, "MODE", 0,
     "clear: without noise; simulate (default): with the noise that encryption would have; encrypted: with keys made "
     "for the occasion",
     0},
    {"seed", SEED_KEY, "S", 0, "of the simulated noise (default 1)", 0},
    {"answers", ANSWERS_KEY, 0, 0, "print the answer to every sample, as CSV, in place of the summary", 0},
    {"json", 'j', 0, 0, "print JSON", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    evaluate_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        state->child_inputs[1] = &c->work;
        break;
    case MODE_KEY: {
        size_t m = 0;
        while (m < 3 && strcmp(modes[m], arg) != 0) m++;
        if (m == 3) argp_error(state, "--mode %s: clear, simulate or encrypted", arg);
        c->mode = (annulus_mode)m;
        break;
    }
    case SEED_KEY:
        c->seed = parse_size(state, "--seed", arg, 0, SIZE_MAX);
        break;
    case ANSWERS_KEY:
        c->answers = 1;
        break;
    case 'j':
        c->json = 1;
        break;
    case ARGP_KEY_ARG:
        take_circuit(state, arg, &c->circuit);
        break;
    case ARGP_KEY_END:
        need_circuit(state, c->circuit);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (double)part / (double)whole;
}

static json_t *layer_json(const annulus_layer_counts *l, int simulated)
{
    json_t *j = json_object();
    (void)json_object_set_new(j, "name", json_string(l->name));
    (void)json_object_set_new(j, l->is_output ? "values" : "look_ups", json_integer((json_int_t)l->look_ups));
    if (!l->is_output) (void)json_object_set_new(j, "sums", json_integer((json_int_t)l->sums));
    (void)json_object_set_new(j, "torus_native", json_boolean(l->torus_native));
    if (l->torus_native) {
        if (simulated) (void)json_object_set_new(j, "phase_std", json_real(l->phase_std));
        if (simulated) (void)json_object_set_new(j, "phase_std_expected", json_real(l->phase_std_expected));
        return j;
    }
    (void)json_object_set_new(j, "out_of_range", json_integer((json_int_t)l->out_of_range));
    if (!l->is_output) (void)json_object_set_new(j, "saturated", json_integer((json_int_t)l->saturated));
    (void)json_object_set_new(j, "wrapped", json_integer((json_int_t)l->wrapped));
    if (!simulated) return j;
    if (!l->is_output) {
        (void)json_object_set_new(j, "index_errors", json_integer((json_int_t)l->index_errors));
        (void)json_object_set_new(j, "index_errors_expected", json_real(l->index_errors_expected));
    }
    (void)json_object_set_new(j, "failures", json_integer((json_int_t)l->failures));
    (void)json_object_set_new(j, "failures_expected", json_real(l->failures_expected));
    return j;
}

static double mean_f1(const evaluate_command *c, size_t labels)
{
    double sum = 0;
    for (size_t o = 0; o < labels; o++) sum += c->labels[o].f1;
    return sum / (double)labels;
}

static void labels_json(const evaluate_command *c, const annulus_circuit *circuit, json_t *o)
{
    const size_t labels = annulus_circuit_outputs(circuit);
    json_t *list = json_array();
    for (size_t k = 0; k < labels; k++) {
        const annulus_label_score *s = &c->labels[k];
        json_t *j = json_object();
        (void)json_object_set_new(j, "name", json_string(annulus_circuit_label(circuit, k)));
        (void)json_object_set_new(j, "accuracy", json_real(s->accuracy));
        (void)json_object_set_new(j, "f1", json_real(s->f1));
        (void)json_object_set_new(j, "has", json_integer((json_int_t)s->has));
        (void)json_object_set_new(j, "answered", json_integer((json_int_t)s->answered));
        (void)json_array_append_new(list, j);
    }
    (void)json_object_set_new(o, "mean_f1", json_real(mean_f1(c, labels)));
    (void)json_object_set_new(o, "labels", list);
}

static void targets_json(const evaluate_command *c, const annulus_circuit *circuit, json_t *o)
{
    json_t *list = json_array();
    for (size_t k = 0; k < annulus_circuit_outputs(circuit); k++) {
        json_t *j = json_object();
        (void)json_object_set_new(j, "name", json_string(annulus_circuit_label(circuit, k)));
        (void)json_object_set_new(j, "rmse", json_real(c->targets[k].rmse));
        if (!isnan(c->targets[k].r2)) (void)json_object_set_new(j, "r2", json_real(c->targets[k].r2));
        (void)json_array_append_new(list, j);
    }
    (void)json_object_set_new(o, "targets", list);
}

static void print_json(const evaluate_command *c, const annulus_circuit *circuit, const annulus_evaluation *e)
{
    const annulus_task task = annulus_circuit_task(circuit);
    json_t *o = json_object();
    (void)json_object_set_new(o, "schema", json_string("annulus-evaluation-1"));
    (void)json_object_set_new(o, "mode", json_string(modes[c->mode]));
    (void)json_object_set_new(o, "samples", json_integer((json_int_t)e->count));
    if (!isnan(e->score))
        (void)json_object_set_new(o, task != ANNULUS_REGRESSION ? "accuracy" : "r2", json_real(e->score));
    if (c->labels != NULL) labels_json(c, circuit, o);
    if (c->targets != NULL) targets_json(c, circuit, o);
    (void)json_object_set_new(o, "mismatches", json_integer((json_int_t)e->mismatches));
    (void)json_object_set_new(o, "largest_error", json_real(e->largest_error));
    (void)json_object_set_new(o, "out_of_range", json_integer((json_int_t)e->out_of_range));
    (void)json_object_set_new(o, "failure_predicted", json_real(e->failure));
    if (c->mode == ANNULUS_SIMULATE) {
        (void)json_object_set_new(o, "samples_failed", json_integer((json_int_t)e->samples_failed));
        (void)json_object_set_new(o, "samples_with_index_errors", json_integer((json_int_t)e->samples_erred));
    }
    json_t *layers = json_array();
    for (size_t i = 0; i < e->layers_count; i++)
        (void)json_array_append_new(layers, layer_json(&e->layers[i], c->mode == ANNULUS_SIMULATE));
    (void)json_object_set_new(o, "layers", layers);
    (void)json_object_set_new(o, "seconds_per_sample", json_real(e->seconds));
    if (c->mode == ANNULUS_ENCRYPTED) {
        (void)json_object_set_new(o, "seconds_predicted", json_real(annulus_circuit_seconds(circuit, c->work.threads)));
        costs_json(o);
    }
    (void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(8));
    printf("\n");
    json_decref(o);
}

static void native_line(const annulus_layer_counts *l, int simulated)
{
    printf("%-10s %10llu  torus-native", l->name, (unsigned long long)l->look_ups);
    if (simulated)
        printf(": phases read with a deviation of 2^%.2f, 2^%.2f predicted", log2(l->phase_std),
               log2(l->phase_std_expected));
    printf("\n");
}

static void layer_line(const annulus_layer_counts *l, int simulated)
{
    const unsigned long long wrapped = l->wrapped, saturated = l->saturated, errors = l->index_errors;
    printf("%-10s %10llu %10llu %7.2g %%", l->name, (unsigned long long)l->look_ups,
           (unsigned long long)l->out_of_range, 100 * share(l->out_of_range, l->sums));
    if (l->is_output)
        printf(" %10s %8llu", "-", wrapped);
    else
        printf(" %10llu %8llu", saturated, wrapped);
    if (simulated && l->is_output) printf(" %13s %9s", "-", "-");
    if (simulated && !l->is_output) printf(" %13llu %9.4g", errors, l->index_errors_expected);
    if (simulated) printf(" %9llu %9.3g", (unsigned long long)l->failures, l->failures_expected);
    printf("\n");
}

static void print_layers(const annulus_evaluation *e, int simulated)
{
    printf("\n%-10s %10s %20s %10s %8s", "layer", "look-ups", "out of range", "saturated", "wrapped");
    if (simulated) printf(" %13s %9s %9s %9s", "index errors", "expected", "failures", "at most");
    printf("\n");
    for (size_t i = 0; i < e->layers_count; i++)
        (e->layers[i].torus_native ? native_line : layer_line)(&e->layers[i], simulated);
    printf("\nout of range: beyond what compiling measured or proved; of these, saturated: answered by the end of the "
           "table, or of the\nmeasured range; wrapped: answered by another entry, or a score outside its period, which "
           "decrypts to another\n");
    if (simulated)
        printf("index errors: another cell was read; failures: noise beyond half a cell, or half a step of a score\n");
}

static void print_labels(const evaluate_command *c, const annulus_circuit *circuit)
{
    const size_t labels = annulus_circuit_outputs(circuit);
    printf("mean F1        %.4f\n", mean_f1(c, labels));
    for (size_t k = 0; k < labels; k++)
        printf("  %-12s accuracy %.2f %%, F1 %.4f: %zu samples have it, %zu are answered so\n",
               annulus_circuit_label(circuit, k), 100 * c->labels[k].accuracy, c->labels[k].f1, c->labels[k].has,
               c->labels[k].answered);
}

static void print_targets(const evaluate_command *c, const annulus_circuit *circuit)
{
    for (size_t k = 0; k < annulus_circuit_outputs(circuit); k++)
        printf("  %-12s RMSE %.4g, R^2 %.4f\n", annulus_circuit_label(circuit, k), c->targets[k].rmse,
               c->targets[k].r2);
}

static void print_text(const evaluate_command *c, const annulus_circuit *circuit, const annulus_evaluation *e)
{
    const annulus_task task = annulus_circuit_task(circuit);
    printf("mode           %s\nsamples        %zu\n", modes[c->mode], e->count);
    if (!isnan(e->score) && task != ANNULUS_REGRESSION)
        printf("accuracy       %.2f %%\n", 100 * e->score);
    else if (!isnan(e->score))
        printf("R^2            %.4f\n", e->score);
    if (c->targets != NULL) print_targets(c, circuit);
    if (c->mode != ANNULUS_CLEAR) {
        if (task != ANNULUS_REGRESSION)
            printf("mismatches     %zu answers differ from the clear ones\n", e->mismatches);
        printf("largest error  %.4g between a value and its clear one\n", e->largest_error);
    }
    if (c->labels != NULL) print_labels(c, circuit);
    printf("out of range   %llu values\n", (unsigned long long)e->out_of_range);
    if (c->mode == ANNULUS_SIMULATE)
        printf("index errors   in %zu samples, %.2f %%\nfailures       in %zu samples, %.2f %%; predicted at most %.3g "
               "%%\n",
               e->samples_erred, 100 * share(e->samples_erred, e->count), e->samples_failed,
               100 * share(e->samples_failed, e->count), 100 * e->failure);
    if (c->mode == ANNULUS_ENCRYPTED)
        printf("failures       predicted in at most %.3g %% of samples\n", 100 * e->failure);
    printf("time           %.4g ms per sample", 1e3 * e->seconds);
    if (c->mode == ANNULUS_ENCRYPTED)
        printf(", %.4g ms predicted (%s)", 1e3 * annulus_circuit_seconds(circuit, c->work.threads), costs_name());
    printf("\n");
    print_layers(e, c->mode == ANNULUS_SIMULATE);
}

/* Look-ups and scores that got another answer than the nearest that there is. */
static void warn_of_wraps(const annulus_evaluation *e)
{
    for (size_t i = 0; i < e->layers_count; i++) {
        const annulus_layer_counts *l = &e->layers[i];
        if (l->wrapped == 0) continue;
        fprintf(stderr, "warning: %s: %llu of %llu %s; compile with %s\n", l->name, (unsigned long long)l->wrapped,
                (unsigned long long)l->sums,
                l->is_output ? "scores left their period and decrypt to others"
                             : "sums lie so far beyond the table that they get another answer than its end",
                l->is_output ? "a smaller --p-error or more --output-bits"
                             : "--ranges measured or proven, or a larger --margin");
    }
}

/* values, and the scores of labels or targets. */
static annulus_status evaluate(evaluate_command *c, const annulus_circuit *circuit, const annulus_dataset *d,
                               const annulus_progress *progress, double **values, annulus_evaluation *e)
{
    const annulus_task task = annulus_circuit_task(circuit);
    const int labels = task == ANNULUS_MULTI_LABEL;
    const size_t outputs = annulus_circuit_outputs(circuit);
    if (c->answers || labels || task == ANNULUS_REGRESSION)
        *values = calloc(annulus_dataset_count(d) * outputs, sizeof **values);
    annulus_status st = annulus_evaluate(circuit, d, c->mode, c->seed, c->work.threads, progress, *values, e);
    if (st != ANNULUS_OK || *values == NULL) return st;
    if (task == ANNULUS_REGRESSION && !isnan(e->score)) {
        c->targets = calloc(outputs, sizeof *c->targets);
        return c->targets == NULL ? ANNULUS_OK : annulus_score_targets(circuit, d, *values, c->targets);
    }
    if (!labels || isnan(e->score)) return ANNULUS_OK;
    c->labels = calloc(outputs, sizeof *c->labels);
    return c->labels == NULL ? ANNULUS_OK : annulus_score_labels(circuit, d, *values, c->labels);
}

int cmd_evaluate(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries,  parse, "CIRCUIT", "Runs a circuit on data that need no secrecy.",
                              children, NULL,  NULL};
    evaluate_command c = {.data = {.required = 1}, .mode = ANNULUS_SIMULATE, .seed = 1};
    annulus_circuit *circuit = NULL;
    annulus_dataset *d = NULL;
    annulus_evaluation e;
    progress_line line;
    double *values = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = annulus_circuit_read(c.circuit, &circuit);
    if (st == ANNULUS_OK) st = data_read(&c.data, annulus_circuit_task(circuit), circuit, &d);
    progress_begin(&line, c.work.quiet);
    if (st == ANNULUS_OK) st = evaluate(&c, circuit, d, &line.progress, &values, &e);
    progress_end(&line);
    int rc = st == ANNULUS_OK ? 0 : report_failure();
    if (rc == 0 && !c.work.quiet) warn_of_wraps(&e);
    if (rc == 0 && !c.work.quiet && c.mode == ANNULUS_ENCRYPTED && !c.answers) report_costs();
    if (rc == 0 && c.answers && values == NULL) {
        fprintf(stderr, "annulus: no memory for the answers\n");
        rc = 1;
    } else if (rc == 0 && c.answers)
        rc = print_answers(circuit, values, e.count, c.data.first, c.json);
    else if (rc == 0) {
        (c.json ? print_json : print_text)(&c, circuit, &e);
        rc = finish_stdout();
    }
    free(values);
    free(c.labels), free(c.targets);
    annulus_dataset_destroy(d);
    annulus_circuit_destroy(circuit);
    return rc;
}
