/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/latency.h"

#include "circuit/exec_priv.h"
#include "circuit/intake.h"
#include "optimizer/optimizer_split.h"
#include "tfhe/split.h"
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

/* Of `each` ciphertexts by one of the families of split look-ups, in turns as split_batch takes them. */
static double turns_seconds(const tfhe_params *p, uint32_t EF, uint32_t price, size_t jobs, unsigned workers,
                            double each)
{
    const double turns = ceil(each / (double)bootstrap_share_of(p, EF, jobs, workers).together);
    return cost_keyswitches(p, each) + turns * cost_rotations(p, EF, price, each / turns);
}

static double split_seconds_of(const tfhe_families *f, const circuit_layer *l, size_t jobs, unsigned workers)
{
    const tfhe_params *low = &f->of[TFHE_LOW], *high = &f->of[TFHE_HIGH];
    const bootstrap_share s = bootstrap_share_of(high, 1, jobs, workers);
    const double items = (double)s.items / s.active, each = (double)busiest(jobs, s.active) / items;
    const double reads = l->split * cost_crowd_reads(low, s.active, parallel_threads(0)) +
                         cost_crowd_reads(high, s.active, parallel_threads(0));
    return items * (l->split * turns_seconds(low, 1, 0, jobs, workers, each) +
                    turns_seconds(high, l->EF, l->price, jobs, workers, each) +
                    each * split_choose_seconds(f, l->cells, l->split) + reads);
}

static double look_ups_seconds(const tfhe_families *f, uint32_t from, const circuit_layer *l, unsigned workers)
{
    const tfhe_params *p = &f->of[l->family], keyswitch = tfhe_switch_params(f, from, l->family);
    const size_t slice = exec_slice(l->EF, workers), slices = (l->out + slice - 1) / slice;
    double seconds = 0;
    for (size_t i = 0; i < slices; i++) {
        const size_t count = l->out * (i + 1) / slices - l->out * i / slices;
        if (l->split > 0) {
            seconds += split_seconds_of(f, l, count, workers);
            continue;
        }
        const bootstrap_share s = bootstrap_share_of(p, l->EF, count, workers);
        if (s.items > 0) seconds += items_seconds(&keyswitch, p, l, &s, count - s.shared);
        if (s.shared > 0) seconds += team_seconds(&keyswitch, p, l, s.shared, workers);
    }
    return seconds;
}

/* Of so many weights. */
static double linear_seconds(const tfhe_params *p, double weights, unsigned workers)
{
    const size_t words = tfhe_big_dim(p) + 1, items = words / EXEC_COLUMNS;
    const size_t longest = busiest(items, workers) * EXEC_COLUMNS + (items % workers == 0 ? words % EXEC_COLUMNS : 0);
    return cost_weight(p) * weights * (double)longest / (double)words;
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
        const uint32_t from = circuit_source(c, i);
        const tfhe_params *p = &f->of[from];
        const int packed = l->packed.groups > 0;
        double seconds = linear_seconds(p, intake_linear_weights(c, i, packed), workers);
        if (packed) seconds += intake_seconds(p, &l->packed, workers);
        if (i == 0 && !c->inputs_packed)
            seconds += cost_weight(p) * cost_expand_weights() * (double)busiest(c->input.features, workers);
        if (l->cells == 0 && f->answers.bits > 0) seconds += packing_seconds(f, l->out, workers);
        if (l->cells != 0) seconds += look_ups_seconds(f, from, l, workers);
        seconds *= crowd;
        if (layers != NULL) layers[i] = seconds;
        all += seconds;
    }
    return all;
}
