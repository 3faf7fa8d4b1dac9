/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"

#include "circuit/audit.h"
#include "circuit/extend.h"

/* One neuron with a table of `cells` entries, sums within [lo, hi] of a weight on one input; step 1, offset 0. */
static circuit *one_neuron(const int32_t *table, uint32_t cells, int64_t lo, int64_t hi, int32_t weight, int64_t step)
{
    circuit *c = NULL;
    assert_ok(circuit_create(2, &c));
    circuit_layer *l = &c->layers[0], *last = &c->layers[1];
    c->input.features = 1;
    *l = (circuit_layer){.in = 1, .out = 1, .sources_count = 1, .cells = cells, .step = step};
    *last = (circuit_layer){.in = 1, .out = 1, .sources = {1}, .sources_count = 1, .step = 1, .period = 1000};
    assert_ok(circuit_layer_create(l));
    assert_ok(circuit_layer_create(last));
    assert_ok(linear_dense(&weight, 1, 1, &l->linear));
    assert_ok(linear_dense(&weight, 1, 1, &last->linear));
    memcpy(l->table, table, cells * sizeof *table);
    l->lo[0] = lo, l->hi[0] = hi;
    return c;
}

/* Whether the cells [first, last] of a table, beyond its ends those, are read right from `cells` of it that begin at
 * `start`: by the definition. */
static int reads(const int32_t *table, int64_t all, int64_t first, int64_t last, int64_t start, int64_t cells)
{
    int right = 1;
    for (int64_t x = first; x <= last; x++) {
        int64_t value[4]; /* at x, and of the cell that is read, and of both ends */
        const int64_t period = 2 * cells, at = ((x - start) % period + period) % period;
        const int64_t of[] = {x, start + at % cells, start, start + cells - 1};
        for (size_t k = 0; k < 4; k++) value[k] = table[of[k] < 0 ? 0 : of[k] >= all ? all - 1 : of[k]];
        right &= value[0] == (at < cells ? value[1] : value[2] + value[3] - value[1]);
    }
    return right;
}

/* Clamps, hats and functions that change anywhere, over all of a range or a part: every sum's value stays, of layers
 * that round also of the cells beside; and no narrower piece of a table that is constant at both ends does. */
static void test_fewest_cells(void **state)
{
    (void)state;
    enum { CELLS = 24 };
    uint64_t seed = 3;
    size_t narrower = 0, halved = 0, refused = 0;
    for (size_t trial = 0; trial < 4000; trial++) {
        int32_t table[CELLS];
        const int64_t from = (int64_t)(test_random(&seed) % CELLS), ramp = (int64_t)(test_random(&seed) % 9);
        const int32_t low = (int32_t)(test_random(&seed) % 9), high = (int32_t)(test_random(&seed) % 9);
        for (int64_t x = 0; x < CELLS; x++)
            table[x] = x < from ? low : x >= from + ramp ? high : (int32_t)(test_random(&seed) % 9);
        const int64_t step = trial % 3 == 0 ? 2 : 1, rounds = trial % 6 == 0; /* of step 2: every second one */
        const int64_t lo = (int64_t)(test_random(&seed) % (CELLS / 2)),
                      hi = lo + (int64_t)(test_random(&seed) % (uint64_t)(CELLS - lo));
        circuit *c = one_neuron(table, CELLS, lo * step, hi * step, step == 2 && !rounds ? 2 : 1, step);
        circuit_layer *l = &c->layers[0];
        size_t layers, least = 2;
        assert_ok(circuit_extend(c, &layers));
        for (int64_t x = lo - rounds; x <= hi + rounds; x++) {
            int32_t y;
            exec_clear_look_up(l, 0, x * step, &y);
            assert_int_equal(y, table[x < 0 ? 0 : x >= CELLS ? CELLS - 1 : x]);
        }
        for (int found = 0; !found && least < CELLS; least += !found)
            for (int64_t start = -1; !found && start + (int64_t)least <= CELLS + 1; start++)
                found = reads(table, CELLS, lo - rounds, hi + rounds, start, (int64_t)least);
        assert_true(l->cells >= least && l->cells <= CELLS);
        narrower += l->cells<CELLS, halved += 2 * l->cells <= (uint32_t)(hi - lo) + 1, refused += l->cells> least;
        assert_int_equal(layers, circuit_is_extended(l));
        assert_true(circuit_range_fits(c, l, 0));
        circuit_destroy(c);
    }
    assert_true(narrower > 3000 && halved > 100 && refused < 400);
}

