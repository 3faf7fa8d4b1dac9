/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"
#include "train_steps.h"
#include "wave_fixture.h"

#include "nn/lower.h"
#include "nn/shrink.h"
#include "train/prune.h"

#include <math.h>
#include <stdlib.h>

static const activation waves[] = {ACTIVATION_SINE, ACTIVATION_TRIANGLE, ACTIVATION_TRAPEZOID, ACTIVATION_SQUARE};

/* Two features decide among three classes, rings about a point; feature 2 never changes. */
static dataset *three_rings(uint64_t seed, size_t count)
{
    dataset *d = data_create(count, 3, 3);
    for (size_t i = 0; i < count; i++) {
        const double angle = 6.283185307 * unit(&seed);
        d->label[i] = (int32_t)(test_random(&seed) % 3);
        const double radius = 0.4 + d->label[i] + 0.3 * unit(&seed);
        d->x[3 * i] = (float)(5 + radius * cos(angle));
        d->x[3 * i + 1] = (float)(100 * radius * sin(angle));
        d->x[3 * i + 2] = 7;
    }
    return d;
}

static train_options small_waves(activation act)
{
    train_options o;
    train_options_init(&o);
    o.act = act;
    o.offsets = 3;
    o.hidden[0] = 12, o.hidden[1] = 8;
    o.weight_bits = 6, o.activation_bits = 8, o.input_bits = 8;
    o.phase_noise = 0;
    o.epochs = 12;
    o.batch = 64;
    o.learning_rate = 0.01;
    return o;
}

#define MIXED 4u
/* Waves behind other activations and in front of them. */
static train_options mixed(size_t which)
{
    static function own;
    static const activation acts[MIXED][2] = {{ACTIVATION_RELU, ACTIVATION_TRIANGLE},
                                              {ACTIVATION_SINE, ACTIVATION_GELU},
                                              {ACTIVATION_TRAPEZOID, ACTIVATION_TANH},
                                              {ACTIVATION_WAVE, ACTIVATION_SILU}};
    train_options o = small_waves(acts[which][0]);
    own = two_sines(0);
    o.layer_acts_count = 2;
    for (size_t i = 0; i < 2; i++)
        o.layer_acts[i] = (train_activation){.act = acts[which][i], .rise = 0.25, .own = &own, .bits = 8};
    return o;
}

/* The trainer's wave is the network's; the slope is its central difference, and that of square the trapezoid's. */
static void waves_and_slopes(void **state)
{
    (void)state;
    const function own = two_sines(0);
    for (size_t a = 0; a < 5; a++)
        for (int k = -4000; k < 4000; k++) {
            const dense_layer d = {.act = a == 4 ? ACTIVATION_WAVE : waves[a], .rise = 0.25, .own = own};
            const train_layer l = {.act = d.act, .rise = 0.25f, .own = &own},
                              edge = {.act = ACTIVATION_TRAPEZOID, .rise = 0.25f};
            const float u = (float)k / 1024 + 1.0f / 4096;
            assert_true(fabs((double)train_wave(&l, u) - dense_layer_act(&d, 0, (double)u)) < 1e-5);
            if (l.act == ACTIVATION_SQUARE) {
                assert_true(train_wave_slope(&l, u) == train_wave_slope(&edge, u));
                continue;
            }
            const double rise = dense_layer_act(&d, 0, (double)u + 1e-5), /* no kink within 1e-4 */
                fall = dense_layer_act(&d, 0, (double)u - 1e-5);
            assert_true(fabs((rise - fall) / 2e-5 - (double)train_wave_slope(&l, u)) < 1e-3);
        }
}

