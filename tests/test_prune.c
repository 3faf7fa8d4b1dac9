/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"

#include "base/memory.h"
#include "circuit/latency.h"
#include "nn/shrink.h"
#include "train/prune_priv.h"
#include "train/train_budget.h"

static network *trained(const dataset *d, const train_options *o)
{
    network *n = NULL;
    assert_ok(train_network(d, o, NULL, NULL, NULL, &n));
    return n;
}

/* Two layers of waves, several values of a look-up. */
static train_options small_waves(activation act)
{
    train_options o = small();
    o.act = act, o.offsets = 3, o.weight_bits = 6, o.activation_bits = 8, o.phase_noise = 0.01;
    return o;
}

/* A model made from a network folds to the same integers, scales and biases up to single precision. */
static void from_is_the_network(void **state)
{
    (void)state;
    static const activation acts[] = {ACTIVATION_RELU,     ACTIVATION_SIGMOID,   ACTIVATION_TANH,
                                      ACTIVATION_IDENTITY, ACTIVATION_TRAPEZOID, ACTIVATION_SINE};
    for (size_t a = 0; a < 6; a++)
        for (int regression = 0; regression < 2; regression++) {
            dataset *d = regression ? plane(3, 400) : rings(3, 400);
            train_options o = a < 4 ? small() : small_waves(acts[a]), own;
            network *back = NULL;
            train_data t;
            train_model m;
            o.act = acts[a], o.epochs = 3;
            network *n = trained(d, &o);
            o.from = n;
            assert_ok(train_from_options(d, &o, &own));
            assert_ok(train_data_create(d, &own, 5, &t));
            assert_ok(train_model_create(&t, &own, 5, 1, &m));
            assert_ok(train_weights_quantize(&m));
            assert_ok(train_fold(&m, &t, &back));
            for (size_t l = 0; l < n->layers_count; l++) {
                const dense_layer *x = &n->layers[l], *y = &back->layers[l];
                assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
                assert_int_equal(x->act, y->act);
                assert_int_equal(x->offsets, y->offsets);
                assert_true(fabs(x->rise - y->rise) < 1e-6 && fabs(x->noise - y->noise) < 1e-6 + (l == 2) * x->noise);
                assert_int_equal(x->out_q.bits, y->out_q.bits);
                assert_true(fabs(x->out_q.scale - y->out_q.scale) <= 1e-5 * x->out_q.scale);
                for (size_t i = 0; i < x->out; i++) {
                    assert_true(fabs(x->w_scale[i] - y->w_scale[i]) < 1e-4 * x->w_scale[i]);
                    assert_true(fabs(x->bias[i] - y->bias[i]) < 1e-4 * (1 + fabs(x->bias[i])));
                }
            }
            train_model_destroy(&m);
            train_data_destroy(&t);
            network_destroy(back), network_destroy(n);
            drop(d);
        }
}

static void goes_on(void **state)
{
    (void)state;
    dataset *d = rings(11, 1500);
    train_options o = small();
    double first = 0, second = 0;
    network *n = NULL, *better = NULL;
    o.epochs = 2, o.learning_rate = 0.003;
    assert_ok(train_network(d, &o, last_validation, &first, NULL, &n));
    o.from = n, o.epochs = 12, o.hidden_count = 0, o.weight_bits = 99; /* not looked at */
    assert_ok(train_network(d, &o, last_validation, &second, NULL, &better));
    assert_true(second > 0.97 && second > first);
    assert_int_equal(better->layers_count, 3);
    assert_int_equal(better->layers[0].weight_bits, 4);
    assert_string_equal(better->labels[1], n->labels[1]);
    network_destroy(better), network_destroy(n);
    drop(d);
}

/* Of waves: with a rate that changes nothing the network stays, but for deviations that are of a few batches of 64, and
 * training on makes it better. */
