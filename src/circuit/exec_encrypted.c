/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"
#include "circuit/intake.h"
#include "circuit/latency.h"
#include "circuit/mix.h"
#include "math/torus.h"
#include "tfhe/split.h"

#include <string.h>

typedef struct plan_layer {
    lut **tables;         /* (tables + 1), NULL for the output layer; the last: of MIX_STEP; NULL: not rotated */
    split_table **splits; /* (tables) of split look-ups, in place of those */
    mix *mix;             /* of a layer that reads several tables by one rotation, else NULL */
    uint64_t *constant;   /* (out) torus word added to the body: shift, or offset and half a unit, centres of the tables
                             before */
    packed_weights *packed; /* of the circuit's inputs, or NULL: it takes them one by one, or none */
} plan_layer;

struct exec_plan {
    const circuit *c;
    plan_layer *layers;
};

/* centre (in) <- mid2 of the layer's inputs, 0 of the circuit's. */
static void find_centres(const circuit *c, const circuit_layer *l, uint64_t *centre)
{
    for (size_t k = 0; k < l->sources_count; k++) {
        const uint32_t s = l->sources[k];
        const size_t count = circuit_source_values(c, s);
        for (size_t i = 0; s != 0 && i < count; i++) centre[i] = (uint64_t)circuit_value_mid2(&c->layers[s - 1], i);
        centre += count;
    }
}

static annulus_status plan_constants(const circuit *c, size_t i, plan_layer *out)
{
    const circuit_layer *l = &c->layers[i];
    const uint64_t unit = exec_unit_word(l);
    void *p;
    TRY(mem_create(l->out, sizeof(uint64_t), "circuit constants", &p));
    out->constant = p;
    TRY(mem_create(l->in * sizeof(uint64_t) + linear_room(&l->linear), 1, "circuit constants", &p));
    uint64_t *centre = p;
    const linear_rows inputs = {.x = centre, .count = l->in};
    find_centres(c, l, centre);
    linear_add(&l->linear, &inputs, 1, 1, out->constant, 1, 0, 1, centre + l->in);
    mem_free(p);
    for (size_t o = 0; o < l->out; o++) {
        const int native = l->unit != 0;
        const int64_t halves = native ? 0 : 2 * l->offset[o] + circuit_half_units(l);
        out->constant[o] = (out->constant[o] + (uint64_t)halves) * (unit / 2) + (native ? l->shift[o] : 0);
    }
    return ANNULUS_OK;
}

/* The terms of its values in steps of the rotation, and the table of MIX_STEP if it is rotated. */
static annulus_status plan_mix(const circuit *c, const circuit_layer *l, uint64_t half, plan_layer *out)
{
    const uint32_t N = c->choice.families.of[l->family].N;
    TRY(mix_create(l, circuit_cell_steps(l, N), l->EF, &out->mix));
    if (!out->mix->steps) return ANNULUS_OK;
    TRY(lut_create_padded(N, l->EF, &half, 1, 0, &out->tables[l->tables]));
    return lut_set_price(out->tables[l->tables], l->price);
}

static annulus_status plan_splits(const circuit *c, const circuit_layer *l, uint64_t half, plan_layer *out)
{
    uint32_t entries[CIRCUIT_MAX_CELLS];
    void *p;
    TRY(mem_create(l->tables, sizeof(split_table *), "circuit tables", &p));
    out->splits = p;
    for (size_t t = 0; t < l->tables; t++) {
        const int64_t mid2 = (int64_t)l->table[t * l->cells] + l->table[(t + 1) * l->cells - 1];
        circuit_split_entries(l, t, entries);
        TRY(split_table_create(c->choice.families.of[l->family].N, l->EF, l->price, l->split, entries, l->cells,
                               2 * half, (uint64_t)(-2 * CIRCUIT_MAX_VALUE - mid2) * half, &out->splits[t]));
    }
    return ANNULUS_OK;
}

