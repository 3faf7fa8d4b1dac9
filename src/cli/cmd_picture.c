/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_KEY = 0x300, ANSWERS_KEY, CIRCUIT_KEY };

#define ANSWERS_MAX 8
#define NAME_MAX_BYTES 64

typedef struct answers {
    const char *title, *path;
    char (*name)[NAME_MAX_BYTES]; /* one for each image shown */
    size_t count;
} answers;

typedef struct picture_command {
    data_options data;
    const char *circuit_path;
    size_t columns, answers_count;
    answers answers[ANSWERS_MAX];
} picture_command;

static const struct argp_option entries[] = {
    {"columns", COLUMNS_KEY, "N", 0, "images side by side, 1 to 100 (default 3)", 0},
    {"circuit", CIRCUIT_KEY, "FILE", 0, "circuit that has the names of the classes (default: their numbers)", 0},
    {"answers", ANSWERS_KEY, "TITLE=FILE", 0,
     "answers to the images shown, as decrypt and evaluate --answers print them; up to 8 times", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    picture_command *c = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->data;
        break;
    case COLUMNS_KEY:
        c->columns = parse_size(state, "--columns", arg, 1, 100);
        break;
    case CIRCUIT_KEY:
        c->circuit_path = arg;
        break;
    case ANSWERS_KEY: {
        char *equals = strchr(arg, '=');
        if (equals == NULL) argp_error(state, "--answers %s: TITLE=FILE is needed", arg);
        if (c->answers_count == ANSWERS_MAX) argp_error(state, "--answers: at most %d times", ANSWERS_MAX);
        if (equals == NULL || c->answers_count == ANSWERS_MAX) return EINVAL;
        *equals = '\0';
        c->answers[c->answers_count++] = (answers){.title = arg, .path = equals + 1};
        break;
    }
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected argument %s", arg);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* The cell of CSV at the start of s, unquoted in place. */
static const char *cell_take(char *s)
{
    if (*s != '"') {
        s[strcspn(s, ",\r\n")] = '\0';
        return s;
    }
    char *to = s;
    for (const char *from = s + 1; *from != '\0' && (*from != '"' || from[1] == '"'); from++) {
        from += *from == '"';
        *to++ = *from;
    }
    *to = '\0';
    return s;
}

/* Second column of a CSV of answers. */
static int answers_read(answers *a, size_t count)
{
    FILE *f = fopen(a->path, "r");
    if (f == NULL) {
        fprintf(stderr, "annulus: cannot open %s\n", a->path);
        return 1;
    }
    char *line = NULL;
    size_t room = 0;
    int rc = getline(&line, &room, f) < 0 || strncmp(line, "sample,answer", 13) != 0;
    if (rc) fprintf(stderr, "annulus: %s: not a table of answers: annulus decrypt prints one\n", a->path);
    a->name = rc ? NULL : calloc(count, sizeof *a->name);
    if (!rc && a->name == NULL) {
        fprintf(stderr, "annulus: no memory for the answers\n");
        rc = 1;
    }
    for (; a->name != NULL && a->count < count && getline(&line, &room, f) >= 0; a->count++) {
        char *rest = line;
        (void)strsep(&rest, ",");
        (void)snprintf(a->name[a->count], sizeof *a->name, "%s", rest == NULL ? "" : cell_take(rest));
    }
    free(line);
    (void)fclose(f);
    return rc;
}

/* One character covers one column and two rows. */
static void print_cells(const float *x, size_t height, size_t width, size_t row, float top)
{
    static const char *const shade[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
    for (size_t c = 0; c < width; c++) {
        const float above = x[row * width + c], below = row + 1 < height ? x[(row + 1) * width + c] : above;
        const float part = top > 0 ? (above + below) / (2 * top) : 0;
        const int level = (int)(part * 4.999f);
        fputs(shade[level < 0 ? 0 : level > 4 ? 4 : level], stdout);
    }
}

static void print_caption(const char *title, const char *text, size_t width)
{
    char line[256];
    (void)snprintf(line, sizeof line, "%s %s", title, text);
    printf("%-*.*s", (int)width + 2, (int)width, line);
}

static const char *label_name(const annulus_circuit *c, int label, char number[24])
{
    if (c != NULL && label >= 0 && (size_t)label < annulus_circuit_outputs(c))
        return annulus_circuit_label(c, (size_t)label);
    (void)snprintf(number, 24, "%d", label);
    return number;
}

static void print_row(const picture_command *p, const annulus_circuit *c, const annulus_dataset *d, size_t first,
                      size_t count)
{
    size_t height, width;
    annulus_dataset_shape(d, &height, &width);
    float top = 0;
    for (size_t i = 0; i < annulus_dataset_count(d); i++)
        for (size_t f = 0; f < height * width; f++)
            if (annulus_dataset_sample(d, i)[f] > top) top = annulus_dataset_sample(d, i)[f];
    for (size_t row = 0; row < height; row += 2) {
        for (size_t i = first; i < first + count; i++) {
            print_cells(annulus_dataset_sample(d, i), height, width, row, top);
            printf("  ");
        }
        printf("\n");
    }
    for (size_t i = first; i < first + count && annulus_dataset_label(d, i) >= 0; i++) {
        char number[24];
        print_caption("label", label_name(c, annulus_dataset_label(d, i), number), width);
    }
    if (annulus_dataset_label(d, first) >= 0) printf("\n");
    for (size_t a = 0; a < p->answers_count; a++) {
        for (size_t i = first; i < first + count; i++)
            print_caption(p->answers[a].title, i < p->answers[a].count ? p->answers[a].name[i] : "-", width);
        printf("\n");
    }
    printf("\n");
}

int cmd_picture(int argc, char **argv)
{
    const struct argp_child children[] = {{&data_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {entries,  parse, NULL, "Prints images as text, with their labels and answers.",
                              children, NULL,  NULL};
    picture_command c = {.data = {.required = 1}, .columns = 3};
    annulus_dataset *d = NULL;
    annulus_circuit *circuit = NULL;
    size_t height = 0, width = 0;
    argp_parse(&argp, argc, argv, 0, NULL, &c);
    annulus_status st = data_read(&c.data, ANNULUS_CLASSIFICATION, NULL, &d);
    if (st == ANNULUS_OK && c.circuit_path != NULL) st = annulus_circuit_read(c.circuit_path, &circuit);
    int rc = st == ANNULUS_OK ? 0 : report_failure();
    if (rc == 0) annulus_dataset_shape(d, &height, &width);
    if (rc == 0 && height == 0) {
        fprintf(stderr, "annulus: the data are no images: give --images\n");
        rc = 1;
    }
    for (size_t a = 0; rc == 0 && a < c.answers_count; a++) rc = answers_read(&c.answers[a], annulus_dataset_count(d));
    for (size_t i = 0; rc == 0 && i < annulus_dataset_count(d); i += c.columns) {
        const size_t left = annulus_dataset_count(d) - i;
        print_row(&c, circuit, d, i, left < c.columns ? left : c.columns);
    }
    if (rc == 0) rc = finish_stdout();
    for (size_t a = 0; a < c.answers_count; a++) free(c.answers[a].name);
    annulus_circuit_destroy(circuit);
    annulus_dataset_destroy(d);
    return rc;
}
