/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"

#include "train/train_priv.h"

/* Values that the widest sum of a layer can take, input by input. */
static int64_t widest_sum(const network *n, size_t layer)
{
    const dense_layer *l = &n->layers[layer];
    const quantizer *q = layer == 0 ? &n->input : &n->layers[layer - 1].out_q;
    int32_t lo, hi;
    int64_t most = 0;
    quantizer_range(q, &lo, &hi);
    for (size_t o = 0; o < l->out; o++) {
        int64_t least = 0, largest = 0;
        for (size_t i = 0; i < l->in; i++) {
            const int64_t a = (int64_t)l->W[o * l->in + i] * lo, b = (int64_t)l->W[o * l->in + i] * hi;
            least += a < b ? a : b;
            largest += a < b ? b : a;
        }
        most = largest - least + 1 > most ? largest - least + 1 : most;
    }
    return most;
}

static void holds_and_learns(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_IDENTITY};
    dataset *d = rings(41, 800);
    for (size_t round = 0; round < 16; round++) {
        train_options o = small();
        network *n = NULL;
        o.epochs = 25;
        o.act = acts[round % 4], o.accumulator_bits = round < 8 ? 7 : 9, o.accumulator_masks = round / 4 % 2 == 1;
        o.input_bits = o.activation_bits = 4, o.weight_bits = o.accumulator_masks ? 3 : 4;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        size_t right = 0;
        for (size_t i = 0; i < d->count; i++) {
            double y[2];
            assert_ok(network_apply(n, d->x + 3 * i, y));
            right += (y[1] > y[0]) == d->label[i];
        }
        const int few = o.accumulator_masks && round < 8; /* weights: 67 to 100 % over seeds */
        if (acts[round % 4] != ACTIVATION_IDENTITY)       /* which cannot tell rings */
            assert_true((double)right > (few ? 0.65 : 0.9) * (double)d->count);
        for (size_t l = 0; l < 3; l++) {
            const layer_sums s = network_sums(n, l);
            assert_int_equal(s.values, widest_sum(n, l));
            assert_true(s.bits <= o.accumulator_bits && s.values <= INT64_C(1) << s.bits);
            assert_true(s.values > INT64_C(1) << (s.bits - 1));
            if (!o.accumulator_masks || round < 8) continue;
            const size_t most = (size_t)((511 / network_reach(n, l)) / 3);
            for (size_t k = 0; k < n->layers[l].out; k++) {
                size_t used = 0;
                for (size_t i = 0; i < n->layers[l].in; i++) used += n->layers[l].W[k * n->layers[l].in + i] != 0;
                assert_true(used <= most);
            }
        }
        network_destroy(n);
    }
    drop(d);
}

/* Rows of random weights: integers within the ball, in the order of the magnitudes, of the weights' signs; as without a
 * ball where that is inside. */
static void rows_in_the_ball(void **state)
{
    (void)state;
    uint64_t seed = 3;
    enum { N = 100 };
    float w[N], q[N], scale[1], before[N], given = 0.3f;
    train_layer l = {.in = N, .out = 1, .bits = 4, .w = {.n = N, .x = w}, .wq = q, .scale = scale, .keep = N};
    for (size_t round = 0; round < 300; round++) {
        float sum = 0, inside = 0;
        for (size_t i = 0; i < N; i++) w[i] = (float)(unit(&seed) - 0.5) * (test_random(&seed) % 4 == 0 ? 4 : 1);
        l.ball = 1e6f, l.keep = N, l.kept = NULL;
        train_bound_row(&l, 0);
        for (size_t i = 0; i < N; i++) inside += fabsf(before[i] = q[i] / scale[0]);
        for (size_t i = 0; i < N; i++)
            assert_true(fabsf(before[i] - w[i] / scale[0]) < 0.501f || fabsf(before[i]) > 6.99f);
        l.ball = (float)(1 + test_random(&seed) % 200), l.kept = round % 2 == 0 ? NULL : &given;
        train_bound_row(&l, 0);
        for (size_t i = 0; i < N; i++) {
            const float a = q[i] / scale[0];
            assert_true(fabsf(a - roundf(a)) < 1e-3f && fabsf(a) < 7.01f && a * w[i] >= 0);
            sum += fabsf(roundf(a));
            for (size_t k = 0; k < N; k++) assert_true(fabsf(w[i]) < fabsf(w[k]) || fabsf(q[i]) >= fabsf(q[k]) - 1e-6f);
        }
        assert_true(sum <= l.ball);
        assert_true(sum > 0 || l.ball < 4);
        if (l.ball >= inside && l.kept == NULL)
            for (size_t i = 0; i < N; i++) assert_true(fabsf(q[i] / scale[0] - before[i]) < 1e-3f);
        l.ball = 0, l.keep = 1 + test_random(&seed) % (N - 1), l.kept = NULL;
        train_bound_row(&l, 0);
        float least_kept = INFINITY, most_left = 0;
        size_t kept = 0;
        for (size_t i = 0; i < N; i++) kept += q[i] != 0;
        assert_true(kept <= l.keep);
        for (size_t i = 0; i < N; i++) {
            if (q[i] != 0)
                least_kept = fminf(least_kept, fabsf(w[i]));
            else
                most_left = fmaxf(most_left, fabsf(w[i]));
        }
        assert_true(least_kept >= most_left);
    }
}

