/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/circuit.h"

#include "circuit/intake.h"
#include "circuit/latency.h"
#include "circuit/mix.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "optimizer/optimizer_answers.h"
#include "optimizer/optimizer_split.h"
#include <math.h>
#include <string.h>

annulus_status circuit_create(size_t layers, circuit **out)
{
    if (layers == 0 || layers > CIRCUIT_MAX_LAYERS)
        return fail(ANNULUS_ERR_INPUT, "a circuit of %zu layers: 1 to %u are possible", layers, CIRCUIT_MAX_LAYERS);
    void *c, *l;
    TRY(mem_create(1, sizeof(circuit), "circuit", &c));
    const annulus_status st = mem_create(layers, sizeof(circuit_layer), "circuit", &l);
    if (st != ANNULUS_OK) {
        mem_free(c);
        return st;
    }
    ((circuit *)c)->layers = l;
    ((circuit *)c)->layers_count = layers;
    ((circuit *)c)->input_bits = 64;
    *out = c;
    return ANNULUS_OK;
}

static annulus_status array(size_t count, size_t size, void **out)
{
    return mem_create(count, size, "circuit layer", out);
}

annulus_status circuit_layer_create(circuit_layer *l)
{
    void *p;
    if (l->offsets == 0) l->offsets = 1;
    double **reals[] = {&l->real_scale, &l->real_bias};
    for (size_t i = 0; i < 2; i++) {
        TRY(array(l->out, sizeof(double), &p));
        *reals[i] = p;
    }
    int64_t **ranges[] = {&l->proven_lo, &l->proven_hi, &l->measured_lo, &l->measured_hi, &l->lo, &l->hi, &l->offset};
    for (size_t i = 0; i < 7; i++) {
        TRY(array(l->out, sizeof(int64_t), &p));
        *ranges[i] = p;
    }
    return l->cells == 0 ? ANNULUS_OK : circuit_tables_create(l);
}

annulus_status circuit_tables_create(circuit_layer *l)
{
    void *p;
    const size_t tabled = circuit_tabled(l);
    if (l->tables == 0) l->tables = l->unit != 0 ? 1 : tabled;
    TRY(array(l->tables, circuit_table_entries(l) * sizeof *l->table, &p));
    l->table = p;
    TRY(array(tabled, sizeof *l->table_of, &p));
    l->table_of = p;
    for (size_t o = 0; l->tables == tabled && o < tabled; o++) l->table_of[o] = (uint32_t)o;
    if (l->unit == 0) return ANNULUS_OK;
    TRY(array(l->out, sizeof *l->shift, &p));
    l->shift = p;
    return ANNULUS_OK;
}

void circuit_layer_clear(circuit_layer *l)
{
    void *const parts[] = {l->real_scale, l->real_bias, l->proven_lo, l->proven_hi, l->measured_lo, l->measured_hi,
                           l->lo,         l->hi,        l->offset,    l->table,     l->table_of,    l->shift};
    linear_clear(&l->linear);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) mem_free(parts[i]);
}

void circuit_destroy(circuit *c)
{
    if (c == NULL) return;
    if (c->labels != NULL)
        for (size_t i = 0; i < circuit_last(c)->out; i++) mem_free(c->labels[i]);
    mem_free(c->labels);
    for (size_t i = 0; i < c->layers_count; i++) circuit_layer_clear(&c->layers[i]);
    mem_free(c->layers);
    mem_free(c->input.shift);
    mem_free(c->input.gain);
    mem_free(c);
}

size_t circuit_layer_look_ups(const circuit_layer *l)
{
    size_t count = circuit_values(l);
    if (l->cells == 0) return 0;
    for (size_t v = 0; l->unit == 0 && l->offsets > 1 && v < circuit_values(l); v++) {
        const int32_t *first = circuit_value_table(l, v - v % l->offsets), *own = circuit_value_table(l, v);
        count -= v % l->offsets != 0 && memcmp(own, first, l->cells * sizeof *own) == 0;
    }
    return count;
}

