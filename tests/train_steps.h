/* SPDX-License-Identifier: Apache-2.0 */
/* Training without its loop of epochs. */
#ifndef TESTS_TRAIN_STEPS_H
#define TESTS_TRAIN_STEPS_H

#include "testing.h"

#include "train/train_priv.h"
#include <math.h>

/* Gradients of the loss over the first batch of t, at the start of training; the model keeps its samples. */
static inline void train_gradients(train_model *m, const train_data *t)
{
    const train_source source = {.data = t, .order = t->order};
    double loss;
    assert_ok(train_wave_start(m, &source, m->batch));
    assert_ok(train_weights_quantize(m));
    assert_ok(train_forward(m, &source, m->batch, 1, &loss));
    assert_ok(train_backward(m, m->batch));
}

/* wide of all layers of waves is that of the samples that stand in the model. */
static inline void train_settle(train_model *m)
{
    for (size_t i = 0; i < m->layers; i++) {
        train_layer *l = &m->layer[i];
        const size_t rows = m->batch * l->places;
        double loss;
        if (!train_has_waves(l)) continue;
        assert_ok(train_weights_quantize(m));
        assert_ok(train_forward(m, NULL, m->batch, 1, &loss));
        for (size_t o = 0; o < l->out; o++) {
            double sum = 0, square = 0, weights = 0;
            for (size_t k = 0; k < rows; k++) sum += (double)l->z[k * l->out + o];
            for (size_t k = 0; k < rows; k++) square += pow((double)l->z[k * l->out + o] - sum / (double)rows, 2);
            for (size_t k = 0; k < l->in; k++) weights += pow((double)l->wq[o * l->in + k], 2);
            l->wide[o] = (float)sqrt(square / (double)rows / weights + (double)TRAIN_EPSILON);
        }
    }
}

/* The slope of the loss in *x, a parameter of m, between the points `step` on either side, of the samples that stand in
 * the model, deviations being those of these. */
static inline double train_slope(train_model *m, float *x, float step)
{
    const float keep = *x;
    double loss[2];
    for (int k = 0; k < 2; k++) {
        *x = k == 0 ? keep - step : keep + step;
        train_settle(m);
        assert_ok(train_weights_quantize(m));
        assert_ok(train_forward(m, NULL, m->batch, 1, &loss[k]));
    }
    *x = keep;
    return (loss[1] - loss[0]) / (2 * (double)step);
}

/* 300 steps on batches of 64 samples, of the first `batches` of them in turn. */
static inline void train_steps(train_model *m, const train_data *t, size_t batches, double rate)
{
    for (size_t step = 0; step < 300; step++) {
        const train_source source = {.data = t, .order = t->order, .first = step % batches * 64};
        double loss;
        assert_ok(train_weights_quantize(m));
        assert_ok(train_forward(m, &source, 64, 16 + step, &loss));
        assert_ok(train_backward(m, 64));
        train_noise_follow(m, 64);
        assert_ok(train_wave_follow(m, 64));
        assert_ok(train_adam(m, rate, 0.01, step + 1));
    }
}
#endif
