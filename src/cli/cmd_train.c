/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TASK_KEY = 0x300,
    HIDDEN_KEY,
    CONV_KEY,
    ACTIVATION_KEY,
    OFFSETS_KEY,
    RISE_KEY,
    WEIGHT_KEY,
    ACTIVATION_BITS_KEY,
    INPUT_KEY,
    VALUE_NOISE_KEY,
    SPREAD_KEY,
    DISTILL_KEY,
    NETWORK_KEY,
    AUTO_SECONDS_KEY,
    FROM_KEY,
    NOISE_OF_KEY,
    NAMES_KEY,
    SECONDS_KEY
};

#define NAMES_MAX 1000
#define NETWORK_GROUP 1

typedef struct train_command {
    training_options training;
    data_options data;
    work_options work;
    annulus_train_options o;
    const char *from, *noise_of, *teacher;
    int shaped; /* layers or bits were given */
    int tasked; /* --task was given */
    const char *names[NAMES_MAX];
    int automatic; /* activation auto */
    int wavy;      /* --rise or --spread was given */
    int risen;     /* --rise was given */
    double auto_seconds;
    annulus_auto_report found;
    size_t weight_bits_count, activation_bits_count, activations; /* that were given */
    annulus_budget budget;                                        /* seconds 0: none */
    annulus_choice choice;
    noise_report noise;
} train_command;

static const struct argp_option entries[] = {
    {"task", TASK_KEY, "TASK", 0,
     "classification (default); regression, of several targets with --label A,B,...; or multi-label, where --label "
     "A,B,... are columns of 0 and 1",
     0},
    {"from", FROM_KEY, "MODEL", 0, "go on from this ONNX file: its layers, activations and bits stay", 0},
    {"target-seconds", SECONDS_KEY, "S", 0,
     "of the hidden neurons as many as an inference may have that is predicted to take S seconds on --threads of this "
     "host; chooses the p-error and rounding bits to compile with, of waves the noise, unless they are given",
     0},
    {0, 0, 0, 0, "The network:", NETWORK_GROUP},
    {"conv", CONV_KEY, "CxK[sS][pP][gG][+A],...", 0,
     "convolutions of images in front of the hidden layers: C channels of windows of K x K, S apart (default 1), P "
     "zeros around (default 0), channels in G groups (default 1), the values of the convolution A before added "
     "(default: none), as 8x5s2,16x3p1; behind one avgN for averages of N x N, sumN for sums, gap for averages of "
     "whole channels; or 0 for none (the default)",
     0},
    {"hidden", HIDDEN_KEY, "N[+A],...", 0,
     "neurons of the hidden layers, each 1 to 8192, +A with the values of the layer A before added; or 0 for none "
     "(default 92,32)",
     0},
    {"activation", ACTIVATION_KEY, "NAME[,NAME...]", 0,
     "of all hidden layers or each, convolutions first: relu (default), leaky_relu[=SLOPE below 0] (1/8), elu, gelu, "
     "silu, softplus, sigmoid, tanh, hard_sigmoid, hard_tanh, hard_silu, sign, identity, table=FILE of points x,y, "
     "entries=FILE of up to 256 lines y or x,y; waves: triangle, trapezoid[=RISE], sine or square; or auto: relu or "
     "trapezoids, the more accurate at equal predicted seconds",
     0},
    {"auto-seconds", AUTO_SECONDS_KEY, "S", 0,
     "with --activation auto: predicted seconds that both kinds are sized to (default: of the dearer kind at the "
     "widths given)",
     0},
    {"offsets", OFFSETS_KEY, "J", 0, "of waves: values of one look-up, 1 to 16 (default 1)", 0},
    {"rise", RISE_KEY, "R", 0, "of trapezoid and square: width of an edge in periods, 0.001 to 0.5 (default 0.25)", 0},
    {"weight-bits", WEIGHT_KEY, "B[,B...]", 0,
     "of the weights, 1 to 16, for all layers or each, the last one too (default 4; of waves 8)", 0},
    {"activation-bits", ACTIVATION_BITS_KEY, "B[,B...]", 0,
     "of the values, 1 to 8, for all hidden layers or each (default 4; of waves 8, of sign 2)", 0},
    {"input-bits", INPUT_KEY, "B", 0, "of the inputs, 1 to 8 (default 4)", 0},
    {"class-names", NAMES_KEY, "A,B,...", 0, "names of the classes, which are numbers from 0 in the data", 0},
    {"network", NETWORK_KEY, "FILE", 0, "layers, activations and bits from a text file (docs/networks.md)", 0},
    {"spread", SPREAD_KEY, "F", 0,
     "of waves: standard deviation of the phases at the start, in periods, 0.01 to 1 (default 0.15)", TRAINING_GROUP},
    {"distill", DISTILL_KEY, "TEACHER", 0,
     "learn beside the targets from another network: A,B,... for one of relu layers of these widths, of real weights, "
     "trained first; a text file as of --network for one of its layers and activations; or any MODEL.onnx of the same "
     "scores",
     TRAINING_GROUP},
    {"value-noise", VALUE_NOISE_KEY, "V", 0,
     "of waves: standard deviation on the values that the scores take, whose amplitude is 1, 0 to 1 (default 0)",
     NOISE_GROUP},
    {"noise-of", NOISE_OF_KEY, "CIRCUIT", 0,
     "in place of any other noise: what the parameters of this circuit are predicted to have in each layer; of a "
     "network of the same layers, widths and activations",
     NOISE_GROUP},
    {0}};

