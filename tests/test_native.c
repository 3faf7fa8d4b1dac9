/* SPDX-License-Identifier: Apache-2.0 */
/* Torus-native layers: what becomes one, with what parameters, in files. */
#include "native_fixture.h"

#include "circuit/audit.h"
#include "nn/auto_rounding.h"

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
    *l = kept, l->offsets = 5, l->at[4] = 5; /* the next layer takes 4 of a neuron */
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

/* Scores of two sources behind three layers: waves 1, of amplitude 7, and 2, of 3 in twice the unit, which take the
 * input, and relu 3, which takes wave 2. */
static network *branched_network(const uint32_t sources[2])
{
    uint64_t seed = 29;
    const size_t widths[] = {6, 4, 4, 4, 3};
    network *n = wave_network(&seed, widths, 4, ACTIVATION_TRIANGLE, 1, 4);
    dense_layer *d = n->layers;
    dense_layer_clear(&d[1]), dense_layer_clear(&d[3]);
    assert_ok(dense_layer_create(6, 4, &d[1]));
    assert_ok(dense_layer_create(8, 3, &d[3]));
    random_weights(&seed, &d[1], d[0].w_scale[0]);
    random_weights(&seed, &d[3], 0.1);
    d[1].act = ACTIVATION_TRIANGLE;
    d[1].out_q = (quantizer){.scale = 2 * d[0].out_q.scale, .bits = 3, .is_signed = 1, .narrow = 1};
    d[2].act = ACTIVATION_RELU;
    d[2].out_q = (quantizer){.scale = d[0].out_q.scale, .bits = 3};
    d[1].sources_count = 1; /* the input */
    d[2].sources[0] = 2, d[2].sources_count = 1;
    memcpy(d[3].sources, sources, 2 * sizeof *sources), d[3].sources_count = 2;
    for (size_t o = 0; o < 3; o++) /* the same weights of each source, of which the first counts more */
        for (size_t k = 0; k < 8; k++)
            d[3].W[8 * o + k] = (int32_t)((sources[k / 4] == 1 ? 3 : 2) + o) * (k % 2 == 0 ? 1 : -1);
    return n;
}

/* Bound on the noise of the scores, in accumulator units. */
static double score_noise(const circuit *c)
{
    return circuit_last(c)->noise * (double)circuit_last(c)->period;
}

/* Of scores of several sources: each brings its own noise if it is torus-native, whatever the order. */
static void test_score_sources(void **state)
{
    (void)state;
    static const uint32_t order[][2] = {{1, 3}, {3, 1}, {1, 2}, {2, 1}};
    uint64_t seed = 30;
    float *x = random_inputs(&seed, 100, 6);
    for (size_t way = 0; way < 4; way++) {
        network *n = branched_network(order[way]);
        lower_options o;
        lower_options_init(&o);
        o.log2_error = -7;
        if (way >= 2) { /* without layer 3 */
            dense_layer_clear(&n->layers[2]);
            n->layers[2] = n->layers[3];
            n->layers_count = 3;
        }
        assert_ok(network_check(n));
        circuit *c = lowered(n, x, 100, &o);
        const circuit_layer *last = circuit_last(c);
        double most = 0;
        for (size_t k = 0; k < 3; k++) {
            double square = 0;
            for (size_t i = 0; i < 8; i++) {
                static const double amplitude[] = {7, 3, 0};
                square += pow(weights_of(last)[8 * k + i] * amplitude[order[way][i / 4] - 1] / 16, 2);
            }
            most = fmax(most, sqrt(square));
        }
        assert_true(most > 0 && fabs(score_noise(c) / most - 1) < 1e-9);
        assert_int_equal(last->output_bits, 0);
        writer w;
        circuit *back = NULL;
        writer_init(&w, 0);
        circuit_write(&w, c);
        reader r = {.p = w.p, .len = w.len, .name = "model.circuit"};
        assert_ok(circuit_read(&r, &back));
        assert_true(circuit_last(back)->noise == last->noise);
        writer_clear(&w);
        circuit_destroy(back);
        circuit_destroy(c);
        network_destroy(n);
    }
    free(x);
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
    const layer_rounding own[] = {{"layer 1", 4, ROUNDING_AUTO}, {"layer 2", 4, ROUNDING_UNSAID}};
    const rounding_goal keep = {.budget = 60, .threads = 2, .keep_widths = 1};
    o.layer_roundings = own, o.layer_roundings_count = 2;
    assert_refused(network_lower_auto(mixed, x, 200, &o, &keep, NULL, &c),
                   "rounding of layer 2, which is torus-native");
    o.layer_roundings_count = 0;
    assert_refused(network_lower_auto(n, x, 200, &o, &goal, NULL, &c), "every layer of look-ups is torus-native");
    assert_null(c);
    free(x);
    network_destroy(mixed);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files),    cmocka_unit_test(test_hostile_files),
                                       cmocka_unit_test(test_bounds),   cmocka_unit_test(test_score_sources),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_auto_rounding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
