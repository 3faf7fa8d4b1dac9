/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"
#include "nn/lower.h"

#include <stdio.h>

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
                                   .global = l.target == ERROR_GLOBAL,
                                   .log2_error = l.log2_error,
                                   .security = (int)l.level};
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

annulus_status annulus_compile(const annulus_model *m, const annulus_dataset *calibration,
                               const annulus_compile_options *options, annulus_circuit **out)
{
    circuit *c = NULL;
    if (options->security != SECURITY_128 && options->security != SECURITY_132)
        return fail(ANNULUS_ERR_INPUT, "security level %d: use 128 or 132", options->security);
    if (calibration->d->features != m->n->inputs)
        return fail(ANNULUS_ERR_INPUT, "the calibration data have %zu features, the model takes %zu",
                    calibration->d->features, m->n->inputs);
    const lower_options o = {.ranges_measured = !options->proven_ranges,
                             .margin = options->margin,
                             .rounding_bits = options->rounding_bits,
                             .output_bits = options->output_bits,
                             .target = options->global ? ERROR_GLOBAL : ERROR_PER_LOOKUP,
                             .log2_error = options->log2_error,
                             .level = (security_level)options->security};
    const annulus_status st = network_lower(m->n, calibration->d->x, calibration->d->count, &o, &c);
    return wrap(st, c, out);
}

annulus_status annulus_circuit_read(const char *path, annulus_circuit **out)
{
    container file;
    circuit *c = NULL;
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
    return c->c->log2_error;
}
