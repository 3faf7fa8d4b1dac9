/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
    RANGES_KEY = 0x300,
    MARGIN_KEY,
    ROUNDING_KEY,
    METHOD_KEY,
    BUDGET_KEY,
    OUTPUT_BITS_KEY,
    ERROR_KEY,
    GLOBAL_KEY,
    PRESET_KEY,
    SECURITY_KEY,
    OBJECTIVE_KEY,
    PHASE_KEY,
    WRAP_KEY,
    TOP_1_KEY
};

enum { RANGES_GROUP = 1, ERRORS_GROUP }; /* of the help text */

#define MAX_LAYERS 64u           /* with an error probability or a rounding of their own */
#define SHARING_LOG2_ERROR (-64) /* above, what sharing results risks is said */

typedef struct compile_command {
    data_options data;
    work_options work;
    annulus_compile_options o;
    annulus_layer_error layer_errors[MAX_LAYERS];
    annulus_layer_rounding layer_roundings[MAX_LAYERS];
    const char *preset;
    int width, rounds_auto;     /* --rounding-bits is given, of all layers; as auto */
    annulus_rounding method[2]; /* by --rounding-method, and behind that width; ANNULUS_ROUND_DEFAULT: not given */
    int methods_auto;           /* a method of rounding is to be chosen */
    double budget;              /* negative: not given */
    const char *model, *output;
} compile_command;

static const struct argp_option entries[] = {
    {"output", 'o', "FILE", 0, "circuit file to write", 0},
    {"top-1", TOP_1_KEY, "BITS", OPTION_ARG_OPTIONAL,
     "answers are the label alone, found by comparing scores of BITS bits, 1 to 10 (default 6), under encryption", 0},
    {"minimize", OBJECTIVE_KEY, "WHAT", 0, "seconds of an inference (default), key-size or memory", 0},
    {"security", SECURITY_KEY, "BITS", 0, "128 (default) or 132", 0},
    {0, 0, 0, 0, "Ranges and rounding of sums:", RANGES_GROUP},
    {"ranges", RANGES_KEY, "HOW", 0,
     "likely (default): what the data reach; sums beyond may be answered by any value; measured: the same, but sums "
     "beyond saturate, which takes larger tables; or proven from the weights",
     0},
    {"margin", MARGIN_KEY, "F", 0, "part of a measured range that is added at each side, 0 to 10 (default 0.1)", 0},
    {"rounding-bits", ROUNDING_KEY, "B", 0,
     "look-ups of at most 2^B cells, 1 to 12, or none (or 0) for no rounding (default 5); of layers, \"layer 1=4,layer "
     "2=none\", "
     "the others by default; or auto: the cheapest that keep the answers; each may have its method, 4:exact",
     0},
    {"rounding-method", METHOD_KEY, "HOW", 0,
     "approximate (default; exact with --preset shared-output): a look-up reads wide cells, near their borders by its "
     "noise; exact: the low bits are taken off first, a look-up a bit; or auto: approximate where that keeps the "
     "answers",
     0},
    {"accuracy-budget", BUDGET_KEY, "F", 0,
     "what rounding that is auto may lose, in per cent: of accuracy (default 0.5), of the answers of data without "
     "labels or with several (default 2), of the variance in regression (default 1)",
     0},
    {0, 0, 0, 0, "Errors and noise:", ERRORS_GROUP},
    {"p-error", ERROR_KEY, "P", 0,
     "error probability of one look-up, 0.001, 1e-3 or 2^-10 (default 2^-40); or of layers, \"layer "
     "1=1e-3,output=2^-40\"",
     0},
    {"global-p-error", GLOBAL_KEY, "P", 0, "in place of --p-error: error probability of a whole inference", 0},
    {"preset", PRESET_KEY, "NAME", 0,
     "in place of --p-error: exact (2^-40), relaxed (1e-3), fast (1e-2), or shared-output (2^-128, exact scores, no "
     "rounding but exact: results may be shown to others)",
     0},
    {"output-bits", OUTPUT_BITS_KEY, "B", 0,
     "bits of their range that decrypted scores are right to, 1 to 24 (default 6)", 0},
    {"phase-noise", PHASE_KEY, "S", 0,
     "standard deviation that torus-native look-ups, those of waves, may read with, in periods, as 0.03 or 2^-5, at "
     "most 0.25 (default: what the network was trained to bear, or 2^-5)",
     0},
    {"wrap-clamps", WRAP_KEY, NULL, 0,
     "layers of one weight scale whose function is level at both ends may be torus-native, read with --phase-noise, "
     "where that is predicted to be faster",
     0},
    {0}};

