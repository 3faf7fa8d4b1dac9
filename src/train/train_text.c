/* SPDX-License-Identifier: Apache-2.0 */
#include "train/train_text.h"

#include "base/c_locale.h"
#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 16)
#define LINE_MOST 512u
#define LEAKY_SLOPE 0.125
#define ENTRIES_REACH 3.0 /* deviations, about, of what batch normalisation makes */
#define EVEN 1e-3         /* of the distance of entries, that are written in a few digits */

static int whole(const char *text, size_t least, size_t most, size_t *out)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 6 || text[digits] != 0) return 0;
    *out = strtoul(text, NULL, 10);
    return *out >= least && *out <= most;
}

static int real(const char *text, double *out)
{
    char *end = NULL;
    c_locale plain;
    if (c_locale_begin(&plain) != ANNULUS_OK) return 0;
    *out = strtod(text, &end);
    c_locale_end(&plain);
    return end != text && *end == 0 && isfinite(*out);
}

/* The next line of text[*at..len) without its comment, cut at its end: 0 when there is none. */
static int next_line(const char *text, size_t len, size_t *at, size_t *number, char line[LINE_MOST], int *fits)
{
    if (*at >= len) return 0;
    const char *end = memchr(text + *at, '\n', len - *at);
    const size_t all = end == NULL ? len - *at : (size_t)(end - text) - *at;
    size_t used = all;
    for (size_t i = 0; i < used; i++)
        if (text[*at + i] == '#') used = i;
    while (used > 0 && memchr(" \t\r", text[*at + used - 1], 3) != NULL) used--;
    *fits = used < LINE_MOST && memchr(text + *at, 0, used) == NULL;
    if (*fits) {
        memcpy(line, text + *at, used);
        line[used] = 0;
    }
    *at += all + 1;
    ++*number;
    return 1;
}

/* A line of a table, y or x,y: how many numbers it has; 0: others. */
static size_t entry_read(char *line, double *x, double *y)
{
    char *comma = strchr(line, ',');
    if (comma == NULL) return (size_t)real(line, y);
    *comma = 0;
    return real(line, x) && real(comma + 1, y) ? 2 : 0;
}

/* Entries x,y whose x are as far apart, or y alone, over ENTRIES_REACH to either side of 0. */
static annulus_status entries_text(const char *text, size_t len, const char *name, function *out)
{
    char line[LINE_MOST];
    double x[FUNCTION_MAX_ENTRIES] = {0}, y[FUNCTION_MAX_ENTRIES];
    size_t at = 0, number = 0, count = 0, each = 0;
    int fits;
    while (next_line(text, len, &at, &number, line, &fits)) {
        if (fits && line[0] == 0) continue;
        if (count == FUNCTION_MAX_ENTRIES)
            return fail(ANNULUS_ERR_INPUT, "%s, line %zu: at most %u entries are possible", name, number,
                        FUNCTION_MAX_ENTRIES);
        const size_t numbers = fits ? entry_read(line, &x[count], &y[count]) : 0;
        if (numbers == 0 || (count > 0 && numbers != each))
            return fail(ANNULUS_ERR_INPUT, "%s, line %zu: an entry, y, or x,y in every line, of numbers is needed",
                        name, number);
        each = numbers;
        const double apart = count > 0 ? (x[count] - x[0]) / (double)count : 1, first = count > 0 ? x[1] - x[0] : 1;
        if (each == 2 && !(fabs(apart - first) <= EVEN * fabs(first)))
            return fail(ANNULUS_ERR_INPUT,
                        "%s, line %zu: its x is not %g behind the one before: give entries that are as far apart", name,
                        number, first);
        count++;
    }
    if (count < 2) return fail(ANNULUS_ERR_INPUT, "%s: a table of %zu entries: 2 or more are needed", name, count);
    const double first = each == 2 ? x[0] : -ENTRIES_REACH,
                 apart = (each == 2 ? x[count - 1] - x[0] : 2 * ENTRIES_REACH) / (double)(count - 1);
    const annulus_status st = function_entries(count, first, apart, y, out);
    return st == ANNULUS_OK ? st : fail_prefix(st, "%s", name);
}

