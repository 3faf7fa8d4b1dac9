/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "circuit/exec_priv.h"
#include "math/torus.h"

#include <math.h>
#include <string.h>

#define TAIL_STEPS 256u
#define TAIL_ENTRIES (17u * TAIL_STEPS / 2 + 1) /* to 8.5 */

typedef struct simulation {
    const circuit *c;
    const int32_t *x;
    double *out;
    const seed256 *seed;
    const exec_observer *observer;
    exec_stats *stats; /* per worker */
    stream **streams;
    unsigned char *memory;
    size_t worker_bytes, count, widest;
    double rotate_std[CIRCUIT_MAX_LAYERS];  /* noise of the output of a layer's look-ups, torus */
    double phase_std[CIRCUIT_MAX_LAYERS];   /* keyswitch and modulus switch of a layer's look-ups, torus */
    double half_window[CIRCUIT_MAX_LAYERS]; /* noise beyond is a failure, torus */
    double *fresh_std;                      /* (first layer's outputs) fresh noise in its sums, torus */
    double *precision;    /* (layers, widest) 1/deviation of the phases that look-ups read, in 1/cells */
    double *tail;         /* (TAIL_ENTRIES) P(normal number > i/TAIL_STEPS) */
    unsigned char *noisy; /* (layers + 1, widest) 1: has noise; inputs first */
} simulation;

/* What one worker works in: values and sums, and the noise of both in torus words, (widest, EXEC_BATCH) each; normal
 * numbers of one sample. */
typedef struct batch {
    uint64_t *x, *acc, *noise, *sum;
    double *normal; /* (3*widest) */
    size_t first, count;
    unsigned worker;
} batch;

static batch worker_batch(const simulation *s, size_t index, unsigned worker)
{
    const size_t n = s->widest * EXEC_BATCH, left = s->count - index * EXEC_BATCH;
    uint64_t *p = (uint64_t *)(void *)(s->memory + worker * s->worker_bytes);
    return (batch){.x = p,
                   .acc = p + n,
                   .noise = p + 2 * n,
                   .sum = p + 3 * n,
                   .normal = (double *)(p + 4 * n),
                   .first = index * EXEC_BATCH,
                   .count = left < EXEC_BATCH ? left : EXEC_BATCH,
                   .worker = worker};
}

enum { ERRED = 1, FAILED = 2 };

/* P(normal number > x), x >= 0, from the table, to 2e-4 of it; 0 where none is drawn (stream_normal_vartime). */
static double tail(const simulation *s, double x)
{
    const double at = x * TAIL_STEPS;
    if (!(at < TAIL_ENTRIES - 1)) return 0;
    const size_t i = (size_t)at;
    return s->tail[i] + (at - (double)i) * (s->tail[i + 1] - s->tail[i]);
}

/* Probability that a phase `from` cells (0 to 1) above the lower end of its cell is read as that of another; precision
 * 1/deviation, in cells. */
static double error_probability(const simulation *s, double from, double precision)
{
    return tail(s, from * precision) + tail(s, (1 - from) * precision);
}

/* A look-up of column b at this sum of noise: the values, their noise, and what the observer sees. masked 0: the sum
 * has no mask, so that nothing adds noise. Returns the clear cell. */
static int64_t simulate_look_up(const simulation *s, size_t i, size_t o, size_t b, const double *normal, int masked,
                                exec_seen *seen, const batch *v)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t first = o * l->offsets;
    const int64_t clear = exec_cell(l, o, seen->acc);
    seen->noise = seen->sum_noise + masked * s->phase_std[i] * normal[o];
    if (l->unit != 0) {
        seen->noise -= floor(seen->noise + 0.5);
        seen->cell = exec_phase_cell(l, exec_phase(l, o, seen->acc) + torus_from_double(seen->noise));
    } else {
        const double place = ((double)(seen->acc + l->offset[o]) + 0.5) / (double)l->step;
        seen->cell = (int64_t)floor(place + seen->noise * 2.0 * l->cells);
    }
    exec_answers(l, o, seen->cell, v->x + first * EXEC_BATCH + b, EXEC_BATCH);
    for (size_t j = 0; j < l->offsets; j++)
        v->noise[(first + j) * EXEC_BATCH + b] = torus_from_double(s->noisy[(i + 1) * s->widest + first + j] *
                                                                   s->rotate_std[i] * normal[l->out + first + j]);
    return clear;
}

/* Events of a look-up of a padded layer. */
static unsigned count_look_up(const simulation *s, size_t i, const exec_seen *seen, int64_t clear, exec_stats *stats)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t o = seen->neuron;
    const double place = ((double)(seen->acc + l->offset[o]) + 0.5) / (double)l->step;
    stats->errors_expected[i] += error_probability(s, place - floor(place), s->precision[i * s->widest + o]);
    return seen->cell != clear ? ERRED : 0;
}

/* One look-up, or output value, of column b: ERRED, FAILED or both if they happened. normal: of the switches (out), of
 * the look-ups' values (values), and in the first layer of the fresh ciphertexts (out). */