/* Central differences of the loss without quantizers and noise agree with the gradients; of mixed networks, too. */
static void gradients_are_differences(void **state)
{
    (void)state;
    for (size_t a = 0; a < 3 + MIXED; a++) {
        dataset *d = three_rings(3, 70);
        train_options o = a < 3 ? small_waves(waves[a]) : mixed(a - 3);
        train_data t;
        train_model m;
        o.validation = 0, o.batch = 70;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 0, &m));
        train_gradients(&m, &t);
        size_t steep = 0;
        for (size_t l = 0; l < m.layers; l++) {
            param *all[] = {&m.layer[l].w, &m.layer[l].beta, &m.layer[l].gamma};
            for (size_t k = 0; k < (m.layer[l].last ? 2u : 3u); k++)
                for (size_t i = 0; i < 8; i++) {
                    const size_t at = i * 7 % all[k]->n;
                    if (k == 0 && l == 0 && t.still[at % t.features]) continue;
                    const float g = all[k]->g[at];
                    const double slope = train_slope(&m, &all[k]->x[at], 2e-4f);
                    steep += fabs(slope) > 0.02;
                    /* kinks and float32 sums bound the agreement */
                    assert_true(fabs(slope - (double)g) <
                                (a == 0 ? 0.02 : 0.05) * fabs(slope) + (a == 0 ? 1e-3 : 1.5e-2));
                }
        }
        assert_true(steep > 20);
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

static void spread_is(double spread)
{
    dataset *d = three_rings(7, 500);
    train_options o = small_waves(ACTIVATION_TRIANGLE);
    train_data t;
    train_model m;
    double loss;
    o.validation = 0, o.batch = 500, o.spread = spread;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 0, &m));
    const train_source source = {.data = &t, .order = t.order};
    assert_ok(train_wave_start(&m, &source, 500));
    assert_ok(train_weights_quantize(&m));
    assert_ok(train_forward(&m, &source, 500, 1, &loss));
    for (size_t i = 0; i < 2; i++)
        for (size_t n = 0; n < m.layer[i].out; n++) {
            double sum = 0, square = 0;
            for (size_t k = 0; k < 500; k++) {
                const double u = (double)m.layer[i].u[k * m.layer[i].out + n];
                sum += u / 500;
                square += u * u / 500;
            }
            assert_true(fabs(sum) < 1e-4);
            assert_true(fabs(sqrt(square - sum * sum) - spread) < 1e-3 * spread / 0.15);
        }
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

static void begins_at_the_spread(void **state)
{
    (void)state;
    train_options o;
    train_options_init(&o);
    assert_true(o.spread == 0.15);
    spread_is(o.spread);
    spread_is(0.4);
}

/* Scores of the quantized model without noise are those of the folded network. A value on the border of two steps may
 * be rounded either way: 1 of 127. */
static void network_is_what_was_trained(void **state)
{
    (void)state;
    for (size_t a = 0; a < 4; a++) {
        dataset *d = three_rings(9, 640);
        train_options o = small_waves(waves[a]);
        train_data t;
        train_model m;
        network *n = NULL;
        double loss, y[3];
        o.validation = 0, o.phase_noise = 0.03, o.value_noise = 0.1, o.layer_weight_bits[2] = 3;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 1, &m));
        train_source source = {.data = &t, .order = t.order};
        assert_ok(train_wave_start(&m, &source, 64));
        for (uint64_t step = 0; step < 100; step++) {
            source.first = 64 * (step % 10);
            assert_ok(train_weights_quantize(&m));
            assert_ok(train_forward(&m, &source, 64, step, &loss));
            assert_ok(train_backward(&m, 64));
            assert_ok(train_wave_follow(&m, 64));
            assert_ok(train_adam(&m, 0.01, 0.01, step + 1));
        }
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_fold(&m, &t, &n));
        assert_ok(network_check(n));
        for (size_t i = 0; i < 2; i++) assert_true(n->layers[i].noise == (double)0.03f && n->layers[i].offsets == 3);
        m.quiet = 1;
        source.first = 0;
        assert_ok(train_forward(&m, &source, 64, 1, &loss));
        size_t same = 0;
        for (size_t k = 0; k < 64; k++) {
            assert_ok(network_apply(n, d->x + 3 * t.order[k], y));
            for (size_t c = 0; c < 3; c++) {
                const double off = fabs(y[c] - (double)m.layer[2].u[3 * k + c]);
                same += off < 1e-4;
                if (waves[a] != ACTIVATION_SQUARE) assert_true(off < 0.1 * n->layers[2].w_scale[0]);
            }
        }
        assert_true(same > 180);
        network_destroy(n);
        train_model_destroy(&m);
        train_data_destroy(&t);
        drop(d);
    }
}

