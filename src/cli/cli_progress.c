/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int report(void *context, const char *what, size_t done, size_t total)
{
    progress_line *p = context;
    const double now = seconds_now();
    if (p->total != total || done == 0) { /* other work */
        p->total = total;
        p->first = done;
        p->start = now;
    }
    if (!p->enabled || now - p->start < 1 || (now - p->shown < 0.2 && done != total) || total == 0)
        return stop_wanted();
    p->shown = now;
    p->on_screen = 1;
    const double left = done == p->first ? 0 : (now - p->start) * (double)(total - done) / (double)(done - p->first);
    fprintf(stderr, "\r\033[K%s: %zu of %zu (%zu %%), %.0f s left", what, done, total, 100 * done / total, left);
    return stop_wanted();
}

void progress_begin(progress_line *p, int quiet)
{
    stop_watch();
    *p = (progress_line){.start = seconds_now(), .enabled = !quiet && isatty(STDERR_FILENO)};
    p->progress = (annulus_progress){.report = report, .context = p};
}

void progress_end(progress_line *p)
{
    if (p->on_screen) fprintf(stderr, "\r\033[K");
    p->on_screen = 0;
}
