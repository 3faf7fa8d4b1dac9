/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>

typedef struct calibrate_command {
    int json, quiet;
} calibrate_command;

static const struct argp_option entries[] = {
    {"json", 'j', 0, 0, "print JSON", 0}, {"quiet", 'q', 0, 0, "nothing on stderr but errors", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    calibrate_command *c = state->input;
    switch (key) {
    case 'j':
        c->json = 1;
        break;
    case 'q':
        c->quiet = 1;
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "no file is needed, not %s", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int cmd_calibrate(int argc, char **argv)
{
    const struct argp argp = {entries,
                              parse,
                              NULL,
                              "Measures this processor, for at most 20 seconds, best with nothing else running: the "
                              "parameter search and predicted times go by it from then on.",
                              NULL,
                              NULL,
                              NULL};
    calibrate_command c = {0};
    char *text = NULL;
    progress_line line;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    progress_begin(&line, c.quiet);
    const annulus_status st = annulus_calibrate(&line.progress, c.json, &text);
    progress_end(&line);
    if (st != ANNULUS_OK) return report_failure();
    printf(c.json ? "%s\n" : "%s", text);
    annulus_text_destroy(text);
    return finish_stdout();
}