static void falls_by_a_cubic(void **state)
{
    (void)state;
    train_layer l = {.in = 100, .keep_last = 20};
    train_model m = {.layers = 1, .layer = &l};
    size_t before = 100;
    for (double at = 0; at <= 1; at += 1.0 / 64) {
        train_bound_at(&m, at);
        assert_true(l.keep <= before && l.keep >= 20);
        before = l.keep;
    }
    train_bound_at(&m, 0);
    assert_int_equal(l.keep, 100);
    train_bound_at(&m, 0.25); /* 20 + 80/8 */
    assert_int_equal(l.keep, 30);
    train_bound_at(&m, 0.5);
    assert_int_equal(l.keep, 20);
}

static void sparsity(void **state)
{
    (void)state;
    dataset *d = rings(42, 600);
    train_options o = small();
    network *n = NULL;
    o.sparsity = 0.75, o.epochs = 6;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    for (size_t k = 0; k < 8; k++) {
        size_t used = 0;
        for (size_t i = 0; i < 16; i++) used += n->layers[1].W[16 * k + i] != 0;
        assert_true(used >= 1 && used <= 4);
    }
    network_destroy(n);
    n = NULL;
    o.sparsity = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "sparsity is 1, [0, 1)");
    o.sparsity = 0, o.accumulator_bits = 3;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "layer 1: no weight fits 3 bits of accumulator");
    o.accumulator_bits = 5, o.accumulator_masks = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "no weight of 4 bits fits 5 bits of accumulator");
    o.accumulator_bits = 32;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "accumulator_bits is 32, 0 to 31");
    assert_null(n);
    drop(d);
}

/* Weights of -1 and 1 stay so: sums of 3 inputs and of 16 and 8 values of 0 to 15 need 6, 8 and 7 bits. */
static void one_bit(void **state)
{
    (void)state;
    dataset *d = rings(44, 600);
    for (int masks = 0; masks < 2; masks++) {
        train_options o = small();
        network *n = NULL;
        o.weight_bits = 1, o.epochs = 6, o.accumulator_masks = masks;
        o.accumulator_bits = 5;
        assert_refused(train_network(d, &o, NULL, NULL, NULL, &n),
                       "layer 1: its 3 weights of 1 bit are -1 and 1, whose sums need 6 bits of accumulator, not 5");
        o.accumulator_bits = 7;
        assert_refused(train_network(d, &o, NULL, NULL, NULL, &n),
                       "layer 2: its 16 weights of 1 bit are -1 and 1, whose sums need 8 bits of accumulator, not 7");
        o.accumulator_bits = 8;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        for (size_t l = 0; l < 3; l++) {
            assert_true(network_sums(n, l).bits <= 8 && widest_sum(n, l) <= 256);
            for (size_t i = 0; l > 0 && i < n->layers[l].in * n->layers[l].out; i++)
                assert_int_equal(abs(n->layers[l].W[i]), 1);
        }
        network_destroy(n);
    }
    drop(d);
}

/* Rows of groups are rows as others. */
static void groups_of_channels(void **state)
{
    (void)state;
    dataset *d = lines(61, 300, 1);
    for (int masks = 0; masks < 2; masks++) {
        train_options o = small();
        network *n = NULL;
        o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 3};
        o.conv[1] = (train_convolution){.channels = 6, .kernel = 2, .stride = 1, .groups = 2};
        o.conv_count = 2, o.hidden_count = 0, o.epochs = 2;
        o.accumulator_bits = 9, o.accumulator_masks = masks, o.weight_bits = masks ? 2 : 4;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        const circuit_linear *l = &n->layers[1].linear;
        assert_int_equal(l->blocks_count, 2);
        int64_t most = 0;
        for (size_t b = 0; b < 2; b++)
            for (size_t r = 0; r < l->blocks[b].rows; r++) {
                int64_t sum = 0;
                for (size_t k = 0; k < l->blocks[b].taps; k++) sum += abs(l->blocks[b].W[r * l->blocks[b].taps + k]);
                most = sum > most ? sum : most;
            }
        const layer_sums s = network_sums(n, 1);
        assert_true(s.values == 15 * most + 1 && s.bits <= 9 && most > 0); /* values of 0 to 15 */
        for (size_t i = 0; i < 3; i++) assert_true(network_sums(n, i).bits <= 9);
        network_destroy(n);
    }
    drop(d);
}

/* Added values have the ranges of the layers they come from, here 15 and 3. */
static void the_widest_of_added_values(void **state)
{
    (void)state;
    dataset *d = rings(43, 600);
    for (size_t widest = 0; widest < 2; widest++) {
        train_options o = small();
        network *n = NULL;
        o.hidden[0] = o.hidden[1] = 8, o.hidden[2] = 6, o.hidden_count = 3, o.hidden_add[1] = 1, o.epochs = 4;
        o.layer_acts_count = 3, o.accumulator_bits = 9;
        for (size_t i = 0; i < 3; i++)
            o.layer_acts[i] = (train_activation){.act = ACTIVATION_RELU, .bits = i == widest ? 4 : 2};
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        assert_int_equal(network_reach(n, 2), 15);
        for (size_t i = 0; i < 4; i++) assert_true(network_sums(n, i).bits <= 9);
        network_destroy(n);
    }
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(holds_and_learns),
                                       cmocka_unit_test(rows_in_the_ball),
                                       cmocka_unit_test(falls_by_a_cubic),
                                       cmocka_unit_test(one_bit),
                                       cmocka_unit_test(groups_of_channels),
                                       cmocka_unit_test(the_widest_of_added_values),
                                       cmocka_unit_test(sparsity)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
