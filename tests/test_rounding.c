/* SPDX-License-Identifier: Apache-2.0 */
/* docs/rounding.md, statement by statement; exact rounding: test_exact_rounding.c. */
#include "random_networks.h"

#include "nn/pass.h"
#include "optimizer/noise.h"

#define SAMPLES 64u
#define INPUTS 12u
#define NEURONS 4u

/* Accumulators of some thousand values, so that 12 bits round them, too. */
static network *wide_network(uint64_t *seed, activation act)
{
    static const size_t widths[] = {INPUTS, NEURONS, 3};
    network *n = random_network(seed, widths, 2, act, 8);
    for (size_t o = 0; o < NEURONS; o++) n->layers[0].w_scale[o] /= 150; /* some of each activation's course */
    n->layers[1].weight_bits = 4;
    for (size_t i = 0; i < 3 * NEURONS; i++) n->layers[1].W[i] /= 16;
    assert_ok(network_check(n));
    return n;
}

static circuit *lower_to(const network *n, const float *x, unsigned bits, int measured, double log2_error)
{
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.rounding_bits = bits, o.ranges_measured = measured, o.log2_error = log2_error, o.families_most = 1;
    o.tables_whole = 1;
    assert_ok(network_lower(n, x, SAMPLES, &o, &c));
    return c;
}

static int32_t answer(const circuit_layer *l, size_t o, int64_t acc)
{
    int32_t y;
    exec_clear_look_up(l, o, acc, &y);
    return y;
}

/* The quantized activation at the middle of cell x of neuron o. */
static int32_t entry(const circuit_layer *l, const dense_layer *d, size_t o, int64_t x)
{
    const double middle = (double)(x * l->step - l->offset[o]) + ((double)l->step - 1) / 2;
    return quantizer_integer(&d->out_q, activation_apply(d->act, d->rise, l->real_scale[o] * middle + l->real_bias[o]));
}

/* Whether neuron o has the values of its function, quantized, at all sums of its range. */
static int loses_nothing(const circuit_layer *l, const dense_layer *d, size_t o)
{
    int same = 1;
    for (int64_t acc = l->lo[o]; acc <= l->hi[o]; acc++) {
        const double real = l->real_scale[o] * (double)acc + l->real_bias[o];
        same &= answer(l, o, acc) == quantizer_integer(&d->out_q, activation_apply(d->act, d->rise, real));
    }
    return same;
}

/* The fewest units a cell that a width allows, the fewest cells of these that hold the widest range, every range in the
 * middle of the table; up to twice as many where the functions change on borders of cells alone, and elsewhere. */
static void check_grid(const circuit_layer *l, const dense_layer *d, unsigned bits)
{
    int64_t span = 1;
    for (size_t o = 0; o < l->out; o++)
        if (l->hi[o] - l->lo[o] + 1 > span) span = l->hi[o] - l->lo[o] + 1;
    assert_true(l->cells <= 1u << bits && l->step << bits >= span);
    if (l->step > 1 && l->grid > 0 && l->grid % l->step == 0) {
        assert_true((l->step / 2 - 1) << bits < span);
        for (size_t o = 0; o < l->out; o++) assert_true(loses_nothing(l, d, o));
        return;
    }
    assert_true(l->step == 1 || (l->step - 1) << bits < span);
    assert_true(l->cells * l->step >= span);
    assert_true(l->cells == 2 || (l->cells - 1) * l->step < span);
    for (size_t o = 0; o < l->out; o++) {
        const int64_t below = l->lo[o] + l->offset[o], above = l->cells * l->step - 1 - (l->hi[o] + l->offset[o]);
        assert_true(below >= 0 && (above == below || above == below + 1 || loses_nothing(l, d, o)));
    }
}

/* Every border of every cell: the unit on it belongs to the cell above, the one before to that below; entries of
 * neurons that lose something are those at the middle. */
