/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that change every 2^s units of their sums alone (docs/rounding.md, Powers of two): scales that are powers
 * of two, and truncations. Toy keys have noise below 2^-60 a look-up. */
#include "random_networks.h"

#include "base/memory.h"

#define SAMPLES 200u
#define OUTPUTS 3u

enum { RELU, IDENTITY, HARD_TANH, CLIP, TRUNCATION, FUNCTIONS };

static function one_step(function_op op, double first, double second)
{
    function f = {.count = 1, .steps = {{.op = op}}};
    f.steps[0].in[1] = (function_operand){.is_constant = 1, .constant = first};
    f.steps[0].in[2] = (function_operand){.is_constant = 1, .constant = second};
    return f;
}

/* Two layers; a unit of the first one's sums is 2^-s of a unit of its values, s `least` or one more from neuron to
 * neuron. Biases are any real numbers. */
static network *shifting_network(uint64_t *seed, size_t inputs, int kind, int least)
{
    const size_t widths[] = {inputs, 5, OUTPUTS};
    network *n = random_network(seed, widths, 2, kind == RELU ? ACTIVATION_RELU : ACTIVATION_IDENTITY, 4);
    dense_layer *d = &n->layers[0];
    d->out_q = (quantizer){.scale = 0.25, .bits = 4, .is_signed = kind != RELU};
    if (kind == HARD_TANH) d->act = ACTIVATION_HARD_TANH;
    if (kind == CLIP) d->act = ACTIVATION_FUNCTION, d->own = one_step(FUNCTION_CLIP, -0.8, 0.6);
    if (kind == TRUNCATION) {
        d->act = ACTIVATION_FUNCTION, d->own = one_step(FUNCTION_FLOOR, 0, 0);
        d->out_q.scale = 1;
    }
    for (size_t o = 0; o < 5; o++) d->w_scale[o] = ldexp(d->out_q.scale / n->input.scale, -least - (int)(o % 2));
    assert_ok(network_check(n));
    return n;
}

static circuit *lower_to(const network *n, const float *x, unsigned bits, rounding_method method, double log2_error,
                         int measured)
{
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = bits, o.method = method, o.log2_error = log2_error, o.families_most = 1;
    o.ranges_measured = measured;
    assert_ok(network_lower(n, x, SAMPLES, &o, &c));
    return c;
}

static void clear_scores(const circuit *c, const float *x, double *out)
{
    int32_t *q = quantize_all(c, x, SAMPLES);
    assert_ok(exec_clear(c, q, SAMPLES, 1, out, NULL));
    for (size_t i = 0; i < SAMPLES; i++) exec_values(c, out + i * OUTPUTS, out + i * OUTPUTS);
    free(q);
}

static const circuit_layer *table_layer(const circuit *c)
{
    return &c->layers[c->layers_count - 2];
}

/* Neurons whose values are those without rounding at all sums of their ranges. */
static size_t neurons_kept(const network *n, const circuit *c)
{
    const circuit_layer *l = table_layer(c);
    const dense_layer *d = &n->layers[0];
    const int64_t below = l->low_bits > 0 ? l->step - 1 : 0, middle = l->low_bits > 0 ? l->step / 2 : 0;
    size_t kept = 0;
    for (size_t o = 0; o < l->out; o++) {
        int same = 1;
        for (int64_t acc = l->proven_lo[o]; acc <= l->proven_hi[o]; acc++) {
            const int64_t start = -(l->offset[o] - middle); /* sums whose low bits are gone */
            int32_t y;
            exec_clear_look_up(l, o, start + (int64_t)((uint64_t)(acc - start) & ~(uint64_t)below), &y);
            const double real = l->real_scale[o] * (double)acc + l->real_bias[o];
            same &= y == quantizer_integer(&d->out_q, dense_layer_act(d, o, real));
        }
        kept += same != 0;
    }
    return kept;
}

/* The first samples with toy keys. */
static void check_encrypted(circuit *c, const float *x, const double *want)
{
    enum { COUNT = 3 };
    int32_t *q = quantize_all(c, x, COUNT);
    double got[COUNT * OUTPUTS];
    toy_parameters(c);
    toy_encrypted(c, q, COUNT, got);
    for (size_t i = 0; i < COUNT * OUTPUTS; i++) got[i] = rint(got[i]);
    for (size_t i = 0; i < COUNT; i++) exec_values(c, got + i * OUTPUTS, got + i * OUTPUTS);
    assert_memory_equal(got, want, sizeof got);
    free(q);
}

/* Cells that are a divisor of 2^s and on its borders. */
static void check_grid(const circuit_layer *l, unsigned bits, int exact, int64_t grid, int64_t span)
{
    assert_int_equal(l->grid, grid);
    assert_int_equal(l->grid % l->step, 0);
    assert_true(l->cells <= 1u << bits);
    if (exact) assert_true(l->cells <= 32 || l->step == grid);
    if (!exact) assert_true(l->step == 1 || ((l->step - 1) / 2) << bits < span);
}