static annulus_status plan_tables(const circuit *c, size_t i, plan_layer *out)
{
    const circuit_layer *l = &c->layers[i];
    const uint64_t half = exec_unit_word(&c->layers[circuit_first_use(c, i + 1)]) / 2;
    size_t rotated = l->tables;
    void *p;
    if (l->split > 0) return plan_splits(c, l, half, out);
    TRY(mem_create(l->tables + 1, sizeof(lut *), "circuit tables", &p));
    out->tables = p;
    if (mix_of(l)) {
        TRY(plan_mix(c, l, half, out));
        if (!out->mix->shifts) rotated = 0;
    }
    TRY(mem_create((size_t)l->cells << l->slot_bits, sizeof(uint64_t), "circuit tables", &p));
    uint64_t *entries = p; /* slots that no value has hold 0 */
    annulus_status st = ANNULUS_OK;
    for (size_t t = 0; st == ANNULUS_OK && t < rotated; t++) {
        const int32_t *list = l->table + t * circuit_table_entries(l);
        uint32_t base[CIRCUIT_MAX_OFFSETS];
        const size_t slots = circuit_shifts_slots(l) ? mix_slots(l, list, base) : circuit_slots_used(l);
        for (size_t j = 0; j < slots; j++) {
            const int32_t *table = list + (circuit_shifts_slots(l) ? base[j] : j) * l->cells;
            const int64_t centre = l->unit != 0 ? l->mid2 : (int64_t)table[0] + table[l->cells - 1];
            for (size_t x = 0; x < l->cells; x++)
                entries[j * l->cells + x] = (uint64_t)(2 * (int64_t)table[x] - centre) * half;
        }
        st = lut_create_slots(c->choice.families.of[l->family].N, l->EF, entries, l->cells, l->slot_bits,
                              &out->tables[t]);
        if (st == ANNULUS_OK) st = lut_set_price(out->tables[t], l->price);
    }
    mem_free(p);
    return st;
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
        if (st == ANNULUS_OK && c->layers[i].packed.groups > 0) st = intake_products(c, i, &plan->layers[i].packed);
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
        for (size_t t = 0; tables != NULL && t <= plan->c->layers[i].tables; t++) lut_destroy(tables[t]);
        mem_free(tables);
        split_table **splits = plan->layers[i].splits;
        for (size_t t = 0; splits != NULL && t < plan->c->layers[i].tables; t++) split_table_destroy(splits[t]);
        mem_free(splits);
        mix_destroy(plan->layers[i].mix);
        mem_free(plan->layers[i].constant);
        packed_weights_destroy(plan->layers[i].packed);
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
    const double unit = (double)exec_unit_word(l); /* what sums are in: 2^64 over the period, rounded */
    for (size_t o = 0; o < l->out; o++) acc[o] = (double)(int64_t)phase[o] / unit - (double)l->offset[o];
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
    const linear_rows *sources;
    uint64_t *out;
    unsigned char *room; /* per worker */
    size_t words, columns, room_bytes;
} linear_run;

static annulus_status linear_item(void *context, size_t item, unsigned worker)
{
    const linear_run *run = context;
    const size_t first = item * run->columns, left = run->words - first;
    linear_add(&run->l->linear, run->sources, run->l->sources_count, run->words, run->out, run->words, first,
               left < run->columns ? left : run->columns, run->room + worker * run->room_bytes);
    return ANNULUS_OK;
}

/* A run of some samples from one layer to the last. */
typedef struct encrypted_run {
    const exec_plan *plan;
    const eval_key_set *keys;
    const exec_memory *memory;
    size_t samples;
    unsigned threads;
    const exec_tap *tap;
    const annulus_progress *progress;
    const exec_inputs *in;                          /* (samples) */
    const uint64_t *values[CIRCUIT_MAX_LAYERS + 1]; /* of each source, (samples, count, exec_words) */
    size_t units[CIRCUIT_MAX_LAYERS];               /* of progress, of each layer */
} encrypted_run;

