/* SPDX-License-Identifier: Apache-2.0 */
/* Measured ranges that saturate (docs/rounding.md, Beyond the ends): calibrated on a few samples of narrow data, every
 * sum that the weights allow has the value of the end of its range. Toy keys have noise below 2^-60 a look-up. */
#include "random_networks.h"

#include "circuit/extend.h"

#define TRIALS 80u
#define CALIBRATION 100u
#define OUTPUTS 3u

static lower_options saturating(size_t trial)
{
    lower_options o;
    lower_options_init(&o);
    o.saturate = 1, o.margin = 0, o.share_ways = 0, o.log2_error = -1, o.families_most = 1;
    o.rounding_bits = trial % 3 == 0 ? 0 : 2 + trial % 2, o.tables_whole = trial % 4 == 0;
    return o;
}

static int64_t clamped(const circuit_layer *l, size_t o, int64_t acc)
{
    return acc < l->lo[o] ? l->lo[o] : acc > l->hi[o] ? l->hi[o] : acc;
}

static int32_t function_at(const dense_layer *d, const circuit_layer *l, size_t o, double acc)
{
    return quantizer_integer(&d->out_q, dense_layer_act(d, o, l->real_scale[o] * acc + l->real_bias[o]));
}

/* Whether rounding loses nothing of neuron o within its range, as where its changes lie on borders of cells. */
static int keeps_all(const dense_layer *d, const circuit_layer *l, size_t o)
{
    int same = 1;
    for (int64_t acc = l->lo[o]; same && acc <= l->hi[o]; acc++) {
        int32_t y;
        exec_clear_look_up(l, o, acc, &y);
        same = y == function_at(d, l, o, (double)acc);
    }
    return same;
}

/* The quantized function at the middle of the sum's cell, of the end's cell if it is beyond; at the sum itself, or the
 * end, where nothing is lost. */
static int32_t oracle(const dense_layer *d, const circuit_layer *l, size_t o, int64_t acc)
{
    double middle = (double)clamped(l, o, acc);
    if (circuit_rounds(l) && !keeps_all(d, l, o)) {
        const double cell = floor((middle + (double)l->offset[o]) / (double)l->step);
        middle = cell * (double)l->step - (double)l->offset[o] + (double)(l->step - 1) / 2;
    }
    return function_at(d, l, o, middle);
}

/* Every neuron at sums all over its proven range, those that rounding reads in the cell beside, too. */
static void check_sums(const network *n, const circuit *c, size_t *beyond)
{
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        for (size_t o = 0; o < l->out; o++) {
            const int64_t lo = l->proven_lo[o], hi = l->proven_hi[o], beside = circuit_rounds(l) ? l->step : 0;
            /* sums of layers beside wider ones are multiples of what fills the window */
            const int64_t apart = circuit_rounds(l) ? 1 : l->step;
            assert_true(circuit_range_fits(c, l, o));
            for (int64_t acc = lo; acc <= hi; acc += apart) {
                int32_t y[3];
                for (int64_t k = -1; k <= 1; k++) exec_clear_look_up(l, o, acc + k * beside, &y[k + 1]);
                assert_int_equal(y[1], oracle(&n->layers[i], l, o, acc));
                if (acc - beside < l->lo[o] || acc - beside > l->hi[o])
                    assert_int_equal(y[0], oracle(&n->layers[i], l, o, acc - beside));
                if (acc + beside < l->lo[o] || acc + beside > l->hi[o])
                    assert_int_equal(y[2], oracle(&n->layers[i], l, o, acc + beside));
                *beyond += acc < l->lo[o] || acc > l->hi[o];
            }
        }
    }
}

/* Scores of integer inputs q by the oracle. */
static void oracle_run(const network *n, const circuit *c, const int32_t *q, double *out)
{
    int32_t *of[CIRCUIT_MAX_LAYERS + 1] = {NULL};
    of[0] = malloc(c->input.features * sizeof **of);
    memcpy(of[0], q, c->input.features * sizeof *q);
    for (size_t i = 0; i < c->layers_count; i++) {
        const circuit_layer *l = &c->layers[i];
        linear_view *view = NULL;
        int32_t *x = malloc(l->in * sizeof *x);
        for (size_t k = 0, at = 0; k < l->sources_count; k++)
            for (size_t v = 0; v < circuit_source_values(c, l->sources[k]); v++) x[at++] = of[l->sources[k]][v];
        of[i + 1] = malloc(l->out * sizeof **of);
        assert_ok(linear_view_create(&l->linear, l->in, l->out, &view));
        for (size_t o = 0; o < l->out; o++) {
            const uint32_t *input;
            const int64_t *weight;
            int64_t acc = 0;
            const size_t count = linear_view_row(view, o, &input, &weight);
            for (size_t k = 0; k < count; k++) acc += weight[k] * x[input[k]];
            if (l->cells == 0)
                out[o] = (double)acc;
            else
                of[i + 1][o] = oracle(&n->layers[i], l, o, acc);
        }
        linear_view_destroy(view);
        free(x);
    }
    for (size_t i = 0; i <= c->layers_count; i++) free(of[i]);
}