/* A hard tanh of 3 cells with plateaus of 10 and 8: 13 cells in place of 21; its values by hand. */
static void test_hard_tanh(void **state)
{
    (void)state;
    int32_t table[21];
    for (int32_t x = 0; x < 21; x++) table[x] = x < 10 ? -2 : x > 12 ? 2 : x - 11;
    circuit *c = one_neuron(table, 21, 0, 20, 1, 1);
    circuit_layer *l = &c->layers[0];
    size_t layers;
    assert_ok(circuit_extend(c, &layers));
    assert_int_equal(layers, 1);
    assert_int_equal(l->cells, 13);
    exec_stats stats = {0};
    int32_t y;
    for (int64_t x = 0; x < 21; x++) {
        exec_clear_look_up(l, 0, x, &y);
        assert_int_equal(y, table[x]);
    }
    exec_clear_look_up(l, 0, 23, &y); /* what it reads at 10, the other way round */
    assert_int_equal(y, 1);
    for (int32_t x = 19; x < 25; x++) {
        double out;
        assert_ok(exec_clear(c, &x, 1, 1, &out, &stats));
    }
    assert_int_equal(stats.out_of_range[0], 4); /* 21 and 22, which are still on the plateau, 23 and 24 */
    assert_int_equal(stats.saturated[0], 2);
    assert_int_equal(stats.wrapped[0], 2);
    l->hi[0] = 23;
    assert_false(circuit_range_fits(c, l, 0));
    circuit_destroy(c);
}

/* Random networks: extended circuits have the sums of those with whole tables, bit for bit, on all samples, come back
 * from files, and run alike in clear, simulated and encrypted, the latter with toy keys. */
static void test_networks(void **state)
{
    (void)state;
    enum { ALL = 40 };
    size_t extended = 0, run = 0;
    for (uint64_t k = 1; k <= 60; k++) {
        uint64_t seed = 1000 + k;
        network *n = random_graph(&seed);
        float *x = random_inputs(&seed, ALL, n->inputs);
        lower_options o;
        circuit *c = NULL;
        size_t layers;
        lower_options_init(&o);
        o.log2_error = -1, o.families_most = 1, o.tables_whole = 1;
        o.ranges_measured = k % 2, o.rounding_bits = k % 3 ? 0 : 4;
        if (network_lower(n, x, ALL, &o, &c) != ANNULUS_OK) { /* a layer that is constant on these samples */
            o.ranges_measured = 0;
            assert_ok(network_lower(n, x, ALL, &o, &c));
        }
        int32_t *q = quantize_all(c, x, ALL);
        double whole[ALL * 3], clear[ALL * 3], other[ALL * 3];
        exec_stats stats = {0};
        const seed256 noise = {{1}};
        assert_ok(exec_clear(c, q, ALL, 1, whole, NULL));
        assert_ok(circuit_extend(c, &layers));
        assert_ok(circuit_digest(c));
        c = graph_reread(c);
        assert_ok(exec_clear(c, q, ALL, 1, clear, NULL));
        assert_memory_equal(whole, clear, sizeof whole);
        for (size_t i = 0; i + 1 < c->layers_count; i++) layers -= circuit_is_extended(&c->layers[i]) != 0;
        assert_int_equal(layers, 0);
        size_t of_this = 0;
        for (size_t i = 0; i + 1 < c->layers_count; i++) of_this += circuit_is_extended(&c->layers[i]) != 0;
        extended += of_this;
        if (of_this > 0 && run < 12) {
            toy_parameters(c);
            assert_ok(exec_simulate(c, q, GRAPH_SAMPLES, &noise, 1, other, &stats));
            for (size_t i = 0; i < GRAPH_SAMPLES * 3; i++) assert_true(rint(other[i]) == clear[i]);
            toy_encrypted(c, q, GRAPH_SAMPLES, other);
            for (size_t i = 0; i < GRAPH_SAMPLES * 3; i++) assert_true(rint(other[i]) == clear[i]);
            run++;
        }
        free(q), free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_true(extended > 60);
    assert_int_equal(run, 12);
}

/* Compiled, a clamp takes fewer cells where that is cheaper, of exactly rounded sums, too; not against the option, and
 * files whose ranges do not fit are refused. */
static void test_compiled(void **state)
{
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        uint64_t seed = 9;
        const size_t widths[] = {12, 6, 3};
        network *n = random_network(&seed, widths, 2, ACTIVATION_HARD_TANH, 4);
        float *x = random_inputs(&seed, 64, 12);
        for (size_t k = 0; k < 6; k++) n->layers[0].bias[k] = 0;
        lower_options o;
        circuit *c[2] = {NULL, NULL};
        lower_options_init(&o);
        o.log2_error = -20, o.families_most = 1, o.ranges_measured = 0, o.rounding_bits = exact ? 7 : 0;
        o.method = ROUNDING_EXACT;
        double clear[2][64 * 3];
        for (int whole = 0; whole < 2; whole++) {
            o.tables_whole = whole;
            assert_ok(network_lower(n, x, 64, &o, &c[whole]));
            int32_t *q = quantize_all(c[whole], x, 64);
            assert_ok(exec_clear(c[whole], q, 64, 1, clear[whole], NULL));
            free(q);
        }
        assert_memory_equal(clear[0], clear[1], sizeof clear[0]);
        circuit_layer *l = &c[0]->layers[c[0]->layers_count - 2];
        const circuit_layer *all = &c[1]->layers[c[1]->layers_count - 2];
        assert_int_equal(l->low_bits, all->low_bits);
        assert_true(exact == (l->low_bits > 0) && circuit_is_extended(l) && !circuit_is_extended(all));
        assert_true(10 * l->cells < 7 * all->cells);
        assert_true(c[0]->choice.seconds < 0.9 * c[1]->choice.seconds);
        l->hi[0] += 2 * l->step * l->cells;
        refused_as(c[0], "the range of neuron 1 of layer layer 1 does not fit its table");
        for (int whole = 0; whole < 2; whole++) circuit_destroy(c[whole]);
        free(x);
        network_destroy(n);
    }
}

