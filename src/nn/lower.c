/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "math/matrix.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEAST_CALIBRATION 32u
#define OUTPUT_ROOM 1.25 /* of the widest score range: noise must not wrap */

void lower_options_init(lower_options *o)
{
    *o = (lower_options){.ranges_measured = 1,
                         .margin = 0.1,
                         .rounding_bits = 5,
                         .output_bits = 6,
                         .target = ERROR_PER_LOOKUP,
                         .log2_error = -40,
                         .level = SECURITY_128,
                         .families_most = TFHE_MAX_FAMILIES};
}

static int rounds(const lower_options *o)
{
    int any = o->rounding_bits != 0;
    for (size_t i = 0; i < o->layer_roundings_count; i++) any |= o->layer_roundings[i].bits != 0;
    return any;
}

static annulus_status phase_noise_check(const lower_options *o)
{
    if (o->phase_noise >= 0 && o->phase_noise <= LOWER_MAX_PHASE_NOISE) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "a phase noise of %g periods: above 0 and at most %g are possible", o->phase_noise,
                LOWER_MAX_PHASE_NOISE);
}

static annulus_status options_check(const network *n, size_t count, const lower_options *o)
{
    unsigned most_bits = o->rounding_bits;
    for (size_t i = 0; i < o->layer_roundings_count; i++)
        if (o->layer_roundings[i].bits > most_bits) most_bits = o->layer_roundings[i].bits;
    if (most_bits > 12) return fail(ANNULUS_ERR_INPUT, "rounding to %u bits: 1 to 12, or 0 for none", most_bits);
    if (o->output_bits < 1 || o->output_bits > 24)
        return fail(ANNULUS_ERR_INPUT, "%u output bits: 1 to 24 are possible", o->output_bits);
    if (!(o->margin >= 0) || o->margin > 10)
        return fail(ANNULUS_ERR_INPUT, "margin %g: 0 to 10 are possible", o->margin);
    if (o->ranges_measured && count < LEAST_CALIBRATION)
        return fail(ANNULUS_ERR_INPUT,
                    "%zu calibration samples are too few to measure ranges: give at least %u, or ask for proven ranges",
                    count, LEAST_CALIBRATION);
    if (o->shared_output && rounds(o))
        return fail(ANNULUS_ERR_INPUT,
                    "rounding to %u bits is approximate, which results for others to see cannot be: use 0, none",
                    most_bits);
    double most = o->target == ERROR_PER_LOOKUP ? o->log2_error : 0;
    for (size_t i = 0; i < o->layer_errors_count; i++) most = fmax(most, o->layer_errors[i].log2_error);
    if (o->shared_output && !(most <= CIRCUIT_SHARED_LOG2_ERROR))
        return fail(ANNULUS_ERR_INPUT,
                    "results for others to see need error probabilities of a look-up of at most 2^%d",
                    CIRCUIT_SHARED_LOG2_ERROR);
    TRY(phase_noise_check(o));
    TRY(network_check(n));
    for (size_t i = 0; o->shared_output && i < n->layers_count; i++)
        if (activation_is_wave(n->layers[i].act))
            return fail(ANNULUS_ERR_INPUT,
                        "layer %zu: the answers of a torus-native layer depend on noise, which results for others to "
                        "see must not",
                        i + 1);
    return ANNULUS_OK;
}

/* Values at hand while the layers are lowered one after another. */
typedef struct state {
    const lower_options *options;
    size_t count;     /* calibration samples */
    int32_t *x;       /* (count, width) integer inputs of the layer at hand */
    int64_t *lo, *hi; /* (width) their proven ranges */
    double scale;     /* real value of one unit */
} state;

static void state_clear(state *s)
{
    mem_free(s->x);
    mem_free(s->lo);
    mem_free(s->hi);
}

static annulus_status state_resize(state *s, size_t width)
{
    void *p;
    state_clear(s);
    s->x = NULL, s->lo = s->hi = NULL;
    TRY(mem_create(s->count * width, sizeof(int32_t), "calibration", &p));
    s->x = p;
    TRY(mem_create(width, sizeof(int64_t), "ranges", &p));
    s->lo = p;
    TRY(mem_create(width, sizeof(int64_t), "ranges", &p));
    s->hi = p;
    return ANNULUS_OK;
}

