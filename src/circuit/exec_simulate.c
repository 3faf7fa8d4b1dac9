/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "circuit/exec_priv.h"
#include "circuit/mix.h"
#include "math/torus.h"
#include "tfhe/split.h"

#include <math.h>
#include <string.h>

#define NORMALS (3u + SPLIT_MAX_LOW) /* of a neuron, at most */
#define TAIL_STEPS 256u
#define TAIL_ENTRIES (17u * TAIL_STEPS / 2 + 1) /* to 8.5 */

typedef struct simulation {
    const circuit *c;
    const int32_t *x;
    double *out;
    const seed256 *seed;
    const exec_observer *observer;
    const annulus_progress *progress;
    exec_stats *stats; /* per worker */
    stream **streams;
    unsigned char *memory;
    size_t worker_bytes, count, widest;
    double rotate_std[CIRCUIT_MAX_LAYERS];  /* noise of the output of a layer's look-ups, torus */
    double phase_std[CIRCUIT_MAX_LAYERS];   /* keyswitch and modulus switch of a layer's look-ups, torus */
    double half_window[CIRCUIT_MAX_LAYERS]; /* noise beyond is a failure, torus */
    double cell_steps[CIRCUIT_MAX_LAYERS];  /* exec_cell_steps */
    size_t alike[CIRCUIT_MAX_LAYERS];       /* the first layer that rotates by the same ciphertexts, or the own one */
    exec_store store;
    double *fresh_std[CIRCUIT_MAX_LAYERS]; /* (out) noise of fresh ciphertexts in the sums of a layer that takes the
                                              circuit's inputs, torus; NULL of others */
    double *answer_std;                    /* (outputs) of packing, torus; NULL: they are not packed */
    double *precision; /* (layers, widest) 1/deviation of the phases that look-ups read, in 1/cells */
    double *tail;      /* (TAIL_ENTRIES) P(normal number > i/TAIL_STEPS) */
    double *variance;  /* (layers + 1, widest) of the values of each source, torus; of mixed layers of a coefficient */
    double level_std;  /* of a level of split look-ups, without that of the sum, torus */
    double *split_std[CIRCUIT_MAX_LAYERS];    /* (tables, cells/2^split) of the outputs of split look-ups; or NULL */
    double *split_errors[CIRCUIT_MAX_LAYERS]; /* (out) their probability of an index error; or NULL */
    mixes mixes;
    double *factor[CIRCUIT_MAX_LAYERS]; /* (out,offsets,offsets) of a layer of several values a rotation: times normal
                                           numbers gives errors of their covariances; or NULL */
} simulation;

/* What one worker works in: values, their noise in torus words, and what of it is of split look-ups' rests
 * (exec_split_answer), (store rows, EXEC_BATCH) each; room; normal numbers of one sample. Sums have the places of the
 * values made from them. */
typedef struct batch {
    uint64_t *x, *noise, *rest;
    void *room;
    double *normal; /* (NORMALS*widest) */
    size_t first, count;
    unsigned worker;
} batch;

static batch worker_batch(const simulation *s, size_t index, unsigned worker)
{
    const size_t n = s->store.rows * EXEC_BATCH, left = s->count - index * EXEC_BATCH;
    uint64_t *p = (uint64_t *)(void *)(s->memory + worker * s->worker_bytes);
    return (batch){.x = p,
                   .noise = p + n,
                   .rest = p + 2 * n,
                   .normal = (double *)(p + 3 * n),
                   .room = p + 3 * n + NORMALS * s->widest,
                   .first = index * EXEC_BATCH,
                   .count = left < EXEC_BATCH ? left : EXEC_BATCH,
                   .worker = worker};
}

enum { ERRED = 1, FAILED = 2 };

/* 1 if answers are packed, else 0. */
static size_t packed(const circuit *c)
{
    return c->choice.families.answers.bits > 0;
}

/* P(normal number > x) from the table, to 2e-4 of it for x >= 0; 0 where none is drawn (stream_normal_vartime). */
static double tail(const simulation *s, double x)
{
    const double at = fabs(x) * TAIL_STEPS;
    if (x < 0) return 1 - tail(s, -x);
    if (!(at < TAIL_ENTRIES - 1)) return 0;
    const size_t i = (size_t)at;
    return s->tail[i] + (at - (double)i) * (s->tail[i + 1] - s->tail[i]);
}

