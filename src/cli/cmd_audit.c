/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

enum { SAMPLES_KEY = 0x300, SEED_KEY };

#define SAMPLES 4u

typedef struct audit_command {
    data_options data;
    work_options work;
    const char *circuit;
    size_t samples, seed;
    int json;
} audit_command;

static const struct argp_option entries[] = {
    {"samples", SAMPLES_KEY, "N", 0, "how many, at most, from --first on (default 4); each is an encrypted run", 0},
    {"seed", SEED_KEY, "S", 0, "of the simulated noise (default 1)", 0},
    {"json", 'j', 0, 0, "print JSON", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    audit_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        state->child_inputs[1] = &c->work;
        break;
    case SAMPLES_KEY:
        c->samples = parse_size(state, "--samples", arg, 1, 100000);
        break;
    case SEED_KEY:
        c->seed = parse_size(state, "--seed", arg, 0, SIZE_MAX);
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

/* The first `most` samples; gives d back. */
static annulus_status shorten(annulus_dataset **d, size_t most)
{
    annulus_dataset *part = NULL;
    if (annulus_dataset_count(*d) <= most) return ANNULUS_OK;
    const annulus_status st = annulus_dataset_slice(*d, 0, most, &part);
    if (st != ANNULUS_OK) return st;
    annulus_dataset_destroy(*d);
    *d = part;
    return ANNULUS_OK;
}

int cmd_audit(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries,
                              parse,
                              "CIRCUIT",
                              "Holds an encrypted run, layer by layer, against the clear one and the noise model; "
                              "exit status 1 when the model is rejected.",
                              children,
                              NULL,
                              NULL};
    audit_command c = {.data = {.required = 1}, .samples = SAMPLES, .seed = 1};
    annulus_circuit *circuit = NULL;
    annulus_dataset *d = NULL;
    progress_line line;
    int accepted = 0;
    char *report = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = annulus_circuit_read(c.circuit, &circuit);
    if (st == ANNULUS_OK) st = data_read(&c.data, annulus_circuit_task(circuit), circuit, &d);
    if (st == ANNULUS_OK) st = shorten(&d, c.samples);
    progress_begin(&line, c.work.quiet);
    if (st == ANNULUS_OK)
        st = annulus_audit(circuit, d, c.seed, c.work.threads, &line.progress, c.json, &accepted, &report);
    progress_end(&line);
    annulus_dataset_destroy(d);
    annulus_circuit_destroy(circuit);
    if (st != ANNULUS_OK) return report_failure();
    printf(c.json ? "%s\n" : "%s", report);
    annulus_text_destroy(report);
    const int rc = finish_stdout();
    if (rc == 0 && !accepted) fprintf(stderr, "annulus: the noise model is rejected: see the report\n");
    return rc == 0 && accepted ? 0 : 1;
}
