/* SPDX-License-Identifier: Apache-2.0 */
#include "train_encrypted.h"
#include "train_steps.h"

#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>

/* Two convolutions, the second with stride and padding, and a dense layer. */
static train_options convolutions(activation act, size_t offsets)
{
    train_options o = small();
    o.conv[0] = (train_convolution){.channels = 3, .kernel = 3, .stride = 1};
    o.conv[1] = (train_convolution){.channels = 4, .kernel = 4, .stride = 2, .padding = 1};
    o.conv_count = 2;
    o.hidden[0] = 8, o.hidden_count = 1;
    o.act = act, o.offsets = offsets;
    o.threads = 1;
    o.phase_noise = activation_is_wave(act) ? 0.01 : 0.1;
    if (activation_is_wave(act)) o.weight_bits = o.activation_bits = 8;
    return o;
}

/* Colour in; convolutions in groups, one of which adds the values of the first and so on; averages in front of a
 * convolution and of a dense layer, which loses values. */
static train_options residual(activation act, size_t offsets)
{
    train_options o = convolutions(act, offsets);
    o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .padding = 1};
    o.conv[1] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .padding = 1, .groups = 2, .add = 1};
    o.conv[2] = (train_convolution){
        .channels = 4, .kernel = 1, .stride = 1, .groups = 4, .add = 1, .pool = 2}; /* a column is left over */
    o.conv[3] = (train_convolution){.channels = 6, .kernel = 3, .stride = 1, .padding = 1, .pool = TRAIN_POOL_ALL};
    o.conv_count = 4;
    return o;
}

/* The same with sums in place of averages in front of convolution and dense layer. */
static train_options summed(activation act, size_t offsets)
{
    train_options o = residual(act, offsets);
    o.conv[2].sums = 1;
    o.conv[3].pool = 2, o.conv[3].sums = 1;
    return o;
}

typedef struct shape {
    train_options (*options)(activation act, size_t offsets);
    size_t channels;
    activation act;
    size_t offsets;
} shape;
static const shape shapes[] = {{convolutions, 1, ACTIVATION_TANH, 1}, {convolutions, 1, ACTIVATION_RELU, 1},
                               {convolutions, 1, ACTIVATION_SINE, 1}, {convolutions, 1, ACTIVATION_SINE, 3},
                               {residual, 3, ACTIVATION_TANH, 1},     {residual, 3, ACTIVATION_RELU, 1},
                               {residual, 3, ACTIVATION_SINE, 1},     {residual, 3, ACTIVATION_SINE, 2},
                               {summed, 3, ACTIVATION_TANH, 1},       {summed, 2, ACTIVATION_SINE, 2}};
#define SHAPES (sizeof shapes / sizeof *shapes)

/* Dropout of all layers, or of those behind convolutions, also where weights are real numbers. */
static void drop_values(train_model *m, int all)
{
    for (size_t i = all ? 0 : m->layers - 2; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        void *p[3] = {l->x, l->dx};
        l->drop = 0.3f;
        for (size_t k = l->x != NULL ? 2 : 0; k < 3; k++)
            assert_ok(mem_create(m->batch * l->takes, sizeof(float), "values", &p[k]));
        l->x = p[0], l->dx = p[1], l->mask = p[2];
    }
}

static void gradients_are_differences(void **state)
{
    (void)state;
    for (size_t a = 0; a < SHAPES; a++) {
        dataset *d = lines(3, 40, shapes[a].channels);
        train_options o = shapes[a].options(shapes[a].act, shapes[a].offsets);
        const int wave = activation_is_wave(o.act), relu = o.act == ACTIVATION_RELU;
        train_data t;
        train_model m;
        o.phase_noise = 0, o.outlier = wave ? 0 : 0.1, o.validation = 0, o.batch = 40;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 0, &m));
        drop_values(&m, a % 2 == 0);
        train_gradients(&m, &t);
        for (size_t l = 0; l < m.layers; l++) {
            param *all[] = {&m.layer[l].w, &m.layer[l].beta, &m.layer[l].gamma};
            for (size_t k = 0; k < (m.layer[l].last ? 2u : 3u); k++)
                for (size_t i = 0; i < (shapes[a].channels > 1 ? 5u : 12u); i++) {
                    const size_t at = i * 7 % all[k]->n;
                    float *x = &all[k]->x[at];
                    const float step = relu ? 2e-4f : 1e-3f, g = all[k]->g[at];
                    const double slope = train_slope(&m, x, step);
                    /* kinks of relu and float32 sums bound the agreement */
                    assert_true(fabs(slope - (double)g) < 0.02 * fabs(slope) + (relu ? 4e-3 : 5e-4));
                }
        }
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