annulus_status circuit_digest(circuit *c)
{
    writer w;
    writer_init(&w, 0);
    circuit_write(&w, c);
    annulus_status st = w.status;
    if (st == ANNULUS_OK) st = bytes_sha256(w.p, w.len, c->digest);
    writer_clear(&w);
    return st;
}

size_t circuit_first_use(const circuit *c, size_t source)
{
    for (size_t i = 0; i < c->layers_count; i++)
        for (size_t k = 0; k < c->layers[i].sources_count; k++)
            if (c->layers[i].sources[k] == source) return i;
    return c->layers_count;
}

size_t circuit_last_use(const circuit *c, size_t source)
{
    for (size_t i = c->layers_count; i-- > 0;)
        for (size_t k = 0; k < c->layers[i].sources_count; k++)
            if (c->layers[i].sources[k] == source) return i;
    return c->layers_count;
}

/* Squared two-norms of weights, of sums the largest: on the circuit's inputs, and on values that were looked up, where
 * those of one rotation count as their errors add up: with a share in common of 0 and of 1/2. */
typedef struct norms {
    double fresh, apart, half;
} norms;

/* Of layer i's. spread, touched (in): zeros. common: that of all layers. */
static annulus_status largest_norms(const circuit *c, mixes *m, size_t i, mix_share *spread, uint32_t *touched,
                                    double common, double *fresh, double *looked)
{
    for (size_t k = 0; k < i; k++) m->common[k] = common;
    const circuit_layer *l = &c->layers[i];
    linear_view *view = NULL;
    size_t first = 0, behind;
    for (size_t k = 0; k < l->sources_count && l->sources[k] != 0; k++)
        first += circuit_source_values(c, l->sources[k]);
    behind = first + (first < l->in ? c->input.features : 0); /* inputs [first, behind) are the circuit's */
    TRY(linear_view_create(&l->linear, l->in, l->out, &view));
    *fresh = *looked = 0;
    for (size_t o = 0; o < l->out; o++) {
        const uint32_t *input;
        const int64_t *weight;
        double sums[2] = {0};
        const size_t count = linear_view_row(view, o, &input, &weight);
        const size_t listed = mixes_spread(c, m, i, input, weight, count, spread, touched);
        for (size_t k = 0; k < count; k++)
            sums[input[k] >= first && input[k] < behind] += (double)weight[k] * spread[input[k]].weight;
        for (size_t k = 0; k < listed; k++) spread[touched[k]] = (mix_share){.listed = 0};
        *looked = fmax(*looked, sums[0]);
        *fresh = fmax(*fresh, sums[1]);
    }
    linear_view_destroy(view);
    return ANNULUS_OK;
}

static annulus_status norms_of(const circuit *c, mixes *m, size_t i, norms *out)
{
    void *p;
    const size_t in = c->layers[i].in;
    TRY(mem_create(in, sizeof(mix_share) + sizeof(uint32_t), "two-norms", &p));
    uint32_t *touched = (uint32_t *)(void *)((mix_share *)p + in);
    annulus_status st = largest_norms(c, m, i, p, touched, 0, &out->fresh, &out->apart);
    out->half = out->apart;
    int several = 0; /* values of one rotation */
    for (size_t k = 0; k < i; k++) several |= m->of[k] != NULL;
    if (st == ANNULUS_OK && several) st = largest_norms(c, m, i, p, touched, 0.5, &out->fresh, &out->half);
    mem_free(p);
    return st;
}