/* Rounded to any width that has room for cells of 2^s, clear answers are those without rounding, and the step is the
 * least that divides 2^s; exact: one of at most 32 cells, or 2^s. Where there is room for cells twice as wide alone,
 * exact rounding loses nothing of neurons whose s is larger by one. */
static void test_nothing_lost(void **state)
{
    (void)state;
    uint64_t seed = 31;
    size_t rounded = 0, run = 0, some = 0;
    for (size_t trial = 0; trial < 30; trial++) { /* all kinds, scales and methods */
        const int kind = (int)(trial % FUNCTIONS), least = 2 + (int)(trial % 3), exact = trial % 2 == 0;
        network *n = shifting_network(&seed, 8, kind, least);
        float *x = random_inputs(&seed, SAMPLES, 8);
        circuit *none = lower_to(n, x, 0, ROUNDING_UNSAID, -1, 0);
        double want[SAMPLES * OUTPUTS], got[SAMPLES * OUTPUTS];
        clear_scores(none, x, want);
        int64_t span = 0;
        const circuit_layer *whole = table_layer(none);
        for (size_t o = 0; o < whole->out; o++)
            if (whole->hi[o] - whole->lo[o] >= span) span = whole->hi[o] - whole->lo[o] + 1;
        assert_true(whole->grid >= INT64_C(1) << least && whole->grid % (INT64_C(1) << least) == 0);
        for (unsigned bits = 2; bits <= 8; bits++) {
            circuit *c = graph_reread(lower_to(n, x, bits, exact ? ROUNDING_EXACT : ROUNDING_APPROXIMATE, -1, 0));
            const circuit_layer *l = table_layer(c);
            if ((span >> least) + 2 <= INT64_C(1) << bits) { /* a border at either end */
                check_grid(l, bits, exact, whole->grid, span);
                clear_scores(c, x, got);
                assert_memory_equal(got, want, sizeof got);
                rounded += l->step > 1;
                if (run < 4 && run < rounded / 8) {
                    check_encrypted(c, x, want);
                    run++;
                }
            } else if (exact && l->step == INT64_C(2) << least) {
                some += neurons_kept(n, c) > 0;
            }
            circuit_destroy(c);
        }
        circuit_destroy(none);
        free(x);
        network_destroy(n);
    }
    assert_true(rounded > 45 && some > 4);
    assert_int_equal(run, 4);
}

/* Comparisons have one border, which lies on one of cells of any width; functions of other scales have no grid, and
 * steps and offsets by the width alone (test_rounding.c). */
static void test_other_functions(void **state)
{
    (void)state;
    uint64_t seed = 32;
    for (size_t trial = 0; trial < 12; trial++) {
        network *n = shifting_network(&seed, 8, RELU, 3);
        dense_layer *d = &n->layers[0];
        const int compares = trial % 2 == 0;
        if (compares) d->act = ACTIVATION_STEP;
        for (size_t o = 0; o < d->out; o++)
            if (!compares) d->w_scale[o] *= 1.1 + test_unit(&seed);
        float *x = random_inputs(&seed, SAMPLES, 8);
        circuit *none = lower_to(n, x, 0, ROUNDING_UNSAID, -1, 0);
        circuit *c = lower_to(n, x, 3, trial % 3 == 0 ? ROUNDING_EXACT : ROUNDING_APPROXIMATE, -1, 0);
        double want[SAMPLES * OUTPUTS], got[SAMPLES * OUTPUTS];
        clear_scores(none, x, want);
        clear_scores(c, x, got);
        assert_true(table_layer(c)->step > 1);
        assert_int_equal(table_layer(c)->grid, compares ? table_layer(c)->step : 0);
        assert_int_equal(memcmp(got, want, sizeof got) == 0, compares);
        circuit_destroy(none), circuit_destroy(c);
        free(x);
        network_destroy(n);
    }
}

/* Graphs, where layers that take the same values have one window: of those whose cells all divide what their functions
 * change by, the clear answers are those without rounding. */