static void waves_go_on(void **state)
{
    (void)state;
    dataset *d = rings(11, 1500);
    train_options o = small_waves(ACTIVATION_TRIANGLE);
    double first = 0, second = 0;
    network *n = NULL, *same = NULL, *better = NULL;
    o.epochs = 1, o.learning_rate = 0.002;
    assert_ok(train_network(d, &o, last_validation, &first, NULL, &n));
    o.from = n, o.learning_rate = 1e-8, o.act = ACTIVATION_RELU, o.offsets = 1; /* the last two not looked at */
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &same));
    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < n->layers[l].in * n->layers[l].out; i++) {
            const int32_t was = n->layers[l].W[i], is = same->layers[l].W[i];
            assert_true(abs(is - was) <= (l < 2 ? 1 + abs(was) / 8 : 0));
        }
    o.epochs = 10, o.learning_rate = 0.01;
    assert_ok(train_network(d, &o, last_validation, &second, NULL, &better));
    assert_true(second > 0.97 && second > first);
    assert_int_equal(better->layers[1].act, ACTIVATION_TRIANGLE);
    assert_int_equal(better->layers[1].offsets, 3);
    network_destroy(better), network_destroy(same), network_destroy(n);
    drop(d);
}

/* Neurons that nothing reads, and of no weights, are worth nothing and go first; the others keep what they do. */
static void worth_nothing(void **state)
{
    (void)state;
    dataset *d = rings(12, 1500);
    train_options o = small();
    network *n = trained(d, &o);
    for (size_t k = 0; k < 16; k += 2) { /* half of layer 1 */
        for (size_t i = 0; i < 8; i++) n->layers[1].W[i * 16 + k] = 0;
        for (size_t i = 0; i < 3; i++) n->layers[0].W[k * 3 + i] = 0;
    }
    for (int by = PRUNE_BY_NORM; by <= PRUNE_BY_TAYLOR; by++) {
        train_data t;
        train_options own;
        double worth[2][16], mean[2][16];
        prune_worth w[2] = {{worth[0], mean[0]}, {worth[1], mean[1]}};
        o.from = n;
        assert_ok(train_from_options(d, &o, &own));
        assert_ok(train_data_create(d, &own, 5, &t));
        assert_ok(prune_worth_find(n, &t, &own, (prune_by)by, 5, w));
        for (size_t k = 0; k < 16; k++) assert_true(k % 2 == 0 ? worth[0][k] == 0 : worth[0][k] > 0);
        train_data_destroy(&t);

        prune_options p;
        prune_report r;
        network *small = NULL;
        prune_options_init(&p);
        p.share = 0.5, p.by = (prune_by)by, p.train.epochs = 0, p.train.batch = 32;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &small));
        assert_int_equal(small->layers[0].out, 8);
        for (size_t k = 0; k < 8; k++)
            assert_memory_equal(small->layers[0].W + 3 * k, n->layers[0].W + 3 * (2 * k + 1), 3 * sizeof(int32_t));
        assert_true(r.idle >= 8 && r.look_ups_before == 24 && r.look_ups == 8 + small->layers[1].out);
        assert_true(r.after == r.removed);
        network_destroy(small);
    }
    network_destroy(n);
    drop(d);
}

/* The definitions, in double precision: values by the network, gradients of the cross-entropy by hand. One batch holds
 * all samples, so that its moments are those of the network. */
