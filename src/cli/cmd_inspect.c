/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

typedef struct inspect_command {
    const char *path, *html;
    int json, program;
} inspect_command;

enum { HTML_KEY = 0x300 };

static const struct argp_option entries[] = {
    {"json", 'j', 0, 0, "as JSON; with --circuit the ranges of every neuron's sums besides", 0},
    {"circuit", 'c', 0, 0, "the integer program of a circuit file: weights, lists of inputs, tables, ranges", 0},
    {"html", HTML_KEY, "FILE", 0,
     "write a page for a browser about a circuit file, with a picture of its graph, in place of printing", 0},
    {0}};

static void check_files(const inspect_command *c, struct argp_state *state)
{
    const named_file files[] = {{"--html", c->html}, {"the file", c->path}};
    need_apart(state, files, 1, sizeof files / sizeof *files, NULL);
}

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
    case HTML_KEY:
        c->html = arg;
        break;
    case ARGP_KEY_ARG:
        if (c->path != NULL) argp_error(state, "one file, not also %s", arg);
        c->path = arg;
        break;
    case ARGP_KEY_END:
        if (c->path == NULL) argp_error(state, "a file is needed");
        if (c->html != NULL && (c->json || c->program)) argp_error(state, "--html goes without --json and --circuit");
        check_files(c, state);
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
    if (c.html != NULL) {
        if (annulus_inspect_html(c.path, c.html) != ANNULUS_OK) return report_failure();
        report_costs();
        return 0;
    }
    if ((c.program ? annulus_inspect_program(c.path, c.json, &text) : annulus_inspect(c.path, c.json, &text)) !=
        ANNULUS_OK)
        return report_failure();
    if (!c.program || c.json) report_costs();
    printf(c.json ? "%s\n" : "%s", text);
    annulus_text_destroy(text);
    return finish_stdout();
}
