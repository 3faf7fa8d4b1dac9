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
#endif