/* Widths of at most ANNULUS_MAX_HIDDEN layers, 0 for none: how many. add: what stands behind + of each; NULL: nothing
 * may. */
static size_t parse_widths(const char *option, char *arg, struct argp_state *state, size_t *widths, size_t *add)
{
    char *rest = arg;
    size_t count = 0;
    if (strcmp(arg, "0") == 0) return 0;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (count == ANNULUS_MAX_HIDDEN) argp_error(state, "%s: at most %d layers", option, ANNULUS_MAX_HIDDEN);
        char *plus = add != NULL ? strchr(part, '+') : NULL;
        if (plus != NULL) *plus++ = 0;
        if (add != NULL) add[count] = plus != NULL ? parse_size(state, option, plus, 1, ANNULUS_MAX_HIDDEN) : 0;
        widths[count++] = parse_size(state, option, part, 1, ANNULUS_MAX_WIDTH);
    }
    return count;
}

/* The number behind the letter that *at begins with, or `missing`. */
static size_t parse_letter(struct argp_state *state, char **at, char letter, size_t missing, size_t least, size_t most)
{
    char digits[8] = "";
    if (**at != letter) return missing;
    const size_t len = strspn(*at + 1, "0123456789");
    if (len == 0) argp_error(state, "--conv: a number is missing behind the %c of \"%s\"", letter, *at);
    if (len < sizeof digits) memcpy(digits, *at + 1, len);
    *at += 1 + len;
    return parse_size(state, "--conv", digits, least, most);
}

/* CxK[sS][pP][gG][+A]. */
static annulus_convolution parse_convolution(struct argp_state *state, char *part)
{
    annulus_convolution c = {0};
    char *at = strchr(part, 'x');
    if (at == NULL || at == part)
        argp_error(state, "--conv \"%s\": channels x kernel, as 8x5, with s2 for a stride, p1 for padding", part);
    *at = 0;
    c.channels = parse_size(state, "--conv", part, 1, ANNULUS_MAX_CHANNELS);
    *at = 'x';
    c.kernel = parse_letter(state, &at, 'x', 0, 1, ANNULUS_MAX_KERNEL);
    c.stride = parse_letter(state, &at, 's', 1, 1, ANNULUS_MAX_KERNEL);
    c.padding = parse_letter(state, &at, 'p', 0, 0, ANNULUS_MAX_KERNEL - 1);
    c.groups = parse_letter(state, &at, 'g', 1, 1, ANNULUS_MAX_CHANNELS);
    c.add = parse_letter(state, &at, '+', 0, 1, ANNULUS_MAX_HIDDEN);
    if (*at != 0) argp_error(state, "--conv %s: \"%s\" is left over", part, at);
    if (c.padding >= c.kernel) argp_error(state, "--conv %s: the padding must be less than the kernel", part);
    return c;
}

