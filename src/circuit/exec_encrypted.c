/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"
#include "math/matrix.h"
#include "math/torus.h"
#include "tfhe/bootstrap.h"

#include <string.h>

typedef struct plan_layer {
    lut **tables;       /* (circuit_tables), NULL for the output layer */
    uint64_t *constant; /* (out) torus word added to the body: shift, or offset and half a unit, centres of the tables
                           before */
} plan_layer;

struct exec_plan {
    const circuit *c;
    plan_layer *layers;
};

static annulus_status plan_constants(const circuit *c, size_t i, plan_layer *out)
{
    const circuit_layer *l = &c->layers[i];
    const uint64_t unit = exec_unit_word(l);
    void *p;
    TRY(mem_create(l->out, sizeof(uint64_t), "circuit constants", &p));
    out->constant = p;
    for (size_t o = 0; o < l->out; o++) {
        const int native = l->unit != 0;
        int64_t halves = native ? 0 : 2 * l->offset[o] + (l->cells != 0); /* hidden: the middle of the unit */
        for (size_t k = 0; i > 0 && k < l->in; k++)
            halves += l->W[o * l->in + k] * circuit_mid2(l - 1, k / (l - 1)->offsets);
        out->constant[o] = (uint64_t)halves * (unit / 2) + (native ? l->shift[o] : 0);
    }
    return ANNULUS_OK;
}

static annulus_status plan_tables(const circuit *c, size_t i, plan_layer *out)
{
    const circuit_layer *l = &c->layers[i];
    const uint64_t half = exec_unit_word(l + 1) / 2;
    void *p;
    TRY(mem_create(circuit_tables(l), sizeof(lut *), "circuit tables", &p));
    out->tables = p;
    uint64_t entries[CIRCUIT_MAX_CELLS];
    for (size_t o = 0; o < circuit_tables(l); o++) {
        for (size_t x = 0; x < l->cells; x++)
            entries[x] = (uint64_t)(2 * (int64_t)l->table[o * l->cells + x] - circuit_mid2(l, o)) * half;
        TRY(lut_create_padded(c->choice.families.of[l->family].N, l->EF, entries, l->cells, 0, &out->tables[o]));
        TRY(lut_set_price(out->tables[o], l->price));
    }
    return ANNULUS_OK;
}

annulus_status exec_plan_create(const circuit *c, exec_plan **out)
{
    void *p, *layers = NULL;
    TRY(mem_create(1, sizeof(exec_plan), "execution plan", &p));
    exec_plan *plan = p;
    plan->c = c;
    annulus_status st = mem_create(c->layers_count, sizeof(plan_layer), "execution plan", &layers);
    plan->layers = layers;
    for (size_t i = 0; st == ANNULUS_OK && i < c->layers_count; i++) {
        st = plan_constants(c, i, &plan->layers[i]);
        if (st == ANNULUS_OK && c->layers[i].cells != 0) st = plan_tables(c, i, &plan->layers[i]);
    }
    if (st == ANNULUS_OK)
        *out = plan;
    else
        exec_plan_destroy(plan);
    return st;
}

void exec_plan_destroy(exec_plan *plan)
{
    if (plan == NULL) return;
    for (size_t i = 0; plan->layers != NULL && i < plan->c->layers_count; i++) {
        lut **tables = plan->layers[i].tables;
        for (size_t o = 0; tables != NULL && o < circuit_tables(&plan->c->layers[i]); o++) lut_destroy(tables[o]);
        mem_free(tables);
        mem_free(plan->layers[i].constant);
    }
    mem_free(plan->layers);
    mem_free(plan);
}

void exec_encode(const circuit *c, const int32_t *q, uint64_t *out)
{
    const uint64_t unit = exec_unit_word(&c->layers[0]);
    for (size_t i = 0; i < c->input.features; i++) out[i] = (uint64_t)(int64_t)q[i] * unit;
}

void exec_decode(const circuit *c, const uint64_t *phase, double *acc)
{
    const circuit_layer *l = circuit_last(c);
    for (size_t o = 0; o < l->out; o++) acc[o] = torus_to_double(phase[o]) * (double)l->period - (double)l->offset[o];
}

void exec_values(const circuit *c, const double *acc, double *values)
{
    const circuit_layer *l = circuit_last(c);
    const int exact = circuit_exact_output(c);
    for (size_t o = 0; o < l->out; o++)
        values[o] = l->real_scale[o] * (exact ? floor(acc[o] + 0.5) : acc[o]) + l->real_bias[o];
}

typedef struct linear_run {
    const circuit_layer *l;
    const uint64_t *in;
    uint64_t *out;
    size_t words;
} linear_run;

static annulus_status linear_columns(void *context, size_t item, unsigned worker)
{
    (void)worker;
    const linear_run *run = context;
    const size_t first = item * EXEC_COLUMNS, left = run->words - first;
    matrix_mul_add_u64(run->out + first, run->words, run->l->W, run->l->out, run->l->in, run->in + first, run->words,
                       left < EXEC_COLUMNS ? left : EXEC_COLUMNS);
    return ANNULUS_OK;
}

