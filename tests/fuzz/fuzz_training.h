/* SPDX-License-Identifier: Apache-2.0 */
/* A small training whose checkpoints fuzz_training reads and fuzz_seeds writes. */
#ifndef TESTS_FUZZ_TRAINING_H
#define TESTS_FUZZ_TRAINING_H

#include "train/train_priv.h"

#include <string.h>

#define TRAINING_EPOCHS 3u
#define TRAINING_HEAD (4u + 16u + 4u + SHA256_BYTES) /* bytes before the epochs: mark, version, digest */

typedef struct small_training {
    train_options o;
    train_data t;
    train_model m;
    train_best best;
    train_epoch history[TRAINING_EPOCHS];
    uint8_t digest[SHA256_BYTES];
} small_training;

static inline annulus_status small_training_create(int patience, small_training *s)
{
    float x[24];
    int32_t label[12];
    for (size_t i = 0; i < 24; i++) x[i] = (float)(i * 7 % 11);
    for (size_t i = 0; i < 12; i++) label[i] = (int32_t)(i % 2);
    const dataset d = {.count = 12, .features = 2, .x = x, .classes = 2, .label = label};
    train_options_init(&s->o);
    s->o.hidden[0] = 2, s->o.hidden_count = 1, s->o.epochs = TRAINING_EPOCHS, s->o.batch = 4, s->o.threads = 1;
    s->o.patience = (unsigned)patience;
    TRY(train_data_create(&d, &s->o, 1, &s->t));
    TRY(train_model_create(&s->t, &s->o, 1, 1, &s->m));
    if (patience) TRY(train_best_create(&s->m, &s->best));
    memset(s->digest, 7, sizeof s->digest); /* the same on every machine */
    s->t.label = NULL;                      /* of this function */
    return ANNULUS_OK;
}
#endif