/* avgN, sumN or gap, behind a convolution; 0: none of them. */
static int parse_average(train_command *c, char *part, struct argp_state *state)
{
    const int all = strcmp(part, "gap") == 0, sums = strncmp(part, "sum", 3) == 0;
    if (!all && !sums && strncmp(part, "avg", 3) != 0) return 0;
    if (c->o.conv_count == 0 || c->o.conv[c->o.conv_count - 1].pool != 0)
        argp_error(state, "--conv: %s must follow a convolution", part);
    c->o.conv[c->o.conv_count - 1].pool =
        all ? ANNULUS_POOL_ALL : parse_size(state, sums ? "--conv sum" : "--conv avg", part + 3, 2, ANNULUS_MAX_KERNEL);
    c->o.conv[c->o.conv_count - 1].sums = sums;
    return 1;
}

static void parse_convolutions(train_command *c, char *arg, struct argp_state *state)
{
    char *rest = arg;
    c->o.conv_count = 0;
    if (strcmp(arg, "0") == 0) return;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (parse_average(c, part, state)) continue;
        if (c->o.conv_count == ANNULUS_MAX_HIDDEN) argp_error(state, "--conv: at most %d layers", ANNULUS_MAX_HIDDEN);
        c->o.conv[c->o.conv_count++] = parse_convolution(state, part);
    }
}

/* One number of 1 to `bits` for all layers, *all, or one for each; returns how many. */
static size_t parse_bits(struct argp_state *state, const char *what, size_t bits, char *arg, size_t most, unsigned *all,
                         unsigned *each)
{
    char *rest = arg;
    size_t count = 0;
    memset(each, 0, most * sizeof *each); /* the option may have been given before */
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (count == most) argp_error(state, "%s: at most %zu layers", what, most);
        each[count++] = (unsigned)parse_size(state, what, part, 1, bits);
    }
    if (count > 1) return count;
    *all = each[0];
    each[0] = 0;
    return count;
}

/* Widths, a model or the text file of a network. */
static void parse_teacher(train_command *c, char *arg, struct argp_state *state)
{
    const size_t len = strlen(arg);
    if (len > 5 && strcmp(arg + len - 5, ".onnx") == 0)
        c->teacher = arg;
    else if (strspn(arg, "0123456789,+") == len)
        c->o.distill_count = parse_widths("--distill", arg, state, c->o.distill, NULL);
    else
        c->o.distill_network = arg;
}

static void parse_names(train_command *c, char *arg, struct argp_state *state)
{
    char *rest = arg;
    c->o.class_names_count = 0;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (c->o.class_names_count == NAMES_MAX) argp_error(state, "--class-names: at most %d names", NAMES_MAX);
        c->names[c->o.class_names_count++] = part;
    }
    c->o.class_names = c->names;
}

/* Names of activations, some of them with a value behind =; returns how many. */
static size_t check_activations(const char *arg, struct argp_state *state)
{
    static const char *const known[] = {"relu",      "leaky_relu", "elu",          "gelu",     "silu",
                                        "softplus",  "sigmoid",    "tanh",         "identity", "sign",
                                        "hard_tanh", "hard_silu",  "hard_sigmoid", "triangle", "trapezoid",
                                        "sine",      "square",     "table",        "entries"};
    size_t count = 0;
    for (const char *at = arg; at != NULL; count++) {
        const size_t len = strcspn(at, "=,"), all = strcspn(at, ",");
        size_t k = 0;
        while (k < sizeof known / sizeof known[0] && (strlen(known[k]) != len || strncmp(at, known[k], len) != 0)) k++;
        if (k == sizeof known / sizeof known[0])
            argp_error(state, "--activation %s: \"%.*s\" is not known; annulus train --help has the names", arg,
                       (int)len, at);
        at = at[all] == 0 ? NULL : at + all + 1;
    }
    return count;
}