static void worth_by_definition(void **state)
{
    (void)state;
    dataset *d = rings(15, 900);
    train_options o = small(), own;
    train_data t;
    o.hidden_count = 1, o.validation = 0, o.epochs = 5;
    network *n = trained(d, &o);
    const dense_layer *l = &n->layers[0], *last = &n->layers[1];
    static double a[900][16], g[900][16];
    double worth[16], mean[16] = {0}, variance[16] = {0}, taylor[16] = {0};
    for (size_t i = 0; i < 900; i++) {
        double score[2];
        assert_ok(network_apply(n, d->x + 3 * i, score));
        const double p1 = 1 / (1 + exp(score[0] - score[1])), off = p1 - d->label[i];
        for (size_t k = 0; k < 16; k++) {
            double sum = 0;
            for (size_t f = 0; f < 3; f++)
                sum += l->W[3 * k + f] * n->input.scale *
                       quantizer_integer(&n->input, ((double)d->x[3 * i + f] - n->shift[f]) * n->gain[f]);
            a[i][k] = l->out_q.scale *
                      quantizer_integer(&l->out_q, activation_apply(l->act, 0, l->w_scale[k] * sum + l->bias[k]));
            g[i][k] = off * (last->w_scale[1] * last->W[16 + k] - last->w_scale[0] * last->W[k]);
            mean[k] += a[i][k] / 900;
        }
    }
    for (size_t i = 0; i < 900; i++)
        for (size_t k = 0; k < 16; k++) {
            const double e = a[i][k] - mean[k];
            variance[k] += e * e / 900;
            taylor[k] += e * e * g[i][k] * g[i][k] / 900;
        }
    o.from = n;
    assert_ok(train_from_options(d, &o, &own));
    assert_ok(train_data_create(d, &own, 5, &t));
    for (int by = PRUNE_BY_NORM; by <= PRUNE_BY_TAYLOR; by++) {
        double found_mean[16];
        prune_worth w = {worth, found_mean};
        assert_ok(prune_worth_find(n, &t, &own, (prune_by)by, 5, &w));
        for (size_t k = 0; k < 16; k++) {
            double square = 0, read = 0;
            for (size_t f = 0; f < 3; f++) square += l->W[3 * k + f] * l->W[3 * k + f];
            for (size_t c = 0; c < 2; c++) read += pow(last->w_scale[c] * last->W[16 * c + k], 2);
            const double expected = by == PRUNE_BY_NORM         ? l->w_scale[k] * sqrt(square)
                                    : by == PRUNE_BY_ACTIVATION ? variance[k] * read
                                                                : taylor[k];
            assert_true(fabs(worth[k] - expected) < 0.01 * expected + 1e-9); /* a value may round to the other side */
            assert_true(fabs(found_mean[k] - mean[k]) < 0.01 * (mean[k] + l->out_q.scale));
        }
    }
    train_data_destroy(&t);
    network_destroy(n);
    drop(d);
}

/* As above for waves, whose values of one neuron go together: what they add to a score varies as their sum does. */
static void worth_of_waves(void **state)
{
    (void)state;
    dataset *d = rings(15, 900);
    train_options o = small_waves(ACTIVATION_SINE), own;
    train_data t;
    o.hidden_count = 1, o.validation = 0, o.epochs = 5;
    network *n = trained(d, &o);
    const dense_layer *l = &n->layers[0], *last = &n->layers[1];
    static double y[900][48];
    double worth[16], mean[48], expected[16] = {0}, taylor[16] = {0}, average[48] = {0};
    for (size_t i = 0; i < 900; i++)
        for (size_t k = 0; k < 16; k++) {
            double u = l->bias[k];
            for (size_t f = 0; f < 3; f++)
                u += l->w_scale[k] * l->W[3 * k + f] * n->input.scale *
                     quantizer_integer(&n->input, ((double)d->x[3 * i + f] - n->shift[f]) * n->gain[f]);
            for (size_t j = 0; j < 3; j++) {
                const double v = activation_apply(l->act, 0, u + (double)j / 6);
                y[i][3 * k + j] = l->out_q.scale * quantizer_integer(&l->out_q, v);
                average[3 * k + j] += y[i][3 * k + j] / 900;
            }
        }
    for (size_t i = 0; i < 900; i++) {
        double score[2];
        assert_ok(network_apply(n, d->x + 3 * i, score));
        const double off = 1 / (1 + exp(score[0] - score[1])) - d->label[i];
        for (size_t k = 0; k < 16; k++) {
            double change = 0;
            for (size_t c = 0; c < 2; c++) {
                double moved = 0;
                for (size_t j = 0; j < 3; j++)
                    moved += last->w_scale[c] * last->W[48 * c + 3 * k + j] * (y[i][3 * k + j] - average[3 * k + j]);
                expected[k] += moved * moved / 900;
                change += (c == 1 ? off : -off) * moved;
            }
            taylor[k] += change * change / 900;
        }
    }
    o.from = n;
    assert_ok(train_from_options(d, &o, &own));
    assert_ok(train_data_create(d, &own, 5, &t));
    for (int by = PRUNE_BY_ACTIVATION; by <= PRUNE_BY_TAYLOR; by++) {
        prune_worth w = {worth, mean};
        assert_ok(prune_worth_find(n, &t, &own, (prune_by)by, 5, &w));
        for (size_t k = 0; k < 16; k++) {
            const double e = by == PRUNE_BY_ACTIVATION ? expected[k] : taylor[k];
            assert_true(fabs(worth[k] - e) < 0.01 * e + 1e-9); /* a value may round to the other side */
        }
        for (size_t k = 0; k < 48; k++) assert_true(fabs(mean[k] - average[k]) < 0.01);
    }
    train_data_destroy(&t);
    network_destroy(n);
    drop(d);
}