/* Values of a source, of all samples. */
static size_t values_of(const encrypted_run *r, size_t source)
{
    return r->samples * circuit_source_values(r->plan->c, source);
}

/* out (out, words of the sources) += W x of layer i, of one sample, but of inputs that it takes as they are packed */
static annulus_status add_products(const encrypted_run *r, size_t i, size_t sample, uint64_t *out)
{
    const circuit *c = r->plan->c;
    const circuit_layer *l = &c->layers[i];
    const size_t words = exec_words(c, l->sources[0]);
    linear_rows sources[CIRCUIT_MAX_LAYERS];
    void *room;
    for (size_t k = 0; k < l->sources_count; k++) {
        const int taken = l->sources[k] == 0 && r->plan->layers[i].packed != NULL;
        const size_t count = circuit_source_values(c, l->sources[k]);
        sources[k] = (linear_rows){.count = count};
        if (!taken) sources[k].x = r->values[l->sources[k]] + sample * count * words;
    }
    linear_run run = {.l = l, .sources = sources, .out = out, .words = words, .room_bytes = linear_room(&l->linear)};
    TRY(mem_create(parallel_threads(r->threads), run.room_bytes, "linear layer", &room));
    run.room = room;
    run.columns = linear_columns(&l->linear, words, parallel_threads(r->threads));
    const annulus_status st = parallel_for((words + run.columns - 1) / run.columns, r->threads, linear_item, &run);
    mem_free(room);
    return st;
}

/* out (samples, out, words of the sources) */
static annulus_status linear(const encrypted_run *r, size_t i, uint64_t *out)
{
    const circuit_layer *l = &r->plan->c->layers[i];
    const packed_weights *packed = r->plan->layers[i].packed;
    const size_t words = exec_words(r->plan->c, l->sources[0]);
    for (size_t s = 0; s < r->samples; s++, out += l->out * words) {
        if (packed != NULL)
            TRY(packed_sums(packed, r->in[s].mask_seed, r->in[s].body, r->threads, out));
        else
            memset(out, 0, l->out * words * sizeof *out);
        if (packed == NULL || l->sources_count > 1) TRY(add_products(r, i, s, out));
        for (size_t o = 0; o < l->out; o++) out[o * words + words - 1] += r->plan->layers[i].constant[o];
    }
    return ANNULUS_OK;
}

static split_keys exec_split_keys(const eval_key_set *keys)
{
    return (split_keys){.low = keys->of[TFHE_LOW], .high = keys->of[TFHE_HIGH], .merge = keys->merge};
}

/* Look-ups of one layer, in slices; those of one sample behind those of the one before. */
typedef struct slices {
    const circuit_layer *l;
    const eval_key *key;
    const switching_key *from;
    const uint64_t *sums; /* (samples, out, words) */
    uint64_t *out, *copy; /* (samples, circuit_values, words_out), (a slice, words) */
    bootstrap_job *jobs;  /* (a slice); NULL of split look-ups */
    split_job *splits;    /* (a slice) of those */
    split_keys split_keys;
    split_table *const *split_tables; /* (tables) */
    lut *const *tables;               /* (tables + 1) */
    const mix *mix;
    size_t words, words_out; /* of a sum, of a value */
    size_t extracted_count;
    uint32_t extracted[TFHE_MAX_EF];
} slices;

/* The coefficients that are the values of a rotation: shifts of its table, or slots; of a mix, those of all residues
 * modulo EF that its terms have. */
static void list_extracted(const circuit_layer *l, uint32_t steps_a_cell, slices *s)
{
    const uint32_t parts = steps_a_cell == 0 || l->EF <= steps_a_cell ? 1 : l->EF / steps_a_cell;
    s->extracted_count = s->mix != NULL ? parts : l->offsets;
    for (uint32_t j = 0; j < s->extracted_count; j++)
        s->extracted[j] = s->mix != NULL ? j * steps_a_cell : circuit_coefficient(l, j, steps_a_cell, l->EF);
}