/* The options that are one number each. */
static error_t parse_number(train_command *c, int key, const char *arg, struct argp_state *state)
{
    c->shaped |= key == OFFSETS_KEY || key == RISE_KEY || key == INPUT_KEY;
    c->risen |= key == RISE_KEY;
    c->wavy |= key == RISE_KEY || key == SPREAD_KEY;
    switch (key) {
    case OFFSETS_KEY:
        c->o.offsets = parse_size(state, "--offsets", arg, 1, 16);
        break;
    case RISE_KEY:
        c->o.rise = parse_real(state, "--rise", arg, 0.001, 0.5);
        break;
    case INPUT_KEY:
        c->o.input_bits = (unsigned)parse_size(state, "--input-bits", arg, 1, 8);
        break;
    case AUTO_SECONDS_KEY:
        c->auto_seconds = parse_real(state, "--auto-seconds", arg, 1e-6, 1e6);
        break;
    case SECONDS_KEY:
        c->budget.seconds = parse_real(state, "--target-seconds", arg, 1e-6, 1e9);
        break;
    case SPREAD_KEY:
        c->o.spread = parse_real(state, "--spread", arg, 0.01, 1);
        break;
    case VALUE_NOISE_KEY:
        c->o.value_noise = parse_real(state, "--value-noise", arg, 0, 1);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int names_waves(const char *list)
{
    static const char *const waves[] = {"triangle", "trapezoid", "sine", "square"};
    for (size_t k = 0; k < sizeof waves / sizeof *waves; k++)
        if (strstr(list, waves[k]) != NULL) return 1;
    return 0;
}

/* Whether some of these activations rise as --rise says. */
static int takes_rise(const char *list)
{
    for (const char *at = list; at != NULL;) {
        const size_t len = strcspn(at, ",");
        if ((len == 6 && strncmp(at, "square", len) == 0) || (len == 9 && strncmp(at, "trapezoid", len) == 0)) return 1;
        at = at[len] == 0 ? NULL : at + len + 1;
    }
    return 0;
}

static void check_options(const train_command *c, struct argp_state *state)
{
    if (c->wavy && (c->from != NULL || !(c->automatic || c->o.network != NULL || names_waves(c->o.activation))))
        argp_error(state, "--rise and --spread are of new networks with waves: leave them out, or choose waves by "
                          "--activation");
    if (c->risen && !c->automatic && c->o.network == NULL && !takes_rise(c->o.activation))
        argp_error(state,
                   "--rise is of trapezoid and square, and not of trapezoid=RISE, which has its own: leave it out");
    if (c->auto_seconds > 0 && !c->automatic) argp_error(state, "--auto-seconds goes with --activation auto");
    if (c->weight_bits_count > 1 && c->weight_bits_count != c->o.conv_count + c->o.hidden_count + 1)
        argp_error(state, "--weight-bits: %zu numbers for %zu layers; give one for all, or one for each",
                   c->weight_bits_count, c->o.conv_count + c->o.hidden_count + 1);
    const size_t hidden = c->o.conv_count + c->o.hidden_count;
    if (c->activation_bits_count > 1 && c->activation_bits_count != hidden)
        argp_error(state, "--activation-bits: %zu numbers for %zu hidden layers; give one for all, or one for each",
                   c->activation_bits_count, hidden);
    if (c->activations > 1 && c->activations != hidden)
        argp_error(state, "--activation: %zu names for %zu hidden layers; give one for all, or one for each",
                   c->activations, hidden);
    const int errs = c->o.target_error > 0 || c->o.index_noise > 0;
    if (c->training.rounds && !errs && !(c->budget.seconds > 0) && !c->automatic)
        argp_error(state, "--rounding-bits goes with --target-p-error, --index-noise or --target-seconds");
    if (c->noise_of != NULL && c->budget.seconds > 0)
        argp_error(state, "--target-seconds finds the noise itself: leave out --noise-of");
    if (c->automatic && c->budget.seconds > 0)
        argp_error(state, "--target-seconds goes with an activation; with --activation auto give --auto-seconds");
    if (c->from != NULL && c->budget.seconds > 0)
        argp_error(state, "--target-seconds chooses the layers: for a network that there is use prune --seconds");
    if (c->o.conv_count + c->o.hidden_count > ANNULUS_MAX_HIDDEN)
        argp_error(state, "--conv and --hidden: at most %d layers together", ANNULUS_MAX_HIDDEN);
    if (c->o.epochs == 0) argp_error(state, "--epochs 0: at least one is needed");
    if ((c->from != NULL) + (c->o.network != NULL) + (c->shaped != 0) > 1)
        argp_error(state,
                   "%s gives layers, activations and bits: leave out --hidden, --conv, --activation, --...-bits, "
                   "--offsets and --rise",
                   c->from != NULL ? "--from" : "--network");
}

/* Nothing but the model that is written may take the place of the model that it was. */
static void check_files(const train_command *c, struct argp_state *state)
{
    named_file files[TRAINING_FILES + 4 + ANNULUS_MAX_HIDDEN] = {{0}};
    char *activations = c->o.network != NULL ? network_words(c->o.network) : strdup(c->o.activation);
    if (activations != NULL)
        table_files(activations, c->o.network != NULL ? "--network" : "--activation", files + TRAINING_FILES + 4);
    training_files(&c->training, files);
    files[TRAINING_FILES] = (named_file){"--network", c->o.network};
    files[TRAINING_FILES + 1] = (named_file){"--noise-of", c->noise_of};
    files[TRAINING_FILES + 2] = (named_file){"--distill", c->teacher};
    files[TRAINING_FILES + 3] = (named_file){"--distill", c->o.distill_network};
    need_apart(state, files, TRAINING_FILES, sizeof files / sizeof *files, &c->data);
    files[TRAINING_FILES - 1] = (named_file){"--from", c->from};
    need_apart(state, files, TRAINING_FILES - 1, TRAINING_FILES, NULL);
    free(activations);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    train_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->training;
        state->child_inputs[1] = &c->data;
        state->child_inputs[2] = &c->work;
        break;
    case TASK_KEY:
        c->training.task = parse_task(state, arg);
        c->tasked = 1;
        break;
    case HIDDEN_KEY:
        c->shaped = 1;
        c->o.hidden_count = parse_widths("--hidden", arg, state, c->o.hidden, c->o.hidden_add);
        break;
    case CONV_KEY:
        c->shaped = 1;
        parse_convolutions(c, arg, state);
        break;
    case DISTILL_KEY:
        parse_teacher(c, arg, state);
        break;
    case NETWORK_KEY:
        c->o.network = arg;
        break;
    case ACTIVATION_BITS_KEY:
        c->shaped = 1;
        c->activation_bits_count = parse_bits(state, "--activation-bits", 8, arg, ANNULUS_MAX_HIDDEN,
                                              &c->o.activation_bits, c->o.layer_activation_bits);
        break;
    case ACTIVATION_KEY:
        c->automatic = strcmp(arg, "auto") == 0;
        c->activations = c->automatic ? 1 : check_activations(arg, state);
        c->shaped = 1;
        c->o.activation = arg;
        break;
    case WEIGHT_KEY:
        c->shaped = 1;
        c->weight_bits_count = parse_bits(state, "--weight-bits", 16, arg, ANNULUS_MAX_HIDDEN + 1, &c->o.weight_bits,
                                          c->o.layer_weight_bits);
        break;
    case FROM_KEY:
        c->from = arg;
        break;
    case NOISE_OF_KEY:
        c->noise_of = arg;
        break;
    case NAMES_KEY:
        parse_names(c, arg, state);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument %s", arg);
        break;
    case ARGP_KEY_END:
        check_options(c, state);
        check_files(c, state);
        break;
    default:
        return parse_number(c, key, arg, state);
    }
    return 0;
}

static annulus_status train(train_command *c, const annulus_model *from, annulus_model **out)
{
    annulus_dataset *d = NULL;
    c->o.from = from;
    annulus_status st = data_read(&c->data, c->training.task, NULL, &d);
    progress_line *line = training_begin(&c->training, &c->work);
    if (c->training.rounds) c->budget.rounding_bits = c->o.rounding_bits;
    if (st == ANNULUS_OK && c->automatic)
        st = annulus_train_auto(d, &c->o, c->auto_seconds, training_report, &c->training, &line->progress, &c->found,
                                out);
    else if (st == ANNULUS_OK && c->budget.seconds > 0)
        st =
            annulus_train_within(d, &c->o, &c->budget, training_report, &c->training, &line->progress, &c->choice, out);
    else if (st == ANNULUS_OK)
        st = annulus_train(d, &c->o, training_report, &c->training, &line->progress, out);
    annulus_dataset_destroy(d);
    if (c->choice.noise_count > 0) noise_chosen(&c->choice, &c->noise);
    training_end(&c->training, st);
    return st;
}

static json_t *widths_json(const size_t *widths, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) (void)json_array_append_new(list, json_integer((json_int_t)widths[i]));
    return list;
}