/* Probability that a phase at this place in a clear cell of layer i is read as that of another; precision 1/deviation,
 * in cells. */
static double error_probability(const simulation *s, size_t i, double place, int64_t clear, double precision)
{
    const double lower = exec_border(s->cell_steps[i], clear), upper = exec_border(s->cell_steps[i], clear + 1);
    return tail(s, (place - lower) * precision) + tail(s, (upper - place) * precision);
}

/* A look-up of column b at this sum of noise: the values, their noise, and what the observer sees. masked 0: the sum
 * has no mask, so that nothing adds noise. Returns the clear cell. */
static int64_t simulate_look_up(const simulation *s, size_t i, size_t o, size_t b, const double *normal, int masked,
                                exec_seen *seen, const batch *v)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t first = s->store.first[i + 1] + o * l->offsets;
    const int64_t clear = exec_cell(l, o, seen->acc);
    const double noisy = s->variance[(i + 1) * s->widest + o * l->offsets] > 0;
    seen->noise = seen->sum_noise + masked * s->phase_std[i] * normal[o];
    if (l->unit != 0) {
        seen->noise -= floor(seen->noise + 0.5);
        seen->cell = exec_phase_cell(l, exec_phase(l, o, seen->acc) + torus_from_double(seen->noise));
    } else {
        seen->cell = exec_read(s->cell_steps[i], exec_place(l, o, seen->acc) + seen->noise * 2.0 * l->cells);
    }
    exec_answers(l, o, seen->cell, v->x + first * EXEC_BATCH + b, EXEC_BATCH);
    normal += l->out + o * l->offsets;
    for (size_t j = 0; j < l->offsets; j++) {
        const double *row = s->factor[i] == NULL ? NULL : s->factor[i] + (o * l->offsets + j) * l->offsets;
        double error = row == NULL ? normal[j] : 0;
        for (size_t k = 0; row != NULL && k <= j; k++) error += row[k] * normal[k];
        v->rest[(first + j) * EXEC_BATCH + b] = 0;
        v->noise[(first + j) * EXEC_BATCH + b] = torus_from_double(noisy * s->rotate_std[i] * error);
    }
    return clear;
}

/* The same of a split look-up, and whether a rotation's phase left its half window; levels (split): normal numbers. */
static int64_t simulate_split(const simulation *s, size_t i, size_t o, size_t b, const double *normal,
                              const double *levels, int masked, exec_seen *seen, const batch *v, unsigned *events)
{
    const circuit *c = s->c;
    const circuit_layer *l = &c->layers[i];
    const size_t at = (s->store.first[i + 1] + o) * EXEC_BATCH + b, parts = l->cells >> l->split;
    const double place = exec_place(l, o, seen->acc), turn = 2.0 * l->cells, half = turn * s->half_window[i];
    const int64_t clear = exec_cell(l, o, seen->acc);
    uint32_t low[SPLIT_MAX_LOW];
    int negated, outside = 0;
    double rest;
    for (uint32_t j = 0; j < l->split; j++) {
        const double moved = turn * seen->sum_noise + ldexp(masked * s->level_std * levels[j], (int)j + 1);
        low[j] = (uint32_t)(int64_t)floor(place + moved) & ((2u << j) - 1);
        outside |= fabs(moved) > half;
    }
    seen->noise = seen->sum_noise + masked * s->phase_std[i] * normal[o];
    outside |= fabs(turn * seen->noise) > half + exec_split_beside(l);
    *events |= outside ? FAILED : 0;
    const int64_t high = (int64_t)floor(ldexp(place + turn * seen->noise + exec_split_moved(l, low), -(int)l->split));
    exec_split_answer(l, o, high, low, seen, v->x + at, &rest);
    const double noisy = s->variance[(i + 1) * s->widest + o] > 0;
    const double std = s->split_std[i][l->table_of[o] * parts + exec_split_part(l, high, &negated)];
    v->rest[at] = torus_from_double(rest * exec_unit(&c->layers[circuit_first_use(c, i + 1)]));
    v->noise[at] = torus_from_double(noisy * std * normal[l->out + o]) + v->rest[at];
    return clear;
}

