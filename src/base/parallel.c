/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parallel.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

typedef struct first_failure {
    atomic_flag lock;
    atomic_int failed;
    size_t index;
    annulus_status status;
    char message[512];
} first_failure;

static void failure_record(first_failure *f, size_t index, annulus_status status)
{
    while (atomic_flag_test_and_set(&f->lock)) {
    }
    if (index < f->index) {
        f->index = index;
        f->status = status;
        strncpy(f->message, annulus_error_message(), sizeof f->message - 1);
    }
    atomic_flag_clear(&f->lock);
    atomic_store(&f->failed, 1);
}

unsigned parallel_threads(unsigned threads)
{
#ifdef _OPENMP
    const int most = omp_get_max_threads();
    if (threads == 0) return most < 1 ? 1 : (unsigned)most;
    return threads;
#else
    (void)threads;
    return 1;
#endif
}

annulus_status parallel_for(size_t count, unsigned threads, parallel_fn fn, void *context)
{
    first_failure failure = {.lock = ATOMIC_FLAG_INIT, .index = SIZE_MAX, .status = ANNULUS_OK};
    unsigned workers = parallel_threads(threads);
    if (workers > count) workers = count == 0 ? 1 : (unsigned)count;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads(workers) if (workers > 1)
#endif
    for (size_t i = 0; i < count; i++) {
        if (atomic_load(&failure.failed)) continue;
#ifdef _OPENMP
        const unsigned worker = (unsigned)omp_get_thread_num();
#else
        const unsigned worker = 0;
#endif
        const annulus_status st = fn(context, i, worker);
        if (st != ANNULUS_OK) failure_record(&failure, i, st);
    }
    if (failure.status == ANNULUS_OK) return ANNULUS_OK;
    return fail(failure.status, "%s", failure.message);
}
