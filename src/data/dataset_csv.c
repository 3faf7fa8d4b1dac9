/* SPDX-License-Identifier: Apache-2.0 */
#include "data/dataset_priv.h"

#include "base/bytes.h"
#include "base/c_locale.h"
#include "base/memory.h"

#include <csv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CSV_COLUMNS_MAX ((size_t)65536)
#define CSV_CLASSES_MAX ((size_t)1000)
#define CSV_CELL_BYTES_MAX ((size_t)1 << 16)
#define CSV_CHUNK ((size_t)1 << 16)

typedef struct csv_state {
    const csv_options *options;
    annulus_status status; /* first failure; the parser's later calls do nothing */
    size_t line, column;   /* line from 1, column from 0 */
    char before;           /* the last byte fed */
    size_t pending;        /* bytes fed since the last finished cell */
    int has_header;

    void *names;
    size_t columns, names_capacity, label; /* label: column of the classes, or columns when there is none */

    void *target;   /* (columns) number of the target + 1, 0: none */
    size_t targets; /* of one sample in y: of multi-label data each label, of regression one */

    void *x, *y, *classes, *labels;
    size_t x_count, x_capacity, y_capacity;
    size_t classes_count, classes_capacity, labels_count, labels_capacity;
    size_t rows;
} csv_state;

static char *const *column_names(const csv_state *s)
{
    return s->names;
}

static size_t *target_numbers(const csv_state *s)
{
    return s->target;
}

/* At most 40 bytes of a cell go into a message. */
static int shown(size_t len)
{
    return len > 40 ? 40 : (int)len;
}

static annulus_status cell_fail(const csv_state *s, const char *cell, size_t len, const char *what)
{
    return fail(ANNULUS_ERR_INPUT, "line %zu, column \"%.60s\": \"%.*s\"%s %s", s->line, column_names(s)[s->column],
                shown(len), cell, len > 40 ? "..." : "", what);
}

static int number_parse(const char *cell, size_t len, double *out)
{
    if (len == 0 || strspn(cell, "0123456789+-.eE") != len) return 0; /* strtod also knows hex, inf, nan and spaces */
    char *end;
    *out = strtod(cell, &end);
    return end == cell + len;
}

static annulus_status cell_number(const csv_state *s, const char *cell, size_t len, float *out)
{
    double v;
    if (len == 0) return cell_fail(s, cell, len, "is empty: every cell must hold a number");
    if (!number_parse(cell, len, &v) || !isfinite(v)) {
        const int last = s->options->task == CSV_UNLABELED && s->options->label == NULL && s->column + 1 == s->columns;
        return cell_fail(s, cell, len,
                         last ? "is not a finite number: a class or target is left out if its column is named as label"
                              : "is not a finite number");
    }
    if (fabs(v) > FLT_MAX) return cell_fail(s, cell, len, "is beyond the range of single precision");
    *out = (float)v;
    return ANNULUS_OK;
}

static annulus_status header_cell(csv_state *s, const char *cell, size_t len)
{
    if (len == 0 || memchr(cell, 0, len) != NULL)
        return fail(ANNULUS_ERR_INPUT, "line %zu: column %zu has no name: the first line must name every column",
                    s->line, s->column + 1);
    if (s->column == CSV_COLUMNS_MAX)
        return fail(ANNULUS_ERR_INPUT, "line %zu: more than %zu columns", s->line, CSV_COLUMNS_MAX);
    TRY(array_reserve(&s->names, &s->names_capacity, s->column + 1, sizeof(char *), "column names"));
    TRY(string_copy(cell, len, &((char **)s->names)[s->column]));
    s->columns = ++s->column;
    return ANNULUS_OK;
}

/* The known names behind text, as many as fit. */
static void known_names(const csv_options *o, char *text, size_t size)
{
    for (size_t c = 0; c < o->class_names_count; c++) {
        const char *name = o->class_names[c];
        const size_t used = strlen(text);
        const int fits = strlen(name) + 8 < size - used;
        (void)snprintf(text + used, size - used, "%s%s", c == 0 ? "" : ", ", fits ? name : "...");
        if (!fits) break;
    }
}

static annulus_status unknown_class(const csv_state *s, const char *cell, size_t len)
{
    char text[160] = "is not one of the known classes: ";
    known_names(s->options, text, sizeof text);
    return cell_fail(s, cell, len, text);
}

