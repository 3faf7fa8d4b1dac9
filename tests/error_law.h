/* SPDX-License-Identifier: Apache-2.0 */
/* The law of index errors. A look-up at the centre of its cell errs by d cells, d the nearest integer to a centered
 * Gaussian of the predicted deviation of its phase over the width of a cell. Here: the sets that are tried, the law,
 * look-ups under encryption, and the same simulated. Programs that include it replace random_seed (linker option
 * --wrap=random_seed), so that all keys, masks and noise follow from law_seed: with the same kernels every run is the
 * same. */
#ifndef TESTS_ERROR_LAW_H
#define TESTS_ERROR_LAW_H

#include "base/memory.h"
#include "circuit/exec.h"
#include "math/torus.h"
#include "optimizer/optimizer_priv.h"
#include "tfhe/bootstrap.h"
#include "tfhe/packed.h"

#include <math.h>
#include <string.h>

#define LAW_NORM                                                                                                       \
    9u /* of the sums that enter look-ups; odd, so that a circuit's cell of 9 units has one in its middle */

/* Rings: k = 1; k = 2; k >= 3 with N <= 512. */
typedef enum law_family { LAW_SINGLE, LAW_DOUBLE, LAW_SMALL } law_family;
#define LAW_FAMILIES 3u

typedef struct law_set {
    unsigned bits;
    optimizer_result r; /* one layer: look-ups of 2^bits cells at two-norm LAW_NORM */
} law_set;

static inline const tfhe_params *law_params(const law_set *s)
{
    return &s->r.families.of[0];
}

/* --- parameters -------------------------------------------------------------------------------------------------- */

static inline double law_rotate_double(const tfhe_params *p)
{
    return p->k == 2 ? noise_blind_rotate(p) : INFINITY;
}

static inline double law_rotate_small(const tfhe_params *p)
{
    return p->k >= 3 ? noise_blind_rotate(p) : INFINITY;
}

static inline search_model law_model(law_family f)
{
    search_model m = search_model_shipped;
    m.near = 1;
    if (f == LAW_SINGLE) m.k_last = 1;
    if (f == LAW_DOUBLE) m.k_last = 2, m.blind_rotate = law_rotate_double;
    if (f == LAW_SMALL) m.N.last = 512, m.blind_rotate = law_rotate_small;
    return m;
}

/* Cheapest set of the family and its prediction; 0: there is none. */
static inline int law_search(law_family f, unsigned bits, double log2_error, law_set *out)
{
    const double cells = exp2(bits);
    const lookup_layer layer = {
        .name = "look-up", .half_window = 1 / (4 * cells), .two_norm = LAW_NORM, .cells = cells, .count = 1};
    const optimizer_request q = {.layers = &layer, .layers_count = 1, .log2_error = log2_error, .level = SECURITY_128};
    const search_model m = law_model(f);
    optimizer_result r;
    if (optimizer_search_model(&q, &m, &r) != ANNULUS_OK) return 0;
    out->bits = bits;
    optimizer_predict(&q, &r.families, r.layers, &out->r);
    return 1;
}

/* --- the law ----------------------------------------------------------------------------------------------------- */

enum { LAW_RIGHT, LAW_BELOW, LAW_ABOVE, LAW_FURTHER, LAW_KINDS }; /* d = 0, -1, +1, |d| >= 2 */

/* Probabilities and their complements. */
typedef struct law_rates {
    double q[LAW_KINDS], c[LAW_KINDS];
} law_rates;

static inline law_rates law_predict(const law_set *s)
{
    const double half = 0.25 / exp2(s->bits) / s->r.layers[0].phase_std, wrong = erfc(half / M_SQRT2);
    const double further = erfc(3 * half / M_SQRT2), next = (wrong - further) / 2;
    return (law_rates){{1 - wrong, next, next, further}, {wrong, 1 - next, 1 - next, 1 - further}};
}

typedef struct law_counts {
    size_t of[LAW_KINDS];
    size_t strange; /* outputs that are not the entry of the cell that was hit */
} law_counts;

static inline void law_count(law_counts *c, int64_t d)
{
    c->of[d == 0 ? LAW_RIGHT : d == -1 ? LAW_BELOW : d == 1 ? LAW_ABOVE : LAW_FURTHER]++;
}

