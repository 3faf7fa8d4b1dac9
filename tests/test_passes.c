/* SPDX-License-Identifier: Apache-2.0 */
#include "random_networks.h"

#include "base/memory.h"
#include "nn/pass.h"

#include <math.h>

#define SAMPLES 12u

/* ---- networks, as pass_copy makes them ---- */

static network *gathered(network *n)
{
    network *c = NULL;
    assert_ok(pass_copy(n, &c));
    network_destroy(n);
    return c;
}

/* Dense layers of one activation. Scales are powers of two and biases of few bits, so that sums are exact. */
static network *random_dense(uint64_t *seed, activation act, size_t offsets)
{
    network *n = NULL;
    size_t width = 4;
    assert_ok(network_create(width, 4, &n));
    n->input = (quantizer){.scale = 0.25, .bits = 3};
    for (size_t i = 0; i < n->layers_count; i++) {
        dense_layer *l = &n->layers[i];
        const int last = i + 1 == n->layers_count;
        assert_ok(dense_layer_create(width, last ? 3 : 4 + test_random(seed) % 6, l));
        l->weight_bits = 4;
        for (size_t k = 0; k < l->in * l->out; k++) l->W[k] = (int32_t)(test_random(seed) % 15) - 7;
        for (size_t o = 0; o < l->out; o++) {
            l->w_scale[o] = 0.0625;
            l->bias[o] = (double)(test_random(seed) % 64) / 32 - 1;
        }
        if (last) break;
        l->act = act, l->offsets = offsets, l->rise = 0.25;
        const int is_signed = act != ACTIVATION_RELU && act != ACTIVATION_SIGMOID;
        l->out_q = (quantizer){.scale = 0.25, .bits = 3, .is_signed = is_signed, .narrow = is_signed};
        width = dense_layer_values(l);
    }
    assert_ok(network_set_labels(n, NULL, 3));
    return n;
}

/* Dense layers of every activation in turn, and graphs of convolutions, of both some with functions of each neuron's
 * own. */
static network *random_copy(uint64_t seed)
{
    static const activation acts[] = {ACTIVATION_IDENTITY, ACTIVATION_RELU,      ACTIVATION_SIGMOID,
                                      ACTIVATION_TANH,     ACTIVATION_TRIANGLE,  ACTIVATION_TRAPEZOID,
                                      ACTIVATION_SINE,     ACTIVATION_SQUARE,    ACTIVATION_GELU,
                                      ACTIVATION_SIGN,     ACTIVATION_NEAR_ZERO, ACTIVATION_SOFTPLUS};
    const size_t kind = seed % 16;
    uint64_t random = seed;
    network *n = kind >= sizeof acts / sizeof *acts
                     ? random_graph(&random)
                     : random_dense(&random, acts[kind], activation_is_wave(acts[kind]) ? 1 + seed / 16 % 3 : 1);
    if (kind == 15 || (kind < 4 && seed / 16 % 2 == 1)) (void)network_vary(&random, n);
    return gathered(n);
}

/* Bit for bit, at random inputs and at the ends of the input quantizer. */
static void assert_same_meaning(const network *a, const network *b, uint64_t seed)
{
    double x[64], y[64];
    float *inputs = random_inputs(&seed, SAMPLES, a->inputs);
    assert_int_equal(a->inputs, b->inputs);
    const size_t outputs = a->layers[a->layers_count - 1].out;
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t k = 0; i < 2 && k < a->inputs; k++) inputs[i * a->inputs + k] = i == 0 ? -100 : 100;
        assert_ok(network_apply(a, inputs + i * a->inputs, x));
        assert_ok(network_apply(b, inputs + i * a->inputs, y));
        for (size_t o = 0; o < outputs; o++) assert_true(x[o] == y[o]);
    }
    free(inputs);
}

/* ---- what passes are to find ---- */

/* Row r of block k of hidden layer i: a neuron, or a channel. */
typedef struct place {
    size_t i, k, r;
} place;

static place random_place(const network *n, uint64_t *seed)
{
    place at = {.i = test_random(seed) % (n->layers_count - 1)};
    const circuit_linear *l = &n->layers[at.i].linear;
    at.k = test_random(seed) % l->blocks_count;
    at.r = test_random(seed) % l->blocks[at.k].rows;
    return at;
}

/* Where outputs of one channel are no longer alike, each is its own. */
static void mend_channels(dense_layer *l)
{
    int alike = 1;
    for (size_t a = 0; a < l->out; a++)
        for (size_t b = 0; b < a; b++) alike &= l->channel[a] != l->channel[b] || dense_layer_alike(l, a, b);
    for (size_t o = 0; !alike && o < l->out; o++) l->channel[o] = (uint32_t)o;
}

