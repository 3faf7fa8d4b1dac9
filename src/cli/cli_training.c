/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EPOCHS_KEY = 0x400,
    BATCH_KEY,
    RATE_KEY,
    VALIDATION_KEY,
    NOISE_KEY,
    SHIFT_KEY,
    FLIP_KEY,
    DROPOUT_KEY,
    SEED_KEY,
    BITS_KEY,
    BY_KEY,
    SPARSITY_KEY,
    TARGET_KEY,
    INDEX_KEY,
    ROUNDING_KEY,
    OPTIMIZER_KEY,
    MOMENTUM_KEY,
    SCHEDULE_KEY,
    PATIENCE_KEY,
    CLASSES_KEY,
    THRESHOLDS_KEY,
    CHECKPOINT_KEY,
    CLIP_KEY,
    POWER_KEY,
    LOG_KEY,
    CURVE_KEY
};

static const struct argp_option entries[] = {
    {"output", 'o', "FILE", 0, "ONNX file to write", 0},
    {"json", 'j', 0, 0, "print a report on stdout, as JSON", 0},
    {0, 0, 0, 0, "Training:", TRAINING_GROUP},
    {"epochs", EPOCHS_KEY, "E", 0, "passes over the data (default 30; prune: 10, 0 for no fine-tuning)", 0},
    {"batch", BATCH_KEY, "N", 0, "samples of one step, 2 to 65536 (default 128)", 0},
    {"learning-rate", RATE_KEY, "R", 0, "at its highest (default 0.003; prune: 0.001; sgd wants 0.05 or so)", 0},
    {"optimizer", OPTIMIZER_KEY, "NAME", 0, "adam (default) or sgd", 0},
    {"momentum", MOMENTUM_KEY, "M", 0, "of sgd, 0 to 0.999 (default 0.9)", 0},
    {"schedule", SCHEDULE_KEY, "NAME", 0, "of the learning rate: cosine (default) or one-cycle", 0},
    {"patience", PATIENCE_KEY, "E", 0,
     "end after E epochs without a better validation, and take the best epoch's network (default: all epochs)", 0},
    {"validation", VALIDATION_KEY, "F", 0, "part of the samples held out to validate on, 0 to 0.5 (default 0.1)", 0},
    {"class-weights", CLASSES_KEY, "A,B,...", 0,
     "what a sample of each class counts, or balanced: all classes count the same (default: all samples do)", 0},
    {"thresholds", THRESHOLDS_KEY, "A,B,...", 0,
     "multi-label: probabilities above which a sample has each label (default 0.5), or best: by F1 on the validation "
     "set",
     0},
    {"shift", SHIFT_KEY, "PIXELS", 0, "move images at random by up to so many pixels, 0 to 64 (default 0)", 0},
    {"flip", FLIP_KEY, NULL, 0, "mirror images left to right at random", 0},
    {"dropout", DROPOUT_KEY, "P[,P...]", 0,
     "lose values that dense layers behind the first take with this probability, 0 to 0.9 (default 0); or one for each "
     "layer, also of the first one's inputs, the scores last: of what a convolution takes of another whole channels",
     0},
    {"seed", SEED_KEY, "S", 0, "the same seed gives the same file, on any number of threads (default 1)", 0},
    {"checkpoint", CHECKPOINT_KEY, "FILE", 0,
     "keep there where training stands after every epoch; go on from it if it is there; removed at the end", 0},
    {"resume", 0, 0, OPTION_ALIAS, 0, 0},
    {"log", LOG_KEY, "FILE", 0, "write epoch, loss, validation and seconds there, as CSV", 0},
    {"curve", CURVE_KEY, "FILE", 0, "draw the learning curve there, as SVG", 0},
    {0, 0, 0, 0, "Noise while training, as of encrypted look-ups:", NOISE_GROUP},
    {"phase-noise", NOISE_KEY, "S", 0,
     "standard deviation on the sums of a neuron, in deviations of these, 0 to 10 (default 0.1); where layers are "
     "waves, in periods, 0 to 0.25 (default 0.03125; prune: what the model bears), which the model then bears",
     0},
    {"target-p-error", TARGET_KEY, "P", 0,
     "in place of --phase-noise: look-ups read another cell than the right one with this probability, 0.001 to 0.9", 0},
    {"index-noise", INDEX_KEY, "C", 0, "in place of --phase-noise: standard deviation in cells of a look-up, up to 8",
     0},
    {"rounding-bits", ROUNDING_KEY, "B", 0,
     "as it will be given to compile, 1 to 12 (default 5): with --target-p-error, --index-noise, --target-seconds and "
     "--seconds of prune",
     0},
    {0, 0, 0, 0, "Sums and scales:", SUMS_GROUP},
    {"accumulator-bits", BITS_KEY, "B", 0,
     "no neuron's sum takes more than 2^B values, whatever its inputs, 1 to 31 (default: any)", 0},
    {"accumulator-by", BY_KEY, "HOW", 0,
     "with --accumulator-bits: projection of the weights (default), or masks that leave few of each neuron", 0},
    {"sparsity", SPARSITY_KEY, "F", 0,
     "part of each neuron's weights that becomes 0, from 0 to less than 1 (default 0)", 0},
    {"clip", CLIP_KEY, "HOW,...", 0,
     "where values and weights are cut off (default: values where training learns to, weights by a rule); "
     "percentile=P: both at this percentile, 50 to 100, of those that are not 0; learned: weights where training "
     "learns to, as well; inputs=P: inputs at this percentile",
     0},
    {"power-of-two", POWER_KEY, 0, 0, "make the scales of inputs, values and weights powers of two", 0},
    {0}};