/* The class that a number stands for where names are none; class_names_count: none. */
static size_t class_by_number(const csv_options *o, const char *cell)
{
    size_t found = o->class_names_count;
    for (size_t c = 0; c < o->class_names_count; c++) {
        double v;
        if (number_parse(o->class_names[c], strlen(o->class_names[c]), &v)) return o->class_names_count;
        if (text_is_number(cell, c)) found = c;
    }
    return found;
}

static annulus_status label_cell(csv_state *s, const char *cell, size_t len)
{
    const csv_options *o = s->options;
    const int fixed = o->class_names != NULL;
    const char *const *known = fixed ? o->class_names : (const char *const *)s->classes;
    const size_t count = fixed ? o->class_names_count : s->classes_count;
    size_t c = 0;
    if (len == 0 || memchr(cell, 0, len) != NULL) return cell_fail(s, cell, len, "is not a class name");
    while (c < count && strcmp(known[c], cell) != 0) c++;
    if (c == count && fixed) c = class_by_number(o, cell);
    if (c == count && fixed) return unknown_class(s, cell, len);
    if (c == count) {
        if (count == CSV_CLASSES_MAX)
            return cell_fail(s, cell, len, "is one class too many (1000): is this column a regression target?");
        TRY(array_reserve(&s->classes, &s->classes_capacity, count + 1, sizeof(char *), "class names"));
        TRY(string_copy(cell, len, &((char **)s->classes)[count]));
        s->classes_count++;
    }
    TRY(array_reserve(&s->labels, &s->labels_capacity, s->labels_count + 1, sizeof(int32_t), "the labels"));
    ((int32_t *)s->labels)[s->labels_count++] = (int32_t)c;
    return ANNULUS_OK;
}

static annulus_status feature_cell(csv_state *s, const char *cell, size_t len)
{
    float v = 0;
    TRY(cell_number(s, cell, len, &v));
    TRY(array_reserve(&s->x, &s->x_capacity, s->x_count + 1, sizeof v, "the values"));
    ((float *)s->x)[s->x_count++] = v;
    return ANNULUS_OK;
}

static annulus_status target_cell(csv_state *s, const char *cell, size_t len, size_t target)
{
    float v = 0;
    TRY(cell_number(s, cell, len, &v));
    if (s->options->task == CSV_MULTI_LABEL && v != 0 && v != 1)
        return cell_fail(s, cell, len, "is a label of a sample: 0 or 1 is needed");
    TRY(array_reserve(&s->y, &s->y_capacity, (s->rows + 1) * s->targets, sizeof v, "the values"));
    ((float *)s->y)[s->rows * s->targets + target] = v;
    return ANNULUS_OK;
}

static annulus_status data_cell(csv_state *s, const char *cell, size_t len)
{
    if (s->column >= s->columns)
        return fail(ANNULUS_ERR_INPUT, "line %zu has more cells than the %zu columns of the header", s->line,
                    s->columns);
    const size_t target = target_numbers(s)[s->column];
    if (target > 0)
        TRY(target_cell(s, cell, len, target - 1));
    else if (s->column == s->label)
        TRY(label_cell(s, cell, len));
    else if (!s->options->targets_only)
        TRY(feature_cell(s, cell, len));
    s->column++;
    return ANNULUS_OK;
}

