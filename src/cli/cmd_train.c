/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    TASK_KEY = 0x300,
    HIDDEN_KEY,
    ACTIVATION_KEY,
    OFFSETS_KEY,
    RISE_KEY,
    WEIGHT_KEY,
    ACTIVATION_BITS_KEY,
    INPUT_KEY,
    EPOCHS_KEY,
    BATCH_KEY,
    RATE_KEY,
    VALIDATION_KEY,
    NOISE_KEY,
    VALUE_NOISE_KEY,
    DISTILL_KEY,
    SHIFT_KEY,
    FLIP_KEY,
    SEED_KEY,
    NAMES_KEY
};

#define NAMES_MAX 1000

typedef struct train_command {
    data_options data;
    work_options work;
    annulus_train_options o;
    annulus_task task;
    const char *output;
    const char *names[NAMES_MAX];
    size_t weight_bits_count;
    progress_line line;
} train_command;

static const struct argp_option entries[] = {
    {"output", 'o', "FILE", 0, "ONNX file to write", 0},
    {"task", TASK_KEY, "TASK", 0, "classification (default) or regression", 0},
    {"hidden", HIDDEN_KEY, "A,B,...", 0, "neurons of the hidden layers, or 0 for none (default 92,32)", 0},
    {"activation", ACTIVATION_KEY, "NAME", 0,
     "relu (default), sigmoid, tanh or identity; waves: triangle, trapezoid, sine or square", 0},
    {"offsets", OFFSETS_KEY, "J", 0, "values of a wave from one look-up, 1 to 16 (default 1)", 0},
    {"rise", RISE_KEY, "R", 0, "width of a trapezoid's edges, of a period (default 0.25)", 0},
    {"weight-bits", WEIGHT_KEY, "B[,B...]", 0,
     "2 to 8, for all layers or each, the last one too (default 4; with waves 8)", 0},
    {"activation-bits", ACTIVATION_BITS_KEY, "B", 0, "1 to 8 (default 4; with waves 8)", 0},
    {"input-bits", INPUT_KEY, "B", 0, "1 to 8 (default 4)", 0},
    {"epochs", EPOCHS_KEY, "E", 0, "passes over the data (default 30)", 0},
    {"batch", BATCH_KEY, "N", 0, "samples of one step (default 128)", 0},
    {"learning-rate", RATE_KEY, "R", 0, "of Adam at its highest (default 0.003)", 0},
    {"validation", VALIDATION_KEY, "F", 0, "fraction held out to validate on (default 0.1)", 0},
    {"phase-noise", NOISE_KEY, "F", 0,
     "noise on accumulators while training, in their deviations (default 0.1); with waves in periods (default 0.03125)",
     0},
    {"value-noise", VALUE_NOISE_KEY, "F", 0, "noise on the last waves' values while training (default 0)", 0},
    {"distill", DISTILL_KEY, "A,B,...", 0,
     "learn beside the targets from a float relu network of these hidden layers, trained first", 0},
    {"shift", SHIFT_KEY, "PIXELS", 0, "move images at random by up to this many pixels (default 0)", 0},
    {"flip", FLIP_KEY, NULL, 0, "mirror images left to right at random", 0},
    {"seed", SEED_KEY, "S", 0, "same seed, same file (default 1)", 0},
    {"class-names", NAMES_KEY, "A,B,...", 0, "names of the classes in place of those in the data", 0},
    {0}};

/* Widths of at most ANNULUS_MAX_HIDDEN layers, 0 for none: how many. */
static size_t parse_widths(const char *option, char *arg, struct argp_state *state, size_t *widths)
{
    char *rest = arg;
    size_t count = 0;
    if (strcmp(arg, "0") == 0) return 0;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (count == ANNULUS_MAX_HIDDEN) argp_error(state, "%s: at most %d layers", option, ANNULUS_MAX_HIDDEN);
        widths[count++] = parse_size(state, option, part, 1, 8192);
    }
    return count;
}

/* One number for all layers, or as many as layers. */
static void parse_weight_bits(train_command *c, char *arg, struct argp_state *state)
{
    char *rest = arg;
    c->weight_bits_count = 0;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (c->weight_bits_count == ANNULUS_MAX_HIDDEN + 1)
            argp_error(state, "--weight-bits: at most %d layers", ANNULUS_MAX_HIDDEN + 1);
        c->o.layer_weight_bits[c->weight_bits_count++] = (unsigned)parse_size(state, "--weight-bits", part, 2, 8);
    }
    if (c->weight_bits_count > 1) return;
    c->o.weight_bits = c->o.layer_weight_bits[0];
    c->o.layer_weight_bits[0] = 0;
}

static void parse_names(train_command *c, char *arg, struct argp_state *state)
{
    char *rest = arg;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (c->o.class_names_count == NAMES_MAX) argp_error(state, "--class-names: at most %d names", NAMES_MAX);
        c->names[c->o.class_names_count++] = part;
    }
    c->o.class_names = c->names;
}

static void check_activation(const char *arg, struct argp_state *state)
{
    static const char *const known[] = {"relu",     "sigmoid",   "tanh", "identity",
                                        "triangle", "trapezoid", "sine", "square"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(arg, known[i]) == 0) return;
    argp_error(state, "--activation %s: relu, sigmoid, tanh, identity, triangle, trapezoid, sine or square", arg);
}

