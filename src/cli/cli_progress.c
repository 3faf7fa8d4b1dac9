/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void show(progress_line *p, const char *what, const eta *run)
{
    const double now = seconds_now(), start = run != NULL ? run->start : p->work.start;
    char text[160];
    if (!p->enabled || now - start < 1 || (now - p->shown < 0.2 && p->work.done != p->work.total)) return;
    eta_line(text, sizeof text, what, &p->work, run);
    p->shown = now;
    p->on_screen = 1;
    fprintf(stderr, "\r\033[K%s", text);
}

/* A layer's report comes before that of its run, which shows both. */
static int report(void *context, const char *what, size_t done, size_t total)
{
    progress_line *p = context;
    const double now = seconds_now();
    if (strcmp(what, ANNULUS_PROGRESS_RUN) == 0) {
        eta_report(&p->run, done, total, now);
        if (p->running) show(p, p->layer, &p->run);
        p->running = done < total;
        return stop_wanted();
    }
    eta_report(&p->work, done, total, now);
    (void)snprintf(p->layer, sizeof p->layer, "%s", what);
    if (!p->running) show(p, what, NULL);
    return stop_wanted();
}

void progress_begin(progress_line *p, int quiet)
{
    stop_watch();
    *p = (progress_line){.enabled = !quiet && isatty(STDERR_FILENO)};
    p->progress = (annulus_progress){.report = report, .context = p};
}

void progress_end(progress_line *p)
{
    if (p->on_screen) fprintf(stderr, "\r\033[K");
    p->on_screen = 0;
}