/* What split look-ups of a layer would amplify, the largest of its tables by each number of low bits. */
static void amplified_of(const circuit_layer *l, lookup_layer *out)
{
    uint32_t entries[CIRCUIT_MAX_CELLS];
    split_amplified amplified[CIRCUIT_MAX_CELLS / 2];
    out->split_most = circuit_may_split(l);
    for (size_t t = 0; out->split_most > 0 && t < l->tables; t++) {
        circuit_split_entries(l, t, entries);
        for (uint32_t s = 1; s <= out->split_most; s++) {
            split_amplifies(s, entries, l->cells, amplified);
            for (uint32_t h = 0; h < l->cells >> s; h++)
                out->amplified[s - 1] = split_amplified_both(out->amplified[s - 1], amplified[h]);
        }
    }
}

/* The ring that the search takes for the inputs: what their sums take changes with k N, as all linear layers do. */
static const tfhe_params usual_ring = {.k = 3, .N = 512};

static annulus_status lookup_layers(const circuit *c, mixes *m, lookup_layer *out)
{
    intake taken[CIRCUIT_MAX_LAYERS];
    int by_value;
    TRY(intake_choose(c, &usual_ring, taken, &by_value));
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        const double expand = i == 0 && by_value ? cost_expand_weights() * (double)l->in : 0;
        norms n;
        TRY(norms_of(c, m, i, &n));
        out[i] = (lookup_layer){.name = l->name,
                                .half_window = circuit_half_window(l),
                                .two_norm = sqrt(n.apart),
                                .common = 2 * (n.half - n.apart),
                                .fresh_two_norm = sqrt(n.fresh),
                                .cells = l->unit != 0 ? l->cells / 2.0 : l->cells, /* a step a cell is enough */
                                .slot_bits = l->slot_bits,
                                .count = l->out,
                                .weights = taken[i].weights + expand,
                                .is_output = l->cells == 0,
                                .log2_error = l->log2_error,
                                .phase_std = l->noise,
                                .compares = l->compares};
        if (l->cells != 0) amplified_of(l, &out[i]);
    }
    return ANNULUS_OK;
}

annulus_status circuit_lookup_layers(const circuit *c, lookup_layer *out)
{
    mixes m;
    TRY(mixes_create(c, &m));
    const annulus_status st = lookup_layers(c, &m, out);
    mixes_clear(&m);
    return st;
}

/* Keyswitches that no look-up needs. */
static void drop_switches(circuit *c)
{
    tfhe_families *f = &c->choice.families;
    for (uint32_t i = 0; i < f->count; i++) {
        if (!circuit_switches(c, i, i)) f->of[i].ks_l = f->of[i].ks_b = 0;
        if (!circuit_switches(c, tfhe_other_family(i), i)) f->into[i].l = f->into[i].b = 0;
    }
}

/* What the optimizer is asked about the circuit; layers, links (layers_count): its room. */
static annulus_status request_of(const circuit *c, lookup_layer *layers, layer_link *links, optimizer_request *out)
{
    circuit_links(c, links);
    TRY(circuit_lookup_layers(c, layers));
    *out = (optimizer_request){.layers = layers,
                               .layers_count = c->layers_count,
                               .target = c->target,
                               .log2_error = c->log2_error,
                               .level = c->level,
                               .links = links};
    return ANNULUS_OK;
}

/* What rounding the bodies of inputs may add to the variance of a phase: failures of 2^-128 become 2^-127.998. */
#define INPUT_ROUNDING 0x1p-16

/* The fewest whole bytes with which it adds no more in any layer that takes inputs. The levels of a split look-up read
 * the sum up to 2^split times, so that their own noise is so much less of it. */
static uint32_t input_bits(const circuit *c, const lookup_layer *layers)
{
    uint32_t bits = 8;
    for (size_t i = 0; i < c->layers_count; i++) {
        const double norm = layers[i].fresh_two_norm * layers[i].fresh_two_norm;
        const double others = c->layers[i].cells == 0 ? 0 : circuit_switch_noise(c, i);
        const double own = ldexp(others, -2 * (int)c->layers[i].split);
        const double most = INPUT_ROUNDING * (norm * noise_fresh(circuit_inputs(c)) + own);
        while (bits < 64 && norm * noise_rounded(bits) > most) bits += 8;
    }
    return bits;
}

