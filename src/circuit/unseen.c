/* SPDX-License-Identifier: Apache-2.0 */
#include "circuit/unseen.h"

#include <math.h>

#define MOST_MARGIN 1000.0 /* the bound of more is smaller still */
#define MANY 1e5           /* from here on Gamma(n)/Gamma(n+a) is (n + (a-1)/2)^-a, to 1e-7 of it for a margin of 10 */

double unseen_probability(size_t samples, double margin)
{
    const double n = (double)samples, m = fmin(margin, MOST_MARGIN);
    int sign;
    const double ratio = n < MANY ? lgamma_r(n, &sign) - lgamma_r(n + 1 + m, &sign) : -(1 + m) * log(n + m / 2);
    return fmin(n / (n + 1) * exp(lgamma_r(2 + m, &sign) + ratio), 1);
}

/* Of one end: how far the range goes beyond what was measured, of a span, and whether it is proven. */
static void add_end(size_t samples, double beyond, double span, int proven, unseen *sum)
{
    if (proven) return;
    const double margin = beyond > 0 && span > 0 ? beyond / span : 0;
    sum->range += unseen_probability(samples, margin);
    sum->measured += unseen_probability(samples, 0);
}

unseen circuit_unseen(const circuit *c, size_t layer)
{
    const circuit_layer *l = &c->layers[layer];
    const double count = (double)l->out;
    unseen u = {0};
    if (!c->ranges_measured || l->unit != 0 || c->calibration_count < 2) return u;
    for (size_t o = 0; o < l->out; o++) {
        const double lo = (double)l->measured_lo[o], hi = (double)l->measured_hi[o];
        add_end(c->calibration_count, lo - (double)l->lo[o], hi - lo, l->lo[o] <= l->proven_lo[o], &u);
        add_end(c->calibration_count, (double)l->hi[o] - hi, hi - lo, l->hi[o] >= l->proven_hi[o], &u);
    }
    return (unseen){
        .range = fmin(u.range / count, 1), .measured = fmin(u.measured / count, 1), .any = fmin(u.range, 1)};
}