static json_t *candidate_json(const train_command *c, const annulus_auto_candidate *k)
{
    json_t *o = json_object();
    if (k->why[0] != '\0') (void)json_object_set_new(o, "refused", json_string(k->why));
    if (isinf(k->seconds)) return o;
    (void)json_object_set_new(o, "activation", json_string(k->activation));
    (void)json_object_set_new(o, "channels", widths_json(k->channels, c->o.conv_count));
    (void)json_object_set_new(o, "hidden", widths_json(k->hidden, c->o.hidden_count));
    (void)json_object_set_new(o, "rotations", json_integer((json_int_t)k->rotations));
    (void)json_object_set_new(o, "seconds_predicted", json_real(k->seconds));
    (void)json_object_set_new(o, "fits", json_boolean(k->fits));
    (void)json_object_set_new(o, c->training.task == ANNULUS_REGRESSION ? "r2" : "accuracy", json_real(k->score));
    return o;
}

static void print_candidate(const train_command *c, const char *kind, const annulus_auto_candidate *k, int chosen)
{
    fprintf(stderr, "%-12s ", kind);
    if (isinf(k->seconds)) {
        fprintf(stderr, "%s\n", k->why[0] != '\0' ? k->why : "no parameters");
        return;
    }
    for (size_t i = 0; i < c->o.conv_count; i++) fprintf(stderr, "%zu channels, ", k->channels[i]);
    for (size_t i = 0; i < c->o.hidden_count; i++) fprintf(stderr, "%zu neurons, ", k->hidden[i]);
    fprintf(stderr, "%zu rotations, %.3g s predicted, simulated ", k->rotations, k->seconds);
    if (c->training.task == ANNULUS_REGRESSION)
        fprintf(stderr, "R^2 %.4f", k->score);
    else
        fprintf(stderr, "accuracy %.2f %%", 100 * k->score);
    fprintf(stderr, " after short training%s\n", !k->fits ? ": left out, too slow" : chosen ? ": taken" : "");
}

