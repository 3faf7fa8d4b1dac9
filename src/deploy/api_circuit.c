/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"
#include "deploy/host_costs.h"
#include "nn/lower.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(x) TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *annulus_version(void)
{
    return TEXT_OF(ANNULUS_VERSION);
}

void annulus_compile_options_init(annulus_compile_options *o)
{
    lower_options l;
    lower_options_init(&l);
    *o = (annulus_compile_options){.proven_ranges = !l.ranges_measured,
                                   .margin = l.margin,
                                   .rounding_bits = l.rounding_bits,
                                   .output_bits = l.output_bits,
                                   .security = (int)l.level};
}

annulus_status annulus_compile_options_preset(annulus_compile_options *o, const char *name)
{
    static const struct {
        const char *name;
        double p_error;
        int shared;
    } presets[] = {{"exact", 0x1p-40, 0}, {"relaxed", 1e-3, 0}, {"fast", 1e-2, 0}, {"shared-output", 0x1p-128, 1}};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(name, presets[i].name) != 0) continue;
        o->log2_error = log2(presets[i].p_error);
        o->shared_output = presets[i].shared;
        if (presets[i].shared) o->rounding_bits = 0;
        return ANNULUS_OK;
    }
    return fail(ANNULUS_ERR_INPUT, "preset %s: exact, relaxed, fast or shared-output", name);
}

static annulus_status wrap(annulus_status st, circuit *c, annulus_circuit **out)
{
    void *p;
    if (st != ANNULUS_OK) return st;
    st = object_create(sizeof **out, &p);
    if (st != ANNULUS_OK) {
        circuit_destroy(c);
        return st;
    }
    *out = p;
    (*out)->c = c;
    return ANNULUS_OK;
}

static void probability_text(double log2_p, char out[24])
{
    (void)snprintf(out, 24, log2_p > -20 ? "%.3g" : "2^%.2f", log2_p > -20 ? exp2(log2_p) : log2_p);
}

/* Both are given: which is meant? What each of them comes to as the other. */
static annulus_status both_errors(const network *n, const annulus_compile_options *o)
{
    size_t count = 0;
    for (size_t i = 0; i < n->layers_count; i++) count += n->layers[i].out;
    const double p[] = {o->log2_error, global_from_lookup_log2(o->log2_error, (double)count), o->log2_global_error,
                        lookup_from_global_log2(o->log2_global_error, (double)count)};
    char text[4][24];
    for (size_t i = 0; i < 4; i++) probability_text(p[i], text[i]);
    return fail(ANNULUS_ERR_INPUT,
                "p-error and global-p-error are both given: with %zu look-ups and scores p-error %s means "
                "global-p-error %s, and global-p-error %s means p-error %s; give one",
                count, text[0], text[1], text[2], text[3]);
}

static annulus_status check_errors(const network *n, const annulus_compile_options *o)
{
    const double given[] = {o->log2_error, o->log2_global_error};
    for (size_t i = 0; i < 2; i++)
        if (given[i] != 0 && !(given[i] < 0 && given[i] >= -512))
            return fail(ANNULUS_ERR_INPUT, "error probability 2^%g: must be in [2^-512, 1)", given[i]);
    return given[0] != 0 && given[1] != 0 ? both_errors(n, o) : ANNULUS_OK;
}

static annulus_status lower(const annulus_model *m, const annulus_dataset *calibration, lower_options *o,
                            const annulus_compile_options *options, circuit **out)
{
    void *p = NULL;
    TRY(mem_create(options->layer_errors_count + 1, sizeof(layer_error), "error probabilities", &p));
    layer_error *own = p;
    for (size_t i = 0; i < options->layer_errors_count; i++)
        own[i] = (layer_error){options->layer_errors[i].layer, options->layer_errors[i].log2_error};
    o->layer_errors = own;
    o->layer_errors_count = options->layer_errors_count;
    const annulus_status st = network_lower(m->n, calibration->d->x, calibration->d->count, o, out);
    mem_free(own);
    return st;
}

annulus_status annulus_compile(const annulus_model *m, const annulus_dataset *calibration,
                               const annulus_compile_options *options, annulus_circuit **out)
{
    circuit *c = NULL;
    if (options->security != SECURITY_128 && options->security != SECURITY_132)
        return fail(ANNULUS_ERR_INPUT, "security level %d: use 128 or 132", options->security);
    if (calibration->d->features != m->n->inputs)
        return fail(ANNULUS_ERR_INPUT, "the calibration data have %zu features, the model takes %zu",
                    calibration->d->features, m->n->inputs);
    TRY(check_errors(m->n, options));
    lower_options o = {.ranges_measured = !options->proven_ranges,
                       .margin = options->margin,
                       .rounding_bits = options->rounding_bits,
                       .output_bits = options->output_bits,
                       .shared_output = options->shared_output,
                       .level = (security_level)options->security};
    lower_options defaults;
    lower_options_init(&defaults);
    o.target = options->log2_global_error != 0 ? ERROR_GLOBAL : ERROR_PER_LOOKUP;
    o.log2_error = options->log2_global_error != 0 ? options->log2_global_error
                   : options->log2_error != 0      ? options->log2_error
                                                   : defaults.log2_error;
    host_costs_load();
    const annulus_status st = lower(m, calibration, &o, options, &c);
    return wrap(st, c, out);
}

annulus_status annulus_circuit_read(const char *path, annulus_circuit **out)
{
    container file;
    circuit *c = NULL;
    host_costs_load();
    TRY(container_read(path, CONTAINER_CIRCUIT, &file));
    annulus_status st = circuit_read(&file.body, &c);
    if (st == ANNULUS_OK) st = read_end(&file.body);
    container_clear(&file);
    if (st != ANNULUS_OK) {
        circuit_destroy(c);
        return st;
    }
    return wrap(st, c, out);
}

annulus_status annulus_circuit_write(const annulus_circuit *c, const char *path)
{
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c->c);
    const annulus_status st = container_write(path, CONTAINER_CIRCUIT, &w);
    writer_clear(&w);
    return st;
}

void annulus_circuit_destroy(annulus_circuit *c)
{
    if (c == NULL) return;
    circuit_destroy(c->c);
    mem_free(c);
}

size_t annulus_circuit_inputs(const annulus_circuit *c)
{
    return c->c->input.features;
}

size_t annulus_circuit_outputs(const annulus_circuit *c)
{
    return circuit_last(c->c)->out;
}

annulus_task annulus_circuit_task(const annulus_circuit *c)
{
    return c->c->task == CIRCUIT_CLASSIFICATION ? ANNULUS_CLASSIFICATION : ANNULUS_REGRESSION;
}

const char *annulus_circuit_label(const annulus_circuit *c, size_t output)
{
    REQUIRE(output < circuit_last(c->c)->out);
    return c->c->labels[output];
}

double annulus_circuit_log2_error(const annulus_circuit *c)
{
    return circuit_largest_bound(c->c);
}

int annulus_circuit_shared_output(const annulus_circuit *c)
{
    return circuit_shared_output(c->c);
}