/* The next LAYER=VALUE of *rest, which is cut there: the layer in *layer, the value returned. NULL: no more. */
static char *next_of_layer(struct argp_state *state, const char *what, size_t count, char **rest, const char **layer)
{
    char *item = strsep(rest, ",");
    if (item == NULL) return NULL;
    char *equals = strrchr(item, '=');
    if (equals == NULL || equals == item) argp_error(state, "%s %s: LAYER=VALUE is needed", what, item);
    if (count == MAX_LAYERS) argp_error(state, "%s of too many layers", what);
    *equals = '\0';
    *layer = item;
    return equals + 1;
}

static annulus_objective parse_objective(struct argp_state *state, const char *arg)
{
    static const char *const names[] = {
        [ANNULUS_SECONDS] = "seconds", [ANNULUS_KEY_SIZE] = "key-size", [ANNULUS_MEMORY] = "memory"};
    const size_t count = sizeof names / sizeof *names;
    size_t i = 0;
    while (i < count && strcmp(arg, names[i]) != 0) i++;
    if (i == count) argp_error(state, "--minimize %s: seconds, key-size or memory", arg);
    return (annulus_objective)i;
}

/* P, or LAYER=P,LAYER=P,... */
static void parse_error_probability(struct argp_state *state, compile_command *c, char *arg)
{
    if (strchr(arg, '=') == NULL) {
        c->o.log2_error = parse_log2_probability(state, "--p-error", arg);
        return;
    }
    size_t *count = &c->o.layer_errors_count;
    const char *value, *layer;
    c->o.layer_errors = c->layer_errors;
    while ((value = next_of_layer(state, "--p-error", *count, &arg, &layer)) != NULL)
        c->layer_errors[(*count)++] = (annulus_layer_error){layer, parse_log2_probability(state, "--p-error", value)};
}

static annulus_rounding parse_method(struct argp_state *state, compile_command *c, const char *what, const char *arg)
{
    static const char *const names[] = {
        [ANNULUS_ROUND_APPROXIMATE] = "approximate", [ANNULUS_ROUND_EXACT] = "exact", [ANNULUS_ROUND_AUTO] = "auto"};
    size_t i = ANNULUS_ROUND_APPROXIMATE;
    while (i <= ANNULUS_ROUND_AUTO && strcmp(arg, names[i]) != 0) i++;
    if (i > ANNULUS_ROUND_AUTO) argp_error(state, "%s %s: approximate, exact or auto", what, arg);
    c->methods_auto |= i == ANNULUS_ROUND_AUTO;
    return (annulus_rounding)i;
}

/* The method behind B:METHOD, which is cut there. */
static annulus_rounding method_behind(struct argp_state *state, compile_command *c, char *arg)
{
    char *colon = strchr(arg, ':');
    if (colon == NULL) return ANNULUS_ROUND_DEFAULT;
    *colon = '\0';
    return parse_method(state, c, "--rounding-bits", colon + 1);
}

/* 1 to 12, or none, which 0 is too. */
static unsigned parse_width(struct argp_state *state, const char *arg)
{
    return strcmp(arg, "none") == 0 ? 0 : (unsigned)parse_size(state, "--rounding-bits", arg, 0, 12);
}

