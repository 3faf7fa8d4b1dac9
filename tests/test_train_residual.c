/* SPDX-License-Identifier: Apache-2.0 */
/* Values of dense layers that are added to those of later ones. */
#include "train_encrypted.h"
#include "train_steps.h"

#include "train/prune_priv.h"
#include "train/train_noise.h"
#include "train/train_text.h"

#include <string.h>

#define COUNT 300u

/* Four layers of 6 neurons, the second and the third with those before added, and one that takes the sum of three. */
static train_options residual(activation act, size_t offsets)
{
    train_options o = small();
    o.hidden_count = 4;
    for (size_t i = 0; i < 3; i++) o.hidden[i] = 6, o.hidden_add[i] = i > 0;
    o.hidden[3] = 5;
    o.act = act, o.offsets = offsets, o.threads = 1;
    o.phase_noise = activation_is_wave(act) ? 0.01 : 0.1;
    if (activation_is_wave(act)) o.weight_bits = o.activation_bits = 8;
    return o;
}

typedef struct kind {
    activation act;
    size_t offsets;
} kind;
static const kind kinds[] = {
    {ACTIVATION_TANH, 1}, {ACTIVATION_GELU, 1}, {ACTIVATION_SINE, 1}, {ACTIVATION_TRIANGLE, 2}};
#define KINDS (sizeof kinds / sizeof *kinds)

static void gradients_are_differences(void **state)
{
    (void)state;
    for (size_t a = 0; a < KINDS - 1; a++) { /* smooth ones */
        dataset *d = rings(3, 70);
        train_options o = residual(kinds[a].act, kinds[a].offsets);
        train_data t;
        train_model m;
        o.phase_noise = 0, o.validation = 0, o.batch = 70;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 0, &m));
        train_gradients(&m, &t);
        for (size_t l = 0; l < m.layers; l++) {
            param *all[] = {&m.layer[l].w, &m.layer[l].beta, &m.layer[l].gamma};
            for (size_t k = 0; k < (m.layer[l].last ? 2u : 3u); k++)
                for (size_t i = 0; i < 8; i++) {
                    const size_t at = i * 7 % all[k]->n;
                    float *x = &all[k]->x[at];
                    const float g = all[k]->g[at];
                    const double slope = train_slope(&m, x, 1e-3f);
                    assert_true(fabs(slope - (double)g) < 0.02 * fabs(slope) + 5e-4); /* of float32 sums */
                }
        }
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

static void same_layers(const network *a, const network *b)
{
    same_linear_parts(a, b);
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_true(x->known == y->known && x->weight_bits == y->weight_bits);
        for (size_t o = 0; o < x->out; o++) {
            assert_true(fabs(x->w_scale[o] - y->w_scale[o]) <= 1e-6 * x->w_scale[o]);
            assert_true(fabs(x->bias[o] - y->bias[o]) <= 1e-6 * (1 + fabs(x->bias[o])));
        }
    }
}

/* What a file holds of n, as --from takes it. */
static void learns_and_reads_back(void **state)
{
    (void)state;
    for (size_t a = 0; a < KINDS; a++) {
        dataset *d = rings(11, 700);
        network *n[2] = {NULL, NULL}, *more = NULL;
        train_options o = residual(kinds[a].act, kinds[a].offsets), own;
        double validation = 0;
        for (unsigned i = 0; i < 2; i++) {
            o.threads = i + 1;
            assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[i]));
            assert_true(validation > 0.95);
        }
        same_layers(n[0], n[1]);
        assert_int_equal(n[0]->layers[2].sources_count, 2);
        assert_int_equal(n[0]->layers[3].sources_count, 3);
        network *back = read_back(n[0], 0);
        same_layers(n[0], back);
        o.from = back, o.epochs = 1, o.learning_rate = 1e-4, o.threads = 1;
        memset(o.hidden_add, 0, sizeof o.hidden_add); /* the network's own are taken */
        assert_ok(train_from_options(d, &o, &own));
        assert_true(own.hidden_add[0] == 0 && own.hidden_add[1] == 1 && own.hidden_add[2] == 1);
        assert_true(own.hidden_add[3] == 0 && own.hidden_count == 4);
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.95);
        assert_int_equal(more->layers[3].sources_count, 3);
        network_destroy(n[0]), network_destroy(n[1]), network_destroy(back), network_destroy(more);
        drop(d);
    }
}

/* The three layers lose the same neurons; what is left is the masked network on every sample. */
static void pruned_together(void **state)
{
    (void)state;
    for (size_t a = 0; a < KINDS; a++) {
        dataset *d = rings(9, COUNT);
        train_options o = residual(kinds[a].act, kinds[a].offsets);
        network *n = NULL, *half = NULL, *masked = NULL, *small = NULL;
        double worth[4][6], mean[4][12];
        prune_worth w[4];
        prune_options p;
        prune_report r;
        prune_order order;
        uint64_t seed = 5;
        o.epochs = 4;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        for (size_t i = 0; i < 4; i++) {
            w[i] = (prune_worth){worth[i], mean[i]};
            for (size_t k = 0; k < 6; k++) worth[i][k] = unit(&seed);
            for (size_t k = 0; k < 12; k++) mean[i][k] = unit(&seed);
        }
        assert_ok(network_copy(n, &masked));
        assert_ok(prune_order_create(n, w, &order));
        assert_true(order.count == 6 + 5 && order.ties.set[1] == 0 && order.ties.set[2] == 0);
        for (size_t k = 0; k < 4; k++) assert_ok(prune_mask(&order, &order.steps[k], w, masked));
        prune_order_clear(&order);
        assert_ok(network_shrink(masked, &small, NULL));
        assert_true(small->layers[0].out == small->layers[1].out && small->layers[1].out == small->layers[2].out);
        for (size_t i = 0; i < d->count; i++) {
            double y[2], z[2];
            assert_ok(network_apply(masked, d->x + 3 * i, y));
            assert_ok(network_apply(small, d->x + 3 * i, z));
            assert_true(y[0] == z[0] && y[1] == z[1]);
        }
        prune_options_init(&p);
        p.train = o, p.share = 0.5, p.by = a % 2 ? PRUNE_BY_TAYLOR : PRUNE_BY_ACTIVATION;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &half));
        assert_true(r.look_ups_before == 23 && r.look_ups == 3 * 3 + 2);
        network *back = read_back(half, 0);
        same_layers(half, back);
        network_destroy(n), network_destroy(half), network_destroy(masked), network_destroy(small);
        network_destroy(back);
        drop(d);
    }
}

