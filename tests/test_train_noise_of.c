/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"
#include "train_steps.h"

#include "nn/lower.h"
#include "train/train_noise.h"

#include <string.h>

#define ROWS 64u
#define STEPS 20u

/* A network, the circuit that it is compiled to, and the model that goes on from the network with the noise of the
 * circuit. */
typedef struct subject {
    dataset *d;
    network *n;
    circuit *c;
    train_options o;
    train_data t;
    train_model m;
    train_layer_noise noise[TRAIN_MAX_HIDDEN + 1];
    size_t count;
} subject;

static void lowered(const network *n, const dataset *d, circuit **c)
{
    lower_options l;
    lower_options_init(&l);
    l.rounding_bits = 4, l.log2_error = log2(0.2);
    assert_ok(network_lower(n, d->x, d->count, &l, c));
}

static void subject_create(dataset *d, train_options o, subject *s)
{
    *s = (subject){.d = d};
    o.validation = 0;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &s->n));
    lowered(s->n, d, &s->c);
    assert_ok(train_noise_of(s->c, s->noise, &s->count));
    o.from = s->n, o.noise_of = s->c;
    assert_ok(train_from_options(d, &o, &s->o));
    assert_ok(train_data_create(d, &s->o, 5, &s->t));
    assert_ok(train_model_create(&s->t, &s->o, 5, 1, &s->m));
}

static void subject_clear(subject *s)
{
    train_model_destroy(&s->m);
    train_data_destroy(&s->t);
    circuit_destroy(s->c);
    network_destroy(s->n);
    drop(s->d);
}

static subject waves(void)
{
    subject s;
    train_options o = small();
    o.act = ACTIVATION_TRAPEZOID, o.offsets = 3, o.hidden[0] = 12, o.hidden[1] = 8;
    o.weight_bits = 6, o.activation_bits = 8, o.input_bits = 8, o.phase_noise = 0.02, o.epochs = 2;
    subject_create(rings(61, 600), o, &s);
    return s;
}

static subject classic(void)
{
    subject s;
    train_options o = small();
    o.epochs = 4;
    subject_create(rings(62, 600), o, &s);
    return s;
}

static subject mixed(void)
{
    subject s;
    train_options o = small();
    o.phase_noise = 0.02, o.epochs = 4, o.layer_acts_count = 2;
    o.layer_acts[0] = (train_activation){.act = ACTIVATION_SINE, .rise = 0.25, .bits = 8, .offsets = 2};
    o.layer_acts[1] = (train_activation){.act = ACTIVATION_RELU, .bits = 4};
    subject_create(plane(63, 600), o, &s); /* of a regression */
    return s;
}

/* Convolutions of waves, added up, and averaged in front of the scores. */
static subject convolutions(void)
{
    subject s;
    train_options o = small();
    o.act = ACTIVATION_TRIANGLE, o.offsets = 2, o.weight_bits = 5, o.activation_bits = 8, o.phase_noise = 0.02;
    o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 2};
    o.conv[1] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .padding = 1, .add = 1};
    o.conv[2] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .padding = 1, .pool = 2};
    o.conv_count = 3, o.hidden_count = 0, o.epochs = 1;
    subject_create(lines(64, 300, 1), o, &s);
    return s;
}

/* Scores take the sums of two layers' values. */
static subject residual(void)
{
    subject s;
    train_options o = small();
    o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 3};
    o.conv[1] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .padding = 1, .add = 1};
    o.conv_count = 2, o.hidden_count = 0, o.epochs = 2;
    subject_create(lines(65, 300, 1), o, &s);
    return s;
}

/* Sum of squares of the noise on what the look-ups of a layer of waves read, over its deviation. */
static double phase_squares(const train_layer *l, size_t rows)
{
    double sum = 0;
    for (size_t k = 0; k < rows * l->places * l->out; k++) {
        const size_t o = k % l->out;
        sum += pow((double)(l->u[k] - (l->z[k] - l->base[o] + l->beta.x[o])) / (double)l->noise, 2);
    }
    return sum;
}

/* Of that on the values of the last hidden layer. */
static double value_squares(const train_layer *l, size_t rows)
{
    const float unit = train_has_waves(l) ? 1 / l->top : train_step_scale(l);
    double sum = 0;
    for (size_t k = 0; k < rows * l->values; k++) {
        const float q = fminf(fmaxf(train_round(l->v[k] / unit), (float)l->lo), (float)l->hi);
        sum += pow((double)(l->y[k] / unit - q) / (double)l->value_noise, 2);
    }
    return sum;
}

static double score_squares(const train_layer *l, size_t rows)
{
    double sum = 0;
    for (size_t k = 0; k < rows * l->out; k++) {
        const size_t o = k % l->out;
        sum += pow((double)(l->u[k] - (l->z[k] + l->beta.x[o])) / (double)l->score_noise[o], 2);
    }
    return sum;
}

