/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"
#include "train_steps.h"

#include "train/prune.h"
#include "train/train_budget.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Points of a plane: the class says in which of four quarters they lie, the target is the product. */
static dataset *quarters(uint64_t seed, size_t count, int regression)
{
    dataset *d = data_create(count, 2, regression ? 0 : 4);
    for (size_t i = 0; i < count; i++) {
        const double a = 2 * unit(&seed) - 1, b = 2 * unit(&seed) - 1;
        d->x[2 * i] = (float)a, d->x[2 * i + 1] = (float)b;
        if (regression)
            d->y[i] = (float)(a * b);
        else
            d->label[i] = 2 * (a > 0) + (b > 0);
    }
    return d;
}

static train_options one_layer(void)
{
    train_options o;
    train_options_init(&o);
    o.hidden[0] = 16, o.hidden_count = 1;
    o.input_bits = 8;
    o.epochs = 20;
    o.batch = 50;
    o.learning_rate = 0.01;
    return o;
}

/* Central differences of the mixed loss at the last layer's weights, with any scores as the teacher's. */
static void gradients_are_differences(void **state)
{
    (void)state;
    for (int regression = 0; regression < 2; regression++) {
        dataset *d = quarters(3, 50, regression);
        train_options o = one_layer();
        train_data t;
        train_model m;
        float soft[200];
        uint64_t seed = 5;
        for (size_t i = 0; i < 200; i++) soft[i] = (float)(6 * unit(&seed) - 3);
        o.validation = 0, o.phase_noise = 0;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 0, &m));
        m.soft = soft;
        train_gradients(&m, &t);
        param *w = &m.layer[1].w;
        for (size_t i = 0; i < w->n; i++) {
            const double slope = train_slope(&m, &w->x[i], 0.001f);
            assert_true(fabs(slope - (double)w->g[i]) < 0.01 * fabs(slope) + 5e-4);
        }
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

/* A network learns beside a teacher, alike for any number of threads, and otherwise than without one. */
static void learns_and_repeats(void **state)
{
    (void)state;
    for (int regression = 0; regression < 2; regression++) {
        dataset *d = quarters(7, 1000, regression);
        network *n[3] = {NULL, NULL, NULL};
        for (size_t i = 0; i < 3; i++) {
            train_options o = one_layer();
            double validation = 0;
            o.threads = i == 1 ? 1 : 2;
            o.distill[0] = 24, o.distill[1] = 12, o.distill_count = i == 2 ? 0 : 2;
            assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[i]));
            assert_true(validation > 0.9);
        }
        const size_t bytes = 2 * 16 * sizeof *n[0]->layers[0].W;
        assert_memory_equal(n[0]->layers[0].W, n[1]->layers[0].W, bytes);
        assert_memory_equal(n[0]->layers[0].w_scale, n[1]->layers[0].w_scale, 16 * sizeof(double));
        assert_memory_not_equal(n[0]->layers[0].w_scale, n[2]->layers[0].w_scale, 16 * sizeof(double));
        for (size_t i = 0; i < 3; i++) network_destroy(n[i]);
        drop(d);
    }
}

/* Share of the samples of d to which two networks give the same class. */
static double alike(const network *a, const network *b, const dataset *d)
{
    size_t same = 0;
    for (size_t i = 0; i < d->count; i++) {
        double x[2], y[2];
        assert_ok(network_apply(a, d->x + i * d->features, x));
        assert_ok(network_apply(b, d->x + i * d->features, y));
        same += (x[1] > x[0]) == (y[1] > y[0]);
    }
    return (double)same / (double)d->count;
}

/* A convolution teaches dense layers, which see the pictures moved; the same bytes on any number of threads. */
static void from_a_convolution(void **state)
{
    (void)state;
    dataset *d = lines(7, 800, 1);
    train_options teacher, o;
    network *n[3] = {NULL, NULL, NULL};
    train_options_init(&teacher);
    teacher.conv[0] = (train_convolution){.channels = 6, .kernel = 4, .stride = 1, .pool = TRAIN_POOL_ALL};
    teacher.conv_count = 1, teacher.hidden_count = 0, teacher.layer_acts_count = 1;
    teacher.layer_acts[0] = (train_activation){.act = ACTIVATION_SILU, .bits = 4};
    for (size_t i = 0; i < 3; i++) {
        double validation = 0;
        o = one_layer(), o.hidden[0] = 32, o.input_bits = 4, o.shift = 1, o.epochs = 10, o.threads = i == 1 ? 1 : 2;
        o.teacher = i == 2 ? NULL : &teacher;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[i]));
        assert_true(validation > 0.6);
    }
    same_linear_parts(n[0], n[1]);
    assert_memory_not_equal(n[0]->layers[0].w_scale, n[2]->layers[0].w_scale, 32 * sizeof(double));
    for (size_t i = 0; i < 3; i++) network_destroy(n[i]);
    teacher.layer_acts[0].act = ACTIVATION_SINE, teacher.layer_acts[0].rise = 0.25;
    o.teacher = &teacher, n[0] = NULL;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n[0]), "the teacher has waves");
    teacher.layer_acts[0].act = ACTIVATION_RELU, o.distill_count = 1, o.distill[0] = 4;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n[0]), "two teachers");
    drop(d);
}

