/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

enum { CLIENT_KEY = 0x300, SATURATE_KEY };

typedef struct encrypt_command {
    data_options data;
    work_options work;
    const char *circuit, *client, *output;
    int saturate;
} encrypt_command;

static const struct argp_option entries[] = {
    {"client", CLIENT_KEY, "FILE", 0, "client key, as keygen writes it", 0},
    {"output", 'o', "FILE", 0, "encrypted samples to write", 0},
    {"saturate", SATURATE_KEY, 0, 0, "move values beyond the circuit's range to its ends, in place of refusing them",
     0},
    {0}};

static void check_files(const encrypt_command *c, struct argp_state *state)
{
    const named_file files[] = {{"--output", c->output}, {"--client", c->client}, {"the circuit", c->circuit}};
    need_apart(state, files, 1, sizeof files / sizeof *files, &c->data);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    encrypt_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        state->child_inputs[1] = &c->work;
        break;
    case CLIENT_KEY:
        c->client = arg;
        break;
    case 'o':
        c->output = arg;
        break;
    case SATURATE_KEY:
        c->saturate = 1;
        break;
    case ARGP_KEY_ARG:
        take_circuit(state, arg, &c->circuit);
        break;
    case ARGP_KEY_END:
        need_circuit(state, c->circuit);
        if (c->client == NULL || c->output == NULL) argp_error(state, "--client and --output are needed");
        check_files(c, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int cmd_encrypt(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        entries,  parse, "CIRCUIT", "Encrypts samples. With --label, that column of the CSV is left out of them.",
        children, NULL,  NULL};
    encrypt_command c = {.data = {.required = 1}};
    annulus_circuit *circuit = NULL;
    annulus_client_key *key = NULL;
    annulus_dataset *d = NULL;
    annulus_input *x = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = annulus_circuit_read(c.circuit, &circuit);
    if (st == ANNULUS_OK) st = annulus_client_key_read(c.client, &key);
    const annulus_task task =
        c.data.label == NULL || circuit == NULL ? ANNULUS_UNLABELED : annulus_circuit_task(circuit);
    if (st == ANNULUS_OK) st = data_read(&c.data, task, circuit, &d);
    if (st == ANNULUS_OK) st = annulus_encrypt(key, circuit, d, c.saturate, &x);
    if (st == ANNULUS_OK) st = annulus_input_write(x, c.output);
    const size_t count = x == NULL ? 0 : annulus_input_count(x);
    annulus_input_destroy(x);
    annulus_dataset_destroy(d);
    annulus_client_key_destroy(key);
    annulus_circuit_destroy(circuit);
    if (st != ANNULUS_OK) return report_failure();
    if (!c.work.quiet) fprintf(stderr, "wrote %s: %zu samples\n", c.output, count);
    return 0;
}