/* A sum of squares of n deviates of kurtosis 2.7, less what single precision may be off, is n within 5 deviations:
 * left to chance 6e-7 each. */
static void assert_squares(double sum, double n)
{
    assert_true(fabs(sum - n) < 5 * sqrt(1.7 * n) + 1e-3 * n);
}

/* Deviations are those of the search's prediction, and noise that is drawn has them. */
static void noise_is_that_predicted(void **state)
{
    (void)state;
    subject (*const make[])(void) = {waves, classic, mixed, convolutions, residual};
    for (size_t k = 0; k < 5; k++) {
        subject s = make[k]();
        double phases[TRAIN_MAX_HIDDEN] = {0}, values = 0, scores = 0, loss;
        const size_t last = s.m.layers - 1;
        assert_int_equal(s.count, s.m.layers);
        for (size_t i = 0; i < STEPS; i++) {
            const train_source source = {.data = &s.t, .order = s.t.order, .first = i % 4 * ROWS};
            assert_ok(train_weights_quantize(&s.m));
            assert_ok(train_forward(&s.m, &source, ROWS, 16 + i, &loss));
            for (size_t j = 0; j < last; j++)
                if (train_has_waves(&s.m.layer[j])) phases[j] += phase_squares(&s.m.layer[j], ROWS);
            values += value_squares(&s.m.layer[last - 1], ROWS);
            scores += score_squares(&s.m.layer[last], ROWS);
            train_noise_follow(&s.m, ROWS);
        }
        for (size_t j = 0; j < last; j++) {
            const train_layer *l = &s.m.layer[j];
            const circuit_layer *q = &s.c->layers[j];
            const double phase = s.c->choice.layers[j].phase_std;
            assert_true(s.noise[j].waves == train_has_waves(l));
            if (train_has_waves(l)) {
                assert_true(fabs((double)l->noise / phase - 1) < 2e-6 && (double)l->noise >= phase);
                assert_squares(phases[j], (double)(STEPS * ROWS * l->places * l->out));
                continue;
            }
            assert_true(fabs((double)l->noise / (2 * q->cells * phase) - 1) < 2e-6 && q->split == 0);
            assert_true(fabs(log2(s.noise[j].error) - s.c->choice.layers[j].log2_failure) < 1e-6);
            assert_true(s.noise[j].error > 0.01 && s.noise[j].error <= 0.2);
            train_noise_cells(&s.m, j);
            for (size_t o = 0; q->out == l->out * l->places && o < l->out; o++) { /* of what the activation takes */
                const double cell = (double)(l->cell[o] * fabsf(l->gain[o]));
                const double own = (double)q->step * q->real_scale[o * l->places];
                assert_true(cell > 0.7 * own && cell < 1.4 * own);
            }
        }
        assert_squares(values, (double)(STEPS * ROWS * s.m.layer[last - 1].values));
        assert_squares(scores, (double)(STEPS * ROWS * s.m.layer[last].out));
        subject_clear(&s);
    }
}

/* What noise of the values and of packing makes of the scores of the network that was compiled is the deviation that
 * is predicted for the score with most. */
static void scores_have_what_is_predicted(void **state)
{
    (void)state;
    subject (*const make[])(void) = {waves, classic, mixed, convolutions, residual};
    for (size_t k = 0; k < 5; k++) {
        subject s = make[k]();
        const size_t last = s.m.layers - 1;
        const train_layer *l = &s.m.layer[last], *before = &s.m.layer[last - 1];
        const circuit_layer *q = &s.c->layers[last];
        const double unit = train_has_waves(before) ? 1 / (double)before->top : (double)train_step_scale(before);
        double most = 0;
        assert_ok(train_weights_quantize(&s.m));
        for (size_t o = 0; o < l->out; o++) {
            double square = 0;
            for (size_t i = 0; i < l->in; i++) square += pow((double)l->wq[o * l->in + i], 2);
            const double values = square * pow(unit * (double)before->value_noise, 2) / train_fold_parts(l);
            const double all = sqrt(values + pow((double)l->score_noise[o], 2));
            most = fmax(most, all * (s.t.target != NULL ? s.t.t_gain[o] : 1) / q->real_scale[o]);
        }
        const double predicted = s.c->choice.layers[last].phase_std * (double)q->period;
        assert_true(fabs(most / predicted - 1) < 1e-4);
        assert_true(s.noise[last].phase > 0 && !s.noise[last].waves);
        subject_clear(&s);
    }
}

