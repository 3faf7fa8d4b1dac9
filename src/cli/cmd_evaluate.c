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
} evaluate_command;

static const char *const modes[] = {"clear", "simulate", "encrypted"};

static const struct argp_option entries[] = {
    {"mode", MODE_KEY, "MODE", 0, "clear, simulate (default) or encrypted", 0},
    {"seed", SEED_KEY, "S", 0, "of the simulated noise (default 1)", 0},
    {"answers", ANSWERS_KEY, 0, 0, "print the answer to every sample in place of the summary", 0},
    {"json", 'j', 0, 0, "machine-readable", 0},
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
        if (c->circuit != NULL) argp_error(state, "one circuit, not also %s", arg);
        c->circuit = arg;
        break;
    case ARGP_KEY_END:
        if (c->circuit == NULL) argp_error(state, "a circuit is needed");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void print_json(const evaluate_command *c, annulus_task task, const annulus_evaluation *e)
{
    json_t *o = json_object();
    (void)json_object_set_new(o, "schema", json_string("annulus-evaluation-1"));
    (void)json_object_set_new(o, "mode", json_string(modes[c->mode]));
    (void)json_object_set_new(o, "samples", json_integer((json_int_t)e->count));
    if (!isnan(e->score))
        (void)json_object_set_new(o, task == ANNULUS_CLASSIFICATION ? "accuracy" : "r2", json_real(e->score));
    (void)json_object_set_new(o, "mismatches", json_integer((json_int_t)e->mismatches));
    (void)json_object_set_new(o, "largest_error", json_real(e->largest_error));
    (void)json_object_set_new(o, "out_of_range", json_integer((json_int_t)e->out_of_range));
    (void)json_object_set_new(o, "seconds_per_sample", json_real(e->seconds));
    (void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(8));
    printf("\n");
    json_decref(o);
}

static void print_text(const evaluate_command *c, annulus_task task, const annulus_evaluation *e)
{
    printf("mode           %s\nsamples        %zu\n", modes[c->mode], e->count);
    if (!isnan(e->score) && task == ANNULUS_CLASSIFICATION)
        printf("accuracy       %.2f %%\n", 100 * e->score);
    else if (!isnan(e->score))
        printf("R^2            %.4f\n", e->score);
    if (c->mode != ANNULUS_CLEAR) {
        if (task == ANNULUS_CLASSIFICATION)
            printf("mismatches     %zu answers differ from the clear ones\n", e->mismatches);
        printf("largest error  %.4g between a value and its clear one\n", e->largest_error);
    }
    printf("out of range   %llu values\ntime           %.4g ms per sample\n", (unsigned long long)e->out_of_range,
           1e3 * e->seconds);
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
    if (st == ANNULUS_OK) {
        if (c.answers) values = calloc(annulus_dataset_count(d) * annulus_circuit_outputs(circuit), sizeof *values);
        st = annulus_evaluate(circuit, d, c.mode, c.seed, c.work.threads, &line.progress, values, &e);
    }
    progress_end(&line);
    int rc = st == ANNULUS_OK ? 0 : report_failure();
    if (rc == 0 && c.answers && values == NULL) {
        fprintf(stderr, "annulus: no memory for the answers\n");
        rc = 1;
    } else if (rc == 0 && c.answers)
        rc = print_answers(circuit, values, e.count, c.data.first, c.json);
    else if (rc == 0) {
        (c.json ? print_json : print_text)(&c, annulus_circuit_task(circuit), &e);
        rc = finish_stdout();
    }
    free(values);
    annulus_dataset_destroy(d);
    annulus_circuit_destroy(circuit);
    return rc;
}
