/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"
#include "train_steps.h"

#include "base/file.h"
#include "train/train_priv.h"

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

static char path[64];

static train_options brief(void)
{
    train_options o = small();
    o.threads = 1;
    return o;
}

typedef struct seen {
    train_epoch epoch[64];
    size_t count;
} seen;

static void note(void *context, const train_epoch *e)
{
    seen *s = context;
    s->epoch[s->count++] = *e;
}

/* Asks to stop in the middle of an epoch. */
static int stop(void *context, const char *what, size_t done, size_t total)
{
    (void)what, (void)total;
    size_t *left = context;
    return done > *left;
}

static void assert_same(const network *a, const network *b)
{
    assert_int_equal(a->layers_count, b->layers_count);
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        assert_true((x->W == NULL) == (y->W == NULL) && x->linear.blocks_count == y->linear.blocks_count);
        if (x->W != NULL) assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
        for (size_t k = 0; k < x->linear.blocks_count; k++) {
            const linear_block *p = &x->linear.blocks[k], *q = &y->linear.blocks[k];
            assert_memory_equal(p->W, q->W, p->rows * p->taps * sizeof *p->W);
        }
        assert_memory_equal(x->w_scale, y->w_scale, x->out * sizeof *x->w_scale);
        assert_memory_equal(x->bias, y->bias, x->out * sizeof *x->bias);
        assert_true(x->out_q.scale == y->out_q.scale);
    }
}

/* Stopped twice, in epochs 4 and 9, with other numbers of threads. */
static void goes_on_where_it_stopped(void **state)
{
    (void)state;
    dataset *points = rings(61, 700), *pictures = lines(61, 700, 2);
    for (size_t round = 0; round < 8; round++) {
        const dataset *d = round < 7 ? points : pictures;
        train_options o = brief();
        network *whole = NULL, *parts = NULL;
        seen all = {.count = 0}, again = {.count = 0};
        o.epochs = 12, o.seed = round + 1;
        if (round == 1) o.optimizer = TRAIN_SGD, o.learning_rate = 0.05, o.schedule = TRAIN_ONE_CYCLE;
        if (round == 2) o.patience = 3, o.clip_learned = 1;
        if (round == 3) o.sparsity = 0.5, o.patience = 2;
        if (round == 4) o.target_error = 0.1, o.classes_balanced = 1;
        if (round == 5) o.accumulator_bits = 8, o.schedule = TRAIN_ONE_CYCLE;
        if (round == 7) o.clip_learned = 1;
        if (round > 5) o.act = ACTIVATION_TRIANGLE, o.offsets = 2, o.phase_noise = 0.02, o.patience = 4;
        if (round == 7) o.conv[0] = (train_convolution){.channels = 4, .kernel = 3, .stride = 3}, o.conv_count = 2;
        if (round == 7) o.conv[1] = (train_convolution){.channels = 4, .kernel = 3, .stride = 1, .groups = 2};
        assert_ok(train_network(d, &o, note, &all, NULL, &whole));
        o.checkpoint = path;
        const size_t steps = 630 / 64;
        size_t stops = 0;
        for (size_t left = 3 * steps + 4; left < 9 * steps; left += 5 * steps) {
            const annulus_progress p = {stop, &left};
            o.threads = left > 5 * steps ? 1 : 2;
            const annulus_status st = train_network(d, &o, NULL, NULL, &p, &parts);
            if (st == ANNULUS_OK) break; /* patience ended it before */
            assert_int_equal(st, ANNULUS_ERR_CANCELLED);
            stops++;
        }
        assert_true(stops > 0);
        network_destroy(parts);
        parts = NULL;
        assert_ok(train_network(d, &o, note, &again, NULL, &parts));
        assert_same(whole, parts);
        assert_int_equal(all.count, again.count);
        for (size_t e = 0; e < all.count; e++)
            if (o.patience > 0) /* without, nobody asked for the scores of the epochs before */
                assert_true(all.epoch[e].loss == again.epoch[e].loss &&
                            all.epoch[e].validation == again.epoch[e].validation &&
                            all.epoch[e].best == again.epoch[e].best);
        network_destroy(parts);
        parts = NULL;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &parts)); /* all epochs are done */
        assert_same(whole, parts);
        network_destroy(whole), network_destroy(parts);
        unlink(path);
    }
    drop(points), drop(pictures);
}