/* out (out, words) <- W in + constants */
static annulus_status linear(const circuit_layer *l, const uint64_t *constant, const uint64_t *in, uint64_t *out,
                             size_t words, unsigned threads)
{
    linear_run run = {.l = l, .in = in, .out = out, .words = words};
    memset(out, 0, l->out * words * sizeof *out);
    TRY(parallel_for((words + EXEC_COLUMNS - 1) / EXEC_COLUMNS, threads, linear_columns, &run));
    for (size_t o = 0; o < l->out; o++) out[o * words + words - 1] += constant[o];
    return ANNULUS_OK;
}

static annulus_status look_ups(const exec_plan *plan, size_t i, const eval_key_set *keys, const uint64_t *in,
                               uint64_t *out, unsigned threads, const annulus_progress *progress)
{
    const size_t before = circuit_rotations_before(plan->c, i),
                 all = circuit_rotations_before(plan->c, plan->c->layers_count);
    const circuit_layer *l = &plan->c->layers[i];
    const uint32_t source = circuit_source(plan->c, i);
    const eval_key *key = keys->of[l->family];
    const switching_key *from = eval_key_set_switching(keys, source, l->family);
    const size_t words = lwe_words(&keys->families.of[source]), words_out = lwe_words(&keys->families.of[l->family]);
    const size_t slice = exec_slice(l->EF, threads), slices = (l->out + slice - 1) / slice;
    const uint32_t steps_a_cell = l->EF * keys->families.of[l->family].N / l->cells; /* whole, if offsets > 1 */
    uint32_t extracted[CIRCUIT_MAX_OFFSETS];
    void *p;
    REQUIRE(from != NULL);
    for (uint32_t j = 0; j < l->offsets; j++) extracted[j] = circuit_offset(l, j) * steps_a_cell;
    TRY(mem_create(l->out, sizeof(bootstrap_job), "look-ups", &p));
    bootstrap_job *jobs = p;
    for (size_t o = 0; o < l->out; o++)
        jobs[o] = (bootstrap_job){.in = in + o * words,
                                  .table = plan->layers[i].tables[l->unit != 0 ? 0 : o],
                                  .out = out + o * l->offsets * words_out};
    annulus_status st = ANNULUS_OK;
    for (size_t s = 0; st == ANNULUS_OK && s < slices; s++) {
        const size_t o = l->out * s / slices, next = l->out * (s + 1) / slices;
        st = progress_report(progress, l->name, before + o, all);
        if (st == ANNULUS_OK) st = bootstrap_batch(key, from, jobs + o, next - o, extracted, l->offsets, threads);
    }
    if (st == ANNULUS_OK) st = progress_report(progress, l->name, before + l->out, all);
    mem_free(jobs);
    return st;
}

/* Words of the ciphertexts of a layer's sums, or values, of the layer that has most. */
static size_t most_room(const circuit *c)
{
    const tfhe_families *f = &c->choice.families;
    size_t most = 0;
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const size_t sums = l->out * lwe_words(&f->of[circuit_source(c, i)]);
        const size_t values = circuit_values(l) * lwe_words(&f->of[l->family]), room = sums > values ? sums : values;
        most = room > most ? room : most;
    }
    return most;
}

annulus_status exec_encrypted_tapped(const exec_plan *plan, const eval_key_set *keys, size_t first, const uint64_t *in,
                                     uint64_t *out, unsigned threads, const exec_tap *tap,
                                     const annulus_progress *progress)
{
    const circuit *c = plan->c;
    REQUIRE(tfhe_families_equal(&keys->families, &c->choice.families));
    const size_t room = most_room(c);
    void *sums, *values = NULL;
    TRY(mem_create(room, sizeof(uint64_t), "ciphertexts", &sums));
    annulus_status st = mem_create(room, sizeof(uint64_t), "ciphertexts", &values);
    const uint64_t *x = in;
    for (size_t i = first; st == ANNULUS_OK && i < c->layers_count; i++) {
        const int last = i + 1 == c->layers_count;
        const size_t words = lwe_words(&c->choice.families.of[circuit_source(c, i)]);
        st = linear(&c->layers[i], plan->layers[i].constant, x, last ? out : sums, words, threads);
        if (st == ANNULUS_OK && tap != NULL && tap->sums != NULL)
            st = tap->sums(tap->context, i, last ? out : sums, threads);
        if (st == ANNULUS_OK && !last) st = look_ups(plan, i, keys, sums, values, threads, progress);
        if (st == ANNULUS_OK && !last && tap != NULL && tap->values != NULL) st = tap->values(tap->context, i, values);
        x = values;
    }
    mem_free(sums);
    mem_free(values);
    return st;
}

annulus_status exec_encrypted(const exec_plan *plan, const eval_key_set *keys, const uint64_t *in, uint64_t *out,
                              unsigned threads, const annulus_progress *progress)
{
    return exec_encrypted_tapped(plan, keys, 0, in, out, threads, NULL, progress);
}