/* What training loses at random is there when neurons are ranked, and when waves are centered. */
static void nothing_is_dropped(void **state)
{
    (void)state;
    dataset *d = rings(15, 900);
    for (int waves = 0; waves < 2; waves++) {
        train_options o = waves ? small_waves(ACTIVATION_SINE) : small();
        double worth[2][2][16], mean[48];
        o.epochs = 3;
        network *n = trained(d, &o);
        o.from = n;
        for (int drops = 0; drops < 2; drops++) {
            train_options own;
            train_data t;
            prune_worth w[2] = {{worth[drops][0], mean}, {worth[drops][1], mean}};
            o.dropout = drops ? 0.5 : 0;
            assert_ok(train_from_options(d, &o, &own));
            assert_ok(train_data_create(d, &own, 5, &t));
            assert_ok(prune_worth_find(n, &t, &own, PRUNE_BY_TAYLOR, 5, w));
            train_data_destroy(&t);
        }
        assert_memory_equal(worth[0][0], worth[1][0], sizeof worth[0][0]);
        assert_memory_equal(worth[0][1], worth[1][1], 8 * sizeof(double));
        for (int drops = 0; drops < 2 && waves; drops++) {
            train_options own;
            train_data t;
            train_model m;
            o.dropout = drops ? 0.5 : 0;
            assert_ok(train_from_options(d, &o, &own));
            assert_ok(train_data_create(d, &own, 5, &t));
            assert_ok(train_model_create(&t, &own, 5, 1, &m));
            for (size_t k = 0; k < 8; k++) worth[drops][1][k] = (double)m.layer[1].center[k];
            assert_true(m.layer[1].drop == (drops ? 0.5f : 0.0f));
            train_model_destroy(&m);
            train_data_destroy(&t);
        }
        assert_memory_equal(worth[0][1], worth[1][1], 8 * sizeof(double));
        network_destroy(n);
    }
    drop(d);
}

/* Removed without fine-tuning, with it, and again. */
static void waves_pruned(void **state)
{
    (void)state;
    dataset *d = rings(16, 1500);
    train_options o = small_waves(ACTIVATION_TRAPEZOID);
    network *n = trained(d, &o), *bare = NULL, *tuned = NULL, *twice = NULL;
    prune_options p;
    prune_report r;
    prune_options_init(&p);
    p.train = o, p.train.epochs = 0, p.share = 0.25;
    assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &bare));
    assert_true(r.look_ups_before == 24 && r.look_ups == 18 && r.before > 0.97 && r.removed > 0.8);
    assert_true(bare->layers[0].out == 12 && bare->layers[1].in == 36 && bare->layers[2].in == 18);
    p.train.epochs = 6, p.share = 0.5;
    assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &tuned));
    assert_true(r.look_ups == 12 && r.after > 0.95 && share_right(tuned, d) > 0.95);
    p.share = -1, p.look_ups = 8, p.by = PRUNE_BY_TAYLOR;
    assert_ok(prune_network(tuned, d, &p, NULL, NULL, NULL, &r, &twice));
    assert_true(r.look_ups_before == 12 && r.look_ups == 8 && r.after > 0.9);
    network_destroy(n), network_destroy(bare), network_destroy(tuned), network_destroy(twice);
    drop(d);
}

