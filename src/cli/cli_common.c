/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALUE_DIGITS 15 /* at most: those that a double holds */

int report_failure(void)
{
    fprintf(stderr, "annulus: %s\n", annulus_error_message());
    return 1;
}

const char *costs_name(void)
{
    return annulus_costs_measured(NULL) ? "costs of this host" : "shipped costs";
}

void report_costs(void)
{
    const char *ignored;
    (void)annulus_costs_measured(&ignored);
    if (ignored != NULL) fprintf(stderr, "annulus: ignored %s\n", ignored);
}

void say_costs(void)
{
    report_costs();
    fprintf(stderr, annulus_costs_measured(NULL) ? "costs: measured on this host\n"
                                                 : "costs: shipped model; annulus calibrate measures this host\n");
}

void costs_json(json_t *o)
{
    (void)json_object_set_new(o, "cost_model", json_string(annulus_costs_measured(NULL) ? "host" : "shipped"));
}

int finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    fprintf(stderr, "annulus: cannot write to standard output: %s\n", strerror(errno));
    return 1;
}

void take_circuit(struct argp_state *state, const char *arg, const char **circuit)
{
    if (*circuit != NULL) argp_error(state, "one circuit, not also %s", arg);
    *circuit = arg;
}

void need_circuit(struct argp_state *state, const char *circuit)
{
    if (circuit == NULL) argp_error(state, "a circuit is needed");
}

char *place_of(const char *path)
{
    struct stat is;
    char *out = NULL;
    if (stat(path, &is) == 0) return S_ISREG(is.st_mode) ? realpath(path, NULL) : NULL;
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    char *folder = strndup(path, (size_t)(name - path)), *whole = NULL;
    if (folder != NULL) whole = realpath(slash == NULL ? "." : folder, NULL);
    if (whole != NULL && asprintf(&out, "%s/%s", whole, name) < 0) out = NULL;
    free(folder);
    free(whole);
    return out;
}

static void need_two(struct argp_state *state, const named_file *written, const named_file *other)
{
    if (written->path == NULL || other->path == NULL) return;
    char *at = place_of(written->path), *at_other = place_of(other->path);
    const int same = at != NULL && at_other != NULL && strcmp(at, at_other) == 0;
    free(at);
    free(at_other);
    if (same)
        argp_error(state, "%s and %s are both %s: one would take the place of the other", written->name, other->name,
                   written->path);
}

/* Said before the work, not behind it, where it can be told. Files are written beside where they will be, and put there
 * when they are whole: it is the folder that must be writable, of a link that of the file it leads to. */
static void need_writable(struct argp_state *state, const named_file *file)
{
    struct stat is;
    if (file->path[0] == '\0') argp_error(state, "%s: the name of the file is empty", file->name);
    if (stat(file->path, &is) == 0 && !S_ISREG(is.st_mode))
        argp_failure(state, 1, 0, "%s: cannot write: it exists and is no regular file; name a file", file->path);
    if (stat(file->path, &is) != 0 && lstat(file->path, &is) == 0)
        argp_failure(state, 1, 0, "%s: cannot write: a link to a file that is not there; name that file", file->path);
    char *place = place_of(file->path), *slash = place == NULL ? NULL : strrchr(place, '/');
    if (slash != NULL) slash[1] = '\0'; /* its folder */
    if (place == NULL || access(place, W_OK | X_OK) != 0)
        argp_failure(state, 1, errno, "%s: cannot write there", file->path);
    free(place);
}

void need_apart(struct argp_state *state, const named_file *files, size_t written, size_t count,
                const data_options *data)
{
    const data_options none = {0}, *d = data != NULL ? data : &none;
    const named_file of_data[] = {{"--csv", d->csv}, {"--images", d->images}, {"--labels", d->labels}};
    for (size_t i = 0; i < written; i++) {
        for (size_t j = i + 1; j < count; j++) need_two(state, &files[i], &files[j]);
        for (size_t j = 0; j < sizeof of_data / sizeof *of_data; j++) need_two(state, &files[i], &of_data[j]);
    }
    for (size_t i = 0; i < written; i++)
        if (files[i].path != NULL) need_writable(state, &files[i]);
}

size_t parse_size(struct argp_state *state, const char *what, const char *text, size_t least, size_t most)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || text[0] < '0' || text[0] > '9' || errno != 0 || v < least || v > most)
        argp_error(state, "%s %s: a whole number from %zu to %zu is needed", what, text, least, most);
    return (size_t)v;
}

double parse_real(struct argp_state *state, const char *what, const char *text, double least, double most)
{
    char *end = NULL;
    const double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= least && v <= most))
        argp_error(state, "%s %s: a number from %g to %g is needed", what, text, least, most);
    return v;
}