static void learns_and_repeats(void **state)
{
    (void)state;
    dataset *d = three_rings(11, 2000);
    for (size_t a = 0; a < 4; a++) {
        network *n[2] = {NULL, NULL};
        double validation = 0;
        for (size_t i = 0; i < 2; i++) {
            train_options o = small_waves(waves[a]);
            o.threads = i == 1 ? 1 : 2;
            o.phase_noise = 0.03, o.value_noise = 0.1, o.layer_weight_bits[2] = 3;
            assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[i]));
            assert_true(validation > (waves[a] == ACTIVATION_SQUARE ? 0.85 : 0.95)); /* with noise */
        }
        for (size_t l = 0; l < 3; l++) {
            const dense_layer *x = &n[0]->layers[l], *y = &n[1]->layers[l];
            assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
            assert_memory_equal(x->w_scale, y->w_scale, x->out * sizeof *x->w_scale);
            assert_memory_equal(x->bias, y->bias, x->out * sizeof *x->bias);
            assert_true(x->noise == y->noise && x->noise > 0);
            for (size_t i = 0; i < x->in * x->out; i++) assert_true(abs(x->W[i]) <= (l == 2 ? 3 : 31));
            for (size_t o = 0; l == 0 && o < 12; o++) assert_int_equal(x->W[3 * o + 2], 0);
        }
        network_destroy(n[0]);
        network_destroy(n[1]);
    }
    drop(d);
}

static double normal(uint64_t *seed)
{
    return sqrt(-2 * log(unit(seed) + 0x1p-60)) * cos(6.283185307179586 * unit(seed));
}

/* Noise of the deviation that the network carries, drawn for the two scores that compete, costs what the rule says:
 * within 5 deviations of 4e6 draws (false alarm 6e-7, fixed seed). */
static void score_noise_costs_what_it_may(void **state)
{
    (void)state;
    dataset *d = three_rings(13, 2000);
    train_options o = small_waves(ACTIVATION_TRIANGLE);
    train_data t;
    network *n = NULL;
    double before = 0, after = 0;
    uint64_t seed = 17;
    o.validation = 0.5, o.epochs = 10;
    assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_score_noise(n, &t, 1, 23));
    const double deviation = n->layers[2].noise;
    double *y = calloc(t.held * 3, sizeof *y);
    assert_ok(train_outputs(n, &t, t.order + t.train, t.held, 1, 23, y));
    const unsigned draws = 4000;
    for (size_t k = 0; k < t.held; k++) {
        const size_t label = (size_t)d->label[t.order[t.train + k]];
        double best = -INFINITY;
        for (size_t c = 0; c < 3; c++)
            if (c != label) best = fmax(best, y[3 * k + c]);
        const double lead = y[3 * k + label] - best;
        before += lead > 0;
        if (fabs(lead) > 12 * deviation) {
            after += lead > 0;
            continue;
        }
        for (unsigned i = 0; i < draws; i++)
            after += (lead + deviation * (normal(&seed) - normal(&seed)) > 0) / (double)draws;
    }
    const double lost = (before - after) / (double)t.held;
    assert_true(fabs(lost - TRAIN_SCORE_LOSS) < 5 * sqrt(TRAIN_SCORE_LOSS / ((double)draws * (double)t.held)) + 1e-5);
    free(y);
    train_data_destroy(&t);
    network_destroy(n);
    drop(d);
}

/* The network computes what the model does, from batches with the statistics that are folded, and a model made from it
 * folds to the same one. */
