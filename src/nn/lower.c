/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/lower_priv.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "nn/top_1.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define OUTPUT_ROOM 1.25 /* of the widest score range: noise must not wrap */

/* Values of the circuit's input or of a layer. */
typedef struct values {
    size_t width;
    int32_t *x;       /* (count, width) of the calibration samples */
    int64_t *lo, *hi; /* (width) proven ranges */
    double scale;     /* real value of one unit */
} values;

/* What is at hand while the layers are lowered one after another. */
typedef struct state {
    const lower_options *options;
    size_t count;                      /* calibration samples */
    values of[CIRCUIT_MAX_LAYERS + 1]; /* of each source, while a layer needs them */
    int mirrored;                      /* look-ups may give what their functions do not, beyond likely ranges */
    lower_units *units;
} state;

static void values_clear(values *v)
{
    mem_free(v->x);
    mem_free(v->lo);
    mem_free(v->hi);
    *v = (values){0};
}

static void state_clear(state *s)
{
    for (size_t i = 0; i <= CIRCUIT_MAX_LAYERS; i++) values_clear(&s->of[i]);
}

static annulus_status values_create(size_t count, size_t width, double scale, values *v)
{
    void *p;
    *v = (values){.width = width, .scale = scale};
    TRY(mem_create(count * width, sizeof(int32_t), "calibration", &p));
    v->x = p;
    TRY(mem_create(width, sizeof(int64_t), "ranges", &p));
    v->lo = p;
    TRY(mem_create(width, sizeof(int64_t), "ranges", &p));
    v->hi = p;
    return ANNULUS_OK;
}

/* The source of input i of a layer; i becomes its number there. */
static const values *source_of(const circuit_layer *l, const state *s, size_t *i)
{
    size_t k = 0;
    for (; *i >= s->of[l->sources[k]].width; k++) *i -= s->of[l->sources[k]].width;
    return &s->of[l->sources[k]];
}

static annulus_status proven_ranges(circuit_layer *l, const state *s)
{
    linear_view *view = NULL;
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        for (size_t k = 0; k < count; k++) {
            size_t i = input[k];
            const values *v = source_of(l, s, &i);
            const int64_t a = weight[k] * v->lo[i], b = weight[k] * v->hi[i];
            l->proven_lo[o] += a < b ? a : b;
            l->proven_hi[o] += a < b ? b : a;
        }
    }
    linear_view_destroy(view);
    return ANNULUS_OK;
}

#define BATCH 64u /* samples whose sums are made together */

/* Sums of a layer over samples first.. of its inputs: acc (out, BATCH); columns: room for (in, BATCH) and the linear
 * part. Returns how many samples there are. */
static size_t batch_sums(const circuit_layer *l, const state *s, size_t first, uint64_t *columns, uint64_t *acc)
{
    const size_t left = s->count - first, count = left < BATCH ? left : BATCH;
    const linear_rows inputs = {.x = columns, .count = l->in};
    for (size_t k = 0, at = 0; k < l->sources_count; k++) {
        const values *v = &s->of[l->sources[k]];
        for (size_t i = 0; i < v->width; i++, at++)
            for (size_t b = 0; b < count; b++)
                columns[at * BATCH + b] = (uint64_t)(int64_t)v->x[(first + b) * v->width + i];
    }
    memset(acc, 0, l->out * BATCH * sizeof *acc);
    linear_add(&l->linear, &inputs, 1, BATCH, acc, BATCH, 0, count, columns + l->in * BATCH);
    return count;
}

static annulus_status batch_create(const circuit_layer *l, uint64_t **columns, uint64_t **acc)
{
    const size_t room = linear_room(&l->linear) / sizeof(uint64_t);
    void *p;
    TRY(mem_create((l->in + l->out) * BATCH + room, sizeof(uint64_t), "calibration", &p));
    *columns = p;
    *acc = *columns + l->in * BATCH + room;
    return ANNULUS_OK;
}

static void widen(circuit_layer *l, size_t o, int64_t acc, int first)
{
    if (first || acc < l->measured_lo[o]) l->measured_lo[o] = acc;
    if (first || acc > l->measured_hi[o]) l->measured_hi[o] = acc;
}