/* Table of C = 2^bits cells, entries cells of the whole torus: neighbours, those in the other half too, are C - 1 cells
 * or more apart, nearly half the torus, so that the entry of another cell is not taken for this one's with an error. */
static inline uint32_t law_entry(unsigned bits, uint32_t cell)
{
    const uint32_t cells = UINT32_C(1) << bits;
    return ((cells - 1) * cell + cells / 2 - 1) % (2 * cells);
}

/* What a look-up gives for a cell of the whole torus, of 2^(bits+1): in the other half the negation. */
static inline uint32_t law_answer(unsigned bits, uint32_t cell)
{
    const uint32_t cells = UINT32_C(1) << bits;
    return cell < cells ? law_entry(bits, cell) : 2 * cells - 1 - law_entry(bits, cell - cells);
}

/* Torus word that times LAW_NORM is the centre of this cell of the whole torus. */
static inline uint64_t law_encode(unsigned bits, uint32_t cell)
{
    const uint32_t cells = UINT32_C(1) << bits;
    return cell < cells ? lut_encode(cells, cell) / LAW_NORM : -(lut_encode(cells, 2 * cells - 1 - cell) / LAW_NORM);
}

/* Largest error of an output that counts as noise; beyond is less than one in 2^40. */
static inline double law_allowed(const law_set *s)
{
    return noise_kappa(-40) * sqrt(noise_blind_rotate(law_params(s)));
}

/* Whether T[x+d], d = -1 and 1, and T[x]+d stay apart with the noise allowed to both. */
static inline int law_tells(const law_set *s)
{
    const uint32_t all = UINT32_C(2) << s->bits;
    double least = all;
    for (uint32_t x = 0; x < all; x++)
        for (uint32_t d = 1; d < all; d += all - 2) {
            const uint32_t hit = law_answer(s->bits, (x + d) % all), other = (law_answer(s->bits, x) + d) % all;
            least = fmin(least, fabs(remainder((double)hit - other, all)));
        }
    return least / all / LAW_NORM > 2 * law_allowed(s);
}

/* --- under encryption -------------------------------------------------------------------------------------------- */

static struct {
    uint64_t number, drawn;
} law_seed;

annulus_status __wrap_random_seed(seed256 *out);
annulus_status __wrap_random_seed(seed256 *out)
{
    *out = (seed256){{0}};
    memcpy(out->b, &law_seed, sizeof law_seed);
    law_seed.drawn++;
    return ANNULUS_OK;
}

typedef struct law_keys {
    const law_set *set;
    secret_key *secret;
    eval_key *eval;
    lut *table;
} law_keys;

static inline void law_keys_clear(law_keys *k)
{
    secret_key_destroy(k->secret);
    eval_key_destroy(k->eval);
    lut_destroy(k->table);
}

/* Of set s, from law_seed. */
static inline annulus_status law_keys_init(const law_set *s, unsigned threads, law_keys *k)
{
    const tfhe_params *p = law_params(s);
    const layer_choice *c = &s->r.layers[0];
    seeded_eval_key *seeded = NULL;
    uint64_t entries[256];
    *k = (law_keys){.set = s};
    for (uint32_t x = 0; x < UINT32_C(1) << s->bits; x++) entries[x] = law_encode(s->bits, law_entry(s->bits, x));
    annulus_status st = secret_key_create(p, &k->secret);
    if (st == ANNULUS_OK) st = seeded_eval_key_create(k->secret, threads, NULL, &seeded);
    if (st == ANNULUS_OK) st = eval_key_create(seeded, threads, NULL, &k->eval);
    if (st == ANNULUS_OK) st = lut_create_padded(p->N, c->EF, entries, UINT32_C(1) << s->bits, 0, &k->table);
    if (st == ANNULUS_OK) st = lut_set_price(k->table, c->price);
    seeded_eval_key_destroy(seeded);
    if (st != ANNULUS_OK) law_keys_clear(k);
    return st;
}

/* What a chain of batches works in. */
typedef struct law_chain {
    size_t batch;
    uint64_t *body, *in, *out;   /* (batch), (batch, lwe_words) */
    uint32_t *small, *exponents; /* (batch, bootstrap_small_words), (tfhe_exponents) */
    uint32_t *meant;             /* (batch) cells that the inputs stand for */
    bootstrap_job *jobs;         /* (batch) */
    const uint64_t **inputs;     /* (batch) */
} law_chain;