static void proven_ranges(circuit_layer *l, const state *s)
{
    for (size_t o = 0; o < l->out; o++)
        for (size_t i = 0; i < l->in; i++) {
            const int64_t a = l->W[o * l->in + i] * s->lo[i], b = l->W[o * l->in + i] * s->hi[i];
            l->proven_lo[o] += a < b ? a : b;
            l->proven_hi[o] += a < b ? b : a;
        }
}

#define BATCH 64u /* samples whose sums are made together */

/* Sums of a layer over samples first.. of its inputs: acc (out, BATCH); columns: room for (in, BATCH). Returns how many
 * samples there are. */
static size_t batch_sums(const circuit_layer *l, const state *s, size_t first, uint64_t *columns, uint64_t *acc)
{
    const size_t left = s->count - first, count = left < BATCH ? left : BATCH;
    for (size_t i = 0; i < l->in; i++)
        for (size_t b = 0; b < count; b++) columns[i * BATCH + b] = (uint64_t)(int64_t)s->x[(first + b) * l->in + i];
    memset(acc, 0, l->out * BATCH * sizeof *acc);
    matrix_mul_add_u64(acc, BATCH, l->W, l->out, l->in, columns, BATCH, count);
    return count;
}

static annulus_status batch_create(const circuit_layer *l, uint64_t **columns, uint64_t **acc)
{
    void *p;
    TRY(mem_create((l->in + l->out) * BATCH, sizeof(uint64_t), "calibration", &p));
    *columns = p;
    *acc = *columns + l->in * BATCH;
    return ANNULUS_OK;
}

static void widen(circuit_layer *l, size_t o, int64_t acc, int first)
{
    if (first || acc < l->measured_lo[o]) l->measured_lo[o] = acc;
    if (first || acc > l->measured_hi[o]) l->measured_hi[o] = acc;
}

static annulus_status measured_ranges(circuit_layer *l, const state *s)
{
    uint64_t *columns, *acc;
    int varies = 0;
    TRY(batch_create(l, &columns, &acc));
    for (size_t k = 0; k < s->count; k += BATCH) {
        const size_t count = batch_sums(l, s, k, columns, acc);
        for (size_t o = 0; o < l->out; o++)
            for (size_t b = 0; b < count; b++) widen(l, o, (int64_t)acc[o * BATCH + b], k + b == 0);
    }
    mem_free(columns);
    for (size_t o = 0; o < l->out; o++) varies |= l->measured_lo[o] != l->measured_hi[o];
    if (s->options->ranges_measured && !varies)
        return fail(
            ANNULUS_ERR_INPUT,
            "every neuron of %s gives the same value on all %zu calibration samples: the data are constant or the "
            "network is untrained; calibrate with real, different samples",
            l->name, s->count);
    return ANNULUS_OK;
}

static void choose_ranges(circuit_layer *l, const lower_options *options)
{
    for (size_t o = 0; o < l->out; o++) {
        l->lo[o] = l->proven_lo[o];
        l->hi[o] = l->proven_hi[o];
        if (!options->ranges_measured) continue;
        const int64_t wider = (int64_t)ceil(options->margin * (double)(l->measured_hi[o] - l->measured_lo[o]));
        if (l->measured_lo[o] - wider > l->lo[o]) l->lo[o] = l->measured_lo[o] - wider;
        if (l->measured_hi[o] + wider < l->hi[o]) l->hi[o] = l->measured_hi[o] + wider;
    }
}

static int64_t widest_span(const int64_t *lo, const int64_t *hi, size_t n)
{
    int64_t most = 1;
    for (size_t o = 0; o < n; o++)
        if (hi[o] - lo[o] + 1 > most) most = hi[o] - lo[o] + 1;
    return most;
}

static unsigned rounding_of(const lower_options *o, const char *layer)
{
    unsigned bits = o->rounding_bits;
    for (size_t i = 0; i < o->layer_roundings_count; i++)
        if (strcmp(o->layer_roundings[i].layer, layer) == 0) bits = o->layer_roundings[i].bits;
    return bits;
}

