/* SPDX-License-Identifier: Apache-2.0 */
/* Samples with several labels. */
#include "train_fixture.h"
#include "train_steps.h"

#include "onnx/onnx_model.h"
#include "train/prune.h"
#include "train/train_budget.h"
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

/* Two labels that overlap: right of a line, one in two, and in a disc, about one in five. */
static dataset *labelled(uint64_t seed, size_t count)
{
    static char *names[] = {"right", "inside"};
    dataset *d = data_create(count, 2, 0);
    void *p;
    mem_free(d->y);
    assert_ok(mem_create(2 * count, sizeof(float), "labels", &p));
    d->y = p, d->targets = 2, d->binary = 1;
    d->target_names = names;
    for (size_t i = 0; i < count; i++) {
        const double x = 2 * unit(&seed) - 1, y = 2 * unit(&seed) - 1;
        d->x[2 * i] = (float)x, d->x[2 * i + 1] = (float)y;
        d->y[2 * i] = x > 0.1;
        d->y[2 * i + 1] = x * x + y * y < 0.25;
    }
    return d;
}

static void gradients_are_differences(void **state)
{
    (void)state;
    dataset *d = labelled(3, 70);
    train_options o = small();
    train_data t;
    train_model m;
    const double positive[] = {2, 0.5};
    const float soft[140] = {1, -2, 0.5f};
    o.act = ACTIVATION_TANH, o.phase_noise = 0, o.validation = 0, o.batch = 70;
    o.class_weights = positive, o.class_weights_count = 2;
    for (int taught = 0; taught < 2; taught++) {
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 0, &m));
        m.soft = taught ? soft : NULL;
        train_gradients(&m, &t);
        for (size_t l = 0; l < m.layers; l++)
            for (size_t i = 0; i < 12; i++) {
                param *p = i % 2 ? &m.layer[l].w : &m.layer[l].beta;
                const float g = p->g[i * 5 % p->n];
                const double slope = train_slope(&m, &p->x[i * 5 % p->n], 0.002f);
                assert_true(fabs(slope - (double)g) < 0.02 * fabs(slope) + 3e-4);
            }
        train_model_destroy(&m);
        train_data_destroy(&t);
    }
    d->target_names = NULL;
    drop(d);
}

/* True positives, samples with label o, answered ones. */
static void count_label(const network *n, const dataset *d, size_t o, size_t count[3])
{
    memset(count, 0, 3 * sizeof *count);
    for (size_t i = 0; i < d->count; i++) {
        double y[2];
        assert_ok(network_apply(n, d->x + 2 * i, y));
        const int has = d->y[2 * i + o] > 0, got = y[o] > 0;
        count[0] += has && got, count[1] += has != 0, count[2] += got != 0;
    }
}

