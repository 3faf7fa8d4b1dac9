/* SPDX-License-Identifier: Apache-2.0 */
/* The encrypted run under the eyes of who holds the secret keys. */
#include "base/memory.h"
#include "base/parallel.h"
#include "circuit/exec_priv.h"
#include "tfhe/bootstrap.h"
#include "tfhe/lwe.h"
#include "tfhe/split.h"

#include <math.h>

#define GROUP 32u /* ciphertexts that one work item switches */

typedef struct observation {
    const circuit *c;
    const exec_plan *plan;
    const eval_key_set *keys;
    const secret_key_set *secrets;
    const exec_observer *observer;
    size_t sample;
    exec_store store;
    uint64_t *x;     /* (store rows, EXEC_BATCH) integer values, in the first column */
    uint64_t *rest;  /* as x: torus words that values have besides (exec_split_answer) */
    void *room;      /* of linear layers */
    uint64_t *phase; /* (widest) of the sums of the layer at hand */
    uint64_t *sent;  /* (outputs) of the answers as they are sent */
    uint32_t *at;    /* (widest) step that its look-ups read */
    uint32_t *low;   /* (widest, SPLIT_MAX_LOW) what the levels of split ones read */
    size_t layer;
    const uint64_t *sums; /* (out, lwe_words) */
} observation;

static annulus_status switch_group(const observation *v, size_t first, size_t count)
{
    const circuit_layer *l = &v->c->layers[v->layer];
    const uint32_t source = circuit_source(v->c, v->layer);
    const secret_key *secret = v->secrets->of[l->family];
    const tfhe_params *p = &secret->params, slotted = tfhe_slotted(p, l->slot_bits);
    const size_t words = lwe_words(&v->secrets->of[source]->params), small = bootstrap_small_words(p);
    const uint64_t *in[GROUP];
    void *memory;
    TRY(mem_create(count * small + tfhe_exponents(p), sizeof(uint32_t), "switched ciphertexts", &memory));
    uint32_t *switched = memory, *exponents = switched + count * small;
    for (size_t q = 0; q < count; q++) in[q] = v->sums + (first + q) * words;
    const annulus_status st = keyswitch_batch(eval_key_set_switching(v->keys, source, l->family), in, count, switched);
    for (size_t q = 0; st == ANNULUS_OK && q < count; q++) {
        modulus_switch_centered(&slotted, l->EF, l->price, switched + q * small, exponents);
        v->at[first + q] = lwe_rotation_step(secret, l->EF, l->slot_bits, exponents);
    }
    mem_free(memory);
    return st;
}

static annulus_status decrypt_group(void *context, size_t group, unsigned worker)
{
    (void)worker;
    const observation *v = context;
    const circuit_layer *l = &v->c->layers[v->layer];
    const size_t first = group * GROUP, left = l->out - first, count = left < GROUP ? left : GROUP;
    const secret_key *secret = v->secrets->of[circuit_source(v->c, v->layer)];
    const size_t words = lwe_words(&secret->params);
    for (size_t o = first; o < first + count; o++) v->phase[o] = lwe_phase(secret, v->sums + o * words);
    return l->cells == 0 || l->split > 0 ? ANNULUS_OK : switch_group(v, first, count);
}

static annulus_status read_splits(const observation *v, unsigned threads)
{
    const circuit_layer *l = &v->c->layers[v->layer];
    const secret_key *low = v->secrets->of[TFHE_LOW], *high = v->secrets->of[TFHE_HIGH];
    const size_t each = exec_split_words(v->c, v->layer);
    void *p;
    TRY(mem_create(l->out * each, sizeof(uint32_t), "switched ciphertexts", &p));
    const uint32_t *e = p;
    const annulus_status st = exec_split_exponents(v->plan, v->keys, v->layer, v->sums, threads, p);
    for (size_t o = 0; st == ANNULUS_OK && o < l->out; o++, e += tfhe_exponents(&high->params)) {
        for (uint32_t i = 0; i < l->split; i++, e += tfhe_exponents(&low->params)) {
            const uint64_t step = lwe_rotation_step(low, 1, SPLIT_SLOT_BITS, e);
            v->low[o * SPLIT_MAX_LOW + i] = (uint32_t)((step << i) / (low->params.N / SPLIT_SLOTS));
        }
        v->at[o] = lwe_rotation_step(high, l->EF, 0, e);
    }
    mem_free(p);
    return st;
}

