/* SPDX-License-Identifier: Apache-2.0 */
/* Torus-native layers from the network to the encrypted run. */
#include "wave_fixture.h"

#include "circuit/audit.h"
#include "families_fixture.h"
#include "math/torus.h"
#include "nn/auto_rounding.h"
#include "nn/wave.h"
#include "ranks.h"
#include "roles.h"

/* In one family of keys: the search is short. */
static circuit *lowered(const network *n, const float *x, size_t count, const lower_options *options)
{
    circuit *c = NULL;
    lower_options o = *options;
    o.families_most = 1;
    assert_ok(network_lower(n, x, count, &o, &c));
    return c;
}

/* The wave of a layer at the middle of the cell that a phase lies in, a turn in 2^64. */
static double wave_at(const dense_layer *d, const circuit_layer *l, uint64_t phase, size_t j)
{
    const double cells = 2.0 * l->cells;
    const double cell = floor(ldexp((double)(uint32_t)((phase + (UINT64_C(1) << 31)) >> 32), -32) * cells);
    return dense_layer_act(d, (cell + 0.5 + floor((double)(j * l->cells) / (double)d->offsets + 0.5)) / cells);
}

/* The clear run is the network's, its phases rounded to cells: every wave, offsets that do and do not divide the cells,
 * weights so large that the sums go round hundreds of times, and layers behind others. */
