/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/audit_priv.h"
#include "circuit/exec_priv.h"

#include <math.h>

double audit_variance_log_p(double z_least, double z_most, double counted, double samples, const audit_dependence *d)
{
    const double mean = counted * samples, norm = sqrt(d->square * samples), ratio = exp2(2 * AUDIT_TOLERANCE);
    double t = 0;
    if (z_most / ratio > mean) {
        const double root = (sqrt(norm * norm + 2 * d->largest * (z_most / ratio - mean)) - norm) / (2 * d->largest);
        t = root * root;
    } else if (z_least * ratio < mean)
        t = pow((mean - z_least * ratio) / (2 * norm), 2);
    return fmin(0, M_LN2 - t);
}

/* log of Chernoff's bound: `part` of n draws, where `p` of them was expected. */
static double chernoff(double n, double part, double p)
{
    if (part <= 0) return n * log1p(-p);
    if (part >= 1) return n * log(p);
    return -n * (part * log(part / p) + (1 - part) * log((1 - part) / (1 - p)));
}

double audit_errors_log_p(double look_ups, double errors, double least, double most, double largest)
{
    if (look_ups <= 0) return 0;
    double log_p = 0;
    if (errors > most) /* most may be 0: then no error at all is explained */
        log_p = most > 0 ? fmin(chernoff(look_ups / largest, errors / look_ups, most / look_ups), log(most / errors))
                         : -INFINITY;
    else if (errors < least)
        log_p = chernoff(look_ups / largest, errors / look_ups, least / look_ups);
    return fmin(0, log_p + 2 * M_LN2);
}

double audit_error_probability(const circuit *c, const circuit_layer *l, size_t o, int64_t acc, double deviation)
{
    const double place = exec_place(l, o, acc), cell = 0.5 / l->cells, steps = exec_cell_steps(c, l);
    const int64_t clear = exec_cell(l, o, acc);
    const double down = (place - exec_border(steps, clear)) * cell;
    const double up = (exec_border(steps, clear + 1) - place) * cell;
    return 0.5 * (erfc(down / deviation / M_SQRT2) + erfc(up / deviation / M_SQRT2));
}
