/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void table_begin(bench_table *t, FILE *to, const char *title, const table_column *columns, size_t count)
{
    *t = (bench_table){.to = to, .columns = columns, .count = count, .rows = json_array()};
    if (t->rows == NULL) exit(1);
    fprintf(to, "\n%s\n", title);
    for (size_t i = 0; i < count; i++)
        fprintf(to, "%*s%s", columns[i].decimals == TABLE_TEXT ? -columns[i].width : columns[i].width,
                columns[i].heading, i + 1 < count ? "  " : "\n");
}

static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

void table_row(const bench_table *t, ...)
{
    json_t *row = json_object();
    va_list arguments;
    va_start(arguments, t);
    for (size_t i = 0; i < t->count; i++) {
        const table_column *c = &t->columns[i];
        if (c->decimals == TABLE_TEXT) {
            const char *text = va_arg(arguments, const char *);
            fprintf(t->to, "%-*s", c->width, text);
            (void)json_object_set_new(row, c->key, json_string(text));
        } else {
            const double x = va_arg(arguments, double);
            if (isfinite(x))
                fprintf(t->to, "%*.*f", c->width, c->decimals, x);
            else
                fprintf(t->to, "%*s", c->width, "-");
            (void)json_object_set_new(row, c->key, number(x));
        }
        fputs(i + 1 < t->count ? "  " : "\n", t->to);
    }
    va_end(arguments);
    (void)fflush(t->to);
    if (json_array_append_new(t->rows, row) != 0) exit(1);
}

void table_end(bench_table *t, const char *path)
{
    if (path != NULL && json_dump_file(t->rows, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0) {
        fprintf(stderr, "bench: cannot write %s\n", path);
        exit(1);
    }
    json_decref(t->rows);
}

void table_processor(char *name, size_t size)
{
    char line[256];
    (void)snprintf(name, size, "unknown processor");
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        (void)snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    (void)fclose(f);
}

void table_date(char date[TABLE_DATE])
{
    const time_t now = time(NULL);
    (void)strftime(date, TABLE_DATE, "%Y-%m-%d", gmtime(&now));
}

const char *table_path(int argc, char **argv)
{
    if (argc == 1) return NULL;
    if (argc == 3 && strcmp(argv[1], "--json") == 0) return argv[2];
    fprintf(stderr, "usage: %s [--json FILE]\n", argv[0]);
    exit(2);
}