/* x (CLASSES_MOST) <- the numbers, *count of them. */
static const double *parse_reals(struct argp_state *state, const char *what, char *arg, double least, double most,
                                 double *x, size_t *count)
{
    char *rest = arg;
    *count = 0;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (*count == CLASSES_MOST) argp_error(state, "%s: at most %d", what, CLASSES_MOST);
        x[(*count)++] = parse_real(state, what, part, least, most);
    }
    return x;
}

static void parse_class_weights(training_options *t, char *arg, struct argp_state *state)
{
    t->o->classes_balanced = strcmp(arg, "balanced") == 0;
    t->o->class_weights_count = 0;
    if (t->o->classes_balanced) return;
    t->o->class_weights =
        parse_reals(state, "--class-weights", arg, 0, 1e9, t->class_weights, &t->o->class_weights_count);
}

annulus_task parse_task(struct argp_state *state, const char *text)
{
    static const struct {
        const char *name;
        annulus_task task;
    } known[] = {{"classification", ANNULUS_CLASSIFICATION},
                 {"regression", ANNULUS_REGRESSION},
                 {"multi-label", ANNULUS_MULTI_LABEL}};
    size_t k = 0;
    while (k < 3 && strcmp(text, known[k].name) != 0) k++;
    if (k == 3) argp_error(state, "--task %s: classification, regression or multi-label", text);
    return known[k].task;
}

static void parse_thresholds(training_options *t, char *arg, struct argp_state *state)
{
    t->o->thresholds_best = strcmp(arg, "best") == 0;
    if (t->o->thresholds_best) return;
    t->o->thresholds = parse_reals(state, "--thresholds", arg, 1e-6, 1 - 1e-6, t->thresholds, &t->o->thresholds_count);
}

static int parse_either(struct argp_state *state, const char *what, const char *arg, const char *zero, const char *one)
{
    if (strcmp(arg, zero) != 0 && strcmp(arg, one) != 0) argp_error(state, "%s %s: %s or %s", what, arg, zero, one);
    return strcmp(arg, one) == 0;
}

/* One number for dense layers, or one for each layer. */
static void parse_dropout(annulus_train_options *o, char *arg, struct argp_state *state)
{
    char *rest = arg;
    size_t count = 0;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ",")) {
        if (count > ANNULUS_MAX_HIDDEN) argp_error(state, "--dropout: at most %d layers", ANNULUS_MAX_HIDDEN + 1);
        o->layer_dropout[count++] = parse_real(state, "--dropout", part, 0, 0.9);
    }
    o->dropout = count == 1 ? o->layer_dropout[0] : 0;
    o->layer_dropout_count = count == 1 ? 0 : count;
}

static void parse_clip(training_options *t, char *arg, struct argp_state *state)
{
    char *rest = arg;
    for (char *part = strsep(&rest, ","); part != NULL; part = strsep(&rest, ","))
        if (strncmp(part, "percentile=", 11) == 0)
            t->o->clip_percentile = parse_real(state, "--clip percentile=", part + 11, 50, 100);
        else if (strncmp(part, "inputs=", 7) == 0)
            t->o->clip_inputs = parse_real(state, "--clip inputs=", part + 7, 50, 100);
        else if (strcmp(part, "learned") == 0)
            t->o->clip_learned = 1;
        else
            argp_error(state, "--clip %s: percentile=P, as percentile=99, inputs=P or learned", part);
}

