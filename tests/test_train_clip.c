/* SPDX-License-Identifier: Apache-2.0 */
#include "train_fixture.h"

#include "train/prune.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>

static void percentiles(void **state)
{
    (void)state;
    float x[1000];
    for (size_t i = 0; i < 1000; i++) x[i] = (i % 3 == 0 ? -1.0f : 1.0f) * (float)(i * 7919 % 1000); /* 0..999 */
    assert_true(train_percentile(x, 1000, 1) == 999 && train_percentile(x, 1000, 0.9f) == 900);
    assert_true(train_percentile(x, 1000, 0.5f) == 500);
    assert_true(train_percentile((float[]){0, 0, 0, -3}, 4, 0.5f) == 3); /* 0 does not count */
    assert_true(train_percentile((float[]){2, 2, 2, 5}, 4, 0.75f) == 2);
    assert_true(train_percentile((float[]){0, 0}, 2, 0.9f) == 0);
    assert_true(train_power_of_two(1) == 1 && train_power_of_two(0.3f) == 0.25f && train_power_of_two(3) == 4);
}

static int is_power(double x)
{
    int exponent;
    return frexp(x, &exponent) == 0.5;
}

static void all_powers(const network *n, int wave)
{
    assert_true(is_power(n->input.scale));
    for (size_t i = 0; i < 3; i++) {
        const dense_layer *l = &n->layers[i];
        for (size_t k = 0; k < l->out; k++) assert_true(is_power(l->w_scale[k]));
        if (i < 2) assert_true(is_power(l->out_q.scale));
        if (i < 2 && wave) assert_true(l->out_q.scale == 0x1p-7);
    }
}

static void powers_of_two(void **state)
{
    (void)state;
    dataset *d = rings(11, 1500);
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 4; a++) {
        train_options o = small();
        network *n = NULL;
        double validation = 0;
        const int wave = a == 2, bound = a == 3;
        o.act = acts[a % 3], o.power_of_two = 1;
        if (wave) o.phase_noise = 0.02, o.weight_bits = o.activation_bits = 8;
        if (bound) o.accumulator_bits = 9;
        o.input_bits = 5;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.95);
        all_powers(n, wave);
        network_destroy(n);
    }
    drop(d);
}

/* A network of any scales takes powers of two, which stay when training goes on from it, and when it is pruned. */
static void powers_from_others(void **state)
{
    (void)state;
    dataset *d = rings(11, 1500);
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_GELU, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 3; a++) {
        train_options o = small();
        network *any = NULL, *powers = NULL, *more = NULL, *less = NULL;
        prune_options p;
        double validation = 0;
        const int wave = a == 2;
        o.act = acts[a], o.input_bits = 5;
        if (wave) o.phase_noise = 0.02, o.weight_bits = o.activation_bits = 8;
        assert_ok(train_network(d, &o, NULL, NULL, NULL, &any));
        assert_false(is_power(any->input.scale));
        o.from = any, o.power_of_two = 1, o.epochs = 4;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &powers));
        assert_true(validation > 0.95);
        all_powers(powers, wave);
        o.from = powers, o.power_of_two = 0, o.learning_rate = 1e-8;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.95 && is_power(more->input.scale));
        for (size_t i = 0; wave && i < 2; i++) assert_true(more->layers[i].out_q.scale == 0x1p-7);
        prune_options_init(&p);
        p.train = o, p.train.learning_rate = 0.003, p.train.power_of_two = 1, p.share = 0.25;
        assert_ok(prune_network(any, d, &p, NULL, NULL, NULL, NULL, &less));
        all_powers(less, wave);
        network_destroy(less), less = NULL;
        p.train.epochs = 0;
        assert_refused(prune_network(any, d, &p, NULL, NULL, NULL, NULL, &less), "power_of_two takes training");
        network_destroy(any), network_destroy(powers), network_destroy(more);
    }
    drop(d);
}

/* Values beyond the percentile clip: one part in twenty at 95, none at 100, up to what a batch cannot tell. */
static void clips_where_asked(void **state)
{
    (void)state;
    dataset *d = rings(13, 2000);
    static const double asked[] = {95, 80, 100};
    for (size_t k = 0; k < 3; k++) {
        train_options o = small();
        network *n = NULL;
        double validation = 0;
        size_t clipped = 0, used = 0;
        o.clip_percentile = asked[k], o.phase_noise = 0, o.hidden_count = 1;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n));
        assert_true(validation > 0.9);
        const dense_layer *l = &n->layers[0];
        for (size_t i = 0; i < d->count; i++)
            for (size_t c = 0; c < l->out; c++) {
                double u = l->bias[c];
                for (size_t f = 0; f < 3; f++) {
                    const double x = ((double)d->x[3 * i + f] - n->shift[f]) * n->gain[f];
                    u += l->w_scale[c] * l->W[c * 3 + f] * quantizer_integer(&n->input, x) * n->input.scale;
                }
                used += u > 0;
                clipped += u > 15 * l->out_q.scale;
            }
        const double part = (double)clipped / (double)used;
        assert_true(k == 2 ? part < 0.01 : fabs(part - (1 - asked[k] / 100)) < 0.03);
        network_destroy(n);
    }
    train_options o = small();
    network *n = NULL;
    o.clip_percentile = 40;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "clip_percentile is 40");
    drop(d);
}