/* What was compared for --activation auto, and how to compile what was taken. */
static void talk_of_kinds(const train_command *c)
{
    const annulus_auto_report *r = &c->found;
    print_candidate(c, "classic", &r->classic, !r->native_chosen);
    print_candidate(c, "torus-native", &r->native, r->native_chosen);
    if (isinf(r->seconds))
        fprintf(stderr, "trained in full: no parameters, ");
    else
        fprintf(stderr, "trained in full: %.3g s predicted, %.3g for both, ", r->seconds, r->budget);
    fprintf(stderr, "to be compiled with --p-error %.3g", exp2(r->log2_error));
    if (r->native_chosen)
        fprintf(stderr, " --phase-noise %.3g\n", r->phase_noise);
    else
        fprintf(stderr, " --rounding-bits %u\n", r->rounding_bits);
    if (r->seconds > 1.05 * r->budget && isfinite(r->seconds))
        fprintf(stderr,
                "warning: trained in full it takes more than the %.3g s of the comparison: ask for fewer with "
                "--auto-seconds\n",
                r->budget);
}

/* What was chosen for --target-seconds. */
static void talk(const train_command *c)
{
    const annulus_choice *k = &c->choice;
    fprintf(stderr, k->hidden_count == 0 ? "no hidden neurons" : "hidden neurons ");
    for (size_t i = 0; i < k->hidden_count; i++) fprintf(stderr, i == 0 ? "%zu" : ",%zu", k->hidden[i]);
    fprintf(stderr, ": predicted %.3g s an inference, %.3g asked for\n", k->seconds, c->budget.seconds);
    if (k->noise_count > 0) print_noise(&c->noise);
    if (k->rounding_bits > 0)
        fprintf(stderr, "compile with --p-error %.3g --rounding-bits %u\n", exp2(k->log2_error), k->rounding_bits);
}

static void choice_json(const train_command *c, json_t *o)
{
    const annulus_choice *k = &c->choice;
    (void)json_object_set_new(o, "seconds_predicted", json_real(k->seconds));
    (void)json_object_set_new(o, "hidden", widths_json(k->hidden, k->hidden_count));
    if (k->rounding_bits == 0) return;
    (void)json_object_set_new(o, "p_error", json_real(exp2(k->log2_error)));
    (void)json_object_set_new(o, "rounding_bits", json_integer(k->rounding_bits));
}