static inline void law_chain_clear(law_chain *c)
{
    void *const parts[] = {c->body, c->in, c->out, c->small, c->exponents, c->meant, c->jobs, c->inputs};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mem_free(parts[i]);
}

static inline annulus_status law_chain_init(const tfhe_params *p, size_t batch, law_chain *c)
{
    const size_t words = lwe_words(p) * 8;
    const size_t bytes[] = {8, words, words, bootstrap_small_words(p) * 4, 4, sizeof *c->jobs, sizeof *c->inputs};
    void *q[7] = {0}, *exponents = NULL;
    annulus_status st = mem_create(tfhe_exponents(p), 4, "exponents", &exponents);
    for (size_t i = 0; st == ANNULUS_OK && i < 7; i++) st = mem_create(batch, bytes[i], "look-ups", &q[i]);
    *c = (law_chain){batch, q[0], q[1], q[2], q[3], exponents, q[4], q[5], q[6]};
    if (st != ANNULUS_OK) law_chain_clear(c);
    return st;
}

/* The first inputs, fresh: sums of less noise than the law's, which are not counted. */
static inline annulus_status law_chain_start(const law_keys *k, unsigned threads, law_chain *c)
{
    seed256 masks;
    uint64_t *message = c->out;
    for (size_t i = 0; i < c->batch; i++) {
        c->meant[i] = (uint32_t)(i % (UINT32_C(2) << k->set->bits));
        message[i] = law_encode(k->set->bits, c->meant[i]);
    }
    TRY(random_seed(&masks));
    TRY(packed_encrypt_seeded(k->secret, &masks, message, c->batch, c->body));
    return packed_expand(law_params(k->set), &masks, c->body, c->batch, threads, c->in);
}

/* One look-up of each input times LAW_NORM, counted if counts != NULL. The outputs become the inputs. */
static inline annulus_status law_chain_step(const law_keys *k, unsigned threads, law_chain *c, law_counts *counts)
{
    const tfhe_params *p = law_params(k->set);
    const layer_choice *choice = &k->set->r.layers[0];
    const size_t words = lwe_words(p), small = bootstrap_small_words(p);
    const uint32_t cells = UINT32_C(1) << k->set->bits, offsets[1] = {0};
    const double allowed = law_allowed(k->set);
    for (size_t i = 0; i < c->batch * words; i++) c->in[i] *= LAW_NORM;
    for (size_t i = 0; i < c->batch; i++) {
        c->inputs[i] = c->in + i * words;
        c->jobs[i] = (bootstrap_job){.in = c->inputs[i], .table = k->table, .out = c->out + i * words};
    }
    TRY(keyswitch_batch(eval_key_switching(k->eval), c->inputs, c->batch, c->small));
    TRY(bootstrap_batch(k->eval, NULL, c->jobs, c->batch, offsets, 1, threads));
    for (size_t i = 0; i < c->batch; i++) {
        modulus_switch_centered(p, choice->EF, choice->price, c->small + i * small, c->exponents);
        const uint32_t step = lwe_rotation_step(k->secret, choice->EF, 0, c->exponents);
        const uint32_t cell = step / (choice->EF * p->N / cells), answer = law_answer(k->set->bits, cell);
        const uint64_t phase = lwe_phase(k->secret, c->jobs[i].out);
        if (counts != NULL) {
            const uint32_t d = (cell - c->meant[i] + cells) % (2 * cells);
            law_count(counts, (int64_t)d - cells);
            counts->strange += fabs(torus_to_double(phase - law_encode(k->set->bits, answer))) > allowed;
        }
        c->meant[i] = answer;
    }
    uint64_t *swap = c->in;
    c->in = c->out;
    c->out = swap;
    return ANNULUS_OK;
}

/* Adds `count` look-ups, a multiple of batch, under keys of their own: each but the first of a chain reads LAW_NORM
 * times the output of the one before, and means the cell whose entry that was, right or wrong. */