double circuit_input_noise(const circuit *c)
{
    return noise_fresh(circuit_inputs(c)) + noise_rounded(c->input_bits);
}

static annulus_status predict(circuit *c, const optimizer_request *request)
{
    layer_choice chosen[CIRCUIT_MAX_LAYERS];
    for (size_t i = 0; i < c->layers_count; i++)
        chosen[i] = (layer_choice){.family = c->layers[i].family,
                                   .split = c->layers[i].split,
                                   .EF = c->layers[i].EF,
                                   .price = c->layers[i].price};
    const tfhe_families families = c->choice.families;
    const double held = c->choice.log2_error;
    optimizer_predict(request, &families, chosen, &c->choice);
    c->choice.log2_error = held;
    c->input_bits = input_bits(c, request->layers);
    return intake_set(c);
}

annulus_status circuit_predict(circuit *c)
{
    lookup_layer layers[CIRCUIT_MAX_LAYERS];
    layer_link links[CIRCUIT_MAX_LAYERS];
    optimizer_request request;
    TRY(request_of(c, layers, links, &request));
    return predict(c, &request);
}

/* Bound on the failure of an answer: its own or a look-up's; of a global one without an own, what the look-ups leave,
 * which is no less than what the answers were chosen with. */
static double answers_bound(const circuit *c)
{
    const circuit_layer *last = circuit_last(c);
    const layer_choice *now = &c->choice.layers[c->layers_count - 1];
    if (c->target == ERROR_PER_LOOKUP || last->log2_error < 0) return circuit_bound(c, last);
    double left = log1p(-exp2(c->log2_error)); /* natural log of P(no failure) */
    for (size_t i = 0; i + 1 < c->layers_count; i++)
        if (c->layers[i].noise == 0) left -= (double)c->layers[i].out * log1p(-exp2(c->choice.layers[i].log2_failure));
    const double each = log2(-expm1(left / (double)last->out)) - 1e-9; /* rounding of these sums; NaN: nothing */
    return each > now->log2_failure ? each : now->log2_failure;
}

/* What packing may take: shares of an inference's seconds and of the other keys, sent and expanded, or so much if that
 * is more. */
#define ANSWERS_SECONDS 0.02
#define ANSWERS_SECONDS_EACH 5e-4 /* of an answer */
#define ANSWERS_KEY 0.125
#define ANSWERS_KEY_BYTES 1e6
#define ANSWERS_MEMORY 24e6
/* Of what an answer may fail with the share that is taken for another turn's (optimizer/multiples.h), which is far off,
 * and what that is at most where more is allowed, or noise is: it is not simulated. log2. */
#define ANSWERS_WRONG_SHARE (-4.0)
#define ANSWERS_WRONG (-44.0)

static tfhe_answers choose_answers(const circuit *c)
{
    const circuit_layer *last = circuit_last(c);
    const double now = c->choice.layers[c->layers_count - 1].phase_std;
    const double bound = last->noise > 0 ? 0 : answers_bound(c), share = log2(1 - exp2(ANSWERS_WRONG_SHARE));
    const double most = last->noise > 0 ? last->noise : circuit_half_window(last) / noise_kappa(bound + share);
    const answers_request request = {
        .family = last->family,
        .count = last->out,
        .level = c->level,
        .variance = most * most - now * now,
        .log2_wrong = fmin(bound + ANSWERS_WRONG_SHARE, ANSWERS_WRONG),
        .seconds = fmax(ANSWERS_SECONDS * c->choice.seconds, ANSWERS_SECONDS_EACH * (double)last->out),
        .key_bytes = fmax(ANSWERS_KEY * c->choice.key_bytes, ANSWERS_KEY_BYTES),
        .memory = fmax(ANSWERS_KEY * c->choice.memory_bytes, ANSWERS_MEMORY)};
    return optimizer_answers(&c->choice.families, &request);
}