static void same_networks(const network *a, const network *b)
{
    assert_int_equal(a->layers_count, b->layers_count);
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_memory_equal(x->bias, y->bias, x->out * sizeof *x->bias);
        assert_memory_equal(x->w_scale, y->w_scale, x->out * sizeof *x->w_scale);
        if (x->W != NULL) {
            assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
            continue;
        }
        assert_int_equal(x->linear.blocks_count, y->linear.blocks_count);
        for (size_t k = 0; k < x->linear.blocks_count; k++) {
            const linear_block *p = &x->linear.blocks[k], *q = &y->linear.blocks[k];
            assert_memory_equal(p->W, q->W, p->rows * p->taps * sizeof *p->W);
        }
    }
}

/* The same with any number of threads; learns; the network computes what training scored it by. */
static void learns_and_repeats(void **state)
{
    (void)state;
    static const shape of[] = {{convolutions, 1, ACTIVATION_RELU, 1},
                               {convolutions, 1, ACTIVATION_TRIANGLE, 2},
                               {residual, 2, ACTIVATION_RELU, 1},
                               {residual, 2, ACTIVATION_TRIANGLE, 2},
                               {summed, 2, ACTIVATION_RELU, 1}};
    for (size_t a = 0; a < sizeof of / sizeof *of; a++) {
        dataset *d = lines(11, of[a].channels > 1 ? 700 : 800, of[a].channels);
        network *n[2] = {NULL, NULL};
        train_options o = of[a].options(of[a].act, of[a].offsets);
        train_data t;
        double validation = 0, y[2];
        o.epochs = 8, o.batch = 48;
        if (of[a].channels > 1) o.epochs = 14, o.dropout = 0.1;
        train_options two = o;
        two.epochs = 2;
        for (unsigned i = 0; i < 2; i++) {
            two.threads = i + 1;
            assert_ok(train_network(d, &two, NULL, NULL, NULL, &n[i]));
        }
        same_networks(n[0], n[1]);
        network_destroy(n[0]), network_destroy(n[1]);
        o.threads = 2;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[0]));
        assert_true(validation > 0.95);
        if (of[a].channels > 1) {
            assert_int_equal(n[0]->layers[3].out, 6 * 4 * 4);
            assert_int_equal(n[0]->layers[3].sources_count, 3);
            assert_int_equal(n[0]->layers[1].linear.blocks_count, 2);
        } else {
            assert_int_equal(n[0]->layers[0].out, 3 * 7 * 7);
            assert_int_equal(n[0]->layers[1].out, 4 * 3 * 3);
            const linear_shape *s = &n[0]->layers[1].shape;
            assert_string_equal(n[0]->layers[1].op, "conv 4x4 stride 2 pad 1");
            assert_true(s->in[0] == 3 * of[a].offsets && s->in[1] == 7 && s->in[2] == 7);
            assert_true(s->out[0] == 4 && s->out[1] == 3 && s->out[2] == 3);
        }
        assert_ok(train_data_create(d, &o, 5, &t));
        double *all = calloc(2 * t.count, sizeof *all);
        assert_ok(train_outputs(n[0], &t, t.order, t.count, 2, 0, all));
        for (size_t i = 0; i < 200; i++) {
            assert_ok(network_apply(n[0], d->x + d->features * t.order[i], y));
            for (size_t k = 0; k < 2; k++) assert_true(fabs(y[k] - all[2 * i + k]) < 1e-9 * (1 + fabs(y[k])));
        }
        free(all);
        train_data_destroy(&t);
        network_destroy(n[0]);
        drop(d);
    }
}

/* The model with real weights of its integers, without noise, and the network it is folded into give the same scores up
 * to single precision: each batch has the statistics that are folded. */
