/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

enum { RANGES_KEY = 0x300, MARGIN_KEY, ROUNDING_KEY, OUTPUT_BITS_KEY, ERROR_KEY, GLOBAL_KEY, SECURITY_KEY };

typedef struct compile_command {
    data_options data;
    work_options work;
    annulus_compile_options o;
    const char *model, *output;
} compile_command;

static const struct argp_option entries[] = {
    {"output", 'o', "FILE", 0, "circuit file to write", 0},
    {"ranges", RANGES_KEY, "HOW", 0, "measured on the data (default) or proven from the weights", 0},
    {"margin", MARGIN_KEY, "F", 0, "fraction added to each side of a measured range (default 0.1)", 0},
    {"rounding-bits", ROUNDING_KEY, "B", 0, "look-ups of at most 2^B cells, 0: no rounding (default 5)", 0},
    {"output-bits", OUTPUT_BITS_KEY, "B", 0, "resolution of the decrypted scores (default 6)", 0},
    {"p-error", ERROR_KEY, "P", 0, "error probability of one look-up (default 2^-40)", 0},
    {"global-p-error", GLOBAL_KEY, "P", 0, "error probability of a whole inference", 0},
    {"security", SECURITY_KEY, "BITS", 0, "128 (default) or 132", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    compile_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        state->child_inputs[1] = &c->work;
        break;
    case 'o':
        c->output = arg;
        break;
    case RANGES_KEY:
        if (strcmp(arg, "measured") != 0 && strcmp(arg, "proven") != 0)
            argp_error(state, "--ranges %s: measured or proven", arg);
        c->o.proven_ranges = arg[0] == 'p';
        break;
    case MARGIN_KEY:
        c->o.margin = parse_real(state, "--margin", arg, 0, 10);
        break;
    case ROUNDING_KEY:
        c->o.rounding_bits = (unsigned)parse_size(state, "--rounding-bits", arg, 0, 12);
        break;
    case OUTPUT_BITS_KEY:
        c->o.output_bits = (unsigned)parse_size(state, "--output-bits", arg, 1, 24);
        break;
    case ERROR_KEY:
    case GLOBAL_KEY:
        c->o.global = key == GLOBAL_KEY;
        c->o.log2_error = parse_log2_probability(state, key == GLOBAL_KEY ? "--global-p-error" : "--p-error", arg);
        break;
    case SECURITY_KEY:
        if (strcmp(arg, "128") != 0 && strcmp(arg, "132") != 0) argp_error(state, "--security %s: 128 or 132", arg);
        c->o.security = strcmp(arg, "132") == 0 ? 132 : 128;
        break;
    case ARGP_KEY_ARG:
        if (c->model != NULL) argp_error(state, "one ONNX file, not also %s", arg);
        c->model = arg;
        break;
    case ARGP_KEY_END:
        if (c->model == NULL) argp_error(state, "an ONNX file is needed");
        if (c->output == NULL) argp_error(state, "--output is needed");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int cmd_compile(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        entries,  parse, "MODEL.onnx", "Compiles a network into a circuit; the data calibrate it.",
        children, NULL,  NULL};
    compile_command c = {.data = {.required = 1}};
    annulus_model *m = NULL;
    annulus_dataset *d = NULL;
    annulus_circuit *circuit = NULL;
    annulus_compile_options_init(&c.o);
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = annulus_model_read(c.model, &m);
    const annulus_task task = m != NULL && c.data.csv != NULL ? annulus_model_task(m) : ANNULUS_UNLABELED;
    if (st == ANNULUS_OK) st = data_read(&c.data, task, NULL, &d);
    if (st == ANNULUS_OK) st = annulus_compile(m, d, &c.o, &circuit);
    if (st == ANNULUS_OK) st = annulus_circuit_write(circuit, c.output);
    annulus_circuit_destroy(circuit);
    annulus_dataset_destroy(d);
    annulus_model_destroy(m);
    if (st != ANNULUS_OK) return report_failure();
    if (!c.work.quiet) fprintf(stderr, "wrote %s\n", c.output);
    return 0;
}