/* Whoever learns from a network whose answers are turned round answers as it does; networks whose sources have scales
 * of their own, too. */
static void from_a_network(void **state)
{
    (void)state;
    dataset *d = rings(7, 1500);
    train_options o = one_layer();
    network *good = NULL, *pupil = NULL;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &good));
    assert_true(share_right(good, d) > 0.95);
    dense_layer *last = &good->layers[1];
    for (size_t i = 0; i < last->in * last->out; i++) last->W[i] = -last->W[i];
    for (size_t c = 0; c < 2; c++) last->bias[c] = -last->bias[c];
    o.taught_by = good, o.seed = 3;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &pupil));
    assert_true(share_right(pupil, d) < 0.1 && alike(pupil, good, d) > 0.9);
    train_data t;
    float *many = NULL;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_taught(good, d, &t, 2, &many));
    for (size_t i = 0; i < d->count; i++) {
        double y[2];
        assert_ok(network_apply(good, d->x + 3 * i, y));
        for (size_t c = 0; c < 2; c++) assert_true(fabs(y[c] - (double)many[2 * i + c]) < 1e-5 * (1 + fabs(y[c])));
    }
    mem_free(many), many = NULL;
    good->input.bits = 9, good->input.scale /= 2; /* one by one */
    assert_ok(train_taught(good, d, &t, 2, &many));
    double y[2];
    assert_ok(network_apply(good, d->x + 3 * 700, y));
    assert_true(fabs(y[1] - (double)many[2 * 700 + 1]) < 1e-5 * (1 + fabs(y[1])));
    mem_free(many);
    train_data_destroy(&t);
    network_destroy(pupil), pupil = NULL;
    o.distill_count = 1, o.distill[0] = 4;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &pupil), "a teacher to train and one that there is");
    o.distill_count = 0;
    dataset *other = quarters(9, 100, 0);
    assert_refused(train_network(other, &o, NULL, NULL, NULL, &pupil), "the teacher: the data have 2 features");
    drop(other);
    network_destroy(good);
    drop(d);
}

static void same_weights(const network *a, const network *b)
{
    same_linear_parts(a, b);
    for (size_t i = 0; i < a->layers_count; i++)
        assert_memory_equal(a->layers[i].w_scale, b->layers[i].w_scale, a->layers[i].out * sizeof(double));
}

/* A network with its features in units of its own. */
static network *brighter(const network *n)
{
    network *other = NULL;
    assert_ok(network_copy(n, &other));
    for (size_t f = 0; f < n->inputs; f++) other->shift[f] = -20 - (double)(f % 7), other->gain[f] = n->gain[f] * 0.7;
    return other;
}

/* A teacher scores what the network is given: pictures of two channels, moved and mirrored, of a batch that is no
 * multiple of a chunk, in layers that are convolutions and others. */
static void scores_of_moved_samples(void **state)
{
    (void)state;
    enum { ROWS = 75, PIXELS = LINES_SIDE * LINES_SIDE };
    dataset *d = lines(11, 300, 2);
    for (size_t k = 0; k < d->count * d->features; k++) d->x[k] = 17 * floorf(d->x[k] / 17); /* as 4 bits hold them */
    for (int conv = 0; conv < 2; conv++) {
        train_options o = one_layer();
        o.epochs = 1, o.batch = ROWS, o.input_bits = 4, o.validation = 0;
        if (conv) o.conv[0] = (train_convolution){.channels = 3, .kernel = 3, .stride = 3}, o.conv_count = 1;
        network *n = NULL, *teacher = NULL;
        train_data t;
        train_model m;
        train_tutor u[2];
        double loss;
        size_t apart = 0;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 1, &m));
        assert_ok(train_weights_quantize(&m));
        teacher = brighter(n);
        teacher->input.bits = conv ? 9 : 8; /* of 9 they are scored one by one */
        for (unsigned k = 0; k < 2; k++) assert_ok(train_tutor_create(teacher, d, &t, ROWS, 1 + k, &u[k]));
        const train_source source = {.data = &t, .order = t.order, .first = 30, .shift = 2, .flip = 1};
        assert_ok(train_forward(&m, &source, ROWS, 77, &loss));
        for (unsigned k = 0; k < 2; k++) assert_ok(train_tutor_score(&u[k], &source, ROWS, 5, 77));
        assert_memory_equal(u[0].soft, u[1].soft, sizeof(float) * 2 * ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            float x[2 * PIXELS];
            double y[2];
            for (size_t f = 0; f < d->features; f++)
                x[f] = roundf(255 * m.x[i * d->features + (conv ? f % PIXELS * 2 + f / PIXELS : f)]);
            assert_ok(network_apply(teacher, x, y));
            for (size_t c = 0; c < 2; c++) apart += fabs(y[c] - (double)u[0].soft[2 * i + c]) > 1e-5 * (1 + fabs(y[c]));
        }
        assert_int_equal(apart, 0);
        for (unsigned k = 0; k < 2; k++) train_tutor_clear(&u[k]);
        train_model_destroy(&m);
        train_data_destroy(&t);
        network_destroy(n), network_destroy(teacher);
    }
    drop(d);
}