static json_t *kinds_json(const train_command *c)
{
    const annulus_auto_report *r = &c->found;
    json_t *o = json_object();
    (void)json_object_set_new(o, "seconds", json_real(r->budget));
    (void)json_object_set_new(o, "classic", candidate_json(c, &r->classic));
    (void)json_object_set_new(o, "torus_native", candidate_json(c, &r->native));
    (void)json_object_set_new(o, "chosen", json_string(r->native_chosen ? "torus_native" : "classic"));
    if (isfinite(r->seconds)) (void)json_object_set_new(o, "seconds_predicted", json_real(r->seconds));
    (void)json_object_set_new(o, "p_error", json_real(exp2(r->log2_error)));
    if (r->native_chosen)
        (void)json_object_set_new(o, "phase_noise", json_real(r->phase_noise));
    else
        (void)json_object_set_new(o, "rounding_bits", json_integer(r->rounding_bits));
    return o;
}

static json_t *report_json(const train_command *c, const annulus_model *m)
{
    const annulus_epoch *e = &c->training.last;
    json_t *o = json_object();
    (void)json_object_set_new(o, "schema", json_string("annulus-training-1"));
    (void)json_object_set_new(o, "epochs", json_integer(e->epoch));
    (void)json_object_set_new(o, "loss", json_real(e->loss));
    if (!isnan(e->validation)) (void)json_object_set_new(o, "validation", json_real(e->validation));
    if (c->budget.seconds > 0) choice_json(c, o);
    if (c->automatic || c->budget.seconds > 0) costs_json(o);
    (void)json_object_set_new(o, "layers", sums_json(m));
    if (c->automatic) (void)json_object_set_new(o, "auto", kinds_json(c));
    if (c->noise.count > 0) (void)json_object_set_new(o, "noise", noise_json(&c->noise));
    if (c->choice.noise_count > 0) (void)json_object_set_new(o, "noise_rounds", json_integer(c->choice.rounds));
    return o;
}

/* What the network is and how it came about, when it is written. */
static void report(const train_command *c, const annulus_model *m)
{
    if (c->automatic && !c->work.quiet) talk_of_kinds(c);
    if (!c->work.quiet) {
        print_sums(m);
        if (c->o.noise_of != NULL) print_noise(&c->noise);
        if (c->budget.seconds > 0) talk(c);
        if (c->automatic || c->budget.seconds > 0) say_costs();
        fprintf(stderr, "wrote %s\n", c->training.output);
    }
    if (!c->training.json) return;
    json_t *o = report_json(c, m);
    (void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(8));
    printf("\n");
    json_decref(o);
}

int cmd_train(int argc, char **argv)
{
    const struct argp_child children[] = {
        {&training_argp, 0, NULL, 0}, {&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries, parse, NULL, "Trains a quantized network.", children, NULL, NULL};
    train_command c = {.data = {.required = 1}, .training = {.o = &c.o}};
    annulus_model *m = NULL, *from = NULL, *teacher = NULL;
    annulus_train_options_init(&c.o);
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    c.o.threads = c.work.threads;
    annulus_status st = ANNULUS_OK;
    annulus_circuit *noise = NULL;
    if (c.from != NULL) st = annulus_model_read(c.from, &from);
    if (st == ANNULUS_OK && c.teacher != NULL) st = annulus_model_read(c.teacher, &teacher);
    c.o.distill_model = teacher;
    if (from != NULL && !c.tasked) c.training.task = annulus_model_task(from);
    if (st == ANNULUS_OK && c.noise_of != NULL) st = annulus_circuit_read(c.noise_of, &noise);
    if (noise != NULL) st = annulus_circuit_noise(noise, c.noise.trained, &c.noise.count);
    c.o.noise_of = noise;
    if (st == ANNULUS_OK) st = train(&c, from, &m);
    if (st == ANNULUS_OK) st = annulus_model_write(m, c.training.output);
    if (st == ANNULUS_OK) report(&c, m);
    st = training_done(&c.training, st);
    annulus_circuit_destroy(noise);
    annulus_model_destroy(m);
    annulus_model_destroy(from), annulus_model_destroy(teacher);
    return st != ANNULUS_OK ? report_stopped(st, c.o.checkpoint) : finish_stdout();
}
