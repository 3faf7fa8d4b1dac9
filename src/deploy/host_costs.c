/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/host_costs.h"

#include "annulus/annulus.h"
#include "base/bytes.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/memory.h"
#include "math/fft.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA "annulus-costs-3"
#define FILE_LIMIT 16384u
#define ADVICE "annulus calibrate writes it anew"
#define MOST_CROWD 2.5  /* two threads of one core take twice as long, and boost is lost */
#define MOST_ERROR 0.12 /* undisturbed fits are within 4 to 9 % */

static const struct {
    const char *name;
    size_t at;
} constants[] = {{"fft", offsetof(cost_model, fft)},
                 {"multiply", offsetof(cost_model, multiply)},
                 {"linear", offsetof(cost_model, linear)},
                 {"wide", offsetof(cost_model, wide)},
                 {"combine_2", offsetof(cost_model, combine[2])},
                 {"combine_3", offsetof(cost_model, combine[3])},
                 {"read", offsetof(cost_model, read)},
                 {"read_all", offsetof(cost_model, read_all)},
                 {"keyswitch", offsetof(cost_model, keyswitch)},
                 {"keyswitch_read", offsetof(cost_model, keyswitch_read)},
                 {"layer", offsetof(cost_model, layer)},
                 {"input", offsetof(cost_model, input)},
                 {"output", offsetof(cost_model, output)},
                 {"expand", offsetof(cost_model, expand)}};
#define CONSTANTS (sizeof constants / sizeof *constants)

static struct {
    pthread_once_t once;
    int measured;
    char ignored[512]; /* empty: nothing to say */
} host = {.once = PTHREAD_ONCE_INIT};

static double *constant(cost_model *m, size_t i)
{
    return (double *)(void *)((char *)m + constants[i].at);
}

/* The value of a line "name : value"; NULL: another line. */
static const char *value_of(const char *line, const char *name)
{
    const size_t len = strlen(name);
    const char *colon = strchr(line, ':');
    if (colon == NULL || strncmp(line, name, len) != 0 || strspn(line + len, " \t") != (size_t)(colon - line) - len)
        return NULL;
    return colon + strspn(colon, ": \t");
}

void host_processor(FILE *cpuinfo, char *out, size_t size)
{
    static const char *const names[] = {"model name", "CPU implementer", "CPU part"};
    static const char *const words[] = {"", "implementer ", "part "};
    enum { NAMES = sizeof names / sizeof *names };
    char line[512], found[NAMES][128] = {{0}};
    size_t len = 0;
    while (fgets(line, sizeof line, cpuinfo) != NULL) {
        for (size_t i = 0; i < NAMES; i++) {
            const char *value = value_of(line, names[i]);
            if (value == NULL || found[i][0] != '\0') continue;
            (void)snprintf(found[i], sizeof found[i], "%.*s", (int)strcspn(value, "\n"), value);
        }
    }
    (void)snprintf(out, size, "unknown");
    for (size_t i = 0; i < NAMES; i++) {
        if (found[i][0] == '\0' || len >= size) continue;
        const int more = snprintf(out + len, size - len, "%s%s%s", len > 0 ? " " : "", words[i], found[i]);
        len += more > 0 ? (size_t)more : 0;
    }
    for (char *c = out; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e) *c = '?'; /* as a JSON text can hold it */
}

static void processor_name(char *out, size_t size)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    (void)snprintf(out, size, "unknown");
    if (f == NULL) return;
    host_processor(f, out, size);
    (void)fclose(f);
}

void host_key_init(host_key *key)
{
    const cpu_level level = cpu_level_get();
    processor_name(key->processor, sizeof key->processor);
    (void)snprintf(key->kernels, sizeof key->kernels, "%s %s%s", cpu_level_name(level), fft_kernels_name(),
                   cpu_has_vnni(level) ? " vnni" : "");
    (void)snprintf(key->version, sizeof key->version, "%s", annulus_version());
}