static void test_clear_is_its_meaning(void **state)
{
    (void)state;
    enum { COUNT = 130 };
    uint64_t seed = 21;
    const size_t widths[] = {9, 6, 5, 3}, offsets[] = {1, 4, 3, 16, 2};
    for (size_t k = 0; k < 5; k++) {
        const activation act = k == 4 ? ACTIVATION_WAVE : (activation)(ACTIVATION_TRIANGLE + k);
        network *n = wave_network(&seed, widths, 3, act, offsets[k], 5);
        if (k == 3)
            for (size_t o = 0; o < 6; o++) n->layers[0].w_scale[o] += 7;
        float *x = random_inputs(&seed, COUNT, 9);
        lower_options o;
        lower_options_init(&o);
        circuit *c = lowered(n, x, COUNT, &o);
        int32_t *q = quantize_all(c, x, COUNT);
        double got[COUNT * 3], v[96], next[96];
        exec_stats stats = {0};
        assert_ok(exec_clear(c, q, COUNT, 2, got, &stats));
        for (size_t s = 0; s < COUNT; s++) {
            for (size_t i = 0; i < 9; i++) v[i] = q[9 * s + i];
            for (size_t i = 0; i < 3; i++) {
                const circuit_layer *l = &c->layers[i];
                const dense_layer *d = &n->layers[i];
                for (size_t p = 0; p < l->out; p++) {
                    double acc = 0;
                    for (size_t f = 0; f < l->in; f++) acc += d->W[p * l->in + f] * v[f];
                    if (i == 2) assert_true(got[3 * s + p] == acc);
                    for (size_t j = 0; i < 2 && j < d->offsets; j++) {
                        const uint64_t phase = (uint64_t)(int64_t)acc * l->unit + l->shift[p];
                        next[p * d->offsets + j] = quantizer_integer(&d->out_q, wave_at(d, l, phase, j));
                    }
                }
                memcpy(v, next, sizeof v);
            }
        }
        for (size_t i = 0; i < 2; i++) {
            const double scale = i == 0 ? 0.25 : n->layers[0].out_q.scale;
            const double unit = n->layers[i].w_scale[0] * scale, bias = n->layers[i].bias[1];
            assert_true(fabs(torus_to_double(c->layers[i].unit - torus_from_double(unit))) < 0x1p-60);
            assert_true(c->layers[i].shift[1] == torus_from_double(bias));
            assert_true(stats.out_of_range[i] == 0 && stats.saturated[i] == 0 && stats.wrapped[i] == 0);
        }
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

/* Scores of the real network and of its circuit differ by the rounding to 512 cells alone: the mean square of that of a
 * layer of J values, a slope of 4 over 1/512 period, is below 2^-14 of the values' square. */
static void test_near_the_network(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    uint64_t seed = 22;
    const size_t widths[] = {12, 16, 4};
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 4, 8);
    float *x = random_inputs(&seed, COUNT, 12);
    lower_options o;
    lower_options_init(&o);
    circuit *c = lowered(n, x, COUNT, &o);
    int32_t *q = quantize_all(c, x, COUNT);
    double acc[COUNT * 4], got[4], want[4], square = 0, error = 0;
    assert_ok(exec_clear(c, q, COUNT, 2, acc, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        exec_values(c, acc + 4 * i, got);
        assert_ok(network_apply(n, x + 12 * i, want));
        for (size_t k = 0; k < 4; k++)
            error += pow(got[k] - want[k], 2), square += pow(want[k] - n->layers[1].bias[k], 2);
    }
    assert_true(error > 0 && error < 0x1p-12 * square);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Phases in the middle of 1/16 of the period, and tables of as many values, each repeated: noise of 2^-8 at most, 8
 * deviations, changes none, and the encrypted scores are the clear ones, in one family of keys and in two, whose scores
 * are noisier. 60 look-ups and 18 scores beyond 8 deviations: a false alarm has probability below 2^-43. */
static void test_encrypted_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 23;
    const size_t widths[] = {8, 6, 4, 3};
    const layer_error exact = {"output", -40};
    const tfhe_families both = two_families();
    for (size_t families = 1; families <= 2; families++) {
        network *n = wave_network(&seed, widths, 3, ACTIVATION_TRIANGLE, 4, 4);
        float *x = random_inputs(&seed, 100, 8);
        lower_options o;
        lower_options_init(&o);
        o.phase_noise = 0x1p-10;
        o.layer_errors = &exact, o.layer_errors_count = 1;
        o.output_bits = 16;
        circuit *c = lowered(n, x, 100, &o);
        for (size_t i = 0; i < 2; i++) {
            circuit_layer *l = &c->layers[i];
            l->unit = (UINT64_C(5) + i) << 60;
            for (size_t p = 0; p < l->out; p++) l->shift[p] = (2 * (test_random(&seed) % 16) + 1) << 59;
            for (size_t t = 0; t < l->cells; t++) l->table[t] = (int32_t)(t / 32 * 5 % 14) - (int32_t)(6 + i);
            l->mid2 = (int32_t)i;
        }
        if (families == 2) c = circuit_in_families(c, &both, 8192);
        assert_int_equal(c->choice.families.count, families);
        int32_t *q = quantize_all(c, x, 3);
        assert_true(circuit_last(c)->noise == 0);
        const double near = 8 * c->choice.layers[2].phase_std * (double)circuit_last(c)->period;
        assert_true(families == 2 || near < 0.5);
        for (size_t i = 0; i < 2; i++) assert_true(c->choice.layers[i].phase_std < 0x1p-8);
        double want[9], got[3];
        roles r;
        roles_create(&r, c);
        assert_ok(exec_clear(c, q, 3, 1, want, NULL));
        for (size_t i = 0; i < 3; i++) {
            run_encrypted(&r, c, q + 8 * i, got);
            for (size_t k = 0; k < 3; k++) assert_true(fabs(got[k] - want[3 * i + k]) < near);
        }
        roles_destroy(&r);
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
}

typedef struct phases {
    const circuit *c;
    double square;
    size_t count;
} phases;

static void see_phase(void *context, const exec_seen *s)
{
    phases *v = context;
    if (v->c->layers[s->layer].unit == 0) return;
    v->square += s->noise * s->noise;
    v->count++;
}

/* Rank of each score's encrypted error among SIMULATED of the same image: if encrypted errors are distributed as
 * simulated, ranks of different images are independent and uniform. A false alarm of each of 4 scores has probability
 * 1e-7 (ranks.h); a deviation that is wrong by half is seen. That of the phases is predicted, and by the bound, within
 * 10 %: 1,600 of them, of nearly independent noise, 5.6 standard errors, 2e-8. */
static void test_encrypted_follows_simulation(void **state)
{
    (void)state;
    enum { IMAGES = 100, SIMULATED = 499, OUTPUTS = 4, NEURONS = 16 };
    uint64_t seed = 24;
    const size_t widths[] = {30, NEURONS, OUTPUTS};
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 4, 4);
    float *x = random_inputs(&seed, IMAGES, 30);
    lower_options o;
    lower_options_init(&o);
    circuit *c = lowered(n, x, IMAGES, &o);
    const layer_choice *read = &c->choice.layers[0];
    assert_true(read->phase_std <= 0x1p-5 && read->phase_std > 0x1p-6);
    assert_true(c->choice.layers[1].phase_std <= c->layers[1].noise);
    int32_t *q = quantize_all(c, x, IMAGES), copies[SIMULATED * 30];
    double got[OUTPUTS], *scores = malloc(SIMULATED * OUTPUTS * sizeof *scores), rank[OUTPUTS][IMAGES];
    roles r;
    phases v = {.c = c};
    const exec_observer observer = {.seen = see_phase, .context = &v};
    roles_create(&r, c);
    for (size_t i = 0; i < IMAGES; i++) {
        const seed256 s = {{(uint8_t)i, 9}};
        exec_stats stats = {0};
        for (size_t k = 0; k < SIMULATED; k++) memcpy(copies + 30 * k, q + 30 * i, 30 * sizeof *q);
        assert_ok(exec_simulate(c, copies, SIMULATED, &s, 2, scores, &stats));
        assert_ok(exec_encrypted_observed(c, r.plan, r.eval, r.secret, q + 30 * i, i, 0, &observer, NULL, got));
        for (size_t k = 0; k < OUTPUTS; k++) {
            size_t below = 0;
            for (size_t m = 0; m < SIMULATED; m++) below += scores[OUTPUTS * m + k] < got[k];
            rank[k][i] = ((double)below + 0.5) / (SIMULATED + 1);
        }
        const double deviation = sqrt(stats.phase_square[0] / (SIMULATED * NEURONS));
        assert_true(fabs(deviation / read->phase_std - 1) < 0.1);
        assert_true(stats.index_errors[0] == 0 && stats.samples_erred == 0 && stats.wrapped[1] == 0);
    }
    for (size_t k = 0; k < OUTPUTS; k++) assert_false(ranks_judge(rank[k], IMAGES, SIMULATED + 1, 1e-7).rejected);
    assert_int_equal(v.count, IMAGES * NEURONS);
    assert_true(fabs(sqrt(v.square / (double)v.count) / read->phase_std - 1) < 0.1);
    roles_destroy(&r);
    free(q), free(x), free(scores);
    circuit_destroy(c);
    network_destroy(n);
}

/* A padded layer, a torus-native one and a padded one, and scores: every kind of neighbour. */
static network *mixed_network(uint64_t *seed)
{
    const size_t widths[] = {8, 6, 5, 4, 3};
    network *n = wave_network(seed, widths, 4, ACTIVATION_SINE, 1, 4);
    for (size_t i = 0; i < 4; i += 2) {
        dense_layer *d = &n->layers[i];
        d->act = ACTIVATION_TANH;
        d->out_q = (quantizer){.scale = 0.1, .bits = 3, .is_signed = 1};
        for (size_t o = 0; o < d->out; o++) d->w_scale[o] *= 1 + 0.2 * test_unit(seed), d->bias[o] /= 4;
    }
    for (size_t o = 0; o < 5; o++) n->layers[1].w_scale[o] = 0.13;
    assert_ok(network_check(n));
    return n;
}

/* The same circuit again, from its file. */
static void test_files(void **state)
{
    (void)state;
    uint64_t seed = 25;
    const size_t widths[] = {6, 5, 3};
    for (size_t mixed = 0; mixed < 2; mixed++) {
        network *n = mixed ? mixed_network(&seed) : wave_network(&seed, widths, 2, ACTIVATION_TRAPEZOID, 4, 4);
        float *x = random_inputs(&seed, 100, n->inputs);
        lower_options o;
        lower_options_init(&o);
        o.rounding_bits = 3, o.log2_error = -7;
        circuit *c = lowered(n, x, 100, &o), *back = NULL;
        writer w, again;
        writer_init(&w, 0), writer_init(&again, 0);
        circuit_write(&w, c);
        for (size_t len = 0; len < w.len; len++) {
            reader cut = {.p = w.p, .len = len, .name = "model.circuit"};
            assert_refused(circuit_read(&cut, &back), "model.circuit");
            assert_null(back);
        }
        reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
        assert_ok(circuit_read(&r, &back));
        assert_ok(read_end(&r));
        circuit_write(&again, back);
        assert_int_equal(w.len, again.len);
        assert_memory_equal(w.p, again.p, w.len);
        assert_memory_equal(c->digest, back->digest, 32);
        for (size_t i = 0; i < c->layers_count; i++)
            assert_true(c->choice.layers[i].phase_std == back->choice.layers[i].phase_std);
        circuit_destroy(back);
        circuit_destroy(c);
        writer_clear(&w), writer_clear(&again);
        free(x);
        network_destroy(n);
    }
}

static void test_hostile_files(void **state)
{
    (void)state;
    uint64_t seed = 26;
    const size_t widths[] = {6, 5, 3};
    const char *const encoding = "the encoding of layer layer 1 is out of range";
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 4, 4);
    float *x = random_inputs(&seed, 100, 6);
    lower_options o;
    lower_options_init(&o);
    circuit *c = lowered(n, x, 100, &o);
    circuit_layer *l = &c->layers[0], *last = &c->layers[1];
    const circuit_layer kept = *l, scores = *last;
    l->unit++;
    refused_as(c, encoding);
    *l = kept, l->cells = 255;
    refused_as(c, encoding);

    *l = kept, l->step = 2;
    refused_as(c, encoding);
    const double bad[] = {0, -0x1p-5, 1, INFINITY, NAN};
    for (size_t i = 0; i < 5; i++) {
        *l = kept, l->noise = bad[i];
        refused_as(c, i == 0 ? encoding : "model.circuit");
    }
    *l = kept, l->log2_error = -7;
    refused_as(c, "a noise of 0.03125 of layer layer 1");
    const uint32_t offsets[] = {0, 17, UINT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        *l = kept, l->offsets = offsets[i];
        refused_as(c, "offsets and a centre of");
    }
    *l = kept, l->offsets = 5; /* the next layer takes 4 of a neuron */
    refused_as(c, "layer output takes 20 values, its sources have 25");
    *l = kept, l->mid2 = (1 << 17) + 1;
    refused_as(c, "4 offsets and a centre of 131073/2");
    *l = kept, l->output_bits = 3;
    refused_as(c, encoding);
    *l = kept, l->EF = 3;
    refused_as(c, encoding);
    *l = kept;
    l->table[7] = (1 << 16) + 1;
    refused_as(c, "table entry 8 is 65537");
    l->table[7] = 0;
    last->unit = 2, last->shift = l->shift;
    refused_as(c, "layer output has 1 offsets and a centre of 0/2");
    *last = scores, last->output_bits = 5;
    refused_as(c, "the encoding of output layer output is out of range");
    *last = scores, last->noise = 0;
    refused_as(c, "the encoding of output layer output is out of range");
    *last = scores, last->mid2 = 1;
    refused_as(c, "1 offsets and a centre of 1/2");
    *last = scores;
    circuit_destroy(c);
    free(x);
    network_destroy(n);
}

/* Bounds: what the network states, the default, and what is asked for; of scores, in their own units. */
static void test_bounds(void **state)
{
    (void)state;
    uint64_t seed = 27;
    const size_t widths[] = {6, 5, 4, 3};
    network *n = wave_network(&seed, widths, 3, ACTIVATION_TRIANGLE, 2, 4);
    float *x = random_inputs(&seed, 100, 6);
    lower_options o;
    lower_options_init(&o);
    n->layers[0].noise = 0x1p-6;
    circuit *c = lowered(n, x, 100, &o);
    const circuit_layer *last = circuit_last(c);
    double most = 0;
    for (size_t k = 0; k < 3; k++) {
        double square = 0;
        for (size_t i = 0; i < last->in; i++) square += pow(weights_of(last)[k * last->in + i], 2);
        most = fmax(most, sqrt(square));
    }
    assert_true(c->layers[0].noise == 0x1p-6 && c->layers[1].noise == 0x1p-5);
    assert_true(fabs(last->noise * (double)last->period / (most * 7 / 16) - 1) < 1e-9); /* values of -7 to 7 */
    assert_true(last->output_bits == 0 && !circuit_exact_output(c) && !circuit_shared_output(c));
    for (size_t k = 0; k < 3; k++) { /* no score wraps: half the period is 8.5 deviations beyond any */
        const double room = 8.5 * last->noise * (double)last->period;
        assert_true((double)(last->proven_hi[k] + last->offset[k]) + room < 0.5 * (double)last->period);
        assert_true((double)(last->proven_lo[k] + last->offset[k]) - room > -0.5 * (double)last->period);
    }
    for (size_t i = 0; i < 3; i++) assert_true(c->choice.layers[i].phase_std <= c->layers[i].noise);
    circuit_destroy(c);
    n->layers[2].noise = 0.02;
    o.phase_noise = 0.04;
    c = lowered(n, x, 100, &o);
    assert_true(c->layers[0].noise == 0.04 && c->layers[1].noise == 0.04);
    const double score = circuit_last(c)->noise * (double)circuit_last(c)->period * circuit_last(c)->real_scale[0];
    assert_true(fabs(score / 0.02 - 1) < 1e-9); /* one scale: of every score */
    assert_int_equal(circuit_look_ups(c), 18);
    assert_int_equal(circuit_rotations_before(c, 3), 9);
    circuit_destroy(c);
    free(x);
    network_destroy(n);
}

/* Lowers n with these options and expects it refused with the text. */
static void lower_refused(const network *n, const lower_options *o, const char *text)
{
    circuit *c = NULL;
    uint64_t seed = 1;
    float *x = random_inputs(&seed, 100, n->inputs);
    assert_refused(network_lower(n, x, 100, o, &c), text);
    assert_null(c);
    free(x);
}

static void test_refusals(void **state)
{
    (void)state;
    uint64_t seed = 28;
    const size_t widths[] = {6, 5, 3};
    const layer_error error = {"layer 1", -9};
    const layer_rounding rounding = {.layer = "layer 1", .bits = 4};
    network *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 2, 4);
    lower_options o;
    lower_options_init(&o);
    o.layer_errors = &error, o.layer_errors_count = 1;
    lower_refused(n, &o, "error probability of layer 1, which is torus-native");
    lower_options_init(&o);
    o.layer_roundings = &rounding, o.layer_roundings_count = 1;
    lower_refused(n, &o, "rounding of layer 1, which is torus-native");
    lower_options_init(&o);
    o.shared_output = 1, o.rounding_bits = 0, o.log2_error = -128;
    lower_refused(n, &o, "which results for others to see must not");
    const double bad[] = {-0x1p-5, 0.26, NAN};
    for (size_t i = 0; i < 3; i++) {
        lower_options_init(&o);
        o.phase_noise = bad[i];
        lower_refused(n, &o, "a phase noise of");
    }
    lower_options_init(&o);
    n->layers[0].noise = 0.3;
    lower_refused(n, &o, "layer 1: a noise of 0.3 periods");
    n->layers[0].noise = 0;
    n->layers[0].out_q = (quantizer){.scale = 0.2, .bits = 3}; /* from 0 on */
    lower_refused(n, &o, "cuts off a part of the wave");
    n->layers[0].act = ACTIVATION_SQUARE; /* 0 and 1, which are antiperiodic about 1/2 */
    n->layers[0].out_q = (quantizer){.scale = 1, .bits = 1};
    float *x = random_inputs(&seed, 100, 6);
    circuit *c = lowered(n, x, 100, &o);
    assert_int_equal(c->layers[0].mid2, 1);
    assert_int_equal(c->layers[0].table[0], 1);
    circuit_destroy(c);
    for (size_t k = 0; k < 5; k++) n->layers[0].w_scale[k] = 4;
    lower_refused(n, &o, "by whole periods");
    n->layers[0].act = ACTIVATION_WAVE;
    n->layers[0].own = two_sines(0); /* of which 0 and 1 cut off a half */
    lower_refused(n, &o, "what the quantizer makes of its wave is not antiperiodic");
    free(x);
    network_destroy(n);
}

