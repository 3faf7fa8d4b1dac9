/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/memory.h"
#include "circuit/footprint.h"
#include "circuit/latency.h"
#include "circuit/unseen.h"
#include "deploy/container.h"
#include "deploy/deploy_priv.h"
#include "deploy/host_costs.h"
#include "nn/auto_rounding.h"
#include "nn/pass.h"

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
                                   .security = (int)l.level,
                                   .minimize = ANNULUS_SECONDS};
}

annulus_status annulus_compile_options_preset(annulus_compile_options *o, const char *name)
{
    static const struct {
        const char *name;
        double p_error;
        int shared;
    } presets[] = {{"exact", 0x1p-40, 0}, {"relaxed", 1e-3, 0}, {"fast", 1e-2, 0}, {"shared-output", 0x1p-128, 1}};
    annulus_compile_options usual;
    annulus_compile_options_init(&usual);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        if (strcmp(name, presets[i].name) != 0) continue;
        o->log2_error = log2(presets[i].p_error);
        o->shared_output = presets[i].shared;
        if (presets[i].shared && o->rounding_bits == usual.rounding_bits) o->rounding_bits = 0;
        return ANNULUS_OK;
    }
    return fail(ANNULUS_ERR_INPUT, "preset %s: exact, relaxed, fast or shared-output", name);
}

static annulus_status wrap(annulus_status st, circuit *c, annulus_circuit **out)
{
    void *p;
    if (st == ANNULUS_OK) st = object_create(sizeof **out, &p);
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

static annulus_status check_errors(const annulus_compile_options *o)
{
    const double given[] = {o->log2_error, o->log2_global_error};
    for (size_t i = 0; i < 2; i++)
        if (given[i] != 0 && !(given[i] < 0 && given[i] >= -512))
            return fail(ANNULUS_ERR_INPUT, "error probability 2^%g: must be in [2^-512, 1)", given[i]);
    return ANNULUS_OK;
}

static int gives_both(const annulus_compile_options *o)
{
    return o->log2_error != 0 && o->log2_global_error != 0;
}

/* Which of both is meant? What each comes to as the other in circuit c. */
static annulus_status say_both(const circuit *c, const annulus_compile_options *o, const char *but)
{
    size_t count = 0, own = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        if (c->layers[i].noise != 0) continue;
        count += c->layers[i].out;
        own += c->layers[i].log2_error < 0 ? c->layers[i].out : 0;
    }
    if (count == 0)
        return fail(ANNULUS_ERR_INPUT, "p-error and global-p-error are both given, but all layers are torus-native and "
                                       "have bounds on their noise instead: leave both out");
    const double p[] = {o->log2_error, circuit_global_error(c, o->log2_error), o->log2_global_error,
                        circuit_shared_error(c, o->log2_global_error)};
    char text[4][24], owned[48] = "", shared[64];
    for (size_t i = 0; i < 4; i++) probability_text(p[i], text[i]);
    if (own > 0) (void)snprintf(owned, sizeof owned, ", %zu of which have their own%s", own, but[0] == '\0' ? "," : "");
    if (p[3] < 0)
        (void)snprintf(shared, sizeof shared, "means p-error %s", text[3]);
    else
        (void)snprintf(shared, sizeof shared, "is %s", own == count ? "of no look-up" : "less than their own come to");
    return fail(ANNULUS_ERR_INPUT,
                "p-error and global-p-error are both given: with %zu look-ups and scores%s%s p-error %s means "
                "global-p-error %s, and global-p-error %s %s; give one",
                count, owned, but, text[0], text[1], text[2], shared);
}

#define LAX_OUTPUT_BITS 2u /* with LAX_LOG2_ERROR there are parameters */
#define LAX_LOG2_ERROR (-1)

