/* SPDX-License-Identifier: Apache-2.0 */
/* Progress callback handed down from the caller. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include "annulus/progress.h"
#include "base/status.h"
#include <stddef.h>

/* Reports; p may be NULL. ANNULUS_ERR_CANCELLED when the callback asks to stop. */
annulus_status progress_report(const annulus_progress *p, const char *what, size_t done, size_t total)
    __attribute__((warn_unused_result));
#endif
