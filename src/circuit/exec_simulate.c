/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "circuit/exec_priv.h"
#include "math/torus.h"

#include <math.h>
#include <string.h>

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
    double rotate_std[CIRCUIT_MAX_LAYERS]; /* noise of the output of a layer's look-ups, torus */
    double phase_std[CIRCUIT_MAX_LAYERS];  /* keyswitch and modulus switch of a layer's look-ups, torus */
    double *fresh_std;                     /* (first layer's outputs) fresh noise in its sums, torus */
    unsigned char *noisy;                  /* (layers + 1, widest) 1: has noise; inputs first */
} simulation;

/* What one worker works in: values and sums, and the noise of both in torus words, (widest, EXEC_BATCH) each; normal
 * numbers of one sample. */
typedef struct batch {
    uint64_t *x, *acc, *noise, *sum;
    double *normal; /* (3, widest) */
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

/* One look-up, or output value, of column b. normal (up to 3, out): of the switches, of the look-up's output, and in
 * the first layer of the fresh ciphertexts. */
static void simulate_neuron(const simulation *s, size_t i, size_t o, size_t b, const double *normal, const batch *v)
{
    const circuit_layer *l = &s->c->layers[i];
    const size_t at = o * EXEC_BATCH + b;
    const int64_t acc = (int64_t)v->acc[at];
    exec_stats *stats = &s->stats[v->worker];
    const double sum =
        i == 0 ? s->fresh_std[o] * normal[l->cells == 0 ? o : 2 * l->out + o] : (double)(int64_t)v->sum[at] * 0x1p-64;
    exec_seen seen = {.layer = i, .neuron = o, .sample = v->first + b, .acc = acc, .sum_noise = sum, .noise = sum};
    stats->out_of_range[i] += acc < l->lo[o] || acc > l->hi[o];
    if (l->cells != 0) {
        const double noisy = s->noisy[(i + 1) * s->widest + o];
        const double place = ((double)(acc + l->offset[o]) + 0.5) / (double)l->step;
        seen.noise = sum + noisy * s->phase_std[i] * normal[o];
        seen.cell = (int64_t)floor(place + seen.noise * 2.0 * l->cells);
        stats->index_errors[i] += seen.cell != (int64_t)floor(place);
        v->x[at] = (uint64_t)(int64_t)exec_look_up(l, o, seen.cell);
        v->noise[at] = torus_from_double(noisy * s->rotate_std[i] * normal[l->out + o]);
    } else
        s->out[(v->first + b) * l->out + o] = (double)acc + sum / exec_unit(l);
    if (s->observer != NULL) s->observer->seen(s->observer->context, &seen);
}

static annulus_status simulate_batch(void *context, size_t index, unsigned worker)
{
    const simulation *s = context;
    const circuit *c = s->c;
    stream *random = s->streams[worker];
    const batch v = worker_batch(s, index, worker);
    exec_columns(c, s->x + v.first * c->input.features, v.count, v.x);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const size_t normals = (i == 0 ? 1u : 0u) + (l->cells != 0 ? 2u : 0u);
        exec_linear(l, v.x, v.count, v.acc);
        if (i > 0) exec_linear(l, v.noise, v.count, v.sum);
        for (size_t b = 0; b < v.count; b++) {
            if (normals > 0) {
                TRY(stream_restart(random, s->seed, RANDOM_SIMULATION, (v.first + b) * CIRCUIT_MAX_LAYERS + i));
                TRY(stream_normal_vartime(random, v.normal, normals * l->out));
            }
            for (size_t o = 0; o < l->out; o++) simulate_neuron(s, i, o, b, v.normal, &v);
        }
    }
    return ANNULUS_OK;
}

static annulus_status simulation_init(simulation *s, unsigned workers)
{
    const circuit *c = s->c;
    const circuit_layer *first = &c->layers[0];
    void *q;
    for (size_t i = 0; i < c->layers_count; i++) {
        if (c->layers[i].cells == 0) continue;
        s->rotate_std[i] = sqrt(noise_blind_rotate(&c->choice.families.of[c->layers[i].family]));
        s->phase_std[i] = sqrt(circuit_switch_noise(c, i));
    }
    TRY(mem_create(first->out, sizeof(double), "simulation", &q));
    s->fresh_std = q;
    for (size_t o = 0; o < first->out; o++) {
        double norm2 = 0;
        for (size_t i = 0; i < first->in; i++)
            norm2 += (double)first->W[o * first->in + i] * first->W[o * first->in + i];
        s->fresh_std[o] = sqrt(norm2 * noise_fresh(circuit_inputs(c)));
    }
    TRY(mem_create((c->layers_count + 1) * s->widest, 1, "simulation", &q));
    unsigned char *noisy = q;
    s->noisy = noisy;
    memset(noisy, 1, c->input.features);
    for (size_t i = 0; i < c->layers_count; i++)
        for (size_t o = 0; o < c->layers[i].out; o++)
            noisy[(i + 1) * s->widest + o] = exec_noisy(&c->layers[i], o, noisy + i * s->widest);
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
    mem_free(s.noisy);
    return st;
}

annulus_status exec_simulate(const circuit *c, const int32_t *x, size_t count, const seed256 *seed, unsigned threads,
                             double *out, exec_stats *stats)
{
    return exec_simulate_observed(c, x, count, seed, threads, NULL, out, stats);
}