static inline annulus_status law_encrypted(const law_set *s, uint64_t seed, size_t count, size_t batch,
                                           unsigned threads, law_counts *counts)
{
    law_keys k;
    law_chain c;
    law_seed.number = seed;
    law_seed.drawn = 0;
    TRY(law_keys_init(s, threads, &k));
    annulus_status st = law_chain_init(law_params(s), batch, &c);
    if (st == ANNULUS_OK) {
        st = law_chain_start(&k, threads, &c);
        for (size_t done = 0; st == ANNULUS_OK && done < count + batch; done += batch)
            st = law_chain_step(&k, threads, &c, done == 0 ? NULL : counts);
        law_chain_clear(&c);
    }
    law_keys_clear(&k);
    return st;
}

/* --- simulated --------------------------------------------------------------------------------------------------- */

/* x -> look-up of x itself, which gives the noise -> LAW_NORM times that -> look-up in the table -> output. */
static inline annulus_status law_circuit(const law_set *s, circuit **out)
{
    const uint32_t cells = UINT32_C(1) << s->bits;
    const layer_choice *choice = &s->r.layers[0];
    circuit *c;
    TRY(circuit_create(3, &c));
    c->input.features = 1;
    c->choice = s->r;
    annulus_status st = ANNULUS_OK;
    for (size_t i = 0; st == ANNULUS_OK && i < 3; i++) {
        circuit_layer *l = &c->layers[i];
        l->in = l->out = 1;
        l->cells = i == 2 ? 0 : cells;
        l->step = i == 1 ? LAW_NORM : 1;
        l->period = 4 * (int64_t)cells;
        l->EF = choice->EF;
        l->price = choice->price;
        l->sources_count = 1;
        l->sources[0] = (uint32_t)i;
        st = circuit_layer_create(l);
        if (st == ANNULUS_OK) st = linear_dense(&(int32_t){(int32_t)l->step}, 1, 1, &l->linear);
        if (st != ANNULUS_OK) break;
        l->offset[0] = l->step / 2;
        for (uint32_t x = 0; x < l->cells; x++) l->table[x] = (int32_t)(i == 0 ? x : law_entry(s->bits, x));
    }
    if (st == ANNULUS_OK)
        *out = c;
    else
        circuit_destroy(c);
    return st;
}

typedef struct law_watch {
    unsigned bits;
    int64_t *answer; /* (samples) */
    law_counts *counts;
} law_watch;

/* The antiperiodic table of circuit.h. */
static inline void law_seen(void *context, const exec_seen *seen)
{
    const law_watch *w = context;
    const int64_t cells = INT64_C(1) << w->bits;
    if (seen->layer == 2) w->counts->strange += seen->acc != w->answer[seen->sample];
    if (seen->layer != 1) return;
    law_count(w->counts, seen->cell - seen->acc / LAW_NORM);
    const int64_t cell = (seen->cell + 2 * cells) % (2 * cells);
    const uint32_t ends = law_entry(w->bits, 0) + law_entry(w->bits, (uint32_t)cells - 1);
    w->answer[seen->sample] = cell < cells ? law_entry(w->bits, (uint32_t)cell)
                                           : (int64_t)ends - law_entry(w->bits, (uint32_t)(cell - cells));
}

/* Adds `count` look-ups of the second layer. */
static inline annulus_status law_simulated(const law_set *s, uint64_t seed, size_t count, law_counts *counts)
{
    seed256 from = {{0}};
    circuit *c;
    void *x = NULL, *out = NULL, *answer = NULL;
    memcpy(from.b, &seed, sizeof seed);
    TRY(law_circuit(s, &c));
    annulus_status st = mem_create(count, sizeof(int32_t), "samples", &x);
    if (st == ANNULUS_OK) st = mem_create(count, sizeof(double), "samples", &out);
    if (st == ANNULUS_OK) st = mem_create(count, sizeof(int64_t), "samples", &answer);
    for (size_t i = 0; st == ANNULUS_OK && i < count; i++) ((int32_t *)x)[i] = (int32_t)(i % (1u << s->bits));
    law_watch w = {s->bits, answer, counts};
    const exec_observer observer = {law_seen, &w};
    if (st == ANNULUS_OK) st = exec_simulate_observed(c, x, count, &from, 1, &observer, NULL, out, NULL);
    mem_free(x);
    mem_free(out);
    mem_free(answer);
    circuit_destroy(c);
    return st;
}
#endif