/* Widths are chosen for the padded layers alone. */
static void test_auto_rounding(void **state)
{
    (void)state;
    uint64_t seed = 31;
    const size_t widths[] = {6, 5, 3};
    network *mixed = mixed_network(&seed), *n = wave_network(&seed, widths, 2, ACTIVATION_TRIANGLE, 2, 4);
    float *x = random_inputs(&seed, 200, 8);
    const rounding_goal goal = {.budget = 60, .threads = 2};
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 0, o.log2_error = -7, o.families_most = 1;
    assert_ok(network_lower_auto(mixed, x, 200, &o, &goal, NULL, &c));
    assert_int_equal(c->layers[1].cells, 256);
    assert_true(c->layers[0].cells <= 4096 && c->layers[0].unit == 0 && c->layers[2].unit == 0);
    circuit_destroy(c);
    c = NULL;
    assert_refused(network_lower_auto(n, x, 200, &o, &goal, NULL, &c), "every layer of look-ups is torus-native");
    assert_null(c);
    free(x);
    network_destroy(mixed);
    network_destroy(n);
}

/* A wave of no name, about 1, of integers from 0 to 15: where phases are in the middle of what it makes even, the clear
 * circuit is the network bit for bit and so is the encrypted run: noise of 2^-8 at most, 8 deviations, changes no
 * value. 54 look-ups and 9 scores beyond 8 deviations: a false alarm has probability below 2^-43. */