static void mixed_is_model(void **state)
{
    (void)state;
    dataset *d = three_rings(5, 300);
    for (size_t a = 0; a < MIXED; a++) {
        train_options o = mixed(a), own;
        train_data t;
        train_model m;
        network *n = NULL, *back = NULL;
        double loss, y[3];
        size_t off = 0;
        o.validation = 0, o.batch = 300;
        assert_ok(train_data_create(d, &o, 7, &t));
        assert_ok(train_model_create(&t, &o, 7, 1, &m));
        const train_source source = {.data = &t, .order = t.order};
        assert_ok(train_wave_start(&m, &source, 300));
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_forward(&m, &source, 300, 1, &loss));
        assert_ok(train_fold(&m, &t, &n));
        for (size_t i = 0; i < 300; i++) {
            assert_ok(network_apply(n, d->x + 3 * t.order[i], y));
            for (size_t k = 0; k < 3; k++)
                off += fabs(y[k] - (double)m.layer[2].u[3 * i + k]) > 1e-4 * (1 + fabs(y[k]));
        }
        assert_true(off <= 18); /* a value at the border between two integers may fall on either side */
        train_model_destroy(&m);
        assert_ok(network_set_labels(n, NULL, 3));
        o.from = n;
        assert_ok(train_from_options(d, &o, &own));
        assert_ok(train_model_create(&t, &own, 7, 1, &m));
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_fold(&m, &t, &back));
        for (size_t l = 0; l < 3; l++) {
            const dense_layer *x = &n->layers[l], *z = &back->layers[l];
            assert_memory_equal(x->W, z->W, x->in * x->out * sizeof *x->W);
            assert_true(x->act == z->act && x->offsets == z->offsets);
            for (size_t i = 0; i < x->out; i++) {
                assert_true(fabs(x->w_scale[i] - z->w_scale[i]) < 1e-3 * x->w_scale[i]);
                assert_true(fabs(x->bias[i] - z->bias[i]) < 1e-3 * (1 + fabs(x->bias[i])));
            }
        }
        train_model_destroy(&m);
        train_data_destroy(&t);
        network_destroy(n), network_destroy(back);
    }
    drop(d);
}

static void mixed_learn(void **state)
{
    (void)state;
    dataset *d = three_rings(11, 2000);
    for (size_t a = 0; a < MIXED; a++) {
        train_options o = mixed(a);
        prune_options p;
        prune_report r;
        double validation = 0;
        network *n = NULL, *less = NULL;
        o.phase_noise = 0.01;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.93);
        const int last = activation_is_wave(n->layers[1].act);
        assert_true((n->layers[0].noise > 0) == !last && (n->layers[1].noise > 0) == last);
        assert_true((n->layers[2].noise > 0) == last); /* scores that read waves */
        prune_options_init(&p);
        p.train = o, p.train.epochs = 8, p.share = 0.25;
        assert_ok(prune_network(n, d, &p, NULL, NULL, NULL, &r, &less));
        assert_true(less->layers[0].out == 9 && less->layers[1].out == 6 && r.after > 0.9);
        network_destroy(n), network_destroy(less);
    }
    drop(d);
}

/* Bounds, masks and look-ups that err are those of the layers that have tables: waves and scores behind them are as
 * without, and bear their noise. */
static void mixed_within_bounds(void **state)
{
    (void)state;
    dataset *d = three_rings(11, 1000);
    for (size_t a = 0; a < 9; a++) {
        train_options o = mixed(a % 3);
        double validation = 0;
        network *n = NULL;
        o.phase_noise = 0.01, o.input_bits = 6;
        if (a < 3) o.accumulator_bits = 12;
        if (a >= 3 && a < 6) o.sparsity = 0.5;
        if (a >= 6) o.target_error = 0.2, o.rounding_bits = 6;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.8);
        size_t wide = 0, full = 0;
        for (size_t i = 0; i < 3; i++) {
            const dense_layer *l = &n->layers[i];
            const int native = activation_is_wave(l->act) || (i == 2 && activation_is_wave(n->layers[1].act));
            const layer_sums sums = network_sums(n, i);
            if (a < 3 && !native) assert_true(sums.bits <= 12);
            wide += native && sums.bits > 12;
            for (size_t k = 0; k < l->out; k++) {
                size_t used = 0;
                for (size_t c = 0; c < l->in; c++) used += l->W[k * l->in + c] != 0;
                if (a >= 3 && a < 6 && !native) assert_true(used <= (l->in + 1) / 2);
                full += native && 2 * used > l->in + 1;
            }
            if (activation_is_wave(l->act)) assert_true(l->noise == (double)0.01f);
        }
        assert_true(a % 3 > 0 || (wide > 0 && full > 0)); /* first layers have too few inputs to tell */
        network_destroy(n);
    }
    train_options o = mixed(0);
    network *n = NULL;
    o.layer_acts[0].act = ACTIVATION_SINE, o.sparsity = 0.5;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "with a hidden layer that has no waves");
    drop(d);
}