/* Biases so large that the quantizer cuts every value off; a wave loses its weights. */
static void plant_constant(network *n, place at, uint64_t *seed)
{
    dense_layer *l = &n->layers[at.i];
    const linear_block *b = &l->linear.blocks[at.k];
    const double bias = test_random(seed) % 2 ? 1000 : -1000;
    if (activation_is_wave(l->act)) memset(b->W + at.r * b->taps, 0, b->taps * sizeof *b->W);
    for (size_t p = 0; p < b->places && !activation_is_wave(l->act); p++) l->bias[b->to[p * b->rows + at.r]] = bias;
    mend_channels(l);
}

/* Weights of 0 for all that reads the row. */
static void plant_dead(network *n, place at)
{
    const dense_layer *l = &n->layers[at.i];
    const linear_block *made = &l->linear.blocks[at.k];
    for (size_t i = at.i + 1; i < n->layers_count; i++) {
        const dense_layer *to = &n->layers[i];
        size_t first = 0, s = 0;
        for (; s < to->sources_count && to->sources[s] != at.i + 1; s++)
            first += network_source_values(n, to->sources[s]);
        for (size_t k = 0; s < to->sources_count && k < to->linear.blocks_count; k++) {
            const linear_block *b = &to->linear.blocks[k];
            for (size_t m = 0; m < b->places * b->taps; m++)
                for (size_t p = 0; p < made->places; p++) {
                    const size_t value = first + made->to[p * made->rows + at.r] * l->offsets;
                    if (b->from[m] == LINEAR_NOTHING || b->from[m] < value || b->from[m] - value >= l->offsets)
                        continue;
                    for (size_t r = 0; r < b->rows; r++) b->W[r * b->taps + m % b->taps] = 0;
                }
        }
    }
}

/* Row r becomes row 0 of its block, but for the constants of its function if it is an odd one. */
static void plant_equal(network *n, place at)
{
    dense_layer *l = &n->layers[at.i];
    const linear_block *b = &l->linear.blocks[at.k];
    memcpy(b->W + at.r * b->taps, b->W, b->taps * sizeof *b->W);
    for (size_t p = 0; p < b->places; p++) {
        const uint32_t from = b->to[p * b->rows], to = b->to[p * b->rows + at.r];
        l->w_scale[to] = l->w_scale[from];
        l->bias[to] = l->bias[from];
        for (size_t v = 0; v < l->own.vary && at.r % 2 == 0; v++) l->vary[v * l->out + to] = l->vary[v * l->out + from];
    }
    mend_channels(l);
}

/* A layer none of whose values depends on the input. */
static void plant_layer(network *n, size_t i, uint64_t *seed)
{
    const circuit_linear *l = &n->layers[i].linear;
    for (size_t k = 0; k < l->blocks_count; k++)
        for (size_t r = 0; r < l->blocks[k].rows; r++) plant_constant(n, (place){i, k, r}, seed);
}

static network *planted(uint64_t seed)
{
    network *n = random_copy(seed);
    for (size_t k = 0; k < 3; k++) plant_constant(n, random_place(n, &seed), &seed);
    for (size_t k = 0; k < 3; k++) plant_equal(n, random_place(n, &seed));
    for (size_t k = 0; k < 2; k++) plant_dead(n, random_place(n, &seed));
    if (seed % 3 == 0) plant_layer(n, test_random(&seed) % (n->layers_count - 1), &seed);
    return n;
}

static size_t neurons(const network *n)
{
    size_t all = 0;
    for (size_t i = 0; i < n->layers_count; i++) all += n->layers[i].out;
    return all;
}

/* ---- each pass by itself ---- */

/* The pass takes out what it says, a second time nothing, and no bit of the scores changes. Returns how much. */
static size_t run_pass(pass *run, network *n, uint64_t seed)
{
    network *before = NULL;
    size_t removed = 0, again = 0;
    assert_ok(network_check(n));
    assert_ok(pass_copy(n, &before));
    assert_ok(run(n, &removed));
    assert_ok(network_check(n));
    if (run != pass_layers)
        assert_int_equal(neurons(before) - neurons(n), removed);
    else
        assert_int_equal(before->layers_count - n->layers_count, removed);
    assert_same_meaning(before, n, seed);
    assert_ok(run(n, &again));
    assert_true(run == pass_dead || again == 0);
    network_destroy(before);
    network_destroy(n);
    return removed;
}

#define SEEDS 160u

