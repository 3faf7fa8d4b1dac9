/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"

#include "circuit/latency.h"
#include "nn/lower.h"
#include "train/train_budget.h"

#include <string.h>

static train_options brief(void)
{
    train_options o = small();
    o.hidden[0] = 8, o.hidden_count = 1;
    o.epochs = 2;
    return o;
}

/* Seconds of the network compiled as it was chosen. */
static double seconds_of(const network *n, const dataset *d, const train_choice *c, unsigned threads)
{
    lower_options l;
    circuit *made = NULL;
    lower_options_init(&l);
    if (c->error > 0) l.log2_error = log2(c->error), l.rounding_bits = c->rounding_bits;
    assert_ok(network_lower(n, d->x, d->count, &l, &made));
    const double s = circuit_seconds(made, threads, NULL);
    circuit_destroy(made);
    return s;
}

static void same_layers(const network *a, const network *b)
{
    assert_int_equal(a->layers_count, b->layers_count);
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_true(x->in == y->in && x->out == y->out);
        assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
        assert_memory_equal(x->bias, y->bias, x->out * sizeof *x->bias);
    }
}

/* With room for everything: all neurons and the most precise look-ups, and the network of a training for them. */
static void all_that_fits(void **state)
{
    (void)state;
    dataset *d = rings(21, 600);
    train_options o = brief();
    train_choice c;
    network *n = NULL, *plain = NULL;
    assert_ok(train_within(d, &o, &(train_budget){.seconds = 100, .threads = 1}, NULL, NULL, NULL, &c, &n));
    assert_true(c.hidden_count == 1 && c.hidden[0] == 8);
    assert_true(c.rounding_bits == 8 && c.error == 0.001);
    assert_true(c.seconds == seconds_of(n, d, &c, 1));
    o.target_error = 0.001, o.rounding_bits = 8;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &plain));
    same_layers(n, plain);
    network_destroy(n), network_destroy(plain);
    drop(d);
}

/* Between: look-ups become coarser before neurons go; what is given is kept. */
static void look_ups_before_neurons(void **state)
{
    (void)state;
    dataset *d = rings(22, 600);
    train_options o = brief();
    train_choice most, c;
    network *n = NULL;
    assert_ok(train_within(d, &o, &(train_budget){.seconds = 100, .threads = 1}, NULL, NULL, NULL, &most, &n));
    network_destroy(n);
    n = NULL;
    const train_budget half = {.seconds = 0.5 * most.seconds, .threads = 1};
    assert_ok(train_within(d, &o, &half, NULL, NULL, NULL, &c, &n));
    assert_true(c.hidden[0] == 8);
    assert_true(c.seconds <= half.seconds && c.seconds == seconds_of(n, d, &c, 1));
    assert_true(c.rounding_bits < 8 || c.error > 0.001);
    network_destroy(n);
    n = NULL;
    o.target_error = 0.05;
    const train_budget given = {.seconds = 100, .threads = 1, .rounding_bits = 5};
    assert_ok(train_within(d, &o, &given, NULL, NULL, NULL, &c, &n));
    assert_true(c.rounding_bits == 5 && c.error == 0.05 && c.seconds == seconds_of(n, d, &c, 1));
    network_destroy(n);
    drop(d);
}

/* Too little for all neurons, of classic layers and of waves. */
static void fewer_neurons(void **state)
{
    (void)state;
    for (int waves = 0; waves < 2; waves++) {
        dataset *d = rings(23, 600);
        train_options o = brief();
        train_choice all, c;
        network *n = NULL;
        if (waves) o.act = ACTIVATION_TRIANGLE, o.offsets = 2, o.activation_bits = 8, o.phase_noise = 0.02;
        if (!waves) o.target_error = 0.3;
        train_budget b = {.seconds = 100, .threads = 1, .rounding_bits = waves ? 0 : 6, .noise_given = waves};
        assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, &all, &n));
        assert_true(all.error == (waves ? 0 : 0.3) && all.rounding_bits == (waves ? 0 : 6));
        network_destroy(n);
        n = NULL;
        b.seconds = 0.6 * all.seconds;
        assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n));
        assert_true(c.seconds <= b.seconds && c.seconds == seconds_of(n, d, &c, 1));
        assert_true(c.hidden[0] < 8 && c.hidden[0] >= 2);
        assert_true(n->layers[0].out == c.hidden[0]);
        network_destroy(n);
        drop(d);
    }
}

/* Channels of convolutions that are added, and neurons behind them. */
static void fewer_channels(void **state)
{
    (void)state;
    dataset *d = lines(25, 200, 1);
    train_options o = brief();
    train_choice all, c;
    network *n = NULL;
    o.conv[0] = (train_convolution){.channels = 3, .kernel = 3, .stride = 3};
    o.conv[1] = (train_convolution){.channels = 3, .kernel = 3, .stride = 1, .padding = 1, .add = 1};
    o.conv_count = 2, o.target_error = 0.3, o.epochs = 1;
    train_budget b = {.seconds = 100, .threads = 1, .rounding_bits = 6};
    assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, &all, &n));
    assert_true(all.hidden_count == 3 && all.hidden[1] == 3 && all.hidden[2] == 8);
    network_destroy(n);
    b.seconds = 0.6 * all.seconds, n = NULL;
    assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n));
    assert_true(c.seconds <= b.seconds && c.seconds == seconds_of(n, d, &c, 1));
    assert_true(c.hidden[0] == c.hidden[1] && c.hidden[0] < 3);
    assert_true(n->layers[1].out == 9 * c.hidden[1] && n->layers[2].out == c.hidden[2]);
    network_destroy(n);
    drop(d);
}

