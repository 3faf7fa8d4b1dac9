/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "circuit/exec_priv.h"

#include <math.h>
#include <string.h>

typedef struct simulation {
    const circuit *c;
    const int32_t *x;
    double *out;
    const seed256 *seed;
    exec_stats *stats; /* per worker */
    stream **streams;
    unsigned char *memory;
    size_t worker_bytes, widest;
    double rotate_std;                    /* noise of a look-up's output, torus */
    double phase_std[CIRCUIT_MAX_LAYERS]; /* keyswitch and modulus switch of a layer's look-ups, torus */
    double *fresh_std;                    /* (first layer's outputs) fresh noise in its sums, torus */
} simulation;

/* What one worker works in: integer and noise part of the values at hand. */
typedef struct values {
    int64_t *acc;
    double *noise, *next_noise, *normal;
    int32_t *next;
} values;

static values worker_values(const simulation *s, unsigned worker)
{
    const size_t n = s->widest;
    int64_t *acc = (int64_t *)(void *)(s->memory + worker * s->worker_bytes);
    double *d = (double *)(acc + n);
    return (values){
        .acc = acc, .noise = d, .next_noise = d + n, .normal = d + 2 * n, .next = (int32_t *)(void *)(d + 3 * n)};
}

/* Torus noise of sum o: fresh noise in the first layer, the common noise of the look-ups before it in the others. */
static double sum_noise(const simulation *s, size_t layer, size_t o, const values *v)
{
    const circuit_layer *l = &s->c->layers[layer];
    if (layer == 0) return 0; /* added with the independent part */
    const int32_t *w = l->W + o * l->in;
    double sum = 0;
    for (size_t i = 0; i < l->in; i++) sum += w[i] * v->noise[i];
    return sum;
}

static annulus_status simulate_one(void *context, size_t sample, unsigned worker)
{
    const simulation *s = context;
    const circuit *c = s->c;
    stream *random = s->streams[worker];
    values v = worker_values(s, worker);
    const int32_t *x = s->x + sample * c->input.features;
    TRY(stream_restart(random, s->seed, RANDOM_SIMULATION, sample));
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const double unit = exec_unit(l);
        exec_linear(l, x, v.acc);
        TRY(stream_normal_vartime(random, v.normal, l->out));
        for (size_t o = 0; o < l->out; o++) {
            const double extra = i == 0 ? hypot(s->phase_std[0], s->fresh_std[o]) : s->phase_std[i];
            const double e = sum_noise(s, i, o, &v) + extra * v.normal[o];
            s->stats[worker].out_of_range[i] += v.acc[o] < l->lo[o] || v.acc[o] > l->hi[o];
            if (l->cells == 0) {
                s->out[sample * l->out + o] = (double)v.acc[o] + e / unit;
                continue;
            }
            const double at = ((double)(v.acc[o] + l->offset[o]) + 0.5) / (double)l->step;
            const int64_t cell = (int64_t)floor(at + e * 2.0 * l->cells);
            s->stats[worker].index_errors[i] += cell != (int64_t)floor(at);
            v.next[o] = exec_look_up(l, o, cell);
        }
        if (l->cells != 0) {
            TRY(stream_normal_vartime(random, v.next_noise, l->out));
            for (size_t o = 0; o < l->out; o++) v.noise[o] = s->rotate_std * v.next_noise[o];
        }
        x = v.next;
    }
    return ANNULUS_OK;
}

static annulus_status simulation_init(simulation *s, unsigned workers)
{
    const circuit *c = s->c;
    const tfhe_params *p = &c->choice.params;
    const circuit_layer *first = &c->layers[0];
    void *q;
    s->rotate_std = sqrt(noise_blind_rotate(p));
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].cells != 0)
            s->phase_std[i] = sqrt(noise_keyswitch(p) + noise_modulus_switch(p, c->layers[i].EF, c->layers[i].price));
    TRY(mem_create(first->out, sizeof(double), "simulation", &q));
    s->fresh_std = q;
    for (size_t o = 0; o < first->out; o++) {
        double norm2 = 0;
        for (size_t i = 0; i < first->in; i++)
            norm2 += (double)first->W[o * first->in + i] * first->W[o * first->in + i];
        s->fresh_std[o] = sqrt(norm2 * noise_fresh(p));
    }
    TRY(mem_create(workers, s->worker_bytes, "simulation", &q));
    s->memory = q;
    TRY(mem_create(workers, sizeof(stream *), "simulation", &q));
    s->streams = q;
    for (unsigned w = 0; w < workers; w++) TRY(stream_create(s->seed, RANDOM_SIMULATION, 0, &s->streams[w]));
    return exec_stats_create(workers, &s->stats);
}

annulus_status exec_simulate(const circuit *c, const int32_t *x, size_t count, const seed256 *seed, unsigned threads,
                             double *out, exec_stats *stats)
{
    const unsigned workers = parallel_threads(threads);
    simulation s = {.c = c, .x = x, .out = out, .seed = seed, .widest = exec_widest(c)};
    s.worker_bytes = ROUND_UP(s.widest * (sizeof(int64_t) + 3 * sizeof(double) + sizeof(int32_t)));
    annulus_status st = simulation_init(&s, workers);
    if (st == ANNULUS_OK) st = parallel_for(count, threads, simulate_one, &s);
    if (s.stats != NULL) exec_stats_merge(st == ANNULUS_OK ? stats : NULL, s.stats, workers);
    for (unsigned w = 0; s.streams != NULL && w < workers; w++) stream_destroy(s.streams[w]);
    mem_free(s.streams);
    mem_free(s.memory);
    mem_free(s.fresh_std);
    return st;
}
