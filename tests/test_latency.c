/* SPDX-License-Identifier: Apache-2.0 */
/* Predicted seconds, by models of which few constants count. */
#include "nn_fixture.h"

#include "base/parallel.h"
#include "circuit/intake.h"
#include "circuit/latency.h"
#include "math/matrix.h"
#include "tfhe/bootstrap.h"
#include <math.h>

#define NOTHING 1e-18

/* No part costs anything. */
static const cost_model nothing = {.fft = NOTHING, .keyswitch = NOTHING, .layer = NOTHING, .crowd = 1};

static int near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b) + 1e-15;
}

static circuit *random_circuit(const size_t *widths, size_t layers, unsigned bits)
{
    uint64_t seed = 9;
    circuit *c = NULL;
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0;
    network *n = random_network(&seed, widths, layers, ACTIVATION_RELU, bits);
    float *x = random_inputs(&seed, 60, widths[0]);
    assert_ok(network_lower(n, x, 60, &o, &c));
    network_destroy(n);
    free(x);
    return c;
}

/* Every job is of one item or shared, items are as many for every worker, none is larger than a group, and a group is
 * rotated in batches that a worker holds. */
static void test_shares(void **state)
{
    (void)state;
    const tfhe_params p = {.n = 800, .k = 1, .N = 2048, .pbs_l = 1, .pbs_lb = 1, .pbs_group = 1};
    for (uint32_t EF = 1; EF <= 16; EF *= 2)
        for (unsigned threads = 1; threads <= 9; threads++)
            for (size_t count = 1; count <= 200; count++) {
                const bootstrap_share s = bootstrap_share_of(&p, EF, count, threads);
                const unsigned workers = parallel_threads(threads);
                const size_t own = count - s.shared;
                assert_true(s.shared < workers && s.active <= workers && (s.shared == 0 || EF >= 4));
                assert_true((own == 0) == (s.items == 0) && (s.items == 0 || s.items % s.active == 0));
                assert_true(s.group * s.items >= own && (s.items == 0 || (s.group - 1) * s.items < own));
                assert_true(s.group <= 32 && s.together >= 1 && s.together <= s.group);
            }
}

/* Linear layers and expansion: the words of every input, and of every weight as often as it has limbs. */
static void test_linear(void **state)
{
    (void)state;
    const size_t widths[] = {130, 5, 3};
    for (unsigned bits = 4; bits <= 14; bits += 10) {
        circuit *c = random_circuit(widths, 2, bits);
        const double dim = (double)tfhe_big_dim(&c->choice.families.of[0]), limbs = bits == 4 ? 1 : 2;
        double layers[2];
        cost_model m = nothing;
        m.layer = 2, m.input = 3, m.output = 5, m.expand = 7;
        cost_model_use(&m);
        const tfhe_params *p = &c->choice.families.of[0];
        assert_ok(circuit_predict(c));
        (void)circuit_seconds(c, 1, layers); /* packed inputs: no weights, and nothing else costs yet */
        assert_true(c->inputs_packed == (bits == 4) && (layers[0] < 1e-3 * layers[1]) == (bits == 4));
        m.fft = 11, m.multiply = 13, m.linear = 17;
        cost_model_use(&m);
        const packed_size sums = {.rows = 29, .ciphertexts = 2, .groups = 5, .polys = 7};
        const double products = 2 * (11 * (5 + 2) * log2(p->N) + 13 * 7 + 17 * 5), copies = 5 * (29 - 5);
        assert_true(near(cost_packed(p, &sums), 1e-9 * p->k * p->N * (products + copies)));
        m.fft = 1e3, m.multiply = m.linear = 0; /* products cost more than each input by itself */
        cost_model_use(&m);
        assert_ok(circuit_predict(c));
        assert_true(!c->inputs_packed && c->layers[0].packed.groups == 0);
        m.fft = NOTHING;
        cost_model_use(&m);
        const double all = circuit_seconds(c, 1, layers);
        const double first = (limbs * (2 * 130 * 5 + 5 * 5 * 2) + 3 * 130) * (dim + 1) + 7 * 130 * (dim + 1);
        const double second = (limbs * (2 * 5 * 3 + 5 * 3) + 3 * 5) * (dim + 1);
        assert_true(near(layers[0], 1e-9 * first) && near(layers[1], 1e-9 * second));
        assert_true(near(all, layers[0] + layers[1]) && near(circuit_seconds(c, 1, NULL), all));
        lookup_layer seen[2];
        m.fft = 1e3;
        cost_model_use(&m);
        assert_ok(circuit_lookup_layers(c, seen));
        m.fft = NOTHING;
        cost_model_use(&m);
        for (size_t i = 0; i < 2; i++) assert_true(near(seen[i].weights * 2 * (dim + 1) * 1e-9, layers[i]));
        if (parallel_threads(2) == 2 && c->layers[0].EF < 4) { /* no team, whose waits are not of the model */
            const double two = circuit_seconds(c, 2, NULL);
            assert_true(two >= all / 2 && two < 0.6 * all);
        }
        circuit_destroy(c);
    }
    cost_model_use(NULL);
}

