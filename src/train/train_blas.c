/* SPDX-License-Identifier: Apache-2.0 */
/* How many threads a product takes is one number for the whole process, and its owner's. */
#include "train/train_priv.h"

#include <cblas.h>
#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    size_t users;
    int threads; /* before the first of them */
} blas = {.lock = PTHREAD_MUTEX_INITIALIZER};

void train_blas_begin(void)
{
    (void)pthread_mutex_lock(&blas.lock);
    if (blas.users++ == 0) {
        blas.threads = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
    (void)pthread_mutex_unlock(&blas.lock);
}

void train_blas_end(void)
{
    (void)pthread_mutex_lock(&blas.lock);
    if (--blas.users == 0) openblas_set_num_threads(blas.threads);
    (void)pthread_mutex_unlock(&blas.lock);
}
