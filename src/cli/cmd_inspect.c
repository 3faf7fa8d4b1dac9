/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

typedef struct inspect_command {
    const char *path;
    int json, program;
} inspect_command;

static const struct argp_option entries[] = {
    {"json", 'j', 0, 0, "machine-readable", 0},
    {"circuit", 'c', 0, 0, "the integer program of a circuit file: weights, lists of inputs, tables", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    inspect_command *c = state->input;
    switch (key) {
    case 'j':
        c->json = 1;
        break;
    case 'c':
        c->program = 1;
        break;
    case ARGP_KEY_ARG:
        if (c->path != NULL) argp_error(state, "one file, not also %s", arg);
        c->path = arg;
        break;
    case ARGP_KEY_END:
        if (c->path == NULL) argp_error(state, "a file is needed");
        if (c->json && c->program) argp_error(state, "one of --json and --circuit");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int cmd_inspect(int argc, char **argv)
{
    const struct argp argp = {entries, parse, "FILE", "Shows what a circuit, key or ciphertext file is.",
                              NULL,    NULL,  NULL};
    inspect_command c = {0};
    char *text = NULL;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    if ((c.program ? annulus_inspect_program(c.path, &text) : annulus_inspect(c.path, c.json, &text)) != ANNULUS_OK)
        return report_failure();
    if (!c.program) (void)report_costs();
    printf(c.json ? "%s\n" : "%s", text);
    annulus_text_destroy(text);
    return finish_stdout();
}