/* B, none, auto, or LAYER=B,LAYER=none,..., each with :METHOD or without */
static void parse_rounding(struct argp_state *state, compile_command *c, char *arg)
{
    if (strchr(arg, '=') == NULL) {
        c->width = 1;
        c->method[1] = method_behind(state, c, arg);
        c->rounds_auto = strcmp(arg, "auto") == 0;
        if (!c->rounds_auto) c->o.rounding_bits = parse_width(state, arg);
        return;
    }
    size_t *count = &c->o.layer_roundings_count;
    const char *layer;
    char *value;
    c->o.layer_roundings = c->layer_roundings;
    while ((value = next_of_layer(state, "--rounding-bits", *count, &arg, &layer)) != NULL) {
        const annulus_rounding method = method_behind(state, c, value);
        c->layer_roundings[(*count)++] = (annulus_layer_rounding){layer, parse_width(state, value), method};
    }
}

static void apply_preset(struct argp_state *state, compile_command *c)
{
    const unsigned bits = c->o.rounding_bits;
    if (c->preset == NULL) return;
    if (c->o.log2_error != 0 || c->o.log2_global_error != 0 || c->o.layer_errors_count != 0)
        argp_error(state, "--preset %s stands for an error probability: leave out --p-error and --global-p-error",
                   c->preset);
    if (annulus_compile_options_preset(&c->o, c->preset) != ANNULUS_OK)
        argp_error(state, "--%s", annulus_error_message());
    if (c->o.shared_output && (c->methods_auto || c->o.rounding == ANNULUS_ROUND_APPROXIMATE))
        argp_error(state, "--preset %s rounds exactly: leave out other methods", c->preset);
    if (c->width) c->o.rounding_bits = bits;
}

/* Failures, and noise, depend on the secret key, so whoever sees results learns about it. One line, but of circuits
 * whose results may be shared. */
static void explain_sharing(const annulus_circuit *circuit)
{
    const double log2_p = annulus_circuit_log2_error(circuit);
    double noise;
    const size_t native = annulus_circuit_torus_native(circuit, &noise);
    if (native > 0) {
        fprintf(stderr,
                "torus-native layers: %zu, without ranges or rounding, read with a deviation of at most 2^%.2f "
                "periods\nnote: their answers depend on noise, and tell about the secret key: share results with "
                "nobody (SECURITY.md)\n",
                native, log2(noise));
        if (log2_p > SHARING_LOG2_ERROR)
            fprintf(stderr, "note: other look-ups may fail with probability 2^%.1f, which tells about it as well\n",
                    log2_p);
    } else if (log2_p > SHARING_LOG2_ERROR)
        fprintf(
            stderr,
            "note: look-ups may fail with probability 2^%.1f; failures seen in results tell about the secret key, so "
            "share results with nobody or use --preset shared-output (SECURITY.md)\n",
            log2_p);
    else if (!annulus_circuit_shared_output(circuit))
        fprintf(stderr,
                "note: rounded look-ups and the digits of scores depend on noise, and tell about the secret key: "
                "share results with nobody or use --preset shared-output (SECURITY.md)\n");
}

static void explain_unused(const annulus_compile_options *o, const annulus_circuit *circuit)
{
    double noise;
    if (o->phase_noise > 0 && annulus_circuit_torus_native(circuit, &noise) == 0)
        fprintf(stderr,
                "note: --phase-noise says nothing here: no layer is torus-native (train --activation trapezoid, "
                "or --wrap-clamps)\n");
    if ((o->log2_error != 0 || o->log2_global_error != 0) && isinf(annulus_circuit_log2_error(circuit)))
        fprintf(stderr, "note: the error probability says nothing here: all layers are torus-native and have bounds on "
                        "their noise instead (--phase-noise)\n");
}

static void explain_padded_waves(const annulus_circuit *circuit)
{
    const size_t padded = annulus_circuit_shared_output(circuit) ? 0 : annulus_circuit_padded_waves(circuit);
    if (padded == 0) return;
    if (padded == 1) fprintf(stderr, "note: a layer of waves has a padded table: it is");
    if (padded > 1) fprintf(stderr, "note: %zu layers of waves have padded tables: they are", padded);
    fprintf(stderr,
            " torus-native where all weights of a layer have one scale and layers that take the same values read "
            "them in units of a small ratio (docs/torus-native.md)\n");
}