/* Inputs at either end of their range, in a row. */
static int32_t *extreme_inputs(uint64_t *seed, const circuit *c, size_t count)
{
    int32_t *q = malloc(count * c->input.features * sizeof *q);
    for (size_t i = 0; i < count * c->input.features; i++) q[i] = test_random(seed) % 2 ? c->input.lo : c->input.hi;
    return q;
}

static void check_counts(const circuit *c, const exec_stats *s, uint64_t *outside)
{
    for (size_t i = 0; i + 1 < c->layers_count; i++) {
        assert_int_equal(s->wrapped[i], 0);
        assert_int_equal(s->saturated[i], s->out_of_range[i]);
        *outside += s->out_of_range[i];
    }
}

/* What shares rotations has the scores of what shares none; without rounding, where both have the same cells. */
static void check_shared(const network *n, const float *x, lower_options o, const int32_t *q, const double *want)
{
    circuit *c = NULL;
    exec_stats stats = {0};
    double got[GRAPH_SAMPLES * OUTPUTS];
    uint64_t outside = 0;
    o.share_ways = LOWER_SHARE_ANY;
    assert_ok(network_lower(n, x, CALIBRATION, &o, &c));
    assert_ok(exec_clear(c, q, GRAPH_SAMPLES, 1, got, &stats));
    assert_memory_equal(got, want, sizeof got);
    check_counts(c, &stats, &outside);
    circuit_destroy(c);
}

/* Random networks: clear, simulated and with toy keys the same scores as the oracle, nothing wraps; and where the same
 * samples give ranges that do not saturate, sums do wrap. */
static void test_networks(void **state)
{
    (void)state;
    size_t beyond = 0, run = 0, constant = 0;
    uint64_t outside = 0, wrapped = 0;
    for (size_t trial = 0; trial < TRIALS; trial++) {
        uint64_t seed = 5000 + trial;
        network *n = random_graph(&seed);
        float *x = random_inputs(&seed, CALIBRATION, n->inputs);
        for (size_t i = 0; i < CALIBRATION * n->inputs; i++) x[i] = 0.25f + x[i] * 0.6f;
        lower_options o = saturating(trial);
        circuit *c = NULL, *likely = NULL;
        const annulus_status st = network_lower(n, x, CALIBRATION, &o, &c);
        if (st != ANNULUS_OK) { /* a layer is constant on these samples */
            assert_int_equal(st, ANNULUS_ERR_INPUT);
            constant++;
            free(x);
            network_destroy(n);
            continue;
        }
        c = graph_reread(c);
        assert_true(c->saturates);
        check_sums(n, c, &beyond);
        int32_t *q = extreme_inputs(&seed, c, GRAPH_SAMPLES);
        double want[GRAPH_SAMPLES * OUTPUTS], clear[GRAPH_SAMPLES * OUTPUTS], other[GRAPH_SAMPLES * OUTPUTS];
        exec_stats stats = {0}, simulated = {0}, without = {0};
        const seed256 noise = {{1}};
        for (size_t i = 0; i < GRAPH_SAMPLES; i++) oracle_run(n, c, q + i * c->input.features, want + i * OUTPUTS);
        assert_ok(exec_clear(c, q, GRAPH_SAMPLES, 1, clear, &stats));
        assert_memory_equal(clear, want, sizeof clear);
        check_counts(c, &stats, &outside);
        if (o.rounding_bits == 0) check_shared(n, x, o, q, want);
        if (run < 20) {
            toy_parameters(c);
            assert_ok(exec_simulate(c, q, GRAPH_SAMPLES, &noise, 1, other, &simulated));
            for (size_t i = 0; i < GRAPH_SAMPLES * OUTPUTS; i++) assert_true(rint(other[i]) == want[i]);
            check_counts(c, &simulated, &outside);
            toy_encrypted(c, q, GRAPH_SAMPLES, other);
            for (size_t i = 0; i < GRAPH_SAMPLES * OUTPUTS; i++) assert_true(rint(other[i]) == want[i]);
            run++;
        }
        o.saturate = 0;
        if (network_lower(n, x, CALIBRATION, &o, &likely) ==
            ANNULUS_OK) { /* else a layer behind what wraps is constant */
            assert_ok(exec_clear(likely, q, GRAPH_SAMPLES, 1, other, &without));
            for (size_t i = 0; i + 1 < likely->layers_count; i++) wrapped += without.wrapped[i];
        }
        free(q), free(x);
        circuit_destroy(c), circuit_destroy(likely);
        network_destroy(n);
    }
    assert_int_equal(run, 20);
    assert_true(beyond > 1000 && outside > 300 && wrapped > 50 && constant < 60);
}