/* Pictures of noise with a bright column on the left or, of class 1, on the right. */
static dataset *sides(uint64_t seed, size_t count)
{
    enum { SIDE = 8 };
    dataset *d = data_create(count, SIDE * SIDE, 2);
    d->channels = 1, d->height = d->width = SIDE;
    for (size_t i = 0; i < count; i++) {
        float *x = d->x + i * d->features;
        for (size_t k = 0; k < d->features; k++) x[k] = (float)(test_random(&seed) % 100);
        d->label[i] = (int32_t)(test_random(&seed) & 1);
        const size_t column = (size_t)d->label[i] * SIDE / 2 + test_random(&seed) % (SIDE / 2);
        for (size_t r = 0; r < SIDE; r++) x[r * SIDE + column] = 255;
    }
    return d;
}

static int stop_in_epoch_3(void *context, const char *what, size_t done, size_t total)
{
    (void)context, (void)what;
    return done > 5 * total / 16;
}

/* Of mirrored pictures a teacher tells the other side, and whoever sees them learns it from that, though the labels are
 * of no use; the same on any number of threads, and after a stop. With another teacher it does not go on. */
static void sees_what_the_network_sees(void **state)
{
    (void)state;
    dataset *d = sides(21, 1200);
    train_options o = one_layer();
    network *good = NULL, *pupil = NULL, *again = NULL;
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/annulus-distill-%d", (int)getpid());
    o.input_bits = 4, o.epochs = 8, o.threads = 2;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &good));
    assert_true(share_right(good, d) > 0.97);
    for (size_t i = 0; i < d->count; i++) d->label[i] = (int32_t)(i & 1);
    o.taught_by = good, o.flip = 1;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &pupil));
    assert_true(alike(pupil, good, d) > 0.9);
    const annulus_progress stopping = {stop_in_epoch_3, NULL};
    o.checkpoint = path, o.threads = 1;
    assert_int_equal(train_network(d, &o, NULL, NULL, &stopping, &again), ANNULUS_ERR_CANCELLED);
    good->layers[1].bias[0] += 0.5;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &again), "other data or options");
    good->layers[1].bias[0] -= 0.5;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &again));
    same_weights(pupil, again);
    unlink(path);
    network_destroy(good), network_destroy(pupil), network_destroy(again);
    drop(d);
}

/* Networks whose training begins, teachers among them; stops at that of number `most`, unless it is 0. */
typedef struct trainings {
    size_t count, most;
} trainings;

static int count_trained(void *context, const char *what, size_t done, size_t total)
{
    (void)total;
    trainings *t = context;
    t->count += done == 0 && strcmp(what, "training") == 0;
    return t->most > 0 && t->count == t->most;
}

/* A teacher that was kept teaches as the one that is trained anew. */
static void kept(void **state)
{
    (void)state;
    dataset *d = rings(31, 700);
    train_options o = one_layer();
    network *n[2] = {NULL, NULL};
    train_model k = {0};
    trainings trained = {0};
    const annulus_progress p = {count_trained, &trained};
    o.epochs = 3, o.distill[0] = 12, o.distill_count = 1, o.kept = &k;
    for (size_t i = 0; i < 2; i++) {
        assert_ok(train_network(d, &o, NULL, NULL, &p, &n[i]));
        assert_int_equal(trained.count, 2 + i);
    }
    same_weights(n[0], n[1]);
    train_model_destroy(&k);
    network_destroy(n[0]), network_destroy(n[1]);
    drop(d);
}

