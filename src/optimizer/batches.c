/* SPDX-License-Identifier: Apache-2.0 */
#include "optimizer/batches.h"

#include "base/parallel.h"
#include "optimizer/optimizer_split.h"
#include "tfhe/answers.h"
#include "tfhe/bootstrap.h"

#include <math.h>

/* What a member of a team needs for its part of a step beyond computing: what it takes in from its neighbour's cache,
 * and two barriers (docs/performance.md). */
#define TEAM_STEP 4.5e-6

size_t batches_slice(uint32_t EF, unsigned threads)
{
    return (EF <= 8 ? 32 : 256 / EF) * (size_t)parallel_threads(threads);
}

/* All items of a layer's look-ups but the team's, jobs: of the busiest worker. */
static double items_seconds(const tfhe_params *keyswitch, const tfhe_params *p, const layer_choice *c,
                            const bootstrap_share *s, size_t jobs)
{
    const double items = (double)s->items / s->active, each = (double)parallel_busiest(jobs, s->active) / items;
    const double turns = ceil(each / (double)s->together);
    return items * (cost_keyswitches(keyswitch, each) + turns * cost_rotations(p, c->EF, c->price, each / turns) +
                    cost_crowd_reads(p, s->active, parallel_threads(0)));
}

static double team_seconds(const tfhe_params *keyswitch, const tfhe_params *p, const layer_choice *c, size_t jobs,
                           unsigned workers)
{
    const double together = cost_rotations(p, c->EF, c->price, (double)jobs) / workers;
    return cost_keyswitches(keyswitch, 1) + together + (double)tfhe_steps(p) * TEAM_STEP;
}

/* Of `each` ciphertexts by one of the families of split look-ups, in turns as split_batch takes them. */
static double turns_seconds(const tfhe_params *p, uint32_t EF, uint32_t price, size_t jobs, unsigned workers,
                            double each)
{
    const double turns = ceil(each / (double)bootstrap_share_of(p, EF, jobs, workers).together);
    return cost_keyswitches(p, each) + turns * cost_rotations(p, EF, price, each / turns);
}

static double split_seconds_of(const tfhe_families *f, const layer_choice *c, double cells, size_t jobs,
                               unsigned workers)
{
    const tfhe_params *low = &f->of[TFHE_LOW], *high = &f->of[TFHE_HIGH];
    const bootstrap_share s = bootstrap_share_of(high, 1, jobs, workers);
    const double items = (double)s.items / s.active, each = (double)parallel_busiest(jobs, s.active) / items;
    const double reads = c->split * cost_crowd_reads(low, s.active, parallel_threads(0)) +
                         cost_crowd_reads(high, s.active, parallel_threads(0));
    return items * (c->split * turns_seconds(low, 1, 0, jobs, workers, each) +
                    turns_seconds(high, c->EF, c->price, jobs, workers, each) +
                    each * split_choose_seconds(f, cells, c->split) + reads);
}

static double slice_seconds(const tfhe_families *f, uint32_t from, const layer_choice *c, double cells, size_t count,
                            unsigned workers)
{
    const tfhe_params *p = &f->of[c->family], keyswitch = tfhe_switch_params(f, from, c->family);
    double seconds = 0;
    if (c->split > 0) return split_seconds_of(f, c, cells, count, workers);
    const bootstrap_share s = bootstrap_share_of(p, c->EF, count, workers);
    if (s.items > 0) seconds += items_seconds(&keyswitch, p, c, &s, count - s.shared);
    if (s.shared > 0) seconds += team_seconds(&keyswitch, p, c, s.shared, workers);
    return seconds;
}

/* Slices differ by one look-up at most. */
double batches_look_ups(const tfhe_families *f, uint32_t from, const layer_choice *c, double cells, size_t count,
                        unsigned workers)
{
    const size_t slice = batches_slice(c->EF, workers), slices = (count + slice - 1) / slice;
    const size_t less = count / slices, more = count % slices;
    double seconds = (double)(slices - more) * slice_seconds(f, from, c, cells, less, workers);
    if (more > 0) seconds += (double)more * slice_seconds(f, from, c, cells, less + 1, workers);
    return seconds;
}

double batches_linear(const tfhe_params *p, double weights, unsigned workers)
{
    const size_t words = tfhe_big_dim(p) + 1, items = words / BATCHES_COLUMNS;
    const size_t rest = items % workers == 0 ? words % BATCHES_COLUMNS : 0;
    const size_t longest = parallel_busiest(items, workers) * BATCHES_COLUMNS + rest;
    return cost_weight(p) * weights * (double)longest / (double)words;
}

/* Items as answers_pack makes them. */
double batches_answers(const tfhe_families *f, size_t count, unsigned workers)
{
    const tfhe_params p = tfhe_answers_params(f);
    const size_t parts = count * f->answers.parts, each = answers_together(parts, workers);
    const size_t items = (parts + each - 1) / each;
    return (double)parallel_busiest(items, workers) * cost_keyswitches(&p, (double)each) +
           (double)tfhe_answers_groups(&f->answers, count) * cost_sent(&f->answers);
}

double batches_seconds(const optimizer_request *q, const optimizer_result *r)
{
    const unsigned workers = parallel_threads(q->threads);
    double seconds = 0;
    for (size_t i = 0; i < q->layers_count; i++) {
        const lookup_layer *l = &q->layers[i];
        const size_t source = q->links == NULL ? i : q->links[i].source;
        const uint32_t from = r->layers[source == 0 ? 0 : source - 1].family;
        seconds += batches_linear(&r->families.of[from], l->weights, workers);
        if (!l->is_output)
            seconds += batches_look_ups(&r->families, from, &r->layers[i], l->cells, l->count, workers);
        else if (r->families.answers.bits > 0)
            seconds += batches_answers(&r->families, l->count, workers);
    }
    return seconds * cost_crowd(workers, parallel_threads(0));
}