/* How it goes, and what is kept of it. */
static error_t parse_habit(training_options *t, int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'o':
        t->output = arg;
        break;
    case 'j':
        t->json = 1;
        break;
    case OPTIMIZER_KEY:
        t->o->optimizer = (annulus_optimizer)parse_either(state, "--optimizer", arg, "adam", "sgd");
        break;
    case MOMENTUM_KEY:
        t->o->momentum = parse_real(state, "--momentum", arg, 0, 0.999);
        t->moved = 1;
        break;
    case SCHEDULE_KEY:
        t->o->schedule = (annulus_schedule)parse_either(state, "--schedule", arg, "cosine", "one-cycle");
        break;
    case PATIENCE_KEY:
        t->o->patience = (unsigned)parse_size(state, "--patience", arg, 1, 100000);
        break;
    case CLASSES_KEY:
        parse_class_weights(t, arg, state);
        break;
    case CLIP_KEY:
        parse_clip(t, arg, state);
        break;
    case POWER_KEY:
        t->o->power_of_two = 1;
        break;
    case THRESHOLDS_KEY:
        parse_thresholds(t, arg, state);
        break;
    case CHECKPOINT_KEY:
        t->o->checkpoint = arg;
        break;
    case LOG_KEY:
        t->log = arg;
        break;
    case CURVE_KEY:
        t->curve = arg;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    training_options *t = state->input;
    annulus_train_options *o = t->o;
    switch (key) {
    case EPOCHS_KEY:
        o->epochs = (unsigned)parse_size(state, "--epochs", arg, 0, 100000);
        break;
    case BATCH_KEY:
        o->batch = parse_size(state, "--batch", arg, 2, 65536);
        break;
    case RATE_KEY:
        o->learning_rate = parse_real(state, "--learning-rate", arg, 1e-8, 10);
        break;
    case VALIDATION_KEY:
        o->validation = parse_real(state, "--validation", arg, 0, 0.5);
        break;
    case NOISE_KEY:
        o->phase_noise = parse_real(state, "--phase-noise", arg, 0, 10);
        break;
    case SHIFT_KEY:
        o->shift = (unsigned)parse_size(state, "--shift", arg, 0, 64);
        break;
    case DROPOUT_KEY:
        parse_dropout(o, arg, state);
        break;
    case FLIP_KEY:
        o->flip = 1;
        break;
    case SEED_KEY:
        o->seed = parse_size(state, "--seed", arg, 0, SIZE_MAX);
        break;
    case TARGET_KEY:
        o->target_error = parse_real(state, "--target-p-error", arg, 0.001, 0.9);
        break;
    case INDEX_KEY:
        o->index_noise = parse_real(state, "--index-noise", arg, 1e-6, 8);
        break;
    case ROUNDING_KEY:
        o->rounding_bits = (unsigned)parse_size(state, "--rounding-bits", arg, 1, 12);
        t->rounds = 1;
        break;
    case BITS_KEY:
        o->accumulator_bits = (unsigned)parse_size(state, "--accumulator-bits", arg, 1, 31);
        break;
    case BY_KEY:
        o->accumulator_masks = parse_either(state, "--accumulator-by", arg, "projection", "masks");
        t->bound_by = 1;
        break;
    case SPARSITY_KEY:
        o->sparsity = parse_real(state, "--sparsity", arg, 0, 1);
        if (o->sparsity == 1) argp_error(state, "--sparsity 1: no weight would be left");
        break;
    case ARGP_KEY_END:
        if (t->output == NULL) argp_error(state, "--output is needed");
        if (t->bound_by && o->accumulator_bits == 0) argp_error(state, "--accumulator-by goes with --accumulator-bits");
        if (t->moved && o->optimizer != ANNULUS_SGD) argp_error(state, "--momentum goes with --optimizer sgd");
        if (o->patience > 0 && o->validation == 0) argp_error(state, "--patience needs --validation above 0");
        break;
    default:
        return parse_habit(t, key, arg, state);
    }
    return 0;
}
const struct argp training_argp = {.options = entries, .parser = parse};

void training_files(const training_options *t, named_file out[TRAINING_FILES])
{
    const named_file files[TRAINING_FILES] = {
        {"--checkpoint", t->o->checkpoint}, {"--log", t->log}, {"--curve", t->curve}, {"--output", t->output}};
    memcpy(out, files, sizeof files);
}

#define NETWORK_MOST 65536u

char *network_words(const char *path)
{
    int comment = 0;
    char *text = calloc(1, NETWORK_MOST + 1);
    FILE *f = text == NULL ? NULL : fopen(path, "r");
    if (f == NULL) return text;
    const size_t len = fread(text, 1, NETWORK_MOST, f);
    (void)fclose(f);
    for (size_t i = 0; i < len; i++) {
        comment = text[i] != '\n' && (comment || text[i] == '#');
        if (comment || strchr(" \t\r\n", text[i]) != NULL) text[i] = ',';
    }
    return text;
}

