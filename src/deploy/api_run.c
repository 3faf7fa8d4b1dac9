/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/memory.h"
#include "circuit/footprint.h"
#include "deploy/checkpoint.h"

#include <string.h>
#include <sys/stat.h>

_Static_assert(ANNULUS_MAX_TOGETHER == EXEC_MOST_TOGETHER, "samples that run together");

void annulus_run_options_init(annulus_run_options *o)
{
    *o = (annulus_run_options){.threads = 0};
}

/* What a run that goes on from its file holds of it, at most, until the samples that it had are done. */
static size_t resumed_bytes(const char *path)
{
    struct stat file;
    if (path == NULL || stat(path, &file) != 0 || !S_ISREG(file.st_mode)) return 0;
    return (size_t)file.st_size;
}

size_t annulus_circuit_memory(const annulus_circuit *c, size_t samples, const annulus_run_options *o)
{
    annulus_run_options usual;
    annulus_run_options_init(&usual);
    if (o == NULL) o = &usual;
    return circuit_footprint(c->c, samples, o->together, o->threads, o->checkpoint != NULL).peak +
           resumed_bytes(o->checkpoint);
}

/* A run of all samples, and how far it is. */
typedef struct run {
    const circuit *c;
    const annulus_evaluation_key *k;
    const annulus_input *x;
    annulus_output *y;
    exec_plan *plan;
    exec_memory *memory;
    uint64_t *sums; /* (together, outputs, lwe_words of circuit_outputs) */
    size_t together;
    unsigned threads;
    const annulus_progress *progress;
    double *seconds;
    checkpoint state;
} run;

static annulus_status keep_values(void *context, size_t next, const exec_ciphertexts *live, size_t count)
{
    run *r = context;
    return checkpoint_keep(&r->state, r->y, next, live, count);
}

static annulus_status keep_stopped(void *context, size_t next, const exec_ciphertexts *live, size_t count)
{
    run *r = context;
    return checkpoint_stop(&r->state, r->y, next, live, count);
}

/* The samples from the state's on that run together. */
static annulus_status run_group(run *r)
{
    checkpoint *s = &r->state;
    const size_t first = s->sample, left = r->x->count - first;
    const exec_tap tap = {.values = keep_values, .stopped = keep_stopped, .context = r};
    exec_inputs in[EXEC_MOST_TOGETHER];
    if (s->layer == 0) s->together = left < r->together ? left : r->together;
    exec_part part = {r->progress, r->x->count, first, s->together};
    const annulus_progress progress = {exec_report_part, &part};
    for (size_t i = 0; i < s->together; i++)
        in[i] = (exec_inputs){&r->x->seeds[first + i], r->x->body + (first + i) * r->x->features};
    if (s->layer == 0)
        TRY(exec_encrypted(r->plan, r->k->expanded, r->memory, in, s->together, r->sums, r->threads, &tap, &progress));
    else
        TRY(exec_encrypted_from(r->plan, r->k->expanded, r->memory, s->layer, in, s->values, s->together, r->sums,
                                r->threads, &tap, &progress));
    TRY(exec_pack_answers(r->c, r->k->expanded, r->sums, s->together, r->threads, r->y->answers + first * r->y->bytes));
    checkpoint_close(s);
    s->layer = 0;
    s->sample += s->together;
    return checkpoint_keep(s, r->y, 0, NULL, 0);
}

/* Between samples, or where a checkpoint stands. */
static annulus_status report_inputs(run *r)
{
    size_t layers[CIRCUIT_MAX_LAYERS];
    const size_t each = exec_units(r->c, r->threads, layers);
    size_t done = r->state.sample * each;
    for (size_t i = 0; i < r->state.layer; i++) done += r->state.together * layers[i];
    const annulus_status st = progress_report(r->progress, ANNULUS_PROGRESS_RUN, done, r->x->count * each);
    if (st == ANNULUS_ERR_CANCELLED && r->state.layer == 0) TRY(checkpoint_stop(&r->state, r->y, 0, NULL, 0));
    return st;
}

static annulus_status run_groups(run *r)
{
    while (r->state.sample < r->x->count) {
        const double start = clock_seconds(CLOCK_MONOTONIC);
        const size_t first = r->state.sample;
        TRY(report_inputs(r));
        TRY(run_group(r));
        const double each = (clock_seconds(CLOCK_MONOTONIC) - start) / (double)(r->state.sample - first);
        for (size_t i = first; r->seconds != NULL && i < r->state.sample; i++) r->seconds[i] = each;
    }
    return report_inputs(r);
}

static annulus_status run_samples(run *r)
{
    const size_t kept = r->state.layer != 0 ? r->state.together : 0;
    const size_t most = kept > r->together ? kept : r->together;
    void *sums;
    TRY(mem_create(most * r->y->outputs * lwe_words(circuit_outputs(r->c)), sizeof(uint64_t), "ciphertexts", &sums));
    r->sums = sums;
    annulus_status st = exec_memory_create(r->c, most, &r->memory);
    if (st == ANNULUS_OK) st = exec_plan_create(r->c, &r->plan);
    if (st == ANNULUS_OK) st = run_groups(r);
    exec_plan_destroy(r->plan);
    exec_memory_destroy(r->memory);
    mem_free(sums);
    return st;
}

annulus_status annulus_run(const annulus_circuit *c, const annulus_evaluation_key *k, const annulus_input *x,
                           const annulus_run_options *options, const annulus_progress *progress, double *seconds,
                           annulus_output **out)
{
    annulus_output *y = NULL;
    void *times = NULL;
    annulus_run_options o;
    annulus_run_options_init(&o);
    if (options != NULL) o = *options;
    if (o.together > EXEC_MOST_TOGETHER)
        return fail(ANNULUS_ERR_INPUT, "at most %u samples can run together, not %zu", EXEC_MOST_TOGETHER, o.together);
    TRY(evaluation_key_check(&k->of, &k->expanded->families, c->c));
    TRY(binding_check_circuit(&x->of, c->c, "the encrypted input"));
    TRY(binding_check_key(&k->of, "the evaluation key", &x->of, "the encrypted input"));
    if (x->features != c->c->input.features)
        return fail(ANNULUS_ERR_INPUT,
                    "the encrypted input has %zu values a sample, the circuit takes %zu: encrypt again", x->features,
                    c->c->input.features);
    if (x->bits < c->c->input_bits)
        return fail(ANNULUS_ERR_INPUT, "the encrypted input has values of %u bits, the circuit takes %u: encrypt again",
                    x->bits, c->c->input_bits);
    TRY(output_create(&x->of, x->count, circuit_last(c->c)->out, exec_answer_bytes(c->c), &y));
    annulus_status st = ANNULUS_OK;
    if (seconds != NULL) st = mem_create(x->count, sizeof *seconds, "times", &times);
    run r = {.c = c->c, .k = k, .x = x, .y = y, .threads = o.threads, .progress = progress, .seconds = times};
    if (st == ANNULUS_OK) st = checkpoint_open(o.checkpoint, c->c, x, y, &r.state);
    r.together = exec_group(c->c, x->count, o.together, o.threads);
    if (st == ANNULUS_OK) st = run_samples(&r);
    checkpoint_close(&r.state);
    if (st == ANNULUS_OK) {
        *out = y;
        if (seconds != NULL) memcpy(seconds, times, x->count * sizeof *seconds);
    } else
        annulus_output_destroy(y);
    mem_free(times);
    return st;
}