/* Layers of bits take the inputs, packed, and the values of those before, by places of their own. */
static void test_exact_rounding(void **state)
{
    (void)state;
    uint64_t seed = 9;
    circuit *c = NULL;
    double layers[CIRCUIT_MAX_LAYERS], without[CIRCUIT_MAX_LAYERS];
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = 4, o.method = ROUNDING_EXACT;
    network *n = random_network(&seed, (const size_t[]){130, 5, 3}, 2, ACTIVATION_RELU, 2);
    float *x = random_inputs(&seed, 60, 130);
    assert_ok(network_lower(n, x, 60, &o, &c));
    const size_t bits = c->layers[c->layers_count - 2].low_bits;
    const tfhe_params *p = circuit_inputs(c);
    circuit single = *c;
    circuit_layer by_value[CIRCUIT_MAX_LAYERS];
    memcpy(by_value, c->layers, c->layers_count * sizeof *by_value);
    single.layers = by_value, single.inputs_packed = 0;
    for (size_t i = 0; i < c->layers_count; i++) by_value[i].packed = (packed_size){.rows = 0};
    assert_true(bits > 2 && c->inputs_packed);
    (void)circuit_seconds(c, 1, layers);
    (void)circuit_seconds(&single, 1, without);
    for (size_t i = 0; i <= bits; i++) {
        const packed_size sums = {.rows = 5, .ciphertexts = 1, .groups = 5, .polys = 5};
        const linear_block *b = &c->layers[i].linear.blocks[0];
        const double expand = i == 0 ? 130 * cost_expand_weights() : 0;
        const double inputs = cost_linear_weights(5, 130, matrix_weight_limbs(b->W, 5 * 130)) + expand;
        assert_true(c->layers[i].packed.groups == 5 && c->layers[i].linear.blocks_count == (i == 0 ? 1 : 2));
        assert_true(near(layers[i] + cost_weight(p) * inputs, without[i] + cost_packed(p, &sums)));
        assert_true(
            near(intake_linear_weights(c, i, 1),
                 i == 0 ? 0 : 5 * cost_linear_weights(1, i, matrix_weight_limbs(c->layers[i].linear.blocks[1].W, i))));
    }
    free(x);
    circuit_destroy(c);
    network_destroy(n);
}

/* Seconds until the last worker is done, if each takes the next item as soon as it is free. */
static double makespan(const tfhe_params *p, const circuit_layer *l, size_t count, unsigned workers)
{
    double free_at[64] = {0}, last = 0;
    const bootstrap_share s = bootstrap_share_of(p, l->EF, count, workers);
    const size_t own = count - s.shared;
    for (size_t i = 0; i < s.items; i++) {
        const double jobs = (double)(own * (i + 1) / s.items - own * i / s.items);
        const double turns = ceil(jobs / (double)s.together);
        size_t next = 0;
        for (size_t w = 1; w < workers; w++) next = free_at[w] < free_at[next] ? w : next;
        free_at[next] += cost_keyswitches(p, jobs) + turns * cost_rotations(p, l->EF, l->price, jobs / turns);
    }
    for (size_t w = 0; w < workers; w++) last = fmax(last, free_at[w]);
    if (s.shared > 0) /* rotated by all of them together */
        last += cost_keyswitches(p, 1) + cost_rotations(p, l->EF, l->price, (double)s.shared) / workers;
    return last;
}