static annulus_status measured_ranges(circuit_layer *l, const dense_layer *d, const state *s)
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
    if (s->options->ranges_measured && !d->proven && !varies)
        return fail(
            ANNULUS_ERR_INPUT,
            "every neuron of %s gives the same value on all %zu calibration samples: the data are constant or the "
            "network is untrained; calibrate with real, different samples",
            l->name, s->count);
    return ANNULUS_OK;
}

/* Accumulators are multiples of `multiplier`, and so are proven ranges, and the measured ones. */
static void choose_ranges(circuit_layer *l, const dense_layer *d, const lower_options *options, int64_t multiplier)
{
    for (size_t o = 0; o < l->out; o++) {
        l->lo[o] = l->proven_lo[o];
        l->hi[o] = l->proven_hi[o];
        if (!options->ranges_measured || d->proven) continue;
        const double units = (double)(l->measured_hi[o] - l->measured_lo[o]) / (double)multiplier;
        const int64_t wider = multiplier * (int64_t)ceil(options->margin * units);
        if (l->measured_lo[o] - wider > l->lo[o]) l->lo[o] = l->measured_lo[o] - wider;
        if (l->measured_hi[o] + wider < l->hi[o]) l->hi[o] = l->measured_hi[o] + wider;
    }
}

#define NEVER 8.5 /* deviations: of no normal number (stream_normal_vartime) */

/* Nothing cuts off a score as a table cuts off its input: beyond the period it would wrap and decrypt to another one.
 * So the period spans the proven range, and as many bits are added as that is wider than the measured one. noise: bound
 * on the deviation that holds instead of the error probability, accumulator units; 0: none. */
static annulus_status encode_output(circuit_layer *l, double noise, int exact, const lower_options *options,
                                    lower_unit *u)
{
    const int64_t proven = lower_widest_span(l->proven_lo, l->proven_hi, l->out),
                  span = lower_widest_span(l->lo, l->hi, l->out);
    l->step = 1;
    l->period = (int64_t)ceil(fmax(OUTPUT_ROOM * (double)proven, (double)proven + 2 * NEVER * noise)) + 2;
    u->most_multiplier = lower_most_multiplier(l) * u->multiplier;
    lower_units_need(u, (l->period + 1) / 2);
    int64_t wider = l->period;
    if (u->half_window != 0) l->period = 2 * u->half_window;
    for (size_t o = 0; o < l->out; o++) l->offset[o] = -((l->proven_lo[o] + l->proven_hi[o]) / 2);
    l->noise = noise / (double)l->period;
    if (noise > 0) return ANNULUS_OK;
    l->output_bits = options->output_bits;
    for (int64_t s = span; s < proven; s *= 2) l->output_bits++;
    for (; wider < l->period; wider *= 2) l->output_bits++;
    while (exact && INT64_C(1) << l->output_bits < l->period) l->output_bits++;
    if (l->output_bits <= CIRCUIT_MAX_OUTPUT_BITS) return ANNULUS_OK;
    if (exact && l->period > INT64_C(1) << CIRCUIT_MAX_OUTPUT_BITS)
        return fail(ANNULUS_ERR_INFEASIBLE,
                    "scores have a period of %" PRId64
                    " values, of which 2^%u can be told apart exactly, as these must "
                    "be: train with fewer bits of weights and values",
                    l->period, CIRCUIT_MAX_OUTPUT_BITS);
    return fail(ANNULUS_ERR_INFEASIBLE,
                "scores of %u bits in a proven range %" PRId64 " times the measured one: ask for fewer output bits",
                options->output_bits, proven / span);
}

static int rises_or_falls(const int32_t *t, size_t cells)
{
    int rises = 0, falls = 0;
    for (size_t c = 1; c < cells; c++) rises |= t[c] > t[c - 1], falls |= t[c] < t[c - 1];
    return !rises || !falls;
}

/* Range of what value i's table gives to sums beyond it, mirrored about its ends: as it is, or as narrower tables have
 * it whose first cell is a and last one b, about the range of the value's own sums (circuit_extend). */