static void learns_labels(void **state)
{
    (void)state;
    dataset *d = labelled(7, 1500);
    train_options o = small();
    network *n = NULL, *same = NULL, *low = NULL, *best = NULL, *more = NULL;
    double validation = 0;
    size_t plain[3], count[3];
    o.input_bits = 6;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
    assert_true(validation > 0.93 && n->task == NETWORK_MULTI_LABEL);
    assert_string_equal(n->labels[0], "right");
    assert_string_equal(n->labels[1], "inside");
    for (size_t k = 0; k < 2; k++) {
        count_label(n, d, k, count);
        assert_true(2.0 * (double)count[0] > 0.85 * (double)(count[1] + count[2])); /* F1 */
    }
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_ok(onnx_model_encode(n, &bytes, &len));
    assert_ok(onnx_model_decode(bytes, len, "model", &same));
    assert_int_equal(same->task, NETWORK_MULTI_LABEL);
    /* thresholds move the scores by their logarithmic odds, and no other number */
    const double thresholds[] = {0.5, 0.05};
    o.thresholds = thresholds, o.thresholds_count = 2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &low));
    assert_true(low->layers[2].bias[0] == n->layers[2].bias[0]);
    assert_true(fabs(low->layers[2].bias[1] - n->layers[2].bias[1] - log(19)) < 1e-5);
    count_label(n, d, 1, plain), count_label(low, d, 1, count);
    assert_true(count[2] > plain[2]);
    /* the best F1 of the held-out samples, here of all of them: no worse than without */
    o.thresholds_best = 1, o.validation = 0;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &best));
    o.thresholds_best = 0, o.thresholds_count = 0;
    network_destroy(n);
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    for (size_t k = 0; k < 2; k++) {
        count_label(n, d, k, plain), count_label(best, d, k, count);
        assert_true((double)count[0] * (double)(plain[1] + plain[2]) >=
                    (double)plain[0] * (double)(count[1] + count[2]));
    }
    o.from = same, o.epochs = 2, o.learning_rate = 1e-3, o.classes_balanced = 1, o.validation = 0.1;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
    assert_true(validation > 0.9 && more->task == NETWORK_MULTI_LABEL);
    d->target_names = (char *[]){"inside", "right"};
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &best),
                   "label 1 of the network is right, the data have inside: name the same ones in the same order");
    network_destroy(n), network_destroy(same), network_destroy(low), network_destroy(best), network_destroy(more);
    mem_free(bytes);
    d->target_names = NULL;
    drop(d);
}

/* Balanced labels: one that all samples have weighs something, too. */
static void balanced(void **state)
{
    (void)state;
    dataset *d = labelled(9, 100);
    train_options o = small();
    train_data t;
    float weight[2];
    o.validation = 0;
    for (size_t i = 0; i < d->count; i++) d->y[2 * i] = i < 99, d->y[2 * i + 1] = i % 4 == 0;
    assert_ok(train_data_create(d, &o, 5, &t));
    o.classes_balanced = 1;
    assert_ok(train_class_weights(&t, &o, weight));
    assert_true(fabsf(weight[0] * 99 - 1) < 1e-4f && weight[1] == 3);
    for (size_t i = 0; i < t.train; i++) t.target[t.order[i] * 2] = 1;
    assert_ok(train_class_weights(&t, &o, weight));
    assert_true(fabsf(weight[0] * 100 - 1) < 1e-4f);
    train_data_destroy(&t);
    d->target_names = NULL;
    drop(d);
}

/* Waves get a noise of the scores that costs no more than it may. */
static void waves(void **state)
{
    (void)state;
    dataset *d = labelled(9, 1200);
    train_options o = small();
    network *n = NULL;
    double validation = 0;
    o.act = ACTIVATION_TRIANGLE, o.phase_noise = 0.02, o.weight_bits = o.activation_bits = 8, o.input_bits = 6;
    assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
    assert_true(validation > 0.93 && n->layers[2].noise > 0 && n->layers[2].noise < 5);
    network_destroy(n);
    d->target_names = NULL;
    drop(d);
}

/* Every training makes what it is to fit harder to fit: the first leaves fewer seconds, each look-ups that err less. */
typedef struct asked {
    train_budget budget;
    lower_options lower;
    double factor;
    unsigned trainings;
} asked;

static void ask_for_less(void *context, const train_epoch *e)
{
    asked *a = context;
    if (e->epoch != e->epochs) return;
    if (a->trainings++ == 0) a->budget.seconds *= a->factor;
    a->lower.log2_error *= 2;
}

static void assert_shifted(const network *n, const network *plain, const double thresholds[2])
{
    const dense_layer *a = &n->layers[n->layers_count - 1], *b = &plain->layers[n->layers_count - 1];
    for (size_t k = 0; k < 2; k++)
        assert_true(fabs(b->bias[k] - a->bias[k] - log(thresholds[k] / (1 - thresholds[k]))) < 1e-4);
}

static void destroy_both(network *n[2])
{
    network_destroy(n[0]), network_destroy(n[1]);
    n[0] = n[1] = NULL;
}

/* Steps that change nothing, in rounds of training within seconds, of tables and of waves: the thresholds are in the
 * biases once. */