static void refused_checkpoints(void **state)
{
    (void)state;
    dataset *d = rings(62, 300), *other = rings(63, 300);
    train_options o = brief(), changed;
    network *n = NULL;
    uint8_t *bytes;
    size_t size;
    o.epochs = 2, o.checkpoint = path;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    network_destroy(n);
    n = NULL;
    assert_refused(train_network(other, &o, NULL, NULL, NULL, &n), "other data or options");
    changed = o, changed.seed = 2;
    assert_refused(train_network(d, &changed, NULL, NULL, NULL, &n), "other data or options");
    changed = o, changed.learning_rate = 0.02;
    assert_refused(train_network(d, &changed, NULL, NULL, NULL, &n), "other data or options");
    changed = o, changed.epochs = 3;
    assert_refused(train_network(d, &changed, NULL, NULL, NULL, &n), "other data or options");
    changed = o, changed.hidden[0] = 17;
    assert_refused(train_network(d, &changed, NULL, NULL, NULL, &n), "other data or options");
    assert_ok(file_read(path, 1 << 24, &bytes, &size));
    for (size_t cut = 0; cut < size; cut += 1 + cut / 3) {
        assert_ok(file_write(path, bytes, cut, 0644));
        assert_int_equal(train_network(d, &o, NULL, NULL, NULL, &n), ANNULUS_ERR_INPUT);
        assert_null(n);
    }
    for (size_t at = 0; at < size; at += 1 + at / 3) {
        bytes[at] ^= 0x10;
        assert_ok(file_write(path, bytes, size, 0644));
        assert_int_equal(train_network(d, &o, NULL, NULL, NULL, &n), ANNULUS_ERR_INPUT);
        assert_null(n);
        bytes[at] ^= 0x10;
    }
    mem_free(bytes);
    unlink(path);
    o.checkpoint = "/absent/checkpoint";
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "/absent/checkpoint");
    drop(d), drop(other);
}

/* The network is that of the best epoch, and no more than `patience` epochs were spent after it. */
static void patience_keeps_the_best(void **state)
{
    (void)state;
    dataset *d = rings(64, 400);
    size_t ended = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        train_options o = brief();
        network *n = NULL;
        seen s = {.count = 0};
        train_data t;
        uint64_t key;
        double score;
        o.epochs = 40, o.patience = 4, o.seed = seed, o.learning_rate = 0.02;
        assert_ok(train_network(d, &o, note, &s, NULL, &n));
        unsigned best = 0;
        for (size_t e = 0; e < s.count; e++) {
            const int better = best == 0 || s.epoch[e].validation > s.epoch[best - 1].validation;
            assert_int_equal(s.epoch[e].best, better);
            if (better) best = s.epoch[e].epoch;
        }
        assert_true(s.count == 40 || s.count == best + 4);
        ended += s.count < 40;
        assert_ok(train_key(seed, &key));
        assert_ok(train_data_create(d, &o, key, &t));
        assert_ok(train_score(n, &t, 1, 0, &score));
        assert_true(score == s.epoch[best - 1].validation);
        train_data_destroy(&t);
        network_destroy(n);
    }
    assert_true(ended > 0);
    train_options o = brief();
    network *n = NULL;
    o.patience = 2, o.validation = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "patience needs a validation set");
    o.validation = 0.001; /* of 400 */
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "0.001 of 400 samples is none to validate on");
    drop(d);
}

static int undefined(const dataset *d, const train_options *o)
{
    seen s = {.count = 0};
    network *n = NULL;
    assert_ok(train_network(d, o, note, &s, NULL, &n));
    network_destroy(n);
    return isnan(s.epoch[0].validation);
}

/* Targets of which those held out, one or several, are the same: no epoch is better than another. */
static void patience_needs_targets_that_vary(void **state)
{
    (void)state;
    for (size_t held = 1; held < 8; held += 6) {
        dataset *d = plane(67, 40);
        train_options o = brief();
        train_data t;
        network *n = NULL;
        o.epochs = 1, o.batch = 16, o.validation = (double)held / 40;
        assert_true(undefined(d, &o) == (held == 1));
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_int_equal(t.held, held);
        train_data_destroy(&t);
        for (size_t i = 0; i < 40; i++) d->y[i] = i == 0 ? 0 : 0.1f; /* the first is trained on */
        assert_true(undefined(d, &o));
        o.patience = 3;
        assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "samples to validate on are the same");
        assert_null(n);
        drop(d);
    }
}

static void class_weights(void **state)
{
    (void)state;
    dataset *d = rings(65, 400);
    size_t ones = 0;
    for (size_t i = 0; i < d->count; i++) { /* one class is rare */
        if (d->label[i] == 1 && i % 10 != 0) d->label[i] = 0;
        ones += (size_t)d->label[i];
    }
    train_options o = brief();
    train_data t;
    float w[2];
    network *n = NULL;
    o.validation = 0, o.classes_balanced = 1;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_class_weights(&t, &o, w));
    assert_true(fabs((double)w[1] * (double)ones - (double)w[0] * (double)(400 - ones)) < 1e-3 * 400);
    assert_true(fabs((double)w[1] * (double)ones + (double)w[0] * (double)(400 - ones) - 400) < 1e-3 * 400);
    o.classes_balanced = 0, o.class_weights = (const double[]){3, 1}, o.class_weights_count = 2;
    assert_ok(train_class_weights(&t, &o, w));
    assert_true(fabsf(w[0] - 3 * w[1]) < 1e-5f);
    o.class_weights = (const double[]){0, 5}; /* one class does not count */
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    for (size_t i = 0; i < 50; i++) {
        double y[2];
        assert_ok(network_apply(n, d->x + 3 * i, y));
        assert_true(y[1] > y[0]);
    }
    network_destroy(n);
    n = NULL;
    o.class_weights_count = 3;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "3 class weights for 2 classes");
    o.class_weights = (const double[]){-1, 1}, o.class_weights_count = 2;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "class weight -1");
    o.class_weights = (const double[]){0, 0};
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "no sample counts");
    train_data_destroy(&t);
    drop(d);
    d = plane(65, 100);
    o.class_weights = NULL, o.classes_balanced = 1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "class weights are for classification");
    drop(d);
}

