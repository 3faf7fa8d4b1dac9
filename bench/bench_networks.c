/* SPDX-License-Identifier: Apache-2.0 */
/* bench_networks [--json FILE] FOLDER NAME=OPTIONS...: what script/bench has measured of each trained network so far,
 * from the files that it keeps in FOLDER: NAME.seconds (of training) and NAME-{inspect,clear,simulate,encrypted}.json.
 */
#include "bench.h"
#include "table.h"

#include <limits.h>
#include <stdbool.h>

static const table_column columns[] = {
    {"network", "network", 21, TABLE_TEXT},
    {"rotations", "rotations", 9, 0},
    {"look_ups", "look-ups", 8, 0},
    {"training_seconds", "trained s", 9, 1},
    {"accuracy_clear", "clear %", 7, 2},
    {"accuracy_simulated", "simulated %", 11, 2},
    {"accuracy_encrypted", "encrypted %", 11, 2},
    {"encrypted", "of", 4, 0},
    {"seconds", "seconds", 7, 4},
    {"predicted_seconds", "predicted s", 11, 4},
    {"options", "annulus train; compile", 1, TABLE_TEXT},
};

/* NULL if it is not there. */
static json_t *kept(const char *folder, const char *name, const char *part)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s-%s.json", folder, name, part);
    return json_load_file(path, 0, NULL);
}

static double value(const json_t *file, const char *key)
{
    const json_t *v = json_object_get(file, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static double training_seconds(const char *folder, const char *name)
{
    char path[PATH_MAX];
    double seconds = NAN;
    (void)snprintf(path, sizeof path, "%s/%s.seconds", folder, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) return NAN;
    if (fscanf(f, "%lf", &seconds) != 1) seconds = NAN;
    (void)fclose(f);
    return seconds;
}

static void row(const bench_table *t, const char *folder, const char *name, const char *options)
{
    json_t *inspect = kept(folder, name, "inspect"), *clear = kept(folder, name, "clear");
    json_t *simulated = kept(folder, name, "simulate"), *encrypted = kept(folder, name, "encrypted");
    table_row(t, name, value(inspect, "rotations"), value(inspect, "look_ups"), training_seconds(folder, name),
              100 * value(clear, "accuracy"), 100 * value(simulated, "accuracy"), 100 * value(encrypted, "accuracy"),
              value(encrypted, "samples"), value(encrypted, "seconds_per_sample"), value(inspect, "seconds_all_cores"),
              options);
    json_decref(inspect), json_decref(clear), json_decref(simulated), json_decref(encrypted);
}

int main(int argc, char **argv)
{
    const bool to_json = argc > 2 && strcmp(argv[1], "--json") == 0;
    const int first = to_json ? 3 : 1;
    if (argc < first + 1) {
        fprintf(stderr, "usage: %s [--json FILE] FOLDER NAME=OPTIONS...\n", argv[0]);
        return 2;
    }
    bench_table t;
    table_begin(&t, stdout, "Trained networks", columns, sizeof columns / sizeof *columns);
    for (int i = first + 1; i < argc; i++) {
        char *options = strchr(argv[i], '=');
        if (options == NULL) return 2;
        *options = '\0';
        row(&t, argv[first], argv[i], options + 1);
    }
    table_end(&t, to_json ? argv[2] : NULL);
    return 0;
}