/* Waves bear the noise that is given, with fine-tuning and without, and are predicted with it: more noise, more of them
 * stay. */
static void noise_of_waves(void **state)
{
    (void)state;
    dataset *d = rings(16, 600);
    train_options o = small_waves(ACTIVATION_TRAPEZOID);
    o.epochs = 4;
    network *n = trained(d, &o), *out = NULL;
    lower_options lower;
    prune_options p;
    prune_report r;
    double whole;
    size_t kept = 0;
    lower_options_init(&lower);
    lower.families_most = 1;
    assert_ok(train_predict(n, d, &lower, 1, &whole));
    for (int more = 0; more < 2; more++)
        for (unsigned epochs = 0; epochs < 2; epochs++) {
            prune_options_init(&p);
            p.train = o, p.train.epochs = epochs;
            p.lower = &lower, p.threads_seconds = 1, p.seconds = 0.6 * whole;
            if (more) p.phase_noise = p.train.phase_noise = 0.04;
            assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &out));
            assert_true(r.seconds <= p.seconds);
            for (size_t i = 0; i < 2; i++) assert_true(fabs(out->layers[i].noise - (more ? 0.04 : 0.01)) < 1e-8);
            if (epochs == 0) assert_true(r.look_ups > kept);
            if (epochs == 0) kept = r.look_ups;
            network_destroy(out);
            out = NULL;
        }
    n->layers[1].noise = 0.02; /* each keeps its own, also if fine-tuning is told another for layers that have none */
    prune_options_init(&p);
    p.train = o, p.train.epochs = 1, p.share = 0.25;
    assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &out));
    for (size_t i = 0; i < 2; i++) assert_true(fabs(out->layers[i].noise - (i == 0 ? 0.01 : 0.02)) < 1e-8);
    network_destroy(out);
    out = NULL;
    p.phase_noise = 0.3;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &out), "a phase noise of 0.3 periods");
    network_destroy(n);
    drop(d);
}

static void budgets(void **state)
{
    (void)state;
    dataset *d = rings(13, 2000);
    train_options o = small();
    network *n = trained(d, &o), *small_one = NULL, *twice = NULL;
    prune_options p;
    prune_report r;
    prune_options_init(&p);
    p.train = o, p.train.epochs = 15, p.look_ups = 14;
    assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &small_one));
    assert_true(r.look_ups <= 14 && r.look_ups >= 12 && r.look_ups_before == 24);
    assert_true(r.after > 0.95 && share_right(small_one, d) > 0.95);
    p.look_ups = 0, p.share = 0.25; /* again */
    const size_t width = small_one->layers[0].out;
    assert_ok(prune_network(small_one, d, &p, NULL, NULL, NULL, &r, &twice));
    assert_true(twice->layers[0].out <= width - (size_t)(0.25 * (double)width + 0.5));
    assert_true(share_right(twice, d) > 0.9);
    network_destroy(small_one), network_destroy(twice);

    lower_options lower;
    circuit *c = NULL;
    lower_options_init(&lower);
    lower.families_most = 1;
    assert_ok(network_lower(n, d->x, 1000, &lower, &c));
    p.share = -1, p.lower = &lower, p.threads_seconds = 1, p.train.epochs = 0;
    p.seconds = 0.6 * circuit_seconds(c, 1, NULL);
    assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &small_one));
    assert_true(r.seconds <= p.seconds && r.seconds > 0.5 * p.seconds);
    network_destroy(small_one);
    small_one = NULL;
    p.seconds = 1e-9;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, &r, &small_one), "one neuron a hidden layer takes");
    assert_null(small_one);
    circuit_destroy(c);
    network_destroy(n);
    drop(d);
}