static annulus_status points_text(const char *text, size_t len, const char *name, function *out)
{
    char line[LINE_MOST];
    double x[FUNCTION_MAX_POINTS], y[FUNCTION_MAX_POINTS];
    size_t at = 0, number = 0, count = 0;
    int fits;
    while (next_line(text, len, &at, &number, line, &fits)) {
        char *comma = fits ? strchr(line, ',') : NULL;
        if (fits && line[0] == 0) continue;
        if (comma != NULL) *comma = 0;
        if (comma == NULL || !real(line, &x[count < FUNCTION_MAX_POINTS ? count : 0]) ||
            !real(comma + 1, &y[count < FUNCTION_MAX_POINTS ? count : 0]))
            return fail(ANNULUS_ERR_INPUT, "%s, line %zu: a point x,y of two numbers is needed", name, number);
        if (count++ == FUNCTION_MAX_POINTS)
            return fail(ANNULUS_ERR_INPUT, "%s, line %zu: at most %u points are possible", name, number,
                        FUNCTION_MAX_POINTS);
    }
    const annulus_status st = function_points(count, x, y, out);
    return st == ANNULUS_OK ? st : fail_prefix(st, "%s", name);
}

static annulus_status table_read(const char *path, int entries, function *out)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    TRY(file_read(path, FILE_MOST, &bytes, &len));
    const annulus_status st = (entries ? entries_text : points_text)((const char *)bytes, len, path, out);
    mem_free(bytes);
    return st;
}

annulus_status train_activation_read(const char *text, double rise, function *table, train_activation *out)
{
    char name[LINE_MOST];
    activation act;
    if (strlen(text) >= sizeof name) return fail(ANNULUS_ERR_INPUT, "the name of an activation is too long");
    strcpy(name, text);
    char *value = strchr(name, '=');
    if (value != NULL) *value++ = 0;
    const int entries = strcmp(name, "entries") == 0;
    if (value != NULL && (entries || strcmp(name, "table") == 0)) {
        TRY(table_read(value, entries, table));
        out->act = ACTIVATION_FUNCTION;
        out->own = table;
        return ANNULUS_OK;
    }
    TRY(activation_parse(name, &act));
    out->act = act;
    out->rise = act == ACTIVATION_LEAKY_RELU ? LEAKY_SLOPE : rise;
    if (value == NULL) return ANNULUS_OK;
    if (act != ACTIVATION_LEAKY_RELU && act != ACTIVATION_TRAPEZOID)
        return fail(ANNULUS_ERR_INPUT, "%s takes no number", name);
    if (!real(value, &out->rise) || out->rise < 0 || out->rise > 1 ||
        (act == ACTIVATION_TRAPEZOID && (out->rise < 0.001 || out->rise > 0.5)))
        return fail(ANNULUS_ERR_INPUT, "%s=%s: a number from %s is needed", name, value,
                    act == ACTIVATION_TRAPEZOID ? "0.001 to 0.5" : "0 to 1");
    out->rise = (double)(float)out->rise; /* as files hold it */
    return ANNULUS_OK;
}

annulus_status train_activations_read(const char *list, train_functions *f, train_options *o)
{
    const size_t hidden = o->conv_count + o->hidden_count;
    char part[LINE_MOST];
    size_t count = 0;
    for (const char *at = list; at != NULL; count++) {
        const char *end = strchr(at, ',');
        const size_t len = end == NULL ? strlen(at) : (size_t)(end - at);
        if (len >= sizeof part || (count > 0 && count >= hidden)) break;
        memcpy(part, at, len);
        part[len] = 0;
        TRY(train_activation_read(part, o->rise, &f->of[count], &o->layer_acts[count]));
        at = end == NULL ? NULL : end + 1;
        if (at == NULL && (count == 0 || count + 1 == hidden)) {
            for (size_t i = 1; count == 0 && i < hidden; i++) o->layer_acts[i] = o->layer_acts[0];
            o->layer_acts_count = hidden;
            o->act = o->layer_acts[0].act;
            return ANNULUS_OK;
        }
    }
    return fail(ANNULUS_ERR_INPUT, "activations %.60s: give one for all, or one for each of the %zu hidden layers",
                list, hidden);
}

/* ---- the file of a network -------------------------------------------------------------------------------------- */

typedef struct network_text {
    train_options *o;
    train_functions *f;
    const char *name;
    size_t line;
    int ended;
    int drops; /* 1: some layer loses values */
} network_text;

/* A word KEY=VALUE of a line: what value it has. */
typedef struct setting {
    const char *key;
    size_t least, most, *value;
    int given;
    double *part; /* in place of value a real number from 0 to 0.9 */
} setting;

static annulus_status refuse(const network_text *t, const char *word, const char *why)
{
    return fail(ANNULUS_ERR_INPUT, "%s, line %zu: \"%.60s\": %s", t->name, t->line, word, why);
}