/* "/host-", 16 digits of the key's SHA-256, ".json". */
static annulus_status file_name(const host_key *key, char out[32])
{
    char text[sizeof key->processor + sizeof key->kernels + sizeof key->version];
    uint8_t digest[SHA256_BYTES];
    int len = snprintf(text, sizeof text, "%s\n%s\n%s", key->processor, key->kernels, key->version);
    TRY(bytes_sha256(text, (size_t)len, digest));
    len = snprintf(out, 32, "/host-");
    for (size_t i = 0; i < 8; i++) len += snprintf(out + len, 32 - (size_t)len, "%02x", digest[i]);
    (void)snprintf(out + len, 32 - (size_t)len, ".json");
    return ANNULUS_OK;
}

static annulus_status folder_make(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return ANNULUS_OK;
    return fail(ANNULUS_ERR_IO, "%s: cannot make this folder: %s", path, strerror(errno));
}

/* Whether the file can be written, so that it need not be found out after the measurement. */
static annulus_status place_check(const char *path)
{
    char folder[HOST_PATH_BYTES];
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return fail(ANNULUS_ERR_IO, "%s: cannot write: it exists and is no regular file; remove it", path);
    (void)snprintf(folder, sizeof folder, "%.*s/", (int)(strrchr(path, '/') - path), path);
    if (access(folder, W_OK | X_OK) == 0) return ANNULUS_OK;
    return fail(ANNULUS_ERR_IO, "%s: cannot write there: %s", path, strerror(errno));
}

annulus_status host_costs_path(const host_key *key, int folders, char path[HOST_PATH_BYTES])
{
    char name[32];
    const char *const parts[] = {"/annulus", name};
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const int own = cache != NULL && cache[0] == '/'; /* a relative one is to be ignored (XDG Base Directory 0.8) */
    TRY(file_name(key, name));
    if (!own && (home == NULL || home[0] != '/'))
        return fail(ANNULUS_ERR_IO, "no place for the costs of this host: set XDG_CACHE_HOME to a folder");
    int len = snprintf(path, HOST_PATH_BYTES, "%s%s", own ? cache : home, own ? "" : "/.cache");
    for (size_t i = 0; len > 0 && (size_t)len < HOST_PATH_BYTES; i++) {
        if (i == 2) return folders ? place_check(path) : ANNULUS_OK;
        if (folders) TRY(folder_make(path));
        len += snprintf(path + len, HOST_PATH_BYTES - (size_t)len, "%s", parts[i]);
    }
    return fail(ANNULUS_ERR_IO, "the path of the cache folder is too long");
}

json_t *host_costs_json(const host_key *key, const cost_model *m, double error)
{
    cost_model copy = *m;
    json_t *costs = json_object();
    for (size_t i = 0; i < CONSTANTS; i++)
        (void)json_object_set_new(costs, constants[i].name, json_real(*constant(&copy, i)));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:f, s:f}", "schema", SCHEMA, "processor", key->processor, "kernels",
                     key->kernels, "version", key->version, "nanoseconds", costs, "all_cores_factor", m->crowd,
                     "fit_error", error);
}

static void line(FILE *f, const char *name, double ns, const char *unit)
{
    fprintf(f, "  %-10s %8.4f ns  %s\n", name, ns, unit);
}

char *host_costs_text(const host_key *key, const cost_model *m, double error, const char *path)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    if (f == NULL) return NULL;
    fprintf(f, "costs of %s, kernels %s, one core\n", key->processor, key->kernels);
    line(f, "fft", m->fft, "a step: per (rows + k+1) N log2 N");
    line(f, "multiply", m->multiply, "a step: per rows (k+1) N");
    line(f, "linear", m->linear, "a step: per (k+1) N");
    line(f, "wide", m->wide, "a step with words of 64 bits, not 32: per (k+1) N, besides");
    line(f, "combine_2", m->combine[2], "a step of 2 key bits: per pattern and (rows (k+1) + 1) N");
    line(f, "combine_3", m->combine[3], "a step of 3 key bits: the same");
    line(f, "read", m->read, "a batch: per byte of bootstrapping key");
    line(f, "read_all", m->read_all, "a batch while all cores read: per byte of both keys, besides");
    line(f, "keyswitch", m->keyswitch, "per kN l (n+1)");
    line(f, "ks_read", m->keyswitch_read, "a batch: per kN l (n+1)");
    line(f, "layer", m->layer, "a linear layer: per weight and kN+1");
    line(f, "input", m->input, "a linear layer: per input and kN+1");
    line(f, "output", m->output, "a linear layer: per output, 126 inputs and kN+1");
    line(f, "expand", m->expand, "seeded inputs: per input and kN, with their way from memory");
    fprintf(f, "all cores at once take %.3f times as long as one alone\n", m->crowd);
    if (m->crowd > MOST_CROWD)
        fprintf(f,
                "other work ran beside: so much slower cores are not by themselves; measure again when it is done\n");
    fprintf(f, "the fit is within %.1f %% of every step measured%s\nwritten to %s\n", 100 * error,
            error > MOST_ERROR ? ": other work ran beside some of them; measure again when it is done" : "", path);
    if (fclose(f) == 0) return out;
    free(out);
    return NULL;
}

