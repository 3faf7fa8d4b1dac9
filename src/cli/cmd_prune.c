/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEURONS_KEY = 0x300, LOOK_UPS_KEY, SECONDS_KEY, BY_KEY, ERROR_KEY };

typedef struct prune_command {
    training_options training;
    data_options data;
    work_options work;
    annulus_prune_options o;
    annulus_compile_options compile;
    const char *model;
    int compiled;
} prune_command;

static const char *const ways[] = {"norm", "activation", "taylor"};

static const struct argp_option entries[] = {
    {"neurons", NEURONS_KEY, "P%", 0,
     "remove this part of every hidden layer, of convolutions the channels, 0 to less than 100 %", 0},
    {"look-ups", LOOK_UPS_KEY, "N", 0, "leave at most so many look-ups in hidden layers, of waves rotations", 0},
    {"seconds", SECONDS_KEY, "S", 0,
     "leave as many neurons as an inference may have that is predicted to take S seconds on --threads of this host", 0},
    {"by", BY_KEY, "WHAT", 0,
     "which neurons go: those whose removal moves the sums behind them least (activation, the default), changes the "
     "loss least (taylor), or those of the smallest weights (norm)",
     0},
    {"p-error", ERROR_KEY, "P", 0, "with --seconds: as it will be given to compile (default 2^-40)", 0},
    {0}};

static double parse_percent(struct argp_state *state, const char *text)
{
    char *end = NULL;
    const double v = strtod(text, &end);
    const int sign = end != text && strcmp(end, "%") == 0;
    if (end == text || (*end != '\0' && !sign) || !(v >= 0 && v < 100))
        argp_error(state, "--neurons %s: a percentage from 0 to less than 100 is needed, such as 50%%", text);
    return v;
}

static void check(const prune_command *c, struct argp_state *state)
{
    if (c->model == NULL) argp_error(state, "an ONNX file is needed");
    if ((c->o.percent >= 0) + (c->o.look_ups > 0) + (c->o.seconds > 0) != 1)
        argp_error(state, "one of --neurons, --look-ups and --seconds is needed");
    if (c->compiled && !(c->o.seconds > 0)) argp_error(state, "--p-error goes with --seconds");
    if (c->training.rounds && !(c->o.seconds > 0) && c->o.train.target_error == 0 && c->o.train.index_noise == 0)
        argp_error(state, "--rounding-bits goes with --seconds, --target-p-error or --index-noise");
    if (c->o.train.epochs == 0 &&
        (c->o.train.checkpoint != NULL || c->training.log != NULL || c->training.curve != NULL))
        argp_error(state,
                   "--epochs 0 is no fine-tuning, of which --checkpoint, --log and --curve are: leave them out, or "
                   "allow epochs");
}