static annulus_status choose_cells(circuit_layer *l, const lower_options *options)
{
    const unsigned bits = rounding_of(options, l->name);
    const int64_t span = widest_span(l->lo, l->hi, l->out), most = bits == 0 ? span : INT64_C(1) << bits;
    l->step = (span + most - 1) / most;
    const int64_t cells = (span + l->step - 1) / l->step;
    if (cells > CIRCUIT_MAX_CELLS)
        return fail(ANNULUS_ERR_INPUT,
                    "%s has accumulators of %" PRId64 " values, tables hold %u: round to at most 12 bits", l->name,
                    span, CIRCUIT_MAX_CELLS);
    l->cells = cells < 2 ? 2 : (uint32_t)cells;
    return ANNULUS_OK;
}

/* The range of each neuron in the middle of the table; the activation at the middle of each cell. */
static void fill_tables(circuit_layer *l, const dense_layer *d)
{
    const int64_t window = (int64_t)l->cells * l->step;
    for (size_t o = 0; o < l->out; o++) {
        l->offset[o] = (window - (l->hi[o] - l->lo[o] + 1)) / 2 - l->lo[o];
        for (size_t c = 0; c < l->cells; c++) {
            const double middle = (double)((int64_t)c * l->step - l->offset[o]) + (double)(l->step - 1) / 2;
            const double real = l->real_scale[o] * middle + l->real_bias[o];
            l->table[o * l->cells + c] = quantizer_integer(&d->out_q, activation_apply(d->act, d->rise, real));
        }
    }
}

#define NEVER 8.5 /* deviations: of no normal number (stream_normal_vartime) */

/* Nothing cuts off a score as a table cuts off its input: beyond the period it would wrap and decrypt to another one.
 * So the period spans the proven range, and as many bits are added as that is wider than the measured one. noise: bound
 * on the deviation that holds instead of the error probability, accumulator units; 0: none. */
static annulus_status encode_output(circuit_layer *l, double noise, const lower_options *options)
{
    const int64_t proven = widest_span(l->proven_lo, l->proven_hi, l->out), span = widest_span(l->lo, l->hi, l->out);
    l->step = 1;
    l->period = (int64_t)ceil(fmax(OUTPUT_ROOM * (double)proven, (double)proven + 2 * NEVER * noise)) + 2;
    for (size_t o = 0; o < l->out; o++) l->offset[o] = -((l->proven_lo[o] + l->proven_hi[o]) / 2);
    l->noise = noise / (double)l->period;
    if (noise > 0) return ANNULUS_OK;
    l->output_bits = options->output_bits;
    for (int64_t s = span; s < proven; s *= 2) l->output_bits++;
    while (options->shared_output && INT64_C(1) << l->output_bits < l->period) l->output_bits++;
    if (l->output_bits <= CIRCUIT_MAX_OUTPUT_BITS) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INFEASIBLE,
                "scores of %u bits in a proven range %" PRId64 " times the measured one: ask for fewer output bits",
                options->output_bits, proven / span);
}

/* Proven ranges behind the look-ups of l; torus-native tables are met mirrored, too. */
static void table_ranges(const circuit_layer *l, state *next)
{
    for (size_t i = 0; i < circuit_values(l); i++) {
        const int32_t *t = circuit_table(l, i / l->offsets);
        int64_t lo = t[0], hi = t[0];
        for (size_t c = 0; c < l->cells; c++) {
            const int64_t mirrored = l->unit != 0 ? l->mid2 - t[c] : t[c];
            lo = t[c] < lo ? t[c] : mirrored < lo ? mirrored : lo;
            hi = t[c] > hi ? t[c] : mirrored > hi ? mirrored : hi;
        }
        next->lo[i] = lo, next->hi[i] = hi;
    }
}

static annulus_status look_up_samples(const circuit_layer *l, const state *s, int32_t *out)
{
    uint64_t *columns, *acc;
    TRY(batch_create(l, &columns, &acc));
    for (size_t k = 0; k < s->count; k += BATCH) {
        const size_t count = batch_sums(l, s, k, columns, acc);
        for (size_t o = 0; o < l->out; o++)
            for (size_t b = 0; b < count; b++)
                exec_clear_look_up(l, o, (int64_t)acc[o * BATCH + b],
                                   out + (k + b) * circuit_values(l) + o * l->offsets);
    }
    mem_free(columns);
    return ANNULUS_OK;
}