/* Look-ups against workers that are watched item by item. */
static void test_look_ups(void **state)
{
    (void)state;
    size_t widths[] = {4, 0, 2};
    for (widths[1] = 1; widths[1] <= 300; widths[1] += 1 + widths[1] / 3) {
        circuit *c = random_circuit(widths, 2, 3);
        const tfhe_params *p = &c->choice.families.of[0];
        cost_model m = cost_model_shipped;
        m.layer = NOTHING, m.input = m.output = m.expand = m.read_all = 0;
        cost_model_use(&m);
        for (uint32_t EF = 1; EF <= 8; EF *= 8)
            for (unsigned threads = 1; threads <= 8; threads++) {
                circuit_layer *l = &c->layers[0];
                l->EF = EF, l->price = 0;
                const unsigned workers = parallel_threads(threads);
                const size_t slice = 32 * workers, slices = (l->out + slice - 1) / slice;
                double expected = 0, layers[2];
                for (size_t i = 0; i < slices; i++)
                    expected += makespan(p, l, l->out * (i + 1) / slices - l->out * i / slices, workers);
                (void)circuit_seconds(c, threads, layers);
                const double team = 5e-6 * (double)tfhe_steps(p); /* more than its waits take */
                assert_true(layers[0] >= expected * (1 - 1e-9) && layers[0] <= expected * 1.1 + team);
            }
        circuit_destroy(c);
    }
    cost_model_use(NULL);
}

/* One alone waits for the key, a large batch does not; all cores at once are slower than each alone. */
static void test_reading(void **state)
{
    (void)state;
    const size_t widths[] = {4, 33, 1, 2};
    circuit *c = random_circuit(widths, 3, 3);
    double bare[3], reads[3], crowded[3];
    cost_model m = cost_model_shipped;
    m.read = m.keyswitch_read = 0;
    c->choice.families.answers = (tfhe_answers){0};
    cost_model_use(&m);
    (void)circuit_seconds(c, 1, bare);
    cost_model_use(NULL);
    (void)circuit_seconds(c, 1, reads);
    assert_true(reads[1] > 1.05 * bare[1] && reads[0] < 1.05 * bare[0] && near(reads[2], bare[2]));
    m.crowd = 1.5, m.read_all = 0;
    cost_model_use(&m);
    (void)circuit_seconds(c, 0, crowded);
    if (parallel_threads(0) > 1) assert_true(crowded[1] > 1.49 * bare[1]); /* a single job, one worker */
    m.read_all = 100;
    cost_model_use(&m);
    (void)circuit_seconds(c, 0, reads);
    const double waits = 1.5 * cost_crowd_reads(&c->choice.families.of[0], parallel_threads(0), parallel_threads(0));
    assert_true(near(reads[1], crowded[1]) && near(reads[0], crowded[0] + waits) &&
                (parallel_threads(0) > 1) == (waits > 0));
    cost_model_use(NULL);
    circuit_destroy(c);
}

/* Packing is keyswitches of all parts of answers, in equal items of at most 32, with one reading of its key an item,
 * and those of ciphertexts into the key that they are sent under. */
static void test_packing(void **state)
{
    (void)state;
    const size_t widths[] = {4, 3, 70};
    circuit *c = random_circuit(widths, 2, 3);
    const tfhe_answers answers = c->choice.families.answers;
    double with[2], without[2];
    assert_true(answers.bits > 0);
    for (unsigned threads = 1; threads <= 3; threads++) {
        const tfhe_params p = tfhe_answers_params(&c->choice.families);
        const unsigned workers = parallel_threads(threads);
        const size_t parts = 70 * answers.parts, most = (parts + workers - 1) / workers, each = most < 32 ? most : 32;
        const size_t items = (parts + each - 1) / each, full = tfhe_answers_each(&answers);
        const double sent = (double)((70 + full - 1) / full) * cost_sent(&answers);
        const double crowd = cost_crowd(workers, parallel_threads(0));
        (void)circuit_seconds(c, threads, with);
        c->choice.families.answers.bits = 0;
        (void)circuit_seconds(c, threads, without);
        c->choice.families.answers = answers;
        assert_true(with[0] == without[0]);
        assert_true(near(with[1] - without[1], crowd * (sent + (double)((items + workers - 1) / workers) *
                                                                   cost_keyswitches(&p, (double)each))));
    }
    circuit_destroy(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares),         cmocka_unit_test(test_linear),
                                       cmocka_unit_test(test_exact_rounding), cmocka_unit_test(test_look_ups),
                                       cmocka_unit_test(test_reading),        cmocka_unit_test(test_packing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
