/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of measurements: printed row by row as they are measured, and collected for a JSON file. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_TEXT (-1)

typedef struct table_column {
    const char *key;     /* in JSON */
    const char *heading; /* in print; borrowed, as key */
    int width;
    int decimals; /* TABLE_TEXT: a string */
} table_column;

typedef struct bench_table {
    FILE *to;
    const table_column *columns;
    size_t count;
    json_t *rows; /* array of objects */
} bench_table;

/* Prints title and headings. */
void table_begin(bench_table *t, FILE *to, const char *title, const table_column *columns, size_t count);
/* One argument a column: double, or const char * where the column is text. NAN is "-", null in JSON. */
void table_row(const bench_table *t, ...);
/* Writes the rows to `path` where it is not NULL; exits if it cannot. */
void table_end(bench_table *t, const char *path);
/* The FILE of `PROGRAM [--json FILE]`, NULL without; exits 2 on anything else. */
const char *table_path(int argc, char **argv);
/* Name of the processor in /proc/cpuinfo, if there is one. */
void table_processor(char *name, size_t size);
#define TABLE_DATE 16u
void table_date(char date[TABLE_DATE]); /* today, UTC: 2026-01-31 */
#endif