/* s <- integers behind the look-ups of l. */
static annulus_status advance(const circuit_layer *l, const dense_layer *d, state *s)
{
    state next = {.options = s->options, .count = s->count, .scale = d->out_q.scale};
    annulus_status st = state_resize(&next, circuit_values(l));
    if (st == ANNULUS_OK) {
        table_ranges(l, &next);
        st = look_up_samples(l, s, next.x);
    }
    state_clear(s);
    *s = next;
    return st;
}

/* before: the lowered layer before it, NULL of the first. */
static annulus_status lower_layer(const dense_layer *d, int last, const circuit_layer *before, state *s,
                                  circuit_layer *l)
{
    l->in = d->in;
    l->out = d->out;
    (void)snprintf(l->activation, sizeof l->activation, "%s", activation_name(d->act));
    if (activation_is_wave(d->act)) TRY(lower_native_encode(d, s->scale, s->options, l));
    TRY(circuit_layer_create(l));
    memcpy(l->W, d->W, d->in * d->out * sizeof *l->W);
    for (size_t o = 0; o < l->out; o++) {
        l->real_scale[o] = d->w_scale[o] * s->scale;
        l->real_bias[o] = d->bias[o];
    }
    proven_ranges(l, s);
    if (before != NULL && before->unit != 0 && l->unit == 0) lower_native_ranges(before, l);
    TRY(measured_ranges(l, s));
    choose_ranges(l, s->options);
    if (last) {
        const int native = before != NULL && before->unit != 0 && l->log2_error == 0;
        return encode_output(l, native ? lower_native_score_noise(d, before, l) : 0, s->options);
    }
    if (l->unit != 0) {
        TRY(lower_native_fill(d, l));
        return advance(l, d, s);
    }
    TRY(choose_cells(l, s->options));
    void *table;
    TRY(mem_create(l->out * l->cells, sizeof *l->table, "look-up tables", &table));
    l->table = table;
    fill_tables(l, d);
    return advance(l, d, s);
}

static annulus_status copy_input(const network *n, circuit *c)
{
    void *p;
    TRY(mem_create(n->inputs, sizeof(double), "input shift", &p));
    c->input.shift = p;
    TRY(mem_create(n->inputs, sizeof(double), "input gain", &p));
    c->input.gain = p;
    memcpy(c->input.shift, n->shift, n->inputs * sizeof(double));
    memcpy(c->input.gain, n->gain, n->inputs * sizeof(double));
    c->input.features = n->inputs;
    c->input.scale = n->input.scale;
    quantizer_range(&n->input, &c->input.lo, &c->input.hi);
    c->input.lo -= n->input.zero;
    c->input.hi -= n->input.zero;
    return ANNULUS_OK;
}

static annulus_status copy_labels(const network *n, circuit *c)
{
    const size_t outputs = n->layers[n->layers_count - 1].out;
    void *p;
    TRY(mem_create(outputs, sizeof(char *), "labels", &p));
    c->labels = p;
    for (size_t i = 0; i < outputs; i++) {
        TRY(mem_create(strlen(n->labels[i]) + 1, 1, "label", &p));
        c->labels[i] = memcpy(p, n->labels[i], strlen(n->labels[i]) + 1);
    }
    return ANNULUS_OK;
}

/* The layer of this name, hidden or any; else what there is. */
static annulus_status find_layer(const circuit *c, const char *what, const char *name, int hidden, circuit_layer **out)
{
    const size_t count = c->layers_count - (hidden ? 1 : 0);
    char names[CIRCUIT_MAX_LAYERS * 12] = "";
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(c->layers[i].name, name) == 0) {
            *out = &c->layers[i];
            return ANNULUS_OK;
        }
        if (at < sizeof names)
            at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i == 0 ? "" : ", ", c->layers[i].name);
    }
    return fail(ANNULUS_ERR_INPUT, "%s of %.40s: no such layer, there are %s", what, name, names);
}