/* Seconds that fine-tuning moves the network beyond hold at the end, by further removal. */
static void seconds_hold(void **state)
{
    (void)state;
    dataset *d = rings(13, 1000);
    train_options o = small();
    network *n = trained(d, &o);
    lower_options lower;
    double whole;
    lower_options_init(&lower);
    lower.families_most = 1;
    assert_ok(train_predict(n, d, &lower, 1, &whole));
    unsigned rounds = 0;
    for (int i = 0; i < 3; i++) {
        network *small_one = NULL;
        prune_options p;
        prune_report r;
        double seconds;
        prune_options_init(&p);
        p.train = o, p.train.epochs = 4, p.train.learning_rate = (double[]){0.02, 0.1, 0.5}[i];
        p.lower = &lower, p.threads_seconds = 1, p.seconds = (i < 2 ? 0.45 : 0.35) * whole;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &small_one));
        assert_ok(train_predict(small_one, d, &lower, 1, &seconds));
        assert_true(r.seconds == seconds && seconds <= p.seconds);
        assert_true(r.look_ups == small_one->layers[0].out + small_one->layers[1].out);
        assert_true(r.after > 0.9 && share_right(small_one, d) > 0.9);
        rounds += r.rounds;
        network_destroy(small_one);
    }
    assert_true(rounds > 0);
    network_destroy(n);
    drop(d);
}

/* An epoch of fine-tuning makes the circuit dearer: its look-ups are to err less from then on. */
typedef struct dearer {
    lower_options lower;
    unsigned epochs;
    double validation; /* of the last one */
} dearer;

static void make_dearer(void *context, const train_epoch *e)
{
    dearer *k = context;
    k->epochs++;
    k->validation = e->validation;
    if (e->epoch == e->epochs) k->lower.log2_error *= 2;
}

/* Three rounds that fine-tuning moves beyond the seconds again are followed by a last removal, which nothing moves. */
static void last_removal(void **state)
{
    (void)state;
    dataset *d = rings(13, 1000);
    train_options o = small();
    network *n = trained(d, &o), *small_one = NULL;
    dearer k = {.epochs = 0};
    prune_options p;
    prune_report r;
    double whole, seconds;
    lower_options_init(&k.lower);
    k.lower.families_most = 1, k.lower.log2_error = -6;
    assert_ok(train_predict(n, d, &k.lower, 1, &whole));
    prune_options_init(&p);
    p.train = o, p.train.epochs = 8;
    p.lower = &k.lower, p.threads_seconds = 1, p.seconds = 0.72 * whole;
    assert_ok(prune_network(n, d, &p, make_dearer, &k, NULL, &r, &small_one));
    assert_ok(train_predict(small_one, d, &k.lower, 1, &seconds));
    assert_true(r.rounds == 4 && k.epochs == 8 + 3 * 2);
    assert_true(r.seconds == seconds && seconds <= p.seconds);
    assert_true(r.look_ups == small_one->layers[0].out + small_one->layers[1].out);
    assert_true(r.after < k.validation - 0.05 && fabs(r.after - share_right(small_one, d)) < 0.1);
    network_destroy(n), network_destroy(small_one);
    drop(d);
}

/* Fine-tuning leaves a network for which so many seconds are asked for. */
typedef struct stricter {
    prune_options p;
    double seconds;
    unsigned epochs;
} stricter;

static void make_stricter(void *context, const train_epoch *e)
{
    stricter *k = context;
    k->epochs++;
    if (e->epoch == e->epochs) k->p.seconds = k->seconds;
}