static int is(const json_t *j, const char *name, const char *value)
{
    const char *s = json_string_value(json_object_get(j, name));
    return s != NULL && strcmp(s, value) == 0;
}

static annulus_status parse(const char *path, const json_t *j, const host_key *key, cost_model *out)
{
    const json_t *costs = json_object_get(j, "nanoseconds");
    cost_model m = {0};
    if (!is(j, "schema", SCHEMA)) return fail(ANNULUS_ERR_INPUT, "%s: not a file of costs; " ADVICE, path);
    if (!is(j, "processor", key->processor) || !is(j, "kernels", key->kernels) || !is(j, "version", key->version))
        return fail(ANNULUS_ERR_INPUT, "%s: measured with another processor, kernels or version; " ADVICE, path);
    for (size_t i = 0; i < CONSTANTS; i++) {
        const json_t *v = json_object_get(costs, constants[i].name);
        if (!json_is_number(v)) return fail(ANNULUS_ERR_INPUT, "%s: no cost %s; " ADVICE, path, constants[i].name);
        *constant(&m, i) = json_number_value(v);
    }
    const json_t *crowd = json_object_get(j, "all_cores_factor");
    if (!json_is_number(crowd)) return fail(ANNULUS_ERR_INPUT, "%s: no all_cores_factor; " ADVICE, path);
    m.crowd = json_number_value(crowd);
    if (!cost_model_check(&m)) return fail(ANNULUS_ERR_INPUT, "%s: a cost is out of range; " ADVICE, path);
    *out = m;
    return ANNULUS_OK;
}

annulus_status host_costs_read(const char *path, const host_key *key, cost_model *out)
{
    uint8_t *text = NULL;
    size_t len = 0;
    json_error_t error;
    TRY(file_read(path, FILE_LIMIT, &text, &len));
    json_t *j = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, &error);
    mem_free(text);
    if (j == NULL) return fail(ANNULUS_ERR_INPUT, "%s: damaged (%s); " ADVICE, path, error.text);
    const annulus_status st = parse(path, j, key, out);
    json_decref(j);
    return st;
}

annulus_status host_costs_write(const char *path, const json_t *costs)
{
    char *text = json_dumps(costs, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    if (text == NULL) return fail(ANNULUS_ERR_MEMORY, "no memory for the file of costs");
    const size_t len = strlen(text);
    text[len] = '\n'; /* in place of the end */
    const annulus_status st = file_write(path, text, len + 1, 0644);
    mem_free(text);
    return st;
}

annulus_status host_costs_adopt(const char *path, const host_key *key)
{
    cost_model m;
    TRY(host_costs_read(path, key, &m));
    host_costs_load(); /* so that it does not come later */
    cost_model_use(&m);
    host.measured = 1;
    host.ignored[0] = '\0';
    return ANNULUS_OK;
}

static void load(void)
{
    char path[HOST_PATH_BYTES];
    host_key key;
    cost_model m;
    host_key_init(&key);
    if (host_costs_path(&key, 0, path) != ANNULUS_OK || access(path, F_OK) != 0) return;
    if (host_costs_read(path, &key, &m) == ANNULUS_OK) {
        cost_model_use(&m);
        host.measured = 1;
    } else {
        (void)snprintf(host.ignored, sizeof host.ignored, "%s", annulus_error_message());
    }
}

void host_costs_load(void)
{
    (void)pthread_once(&host.once, load);
}

int annulus_costs_measured(const char **ignored)
{
    host_costs_load();
    if (ignored != NULL) *ignored = host.ignored[0] != '\0' ? host.ignored : NULL;
    return host.measured;
}
