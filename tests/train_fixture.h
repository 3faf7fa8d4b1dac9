/* SPDX-License-Identifier: Apache-2.0 */
/* Small data to train on, and options that learn them. */
#ifndef TESTS_TRAIN_FIXTURE_H
#define TESTS_TRAIN_FIXTURE_H

#include "testing.h"

#include "base/memory.h"
#include "train/train.h"

#include <math.h>
#include <stdlib.h>

static inline double unit(uint64_t *seed)
{
    return (double)(test_random(seed) >> 11) * 0x1p-53;
}

/* Room for samples of so many classes, 0: of one target; free with drop. */
static inline dataset *data_create(size_t count, size_t features, size_t classes)
{
    dataset *d = calloc(1, sizeof *d);
    void *p;
    d->count = count, d->features = features, d->classes = classes, d->targets = classes == 0;
    assert_ok(mem_create(count * features, sizeof(float), "x", &p));
    d->x = p;
    assert_ok(mem_create(count, sizeof(float), "labels", &p));
    if (classes > 0)
        d->label = p;
    else
        d->y = p;
    return d;
}

/* Share of samples of two classes that the network answers right. */
static inline double share_right(const network *n, const dataset *d)
{
    size_t right = 0;
    for (size_t i = 0; i < d->count; i++) {
        double y[2];
        assert_ok(network_apply(n, d->x + d->features * i, y));
        right += (y[1] > y[0]) == d->label[i];
    }
    return (double)right / (double)d->count;
}

/* Layers take the same values, by the same weights in the same places. */
static inline void same_linear_parts(const network *a, const network *b)
{
    for (size_t i = 0; i < a->layers_count; i++) {
        const dense_layer *x = &a->layers[i], *y = &b->layers[i];
        uint32_t own[NETWORK_MAX_LAYERS], other[NETWORK_MAX_LAYERS];
        const size_t sources = network_sources(a, i, own);
        assert_int_equal(sources, network_sources(b, i, other));
        assert_memory_equal(own, other, sources * sizeof *own);
        assert_true((x->W == NULL) == (y->W == NULL) && x->in == y->in && x->out == y->out);
        if (x->W != NULL) assert_memory_equal(x->W, y->W, x->in * x->out * sizeof *x->W);
        assert_int_equal(x->linear.blocks_count, y->linear.blocks_count);
        for (size_t k = 0; k < x->linear.blocks_count; k++) {
            const linear_block *p = &x->linear.blocks[k], *q = &y->linear.blocks[k];
            assert_true(p->rows == q->rows && p->taps == q->taps && p->places == q->places);
            assert_memory_equal(p->W, q->W, p->rows * p->taps * sizeof *p->W);
            assert_memory_equal(p->from, q->from, p->places * p->taps * sizeof *p->from);
        }
    }
}

static inline void last_validation(void *context, const train_epoch *e)
{
    *(double *)context = e->validation;
}

/* Two features decide the class: points of a ring and of its inside; feature 2 never changes. */
static inline dataset *rings(uint64_t seed, size_t count)
{
    dataset *d = data_create(count, 3, 2);
    for (size_t i = 0; i < count; i++) {
        const double angle = 6.283185307 * unit(&seed);
        d->label[i] = (int32_t)(test_random(&seed) & 1);
        const double radius = (d->label[i] ? 2.0 : 0.7) + 0.2 * unit(&seed);
        d->x[3 * i] = (float)(5 + radius * cos(angle));
        d->x[3 * i + 1] = (float)(100 * radius * sin(angle));
        d->x[3 * i + 2] = 7;
    }
    return d;
}

static inline dataset *plane(uint64_t seed, size_t count)
{
    dataset *d = data_create(count, 2, 0);
    for (size_t i = 0; i < count; i++) {
        d->x[2 * i] = (float)(10 * unit(&seed));
        d->x[2 * i + 1] = (float)unit(&seed);
        d->y[i] = 1000 + 3 * d->x[2 * i] * d->x[2 * i + 1];
    }
    return d;
}

/* Pictures with a short line, level or upright, somewhere in noise, in the last channel: the class does not depend on
 * where. */
#define LINES_SIDE 9u
static inline dataset *lines(uint64_t seed, size_t count, size_t channels)
{
    dataset *d = data_create(count, channels * LINES_SIDE * LINES_SIDE, 2);
    d->channels = channels, d->height = d->width = LINES_SIDE;
    for (size_t i = 0; i < count; i++) {
        float *x = d->x + i * d->features;
        for (size_t k = 0; k < d->features; k++) x[k] = (float)(test_random(&seed) % 100);
        x += (channels - 1) * LINES_SIDE * LINES_SIDE;
        d->label[i] = (int32_t)(test_random(&seed) & 1);
        const size_t along = test_random(&seed) % (LINES_SIDE - 3), across = test_random(&seed) % LINES_SIDE;
        for (size_t k = along; k < along + 4; k++)
            x[d->label[i] ? k * LINES_SIDE + across : across * LINES_SIDE + k] = 255;
    }
    return d;
}

static inline void drop(dataset *d)
{
    mem_free(d->x);
    mem_free(d->label);
    mem_free(d->y);
    free(d);
}

static inline train_options small(void)
{
    train_options o;
    train_options_init(&o);
    o.hidden[0] = 16, o.hidden[1] = 8;
    o.epochs = 20;
    o.batch = 64;
    o.learning_rate = 0.01;
    return o;
}
#endif