static void check_rounding(struct argp_state *state, compile_command *c)
{
    const annulus_rounding *m = c->method;
    if (m[0] != ANNULUS_ROUND_DEFAULT && m[1] != ANNULUS_ROUND_DEFAULT && m[0] != m[1])
        argp_error(state, "--rounding-method and --rounding-bits give two methods: leave out one");
    c->o.rounding = m[1] != ANNULUS_ROUND_DEFAULT ? m[1] : m[0];
    if (c->budget >= 0 && !c->rounds_auto && !c->methods_auto)
        argp_error(state, "--accuracy-budget is for --rounding-bits auto or a method auto");
    if (c->rounds_auto && c->o.layer_roundings_count > 0)
        argp_error(state, "--rounding-bits auto chooses the width of every layer: leave out those of single ones");
    c->o.keep_widths = !c->rounds_auto;
}

static void check_files(const compile_command *c, struct argp_state *state)
{
    const named_file files[] = {{"--output", c->output}, {"the model", c->model}};
    need_apart(state, files, 1, sizeof files / sizeof *files, &c->data);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    compile_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        state->child_inputs[1] = &c->work;
        break;
    case 'o':
        c->output = arg;
        break;
    case RANGES_KEY:
        c->o.proven_ranges = strcmp(arg, "proven") == 0;
        c->o.saturate = strcmp(arg, "measured") == 0;
        if (!c->o.proven_ranges && !c->o.saturate && strcmp(arg, "likely") != 0)
            argp_error(state, "--ranges %s: likely, measured or proven", arg);
        break;
    case MARGIN_KEY:
        c->o.margin = parse_real(state, "--margin", arg, 0, 10);
        break;
    case ROUNDING_KEY:
        parse_rounding(state, c, arg);
        break;
    case METHOD_KEY:
        c->method[0] = parse_method(state, c, "--rounding-method", arg);
        break;
    case BUDGET_KEY:
        c->budget = parse_real(state, "--accuracy-budget", arg, 0, 100);
        break;
    case OUTPUT_BITS_KEY:
        c->o.output_bits = (unsigned)parse_size(state, "--output-bits", arg, 1, 24);
        break;
    case ERROR_KEY:
        parse_error_probability(state, c, arg);
        break;
    case GLOBAL_KEY:
        c->o.log2_global_error = parse_log2_probability(state, "--global-p-error", arg);
        break;
    case PHASE_KEY:
        c->o.phase_noise = exp2(parse_log2_deviation(state, "--phase-noise", arg));
        break;
    case WRAP_KEY:
        c->o.wrap_clamps = 1;
        break;
    case TOP_1_KEY:
        c->o.top_1_bits = arg == NULL ? 6 : (unsigned)parse_size(state, "--top-1", arg, 1, 10);
        break;
    case PRESET_KEY:
        c->preset = arg;
        break;
    case SECURITY_KEY:
        if (strcmp(arg, "128") != 0 && strcmp(arg, "132") != 0) argp_error(state, "--security %s: 128 or 132", arg);
        c->o.security = strcmp(arg, "132") == 0 ? 132 : 128;
        break;
    case OBJECTIVE_KEY:
        c->o.minimize = parse_objective(state, arg);
        break;
    case ARGP_KEY_ARG:
        if (c->model != NULL) argp_error(state, "one ONNX file, not also %s", arg);
        c->model = arg;
        break;
    case ARGP_KEY_END:
        if (c->model == NULL) argp_error(state, "an ONNX file is needed");
        if (c->output == NULL) argp_error(state, "--output is needed");
        check_rounding(state, c);
        apply_preset(state, c);
        check_files(c, state);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void explain_passes(const annulus_circuit *circuit)
{
    const annulus_passes p = annulus_circuit_passes(circuit);
    fprintf(stderr,
            "removed: %zu constant neurons, %zu that nothing reads, %zu equal to others, %zu layers; tables equal to "
            "others: %zu; rotations shared: %zu\n",
            p.constant, p.unread, p.equal, p.layers, p.tables, p.rotations);
}

static void explain_ranges(const annulus_circuit *circuit, size_t samples)
{
    double without;
    const double with = annulus_circuit_out_of_range(circuit, &without);
    if (without > 0)
        fprintf(stderr,
                "ranges: measured on %zu samples; a sum of another one leaves its range with probability %.2g at most, "
                "%.2g without the margin\n",
                samples, with, without);
}

static annulus_status compile(compile_command *c, const annulus_model *m, const annulus_dataset *d,
                              annulus_circuit **out)
{
    annulus_rounding_report r;
    progress_line line;
    const int chosen = c->rounds_auto || c->methods_auto;
    progress_begin(&line, c->work.quiet);
    c->o.progress = &line.progress;
    const annulus_status st =
        chosen ? annulus_compile_auto(m, d, &c->o, c->budget, c->work.threads, &line.progress, &r, out)
               : annulus_compile(m, d, &c->o, out);
    progress_end(&line);
    if (st != ANNULUS_OK || c->work.quiet || !chosen) return st;
    fprintf(stderr, "rounding chosen in %zu trials: %.3g %% %s lost on %zu samples", r.trials, r.loss,
            annulus_model_task(m) == ANNULUS_REGRESSION ? "of the variance"
            : r.labeled                                 ? "of accuracy"
                                                        : "of the answers",
            r.samples);
    if (r.standard_error > 0) fprintf(stderr, " (standard error %.2g)", r.standard_error);
    fprintf(stderr, "\n");
    return st;
}

/* Labels are of use where rounding is chosen alone, but a table has them unless it is all features. */
static annulus_status read_calibration(const compile_command *c, const annulus_model *m, annulus_dataset **d)
{
    struct stat is;
    if (c->data.csv != NULL && c->data.label == NULL) {
        const annulus_status st = data_read(&c->data, ANNULUS_UNLABELED, NULL, d);
        if (st == ANNULUS_OK && annulus_dataset_features(*d) == annulus_model_features(m)) return ANNULUS_OK;
        if (stat(c->data.csv, &is) == 0 && !S_ISREG(is.st_mode)) return st; /* a pipe is not read again */
        annulus_dataset_destroy(*d);
        *d = NULL;
    }
    const int labels = c->data.csv != NULL || c->rounds_auto || c->methods_auto;
    return data_read(&c->data, labels ? annulus_model_task(m) : ANNULUS_UNLABELED, NULL, d);
}

int cmd_compile(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {&work_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        entries,  parse, "MODEL.onnx", "Compiles a network into a circuit; the data calibrate it.",
        children, NULL,  NULL};
    compile_command c = {.data = {.required = 1}, .budget = -1};
    annulus_model *m = NULL;
    annulus_dataset *d = NULL;
    annulus_circuit *circuit = NULL;
    annulus_compile_options_init(&c.o);
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    c.o.threads = c.work.threads;
    annulus_status st = annulus_model_read(c.model, &m);
    if (st == ANNULUS_OK) st = read_calibration(&c, m, &d);
    if (st == ANNULUS_OK) st = compile(&c, m, d, &circuit);
    if (st == ANNULUS_OK) st = annulus_circuit_write(circuit, c.output);
    if (st == ANNULUS_OK && !c.work.quiet) explain_passes(circuit);
    if (st == ANNULUS_OK && !c.work.quiet) explain_ranges(circuit, annulus_dataset_count(d));
    if (st == ANNULUS_OK && !c.work.quiet) explain_sharing(circuit);
    if (st == ANNULUS_OK && !c.work.quiet) explain_unused(&c.o, circuit);
    if (st == ANNULUS_OK && !c.work.quiet) explain_padded_waves(circuit);
    annulus_circuit_destroy(circuit);
    annulus_dataset_destroy(d);
    annulus_model_destroy(m);
    if (st != ANNULUS_OK) return report_failure();
    if (c.work.quiet) return 0;
    fprintf(stderr, "wrote %s\n", c.output);
    say_costs();
    return 0;
}