/* Where rounds would have to leave less than one neuron a layer, the last removal comes at once. */
static void last_removal_at_once(void **state)
{
    (void)state;
    dataset *d = rings(13, 1000);
    train_options o = small();
    network *n = trained(d, &o), *small_one = NULL;
    lower_options lower;
    stricter k = {.seconds = 1e-6};
    prune_report r;
    lower_options_init(&lower);
    lower.families_most = 1, lower.log2_error = -6;
    prune_options_init(&k.p);
    k.p.train = o, k.p.train.epochs = 4;
    k.p.lower = &lower, k.p.threads_seconds = 1, k.p.seconds = 1;
    static const char told[] = "one neuron a hidden layer takes ";
    assert_refused(prune_network(n, d, &k.p, make_stricter, &k, NULL, &r, &small_one), told);
    const double least = strtod(strstr(annulus_error_message(), told) + sizeof told - 1, NULL); /* up to 0.5 % */
    k.epochs = 0, k.p.seconds = 1, k.seconds = 1.015 * least;
    assert_ok(prune_network(n, d, &k.p, make_stricter, &k, NULL, &r, &small_one));
    assert_true(r.rounds == 1 && k.epochs == 4 && r.seconds <= k.seconds && r.seconds > TRAIN_HEADROOM * k.seconds);
    network_destroy(n), network_destroy(small_one);
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    dataset *d = rings(14, 300), *other = plane(14, 300);
    train_options o = small();
    prune_options p;
    network *n = trained(d, &o), *small_one = NULL;
    prune_options_init(&p);
    p.train.epochs = 0;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "one of neurons, look-ups");
    p.share = 0.95;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "layer 2 of 8 neurons would vanish");
    p.share = 1;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "100 % of the neurons: [0, 100)");
    p.share = -1, p.look_ups = 1;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "a layer would vanish");
    p.look_ups = 4;
    assert_refused(prune_network(n, other, &p, NULL, NULL, NULL, NULL, &small_one), "2 features, the network takes 3");
    p.train.sparsity = 0.5;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "sparsity takes training");
    p.train.sparsity = 0, p.train.accumulator_bits = 4; /* nothing makes the sums narrower */
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "layer 1 has an accumulator of");
    p.train.accumulator_bits = 0;
    n->task = NETWORK_REGRESSION;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "the network for regression");
    n->task = NETWORK_CLASSIFICATION;
    assert_ok(network_set_labels(n, (const char *[]){"in", "out"}, 2));
    d->class_names = (char *[]){(char[]){"out"}, (char[]){"in"}};
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "class 1 is out in the data and in in");
    d->class_names = NULL;
    n->layers[0].W[0] = -8;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "weight -8 of 4 bits");
    dense_layer *l = &n->layers[0];
    void *slopes;
    assert_ok(mem_create(l->out, sizeof(double), "slopes", &slopes));
    l->W[0] = 0, l->vary = slopes, l->act = ACTIVATION_FUNCTION;
    l->own = (function){.count = 1, .steps = {{FUNCTION_PRELU, {{.value = 0}, {.varies = 1}}}}, .vary = 1};
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "differ from neuron to neuron");
    o.from = n;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &small_one), "layer 1: constants of its function differ");
    network_destroy(n);
    o = small_waves(ACTIVATION_SINE), o.epochs = 1;
    n = trained(d, &o);
    n->layers[0].out_q.scale *= 1.1;
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "largest integer of the quantizer");
    network_destroy(n);
    o.hidden_count = 0, o.epochs = 1;
    n = trained(d, &o);
    assert_refused(prune_network(n, d, &p, NULL, NULL, NULL, NULL, &small_one), "no hidden layer");
    assert_null(small_one);
    network_destroy(n);
    drop(d), drop(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_is_the_network),  cmocka_unit_test(goes_on),
                                       cmocka_unit_test(waves_go_on),          cmocka_unit_test(worth_nothing),
                                       cmocka_unit_test(worth_by_definition),  cmocka_unit_test(worth_of_waves),
                                       cmocka_unit_test(nothing_is_dropped),   cmocka_unit_test(waves_pruned),
                                       cmocka_unit_test(noise_of_waves),       cmocka_unit_test(budgets),
                                       cmocka_unit_test(seconds_hold),         cmocka_unit_test(last_removal),
                                       cmocka_unit_test(last_removal_at_once), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
