/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/latency.h"

#include "circuit/exec_priv.h"
#include "tfhe/bootstrap.h"
#include <math.h>

/* What a member of a team needs for its part of a step beyond computing: what it takes in from its neighbour's cache,
 * and two barriers (docs/performance.md). */
#define TEAM_STEP 4.5e-6

/* Of `count` equal items that workers take one by one, those of the worker that has most. */
static size_t busiest(size_t count, unsigned workers)
{
    return (count + workers - 1) / workers;
}

/* All items of a layer's look-ups but the team's, jobs: of the busiest worker. */
static double items_seconds(const tfhe_params *keyswitch, const tfhe_params *p, const circuit_layer *l,
                            const bootstrap_share *s, size_t jobs)
{
    const double items = (double)s->items / s->active, each = (double)busiest(jobs, s->active) / items;
    const double turns = ceil(each / (double)s->together);
    return items * (cost_keyswitches(keyswitch, each) + turns * cost_rotations(p, l->EF, l->price, each / turns) +
                    cost_crowd_reads(p, s->active, parallel_threads(0)));
}

static double team_seconds(const tfhe_params *keyswitch, const tfhe_params *p, const circuit_layer *l, size_t jobs,
                           unsigned workers)
{
    const double together = cost_rotations(p, l->EF, l->price, (double)jobs) / workers;
    return cost_keyswitches(keyswitch, 1) + together + (double)tfhe_steps(p) * TEAM_STEP;
}

static double look_ups_seconds(const tfhe_params *keyswitch, const tfhe_params *p, const circuit_layer *l,
                               unsigned workers)
{
    const size_t slice = exec_slice(l->EF, workers), slices = (l->out + slice - 1) / slice;
    double seconds = 0;
    for (size_t i = 0; i < slices; i++) {
        const size_t count = l->out * (i + 1) / slices - l->out * i / slices;
        const bootstrap_share s = bootstrap_share_of(p, l->EF, count, workers);
        if (s.items > 0) seconds += items_seconds(keyswitch, p, l, &s, count - s.shared);
        if (s.shared > 0) seconds += team_seconds(keyswitch, p, l, s.shared, workers);
    }
    return seconds;
}

static double linear_seconds(const tfhe_params *p, const circuit_layer *l, unsigned workers)
{
    const size_t words = tfhe_big_dim(p) + 1, items = words / EXEC_COLUMNS;
    const size_t longest = busiest(items, workers) * EXEC_COLUMNS + (items % workers == 0 ? words % EXEC_COLUMNS : 0);
    return cost_weight(p) * circuit_linear_weights(l) * (double)longest / (double)words;
}

/* Items as answers_pack makes them. */
static double packing_seconds(const tfhe_families *f, size_t count, unsigned workers)
{
    const tfhe_params p = tfhe_answers_params(f);
    const size_t each = answers_each(count, workers), items = (count + each - 1) / each;
    return (double)busiest(items, workers) * cost_keyswitches(&p, (double)each);
}

double circuit_seconds(const circuit *c, unsigned threads, double *layers)
{
    const tfhe_families *f = &c->choice.families;
    const unsigned workers = parallel_threads(threads);
    const double crowd = cost_crowd(workers, parallel_threads(0));
    double all = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const uint32_t from = circuit_source(c, i), own = l->family;
        const tfhe_params *p = &f->of[from], keyswitch = tfhe_switch_params(f, from, own);
        const int packed = i == 0 && circuit_packs_inputs(c);
        double seconds = packed ? cost_packed(p, busiest(l->out, workers), l->in) : linear_seconds(p, l, workers);
        if (i == 0 && !packed)
            seconds += cost_weight(p) * cost_expand_weights() * (double)busiest(c->input.features, workers);
        if (l->cells == 0 && f->answers.bits > 0) seconds += packing_seconds(f, l->out, workers);
        if (l->cells != 0) seconds += look_ups_seconds(&keyswitch, &f->of[own], l, workers);
        seconds *= crowd;
        if (layers != NULL) layers[i] = seconds;
        all += seconds;
    }
    return all;
}
