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

/* Two features decide the class: points of a ring and of its inside; feature 2 never changes. */
static inline dataset *rings(uint64_t seed, size_t count)
{
    dataset *d = calloc(1, sizeof *d);
    void *p;
    d->count = count, d->features = 3, d->classes = 2;
    assert_ok(mem_create(count * 3, sizeof(float), "x", &p));
    d->x = p;
    assert_ok(mem_create(count, sizeof(int32_t), "labels", &p));
    d->label = p;
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
    dataset *d = calloc(1, sizeof *d);
    void *p;
    d->count = count, d->features = 2, d->targets = 1;
    assert_ok(mem_create(count * 2, sizeof(float), "x", &p));
    d->x = p;
    assert_ok(mem_create(count, sizeof(float), "y", &p));
    d->y = p;
    for (size_t i = 0; i < count; i++) {
        d->x[2 * i] = (float)(10 * unit(&seed));
        d->x[2 * i + 1] = (float)unit(&seed);
        d->y[i] = 1000 + 3 * d->x[2 * i] * d->x[2 * i + 1];
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