/* The circuit that p-error has or, where that has no parameters, one that errs as often as not; *lax then. */
static annulus_status both_lower(const network *n, const annulus_dataset *calibration, lower_options *o, int *lax,
                                 circuit **c)
{
    const annulus_status st = network_lower(n, calibration->d->x, calibration->d->count, o, c);
    *lax = st == ANNULUS_ERR_INFEASIBLE;
    if (!*lax) return st;
    char message[STATUS_MESSAGE_BYTES];
    (void)snprintf(message, sizeof message, "%s", annulus_error_message());
    o->log2_error = LAX_LOG2_ERROR, o->output_bits = LAX_OUTPUT_BITS;
    const annulus_status again = network_lower(n, calibration->d->x, calibration->d->count, o, c);
    return again == ANNULUS_ERR_INFEASIBLE ? fail(again, "%s", message) : again;
}

/* Refuses both, by the circuit that p-error has. A method of rounding that is to be chosen counts as approximate. */
static annulus_status both_errors(const annulus_model *m, const annulus_dataset *calibration,
                                  const annulus_compile_options *options, const lower_options *lowering)
{
    lower_options o = *lowering;
    circuit *c = NULL;
    network *n = NULL;
    pass_counts counts;
    int lax = 0, chosen = o.method == ROUNDING_AUTO;
    for (size_t i = 0; i < o.layer_roundings_count; i++) chosen |= o.layer_roundings[i].method == ROUNDING_AUTO;
    o.target = ERROR_PER_LOOKUP, o.log2_error = options->log2_error;
    if (o.method == ROUNDING_AUTO) o.method = ROUNDING_UNSAID;
    if (chosen) o.layer_roundings_count = 0;
    annulus_status st = network_simplify(m->n, &n, &counts);
    if (st == ANNULUS_OK) st = both_lower(n, calibration, &o, &lax, &c);
    st = st == ANNULUS_OK ? say_both(c, options,
                                     chosen ? ", before rounding is chosen,"
                                     : lax  ? ", for which there are no parameters,"
                                            : "")
                          : fail_prefix(st, "p-error and global-p-error are both given, give one; by the former");
    circuit_destroy(c);
    network_destroy(n);
    return st;
}

_Static_assert((int)ANNULUS_ROUND_DEFAULT == ROUNDING_UNSAID &&
                   (int)ANNULUS_ROUND_APPROXIMATE == ROUNDING_APPROXIMATE &&
                   (int)ANNULUS_ROUND_EXACT == ROUNDING_EXACT && (int)ANNULUS_ROUND_AUTO == ROUNDING_AUTO,
               "the same numbers");
_Static_assert((int)ANNULUS_SECONDS == MINIMIZE_SECONDS && (int)ANNULUS_KEY_SIZE == MINIMIZE_KEY &&
                   (int)ANNULUS_MEMORY == MINIMIZE_MEMORY,
               "the same numbers");

static annulus_status check_roundings(const annulus_compile_options *o)
{
    int fits = (unsigned)o->rounding <= ANNULUS_ROUND_AUTO;
    for (size_t i = 0; i < o->layer_roundings_count; i++)
        fits &= (unsigned)o->layer_roundings[i].method <= ANNULUS_ROUND_AUTO;
    return fits ? ANNULUS_OK : fail(ANNULUS_ERR_INPUT, "rounding is approximate, exact or auto");
}

