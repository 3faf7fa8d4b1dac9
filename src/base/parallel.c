/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parallel.h"

#include "base/cpu.h"

#include <pthread.h>
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
    char message[STATUS_MESSAGE_BYTES];
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

/* Looks at the barrier before a waiting member sleeps, some 10 ns each. Where cores are taken by others, waiting uses
 * up the time that the member will need, and one who slept gets its core back sooner: every sleep halves the patience,
 * every round restores a little. */
#define PATIENCE_MOST 4096u
#define PATIENCE_LEAST 16u

struct parallel_barrier {
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint round;
    atomic_uint patience, sleepers;
    pthread_mutex_t lock;
    pthread_cond_t next; /* round */
};

const parallel_member parallel_alone = {.member = 0, .members = 1, .barrier = NULL};

static void sleep_until_next(parallel_barrier *b, unsigned round)
{
    const unsigned half = atomic_load_explicit(&b->patience, memory_order_relaxed) / 2;
    if (half >= PATIENCE_LEAST) atomic_store_explicit(&b->patience, half, memory_order_relaxed);
    (void)pthread_mutex_lock(&b->lock);
    atomic_fetch_add(&b->sleepers,
                     1); /* before the last look at round, as the last to arrive looks after changing it */
    while (atomic_load(&b->round) == round) (void)pthread_cond_wait(&b->next, &b->lock);
    atomic_fetch_sub(&b->sleepers, 1);
    (void)pthread_mutex_unlock(&b->lock);
}

static void start_next(parallel_barrier *b, unsigned round)
{
    const unsigned patience = atomic_load_explicit(&b->patience, memory_order_relaxed);
    if (patience < PATIENCE_MOST) atomic_store_explicit(&b->patience, patience + patience / 16, memory_order_relaxed);
    atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
    atomic_store(&b->round, round + 1);
    if (atomic_load(&b->sleepers) == 0) return;
    (void)pthread_mutex_lock(&b->lock);
    (void)pthread_cond_broadcast(&b->next);
    (void)pthread_mutex_unlock(&b->lock);
}

void parallel_wait(const parallel_member *me)
{
    if (me->members == 1) return;
    parallel_barrier *b = me->barrier;
    const unsigned round = atomic_load_explicit(&b->round, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) + 1 == me->members) {
        start_next(b, round);
        return;
    }
    unsigned left = atomic_load_explicit(&b->patience, memory_order_relaxed);
    while (atomic_load_explicit(&b->round, memory_order_acquire) == round) {
        cpu_pause();
        if (left-- > 0) continue;
        sleep_until_next(b, round);
        return;
    }
}

void parallel_team(unsigned threads, parallel_team_fn fn, void *context)
{
    parallel_barrier barrier = {
        .patience = PATIENCE_MOST, .lock = PTHREAD_MUTEX_INITIALIZER, .next = PTHREAD_COND_INITIALIZER};
    const unsigned members = parallel_threads(threads);
#ifdef _OPENMP
#pragma omp parallel num_threads(members) if (members > 1)
    {
        const parallel_member me = {
            .member = (unsigned)omp_get_thread_num(), .members = (unsigned)omp_get_num_threads(), .barrier = &barrier};
        fn(context, &me);
    }
#else
    const parallel_member me = {.member = 0, .members = members, .barrier = &barrier};
    fn(context, &me);
#endif
}