static void check_cells(const circuit_layer *l, const dense_layer *d)
{
    for (size_t o = 0; o < l->out; o++) {
        const int exact = loses_nothing(l, d, o);
        for (int64_t x = 0; x < l->cells; x++) {
            const int64_t lowest = x * l->step - l->offset[o];
            const int32_t want = exact ? answer(l, o, lowest + (l->step - 1) / 2) : entry(l, d, o, x);
            assert_int_equal(answer(l, o, lowest), want);
            assert_int_equal(answer(l, o, lowest + l->step - 1), want);
            assert_int_equal(answer(l, o, lowest + (l->step - 1) / 2), want);
        }
    }
}

/* Beyond the table: antiperiodic about half the sum of its ends, next to them as they are, again after two tables. */
static void check_ends(const circuit_layer *l)
{
    const int64_t last = (int64_t)l->cells - 1, window = l->cells * l->step;
    for (size_t o = 0; o < l->out; o++) {
        const int32_t *t = circuit_table(l, o);
        const int64_t first = -l->offset[o];
        assert_int_equal(answer(l, o, first - 1), t[0]);
        assert_int_equal(answer(l, o, first - l->step), t[0]);
        assert_int_equal(answer(l, o, first + window), t[last]);
        for (int64_t x = 0; x <= last; x++) {
            const int64_t acc = first + x * l->step + l->step / 2, mirrored = (int64_t)t[0] + t[last] - t[x];
            assert_int_equal(answer(l, o, acc - window), mirrored);
            assert_int_equal(answer(l, o, acc + window), mirrored);
            assert_int_equal(answer(l, o, acc + 2 * window), t[x]);
            assert_int_equal(answer(l, o, acc - 2 * window), t[x]);
        }
    }
}

/* Steps that are powers of two drop low bits. Cells of the first layer only, whose grid is rewritten. */
static void check_truncation(circuit_layer *l, unsigned bits)
{
    for (unsigned s = 0; s < 8; s++) {
        l->step = INT64_C(1) << s;
        for (int64_t at = -3 * (l->step << bits); at < 3 * (l->step << bits); at += 1 + (l->step << bits) / 97) {
            const uint64_t sum = (uint64_t)at + (UINT64_C(1) << 40), low = sum & ~((UINT64_C(1) << s) - 1);
            const int64_t kept = (int64_t)low - (INT64_C(1) << 40);
            assert_int_equal(answer(l, 0, at - l->offset[0]), answer(l, 0, kept - l->offset[0]));
        }
    }
}

static void test_cells(void **state)
{
    (void)state;
    const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_SIGMOID};
    uint64_t seed = 21;
    for (size_t a = 0; a < 3; a++) {
        network *n = wide_network(&seed, acts[a]);
        float *x = random_inputs(&seed, SAMPLES, INPUTS);
        for (unsigned bits = 1; bits <= 12; bits++) {
            circuit *c = lower_to(n, x, bits, (int)(bits % 2), -2);
            circuit_layer *l = &c->layers[0];
            check_grid(l, &n->layers[0], bits);
            if (bits % 2 == 0) assert_true(l->step > 1); /* proven ranges are wider than 2^12 */
            check_cells(l, &n->layers[0]);
            check_ends(l);
            check_truncation(l, bits);
            circuit_destroy(c);
        }
        free(x);
        network_destroy(n);
    }
}

/* Noise below half a unit: a clear, a simulated and an encrypted run are one at every width, beyond the ends of the
 * tables, too, where the inputs leave a measured range (toy keys, below 2^-60 a look-up). */