static void test_constant(void **state)
{
    (void)state;
    size_t removed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        network *n = random_copy(seed);
        uint64_t random = seed;
        for (size_t k = 0; k < 3; k++) plant_constant(n, random_place(n, &random), &random);
        removed += run_pass(pass_constant, n, seed);
    }
    assert_true(removed > 2 * SEEDS);
}

static void test_dead(void **state)
{
    (void)state;
    size_t removed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        network *n = random_copy(seed);
        uint64_t random = seed;
        for (size_t k = 0; k < 3; k++) plant_dead(n, random_place(n, &random));
        removed += run_pass(pass_dead, n, seed);
    }
    assert_true(removed > 2 * SEEDS);
}

static void test_equal(void **state)
{
    (void)state;
    size_t removed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        network *n = random_copy(seed);
        uint64_t random = seed;
        for (size_t k = 0; k < 4; k++) plant_equal(n, random_place(n, &random));
        removed += run_pass(pass_equal, n, seed);
    }
    assert_true(removed > SEEDS);
}

static void test_layers(void **state)
{
    (void)state;
    size_t removed = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        network *n = random_copy(seed);
        uint64_t random = seed;
        plant_layer(n, test_random(&random) % (n->layers_count - 1), &random);
        removed += run_pass(pass_layers, n, seed);
    }
    assert_true(removed > 10);
}

/* One of each kind, by hand: 1 constant, 1 equal to the first, 1 that nobody reads. */
static void test_counts(void **state)
{
    (void)state;
    network *n = NULL, *small = NULL;
    pass_counts counts;
    assert_ok(network_create(2, 2, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    assert_ok(dense_layer_create(2, 5, &n->layers[0]));
    assert_ok(dense_layer_create(5, 1, &n->layers[1]));
    const int32_t first[] = {1, 2, 0, 0, 1, 2, 2, -1, 3, 1}, second[] = {1, 2, 3, 0, -1};
    memcpy(n->layers[0].W, first, sizeof first);
    memcpy(n->layers[1].W, second, sizeof second);
    for (size_t i = 0; i < 2; i++) {
        n->layers[i].weight_bits = 4;
        for (size_t o = 0; o < n->layers[i].out; o++) n->layers[i].w_scale[o] = 1;
    }
    n->layers[0].bias[1] = 1.5;
    n->layers[0].act = ACTIVATION_RELU;
    n->layers[0].out_q = (quantizer){.scale = 0.5, .bits = 3};
    assert_ok(network_set_labels(n, NULL, 1));
    assert_ok(network_simplify(n, &small, &counts));
    assert_int_equal(counts.constant, 1);
    assert_int_equal(counts.equal, 1);
    assert_int_equal(counts.dead, 1);
    assert_int_equal(counts.layers, 0);
    assert_int_equal(small->layers[0].out, 2);
    const linear_block *b = &small->layers[1].linear.blocks[0];
    assert_int_equal(b->taps, 2);
    assert_int_equal(b->W[0], 4); /* of the first and its equal */
    assert_int_equal(b->W[1], -1);
    assert_true(small->layers[1].constant[0] == 2 * 1.5);
    assert_same_meaning(n, small, 1);
    network_destroy(n);
    network_destroy(small);
}

/* Layers keep their numbers, by which people name them. */
static void test_numbers(void **state)
{
    (void)state;
    size_t moved = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        network *n = planted(seed), *small = NULL;
        pass_counts counts;
        assert_ok(network_simplify(n, &small, &counts));
        for (size_t i = 0; i < small->layers_count; i++) {
            const size_t number = network_number(small, i);
            assert_true(number > i && number <= n->layers_count);
            assert_true(i == 0 || number > network_number(small, i - 1));
            moved += number != i + 1;
        }
        network *again = NULL; /* and a layer that comes behind them has the next one, in a copy as well */
        const size_t last = small->layers_count - 1;
        small->layers[last].number = 0;
        assert_ok(pass_copy(small, &again));
        assert_int_equal(network_number(again, last), last == 0 ? 1 : network_number(small, last - 1) + 1);
        network_destroy(again);
        network_destroy(n);
        network_destroy(small);
    }
    assert_true(moved > 0);
}

/* ---- all of them ---- */

/* Values of the clear circuit without rounding, those of its ranges proven. */
static void clear_values(const network *n, const float *x, size_t count, double *out)
{
    lower_options o;
    circuit *c = NULL;
    lower_options_init(&o);
    o.ranges_measured = 0, o.log2_error = -1, o.families_most = 1, o.rounding_bits = 0;
    assert_ok(network_lower(n, x, count, &o, &c));
    int32_t *q = quantize_all(c, x, count);
    double sums[SAMPLES * 4];
    assert_ok(exec_clear(c, q, count, 1, sums, NULL));
    const size_t outputs = circuit_last(c)->out;
    for (size_t i = 0; i < count; i++) exec_values(c, sums + i * outputs, out + i * outputs);
    free(q);
    circuit_destroy(c);
}

/* The circuit of the simplified network has the same values as that of the network, which has more neurons; but of
 * waves, as a constant neuron of theirs becomes what the network has, and not an entry of the table. */
static void test_circuits(void **state)
{
    (void)state;
    size_t fewer = 0;
    for (uint64_t seed = 1; seed <= 96; seed++) {
        if (seed % 16 >= 4 && seed % 16 < 8) continue;
        network *n = planted(seed), *small = NULL;
        pass_counts counts;
        uint64_t random = seed;
        double want[SAMPLES * 4], got[SAMPLES * 4];
        assert_ok(network_simplify(n, &small, &counts));
        assert_same_meaning(n, small, seed);
        fewer += neurons(n) - neurons(small);
        float *x = random_inputs(&random, SAMPLES, n->inputs);
        clear_values(n, x, SAMPLES, want);
        clear_values(small, x, SAMPLES, got);
        const size_t outputs = n->layers[n->layers_count - 1].out;
        for (size_t i = 0; i < SAMPLES * outputs; i++) assert_true(fabs(want[i] - got[i]) <= 1e-12);
        free(x);
        network_destroy(n);
        network_destroy(small);
    }
    assert_true(fewer > 64);
}

/* A constant of a wave's sums moves its phases by as many units. */
static void test_waves(void **state)
{
    (void)state;
    uint64_t seed = 3;
    network *n = gathered(random_dense(&seed, ACTIVATION_TRIANGLE, 2));
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    circuit *c[2] = {NULL, NULL};
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0, o.families_most = 1;
    dense_layer *l = &n->layers[1];
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < l->out; i++) {
            const double constant = 0.25 * ((double)i - 2);
            l->constant[i] = k == 0 ? constant : 0;
            l->bias[i] += k == 0 ? 0 : l->w_scale[i] * constant;
        }
        assert_ok(network_lower(n, x, SAMPLES, &o, &c[k]));
    }
    const circuit_layer *a = &c[0]->layers[1], *b = &c[1]->layers[1];
    for (size_t i = 0; i < l->out; i++) {
        assert_true(a->shift[i] == b->shift[i]);
        assert_true(a->real_bias[i] == b->real_bias[i]);
    }
    circuit_destroy(c[0]);
    circuit_destroy(c[1]);
    free(x);
    network_destroy(n);
}