/* Cell, of so many, that a look-up at this step reads, as the one of its kind (they repeat every 2*cells) that is
 * nearest to `clear`. */
static int64_t cell_of(int64_t cells, uint64_t steps, uint64_t at, int64_t clear)
{
    const int64_t period = 2 * cells, cell = (int64_t)((2 * at + 1) * (uint64_t)cells / steps);
    int64_t away = (cell - clear) % period;
    if (away < -cells) away += period;
    if (away >= cells) away -= period;
    return clear + away;
}

/* What neuron o of a split layer, whose phase is expected to be this, looks up, at *value and *rest. */
static void observe_split(const observation *v, size_t o, uint64_t steps, uint64_t expected, exec_seen *seen,
                          uint64_t *value, uint64_t *rest)
{
    const circuit_layer *l = &v->c->layers[v->layer];
    const uint32_t *low = v->low + o * SPLIT_MAX_LOW;
    const double moved = exec_split_moved(l, low) / (2.0 * l->cells), middle = ((double)v->at[o] + 0.5) / (double)steps;
    double part;
    const int64_t clear = exec_floor_div(exec_cell(l, o, seen->acc), INT64_C(1) << l->split);
    seen->noise = torus_to_double(torus_from_double(middle) - torus_from_double(moved) - expected);
    exec_split_answer(l, o, cell_of(l->cells >> l->split, steps, v->at[o], clear), low, seen, value, &part);
    *rest = torus_from_double(part * exec_unit(&v->c->layers[circuit_first_use(v->c, v->layer + 1)]));
}

static void observe(observation *v, size_t o)
{
    const circuit_layer *l = &v->c->layers[v->layer];
    const uint64_t unit = exec_unit_word(l);
    const uint64_t steps = 2 * (uint64_t)l->EF * v->secrets->of[l->family]->params.N >> l->slot_bits;
    const size_t first = v->store.first[v->layer + 1] * EXEC_BATCH;
    uint64_t *x = v->x + first, *rest = v->rest + first;
    exec_seen seen = {.layer = v->layer, .neuron = o, .sample = v->sample, .acc = (int64_t)x[o * EXEC_BATCH]};
    const int64_t halves = 2 * (seen.acc + l->offset[o]) + circuit_half_units(l);
    const uint64_t phase = l->unit != 0 ? exec_phase(l, o, seen.acc) : (uint64_t)halves * (unit / 2);
    const uint64_t expected = phase + rest[o * EXEC_BATCH];
    seen.sum_noise = seen.noise = torus_to_double(v->phase[o] - expected);
    for (size_t j = 0; l->cells != 0 && j < l->offsets; j++) rest[(o * l->offsets + j) * EXEC_BATCH] = 0;
    if (l->split > 0)
        observe_split(v, o, steps, expected, &seen, x + o * EXEC_BATCH, rest + o * EXEC_BATCH);
    else if (l->cells != 0) {
        const double middle = ((double)v->at[o] + 0.5) / (double)steps;
        seen.noise = torus_to_double(torus_from_double(middle) - expected);
        seen.cell = l->unit != 0 ? (int64_t)(v->at[o] * 2 * (uint64_t)l->cells / steps)
                                 : cell_of(l->cells, steps, v->at[o], exec_cell(l, o, seen.acc));
        exec_answers(l, o, seen.cell, x + o * l->offsets * EXEC_BATCH, EXEC_BATCH);
    } else
        seen.noise = torus_to_double(v->sent[o] - expected);
    v->observer->seen(v->observer->context, &seen);
}