/* Exact rounding: the bits of sums far beyond the range are taken off, and the end's entry is what is read, with toy
 * keys, too. */
static void test_exact(void **state)
{
    (void)state;
    size_t beyond = 0;
    for (uint64_t trial = 0; trial < 6; trial++) {
        uint64_t seed = 60 + trial;
        const size_t widths[] = {6, 4, OUTPUTS};
        network *n = random_network(&seed, widths, 2, trial % 2 ? ACTIVATION_IDENTITY : ACTIVATION_RELU, 4);
        const dense_layer *d = &n->layers[0];
        for (size_t k = 0; k < 4; k++) n->layers[0].w_scale[k] /= 8; /* not all beyond the quantizer */
        float *x = random_inputs(&seed, CALIBRATION, 6);
        for (size_t i = 0; i < CALIBRATION * 6; i++) x[i] = 0.4f + x[i] / 2;
        lower_options o = saturating(1);
        circuit *c = NULL;
        o.method = ROUNDING_EXACT, o.rounding_bits = 3, o.tables_whole = trial < 3;
        assert_ok(network_lower(n, x, CALIBRATION, &o, &c));
        c = graph_reread(c);
        const circuit_layer *l = &c->layers[c->layers_count - 2], *last = circuit_last(c);
        assert_true(l->low_bits > 0);
        int32_t *q = extreme_inputs(&seed, c, GRAPH_SAMPLES);
        double want[GRAPH_SAMPLES * OUTPUTS] = {0}, got[GRAPH_SAMPLES * OUTPUTS];
        for (size_t i = 0; i < GRAPH_SAMPLES; i++)
            for (size_t k = 0; k < l->out; k++) {
                int64_t acc = 0, cells_offset = l->offset[k] - l->step / 2;
                for (size_t f = 0; f < 6; f++) acc += d->W[k * 6 + f] * q[i * 6 + f];
                const double cell = floor((double)(acc + cells_offset) / (double)l->step);
                int32_t y; /* of the sum without its low bits, or of the range's end */
                exec_clear_look_up(l, k, clamped(l, k, (int64_t)cell * l->step - cells_offset), &y);
                for (size_t s = 0; s < OUTPUTS; s++) want[i * OUTPUTS + s] += weights_of(last)[s * l->out + k] * y;
                beyond += acc < l->lo[k] || acc >= l->hi[k] + l->step;
            }
        exec_stats stats = {0};
        uint64_t outside = 0;
        assert_ok(exec_clear(c, q, GRAPH_SAMPLES, 1, got, &stats));
        assert_memory_equal(got, want, sizeof got);
        check_counts(c, &stats, &outside);
        toy_parameters(c);
        toy_encrypted(c, q, GRAPH_SAMPLES, got);
        for (size_t i = 0; i < GRAPH_SAMPLES * OUTPUTS; i++) assert_true(rint(got[i]) == want[i]);
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_true(beyond > 20);
}

/* Too many cells: what helps is said. A file whose sums do not saturate as it says is refused. */
static void test_refusals(void **state)
{
    (void)state;
    uint64_t seed = 8;
    const size_t widths[] = {160, 8, OUTPUTS};
    network *n = random_network(&seed, widths, 2, ACTIVATION_IDENTITY, 6);
    for (size_t k = 0; k < 8; k++) n->layers[0].w_scale[k] /= 200;
    float *x = random_inputs(&seed, CALIBRATION, 160);
    for (size_t i = 0; i < CALIBRATION * 160; i++) x[i] = 0.8f + x[i] / 8;
    lower_options o = saturating(0);
    circuit *c = NULL;
    o.rounding_bits = 12;
    const annulus_status st = network_lower(n, x, CALIBRATION, &o, &c);
    assert_int_equal(st, ANNULUS_ERR_INFEASIBLE);
    assert_non_null(strstr(annulus_error_message(), "cells for all sums beyond their ranges to saturate"));
    assert_null(c);
    o.rounding_bits = 4;
    assert_ok(network_lower(n, x, CALIBRATION, &o, &c));
    c->layers[0].proven_hi[2] += 2 * c->layers[0].step * c->layers[0].cells;
    refused_as(c, "the range of neuron 3 of layer layer 1 does not fit its table");
    circuit_destroy(c);
    free(x);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_networks), cmocka_unit_test(test_exact),
                                       cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