/* The options that are one number each. */
static error_t parse_number(train_command *c, int key, const char *arg, struct argp_state *state)
{
    switch (key) {
    case OFFSETS_KEY:
        c->o.offsets = parse_size(state, "--offsets", arg, 1, 16);
        break;
    case RISE_KEY:
        c->o.rise = parse_real(state, "--rise", arg, 0.001, 0.5);
        break;
    case ACTIVATION_BITS_KEY:
        c->o.activation_bits = (unsigned)parse_size(state, "--activation-bits", arg, 1, 8);
        break;
    case INPUT_KEY:
        c->o.input_bits = (unsigned)parse_size(state, "--input-bits", arg, 1, 8);
        break;
    case EPOCHS_KEY:
        c->o.epochs = (unsigned)parse_size(state, "--epochs", arg, 1, 100000);
        break;
    case BATCH_KEY:
        c->o.batch = parse_size(state, "--batch", arg, 2, 65536);
        break;
    case RATE_KEY:
        c->o.learning_rate = parse_real(state, "--learning-rate", arg, 1e-8, 10);
        break;
    case VALIDATION_KEY:
        c->o.validation = parse_real(state, "--validation", arg, 0, 0.5);
        break;
    case NOISE_KEY:
        c->o.phase_noise = parse_real(state, "--phase-noise", arg, 0, 10);
        break;
    case VALUE_NOISE_KEY:
        c->o.value_noise = parse_real(state, "--value-noise", arg, 0, 1);
        break;
    case SHIFT_KEY:
        c->o.shift = (unsigned)parse_size(state, "--shift", arg, 0, 64);
        break;
    case FLIP_KEY:
        c->o.flip = 1;
        break;
    case SEED_KEY:
        c->o.seed = parse_size(state, "--seed", arg, 0, SIZE_MAX);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    train_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        state->child_inputs[1] = &c->work;
        break;
    case 'o':
        c->output = arg;
        break;
    case TASK_KEY:
        if (strcmp(arg, "classification") != 0 && strcmp(arg, "regression") != 0)
            argp_error(state, "--task %s: classification or regression", arg);
        c->task = arg[0] == 'r' ? ANNULUS_REGRESSION : ANNULUS_CLASSIFICATION;
        break;
    case HIDDEN_KEY:
        c->o.hidden_count = parse_widths("--hidden", arg, state, c->o.hidden);
        break;
    case DISTILL_KEY:
        c->o.distill_count = parse_widths("--distill", arg, state, c->o.distill);
        break;
    case ACTIVATION_KEY:
        check_activation(arg, state);
        c->o.activation = arg;
        break;
    case WEIGHT_KEY:
        parse_weight_bits(c, arg, state);
        break;
    case NAMES_KEY:
        parse_names(c, arg, state);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument %s", arg);
        break;
    case ARGP_KEY_END:
        if (c->output == NULL) argp_error(state, "--output is needed");
        if (c->weight_bits_count > 1 && c->weight_bits_count != c->o.hidden_count + 1)
            argp_error(state, "--weight-bits: %zu numbers for %zu layers; give one for all, or one for each",
                       c->weight_bits_count, c->o.hidden_count + 1);
        if (c->task == ANNULUS_REGRESSION && c->data.images != NULL)
            argp_error(state, "--task regression goes with --csv: IDX labels are classes");
        break;
    default:
        return parse_number(c, key, arg, state);
    }
    return 0;
}

static void report(void *context, const annulus_epoch *e)
{
    train_command *c = context;
    if (c->work.quiet) return;
    progress_end(&c->line);
    fprintf(stderr, "epoch %u of %u: loss %.4f", e->epoch, e->epochs, e->loss);
    if (!isnan(e->validation) && c->task == ANNULUS_CLASSIFICATION)
        fprintf(stderr, ", validation accuracy %.2f %%", 100 * e->validation);
    else if (!isnan(e->validation))
        fprintf(stderr, ", validation R^2 %.4f", e->validation);
    fprintf(stderr, ", %.1f s\n", e->seconds);
}

int cmd_train(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries, parse, NULL, "Trains a quantized network.", children, NULL, NULL};
    train_command c = {.data = {.required = 1}, .task = ANNULUS_CLASSIFICATION};
    annulus_dataset *d = NULL;
    annulus_model *m = NULL;
    annulus_train_options_init(&c.o);
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    c.o.threads = c.work.threads;
    annulus_status st = data_read(&c.data, c.task, NULL, &d);
    progress_begin(&c.line, c.work.quiet);
    if (st == ANNULUS_OK) st = annulus_train(d, &c.o, report, &c, &c.line.progress, &m);
    progress_end(&c.line);
    if (st == ANNULUS_OK) st = annulus_model_write(m, c.output);
    annulus_model_destroy(m);
    annulus_dataset_destroy(d);
    if (st != ANNULUS_OK) return report_failure();
    if (!c.work.quiet) fprintf(stderr, "wrote %s\n", c.output);
    return 0;
}
