/* SPDX-License-Identifier: Apache-2.0 */
/* Units of accumulators: common factors of weights, known bounds of sums, and narrow layers beside wide ones. */
#include "nn_fixture.h"

#include "base/memory.h"
#include "circuit/exec.h"
#include "nn/lower_priv.h"
#include <math.h>
#include <string.h>

#define SAMPLES 64u

static void layer(network *n, size_t i, size_t source, const int32_t *W, size_t out, size_t in, unsigned bits)
{
    circuit_linear l = {0};
    dense_layer *d = &n->layers[i];
    assert_ok(linear_dense(W, out, in, &l));
    assert_ok(gathered_layer_create(in, out, &l, d));
    d->sources[0] = (uint32_t)source, d->sources_count = 1;
    d->act = bits == 0 ? ACTIVATION_IDENTITY : ACTIVATION_RELU;
    d->out_q = (quantizer){.scale = 0.5, .bits = bits};
    for (size_t o = 0; o < out; o++) d->channel[o] = (uint32_t)o, d->w_scale[o] = 1;
}

/* Four values of 0 to 3, of them a narrow layer, of -3 to 3, and a wide one, and both in the scores; weights of the
 * narrow one times `factor`, which its scale takes back. */
static network *branches(int32_t factor)
{
    const int32_t same[] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const int32_t narrow[] = {factor, -factor, 0, 0, 0, 0, factor, -factor}, wide[] = {9, -9, 8, 7, 5, 5, -3, 9};
    const int32_t last[] = {1, 0, 2, -1, -1, 1, 1, 0};
    network *n = NULL;
    circuit_linear l = {0};
    assert_ok(network_create(4, 4, &n));
    n->input = (quantizer){.scale = 0.5, .bits = 2};
    layer(n, 0, 0, same, 4, 4, 2);
    layer(n, 1, 1, narrow, 2, 4, 2);
    layer(n, 2, 1, wide, 2, 4, 6);
    assert_ok(linear_dense(last, 2, 4, &l));
    assert_ok(gathered_layer_create(4, 2, &l, &n->layers[3]));
    n->layers[3].sources_count = 2, n->layers[3].sources[0] = 2, n->layers[3].sources[1] = 3;
    for (size_t o = 0; o < 2; o++) {
        n->layers[1].w_scale[o] /= factor;
        n->layers[3].w_scale[o] = 1, n->layers[3].channel[o] = (uint32_t)o;
    }
    assert_ok(network_set_labels(n, NULL, 2));
    assert_ok(network_check(n));
    return n;
}

static circuit *lowered(const network *n, unsigned rounding_bits)
{
    uint64_t seed = 5;
    circuit *c = NULL;
    float *x = random_inputs(&seed, SAMPLES, n->inputs);
    lower_options o;
    lower_options_init(&o);
    o.ranges_measured = 0, o.rounding_bits = rounding_bits, o.log2_error = -10, o.families_most = 1;
    o.tables_whole = 1;
    assert_ok(network_lower(n, x, SAMPLES, &o, &c));
    free(x);
    return c;
}

/* The circuit without rounding is the network, on all 256 inputs. */
static void assert_meaning(const network *n, const circuit *c)
{
    double got[2], want[2];
    for (int32_t k = 0; k < 256; k++) {
        const int32_t q[] = {k & 3, k >> 2 & 3, k >> 4 & 3, k >> 6};
        float x[4];
        for (size_t i = 0; i < 4; i++) x[i] = (float)q[i] / 2;
        assert_ok(exec_clear(c, q, 1, 1, got, NULL));
        exec_values(c, got, got);
        assert_ok(network_apply(n, x, want));
        for (size_t o = 0; o < 2; o++) assert_true(fabs(want[o] - got[o]) < 1e-9);
    }
}

static void test_narrow_layers_have_small_tables(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 5; bits += 5) {
        network *n = branches(1);
        circuit *c = lowered(n, bits);
        const circuit_layer *narrow = &c->layers[1], *wide = &c->layers[2];
        assert_int_equal(circuit_window(narrow), circuit_window(wide));
        assert_true(narrow->cells < 32 && narrow->step > 1);
        assert_int_equal(weights_of(narrow)[0], narrow->step);
        for (int64_t v = -3; v <= 3; v++) { /* in the middle of its cell */
            const int64_t at = v * narrow->step + narrow->offset[0];
            assert_int_equal(at - at / narrow->step * narrow->step, (narrow->step - 1) / 2);
        }
        if (bits == 0) {
            assert_int_equal(wide->step, 1);
            assert_meaning(n, c);
        } else {
            assert_int_equal(wide->cells, 32);
        }
        circuit_destroy(c);
        network_destroy(n);
    }
}

static void test_common_factors_go(void **state)
{
    (void)state;
    network *n = branches(1), *m = branches(4);
    circuit *c = lowered(n, 0), *d = lowered(m, 0);
    assert_memory_equal(c->digest, d->digest, sizeof c->digest);
    circuit_destroy(c), circuit_destroy(d);
    network_destroy(n), network_destroy(m);
}

