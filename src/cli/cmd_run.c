/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

enum { EVALUATION_KEY = 0x300, INPUT_KEY, CHECKPOINT_KEY, TOGETHER_KEY };

typedef struct run_command {
    work_options work;
    const char *circuit, *evaluation, *input, *output;
    annulus_run_options how;
} run_command;

static const struct argp_option entries[] = {
    {"evaluation", EVALUATION_KEY, "FILE", 0, "evaluation key, as keygen writes it", 0},
    {"input", INPUT_KEY, "FILE", 0, "encrypted samples, as encrypt writes them", 0},
    {"output", 'o', "FILE", 0, "encrypted answers to write", 0},
    {"checkpoint", CHECKPOINT_KEY, "FILE", 0,
     "keep here how far the run is, and go on from it if the file is there; removed at the end", 0},
    {"together", TOGETHER_KEY, "N", 0,
     "samples to run together, 1 to 32; 1: each answered as soon as possible (default: as many as fill the batches of "
     "look-ups)",
     0},
    {0}};

static void check_files(const run_command *c, struct argp_state *state)
{
    const named_file files[] = {{"--checkpoint", c->how.checkpoint},
                                {"--output", c->output},
                                {"--evaluation", c->evaluation},
                                {"--input", c->input},
                                {"the circuit", c->circuit}};
    need_apart(state, files, 2, sizeof files / sizeof *files, NULL);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    run_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->work;
        break;
    case EVALUATION_KEY:
        c->evaluation = arg;
        break;
    case INPUT_KEY:
        c->input = arg;
        break;
    case 'o':
        c->output = arg;
        break;
    case CHECKPOINT_KEY:
        c->how.checkpoint = arg;
        break;
    case TOGETHER_KEY:
        c->how.together = parse_size(state, "--together", arg, 1, ANNULUS_MAX_TOGETHER);
        break;
    case ARGP_KEY_ARG:
        take_circuit(state, arg, &c->circuit);
        break;
    case ARGP_KEY_END:
        need_circuit(state, c->circuit);
        if (c->evaluation == NULL || c->input == NULL || c->output == NULL)
            argp_error(state, "--evaluation, --input and --output are needed");
        check_files(c, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* A run, from its first report on: all that belongs together has been checked by then. */
typedef struct started_run {
    progress_line *line;
    size_t samples, memory;
    int quiet, said;
} started_run;

static int report_run(void *context, const char *what, size_t done, size_t total)
{
    started_run *r = context;
    if (!r->quiet && !r->said) {
        progress_end(r->line);
        fprintf(stderr, "%zu samples, memory at most %.1f MB\n", r->samples, (double)r->memory / 1e6);
    }
    r->said = 1;
    return r->line->progress.report(r->line->progress.context, what, done, total);
}

/* A long run that is killed half-way for want of memory is better not begun: said before the key is read. */
static void warn_of_memory(const annulus_circuit *circuit, const annulus_input *x, const run_command *c)
{
    const size_t available = annulus_memory_available();
    const size_t memory = annulus_circuit_memory(circuit, annulus_input_count(x), &c->how);
    if (memory > available)
        fprintf(stderr, "memory: %.1f MB are wanted, %.1f MB available: the run may be killed\n", (double)memory / 1e6,
                (double)available / 1e6);
}

int cmd_run(int argc, char **argv)
{
    const struct argp_child children[] = {{&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries, parse, "CIRCUIT", "Runs a circuit on encrypted samples.", children, NULL, NULL};
    run_command c = {0};
    annulus_circuit *circuit = NULL;
    annulus_evaluation_key *key = NULL;
    annulus_input *x = NULL;
    annulus_output *y = NULL;
    progress_line line;
    annulus_run_options_init(&c.how);
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    c.how.threads = c.work.threads;
    annulus_status st = annulus_circuit_read(c.circuit, &circuit);
    if (st == ANNULUS_OK) st = annulus_input_read(c.input, &x);
    if (st == ANNULUS_OK) warn_of_memory(circuit, x, &c);
    progress_begin(&line, c.work.quiet);
    if (st == ANNULUS_OK) st = annulus_evaluation_key_read(c.evaluation, circuit, c.work.threads, &line.progress, &key);
    const int resumes = c.how.checkpoint != NULL && access(c.how.checkpoint, F_OK) == 0;
    const double start = seconds_now();
    if (st == ANNULUS_OK) {
        started_run run = {.line = &line, .samples = annulus_input_count(x), .quiet = c.work.quiet};
        const annulus_progress progress = {report_run, &run};
        run.memory = annulus_circuit_memory(circuit, run.samples, &c.how);
        st = annulus_run(circuit, key, x, &c.how, &progress, NULL, &y);
    }
    const double seconds = seconds_now() - start;
    progress_end(&line);
    if (st == ANNULUS_OK) st = annulus_output_write(y, c.output);
    if (st == ANNULUS_OK && c.how.checkpoint != NULL) (void)unlink(c.how.checkpoint);
    const size_t count = y == NULL ? 1 : annulus_output_count(y);
    annulus_output_destroy(y);
    annulus_input_destroy(x);
    annulus_evaluation_key_destroy(key);
    annulus_circuit_destroy(circuit);
    if (st != ANNULUS_OK) return report_stopped(st, c.how.checkpoint);
    if (!c.work.quiet && resumes)
        fprintf(stderr, "wrote %s: %zu samples, %.3f s since it went on\n", c.output, count, seconds);
    else if (!c.work.quiet)
        fprintf(stderr, "wrote %s: %zu samples, %.3f s each\n", c.output, count,
                seconds / (double)(count == 0 ? 1 : count));
    return 0;
}
