/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_KEY = 0x300, INPUT_KEY };

typedef struct decrypt_command {
    const char *circuit, *client, *input;
    int json;
} decrypt_command;

static const struct argp_option entries[] = {
    {"client", CLIENT_KEY, "FILE", 0, "client key, that of the encrypted input", 0},
    {"input", INPUT_KEY, "FILE", 0, "encrypted answers, as run writes them", 0},
    {"json", 'j', 0, 0, "print JSON, in place of CSV", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    decrypt_command *c = state->input;
    switch (key) {
    case CLIENT_KEY:
        c->client = arg;
        break;
    case INPUT_KEY:
        c->input = arg;
        break;
    case 'j':
        c->json = 1;
        break;
    case ARGP_KEY_ARG:
        take_circuit(state, arg, &c->circuit);
        break;
    case ARGP_KEY_END:
        need_circuit(state, c->circuit);
        if (c->client == NULL || c->input == NULL) argp_error(state, "--client and --input are needed");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int cmd_decrypt(int argc, char **argv)
{
    const struct argp argp = {entries, parse, "CIRCUIT", "Decrypts answers and prints them.", NULL, NULL, NULL};
    decrypt_command c = {0};
    annulus_circuit *circuit = NULL;
    annulus_client_key *key = NULL;
    annulus_output *y = NULL;
    double *values = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = annulus_circuit_read(c.circuit, &circuit);
    if (st == ANNULUS_OK) st = annulus_client_key_read(c.client, &key);
    if (st == ANNULUS_OK) st = annulus_output_read(c.input, &y);
    int rc = 1;
    if (st != ANNULUS_OK) {
        (void)report_failure();
    } else {
        values = calloc(annulus_output_count(y) * annulus_circuit_outputs(circuit) + 1, sizeof *values);
        if (values == NULL)
            fprintf(stderr, "annulus: no memory for the answers\n");
        else if (annulus_decrypt(key, circuit, y, values) != ANNULUS_OK)
            (void)report_failure();
        else {
            rc = print_answers(circuit, values, annulus_output_count(y), 0, c.json);
            explicit_bzero(values, sizeof *values * annulus_output_count(y) * annulus_circuit_outputs(circuit));
        }
    }
    free(values);
    annulus_output_destroy(y);
    annulus_client_key_destroy(key);
    annulus_circuit_destroy(circuit);
    return rc;
}