static void mirrored_range(const circuit_layer *l, size_t i, values *next)
{
    const size_t o = i / l->offsets, last = l->cells - 1;
    const int32_t *t = circuit_table(l, o);
    if (rises_or_falls(t, l->cells)) return; /* no more than its entries */
    const int64_t first_own = (l->lo[o] + l->offset[o]) / l->step, last_own = (l->hi[o] + l->offset[o]) / l->step;
    const size_t from = first_own < (int64_t)last ? (size_t)first_own : last,
                 to = last_own < (int64_t)last ? (size_t)last_own : last;
    int32_t least = t[from], most = t[from];
    for (size_t c = from; c < to; c++) least = t[c] < least ? t[c] : least, most = t[c] > most ? t[c] : most;
    for (size_t a = from + 1; a-- > 0;) {
        least = t[a] < least ? t[a] : least, most = t[a] > most ? t[a] : most;
        int32_t lowest = least, highest = most; /* from a to b */
        for (size_t b = to; b <= last; b++) {
            lowest = t[b] < lowest ? t[b] : lowest, highest = t[b] > highest ? t[b] : highest;
            const int64_t mid2 = (int64_t)t[a] + t[b];
            if (mid2 - highest < next->lo[i]) next->lo[i] = mid2 - highest;
            if (mid2 - lowest > next->hi[i]) next->hi[i] = mid2 - lowest;
        }
    }
}

/* Proven ranges behind the look-ups of l. Torus-native tables are met mirrored, too, and so are those of neurons that
 * can have sums beyond their ranges, unless these saturate. *mirrored: set if that gives other values than the table
 * has; once it is, what is known of functions' values bounds no sums. */