static void test_own_wave_is_the_network(void **state)
{
    (void)state;
    enum { COUNT = 3, INPUTS = 8, SCORES = 3 };
    uint64_t seed = 32;
    const size_t widths[] = {INPUTS, 6, 5, SCORES};
    const layer_error exact = {"output", -40};
    network *n = wave_network(&seed, widths, 3, ACTIVATION_WAVE, 4, 4);
    for (size_t i = 0; i < 2; i++) {
        dense_layer *d = &n->layers[i];
        d->own = stairs();
        d->out_q = (quantizer){.scale = 2.0 / 15, .bits = 4};
        for (size_t o = 0; o < d->out; o++) {
            d->w_scale[o] = i == 0 ? 4 * 5.0 / 16 : 7.5 * 3.0 / 16;
            d->bias[o] = (2 * (double)(test_random(&seed) % 16) + 1) / 32;
        }
    }
    float *x = random_inputs(&seed, 100, INPUTS);
    lower_options o;
    lower_options_init(&o);
    o.phase_noise = 0x1p-10, o.output_bits = 16;
    o.layer_errors = &exact, o.layer_errors_count = 1;
    circuit *c = lowered(n, x, 100, &o);
    int32_t *q = quantize_all(c, x, 100);
    double clear[100 * SCORES], got[SCORES], want[SCORES];
    exec_stats stats = {0};
    assert_ok(exec_clear(c, q, 100, 2, clear, &stats));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(c->layers[i].mid2, 15);
        assert_true(c->layers[i].unit != 0 && c->choice.layers[i].phase_std < 0x1p-8);
        assert_string_equal(c->layers[i].activation, "wave");
    }
    for (size_t i = 0; i < 100; i++) {
        exec_values(c, clear + SCORES * i, got);
        assert_ok(network_apply(n, x + INPUTS * i, want));
        for (size_t k = 0; k < SCORES; k++) assert_true(fabs(got[k] - want[k]) < 1e-9);
    }
    roles r;
    roles_create(&r, c);
    for (size_t i = 0; i < COUNT; i++) {
        run_encrypted(&r, c, q + INPUTS * i, got);
        for (size_t k = 0; k < SCORES; k++) assert_true(rint(got[k]) == clear[SCORES * i + k]);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Quantized, a function is antiperiodic only if its centre is half an integer and nothing is cut off. */
static void test_what_is_antiperiodic(void **state)
{
    (void)state;
    const struct {
        double centre;
        quantizer q;
        int32_t mid2; /* INT32_MAX: it is not */
    } of[] = {{0, {.scale = 0.125, .bits = 5, .is_signed = 1}, 0},
              {0, {.scale = 0.125, .bits = 4, .is_signed = 1}, INT32_MAX},
              {1, {.scale = 0.125, .bits = 5}, 16},
              {1, {.scale = 2.0 / 15, .bits = 4}, 15},
              {1, {.scale = 0.13, .bits = 4}, INT32_MAX},
              {1.02, {.scale = 0.125, .bits = 5}, INT32_MAX},
              {1, {.scale = 0.0625, .bits = 4}, INT32_MAX},
              {0.5, {.scale = 0.125, .bits = 4, .is_signed = 1}, INT32_MAX},
              {0.5, {.scale = 0.125, .bits = 5, .is_signed = 1}, 8},
              {0.5, {.scale = 0.25, .bits = 4, .is_signed = 1, .zero = -1}, 4},
              {0, {.scale = 3, .bits = 4, .is_signed = 1}, INT32_MAX}, /* constant */
              {0, {.scale = 0x1p-15, .bits = 16, .is_signed = 1}, 0},
              {0, {.scale = 0.125, .bits = 4}, INT32_MAX}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const function f = two_sines(of[i].centre);
        int32_t mid2 = INT32_MAX;
        assert_int_equal(wave_is_antiperiodic(&f, &of[i].q, &mid2), of[i].mid2 != INT32_MAX);
        assert_int_equal(mid2, of[i].mid2);
    }
    function off = two_sines(0); /* a second harmonic of 1/20 */
    off.steps[2].in[1].constant = 2;
    off.steps[4].in[1].constant = 20;
    const quantizer q = of[0].q;
    int32_t mid2;
    assert_false(wave_is_antiperiodic(&off, &q, &mid2));
}

/* Where a torus-native layer would be refused, a wave of no name is a function with padding: beside classic layers that
 * take the same values, or waves in units of no plain ratio, and for answers that others may see. */
static void test_own_wave_with_padding(void **state)
{
    (void)state;
    enum { CLASSIC, RATIO, ALONE, SHOWN, WAYS };
    for (size_t way = 0; way < WAYS; way++) {
        uint64_t seed = 33;
        const size_t widths[] = {6, 4, 4, 3};
        network *n = wave_network(&seed, widths, 3, ACTIVATION_WAVE, 1, 4);
        const uint32_t first[] = {0}, both[] = {1, 2};
        dense_layer *d = n->layers;
        dense_layer_clear(&d[1]);
        dense_layer_clear(&d[2]);
        assert_ok(dense_layer_create(6, 4, &d[1]));
        assert_ok(dense_layer_create(8, 3, &d[2]));
        random_weights(&seed, &d[1], way == RATIO ? 0.0171234 : d[0].w_scale[0]);
        random_weights(&seed, &d[2], 0.1);
        d[1].act = way == CLASSIC ? ACTIVATION_RELU : ACTIVATION_WAVE;
        if (way != CLASSIC) d[1].own = two_sines(0);
        d[1].out_q = d[0].out_q;
        memcpy(d[1].sources, first, sizeof first), d[1].sources_count = 1;
        memcpy(d[2].sources, both, sizeof both), d[2].sources_count = 2;
        float *x = random_inputs(&seed, 100, 6);
        lower_options o;
        lower_options_init(&o);
        if (way == SHOWN) o.shared_output = 1, o.rounding_bits = 0, o.log2_error = -128;
        for (size_t k = 0; k < d[1].in * d[1].out; k++) d[1].W[k] = d[1].W[k] / 2 * 2; /* of one factor */
        circuit *c = lowered(n, x, 100, &o);
        for (size_t i = 0; way == ALONE && i < 2; i++) /* in the common unit, too, sums turn as those of the network */
            for (size_t k = 0; k < 24; k++) {
                const double turn = d[i].W[k] * d[i].w_scale[0] * 0.25;
                const uint64_t word = (uint64_t)(int64_t)weights_of(&c->layers[i])[k] * c->layers[i].unit;
                assert_true(fabs(torus_to_double(word - torus_from_double(turn))) < 0x1p-50);
            }
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(circuit_is_wave(&c->layers[i]), way == ALONE);
            if (way == SHOWN) assert_string_equal(c->layers[i].activation, "function");
        }
        circuit_destroy(c);
        free(x);
        network_destroy(n);
    }
}