/* Neurons, what was trained for and what is predicted of waves agree: the network carries the noise that it has at its
 * parameters, which is what it was trained for at last. */
static void noise_of_waves(void **state)
{
    (void)state;
    dataset *d = rings(27, 600);
    train_options o = brief();
    train_choice all, c;
    network *n = NULL;
    o.act = ACTIVATION_TRAPEZOID, o.offsets = 2, o.activation_bits = o.weight_bits = 8, o.epochs = 4;
    o.hidden[1] = 6, o.hidden_count = 2;
    train_budget b = {.seconds = 100, .threads = 1};
    for (int few = 0; few < 2; few++) {
        train_choice *now = few ? &c : &all;
        if (few) b.seconds = 0.6 * all.seconds;
        assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, now, &n));
        assert_true(now->seconds <= b.seconds && now->seconds == seconds_of(n, d, now, 1));
        assert_true(now->noise_count == 3 && now->hidden_count == 2 && now->error == 0 && now->rounds <= 3);
        for (size_t i = 0; i < 2; i++) {
            const train_layer_noise *t = &now->trained[i], *p = &now->predicted[i];
            assert_true(fabs(log2(t->phase / p->phase)) <= 0.1 && p->waves && n->layers[i].out == now->hidden[i]);
            assert_true(fabs(n->layers[i].noise / p->phase - 1) < 1e-5);
            assert_true(p->phase <= (few ? exp2(-6.5) : exp2(-7)) * (1 + 1e-9));
            if (i == 1) assert_true(t->values > 0 && fabs(log2(t->values / p->values)) <= 0.1);
        }
        assert_true(now->predicted[2].phase > 0 && n->layers[2].noise > 0);
        network_destroy(n);
        n = NULL;
    }
    assert_true(all.hidden[0] == 8 && all.hidden[1] == 6 && c.hidden[0] + c.hidden[1] < 14);
    o.value_noise = 0.1;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "finds the noise on values itself");
    o.value_noise = 0, b.seconds = 1e-9;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "one neuron a hidden layer takes");
    assert_null(n);
    drop(d);
}

/* Waves beside other layers: these choose how to be looked up, and neurons of both go. */
static void mixed_layers(void **state)
{
    (void)state;
    dataset *d = rings(26, 600);
    for (int waves_first = 0; waves_first < 2; waves_first++) {
        train_options o = small();
        train_choice all, c;
        network *n = NULL;
        o.hidden[0] = 8, o.hidden[1] = 6, o.epochs = 2, o.phase_noise = 0.02, o.layer_acts_count = 2;
        o.layer_acts[waves_first] = (train_activation){.act = ACTIVATION_RELU, .bits = 4};
        o.layer_acts[!waves_first] = (train_activation){.act = ACTIVATION_SINE, .rise = 0.25, .bits = 8};
        train_budget b = {.seconds = 100, .threads = 1};
        assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, &all, &n));
        assert_true(all.rounding_bits == 8 && all.error == 0.001 && all.hidden[0] == 8 && all.hidden[1] == 6);
        assert_true(all.seconds == seconds_of(n, d, &all, 1));
        assert_true(n->layers[!waves_first].noise == (double)0.02f);
        network_destroy(n);
        b.seconds = 0.3 * all.seconds;
        assert_ok(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n));
        assert_true(c.seconds <= b.seconds && c.seconds == seconds_of(n, d, &c, 1) && c.rounding_bits == 6);
        assert_true(c.hidden[0] + c.hidden[1] < 14 && n->layers[0].out == c.hidden[0]);
        network_destroy(n);
    }
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    dataset *d = rings(24, 300);
    train_options o = brief();
    train_choice c;
    network *n = NULL, *from = NULL;
    train_budget b = {.seconds = 1e-9};
    o.epochs = 1;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "one neuron a hidden layer takes");
    b.seconds = 0;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "a positive number");
    b.seconds = NAN;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "a positive number");
    b.seconds = 1, b.rounding_bits = 13;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "rounding_bits is 13");
    b.rounding_bits = 0, b.noise_given = 1; /* a noise on sums, which look-ups that err would take the place of */
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "give target_error in place");
    o.index_noise = 0.5;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "give target_error in place");
    o.index_noise = 0, b.noise_given = 0;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &from));
    o.from = from;
    assert_refused(train_within(d, &o, &b, NULL, NULL, NULL, &c, &n), "prune a network that there is");
    assert_null(n);
    network_destroy(from);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_that_fits),  cmocka_unit_test(look_ups_before_neurons),
                                       cmocka_unit_test(fewer_neurons),  cmocka_unit_test(fewer_channels),
                                       cmocka_unit_test(noise_of_waves), cmocka_unit_test(mixed_layers),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