/* Events of a look-up that has a failure probability. */
static unsigned count_look_up(const simulation *s, size_t i, const exec_seen *seen, int64_t clear, exec_stats *stats)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t o = seen->neuron;
    if (l->split > 0) {
        stats->errors_expected[i] += s->split_errors[i][o];
        return seen->cell != clear || seen->apart ? ERRED : 0;
    }
    const double place = exec_place(l, o, seen->acc);
    stats->errors_expected[i] += error_probability(s, i, place, clear, s->precision[i * s->widest + o]);
    return seen->cell != clear ? ERRED : 0;
}

/* One look-up, or output value, of column b: ERRED, FAILED or both if they happened. normal: of the switches, or of
 * packing (out), of the look-ups' values (values), of the fresh ciphertexts in the sums (out), and of levels
 * (out,split).
 */
static unsigned simulate_neuron(const simulation *s, size_t i, size_t o, size_t b, const double *normal, const batch *v)
{
    const circuit *c = s->c;
    const circuit_layer *l = &c->layers[i];
    const size_t at = (s->store.first[i + 1] + o) * EXEC_BATCH + b;
    const int64_t acc = (int64_t)v->x[at];
    exec_stats *stats = &s->stats[v->worker];
    const size_t fresh = (l->cells == 0 ? packed(c) * l->out : l->out + circuit_values(l)) + o;
    const double rest = torus_to_double(v->rest[at]);
    double sum = torus_to_double(v->noise[at]);
    if (s->fresh_std[i] != NULL) sum += s->fresh_std[i][o] * normal[fresh];
    exec_seen seen = {.layer = i, .neuron = o, .sample = v->first + b, .acc = acc, .sum_noise = sum, .noise = sum};
    if (l->cells == 0 && packed(c)) seen.noise += s->answer_std[o] * normal[o];
    const double away = exec_count_sum(c, i, o, acc, seen.noise, stats);
    unsigned events = 0;
    if (l->cells != 0) {
        const int masked = s->precision[i * s->widest + o] < INFINITY;
        const double *levels = normal + fresh - o + (s->fresh_std[i] != NULL ? l->out : 0) + o * l->split;
        const int64_t clear = l->split > 0 ? simulate_split(s, i, o, b, normal, levels, masked, &seen, v, &events)
                                           : simulate_look_up(s, i, o, b, normal, masked, &seen, v);
        if (!circuit_is_wave(l))
            events |= count_look_up(s, i, &seen, clear, stats);
        else
            stats->phase_square[i] += seen.noise * seen.noise;
    } else
        s->out[(v->first + b) * l->out + o] = (double)acc + seen.noise / exec_unit(l) - away * (double)l->period;
    if (!circuit_is_wave(l) && l->split == 0 && fabs(seen.noise) > s->half_window[i]) events |= FAILED;
    stats->index_errors[i] += (events & ERRED) != 0;
    stats->failures[i] += (events & FAILED) != 0;
    seen.sum_noise -= rest, seen.noise -= rest;
    if (s->observer != NULL) s->observer->seen(s->observer->context, &seen);
    return events;
}