/* The words behind the first of a line; what is no setting is an activation, if act is not NULL. */
static annulus_status settings_read(const network_text *t, char *rest, setting *s, size_t count, function *table,
                                    train_activation *act)
{
    int named = 0;
    for (char *word = strtok_r(NULL, " \t", &rest); word != NULL; word = strtok_r(NULL, " \t", &rest)) {
        char *value = strchr(word, '=');
        size_t k = 0;
        for (; value != NULL && k < count; k++)
            if (strlen(s[k].key) == (size_t)(value - word) && strncmp(word, s[k].key, (size_t)(value - word)) == 0)
                break;
        if (value != NULL && k < count) {
            if (s[k].given++) return refuse(t, word, "given twice");
            if (s[k].part != NULL && (!real(value + 1, s[k].part) || *s[k].part < 0 || *s[k].part > 0.9))
                return refuse(t, word, "a number from 0 to 0.9 is needed");
            if (s[k].part == NULL && !whole(value + 1, s[k].least, s[k].most, s[k].value))
                return fail(ANNULUS_ERR_INPUT, "%s, line %zu: \"%.60s\": a whole number from %zu to %zu is needed",
                            t->name, t->line, word, s[k].least, s[k].most);
            continue;
        }
        if (act == NULL) return refuse(t, word, "not known here");
        if (named++) return refuse(t, word, "not known here, or a second activation");
        const annulus_status st = train_activation_read(word, 0.25, table, act);
        if (st != ANNULUS_OK) return fail_prefix(st, "%s, line %zu", t->name, t->line);
    }
    return ANNULUS_OK;
}

/* Whether there is a layer of the same kind, `add` before, of this width; 0: none is added. Places of convolutions are
 * known with the images. */
static int added_fits(const train_options *o, int conv, size_t add, size_t width)
{
    const size_t before = conv ? o->conv_count : o->hidden_count;
    if (add == 0 || add > before) return add == 0;
    return (conv ? o->conv[before - add].channels : o->hidden[before - add]) == width;
}

/* The line of a hidden layer: `first` and what stands behind it. */
static annulus_status hidden_line(network_text *t, const char *first, char *rest)
{
    train_options *o = t->o;
    const int conv = strcmp(first, "conv") == 0;
    const size_t at = o->conv_count + o->hidden_count;
    const size_t most = conv ? TRAIN_MAX_CHANNELS : TRAIN_MAX_WIDTH;
    size_t width, bits = 0, weights = 0, offsets = 1;
    train_convolution c = {.stride = 1};
    setting s[] = {{.key = "bits", 1, 8, &bits},
                   {.key = "weights", 1, TRAIN_WEIGHT_BITS, &weights},
                   {.key = "offsets", 1, 16, &offsets},
                   {.key = "add", 1, TRAIN_MAX_HIDDEN, &c.add},
                   {.key = "drop", .part = &o->layer_dropout[at]},
                   {.key = "k", 1, TRAIN_MAX_KERNEL, &c.kernel},
                   {.key = "s", 1, TRAIN_MAX_KERNEL, &c.stride},
                   {.key = "p", 0, TRAIN_MAX_KERNEL - 1, &c.padding},
                   {.key = "g", 1, TRAIN_MAX_CHANNELS, &c.groups}};
    char *word = strtok_r(NULL, " \t", &rest);
    if (at == TRAIN_MAX_HIDDEN) return refuse(t, first, "too many layers");
    if (conv && o->hidden_count > 0) return refuse(t, first, "convolutions stand in front of dense layers");
    if (word == NULL || !whole(word, 1, most, &width))
        return fail(ANNULUS_ERR_INPUT, "%s, line %zu: \"%.60s\": %s, 1 to %zu, are needed behind %s", t->name, t->line,
                    word == NULL ? first : word, conv ? "channels" : "neurons", most, first);
    train_activation act = {.act = ACTIVATION_RELU};
    TRY(settings_read(t, rest, s, conv ? 9 : 5, &t->f->of[at], &act));
    if (conv && c.kernel == 0) return refuse(t, first, "k=K, the width of its windows, is missing");
    if (conv && c.padding >= c.kernel) return refuse(t, first, "the padding must be less than the kernel");
    if (offsets > 1 && !activation_is_wave(act.act)) return refuse(t, first, "offsets are of waves");
    if (!added_fits(o, conv, c.add, width))
        return refuse(t, first, "add=A: there is no such layer, of as many neurons or channels, A before");
    t->drops |= s[4].given;
    act.bits = (unsigned)bits, act.offsets = offsets;
    o->layer_acts[at] = act;
    o->layer_weight_bits[at] = (unsigned)weights;
    o->layer_acts_count = at + 1;
    c.channels = width;
    if (!conv) o->hidden_add[o->hidden_count] = c.add;
    if (conv)
        o->conv[o->conv_count++] = c;
    else
        o->hidden[o->hidden_count++] = width;
    return ANNULUS_OK;
}