/* Of sum `at` of all samples. */
static bootstrap_job job_of(const slices *s, size_t at, const uint64_t *in)
{
    const size_t V = s->l->offsets, o = at % s->l->out;
    bootstrap_job job = {.in = in, .out = s->out + at * V * s->words_out};
    if (s->mix == NULL) {
        job.table = s->tables[s->l->table_of[o]];
        return job;
    }
    job.table = s->tables[s->mix->rotated[o] == MIX_STEP ? s->l->tables : s->mix->rotated[o]];
    job.values = s->mix->values + o * V;
    job.values_count = V;
    return job;
}

static split_job split_of(const slices *s, size_t at, const uint64_t *in)
{
    return (split_job){
        .in = in, .table = s->split_tables[s->l->table_of[at % s->l->out]], .out = s->out + at * s->words_out};
}

/* The sums are copied: their memory may be that of the values. */
static annulus_status look_up_slice(const slices *s, size_t first, size_t count, unsigned threads)
{
    memcpy(s->copy, s->sums + first * s->words, count * s->words * sizeof *s->copy);
    for (size_t k = 0; s->splits != NULL && k < count; k++)
        s->splits[k] = split_of(s, first + k, s->copy + k * s->words);
    if (s->splits != NULL) return split_batch(&s->split_keys, s->splits, count, threads);
    for (size_t k = 0; k < count; k++) s->jobs[k] = job_of(s, first + k, s->copy + k * s->words);
    return bootstrap_batch(s->key, s->from, s->jobs, count, s->extracted, s->extracted_count, threads);
}

/* `part` of `parts` of the look-ups of layer i are done. */
static annulus_status report_part(const encrypted_run *r, size_t i, size_t part, size_t parts)
{
    size_t before = 0, all = 0;
    for (size_t k = 0; k < r->plan->c->layers_count; k++) {
        if (k == i) before = all;
        all += r->samples * r->units[k];
    }
    const size_t own = r->samples * r->units[i];
    const size_t done = part == parts ? own : (size_t)((double)own * (double)part / (double)parts);
    TRY(progress_report(r->progress, r->plan->c->layers[i].name, done, own));
    return progress_report(r->progress, ANNULUS_PROGRESS_RUN, before + done, all);
}

static annulus_status look_up_slices(const encrypted_run *r, size_t i, const slices *s, size_t parts)
{
    const size_t look_ups = r->samples * s->l->out;
    for (size_t k = 0; k < parts; k++) {
        const size_t q = look_ups * k / parts, next = look_ups * (k + 1) / parts;
        TRY(report_part(r, i, q, look_ups));
        TRY(look_up_slice(s, q, next - q, r->threads));
    }
    return report_part(r, i, look_ups, look_ups);
}

/* sums (samples, out, words of the sources) -> out (samples, circuit_values, words of the layer); the same memory if
 * each look-up gives one value, of as many words. */
static annulus_status look_ups(const encrypted_run *r, size_t i, const uint64_t *sums, uint64_t *out)
{
    const circuit *c = r->plan->c;
    const circuit_layer *l = &c->layers[i];
    const tfhe_params *p = &c->choice.families.of[l->family];
    const uint32_t steps_a_cell = circuit_cell_steps(l, p->N);
    const size_t rotations = r->samples * l->out, slice = batches_slice(l->EF, r->threads);
    const size_t parts = (rotations + slice - 1) / slice, most = (rotations + parts - 1) / parts;
    slices s = {.l = l,
                .key = r->keys->of[l->family],
                .from = eval_key_set_switching(r->keys, circuit_source(c, i), l->family),
                .sums = sums,
                .out = out,
                .tables = r->plan->layers[i].tables,
                .mix = r->plan->layers[i].mix,
                .split_keys = exec_split_keys(r->keys),
                .split_tables = r->plan->layers[i].splits,
                .words = exec_words(c, l->sources[0]),
                .words_out = exec_words(c, i + 1)};
    void *jobs, *copy = NULL;
    REQUIRE(s.from != NULL);
    list_extracted(l, steps_a_cell, &s);
    TRY(mem_create(most, l->split > 0 ? sizeof(split_job) : sizeof(bootstrap_job), "look-ups", &jobs));
    annulus_status st = mem_create(most * s.words, sizeof(uint64_t), "look-ups", &copy);
    if (l->split > 0)
        s.splits = jobs;
    else
        s.jobs = jobs;
    s.copy = copy;
    if (st == ANNULUS_OK) st = look_up_slices(r, i, &s, parts);
    mem_free(jobs);
    mem_free(copy);
    return st;
}

