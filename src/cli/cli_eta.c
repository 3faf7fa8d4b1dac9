/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli_eta.h"

#include <stdio.h>

void eta_report(eta *e, size_t done, size_t total, double now)
{
    if (e->total != total || done < e->done) *e = (eta){.first = done, .total = total, .start = now};
    e->done = done;
    e->now = now;
}

double eta_left(const eta *e, double pace)
{
    if (e->done > e->first) pace = (e->now - e->start) / (double)(e->done - e->first);
    return e->done == e->total ? 0 : pace * (double)(e->total - e->done);
}

double eta_pace(const eta *run)
{
    return run->done > run->first ? (run->now - run->start) / (double)(run->done - run->first) : 1e-6;
}

/* Behind those that text has already. */
static size_t add_work(char *text, size_t size, size_t at, const char *what, const eta *e, double pace)
{
    const double left = eta_left(e, pace);
    int n = snprintf(text + at, size - at, "%s: %zu %%", what, e->total == 0 ? 100 : 100 * e->done / e->total);
    at = n < 0 || at + (size_t)n >= size ? size - 1 : at + (size_t)n;
    n = left < 0 ? 0 : snprintf(text + at, size - at, ", %.0f s left", left);
    return n < 0 || at + (size_t)n >= size ? size - 1 : at + (size_t)n;
}

void eta_line(char *text, size_t size, const char *what, const eta *work, const eta *run)
{
    size_t at = add_work(text, size, 0, what, work, run == NULL ? -1 : eta_pace(run));
    if (run == NULL) return;
    const int n = snprintf(text + at, size - at, "; ");
    at = n < 0 || at + (size_t)n >= size ? size - 1 : at + (size_t)n;
    (void)add_work(text, size, at, "run", run, eta_pace(run));
}