/* The line of averages or sums behind a convolution: avg N, sum N, or gap. */
static annulus_status average_line(network_text *t, const char *first, char *rest)
{
    train_options *o = t->o;
    const char *word = strtok_r(NULL, " \t", &rest);
    const int all = strcmp(first, "gap") == 0;
    size_t side = TRAIN_POOL_ALL;
    if (o->conv_count == 0 || o->hidden_count > 0 || o->conv[o->conv_count - 1].pool != 0)
        return refuse(t, first, "averages and sums follow a convolution");
    if (!all && (word == NULL || !whole(word, 2, TRAIN_MAX_KERNEL, &side)))
        return fail(ANNULUS_ERR_INPUT, "%s, line %zu: \"%.60s\": the width of a window, 2 to %u, is needed behind %s",
                    t->name, t->line, word == NULL ? first : word, TRAIN_MAX_KERNEL, first);
    word = all ? word : strtok_r(NULL, " \t", &rest);
    if (word != NULL) return refuse(t, word, "not known here");
    o->conv[o->conv_count - 1].pool = side;
    o->conv[o->conv_count - 1].sums = strcmp(first, "sum") == 0;
    return ANNULUS_OK;
}

static annulus_status read_line(network_text *t, char *line)
{
    train_options *o = t->o;
    char *rest = NULL, *first = strtok_r(line, " \t", &rest);
    size_t bits = 0;
    if (first == NULL) return ANNULUS_OK;
    if (t->ended) return refuse(t, first, "output is the last line");
    if (strcmp(first, "dense") == 0 || strcmp(first, "conv") == 0) return hidden_line(t, first, rest);
    if (strcmp(first, "avg") == 0 || strcmp(first, "sum") == 0 || strcmp(first, "gap") == 0)
        return average_line(t, first, rest);
    if (strcmp(first, "input") == 0) {
        setting s[] = {{.key = "bits", 1, 8, &bits}};
        if (o->layer_acts_count > 0 || o->input_bits > 0) return refuse(t, first, "input is the first line");
        TRY(settings_read(t, rest, s, 1, NULL, NULL));
        if (bits == 0) return refuse(t, first, "bits=B is missing");
        o->input_bits = (unsigned)bits;
        return ANNULUS_OK;
    }
    const size_t hidden = o->conv_count + o->hidden_count;
    setting s[] = {{.key = "weights", 1, TRAIN_WEIGHT_BITS, &bits}, {.key = "drop", .part = &o->layer_dropout[hidden]}};
    if (strcmp(first, "output") != 0) return refuse(t, first, "input, conv, avg, sum, gap, dense or output is needed");
    TRY(settings_read(t, rest, s, 2, NULL, NULL));
    o->layer_weight_bits[hidden] = (unsigned)bits;
    if (t->drops || s[1].given) o->layer_dropout_count = hidden + 1;
    t->ended = 1;
    return ANNULUS_OK;
}

annulus_status train_network_text(const char *text, size_t len, const char *name, train_functions *f, train_options *o)
{
    network_text t = {.o = o, .f = f, .name = name};
    char line[LINE_MOST];
    size_t at = 0;
    int fits;
    o->conv_count = o->hidden_count = o->layer_acts_count = o->layer_dropout_count = 0;
    memset(o->layer_dropout, 0, sizeof o->layer_dropout);
    o->input_bits = 0;
    memset(o->layer_weight_bits, 0, sizeof o->layer_weight_bits);
    while (next_line(text, len, &at, &t.line, line, &fits)) {
        if (!fits) return fail(ANNULUS_ERR_INPUT, "%s, line %zu: it is too long, or no text", name, t.line);
        TRY(read_line(&t, line));
    }
    if (!t.ended) return fail(ANNULUS_ERR_INPUT, "%s: the line output is missing at its end", name);
    o->act = o->layer_acts_count > 0 ? o->layer_acts[0].act : ACTIVATION_RELU;
    return ANNULUS_OK;
}

annulus_status train_network_read(const char *path, train_functions *f, train_options *o)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    TRY(file_read(path, FILE_MOST, &bytes, &len));
    const annulus_status st = train_network_text((const char *)bytes, len, path, f, o);
    mem_free(bytes);
    return st;
}