static void on_cell(void *cell, size_t len, void *context)
{
    csv_state *s = context;
    s->pending = 0;
    if (s->status != ANNULUS_OK) return;
    s->status = s->has_header ? data_cell(s, cell, len) : header_cell(s, cell, len);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static annulus_status header_distinct(const csv_state *s)
{
    void *p;
    TRY(mem_create(s->columns, sizeof(char *), "column names", &p));
    char **sorted = p;
    memcpy(sorted, s->names, s->columns * sizeof *sorted);
    qsort(sorted, s->columns, sizeof *sorted, by_name);
    annulus_status st = ANNULUS_OK;
    for (size_t i = 1; st == ANNULUS_OK && i < s->columns; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            st = fail(ANNULUS_ERR_INPUT, "line %zu: two columns are named \"%.60s\": give every column its own name",
                      s->line, sorted[i]);
    mem_free(p);
    return st;
}

/* Numbers may name columns, as indices and wavelengths do, in rising order; a sample in place of the header has numbers
 * in any, and one name at most. */
static annulus_status header_names(const csv_state *s)
{
    char *const *names = column_names(s);
    double before = -INFINITY;
    size_t numbers = 0;
    int rising = 1;
    for (size_t i = 0; i < s->columns; i++) {
        double v;
        if (!number_parse(names[i], strlen(names[i]), &v)) continue;
        rising = rising && v > before;
        before = v;
        numbers++;
    }
    if (rising || numbers + 1 < s->columns) return ANNULUS_OK;
    return fail(
        ANNULUS_ERR_INPUT,
        "line %zu: \"%.60s\" to \"%.60s\" look like a sample: put a line of column names before it, or names in "
        "place of the numbers",
        s->line, names[0], names[s->columns - 1]);
}

/* The column of this name is the next label. */
static annulus_status target_add(csv_state *s, const char *name, size_t len)
{
    for (size_t i = 0; i < s->columns; i++) {
        size_t *target = &target_numbers(s)[i];
        if (strlen(column_names(s)[i]) != len || memcmp(column_names(s)[i], name, len) != 0) continue;
        if (*target > 0) return fail(ANNULUS_ERR_INPUT, "label \"%.*s\" is given twice", shown(len), name);
        *target = ++s->targets;
        return ANNULUS_OK;
    }
    return fail(ANNULUS_ERR_INPUT,
                "no column is named \"%.*s\", which is to be a label: the columns are \"%.60s\" to \"%.60s\"",
                shown(len), name, column_names(s)[0], column_names(s)[s->columns - 1]);
}

static int is_known(const csv_options *o, const char *name)
{
    size_t c = 0;
    while (c < o->class_names_count && strcmp(o->class_names[c], name) != 0) c++;
    return c < o->class_names_count;
}

/* Outputs of networks without names have numbers alone, which name no columns. */
static int has_names(const csv_options *o)
{
    size_t c = 0;
    while (c < o->class_names_count && text_is_number(o->class_names[c], c)) c++;
    return c < o->class_names_count;
}

static annulus_status targets_known(csv_state *s)
{
    for (size_t c = 0; c < s->options->class_names_count; c++)
        TRY(target_add(s, s->options->class_names[c], strlen(s->options->class_names[c])));
    return ANNULUS_OK;
}

/* Labels that were named and are the known ones come in the order of these. */
static annulus_status targets_order(csv_state *s)
{
    const csv_options *o = s->options;
    char known[160] = "";
    int same = s->targets == o->class_names_count;
    for (size_t i = 0; i < s->columns; i++) same &= target_numbers(s)[i] == 0 || is_known(o, column_names(s)[i]);
    if (same) {
        memset(s->target, 0, s->columns * sizeof(size_t));
        s->targets = 0;
        return targets_known(s);
    }
    if (!has_names(o)) return ANNULUS_OK;
    known_names(o, known, sizeof known);
    if (o->class_names_count == 1)
        return fail(ANNULUS_ERR_INPUT, "the label of the circuit is %s, not %.80s: name that column, or none", known,
                    o->label);
    return fail(ANNULUS_ERR_INPUT,
                "the labels of the circuit are %s, not %.80s: name these columns, in any order, or none", known,
                o->label);
}

static annulus_status targets_find(csv_state *s)
{
    const csv_options *o = s->options;
    if (o->label == NULL && o->class_names == NULL) {
        for (size_t i = 0; o->targets_only && i < s->columns; i++) target_numbers(s)[i] = ++s->targets;
        if (o->targets_only) return ANNULUS_OK;
        return fail(ANNULUS_ERR_INPUT, "multi-label data: name the columns of the labels, with commas in between");
    }
    if (o->label == NULL) TRY(targets_known(s));
    for (const char *at = o->label; at != NULL;) {
        const size_t len = strcspn(at, ",");
        TRY(target_add(s, at, len));
        at = at[len] == 0 ? NULL : at + len + 1;
    }
    if (o->label != NULL) TRY(targets_order(s));
    if (s->targets == s->columns && !o->targets_only)
        return fail(ANNULUS_ERR_INPUT, "all columns are labels: no features are left");
    return ANNULUS_OK;
}

static annulus_status header_end(csv_state *s)
{
    const csv_options *o = s->options;
    TRY(header_names(s));
    TRY(header_distinct(s));
    TRY(mem_create(s->columns, sizeof(size_t), "labels", &s->target));
    s->has_header = 1;
    s->label = s->columns;
    const int as_unlabeled = o->label == NULL && !o->targets_only && s->columns == o->unlabeled_columns;
    if (o->task == CSV_UNLABELED || as_unlabeled) return ANNULUS_OK;
    if (o->task == CSV_MULTI_LABEL) return targets_find(s);
    size_t label = o->label == NULL ? s->columns - 1 : 0;
    while (o->label != NULL && label < s->columns && strcmp(column_names(s)[label], o->label) != 0) label++;
    const int several = o->label == NULL ? o->class_names_count > 1 || has_names(o)
                                         : label == s->columns && strchr(o->label, ',') != NULL;
    if (o->task == CSV_REGRESSION && (several || o->targets_only)) return targets_find(s);
    if (label == s->columns)
        return fail(ANNULUS_ERR_INPUT, "no column is named \"%.60s\": the columns are \"%.60s\" to \"%.60s\"", o->label,
                    column_names(s)[0], column_names(s)[s->columns - 1]);
    if (s->columns == 1)
        return fail(ANNULUS_ERR_INPUT,
                    "the only column, \"%.60s\", is the label: no features are left; commas must stand between columns",
                    column_names(s)[0]);
    if (o->task == CSV_CLASSIFICATION) {
        s->label = label;
        return ANNULUS_OK;
    }
    target_numbers(s)[label] = s->targets = 1;
    return targets_order(s);
}

static void on_row(int end, void *context)
{
    csv_state *s = context;
    (void)end;
    if (s->status != ANNULUS_OK) return;
    if (!s->has_header) {
        s->status = header_end(s);
    } else if (s->column != s->columns) {
        s->status = fail(ANNULUS_ERR_INPUT, "line %zu has %zu cells, the header has %zu columns", s->line, s->column,
                         s->columns);
    } else {
        s->rows++;
    }
    s->column = 0;
}

/* Feeds whole or partial lines so that s->line is right in every callback. They end as the parser has it: by CR, LF or
 * both. */
static annulus_status feed(struct csv_parser *parser, csv_state *s, const char *p, size_t len)
{
    while (len > 0) {
        size_t n = 0;
        while (n < len && p[n] != '\r' && p[n] != '\n') n++;
        if (n < len) n++;
        s->pending += n;
        if (csv_parse(parser, p, n, on_cell, on_row, s) != n && s->status == ANNULUS_OK)
            s->status = csv_error(parser) == CSV_EPARSE
                            ? fail(ANNULUS_ERR_INPUT, "line %zu: a quotation mark is out of place", s->line)
                            : fail(ANNULUS_ERR_MEMORY, "line %zu: %s", s->line, csv_strerror(csv_error(parser)));
        if (s->status == ANNULUS_OK && s->pending > CSV_CELL_BYTES_MAX + CSV_CHUNK)
            s->status = fail(ANNULUS_ERR_INPUT, "line %zu: a cell of more than %zu bytes: is a quotation mark open?",
                             s->line, CSV_CELL_BYTES_MAX);
        if (s->status != ANNULUS_OK) return s->status;
        const char last = p[n - 1];
        s->line += last == '\r' || (last == '\n' && (n > 1 || s->before != '\r'));
        s->before = last;
        p += n;
        len -= n;
    }
    return ANNULUS_OK;
}

static annulus_status parse_all(gz_input *g, struct csv_parser *parser, csv_state *s, char *buffer)
{
    for (int first = 1;; first = 0) {
        size_t got;
        TRY(gz_input_read(g, buffer, CSV_CHUNK, &got));
        if (got == 0) break;
        const size_t mark = first && got >= 3 && memcmp(buffer, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* UTF-8 */
        TRY(feed(parser, s, buffer + mark, got - mark));
    }
    if (csv_fini(parser, on_cell, on_row, s) != 0 && s->status == ANNULUS_OK)
        s->status = fail(ANNULUS_ERR_INPUT, "line %zu: the file ends inside a quoted cell", s->line);
    TRY(s->status);
    if (!s->has_header) return fail(ANNULUS_ERR_INPUT, "the file is empty: it must begin with a line of column names");
    if (s->rows == 0) return fail(ANNULUS_ERR_INPUT, "no line follows the header: there are no samples");
    return ANNULUS_OK;
}

static annulus_status parse_file(const char *path, csv_state *s)
{
    struct csv_parser parser;
    if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0)
        return fail(ANNULUS_ERR_MEMORY, "cannot start the CSV parser");
    gz_input *g = NULL;
    void *buffer = NULL;
    annulus_status st = mem_create(CSV_CHUNK, 1, "a read buffer", &buffer);
    if (st == ANNULUS_OK) st = gz_input_create(path, &g);
    if (st == ANNULUS_OK) st = parse_all(g, &parser, s, buffer);
    if (st == ANNULUS_OK)
        st = gz_input_close(g);
    else
        gz_input_destroy(g);
    mem_free(buffer);
    csv_free(&parser);
    return st;
}

typedef struct class_key {
    const char *name;
    double value;
    int numeric; /* the same for all keys of a sort */
    int32_t found;
} class_key;

static int by_class(const void *a, const void *b)
{
    const class_key *p = a, *q = b;
    if (p->numeric && p->value != q->value) return p->value < q->value ? -1 : 1;
    return strcmp(p->name, q->name);
}

/* Sorted names into d, and the labels renumbered. */
static annulus_status classes_sort(csv_state *s, dataset *d)
{
    const size_t n = s->classes_count;
    char *const *names = s->classes;
    if (n < 2)
        return fail(ANNULUS_ERR_INPUT, "column \"%.60s\" holds only the class \"%.60s\": at least two are needed",
                    column_names(s)[s->label], names[0]);
    class_key key[CSV_CLASSES_MAX] = {0};
    int32_t rank[CSV_CLASSES_MAX] = {0};
    int numeric = 1;
    for (size_t i = 0; i < n; i++) {
        key[i] = (class_key){.name = names[i], .found = (int32_t)i};
        if (!number_parse(names[i], strlen(names[i]), &key[i].value) || !isfinite(key[i].value)) numeric = 0;
    }
    for (size_t i = 0; i < n; i++) key[i].numeric = numeric;
    qsort(key, n, sizeof *key, by_class);
    void *p;
    TRY(mem_create(n, sizeof(char *), "class names", &p));
    d->class_names = p;
    d->classes = n;
    for (size_t i = 0; i < n; i++) {
        TRY(string_copy(key[i].name, strlen(key[i].name), &d->class_names[i]));
        rank[key[i].found] = (int32_t)i;
    }
    for (size_t i = 0; i < d->count; i++) d->label[i] = rank[d->label[i]];
    return ANNULUS_OK;
}

static annulus_status take_names(csv_state *s, dataset *d)
{
    void *p;
    if (d->features > 0) {
        TRY(mem_create(d->features, sizeof(char *), "column names", &p));
        d->feature_names = p;
    }
    if (s->targets > 0) {
        TRY(mem_create(s->targets, sizeof(char *), "label names", &p));
        d->target_names = p;
        d->targets = s->targets;
        d->binary = s->options->task == CSV_MULTI_LABEL;
    }
    const size_t *target = target_numbers(s);
    for (size_t i = 0, f = 0; i < s->columns; i++) {
        if (i == s->label || (target[i] == 0 && s->options->targets_only)) continue;
        char **name = target[i] > 0 ? &d->target_names[target[i] - 1] : &d->feature_names[f++];
        TRY(string_copy(column_names(s)[i], strlen(column_names(s)[i]), name));
    }
    return ANNULUS_OK;
}

/* Moves what the parser gathered into d. */
static annulus_status assemble(csv_state *s, dataset *d)
{
    d->count = s->rows;
    d->features = s->options->targets_only ? 0 : s->columns - (s->label < s->columns ? 1 : 0) - s->targets;
    d->x = s->x;
    d->y = s->y;
    d->label = s->labels;
    s->x = s->y = s->labels = NULL;
    TRY(take_names(s, d));
    const csv_options *o = s->options;
    if (s->label == s->columns) return ANNULUS_OK;
    if (o->class_names == NULL) return classes_sort(s, d);
    TRY(strings_copy((char *const *)o->class_names, o->class_names_count, &d->class_names));
    d->classes = o->class_names_count;
    return ANNULUS_OK;
}

static void state_clear(csv_state *s)
{
    strings_destroy(s->names, s->columns);
    strings_destroy(s->classes, s->classes_count);
    mem_free(s->x);
    mem_free(s->y);
    mem_free(s->labels);
    mem_free(s->target);
}

annulus_status dataset_read_csv(const char *path, const csv_options *options, dataset **out)
{
    csv_state s = {.options = options, .line = 1};
    c_locale plain;
    void *p;
    TRY(c_locale_begin(&plain));
    annulus_status st = mem_create(1, sizeof(dataset), "a data set", &p);
    dataset *d = st == ANNULUS_OK ? p : NULL;
    if (st == ANNULUS_OK) st = parse_file(path, &s);
    if (st == ANNULUS_OK) st = assemble(&s, d);
    state_clear(&s);
    c_locale_end(&plain);
    if (st == ANNULUS_OK) {
        *out = d;
        return st;
    }
    dataset_destroy(d);
    return fail_prefix(st, "%s", path);
}
