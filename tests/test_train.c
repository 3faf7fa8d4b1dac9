/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"
#include "train_steps.h"

#include "onnx/onnx_model.h"
#include "train/prune.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>

#define KINKED 7 /* the first of those with kinks */

/* Central differences of the loss without quantizers and noise agree with the gradients. */
static void gradients_are_differences(void **state)
{
    (void)state;
    static const activation acts[] = {
        ACTIVATION_SIGMOID,      ACTIVATION_TANH,      ACTIVATION_IDENTITY, ACTIVATION_GELU,       ACTIVATION_SILU,
        ACTIVATION_SOFTPLUS,     ACTIVATION_ELU,       ACTIVATION_RELU,     ACTIVATION_LEAKY_RELU, ACTIVATION_HARD_SILU,
        ACTIVATION_HARD_SIGMOID, ACTIVATION_HARD_TANH, ACTIVATION_FUNCTION};
    function hat; /* its kinks lie far apart beside the stretch that its slope is measured over */
    assert_ok(function_points(3, (double[]){-1, 0.25, 2}, (double[]){-0.5, 1, 0.25}, &hat));
    for (size_t a = 0; a < sizeof acts / sizeof *acts; a++)
        for (int regression = 0; regression < 2; regression++) {
            dataset *d = regression ? plane(3, 70) : rings(3, 70);
            train_options o = small();
            train_data t;
            train_model m;
            size_t off = 0;
            o.act = acts[a], o.phase_noise = 0, o.outlier = 0.1, o.validation = 0, o.batch = 70;
            if (acts[a] == ACTIVATION_FUNCTION) o.layer_acts_count = 2;
            for (size_t i = 0; i < 2; i++) o.layer_acts[i] = (train_activation){.act = acts[a], .own = &hat, .bits = 4};
            assert_ok(train_data_create(d, &o, 5, &t));
            assert_ok(train_model_create(&t, &o, 5, 0, &m));
            train_gradients(&m, &t);
            for (size_t l = 0; l < m.layers; l++) {
                param *all[] = {&m.layer[l].w, &m.layer[l].beta, &m.layer[l].gamma};
                for (size_t k = 0; k < (m.layer[l].last ? 2u : 3u); k++)
                    for (size_t i = 0; i < 6; i++) {
                        const size_t at = i * 7 % all[k]->n;
                        if (k == 0 && l == 0 && t.still[at % t.features]) continue;
                        const float g = all[k]->g[at];
                        const double slope = train_slope(&m, &all[k]->x[at], 0.001f);
                        off += fabs(slope - (double)g) < 0.02 * fabs(slope) + (a >= KINKED ? 3e-3 : 5e-4) ? 0 : 1;
                    }
            }
            assert_true(off <= (a >= KINKED ? 2 : 0)); /* kinks between the two points, and sums of float32 */
            train_model_destroy(&m);
            train_data_destroy(&t);
            drop(d);
        }
}

/* The gradient of the logarithm of a layer's step s in closed form (LSQ, equation 3, times s): of a value v that gives
 * y = s*round(v/s), y - v, and y where it is clipped, each times the gradient at y, which the scores give. */
static void gradient_of_the_step(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_GELU};
    for (size_t a = 0; a < 3; a++) {
        dataset *d = rings(3, 70);
        train_options o = small();
        train_data t;
        train_model m;
        double expected = 0, clipped = 0, within = 0;
        o.act = acts[a], o.hidden_count = 1, o.phase_noise = 0, o.validation = 0, o.batch = 70, o.activation_bits = 3;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 1, &m));
        m.layer[0].step.x[0] -= 0.7f; /* so that some are clipped */
        train_gradients(&m, &t);
        const train_layer *l = &m.layer[0], *last = &m.layer[1];
        const double s = exp((double)l->step.x[0]);
        for (size_t i = 0; i < 70; i++)
            for (size_t k = 0; k < l->out; k++) {
                const double v = (double)l->v[i * l->out + k], y = (double)l->y[i * l->out + k];
                const int out = v / s < l->lo - 0.5 || v / s >= l->hi + 0.5;
                double g = 0;
                for (size_t c = 0; c < last->out; c++)
                    g += (double)last->dz[i * last->out + c] * (double)last->wq[c * last->in + k];
                expected += g * (out ? y : y - v);
                *(out ? &clipped : &within) += fabs(g);
            }
        assert_true(clipped > 0 && within > 0 && fabs(expected) > 1e-4);
        assert_true(fabs((double)l->step.g[0] - expected) < 1e-3 * fabs(expected) + 1e-6);
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