static annulus_status simulate_batch(void *context, size_t index, unsigned worker)
{
    const simulation *s = context;
    const circuit *c = s->c;
    stream *random = s->streams[worker];
    const batch v = worker_batch(s, index, worker);
    unsigned events[EXEC_BATCH] = {0};
    if (worker == 0) TRY(progress_report(s->progress, "simulated samples", v.first, s->count));
    exec_columns(c, &s->store, s->x + v.first * c->input.features, v.count, v.x);
    memset(v.noise + s->store.first[0] * EXEC_BATCH, 0, c->input.features * EXEC_BATCH * sizeof *v.noise);
    memset(v.rest + s->store.first[0] * EXEC_BATCH, 0, c->input.features * EXEC_BATCH * sizeof *v.rest);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const size_t normals = (s->fresh_std[i] != NULL ? l->out : 0) + l->split * l->out +
                               (l->cells != 0 ? l->out + circuit_values(l) : packed(c) * l->out);
        exec_linear(c, &s->store, i, v.x, v.count, v.room);
        if (c->choice.families.merge.l > 0) exec_linear(c, &s->store, i, v.rest, v.count, v.room);
        if (l->sources_count > 1 || l->sources[0] != 0)
            exec_linear(c, &s->store, i, v.noise, v.count, v.room);
        else /* noise of inputs is drawn for their sums */
            memset(v.noise + s->store.first[i + 1] * EXEC_BATCH, 0, l->out * EXEC_BATCH * sizeof *v.noise);
        for (size_t b = 0; b < v.count; b++) {
            const size_t draw = (v.first + b) * CIRCUIT_MAX_LAYERS;
            if (normals > 0) {
                TRY(stream_restart(random, s->seed, RANDOM_SIMULATION, draw + s->alike[i]));
                TRY(stream_normal_vartime(random, v.normal, normals));
            }
            if (s->alike[i] != i) { /* other tables, whose values have noise of their own */
                TRY(stream_restart(random, s->seed, RANDOM_SIMULATION, draw + i));
                TRY(stream_normal_vartime(random, v.normal + l->out, circuit_values(l)));
            }
            for (size_t o = l->out; o-- > 0;) events[b] |= simulate_neuron(s, i, o, b, v.normal, &v);
        }
    }
    for (size_t b = 0; b < v.count; b++) {
        s->stats[worker].samples_erred += (events[b] & ERRED) != 0;
        s->stats[worker].samples_failed += (events[b] & FAILED) != 0;
    }
    return ANNULUS_OK;
}

/* variance (in) <- that of each input of layer i, and of the circuit's inputs alone. */
static void input_variances(const simulation *s, size_t i, double *variance, double *fresh)
{
    const circuit *c = s->c;
    for (size_t k = 0, at = 0; k < c->layers[i].sources_count; k++) {
        const uint32_t source = c->layers[i].sources[k];
        const size_t count = circuit_source_values(c, source);
        for (size_t v = 0; v < count; v++, at++) {
            variance[at] = s->variance[source * s->widest + v];
            fresh[at] = source == 0 ? variance[at] : 0;
        }
    }
}

/* Room for one layer's inputs. */
typedef struct inputs {
    double *variance, *fresh; /* (in) */
    mix_share *spread;        /* (in) zeros */
    uint32_t *touched;        /* (in) */
} inputs;

/* Deviations of a layer's sums and phases, variance of its values. */
static void layer_noise(simulation *s, size_t i, linear_view *view, const inputs *in)
{
    const circuit_layer *l = &s->c->layers[i];
    const double switches = l->cells == 0 ? 0 : circuit_switch_noise(s->c, i);
    double least, rotate = l->cells == 0 ? 0 : noise_blind_rotate(&s->c->choice.families.of[l->family]);
    if (l->split > 0) exec_split_extremes(s->c, i, &least, &rotate);
    input_variances(s, i, in->variance, in->fresh);
    s->phase_std[i] = sqrt(switches);
    s->rotate_std[i] = sqrt(rotate);
    s->cell_steps[i] = exec_cell_steps(s->c, l);
    s->half_window[i] = circuit_half_window(l) - circuit_border(s->c, l);
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        const size_t count = linear_view_row(view, o, &input, &weight);
        double sum = 0, fresh = 0;
        const size_t listed = mixes_spread(s->c, &s->mixes, i, input, weight, count, in->spread, in->touched);
        for (size_t k = 0; k < count; k++) {
            const double square = (double)weight[k] * in->spread[input[k]].weight;
            sum += square * in->variance[input[k]];
            fresh += square * in->fresh[input[k]];
        }
        for (size_t k = 0; k < listed; k++) in->spread[in->touched[k]] = (mix_share){.listed = 0};
        const double value = exec_noisy_value(l, o, sum > 0) ? rotate : 0;
        for (size_t j = 0; j < l->offsets; j++) s->variance[(i + 1) * s->widest + o * l->offsets + j] = value;
        s->precision[i * s->widest + o] =
            sum > 0 && l->cells != 0 ? 1 / (2.0 * l->cells * sqrt(sum + switches)) : INFINITY;
        if (l->split > 0) {
            const double place = exec_split_place(l, o), level = s->level_std * s->level_std;
            s->split_errors[i][o] = sum > 0 ? exec_split_error(l, place, sum, level, switches) : 0;
        }
        if (s->fresh_std[i] != NULL) s->fresh_std[i][o] = sqrt(fresh);
        if (l->cells == 0 && packed(s->c)) s->answer_std[o] = sum;
    }
    if (l->cells != 0 || !packed(s->c)) return;
    exec_packing_noise(s->c, s->answer_std);
    for (size_t o = 0; o < l->out; o++) s->answer_std[o] = sqrt(s->answer_std[o]);
}