/* Every neuron with a table of its own again: sharing finds the same as before. */
static void test_tables(void **state)
{
    (void)state;
    size_t all = 0;
    for (uint64_t seed = 8; seed < 16; seed++) {
        uint64_t random = seed;
        network *n = random_graph(&random);
        float *x = random_inputs(&random, SAMPLES, n->inputs);
        circuit *c = NULL;
        lower_options o;
        size_t shared;
        uint8_t digest[sizeof c->digest];
        lower_options_init(&o);
        o.ranges_measured = 0, o.log2_error = -1, o.families_most = 1;
        assert_ok(network_lower(n, x, SAMPLES, &o, &c));
        memcpy(digest, c->digest, sizeof digest);
        size_t more = 0;
        for (size_t i = 0; i + 1 < c->layers_count; i++) {
            circuit_layer *l = &c->layers[i], apart = *l;
            more += circuit_tabled(l) - l->tables;
            for (size_t a = 0; a < l->tables; a++)
                for (size_t b = 0; b < a; b++)
                    assert_memory_not_equal(l->table + a * l->cells, l->table + b * l->cells,
                                            l->cells * sizeof *l->table);
            apart.tables = circuit_tabled(l);
            assert_ok(circuit_tables_create(&apart));
            for (size_t k = 0; k < circuit_tabled(l); k++)
                memcpy(apart.table + k * l->cells, circuit_value_table(l, k), l->cells * sizeof *l->table);
            mem_free(l->table);
            mem_free(l->table_of);
            *l = apart;
        }
        assert_ok(circuit_share_tables(c, &shared));
        assert_int_equal(shared, more);
        assert_ok(circuit_digest(c));
        assert_memory_equal(c->digest, digest, sizeof digest);
        all += shared;
        free(x);
        circuit_destroy(c);
        network_destroy(n);
    }
    assert_true(all > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant), cmocka_unit_test(test_dead),   cmocka_unit_test(test_equal),
        cmocka_unit_test(test_layers),   cmocka_unit_test(test_counts), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_circuits), cmocka_unit_test(test_waves),  cmocka_unit_test(test_tables)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