static void test_graphs(void **state)
{
    (void)state;
    size_t same = 0, tied = 0;
    for (uint64_t trial = 0; trial < 160; trial++) {
        uint64_t seed = 900 + trial;
        network *n = random_graph(&seed);
        int shifts = 1, any = 0, several = 0;
        for (size_t i = 0; i + 1 < n->layers_count; i++) {
            dense_layer *d = &n->layers[i];
            shifts &= d->act <= ACTIVATION_RELU || d->act == ACTIVATION_STEP || d->act == ACTIVATION_NEAR_ZERO;
            for (size_t o = 0; d->act <= ACTIVATION_RELU && o < d->out; o++) d->w_scale[o] = 0.25;
        }
        float *x = random_inputs(&seed, SAMPLES, n->inputs);
        if (shifts) {
            circuit *none = lower_to(n, x, 0, ROUNDING_UNSAID, -1, 0);
            circuit *c = lower_to(n, x, 3, trial % 2 ? ROUNDING_EXACT : ROUNDING_APPROXIMATE, -1, 0);
            double want[SAMPLES * OUTPUTS], got[SAMPLES * OUTPUTS];
            clear_scores(none, x, want);
            clear_scores(c, x, got);
            for (size_t i = 0; i + 1 < c->layers_count; i++) {
                const circuit_layer *l = &c->layers[i];
                const int rounds = l->unit == 0 && (circuit_rounds(l) || l->low_bits > 0);
                any |= rounds;
                shifts &= !rounds || (l->grid > 0 && l->grid % l->step == 0);
            }
            for (size_t s = 0; s < none->layers_count; s++)
                several |= circuit_first_use(none, s) < circuit_last_use(none, s);
            if (shifts && any) {
                assert_memory_equal(got, want, sizeof got);
                same++, tied += several != 0;
            }
            circuit_destroy(none), circuit_destroy(c);
        }
        free(x);
        network_destroy(n);
    }
    assert_true(same > 8 && tied > 2);
}

/* The layer as it would be of any scales: the fewest units a cell, ranges in the middle of the table. */
static void forget_grid(const network *n, circuit *c, unsigned bits)
{
    circuit_layer *l = &c->layers[0];
    const dense_layer *d = &n->layers[0];
    int64_t span = 1;
    void *p;
    for (size_t o = 0; o < l->out; o++)
        if (l->hi[o] - l->lo[o] + 1 > span) span = l->hi[o] - l->lo[o] + 1;
    l->step = (span + (1 << bits) - 1) >> bits;
    l->cells = (uint32_t)((span + l->step - 1) / l->step);
    mem_free(l->table);
    assert_ok(mem_create(l->out * l->cells, sizeof(int32_t), "table", &p));
    l->table = p, l->tables = l->out, l->grid = 0;
    for (size_t o = 0; o < l->out; o++) {
        l->table_of[o] = (uint32_t)o;
        l->offset[o] = ((int64_t)l->cells * l->step - (l->hi[o] - l->lo[o] + 1)) / 2 - l->lo[o];
        for (size_t x = 0; x < l->cells; x++) {
            const double middle = (double)((int64_t)x * l->step - l->offset[o]) + (double)(l->step - 1) / 2;
            l->table[o * l->cells + x] =
                quantizer_integer(&d->out_q, dense_layer_act(d, o, l->real_scale[o] * middle + l->real_bias[o]));
        }
    }
    assert_ok(circuit_choose_parameters(c, MINIMIZE_SECONDS, 1, 0, 0, NULL));
    assert_ok(circuit_digest(c));
}

/* Mean square of what simulated scores differ by from those without rounding. */
static double loss(const circuit *c, const float *x, const double *want)
{
    int32_t *q = quantize_all(c, x, SAMPLES);
    double got[SAMPLES * OUTPUTS], sum = 0;
    const seed256 noise = {{7}};
    assert_ok(exec_simulate(c, q, SAMPLES, &noise, 2, got, NULL));
    for (size_t i = 0; i < SAMPLES; i++) exec_values(c, got + i * OUTPUTS, got + i * OUTPUTS);
    for (size_t i = 0; i < SAMPLES * OUTPUTS; i++) sum += (got[i] - want[i]) * (got[i] - want[i]);
    free(q);
    return sum / (SAMPLES * OUTPUTS);
}

/* Approximate rounding at parameters of the day: less is lost than where borders of cells lie anywhere, at the same
 * probability of errors, in every of 6 networks (fixed seeds). */
static void test_approximate(void **state)
{
    (void)state;
    for (uint64_t trial = 0; trial < 6; trial++) {
        uint64_t seed = 70 + trial;
        const unsigned bits = 4 + trial % 2;
        network *n = shifting_network(&seed, 24, trial % 2 ? IDENTITY : RELU, 5);
        float *x = random_inputs(&seed, SAMPLES, 24);
        circuit *none = lower_to(n, x, 0, ROUNDING_UNSAID, -10, 1);
        circuit *c = lower_to(n, x, bits, ROUNDING_APPROXIMATE, -10, 1);
        circuit *other = lower_to(n, x, bits, ROUNDING_APPROXIMATE, -10, 1);
        double want[SAMPLES * OUTPUTS];
        assert_true(table_layer(c)->step > 1 && table_layer(c)->grid % table_layer(c)->step == 0);
        clear_scores(none, x, want);
        forget_grid(n, other, bits);
        const double now = loss(c, x, want), before = loss(other, x, want);
        assert_true(now < 0.8 * before);
        circuit_destroy(none), circuit_destroy(c), circuit_destroy(other);
        free(x);
        network_destroy(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_lost), cmocka_unit_test(test_other_functions),
                                       cmocka_unit_test(test_graphs), cmocka_unit_test(test_approximate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