void table_files(char *list, const char *option, named_file *out)
{
    size_t count = 0;
    for (char *part = strsep(&list, ","); part != NULL && count < ANNULUS_MAX_HIDDEN; part = strsep(&list, ",")) {
        const size_t name = strcspn(part, "=");
        if (part[name] == 0 || (strncmp(part, "table=", 6) != 0 && strncmp(part, "entries=", 8) != 0)) continue;
        out[count++] = (named_file){option, part + name + 1};
    }
}

progress_line *training_begin(training_options *t, const work_options *w)
{
    t->quiet = w->quiet;
    progress_begin(&t->line, w->quiet);
    return &t->line;
}

/* All that was reported, for the log and the curve. */
static void keep(training_options *t, const annulus_epoch *e)
{
    annulus_epoch *more = realloc(t->epochs, (t->epochs_count + 1) * sizeof *more);
    if (more == NULL) return;
    t->epochs = more;
    t->epochs[t->epochs_count++] = *e;
    if (t->log == NULL) return;
    const annulus_status st = annulus_epochs_write_csv(t->epochs, t->epochs_count, t->log);
    if (st != ANNULUS_OK && t->kept == ANNULUS_OK) {
        progress_end(&t->line);
        fprintf(stderr, "annulus: %s; training goes on, and so does trying to write the log\n",
                annulus_error_message());
    }
    t->kept = st;
}

void training_report(void *context, const annulus_epoch *e)
{
    training_options *t = context;
    keep(t, e);
    if (e->best) t->best = *e;
    if (t->quiet) return;
    progress_end(&t->line);
    fprintf(stderr, "epoch %u of %u: loss %.4f", e->epoch, e->epochs, e->loss);
    if (!isnan(e->validation) && t->task != ANNULUS_REGRESSION)
        fprintf(stderr, ", validation accuracy %.2f %%", 100 * e->validation);
    else if (!isnan(e->validation))
        fprintf(stderr, ", validation R^2 %.4f", e->validation);
    fprintf(stderr, ", %.1f s", e->seconds);
    if (e->epoch < e->epochs) fprintf(stderr, ", %.0f s left", e->seconds * (e->epochs - e->epoch));
    fprintf(stderr, "\n");
}

void training_end(training_options *t, annulus_status st)
{
    progress_end(&t->line);
    if (st == ANNULUS_OK && t->best.epoch > 0 && !t->quiet)
        fprintf(stderr, "the network of epoch %u is taken\n", t->best.epoch);
    if (t->epochs_count > 0) t->last = t->best.epoch > 0 ? t->best : t->epochs[t->epochs_count - 1];
}

annulus_status training_done(training_options *t, annulus_status st)
{
    if (st == ANNULUS_OK) {
        if (t->o->checkpoint != NULL) (void)unlink(t->o->checkpoint);
        if (t->kept != ANNULUS_OK) st = annulus_epochs_write_csv(t->epochs, t->epochs_count, t->log);
        if (st == ANNULUS_OK && t->curve != NULL && t->epochs_count > 0)
            st = annulus_epochs_write_svg(t->epochs, t->epochs_count, t->curve);
    }
    free(t->epochs);
    t->epochs = NULL;
    return st;
}

void print_sums(const annulus_model *m)
{
    fprintf(stderr, "%-9s %7s %8s %12s %5s %10s %10s\n", "layer", "inputs", "neurons", "sums at most", "bits",
            "weights", "not 0");
    for (size_t i = 0; i < annulus_model_layers(m); i++) {
        const annulus_layer_sums s = annulus_model_sums(m, i);
        char name[24];
        (void)snprintf(name, sizeof name, i + 1 == annulus_model_layers(m) ? "output" : "layer %zu", i + 1);
        fprintf(stderr, "%-9s %7zu %8zu %12llu %5u %10zu %10zu\n", name, s.inputs, s.neurons,
                (unsigned long long)s.values, s.bits, s.weights, s.nonzero);
    }
}

json_t *sums_json(const annulus_model *m)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < annulus_model_layers(m); i++) {
        const annulus_layer_sums s = annulus_model_sums(m, i);
        json_t *o = json_object();
        (void)json_object_set_new(o, "inputs", json_integer((json_int_t)s.inputs));
        (void)json_object_set_new(o, "neurons", json_integer((json_int_t)s.neurons));
        (void)json_object_set_new(o, "sums", json_integer((json_int_t)s.values));
        (void)json_object_set_new(o, "bits", json_integer((json_int_t)s.bits));
        (void)json_object_set_new(o, "weights", json_integer((json_int_t)s.weights));
        (void)json_object_set_new(o, "nonzero", json_integer((json_int_t)s.nonzero));
        (void)json_array_append_new(layers, o);
    }
    return layers;
}