static void network_is_model(void **state)
{
    (void)state;
    for (size_t a = 0; a < SHAPES; a++) {
        dataset *d = lines(5, 60, shapes[a].channels);
        train_options o = shapes[a].options(shapes[a].act, shapes[a].offsets);
        train_data t;
        train_model m;
        network *n = NULL;
        double loss, y[2];
        size_t off = 0;
        o.phase_noise = 0, o.validation = 0, o.batch = 60;
        assert_ok(train_data_create(d, &o, 7, &t));
        assert_ok(train_model_create(&t, &o, 7, 1, &m));
        for (size_t l = 0; l < m.layers; l++) /* of both signs */
            for (size_t k = 0; k < m.layer[l].out; k++) {
                m.layer[l].gamma.x[k] = (k % 3 == 1 ? -1.0f : 1.0f) * (0.5f + 0.1f * (float)k);
                m.layer[l].beta.x[k] = 0.1f * (float)k - 0.2f;
            }
        const train_source source = {.data = &t, .order = t.order};
        assert_ok(train_wave_start(&m, &source, 60));
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_forward(&m, &source, 60, 1, &loss));
        assert_ok(train_fold(&m, &t, &n));
        for (size_t i = 0; i < 60; i++) {
            assert_ok(network_apply(n, d->x + d->features * t.order[i], y));
            for (size_t k = 0; k < 2; k++)
                off += fabs(y[k] - (double)m.layer[m.layers - 1].u[2 * i + k]) > 1e-4 * (1 + fabs(y[k]));
        }
        /* a value at the border between two integers may fall on either side */
        assert_true(off <= 12);
        network_destroy(n);
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

/* Sums are averages whose scale has the number of values: the same integers, and the same function. */
static void sums_are_averages(void **state)
{
    (void)state;
    dataset *d = lines(5, 60, 1);
    train_options o = convolutions(ACTIVATION_RELU, 1);
    train_data t;
    train_model m[2];
    network *n[2] = {NULL, NULL};
    double loss[2];
    o.phase_noise = 0, o.validation = 0, o.batch = 60, o.conv[0].pool = 2;
    assert_ok(train_data_create(d, &o, 7, &t));
    const train_source source = {.data = &t, .order = t.order};
    for (size_t k = 0; k < 2; k++) {
        o.conv[0].sums = k > 0;
        assert_ok(train_model_create(&t, &o, 7, 1, &m[k]));
        assert_ok(train_weights_quantize(&m[k]));
        assert_ok(train_forward(&m[k], &source, 60, 1, &loss[k]));
        assert_ok(train_fold(&m[k], &t, &n[k]));
    }
    for (size_t i = 0; i < m[0].layer[1].w.n; i++) assert_true(m[0].layer[1].w.x[i] == 4 * m[1].layer[1].w.x[i]);
    assert_true(fabs(loss[0] - loss[1]) < 1e-6);
    same_networks(n[0], n[1]);
    network_destroy(n[0]), network_destroy(n[1]);
    train_model_destroy(&m[0]), train_model_destroy(&m[1]);
    train_data_destroy(&t);
    drop(d);
}

/* Behind averages of a number of values that is no power of two the scales of those are powers of two, and the network
 * is the one that was trained. */
static void averages_of_powers(void **state)
{
    (void)state;
    dataset *d = lines(5, 120, 1);
    for (size_t a = 0; a < 2; a++) {
        train_options o = convolutions(ACTIVATION_RELU, 1);
        network *n = NULL;
        o.conv_count = 1, o.conv[0].pool = a == 0 ? 3 : TRAIN_POOL_ALL;
        o.power_of_two = 1, o.epochs = 3, o.batch = 20, o.hidden[0] = 6;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        const dense_layer *l = &n->layers[1];
        const double parts = a == 0 ? 9 : (double)(n->layers[0].out / 3);
        assert_int_equal(l->out, 6);
        assert_true(exp2(rint(log2(parts))) != parts);
        for (size_t k = 0; k < l->out; k++) {
            const double power = log2(fabs(l->w_scale[k]) * parts);
            assert_true(fabs(power - rint(power)) < 1e-9);
        }
        network_destroy(n);
    }
    drop(d);
}

/* Windows so wide for the image that each place has taps of its own are known again in a file, of the least sides that
 * do: in groups, too, and behind averages. */
static void wide_windows_are_known(void **state)
{
    (void)state;
    static const train_convolution behind[] = {{.channels = 4, .kernel = 3, .stride = 1, .padding = 1},
                                               {.channels = 4, .kernel = 5, .stride = 1, .padding = 2},
                                               {.channels = 6, .kernel = 3, .stride = 1, .padding = 1, .groups = 2},
                                               {.channels = 4, .kernel = 4, .stride = 1, .padding = 3}};
    dataset *d = lines(11, 100, 1);
    for (size_t a = 0; a < 8; a++) {
        const size_t kernel = a % 4 == 3 ? 4 : 3, pad = a % 4 == 3 ? 3 : 1;
        train_options o = small();
        network *n = NULL;
        double want[2], got[2];
        o.conv[0] = (train_convolution){.channels = 4, .kernel = 2, .stride = 2, .pool = a < 4 ? 2 : 0};
        o.conv[1] = (train_convolution){.channels = 4, .kernel = 3, .stride = 2, .padding = 1};
        o.conv[a < 4 ? 1 : 2] = behind[a % 4];
        o.conv_count = a < 4 ? 2 : 3, o.hidden_count = 1, o.epochs = 1;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        network *plain = read_back(n, LINES_SIDE);
        const dense_layer *last = &plain->layers[o.conv_count - 1];
        assert_true(last->known && last->windows.kernel[0] == kernel && last->windows.pad[0] == pad);
        assert_int_equal(last->linear.blocks_count, a % 4 == 2 ? 2 : 1);
        if (a % 4 != 1) same_linear_parts(n, plain);
        for (size_t i = 0; i < 50; i++) {
            assert_ok(network_apply(n, d->x + d->features * i, want));
            assert_ok(network_apply(plain, d->x + d->features * i, got));
            for (size_t y = 0; y < 2; y++) assert_true(fabs(want[y] - got[y]) < 1e-6 * (1 + fabs(want[y])));
        }
        network_destroy(n), network_destroy(plain);
    }
    drop(d);
}

/* Values that waves take and scores, or layers without waves, as well: compiled, their layers are there twice. */
static void values_of_both_kinds(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        dataset *d = lines(31, 40, 1);
        train_options o = residual(k == 0 ? ACTIVATION_SINE : ACTIVATION_RELU, 1);
        network *n = NULL;
        circuit *c = NULL;
        lower_options l;
        o.epochs = 1;
        if (k == 0) o.conv_count = 3, o.hidden_count = 0;
        if (k == 1) { /* 2 has waves and takes what 4 adds */
            o.conv[1].add = 0, o.conv[2].add = 2, o.phase_noise = 0.01, o.layer_acts_count = 5;
            for (size_t i = 0; i < 5; i++)
                o.layer_acts[i] = (train_activation){.act = ACTIVATION_RELU, .bits = 8, .rise = 0.25};
            o.layer_acts[1].act = ACTIVATION_SINE;
        }
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        lower_options_init(&l);
        l.families_most = 1;
        network *back = read_back(n, 0);
        assert_ok(network_lower(back, d->x, d->count, &l, &c));
        assert_int_equal(c->layers_count, n->layers_count + (k == 0 ? 2 : 1));
        circuit_destroy(c);
        network_destroy(n), network_destroy(back);
        drop(d);
    }
}

