/* SPDX-License-Identifier: Apache-2.0 */
/* How far work is and how long it will take. Times in seconds, of any clock. */
#ifndef CLI_CLI_ETA_H
#define CLI_CLI_ETA_H

#include <stddef.h>

typedef struct eta {
    size_t first, done, total; /* units when it began, or went on, here; now; in all */
    double start, now;
} eta;
/* Other work begins where the total is another or less is done than before. */
void eta_report(eta *e, size_t done, size_t total, double now);
/* Seconds left at the pace so far, or, before anything is done here, at `pace` a unit; pace < 0: not known, and then
 * what is returned is negative. */
double eta_left(const eta *e, double pace);
/* Of an encrypted run, whose units and those of its layers are predicted microseconds. */
double eta_pace(const eta *run);
/* text (size) <- the line: percent and seconds left of `work`, whose name is `what`; run: of the run that it is a part
 * of, or NULL. */
void eta_line(char *text, size_t size, const char *what, const eta *work, const eta *run);
#endif