static void learns_and_repeats(void **state)
{
    (void)state;
    dataset *d = rings(11, 2000);
    network *n[3] = {NULL, NULL, NULL};
    double validation = 0;
    for (size_t i = 0; i < 3; i++) {
        train_options o = small();
        o.threads = i == 1 ? 1 : 2;
        o.seed = i == 2 ? 9 : 1;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[i]));
        assert_true(validation > 0.97);
    }
    int differs = 0;
    for (size_t l = 0; l < n[0]->layers_count; l++) {
        const dense_layer *a = &n[0]->layers[l], *b = &n[1]->layers[l], *c = &n[2]->layers[l];
        assert_memory_equal(a->W, b->W, a->in * a->out * sizeof *a->W);
        assert_memory_equal(a->w_scale, b->w_scale, a->out * sizeof *a->w_scale);
        assert_memory_equal(a->bias, b->bias, a->out * sizeof *a->bias);
        differs |= memcmp(a->W, c->W, a->in * a->out * sizeof *a->W);
    }
    assert_true(differs);
    for (size_t o = 0; o < 16; o++) assert_int_equal(n[0]->layers[0].W[3 * o + 2], 0);
    size_t right = 0;
    for (size_t i = 0; i < d->count; i++) {
        double y[2];
        assert_ok(network_apply(n[0], d->x + 3 * i, y));
        right += (y[1] > y[0]) == d->label[i];
    }
    assert_true((double)right > 0.97 * (double)d->count);
    for (size_t i = 0; i < 3; i++) network_destroy(n[i]);
    drop(d);
}

/* Of very negative sums gelu is below 0, as networks have it; where a function has no value it has the least, and no
 * slope. */
static void values_at_the_ends(void **state)
{
    (void)state;
    function root = {.count = 1, .steps = {{.op = FUNCTION_SQRT}}};
    const train_layer gelu = {.act = ACTIVATION_GELU}, own = {.act = ACTIVATION_FUNCTION, .own = &root};
    for (float u = -12; u < 0; u += 0.25f) assert_true(train_act(&gelu, u) < 0);
    assert_ok(function_check(&root));
    assert_true(train_act(&own, 4) == 2 && train_act(&own, -4) == -INFINITY);
    assert_true(fabsf(train_function_slope(&root, 4) - 0.25f) < 1e-3f);
    assert_true(train_function_slope(&root, -4) == 0 && train_function_slope(&root, 0) == 0);
}

static void regression_and_prepared_outputs(void **state)
{
    (void)state;
    static const activation acts[] = {
        ACTIVATION_TANH,      ACTIVATION_RELU,      ACTIVATION_SIGMOID, ACTIVATION_LEAKY_RELU, ACTIVATION_ELU,
        ACTIVATION_GELU,      ACTIVATION_SILU,      ACTIVATION_SIGN,    ACTIVATION_SOFTPLUS,   ACTIVATION_HARD_SIGMOID,
        ACTIVATION_HARD_TANH, ACTIVATION_HARD_SILU, ACTIVATION_IDENTITY};
    for (size_t a = 0; a < sizeof acts / sizeof *acts; a++) {
        dataset *d = plane(21, 1500);
        train_options o = small();
        network *n = NULL;
        train_data t;
        double r2 = 0, y;
        o.act = acts[a];
        o.input_bits = 6, o.weight_bits = 6, o.activation_bits = 6;
        assert_ok(train_network(d, &o, last_validation, &r2, NULL, &n));
        assert_true(r2 > (acts[a] == ACTIVATION_IDENTITY ? 0.5 : acts[a] == ACTIVATION_SIGN ? 0.8 : 0.93));
        assert_ok(train_data_create(d, &o, 5, &t));
        double *all = calloc(t.count, sizeof *all);
        assert_ok(train_outputs(n, &t, t.order, t.count, 2, 0, all));
        for (size_t i = 0; i < t.count; i++) {
            assert_ok(network_apply(n, d->x + 2 * t.order[i], &y));
            assert_true(fabs(y - all[i]) < 1e-9 * fabs(y));
        }
        free(all);
        train_data_destroy(&t);
        network_destroy(n);
        drop(d);
    }
}

static void all_of_one_bit(const network *n)
{
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(n->layers[i].weight_bits, 1);
        for (size_t k = 0; k < n->layers[i].in * n->layers[i].out; k++)
            assert_int_equal(abs(n->layers[i].W[k]), i == 0 && k % 3 == 2 ? 0 : 1);
    }
}