static double parse_log2(struct argp_state *state, const char *what, const char *kind, const char *text)
{
    char *end = NULL;
    const int power = strncmp(text, "2^", 2) == 0;
    const double v = strtod(power ? text + 2 : text, &end);
    const double log2_p = power ? v : log2(v);
    if (end == text || *end != '\0' || !(log2_p < 0) || log2_p < -512)
        argp_error(state, "%s %s: a %s from 2^-512 to below 1 is needed, such as 0.01, 1e-3 or 2^-5", what, text, kind);
    return log2_p;
}

double parse_log2_probability(struct argp_state *state, const char *what, const char *text)
{
    return parse_log2(state, what, "probability", text);
}

double parse_log2_deviation(struct argp_state *state, const char *what, const char *text)
{
    return parse_log2(state, what, "deviation", text);
}

enum { CSV_KEY = 0x200, LABEL_KEY, IMAGES_KEY, LABELS_KEY, FIRST_KEY, COUNT_KEY, THREADS_KEY };

static const struct argp_option data_entries[] = {
    {0, 0, 0, 0, "Data:", DATA_GROUP},
    {"csv", CSV_KEY, "FILE", 0, "table as CSV with one header line, plain or gzip", 0},
    {"label", LABEL_KEY, "COLUMN", 0,
     "column of the class or target (default: the last one; none to encrypt, and where compile, evaluate and audit "
     "find no more than features); A,B,... for several labels or targets",
     0},
    {"images", IMAGES_KEY, "FILE", 0, "images in IDX, in place of --csv, plain or gzip", 0},
    {"labels", LABELS_KEY, "FILE", 0,
     "with --images: their classes in IDX, or, for regression and several labels, a table as CSV with a line for each "
     "image; plain or gzip",
     0},
    {"first", FIRST_KEY, "I", 0, "first sample to take, counted from 0 (default 0)", 0},
    {"count", COUNT_KEY, "N", 0, "number of samples to take (default: all)", 0},
    {0}};