size_t exec_split_words(const circuit *c, size_t i)
{
    const tfhe_families *f = &c->choice.families;
    return c->layers[i].split * tfhe_exponents(&f->of[TFHE_LOW]) + tfhe_exponents(&f->of[TFHE_HIGH]);
}

annulus_status exec_split_exponents(const exec_plan *plan, const eval_key_set *keys, size_t i, const uint64_t *sums,
                                    unsigned threads, uint32_t *exponents)
{
    const circuit_layer *l = &plan->c->layers[i];
    const size_t words = exec_words(plan->c, i + 1), each = exec_split_words(plan->c, i);
    const split_keys of = exec_split_keys(keys);
    void *p;
    TRY(mem_create(l->out, words * sizeof(uint64_t) + sizeof(split_job), "look-ups", &p));
    split_job *jobs = p;
    uint64_t *out = (uint64_t *)(void *)(jobs + l->out);
    for (size_t o = 0; o < l->out; o++)
        jobs[o] = (split_job){.in = sums + o * words,
                              .table = plan->layers[i].splits[l->table_of[o]],
                              .out = out + o * words,
                              .exponents = exponents + o * each};
    const annulus_status st = split_batch(&of, jobs, l->out, threads);
    mem_free(p);
    return st;
}

static size_t live_values(const encrypted_run *r, size_t next, exec_ciphertexts live[CIRCUIT_MAX_LAYERS + 1])
{
    const circuit *c = r->plan->c;
    uint32_t sources[CIRCUIT_MAX_LAYERS + 1];
    const size_t count = next == 0 ? 0 : exec_live(c, next, sources);
    for (size_t k = 0; k < count; k++)
        live[k] = (exec_ciphertexts){.ct = r->values[sources[k]],
                                     .words = values_of(r, sources[k]) * exec_words(c, sources[k])};
    return count;
}

static annulus_status show_values(const encrypted_run *r, size_t next)
{
    exec_ciphertexts live[CIRCUIT_MAX_LAYERS + 1];
    if (r->tap == NULL || r->tap->values == NULL) return ANNULUS_OK;
    return r->tap->values(r->tap->context, next, live, live_values(r, next, live));
}

/* st: why layer i ended before its end. */
static annulus_status show_stopped(const encrypted_run *r, size_t i, annulus_status st)
{
    exec_ciphertexts live[CIRCUIT_MAX_LAYERS + 1];
    if (st != ANNULUS_ERR_CANCELLED || r->tap == NULL || r->tap->stopped == NULL) return st;
    if (!exec_memory_outlast(r->plan->c, r->memory, i)) return st;
    TRY(r->tap->stopped(r->tap->context, i, live, live_values(r, i, live)));
    return st;
}

/* A hidden layer: its values, in the place of its sums where both are as long. */
static annulus_status hidden_layer(encrypted_run *r, size_t i)
{
    uint64_t *sums = exec_memory_sums(r->memory, i), *values = exec_memory_values(r->memory, i + 1);
    TRY(linear(r, i, sums));
    if (r->tap != NULL && r->tap->sums != NULL) TRY(r->tap->sums(r->tap->context, i, sums, r->threads));
    TRY(look_ups(r, i, sums, values));
    r->values[i + 1] = values;
    return show_values(r, i + 1);
}