static annulus_status refuse_native(const network *n, const circuit *c, const circuit_layer *l, const char *what)
{
    if (!activation_is_wave(n->layers[l - c->layers].act)) return ANNULUS_OK;
    return fail(ANNULUS_ERR_INPUT, "%s of %s, which is torus-native: it has a phase noise instead", what, l->name);
}

static annulus_status assign_errors(const network *n, const lower_options *o, circuit *c)
{
    for (size_t e = 0; e < o->layer_errors_count; e++) {
        const layer_error *own = &o->layer_errors[e];
        circuit_layer *l = NULL;
        TRY(find_layer(c, "error probability", own->layer, 0, &l));
        TRY(refuse_native(n, c, l, "error probability"));
        if (l->log2_error != 0) return fail(ANNULUS_ERR_INPUT, "two error probabilities of %s", own->layer);
        if (!(own->log2_error < 0) || own->log2_error < -512)
            return fail(ANNULUS_ERR_INPUT, "error probability 2^%g of %s: must be in [2^-512, 1)", own->log2_error,
                        own->layer);
        l->log2_error = own->log2_error;
    }
    return ANNULUS_OK;
}

/* Every layer that has its own rounding exists, and has one. */
static annulus_status check_roundings(const network *n, const lower_options *o, const circuit *c)
{
    for (size_t e = 0; e < o->layer_roundings_count; e++) {
        circuit_layer *l = NULL;
        TRY(find_layer(c, "rounding", o->layer_roundings[e].layer, 1, &l));
        TRY(refuse_native(n, c, l, "rounding"));
        for (size_t k = 0; k < e; k++)
            if (strcmp(o->layer_roundings[k].layer, l->name) == 0)
                return fail(ANNULUS_ERR_INPUT, "two roundings of %s", l->name);
    }
    return ANNULUS_OK;
}

static void name_layers(circuit *c)
{
    for (size_t i = 0; i < c->layers_count; i++)
        (void)snprintf(c->layers[i].name, sizeof c->layers[i].name, i + 1 == c->layers_count ? "output" : "layer %zu",
                       i + 1);
}

static annulus_status lower_all(const network *n, const float *calibration, state *s, circuit *c)
{
    name_layers(c);
    TRY(assign_errors(n, s->options, c));
    TRY(check_roundings(n, s->options, c));
    TRY(copy_input(n, c));
    TRY(state_resize(s, n->inputs));
    for (size_t i = 0; i < n->inputs; i++) {
        s->lo[i] = c->input.lo;
        s->hi[i] = c->input.hi;
    }
    for (size_t k = 0; k < s->count; k++) {
        const annulus_status st = circuit_quantize(c, calibration + k * n->inputs, 1, s->x + k * n->inputs);
        if (st != ANNULUS_OK) return fail_prefix(st, "calibration sample %zu", k + 1);
    }
    for (size_t i = 0; i < n->layers_count; i++)
        TRY(lower_layer(&n->layers[i], i + 1 == n->layers_count, i == 0 ? NULL : &c->layers[i - 1], s, &c->layers[i]));
    TRY(copy_labels(n, c));
    TRY(circuit_choose_parameters(c, s->options->minimize, s->options->families_most));
    return circuit_digest(c);
}

annulus_status network_lower(const network *n, const float *calibration, size_t count, const lower_options *options,
                             circuit **out)
{
    circuit *c = NULL;
    TRY(options_check(n, count, options));
    TRY(circuit_create(n->layers_count, &c));
    c->task = n->task == NETWORK_CLASSIFICATION ? CIRCUIT_CLASSIFICATION : CIRCUIT_REGRESSION;
    c->calibration_count = count;
    c->ranges_measured = options->ranges_measured;
    c->target = options->target;
    c->log2_error = options->log2_error;
    c->level = options->level;
    state s = {.options = options, .count = count, .scale = n->input.scale};
    const annulus_status st = lower_all(n, calibration, &s, c);
    state_clear(&s);
    if (st == ANNULUS_OK)
        *out = c;
    else
        circuit_destroy(c);
    return st;
}
