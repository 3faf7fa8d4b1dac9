/* SPDX-License-Identifier: Apache-2.0 */
/* What helps a network without parameters, by what compiling it so gives: tables are smaller than 2^b cells where
 * ranges or the changes of functions are, ranges of later layers move with the rounding of earlier ones, and rotations
 * are shared, tables extended or cells padded anew. */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include "circuit/latency.h"
#include "nn/top_1.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Options with a change. */
typedef struct changed {
    lower_options o;
    layer_rounding roundings[CIRCUIT_MAX_LAYERS];
    layer_error errors[CIRCUIT_MAX_LAYERS];
} changed;

static int change_init(const lower_options *options, changed *c)
{
    c->o = *options;
    c->o.compiles_remedies = 0, c->o.progress = NULL;
    if (options->layer_roundings_count > CIRCUIT_MAX_LAYERS || options->layer_errors_count > CIRCUIT_MAX_LAYERS)
        return 0;
    for (size_t i = 0; i < options->layer_roundings_count; i++) c->roundings[i] = options->layer_roundings[i];
    for (size_t i = 0; i < options->layer_errors_count; i++) c->errors[i] = options->layer_errors[i];
    c->o.layer_roundings = c->roundings, c->o.layer_errors = c->errors;
    return 1;
}

static int cap(unsigned *bits, unsigned most)
{
    if (*bits == 0 || *bits > most) *bits = most;
    return 1;
}

/* Of one layer; 0: there is no room. */
static int cap_layer(changed *c, const char *name, unsigned most)
{
    for (size_t i = 0; i < c->o.layer_roundings_count; i++)
        if (strcmp(c->roundings[i].layer, name) == 0) return cap(&c->roundings[i].bits, most);
    if (c->o.layer_roundings_count == CIRCUIT_MAX_LAYERS) return 0;
    c->roundings[c->o.layer_roundings_count++] = (layer_rounding){name, most, ROUNDING_UNSAID};
    return 1;
}

/* As remedies_say has it: of all look-ups, or of those of more bits, where there are others. */
static int cap_bits(changed *c, const remedies *r, double value)
{
    const unsigned most = (unsigned)value;
    int others = 0, fits = 1;
    for (size_t i = 0; i < r->layers_count; i++) others |= r->bits[i] >= 0 && !(r->bits[i] > value);
    for (size_t i = 0; others && i < r->layers_count; i++)
        if (r->bits[i] > value) fits &= cap_layer(c, r->names[i], most);
    if (others) return fits;
    for (size_t i = 0; i < c->o.layer_roundings_count; i++) (void)cap(&c->roundings[i].bits, most);
    return cap(&c->o.rounding_bits, most);
}

static int raise_error(changed *c, const remedies *r, double value)
{
    if (!r->own) {
        c->o.log2_error = value;
        return 1;
    }
    for (size_t i = 0; i < c->o.layer_errors_count; i++) {
        if (strcmp(c->errors[i].layer, r->names[r->layer]) != 0) continue;
        c->errors[i].log2_error = value;
        return 1;
    }
    return 0;
}

/* Takes d from bits, of which at least one is to be left. */
static int take_bits(unsigned *bits, double d)
{
    if (*bits <= d) return 0;
    *bits -= (unsigned)d;
    return 1;
}

/* 0: no option says that. */
static int change(const lower_options *options, const remedies *r, const remedy *one, changed *out)
{
    if (!change_init(options, out)) return 0;
    if (one->kind == FEWER_BITS) return cap_bits(out, r, one->value);
    if (one->kind == LARGER_ERROR) return raise_error(out, r, one->value);
    if (one->kind == FEWER_OUTPUT_BITS) return take_bits(&out->o.output_bits, one->value);
    if (out->o.top_1_bits == 0) out->o.top_1_bits = TOP_1_BITS;
    return take_bits(&out->o.top_1_bits, one->value);
}

static int is_option(remedy_kind kind)
{
    return kind == FEWER_BITS || kind == LARGER_ERROR || kind == FEWER_OUTPUT_BITS || kind == FEWER_TOP_1_BITS;
}

/* The seconds of what is compiled with the remedy; *works 0: nothing is. */
static annulus_status compile(const network *n, const float *calibration, size_t count, const lower_options *options,
                              const remedies *r, remedy *one, int *works)
{
    changed with;
    circuit *c = NULL;
    *works = change(options, r, one, &with);
    if (!*works) return ANNULUS_OK;
    const annulus_status st = network_lower(n, calibration, count, &with.o, &c);
    *works = st == ANNULUS_OK;
    if (st == ANNULUS_ERR_INFEASIBLE || st == ANNULUS_ERR_INPUT) return ANNULUS_OK;
    if (*works) one->seconds = circuit_seconds(c, options->threads, NULL);
    circuit_destroy(c);
    return st;
}

/* The most bits that work, beside those that were found. */
static annulus_status compile_bits(const network *n, const float *calibration, size_t count,
                                   const lower_options *options, const remedies *r, remedy *one, int *works)
{
    const double most = ceil(r->bits[r->layer] - 1e-9) - 1;
    TRY(compile(n, calibration, count, options, r, one, works));
    while (!*works && one->value > 1) {
        one->value--;
        TRY(compile(n, calibration, count, options, r, one, works));
        if (*works) return ANNULUS_OK;
    }
    for (int more = *works; more && one->value < most;) {
        remedy next = *one;
        next.value++;
        TRY(compile(n, calibration, count, options, r, &next, &more));
        if (more) *one = next;
    }
    return ANNULUS_OK;
}

annulus_status lower_rounding_helps(const network *n, const float *calibration, size_t count,
                                    const lower_options *options)
{
    void *memory;
    int works;
    TRY(mem_create(1, sizeof(remedies), "remedies", &memory));
    remedies *r = memory;
    (void)snprintf(r->missing, sizeof r->missing, "%s", annulus_error_message());
    char *advice = strstr(r->missing, LOWER_ROUND);
    if (advice != NULL) *advice = '\0';
    r->bits[0] = LOWER_MOST_ROUNDING + 1;
    r->of[0] = (remedy){.kind = FEWER_BITS, .value = LOWER_MOST_ROUNDING};
    annulus_status st = progress_report(options->progress, "remedies", 0, 1);
    if (st == ANNULUS_OK) st = compile_bits(n, calibration, count, options, r, &r->of[0], &works);
    if (st == ANNULUS_OK) r->count = works != 0;
    if (st == ANNULUS_OK) st = remedies_say(r);
    mem_free(memory);
    return st;
}

annulus_status lower_remedies(const network *n, const float *calibration, size_t count, const lower_options *options,
                              remedies *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->layers_count; i++) { /* "layer 1 b0" is rounded, and fails, as layer 1 is told to */
        char *bit = strstr(r->names[i], " b");
        if (bit != NULL) *bit = 0;
    }
    for (size_t k = 0; k < r->count; k++) {
        remedy one = r->of[k];
        int works = 1;
        TRY(progress_report(options->progress, "remedies", k, r->count));
        if (one.kind == FEWER_BITS)
            TRY(compile_bits(n, calibration, count, options, r, &one, &works));
        else if (is_option(one.kind))
            TRY(compile(n, calibration, count, options, r, &one, &works));
        if (works) r->of[kept++] = one;
    }
    r->count = kept;
    return remedies_say(r);
}