static annulus_status split_init(simulation *s, size_t i)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t parts = l->cells >> l->split;
    void *p;
    if (l->split == 0) return ANNULUS_OK;
    TRY(mem_create(l->out, sizeof(double), "simulation", &p));
    s->split_errors[i] = p;
    TRY(mem_create(l->tables * parts, sizeof(double), "simulation", &p));
    s->split_std[i] = p;
    for (size_t t = 0; t < l->tables; t++) exec_split_variances(s->c, i, t, s->split_std[i] + t * parts);
    for (size_t x = 0; x < l->tables * parts; x++) s->split_std[i][x] = sqrt(s->split_std[i][x]);
    s->level_std = sqrt(exec_level_noise(s->c));
    return ANNULUS_OK;
}

static annulus_status layer_noise_init(simulation *s, size_t i)
{
    const circuit_layer *l = &s->c->layers[i];
    linear_view *view = NULL;
    void *p;
    int fresh = 0;
    TRY(split_init(s, i));
    for (size_t k = 0; k < l->sources_count; k++) fresh |= l->sources[k] == 0;
    if (fresh) {
        TRY(mem_create(l->out, sizeof(double), "simulation", &p));
        s->fresh_std[i] = p;
    }
    TRY(mem_create(l->in, 2 * sizeof(double) + sizeof(mix_share) + sizeof(uint32_t), "simulation", &p));
    inputs in = {.spread = p};
    in.variance = (double *)(in.spread + l->in), in.fresh = in.variance + l->in;
    in.touched = (uint32_t *)(void *)(in.fresh + l->in);
    const annulus_status st = linear_view_create(&l->linear, l->in, l->out, &view);
    if (st == ANNULUS_OK) layer_noise(s, i, view, &in);
    linear_view_destroy(view);
    mem_free(p);
    return st;
}

/* Cholesky's factor (values,values) of the covariance of neuron o's values, which may be singular: rows without a part
 * of their own have 0 there. */
static void factorize(const mixes *m, size_t layer, size_t values, size_t o, double *factor)
{
    for (size_t a = 0; a < values; a++)
        for (size_t b = 0; b <= a; b++) {
            const double whole = mixes_covariance(m, layer, values, o, a, b);
            double rest = whole;
            for (size_t k = 0; k < b; k++) rest -= factor[a * values + k] * factor[b * values + k];
            if (a == b)
                factor[a * values + a] = rest > 1e-9 * whole ? sqrt(rest) : 0;
            else
                factor[a * values + b] = factor[b * values + b] > 0 ? rest / factor[b * values + b] : 0;
        }
}

static annulus_status factors_init(simulation *s)
{
    for (size_t i = 0; i < s->c->layers_count; i++) {
        const circuit_layer *l = &s->c->layers[i];
        const size_t V = l->offsets;
        void *p;
        if (s->mixes.of[i] == NULL) continue;
        TRY(mem_create(l->out * V * V, sizeof(double), "simulation", &p));
        s->factor[i] = p;
        for (size_t o = 0; o < l->out; o++) factorize(&s->mixes, i, V, o, s->factor[i] + o * V * V);
    }
    return ANNULUS_OK;
}

/* Whether the look-ups of two layers have the same keyswitched phases. */
static int rotate_alike(const circuit_layer *a, const circuit_layer *b)
{
    if (a->cells == 0 || a->cells != b->cells || a->unit != b->unit || a->step != b->step || a->out != b->out ||
        a->offsets != b->offsets || a->slot_bits != b->slot_bits || a->split != b->split || a->EF != b->EF ||
        a->price != b->price || a->family != b->family || a->sources_count != b->sources_count)
        return 0;
    return memcmp(a->sources, b->sources, a->sources_count * sizeof *a->sources) == 0 &&
           memcmp(a->offset, b->offset, a->out * sizeof *a->offset) == 0 &&
           (a->unit == 0 || memcmp(a->shift, b->shift, a->out * sizeof *a->shift) == 0) &&
           linear_same(&a->linear, &b->linear);
}