/* What follows from a choice of the request's search. */
static annulus_status take_choice(circuit *c, const optimizer_request *request)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        c->layers[i].family = c->choice.layers[i].family;
        c->layers[i].split = c->choice.layers[i].split;
        c->layers[i].EF = c->choice.layers[i].EF;
        c->layers[i].price = c->choice.layers[i].price;
    }
    drop_switches(c);
    c->choice.families.answers = choose_answers(c);
    return predict(c, request);
}

/* Of every remedy its seconds with this circuit's linear layers, inputs and answers, by which they are said. */
static annulus_status say_remedies(circuit *c, const optimizer_request *request)
{
    for (size_t k = 0; k < request->helps->count; k++) {
        remedy *r = &request->helps->of[k];
        c->choice = r->set;
        TRY(take_choice(c, request));
        r->seconds = circuit_seconds(c, request->threads, NULL);
    }
    return remedies_say(request->helps);
}

annulus_status circuit_choose_parameters(circuit *c, search_objective minimize, uint32_t families_most,
                                         unsigned threads, double log2_error_most, remedies *helps)
{
    lookup_layer layers[CIRCUIT_MAX_LAYERS];
    layer_link links[CIRCUIT_MAX_LAYERS];
    optimizer_request request;
    TRY(request_of(c, layers, links, &request));
    request.minimize = minimize;
    request.families_most = families_most;
    request.threads = parallel_threads(threads);
    request.log2_error_most = log2_error_most;
    request.helps = helps;
    const annulus_status st = optimizer_search(&request, &c->choice);
    if (st == ANNULUS_ERR_INFEASIBLE && helps != NULL) return say_remedies(c, &request);
    return st == ANNULUS_OK ? take_choice(c, &request) : st;
}

int circuit_rounds(const circuit_layer *l)
{
    int rounds = 0;
    if (l->cells == 0 || l->step == 1 || l->low_bits > 0) return 0;
    for (size_t k = 0; k < l->linear.blocks_count; k++)
        for (size_t w = 0; w < l->linear.blocks[k].rows * l->linear.blocks[k].taps; w++)
            rounds |= l->linear.blocks[k].W[w] % l->step != 0;
    for (size_t o = 0; o < l->out; o++) { /* where in its cell a multiple of the step lies, in units */
        const int64_t place = (l->offset[o] % l->step + l->step) % l->step;
        rounds |= place != (l->step - 1) / 2 && place != l->step / 2;
    }
    return rounds;
}

double circuit_half_window(const circuit_layer *l)
{
    if (l->cells == 0) return exp2(-(double)l->output_bits - 1);
    const double aside = l->step % 2 == 0 && l->low_bits == 0 && !circuit_rounds(l) ? 1 / (double)l->step : 0;
    return 0.25 * (1 - aside) / l->cells;
}

uint32_t circuit_may_split(const circuit_layer *l)
{
    if (l->unit != 0 || l->offsets > 1 || l->cells < 4 || (l->cells & (l->cells - 1)) != 0 || circuit_rounds(l))
        return 0;
    const uint32_t most = (uint32_t)__builtin_ctz(l->cells) - 1;
    return most < SPLIT_MAX_LOW ? most : SPLIT_MAX_LOW;
}

void circuit_split_entries(const circuit_layer *l, size_t table, uint32_t *entries)
{
    for (size_t x = 0; x < l->cells; x++) entries[x] = (uint32_t)(l->table[table * l->cells + x] + CIRCUIT_MAX_VALUE);
}

double circuit_border(const circuit *c, const circuit_layer *l)
{
    const tfhe_params slotted = tfhe_slotted(&c->choice.families.of[l->family], l->slot_bits);
    return l->cells == 0 ? 0 : lut_border(l->cells) / (2.0 * l->EF * slotted.N);
}

