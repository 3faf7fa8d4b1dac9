/* SPDX-License-Identifier: Apache-2.0 */
/* Exact quantiles of a binomial law: intervals for counts, their false alarms, and what they would see. */
#ifndef TESTS_BINOMIAL_H
#define TESTS_BINOMIAL_H

#include <float.h>
#include <math.h>
#include <stddef.h>

/* Of x in n with probability q; c = 1 - q, by itself because either may be tiny. */
static inline double binomial_at(double n, double q, double c, double x)
{
    return exp(lgamma(n + 1) - lgamma(x + 1) - lgamma(n - x + 1) + x * log(fmax(q, DBL_MIN)) +
               (n - x) * log(fmax(c, DBL_MIN)));
}

/* P(X <= x), summed from x downward; x may be -1. */
static inline double binomial_below(double n, double q, double c, double x)
{
    double sum = 0;
    for (; x >= 0; x--) {
        const double at = binomial_at(n, q, c, x);
        sum += at;
        if (x < n * q && at < 1e-20) break;
    }
    return sum;
}

/* Smallest x with P(X <= x) >= tail. */
static inline double binomial_low(double n, double q, double c, double tail)
{
    double x = 0, sum = binomial_at(n, q, c, 0);
    while (sum < tail && x < n) sum += binomial_at(n, q, c, ++x);
    return x;
}

/* The counts at which neither tail is below (1 - confidence)/2: those for which the Clopper-Pearson interval of this
 * confidence holds q. alarm: probability of any other count, at most 1 - confidence. */
typedef struct binomial_interval {
    double low, high, alarm;
} binomial_interval;

static inline double binomial_outside(double n, double q, double c, const binomial_interval *i)
{
    return binomial_below(n, q, c, i->low - 1) + binomial_below(n, c, q, n - i->high - 1);
}

static inline binomial_interval binomial_interval_of(double n, double q, double c, double confidence)
{
    const double tail = (1 - confidence) / 2;
    binomial_interval i = {.low = binomial_low(n, q, c, tail), .high = n - binomial_low(n, c, q, tail)};
    i.alarm = binomial_outside(n, q, c, &i);
    return i;
}

/* Smallest q' > q at which a count lies outside the interval of q with this probability. */
static inline double binomial_seen(double n, double q, const binomial_interval *i, double probability)
{
    double low = q, high = 1;
    for (int step = 0; step < 50; step++) {
        const double middle = (low + high) / 2;
        if (binomial_outside(n, middle, 1 - middle, i) < probability)
            low = middle;
        else
            high = middle;
    }
    return high;
}
#endif