static void test_runs(void **state)
{
    (void)state;
    uint64_t seed = 22, events = 0, rounded = 0;
    for (unsigned bits = 1; bits <= 12; bits++) {
        const int measured = (int)(bits % 2);
        network *n = wide_network(&seed, ACTIVATION_TANH);
        float *x = random_inputs(&seed, SAMPLES, INPUTS), *narrow = malloc(SAMPLES * INPUTS * sizeof *narrow);
        for (size_t i = 0; i < SAMPLES * INPUTS; i++) narrow[i] = 0.75f + x[i] / 4;
        circuit *c = lower_to(n, measured ? narrow : x, bits, measured, -1);
        toy_parameters_of(c, 4096);
        int32_t *q = quantize_all(c, x, SAMPLES);
        double clear[SAMPLES * 3], other[SAMPLES * 3];
        const seed256 noise = {{2}};
        exec_stats stats = {0}, simulated = {0};
        assert_ok(exec_clear(c, q, SAMPLES, 1, clear, &stats));
        assert_ok(exec_simulate(c, q, SAMPLES, &noise, 1, other, &simulated));
        assert_int_equal(simulated.samples_erred, 0);
        assert_int_equal(stats.out_of_range[0], simulated.out_of_range[0]);
        assert_int_equal(stats.saturated[0], simulated.saturated[0]);
        assert_int_equal(stats.wrapped[0], simulated.wrapped[0]);
        for (size_t i = 0; i < SAMPLES * 3; i++) assert_true(rint(other[i]) == clear[i]);
        toy_encrypted(c, q, 2, other);
        for (size_t i = 0; i < 2 * 3; i++) assert_true(rint(other[i]) == clear[i]);
        rounded += c->layers[0].step > 1;
        events += measured ? stats.saturated[0] + stats.wrapped[0] : 0;
        free(q), free(x), free(narrow);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_true(events > 100);
    assert_true(rounded >= 9);
}

/* Of look-ups at one distance from the nearest border: how many read the neighbour there, and how many are expected. */
typedef struct place {
    double expected, variance;
    size_t count, crossed;
} place;
#define PLACES 128u
typedef struct law {
    const circuit_layer *l;
    double steps;        /* of half the torus */
    double std[NEURONS]; /* of the phases, in units */
    place of[PLACES];
    size_t beyond; /* cells further away than the neighbours */
} law;

static double tail(double x)
{
    return 0.5 * erfc(x / sqrt(2));
}

/* The lower border of a cell, in units: on the step next to it. */
static double border(const law *w, int64_t cell)
{
    const double C = w->l->cells;
    return floor((double)cell * w->steps / C + 0.5) * C * (double)w->l->step / w->steps;
}

static void see(void *context, const exec_seen *seen)
{
    law *w = context;
    if (seen->layer != 0) return;
    const circuit_layer *l = w->l;
    const int64_t sum = seen->acc + l->offset[seen->neuron], clear = (int64_t)floor((double)sum / (double)l->step);
    const double phase = (double)sum + 0.5, below = phase - border(w, clear), above = border(w, clear + 1) - phase;
    const double units = seen->noise * 2 * (double)(l->cells * l->step); /* of noise */
    const double d = below < above ? below : above, std = w->std[seen->neuron];
    const int crossed = below < above ? units < -below : units >= above;
    assert_true(phase + units >= border(w, seen->cell) && phase + units < border(w, seen->cell + 1));
    assert_int_equal(seen->cell != clear, units < -below || units >= above);
    w->beyond += seen->cell < clear - 1 || seen->cell > clear + 1;
    assert_true(d > -(double)(l->cells * l->step) / w->steps && d < PLACES);
    place *p = &w->of[(size_t)fmax(0, d)];
    p->count++;
    p->crossed += (size_t)crossed;
    p->expected += tail(d / std);
    p->variance += tail(d / std) * (1 - tail(d / std));
}

/* The law of approximate rounding, simulated: the cell read is that of the place plus the noise, so that it is another
 * one if and only if the noise exceeds the distance to the border; how often it does at each distance, within 5.5
 * deviations and 1 where at least 20 are expected (at most 128 places of four circuits: a false alarm below 2^-12 at
 * fixed seeds). */
static void test_law(void **state)
{
    (void)state;
    uint64_t seed = 23;
    network *n = wide_network(&seed, ACTIVATION_RELU);
    float *x = random_inputs(&seed, 4000, INPUTS);
    size_t tested = 0;
    for (unsigned bits = 5; bits <= 8; bits++) {
        circuit *c = lower_to(n, x, bits, 0, -8);
        const circuit_layer *l = &c->layers[0];
        law w = {.l = l, .steps = (double)l->EF * circuit_inputs(c)->N};
        const seed256 noise = {{3}};
        const exec_observer observer = {see, &w};
        for (size_t o = 0; o < NEURONS; o++) {
            double norm2 = 0;
            for (size_t i = 0; i < INPUTS; i++) norm2 += pow(weights_of(l)[o * INPUTS + i], 2);
            w.std[o] = sqrt(norm2 * noise_fresh(circuit_inputs(c)) + circuit_switch_noise(c, 0)) * 2 *
                       (double)(l->cells * l->step);
            assert_true(w.std[o] < 0.5 * (double)l->step / 2.66); /* P(|noise| > half a cell) = 2^-8 */
        }
        int32_t *q = quantize_all(c, x, 4000);
        double *out = malloc(4000 * 3 * sizeof *out);
        assert_ok(exec_simulate_observed(c, q, 4000, &noise, 1, &observer, NULL, out, NULL));
        for (size_t i = 0; i < PLACES; i++) {
            const place *p = &w.of[i];
            if (p->expected < 20) continue;
            assert_true(fabs((double)p->crossed - p->expected) < 5.5 * sqrt(p->variance) + 1);
            tested++;
        }
        assert_int_equal(w.beyond, 0); /* 1 1/2 cells and more, 8 deviations */
        free(q), free(out);
        circuit_destroy(c);
    }
    assert_true(tested >= 12);
    free(x);
    network_destroy(n);
}

/* Weights are multiples of the step, and what a constant neuron adds is not: sums lie beside the middle of their cells,
 * and count as rounded. */
static void test_beside_the_middle(void **state)
{
    (void)state;
    network *n = NULL;
    const int32_t first[] = {1, 0, 0, 1, 0, 0}, second[] = {4, 0, 3, 4, 4, 3};
    uint64_t seed = 24;
    assert_ok(network_create(2, 3, &n));
    n->input = (quantizer){.scale = 1.0 / 7, .bits = 3};
    dense_layer *d = n->layers;
    assert_ok(dense_layer_create(2, 3, &d[0]));
    assert_ok(dense_layer_create(3, 2, &d[1]));
    assert_ok(dense_layer_create(2, 2, &d[2]));
    memcpy(d[0].W, first, sizeof first), memcpy(d[1].W, second, sizeof second);
    d[0].act = ACTIVATION_RELU, d[0].out_q = (quantizer){.scale = 1, .bits = 3};
    d[1].act = ACTIVATION_TANH, d[1].out_q = (quantizer){.scale = 1.0 / 31, .bits = 6, .is_signed = 1};
    for (size_t o = 0; o < 3; o++) d[0].w_scale[o] = 7, d[0].bias[o] = o == 2 ? 5 : 0;
    for (size_t o = 0; o < 2; o++) {
        d[1].w_scale[o] = 0.05, d[1].bias[o] = -1.3 + (double)o;
        d[2].w_scale[o] = 1, d[2].W[2 * o] = 1, d[2].W[2 * o + 1] = (int32_t)o;
    }
    for (size_t i = 0; i < 3; i++) d[i].weight_bits = 4;
    assert_ok(network_set_labels(n, NULL, 2));
    float *x = random_inputs(&seed, SAMPLES, 2);
    network *simple = NULL;
    pass_counts counts;
    assert_ok(network_simplify(n, &simple, &counts));
    assert_int_equal(simple->layers[0].out, 2);
    circuit *c = lower_to(simple, x, 4, 0, -8);
    const circuit_layer *l = &c->layers[1];
    int apart = 0;
    assert_true(l->step == 4 && l->cells != 0);
    for (size_t k = 0; k < l->linear.blocks[0].rows * l->linear.blocks[0].taps; k++)
        assert_int_equal(l->linear.blocks[0].W[k] % 4, 0);
    for (size_t o = 0; o < l->out; o++) apart |= (l->offset[o] & 3) == 0 || (l->offset[o] & 3) == 3;
    assert_true(apart && circuit_rounds(l));
    circuit_destroy(c);
    free(x);
    network_destroy(simple);
    network_destroy(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cells), cmocka_unit_test(test_runs),
                                       cmocka_unit_test(test_law), cmocka_unit_test(test_beside_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