annulus_status compile_lowering(const annulus_model *m, const annulus_dataset *calibration,
                                const annulus_compile_options *options, lower_options *o, void **memory)
{
    if (options->security != SECURITY_128 && options->security != SECURITY_132)
        return fail(ANNULUS_ERR_INPUT, "security level %d: use 128 or 132", options->security);
    if ((unsigned)options->minimize > ANNULUS_MEMORY)
        return fail(ANNULUS_ERR_INPUT, "objective %d: minimize seconds, key size or memory", (int)options->minimize);
    TRY(features_check("calibration data", calibration->d, "model", m->n->inputs));
    if (m->n->task != NETWORK_CLASSIFICATION)
        TRY(dataset_targets_check(calibration->d, "model", m->n->labels, m->n->layers[m->n->layers_count - 1].out, 0));
    TRY(check_errors(options));
    TRY(check_roundings(options));
    lower_options_init(o);
    o->ranges_measured = !options->proven_ranges;
    o->saturate = options->saturate;
    o->margin = options->margin;
    o->rounding_bits = options->rounding_bits;
    o->method = (rounding_method)options->rounding;
    o->output_bits = options->output_bits;
    o->shared_output = options->shared_output;
    o->phase_noise = options->phase_noise;
    o->wrap_clamps = options->wrap_clamps;
    o->top_1_bits = options->top_1_bits;
    o->level = (security_level)options->security;
    o->minimize = (search_objective)options->minimize;
    o->threads = options->threads;
    o->compiles_remedies = 1;
    o->progress = options->progress;
    if (options->log2_error != 0) o->log2_error = options->log2_error;
    if (options->log2_global_error != 0) o->target = ERROR_GLOBAL, o->log2_error = options->log2_global_error;
    const size_t errors = options->layer_errors_count, roundings = options->layer_roundings_count;
    TRY(mem_create(1, errors * sizeof(layer_error) + roundings * sizeof(layer_rounding) + 1, "options of layers",
                   memory));
    layer_error *own = *memory;
    layer_rounding *rounding = (layer_rounding *)(own + errors);
    for (size_t i = 0; i < errors; i++)
        own[i] = (layer_error){options->layer_errors[i].layer, options->layer_errors[i].log2_error};
    for (size_t i = 0; i < roundings; i++)
        rounding[i] = (layer_rounding){options->layer_roundings[i].layer, options->layer_roundings[i].bits,
                                       (rounding_method)options->layer_roundings[i].method};
    o->layer_errors = own, o->layer_errors_count = errors;
    o->layer_roundings = rounding, o->layer_roundings_count = roundings;
    host_costs_load();
    return gives_both(options) ? both_errors(m, calibration, options, o) : ANNULUS_OK;
}

/* What passes took out is kept in the circuit, which is made of the rest. */
static annulus_status keep_counts(const pass_counts *counts, circuit *c)
{
    c->passes.constant = (uint32_t)counts->constant;
    c->passes.dead = (uint32_t)counts->dead;
    c->passes.equal = (uint32_t)counts->equal;
    c->passes.layers = (uint32_t)counts->layers;
    return circuit_digest(c);
}

annulus_status annulus_compile(const annulus_model *m, const annulus_dataset *calibration,
                               const annulus_compile_options *options, annulus_circuit **out)
{
    circuit *c = NULL;
    network *n = NULL;
    pass_counts counts;
    lower_options o;
    void *memory = NULL;
    annulus_status st = compile_lowering(m, calibration, options, &o, &memory);
    if (st == ANNULUS_OK) st = network_simplify(m->n, &n, &counts);
    if (st == ANNULUS_OK) st = network_lower(n, calibration->d->x, calibration->d->count, &o, &c);
    if (st == ANNULUS_OK) st = keep_counts(&counts, c);
    network_destroy(n);
    mem_free(memory);
    return wrap(st, c, out);
}

/* Whether class i of the data is output i of the network, by its name or, in IDX files, its number. */
static int same_classes(const network *n, const dataset *d)
{
    int same = d->label != NULL && d->classes <= n->layers[n->layers_count - 1].out;
    for (size_t i = 0; same && i < d->classes; i++) same = text_is_name(d->class_names[i], n->labels[i], i);
    return same;
}