/* Where sums of wave values are read: cells are about those that the network is compiled with. */
static void cells_behind_waves(void **state)
{
    (void)state;
    dataset *d = three_rings(51, 1000);
    train_options o = mixed(1);
    train_data t;
    train_model m;
    network *n = NULL;
    circuit *c = NULL;
    lower_options lower;
    o.validation = 0, o.target_error = 0.1, o.rounding_bits = 4;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 1, &m));
    const train_source start = {.data = &t, .order = t.order};
    assert_ok(train_wave_start(&m, &start, 64));
    train_steps(&m, &t, 15, 0.003);
    assert_ok(train_fold(&m, &t, &n));
    lower_options_init(&lower);
    lower.rounding_bits = 4, lower.families_most = 1;
    assert_ok(network_lower(n, d->x, d->count, &lower, &c));
    train_noise_cells(&m, 1);
    const train_layer *l = &m.layer[1];
    for (size_t k = 0; k < 8; k++) {
        const double step = (double)(l->cell[k] / (l->inv[k] * l->scale[k])) * 127; /* a value's integer is 1/127 */
        assert_true(step > 0.7 * (double)c->layers[1].step && step < 1.4 * (double)c->layers[1].step);
    }
    circuit_destroy(c);
    network_destroy(n);
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

/* The masked network and the one without its masked neurons agree bit for bit. */
static void mixed_removal_is_exact(void **state)
{
    (void)state;
    uint64_t seed = 19;
    dataset *d = three_rings(17, 300);
    for (size_t a = 0; a < MIXED; a++) {
        train_options o = mixed(a);
        network *n = NULL;
        o.epochs = 1;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &n));
        for (size_t round = 0; round < 10; round++) {
            network *masked = NULL, *small = NULL;
            size_t count = 0, removed;
            assert_ok(network_copy(n, &masked));
            for (size_t i = 0; i < 2; i++)
                for (size_t k = 1; k < n->layers[i].out; k++) {
                    double value[3];
                    for (size_t j = 0; j < 3; j++) value[j] = unit(&seed) - 0.2;
                    if (test_random(&seed) % 2 == 0) continue;
                    assert_ok(network_mask(masked, i, k, value));
                    count++;
                }
            assert_ok(network_shrink(masked, &small, &removed));
            assert_true(removed >= count);
            for (size_t k = 0; k < 60; k++) {
                double y[3], z[3];
                assert_ok(network_apply(masked, d->x + 3 * k, y));
                assert_ok(network_apply(small, d->x + 3 * k, z));
                for (size_t c = 0; c < 3; c++) assert_true(y[c] == z[c]); /* 0 has two signs */
            }
            network_destroy(masked), network_destroy(small);
        }
        network_destroy(n);
    }
    drop(d);
}

static void refusals(void **state)
{
    (void)state;
    network *n = NULL;
    dataset *d = three_rings(31, 100);
    train_options o = small_waves(ACTIVATION_TRIANGLE);
    o.offsets = 17;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "offsets is 17");
    o = small_waves(ACTIVATION_RELU);
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "3 offsets: they are of waves");
    o = small_waves(ACTIVATION_TRAPEZOID), o.rise = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "rise is 0");
    o.rise = 0.6;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "rise is 0.6");
    o = small_waves(ACTIVATION_SINE), o.phase_noise = 0.3;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "phase_noise is 0.3");
    o = small_waves(ACTIVATION_SINE), o.value_noise = 2;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "value_noise is 2");
    o = small_waves(ACTIVATION_RELU), o.offsets = 1, o.value_noise = 0.1;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "value_noise is of waves");
    o = small_waves(ACTIVATION_SINE), o.spread = 0;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "spread is 0");
    o = small_waves(ACTIVATION_SINE), o.layer_weight_bits[1] = 17;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "weight_bits of a layer is 17");
    assert_null(n);
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mixed_is_model),
                                       cmocka_unit_test(mixed_learn),
                                       cmocka_unit_test(mixed_within_bounds),
                                       cmocka_unit_test(cells_behind_waves),
                                       cmocka_unit_test(mixed_removal_is_exact),
                                       cmocka_unit_test(waves_and_slopes),
                                       cmocka_unit_test(gradients_are_differences),
                                       cmocka_unit_test(begins_at_the_spread),
                                       cmocka_unit_test(network_is_what_was_trained),
                                       cmocka_unit_test(learns_and_repeats),
                                       cmocka_unit_test(score_noise_costs_what_it_may),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