static annulus_status last_layer(const encrypted_run *r, uint64_t *out)
{
    const size_t i = r->plan->c->layers_count - 1;
    TRY(linear(r, i, out));
    return r->tap == NULL || r->tap->sums == NULL ? ANNULUS_OK : r->tap->sums(r->tap->context, i, out, r->threads);
}

static annulus_status run_layers(encrypted_run *r, size_t first, uint64_t *out)
{
    for (size_t i = first; i + 1 < r->plan->c->layers_count; i++) {
        const annulus_status st = hidden_layer(r, i);
        if (st != ANNULUS_OK) return show_stopped(r, i, st);
    }
    return last_layer(r, out);
}

static annulus_status expand_inputs(encrypted_run *r)
{
    const circuit *c = r->plan->c;
    const size_t features = c->input.features, words = exec_words(c, 0);
    uint64_t *x = exec_memory_values(r->memory, 0);
    r->values[0] = x;
    for (size_t s = 0; s < r->samples; s++)
        TRY(packed_expand(circuit_inputs(c), r->in[s].mask_seed, r->in[s].body, features, r->threads,
                          x + s * features * words));
    return ANNULUS_OK;
}

size_t exec_units(const circuit *c, unsigned threads, size_t *layers)
{
    double seconds[CIRCUIT_MAX_LAYERS];
    size_t all = 0;
    (void)circuit_seconds(c, threads, seconds);
    for (size_t i = 0; i < c->layers_count; i++) {
        const size_t units = 1 + (size_t)(1e6 * seconds[i]);
        if (layers != NULL) layers[i] = units;
        all += units;
    }
    return all;
}

int exec_report_part(void *context, const char *what, size_t done, size_t total)
{
    const exec_part *p = context;
    if (p->progress == NULL || p->progress->report == NULL) return 0;
    if (strcmp(what, ANNULUS_PROGRESS_RUN) == 0) {
        const size_t each = total / p->together;
        done += p->before * each;
        total = p->samples * each;
    }
    return p->progress->report(p->progress->context, what, done, total);
}

static encrypted_run begin(const exec_plan *plan, const eval_key_set *keys, const exec_memory *memory, size_t samples,
                           unsigned threads)
{
    REQUIRE(tfhe_families_equal(&keys->families, &plan->c->choice.families));
    REQUIRE(samples >= 1 && samples <= exec_memory_samples(memory));
    encrypted_run r = {.plan = plan, .keys = keys, .memory = memory, .samples = samples, .threads = threads};
    (void)exec_units(plan->c, threads, r.units);
    return r;
}

annulus_status exec_encrypted(const exec_plan *plan, const eval_key_set *keys, const exec_memory *memory,
                              const exec_inputs *in, size_t samples, uint64_t *out, unsigned threads,
                              const exec_tap *tap, const annulus_progress *progress)
{
    encrypted_run r = begin(plan, keys, memory, samples, threads);
    r.in = in, r.tap = tap, r.progress = progress;
    if (!plan->c->inputs_packed) TRY(expand_inputs(&r));
    return run_layers(&r, 0, out);
}

annulus_status exec_encrypted_from(const exec_plan *plan, const eval_key_set *keys, const exec_memory *memory,
                                   size_t first, const exec_inputs *in, const uint64_t *values, size_t samples,
                                   uint64_t *out, unsigned threads, const exec_tap *tap,
                                   const annulus_progress *progress)
{
    const circuit *c = plan->c;
    uint32_t sources[CIRCUIT_MAX_LAYERS + 1];
    encrypted_run r = begin(plan, keys, memory, samples, threads);
    r.in = in, r.tap = tap, r.progress = progress;
    REQUIRE(first >= 1);
    const size_t count = exec_live(c, first, sources);
    for (size_t k = 0; k < count; k++) {
        r.values[sources[k]] = values;
        values += values_of(&r, sources[k]) * exec_words(c, sources[k]);
    }
    return run_layers(&r, first, out);
}