static void table_ranges(const circuit_layer *l, int saturates, int *mirrored, values *next)
{
    const int all = *mirrored;
    for (size_t i = 0; i < circuit_values(l); i++) {
        const size_t o = i / l->offsets;
        const int32_t *t = circuit_table(l, o);
        int64_t lo = t[0], hi = t[0];
        for (size_t c = 0; c < l->cells; c++) {
            const int64_t other = l->unit != 0 ? l->mid2 - t[c] : t[c];
            lo = t[c] < lo ? t[c] : other < lo ? other : lo;
            hi = t[c] > hi ? t[c] : other > hi ? other : hi;
        }
        next->lo[i] = lo, next->hi[i] = hi;
        if (l->unit == 0 && !saturates && (all || l->proven_lo[o] < l->lo[o] || l->proven_hi[o] > l->hi[o]))
            mirrored_range(l, i, next);
        *mirrored |= next->lo[i] < lo || next->hi[i] > hi;
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

/* The integers behind the look-ups of layer i. */
static annulus_status advance(const circuit_layer *l, const dense_layer *d, size_t i, state *s)
{
    values *next = &s->of[i + 1];
    TRY(values_create(s->count, circuit_values(l), d->out_q.scale, next));
    table_ranges(l, s->options->saturate, &s->mirrored, next);
    return look_up_samples(l, s, next->x);
}

/* Cells, offsets and tables of a layer of padded look-ups. */
static annulus_status lower_padded(const dense_layer *d, const state *s, lower_unit *u, circuit_layer *l)
{
    lower_grid grid = {.apart = 1};
    void *up = NULL;
    annulus_status st = lower_cells(d, s->options, u, l, &grid);
    if (st == ANNULUS_OK) st = lower_tables(d, l);
    if (st == ANNULUS_OK) st = mem_create(l->out, 1, "look-up tables", &up);
    if (st == ANNULUS_OK && (u->whole || u->lean)) st = lower_lean(d, l, up);
    if (st == ANNULUS_OK) lower_fill(d, s->options, u, &grid, up, l);
    mem_free(up);
    lower_grid_clear(&grid);
    return st;
}

/* Table and values of hidden layer i. */
static annulus_status lower_look_ups(const dense_layer *d, size_t i, state *s, circuit_layer *l,
                                     const int64_t *constant)
{
    if (l->unit != 0)
        TRY(lower_native_fill(d, l));
    else
        TRY(lower_padded(d, s, &s->units->of[i], l));
    lower_take_constants(l, constant);
    return advance(l, d, i, s);
}

/* Of the last layer. */
static annulus_status lower_output(const network *n, size_t i, const state *s, const circuit *c,
                                   const int64_t *constant)
{
    circuit_layer *l = &c->layers[i];
    const int exact = s->options->shared_output || n->task == NETWORK_TOP_1;
    double noise = 0;
    if (l->log2_error == 0) TRY(lower_native_score_noise(&n->layers[i], c, l, &noise));
    TRY(encode_output(l, noise, exact, s->options, &s->units->of[i]));
    lower_take_constants(l, constant);
    return ANNULUS_OK;
}

/* The encoding of a layer whose proven and measured ranges are known, those of its sums with the constants. */
static annulus_status lower_encoding(const network *n, size_t i, state *s, const circuit *c, const int64_t *constant)
{
    const dense_layer *d = &n->layers[i];
    circuit_layer *l = &c->layers[i];
    TRY(lower_share_ranges(d, l));
    choose_ranges(l, d, s->options, s->units->of[i].multiplier);
    if (i + 1 == c->layers_count) return lower_output(n, i, s, c, constant);
    TRY(lower_look_ups(d, i, s, l, constant));
    for (size_t k = 0; k <= i; k++)
        if (circuit_last_use(c, k) == i) values_clear(&s->of[k]);
    return ANNULUS_OK;
}

/* Layer i of c, whose sources are set. */
static annulus_status lower_layer(const network *n, size_t i, state *s, const circuit *c)
{
    const dense_layer *d = &n->layers[i];
    circuit_layer *l = &c->layers[i];
    double unit;
    l->in = d->in;
    l->out = d->out;
    (void)snprintf(l->activation, sizeof l->activation, "%s", activation_name(d->act));
    (void)snprintf(l->op, sizeof l->op, "%s", d->op[0] == 0 ? "dense" : d->op);
    l->shape = d->shape;
    l->compares = d->compares;
    if (l->sources_count != 1) memset(l->shape.in, 0, sizeof l->shape.in);
    const double shared = s->units->of[i].phase; /* the unit of its group, which is of all its weights */
    TRY(lower_linear(n, i, s->units->of[i].multiplier, shared > 0, l, &unit));
    s->units->of[i].base = unit;
    unit /= s->units->of[i].multiplier;
    const double phase = shared > 0 ? shared : d->w_scale[0] * unit;
    if (activation_is_wave(d->act)) TRY(lower_native_encode(d, phase, s->options, l));
    TRY(circuit_layer_create(l));
    for (size_t o = 0; o < l->out; o++) {
        l->real_scale[o] = d->w_scale[o] * unit;
        l->real_bias[o] = d->bias[o];
    }
    TRY(proven_ranges(l, s));
    const circuit_layer *before = l->sources[0] == 0 ? NULL : &c->layers[l->sources[0] - 1];
    if (l->sources_count == 1 && before != NULL && before->unit != 0 && l->unit == 0)
        TRY(lower_native_ranges(before, l));
    TRY(measured_ranges(l, d, s));
    int64_t *constant = NULL;
    TRY(lower_constants(d, unit, &constant));
    lower_add_constants(l, constant);
    if (!s->mirrored || i + 1 < c->layers_count) lower_bounds(d, unit, s->units->of[i].multiplier, l);
    const annulus_status st = lower_encoding(n, i, s, c, constant);
    mem_free(constant);
    return st;
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

static void name_layers(const network *n, circuit *c)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        circuit_layer *l = &c->layers[i];
        (void)snprintf(l->name, sizeof l->name, i + 1 == c->layers_count ? "output" : "layer %zu",
                       network_number(n, i));
        l->sources_count = network_sources(n, i, l->sources);
    }
}

static annulus_status lower_all(const network *n, const float *calibration, state *s, circuit *c)
{
    TRY(lower_named_options(n, s->options, c));
    TRY(copy_input(n, c));
    TRY(values_create(s->count, n->inputs, n->input.scale, &s->of[0]));
    for (size_t i = 0; i < n->inputs; i++) {
        s->of[0].lo[i] = c->input.lo;
        s->of[0].hi[i] = c->input.hi;
    }
    for (size_t k = 0; k < s->count; k++) {
        const annulus_status st = circuit_quantize(c, calibration + k * n->inputs, 1, s->of[0].x + k * n->inputs);
        if (st != ANNULUS_OK) return fail_prefix(st, "calibration sample %zu", k + 1);
    }
    for (size_t i = 0; i < n->layers_count; i++) TRY(lower_layer(n, i, s, c));
    TRY(copy_labels(n, c));
    return ANNULUS_OK;
}

_Static_assert((int)NETWORK_CLASSIFICATION == CIRCUIT_CLASSIFICATION && (int)NETWORK_REGRESSION == CIRCUIT_REGRESSION &&
                   (int)NETWORK_MULTI_LABEL == CIRCUIT_MULTI_LABEL && (int)NETWORK_TOP_1 == CIRCUIT_TOP_1,
               "the same numbers");

annulus_status lower_once(const network *n, const float *calibration, size_t count, const lower_options *options,
                          lower_units *units, circuit **out)
{
    circuit *c = NULL;
    TRY(circuit_create(n->layers_count, &c));
    c->task = (circuit_task)n->task;
    c->calibration_count = count;
    c->ranges_measured = options->ranges_measured;
    c->saturates = options->ranges_measured && options->saturate;
    c->target = options->target;
    c->log2_error = options->log2_error;
    c->level = options->level;
    name_layers(n, c);
    state s = {.options = options, .count = count, .units = units};
    annulus_status st = units->layers == 0 ? lower_units_init(n, c, units) : ANNULUS_OK;
    if (st == ANNULUS_OK) st = lower_all(n, calibration, &s, c);
    state_clear(&s);
    if (st == ANNULUS_OK)
        *out = c;
    else
        circuit_destroy(c);
    return st;
}

/* *made <- next, unless that is NULL. */
static void replace(network **made, network *next)
{
    if (next == NULL) return;
    network_destroy(*made);
    *made = next;
}

annulus_status lower_answers(const network *n, const float *calibration, size_t count, const lower_options *options,
                             network **made)
{
    const unsigned bits = options->top_1_bits != 0 ? options->top_1_bits : TOP_1_BITS;
    network *next;
    TRY(lower_twins(n, made));
    annulus_status st = lower_plain_waves(*made == NULL ? n : *made, options, &next);
    if (st == ANNULUS_OK) replace(made, next);
    if (st == ANNULUS_OK && n->task != NETWORK_TOP_1 && (options->top_1_bits != 0 || n->argmax)) {
        st = network_top_1(*made == NULL ? n : *made, calibration, count, bits, options->margin, &next);
        if (st == ANNULUS_OK) replace(made, next);
    }
    if (st == ANNULUS_OK) return ANNULUS_OK;
    network_destroy(*made);
    *made = NULL;
    return st;
}

/* *best, or NULL where padding is refused, which was st, <- the circuit whose clamped functions are waves, if that is
 * predicted to be better. */
static annulus_status try_waves(const network *n, const float *calibration, size_t count, const lower_options *options,
                                annulus_status st, remedies *helps, circuit **best)
{
    network *waves;
    circuit *c = NULL;
    TRY(lower_clamps(n, options, &waves));
    if (waves == NULL) return st;
    const annulus_status other = lower_best(waves, calibration, count, options, helps, &c);
    network_destroy(waves);
    if (*best != NULL && (other == ANNULUS_ERR_INFEASIBLE || other == ANNULUS_ERR_INPUT)) return ANNULUS_OK;
    TRY(other);
    if (*best == NULL || lower_objective(c, options) < lower_objective(*best, options)) {
        circuit_destroy(*best);
        *best = c;
    } else {
        circuit_destroy(c);
    }
    return ANNULUS_OK;
}

annulus_status network_lower(const network *n, const float *calibration, size_t count, const lower_options *options,
                             circuit **out)
{
    network *made;
    circuit *best = NULL;
    remedies helps;
    TRY(lower_answers(n, calibration, count, options, &made));
    annulus_status st = lower_best(made == NULL ? n : made, calibration, count, options, &helps, &best);
    if (options->wrap_clamps && (st == ANNULUS_OK || st == ANNULUS_ERR_INPUT || st == ANNULUS_ERR_INFEASIBLE))
        st = try_waves(made == NULL ? n : made, calibration, count, options, st, &helps, &best);
    network_destroy(made);
    if (st == ANNULUS_OK)
        *out = best;
    else
        circuit_destroy(best);
    if (st != ANNULUS_ERR_INFEASIBLE || !options->compiles_remedies) return st;
    if (helps.count > 0) return lower_remedies(n, calibration, count, options, &helps);
    return helps.missing[0] == '\0' ? lower_rounding_helps(n, calibration, count, options) : st;
}
