/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

annulus_status progress_report(const annulus_progress *p, const char *what, size_t done, size_t total)
{
    if (p == NULL || p->report == NULL) return ANNULUS_OK;
    if (p->report(p->context, what, done, total) == 0) return ANNULUS_OK;
    return fail(ANNULUS_ERR_CANCELLED, "stopped on request during %s, %zu %% done", what,
                total == 0 ? 0 : 100 * done / total);
}
