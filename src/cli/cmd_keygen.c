/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLIENT_KEY = 0x300, EVALUATION_KEY };

typedef struct keygen_command {
    work_options work;
    const char *circuit, *client, *evaluation;
} keygen_command;

static const struct argp_option entries[] = {
    {"client", CLIENT_KEY, "FILE", 0, "secret key to write, for its owner only", 0},
    {"evaluation", EVALUATION_KEY, "FILE", 0, "evaluation key to write, for the server", 0},
    {0}};

static void check_files(const keygen_command *c, struct argp_state *state)
{
    const named_file files[] = {{"--client", c->client}, {"--evaluation", c->evaluation}, {"the circuit", c->circuit}};
    need_apart(state, files, 2, sizeof files / sizeof *files, NULL);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    keygen_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->work;
        break;
    case CLIENT_KEY:
        c->client = arg;
        break;
    case EVALUATION_KEY:
        c->evaluation = arg;
        break;
    case ARGP_KEY_ARG:
        take_circuit(state, arg, &c->circuit);
        break;
    case ARGP_KEY_END:
        need_circuit(state, c->circuit);
        if (c->client == NULL || c->evaluation == NULL) argp_error(state, "--client and --evaluation are needed");
        check_files(c, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Both keys, or neither and those that were there before: that for the server is written beside its place, and put
 * there when the client has its own. 0, or 1 and a message. */
static int write_keys(const keygen_command *c, const annulus_client_key *client,
                      const annulus_evaluation_key *evaluation)
{
    char *place = place_of(c->evaluation), *beside = NULL;
    const int named = place != NULL && asprintf(&beside, "%s.XXXXXX", place) >= 0, fd = named ? mkstemp(beside) : -1;
    int rc = 1;
    if (fd < 0) {
        fprintf(stderr, "annulus: %s: cannot write there: %s\n", c->evaluation, strerror(errno));
    } else {
        (void)close(fd);
        annulus_status st = annulus_evaluation_key_write(evaluation, beside);
        if (st == ANNULUS_OK) st = annulus_client_key_write(client, c->client);
        if (st != ANNULUS_OK) {
            (void)unlink(beside);
            (void)report_failure();
        } else if (rename(beside, place) != 0) {
            fprintf(stderr, "annulus: %s: cannot write: %s; the new evaluation key is %s\n", c->evaluation,
                    strerror(errno), beside);
        } else {
            rc = 0;
        }
    }
    if (named) free(beside);
    free(place);
    return rc;
}

int cmd_keygen(int argc, char **argv)
{
    const struct argp_child children[] = {{&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries, parse, "CIRCUIT", "Makes the keys for a circuit.", children, NULL, NULL};
    keygen_command c = {0};
    annulus_circuit *circuit = NULL;
    annulus_client_key *client = NULL;
    annulus_evaluation_key *evaluation = NULL;
    progress_line line;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = annulus_circuit_read(c.circuit, &circuit);
    progress_begin(&line, c.work.quiet);
    if (st == ANNULUS_OK) st = annulus_keygen(circuit, c.work.threads, &line.progress, &client, &evaluation);
    progress_end(&line);
    const int rc = st == ANNULUS_OK ? write_keys(&c, client, evaluation) : report_failure();
    annulus_client_key_destroy(client);
    annulus_evaluation_key_destroy(evaluation);
    annulus_circuit_destroy(circuit);
    if (rc == 0 && !c.work.quiet)
        fprintf(stderr, "wrote %s (secret: keep it) and %s (give it to the server)\n", c.client, c.evaluation);
    return rc;
}