/* Weights of one bit are -1 and 1, also of a file that training goes on from and that is pruned, but for those of the
 * column that never changes. */
static void binary_weights(void **state)
{
    (void)state;
    dataset *d = rings(11, 2000);
    static const activation acts[] = {ACTIVATION_SIGN, ACTIVATION_RELU, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 3; a++) {
        train_options o = small();
        prune_options p;
        network *n = NULL, *read = NULL, *more = NULL, *less = NULL;
        uint8_t *bytes = NULL;
        size_t len;
        double validation = 0;
        o.act = acts[a], o.weight_bits = 1, o.hidden[0] = 48, o.layer_weight_bits[2] = 4;
        if (a == 0) o.activation_bits = 2;
        if (a == 2) o.phase_noise = 0.02;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.9);
        all_of_one_bit(n);
        assert_ok(onnx_model_encode(n, &bytes, &len));
        assert_ok(onnx_model_decode(bytes, len, "model", &read));
        o.from = read, o.epochs = 2, o.weight_bits = 8; /* the last not looked at */
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.9);
        all_of_one_bit(more);
        prune_options_init(&p);
        p.train = o, p.share = 0.5;
        for (unsigned epochs = 0; epochs < 3; epochs += 2) {
            p.train.epochs = epochs;
            assert_ok(prune_network(read, d, &p, NULL, NULL, NULL, NULL, &less));
            assert_true(less->layers[0].out <= 24);
            all_of_one_bit(less);
            network_destroy(less);
        }
        o.sparsity = 0.5;
        if (a < 2) assert_refused(train_network(d, &o, NULL, NULL, NULL, &less), "weights of 1 bit are -1 and 1");
        mem_free(bytes);
        network_destroy(n), network_destroy(read), network_destroy(more);
    }
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    network *n = NULL;
    train_options o = small();
    dataset *d = rings(31, 100);
    o.weight_bits = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "weight_bits is 0");
    o.weight_bits = 1, o.sparsity = 0.5;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "weights of 1 bit are -1 and 1");
    o = small(), o.epochs = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "epochs");
    o = small(), o.learning_rate = 10, o.batch = 8;
    d->x[17] = NAN;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "sample 5, feature 2");
    d->x[17] = 7;
    o = small(), o.shift = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "shift and flip move images");
    o = small(), o.flip = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "shift and flip move images");
    o = small(), o.optimizer = TRAIN_SGD, o.learning_rate = 10, o.momentum = 0.999, o.batch = 8;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "training diverged in epoch");
    o = small();
    d->label[3] = 2;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "label 2 of sample 3");
    for (size_t i = 0; i < d->count; i++) d->label[i] = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "one class");
    d->count = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "empty");
    assert_null(n);
    drop(d);
}

/* Half up, in the trainer as in a network, also within a unit of single precision of a tie: values, and weights with
 * and without bounds. */
static void one_rounding_rule(void **state)
{
    (void)state;
    enum { N = 3 * 252 };
    const quantizer unit_steps = {.scale = 1, .bits = 8, .is_signed = 1, .narrow = 1};
    float w[N], q[2][N], scale[1], one = 1;
    for (int k = -126; k < 126; k++)
        for (int side = -1; side <= 1; side++) {
            const float tie = (float)k + 0.5f, x = side == 0 ? tie : nextafterf(tie, side < 0 ? -INFINITY : INFINITY);
            assert_true(train_round(x) == (float)quantizer_integer(&unit_steps, (double)x));
            assert_true(train_round(x) == (float)(side < 0 ? k : k + 1));
            w[3 * (k + 126) + side + 1] = x;
        }
    train_layer l = {.in = N, .out = 1, .bits = 8, .w = {.n = N, .x = w}, .scale = scale, .kept = &one, .keep = N};
    l.step.x = &one;
    train_model m = {.layers = 1, .layer = &l, .threads = 1};
    for (size_t bound = 0; bound < 2; bound++) {
        l.wq = q[bound], l.ball = bound ? 1e6f : 0;
        assert_ok(train_weights_quantize(&m));
        for (size_t i = 0; i < N; i++) assert_true(q[bound][i] == (float)quantizer_integer(&unit_steps, (double)w[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_differences), cmocka_unit_test(gradient_of_the_step),
        cmocka_unit_test(learns_and_repeats),        cmocka_unit_test(regression_and_prepared_outputs),
        cmocka_unit_test(values_at_the_ends),        cmocka_unit_test(binary_weights),
        cmocka_unit_test(one_rounding_rule),         cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