static void thresholds_once_within(void **state)
{
    (void)state;
    static const double thresholds[] = {0.9, 0.2};
    dataset *d = labelled(11, 600);
    for (int waves = 0; waves < 2; waves++) {
        train_options o = small();
        network *n[2] = {NULL, NULL};
        train_choice c = {0};
        train_budget budget = {.seconds = 100, .threads = 1, .rounding_bits = waves ? 0 : 6, .noise_given = waves};
        o.hidden_count = 1, o.learning_rate = 1e-7, o.epochs = 1;
        if (waves) o.act = ACTIVATION_TRAPEZOID, o.activation_bits = o.weight_bits = 8, o.phase_noise = 0.02;
        if (!waves) o.target_error = 0.3;
        assert_ok(train_within(d, &o, &budget, NULL, NULL, NULL, &c, &n[0]));
        destroy_both(n);
        budget.seconds = c.seconds;
        for (int with = 0; with < 2; with++) {
            asked a = {.budget = budget, .factor = waves ? 0.98 : 0.7};
            o.thresholds = thresholds, o.thresholds_count = with ? 2 : 0;
            assert_ok(train_within(d, &o, &a.budget, ask_for_less, &a, NULL, &c, &n[with]));
            assert_true(a.trainings == 2);
        }
        assert_shifted(n[1], n[0], thresholds);
        destroy_both(n);
    }
    d->target_names = NULL;
    drop(d);
}

static void thresholds_once_pruned(void **state)
{
    (void)state;
    static const double thresholds[] = {0.9, 0.2};
    dataset *d = labelled(11, 600);
    train_options o = small();
    network *n[2] = {NULL, NULL}, *first = NULL;
    o.epochs = 2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &first));
    for (int with = 0; with < 2; with++) {
        asked a = {.factor = 1};
        prune_options p;
        prune_report r;
        prune_options_init(&p);
        lower_options_init(&a.lower);
        a.lower.families_most = 1, a.lower.log2_error = -6;
        assert_ok(train_predict(first, d, &a.lower, 1, &p.seconds));
        p.train = o, p.train.learning_rate = 1e-8, p.lower = &a.lower, p.threads_seconds = 1, p.seconds *= 0.8;
        p.train.thresholds = thresholds, p.train.thresholds_count = with ? 2 : 0;
        assert_ok(prune_network(first, d, &p, ask_for_less, &a, NULL, &r, &n[with]));
        assert_true(r.rounds > 1 && a.trainings > 2);
    }
    assert_shifted(n[1], n[0], thresholds);
    destroy_both(n);
    prune_options p;
    prune_options_init(&p);
    p.share = 0.5, p.train.epochs = 0, p.train.thresholds = thresholds, p.train.thresholds_count = 2;
    assert_refused(prune_network(first, d, &p, NULL, NULL, NULL, NULL, &n[0]), "thresholds take training");
    network_destroy(first);
    d->target_names = NULL;
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    dataset *d = labelled(5, 100), *r = rings(5, 100);
    train_options o = small();
    network *n = NULL;
    const double one[] = {0.5}, two[] = {0.5, 1};
    o.epochs = 1;
    o.thresholds = one, o.thresholds_count = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "1 thresholds for 2 labels");
    o.thresholds = two, o.thresholds_count = 2;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "a threshold of 1");
    o.thresholds_count = 0, o.thresholds_best = 1;
    assert_refused(train_network(r, &o, NULL, NULL, NULL, &n), "several labels a sample");
    o.thresholds_best = 0;
    d->y[7] = 0.5;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "not 0 or 1");
    for (size_t i = 0; i < 100; i++) d->y[2 * i + 1] = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "label 2, inside never changes");
    d->target_names = NULL;
    drop(d), drop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_differences),
                                       cmocka_unit_test(learns_labels),
                                       cmocka_unit_test(waves),
                                       cmocka_unit_test(balanced),
                                       cmocka_unit_test(thresholds_once_within),
                                       cmocka_unit_test(thresholds_once_pruned),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