static unsigned simulate_neuron(const simulation *s, size_t i, size_t o, size_t b, const double *normal, const batch *v)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t at = o * EXEC_BATCH + b;
    const int64_t acc = (int64_t)v->acc[at];
    exec_stats *stats = &s->stats[v->worker];
    const size_t fresh = l->cells == 0 ? o : l->out + circuit_values(l) + o;
    const double sum = i == 0 ? s->fresh_std[o] * normal[fresh] : torus_to_double(v->sum[at]);
    exec_seen seen = {.layer = i, .neuron = o, .sample = v->first + b, .acc = acc, .sum_noise = sum, .noise = sum};
    const double away = exec_count_sum(l, i, o, acc, sum, stats);
    unsigned events = 0;
    if (l->cells != 0) {
        const int masked = s->precision[i * s->widest + o] < INFINITY;
        const int64_t clear = simulate_look_up(s, i, o, b, normal, masked, &seen, v);
        if (l->unit == 0)
            events = count_look_up(s, i, &seen, clear, stats);
        else
            stats->phase_square[i] += seen.noise * seen.noise;
    } else
        s->out[(v->first + b) * l->out + o] = (double)acc + sum / exec_unit(l) - away * (double)l->period;
    if (l->unit == 0 && fabs(seen.noise) > s->half_window[i]) events |= FAILED;
    stats->index_errors[i] += (events & ERRED) != 0;
    stats->failures[i] += (events & FAILED) != 0;
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
    exec_columns(c, s->x + v.first * c->input.features, v.count, v.x);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const size_t normals = (i == 0 ? l->out : 0) + (l->cells != 0 ? l->out + circuit_values(l) : 0);
        exec_linear(l, v.x, v.count, v.acc);
        if (i > 0) exec_linear(l, v.noise, v.count, v.sum);
        for (size_t b = 0; b < v.count; b++) {
            if (normals > 0) {
                TRY(stream_restart(random, s->seed, RANDOM_SIMULATION, (v.first + b) * CIRCUIT_MAX_LAYERS + i));
                TRY(stream_normal_vartime(random, v.normal, normals));
            }
            for (size_t o = 0; o < l->out; o++) events[b] |= simulate_neuron(s, i, o, b, v.normal, &v);
        }
    }
    for (size_t b = 0; b < v.count; b++) {
        s->stats[worker].samples_erred += (events[b] & ERRED) != 0;
        s->stats[worker].samples_failed += (events[b] & FAILED) != 0;
    }
    return ANNULUS_OK;
}

/* Squared two-norm of a sum's weights on noisy inputs. */
static double noisy_norm2(const circuit_layer *l, size_t o, const unsigned char *noisy)
{
    double norm2 = 0;
    for (size_t i = 0; i < l->in; i++) norm2 += noisy[i] ? (double)l->W[o * l->in + i] * l->W[o * l->in + i] : 0;
    return norm2;
}

/* What noise each sum and each look-up has. */
static annulus_status noise_init(simulation *s)
{
    const circuit *c = s->c;
    double source = noise_fresh(circuit_inputs(c)); /* variance of a layer's inputs */
    void *q;
    TRY(mem_create(c->layers[0].out, sizeof(double), "simulation", &q));
    s->fresh_std = q;
    TRY(mem_create(c->layers_count * s->widest, sizeof(double), "simulation", &q));
    s->precision = q;
    TRY(mem_create(TAIL_ENTRIES, sizeof(double), "simulation", &q));
    s->tail = q;
    for (size_t i = 0; i < TAIL_ENTRIES; i++) s->tail[i] = 0.5 * erfc((double)i / TAIL_STEPS / M_SQRT2);
    TRY(mem_create((c->layers_count + 1) * s->widest, 1, "simulation", &q));
    s->noisy = q;
    memset(s->noisy, 1, c->input.features);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const unsigned char *noisy = s->noisy + i * s->widest;
        const double switches = l->cells == 0 ? 0 : circuit_switch_noise(c, i);
        s->phase_std[i] = sqrt(switches);
        s->half_window[i] = circuit_half_window(l);
        for (size_t o = 0; o < l->out; o++) {
            const double sum = noisy_norm2(l, o, noisy) * source;
            memset(s->noisy + (i + 1) * s->widest + o * l->offsets, exec_noisy_value(l, o, exec_noisy(l, o, noisy)),
                   l->offsets);
            s->precision[i * s->widest + o] =
                sum > 0 && l->cells != 0 ? 1 / (2.0 * l->cells * sqrt(sum + switches)) : INFINITY;
            if (i == 0) s->fresh_std[o] = sqrt(sum);
        }
        if (l->cells != 0) source = noise_blind_rotate(&c->choice.families.of[l->family]);
        s->rotate_std[i] = sqrt(source);
    }
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
                                      unsigned threads, const exec_observer *observer, double *out, exec_stats *stats)
{
    const unsigned workers = parallel_threads(threads);
    simulation s = {
        .c = c, .x = x, .out = out, .seed = seed, .observer = observer, .count = count, .widest = exec_widest(c)};
    s.worker_bytes = ROUND_UP(s.widest * (4 * EXEC_BATCH * sizeof(uint64_t) + 3 * sizeof(double)));
    annulus_status st = simulation_init(&s, workers);
    if (st == ANNULUS_OK) st = parallel_for((count + EXEC_BATCH - 1) / EXEC_BATCH, threads, simulate_batch, &s);
    if (s.stats != NULL) exec_stats_merge(st == ANNULUS_OK ? stats : NULL, s.stats, workers);
    for (unsigned w = 0; s.streams != NULL && w < workers; w++) stream_destroy(s.streams[w]);
    mem_free(s.streams);
    mem_free(s.memory);
    mem_free(s.fresh_std);
    mem_free(s.precision);
    mem_free(s.tail);
    mem_free(s.noisy);
    return st;
}

annulus_status exec_simulate(const circuit *c, const int32_t *x, size_t count, const seed256 *seed, unsigned threads,
                             double *out, exec_stats *stats)
{
    return exec_simulate_observed(c, x, count, seed, threads, NULL, out, stats);
}