/* What is beyond the percentile clips: of columns about their means, of all pixels, of which one in twenty is at the
 * top. */
static void clips_inputs(void **state)
{
    (void)state;
    dataset *d = rings(13, 2000), *images = lines(5, 200, 1);
    train_options o = small();
    train_data t;
    o.clip_inputs = 90;
    assert_ok(train_data_create(d, &o, 5, &t));
    for (size_t f = 0; f < 2; f++) {
        size_t clipped = 0;
        for (size_t i = 0; i < d->count; i++)
            clipped += fabs(((double)d->x[3 * i + f] - t.shift[f]) * t.gain[f]) > 3 * (1 + 1e-6);
        assert_true(clipped > 190 && clipped <= 200);
    }
    assert_true(t.gain[2] == 1); /* it never changes */
    train_data_destroy(&t);
    assert_ok(train_data_create(images, &o, 5, &t));
    const float top = train_percentile(images->x, images->count * images->features, 0.9f);
    assert_true(top < 99 && t.gain[0] == (double)(1.0f / top));
    train_data_destroy(&t);
    o.clip_inputs = 100;
    assert_ok(train_data_create(images, &o, 5, &t));
    assert_true(t.gain[0] == (double)(1.0f / 255));
    train_data_destroy(&t);
    o.clip_inputs = 90, o.input_bits = 1;
    assert_refused(train_data_create(d, &o, 5, &t), "of columns of 1 bit, which have two values, nothing is cut off");
    o.clip_inputs = 40;
    network *n = NULL;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "clip_inputs is 40");
    drop(d), drop(images);
}

/* The gradients of the scales of weights and of what clips are those of their formula. */
static void learned_gradients(void **state)
{
    (void)state;
    dataset *d = rings(3, 128);
    for (unsigned bits = 1; bits <= 3; bits++) {
        train_options o = small();
        train_data t;
        train_model m;
        double loss;
        size_t clips = 0;
        o.clip_learned = 1, o.weight_bits = bits, o.batch = 128, o.validation = 0;
        assert_ok(train_data_create(d, &o, 5, &t));
        assert_ok(train_model_create(&t, &o, 5, 1, &m));
        const train_source source = {.data = &t, .order = t.order};
        assert_ok(train_clip_learn(&m));
        const train_layer *l = &m.layer[1];
        for (size_t k = 0; k < l->out; k++) assert_true(fabsf(expf(l->log_scale.x[k]) / l->scale[k] - 1) < 1e-5f);
        for (size_t k = 0; k < l->out; k++) l->log_scale.x[k] -= 0.5f;
        assert_ok(train_weights_quantize(&m));
        assert_ok(train_forward(&m, &source, 128, 3, &loss));
        m.layer[1].learnt = 0;
        assert_ok(train_backward(&m, 128));
        float *raw = calloc(l->w.n, sizeof *raw);
        memcpy(raw, l->w.g, l->w.n * sizeof *raw);
        m.layer[1].learnt = 1;
        assert_ok(train_forward(&m, &source, 128, 3, &loss));
        assert_ok(train_backward(&m, 128));
        for (size_t k = 0; k < l->out; k++) {
            double sum = 0;
            for (size_t i = k * l->in; i < (k + 1) * l->in; i++) {
                const double most = (bits == 2 ? 1.5 : 3.5) * (double)l->scale[k];
                const int beyond = bits > 1 && fabs((double)l->w.x[i]) >= most;
                sum += (double)raw[i] * ((double)l->wq[i] - (beyond || bits == 1 ? 0 : (double)l->w.x[i]));
                assert_true(l->w.g[i] == (beyond ? 0 : raw[i]));
                clips += (size_t)beyond;
            }
            assert_true(fabs(sum - (double)l->log_scale.g[k]) < 1e-6);
        }
        assert_true(bits == 1 || clips > 0);
        free(raw);
        train_model_destroy(&m);
        train_data_destroy(&t);
    }
    drop(d);
}

