/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands share. A command parses, calls the library, reports: data to stdout, talk to stderr; it returns 0
 * when done and 1 after a failure; misuse exits with 2. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "annulus/annulus.h"
#include "cli/cli_eta.h"

#include <argp.h>
#include <jansson.h>

/* Help texts have a command's own options first, then groups 1 to 7, data and work. */
enum { TRAINING_GROUP = 2, NOISE_GROUP, SUMS_GROUP, DATA_GROUP = 8, WORK_GROUP };

/* --csv/--label or --images/--labels, and --first/--count: an argp child, its input a data_options. */
typedef struct data_options {
    const char *csv, *label, *images, *labels;
    size_t first, count; /* count 0: all */
    int required;
} data_options;
extern const struct argp data_argp;
/* A file of the command line and what names it there; path NULL: not given. */
typedef struct named_file {
    const char *name, *path;
} named_file;
/* A usage error if one of the first `written` files, by whatever path, is another one, or one of the data (NULL: none):
 * it would take that one's place; and an error if one of them cannot be written. */
void need_apart(struct argp_state *state, const named_file *files, size_t written, size_t count,
                const data_options *data);
/* The samples asked for; labels are wanted when `task` is not ANNULUS_UNLABELED. classes: see annulus_dataset_read_csv.
 */
annulus_status data_read(const data_options *o, annulus_task task, const annulus_circuit *classes,
                         annulus_dataset **out) ANNULUS_MUST_USE;

/* --quiet and --threads, common to the commands that work for a while: an argp child, its input a work_options. */
typedef struct work_options {
    int quiet;
    unsigned threads;
} work_options;
extern const struct argp work_argp;

/* A progress line on stderr, after a second, and only on a terminal; and where a signal that asks to stop is answered.
 */
typedef struct progress_line {
    annulus_progress progress;
    eta work, run;  /* the work at hand; the run that it is a layer of */
    char layer[32]; /* name of the work */
    double shown;
    int enabled, on_screen, running; /* running: reports are of layers of a run */
} progress_line;
void progress_begin(progress_line *p, int quiet); /* stop_watch */
void progress_end(progress_line *p);              /* clears the line */
double seconds_now(void);

/* From here on the first SIGINT, SIGTERM or SIGHUP, unless it is ignored, asks the work that reports progress to stop,
 * which is then an error as others are; another one ends the process at once. */
void stop_watch(void);
int stop_wanted(void);
/* Exit status of a command that returned `status`: where it failed and a signal asked it to, the process ends by that
 * signal, as shells expect. */
int stop_finish(int status);
/* report_failure, of a command with --checkpoint (NULL: not given), which a stopped one may go on from. */
int report_stopped(annulus_status st, const char *checkpoint);

/* How training goes, common to train and prune: an argp child, its input a training_options with `o` set. */
#define CLASSES_MOST 1000
typedef struct training_options {
    annulus_train_options *o;
    annulus_task task; /* what the report speaks of */
    const char *output, *log, *curve;
    int json, quiet, bound_by, rounds, moved;
    double class_weights[CLASSES_MOST], thresholds[CLASSES_MOST];
    annulus_epoch *epochs; /* (epochs_count) reported */
    size_t epochs_count;
    annulus_epoch best, last; /* last: of the network, after training_end */
    annulus_status kept;      /* whether the log has all that was reported */
    progress_line line;
} training_options;
extern const struct argp training_argp;
/* Checkpoint, log, curve and, last, the model: what training writes (need_apart). */
#define TRAINING_FILES 4u
void training_files(const training_options *t, named_file out[TRAINING_FILES]);
/* The words of a network's file with commas between them, to be freed; NULL, or empty: it cannot be read. */
char *network_words(const char *path);
/* The files of table=FILE and entries=FILE among activations, at most ANNULUS_MAX_HIDDEN, that an option names; the
 * list is cut to pieces. */
void table_files(char *list, const char *option, named_file *out);
/* Ready to report. */
progress_line *training_begin(training_options *t, const work_options *w);
/* A line on stderr for an epoch, and the log; context: training_options. */
void training_report(void *context, const annulus_epoch *e);
/* Training ended so. */
void training_end(training_options *t, annulus_status st);
/* st, that of training and writing its result, or the failure of the log or curve, which must not cost the result. Once
 * that is safe no checkpoint is needed. */
annulus_status training_done(training_options *t, annulus_status st) ANNULUS_MUST_USE;
/* What the layers' sums and weights are: a table on stderr; an array. */
void print_sums(const annulus_model *m);
json_t *sums_json(const annulus_model *m);

/* Noise of the layers that a network was trained for, and, with has_predicted, what the circuit of the trained network
 * is predicted to have: those of a choice; a table on stderr; an array. */
typedef struct noise_report {
    annulus_layer_noise trained[ANNULUS_MAX_HIDDEN + 1], predicted[ANNULUS_MAX_HIDDEN + 1];
    size_t count;
    int has_predicted;
} noise_report;
void noise_chosen(const annulus_choice *k, noise_report *r);
void print_noise(const noise_report *r);
json_t *noise_json(const noise_report *r);

/* "classification", "regression" or "multi-label"; another is a usage error. */
annulus_task parse_task(struct argp_state *state, const char *text);

/* Prints the library's message as "annulus: message" and returns 1. */
int report_failure(void);
/* What predicted seconds go by, wherever they are printed: "costs of this host" or "shipped costs". */
const char *costs_name(void);
/* A line on stderr if a file of costs is ignored. */
void report_costs(void);
/* The same, and a line on stderr that names the costs. */
void say_costs(void);
/* "cost_model": "host" or "shipped". */
void costs_json(json_t *o);
/* Flushes stdout: 0, or 1 and a message when anything printed there was lost. */
int finish_stdout(void);
/* The circuit file that is a command's one argument; none or a second one is a usage error. */
void take_circuit(struct argp_state *state, const char *arg, const char **circuit);
void need_circuit(struct argp_state *state, const char *circuit);
/* The absolute path of a file, which need not be there but in a folder that is; NULL: there can be none, or it is not a
 * regular file, whose place nothing takes. Freed by the caller. */
char *place_of(const char *path);
/* Numbers from the command line; a bad one is a usage error that names the option. */
size_t parse_size(struct argp_state *state, const char *what, const char *text, size_t least, size_t most);
double parse_real(struct argp_state *state, const char *what, const char *text, double least, double most);
/* Probabilities, and deviations in periods, as 0.01, 1e-3 or 2^-40; log2 of it. */
double parse_log2_probability(struct argp_state *state, const char *what, const char *text);
double parse_log2_deviation(struct argp_state *state, const char *what, const char *text);

/* Class, or labels, of an answer and its values as CSV to stdout, or JSON: one row a sample. What finish_stdout
 * returns. */
int print_answers(const annulus_circuit *c, const double *values, size_t count, size_t first, int json);

int cmd_train(int argc, char **argv);
int cmd_prune(int argc, char **argv);
int cmd_compile(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_keygen(int argc, char **argv);
int cmd_encrypt(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_decrypt(int argc, char **argv);
int cmd_picture(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
#endif