static void refusals(void **state)
{
    (void)state;
    network *n = NULL;
    dataset *d = lines(31, 40, 1), *table = rings(31, 100);
    train_options o = convolutions(ACTIVATION_RELU, 1);
    assert_refused(train_network(table, &o, NULL, NULL, NULL, &n), "for images");
    o.conv[1].stride = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "stride of a convolution");
    o = convolutions(ACTIVATION_RELU, 1), o.conv[0].kernel = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "kernel of a convolution");
    o = convolutions(ACTIVATION_RELU, 1), o.conv[0].channels = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "channels of a convolution");
    o = convolutions(ACTIVATION_RELU, 1), o.conv[0].padding = 3;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "padding of a convolution");
    o = convolutions(ACTIVATION_RELU, 1), o.conv[1].kernel = 10;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "convolution 2");
    o = convolutions(ACTIVATION_RELU, 1), o.conv[0].channels = 1024, o.conv[0].padding = 2;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "65536 values are possible");
    o = convolutions(ACTIVATION_RELU, 1), o.hidden_count = 15;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "hidden layers");
    o = residual(ACTIVATION_RELU, 1), o.conv[1].groups = 3;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "3 groups divide");
    o = residual(ACTIVATION_RELU, 1), o.conv[2].add = 3;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "3 before is none");
    o = residual(ACTIVATION_RELU, 1), o.conv[3].add = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "must be of a convolution before with as many");
    o = residual(ACTIVATION_RELU, 1), o.conv[0].pool = 10;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "averages or sums behind convolution 1");
    o = residual(ACTIVATION_RELU, 1), o.dropout = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "dropout");
    assert_null(n);
    drop(d), drop(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_differences), cmocka_unit_test(learns_and_repeats),
        cmocka_unit_test(network_is_model),          cmocka_unit_test(sums_are_averages),
        cmocka_unit_test(averages_of_powers),        cmocka_unit_test(wide_windows_are_known),
        cmocka_unit_test(values_of_both_kinds),      cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