/* A network that was trained for a circuit's noise carries it, and is compiled to parameters that have no more. */
static void trained_for_a_circuit(void **state)
{
    (void)state;
    subject s = waves();
    network *again = NULL, *other = NULL;
    circuit *c = NULL;
    train_options o = s.o;
    o.epochs = 2;
    for (int from = 0; from < 2; from++) { /* one from the start, and one that goes on */
        o.from = from ? s.n : NULL;
        assert_ok(train_network(s.d, &o, NULL, NULL, NULL, from ? &again : &other));
        const network *n = from ? again : other;
        for (size_t i = 0; i < 2; i++)
            assert_true(fabs(n->layers[i].noise / s.c->choice.layers[i].phase_std - 1) < 2e-6);
        assert_true(n->layers[2].noise > 0);
        lowered(n, s.d, &c);
        for (size_t i = 0; i < 2; i++)
            assert_true(c->choice.layers[i].phase_std <= s.c->choice.layers[i].phase_std * (1 + 2e-6));
        circuit_destroy(c);
    }
    network_destroy(again), network_destroy(other);
    subject_clear(&s);
}

static void lowered_wrapping(const network *n, const dataset *d, circuit **c)
{
    lower_options l;
    lower_options_init(&l);
    l.wrap_clamps = 1, l.phase_noise = 0x1p-6;
    assert_ok(network_lower(n, d->x, d->count, &l, c));
}

/* A clamped function wraps where all its neurons have one scale, and no longer when it was trained: each has its own.
 * So there is nothing that training for the noise of its phases would be good for. */
static void clamps_that_wrap_are_refused(void **state)
{
    (void)state;
    dataset *d = rings(66, 600);
    train_options o = small();
    network *n = NULL, *again = NULL;
    circuit *c = NULL;
    o.act = ACTIVATION_HARD_TANH, o.hidden_count = 1, o.epochs = 2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    for (size_t k = 1; k < n->layers[0].out; k++) n->layers[0].w_scale[k] = n->layers[0].w_scale[0];
    lowered_wrapping(n, d, &c);
    assert_true(circuit_is_wave(&c->layers[0]));
    o.from = n, o.noise_of = c;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &again),
                   "layer 1 has look-ups that wrap in the circuit; those of hard_tanh cannot once it is trained, since "
                   "each neuron has a scale of its own: compile without --wrap-clamps");
    circuit_destroy(c);
    lowered(n, d, &c);
    o.noise_of = c;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &again));
    circuit_destroy(c);
    lowered_wrapping(again, d, &c);
    assert_true(!circuit_is_wave(&c->layers[0]));
    circuit_destroy(c);
    network_destroy(n), network_destroy(again);
    drop(d);
}

/* A copy of o that trains for the circuit is refused, with this text. */
static void refused(const subject *s, const train_options *o, const char *text)
{
    train_options own = *o;
    network *n = NULL;
    own.from = NULL, own.noise_of = s->c;
    assert_refused(train_network(s->d, &own, NULL, NULL, NULL, &n), text);
    assert_null(n);
}

static void other_networks_are_refused(void **state)
{
    (void)state;
    subject s = waves(), k = classic();
    train_layer_noise noise[TRAIN_MAX_HIDDEN + 1];
    size_t count;
    train_options o = s.o;
    o.hidden[0] = 13;
    refused(&s, &o, "of other widths: 1 neurons less");
    o.hidden[0] = 11;
    refused(&s, &o, "layer 1 has 12 neurons in the circuit, 11 in the network");
    o = s.o, o.hidden_count = 1, o.layer_acts_count = 0;
    refused(&s, &o, "the circuit has 2 hidden layers, the network 1");
    o = s.o, o.layer_acts[1].act = ACTIVATION_SINE;
    refused(&s, &o, "layer 2 has look-ups of trapezoid in the circuit, of sine in the network");
    o = s.o, o.layer_acts[0].offsets = 2;
    refused(&s, &o, "layer 1 has 3 offsets in the circuit, 2 in the network");
    o = s.o, o.target_error = 0.1;
    refused(&s, &o, "one of target_error");
    o = k.o, o.layer_acts[0].act = ACTIVATION_TANH;
    refused(&k, &o, "layer 1 has look-ups of relu in the circuit, of tanh");
    network *n = NULL;
    dataset *d = plane(5, 300);
    o = s.o, o.from = NULL;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "the circuit has 3 features, the data 2");
    drop(d);
    s.c->task = CIRCUIT_TOP_1;
    assert_refused(train_noise_of(s.c, noise, &count), "answers the label alone");
    s.c->task = CIRCUIT_CLASSIFICATION;
    subject_clear(&s);
    subject_clear(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_that_predicted), cmocka_unit_test(scores_have_what_is_predicted),
        cmocka_unit_test(trained_for_a_circuit), cmocka_unit_test(clamps_that_wrap_are_refused),
        cmocka_unit_test(other_networks_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