double circuit_last_window(const circuit *c, const circuit_layer *l)
{
    const double half = circuit_half_window(l) - circuit_border(c, l);
    return l->split > 0 ? split_last_window(half, l->cells, l->split) : half;
}

int circuit_switches(const circuit *c, uint32_t from, uint32_t into)
{
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        if (l->cells != 0 && circuit_source(c, i) == from && l->family == into) return 1;
        if (l->split > 0 && from == TFHE_LOW && into == TFHE_LOW) return 1;
    }
    return 0;
}

double circuit_switch_noise(const circuit *c, size_t i)
{
    const circuit_layer *l = &c->layers[i];
    const tfhe_families *f = &c->choice.families;
    const tfhe_params p = tfhe_switch_params(f, circuit_source(c, i), l->family);
    const tfhe_params slotted = tfhe_slotted(&f->of[l->family], l->slot_bits);
    const double low = l->split > 0 ? l->split * noise_blind_rotate(&f->of[TFHE_LOW]) : 0;
    return low + noise_keyswitch(&p) + noise_modulus_switch(&slotted, l->EF, l->price);
}

double circuit_largest_bound(const circuit *c)
{
    double most = -INFINITY;
    for (size_t i = 0; i < c->layers_count; i++)
        if (c->layers[i].noise == 0) most = fmax(most, circuit_bound(c, &c->layers[i]));
    return most;
}

/* Natural log of P(no failure) of those with their own bounds; *shared: how many others there are. */
static double own_successes(const circuit *c, double *shared)
{
    double sum = 0;
    *shared = 0;
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        if (l->noise != 0) continue;
        if (l->log2_error < 0)
            sum += (double)l->out * log1p(-exp2(l->log2_error));
        else
            *shared += (double)l->out;
    }
    return sum;
}

double circuit_global_error(const circuit *c, double log2_error)
{
    double shared;
    const double own = own_successes(c, &shared);
    return log2(-expm1(own + shared * log1p(-exp2(log2_error))));
}

double circuit_shared_error(const circuit *c, double log2_global)
{
    double shared;
    const double left = log1p(-exp2(log2_global)) - own_successes(c, &shared);
    return shared == 0 ? 0 : left >= 0 ? NAN : log2(-expm1(left / shared));
}

int circuit_shared_output(const circuit *c)
{
    for (size_t i = 0; i < c->layers_count; i++)
        if (circuit_rounds(&c->layers[i]) || c->layers[i].noise != 0 ||
            c->choice.layers[i].log2_failure > CIRCUIT_SHARED_LOG2_ERROR + 1e-6) /* of a file, which states its bound */
            return 0;
    return circuit_exact_output(c) && circuit_largest_bound(c) <= CIRCUIT_SHARED_LOG2_ERROR;
}

annulus_status circuit_quantize(const circuit *c, const float *x, int saturate, int32_t *q)
{
    const circuit_input *in = &c->input;
    for (size_t i = 0; i < in->features; i++) {
        if (!isfinite(x[i])) return fail(ANNULUS_ERR_INPUT, "feature %zu is not a finite number", i + 1);
        const double v = floor((x[i] - in->shift[i]) * in->gain[i] / in->scale + 0.5);
        if (!saturate && (v < in->lo || v > in->hi)) {
            const double a = in->lo * in->scale / in->gain[i] + in->shift[i];
            const double b = in->hi * in->scale / in->gain[i] + in->shift[i];
            return fail(
                ANNULUS_ERR_INPUT,
                "feature %zu is %g, outside the range %g to %g that the circuit was made for; correct it or ask to "
                "saturate",
                i + 1, (double)x[i], fmin(a, b), fmax(a, b));
        }
        q[i] = (int32_t)fmin(fmax(v, in->lo), in->hi);
    }
    return ANNULUS_OK;
}