/* Of waves, which count from a center: by the gradients at the quantized weights. */
static void learned_gradients_of_waves(void **state)
{
    (void)state;
    dataset *d = rings(3, 128);
    train_options o = small();
    train_data t;
    train_model m;
    double loss, sum = 0, got = 0; /* of all rows: they have one scale */
    o.clip_learned = 1, o.weight_bits = 3, o.activation_bits = 8, o.batch = 128, o.validation = 0;
    o.act = ACTIVATION_SINE, o.phase_noise = 0;
    assert_ok(train_data_create(d, &o, 5, &t));
    assert_ok(train_model_create(&t, &o, 5, 1, &m));
    const train_source source = {.data = &t, .order = t.order};
    assert_ok(train_wave_start(&m, &source, 128));
    assert_ok(train_clip_learn(&m));
    train_layer *l = &m.layer[1];
    for (size_t i = 0; i < l->in; i++) l->center[i] = i % 2 == 0 ? 0.5f : -0.25f;
    for (size_t k = 0; k < l->out; k++) l->log_scale.x[k] -= 0.3f;
    assert_ok(train_weights_quantize(&m));
    assert_ok(train_forward(&m, &source, 128, 3, &loss));
    assert_ok(train_backward(&m, 128));
    const float *x = train_arriving(&m, 1);
    for (size_t k = 0; k < l->out; k++) {
        for (size_t i = 0; i < l->in; i++) {
            const double real = (double)l->gamma.x[k] * (double)l->inv_norm[k] * (double)l->w.x[k * l->in + i];
            double g = 0;
            for (size_t r = 0; r < 128; r++)
                g += (double)l->dz[r * l->out + k] * ((double)x[r * l->in + i] - (double)l->center[i]);
            sum += g * ((double)l->wq[k * l->in + i] - (fabs(real) >= 3.5 * (double)l->scale[k] ? 0 : real));
        }
        got += (double)l->log_scale.g[k];
    }
    assert_true(fabs(sum) > 1e-3 && fabs(sum - got) < 1e-4 * fabs(sum));
    train_model_destroy(&m);
    train_data_destroy(&t);
    drop(d);
}

/* Scales that are learnt leave those of the rule, whatever the threads; of waves one a layer. */
static void learned_scales(void **state)
{
    (void)state;
    dataset *d = rings(11, 1500);
    static const activation acts[] = {ACTIVATION_RELU, ACTIVATION_TANH, ACTIVATION_TRIANGLE};
    for (size_t a = 0; a < 3; a++) {
        train_options o = small();
        network *n[3] = {NULL, NULL, NULL}, *more = NULL;
        double validation = 0;
        o.act = acts[a], o.weight_bits = (unsigned)a + 1, o.clip_learned = 1;
        o.layer_weight_bits[2] = 3;
        if (a == 2) o.phase_noise = 0.02, o.activation_bits = 8;
        for (unsigned k = 0; k < 3; k++) {
            o.threads = k + 1, o.clip_learned = k < 2;
            assert_ok(train_network(d, &o, last_validation, &validation, NULL, &n[k]));
            assert_true(validation > 0.9);
        }
        same_linear_parts(n[0], n[1]);
        int same = 1;
        for (size_t i = 0; i < 3; i++) {
            const dense_layer *x = &n[0]->layers[i], *y = &n[1]->layers[i], *rule = &n[2]->layers[i];
            assert_memory_equal(x->w_scale, y->w_scale, x->out * sizeof *x->w_scale);
            same &= memcmp(x->w_scale, rule->w_scale, x->out * sizeof *x->w_scale) == 0;
            for (size_t k = 1; a == 2 && k < x->out; k++) assert_true(x->w_scale[k] == x->w_scale[0]);
        }
        assert_false(same);
        o.from = n[0], o.epochs = 2, o.learning_rate = 0.001, o.clip_learned = 1;
        assert_ok(train_network(d, &o, last_validation, &validation, NULL, &more));
        assert_true(validation > 0.9);
        for (size_t k = 0; k < 3; k++) network_destroy(n[k]);
        network_destroy(more);
    }
    train_options o = small();
    network *n = NULL;
    o.clip_learned = 1, o.accumulator_bits = 12;
    assert_refused(train_network(d, &o, NULL, NULL, NULL, &n), "clip_learned leaves no scale");
    drop(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(percentiles),
                                       cmocka_unit_test(powers_of_two),
                                       cmocka_unit_test(powers_from_others),
                                       cmocka_unit_test(clips_where_asked),
                                       cmocka_unit_test(clips_inputs),
                                       cmocka_unit_test(learned_gradients),
                                       cmocka_unit_test(learned_gradients_of_waves),
                                       cmocka_unit_test(learned_scales)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