/* Central differences of the weighted loss. */
static void weighted_gradients(void **state)
{
    (void)state;
    dataset *d = rings(66, 64);
    train_options o = brief();
    train_data t;
    train_model m;
    o.act = ACTIVATION_TANH, o.phase_noise = 0, o.validation = 0, o.batch = 64;
    o.class_weights = (const double[]){0.4, 2}, o.class_weights_count = 2;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 0, &m));
    train_gradients(&m, &t);
    for (size_t k = 0; k < 2; k++) {
        const float g = m.layer[2].beta.g[k];
        const double slope = train_slope(&m, &m.layer[2].beta.x[k], 0.001f);
        assert_true(fabs(slope - (double)g) < 1e-3 && fabsf(g) > 1e-3f);
    }
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

static void rates_and_momentum(void **state)
{
    (void)state;
    train_options o = brief();
    o.learning_rate = 2;
    double most = 0;
    o.schedule = TRAIN_ONE_CYCLE;
    for (uint64_t s = 0; s < 1000; s++) most = fmax(most, train_rate(&o, s, 1000));
    assert_true(fabs(train_rate(&o, 0, 1000) - 0.08) < 1e-9 && fabs(train_rate(&o, 300, 1000) - 2) < 1e-9);
    assert_true(most <= 2 + 1e-12 && train_rate(&o, 999, 1000) < 0.001);
    o.schedule = TRAIN_COSINE;
    assert_true(fabs(train_rate(&o, 50, 1000) - 2) < 1e-9 && train_rate(&o, 999, 1000) < 0.021);
    assert_true(train_rate(&o, 0, 1000) < 0.05);

    float x[3] = {1, -2, 0}, g[3] = {0.5f, 0.25f, -1}, v[3] = {0, 0, 2};
    train_layer l = {.last = 1, .w = {.n = 3, .x = x, .g = g, .m = v}};
    train_model m = {.layers = 1, .layer = &l, .threads = 1};
    assert_ok(train_sgd(&m, 0.1, 0.9, 0.01));
    const float moved[3] = {0.5f + 0.01f, 0.25f - 0.02f, 0.8f};
    const float start[3] = {1, -2, 0};
    for (size_t i = 0; i < 3; i++) assert_true(fabsf(x[i] - (start[i] - 0.1f * moved[i])) < 1e-6f);
}

void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);

/* Two trainings in one process: the second begins after the first and ends after it. */
typedef struct beside {
    dataset *d;
    sem_t begun, ended; /* the second, the first */
    pthread_t second;
    annulus_status status;
    int threads; /* that products take in the second when the first is done */
} beside;

static void await_the_first(void *context, const train_epoch *e)
{
    beside *b = context;
    if (e->epoch != 1) return;
    (void)sem_post(&b->begun);
    (void)sem_wait(&b->ended);
    b->threads = openblas_get_num_threads();
}

static void *train_second(void *context)
{
    beside *b = context;
    const train_options o = brief();
    network *n = NULL;
    b->status = train_network(b->d, &o, await_the_first, b, NULL, &n);
    network_destroy(n);
    return NULL;
}

static void begin_the_second(void *context, const train_epoch *e)
{
    beside *b = context;
    if (e->epoch != 1) return;
    assert_int_equal(pthread_create(&b->second, NULL, train_second, b), 0);
    (void)sem_wait(&b->begun);
}

static void threads_of_products(void **state)
{
    (void)state;
    beside b = {.d = rings(68, 200)};
    train_options o = brief();
    network *n = NULL;
    o.epochs = 2;
    assert_true(sem_init(&b.begun, 0, 0) == 0 && sem_init(&b.ended, 0, 0) == 0);
    const int own = openblas_get_num_threads();
    openblas_set_num_threads(2);
    const int before = openblas_get_num_threads();
    assert_ok(train_network(b.d, &o, begin_the_second, &b, NULL, &n));
    (void)sem_post(&b.ended);
    assert_int_equal(pthread_join(b.second, NULL), 0);
    assert_ok(b.status);
    assert_int_equal(b.threads, 1);
    assert_int_equal(openblas_get_num_threads(), before);
    openblas_set_num_threads(own);
    network_destroy(n);
    (void)sem_destroy(&b.begun), (void)sem_destroy(&b.ended);
    drop(b.d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(goes_on_where_it_stopped),
                                       cmocka_unit_test(refused_checkpoints),
                                       cmocka_unit_test(patience_keeps_the_best),
                                       cmocka_unit_test(patience_needs_targets_that_vary),
                                       cmocka_unit_test(class_weights),
                                       cmocka_unit_test(threads_of_products),
                                       cmocka_unit_test(weighted_gradients),
                                       cmocka_unit_test(rates_and_momentum)};
    (void)snprintf(path, sizeof path, "/tmp/annulus-checkpoint-%d", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