/* Nothing but the model that is written may take the place of the model that it was. */
static void check_files(const prune_command *c, struct argp_state *state)
{
    named_file files[TRAINING_FILES];
    training_files(&c->training, files);
    need_apart(state, files, TRAINING_FILES, sizeof files / sizeof *files, &c->data);
    files[TRAINING_FILES - 1] = (named_file){"the model", c->model};
    need_apart(state, files, TRAINING_FILES - 1, TRAINING_FILES, NULL);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    prune_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->training;
        state->child_inputs[1] = &c->data;
        state->child_inputs[2] = &c->work;
        break;
    case NEURONS_KEY:
        c->o.percent = parse_percent(state, arg);
        break;
    case LOOK_UPS_KEY:
        c->o.look_ups = parse_size(state, "--look-ups", arg, 1, (size_t)1 << 32);
        break;
    case SECONDS_KEY:
        c->o.seconds = parse_real(state, "--seconds", arg, 1e-6, 1e9);
        break;
    case BY_KEY: {
        size_t i = 0;
        while (i < 3 && strcmp(ways[i], arg) != 0) i++;
        if (i == 3) argp_error(state, "--by %s: norm, activation or taylor", arg);
        c->o.by = (annulus_prune_by)i;
        break;
    }
    case ERROR_KEY:
        c->compile.log2_error = parse_log2_probability(state, "--p-error", arg);
        c->compiled = 1;
        break;
    case ARGP_KEY_ARG:
        if (c->model != NULL) argp_error(state, "one ONNX file, not also %s", arg);
        c->model = arg;
        break;
    case ARGP_KEY_END:
        check(c, state);
        check_files(c, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void print_json(const prune_command *c, const annulus_prune_report *r, const annulus_model *m)
{
    const double scores[] = {r->before, r->removed, r->after};
    static const char *const names[] = {"validation_before", "validation_removed", "validation"};
    json_t *o = json_object();
    (void)json_object_set_new(o, "schema", json_string("annulus-pruning-1"));
    (void)json_object_set_new(o, "by", json_string(ways[c->o.by]));
    (void)json_object_set_new(o, "look_ups_before", json_integer((json_int_t)r->look_ups_before));
    (void)json_object_set_new(o, "look_ups", json_integer((json_int_t)r->look_ups));
    (void)json_object_set_new(o, "idle", json_integer((json_int_t)r->idle));
    for (size_t i = 0; i < 3; i++)
        if (!isnan(scores[i])) (void)json_object_set_new(o, names[i], json_real(scores[i]));
    if (c->o.seconds > 0) {
        (void)json_object_set_new(o, "seconds_predicted", json_real(r->seconds));
        (void)json_object_set_new(o, "rounds", json_integer((json_int_t)r->rounds));
        costs_json(o);
    }
    (void)json_object_set_new(o, "layers", sums_json(m));
    (void)json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(8));
    printf("\n");
    json_decref(o);
}

static void talk(const prune_command *c, const annulus_prune_report *r, const annulus_model *m)
{
    print_sums(m);
    fprintf(stderr, "%zu of %zu look-ups are left", r->look_ups, r->look_ups_before);
    if (r->idle > 0) fprintf(stderr, ", %zu of the others gave the same value always or were not read", r->idle);
    fprintf(stderr, "\n");
    if (!isnan(r->before) && c->training.task != ANNULUS_REGRESSION)
        fprintf(stderr, "validation accuracy %.2f %% before, %.2f %% after removal, %.2f %% at the end\n",
                100 * r->before, 100 * r->removed, 100 * r->after);
    else if (!isnan(r->before))
        fprintf(stderr, "validation R^2 %.4f before, %.4f after removal, %.4f at the end\n", r->before, r->removed,
                r->after);
    if (c->o.seconds > 0) fprintf(stderr, "predicted %.3g s an inference\n", r->seconds);
    if (r->rounds > 0)
        fprintf(stderr, "fine-tuning moved it beyond the %g s: more were removed, %u times\n", c->o.seconds, r->rounds);
    if (c->o.seconds > 0) say_costs();
    fprintf(stderr, "wrote %s\n", c->training.output);
}

static annulus_status prune(prune_command *c, annulus_prune_report *r, annulus_model **out)
{
    annulus_model *m = NULL;
    annulus_dataset *d = NULL;
    annulus_status st = annulus_model_read(c->model, &m);
    if (m != NULL) c->training.task = annulus_model_task(m);
    if (st == ANNULUS_OK) st = data_read(&c->data, c->training.task, NULL, &d);
    progress_line *line = training_begin(&c->training, &c->work);
    if (st == ANNULUS_OK) st = annulus_prune(m, d, &c->o, training_report, &c->training, &line->progress, r, out);
    training_end(&c->training, st);
    if (st == ANNULUS_OK) st = annulus_model_write(*out, c->training.output);
    annulus_dataset_destroy(d);
    annulus_model_destroy(m);
    return st;
}

int cmd_prune(int argc, char **argv)
{
    const struct argp_child children[] = {
        {&training_argp, 0, NULL, 0}, {&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        entries,  parse, "MODEL.onnx", "Removes hidden neurons and channels, and fine-tunes what is left on the data.",
        children, NULL,  NULL};
    prune_command c = {.data = {.required = 1}, .training = {.o = &c.o.train}};
    annulus_prune_report r;
    annulus_prune_options_init(&c.o);
    annulus_compile_options_init(&c.compile);
    c.o.compile = &c.compile;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    c.o.train.threads = c.work.threads;
    c.compile.rounding_bits = c.o.train.rounding_bits;
    annulus_model *m = NULL;
    annulus_status st = prune(&c, &r, &m);
    if (st == ANNULUS_OK && !c.work.quiet) talk(&c, &r, m);
    if (st == ANNULUS_OK && c.training.json) print_json(&c, &r, m);
    st = training_done(&c.training, st);
    annulus_model_destroy(m);
    return st != ANNULUS_OK ? report_stopped(st, c.o.train.checkpoint) : finish_stdout();
}