static void test_bounds_narrow_ranges(void **state)
{
    (void)state;
    network *n = branches(1);
    void *p;
    circuit *c = lowered(n, 0);
    assert_int_equal(c->layers[2].proven_hi[1] / c->layers[2].step, 3 * 19);
    circuit_destroy(c);
    assert_ok(mem_create(4, sizeof(double), "bounds", &p));
    double *bound = p;
    bound[0] = -100, bound[1] = -4, bound[2] = 100, bound[3] = 20; /* of the wide layer: real sums, scale 1/2 */
    n->layers[2].bound = bound;
    assert_ok(network_check(n));
    c = lowered(n, 0);
    assert_int_equal(c->layers[2].proven_lo[0], -27);
    assert_int_equal(c->layers[2].proven_hi[0], 3 * 24);
    assert_int_equal(c->layers[2].proven_lo[1], -8);
    assert_int_equal(c->layers[2].proven_hi[1], 40);
    circuit_destroy(c);
    bound[1] = 21;
    assert_refused(network_check(n), "layer 3, neuron 2: bounds of its sum");
    network_destroy(n);
}

/* Every cell that has sums of the neuron's range, -3 to 6 times `apart`, of one value alone has that value;
 * returns how many sums lie in such cells. */
static size_t check_entries(const circuit_layer *l, const dense_layer *d, size_t o, int64_t apart)
{
    const int64_t below = l->low_bits > 0 ? l->step / 2 : 0; /* exact rounding reads the middle of cells */
    size_t sums = 0;
    for (int64_t c = 0; c < l->cells; c++) {
        int32_t value = 0;
        size_t count = 0;
        int one = 1;
        for (int64_t acc = -3 * apart; acc <= 6 * apart; acc += apart) {
            if ((acc + l->offset[o] - below) / l->step != c) continue;
            const double real = l->real_scale[o] * (double)acc + l->real_bias[o];
            const int32_t y = quantizer_integer(&d->out_q, dense_layer_act(d, o, real));
            one &= count == 0 || y == value;
            value = y, count++;
        }
        if (count == 0 || !one) continue;
        assert_int_equal(circuit_table(l, o)[c], value);
        sums += count;
    }
    return sums;
}

/* A narrow layer of more sums than cells beside a wide one: its sums are multiples of 12, its cells have 16. A neuron
 * that changes between two of them alone, wherever that is, has the entries of its sums. */
static void test_entries_are_of_sums(void **state)
{
    (void)state;
    const int32_t W[] = {1, -1, 1, 0, 0, 1, -1, 1};
    for (int exact = 0; exact < 2; exact++)
        for (int at = 0; at < 9 * 5; at++) {
            uint64_t seed = 5;
            network *n = branches(1);
            dense_layer *d = &n->layers[1];
            memcpy(d->linear.blocks[0].W, W, sizeof W);
            d->w_scale[0] = 100; /* of sums of -1.5 to 3: 0 below the change, 3 above */
            d->bias[0] = -50 * (-3 + at / 5 + 0.1 + 0.2 * (at % 5));
            float *x = random_inputs(&seed, SAMPLES, n->inputs);
            circuit *c = NULL;
            lower_options o;
            lower_options_init(&o);
            o.ranges_measured = 0, o.rounding_bits = 3, o.log2_error = -10, o.families_most = 1, o.tables_whole = 1;
            o.share_ways = 0, o.method = exact ? ROUNDING_EXACT : ROUNDING_APPROXIMATE;
            assert_ok(network_lower(n, x, SAMPLES, &o, &c));
            const circuit_layer *l = NULL;
            for (size_t i = 0; i < c->layers_count; i++)
                if (strcmp(c->layers[i].name, "layer 2") == 0) l = &c->layers[i];
            const int64_t apart = labs(weights_of(l)[0]);
            assert_true(apart > 1 && l->step > apart && l->step % apart != 0);
            if (exact) assert_true(l->low_bits > 0 && apart == 12 && l->step == 16);
            if (!exact) assert_true(l->lo[0] == -3 * apart && l->hi[0] == 6 * apart);
            assert_int_equal(check_entries(l, d, 0, apart), 10);
            circuit_destroy(c);
            free(x);
            network_destroy(n);
        }
}

/* The last of four layers takes what two others do, whichever of them comes first, and the first of its own group. */
static void test_groups_are_united(void **state)
{
    (void)state;
    static const uint32_t ends[][2] = {{1, 0}, {0, 1}};
    for (size_t t = 0; t < 2; t++) {
        dense_layer layers[4] = {{.sources = {0}, .sources_count = 1},
                                 {.sources = {1}, .sources_count = 1},
                                 {.sources = {2}, .sources_count = 1},
                                 {.sources_count = 2}};
        size_t group[NETWORK_MAX_LAYERS];
        memcpy(layers[3].sources, ends[t], sizeof ends[t]);
        const network n = {.layers = layers, .layers_count = 4};
        lower_find_groups(&n, group);
        assert_true(group[0] == 0 && group[1] == 0 && group[2] == 2 && group[3] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow_layers_have_small_tables), cmocka_unit_test(test_common_factors_go),
        cmocka_unit_test(test_bounds_narrow_ranges), cmocka_unit_test(test_entries_are_of_sums),
        cmocka_unit_test(test_groups_are_united)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
