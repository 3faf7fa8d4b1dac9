/* SPDX-License-Identifier: Apache-2.0 */
/* Line charts as SVG. */
#ifndef BASE_CHART_H
#define BASE_CHART_H

#include "base/status.h"
#include <stddef.h>

/* One line; it is drawn against an axis of its own, the first one's on the left, the second one's on the right. */
typedef struct chart_line {
    const char *name; /* with the unit: the axis's title; no markup characters */
    const double *y;  /* (count), borrowed; a value that is not finite is left out */
} chart_line;

/* x (count) ascending, count >= 1; lines 1 or 2. Written as a whole or not at all. */
annulus_status chart_write(const char *path, const char *title, const char *x_name, const double *x, size_t count,
                           const chart_line *line, size_t lines) __attribute__((warn_unused_result));
#endif