static void find_alike(simulation *s)
{
    for (size_t i = 0; i < s->c->layers_count; i++) {
        size_t *first = &s->alike[i];
        while (*first < i && !rotate_alike(&s->c->layers[*first], &s->c->layers[i])) ++*first;
    }
}

/* What noise each sum and each look-up has. */
static annulus_status noise_init(simulation *s)
{
    const circuit *c = s->c;
    void *q;
    find_alike(s);
    TRY(mixes_create(c, &s->mixes));
    TRY(factors_init(s));
    TRY(mem_create(c->layers_count * s->widest, sizeof(double), "simulation", &q));
    s->precision = q;
    TRY(mem_create(TAIL_ENTRIES, sizeof(double), "simulation", &q));
    s->tail = q;
    for (size_t i = 0; i < TAIL_ENTRIES; i++) s->tail[i] = 0.5 * erfc((double)i / TAIL_STEPS / M_SQRT2);
    TRY(mem_create((c->layers_count + 1) * s->widest, sizeof(double), "simulation", &q));
    s->variance = q;
    for (size_t v = 0; v < c->input.features; v++) s->variance[v] = circuit_input_noise(c);
    if (packed(c)) {
        TRY(mem_create(circuit_last(c)->out, sizeof(double), "simulation", &q));
        s->answer_std = q;
    }
    for (size_t i = 0; i < c->layers_count; i++) TRY(layer_noise_init(s, i));
    return ANNULUS_OK;
}

static annulus_status simulation_init(simulation *s, unsigned workers)
{
    void *q;
    TRY(noise_init(s));
    TRY(mem_create(workers, s->worker_bytes, "simulation", &q));
    s->memory = q;
    TRY(mem_create(workers, sizeof(stream *), "simulation", &q));
    s->streams = q;
    for (unsigned w = 0; w < workers; w++) TRY(stream_create(s->seed, RANDOM_SIMULATION, 0, &s->streams[w]));
    return exec_stats_create(workers, &s->stats);
}

annulus_status exec_simulate_observed(const circuit *c, const int32_t *x, size_t count, const seed256 *seed,
                                      unsigned threads, const exec_observer *observer, const annulus_progress *progress,
                                      double *out, exec_stats *stats)
{
    const unsigned workers = parallel_threads(threads);
    simulation s = {.c = c,
                    .x = x,
                    .out = out,
                    .seed = seed,
                    .observer = observer,
                    .progress = progress,
                    .count = count,
                    .widest = exec_widest(c)};
    exec_store_init(c, &s.store);
    s.worker_bytes = ROUND_UP((3 * s.store.rows * EXEC_BATCH + NORMALS * s.widest) * sizeof(uint64_t) + exec_room(c));
    annulus_status st = simulation_init(&s, workers);
    if (st == ANNULUS_OK) st = parallel_for((count + EXEC_BATCH - 1) / EXEC_BATCH, threads, simulate_batch, &s);
    if (s.stats != NULL) exec_stats_merge(st == ANNULUS_OK ? stats : NULL, s.stats, workers);
    for (unsigned w = 0; s.streams != NULL && w < workers; w++) stream_destroy(s.streams[w]);
    mem_free(s.streams);
    mem_free(s.memory);
    for (size_t i = 0; i < c->layers_count; i++) {
        mem_free(s.fresh_std[i]), mem_free(s.factor[i]);
        mem_free(s.split_std[i]), mem_free(s.split_errors[i]);
    }
    mixes_clear(&s.mixes);
    mem_free(s.answer_std);
    mem_free(s.precision);
    mem_free(s.tail);
    mem_free(s.variance);
    return st;
}

annulus_status exec_simulate(const circuit *c, const int32_t *x, size_t count, const seed256 *seed, unsigned threads,
                             double *out, exec_stats *stats)
{
    return exec_simulate_observed(c, x, count, seed, threads, NULL, NULL, out, stats);
}