static void make_dearer(void *context, const train_epoch *e)
{
    lower_options *lower = context;
    if (e->epoch == e->epochs) lower->log2_error *= 2; /* so that more has to go */
}

static annulus_status pruned(const network *n, const dataset *d, unsigned threads, const char *checkpoint, trainings *t,
                             network **out)
{
    const annulus_progress progress = {count_trained, t};
    lower_options lower;
    prune_options p;
    prune_report r;
    double whole;
    lower_options_init(&lower);
    lower.families_most = 1, lower.log2_error = -6;
    TRY(train_predict(n, d, &lower, 1, &whole));
    prune_options_init(&p);
    p.train = small(), p.train.epochs = 4, p.train.threads = threads, p.train.checkpoint = checkpoint;
    p.train.distill[0] = 12, p.train.distill_count = 1;
    p.lower = &lower, p.threads_seconds = 1, p.seconds = 0.9 * whole;
    TRY(prune_network(n, d, &p, make_dearer, &lower, &progress, &r, out));
    assert_int_equal(r.rounds, 4); /* the last one trains nothing */
    return ANNULUS_OK;
}

/* One teacher for all fine-tuning of a network, whose bytes depend neither on the threads nor on a stop in a later
 * round. */
static void pruning_trains_one(void **state)
{
    (void)state;
    dataset *d = rings(32, 700);
    const train_options o = small();
    network *n = NULL, *out[3] = {NULL, NULL, NULL};
    trainings whole[2] = {{0}, {0}}, stopped = {.most = 4}, rest = {0};
    char path[64];
    (void)snprintf(path, sizeof path, "/tmp/annulus-distill-%d", (int)getpid());
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(pruned(n, d, 1 + i, NULL, &whole[i], &out[i]));
        assert_int_equal(whole[i].count, 1 + 4);
    }
    assert_int_equal(pruned(n, d, 2, path, &stopped, &out[2]), ANNULUS_ERR_CANCELLED);
    assert_ok(pruned(n, d, 2, path, &rest, &out[2]));
    assert_int_equal(rest.count, 1 + 3); /* the first one was done */
    same_weights(out[0], out[1]);
    same_weights(out[0], out[2]);
    unlink(path);
    network_destroy(n);
    for (size_t i = 0; i < 3; i++) network_destroy(out[i]);
    drop(d);
}

static void count_reported(void *context, const train_epoch *e)
{
    *(size_t *)context += e->epoch == 1;
}

/* And one for all rounds of training within seconds, besides a network of one epoch that is not reported: some go on
 * from the first. */
static void training_within_seconds_trains_one(void **state)
{
    (void)state;
    dataset *d = rings(27, 600);
    const double seconds[] = {100, 0.0118};
    size_t more = 0;
    for (size_t i = 0; i < 2; i++) {
        train_options o = small();
        const train_budget b = {.seconds = seconds[i], .threads = 1};
        train_choice c;
        network *n = NULL;
        trainings trained = {0};
        size_t reported = 0;
        const annulus_progress p = {count_trained, &trained};
        o.epochs = 4, o.hidden[0] = 8, o.hidden[1] = 6, o.distill[0] = 12, o.distill_count = 1;
        if (i == 0) o.act = ACTIVATION_TRAPEZOID, o.offsets = 2, o.activation_bits = o.weight_bits = 8;
        assert_ok(train_within(d, &o, &b, count_reported, &reported, &p, &c, &n));
        assert_int_equal(trained.count, 2 + reported);
        more += reported - 1;
        if (i == 0) assert_true(more > 0);
        network_destroy(n);
    }
    assert_true(more > 1);
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    network *n = NULL;
    dataset *d = quarters(9, 100, 0);
    train_options o = one_layer();
    o.distill[0] = 0, o.distill_count = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "a layer of the teacher is 0");
    o.distill_count = 17;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "layers of the teacher is 17");
    train_options windows = one_layer();
    windows.conv[0] = (train_convolution){.channels = 2, .kernel = 3, .stride = 1}, windows.conv_count = 1;
    o = one_layer(), o.teacher = &windows;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "the teacher: convolutions are for images");
    assert_null(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(gradients_are_differences),
                                       cmocka_unit_test(learns_and_repeats),
                                       cmocka_unit_test(from_a_convolution),
                                       cmocka_unit_test(from_a_network),
                                       cmocka_unit_test(scores_of_moved_samples),
                                       cmocka_unit_test(sees_what_the_network_sees),
                                       cmocka_unit_test(kept),
                                       cmocka_unit_test(pruning_trains_one),
                                       cmocka_unit_test(training_within_seconds_trains_one),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