static error_t data_parse(int key, char *arg, struct argp_state *state)
{
    data_options *o = state->input;
    switch (key) {
    case CSV_KEY:
        o->csv = arg;
        break;
    case LABEL_KEY:
        o->label = arg;
        break;
    case IMAGES_KEY:
        o->images = arg;
        break;
    case LABELS_KEY:
        o->labels = arg;
        break;
    case FIRST_KEY:
        o->first = parse_size(state, "--first", arg, 0, (size_t)1 << 40);
        break;
    case COUNT_KEY:
        o->count = parse_size(state, "--count", arg, 1, (size_t)1 << 40);
        break;
    case ARGP_KEY_END:
        if (o->csv != NULL && o->images != NULL) argp_error(state, "give --csv or --images, not both");
        if (o->required && o->csv == NULL && o->images == NULL) argp_error(state, "data are needed: --csv or --images");
        if (o->csv == NULL && o->labels == NULL && o->label != NULL)
            argp_error(state, "--label goes with --csv, or with --labels that are a table");
        if (o->images == NULL && o->labels != NULL) argp_error(state, "--labels goes with --images");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}
const struct argp data_argp = {.options = data_entries, .parser = data_parse};

annulus_status data_read(const data_options *o, annulus_task task, const annulus_circuit *classes,
                         annulus_dataset **out)
{
    annulus_dataset *all = NULL;
    const char *labels = task == ANNULUS_UNLABELED ? NULL : o->labels;
    const int table = labels != NULL && (task != ANNULUS_CLASSIFICATION || o->label != NULL);
    const annulus_status st = o->csv != NULL ? annulus_dataset_read_csv(o->csv, task, o->label, classes, &all)
                              : table ? annulus_dataset_read_images(o->images, labels, task, o->label, classes, &all)
                                      : annulus_dataset_read_idx(o->images, labels, &all);
    if (st != ANNULUS_OK) return st;
    if (o->first == 0 && o->count == 0) {
        *out = all;
        return ANNULUS_OK;
    }
    const size_t have = annulus_dataset_count(all);
    const size_t count = o->count != 0 ? o->count : have > o->first ? have - o->first : 1;
    const annulus_status sliced = annulus_dataset_slice(all, o->first, count, out);
    annulus_dataset_destroy(all);
    return sliced;
}

static const struct argp_option work_entries[] = {
    {"quiet", 'q', 0, 0, "nothing on stderr but errors", WORK_GROUP},
    {"threads", THREADS_KEY, "N", 0, "worker threads, 1 to 1024 (default: all cores)", WORK_GROUP},
    {0}};

static error_t work_parse(int key, char *arg, struct argp_state *state)
{
    work_options *o = state->input;
    switch (key) {
    case 'q':
        o->quiet = 1;
        break;
    case THREADS_KEY:
        o->threads = (unsigned)parse_size(state, "--threads", arg, 1, 1024);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}
const struct argp work_argp = {.options = work_entries, .parser = work_parse};

/* A cell of CSV: quoted where it has to be. */
static void print_cell(const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        printf("%s", text);
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) printf(*text == '"' ? "\"\"" : "%c", *text);
    putchar('"');
}

/* The labels of a sample, ; in between. */
static void print_labels(const annulus_circuit *c, const double *values)
{
    const size_t outputs = annulus_circuit_outputs(c);
    size_t len = 1;
    for (size_t o = 0; o < outputs; o++) len += strlen(annulus_circuit_label(c, o)) + 1;
    char *text = calloc(len, 1), *at = text;
    for (size_t o = 0; text != NULL && o < outputs; o++)
        if (values[o] > 0) at += sprintf(at, "%s%s", at == text ? "" : ";", annulus_circuit_label(c, o));
    print_cell(text == NULL ? "" : text);
    free(text);
}

/* An output's value, to a tenth of its resolution; `least` digits or more. Noise is in those beyond. */
static void value_text(const annulus_circuit *c, size_t o, double value, int least, char text[32])
{
    const double parts = 10 * fabs(value) / annulus_circuit_resolution(c, o);
    const double digits = isnormal(parts) ? ceil(log10(parts)) : 0;
    (void)snprintf(text, 32, "%.*g", (int)fmin(fmax(digits, least), VALUE_DIGITS), value);
}

static void print_csv(const annulus_circuit *c, const double *values, size_t count, size_t first)
{
    const size_t outputs = annulus_circuit_outputs(c);
    const int classes = annulus_circuit_task(c) == ANNULUS_CLASSIFICATION,
              labels = annulus_circuit_task(c) == ANNULUS_MULTI_LABEL;
    printf(classes || labels ? "sample,answer" : "sample");
    const size_t shown = annulus_circuit_label_only(c) ? 0 : outputs;
    for (size_t o = 0; o < shown; o++) {
        putchar(',');
        print_cell(annulus_circuit_label(c, o));
    }
    printf("\n");
    for (size_t i = 0; i < count; i++) {
        printf("%zu", first + i);
        if (classes || labels) putchar(',');
        if (labels) print_labels(c, values + i * outputs);
        if (classes) print_cell(annulus_circuit_label(c, annulus_argmax(values + i * outputs, outputs)));
        for (size_t o = 0; o < shown; o++) {
            char text[32];
            value_text(c, o, values[i * outputs + o], 6, text);
            printf(",%s", text);
        }
        printf("\n");
    }
}

static json_t *answer_json(const annulus_circuit *c, const double *values, size_t sample)
{
    const size_t outputs = annulus_circuit_outputs(c);
    json_t *row = json_object(), *scores = json_object();
    for (size_t o = 0; o < (annulus_circuit_label_only(c) ? 0 : outputs); o++) {
        char text[32];
        value_text(c, o, values[o], 8, text);
        (void)json_object_set_new(scores, annulus_circuit_label(c, o), json_real(strtod(text, NULL)));
    }
    (void)json_object_set_new(row, "sample", json_integer((json_int_t)sample));
    if (annulus_circuit_task(c) == ANNULUS_CLASSIFICATION)
        (void)json_object_set_new(row, "answer",
                                  json_string(annulus_circuit_label(c, annulus_argmax(values, outputs))));
    if (annulus_circuit_task(c) == ANNULUS_MULTI_LABEL) {
        json_t *answer = json_array();
        for (size_t o = 0; o < outputs; o++)
            if (values[o] > 0) (void)json_array_append_new(answer, json_string(annulus_circuit_label(c, o)));
        (void)json_object_set_new(row, "answer", answer);
    }
    if (annulus_circuit_label_only(c))
        json_decref(scores);
    else
        (void)json_object_set_new(row, "values", scores);
    return row;
}

int print_answers(const annulus_circuit *c, const double *values, size_t count, size_t first, int json)
{
    if (!json) {
        print_csv(c, values, count, first);
    } else {
        json_t *rows = json_array(), *all = json_object();
        for (size_t i = 0; i < count; i++)
            (void)json_array_append_new(rows, answer_json(c, values + i * annulus_circuit_outputs(c), first + i));
        (void)json_object_set_new(all, "schema", json_string("annulus-answers-1"));
        (void)json_object_set_new(all, "answers", rows);
        (void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(VALUE_DIGITS) | JSON_PRESERVE_ORDER);
        printf("\n");
        json_decref(all);
    }
    return finish_stdout();
}