/* At the parameters that are chosen: sums at both ends of the range, on plateaus beyond the table, have the values of
 * the clear run under encryption (each look-up fails with 2^-40), and the noise that the model says (false alarm 1e-6).
 */
static void test_encrypted(void **state)
{
    (void)state;
    enum { INPUTS = 6, SAMPLES = 3 };
    uint64_t seed = 12;
    network *n = random_network(&seed, (const size_t[]){INPUTS, 4, 2}, 2, ACTIVATION_HARD_SIGMOID, 3);
    float *x = random_inputs(&seed, 40, INPUTS);
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 0, o.output_bits = 9, o.families_most = 1;
    for (size_t k = 0; k < 4; k++) n->layers[0].w_scale[k] = 2, n->layers[0].bias[k] = 0;
    assert_ok(network_lower(n, x, 40, &o, &c));
    const circuit_layer *l = &c->layers[0];
    int32_t q[SAMPLES * INPUTS];
    assert_true(circuit_is_extended(l));
    for (size_t i = 0; i < INPUTS; i++) {
        const int up = weights_of(l)[i] > 0;
        q[i] = up ? c->input.lo : c->input.hi; /* the least sum of neuron 0, the largest, and one between */
        q[INPUTS + i] = up ? c->input.hi : c->input.lo;
        q[2 * INPUTS + i] = (c->input.lo + c->input.hi) / 2;
    }
    double out[3][SAMPLES * 2];
    roles r;
    roles_create(&r, c);
    audit_model model;
    audit *a = NULL;
    const seed256 noise = {{3}};
    audit_model_init(c, &model);
    assert_ok(audit_create(c, &model, r.eval, r.secret, q, SAMPLES, &noise, 0, NULL, out[0], out[1], out[2], &a));
    assert_int_equal(a->rejected, 0);
    assert_int_equal(a->encrypted.layers[0].errors.errors, 0);
    for (size_t k = 0; k < SAMPLES * 2; k++) assert_true(rint(out[2][k]) == out[0][k]);
    assert_true(out[0][0] != out[0][2]);
    audit_destroy(a);
    roles_destroy(&r);
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fewest_cells), cmocka_unit_test(test_hard_tanh),
                                       cmocka_unit_test(test_networks), cmocka_unit_test(test_compiled),
                                       cmocka_unit_test(test_encrypted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