annulus_status annulus_compile_auto(const annulus_model *m, const annulus_dataset *calibration,
                                    const annulus_compile_options *options, double budget, unsigned threads,
                                    const annulus_progress *progress, annulus_rounding_report *report,
                                    annulus_circuit **out)
{
    annulus_compile_options unrounded = *options;
    circuit *c = NULL;
    network *n = NULL;
    pass_counts counts;
    lower_options o;
    rounding_report r;
    void *memory = NULL;
    const int labeled = m->n->task == NETWORK_CLASSIFICATION && same_classes(m->n, calibration->d);
    const double usual = labeled ? 0.5 : m->n->task == NETWORK_REGRESSION ? 1 : 2;
    const rounding_goal goal = {budget < 0 ? usual : budget, labeled ? calibration->d->label : NULL, threads, progress,
                                options->keep_widths};
    if (!options->keep_widths && gives_both(options)) unrounded.rounding = ANNULUS_ROUND_AUTO;
    if (!options->keep_widths && !gives_both(options)) unrounded.rounding_bits = 0, unrounded.layer_roundings_count = 0;
    annulus_status st = compile_lowering(m, calibration, &unrounded, &o, &memory);
    if (st == ANNULUS_OK) st = network_simplify(m->n, &n, &counts);
    if (st == ANNULUS_OK) st = network_lower_auto(n, calibration->d->x, calibration->d->count, &o, &goal, &r, &c);
    if (st == ANNULUS_OK) st = keep_counts(&counts, c);
    network_destroy(n);
    mem_free(memory);
    TRY(wrap(st, c, out));
    if (report != NULL) *report = (annulus_rounding_report){r.loss, r.standard_error, labeled, r.samples, r.trials};
    return ANNULUS_OK;
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
    return circuit_classifies(c->c)           ? ANNULUS_CLASSIFICATION
           : c->c->task == CIRCUIT_REGRESSION ? ANNULUS_REGRESSION
                                              : ANNULUS_MULTI_LABEL;
}

int annulus_circuit_label_only(const annulus_circuit *c)
{
    return c->c->task == CIRCUIT_TOP_1;
}

const char *annulus_circuit_label(const annulus_circuit *c, size_t output)
{
    REQUIRE(output < circuit_last(c->c)->out);
    return c->c->labels[output];
}

double annulus_circuit_resolution(const annulus_circuit *c, size_t output)
{
    const circuit_layer *l = circuit_last(c->c);
    REQUIRE(output < l->out);
    return fabs(l->real_scale[output]) * fmax(ldexp((double)l->period, -(int)l->output_bits), 1);
}

double annulus_circuit_log2_error(const annulus_circuit *c)
{
    return circuit_largest_bound(c->c);
}

double annulus_circuit_out_of_range(const annulus_circuit *c, double *without_margin)
{
    double most = 0, without = 0;
    for (size_t i = 0; i < c->c->layers_count; i++) {
        const unseen u = circuit_unseen(c->c, i);
        most = fmax(most, u.range);
        without = fmax(without, u.measured);
    }
    if (without_margin != NULL) *without_margin = without;
    return most;
}

size_t annulus_circuit_torus_native(const annulus_circuit *c, double *phase_noise)
{
    double most = 0;
    for (size_t i = 0; i < c->c->layers_count; i++)
        if (circuit_is_wave(&c->c->layers[i])) most = fmax(most, c->c->layers[i].noise);
    if (phase_noise != NULL) *phase_noise = most;
    return circuit_waves(c->c);
}

size_t annulus_circuit_padded_waves(const annulus_circuit *c)
{
    size_t count = 0;
    for (size_t i = 0; i < c->c->layers_count; i++)
        count += strcmp(c->c->layers[i].activation, activation_name(ACTIVATION_PADDED_WAVE)) == 0;
    return count;
}

annulus_passes annulus_circuit_passes(const annulus_circuit *c)
{
    const circuit_passes *p = &c->c->passes;
    return (annulus_passes){p->constant, p->dead, p->equal, p->layers, p->tables, p->rotations};
}

int annulus_circuit_shared_output(const annulus_circuit *c)
{
    return circuit_shared_output(c->c);
}

double annulus_circuit_seconds(const annulus_circuit *c, unsigned threads)
{
    return circuit_seconds(c->c, threads, NULL);
}

size_t annulus_memory_available(void)
{
    return mem_available();
}