/* Layers of both kinds in one circuit: the encrypted run follows the clear one where phases lie, as above, in the
 * middle of large parts of the period and padded look-ups do not fail (2^-40 each). */
static void test_mixed(void **state)
{
    (void)state;
    uint64_t seed = 29;
    network *n = mixed_network(&seed);
    float *x = random_inputs(&seed, 100, 8);
    lower_options o;
    lower_options_init(&o);
    o.rounding_bits = 0, o.output_bits = 14, o.phase_noise = 0x1p-8;
    circuit *c = lowered(n, x, 100, &o);
    circuit_layer *l = &c->layers[1];
    assert_true(c->layers[0].noise == 0 && l->noise == 0x1p-8 && c->layers[2].noise == 0 &&
                circuit_last(c)->noise == 0);
    l->unit = UINT64_C(3) << 60;
    for (size_t p = 0; p < l->out; p++) l->shift[p] = (2 * (test_random(&seed) % 16) + 1) << 59;
    for (size_t t = 0; t < l->cells; t++) l->table[t] = (int32_t)(t / 32 * 5 % 14) - 7;
    int32_t *q = quantize_all(c, x, 4);
    double want[12], got[3];
    roles r;
    roles_create(&r, c);
    assert_ok(exec_clear(c, q, 4, 1, want, NULL));
    for (size_t i = 0; i < 4; i++) {
        run_encrypted(&r, c, q + 8 * i, got);
        for (size_t k = 0; k < 3; k++) assert_true(fabs(got[k] - want[3 * i + k]) < 0.5);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Accepted (false alarm 1e-6); with phases of an eighth of their deviation rejected where they are read, and the sums
 * of several values of a rotation are right. */
static void test_audit(void **state)
{
    (void)state;
    enum { COUNT = 6 };
    uint64_t seed = 30;
    const size_t widths[] = {24, 12, 8, 5};
    network *n = wave_network(&seed, widths, 3, ACTIVATION_TRIANGLE, 3, 4);
    float *x = random_inputs(&seed, 100, 24);
    lower_options o;
    lower_options_init(&o);
    circuit *c = lowered(n, x, 100, &o);
    int32_t *q = quantize_all(c, x, COUNT);
    double scores[3][COUNT * 5];
    const seed256 s = {{4}};
    audit_model model;
    roles r;
    roles_create(&r, c);
    for (size_t wrong = 0; wrong < 2; wrong++) {
        audit *a = NULL;
        audit_model_init(c, &model);
        if (wrong) model.phase[0] /= 64, model.look_up[0] /= 64;
        assert_ok(
            audit_create(c, &model, r.eval, r.secret, q, COUNT, &s, 0, NULL, scores[0], scores[1], scores[2], &a));
        assert_int_equal(a->rejected, wrong);
        assert_int_equal(a->tests, 2 * (4 + 4 + 4));
        for (size_t i = 0; i < 2; i++) {
            const audit_run *run = i == 0 ? &a->simulated : &a->encrypted;
            assert_false(run->first.found);
            /* beyond by chance 1e-6; with an eighth of the deviation none of 72 phases 3e-15 */
            assert_int_equal(run->beyond.found, wrong);
            assert_true(run->largest.found && (run->largest.ratio > a->most_ratio) == (int)wrong);
            if (wrong) assert_true(run->beyond.ratio > a->most_ratio && run->beyond.ratio <= run->largest.ratio);
            for (size_t k = 0; k < 3; k++) {
                assert_int_equal(run->layers[k].sum.count, COUNT * widths[k + 1]);
                assert_int_equal(run->layers[k].sum.log_p < a->log_alarm, wrong && k == 1);
                assert_int_equal(run->layers[k].phase.log_p < a->log_alarm, wrong && k == 0);
            }
        }
        audit_destroy(a);
    }
    roles_destroy(&r);
    free(q), free(x);
    circuit_destroy(c);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_hostile_files),
                                       cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_own_wave_is_the_network),
                                       cmocka_unit_test(test_what_is_antiperiodic),
                                       cmocka_unit_test(test_own_wave_with_padding),
                                       cmocka_unit_test(test_mixed),
                                       cmocka_unit_test(test_auto_rounding),
                                       cmocka_unit_test(test_audit),
                                       cmocka_unit_test(test_clear_is_its_meaning),
                                       cmocka_unit_test(test_near_the_network),
                                       cmocka_unit_test(test_encrypted_is_exact),
                                       cmocka_unit_test(test_encrypted_follows_simulation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
