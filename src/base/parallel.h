/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that starts threads. */
#ifndef BASE_PARALLEL_H
#define BASE_PARALLEL_H

#include "base/status.h"
#include <stddef.h>

/* Work item `index` on worker `worker` (0 <= worker < parallel_threads(threads)). */
typedef annulus_status (*parallel_fn)(void *context, size_t index, unsigned worker);

/* Number of workers that `threads` (0: all cores, OMP_NUM_THREADS honoured) means; at least 1. */
unsigned parallel_threads(unsigned threads);
/* Runs fn for index 0..count-1, handed out one by one. After a failure no new item starts; the failure of the lowest
 * index that failed is returned, with its message on the calling thread. */
annulus_status parallel_for(size_t count, unsigned threads, parallel_fn fn, void *context)
    __attribute__((warn_unused_result));

/* Of `count` items that workers take one by one, those of the worker that has most, if all take as long. */
static inline size_t parallel_busiest(size_t count, unsigned workers)
{
    return (count + workers - 1) / workers;
}

typedef struct parallel_barrier parallel_barrier;
/* A member of a team that works on one thing together; 0 <= member < members. */
typedef struct parallel_member {
    unsigned member, members;
    parallel_barrier *barrier;
} parallel_member;
extern const parallel_member parallel_alone; /* the only member of a team */
typedef void (*parallel_team_fn)(void *context, const parallel_member *me);

/* Runs fn once for each member of a team, all at the same time, and returns when all have. There may be fewer members
 * than parallel_threads(threads), at least one, never more. Members cannot fail: what may is done before. */
void parallel_team(unsigned threads, parallel_team_fn fn, void *context);
/* Returns when every member of the team has called it as often; what a member wrote before, all see after. Made for
 * waits of microseconds: it spins, and sleeps only when the wait grows long. */
void parallel_wait(const parallel_member *me);
#endif