/* As a network, a clear circuit, simulated, and encrypted with toy keys. */
static void runs_encrypted(void **state)
{
    (void)state;
    dataset *d = rings(13, COUNT);
    train_options o = residual(ACTIVATION_RELU, 1);
    network *n = NULL;
    o.weight_bits = 2, o.activation_bits = 3;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    runs_as_trained(n, d);
    network_destroy(n);
    drop(d);
}

/* Behind convolutions, whose channels stay what they are. */
static void behind_convolutions(void **state)
{
    (void)state;
    dataset *d = lines(11, 700, 1);
    train_options o = residual(ACTIVATION_RELU, 1);
    network *n = NULL, *file = NULL, *plain = NULL;
    double validation = 0;
    uint8_t *bytes = NULL;
    size_t len = 0;
    o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .pool = 2};
    o.conv[1] = (train_convolution){.channels = 4, .kernel = 2, .stride = 1};
    o.conv_count = 2, o.epochs = 12;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
    assert_true(validation > 0.85);
    assert_ok(onnx_model_encode(n, &bytes, &len));
    assert_ok(onnx_model_decode(bytes, len, "model", &file));
    assert_ok(network_plain(file, (const size_t[]){1, LINES_SIDE, LINES_SIDE}, &plain));
    same_linear_parts(n, plain);
    assert_true(plain->layers[2].W != NULL && plain->layers[4].known && plain->layers[4].sources_count == 2);
    mem_free(bytes);
    network_destroy(n), network_destroy(file), network_destroy(plain);
    drop(d);
}

/* Waves that are added right before the scores: the layers that scores take as well are there twice, read in units of
 * their own, and --noise-of takes each once. */
static void before_the_scores(void **state)
{
    (void)state;
    dataset *d = rings(11, 700);
    train_options o = residual(ACTIVATION_TRIANGLE, 2);
    network *n = NULL, *more = NULL;
    circuit *c = NULL;
    lower_options l;
    double validation = 0;
    train_layer_noise noise[TRAIN_MAX_HIDDEN + 1];
    size_t count = 0;
    o.hidden_count = 3;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
    assert_true(validation > 0.95);
    lower_options_init(&l);
    l.families_most = 1;
    network *back = read_back(n, 0);
    assert_ok(network_lower(back, d->x, d->count, &l, &c));
    assert_int_equal(c->layers_count, 6);
    assert_int_equal(circuit_last(c)->sources_count, 3);
    for (size_t i = 0; i < 5; i++) assert_true(c->layers[i].unit != 0);
    assert_ok(train_noise_of(c, noise, &count));
    assert_int_equal(count, 4);
    o.from = back, o.noise_of = c, o.epochs = 1, o.learning_rate = 1e-4, o.phase_noise = 0;
    memset(o.hidden_add, 0, sizeof o.hidden_add);
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
    assert_true(validation > 0.9);
    circuit_destroy(c);
    network_destroy(n), network_destroy(back), network_destroy(more);
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    static train_functions functions;
    dataset *d = rings(5, 100);
    train_options o = residual(ACTIVATION_RELU, 1);
    network *n = NULL;
    o.hidden_add[0] = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "1 before is none");
    o = residual(ACTIVATION_RELU, 1), o.hidden[1] = 7;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n),
                   "layer 2: the values added to its 7 neurons must be of a dense layer before with as many");
    o = residual(ACTIVATION_TRIANGLE, 1), o.power_of_two = 1; /* values of 1 and of 2 bits, in steps of 1 and of 1/2 */
    o.layer_acts_count = o.hidden_count;
    for (size_t i = 0; i < o.hidden_count; i++)
        o.layer_acts[i] =
            (train_activation){.act = ACTIVATION_TRIANGLE, .offsets = 1, .rise = 0.25, .bits = i == 0 ? 1 : 2};
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "adds values of a layer with other offsets or bits");
    static const char text[] = "dense 6 gelu\ndense 6 add=1 relu\ndense 6 add=17\noutput\n",
                      *fits = "dense 6\ndense 6 add=1\noutput";
    assert_refused(train_network_text(text, sizeof text - 1, "net.txt", &functions, &o),
                   "net.txt, line 3: \"add=17\": a whole number from 1 to 16");
    assert_ok(train_network_text(fits, strlen(fits), "net.txt", &functions, &o));
    assert_true(o.hidden_count == 2 && o.hidden_add[0] == 0 && o.hidden_add[1] == 1);
    assert_null(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_differences),
                                       cmocka_unit_test(learns_and_reads_back),
                                       cmocka_unit_test(pruned_together),
                                       cmocka_unit_test(runs_encrypted),
                                       cmocka_unit_test(behind_convolutions),
                                       cmocka_unit_test(before_the_scores),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