/* The answers, as who decrypts them has them. */
static annulus_status send(observation *v, unsigned threads)
{
    void *bytes;
    TRY(mem_create(exec_answer_bytes(v->c), 1, "answers", &bytes));
    annulus_status st = exec_pack_answers(v->c, v->keys, v->sums, 1, threads, bytes);
    if (st == ANNULUS_OK) st = exec_answer_phases(v->c, v->secrets, bytes, v->sent);
    mem_free(bytes);
    return st;
}

static annulus_status observe_layer(void *context, size_t layer, const uint64_t *sums, unsigned threads)
{
    observation *v = context;
    const size_t out = v->c->layers[layer].out;
    v->layer = layer;
    v->sums = sums;
    TRY(parallel_for((out + GROUP - 1) / GROUP, threads, decrypt_group, v));
    if (v->c->layers[layer].cells == 0) TRY(send(v, threads));
    if (v->c->layers[layer].split > 0) TRY(read_splits(v, threads));
    exec_linear(v->c, &v->store, layer, v->x, 1, v->room);
    exec_linear(v->c, &v->store, layer, v->rest, 1, v->room);
    for (size_t o = out; o-- > 0;) observe(v, o);
    return ANNULUS_OK;
}

/* body (features) */
static annulus_status encrypt(const observation *v, const int32_t *q, seed256 *seed, uint64_t *body)
{
    const size_t features = v->c->input.features;
    const secret_key *secret = v->secrets->of[v->c->layers[0].family];
    void *message;
    TRY(mem_create(features, sizeof(uint64_t), "sample", &message));
    exec_encode(v->c, q, message);
    annulus_status st = random_seed(seed);
    if (st == ANNULUS_OK) st = packed_encrypt_seeded(secret, seed, message, features, body);
    if (st == ANNULUS_OK) packed_round(body, features, v->c->input_bits);
    mem_wipe_free(message, features * sizeof(uint64_t));
    return st;
}

annulus_status exec_encrypted_observed(const circuit *c, const exec_plan *plan, const eval_key_set *keys,
                                       const secret_key_set *secrets, const int32_t *q, size_t sample, unsigned threads,
                                       const exec_observer *observer, const annulus_progress *progress, double *out)
{
    const size_t widest = exec_widest(c), of_inputs = c->input.features;
    const size_t of_outputs = circuit_last(c)->out * lwe_words(circuit_outputs(c));
    observation v = {.c = c, .plan = plan, .keys = keys, .secrets = secrets, .observer = observer, .sample = sample};
    void *values, *ciphertexts = NULL;
    exec_memory *memory = NULL;
    exec_store_init(c, &v.store);
    const size_t words = v.store.rows * EXEC_BATCH, of_widest = 3 + SPLIT_MAX_LOW / 2;
    const size_t bytes = (2 * words + of_widest * widest) * sizeof(uint64_t) + exec_room(c);
    TRY(mem_create(bytes, 1, "observed values", &values));
    v.x = values;
    v.rest = v.x + words;
    v.phase = v.rest + words;
    v.at = (uint32_t *)(void *)(v.phase + widest);
    v.sent = v.phase + 2 * widest;
    v.low = (uint32_t *)(void *)(v.phase + 3 * widest);
    v.room = v.phase + of_widest * widest;
    const exec_tap tap = {.sums = observe_layer, .context = &v};
    annulus_status st = mem_create(of_inputs + of_outputs, sizeof(uint64_t), "ciphertexts", &ciphertexts);
    uint64_t *body = ciphertexts;
    seed256 seed;
    const exec_inputs in = {.mask_seed = &seed, .body = body};
    exec_columns(c, &v.store, q, 1, v.x);
    if (st == ANNULUS_OK) st = encrypt(&v, q, &seed, body);
    if (st == ANNULUS_OK) st = exec_memory_create(c, 1, &memory);
    if (st == ANNULUS_OK) st = exec_encrypted(plan, keys, memory, &in, 1, body + of_inputs, threads, &tap, progress);
    if (st == ANNULUS_OK) exec_decode(c, v.sent, out);
    mem_wipe_free(values, bytes);
    mem_free(ciphertexts);
    exec_memory_destroy(memory);
    return st;
}
